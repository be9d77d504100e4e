//! One virtual router: Initialize, Backup, Master, Fault (RFC 9568 section 6.4,
//! RFC 3768 section 6.4).
//!
//! ```text
//!                     ready                   silence, or the master left
//!   Initialize ----------------> Backup ---------------------------> Master
//!     |   ^  \                    |  ^                              |  |  |
//!     |   |   `-- ready, owner ---|--|------------------------------'  |  |
//!     |   |                       |  `-- a better master, or stalled --'  |
//!     |   | waits again           | unable                                |
//!     |   `------- Fault <--------'<--------------- unable ---------------'
//!     `-- unable --'   `-- ready --> Backup or Master
//! ```
//!
//! A router knows nothing of checks, interfaces or packets' bytes: the node
//! tells it what they mean, as [`Readiness`], a priority and [`Heard`]. It never
//! sends while it is not Master, but for the priority 0 of leaving.

mod announce;
mod backup;
mod group;
mod master;
#[cfg(test)]
mod probe_trace;
mod reason;
#[cfg(test)]
mod rival_trace;
mod state;
mod timing;
#[cfg(test)]
mod trace;
mod view;

pub use announce::Announcing;
pub use reason::{Names, Reason, Sentence};
pub use state::{Backup, Master, Role, State};
pub use timing::{down_interval, patience, release_limit, skew};

use core::net::IpAddr;

use self::state::Expecting;
use crate::config::{self, Release};
use crate::event::{Action, Actions, RouterId, earliest};
use crate::mutation::{Broken, Mutation};
use crate::protocol::Version;
use crate::{Duration, Instant};

/// What a router is told about a valid advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who sent it.
    pub source: IpAddr,
    /// Its priority; 0 says that the master leaves.
    pub priority: u8,
    /// Its interval, which version 3 follows.
    pub interval: Duration,
}

/// Whether a router may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It may be Backup or Master.
    Ready,
    /// Something is not known yet: Initialize.
    Waiting(Reason),
    /// Something is broken: Fault.
    Unable(Reason),
}

impl Readiness {
    /// Of two that must both be met the one that counts: what is broken before
    /// what is not known yet.
    pub fn and(self, other: Readiness) -> Readiness {
        match (self, other) {
            (Readiness::Unable(_), _) | (Readiness::Waiting(_), Readiness::Ready) => self,
            (_, Readiness::Unable(_)) | (Readiness::Ready, _) => other,
            (Readiness::Waiting(_), Readiness::Waiting(_)) => self,
        }
    }
}

/// One virtual router.
#[derive(Debug)]
pub struct Router {
    id: RouterId,
    settings: Settings,
    broken: Broken,
    state: State,
    /// What the node last said.
    readiness: Readiness,
    /// What the other routers of its group allow; `None`: it has no group.
    company: Option<Readiness>,
    /// Until then the router waits in Initialize.
    hold_until: Option<Instant>,
    /// A cause of Fault of its own that ends by itself.
    blocked: Option<(Instant, Reason)>,
    stopping: bool,
    priority: u8,
    source: Option<IpAddr>,
    /// The master last heard, and when.
    heard: Option<(IpAddr, Instant)>,
    /// Active_Adver_Interval: the master's in version 3, our own otherwise.
    master_interval: Duration,
    removals: u8,
    removals_since: Instant,
    since: Instant,
    reason: Reason,
    transitions: u32,
    adverts_sent: u64,
    adverts_received: u64,
    news: Option<Role>,
    /// Another master was heard that has to give way.
    rival: bool,
}

/// What the configuration says, as far as a router needs it at every step.
#[derive(Clone, Copy, Debug)]
struct Settings {
    version: Version,
    priority: u8,
    advert_int: Duration,
    preempt: bool,
    preempt_delay: Duration,
    startup_delay: Duration,
    /// Zero: nobody is asked before a take-over.
    takeover_probe: Duration,
    release: Release,
    /// How long a hand-over waits for a successor.
    release_limit: Duration,
    lease: Duration,
    garp_repeat: u8,
    garp_delay: Duration,
    garp_refresh: Duration,
}

impl Router {
    /// A router that has not been started.
    pub fn new(id: RouterId, config: &config::Router<'_>, now: Instant) -> Router {
        let settings = Settings {
            version: config.version,
            priority: config.priority,
            advert_int: config.advert_int,
            preempt: config.preempt,
            preempt_delay: config.preempt_delay,
            startup_delay: config.startup_delay,
            takeover_probe: match config.addresses.is_empty() {
                true => Duration::ZERO,
                false => config.takeover_probe,
            },
            release: config.release,
            release_limit: release_limit(config.version, config.advert_int),
            lease: Duration::from_secs(u64::from(config.lease_s)),
            garp_repeat: config.garp_master_repeat,
            garp_delay: config.garp_master_delay,
            garp_refresh: config.garp_master_refresh,
        };
        Router {
            id,
            settings,
            broken: Broken::NOTHING,
            state: State::Initialize,
            readiness: Readiness::Waiting(Reason::NotStarted),
            // Nobody of the group has said anything yet.
            company: config.group.map(|_| Readiness::Waiting(Reason::NotStarted)),
            hold_until: None,
            blocked: None,
            stopping: false,
            priority: config.priority,
            source: None,
            heard: None,
            master_interval: config.advert_int,
            removals: 0,
            removals_since: now,
            since: now,
            reason: Reason::NotStarted,
            transitions: 0,
            adverts_sent: 0,
            adverts_received: 0,
            news: None,
            rival: false,
        }
    }

    /// Breaks a rule on purpose (tests only).
    pub fn set_broken(&mut self, broken: Broken) {
        self.broken = broken;
    }

    /// When [`Router::on_poll`] wants to be called, if ever.
    pub fn poll_at(&self) -> Option<Instant> {
        let blocked = self.blocked.map(|(until, _)| until);
        let own = match &self.state {
            State::Initialize => self.hold_until,
            State::Fault => None,
            State::Backup(backup) => backup.down_at,
            State::Master(master) => {
                let addresses = earliest(master.restore_at, self.renew_at(master));
                let own = earliest(master.announcing.poll_at(), addresses);
                earliest(Some(master.advert_at), earliest(own, master.release_until))
            }
        };
        earliest(blocked, own)
    }

    /// The node begins to run.
    pub fn on_start(&mut self, now: Instant, actions: &mut Actions) {
        if self.settings.startup_delay > Duration::ZERO {
            self.hold_until = Some(now + self.settings.startup_delay);
        }
        self.settle(now, actions);
    }

    /// The node's view of what surrounds the router has changed.
    pub fn on_surroundings(
        &mut self,
        now: Instant,
        readiness: Readiness,
        priority: u8,
        source: Option<IpAddr>,
        actions: &mut Actions,
    ) {
        self.readiness = readiness;
        self.priority = priority;
        self.source = source;
        self.settle(now, actions);
    }

    /// A valid advert for this router came in.
    #[inline(never)]
    pub fn on_advert(&mut self, now: Instant, heard: Heard, actions: &mut Actions) {
        match self.state {
            // Not taking part: RFC 9568 has no receiving in Initialize.
            State::Initialize | State::Fault => {}
            State::Backup(backup) => {
                self.adverts_received += 1;
                self.on_advert_as_backup(now, backup, heard);
            }
            State::Master(master) => {
                self.adverts_received += 1;
                self.on_advert_as_master(now, master, heard, actions);
            }
        }
    }

    /// A deadline of [`Router::poll_at`] may have passed.
    #[inline(never)]
    pub fn on_poll(&mut self, now: Instant, actions: &mut Actions) {
        self.on_turn(now, true, actions);
    }

    /// The same, but unless it may, it leaves its addresses for another turn:
    /// setting those of many routers takes the kernel longer than an advert
    /// can wait. What is left is due at once.
    pub fn on_turn(&mut self, now: Instant, may_set: bool, actions: &mut Actions) {
        if self.blocked.is_some_and(|(until, _)| now >= until) {
            self.blocked = None;
            self.settle(now, actions);
        }
        if self.hold_until.is_some_and(|until| now >= until) {
            self.hold_until = None;
            self.settle(now, actions);
        }
        match self.state {
            State::Initialize | State::Fault => {}
            State::Backup(backup) => {
                if may_set && backup.down_at.is_some_and(|at| now >= at) {
                    self.on_silence(now, backup, actions);
                }
            }
            State::Master(master) => self.on_poll_as_master(now, master, may_set, actions),
        }
    }

    /// Rule 7: a master that did not advertise for as long as the others wait
    /// leaves the state before anything else happens. `asleep` is time that the
    /// clock did not count (suspend).
    pub fn on_wake(&mut self, now: Instant, asleep: Duration, actions: &mut Actions) {
        if self.broken.is(Mutation::NoStallRule) {
            return;
        }
        let State::Master(master) = &mut self.state else {
            return;
        };
        // For the others that time has passed: the next advert is due so much
        // earlier, and what was silence before counts together with it.
        master.advert_at -= asleep;
        master.sent_at -= asleep;
        if let Some(until) = &mut master.release_until {
            *until -= asleep;
            return;
        }
        let silent = since(now, master.sent_at);
        if silent > patience(self.settings.version, self.settings.advert_int) {
            self.heard = None;
            self.yield_mastership(now, Reason::Stalled(silent), actions);
        }
    }

    /// A planned stop begins, or must end at once (`now_or_never`).
    pub fn on_stop(&mut self, now: Instant, now_or_never: bool, actions: &mut Actions) {
        let first = !self.stopping;
        self.stopping = true;
        match self.state {
            State::Master(ref mut master) if first && !now_or_never => {
                match self.settings.release {
                    Release::Overlap if !self.broken.is(Mutation::NoOverlap) => {
                        master.release_until = Some(now + self.settings.release_limit);
                        self.send_resignation(actions);
                    }
                    Release::AfterHook => master.awaits_hook = true,
                    Release::Overlap | Release::Immediate => {
                        self.transition(now, State::Initialize, Reason::Stopped, actions);
                    }
                }
            }
            State::Master(_) if now_or_never => {
                self.transition(now, State::Initialize, Reason::Stopped, actions);
            }
            // The hand-over is under way already.
            State::Master(_) => {}
            // RFC 9568 section 6.4.2: a backup leaves without a word.
            State::Backup(_) | State::Fault | State::Initialize if first => {
                self.transition(now, State::Initialize, Reason::Stopped, actions);
            }
            State::Backup(_) | State::Fault | State::Initialize => {}
        }
    }

    /// The hook that a planned hand-over waited for has ended.
    pub fn on_hook_done(&mut self, now: Instant, actions: &mut Actions) {
        if self.awaits_hook() {
            self.transition(now, State::Initialize, Reason::Stopped, actions);
        }
    }

    /// Brings the state in line with what is wanted: the only place where
    /// Initialize and Fault are entered or left, but for a planned stop.
    fn settle(&mut self, now: Instant, actions: &mut Actions) {
        let company = self.company.unwrap_or(Readiness::Ready);
        match (self.obstacle().and(company), self.state) {
            // A stop is never taken back; trouble only ends it sooner.
            (Readiness::Unable(_), State::Master(_)) if self.stopping => {
                self.transition(now, State::Initialize, Reason::Stopped, actions);
            }
            _ if self.stopping => {}
            (Readiness::Ready, State::Initialize | State::Fault) => {
                if self.settings.priority == 255 && self.company.is_none() {
                    self.become_master(now, Reason::Owner, actions);
                } else {
                    self.heard = None;
                    self.master_interval = self.settings.advert_int;
                    self.become_backup(now, Reason::Ready, actions);
                    self.expect_ownership();
                }
            }
            (Readiness::Ready, State::Backup(_) | State::Master(_)) => {}
            (Readiness::Waiting(reason), State::Initialize) => self.reason = reason,
            (Readiness::Waiting(reason), State::Backup(_) | State::Master(_) | State::Fault) => {
                self.transition(now, State::Initialize, reason, actions);
            }
            (Readiness::Unable(reason), State::Fault) => self.reason = reason,
            (Readiness::Unable(reason), _) => {
                self.transition(now, State::Fault, reason, actions);
            }
        }
    }

    /// What by itself keeps the router from running.
    pub fn obstacle(&self) -> Readiness {
        match (self.blocked, self.readiness) {
            _ if self.hold_until.is_some() => Readiness::Waiting(Reason::StartupDelay),
            (_, Readiness::Unable(reason)) => Readiness::Unable(reason),
            (Some((_, reason)), _) => Readiness::Unable(reason),
            (None, readiness) => readiness,
        }
    }

    fn become_backup(&mut self, now: Instant, reason: Reason, actions: &mut Actions) {
        let backup = Backup {
            down_at: Some(now + self.down_interval()),
            tolerate_until: None,
            expecting: Expecting::Advert,
            asking: None,
        };
        self.transition(now, State::Backup(backup), reason, actions);
    }

    /// A master gives way: to Backup, or to the end if it was on its way there.
    fn yield_mastership(&mut self, now: Instant, reason: Reason, actions: &mut Actions) {
        if self.stopping {
            // Priority 0 would only make the better one answer.
            if let State::Master(master) = &mut self.state {
                master.release_until = Some(now);
            }
            self.transition(now, State::Initialize, reason, actions);
        } else {
            self.become_backup(now, reason, actions);
        }
    }

    fn become_master(&mut self, now: Instant, reason: Reason, actions: &mut Actions) {
        let Settings {
            advert_int,
            garp_repeat,
            garp_delay,
            garp_refresh,
            ..
        } = self.settings;
        let master = Master {
            advert_at: now + advert_int,
            sent_at: now,
            renewed_at: now,
            answer_at: now,
            announcing: Announcing::new(now, garp_repeat, garp_delay, garp_refresh),
            restored_at: None,
            restore_at: None,
            release_until: None,
            awaits_hook: false,
        };
        self.transition(now, State::Master(master), reason, actions);
    }

    /// The one place where the state changes. What leaving and entering do
    /// stands here for each pair of states.
    fn transition(&mut self, now: Instant, to: State, reason: Reason, actions: &mut Actions) {
        let from = self.role();
        let resigned = self.resigned();
        self.state = to;
        let to = self.role();
        match (from, to) {
            (Role::Initialize | Role::Backup | Role::Fault, Role::Master) => {
                // Addresses first: with an overlapping hand-over the leaving
                // master lets go as soon as it hears the advert.
                self.master_interval = self.settings.advert_int;
                actions.push(Action::SetAddresses(self.id));
                self.send_advert(actions);
                if let State::Master(master) = &mut self.state
                    && master.announcing.due(now)
                {
                    actions.push(Action::Announce(self.id));
                }
            }
            (Role::Master, Role::Backup) => self.remove_addresses(actions),
            (Role::Master, Role::Initialize | Role::Fault) => {
                self.remove_addresses(actions);
                if !resigned {
                    self.send_resignation(actions);
                }
            }
            (Role::Initialize | Role::Fault, Role::Backup)
            | (Role::Backup, Role::Initialize | Role::Fault)
            | (Role::Initialize, Role::Fault)
            | (Role::Fault, Role::Initialize)
            | (Role::Initialize, Role::Initialize) => {}
            (Role::Backup, Role::Backup)
            | (Role::Master, Role::Master)
            | (Role::Fault, Role::Fault) => unreachable!("no transition leads to its own state"),
        }
        self.reason = reason;
        self.since = now;
        if from != to {
            self.transitions += 1;
        }
        self.news = Some(from);
    }

    fn send_advert(&mut self, actions: &mut Actions) {
        self.adverts_sent += 1;
        actions.push(Action::SendAdvert(self.id, self.priority));
    }

    /// Priority 0, twice: a single packet that is lost would cost the others
    /// their whole patience.
    fn send_resignation(&mut self, actions: &mut Actions) {
        for _ in 0..2 {
            self.adverts_sent += 1;
            actions.push(Action::SendAdvert(self.id, 0));
        }
    }

    fn remove_addresses(&self, actions: &mut Actions) {
        if !self.broken.is(Mutation::KeepAddresses) {
            actions.push(Action::RemoveAddresses(self.id));
        }
    }

    fn skew(&self, interval: Duration) -> Duration {
        let priority = if self.broken.is(Mutation::NoSkew) {
            128
        } else {
            self.priority
        };
        skew(self.settings.version, interval, priority)
    }

    fn down_interval(&self) -> Duration {
        let adverts = if self.broken.is(Mutation::LongPatience) {
            6
        } else {
            3
        };
        self.master_interval * adverts + self.skew(self.master_interval)
    }
}

/// Time from `then` to `now`; zero if it lies ahead.
fn since(now: Instant, then: Instant) -> Duration {
    if now > then {
        now - then
    } else {
        Duration::ZERO
    }
}
