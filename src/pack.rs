//! Texts of the program in little more than half of their bytes, as the Linux
//! kernel keeps the names of its symbols: a byte from 0x80 on stands for two
//! others, each of which may stand for two again. [`packed!`](crate::packed)
//! packs while the program is built; whoever shows a [`Packed`] unpacks it byte
//! by byte. ASCII only.

use core::fmt::{self, Write};

/// A text that was packed when the program was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed(pub &'static [u8]);

impl fmt::Display for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.each(&mut |c| f.write_char(c))
    }
}

impl Packed {
    /// Whether there is nothing to show.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The line of this number, from 0, without its end; empty when there is
    /// none. No pair holds an end of line.
    #[inline(never)]
    pub fn line(self, number: usize) -> Packed {
        let mut lines = self.0.split(|&code| code == b'\n');
        Packed(lines.nth(number).unwrap_or_default())
    }

    /// Hands out the text, character by character.
    pub fn each(self, put: &mut dyn FnMut(char) -> fmt::Result) -> fmt::Result {
        self.0.iter().try_for_each(|&code| unpack(put, code))
    }
}

/// Hands out what a byte stands for.
fn unpack(put: &mut dyn FnMut(char) -> fmt::Result, code: u8) -> fmt::Result {
    match PAIRS.get(usize::from(code).wrapping_sub(FIRST_PAIR)) {
        None => put(char::from(code)),
        Some(pair) => pair.iter().try_for_each(|&code| unpack(put, code)),
    }
}

/// Packs a text when the program is built.
#[macro_export]
macro_rules! packed {
    ($text:expr) => {{
        const ROOMY: $crate::pack::Roomy = $crate::pack::pack($text);
        const EXACT: [u8; ROOMY.length] = ROOMY.cut();
        $crate::pack::Packed(&EXACT)
    }};
}

/// Packs some texts as the lines of one, for [`Packed::line`]: a table of single
/// texts would spend 16 bytes on each.
#[macro_export]
macro_rules! packed_lines {
    ($($text:expr),* $(,)?) => {{
        const ROOMY: &[$crate::pack::Roomy] =
            &[$(const { $crate::pack::pack(concat!($text, "\n")) }),*];
        const EXACT: [u8; $crate::pack::total(ROOMY)] = $crate::pack::join(ROOMY);
        $crate::pack::Packed(&EXACT)
    }};
}

pub use crate::{packed, packed_lines};

/// The longest text that can be packed, in bytes.
const TEXT_MAX: usize = 2048;

/// A packed text with room behind it, which only exists while the program is
/// built.
pub struct Roomy {
    bytes: [u8; TEXT_MAX],
    /// Bytes that are used.
    pub length: usize,
}

/// Packs a text: each pair is looked for in the order of [`PAIRS`], so that one
/// made of another finds it.
pub const fn pack(text: &str) -> Roomy {
    assert!(text.is_ascii());
    let mut packed = Roomy {
        bytes: [0; TEXT_MAX],
        length: text.len(),
    };
    let mut at = 0;
    while at < text.len() {
        packed.bytes[at] = text.as_bytes()[at];
        at += 1;
    }
    let mut pair = 0;
    while pair < PAIRS.len() {
        packed.replace(PAIRS[pair], (FIRST_PAIR + pair) as u8);
        pair += 1;
    }
    packed
}

impl Roomy {
    /// Puts `code` in the place of each such pair.
    const fn replace(&mut self, [first, second]: [u8; 2], code: u8) {
        let (mut from, mut to) = (0, 0);
        while from < self.length {
            let is_pair = from + 1 < self.length
                && self.bytes[from] == first
                && self.bytes[from + 1] == second;
            self.bytes[to] = if is_pair { code } else { self.bytes[from] };
            from += 1 + is_pair as usize;
            to += 1;
        }
        self.length = to;
    }

    /// The text without the room; `N` is its length.
    pub const fn cut<const N: usize>(&self) -> [u8; N] {
        let mut exact = [0; N];
        let mut at = 0;
        while at < N {
            exact[at] = self.bytes[at];
            at += 1;
        }
        exact
    }
}

/// The length of some packed texts together.
pub const fn total(texts: &[Roomy]) -> usize {
    let (mut sum, mut at) = (0, 0);
    while at < texts.len() {
        sum += texts[at].length;
        at += 1;
    }
    sum
}

/// Puts some packed texts one behind the other; `N` is their [`total`].
pub const fn join<const N: usize>(texts: &[Roomy]) -> [u8; N] {
    let mut exact = [0; N];
    let (mut to, mut text) = (0, 0);
    while text < texts.len() {
        let mut from = 0;
        while from < texts[text].length {
            exact[to] = texts[text].bytes[from];
            to += 1;
            from += 1;
        }
        text += 1;
    }
    exact
}

/// The byte that stands for the first pair.
const FIRST_PAIR: usize = 0x80;

/// What the bytes from 0x80 on stand for. The pairs were found in the texts of
/// this program, the most frequent one first, each in what the earlier ones had
/// left; tests/pack.rs does it again. Another table changes the size and nothing
/// else. None has an end of line in it, for [`Packed::line`].
#[rustfmt::skip]
const PAIRS: [[u8; 2]; 128] = [
    *b"e ", *b"s ", *b"th", *b"er", *b"t ", *b"n ", *b"or", *b"no", *b" a", *b"\x82\x80",
    *b"re", *b"i\x81", *b"it", *b", ", *b"in", *b"d ", *b"\x86 ", *b"on", *b"{0", *b"\x92}",
    *b"ha", *b"  ", *b"se", *b"\x83 ", *b"of", *b"` ", *b"a ", *b"ad", *b"\x98 ", *b"ro",
    *b"p ", *b"v\x80", *b": ", *b"y ", *b"ch", *b"st", *b"o\x85", *b"\x8d\x90", *b"i\x85",
    *b"me", *b"\x87 ", *b"n\x8f", *b"ma", *b"mo", *b"\x94\x81", *b"wr", *b"`\x93", *b"\x8as",
    *b"v\x83", *b"i\x84", *b"de", *b"un", *b"\xad\x8c", *b"o ", *b"le", *b"d\xaf", *b"wi",
    *b"\xb4\x80", *b"ca", *b"\x82\x8b", *b"l\x8e", *b"{1", *b"\xbd}", *b"\xab\x9f", *b"pa",
    *b"pe", *b"ck", *b"\xb8\x82", *b"\x88\xa9", *b"bo", *b"\x87\x84", *b"\x8a\xbf", *b"ti",
    *b"e\x81", *b"ri", *b"l ", *b"\x8c\x81", *b"\x88 ", *b"si", *b"\xae\x99", *b"ne", *b"= ",
    *b"(E", *b"\x95\x95", *b"\x9b\xb7", *b"ra", *b"\xbc\x80", *b"m ", *b" \xac", *b"`\x8d",
    *b"na", *b"ou", *b"fi", *b"\x8eg", *b"ce", *b"m\x80", *b"be", *b"rr", *b"%\x9e", *b"sa",
    *b"\x91\x80", *b"[v", *b"\xe5\xe1", *b"\x88d", *b"us", *b"\x82a", *b"\xc3 ", *b"ke", *b"lo",
    *b"p\xca", *b"l\x80", *b"to", *b"\x87\xb2", *b"\xa2e", *b"\xf1\xc2", *b"tw", *b"t\x81",
    *b"co", *b"li", *b"\x9du", *b"\x82\x97", *b"di", *b"au", *b"t\xb5", *b"te", *b"su",
    *b"m\x86", *b"\x82\x83",
];
