//! What people set about taking over, on either side of a mixed pair.

use std::time::{Duration, Instant};

use super::harness::node::{Daemon, Node};
use super::harness::{Lab, Pace, always, scenario, sys};
use super::pair::{LIMIT, VIP, boxes, expect_owner, keepalived_conf, smena_ini};

/// Both are quick, so that an ordinary take-over is over before a delay is.
const SMENA: &str = "version = 3\nadvert_int = 200ms";
const KEEPALIVED: &str = "version 3\n advert_int 0.2";

fn start(node: &Node, smena: bool, priority: u8, more: [&str; 2]) -> Daemon {
    if smena {
        node.smena(&smena_ini(priority, &format!("{SMENA}\n{}", more[0])))
    } else {
        node.keepalived(&keepalived_conf(
            priority,
            &format!("{KEEPALIVED}\n{}", more[1]),
        ))
    }
}

/// `a` has the address, loses it by a planned stop and is started again with
/// this option, first smena's form of it, then keepalived's.
fn comes_back(
    smena_first: bool,
    option: [&'static str; 2],
    then: impl FnOnce(&Lab, &Node, Instant) + Send + 'static,
) {
    let limit = Duration::from_secs(90);
    scenario(&["keepalived"], Pace::Shared, limit, move |lab| {
        let (a, b) = boxes(lab);
        lab.judge_later(if smena_first { &a } else { &b });
        let mut first = start(&a, smena_first, 101, option);
        expect_owner(lab, "a");
        let _second = start(&b, !smena_first, 100, ["", ""]);
        always(Duration::from_secs(2), "a alone has it", || {
            lab.watch.owners(VIP) == ["a"]
        });
        first.signal(sys::SIGTERM);
        expect_owner(lab, "b");
        first.wait(LIMIT);
        let back_at = Instant::now();
        let _first = start(&a, smena_first, 101, option);
        then(lab, &b, back_at);
    });
}

fn stays_with_the_other(lab: &Lab, _: &Node, _: Instant) {
    always(Duration::from_secs(5), "b keeps it", || {
        lab.watch.owners(VIP) == ["b"]
    });
}

fn waits_three_seconds(lab: &Lab, _: &Node, back_at: Instant) {
    expect_owner(lab, "a");
    let waited = back_at.elapsed();
    // The watch hears of it a little after it was so.
    assert!(waited >= Duration::from_millis(2_900), "{waited:?}");
    let changes = lab.watch.changes(VIP, back_at);
    assert_eq!(changes.len(), 2, "it went over once: {changes:?}");
}

const NO_PREEMPT: [&str; 2] = ["preempt = no", "nopreempt"];
const DELAY: [&str; 2] = ["preempt_delay = 3s", "preempt_delay 3"];

#[test]
fn preempt_no_of_smena_beside_keepalived() {
    comes_back(true, NO_PREEMPT, stays_with_the_other);
}

#[test]
fn nopreempt_of_keepalived_beside_smena() {
    comes_back(false, NO_PREEMPT, stays_with_the_other);
}

#[test]
fn preempt_delay_of_smena_beside_keepalived() {
    comes_back(true, DELAY, waits_three_seconds);
}

#[test]
fn preempt_delay_of_keepalived_beside_smena() {
    comes_back(false, DELAY, waits_three_seconds);
}

#[test]
fn preempt_delay_does_not_delay_the_taking_of_what_nobody_has() {
    comes_back(true, DELAY, |lab, b, back_at| {
        // Long before the delay is over the other one is gone.
        lab.switch.isolate(b.machine(), "eth0");
        assert!(lab.watch.wait_for(VIP, &["a", "b"], LIMIT));
        let waited = back_at.elapsed();
        assert!(waited < Duration::from_millis(2_900), "{waited:?}");
        lab.switch.heal();
        expect_owner(lab, "a");
    });
}

/// A master that fell silent and still answers for its address is waited for, but
/// not for ever; when it no longer answers, its address is taken.
#[test]
fn takeover_probe_waits_for_who_still_has_the_address() {
    scenario(&[], Pace::Shared, Duration::from_secs(60), |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let others = ["10.0.0.2/24", "10.0.0.49/32", "fd00::49/128"];
        let b = lab.node("b", &others);
        lab.judge_later(&a);
        let asks = "version = 3\nadvert_int = 200ms\ntakeover_probe = 10s\n";
        let ini = smena_ini(100, asks)
            + "[vrrp VI_06]\ninterface = eth0\nvirtual_router_id = 51\naddress = fe80::49\n\
               address = fd00::49\n"
            + asks;
        let keeper = a.smena(&ini);
        keeper.wait_log("VI_01: 10.0.0.49 is still answered for", LIMIT);
        keeper.wait_log("VI_06: fd00::49 is still answered for", LIMIT);
        assert_eq!([a.state("VI_01"), a.state("VI_06")], ["BACKUP", "BACKUP"]);
        b.machine().ip("address del 10.0.0.49/32 dev eth0");
        b.machine().ip("address del fd00::49/128 dev eth0");
        a.wait_state("VI_01", "MASTER", LIMIT);
        a.wait_state("VI_06", "MASTER", LIMIT);
        assert!(a.diagnoses("VI_01").is_empty() && a.diagnoses("VI_06").is_empty());

        drop(keeper);
        b.machine().ip("address add 10.0.0.49/32 dev eth0");
        let keeper = a.smena(&smena_ini(100, "takeover_probe = 1s"));
        keeper.wait_log("VI_01: 10.0.0.49 is still answered for", LIMIT);
        a.wait_state("VI_01", "MASTER", LIMIT);
    });
}
