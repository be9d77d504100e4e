//! System calls of a short connection, as strace counts them. A traced process
//! is slow, so nothing else is measured meanwhile.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::contender::Contender;
use super::table::{Row, Target};
use super::yard::Yard;
use super::{load, server};
use crate::harness::{eventually, sys};

/// Each contender of one thread.
pub fn measure(yard: &mut Yard, folder: &Path, length: Duration) -> Vec<Row> {
    let mut calls = Row::new("system calls a short connection", "n", Target::None);
    for index in 0..yard.contenders.len() {
        if yard.contenders[index].kind.is_alone() {
            let kind = yard.contenders[index].kind;
            let counted = trace(yard, index, folder, length);
            let sum: f64 = counted.iter().map(|(_, each)| each).sum();
            calls.add(kind, 0, sum);
            let named: Vec<String> = counted
                .iter()
                .filter(|(_, each)| *each >= 0.02)
                .map(|(name, each)| format!("{name} {each:.2}"))
                .collect();
            println!("{}: {}", kind.name(), named.join(", "));
        }
    }
    vec![calls]
}

/// Calls and how many of each a connection.
fn trace(yard: &Yard, index: usize, folder: &Path, length: Duration) -> Vec<(String, f64)> {
    let contender = &yard.contenders[index];
    let report = folder.join("strace.txt");
    let mut command = Command::new("strace");
    command.args(["-c", "-f", "-o"]).arg(&report);
    for pid in contender.pids() {
        command.arg("-p").arg(pid.to_string());
    }
    command.stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut strace = command.spawn().expect("strace starts");
    eventually(Duration::from_secs(5), "strace has attached", || {
        traced(contender)
    });
    let address = contender.address(server::ECHO);
    let work = move || load::short(address, length, 64);
    let outcome = yard
        .network
        .client
        .run(work)
        .expect("connections are answered");
    sys::kill(strace.id(), sys::SIGINT).expect("strace runs");
    strace.wait().expect("own child");
    let text = fs::read_to_string(report).unwrap_or_default();
    let done = outcome.done.max(1) as f64;
    let mut counted: Vec<(String, f64)> = text
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [percent, _, _, calls, .., name] = words[..] else {
                return None;
            };
            percent.parse::<f64>().ok()?;
            let calls = calls.parse::<f64>().ok().filter(|_| name != "total")?;
            Some((name.to_owned(), calls / done))
        })
        .collect();
    counted.sort_by(|a, b| b.1.total_cmp(&a.1));
    counted
}

fn traced(contender: &Contender) -> bool {
    contender.pids().into_iter().all(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let tracer = text.lines().find_map(|l| l.strip_prefix("TracerPid:"));
        tracer.is_some_and(|tracer| tracer.trim() != "0")
    })
}
