//! What a router carries and watches beside its one address.

use std::time::Duration;

use super::harness::{Pace, eventually, scenario};
use super::pair::{LIMIT, expect_owner, smena_alone, smena_ini};

const MINUTE: Duration = Duration::from_secs(60);

// 53, 64: of either family, and not listed; an IPv6 address has no duplicate
// detection to wait for, and one without a subnet is no source of connections.
#[test]
fn n64_excluded_addresses_of_both_families_are_carried_and_not_listed() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let more = "excluded_address = 10.0.0.50/24 label eth0:vip\nexcluded_address = fd00::50";
        let (a, _keeper) = smena_alone(lab, more);
        eventually(LIMIT, "all of them are there", || {
            a.has("eth0", "10.0.0.50/24") && a.has("eth0", "fd00::50/128")
        });
        let shown = a.machine().ip("address show dev eth0");
        assert!(shown.contains("eth0:vip"), "{shown}");
        let v6 = shown.lines().find(|line| line.contains("fd00::50"));
        let v6 = v6.expect("it was there");
        assert!(v6.contains("nodad") && !v6.contains("tentative"), "{v6}");
        assert!(v6.contains("deprecated"), "{v6}");
        let frames = lab.capture.frames();
        let advert = frames.iter().find(|f| f.advert().is_some());
        assert_eq!(advert.expect("it advertises").bytes[14 + 20 + 3], 1);
    });
}

#[test]
fn a_tracked_interface_takes_the_router_down_and_up() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        a.plug(&mut lab.switch, "eth1", &[]);
        lab.judge_later(&a);
        let _keeper = a.smena(&smena_ini(100, "track = interface eth1"));
        expect_owner(lab, "a");
        a.machine().ip("link set eth1 down");
        a.wait_state("VI_01", "FAULT", LIMIT);
        assert!(a.router("VI_01")["reason"].text().contains("eth1"));
        assert!(!a.has("eth0", "10.0.0.49/32"));
        a.machine().ip("link set eth1 up");
        expect_owner(lab, "a");
    });
}

// 67: the kernel is in the groups, again after the link was down.
#[test]
fn n67_the_groups_are_joined_again_when_a_link_comes_up() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24", "fe80::a/64"]);
        lab.judge_later(&a);
        let more = "[vrrp VI_06]\ninterface = eth0\nvirtual_router_id = 6\naddress = fe80::49";
        let _keeper = a.smena(&smena_ini(100, more));
        expect_owner(lab, "a");
        let member = || {
            let groups = a.machine().ip("maddress show dev eth0");
            groups.contains("224.0.0.18") && groups.contains("ff02::12")
        };
        eventually(LIMIT, "it is in both groups", member);
        a.machine().ip("link set eth0 down");
        a.wait_state("VI_01", "FAULT", LIMIT);
        a.machine().ip("link set eth0 up");
        expect_owner(lab, "a");
        eventually(LIMIT, "it is in both groups again", member);
    });
}
