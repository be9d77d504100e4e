//! What the system refused, in words a reader can act on: which call, on what,
//! the kernel's reason, and the mend. It decides nothing; the caller chooses
//! between an exit code, a log line and an event.
//!
//! # Safety
//!
//! The words of a refusal wait in one static place. The process has one thread,
//! and the functions of this file that reach the place call nothing that
//! reaches it again.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::fmt;

use rustix::io::Errno;
use smena::config::LogTarget;
use smena::pack::{Packed, packed_lines};
use smena::say::{Level, Number, say};

use super::output;
use super::text::Text;

/// A system call failed. What is needed to say so is kept until the next one
/// fails, so that a function that may fail returns no more than its value: a
/// failure is told before another is made.
pub struct Failure(());

/// What a [`Failure`] says.
struct Refusal {
    what: Text<144>,
    errno: Option<Errno>,
    mend: Option<Packed>,
}

/// The place of the latest refusal.
struct Latest(UnsafeCell<Refusal>);

// SAFETY: there is one thread.
unsafe impl Sync for Latest {}

// All zero, so that it costs no byte of the file.
static LATEST: Latest = Latest(UnsafeCell::new(Refusal {
    what: Text::new(),
    errno: None,
    mend: None,
}));

impl Failure {
    /// `what` is the system call and what it was about, such as `bind PATH`;
    /// what of it does not fit into 144 bytes is cut. `mend` is what the reader
    /// can do; empty when nothing is known.
    #[cold]
    #[inline(never)]
    pub fn new(what: fmt::Arguments<'_>, errno: Errno, mend: Packed) -> Failure {
        let refusal = Refusal {
            what: Text::of(what),
            errno: Some(errno),
            mend: Some(mend),
        };
        // SAFETY: nobody has a reference into the place at this moment.
        unsafe { *LATEST.0.get() = refusal };
        Failure(())
    }

    /// The kernel's answer.
    pub fn errno(&self) -> Errno {
        // SAFETY: nobody writes to the place meanwhile.
        let latest = unsafe { &*LATEST.0.get() };
        latest.errno.unwrap_or(Errno::INVAL)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: nobody writes to the place meanwhile.
        let latest = unsafe { &*LATEST.0.get() };
        f.write_str(latest.what.as_str())?;
        f.write_str(": ")?;
        Reason(self.errno()).fmt(f)?;
        match latest.mend {
            Some(mend) if !mend.is_empty() => {
                f.write_str(": ")?;
                mend.fmt(f)
            }
            _ => Ok(()),
        }
    }
}

/// An error number as words, with its name where it is one that we meet.
#[derive(Clone, Copy, Debug)]
pub struct Reason(pub Errno);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = words(self.0);
        match text.is_empty() {
            false => text.fmt(f),
            true => {
                let number = Number(self.0.raw_os_error().unsigned_abs().into());
                write!(f, "error {number}")
            }
        }
    }
}

/// The words for an error number that we meet; of others there are none.
pub fn words(errno: Errno) -> Packed {
    let number = REASONS.iter().position(|known| *known == errno);
    WORDS.line(number.unwrap_or(REASONS.len()))
}

/// Says why the start failed: in the log, and to whoever sees the process start.
#[cold]
#[inline(never)]
pub fn tell(failure: &Failure, target: Option<LogTarget>) {
    if target.is_some_and(|target| target != LogTarget::Stderr) {
        say(Level::Error, format_args!("{failure}"));
    }
    output::complain(format_args!("error: {failure}"));
}

/// Logs what was refused while running, and why.
#[cold]
#[inline(never)]
pub fn log_refusal(level: Level, what: fmt::Arguments<'_>, errno: Errno) {
    say(level, format_args!("{what}: {}", Reason(errno)));
}

/// Writes the error numbers that our calls are known to give, and their words as
/// the lines of one text in the same order.
macro_rules! reasons {
    ($($errno:ident $words:literal,)*) => {
        const REASONS: &[Errno] = &[$(Errno::$errno),*];
        const WORDS: Packed = packed_lines!($($words),*);
    };
}

reasons! {
    PERM "operation not permitted (EPERM)",
    NOENT "no such file (ENOENT)",
    SRCH "no such process (ESRCH)",
    NXIO "no such device or address (ENXIO)",
    NOEXEC "not an executable format (ENOEXEC)",
    AGAIN "temporarily no room (EAGAIN)",
    NOMEM "out of memory (ENOMEM)",
    ACCESS "permission denied (EACCES)",
    BUSY "busy (EBUSY)",
    EXIST "exists already (EEXIST)",
    NODEV "no such device (ENODEV)",
    NOTDIR "not a directory (ENOTDIR)",
    ISDIR "is a directory (EISDIR)",
    INVAL "invalid argument (EINVAL)",
    MFILE "too many open files (EMFILE)",
    NFILE "too many open files in the system (ENFILE)",
    NOSPC "no space left (ENOSPC)",
    ROFS "read-only file system (EROFS)",
    PIPE "nobody reads (EPIPE)",
    NAMETOOLONG "name too long (ENAMETOOLONG)",
    NOSYS "not in this kernel (ENOSYS)",
    LOOP "too many symbolic links (ELOOP)",
    OPNOTSUPP "not supported (EOPNOTSUPP)",
    AFNOSUPPORT "address family not supported (EAFNOSUPPORT)",
    ADDRINUSE "address in use (EADDRINUSE)",
    ADDRNOTAVAIL "address not available (EADDRNOTAVAIL)",
    NETDOWN "network is down (ENETDOWN)",
    NETUNREACH "network is unreachable (ENETUNREACH)",
    NOBUFS "no buffer space (ENOBUFS)",
    TIMEDOUT "timed out (ETIMEDOUT)",
    CONNREFUSED "connection refused (ECONNREFUSED)",
    HOSTUNREACH "host is unreachable (EHOSTUNREACH)",
    CONNRESET "connection reset (ECONNRESET)",
}
