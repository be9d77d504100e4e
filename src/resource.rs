//! The resources of one router: started in the order of the file when it
//! becomes Master, stopped in reverse order when it is anything else.
//!
//! ```text
//!   Master:         start 0, start 1, ... start n-1, then status of each at its interval
//!   anything else:  stop n-1, ... stop 1, stop 0
//! ```
//!
//! One call at a time. What was begun ends before the next call, so whatever the
//! router does meanwhile, each resource is started after the one before it and
//! stopped before that. A start that fails, or a status, is a failure of the
//! router, which goes to Fault for a while; that it does so is not decided here.

use crate::board;
use crate::call::{Caller, End};
use crate::config;
use crate::event::{Actions, Exit, HookCall, HookId, HookState, RouterId, Verb};
use crate::{Duration, Instant};

/// How long the router stays in Fault after the first failure; twice as long
/// after each further one.
const PAUSE_MIN: Duration = Duration::from_secs(10);
/// The longest such pause. Resources that ran for as long have made the router
/// forget earlier failures.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// What went wrong, and for how long the router shall not be Master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The resource's number in the file.
    pub number: u8,
    /// What it was told.
    pub verb: Verb,
    /// How long to wait.
    pub pause: Duration,
}

/// The resources of one router.
#[derive(Debug)]
pub struct Resources<'a> {
    config: &'a config::Router<'a>,
    caller: Caller,
    /// They shall run.
    wanted: bool,
    /// The first so many were started.
    started: u8,
    /// None after so many runs. At first all may: an earlier smena may have
    /// been killed.
    may_run: u8,
    /// The call that runs was told to end because it is no longer wanted.
    overtaken: bool,
    /// When the status of each is looked at again.
    status_at: [Instant; board::RESOURCES_MAX],
    /// Since when all of them run.
    up_at: Option<Instant>,
    /// The last pause; 0: none to be remembered.
    pause: Duration,
    failure: Option<Failure>,
    state: HookState,
    previous: Option<HookState>,
    priority: u8,
    sequence: u32,
}

impl<'a> Resources<'a> {
    /// Resources of which nothing is known.
    pub fn new(id: RouterId, config: &'a config::Router<'a>) -> Resources<'a> {
        Resources {
            config,
            caller: Caller::new(HookId::Resource(id), config.notify.timeout),
            wanted: false,
            started: 0,
            may_run: config.resources.len() as u8,
            overtaken: false,
            status_at: [Instant::ZERO; board::RESOURCES_MAX],
            up_at: None,
            pause: Duration::ZERO,
            failure: None,
            state: HookState::Backup,
            previous: None,
            priority: 0,
            sequence: 0,
        }
    }

    /// The calls, for status.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// How many of them were started and not stopped.
    pub fn started(&self) -> u8 {
        self.started
    }

    /// Nothing runs, and nothing is to be called.
    pub fn at_rest(&self) -> bool {
        self.caller.is_idle() && !self.wanted && self.may_run == 0
    }

    /// When [`Resources::on_poll`] wants to be called, if ever.
    pub fn poll_at(&self) -> Option<Instant> {
        let status = self.next_status().map(|(at, _)| at);
        self.caller.poll_at().or(status)
    }

    /// The state of the router is this; `None` while it waits. Until something
    /// is known of it, nothing is called.
    pub fn on_state(
        &mut self,
        now: Instant,
        state: Option<HookState>,
        priority: u8,
        actions: &mut Actions,
    ) {
        let state = match state {
            Some(state) => state,
            // The addresses are gone.
            None if self.wanted => HookState::Backup,
            None => return,
        };
        let first = self.sequence == 0;
        if state == self.state && !first {
            return;
        }
        self.previous = (!first).then_some(self.state);
        self.state = state;
        self.priority = priority;
        self.sequence = self.sequence.wrapping_add(1);
        self.wanted = state == HookState::Master;
        if !self.wanted {
            self.remember_success(now);
        }
        self.next(now, actions);
    }

    /// What has failed since the last call, while it was wanted.
    pub fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// A deadline may have passed.
    pub fn on_poll(&mut self, now: Instant, actions: &mut Actions) {
        self.caller.on_poll(now, actions);
        self.next(now, actions);
    }

    /// The call came to its end, or could not be started.
    pub fn on_ended(&mut self, now: Instant, exit: Exit, actions: &mut Actions) {
        if let End::Ended(ended) = self.caller.on_ended(now, exit)
            && let Some((number, verb)) = ended.call.resource
        {
            match verb {
                Verb::Start if ended.succeeded() => {
                    self.started = number + 1;
                    self.look_later(now, number);
                    if self.all_started() {
                        self.up_at = Some(now);
                    }
                }
                // Whatever it did, the others are to be stopped as well.
                Verb::Stop => self.may_run = number,
                // Nothing was learnt for lack of room.
                Verb::Status if ended.succeeded() || exit == Exit::NoRoom => {
                    self.look_later(now, number);
                }
                Verb::Start | Verb::Status => {
                    if self.wanted && !self.overtaken {
                        self.fail(now, number, verb);
                    }
                }
            }
        }
        self.next(now, actions);
    }

    /// The node must end at once: what runs is killed, nothing else is called.
    pub fn on_abandon(&mut self, actions: &mut Actions) {
        self.caller.on_abandon(actions);
        self.wanted = false;
        self.may_run = 0;
    }

    fn all_started(&self) -> bool {
        usize::from(self.started) == self.config.resources.len()
    }

    /// The earliest time at which a status is to be looked at, and whose.
    fn next_status(&self) -> Option<(Instant, u8)> {
        if !self.wanted || !self.all_started() {
            return None;
        }
        let resources = self.config.resources.iter().zip(self.status_at);
        let mut next: Option<(Instant, u8)> = None;
        for (number, (resource, at)) in (0u8..).zip(resources) {
            if resource.interval > Duration::ZERO && next.is_none_or(|(first, _)| at < first) {
                next = Some((at, number));
            }
        }
        next
    }

    fn look_later(&mut self, now: Instant, number: u8) {
        let at = usize::from(number);
        let interval = self.config.resources.get(at).map(|r| r.interval);
        if let (Some(status_at), Some(interval)) = (self.status_at.get_mut(at), interval) {
            *status_at = now + interval;
        }
    }

    /// Resources that ran for long were not what is wrong.
    fn remember_success(&mut self, now: Instant) {
        let long = self.up_at.take().is_some_and(|at| now >= at + PAUSE_MAX);
        if long {
            self.pause = Duration::ZERO;
        }
    }

    fn fail(&mut self, now: Instant, number: u8, verb: Verb) {
        self.remember_success(now);
        self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        self.failure = Some(Failure {
            number,
            verb,
            pause: self.pause,
        });
    }

    /// Calls what is to be called next, if nothing runs.
    fn next(&mut self, now: Instant, actions: &mut Actions) {
        let running = self.caller.running().and_then(|call| call.resource);
        let unwanted = match running {
            Some((_, Verb::Start)) => !self.wanted && self.config.notify.overtake,
            Some((_, Verb::Stop)) => self.wanted && self.config.notify.overtake,
            // It changes nothing, so nobody has to wait for it.
            Some((_, Verb::Status)) => !self.wanted,
            None => false,
        };
        if unwanted {
            self.overtaken = true;
            self.caller.term(now, actions);
        }
        // What failed is undone when the router has left Master.
        if !self.caller.is_idle() || self.failure.is_some() {
            return;
        }
        let (number, verb) = if !self.wanted {
            match self.may_run.checked_sub(1) {
                // Nothing is known of the router yet, or of none.
                None => return,
                Some(_) if self.sequence == 0 => return,
                Some(last) => (last, Verb::Stop),
            }
        } else if !self.all_started() {
            (self.started, Verb::Start)
        } else {
            match self.next_status() {
                Some((at, number)) if now >= at => (number, Verb::Status),
                _ => return,
            }
        };
        match verb {
            Verb::Start => self.may_run = self.may_run.max(number + 1),
            Verb::Stop => self.started = self.started.min(number),
            Verb::Status => {}
        }
        self.overtaken = false;
        let call = HookCall {
            state: self.state,
            previous: self.previous,
            priority: self.priority,
            sequence: self.sequence,
            resource: Some((number, verb)),
        };
        self.caller.start(now, call, actions);
    }
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::vec::Vec;

    use super::HookState::{Backup, Fault, Master, Stop};
    use super::*;
    use crate::config::{Config, Limits, Source, Words, parse};
    use crate::event::{Action, Kill};

    const ID: HookId = HookId::Resource(RouterId(0));

    fn secs(seconds: i64) -> Instant {
        Instant::from_secs(seconds)
    }

    /// Three resources; the second one's status is looked at every 10 s.
    struct Bench {
        resources: Resources<'static>,
        actions: Actions,
    }

    /// What is called, or how what runs is told to end.
    type Did = Result<(u8, Verb), Kill>;

    const NONE: [Did; 0] = [];

    fn start(number: u8) -> [Did; 1] {
        [Ok((number, Verb::Start))]
    }

    fn stop(number: u8) -> [Did; 1] {
        [Ok((number, Verb::Stop))]
    }

    const STATUS: [Did; 1] = [Ok((1, Verb::Status))];
    const TERM: [Did; 1] = [Err(Kill::Term)];

    impl Bench {
        fn new(more: &str) -> Bench {
            let text = [
                "[vrrp VI_1]\ninterface = eth0\nvirtual_router_id = 51\naddress = 192.0.2.1\n\
                 resource = /etc/init.d/disk\nresource = /etc/init.d/floatip eth0 interval 10s\n\
                 resource = /etc/init.d/web\nnotify_timeout = 60s\n",
                more,
            ]
            .concat();
            let config = Box::leak(Box::new(Config::EMPTY));
            let source = Source {
                file: "smena.ini",
                text: Box::leak(text.into_boxed_str()).as_bytes(),
                others_can_read: false,
            };
            let outcome = parse(&source, &Limits::BOARD, config, &mut |d| panic!("{d}"));
            assert_eq!(outcome.errors, 0);
            Bench {
                resources: Resources::new(RouterId(0), &config.routers[0]),
                actions: Actions::new(),
            }
        }

        #[track_caller]
        fn did<const N: usize>(&mut self, want: [Did; N]) {
            let did: Vec<Did> = self
                .actions
                .iter()
                .map(|action| match action {
                    Action::StartHook(ID, call) => Ok(call.resource.expect("a resource")),
                    Action::KillHook(ID, kill) => Err(*kill),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(did, want);
            self.actions.clear();
        }

        #[track_caller]
        fn state<const N: usize>(&mut self, at: i64, state: HookState, want: [Did; N]) {
            let state = Some(state);
            self.resources
                .on_state(secs(at), state, 100, &mut self.actions);
            self.did(want);
        }

        #[track_caller]
        fn ends<const N: usize>(&mut self, at: i64, code: u8, want: [Did; N]) {
            self.resources
                .on_ended(secs(at), Exit::Code(code), &mut self.actions);
            self.did(want);
        }

        #[track_caller]
        fn poll<const N: usize>(&mut self, at: i64, want: [Did; N]) {
            self.resources.on_poll(secs(at), &mut self.actions);
            self.did(want);
        }

        /// All are running at 0.
        fn up(more: &str) -> Bench {
            let mut bench = Bench::new(more);
            bench.state(0, Master, start(0));
            bench.ends(0, 0, start(1));
            bench.ends(0, 0, start(2));
            bench.ends(0, 0, NONE);
            bench
        }
    }

    #[test]
    fn what_a_crash_left_is_stopped_in_reverse_order() {
        let mut bench = Bench::new("");
        bench
            .resources
            .on_state(secs(0), None, 100, &mut bench.actions);
        bench.did(NONE);
        bench.state(1, Backup, stop(2));
        bench.ends(2, 0, stop(1));
        // A stop that fails keeps none of the others.
        bench.ends(3, 1, stop(0));
        bench.ends(4, 0, NONE);
        assert!(bench.resources.at_rest());
        bench.state(5, Fault, NONE);
    }

    #[test]
    fn started_in_order_and_stopped_in_reverse() {
        let mut bench = Bench::up("");
        assert_eq!(bench.resources.started(), 3);
        assert!(!bench.resources.at_rest());
        bench.state(5, Stop, stop(2));
        bench.ends(6, 0, stop(1));
        bench.ends(7, 0, stop(0));
        assert_eq!(bench.resources.started(), 0);
        bench.ends(8, 0, NONE);
        assert!(bench.resources.at_rest());
    }

    // Each call ends first; then it goes the other way from there.
    #[test]
    fn a_flap_turns_round_where_it_is() {
        let mut bench = Bench::new("");
        bench.state(0, Master, start(0));
        bench.ends(1, 0, start(1));
        bench.state(2, Backup, NONE);
        bench.ends(3, 0, stop(2));
        bench.ends(3, 0, stop(1));
        bench.state(4, Master, NONE);
        bench.ends(5, 0, start(1));
        bench.state(6, Backup, NONE);
        bench.state(7, Master, NONE);
        bench.ends(8, 0, start(2));
        bench.ends(9, 0, NONE);
        assert_eq!(bench.resources.take_failure(), None);
    }

    #[test]
    fn an_overtaken_start_is_ended_and_stopped() {
        let mut bench = Bench::new("notify_overtake = term\n");
        bench.state(0, Master, start(0));
        bench.state(1, Backup, TERM);
        bench.ends(1, 143, stop(2));
        bench.state(2, Master, TERM);
        // What a stop that was ended has left is not known.
        bench.ends(2, 143, start(0));
        bench.state(3, Backup, TERM);
        bench.state(3, Master, NONE);
        bench.ends(3, 143, start(0));
        assert_eq!(bench.resources.take_failure(), None);
    }

    #[test]
    fn a_start_that_fails_is_told_once_and_the_pause_grows() {
        let mut bench = Bench::new("");
        let mut at = 0;
        for pause in [10, 20, 40, 80, 160, 300, 300] {
            bench.state(at, Master, start(0));
            bench.ends(at, 0, start(1));
            bench.ends(at, 7, NONE);
            let failure = bench.resources.take_failure().expect("it failed");
            assert_eq!(failure.number, 1);
            assert_eq!(failure.verb, Verb::Start);
            assert_eq!(failure.pause, Duration::from_secs(pause));
            assert_eq!(bench.resources.take_failure(), None);
            bench.state(at, Fault, if at == 0 { stop(2) } else { stop(1) });
            if at == 0 {
                bench.ends(at, 0, stop(1));
            }
            bench.ends(at, 0, stop(0));
            bench.ends(at, 0, NONE);
            at += pause as i64;
            bench.state(at, Backup, NONE);
        }
    }

    #[test]
    fn the_status_is_looked_at_and_a_bad_one_is_a_failure() {
        let mut bench = Bench::up("");
        assert_eq!(bench.resources.poll_at(), Some(secs(10)));
        bench.poll(9, NONE);
        bench.poll(10, STATUS);
        bench.ends(11, 0, NONE);
        assert_eq!(bench.resources.poll_at(), Some(secs(21)));
        bench.poll(21, STATUS);
        bench.ends(22, 3, NONE);
        let failure = bench.resources.take_failure().expect("it failed");
        assert_eq!((failure.number, failure.verb), (1, Verb::Status));
        assert_eq!(failure.pause, PAUSE_MIN);
        bench.state(22, Fault, stop(2));
    }

    // The first failure after five good minutes is a first one.
    #[test]
    fn long_success_forgets_earlier_failures() {
        let mut bench = Bench::new("");
        bench.state(0, Master, start(0));
        bench.ends(0, 1, NONE);
        assert_eq!(
            bench.resources.take_failure().map(|f| f.pause),
            Some(PAUSE_MIN)
        );
        bench.state(0, Fault, stop(2));
        for number in [1, 0] {
            bench.ends(0, 0, stop(number));
        }
        bench.ends(0, 0, NONE);
        bench.state(10, Master, start(0));
        bench.ends(10, 0, start(1));
        bench.ends(10, 0, start(2));
        bench.ends(10, 0, NONE);
        bench.poll(310, STATUS);
        bench.ends(310, 1, NONE);
        assert_eq!(
            bench.resources.take_failure().map(|f| f.pause),
            Some(PAUSE_MIN)
        );
    }

    #[test]
    fn a_status_is_not_waited_for_and_what_it_says_then_counts_for_nothing() {
        let mut bench = Bench::up("");
        bench.poll(10, STATUS);
        bench.state(11, Backup, TERM);
        bench.poll(13, [Err(Kill::Kill)]);
        bench.state(13, Master, NONE);
        // It is looked at again at once.
        bench.ends(13, 137, STATUS);
        assert_eq!(bench.resources.take_failure(), None);
    }

    #[test]
    fn a_call_that_hangs_is_ended_and_is_a_failure() {
        let mut bench = Bench::new("");
        bench.state(0, Master, start(0));
        bench.poll(60, TERM);
        bench.poll(62, [Err(Kill::Kill)]);
        bench.ends(62, 0, NONE);
        assert!(bench.resources.take_failure().is_some());
        bench.state(62, Fault, stop(2));
    }

    // Lack of room for a process is nobody's failure.
    #[test]
    fn without_room_it_is_tried_again() {
        let mut bench = Bench::up("");
        bench.poll(10, STATUS);
        let no_room = |bench: &mut Bench, at| {
            let actions = &mut bench.actions;
            bench.resources.on_ended(secs(at), Exit::NoRoom, actions);
        };
        for at in 10..40 {
            no_room(&mut bench, at);
            bench.did(NONE);
            bench.poll(at + 1, STATUS);
        }
        no_room(&mut bench, 40);
        bench.did(NONE);
        assert_eq!(bench.resources.take_failure(), None);
        assert_eq!(bench.resources.poll_at(), Some(secs(50)));
    }

    #[test]
    fn at_the_second_stop_nothing_more_is_called() {
        let mut bench = Bench::new("");
        bench.state(0, Master, start(0));
        bench.resources.on_abandon(&mut bench.actions);
        bench.did([Err(Kill::Kill)]);
        assert!(bench.resources.at_rest());
        bench.ends(1, 0, NONE);
    }

    #[test]
    fn the_words_before_the_verb() {
        let bench = Bench::new("");
        let floatip = &bench.resources.config.resources[1];
        assert_eq!(floatip.command, Words("/etc/init.d/floatip eth0"));
        assert_eq!(floatip.interval, Duration::from_secs(10));
    }
}
