//! armv7: the EABI, `svc 0`.
//!
//! # Safety
//!
//! `_start` is entered by the kernel with `argc` at the stack pointer and never
//! by Rust code. `syscall6` clobbers r0 and memory, as the kernel does.

use core::arch::{asm, naked_asm};

pub use super::alike::*;

/// What seccomp(2) calls this processor: EM_ARM, little-endian.
pub const AUDIT_ARCH: u32 = 0x4000_0028;

/// The entry of the process.
///
/// # Safety
/// Only the kernel calls it.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "mov r11, #0",
        "mov lr, #0",
        "mov r0, sp",
        "bic sp, sp, #7",
        "bl {main}",
        "udf #0",
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
    // SAFETY: the kernel preserves every register but r0, which is declared;
    // memory is not declared untouched.
    unsafe {
        asm!(
            "svc 0",
            in("r7") number,
            inlateout("r0") a as isize => result,
            in("r1") b, in("r2") c, in("r3") d, in("r4") e, in("r5") f,
            options(nostack),
        );
    }
    result
}

/// Tables for unwinding name it; nothing unwinds.
#[unsafe(no_mangle)]
extern "C" fn __aeabi_unwind_cpp_pr0() {}

/// As above.
#[unsafe(no_mangle)]
extern "C" fn __aeabi_unwind_cpp_pr1() {}

/// Numbers of the system calls that rustix does not offer.
pub mod number {
    /// clone(2).
    pub const CLONE: usize = 120;
    /// execve(2).
    pub const EXECVE: usize = 11;
    /// rt_sigaction(2).
    pub const RT_SIGACTION: usize = 174;
    /// rt_sigprocmask(2).
    pub const RT_SIGPROCMASK: usize = 175;
    /// signalfd4(2).
    pub const SIGNALFD4: usize = 355;
    /// exit_group(2).
    pub const EXIT_GROUP: usize = 248;
    /// setsockopt(2).
    pub const SETSOCKOPT: usize = 294;
    /// bind(2).
    pub const BIND: usize = 282;
    /// getsockname(2).
    pub const GETSOCKNAME: usize = 286;
    /// getpeername(2).
    pub const GETPEERNAME: usize = 287;
    /// sendto(2).
    pub const SENDTO: usize = 290;
    /// recvfrom(2).
    pub const RECVFROM: usize = 292;
    /// sched_setscheduler(2).
    pub const SCHED_SETSCHEDULER: usize = 156;
    /// waitid(2).
    pub const WAITID: usize = 280;
    /// close_range(2).
    pub const CLOSE_RANGE: usize = 436;
    /// clock_gettime64(2): times of 64 bits, since Linux 5.1.
    pub const CLOCK_GETTIME: usize = 403;
    // What a worker may call, and the call that sees to it.
    pub const EPOLL_PWAIT: usize = 346;
    pub const SPLICE: usize = 340;
    pub const READ: usize = 3;
    pub const WRITE: usize = 4;
    pub const RECVMMSG: usize = 365;
    pub const SENDMMSG: usize = 374;
    pub const ACCEPT4: usize = 366;
    pub const CONNECT: usize = 283;
    pub const EPOLL_CTL: usize = 251;
    pub const SHUTDOWN: usize = 293;
    pub const CLOSE: usize = 6;
    pub const GETSOCKOPT: usize = 295;
    pub const PIPE2: usize = 359;
    /// fcntl64(2).
    pub const FCNTL: usize = 221;
    pub const EPOLL_CREATE1: usize = 357;
    pub const PPOLL: usize = 336;
    pub const GETPID: usize = 20;
    pub const RESTART_SYSCALL: usize = 0;
    pub const SOCKET: usize = 281;
    pub const SECCOMP: usize = 383;
    // send(2) and recv(2), which others make of sendto and recvfrom.
    pub const MORE: [usize; 2] = [289, 291];
}
