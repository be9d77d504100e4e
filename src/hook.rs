//! The hook of one router: at most one call at a time, in order, the last state
//! always delivered, each call ended at its time limit.
//!
//! It never looks at the router and never waits: a call that hangs delays the
//! next call and nothing else.

use crate::event::{Action, Actions, Exit, HookCall, HookState, Kill, RouterId};
use crate::mutation::{Broken, Mutation};
use crate::{Duration, Instant};

/// Between TERM and KILL for a call that is over its time.
const KILL_AFTER: Duration = Duration::from_secs(2);
/// Between two tries of a call that the system had no room for.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often in a row it is tried again, so that a stop comes to its end.
const RETRIES_MAX: u8 = 30;

/// A call that is running, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call {
    call: HookCall,
    started_at: Instant,
}

/// Where the present call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// None.
    Idle,
    /// Started; over its time from then on.
    Running { call: Call, term_at: Instant },
    /// Over its time, TERM sent.
    Terminating { call: Call, kill_at: Instant },
    /// KILL sent; only the end is awaited.
    Killed { call: Call },
    /// There was no room for a process; the call that waits is tried then.
    Retrying { start_at: Instant },
}

/// How the last call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it was told.
    pub call: HookCall,
    /// How it ended.
    pub exit: Exit,
    /// How long it took.
    pub duration: Duration,
}

/// The queue of calls of one router's hook.
#[derive(Debug)]
pub struct Hook {
    id: RouterId,
    /// `None`: the router has no hook, and nothing ever happens here.
    timeout: Option<Duration>,
    broken: Broken,
    run: Run,
    /// The state that is to be told when the present call has ended.
    pending: Option<(HookState, u8)>,
    /// The state of the latest call.
    told: Option<HookState>,
    sequence: u32,
    runs: u32,
    retries: u8,
    ended: Option<Ended>,
}

impl Hook {
    /// An idle queue; `timeout` is the limit of a call, `None` without a hook.
    pub fn new(id: RouterId, timeout: Option<Duration>) -> Hook {
        Hook {
            id,
            timeout,
            broken: Broken::NOTHING,
            run: Run::Idle,
            pending: None,
            told: None,
            sequence: 0,
            runs: 0,
            retries: 0,
            ended: None,
        }
    }

    /// Breaks a rule on purpose (tests only).
    pub fn set_broken(&mut self, broken: Broken) {
        self.broken = broken;
    }

    /// The router has a hook.
    pub fn configured(&self) -> bool {
        self.timeout.is_some()
    }

    /// The call that is running.
    pub fn running(&self) -> Option<HookCall> {
        match self.run {
            Run::Idle | Run::Retrying { .. } => None,
            Run::Running { call, .. } | Run::Terminating { call, .. } | Run::Killed { call } => {
                Some(call.call)
            }
        }
    }

    /// Calls that wait: 0 or 1, since only the last state is kept.
    pub fn queued(&self) -> u8 {
        u8::from(self.pending.is_some())
    }

    /// Calls that were started.
    pub fn runs(&self) -> u32 {
        self.runs
    }

    /// How the last call ended.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// Nothing runs and nothing waits.
    pub fn at_rest(&self) -> bool {
        self.run == Run::Idle && self.pending.is_none()
    }

    /// When [`Hook::on_poll`] wants to be called, if ever.
    pub fn poll_at(&self) -> Option<Instant> {
        match self.run {
            Run::Running { term_at, .. } => Some(term_at),
            Run::Terminating { kill_at, .. } => Some(kill_at),
            Run::Retrying { start_at } => Some(start_at),
            Run::Idle | Run::Killed { .. } => None,
        }
    }

    /// The router's state changed to this.
    pub fn on_change(
        &mut self,
        now: Instant,
        state: HookState,
        priority: u8,
        actions: &mut Actions,
    ) {
        if self.timeout.is_none() {
            return;
        }
        self.sequence = self.sequence.wrapping_add(1);
        if self.run != Run::Idle && self.broken.is(Mutation::DropLastHook) {
            return;
        }
        self.pending = Some((state, priority));
        self.next(now, actions);
    }

    /// A deadline may have passed.
    pub fn on_poll(&mut self, now: Instant, actions: &mut Actions) {
        match self.run {
            Run::Running { call, term_at } if now >= term_at => {
                self.run = Run::Terminating {
                    call,
                    kill_at: now + KILL_AFTER,
                };
                actions.push(Action::KillHook(self.id, Kill::Term));
            }
            Run::Terminating { call, kill_at } if now >= kill_at => {
                self.run = Run::Killed { call };
                actions.push(Action::KillHook(self.id, Kill::Kill));
            }
            Run::Retrying { start_at } if now >= start_at => {
                self.run = Run::Idle;
                self.next(now, actions);
            }
            Run::Idle
            | Run::Running { .. }
            | Run::Terminating { .. }
            | Run::Killed { .. }
            | Run::Retrying { .. } => {}
        }
    }

    /// The call came to its end, or could not be started.
    pub fn on_ended(&mut self, now: Instant, exit: Exit, actions: &mut Actions) {
        let call = match self.run {
            Run::Running { call, .. } | Run::Terminating { call, .. } | Run::Killed { call } => {
                call
            }
            // The end of a call that was given up at the stop.
            Run::Idle | Run::Retrying { .. } => return,
        };
        if exit == Exit::NoRoom && self.retries < RETRIES_MAX {
            return self.retry(now, call.call);
        }
        self.retries = 0;
        let duration = now - call.started_at;
        self.ended = Some(Ended {
            call: call.call,
            exit,
            duration,
        });
        self.run = Run::Idle;
        self.next(now, actions);
    }

    /// The node must end at once: nothing waits any more, what runs is killed.
    pub fn on_abandon(&mut self, actions: &mut Actions) {
        if self.running().is_some() {
            actions.push(Action::KillHook(self.id, Kill::Kill));
        }
        self.run = Run::Idle;
        self.pending = None;
    }

    /// The call never happened: it waits again, unless a newer state has taken
    /// its place.
    fn retry(&mut self, now: Instant, call: HookCall) {
        self.retries += 1;
        self.runs -= 1;
        self.told = call.previous;
        self.pending.get_or_insert((call.state, call.priority));
        self.run = Run::Retrying {
            start_at: now + RETRY_AFTER,
        };
    }

    /// Starts the call that waits, if nothing runs. A state that the latest
    /// call was told already is not told again.
    fn next(&mut self, now: Instant, actions: &mut Actions) {
        let Some(timeout) = self.timeout else { return };
        if self.run != Run::Idle {
            return;
        }
        let Some((state, priority)) = self.pending.take() else {
            return;
        };
        if self.told == Some(state) {
            return;
        }
        let call = HookCall {
            state,
            previous: self.told,
            priority,
            sequence: self.sequence,
        };
        self.told = Some(state);
        self.runs += 1;
        let call = Call {
            call,
            started_at: now,
        };
        self.run = Run::Running {
            call,
            term_at: now + timeout,
        };
        actions.push(Action::StartHook(self.id, call.call));
    }
}

#[cfg(test)]
mod tests {
    use super::HookState::{Backup, Fault, Master, Stop};
    use super::*;

    struct Bench {
        hook: Hook,
        actions: Actions,
    }

    fn ms(at: i64) -> Instant {
        Instant::from_millis(at)
    }

    fn start(state: HookState, previous: Option<HookState>, sequence: u32) -> Action {
        Action::StartHook(
            RouterId(0),
            HookCall {
                state,
                previous,
                priority: 100,
                sequence,
            },
        )
    }

    impl Bench {
        fn new() -> Bench {
            let hook = Hook::new(RouterId(0), Some(Duration::from_secs(300)));
            Bench {
                hook,
                actions: Actions::new(),
            }
        }

        fn change(&mut self, at: i64, state: HookState, want: &[Action]) {
            self.actions.clear();
            self.hook.on_change(ms(at), state, 100, &mut self.actions);
            assert_eq!(*self.actions, *want, "at {at} ms");
        }

        fn ends(&mut self, at: i64, want: &[Action]) {
            self.actions.clear();
            self.hook.on_ended(ms(at), Exit::Code(0), &mut self.actions);
            assert_eq!(*self.actions, *want, "at {at} ms");
        }

        fn no_room(&mut self, at: i64) {
            self.actions.clear();
            self.hook.on_ended(ms(at), Exit::NoRoom, &mut self.actions);
            assert!(self.actions.is_empty(), "at {at} ms");
        }

        fn poll(&mut self, at: i64, want: &[Action]) {
            self.actions.clear();
            self.hook.on_poll(ms(at), &mut self.actions);
            assert_eq!(*self.actions, *want, "at {at} ms");
        }
    }

    // PROTOCOL 75: one at a time, in order; the gap in the sequence tells the
    // hook that states were overtaken.
    #[test]
    fn what_was_overtaken_is_dropped_and_the_last_state_is_delivered() {
        let mut bench = Bench::new();
        bench.change(0, Backup, &[start(Backup, None, 1)]);
        bench.change(100, Master, &[]);
        bench.change(200, Fault, &[]);
        assert_eq!(bench.hook.queued(), 1);
        bench.ends(10_000, &[start(Fault, Some(Backup), 3)]);
        bench.ends(10_001, &[]);
        assert!(bench.hook.at_rest());
        assert_eq!(bench.hook.runs(), 2);
    }

    // PROTOCOL 74.
    #[test]
    fn a_state_that_came_back_is_not_told_twice_in_a_row() {
        let mut bench = Bench::new();
        bench.change(0, Master, &[start(Master, None, 1)]);
        bench.change(100, Backup, &[]);
        bench.change(200, Master, &[]);
        bench.ends(300, &[]);
        bench.change(400, Stop, &[start(Stop, Some(Master), 4)]);
    }

    #[test]
    fn a_hung_call_is_ended_and_the_next_one_follows() {
        let mut bench = Bench::new();
        bench.change(0, Backup, &[start(Backup, None, 1)]);
        bench.change(1000, Master, &[]);
        assert_eq!(bench.hook.poll_at(), Some(ms(300_000)));
        bench.poll(299_999, &[]);
        bench.poll(300_000, &[Action::KillHook(RouterId(0), Kill::Term)]);
        bench.poll(302_000, &[Action::KillHook(RouterId(0), Kill::Kill)]);
        assert_eq!(bench.hook.poll_at(), None);
        bench.ends(302_001, &[start(Master, Some(Backup), 2)]);
    }

    #[test]
    fn a_call_that_could_not_be_started_does_not_block_the_next() {
        let mut bench = Bench::new();
        bench.change(0, Backup, &[start(Backup, None, 1)]);
        bench
            .hook
            .on_ended(ms(1), Exit::NotStarted, &mut bench.actions);
        assert_eq!(
            bench.hook.ended().map(|ended| ended.exit),
            Some(Exit::NotStarted)
        );
        bench.change(2, Master, &[start(Master, Some(Backup), 2)]);
    }

    // Rule 8: a machine that is short of processes loses no state.
    #[test]
    fn a_call_without_room_is_tried_again_with_the_last_state() {
        let mut bench = Bench::new();
        bench.change(0, Backup, &[start(Backup, None, 1)]);
        bench.ends(10, &[]);
        bench.change(100, Master, &[start(Master, Some(Backup), 2)]);
        bench.no_room(100);
        assert!(!bench.hook.at_rest());
        bench.poll(1099, &[]);
        bench.poll(1100, &[start(Master, Some(Backup), 2)]);
        bench.no_room(1100);
        bench.change(1500, Fault, &[]);
        bench.poll(2100, &[start(Fault, Some(Backup), 3)]);
        bench.ends(2200, &[]);
        assert!(bench.hook.at_rest());
        assert_eq!(bench.hook.runs(), 2);
    }

    #[test]
    fn room_that_never_comes_is_not_waited_for_for_ever() {
        let mut bench = Bench::new();
        bench.change(0, Stop, &[start(Stop, None, 1)]);
        bench.no_room(0);
        for second in 1..=30 {
            bench.poll(1000 * second, &[start(Stop, None, 1)]);
            bench.no_room(1000 * second);
        }
        assert!(bench.hook.at_rest());
    }

    #[test]
    fn a_router_without_a_hook_calls_nothing() {
        let mut bench = Bench::new();
        bench.hook.timeout = None;
        bench.change(0, Master, &[]);
        assert!(bench.hook.at_rest());
    }
}
