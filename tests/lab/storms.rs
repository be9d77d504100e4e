//! Networks that part, lose and double: what a mixed pair, and three boxes, make
//! of it.

use std::time::{Duration, Instant};

use super::harness::json::Json;
use super::harness::node::{Daemon, Node};
use super::harness::{Lab, Pace, always, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, boxes, expect_owner, keepalived_conf, smena_ini};

const LONG: Duration = Duration::from_secs(90);
const NEEDS: [&str; 2] = ["keepalived", "nft"];

/// Quick ones, so that much happens in little time.
fn start(node: &Node, smena: bool, priority: u8) -> Daemon {
    if smena {
        node.smena(&smena_ini(priority, "version = 3\nadvert_int = 200ms"))
    } else {
        node.keepalived(&keepalived_conf(priority, "version 3\n advert_int 0.2"))
    }
}

/// Two boxes, of which `a` is master; smena is on the ones that are named.
fn with_pair(smena: &'static str, body: impl FnOnce(&mut Lab, &Node, &Node) + Send + 'static) {
    scenario(&NEEDS, Pace::Shared, LONG, move |lab| {
        let (a, b) = boxes(lab);
        for node in [&a, &b].into_iter().filter(|n| smena.contains(n.name())) {
            lab.judge_later(node);
        }
        let _first = start(&a, smena.contains('a'), 101);
        expect_owner(lab, "a");
        let _second = start(&b, smena.contains('b'), 100);
        rests_with_a(lab);
        body(lab, &a, &b);
    });
}

fn rests_with_a(lab: &Lab) {
    always(Duration::from_secs(2), "a alone has it", || {
        lab.watch.owners(VIP) == ["a"]
    });
}

/// After a cut is healed one survives, soon, and has the last word on the wire.
/// Before it is healed nobody on the other side hears any.
fn heals(lab: &Lab, survivor: &str) {
    lab.switch.heal();
    let healed_at = Instant::now();
    expect_owner(lab, survivor);
    let doubled = lab.watch.two_owners(VIP, healed_at);
    assert!(doubled < Duration::from_secs(3), "{doubled:?}");
    // Later bursts have their time.
    std::thread::sleep(Duration::from_secs(1));
    let frames = lab.capture.frames();
    let mut since = frames.iter().filter(|f| f.at >= healed_at);
    let last = since.rfind(|f| f.is_announcement());
    // keepalived is silent when the first that it hears is the better one's.
    assert!(last.is_none_or(|f| f.sender() == survivor), "{last:?}");
    always(Duration::from_secs(2), "one has it", || {
        lab.watch.owners(VIP) == [survivor]
    });
}

fn parts_and_heals(lab: &mut Lab, a: &Node, _: &Node) {
    for _ in 0..2 {
        lab.switch.isolate(a.machine(), "eth0");
        assert!(lab.watch.wait_for(VIP, &["a", "b"], LIMIT));
        std::thread::sleep(Duration::from_secs(1));
        heals(lab, "a");
    }
}

#[test]
fn a_cut_between_two_smena_is_healed() {
    with_pair("ab", parts_and_heals);
}

#[test]
fn a_cut_between_smena_and_keepalived_is_healed() {
    with_pair("a", parts_and_heals);
}

#[test]
fn a_cut_between_keepalived_and_smena_is_healed() {
    with_pair("b", parts_and_heals);
}

/// A master that hears nothing is still heard, so nobody has a reason to move;
/// a backup that hears nothing takes over, and the master tells it again and
/// again that it lives.
fn one_way(lab: &mut Lab, a: &Node, b: &Node) {
    lab.switch.deafen(a.machine(), "eth0");
    always(Duration::from_secs(3), "a alone has it", || {
        lab.watch.owners(VIP) == ["a"]
    });
    lab.switch.heal();
    lab.switch.deafen(b.machine(), "eth0");
    assert!(lab.watch.wait_for(VIP, &["a", "b"], LIMIT));
    std::thread::sleep(Duration::from_secs(1));
    heals(lab, "a");
    lab.switch.mute(b.machine(), "eth0");
    rests_with_a(lab);
    lab.switch.heal();
    rests_with_a(lab);
}

#[test]
fn loss_on_one_way_between_two_smena() {
    with_pair("ab", one_way);
}

#[test]
fn loss_on_one_way_between_smena_and_keepalived() {
    with_pair("a", one_way);
}

#[test]
fn loss_on_one_way_between_keepalived_and_smena() {
    with_pair("b", one_way);
}

/// The other half hears nothing and takes over: who is heard and should have yielded
/// is told with the time that it goes on for.
#[test]
fn a_keepalived_that_is_deaf_is_told_as_the_second_master() {
    with_pair("a", |lab, a, b| {
        lab.switch.deafen(b.machine(), "eth0");
        a.wait_diagnosis("VI_01", "two-masters", "10.0.0.2", LIMIT);
        eventually(LIMIT, "it is told for how long", || {
            let found = a.router("VI_01");
            let text = |found: &Json| found["text"].text().to_string();
            let text = found["diagnoses"].list().first().map(text);
            let seconds = text.as_deref().and_then(|text| {
                let (_, rest) = text.split_once("10.0.0.2 is master too, for ")?;
                rest.split_once(" s, with priority 100")?
                    .0
                    .parse::<u32>()
                    .ok()
            });
            seconds >= Some(2)
        });
        assert_eq!(a.status().0, Some(1));
        lab.switch.heal();
        eventually(LIMIT, "it is over", || a.diagnoses("VI_01").is_empty());
        assert_eq!(a.status().0, Some(0));
        rests_with_a(lab);
    });
}

/// Three adverts in a row get lost now and then, and the backup comes and goes.
/// The master is not moved by that, and afterwards it is alone.
fn loses_a_third(lab: &mut Lab, _: &Node, _: &Node) {
    let lossy_at = Instant::now();
    lab.switch.lose(30);
    std::thread::sleep(Duration::from_secs(15));
    let doubled = lab.watch.two_owners(VIP, lossy_at);
    assert!(doubled < Duration::from_secs(8), "{doubled:?} of 15 s");
    lab.switch.heal();
    expect_owner(lab, "a");
    let changes = lab.watch.changes(VIP, lossy_at);
    assert!(changes.iter().all(|c| c.machine == "b"), "{changes:?}");
    std::thread::sleep(Duration::from_secs(1));
    rests_with_a(lab);
}

#[test]
fn thirty_of_a_hundred_frames_lost_between_two_smena() {
    with_pair("ab", loses_a_third);
}

#[test]
fn thirty_of_a_hundred_frames_lost_between_smena_and_keepalived() {
    with_pair("a", loses_a_third);
}

#[test]
fn thirty_of_a_hundred_frames_lost_between_keepalived_and_smena() {
    with_pair("b", loses_a_third);
}

#[test]
fn frames_that_come_twice_change_nothing() {
    with_pair("ab", |lab, a, b| {
        lab.switch
            .double((a.machine(), "eth0"), (b.machine(), "eth0"));
        lab.switch
            .double((b.machine(), "eth0"), (a.machine(), "eth0"));
        let before = b.router("VI_01")["adverts_received"].number();
        std::thread::sleep(Duration::from_secs(2));
        rests_with_a(lab);
        let sent = lab.capture.adverts_of("a").len() as i64;
        let received = b.router("VI_01")["adverts_received"].number();
        assert!(
            received > before.map(|n| n + 15),
            "{before:?}, {received:?}, {sent} sent"
        );

        lab.switch.cut(a.machine(), "eth0");
        expect_owner(lab, "b");
        lab.switch.mend(a.machine(), "eth0");
        expect_owner(lab, "a");
        rests_with_a(lab);
    });
}

#[test]
fn three_boxes_take_over_in_the_order_of_their_priorities() {
    scenario(&NEEDS, Pace::Shared, LONG, |lab| {
        let (a, b) = boxes(lab);
        let c = lab.node("c", &["10.0.0.3/24"]);
        lab.judge_later(&a);
        lab.judge_later(&b);
        let mut first = start(&a, true, 102);
        expect_owner(lab, "a");
        let mut second = start(&b, true, 101);
        let _third = start(&c, false, 100);
        rests_with_a(lab);

        first.signal(sys::SIGTERM);
        expect_owner(lab, "b");
        first.wait(LIMIT);
        second.signal(sys::SIGKILL);
        second.wait(LIMIT);
        expect_owner(lab, "c");
        let _first = start(&a, true, 102);
        expect_owner(lab, "a");
        let _second = start(&b, true, 101);
        rests_with_a(lab);

        // The master alone on one side: of the two others only the better one.
        lab.switch.isolate(a.machine(), "eth0");
        assert!(lab.watch.wait_for(VIP, &["a", "b"], LIMIT));
        always(Duration::from_secs(2), "one on each side", || {
            lab.watch.owners(VIP) == ["a", "b"]
        });
        heals(lab, "a");
        // The keepalived alone on one side.
        lab.switch.isolate(c.machine(), "eth0");
        assert!(lab.watch.wait_for(VIP, &["a", "c"], LIMIT));
        heals(lab, "a");
    });
}
