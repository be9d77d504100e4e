//! Real time: who runs in it and who does not, and what becomes of a keeper
//! that never rests.

use std::fs;
use std::time::Duration;

use super::harness::{Pace, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, expect_owner, smena_alone, smena_ini};

const MINUTE: Duration = Duration::from_secs(60);
const SCHED_OTHER: u32 = 0;
const SCHED_RR: u32 = 2;

#[test]
fn keeper_and_guard_run_in_it_and_what_they_start_does_not() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let out = a.folder().join("policy");
        let hook = a.script(
            "role.sh",
            &format!("cut -d' ' -f41 /proc/self/stat > {}", out.display()),
        );
        let checked = a.folder().join("checked");
        let more = format!(
            "notify = {}\ntrack = look\n[check look]\nshell = yes\n\
             exec = cut -d' ' -f41 /proc/self/stat > {}",
            hook.display(),
            checked.display()
        );
        lab.judge_later(&a);
        let keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        let permitted = sys::is_permitted_real_time();
        if !permitted {
            keeper.wait_log("not in real time", LIMIT);
        }
        let wanted = if permitted { SCHED_RR } else { SCHED_OTHER };
        for pid in guarded(&keeper.pids()) {
            assert_eq!(policy_of(pid), Some(wanted), "process {pid}");
        }
        for file in ["policy", "checked"] {
            eventually(LIMIT, "it has written its policy", || {
                a.text(file) == format!("{SCHED_OTHER}\n")
            });
        }
    });
}

#[test]
fn who_does_not_want_it_runs_like_anybody() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (_a, keeper) = smena_alone(lab, "[node]\nrealtime = no");
        for pid in guarded(&keeper.pids()) {
            assert_eq!(policy_of(pid), Some(SCHED_OTHER), "process {pid}");
        }
        assert!(!keeper.log().contains("real time"), "{}", keeper.log());
    });
}

/// The kernel sends SIGXCPU to who ran for half a second without a rest.
#[test]
fn one_that_never_rests_is_an_ordinary_program_for_a_while() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        if !sys::is_permitted_real_time() {
            return;
        }
        let (a, keeper) = smena_alone(lab, "");
        let limits = fs::read_to_string(format!("/proc/{}/limits", keeper.pid())).expect("it runs");
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max realtime timeout"));
        let line = line.expect("the kernel has this limit");
        assert!(line.contains("500000"), "{line}");
        keeper.signal(sys::SIGXCPU);
        keeper.wait_log("not in real time", LIMIT);
        assert_eq!(policy_of(keeper.pid()), Some(SCHED_OTHER));
        eventually(LIMIT, "it runs in real time again", || {
            policy_of(keeper.pid()) == Some(SCHED_RR)
        });
        assert_eq!(lab.watch.owners(VIP), ["a"]);
        assert_eq!(a.state("VI_01"), "MASTER");
    });
}

/// Those of a keeper's processes that are smena itself.
fn guarded(pids: &[u32]) -> Vec<u32> {
    let of_smena = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "smena: guard\n")
    };
    let guard = pids.iter().copied().find(of_smena);
    vec![pids[0], guard.expect("the keeper has a guard")]
}

/// The scheduling policy of a process.
fn policy_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Field 41; what follows the name begins with field 3.
    let rest = stat.rsplit(')').next()?;
    rest.split_whitespace().nth(41 - 3)?.parse().ok()
}
