//! Static memory that is claimed once.
//!
//! The large tables live in `.bss`: their pages cost nothing until they are
//! touched, nothing is copied to build them, and their addresses never change.
//!
//! # Safety
//!
//! The process has one thread, and each cell hands its value out at most once,
//! so the reference that [`Cell::claim`] returns is the only one.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use super::stack::Place;

/// A static value with one owner, who claims it at run time.
pub struct Cell<T> {
    claimed: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `claim` gives the value to one caller only, whichever thread that is.
unsafe impl<T> Sync for Cell<T> {}

impl<T> Cell<T> {
    /// A cell with this value. One that is all zero bytes lands in `.bss`.
    pub const fn new(value: T) -> Cell<T> {
        Cell {
            claimed: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Where the value lies, for who never looks at it again.
    pub fn place(&'static self) -> Place {
        (self.value.get() as usize, size_of::<T>())
    }

    /// The value, for the rest of the process.
    ///
    /// # Panics
    /// At the second claim: two owners of one table are our own mistake.
    #[expect(clippy::mut_from_ref, reason = "handed out once, as asserted")]
    pub fn claim(&'static self) -> &'static mut T {
        assert!(!self.claimed.swap(true, Ordering::Relaxed));
        // SAFETY: the swap above lets exactly one caller pass.
        unsafe { &mut *self.value.get() }
    }
}
