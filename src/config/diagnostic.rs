//! What is wrong with a file, and how it is shown: message, place, the line,
//! carets and a hint, as compilers do it.
//!
//! A piece of text knows where it is, because it borrows from the file: line
//! and column are found from its address when a diagnostic is shown, and kept
//! nowhere. Nothing here writes anywhere; the caller's `report` does.

use core::fmt::{self, Write};

use heapless::Vec;

use super::excerpt;
use super::statement::Flaw;
use crate::Duration;
use crate::pack::Packed;
use crate::say::{Number, Plain, write_number};

/// The most diagnostics of one file that are shown; further ones are counted.
pub const DIAGNOSTICS_MAX: usize = 32;

/// A file that was read: its name, its bytes, and who else can read it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The name as the user knows it.
    pub file: &'a str,
    /// Every byte of it.
    pub text: &'a [u8],
    /// Users other than its owner and group can read it (mode & 0o004).
    pub others_can_read: bool,
}

impl<'a> Source<'a> {
    /// Where a piece of the text begins, in bytes from the start. A piece of
    /// something else counts as the beginning.
    pub(super) fn offset(&self, piece: &[u8]) -> usize {
        let offset = (piece.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        if offset <= self.text.len() { offset } else { 0 }
    }

    /// The line number of a piece, from 1.
    pub(super) fn line(&self, piece: &[u8]) -> u32 {
        let (before, _) = self.text.split_at(self.offset(piece));
        1 + before.iter().filter(|&&byte| byte == b'\n').count() as u32
    }

    /// The line that a piece begins in, without its end and without a byte
    /// order mark, and where in it the piece begins.
    fn line_around(&self, piece: &[u8]) -> (&'a [u8], usize) {
        let at = self.offset(piece);
        let (before, after) = self.text.split_at(at);
        let start = match before.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => end + 1,
            None if self.text.starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len(),
            None => 0,
        };
        let rest = after.iter().position(|&byte| byte == b'\n');
        let end = at + rest.unwrap_or(after.len());
        let line = self.text.get(start..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (line, at.saturating_sub(start))
    }
}

/// What some editors put before UTF-8 text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a file can be used in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but hardly does what was meant.
    Warning,
    /// It can, but perhaps not on this machine.
    Note,
}

/// What goes into the gaps of a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Argument<'a> {
    /// Text of the file or of the program; control characters are escaped.
    Text(&'a str),
    /// A sentence of the program, whole; it has nothing to escape.
    Sentence(&'a str),
    /// A number.
    Number(i64),
    /// A duration, in the largest unit that needs no fraction.
    Time(Duration),
    /// A text of the program.
    Fixed(Packed),
    /// Some words to choose from.
    OneOf(&'static [&'static str]),
}

/// The most arguments of one problem.
pub(super) const ARGUMENTS_MAX: usize = 3;

/// The message, and in a second line the hint that stands behind the carets,
/// with a blank before it. `{0}` in them stands for the first argument, and so
/// on.
pub(super) type Template = Packed;

/// A [`Template`]; an empty hint says nothing.
macro_rules! template {
    ($message:literal, "") => {
        &$crate::pack::packed!($message)
    };
    ($message:literal, $hint:literal) => {
        &$crate::pack::packed!(concat!($message, "\n ", $hint))
    };
}
pub(super) use template;

/// Something wrong at a piece of text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem<'a> {
    at: &'a [u8],
    template: Template,
    arguments: [Argument<'a>; ARGUMENTS_MAX],
}

impl<'a> Problem<'a> {
    /// Arguments beyond [`ARGUMENTS_MAX`] are dropped.
    pub fn new(at: &'a [u8], template: &Template, arguments: &[Argument<'a>]) -> Problem<'a> {
        let mut all = [Argument::Text(""); ARGUMENTS_MAX];
        for (slot, argument) in all.iter_mut().zip(arguments) {
            *slot = *argument;
        }
        Problem {
            at,
            template: *template,
            arguments: all,
        }
    }
}

/// A problem was told, so there is no value.
#[derive(Debug)]
pub(super) struct Told;

/// One message about a file. Its [`fmt::Display`] is several whole lines, in
/// the shape of a compiler's messages, ready to be written to standard error.
#[derive(Clone, Copy, Debug)]
pub struct Diagnostic<'a> {
    /// Whether the file can be used in spite of it.
    pub severity: Severity,
    /// `None` when it is about no place in particular.
    source: Option<Source<'a>>,
    problem: Problem<'a>,
}

impl<'a> Diagnostic<'a> {
    pub(super) fn new(severity: Severity, source: Source<'a>, problem: Problem<'a>) -> Self {
        Diagnostic {
            severity,
            source: Some(source),
            problem,
        }
    }

    /// Line and column of the place, each from 1; the column counts characters.
    pub fn place(&self) -> Option<(u32, u32)> {
        let source = self.source?;
        let (line, at) = source.line_around(self.problem.at);
        let column = excerpt::characters(line.get(..at).unwrap_or_default());
        Some((source.line(self.problem.at), 1 + column as u32))
    }

    /// Writes a line of the template with its arguments in the gaps.
    fn fill(&self, line: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut in_gap = false;
        self.problem.template.line(line).each(&mut |c| match c {
            '{' | '}' => {
                in_gap = c == '{';
                Ok(())
            }
            _ if !in_gap => f.write_char(c),
            _ => {
                let index = c.to_digit(10).unwrap_or(u32::MAX);
                match self.problem.arguments.get(index as usize) {
                    Some(argument) => argument.show(f),
                    None => f.write_char('?'),
                }
            }
        })
    }
}

impl fmt::Display for Diagnostic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.severity {
            Severity::Error => "error: ",
            Severity::Warning => "warning: ",
            Severity::Note => "note: ",
        })?;
        self.fill(0, f)?;
        f.write_char('\n')?;
        let (Some(source), Some((number, column))) = (&self.source, self.place()) else {
            return Ok(());
        };
        let (file, digits) = (Plain(source.file), number.checked_ilog10().unwrap_or(0));
        let (number, column) = (Number(number.into()), Number(column.into()));
        writeln!(f, "  --> {file}:{number}:{column}")?;
        let (line, at) = source.line_around(self.problem.at);
        let excerpt = excerpt::Excerpt::new(line, at, self.problem.at.len());
        let margin = 2 + digits as usize;
        writeln!(f, " {number} | {excerpt}")?;
        repeat(f, ' ', margin)?;
        f.write_str(" | ")?;
        repeat(f, ' ', excerpt.indent)?;
        repeat(f, '^', excerpt.carets)?;
        self.fill(1, f)?;
        f.write_char('\n')
    }
}

fn repeat(f: &mut fmt::Formatter<'_>, what: char, times: usize) -> fmt::Result {
    (0..times).try_for_each(|_| f.write_char(what))
}

impl Argument<'_> {
    fn show(&self, f: &mut dyn Write) -> fmt::Result {
        match *self {
            Argument::Text(text) => excerpt::write_text(f, text.as_bytes()),
            Argument::Sentence(text) => f.write_str(text),
            Argument::Number(number) => {
                f.write_str(if number < 0 { "-" } else { "" })?;
                write_number(f, number.unsigned_abs(), 10, 1)
            }
            Argument::Time(time) => write_time(f, time),
            Argument::Fixed(text) => text.each(&mut |c| f.write_char(c)),
            Argument::OneOf(words) => {
                for (index, word) in words.iter().enumerate() {
                    let joint = match words.len() - index {
                        _ if index == 0 => "",
                        1 => " or ",
                        _ => ", ",
                    };
                    write!(f, "{}`{}`", Plain(joint), Plain(word))?;
                }
                Ok(())
            }
        }
    }
}

/// Writes a duration as it may stand in the file: `40.95s`, `10ms`, `5m`.
pub fn write_time(f: &mut dyn Write, time: Duration) -> fmt::Result {
    let micros = time.total_micros();
    let (unit, name) = match micros {
        0 => (1_000_000, "s"),
        _ if micros.is_multiple_of(3_600_000_000) => (3_600_000_000, "h"),
        _ if micros.is_multiple_of(60_000_000) => (60_000_000, "m"),
        1_000_000.. => (1_000_000, "s"),
        _ => (1_000, "ms"),
    };
    write_number(f, micros / unit, 10, 1)?;
    let (mut fraction, mut unit) = (micros % unit, unit);
    if fraction > 0 {
        f.write_char('.')?;
    }
    while fraction > 0 {
        unit /= 10;
        write_number(f, fraction / unit, 10, 1)?;
        fraction %= unit;
    }
    f.write_str(name)
}

/// The problems of one file, kept in the order of the file.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    shown: Vec<(Severity, Problem<'a>), DIAGNOSTICS_MAX>,
    errors: u32,
    warnings: u32,
    notes: u32,
}

impl<'a> Findings<'a> {
    pub const fn new() -> Self {
        Findings {
            shown: Vec::new(),
            errors: 0,
            warnings: 0,
            notes: 0,
        }
    }

    /// Notes an error.
    // Called from everywhere and in no hurry, so it is small where it is called.
    #[inline(never)]
    pub fn error(&mut self, at: &'a str, template: &Template, arguments: &[Argument<'a>]) -> Told {
        self.add(Severity::Error, at.as_bytes(), template, arguments);
        Told
    }

    /// Notes a warning.
    #[inline(never)]
    pub fn warning(&mut self, at: &'a str, template: &Template, arguments: &[Argument<'a>]) {
        self.add(Severity::Warning, at.as_bytes(), template, arguments);
    }

    /// Notes a line that is no statement.
    pub fn flaw(&mut self, flaw: &Flaw<'a>) {
        let text = str::from_utf8(flaw.at).unwrap_or_default();
        let arguments = [Argument::Text(text)];
        self.add(Severity::Error, flaw.at, flaw.template, &arguments);
    }

    /// Where there is no room, the last ones in the file are counted only.
    fn add(
        &mut self,
        severity: Severity,
        at: &'a [u8],
        template: &Template,
        arguments: &[Argument<'a>],
    ) {
        let problem = Problem::new(at, template, arguments);
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Note => self.notes += 1,
        }
        let behind = |(_, other): &&(Severity, Problem<'a>)| other.at.as_ptr() > at.as_ptr();
        let index = self.shown.len() - self.shown.iter().rev().take_while(behind).count();
        if self.shown.is_full() {
            if index >= self.shown.len() {
                return;
            }
            self.shown.pop();
        }
        // There is room now, so this cannot fail.
        let _ = self.shown.insert(index, (severity, problem));
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Tells everything, and what was left out.
    pub fn tell(
        &self,
        source: &Source<'a>,
        report: &mut dyn FnMut(&Diagnostic<'_>),
    ) -> super::Outcome {
        for (severity, problem) in &self.shown {
            report(&Diagnostic::new(*severity, *source, *problem));
        }
        let mut rest = [self.errors, self.warnings, self.notes];
        for (severity, _) in &self.shown {
            rest[*severity as usize] -= 1;
        }
        for (count, severity, template) in [
            (
                rest[0],
                Severity::Error,
                template!("{0} more errors in `{1}`", ""),
            ),
            (
                rest[1],
                Severity::Warning,
                template!("{0} more warnings in `{1}`", ""),
            ),
        ] {
            if count > 0 {
                let arguments = [Argument::Number(count.into()), Argument::Text(source.file)];
                report(&Diagnostic {
                    severity,
                    source: None,
                    problem: Problem::new(b"", template, &arguments),
                });
            }
        }
        super::Outcome {
            errors: self.errors,
            warnings: self.warnings,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    const TEXT: Source<'_> = Source {
        file: "f",
        text: b"abc",
        others_can_read: false,
    };

    fn filled(argument: Argument<'_>) -> String {
        let problem = Problem::new(b"", template!("{0}", ""), &[argument]);
        let text = Diagnostic::new(Severity::Error, TEXT, problem).to_string();
        let (first, _) = text.split_once('\n').unwrap();
        first.strip_prefix("error: ").unwrap().to_string()
    }

    #[test]
    fn durations_are_shown_as_they_may_be_written() {
        for (micros, shown) in [
            (0, "0s"),
            (500, "0.5ms"),
            (10_000, "10ms"),
            (1_000_000, "1s"),
            (1_050_000, "1.05s"),
            (40_950_000, "40.95s"),
            (60_000_000, "1m"),
            (90_000_000, "90s"),
            (86_400_000_000, "24h"),
        ] {
            assert_eq!(filled(Argument::Time(Duration::from_micros(micros))), shown);
        }
    }

    #[test]
    fn choices_and_long_or_strange_texts() {
        assert_eq!(filled(Argument::OneOf(&["a", "b", "c"])), "`a`, `b` or `c`");
        assert_eq!(filled(Argument::Text("a\x1bb")), "a\\x1bb");
        let long = "x".repeat(100);
        assert_eq!(filled(Argument::Text(&long)).len(), 64 + 3);
    }

    #[test]
    fn problems_are_told_in_the_order_of_the_file() {
        let text: String = "a\n".repeat(DIAGNOSTICS_MAX + 8);
        let source = Source {
            text: text.as_bytes(),
            ..TEXT
        };
        let mut findings = Findings::new();
        // From the end to the start, so that the last ones make room.
        for line in text.split_inclusive('\n').rev() {
            findings.error(line, template!("", ""), &[]);
        }
        let mut lines = Vec::new();
        findings.tell(&source, &mut |diagnostic| lines.push(diagnostic.place()));
        assert_eq!(lines.pop(), Some(None), "the number of the others");
        let expected = (1..=DIAGNOSTICS_MAX as u32).map(|line| Some((line, 1)));
        assert!(lines.into_iter().eq(expected));
    }
}
