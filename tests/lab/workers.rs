//! The workers of the forwarder as the keeper sees them: what they may, what
//! becomes of one that dies or hangs, and of all when the keeper does.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::harness::machine::Machine;
use super::harness::node::{Daemon, Node};
use super::harness::{Pace, eventually, scenario, sys};
use super::pair::{LIMIT, expect_owner, smena_ini};

const MINUTE: Duration = Duration::from_secs(60);
/// What the issue promises, and a little for a busy machine.
const PROMPT: Duration = Duration::from_millis(100);
const SERVED: &str = "10.0.0.1:8443";

#[test]
fn they_keep_no_right_and_no_descriptor_that_they_do_not_need() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let keeper = start(&a, "workers = 2", "");
        let workers = workers_of(&keeper, 2);
        for (number, pid) in workers.iter().enumerate() {
            let status = read(*pid, "status");
            let of = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_else(|| panic!("{name} in {status}")).trim()
            };
            assert_eq!(of("Uid:"), "65534\t65534\t65534\t65534");
            assert_eq!(of("Gid:"), "65534\t65534\t65534\t65534");
            assert_eq!(of("Groups:"), "65534");
            for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
                assert_eq!(of(set), "0000000000000000", "{set}");
            }
            assert_eq!(of("NoNewPrivs:"), "1");
            assert_eq!(of("Seccomp:"), "2");
            let title = read(*pid, "cmdline");
            assert_eq!(
                title.trim_end_matches('\0'),
                format!("smena: forward {number}")
            );
            // Field 41 is the policy; what follows the name begins with field 3.
            let stat = read(*pid, "stat");
            let policy = stat.rsplit(')').next().expect("a name");
            assert_eq!(policy.split_whitespace().nth(41 - 3), Some("0"));
            let soft = read(*pid, "limits");
            let line = soft.lines().find(|line| line.starts_with("Max open files"));
            let words: Vec<_> = line.expect("a limit").split_whitespace().collect();
            assert_eq!(words[3], words[4], "raised to the hard limit");
        }
        // Of sockets the two have none in common.
        let [one, two] = [0, 1].map(|at| sockets_of(workers[at]));
        assert!(!one.is_empty());
        assert_eq!(one.intersection(&two).count(), 0, "{one:?} {two:?}");
        // Guard, checks and copies have none at all.
        for pid in keeper.pids() {
            if pid != keeper.pid() && !workers.contains(&pid) {
                let theirs = sockets_of(pid);
                assert_eq!(theirs.intersection(&one).count(), 0, "{pid}");
            }
        }
    });
}

#[test]
fn one_that_speaks_from_the_clients_address_keeps_the_right_to_do_that() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let keeper = start(&a, "", "source = client");
        let [pid] = workers_of(&keeper, 1)[..] else {
            panic!("one worker");
        };
        let status = read(pid, "status");
        for set in ["CapPrm:", "CapEff:"] {
            // CAP_NET_RAW.
            let wanted = format!("{set}\t0000000000002000");
            assert!(status.contains(&wanted), "{status}");
        }
        assert!(status.contains("Uid:\t65534\t"), "{status}");
        assert!(status.contains("Seccomp:\t2"), "{status}");
    });
}

#[test]
fn one_that_is_killed_is_replaced_and_what_waited_for_it_is_served() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let _server = greeter(a.machine(), "127.0.0.1:9001");
        let keeper = start(&a, "workers = 2", "");
        expect_owner(lab, "a");
        let workers = workers_of(&keeper, 2);
        assert_eq!(ask(a.machine(), SERVED).expect("it serves"), "hello");
        let before = a.router("VI_01");
        // Stopped, neither accepts what the kernel takes in for it.
        for pid in &workers {
            sys::kill(*pid, sys::SIGSTOP).expect("it runs");
        }
        let clients: Vec<_> = (0..20)
            .map(|_| connect(a.machine(), SERVED).expect("the kernel takes it in"))
            .collect();
        let killed_at = Instant::now();
        sys::kill(workers[0], sys::SIGKILL).expect("it is there");
        let mut now = Vec::new();
        while now.iter().filter(|pid| !workers.contains(pid)).count() == 0 {
            now = living_workers(&keeper);
        }
        let took = killed_at.elapsed();
        println!("replaced after {took:?}");
        assert!(took < PROMPT, "{took:?}");
        sys::kill(workers[1], sys::SIGCONT).expect("it is there");
        for client in clients {
            assert_eq!(answer_to(client).expect("it is served"), "hello");
        }
        assert!(now.contains(&workers[1]), "the other one is still there");
        keeper.wait_log("worker 0 was killed by signal 9", LIMIT);
        let status = a.status().1;
        let forwarder = &status["forwarder"];
        assert_eq!(forwarder["state"].text(), "open");
        let restarts: Vec<_> = forwarder["workers"]
            .list()
            .iter()
            .map(|worker| worker["restarts"].number())
            .collect();
        assert_eq!(restarts, [Some(1), Some(0)]);
        let after = a.router("VI_01");
        for same in ["state", "transitions"] {
            assert_eq!(before[same].text(), after[same].text());
            assert_eq!(before[same].number(), after[same].number());
        }
        assert!(a.status().0.is_some());
    });
}

/// A refusal comes from the kernel, of each worker's socket, before anybody
/// could accept.
#[test]
fn clients_are_refused_at_once_while_no_server_is_left() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let more = "check = tcp\ninter = 200ms\nrise = 1\nfall = 1";
        let keeper = start(&a, "workers = 2", more);
        let workers = workers_of(&keeper, 2);
        keeper.wait_log("no server is left", LIMIT);
        let refused = || {
            let kinds = (0..10).map(|_| connect(a.machine(), SERVED).map_err(|e| e.kind()).err());
            kinds
                .flatten()
                .filter(|kind| *kind == ErrorKind::ConnectionRefused)
                .count()
        };
        assert_eq!(refused(), 10);
        // Its replacement refuses as well.
        sys::kill(workers[0], sys::SIGKILL).expect("it is there");
        workers_of(&keeper, 2);
        assert_eq!(refused(), 10);
        let mut server = a.daemon("greeter", "/usr/bin/python3", &["-c", GREETER]);
        keeper.wait_log("serves again", LIMIT);
        for _ in 0..10 {
            assert_eq!(ask(a.machine(), SERVED).expect("it serves"), "hello");
        }
        server.signal(sys::SIGKILL);
        server.wait(LIMIT);
        eventually(LIMIT, "the last server is gone", || {
            keeper.log().matches("no server is left").count() == 2
        });
        assert_eq!(refused(), 10);
        // Nobody spins at a listener that hangs up.
        let before = ticks(&keeper);
        std::thread::sleep(Duration::from_secs(2));
        let spent = ticks(&keeper) - before;
        assert!(spent < 10, "{spent} hundredths of a second in two");
    });
}

#[test]
fn one_that_hangs_is_killed_and_replaced() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let _server = greeter(a.machine(), "127.0.0.1:9001");
        let keeper = start(&a, "", "");
        let first = workers_of(&keeper, 1)[0];
        // One that rests is not taken for one that hangs.
        std::thread::sleep(Duration::from_secs(7));
        assert_eq!(living_workers(&keeper), [first]);
        sys::kill(first, sys::SIGSTOP).expect("it runs");
        keeper.wait_log("worker 0 gives no sign of life: killed", LIMIT);
        keeper.wait_log("worker 0 was killed by signal 9", LIMIT);
        let second = workers_of(&keeper, 1)[0];
        assert_ne!(first, second);
        assert_eq!(ask(a.machine(), SERVED).expect("it serves"), "hello");
    });
}

#[test]
fn a_killed_keeper_takes_them_along_and_leaves_the_port_free() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let forever = "[check forever]\nshell = yes\nexec = sleep 1000\ntimeout = 900s\n";
        let hook = a.script("role.sh", "setsid sleep 1000 &");
        let _server = greeter(a.machine(), "127.0.0.1:9001");
        let mut keeper = a.smena(&format!(
            "[node]\nworkers = 2\n{}{forever}{}",
            smena_ini(
                100,
                &format!("notify = {}\ntrack = forever", hook.display())
            ),
            service("")
        ));
        let workers = workers_of(&keeper, 2);
        eventually(LIMIT, "the check runs", || {
            a.machine()
                .processes()
                .iter()
                .any(|line| line == "sleep 1000")
        });
        let killed_at = Instant::now();
        keeper.signal(sys::SIGKILL);
        while workers.iter().any(|pid| lives(*pid)) {
            assert!(killed_at.elapsed() < LIMIT, "they are still there");
        }
        println!("gone after {:?}", killed_at.elapsed());
        keeper.wait(LIMIT);
        let again = a.machine().run(|| TcpListener::bind("0.0.0.0:8443"));
        again.expect("nobody has the port");
        assert!(killed_at.elapsed() < Duration::from_secs(1));
    });
}

/// As after a crash, when the workers of the run before have not ended yet.
#[test]
fn a_port_that_is_free_in_a_moment_is_waited_for() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let before = a.machine().run(|| TcpListener::bind("0.0.0.0:8443"));
        let before = before.expect("nobody has the port");
        let keeper = a.smena(&format!("[node]\nworkers = 2\n{}", service("")));
        std::thread::sleep(Duration::from_millis(100));
        assert!(living_workers(&keeper).is_empty(), "nothing has begun");
        drop(before);
        workers_of(&keeper, 2);
    });
}

#[test]
fn listeners_that_cannot_be_bound_are_all_named_before_anything_else() {
    const SOCKET: &str = "import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('10.0.0.1', 5300))
t = socket.socket(socket.AF_INET6)
t.bind(('::', 8080))
t.listen()
print('bound', flush=True)
time.sleep(1000)";
    scenario(&["python3"], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let other = a.daemon("python", "/usr/bin/python3", &["-c", SOCKET]);
        other.wait_log("bound", LIMIT);
        let status = read(other.pid(), "status");
        let inner = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let pid = inner.and_then(|ids| ids.split_whitespace().last());
        let pid = pid.expect("it has a number in the box");
        let ini = format!(
            "{}[service web]\nlisten = 10.0.0.1:8080\nlisten = *:8081\nserver = s1 10.0.0.2:80\n\
             [service names]\nlisten = udp *:5300\nserver = s1 10.0.0.2:53\n",
            smena_ini(100, "")
        );
        let path = a.file("smena.ini", &ini);
        let output = a.command(&["run", "-c", path.to_str().expect("ASCII")]);
        assert_eq!(output.status.code(), Some(4));
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        let lines: Vec<_> = said.lines().collect();
        let end = format!(
            "used by python3, pid {pid}): address in use (EADDRINUSE): stop it, or listen elsewhere"
        );
        let wanted = [
            format!("error: bind 10.0.0.1:8080 ([service web], {end}"),
            format!("error: bind udp *:5300 ([service names], {end}"),
        ];
        assert_eq!(lines, wanted);
        assert!(lab.capture.adverts_of("a").is_empty(), "nothing was said");
        assert!(a.machine().read("/run/smena.sock").is_err());
    });
}

#[test]
fn a_second_smena_does_not_take_half_of_the_clients() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let keeper = start(&a, "", "");
        workers_of(&keeper, 1);
        let ini = format!("[node]\ncontrol = /run/other.sock\n{}", service(""));
        let path = a.file("other.ini", &ini);
        let output = a.command(&["run", "-c", path.to_str().expect("ASCII")]);
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(
            said.contains("error: bind *:8443 ([service web], used by smena, pid "),
            "{said}"
        );
    });
}

#[test]
fn a_low_port_without_the_right_to_it_is_named() {
    use std::os::unix::process::CommandExt;
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let ini = "[node]\ncontrol = /tmp/smena-lab-low-port.sock\n\
                   [service web]\nlisten = 10.0.0.1:443\nlisten = [::]:80\n\
                   server = s1 10.0.0.2:80\n";
        let path = a.file("low.ini", ini);
        let mut command = std::process::Command::new(super::harness::node::SMENA);
        command
            .args(["run", "-c"])
            .arg(path)
            .uid(12_345)
            .gid(12_345);
        let output = a.machine().output(command).expect("it starts");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(4), "{said}");
        let why = "permission denied (EACCES): a port below net.ipv4.ip_unprivileged_port_start \
                   takes root or CAP_NET_BIND_SERVICE";
        for what in ["10.0.0.1:443", "[::]:80"] {
            let line = format!("error: bind {what} ([service web]): {why}\n");
            assert!(said.contains(&line), "{said}");
        }
    });
}

/// Takes a port as others do, or by force; then says so.
const TAKER: &str = "import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if sys.argv[1] == 'force':
    s.setsockopt(socket.IPPROTO_TCP, 19, 1)
try:
    s.bind(('0.0.0.0', 8443))
    s.listen()
    print('taken', flush=True)
except OSError as e:
    print('refused', flush=True)
time.sleep(1000)
";

/// The port stays ours while the service refuses. Who takes it by force has it
/// until it goes; then the service is there again.
#[test]
fn nobody_gets_the_port_of_a_service_that_refuses() {
    scenario(&["python3"], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let more = "check = tcp\ninter = 200ms\nrise = 1\nfall = 1";
        let keeper = start(&a, "workers = 2", more);
        workers_of(&keeper, 2);
        keeper.wait_log("no server is left", LIMIT);
        let python = "/usr/bin/python3";
        let other = a.daemon("other", python, &["-c", TAKER, "ask"]);
        other.wait_log("refused", LIMIT);
        // As TCP_REPAIR lets it.
        let other = a.daemon("forced", python, &["-c", TAKER, "force"]);
        other.wait_log("taken", LIMIT);
        let _server = greeter(a.machine(), "127.0.0.1:9001");
        let told = "listen ([service web]), tried again every second: address in use (EADDRINUSE)";
        keeper.wait_log(told, LIMIT);
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(keeper.log().matches("tried again").count(), 1);
        drop(other);
        keeper.wait_log("every open service listens again", LIMIT);
        for _ in 0..10 {
            assert_eq!(ask(a.machine(), SERVED).expect("it serves"), "hello");
        }
    });
}

/// The code of a worker is changed under it, as an intruder would, to ask for its
/// user's number, which is not on its list.
#[cfg(target_arch = "x86_64")]
#[test]
fn one_that_makes_another_call_than_it_may_is_ended_and_replaced() {
    use std::os::unix::fs::FileExt;
    // mov eax, 102 (getuid); syscall; and round for ever.
    const CODE: [u8; 9] = [0xb8, 102, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xfe];
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let _server = greeter(a.machine(), "127.0.0.1:9001");
        let keeper = start(&a, "", "");
        let first = workers_of(&keeper, 1)[0];
        // Where it goes on when its wait for events ends.
        let mut place = None;
        eventually(LIMIT, "it waits", || {
            let call = read(first, "syscall");
            let word = call.trim_end().rsplit(" 0x").next();
            place = word.and_then(|word| u64::from_str_radix(word, 16).ok());
            place.is_some()
        });
        let memory = fs::OpenOptions::new()
            .write(true)
            .open(format!("/proc/{first}/mem"));
        let memory = memory.expect("root may");
        memory
            .write_at(&CODE, place.expect("a place"))
            .expect("it is code");
        drop(connect(a.machine(), SERVED));
        keeper.wait_log(
            "worker 0 made a call that it may not make: signal 31",
            LIMIT,
        );
        let second = workers_of(&keeper, 1)[0];
        assert_ne!(first, second);
        assert_eq!(ask(a.machine(), SERVED).expect("it serves"), "hello");
    });
}

/// A keeper with a router and the service; `node` and `more` go into their
/// sections.
fn start(node: &Node, of_node: &str, more: &str) -> Daemon {
    let ini = format!("[node]\n{of_node}\n{}{}", smena_ini(100, ""), service(more));
    node.smena(&ini)
}

fn service(more: &str) -> String {
    let check = if more.contains("check") {
        ""
    } else {
        "check = none\n"
    };
    format!("[service web]\nlisten = *:8443\nserver = s1 127.0.0.1:9001\n{check}{more}\n")
}

/// A server that says hello to everybody.
fn greeter(machine: &Machine, address: &'static str) -> SocketAddr {
    let listener = machine.run(move || TcpListener::bind(address));
    let listener = listener.expect("the port is free");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let _ = client.and_then(|mut client| client.write_all(b"hello"));
        }
    });
    address
}

fn connect(machine: &Machine, to: &'static str) -> std::io::Result<TcpStream> {
    machine.run(move || TcpStream::connect_timeout(&to.parse().expect("an address"), LIMIT))
}

fn answer_to(mut client: TcpStream) -> std::io::Result<String> {
    client.set_read_timeout(Some(LIMIT))?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    Ok(answer)
}

fn ask(machine: &Machine, to: &'static str) -> std::io::Result<String> {
    connect(machine, to).and_then(answer_to)
}

/// A server of a process of its own that says hello to everybody.
const GREETER: &str = "import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', 9001))
s.listen(100)
while True:
    c, _ = s.accept()
    try:
        c.sendall(b'hello')
    except OSError:
        pass
    c.close()
";

/// What the keeper's processes have spent, in hundredths of a second.
fn ticks(keeper: &Daemon) -> u64 {
    let of = |pid: u32| {
        let stat = read(pid, "stat");
        let rest = stat.rsplit(')').next().unwrap_or_default();
        let fields = rest.split_whitespace().skip(14 - 3).take(2);
        fields
            .filter_map(|field| field.parse::<u64>().ok())
            .sum::<u64>()
    };
    keeper.pids().into_iter().map(of).sum()
}

/// The workers of a keeper, once there are so many that have settled.
fn workers_of(keeper: &Daemon, count: usize) -> Vec<u32> {
    eventually(LIMIT, "the workers run", || {
        let workers = living_workers(keeper);
        let settled = |pid: &u32| read(*pid, "status").contains("Seccomp:\t2");
        workers.len() == count && workers.iter().all(settled)
    });
    living_workers(keeper)
}

fn living_workers(keeper: &Daemon) -> Vec<u32> {
    let mut pids = keeper.pids();
    pids.retain(|pid| read(*pid, "comm") == "smena: forward\n" && lives(*pid));
    pids
}

/// The sockets that a process has open.
fn sockets_of(pid: u32) -> BTreeSet<String> {
    let fds = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten();
    let links = fds.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    let names = links.map(|link| link.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("socket:")).collect()
}

/// A file of a process; empty when it is gone.
fn read(pid: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

/// Whether a process runs and is no zombie.
fn lives(pid: u32) -> bool {
    let stat = read(pid, "stat");
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}
