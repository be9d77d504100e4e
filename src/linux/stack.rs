//! Gives memory back that is not needed any longer: of the stack what only the
//! start has used, since reading the configuration takes more of it than the
//! loop ever does; and in a worker all that is the keeper's.
//!
//! # Safety
//!
//! Below the stack pointer of a function that runs there is nothing that
//! anybody reads before writing it, apart from the frames of what it calls,
//! which [`KEPT`] covers while the call is made. What a worker gives back it
//! never looks at again, as the callers promise.
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

/// In a forked copy that does not return: gives the frames back that lie above
/// an address, up to the entry of the process.
///
/// # Safety
/// Nothing above `from` is read again.
pub unsafe fn give_back_above(from: usize, entry: usize) {
    // SAFETY: as the caller promises; the strings that the process was started
    // with lie above its entry.
    unsafe { give_back_pages(from, entry) };
}

/// Gives back the whole pages of a static value.
///
/// # Safety
/// The process never looks at the value again.
pub unsafe fn give_back_static(place: Place) {
    // SAFETY: as the caller promises; the pages are of that value alone.
    unsafe { give_back_pages(place.0, place.0 + place.1) };
}

/// Where a static value lies, and how long it is.
pub type Place = (usize, usize);

/// Gives back the pages that lie between two addresses.
///
/// # Safety
/// As above.
unsafe fn give_back_pages(from: usize, to: usize) {
    let begin = from.next_multiple_of(PAGE);
    if let Some(length) = (to / PAGE * PAGE).checked_sub(begin) {
        // SAFETY: they are private pages of this process, which the caller does
        // not need any longer.
        let _ = unsafe { madvise(begin as *mut c_void, length, Advice::LinuxDontNeed) };
    }
}

/// Has the kernel map no page of the program that is not used. Otherwise it maps
/// 64 KiB around each page that is, as far as their settings are alike: so those
/// of neighbours differ in one that means nothing here.
///
/// For a worker: the keeper wants all of the program at hand.
pub fn narrow_program() {
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    let mut at = &raw const __executable_start as usize / PAGE * PAGE;
    let end = &raw const etext as usize;
    while at < end {
        // SAFETY: it only keeps the page out of core dumps, where pages of a
        // file are not, either.
        let _ = unsafe { madvise(at as *mut c_void, PAGE, Advice::LinuxDontDump) };
        at += 2 * PAGE;
    }
}
