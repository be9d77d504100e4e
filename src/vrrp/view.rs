//! What others may know of a router: status, hooks, the log and the driver.
//! Nothing here changes anything.

use core::net::IpAddr;

use super::{Master, Reason, Role, Router, State};
use crate::event::HookState;
use crate::{Duration, Instant};

impl Router {
    /// The state with its deadlines.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state by name.
    #[inline(never)]
    pub fn role(&self) -> Role {
        match self.state {
            State::Initialize => Role::Initialize,
            State::Backup(_) => Role::Backup,
            State::Master(_) => Role::Master,
            State::Fault => Role::Fault,
        }
    }

    /// A planned hand-over is under way: still Master, priority 0 sent, or held
    /// back until the hook has ended.
    pub fn releasing(&self) -> bool {
        self.resigned() || self.awaits_hook()
    }

    /// Still Master, but priority 0 is sent.
    pub fn resigned(&self) -> bool {
        matches!(
            self.state,
            State::Master(Master {
                release_until: Some(_),
                ..
            })
        )
    }

    /// Master until the hook has ended, and no longer.
    pub fn awaits_hook(&self) -> bool {
        matches!(
            self.state,
            State::Master(Master {
                awaits_hook: true,
                ..
            })
        )
    }

    /// The effective priority.
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// Where adverts come from.
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// The master, as far as this router knows: itself, or the one last heard.
    pub fn master(&self) -> Option<IpAddr> {
        match self.state {
            State::Master(_) => self.source,
            State::Backup(_) => self.heard.map(|(source, _)| source),
            State::Initialize | State::Fault => None,
        }
    }

    /// When the present state began.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// What led to the present state.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// How often the state changed.
    pub fn transitions(&self) -> u32 {
        self.transitions
    }

    /// Adverts sent, priority 0 included.
    pub fn adverts_sent(&self) -> u64 {
        self.adverts_sent
    }

    /// Valid adverts received.
    pub fn adverts_received(&self) -> u64 {
        self.adverts_received
    }

    /// The interval that the down timer is reckoned with.
    pub fn master_interval(&self) -> Duration {
        self.master_interval
    }

    /// What the router waits for, and until when.
    #[inline(never)]
    pub fn timers(&self) -> [(&'static str, Option<Instant>); 7] {
        let mut timers = [
            ("startup_delay ends", self.hold_until),
            ("FAULT ends", self.blocked.map(|(until, _)| until)),
            ("takes over unless an advert comes", None),
            ("preempt_delay ends", None),
            ("next advert", None),
            ("gives up without a successor", None),
            ("takes over although others answer", None),
        ];
        match self.state {
            State::Initialize | State::Fault => {}
            State::Backup(backup) => {
                timers[2].1 = backup.down_at;
                timers[3].1 = backup.tolerate_until;
                timers[6].1 = backup.asking.map(|asking| asking.until);
            }
            State::Master(master) => {
                timers[4].1 = Some(master.advert_at);
                timers[5].1 = master.release_until;
            }
        }
        timers
    }

    /// The state changed since the last call: the state before it.
    pub fn take_news(&mut self) -> Option<Role> {
        self.news.take()
    }

    /// Another master was heard that has to give way: how long it must be silent
    /// to have done so.
    pub fn take_rival(&mut self) -> Option<Duration> {
        core::mem::take(&mut self.rival).then(|| self.settings.advert_int * 3)
    }

    /// What a hook would be told now; nothing while the router waits.
    pub fn hook_state(&self) -> Option<HookState> {
        match self.state {
            State::Initialize if self.stopping => Some(HookState::Stop),
            State::Initialize => None,
            State::Backup(_) => Some(HookState::Backup),
            State::Master(Master {
                awaits_hook: true, ..
            }) => Some(HookState::Stop),
            State::Master(_) => Some(HookState::Master),
            State::Fault => Some(HookState::Fault),
        }
    }

    /// The state as one word, for files and eyes.
    pub fn word(&self) -> &'static str {
        if self.stopped() {
            "STOP"
        } else {
            self.role().name()
        }
    }

    /// A stop is complete: nothing is held any more.
    pub fn stopped(&self) -> bool {
        self.stopping && self.state == State::Initialize
    }
}
