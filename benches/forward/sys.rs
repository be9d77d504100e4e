//! The calls into libc that a load generator needs and std has no name for.

use std::ffi::{c_int, c_long, c_ulong, c_void};
use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Something can be read.
pub const IN: u32 = 0x1;
/// Something can be written.
pub const OUT: u32 = 0x4;
/// The connection failed.
pub const ERR: u32 = 0x8;
/// Both directions ended.
pub const HUP: u32 = 0x10;
/// The other side sends no more.
pub const RDHUP: u32 = 0x2000;
/// Told once a change, and not as long as it holds.
pub const EDGE: u32 = 1 << 31;

/// What epoll tells; the kernel packs it on this one architecture.
#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
#[derive(Clone, Copy, Default)]
pub struct Ready {
    /// What is so.
    pub events: u32,
    /// The word it was added with.
    pub key: u64,
}

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: c_long,
}

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: i16,
    revents: i16,
}

unsafe extern "C" {
    fn epoll_create1(flags: c_int) -> c_int;
    fn epoll_ctl(epoll: c_int, operation: c_int, fd: c_int, event: *const Ready) -> c_int;
    fn epoll_wait(epoll: c_int, events: *mut Ready, most: c_int, timeout: c_int) -> c_int;
    fn ppoll(
        fds: *mut PollFd,
        count: c_ulong,
        timeout: *const Timespec,
        mask: *const c_void,
    ) -> c_int;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn bind(fd: c_int, address: *const c_void, length: u32) -> c_int;
    fn listen(fd: c_int, backlog: c_int) -> c_int;
    fn connect(fd: c_int, address: *const c_void, length: u32) -> c_int;
    fn accept4(fd: c_int, address: *mut c_void, length: *mut u32, flags: c_int) -> c_int;
    fn send(fd: c_int, data: *const c_void, length: usize, flags: c_int) -> isize;
    fn recv(fd: c_int, data: *mut c_void, length: usize, flags: c_int) -> isize;
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, length: u32)
    -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    fn sched_setaffinity(pid: c_int, size: usize, mask: *const u64) -> c_int;
    fn getrlimit(resource: c_int, limit: *mut [u64; 2]) -> c_int;
    fn setrlimit(resource: c_int, limit: *const [u64; 2]) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
}

const SOCK_STREAM: c_int = 1;
const SOCK_DGRAM: c_int = 2;
const SOCK_NONBLOCK: c_int = 0o4000;
const SOCK_CLOEXEC: c_int = 0o2_000_000;
const MSG_NOSIGNAL: c_int = 0x4000;
const MSG_TRUNC: c_int = 0x20;
const EINPROGRESS: i32 = 115;

fn checked(value: c_int) -> io::Result<c_int> {
    if value < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(value)
    }
}

fn counted(value: isize) -> io::Result<usize> {
    usize::try_from(value).map_err(|_| io::Error::last_os_error())
}

fn owned(fd: c_int) -> io::Result<OwnedFd> {
    let fd = checked(fd)?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// An epoll set.
pub struct Poller(OwnedFd);

impl Poller {
    /// An empty one.
    pub fn new() -> io::Result<Poller> {
        // SAFETY: the call takes no pointer.
        Ok(Poller(owned(unsafe { epoll_create1(SOCK_CLOEXEC) })?))
    }

    /// From here on this descriptor is watched; closing it ends that.
    pub fn add(&self, fd: RawFd, events: u32, key: u64) -> io::Result<()> {
        const EPOLL_CTL_ADD: c_int = 1;
        let event = Ready { events, key };
        // SAFETY: the event lives until the call returns.
        checked(unsafe { epoll_ctl(self.0.as_raw_fd(), EPOLL_CTL_ADD, fd, &event) }).map(drop)
    }

    /// Waits for something, or for so long, to the microsecond.
    pub fn wait<'a>(
        &self,
        ready: &'a mut [Ready],
        limit: Option<Duration>,
    ) -> io::Result<&'a [Ready]> {
        let timeout = match limit {
            None => -1,
            Some(limit) => {
                let mut asked = PollFd {
                    fd: self.0.as_raw_fd(),
                    events: IN as i16,
                    revents: 0,
                };
                let timeout = Timespec {
                    seconds: limit.as_secs() as i64,
                    nanoseconds: limit.subsec_nanos() as c_long,
                };
                // SAFETY: both structs live until the call returns; no mask is
                // a valid one.
                checked(unsafe { ppoll(&mut asked, 1, &timeout, std::ptr::null()) })?;
                0
            }
        };
        let most = ready.len() as c_int;
        // SAFETY: pointer and count are of one live slice.
        let count =
            checked(unsafe { epoll_wait(self.0.as_raw_fd(), ready.as_mut_ptr(), most, timeout) })?;
        Ok(&ready[..count as usize])
    }
}

/// A struct sockaddr_in.
fn raw_address(address: SocketAddrV4) -> [u8; 16] {
    let mut raw = [0; 16];
    raw[..2].copy_from_slice(&2u16.to_ne_bytes());
    raw[2..4].copy_from_slice(&address.port().to_be_bytes());
    raw[4..8].copy_from_slice(&address.ip().octets());
    raw
}

fn open(kind: c_int) -> io::Result<OwnedFd> {
    const AF_INET: c_int = 2;
    // SAFETY: the call takes no pointer.
    owned(unsafe { socket(AF_INET, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) })
}

/// A listener that never waits.
pub fn listener(address: SocketAddrV4) -> io::Result<OwnedFd> {
    const SO_REUSEADDR: c_int = 2;
    let fd = open(SOCK_STREAM)?;
    set(&fd, SOL_SOCKET, SO_REUSEADDR, 1)?;
    let raw = raw_address(address);
    // SAFETY: pointer and length are of one live array.
    checked(unsafe { bind(fd.as_raw_fd(), raw.as_ptr().cast(), raw.len() as u32) })?;
    // SAFETY: the call takes no pointer.
    checked(unsafe { listen(fd.as_raw_fd(), 4096) })?;
    Ok(fd)
}

/// A UDP socket that never waits, bound to an address.
pub fn datagrams(address: SocketAddrV4) -> io::Result<OwnedFd> {
    const SO_SNDBUF: c_int = 7;
    const SO_RCVBUF: c_int = 8;
    let fd = open(SOCK_DGRAM)?;
    set(&fd, SOL_SOCKET, SO_SNDBUF, 1 << 20)?;
    set(&fd, SOL_SOCKET, SO_RCVBUF, 1 << 20)?;
    let raw = raw_address(address);
    // SAFETY: pointer and length are of one live array.
    checked(unsafe { bind(fd.as_raw_fd(), raw.as_ptr().cast(), raw.len() as u32) })?;
    Ok(fd)
}

/// Connects a socket; a TCP one may still be on its way.
pub fn connect_to(fd: &OwnedFd, address: SocketAddrV4) -> io::Result<()> {
    let raw = raw_address(address);
    // SAFETY: pointer and length are of one live array.
    match checked(unsafe { connect(fd.as_raw_fd(), raw.as_ptr().cast(), raw.len() as u32) }) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
        _ => Ok(()),
    }
}

/// A connection that is on its way.
pub fn connection(address: SocketAddrV4) -> io::Result<OwnedFd> {
    let fd = open(SOCK_STREAM)?;
    connect_to(&fd, address)?;
    Ok(fd)
}

/// Takes one connection that waits.
pub fn accept(listener: RawFd) -> io::Result<OwnedFd> {
    let null = std::ptr::null_mut();
    // SAFETY: who it is from is not asked for, so both pointers may be null.
    owned(unsafe { accept4(listener, null, null.cast(), SOCK_NONBLOCK | SOCK_CLOEXEC) })
}

/// Small writes leave at once.
pub fn set_no_delay(fd: &OwnedFd) -> io::Result<()> {
    const IPPROTO_TCP: c_int = 6;
    const TCP_NODELAY: c_int = 1;
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1)
}

const SOL_SOCKET: c_int = 1;

fn set(fd: &OwnedFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let pointer = (&value as *const c_int).cast();
    // SAFETY: pointer and length are of one live integer.
    checked(unsafe { setsockopt(fd.as_raw_fd(), level, name, pointer, 4) }).map(drop)
}

/// Sends what there is room for.
pub fn write(fd: RawFd, data: &[u8]) -> io::Result<usize> {
    // SAFETY: pointer and length are of one live slice.
    counted(unsafe { send(fd, data.as_ptr().cast(), data.len(), MSG_NOSIGNAL) })
}

/// Reads what there is.
pub fn read(fd: RawFd, data: &mut [u8]) -> io::Result<usize> {
    // SAFETY: pointer and length are of one live slice.
    counted(unsafe { recv(fd, data.as_mut_ptr().cast(), data.len(), 0) })
}

/// Takes up to so many bytes of a stream without a copy of them, so that the
/// generator is not what limits the forwarder.
pub fn discard(fd: RawFd, most: usize) -> io::Result<usize> {
    // SAFETY: with this flag TCP writes nothing, so there needs to be no buffer.
    counted(unsafe { recv(fd, std::ptr::null_mut(), most, MSG_TRUNC) })
}

/// Switches what a network card does for the kernel: the requests
/// ETHTOOL_STSO, ETHTOOL_SGSO and ETHTOOL_SGRO.
pub fn set_offload(card: &str, request: u32, on: bool) -> io::Result<()> {
    const SIOCETHTOOL: c_ulong = 0x8946;
    let fd = open(SOCK_DGRAM)?;
    let value = [request, u32::from(on)];
    let mut asked = [0u8; 40];
    asked[..card.len()].copy_from_slice(card.as_bytes());
    asked[16..24].copy_from_slice(&(value.as_ptr() as usize as u64).to_ne_bytes());
    // SAFETY: a struct ifreq with a pointer to a struct ethtool_value; both live
    // until the call returns.
    checked(unsafe { ioctl(fd.as_raw_fd(), SIOCETHTOOL, asked.as_mut_ptr()) }).map(drop)
}

/// The thread of this id, 0 for the calling one, runs on these processors only.
pub fn run_on(thread: u32, processors: u64) -> io::Result<()> {
    // SAFETY: pointer and size are of one live integer.
    checked(unsafe { sched_setaffinity(thread as c_int, 8, &processors) }).map(drop)
}

/// Sleeps of the calling thread end when they should.
pub fn sleep_exactly() {
    const PR_SET_TIMERSLACK: c_int = 29;
    let nanoseconds: c_ulong = 1000;
    // SAFETY: this option takes one integer and can't fail.
    unsafe { prctl(PR_SET_TIMERSLACK, nanoseconds) };
}

/// Opens as many descriptors as permitted from here on; tells how many.
pub fn raise_descriptors() -> usize {
    const RLIMIT_NOFILE: c_int = 7;
    let mut limit = [0u64; 2];
    // SAFETY: a struct rlimit is two integers.
    unsafe {
        if getrlimit(RLIMIT_NOFILE, &mut limit) == 0 {
            limit[0] = limit[1];
            setrlimit(RLIMIT_NOFILE, &limit);
        }
    }
    limit[0] as usize
}

/// Processor time of this process.
pub fn own_time() -> Duration {
    const CLOCK_PROCESS_CPUTIME_ID: c_int = 2;
    let mut time = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: the struct lives until the call returns.
    unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.seconds as u64, time.nanoseconds as u32)
}

#[repr(C)]
struct Slice {
    data: *mut u8,
    length: usize,
}

/// A struct msghdr.
#[repr(C)]
struct Header {
    name: *mut u8,
    name_length: u32,
    slices: *mut Slice,
    slice_count: usize,
    control: *mut u8,
    control_length: usize,
    flags: c_int,
}

/// A struct mmsghdr.
#[repr(C)]
struct Message {
    header: Header,
    /// Of the datagram, told by the kernel.
    length: u32,
}

unsafe extern "C" {
    fn recvmmsg(
        fd: c_int,
        messages: *mut Message,
        count: u32,
        flags: c_int,
        limit: *mut Timespec,
    ) -> c_int;
    fn sendmmsg(fd: c_int, messages: *mut Message, count: u32, flags: c_int) -> c_int;
}

/// Room for some datagrams and who they are from, and one call for all of them.
pub struct Batch {
    size: usize,
    data: Vec<u8>,
    names: Vec<[u8; 16]>,
}

impl Batch {
    /// Room for so many of this size.
    pub fn new(count: usize, size: usize) -> Batch {
        Batch {
            size,
            data: vec![0; count * size],
            names: vec![[0; 16]; count],
        }
    }

    /// Takes what there is.
    pub fn receive(&mut self, fd: &OwnedFd) -> io::Result<usize> {
        let count = self.names.len();
        self.with_messages(count, true, |messages| {
            let most = messages.len() as u32;
            // SAFETY: all pointers of the messages are to data of this batch,
            // which is borrowed until the call has returned.
            unsafe {
                recvmmsg(
                    fd.as_raw_fd(),
                    messages.as_mut_ptr(),
                    most,
                    0,
                    std::ptr::null_mut(),
                )
            }
        })
    }

    /// Sends so many to whom the socket is connected to.
    pub fn send(&mut self, fd: &OwnedFd, count: usize) -> io::Result<usize> {
        self.give(fd, count, false)
    }

    /// Sends the first ones back to whom they are from.
    pub fn answer(&mut self, fd: &OwnedFd, count: usize) -> io::Result<usize> {
        self.give(fd, count, true)
    }

    fn give(&mut self, fd: &OwnedFd, count: usize, named: bool) -> io::Result<usize> {
        self.with_messages(count, named, |messages| {
            let count = messages.len() as u32;
            // SAFETY: as in `receive`.
            unsafe { sendmmsg(fd.as_raw_fd(), messages.as_mut_ptr(), count, 0) }
        })
    }

    fn with_messages(
        &mut self,
        count: usize,
        named: bool,
        call: impl FnOnce(&mut [Message]) -> c_int,
    ) -> io::Result<usize> {
        let parts = self.data.chunks_mut(self.size).take(count);
        let mut slices: Vec<Slice> = parts
            .map(|part| Slice {
                data: part.as_mut_ptr(),
                length: part.len(),
            })
            .collect();
        let both = self.names.iter_mut().zip(&mut slices);
        let mut messages: Vec<Message> = both
            .map(|(name, slice)| Message {
                header: Header {
                    name: if named {
                        name.as_mut_ptr()
                    } else {
                        std::ptr::null_mut()
                    },
                    name_length: if named { 16 } else { 0 },
                    slices: slice,
                    slice_count: 1,
                    control: std::ptr::null_mut(),
                    control_length: 0,
                    flags: 0,
                },
                length: 0,
            })
            .collect();
        checked(call(&mut messages)).map(|count| count as usize)
    }
}
