//! The node's composition as traces: what comes in from outside, what it asks
//! for. Numbers are those of the protocol checklist (PROTOCOL, section B.3).
//!
//! Times are milliseconds. Our node has 10.0.0.2 on eth0 and the router VI_1
//! with id 51, priority 100 and the address 192.0.2.1.

mod diagnoses;
mod hop_limit;
mod neighbours;

use core::net::IpAddr;
use std::boxed::Box;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::config::{self, Limits, Source};
use crate::event::{CheckResult, Errno, Outcome};
use crate::protocol::{Checksum, Family, Version};
use crate::vrrp::Readiness;
use crate::wire::{self, Advert, Auth};

pub(super) const R: RouterId = RouterId(0);
pub(super) const CHECK: CheckId = CheckId(0);
pub(super) const ETH0: InterfaceId = InterfaceId(0);
const SET: Action = Action::SetAddresses(R);
pub(super) const REMOVE: Action = Action::RemoveAddresses(R);
const ANNOUNCE: Action = Action::Announce(R);
pub(super) const RESCAN: Action = Action::RescanAddresses(ETH0);
pub(super) const RESIGNED: [Action; 3] =
    [REMOVE, Action::SendAdvert(R, 0), Action::SendAdvert(R, 0)];

pub(super) const PAIR: &str = "
[vrrp VI_1]
interface = eth0
virtual_router_id = 51
priority = 100
address = 192.0.2.1
garp_master_repeat = 1
garp_master_delay = 0s
lease = off
";

pub(super) fn took_over(priority: u8) -> [Action; 3] {
    [SET, Action::SendAdvert(R, priority), ANNOUNCE]
}

pub(super) fn link(index: u32, up: bool) -> Option<Link> {
    Some(Link {
        index,
        up,
        mac: [2, 0, 0, 0, 0, 2],
        mtu: 1500,
    })
}

pub(super) fn local(text: &str, prefix_len: u8) -> LocalAddress {
    let address = text.parse().unwrap();
    LocalAddress {
        address,
        prefix_len,
        usable: true,
        duplicate: false,
        secondary: false,
        ours: false,
    }
}

pub(super) struct Trace {
    pub node: Node<'static>,
    pub actions: Actions,
}

impl Trace {
    /// A node of this text whose interface is there; not started.
    pub fn prepared(text: &str) -> Trace {
        let text: &'static str = Box::leak(String::from(text).into_boxed_str());
        let config = Box::leak(Box::new(Config::EMPTY));
        let source = Source {
            file: "test.ini",
            text: text.as_bytes(),
            others_can_read: false,
        };
        let outcome = config::parse(&source, &Limits::BOARD, config, &mut |d| panic!("{d}"));
        assert_eq!(outcome.errors, 0);
        let node = Node::new(config, Instant::ZERO, 7);
        let mut trace = Trace {
            node,
            actions: Actions::new(),
        };
        trace.at(0, Event::Link(ETH0, link(2, true)), &[RESCAN]);
        trace.at(0, Event::AddressAdded(ETH0, local("10.0.0.2", 24)), &[]);
        trace.at(0, Event::AddressesScanned(ETH0), &[]);
        trace
    }

    /// The same, started at 0 as Backup.
    pub fn backup(text: &str) -> Trace {
        let mut trace = Trace::prepared(text);
        trace.at(0, Event::Start, &[]);
        trace.is(Role::Backup);
        trace
    }

    /// The same, after nobody answered; at 4000 it has been Master for a while.
    pub fn master(text: &str) -> Trace {
        let mut trace = Trace::backup(text);
        trace.skip(4000);
        trace.is(Role::Master);
        trace
    }

    pub fn at(&mut self, ms: i64, event: Event<'_>, want: &[Action]) {
        self.node
            .process(Instant::from_millis(ms), event, &mut self.actions);
        assert_eq!(*self.actions, *want, "at {ms} ms");
    }

    /// Polls whatever is due up to this moment and returns what was done.
    pub fn skip(&mut self, until: i64) -> Vec<Action> {
        let mut done = Vec::new();
        while let (at, _) = self.node.poll_at()
            && at <= Instant::from_millis(until)
        {
            self.node.process(at, Event::Poll, &mut self.actions);
            done.extend_from_slice(&self.actions);
            assert!(self.node.poll_at().0 > at, "it does not move on");
        }
        done
    }

    pub fn hears(&mut self, ms: i64, packet: &[u8], want: &[Action]) {
        self.at(ms, Event::Packet(ETH0, Family::Ipv4, packet), want);
    }

    pub fn checked(&mut self, ms: i64, outcome: Outcome, want: &[Action]) {
        self.skip(ms);
        let result = CheckResult {
            outcome,
            detail: "told",
        };
        self.at(ms, Event::CheckEnded(CHECK, result), want);
    }

    pub fn is(&self, role: Role) {
        assert_eq!(self.node.routers()[0].role(), role);
    }

    pub fn discarded(&self, reject: Reject) -> u32 {
        self.node.discarded(R)[reject as usize]
    }
}

/// An advert of 10.0.0.3, as a packet.
pub(super) fn packet(change: impl FnOnce(&mut Advert)) -> Vec<u8> {
    let mut advert = Advert {
        version: Version::V2,
        source: IpAddr::from([10, 0, 0, 3]),
        destination: wire::group(Family::Ipv4),
        virtual_router_id: 51,
        priority: 100,
        interval: Duration::from_secs(1),
        auth: Auth::None,
        checksum: Checksum::Pseudo,
        signature: None,
        ip_id: 1,
    };
    change(&mut advert);
    let mut buffer = [0; 128];
    let mut addresses = core::iter::once(IpAddr::from([192, 0, 2, 1]));
    let length = wire::emit_advert(&advert, &mut addresses, &mut buffer).unwrap();
    buffer[..length].to_vec()
}

// ---- Reception

// 1 to 21: whatever is discarded moves no timer, and its reason counts.
#[test]
fn what_is_discarded_changes_nothing_but_its_counter() {
    let mut trace = Trace::backup(PAIR);
    let due = trace.node.poll_at();
    let mut ttl = packet(|_| {});
    // TTL 254, and the header's checksum with it.
    ttl[8] = 254;
    let sum = u16::from_be_bytes([ttl[10], ttl[11]]) + 0x100;
    ttl[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut checksum = packet(|_| {});
    checksum[26] ^= 1;
    let cases = [
        (ttl, Reject::Ttl),
        (
            packet(|advert| advert.version = Version::V3),
            Reject::Version,
        ),
        (checksum, Reject::Checksum),
        (packet(|advert| advert.virtual_router_id = 52), Reject::Vrid),
        (
            packet(|advert| advert.auth = Auth::Simple(*b"wimark12")),
            Reject::AuthType,
        ),
        (
            packet(|advert| advert.interval = Duration::from_secs(2)),
            Reject::Interval,
        ),
        (
            packet(|advert| advert.source = IpAddr::from([10, 0, 0, 2])),
            Reject::Own,
        ),
    ];
    for (packet, reject) in cases {
        trace.hears(100, &packet, &[]);
        assert_eq!(trace.discarded(reject), 1, "{}", reject.name());
        assert_eq!(trace.node.poll_at(), due, "{}", reject.name());
    }
    let all: u32 = trace.node.discarded(R).iter().sum();
    assert_eq!(all, 7);
    trace.hears(200, &packet(|_| {}), &[]);
    assert_ne!(trace.node.poll_at(), due);
}

// 9: the password is compared, all eight bytes of it.
#[test]
fn n9_a_wrong_password_is_discarded() {
    let mut trace = Trace::backup(&format!("{PAIR}auth_pass = wimark12\n"));
    trace.hears(
        100,
        &packet(|advert| advert.auth = Auth::Simple(*b"wimark13")),
        &[],
    );
    assert_eq!(trace.discarded(Reject::AuthData), 1);
    trace.hears(200, &packet(|_| {}), &[]);
    assert_eq!(trace.discarded(Reject::AuthType), 1);
    trace.hears(
        300,
        &packet(|advert| advert.auth = Auth::Simple(*b"wimark12")),
        &[],
    );
    assert_eq!(trace.node.routers()[0].adverts_received(), 1);
}

// 13: another address list is accepted.
#[test]
fn n13_another_address_list_is_no_reason_to_have_two_masters() {
    let mut trace = Trace::backup(&PAIR.replace("192.0.2.1", "192.0.2.99"));
    trace.hears(100, &packet(|_| {}), &[]);
    assert_eq!(trace.node.routers()[0].adverts_received(), 1);
}

// 18: our own packets, heard back on whatever interface, are ignored.
#[test]
fn n18_own_packets_are_ignored() {
    let mut trace = Trace::master(PAIR);
    let mut buffer = [0; wire::PACKET_MAX];
    let length = trace
        .node
        .emit_advert(R, 100, 0, &mut buffer)
        .unwrap()
        .length;
    trace.hears(4100, &buffer[..length], &[]);
    assert_eq!(trace.discarded(Reject::Own), 1);
    trace.is(Role::Master);
}

// ---- Transmission

// 51, 53, 62, 63: from the interface's own address, with our priority, interval
// and addresses, the link-local one first.
#[test]
fn n51_n53_what_is_sent() {
    let text = "
[vrrp VI_6]
interface = eth0
virtual_router_id = 6
priority = 150
address = 2001:db8::1/64
address = fe80::1
";
    let mut trace = Trace::prepared(text);
    trace.at(0, Event::Start, &[]);
    assert_eq!(
        trace.node.routers()[0].reason(),
        Reason::NoSourceAddress(ETH0)
    );
    let mut buffer = [0; wire::PACKET_MAX];
    assert_eq!(trace.node.emit_advert(R, 150, 0, &mut buffer), None);
    // The virtual link-local address is never the source, nor a tentative one.
    trace.at(10, Event::AddressAdded(ETH0, local("fe80::1", 128)), &[]);
    let tentative = LocalAddress {
        usable: false,
        ..local("fe80::2", 64)
    };
    trace.at(11, Event::AddressAdded(ETH0, tentative), &[]);
    trace.is(Role::Fault);
    trace.at(12, Event::AddressAdded(ETH0, local("fe80::2", 64)), &[]);
    trace.is(Role::Backup);

    let length = trace
        .node
        .emit_advert(R, 150, 0, &mut buffer)
        .unwrap()
        .length;
    let find = |_, _| {
        Some(wire::Expectation {
            version: Version::V3,
            auth: Auth::None,
            interval: Duration::from_secs(1),
            no_addresses: false,
            delivery: wire::Delivery::Group,
            hmac: None,
        })
    };
    let verdict = wire::judge(Family::Ipv6, &buffer[..length], &|_| false, &find);
    let wire::Verdict::Accept(received) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(received.source, "fe80::2".parse::<IpAddr>().unwrap());
    assert_eq!((received.virtual_router_id, received.priority), (6, 150));
    assert_eq!(received.interval, Duration::from_secs(1));
    let addresses: Vec<IpAddr> = received.addresses.iter().collect();
    let want = ["fe80::1", "2001:db8::1"].map(|text| text.parse::<IpAddr>().unwrap());
    assert_eq!(addresses, want);
}

// 51: the source stands while it is there, and another is chosen when it goes.
#[test]
fn n51_the_source_changes_only_when_it_must() {
    let mut trace = Trace::master(PAIR);
    trace.at(4100, Event::AddressAdded(ETH0, local("10.0.0.9", 24)), &[]);
    assert_eq!(
        trace.node.routers()[0].source(),
        Some(IpAddr::from([10, 0, 0, 2]))
    );
    trace.at(
        4200,
        Event::AddressRemoved(ETH0, local("10.0.0.2", 24)),
        &[RESCAN],
    );
    trace.is(Role::Master);
    trace.at(4200, Event::AddressAdded(ETH0, local("192.0.2.1", 32)), &[]);
    trace.at(4200, Event::AddressAdded(ETH0, local("10.0.0.9", 24)), &[]);
    trace.at(4200, Event::AddressesScanned(ETH0), &[]);
    assert_eq!(
        trace.node.routers()[0].source(),
        Some(IpAddr::from([10, 0, 0, 9]))
    );
    trace.is(Role::Master);
    // With the last one gone there is nothing to send from.
    trace.at(
        4300,
        Event::AddressRemoved(ETH0, local("10.0.0.9", 24)),
        &[RESCAN],
    );
    trace.at(4300, Event::AddressesScanned(ETH0), &RESIGNED);
    trace.is(Role::Fault);
}

// ---- Checks

const CHECKED: &str = "
[vrrp VI_1]
interface = eth0
virtual_router_id = 51
priority = 100
address = 192.0.2.1
garp_master_repeat = 1
garp_master_delay = 0s
lease = off
track = haproxy WEIGHT

[check haproxy]
process = haproxy
interval = 2s
";

fn checked(weight: &str) -> Trace {
    let mut trace = Trace::prepared(&CHECKED.replace("WEIGHT", weight));
    trace.at(0, Event::Start, &[Action::StartCheck(CHECK)]);
    trace
}

// A positive weight counts while the check succeeds, a negative one while it
// fails; without a result nothing is taken away.
#[test]
fn weights_move_the_priority() {
    let steps = [Outcome::Failure, Outcome::Success, Outcome::Failure];
    let cases = [
        ("weight 2", 102, [100, 102, 100]),
        ("weight -50", 100, [50, 100, 50]),
        ("weight -253", 100, [1, 100, 1]),
        ("weight 253", 254, [100, 254, 100]),
        ("weight 2 reverse", 102, [102, 100, 102]),
    ];
    for (weight, at_first, want) in cases {
        let mut trace = checked(weight);
        trace.is(Role::Backup);
        assert_eq!(trace.node.routers()[0].priority(), at_first, "{weight}");
        for (step, (outcome, want)) in (0..).zip(steps.into_iter().zip(want)) {
            trace.checked(2000 * step + 100, outcome, &[]);
            assert_eq!(trace.node.routers()[0].priority(), want, "{weight}");
        }
    }
}

// Weight 0: INIT until the first result, FAULT while it fails.
#[test]
fn an_unweighted_check_decides_whether_the_router_runs() {
    let mut trace = checked("");
    trace.is(Role::Initialize);
    assert_eq!(
        trace.node.routers()[0].reason(),
        Reason::CheckPending(CHECK)
    );
    trace.checked(100, Outcome::Success, &[]);
    trace.is(Role::Backup);
    trace.checked(2100, Outcome::Success, &[]);
    trace.skip(3800);
    trace.is(Role::Master);
    trace.checked(4100, Outcome::Failure, &RESIGNED);
    trace.is(Role::Fault);
    assert_eq!(trace.node.routers()[0].reason(), Reason::CheckFailed(CHECK));
    trace.checked(6100, Outcome::Success, &[]);
    trace.is(Role::Backup);
}

// The OpenUDS pair: 101 without haproxy is less than 100 with it.
#[test]
fn a_pair_of_101_and_100_changes_over_by_a_weight_of_2() {
    let mut trace = checked("weight 2");
    let theirs = packet(|advert| advert.priority = 101);
    trace.checked(100, Outcome::Success, &[]);
    for second in 1..4 {
        trace.hears(1000 * second, &theirs, &[]);
    }
    trace.is(Role::Backup);
    let done = trace.skip(4000);
    assert_eq!(done[..2], [Action::StartCheck(CHECK), SET]);
    let from = IpAddr::from([10, 0, 0, 3]);
    assert_eq!(
        trace.node.routers()[0].reason(),
        Reason::Preemption(from, 101)
    );
}

// ---- Addresses and interfaces

// Rule 2: only our own leftovers are removed, and only what no router holds.
#[test]
fn leftovers_of_an_earlier_run_are_removed() {
    let mut trace = Trace::prepared(PAIR);
    let leftover = LocalAddress {
        ours: true,
        ..local("192.0.2.1", 32)
    };
    let old = LocalAddress {
        ours: true,
        ..local("192.0.2.77", 24)
    };
    for local in [leftover, old] {
        trace.at(
            0,
            Event::AddressAdded(ETH0, local),
            &[Action::RemoveLeftover(ETH0, local)],
        );
    }
    trace.at(0, Event::AddressAdded(ETH0, local("192.0.2.50", 24)), &[]);
    trace.at(0, Event::Start, &[]);
    trace.skip(4000);
    trace.is(Role::Master);
    // Our own doing comes back as news of the kernel; another smena's addresses
    // on the same interface are its own matter.
    trace.at(4000, Event::AddressAdded(ETH0, leftover), &[]);
    trace.at(4000, Event::AddressAdded(ETH0, old), &[]);
}

// Rule 3.
#[test]
fn an_address_that_somebody_removes_is_put_back() {
    let mut trace = Trace::master(PAIR);
    trace.at(
        4100,
        Event::AddressRemoved(ETH0, local("192.0.2.1", 32)),
        &[SET],
    );
    assert_eq!(trace.skip(4130), [ANNOUNCE]);
    // Somebody else's address on the interface is not our matter.
    trace.at(
        4200,
        Event::AddressRemoved(ETH0, local("192.0.2.1", 24)),
        &[],
    );
    trace.at(
        4200,
        Event::AddressRemoved(ETH0, local("192.0.2.2", 32)),
        &[],
    );
}

#[test]
fn an_interface_goes_down_up_away_and_comes_back_as_another() {
    let mut trace = Trace::master(PAIR);
    trace.at(4100, Event::Link(ETH0, link(2, false)), &RESIGNED);
    assert_eq!(
        trace.node.routers()[0].reason(),
        Reason::InterfaceDown(ETH0)
    );
    trace.at(4200, Event::Link(ETH0, link(2, true)), &[]);
    trace.is(Role::Backup);
    trace.at(4300, Event::Link(ETH0, None), &[]);
    assert_eq!(
        trace.node.routers()[0].reason(),
        Reason::InterfaceMissing(ETH0)
    );
    trace.at(4400, Event::Link(ETH0, link(9, true)), &[RESCAN]);
    trace.at(4400, Event::AddressesScanned(ETH0), &[]);
    assert_eq!(
        trace.node.routers()[0].reason(),
        Reason::NoSourceAddress(ETH0)
    );
    trace.at(4500, Event::AddressAdded(ETH0, local("10.0.0.2", 24)), &[]);
    trace.is(Role::Backup);
    trace.skip(9000);
    trace.is(Role::Master);
}

#[test]
fn an_address_on_another_interface_needs_that_one_too() {
    let text = PAIR.replace("192.0.2.1", "192.0.2.1 dev eth1");
    let mut trace = Trace::prepared(&text);
    let eth1 = InterfaceId(1);
    assert_eq!(trace.node.interfaces()[1].name, "eth1");
    trace.at(0, Event::Start, &[]);
    assert_eq!(
        trace.node.routers()[0].reason(),
        Reason::InterfaceMissing(eth1)
    );
    trace.at(
        10,
        Event::Link(eth1, link(3, true)),
        &[Action::RescanAddresses(eth1)],
    );
    trace.at(10, Event::AddressesScanned(eth1), &[]);
    trace.is(Role::Backup);
    assert_eq!(trace.node.carrier_of(R, 0), eth1);
}

#[test]
fn refused_addresses_are_a_fault() {
    let mut trace = Trace::master(PAIR);
    trace.at(4100, Event::AddressesRefused(R, Errno(13)), &RESIGNED);
    trace.is(Role::Fault);
}

// Rule 7, with whatever event comes first after the sleep.
#[test]
fn a_stalled_master_lets_go_before_it_handles_an_event() {
    let mut trace = Trace::master(PAIR);
    trace.hears(20_000, &packet(|advert| advert.priority = 1), &[REMOVE]);
    trace.is(Role::Backup);
    let mut trace = Trace::master(PAIR);
    trace.at(20_000, Event::Poll, &[REMOVE]);
    let mut trace = Trace::master(PAIR);
    trace.at(4001, Event::Suspended(Duration::from_secs(60)), &[REMOVE]);
}

// ---- The end

#[test]
fn a_backup_without_a_hook_finishes_at_once() {
    let mut trace = Trace::backup(PAIR);
    trace.at(100, Event::Stop, &[Action::Finish]);
    trace.at(200, Event::Poll, &[]);
}

#[test]
fn nothing_to_do_means_a_deadline_far_away() {
    let mut trace = Trace::prepared(PAIR);
    trace.at(0, Event::Link(ETH0, None), &[]);
    trace.at(0, Event::Start, &[]);
    assert_eq!(trace.node.poll_at().1, Wake::Nobody);
    assert!(matches!(trace.node.readiness(R), Readiness::Unable(_)));
}

// Two requests for the addresses may be under way at once, after an interface
// was made anew twice in a row; the second answer takes nothing back.
#[test]
fn two_answers_of_a_rescan_leave_the_source() {
    let mut trace = Trace::backup(PAIR);
    trace.at(100, Event::Link(ETH0, link(3, true)), &[RESCAN]);
    trace.at(100, Event::Link(ETH0, link(4, true)), &[RESCAN]);
    for at in [200, 300] {
        trace.at(at, Event::AddressAdded(ETH0, local("10.0.0.2", 24)), &[]);
        trace.at(at, Event::AddressesScanned(ETH0), &[]);
        trace.is(Role::Backup);
    }
}

// 51: the source is the one that adverts have come from, as long as it is there,
// whichever address a scan tells first; and never one that went meanwhile.
#[test]
fn a_scan_keeps_the_source_that_is_still_there() {
    let source = |trace: &Trace| trace.node.routers()[0].source();
    let first = IpAddr::from([10, 0, 0, 2]);
    let mut trace = Trace::backup(PAIR);
    trace.at(100, Event::AddressAdded(ETH0, local("10.0.0.1", 24)), &[]);
    trace.at(
        100,
        Event::AddressRemoved(ETH0, local("10.0.0.2", 24)),
        &[RESCAN],
    );
    for address in ["10.0.0.1", "10.0.0.2"] {
        trace.at(200, Event::AddressAdded(ETH0, local(address, 24)), &[]);
    }
    trace.at(200, Event::AddressesScanned(ETH0), &[]);
    assert_eq!(source(&trace), Some(first));

    trace.at(
        300,
        Event::AddressRemoved(ETH0, local("10.0.0.2", 24)),
        &[RESCAN],
    );
    trace.at(400, Event::AddressAdded(ETH0, local("10.0.0.1", 24)), &[]);
    trace.at(
        400,
        Event::AddressRemoved(ETH0, local("10.0.0.1", 24)),
        &[RESCAN],
    );
    trace.at(400, Event::AddressesScanned(ETH0), &[]);
    assert_eq!(source(&trace), None);
}

/// Checks of one interval spread over half of it, in groups, as the seed has it:
/// programs over more moments than connections, and those that look for processes
/// share one look.
#[test]
fn many_checks_do_not_run_in_one_instant() {
    spread_over("exec = /bin/true", !0, 8..=16);
    spread_over("tcp = 127.0.0.1:80", !3, 3..=4);
    spread_over("process = nginx", 0, 1..=1);
}

fn spread_over(kind: &str, moments_of: u8, expected: core::ops::RangeInclusive<usize>) {
    let mut text = String::from(PAIR);
    for number in 0..64 {
        // A router has room for so many.
        if number % 16 == 0 && number > 0 {
            text += &format!(
                "[vrrp V{number}]\ninterface = eth0\nvirtual_router_id = {}\n\
                 address = 192.0.2.{}\n",
                100 + number,
                100 + number
            );
        }
        text += &format!("track = c{number} weight 1\n");
    }
    for number in 0..64 {
        text += &format!("[check c{number}]\n{kind}\n");
    }
    let mut trace = Trace::prepared(&text);
    let mut starts = Vec::new();
    let (mut at, mut event) = (Instant::ZERO, Event::Start);
    while at < Instant::from_millis(2500) {
        trace.node.process(at, event, &mut trace.actions);
        let begun: Vec<Action> = trace.actions.iter().copied().collect();
        for action in begun {
            let Action::StartCheck(id) = action else {
                continue;
            };
            starts.push((id.0, at.total_millis()));
            let result = CheckResult {
                outcome: Outcome::Success,
                detail: "told",
            };
            trace
                .node
                .process(at, Event::CheckEnded(id, result), &mut trace.actions);
        }
        (at, event) = (trace.node.poll_at().0, Event::Poll);
    }
    for id in 0..64 {
        let mine = starts.iter().filter(|(of, _)| *of == id);
        let mine: Vec<i64> = mine.map(|(_, at)| *at).collect();
        assert_eq!(mine[0], i64::from((id % 16) & moments_of), "{id}: {mine:?}");
        assert!((500..=1016).contains(&mine[1]), "{id}: {mine:?}");
        assert_eq!(mine[2] - mine[1], 1000, "{id}: {mine:?}");
    }
    let mut moments: Vec<i64> = starts
        .iter()
        .map(|(_, at)| *at)
        .filter(|at| *at > 100)
        .collect();
    moments.sort_unstable();
    moments.dedup();
    let seconds = moments.iter().filter(|at| **at < 1100).count();
    assert!(expected.contains(&seconds), "{kind}: {moments:?}");
}
