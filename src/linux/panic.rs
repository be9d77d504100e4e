//! What a broken invariant of ours does: it is said where, the process ends with
//! code 101, which no command gives otherwise, and the lease takes the
//! addresses. It never unwinds and never returns.
//!
//! A release build carries no text of its assertions, which would be a tenth of
//! the file: it prints the addresses of the code that led there, and
//! `addr2line -e` over a build with symbols of the same commit names the lines.
//!
//! # Safety
//!
//! The stack is read as words, from the handler's own frame up to the stack
//! pointer at the process's entry, all of which the kernel has mapped.
#![allow(unsafe_code)]

use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

use smena::say::write_number;

use super::{init, log, syscall};

/// The stack pointer at the process's entry: nothing of ours lies above it.
static STACK_TOP: AtomicUsize = AtomicUsize::new(0);

/// How much of the stack is looked through, and how many addresses are printed.
const DEPTH_BYTES: usize = 16 * 1024;
const ADDRESSES_MAX: usize = 12;

/// Tells where the stack begins, once at the start.
pub fn remember_stack(top: usize) {
    STACK_TOP.store(top, Ordering::Relaxed);
}

/// Where the stack begins.
pub fn stack_top() -> usize {
    STACK_TOP.load(Ordering::Relaxed)
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    if cfg!(debug_assertions) {
        log::last_words(format_args!("smena must end: {info}"));
    } else {
        // `info` is not touched here: that is what lets the linker drop the
        // messages and places of every assertion.
        log::last_words(format_args!(
            "smena must end: an assertion failed:{Callers}"
        ));
    }
    if init::is_on() && rustix::process::getpid().is_init() {
        init::after_panic();
    }
    syscall::exit(101)
}

/// Debug builds of dependencies name it; nothing unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// The words of the stack that are addresses of code. Some of them may be left
/// over from calls that have returned.
struct Callers;

impl fmt::Display for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unsafe extern "C" {
            static __executable_start: u8;
            static etext: u8;
        }
        let code = (&raw const __executable_start as usize)..(&raw const etext as usize);
        let here = 0usize;
        let mut at = &raw const here as usize;
        let end = STACK_TOP.load(Ordering::Relaxed).min(at + DEPTH_BYTES);
        let mut printed = 0;
        while at < end && printed < ADDRESSES_MAX {
            // SAFETY: `at` is aligned as `here` is, and lies between this frame
            // and the stack pointer at the entry.
            let word = unsafe { *(at as *const usize) };
            if code.contains(&word) {
                f.write_str(" 0x")?;
                write_number(f, word as u64, 16, 1)?;
                printed += 1;
            }
            at += size_of::<usize>();
        }
        Ok(())
    }
}
