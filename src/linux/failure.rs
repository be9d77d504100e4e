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
use smena::pack::{Packed, packed};
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
        match text == packed!("") {
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
    let reason = REASONS.iter().find(|(known, _)| *known == errno);
    reason.map_or(packed!(""), |(_, text)| *text)
}

/// Says why the start failed: in the log, and to whoever sees the process start.
#[cold]
#[inline(never)]
pub fn tell(failure: &Failure, target: Option<LogTarget>) {
    say(Level::Error, format_args!("{failure}"));
    if target.is_some_and(|target| target != LogTarget::Stderr) {
        output::complain(format_args!("error: {failure}"));
    }
}

/// Logs what was refused while running, and why.
#[cold]
#[inline(never)]
pub fn log_refusal(level: Level, what: fmt::Arguments<'_>, errno: Errno) {
    say(level, format_args!("{what}: {}", Reason(errno)));
}

/// The error numbers that our calls are known to give.
const REASONS: &[(Errno, Packed)] = &[
    (Errno::PERM, packed!("operation not permitted (EPERM)")),
    (Errno::NOENT, packed!("no such file (ENOENT)")),
    (Errno::SRCH, packed!("no such process (ESRCH)")),
    (Errno::NXIO, packed!("no such device or address (ENXIO)")),
    (Errno::NOEXEC, packed!("not an executable format (ENOEXEC)")),
    (Errno::AGAIN, packed!("temporarily no room (EAGAIN)")),
    (Errno::NOMEM, packed!("out of memory (ENOMEM)")),
    (Errno::ACCESS, packed!("permission denied (EACCES)")),
    (Errno::BUSY, packed!("busy (EBUSY)")),
    (Errno::EXIST, packed!("exists already (EEXIST)")),
    (Errno::NODEV, packed!("no such device (ENODEV)")),
    (Errno::NOTDIR, packed!("not a directory (ENOTDIR)")),
    (Errno::ISDIR, packed!("is a directory (EISDIR)")),
    (Errno::INVAL, packed!("invalid argument (EINVAL)")),
    (Errno::MFILE, packed!("too many open files (EMFILE)")),
    (
        Errno::NFILE,
        packed!("too many open files in the system (ENFILE)"),
    ),
    (Errno::NOSPC, packed!("no space left (ENOSPC)")),
    (Errno::ROFS, packed!("read-only file system (EROFS)")),
    (Errno::PIPE, packed!("nobody reads (EPIPE)")),
    (Errno::NAMETOOLONG, packed!("name too long (ENAMETOOLONG)")),
    (Errno::NOSYS, packed!("not in this kernel (ENOSYS)")),
    (Errno::LOOP, packed!("too many symbolic links (ELOOP)")),
    (Errno::OPNOTSUPP, packed!("not supported (EOPNOTSUPP)")),
    (
        Errno::AFNOSUPPORT,
        packed!("address family not supported (EAFNOSUPPORT)"),
    ),
    (Errno::ADDRINUSE, packed!("address in use (EADDRINUSE)")),
    (
        Errno::ADDRNOTAVAIL,
        packed!("address not available (EADDRNOTAVAIL)"),
    ),
    (Errno::NETDOWN, packed!("network is down (ENETDOWN)")),
    (
        Errno::NETUNREACH,
        packed!("network is unreachable (ENETUNREACH)"),
    ),
    (Errno::NOBUFS, packed!("no buffer space (ENOBUFS)")),
    (Errno::TIMEDOUT, packed!("timed out (ETIMEDOUT)")),
    (
        Errno::CONNREFUSED,
        packed!("connection refused (ECONNREFUSED)"),
    ),
    (
        Errno::HOSTUNREACH,
        packed!("host is unreachable (EHOSTUNREACH)"),
    ),
    (Errno::CONNRESET, packed!("connection reset (ECONNRESET)")),
];
