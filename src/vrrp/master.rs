//! A router that holds the addresses: adverts, lease and announcements at their
//! times, other masters, and addresses that somebody takes away
//! (RFC 9568 section 6.4.3).

use core::net::IpAddr;

use super::state::Master;
use super::{Heard, Reason, Router, State, since};
use crate::event::{Action, Actions, Errno, Verb};
use crate::mutation::Mutation;
use crate::protocol::Version;
use crate::{Duration, Instant};

/// How often somebody else may remove our addresses within
/// [`REMOVALS_WINDOW`] before the router gives up: a person who tries things
/// stays below it, two programs in a fight do not.
const REMOVALS_MAX: u8 = 5;
/// The window of [`REMOVALS_MAX`], and how long the router then stays in Fault.
const REMOVALS_WINDOW: Duration = Duration::from_secs(60);
/// Removals this soon after the addresses were put back may have happened
/// before it, as when an interface is flushed of many.
const SAME_MOMENT: Duration = Duration::from_millis(10);
/// When the addresses are put back again then: within the 100 ms of rule 3.
const RESTORE_AGAIN: Duration = Duration::from_millis(50);
/// How long a router stays in Fault after the system refused its addresses.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);

impl Router {
    /// Somebody removed an address of ours: all are put back at once. Removals
    /// that are told right after it may be of the same moment and not count,
    /// or a fight; the addresses are put back once more, and then it shows.
    pub fn on_address_removed(&mut self, now: Instant, actions: &mut Actions) {
        let State::Master(ref mut master) = self.state else {
            return;
        };
        if master.restore_at.is_some() || self.broken.is(Mutation::NoRestore) {
            return;
        }
        if let Some(at) = master
            .restored_at
            .filter(|at| since(now, *at) < SAME_MOMENT)
        {
            master.restore_at = Some(at + RESTORE_AGAIN);
            return;
        }
        if since(now, self.removals_since) > REMOVALS_WINDOW {
            self.removals = 0;
            self.removals_since = now;
        }
        self.removals += 1;
        if self.removals > REMOVALS_MAX {
            self.removals = 0;
            self.blocked = Some((now + REMOVALS_WINDOW, Reason::AddressesRemoved));
            self.settle(now, actions);
            return;
        }
        master.restored_at = Some(now);
        master.restore(now);
        actions.push(Action::SetAddresses(self.id));
    }

    /// The system did not set the addresses.
    pub fn on_addresses_refused(&mut self, now: Instant, errno: Errno, actions: &mut Actions) {
        if let State::Master(_) = self.state {
            self.blocked = Some((now + REFUSED_PAUSE, Reason::AddressesRefused(errno)));
            self.settle(now, actions);
        }
    }

    /// A resource failed while it had to run: this node cannot be Master for a
    /// while.
    pub fn on_resource_failed(
        &mut self,
        now: Instant,
        number: u8,
        verb: Verb,
        pause: Duration,
        actions: &mut Actions,
    ) {
        if let State::Master(_) = self.state {
            let reason = Reason::ResourceFailed(self.id, number, verb);
            self.blocked = Some((now + pause, reason));
            self.settle(now, actions);
        }
    }

    /// PROTOCOL 44 to 48 (RFC 9568 section 6.4.3).
    #[inline(never)]
    pub(super) fn on_advert_as_master(
        &mut self,
        now: Instant,
        mut master: Master,
        heard: Heard,
        actions: &mut Actions,
    ) {
        let own = self.priority;
        if master.release_until.is_some() {
            if heard.priority > 0 {
                self.transition(now, State::Initialize, Reason::Stopped, actions);
            }
            return;
        }
        if heard.priority == 0 {
            self.rival = true;
            master.advert_at = now + self.settings.advert_int;
            master.sent_at = now;
            self.state = State::Master(master);
            self.send_advert(actions);
            return;
        }
        let ties = !self.broken.is(Mutation::NoTieBreak);
        let higher_address = ties
            && self
                .source
                .is_some_and(|source| outranks(heard.source, source));
        if heard.priority > own || (heard.priority == own && higher_address) {
            self.heard = Some((heard.source, now));
            if self.settings.version == Version::V3 {
                self.master_interval = heard.interval;
            }
            let reason = if heard.priority > own {
                Reason::HigherPriority(heard.source, heard.priority)
            } else {
                Reason::HigherAddress(heard.source, heard.priority)
            };
            // PROTOCOL 45 has no packet here. But if two were master on two sides
            // of a cut, the better one may never have heard of us, and our
            // announcement would stay the last one. This advert is how it learns
            // that it has to speak (rule 6); keepalived's higher_prio_send_advert.
            self.send_advert(actions);
            self.yield_mastership(now, reason, actions);
            return;
        }
        self.rival = true;
        // RFC 9568 section 6.4.3: tell the losing master at once. The regular
        // timer is left alone, and one answer a skew is enough.
        if now >= master.answer_at {
            master.answer_at = now + self.skew(self.settings.advert_int);
            master.sent_at = now;
            self.send_advert(actions);
        }
        // Rule 6: our announcement follows the other's.
        if !self.broken.is(Mutation::NoLastWord) {
            master.announcing.last_word(now, self.settings.advert_int);
        }
        self.state = State::Master(master);
    }

    /// Does what is due: the end of a release, an advert, a renewal, an
    /// announcement.
    #[inline(never)]
    pub(super) fn on_poll_as_master(
        &mut self,
        now: Instant,
        mut master: Master,
        may_set: bool,
        actions: &mut Actions,
    ) {
        if master.release_until.is_some_and(|until| now >= until) {
            self.transition(now, State::Initialize, Reason::NoSuccessor, actions);
            return;
        }
        let advertises = now >= master.advert_at;
        if advertises {
            let interval = self.settings.advert_int;
            // From the last due time, so that it does not drift; a time that
            // was missed is not made up for.
            master.advert_at += interval;
            if master.advert_at <= now && !self.broken.is(Mutation::CatchUp) {
                master.advert_at = now + interval;
            }
            // The advert first: it must not wait for the kernel's address work.
            if master.release_until.is_none() {
                master.sent_at = now;
                self.send_advert(actions);
            }
        }
        let due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        let restores = due(master.restore_at);
        let renews = advertises && self.renewal_is_due(now, &master);
        if may_set && (restores || renews || due(self.renew_at(&master))) {
            if restores {
                // Whatever is removed after this one is counted again.
                master.restore_at = None;
                master.restored_at = None;
                master.restore(now);
            }
            master.renewed_at = now;
            actions.push(Action::SetAddresses(self.id));
        }
        if master.announcing.due(now) {
            actions.push(Action::Announce(self.id));
        }
        self.state = State::Master(master);
    }

    /// The lease is renewed where adverts are sent, at most four times a lease.
    fn renewal_is_due(&self, now: Instant, master: &Master) -> bool {
        self.renew_at(master).is_some() && since(now, master.renewed_at) >= self.settings.lease / 4
    }

    /// When the lease is renewed between two adverts, because the next one may
    /// come too late: with 0.95 s and a lease of 1 s a few milliseconds would
    /// decide. At the usual intervals an advert is always earlier.
    pub(super) fn renew_at(&self, master: &Master) -> Option<Instant> {
        let leased = self.settings.lease > Duration::ZERO && !self.broken.is(Mutation::NoRenewal);
        leased.then(|| master.renewed_at + self.settings.lease / 2)
    }
}

impl Master {
    /// The addresses are set again: a new lease, and the neighbours are told.
    fn restore(&mut self, now: Instant) {
        self.renewed_at = now;
        self.announcing.burst(now);
    }
}

/// The tie-break among equal priorities: the higher address, as an unsigned
/// number in network order (RFC 9568 section 6.4.3). Both are of one family.
fn outranks(theirs: IpAddr, ours: IpAddr) -> bool {
    match (theirs, ours) {
        (IpAddr::V4(theirs), IpAddr::V4(ours)) => theirs.to_bits() > ours.to_bits(),
        (IpAddr::V6(theirs), IpAddr::V6(ours)) => theirs.to_bits() > ours.to_bits(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}
