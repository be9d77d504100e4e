//! HTTP as a check needs it (RFC 9112): one GET, and of the reply the status and
//! whether a text is in its body, chunked or not. A few dozen bytes are kept, so
//! a header line counts as far as its first 40 bytes, and at most 64 KiB of a
//! reply are read.

use core::fmt::Write as _;
use core::net::SocketAddr;

use super::{BODY_MAX, Code, REQUEST_MAX, Verdict, Writer, digits};
use crate::address;
use crate::config::Http;
use crate::pack::packed;

/// The most bytes of a reply that are looked at.
const REPLY_MAX: u32 = 65_536;
/// What is kept of a line: enough for `transfer-encoding:chunked`.
const LINE_MAX: usize = 40;
/// How every reply begins.
const BEGIN: &[u8] = b"http/1.";

/// Writes the request. A page without a host is asked for by the server's
/// address.
pub(super) fn request(page: &Http<'_>, server: SocketAddr, out: &mut [u8; REQUEST_MAX]) -> usize {
    let mut out = Writer {
        bytes: out,
        length: 0,
    };
    for part in ["GET ", page.path, " HTTP/1.1\r\nHost: ", page.host] {
        out.put(part.as_bytes());
    }
    if page.host.is_empty() {
        // Memory has no errors.
        let _ = write!(out, "{}", address::Place(server));
    }
    let end = "\r\nUser-Agent: smena\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    out.put(end.as_bytes());
    out.length
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Status,
    Header,
    /// The body, or one chunk of it.
    Body,
    /// The end of a chunk's line.
    ChunkEnd,
    ChunkSize,
}

/// How far a reply has been read.
#[derive(Debug)]
pub(super) struct Reply {
    place: Place,
    status: u16,
    chunked: bool,
    /// The line that is being read, as far as it is kept: in small letters,
    /// and without blanks unless it is the first.
    line: [u8; LINE_MAX],
    length: usize,
    /// Bytes until the body or the chunk ends; `u32::MAX`: with the connection.
    left: u32,
    /// All bytes so far.
    seen: u32,
    /// Bytes of the text that the last bytes of the body agree with.
    matched: usize,
}

impl Reply {
    pub(super) const NEW: Reply = Reply {
        place: Place::Status,
        status: 0,
        chunked: false,
        line: [0; LINE_MAX],
        length: 0,
        left: u32::MAX,
        seen: 0,
        matched: 0,
    };

    /// Reads on.
    #[inline(never)]
    pub(super) fn take(&mut self, page: &Http<'_>, bytes: &[u8]) -> Option<Verdict> {
        // Without its quotes it is as long as the configuration allows.
        let mut text = [0; BODY_MAX];
        let length = page.body.and_then(|word| word.copy_to(&mut text));
        let text = text.get(..length.unwrap_or(0)).unwrap_or_default();
        for &byte in bytes {
            self.seen += 1;
            let verdict = match self.place {
                Place::Body => self.search(text, byte),
                _ => self.step(page, byte),
            };
            if verdict.is_some() {
                return verdict;
            }
            if self.seen >= REPLY_MAX {
                return Some(self.ended());
            }
        }
        None
    }

    /// Nothing more is read.
    pub(super) fn ended(&self) -> Verdict {
        match self.place {
            Place::Body if self.left == u32::MAX || self.seen >= REPLY_MAX => NOT_FOUND,
            _ => Verdict::new(Code::L7Rsp, packed!("the reply is cut off")),
        }
    }

    /// One byte of a line.
    fn step(&mut self, page: &Http<'_>, byte: u8) -> Option<Verdict> {
        if byte == b'\n' {
            let verdict = self.end_line(page);
            self.length = 0;
            return verdict;
        }
        let first = self.place == Place::Status;
        if (first || !matches!(byte, b' ' | b'\t'))
            && byte != b'\r'
            && let Some(slot) = self.line.get_mut(self.length)
        {
            *slot = byte.to_ascii_lowercase();
            self.length += 1;
        }
        // Who speaks something else may never end a line.
        let begin = self.length.min(BEGIN.len());
        (first && self.line[..begin] != BEGIN[..begin]).then_some(NO_REPLY)
    }

    /// A line is complete, as far as it is kept.
    #[inline(never)]
    fn end_line(&mut self, page: &Http<'_>) -> Option<Verdict> {
        let line = &self.line[..self.length];
        match self.place {
            Place::Status => {
                let rest = line.get(BEGIN.len() + 2..).unwrap_or_default();
                let (status, length) = digits(rest, 10);
                if length != 3
                    || line[BEGIN.len() + 1] != b' '
                    || !line[BEGIN.len()].is_ascii_digit()
                {
                    return Some(NO_REPLY);
                }
                (self.left, self.chunked) = (u32::MAX, false);
                self.status = status as u16;
                self.place = Place::Header;
                let (least, most) = page.expect;
                let good = (least..=most).contains(&self.status);
                // 101 ends HTTP; other interim replies come before the one
                // that counts.
                let interim = status < 200 && status != 101;
                if interim || good && page.body.is_some() {
                    return None;
                }
                return Some(self.with_status(if good { Code::L7Ok } else { Code::L7Sts }));
            }
            Place::Header if line.is_empty() => return self.end_head(),
            Place::Header => {
                if let Some(value) = line.strip_prefix(b"content-length:") {
                    // What is no number leaves the end to the connection.
                    let (number, length) = digits(value, 10);
                    self.left = match length == value.len() {
                        true => number,
                        false => u32::MAX,
                    };
                }
                self.chunked |= line == b"transfer-encoding:chunked";
            }
            Place::ChunkEnd => self.place = Place::ChunkSize,
            Place::ChunkSize => match digits(line, 16) {
                (_, 0) => return Some(Verdict::new(Code::L7Rsp, packed!("a chunk has no size"))),
                (0, _) => return Some(NOT_FOUND),
                (size, _) => {
                    self.left = size;
                    self.place = Place::Body;
                }
            },
            Place::Body => {}
        }
        None
    }

    /// The empty line after the headers.
    fn end_head(&mut self) -> Option<Verdict> {
        // RFC 9112 section 6.3: these have no body, whatever they say.
        if matches!(self.status, 204 | 304) || !self.chunked && self.left == 0 {
            return Some(NOT_FOUND);
        }
        self.place = match (self.status < 200, self.chunked) {
            (true, _) => Place::Status,
            (_, true) => Place::ChunkSize,
            (_, false) => Place::Body,
        };
        None
    }

    /// Looks at one byte of the body. The text may begin anywhere and go on in
    /// the next chunk.
    fn search(&mut self, text: &[u8], byte: u8) -> Option<Verdict> {
        while text[self.matched] != byte && self.matched > 0 {
            // The longest end of what agreed that is also a beginning.
            let agreed = &text[..self.matched];
            self.matched -= 1;
            while !agreed.ends_with(&text[..self.matched]) {
                self.matched -= 1;
            }
        }
        self.matched += usize::from(text[self.matched] == byte);
        if self.matched == text.len() {
            return Some(self.with_status(Code::L7Ok));
        }
        if self.left != u32::MAX {
            self.left -= 1;
            if self.left == 0 {
                if !self.chunked {
                    return Some(NOT_FOUND);
                }
                self.place = Place::ChunkEnd;
            }
        }
        None
    }

    const fn with_status(&self, code: Code) -> Verdict {
        Verdict {
            code,
            words: packed!("status"),
            number: self.status as u32,
        }
    }
}

const NOT_FOUND: Verdict = Verdict::new(Code::L7Sts, packed!("the text is not in the body"));
const NO_REPLY: Verdict = Verdict::new(Code::L7Rsp, packed!("no HTTP reply"));
