//! What checks and hooks print, however much it is; a check that forks for ever;
//! lines to a socket; and a shell line of the field as it stands.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use super::harness::node::Node;
use super::harness::{Pace, eventually, scenario, sys};
use super::pair::{LIMIT, expect_owner, smena_ini};

const MINUTE: Duration = Duration::from_secs(60);

fn check(node: &Node, name: &str) -> (String, String) {
    let status = node.status().1;
    let check = status["checks"].named("name", name);
    (
        check["state"].text().to_owned(),
        check["last"].text().to_owned(),
    )
}

/// 10 MB from a check and from a hook: both come to their end, the log has a
/// bounded part of it and says so, and adverts keep their time. What has no line
/// end is one line, of which the begin is told.
#[test]
fn ten_megabytes_of_output() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let much = "yes 'a line of a talkative program' | head -c 10000000";
        let check_script = a.script("much.sh", &format!("{much}\nexit 0"));
        let endless = a.script(
            "endless.sh",
            "head -c 10000000 /dev/zero | tr '\\0' x; exit 0",
        );
        let hook = a.script(
            "hook.sh",
            &format!("{much}; echo $3 > {}/told", a.folder().display()),
        );
        let more = format!(
            "version = 3\nadvert_int = 100ms\nnotify = {}\n\
             track = much weight 1\ntrack = endless weight 1\n\
             [check much]\nexec = {}\ninterval = 30s\n\
             [check endless]\nexec = {}\ninterval = 30s",
            hook.display(),
            check_script.display(),
            endless.display()
        );
        let keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        let from = Instant::now();
        let up = |name: &str| check(&a, name) == ("up".to_owned(), "exit 0".to_owned());
        let limit = Duration::from_secs(30);
        eventually(limit, "the checks end", || up("much") && up("endless"));
        eventually(limit, "the hook ends", || a.text("told").trim() == "MASTER");
        let log = keeper.log();
        assert!(log.len() < 200_000, "{} bytes of log", log.len());
        for name in ["check much", "hook VI_01"] {
            let said = |part: &str| log.lines().any(|l| l.contains(name) && l.contains(part));
            assert!(said("a line of a talkative program"), "{name}");
            assert!(said("lines of output dropped"), "{name}");
        }
        let endless: Vec<&str> = log
            .lines()
            .filter(|l| l.contains("check endless: xxx"))
            .collect();
        assert!(
            !endless.is_empty() && endless.len() <= 2,
            "{}",
            endless.len()
        );
        assert!(endless[0].ends_with("x..."), "{}", endless[0]);
        let adverts = lab.capture.adverts_of("a");
        let since: Vec<_> = adverts.iter().filter(|(at, _)| *at >= from).collect();
        for pair in since.windows(2) {
            let apart = pair[1].0 - pair[0].0;
            assert!(
                apart < Duration::from_millis(400),
                "{apart:?} between two adverts"
            );
        }
    });
}

/// A check that forks for ever within a limit of processes: the keeper stays
/// master, the check fails, all is well once it has stopped, and nothing is left
/// behind.
#[test]
fn a_fork_bomb_within_a_limit() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let group = format!("/sys/fs/cgroup/pids/smena-lab-{}", std::process::id());
        let Ok(group) = Limited::new(&group, "/sys/fs/cgroup/pids", 80) else {
            super::harness::skip("a_fork_bomb_within_a_limit", "no pids cgroup can be made");
            return;
        };
        let bomb = a.script("bomb.sh", "b() { b | b & sleep 84567; }; b; exit 0");
        let flag = a.folder().join("explode");
        let start = a.script(
            "start.sh",
            &format!(
                "[ -e {} ] || exit 0\nexec {}",
                flag.display(),
                bomb.display()
            ),
        );
        let more = format!(
            "track = bomb weight 1\ntrack = other weight 2\n\
             [check bomb]\nexec = {}\ninterval = 1s\ntimeout = 800ms\n\
             [check other]\nexec = /bin/true\ninterval = 500ms",
            start.display()
        );
        let mut keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        eventually(LIMIT, "both are up", || {
            check(&a, "bomb").0 == "up" && check(&a, "other").0 == "up"
        });
        for pid in keeper.pids() {
            group.take(pid);
        }
        fs::write(&flag, "").expect("own folder");
        eventually(LIMIT, "the bomb has failed", || {
            check(&a, "bomb").0 == "down"
        });
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!(a.state("VI_01"), "MASTER");
        fs::remove_file(&flag).expect("own file");
        eventually(Duration::from_secs(30), "both are up again", || {
            check(&a, "bomb").0 == "up" && check(&a, "other").0 == "up"
        });
        let left = || {
            let running = a.machine().processes();
            let of_bomb = |l: &&String| l.contains("84567") || l.contains("bomb.sh");
            running.iter().filter(of_bomb).count()
        };
        eventually(LIMIT, "nothing is left behind", || left() == 0);
        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
    });
}

/// A control group with a limit of processes.
struct Limited {
    path: String,
    above: &'static str,
}

impl Limited {
    fn new(path: &str, above: &'static str, most: u32) -> std::io::Result<Limited> {
        fs::create_dir(path)?;
        let group = Limited {
            path: path.to_owned(),
            above,
        };
        fs::write(format!("{path}/pids.max"), most.to_string())?;
        Ok(group)
    }

    fn take(&self, pid: u32) {
        fs::write(format!("{}/cgroup.procs", self.path), pid.to_string()).expect("own group");
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let held = fs::read_to_string(format!("{}/cgroup.procs", self.path)).unwrap_or_default();
        for pid in held.lines() {
            let _ = fs::write(format!("{}/cgroup.procs", self.above), pid);
        }
        let _ = fs::remove_dir(&self.path);
    }
}

/// Lines go to a socket as well, each in a datagram of its own; while nobody
/// takes them they are lost and counted.
#[test]
fn lines_to_a_socket_and_those_that_are_lost() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let flag = a.file("flag", "");
        let path = a.folder().join("events");
        let socket = UnixDatagram::bind(&path).expect("own folder");
        socket.set_read_timeout(Some(LIMIT)).expect("a socket");
        let more = format!(
            "track = flag\n[check flag]\nfile = {}\ninterval = 100ms\n[node]\nnotify_fifo = {}",
            flag.display(),
            path.display()
        );
        let keeper = a.smena(&smena_ini(100, &more));
        let line = || {
            let mut buffer = [0; 200];
            let length = socket.recv(&mut buffer).expect("a line comes");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        assert_eq!(line(), "INSTANCE \"VI_01\" BACKUP 100\n");
        assert_eq!(line(), "INSTANCE \"VI_01\" MASTER 100\n");
        let counts = || {
            let fifo = &a.status().1["notify_fifo"];
            (fifo["sent"].number(), fifo["lost"].number())
        };
        assert_eq!(counts(), (Some(2), Some(0)));
        // The reader goes and leaves its socket behind.
        drop(socket);
        fs::remove_file(&flag).expect("own file");
        a.wait_state("VI_01", "FAULT", LIMIT);
        eventually(LIMIT, "one is lost", || counts() == (Some(2), Some(1)));
        keeper.wait_log("notify_fifo", LIMIT);
        // Another one comes.
        fs::remove_file(&path).expect("own file");
        let socket = UnixDatagram::bind(&path).expect("own folder");
        socket.set_read_timeout(Some(LIMIT)).expect("a socket");
        a.file("flag", "");
        let mut buffer = [0; 200];
        let length = socket.recv(&mut buffer).expect("a line comes");
        assert_eq!(&buffer[..length], b"INSTANCE \"VI_01\" BACKUP 100\n");
        eventually(LIMIT, "it is counted", || {
            let (sent, lost) = counts();
            sent >= Some(3) && lost == Some(1)
        });
    });
}

/// The line of a pair of the field, with a shell and with a server that speaks TLS.
#[test]
fn a_shell_line_as_it_stands() {
    scenario(
        &["openssl", "curl", "killall"],
        Pace::Shared,
        MINUTE,
        |lab| {
            let a = lab.node("a", &["10.0.0.1/24"]);
            let (key, cert) = (a.folder().join("key.pem"), a.folder().join("cert.pem"));
            let (key, cert) = (key.display().to_string(), cert.display().to_string());
            a.machine().tool(
            "openssl",
            &format!("req -x509 -newkey rsa:2048 -nodes -subj /CN=a -days 9 -keyout {key} -out {cert}"),
        );
            // A stand-in with haproxy's name.
            let program = a.folder().join("haproxy");
            fs::copy("/bin/sleep", &program).expect("a copy");
            let program = program.to_str().expect("ASCII path").to_owned();
            let mut haproxy = a.daemon("haproxy", &program, &["600"]);
            let words = [
                "s_server", "-quiet", "-accept", "443", "-www", "-key", &key, "-cert", &cert,
            ];
            let mut server = a.daemon("tls", "/usr/bin/openssl", &words);
            let more = "track = probe weight 10\n[check probe]\n\
                    exec = killall -0 haproxy && curl -k https://localhost/ >/dev/null\n\
                    shell = yes\ninterval = 500ms\ntimeout = 5s";
            let _keeper = a.smena(&smena_ini(100, more));
            eventually(LIMIT, "it is up", || check(&a, "probe").0 == "up");
            server.signal(sys::SIGKILL);
            server.wait(LIMIT);
            // curl: the connection was refused.
            let down = |why: &str| check(&a, "probe") == ("down".to_owned(), why.to_owned());
            eventually(LIMIT, "the server is missed", || down("exit 7"));
            let _server = a.daemon("tls", "/usr/bin/openssl", &words);
            eventually(LIMIT, "it is up again", || check(&a, "probe").0 == "up");
            haproxy.signal(sys::SIGKILL);
            haproxy.wait(LIMIT);
            eventually(LIMIT, "the process is missed", || down("exit 1"));
        },
    );
}
