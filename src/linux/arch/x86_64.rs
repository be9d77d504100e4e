//! x86_64: System V ABI, `syscall` instruction.
//!
//! # Safety
//!
//! `_start` is entered by the kernel with `argc` at the stack pointer and never
//! by Rust code. `syscall6` clobbers rcx, r11 and memory, as the kernel does.

use core::arch::{asm, naked_asm};

pub use super::alike::*;

/// What seccomp(2) calls this processor: EM_X86_64, 64 bits, little-endian.
pub const AUDIT_ARCH: u32 = 0xc000_003e;

/// The entry of the process.
///
/// # Safety
/// Only the kernel calls it.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "xor ebp, ebp",
        "mov rdi, rsp",
        "and rsp, -16",
        "call {main}",
        "ud2",
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
    // SAFETY: the kernel preserves every register but rax, rcx and r11, which
    // are declared; memory is not declared untouched.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Numbers of the system calls that rustix does not offer.
pub mod number {
    /// clone(2).
    pub const CLONE: usize = 56;
    /// execve(2).
    pub const EXECVE: usize = 59;
    /// rt_sigaction(2).
    pub const RT_SIGACTION: usize = 13;
    /// rt_sigprocmask(2).
    pub const RT_SIGPROCMASK: usize = 14;
    /// signalfd4(2).
    pub const SIGNALFD4: usize = 289;
    /// exit_group(2).
    pub const EXIT_GROUP: usize = 231;
    /// setsockopt(2).
    pub const SETSOCKOPT: usize = 54;
    /// bind(2).
    pub const BIND: usize = 49;
    pub const GETSOCKNAME: usize = 51;
    pub const GETPEERNAME: usize = 52;
    /// sendto(2).
    pub const SENDTO: usize = 44;
    /// recvfrom(2).
    pub const RECVFROM: usize = 45;
    /// sched_setscheduler(2).
    pub const SCHED_SETSCHEDULER: usize = 144;
    /// waitid(2).
    pub const WAITID: usize = 247;
    /// close_range(2).
    pub const CLOSE_RANGE: usize = 436;
    /// clock_gettime(2).
    pub const CLOCK_GETTIME: usize = 228;
    // What a worker may call, and the call that sees to it.
    pub const EPOLL_PWAIT: usize = 281;
    pub const SPLICE: usize = 275;
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const RECVMMSG: usize = 299;
    pub const SENDMMSG: usize = 307;
    pub const ACCEPT4: usize = 288;
    pub const CONNECT: usize = 42;
    pub const EPOLL_CTL: usize = 233;
    pub const SHUTDOWN: usize = 48;
    pub const CLOSE: usize = 3;
    pub const GETSOCKOPT: usize = 55;
    pub const PIPE2: usize = 293;
    pub const FCNTL: usize = 72;
    pub const EPOLL_CREATE1: usize = 291;
    pub const PPOLL: usize = 271;
    pub const GETPID: usize = 39;
    pub const RESTART_SYSCALL: usize = 219;
    pub const SOCKET: usize = 41;
    pub const SECCOMP: usize = 317;
    // Nothing has two names.
    pub const MORE: [usize; 0] = [];
}
