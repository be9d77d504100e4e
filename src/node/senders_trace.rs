//! Peers, signatures and checksums as traces: who is heard, what is sent to
//! whom, and what is remembered of them.
//!
//! Times are milliseconds; see `trace` for our node, which is 10.0.0.2.

use core::net::IpAddr;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::trace::{ETH0, R, RESCAN, Trace, local, packet};
use super::*;
use crate::key::Key;
use crate::protocol::{Checksum, Version};
use crate::wire::{self, Advert, Signature};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const OTHER: &str = "BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// Noon of some day, in seconds since 1970.
const NOON: u64 = 1_800_000_000;

fn ini(more: &str) -> String {
    format!(
        "[vrrp VI_1]\ninterface = eth0\nvirtual_router_id = 51\naddress = 192.0.2.1\n\
         garp_master_repeat = 1\ngarp_master_delay = 0s\nlease = off\n{more}\n"
    )
}

/// An advert of 10.0.0.3 to us.
fn to_us(change: impl FnOnce(&mut Advert)) -> Vec<u8> {
    packet(|advert| {
        advert.destination = IpAddr::from([10, 0, 0, 2]);
        change(advert);
    })
}

/// With another TTL.
fn aged(mut packet: Vec<u8>, ttl: u8) -> Vec<u8> {
    packet[8] = ttl;
    packet[10..12].fill(0);
    let sum: u32 = packet[..20]
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]))
        .sum();
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// What a node sends now: destination and packet of each advert.
fn sent(trace: &mut Trace) -> Vec<(IpAddr, Vec<u8>)> {
    let mut buffer = [0; wire::PACKET_MAX];
    let mut sent = Vec::new();
    while let Some(sending) = trace.node.emit_advert(R, 100, sent.len(), &mut buffer) {
        let packet = buffer[..sending.length].to_vec();
        let destination = IpAddr::from(*packet[16..].first_chunk::<4>().unwrap());
        assert_eq!(sending.peer.is_some(), !destination.is_multicast());
        sent.push((destination, packet));
    }
    sent
}

fn received(trace: &Trace) -> u64 {
    trace.node.routers()[0].adverts_received()
}

// 51, 52: to each peer, from the address that is written, with TTL 255.
#[test]
fn n51_n52_each_peer_gets_an_advert_of_its_own() {
    let mut trace = Trace::prepared(&ini(
        "unicast_src_ip = 10.0.0.9\nunicast_peer = 10.0.0.3\nunicast_peer = 10.9.0.4",
    ));
    trace.at(0, Event::Start, &[]);
    trace.is(Role::Fault);
    assert_eq!(sent(&mut trace).len(), 0);
    let tentative = LocalAddress {
        usable: false,
        ..local("10.0.0.9", 24)
    };
    trace.at(1, Event::AddressAdded(ETH0, tentative), &[]);
    trace.is(Role::Fault);
    trace.at(2, Event::AddressAdded(ETH0, local("10.0.0.9", 24)), &[]);
    trace.is(Role::Backup);
    let sent_now = sent(&mut trace);
    let to: Vec<IpAddr> = sent_now.iter().map(|(to, _)| *to).collect();
    assert_eq!(
        to,
        [IpAddr::from([10, 0, 0, 3]), IpAddr::from([10, 9, 0, 4])]
    );
    for (_, packet) in &sent_now {
        assert_eq!((packet[8], &packet[12..16]), (255, &[10, 0, 0, 9][..]));
    }
    // The peer's subnet may be gone with it: what is left is asked for.
    trace.at(
        3,
        Event::AddressRemoved(ETH0, local("10.0.0.9", 24)),
        &[RESCAN],
    );
    trace.is(Role::Fault);
}

// 20: what comes by the group is not for a router with peers, and what comes
// to us alone not for one without.
#[test]
fn n20_group_and_peers_do_not_mix() {
    let mut trace = Trace::backup(&ini("unicast_peer = 10.0.0.3"));
    trace.hears(10, &packet(|_| {}), &[]);
    assert_eq!(trace.discarded(Reject::Destination), 1);
    trace.hears(20, &to_us(|_| {}), &[]);
    assert_eq!(received(&trace), 1);
    // What is forwarded through us is for somebody else.
    let elsewhere = to_us(|advert| advert.destination = IpAddr::from([10, 0, 0, 4]));
    trace.hears(30, &elsewhere, &[]);
    assert_eq!(trace.discarded(Reject::Destination), 2);
    let mut trace = Trace::backup(&ini(""));
    trace.hears(10, &to_us(|_| {}), &[]);
    assert_eq!(
        (trace.discarded(Reject::Destination), received(&trace)),
        (1, 0)
    );
}

// 21: whoever is not listed is not heard, and 18: we are not our own peer.
#[test]
fn n21_who_is_no_peer_is_not_heard() {
    let mut trace = Trace::backup(&ini("unicast_peer = 10.0.0.4"));
    trace.hears(10, &to_us(|_| {}), &[]);
    trace.hears(20, &aged(to_us(|_| {}), 9), &[]);
    assert_eq!((trace.discarded(Reject::Source), received(&trace)), (2, 0));
    trace.hears(
        30,
        &to_us(|advert| advert.source = IpAddr::from([10, 0, 0, 2])),
        &[],
    );
    assert_eq!(trace.discarded(Reject::Own), 1);
}

// 1: a neighbour's adverts were not forwarded; those of a peer further away
// were, unless bounds are given.
#[test]
fn n1_the_ttl_of_peers() {
    let peers = "unicast_peer = 10.0.0.3\nunicast_peer = 10.9.0.4\n\
                 unicast_peer = 10.9.0.5 min_ttl 250 max_ttl 254";
    let mut trace = Trace::backup(&ini(peers));
    let mut time = 10;
    let mut heard = |trace: &mut Trace, from: [u8; 4], ttl: u8| {
        let before = received(trace);
        let packet = to_us(|advert| advert.source = from.into());
        time += 1;
        trace.hears(time, &aged(packet, ttl), &[]);
        received(trace) > before
    };
    assert!(heard(&mut trace, [10, 0, 0, 3], 255));
    assert!(!heard(&mut trace, [10, 0, 0, 3], 254));
    assert_eq!(trace.discarded(Reject::Ttl), 1);
    for ttl in [255, 254, 1, 0] {
        assert!(heard(&mut trace, [10, 9, 0, 4], ttl), "{ttl}");
    }
    let bounds = [255, 254, 250, 249].map(|ttl| heard(&mut trace, [10, 9, 0, 5], ttl));
    assert_eq!(bounds, [false, true, true, false]);
    // By the group 255 it must be, whoever sends.
    let group = packet(|advert| advert.source = IpAddr::from([10, 9, 0, 4]));
    trace.hears(100, &aged(group, 254), &[]);
    assert_eq!(trace.discarded(Reject::Ttl), 4);
    // Another address makes a neighbour of the second.
    trace.at(200, Event::AddressAdded(ETH0, local("10.9.0.1", 16)), &[]);
    let heard = |trace: &mut Trace, ttl| {
        let before = received(trace);
        let packet = to_us(|advert| advert.source = IpAddr::from([10, 9, 0, 4]));
        trace.hears(201, &aged(packet, ttl), &[]);
        received(trace) > before
    };
    assert!(!heard(&mut trace, 254));
    trace.at(
        202,
        Event::AddressRemoved(ETH0, local("10.9.0.1", 16)),
        &[RESCAN],
    );
    assert!(heard(&mut trace, 254));
}

/// A peer is answered in its own form; a key that is set is obeyed.
#[test]
fn checksums_follow_the_peer() {
    // The sum of the packet alone is complete in one form only.
    let form = |packet: &[u8]| {
        let sum: u32 = packet[20..]
            .chunks(2)
            .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]))
            .sum();
        match (sum & 0xffff) + (sum >> 16) {
            0xffff => Checksum::Rfc9568,
            _ => Checksum::Pseudo,
        }
    };
    let v3 = |checksum| {
        move |advert: &mut Advert| {
            advert.version = Version::V3;
            advert.checksum = checksum;
        }
    };
    let mut trace = Trace::backup(&ini("version = 3"));
    let forms = |trace: &mut Trace| -> Vec<Checksum> {
        sent(trace).iter().map(|(_, packet)| form(packet)).collect()
    };
    assert_eq!(forms(&mut trace), [Checksum::Pseudo]);
    for checksum in [Checksum::Rfc9568, Checksum::Pseudo, Checksum::Rfc9568] {
        trace.hears(10, &packet(v3(checksum)), &[]);
        assert_eq!(forms(&mut trace), [checksum]);
    }
    let mut trace = Trace::backup(&ini("version = 3\nchecksum = pseudo"));
    trace.hears(10, &packet(v3(Checksum::Rfc9568)), &[]);
    assert_eq!(forms(&mut trace), [Checksum::Pseudo]);
    assert_eq!(received(&trace), 1);
    // Each peer has its own.
    let peers = "version = 3\nunicast_peer = 10.0.0.3\nunicast_peer = 10.0.0.4";
    let mut trace = Trace::backup(&ini(peers));
    trace.hears(10, &to_us(v3(Checksum::Rfc9568)), &[]);
    assert_eq!(forms(&mut trace), [Checksum::Rfc9568, Checksum::Pseudo]);
}

/// A signed advert of 10.0.0.3 to the group.
fn signed(id: u8, key: &str, stamp: u64) -> Vec<u8> {
    packet(|advert| {
        advert.version = Version::V3;
        advert.signature = Some(Signature {
            id,
            secret: Key::new(id, key).unwrap().secret(),
            stamp,
        });
    })
}

/// The stamp of what a node sends.
fn stamp_of(trace: &mut Trace) -> u64 {
    let (_, packet) = &sent(trace)[0];
    let trailer = &packet[packet.len() - 28..];
    assert_eq!(trailer[..4], [1, 7, 0, 0]);
    u64::from_be_bytes(*trailer[4..].first_chunk().unwrap())
}

/// A backup whose clock shows noon at 0.
fn signing(more: &str) -> Trace {
    let mut trace = Trace::prepared(&ini(&format!("version = 3\nauth_hmac = 7:{KEY}\n{more}")));
    trace.at(0, Event::Clock(NOON as i64 * 1_000_000), &[]);
    trace.at(0, Event::Start, &[]);
    trace
}

#[test]
fn a_signed_advert_counts_once() {
    let mut trace = signing("");
    let second = |n: u64| (NOON + n) << 32;
    trace.hears(1000, &signed(7, KEY, second(1)), &[]);
    assert_eq!(received(&trace), 1);
    // The same again, an older one, one of another key, and a changed id.
    trace.hears(1000, &signed(7, KEY, second(1)), &[]);
    trace.hears(1000, &signed(7, KEY, second(0)), &[]);
    assert_eq!(trace.discarded(Reject::Replayed), 2);
    trace.hears(1000, &signed(7, OTHER, second(2)), &[]);
    trace.hears(1000, &signed(8, KEY, second(2)), &[]);
    assert_eq!(trace.discarded(Reject::Hmac), 2);
    // What was refused has not moved the mark.
    trace.hears(1000, &signed(7, KEY, second(1) + 1), &[]);
    assert_eq!(received(&trace), 2);
    trace.hears(1000, &signed(7, KEY, second(7)), &[]);
    assert_eq!(trace.discarded(Reject::Stale), 1);
    trace.hears(1000, &packet(|advert| advert.version = Version::V3), &[]);
    assert_eq!(trace.discarded(Reject::AuthType), 1);
}

/// Four sources are remembered, and a fifth takes the place of the one that was
/// silent longest.
#[test]
fn four_senders_to_the_group_are_remembered() {
    let mut trace = signing("");
    let from = |last: u8, stamp: u64| {
        packet(|advert| {
            advert.version = Version::V3;
            advert.source = IpAddr::from([10, 0, 0, last]);
            advert.signature = Some(Signature {
                id: 7,
                secret: Key::new(7, KEY).unwrap().secret(),
                stamp: NOON << 32 | stamp,
            });
        })
    };
    for last in [11, 12, 13, 14] {
        trace.hears(10, &from(last, 5), &[]);
    }
    trace.hears(10, &from(11, 6), &[]);
    trace.hears(10, &from(15, 5), &[]);
    assert_eq!(received(&trace), 6);
    trace.hears(10, &from(11, 6), &[]);
    trace.hears(10, &from(13, 5), &[]);
    assert_eq!(trace.discarded(Reject::Replayed), 2);
    trace.hears(10, &from(12, 5), &[]);
    assert_eq!(received(&trace), 7);
}

#[test]
fn stamps_follow_the_clock_and_never_repeat() {
    let mut trace = signing("");
    let first = stamp_of(&mut trace);
    assert_eq!(first, NOON << 32);
    assert_eq!(stamp_of(&mut trace), first + 1);
    trace.at(500, Event::Poll, &[]);
    assert_eq!(stamp_of(&mut trace), NOON << 32 | 0x8000 << 16);
    // Set back a little: others may have heard the old time.
    trace.at(1000, Event::Clock((NOON as i64 - 4) * 1_000_000), &[]);
    assert_eq!(stamp_of(&mut trace), NOON << 32 | 0x8000 << 16 | 1);
    // Set back by an hour: nobody who has the right time has.
    trace.at(1000, Event::Clock((NOON as i64 - 3600) * 1_000_000), &[]);
    assert_eq!(stamp_of(&mut trace), (NOON - 3599) << 32);
    // Set forward.
    trace.at(1000, Event::Clock((NOON as i64 + 60) * 1_000_000), &[]);
    assert_eq!(stamp_of(&mut trace), (NOON + 61) << 32);
}

/// A board without a clock is heard again after a restart as soon as it has
/// heard somebody: whose stamps are later than all of its own that they heard.
#[test]
fn without_a_clock_stamps_go_on_from_what_is_heard() {
    let mut trace = Trace::prepared(&ini(&format!(
        "version = 3\nauth_hmac = 7:{KEY}\nauth_replay = monotonic"
    )));
    trace.at(0, Event::Clock(0), &[]);
    trace.at(0, Event::Start, &[]);
    assert_eq!(stamp_of(&mut trace), 0);
    // Any stamp is fresh here, but none counts twice.
    trace.hears(1000, &signed(7, KEY, NOON << 32), &[]);
    trace.hears(1000, &signed(7, KEY, NOON << 32), &[]);
    assert_eq!(
        (received(&trace), trace.discarded(Reject::Replayed)),
        (1, 1)
    );
    assert_eq!(stamp_of(&mut trace), (NOON << 32) + 1);
    assert_eq!(stamp_of(&mut trace), (NOON << 32) + 2);
    // A stamp that nobody signed moves nothing.
    trace.hears(1000, &signed(7, OTHER, (NOON + 9) << 32), &[]);
    assert_eq!(stamp_of(&mut trace), (NOON << 32) + 3);
}

/// While unsigned adverts are accepted as well, a board that begins anew is heard
/// with old stamps, too: it may hear none to go on from. With clocks it is not.
#[test]
fn an_old_stamp_does_no_harm_before_signatures_are_asked_for() {
    for (more, heard) in [
        ("auth_mode = permissive\nauth_replay = monotonic", 2),
        ("auth_mode = permissive", 1),
        ("auth_replay = monotonic", 1),
    ] {
        let mut trace = signing(more);
        trace.hears(10, &signed(7, KEY, NOON << 32), &[]);
        trace.hears(10, &signed(7, KEY, (NOON - 1) << 32), &[]);
        assert_eq!(received(&trace), heard, "{more}");
    }
}

#[test]
fn the_three_modes() {
    let plain = || packet(|advert| advert.version = Version::V3);
    for (mode, signs, hears_plain) in [
        ("receive-only", false, true),
        ("permissive", true, true),
        ("enforce", true, false),
    ] {
        let mut trace = signing(&format!("auth_mode = {mode}\nauth_hmac = 9:{OTHER}"));
        let length = sent(&mut trace)[0].1.len();
        assert_eq!(length, 20 + 12 + if signs { 28 } else { 0 }, "{mode}");
        trace.hears(10, &plain(), &[]);
        assert_eq!(received(&trace), u64::from(hears_plain), "{mode}");
        // Both keys are accepted in each mode, and a wrong one in none.
        let before = received(&trace);
        trace.hears(10, &signed(7, KEY, NOON << 32), &[]);
        trace.hears(10, &signed(9, OTHER, NOON << 32 | 1), &[]);
        trace.hears(10, &signed(9, KEY, NOON << 32 | 2), &[]);
        assert_eq!(received(&trace), before + 2, "{mode}");
        assert_eq!(trace.discarded(Reject::Hmac), 1, "{mode}");
    }
}
