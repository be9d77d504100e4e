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
        self.write_to(f)
    }
}

impl Packed {
    /// Writes the text, character by character.
    pub fn write_to(self, to: &mut dyn Write) -> fmt::Result {
        self.0.iter().try_for_each(|&code| unpack(to, code))
    }
}

/// Writes what a byte stands for.
fn unpack(to: &mut dyn Write, code: u8) -> fmt::Result {
    match PAIRS.get(usize::from(code).wrapping_sub(FIRST_PAIR)) {
        None => to.write_char(char::from(code)),
        Some(pair) => pair.iter().try_for_each(|&code| unpack(to, code)),
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

pub use crate::packed;

/// The longest text that can be packed, in bytes.
const TEXT_MAX: usize = 1024;

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

/// The byte that stands for the first pair.
const FIRST_PAIR: usize = 0x80;

/// What the bytes from 0x80 on stand for. The pairs were found in the texts of
/// this program, the most frequent one first, each in what the earlier ones had
/// left; tests/pack.rs does it again. Another table changes the size and nothing
/// else.
#[rustfmt::skip]
const PAIRS: [[u8; 2]; 128] = [
    *b"e ", *b"s ", *b"th", *b"t ", *b"er", *b"n ", *b"or", *b"no", *b"\x82\x80", *b" a",
    *b"in", *b"it", *b"i\x81", *b", ", *b"re", *b"on", *b"{0", *b"\x90}", *b"  ", *b"ha",
    *b"d ", *b"a ", *b"\x86 ", *b"` ", *b"me", *b"ro", *b"ec", *b"of", *b"`\x91", *b"\x93\x81",
    *b"\x87 ", *b"ch", *b"\x9b ", *b"\x84 ", *b"y ", *b"il", *b"ad", *b"i\x85", *b"mo", *b"wr",
    *b"to", *b"\x8d\x96", *b"\xa7\x8b", *b"{1", *b"\xab}", *b"v\x80", *b"(E", *b"es", *b"o\x85",
    *b"an", *b"e\x81", *b"un", *b"i\x83", *b"\xaa\x80", *b"wi", *b": ", *b"pa", *b"v\x84",
    *b"l\x8a", *b"\x9c\x97", *b"\x92\x92", *b"ti", *b"st", *b"na", *b"bo", *b"\x87\x83", *b"us",
    *b"le", *b"d\x8e", *b"\xc4s", *b"\x82 ", *b"ne", *b"\x82\x8c", *b" \x9d", *b"\x8ag",
    *b"\xba\x80", *b"a\x85", *b"de", *b"\x89n", *b"\xa6\xad", *b"\x89 ", *b"ri", *b"`\x8d",
    *b"m\x80", *b"gw", *b"\xd4-", *b"ra", *b"si", *b"\xce\x94", *b"s\x9a", *b"l ", *b"\x8e\xcf",
    *b"be", *b"li", *b"\x8f\x80", *b"{2", *b"\xdf}", *b"di", *b"s\x98", *b"k ", *b"em", *b"ou",
    *b"o ", *b"ma", *b"en", *b"\xa4\xc5", *b"co", *b"ot", *b"\xb6\xc6", *b"\x8b\x81", *b"\x88s",
    *b"w\x86", *b"\xbb\x8c", *b"m\x86", *b"ex", *b"f\xa3", *b"ru", *b"\xf4\x85", *b"\x9f\x9a",
    *b"ig", *b"; ", *b"fa", *b"p\xd1", *b"\xb9\xd7", *b"\xbd\xb0", *b"ar", *b"l\x80", *b"\x96`",
];
