//! The care for the forwarder's workers: when one that died is started again,
//! which one hangs, and how all of them come to rest when a planned stop hands the
//! addresses over. It knows no process and no socket.
//!
//! ```text
//!   Vacant --start--> Running --ended--> Vacant        a post
//!
//!   Open --stop--> Draining --limit--> Cutting --> Rested    the farewell
//!     |               `------ no session left -------^
//!     `--no time to drain--> Leaving ---addresses go-'
//! ```

use crate::{Duration, Instant};

/// A worker is asked for a sign of life this often.
const PERIOD: Duration = Duration::from_secs(1);
/// Signs of life in a row that a worker may owe. They are counted and not timed,
/// so that a keeper that slept itself blames nobody.
const OWED_MAX: u8 = 5;
/// A worker that lived this long has nothing to do with the one before.
const SETTLED: Duration = Duration::from_secs(10);
/// The pause before the third worker of a series that died early; it doubles.
const PAUSE: Duration = Duration::from_millis(50);
/// How far the pause grows.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// The pause after the system had no room for a process.
const NO_ROOM: Duration = Duration::from_secs(1);

/// The place of one worker.
#[derive(Clone, Copy, Debug)]
pub struct Post {
    state: State,
    /// Workers in a row that died early.
    early: u8,
    restarts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody works here.
    Vacant { start_at: Instant },
    /// A worker does.
    Running {
        pid: u32,
        since: Instant,
        ask_at: Instant,
        /// Its sign of life as it was seen last.
        heartbeat: u32,
        owed: u8,
    },
}

/// What is to be done about a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    Nothing,
    /// Start a worker; then [`Post::on_started`] or [`Post::on_refused`].
    Start,
    /// Wake it, so that it gives a sign of life.
    Ask,
    /// It hangs: kill it. Its end is told as any other.
    Kill,
}

impl Post {
    /// A post whose first worker is due.
    pub const fn new(now: Instant) -> Post {
        Post {
            state: State::Vacant { start_at: now },
            early: 0,
            restarts: 0,
        }
    }

    /// The worker there, and since when.
    pub fn worker(&self) -> Option<(u32, Instant)> {
        match self.state {
            State::Vacant { .. } => None,
            State::Running { pid, since, .. } => Some((pid, since)),
        }
    }

    /// Workers that were replaced.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// When [`Post::on_poll`] wants to be called.
    pub fn poll_at(&self) -> Instant {
        match self.state {
            State::Vacant { start_at } => start_at,
            State::Running { ask_at, .. } => ask_at,
        }
    }

    /// A worker began.
    pub fn on_started(&mut self, now: Instant, pid: u32, heartbeat: u32) {
        self.state = State::Running {
            pid,
            since: now,
            ask_at: now + PERIOD,
            heartbeat,
            owed: 0,
        };
    }

    /// The system could not start one.
    pub fn on_refused(&mut self, now: Instant) {
        self.state = State::Vacant {
            start_at: now + NO_ROOM,
        };
    }

    /// The worker ended. Says how long the post stays vacant.
    pub fn on_ended(&mut self, now: Instant) -> Duration {
        let State::Running { since, .. } = self.state else {
            return Duration::ZERO;
        };
        if now - since >= SETTLED {
            self.early = 0;
        }
        let pause = match self.early {
            0 => Duration::ZERO,
            early => (PAUSE * (1 << (early - 1).min(8))).min(PAUSE_MAX),
        };
        self.early = self.early.saturating_add(1);
        self.restarts = self.restarts.saturating_add(1);
        self.state = State::Vacant {
            start_at: now + pause,
        };
        pause
    }

    /// The time that [`Post::poll_at`] asked for has come, or another one;
    /// `heartbeat` is what the worker counts now.
    pub fn on_poll(&mut self, now: Instant, heartbeat: u32) -> Order {
        match &mut self.state {
            State::Vacant { start_at } if *start_at <= now => Order::Start,
            State::Running {
                ask_at,
                heartbeat: seen,
                owed,
                ..
            } if *ask_at <= now => {
                *ask_at = now + PERIOD;
                *owed = match *seen == heartbeat {
                    true => *owed + 1,
                    false => 0,
                };
                *seen = heartbeat;
                if *owed <= OWED_MAX {
                    return Order::Ask;
                }
                *owed = 0;
                Order::Kill
            }
            State::Vacant { .. } | State::Running { .. } => Order::Nothing,
        }
    }
}

/// How long sessions that are cut may take to go.
const CUT_MAX: Duration = Duration::from_millis(200);
/// Between two looks at the sessions that are left.
const LOOK: Duration = Duration::from_millis(10);

/// How long clients are still let in once addresses may go: the neighbours have
/// just been told where these are now, and whoever was not is not refused.
pub const GRACE: Duration = Duration::from_millis(5);
/// How long the addresses wait at most for the resets of sessions that were cut,
/// and how often is looked.
pub const RESETS_MAX: Duration = Duration::from_millis(20);
/// Between two of these looks.
pub const RESETS_LOOK: Duration = Duration::from_millis(1);

/// How the forwarder comes to rest. Where sessions may end, new ones are refused
/// until they have, those that are left are cut at a limit, and only then the
/// hand-over begins. Otherwise it begins at once. While it lasts everybody is
/// served, until the addresses go. Sessions are cut before they do, so that clients are
/// told by a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// It serves.
    Open,
    /// Sessions may end until then.
    Draining {
        /// The limit.
        until: Instant,
        /// The next look.
        look_at: Instant,
    },
    /// Sessions are being cut.
    Cutting {
        /// Whatever is left then ends with its process.
        until: Instant,
        /// The next look.
        look_at: Instant,
    },
    /// The addresses are handed over; it serves until they go.
    Leaving,
    /// Nothing is left to wait for.
    Rested,
}

/// What a step of the farewell asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Wait,
    /// Cut every session.
    Cut,
    /// Go on with the stop.
    Rest,
}

impl Farewell {
    /// What status calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Farewell::Open => "open",
            Farewell::Draining { .. } => "draining",
            Farewell::Cutting { .. } => "cutting",
            Farewell::Leaving => "leaving",
            Farewell::Rested => "rested",
        }
    }

    /// Whether new sessions are taken.
    pub fn serves(&self) -> bool {
        matches!(self, Farewell::Open | Farewell::Leaving)
    }

    /// How long sessions may still go on, where that is limited.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        match self {
            Farewell::Draining { until, .. } => Some(*until - now.min(*until)),
            _ => None,
        }
    }

    /// A stop is asked for: the first time, or again by somebody who is in a
    /// hurry.
    pub fn on_stop(&mut self, now: Instant, sessions: u32, patience: Duration) -> Step {
        match self {
            Farewell::Open if patience == Duration::ZERO || sessions == 0 => self.leave(),
            Farewell::Open => {
                *self = Farewell::Draining {
                    until: now + patience,
                    look_at: now + LOOK,
                };
                Step::Wait
            }
            Farewell::Leaving => Step::Rest,
            Farewell::Draining { .. } => self.cut(now),
            Farewell::Cutting { .. } | Farewell::Rested => {
                *self = Farewell::Rested;
                Step::Rest
            }
        }
    }

    /// Addresses are about to go, or the node ends; `more`: it has others, whose
    /// clients are still let in.
    pub fn on_release(&mut self, more: bool) -> Step {
        if *self != Farewell::Leaving {
            return Step::Wait;
        }
        if !more {
            *self = Farewell::Rested;
        }
        Step::Cut
    }

    /// When [`Farewell::on_poll`] wants to be called.
    pub fn poll_at(&self) -> Option<Instant> {
        match self {
            Farewell::Open | Farewell::Leaving | Farewell::Rested => None,
            Farewell::Draining { look_at, .. } | Farewell::Cutting { look_at, .. } => {
                Some(*look_at)
            }
        }
    }

    /// Looks at how many sessions are left.
    pub fn on_poll(&mut self, now: Instant, sessions: u32) -> Step {
        match self {
            Farewell::Open | Farewell::Leaving | Farewell::Rested => Step::Wait,
            Farewell::Draining { until, look_at } | Farewell::Cutting { until, look_at }
                if sessions > 0 && now < *until =>
            {
                *look_at = now + LOOK;
                Step::Wait
            }
            Farewell::Draining { .. } if sessions > 0 => self.cut(now),
            Farewell::Draining { .. } | Farewell::Cutting { .. } => self.leave(),
        }
    }

    fn cut(&mut self, now: Instant) -> Step {
        *self = Farewell::Cutting {
            until: now + CUT_MAX,
            look_at: now,
        };
        Step::Cut
    }

    fn leave(&mut self) -> Step {
        *self = Farewell::Leaving;
        Step::Rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Instant {
        Instant::from_millis(ms)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn one_that_dies_is_replaced_at_once_and_a_series_ever_more_slowly() {
        let mut post = Post::new(at(0));
        assert_eq!(post.on_poll(at(0), 0), Order::Start);
        post.on_started(at(0), 7, 0);
        assert_eq!(post.worker(), Some((7, at(0))));
        // It lived for a minute.
        let mut now = 60_000;
        let mut pauses = [0; 12];
        for pause in &mut pauses {
            *pause = post.on_ended(at(now)).total_millis();
            assert_eq!(post.worker(), None);
            now += *pause as i64;
            assert_eq!(post.poll_at(), at(now));
            assert_eq!(post.on_poll(at(now - 1), 0), Order::Nothing);
            assert_eq!(post.on_poll(at(now), 0), Order::Start);
            post.on_started(at(now), 8, 0);
        }
        let expected = [
            0, 50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000,
        ];
        assert_eq!(pauses, expected);
        assert_eq!(post.restarts(), 12);
        // One that settled ends the series.
        assert_eq!(post.on_ended(at(now + 10_000)), ms(0));
    }

    #[test]
    fn a_worker_of_a_long_series_does_not_overflow_its_count() {
        let mut post = Post::new(at(0));
        for now in 0..1000 {
            post.on_started(at(now), 7, 0);
            assert!(post.on_ended(at(now)) <= ms(10_000));
        }
        assert_eq!(post.restarts(), 1000);
    }

    #[test]
    fn without_room_for_a_process_it_is_tried_again_after_a_second() {
        let mut post = Post::new(at(0));
        assert_eq!(post.on_poll(at(0), 0), Order::Start);
        post.on_refused(at(0));
        assert_eq!(post.on_poll(at(999), 0), Order::Nothing);
        assert_eq!(post.on_poll(at(1000), 0), Order::Start);
        assert_eq!(post.restarts(), 0);
    }

    #[test]
    fn one_that_gives_no_sign_of_life_is_killed() {
        let mut post = Post::new(at(0));
        post.on_started(at(0), 7, 3);
        assert_eq!(post.on_poll(at(999), 3), Order::Nothing);
        // Nobody asked before, so the first one counts like the others.
        for second in 1..=5 {
            assert_eq!(post.on_poll(at(second * 1000), 3), Order::Ask);
        }
        // In the last moment.
        assert_eq!(post.on_poll(at(6000), 4), Order::Ask);
        for second in 7..=11 {
            assert_eq!(post.on_poll(at(second * 1000), 4), Order::Ask);
        }
        assert_eq!(post.on_poll(at(12_000), 4), Order::Kill);
        // It does not go, and is killed again, not every second.
        assert_eq!(post.on_poll(at(13_000), 4), Order::Ask);
    }

    #[test]
    fn a_keeper_that_slept_blames_nobody() {
        let mut post = Post::new(at(0));
        post.on_started(at(0), 7, 0);
        for hour in 1..=5 {
            assert_eq!(post.on_poll(at(hour * 3_600_000), 0), Order::Ask);
        }
        assert_eq!(post.on_poll(at(6 * 3_600_000), 1), Order::Ask);
    }

    #[test]
    fn without_sessions_the_stop_goes_on_at_once() {
        let mut farewell = Farewell::Open;
        assert_eq!(farewell.on_stop(at(0), 0, ms(30_000)), Step::Rest);
        assert_eq!(farewell.poll_at(), None);
        assert_eq!(farewell.name(), "leaving");
    }

    #[test]
    fn without_patience_everybody_is_served_until_the_last_address_goes() {
        for sessions in [0, 5] {
            let mut farewell = Farewell::Open;
            assert_eq!(farewell.on_stop(at(0), sessions, ms(0)), Step::Rest);
            assert!(farewell.serves());
            assert_eq!(farewell.poll_at(), None);
            assert_eq!(farewell.on_poll(at(500), sessions), Step::Wait);
            // Those of one router: clients of the others still come in.
            assert_eq!(farewell.on_release(true), Step::Cut);
            assert!(farewell.serves());
            assert_eq!(farewell.on_release(false), Step::Cut);
            assert!(!farewell.serves());
            assert_eq!(farewell.name(), "rested");
            // The end of the node finds nothing left to do.
            assert_eq!(farewell.on_release(false), Step::Wait);
        }
    }

    #[test]
    fn addresses_that_go_without_a_stop_or_in_a_drain_are_no_farewell() {
        let mut farewell = Farewell::Open;
        assert_eq!(farewell.on_release(false), Step::Wait);
        assert_eq!(farewell, Farewell::Open);
        farewell.on_stop(at(0), 2, ms(3000));
        assert!(!farewell.serves());
        assert_eq!(farewell.left(at(1000)), Some(ms(2000)));
        assert_eq!(farewell.left(at(4000)), Some(ms(0)));
        // A router that loses its addresses meanwhile cuts nobody.
        assert_eq!(farewell.on_release(true), Step::Wait);
        assert_eq!(farewell.on_poll(at(10), 0), Step::Rest);
        // Now clients are let in until the address goes.
        assert!(farewell.serves());
        assert_eq!(farewell.on_release(false), Step::Cut);
    }

    #[test]
    fn who_asks_twice_while_it_leaves_is_not_held_up() {
        let mut farewell = Farewell::Open;
        assert_eq!(farewell.on_stop(at(0), 2, ms(0)), Step::Rest);
        assert_eq!(farewell.on_stop(at(1), 2, ms(0)), Step::Rest);
        assert_eq!(farewell.on_release(false), Step::Cut);
    }

    #[test]
    fn sessions_that_do_not_go_hold_nobody_up() {
        let mut farewell = Farewell::Open;
        farewell.on_stop(at(0), 5, ms(100));
        assert_eq!(farewell.on_poll(at(100), 5), Step::Cut);
        assert_eq!(farewell.on_poll(at(100), 5), Step::Wait);
        assert_eq!(farewell.poll_at(), Some(at(110)));
        assert_eq!(farewell.on_poll(at(299), 5), Step::Wait);
        assert_eq!(farewell.on_poll(at(300), 5), Step::Rest);
        assert_eq!(farewell.on_poll(at(310), 5), Step::Wait);
    }

    #[test]
    fn sessions_may_end_and_are_cut_at_the_limit() {
        let mut farewell = Farewell::Open;
        assert_eq!(farewell.on_stop(at(0), 2, ms(3000)), Step::Wait);
        assert_eq!(farewell.name(), "draining");
        assert_eq!(farewell.on_poll(at(2999), 1), Step::Wait);
        assert_eq!(farewell.on_poll(at(3000), 1), Step::Cut);
        assert_eq!(farewell.on_poll(at(3010), 0), Step::Rest);
        let mut farewell = Farewell::Open;
        farewell.on_stop(at(0), 2, ms(3000));
        assert_eq!(farewell.on_poll(at(10), 0), Step::Rest);
    }

    #[test]
    fn who_asks_twice_does_not_wait() {
        let mut farewell = Farewell::Open;
        farewell.on_stop(at(0), 2, ms(3000));
        assert_eq!(farewell.on_stop(at(100), 2, ms(3000)), Step::Cut);
        assert_eq!(farewell.on_stop(at(101), 2, ms(3000)), Step::Rest);
    }
}
