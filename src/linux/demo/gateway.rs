//! One box of the demo: a network with an `eth0`, a real `smena run` on a file
//! of its own, and the process that its check looks for. It listens to what the
//! two say and do, and asserts nothing.

use core::net::{IpAddr, Ipv4Addr};

use rustix::event::{PollFd, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::io::read;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, getpid, pidfd_send_signal, waitid};
use rustix::thread::set_name;
use smena::Instant;
use smena::say::Plain;

use crate::linux::lines::{Lines, Said};
use crate::linux::netlink::{Received, Socket, meaning, message};
use crate::linux::spawn::{self, Program, STRINGS_MAX, Setting};
use crate::linux::syscall::{self, Fork};
use crate::linux::text::Text;

use super::screen::Screen;
use super::world::{Network, need};
use super::{ADDRESS, HOOK_MARK, wires};

/// The state of a router that its log tells last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does not run.
    Off,
    /// It runs, and is neither of these two.
    Idle,
    Backup,
    Master,
}

/// See the module.
pub struct Gateway {
    /// What it and its port of the bridge are called.
    pub name: &'static str,
    /// The state of its router.
    pub state: State,
    /// Its kernel has the shared address.
    pub has_address: bool,
    /// The last hook that ran was told MASTER.
    pub hook_says_master: bool,
    /// The exit code of the last `smena run` that ended by itself.
    pub exit: Option<i32>,
    /// The name of the process that its check looks for.
    service: Text<16>,
    file: &'static str,
    network: Network,
    requests: Socket,
    notices: Socket,
    keeper: Option<Child>,
    check: Option<OwnedFd>,
    lines: Lines,
}

/// A running `smena run`.
struct Child {
    pidfd: OwnedFd,
    output: OwnedFd,
}

impl Gateway {
    /// A box with nothing running. Leaves the process in its network.
    pub fn create(name: &'static str, service: Text<16>, file: &'static str) -> Gateway {
        Gateway {
            name,
            state: State::Off,
            has_address: false,
            hook_says_master: false,
            exit: None,
            service,
            file,
            network: Network::create(),
            requests: need(Socket::open(), "socket AF_NETLINK"),
            notices: need(Socket::watch(), "socket AF_NETLINK"),
            keeper: None,
            check: None,
            lines: Lines::new(),
        }
    }

    /// Its network, for the cable.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Brings up the end of the cable that came in.
    pub fn plug_in(&mut self, address: Ipv4Addr) {
        let eth0 = wires::index_of(&mut self.requests, "eth0");
        wires::switch(&mut self.requests, eth0, true);
        wires::add_address(&mut self.requests, eth0, address);
    }

    /// Starts `smena run` in its network; `home` is where the process goes back.
    pub fn start_keeper(&mut self, home: &Network) {
        let null = open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        let null = need(null, "open /dev/null");
        let (output, write) = need(pipe_with(PipeFlags::CLOEXEC), "pipe2");
        need(fcntl_setfl(&output, OFlags::NONBLOCK), "fcntl");
        let parent = getpid();
        self.network.enter();
        match need(syscall::fork(), "clone") {
            Fork::Child => be_keeper(
                &Setting {
                    null: null.as_fd(),
                    output: write.as_fd(),
                    session: false,
                    parent,
                    at_parents_death: Some(Signal::KILL),
                },
                self.file,
            ),
            Fork::Parent(_, pidfd) => self.keeper = Some(Child { pidfd, output }),
        }
        home.enter();
        self.state = State::Idle;
        self.lines = Lines::new();
    }

    /// Starts the process that the check looks for.
    pub fn start_service(&mut self) {
        match need(syscall::fork(), "clone") {
            Fork::Child => be_service(&mut self.service),
            Fork::Parent(_, pidfd) => self.check = Some(pidfd),
        }
    }

    /// Kills it.
    pub fn kill_service(&mut self) {
        if let Some(pidfd) = self.check.take() {
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
            let _ = wait(&pidfd, WaitIdOptions::empty());
        }
    }

    /// Sends `smena run` a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(keeper) = &self.keeper {
            let _ = pidfd_send_signal(&keeper.pidfd, signal);
        }
    }

    /// Kills everything that runs here.
    pub fn kill(&mut self) {
        self.kill_service();
        self.signal(Signal::KILL);
        if let Some(keeper) = self.keeper.take() {
            let _ = wait(&keeper.pidfd, WaitIdOptions::empty());
        }
        self.state = State::Off;
    }

    /// The descriptors that something new shows on.
    pub fn fds(&self) -> [BorrowedFd<'_>; 2] {
        let notices = self.notices.fd();
        let output = self.keeper.as_ref().map(|keeper| keeper.output.as_fd());
        [notices, output.unwrap_or(notices)]
    }

    /// Takes what is new, and tells what a reader should see of it.
    #[inline(never)]
    pub fn poll(&mut self, now: Instant, screen: &mut Screen) {
        self.read_notices();
        let Some(keeper) = &self.keeper else {
            return;
        };
        // Looked at first, so that its last words are still read.
        let ended = wait(&keeper.pidfd, WaitIdOptions::NOHANG);
        self.read_output(now, screen);
        if let Some(code) = ended {
            self.keeper = None;
            self.state = State::Off;
            self.hook_says_master = false;
            self.exit = code;
        }
    }

    /// Learns from its kernel whether it has the shared address.
    fn read_notices(&mut self) {
        let mut buffer = [0; 4096];
        while let Received::Messages(length) = self.notices.receive(&mut buffer) {
            let mut rest = buffer.get(..length).unwrap_or_default();
            while let Some((header, body, next)) = message::split(rest) {
                rest = rest.get(next..).unwrap_or_default();
                let has = match header.kind {
                    meaning::NEW_ADDRESS => true,
                    meaning::DELETE_ADDRESS => false,
                    _ => continue,
                };
                let ours = meaning::address(body)
                    .is_some_and(|(_, local)| local.address == IpAddr::V4(ADDRESS));
                if ours {
                    self.has_address = has;
                }
            }
        }
    }

    /// Reads the log of `smena run`.
    fn read_output(&mut self, now: Instant, screen: &mut Screen) {
        let Some(keeper) = &self.keeper else {
            return;
        };
        let (name, state, hook) = (
            Plain(self.name),
            &mut self.state,
            &mut self.hook_says_master,
        );
        let mut take = |said: Said<'_>| {
            let (Said::Line(line) | Said::LineBeginning(line)) = said else {
                return;
            };
            let line = core::str::from_utf8(line).unwrap_or_default();
            if let Some((_, said)) = cut(line, HOOK_MARK) {
                *hook = said.starts_with("MASTER");
                screen.tell(format_args!("{name}: its hook ran: {}", Plain(said)));
            } else if let Some((from, to, reason)) = change(line) {
                *state = state_of(to);
                let (from, to, reason) = (Plain(from), Plain(to), Plain(reason));
                screen.tell(format_args!("{name}: {from}->{to}: {reason}"));
            } else if let Some((_, complaint)) =
                cut(line, "Z error ").or_else(|| cut(line, "Z warn  "))
            {
                screen.tell(format_args!("{name}: {}", Plain(complaint)));
            }
        };
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = read(&keeper.output, &mut buffer) {
            let bytes = buffer.get(..length).unwrap_or_default();
            self.lines.take(now, bytes, &mut take);
        }
    }
}

/// The states before and after, and the reason, where a line of the log tells
/// that the router changed.
fn change(line: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = cut(line, " VI_01: ")?;
    let (states, reason) = cut(rest, ": ")?;
    let (from, to) = cut(states, "..")?;
    Some((from, to, reason))
}

/// The parts before and after the first `mark`.
fn cut<'a>(line: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let mut windows = line.as_bytes().windows(mark.len());
    let at = windows.position(|window| window == mark.as_bytes())?;
    Some((line.get(..at)?, line.get(at + mark.len()..)?))
}

fn state_of(name: &str) -> State {
    match name {
        "MASTER" => State::Master,
        "BACKUP" => State::Backup,
        _ => State::Idle,
    }
}

/// In a child: becomes `smena run` on this file.
fn be_keeper(setting: &Setting<'_>, file: &str) -> ! {
    if spawn::leave(setting).is_ok() {
        let mut strings = [0; STRINGS_MAX];
        let mut program = Program::new(&mut strings);
        for word in ["/smena", "run", "-c", file] {
            program.argument(format_args!("{}", Plain(word)));
        }
        program.execute();
    }
    syscall::exit(1)
}

/// In a child: is nothing but a process of this name.
fn be_service(name: &mut Text<16>) -> ! {
    if let Some(name) = name.as_c_str() {
        let _ = set_name(name);
    }
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    loop {
        let _ = poll(&mut [] as &mut [PollFd<'_>], None);
    }
}

/// How a child ended; `None`: not yet. Within: its code, if it had one.
fn wait(pidfd: &OwnedFd, options: WaitIdOptions) -> Option<Option<i32>> {
    let ended = waitid(
        WaitId::PidFd(pidfd.as_fd()),
        WaitIdOptions::EXITED | options,
    );
    Some(ended.ok()??.exit_status())
}

/// The hook of the demo's routers: says what it was told, on its standard output.
pub fn hook(words: &mut dyn Iterator<Item = &str>) -> Text<128> {
    let [_, _, state, priority] = [(); 4].map(|()| Plain(words.next().unwrap_or("?")));
    let mark = Plain(HOOK_MARK);
    Text::of(format_args!("{mark}{state}, priority {priority}"))
}
