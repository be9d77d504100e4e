//! What checks cost: the same number at the same pace for both programs, and as
//! many and as fast as smena takes them. keepalived looks for a process and asks
//! a server by a program, as its users do.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::table::{Figures, Table, Target};
use super::work::Program;
use crate::harness::node::{Daemon, Node};
use crate::harness::{Lab, new_folder};

/// Where the server of the checks listens.
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7777);
/// Checks that one router follows at most.
const TRACKS: usize = 16;
/// What one hundredth of a core is.
const PERCENT: f64 = 10.0;
/// Of /proc in a second, whatever the kernel's own are.
const TICKS: f64 = 100.0;
/// Later the loop should not be.
const LATE: f64 = 2.0;

/// A kind of check: as smena's line, and keepalived's command.
struct Kind {
    name: &'static str,
    line: &'static str,
    command: &'static str,
    /// At 64 checks every 100 ms.
    target: Target,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "programs (true)",
        line: "exec = /bin/true",
        command: "/bin/true",
        target: Target::None,
    },
    Kind {
        name: "processes (keepalived: killall -0)",
        line: "process = sleep",
        command: "/usr/bin/killall -0 sleep",
        target: Target::Every(PERCENT),
    },
    Kind {
        name: "files (keepalived: test -e)",
        line: "file = /etc/passwd",
        command: "/usr/bin/test -e /etc/passwd",
        target: Target::Every(PERCENT),
    },
    Kind {
        name: "connections (keepalived: sh and /dev/tcp)",
        line: "tcp = 127.0.0.1:7777",
        command: "/bin/bash -c '</dev/tcp/127.0.0.1/7777'",
        target: Target::None,
    },
];

/// Both at 16 checks a second, then ours at 640.
pub fn measure(table: &mut Table, length: Duration) {
    let none = Figures::default();
    for kind in KINDS {
        let (ours, _) = look(Program::Smena, &kind, 16, 1000, length);
        let (peer, _) = look(Program::Keepalived, &kind, 16, 1000, length);
        let what = format!("16 checks of {} every second", kind.name);
        table.add(&what, "ms/s", &ours, &peer, Target::None);
        let (ours, late) = look(Program::Smena, &kind, 64, 100, length);
        let what = format!("64 of {} every 100 ms", kind.name);
        table.add(&what, "ms/s", &ours, &none, kind.target);
        let what = "  and the loop late by at most";
        table.add(what, "ms", &late, &none, Target::Every(LATE));
    }
    let what = "640 connections, by a bare loop of connect and close";
    table.add(what, "ms/s", &floor(), &none, Target::None);
}

/// Milliseconds of processor time a second that the program and what it started
/// used, and how late its loop was.
fn look(
    program: Program,
    kind: &Kind,
    checks: usize,
    interval: u64,
    length: Duration,
) -> (Figures, Figures) {
    let mut lab = Lab::new(new_folder());
    let a = lab.node("a", &["10.0.0.1/24"]);
    let _sleeper = a.daemon("sleeper", "/bin/sleep", &["600"]);
    let bound = a.machine().run(|| TcpListener::bind(SERVER));
    accept(bound.expect("a free port"));
    let keeper = match program {
        Program::Smena => a.smena(&ini(kind, checks, interval)),
        Program::Keepalived => a.keepalived(&conf(kind, checks)),
    };
    // Masters by then, every check has run, and what comes after it is steady.
    std::thread::sleep(Duration::from_secs(6));
    let (before, began) = (spent(&keeper), Instant::now());
    std::thread::sleep(length);
    let used = spent(&keeper) - before;
    let ours = Figures::from(used * 1000.0 / began.elapsed().as_secs_f64());
    let late = match program {
        Program::Smena => Figures::from(late(&a, checks)),
        Program::Keepalived => Figures::default(),
    };
    (ours, late)
}

/// Accepts and closes for as long as the benchmark runs.
fn accept(server: TcpListener) {
    std::thread::spawn(move || {
        for connection in server.incoming() {
            drop(connection);
        }
    });
}

fn late(node: &Node, checks: usize) -> f64 {
    let status = node.status().1;
    let up = status["checks"].list().iter();
    let up = up.filter(|check| check["state"].text() == "up").count();
    assert_eq!(up, checks, "all checks are up");
    status["loop_lag_us"]["max"].number().expect("a number") as f64 / 1000.0
}

/// Seconds of processor time of the processes of a program and of all that they
/// have collected.
fn spent(keeper: &Daemon) -> f64 {
    let ticks = keeper.pids().into_iter().map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default();
        // utime, stime, cutime and cstime, counted from behind the name.
        let fields = fields.split_whitespace().skip(11).take(4);
        fields
            .filter_map(|field| field.parse::<f64>().ok())
            .sum::<f64>()
    });
    ticks.sum::<f64>() / TICKS
}

fn ini(kind: &Kind, checks: usize, interval: u64) -> String {
    let mut text = String::new();
    for router in 0..checks.div_ceil(TRACKS) {
        text += &format!(
            "[vrrp R{router}]\ninterface = eth0\nvirtual_router_id = {}\naddress = 10.0.0.{}\n",
            router + 1,
            router + 50
        );
        for check in (0..checks).skip(router * TRACKS).take(TRACKS) {
            text += &format!("track = c{check} weight 1\n");
        }
    }
    for check in 0..checks {
        let line = kind.line;
        text += &format!("[check c{check}]\n{line}\ninterval = {interval}ms\ntimeout = 2s\n");
    }
    text
}

fn conf(kind: &Kind, checks: usize) -> String {
    let mut text = String::from("global_defs {\n script_user root\n}\n");
    for check in 0..checks {
        let command = kind.command;
        text += &format!(
            "vrrp_script c{check} {{\n script \"{command}\"\n interval 1\n weight 1\n}}\n"
        );
    }
    text += "vrrp_instance R0 {\n state BACKUP\n interface eth0\n virtual_router_id 1\n \
             priority 100\n advert_int 1\n virtual_ipaddress {\n 10.0.0.50\n }\n track_script {\n";
    for check in 0..checks {
        text += &format!(" c{check}\n");
    }
    text + " }\n}\n"
}

/// What this machine's kernel takes for a connection that is made and closed,
/// 640 times a second: with nothing around it, and no pause that cools a cache.
fn floor() -> Figures {
    const TIMES: u32 = 6400;
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let to = server.local_addr().expect("it is bound");
    accept(server);
    let before = thread_time();
    for _ in 0..TIMES {
        drop(TcpStream::connect(to).expect("a connection"));
    }
    Figures::from((thread_time() - before) / 1e6 * 640.0 / f64::from(TIMES))
}

/// Nanoseconds of processor time of this thread.
fn thread_time() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split(' ').next();
    first.and_then(|word| word.parse().ok()).unwrap_or(0.0)
}
