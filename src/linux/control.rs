//! The control socket: who connects sends one line and gets an answer.
//!
//! The line is read by the keeper as it comes; the answer is written by a forked
//! copy of the keeper, which has everything as it was at that moment and may
//! wait for a slow reader as long as it likes, up to a limit. The keeper never
//! waits for anybody. An answer begins with a line `smena EXIT LENGTH`: what the
//! asking command is to exit with, and how many bytes follow; what HAProxy's tools
//! ask is answered as they expect it, without. An order is carried out by the
//! keeper itself before the copy is made.

use core::fmt;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, read};
use rustix::net::{Shutdown, SocketFlags, accept_with, shutdown};
use rustix::process::{
    Signal, WaitId, WaitIdOptions, pidfd_send_signal, set_parent_process_death_signal, waitid,
};
use smena::event::earliest;
use smena::node::Node;
use smena::pack::{Packed, packed};
use smena::report::{self, Order, View};
use smena::say::{Level, Number, Plain};
use smena::{Duration, Instant};

use super::failure::{Failure, log_refusal};
use super::listener::Listener;
use super::output::{self, Output};
use super::syscall::{self, Fork, SignalSet};
use super::{log as logger, spawn};

/// The tokens in epoll: the listener, and one for each connection, for its
/// socket first and for the process that answers later.
pub const TOKENS: u64 = 10;
/// Connections at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 8;
/// How long a question may take to come.
const QUESTION_PATIENCE: Duration = Duration::from_secs(1);
/// How long an answer may take to be read.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// The longest question in bytes.
const QUESTION_MAX: usize = 128;

/// What a connection is about.
enum Connection {
    Free,
    /// The question has not come, or not wholly.
    Asking {
        socket: OwnedFd,
        line: [u8; QUESTION_MAX],
        length: usize,
        until: Instant,
    },
    /// A copy of the keeper writes the answer.
    Answering {
        pidfd: OwnedFd,
        until: Instant,
        killed: bool,
    },
}

/// The listening socket and its connections.
pub struct Control<'a> {
    epoll: BorrowedFd<'a>,
    listener: Listener,
    /// Accepting is paused, because every connection is in use.
    full: bool,
    path: &'a str,
    connections: [Connection; CONNECTIONS_MAX],
}

impl<'a> Control<'a> {
    /// Listens at a path.
    ///
    /// # Errors
    /// Somebody does listen there, or the system refused.
    pub fn open(path: &'a str, epoll: BorrowedFd<'a>) -> Result<Control<'a>, Failure> {
        let listener = Listener::open(path)?;
        let token = EventData::new_u64(TOKENS);
        epoll::add(epoll, &listener, token, EventFlags::IN).map_err(|errno| {
            Failure::new(
                format_args!("epoll_ctl {}", Plain(path)),
                errno,
                packed!(""),
            )
        })?;
        Ok(Control {
            epoll,
            listener,
            full: false,
            path,
            connections: [const { Connection::Free }; CONNECTIONS_MAX],
        })
    }

    /// A descriptor is ready: somebody connects, asks, or has been answered.
    /// Returns who has asked, for [`Control::question`] and [`Control::answer`].
    #[inline(never)]
    pub fn ready(&mut self, token: u64, now: Instant) -> Option<usize> {
        let Some(number) = token.checked_sub(TOKENS + 1) else {
            self.accept(now);
            return None;
        };
        let at = number as usize;
        if at >= CONNECTIONS_MAX {
            return None;
        }
        match &mut self.connections[at] {
            Connection::Free => {}
            Connection::Asking {
                socket,
                line,
                length,
                ..
            } => match read_question(socket, line, length) {
                Question::Incomplete => {}
                Question::Nonsense => self.close(at),
                Question::Complete => return Some(at),
            },
            Connection::Answering { pidfd, .. } => {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
                if !matches!(waitid(WaitId::PidFd(pidfd.as_fd()), options), Ok(None)) {
                    self.close(at);
                }
            }
        }
        None
    }

    /// What somebody asks; nothing of it counts unless it is text.
    pub fn question(&self, at: usize) -> &str {
        let Connection::Asking { line, length, .. } = &self.connections[at] else {
            return "";
        };
        let line = line.get(..*length).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        core::str::from_utf8(line).unwrap_or_default()
    }

    /// When [`Control::poll`] wants to be called.
    pub fn poll_at(&self) -> Option<Instant> {
        let until = |connection: &Connection| match connection {
            Connection::Asking { until, .. } => Some(*until),
            Connection::Answering {
                until,
                killed: false,
                ..
            } => Some(*until),
            Connection::Answering { .. } | Connection::Free => None,
        };
        self.connections.iter().map(until).fold(None, earliest)
    }

    /// Ends what took too long.
    pub fn poll(&mut self, now: Instant) {
        for at in 0..CONNECTIONS_MAX {
            match &mut self.connections[at] {
                Connection::Asking { until, .. } if *until <= now => self.close(at),
                Connection::Answering {
                    pidfd,
                    until,
                    killed,
                } if *until <= now && !*killed => {
                    *killed = true;
                    let _ = pidfd_send_signal(pidfd, Signal::KILL);
                }
                Connection::Asking { .. } | Connection::Answering { .. } | Connection::Free => {}
            }
        }
    }

    fn accept(&mut self, now: Instant) {
        let free = |connection: &Connection| matches!(connection, Connection::Free);
        while let Some(at) = self.connections.iter().position(free) {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let Ok(socket) = accept_with(&self.listener, flags) else {
                return;
            };
            let token = EventData::new_u64(TOKENS + 1 + at as u64);
            if epoll::add(self.epoll, &socket, token, EventFlags::IN).is_ok() {
                self.connections[at] = Connection::Asking {
                    socket,
                    line: [0; QUESTION_MAX],
                    length: 0,
                    until: now + QUESTION_PATIENCE,
                };
            }
        }
        self.full = true;
        self.listen_for(EventFlags::empty());
    }

    /// Says whether connections are wanted.
    fn listen_for(&self, flags: EventFlags) {
        let token = EventData::new_u64(TOKENS);
        if let Err(errno) = epoll::modify(self.epoll, &self.listener, token, flags) {
            log_refusal(
                Level::Error,
                format_args!("epoll_ctl for {}", Plain(self.path)),
                errno,
            );
        }
    }

    /// Forgets a connection, which closes it.
    fn close(&mut self, at: usize) {
        // A child may have a copy of the descriptor for a moment, which would
        // keep its events coming.
        match &self.connections[at] {
            Connection::Free => {}
            Connection::Asking { socket, .. } => drop(epoll::delete(self.epoll, socket)),
            Connection::Answering { pidfd, .. } => drop(epoll::delete(self.epoll, pidfd)),
        }
        self.connections[at] = Connection::Free;
        if self.full {
            self.full = false;
            self.listen_for(EventFlags::IN);
        }
    }

    /// Forks the copy that answers.
    pub fn answer(&mut self, at: usize, now: Instant, node: &Node<'_>, view: &View<'_>) {
        let Connection::Asking { socket, .. } = &self.connections[at] else {
            return;
        };
        match syscall::fork() {
            Ok(Fork::Child) => syscall::exit(write_answer(socket, self.question(at), node, view)),
            Ok(Fork::Parent(_, pidfd)) => {
                self.close(at);
                let token = EventData::new_u64(TOKENS + 1 + at as u64);
                if let Err(errno) = epoll::add(self.epoll, &pidfd, token, EventFlags::IN) {
                    log_refusal(Level::Error, format_args!("epoll_ctl for a child"), errno);
                    return;
                }
                self.connections[at] = Connection::Answering {
                    pidfd,
                    until: now + ANSWER_PATIENCE,
                    killed: false,
                };
            }
            Err(errno) => {
                log_refusal(
                    Level::Error,
                    format_args!("cannot answer on {}", Plain(self.path)),
                    errno,
                );
                self.close(at);
            }
        }
    }
}

/// What can be asked.
const KNOWN: Packed = packed!(
    "what is: `status`, `status --json`, `why NAME`, `drain`, `maint` or `ready SERVICE/SERVER`, \
     `show stat`, `show info`, `set server SERVICE/SERVER state STATE` or `weight NUMBER`"
);

/// How far a question has come.
enum Question {
    Incomplete,
    Complete,
    Nonsense,
}

/// Reads what has come of a question; `length` is that of the line once it is
/// complete.
fn read_question(socket: &OwnedFd, line: &mut [u8; QUESTION_MAX], length: &mut usize) -> Question {
    let room = line.get_mut(*length..).unwrap_or_default();
    match read(socket, room) {
        Ok(0) => return Question::Nonsense,
        Ok(got) => *length += got,
        Err(Errno::AGAIN | Errno::INTR) => return Question::Incomplete,
        Err(_) => return Question::Nonsense,
    }
    match line.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            *length = end;
            Question::Complete
        }
        None if *length < QUESTION_MAX => Question::Incomplete,
        None => Question::Nonsense,
    }
}

/// In the copy: leaves the keeper's things behind and writes the answer.
fn write_answer(socket: &OwnedFd, question: &str, node: &Node<'_>, view: &View<'_>) -> i32 {
    logger::silence();
    syscall::reset_signal_actions();
    syscall::set_signal_mask(SignalSet(0));
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // The answer may wait; the keeper's deadline for it is the limit.
    let blocking = rustix::io::ioctl_fionbio(socket, false);
    if blocking.is_err() || rustix::stdio::dup2_stdin(socket).is_err() {
        return 1;
    }
    spawn::close_descriptors();
    let socket = output::stdin();
    let mut output = Output::new(socket);
    let exit = report::exit_code(node, view);
    let written = match question {
        "status" => answer_twice(&mut output, exit, &|to| report::text(node, view, to)),
        "status --json" => answer_twice(&mut output, exit, &|to| report::json(node, view, to)),
        "show stat" => report::stat(node, view, &mut output),
        "show info" => report::info(node, view, &mut output),
        _ => match (question.strip_prefix("why "), Order::read(question)) {
            (Some(name), _) => {
                let exit = if report::knows(node, name) { 0 } else { 2 };
                answer_twice(&mut output, exit, &|to| report::why(node, view, name, to))
            }
            (None, Some(Order::Ours(_, name))) => {
                let known = report::has_server(node.config(), name);
                let exit = if known { 0 } else { 2 };
                answer_twice(&mut output, exit, &|to| {
                    report::ordered(node, view, name, to)
                })
            }
            (None, Some(order)) => report::answered(node.config(), &order, &mut output),
            (None, None) => answer_twice(&mut output, 2, &|to| {
                let shown = report::Printable(question);
                to.write_fmt(format_args!("error: `{shown}` is not known; {KNOWN}\n"))
            }),
        },
    };
    let whole = written.is_ok() && output.flush();
    let _ = shutdown(socket, Shutdown::Both);
    i32::from(!whole)
}

/// Writes an answer once to learn its length, and once to send it.
fn answer_twice(
    output: &mut Output<'_>,
    exit: u8,
    answer: &dyn Fn(&mut dyn fmt::Write) -> fmt::Result,
) -> fmt::Result {
    let mut length = Length(0);
    answer(&mut length)?;
    let (exit, length) = (Number(exit.into()), Number(length.0));
    fmt::write(output, format_args!("smena {exit} {length}\n"))?;
    answer(output)
}

/// Counts what is written.
pub struct Length(pub u64);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len() as u64;
        Ok(())
    }
}
