//! mipsel: the O32 calling convention, `syscall`. MIPS numbers much in its own way.
//!
//! # Safety
//!
//! `_start` is entered by the kernel with `argc` at the stack pointer and never
//! by Rust code. `syscall6` clobbers $2, $3, $7 to $15, $24, $25, hi, lo and memory.

use core::arch::{asm, global_asm, naked_asm};

// The kernel does not give $1 back, the compiler keeps values in it, and neither
// does it know that inline assembly may change it nor can it be told: so the
// instruction itself saves it, here and in rustix, wherever all of the program is
// assembled as one (`lto = "fat"`). Below the stack pointer nobody writes, since
// there are no signal handlers.
global_asm!(
    ".macro syscall",
    ".set push",
    ".set noat",
    "sw $1, -4($sp)",
    ".word 0x0000000c",
    "lw $1, -4($sp)",
    ".set pop",
    ".endm",
);

/// What seccomp(2) calls this processor: EM_MIPS, little-endian.
pub const AUDIT_ARCH: u32 = 0x4000_0008;

/// Bytes of a set of signals, of which there are 128 here.
pub const SIGNAL_SET_SIZE: usize = 16;
/// rt_sigprocmask(2): exactly these.
pub const SIG_SETMASK: usize = 3;

/// Level and names of the options of a socket.
pub mod option {
    pub const SOL_SOCKET: usize = 0xffff;
    pub const SO_REUSEADDR: usize = 0x0004;
    pub const SO_KEEPALIVE: usize = 0x0008;
    pub const SO_LINGER: usize = 0x0080;
    pub const SO_REUSEPORT: usize = 0x0200;
    pub const SO_SNDBUF: usize = 0x1001;
    pub const SO_SNDBUFFORCE: usize = 31;
}

/// The entry of the process. A function finds its constants by its own address
/// in $25, and its caller leaves it room for four arguments on the stack.
///
/// # Safety
/// Only the kernel calls it.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        ".set push",
        ".set noreorder",
        ".set noat",
        "move $fp, $zero",
        "move $ra, $zero",
        "move $4, $sp",
        "li $1, -8",
        "and $sp, $sp, $1",
        "lui $25, %hi({main})",
        "addiu $25, $25, %lo({main})",
        "jalr $25",
        "addiu $sp, $sp, -16",
        "break",
        ".set pop",
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
    let result: isize;
    let refused: usize;
    // SAFETY: the fifth and the sixth argument lie on the stack, where the
    // kernel looks for them; the stack pointer is put back, and every register
    // that the kernel does not preserve is declared, as is the use of memory.
    unsafe {
        asm!(
            ".set push",
            ".set noreorder",
            "addiu $sp, $sp, -24",
            "sw $8, 16($sp)",
            "sw $9, 20($sp)",
            "syscall",
            "addiu $sp, $sp, 24",
            ".set pop",
            inlateout("$2") number as isize => result,
            in("$4") a, in("$5") b, in("$6") c,
            inlateout("$7") d => refused,
            inlateout("$8") e => _, inlateout("$9") f => _,
            lateout("$3") _, lateout("$10") _, lateout("$11") _, lateout("$12") _,
            lateout("$13") _, lateout("$14") _, lateout("$15") _,
            lateout("$24") _, lateout("$25") _,
        );
    }
    // The error number is positive, and told apart by a register of its own.
    if refused == 0 { result } else { -result }
}

/// Numbers of the system calls that rustix does not offer.
pub mod number {
    /// clone(2).
    pub const CLONE: usize = 4120;
    /// execve(2).
    pub const EXECVE: usize = 4011;
    /// rt_sigaction(2).
    pub const RT_SIGACTION: usize = 4194;
    /// rt_sigprocmask(2).
    pub const RT_SIGPROCMASK: usize = 4195;
    /// signalfd4(2).
    pub const SIGNALFD4: usize = 4324;
    /// exit_group(2).
    pub const EXIT_GROUP: usize = 4246;
    /// setsockopt(2).
    pub const SETSOCKOPT: usize = 4181;
    /// bind(2).
    pub const BIND: usize = 4169;
    /// getsockname(2).
    pub const GETSOCKNAME: usize = 4172;
    /// getpeername(2).
    pub const GETPEERNAME: usize = 4171;
    /// sendto(2).
    pub const SENDTO: usize = 4180;
    /// recvfrom(2).
    pub const RECVFROM: usize = 4176;
    /// sched_setscheduler(2).
    pub const SCHED_SETSCHEDULER: usize = 4160;
    /// waitid(2).
    pub const WAITID: usize = 4278;
    /// close_range(2).
    pub const CLOSE_RANGE: usize = 4436;
    /// clock_gettime64(2): times of 64 bits, since Linux 5.1.
    pub const CLOCK_GETTIME: usize = 4403;
    // What a worker may call, and the call that sees to it.
    pub const EPOLL_PWAIT: usize = 4313;
    pub const SPLICE: usize = 4304;
    pub const READ: usize = 4003;
    pub const WRITE: usize = 4004;
    pub const RECVMMSG: usize = 4335;
    pub const SENDMMSG: usize = 4343;
    pub const ACCEPT4: usize = 4334;
    pub const CONNECT: usize = 4170;
    pub const EPOLL_CTL: usize = 4249;
    pub const SHUTDOWN: usize = 4182;
    pub const CLOSE: usize = 4006;
    pub const GETSOCKOPT: usize = 4173;
    pub const PIPE2: usize = 4328;
    /// fcntl64(2).
    pub const FCNTL: usize = 4220;
    pub const EPOLL_CREATE1: usize = 4326;
    pub const PPOLL: usize = 4302;
    pub const GETPID: usize = 4020;
    pub const RESTART_SYSCALL: usize = 4253;
    pub const SOCKET: usize = 4183;
    pub const SECCOMP: usize = 4352;
    // send(2) and recv(2), which others make of sendto and recvfrom.
    pub const MORE: [usize; 2] = [4178, 4175];
}
