//! One check: when it runs, how long it may, and what its results add up to.
//!
//! It knows nothing of routers, processes or what is looked at: a run has a
//! start and an end, and the driver says what it found. Runs never overlap.

use core::fmt::Write;

use heapless::String;

use crate::event::{Action, Actions, CheckId, CheckResult, Kill, Outcome};
use crate::say::Number;
use crate::{Duration, Instant};

/// Between TERM and KILL for a run that is over its time.
const KILL_AFTER: Duration = Duration::from_secs(2);
/// Between two warnings that a check cannot be made.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// Bytes of a result's detail that are kept; what is longer is cut.
const DETAIL_MAX: usize = 64;

/// What a check has found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// No result yet.
    Unknown,
    /// Works.
    Up,
    /// Does not.
    Down,
}

impl Health {
    /// As status shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Up => "up",
            Health::Down => "down",
        }
    }
}

/// Where the present run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// None; the next one starts then.
    Idle { start_at: Instant },
    /// Started; over its time from then on.
    Running {
        started_at: Instant,
        term_at: Instant,
    },
    /// Over its time, TERM sent.
    Terminating {
        started_at: Instant,
        kill_at: Instant,
    },
    /// KILL sent; only the end is awaited.
    Killed { started_at: Instant },
    /// The node stops: no further run.
    Stopped,
}

/// When a check runs, and what its results need to count.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From start to start.
    pub interval: Duration,
    /// What one run may take.
    pub timeout: Duration,
    /// Successes in a row until up, at least 1.
    pub rise: u16,
    /// Failures in a row until down, at least 1.
    pub fall: u16,
    /// Success counts as failure and the other way round.
    pub reverse: bool,
}

/// One check.
#[derive(Debug)]
pub struct Check {
    id: CheckId,
    pace: Pace,
    health: Health,
    /// Results in a row that speak against `health`.
    against: u16,
    /// Runs in a row of which nothing was learnt.
    unknowns: u16,
    /// No warning about them until then.
    quiet_until: Instant,
    /// What the last success holds.
    number: Option<i16>,
    /// By how much the second run is early, so that checks that began together
    /// spread out.
    jitter: Duration,
    /// When the last run was to start. The next one is reckoned from it and not
    /// from when it did, so that checks that share a moment go on sharing it.
    due_at: Instant,
    run: Run,
    runs: u32,
    since: Instant,
    detail: String<DETAIL_MAX>,
    duration: Option<Duration>,
}

impl Check {
    /// A check that has not run. `chance` is any number; where it differs, runs
    /// of the same interval are at different times.
    pub fn new(id: CheckId, pace: &Pace, now: Instant, chance: u16) -> Check {
        Check {
            id,
            pace: *pace,
            health: Health::Unknown,
            against: 0,
            unknowns: 0,
            quiet_until: now,
            number: None,
            // Less than half of the interval.
            jitter: Duration::from_micros((pace.interval.total_micros() * u64::from(chance)) >> 17),
            due_at: now,
            run: Run::Stopped,
            runs: 0,
            since: now,
            detail: String::new(),
            duration: None,
        }
    }

    /// What the results add up to.
    pub fn health(&self) -> Health {
        self.health
    }

    /// The number that is to be added to priorities, while it is up.
    pub fn number(&self) -> Option<i16> {
        self.number.filter(|_| self.health == Health::Up)
    }

    /// For the last `fall` runs at least, nothing could be learnt.
    pub fn cannot_run(&self) -> bool {
        self.unknowns >= self.pace.fall
    }

    /// A run of which nothing was learnt asks for a warning: the `fall`th in a
    /// row does, but not within a minute of another.
    pub fn take_warning(&mut self, now: Instant) -> bool {
        let due = self.unknowns == self.pace.fall && now >= self.quiet_until;
        if due {
            self.quiet_until = now + WARN_EVERY;
        }
        due
    }

    /// Since when.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// What the last result showed; `None` before the first.
    pub fn detail(&self) -> Option<&str> {
        (!self.detail.is_empty()).then_some(self.detail.as_str())
    }

    /// How long the last run took; `None` before the first end.
    pub fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// How often it was started.
    pub fn runs(&self) -> u32 {
        self.runs
    }

    /// Results in a row that speak against [`Check::health`], and how many of
    /// them change it.
    pub fn against(&self) -> (u16, u16) {
        let needed = match self.health {
            Health::Unknown => 1,
            Health::Up => self.pace.fall,
            Health::Down => self.pace.rise,
        };
        (self.against, needed)
    }

    /// No process of this check is left.
    pub fn at_rest(&self) -> bool {
        matches!(self.run, Run::Idle { .. } | Run::Stopped)
    }

    /// When [`Check::on_poll`] wants to be called, if ever.
    pub fn poll_at(&self) -> Option<Instant> {
        match self.run {
            Run::Idle { start_at } => Some(start_at),
            Run::Running { term_at, .. } => Some(term_at),
            Run::Terminating { kill_at, .. } => Some(kill_at),
            Run::Killed { .. } | Run::Stopped => None,
        }
    }

    /// The node begins to run: the first run starts then.
    pub fn on_start(&mut self, start_at: Instant) {
        self.run = Run::Idle { start_at };
    }

    /// What it looks at has just changed: the next run starts now.
    pub fn hurry(&mut self, now: Instant) {
        if let Run::Idle { start_at } = &mut self.run {
            *start_at = now.min(*start_at);
        }
    }

    /// A deadline may have passed. Returns true when the health changed.
    #[inline(never)]
    pub fn on_poll(&mut self, now: Instant, actions: &mut Actions) -> bool {
        match self.run {
            Run::Idle { start_at } if now >= start_at => {
                // One that is far too late begins a rhythm of its own, or the
                // next would follow at its heels; the first has none yet.
                let late = now > start_at + self.pace.interval / 8;
                self.due_at = match late || self.jitter > Duration::ZERO {
                    true => now,
                    false => start_at,
                };
                self.run = Run::Running {
                    started_at: now,
                    term_at: now + self.pace.timeout,
                };
                self.runs = self.runs.saturating_add(1);
                actions.push(Action::StartCheck(self.id));
                false
            }
            Run::Running {
                started_at,
                term_at,
            } if now >= term_at => {
                self.run = Run::Terminating {
                    started_at,
                    kill_at: now + KILL_AFTER,
                };
                actions.push(Action::KillCheck(self.id, Kill::Term));
                self.detail.clear();
                // The text fits: a number of 20 digits at most.
                let ms = Number(self.pace.timeout.total_millis());
                let _ = write!(self.detail, "timed out after {ms} ms");
                self.count(now, false)
            }
            Run::Terminating {
                started_at,
                kill_at,
            } if now >= kill_at => {
                self.run = Run::Killed { started_at };
                actions.push(Action::KillCheck(self.id, Kill::Kill));
                false
            }
            Run::Idle { .. }
            | Run::Running { .. }
            | Run::Terminating { .. }
            | Run::Killed { .. }
            | Run::Stopped => false,
        }
    }

    /// The run came to its end. Returns true when the health or the number
    /// changed.
    pub fn on_ended(&mut self, now: Instant, result: CheckResult<'_>) -> bool {
        match self.run {
            Run::Running { started_at, .. } => {
                self.rest(now, started_at);
                self.keep_detail(result.detail);
                let success = match result.outcome {
                    Outcome::Success | Outcome::Number(_) => true,
                    Outcome::Failure => false,
                    // The check could not be made: that says nothing about
                    // what it looks at.
                    Outcome::Unknown => {
                        self.unknowns = self.unknowns.saturating_add(1);
                        return false;
                    }
                };
                let before = self.number();
                self.number = match result.outcome {
                    Outcome::Number(number) => Some(number),
                    _ => None,
                };
                self.count(now, success) | (self.number() != before)
            }
            // Its failure was counted when the time was over; the driver may
            // know more about where it hung.
            Run::Terminating { started_at, .. } | Run::Killed { started_at } => {
                self.rest(now, started_at);
                if result.detail.starts_with('L') {
                    self.keep_detail(result.detail);
                }
                false
            }
            // The end of a run that was given up at the stop.
            Run::Idle { .. } | Run::Stopped => false,
        }
    }

    /// Its server could not be reached by others so many times: each counts as a
    /// failed run. Says whether the health changed. A check that does not run
    /// counts nothing.
    pub fn on_refused(&mut self, now: Instant, times: u16) -> bool {
        if self.run == Run::Stopped {
            return false;
        }
        self.keep_detail("L4CON a session was refused");
        // No more of them than change it: the next success begins anew.
        (0..times.min(self.pace.fall)).any(|_| self.count(now, false))
    }

    /// The node stops: no further run, and the present one is ended.
    pub fn on_stop(&mut self, actions: &mut Actions) {
        if !self.at_rest() {
            actions.push(Action::KillCheck(self.id, Kill::Kill));
        }
        self.run = Run::Stopped;
    }

    /// Back to waiting. Starts are `interval` apart; one that was overrun is
    /// left out, not made up for.
    fn rest(&mut self, now: Instant, started_at: Instant) {
        self.duration = Some(now - started_at);
        let due_at = self.due_at - self.jitter;
        let mut start_at = due_at + self.pace.interval;
        self.jitter = Duration::ZERO;
        if start_at < now {
            let interval = self.pace.interval.total_micros().max(1);
            let over = (now - due_at).total_micros() % interval;
            start_at = now + Duration::from_micros((interval - over) % interval);
        }
        self.run = Run::Idle { start_at };
    }

    /// Adds one result. The first decides at once; after that `rise` or `fall`
    /// in a row change the health.
    fn count(&mut self, now: Instant, success: bool) -> bool {
        self.unknowns = 0;
        let said = if success != self.pace.reverse {
            Health::Up
        } else {
            Health::Down
        };
        if said == self.health {
            self.against = 0;
            return false;
        }
        self.against += 1;
        if self.against < self.against().1 {
            return false;
        }
        self.against = 0;
        self.health = said;
        self.since = now;
        true
    }

    fn keep_detail(&mut self, detail: &str) {
        self.detail.clear();
        for c in detail.chars() {
            if self.detail.push(c).is_err() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        check: Check,
        actions: Actions,
    }

    fn ms(at: i64) -> Instant {
        Instant::from_millis(at)
    }

    impl Bench {
        fn new(rise: u16, fall: u16) -> Bench {
            let pace = Pace {
                interval: Duration::from_secs(2),
                timeout: Duration::from_secs(1),
                rise,
                fall,
                reverse: false,
            };
            let mut check = Check::new(CheckId(0), &pace, ms(0), 0);
            check.on_start(ms(0));
            Bench {
                check,
                actions: Actions::new(),
            }
        }

        fn poll(&mut self, at: i64, want: &[Action]) {
            self.actions.clear();
            self.check.on_poll(ms(at), &mut self.actions);
            assert_eq!(*self.actions, *want, "at {at} ms");
        }

        fn ends(&mut self, at: i64, outcome: Outcome, want: Health) {
            self.check.on_ended(
                ms(at),
                CheckResult {
                    outcome,
                    detail: "told",
                },
            );
            assert_eq!(self.check.health(), want, "at {at} ms");
        }
    }

    const START: &[Action] = &[Action::StartCheck(CheckId(0))];

    #[test]
    fn starts_are_an_interval_apart_and_do_not_overlap() {
        let mut bench = Bench::new(1, 1);
        bench.poll(0, START);
        bench.ends(300, Outcome::Success, Health::Up);
        assert_eq!(bench.check.poll_at(), Some(ms(2000)));
        bench.poll(1999, &[]);
        bench.poll(2000, START);
        bench.poll(2100, &[]);
    }

    /// A loop that is late now and then moves no start after it.
    #[test]
    fn a_late_start_delays_only_itself() {
        let mut bench = Bench::new(1, 1);
        bench.poll(3, START);
        bench.ends(300, Outcome::Success, Health::Up);
        assert_eq!(bench.check.poll_at(), Some(ms(2000)));
        bench.poll(2007, START);
        bench.ends(2010, Outcome::Success, Health::Up);
        assert_eq!(bench.check.poll_at(), Some(ms(4000)));
        // Far too late: the next one keeps its distance.
        bench.poll(6500, START);
        bench.ends(6501, Outcome::Success, Health::Up);
        assert_eq!(bench.check.poll_at(), Some(ms(8500)));
    }

    #[test]
    fn a_hung_run_fails_at_its_time_and_is_killed() {
        let mut bench = Bench::new(1, 1);
        bench.poll(0, START);
        bench.poll(1000, &[Action::KillCheck(CheckId(0), Kill::Term)]);
        assert_eq!(bench.check.health(), Health::Down);
        assert_eq!(bench.check.detail(), Some("timed out after 1000 ms"));
        bench.poll(2000, &[]);
        bench.poll(3000, &[Action::KillCheck(CheckId(0), Kill::Kill)]);
        assert_eq!(bench.check.poll_at(), None);
        // Its late success is no result any more, and the starts that were
        // overrun are left out.
        bench.ends(5500, Outcome::Success, Health::Down);
        assert_eq!(bench.check.poll_at(), Some(ms(6000)));
    }

    #[test]
    fn the_first_result_decides_then_rise_and_fall_in_a_row() {
        let mut bench = Bench::new(2, 3);
        let script = [
            (Outcome::Failure, Health::Down),
            (Outcome::Success, Health::Down),
            (Outcome::Failure, Health::Down),
            (Outcome::Success, Health::Down),
            (Outcome::Success, Health::Up),
            (Outcome::Failure, Health::Up),
            (Outcome::Failure, Health::Up),
            (Outcome::Success, Health::Up),
            (Outcome::Failure, Health::Up),
            (Outcome::Failure, Health::Up),
            (Outcome::Failure, Health::Down),
        ];
        for (i, (outcome, want)) in (0..).zip(script) {
            bench.poll(2000 * i, START);
            bench.ends(2000 * i + 1, outcome, want);
        }
    }

    #[test]
    fn refusals_of_others_count_as_failures() {
        let mut bench = Bench::new(2, 3);
        bench.poll(0, START);
        bench.ends(1, Outcome::Success, Health::Up);
        assert!(!bench.check.on_refused(ms(2), 2));
        assert_eq!(bench.check.against(), (2, 3));
        bench.poll(2000, START);
        bench.ends(2001, Outcome::Success, Health::Up);
        assert_eq!(bench.check.against(), (0, 3));
        assert!(bench.check.on_refused(ms(2002), 700));
        assert_eq!(bench.check.health(), Health::Down);
        // It is down already, and needs as many successes as ever.
        assert!(!bench.check.on_refused(ms(2003), 700));
        bench.poll(4000, START);
        bench.ends(4001, Outcome::Success, Health::Down);
        bench.poll(6000, START);
        bench.ends(6001, Outcome::Success, Health::Up);
    }

    #[test]
    fn a_check_that_cannot_run_says_nothing() {
        let mut bench = Bench::new(1, 1);
        bench.poll(0, START);
        bench.ends(1, Outcome::Unknown, Health::Unknown);
        bench.poll(2000, START);
        bench.ends(2001, Outcome::Success, Health::Up);
        bench.poll(4000, START);
        bench.ends(4001, Outcome::Unknown, Health::Up);
    }

    #[test]
    fn several_runs_without_a_result_ask_for_one_warning_a_minute() {
        let mut bench = Bench::new(1, 3);
        let mut warned = [].to_vec();
        for i in 0..40 {
            bench.poll(2000 * i, START);
            // One result in between begins anew.
            let outcome = match i {
                10 => Outcome::Success,
                _ => Outcome::Unknown,
            };
            bench.check.on_ended(
                ms(2000 * i),
                CheckResult {
                    outcome,
                    detail: "told",
                },
            );
            assert_eq!(
                bench.check.cannot_run(),
                !(matches!(i, 0..2 | 10..13)),
                "{i}"
            );
            if bench.check.take_warning(ms(2000 * i)) {
                warned.push(i);
            }
        }
        assert_eq!(warned, [2]);
        assert_eq!(bench.check.health(), Health::Up);
    }

    #[test]
    fn a_number_counts_while_it_is_up_and_changes_at_once() {
        let mut bench = Bench::new(2, 1);
        let script = [
            (Outcome::Number(5), Some(5), true),
            (Outcome::Number(5), Some(5), false),
            (Outcome::Number(-254), Some(-254), true),
            (Outcome::Success, None, true),
            (Outcome::Failure, None, true),
            (Outcome::Number(7), None, false),
            (Outcome::Number(7), Some(7), true),
            (Outcome::Unknown, Some(7), false),
        ];
        for (i, (outcome, number, changed)) in (0..).zip(script) {
            bench.poll(2000 * i, START);
            let result = CheckResult {
                outcome,
                detail: "told",
            };
            assert_eq!(bench.check.on_ended(ms(2000 * i), result), changed, "{i}");
            assert_eq!(bench.check.number(), number, "{i}");
        }
    }

    #[test]
    fn the_second_run_is_early_by_the_jitter_and_then_the_rhythm_stands() {
        let mut bench = Bench::new(1, 1);
        bench.check.jitter = Duration::from_millis(700);
        bench.poll(0, START);
        bench.ends(10, Outcome::Success, Health::Up);
        assert_eq!(bench.check.poll_at(), Some(ms(1300)));
        bench.poll(1300, START);
        bench.ends(1400, Outcome::Success, Health::Up);
        assert_eq!(bench.check.poll_at(), Some(ms(3300)));
        // What it looks at changed: it looks at once, and goes on from there.
        bench.check.hurry(ms(2000));
        bench.poll(2000, START);
        bench.check.hurry(ms(2001));
        bench.ends(2010, Outcome::Success, Health::Up);
        assert_eq!(bench.check.poll_at(), Some(ms(4000)));
    }

    #[test]
    fn reverse_turns_the_result_round() {
        let mut bench = Bench::new(1, 1);
        bench.check.pace.reverse = true;
        bench.poll(0, START);
        bench.ends(1, Outcome::Success, Health::Down);
    }

    #[test]
    fn a_stop_ends_the_run_and_starts_no_other() {
        let mut bench = Bench::new(1, 1);
        bench.poll(0, START);
        bench.actions.clear();
        bench.check.on_stop(&mut bench.actions);
        assert_eq!(*bench.actions, [Action::KillCheck(CheckId(0), Kill::Kill)]);
        assert_eq!(bench.check.poll_at(), None);
        bench.ends(1, Outcome::Failure, Health::Unknown);
    }
}
