//! What scripts of real appliances live through: roles that flap while a script
//! sleeps, resources, a stop that waits for its hook, states told without a
//! program, and scripts that are none.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::harness::node::{Daemon, Node};
use super::harness::{Lab, Pace, always, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, boxes, expect_owner, keepalived_conf, smena_ini};

const MINUTE: Duration = Duration::from_secs(60);
const FAST: &str = "version = 3\nadvert_int = 100ms\n";

/// As an appliance in the field has it: a backup waits before it restarts its
/// containers, and looks whether it is one still. `compose` takes its time.
const ROLE: &str = "
cd FOLDER
compose() { sleep $3; [ $2 = up ] && touch $1-runs || rm -f $1-runs; }
case $3 in
MASTER)
    echo MASTER > lock
    compose backup down 1
    compose master up 2 ;;
BACKUP)
    echo BACKUP > lock
    sleep 2
    [ \"$(cat lock)\" = BACKUP ] || exit 0
    touch passed
    compose master down 1
    compose backup up 2 ;;
esac
echo $3 >> done
";

/// Which containers run when `a` was master, then backup for so long that its
/// script has just looked, and then is master for good.
fn flap(lab: &mut Lab, start: impl Fn(&Node, u8, &Path) -> Daemon) -> (bool, bool) {
    let (a, b) = boxes(lab);
    let text = ROLE.replace("FOLDER", &a.folder().display().to_string());
    let role = a.script("role.sh", &text);
    let idle = b.script("role.sh", "");
    let _a = start(&a, 100, &role);
    expect_owner(lab, "a");
    let limit = Duration::from_secs(20);
    eventually(limit, "the first role is taken", || {
        a.folder().join("master-runs").exists()
    });
    let _ = fs::remove_file(a.folder().join("passed"));
    let mut other = start(&b, 200, &idle);
    expect_owner(lab, "b");
    eventually(limit, "the script has looked", || {
        a.folder().join("passed").exists()
    });
    other.signal(sys::SIGTERM);
    other.wait(LIMIT);
    expect_owner(lab, "a");
    // Longer than both scripts take, one after the other.
    std::thread::sleep(Duration::from_secs(9));
    let runs = |what: &str| a.folder().join(format!("{what}-runs")).exists();
    (runs("master"), runs("backup"))
}

#[test]
fn a_flap_while_the_script_sleeps_ends_in_the_right_state() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let found = flap(lab, |node, priority, role| {
            let notify = format!("{FAST}notify = {}", role.display());
            node.smena(&smena_ini(priority, &notify))
        });
        assert_eq!(found, (true, false), "the master's containers alone");
    });
}

/// The same beside it: keepalived runs the two scripts at once.
#[test]
fn with_keepalived_the_same_flap_starts_both() {
    scenario(&["keepalived"], Pace::Shared, MINUTE, |lab| {
        let found = flap(lab, |node, priority, role| {
            let more = format!("version 3\nadvert_int 0.1\nnotify {}", role.display());
            let conf = keepalived_conf(priority, &more);
            let global = "global_defs {\nscript_user root\n}\n";
            node.keepalived(&format!("{global}{conf}"))
        });
        assert_eq!(found, (true, true), "the backup's containers as well");
    });
}

/// A file of the field that may stand beside the project, by its very bytes.
fn seed(name: &str) -> Option<PathBuf> {
    let project = std::env::var("CARGO_MANIFEST_DIR").expect("run by cargo");
    let path = Path::new(&project).join("../shared/seeds").join(name);
    path.exists().then_some(path)
}

/// Says so past the harness, which would keep it to itself. It is no failure
/// under `SMENA_LAB=required`: only some checkouts have these files beside them.
fn skipped(name: &str) {
    let line = format!("\nSKIPPED lab::roles::{name}: no ../shared/seeds beside the project\n");
    let told = std::io::stdout().write_all(line.as_bytes());
    told.expect("standard output");
}

/// A root folder of its own for a script that writes to `/` and `/etc`; returns
/// the hook that runs it there. `tools` are put into `/usr/local/bin`.
fn rooted(node: &Node, script: &Path, folders: &[&str], tools: &[(&str, &str)]) -> PathBuf {
    let root = node.folder().join("root");
    for folder in ["usr", "dev", "proc", "tmp", "var/log", "etc"]
        .iter()
        .chain(folders)
    {
        fs::create_dir_all(root.join(folder)).expect("own folder");
    }
    for link in ["bin", "sbin", "lib", "lib64"] {
        let target = format!("usr/{link}");
        std::os::unix::fs::symlink(target, root.join(link)).expect("own folder");
    }
    fs::copy(script, root.join("etc/script")).expect("readable");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(root.join("etc/script"), mode).expect("own file");
    for (name, text) in tools {
        node.script(&format!("tools/{name}"), text);
    }
    fs::create_dir_all(node.folder().join("tools")).expect("own folder");
    let (tools, root) = (node.folder().join("tools"), root.display().to_string());
    let machine = node.machine();
    machine.tool("mount", &format!("--bind /usr {root}/usr"));
    machine.tool("mount", &format!("--bind /dev {root}/dev"));
    machine.tool(
        "mount",
        &format!("--bind {} {root}/usr/local/bin", tools.display()),
    );
    node.script(
        "in-root.sh",
        &format!("exec chroot {root} /etc/script \"$@\""),
    )
}

#[test]
fn the_wimark_script_runs_unchanged() {
    let Some(script) = seed("wimark/master-backup.sh") else {
        return skipped("the_wimark_script_runs_unchanged");
    };
    let limit = Duration::from_secs(120);
    scenario(&["bash", "chroot"], Pace::Shared, limit, move |lab| {
        let (a, b) = boxes(lab);
        let compose = "sleep 2; [ $1 = up ] && touch running || rm -f running";
        let folders = ["etc/wimark/master", "etc/wimark/backup"];
        let hook = rooted(&a, &script, &folders, &[("docker-compose", compose)]);
        let root = a.folder().join("root");
        let more = format!("{FAST}notify = {}", hook.display());
        let _a = a.smena(&smena_ini(100, &more));
        let runs = |what: &str| root.join("etc/wimark").join(what).join("running").exists();
        let patience = Duration::from_secs(40);
        eventually(patience, "the first role is taken", || runs("master"));
        let mut other = b.smena(&smena_ini(200, FAST));
        expect_owner(lab, "b");
        let lock = || fs::read_to_string(root.join("pa.lock")).unwrap_or_default();
        eventually(LIMIT, "the script sleeps", || lock() == "BACKUP\n");
        std::thread::sleep(Duration::from_secs(1));
        other.signal(sys::SIGTERM);
        other.wait(LIMIT);
        eventually(patience, "the roles are taken in order", || {
            let hook = a.status().1["hooks"].named("vrrp", "VI_01").clone();
            hook["state"].text() == "MASTER"
                && hook["running"] == super::harness::json::Json::Bool(false)
                && hook["queued"].number() == Some(0)
        });
        assert_eq!(lock(), "MASTER\n");
        assert!(runs("master") && !runs("backup"));
    });
}

/// What answers for a cloud: `http://169.254.169.254/metadata/v1/id`.
fn metadata(node: &Node) -> Daemon {
    node.machine().ip("address add 169.254.169.254/32 dev lo");
    node.file("metadata/v1/id", "4711");
    let folder = node.folder().display().to_string();
    let words = ["-m", "http.server", "80", "--bind", "169.254.169.254", "-d"];
    let words: Vec<&str> = words.into_iter().chain([folder.as_str()]).collect();
    node.daemon("metadata", "/usr/bin/python3", &words)
}

#[test]
fn the_floatip_script_runs_unchanged_as_a_resource() {
    let Some(script) = seed("heartbeat/floatip") else {
        return skipped("the_floatip_script_runs_unchanged_as_a_resource");
    };
    let needs = &["bash", "chroot", "curl", "python3"];
    scenario(needs, Pace::Shared, MINUTE, move |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let _metadata = metadata(&a);
        let python = "shift; echo \"$*\" >> /tmp/assigned";
        let hook = rooted(&a, &script, &[], &[("python", python)]);
        let more = format!("resource = {} interval 500ms", hook.display());
        let _keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        eventually(LIMIT, "the address was asked for", || {
            a.text("root/tmp/assigned").contains(" 4711\n")
        });
        let resources = || a.status().1["resources"].named("vrrp", "VI_01").clone();
        eventually(LIMIT, "its status is looked at", || {
            resources()["word"].text() == "status"
        });
        always(Duration::from_secs(2), "it is well", || {
            a.state("VI_01") == "MASTER" && resources()["started"].number() == Some(1)
        });
    });
}

#[test]
fn resources_start_in_order_stop_in_reverse_and_a_failure_is_fault() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let calls = a.folder().join("calls");
        let log = format!("echo \"${{0##*/}} $*\" >> {}", calls.display());
        let disk = a.script("disk", &log);
        // Its status is as good as the file `well`.
        let web = a.script(
            "web",
            &format!(
                "{log}; [ $2 != status ] || [ -e {}/well ]",
                a.folder().display()
            ),
        );
        a.file("well", "");
        let more = format!(
            "{FAST}resource = {}\nresource = {} port interval 200ms",
            disk.display(),
            web.display()
        );
        let mut keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        let started = "web port stop\ndisk stop\ndisk start\nweb port start\nweb port status\n";
        eventually(LIMIT, "both are started", || {
            a.text("calls").starts_with(started)
        });
        fs::remove_file(a.folder().join("well")).expect("own file");
        a.wait_state("VI_01", "FAULT", LIMIT);
        let reason = a.router("VI_01")["reason"].text().to_owned();
        assert_eq!(
            reason,
            format!("resource {} failed at status", web.display())
        );
        eventually(LIMIT, "both are stopped", || {
            a.text("calls").ends_with("web port stop\ndisk stop\n")
        });
        assert!(lab.watch.wait_for(VIP, &[], LIMIT));
        a.file("well", "");
        // After 10 s it tries again.
        expect_owner(lab, "a");
        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
        assert!(a.text("calls").ends_with("web port stop\ndisk stop\n"));
    });
}

#[test]
fn a_stop_after_the_hook_keeps_the_address_until_it_has_ended() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        lab.judge_later(&a);
        let out = a.folder().join("out");
        let hook = a.script(
            "role.sh",
            &format!(
                "[ $3 = STOP ] || exit 0; sleep 2; ip -o address show dev eth0 > {}",
                out.display()
            ),
        );
        let more = format!("{FAST}notify = {}\nrelease = after-hook", hook.display());
        let mut keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        let asked = std::time::Instant::now();
        keeper.signal(sys::SIGTERM);
        eventually(LIMIT, "it is on its way", || {
            a.router("VI_01")["releasing"] == super::harness::json::Json::Bool(true)
        });
        assert_eq!(a.state("VI_01"), "MASTER");
        keeper.wait(LIMIT);
        assert!(asked.elapsed() >= Duration::from_secs(2));
        assert!(
            a.text("out").contains(" 10.0.0.49/32 "),
            "{}",
            a.text("out")
        );
        assert!(lab.watch.wait_for(VIP, &[], LIMIT));
        // It went on as master meanwhile, and left with priority 0.
        let adverts = lab.capture.adverts_of("a");
        assert!(adverts.len() > 15, "{}", adverts.len());
    });
}

#[test]
fn states_are_told_to_a_file_and_a_fifo() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let (folder, fifo) = (a.folder().join("new"), a.folder().join("fifo"));
        let ini = format!(
            "[node]\nnotify_fifo = {}\n{}",
            fifo.display(),
            smena_ini(
                100,
                &format!("{FAST}state_file = {}/VI_01", folder.display())
            )
        );
        let mut keeper = a.smena(&ini);
        expect_owner(lab, "a");
        eventually(LIMIT, "the file says so", || {
            a.text("new/VI_01") == "MASTER\n"
        });
        let counts = a.status().1["notify_fifo"].clone();
        assert_eq!(counts["sent"].number(), Some(2));
        assert_eq!(counts["lost"].number(), Some(0));
        // Nobody has read yet; the lines wait.
        let mut lines = vec![0; 4096];
        let reader = fs::OpenOptions::new().read(true).write(true).open(&fifo);
        let mut reader = reader.expect("smena made it");
        let length = std::io::Read::read(&mut reader, &mut lines).expect("lines");
        let lines = String::from_utf8_lossy(&lines[..length]).into_owned();
        let expected = "INSTANCE \"VI_01\" BACKUP 100\nINSTANCE \"VI_01\" MASTER 100\n";
        assert_eq!(lines, expected);
        drop(reader);
        // What is neither takes nothing, and that is counted.
        fs::remove_file(&fifo).expect("own file");
        fs::create_dir(&fifo).expect("own folder");
        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
        assert_eq!(a.text("new/VI_01"), "STOP\n");
        let complaints = keeper.log().matches("notify_fifo ").count();
        assert_eq!(complaints, 1, "{}", keeper.log());
        assert!(!folder.join("VI_01.new").exists());
    });
}

/// Each is said once with its reason, and the address does not mind.
#[test]
fn scripts_that_are_none_are_told_with_their_reason() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let plain = a.file("plain", "#!/bin/sh\n");
        let odd = a.script("odd", "");
        fs::write(&odd, "#!/nonexistent/shell\n").expect("own file");
        let text = a.script("text", "");
        fs::write(&text, "no first line\n").expect("own file");
        let gone = a.folder().join("gone");
        for (path, reason) in [
            (&plain, "is not executable: chmod +x"),
            (&odd, "check the path, and the interpreter"),
            (&text, "begin the script with a line such as #!/bin/sh"),
            (&gone, "no such file (ENOENT): check the path"),
        ] {
            let more = format!("{FAST}notify = {}", path.display());
            let keeper = a.smena(&smena_ini(100, &more));
            expect_owner(lab, "a");
            keeper.wait_log(reason, LIMIT);
            drop(keeper);
            assert!(lab.watch.wait_for(VIP, &[], LIMIT));
        }
    });
}

#[test]
fn much_output_without_an_end_costs_a_bounded_number_of_lines() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        lab.judge_later(&a);
        let hook = a.script(
            "role.sh",
            "[ $3 = MASTER ] || exit 0
            head -c 10000000 /dev/zero | tr '\\0' x
            printf '\\n\\001\\377 end'; rm -f $0",
        );
        let more = format!("{FAST}notify = {}", hook.display());
        let keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        keeper.wait_log("\\x01\\xff end", LIMIT);
        let log = keeper.log();
        let said = log.lines().filter(|line| line.contains("hook VI_01: xxx"));
        assert_eq!(said.count(), 1);
        assert!(log.len() < 20_000, "{} bytes of log", log.len());
        // It removed itself while it ran, which matters to the next one only.
        eventually(LIMIT, "it has ended well", || {
            a.status().1["hooks"].named("vrrp", "VI_01")["exit"].number() == Some(0)
        });
        for pair in lab.capture.adverts_of("a").windows(2) {
            let apart = pair[1].0 - pair[0].0;
            assert!(apart < Duration::from_millis(500), "{apart:?}");
        }
    });
}

/// Its owner, who alone can, turns a link of the path to and fro while smena
/// looks: what is found is judged each time anew, and a bad place is refused.
#[test]
fn a_link_that_is_swapped_while_smena_looks_is_judged_each_time() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let right = a.script("right/role.sh", "echo right runs");
        a.script("open/role.sh", "echo WRONG RUNS");
        let open = a.folder().join("open");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(&open, mode).expect("own folder");
        let swap = a.script(
            "swap.sh",
            &format!(
                "cd {}; ln -sfn right now; while :; do ln -sfn open next; mv -T next now; \
                 ln -sfn right next; mv -T next now; done",
                a.folder().display()
            ),
        );
        let swapping = a.daemon("swap", swap.to_str().expect("ASCII"), &[]);
        drop(right);
        eventually(LIMIT, "the link is there", || {
            a.folder().join("now/role.sh").exists()
        });
        let path = a.folder().join("now/role.sh");
        let more = format!("{FAST}notify = {}\nreconcile = 20ms", path.display());
        let keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        std::thread::sleep(Duration::from_secs(5));
        drop(swapping);
        let log = keeper.log();
        assert!(log.contains("right runs"), "{log}");
        assert!(log.contains("can write"), "{log}");
    });
}
