//! Two equal Wi-Fi controllers on a tunnel that comes late.

use std::time::{Duration, Instant};

use super::super::harness::node::{Daemon, Node};
use super::super::harness::{Lab, Pace, eventually, scenario, sys};
use super::super::pair::LIMIT;
use super::{Half, Pair, instance};

const WIMARK: Pair = Pair {
    vip: "10.10.10.3",
    halves: [
        Half {
            name: "a",
            card: "l2tpeth0",
            address: "10.10.10.1/24",
            smena: include_str!("../../data/config/wimark-a.ini"),
            keepalived: || wimark_conf("WIM1", "MASTER"),
        },
        Half {
            name: "b",
            card: "l2tpeth0",
            address: "10.10.10.2/24",
            smena: include_str!("../../data/config/wimark-b.ini"),
            keepalived: || wimark_conf("WIM2", "BACKUP"),
        },
    ],
};

fn wimark_conf(name: &str, state: &str) -> String {
    let more = format!(
        "state {state}
        garp_master_delay 1
        advert_int 1
        authentication {{\n auth_type PASS\n auth_pass wimark123\n }}
        notify /etc/wimark/master-backup.sh"
    );
    let globals = "global_defs {\n script_user root\n}\n".to_owned();
    globals
        + &instance(
            name,
            "l2tpeth0",
            67,
            200,
            &more,
            "10.10.10.3/24 dev l2tpeth0",
        )
}

/// The script notes each call, and how many of it run at the same time.
fn with_script(node: &Node, text: &str) -> String {
    let notes = node.folder().join("notes");
    let script = node.script(
        "master-backup.sh",
        &format!("echo \"$1 $2 $3\" >> {}; sleep 0.2", notes.display()),
    );
    text.replace(
        "/etc/wimark/master-backup.sh",
        &script.display().to_string(),
    )
}

fn controllers(smena: &'static str) {
    let limit = Duration::from_secs(120);
    scenario(&["keepalived"], Pace::Shared, limit, move |lab| {
        let nodes = [0, 1].map(|n| lab.bare_node(WIMARK.halves[n].name));
        let start = |n: usize| -> Daemon {
            let (node, half) = (&nodes[n], &WIMARK.halves[n]);
            if smena.contains(half.name) {
                node.smena(&with_script(node, half.smena))
            } else {
                node.keepalived(&with_script(node, &(half.keepalived)()))
            }
        };
        let plug = |lab: &mut Lab, n: usize| {
            let half = &WIMARK.halves[n];
            nodes[n].plug(&mut lab.switch, half.card, &[half.address]);
        };
        for node in nodes.iter().filter(|n| smena.contains(n.name())) {
            lab.judge_later(node);
        }
        // smena waits for the tunnel; keepalived 2.2.7 would end without it.
        let names = ["WIM1", "WIM2"];
        let late = smena.contains('a');
        if !late {
            plug(lab, 0);
        }
        let mut first = start(0);
        if late {
            nodes[0].wait_state(names[0], "FAULT", LIMIT);
            plug(lab, 0);
        }
        WIMARK.owner(lab, "a");
        plug(lab, 1);
        let _second = start(1);
        let second_at = Instant::now();
        std::thread::sleep(Duration::from_secs(5));
        // Equal, and with the higher address: no reason to take over.
        assert_eq!(lab.watch.owners(WIMARK.vip()), ["a"]);
        assert!(lab.watch.changes(WIMARK.vip(), second_at).is_empty());

        first.signal(sys::SIGTERM);
        WIMARK.owner(lab, "b");
        first.wait(LIMIT);
        let _first = start(0);
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(
            lab.watch.owners(WIMARK.vip()),
            ["b"],
            "it stays where it is"
        );
        for (node, name) in nodes.iter().zip(names) {
            let states = |node: &Node| -> Vec<String> {
                let prefix = format!("INSTANCE {name} ");
                let text = node.text("notes");
                let states = text.lines().filter_map(|l| l.strip_prefix(&prefix));
                states.map(str::to_owned).collect()
            };
            let last = if node.name() == "b" {
                "MASTER"
            } else {
                "BACKUP"
            };
            eventually(LIMIT, "the script heard the last state", || {
                states(node).last().is_some_and(|s| s == last)
            });
        }
    });
}

#[test]
fn with_smena_on_both() {
    controllers("ab");
}

#[test]
fn with_smena_on_the_first() {
    controllers("a");
}

#[test]
fn with_smena_on_the_second() {
    controllers("b");
}
