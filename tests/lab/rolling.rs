//! A pair of keepalived becomes a pair of smena, box by box, while a client asks
//! all the time.

use std::time::{Duration, Instant};

use super::harness::client::Client;
use super::harness::{Lab, Pace, always, scenario, sys};
use super::pair::{LIMIT, VIP, boxes, expect_owner, keepalived_conf, smena_ini};

/// What a busy machine may add to any gap.
const BUSY: Duration = Duration::from_millis(700);

/// The skew of priority 100, which a stop of keepalived costs at an interval of
/// one second.
const SKEW: Duration = Duration::from_millis(610);

/// One step of the change: afterwards `owner` has the address, and in all of it
/// nobody answered for no longer than the protocol costs.
fn step(lab: &Lab, client: &Client, owner: &str, cost: Duration, change: impl FnOnce()) {
    let from = Instant::now();
    change();
    expect_owner(lab, owner);
    always(Duration::from_secs(2), "it stays there", || {
        lab.watch.owners(VIP) == [owner]
    });
    assert!(client.is_answered());
    let gap = client.longest_gap(from).length;
    assert!(gap < cost + BUSY, "{gap:?} where {cost:?} is right");
    let doubled = lab.watch.two_owners(VIP, from);
    assert!(doubled < BUSY, "{doubled:?} with two owners");
}

fn becomes_smena(backup_first: bool) {
    let limit = Duration::from_secs(120);
    scenario(&["keepalived"], Pace::Shared, limit, move |lab| {
        let (a, b) = boxes(lab);
        lab.judge_later(&a);
        lab.judge_later(&b);
        let client = lab.client(VIP);
        let mut old_a = a.keepalived(&keepalived_conf(101, ""));
        expect_owner(lab, "a");
        let mut old_b = b.keepalived(&keepalived_conf(100, ""));
        std::thread::sleep(Duration::from_secs(1));

        let (lab, client) = (&*lab, &client);
        let (mut new_a, mut new_b) = (None, None);
        let mut backup = |cost| {
            step(lab, client, "a", cost, || {
                old_b.signal(sys::SIGTERM);
                old_b.wait(LIMIT);
                new_b = Some(b.smena(&smena_ini(100, "")));
            });
        };
        let mut master = || {
            step(lab, client, "b", SKEW, || {
                old_a.signal(sys::SIGTERM);
                old_a.wait(LIMIT);
            });
            step(lab, client, "a", Duration::ZERO, || {
                new_a = Some(a.smena(&smena_ini(101, "")));
                assert!(lab.watch.wait_for(VIP, &["a"], LIMIT));
            });
        };
        if backup_first {
            backup(Duration::ZERO);
            master();
        } else {
            master();
            backup(Duration::ZERO);
        }

        // What was the point of it: a planned stop costs nothing now.
        let mut keeper = new_a.expect("started above");
        step(lab, client, "b", Duration::ZERO, || {
            keeper.signal(sys::SIGTERM);
            keeper.wait(LIMIT);
        });
        assert!(new_b.expect("started above").ended().is_none());
    });
}

#[test]
fn the_backup_first() {
    becomes_smena(true);
}

#[test]
fn the_master_first() {
    becomes_smena(false);
}
