//! The address itself: removed by hand, left behind, beside those of others.

use std::time::{Duration, Instant};

use super::harness::{Pace, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, expect_owner, smena_alone, smena_ini, smena_pair};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn one_that_was_deleted_by_hand_is_put_back_and_announced() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (a, _keeper) = smena_alone(lab, "");
        std::thread::sleep(Duration::from_secs(1));
        let deleted_at = Instant::now();
        a.machine().ip("address del 10.0.0.49/32 dev eth0");
        eventually(Duration::from_secs(2), "it was deleted and is back", || {
            lab.watch.changes(VIP, deleted_at).len() >= 2
        });
        expect_owner(lab, "a");
        assert_eq!(a.state("VI_01"), "MASTER");
        eventually(Duration::from_secs(2), "it is announced again", || {
            let frames = lab.capture.frames();
            frames
                .iter()
                .any(|f| f.at > deleted_at && f.is_announcement())
        });
    });
}

/// Another process writes to smena's netlink sockets that the address was removed
/// and that the interface is gone; only the kernel is believed.
#[test]
fn one_that_another_process_says_is_gone_stays() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (a, keeper) = smena_alone(lab, "");
        // `5: eth0@...`
        let shown = a.machine().ip("-o link show dev eth0");
        let index: u32 = shown.split(':').next().unwrap().parse().expect("a number");
        // Columns: a pointer, the protocol (0 is rtnetlink), the port.
        let sockets = a.machine().tool("cat", "/proc/net/netlink");
        let ports: Vec<u32> = sockets
            .lines()
            .map(|line| line.split_whitespace().collect())
            .filter(|words: &Vec<&str>| words[1] == "0" && words[2] != "0")
            .map(|words| words[2].parse().expect("a port"))
            .collect();
        assert!(!ports.is_empty(), "{sockets}");
        a.machine().run(move || {
            let (netlink, raw) = (16, 3);
            let socket = sys::open_socket(netlink, raw, 0).expect("a netlink socket");
            for port in ports {
                let mut to = [0; 12];
                to[0] = netlink as u8;
                to[4..8].copy_from_slice(&port.to_ne_bytes());
                for message in [removed(index), deleted(index)] {
                    sys::send_to(&socket, &message, &to).expect("it is told");
                }
            }
        });
        // What is told later is of a time when the forged has been read.
        a.machine().ip("address del 10.0.0.49/32 dev eth0");
        keeper.wait_log("somebody else removed 10.0.0.49", LIMIT);
        expect_owner(lab, "a");
        let said = keeper.log().matches("somebody else removed").count();
        assert_eq!(said, 1, "{}", keeper.log());
        let router = a.router("VI_01");
        assert_eq!(router["state"].text(), "MASTER");
        assert_eq!(router["transitions"].number(), Some(2));
    });
}

/// `RTM_DELADDR` of 10.0.0.49/32.
fn removed(index: u32) -> Vec<u8> {
    let mut message = netlink(21, &[2, 32, 0, 0], index);
    // `IFA_ADDRESS`, `IFA_LOCAL`.
    for attribute in [1, 2] {
        message.extend([8, 0, attribute, 0, 10, 0, 0, 49]);
    }
    with_length(message)
}

/// `RTM_DELLINK` of an interface called eth0.
fn deleted(index: u32) -> Vec<u8> {
    let mut message = netlink(17, &[0, 0, 1, 0], index);
    message.extend([0; 8]);
    // `IFLA_IFNAME`.
    message.extend([9, 0, 3, 0]);
    message.extend(b"eth0\0\0\0\0");
    with_length(message)
}

fn netlink(kind: u8, body: &[u8; 4], index: u32) -> Vec<u8> {
    let mut message = vec![0; 16];
    message[4] = kind;
    message.extend(body);
    message.extend(index.to_ne_bytes());
    message
}

fn with_length(mut message: Vec<u8>) -> Vec<u8> {
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message
}

#[test]
fn one_that_somebody_keeps_deleting_ends_in_fault() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let ((a, _b), _keepers) = smena_pair(lab, "");
        for _ in 0..20 {
            if a.state("VI_01") != "MASTER" {
                break;
            }
            if a.has("eth0", "10.0.0.49/32") {
                a.machine().ip("address del 10.0.0.49/32 dev eth0");
            }
            std::thread::sleep(Duration::from_millis(150));
        }
        a.wait_state("VI_01", "FAULT", Duration::from_secs(2));
        let router = a.router("VI_01");
        assert!(!router["reason"].text().is_empty(), "{router:?}");
        assert_eq!(a.status().0, Some(1));
        // The other one has it then.
        expect_owner(lab, "b");
    });
}

#[test]
fn what_an_earlier_run_left_is_removed_and_what_is_not_ours_stays() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let ((a, _b), (mut keeper, _other)) = smena_pair(lab, "lease = off");
        a.machine().ip("address add 10.0.0.77/32 dev eth0");
        keeper.signal_all(sys::SIGKILL);
        keeper.wait(LIMIT);
        // Without the lease it stays, as with keepalived.
        assert!(lab.watch.wait_for(VIP, &["a", "b"], LIMIT));
        let started_at = Instant::now();
        let _keeper = a.smena(&smena_ini(90, "lease = off"));
        assert!(lab.watch.wait_for(VIP, &["b"], Duration::from_secs(2)));
        assert!(started_at.elapsed() < Duration::from_secs(2));
        assert!(a.has("eth0", "10.0.0.77/32"));
        assert!(a.has("eth0", "10.0.0.1/24"));
        a.wait_state("VI_01", "BACKUP", LIMIT);
    });
}

#[test]
fn one_of_the_hosts_own_subnet_comes_and_goes_without_the_hosts() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &[]);
        lab.judge_later(&a);
        a.machine().ip("address add 10.0.0.1/24 dev eth0");
        let ini = smena_ini(100, "").replace("10.0.0.49", "10.0.0.49/24");
        let mut keeper = a.smena(&ini);
        expect_owner(lab, "a");
        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
        assert!(lab.watch.wait_for(VIP, &[], LIMIT));
        assert!(a.has("eth0", "10.0.0.1/24"));

        // The same when the kernel takes it back by itself.
        let mut keeper = a.smena(&ini);
        expect_owner(lab, "a");
        keeper.signal_all(sys::SIGKILL);
        keeper.wait(LIMIT);
        assert!(lab.watch.wait_for(VIP, &[], LIMIT));
        assert!(a.has("eth0", "10.0.0.1/24"));
    });
}

#[test]
fn one_on_another_card_goes_there_and_labels_are_set() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        a.plug(&mut lab.switch, "eth1", &["10.0.1.1/24"]);
        lab.judge_later(&a);
        let more = "address = 10.0.1.49/24 dev eth1 label eth1:7";
        let _keeper = a.smena(&smena_ini(100, more));
        expect_owner(lab, "a");
        eventually(LIMIT, "the second card has its address", || {
            a.has("eth1", "10.0.1.49/24")
        });
        let shown = a.machine().ip("address show dev eth1");
        assert!(shown.contains("eth1:7"), "{shown}");
        // Both are advertised.
        let frames = lab.capture.frames();
        let advert = frames.iter().find(|f| f.advert().is_some());
        assert_eq!(advert.expect("it advertises").bytes[14 + 20 + 3], 2);
    });
}
