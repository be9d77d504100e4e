//! Packets on their way in: the judgement, the counters of what was refused,
//! and one line a minute about each kind of it.

use core::net::IpAddr;

use super::{Node, flood, note};
use crate::address::Shown;
use crate::config;
use crate::event::{Action, Actions, Filter, InterfaceId, RouterId};
use crate::mutation::Mutation;
use crate::protocol::Family;
use crate::say::{Level, Number, Plain};
use crate::vrrp::Heard;
use crate::wire::{self, Auth, Expectation, Reject, Verdict};
use crate::{Duration, Instant};

/// How long a kind of refused packet is not mentioned again.
const QUIET: Duration = Duration::from_secs(60);

/// Counters of refused packets of one router, indexed by [`Reject`].
pub type Discarded = [u32; Reject::ALL.len()];

/// When each kind of refused packet was last mentioned.
#[derive(Debug)]
pub(super) struct Mentions {
    quiet_until: [Option<Instant>; Reject::ALL.len()],
    unmentioned: [u32; Reject::ALL.len()],
    flood_quiet_until: Instant,
}

impl Mentions {
    pub(super) const NONE: Mentions = Mentions {
        quiet_until: [None; Reject::ALL.len()],
        unmentioned: [0; Reject::ALL.len()],
        flood_quiet_until: Instant::ZERO,
    };

    /// Whether to write a line now, and how many have been left out before it.
    fn mention(&mut self, now: Instant, reject: Reject) -> Option<u32> {
        let kind = reject as usize;
        if self.quiet_until[kind].is_some_and(|until| now < until) {
            self.unmentioned[kind] = self.unmentioned[kind].saturating_add(1);
            return None;
        }
        self.quiet_until[kind] = Some(now + QUIET);
        Some(core::mem::take(&mut self.unmentioned[kind]))
    }
}

impl Node<'_> {
    #[inline(never)]
    pub(super) fn on_packet(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        family: Family,
        packet: &[u8],
        actions: &mut Actions,
    ) {
        self.verdict = None;
        self.look_for_flood(now, interface, family, packet, actions);
        let own = |address: IpAddr| self.owns_source(&address);
        let find = |id: u8, source: IpAddr| {
            let router = self.find_router(interface, family, id)?;
            Some(self.expectation(usize::from(router.0), source))
        };
        match wire::judge(family, packet, &own, &find) {
            Verdict::NotVrrp => {}
            Verdict::Discard(reject, id, source) => {
                if self.broken.is(Mutation::ObeyDiscarded) {
                    self.obey_discarded(now, (interface, family), (reject, id, source), actions);
                }
                self.on_discard(now, (interface, family), packet, reject, id, source);
            }
            Verdict::Accept(received) => {
                let id = received.virtual_router_id;
                let Some(router) = self.find_router(interface, family, id) else {
                    return;
                };
                if !self.take_note(usize::from(router.0), &received) {
                    let (reject, source) = (Reject::Replayed, Some(received.source));
                    let came = (interface, family);
                    return self.on_discard(now, came, packet, reject, Some(id), source);
                }
                let heard = Heard {
                    source: received.source,
                    priority: received.priority,
                    interval: received.interval,
                };
                self.routers[usize::from(router.0)].on_advert(now, heard, actions);
                self.diagnose_accepted(now, router, packet, received.checksum);
            }
        }
    }

    /// Counts a packet that is for none of our routers.
    fn look_for_flood(
        &mut self,
        now: Instant,
        id: InterfaceId,
        family: Family,
        packet: &[u8],
        actions: &mut Actions,
    ) {
        let for_us = flood::head(family, packet).is_some_and(|(ttl, router)| {
            let near = ttl == wire::TTL || !self.ttl_counts(id, family);
            near && self.find_router(id, family, router).is_some()
        });
        let interface = &mut self.interfaces[usize::from(id.0)];
        if !for_us && interface.flood.count(now) {
            actions.push(Action::Filter(id, Filter::Narrow));
            if now >= self.mentions.flood_quiet_until {
                self.mentions.flood_quiet_until = now + QUIET;
                let text = format_args!("a flood of foreign packets: one in 64 is looked at");
                note(Level::Warn, interface.name, text);
            }
        }
    }

    /// The floods that are over.
    pub(super) fn calm_floods(&mut self, now: Instant, actions: &mut Actions) {
        for (interface, id) in self.interfaces.iter_mut().zip(0..) {
            if interface.flood.calms(now) {
                actions.push(Action::Filter(InterfaceId(id), Filter::Wide));
            }
        }
    }

    /// The ids of our routers of a family on an interface.
    pub fn own_ids(&self, interface: InterfaceId, family: Family) -> impl Iterator<Item = u8> {
        let here = self.routers_at(interface, family);
        here.map(|router| router.virtual_router_id)
    }

    /// Whether whatever is for our routers of a family on an interface has a TTL
    /// of 255: a peer behind a router may have another.
    pub fn ttl_counts(&self, interface: InterfaceId, family: Family) -> bool {
        let mut here = self.routers_at(interface, family);
        here.all(|router| router.peers.is_empty())
    }

    fn routers_at(
        &self,
        interface: InterfaceId,
        family: Family,
    ) -> impl Iterator<Item = &config::Router<'_>> {
        let routers = self.config.routers.iter().zip(&self.router_interfaces);
        let here = routers.filter(move |(router, at)| router.family == family && **at == interface);
        here.map(|(router, _)| router)
    }

    /// Rule 13, broken.
    fn obey_discarded(
        &mut self,
        now: Instant,
        (interface, family): (InterfaceId, Family),
        (reject, id, source): (Reject, Option<u8>, Option<IpAddr>),
        actions: &mut Actions,
    ) {
        let router = id.and_then(|id| self.find_router(interface, family, id));
        if let (Reject::Ttl | Reject::Checksum, Some(router), Some(source)) =
            (reject, router, source)
        {
            let index = usize::from(router.0);
            let heard = Heard {
                source,
                priority: 254,
                interval: self.config.routers[index].advert_int,
            };
            self.routers[index].on_advert(now, heard, actions);
        }
    }

    /// One counter goes up: of the router that the packet names, or of each
    /// router that listens here when it names none of them.
    fn on_discard(
        &mut self,
        now: Instant,
        (interface, family): (InterfaceId, Family),
        packet: &[u8],
        reject: Reject,
        id: Option<u8>,
        source: Option<IpAddr>,
    ) {
        self.verdict = Some(reject);
        let named = id.and_then(|id| self.find_router(interface, family, id));
        for index in 0..self.routers.len() {
            let here = self.router_interfaces[index] == interface
                && self.config.routers[index].family == family;
            if here && named.is_none_or(|named| usize::from(named.0) == index) {
                let counter = &mut self.discarded[index][reject as usize];
                *counter = counter.saturating_add(1);
            }
        }
        // What a diagnosis explains needs no second line.
        if !self.diagnose_discarded(now, (interface, family), packet, reject) {
            self.mention_discarded(now, interface, reject, id, source);
        }
    }

    /// At most one line a minute about each reason.
    fn mention_discarded(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        reject: Reject,
        id: Option<u8>,
        source: Option<IpAddr>,
    ) {
        let Some(before) = self.mentions.mention(now, reject) else {
            return;
        };
        // Other routers' ids are ordinary on a shared segment, and our own
        // packets come back on some.
        let level = match reject {
            Reject::Vrid | Reject::Own => Level::Debug,
            _ => Level::Warn,
        };
        let name = self.interfaces[usize::from(interface.0)].name;
        let (reason, before) = (Plain(reject.name()), Number(before.into()));
        match (source.map(Shown), id) {
            (Some(source), Some(id)) => {
                let id = Number(id.into());
                note(
                    level,
                    name,
                    format_args!(
                        "discarded an advert of {source} for id {id}: {reason} ({before} more before)"
                    ),
                );
            }
            _ => note(
                level,
                name,
                format_args!("discarded a packet: {reason} ({before} more before)"),
            ),
        }
    }

    /// The router of this id on this interface, each family by itself.
    fn find_router(&self, interface: InterfaceId, family: Family, id: u8) -> Option<RouterId> {
        let routers = self.config.routers.iter().zip(&self.router_interfaces);
        let mut routers = routers.zip(0u8..);
        let ((_, _), index) = routers.find(|((router, at), _)| {
            router.virtual_router_id == id && router.family == family && **at == interface
        })?;
        Some(RouterId(index))
    }

    /// An address that this node sends adverts from, on whatever interface: a
    /// bridge or a loop may bring them back elsewhere (PROTOCOL 18).
    fn owns_source(&self, address: &IpAddr) -> bool {
        let family = Family::of(address);
        self.interfaces
            .iter()
            .any(|interface| interface.source(family) == Some(*address))
            || self
                .config
                .routers
                .iter()
                .any(|router| router.unicast_src_ip == Some(*address))
    }

    /// What a router wants of a packet from this source.
    fn expectation(&self, router: usize, source: IpAddr) -> Expectation<'_> {
        let config = &self.config.routers[router];
        Expectation {
            version: config.version,
            auth: auth(config),
            interval: config.advert_int,
            no_addresses: config.advertised().next().is_none(),
            delivery: self.delivery(router, source),
            hmac: self.hmac(router),
        }
    }
}

/// The authentication of a router, as sent and as wanted.
pub(super) fn auth(router: &config::Router<'_>) -> Auth {
    router.auth_pass.map_or(Auth::None, Auth::Simple)
}

#[cfg(test)]
mod tests {
    use super::*;

    // 15: one line a minute of each kind, however many there are, and none of
    // them uncounted.
    #[test]
    fn n15_a_kind_of_refusal_is_mentioned_once_a_minute() {
        let mut mentions = Mentions::NONE;
        let at = Instant::from_secs;
        assert_eq!(mentions.mention(at(0), Reject::Ttl), Some(0));
        for _ in 0..100_000 {
            assert_eq!(mentions.mention(at(59), Reject::Ttl), None);
        }
        assert_eq!(mentions.mention(at(59), Reject::Checksum), Some(0));
        assert_eq!(mentions.mention(at(60), Reject::Ttl), Some(100_000));
        assert_eq!(mentions.mention(at(61), Reject::Ttl), None);
    }
}
