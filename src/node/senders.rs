//! What a router keeps of those it hears and sends to: the latest stamp of each,
//! so that no signed advert counts twice, the form of their checksums, and
//! whether a peer is on the link. It judges no packet.

use core::net::IpAddr;

use crate::Instant;
use crate::board;
use crate::config::{self, Peer};
use crate::event::{InterfaceId, LocalAddress};
use crate::node::Node;
use crate::protocol::Checksum;
use crate::wire::{self, Delivery, Hmac, Received, Signature, TTL};

/// Senders to the group that are remembered, as in keepalived.
const GROUP_SLOTS: usize = 4;
/// One for each peer, or those of the group.
const SLOTS: usize = if board::PEERS_MAX > GROUP_SLOTS {
    board::PEERS_MAX
} else {
    GROUP_SLOTS
};
/// A stamp may be this many seconds away from our clock, or three intervals.
const WINDOW_MIN: u64 = 5;

/// See the module. The slots of a unicast router are its peers', in their order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Senders {
    slots: [Slot; SLOTS],
    /// Counts the uses of slots.
    uses: u32,
    /// The form of the last valid advert to the group.
    checksum: Option<Checksum>,
    /// The stamp that was sent last.
    sent: Option<u64>,
    /// The latest stamp of anybody.
    heard: Option<u64>,
    /// `unicast_src_ip` is on the interface.
    pub source_there: bool,
}

/// One sender.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Senders to the group only; a peer's is in the configuration.
    address: Option<IpAddr>,
    /// When it was last used, in uses.
    used: u32,
    stamp: Option<u64>,
    checksum: Option<Checksum>,
    on_link: bool,
}

impl Senders {
    pub const NONE: Senders = Senders {
        slots: [Slot::EMPTY; SLOTS],
        uses: 0,
        checksum: None,
        sent: None,
        heard: None,
        source_there: false,
    };

    /// The slot of a sender to the group: its own, or else that of who was
    /// silent longest.
    #[inline(never)]
    fn slot_of(&mut self, source: IpAddr) -> &mut Slot {
        let slots = &mut self.slots[..GROUP_SLOTS];
        let known = slots.iter().position(|slot| slot.address == Some(source));
        let place = known.unwrap_or_else(|| {
            let mut oldest = 0;
            for (place, slot) in slots.iter().enumerate() {
                if slot.used < slots[oldest].used {
                    oldest = place;
                }
            }
            slots[oldest] = Slot {
                address: Some(source),
                ..Slot::EMPTY
            };
            oldest
        });
        self.uses += 1;
        slots[place].used = self.uses;
        &mut slots[place]
    }
}

impl Slot {
    const EMPTY: Slot = Slot {
        address: None,
        used: 0,
        stamp: None,
        checksum: None,
        on_link: false,
    };
}

impl Node<'_> {
    /// How adverts from this source reach a router.
    pub(super) fn delivery(&self, router: usize, source: IpAddr) -> Delivery {
        let config = &self.config.routers[router];
        if config.peers.is_empty() {
            return Delivery::Group;
        }
        let peer = place_of(config, source);
        let senders = &self.senders[router];
        let ttl = peer.and_then(|peer| match config.peers[peer].ttl {
            // Nobody forwards from one neighbour to another. Over IPv6
            // keepalived sends the system's own hop limit.
            None => (senders.slots[peer].on_link && source.is_ipv4()).then_some((TTL, TTL)),
            given => given,
        });
        Delivery::Unicast {
            // What the router goes by: while addresses are told again, what was
            // known stands.
            own: self.routers[router].source(),
            listed: peer.is_some(),
            ttl: ttl.unwrap_or((0, TTL)),
        }
    }

    /// What a router with keys wants of a signature.
    pub(super) fn hmac(&self, router: usize) -> Option<Hmac<'_>> {
        let config = &self.config.routers[router];
        let fresh = || ((self.wall() / 1_000_000) as u32, window(config));
        (!config.keys.is_empty()).then(|| Hmac {
            keys: &config.keys,
            required: config.auth_mode == config::AuthMode::Enforce,
            fresh: (!config.auth_monotonic).then(fresh),
        })
    }

    /// Takes note of an advert that passed every check but the last: false, a
    /// signed one that was heard before, or is older than one that was.
    #[inline(never)]
    pub(super) fn take_note(&mut self, router: usize, received: &Received<'_>) -> bool {
        let config = &self.config.routers[router];
        let senders = &mut self.senders[router];
        let peer = place_of(config, received.source);
        if let Some(stamp) = received.stamp {
            let slot = match peer {
                Some(peer) => &mut senders.slots[peer],
                None => senders.slot_of(received.source),
            };
            let repeated = slot.stamp.is_some_and(|last| !wire::later(stamp, last));
            // Where unsigned adverts are accepted as well, an old one does no harm,
            // and a board without a clock may not hear any stamp to go on from.
            let lenient = config.auth_monotonic && config.auth_mode != config::AuthMode::Enforce;
            if repeated && !lenient {
                return false;
            }
            slot.stamp = Some(stamp);
            if senders.heard.is_none_or(|last| wire::later(stamp, last)) {
                senders.heard = Some(stamp);
            }
        }
        let form = match peer {
            Some(peer) => &mut senders.slots[peer].checksum,
            None => &mut senders.checksum,
        };
        *form = received.checksum;
        true
    }

    /// Where advert number `nth` goes: to each peer, or once to the group.
    pub(super) fn destination(&self, router: usize, nth: usize) -> Option<(IpAddr, bool)> {
        let config = &self.config.routers[router];
        match (config.peers.get(nth), nth) {
            (Some(peer), _) => Some((peer.address, true)),
            (None, 0) => Some((wire::group(config.family), false)),
            (None, _) => None,
        }
    }

    /// How to sum what goes there: as it is written, or else as the peer does.
    pub(super) fn checksum(&self, router: usize, nth: usize) -> Checksum {
        let config = &self.config.routers[router];
        let senders = &self.senders[router];
        let heard = match config.peers.is_empty() {
            true => senders.checksum,
            false => senders.slots[nth].checksum,
        };
        config.checksum.or(heard).unwrap_or(Checksum::Pseudo)
    }

    /// With what to sign the next advert, if it is to be signed.
    pub(super) fn signature(&mut self, router: usize) -> Option<Signature> {
        let config = &self.config.routers[router];
        let key = config.keys.first()?;
        if config.auth_mode == config::AuthMode::ReceiveOnly {
            return None;
        }
        let clock = wire::stamp(self.wall());
        let senders = &mut self.senders[router];
        let after = |last: Option<u64>, stamp: u64| match last {
            Some(last) if !wire::later(stamp, last) => last.wrapping_add(1),
            _ => stamp,
        };
        let mut stamp = after(senders.sent, clock);
        if config.auth_monotonic {
            // Without a clock that survives a restart, what the others have said
            // does: theirs are later than all of ours that they have heard.
            stamp = after(senders.heard, stamp);
        } else if stamp >> 32 > (clock >> 32) + u64::from(window(config)) {
            // The clock was set back. Who shares our new time refuses the old
            // one as too far ahead, and has heard none of it.
            stamp = clock;
        }
        senders.sent = Some(stamp);
        Some(Signature {
            id: key.id(),
            secret: key.secret(),
            stamp,
        })
    }

    /// Whether anything here is signed, so that the wall clock matters.
    pub fn signs(&self) -> bool {
        let mut routers = self.config.routers.iter();
        routers.any(|router| !router.keys.is_empty())
    }

    /// The wall clock is `ahead` microseconds ahead of `now`. It is
    /// [`Event::Clock`](crate::event::Event::Clock) for who drives no machines.
    pub fn set_clock(&mut self, now: Instant, ahead: i64) {
        self.now = self.now.max(now);
        self.wall_ahead = ahead;
    }

    /// Microseconds since 1970.
    fn wall(&self) -> u64 {
        (self.now.total_micros() + self.wall_ahead).unsigned_abs()
    }

    /// An address is on an interface (`there`) or left it: it may be a source, or
    /// put peers on the link. Returns true when what was known of peers no longer
    /// holds, so that all addresses must be told again.
    pub(super) fn learn_address(
        &mut self,
        interface: InterfaceId,
        local: &LocalAddress,
        there: bool,
    ) -> bool {
        let mut lost = false;
        for (router, config) in self.config.routers.iter().enumerate() {
            if config.peers.is_empty() || self.router_interfaces[router] != interface {
                continue;
            }
            let senders = &mut self.senders[router];
            if config.unicast_src_ip == Some(local.address) {
                senders.source_there = there && local.usable;
            }
            if local.ours {
                continue;
            }
            for (peer, slot) in config.peers.iter().zip(&mut senders.slots) {
                if covers(local, peer) {
                    lost |= slot.on_link && !there;
                    slot.on_link = there;
                }
            }
        }
        lost
    }

    /// The interface is another one now: nothing that was known of it holds.
    pub(super) fn forget_addresses(&mut self, interface: InterfaceId) {
        for (router, senders) in self.senders.iter_mut().enumerate() {
            if self.router_interfaces[router] == interface {
                senders.source_there = false;
                senders
                    .slots
                    .iter_mut()
                    .for_each(|slot| slot.on_link = false);
            }
        }
    }
}

/// The place of the peer with this address.
fn place_of(config: &config::Router<'_>, source: IpAddr) -> Option<usize> {
    config.peers.iter().position(|peer| peer.address == source)
}

/// How far a stamp may be away from our clock, in seconds.
fn window(config: &config::Router<'_>) -> u32 {
    let three = (3 * config.advert_int.total_micros()).div_ceil(1_000_000);
    three.max(WINDOW_MIN) as u32
}

/// Whether the peer is in the subnet of this address.
fn covers(local: &LocalAddress, peer: &Peer) -> bool {
    let length = u32::from(local.prefix_len);
    match (local.address, peer.address) {
        (IpAddr::V4(local), IpAddr::V4(peer)) => {
            let differing = local.to_bits() ^ peer.to_bits();
            differing.leading_zeros() >= length
        }
        (IpAddr::V6(local), IpAddr::V6(peer)) => {
            // Byte by byte: 128-bit arithmetic is large.
            let (local, peer) = (local.octets(), peer.octets());
            let same = local.iter().zip(&peer).take_while(|(a, b)| a == b).count();
            let next = local.iter().zip(&peer).nth(same);
            let bits = next.map_or(0, |(a, b)| (a ^ b).leading_zeros());
            8 * same as u32 + bits >= length
        }
        _ => false,
    }
}
