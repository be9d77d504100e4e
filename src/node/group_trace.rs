//! Groups as traces: two routers on two interfaces that move together
//! (PROTOCOL A.3, sync groups).
//!
//! Times are milliseconds. IN is router 0 on eth0, OUT router 1 on eth1; both
//! have priority 100 unless a trace says otherwise.

use core::net::IpAddr;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::trace::{ETH0, Trace, link, local, packet};
use super::*;
use crate::event::{HookCall, HookState};
use crate::protocol::Family;

const IN: RouterId = RouterId(0);
const OUT: RouterId = RouterId(1);
const ETH1: InterfaceId = InterfaceId(1);

fn ini(inside: &str, outside: &str) -> String {
    let section = |name: &str, interface: &str, id: u8, more: &str| {
        format!(
            "[vrrp {name}]\ninterface = {interface}\nvirtual_router_id = {id}\n\
             address = 192.0.2.{id}\ngarp_master_repeat = 1\ngarp_master_delay = 0s\n\
             lease = off\ngroup = gateway\n{more}\n"
        )
    };
    section("IN", "eth0", 1, inside) + &section("OUT", "eth1", 2, outside)
}

/// Both interfaces are there; started at 0.
fn started(inside: &str, outside: &str) -> Trace {
    started_with(&ini(inside, outside), &[])
}

fn started_with(text: &str, want: &[Action]) -> Trace {
    let mut trace = Trace::prepared(text);
    trace.at(
        0,
        Event::Link(ETH1, link(3, true)),
        &[Action::RescanAddresses(ETH1)],
    );
    trace.at(0, Event::AddressAdded(ETH1, local("10.0.1.2", 24)), &[]);
    trace.at(0, Event::AddressesScanned(ETH1), &[]);
    trace.at(0, Event::Start, want);
    trace
}

/// The same, after nobody answered.
fn master(inside: &str, outside: &str) -> Trace {
    let mut trace = started(inside, outside);
    trace.skip(4000);
    are(&trace, Role::Master, HookState::Master);
    trace
}

/// Both routers are this, and so is the group.
#[track_caller]
fn are(trace: &Trace, role: Role, group: HookState) {
    let roles: Vec<Role> = trace.node.routers().iter().map(Router::role).collect();
    assert_eq!(roles, [role, role]);
    assert_eq!(trace.node.groups()[0].state(), Some(group));
}

fn hears(trace: &mut Trace, ms: i64, router: RouterId, priority: u8, want: &[Action]) {
    let interface = trace.node.interface_of(router);
    let packet = packet(|advert| {
        advert.virtual_router_id = router.0 + 1;
        advert.priority = priority;
    });
    trace.at(ms, Event::Packet(interface, Family::Ipv4, &packet), want);
}

fn took_over(router: RouterId) -> [Action; 3] {
    [
        Action::SetAddresses(router),
        Action::SendAdvert(router, 100),
        Action::Announce(router),
    ]
}

fn resigned(router: RouterId) -> [Action; 3] {
    let advert0 = Action::SendAdvert(router, 0);
    [Action::RemoveAddresses(router), advert0, advert0]
}

fn both(of: impl Fn(RouterId) -> [Action; 3]) -> Vec<Action> {
    [of(IN), of(OUT)].concat()
}

#[test]
fn a_group_takes_over_in_one_moment() {
    let mut trace = started("", "priority = 50");
    are(&trace, Role::Backup, HookState::Backup);
    // IN would at 3.609 s; OUT, with priority 50, waits until 3.804 s.
    assert_eq!(trace.skip(3800), []);
    assert!(trace.node.routers()[0].willing());
    let done = trace.skip(3805);
    let mut want = both(took_over);
    want[4] = Action::SendAdvert(OUT, 50);
    assert_eq!(done, want);
    are(&trace, Role::Master, HookState::Master);
}

#[test]
fn a_master_on_one_side_keeps_the_group_backup() {
    let mut trace = started("", "");
    for second in 1..=20 {
        assert_eq!(trace.skip(1000 * second), []);
        hears(&mut trace, 1000 * second, OUT, 200, &[]);
    }
    are(&trace, Role::Backup, HookState::Backup);
    assert!(trace.node.routers()[0].willing());
    // The master is heard on both sides again; then it leaves one of them.
    hears(&mut trace, 20_100, IN, 200, &[]);
    assert!(!trace.node.routers()[0].willing());
    hears(&mut trace, 20_200, IN, 0, &[]);
    trace.skip(21_000);
    are(&trace, Role::Backup, HookState::Backup);
    // And the other: the group follows at its skew.
    hears(&mut trace, 21_100, OUT, 0, &[]);
    assert_eq!(trace.skip(21_709), []);
    assert_eq!(trace.skip(21_710), both(took_over));
}

#[test]
fn one_that_yields_takes_the_group_along() {
    let mut trace = master("", "");
    let mut want = Vec::from([Action::SendAdvert(IN, 100), Action::RemoveAddresses(IN)]);
    want.extend(resigned(OUT));
    hears(&mut trace, 4100, IN, 200, &want);
    are(&trace, Role::Backup, HookState::Backup);
    assert_eq!(trace.node.routers()[1].reason(), Reason::GroupYields(IN));
    // OUT's side is silent, IN's is not: the group stays.
    for second in 5..=12 {
        trace.skip(1000 * second);
        hears(&mut trace, 1000 * second, IN, 200, &[]);
    }
    are(&trace, Role::Backup, HookState::Backup);
}

// Of two groups that each have the higher address on one side, the one that
// loses on the side of the lowest id lets the other go first.
#[test]
fn a_tie_on_the_decisive_side_stands_back() {
    for (side, waits) in [(IN, 4_609), (OUT, 3_609)] {
        let mut trace = master("", "");
        let interface = trace.node.interface_of(side);
        let theirs = packet(|advert| {
            advert.virtual_router_id = side.0 + 1;
            advert.source = IpAddr::from([10, 0, 9, 9]);
        });
        let event = Event::Packet(interface, Family::Ipv4, &theirs);
        let now = Instant::from_millis(4100);
        trace.node.process(now, event, &mut trace.actions);
        are(&trace, Role::Backup, HookState::Backup);
        assert_eq!(trace.skip(4100 + waits), []);
        trace.skip(4101 + waits);
        are(&trace, Role::Master, HookState::Master);
    }
}

#[test]
fn one_fault_is_everybodys() {
    let mut trace = master("", "");
    let want = both(resigned);
    let want = [&want[3..], &want[..3]].concat();
    trace.at(4100, Event::Link(ETH1, link(3, false)), &want);
    are(&trace, Role::Fault, HookState::Fault);
    let reason = trace.node.routers()[0].reason();
    assert_eq!(reason, Reason::HeldByGroup(OUT));
    let text = format!("{}", reason.display(trace.node.config(), &trace.node));
    assert_eq!(text, "router OUT of its group cannot run");
    // Both fail, one is mended, then the other.
    trace.at(4200, Event::Link(ETH0, link(2, false)), &[]);
    trace.at(4300, Event::Link(ETH1, link(3, true)), &[]);
    are(&trace, Role::Fault, HookState::Fault);
    trace.at(4400, Event::Link(ETH0, link(2, true)), &[]);
    are(&trace, Role::Backup, HookState::Backup);
    assert_eq!(trace.skip(8010), both(took_over));
}

#[test]
fn addresses_that_one_is_refused_are_everybodys_fault() {
    let mut trace = master("", "");
    let want = both(resigned);
    trace.at(
        4100,
        Event::AddressesRefused(IN, crate::event::Errno(13)),
        &want,
    );
    are(&trace, Role::Fault, HookState::Fault);
    trace.skip(14_100);
    are(&trace, Role::Backup, HookState::Backup);
}

#[test]
fn one_that_waits_holds_the_group() {
    let mut trace = started("startup_delay = 5s", "");
    let roles: Vec<Role> = trace.node.routers().iter().map(Router::role).collect();
    assert_eq!(roles, [Role::Initialize, Role::Initialize]);
    assert_eq!(trace.node.groups()[0].state(), None);
    trace.skip(5000);
    are(&trace, Role::Backup, HookState::Backup);
}

// 36: an owner waits for its group only.
#[test]
fn n36_an_owner_waits_for_its_group() {
    let mut trace = started("priority = 255", "");
    are(&trace, Role::Backup, HookState::Backup);
    assert_eq!(trace.skip(3609), []);
    trace.skip(3610);
    are(&trace, Role::Master, HookState::Master);
    assert_eq!(trace.node.routers()[0].reason(), Reason::Owner);

    let mut trace =
        Trace::prepared(&ini("priority = 255", "priority = 255").replace("eth1", "eth0"));
    let want = both(took_over).into_iter().map(|action| match action {
        Action::SendAdvert(router, _) => Action::SendAdvert(router, 255),
        other => other,
    });
    let want: Vec<Action> = want.collect();
    trace.at(0, Event::Start, &want);
    are(&trace, Role::Master, HookState::Master);
}

// What one tracks counts for all.
#[test]
fn weights_act_on_every_member() {
    let more = "track = haproxy weight -30";
    let check = "[check haproxy]\nprocess = haproxy\n";
    let mut trace = Trace::prepared(&(ini(more, "") + check).replace("eth1", "eth0"));
    trace.at(0, Event::Start, &[Action::StartCheck(CheckId(0))]);
    trace.checked(100, crate::event::Outcome::Failure, &[]);
    let priorities: Vec<u8> = trace.node.routers().iter().map(Router::priority).collect();
    assert_eq!(priorities, [70, 70]);
}

// The successor needs as long as its slowest member, and so long each waits.
#[test]
fn a_hand_over_waits_for_the_groups_slowest() {
    let mut trace = master("version = 3\nadvert_int = 100ms", "");
    trace
        .node
        .process(Instant::from_millis(4100), Event::Stop, &mut trace.actions);
    // Priority 1 of OUT, at 1 s, and half a second.
    trace.skip(5595);
    are(&trace, Role::Master, HookState::Master);
    trace.skip(5597);
    assert!(trace.node.routers().iter().all(Router::stopped));
}

// A planned stop: each hands over as its own successor is heard.
#[test]
fn a_group_hands_over_together() {
    let mut trace = master("", "");
    let advert0 = |router| [Action::SendAdvert(router, 0); 2];
    let want = [advert0(IN), advert0(OUT)].concat();
    trace.at(4100, Event::Stop, &want);
    are(&trace, Role::Master, HookState::Master);
    hears(&mut trace, 4700, IN, 50, &[Action::RemoveAddresses(IN)]);
    // Services are still served at the addresses that are left.
    assert!(trace.node.has_addresses());
    assert_eq!(trace.node.groups()[0].state(), Some(HookState::Master));
    let want = [Action::RemoveAddresses(OUT), Action::Finish];
    hears(&mut trace, 4701, OUT, 50, &want);
    assert!(!trace.node.has_addresses());
    assert_eq!(trace.node.groups()[0].state(), Some(HookState::Stop));
}

// The hook of a group: told what all are together, after their own hooks, with
// keepalived's priority 0.
#[test]
fn the_hook_of_a_group_is_told_what_its_routers_are_together() {
    let text = ini("", "") + "[group gateway]\nnotify = /etc/smena/group.sh\n";
    let id = HookId::Group(0);
    let call = |state, previous, sequence| {
        let call = HookCall {
            state,
            previous,
            priority: 0,
            sequence,
            resource: None,
        };
        Action::StartHook(id, call)
    };
    let ended = Event::HookEnded(id, Exit::Code(0));
    let (backup, master, fault) = (HookState::Backup, HookState::Master, HookState::Fault);
    let mut trace = started_with(&text, &[call(backup, None, 1)]);
    let mut want = both(took_over);
    assert_eq!(trace.skip(4000), want);
    // It waits behind the call that runs, and the last one is delivered.
    assert_eq!(trace.node.hooks()[2].queued(), 1);
    trace.at(4000, ended, &[call(master, Some(backup), 2)]);
    trace.at(4010, ended, &[]);
    want = [resigned(OUT), resigned(IN)].concat();
    want.push(call(fault, Some(master), 3));
    trace.at(4100, Event::Link(ETH1, link(3, false)), &want);
    are(&trace, Role::Fault, fault);
    trace.at(4200, ended, &[]);
    // The end waits for it.
    trace.at(4300, Event::Stop, &[call(HookState::Stop, Some(fault), 4)]);
    trace.at(4400, ended, &[Action::Finish]);
}
