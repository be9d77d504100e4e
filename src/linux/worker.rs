//! A worker of the forwarder: a process of its own that takes clients in,
//! connects them to servers and carries their bytes. It is forked by the
//! keeper, has no privilege left, and ends with the keeper.

use heapless::Vec;
use rustix::fd::BorrowedFd;
use smena::board;
use smena::config::Config;
use smena::shared::Shared;

use super::syscall;

/// The descriptors that the keeper hands to a worker.
pub struct Doors<'d> {
    /// This worker's listening sockets, in the order of [`Config::listeners`].
    pub listeners: Vec<BorrowedFd<'d>, { board::LISTENERS_MAX }>,
    /// An eventfd that the keeper writes to: look at [`Shared`] again.
    pub wake: BorrowedFd<'d>,
    /// An eventfd of all workers to the keeper: a server refused.
    pub report: BorrowedFd<'d>,
}

/// Serves until the process is ended.
pub fn run(
    config: &'static Config<'static>,
    shared: &'static Shared,
    index: u8,
    doors: &Doors<'_>,
) -> ! {
    let _ = (config, shared, index, doors);
    syscall::exit(0)
}
