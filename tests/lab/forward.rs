//! The forwarder: clients on one side of a gateway, servers on the other, and
//! what passes between them.

mod balance;
mod failing;
mod limits;
mod real;
mod stick;
mod streams;
mod today;

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use super::harness::machine::Machine;
use super::harness::node::{Daemon, Node};
use super::harness::{Lab, eventually};

/// What a scenario may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);
/// Until something that should be so at once is so.
const SOON: Duration = Duration::from_secs(10);

/// Where the gateway's service listens.
const FRONT: &str = "10.0.0.1:1000";

fn front() -> SocketAddr {
    FRONT.parse().expect("an address")
}

/// The gateway, with clients on `eth0` and servers on `eth1`, and a box with the
/// addresses of three servers.
fn boxes(lab: &mut Lab) -> (Node, Node) {
    let gateway = lab.node("g", &["10.0.0.1/24", "fd00::1/64"]);
    gateway.plug(&mut lab.switch, "eth1", &["10.0.1.1/24", "fd01::1/64"]);
    let addresses = [
        "10.0.1.11/24",
        "10.0.1.12/24",
        "10.0.1.13/24",
        "fd01::11/64",
    ];
    let servers = lab.node("s", &addresses);
    servers.machine().ip("route add default via 10.0.1.1");
    for machine in [gateway.machine(), servers.machine(), lab.client_machine()] {
        machine.sysctl("net/ipv4/ip_local_port_range", "12000 65535");
        machine.sysctl("net/ipv4/tcp_tw_reuse", "1");
    }
    (gateway, servers)
}

/// A service of this name and port of the servers, `a` and `b`, with more lines.
fn service(more: &str) -> String {
    format!(
        "[service web]\nlisten = {FRONT}\n\
         server = a 10.0.1.11:1000\nserver = b 10.0.1.12:1000\n{more}\n"
    )
}

/// The same without checks, so that only clients tell of a server's health.
fn unchecked(more: &str) -> String {
    service(&format!("check = none\n{more}"))
}

/// Starts smena on the gateway and waits until it listens there.
fn forward(gateway: &Node, ini: &str, listeners: &[&str]) -> Daemon {
    // What listens afterwards is not of one before.
    for listener in listeners {
        eventually(SOON, &format!("{listener} is free"), || {
            !listens(gateway.machine(), listener)
        });
    }
    let smena = gateway.smena(ini);
    for listener in listeners {
        eventually(SOON, &format!("{listener} is listened on"), || {
            listens(gateway.machine(), listener)
        });
    }
    smena
}

fn listens(machine: &Machine, address: &str) -> bool {
    let shown = machine.tool("ss", "-Hltn");
    shown.split_whitespace().any(|word| word == address)
}

/// Processor time that a program and its children used until now.
fn busy(daemon: &Daemon) -> Duration {
    let spent = daemon.pids().into_iter().map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
        let first = text.split(' ').next().and_then(|word| word.parse().ok());
        Duration::from_nanos(first.unwrap_or(0))
    });
    spent.sum()
}

/// The workers' processes, by the name that they give themselves.
fn workers(smena: &Daemon) -> Vec<u32> {
    let mut pids = smena.pids();
    pids.retain(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"smena: forward")
    });
    pids
}

/// Resident KiB of the workers. A copy of the keeper that answers for its status
/// may be there for a moment, and does not count.
fn resident(smena: &Daemon) -> u64 {
    let sizes = workers(smena).into_iter().map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        let size = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
        size.unwrap_or(0)
    });
    sizes.sum()
}

/// A number of the service as `smena status` tells it.
fn counted(gateway: &Node, member: &str) -> i64 {
    let status = gateway.status().1;
    let service = &status["services"].named("name", "web")[member];
    service.number().unwrap_or(-1)
}
