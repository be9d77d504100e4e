//! Datagrams by the dozen: one system call takes as many as wait, one sends as
//! many as are queued. Where the kernel can, several of one flow travel as one
//! (UDP_GRO, UDP_SEGMENT): they are taken together, and sent together with the
//! length at which they are to be cut.
//!
//! ```text
//!   receive(socket) -> buffers     put(buffer, to) ... send(socket)
//! ```
//!
//! Nothing here waits, and nothing knows a session. What cannot be sent stays
//! first in the queue until it is skipped.
//!
//! # Safety
//!
//! The lists that the kernel is handed are built anew for each call, of pointers
//! into fields of the batch, which is borrowed for the whole call.
#![allow(unsafe_code)]

use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use core::ptr;

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags};

use super::arch::{number, syscall6};
use super::syscall::result;

/// How many buffers there are.
pub const BATCH: usize = 32;
/// More than any datagram, or several that were taken as one, can have.
const BUFFER: usize = 1 << 16;
/// Datagrams in one, as every kernel allows.
const SEGMENTS_MAX: usize = 64;
/// The longest datagram that is ever sent together with others: what fits into
/// a packet of an ordinary network without being fragmented.
const SEGMENT_MAX: usize = 1472;
/// The most bytes that are sent as one: what fits behind IP and UDP headers.
const TOTAL_MAX: usize = 65_000;

/// Level and type of what is beside a datagram: the address asked for, in IPv4
/// and IPv6, and the length of its pieces.
const IP_PKTINFO: (i32, i32) = (0, 8);
const IPV6_PKTINFO: (i32, i32) = (41, 50);
const UDP_GRO: (i32, i32) = (17, 104);
const UDP_SEGMENT: (i32, i32) = (17, 103);

/// The head of such a thing (`struct cmsghdr`): its length with the head, as
/// long as a pointer, and the pair above.
const HEAD: usize = size_of::<usize>() + 8;

/// A socket address as the kernel has it.
type Name = [u8; 28];

/// What is beside a datagram.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 128]);

/// `struct iovec`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Part {
    base: *mut u8,
    length: usize,
}

/// `struct mmsghdr`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Message {
    head: Head,
    /// Bytes taken or sent.
    length: u32,
}

/// `struct msghdr`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Head {
    name: *mut u8,
    name_length: u32,
    parts: *mut Part,
    part_count: usize,
    control: *mut u8,
    control_length: usize,
    flags: u32,
}

/// What is known of a buffer.
#[derive(Clone, Copy)]
struct Filled {
    name: Name,
    control: Control,
    control_length: u16,
    /// The datagram was longer than the buffer.
    cut: bool,
    length: u32,
    /// The length of each datagram in it but the last; 0: there is one.
    segment: u16,
}

/// A message to be sent.
#[derive(Clone, Copy)]
struct Out {
    /// Its first buffer, and its first part.
    buffer: u8,
    part: u8,
    part_count: u8,
    /// Another datagram may be added.
    open: bool,
    name_length: u8,
    control_length: u8,
    /// Whose it is.
    label: u16,
    segment: u16,
    length: u32,
}

/// Where a message goes.
#[derive(Clone, Copy)]
pub enum To {
    /// Where its socket is connected to.
    Peer,
    /// To this client, from the address that it asked for; `None`: from the one
    /// that the socket is bound to.
    Client(SocketAddr, Option<IpAddr>),
}

/// See the module. All zero bytes are an empty one.
pub struct Batch {
    bytes: [[u8; BUFFER]; BATCH],
    filled: [Filled; BATCH],
    queue: [Out; BATCH],
    parts: [(u8, u32); BATCH],
    /// Messages in the queue, those that were sent, and parts of all.
    queued: usize,
    sent: usize,
    part_count: usize,
}

impl Batch {
    /// An empty one.
    pub const fn new() -> Batch {
        Batch {
            bytes: [[0; BUFFER]; BATCH],
            filled: [Filled {
                name: [0; 28],
                control: Control([0; 128]),
                control_length: 0,
                cut: false,
                length: 0,
                segment: 0,
            }; BATCH],
            queue: [Out {
                buffer: 0,
                part: 0,
                part_count: 0,
                open: false,
                name_length: 0,
                control_length: 0,
                label: 0,
                segment: 0,
                length: 0,
            }; BATCH],
            parts: [(0, 0); BATCH],
            queued: 0,
            sent: 0,
            part_count: 0,
        }
    }

    /// Takes up to `count` datagrams into the buffers from `first` on.
    pub fn receive(
        &mut self,
        fd: BorrowedFd<'_>,
        first: usize,
        count: usize,
    ) -> Result<usize, Errno> {
        let mut parts = [NO_PART; BATCH];
        let mut messages = [NO_MESSAGE; BATCH];
        let buffers = self.bytes.iter_mut().zip(&mut self.filled);
        let wanted = buffers.skip(first).take(count);
        let mut list = 0;
        for ((bytes, filled), (part, message)) in wanted.zip(parts.iter_mut().zip(&mut messages)) {
            *part = Part {
                base: bytes.as_mut_ptr(),
                length: BUFFER,
            };
            message.head = Head {
                name: filled.name.as_mut_ptr(),
                name_length: size_of::<Name>() as u32,
                parts: part,
                part_count: 1,
                control: filled.control.0.as_mut_ptr(),
                control_length: size_of::<Control>(),
                ..NO_MESSAGE.head
            };
            list += 1;
        }
        let flags = RecvFlags::DONTWAIT.bits() as usize;
        let pointer = messages.as_mut_ptr() as usize;
        let fd = fd.as_raw_fd() as usize;
        // SAFETY: the kernel writes to `list` messages, of which there are as
        // many, and to their names, buffers and controls, whose lengths are told.
        let taken = result(unsafe { syscall6(number::RECVMMSG, fd, pointer, list, flags, 0, 0) })?;
        for (message, filled) in messages
            .iter()
            .zip(self.filled.iter_mut().skip(first))
            .take(taken)
        {
            filled.length = message.length;
            filled.cut = message.head.flags & RecvFlags::TRUNC.bits() != 0;
            filled.control_length = message.head.control_length as u16;
            let segment = filled.beside(UDP_GRO).and_then(<[u8]>::first_chunk);
            let segment = segment.map_or(0, |&bytes| i32::from_ne_bytes(bytes) as u16);
            // One alone is as long as it is.
            let several = u32::from(segment) < filled.length;
            filled.segment = if several { segment } else { 0 };
        }
        Ok(taken)
    }

    /// The datagram of a buffer did not fit.
    pub fn is_cut(&self, buffer: usize) -> bool {
        self.filled[buffer].cut
    }

    /// The bytes of a buffer.
    pub fn length(&self, buffer: usize) -> u32 {
        self.filled[buffer].length
    }

    /// Who sent what is in a buffer.
    pub fn sender(&self, buffer: usize) -> Option<SocketAddr> {
        let name = &self.filled[buffer].name;
        let port = u16::from_be_bytes([name[2], name[3]]);
        let family = AddressFamily::from_raw(u16::from_ne_bytes([name[0], name[1]]));
        match family {
            AddressFamily::INET => {
                let octets: [u8; 4] = *name[4..].first_chunk()?;
                Some((octets, port).into())
            }
            AddressFamily::INET6 => {
                let octets: [u8; 16] = *name[8..].first_chunk()?;
                let scope = u32::from_ne_bytes(*name[24..].first_chunk()?);
                Some(SocketAddrV6::new(octets.into(), port, 0, scope).into())
            }
            _ => None,
        }
    }

    /// The address of ours that it was sent to, if the socket tells.
    pub fn asked(&self, buffer: usize) -> Option<IpAddr> {
        let filled = &self.filled[buffer];
        if let Some(info) = filled.beside(IP_PKTINFO) {
            // Behind the index of the link: the address of ours to answer from.
            let octets: [u8; 4] = *info.get(4..)?.first_chunk()?;
            return Some(octets.into());
        }
        let octets: &[u8; 16] = filled.beside(IPV6_PKTINFO)?.first_chunk()?;
        Some(Ipv6Addr::from(*octets).into())
    }

    /// Queues the datagrams of a buffer. Those of one label that are queued one
    /// after the other are sent together if they `may` be.
    pub fn put(&mut self, buffer: usize, label: u16, to: To, may: bool) {
        let filled = &self.filled[buffer];
        let length = filled.length;
        let segment = match filled.segment {
            0 => length,
            segment => segment.into(),
        };
        let part = self.part_count;
        self.parts[part] = (buffer as u8, length);
        self.part_count += 1;
        let last = self.queue[..self.queued].last_mut();
        if let Some(last) = last.filter(|last| may && last.takes(label, length, segment)) {
            last.length += length;
            last.part_count += 1;
            last.open = length.is_multiple_of(segment) && segment == u32::from(last.segment);
            return;
        }
        let fits = may && length != 0 && segment as usize <= SEGMENT_MAX;
        let mut out = Out {
            buffer: buffer as u8,
            part: part as u8,
            part_count: 1,
            open: fits && length.is_multiple_of(segment),
            name_length: 0,
            control_length: 0,
            label,
            segment: segment as u16,
            length,
        };
        if let To::Client(client, asked) = to {
            self.filled[buffer].address(&mut out, client, asked);
        }
        self.queue[self.queued] = out;
        self.queued += 1;
    }

    /// Whether anything is queued.
    pub fn is_empty(&self) -> bool {
        self.queued == 0
    }

    /// Sends what is queued; afterwards the queue is empty, or its first message
    /// is the one that was refused.
    pub fn send(&mut self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        while self.sent < self.queued {
            self.sent += self.send_some(fd)?;
        }
        self.clear();
        Ok(())
    }

    /// What is queued, all of one label, is another's.
    pub fn relabel(&mut self, label: u16) {
        for out in &mut self.queue[self.sent..self.queued] {
            out.label = label;
        }
    }

    /// Lets go of all that is queued.
    pub fn clear(&mut self) {
        (self.queued, self.sent, self.part_count) = (0, 0, 0);
    }

    fn send_some(&mut self, fd: BorrowedFd<'_>) -> Result<usize, Errno> {
        let mut parts = [NO_PART; BATCH];
        for (to, &(buffer, length)) in parts.iter_mut().zip(&self.parts[..self.part_count]) {
            *to = Part {
                base: self.bytes[usize::from(buffer)].as_mut_ptr(),
                length: length as usize,
            };
        }
        let mut messages = [NO_MESSAGE; BATCH];
        let waiting = &self.queue[self.sent..self.queued];
        for (message, out) in messages.iter_mut().zip(waiting) {
            let filled = &mut self.filled[usize::from(out.buffer)];
            let mut beside = usize::from(out.control_length);
            if out.is_several() {
                beside = filled.put(beside, UDP_SEGMENT, &out.segment.to_ne_bytes());
            }
            let parts = &mut parts[usize::from(out.part)..][..usize::from(out.part_count)];
            *message = out.message(filled, parts, beside);
        }
        let count = waiting.len();
        send_messages(fd, &mut messages[..count])
    }

    /// The label of the first message in the queue, and whether it is more than
    /// one datagram.
    pub fn first(&self) -> (u16, bool) {
        let out = &self.queue[self.sent];
        (out.label, out.is_several())
    }

    /// Lets the first message go; how many datagrams it had.
    pub fn skip(&mut self) -> u32 {
        let out = &self.queue[self.sent];
        self.sent += 1;
        out.length.div_ceil(u32::from(out.segment).max(1)).max(1)
    }

    /// Sends the datagrams of the first message one by one, as a path wants them
    /// that takes no several, and lets it go; how many were refused.
    #[cold]
    pub fn send_apart(&mut self, fd: BorrowedFd<'_>) -> u32 {
        let out = self.queue[self.sent];
        self.sent += 1;
        let mut refused = 0;
        let parts = &self.parts[usize::from(out.part)..][..usize::from(out.part_count)];
        for &(buffer, length) in parts {
            let bytes = &mut self.bytes[usize::from(buffer)][..length as usize];
            let filled = &mut self.filled[usize::from(out.buffer)];
            for piece in bytes.chunks_mut(usize::from(out.segment).max(1)) {
                let mut part = [Part {
                    base: piece.as_mut_ptr(),
                    length: piece.len(),
                }];
                let message = out.message(filled, &mut part, out.control_length.into());
                if send_messages(fd, &mut [message]).is_err() {
                    refused += 1;
                }
            }
        }
        refused
    }
}

impl Out {
    fn is_several(&self) -> bool {
        self.length > u32::from(self.segment)
    }

    /// Whether so many bytes of this label can be sent with it.
    fn takes(&self, label: u16, length: u32, segment: u32) -> bool {
        let own = u32::from(self.segment);
        // The last one may be shorter than the others.
        let fits = segment == own || length < own && segment == length;
        let total = (self.length + length) as usize;
        let most = TOTAL_MAX.min(usize::from(self.segment) * SEGMENTS_MAX);
        self.open && self.label == label && length != 0 && fits && total <= most
    }

    fn message(&self, filled: &mut Filled, parts: &mut [Part], beside: usize) -> Message {
        let head = Head {
            name: filled.name.as_mut_ptr(),
            name_length: self.name_length.into(),
            parts: parts.as_mut_ptr(),
            part_count: parts.len(),
            control: filled.control.0.as_mut_ptr(),
            control_length: beside,
            flags: 0,
        };
        Message { head, length: 0 }
    }
}

impl Filled {
    /// What of this kind the kernel put beside the datagram.
    fn beside(&self, (level, kind): (i32, i32)) -> Option<&[u8]> {
        let mut rest = self.control.0.get(..self.control_length.into())?;
        loop {
            let length = usize::from_ne_bytes(*rest.first_chunk()?);
            let said = |at: usize| Some(i32::from_ne_bytes(*rest.get(at..)?.first_chunk()?));
            let (its_level, its_kind) = (said(HEAD - 8)?, said(HEAD - 4)?);
            let value = rest.get(HEAD..length)?;
            if (its_level, its_kind) == (level, kind) {
                return Some(value);
            }
            rest = rest.get(length.next_multiple_of(size_of::<usize>())..)?;
        }
    }

    /// Puts something beside it, at this place; where the next would be.
    fn put(&mut self, at: usize, (level, kind): (i32, i32), value: &[u8]) -> usize {
        let length = HEAD + value.len();
        let to = &mut self.control.0[at..];
        to[..HEAD - 8].copy_from_slice(&length.to_ne_bytes());
        to[HEAD - 8..HEAD - 4].copy_from_slice(&level.to_ne_bytes());
        to[HEAD - 4..HEAD].copy_from_slice(&kind.to_ne_bytes());
        to[HEAD..length].copy_from_slice(value);
        at + length.next_multiple_of(size_of::<usize>())
    }

    /// Where it goes to, and from where.
    fn address(&mut self, out: &mut Out, client: SocketAddr, asked: Option<IpAddr>) {
        let name = &mut self.name;
        *name = [0; 28];
        name[2..4].copy_from_slice(&client.port().to_be_bytes());
        let family = match client {
            SocketAddr::V4(v4) => {
                name[4..8].copy_from_slice(&v4.ip().octets());
                out.name_length = 16;
                AddressFamily::INET
            }
            SocketAddr::V6(v6) => {
                name[8..24].copy_from_slice(&v6.ip().octets());
                name[24..].copy_from_slice(&v6.scope_id().to_ne_bytes());
                out.name_length = 28;
                AddressFamily::INET6
            }
        };
        name[..2].copy_from_slice(&family.as_raw().to_ne_bytes());
        // No link is named: the way to the client says which.
        let length = match asked {
            None => 0,
            Some(IpAddr::V4(v4)) => {
                let mut info = [0; 12];
                info[4..8].copy_from_slice(&v4.octets());
                self.put(0, IP_PKTINFO, &info)
            }
            Some(IpAddr::V6(v6)) => {
                let mut info = [0; 20];
                info[..16].copy_from_slice(&v6.octets());
                self.put(0, IPV6_PKTINFO, &info)
            }
        };
        out.control_length = length as u8;
    }
}

const NO_PART: Part = Part {
    base: ptr::null_mut(),
    length: 0,
};

const NO_MESSAGE: Message = Message {
    head: Head {
        name: ptr::null_mut(),
        name_length: 0,
        parts: ptr::null_mut(),
        part_count: 0,
        control: ptr::null_mut(),
        control_length: 0,
        flags: 0,
    },
    length: 0,
};

/// sendmmsg(2), of messages whose pointers are the batch's; how many were sent.
fn send_messages(fd: BorrowedFd<'_>, messages: &mut [Message]) -> Result<usize, Errno> {
    let flags = (SendFlags::DONTWAIT | SendFlags::NOSIGNAL).bits() as usize;
    let (pointer, list) = (messages.as_mut_ptr() as usize, messages.len());
    let fd = fd.as_raw_fd() as usize;
    // SAFETY: the kernel reads the messages and what they point to, all of which
    // is borrowed by the caller for as long and has the lengths that are told;
    // it writes the length of each message.
    result(unsafe { syscall6(number::SENDMMSG, fd, pointer, list, flags, 0, 0) })
}
