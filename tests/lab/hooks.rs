//! Notify hooks: what they are given, their order, and what becomes of a bad
//! one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::harness::{Pace, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, expect_owner, smena_ini};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_hook_is_given_keepaliveds_arguments_and_a_clean_environment() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let out = a.folder().join("out");
        let hook = a.script(
            "role.sh",
            &format!(
                "{{ echo \"args $*\"; echo \"cwd $(pwd) umask $(umask)\"
                echo \"stdin $(readlink /proc/self/fd/0)\"
                ls -l /proc/$$/fd
                env; }} > {0}.$3; mv {0}.$3 {0}-$3; echo hook says $3",
                out.display()
            ),
        );
        lab.judge_later(&a);
        let mut keeper = a.smena(&smena_ini(100, &format!("notify = {}", hook.display())));
        expect_owner(lab, "a");
        eventually(LIMIT, "the hook ran for MASTER", || {
            !a.text("out-MASTER").is_empty()
        });
        let backup = a.text("out-BACKUP");
        let master = a.text("out-MASTER");
        assert!(
            backup.contains("args INSTANCE VI_01 BACKUP 100\n"),
            "{backup}"
        );
        assert!(
            master.contains("args INSTANCE VI_01 MASTER 100\n"),
            "{master}"
        );
        assert!(master.contains("cwd / umask 0022\n"), "{master}");
        assert!(master.contains("stdin /dev/null\n"), "{master}");
        for line in [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SMENA_MASTER=10.0.0.1",
            "SMENA_NAME=VI_01",
            "SMENA_PREVIOUS=BACKUP",
            "SMENA_PRIORITY=100",
            "SMENA_SEQUENCE=2",
            "SMENA_STATE=MASTER",
        ] {
            assert!(master.lines().any(|l| l == line), "{line} in\n{master}");
        }
        assert!(master.contains("\nSMENA_REASON="), "{master}");
        let foreign: Vec<&str> = master
            .lines()
            .filter(|l| l.contains('=') && !l.starts_with("SMENA_"))
            .filter(|l| {
                !["PATH=", "PWD=", "SHLVL=", "_=", "OLDPWD="]
                    .iter()
                    .any(|p| l.starts_with(p))
            })
            .collect();
        assert!(foreign.is_empty(), "inherited: {foreign:?}");
        // The shell opens files and pipes of its own, but never one of these.
        for kind in ["socket:", "anon_inode:"] {
            assert!(!master.contains(kind), "inherited descriptor: {master}");
        }
        keeper.wait_log("hook says MASTER", LIMIT);

        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
        eventually(LIMIT, "the hook ran for STOP", || {
            !a.text("out-STOP").is_empty()
        });
        assert!(a.text("out-STOP").contains("args INSTANCE VI_01 STOP"));
    });
}

#[test]
fn hooks_never_overlap_and_the_last_state_is_always_delivered() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let calls = a.folder().join("calls");
        let hook = a.script(
            "role.sh",
            &format!(
                "echo \"start $3 $SMENA_SEQUENCE\" >> {0}; sleep 1; echo \"end $3 $SMENA_SEQUENCE\" >> {0}",
                calls.display()
            ),
        );
        let more = format!(
            "version = 3\nadvert_int = 50ms\nnotify = {}",
            hook.display()
        );
        let _keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        for _ in 0..4 {
            a.machine().ip("link set eth0 down");
            a.wait_state("VI_01", "FAULT", LIMIT);
            a.machine().ip("link set eth0 up");
            a.wait_state("VI_01", "MASTER", LIMIT);
        }
        let at_rest = || {
            let hook = a.status().1["hooks"].named("vrrp", "VI_01").clone();
            hook["state"].text() == "MASTER"
                && hook["running"] == super::harness::json::Json::Bool(false)
                && hook["queued"].number() == Some(0)
        };
        eventually(LIMIT, "the hooks are done", at_rest);

        let calls = a.text("calls");
        let lines: Vec<&str> = calls.lines().collect();
        let mut sequence = 0;
        for pair in lines.chunks(2) {
            let start = pair[0].strip_prefix("start ").expect("a start");
            assert_eq!(
                pair.get(1).and_then(|l| l.strip_prefix("end ")),
                Some(start),
                "{calls}"
            );
            let number: u32 = start
                .split(' ')
                .nth(1)
                .expect("a number")
                .parse()
                .expect("whole");
            assert!(number > sequence, "in order: {calls}");
            sequence = number;
        }
        assert!(
            lines.last().expect("calls").starts_with("end MASTER"),
            "{calls}"
        );
        // Nine changes came within about two hooks' time.
        assert!(lines.len() / 2 < 9, "overtaken ones were dropped: {calls}");
    });
}

#[test]
fn a_hung_hook_is_ended_by_group_and_delays_no_advert() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let calls = a.folder().join("calls");
        // It ignores TERM, and its child is in the same group.
        let hook = a.script(
            "role.sh",
            &format!(
                "echo $3 >> {}; [ $3 = BACKUP ] || exit 0; trap '' TERM; sleep 54321 & wait; sleep 54321",
                calls.display()
            ),
        );
        lab.judge_later(&a);
        let more = format!(
            "version = 3\nadvert_int = 100ms\nnotify = {}\nnotify_timeout = 1s",
            hook.display()
        );
        let keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        eventually(
            Duration::from_secs(10),
            "the last state is delivered",
            || a.text("calls") == "BACKUP\nMASTER\n",
        );
        let left = a.machine().processes();
        assert!(
            !left.iter().any(|l| l.contains("54321")),
            "left behind: {left:?}"
        );
        let adverts = lab.capture.adverts_of("a");
        assert!(adverts.len() >= 15, "{}", adverts.len());
        for pair in adverts.windows(2) {
            let apart = pair[1].0 - pair[0].0;
            assert!(
                apart < Duration::from_millis(400),
                "{apart:?} between two adverts"
            );
        }
        drop(keeper);
    });
}

#[test]
fn a_hook_that_others_could_change_is_refused_with_the_reason() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        a.script("open/role.sh", "");
        let open = a.folder().join("open");
        let ini = smena_ini(100, &format!("notify = {}/role.sh", open.display()));
        // A sticky folder cannot be mended: it is meant for everybody.
        for (mode, mend) in [(0o1777, "move the hook"), (0o777, "chmod go-w")] {
            fs::set_permissions(&open, fs::Permissions::from_mode(mode)).expect("own folder");
            let keeper = a.smena(&ini);
            // The address does not wait for a hook.
            expect_owner(lab, "a");
            keeper.wait_log(mend, LIMIT);
            let log = keeper.log();
            let line = log.lines().find(|l| l.contains(mend)).expect("just seen");
            assert!(line.contains("can write"), "{line}");
            assert!(line.contains(&open.display().to_string()), "{line}");
            drop(keeper);
            assert!(lab.watch.wait_for(VIP, &[], LIMIT));
        }
    });
}

#[test]
fn a_hook_runs_as_the_user_that_the_file_names() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let hook = a.script("role.sh", "echo runs as $(id -u):$(id -g) $(id -G)");
        let ini = format!(
            "[node]\nscript_user = nobody\n{}",
            smena_ini(100, &format!("notify = {}", hook.display()))
        );
        let keeper = a.smena(&ini);
        keeper.wait_log("runs as 65534:65534 65534\n", LIMIT);
    });
}

#[test]
fn what_a_hook_daemonised_lives_on() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let hook = a.script(
            "role.sh",
            "[ $3 = MASTER ] && setsid sleep 43210 >/dev/null 2>&1 &",
        );
        let mut keeper = a.smena(&smena_ini(100, &format!("notify = {}", hook.display())));
        expect_owner(lab, "a");
        let lives = || {
            let processes = a.machine().processes();
            processes.iter().any(|l| l == "sleep 43210")
        };
        eventually(LIMIT, "the service runs", lives);
        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
        std::thread::sleep(Duration::from_millis(500));
        assert!(lives());
    });
}
