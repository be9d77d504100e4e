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
use smena::say::{Level, Number, say};

use super::text::Text;

/// A system call failed. What is needed to say so is kept until the next one
/// fails, so that a function that may fail returns no more than its value: a
/// failure is told before another is made.
pub struct Failure(());

/// What a [`Failure`] says.
struct Refusal {
    call: &'static str,
    object: Text<96>,
    errno: Errno,
    mend: &'static str,
}

/// The place of the latest refusal.
struct Latest(UnsafeCell<Option<Refusal>>);

// SAFETY: there is one thread.
unsafe impl Sync for Latest {}

static LATEST: Latest = Latest(UnsafeCell::new(None));

impl Failure {
    /// `call` is the system call, such as `bind`. `object` is what it was about:
    /// a path, an interface, a kind of socket; what of it does not fit into 96
    /// bytes is cut. `mend` is what the reader can do; empty when nothing is
    /// known.
    #[cold]
    #[inline(never)]
    pub fn new(
        call: &'static str,
        object: fmt::Arguments<'_>,
        errno: Errno,
        mend: &'static str,
    ) -> Failure {
        let refusal = Refusal {
            call,
            object: Text::of(object),
            errno,
            mend,
        };
        // SAFETY: nobody has a reference into the place at this moment.
        unsafe { *LATEST.0.get() = Some(refusal) };
        Failure(())
    }

    /// The kernel's answer.
    pub fn errno(&self) -> Errno {
        // SAFETY: nobody writes to the place meanwhile.
        let latest = unsafe { &*LATEST.0.get() };
        latest.as_ref().map_or(Errno::INVAL, |latest| latest.errno)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: nobody writes to the place meanwhile.
        let Some(latest) = (unsafe { &*LATEST.0.get() }) else {
            return Ok(());
        };
        for part in [latest.call, " ", latest.object.as_str(), ": "] {
            f.write_str(part)?;
        }
        Reason(latest.errno).fmt(f)?;
        if !latest.mend.is_empty() {
            f.write_str(": ")?;
            f.write_str(latest.mend)?;
        }
        Ok(())
    }
}

/// An error number as words, with its name where it is one that we meet.
#[derive(Clone, Copy, Debug)]
pub struct Reason(pub Errno);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match REASONS.iter().find(|(errno, _)| *errno == self.0) {
            Some((_, text)) => f.write_str(text),
            None => {
                let number = Number(self.0.raw_os_error().unsigned_abs().into());
                write!(f, "error {number}")
            }
        }
    }
}

/// Logs what was refused while running, and why.
#[cold]
#[inline(never)]
pub fn log_refusal(level: Level, what: fmt::Arguments<'_>, errno: Errno) {
    say(level, format_args!("{what}: {}", Reason(errno)));
}

/// The error numbers that our calls are known to give.
const REASONS: &[(Errno, &str)] = &[
    (Errno::PERM, "operation not permitted (EPERM)"),
    (Errno::NOENT, "no such file (ENOENT)"),
    (Errno::SRCH, "no such process (ESRCH)"),
    (Errno::NXIO, "no such device or address (ENXIO)"),
    (Errno::NOEXEC, "not an executable format (ENOEXEC)"),
    (Errno::AGAIN, "temporarily no room (EAGAIN)"),
    (Errno::NOMEM, "out of memory (ENOMEM)"),
    (Errno::ACCESS, "permission denied (EACCES)"),
    (Errno::BUSY, "busy (EBUSY)"),
    (Errno::EXIST, "exists already (EEXIST)"),
    (Errno::NODEV, "no such device (ENODEV)"),
    (Errno::NOTDIR, "not a directory (ENOTDIR)"),
    (Errno::ISDIR, "is a directory (EISDIR)"),
    (Errno::INVAL, "invalid argument (EINVAL)"),
    (Errno::MFILE, "too many open files (EMFILE)"),
    (Errno::NFILE, "too many open files in the system (ENFILE)"),
    (Errno::NOSPC, "no space left (ENOSPC)"),
    (Errno::ROFS, "read-only file system (EROFS)"),
    (Errno::PIPE, "nobody reads (EPIPE)"),
    (Errno::NAMETOOLONG, "name too long (ENAMETOOLONG)"),
    (Errno::NOSYS, "not in this kernel (ENOSYS)"),
    (Errno::LOOP, "too many symbolic links (ELOOP)"),
    (Errno::OPNOTSUPP, "not supported (EOPNOTSUPP)"),
    (
        Errno::AFNOSUPPORT,
        "address family not supported (EAFNOSUPPORT)",
    ),
    (Errno::ADDRINUSE, "address in use (EADDRINUSE)"),
    (Errno::ADDRNOTAVAIL, "address not available (EADDRNOTAVAIL)"),
    (Errno::NETDOWN, "network is down (ENETDOWN)"),
    (Errno::NETUNREACH, "network is unreachable (ENETUNREACH)"),
    (Errno::NOBUFS, "no buffer space (ENOBUFS)"),
    (Errno::TIMEDOUT, "timed out (ETIMEDOUT)"),
    (Errno::CONNREFUSED, "connection refused (ECONNREFUSED)"),
    (Errno::HOSTUNREACH, "host is unreachable (EHOSTUNREACH)"),
];
