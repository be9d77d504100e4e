//! Gives memory back that is not needed any longer: of the stack what only the
//! start has used, since reading the configuration takes more of it than the
//! loop ever does; of the program what the loop does not run; and in a worker
//! all that is the keeper's.
//!
//! # Safety
//!
//! Below the stack pointer of a function that runs there is nothing that
//! anybody reads before writing it, apart from the frames of what it calls,
//! which [`KEPT`] covers while the call is made. What a worker gives back it
//! never looks at again, as the callers promise. What the kernel left above the
//! entry of the process stays as it was, but for the letters of a new title.
#![allow(unsafe_code)]

use core::ffi::c_void;

use rustix::mm::{Advice, madvise};

use super::panic;

/// What is left alone below the caller's frame, in bytes.
const KEPT: usize = 4 * 1024;
/// How far down the start may have reached, in bytes.
const REACH: usize = 1024 * 1024;

/// The least page size there is. Where pages are larger, a call whose range does
/// not begin with one is refused, and nothing is given back.
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
    // The kernel rounds a length up to its own pages, of up to 64 KiB: with
    // smaller ones here it would take what lies behind the range along.
    let page = page_size();
    let begin = from.next_multiple_of(page);
    if let Some(length) = (to / page * page).checked_sub(begin) {
        // SAFETY: they are private pages of this process, which the caller does
        // not need any longer.
        let _ = unsafe { madvise(begin as *mut c_void, length, Advice::LinuxDontNeed) };
    }
}

/// The size of the kernel's pages, as it told at the start.
fn page_size() -> usize {
    const AT_NULL: usize = 0;
    const AT_PAGESZ: usize = 6;
    const LARGEST: usize = 64 * 1024;
    let mut at = panic::stack_top() as *const usize;
    // SAFETY: there the kernel left argc, so many words, a zero, those of the
    // environment, a zero, and pairs of words, the last of which is AT_NULL.
    unsafe {
        at = at.add(1 + *at + 1);
        while *at != 0 {
            at = at.add(1);
        }
        at = at.add(1);
        while *at != AT_NULL {
            if *at == AT_PAGESZ {
                return *at.add(1);
            }
            at = at.add(2);
        }
    }
    LARGEST
}

unsafe extern "C" {
    static __executable_start: u8;
    static etext: u8;
    // apart.ld sets these.
    static apart_begin: u8;
    static apart_end: u8;
}

/// Has the kernel map no page of the program that is not used from here on.
///
/// For a worker: the keeper wants its part of the program at hand.
pub fn narrow_program() {
    let begin = &raw const __executable_start as usize;
    give_back_text(begin, &raw const etext as usize);
}

/// Gives back what of the program the keeper's loop does not use; should it come
/// to need a page of that, the kernel maps it again.
pub fn give_back_apart() {
    let begin = &raw const apart_begin as usize;
    give_back_text(begin, &raw const apart_end as usize);
}

fn give_back_text(begin: usize, end: usize) {
    narrow(begin, end);
    // SAFETY: nobody writes to the program's text and constants, so the file
    // still has what they say.
    unsafe { give_back_pages(begin, end) };
}

/// Has the kernel map no page between two addresses that is not used. Otherwise
/// it maps 64 KiB around each page that is, as far as their settings are alike: so
/// every second page differs in one that means nothing here.
fn narrow(begin: usize, end: usize) {
    let mut at = begin.next_multiple_of(2 * PAGE);
    while at < end {
        // SAFETY: it only keeps the page out of core dumps, where pages of a
        // file are not, either.
        let _ = unsafe { madvise(at as *mut c_void, PAGE, Advice::LinuxDontDump) };
        at += 2 * PAGE;
    }
}
