//! The core of smena: every decision, and no system call.
//!
//! ```text
//!             configuration text                      status, JSON
//!                     |                                    ^
//!                  config                               report
//!                     |                                    | reads
//!                     v                                    |
//!   Event  ------> node::Node::process(now, event, actions) ------> Action
//!                     |            |            |
//!                 vrrp::Router  check::Check  hook::Hook  diagnosis
//!                     |                                       |
//!                  wire: bytes <-> meaning -------------------'
//! ```
//!
//! The seam is two functions: [`node::Node::process`] takes what happened and
//! says what to do, [`node::Node::poll_at`] says when to call again. Whoever
//! drives them owns the clock, the sockets and the processes: `linux/` in the
//! binary, `tests/sim` in the simulator. Nothing here allocates, blocks, reads
//! a clock or knows an operating system.
//!
//! Imports point downwards only:
//! `hello, pack, say <- address, board, key, protocol <- stick <- config, shared, wire <- event <- call <- vrrp, check, server, probe, hook, resource, diagnosis, supervise, upkeep, balance <- node, session, datagram <- report`.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod address;
pub mod balance;
pub mod board;
pub mod call;
pub mod capture;
pub mod check;
pub mod command;
pub mod config;
pub mod datagram;
pub mod diagnosis;
pub mod event;
pub mod hello;
pub mod hook;
pub mod key;
pub mod mutation;
pub mod node;
pub mod pack;
pub mod probe;
pub mod protocol;
pub mod replay;
pub mod report;
pub mod resource;
pub mod say;
pub mod server;
pub mod session;
pub mod shared;
pub mod stick;
pub mod supervise;
pub mod upkeep;
pub mod vrrp;
pub mod wire;

pub use smoltcp::time::{Duration, Instant};
