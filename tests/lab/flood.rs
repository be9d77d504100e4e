//! Floods: packets that are for nobody, by the ten thousand a second, and
//! address changes of others. Nothing changes, nothing is late, little is said.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::harness::advert::Forged;
use super::harness::node::Node;
use super::harness::{Lab, Pace, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, expect_owner, smena_pair};

const MINUTE: Duration = Duration::from_secs(60);
const QUICK: &str = "version = 3\nadvert_int = 100ms";
const RATE: u32 = 50_000;
const LENGTH: Duration = Duration::from_secs(4);

#[test]
fn packets_of_foreign_ids_are_left_out_and_counted() {
    flooded(|advert| advert.router = 99, true);
}

#[test]
fn packets_that_were_routed_are_left_out_and_counted() {
    flooded(|advert| advert.ttl = 254, true);
}

// 15: a flood writes a handful of lines.
#[test]
fn broken_packets_of_our_own_id_are_borne() {
    flooded(|advert| advert.checksum_error = 1, false);
}

/// A pair hears 50,000 packets a second that are wrong in one thing.
fn flooded(spoil: fn(&mut Forged), is_left_out: bool) {
    scenario(&[], Pace::Alone, MINUTE, move |lab| {
        let ((a, b), (keeper, other)) = smena_pair(lab, QUICK);
        let lines = |log: String| log.lines().count();
        let before = [lines(keeper.log()), lines(other.log())];
        let transitions = |node: &Node| node.router("VI_01")["transitions"].number();
        let [at_first_a, at_first_b] = [&a, &b].map(transitions);
        let vip = Ipv4Addr::new(10, 0, 0, 49);
        let mut advert = Forged {
            version: 3,
            interval: 10,
            ..Forged::version_2(Ipv4Addr::new(10, 0, 0, 9), 51, 254, vip)
        };
        spoil(&mut advert);
        let from = Instant::now();
        let sent = advert
            .paced(lab.client_machine(), "eth0", RATE, LENGTH)
            .expect("a packet socket");
        assert!(sent > 50_000, "{sent} packets are no flood");
        calm(lab, from);
        for (node, at_first) in [(&a, at_first_a), (&b, at_first_b)] {
            let router = node.router("VI_01");
            assert_eq!(router["transitions"].number(), at_first);
            let filtered = router["filtered"].number().expect("a number") as f64;
            println!("{}: {sent} sent, {filtered} filtered", node.name());
            if is_left_out {
                let (least, most) = (0.7 * sent as f64, 1.2 * sent as f64);
                assert!((least..most).contains(&filtered), "{filtered} of {sent}");
            } else {
                assert_eq!(filtered, 0.0);
            }
        }
        let after = [lines(keeper.log()), lines(other.log())];
        for (before, after) in before.into_iter().zip(after) {
            assert!(after <= before + 4, "{}\n{}", keeper.log(), other.log());
        }
    });
}

/// Another program adds and removes addresses as fast as it can, on the same
/// interface and on another one.
#[test]
fn address_changes_of_others_delay_nothing() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let ((a, _b), (keeper, _other)) = smena_pair(lab, QUICK);
        a.plug(&mut lab.switch, "eth1", &["10.0.1.1/24"]);
        let mut lines = String::new();
        for round in 0..250 {
            for word in ["add", "del"] {
                for number in 1..250 {
                    let card = round % 2;
                    lines += &format!("address {word} 172.16.{card}.{number}/32 dev eth{card}\n");
                }
            }
        }
        let file = a.file("changes", &lines);
        let from = Instant::now();
        a.machine().ip(&format!("-batch {}", file.display()));
        let took = from.elapsed();
        let rate = lines.lines().count() as f64 / took.as_secs_f64();
        assert!(rate > 2_000.0, "{rate} changes/s");
        std::thread::sleep(Duration::from_millis(500));
        calm(lab, from);
        let lag = a.status().1["loop_lag_us"]["max"]
            .number()
            .expect("a number");
        println!("{rate:.0} changes a second, latest turn {lag} us");
        assert!(lag < 30_000, "a turn was {lag} us late\n{}", keeper.log());
        put_back(lab, &a);
    });
}

/// A keeper that sleeps through more notifications than its buffer has room
/// for: what it missed it finds by asking.
#[test]
fn what_is_lost_in_an_overrun_is_found() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let ((a, _b), (keeper, other)) = smena_pair(lab, "advert_int = 3s");
        drop(other);
        let mut lines = String::new();
        for _ in 0..20 {
            for word in ["add", "del"] {
                for number in 1..250 {
                    lines += &format!("address {word} 172.16.0.{number}/32 dev eth0\n");
                }
            }
        }
        // The last that is lost: others' addresses come, and ours goes.
        for number in 0..2000 {
            let (high, low) = (number / 250, number % 250 + 1);
            lines += &format!("address add 172.17.{high}.{low}/32 dev eth0\n");
        }
        lines += "address del 10.0.0.49/32 dev eth0\n";
        let file = a.file("changes", &lines);
        keeper.signal(sys::SIGSTOP);
        let stopped = Instant::now();
        a.machine().ip(&format!("-batch {}", file.display()));
        let asleep = stopped.elapsed();
        keeper.signal(sys::SIGCONT);
        assert!(
            asleep < Duration::from_secs(9),
            "the changes took {asleep:?}"
        );
        keeper.wait_log("notifications overran", LIMIT);
        expect_owner(lab, "a");
        assert_eq!(a.state("VI_01"), "MASTER");
        let lag = a.status().1["loop_lag_us"]["max"]
            .number()
            .expect("a number");
        println!("asleep for {asleep:?}, latest turn {lag} us");
        put_back(lab, &a);
    });
}

/// The address is put back when it is removed: the keeper hears of changes.
fn put_back(lab: &Lab, a: &Node) {
    let from = Instant::now();
    a.machine().ip("address del 10.0.0.49/32 dev eth0");
    eventually(LIMIT, "the address was removed and is back", || {
        lab.watch.changes(VIP, from).len() >= 2
    });
    assert!(lab.watch.owners(VIP).contains(&"a".to_owned()));
}

/// The master kept its address and its time.
fn calm(lab: &Lab, from: Instant) {
    assert_eq!(lab.watch.owners(VIP), ["a"]);
    assert!(lab.watch.changes(VIP, from).is_empty());
    let adverts = lab.capture.adverts_of("a");
    let times: Vec<Instant> = adverts.iter().map(|(at, _)| *at).collect();
    let mut checked = 0;
    for pair in times.windows(2).filter(|pair| pair[0] >= from) {
        let apart = pair[1] - pair[0];
        assert!(apart < Duration::from_millis(150), "{apart:?} apart");
        checked += 1;
    }
    assert!(checked > 10, "{checked} adverts");
}
