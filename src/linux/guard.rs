//! The guard: a forked copy of the keeper that only waits for its death, and
//! then removes the addresses that it held and says priority 0 for it. So even
//! a kill -9 costs the peers one skew; what the guard cannot do, because it was
//! killed or frozen as well, the lease does.
//!
//! ```text
//!   keeper --fork--> guard        a pipe's end and a pidfd tell it of the death
//!      |  writes       | reads
//!      `---> Held <----'          what to remove, and where to speak from
//! ```
//!
//! Between the death of a process and the moment that its pidfd tells of it the
//! kernel closes every descriptor, and waits some ten milliseconds for each
//! packet socket. It closes the last one first, so the keeper's end of the pipe
//! has the highest number; the pidfd stands in where that is not so.
//!
//! A keeper that ends in order holds nothing, and the guard ends without a word.
//! It decides nothing and never outlives its one deed.

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, WaitId, WaitIdOptions, getpid, getppid, pidfd_open, setpgid, waitid,
};
use rustix::thread::set_name;
use smena::event::RouterId;
use smena::node::Node;
use smena::pack::packed;
use smena::protocol::Family;
use smena::say::{Level, Number, say};
use smena::{Duration, Instant, wire};

use super::clock::{self, Wall};
use super::failure::{Failure, log_refusal};
use super::held::Held;
use super::net::group_mac;
use super::netlink::Socket;
use super::packet::{self, Port};
use super::raw::Raw;
use super::realtime::Realtime;
use super::start::Invocation;
use super::syscall::{self, Fork, SignalSet};
use super::{log as logger, output, spawn, stack};

/// The guard's token in epoll.
pub const TOKEN: u64 = 3;
/// A guard that dies is replaced at once, but not more often than this.
const PAUSE: Duration = Duration::from_secs(10);
/// Above the number of any other descriptor of the keeper: three for each check
/// and hook, four for each interface, the listeners and three more for each
/// worker, and some. Mostly no more than 1024 are allowed.
pub const HIGHEST: i32 = {
    use smena::board::{CHECKS_MAX, INTERFACES_MAX, LISTENERS_MAX, ROUTERS_MAX, WORKERS_MAX};
    let routers = 3 * (CHECKS_MAX + ROUTERS_MAX) + 4 * INTERFACES_MAX;
    let all = routers + (LISTENERS_MAX + 3) * WORKERS_MAX + 64;
    if all < 1024 { all as i32 } else { 1023 }
};
/// What `ps` shows.
const TITLE: &core::ffi::CStr = c"smena: guard";

/// The keeper's side.
pub struct Guard<'a> {
    held: &'static Held,
    epoll: BorrowedFd<'a>,
    invocation: &'a Invocation,
    /// The pipe whose writing end only the keeper has.
    read: OwnedFd,
    _write: OwnedFd,
    /// The guard that lives.
    pidfd: Option<OwnedFd>,
    started_at: Instant,
}

impl<'a> Guard<'a> {
    /// Makes what both sides share.
    ///
    /// # Errors
    /// The system has no room.
    pub fn open(epoll: BorrowedFd<'a>, invocation: &'a Invocation) -> Result<Guard<'a>, Failure> {
        Guard::try_open(epoll, invocation).map_err(|errno| {
            Failure::new(
                format_args!("mmap, pipe2 (the guard)"),
                errno,
                packed!("raise the limits of memory and open files"),
            )
        })
    }

    fn try_open(epoll: BorrowedFd<'a>, invocation: &'a Invocation) -> Result<Guard<'a>, Errno> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok(Guard {
            held: Held::map()?,
            epoll,
            invocation,
            read,
            // A lower limit of open files leaves it where it is.
            _write: fcntl_dupfd_cloexec(&write, HIGHEST).unwrap_or(write),
            pidfd: None,
            started_at: Instant::ZERO,
        })
    }

    /// What the keeper tells the guard.
    pub fn held(&self) -> &'static Held {
        self.held
    }

    /// When [`Guard::poll`] wants to be called.
    pub fn poll_at(&self) -> Option<Instant> {
        self.pidfd.is_none().then(|| self.started_at + PAUSE)
    }

    /// Starts a guard when there is none, and its time has come.
    pub fn poll(&mut self, now: Instant, node: &mut Node<'_>) {
        if self.poll_at().is_some_and(|at| at <= now) {
            self.start(now, node);
        }
    }

    /// The guard has ended, which it never does by itself.
    pub fn ended(&mut self, now: Instant, node: &mut Node<'_>) {
        let Some(pidfd) = &self.pidfd else {
            return;
        };
        // It may have been collected as a stray already.
        let _ = waitid(
            WaitId::PidFd(pidfd.as_fd()),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        );
        // A child may have a copy of the descriptor for a moment.
        let _ = epoll::delete(self.epoll, pidfd);
        self.pidfd = None;
        say(
            Level::Warn,
            format_args!("the guard was killed; another one starts"),
        );
        self.poll(now, node);
    }

    /// Forks the guard. Without one the lease does its work, only later.
    pub fn start(&mut self, now: Instant, node: &mut Node<'_>) {
        self.started_at = now;
        let keeper = getpid();
        match syscall::fork() {
            Ok(Fork::Child) => syscall::exit(match self.live(keeper, node) {
                Ok(()) => 0,
                Err(errno) => {
                    log_refusal(Level::Error, format_args!("the guard ends"), errno);
                    1
                }
            }),
            Ok(Fork::Parent(_, pidfd)) => {
                let token = EventData::new_u64(TOKEN);
                if epoll::add(self.epoll, &pidfd, token, EventFlags::IN).is_ok() {
                    self.pidfd = Some(pidfd);
                }
            }
            Err(errno) => {
                log_refusal(Level::Error, format_args!("cannot start the guard"), errno);
            }
        }
    }

    /// In the copy: leaves everything behind, waits, and does its deed.
    fn live(&self, keeper: Pid, node: &mut Node<'_>) -> Result<(), Errno> {
        // Only SIGKILL ends it: what is sent to a whole group is the keeper's.
        syscall::set_signal_mask(SignalSet(u64::MAX));
        setpgid(None, None)?;
        set_name(TITLE)?;
        self.invocation.set_title(TITLE.to_bytes());
        logger::keep_as_stdout()?;
        rustix::stdio::dup2_stdin(&self.read)?;
        spawn::close_descriptors();
        let mut tools = Tools {
            requests: Socket::open()?,
            port: Port::open(None)?,
            frames: match node.config().routers.iter().any(|router| router.vmac) {
                true => Some(Port::open_raw()?),
                false => None,
            },
            node,
            held: self.held,
        };
        let pidfd = pidfd_open(keeper, PidfdFlags::empty());
        stack::give_back();
        stack::give_back_apart();
        Realtime::enter(tools.node.config().node.realtime());
        if let Ok(pidfd) = &pidfd
            && getppid() == Some(keeper)
        {
            wait(pidfd)?;
        }
        tools.work();
        Ok(())
    }
}

/// Waits for the keeper's death.
fn wait(pidfd: &OwnedFd) -> Result<(), Errno> {
    loop {
        let mut both = [
            PollFd::from_borrowed_fd(output::stdin(), PollFlags::IN),
            PollFd::new(pidfd, PollFlags::IN),
        ];
        match poll(&mut both, None) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// What the deed takes.
struct Tools<'t, 'a> {
    requests: Socket,
    port: Port,
    /// The one that speaks for macvlans.
    frames: Option<Port>,
    node: &'t mut Node<'a>,
    held: &'static Held,
}

impl Tools<'_, '_> {
    /// Lets go of what the keeper held, and tells everybody.
    #[inline(never)]
    fn work(&mut self) {
        let mut routers = 0;
        for router in (0..self.node.config().routers.len()).map(|at| RouterId(at as u8)) {
            if self.held.holds(router) {
                routers += 1;
                self.remove_addresses(router);
                self.resign(router);
                let vmac = self.held.vmac(router);
                if vmac != 0 {
                    let _ = self.requests.delete_link(vmac);
                }
            }
        }
        if routers > 0 {
            let routers = Number(routers);
            say(
                Level::Error,
                format_args!(
                    "the keeper died: addresses removed and priority 0 sent for {routers} routers"
                ),
            );
        }
    }

    fn remove_addresses(&mut self, router: RouterId) {
        let config = &self.node.config().routers[usize::from(router.0)];
        for (number, address) in config.addresses.iter().enumerate() {
            let index = match self.held.vmac(router) {
                vmac @ 1.. if address.dev.is_none() => vmac,
                _ => self.held.link(self.node.carrier_of(router, number)),
            };
            // What fails here is left to the lease.
            let _ = self
                .requests
                .remove_address(index, address.address, address.prefix_len);
        }
    }

    /// Priority 0, twice as at a planned stop.
    fn resign(&mut self, router: RouterId) {
        let Some(source) = self.held.source(router) else {
            return;
        };
        let interface = self.node.interface_of(router);
        let index = self.held.link(interface);
        self.port.aim(index);
        if let Some(frames) = &mut self.frames {
            frames.aim(index);
        }
        let family = Family::of(&source);
        let name = self.node.interfaces()[usize::from(interface.0)].name;
        // What is signed tells the time, which has gone on since the fork.
        if let Some(ahead) = Wall::new().look() {
            self.node.set_clock(clock::now(), ahead);
        }
        let mut buffer = [0; wire::PACKET_MAX];
        let mut raw = None;
        for _ in 0..2 {
            let mut nth = 0;
            while let Some(sending) =
                self.node
                    .emit_advert_from(router, source, 0, nth, &mut buffer)
            {
                let bytes = buffer.get(..sending.length).unwrap_or_default();
                let _ = match sending.peer {
                    None => {
                        let (ethertype, group) = (packet::ethertype(family), group_mac(family));
                        match (self.node.virtual_mac(router), &self.frames) {
                            (Some(mac), Some(port)) => port.send_as(mac, bytes, ethertype, group),
                            _ => self.port.send(bytes, ethertype, group),
                        }
                    }
                    Some(peer) => {
                        raw = raw.or_else(|| Raw::open(family, name).ok());
                        let raw = raw.as_ref().ok_or(Errno::NODEV);
                        raw.and_then(|raw| raw.send(bytes, peer, index))
                    }
                };
                nth += 1;
            }
        }
    }
}
