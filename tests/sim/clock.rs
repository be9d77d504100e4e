//! Time: the world's own, in microseconds since it began, and each machine's
//! monotonic clock, which starts anywhere, runs a little fast or slow, and
//! stands still while its machine is suspended.

use smena::Instant;

/// Microseconds since the world began.
pub type At = u64;

/// One millisecond of the world.
pub const MS: At = 1_000;
/// One second of the world.
pub const SECOND: At = 1_000_000;

/// What CLOCK_MONOTONIC shows on one machine.
#[derive(Clone)]
pub struct Clock {
    /// The moment of the world at which `shown` was right.
    anchor: At,
    shown: i64,
    /// Parts per million by which it is fast.
    drift_ppm: i64,
    halted: bool,
}

impl Clock {
    /// A clock that shows `shown` microseconds at the moment `now`.
    pub fn new(now: At, shown: i64, drift_ppm: i64) -> Clock {
        Clock {
            anchor: now,
            shown,
            drift_ppm,
            halted: false,
        }
    }

    /// What it shows, in microseconds.
    pub fn local(&self, now: At) -> i64 {
        if self.halted {
            return self.shown;
        }
        let passed = (now - self.anchor) as i64;
        self.shown + passed + passed * self.drift_ppm / 1_000_000
    }

    /// What it shows, as the core takes it.
    pub fn instant(&self, now: At) -> Instant {
        Instant::from_micros(self.local(now))
    }

    /// The first moment, not before `now`, at which it shows at least `local`;
    /// none while it stands still short of it.
    pub fn when(&self, now: At, local: i64) -> Option<At> {
        let left = local.saturating_sub(self.local(now));
        if left <= 0 {
            return Some(now);
        }
        if self.halted || left > 1_000_000 * 1_000_000 {
            return None;
        }
        let mut at = now + (left * 1_000_000 / (1_000_000 + self.drift_ppm)) as At;
        while self.local(at) < local {
            at += 1;
        }
        Some(at)
    }

    /// Stands still from now on.
    pub fn halt(&mut self, now: At) {
        self.shown = self.local(now);
        self.halted = true;
    }

    /// Goes on.
    pub fn resume(&mut self, now: At) {
        self.anchor = now;
        self.halted = false;
    }
}
