//! The command line: files that are not right, a second instance, a log that
//! nobody reads.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::harness::node::SMENA;
use super::harness::{Pace, scenario, sys};
use super::pair::{LIMIT, VIP, expect_owner, smena_alone, smena_ini};

const MINUTE: Duration = Duration::from_secs(60);

fn smena(words: &[&str]) -> Output {
    let mut command = Command::new(SMENA);
    command.args(words).stdin(Stdio::null());
    command.output().expect("smena starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// A path for a file of a test that needs no root.
fn path(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    folder.join(format!("{}-{name}", std::process::id()))
}

fn write(name: &str, text: &str) -> String {
    let path = path(name);
    fs::write(&path, text).expect("own folder");
    path.to_str().expect("ASCII path").to_owned()
}

/// What `check` and `run` both say about a file that they cannot use.
fn both_refuse(file: &str, code: i32, part: &str) {
    for command in ["check", "run"] {
        let output = smena(&[command, "-c", file]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{command}: {text}");
        assert!(stdout(&output).is_empty(), "{command}: {}", stdout(&output));
        assert!(text.contains(part), "{command}: {part:?} in\n{text}");
        assert!(
            text.contains(file),
            "{command}: the file is named in\n{text}"
        );
    }
}

#[test]
fn a_missing_file_is_refused() {
    both_refuse("/nonexistent/smena.ini", 2, "no such file");
}

#[test]
fn a_folder_is_refused() {
    both_refuse(env!("CARGO_TARGET_TMPDIR"), 2, "directory");
}

#[test]
fn an_empty_file_is_refused() {
    let file = write("empty.ini", "");
    both_refuse(&file, 2, "empty");
    fs::remove_file(file).expect("own file");
}

#[test]
fn an_unreadable_file_is_refused() {
    let file = write("unreadable.ini", &smena_ini(100, ""));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).expect("own file");
    let copy = readable_copy("unreadable");
    let mut command = Command::new(&copy);
    command.args(["check", "-c", &file]).stdin(Stdio::null());
    if sys::is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().expect("smena starts");
    fs::remove_file(&file).expect("own file");
    fs::remove_file(&copy).expect("own file");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("permission denied"), "{text}");
}

/// A copy with a configuration inside is as private as the file, and replaces
/// neither that nor what is no plain file.
#[test]
fn what_is_baked_is_private_and_replaces_no_device() {
    let file = write("baked.ini", &smena_ini(100, "auth_pass = secret\n"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("own file");
    let copy = format!("{file}.bin");
    let output = smena(&["bake", &file, "-o", &copy]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mode = fs::metadata(&copy).expect("a copy").permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    for out in [&file, "/dev/full"] {
        let output = smena(&["bake", &file, "-o", out]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("give -o another name"));
    }
    let kept = fs::read_to_string(&file).expect("own file");
    assert!(kept.contains("auth_pass"));
    fs::remove_file(file).expect("own file");
    fs::remove_file(copy).expect("own file");
}

/// Standard output takes nothing: that is said, and is the system's refusal.
#[test]
fn what_cannot_be_written_is_told() {
    let full = fs::File::options().write(true).open("/dev/full");
    let mut command = Command::new(SMENA);
    command.arg("version").stdout(full.expect("a device"));
    let output = command.output().expect("smena starts");
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("no space left (ENOSPC)"));
}

/// The binary where every user can execute it: the build folder may be closed.
fn readable_copy(name: &str) -> PathBuf {
    let copy = std::env::temp_dir().join(format!("smena-lab-{}-{name}", std::process::id()));
    fs::copy(SMENA, &copy).expect("a copy in the folder for temporary files");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("own file");
    copy
}

/// A file can be right and its machine not: a program that is missing, or that
/// anybody could have written, and a user that there is not.
#[test]
fn what_the_machine_lacks_is_noted() {
    let open = write("open.sh", "#!/bin/sh\n");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("own file");
    let plain = write("plain.sh", "#!/bin/sh\n");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).expect("own file");
    let more = format!(
        "notify = /nonexistent/role.sh up\nresource = {open}\nresource = {plain}\ntrack = c\n\
         track = d\n[check c]\nexec = no-such-program --now\n[check d]\nexec = test -e /\n\
         [node]\nscript_user = nobody-has-this-name\n"
    );
    let file = write("lacking.ini", &smena_ini(100, &more));
    let output = smena(&["check", "-c", &file]);
    fs::remove_file(&open).expect("own file");
    fs::remove_file(&plain).expect("own file");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(stdout(&output).ends_with(": ok\n"), "{text}");
    for (word, why) in [
        (
            "nobody-has-this-name",
            "/etc/passwd has no user `nobody-has-this-name`: add one",
        ),
        (
            "/nonexistent/role.sh",
            "open below /: no such file (ENOENT): check the path",
        ),
        (&open, "(mode 777): chmod go-w"),
        (&plain, "is not executable: chmod +x"),
        ("no-such-program", "PATH has no such program: install it"),
    ] {
        let said = format!("note: `{word}` cannot be used on this machine\n  --> {file}:");
        let (_, rest) = text
            .split_once(&said)
            .unwrap_or_else(|| panic!("{word} in\n{text}"));
        let hint = rest.lines().find(|line| line.contains("^")).unwrap_or("");
        assert!(hint.contains(why), "{why} in\n{text}");
    }
}

#[test]
fn every_mistake_of_a_file_is_shown_at_its_place() {
    let file = write(
        "wrong.ini",
        &smena_ini(100, "priorty = 101\nadvert_int = 0s"),
    );
    let output = smena(&["check", "-c", &file]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2));
    let place = format!("--> {file}:6:1");
    assert!(
        text.contains("error: unknown key `priorty` in [vrrp VI_01]"),
        "{text}"
    );
    assert!(text.contains(&place), "{text}");
    assert!(text.contains("did you mean `priority`?"), "{text}");
    assert!(
        text.contains(&format!("--> {file}:7:")),
        "both are shown: {text}"
    );
    fs::remove_file(file).expect("own file");
}

#[test]
fn a_good_file_is_ok_in_one_line_and_warnings_are_counted() {
    let file = write("good.ini", &smena_ini(100, ""));
    let output = smena(&["check", "-c", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), format!("{file}: ok\n"));
    fs::remove_file(file).expect("own file");

    let file = write("warned.ini", &smena_ini(100, "auth_pass = wimark123"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("own file");
    let output = smena(&["check", "-c", &file]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stdout(&output), format!("{file}: ok, 1 warnings\n"));
    assert!(stderr(&output).contains("wimark12"), "{}", stderr(&output));
    fs::remove_file(file).expect("own file");
}

#[test]
fn check_peer_finds_what_would_prevent_a_fail_over() {
    let a = write("peer-a.ini", &smena_ini(101, ""));
    let b = write("peer-b.ini", &smena_ini(100, ""));
    let output = smena(&["check", "-c", &a, "--peer", &b]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), format!("{a}: ok\n{b}: ok\n"));

    let other = smena_ini(100, "").replace("= 51", "= 52");
    let b = write("peer-b.ini", &other);
    let output = smena(&["check", "-c", &a, "--peer", &b]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("virtual_router_id"),
        "{}",
        stderr(&output)
    );
    fs::remove_file(a).expect("own file");
    fs::remove_file(b).expect("own file");
}

#[test]
fn a_wrong_command_line_exits_2_and_helps() {
    for words in [
        &["chekc"][..],
        &["run", "-x"],
        &["check", "-c"],
        &["status", "extra"],
    ] {
        let output = smena(words);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{words:?}: {}",
            stderr(&output)
        );
        assert!(!output.stderr.is_empty());
    }
    assert!(stderr(&smena(&["chekc"])).contains("check"));
    let output = smena(&["version"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn run_without_the_privilege_says_what_is_refused() {
    let copy = readable_copy("unprivileged");
    let file = std::env::temp_dir().join(format!("smena-lab-{}.ini", std::process::id()));
    fs::write(&file, smena_ini(100, "")).expect("a file for temporary use");
    let mut command = Command::new(&copy);
    command.args(["run", "-c"]).arg(&file).stdin(Stdio::null());
    if sys::is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().expect("smena starts");
    fs::remove_file(&copy).expect("own file");
    fs::remove_file(&file).expect("own file");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(!text.is_empty());
}

#[test]
fn a_second_instance_is_refused_and_the_first_lives_on() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (a, mut keeper) = smena_alone(lab, "");
        let ini = a.folder().join("smena.ini");
        let output = a.command(&["run", "-c", ini.to_str().expect("ASCII path")]);
        assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("/run/smena.sock"),
            "{}",
            stderr(&output)
        );
        assert!(keeper.ended().is_none());
        assert_eq!(a.state("VI_01"), "MASTER");
        assert_eq!(lab.watch.owners(VIP), ["a"]);

        // A socket that a killed one left does not stop the next.
        keeper.signal(sys::SIGKILL);
        keeper.wait(LIMIT);
        let _keeper = a.smena(&smena_ini(100, ""));
        a.wait_state("VI_01", "MASTER", LIMIT);
    });
}

#[test]
fn a_log_that_nobody_reads_stalls_nothing() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        lab.judge_later(&a);
        let (read, write) = sys::pipe().expect("a pipe");
        let mut filler = fs::File::from(write.try_clone().expect("a descriptor"));
        sys::set_nonblocking(&write, true).expect("own descriptor");
        while filler.write(&[b'x'; 4096]).is_ok() {}
        while filler.write(b"x").is_ok() {}
        sys::set_nonblocking(&write, false).expect("own descriptor");
        drop(filler);

        let chatty = a.script("chatty.sh", "yes chatter | head -n 1000");
        let more = format!(
            "version = 3\nadvert_int = 100ms\ntrack = probe weight 2\nnotify = {0}\n\
             [check probe]\nexec = {0}\ninterval = 200ms",
            chatty.display()
        );
        let mut command = a.smena_command(&smena_ini(100, &more));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(write);
        let mut keeper = a.start(command, a.folder().join("unread.log"));
        expect_owner(lab, "a");
        let from = Instant::now();
        std::thread::sleep(Duration::from_secs(4));
        let adverts = lab.capture.adverts_of("a");
        let since: Vec<_> = adverts.iter().filter(|(at, _)| *at >= from).collect();
        assert!(since.len() >= 30, "{}", since.len());
        assert_eq!(a.state("VI_01"), "MASTER");
        keeper.signal(sys::SIGTERM);
        let status = keeper.wait(LIMIT);
        assert_eq!(status.code(), Some(0));
        drop(read);
    });
}

#[test]
fn a_log_whose_reader_has_gone_ends_nothing() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let (read, write) = sys::pipe().expect("a pipe");
        drop(read);
        let mut command = a.smena_command(&smena_ini(100, ""));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(write);
        let mut keeper = a.start(command, a.folder().join("unread.log"));
        expect_owner(lab, "a");
        assert!(keeper.ended().is_none());
    });
}

#[test]
fn closed_standard_descriptors_harm_nobody() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        lab.judge_later(&a);
        let ini = a.file("smena.ini", &smena_ini(100, ""));
        let line = format!("exec {SMENA} run -c {} 0<&- 1>&- 2>&-", ini.display());
        let mut keeper = a.daemon("closed", "/bin/sh", &["-c", &line]);
        expect_owner(lab, "a");
        assert_eq!(a.state("VI_01"), "MASTER");
        assert!(keeper.ended().is_none());
    });
}

#[test]
fn a_sysctl_that_is_not_there_is_named() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let more = "[sysctl]\nnet.ipv4.ip_nonlocal_bind = 1\nnet.ipv4.no_such_thing = 1";
        let keeper = a.smena(&smena_ini(100, more));
        keeper.wait_log("net.ipv4.no_such_thing", LIMIT);
        let value = a.machine().read("/proc/sys/net/ipv4/ip_nonlocal_bind");
        assert_eq!(value.expect("it is there").trim(), "1");
    });
}
