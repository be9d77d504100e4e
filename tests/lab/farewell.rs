//! A planned stop of a node that forwards: new sessions are refused, those that
//! run may end or are reset, and only then the address goes.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::harness::machine::Machine;
use super::harness::node::{Daemon, Node};
use super::harness::{Lab, Pace, scenario, sys};
use super::pair::{LIMIT, VIP, boxes, expect_owner, smena_ini};

const MINUTE: Duration = Duration::from_secs(60);
/// More than the steps of a stop take, and less than any limit here.
const PROMPT: Duration = Duration::from_millis(500);
/// What the peer waits for after priority 0.
const SKEW: Duration = Duration::from_millis(610);
const SERVED: &str = "10.0.0.49:8443";

#[test]
fn sessions_are_reset_before_the_address_goes() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let mut stage = Stage::set(lab, "");
        let stopped_at = Instant::now();
        stage.keeper.signal(sys::SIGTERM);
        // A clean end would hide that the answer is not whole.
        assert_eq!(end_of(&mut stage.client), Some(ErrorKind::ConnectionReset));
        assert!(stopped_at.elapsed() < PROMPT, "{:?}", stopped_at.elapsed());
        expect_owner(lab, "b");
        assert!(stage.keeper.wait(LIMIT).success());
        let log = stage.keeper.log();
        assert!(log.contains("1 sessions are cut"), "{log}");
    });
}

#[test]
fn sessions_may_end_within_the_time_that_is_configured() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let mut stage = Stage::set(lab, "drain_timeout = 30s");
        stage.keeper.signal(sys::SIGTERM);
        stage
            .keeper
            .wait_log("new sessions are refused; 1 may end within 30 s", LIMIT);
        let second = connect(lab.client_machine());
        assert_eq!(
            second.map_err(|e| e.kind()).err(),
            Some(ErrorKind::ConnectionRefused)
        );
        let status = stage.a.status().1;
        assert_eq!(status["forwarder"]["state"].text(), "draining");
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(lab.watch.owners(VIP), ["a"], "the address waits for it");
        assert!(echoes(&mut stage.client), "the session goes on");
        let ended_at = Instant::now();
        drop(stage.client);
        expect_owner(lab, "b");
        let after = ended_at.elapsed();
        assert!(after < SKEW + PROMPT, "{after:?}");
        assert!(stage.keeper.wait(LIMIT).success());
        let log = stage.keeper.log();
        assert!(!log.contains("are cut"), "{log}");
    });
}

#[test]
fn those_that_are_left_at_the_limit_are_reset() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let mut stage = Stage::set(lab, "drain_timeout = 1s");
        let stopped_at = Instant::now();
        stage.keeper.signal(sys::SIGTERM);
        assert_eq!(end_of(&mut stage.client), Some(ErrorKind::ConnectionReset));
        let after = stopped_at.elapsed();
        assert!(after >= Duration::from_secs(1), "{after:?}");
        assert!(after < Duration::from_secs(1) + PROMPT, "{after:?}");
        expect_owner(lab, "b");
        assert!(stage.keeper.wait(LIMIT).success());
    });
}

#[test]
fn who_asks_again_does_not_wait() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let mut stage = Stage::set(lab, "drain_timeout = 30s");
        stage.keeper.signal(sys::SIGTERM);
        stage.keeper.wait_log("may end within", LIMIT);
        let again_at = Instant::now();
        stage.keeper.signal(sys::SIGTERM);
        assert_eq!(end_of(&mut stage.client), Some(ErrorKind::ConnectionReset));
        assert!(stage.keeper.wait(LIMIT).success());
        assert!(again_at.elapsed() < PROMPT, "{:?}", again_at.elapsed());
        expect_owner(lab, "b");
    });
}

/// A pair whose master forwards one session.
struct Stage {
    a: Node,
    keeper: Daemon,
    client: TcpStream,
    _others: (Node, Daemon),
}

impl Stage {
    fn set(lab: &mut Lab, of_node: &str) -> Stage {
        let (a, b) = boxes(lab);
        echo(a.machine());
        let more = format!(
            "[node]\n{of_node}\n[service web]\nlisten = 10.0.0.49:8443\n\
             server = s1 127.0.0.1:9001\ncheck = none\n"
        );
        let keeper = a.smena(&smena_ini(101, &more));
        let other = b.smena(&smena_ini(100, ""));
        expect_owner(lab, "a");
        let mut client = connect(lab.client_machine()).expect("it listens");
        assert!(echoes(&mut client));
        Stage {
            a,
            keeper,
            client,
            _others: (b, other),
        }
    }
}

fn connect(machine: &Machine) -> std::io::Result<TcpStream> {
    machine.run(|| TcpStream::connect_timeout(&SERVED.parse().expect("an address"), LIMIT))
}

/// A server that says what it hears.
fn echo(machine: &Machine) {
    let listener = machine.run(|| TcpListener::bind("127.0.0.1:9001"));
    let listener = listener.expect("the port is free");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut from, mut to) = (&client, &client);
                std::io::copy(&mut from, &mut to)
            });
        }
    });
}

fn echoes(client: &mut TcpStream) -> bool {
    client.set_read_timeout(Some(LIMIT)).expect("a socket");
    let mut heard = [0; 4];
    client.write_all(b"ping").is_ok() && client.read_exact(&mut heard).is_ok() && heard == *b"ping"
}

/// What a client is told at the end of its session; `None`: a clean end.
fn end_of(client: &mut TcpStream) -> Option<ErrorKind> {
    client
        .read(&mut [0; 16])
        .map_err(|error| error.kind())
        .err()
}
