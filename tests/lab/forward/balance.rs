//! Which server a client comes to, and when it has to wait.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use super::super::harness::machine::Machine;
use super::super::harness::streams::{PATIENCE, Server, dial, visit};
use super::super::harness::{Pace, eventually, scenario};
use super::{LIMIT, SOON, boxes, counted, forward, front, service, unchecked};

/// How often each server was come to.
fn spread(machine: &Machine, visits: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..visits {
        let name = visit(machine, front()).outcome.expect("an answer");
        *counts.entry(name).or_insert(0) += 1;
    }
    counts
}

#[test]
fn round_robin_counts_differ_by_at_most_one() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = Server::echo(servers.machine(), "10.0.1.11:1000", "a");
        let _b = Server::echo(servers.machine(), "10.0.1.12:1000", "b");
        let _c = Server::echo(servers.machine(), "10.0.1.13:1000", "c");
        let three = unchecked("server = c 10.0.1.13:1000");
        for workers in [1, 2] {
            let ini = format!("[node]\nworkers = {workers}\n{three}");
            let _smena = forward(&gateway, &ini, &[super::FRONT]);
            let counts = spread(lab.client_machine(), 100);
            let (least, most) = (counts.values().min(), counts.values().max());
            let apart = most.unwrap_or(&0) - least.unwrap_or(&0);
            assert_eq!(counts.len(), 3, "{counts:?}");
            assert!(apart <= 1, "{workers} workers: {counts:?}");
        }
        let weighted = "[service web]\nlisten = 10.0.0.1:1000\ncheck = none\n\
                        server = a 10.0.1.11:1000 weight 3\nserver = b 10.0.1.12:1000\n\
                        server = c 10.0.1.13:1000 weight 0\n";
        let _smena = forward(&gateway, weighted, &[super::FRONT]);
        let counts = spread(lab.client_machine(), 80);
        let wanted = [("a".to_owned(), 60), ("b".to_owned(), 20)];
        assert_eq!(counts, BTreeMap::from(wanted));
    });
}

/// One visit from this address of the client machine.
fn visit_from(machine: &Machine, source: &str) -> String {
    let source: IpAddr = source.parse().expect("an address");
    // std can't bind a socket before it connects.
    let words = format!(
        "import socket\n\
         s = socket.create_connection(('10.0.0.1', 1000), 20, ('{source}', 0))\n\
         print(s.recv(1).decode(), end='')\n"
    );
    let mut command = std::process::Command::new("python3");
    command.args(["-c", &words]);
    let output = machine.output(command).expect("python3 starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("a letter")
}

#[test]
fn source_brings_a_client_to_the_same_server_again() {
    scenario(&["python3"], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = Server::echo(servers.machine(), "10.0.1.11:1000", "a");
        let _b = Server::echo(servers.machine(), "10.0.1.12:1000", "b");
        let c = Server::echo(servers.machine(), "10.0.1.13:1000", "c");
        let client = lab.client_machine();
        let sources: Vec<String> = (110..134).map(|n| format!("10.0.0.{n}")).collect();
        for source in &sources {
            client.ip(&format!("address add {source}/24 dev eth0"));
        }
        let lines = "balance = source\nserver = c 10.0.1.13:1000\ninter = 200ms\nfall = 2\n";
        let ini = format!("[node]\nworkers = 2\n{}", service(lines));
        let _smena = forward(&gateway, &ini, &[super::FRONT]);
        let first: Vec<String> = sources.iter().map(|s| visit_from(client, s)).collect();
        for name in ["a", "b", "c"] {
            assert!(
                first.iter().any(|n| n == name),
                "{name} has clients: {first:?}"
            );
        }
        let again: Vec<String> = sources.iter().map(|s| visit_from(client, s)).collect();
        assert_eq!(first, again);
        // A server that goes takes its own clients along and nobody else's.
        c.kill();
        eventually(SOON, "c is down", || {
            let status = gateway.status().1;
            let servers = &status["services"].named("name", "web")["servers"];
            servers.named("name", "c")["state"].text() == "down"
        });
        for (source, before) in sources.iter().zip(&first) {
            let now = visit_from(client, source);
            assert_ne!(now, "c");
            assert!(
                before == "c" || *before == now,
                "{source}: {before}, then {now}"
            );
        }
    });
}

#[test]
fn least_connections_go_where_fewest_are() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = Server::echo(servers.machine(), "10.0.1.11:1000", "a");
        let _b = Server::echo(servers.machine(), "10.0.1.12:1000", "b");
        let _smena = forward(&gateway, &unchecked("balance = leastconn"), &[super::FRONT]);
        let mut open = || {
            let mut stream = dial(lab.client_machine(), front()).expect("the gateway accepts");
            let mut name = [0];
            stream.read_exact(&mut name).expect("a name");
            (stream, name[0])
        };
        let mut held: Vec<(TcpStream, u8)> = (0..10).map(|_| open()).collect();
        let on_a = held.iter().filter(|(_, name)| *name == b'a').count();
        assert_eq!(on_a, 5);
        // All of `a` go; the next five come to it.
        held.retain(|(_, name)| *name == b'b');
        eventually(SOON, "they are gone", || counted(&gateway, "sessions") == 5);
        let next: Vec<(TcpStream, u8)> = (0..5).map(|_| open()).collect();
        let names: Vec<char> = next.iter().map(|(_, name)| char::from(*name)).collect();
        assert_eq!(names, ['a'; 5]);
    });
}

#[test]
fn whoever_is_too_many_waits_and_is_served_later() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = Server::echo(servers.machine(), "10.0.1.11:1000", "a");
        let _b = Server::echo(servers.machine(), "10.0.1.12:1000", "b");
        let ini = format!("[node]\nworkers = 2\n{}", unchecked("maxconn = 4"));
        let _smena = forward(&gateway, &ini, &[super::FRONT]);
        let client = lab.client_machine();
        let mut held: Vec<TcpStream> = (0..10)
            .map(|_| dial(client, front()).expect("the kernel accepts"))
            .collect();
        eventually(SOON, "four are served", || {
            counted(&gateway, "sessions") == 4
        });
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(counted(&gateway, "sessions"), 4);
        assert_eq!(counted(&gateway, "waiting"), 6);
        let file = gateway.folder().join("smena.ini").display().to_string();
        let said = gateway.command(&["-c", &file, "why", "web"]).stdout;
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains(", 4 of 4 sessions, "), "{said}");
        assert!(said.contains(", 6 wait to be let in"), "{said}");
        // One after the other ends, and another one gets its turn; which is
        // for the kernel to say.
        let mut served = 0;
        let until = Instant::now() + PATIENCE;
        while served < 10 && Instant::now() < until {
            let ready = held.iter().position(|stream| {
                stream.set_nonblocking(true).expect("own socket");
                let told = stream.peek(&mut [0]).is_ok();
                stream.set_nonblocking(false).expect("own socket");
                told
            });
            let Some(ready) = ready else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            let mut stream = held.remove(ready);
            stream.write_all(b"hello").expect("it is taken");
            let mut answer = [0; 6];
            stream.read_exact(&mut answer).expect("name and word");
            assert_eq!(&answer[1..], b"hello");
            assert!(counted(&gateway, "sessions") <= 4);
            served += 1;
        }
        assert_eq!(served, 10, "all are served in the end");
        eventually(SOON, "no session is left", || {
            counted(&gateway, "sessions") == 0
        });
    });
}

#[test]
fn servers_of_a_pair_of_workers_stay_within_their_number() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = Server::echo(servers.machine(), "10.0.1.11:1000", "a");
        let _b = Server::echo(servers.machine(), "10.0.1.12:1000", "b");
        let ini = "[node]\nworkers = 2\n[service web]\nlisten = 10.0.0.1:1000\ncheck = none\n\
                   server = a 10.0.1.11:1000 maxconn 2\nserver = b 10.0.1.12:1000\n";
        let _smena = forward(&gateway, ini, &[super::FRONT]);
        let client = lab.client_machine();
        let mut held = Vec::new();
        for _ in 0..12 {
            let mut stream = dial(client, front()).expect("the gateway accepts");
            let mut name = [0];
            stream.read_exact(&mut name).expect("a name");
            held.push((stream, char::from(name[0])));
        }
        let on_a = held.iter().filter(|(_, name)| *name == 'a').count();
        assert_eq!(on_a, 2, "a has its two, and all others are served by b");
    });
}
