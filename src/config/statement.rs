//! The first layer of the reader: from bytes to what was said, section by
//! section and entry by entry, each piece still in its place in the file. It
//! knows how a file is written and nothing about what it means.

use nom::bytes::complete::take_till;
use nom::{IResult, Parser};

use super::diagnostic::{BYTE_ORDER_MARK, Template, template};
use super::words::{after_blanks, is_blank, word};

/// The longest line, in bytes without its end.
pub const LINE_MAX: usize = 1024;

/// What one line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statement<'a> {
    /// `[kind name]`; the name is empty where there is none.
    Section {
        header: &'a str,
        kind: &'a str,
        name: &'a str,
    },
    /// `key = value`; neither is empty, and quotes are closed.
    Entry { key: &'a str, value: &'a str },
}

/// The statements of a file, in order. A line that is none is told as a
/// flaw, and reading goes on with the next.
#[derive(Clone, Debug)]
pub(super) struct Statements<'a> {
    rest: &'a [u8],
}

impl<'a> Statements<'a> {
    /// Reads from here on; `text` begins where a line begins.
    pub fn new(text: &'a [u8]) -> Statements<'a> {
        Statements {
            rest: text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text),
        }
    }
}

impl<'a> Iterator for Statements<'a> {
    type Item = Result<Statement<'a>, Flaw<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let mut parts = self.rest.splitn(2, |&byte| byte == b'\n');
            let line = parts.next().unwrap_or_default();
            self.rest = parts.next().unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match text_of(line).and_then(statement) {
                Ok(None) => {}
                Ok(Some(statement)) => return Some(Ok(statement)),
                Err(problem) => return Some(Err(problem)),
            }
        }
        None
    }
}

/// The flaw of a line without `=`.
pub(super) const NO_ENTRY: &Template = template!(
    "neither a section nor `KEY = VALUE`",
    "write so, or begin a comment with `#` or `;`"
);

/// Why a line is no statement. In the template, `{0}` is the place's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flaw<'a> {
    pub at: &'a [u8],
    pub template: &'static Template,
}

impl<'a> Flaw<'a> {
    fn new(at: &'a str, template: &'static Template) -> Flaw<'a> {
        Flaw {
            at: at.as_bytes(),
            template,
        }
    }
}

/// A line as text, if it is one.
fn text_of(line: &[u8]) -> Result<&str, Flaw<'_>> {
    let flaw = |at: Option<_>, template| Flaw {
        at: at.unwrap_or_default(),
        template,
    };
    if line.len() > LINE_MAX {
        return Err(flaw(
            Some(line),
            template!(
                "a line of more than 1024 bytes",
                "shorten it; a long command belongs into a script"
            ),
        ));
    }
    let text = str::from_utf8(line).map_err(|error| {
        let start = error.valid_up_to();
        let end = error.error_len().map_or(line.len(), |len| start + len);
        let template = template!("not UTF-8 text", "save the file as UTF-8");
        flaw(line.get(start..end), template)
    })?;
    let control = |&byte: &u8| byte.is_ascii_control() && byte != b'\t';
    match line.iter().position(control) {
        Some(at) => {
            let template = template!("a control character in the text", "remove it");
            Err(flaw(line.get(at..=at), template))
        }
        None => Ok(text),
    }
}

fn statement(line: &str) -> Result<Option<Statement<'_>>, Flaw<'_>> {
    let text = after_blanks(line).trim_end_matches(is_blank);
    if text.starts_with(['#', ';']) || text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('[') {
        return match section(text) {
            Ok((tail, found)) if nothing_or_comment(tail) => Ok(Some(found)),
            _ => Err(Flaw::new(
                text,
                template!(
                    "this is no section",
                    "a section is written `[kind]` or `[kind name]`"
                ),
            )),
        };
    }
    let Ok((tail, key)) = key(text) else {
        return Err(Flaw::new(text, NO_ENTRY));
    };
    let value = value(tail)?;
    if matches!(value, "" | "\"\"") {
        return Err(Flaw::new(
            key,
            template!(
                "`{0}` has no value",
                "write `{0} = VALUE`, or remove the line for the default"
            ),
        ));
    }
    Ok(Some(Statement::Entry { key, value }))
}

/// What was read and what follows it; the caller knows what to say when it fails.
type Read<'a, T> = IResult<&'a str, T, ()>;

/// `[kind name]`
fn section(input: &str) -> Read<'_, Statement<'_>> {
    let (tail, _) = mark('[', input)?;
    let (tail, kind) = part(tail, &['[', ']'])?;
    let (tail, name) = part(tail, &['[', ']'])?;
    let (tail, _) = mark(']', tail)?;
    let header = input.strip_suffix(tail).unwrap_or_default();
    match kind {
        "" => Err(nom::Err::Error(())),
        _ => Ok((tail, Statement::Section { header, kind, name })),
    }
}

/// `key =`; leaves the value and what follows it.
fn key(input: &str) -> Read<'_, &str> {
    let (tail, key) = part(input, &['='])?;
    let (tail, _) = mark('=', tail)?;
    match key {
        "" => Err(nom::Err::Error(())),
        _ => Ok((tail, key)),
    }
}

/// The text up to the next blank or end, perhaps none. Blanks may precede it.
fn part<'a>(input: &'a str, ends: &[char]) -> Read<'a, &'a str> {
    take_till(|c| is_blank(c) || ends.contains(&c)).parse(after_blanks(input))
}

/// A mark; blanks may precede it.
fn mark<'a>(mark: char, input: &'a str) -> Read<'a, char> {
    match after_blanks(input).strip_prefix(mark) {
        Some(tail) => Ok((tail, mark)),
        None => Err(nom::Err::Error(())),
    }
}

/// A value: the words up to a comment or the end of the line.
fn value(input: &str) -> Result<&str, Flaw<'_>> {
    let mut tail = input;
    while !nothing_or_comment(tail) {
        let trimmed = after_blanks(tail);
        let Some((_, after)) = word(trimmed) else {
            return Err(Flaw::new(
                trimmed,
                template!(
                    "a quote is not closed",
                    "close it, or write `\\\"` for the character itself"
                ),
            ));
        };
        tail = after;
    }
    let value = input.strip_suffix(tail).unwrap_or_default();
    Ok(after_blanks(value))
}

/// A comment begins after a blank only.
fn nothing_or_comment(tail: &str) -> bool {
    let trimmed = after_blanks(tail);
    trimmed.is_empty() || trimmed.len() < tail.len() && trimmed.starts_with(['#', ';'])
}

/// Finds the value of a key where it stands: its `nth` one, from 0, in the
/// first section of this kind and name. The section's header when it is not
/// there, or when the key is empty.
pub(super) fn find<'a>(text: &'a [u8], kind: &str, name: &str, key: &str, nth: usize) -> &'a str {
    let mut section = None;
    let mut left = nth;
    for statement in Statements::new(text) {
        match statement {
            Ok(Statement::Section { .. }) if section.is_some() => break,
            Ok(Statement::Section {
                header,
                kind: k,
                name: n,
            }) if k == kind && n == name => section = Some(header),
            Ok(Statement::Entry { key: k, value }) if section.is_some() && k == key => {
                match left.checked_sub(1) {
                    Some(fewer) => left = fewer,
                    None => return value,
                }
            }
            _ => {}
        }
    }
    section.unwrap_or_default()
}

impl super::Router<'_> {
    /// Where one of its addresses stands, advertised or not.
    pub(super) fn line_of<'t>(&self, text: &'t [u8], index: usize) -> &'t str {
        let excluded = self.addresses[index].excluded;
        let key = match excluded {
            true => "excluded_address",
            false => "address",
        };
        let before = self.addresses.iter().take(index);
        let nth = before.filter(|address| address.excluded == excluded);
        find(text, "vrrp", self.name, key, nth.count())
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let text = b"\xef\xbb\xbf; first\r\n[ node ]\r\n\tname=gw-a;b # end\r\n\r\n\
            [vrrp VI_01] ; one\n a = \"x ; y\" z ;\n=\nb = c";
        let read: Vec<_> = Statements::new(text).map(Result::ok).collect();
        let section = |header, kind, name| Some(Statement::Section { header, kind, name });
        let entry = |key, value| Some(Statement::Entry { key, value });
        let expected = [
            section("[ node ]", "node", ""),
            entry("name", "gw-a;b"),
            section("[vrrp VI_01]", "vrrp", "VI_01"),
            entry("a", "\"x ; y\" z"),
            None,
            entry("b", "c"),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn a_value_is_found_again_where_it_stands() {
        let text = b"[vrrp a]\nx = 1\n[vrrp b]\nx = 2\nx = 3\n[check b]\nx = 4\ny = 5\n";
        assert_eq!(find(text, "vrrp", "b", "x", 0), "2");
        assert_eq!(find(text, "vrrp", "b", "x", 1), "3");
        assert_eq!(find(text, "check", "b", "x", 0), "4");
        // What is not there is looked for in its section.
        assert_eq!(find(text, "vrrp", "b", "y", 0), "[vrrp b]");
        assert_eq!(find(text, "vrrp", "b", "x", 2), "[vrrp b]");
        assert_eq!(find(text, "vrrp", "c", "x", 0), "");
    }
}
