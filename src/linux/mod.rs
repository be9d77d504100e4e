//! The only room that knows Linux, and the only one with `unsafe`.
//!
//! Code here does what the core decided: it turns what the kernel says into
//! events and actions into system calls. It never decides about priority,
//! health or order.

mod arch;
mod failure;
mod mem;
mod multicast;
mod net;
mod netlink;
mod packet;
mod socket;
mod start;
mod syscall;
mod sysctl;
