//! The `notify` hook of one router or group: at most one call at a time, in
//! order, the last state always delivered, each call ended at its time limit.
//!
//! ```text
//!   a change --(notify_settle)--> it waits --(nothing runs)--> it is called
//!                                    |  a newer change takes its place;
//!                                    |  with `notify_overtake = term` it also
//!                                    `  ends the call that still runs
//! ```
//!
//! It never looks at what it tells of and never waits: a call that hangs delays the
//! next call and nothing else.

use crate::call::{Caller, End};
use crate::config::Notify;
use crate::event::{Actions, Exit, HookCall, HookId, HookState, earliest};
use crate::mutation::{Broken, Mutation};
use crate::{Duration, Instant};

/// What the configuration says about a hook.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a call may run.
    pub timeout: Duration,
    /// How long a state must have lasted before it is told; STOP is told at once.
    pub settle: Duration,
    /// How long after a call the present state is told again; 0: never.
    pub reconcile: Duration,
    /// A newer state ends the call that still runs.
    pub overtake: bool,
    /// MASTER is told again when another master has given way.
    pub again: bool,
}

impl Settings {
    /// What these lines say; `None` without a command.
    pub fn of(notify: &Notify<'_>) -> Option<Settings> {
        notify.command.map(|_| Settings {
            timeout: notify.timeout,
            settle: notify.settle,
            reconcile: notify.reconcile,
            overtake: notify.overtake,
            again: notify.again,
        })
    }
}

/// A state that is to be told.
#[derive(Clone, Copy, Debug)]
struct Pending {
    state: HookState,
    priority: u8,
    /// It has not lasted long enough; it has then.
    settled_at: Option<Instant>,
    /// It is told even if it was told before.
    again: bool,
}

/// The queue of calls of one router's hook.
#[derive(Debug)]
pub struct Hook {
    /// `None`: the router has no hook, and nothing ever happens here.
    settings: Option<Settings>,
    broken: Broken,
    caller: Caller,
    pending: Option<Pending>,
    /// The state of the latest call.
    told: Option<HookState>,
    /// When the present state is told again, unless something is told before.
    reconcile_at: Option<Instant>,
    /// When it is told again because another master was heard.
    again_at: Option<Instant>,
    sequence: u32,
}

impl Hook {
    /// An idle queue; no settings, no hook.
    pub fn new(id: HookId, settings: Option<Settings>) -> Hook {
        Hook {
            settings,
            broken: Broken::NOTHING,
            caller: Caller::new(id, settings.map_or(Duration::ZERO, |s| s.timeout)),
            pending: None,
            told: None,
            reconcile_at: None,
            again_at: None,
            sequence: 0,
        }
    }

    /// Breaks a rule on purpose (tests only).
    pub fn set_broken(&mut self, broken: Broken) {
        self.broken = broken;
        self.caller.set_broken(broken);
    }

    /// The router has a hook.
    pub fn configured(&self) -> bool {
        self.settings.is_some()
    }

    /// The calls, for status.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Calls that wait: 0 or 1, since only the last state is kept.
    pub fn queued(&self) -> u8 {
        u8::from(self.pending.is_some())
    }

    /// Nothing runs and nothing waits.
    pub fn at_rest(&self) -> bool {
        self.caller.is_idle() && self.pending.is_none()
    }

    /// When [`Hook::on_poll`] wants to be called, if ever.
    pub fn poll_at(&self) -> Option<Instant> {
        let next = match self.pending {
            Some(pending) => pending.settled_at,
            None => self.repeat_at(),
        };
        earliest(self.caller.poll_at(), next)
    }

    /// When the present state is told again; never while one waits, which may
    /// turn out to be the same, nor after STOP.
    fn repeat_at(&self) -> Option<Instant> {
        if self.pending.is_some() || self.told == Some(HookState::Stop) {
            return None;
        }
        earliest(self.reconcile_at, self.again_at)
    }

    /// The router's state changed to this.
    pub fn on_change(
        &mut self,
        now: Instant,
        state: HookState,
        priority: u8,
        actions: &mut Actions,
    ) {
        let Some(settings) = self.settings else {
            return;
        };
        self.sequence = self.sequence.wrapping_add(1);
        if !self.caller.is_idle() && self.broken.is(Mutation::DropLastHook) {
            return;
        }
        self.again_at = None;
        // What has to end does not wait until it has lasted.
        let settles = settings.settle > Duration::ZERO && state != HookState::Stop;
        self.pending = Some(Pending {
            state,
            priority,
            settled_at: settles.then_some(now + settings.settle),
            again: false,
        });
        self.next(now, actions);
    }

    /// The router waits, of which nothing is told; what it was did not last.
    pub fn on_wait(&mut self) {
        self.pending = self.pending.filter(|pending| pending.settled_at.is_none());
    }

    /// The router is Master and heard another one that has to give way, which it
    /// has when it was silent for `quiet`. What the other's hook did may have
    /// come after what ours did.
    pub fn on_rival(&mut self, now: Instant, quiet: Duration) {
        if self.settings.is_some_and(|settings| settings.again) {
            self.again_at = Some(now + quiet);
        }
    }

    /// A deadline may have passed; `priority` is the present one.
    pub fn on_poll(&mut self, now: Instant, priority: u8, actions: &mut Actions) {
        self.caller.on_poll(now, actions);
        if let Some(pending) = &mut self.pending {
            pending.settled_at = pending.settled_at.filter(|at| now < *at);
        }
        self.next(now, actions);
        if self.repeat_at().is_some_and(|at| now >= at) {
            self.reconcile_at = None;
            self.again_at = None;
            if let Some(state) = self.told {
                self.sequence = self.sequence.wrapping_add(1);
                self.pending = Some(Pending {
                    state,
                    priority,
                    settled_at: None,
                    again: true,
                });
                self.next(now, actions);
            }
        }
    }

    /// The call came to its end, or could not be started.
    pub fn on_ended(&mut self, now: Instant, exit: Exit, actions: &mut Actions) {
        match self.caller.on_ended(now, exit) {
            End::Nothing => return,
            // It waits again, unless a newer state has taken its place.
            End::NoRoom(call) => {
                self.told = call.previous;
                self.pending.get_or_insert(Pending {
                    state: call.state,
                    priority: call.priority,
                    settled_at: None,
                    again: true,
                });
            }
            End::Ended(_) => {
                let interval = self.settings.map(|settings| settings.reconcile);
                let interval = interval.filter(|interval| *interval > Duration::ZERO);
                self.reconcile_at = interval.map(|interval| now + interval);
            }
        }
        self.next(now, actions);
    }

    /// The node must end at once: nothing waits any more, what runs is killed.
    pub fn on_abandon(&mut self, actions: &mut Actions) {
        self.caller.on_abandon(actions);
        self.pending = None;
    }

    /// Starts the call that waits, if nothing runs. A state that the latest
    /// call was told already is not told again, unless that call was cut short.
    fn next(&mut self, now: Instant, actions: &mut Actions) {
        let (Some(settings), Some(pending)) = (self.settings, self.pending) else {
            return;
        };
        if pending.settled_at.is_some() {
            return;
        }
        if let Some(call) = self.caller.running()
            && settings.overtake
            && call.state != pending.state
        {
            self.caller.term(now, actions);
        }
        if self.broken.is(Mutation::TwoHooks) {
            self.caller.forget();
        }
        if !self.caller.is_idle() {
            return;
        }
        self.pending = None;
        let cut = self.caller.ended().is_some_and(|ended| ended.cut);
        if self.told == Some(pending.state) && !pending.again && !cut {
            return;
        }
        let sequence = match self.broken.is(Mutation::HookOutOfOrder) {
            true => u32::MAX - self.sequence,
            false => self.sequence,
        };
        let call = HookCall {
            state: pending.state,
            previous: self.told,
            priority: pending.priority,
            sequence,
            resource: None,
        };
        self.told = Some(pending.state);
        self.reconcile_at = None;
        self.caller.start(now, call, actions);
    }
}

#[cfg(test)]
mod tests {
    use super::HookState::{Backup, Fault, Master, Stop};
    use super::*;
    use crate::event::{Action, Kill, RouterId};

    const ID: HookId = HookId::Notify(RouterId(0));
    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }
    const PLAIN: Settings = Settings {
        timeout: Duration::from_secs(300),
        settle: Duration::ZERO,
        reconcile: Duration::ZERO,
        overtake: false,
        again: false,
    };

    struct Bench {
        hook: Hook,
        actions: Actions,
    }

    fn ms(at: i64) -> Instant {
        Instant::from_millis(at)
    }

    fn start(state: HookState, previous: Option<HookState>, sequence: u32) -> Action {
        let call = HookCall {
            state,
            previous,
            priority: 100,
            sequence,
            resource: None,
        };
        Action::StartHook(ID, call)
    }

    impl Bench {
        fn new() -> Bench {
            Bench::with(PLAIN)
        }

        fn with(settings: Settings) -> Bench {
            Bench {
                hook: Hook::new(ID, Some(settings)),
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
            self.hook.on_poll(ms(at), 100, &mut self.actions);
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
        assert_eq!(bench.hook.caller.runs(), 2);
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
        bench.poll(300_000, &[Action::KillHook(ID, Kill::Term)]);
        bench.poll(302_000, &[Action::KillHook(ID, Kill::Kill)]);
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
            bench.hook.caller.ended().map(|ended| ended.exit),
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
        assert_eq!(bench.hook.caller.runs(), 2);
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
        bench.hook.settings = None;
        bench.change(0, Master, &[]);
        assert!(bench.hook.at_rest());
    }

    // `notify_settle`: what did not last is never told; STOP does not wait.
    #[test]
    fn a_state_is_told_when_it_has_lasted() {
        let mut bench = Bench::with(Settings {
            settle: secs(3),
            ..PLAIN
        });
        bench.change(0, Backup, &[]);
        assert_eq!(bench.hook.poll_at(), Some(ms(3000)));
        bench.change(2000, Master, &[]);
        bench.poll(3000, &[]);
        bench.poll(4999, &[]);
        bench.poll(5000, &[start(Master, None, 2)]);
        bench.ends(5100, &[]);
        // A flap within the time: nothing to tell.
        bench.change(6000, Backup, &[]);
        bench.change(7000, Master, &[]);
        bench.poll(10_000, &[]);
        assert!(bench.hook.at_rest());
        assert_eq!(bench.hook.poll_at(), None);
        bench.change(11_000, Backup, &[]);
        bench.change(11_001, Stop, &[start(Stop, Some(Master), 6)]);
    }

    #[test]
    fn a_state_that_settles_behind_a_call_is_told_after_both() {
        let mut bench = Bench::with(Settings {
            settle: secs(3),
            ..PLAIN
        });
        bench.change(0, Backup, &[]);
        bench.poll(3000, &[start(Backup, None, 1)]);
        bench.change(4000, Master, &[]);
        bench.ends(5000, &[]);
        bench.poll(7000, &[start(Master, Some(Backup), 2)]);
        bench.change(8000, Fault, &[]);
        bench.poll(11_000, &[]);
        assert_eq!(bench.hook.poll_at(), Some(ms(307_000)), "no busy waiting");
        bench.ends(12_000, &[start(Fault, Some(Master), 3)]);
    }

    // `notify_overtake = term`.
    #[test]
    fn a_newer_state_ends_the_call_that_still_runs() {
        let mut bench = Bench::with(Settings {
            overtake: true,
            ..PLAIN
        });
        bench.change(0, Master, &[start(Master, None, 1)]);
        bench.change(1000, Backup, &[Action::KillHook(ID, Kill::Term)]);
        bench.change(1500, Fault, &[]);
        bench.poll(2999, &[]);
        bench.poll(3000, &[Action::KillHook(ID, Kill::Kill)]);
        bench.ends(3001, &[start(Fault, Some(Master), 3)]);
    }

    #[test]
    fn a_call_that_was_cut_short_told_nothing_for_certain() {
        let mut bench = Bench::with(Settings {
            overtake: true,
            ..PLAIN
        });
        bench.change(0, Master, &[start(Master, None, 1)]);
        bench.change(1000, Backup, &[Action::KillHook(ID, Kill::Term)]);
        bench.change(1001, Master, &[]);
        bench.ends(1002, &[start(Master, Some(Master), 3)]);
        // The state that a call is just being told ends nothing.
        bench.change(1003, Master, &[]);
        bench.ends(1004, &[]);
        assert!(bench.hook.at_rest());
    }

    // `reconcile` counts from the end of a call, so that it never piles up.
    #[test]
    fn the_present_state_is_told_again_until_the_stop() {
        let mut bench = Bench::with(Settings {
            reconcile: secs(60),
            ..PLAIN
        });
        bench.change(0, Backup, &[start(Backup, None, 1)]);
        assert_eq!(bench.hook.poll_at(), Some(ms(300_000)));
        bench.ends(5000, &[]);
        bench.poll(64_999, &[]);
        bench.poll(65_000, &[start(Backup, Some(Backup), 2)]);
        bench.ends(65_001, &[]);
        bench.change(70_000, Master, &[start(Master, Some(Backup), 3)]);
        bench.ends(70_001, &[]);
        bench.poll(125_001, &[]);
        bench.poll(130_001, &[start(Master, Some(Master), 4)]);
        bench.change(130_002, Stop, &[]);
        bench.ends(130_003, &[start(Stop, Some(Master), 5)]);
        bench.ends(130_004, &[]);
        bench.poll(190_004, &[]);
        assert!(bench.hook.at_rest());
    }

    // A repeated call that found no room is repeated as well.
    #[test]
    fn a_repeat_without_room_is_tried_again() {
        let mut bench = Bench::with(Settings {
            reconcile: secs(60),
            ..PLAIN
        });
        bench.change(0, Backup, &[start(Backup, None, 1)]);
        bench.ends(0, &[]);
        bench.poll(60_000, &[start(Backup, Some(Backup), 2)]);
        bench.no_room(60_000);
        bench.poll(61_000, &[start(Backup, Some(Backup), 2)]);
    }

    // `notify_again`: the cloud keeps the address where it was asked last.
    #[test]
    fn master_is_told_again_when_the_other_master_is_silent() {
        let mut bench = Bench::with(Settings {
            again: true,
            ..PLAIN
        });
        bench.change(0, Master, &[start(Master, None, 1)]);
        bench.ends(100, &[]);
        for at in [1000, 2000, 3000] {
            bench.hook.on_rival(ms(at), secs(3));
        }
        bench.poll(4000, &[]);
        bench.poll(6000, &[start(Master, Some(Master), 2)]);
        // Heard while it runs: once more after it.
        bench.hook.on_rival(ms(6100), secs(3));
        bench.poll(9100, &[]);
        bench.ends(9200, &[start(Master, Some(Master), 3)]);
        bench.ends(9300, &[]);
        // A change is news enough.
        bench.hook.on_rival(ms(9400), secs(3));
        bench.change(9500, Backup, &[start(Backup, Some(Master), 4)]);
        bench.ends(9600, &[]);
        bench.poll(12_400, &[]);
        assert_eq!(bench.hook.poll_at(), None);
    }

    #[test]
    fn nobody_is_told_again_unless_asked_for() {
        let mut bench = Bench::new();
        bench.change(0, Master, &[start(Master, None, 1)]);
        bench.ends(100, &[]);
        bench.hook.on_rival(ms(1000), secs(3));
        assert_eq!(bench.hook.poll_at(), None);
    }

    // Found by seed 318: FAULT for 22 ms, then a check without a result.
    #[test]
    fn what_a_router_was_before_it_waits_did_not_last() {
        let mut bench = Bench::with(Settings {
            settle: secs(3),
            ..PLAIN
        });
        bench.change(0, Fault, &[]);
        bench.hook.on_wait();
        bench.poll(3000, &[]);
        assert!(bench.hook.at_rest());
        // What has lasted and only waits for its turn is told.
        let mut bench = Bench::new();
        bench.change(0, Backup, &[start(Backup, None, 1)]);
        bench.change(1, Fault, &[]);
        bench.hook.on_wait();
        bench.ends(2, &[start(Fault, Some(Backup), 2)]);
    }

    // Found by seed 61: the time came while a role settled that did not last.
    #[test]
    fn a_repeat_is_not_lost_behind_a_flap() {
        let mut bench = Bench::with(Settings {
            settle: secs(3),
            reconcile: secs(60),
            ..PLAIN
        });
        bench.change(0, Backup, &[]);
        bench.poll(3000, &[start(Backup, None, 1)]);
        bench.ends(3000, &[]);
        bench.change(62_000, Master, &[]);
        bench.poll(63_000, &[]);
        bench.change(64_000, Backup, &[]);
        bench.poll(67_000, &[start(Backup, Some(Backup), 4)]);
    }
}
