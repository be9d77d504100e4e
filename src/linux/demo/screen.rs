//! What the demo prints: a time, then a sentence, within 80 columns.

use core::fmt::{self, Write as _};

use smena::Instant;

use crate::linux::clock;
use crate::linux::output::Output;
use crate::linux::text::Text;

/// Columns of a terminal that nobody made wider.
const COLUMNS: usize = 79;
/// Columns that the time takes.
const MARGIN: usize = 10;

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
        let ms = (clock::now() - self.started_at).total_millis();
        let (seconds, hundredths) = (ms / 1000, ms % 1000 / 10);
        let _ = write!(self.output, "{seconds:3}.{hundredths:02} s  ");
        self.wrap(text);
    }

    /// Nobody reads any more.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Breaks a sentence between words where the line is full.
    fn wrap(&mut self, text: fmt::Arguments<'_>) {
        let text = Text::<512>::of(text);
        let mut column = MARGIN;
        for word in text.as_str().split(' ') {
            let width = word.chars().count();
            if column > MARGIN && column + 1 + width > COLUMNS {
                let _ = write!(self.output, "\n{:MARGIN$}", "");
                column = MARGIN;
            } else if column > MARGIN {
                let _ = self.output.write_str(" ");
                column += 1;
            }
            let _ = self.output.write_str(word);
            column += width;
        }
        let _ = self.output.write_str("\n");
        self.gone |= !self.output.flush();
    }
}
