//! Gives memory of the stack back that only the start has used: reading the
//! configuration takes more of it than the loop ever does.
//!
//! # Safety
//!
//! Below the stack pointer of a function that runs there is nothing that
//! anybody reads before writing it, apart from the frames of what it calls,
//! which [`KEPT`] covers while the call is made.
#![allow(unsafe_code)]

use core::ffi::c_void;

use rustix::mm::{Advice, madvise};

/// What is left alone below the caller's frame, in bytes.
const KEPT: usize = 4 * 1024;
/// How far down the start may have reached, in bytes.
const REACH: usize = 1024 * 1024;

/// The least page size there is. Where pages are larger the call is refused,
/// and the stack stays as it is.
const PAGE: usize = 4096;

/// Gives back what lies below.
#[inline(never)]
pub fn give_back() {
    let marker = 0_u8;
    let here = &raw const marker as usize;
    let end = (here - KEPT) / PAGE * PAGE;
    let begin = end - REACH;
    // SAFETY: the range ends well below the frames of this function and of what
    // it calls; the part of it that was never mapped is refused, harmlessly,
    // after the rest was done.
    let _ = unsafe { madvise(begin as *mut c_void, end - begin, Advice::LinuxDontNeed) };
}
