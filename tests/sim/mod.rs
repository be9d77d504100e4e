//! The simulator: real nodes on a seeded LAN in virtual time.
//!
//! ```text
//!   seed -> plan -> smena.ini of each node -> the real parser -> the real Node
//!                                                                 |  ^
//!   world: queue of what will happen      drive: actions, events  v  |
//!     lan     latency, loss, cuts, damage      <--- packets ----- host
//!     kernel  interfaces, addresses, leases    <--- netlink -----  |
//!     storm   faults that come and go          ---> faults ------->'
//!     rules   watch every step and name what was broken
//! ```
//!
//! A run has a storm, in which nothing forbidden may happen, and a calm after
//! it, in which the right things must happen. Nothing here reads a clock, a
//! file or the system's randomness: one seed is one run.

mod actions;
mod bytes;
pub mod campaign;
mod children;
pub mod clock;
pub mod delivery;
mod drive;
mod faults;
pub mod host;
mod ini;
mod kernel;
mod lan;
mod neighbours;
pub mod plan;
mod random;
pub mod rules;
pub mod run;
pub mod scenario;
mod servers;
mod storm;
mod trace;
mod world;
