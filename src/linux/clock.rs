//! The clocks: monotonic time for every rule, boot time to notice a suspend,
//! wall time for log lines and for what is signed.

use core::fmt::{self, Write as _};

use rustix::time::{ClockId, Timespec};
use smena::say::write_number;
use smena::{Duration, Instant};

use super::syscall::clock_gettime;

/// How much the two clocks may drift apart between two looks before it counts
/// as a suspend; reading them one after the other costs far less.
const SUSPEND_MIN: i64 = 5_000;

/// How far the wall clock must be off what was told, in microseconds.
const WALL_MIN: u64 = 10_000;

/// The monotonic time.
pub fn now() -> Instant {
    Instant::from_micros(micros(clock_gettime(ClockId::Monotonic)))
}

/// An instant as timerfd takes it.
pub fn timespec(at: Instant) -> Timespec {
    let micros = at.total_micros().max(1);
    Timespec {
        tv_sec: micros / 1_000_000,
        tv_nsec: micros % 1_000_000 * 1_000,
    }
}

/// Notices that the machine was suspended, which the monotonic clock hides.
pub struct Suspend {
    ahead: i64,
}

impl Suspend {
    /// Starts from now.
    pub fn new() -> Suspend {
        Suspend { ahead: ahead() }
    }

    /// How long the machine was suspended since the last look, if it was.
    pub fn look(&mut self) -> Option<Duration> {
        let ahead = ahead();
        let grown = ahead - self.ahead;
        if grown < SUSPEND_MIN {
            return None;
        }
        self.ahead = ahead;
        Some(Duration::from_micros(grown.unsigned_abs()))
    }
}

/// Follows how far the wall clock is ahead of the monotonic one.
pub struct Wall {
    told: Option<i64>,
}

impl Wall {
    /// Nothing was told yet.
    pub const fn new() -> Wall {
        Wall { told: None }
    }

    /// The difference in microseconds, when it was not told or is another now.
    pub fn look(&mut self) -> Option<i64> {
        let ahead =
            micros(clock_gettime(ClockId::Realtime)) - micros(clock_gettime(ClockId::Monotonic));
        let same = |told: i64| (ahead - told).unsigned_abs() < WALL_MIN;
        if self.told.is_some_and(same) {
            return None;
        }
        self.told = Some(ahead);
        self.told
    }
}

/// How far boot time is ahead of monotonic time, in microseconds.
fn ahead() -> i64 {
    const TRIES: usize = 4;
    let mut least = i64::MAX;
    // Being preempted between the two readings only ever makes the difference
    // look larger, so the least of a few readings is the truest.
    for _ in 0..TRIES {
        let monotonic = micros(clock_gettime(ClockId::Monotonic));
        least = least.min(micros(clock_gettime(ClockId::Boottime)) - monotonic);
        if micros(clock_gettime(ClockId::Monotonic)) - monotonic < SUSPEND_MIN / 2 {
            break;
        }
    }
    least
}

/// A kernel time in whole microseconds.
fn micros(time: Timespec) -> i64 {
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

/// The wall time, written as in `2026-01-31T23:59:59.123Z`.
pub struct WallTime(Timespec);

impl WallTime {
    /// The wall time now.
    pub fn now() -> WallTime {
        WallTime(clock_gettime(ClockId::Realtime))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (
            self.0.tv_sec.div_euclid(86_400),
            self.0.tv_sec.rem_euclid(86_400),
        );
        let (year, month, day) = civil(days);
        let parts = [
            (year, 4, '-'),
            (month, 2, '-'),
            (day, 2, 'T'),
            (second / 3_600, 2, ':'),
            (second / 60 % 60, 2, ':'),
            (second % 60, 2, '.'),
            (self.0.tv_nsec / 1_000_000, 3, 'Z'),
        ];
        for (number, digits, mark) in parts {
            write_number(f, number.unsigned_abs(), 10, digits)?;
            f.write_char(mark)?;
        }
        Ok(())
    }
}

/// The Gregorian date of a day counted from 1970-01-01: years that begin in
/// March make the leap day the last one, so months have a closed form.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}
