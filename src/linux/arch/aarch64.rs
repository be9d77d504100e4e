//! aarch64: AAPCS64, `svc 0`.
//!
//! # Safety
//!
//! `_start` is entered by the kernel with `argc` at the stack pointer and never
//! by Rust code. `syscall6` clobbers x0 and memory, as the kernel does.

use core::arch::{asm, naked_asm};

pub use super::alike::*;
pub use super::generic as number;

/// What seccomp(2) calls this processor: EM_AARCH64, 64 bits, little-endian.
pub const AUDIT_ARCH: u32 = 0xc000_00b7;

/// The entry of the process.
///
/// # Safety
/// Only the kernel calls it.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "mov x29, #0",
        "mov x30, #0",
        "mov x0, sp",
        "and sp, x0, #-16",
        "bl {main}",
        "brk #1",
        main = sym crate::linux::start::main,
    )
}

/// A system call; a negative result is an error number.
///
/// # Safety
/// The arguments must be what the kernel's documentation of call `number` asks.
#[inline]
pub unsafe fn syscall6(
    number: usize,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> isize {
    let result;
    // SAFETY: the kernel preserves every register but x0, which is declared;
    // memory is not declared untouched.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a as isize => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    result
}

/// The compiler's helpers for atomics name libc's getauxval(3) in a constructor
/// that nobody runs here; what it says is that no processor feature is known.
#[unsafe(no_mangle)]
extern "C" fn getauxval(_: usize) -> usize {
    0
}
