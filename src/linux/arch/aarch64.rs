//! aarch64: AAPCS64, `svc 0`.
//!
//! # Safety
//!
//! `_start` is entered by the kernel with `argc` at the stack pointer and never
//! by Rust code. `syscall6` clobbers x0 and memory, as the kernel does.

use core::arch::{asm, naked_asm};

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

/// Numbers of the system calls that rustix does not offer.
pub mod number {
    /// clone(2).
    pub const CLONE: usize = 220;
    /// execve(2).
    pub const EXECVE: usize = 221;
    /// rt_sigaction(2).
    pub const RT_SIGACTION: usize = 134;
    /// rt_sigprocmask(2).
    pub const RT_SIGPROCMASK: usize = 135;
    /// signalfd4(2).
    pub const SIGNALFD4: usize = 74;
    /// exit_group(2).
    pub const EXIT_GROUP: usize = 94;
    /// setsockopt(2).
    pub const SETSOCKOPT: usize = 208;
    /// bind(2).
    pub const BIND: usize = 200;
    pub const GETSOCKNAME: usize = 204;
    pub const GETPEERNAME: usize = 205;
    /// sendto(2).
    pub const SENDTO: usize = 206;
    /// recvfrom(2).
    pub const RECVFROM: usize = 207;
    /// sched_setscheduler(2).
    pub const SCHED_SETSCHEDULER: usize = 119;
    /// waitid(2).
    pub const WAITID: usize = 95;
    /// close_range(2).
    pub const CLOSE_RANGE: usize = 436;
    /// clock_gettime(2).
    pub const CLOCK_GETTIME: usize = 113;
    // What a worker may call, and the call that sees to it.
    pub const EPOLL_PWAIT: usize = 22;
    pub const SPLICE: usize = 76;
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const RECVMMSG: usize = 243;
    pub const SENDMMSG: usize = 269;
    pub const ACCEPT4: usize = 242;
    pub const CONNECT: usize = 203;
    pub const EPOLL_CTL: usize = 21;
    pub const SHUTDOWN: usize = 210;
    pub const CLOSE: usize = 57;
    pub const GETSOCKOPT: usize = 209;
    pub const PIPE2: usize = 59;
    pub const FCNTL: usize = 25;
    pub const EPOLL_CREATE1: usize = 20;
    pub const PPOLL: usize = 73;
    pub const GETPID: usize = 172;
    pub const RESTART_SYSCALL: usize = 128;
    pub const SOCKET: usize = 198;
    pub const SECCOMP: usize = 277;
}
