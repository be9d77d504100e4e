//! The begin of a TLS handshake (RFC 8446 section 4.1.2): a ClientHello that
//! servers of version 1.2 and 1.3 answer, and whether the answer is one. There
//! is no cryptography: it offers no key, so that a 1.3 server asks for one
//! (HelloRetryRequest), which is a ServerHello too and costs it nothing.
//!
//! An alert is an answer as well: the server speaks TLS and declines this
//! client. Only `internal_error` is its own word that it does not work.

use super::{Code, REQUEST_MAX, Verdict, Writer};
use crate::hello::{ALERT, HANDSHAKE, MAJOR, SERVER_HELLO};
use crate::pack::packed;

/// The whole of it, for no server in particular.
const HELLO: [u8; 153] = [
    22, 3, 1, 0, 0, // record; a length
    1, 0, 0, 0, 3, 3, // ClientHello; a length; version
    // The random bytes: nothing secret hangs on them, they only differ.
    0, 0, 0, 0, 0, 0, 0, 0, 0x73, 0x6d, 0x65, 0x6e, 0x61, 0x2d, 0x63, 0x68, //
    0x65, 0x63, 0x6b, 0x2d, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x2d, 0x73, 0x65, 0x72, 0x76, 0x65, 0x72,
    0, // no session
    // Cipher suites: everything in use with 1.3 and 1.2.
    0, 38, 0x13, 1, 0x13, 2, 0x13, 3, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9,
    0xcc, 0xa8, 0, 0x9e, 0, 0x9f, 0xc0, 9, 0xc0, 0x13, 0xc0, 0x0a, 0xc0, 0x14, 0, 0x9c, 0, 0x9d, 0,
    0x2f, 0, 0x35, //
    1, 0, // no compression
    0, 65, // the length of all extensions
    0, 10, 0, 10, 0, 8, 0, 29, 0, 23, 0, 24, 0, 25, // groups: x25519, P-256, P-384, P-521
    0, 11, 0, 2, 1, 0, // point format
    0, 13, 0, 22, 0, 20, // signature algorithms
    4, 3, 5, 3, 6, 3, 8, 7, 8, 4, 8, 5, 8, 6, 4, 1, 5, 1, 6, 1, //
    0, 43, 0, 5, 4, 3, 4, 3, 3, // versions 1.3 and 1.2
    0, 51, 0, 2, 0, 0, // no key
    0, 23, 0, 0, // extended master secret
];
/// Where in it the random bytes begin.
const RANDOM: usize = 11;
/// Where the length of the extensions stands.
const EXTENSIONS: usize = 86;

/// Writes the ClientHello. A name comes last: server_name (RFC 6066 section 3),
/// where each length is that of what follows it.
pub(super) fn hello(name: &str, token: u64, out: &mut [u8; REQUEST_MAX]) -> usize {
    let mut hello = Writer {
        bytes: out,
        length: 0,
    };
    hello.put(&HELLO);
    if !name.is_empty() {
        let length = name.len() as u16;
        for number in [0, length + 5, length + 3] {
            hello.put(&number.to_be_bytes());
        }
        hello.put(&[0]);
        hello.put(&length.to_be_bytes());
        hello.put(name.as_bytes());
    }
    let length = hello.length;
    for at in [3, 7, EXTENSIONS] {
        hello.length = at;
        hello.put(&((length - at - 2) as u16).to_be_bytes());
    }
    hello.length = RANDOM;
    hello.put(&token.to_be_bytes());
    length
}

/// The first bytes of the answer.
#[derive(Debug)]
pub(super) struct Hello {
    bytes: [u8; 7],
    length: usize,
}

impl Hello {
    pub(super) const NEW: Hello = Hello {
        bytes: [0; 7],
        length: 0,
    };

    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<Verdict> {
        let mut all = Writer {
            bytes: &mut self.bytes,
            length: self.length,
        };
        all.put(bytes);
        self.length = all.length;
        const INTERNAL_ERROR: u8 = 80;
        let [kind, version, _, _, _, first, number] = self.bytes;
        let alert = |code| Verdict {
            code,
            words: packed!("alert"),
            number: number.into(),
        };
        Some(match (kind, self.length) {
            (HANDSHAKE, 6..) if version == MAJOR && first == SERVER_HELLO => {
                Verdict::new(Code::L6Ok, packed!(""))
            }
            (ALERT, 7) if version == MAJOR && number == INTERNAL_ERROR => alert(Code::L6Rsp),
            (ALERT, 7) if version == MAJOR => alert(Code::L6Ok),
            (HANDSHAKE, ..6) | (ALERT, ..7) => return None,
            _ => Verdict::new(Code::L6Rsp, packed!("no TLS answer")),
        })
    }
}
