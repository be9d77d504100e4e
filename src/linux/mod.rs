//! The only room that knows Linux, and the only one with `unsafe`.
//!
//! Code here does what the core decided: it turns what the kernel says into
//! events and actions into system calls. It never decides about priority,
//! health or order.

mod answer;
mod arch;
mod ask;
mod bake;
mod batch;
mod called;
mod cell;
mod child;
mod claims;
mod client;
mod clock;
mod confine;
mod control;
mod datagram;
mod demo;
mod descriptor;
mod dial;
mod doors;
mod failure;
mod guard;
mod held;
mod hook;
mod init;
mod keeper;
mod lines;
mod listener;
mod load;
mod log;
mod look;
mod mem;
mod multicast;
mod net;
mod netlink;
mod output;
mod owner;
mod packet;
mod panic;
mod pipes;
mod process;
mod program;
mod publish;
mod questions;
mod raw;
mod realtime;
mod relay;
mod replay;
mod scan;
mod servers;
mod signal;
mod socket;
mod spawn;
mod stack;
mod start;
mod sweep;
mod syscall;
mod sysctl;
mod table;
mod text;
mod timer;
mod user;
mod worker;
mod workers;
