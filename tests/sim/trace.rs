//! What happened, as a hash always and as text when asked. The hash shows that
//! two runs of one seed are one run; the text is only made when a seed failed
//! and is run again, so that a thousand good ones cost no formatting.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Arguments;

use super::clock::At;

/// How many of the last lines are kept.
const LINES_MAX: usize = 400;

/// The record of one run.
pub struct Trace {
    hash: u64,
    steps: u64,
    lines: Option<VecDeque<String>>,
    ended: bool,
}

impl Trace {
    /// A record of hashes, with text if `text`.
    pub fn new(text: bool) -> Trace {
        Trace {
            hash: 0xcbf2_9ce4_8422_2325,
            steps: 0,
            lines: text.then(VecDeque::new),
            ended: false,
        }
    }

    /// An event is handed to a node.
    pub fn step(&mut self, now: At, node: usize) {
        self.steps += 1;
        self.mark(&[now, node as u64]);
    }

    /// Adds numbers to the hash.
    pub fn mark(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.hash = (self.hash ^ number).wrapping_mul(0x0000_0100_0000_01b3);
            self.hash ^= self.hash >> 29;
        }
    }

    /// Adds bytes to the hash.
    pub fn mark_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mark(&[u64::from_le_bytes(word)]);
        }
    }

    /// Adds a line, when there is text.
    pub fn say(&mut self, now: At, text: Arguments<'_>) {
        let Some(lines) = self.lines.as_mut().filter(|_| !self.ended) else {
            return;
        };
        let said = LOG.with_borrow_mut(|log| log.replace(Vec::new()));
        for line in said.into_iter().flatten() {
            push(lines, format!("{:>12} |     {line}", stamp(now)));
        }
        push(lines, format!("{:>12} | {text}", stamp(now)));
    }

    /// What comes now is of no interest: a rule was broken.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Is there text? Callers that must work for a line ask first.
    pub fn speaks(&self) -> bool {
        self.lines.is_some() && !self.ended
    }

    /// The hash of all so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events were handed to nodes.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The last lines.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in self.lines.iter().flatten() {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

fn push(lines: &mut VecDeque<String>, line: String) {
    if std::env::var_os("SMENA_TRACE").is_some() {
        println!("{line}");
    }
    if lines.len() == LINES_MAX {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// Seconds with six decimals.
fn stamp(at: At) -> String {
    format!("{}.{:06}", at / 1_000_000, at % 1_000_000)
}

thread_local! {
    /// What the core logged since the last line of the trace, on a thread that
    /// listens.
    static LOG: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The core's log lines become lines of the trace.
struct Scribe;

impl log::Log for Scribe {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        LOG.with_borrow(Option::is_some)
    }

    fn log(&self, record: &log::Record<'_>) {
        LOG.with_borrow_mut(|log| {
            if let Some(lines) = log {
                lines.push(format!("{}: {}", record.level(), record.args()));
            }
        });
    }

    fn flush(&self) {}
}

/// Takes the core's log lines on this thread from now on.
pub fn listen_to_the_log() {
    // A second call finds the logger in place, which is as good.
    let _ = log::set_logger(&Scribe);
    log::set_max_level(log::LevelFilter::Debug);
    LOG.set(Some(Vec::new()));
}
