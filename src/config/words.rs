//! A value as words: parted by blanks, with quotes and two escapes.
//!
//! `"` may open and close anywhere; inside and outside of quotes `\"` is a
//! quote and `\\` a backslash, and any other backslash stands for itself.
//! Nothing is copied until somebody asks for it.

use core::fmt::{self, Write};

/// The words of a value, still as written. The reader closes every quote; a word
/// whose quote is open ends the words before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words<'a>(pub &'a str);

impl<'a> Words<'a> {
    /// The whole value as written.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// Each word in turn.
    pub fn iter(&self) -> Iter<'a> {
        Iter(self.0)
    }

    /// What a shell gets for it: the text as written, since the shell has
    /// quotes of its own, unless all of it is one word in quotes.
    pub fn command_line(&self) -> Word<'a> {
        let mut words = self.iter();
        match (words.next(), words.next()) {
            (Some(word), None) => word,
            _ => Word {
                text: self.0,
                as_written: true,
            },
        }
    }
}

impl<'a> IntoIterator for Words<'a> {
    type Item = Word<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Goes through the words of a value.
#[derive(Clone, Debug)]
pub struct Iter<'a>(&'a str);

impl<'a> Iter<'a> {
    /// What is still to come, as written.
    pub(super) fn rest(&self) -> &'a str {
        after_blanks(self.0)
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let (text, rest) = word(after_blanks(self.0))?;
        self.0 = rest;
        (!text.is_empty()).then_some(Word {
            text,
            as_written: false,
        })
    }
}

/// One word. [`fmt::Display`] writes what it means: without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    text: &'a str,
    as_written: bool,
}

impl<'a> Word<'a> {
    /// The word as written, with its quotes.
    pub const fn as_written(&self) -> &'a str {
        self.text
    }

    /// The characters it means.
    pub fn chars(&self) -> impl Iterator<Item = char> + use<'a> {
        let mut rest = self.text.chars();
        let as_written = self.as_written;
        core::iter::from_fn(move || {
            loop {
                return match rest.next()? {
                    character if as_written => Some(character),
                    '"' => continue,
                    '\\' if rest.as_str().starts_with(['"', '\\']) => rest.next(),
                    character => Some(character),
                };
            }
        })
    }

    /// Copies what it means; returns its length in bytes, `None` when the
    /// buffer is too small.
    pub fn copy_to(&self, buffer: &mut [u8]) -> Option<usize> {
        let mut length = 0;
        for character in self.chars() {
            let room = buffer.get_mut(length..)?;
            let room = room.get_mut(..character.len_utf8())?;
            length += character.encode_utf8(room).len();
        }
        Some(length)
    }
}

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars()
            .try_for_each(|character| f.write_char(character))
    }
}

/// What parts words.
pub(super) const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// The text from its first byte that is no blank.
#[inline(never)]
pub(super) fn after_blanks(input: &str) -> &str {
    input.trim_start_matches(is_blank)
}

/// Splits the text at the first blank outside quotes; `None` when a quote is
/// not closed.
pub(super) fn word(input: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    let end = input.bytes().position(|byte| {
        let special = matches!(byte, b'"' | b'\\') && !escaped;
        escaped = special && byte == b'\\';
        quoted ^= special && byte == b'"';
        !quoted && is_blank(byte.into())
    });
    let parts = end.and_then(|end| input.split_at_checked(end));
    (!quoted).then(|| parts.unwrap_or((input, "")))
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    fn words(value: &str) -> Vec<String> {
        Words(value).iter().map(|word| word.to_string()).collect()
    }

    #[test]
    fn quotes_open_anywhere_and_keep_blanks() {
        assert_eq!(words("a  b\tc"), ["a", "b", "c"]);
        assert_eq!(words(r#""a b" c" d"e"#), ["a b", "c de"]);
        assert_eq!(words(r#"a "" b"#), ["a", "", "b"]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn two_escapes_and_no_more() {
        assert_eq!(words(r#"\" "\"" "#), ["\"", "\""]);
        assert_eq!(words(r"a\\b \\"), [r"a\b", r"\"]);
        assert_eq!(words(r#""\\" x"#), [r"\", "x"]);
        assert_eq!(words(r"\d+ \ b"), [r"\d+", r"\", "b"]);
    }

    #[test]
    fn a_shell_gets_the_text_as_written_or_one_word_of_it() {
        let line = |value| Words(value).command_line().to_string();
        assert_eq!(line(r#"a "b c" && d"#), r#"a "b c" && d"#);
        assert_eq!(line(r#""a && \"b c\"""#), r#"a && "b c""#);
    }

    #[test]
    fn a_copy_fits_or_is_none() {
        let word = Words(r#""a \"é""#).iter().next().unwrap();
        let mut buffer = [0; 5];
        assert_eq!(word.copy_to(&mut buffer), Some(5));
        assert_eq!(&buffer, "a \"é".as_bytes());
        assert_eq!(word.copy_to(&mut buffer[..4]), None);
        assert_eq!(word.copy_to(&mut []), None);
    }

    #[test]
    fn an_open_quote_ends_the_words() {
        assert_eq!(words(r#"a "b c"#), ["a"]);
    }
}
