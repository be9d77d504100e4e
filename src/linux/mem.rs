//! The memory functions that compiled code calls by name and that libc would
//! otherwise bring.
//!
//! x86_64 copies and fills with one string instruction. Every other loop here is
//! hidden from the compiler's idiom recognition, which would turn a copying loop
//! into a call of itself.
//!
//! # Safety
//!
//! The contracts are C's: pointers valid for `n` bytes, and for `memcpy` no
//! overlap. Callers are the compiler's own lowering of safe code.
#![allow(unsafe_code)]

use core::hint::black_box;

/// C's memcpy.
///
/// # Safety
/// `to` and `from` are valid for `n` bytes and do not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    // SAFETY: forward copying is right for any ranges that do not overlap.
    unsafe { copy_forward(to, from, n) };
    to
}

/// C's memmove.
///
/// # Safety
/// `to` and `from` are valid for `n` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= n {
        // SAFETY: `to` is not inside `from..from + n`, so no byte is overwritten
        // before it was read.
        unsafe { copy_forward(to, from, n) };
    } else {
        let mut i = n;
        while i > 0 {
            i -= 1;
            // SAFETY: i < n, and both are valid for n bytes.
            unsafe { *to.add(i) = *from.add(black_box(i)) };
        }
    }
    to
}

/// C's memset.
///
/// # Safety
/// `to` is valid for `n` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, n: usize) -> *mut u8 {
    // SAFETY: `to` is valid for n bytes.
    unsafe { fill(to, byte as u8, n) };
    to
}

/// C's memcmp.
///
/// # Safety
/// `a` and `b` are valid for `n` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    let mut i = 0;
    while i < n {
        // SAFETY: i < n, and both are valid for n bytes.
        let (x, y) = unsafe { (*a.add(black_box(i)), *b.add(i)) };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
        i += 1;
    }
    0
}

/// BSD's bcmp, which the compiler prefers for equality.
///
/// # Safety
/// As [`memcmp`].
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: the same contract.
    unsafe { memcmp(a, b, n) }
}

/// C's strlen.
///
/// # Safety
/// `text` is valid up to and with its first zero byte.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut n = 0;
    // SAFETY: no byte before n was zero, so byte n is still inside the text.
    while unsafe { *text.add(black_box(n)) } != 0 {
        n += 1;
    }
    n
}

/// Copies from the lowest address up.
///
/// # Safety
/// Both are valid for `n` bytes.
#[inline]
#[cfg(target_arch = "x86_64")]
unsafe fn copy_forward(to: *mut u8, from: *const u8, n: usize) {
    // SAFETY: `rep movsb` reads and writes exactly n bytes; the ABI keeps the
    // direction flag clear.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") n => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Sets `n` bytes.
///
/// # Safety
/// `to` is valid for `n` bytes.
#[inline]
#[cfg(target_arch = "x86_64")]
unsafe fn fill(to: *mut u8, byte: u8, n: usize) {
    // SAFETY: `rep stosb` writes exactly n bytes; the direction flag is clear.
    unsafe {
        core::arch::asm!(
            "rep stosb",
            inout("rcx") n => _, inout("rdi") to => _, in("al") byte,
            options(nostack, preserves_flags),
        );
    }
}

/// Copies from the lowest address up.
///
/// # Safety
/// Both are valid for `n` bytes.
#[inline]
#[cfg(not(target_arch = "x86_64"))]
unsafe fn copy_forward(to: *mut u8, from: *const u8, n: usize) {
    let mut i = 0;
    while i < n {
        // SAFETY: i < n, and both are valid for n bytes.
        unsafe { *to.add(i) = *from.add(black_box(i)) };
        i += 1;
    }
}

/// Sets `n` bytes.
///
/// # Safety
/// `to` is valid for `n` bytes.
#[inline]
#[cfg(not(target_arch = "x86_64"))]
unsafe fn fill(to: *mut u8, byte: u8, n: usize) {
    let mut i = 0;
    while i < n {
        // SAFETY: i < n, and `to` is valid for n bytes.
        unsafe { *to.add(black_box(i)) = byte };
        i += 1;
    }
}
