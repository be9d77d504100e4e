//! Looks at files: whether one is there and what number it holds, and whether
//! the process that a pidfile names runs.
//!
//! In the keeper it looks only as far as that cannot wait: with what the kernel
//! has at hand (RESOLVE_CACHED, RWF_NOWAIT). A file system that does not answer
//! holds up nobody but the forked copy that then looks again and waits.

use core::fmt;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::{Errno, IoSliceMut, ReadWriteFlags, preadv2, read};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use smena::config::CheckKind;
use smena::event::Outcome;
use smena::pack::packed;
use smena::probe;
use smena::say::{Number, Plain};

use super::failure;
use super::spawn;
use super::text::Text;

/// Longest path of a file.
const PATH_MAX: usize = 1024;

/// Receives what was found.
pub type Found<'f> = &'f mut dyn FnMut(Outcome, fmt::Arguments<'_>);

/// Makes a check of a file; false when it would have to wait, or when the check
/// is of another kind.
#[inline(never)]
pub fn look(kind: &CheckKind<'_>, may_wait: bool, found: Found<'_>) -> bool {
    let (path, is_pidfile) = match kind {
        CheckKind::File(path) => (path, false),
        CheckKind::Pidfile(path) => (path, true),
        _ => return false,
    };
    let mut buffer = [0; 32];
    let read = peek(path, may_wait, &mut buffer);
    if read == Err(Errno::AGAIN) && !may_wait {
        return false;
    }
    let looked = match read {
        // A folder is there, too, and so is a FIFO whose writer is silent.
        Err(Errno::ISDIR | Errno::AGAIN) => Ok(0),
        other => other,
    };
    let judged = looked.and_then(|length| {
        let number = probe::number(buffer.get(..length).unwrap_or_default());
        Ok(match (number, is_pidfile) {
            (Some(pid), true) => match runs(pid)? {
                true => (Outcome::Success, packed!("runs: process"), number),
                false => (Outcome::Failure, packed!("gone: process"), number),
            },
            (None, true) => (Outcome::Failure, packed!("holds no number"), None),
            (Some(number), false) => {
                let number = number.clamp(-254, 254);
                (
                    Outcome::Number(number as i16),
                    packed!("holds"),
                    Some(number),
                )
            }
            (None, false) => (Outcome::Success, packed!("is there"), None),
        })
    });
    let (outcome, words, number) = judged.unwrap_or_else(|errno| {
        let outcome = match spawn::is_passing(errno) {
            true => Outcome::Unknown,
            false => Outcome::Failure,
        };
        (outcome, failure::words(errno), None)
    });
    match number {
        Some(number) => {
            let sign = Plain(if number < 0 { "-" } else { "" });
            let number = Number(number.unsigned_abs().into());
            found(outcome, format_args!("{words} {sign}{number}"));
        }
        None => found(outcome, format_args!("{words}")),
    }
    true
}

/// The first bytes of a file.
fn peek(path: &str, may_wait: bool, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut path = Text::<PATH_MAX>::copy_of(path);
    let path = path.as_c_str().ok_or(Errno::NAMETOOLONG)?;
    // Opening a FIFO or a device waits for nobody either.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    if may_wait {
        return read(open(path, flags, Mode::empty())?, buffer);
    }
    // Where a file is read that has no places, such as a FIFO.
    const HERE: u64 = u64::MAX;
    let mut cached = || {
        let file = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED)?;
        let mut buffers = [IoSliceMut::new(buffer)];
        preadv2(file, &mut buffers, HERE, ReadWriteFlags::NOWAIT)
    };
    match cached() {
        // An older kernel, or a file system, that cannot promise it.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(Errno::AGAIN),
        other => other,
    }
}

/// Whether a process runs. A zombie does not.
fn runs(pid: i32) -> Result<bool, Errno> {
    const NOW: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let Some(pid) = Pid::from_raw(pid.max(0)) else {
        return Ok(false);
    };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&NOW))? == 0),
        Err(Errno::SRCH | Errno::INVAL) => Ok(false),
        Err(errno) => Err(errno),
    }
}
