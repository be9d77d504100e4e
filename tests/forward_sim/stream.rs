//! Streams: two ways with a wire and a queue each, from the far end (a client or
//! a server) to the near one (a worker's socket) and back.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::clock::At;
use crate::epoll;
use crate::kernel::{File, Kernel, Mode, Note, Todo};
use crate::shim::fd::RawFd;
use crate::shim::io::Errno;
use crate::shim::net::RecvFlags;

/// The way to the near end, and that to the far one.
pub const IN: usize = 0;
pub const OUT: usize = 1;

/// Who is at the far end.
#[derive(Clone, Copy, Debug)]
pub enum Party {
    Client { client: usize, address: SocketAddr },
    Server(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// In a listener's queue, or taken: it can be used.
    Open,
    /// A server was asked.
    Asking,
    /// Reset, or refused.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    None,
    Said,
    Come,
}

/// One direction.
pub struct Way {
    wire: VecDeque<u8>,
    wire_max: usize,
    pub queue: VecDeque<u8>,
    queue_max: usize,
    end: End,
    /// What is on the wire is about to arrive.
    pub flowing: bool,
    /// Its writer wants to know when there is room.
    wants: bool,
}

impl Way {
    pub fn new(wire_max: usize, queue_max: usize) -> Way {
        Way {
            wire: VecDeque::new(),
            wire_max,
            queue: VecDeque::new(),
            queue_max,
            end: End::None,
            flowing: false,
            wants: false,
        }
    }

    pub fn has_come(&self) -> bool {
        self.end == End::Come
    }

    pub fn is_said(&self) -> bool {
        self.end != End::None
    }

    /// A reset takes back what is on its way, an end included.
    fn drop_wire(&mut self) {
        self.wire.clear();
        if self.end == End::Said {
            self.end = End::None;
        }
    }

    pub fn has_room(&self) -> bool {
        self.wire.len() * 3 <= self.wire_max * 2
    }
}

/// A stream.
pub struct Conn {
    pub party: Party,
    /// The worker's socket.
    pub near: Option<RawFd>,
    pub ways: [Way; 2],
    phase: Phase,
    pub error: Option<Errno>,
    pub latency: At,
    lingers: bool,
    near_closed: bool,
    far_closed: bool,
    /// The far end heard a reset.
    pub far_reset: bool,
    /// When something moved last at the near end.
    pub moved_at: At,
    /// A server took it.
    pub taken: bool,
    /// A worker's death ended it, and not the worker.
    pub orphan: bool,
}

impl Conn {
    pub fn new(party: Party, latency: At, way: Way) -> Conn {
        let other = Way::new(way.wire_max, way.queue_max);
        Conn {
            party,
            near: None,
            ways: [way, other],
            phase: match party {
                Party::Client { .. } => Phase::Open,
                Party::Server(_) => Phase::Asking,
            },
            error: None,
            latency,
            lingers: false,
            near_closed: false,
            far_closed: false,
            far_reset: false,
            moved_at: 0,
            taken: false,
            orphan: false,
        }
    }

    pub fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }
}

/// Moves so many bytes from one end to the other.
fn pass(from: &mut VecDeque<u8>, to: &mut VecDeque<u8>, most: usize) -> usize {
    let count = most.min(from.len());
    let (first, second) = from.as_slices();
    let split = count.min(first.len());
    to.extend(&first[..split]);
    to.extend(&second[..count - split]);
    from.drain(..count);
    count
}

impl Kernel {
    // What happens on the network.

    /// What is on a wire arrives, as far as there is room.
    pub fn flow(&mut self, number: usize, way: usize) {
        let conn = &mut self.conns[number];
        conn.ways[way].flowing = false;
        if conn.is_gone() {
            return;
        }
        let closed = [conn.near_closed, conn.far_closed][way];
        let both = &mut conn.ways[way];
        if closed && !both.wire.is_empty() {
            // Nobody is there any more for what comes.
            both.wire.clear();
            return self.reset_later(number, 1 - way);
        }
        let room = both.queue_max.saturating_sub(both.queue.len());
        let came = pass(&mut both.wire, &mut both.queue, room);
        let mut news = came > 0;
        if both.wire.is_empty() && both.end == End::Said {
            both.end = End::Come;
            news = true;
        }
        let room = both.wants && both.has_room();
        both.wants &= !room;
        let near = conn.near;
        let (reader, writer) = match way {
            IN => (near, None),
            _ => (None, near),
        };
        match (news, reader) {
            (true, Some(fd)) => self.wake(fd, epoll::IN | epoll::RDHUP),
            (true, None) if way == OUT => self.later(0, Todo::Far(number)),
            _ => {}
        }
        match (room, writer) {
            (true, Some(fd)) => self.wake(fd, epoll::OUT),
            (true, None) if way == IN => self.later(0, Todo::Far(number)),
            _ => {}
        }
    }

    /// A server's machine answers.
    pub fn answer(&mut self, number: usize) {
        let Party::Server(server) = self.conns[number].party else {
            return;
        };
        let (mode, now) = (self.modes[usize::from(server)], self.now);
        let conn = &mut self.conns[number];
        if conn.near_closed || conn.phase != Phase::Asking {
            return;
        }
        match mode {
            Mode::Silent => return,
            Mode::Refuses | Mode::Unreachable => {
                conn.phase = Phase::Gone;
                conn.error = Some(match mode {
                    Mode::Refuses => Errno::CONNREFUSED,
                    _ => Errno::HOSTUNREACH,
                });
            }
            Mode::Up => {
                conn.phase = Phase::Open;
                conn.taken = true;
                conn.moved_at = now;
            }
            Mode::Slams => {
                conn.phase = Phase::Open;
                conn.taken = true;
                conn.moved_at = now;
                self.far_reset(number);
            }
        }
        let near = self.conns[number].near;
        if let Some(fd) = near {
            self.wake(
                fd,
                self.conns[number].error.map_or(epoll::OUT, |_| epoll::ERR),
            );
        }
        if mode == Mode::Up {
            self.later(0, Todo::Far(number));
        }
    }

    /// A reset arrives at the end of a way.
    pub fn reset_comes(&mut self, number: usize, to: usize) {
        let conn = &mut self.conns[number];
        if conn.is_gone() {
            return;
        }
        conn.phase = Phase::Gone;
        for way in &mut conn.ways {
            way.wire.clear();
        }
        if to == OUT {
            conn.far_reset = true;
            conn.far_closed = true;
            self.say(format_args!("the far end of {number} is reset"));
            return self.later(0, Todo::Far(number));
        }
        conn.far_closed = true;
        conn.error = Some(match conn.ways[IN].end {
            End::Come => Errno::PIPE,
            End::None | End::Said => Errno::CONNRESET,
        });
        if let Some(fd) = conn.near {
            self.wake(fd, u32::MAX);
        }
        self.say(format_args!("the near end of {number} is reset"));
    }

    // What a worker calls.

    pub fn accept(&mut self, fd: RawFd) -> Result<(RawFd, SocketAddr), Errno> {
        let trouble = self.in_trouble();
        let File::Listener { waiting, open, .. } = self.file(fd)? else {
            return Err(Errno::INVAL);
        };
        if !*open {
            return Err(Errno::INVAL);
        }
        if waiting.is_empty() {
            return Err(Errno::AGAIN);
        }
        if trouble {
            return Err(Errno::NFILE);
        }
        let number = waiting[0];
        let fd_of = self.install(File::Stream(number))?;
        if let File::Listener { waiting, .. } = self.file(fd)? {
            waiting.remove(0);
        }
        let now = self.now;
        let conn = &mut self.conns[number];
        conn.near = Some(fd_of);
        conn.moved_at = now;
        let Party::Client { address, .. } = conn.party else {
            unreachable!("clients wait at listeners");
        };
        let (fd, conn) = (fd_of, number);
        self.notes.push(Note::Accepted { fd, conn });
        Ok((fd_of, address))
    }

    fn stream(&mut self, fd: RawFd) -> Result<usize, Errno> {
        match self.file(fd)? {
            File::Stream(conn) => Ok(*conn),
            _ => Err(Errno::NOTCONN),
        }
    }

    pub fn recv(&mut self, fd: RawFd, buffer: &mut [u8], flags: RecvFlags) -> Result<usize, Errno> {
        let number = self.stream(fd)?;
        let now = self.now;
        let conn = &mut self.conns[number];
        let way = &mut conn.ways[IN];
        if !way.queue.is_empty() {
            let count = buffer.len().min(way.queue.len());
            if !flags.intersects(RecvFlags::TRUNC) {
                for (to, from) in buffer.iter_mut().zip(&way.queue) {
                    *to = *from;
                }
            }
            if !flags.intersects(RecvFlags::PEEK) {
                way.queue.drain(..count);
                conn.moved_at = now;
                if !way.wire.is_empty() || way.end == End::Said {
                    self.flow_later(number, IN);
                }
            }
            return Ok(count);
        }
        // An end that came is told also when a reset followed it.
        if way.has_come() {
            return Ok(0);
        }
        if let Some(errno) = conn.error.take() {
            return Err(errno);
        }
        match conn.is_gone() {
            true => Ok(0),
            false => Err(Errno::AGAIN),
        }
    }

    pub fn send(&mut self, fd: RawFd, bytes: &[u8]) -> Result<usize, Errno> {
        self.send_some(fd, bytes, true)
    }

    /// Sends what fits; who sent only a part wants to know of room, if `tells`.
    pub fn send_some(&mut self, fd: RawFd, bytes: &[u8], tells: bool) -> Result<usize, Errno> {
        let number = self.stream(fd)?;
        let now = self.now;
        let conn = &mut self.conns[number];
        if let Some(errno) = conn.error.take() {
            return Err(errno);
        }
        let way = &mut conn.ways[OUT];
        if conn.phase != Phase::Open || way.is_said() {
            return Err(Errno::PIPE);
        }
        let sent = bytes.len().min(way.wire_max - way.wire.len());
        way.wants |= sent == 0 || tells && sent < bytes.len();
        if sent == 0 {
            return Err(Errno::AGAIN);
        }
        way.wire.extend(&bytes[..sent]);
        conn.moved_at = now;
        self.flow_later(number, OUT);
        Ok(sent)
    }

    pub fn send_space(&mut self, fd: RawFd) -> usize {
        let Ok(number) = self.stream(fd) else {
            return 0;
        };
        let way = &self.conns[number].ways[OUT];
        way.wire_max - way.wire.len()
    }

    /// shutdown(SHUT_WR)
    pub fn end_sending(&mut self, fd: RawFd) -> Result<(), Errno> {
        let number = self.stream(fd)?;
        let ends_both = self.ends_both;
        let conn = &mut self.conns[number];
        if conn.phase != Phase::Open {
            return Err(Errno::NOTCONN);
        }
        if conn.ways[OUT].end == End::None {
            conn.ways[OUT].end = End::Said;
        }
        if ends_both {
            conn.ways[IN].end = End::Come;
            conn.ways[IN].queue.clear();
            self.wake(fd, u32::MAX);
        }
        self.flow_later(number, OUT);
        Ok(())
    }

    pub fn reset_on_close(&mut self, fd: RawFd) {
        if let Ok(number) = self.stream(fd) {
            self.conns[number].lingers = true;
        }
    }

    pub fn take_error(&mut self, fd: RawFd) -> Option<Errno> {
        let number = self.stream(fd).ok()?;
        self.conns[number].error.take()
    }

    /// The near end is closed: with bytes unread that is a reset.
    pub fn close_near(&mut self, number: usize) {
        let conn = &mut self.conns[number];
        conn.near = None;
        conn.near_closed = true;
        match conn.phase {
            Phase::Gone => {}
            Phase::Asking => conn.phase = Phase::Gone,
            Phase::Open => {
                let over = conn.ways[IN].has_come() && conn.ways[OUT].has_come();
                let unread = !conn.ways[IN].queue.is_empty();
                if conn.lingers && !over || unread {
                    conn.ways[OUT].drop_wire();
                    self.reset_later(number, OUT);
                } else {
                    if conn.ways[OUT].end == End::None {
                        conn.ways[OUT].end = End::Said;
                    }
                    self.flow_later(number, OUT);
                    if !self.conns[number].ways[IN].wire.is_empty() {
                        self.flow_later(number, IN);
                    }
                }
            }
        }
    }

    // What a far end does.

    /// A client's connection reaches a listener; false: it is refused.
    pub fn arrive(&mut self, listener: RawFd, conn: Conn) -> bool {
        let number = self.conns.len();
        let Ok(File::Listener { waiting, open, .. }) = self.file(listener) else {
            return false;
        };
        if !*open {
            return false;
        }
        waiting.push(number);
        self.conns.push(conn);
        self.wake(listener, epoll::IN);
        true
    }

    /// A listener listens, or its clients are refused.
    pub fn set_listening(&mut self, listener: RawFd, now_open: bool) {
        let Ok(File::Listener { waiting, open, .. }) = self.file(listener) else {
            return;
        };
        if std::mem::replace(open, now_open) == now_open {
            return;
        }
        let refused = std::mem::take(waiting);
        for conn in refused {
            self.conns[conn].near_closed = true;
            self.reset_later(conn, OUT);
        }
        self.wake(listener, u32::MAX);
    }

    pub fn far_read(&mut self, number: usize, most: usize, into: &mut Vec<u8>) -> usize {
        let way = &mut self.conns[number].ways[OUT];
        let count = most.min(way.queue.len());
        into.extend(way.queue.drain(..count));
        if count > 0 && (!way.wire.is_empty() || way.end == End::Said) {
            self.flow_later(number, OUT);
        }
        count
    }

    /// Everything came, and then the end.
    pub fn far_ended(&self, number: usize) -> bool {
        let way = &self.conns[number].ways[OUT];
        way.has_come() && way.queue.is_empty()
    }

    pub fn far_room(&self, number: usize) -> usize {
        let conn = &self.conns[number];
        match conn.is_open() && !conn.ways[IN].is_said() {
            true => conn.ways[IN].wire_max - conn.ways[IN].wire.len(),
            false => 0,
        }
    }

    pub fn far_write(&mut self, number: usize, bytes: &[u8]) {
        self.conns[number].ways[IN].wire.extend(bytes);
        self.flow_later(number, IN);
    }

    /// It has more to say than there is room for.
    pub fn far_wants(&mut self, number: usize) {
        self.conns[number].ways[IN].wants = true;
    }

    /// It has nothing more to say.
    pub fn far_end(&mut self, number: usize) {
        if self.conns[number].ways[IN].end == End::None {
            self.conns[number].ways[IN].end = End::Said;
            self.flow_later(number, IN);
        }
    }

    /// It says nothing more and hears nothing more.
    pub fn far_close(&mut self, number: usize) {
        self.conns[number].far_closed = true;
        if self.conns[number].ways[OUT].queue.is_empty() {
            self.far_end(number);
        } else {
            self.far_reset(number);
        }
    }

    pub fn far_reset(&mut self, number: usize) {
        let conn = &mut self.conns[number];
        conn.far_closed = true;
        conn.ways[IN].drop_wire();
        self.reset_later(number, IN);
    }
}
