//! Interfaces that come late, go, and come again with another number.

use std::time::Duration;

use super::harness::{Pace, eventually, scenario};
use super::pair::{LIMIT, VIP, expect_owner, smena_alone, smena_ini, smena_pair};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn one_that_appears_after_the_start_is_used() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.bare_node("a");
        let _keeper = a.smena(&smena_ini(100, ""));
        a.wait_state("VI_01", "FAULT", LIMIT);
        assert_eq!(a.status().0, Some(1));
        assert!(a.router("VI_01")["reason"].text().contains("eth0"));
        lab.judge_later(&a);
        a.plug(&mut lab.switch, "eth0", &["10.0.0.1/24"]);
        expect_owner(lab, "a");
        assert_eq!(a.state("VI_01"), "MASTER");
        assert_eq!(a.status().0, Some(0));
    });
}

// 67.
#[test]
fn one_that_is_deleted_and_made_again_is_used_again() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let ((a, b), _keepers) = smena_pair(lab, "");
        lab.switch.remove(a.machine(), "eth0");
        a.wait_state("VI_01", "FAULT", LIMIT);
        expect_owner(lab, "b");
        a.plug(&mut lab.switch, "eth0", &["10.0.0.1/24"]);
        expect_owner(lab, "a");
        b.wait_state("VI_01", "BACKUP", LIMIT);
        // It must hear too: the groups were joined anew.
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(lab.watch.owners(VIP), ["a"]);
    });
}

#[test]
fn one_that_is_set_down_and_up_is_left_and_used_again() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (a, _keeper) = smena_alone(lab, "");
        a.machine().ip("link set eth0 down");
        a.wait_state("VI_01", "FAULT", LIMIT);
        assert!(lab.watch.wait_for(VIP, &[], LIMIT));
        a.machine().ip("link set eth0 up");
        expect_owner(lab, "a");
        a.wait_state("VI_01", "MASTER", LIMIT);
    });
}

#[test]
fn one_without_an_address_of_its_own_waits_for_one() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &[]);
        lab.judge_later(&a);
        let _keeper = a.smena(&smena_ini(100, ""));
        a.wait_state("VI_01", "FAULT", LIMIT);
        std::thread::sleep(Duration::from_secs(1));
        a.machine().ip("address add 10.0.0.1/24 dev eth0");
        expect_owner(lab, "a");
    });
}

/// Somebody made the shared address the only one of the box: the mend must not be
/// to remove it.
#[test]
fn one_whose_only_address_is_the_shared_one_waits_for_another() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.49/32"]);
        lab.judge_later(&a);
        let _keeper = a.smena(&smena_ini(100, ""));
        a.wait_state("VI_01", "FAULT", LIMIT);
        eventually(LIMIT, "the mend is to give it one", || {
            let found = a.router("VI_01");
            let text = found["diagnoses"]
                .list()
                .first()
                .map(|found| found["text"].text().to_string());
            text.is_some_and(|text| text.contains("give it one first"))
        });
        a.machine().ip("address add 10.0.0.1/24 dev eth0");
        a.wait_state("VI_01", "MASTER", LIMIT);
        eventually(LIMIT, "nothing is wrong any more", || {
            a.diagnoses("VI_01").is_empty()
        });
    });
}

#[test]
fn one_that_is_renamed_is_gone_until_it_has_its_name_again() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (a, _keeper) = smena_alone(lab, "");
        a.machine().ip("link set eth0 name lan0");
        a.wait_state("VI_01", "FAULT", LIMIT);
        assert!(lab.watch.wait_for(VIP, &[], LIMIT));
        a.machine().ip("link set lan0 name eth0");
        expect_owner(lab, "a");
        a.wait_state("VI_01", "MASTER", LIMIT);
    });
}

#[test]
fn one_that_loses_its_own_address_is_left_until_it_is_back() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let ini = smena_ini(100, "").replace("10.0.0.49", "10.0.0.49/24");
        let a = lab.node("a", &["10.0.0.1/24"]);
        lab.judge_later(&a);
        let _keeper = a.smena(&ini);
        expect_owner(lab, "a");
        a.machine().ip("address del 10.0.0.1/24 dev eth0");
        // The shared address is no source to speak from.
        a.wait_state("VI_01", "FAULT", LIMIT);
        assert!(lab.watch.wait_for(VIP, &[], LIMIT));
        a.machine().ip("address add 10.0.0.1/24 dev eth0");
        expect_owner(lab, "a");
    });
}

/// `[interface NAME]` is for an init, and whoever is none says so.
#[test]
fn what_is_for_an_init_is_not_done_and_said() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        lab.judge_later(&a);
        let ini = [
            &*smena_ini(100, ""),
            "\n[interface eth0]\naddress = 10.0.7.1/24\n",
        ]
        .concat();
        let said = "[interface NAME] and [init] count where smena is PID 1; elsewhere nothing of them is done";
        let file = a.file("checked.ini", &ini);
        let checked = a.command(&["check", "-c", file.to_str().unwrap()]);
        assert_eq!(checked.status.code(), Some(0), "{checked:?}");
        let note = format!("note: {said}\n");
        assert_eq!(String::from_utf8_lossy(&checked.stderr), note);
        let keeper = a.smena(&ini);
        expect_owner(lab, "a");
        assert!(keeper.log().contains(said), "{}", keeper.log());
        assert!(!a.machine().ip("address show dev eth0").contains("10.0.7.1"));
    });
}
