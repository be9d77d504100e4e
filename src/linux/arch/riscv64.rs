//! riscv64: the LP64 calling convention, `ecall`.
//!
//! # Safety
//!
//! `_start` is entered by the kernel with `argc` at the stack pointer and never
//! by Rust code. `syscall6` clobbers a0 and memory, as the kernel does.

use core::arch::{asm, naked_asm};

pub use super::alike::*;
pub use super::generic as number;

/// What seccomp(2) calls this processor: EM_RISCV, 64 bits, little-endian.
pub const AUDIT_ARCH: u32 = 0xc000_00f3;

/// The entry of the process. The linker has made accesses shorter that are near
/// `__global_pointer$`, all but the one that finds it.
///
/// # Safety
/// Only the kernel calls it.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        ".option push",
        ".option norelax",
        "lla gp, __global_pointer$",
        ".option pop",
        "mv a0, sp",
        "andi sp, sp, -16",
        "call {main}",
        "ebreak",
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
    // SAFETY: the kernel preserves every register of the base set but a0, which
    // is declared, and nothing here uses vectors; memory is not declared untouched.
    unsafe {
        asm!(
            "ecall",
            in("a7") number,
            inlateout("a0") a as isize => result,
            in("a1") b, in("a2") c, in("a3") d, in("a4") e, in("a5") f,
            options(nostack),
        );
    }
    result
}
