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

/// Many checks and many processes: one look serves all of them, in a copy, and
/// most of the time none is needed. What is bounded is looked for each time, and
/// one that is short of its time does not end the look of the others.
#[test]
fn many_look_for_processes_at_once() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let many = "i=0; while [ $i -lt 2000 ]; do sleep 900 & i=$((i+1)); done; wait";
        let _many = a.daemon("many", "/bin/sh", &["-c", many]);
        let mut one = a.daemon("one", "/usr/bin/tail", &["-f", "/dev/null"]);
        let mut more = String::from("version = 3\nadvert_int = 100ms\n");
        for check in 0..16 {
            more += &format!("track = c{check} weight 1\n");
        }
        for check in 0..14 {
            more += &format!("[check c{check}]\nprocess = tail\ninterval = 100ms\ntimeout = 1s\n");
        }
        more += "[check c14]\nprocess = sleep min 1999\ninterval = 500ms\n\
                 [check c15]\nprocess = tail max 3\ninterval = 1s\ntimeout = 10ms";
        let keeper = a.smena(&smena_ini(100, &more));
        let states = || -> Vec<String> {
            let status = a.status().1;
            let checks = status["checks"].list().iter();
            checks.map(|c| c["state"].text().to_owned()).collect()
        };
        let all = |state: &str| states().iter().take(14).all(|s| s == state);
        eventually(LIMIT, "it answers", || states().len() == 16);
        eventually(LIMIT, "all are up", || all("up") && states()[14] == "up");
        let before = spent(keeper.pid());
        std::thread::sleep(Duration::from_secs(4));
        let used = spent(keeper.pid()) - before;
        // A look of each check for itself would have taken 560 looks of 10 ms.
        assert!(used < 100.0, "{used} ticks in 4 s");
        assert!(all("up"), "{:?}", states());
        one.signal(sys::SIGKILL);
        one.wait(LIMIT);
        eventually(LIMIT, "all are down", || all("down"));
        assert_eq!(states()[14], "up");
        let lag = a.status().1["loop_lag_us"]["max"]
            .number()
            .expect("a number");
        assert!(lag < 20_000, "the loop was late by {lag} us");
    });
}

/// Ticks of processor time that a process and what it collected have used.
fn spent(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let fields = fields.split_whitespace().skip(11).take(4);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum()
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

/// A program that leaves its group, session and terminal, and a daemon that is
/// nobody's child any more: the next run ends what the last one left. What a
/// hook left is not touched.
#[test]
fn one_that_daemonises_leaves_nothing_behind() {
    scenario(&["setsid"], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let litter = a.script(
            "daemon.sh",
            "trap '' TERM\n( setsid sh -c 'trap \"\" TERM; sleep 81234 & sleep 81234' \
             </dev/null >/dev/null 2>&1 & )\nexit 0",
        );
        let hook = a.script("hook.sh", "setsid sleep 82345 >/dev/null 2>&1 &");
        let more = format!(
            "notify = {}\ntrack = probe weight 10\n\
             [check probe]\nexec = {}\ninterval = 300ms",
            hook.display(),
            litter.display()
        );
        let mut keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        std::thread::sleep(Duration::from_secs(3));
        let count = |number: &str| {
            let running = a.machine().processes();
            running.iter().filter(|l| l.contains(number)).count()
        };
        // Each run leaves a shell with its text and two sleepers; of ten runs no
        // more than those of the last are there, and some that are just dying.
        assert!(count("81234") < 9, "{:?}", a.machine().processes());
        assert!(count("82345") >= 1);
        eventually(LIMIT, "the check is up", || check_state(&a) == "up");
        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
        eventually(LIMIT, "nothing is left behind", || count("81234") == 0);
        assert!(count("82345") >= 1, "what a hook daemonised lives on");
    });
}

/// A folder of cgroup v2 in which groups can be made whose processes are killed
/// together (Linux 5.14).
fn groups() -> Option<std::path::PathBuf> {
    let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(std::path::PathBuf::from);
    let above = mounts
        .into_iter()
        .find(|mount| mount.join("cgroup.controllers").exists())?;
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let above = above.join(own);
    let tried = above.join(format!("smena-lab.{}", std::process::id()));
    std::fs::create_dir(&tried).ok()?;
    let kills = tried.join("cgroup.kill").exists();
    std::fs::remove_dir(&tried).ok()?;
    kills.then_some(above)
}

/// One that forks twice, leaves its session, ignores TERM and throws even its
/// environment away leaves nothing, and no cgroup stays behind.
#[test]
fn one_that_hides_leaves_nothing_behind() {
    let Some(above) = groups() else {
        return super::harness::skip("one_that_hides", "no cgroup v2 with cgroup.kill");
    };
    scenario(&["setsid"], Pace::Shared, MINUTE, move |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let hider = a.script(
            "hider.sh",
            "( env -i setsid sh -c 'trap \"\" TERM; sleep 84567 & sleep 84567' \
             </dev/null >/dev/null 2>&1 & )\nsleep 0.1\nexit 0",
        );
        let more = format!(
            "track = probe weight 10\n[check probe]\nexec = {}\ninterval = 2s",
            hider.display()
        );
        let mut keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        // The cgroups of those that hide.
        let hidden = || {
            let processes = std::fs::read_dir("/proc").expect("proc").flatten();
            let found = processes.filter_map(|process| {
                let said = |file| std::fs::read(process.path().join(file)).ok();
                let words = String::from_utf8(said("cmdline")?).ok()?;
                let groups = String::from_utf8(said("cgroup")?).ok()?;
                let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
                words.contains("84567").then(|| group.to_owned())
            });
            found.collect::<Vec<String>>()
        };
        let mut group = String::new();
        for _ in 0..2 {
            eventually(LIMIT, "it hides", || {
                group = hidden().pop().unwrap_or_default();
                group.ends_with(".check-0")
            });
            eventually(LIMIT, "it is found", || hidden().is_empty());
        }
        let name = group.rsplit('/').next().expect("a name");
        assert!(above.join(name).exists(), "{group}");
        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
        assert!(hidden().is_empty());
        assert!(!above.join(name).exists(), "{group} is gone");
    });
}

/// A program whose hundreds of children leave its group and go on.
#[test]
fn one_that_forks_hundreds_is_ended() {
    scenario(&["setsid"], Pace::Alone, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let bomb = a.script(
            "bomb.sh",
            "n=0; while [ $n -lt 300 ]; do sleep 83456 & setsid sleep 83456 & n=$((n+1)); done; wait",
        );
        let more = format!(
            "track = probe weight 10\n[check probe]\nexec = {}\ninterval = 1s\ntimeout = 500ms",
            bomb.display()
        );
        let mut keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        eventually(LIMIT, "the check is down", || check_state(&a) == "down");
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!(a.state("VI_01"), "MASTER");
        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
        let left = || {
            let running = a.machine().processes();
            running.iter().filter(|l| l.contains("83456")).count()
        };
        eventually(LIMIT, "nothing is left behind", || left() == 0);
    });
}

/// What is not there, may not be run, or has no interpreter has failed, and the
/// log says why; so has one that is removed while it runs, from then on.
#[test]
fn one_that_cannot_be_executed_has_failed() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let plain = a.file("plain.sh", "#!/bin/sh\nexit 0\n");
        let odd = a.script("odd.sh", "exit 0");
        std::fs::write(&odd, "#!/no/such/shell\nexit 0\n").expect("own file");
        let gone = a.script("gone.sh", "sleep 0.2; exit 0");
        let mut more = String::new();
        for name in ["missing", "plain", "odd", "gone"] {
            more += &format!("track = {name} weight 1\n");
        }
        for (name, path) in [
            ("missing", "/no/such/program".to_owned()),
            ("plain", plain.display().to_string()),
            ("odd", odd.display().to_string()),
            ("gone", gone.display().to_string()),
        ] {
            more += &format!("[check {name}]\nexec = {path}\ninterval = 500ms\n");
        }
        let keeper = a.smena(&smena_ini(100, &more));
        let last = |name: &str| {
            let status = a.status().1;
            let check = status["checks"].named("name", name);
            format!("{} {}", check["state"].text(), check["last"].text())
        };
        eventually(LIMIT, "one is there", || last("gone") == "up exit 0");
        std::fs::remove_file(&gone).expect("own file");
        for (name, expected) in [
            ("missing", "down no such file (ENOENT)"),
            ("plain", "down permission denied (EACCES)"),
            ("odd", "down no such file (ENOENT)"),
            ("gone", "down no such file (ENOENT)"),
        ] {
            eventually(LIMIT, name, || last(name) == expected);
        }
        // Each is told once, however often it is tried.
        for name in ["missing", "plain", "odd", "gone"] {
            let line = format!("check {name}: not started: ");
            let log = keeper.log();
            assert_eq!(log.matches(&line).count(), 1, "{name} in\n{log}");
        }
    });
}
