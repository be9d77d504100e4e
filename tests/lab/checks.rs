//! Checks: scripts that fail, hang and leave things behind.

use std::time::{Duration, Instant};

use super::harness::node::Node;
use super::harness::{Pace, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, expect_owner, smena_ini};

const MINUTE: Duration = Duration::from_secs(60);

fn check_state(node: &Node) -> String {
    let status = node.status().1;
    status["checks"].named("name", "probe")["state"]
        .text()
        .to_owned()
}

#[test]
fn one_that_fails_without_a_weight_is_a_fault_until_it_succeeds() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        lab.judge_later(&a);
        let flag = a.file("flag", "");
        let more = format!(
            "track = probe\n[check probe]\nexec = /usr/bin/test -e {}\ninterval = 200ms",
            flag.display()
        );
        let _keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        assert_eq!(check_state(&a), "up");
        std::fs::remove_file(&flag).expect("own file");
        a.wait_state("VI_01", "FAULT", LIMIT);
        assert!(lab.watch.wait_for(VIP, &[], LIMIT));
        assert_eq!(a.status().0, Some(1));
        assert_eq!(check_state(&a), "down");
        assert!(a.router("VI_01")["reason"].text().contains("probe"));
        a.file("flag", "");
        expect_owner(lab, "a");
        assert_eq!(a.status().0, Some(0));
    });
}

#[test]
fn one_that_hangs_is_ended_by_group_and_counts_as_failed() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let hang = a.script(
            "hang.sh",
            "trap '' TERM; sleep 65432 & sleep 65432; sleep 65432",
        );
        let more = format!(
            "track = probe weight 10\n[check probe]\nexec = {}\ninterval = 1s\ntimeout = 500ms",
            hang.display()
        );
        let mut keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        eventually(LIMIT, "the check is down", || check_state(&a) == "down");
        assert_eq!(a.router("VI_01")["priority"].number(), Some(100));
        // A few rounds: it is not started again while it runs.
        std::thread::sleep(Duration::from_secs(3));
        let running = a.machine().processes();
        let sleeping = running.iter().filter(|l| l.contains("65432")).count();
        assert!(sleeping <= 2, "{running:?}");
        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
        eventually(Duration::from_secs(5), "nothing is left behind", || {
            !a.machine().processes().iter().any(|l| l.contains("65432"))
        });
    });
}

#[test]
fn what_one_leaves_behind_is_ended() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let litter = a.script("litter.sh", "sleep 76543 & exit 0");
        let more = format!(
            "track = probe weight 10\n[check probe]\nexec = {}\ninterval = 300ms",
            litter.display()
        );
        let _keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        std::thread::sleep(Duration::from_secs(2));
        let running = a.machine().processes();
        let sleeping = running.iter().filter(|l| l.contains("76543")).count();
        assert!(sleeping <= 1, "{running:?}");
        assert_eq!(check_state(&a), "up");
        assert_eq!(a.router("VI_01")["priority"].number(), Some(110));
    });
}

#[test]
fn a_hanging_one_delays_no_advert() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let noisy = a.script("noisy.sh", "yes | head -c 200000; sleep 87654");
        let more = format!(
            "version = 3\nadvert_int = 100ms\ntrack = probe weight 10\n\
             [check probe]\nexec = {}\ninterval = 500ms",
            noisy.display()
        );
        let _keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        let from = Instant::now();
        std::thread::sleep(Duration::from_secs(4));
        let adverts = lab.capture.adverts_of("a");
        let since: Vec<_> = adverts.iter().filter(|(at, _)| *at >= from).collect();
        assert!(since.len() >= 30, "{}", since.len());
        for pair in since.windows(2) {
            let apart = pair[1].0 - pair[0].0;
            assert!(
                apart < Duration::from_millis(400),
                "{apart:?} between two adverts"
            );
        }
    });
}

#[test]
fn a_process_is_found_by_its_name() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let more = "track = probe weight -10\n[check probe]\nprocess = tail\ninterval = 200ms";
        let _keeper = a.smena(&smena_ini(100, more));
        eventually(LIMIT, "it is down", || check_state(&a) == "down");
        assert_eq!(a.router("VI_01")["priority"].number(), Some(90));
        let mut found = a.daemon("tail", "/usr/bin/tail", &["-f", "/dev/null"]);
        eventually(LIMIT, "it is up", || check_state(&a) == "up");
        assert_eq!(a.router("VI_01")["priority"].number(), Some(100));
        found.signal(sys::SIGKILL);
        found.wait(LIMIT);
        eventually(LIMIT, "it is down again", || check_state(&a) == "down");
    });
}

#[test]
fn words_are_words_unless_a_shell_is_asked_for() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let more = "track = probe weight 10
[check probe]
exec = test $((1 + 1)) = 2 && true
shell = yes
interval = 200ms";
        let keeper = a.smena(&smena_ini(100, more));
        eventually(LIMIT, "it is up", || check_state(&a) == "up");
        drop(keeper);
        // keepalived would run such words as arguments, and fail for ever.
        let mut keeper = a.smena(&smena_ini(100, &more.replace("shell = yes\n", "")));
        assert_eq!(keeper.wait(LIMIT).code(), Some(2));
        assert!(keeper.log().contains("add `shell = yes`"));
    });
}
