//! The guard: what a keeper leaves that dies without a word, and what the guard
//! itself does and does not do while the keeper lives.

use std::fs;
use std::time::{Duration, Instant};

use super::harness::node::Daemon;
use super::harness::{Lab, Pace, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, expect_owner, smena_alone, smena_pair};

const MINUTE: Duration = Duration::from_secs(60);
/// The guard needs a millisecond or two; the rest is for a machine that is busy
/// with something else.
const PROMPT: Duration = Duration::from_millis(40);
/// A skew of priority 100 at an interval of one second, and a little.
const SKEW: Duration = Duration::from_millis(610 + 60);

#[test]
fn a_killed_keeper_costs_one_skew() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let (_nodes, (keeper, _other)) = smena_pair(lab, "");
        dies(lab, keeper, sys::SIGKILL);
    });
}

#[test]
fn a_keeper_that_crashes_costs_one_skew() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let (_nodes, (keeper, _other)) = smena_pair(lab, "");
        dies(lab, keeper, sys::SIGSEGV);
    });
}

#[test]
fn a_keeper_that_panics_costs_one_skew() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let (_nodes, (keeper, _other)) = smena_pair(lab, "");
        let keeper = dies(lab, keeper, sys::SIGUSR2);
        assert!(keeper.log().contains("smena must end"), "{}", keeper.log());
    });
}

/// The master gets a signal that ends it: the address is gone and priority 0
/// said at once, and the peer has it after a skew.
fn dies(lab: &Lab, mut keeper: Daemon, signal: i32) -> Daemon {
    let guard = guard_of(&keeper).expect("the keeper has a guard");
    // Its first advert is on its way when its address is seen.
    std::thread::sleep(Duration::from_millis(300));
    let died_at = Instant::now();
    keeper.signal(signal);
    expect_owner(lab, "b");
    let changes = lab.watch.changes(VIP, died_at);
    let order: Vec<_> = changes.iter().map(|c| (&*c.machine, c.present)).collect();
    assert_eq!(order, [("a", false), ("b", true)]);
    let (gone, back) = (changes[0].at - died_at, changes[1].at - died_at);
    let adverts = lab.capture.adverts_of("a");
    let last: Vec<_> = adverts.iter().filter(|(at, _)| *at >= died_at).collect();
    let said = last.first().expect("priority 0 is said").0 - died_at;
    println!("address gone after {gone:?}, priority 0 after {said:?}, taken over after {back:?}");
    assert!(last.iter().all(|(_, advert)| advert.priority == 0));
    assert!(gone < PROMPT, "the address is gone after {gone:?}");
    assert!(said < PROMPT, "priority 0 is said after {said:?}");
    assert!(back < SKEW + PROMPT, "taken over after {back:?}");
    keeper.wait(LIMIT);
    eventually(LIMIT, "the guard ends", || !lives(guard));
    assert!(keeper.log().contains("the keeper died"), "{}", keeper.log());
    keeper
}

#[test]
fn one_that_is_killed_is_replaced_and_the_new_one_does_its_work() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (_nodes, (mut keeper, _other)) = smena_pair(lab, "");
        let first = guard_of(&keeper).expect("the keeper has a guard");
        // The first ten seconds of a guard count as trouble.
        std::thread::sleep(Duration::from_secs(11).saturating_sub(keeper.started().elapsed()));
        sys::kill(first, sys::SIGKILL).expect("the guard is there");
        keeper.wait_log("the guard was killed", LIMIT);
        eventually(LIMIT, "there is another guard", || {
            guard_of(&keeper).is_some_and(|guard| guard != first)
        });
        // One that dies at once again is not replaced in a frenzy.
        let second = guard_of(&keeper).expect("just seen");
        sys::kill(second, sys::SIGKILL).expect("the guard is there");
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(guard_of(&keeper), None);
        eventually(LIMIT, "there is a third guard", || {
            guard_of(&keeper).is_some()
        });
        let died_at = Instant::now();
        keeper.signal(sys::SIGKILL);
        keeper.wait(LIMIT);
        expect_owner(lab, "b");
        let gone = lab.watch.changes(VIP, died_at)[0].at - died_at;
        assert!(gone < Duration::from_millis(300), "{gone:?}");
    });
}

#[test]
fn one_does_nothing_while_the_keeper_lives_or_ends_in_order() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (a, mut keeper) = smena_alone(lab, "release = immediate");
        let guard = guard_of(&keeper).expect("the keeper has a guard");
        for signal in [sys::SIGINT, sys::SIGTERM, sys::SIGHUP] {
            sys::kill(guard, signal).expect("the guard is there");
        }
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(guard_of(&keeper), Some(guard), "Ctrl-C is the keeper's");
        assert_eq!(lab.watch.owners(VIP), ["a"]);
        let title = fs::read(format!("/proc/{guard}/cmdline")).expect("it runs");
        let title = String::from_utf8_lossy(&title).into_owned();
        assert_eq!(title.trim_end_matches('\0'), "smena: guard");
        let open = fs::read_dir(format!("/proc/{guard}/fd")).expect("it runs");
        // Standard descriptors, netlink, packet socket, pidfd.
        assert_eq!(open.count(), 6);

        keeper.signal(sys::SIGTERM);
        assert_eq!(keeper.wait(LIMIT).code(), Some(0));
        eventually(LIMIT, "the guard ends", || !lives(guard));
        let adverts = lab.capture.adverts_of("a");
        let resigned = adverts.iter().filter(|(_, advert)| advert.priority == 0);
        assert_eq!(resigned.count(), 2, "the keeper's own two");
        assert!(!keeper.log().contains("the keeper died"));
        drop(a);
    });
}

/// The guard of a keeper.
fn guard_of(keeper: &Daemon) -> Option<u32> {
    let named = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "smena: guard\n")
    };
    keeper
        .pids()
        .into_iter()
        .find(|pid| named(pid) && lives(*pid))
}

/// Whether a process runs and is no zombie.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").starts_with(" Z"))
}
