//! What a worker calls of `rustix`, answered by the modelled kernel. The root of
//! this test takes that crate's name, so the worker's files need not know.

#![allow(dead_code)]

use crate::kernel::with;

/// Flags as bitflags makes them.
macro_rules! flags {
    ($name:ident: $($flag:ident = $bits:expr),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub struct $name(pub u32);

        impl $name {
            $(pub const $flag: $name = $name($bits);)*

            pub const fn empty() -> $name {
                $name(0)
            }

            pub const fn union(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }

            pub const fn intersects(self, other: $name) -> bool {
                self.0 & other.0 != 0
            }

            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }
        }

        impl core::ops::BitOr for $name {
            type Output = $name;

            fn bitor(self, other: $name) -> $name {
                self.union(other)
            }
        }
    };
}

pub mod io {
    use super::fd::{AsFd, AsRawFd};
    use super::with;

    /// An error number, by its name.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Errno(u16);

    impl Errno {
        pub const INTR: Errno = Errno(4);
        pub const IO: Errno = Errno(5);
        pub const BADF: Errno = Errno(9);
        pub const AGAIN: Errno = Errno(11);
        pub const NOMEM: Errno = Errno(12);
        pub const INVAL: Errno = Errno(22);
        pub const NFILE: Errno = Errno(23);
        pub const MFILE: Errno = Errno(24);
        pub const PIPE: Errno = Errno(32);
        pub const MSGSIZE: Errno = Errno(90);
        pub const ADDRNOTAVAIL: Errno = Errno(99);
        pub const NETUNREACH: Errno = Errno(101);
        pub const CONNRESET: Errno = Errno(104);
        pub const NOBUFS: Errno = Errno(105);
        pub const NOTCONN: Errno = Errno(107);
        pub const TIMEDOUT: Errno = Errno(110);
        pub const CONNREFUSED: Errno = Errno(111);
        pub const HOSTDOWN: Errno = Errno(112);
        pub const HOSTUNREACH: Errno = Errno(113);
        pub const INPROGRESS: Errno = Errno(115);
    }

    pub fn read(fd: impl AsFd, bytes: &mut [u8]) -> Result<usize, Errno> {
        with(|kernel| kernel.read(fd.as_fd().as_raw_fd(), bytes))
    }

    pub fn write(fd: impl AsFd, bytes: &[u8]) -> Result<usize, Errno> {
        with(|kernel| kernel.write(fd.as_fd().as_raw_fd(), bytes))
    }
}

pub mod fd {
    use std::marker::PhantomData;

    pub type RawFd = i32;

    /// A descriptor that is closed when it goes.
    #[derive(Debug)]
    pub struct OwnedFd(RawFd);

    /// A descriptor of somebody else.
    #[derive(Clone, Copy, Debug)]
    pub struct BorrowedFd<'a>(RawFd, PhantomData<&'a ()>);

    pub trait AsFd {
        fn as_fd(&self) -> BorrowedFd<'_>;
    }

    pub trait AsRawFd {
        fn as_raw_fd(&self) -> RawFd;
    }

    pub trait IntoRawFd {
        fn into_raw_fd(self) -> RawFd;
    }

    pub trait FromRawFd {
        /// # Safety
        /// Nobody else owns it.
        unsafe fn from_raw_fd(raw: RawFd) -> Self;
    }

    impl OwnedFd {
        pub fn of(raw: RawFd) -> OwnedFd {
            OwnedFd(raw)
        }
    }

    impl Drop for OwnedFd {
        fn drop(&mut self) {
            crate::kernel::close(self.0);
        }
    }

    impl<'a> BorrowedFd<'a> {
        /// # Safety
        /// It stays open meanwhile.
        pub const unsafe fn borrow_raw(raw: RawFd) -> BorrowedFd<'a> {
            BorrowedFd(raw, PhantomData)
        }
    }

    impl AsFd for OwnedFd {
        fn as_fd(&self) -> BorrowedFd<'_> {
            BorrowedFd(self.0, PhantomData)
        }
    }

    impl AsFd for BorrowedFd<'_> {
        fn as_fd(&self) -> BorrowedFd<'_> {
            *self
        }
    }

    impl<T: AsFd> AsFd for &T {
        fn as_fd(&self) -> BorrowedFd<'_> {
            (**self).as_fd()
        }
    }

    impl AsRawFd for BorrowedFd<'_> {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }

    impl AsRawFd for OwnedFd {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }

    impl IntoRawFd for OwnedFd {
        fn into_raw_fd(self) -> RawFd {
            let raw = self.0;
            std::mem::forget(self);
            raw
        }
    }

    impl FromRawFd for OwnedFd {
        unsafe fn from_raw_fd(raw: RawFd) -> OwnedFd {
            OwnedFd(raw)
        }
    }
}

pub mod event {
    pub mod epoll {
        use std::mem::MaybeUninit;

        use crate::kernel::with;
        use crate::shim::fd::{AsFd, AsRawFd, OwnedFd};
        use crate::shim::io::Errno;
        use crate::shim::time::Timespec;

        flags!(CreateFlags: CLOEXEC = 1);
        flags!(EventFlags:
            IN = 1,
            PRI = 2,
            OUT = 4,
            ERR = 8,
            HUP = 16,
            RDHUP = 0x2000,
            ET = 1 << 31,
        );

        #[derive(Clone, Copy, Debug)]
        pub struct EventData(u64);

        impl EventData {
            pub const fn new_u64(value: u64) -> EventData {
                EventData(value)
            }

            pub const fn u64(self) -> u64 {
                self.0
            }
        }

        #[derive(Clone, Copy, Debug)]
        pub struct Event {
            pub flags: EventFlags,
            pub data: EventData,
        }

        pub fn create(_: CreateFlags) -> Result<OwnedFd, Errno> {
            with(|kernel| kernel.epoll_create()).map(OwnedFd::of)
        }

        pub fn add(
            epoll: impl AsFd,
            fd: impl AsFd,
            data: EventData,
            flags: EventFlags,
        ) -> Result<(), Errno> {
            let (epoll, fd) = (epoll.as_fd().as_raw_fd(), fd.as_fd().as_raw_fd());
            with(|kernel| kernel.epoll_add(epoll, fd, data.0, flags.0))
        }

        pub fn modify(
            epoll: impl AsFd,
            fd: impl AsFd,
            _: EventData,
            flags: EventFlags,
        ) -> Result<(), Errno> {
            let (epoll, fd) = (epoll.as_fd().as_raw_fd(), fd.as_fd().as_raw_fd());
            with(|kernel| kernel.epoll_modify(epoll, fd, flags.0))
        }

        pub fn delete(epoll: impl AsFd, fd: impl AsFd) -> Result<(), Errno> {
            let (epoll, fd) = (epoll.as_fd().as_raw_fd(), fd.as_fd().as_raw_fd());
            with(|kernel| kernel.epoll_delete(epoll, fd))
        }

        /// What is ready; the world has let the time go by before.
        pub fn wait<'b>(
            epoll: impl AsFd,
            buffer: &'b mut [MaybeUninit<Event>],
            _: Option<&Timespec>,
        ) -> Result<(&'b mut [Event], &'b mut [MaybeUninit<Event>]), Errno> {
            let epoll = epoll.as_fd().as_raw_fd();
            let ready = with(|kernel| kernel.epoll_take(epoll, buffer.len()));
            let (filled, rest) = buffer.split_at_mut(ready.len());
            for (to, (data, flags)) in filled.iter_mut().zip(&ready) {
                let (data, flags) = (EventData(*data), EventFlags(*flags));
                to.write(Event { flags, data });
            }
            // SAFETY: each of them was just written.
            let filled = unsafe { &mut *(&raw mut *filled as *mut [Event]) };
            Ok((filled, rest))
        }
    }
}

pub mod net {
    use std::net::SocketAddr;

    use super::fd::{AsFd, AsRawFd, OwnedFd};
    use super::io::Errno;
    use super::with;

    flags!(RecvFlags: PEEK = 2, TRUNC = 0x20);
    flags!(SendFlags: NOSIGNAL = 1);
    flags!(SocketFlags: CLOEXEC = 1, NONBLOCK = 2);

    /// An address of any family, of which there is one here.
    pub struct SocketAddrAny(SocketAddr);

    impl TryFrom<SocketAddrAny> for SocketAddr {
        type Error = Errno;

        fn try_from(any: SocketAddrAny) -> Result<SocketAddr, Errno> {
            Ok(any.0)
        }
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AddressFamily(u16);

    impl AddressFamily {
        pub const INET: AddressFamily = AddressFamily(2);
        pub const INET6: AddressFamily = AddressFamily(10);
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SocketType(u32);

    impl SocketType {
        pub const STREAM: SocketType = SocketType(1);
        pub const DGRAM: SocketType = SocketType(2);
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Shutdown {
        Read,
        Write,
        Both,
    }

    pub fn socket_with(
        _: AddressFamily,
        kind: SocketType,
        _: SocketFlags,
        _: Option<()>,
    ) -> Result<OwnedFd, Errno> {
        with(|kernel| kernel.socket(kind == SocketType::STREAM)).map(OwnedFd::of)
    }

    pub fn bind(_: impl AsFd, _: &SocketAddr) -> Result<(), Errno> {
        Ok(())
    }

    pub fn connect(fd: impl AsFd, to: &SocketAddr) -> Result<(), Errno> {
        with(|kernel| kernel.connect(fd.as_fd().as_raw_fd(), *to))
    }

    pub fn acceptfrom_with(
        fd: impl AsFd,
        _: SocketFlags,
    ) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
        let (fd, peer) = with(|kernel| kernel.accept(fd.as_fd().as_raw_fd()))?;
        Ok((OwnedFd::of(fd), Some(SocketAddrAny(peer))))
    }

    pub fn getpeername(fd: impl AsFd) -> Result<Option<SocketAddrAny>, Errno> {
        let peer = with(|kernel| kernel.peer(fd.as_fd().as_raw_fd()))?;
        Ok(Some(SocketAddrAny(peer)))
    }

    pub fn getsockname(_: impl AsFd) -> Result<SocketAddrAny, Errno> {
        Ok(SocketAddrAny(SocketAddr::from(([10, 0, 0, 1], 8000))))
    }

    pub fn recv<B: AsMut<[u8]> + ?Sized>(
        fd: impl AsFd,
        buffer: &mut B,
        flags: RecvFlags,
    ) -> Result<((), usize), Errno> {
        let (fd, buffer) = (fd.as_fd().as_raw_fd(), buffer.as_mut());
        with(|kernel| kernel.recv(fd, buffer, flags)).map(|got| ((), got))
    }

    pub fn send(fd: impl AsFd, bytes: &[u8], _: SendFlags) -> Result<usize, Errno> {
        with(|kernel| kernel.send(fd.as_fd().as_raw_fd(), bytes))
    }

    pub fn shutdown(fd: impl AsFd, how: Shutdown) -> Result<(), Errno> {
        assert!(how == Shutdown::Write, "nothing else is asked for");
        with(|kernel| kernel.end_sending(fd.as_fd().as_raw_fd()))
    }

    pub mod sockopt {
        use super::{AsFd, AsRawFd, Errno, with};

        pub fn socket_error(fd: impl AsFd) -> Result<Result<(), Errno>, Errno> {
            let error = with(|kernel| kernel.take_error(fd.as_fd().as_raw_fd()));
            Ok(error.map_or(Ok(()), Err))
        }
    }
}

pub mod pipe {
    use super::fd::{AsFd, AsRawFd, OwnedFd};
    use super::io::Errno;
    use super::with;

    flags!(PipeFlags: CLOEXEC = 1, NONBLOCK = 2);
    flags!(SpliceFlags: MOVE = 1, NONBLOCK = 2);

    pub fn pipe_with(_: PipeFlags) -> Result<(OwnedFd, OwnedFd), Errno> {
        let (read, write) = with(|kernel| kernel.pipe())?;
        Ok((OwnedFd::of(read), OwnedFd::of(write)))
    }

    pub fn fcntl_getpipe_size(fd: impl AsFd) -> Result<usize, Errno> {
        Ok(with(|kernel| kernel.pipe_size(fd.as_fd().as_raw_fd())))
    }

    pub fn fcntl_setpipe_size(fd: impl AsFd, size: usize) -> Result<usize, Errno> {
        with(|kernel| kernel.set_pipe_size(fd.as_fd().as_raw_fd(), size))
    }

    pub fn splice(
        from: impl AsFd,
        _: Option<&mut u64>,
        to: impl AsFd,
        _: Option<&mut u64>,
        most: usize,
        _: SpliceFlags,
    ) -> Result<usize, Errno> {
        let (from, to) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd());
        with(|kernel| kernel.splice(from, to, most))
    }
}

pub mod time {
    #[derive(Clone, Copy, Debug)]
    pub struct Timespec {
        pub tv_sec: i64,
        pub tv_nsec: i64,
    }
}
