//! The output of a child, cut into lines for the log, with limits: a line's
//! length, lines a second, and bytes a second. What exceeds the first two is
//! dropped and said; at the third the pipe is left alone for the rest of the
//! second, and the child waits, not the keeper.

use smena::{Duration, Instant};

/// The longest part of a line that is logged, in bytes.
const LINE_MAX: usize = 240;
/// Lines of one child that are logged in a second.
const LINES_MAX: u32 = 50;
/// Bytes of one child that are read in a second.
const BYTES_MAX: u32 = 4 * 1024 * 1024;
/// The length of a period.
const PERIOD: Duration = Duration::from_secs(1);

/// A line begun, and what the present period has seen.
pub struct Lines {
    line: [u8; LINE_MAX],
    length: usize,
    /// The rest of this line is dropped.
    overlong: bool,
    period_at: Instant,
    lines: u32,
    bytes: u32,
    dropped: u32,
}

/// What [`Lines`] has to say.
pub enum Said<'a> {
    /// A line, without its end.
    Line(&'a [u8]),
    /// The beginning of a line whose rest was dropped.
    LineBeginning(&'a [u8]),
    /// This many lines of the last period were dropped.
    Dropped(u32),
}

impl Lines {
    /// Nothing seen yet.
    pub const fn new() -> Lines {
        Lines {
            line: [0; LINE_MAX],
            length: 0,
            overlong: false,
            period_at: Instant::ZERO,
            lines: 0,
            bytes: 0,
            dropped: 0,
        }
    }

    /// When reading may go on; `None`: at once.
    pub fn paused_until(&self) -> Option<Instant> {
        (self.bytes >= BYTES_MAX).then_some(self.period_at + PERIOD)
    }

    /// Begins a new period when the last one is over.
    pub fn tick(&mut self, now: Instant, say: &mut dyn FnMut(Said<'_>)) {
        if now < self.period_at + PERIOD {
            return;
        }
        if self.dropped > 0 {
            say(Said::Dropped(self.dropped));
        }
        self.period_at = now;
        self.lines = 0;
        self.bytes = 0;
        self.dropped = 0;
    }

    /// Takes what was read.
    pub fn take(&mut self, now: Instant, bytes: &[u8], say: &mut dyn FnMut(Said<'_>)) {
        self.tick(now, say);
        self.bytes = self.bytes.saturating_add(bytes.len() as u32);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (part, ends) = match part.strip_suffix(b"\n") {
                Some(part) => (part, true),
                None => (part, false),
            };
            let room = self.line.get_mut(self.length..).unwrap_or_default();
            let fits = part.len().min(room.len());
            if let (Some(to), Some(from)) = (room.get_mut(..fits), part.get(..fits)) {
                to.copy_from_slice(from);
            }
            self.length += fits;
            self.overlong |= fits < part.len();
            if ends {
                self.end_line(say);
            }
        }
    }

    /// The child has ended: a line without an end counts, too.
    pub fn end(&mut self, now: Instant, say: &mut dyn FnMut(Said<'_>)) {
        self.tick(now, say);
        if self.length > 0 {
            self.end_line(say);
        }
        if self.dropped > 0 {
            say(Said::Dropped(self.dropped));
            self.dropped = 0;
        }
    }

    /// Says the line, or counts it.
    fn end_line(&mut self, say: &mut dyn FnMut(Said<'_>)) {
        let line = self.line.get(..self.length).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.lines >= LINES_MAX {
            self.dropped = self.dropped.saturating_add(1);
        } else if self.overlong {
            say(Said::LineBeginning(line));
        } else {
            say(Said::Line(line));
        }
        self.lines = self.lines.saturating_add(1);
        self.length = 0;
        self.overlong = false;
    }
}
