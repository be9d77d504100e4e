//! Virtual MAC addresses: the macvlan comes and goes with the role, and what a
//! client learns stays right across a fail-over.

use std::time::{Duration, Instant};

use super::harness::node::Node;
use super::harness::{Lab, Pace, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, boxes, expect_owner, smena_alone, smena_ini, smena_pair};

const MINUTE: Duration = Duration::from_secs(60);
const QUICK: &str = "version = 3\nadvert_int = 200ms\nvmac = yes";
const MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 51];

// 27, 54: a macvlan that is down takes no frame for its MAC.
#[test]
fn a_master_speaks_and_answers_from_it_and_a_backup_does_not_have_it() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let ((a, b), (keeper, _other)) = smena_pair(lab, QUICK);
        is_up(&a, true);
        is_up(&b, false);
        assert!(a.has("vrrp.51", "10.0.0.49/32"));
        assert!(!a.has("eth0", "10.0.0.49/32"));
        let client = lab.client(VIP);
        eventually(LIMIT, "the client knows the virtual MAC", || {
            neighbour(lab).contains("00:00:5e:00:01:33")
        });
        speaks_from_it(lab, "a");

        // Nothing changes for the client but the way.
        let stopped_at = Instant::now();
        keeper.signal(sys::SIGTERM);
        expect_owner(lab, "b");
        is_up(&b, true);
        eventually(LIMIT, "the macvlan is taken away at the end", || {
            !a.machine().ip("-o link").contains("vrrp.51")
        });
        std::thread::sleep(Duration::from_millis(500));
        let gap = client.longest_gap(stopped_at).length;
        assert!(gap < Duration::from_millis(150), "{gap:?}");
        assert!(neighbour(lab).contains("00:00:5e:00:01:33"));
        speaks_from_it(lab, "b");
        assert_eq!(b.router("VI_01")["discarded"]["own"].number(), Some(0));
    });
}

#[test]
fn two_masters_with_one_mac_hear_each_other() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (a, b) = boxes(lab);
        lab.switch.cut(a.machine(), "eth0");
        let _keepers = (
            a.smena(&smena_ini(101, QUICK)),
            b.smena(&smena_ini(100, QUICK)),
        );
        expect_owner(lab, "b");
        lab.switch.mend(a.machine(), "eth0");
        expect_owner(lab, "a");
        is_up(&a, true);
        is_up(&b, false);

        lab.switch.isolate(a.machine(), "eth0");
        assert!(lab.watch.wait_for(VIP, &["a", "b"], LIMIT));
        lab.switch.heal();
        expect_owner(lab, "a");
        is_up(&b, false);
    });
}

#[test]
fn a_killed_keepers_macvlan_is_taken_away_by_the_guard_or_the_next_run() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let ((a, _b), (mut keeper, _other)) = smena_pair(lab, QUICK);
        let killed_at = Instant::now();
        keeper.signal(sys::SIGKILL);
        keeper.wait(LIMIT);
        expect_owner(lab, "b");
        // With equal timers b may have been master for a moment before.
        let changes = lab.watch.changes(VIP, killed_at);
        let first = changes.iter().find(|change| change.machine == "a");
        assert_eq!(first.map(|change| change.present), Some(false));
        let sent = lab.capture.frames();
        let last = sent
            .iter()
            .rfind(|f| f.sender() == "a" && f.advert().is_some());
        let last = last.expect("a advertised");
        assert_eq!(last.advert().expect("an advert").priority, 0);
        assert_eq!(last.bytes[6..12], MAC);
        eventually(LIMIT, "the macvlan is gone", || {
            !a.machine().ip("-o link").contains("vrrp.51")
        });

        // With the guard it stays, and the next run begins anew.
        let mut keeper = a.smena(&smena_ini(101, QUICK));
        expect_owner(lab, "a");
        keeper.signal_all(sys::SIGKILL);
        keeper.wait(LIMIT);
        expect_owner(lab, "b");
        let _keeper = a.smena(&smena_ini(90, QUICK));
        a.wait_state("VI_01", "BACKUP", LIMIT);
        is_up(&a, false);
    });
}

#[test]
fn one_that_somebody_removes_is_made_again_and_goes_with_its_interface() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (a, keeper) = smena_alone(lab, QUICK);
        let removed_at = Instant::now();
        a.machine().ip("link del vrrp.51");
        eventually(LIMIT, "the address was gone and is back", || {
            lab.watch.changes(VIP, removed_at).len() >= 2
        });
        expect_owner(lab, "a");
        is_up(&a, true);

        lab.switch.remove(a.machine(), "eth0");
        a.wait_state("VI_01", "FAULT", LIMIT);
        a.plug(&mut lab.switch, "eth0", &["10.0.0.1/24"]);
        expect_owner(lab, "a");
        is_up(&a, true);
        assert!(a.has("vrrp.51", "10.0.0.49/32"), "{}", keeper.log());
    });
}

#[test]
fn one_id_on_two_interfaces_makes_two() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        a.plug(&mut lab.switch, "eth1", &["10.0.1.1/24"]);
        let more = format!(
            "{QUICK}\n[vrrp VI_02]\ninterface = eth1\nvirtual_router_id = 51\n\
             address = 10.0.1.49\n{QUICK}"
        );
        let _keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        eventually(LIMIT, "both are there", || {
            a.has("vrrp.51", "10.0.0.49/32") && a.has("vrrp.51.1", "10.0.1.49/32")
        });
    });
}

/// Whether a box's macvlan is there and up, or there and down.
fn is_up(node: &Node, up: bool) {
    eventually(LIMIT, "the macvlan is up or down", || {
        let shown = node.machine().ip("-o link show dev vrrp.51");
        shown.contains("00:00:5e:00:01:33") && shown.contains(",UP") == up
    });
}

/// Every advert and announcement of late came from the virtual MAC.
fn speaks_from_it(lab: &Lab, name: &str) {
    let frames = lab.capture.frames();
    let ours = frames.iter().filter(|f| f.sender() == name);
    let mut told = ours.filter(|f| f.advert().is_some() || f.is_announcement());
    assert!(told.clone().count() > 2);
    assert!(told.all(|f| {
        let about_vip = f.advert().is_some() || f.bytes.get(28..32) == Some(&[10, 0, 0, 49]);
        !about_vip || f.bytes[6..12] == MAC
    }));
}

/// What the client's neighbour table says about the address.
fn neighbour(lab: &mut Lab) -> String {
    lab.client_machine().ip("neigh show 10.0.0.49")
}
