//! The UDP part of a worker: takes clients' datagrams from its listening
//! sockets, sends them on over a socket a session, and brings replies back.
//!
//! ```text
//!   client <--> listening socket (one a listener) | connected socket (one a session) <--> server
//! ```
//!
//! Which server, and when a session ends, is `smena::datagram`'s. Nothing waits:
//! what a socket does not take at once is dropped and counted, as the network
//! itself would, and a datagram that was cut is never sent on. Sockets are
//! level-triggered, so that one that has more to say waits for the next turn.

use core::net::SocketAddr;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use smena::balance::Field;
use smena::config::Transport;
use smena::datagram::{Arrival, End, Flow, Sessions};
use smena::shared::Row;
use smena::{Instant, board};

use super::arch::option;
use super::batch::{BATCH, Batch, To};
use super::cell::Cell;
use super::descriptor::Descriptor;
use super::socket::setsockopt;
use super::worker::Doors;

/// The epoll tokens of sessions: this and those above it, by slot; those of
/// listeners are behind them.
pub const TOKENS: u64 = 4 << 40;
const LISTENERS: u64 = TOKENS + (1 << 16);

/// Datagrams that are taken from a server's socket in a turn, until it proves to
/// have more.
const REPLIES: usize = 8;

/// What a session has here.
struct Line {
    socket: Descriptor,
    /// The kernel takes no several datagrams in one on the way to the server, or
    /// to the client.
    plain: [bool; 2],
    /// The kernel gives several in one.
    several: bool,
}

impl Line {
    const NONE: Line = Line {
        socket: Descriptor::NONE,
        plain: [false; 2],
        several: false,
    };
}

type Lines = [Line; board::DATAGRAM_SESSIONS_MAX];

static SESSIONS: Cell<Sessions> = Cell::new(Sessions::new());
static BUFFERS: Cell<Batch> = Cell::new(Batch::new());
static LINES: Cell<Lines> = Cell::new([const { Line::NONE }; board::DATAGRAM_SESSIONS_MAX]);

/// Directions of [`Line::plain`].
const TO_SERVER: usize = 0;
const TO_CLIENT: usize = 1;

/// See the module.
pub struct Datagrams<'d> {
    field: Field<'static>,
    doors: &'d Doors<'d>,
    epoll: BorrowedFd<'d>,
    sessions: &'static mut Sessions,
    batch: &'static mut Batch,
    lines: &'static mut Lines,
    /// Buffers with replies that wait to be sent, and the listener they are of.
    waiting: usize,
    listener: u8,
    now: Instant,
    /// The keeper should hear that a server refused.
    pub report: bool,
}

impl<'d> Datagrams<'d> {
    /// Watches the UDP listeners of a worker, for at most so many sessions; `None`
    /// when it has none.
    pub fn open(
        field: Field<'static>,
        doors: &'d Doors<'d>,
        epoll: BorrowedFd<'d>,
        seed: u32,
        most: usize,
    ) -> Result<Option<Datagrams<'d>>, Errno> {
        let listeners = field.config.listeners.iter().zip(&doors.listeners);
        let mut any = false;
        for (token, (listener, fd)) in (LISTENERS..).zip(listeners) {
            if listener.transport == Transport::Udp {
                accept_several(*fd);
                watch(epoll, *fd, token)?;
                any = true;
            }
        }
        if !any {
            return Ok(None);
        }
        let sessions = SESSIONS.claim();
        sessions.start(&field, seed, most);
        Ok(Some(Datagrams {
            field,
            doors,
            epoll,
            sessions,
            batch: BUFFERS.claim(),
            lines: LINES.claim(),
            waiting: 0,
            listener: 0,
            now: Instant::ZERO,
            report: false,
        }))
    }

    /// The socket of this token is ready.
    pub fn ready(&mut self, now: Instant, token: u64) {
        match token.checked_sub(LISTENERS) {
            Some(listener) => self.take_in(now, listener as u8),
            None => self.bring_back(now, (token - TOKENS) as u16),
        }
    }

    /// At the end of a turn: sends replies that wait, and ends what was idle for
    /// too long.
    pub fn end_turn(&mut self, now: Instant) {
        self.now = now;
        self.flush();
        while let Some(slot) = self.sessions.expire(&self.field, now) {
            self.line(slot).socket.close();
        }
    }

    /// Milliseconds from the end of the turn until something will have been idle
    /// for too long; rather more than less, or it would go round until then.
    pub fn wait_ms(&self) -> Option<i64> {
        let at = self.sessions.poll_at(&self.field)?;
        let left = at.total_micros() - self.now.total_micros();
        Some((left / 1_000 + 1).max(0))
    }

    /// The keeper changed something: some sessions may have to end.
    #[cold]
    pub fn look_again(&mut self, now: Instant) {
        let lines = &mut *self.lines;
        let mut close = |slot| lines[usize::from(slot)].socket.close();
        self.sessions.cut(&self.field, now, &mut close);
    }

    fn flush(&mut self) {
        self.waiting = 0;
        if self.batch.is_empty() {
            return;
        }
        let fd = self.doors.listeners[usize::from(self.listener)];
        while let Err(errno) = self.batch.send(fd) {
            self.refused(errno, TO_CLIENT);
        }
    }

    /// Datagrams of clients wait.
    fn take_in(&mut self, now: Instant, listener: u8) {
        // The buffers are needed, and sessions may take slots of others.
        self.flush();
        let fd = self.doors.listeners[usize::from(listener)];
        let Ok(count) = self.batch.receive(fd, 0, BATCH) else {
            return;
        };
        let bound = self.field.config.listeners[usize::from(listener)].address;
        let flows: [Option<Flow>; BATCH] = core::array::from_fn(|buffer| {
            if buffer >= count || self.batch.is_cut(buffer) {
                return None;
            }
            let asked = match bound.ip().is_unspecified() {
                true => self.batch.asked(buffer)?,
                false => bound.ip(),
            };
            Some(Flow::new(listener, self.batch.sender(buffer)?, asked))
        });
        for buffer in 0..count {
            if let Some(flow) = flows[buffer]
                && !flows[..buffer].contains(&Some(flow))
            {
                let all = (buffer..count).filter(|&at| flows[at] == Some(flow));
                self.forward(now, &flow, all);
            }
        }
    }

    /// Some datagrams of one client.
    fn forward(&mut self, now: Instant, flow: &Flow, buffers: impl Iterator<Item = usize>) {
        let Some(mut slot) = self.session(now, flow) else {
            return;
        };
        let may = !self.line(slot).plain[TO_SERVER];
        let mut bytes = 0;
        for buffer in buffers {
            bytes += u64::from(self.batch.length(buffer));
            self.batch.put(buffer, slot, To::Peer, may);
        }
        // A refusal of what was sent before is told now, and ends the session;
        // another one takes what was not sent. Once, or it would go round.
        let mut again = true;
        while let Some(fd) = self.lines[usize::from(slot)].socket.get() {
            match self.batch.send(fd) {
                Ok(()) => break,
                Err(Errno::CONNREFUSED) if again => {
                    again = false;
                    self.end(now, slot, End::Refused);
                    let Some(next) = self.session(now, flow) else {
                        return self.batch.clear();
                    };
                    slot = next;
                    self.batch.relabel(slot);
                }
                Err(errno) => self.refused(errno, TO_SERVER),
            }
        }
        self.batch.clear();
        let server = self.sessions.session(slot).server;
        self.row().add_in(server, bytes);
    }

    /// The slot of a flow's session, whose socket there is.
    fn session(&mut self, now: Instant, flow: &Flow) -> Option<u16> {
        let slot = match self.sessions.arrive(&self.field, now, flow) {
            Arrival::Known(slot) => return Some(slot),
            Arrival::New(slot) => slot,
            Arrival::Refused => return None,
        };
        // Where there was no room, the one that had the slot is not closed yet.
        let line = self.line(slot);
        line.socket.close();
        *line = Line::NONE;
        let mut opened = self.connect(slot);
        if matches!(opened, Err(Errno::MFILE | Errno::NFILE)) {
            // One that says nothing makes room, unless this is the only one.
            let evicted = self.sessions.evict(&self.field, now)?;
            self.line(evicted).socket.close();
            if evicted == slot {
                return None;
            }
            opened = self.connect(slot);
        }
        match opened {
            Ok(socket) => {
                self.line(slot).socket.put(socket);
                Some(slot)
            }
            Err(errno) => {
                let why = match errno {
                    Errno::NETUNREACH | Errno::HOSTUNREACH => End::Refused,
                    _ => End::NoRoom,
                };
                self.end(now, slot, why);
                None
            }
        }
    }

    /// A socket towards the server of a session.
    fn connect(&self, slot: u16) -> Result<OwnedFd, Errno> {
        let session = self.sessions.session(slot);
        let config = self.field.config;
        let server = &config.servers[usize::from(session.server)];
        let asked = config.listeners[usize::from(session.flow.listener)].address;
        let port = match server.port {
            0 => asked.port(),
            port => port,
        };
        let to = SocketAddr::new(server.address, port);
        let (family, transparent) = match to {
            SocketAddr::V4(_) => (AddressFamily::INET, IP_TRANSPARENT),
            SocketAddr::V6(_) => (AddressFamily::INET6, IPV6_TRANSPARENT),
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
        if config.services[usize::from(session.service)].transparent {
            for (level, name) in [transparent, SO_REUSEADDR] {
                setsockopt(socket.as_fd(), level, name, &1_u32.to_ne_bytes())?;
            }
            bind(&socket, &session.flow.client())?;
        }
        connect(&socket, &to)?;
        watch(self.epoll, socket.as_fd(), TOKENS + u64::from(slot))?;
        Ok(socket)
    }

    /// Datagrams of a server wait, or a refusal.
    fn bring_back(&mut self, now: Instant, slot: u16) {
        let session = self.sessions.session(slot);
        let (flow, server, service) = (session.flow, session.server, session.service);
        if self.listener != flow.listener || self.waiting + REPLIES > BATCH {
            self.flush();
            self.listener = flow.listener;
        }
        let line = &mut self.lines[usize::from(slot)];
        // The session may have ended in this turn.
        let Some(socket) = line.socket.get() else {
            return;
        };
        let most = match line.several {
            true => BATCH - self.waiting,
            false => REPLIES,
        };
        let count = match self.batch.receive(socket, self.waiting, most) {
            Ok(count) => count,
            Err(Errno::CONNREFUSED) => return self.end(now, slot, End::Refused),
            Err(_) => return,
        };
        if count == REPLIES && !line.several {
            // More than a word or two: the kernel may put them together.
            accept_several(socket);
            line.several = true;
        }
        let may = !line.plain[TO_CLIENT];
        self.sessions.reply(&self.field, now, slot);
        let asked = flow.asked();
        let bound = self.field.config.listeners[usize::from(flow.listener)].address;
        let asked = bound.ip().is_unspecified().then_some(asked);
        let (mut bytes, mut cut) = (0, 0);
        for buffer in self.waiting..self.waiting + count {
            if self.batch.is_cut(buffer) {
                cut += 1;
                continue;
            }
            bytes += u64::from(self.batch.length(buffer));
            self.batch
                .put(buffer, slot, To::Client(flow.client(), asked), may);
        }
        self.waiting += count;
        self.row().add_out(server, bytes);
        self.row().drop(service, cut);
    }

    /// The first message of the queue was refused by the kernel.
    #[cold]
    fn refused(&mut self, errno: Errno, direction: usize) {
        let (slot, several) = self.batch.first();
        let line = &mut self.lines[usize::from(slot)];
        // The path is narrower than a datagram, or the device cuts none.
        let cuts_none = matches!(errno, Errno::INVAL | Errno::MSGSIZE | Errno::IO);
        line.plain[direction] |= several && cuts_none;
        let listener = self.doors.listeners[usize::from(self.listener)];
        let dropped = match direction {
            _ if errno == Errno::INTR => 0,
            _ if !several || !cuts_none => self.batch.skip(),
            TO_CLIENT => self.batch.send_apart(listener),
            _ => match line.socket.get() {
                Some(socket) => self.batch.send_apart(socket),
                None => self.batch.skip(),
            },
        };
        let service = self.sessions.session(slot).service;
        self.row().drop(service, dropped);
    }

    /// A session is over.
    fn end(&mut self, now: Instant, slot: u16, why: End) {
        self.sessions.end(&self.field, now, slot, why);
        self.line(slot).socket.close();
        self.report |= why == End::Refused;
    }

    fn line(&mut self, slot: u16) -> &mut Line {
        &mut self.lines[usize::from(slot)]
    }

    fn row(&self) -> &'static Row {
        self.field.shared.row(self.field.worker)
    }
}

/// Level and name of the options that let a socket have a client's address, and
/// let it share that with others.
const IP_TRANSPARENT: (usize, usize) = (0, 19);
const IPV6_TRANSPARENT: (usize, usize) = (41, 75);
const SO_REUSEADDR: (usize, usize) = (option::SOL_SOCKET, option::SO_REUSEADDR);

/// Lets the kernel give several datagrams in one. Nothing hangs on it, and not
/// every kernel can.
fn accept_several(fd: BorrowedFd<'_>) {
    const SOL_UDP: usize = 17;
    const UDP_GRO: usize = 104;
    let _ = setsockopt(fd, SOL_UDP, UDP_GRO, &1_u32.to_ne_bytes());
}

fn watch(epoll: BorrowedFd<'_>, fd: BorrowedFd<'_>, token: u64) -> Result<(), Errno> {
    epoll::add(epoll, fd, EventData::new_u64(token), EventFlags::IN)
}
