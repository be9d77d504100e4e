//! What surrounds a router, put together from interfaces and checks: may it
//! run, with which priority, and where does it send from. Pure reading.

use core::net::IpAddr;

use super::Node;
use crate::check::Health;
use crate::config::{Track, Tracked};
use crate::event::{CheckId, InterfaceId, RouterId, ServiceId};
use crate::vrrp::{Readiness, Reason};

/// The least and the highest priority that weights can lead to
/// (RFC 9568 section 5.2.4: 0 and 255 have meanings of their own).
const PRIORITY_RANGE: (i32, i32) = (1, 254);

/// A number of a file that is FAULT, as in keepalived; no weight is so low.
const FAULT_FROM: i32 = -254;

impl Node<'_> {
    /// Whether a router may run. A thing that is broken counts before one that
    /// is not known yet.
    #[inline(never)]
    pub(super) fn readiness(&self, router: RouterId) -> Readiness {
        let mut readiness = Readiness::Ready;
        self.obstacles(router, &mut |obstacle| readiness = readiness.and(obstacle));
        readiness
    }

    /// Tells each thing that keeps a router from running.
    pub fn obstacles(&self, router: RouterId, tell: &mut dyn FnMut(Readiness)) {
        let config = &self.config.routers[usize::from(router.0)];
        for interface in self.carriers(router) {
            if let Some(reason) = self.trouble(interface) {
                tell(Readiness::Unable(reason));
            }
        }
        if self.source(router).is_none() {
            let own = self.interface_of(router);
            let shared = self.interfaces[usize::from(own.0)].is_duplicate(config.family);
            tell(Readiness::Unable(match shared {
                true => Reason::DuplicateAddress(own),
                false => Reason::NoSourceAddress(own),
            }));
        }
        for track in &config.tracks {
            // With a number it is there, whichever way it counts.
            if self.number_of(track).is_some() {
                if self.weight_of(track) <= FAULT_FROM
                    && let Tracked::Check(check) = track.what
                {
                    tell(Readiness::Unable(Reason::CheckFailed(CheckId(check))));
                }
                continue;
            }
            if track.weight != 0 {
                continue;
            }
            let health = self.health_of(track);
            if succeeds(track, health) && health != Health::Unknown {
                continue;
            }
            tell(match (track.what, health) {
                (Tracked::Check(check), Health::Unknown) => {
                    Readiness::Waiting(Reason::CheckPending(CheckId(check)))
                }
                (Tracked::Check(check), _) => {
                    Readiness::Unable(Reason::CheckFailed(CheckId(check)))
                }
                (Tracked::Interface(name), _) => {
                    let id = self.named(name);
                    let reason = self.trouble(id).unwrap_or(Reason::InterfaceUp(id));
                    Readiness::Unable(reason)
                }
                (Tracked::Service(service), Health::Unknown) => {
                    Readiness::Waiting(Reason::ServicePending(ServiceId(service)))
                }
                (Tracked::Service(service), _) => {
                    Readiness::Unable(Reason::ServiceDown(ServiceId(service)))
                }
            });
        }
    }

    /// The effective priority: the configured one and the weights of what is tracked.
    /// An owner's is never touched.
    pub(super) fn effective_priority(&self, router: RouterId) -> u8 {
        let config = &self.config.routers[usize::from(router.0)];
        if config.priority == 255 {
            return 255;
        }
        let weights = config.tracks.iter().map(|track| self.weight_of(track));
        let weights: i32 = weights.sum();
        let (least, most) = PRIORITY_RANGE;
        let priority = (i32::from(config.priority) + weights).clamp(least, most);
        u8::try_from(priority).expect("clamped into 1..=254")
    }

    /// What a track adds to the priority now. A number that the check found
    /// stands for the weight.
    pub fn weight_of(&self, track: &Track<'_>) -> i32 {
        match self.number_of(track) {
            Some(number) if track.reverse => -i32::from(number),
            Some(number) => number.into(),
            None => weight(track, self.health_of(track)),
        }
    }

    /// The number that a check of a file found.
    pub fn number_of(&self, track: &Track<'_>) -> Option<i16> {
        match track.what {
            Tracked::Check(check) => self.checks[usize::from(check)].number(),
            Tracked::Interface(_) | Tracked::Service(_) => None,
        }
    }

    /// What a track line names is up, or down, or not known yet.
    pub fn health_of(&self, track: &Track<'_>) -> Health {
        match track.what {
            Tracked::Check(check) => self.checks[usize::from(check)].health(),
            Tracked::Interface(name) => match self.trouble(self.named(name)) {
                None => Health::Up,
                Some(_) => Health::Down,
            },
            Tracked::Service(service) => self.service_health(ServiceId(service)),
        }
    }

    /// An interface of the configuration.
    pub(super) fn named(&self, name: &str) -> InterfaceId {
        self.find_interface(name)
            .expect("each interface was named at the start")
    }

    /// Where a router's adverts come from.
    pub fn source(&self, router: RouterId) -> Option<IpAddr> {
        let config = &self.config.routers[usize::from(router.0)];
        if let Some(source) = config.unicast_src_ip {
            // While addresses are told again, what was known stands.
            let there = self.senders[usize::from(router.0)].source_there;
            let known = self.routers[usize::from(router.0)].source() == Some(source);
            let scanning = self.interfaces[usize::from(self.interface_of(router).0)].scanning();
            return (there || scanning && known).then_some(source);
        }
        self.interfaces[usize::from(self.interface_of(router).0)].source(config.family)
    }

    /// The router's own interface, then those of its addresses.
    fn carriers(&self, router: RouterId) -> impl Iterator<Item = InterfaceId> {
        let addresses = self.config.routers[usize::from(router.0)].addresses.len();
        let carriers = (0..addresses).map(move |address| self.carrier_of(router, address));
        core::iter::once(self.interface_of(router)).chain(carriers)
    }

    fn trouble(&self, id: InterfaceId) -> Option<Reason> {
        match self.interfaces[usize::from(id.0)].link {
            None => Some(Reason::InterfaceMissing(id)),
            Some(link) if !link.up => Some(Reason::InterfaceDown(id)),
            Some(_) => None,
        }
    }
}

/// A check without a result counts as succeeding: a weight must not move the
/// priority before anything is known.
fn succeeds(track: &Track<'_>, health: Health) -> bool {
    match health {
        Health::Unknown => true,
        Health::Up => !track.reverse,
        Health::Down => track.reverse,
    }
}

/// keepalived's meaning: a positive weight is added while the check succeeds, a
/// negative one while it fails.
fn weight(track: &Track<'_>, health: Health) -> i32 {
    if succeeds(track, health) == (track.weight > 0) {
        i32::from(track.weight)
    } else {
        0
    }
}
