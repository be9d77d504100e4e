//! A listening router: what an advert does to its timer, and what it will have
//! waited for when the timer ends (RFC 9568 section 6.4.2). It never sends.

use super::state::{Asking, Backup, Expecting};
use super::{Heard, Reason, Router, Settings, State, since};
use crate::event::{Action, Actions};
use crate::mutation::Mutation;
use crate::protocol::Version;
use crate::{Duration, Instant};

/// Who has an address says so within this time.
const ANSWER: Duration = Duration::from_millis(200);

impl Router {
    /// PROTOCOL 31 to 37 (RFC 9568 section 6.4.2).
    #[inline(never)]
    pub(super) fn on_advert_as_backup(&mut self, now: Instant, mut backup: Backup, heard: Heard) {
        let Settings {
            version,
            preempt,
            preempt_delay,
            ..
        } = self.settings;
        let preempts = preempt || self.settings.priority == 255;
        if heard.priority == 0 {
            backup.down_at = Some(now + self.skew(self.master_interval));
            backup.expecting = Expecting::Vacancy(heard.source);
            self.heard = Some((heard.source, now));
        } else {
            let lower = heard.priority < self.priority;
            let tolerated = if !lower {
                backup.tolerate_until = None;
                true
            } else if !preempts {
                true
            } else {
                let until = *backup.tolerate_until.get_or_insert(now + preempt_delay);
                now < until
            };
            if tolerated {
                if version == Version::V3 {
                    self.master_interval = heard.interval;
                }
                backup.down_at = Some(now + self.down_interval());
                backup.expecting = Expecting::Advert;
                backup.asking = None;
                self.heard = Some((heard.source, now));
            } else {
                // Discarded, the timer runs on: we take over when it ends.
                backup.expecting = Expecting::Preemption(heard.source, heard.priority);
            }
        }
        self.state = State::Backup(backup);
    }

    /// The down timer has ended. Who was told to wait for answers asks first who
    /// has the addresses of a silent master, and again for as long as somebody
    /// answers; a master that left, or that is preempted, answers rightly.
    pub(super) fn on_silence(&mut self, now: Instant, mut backup: Backup, actions: &mut Actions) {
        let most = self.settings.takeover_probe;
        let asks = most > Duration::ZERO && backup.expecting == Expecting::Advert;
        let mut asking = backup.asking.unwrap_or(Asking {
            until: now + most,
            answered: true,
            told: false,
        });
        backup.down_at = None;
        if asks && asking.answered && now < asking.until {
            backup.down_at = Some(asking.until.min(now + ANSWER));
            asking.answered = false;
            backup.asking = Some(asking);
            actions.push(Action::Probe(self.id));
        }
        self.state = State::Backup(backup);
        if self.company.is_none() {
            self.take_over(now, actions);
        }
    }

    /// Another machine has an address of this router. True: a take-over waits
    /// for it, from now on.
    pub fn on_answer(&mut self) -> bool {
        match &mut self.state {
            State::Backup(Backup {
                asking: Some(asking),
                ..
            }) if !self.broken.is(Mutation::DeafToAnswers) => {
                asking.answered = true;
                !core::mem::replace(&mut asking.told, true)
            }
            _ => false,
        }
    }

    /// What a timer that ended was waiting for.
    pub(super) fn take_over_reason(&self, now: Instant, expecting: Expecting) -> Reason {
        match expecting {
            Expecting::Vacancy(from) => Reason::MasterLeft(from),
            Expecting::Preemption(from, priority) => Reason::Preemption(from, priority),
            Expecting::Nothing => Reason::Owner,
            Expecting::Advert => match self.heard {
                Some((from, at)) => Reason::NoAdvert(since(now, at), Some(from)),
                None => Reason::NoAdvert(since(now, self.since), None),
            },
        }
    }
}
