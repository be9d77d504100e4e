//! Servers that refuse, vanish, die and return while clients keep coming.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::super::harness::machine::Machine;
use super::super::harness::streams::{Crowd, Server, Visit, dial, visit};
use super::super::harness::{Pace, eventually, scenario};
use super::{LIMIT, SOON, boxes, forward, front, service, unchecked, workers};

#[test]
fn refusal_goes_to_the_next_server_unnoticed() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _b = Server::echo(servers.machine(), "10.0.1.12:1000", "b");
        // Nobody listens at `a`.
        let _smena = forward(&gateway, &unchecked(""), &[super::FRONT]);
        for _ in 0..50 {
            let seen = visit(lab.client_machine(), front());
            assert_eq!(seen.outcome, Ok("b".to_owned()));
            assert!(seen.length < Duration::from_secs(2), "{seen:?}");
        }
    });
}

#[test]
fn silence_goes_to_the_next_server_after_its_time() {
    scenario(&["nft"], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = Server::echo(servers.machine(), "10.0.1.11:1000", "a");
        let _b = Server::echo(servers.machine(), "10.0.1.12:1000", "b");
        lose(servers.machine(), "10.0.1.11");
        let ini = unchecked("timeout_connect = 300ms");
        let _smena = forward(&gateway, &ini, &[super::FRONT]);
        for _ in 0..6 {
            let seen = visit(lab.client_machine(), front());
            assert_eq!(seen.outcome, Ok("b".to_owned()));
            assert!(seen.length < Duration::from_secs(3), "{seen:?}");
        }
    });
}

/// What is for this address arrives nowhere.
fn lose(machine: &Machine, address: &str) {
    machine.tool("nft", "add table ip lab");
    machine.tool(
        "nft",
        "add chain ip lab in { type filter hook input priority 0 ; }",
    );
    machine.tool(
        "nft",
        &format!("add rule ip lab in ip daddr {address} drop"),
    );
}

/// What a client without any server sees: the end, at once, one way or another.
fn is_refused(machine: &Machine) -> bool {
    let from = Instant::now();
    let end = dial(machine, front()).and_then(|mut stream| stream.read(&mut [0]));
    let refused = matches!(end, Ok(0) | Err(_));
    assert!(
        from.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        from.elapsed()
    );
    refused
}

#[test]
fn nobody_left_refuses_at_once_and_the_first_one_back_serves() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let lines = service("inter = 200ms\nrise = 1\nfall = 1");
        let a = Server::echo(servers.machine(), "10.0.1.11:1000", "a");
        let _smena = forward(&gateway, &lines, &[super::FRONT]);
        let client = lab.client_machine();
        assert_eq!(visit(client, front()).outcome, Ok("a".to_owned()));
        a.kill();
        // From the moment it is known, the kernel itself refuses.
        eventually(SOON, "connections are refused", || {
            client.run(|| TcpStream::connect(front())).is_err()
        });
        assert!(is_refused(client));
        let _b = Server::echo(servers.machine(), "10.0.1.12:1000", "b");
        eventually(SOON, "b serves", || {
            visit(client, front()).outcome == Ok("b".to_owned())
        });
        for _ in 0..10 {
            assert_eq!(visit(client, front()).outcome, Ok("b".to_owned()));
        }
    });
}

/// How long after a death a connection may still end that was made before it.
const WAKE: Duration = Duration::from_millis(250);

/// The visits that failed without having been on a server as it died.
fn unexcused<'a>(visits: &'a [Visit], deaths: &[Instant]) -> Vec<&'a Visit> {
    let excused = |visit: &Visit| {
        deaths
            .iter()
            .any(|died| visit.at < *died + WAKE && *died < visit.at + visit.length + WAKE)
    };
    let failed = visits.iter().filter(|visit| visit.outcome.is_err());
    failed.filter(|visit| !excused(visit)).collect()
}

#[test]
fn servers_die_and_return_in_the_middle_of_load() {
    scenario(&[], Pace::Alone, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let machine = servers.machine();
        let start = |n: usize| {
            let (address, name) = [("10.0.1.11:1000", "a"), ("10.0.1.12:1000", "b")][n];
            Server::echo(machine, address, name)
        };
        let mut running = [Some(start(0)), Some(start(1))];
        let ini = format!(
            "[node]\nworkers = 2\n{}",
            service("inter = 300ms\nrise = 2\nfall = 2")
        );
        let smena = forward(&gateway, &ini, &[super::FRONT]);
        let crowd = Crowd::start(lab.client_machine(), front(), 8);
        let mut deaths = Vec::new();
        for round in 0..6 {
            std::thread::sleep(Duration::from_millis(700));
            let server = running[round % 2].take().expect("it runs");
            deaths.push(Instant::now());
            server.kill();
            deaths.push(Instant::now());
            std::thread::sleep(Duration::from_millis(900));
            running[round % 2] = Some(start(round % 2));
            // It counts as up only after two good looks.
            std::thread::sleep(Duration::from_millis(900));
        }
        let visits = crowd.stop();
        let served = |name: &str| {
            let name = Ok(name.to_owned());
            visits.iter().filter(|visit| visit.outcome == name).count()
        };
        println!(
            "{} on a, {} on b, {} in all",
            served("a"),
            served("b"),
            visits.len()
        );
        assert!(served("a") > 100 && served("b") > 100, "both served");
        let failed = unexcused(&visits, &deaths);
        assert!(
            failed.is_empty(),
            "{} of {}: {failed:?}",
            failed.len(),
            visits.len()
        );
        let slowest = visits.iter().map(|visit| visit.length).max();
        assert!(slowest < Some(Duration::from_secs(3)), "{slowest:?}");
        drop(smena);
    });
}

#[test]
fn worker_that_dies_is_replaced_and_others_serve_on() {
    scenario(&[], Pace::Alone, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = Server::echo(servers.machine(), "10.0.1.11:1000", "a");
        let _b = Server::echo(servers.machine(), "10.0.1.12:1000", "b");
        let ini = format!("[node]\nworkers = 1\n{}", unchecked(""));
        let smena = forward(&gateway, &ini, &[super::FRONT]);
        let crowd = Crowd::start(lab.client_machine(), front(), 4);
        let mut deaths = Vec::new();
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(400));
            let worker = worker(&smena);
            deaths.push(Instant::now());
            super::super::harness::sys::kill(worker, super::super::harness::sys::SIGKILL)
                .expect("a worker runs");
            eventually(SOON, "another worker runs", || {
                workers(&smena).first().is_some_and(|pid| *pid != worker)
            });
        }
        std::thread::sleep(Duration::from_millis(400));
        let visits = crowd.stop();
        let failed = unexcused(&visits, &deaths);
        assert!(
            failed.is_empty(),
            "{} of {}: {failed:?}",
            failed.len(),
            visits.len()
        );
        assert!(visits.iter().filter(|visit| visit.outcome.is_ok()).count() > 200);
    });
}

fn worker(smena: &super::super::harness::node::Daemon) -> u32 {
    *workers(smena).first().expect("a worker runs")
}
