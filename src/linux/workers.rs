//! The keeper's side of the forwarder's workers: they are forked early, watched
//! by pidfds, replaced when they end, and killed when they hang. When and how is
//! decided by `smena::supervise`.
//!
//! ```text
//!   keeper --fork--> smena: forward 0..N
//!     |  Shared, eventfds, the listeners: both sides have them
//!     '- pidfd: a worker ended        a keeper's end is a worker's end
//! ```
//!
//! # Safety
//!
//! A worker is a forked copy that never returns to the keeper's loop, so nobody
//! there looks again at what only that loop needs.
#![allow(unsafe_code)]

use core::mem::replace;

use heapless::Vec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpid, getrlimit,
    pidfd_send_signal, setpgid, setrlimit, waitid,
};
use rustix::thread::set_name;
use smena::config::Config;
use smena::pack::packed;
use smena::say::{Level, Number, Plain, say};
use smena::shared::Shared;
use smena::supervise::{Farewell, Order, Post, Step};
use smena::{Duration, Instant, board};

use super::doors;
use super::failure::{Failure, log_refusal};
use super::stack::{self, Place};
use super::start::Invocation;
use super::syscall::{self, Fork, SignalSet};
use super::text::Text;
use super::{clock, confine, held, log as logger, panic, realtime, socket, spawn, worker};

/// The token in epoll of what workers have to tell, and the first of their ends.
pub const BACK: u64 = 4;
pub const TOKENS: u64 = 500;
/// The first token that is not one of ours.
pub const TOKENS_END: u64 = TOKENS + board::WORKERS_MAX as u64;
/// A worker that stays away longer than this lets the kernel send its clients to
/// the others.
const AWAY: Duration = Duration::from_secs(1);
/// How soon a listener that could not listen is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// What `top` shows; there is room for 15 bytes.
const NAME: &core::ffi::CStr = c"smena: forward";

/// The workers, and what the keeper shares with them.
pub struct Workers<'a> {
    config: &'static Config<'static>,
    epoll: BorrowedFd<'a>,
    invocation: &'a Invocation,
    shared: &'static Shared,
    back: OwnedFd,
    doors: &'static mut doors::All,
    posts: Vec<Post, { board::WORKERS_MAX }>,
    pidfds: [Option<OwnedFd>; board::WORKERS_MAX],
    farewell: Farewell,
    /// When listeners that could not listen are tried again.
    retry_at: Option<Instant>,
    /// That some could not was told.
    told: bool,
    keeper: Pid,
    /// What no worker needs.
    tables: [Place; 6],
}

impl<'a> Workers<'a> {
    /// Binds all listeners and makes what both sides share; starts nothing.
    ///
    /// # Errors
    /// A listener cannot be bound, or the system has no room.
    pub fn open(
        config: &'static Config<'static>,
        epoll: BorrowedFd<'a>,
        invocation: &'a Invocation,
        all: &'static mut doors::All,
        tables: [Place; 6],
    ) -> Result<Workers<'a>, Failure> {
        let no_room = |errno| {
            let mend = packed!("raise the limits of memory and open files");
            Failure::new(format_args!("eventfd, mmap (workers)"), errno, mend)
        };
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let back = eventfd(0, flags).map_err(no_room)?;
        epoll::add(epoll, &back, EventData::new_u64(BACK), EventFlags::IN).map_err(no_room)?;
        Ok(Workers {
            config,
            epoll,
            invocation,
            shared: held::map_shared().map_err(no_room)?,
            doors: doors::open(config, all)?,
            back,
            posts: Vec::new(),
            pidfds: [const { None }; _],
            farewell: Farewell::Open,
            retry_at: None,
            told: false,
            keeper: getpid(),
            tables,
        })
    }

    /// Starts all of them.
    pub fn start(&mut self, now: Instant) {
        for _ in 0..self.doors.len() {
            // One post for each.
            let _ = self.posts.push(Post::new(now));
        }
        self.poll(now);
    }

    /// What keeper and workers tell each other.
    pub fn shared(&self) -> &'static Shared {
        self.shared
    }

    /// The workers, for status.
    pub fn posts(&self) -> &[Post] {
        &self.posts
    }

    /// How far a planned stop has come, for status.
    pub fn farewell(&self) -> &Farewell {
        &self.farewell
    }

    /// When [`Workers::poll`] wants to be called.
    pub fn poll_at(&self) -> Option<Instant> {
        let posts = self.posts.iter().map(Post::poll_at);
        let farewell = self.farewell.poll_at();
        posts.chain(farewell).chain(self.retry_at).min()
    }

    /// Does what is due. True: nothing of the forwarder holds a planned stop up
    /// any longer.
    pub fn poll(&mut self, now: Instant) -> bool {
        for at in 0..self.posts.len() {
            let heartbeat = self.shared.row(at as u8).heartbeat();
            match self.posts[at].on_poll(now, heartbeat) {
                Order::Nothing => {}
                Order::Start => self.fork(at, now),
                Order::Ask => self.wake(at),
                Order::Kill => {
                    let number = Number(at as u64);
                    let line = format_args!("worker {number} gives no sign of life: killed");
                    say(Level::Error, line);
                    self.kill(at);
                }
            }
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            for at in 0..self.posts.len() {
                self.open_doors(at);
                self.wake(at);
            }
            if self.retry_at.is_none() {
                self.told = false;
                say(
                    Level::Info,
                    format_args!("{}", packed!("every open service listens again")),
                );
            }
        }
        match self.farewell.poll_at() {
            Some(at) if at <= now => {
                let step = self.farewell.on_poll(now, self.sessions());
                self.follow(step)
            }
            _ => false,
        }
    }

    /// A planned stop is asked for. True: nothing holds it up.
    pub fn on_stop(&mut self, now: Instant) -> bool {
        let patience = self.config.node.drain_timeout;
        let sessions = self.sessions();
        let step = self.farewell.on_stop(now, sessions, patience);
        self.shut_for_good();
        if let Farewell::Draining { .. } = self.farewell {
            let (sessions, s) = (Number(sessions.into()), Number(patience.secs()));
            let line = format_args!("new sessions are refused; {sessions} may end within {s} s");
            say(Level::Info, line);
        }
        self.follow(step)
    }

    /// Whether clients are still served while the addresses are handed over.
    pub fn leaves(&self) -> bool {
        !self.posts.is_empty() && self.farewell == Farewell::Leaving
    }

    /// Addresses are about to go, or the node ends; `more`: it has others. The
    /// sessions are gone when [`Workers::sessions`] says so.
    pub fn on_release(&mut self, more: bool) {
        let step = self.farewell.on_release(more);
        self.shut_for_good();
        self.follow(step);
    }

    fn shut_for_good(&mut self) {
        if !self.farewell.serves() {
            for service in 0..self.config.services.len() {
                self.set_open(service as u8, false);
            }
        }
    }

    /// Lets clients of a service in, or has them refused at once.
    pub fn set_open(&mut self, service: u8, open: bool) {
        // Once the doors are shut for good nobody comes in again.
        let open = open && self.farewell.serves();
        self.shared.open_service(service, open);
        for at in 0..self.posts.len() {
            if !open || self.posts[at].worker().is_some() {
                self.set_door(at, service, open);
            }
            self.wake(at);
        }
    }

    /// Tells every worker to look at what is shared.
    pub fn wake_all(&self) {
        for at in 0..self.posts.len() {
            self.wake(at);
        }
    }

    /// Takes that workers have something to tell.
    pub fn take_word(&self) {
        let _ = read(&self.back, &mut [0; 8]);
    }

    /// Looks which of them have ended.
    pub fn look(&mut self, now: Instant) {
        for at in 0..self.posts.len() {
            self.ready(TOKENS + at as u64, now);
        }
    }

    /// A worker seems to have ended.
    pub fn ready(&mut self, token: u64, now: Instant) {
        let at = (token - TOKENS) as usize;
        let Some(pidfd) = self.pidfds.get(at).and_then(Option::as_ref) else {
            return;
        };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = match waitid(WaitId::PidFd(pidfd.as_fd()), options) {
            Ok(None) => return,
            Ok(Some(status)) => Some(status),
            Err(_) => None,
        };
        // A child may have a copy of the descriptor for a moment.
        let _ = epoll::delete(self.epoll, pidfd);
        self.pidfds[at] = None;
        self.shared.bury(at as u8);
        let pause = self.posts[at].on_ended(now);
        tell_end(at, status.as_ref(), pause);
        if pause > AWAY {
            for service in 0..self.config.services.len() {
                self.set_door(at, service as u8, false);
            }
        }
        self.poll(now);
    }

    /// Ends all of them.
    pub fn end(&self) {
        for at in 0..self.posts.len() {
            self.kill(at);
        }
    }

    /// Does a step of the farewell. True: it has come to its end.
    fn follow(&self, step: Step) -> bool {
        if step == Step::Cut {
            let sessions = self.sessions();
            if sessions > 0 {
                let sessions = Number(sessions.into());
                say(Level::Info, format_args!("{sessions} sessions are cut"));
            }
            for server in 0..self.config.servers.len() {
                self.shared.cut(server as u8);
            }
            self.wake_all();
        }
        step == Step::Rest
    }

    /// Sessions of all services now.
    pub fn sessions(&self) -> u32 {
        let services = 0..self.config.services.len();
        services
            .map(|service| self.shared.service(service as u8).sessions)
            .sum()
    }

    /// Opens what a worker's post should have open.
    fn open_doors(&mut self, at: usize) {
        for service in 0..self.config.services.len() as u8 {
            if self.posts[at].worker().is_some() && self.shared.service_is_open(service) {
                self.set_door(at, service, true);
            }
        }
    }

    /// Counts the clients of each service that the kernel took in and no worker.
    #[inline(never)]
    pub fn count_waiting(&self, counts: &mut [u32; board::SERVICES_MAX]) {
        for (count, service) in counts.iter_mut().zip(&self.config.services) {
            for doors in self.doors.iter() {
                // Sockets of UDP have no queue.
                for listener in service.listeners.of(&doors.listeners) {
                    *count += socket::queue_length(listener.as_fd());
                }
            }
        }
    }

    fn set_door(&mut self, at: usize, service: u8, open: bool) {
        let config = self.config;
        let entry = &config.services[usize::from(service)];
        let Err(errno) = doors::set_open(config, entry, &self.doors[at], open) else {
            return;
        };
        self.retry_at = Some(clock::now() + RETRY);
        if !replace(&mut self.told, true) {
            let name = Plain(entry.name);
            let what = format_args!("listen ([service {name}]), tried again every second");
            log_refusal(Level::Error, what, errno);
        }
    }

    fn wake(&self, at: usize) {
        // Full means that it was not yet read, which serves as well.
        let _ = write(&self.doors[at].wake, &1_u64.to_ne_bytes());
    }

    fn kill(&self, at: usize) {
        if let Some(pidfd) = &self.pidfds[at] {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
        }
    }

    /// Forks a worker.
    fn fork(&mut self, at: usize, now: Instant) {
        match syscall::fork() {
            Ok(Fork::Child) => {
                if let Err(errno) = self.live(at) {
                    log_refusal(Level::Error, format_args!("a worker ends"), errno);
                }
                syscall::exit(1)
            }
            Ok(Fork::Parent(pid, pidfd)) => {
                let pid = pid.as_raw_nonzero().get().unsigned_abs();
                let number = Number(at as u64);
                let line = format_args!("worker {number} starts, pid {}", Number(pid.into()));
                say(Level::Info, line);
                let heartbeat = self.shared.row(at as u8).heartbeat();
                self.posts[at].on_started(now, pid, heartbeat);
                let token = EventData::new_u64(TOKENS + at as u64);
                // Unwatched it is still collected by its SIGCHLD.
                let _ = epoll::add(self.epoll, &pidfd, token, EventFlags::IN);
                self.pidfds[at] = Some(pidfd);
                // Its predecessor may have stayed away for long.
                self.open_doors(at);
            }
            Err(errno) => {
                self.posts[at].on_refused(now);
                log_refusal(Level::Error, format_args!("cannot start a worker"), errno);
            }
        }
    }

    /// In the copy: leaves everything behind and serves.
    fn live(&self, at: usize) -> Result<(), Errno> {
        // Only SIGKILL ends it: what is sent to a whole group is the keeper's.
        syscall::set_signal_mask(SignalSet(u64::MAX));
        stack::narrow_program();
        setpgid(None, None)?;
        set_name(NAME)?;
        let number = Number(at as u64);
        let title = Text::<24>::of(format_args!("smena: forward {number}"));
        self.invocation.set_title(title.as_str().as_bytes());
        logger::keep_as_stdout()?;
        rustix::stdio::dup2_stdin(open(c"/dev/null", OFlags::RDONLY, Mode::empty())?)?;
        let doorway = &self.doors[at];
        let mut doors = worker::Doors {
            listeners: Vec::new(),
            wake: doorway.wake.as_fd(),
            report: self.back.as_fd(),
            descriptors: 0,
        };
        let mut kept = Vec::<BorrowedFd<'_>, { board::LISTENERS_MAX + 2 }>::new();
        let _ = kept.push(doors.wake);
        let _ = kept.push(doors.report);
        for listener in &doorway.listeners {
            let _ = doors.listeners.push(listener.as_fd());
            let _ = kept.push(listener.as_fd());
        }
        spawn::close_descriptors_but(&kept);
        realtime::leave();
        // A descriptor for each side of a session.
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let current = maximum;
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
        let limit = getrlimit(Resource::Nofile).current;
        doors.descriptors = limit.unwrap_or(u64::MAX);
        serve(
            self.config,
            self.shared,
            at as u8,
            &self.tables,
            self.keeper,
            &doors,
        )
    }
}

/// Gives back what is the keeper's, then every right, and serves.
#[inline(never)]
fn serve(
    config: &'static Config<'static>,
    shared: &'static Shared,
    index: u8,
    tables: &[Place],
    keeper: Pid,
    doors: &worker::Doors<'_>,
) -> ! {
    for table in tables {
        // SAFETY: they are the keeper's, to whose loop this copy never returns.
        unsafe { stack::give_back_static(*table) };
    }
    let end = &raw const *doors as usize + size_of_val(doors);
    // SAFETY: the callers' frames are above this one, and of them only `doors`
    // is looked at again, since this function does not return.
    unsafe { stack::give_back_above(end, panic::stack_top()) };
    stack::give_back();
    let transparent = config.services.iter().any(|service| service.transparent);
    if let Err(errno) = confine::leave(transparent, keeper) {
        log_refusal(Level::Error, format_args!("a worker ends"), errno);
        syscall::exit(1);
    }
    worker::run(config, shared, index, doors)
}

/// Says how a worker ended, and when the next one comes.
#[cold]
fn tell_end(at: usize, status: Option<&WaitIdStatus>, pause: Duration) {
    const SIGSYS: i32 = Signal::SYS.as_raw();
    let signal = status.and_then(WaitIdStatus::terminating_signal);
    let code = status.and_then(WaitIdStatus::exit_status);
    let (how, number) = match (signal, code) {
        (Some(SIGSYS), _) => ("made a call that it may not make: signal", SIGSYS),
        (Some(signal), _) => ("was killed by signal", signal),
        (None, code) => ("ended with code", code.unwrap_or(0)),
    };
    let (at, how) = (Number(at as u64), Plain(how));
    let number = Number(number.unsigned_abs().into());
    let ms = Number(pause.total_millis());
    say(
        Level::Warn,
        format_args!("worker {at} {how} {number}; another one starts in {ms} ms"),
    );
}
