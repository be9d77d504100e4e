//! What the system refused, in words a reader can act on: which call, on what,
//! the kernel's reason, and the mend. It decides nothing; the caller chooses
//! between an exit code, a log line and an event.

use core::fmt;

use rustix::io::Errno;
use smena::say::{Level, say};

use super::text::Text;

/// A system call that failed, with what is needed to say so.
pub struct Failure {
    /// The system call, such as `bind`.
    pub call: &'static str,
    /// What it was about: a path, an interface, a kind of socket. Cut at 96 bytes.
    pub object: Text<96>,
    /// The kernel's answer.
    pub errno: Errno,
    /// What the reader can do; empty when nothing is known.
    pub mend: &'static str,
}

impl Failure {
    /// `object` is anything that can be written; what does not fit is cut.
    #[cold]
    #[inline(never)]
    pub fn new(
        call: &'static str,
        object: fmt::Arguments<'_>,
        errno: Errno,
        mend: &'static str,
    ) -> Failure {
        Failure {
            call,
            object: Text::of(object),
            errno,
            mend,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call)?;
        f.write_str(" ")?;
        f.write_str(self.object.as_str())?;
        f.write_str(": ")?;
        Reason(self.errno).fmt(f)?;
        if !self.mend.is_empty() {
            f.write_str(": ")?;
            f.write_str(self.mend)?;
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
                f.write_str("error ")?;
                self.0.raw_os_error().fmt(f)
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
