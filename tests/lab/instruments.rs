//! The lab's own instruments, proven on a pair of keepalived, whose behaviour is
//! known: what they measure here is what the other scenarios rely on.

use std::time::{Duration, Instant};

use super::harness::{Pace, scenario, sys};
use super::pair::{VIP, keepalived_conf};

#[test]
fn see_what_a_pair_of_keepalived_does() {
    scenario(
        &["keepalived"],
        Pace::Alone,
        Duration::from_secs(90),
        |lab| {
            let a = lab.node("a", &["10.0.0.1/24"]);
            let b = lab.node("b", &["10.0.0.2/24"]);
            let client = lab.client(VIP);
            let keeper = a.keepalived(&keepalived_conf(101, ""));
            let _other = b.keepalived(&keepalived_conf(100, ""));
            lab.judge_later(&a);
            assert!(lab.watch.wait_for(VIP, &["a"], Duration::from_secs(15)));
            std::thread::sleep(Duration::from_secs(1));
            assert!(client.is_answered());

            // Three intervals and a skew of 0.609 s after the last advert, which is
            // up to one interval old.
            let cut_at = Instant::now();
            lab.switch.cut(a.machine(), "eth0");
            assert!(lab.watch.wait_for(VIP, &["b"], Duration::from_secs(15)));
            std::thread::sleep(Duration::from_millis(200));
            let gap = client.longest_gap(cut_at).length;
            let expected = Duration::from_millis(2500)..Duration::from_millis(5000);
            assert!(expected.contains(&gap), "{gap:?} at power loss");

            lab.switch.mend(a.machine(), "eth0");
            assert!(lab.watch.wait_for(VIP, &["a"], Duration::from_secs(15)));

            // It gives the address up at once, and the other waits its skew.
            let stopped_at = Instant::now();
            keeper.signal(sys::SIGTERM);
            assert!(lab.watch.wait_for(VIP, &["b"], Duration::from_secs(15)));
            std::thread::sleep(Duration::from_millis(200));
            let gap = client.longest_gap(stopped_at).length;
            let expected = Duration::from_millis(400)..Duration::from_millis(2000);
            assert!(expected.contains(&gap), "{gap:?} at a planned stop");

            let last = lab.capture.adverts_of("a").pop().expect("a advertised");
            assert_eq!(last.1.priority, 0);
            let announced = |name: &str| {
                let frames = lab.capture.frames();
                frames
                    .iter()
                    .any(|f| f.sender() == name && f.is_announcement())
            };
            assert!(announced("a") && announced("b"));
        },
    );
}

#[test]
fn see_a_fault_that_goes_one_way() {
    scenario(
        &["keepalived", "nft"],
        Pace::Shared,
        Duration::from_secs(60),
        |lab| {
            let a = lab.node("a", &["10.0.0.1/24"]);
            let b = lab.node("b", &["10.0.0.2/24"]);
            let _keepers = (
                a.keepalived(&keepalived_conf(101, "")),
                b.keepalived(&keepalived_conf(100, "")),
            );
            assert!(lab.watch.wait_for(VIP, &["a"], Duration::from_secs(15)));
            let muted_at = Instant::now();
            lab.switch.mute(a.machine(), "eth0");
            assert!(
                lab.watch
                    .wait_for(VIP, &["a", "b"], Duration::from_secs(15))
            );
            std::thread::sleep(Duration::from_millis(500));
            let doubled = lab.watch.two_owners(VIP, muted_at);
            assert!(doubled >= Duration::from_millis(500), "{doubled:?}");
            lab.switch.heal();
            assert!(lab.watch.wait_for(VIP, &["a"], Duration::from_secs(15)));
        },
    );
}
