//! How long a contender takes from its first instruction to the first
//! connection that it accepts, and to the first answer through it.

use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::contender::address_of;
use super::server;
use super::table::{Row, Target};
use super::yard::Yard;
use crate::gate::behind_a_gate;
use crate::harness::{machine::Machine, sys};

/// Beside the one that runs already: on other ports.
const SHIFT: u16 = 5;

/// All in turn, once a round.
pub fn measure(yard: &mut Yard, rounds: usize, folder: &Path, room: usize) -> Vec<Row> {
    let mut accepted = Row::new("start to first accept", "ms", Target::Median(2.0));
    let mut answered = Row::new("start to first answer", "ms", Target::None);
    for round in 0..rounds {
        for contender in &yard.contenders {
            let kind = contender.kind;
            if !kind.is_alone() {
                continue;
            }
            let mut command = kind.command(folder, SHIFT, room);
            command.stdin(Stdio::null());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let address = address_of(kind, server::ECHO, SHIFT);
            let client = &yard.network.client;
            let [first, second] = look(&yard.network.gateway, client, command, address);
            accepted.add(kind, round, first);
            answered.add(kind, round, second);
        }
    }
    vec![accepted, answered]
}

/// Milliseconds until both.
fn look(gateway: &Machine, client: &Machine, command: Command, at: SocketAddrV4) -> [f64; 2] {
    let (started, child) = start_from_fork(gateway, command);
    let [accepted, answered] = client.run(move || ask(at));
    // It has children of its own, which end with it.
    let _ = sys::kill(child.id(), sys::SIGTERM);
    let mut child = child;
    let until = Instant::now() + Duration::from_secs(3);
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    let _ = child.wait();
    [accepted, answered].map(|at| (at - started).as_secs_f64() * 1000.0)
}

/// Asks until somebody accepts, and until somebody answers.
fn ask(at: SocketAddrV4) -> [Instant; 2] {
    let until = Instant::now() + Duration::from_secs(10);
    let mut accepted = None;
    while Instant::now() < until {
        if let Ok(mut stream) = TcpStream::connect(at) {
            let accepted = *accepted.get_or_insert_with(Instant::now);
            let limit = Some(Duration::from_secs(2));
            stream.set_read_timeout(limit).expect("a time limit");
            let asked = stream.write_all(b"hello");
            if asked.and_then(|()| stream.read_exact(&mut [0; 5])).is_ok() {
                return [accepted, Instant::now()];
            }
        }
        std::thread::sleep(Duration::from_micros(20));
    }
    panic!("nobody answers at {at}");
}

/// Starts a program and tells when it began to execute.
fn start_from_fork(machine: &Machine, mut command: Command) -> (Instant, Child) {
    let opening = behind_a_gate(&mut command);
    let child = machine.spawn(command).expect("it starts");
    (opening.join().expect("the gate opened"), child)
}
