//! Showing text that may hold anything: control bytes, bytes that are no
//! UTF-8, lines of 100 KB. Every character takes a known number of cells, so
//! that carets stand under what they mean.

use core::fmt::{self, Write};

/// How many cells of a long line are shown.
const CELLS_MAX: usize = 100;

/// How many cells are shown before a place far to the right.
const BEFORE_MAX: usize = 20;

/// One character, or one byte that is none.
#[derive(Clone, Copy)]
enum Unit {
    Shown(char),
    Escaped(u8),
}

impl Unit {
    fn cells(self) -> usize {
        match self {
            Unit::Shown(_) => 1,
            Unit::Escaped(_) => 4,
        }
    }

    fn write(self, f: &mut dyn Write) -> fmt::Result {
        match self {
            Unit::Shown(character) => f.write_char(character),
            Unit::Escaped(byte) => {
                f.write_str("\\x")?;
                for digit in [byte >> 4, byte & 15] {
                    f.write_char(char::from_digit(digit.into(), 16).unwrap_or('?'))?;
                }
                Ok(())
            }
        }
    }
}

/// The characters of some bytes; a tab is shown as one blank.
struct Units<'a>(&'a [u8]);

impl Iterator for Units<'_> {
    type Item = Unit;

    #[inline(never)]
    fn next(&mut self) -> Option<Unit> {
        let &first = self.0.first()?;
        // The shortest beginning that is UTF-8 is one character.
        let mut heads = (1..=4).filter_map(|length| self.0.split_at_checked(length));
        let valid = heads.find_map(|(head, rest)| Some((str::from_utf8(head).ok()?, rest)));
        let (character, rest) = match valid {
            Some((head, rest)) => (head.chars().next(), rest),
            None => (None, self.0.split_at(1).1),
        };
        self.0 = rest;
        Some(match character {
            None => Unit::Escaped(first),
            Some('\t') => Unit::Shown(' '),
            // Every control character is below U+00A0.
            Some(character) if character.is_control() => Unit::Escaped(character as u8),
            Some(character) => Unit::Shown(character),
        })
    }
}

/// How many characters, or bytes that are none, there are.
pub(super) fn characters(bytes: &[u8]) -> usize {
    Units(bytes).count()
}

/// How many cells they take.
#[inline(never)]
fn cells(units: Units<'_>) -> usize {
    units.map(Unit::cells).sum()
}

/// Writes a piece of a file inside a message: escaped, and not too much of it.
pub(super) fn write_text(f: &mut dyn Write, text: &[u8]) -> fmt::Result {
    for (index, unit) in Units(text).enumerate() {
        if index == 64 {
            return f.write_str("...");
        }
        unit.write(f)?;
    }
    Ok(())
}

/// The part of a line around a place, and where the carets go.
pub(super) struct Excerpt<'a> {
    line: &'a [u8],
    /// The first unit that is shown.
    first: usize,
    /// Cells before the carets.
    pub indent: usize,
    /// At least 1.
    pub carets: usize,
}

impl<'a> Excerpt<'a> {
    /// `at` and `len` are the place, in bytes of the line.
    pub fn new(line: &'a [u8], at: usize, len: usize) -> Excerpt<'a> {
        let (before, after) = line.split_at_checked(at).unwrap_or((line, &[]));
        let place = after.get(..len).unwrap_or(after);
        let width = cells(Units(place));
        let mut first = 0;
        let mut indent = cells(Units(before));
        if indent + width.min(BEFORE_MAX) > CELLS_MAX {
            first = characters(before).saturating_sub(BEFORE_MAX);
            let mut shown = Units(before);
            for _ in 0..first {
                shown.next();
            }
            // The mark for what was left out takes three cells.
            indent = 3 + cells(shown);
        }
        let carets = width.clamp(1, (CELLS_MAX + 3).saturating_sub(indent).max(1));
        Excerpt {
            line,
            first,
            indent,
            carets,
        }
    }
}

/// How much of a line may be shown: a key is a secret behind its id, and a
/// service's messages end in a log.
fn shown(line: &[u8]) -> usize {
    let blank = |byte: &u8| b" \t\"".contains(byte);
    if !line.trim_ascii_start().starts_with(b"auth_h") {
        return usize::MAX;
    }
    let value = line.iter().position(|&byte| byte == b'=').map(|at| at + 1);
    let (before, value) = line.split_at(value.unwrap_or(line.len()));
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(0);
    let (_, value) = value.split_at(start);
    let digits = value.iter().position(|byte| !byte.is_ascii_digit());
    let id = match digits {
        Some(digits @ ..=3) if value.get(digits) == Some(&b':') => digits + 1,
        _ => 0,
    };
    characters(before) + start + id
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = CELLS_MAX;
        if self.first > 0 {
            f.write_str("...")?;
        }
        let shown = shown(self.line);
        for (place, mut unit) in Units(self.line).enumerate().skip(self.first) {
            if place >= shown {
                unit = Unit::Shown('*');
            }
            match room.checked_sub(unit.cells()) {
                Some(rest) => room = rest,
                None => return f.write_str("..."),
            }
            unit.write(f)?;
        }
        Ok(())
    }
}
