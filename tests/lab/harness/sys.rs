//! The few calls into libc that std has no name for.
//!
//! Tests and benchmarks link std and with it libc, so the declarations below
//! cost no dependency. The binary under test has neither.

use std::ffi::{CString, c_char, c_int, c_ulong, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

unsafe extern "C" {
    fn unshare(flags: c_int) -> c_int;
    fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    fn sethostname(name: *const c_char, length: usize) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    #[link_name = "kill"]
    fn libc_kill(pid: c_int, signal: c_int) -> c_int;
    fn sched_setscheduler(pid: c_int, policy: c_int, parameter: *const c_int) -> c_int;
    fn signal(number: c_int, handler: usize) -> usize;
    fn geteuid() -> u32;
    fn getegid() -> u32;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    #[link_name = "bind"]
    fn libc_bind(fd: c_int, address: *const c_void, length: u32) -> c_int;
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, length: u32)
    -> c_int;
    #[link_name = "sendto"]
    fn libc_sendto(
        fd: c_int,
        data: *const c_void,
        length: usize,
        flags: c_int,
        address: *const c_void,
        address_length: u32,
    ) -> isize;
    #[link_name = "recvfrom"]
    fn libc_recvfrom(
        fd: c_int,
        data: *mut c_void,
        length: usize,
        flags: c_int,
        address: *mut c_void,
        address_length: *mut u32,
    ) -> isize;
    fn pipe2(fds: *mut c_int, flags: c_int) -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn prlimit(pid: c_int, resource: c_int, new: *const [u64; 2], old: *mut [u64; 2]) -> c_int;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
}

pub const CLONE_NEWNS: c_int = 0x0002_0000;
pub const CLONE_NEWUTS: c_int = 0x0400_0000;
pub const CLONE_NEWPID: c_int = 0x2000_0000;
pub const CLONE_NEWNET: c_int = 0x4000_0000;

pub const AF_INET: c_int = 2;
pub const AF_INET6: c_int = 10;
pub const AF_NETLINK: c_int = 16;
pub const AF_PACKET: c_int = 17;
pub const SOCK_RAW: c_int = 3;

pub const SIGHUP: i32 = 1;
pub const SIGINT: i32 = 2;
pub const SIGKILL: i32 = 9;
pub const SIGSEGV: i32 = 11;
pub const SIGUSR2: i32 = 12;
pub const SIGTERM: i32 = 15;
pub const SIGCONT: i32 = 18;
pub const SIGSTOP: i32 = 19;
pub const SIGXCPU: i32 = 24;

fn checked(value: c_int) -> io::Result<c_int> {
    if value < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(value)
    }
}

fn c_string(text: &str) -> CString {
    CString::new(text).expect("no NUL in a name of the lab")
}

/// Moves the calling thread, or the future children of it (CLONE_NEWPID), into
/// new namespaces.
pub fn leave(flags: c_int) -> io::Result<()> {
    // SAFETY: unshare takes no pointer.
    checked(unsafe { unshare(flags) }).map(drop)
}

/// Keeps mounts made from here on out of every other mount namespace.
pub fn mounts_private() -> io::Result<()> {
    const MS_REC_PRIVATE: c_ulong = 0x4000 | 0x4_0000;
    raw_mount("none", "/", "none", MS_REC_PRIVATE)
}

/// Mounts a file system that has no device.
pub fn mount_virtual(kind: &str, target: &str) -> io::Result<()> {
    raw_mount(kind, target, kind, 0)
}

fn raw_mount(source: &str, target: &str, kind: &str, flags: c_ulong) -> io::Result<()> {
    let (source, target, kind) = (c_string(source), c_string(target), c_string(kind));
    // SAFETY: the three strings live until the call returns; data may be null.
    checked(unsafe {
        mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags,
            std::ptr::null(),
        )
    })
    .map(drop)
}

/// Names the machine of the calling thread's UTS namespace.
pub fn set_host_name(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length are of one live string.
    checked(unsafe { sethostname(name.as_ptr().cast(), name.len()) }).map(drop)
}

/// The calling process is killed when the thread that forked it ends.
pub fn die_with_parent() -> io::Result<()> {
    const PR_SET_PDEATHSIG: c_int = 1;
    // SAFETY: this option takes one integer.
    checked(unsafe { prctl(PR_SET_PDEATHSIG, SIGKILL as c_ulong) }).map(drop)
}

/// The calling process, and what it executes, lets the kernel reap its children.
pub fn never_wait() {
    const SIGCHLD: c_int = 17;
    const SIG_IGN: usize = 1;
    // SAFETY: ignoring a signal installs no handler.
    unsafe { signal(SIGCHLD, SIG_IGN) };
}

/// The calling thread runs before all ordinary ones.
pub fn run_first() -> io::Result<()> {
    const SCHED_FIFO: c_int = 1;
    let priority: c_int = 10;
    // SAFETY: a struct sched_param is one integer; 0 is the calling thread.
    checked(unsafe { sched_setscheduler(0, SCHED_FIFO, &priority) }).map(drop)
}

/// Whether this machine lets us do so.
pub fn is_permitted_real_time() -> bool {
    std::thread::spawn(|| run_first().is_ok())
        .join()
        .expect("it does nothing else")
}

/// Sends a signal to one process.
pub fn kill(pid: u32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes no pointer.
    checked(unsafe { libc_kill(pid as c_int, signal) }).map(drop)
}

/// Whether the effective user is root.
pub fn is_root() -> bool {
    // SAFETY: geteuid cannot fail and takes nothing.
    unsafe { geteuid() == 0 }
}

/// The effective group of this process.
pub fn group() -> u32 {
    // SAFETY: getegid cannot fail and takes nothing.
    unsafe { getegid() }
}

/// A socket in the network namespace of the calling thread; it stays there
/// whichever thread uses it later.
pub fn open_socket(domain: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    const SOCK_CLOEXEC: c_int = 0o2_000_000;
    // SAFETY: socket takes no pointer.
    let fd = checked(unsafe { socket(domain, kind | SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Binds a socket to an address in the kernel's layout.
pub fn bind(fd: &OwnedFd, address: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length are of one live slice.
    checked(unsafe {
        libc_bind(
            fd.as_raw_fd(),
            address.as_ptr().cast(),
            address.len() as u32,
        )
    })
    .map(drop)
}

/// A receive, or an accept, that found nothing for this long returns an error.
pub fn set_receive_timeout(fd: &impl AsRawFd, timeout: Duration) -> io::Result<()> {
    const SO_RCVTIMEO: c_int = 20;
    let value = [timeout.as_secs() as i64, timeout.subsec_micros() as i64];
    set_option(fd, SO_RCVTIMEO, &value)
}

/// Closing the socket will reset its connection.
pub fn set_linger_zero(socket: &impl AsRawFd) -> io::Result<()> {
    const SO_LINGER: c_int = 13;
    let on_for_no_time: [c_int; 2] = [1, 0];
    set_option(socket, SO_LINGER, &on_for_no_time)
}

/// Bytes of a stream that the other side has not acknowledged yet.
pub fn unsent(socket: &impl AsRawFd) -> Option<c_int> {
    const SIOCOUTQ: c_ulong = 0x5411;
    let mut bytes = 0;
    // SAFETY: the kernel writes one integer.
    checked(unsafe { ioctl(socket.as_raw_fd(), SIOCOUTQ, &raw mut bytes) }).ok()?;
    Some(bytes)
}

/// How many descriptors a process may have: what holds now, and what it may be
/// raised to.
pub fn descriptor_limits() -> [u64; 2] {
    const RLIMIT_NOFILE: c_int = 7;
    let mut limits = [0u64; 2];
    // SAFETY: a struct rlimit is two integers.
    unsafe { prlimit(0, RLIMIT_NOFILE, std::ptr::null(), &mut limits) };
    limits
}

/// Limits the descriptors of a process, 0 for this one.
pub fn limit_descriptors(pid: u32, limits: [u64; 2]) -> io::Result<()> {
    const RLIMIT_NOFILE: c_int = 7;
    // SAFETY: a struct rlimit is two integers.
    let outcome = unsafe { prlimit(pid as c_int, RLIMIT_NOFILE, &limits, std::ptr::null_mut()) };
    checked(outcome).map(drop)
}

/// A larger receive buffer than the system's limit allows to others.
pub fn set_receive_buffer(fd: &OwnedFd, bytes: i32) -> io::Result<()> {
    const SO_RCVBUFFORCE: c_int = 33;
    set_option(fd, SO_RCVBUFFORCE, &bytes)
}

fn set_option<T>(fd: &impl AsRawFd, name: c_int, value: &T) -> io::Result<()> {
    const SOL_SOCKET: c_int = 1;
    // SAFETY: pointer and length are of one live value.
    checked(unsafe {
        setsockopt(
            fd.as_raw_fd(),
            SOL_SOCKET,
            name,
            (value as *const T).cast(),
            size_of::<T>() as u32,
        )
    })
    .map(drop)
}

/// Sends to an address in the kernel's layout.
pub fn send_to(fd: &OwnedFd, data: &[u8], address: &[u8]) -> io::Result<()> {
    // SAFETY: both pointers go with the lengths of their live slices.
    let sent = unsafe {
        libc_sendto(
            fd.as_raw_fd(),
            data.as_ptr().cast(),
            data.len(),
            0,
            address.as_ptr().cast(),
            address.len() as u32,
        )
    };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Receives one datagram and the first bytes of its sender's address.
pub fn receive_from(fd: &OwnedFd, data: &mut [u8], address: &mut [u8; 20]) -> io::Result<usize> {
    let mut length = address.len() as u32;
    // SAFETY: both pointers go with the lengths of their live slices.
    let received = unsafe {
        libc_recvfrom(
            fd.as_raw_fd(),
            data.as_mut_ptr().cast(),
            data.len(),
            0,
            address.as_mut_ptr().cast(),
            &mut length,
        )
    };
    if received < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(received as usize)
    }
}

/// The name of an interface of the socket's network.
pub fn interface_name(socket: &OwnedFd, index: u32) -> Option<String> {
    const SIOCGIFNAME: c_ulong = 0x8910;
    let mut request = [0u8; 40];
    request[16..20].copy_from_slice(&index.to_ne_bytes());
    // SAFETY: the array is as large as a struct ifreq.
    let outcome = unsafe { ioctl(socket.as_raw_fd(), SIOCGIFNAME, request.as_mut_ptr()) };
    let length = request.iter().position(|b| *b == 0)?;
    (outcome == 0).then(|| String::from_utf8_lossy(&request[..length]).into_owned())
}

/// A pipe that no child inherits by accident: (read end, write end).
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    const O_CLOEXEC: c_int = 0o2_000_000;
    let mut fds: [RawFd; 2] = [0; 2];
    // SAFETY: the kernel writes two descriptors into the array.
    checked(unsafe { pipe2(fds.as_mut_ptr(), O_CLOEXEC) })?;
    // SAFETY: both descriptors are new and nobody else's.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Whether reads and writes of the open file return at once.
pub fn set_nonblocking(fd: &OwnedFd, on: bool) -> io::Result<()> {
    const F_SETFL: c_int = 4;
    const O_NONBLOCK: c_int = 0o4000;
    // SAFETY: this command takes one integer.
    checked(unsafe { fcntl(fd.as_raw_fd(), F_SETFL, if on { O_NONBLOCK } else { 0 }) }).map(drop)
}
