//! System calls that rustix does not offer, one function each, without policy.
//!
//! # Safety
//!
//! Each function makes its pointers from references or owned descriptors, so
//! what the kernel is handed lives through the call. [`fork`] is sound because
//! the process has one thread, no libc and no heap: the copy finds every
//! structure as its only thread left it.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_int};
use core::ptr;

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};
use rustix::time::{ClockId, Timespec};

use super::arch::{SIG_SETMASK, SIGNAL_SET_SIZE, number, syscall6};
use super::socket::{Instruction, Program};

/// A set of signals as the kernel has it: bit `n - 1` is signal `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// With room for as many signals as any processor has.
    fn whole(self) -> [u64; 2] {
        [self.0, 0]
    }
}

/// The result of a call, or its error number.
pub fn result(returned: isize) -> Result<usize, Errno> {
    match usize::try_from(returned) {
        Ok(value) => Ok(value),
        Err(_) => Err(Errno::from_raw_os_error(-(returned as i32))),
    }
}

/// exit_group(2)—Ends the process.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: the call takes no pointer and does not return.
        unsafe { syscall6(number::EXIT_GROUP, code as usize, 0, 0, 0, 0, 0) };
    }
}

/// clock_gettime(2), by the system call: on the vDSO's way it would take 3 KB of
/// code that reads ELF tables, to save a tenth of a microsecond a turn.
pub fn clock_gettime(clock: ClockId) -> Timespec {
    let mut time = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one timespec. It refuses no clock of this enum
    // that any supported kernel has.
    unsafe {
        syscall6(
            number::CLOCK_GETTIME,
            clock as usize,
            (&raw mut time) as usize,
            0,
            0,
            0,
            0,
        )
    };
    time
}

/// Where a fork continues.
pub enum Fork {
    /// In the copy.
    Child,
    /// In the caller; the descriptor becomes readable when the child has ended.
    Parent(Pid, OwnedFd),
}

const SIGCHLD: usize = Signal::CHILD.as_raw() as usize;

/// clone(SIGCHLD) and pidfd_open(2)—Copies the process.
///
/// Of clone's other arguments, whose order differs between processors, none is
/// used.
pub fn fork() -> Result<Fork, Errno> {
    // SAFETY: without CLONE_VM the copy has its own stack at the same address,
    // so no stack pointer is given, and no memory is named.
    forked(unsafe { syscall6(number::CLONE, SIGCHLD, 0, 0, 0, 0, 0) })
}

/// clone3(CLONE_INTO_CGROUP): the same, and the copy begins in this cgroup. Fails
/// before Linux 5.7.
pub fn fork_into(group: BorrowedFd<'_>) -> Result<Fork, Errno> {
    const CLONE3: usize = if cfg!(target_arch = "mips") {
        4435
    } else {
        435
    };
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls,
    // set_tid, set_tid_size, cgroup
    let mut arguments = [0_u64; 11];
    arguments[0] = CLONE_INTO_CGROUP;
    arguments[4] = SIGCHLD as u64;
    arguments[10] = group.as_raw_fd().unsigned_abs().into();
    // SAFETY: as in `fork`; the kernel reads the arguments, which live through
    // the call, and writes nowhere.
    forked(unsafe {
        let (arguments, size) = (arguments.as_ptr() as usize, size_of_val(&arguments));
        syscall6(CLONE3, arguments, size, 0, 0, 0, 0)
    })
}

/// Either side of a clone.
fn forked(returned: isize) -> Result<Fork, Errno> {
    let Some(pid) = Pid::from_raw(result(returned)? as i32) else {
        return Ok(Fork::Child);
    };
    // Nobody else collects it, so the number is still its own.
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Fork::Parent(pid, pidfd)),
        Err(errno) => {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
            Err(errno)
        }
    }
}

/// A list of C strings that ends with a null pointer, as execve(2) takes it.
pub struct CStrings<'a, const N: usize> {
    pointers: [*const u8; N],
    length: usize,
    strings: core::marker::PhantomData<&'a CStr>,
}

impl<'a, const N: usize> CStrings<'a, N> {
    /// The empty list.
    pub const fn new() -> CStrings<'a, N> {
        CStrings {
            pointers: [ptr::null(); N],
            length: 0,
            strings: core::marker::PhantomData,
        }
    }

    /// Appends a string; false when the list is full.
    pub fn push(&mut self, string: &'a CStr) -> bool {
        if self.length + 1 >= N {
            return false;
        }
        self.pointers[self.length] = string.as_ptr().cast();
        self.length += 1;
        true
    }
}

/// sched_setscheduler(2)—How this process gets its turns.
pub fn set_scheduler(policy: c_int, priority: c_int) -> Result<(), Errno> {
    let (policy, parameter) = (policy as usize, &raw const priority as usize);
    // SAFETY: a `struct sched_param` is one integer, which lives through the
    // call; 0 is the caller.
    result(unsafe { syscall6(number::SCHED_SETSCHEDULER, 0, policy, parameter, 0, 0, 0) })?;
    Ok(())
}

/// seccomp(SECCOMP_SET_MODE_FILTER)—From here on the kernel asks this program
/// about each call. It is not slowed down against speculation, which is for
/// programs that run code of others.
pub fn seccomp(program: &[Instruction]) -> Result<(), Errno> {
    const SET_MODE_FILTER: usize = 1;
    const SPEC_ALLOW: usize = 4;
    let program = Program::of(program);
    let pointer = &raw const program as usize;
    // SAFETY: the kernel reads the program and the instructions that it points
    // to, which live through the call.
    result(unsafe {
        syscall6(
            number::SECCOMP,
            SET_MODE_FILTER,
            SPEC_ALLOW,
            pointer,
            0,
            0,
            0,
        )
    })?;
    Ok(())
}

/// execve(2)—Becomes another program; returns only when that failed.
pub fn execve<const N: usize, const M: usize>(
    path: &CStr,
    arguments: &CStrings<'_, N>,
    environment: &CStrings<'_, M>,
) -> Errno {
    // SAFETY: the path and both lists end as the call asks, since the last slot
    // of a list is never filled, and all strings outlive the borrow.
    let returned = unsafe {
        syscall6(
            number::EXECVE,
            path.as_ptr() as usize,
            arguments.pointers.as_ptr() as usize,
            environment.pointers.as_ptr() as usize,
            0,
            0,
            0,
        )
    };
    result(returned).err().unwrap_or(Errno::INVAL)
}

/// close_range(2)—Closes the descriptors from `first` to `last`. Fails before
/// Linux 5.9.
pub fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: the callers are forked children that use none of these
    // descriptors again.
    let returned = unsafe {
        syscall6(
            number::CLOSE_RANGE,
            first as usize,
            last as usize,
            0,
            0,
            0,
            0,
        )
    };
    result(returned).map(|_| ())
}

/// close(2) by number, for kernels without [`close_range`].
pub fn close(descriptor: i32) {
    // SAFETY: as for `close_range`.
    unsafe { rustix::io::close(descriptor) };
}

/// rt_sigprocmask(SIG_SETMASK)—Blocks exactly these signals.
pub fn set_signal_mask(blocked: SignalSet) {
    let set = blocked.whole();
    // SAFETY: the set lives through the call, and no old set is asked for.
    let returned = unsafe {
        syscall6(
            number::RT_SIGPROCMASK,
            SIG_SETMASK,
            (&raw const set) as usize,
            0,
            SIGNAL_SET_SIZE,
            0,
            0,
        )
    };
    debug_assert!(returned == 0);
}

/// rt_sigaction(2)—Gives every signal its default action.
pub fn reset_signal_actions() {
    const SIGNALS: usize = 8 * SIGNAL_SET_SIZE;
    // Handler, flags, restorer and mask, all zero: SIG_DFL on every processor.
    let action = [0_u64; 4];
    for signal in 1..=SIGNALS {
        // SAFETY: the action lives through the call and names no handler;
        // SIGKILL and SIGSTOP are refused, which changes nothing.
        unsafe {
            syscall6(
                number::RT_SIGACTION,
                signal,
                (&raw const action) as usize,
                0,
                SIGNAL_SET_SIZE,
                0,
                0,
            )
        };
    }
}

/// signalfd4(2)—A descriptor that these signals are read from.
pub fn signalfd(signals: SignalSet) -> Result<OwnedFd, Errno> {
    const SFD_CLOEXEC_NONBLOCK: usize = OFlags::CLOEXEC.union(OFlags::NONBLOCK).bits() as usize;
    let set = signals.whole();
    // SAFETY: the set lives through the call.
    let returned = unsafe {
        syscall6(
            number::SIGNALFD4,
            usize::MAX,
            (&raw const set) as usize,
            SIGNAL_SET_SIZE,
            SFD_CLOEXEC_NONBLOCK,
            0,
            0,
        )
    };
    let descriptor = result(returned)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as i32) })
}

/// waitid(P_ALL, WEXITED | WNOHANG | WNOWAIT)—The id of some child that has
/// ended and still waits to be collected.
pub fn ended_child() -> Option<Pid> {
    const P_ALL: usize = 0;
    const WNOHANG_WEXITED_WNOWAIT: usize = 1 | 4 | 0x0100_0000;
    // siginfo_t: 128 bytes; the child's id is behind three 32-bit words, and
    // aligned like a pointer.
    let mut info = [0_i32; 32];
    const SI_PID: usize = 12_usize.next_multiple_of(size_of::<usize>()) / 4;
    // SAFETY: the kernel writes one siginfo_t of 128 bytes.
    let returned = unsafe {
        syscall6(
            number::WAITID,
            P_ALL,
            0,
            (&raw mut info) as usize,
            WNOHANG_WEXITED_WNOWAIT,
            0,
            0,
        )
    };
    result(returned).ok()?;
    Pid::from_raw(info[SI_PID])
}
