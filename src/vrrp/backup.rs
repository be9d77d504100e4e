//! A listening router: what an advert does to its timer, and what it will have
//! waited for when the timer ends (RFC 9568 section 6.4.2). It never sends.

use super::state::{Backup, Expecting};
use super::{Heard, Reason, Router, Settings, State, since};
use crate::Instant;
use crate::protocol::Version;

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
                self.heard = Some((heard.source, now));
            } else {
                // Discarded, the timer runs on: we take over when it ends.
                backup.expecting = Expecting::Preemption(heard.source, heard.priority);
            }
        }
        self.state = State::Backup(backup);
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
