//! Short texts in fixed memory: what does not fit is cut, never an error.

use core::ffi::CStr;
use core::fmt;

use smena::say::{Plain, write_number};

/// A text of at most `N` bytes.
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
    cut: bool,
}

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const fn new() -> Text<N> {
        Text {
            bytes: [0; N],
            length: 0,
            cut: false,
        }
    }

    /// A text made from anything that can be written.
    pub fn of(arguments: fmt::Arguments<'_>) -> Text<N> {
        let mut text = Text::new();
        (text.length, text.cut) = fill(&mut text.bytes, arguments);
        text
    }

    /// A copy of another text.
    pub fn copy_of(text: &str) -> Text<N> {
        Text::of(format_args!("{}", Plain(text)))
    }

    /// What was written and fitted.
    pub fn as_str(&self) -> &str {
        written(&self.bytes, self.length)
    }

    /// The text as a C string; `None` when there is no room for its closing
    /// zero, when it was cut, or when it holds a zero.
    pub fn as_c_str(&mut self) -> Option<&CStr> {
        if self.cut {
            return None;
        }
        close(&mut self.bytes, self.length)
    }
}

/// Closes a text with a zero.
#[inline(never)]
fn close(bytes: &mut [u8], length: usize) -> Option<&CStr> {
    *bytes.get_mut(length)? = 0;
    CStr::from_bytes_with_nul(bytes.get(..=length)?).ok()
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut writer = Writer {
            bytes: &mut self.bytes,
            length: self.length,
            cut: self.cut,
        };
        writer.append(text);
        (self.length, self.cut) = (writer.length, writer.cut);
        Ok(())
    }
}

/// Writes into memory; returns the length, and whether something did not fit.
fn fill(bytes: &mut [u8], arguments: fmt::Arguments<'_>) -> (usize, bool) {
    let mut writer = Writer::new(bytes);
    let _ = fmt::write(&mut writer, arguments);
    (writer.length, writer.cut)
}

/// What a [`Writer`] wrote.
fn written(bytes: &[u8], length: usize) -> &str {
    let bytes = bytes.get(..length).unwrap_or_default();
    core::str::from_utf8(bytes).unwrap_or_default()
}

/// Writes text into memory and cuts what does not fit.
pub struct Writer<'a> {
    bytes: &'a mut [u8],
    length: usize,
    cut: bool,
}

impl<'a> Writer<'a> {
    /// Writes from the beginning.
    pub fn new(bytes: &'a mut [u8]) -> Writer<'a> {
        Writer {
            bytes,
            length: 0,
            cut: false,
        }
    }

    /// Whether something did not fit.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// What was written, and the memory behind it.
    pub fn split(self) -> (&'a mut [u8], &'a mut [u8]) {
        self.bytes.split_at_mut(self.length)
    }

    /// Appends what fits.
    fn append(&mut self, text: &str) {
        // After a cut nothing follows, or the end would belong to no beginning.
        let room = if self.cut {
            0
        } else {
            self.bytes.len() - self.length
        };
        let fits = text.floor_char_boundary(room);
        self.cut |= fits < text.len();
        let end = self.length + fits;
        if let (Some(to), Some(from)) = (
            self.bytes.get_mut(self.length..end),
            text.as_bytes().get(..fits),
        ) {
            to.copy_from_slice(from);
            self.length = end;
        }
    }
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.append(text);
        Ok(())
    }
}

/// Bytes from somewhere else as one printable line: valid UTF-8 stays, control
/// characters and anything else are written as `\xNN`.
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            escape(f, chunk.valid())?;
            for byte in chunk.invalid() {
                hexadecimal(f, *byte)?;
            }
        }
        Ok(())
    }
}

/// Writes text with its control characters as `\xNN`; a tab stays.
pub fn escape(to: &mut dyn fmt::Write, text: &str) -> fmt::Result {
    let control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    let mut rest = text;
    while let Some(at) = rest.as_bytes().iter().position(control) {
        // A control character is one byte long.
        to.write_str(rest.get(..at).unwrap_or_default())?;
        hexadecimal(to, rest.as_bytes().get(at).copied().unwrap_or_default())?;
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    to.write_str(rest)
}

/// Writes one byte as `\xNN`.
fn hexadecimal(to: &mut dyn fmt::Write, byte: u8) -> fmt::Result {
    to.write_str("\\x")?;
    write_number(to, byte.into(), 16, 2)
}
