//! The session id in the hello of a TLS handshake (RFC 5246 section 7.4.1,
//! RFC 8446 section 4.1), read from the first bytes of a stream that somebody
//! else will take: nothing is consumed, nothing is kept, nothing is decrypted.
//!
//! ```text
//!   record: 22, 3, x, length | a piece of the handshake | next record ...
//!   handshake: 1 or 2, length | version | 32 random bytes | length | session id
//! ```
//!
//! A handshake may be cut into records of any size, down to a byte each, and
//! even then what is asked for stands in the first [`HELLO_MAX`] bytes: more
//! need not be waited for. No length is believed before it was compared with
//! what it can be at all.

/// The record type of a handshake.
pub const HANDSHAKE: u8 = 22;
/// The record type of an alert.
pub const ALERT: u8 = 21;
/// The handshake type of the server's answer, a HelloRetryRequest included.
pub const SERVER_HELLO: u8 = 2;
/// The handshake type of the client's first message.
pub const CLIENT_HELLO: u8 = 1;
/// The first byte of the version, from SSL 3.0 to TLS 1.3.
pub const MAJOR: u8 = 3;

/// The longest session id.
pub const ID_MAX: usize = 32;
/// The most bytes that have to be seen: one record for each byte of the
/// handshake up to the id's end.
pub const HELLO_MAX: usize = READ_MAX * (RECORD + 1);

/// Type, version and length of a record.
const RECORD: usize = 5;
/// The most that a record may hold, encrypted ones of version 1.2 included.
const RECORD_MAX: usize = (1 << 14) + 2048;
/// Where in a handshake the length of the session id stands: behind type,
/// length, version and random bytes.
const ID_AT: usize = 4 + 2 + 32;
/// Of a handshake, as much as is read.
const READ_MAX: usize = ID_AT + 1 + ID_MAX;

/// What the first bytes of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello {
    /// The begin of a hello, too short to tell.
    NeedMore,
    /// Something else, whatever follows.
    NotTls,
    /// A hello with this id.
    Id(SessionId),
}

/// A session id with zeros behind it. An empty one names no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId {
    /// The id.
    pub bytes: [u8; ID_MAX],
    /// How long it is.
    pub length: u8,
}

/// Reads a hello, [`CLIENT_HELLO`] or [`SERVER_HELLO`], from all bytes of a
/// stream that are there so far.
pub fn read(kind: u8, mut stream: &[u8]) -> Hello {
    let mut handshake = [0; READ_MAX];
    let mut length = 0;
    loop {
        let read = understand(kind, &handshake, length);
        if read != Hello::NeedMore {
            return read;
        }
        let (head, rest) = stream.split_at(stream.len().min(RECORD));
        // Each byte is judged when it is there: who speaks another protocol
        // may never send five.
        let wrong = |at: usize, right: u8| head.get(at).is_some_and(|&byte| byte != right);
        if wrong(0, HANDSHAKE) || wrong(1, MAJOR) {
            return Hello::NotTls;
        }
        let &[_, _, _, high, low] = head else {
            return Hello::NeedMore;
        };
        let record = usize::from(u16::from_be_bytes([high, low]));
        if !(1..=RECORD_MAX).contains(&record) {
            return Hello::NotTls;
        }
        let (piece, rest) = rest.split_at(rest.len().min(record));
        for (to, from) in handshake.iter_mut().skip(length).zip(piece) {
            *to = *from;
            length += 1;
        }
        stream = rest;
    }
}

/// The handshake, of which `length` bytes are there.
fn understand(kind: u8, handshake: &[u8; READ_MAX], length: usize) -> Hello {
    if length > 0 && handshake[0] != kind {
        return Hello::NotTls;
    }
    if length <= ID_AT {
        return Hello::NeedMore;
    }
    let id = usize::from(handshake[ID_AT]);
    let said = u32::from_be_bytes([0, handshake[1], handshake[2], handshake[3]]);
    if id > ID_MAX || handshake[4] != MAJOR || (said as usize) < ID_AT - 4 + 1 + id {
        return Hello::NotTls;
    }
    let end = ID_AT + 1 + id;
    if length < end {
        return Hello::NeedMore;
    }
    let mut bytes = [0; ID_MAX];
    for (to, from) in bytes.iter_mut().zip(&handshake[ID_AT + 1..end]) {
        *to = *from;
    }
    Hello::Id(SessionId {
        bytes,
        length: id as u8,
    })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// A hello as stacks send it: 100 bytes follow the id.
    fn handshake(kind: u8, id: &[u8]) -> Vec<u8> {
        let mut body = std::vec![3, 3];
        body.extend([7; 32]);
        body.push(id.len() as u8);
        body.extend(id);
        body.extend([9; 100]);
        let mut handshake = std::vec![kind, 0, 0, body.len() as u8];
        handshake.extend(body);
        handshake
    }

    fn records(handshake: &[u8], size: usize) -> Vec<u8> {
        let mut stream = Vec::new();
        for piece in handshake.chunks(size) {
            stream.extend([22, 3, 1, 0, piece.len() as u8]);
            stream.extend(piece);
        }
        stream
    }

    fn id(bytes: &[u8]) -> Hello {
        let mut id = [0; ID_MAX];
        id[..bytes.len()].copy_from_slice(bytes);
        Hello::Id(SessionId {
            bytes: id,
            length: bytes.len() as u8,
        })
    }

    const LONG: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";

    /// Where HAProxy's `payload_lv(43,1)` finds it.
    #[test]
    fn the_id_stands_at_byte_44() {
        let stream = records(&handshake(CLIENT_HELLO, &LONG), 250);
        assert_eq!(stream[43], 32);
        assert_eq!(stream[44..76], LONG);
        assert_eq!(read(CLIENT_HELLO, &stream), id(&LONG));
        let stream = records(&handshake(SERVER_HELLO, &LONG[..7]), 250);
        assert_eq!(read(SERVER_HELLO, &stream), id(&LONG[..7]));
    }

    #[test]
    fn an_empty_id_is_one_too() {
        let stream = records(&handshake(CLIENT_HELLO, &[]), 250);
        assert_eq!(read(CLIENT_HELLO, &stream), id(&[]));
    }

    /// Every prefix of every way to cut a hello into records either needs more
    /// or has the id, and `HELLO_MAX` bytes are always enough.
    #[test]
    fn any_cut_and_any_prefix() {
        for length in [0, 1, 31, 32] {
            let handshake = handshake(CLIENT_HELLO, &LONG[..length]);
            for size in 1..=handshake.len() {
                let stream = records(&handshake, size);
                let mut read_at = None;
                for end in 0..=stream.len() {
                    let found = read(CLIENT_HELLO, &stream[..end]);
                    if found == Hello::NeedMore {
                        assert_eq!(read_at, None);
                        continue;
                    }
                    assert_eq!(found, id(&LONG[..length]));
                    read_at = read_at.or(Some(end));
                }
                let read_at = read_at.expect("the whole was there");
                assert!(read_at <= HELLO_MAX);
                assert_eq!(length == 32 && size == 1, read_at == HELLO_MAX);
            }
        }
    }

    #[test]
    fn what_else_clients_say() {
        let others: [&[u8]; 8] = [
            b"GET / HTTP/1.1\r\n",
            b"S",
            b"\x80\x2e\x01\x03\x01",         // an SSL 2.0 hello
            b"\x16\x02",                     // no version 3
            b"\x16\x03\x01\x00\x00",         // a record of nothing
            b"\x16\x03\x01\x48\x01",         // a record that is too long
            b"\x15\x03\x03\x00\x02\x02\x28", // an alert
            b"\x16\x03\x03\x00\x30\x02",     // the other side's hello
        ];
        for other in others {
            assert_eq!(read(CLIENT_HELLO, other), Hello::NotTls, "{other:?}");
        }
    }

    #[test]
    fn lengths_that_cannot_be() {
        let good = records(&handshake(CLIENT_HELLO, &LONG), 250);
        let with = |at: usize, byte| {
            let mut stream = good.clone();
            stream[at] = byte;
            read(CLIENT_HELLO, &stream)
        };
        assert_eq!(with(43, 33), Hello::NotTls, "an id of 33 bytes");
        assert_eq!(with(8, 66), Hello::NotTls, "the handshake ends in the id");
        assert_eq!(with(8, 67), id(&LONG), "and behind it");
        assert_eq!(with(9, 2), Hello::NotTls, "its version");
    }

    /// Noise and mutations: no panic, and never an id longer than it may be.
    #[test]
    fn random_bytes() {
        let good = records(&handshake(CLIENT_HELLO, &LONG), 20);
        let mut seed: u64 = 1;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 16) as usize
        };
        let (mut ids, mut others) = (0, 0);
        for _ in 0..200_000 {
            let mut stream = good.clone();
            for _ in 0..next() % 4 {
                let at = next() % stream.len();
                stream[at] = next() as u8;
            }
            stream.truncate(next() % (stream.len() + 1));
            match read(CLIENT_HELLO, &stream) {
                Hello::Id(id) => {
                    let length = usize::from(id.length);
                    assert!(id.bytes[length..].iter().all(|&byte| byte == 0));
                    ids += 1;
                }
                Hello::NotTls => others += 1,
                Hello::NeedMore => {}
            }
        }
        assert!(ids > 10_000 && others > 10_000, "{ids} {others}");
    }
}
