//! One program that is kept running: when it is started again after its end. It
//! knows neither a process nor what the program is for.
//!
//! ```text
//!   Waiting { start_at } --on_poll--> Running { since } --on_end--> Waiting ...
//! ```
//!
//! A program that ends soon waits longer each time, so that one that cannot run
//! costs next to nothing; one that ran for a while starts again soon.

use crate::{Duration, Instant};

/// The first wait.
const PAUSE_LEAST: Duration = Duration::from_secs(1);
/// The longest one.
const PAUSE_MOST: Duration = Duration::from_secs(60);
/// Who ran as long as this begins anew with the first wait.
const STEADY: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Upkeep {
    state: State,
    /// The wait after the next end.
    pause: Duration,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Waiting { start_at: Instant },
    Running { since: Instant },
}

impl Upkeep {
    /// A program that is to start now.
    pub const fn new(now: Instant) -> Upkeep {
        Upkeep {
            state: State::Waiting { start_at: now },
            pause: PAUSE_LEAST,
        }
    }

    /// When [`Upkeep::on_poll`] wants to be called; `None` while it runs.
    pub fn poll_at(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { start_at } => Some(start_at),
            State::Running { .. } => None,
        }
    }

    /// Whether it is to be started now. If that fails, it has ended.
    pub fn on_poll(&mut self, now: Instant) -> bool {
        let due = self.poll_at().is_some_and(|at| at <= now);
        if due {
            self.state = State::Running { since: now };
        }
        due
    }

    /// It has ended, however that was: how long it is left alone now.
    pub fn on_end(&mut self, now: Instant) -> Duration {
        if let State::Running { since } = self.state
            && now >= since + STEADY
        {
            self.pause = PAUSE_LEAST;
        }
        let pause = self.pause;
        self.state = State::Waiting {
            start_at: now + pause,
        };
        self.pause = (pause * 2).min(PAUSE_MOST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_secs(seconds)
    }

    #[test]
    fn one_that_cannot_run_is_tried_ever_more_rarely() {
        let mut upkeep = Upkeep::new(at(5));
        let mut now = 5;
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(upkeep.poll_at(), Some(at(now)));
            assert!(!upkeep.on_poll(at(now - 1)));
            assert!(upkeep.on_poll(at(now)));
            assert_eq!(upkeep.poll_at(), None);
            assert!(!upkeep.on_poll(at(now)));
            assert_eq!(upkeep.on_end(at(now)), Duration::from_secs(pause));
            now += pause as i64;
        }
    }

    #[test]
    fn one_that_ran_for_a_minute_begins_anew() {
        let mut upkeep = Upkeep::new(at(0));
        upkeep.on_poll(at(0));
        upkeep.on_end(at(0));
        upkeep.on_poll(at(1));
        assert_eq!(upkeep.on_end(at(60)), Duration::from_secs(2));
        upkeep.on_poll(at(62));
        assert_eq!(upkeep.on_end(at(122)), Duration::from_secs(1));
    }
}
