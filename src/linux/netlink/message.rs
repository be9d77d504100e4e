//! The framing of netlink: messages and attributes, written into a fixed
//! buffer and read from bytes that may be anything. It knows lengths and
//! alignment, never what a message means, and no input can make it panic.

use heapless::Vec;
use rustix::io::Errno;

/// `NLMSG_ERROR`: an acknowledgement, or the refusal of a request.
pub const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
pub const DONE: u16 = 3;

/// `NLM_F_REQUEST`.
pub const REQUEST: u16 = 0x01;
/// `NLM_F_ACK`: answer with [`ERROR`], 0 for success.
pub const ACK: u16 = 0x04;
/// `NLM_F_DUMP_INTR`: the table changed during the dump.
pub const DUMP_INTERRUPTED: u16 = 0x10;
/// `NLM_F_REPLACE`, in requests that create.
pub const REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`, in requests that create.
pub const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_DUMP`, in requests that ask.
pub const DUMP: u16 = 0x300;
/// `NLM_F_CREATE`, in requests that create.
pub const CREATE: u16 = 0x400;

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Bytes of `struct nlattr`.
const ATTRIBUTE: usize = 4;
/// The flags in an attribute's kind (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const KIND_MASK: u16 = 0x3fff;

/// A request being written. The longest of ours, a veth pair, has about 150 bytes.
pub struct Request {
    bytes: Vec<u8, 256>,
}

/// A place where a nested attribute began.
#[must_use]
pub struct Nest(usize);

impl Request {
    /// A request of this kind; `body` is the family's fixed part.
    pub fn new(kind: u16, flags: u16, body: &[u8]) -> Request {
        let mut request = Request { bytes: Vec::new() };
        let ([a, b], [c, d]) = (kind.to_ne_bytes(), (flags | REQUEST).to_ne_bytes());
        request.put(&[0, 0, 0, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]);
        request.put(body);
        request
    }

    /// Adds an attribute.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = (ATTRIBUTE + value.len()) as u16;
        let ([a, b], [c, d]) = (length.to_ne_bytes(), kind.to_ne_bytes());
        self.put(&[a, b, c, d]);
        self.put(value);
        self.put(
            [0; 3]
                .get(..align(value.len()) - value.len())
                .unwrap_or_default(),
        );
    }

    /// Adds bytes as they are: a fixed part inside a nested attribute, of a
    /// multiple of 4.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.put(bytes);
    }

    /// Begins an attribute that holds attributes.
    pub fn nest(&mut self, kind: u16) -> Nest {
        let at = self.bytes.len();
        self.attribute(kind, &[]);
        Nest(at)
    }

    /// Ends it.
    pub fn end(&mut self, nest: Nest) {
        let length = (self.bytes.len() - nest.0) as u16;
        self.write(nest.0, &length.to_ne_bytes());
    }

    /// The whole message with this sequence number.
    pub fn finish(&mut self, sequence: u32) -> &[u8] {
        let length = self.bytes.len() as u32;
        self.write(0, &length.to_ne_bytes());
        self.write(8, &sequence.to_ne_bytes());
        &self.bytes
    }

    /// Overwrites bytes that were appended before.
    fn write(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Appends bytes. What we write is bounded by our own tables, so a full
    /// buffer is a mistake here.
    fn put(&mut self, bytes: &[u8]) {
        let fits = self.bytes.extend_from_slice(bytes).is_ok();
        assert!(fits, "a netlink request is longer than its buffer");
    }
}

/// The head of a received message.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// What it is: [`ERROR`], [`DONE`] or the family's.
    pub kind: u16,
    /// Its flags.
    pub flags: u16,
    /// The request that it answers; 0 in notifications.
    pub sequence: u32,
}

/// Takes the first message off `bytes`: its head, its body, and where the next
/// one begins. `None`: nothing whole is left.
pub fn split(bytes: &[u8]) -> Option<(Header, &[u8], usize)> {
    let length = u32_at(bytes, 0)? as usize;
    let body = bytes.get(HEADER..length)?;
    let header = Header {
        kind: u16_at(bytes, 4)?,
        flags: u16_at(bytes, 6)?,
        sequence: u32_at(bytes, 8)?,
    };
    Some((header, body, align(length)))
}

/// What the body of an [`ERROR`] or [`DONE`] message says: success, or why not.
pub fn outcome(body: &[u8]) -> Result<(), Errno> {
    match u32_at(body, 0).map(|code| (code as i32).unsigned_abs()) {
        Some(0) => Ok(()),
        Some(code @ 1..=4095) => Err(Errno::from_raw_os_error(code as i32)),
        _ => Err(Errno::IO),
    }
}

/// The attributes of a message's body behind its fixed part of `skip` bytes.
pub fn attributes(body: &[u8], skip: usize) -> Attributes<'_> {
    Attributes(body.get(skip..).unwrap_or_default())
}

/// See [`attributes`].
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & KIND_MASK;
        let value = self.0.get(ATTRIBUTE..length)?;
        self.0 = self.0.get(align(length)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// A number of 2 bytes in the machine's order.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

/// A number of 4 bytes in the machine's order.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

/// Netlink aligns everything to 4 bytes.
fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}
