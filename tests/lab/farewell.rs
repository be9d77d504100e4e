//! A planned stop of a node that forwards: clients are served until the address
//! goes, and what runs then is reset; or, where sessions may end, new ones are
//! refused, and the address goes when the others have ended.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::harness::machine::Machine;
use super::harness::node::{Daemon, Node};
use super::harness::{Lab, Pace, eventually, scenario, sys};
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
        stage.keeper.wait_log("asked to stop", LIMIT);
        assert!(echoes(&mut stage.client), "the session goes on");
        let status = stage.a.status().1;
        assert_eq!(status["forwarder"]["state"].text(), "leaving");
        let mut second = connect(lab.client_machine()).expect("it still listens");
        assert!(echoes(&mut second));
        // A clean end would hide that the answer is not whole.
        assert_eq!(end_of(&mut stage.client), Some(ErrorKind::ConnectionReset));
        assert_eq!(end_of(&mut second), Some(ErrorKind::ConnectionReset));
        let after = stopped_at.elapsed();
        assert!(after < SKEW + PROMPT, "{after:?}");
        expect_owner(lab, "b");
        assert!(stage.keeper.wait(LIMIT).success());
        let log = stage.keeper.log();
        assert!(log.contains("2 sessions are cut"), "{log}");
    });
}

/// Whoever comes anew is served by the one or the other.
#[test]
fn nobody_who_connects_is_refused_while_the_address_moves() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let (a, b) = boxes(lab);
        let service = "[service web]\nlisten = *:8443\nserver = s1 127.0.0.1:9001\n\
                       check = none\n";
        echo(a.machine());
        echo(b.machine());
        let mut keeper = a.smena(&smena_ini(101, service));
        let _other = b.smena(&smena_ini(100, service));
        expect_owner(lab, "a");
        let enough = Arc::new(AtomicBool::new(false));
        let told = enough.clone();
        lab.client_machine();
        let clients = std::thread::scope(|scope| {
            let clients = scope.spawn(|| comers(lab.client_machine(), told));
            std::thread::sleep(Duration::from_millis(500));
            keeper.signal(sys::SIGTERM);
            assert!(keeper.wait(LIMIT).success());
            std::thread::sleep(Duration::from_secs(1));
            enough.store(true, Ordering::Relaxed);
            clients.join().expect("it ends")
        });
        expect_owner(lab, "b");
        println!("{} came, one waited {:?}", clients.came, clients.longest);
        assert_eq!(clients.errors, [], "of {}", clients.came);
        assert!(clients.came > 50, "{}", clients.came);
    });
}

/// With `release = after-hook` the hook ends first; who is served meanwhile is
/// reset from the address as well.
#[test]
fn clients_are_served_while_a_hook_holds_the_address() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let mut stage = Stage::with(lab, "release = after-hook\nnotify = SLOW", "");
        stage.keeper.signal(sys::SIGTERM);
        stage.keeper.wait_log("asked to stop", LIMIT);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(lab.watch.owners(VIP), ["a"], "the address waits for it");
        assert!(echoes(&mut stage.client), "the session goes on");
        let mut second = connect(lab.client_machine()).expect("it still listens");
        assert!(echoes(&mut second));
        assert_eq!(end_of(&mut stage.client), Some(ErrorKind::ConnectionReset));
        assert_eq!(end_of(&mut second), Some(ErrorKind::ConnectionReset));
        expect_owner(lab, "b");
        assert!(stage.keeper.wait(LIMIT).success());
    });
}

#[test]
fn an_immediate_release_resets_sessions_too_and_so_does_a_second_signal() {
    for release in ["immediate", "overlap"] {
        scenario(&[], Pace::Shared, MINUTE, move |lab| {
            let mut stage = Stage::with(lab, &format!("release = {release}"), "");
            let stopped_at = Instant::now();
            stage.keeper.signal(sys::SIGTERM);
            if release == "overlap" {
                stage.keeper.wait_log("asked to stop", LIMIT);
                stage.keeper.signal(sys::SIGTERM);
            }
            assert_eq!(end_of(&mut stage.client), Some(ErrorKind::ConnectionReset));
            assert!(stage.keeper.wait(LIMIT).success());
            assert!(stopped_at.elapsed() < PROMPT, "{:?}", stopped_at.elapsed());
            expect_owner(lab, "b");
        });
    }
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
        let said = stage.a.command(&["status"]).stdout;
        let said = String::from_utf8_lossy(&said).into_owned();
        let told = "; refused, because smena is to stop, at the latest in 2";
        assert!(said.contains(told), "{said}");
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

/// Once sessions had their time, whoever comes is served until the address goes.
#[test]
fn after_the_drain_clients_are_let_in_until_the_address_goes() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let mut stage = Stage::set(lab, "drain_timeout = 30s");
        stage.keeper.signal(sys::SIGTERM);
        stage.keeper.wait_log("may end within", LIMIT);
        assert!(connect(lab.client_machine()).is_err(), "it drains");
        drop(stage.client);
        let mut second = None;
        eventually(LIMIT, "clients are let in", || {
            second = connect(lab.client_machine()).ok();
            second.is_some()
        });
        let mut second = second.expect("it is in");
        assert!(echoes(&mut second), "it is served");
        expect_owner(lab, "b");
        assert!(stage.keeper.wait(LIMIT).success());
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
        Stage::with(lab, "", of_node)
    }

    fn with(lab: &mut Lab, of_router: &str, of_node: &str) -> Stage {
        let (a, b) = boxes(lab);
        echo(a.machine());
        let slow = a.script("slow", "test \"$3\" != STOP || sleep 2\n");
        let of_router = of_router.replace("SLOW", &slow.display().to_string());
        let more = format!(
            "{of_router}\n[node]\n{of_node}\n[service web]\nlisten = 10.0.0.49:8443\n\
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

/// What clients met who came one after the other.
struct Comers {
    came: u32,
    /// What those met who did not get in.
    errors: Vec<ErrorKind>,
    longest: Duration,
}

/// A new client every 20 ms.
fn comers(machine: &Machine, enough: Arc<AtomicBool>) -> Comers {
    machine.run(move || {
        let mut comers = Comers {
            came: 0,
            errors: Vec::new(),
            longest: Duration::ZERO,
        };
        let to = SERVED.parse().expect("an address");
        while !enough.load(Ordering::Relaxed) {
            let came_at = Instant::now();
            match TcpStream::connect_timeout(&to, LIMIT) {
                Ok(_) => {}
                Err(error) => comers.errors.push(error.kind()),
            }
            comers.came += 1;
            comers.longest = comers.longest.max(came_at.elapsed());
            std::thread::sleep(Duration::from_millis(20));
        }
        comers
    })
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
