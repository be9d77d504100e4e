//! What a flood may cost. More packets a second than anybody's routers send,
//! none of them for ours, narrow what is listened to: packets for our own ids
//! that no router forwarded come in as before, and one in [`SAMPLE`] of all
//! others, so that a flood is still seen, named and measured. It reads the
//! first bytes of packets and never decides about a router.

use crate::protocol::Family;
use crate::{Duration, Instant};

/// Foreign packets a second above which a filter narrows.
const CALM: u32 = 1_000;
/// The span over which packets are counted, and for which it narrows.
const SPAN: Duration = Duration::from_secs(1);
/// How many foreign packets a narrow filter lets one pass of. A power of two.
pub const SAMPLE: u32 = 64;

/// Where a packet has its TTL, and its virtual router's id.
pub(super) fn head(family: Family, packet: &[u8]) -> Option<(u8, u8)> {
    let (ttl_at, id_at) = match family {
        Family::Ipv4 => (8, usize::from(packet.first()? & 15) * 4 + 1),
        Family::Ipv6 => (7, 40 + 1),
    };
    Some((*packet.get(ttl_at)?, *packet.get(id_at)?))
}

/// The flood, or the calm, on one interface.
#[derive(Debug)]
pub(super) struct Flood {
    narrow: bool,
    /// When the present span ends.
    until: Instant,
    /// Foreign packets of the span, those left out included.
    foreign: u32,
    /// Packets that the narrow filter has left out, reckoned from its sample.
    filtered: u64,
}

impl Flood {
    pub(super) const CALM: Flood = Flood {
        narrow: false,
        until: Instant::ZERO,
        foreign: 0,
        filtered: 0,
    };

    /// A foreign packet came in. True: the filter is to be narrowed.
    pub(super) fn count(&mut self, now: Instant) -> bool {
        if self.narrow {
            self.foreign = self.foreign.saturating_add(SAMPLE);
            self.filtered += u64::from(SAMPLE) - 1;
            return false;
        }
        if now >= self.until {
            self.begin(now);
        }
        self.foreign += 1;
        if self.foreign <= CALM {
            return false;
        }
        self.begin(now);
        self.narrow = true;
        true
    }

    /// When [`Flood::calms`] wants to be called.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.narrow.then_some(self.until)
    }

    /// Whether the filter is to be widened, because the flood is over.
    pub(super) fn calms(&mut self, now: Instant) -> bool {
        if !self.narrow || now < self.until {
            return false;
        }
        self.narrow = self.foreign > CALM;
        self.begin(now);
        !self.narrow
    }

    pub(super) fn filtered(&self) -> u64 {
        self.filtered
    }

    fn begin(&mut self, now: Instant) {
        self.until = now + SPAN;
        self.foreign = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::trace::{ETH0, Trace};
    use super::*;
    use crate::event::{Action, Event, Filter};
    use crate::node::Wake;
    use crate::vrrp::Role;

    const NARROW: Action = Action::Filter(ETH0, Filter::Narrow);
    const WIDE: Action = Action::Filter(ETH0, Filter::Wide);
    const ROUTER: &str = "
[vrrp VI_1]
interface = eth0
virtual_router_id = 51
advert_int = 60s
address = 192.0.2.1
lease = off
";

    /// The first bytes of a packet with this TTL for this id.
    fn packet(ttl: u8, id: u8) -> [u8; 28] {
        let mut packet = [0; 28];
        packet[0] = 0x45;
        (packet[8], packet[9]) = (ttl, 112);
        (packet[20], packet[21]) = (0x21, id);
        packet
    }

    /// Hears this many packets spread over a second; what came of it.
    fn hear(trace: &mut Trace, from: i64, count: i64, packet: &[u8]) -> std::vec::Vec<Action> {
        let mut done = std::vec::Vec::new();
        for number in 0..count {
            let now = Instant::from_micros(1000 * from + 1_000_000 * number / count);
            let event = Event::Packet(ETH0, Family::Ipv4, packet);
            trace.node.process(now, event, &mut trace.actions);
            done.extend_from_slice(&trace.actions);
        }
        done
    }

    fn filtered(trace: &Trace) -> u64 {
        trace.node.interfaces()[0].filtered()
    }

    #[test]
    fn a_flood_of_foreign_packets_narrows_the_filter_until_it_is_over() {
        for foreign in [packet(255, 52), packet(254, 51), packet(0, 0)] {
            let mut trace = Trace::backup(ROUTER);
            assert_eq!(hear(&mut trace, 0, 1000, &foreign), []);
            // The count begins anew every second.
            assert_eq!(hear(&mut trace, 1000, 1000, &foreign), []);
            assert_eq!(hear(&mut trace, 2000, 1001, &foreign), [NARROW]);
            assert_eq!(filtered(&trace), 0);
            // One in 64 of 50,000 comes through: it goes on.
            let narrow_at = 2999;
            assert_eq!(hear(&mut trace, narrow_at, 781, &foreign), []);
            assert_eq!(filtered(&trace), 781 * 63);
            assert_eq!(trace.skip(narrow_at + 1100), []);
            // One in 64 of 1,000 is calm.
            assert_eq!(hear(&mut trace, narrow_at + 1100, 15, &foreign), []);
            assert_eq!(trace.skip(narrow_at + 2100), [WIDE]);
            assert!(matches!(trace.node.poll_at().1, Wake::Router(_)));
            assert_eq!(filtered(&trace), (781 + 15) * 63);
        }
    }

    #[test]
    fn packets_for_our_own_ids_are_no_flood() {
        let mut trace = Trace::backup(ROUTER);
        assert_eq!(hear(&mut trace, 0, 5000, &packet(255, 51)), []);
        trace.is(Role::Backup);
        assert!(trace.node.own_ids(ETH0, Family::Ipv4).eq([51]));
        assert_eq!(trace.node.own_ids(ETH0, Family::Ipv6).count(), 0);
    }
}
