//! The timer that ends the keeper's sleep.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use smena::Instant;

use super::clock;
use super::failure::{Failure, Reason};
use super::keeper::{refused, watch};

/// Its token in epoll.
pub const TOKEN: u64 = 1;

/// The timer of the core's deadline. It shows through epoll only: setting it
/// again takes back that it has expired.
pub struct Timer {
    descriptor: OwnedFd,
}

impl Timer {
    /// One that does not run.
    pub fn open(epoll: BorrowedFd<'_>) -> Result<Timer, Failure> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)
            .map_err(|errno| refused("timerfd_create", errno))?;
        watch(epoll, descriptor.as_fd(), TOKEN)?;
        Ok(Timer { descriptor })
    }

    /// Waits until it expires.
    pub fn wait(&self) {
        let _ = poll(&mut [PollFd::new(&self.descriptor, PollFlags::IN)], None);
    }

    /// Expires at this instant; at once when it is past.
    pub fn set(&self, at: Instant) {
        const ONCE: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let time = Itimerspec {
            it_interval: ONCE,
            it_value: clock::timespec(at),
        };
        let set = timerfd_settime(&self.descriptor, TimerfdTimerFlags::ABSTIME, &time);
        if let Err(errno) = set {
            panic!("timerfd_settime: {}", Reason(errno));
        }
    }
}
