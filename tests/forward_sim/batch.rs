//! The stand-in for the binary's batches of datagrams: one call takes and sends
//! as many, but none travels together with others.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use rustix::fd::{AsRawFd, BorrowedFd, RawFd};
use rustix::io::Errno;

use crate::epoll;
use crate::kernel::{Datagram, File, Kernel, Line, Mode, Note, Todo, with};
use crate::plan;

pub const BATCH: usize = 32;

/// Where a message goes.
#[derive(Clone, Copy)]
pub enum To {
    Peer,
    Client(
        SocketAddr,
        #[expect(dead_code, reason = "there is one")] Option<IpAddr>,
    ),
}

/// The buffers, and what is queued. Zero bytes are an empty one.
pub struct Batch(Option<Box<Inside>>);

#[derive(Default)]
struct Inside {
    filled: Vec<Option<Datagram>>,
    queue: VecDeque<(u16, Datagram, Option<SocketAddr>)>,
}

impl Batch {
    pub const fn new() -> Batch {
        Batch(None)
    }

    fn inside(&mut self) -> &mut Inside {
        self.0.get_or_insert_default()
    }

    fn filled(&self, buffer: usize) -> Datagram {
        let inside = self.0.as_ref().expect("it was received into");
        inside.filled[buffer].expect("a datagram is there")
    }

    pub fn receive(
        &mut self,
        fd: BorrowedFd<'_>,
        first: usize,
        count: usize,
    ) -> Result<usize, Errno> {
        let taken = with(|kernel| kernel.take_datagrams(fd.as_raw_fd(), count))?;
        let filled = &mut self.inside().filled;
        filled.resize(BATCH, None);
        for (to, datagram) in filled.iter_mut().skip(first).zip(&taken) {
            *to = Some(*datagram);
        }
        Ok(taken.len())
    }

    pub fn is_cut(&self, _: usize) -> bool {
        false
    }

    pub fn length(&self, _: usize) -> u32 {
        8
    }

    pub fn sender(&self, buffer: usize) -> Option<SocketAddr> {
        Some(plan::flow_address(self.filled(buffer).flow))
    }

    pub fn asked(&self, _: usize) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, 1]))
    }

    pub fn put(&mut self, buffer: usize, label: u16, to: To, _: bool) {
        let datagram = self.filled(buffer);
        let client = match to {
            To::Peer => None,
            To::Client(client, _) => Some(client),
        };
        self.inside().queue.push_back((label, datagram, client));
    }

    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|inside| inside.queue.is_empty())
    }

    pub fn send(&mut self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        let queue = &mut self.inside().queue;
        while let Some((_, datagram, client)) = queue.front() {
            with(|kernel| kernel.send_datagram(fd.as_raw_fd(), *datagram, *client))?;
            queue.pop_front();
        }
        Ok(())
    }

    pub fn relabel(&mut self, to: u16) {
        for (label, ..) in &mut self.inside().queue {
            *label = to;
        }
    }

    pub fn clear(&mut self) {
        self.inside().queue.clear();
    }

    pub fn first(&self) -> (u16, bool) {
        let inside = self.0.as_ref().expect("something was refused");
        (inside.queue[0].0, false)
    }

    pub fn skip(&mut self) -> u32 {
        self.inside().queue.pop_front();
        1
    }

    pub fn send_apart(&mut self, _: BorrowedFd<'_>) -> u32 {
        self.skip()
    }
}

impl Kernel {
    fn take_datagrams(&mut self, fd: RawFd, count: usize) -> Result<Vec<Datagram>, Errno> {
        let now = self.now;
        let waiting = match self.file(fd)? {
            File::Mail { waiting, .. } => waiting,
            File::Line(line) => {
                if let Some(errno) = line.error.take() {
                    line.refused = true;
                    return Err(errno);
                }
                if !line.waiting.is_empty() {
                    line.used_at = now;
                }
                &mut line.waiting
            }
            _ => return Err(Errno::INVAL),
        };
        if waiting.is_empty() {
            return Err(Errno::AGAIN);
        }
        let count = count.min(waiting.len());
        Ok(waiting.drain(..count).collect())
    }

    fn send_datagram(
        &mut self,
        fd: RawFd,
        datagram: Datagram,
        client: Option<SocketAddr>,
    ) -> Result<(), Errno> {
        let (now, after) = (self.now, self.latency);
        if let Some(client) = client {
            assert_eq!(
                client,
                plan::flow_address(datagram.flow),
                "a reply goes astray"
            );
            self.later(after, Todo::Answered(datagram));
            return Ok(());
        }
        let gates = std::mem::take(&mut self.gates);
        let sent = self.send_on_line(fd, datagram, &gates, now, after);
        self.gates = gates;
        sent
    }

    fn send_on_line(
        &mut self,
        fd: RawFd,
        datagram: Datagram,
        gates: &[bool],
        now: u64,
        after: u64,
    ) -> Result<(), Errno> {
        let File::Line(line) = self.file(fd)? else {
            return Err(Errno::INVAL);
        };
        if let Some(errno) = line.error.take() {
            line.refused = true;
            return Err(errno);
        }
        let server = line.server.expect("it is connected");
        let flow = *line.flow.get_or_insert(datagram.flow);
        let first = flow == datagram.flow && line.sent == 0;
        line.sent += 1;
        if gates[usize::from(server)] {
            line.used_at = now;
        }
        let serial = line.serial;
        if first || flow != datagram.flow {
            let flow = datagram.flow;
            self.notes.push(Note::Flow { fd, flow, server });
        }
        self.later(after, Todo::Asked(fd, serial, datagram));
        Ok(())
    }

    /// A datagram reaches a server's machine; how many replies it gives.
    pub fn asked(&mut self, fd: RawFd, serial: u64, datagram: Datagram) {
        let mode = match self.line(fd, serial) {
            Some(line) => line.server.map(usize::from),
            None => None,
        };
        let Some(mode) = mode.map(|server| self.modes[server]) else {
            return;
        };
        let replies = match mode {
            Mode::Up | Mode::Slams => self.random.below(3),
            Mode::Silent => 0,
            Mode::Refuses | Mode::Unreachable => {
                if let Some(line) = self.line(fd, serial) {
                    line.error = Some(Errno::CONNREFUSED);
                    self.wake(fd, epoll::ERR);
                }
                0
            }
        };
        for _ in 0..replies {
            if let Some(line) = self.line(fd, serial) {
                line.waiting.push(datagram);
            }
        }
        if replies > 0 {
            self.wake(fd, epoll::IN);
        }
    }

    fn line(&mut self, fd: RawFd, serial: u64) -> Option<&mut Line> {
        match &mut self.entry(fd)?.file {
            File::Line(line) if line.serial == serial => Some(line),
            _ => None,
        }
    }

    /// A client's datagram reaches a listener.
    pub fn mail(&mut self, fd: RawFd, datagram: Datagram) {
        const ROOM: usize = 64;
        if let Ok(File::Mail { waiting, .. }) = self.file(fd)
            && waiting.len() < ROOM
        {
            waiting.push(datagram);
            self.wake(fd, epoll::IN);
        }
    }
}
