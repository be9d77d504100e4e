//! What the relay asks of a socket and std does not offer.

use std::ffi::{c_int, c_uint, c_void};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};

use rustix::fd::{AsRawFd as _, BorrowedFd, FromRawFd, OwnedFd};

unsafe extern "C" {
    fn getsockopt(
        fd: c_int,
        level: c_int,
        name: c_int,
        value: *mut c_void,
        length: *mut c_uint,
    ) -> c_int;
    fn setsockopt(
        fd: c_int,
        level: c_int,
        name: c_int,
        value: *const c_void,
        length: c_uint,
    ) -> c_int;
}

const SOL_SOCKET: c_int = 1;

/// As its namesake in the binary.
pub fn send_space(fd: BorrowedFd<'_>) -> usize {
    const SO_MEMINFO: c_int = 55;
    let mut words = [0_u32; 9];
    let mut length = size_of_val(&words) as c_uint;
    let pointer = words.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `length` bytes to `words`.
    unsafe { getsockopt(fd.as_raw_fd(), SOL_SOCKET, SO_MEMINFO, pointer, &mut length) };
    words[3].saturating_sub(words[5]) as usize
}

/// A socket as the relay knows it.
pub fn owned(stream: TcpStream) -> OwnedFd {
    // SAFETY: the stream has just let go of it.
    unsafe { OwnedFd::from_raw_fd(stream.into_raw_fd()) }
}

/// How much a socket takes in each direction, about.
pub fn set_buffers(socket: &impl AsFd, bytes: i32) {
    const SO_SNDBUF: c_int = 7;
    const SO_RCVBUF: c_int = 8;
    for name in [SO_SNDBUF, SO_RCVBUF] {
        let fd = socket.as_fd().as_raw_fd();
        // SAFETY: the kernel reads four bytes of `bytes`.
        unsafe { setsockopt(fd, SOL_SOCKET, name, (&raw const bytes).cast(), 4) };
    }
}
