//! How long a program takes from its start to listening as a backup, and to its
//! first advert as the owner of the address, who need not wait.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::table::{Figures, Table, Target};
use super::work::{BOTH, Program, Work};
use crate::gate::behind_a_gate;
use crate::harness::node::{Daemon, Node};
use crate::harness::{Lab, eventually, new_folder, sys};

/// Rounds of both, one program after the other.
pub fn measure(table: &mut Table, rounds: usize) {
    let mut lab = Lab::new(new_folder());
    let node = lab.node("a", &["10.0.0.1/24"]);
    let mut backup: [Figures; 2] = Default::default();
    let mut advert: [Figures; 2] = Default::default();
    for _ in 0..rounds {
        for (index, program) in BOTH.into_iter().enumerate() {
            backup[index].add(to_backup(&node, program));
            advert[index].add(to_advert(&lab, &node, program));
        }
    }
    let [ours, peer] = backup;
    table.add("start to BACKUP", "ms", &ours, &peer, Target::Every(10.0));
    let [ours, peer] = advert;
    table.add(
        "start to first advert, priority 255",
        "ms",
        &ours,
        &peer,
        Target::None,
    );
}

/// Until the log says that the router is a backup.
fn to_backup(node: &Node, program: Program) -> f64 {
    let mut command = Work::simple(2, 1000).command(program, node);
    let (read, write) = sys::pipe().expect("a pipe");
    command.stdin(Stdio::null());
    command.stdout(write.try_clone().expect("a descriptor"));
    command.stderr(write);
    let (keeper, started) = start_from_fork(node, command);
    let mut read = std::fs::File::from(read);
    let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
    while !text.windows(6).any(|w| w == b"BACKUP") {
        let length = read.read(&mut chunk).expect("own pipe");
        assert!(length > 0, "it ended: {}", String::from_utf8_lossy(&text));
        text.extend(&chunk[..length]);
    }
    let time = started.elapsed();
    drop(keeper);
    milliseconds(time)
}

/// Until the switch sees an advert.
fn to_advert(lab: &Lab, node: &Node, program: Program) -> f64 {
    let owner = Work {
        priority: 255,
        ..Work::simple(2, 1000)
    };
    let mut command = owner.command(program, node);
    command.stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    // What the one before sent at its end must not count.
    std::thread::sleep(Duration::from_millis(50));
    let (keeper, started) = start_from_fork(node, command);
    let mut first = None;
    eventually(Duration::from_secs(20), "an advert", || {
        let mut adverts = lab.capture.adverts_of(node.name()).into_iter();
        first = adverts.find(|(at, _)| *at > started);
        first.is_some()
    });
    let (at, _) = first.expect("just seen");
    drop(keeper);
    node.machine().ip("address flush dev eth0");
    node.machine().ip("address add 10.0.0.1/24 dev eth0");
    milliseconds(at - started)
}

/// Starts a program and tells when it began to execute.
fn start_from_fork(node: &Node, mut command: Command) -> (Daemon, Instant) {
    let opening = behind_a_gate(&mut command);
    let keeper = node.start(command, node.folder().join("piped.log"));
    (keeper, opening.join().expect("the gate opened"))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
