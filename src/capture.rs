//! Capture files, as tcpdump and Wireshark write them: the classic format in
//! both byte orders, with micro- and nanoseconds, and the next-generation one.
//! A file is read piece by piece through a function of the caller's, one frame
//! at a time. What is in a frame is somebody else's matter.
//!
//! ```text
//!  classic: header, then (16 bytes, frame) ...
//!  next generation: blocks (type, length, body, length): a section begins with
//!  its byte order, describes its interfaces, and has frames that name them
//! ```

use heapless::Vec;

use crate::protocol::Family;

/// The most bytes of a frame that are kept; an advert is far below.
pub const FRAME_MAX: usize = 65_536;

/// Interfaces of one section.
const INTERFACES_MAX: usize = 64;
/// A frame that claims to be longer is none: tcpdump's own limit.
const LENGTH_MAX: u32 = 262_144;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const PACKET: u32 = 6;

/// Puts the next bytes of the file into a buffer: how many, 0 at its end;
/// `None`: it cannot be read.
pub type Input<'i> = dyn FnMut(&mut [u8]) -> Option<usize> + 'i;

/// Why a file ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It cannot be read.
    Unreadable,
    /// It is no capture file.
    Foreign,
    /// It ends in the middle of something.
    Cut,
    /// Frames of this kind are not read: neither Ethernet nor raw IP.
    LinkType(u32),
    /// A length or a number in it contradicts another.
    Wrong,
    /// More interfaces than there is room for.
    Interfaces,
}

/// What a frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Ethernet,
    Ip,
}

/// One frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'b> {
    /// Nanoseconds since 1970.
    pub at: u64,
    link: Link,
    bytes: &'b [u8],
}

impl<'b> Frame<'b> {
    /// The IP packet in it, from its header on, behind any VLAN tags.
    pub fn packet(&self) -> Option<(Family, &'b [u8])> {
        let mut packet = self.bytes;
        let kind = match self.link {
            Link::Ip => match packet.first()? >> 4 {
                4 => 0x0800,
                6 => 0x86dd,
                _ => return None,
            },
            Link::Ethernet => {
                packet = packet.get(12..)?;
                loop {
                    let (kind, rest) = packet.split_first_chunk::<2>()?;
                    packet = rest;
                    match u16::from_be_bytes(*kind) {
                        0x8100 | 0x88a8 | 0x9100 => packet = packet.get(2..)?,
                        kind => break kind,
                    }
                }
            }
        };
        match kind {
            0x0800 => Some((Family::Ipv4, packet)),
            0x86dd => Some((Family::Ipv6, packet)),
            _ => None,
        }
    }
}

/// A file that is being read.
pub struct Capture<'i> {
    input: &'i mut Input<'i>,
    buffer: &'i mut [u8; FRAME_MAX],
    little: bool,
    format: Format,
    /// Those of the section; the only one of a classic file.
    interfaces: Vec<Interface, INTERFACES_MAX>,
    /// The time of the frame before, for those that have none.
    at: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Classic,
    Blocks,
}

#[derive(Clone, Copy)]
struct Interface {
    link: Link,
    snap: u32,
    /// `if_tsresol`: a power of ten, or of two with the highest bit.
    resolution: u8,
    /// `if_tsoffset`, in seconds.
    offset: i64,
}

impl<'i> Capture<'i> {
    /// Reads the beginning of a file.
    ///
    /// # Errors
    /// It is no capture file, or none of this kind.
    #[inline(never)]
    pub fn open(
        input: &'i mut Input<'i>,
        buffer: &'i mut [u8; FRAME_MAX],
    ) -> Result<Capture<'i>, Broken> {
        let mut capture = Capture {
            input,
            buffer,
            little: true,
            format: Format::Blocks,
            interfaces: Vec::new(),
            at: 0,
        };
        let mut magic = [0; 4];
        match capture.read(&mut magic) {
            Ok(true) => {}
            Ok(false) | Err(Broken::Cut) => return Err(Broken::Foreign),
            Err(broken) => return Err(broken),
        }
        let [big, little] = [u32::from_be_bytes(magic), u32::from_le_bytes(magic)];
        let resolution = match (big, little) {
            (SECTION, _) => {
                capture.begin_section()?;
                return Ok(capture);
            }
            (0xa1b2_c3d4, _) | (_, 0xa1b2_c3d4) => 6,
            (0xa1b2_3c4d, _) | (_, 0xa1b2_3c4d) => 9,
            _ => return Err(Broken::Foreign),
        };
        capture.format = Format::Classic;
        capture.little = little & 0xffff_0000 == 0xa1b2_0000;
        capture.skip(16)?;
        // What is above says how many bytes of checksum end a frame.
        let link = capture.number()? & 0xffff;
        capture.add_interface(link, 0)?;
        capture.interfaces[0].resolution = resolution;
        Ok(capture)
    }

    /// The next frame; `None` at the end of the file.
    ///
    /// # Errors
    /// What comes is broken. Nothing can be read behind it.
    // It lends its buffer, which an iterator cannot.
    #[allow(clippy::should_implement_trait)]
    #[inline(never)]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, Broken> {
        let found = match self.format {
            Format::Classic => self.next_record()?,
            Format::Blocks => self.next_block()?,
        };
        Ok(found.map(|(link, length)| Frame {
            at: self.at,
            link,
            bytes: self.buffer.get(..length).unwrap_or_default(),
        }))
    }

    fn next_record(&mut self) -> Result<Option<(Link, usize)>, Broken> {
        let mut first = [0; 4];
        if !self.read(&mut first)? {
            return Ok(None);
        }
        let seconds = self.ordered(first);
        let [fraction, length, _] = [self.number()?, self.number()?, self.number()?];
        let interface = self.interfaces[0];
        let unit = if interface.resolution == 6 { 1_000 } else { 1 };
        self.at = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * unit;
        if length > LENGTH_MAX {
            return Err(Broken::Wrong);
        }
        let kept = self.take_frame(length)?;
        Ok(Some((interface.link, kept)))
    }

    #[inline(never)]
    fn next_block(&mut self) -> Result<Option<(Link, usize)>, Broken> {
        loop {
            let mut kind = [0; 4];
            if !self.read(&mut kind)? {
                return Ok(None);
            }
            if u32::from_be_bytes(kind) == SECTION {
                self.begin_section()?;
                continue;
            }
            let kind = self.ordered(kind);
            let length = self.number()?;
            let body = length.checked_sub(12).ok_or(Broken::Wrong)?;
            if !body.is_multiple_of(4) {
                return Err(Broken::Wrong);
            }
            let frame = match kind {
                INTERFACE => {
                    self.describe_interface(body)?;
                    None
                }
                PACKET | OLD_PACKET => Some(self.take_packet(kind, body)?),
                SIMPLE_PACKET => Some(self.take_simple(body)?),
                _ => {
                    self.skip(body)?;
                    None
                }
            };
            if self.number()? != length {
                return Err(Broken::Wrong);
            }
            if frame.is_some() {
                return Ok(frame);
            }
        }
    }

    /// Behind the type of a section header.
    fn begin_section(&mut self) -> Result<(), Broken> {
        let mut length = [0; 4];
        let mut magic = [0; 4];
        self.need(&mut length)?;
        self.need(&mut magic)?;
        self.little = match u32::from_be_bytes(magic) {
            0x1a2b_3c4d => false,
            0x4d3c_2b1a => true,
            _ => return Err(Broken::Foreign),
        };
        self.interfaces.clear();
        let length = self.ordered(length);
        // Versions, the section's length, and options follow.
        if length < 28 || !length.is_multiple_of(4) {
            return Err(Broken::Wrong);
        }
        self.skip(length - 16)?;
        match self.number()? == length {
            true => Ok(()),
            false => Err(Broken::Wrong),
        }
    }

    #[inline(never)]
    fn describe_interface(&mut self, body: u32) -> Result<(), Broken> {
        let mut rest = body.checked_sub(8).ok_or(Broken::Wrong)?;
        let (link, _) = self.halves()?;
        let snap = self.number()?;
        self.add_interface(link.into(), snap)?;
        while rest >= 4 {
            let (code, length) = self.halves()?;
            let padded = u32::from(length).next_multiple_of(4);
            rest = rest.checked_sub(4 + padded).ok_or(Broken::Wrong)?;
            let mut value = [0; 8];
            let kept = value.get_mut(..padded.min(8) as usize).unwrap_or_default();
            self.need(kept)?;
            self.skip(padded.saturating_sub(8))?;
            let last = self.interfaces.last_mut().ok_or(Broken::Wrong)?;
            match (code, length) {
                (0, _) => break,
                (9, 1) => last.resolution = value[0],
                (14, 8) if self.little => last.offset = i64::from_le_bytes(value),
                (14, 8) => last.offset = i64::from_be_bytes(value),
                _ => {}
            }
        }
        self.skip(rest)
    }

    fn add_interface(&mut self, link: u32, snap: u32) -> Result<(), Broken> {
        let interface = Interface {
            link: match link {
                1 => Link::Ethernet,
                // LINKTYPE_RAW, what BSDs write for it, and one family only.
                101 | 12 | 14 | 228 | 229 => Link::Ip,
                other => return Err(Broken::LinkType(other)),
            },
            snap,
            resolution: 6,
            offset: 0,
        };
        self.interfaces
            .push(interface)
            .map_err(|_| Broken::Interfaces)
    }

    /// An enhanced packet block, or the obsolete one, whose interface has 16 bits.
    #[inline(never)]
    fn take_packet(&mut self, kind: u32, body: u32) -> Result<(Link, usize), Broken> {
        let rest = body.checked_sub(20).ok_or(Broken::Wrong)?;
        let place = match kind {
            PACKET => self.number()?,
            _ => self.halves()?.0.into(),
        };
        let [high, low] = [self.number()?, self.number()?];
        let [length, _] = [self.number()?, self.number()?];
        let interface = self.interfaces.get(place as usize).ok_or(Broken::Wrong)?;
        let interface = *interface;
        self.at = nanoseconds(u64::from(high) << 32 | u64::from(low), &interface);
        // The frame, what fills it up, and options.
        let behind = rest.checked_sub(length).ok_or(Broken::Wrong)?;
        let kept = self.take_frame(length)?;
        self.skip(behind)?;
        Ok((interface.link, kept))
    }

    /// A frame of the first interface without a time of its own.
    fn take_simple(&mut self, body: u32) -> Result<(Link, usize), Broken> {
        let rest = body.checked_sub(4).ok_or(Broken::Wrong)?;
        let original = self.number()?;
        let interface = *self.interfaces.first().ok_or(Broken::Wrong)?;
        let snap = match interface.snap {
            0 => u32::MAX,
            snap => snap,
        };
        let length = original.min(snap).min(rest);
        let kept = self.take_frame(length)?;
        self.skip(rest - length)?;
        Ok((interface.link, kept))
    }

    /// Reads a frame into the buffer, as much of it as there is room for.
    fn take_frame(&mut self, length: u32) -> Result<usize, Broken> {
        let kept = (length as usize).min(FRAME_MAX);
        let buffer = self.buffer.get_mut(..kept).unwrap_or_default();
        fill(self.input, buffer)?;
        self.skip(length - kept as u32)?;
        Ok(kept)
    }

    fn skip(&mut self, mut length: u32) -> Result<(), Broken> {
        while length > 0 {
            let mut nothing = [0; 64];
            let now = length.min(64);
            self.need(nothing.get_mut(..now as usize).unwrap_or_default())?;
            length -= now;
        }
        Ok(())
    }

    /// Two 16-bit numbers.
    fn halves(&mut self) -> Result<(u16, u16), Broken> {
        let mut bytes = [0; 4];
        self.need(&mut bytes)?;
        let [a, b, c, d] = bytes;
        Ok(match self.little {
            true => (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])),
            false => (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
        })
    }

    fn number(&mut self) -> Result<u32, Broken> {
        let mut bytes = [0; 4];
        self.need(&mut bytes)?;
        Ok(self.ordered(bytes))
    }

    fn ordered(&self, bytes: [u8; 4]) -> u32 {
        match self.little {
            true => u32::from_le_bytes(bytes),
            false => u32::from_be_bytes(bytes),
        }
    }

    fn need(&mut self, bytes: &mut [u8]) -> Result<(), Broken> {
        fill(self.input, bytes)
    }

    /// False when the file ends before the first byte.
    fn read(&mut self, bytes: &mut [u8]) -> Result<bool, Broken> {
        let (first, rest) = bytes.split_at_mut(1);
        match (self.input)(first) {
            None => Err(Broken::Unreadable),
            Some(0) => Ok(false),
            Some(_) => fill(self.input, rest).map(|()| true),
        }
    }
}

fn fill(input: &mut Input<'_>, mut bytes: &mut [u8]) -> Result<(), Broken> {
    while !bytes.is_empty() {
        match input(bytes) {
            None => return Err(Broken::Unreadable),
            Some(0) => return Err(Broken::Cut),
            Some(length) => bytes = bytes.split_at_mut(length).1,
        }
    }
    Ok(())
}

/// A time in the interface's units as nanoseconds since 1970.
fn nanoseconds(units: u64, interface: &Interface) -> u64 {
    let exponent = u32::from(interface.resolution & 0x7f);
    let nanoseconds = if interface.resolution & 0x80 == 0 {
        match exponent {
            0..=9 => units.saturating_mul(10_u64.pow(9 - exponent)),
            10..=28 => units / 10_u64.pow(exponent - 9),
            _ => 0,
        }
    } else {
        let seconds = units.checked_shr(exponent).unwrap_or(0);
        // The fraction in 2^-32 s, so that its product has room.
        let fraction = match exponent {
            0 => 0,
            1..=63 => units << (64 - exponent) >> 32,
            _ => units.checked_shr(exponent - 32).unwrap_or(0),
        };
        let fraction = (fraction * 1_000_000_000) >> 32;
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(fraction)
    };
    nanoseconds.saturating_add_signed(interface.offset.saturating_mul(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::vec::Vec;

    use super::*;

    /// Time, family and length of the packet of a frame.
    type Seen = (u64, Option<(Family, usize)>);

    /// Everything in a file, read `chunk` bytes at a time, and how it ended.
    fn read(file: &[u8], chunk: usize) -> (Vec<Seen>, Option<Broken>) {
        let mut rest = file;
        let mut input = |buffer: &mut [u8]| {
            let length = buffer.len().min(chunk).min(rest.len());
            let (now, later) = rest.split_at(length);
            buffer[..length].copy_from_slice(now);
            rest = later;
            Some(length)
        };
        let mut buffer = Box::new([0; FRAME_MAX]);
        let mut frames = Vec::new();
        let mut capture = match Capture::open(&mut input, &mut buffer) {
            Ok(capture) => capture,
            Err(broken) => return (frames, Some(broken)),
        };
        loop {
            match capture.next() {
                Ok(Some(frame)) => {
                    let packet = frame
                        .packet()
                        .map(|(family, packet)| (family, packet.len()));
                    frames.push((frame.at, packet));
                }
                Ok(None) => return (frames, None),
                Err(broken) => return (frames, Some(broken)),
            }
        }
    }

    /// Writes numbers of 16 and 32 bits in one byte order.
    struct Writer(Vec<u8>, bool);

    impl Writer {
        fn u16(&mut self, n: u16) {
            let bytes = if self.1 {
                n.to_le_bytes()
            } else {
                n.to_be_bytes()
            };
            self.0.extend(bytes);
        }

        fn u32(&mut self, n: u32) {
            let bytes = if self.1 {
                n.to_le_bytes()
            } else {
                n.to_be_bytes()
            };
            self.0.extend(bytes);
        }

        fn u32s(&mut self, numbers: &[u32]) {
            numbers.iter().for_each(|n| self.u32(*n));
        }

        fn block(&mut self, kind: u32, body: impl FnOnce(&mut Writer)) {
            let mut inner = Writer(Vec::new(), self.1);
            body(&mut inner);
            while !inner.0.len().is_multiple_of(4) {
                inner.0.push(0);
            }
            let length = inner.0.len() as u32 + 12;
            self.u32(kind);
            self.u32(length);
            self.0.extend(inner.0);
            self.u32(length);
        }

        fn section(&mut self) {
            self.block(SECTION, |w| {
                w.u32(0x1a2b_3c4d);
                w.u16(1);
                w.u16(0);
                w.u32(u32::MAX);
                w.u32(u32::MAX);
            });
        }

        fn interface(&mut self, link: u16, options: &[(u16, &[u8])]) {
            self.block(INTERFACE, |w| {
                w.u16(link);
                w.u16(0);
                w.u32(0);
                for (code, value) in options {
                    w.u16(*code);
                    w.u16(value.len() as u16);
                    w.0.extend(*value);
                    while !w.0.len().is_multiple_of(4) {
                        w.0.push(0);
                    }
                }
                if !options.is_empty() {
                    w.u32(0);
                }
            });
        }

        fn packet(&mut self, interface: u32, time: u64, frame: &[u8]) {
            self.block(PACKET, |w| {
                w.u32(interface);
                w.u32((time >> 32) as u32);
                w.u32(time as u32);
                w.u32(frame.len() as u32);
                w.u32(frame.len() as u32);
                w.0.extend(frame);
            });
        }
    }

    const ETHERNET: [u8; 36] = {
        let mut frame = [0; 36];
        frame[12] = 8;
        frame[14] = 0x45;
        frame
    };
    const V4: Option<(Family, usize)> = Some((Family::Ipv4, 22));

    fn classic(magic: u32, little: bool, link: u32) -> Writer {
        let mut w = Writer(Vec::new(), little);
        w.u32(magic);
        w.u16(2);
        w.u16(4);
        w.u32s(&[0, 0, 65_535, link]);
        w
    }

    fn record(w: &mut Writer, seconds: u32, fraction: u32, frame: &[u8]) {
        let length = frame.len() as u32;
        w.u32s(&[seconds, fraction, length, length]);
        w.0.extend(frame);
    }

    #[test]
    fn classic_files_in_both_orders_and_resolutions() {
        for little in [true, false] {
            for (magic, fraction) in [(0xa1b2_c3d4, 1_500), (0xa1b2_3c4d, 1_500_000)] {
                let mut w = classic(magic, little, 1);
                record(&mut w, 7, fraction, &ETHERNET);
                record(&mut w, 8, 0, &ETHERNET[..14]);
                record(&mut w, 8, 0, &[]);
                let expected = [
                    (7_001_500_000, V4),
                    (8_000_000_000, Some((Family::Ipv4, 0))),
                    (8_000_000_000, None),
                ];
                for chunk in [1, 7, 4096] {
                    assert_eq!(read(&w.0, chunk), (expected.to_vec(), None));
                }
            }
        }
        let mut w = classic(0xa1b2_c3d4, true, 101);
        record(&mut w, 1, 0, &[0x45; 20]);
        record(&mut w, 1, 0, &[0x60; 40]);
        record(&mut w, 1, 0, &[0x10; 40]);
        let packets: Vec<_> = read(&w.0, 64).0.iter().map(|(_, packet)| *packet).collect();
        let expected = [Some((Family::Ipv4, 20)), Some((Family::Ipv6, 40)), None];
        assert_eq!(packets, expected);
    }

    #[test]
    fn vlan_tags_are_passed() {
        for tags in [&[0x81, 0, 0, 5][..], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6]] {
            let frame = [&ETHERNET[..12], tags, &ETHERNET[12..]].concat();
            let mut w = classic(0xa1b2_c3d4, true, 1);
            record(&mut w, 1, 0, &frame);
            record(&mut w, 1, 0, &frame[..15]);
            assert_eq!(
                read(&w.0, 64).0,
                [(1_000_000_000, V4), (1_000_000_000, None)]
            );
        }
    }

    #[test]
    fn blocks_sections_and_interfaces() {
        let mut w = Writer(Vec::new(), true);
        w.section();
        w.interface(1, &[]);
        w.interface(101, &[(2, b"eth0"), (9, &[9]), (14, &10_i64.to_le_bytes())]);
        w.block(0xbad, |w| w.u32(1));
        w.packet(0, 1_500_000, &ETHERNET);
        w.packet(1, 1_500_000_007, &[0x45; 20]);
        w.block(SIMPLE_PACKET, |w| {
            w.u32(36);
            w.0.extend(ETHERNET);
        });
        w.block(OLD_PACKET, |w| {
            w.u16(1);
            w.u16(3);
            w.u32s(&[0, 5, 20, 20]);
            w.0.extend([0x45; 20]);
        });
        // A section of the other byte order begins anew.
        w.1 = false;
        w.section();
        w.interface(228, &[(9, &[0x80 | 10])]);
        w.packet(0, 3 << 10 | 0x200, &[0x45; 20]);
        let raw = Some((Family::Ipv4, 20));
        let expected = [
            (1_500_000_000, V4),
            (11_500_000_007, raw),
            (11_500_000_007, V4),
            (10_000_000_005, raw),
            (3_500_000_000, raw),
        ];
        for chunk in [1, 13, 4096] {
            assert_eq!(read(&w.0, chunk), (expected.to_vec(), None));
        }
    }

    #[test]
    fn resolutions() {
        let at = |units, resolution| {
            let interface = Interface {
                link: Link::Ip,
                snap: 0,
                resolution,
                offset: 0,
            };
            nanoseconds(units, &interface)
        };
        for (units, resolution, expected) in [
            (5, 0, 5_000_000_000),
            (5, 3, 5_000_000),
            (5_000, 12, 5),
            (5, 40, 0),
            (3, 0x81, 1_500_000_000),
            (3 << 31, 0xa0, 1_500_000_000),
            (3 << 39, 0x80 | 40, 1_500_000_000),
            (1 << 63, 0x80 | 63, 1_000_000_000),
            (1 << 63, 0x80 | 64, 500_000_000),
            (7, 0x80, 7_000_000_000),
            (u64::MAX, 0xff, 0),
            (u64::MAX, 0, u64::MAX),
        ] {
            assert_eq!(at(units, resolution), expected, "{units} {resolution:x}");
        }
    }

    #[test]
    fn what_is_wrong_ends_it_after_what_could_be_read() {
        let one = [(1_000_000_000, V4)];
        let mut w = classic(0xa1b2_c3d4, true, 1);
        record(&mut w, 1, 0, &ETHERNET);
        let whole = w.0.len();
        record(&mut w, 2, 0, &ETHERNET);
        for length in whole + 1..w.0.len() {
            assert_eq!(read(&w.0[..length], 64), (one.to_vec(), Some(Broken::Cut)));
        }
        for length in 0..24 {
            let expected = if length < 4 {
                Broken::Foreign
            } else {
                Broken::Cut
            };
            assert_eq!(read(&w.0[..length], 64), (Vec::new(), Some(expected)));
        }
        w.0[whole + 10] = 0xff;
        assert_eq!(read(&w.0, 64), (one.to_vec(), Some(Broken::Wrong)));
        let alone = |file: &[u8]| read(file, 64).1;
        assert_eq!(alone(b"not a capture file"), Some(Broken::Foreign));
        let w = classic(0xa1b2_c3d4, true, 113);
        assert_eq!(alone(&w.0), Some(Broken::LinkType(113)));

        let blocks = |more: &dyn Fn(&mut Writer)| {
            let mut w = Writer(Vec::new(), true);
            w.section();
            more(&mut w);
            alone(&w.0)
        };
        let wifi = |w: &mut Writer| w.interface(105, &[]);
        assert_eq!(blocks(&wifi), Some(Broken::LinkType(105)));
        let unknown = |w: &mut Writer| w.packet(0, 0, &ETHERNET);
        assert_eq!(blocks(&unknown), Some(Broken::Wrong));
        let many = |w: &mut Writer| (0..65).for_each(|_| w.interface(1, &[]));
        assert_eq!(blocks(&many), Some(Broken::Interfaces));
        for (length, expected) in [
            (0, Broken::Wrong),
            (11, Broken::Wrong),
            (13, Broken::Wrong),
            (0x8000_0000, Broken::Cut),
        ] {
            assert_eq!(blocks(&|w| w.u32s(&[0xbad, length])), Some(expected));
        }
        // The second length contradicts the first.
        let two = |w: &mut Writer| {
            w.interface(1, &[]);
            let last = w.0.len() - 4;
            w.0[last] += 4;
        };
        assert_eq!(blocks(&two), Some(Broken::Wrong));
    }

    /// A frame larger than the buffer is cut, and the next one follows.
    #[test]
    fn a_long_frame_is_cut() {
        let long = [&ETHERNET[..], &std::vec![0; 70_000]].concat();
        let mut w = classic(0xa1b2_c3d4, true, 1);
        record(&mut w, 1, 0, &long);
        record(&mut w, 1, 0, &ETHERNET);
        let (frames, broken) = read(&w.0, 4096);
        assert_eq!(broken, None);
        assert_eq!(frames[0].1, Some((Family::Ipv4, FRAME_MAX - 14)));
        assert_eq!(frames[1].1, V4);
    }

    /// Whatever the bytes, it ends, and without a panic.
    #[test]
    fn noise() {
        let mut w = Writer(Vec::new(), true);
        w.section();
        w.interface(1, &[(9, &[6])]);
        w.packet(0, 1, &ETHERNET);
        w.packet(0, 2, &ETHERNET);
        let mut seed = 1u32;
        for _ in 0..20_000 {
            let mut file = w.0.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (seed >> 8) as usize;
                let length = file.len();
                file[at % length] = (seed >> 24) as u8;
            }
            let (frames, _) = read(&file, 64);
            assert!(frames.len() <= 2);
        }
    }
}
