//! Adverts to peers, over IPv6 and through a router, and signed ones while
//! signatures and new keys are brought into a running pair.

use std::fs;
use std::time::Duration;

use super::harness::node::{Daemon, Node};
use super::harness::{Lab, Pace, always, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, boxes, expect_owner, smena_ini};

const QUICK: &str = "version = 3\nadvert_int = 200ms";
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW_KEY: &str = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

fn start(node: &Node, priority: u8, more: &str) -> Daemon {
    node.smena(&smena_ini(priority, &format!("{QUICK}\n{more}")))
}

/// `a` alone has the address, and stays alone.
fn a_alone(lab: &Lab, time: Duration) {
    expect_owner(lab, "a");
    always(time, "a alone has it", || lab.watch.owners(VIP) == ["a"]);
}

/// Over and back, by a kill and by a stop.
fn over_and_back(lab: &Lab, a: &Node, mut keeper: Daemon, more: &str) -> Daemon {
    a_alone(lab, Duration::from_secs(1));
    keeper.signal(sys::SIGTERM);
    expect_owner(lab, "b");
    assert!(keeper.wait(LIMIT).success());
    let keeper = start(a, 101, more);
    a_alone(lab, Duration::from_secs(1));
    keeper
}

/// No kernel tells a peer that nobody understands it.
fn no_icmp_errors(node: &Node) {
    let snmp = node.machine().tool("cat", "/proc/net/snmp");
    let mut lines = snmp.lines().filter(|line| line.starts_with("Icmp: "));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let count = names.split(' ').zip(values.split(' '));
    let sent = count.filter(|(name, _)| *name == "OutDestUnreachs");
    assert!(sent.map(|(_, value)| value).eq(["0"]), "{snmp}");
}

#[test]
fn peers_over_ipv4() {
    scenario(&[], Pace::Shared, Duration::from_secs(60), |lab| {
        let (a, b) = boxes(lab);
        lab.judge_later(&a);
        lab.judge_later(&b);
        let more = "unicast_src_ip = 10.0.0.1\nunicast_peer = 10.0.0.2";
        let first = start(&a, 101, more);
        // The source is the interface's own when nothing else is said.
        let _second = start(&b, 100, "unicast_peer = 10.0.0.1");
        let _first = over_and_back(lab, &a, first, more);
        assert_eq!(b.router("VI_01")["state"].text(), "BACKUP");
        no_icmp_errors(&b);
    });
}

#[test]
fn peers_over_ipv6() {
    scenario(&[], Pace::Shared, Duration::from_secs(60), |lab| {
        let (a, b) = boxes(lab);
        lab.judge_later(&a);
        lab.judge_later(&b);
        let ini = |priority: u8, own: &str, peer: &str| {
            format!(
                "[vrrp VI_01]\ninterface = eth0\nvirtual_router_id = 51\npriority = {priority}\n\
                 advert_int = 200ms\naddress = fe80::49:1/64\naddress = fd00::49/64\n\
                 unicast_src_ip = {own}\nunicast_peer = {peer}\n"
            )
        };
        let vip = "fd00::49".parse().unwrap();
        let owner = |name: &str| {
            let found = lab.watch.wait_for(vip, &[name], LIMIT);
            assert!(found, "{name} has {vip}, not {:?}", lab.watch.owners(vip));
        };
        let mut first = a.smena(&ini(101, "fd00::1", "fd00::2"));
        let _second = b.smena(&ini(100, "fd00::2", "fd00::1"));
        owner("a");
        b.wait_state("VI_01", "BACKUP", LIMIT);
        first.signal(sys::SIGTERM);
        owner("b");
        assert!(first.wait(LIMIT).success());
        let _first = a.smena(&ini(101, "fd00::1", "fd00::2"));
        owner("a");
        always(Duration::from_secs(1), "a alone has it", || {
            lab.watch.owners(vip) == ["a"]
        });
    });
}

/// Peers that nobody answers for cost the others nothing, at 100 adverts a second.
#[test]
fn dead_peers_delay_nobody() {
    scenario(&[], Pace::Alone, Duration::from_secs(60), |lab| {
        let (a, b) = boxes(lab);
        let dead: String = (70..76)
            .map(|n| format!("unicast_peer = 10.0.0.{n}\n"))
            .collect();
        let ini = |priority, peer| {
            let peers = format!("{dead}unicast_peer = {peer}");
            smena_ini(
                priority,
                &format!("version = 3\nadvert_int = 10ms\n{peers}"),
            )
        };
        let _first = a.smena(&ini(101, "10.0.0.2"));
        let _second = b.smena(&ini(100, "10.0.0.1"));
        expect_owner(lab, "a");
        b.wait_state("VI_01", "BACKUP", LIMIT);
        let before = b.router("VI_01")["transitions"].number();
        // Longer than the kernel keeps what waits for a neighbour's MAC.
        std::thread::sleep(Duration::from_secs(8));
        assert_eq!(b.router("VI_01")["transitions"].number(), before);
        assert_eq!(lab.watch.owners(VIP), ["a"]);
    });
}

/// A peer behind a router has lost TTL on the way, which is right unless bounds
/// are given.
#[test]
fn peers_behind_a_router() {
    scenario(&[], Pace::Shared, Duration::from_secs(60), |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let b = lab.node("b", &["10.9.0.2/24"]);
        let router = lab.node("r", &["10.0.0.254/24", "10.9.0.254/24"]);
        router.machine().run(|| {
            for (file, value) in [
                ("ip_forward", "1"),
                ("conf/all/send_redirects", "0"),
                ("conf/eth0/send_redirects", "0"),
            ] {
                fs::write(format!("/proc/sys/net/ipv4/{file}"), value).expect("a kernel setting");
            }
        });
        a.machine().ip("route add 10.9.0.0/24 via 10.0.0.254");
        b.machine().ip("route add 10.0.0.0/24 via 10.9.0.254");
        let mut first = start(&a, 101, "unicast_peer = 10.9.0.2");
        let second = start(&b, 100, "unicast_peer = 10.0.0.1");
        a_alone(lab, Duration::from_secs(2));
        assert_eq!(b.state("VI_01"), "BACKUP");
        first.signal(sys::SIGTERM);
        expect_owner(lab, "b");
        first.wait(LIMIT);
        let _first = start(&a, 101, "unicast_peer = 10.9.0.2");
        expect_owner(lab, "a");
        drop(second);
        let _second = start(&b, 100, "unicast_peer = 10.0.0.1 min_ttl 255");
        b.wait_state("VI_01", "MASTER", LIMIT);
        let discarded = || b.router("VI_01")["discarded"]["ttl"].number();
        eventually(LIMIT, "its adverts have lost TTL", || discarded() > Some(0));
    });
}

/// After kill -9 the guard tells the peers, by a signed advert of its own.
#[test]
fn the_guard_resigns_to_peers() {
    scenario(&[], Pace::Shared, Duration::from_secs(60), |lab| {
        let (a, b) = boxes(lab);
        let more = |own: &str, peer: &str| {
            format!("unicast_src_ip = {own}\nunicast_peer = {peer}\nauth_hmac = 1:{KEY}")
        };
        let first = start(&a, 101, &more("10.0.0.1", "10.0.0.2"));
        let second = start(&b, 100, &more("10.0.0.2", "10.0.0.1"));
        a_alone(lab, Duration::from_secs(2));
        first.signal(sys::SIGKILL);
        expect_owner(lab, "b");
        second.wait_log("10.0.0.1 gave up (priority 0)", LIMIT);
    });
}

/// Signatures are brought in and a key is changed, one node after the other:
/// there is never more than one owner at rest.
#[test]
fn signatures_step_by_step() {
    scenario(&[], Pace::Shared, Duration::from_secs(120), |lab| {
        let (a, b) = boxes(lab);
        let old = format!("auth_hmac = 1:{KEY}\n");
        let new = format!("auth_hmac = 2:{NEW_KEY}\n");
        let steps = [
            String::new(),
            format!("{old}auth_mode = receive-only"),
            format!("{old}auth_mode = permissive"),
            old.clone(),
            format!("{old}{new}"),
            format!("{new}{old}"),
            new,
        ];
        let mut first = start(&a, 101, &steps[0]);
        let mut second = start(&b, 100, &steps[0]);
        for step in &steps {
            second.signal(sys::SIGTERM);
            second.wait(LIMIT);
            second = start(&b, 100, step);
            b.wait_state("VI_01", "BACKUP", LIMIT);
            a_alone(lab, Duration::from_secs(1));
            first.signal(sys::SIGTERM);
            expect_owner(lab, "b");
            first.wait(LIMIT);
            first = start(&a, 101, step);
            a_alone(lab, Duration::from_secs(1));
        }
        for (node, keeper) in [(&a, &first), (&b, &second)] {
            assert!(!keeper.log().contains(&KEY[..20]), "a log shows no key");
            let shown = node.command(&[
                "status",
                "-c",
                node.folder().join("smena.ini").to_str().unwrap(),
                "--json",
            ]);
            let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
            assert!(shown.contains("VI_01") && !shown.contains(&NEW_KEY[..20]));
        }
    });
}

/// Over IPv6, where tshark can check the sum; and without the key nobody is
/// believed.
#[test]
fn signatures_over_ipv6() {
    scenario(&[], Pace::Shared, Duration::from_secs(60), |lab| {
        let (a, b) = boxes(lab);
        lab.judge_later(&a);
        let ini = |priority: u8, key: &str| {
            format!(
                "[vrrp VI_01]\ninterface = eth0\nvirtual_router_id = 51\npriority = {priority}\n\
                 advert_int = 200ms\naddress = fe80::49:1/64\naddress = fd00::49/64\n\
                 auth_hmac = 1:{key}\nauth_replay = monotonic\n"
            )
        };
        let vip = "fd00::49".parse().unwrap();
        let _first = a.smena(&ini(101, KEY));
        let second = b.smena(&ini(100, KEY));
        assert!(lab.watch.wait_for(vip, &["a"], LIMIT));
        b.wait_state("VI_01", "BACKUP", LIMIT);
        drop(second);
        let _second = b.smena(&ini(100, NEW_KEY));
        b.wait_state("VI_01", "MASTER", LIMIT);
        let discarded = || b.router("VI_01")["discarded"]["hmac"].number();
        eventually(LIMIT, "another key is refused", || discarded() > Some(0));
    });
}
