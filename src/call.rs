//! One call of a program: from its start to its end, within its time limit.
//!
//! ```text
//!   Idle --> Running --(limit, or overtaken: TERM)--> Terminating --(2 s: KILL)--> Killed
//!    ^          |                                          |                         |
//!    |          `------------------ its end ---------------'-------------------------'
//!    `-- Retrying <-- no room for a process
//! ```
//!
//! It knows neither why a program is called nor what its end means.

use crate::event::{Action, Actions, Exit, HookCall, HookId, Kill};
use crate::mutation::{Broken, Mutation};
use crate::{Duration, Instant};

/// Between TERM and KILL for a call that must end.
const KILL_AFTER: Duration = Duration::from_secs(2);
/// Between two tries of a call that the system had no room for.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often in a row it is tried again, so that a stop comes to its end.
const RETRIES_MAX: u8 = 30;

/// A call with its beginning.
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
    /// TERM sent.
    Terminating { call: Call, kill_at: Instant },
    /// KILL sent; only the end is awaited.
    Killed { call: Call },
    /// There was no room for a process; what is to be called is called then.
    Retrying { start_at: Instant },
}

/// How the last call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it was told.
    pub call: HookCall,
    /// How it ended.
    pub exit: Exit,
    /// It was told to end, because it was over its time or overtaken.
    pub cut: bool,
    /// How long it took.
    pub duration: Duration,
}

impl Ended {
    /// It did what it was told, and in time.
    pub fn succeeded(&self) -> bool {
        self.exit == Exit::Code(0) && !self.cut
    }
}

/// What an end means to whoever called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing: the call was given up before.
    Nothing,
    /// It never happened, for lack of room; [`Caller::on_poll`] says when to try
    /// again.
    NoRoom(HookCall),
    /// It ended.
    Ended(Ended),
}

/// Calls programs, one at a time.
#[derive(Debug)]
pub struct Caller {
    id: HookId,
    timeout: Duration,
    run: Run,
    runs: u32,
    retries: u8,
    ended: Option<Ended>,
    broken: Broken,
}

impl Caller {
    /// Nobody called yet; `timeout` is the limit of a call.
    pub fn new(id: HookId, timeout: Duration) -> Caller {
        Caller {
            id,
            timeout,
            run: Run::Idle,
            runs: 0,
            retries: 0,
            ended: None,
            broken: Broken::NOTHING,
        }
    }

    /// Breaks a rule on purpose (tests only).
    pub fn set_broken(&mut self, broken: Broken) {
        self.broken = broken;
    }

    /// Forgets the call that runs, which a broken rule does.
    pub fn forget(&mut self) {
        self.run = Run::Idle;
    }

    /// Whose calls these are.
    pub fn id(&self) -> HookId {
        self.id
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

    /// A call can be started.
    pub fn is_idle(&self) -> bool {
        self.run == Run::Idle
    }

    /// Calls that were started.
    pub fn runs(&self) -> u32 {
        self.runs
    }

    /// How the last call ended.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// When [`Caller::on_poll`] wants to be called, if ever.
    pub fn poll_at(&self) -> Option<Instant> {
        match self.run {
            Run::Running { term_at, .. } => Some(term_at),
            Run::Terminating { kill_at, .. } => Some(kill_at),
            Run::Retrying { start_at } => Some(start_at),
            Run::Idle | Run::Killed { .. } => None,
        }
    }

    /// Starts a call; none may be running.
    pub fn start(&mut self, now: Instant, call: HookCall, actions: &mut Actions) {
        assert!(self.run == Run::Idle, "one call at a time");
        self.runs += 1;
        let call = Call {
            call,
            started_at: now,
        };
        self.run = Run::Running {
            call,
            term_at: now + self.timeout,
        };
        actions.push(Action::StartHook(self.id, call.call));
    }

    /// Tells the running call to end, unless it was told before.
    pub fn term(&mut self, now: Instant, actions: &mut Actions) {
        if let Run::Running { call, .. } = self.run {
            self.run = Run::Terminating {
                call,
                kill_at: now + KILL_AFTER,
            };
            actions.push(Action::KillHook(self.id, Kill::Term));
        }
    }

    /// A deadline may have passed.
    pub fn on_poll(&mut self, now: Instant, actions: &mut Actions) {
        match self.run {
            Run::Running { term_at, .. } if now >= term_at => self.term(now, actions),
            Run::Terminating { call, kill_at } if now >= kill_at => {
                self.run = Run::Killed { call };
                if self.broken.is(Mutation::HungHookLives) {
                    return;
                }
                actions.push(Action::KillHook(self.id, Kill::Kill));
            }
            Run::Retrying { start_at } if now >= start_at => self.run = Run::Idle,
            Run::Idle
            | Run::Running { .. }
            | Run::Terminating { .. }
            | Run::Killed { .. }
            | Run::Retrying { .. } => {}
        }
    }

    /// The call came to its end, or could not be started.
    pub fn on_ended(&mut self, now: Instant, exit: Exit) -> End {
        let (call, cut) = match self.run {
            Run::Running { call, .. } => (call, false),
            Run::Terminating { call, .. } | Run::Killed { call } => (call, true),
            // The end of a call that was given up at the stop.
            Run::Idle | Run::Retrying { .. } => return End::Nothing,
        };
        if exit == Exit::NoRoom && self.retries < RETRIES_MAX {
            self.retries += 1;
            self.runs -= 1;
            self.run = Run::Retrying {
                start_at: now + RETRY_AFTER,
            };
            return End::NoRoom(call.call);
        }
        self.retries = 0;
        self.run = Run::Idle;
        let ended = Ended {
            call: call.call,
            exit,
            cut,
            duration: now - call.started_at,
        };
        self.ended = Some(ended);
        End::Ended(ended)
    }

    /// The node must end at once: what runs is killed and no longer waited for.
    pub fn on_abandon(&mut self, actions: &mut Actions) {
        if self.running().is_some() {
            actions.push(Action::KillHook(self.id, Kill::Kill));
        }
        self.run = Run::Idle;
    }
}
