//! One question to a server, and what its answer means: what is sent once the
//! connection stands, and a verdict from the bytes that come back.
//!
//! ```text
//!   connected --> send(ask) --> bytes --> Exchange::on_bytes --> Verdict
//!        |                        ^  |
//!        +--> on_connected        +--+  until it is enough, ends, or time is over
//! ```
//!
//! It knows no socket, no clock, no check and no router: whoever asks, a check
//! of a node or of a server behind a service, drives it alike. What a server
//! sends is read within fixed bounds and never trusted.

mod http;
mod ping;
mod tls;
#[cfg(test)]
mod trace;

use core::fmt;
use core::net::SocketAddr;

use crate::config::Http;
use crate::pack::{Packed, packed};
use crate::say::Number;

/// Room for the longest thing that is sent.
pub const REQUEST_MAX: usize = 2048;
/// The longest text that is looked for in a reply, in bytes.
pub use crate::config::BODY_MAX;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Ask<'a> {
    /// Nothing: that the connection stands is the answer.
    Tcp,
    /// A page, of the server at this address.
    Http(&'a Http<'a>, SocketAddr),
    /// The begin of a TLS handshake, for the server of this name, or none.
    Tls(&'a str),
    /// An ICMP echo, over IPv6 or not. The bytes are whole packets: with the IP
    /// header in IPv4, without in IPv6, as raw sockets have them.
    Ping {
        /// ICMPv6.
        v6: bool,
        /// What tells this echo from all others.
        id: u16,
    },
}

/// How it went, in the words of HAProxy's checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Connected, or an echo came back.
    L4Ok,
    /// No connection.
    L4Con,
    /// No connection, or no echo, in time.
    L4Tout,
    /// A TLS server answered.
    L6Ok,
    /// Something else did.
    L6Rsp,
    /// Nobody did in time.
    L6Tout,
    /// The reply is as it should be.
    L7Ok,
    /// The reply has another status, or not the text in it.
    L7Sts,
    /// There is no valid reply.
    L7Rsp,
    /// It was not complete in time.
    L7Tout,
}

impl Code {
    /// As HAProxy writes it.
    pub fn name(self) -> &'static str {
        static NAMES: [&str; 10] = [
            "L4OK", "L4CON", "L4TOUT", "L6OK", "L6RSP", "L6TOUT", "L7OK", "L7STS", "L7RSP",
            "L7TOUT",
        ];
        NAMES[self as usize]
    }
}

/// What came of an exchange. Shown as its code, a few words and a number, such
/// as `L7OK status 200`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// In HAProxy's words.
    pub code: Code,
    /// In ours; may be empty.
    pub words: Packed,
    /// The status or the alert that the words are about; 0 = none.
    pub number: u32,
}

impl Verdict {
    const fn new(code: Code, words: Packed) -> Verdict {
        Verdict {
            code,
            words,
            number: 0,
        }
    }

    /// Whether the server is as it should be.
    pub const fn is_good(&self) -> bool {
        matches!(self.code, Code::L4Ok | Code::L6Ok | Code::L7Ok)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.name())?;
        if self.words != packed!("") {
            write!(f, " {}", self.words)?;
        }
        if self.number != 0 {
            write!(f, " {}", Number(self.number.into()))?;
        }
        Ok(())
    }
}

/// Where an exchange is. It begins without a connection.
#[derive(Debug)]
pub struct Exchange {
    connected: bool,
    reply: http::Reply,
    hello: tls::Hello,
}

impl Exchange {
    /// Nothing has happened.
    pub const fn begin() -> Exchange {
        Exchange {
            connected: false,
            reply: http::Reply::NEW,
            hello: tls::Hello::NEW,
        }
    }

    /// The connection stands: writes what is to be sent and says how long it
    /// is, or a verdict if that was all. `token` makes it unlike others.
    pub fn on_connected(
        &mut self,
        ask: &Ask<'_>,
        token: u64,
        out: &mut [u8; REQUEST_MAX],
    ) -> Result<usize, Verdict> {
        self.connected = true;
        match *ask {
            Ask::Tcp => Err(Verdict::new(Code::L4Ok, packed!(""))),
            Ask::Http(page, server) => Ok(http::request(page, server, out)),
            Ask::Tls(name) => Ok(tls::hello(name, token, out)),
            Ask::Ping { v6, id } => Ok(ping::request(v6, id, token, out)),
        }
    }

    /// Bytes came; none of them comes again. A verdict ends the exchange.
    #[inline(never)]
    pub fn on_bytes(&mut self, ask: &Ask<'_>, token: u64, bytes: &[u8]) -> Option<Verdict> {
        match *ask {
            Ask::Tcp => None,
            Ask::Http(page, _) => self.reply.take(page, bytes),
            Ask::Tls(_) => self.hello.take(bytes),
            Ask::Ping { v6, id } => ping::is_reply(v6, id, token, bytes)
                .then_some(Verdict::new(Code::L4Ok, packed!(""))),
        }
    }

    /// The server has said all it will; `words` says why when it was cut off.
    pub fn on_end(&self, ask: &Ask<'_>, words: Packed) -> Verdict {
        let silent = words == packed!("");
        let (code, words) = match ask {
            Ask::Http(..) if self.connected && silent => return self.reply.ended(),
            Ask::Http(..) if self.connected => (Code::L7Rsp, words),
            Ask::Tls(_) if self.connected && silent => {
                (Code::L6Rsp, packed!("closed without an answer"))
            }
            Ask::Tls(_) if self.connected => (Code::L6Rsp, words),
            _ => (Code::L4Con, words),
        };
        Verdict::new(code, words)
    }

    /// The connection stood at some time.
    pub const fn connected(&self) -> bool {
        self.connected
    }

    /// Time is over.
    pub const fn on_time(&self, ask: &Ask<'_>) -> Verdict {
        let code = match ask {
            Ask::Http(..) if self.connected => Code::L7Tout,
            Ask::Tls(_) if self.connected => Code::L6Tout,
            _ => Code::L4Tout,
        };
        Verdict::new(code, packed!(""))
    }
}

/// The number that a file holds: digits with or without a sign, and blanks or
/// line ends around them; what is too large for the type is its end. 32 bytes
/// may have been cut, so they are none.
pub fn number(bytes: &[u8]) -> Option<i32> {
    let text = bytes.trim_ascii();
    let negative = text.starts_with(b"-");
    let signed = negative || text.starts_with(b"+");
    let text = text.get(usize::from(signed)..)?;
    let (number, length) = digits(text, 10);
    let number = number.min(i32::MAX as u32) as i32;
    let all = length > 0 && length == text.len() && bytes.len() < 32;
    all.then_some(if negative { -number } else { number })
}

/// The digits that a text begins with, as a number, and how many they are. What
/// is too large for the type is its end.
#[inline(never)]
fn digits(text: &[u8], radix: u32) -> (u32, usize) {
    let mut number = 0_u32;
    for (at, &byte) in text.iter().enumerate() {
        let Some(digit) = char::from(byte).to_digit(radix) else {
            return (number, at);
        };
        number = number.saturating_mul(radix).saturating_add(digit);
    }
    (number, text.len())
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

/// Fills memory from its beginning; what does not fit is cut.
struct Writer<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl Writer<'_> {
    #[inline(never)]
    fn put(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
            self.length += 1;
        }
    }
}
