//! Standard output and error of the commands that talk to a person: blocking,
//! buffered, and done with at the first error.
//!
//! # Safety
//!
//! The three standard descriptors are open from the first moment of the process
//! to its end: `start` sees to it, and nothing closes them.
#![allow(unsafe_code)]

use core::fmt;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::io::{Errno, write};

use super::failure::Reason;

/// A descriptor with a buffer before it. Nothing is flushed on drop: the last
/// [`Output::flush`] also tells whether all of it was written.
pub struct Output<'fd> {
    descriptor: BorrowedFd<'fd>,
    buffer: [u8; 1024],
    length: usize,
    failed: bool,
}

/// Standard input.
pub fn stdin() -> BorrowedFd<'static> {
    // SAFETY: it is open and stays so.
    unsafe { rustix::stdio::stdin() }
}

/// Standard output.
pub fn stdout() -> BorrowedFd<'static> {
    // SAFETY: it is open and stays so.
    unsafe { rustix::stdio::stdout() }
}

/// Standard error.
pub fn stderr() -> BorrowedFd<'static> {
    // SAFETY: it is open and stays so.
    unsafe { rustix::stdio::stderr() }
}

impl Output<'static> {
    /// Standard output.
    pub fn stdout() -> Output<'static> {
        Output::new(stdout())
    }

    /// Standard error.
    pub fn stderr() -> Output<'static> {
        Output::new(stderr())
    }
}

impl<'fd> Output<'fd> {
    /// Writes to any descriptor.
    #[inline(never)]
    pub fn new(descriptor: BorrowedFd<'fd>) -> Output<'fd> {
        Output {
            descriptor,
            buffer: [0; 1024],
            length: 0,
            failed: false,
        }
    }

    /// Writes what is buffered; false when anything since the start failed, which
    /// is told once of standard output.
    pub fn flush(&mut self) -> bool {
        let bytes = self.buffer.get(..self.length).unwrap_or_default();
        if !self.failed
            && let Err(errno) = write_all(self.descriptor, bytes)
        {
            self.failed = true;
            if self.descriptor.as_raw_fd() == stdout().as_raw_fd() {
                complain_of(errno);
            }
        }
        self.length = 0;
        !self.failed
    }
}

impl fmt::Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() && !self.failed {
            let room = self.buffer.get_mut(self.length..).unwrap_or_default();
            let fits = room.len().min(rest.len());
            let (now, later) = rest.split_at(fits);
            if let Some(room) = room.get_mut(..fits) {
                room.copy_from_slice(now);
            }
            self.length += fits;
            rest = later;
            if self.length == self.buffer.len() {
                self.flush();
            }
        }
        if self.failed { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Writes all of it, however many calls that takes.
pub fn write_all(descriptor: impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match write(&descriptor, bytes) {
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Says that standard output takes nothing; a reader that has enough is no trouble.
pub fn complain_of(errno: Errno) {
    if errno != Errno::PIPE {
        complain(format_args!(
            "error: write to standard output: {}: look where it goes",
            Reason(errno)
        ));
    }
}

/// Writes one line to standard error, outside of the log.
#[inline(never)]
pub fn complain(message: fmt::Arguments<'_>) {
    let mut output = Output::stderr();
    let _ = fmt::write(&mut output, message);
    let _ = fmt::Write::write_str(&mut output, "\n");
    output.flush();
}
