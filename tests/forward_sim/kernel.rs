//! A kernel as a worker sees it: descriptors, epoll with edges, streams with
//! windows and latency, pipes, datagrams. One a thread, because a worker's calls
//! have no other way to find it.
//!
//! What is modelled is what Linux does and the forwarder leans on: an edge comes
//! when something changes and not because something is there; a short write asks
//! to be told of room; what was read before a reset may still be read; who closes
//! a stream with bytes unread resets it; a reset after an end is EPIPE.

use std::cell::RefCell;
use std::collections::BinaryHeap;

use smena::board;

use crate::clock::At;
use crate::epoll::Ready;
use crate::random::Random;
use crate::shim::fd::RawFd;
use crate::shim::io::Errno;
use crate::stream::{Conn, Party, Way};
use crate::trace::Trace;

/// Who makes a call: a worker by its number, or the keeper.
pub const KEEPER: u8 = u8::MAX;

thread_local! {
    static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
}

/// What a descriptor is.
pub enum File {
    Epoll(Ready),
    /// An eventfd.
    Bell(u64),
    /// Where clients come in: those that wait, and whether it listens.
    Listener {
        waiting: Vec<usize>,
        open: bool,
    },
    /// A stream that is not connected yet.
    Fresh,
    Stream(usize),
    Pipe {
        pipe: usize,
        writes: bool,
    },
    /// A listener for datagrams.
    Mail {
        waiting: Vec<Datagram>,
    },
    /// A socket towards a server for datagrams.
    Line(Line),
}

/// A socket for the datagrams of one session.
#[derive(Default)]
pub struct Line {
    pub server: Option<u8>,
    /// Whose it is: it is seen with the first datagram.
    pub flow: Option<usize>,
    pub waiting: Vec<Datagram>,
    pub error: Option<Errno>,
    pub sent: u32,
    /// Its server's machine said that nobody is there.
    pub refused: bool,
    /// When it carried something that keeps it.
    pub used_at: At,
    /// Counts sockets, so that news of one is no news of another.
    pub serial: u64,
}

/// A datagram of a flow; replies carry the number of what they answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    pub flow: usize,
    pub number: u32,
}

pub struct Entry {
    pub file: File,
    pub owner: u8,
    /// The epoll that watches it.
    pub watched: Option<RawFd>,
}

pub struct Pipe {
    pub bytes: std::collections::VecDeque<u8>,
    pub size: usize,
}

/// What a server's machine does to whoever comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Up,
    Refuses,
    /// Nobody answers.
    Silent,
    /// Takes a connection and resets it at once.
    Slams,
    /// There is no way to it.
    Unreachable,
}

/// What is to happen in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Todo {
    /// A worker has something to do, or its time has come.
    Turn(u8),
    Deadline(u8, u32),
    /// Something happened at the far end of a stream.
    Far(usize),
    /// A client comes.
    Client(usize),
    /// A client of datagrams says something.
    Speak(usize),
    /// A datagram reaches a server; a reply reaches a client.
    Asked(RawFd, u64, Datagram),
    Answered(Datagram),
    /// The keeper's loop.
    Keeper,
    Report,
    CheckEnds(u8),
    Ended(u8),
    Fault,
    Relief(u8),
}

enum What {
    Flow(usize, usize),
    Answer(usize),
    Reset(usize, usize),
    World(Todo),
}

struct Item {
    at: At,
    seq: u64,
    what: What,
}

impl PartialEq for Item {
    fn eq(&self, other: &Item) -> bool {
        self.seq == other.seq
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Item) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Item) -> std::cmp::Ordering {
        // The earliest is the greatest.
        (other.at, other.seq).cmp(&(self.at, self.seq))
    }
}

/// What a worker did that the rules want to know.
#[derive(Clone, Copy, Debug)]
pub enum Note {
    /// Took a client in.
    Accepted {
        fd: RawFd,
        conn: usize,
    },
    /// Asks a server; for a stream.
    Connect {
        fd: RawFd,
        conn: usize,
        server: u8,
    },
    /// Asks a server; for datagrams.
    Line {
        fd: RawFd,
        server: u8,
    },
    /// Watches a socket under this token.
    Watch {
        fd: RawFd,
        token: u64,
    },
    Closed {
        fd: RawFd,
        conn: usize,
    },
    /// A session of datagrams is gone.
    LineClosed {
        fd: RawFd,
        used_at: At,
        refused: bool,
    },
    /// The first datagram on a socket tells whose it is.
    Flow {
        fd: RawFd,
        flow: usize,
        server: u8,
    },
    /// Something was not to be had: whose turn it was is lost.
    Trouble,
}

/// See the module.
pub struct Kernel {
    pub now: At,
    pub random: Random,
    pub trace: Trace,
    queue: BinaryHeap<Item>,
    seq: u64,
    pub files: Vec<Option<Entry>>,
    pub pipes: Vec<Pipe>,
    pub conns: Vec<Conn>,
    pub modes: Vec<Mode>,
    /// Which servers get new sessions, as workers were told.
    pub gates: Vec<bool>,
    /// Who runs.
    pub current: u8,
    /// Descriptors that each worker has and may have.
    pub open: [u64; board::WORKERS_MAX],
    pub limits: [u64; board::WORKERS_MAX],
    pub turn_due: [bool; board::WORKERS_MAX],
    pub notes: Vec<Note>,
    /// In a thousand calls, so many meet a lack of something.
    pub trouble: u64,
    pub latency: At,
    /// A fault of the forwarder that is played here: an end of one way is taken
    /// for the end of both.
    pub ends_both: bool,
    /// Another: a byte in so many gets lost on its way through a pipe.
    pub leaky: bool,
    serial: u64,
}

/// Calls it.
pub fn with<R>(call: impl FnOnce(&mut Kernel) -> R) -> R {
    KERNEL.with_borrow_mut(|kernel| call(kernel.as_mut().expect("a world has a kernel")))
}

/// Closes a descriptor, if there is a world still.
pub fn close(fd: RawFd) {
    let _ = KERNEL.try_with(|kernel| {
        if let Ok(mut kernel) = kernel.try_borrow_mut()
            && let Some(kernel) = kernel.as_mut()
        {
            kernel.close(fd);
        }
    });
}

/// A new one for this thread; the one of before goes.
pub fn install(kernel: Option<Kernel>) -> Option<Kernel> {
    KERNEL.with_borrow_mut(|place| std::mem::replace(place, kernel))
}

impl Kernel {
    pub fn new(random: Random, text: bool) -> Kernel {
        Kernel {
            now: 0,
            random,
            trace: Trace::new(text),
            queue: BinaryHeap::new(),
            seq: 0,
            files: Vec::new(),
            pipes: Vec::new(),
            conns: Vec::new(),
            modes: Vec::new(),
            gates: Vec::new(),
            current: KEEPER,
            open: [0; board::WORKERS_MAX],
            limits: [u64::MAX; board::WORKERS_MAX],
            turn_due: [false; board::WORKERS_MAX],
            notes: Vec::new(),
            trouble: 0,
            latency: 100,
            ends_both: false,
            leaky: false,
            serial: 0,
        }
    }

    /// Something will happen after so many microseconds.
    pub fn later(&mut self, after: At, todo: Todo) {
        self.push(after, What::World(todo));
    }

    fn push(&mut self, after: At, what: What) {
        self.seq += 1;
        self.queue.push(Item {
            at: self.now + after,
            seq: self.seq,
            what,
        });
    }

    /// Time goes on to the next thing that is the world's, but not beyond `end`.
    pub fn next(&mut self, end: At) -> Option<Todo> {
        loop {
            if self.queue.peek().is_none_or(|item| item.at > end) {
                self.now = end;
                return None;
            }
            let item = self.queue.pop()?;
            self.now = item.at;
            match item.what {
                What::Flow(conn, way) => self.flow(conn, way),
                What::Answer(conn) => self.answer(conn),
                What::Reset(conn, to) => self.reset_comes(conn, to),
                What::World(todo) => return Some(todo),
            }
        }
    }

    pub fn say(&mut self, text: std::fmt::Arguments<'_>) {
        let now = self.now;
        self.trace.say(now, text);
    }

    pub fn flow_later(&mut self, conn: usize, way: usize) {
        let after = self.conns[conn].latency;
        let way_of = &mut self.conns[conn].ways[way];
        if !std::mem::replace(&mut way_of.flowing, true) {
            self.push(after, What::Flow(conn, way));
        }
    }

    pub fn reset_later(&mut self, conn: usize, to: usize) {
        let after = self.conns[conn].latency;
        self.push(after, What::Reset(conn, to));
    }

    pub fn answer_later(&mut self, conn: usize) {
        let after = self.conns[conn].latency;
        self.push(after, What::Answer(conn));
    }

    /// Whether this call meets a lack of something.
    pub fn in_trouble(&mut self) -> bool {
        let trouble = self.trouble;
        trouble > 0 && self.current != KEEPER && self.random.chance(trouble)
    }

    /// A new descriptor of who runs: the lowest free number.
    pub fn install(&mut self, file: File) -> Result<RawFd, Errno> {
        let owner = self.current;
        if owner != KEEPER {
            let worker = usize::from(owner);
            if self.open[worker] >= self.limits[worker] {
                self.notes.push(Note::Trouble);
                return Err(Errno::MFILE);
            }
            self.open[worker] += 1;
        }
        let entry = Entry {
            file,
            owner,
            watched: None,
        };
        let place = self.files.iter().position(Option::is_none);
        let place = place.unwrap_or_else(|| {
            self.files.push(None);
            self.files.len() - 1
        });
        self.files[place] = Some(entry);
        Ok(place as RawFd)
    }

    pub fn entry(&mut self, fd: RawFd) -> Option<&mut Entry> {
        self.files.get_mut(usize::try_from(fd).ok()?)?.as_mut()
    }

    pub fn file(&mut self, fd: RawFd) -> Result<&mut File, Errno> {
        let entry = self.entry(fd).ok_or(Errno::BADF)?;
        Ok(&mut entry.file)
    }

    pub fn close(&mut self, fd: RawFd) {
        let Some(entry) = self.files.get_mut(fd as usize).and_then(Option::take) else {
            panic!("descriptor {fd} is closed twice");
        };
        if entry.owner != KEEPER {
            self.open[usize::from(entry.owner)] -= 1;
        }
        if let Some(epoll) = entry.watched
            && let Some(Entry {
                file: File::Epoll(ready),
                ..
            }) = self.entry(epoll)
        {
            ready.forget(fd);
        }
        match entry.file {
            File::Stream(conn) => {
                self.notes.push(Note::Closed { fd, conn });
                self.close_near(conn);
            }
            File::Line(line) => {
                let (used_at, refused) = (line.used_at, line.refused);
                self.notes.push(Note::LineClosed {
                    fd,
                    used_at,
                    refused,
                });
            }
            File::Epoll(_) => {
                for entry in self.files.iter_mut().flatten() {
                    if entry.watched == Some(fd) {
                        entry.watched = None;
                    }
                }
            }
            _ => {}
        }
    }

    /// A worker is gone, and all that was its own.
    pub fn kill(&mut self, worker: u8) {
        let of = |entry: &Entry| entry.owner == worker;
        let fds = 0..self.files.len();
        let own: Vec<usize> = fds
            .filter(|fd| self.files[*fd].as_ref().is_some_and(of))
            .collect();
        for fd in own {
            self.close(fd as RawFd);
        }
        self.notes.clear();
    }

    pub fn read(&mut self, fd: RawFd, bytes: &mut [u8]) -> Result<usize, Errno> {
        match self.file(fd)? {
            File::Bell(count) if *count > 0 => {
                bytes[..8].copy_from_slice(&count.to_ne_bytes());
                *count = 0;
                Ok(8)
            }
            File::Bell(_) => Err(Errno::AGAIN),
            _ => Err(Errno::INVAL),
        }
    }

    pub fn write(&mut self, fd: RawFd, bytes: &[u8]) -> Result<usize, Errno> {
        match self.file(fd)? {
            File::Bell(count) => {
                *count += 1;
                self.wake(fd, crate::epoll::IN);
                // The keeper's own one.
                if self.entry(fd).is_some_and(|bell| bell.watched.is_none()) {
                    self.later(50, Todo::Report);
                }
                Ok(8)
            }
            File::Pipe { pipe, writes: true } => {
                let pipe = *pipe;
                let pipe = &mut self.pipes[pipe];
                let fits = bytes.len().min(pipe.size - pipe.bytes.len());
                pipe.bytes.extend(&bytes[..fits]);
                match fits {
                    0 => Err(Errno::AGAIN),
                    fits => Ok(fits),
                }
            }
            _ => Err(Errno::INVAL),
        }
    }

    pub fn socket(&mut self, stream: bool) -> Result<RawFd, Errno> {
        if self.in_trouble() {
            self.notes.push(Note::Trouble);
            let lack = [Errno::NOBUFS, Errno::NFILE, Errno::NOMEM];
            return Err(self.random.pick(&lack));
        }
        self.serial += 1;
        let serial = self.serial;
        self.install(match stream {
            true => File::Fresh,
            false => File::Line(Line {
                serial,
                ..Line::default()
            }),
        })
    }

    /// The server of an address: 10.1.0.N is number N.
    fn server_of(address: std::net::SocketAddr) -> u8 {
        match address.ip() {
            std::net::IpAddr::V4(v4) => v4.octets()[3],
            std::net::IpAddr::V6(_) => unreachable!("servers are IPv4 here"),
        }
    }

    pub fn connect(&mut self, fd: RawFd, to: std::net::SocketAddr) -> Result<(), Errno> {
        let server = Kernel::server_of(to);
        let now = self.now;
        let mode = self.modes[usize::from(server)];
        if let File::Line(line) = self.file(fd)? {
            line.server = Some(server);
            line.used_at = now;
            if mode == Mode::Unreachable {
                self.notes.push(Note::Trouble);
                return Err(Errno::NETUNREACH);
            }
            self.notes.push(Note::Line { fd, server });
            return Ok(());
        }
        if self.in_trouble() {
            self.notes.push(Note::Trouble);
            return Err(Errno::ADDRNOTAVAIL);
        }
        let latency = self.latency(server);
        let (wire, queue) = (self.window(), self.window());
        let mut conn = Conn::new(Party::Server(server), latency, Way::new(wire, queue));
        conn.near = Some(fd);
        let number = self.conns.len();
        self.conns.push(conn);
        *self.file(fd)? = File::Stream(number);
        let conn = number;
        self.notes.push(Note::Connect { fd, conn, server });
        if mode == Mode::Unreachable {
            return Err(Errno::HOSTUNREACH);
        }
        self.answer_later(number);
        Err(Errno::INPROGRESS)
    }

    fn latency(&mut self, server: u8) -> At {
        let latency = self.latency;
        latency * (1 + u64::from(server % 3)) + self.random.below(latency)
    }

    /// How much a socket's buffer holds.
    pub fn window(&mut self) -> usize {
        let sizes = [1 << 10, 4 << 10, 16 << 10, 64 << 10, 128 << 10];
        self.random.pick(&sizes)
    }

    pub fn pipe(&mut self) -> Result<(RawFd, RawFd), Errno> {
        if self.in_trouble() {
            return Err(Errno::NFILE);
        }
        let pipe = self.pipes.len();
        let read = self.install(File::Pipe {
            pipe,
            writes: false,
        })?;
        let write = match self.install(File::Pipe { pipe, writes: true }) {
            Ok(write) => write,
            Err(errno) => {
                self.close(read);
                return Err(errno);
            }
        };
        self.pipes.push(Pipe {
            bytes: std::collections::VecDeque::new(),
            size: 1 << 16,
        });
        Ok((read, write))
    }

    fn pipe_of(&mut self, fd: RawFd) -> Option<&mut Pipe> {
        match self.entry(fd)?.file {
            File::Pipe { pipe, .. } => self.pipes.get_mut(pipe),
            _ => None,
        }
    }

    pub fn pipe_size(&mut self, fd: RawFd) -> usize {
        self.pipe_of(fd).map_or(0, |pipe| pipe.size)
    }

    pub fn set_pipe_size(&mut self, fd: RawFd, size: usize) -> Result<usize, Errno> {
        let large = self.random.chance(500);
        let pipe = self.pipe_of(fd).ok_or(Errno::BADF)?;
        if !large {
            // Somebody has too many: two pages.
            pipe.size = 8192;
            return Err(Errno::INVAL);
        }
        pipe.size = size;
        Ok(size)
    }

    pub fn splice(&mut self, from: RawFd, to: RawFd, most: usize) -> Result<usize, Errno> {
        if let File::Pipe { pipe, .. } = *self.file(from)? {
            let mut bytes: Vec<u8> = self.pipes[pipe].bytes.iter().copied().take(most).collect();
            // Only a refusal, and no part of it, asks to be told of room.
            let sent = self.send_some(to, &bytes, false)?;
            bytes.truncate(sent);
            self.pipes[pipe].bytes.drain(..sent);
            if self.leaky {
                self.pipes[pipe].bytes.pop_back();
            }
            return Ok(sent);
        }
        let File::Pipe { pipe, .. } = *self.file(to)? else {
            return Err(Errno::INVAL);
        };
        let room = self.pipes[pipe].size - self.pipes[pipe].bytes.len();
        if room == 0 {
            return Err(Errno::AGAIN);
        }
        let mut bytes = vec![0; room.min(most)];
        let got = self.recv(from, &mut bytes, crate::shim::net::RecvFlags::empty())?;
        self.pipes[pipe].bytes.extend(&bytes[..got]);
        Ok(got)
    }

    /// Bytes that wait in pipes.
    pub fn pipes_in_use(&self) -> usize {
        let open = self.files.iter().flatten();
        let pipes = open.filter_map(|entry| match entry.file {
            File::Pipe { pipe, writes } if writes => Some(self.pipes[pipe].bytes.len()),
            _ => None,
        });
        pipes.sum()
    }

    pub fn peer(&mut self, fd: RawFd) -> Result<std::net::SocketAddr, Errno> {
        let File::Stream(conn) = *self.file(fd)? else {
            return Err(Errno::NOTCONN);
        };
        match self.conns[conn].party {
            _ if self.conns[conn].is_gone() => Err(Errno::NOTCONN),
            Party::Client { address, .. } => Ok(address),
            Party::Server(_) => Err(Errno::NOTCONN),
        }
    }
}
