//! Questions to servers over sockets that never wait, each with at most one
//! connection: what is sent and what an answer means is `smena::probe`'s. A
//! question is known by its number; it is started, may be given up, and its
//! outcome waits until [`Asks::next`] takes it.
//!
//! Nothing here forks, so hundreds of runs a second cost little, and nothing
//! knows whose questions they are.

use core::net::SocketAddr;

use heapless::Vec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, read};
use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType, connect, ipproto, send, socket_with,
};
use smena::board;
use smena::pack::packed;
use smena::probe::{Ask, Exchange, REQUEST_MAX, Verdict};

use super::arch::option::{SO_LINGER, SOL_SOCKET};
use super::clock;
use super::failure;
use super::socket::{connected_to_itself, setsockopt};
use super::spawn;

/// The tokens of questions in epoll: this and those above it, by number.
pub const TOKENS: u64 = 1 << 40;

/// What came of a question.
pub struct Answer {
    /// What is to be thought of the server.
    pub verdict: Verdict,
    /// Nothing: this machine lacked what it takes to ask.
    pub refused: bool,
}

/// One question, whether it is being asked or not.
pub struct Slot<'a> {
    to: SocketAddr,
    ask: Ask<'a>,
    socket: Option<OwnedFd>,
    watched: bool,
    exchange: Exchange,
    /// Unlike for each run.
    token: u64,
    answer: Option<Answer>,
}

/// Room for a question of each check and each server.
pub type Slots<'a> = Vec<Option<Slot<'a>>, { board::CHECKS_MAX + board::SERVERS_MAX }>;

/// All questions.
pub struct Asks<'s, 'a> {
    epoll: BorrowedFd<'s>,
    slots: &'s mut Slots<'a>,
    /// The last run's token.
    token: u64,
}

impl<'s, 'a> Asks<'s, 'a> {
    /// No questions.
    pub fn new(epoll: BorrowedFd<'s>, slots: &'s mut Slots<'a>) -> Asks<'s, 'a> {
        Asks {
            epoll,
            slots,
            token: 0,
        }
    }

    /// Gives the next number to a question, or to none. A table that is full is
    /// too small by mistake.
    #[inline(never)]
    pub fn add(&mut self, question: Option<(SocketAddr, Ask<'a>)>) {
        let slot = question.map(|(to, ask)| Slot {
            to,
            ask,
            socket: None,
            watched: false,
            exchange: Exchange::begin(),
            token: 0,
            answer: None,
        });
        let fitted = self.slots.push(slot).is_ok();
        assert!(fitted);
    }

    /// Asks; false when there is no question of this number. Its last run has
    /// ended.
    pub fn start(&mut self, number: u8) -> bool {
        let Some(Some(slot)) = self.slots.get_mut(usize::from(number)) else {
            return false;
        };
        // Time goes on, and several may begin in one moment.
        self.token = (self.token + 1).max(clock::now().total_micros() as u64);
        slot.exchange = Exchange::begin();
        slot.token = self.token;
        if let Err(errno) = slot.open(self.epoll, TOKENS + u64::from(number)) {
            slot.fail(errno);
        }
        slot.rest(self.epoll);
        true
    }

    /// Gives up what is being asked, because its time is over.
    pub fn give_up(&mut self, number: u8) {
        if let Some(Some(slot)) = self.slots.get_mut(usize::from(number))
            && slot.socket.is_some()
        {
            slot.end(slot.exchange.on_time(&slot.ask));
            slot.rest(self.epoll);
        }
    }

    /// The descriptor of this token is ready.
    pub fn ready(&mut self, token: u64) {
        if let Some(Some(slot)) = self.slots.get_mut((token - TOKENS) as usize) {
            slot.go_on();
            slot.rest(self.epoll);
        }
    }

    /// An outcome waits to be taken.
    pub fn waits(&self) -> bool {
        let mut slots = self.slots.iter().flatten();
        slots.any(|slot| slot.answer.is_some())
    }

    /// Takes the next outcome, with the number of its question.
    pub fn next(&mut self) -> Option<(u8, Answer)> {
        (0..).zip(self.slots.iter_mut()).find_map(|(number, slot)| {
            let answer = slot.as_mut()?.answer.take()?;
            Some((number, answer))
        })
    }
}

impl Slot<'_> {
    /// Closes the connection when there is an outcome.
    fn rest(&mut self, epoll: BorrowedFd<'_>) {
        if self.answer.is_some()
            && let Some(socket) = self.socket.take()
            && self.watched
        {
            self.watched = false;
            // A copy of the descriptor may live on in a child for a moment, so
            // closing it is not enough to be rid of its events.
            let _ = epoll::delete(epoll, socket);
        }
    }

    /// Begins to connect.
    fn open(&mut self, epoll: BorrowedFd<'_>, token: u64) -> Result<(), Errno> {
        self.socket = Some(open_socket(&self.to, &self.ask)?);
        self.go_on();
        if self.answer.is_none() {
            // On this machine the other side has accepted meanwhile, and what
            // is over at once needs no watching.
            self.go_on();
        }
        if self.answer.is_none()
            && let Some(socket) = &self.socket
        {
            // One that is connected already has sent what there is to send.
            let mut changes = EventFlags::IN | EventFlags::ET;
            if !self.exchange.connected() {
                changes |= EventFlags::OUT;
            }
            epoll::add(epoll, socket, EventData::new_u64(token), changes)?;
            self.watched = true;
        }
        Ok(())
    }

    /// Goes as far as it can without waiting.
    fn go_on(&mut self) {
        if let Err(errno) = self.try_to_go_on()
            && !matches!(errno, Errno::AGAIN | Errno::INPROGRESS | Errno::ALREADY)
        {
            self.fail(errno);
        }
    }

    #[inline(never)]
    fn try_to_go_on(&mut self) -> Result<(), Errno> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        let mut buffer = [0; REQUEST_MAX];
        if !self.exchange.connected() {
            // Asked again, it tells how the attempt went.
            connect(socket, &self.to)?;
            // Towards a free port of this machine, the kernel may have chosen
            // that very port for us: then nobody else is there.
            if connected_to_itself(socket.as_fd(), self.to.port()) {
                return Err(Errno::CONNREFUSED);
            }
            let (token, out) = (self.token, &mut buffer);
            match self.exchange.on_connected(&self.ask, token, out) {
                Err(verdict) => {
                    self.end(verdict);
                    return Ok(());
                }
                // The buffer of a new connection has room for all of it.
                Ok(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    send(socket, bytes, SendFlags::NOSIGNAL)?;
                }
            }
        }
        // The bounds of a reply are those of this loop.
        loop {
            let length = read(socket, &mut buffer)?;
            let verdict = match buffer.get(..length).unwrap_or_default() {
                [] => Some(self.exchange.on_end(&self.ask, packed!(""))),
                bytes => self.exchange.on_bytes(&self.ask, self.token, bytes),
            };
            if let Some(verdict) = verdict {
                self.end(verdict);
                return Ok(());
            }
        }
    }

    /// The system or the other side refused. Without a port or memory of our
    /// own, that says nothing about the other side.
    fn fail(&mut self, errno: Errno) {
        self.answer = Some(Answer {
            verdict: self.exchange.on_end(&self.ask, failure::words(errno)),
            refused: spawn::is_passing(errno),
        });
    }

    fn end(&mut self, verdict: Verdict) {
        self.answer = Some(Answer {
            verdict,
            refused: false,
        });
    }
}

/// A socket that never waits and leaves nothing behind when it is closed.
fn open_socket(to: &SocketAddr, ask: &Ask<'_>) -> Result<OwnedFd, Errno> {
    const SOL_RAW: usize = 255;
    const SOL_ICMPV6: usize = 58;
    /// Of both ICMP and ICMPv6.
    const FILTER: usize = 1;
    // A bit that is set keeps a type out: only answers come in.
    const ANSWERS: [u8; 4] = (!1_u32).to_ne_bytes();
    const ANSWERS_V6: [u8; 32] = {
        let mut filter = [0xff; 32];
        let word = (!2_u32).to_ne_bytes();
        (filter[16], filter[17], filter[18], filter[19]) = (word[0], word[1], word[2], word[3]);
        filter
    };
    // On, and 0 s: closing resets, so that no state stays behind.
    const LINGER: [u8; 8] = if cfg!(target_endian = "little") {
        [1, 0, 0, 0, 0, 0, 0, 0]
    } else {
        [0, 0, 0, 1, 0, 0, 0, 0]
    };
    let (kind, protocol, level, name, value) = match ask {
        Ask::Ping { v6: false, .. } => (
            SocketType::RAW,
            Some(ipproto::ICMP),
            SOL_RAW,
            FILTER,
            &ANSWERS[..],
        ),
        Ask::Ping { v6: true, .. } => (
            SocketType::RAW,
            Some(ipproto::ICMPV6),
            SOL_ICMPV6,
            FILTER,
            &ANSWERS_V6[..],
        ),
        _ => (SocketType::STREAM, None, SOL_SOCKET, SO_LINGER, &LINGER[..]),
    };
    let family = match to.is_ipv4() {
        true => AddressFamily::INET,
        false => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, kind, flags, protocol)?;
    setsockopt(socket.as_fd(), level, name, value)?;
    Ok(socket)
}
