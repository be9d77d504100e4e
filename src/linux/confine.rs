//! What a worker leaves behind before it looks at the first byte of a stranger:
//! user, capabilities, the way to new privileges, and every system call that
//! its loop does not make. None of it comes back.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, geteuid, getppid, set_parent_process_death_signal};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set,
    set_capabilities, set_keep_capabilities, set_no_new_privs,
};
use smena::say::{Level, Plain};

use super::arch::{AUDIT_ARCH, number as call};
use super::failure::log_refusal;
use super::socket::Instruction;
use super::syscall;
use super::user::User;

/// Who a worker is when the keeper is root. The same number is nobody
/// everywhere, so no file is asked; script_user may be a user with rights.
const NOBODY: User = User::of(65_534);

/// The system calls of a worker, the frequent ones first: where the kernel
/// keeps no table of them they are looked for in this order.
const ALLOWED: [usize; 26] = [
    // A turn of the loop: what happened, and the time.
    call::EPOLL_CREATE1,
    call::EPOLL_PWAIT,
    call::CLOCK_GETTIME,
    // Bytes from one side to the other, with and without a copy.
    call::RECVFROM,
    call::SENDTO,
    call::SPLICE,
    call::READ,
    call::WRITE,
    // Datagrams, with the address that was asked, many at once.
    call::RECVMMSG,
    call::SENDMMSG,
    // A client comes in, a server is asked; `socket` is below.
    call::ACCEPT4,
    call::CONNECT,
    call::EPOLL_CTL,
    call::SETSOCKOPT,
    call::SHUTDOWN,
    call::CLOSE,
    // `source = client` speaks from the client's address.
    call::BIND,
    // Why a connection failed, and which address a client asked for.
    call::GETSOCKOPT,
    call::GETSOCKNAME,
    call::GETPEERNAME,
    // A pipe for the bytes that are spliced, and its size.
    call::PIPE2,
    call::FCNTL,
    // The logger looks whether there is room for a line, and names itself.
    call::PPOLL,
    call::GETPID,
    // The kernel's own, when a wait was interrupted by a stop and went on.
    call::RESTART_SYSCALL,
    call::EXIT_GROUP,
];

/// Leaves everything behind; with `transparent` all but the right to speak from
/// an address that is not its own. What the system does not let go of is told,
/// and the rest goes.
///
/// Whoever forked it must still be `keeper`; it does not outlive that process.
pub fn leave(transparent: bool, keeper: Pid) -> Result<(), Errno> {
    let told = |what: &'static str, left: Result<(), Errno>| {
        if let Err(errno) = left {
            let what = Plain(what);
            let what = format_args!("a worker keeps more rights than it needs: {what}");
            log_refusal(Level::Warn, what, errno);
        }
    };
    let kept = match transparent {
        true => CapabilitySet::NET_RAW,
        false => CapabilitySet::empty(),
    };
    // The kernel refuses the first number that it does not know, or all of them
    // to a keeper that is not root; there is no way back to any of them anyway.
    let mut set = (0..64).map(|number| CapabilitySet::from_bits_retain(1 << number));
    while set
        .next()
        .is_some_and(|one| remove_capability_from_bounding_set(one).is_ok())
    {}
    told("user", become_nobody());
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    told("capabilities", set_capabilities(None, sets));
    // The kernel forgets it at a change of user.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(keeper) {
        syscall::exit(0);
    }
    told("no_new_privs", set_no_new_privs(true));
    told("seccomp", filter_calls());
    Ok(())
}

/// Of root becomes nobody, if it may and the keeper may then still end it.
fn become_nobody() -> Result<(), Errno> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::KILL;
    if !capabilities(None)?.effective.contains(needed) {
        return Err(Errno::PERM);
    }
    // What is not kept now is gone with the user, and the rest is dropped next.
    set_keep_capabilities(true)?;
    NOBODY.become_it()
}

/// From here on any other system call ends the process.
fn filter_calls() -> Result<(), Errno> {
    const KILL: Instruction = step(RETURN, 0x8000_0000);
    const ALLOW: Instruction = step(RETURN, 0x7fff_0000);
    /// Offsets in `struct seccomp_data`; of an argument its lower half.
    const NUMBER: u32 = 0;
    const MACHINE: u32 = 4;
    const FAMILY: u32 = 16 + LOWER;
    const KIND: u32 = 24 + LOWER;
    const LOWER: u32 = if cfg!(target_endian = "little") { 0 } else { 4 };
    let mut program =
        heapless::Vec::<Instruction, { 2 * (ALLOWED.len() + call::MORE.len()) + 16 }>::new();
    let mut add = |steps: &[Instruction]| {
        let fits = program.extend_from_slice(steps).is_ok();
        assert!(fits);
    };
    add(&[
        step(LOAD, MACHINE),
        equal(AUDIT_ARCH, 1, 0),
        KILL,
        step(LOAD, NUMBER),
    ]);
    for number in ALLOWED.iter().chain(&call::MORE) {
        add(&[equal(*number as u32, 0, 1), ALLOW]);
    }
    // Streams and datagrams of the Internet, and nothing else: a raw socket
    // would be more than `source = client` needs.
    add(&[
        equal(call::SOCKET as u32, 1, 0),
        KILL,
        step(LOAD, FAMILY),
        equal(2, 2, 0),
        equal(10, 1, 0),
        KILL,
        step(LOAD, KIND),
        step(AND, 0xf),
        equal(1, 2, 0),
        equal(2, 1, 0),
        KILL,
        ALLOW,
    ]);
    syscall::seccomp(&program)
}

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

const fn step(code: u16, operand: u32) -> Instruction {
    Instruction {
        code,
        jump_true: 0,
        jump_false: 0,
        operand,
    }
}

/// Skip so many steps when what was loaded is equal, and when it is not.
const fn equal(to: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction {
        code: 0x15,
        jump_true,
        jump_false,
        operand: to,
    }
}
