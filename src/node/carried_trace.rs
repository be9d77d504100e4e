//! What a router carries and tracks beside the usual, as traces: excluded
//! addresses, no addresses, tracked interfaces, and several routers in one
//! place.
//!
//! Times are milliseconds; see `trace` for our node.

use core::net::IpAddr;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::trace::{ETH0, R, RESIGNED, Trace, link, local, packet};
use super::*;
use crate::protocol::{Checksum, Family, Version};
use crate::wire::{self, Advert, Auth};

const ETH1: InterfaceId = InterfaceId(1);

fn ini(more: &str) -> String {
    format!(
        "[vrrp VI_1]\ninterface = eth0\nvirtual_router_id = 51\n\
         garp_master_repeat = 1\ngarp_master_delay = 0s\nlease = off\n{more}\n"
    )
}

/// What a router sends, as the packet from the IP header on.
fn sent(trace: &mut Trace, router: RouterId) -> Vec<u8> {
    let mut buffer = [0; wire::PACKET_MAX];
    let sending = trace.node.emit_advert(router, 100, 0, &mut buffer);
    buffer[..sending.unwrap().length].to_vec()
}

// 53: an excluded address is carried, of whatever family, and not listed.
#[test]
fn n53_excluded_addresses_are_carried_and_not_listed() {
    let more = "address = 192.0.2.1\nexcluded_address = 2001:db8::1/64\n\
                excluded_address = 192.0.2.2 dev eth0";
    let mut trace = Trace::backup(&ini(more));
    let packet = sent(&mut trace, R);
    assert_eq!(packet[20 + 3], 1);
    assert_eq!(packet[28..32], [192, 0, 2, 1]);
    let told = |trace: &Trace, address| {
        let mut buffer = [0; 128];
        let told = trace.node.emit_announcement(R, address, false, &mut buffer);
        told.unwrap().ethertype
    };
    assert_eq!([0, 1, 2].map(|n| told(&trace, n)), [0x0806, 0x86dd, 0x0806]);
    // 51, 63: none of them is ever a source.
    trace.at(
        10,
        Event::AddressRemoved(ETH0, local("10.0.0.2", 24)),
        &[Action::RescanAddresses(ETH0)],
    );
    trace.at(10, Event::AddressAdded(ETH0, local("192.0.2.2", 32)), &[]);
    trace.at(10, Event::AddressesScanned(ETH0), &[]);
    assert_eq!(trace.node.routers()[0].source(), None);
    trace.is(Role::Fault);
}

// 7: a router without addresses sends count 0, accepts it, and accepts lists.
#[test]
fn n7_a_router_without_addresses_only_elects() {
    for version in [2, 3] {
        let more = format!("version = {version}\nnotify = /bin/true");
        let mut trace = Trace::prepared(&ini(&more));
        trace
            .node
            .process(Instant::ZERO, Event::Start, &mut trace.actions);
        trace.is(Role::Backup);
        let mut theirs = sent(&mut trace, R);
        assert_eq!((theirs[20] >> 4, theirs[20 + 3]), (version, 0));
        assert_eq!(theirs.len(), 28 + if version == 2 { 8 } else { 0 });
        // The same from 10.0.0.3: the address, and the sums that cover it.
        theirs[15] = 3;
        theirs[11] -= 1;
        if version == 3 {
            theirs[27] -= 1;
        }
        trace.hears(100, &theirs, &[]);
        assert_eq!(trace.node.routers()[0].adverts_received(), 1);
        let listed = packet(|advert| {
            advert.version = if version == 2 {
                Version::V2
            } else {
                Version::V3
            };
        });
        trace.hears(200, &listed, &[]);
        assert_eq!(trace.node.routers()[0].adverts_received(), 2);
        trace.skip(3900);
        trace.is(Role::Master);
    }
    // Who has addresses takes no list for an error.
    let mut trace = Trace::backup(&ini("address = 192.0.2.1"));
    let mut none = Trace::backup(&ini("excluded_address = 192.0.2.1"));
    let mut theirs = sent(&mut none, R);
    (theirs[15], theirs[11]) = (3, theirs[11] - 1);
    trace.hears(100, &theirs, &[]);
    assert_eq!(trace.discarded(Reject::Count), 1);
}

#[test]
fn an_interface_that_is_tracked_decides_or_weighs() {
    let with = |option: &str| {
        let more = format!("address = 192.0.2.1\ntrack = interface eth1 {option}");
        let mut trace = Trace::prepared(&ini(&more));
        trace.at(0, Event::Start, &[]);
        trace
    };
    let mut trace = with("");
    let reason = |trace: &Trace| trace.node.routers()[0].reason();
    assert_eq!(reason(&trace), Reason::InterfaceMissing(ETH1));
    let rescan = Action::RescanAddresses(ETH1);
    trace.at(100, Event::Link(ETH1, link(3, false)), &[rescan]);
    assert_eq!(reason(&trace), Reason::InterfaceDown(ETH1));
    trace.at(200, Event::Link(ETH1, link(3, true)), &[]);
    trace.is(Role::Backup);
    trace.skip(4000);
    trace.is(Role::Master);
    trace.at(4100, Event::Link(ETH1, link(3, false)), &RESIGNED);
    trace.is(Role::Fault);

    for (option, down, up) in [
        ("weight 20", 100, 120),
        ("weight -20", 80, 100),
        ("weight -20 reverse", 100, 80),
    ] {
        let mut trace = with(option);
        assert_eq!(trace.node.routers()[0].priority(), down, "{option}");
        trace.at(100, Event::Link(ETH1, link(3, true)), &[rescan]);
        assert_eq!(trace.node.routers()[0].priority(), up, "{option}");
        trace.is(Role::Backup);
    }
    let mut trace = with("reverse");
    trace.is(Role::Backup);
    trace.at(100, Event::Link(ETH1, link(3, true)), &[rescan]);
    assert_eq!(reason(&trace), Reason::InterfaceUp(ETH1));
}

// 14: many routers that take over, or renew, in one moment do it one a turn, so
// that the adverts of the others are never late by more than one's addresses.
#[test]
fn one_routers_addresses_are_set_in_a_turn() {
    let section = |n: u8| {
        format!(
            "[vrrp V{n}]\ninterface = eth0\nvirtual_router_id = {n}\naddress = 192.0.2.{n}\n\
             garp_master_repeat = 1\ngarp_master_delay = 0s\n"
        )
    };
    let text: String = (1..=32).map(section).collect();
    let mut trace = Trace::prepared(&text);
    trace.at(0, Event::Start, &[]);
    let (mut turns, mut adverts) = (0, 0);
    while let (now, _) = trace.node.poll_at()
        && now < Instant::from_millis(6900)
    {
        trace.node.process(now, Event::Poll, &mut trace.actions);
        let set = |action: &&Action| matches!(action, Action::SetAddresses(_));
        let sets = trace.actions.iter().filter(set).count();
        assert!(sets <= 1, "{sets} at {now}");
        turns += sets;
        let sent = |action: &&Action| matches!(action, Action::SendAdvert(..));
        adverts += trace.actions.iter().filter(sent).count();
    }
    // Taken over at 3.6 s; at 4.6, 5.6 and 6.6 s an advert and a renewal.
    assert_eq!((turns, adverts), (4 * 32, 4 * 32));
}

// 5, 69: an id belongs to an interface and a family.
#[test]
fn n69_one_id_in_both_families_and_on_two_interfaces() {
    let text = "
[vrrp A4]
interface = eth0
virtual_router_id = 51
address = 192.0.2.1
[vrrp A6]
interface = eth0
virtual_router_id = 51
address = 2001:db8::1
[vrrp B4]
interface = eth1
virtual_router_id = 51
address = 192.0.2.9
[vrrp C4]
interface = eth0
virtual_router_id = 52
address = 192.0.2.2
";
    let mut trace = Trace::prepared(text);
    trace.at(0, Event::AddressAdded(ETH0, local("fe80::2", 64)), &[]);
    trace.at(
        0,
        Event::Link(ETH1, link(3, true)),
        &[Action::RescanAddresses(ETH1)],
    );
    trace.at(0, Event::AddressAdded(ETH1, local("10.0.1.2", 24)), &[]);
    trace.at(0, Event::AddressesScanned(ETH1), &[]);
    trace.at(0, Event::Start, &[]);
    let heard = |trace: &Trace| -> Vec<u64> {
        let routers = trace.node.routers().iter();
        routers.map(Router::adverts_received).collect()
    };
    assert_eq!(heard(&trace), [0, 0, 0, 0]);
    trace.hears(10, &packet(|_| {}), &[]);
    assert_eq!(heard(&trace), [1, 0, 0, 0]);
    trace.at(20, Event::Packet(ETH1, Family::Ipv4, &packet(|_| {})), &[]);
    assert_eq!(heard(&trace), [1, 0, 1, 0]);
    trace.hears(30, &packet(|advert| advert.virtual_router_id = 52), &[]);
    assert_eq!(heard(&trace), [1, 0, 1, 1]);
    let advert = Advert {
        version: Version::V3,
        source: "fe80::3".parse().unwrap(),
        destination: wire::group(Family::Ipv6),
        virtual_router_id: 51,
        priority: 100,
        interval: Duration::from_secs(1),
        auth: Auth::None,
        checksum: Checksum::Pseudo,
        signature: None,
        ip_id: 1,
    };
    let mut buffer = [0; 128];
    let mut addresses = core::iter::once("2001:db8::1".parse::<IpAddr>().unwrap());
    let length = wire::emit_advert(&advert, &mut addresses, &mut buffer).unwrap();
    trace.at(
        40,
        Event::Packet(ETH0, Family::Ipv6, &buffer[..length]),
        &[],
    );
    assert_eq!(heard(&trace), [1, 1, 1, 1]);
}

// 61: a link-local address that another host has is none to send from, and the
// reason says so; a master that learns it lets go.
#[test]
fn n61_a_duplicate_link_local_address_is_a_fault() {
    let text = "
[vrrp VI_6]
interface = eth0
virtual_router_id = 6
address = fe80::1
garp_master_repeat = 1
garp_master_delay = 0s
lease = off
";
    let mut trace = Trace::prepared(text);
    let own = local("fe80::2", 64);
    let tentative = LocalAddress {
        usable: false,
        ..own
    };
    let duplicate = LocalAddress {
        duplicate: true,
        ..tentative
    };
    let reason = |trace: &Trace| trace.node.routers()[0].reason();
    trace.at(0, Event::AddressAdded(ETH0, tentative), &[]);
    trace.at(0, Event::Start, &[]);
    assert_eq!(reason(&trace), Reason::NoSourceAddress(ETH0));
    trace.at(1000, Event::AddressAdded(ETH0, duplicate), &[]);
    assert_eq!(reason(&trace), Reason::DuplicateAddress(ETH0));
    // Removed, and there again, alone on its link.
    trace.at(2000, Event::AddressRemoved(ETH0, duplicate), &[]);
    assert_eq!(reason(&trace), Reason::NoSourceAddress(ETH0));
    trace.at(2000, Event::AddressAdded(ETH0, own), &[]);
    trace.is(Role::Backup);
    trace.skip(6000);
    trace.is(Role::Master);
    trace.at(7000, Event::AddressAdded(ETH0, duplicate), &RESIGNED);
    assert_eq!(reason(&trace), Reason::DuplicateAddress(ETH0));
    // 63: another one will do, but never the router's own.
    trace.at(7100, Event::AddressAdded(ETH0, local("fe80::1", 128)), &[]);
    trace.is(Role::Fault);
    trace.at(7200, Event::AddressAdded(ETH0, local("fe80::9", 64)), &[]);
    trace.is(Role::Backup);
}
