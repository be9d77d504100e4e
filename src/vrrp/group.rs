//! A router in a group: its members are master together or not at all. What
//! the others do is the node's to know; here is what a router does about it.
//!
//! ```text
//!   down timer ends --> willing --> all are willing, or master --> take_over
//!   another member ceases to be master --> follow
//!   another member cannot run          --> on_company: Fault or Initialize
//! ```

use super::state::{Backup, Expecting};
use super::{Readiness, Reason, Router, State};
use crate::event::{Actions, RouterId};
use crate::mutation::Mutation;
use crate::{Duration, Instant};

impl Router {
    /// What the other routers of its group allow has changed.
    pub fn on_company(&mut self, now: Instant, company: Readiness, actions: &mut Actions) {
        self.company = Some(company);
        self.settle(now, actions);
    }

    /// A successor takes a whole group over when its slowest member may, so a
    /// hand-over waits at least this long. Returns how long it waits.
    pub fn wait_for_successor(&mut self, least: Duration) -> Duration {
        let limit = &mut self.settings.release_limit;
        *limit = least.max(*limit);
        *limit
    }

    /// Its own election says that it should be master, and it waits for the
    /// others of its group.
    pub fn willing(&self) -> bool {
        matches!(self.state, State::Backup(Backup { down_at: None, .. }))
    }

    /// The whole group may: a router that is willing becomes master.
    pub fn take_over(&mut self, now: Instant, actions: &mut Actions) {
        if let State::Backup(backup) = self.state
            && backup.down_at.is_none()
        {
            let reason = self.take_over_reason(now, backup.expecting);
            self.become_master(now, reason, actions);
        }
    }

    /// Another member ceased to be master, and so does this one. Nobody need
    /// wait three intervals for it: it says that it leaves.
    pub fn follow(&mut self, now: Instant, member: RouterId, actions: &mut Actions) {
        if let State::Master(_) = self.state
            && !self.broken.is(Mutation::ApartInGroup)
        {
            self.heard = None;
            self.become_backup(now, Reason::GroupYields(member), actions);
            self.send_resignation(actions);
        }
    }

    /// Lets another group go first: an interval longer than its patience.
    pub fn stand_back(&mut self) {
        let interval = self.master_interval;
        if let State::Backup(backup) = &mut self.state
            && let Some(at) = &mut backup.down_at
        {
            *at += interval;
        }
    }

    /// An owner does not wait for silence, only for its group.
    pub(super) fn expect_ownership(&mut self) {
        if let State::Backup(backup) = &mut self.state
            && self.settings.priority == 255
        {
            backup.down_at = None;
            backup.expecting = Expecting::Nothing;
        }
    }
}
