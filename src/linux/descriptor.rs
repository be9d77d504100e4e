//! A place for a descriptor in a table that is all zero when it is empty, so
//! that the table costs nothing until it is used.
//!
//! # Safety
//!
//! A place owns the descriptor that was put into it until it is closed or taken
//! out, and what is borrowed from a place cannot outlive that.
#![allow(unsafe_code)]

use rustix::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// A descriptor and 1; 0: none.
pub struct Descriptor(RawFd);

impl Descriptor {
    /// None.
    pub const NONE: Descriptor = Descriptor(0);

    /// Puts one in; what was there is closed.
    pub fn put(&mut self, descriptor: OwnedFd) {
        self.close();
        self.0 = descriptor.into_raw_fd() + 1;
    }

    /// The one that is there.
    pub fn get(&self) -> Option<BorrowedFd<'_>> {
        if self.0 == 0 {
            return None;
        }
        // SAFETY: it is open until this place lets go of it, which takes `&mut`.
        Some(unsafe { BorrowedFd::borrow_raw(self.0 - 1) })
    }

    /// Closes the one that is there.
    pub fn close(&mut self) {
        let raw = core::mem::take(&mut self.0);
        if raw != 0 {
            // SAFETY: it was put in as an owned one, and the place forgot it.
            drop(unsafe { OwnedFd::from_raw_fd(raw - 1) });
        }
    }
}
