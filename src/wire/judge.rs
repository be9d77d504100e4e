//! Is this packet an advert for us? Every check there is, in one order, each
//! with its own name. The first that fails names the packet; one that fails
//! changes nothing but a counter.
//!
//! The order is fixed because users see it: cheap and certain things first (is
//! it ours, did it come from this link), then what only a known router can ask.

use core::net::IpAddr;

use super::advert::{ADVERTISEMENT, View};
use super::ip::{self, Datagram, Read};
use super::{Auth, Delivery, Expectation, Hmac, Received, Reject, TTL, group};
use crate::Duration;
use crate::protocol::{Family, Version};

/// What became of a packet.
#[derive(Debug)]
pub enum Verdict<'p> {
    /// It passed every check.
    Accept(Received<'p>),
    /// It failed this check. With it come the virtual router id and the source
    /// as far as they could be read; neither is proven.
    Discard(Reject, Option<u8>, Option<IpAddr>),
    /// It is of another protocol.
    NotVrrp,
}

/// Knows what the router of this id wants of a packet from this source.
type Find<'f, 'c> = dyn Fn(u8, IpAddr) -> Option<Expectation<'c>> + 'f;

/// Judges a packet, from its IP header on; link-layer padding may follow it.
/// `own` knows this node's addresses, `find` what the router of an id wants on
/// the interface that the packet came from.
pub fn judge<'p>(
    family: Family,
    packet: &'p [u8],
    own: &dyn Fn(IpAddr) -> bool,
    find: &Find<'_, '_>,
) -> Verdict<'p> {
    read(family, packet, own, Some(find))
}

/// Judges a packet as no router in particular: only by what holds for every one.
pub fn judge_alone(family: Family, packet: &[u8]) -> Verdict<'_> {
    read(family, packet, &|_| false, None)
}

#[inline(never)]
fn read<'p>(
    family: Family,
    packet: &'p [u8],
    own: &dyn Fn(IpAddr) -> bool,
    find: Option<&Find<'_, '_>>,
) -> Verdict<'p> {
    let datagram = match ip::read(family, packet) {
        Read::NotVrrp => return Verdict::NotVrrp,
        Read::Broken => return Verdict::Discard(Reject::IpHeader, None, None),
        Read::Datagram(datagram) => datagram,
    };
    let id = datagram.payload.get(1).copied();
    match check(family, &datagram, id, own, find) {
        Ok(received) => Verdict::Accept(received),
        Err(reject) => Verdict::Discard(reject, id, Some(datagram.source)),
    }
}

#[inline(never)]
fn check<'p>(
    family: Family,
    datagram: &Datagram<'p>,
    id: Option<u8>,
    own: &dyn Fn(IpAddr) -> bool,
    find: Option<&Find<'_, '_>>,
) -> Result<Received<'p>, Reject> {
    let (source, destination) = (datagram.source, datagram.destination);
    ensure(datagram.intact, Reject::IpHeader)?;
    ensure(!datagram.fragment, Reject::Fragment)?;
    ensure(!own(source), Reject::Own)?;
    // Id 0 does not exist, whatever the configuration says (RFC 9568 section 5.2.3).
    let known = id.filter(|&id| id != 0);
    let router = known.zip(find).and_then(|(id, find)| find(id, source));
    let (least, most) = ttl(router.as_ref(), destination);
    ensure((least..=most).contains(&datagram.hop_limit), Reject::Ttl)?;

    // A packet without a single byte says no version that could be wrong.
    let &first = datagram.payload.first().ok_or(Reject::Length)?;
    let version = version(first >> 4, family, router.as_ref()).ok_or(Reject::Version)?;
    let hmac = router.as_ref().and_then(|router| router.hmac);
    let view = View::new(version, family, datagram.payload, hmac.is_some());
    let view = view.ok_or(Reject::Length)?;
    let checksum = view.checksum(source, destination).ok_or(Reject::Checksum)?;

    let virtual_router_id = known.ok_or(Reject::Vrid)?;
    ensure(router.is_some() || find.is_none(), Reject::Vrid)?;
    ensure(view.packet_type() == ADVERTISEMENT, Reject::Type)?;
    // RFC 9568 erratum 8299.
    let may_be_empty = router.as_ref().is_some_and(|router| router.no_addresses);
    ensure(may_be_empty || !view.addresses().is_empty(), Reject::Count)?;
    let interval = view.interval();
    if let Some(router) = &router {
        check_delivery(source, destination, router.delivery)?;
        match (version, hmac, view.trailer()) {
            (Version::V2, ..) => check_auth(view.auth(), router.auth)?,
            (Version::V3, Some(hmac), trailer) => {
                let formed = trailer.map(|(trailer, _)| trailer.well_formed());
                ensure(formed.unwrap_or(!hmac.required), Reject::AuthType)?;
            }
            (Version::V3, None, _) => {}
        }
        // Version 3 adopts the sender's, and version 2 must agree.
        ensure(
            version == Version::V3 || interval == router.interval,
            Reject::Interval,
        )?;
    }
    // RFC 9568 erratum 8301: no interval at all is an error in version 3 too.
    ensure(interval != Duration::ZERO, Reject::Interval)?;
    let mut stamp = None;
    if let (Some((trailer, packet)), Some(hmac)) = (view.trailer(), hmac) {
        check_fresh(trailer.stamp(), &hmac)?;
        let mut keys = hmac.keys.iter();
        let key = keys.find(|key| key.id() == trailer.key_id());
        let held = key.is_some_and(|key| trailer.holds(&key.secret(), source, packet));
        ensure(held, Reject::Hmac)?;
        stamp = Some(trailer.stamp());
    }

    let choice = version == Version::V3 && family == Family::Ipv4;
    Ok(Received {
        source,
        destination,
        version,
        virtual_router_id,
        priority: view.priority(),
        interval,
        addresses: view.addresses(),
        checksum: choice.then_some(checksum),
        stamp,
    })
}

/// The TTL that proves that a packet came from this link, or from a peer that
/// may be further away.
fn ttl(router: Option<&Expectation<'_>>, destination: IpAddr) -> (u8, u8) {
    match router.map(|router| router.delivery) {
        Some(Delivery::Unicast { ttl, .. }) if !is_group(destination) => ttl,
        _ => (TTL, TTL),
    }
}

#[inline(never)]
fn check_delivery(source: IpAddr, destination: IpAddr, delivery: Delivery) -> Result<(), Reject> {
    let (arrived, known) = match delivery {
        Delivery::Group => (is_group(destination), is_neighbor(source)),
        Delivery::Unicast { own, listed, .. } => (own == Some(destination), listed),
    };
    ensure(arrived, Reject::Destination)?;
    ensure(known, Reject::Source)
}

/// In whole seconds, as keepalived does, and before the costly part: a flood of
/// old packets is refused at once.
fn check_fresh(stamp: u64, hmac: &Hmac<'_>) -> Result<(), Reject> {
    let Some((now, window)) = hmac.fresh else {
        return Ok(());
    };
    let away = now.wrapping_sub((stamp >> 32) as u32).cast_signed();
    ensure(away.unsigned_abs() <= window, Reject::Stale)
}

fn ensure(holds: bool, otherwise: Reject) -> Result<(), Reject> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// The version with this number, if it exists in the family and is the one that
/// the router wants. Without a router either will do, so that the packet is
/// named for its id and not for its version.
fn version(number: u8, family: Family, router: Option<&Expectation<'_>>) -> Option<Version> {
    let version = match (number, family) {
        (2, Family::Ipv4) => Version::V2,
        (3, _) => Version::V3,
        _ => return None,
    };
    router
        .is_none_or(|router| router.version == version)
        .then_some(version)
}

fn is_group(destination: IpAddr) -> bool {
    destination == group(Family::of(&destination))
}

/// Whether a router on this link can have this address as its own.
fn is_neighbor(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(source) => {
            !(source.is_multicast()
                || source.is_broadcast()
                || source.is_unspecified()
                || source.is_loopback())
        }
        IpAddr::V6(source) => source.is_unicast_link_local(),
    }
}

/// RFC 2338 section 5.3.6. The data of type 0 is ignored (RFC 3768 section 5.3.10).
fn check_auth((received, data): (u8, [u8; 8]), wanted: Auth) -> Result<(), Reject> {
    match (wanted, received) {
        (Auth::None, 0) => Ok(()),
        (Auth::Simple(password), 1) => ensure(same_secret(&password, &data), Reject::AuthData),
        _ => Err(Reject::AuthType),
    }
}

/// Takes the same time wherever the two differ, so that nobody can guess a
/// password byte by byte.
fn same_secret(a: &[u8; 8], b: &[u8; 8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b));
    core::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};
    use std::vec::Vec;

    use smoltcp::wire::checksum;

    use super::*;
    use crate::protocol::Checksum;
    use crate::wire::{Advert, GROUP_V4, emit_advert};

    const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const PEER_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
    const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));
    const VIP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100));

    /// What the router with id 51 wants.
    const V2: Expectation<'_> = Expectation {
        version: Version::V2,
        auth: Auth::None,
        interval: Duration::from_secs(1),
        no_addresses: false,
        delivery: Delivery::Group,
        hmac: None,
    };
    const V2_PASS: Expectation<'_> = Expectation {
        auth: Auth::Simple(*b"wimark12"),
        ..V2
    };
    const V3: Expectation<'_> = Expectation {
        version: Version::V3,
        ..V2
    };

    /// The advert of a peer that is configured as `router` is, with one address.
    fn packet(family: Family, router: Expectation<'_>) -> Vec<u8> {
        let (source, vip) = match family {
            Family::Ipv4 => (IpAddr::V4(PEER), VIP),
            Family::Ipv6 => (IpAddr::V6(PEER_V6), VIP_V6),
        };
        let advert = Advert {
            version: router.version,
            source,
            destination: group(family),
            virtual_router_id: 51,
            priority: 100,
            interval: router.interval,
            auth: router.auth,
            checksum: Checksum::Pseudo,
            signature: None,
            ip_id: 1,
        };
        let mut buffer = [0; 128];
        let len = emit_advert(&advert, &mut [vip].into_iter(), &mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    /// Makes all checksums right again, with the pseudo-header or without.
    fn seal(packet: &mut [u8], pseudo: bool) {
        let v6 = packet[0] >> 4 == 6;
        let header = if v6 {
            40
        } else {
            usize::from(packet[0] & 15) * 4
        };
        if !v6 {
            packet[10..12].fill(0);
            let sum = !checksum::data(&packet[..header]);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        let addresses = if v6 { 8..40 } else { 12..20 };
        let len = (packet.len() - header) as u16;
        let pseudo = match pseudo {
            true => checksum::combine(&[checksum::data(&packet[addresses]), 112, len]),
            false => 0,
        };
        packet[header + 6..header + 8].fill(0);
        let sum = !checksum::combine(&[checksum::data(&packet[header..]), pseudo]);
        packet[header + 6..header + 8].copy_from_slice(&sum.to_be_bytes());
    }

    fn judged(family: Family, packet: &[u8], router: Expectation<'_>) -> Result<(), Reject> {
        let own = |address| address == IpAddr::from([10, 0, 0, 1]);
        let find = |id, _| (id == 51 || id == 0).then_some(router);
        match judge(family, packet, &own, &find) {
            Verdict::Accept(_) => Ok(()),
            Verdict::Discard(reject, _, _) => Err(reject),
            Verdict::NotVrrp => panic!("taken for another protocol"),
        }
    }

    /// The verdict on version 2's packet after one change, checksums made right.
    fn v2_with(change: impl FnOnce(&mut Vec<u8>)) -> Result<(), Reject> {
        let mut packet = packet(Family::Ipv4, V2);
        change(&mut packet);
        seal(&mut packet, false);
        judged(Family::Ipv4, &packet, V2)
    }

    /// The same for version 3 over IPv4 and over IPv6, which must agree.
    fn v3_with(change: impl Fn(&mut [u8])) -> Result<(), Reject> {
        let [v4, v6] = [(Family::Ipv4, 20), (Family::Ipv6, 40)].map(|(family, header)| {
            let mut packet = packet(family, V3);
            change(&mut packet[header..]);
            seal(&mut packet, true);
            judged(family, &packet, V3)
        });
        assert_eq!(v4, v6);
        v4
    }

    #[test]
    fn the_peers_advert_is_accepted_and_means_what_it_said() {
        let bytes = packet(Family::Ipv4, V2_PASS);
        let verdict = judge(Family::Ipv4, &bytes, &|_| false, &|_, _| Some(V2_PASS));
        let Verdict::Accept(received) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(received.source, IpAddr::V4(PEER));
        assert_eq!(received.destination, IpAddr::V4(GROUP_V4));
        assert_eq!((received.virtual_router_id, received.priority), (51, 100));
        assert_eq!(received.interval, Duration::from_secs(1));
        assert!(received.addresses.iter().eq([VIP]));
        assert_eq!(judged(Family::Ipv4, &packet(Family::Ipv4, V3), V3), Ok(()));
        assert_eq!(judged(Family::Ipv6, &packet(Family::Ipv6, V3), V3), Ok(()));
    }

    #[test]
    fn ip_header() {
        let whole = packet(Family::Ipv4, V2);
        for len in 0..whole.len() {
            let cut = judged(Family::Ipv4, &whole[..len], V2);
            assert_eq!(cut, Err(Reject::IpHeader), "cut to {len} bytes");
        }
        for (at, value) in [(0, 0x65), (0, 0x44), (0, 0x40), (2, 0x10), (3, 19), (10, 0)] {
            let mut packet = whole.clone();
            packet[at] = value;
            let verdict = judged(Family::Ipv4, &packet, V2);
            assert_eq!(verdict, Err(Reject::IpHeader), "byte {at} = {value}");
        }
        let mut packet = packet(Family::Ipv6, V3);
        assert_eq!(
            judged(Family::Ipv6, &packet[..39], V3),
            Err(Reject::IpHeader)
        );
        packet[0] = 0x40;
        assert_eq!(judged(Family::Ipv6, &packet, V3), Err(Reject::IpHeader));
    }

    /// 19: the first piece, a later one, and both in IPv6.
    #[test]
    fn fragment() {
        assert_eq!(v2_with(|packet| packet[6] = 0x20), Err(Reject::Fragment));
        assert_eq!(v2_with(|packet| packet[7] = 1), Err(Reject::Fragment));
        assert_eq!(
            v2_with(|packet| packet[6] = 0x40),
            Ok(()),
            "don't fragment is allowed"
        );
        let mut packet = packet(Family::Ipv6, V3);
        packet[6] = 44;
        packet[40] = 112;
        assert_eq!(judged(Family::Ipv6, &packet, V3), Err(Reject::Fragment));
    }

    /// 18.
    #[test]
    fn own() {
        assert_eq!(v2_with(|packet| packet[15] = 1), Err(Reject::Own));
    }

    /// 1.
    #[test]
    fn ttl() {
        assert_eq!(v2_with(|packet| packet[8] = 254), Err(Reject::Ttl));
        assert_eq!(v2_with(|packet| packet[8] = 0), Err(Reject::Ttl));
        let mut packet = packet(Family::Ipv6, V3);
        packet[7] = 64;
        assert_eq!(judged(Family::Ipv6, &packet, V3), Err(Reject::Ttl));
    }

    /// 2: every number that is not the router's.
    #[test]
    fn version() {
        for number in 0..16 {
            let expected = |own| {
                if number == own {
                    Ok(())
                } else {
                    Err(Reject::Version)
                }
            };
            assert_eq!(v3_with(|pdu| pdu[0] = number << 4 | 1), expected(3));
            assert_eq!(v2_with(|packet| packet[20] = number << 4 | 1), expected(2));
        }
        // Version 2 has no IPv6, even for a router that would want it.
        let mut packet = packet(Family::Ipv6, V3);
        packet[40] = 0x21;
        assert_eq!(judged(Family::Ipv6, &packet, V2), Err(Reject::Version));
    }

    /// 3: shorter, longer, and a count that promises another length.
    #[test]
    fn length() {
        let whole = packet(Family::Ipv4, V2);
        for len in 20..whole.len() {
            let mut cut = whole[..len].to_vec();
            cut[3] = len as u8;
            cut[10..12].fill(0);
            let sum = !checksum::data(&cut[..20]);
            cut[10..12].copy_from_slice(&sum.to_be_bytes());
            assert_eq!(
                judged(Family::Ipv4, &cut, V2),
                Err(Reject::Length),
                "{len} bytes"
            );
        }
        let longer = |packet: &mut Vec<u8>| {
            packet.extend([0; 4]);
            packet[3] += 4;
        };
        assert_eq!(v2_with(longer), Err(Reject::Length));
        assert_eq!(v2_with(|packet| packet[23] = 2), Err(Reject::Length));
        assert_eq!(v3_with(|pdu| pdu[3] = 0), Err(Reject::Length));
        assert_eq!(v3_with(|pdu| pdu[3] = 255), Err(Reject::Length));
    }

    /// 3: Ethernet fills short frames up; what lies behind the packet is not its own.
    #[test]
    fn padding_is_cut() {
        for (family, router) in [(Family::Ipv4, V2), (Family::Ipv4, V3), (Family::Ipv6, V3)] {
            let mut padded = packet(family, router);
            padded.extend([0xff; 7]);
            assert_eq!(judged(family, &padded, router), Ok(()));
        }
    }

    /// 4, and both forms of version 3 over IPv4.
    #[test]
    fn checksum_forms() {
        let mut v4 = packet(Family::Ipv4, V3);
        seal(&mut v4, false);
        assert_eq!(judged(Family::Ipv4, &v4, V3), Ok(()));
        v4[27] ^= 1;
        assert_eq!(judged(Family::Ipv4, &v4, V3), Err(Reject::Checksum));
        let mut v2 = packet(Family::Ipv4, V2);
        seal(&mut v2, true);
        assert_eq!(judged(Family::Ipv4, &v2, V2), Err(Reject::Checksum));
        let mut v6 = packet(Family::Ipv6, V3);
        seal(&mut v6, false);
        assert_eq!(judged(Family::Ipv6, &v6, V3), Err(Reject::Checksum));
    }

    /// 5: in either version, and 0 even where it is configured.
    #[test]
    fn vrid() {
        assert_eq!(v2_with(|packet| packet[21] = 52), Err(Reject::Vrid));
        assert_eq!(v2_with(|packet| packet[21] = 0), Err(Reject::Vrid));
        assert_eq!(v3_with(|pdu| pdu[1] = 0), Err(Reject::Vrid));
        for router in [V2, V3] {
            let packet = packet(Family::Ipv4, router);
            let verdict = judge(Family::Ipv4, &packet, &|_| false, &|_, _| None);
            let expected = (Reject::Vrid, Some(51), Some(IpAddr::V4(PEER)));
            assert!(
                matches!(verdict, Verdict::Discard(r, id, s) if (r, id, s) == expected),
                "{verdict:?}"
            );
        }
    }

    /// 6.
    #[test]
    fn packet_type() {
        assert_eq!(v2_with(|packet| packet[20] = 0x22), Err(Reject::Type));
        assert_eq!(v3_with(|pdu| pdu[0] = 0x30), Err(Reject::Type));
    }

    /// 7.
    #[test]
    fn count() {
        let mut empty = packet(Family::Ipv4, V3);
        empty.truncate(28);
        empty[3] = 28;
        empty[23] = 0;
        seal(&mut empty, true);
        assert_eq!(judged(Family::Ipv4, &empty, V3), Err(Reject::Count));
        let without = Expectation {
            no_addresses: true,
            ..V3
        };
        assert_eq!(judged(Family::Ipv4, &empty, without), Ok(()));
        assert_eq!(
            judged(Family::Ipv4, &packet(Family::Ipv4, V3), without),
            Ok(())
        );
    }

    #[test]
    fn destination() {
        for octets in [[10, 0, 0, 1], [224, 0, 0, 5], [255; 4]] {
            let verdict = v2_with(|packet| packet[16..20].copy_from_slice(&octets));
            assert_eq!(verdict, Err(Reject::Destination), "{octets:?}");
        }
        let mut packet = packet(Family::Ipv6, V3);
        packet[39] = 1;
        seal(&mut packet, true);
        assert_eq!(judged(Family::Ipv6, &packet, V3), Err(Reject::Destination));
    }

    /// 61.
    #[test]
    fn source() {
        for octets in [[0; 4], [127, 0, 0, 1], [224, 0, 0, 18], [255; 4]] {
            let verdict = v2_with(|packet| packet[12..16].copy_from_slice(&octets));
            assert_eq!(verdict, Err(Reject::Source), "{octets:?}");
        }
        for first in [0x2001u16, 0xff02, 0xfec0, 0] {
            let mut packet = packet(Family::Ipv6, V3);
            packet[8..10].copy_from_slice(&first.to_be_bytes());
            seal(&mut packet, true);
            assert_eq!(
                judged(Family::Ipv6, &packet, V3),
                Err(Reject::Source),
                "{first:x}"
            );
        }
    }

    /// What a router with the one peer 10.0.0.2 wants, at 10.0.0.9.
    fn with_peer(listed: bool, ttl: (u8, u8)) -> Expectation<'static> {
        Expectation {
            delivery: Delivery::Unicast {
                own: Some([10, 0, 0, 9].into()),
                listed,
                ttl,
            },
            ..V2
        }
    }

    /// The same, of an advert to this address with this TTL.
    fn delivered(router: Expectation<'_>, to: [u8; 4], ttl: u8) -> Result<(), Reject> {
        let mut packet = packet(Family::Ipv4, V2);
        packet[16..20].copy_from_slice(&to);
        packet[8] = ttl;
        seal(&mut packet, false);
        judged(Family::Ipv4, &packet, router)
    }

    /// 20, 21.
    #[test]
    fn unicast() {
        let us = [10, 0, 0, 9];
        let neighbour = with_peer(true, (255, 255));
        assert_eq!(delivered(neighbour, us, 255), Ok(()));
        for to in [[224, 0, 0, 18], [10, 0, 0, 8], [255; 4]] {
            assert_eq!(delivered(neighbour, to, 255), Err(Reject::Destination));
        }
        let stranger = with_peer(false, (0, 255));
        assert_eq!(delivered(stranger, us, 255), Err(Reject::Source));
        assert_eq!(delivered(V2, us, 255), Err(Reject::Destination));
    }

    /// 1: a window for those who are further away, and 255 on the link and for
    /// the group, always.
    #[test]
    fn unicast_ttl() {
        let us = [10, 0, 0, 9];
        for ttl in 0..=255 {
            let expected = |window: (u8, u8)| match (window.0..=window.1).contains(&ttl) {
                true => Ok(()),
                false => Err(Reject::Ttl),
            };
            for window in [(255, 255), (0, 255), (100, 200)] {
                let verdict = delivered(with_peer(true, window), us, ttl);
                assert_eq!(verdict, expected(window), "{ttl} {window:?}");
            }
            let group = delivered(with_peer(true, (0, 255)), [224, 0, 0, 18], ttl);
            let expected = if ttl == 255 {
                Reject::Destination
            } else {
                Reject::Ttl
            };
            assert_eq!(group, Err(expected));
        }
    }

    /// 4: keepalived once put the group into the pseudo-header of what it sent
    /// to a peer. Over IPv6 a peer need not be link-local.
    #[test]
    fn unicast_checksums_and_sources() {
        let router = Expectation {
            version: Version::V3,
            ..with_peer(true, (255, 255))
        };
        let mut v4 = packet(Family::Ipv4, V3);
        seal(&mut v4, true);
        let old = v4[26..28].to_vec();
        v4[16..20].copy_from_slice(&[10, 0, 0, 9]);
        seal(&mut v4, true);
        assert_ne!(v4[26..28], old);
        assert_eq!(judged(Family::Ipv4, &v4, router), Ok(()));
        v4[26..28].copy_from_slice(&old);
        assert_eq!(judged(Family::Ipv4, &v4, router), Ok(()));
        v4[27] ^= 1;
        assert_eq!(judged(Family::Ipv4, &v4, router), Err(Reject::Checksum));

        let own: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let router = Expectation {
            delivery: Delivery::Unicast {
                own: Some(own.into()),
                listed: true,
                ttl: (255, 255),
            },
            ..router
        };
        let mut v6 = packet(Family::Ipv6, V3);
        v6[8] = 0x20;
        v6[24..40].copy_from_slice(&own.octets());
        seal(&mut v6, true);
        assert_eq!(judged(Family::Ipv6, &v6, router), Ok(()));
        assert_eq!(judged(Family::Ipv6, &v6, V3), Err(Reject::Destination));
    }

    /// 9, 10: every type that is not the router's, the reserved ones included.
    #[test]
    fn auth_type() {
        for number in 0..=255 {
            let mut packet = packet(Family::Ipv4, V2_PASS);
            packet[24] = number;
            seal(&mut packet, false);
            for (router, own) in [(V2, 0), (V2_PASS, 1)] {
                let expected = if number == own {
                    Ok(())
                } else {
                    Err(Reject::AuthType)
                };
                assert_eq!(
                    judged(Family::Ipv4, &packet, router),
                    expected,
                    "type {number}"
                );
            }
        }
    }

    /// 9: each byte counts; 10: the data of type 0 does not.
    #[test]
    fn auth_data() {
        for at in 32..40 {
            let mut packet = packet(Family::Ipv4, V2_PASS);
            packet[at] ^= 0x20;
            seal(&mut packet, false);
            assert_eq!(
                judged(Family::Ipv4, &packet, V2_PASS),
                Err(Reject::AuthData)
            );
        }
        assert_eq!(v2_with(|packet| packet[32..40].fill(0x55)), Ok(()));
    }

    /// 11, 12 and 81.
    #[test]
    fn interval() {
        assert_eq!(v2_with(|packet| packet[25] = 0), Err(Reject::Interval));
        assert_eq!(v2_with(|packet| packet[25] = 2), Err(Reject::Interval));
        let none = |pdu: &mut [u8]| pdu[4..6].fill(0);
        assert_eq!(v3_with(none), Err(Reject::Interval));
        assert_eq!(
            v3_with(|pdu| pdu[4..6].copy_from_slice(&[0x0f, 0xff])),
            Ok(())
        );
    }

    /// 17: the reserved bits of version 3 are neither an error nor an interval.
    #[test]
    fn reserved_bits() {
        assert_eq!(v3_with(|pdu| pdu[4] |= 0xf0), Ok(()));
        let no_interval = |pdu: &mut [u8]| pdu[4..6].copy_from_slice(&[0xf0, 0]);
        assert_eq!(v3_with(no_interval), Err(Reject::Interval));
    }

    /// 16: the packet begins where the header says that it ends.
    #[test]
    fn ip_options() {
        for words in 1..=10 {
            let mut packet = packet(Family::Ipv4, V2);
            packet.splice(20..20, std::iter::repeat_n(1, 4 * words));
            packet[0] += words as u8;
            packet[3] += 4 * words as u8;
            seal(&mut packet, false);
            assert_eq!(judged(Family::Ipv4, &packet, V2), Ok(()));
        }
    }

    /// 8, 13, 58: what a router may say is not for this room to refuse: any
    /// priority, and addresses that are not the ones configured here.
    #[test]
    fn priorities_and_addresses_are_not_judged() {
        for priority in 0..=255 {
            assert_eq!(v2_with(|packet| packet[22] = priority), Ok(()));
            assert_eq!(v3_with(|pdu| pdu[2] = priority), Ok(()));
        }
        assert_eq!(v2_with(|packet| packet[28..32].fill(9)), Ok(()));
        assert_eq!(v3_with(|pdu| pdu[8..12].fill(9)), Ok(()));
    }

    #[test]
    fn other_protocols_are_not_ours() {
        let mut udp = packet(Family::Ipv4, V2);
        udp[9] = 17;
        let mut icmp = packet(Family::Ipv6, V3);
        icmp[6] = 58;
        for (family, packet) in [(Family::Ipv4, udp), (Family::Ipv6, icmp)] {
            let verdict = judge(family, &packet, &|_| false, &|_, _| Some(V2));
            assert!(matches!(verdict, Verdict::NotVrrp), "{verdict:?}");
        }
    }
}
