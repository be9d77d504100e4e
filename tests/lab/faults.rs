//! Faults of a pair: a cut cable, a planned stop, a killed and a stopped
//! process.

use std::time::{Duration, Instant};

use super::harness::advert::Forged;
use super::harness::{Pace, always, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, boxes, expect_owner, smena_alone, smena_ini, smena_pair};
use std::net::Ipv4Addr;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_cut_cable_moves_the_address_and_a_mended_one_moves_it_back() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let ((a, b), _keepers) = smena_pair(lab, "");
        lab.switch.cut(a.machine(), "eth0");
        expect_owner(lab, "b");
        assert_eq!(a.state("VI_01"), "FAULT");
        assert_eq!(b.state("VI_01"), "MASTER");
        lab.switch.mend(a.machine(), "eth0");
        expect_owner(lab, "a");
        b.wait_state("VI_01", "BACKUP", LIMIT);
    });
}

#[test]
fn a_link_that_only_loses_what_we_send_ends_with_one_owner() {
    scenario(&["nft"], Pace::Shared, MINUTE, |lab| {
        let ((a, _b), _keepers) = smena_pair(lab, "");
        lab.switch.mute(a.machine(), "eth0");
        // It cannot know: it hears a lower priority only.
        assert!(lab.watch.wait_for(VIP, &["a", "b"], LIMIT));
        lab.switch.heal();
        let healed_at = Instant::now();
        expect_owner(lab, "a");
        let doubled = lab.watch.two_owners(VIP, healed_at);
        assert!(doubled < Duration::from_secs(4), "{doubled:?}");
        // The last word on the wire is the survivor's.
        std::thread::sleep(Duration::from_secs(1));
        let frames = lab.capture.frames();
        let last = frames.iter().rfind(|f| f.is_announcement());
        assert_eq!(last.map(|f| f.sender()), Some("a"));
    });
}

// 38, 41: the client finds the address by ARP and is answered from it.
#[test]
fn a_planned_stop_costs_a_client_next_to_nothing() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let ((a, _b), (mut keeper, _other)) = smena_pair(lab, "");
        let client = lab.client(VIP);
        std::thread::sleep(Duration::from_secs(1));
        let stopped_at = Instant::now();
        keeper.signal(sys::SIGTERM);
        let status = keeper.wait(LIMIT);
        assert_eq!(status.code(), Some(0), "{}", keeper.log());
        expect_owner(lab, "b");
        std::thread::sleep(Duration::from_millis(500));
        // Without the overlap it would be a skew of 600 ms.
        let gap = client.longest_gap(stopped_at).length;
        assert!(gap < Duration::from_millis(200), "{gap:?}");
        let last = lab.capture.adverts_of("a").pop().expect("a advertised");
        assert_eq!(last.1.priority, 0);

        let _keeper = a.smena(&smena_ini(101, ""));
        expect_owner(lab, "a");
    });
}

#[test]
fn release_immediate_gives_the_address_up_before_the_peer_takes_it() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let ((_a, _b), (mut keeper, _other)) = smena_pair(lab, "release = immediate");
        let stopped_at = Instant::now();
        keeper.signal(sys::SIGTERM);
        let status = keeper.wait(LIMIT);
        assert_eq!(status.code(), Some(0));
        expect_owner(lab, "b");
        let changes = lab.watch.changes(VIP, stopped_at);
        let order: Vec<_> = changes.iter().map(|c| (&*c.machine, c.present)).collect();
        assert_eq!(order, [("a", false), ("b", true)]);
    });
}

#[test]
fn a_stop_that_nobody_answers_ends_by_itself() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (a, mut keeper) = smena_alone(lab, "");
        keeper.signal(sys::SIGTERM);
        eventually(Duration::from_secs(1), "it says that it releases", || {
            a.router("VI_01")["releasing"] == super::harness::json::Json::Bool(true)
        });
        assert_eq!(a.state("VI_01"), "MASTER");
        // A skew of priority 1 and half a second.
        let status = keeper.wait(Duration::from_secs(5));
        assert_eq!(status.code(), Some(0));
        assert!(lab.watch.owners(VIP).is_empty());
        let log = keeper.log();
        assert_eq!(log.matches("warn").count(), 1, "one warning in\n{log}");
    });
}

#[test]
fn a_second_stop_ends_at_once() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let (_a, mut keeper) = smena_alone(lab, "");
        keeper.signal(sys::SIGTERM);
        std::thread::sleep(Duration::from_millis(200));
        assert!(keeper.ended().is_none(), "the first one waits for a peer");
        let again_at = Instant::now();
        keeper.signal(sys::SIGINT);
        keeper.wait(Duration::from_secs(5));
        assert!(again_at.elapsed() < Duration::from_millis(800));
        assert!(lab.watch.wait_for(VIP, &[], Duration::from_secs(1)));
    });
}

#[test]
fn a_master_killed_with_its_guard_loses_the_address_before_the_peer_takes_it() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let ((a, _b), (mut keeper, _other)) = smena_pair(lab, "");
        // A lease that was renewed a few times.
        std::thread::sleep(Duration::from_secs(3));
        let killed_at = Instant::now();
        keeper.signal_all(sys::SIGKILL);
        keeper.wait(LIMIT);
        expect_owner(lab, "b");
        assert_eq!(lab.watch.two_owners(VIP, killed_at), Duration::ZERO);
        let changes = lab.watch.changes(VIP, killed_at);
        let order: Vec<_> = changes.iter().map(|c| (&*c.machine, c.present)).collect();
        assert_eq!(order, [("a", false), ("b", true)]);
        let gone = changes[0].at - killed_at;
        assert!(gone < Duration::from_millis(3_300), "gone after {gone:?}");

        let _keeper = a.smena(&smena_ini(101, ""));
        expect_owner(lab, "a");
    });
}

#[test]
fn a_stopped_master_loses_the_address_and_yields_when_it_continues() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let ((a, b), (keeper, _other)) = smena_pair(lab, "");
        std::thread::sleep(Duration::from_secs(3));
        let stopped_at = Instant::now();
        keeper.signal(sys::SIGSTOP);
        expect_owner(lab, "b");
        always(Duration::from_secs(3), "b alone has it", || {
            lab.watch.owners(VIP) == ["b"]
        });
        assert_eq!(lab.watch.two_owners(VIP, stopped_at), Duration::ZERO);

        let continued_at = Instant::now();
        keeper.signal(sys::SIGCONT);
        // What it sends first must not be the advert that was due long ago.
        std::thread::sleep(Duration::from_millis(500));
        let sent = lab.capture.adverts_of("a");
        let early = sent.iter().find(|(at, _)| *at >= continued_at);
        assert!(early.is_none(), "{early:?} right after it continued");
        expect_owner(lab, "a");
        let doubled = lab.watch.two_owners(VIP, continued_at);
        assert!(doubled < Duration::from_millis(500), "{doubled:?}");
        a.wait_state("VI_01", "MASTER", LIMIT);
        b.wait_state("VI_01", "BACKUP", LIMIT);
    });
}

#[test]
fn preempt_no_stays_with_the_one_who_has_it() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (a, b) = boxes(lab);
        lab.judge_later(&a);
        lab.judge_later(&b);
        // Of two that start together, the one that is first stays.
        let mut keeper = a.smena(&smena_ini(101, "preempt = no"));
        expect_owner(lab, "a");
        let _other = b.smena(&smena_ini(100, "preempt = no"));
        b.wait_state("VI_01", "BACKUP", LIMIT);
        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
        expect_owner(lab, "b");
        let _keeper = a.smena(&smena_ini(101, "preempt = no"));
        a.wait_state("VI_01", "BACKUP", LIMIT);
        always(Duration::from_secs(5), "b keeps it", || {
            lab.watch.owners(VIP) == ["b"]
        });
    });
}

#[test]
fn of_two_equal_priorities_the_higher_address_wins() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (a, b) = boxes(lab);
        // Both are masters before they can hear each other.
        lab.switch.cut(a.machine(), "eth0");
        let _keepers = (a.smena(&smena_ini(100, "")), b.smena(&smena_ini(100, "")));
        expect_owner(lab, "b");
        lab.switch.mend(a.machine(), "eth0");
        std::thread::sleep(Duration::from_secs(1));
        always(Duration::from_secs(4), "b alone has it", || {
            lab.watch.owners(VIP) == ["b"]
        });
        a.wait_state("VI_01", "BACKUP", LIMIT);
    });
}

#[test]
fn a_flood_of_adverts_delays_none_of_ours() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let ((a, b), _keepers) = smena_pair(lab, "version = 3\nadvert_int = 100ms");
        let flood = Forged {
            version: 3,
            interval: 10,
            ..Forged::version_2(
                Ipv4Addr::new(10, 0, 0, 9),
                99,
                254,
                Ipv4Addr::new(10, 0, 0, 50),
            )
        };
        let from = Instant::now();
        let client = lab.client_machine();
        let sent = flood
            .flood(client, "eth0", Duration::from_secs(3))
            .expect("a packet socket");
        assert!(sent > 5_000, "{sent}");
        let adverts = lab.capture.adverts_of("a");
        let since: Vec<_> = adverts.iter().filter(|(at, _)| *at >= from).collect();
        for pair in since.windows(2) {
            let apart = pair[1].0 - pair[0].0;
            assert!(
                apart < Duration::from_millis(300),
                "{apart:?} between two adverts"
            );
        }
        assert_eq!(lab.watch.owners(VIP), ["a"]);
        assert_eq!(b.state("VI_01"), "BACKUP");
        assert_eq!(a.state("VI_01"), "MASTER");
    });
}
