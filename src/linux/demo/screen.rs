//! What the demo prints: a time, then a sentence, within 80 columns.

use core::fmt::{self, Write as _};

use smena::Instant;
use smena::say::{Number, parts, write_number};

use crate::linux::clock;
use crate::linux::output::Output;
use crate::linux::text::Text;

/// Columns of a terminal that nobody made wider.
const COLUMNS: usize = 79;
/// What the time takes of a line.
const MARGIN: &str = "          ";

/// A number at the right of a column of this width.
pub struct Column(pub u64, pub u32);

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = 1 + self.0.checked_ilog10().unwrap_or(0);
        for _ in digits..self.1 {
            f.write_str(" ")?;
        }
        Number(self.0).fmt(f)
    }
}

/// Standard output with a clock that runs from the demo's start.
pub struct Screen {
    output: Output<'static>,
    started_at: Instant,
    gone: bool,
}

impl Screen {
    /// The clock starts now.
    pub fn new() -> Screen {
        Screen {
            output: Output::stdout(),
            started_at: clock::now(),
            gone: false,
        }
    }

    /// Text as it is, lines and all.
    pub fn print(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.output.write_fmt(text);
        self.gone |= !self.output.flush();
    }

    /// A sentence with the time before it.
    pub fn tell(&mut self, text: fmt::Arguments<'_>) {
        let hundredths = (clock::now() - self.started_at).total_micros() / 10_000;
        let seconds = Column(hundredths / 100, 3);
        let _ = write!(self.output, "{seconds}.");
        let _ = write_number(&mut self.output, hundredths % 100, 10, 2);
        let _ = self.output.write_str(" s  ");
        self.wrap(text);
    }

    /// Nobody reads any more.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Breaks a sentence between words where the line is full.
    fn wrap(&mut self, text: fmt::Arguments<'_>) {
        let text = Text::<512>::of(text);
        let mut column = MARGIN.len();
        for word in parts(text.as_str(), b' ') {
            let blank = match column + 1 + word.len() {
                _ if column == MARGIN.len() => "",
                ..=COLUMNS => " ",
                _ => {
                    let _ = self.output.write_str("\n");
                    column = 0;
                    MARGIN
                }
            };
            let _ = self.output.write_str(blank);
            let _ = self.output.write_str(word);
            column += blank.len() + word.len();
        }
        self.print(format_args!("\n"));
    }
}
