//! Moving the bytes of connections: from one socket to the other, each way by
//! itself, without deciding anything about sessions.
//!
//! ```text
//!   little at a time:  recv -> buffer -> send       what does not fit: a pipe
//!   in bulk:           splice -> pipe -> splice     what does not fit stays in it
//! ```
//!
//! There is one buffer for all, and a pipe belongs to a way only while it holds
//! bytes. Nothing is read that could not be put somewhere: without a pipe, bytes
//! are looked at, sent as far as they go, and only then taken. A way moves once
//! a turn; who has more to move queues up behind the others.

use core::mem::replace;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use smena::board;
use smena::session::Id;

use super::descriptor::Descriptor;
use super::pipes::{self, Pipe, Pipes};
use super::socket::send_space;

/// A side of a connection, and the way that begins there.
pub type Side = usize;
/// The client.
pub const CLIENT: Side = 0;
/// The server.
pub const SERVER: Side = 1;

/// Bytes that are moved at once by copying.
pub const BUFFER: usize = 64 << 10;
/// A read of this size is a part of something large.
const LARGE: usize = 16 << 10;
/// So many of them in a row, and the way is spliced.
const LARGE_READS: u8 = 4;
/// So many small moves in a row, and it is copied again.
const SMALL_MOVES: u8 = 17;

/// The way's source may have bytes.
pub const READABLE: u8 = 1;
/// The source will send nothing after what is there.
pub const HANGUP: u8 = 2;
/// The source had urgent data once, at which reads stop early.
pub const URGENT: u8 = 4;
/// The destination takes nothing more at present.
pub const BLOCKED: u8 = 8;
/// It is moved in bulk.
const BULK: u8 = 16;
/// Everything was read.
const ENDED: u8 = 32;
/// And everything was delivered, its end included.
const OVER: u8 = 64;
/// It waits for its turn.
const QUEUED: u8 = 128;

/// The client's socket is in epoll.
pub const WATCHED: u8 = 1;
/// It is watched for room, too.
pub const WATCHED_FOR_ROOM: u8 = 2;
/// A piece was sent to the server.
pub const SPOKEN: u8 = 4;
/// And another one.
pub const WARM: u8 = 8;
/// The reset of a side was seen.
const RESET: [u8; 2] = [16, 32];
/// The server's first record is to be looked at before it is taken.
pub const UNLEARNT: u8 = 64;
/// The server said all it had to say, and takes nothing any more: what the client
/// still says is dropped, so that it can read to the end.
const DEAF: u8 = 128;

/// A connection's descriptors, and how far its bytes are.
pub struct Link {
    sockets: [Descriptor; 2],
    /// The next one that waits for its turn, and 1; 0: none.
    next: u32,
    ways: [Way; 2],
    /// See [`WATCHED`] and those below it.
    pub flags: u8,
    /// Where the client came in.
    pub listener: u8,
}

struct Way {
    flags: u8,
    pipe: Pipe,
    /// Reads or moves in a row that speak for the other manner.
    streak: u8,
}

impl Way {
    /// So many bytes moved at once: is it bulk, and does it remain so?
    fn weigh(&mut self, moved: usize) {
        let (speaks, enough) = match self.flags & BULK {
            0 => (moved >= LARGE, LARGE_READS),
            _ => (moved < LARGE, SMALL_MOVES),
        };
        self.streak = if speaks { self.streak + 1 } else { 0 };
        if self.streak >= enough {
            self.flags ^= BULK;
            self.streak = 0;
        }
    }
}

/// The memory of all connections: all zero.
pub type Links = [Link; board::SESSIONS_MAX];

/// What a way does next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It waits for its source or its destination.
    Rest,
    /// It has more to move.
    More,
    /// All is delivered, and the other way has not come so far.
    Over,
    /// Both have.
    Finished,
    /// A side is gone; the other one should know.
    Broken(Side),
    /// The destination wants to be watched for room.
    Full,
}

impl Link {
    /// Without a connection.
    pub const NONE: Link = Link {
        sockets: [Descriptor::NONE, Descriptor::NONE],
        next: 0,
        ways: [const {
            Way {
                flags: 0,
                pipe: pipes::NONE,
                streak: 0,
            }
        }; 2],
        flags: 0,
        listener: 0,
    };

    /// The socket of a side.
    pub fn socket(&mut self, side: Side) -> &mut Descriptor {
        &mut self.sockets[side]
    }

    /// A source has come to its end. A server that was reset and ends orderly all
    /// the same was reset for what it was sent later; what it was sent is what
    /// tells of a reset otherwise, and then the other way is over.
    fn end(&mut self, side: Side) {
        self.ways[side].flags |= ENDED;
        if side == SERVER && self.ways[CLIENT].flags & OVER == 0 {
            self.flags &= !RESET[SERVER];
        }
    }

    fn fd(&self, side: Side) -> Result<BorrowedFd<'_>, Errno> {
        self.sockets[side].get().ok_or(Errno::BADF)
    }
}

/// See the module.
pub struct Relay<'r> {
    links: &'r mut Links,
    pipes: Pipes<'r>,
    buffer: &'r mut [u8; BUFFER],
    /// Those that wait for their turn: the first and the last, and 1; 0: none.
    first: u32,
    last: u32,
    /// Bytes that the last [`Relay::pump`] took from its source.
    pub taken: usize,
    /// Whether it moved any at all.
    pub moved: bool,
}

impl<'r> Relay<'r> {
    /// Nothing to move.
    pub fn new(links: &'r mut Links, pipes: Pipes<'r>, buffer: &'r mut [u8; BUFFER]) -> Relay<'r> {
        Relay {
            links,
            pipes,
            buffer,
            first: 0,
            last: 0,
            taken: 0,
            moved: false,
        }
    }

    /// The connection of a session.
    pub fn link(&mut self, id: Id) -> &mut Link {
        &mut self.links[id.0 as usize]
    }

    /// What epoll said of a side; true when bytes wait that it can take now.
    pub fn note(&mut self, id: Id, side: Side, flags: u8, writable: bool, reset: bool) -> bool {
        let link = self.link(id);
        link.ways[side].flags |= flags;
        // After a server's orderly end it is about the other way alone.
        if reset && (side == CLIENT || link.ways[side].flags & ENDED == 0) {
            link.flags |= RESET[side];
        }
        let back = &mut link.ways[1 - side];
        let was_blocked = back.flags & BLOCKED != 0;
        if writable || reset {
            back.flags &= !BLOCKED;
        }
        was_blocked && back.flags & BLOCKED == 0
    }

    /// Whether the source of a way will not send more than what is there.
    pub fn is_ending(&mut self, id: Id, way: Side) -> bool {
        let link = self.link(id);
        link.ways[way].flags & HANGUP != 0 || link.flags & RESET[way] != 0
    }

    /// Whether all that a way's source had to say was delivered.
    pub fn is_over(&mut self, id: Id, way: Side) -> bool {
        self.link(id).ways[way].flags & OVER != 0
    }

    /// Moves the bytes of a way once.
    pub fn pump(&mut self, id: Id, way: Side) -> Flow {
        self.taken = 0;
        self.moved = false;
        match self.move_on(id, way) {
            Ok(()) => self.judge(id, way),
            Err((side, errno)) => self.break_off(id, way, side, errno),
        }
    }

    /// What follows from where a way is.
    fn judge(&mut self, id: Id, way: Side) -> Flow {
        let link = &mut self.links[id.0 as usize];
        let flags = link.ways[way].flags;
        if flags & BLOCKED != 0 {
            return Flow::Full;
        }
        // Once its end was passed on, or instead of one.
        if flags & ENDED != 0 && link.flags & RESET[way] != 0 {
            return Flow::Broken(way);
        }
        if flags & ENDED != 0 && flags & OVER == 0 {
            link.ways[way].flags |= OVER;
            if link.ways[1 - way].flags & OVER != 0 {
                return Flow::Finished;
            }
            if let Ok(to) = link.fd(1 - way)
                && (way == SERVER || link.flags & DEAF == 0)
                && shutdown(to, Shutdown::Write).is_err()
            {
                return self.break_off(id, way, 1 - way, Errno::NOTCONN);
            }
            return Flow::Over;
        }
        match flags & (READABLE | OVER) {
            READABLE => Flow::More,
            _ => Flow::Rest,
        }
    }

    /// A side is gone. When it is the destination, what the source of the other
    /// way has left behind is delivered first.
    fn break_off(&mut self, id: Id, way: Side, side: Side, errno: Errno) -> Flow {
        let link = &mut self.links[id.0 as usize];
        let back = 1 - way;
        let ended = link.ways[back].flags & ENDED != 0;
        // This is what the kernel makes of a reset that follows an end.
        let orderly = side == SERVER && (ended || errno == Errno::PIPE);
        let deaf = orderly && link.flags & (RESET[way] | DEAF) == 0;
        if side == way || ended && !deaf {
            return Flow::Broken(side);
        }
        if deaf {
            let lost = replace(&mut link.ways[way].pipe, pipes::NONE);
            // To close a socket whose other side still speaks is to reset it,
            // which takes back what is on its way there.
            link.flags |= DEAF;
            link.ways[way].flags &= QUEUED | HANGUP | URGENT;
            link.ways[way].flags |= READABLE;
            self.pipes.give(lost);
            self.queue(id, way);
            return Flow::Rest;
        }
        self.lose(id, side);
        Flow::Rest
    }

    /// A side was reset: nothing can be delivered there any more, and what it said
    /// before is handed on, but no end.
    pub fn lose(&mut self, id: Id, side: Side) {
        let link = &mut self.links[id.0 as usize];
        let way = &mut link.ways[1 - side];
        let lost = replace(&mut way.pipe, pipes::NONE);
        way.flags = ENDED | OVER | (way.flags & QUEUED);
        link.ways[side].flags |= READABLE;
        link.flags |= RESET[side];
        self.pipes.give(lost);
        self.queue(id, side);
    }

    /// Moves bytes; the error is that of a side.
    fn move_on(&mut self, id: Id, way: Side) -> Result<(), (Side, Errno)> {
        let flags = self.link(id).ways[way].flags;
        if flags & (OVER | BLOCKED) != 0 {
            return Ok(());
        }
        if self.link(id).ways[way].pipe != pipes::NONE && !self.drain(id, way)? {
            return Ok(());
        }
        if flags & READABLE == 0 || flags & ENDED != 0 {
            return Ok(());
        }
        if self.link(id).flags & DEAF != 0 && way == CLIENT {
            return self.receive(id, way, BUFFER, RecvFlags::TRUNC).map(drop);
        }
        // Of the last pipes none is for bytes that may stay in it.
        let scarce = self.pipes.are_scarce();
        let mut room = self.pipes.room();
        let bulk = flags & (BULK | URGENT) == BULK;
        if scarce {
            room = match bulk {
                true => room.min(self.vacancy(id, 1 - way)),
                false => 0,
            };
        }
        match bulk {
            true if room >= LARGE || !scarce && room != 0 => self.splice(id, way, room),
            false if room != 0 => self.copy(id, way, room),
            _ => self.copy_without_pipe(id, way),
        }
    }

    /// What the socket of a side will take at once, at least.
    fn vacancy(&mut self, id: Id, side: Side) -> usize {
        let socket = self.link(id).socket(side).get();
        // The kernel's own records take a twentieth of it at most.
        socket.map_or(0, send_space) / 4 * 3
    }

    /// Empties the way's pipe; false while the destination does not take all.
    fn drain(&mut self, id: Id, way: Side) -> Result<bool, (Side, Errno)> {
        let link = &mut self.links[id.0 as usize];
        let pipe = link.ways[way].pipe;
        // Once more after a part of it: only a refusal makes the kernel tell
        // when there is room again.
        while self.pipes.inside(pipe) != 0 {
            match link.fd(1 - way).and_then(|to| self.pipes.drain(pipe, to)) {
                Ok(_) => self.moved = true,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    link.ways[way].flags |= BLOCKED;
                    return Ok(false);
                }
                Err(errno) => return Err((1 - way, errno)),
            }
        }
        let way = &mut link.ways[way];
        way.pipe = pipes::NONE;
        self.pipes.give(pipe);
        Ok(true)
    }

    /// Through a pipe. It is empty, so that a refusal says that the source is.
    fn splice(&mut self, id: Id, side: Side, most: usize) -> Result<(), (Side, Errno)> {
        let pipe = self.pipes.take();
        let link = &mut self.links[id.0 as usize];
        let fill = |from| self.pipes.fill(pipe, from, most);
        let filled = link.fd(side).and_then(fill);
        let way = &mut link.ways[side];
        let got = match filled {
            Ok(got) => got,
            Err(Errno::AGAIN) => {
                way.flags &= !READABLE;
                0
            }
            Err(Errno::INTR) => 0,
            Err(errno) => {
                self.pipes.give(pipe);
                return Err((side, errno));
            }
        };
        if got == 0 {
            if way.flags & READABLE != 0 && filled.is_ok() {
                link.end(side);
            }
            self.pipes.give(pipe);
            return Ok(());
        }
        way.weigh(got);
        way.pipe = pipe;
        self.taken = got;
        self.moved = true;
        self.drain(id, side)?;
        Ok(())
    }

    /// Through the buffer; what is not taken goes to a pipe.
    fn copy(&mut self, id: Id, side: Side, room: usize) -> Result<(), (Side, Errno)> {
        let most = room.min(BUFFER);
        let Some(got) = self.receive(id, side, most, RecvFlags::empty())? else {
            return Ok(());
        };
        let link = &mut self.links[id.0 as usize];
        let bytes = self.buffer.get(..got).unwrap_or_default();
        self.taken = got;
        self.moved = true;
        let sent = deliver(link, 1 - side, bytes)?;
        let rest = bytes.get(sent..).unwrap_or_default();
        let way = &mut link.ways[side];
        way.weigh(got);
        if !rest.is_empty() {
            way.flags |= BLOCKED;
            way.pipe = self.pipes.take();
            // It was asked for its room before: only a lack of kernel memory is
            // left, and a stream with a hole must not go on.
            if way.pipe == pipes::NONE || !self.pipes.keep(way.pipe, rest) {
                return Err((side, Errno::NOMEM));
            }
        }
        Ok(())
    }

    /// Without any place for what is not taken: it stays where it is.
    fn copy_without_pipe(&mut self, id: Id, side: Side) -> Result<(), (Side, Errno)> {
        let Some(got) = self.receive(id, side, BUFFER, RecvFlags::PEEK)? else {
            return Ok(());
        };
        let link = &mut self.links[id.0 as usize];
        let bytes = self.buffer.get(..got).unwrap_or_default();
        let sent = deliver(link, 1 - side, bytes)?;
        if sent < got {
            link.ways[side].flags |= BLOCKED | READABLE;
        }
        self.taken = sent;
        self.moved = sent != 0;
        if sent != 0 {
            link.ways[side].weigh(sent);
            // They are there, as was just seen, and need not come once more.
            let taken = self.buffer.get_mut(..sent).unwrap_or_default();
            let from = link.fd(side).map_err(|errno| (side, errno))?;
            recv(from, taken, RecvFlags::TRUNC).map_err(|errno| (side, errno))?;
        }
        Ok(())
    }

    /// Reads into the buffer; none when nothing is there or all was read. A
    /// short read leaves nothing behind, and of a source that hung up before
    /// it, it was the last.
    fn receive(
        &mut self,
        id: Id,
        side: Side,
        most: usize,
        flags: RecvFlags,
    ) -> Result<Option<usize>, (Side, Errno)> {
        let link = &mut self.links[id.0 as usize];
        let buffer = self.buffer.get_mut(..most).unwrap_or_default();
        let read = link
            .fd(side)
            .and_then(|from| recv(from, buffer, flags).map(|(_, got)| got));
        let reset = link.flags & RESET[side] != 0;
        let way = &mut link.ways[side];
        match read {
            Ok(0) => {
                link.end(side);
                Ok(None)
            }
            Ok(got) => {
                if got < most && !reset && way.flags & URGENT == 0 {
                    way.flags &= !READABLE;
                    if way.flags & HANGUP != 0 && flags.is_empty() {
                        way.flags |= ENDED;
                    }
                }
                if way.flags & HANGUP != 0 && way.flags & ENDED == 0 {
                    way.flags |= READABLE;
                }
                Ok(Some(got))
            }
            Err(Errno::AGAIN) => {
                way.flags &= !READABLE;
                Ok(None)
            }
            Err(Errno::INTR) => Ok(None),
            Err(errno) => Err((side, errno)),
        }
    }

    /// Queues a way up behind the others.
    pub fn queue(&mut self, id: Id, way: Side) {
        let link = self.link(id);
        let waits = (link.ways[0].flags | link.ways[1].flags) & QUEUED != 0;
        link.ways[way].flags |= QUEUED;
        if waits {
            return;
        }
        link.next = 0;
        let place = id.0 + 1;
        match replace(&mut self.last, place).checked_sub(1) {
            Some(last) => self.link(Id(last)).next = place,
            None => self.first = place,
        }
    }

    /// Whether anybody waits for a turn.
    pub fn waits(&self) -> bool {
        self.first != 0
    }

    /// The last of those that wait now.
    pub fn last_in_queue(&self) -> u32 {
        self.last
    }

    /// The first of those that wait, and which of its ways do.
    pub fn unqueue(&mut self) -> Option<(Id, [bool; 2])> {
        let id = Id(self.first.checked_sub(1)?);
        let link = self.link(id);
        let next = replace(&mut link.next, 0);
        let waited = [0, 1].map(|way: Side| link.ways[way].flags & QUEUED != 0);
        for way in &mut link.ways {
            way.flags &= !QUEUED;
        }
        self.first = next;
        if next == 0 {
            self.last = 0;
        }
        Some((id, waited))
    }

    /// Lets go of a connection. One that waits for a turn stays in the queue,
    /// where it is found to be over.
    pub fn close(&mut self, id: Id) {
        let link = &mut self.links[id.0 as usize];
        for (socket, way) in link.sockets.iter_mut().zip(&mut link.ways) {
            socket.close();
            let pipe = replace(&mut way.pipe, pipes::NONE);
            way.flags &= QUEUED;
            way.streak = 0;
            self.pipes.give(pipe);
        }
        link.flags = 0;
    }
}

/// Sends what the socket of a side takes.
fn deliver(link: &mut Link, side: Side, bytes: &[u8]) -> Result<usize, (Side, Errno)> {
    let sent = link
        .fd(side)
        .and_then(|to| send(to, bytes, SendFlags::NOSIGNAL));
    match sent {
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(errno) => Err((side, errno)),
    }
}
