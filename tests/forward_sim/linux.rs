//! The binary's own files of a worker, compiled as they are, and stand-ins for
//! what is behind them: memory, the clock, and system calls that rustix lacks.

#![allow(dead_code, unused_imports)]

#[path = "../../src/linux/arch/alike.rs"]
mod alike;
#[path = "../../src/linux/datagram.rs"]
pub mod datagram;
#[path = "../../src/linux/descriptor.rs"]
pub mod descriptor;
#[path = "../../src/linux/dial.rs"]
pub mod dial;
#[path = "../../src/linux/pipes.rs"]
pub mod pipes;
#[path = "../../src/linux/relay.rs"]
pub mod relay;
#[path = "../../src/linux/servers.rs"]
pub mod servers;
#[path = "../../src/linux/worker/mod.rs"]
pub mod worker;

/// Numbers of options.
pub mod arch {
    pub use super::alike::option;
}

/// Datagrams by the dozen.
pub mod batch {
    pub use crate::batch::*;
}

/// What the keeper does to workers: see `keeper.rs`.
pub mod workers {
    pub use crate::keeper::Workers;
}

pub mod clock {
    use smena::Instant;

    /// The monotonic time.
    pub fn now() -> Instant {
        Instant::from_micros(crate::kernel::with(|kernel| kernel.now) as i64)
    }
}

pub mod failure {
    use std::fmt::{self, Display};

    use rustix::io::Errno;
    use smena::say::{Level, say};

    /// The kernel's reason.
    pub struct Reason(pub Errno);

    impl Display for Reason {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{:?}", self.0)
        }
    }

    pub fn log_refusal(level: Level, what: fmt::Arguments<'_>, errno: Errno) {
        say(level, format_args!("{what}: {errno:?}"));
    }
}

pub mod cell {
    use std::marker::PhantomData;

    /// Memory that each worker of a simulation gets anew, all zero.
    pub struct Cell<T>(PhantomData<fn() -> T>);

    impl<T> Cell<T> {
        /// Whatever the value, it is all zero, as the binary's is.
        pub const fn new(value: T) -> Cell<T> {
            core::mem::forget(value);
            Cell(PhantomData)
        }

        /// The value, until the world ends.
        #[expect(clippy::mut_from_ref, reason = "another one at each call")]
        pub fn claim(&'static self) -> &'static mut T {
            // SAFETY: all that is claimed by a worker is valid when it is zero.
            unsafe { crate::arena::zeroed() }
        }
    }
}

pub mod socket {
    use rustix::fd::{AsRawFd, BorrowedFd};
    use rustix::io::Errno;

    use crate::kernel::with;

    /// Of options, only the one that makes closing a reset matters here.
    pub fn setsockopt(
        fd: BorrowedFd<'_>,
        level: usize,
        name: usize,
        _value: &[u8],
    ) -> Result<(), Errno> {
        use super::arch::option::{SO_LINGER, SOL_SOCKET};
        if (level, name) == (SOL_SOCKET, SO_LINGER) {
            with(|kernel| kernel.reset_on_close(fd.as_raw_fd()));
        }
        Ok(())
    }

    pub fn send_space(fd: BorrowedFd<'_>) -> usize {
        with(|kernel| kernel.send_space(fd.as_raw_fd()))
    }

    /// No server is on the forwarder's own machine.
    pub fn connected_to_itself(_: BorrowedFd<'_>, _: u16) -> bool {
        false
    }
}
