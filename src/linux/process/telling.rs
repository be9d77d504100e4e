//! What the log says of children: what they print, and that one was not started.

use rustix::io::Errno;
use smena::config::Config;
use smena::say::{Count, Level, Plain, say};

use super::super::called::{Called, Owner, called};
use super::super::failure::log_refusal;
use super::super::lines::Said;
use super::super::text::Escaped;

/// Writes one line of a child to the log.
pub fn write_line(config: &Config<'_>, owner: Owner, said: &Said<'_>) {
    let called = called(config, owner);
    let (line, more) = match *said {
        Said::Line(line) => (Escaped(line), Plain("")),
        Said::LineBeginning(line) => (Escaped(line), Plain("...")),
        Said::Dropped(count) => {
            let count = Count(count.into(), "line");
            let line = format_args!("{called}: {count} of output dropped");
            return say(Level::Warn, line);
        }
    };
    say(Level::Info, format_args!("{called}: {line}{more}"));
}

/// Says that a check or a hook could not be started.
#[cold]
#[inline(never)]
pub fn not_started(called: &Called<'_>, errno: Errno) {
    let what = format_args!("{called}: cannot start a process");
    log_refusal(Level::Error, what, errno);
}
