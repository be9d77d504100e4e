//! The forwarder at its limits: no descriptor left, as many connections as
//! permitted, and very many one after the other.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::super::harness::node::SMENA;
use super::super::harness::streams::{Crowd, Server, dial, receive, send, visit};
use super::super::harness::{Pace, eventually, scenario, sys};
use super::{
    LIMIT, SOON, boxes, busy, counted, forward, front, listens, resident, unchecked, workers,
};

#[test]
fn without_descriptors_nobody_is_lost_and_nothing_spins() {
    scenario(&[], Pace::Alone, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = Server::echo(servers.machine(), "10.0.1.11:1000", "a");
        let _b = Server::echo(servers.machine(), "10.0.1.12:1000", "b");
        let path = gateway.file("smena.ini", &unchecked(""));
        let words = format!("ulimit -n 40; exec {SMENA} run -c {}", path.display());
        let smena = gateway.daemon("smena", "sh", &["-c", &words]);
        eventually(SOON, "it listens", || {
            listens(gateway.machine(), super::FRONT)
        });
        let client = lab.client_machine();
        let mut waiting: Vec<TcpStream> = (0..60)
            .map(|_| dial(client, front()).expect("the kernel accepts"))
            .collect();
        std::thread::sleep(Duration::from_millis(500));
        let before = busy(&smena);
        std::thread::sleep(Duration::from_secs(1));
        let spent = busy(&smena) - before;
        assert!(spent < Duration::from_millis(50), "{spent:?} of a second");
        // Whoever is served leaves, and all the others get their turn.
        let mut served = 0;
        eventually(Duration::from_secs(30), "all are served", || {
            waiting.retain_mut(|stream| {
                stream.set_nonblocking(true).expect("own socket");
                let told = stream.peek(&mut [0]);
                stream.set_nonblocking(false).expect("own socket");
                let Ok(length) = told else {
                    return true;
                };
                assert_eq!(length, 1, "an end instead of a name");
                let mut answer = [0; 6];
                stream.write_all(b"hello").expect("it is taken");
                stream.read_exact(&mut answer).expect("name and word");
                served += 1;
                false
            });
            waiting.is_empty()
        });
        assert_eq!(served, 60);
        let seen = visit(client, front());
        assert!(seen.outcome.is_ok(), "{seen:?}");
    });
}

/// Bulk with few descriptors: pipes do not take those of sessions, and bytes
/// that find no pipe are not lost.
#[test]
fn bulk_with_few_descriptors_is_carried_whole() {
    scenario(&[], Pace::Alone, LIMIT, |lab| {
        const LENGTH: u64 = 3_000_000;
        let (gateway, servers) = boxes(lab);
        let serve = |stream: &TcpStream| {
            std::thread::sleep(Duration::from_millis(200));
            let received = receive(stream).expect("the stream ends");
            let mut stream = stream;
            let _ = stream.write_all(&received.hash.to_le_bytes());
        };
        let _a = Server::start(servers.machine(), "10.0.1.11:1000", serve);
        let _b = Server::start(servers.machine(), "10.0.1.12:1000", serve);
        let path = gateway.file("smena.ini", &unchecked(""));
        let words = format!("ulimit -n 48; exec {SMENA} run -c {}", path.display());
        let _smena = gateway.daemon("smena", "sh", &["-c", &words]);
        eventually(SOON, "it listens", || {
            listens(gateway.machine(), super::FRONT)
        });
        let client = lab.client_machine();
        let threads: Vec<_> = (0..40)
            .map(|seed| {
                let mut stream = dial(client, front()).expect("the kernel accepts");
                std::thread::spawn(move || {
                    let sent = send(&stream, seed, LENGTH).expect("it is taken");
                    stream.shutdown(Shutdown::Write).expect("own socket");
                    let mut hash = [0; 8];
                    stream.read_exact(&mut hash).expect("an answer");
                    assert_eq!(u64::from_le_bytes(hash), sent.hash);
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("every byte is as it was sent");
        }
        assert_eq!(counted(&gateway, "sessions_total"), 40);
        assert_eq!(counted(&gateway, "refused"), 0);
    });
}

#[test]
fn ten_thousand_idle_connections_cost_next_to_nothing() {
    scenario(&[], Pace::Alone, LIMIT, |lab| {
        let [soft, hard] = sys::descriptor_limits();
        sys::limit_descriptors(0, [hard, hard]).expect("up to what is permitted");
        // Both ends are in this process, and both are in the worker's.
        let count = ((hard as usize).saturating_sub(1000) / 2).min(10_000);
        let (gateway, servers) = boxes(lab);
        let server = Server::holding(servers.machine(), "10.0.1.11:1000");
        let ini =
            "[service web]\nlisten = 10.0.0.1:1000\nserver = a 10.0.1.11:1000\ncheck = none\n";
        let smena = forward(&gateway, ini, &[super::FRONT]);
        let client = lab.client_machine();
        let before = resident(&smena);
        let mut open = Vec::with_capacity(count);
        for _ in 0..count {
            open.push(dial(client, front()).expect("the gateway accepts"));
        }
        eventually(SOON, "all have a session", || {
            counted(&gateway, "sessions") == count as i64
        });
        let grown = (resident(&smena).saturating_sub(before)) as usize * 1024 / count;
        println!("{count} connections, {grown} bytes each");
        assert!(grown <= 64, "{grown} bytes a connection");
        let spent = busy(&smena);
        std::thread::sleep(Duration::from_secs(1));
        let spent = busy(&smena) - spent;
        assert!(
            spent < Duration::from_millis(50),
            "{spent:?} of a second at rest"
        );
        // Every hundredth is asked whether it still lives.
        for stream in open.iter_mut().step_by(100) {
            stream.write_all(b"x").expect("it is taken");
        }
        std::thread::sleep(Duration::from_millis(200));
        server.answer();
        for stream in open.iter_mut().step_by(100) {
            stream.read_exact(&mut [0]).expect("an answer");
        }
        drop(open);
        server.kill();
        eventually(SOON, "no session is left", || {
            counted(&gateway, "sessions") == 0
        });
        let _ = sys::limit_descriptors(0, [soft, hard]);
    });
}

/// Connections of the next scenario; `SMENA_CONNECTIONS=1000000` for a soak.
fn connections() -> usize {
    let asked = std::env::var("SMENA_CONNECTIONS").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(50_000)
}

#[test]
fn many_short_connections_leave_nothing_behind() {
    let count = connections();
    let limit = LIMIT + Duration::from_millis(count as u64);
    scenario(&[], Pace::Shared, limit, move |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = Server::echo(servers.machine(), "10.0.1.11:1000", "a");
        let _b = Server::echo(servers.machine(), "10.0.1.12:1000", "b");
        let ini = format!("[node]\nworkers = 2\n{}", unchecked(""));
        let smena = forward(&gateway, &ini, &[super::FRONT]);
        let client = lab.client_machine();
        let settle = |smena: &_| {
            eventually(SOON, "no session is left", || {
                counted(&gateway, "sessions") == 0
            });
            (resident(smena), descriptors(smena))
        };
        drop(Crowd::start(client, front(), 16).stop_after(2_000));
        let (memory, open) = settle(&smena);
        let visits = Crowd::start(client, front(), 16).stop_after(count);
        let failed: Vec<_> = visits.iter().filter(|v| v.outcome.is_err()).collect();
        assert!(
            failed.is_empty(),
            "{} of {}: {:?}",
            failed.len(),
            visits.len(),
            failed[0]
        );
        let (after, still) = settle(&smena);
        println!(
            "{} connections, {memory} KiB before, {after} after",
            visits.len()
        );
        // A pipe may have come to the pool, whose size is limited.
        assert!(
            still <= open + 4,
            "{open} descriptors before, {still} after"
        );
        assert!(after <= memory + 16, "{memory} KiB before, {after} after");
    });
}

fn descriptors(smena: &super::super::harness::node::Daemon) -> usize {
    let counts = workers(smena).into_iter().map(|pid| {
        let listed = std::fs::read_dir(format!("/proc/{pid}/fd"));
        listed.map_or(0, Iterator::count)
    });
    counts.sum()
}
