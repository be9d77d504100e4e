//! A database and its replica; one of the ids lacks a digit.

use std::time::Duration;

use super::super::harness::{Pace, eventually, scenario, sys};
use super::super::pair::LIMIT;
use super::{Half, Pair, instance};

const SPACE_VDI: Pair = Pair {
    vip: "10.10.143.178",
    halves: [
        Half {
            name: "a",
            card: "eth0",
            address: "10.10.143.176/24",
            smena: include_str!("../../data/config/space-vdi-a.ini"),
            keepalived: || {
                instance(
                    "postgresql",
                    "eth0",
                    51,
                    255,
                    "state MASTER",
                    "10.10.143.178",
                )
            },
        },
        Half {
            name: "b",
            card: "eth0",
            address: "10.10.143.177/24",
            smena: include_str!("../../data/config/space-vdi-b.ini"),
            keepalived: || {
                instance(
                    "postgresql",
                    "eth0",
                    5,
                    200,
                    "state BACKUP",
                    "10.10.143.178",
                )
            },
        },
    ],
};

/// As they are both are master for good; with the missing digit they are a pair.
fn databases(smena: &'static str) {
    let limit = Duration::from_secs(120);
    scenario(&["keepalived"], Pace::Shared, limit, move |lab| {
        let nodes = SPACE_VDI.boxes(lab);
        let start = |n: usize, fixed: bool| {
            let half = &SPACE_VDI.halves[n];
            if smena.contains(half.name) {
                let (wrong, right) = ("virtual_router_id = 5\n", "virtual_router_id = 51\n");
                let right = if fixed { right } else { wrong };
                nodes[n].smena(&half.smena.replace(wrong, right))
            } else {
                let (wrong, right) = ("virtual_router_id 5\n", "virtual_router_id 51\n");
                let right = if fixed { right } else { wrong };
                nodes[n].keepalived(&(half.keepalived)().replace(wrong, right))
            }
        };
        let ours = || nodes.iter().filter(|n| smena.contains(n.name()));
        ours().for_each(|node| lab.judge_later(node));

        let mut first = start(0, false);
        let second = start(1, false);
        assert!(lab.watch.wait_for(SPACE_VDI.vip(), &["a", "b"], LIMIT));
        for node in ours() {
            let peer = SPACE_VDI.halves[usize::from(node.name() == "a")].address;
            let peer = peer.trim_end_matches("/24");
            node.wait_diagnosis("postgresql", "foreign-vrid-same-address", peer, LIMIT);
            eventually(LIMIT, "each counts the other", || {
                node.router("postgresql")["discarded"]["vrid"].number() >= Some(3)
            });
        }
        assert_eq!(lab.watch.owners(SPACE_VDI.vip()).len(), 2);

        drop(second);
        let _second = start(1, true);
        SPACE_VDI.owner(lab, "a");
        first.signal(sys::SIGTERM);
        SPACE_VDI.owner(lab, "b");
        first.wait(LIMIT);
        let _first = start(0, true);
        SPACE_VDI.owner(lab, "a");
    });
}

#[test]
fn with_smena_on_both() {
    databases("ab");
}

#[test]
fn with_smena_on_the_first() {
    databases("a");
}

#[test]
fn with_smena_on_the_second() {
    databases("b");
}
