//! Real time: the process runs before ordinary programs and keeps its memory in
//! place, so that neither a busy machine nor a busy disk makes an advert late.
//!
//! A loop that ran away must not take the machine with it. When it has run for
//! [`BUSY_MAX`] without a rest, the kernel says so with SIGXCPU, which is read
//! like every other signal, and it runs as an ordinary program for a while. One
//! that does not even come to read signals is killed after [`RUNAWAY`]; the
//! guard then lets go of what it held, and says so.

use core::ffi::c_int;

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smena::say::{Level, say};
use smena::{Duration, Instant};

use super::failure::log_refusal;
use super::syscall;

/// How long it may run without a rest, in microseconds.
const BUSY_MAX: u64 = 500_000;
/// How long before it is killed, in microseconds.
const RUNAWAY: u64 = 5_000_000;
/// How long it runs as an ordinary program after that.
const PAUSE: Duration = Duration::from_secs(10);

const SCHED_OTHER: c_int = 0;
const SCHED_RR: c_int = 2;
/// Children start as ordinary programs.
const SCHED_RESET_ON_FORK: c_int = 0x4000_0000;

/// How the keeper runs.
pub struct Realtime {
    /// 1 to 99; 0: like any other program.
    priority: u8,
    /// When it runs in real time again, after it was too busy.
    again_at: Option<Instant>,
}

impl Realtime {
    /// Runs in real time with this priority, if that is permitted; 0 is not at all.
    pub fn enter(priority: u8) -> Realtime {
        if priority != 0
            && let Err(errno) = try_enter(priority)
        {
            let what = format_args!(
                "not in real time (this takes CAP_SYS_NICE and CAP_IPC_LOCK, or `realtime = no`)"
            );
            log_refusal(Level::Warn, what, errno);
        }
        Realtime {
            priority,
            again_at: None,
        }
    }

    /// It was too busy: others get their turn for a while.
    pub fn step_down(&mut self, now: Instant) {
        if self.priority != 0
            && syscall::set_scheduler(SCHED_OTHER | SCHED_RESET_ON_FORK, 0).is_ok()
        {
            self.again_at = Some(now + PAUSE);
            say(
                Level::Warn,
                format_args!("busy without a rest; for 10 s not in real time"),
            );
        }
    }

    /// When [`Realtime::poll`] wants to be called.
    pub fn poll_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// Runs in real time again, when it is time.
    pub fn poll(&mut self, now: Instant) {
        if self.again_at.is_some_and(|at| at <= now) {
            *self = Realtime::enter(self.priority);
        }
    }
}

fn try_enter(priority: u8) -> Result<(), Errno> {
    // A limit that somebody else has set stands.
    if getrlimit(Resource::Rttime)
        .maximum
        .is_none_or(|most| most >= RUNAWAY)
    {
        limit(Some(BUSY_MAX), Some(RUNAWAY));
    }
    // With ONFAULT nothing is brought in that was not used yet: most of the
    // static tables never are.
    let locked = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::ONFAULT);
    syscall::set_scheduler(SCHED_RR | SCHED_RESET_ON_FORK, priority.into())?;
    locked
}

/// For children, which run as ordinary programs: no limit, as at the start.
/// Where CAP_SYS_RESOURCE is missing it stays, and matters to nobody else.
pub fn leave() {
    limit(None, None);
}

fn limit(current: Option<u64>, maximum: Option<u64>) {
    let _ = setrlimit(Resource::Rttime, Rlimit { current, maximum });
}
