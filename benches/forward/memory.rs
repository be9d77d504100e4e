//! Memory at rest and with connections held open.

use std::fs;
use std::time::Duration;

use super::contender::Contender;
use super::table::{Row, Target};
use super::yard::Yard;
use super::{load, server};

/// Each contender, one after the other.
pub fn measure(yard: &mut Yard, connections: usize) -> Vec<Row> {
    let mut worker = Row::new("resident at rest, a worker", "KiB", Target::Median(400.0));
    let mut largest = Row::new("resident at rest, largest process", "KiB", Target::None);
    let mut whole = Row::new("memory at rest, all processes", "KiB", Target::None);
    let what = format!("memory a connection, {connections} held");
    let mut each = Row::new(&what, "bytes", Target::Median(64.0));
    for index in 0..yard.contenders.len() {
        let contender = &yard.contenders[index];
        let kind = contender.kind;
        // Two workers are twice the same.
        if !kind.is_alone() {
            continue;
        }
        let before = share(contender);
        worker.add(kind, 0, resident(contender, is_worker));
        largest.add(kind, 0, resident(contender, |_| true));
        whole.add(kind, 0, before);
        let after = held(yard, index, connections);
        each.add(kind, 0, (after - before) * 1024.0 / connections as f64);
    }
    vec![worker, largest, whole, each]
}

/// The memory of a contender while so many connections are open through it.
fn held(yard: &Yard, index: usize, connections: usize) -> f64 {
    let contender = &yard.contenders[index];
    let address = contender.address(server::ECHO);
    let client = &yard.network.client;
    let held = client.run(move || load::hold(address, connections));
    let held = held.unwrap_or_else(|e| panic!("{}: {e}", contender.kind.name()));
    std::thread::sleep(Duration::from_millis(300));
    let memory = share(contender);
    drop(held);
    std::thread::sleep(Duration::from_millis(1000));
    memory
}

/// KiB of all processes, what they share counted once.
fn share(contender: &Contender) -> f64 {
    let pids = contender.pids().into_iter();
    pids.map(|pid| of_process(pid, "Pss:")).sum()
}

/// KiB of the largest of these processes.
fn resident(contender: &Contender, counts: impl Fn(u32) -> bool) -> f64 {
    let pids = contender.pids().into_iter().filter(|pid| counts(*pid));
    pids.map(|pid| of_process(pid, "Rss:")).fold(0.0, f64::max)
}

/// Whether a process carries connections: of smena and nginx those that say so,
/// of haproxy the only one.
fn is_worker(pid: u32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    ["smena: forward", "nginx: worker", "haproxy"]
        .iter()
        .any(|word| line.starts_with(word))
}

fn of_process(pid: u32, line: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let rest = text.lines().find_map(|l| l.strip_prefix(line));
    let value = rest.and_then(|rest| rest.trim().split(' ').next()?.parse().ok());
    value.unwrap_or(0.0)
}

/// So many connections as everybody can hold: two descriptors each.
pub fn connections(descriptors: usize) -> usize {
    (descriptors.saturating_sub(400) / 2).min(10_000)
}
