//! System calls on sockets that rustix does not offer: addresses and options of
//! families it does not know. One function each, without policy, none of which
//! waits.
//!
//! # Safety
//!
//! Each function makes its pointers from references and borrowed descriptors,
//! so what the kernel is handed lives through the call.
#![allow(unsafe_code)]

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::arch::option::SOL_SOCKET;
use super::arch::{number, syscall6};
use super::syscall::result;

/// setsockopt(2).
pub fn setsockopt(
    fd: BorrowedFd<'_>,
    level: usize,
    name: usize,
    value: &[u8],
) -> Result<(), Errno> {
    let fd = fd.as_raw_fd() as usize;
    let pointer = value.as_ptr() as usize;
    // SAFETY: the kernel reads `value.len()` bytes of `value`; options whose
    // value holds a pointer have their own function.
    result(unsafe { syscall6(number::SETSOCKOPT, fd, level, name, pointer, value.len(), 0) })?;
    Ok(())
}

/// getsockopt(SO_MEMINFO): bytes that a stream socket takes before it is full,
/// those for the kernel's own records included.
pub fn send_space(fd: BorrowedFd<'_>) -> usize {
    const SNDBUF: usize = 3;
    const WMEM_QUEUED: usize = 5;
    let words = words_of(fd, (SOL_SOCKET, 55));
    words[SNDBUF].saturating_sub(words[WMEM_QUEUED]) as usize
}

/// getsockopt(TCP_INFO): connections that wait at a listener to be accepted.
pub fn queue_length(fd: BorrowedFd<'_>) -> u32 {
    const UNACKED: usize = 6;
    const LISTEN: u8 = 10;
    let words = words_of(fd, (6, 11));
    // Its state comes first. Of others the word is a number of segments.
    match words[0].to_ne_bytes()[0] {
        LISTEN => words[UNACKED],
        _ => 0,
    }
}

/// getsockopt(2): the first words of an option that has some; 0 where it has none.
fn words_of(fd: BorrowedFd<'_>, (level, name): (usize, usize)) -> [u32; 9] {
    let mut words = [0_u32; 9];
    let mut length = size_of_val(&words) as u32;
    let (fd, pointer) = (fd.as_raw_fd() as usize, words.as_mut_ptr() as usize);
    let length = (&raw mut length) as usize;
    // SAFETY: the kernel writes at most `length` bytes to `words`, and how many
    // there are to `length`.
    unsafe { syscall6(number::GETSOCKOPT, fd, level, name, pointer, length, 0) };
    words
}

/// One instruction of a classic BPF program (`struct sock_filter`).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// Instructions to skip when a test holds.
    pub jump_true: u8,
    /// Instructions to skip when it does not.
    pub jump_false: u8,
    /// Its operand.
    pub operand: u32,
}

/// Such a program as the kernel takes it (`struct sock_fprog`).
#[repr(C)]
pub struct Program<'p> {
    length: u16,
    instructions: *const Instruction,
    lives: core::marker::PhantomData<&'p [Instruction]>,
}

impl<'p> Program<'p> {
    /// These instructions.
    pub fn of(instructions: &'p [Instruction]) -> Program<'p> {
        Program {
            length: instructions.len() as u16,
            instructions: instructions.as_ptr(),
            lives: core::marker::PhantomData,
        }
    }
}

/// setsockopt(SO_ATTACH_FILTER): the kernel checks the program.
pub fn attach_filter(fd: BorrowedFd<'_>, program: &[Instruction]) -> Result<(), Errno> {
    const SO_ATTACH_FILTER: usize = 26;
    let program = Program::of(program);
    let fd = fd.as_raw_fd() as usize;
    let pointer = &raw const program as usize;
    let length = size_of::<Program<'_>>();
    // SAFETY: `program` and the instructions it points to live through the
    // call, and its length is theirs.
    let answer = unsafe {
        syscall6(
            number::SETSOCKOPT,
            fd,
            SOL_SOCKET,
            SO_ATTACH_FILTER,
            pointer,
            length,
            0,
        )
    };
    result(answer)?;
    Ok(())
}

/// getsockname(2) and getpeername(2)—Whether a connection to this port has one
/// end only.
pub fn connected_to_itself(fd: BorrowedFd<'_>, port: u16) -> bool {
    let mut names = [[0_u8; 28]; 2];
    for (name, number) in names
        .iter_mut()
        .zip([number::GETSOCKNAME, number::GETPEERNAME])
    {
        let mut length = name.len() as u32;
        let (fd, pointer) = (fd.as_raw_fd() as usize, name.as_mut_ptr() as usize);
        // SAFETY: the kernel writes at most `length` bytes to `name`, and how
        // many there are to `length`.
        unsafe { syscall6(number, fd, pointer, (&raw mut length) as usize, 0, 0, 0) };
        // In both families it stands behind the family.
        if name[2..4] != port.to_be_bytes() {
            return false;
        }
    }
    names[0] == names[1]
}

/// bind(2) to an address that rustix does not know.
pub fn bind(fd: BorrowedFd<'_>, address: &[u8]) -> Result<(), Errno> {
    let fd = fd.as_raw_fd() as usize;
    let pointer = address.as_ptr() as usize;
    // SAFETY: the kernel reads `address.len()` bytes of `address`.
    result(unsafe { syscall6(number::BIND, fd, pointer, address.len(), 0, 0, 0) })?;
    Ok(())
}

/// sendto(2) to an address that rustix does not know; never waits.
pub fn sendto(fd: BorrowedFd<'_>, bytes: &[u8], address: &[u8]) -> Result<usize, Errno> {
    let flags = (SendFlags::DONTWAIT | SendFlags::NOSIGNAL).bits() as usize;
    let (pointer, length) = (bytes.as_ptr() as usize, bytes.len());
    let (to, to_length) = (address.as_ptr() as usize, address.len());
    let fd = fd.as_raw_fd() as usize;
    // SAFETY: the kernel reads `length` bytes of `bytes` and `to_length` of
    // `address`, which is what those have.
    result(unsafe { syscall6(number::SENDTO, fd, pointer, length, flags, to, to_length) })
}

/// recvfrom(2) with the sender's address as bytes; never waits. The length is
/// that of the datagram, more than the buffer's when it was cut.
pub fn recvfrom(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    sender: &mut [u8; 20],
) -> Result<usize, Errno> {
    let flags = (RecvFlags::DONTWAIT | RecvFlags::TRUNC).bits() as usize;
    let mut sender_length = sender.len() as u32;
    let (pointer, length) = (buffer.as_mut_ptr() as usize, buffer.len());
    let from = sender.as_mut_ptr() as usize;
    let from_length = &raw mut sender_length as usize;
    let fd = fd.as_raw_fd() as usize;
    // SAFETY: the kernel writes at most `length` bytes to `buffer`, at most
    // `sender_length` to `sender`, and the address's length to `sender_length`.
    result(unsafe {
        syscall6(
            number::RECVFROM,
            fd,
            pointer,
            length,
            flags,
            from,
            from_length,
        )
    })
}
