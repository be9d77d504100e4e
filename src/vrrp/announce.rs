//! When a master tells the neighbours where its addresses are: bursts of
//! gratuitous ARP or neighbour advertisements, and their refresh.
//!
//! It decides times only; what is sent is the wire's matter.

use crate::event::earliest;
use crate::{Duration, Instant};

/// Between the packets of a burst: one that is lost should not take the others
/// along, and many addresses should not fill the transmit queue.
const STEP: Duration = Duration::from_millis(20);

/// The announcements that a master still owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcing {
    /// Packets for each address in a burst.
    repeat: u8,
    /// From a burst to the second one; zero: there is none.
    delay: Duration,
    /// From one refresh to the next; zero: there are none.
    refresh: Duration,
    /// What is left of the running burst.
    left: u8,
    next_at: Instant,
    second_at: Option<Instant>,
    refresh_at: Option<Instant>,
}

impl Announcing {
    /// A router has just become master: a burst now, a second one `delay` later.
    pub fn new(now: Instant, repeat: u8, delay: Duration, refresh: Duration) -> Announcing {
        Announcing {
            repeat,
            delay,
            refresh,
            left: repeat,
            next_at: now,
            second_at: after(now, delay),
            refresh_at: after(now, refresh),
        }
    }

    /// A burst from now on, unless one is running, which then starts again.
    pub fn burst(&mut self, now: Instant) {
        if self.left == 0 {
            self.next_at = self.next_at.max(now);
        }
        self.left = self.repeat;
    }

    /// Another master was heard and loses: a burst now, and one more when it
    /// must have stopped, so that ours is the last announcement on the wire.
    pub fn last_word(&mut self, now: Instant, interval: Duration) {
        self.burst(now);
        let delay = if self.delay == Duration::ZERO {
            interval
        } else {
            self.delay
        };
        self.second_at = Some(now + delay);
    }

    /// Whether one announcement of each address is due; called once for each.
    pub fn due(&mut self, now: Instant) -> bool {
        if self.second_at.is_some_and(|at| now >= at) {
            self.second_at = None;
            self.burst(now);
        }
        if self.refresh_at.is_some_and(|at| now >= at) {
            self.refresh_at = after(now, self.refresh);
            self.left = self.left.max(1);
        }
        if self.left == 0 || now < self.next_at {
            return false;
        }
        self.left -= 1;
        self.next_at = now + STEP;
        true
    }

    /// When [`Announcing::due`] wants to be asked.
    pub fn poll_at(&self) -> Option<Instant> {
        let burst = (self.left > 0).then_some(self.next_at);
        earliest(burst, earliest(self.second_at, self.refresh_at))
    }
}

fn after(now: Instant, delay: Duration) -> Option<Instant> {
    (delay > Duration::ZERO).then(|| now + delay)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn ms(at: i64) -> Instant {
        Instant::from_millis(at)
    }

    /// The times in milliseconds at which announcements are due until `end`.
    fn times(announcing: &mut Announcing, end: i64) -> Vec<i64> {
        let mut times = Vec::new();
        while let Some(at) = announcing.poll_at().filter(|at| *at <= ms(end)) {
            if announcing.due(at) {
                times.push(at.total_millis());
            }
        }
        times
    }

    // PROTOCOL 70.
    #[test]
    fn five_at_once_and_five_after_the_delay() {
        let mut announcing = Announcing::new(ms(0), 5, Duration::from_secs(5), Duration::ZERO);
        let want = [0, 20, 40, 60, 80, 5000, 5020, 5040, 5060, 5080];
        assert_eq!(times(&mut announcing, 60_000), want);
    }

    #[test]
    fn no_second_burst_without_a_delay() {
        let mut announcing = Announcing::new(ms(0), 1, Duration::ZERO, Duration::ZERO);
        assert_eq!(times(&mut announcing, 60_000), [0]);
    }

    // PROTOCOL 70.
    #[test]
    fn a_refresh_is_one_packet() {
        let refresh = Duration::from_secs(10);
        let mut announcing = Announcing::new(ms(0), 2, Duration::ZERO, refresh);
        assert_eq!(
            times(&mut announcing, 30_000),
            [0, 20, 10_000, 20_000, 30_000]
        );
    }

    // PROTOCOL 71 and rule 6.
    #[test]
    fn a_losing_master_gets_a_burst_now_and_one_after_it() {
        let mut announcing = Announcing::new(ms(0), 1, Duration::ZERO, Duration::ZERO);
        assert_eq!(times(&mut announcing, 100), [0]);
        announcing.last_word(ms(500), Duration::from_secs(1));
        assert_eq!(times(&mut announcing, 60_000), [500, 1500]);
    }

    // However many losing adverts come, bursts keep their pace.
    #[test]
    fn a_flood_of_losing_adverts_does_not_hurry_the_burst() {
        let mut announcing = Announcing::new(ms(0), 5, Duration::ZERO, Duration::ZERO);
        let mut sent = 0;
        for at in 0..1000 {
            announcing.last_word(ms(at), Duration::from_secs(1));
            sent += u32::from(announcing.due(ms(at)));
        }
        assert!(sent <= 50, "{sent} in a second");
    }
}
