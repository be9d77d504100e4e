//! From the kernel's hand to the command line: argc, argv and the environment,
//! and what a panic does.
//!
//! # Safety
//!
//! [`main`] may assume that its argument is the stack pointer of a fresh
//! process, as the kernel lays it out: argc, argv, a zero, the environment, a
//! zero, the auxiliary vector.
#![allow(unsafe_code)]

use core::panic::PanicInfo;

use super::syscall;

/// Called by `_start` with the initial stack pointer.
///
/// # Safety
/// `stack` is the stack pointer at the process's entry.
pub unsafe extern "C" fn main(stack: *const usize) -> ! {
    // SAFETY: the kernel puts argc at the stack pointer.
    let argc = unsafe { *stack };
    // SAFETY: argv follows argc, and the environment argv's closing zero.
    let envp = unsafe { stack.add(1 + argc + 1) };
    // SAFETY: the environment is followed by the auxiliary vector, as rustix
    // needs it, and nothing of rustix has run before.
    unsafe { rustix::param::init(envp as *mut *mut u8) };
    syscall::exit(0)
}

/// A broken invariant: the process ends, and the lease takes the addresses.
#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let _ = info;
    syscall::exit(101)
}

/// Debug builds of dependencies name it; nothing unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
