//! How texts are put together: words and numbers as parts of a line, and the
//! one call that writes a line to the log. And how they are taken apart: at a
//! mark, and as a decimal number.
//!
//! Core shows a `&str` and each integer type with a function of its own, built
//! for every width, fill and sign: five kilobytes, none of which is used here.
//! [`Plain`] and [`Number`] stand in for them wherever a text is made.

use core::fmt::{self, Write};

pub use log::Level;

/// A text as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain<'a>(pub &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A number in decimal, without leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(pub u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_number(f, self.0, 10, 1)
    }
}

/// So many of something, whose plural has an s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_number(f, self.0, 10, 1)?;
        f.write_char(' ')?;
        f.write_str(self.1)?;
        f.write_str(if self.0 == 1 { "" } else { "s" })
    }
}

/// A number in octal, such as the mode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Octal(pub u32);

impl fmt::Display for Octal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_number(f, self.0.into(), 8, 1)
    }
}

/// Writes a number with at least this many digits. The radix is at most 16.
pub fn write_number(to: &mut dyn Write, number: u64, radix: u64, digits: u32) -> fmt::Result {
    if number >= radix || digits > 1 {
        write_number(to, number / radix, radix, digits.saturating_sub(1))?;
    }
    let digit = char::from_digit((number % radix) as u32, radix as u32);
    to.write_char(digit.unwrap_or('?'))
}

/// What stands before and behind the first `mark`, which is ASCII.
#[inline(never)]
pub fn cut(text: &str, mark: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == mark)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The parts of a text between its marks: one more than there are marks.
pub const fn parts(text: &str, mark: u8) -> Parts<'_> {
    let rest = Some(text);
    Parts { rest, mark }
}

/// See [`parts`].
pub struct Parts<'a> {
    rest: Option<&'a str>,
    mark: u8,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    #[inline(never)]
    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.take()?;
        let Some((part, rest)) = cut(text, self.mark) else {
            return Some(text);
        };
        self.rest = Some(rest);
        Some(part)
    }
}

/// The whole text as a number in decimal digits and nothing else.
#[inline(never)]
pub fn decimal(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        let more = number.checked_mul(10)?;
        (digit < 10).then_some(())?;
        more.checked_add(digit.into())
    })
}

/// Writes a line to the log.
// Each use of the facade's macros builds a record with the names of module and
// file, which no line shows: 50 bytes that are here once.
#[cold]
#[inline(never)]
pub fn say(level: Level, line: fmt::Arguments<'_>) {
    log::log!(level, "{line}");
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;

    use super::*;

    #[test]
    fn words_and_numbers_are_shown_as_core_shows_them() {
        assert_eq!(format!("{}", Plain("a {} \u{20ac}")), "a {} \u{20ac}");
        for number in [0, 7, 9, 10, 99, 100, 1_234_567_890, u64::MAX] {
            assert_eq!(format!("{}", Number(number)), format!("{number}"));
        }
    }

    #[test]
    fn taken_apart() {
        assert_eq!(cut("a=b=c", b'='), Some(("a", "b=c")));
        assert_eq!(cut("\u{20ac}:", b':'), Some(("\u{20ac}", "")));
        assert_eq!(cut("a", b'='), None);
        assert!(parts("a::b:", b':').eq(["a", "", "b", ""]));
        for text in [
            "",
            "0",
            "007",
            "12a",
            "-1",
            "+1",
            " 1",
            "4294967295",
            "4294967296",
            "99999999999",
        ] {
            let sign = text.starts_with('+');
            let expected = text.parse().ok().filter(|_| !sign);
            assert_eq!(decimal(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn radix_and_digits() {
        let written = |number, radix, digits| {
            let mut text = String::new();
            write_number(&mut text, number, radix, digits).unwrap();
            text
        };
        assert_eq!(written(0o4755, 8, 4), "4755");
        assert_eq!(written(0x20_abcd, 16, 1), "20abcd");
        assert_eq!(written(7, 10, 3), "007");
        assert_eq!(written(1234, 10, 3), "1234");
    }
}
