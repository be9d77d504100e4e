//! UDP through the forwarder, with real sockets: a client, a gateway and two
//! servers that send back what they got with a letter of theirs before it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::harness::machine::Machine;
use super::harness::node::{Daemon, Node, SMENA};
use super::harness::streams::{Server, dial};
use super::harness::{Lab, Pace, eventually, scenario, sys};

const MINUTE: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(5);

/// A server; it is gone when dropped, and its machine refuses from then on.
struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    fn start(machine: &Machine, address: &str, letter: u8) -> Echo {
        let socket = bind(machine, address);
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a time limit");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut bytes[1..]) else {
                    continue;
                };
                bytes[0] = letter;
                // One that is as long as can be has no room for a letter.
                let length = (length + 1).min(65_507);
                let _ = socket.send_to(&bytes[..length], from);
            }
        });
        Echo {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A socket of a machine.
fn bind(machine: &Machine, address: &str) -> UdpSocket {
    let address: SocketAddr = address.parse().expect("an address");
    let socket = machine.run(move || UdpSocket::bind(address));
    let socket = socket.unwrap_or_else(|e| panic!("{address}: {e}"));
    socket.set_read_timeout(Some(LIMIT)).expect("a time limit");
    socket
}

/// The gateway with these addresses, and two servers, 11 and 12.
fn gateway(lab: &mut Lab, addresses: &[&str]) -> (Node, [Node; 2]) {
    let servers = [
        lab.node("s1", &["10.0.0.11/24", "fd00::11/64"]),
        lab.node("s2", &["10.0.0.12/24", "fd00::12/64"]),
    ];
    (lab.node("gw", addresses), servers)
}

/// Starts smena, and waits until it forwards.
fn smena(node: &Node, ini: &str) -> Daemon {
    let daemon = node.smena(&format!("[node]\n{ini}"));
    eventually(LIMIT, "there is a worker", || {
        daemon.pids().len() > 1 && node.machine().tool("ss", "-Hnul").contains("UNCONN")
    });
    daemon
}

/// The process that forwards.
fn worker(smena: &Daemon) -> u32 {
    let worker = smena.pids().into_iter().skip(1).find(|pid| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name.starts_with("smena: forward"))
    });
    worker.expect("there is a worker")
}

/// Asks, and what the answer is and where it comes from.
#[track_caller]
fn ask(socket: &UdpSocket, to: &str, words: &[u8]) -> (Vec<u8>, SocketAddr) {
    socket.send_to(words, to).expect("it is sent");
    let mut bytes = vec![0; 1 << 16];
    let (length, from) = socket.recv_from(&mut bytes).expect("an answer");
    bytes.truncate(length);
    (bytes, from)
}

/// The letter of the server that answers.
#[track_caller]
fn letter(socket: &UdpSocket, to: &str) -> u8 {
    let (answer, from) = ask(socket, to, b"hello");
    assert_eq!(answer[1..], *b"hello");
    assert_eq!(from, to.parse().expect("an address"));
    answer[0]
}

const TWO: &str = "\
workers = 2
[service echo]
listen = udp *:5300
listen = udp [::]:5300
server = a 10.0.0.11:7000
server = b [fd00::12]:7000
check = none
";

#[test]
fn replies_come_from_the_address_that_was_asked() {
    scenario(&["ss"], Pace::Shared, MINUTE, |lab| {
        let addresses = ["10.0.0.1/24", "10.0.0.49/24", "10.0.0.50/24", "fd00::49/64"];
        let (gateway, [s1, s2]) = gateway(lab, &addresses);
        let _a = Echo::start(s1.machine(), "10.0.0.11:7000", b'a');
        let _b = Echo::start(s2.machine(), "[fd00::12]:7000", b'b');
        let _smena = smena(&gateway, TWO);
        let client = lab.client_machine();
        // Each address that is asked is a flow of its own, and goes round.
        let socket = bind(client, "10.0.0.100:4000");
        let first = letter(&socket, "10.0.0.49:5300");
        let second = letter(&socket, "10.0.0.50:5300");
        assert_eq!([first, second].iter().filter(|&&l| l == b'a').count(), 1);
        for _ in 0..5 {
            assert_eq!(letter(&socket, "10.0.0.49:5300"), first);
            assert_eq!(letter(&socket, "10.0.0.50:5300"), second);
        }
        // Either family to servers of either, as fair over two workers.
        let mut got = Vec::new();
        for _ in 0..10 {
            let socket = bind(client, "[fd00::100]:0");
            got.push(letter(&socket, "[fd00::49]:5300"));
            let socket = bind(client, "10.0.0.100:0");
            got.push(letter(&socket, "10.0.0.1:5300"));
        }
        assert_eq!(got.iter().filter(|&&l| l == b'a').count(), 10, "{got:?}");
    });
}

#[test]
fn datagrams_of_every_size_arrive_as_they_were() {
    scenario(&["ss"], Pace::Shared, MINUTE, |lab| {
        let (gateway, [s1, s2]) = gateway(lab, &["10.0.0.1/24", "fd00::1/64"]);
        let _a = Echo::start(s1.machine(), "10.0.0.11:7000", b'a');
        let _b = Echo::start(s2.machine(), "[fd00::12]:7000", b'b');
        let _smena = smena(&gateway, TWO);
        let client = lab.client_machine();
        // Two sockets, so that both servers are met.
        for _ in 0..2 {
            let socket = bind(client, "10.0.0.100:0");
            for length in [0, 1, 1400, 1472, 1473, 9000, 60_000, 65_506] {
                let words: Vec<u8> = (0..length).map(|at| (at * 7 + at / 251) as u8).collect();
                let (answer, _) = ask(&socket, "10.0.0.1:5300", &words);
                assert_eq!(answer.len(), length + 1);
                assert!(answer[1..] == words, "{length} bytes");
            }
        }
    });
}

/// IPv6 has room for 20 bytes more: what does not fit into IPv4 is dropped,
/// counted, and costs nobody else anything.
#[test]
fn a_datagram_that_is_too_long_for_the_other_family_is_counted() {
    scenario(&["ss"], Pace::Shared, MINUTE, |lab| {
        let (gateway, [s1, _]) = gateway(lab, &["10.0.0.1/24", "fd00::1/64"]);
        let _a = Echo::start(s1.machine(), "10.0.0.11:7000", b'a');
        let _smena = smena(
            &gateway,
            "[service echo]\nlisten = udp [::]:5300\nserver = a 10.0.0.11:7000\ncheck = none\n",
        );
        let client = bind(lab.client_machine(), "[fd00::100]:0");
        letter(&client, "[fd00::1]:5300");
        client
            .send_to(&[7; 65_520], "[fd00::1]:5300")
            .expect("IPv6 takes it");
        letter(&client, "[fd00::1]:5300");
        let status = gateway.status().1;
        let service = status["services"].named("name", "echo");
        assert_eq!(service["dropped"].number(), Some(1));
        assert_eq!(service["sessions"].number(), Some(1));
        assert_eq!(service["bytes_out"].number(), Some(2 * 6));
    });
}

/// Many at once, of several clients, some of which the kernel puts together:
/// each comes back alone and whole.
#[test]
fn a_stream_of_datagrams_comes_back_one_by_one() {
    scenario(&["ss"], Pace::Alone, MINUTE, |lab| {
        let (gateway, [s1, s2]) = gateway(lab, &["10.0.0.1/24", "fd00::1/64"]);
        let _a = Echo::start(s1.machine(), "10.0.0.11:7000", b'a');
        let _b = Echo::start(s2.machine(), "[fd00::12]:7000", b'b');
        let _smena = smena(&gateway, TWO);
        let client = lab.client_machine();
        let sockets: Vec<UdpSocket> = (0..4).map(|_| bind(client, "10.0.0.100:0")).collect();
        let mut next: u32 = 0;
        let mut lost = 0;
        for round in 0..400 {
            // Equal ones with a shorter one at the end, unequal ones, and what
            // IPv4 carries in one packet and IPv6 does not: those go apart.
            let lengths = match round % 4 {
                0 => [1200, 1200, 1200, 1200, 1200, 700],
                1 => [100; 6],
                2 => [10, 1300, 1300, 20, 1300, 8],
                _ => [1472; 6],
            };
            for length in lengths {
                for socket in &sockets {
                    let mut words = vec![next as u8; length];
                    words[..4].copy_from_slice(&next.to_be_bytes());
                    socket.send_to(&words, "10.0.0.1:5300").expect("it is sent");
                    next += 1;
                }
            }
            for (number, socket) in (0_u32..).zip(&sockets) {
                for (at, length) in (0_u32..).zip(lengths) {
                    let expected = next - 24 + at * 4 + number;
                    let mut bytes = [0; 2000];
                    let Ok((got, _)) = socket.recv_from(&mut bytes) else {
                        lost += 1;
                        continue;
                    };
                    assert_eq!(got, length + 1);
                    assert_eq!(bytes[1..5], expected.to_be_bytes(), "in order");
                    assert!(bytes[5..got].iter().all(|&byte| byte == expected as u8));
                }
            }
        }
        assert_eq!(lost, 0);
    });
}

/// IKE: a client's 500 and 4500 go to one server, whichever worker takes them.
#[test]
fn both_ports_of_ike_stick_to_one_server() {
    scenario(&["ss"], Pace::Shared, MINUTE, |lab| {
        let (gateway, [s1, s2]) = gateway(lab, &["10.0.0.1/24", "10.0.0.49/24"]);
        let start = |server: &Node, last: u8, letter| {
            [500, 4500]
                .map(|port| Echo::start(server.machine(), &format!("10.0.0.{last}:{port}"), letter))
        };
        let _a = start(&s1, 11, b'a');
        let _b = start(&s2, 12, b'b');
        let _smena = smena(
            &gateway,
            "workers = 2\n[service ike]\nlisten = udp 10.0.0.49:500\n\
             listen = udp 10.0.0.49:4500\nstick = source\nserver = a 10.0.0.11\n\
             server = b 10.0.0.12\ncheck = none\n",
        );
        let client = lab.client_machine();
        let mut met = Vec::new();
        for last in 101..113 {
            client.ip(&format!("address add 10.0.0.{last}/24 dev eth0"));
            let first = bind(client, &format!("10.0.0.{last}:500"));
            let server = letter(&first, "10.0.0.49:500");
            for _ in 0..3 {
                let behind_nat = bind(client, &format!("10.0.0.{last}:0"));
                assert_eq!(letter(&behind_nat, "10.0.0.49:4500"), server);
            }
            met.push(server);
        }
        assert_eq!(met.iter().filter(|&&l| l == b'a').count(), 6, "{met:?}");
    });
}

/// A server's machine says that nobody listens: the session ends, and what the
/// client says next goes to the other one. Back again, it gets new sessions.
#[test]
fn a_refused_client_is_served_by_another_server() {
    scenario(&["ss"], Pace::Shared, MINUTE, |lab| {
        let (gateway, [s1, s2]) = gateway(lab, &["10.0.0.1/24"]);
        let a = Echo::start(s1.machine(), "10.0.0.11:7000", b'a');
        let _b = Echo::start(s2.machine(), "10.0.0.12:7000", b'b');
        let _smena = smena(
            &gateway,
            "[service echo]\nlisten = udp *:5300\nserver = a 10.0.0.11:7000\n\
             server = b 10.0.0.12:7000\ncheck = none\n",
        );
        let client = lab.client_machine();
        let sockets: Vec<UdpSocket> = (0..4).map(|_| bind(client, "10.0.0.100:0")).collect();
        let before = sockets.iter().map(|socket| letter(socket, "10.0.0.1:5300"));
        assert_eq!(before.filter(|&l| l == b'a').count(), 2);
        drop(a);
        for socket in &sockets {
            socket
                .set_read_timeout(Some(Duration::from_millis(50)))
                .expect("a time limit");
            eventually(LIMIT, "the other server answers", || {
                socket.send_to(b"hello", "10.0.0.1:5300").expect("sent");
                socket.recv(&mut [0; 64]).is_ok()
            });
        }
    });
}

/// More clients than a worker has room for: the longest idle one makes room, its
/// socket too, and everybody is answered.
#[test]
fn a_full_table_still_serves_everybody() {
    scenario(&["ss"], Pace::Alone, MINUTE, |lab| {
        let (gateway, [s1, s2]) = gateway(lab, &["10.0.0.1/24", "fd00::1/64"]);
        let _a = Echo::start(s1.machine(), "10.0.0.11:7000", b'a');
        let _b = Echo::start(s2.machine(), "[fd00::12]:7000", b'b');
        let smena = smena(&gateway, &TWO.replace("workers = 2", "workers = 1"));
        let worker = worker(&smena);
        let descriptors = || {
            let all = std::fs::read_dir(format!("/proc/{worker}/fd"));
            all.expect("the worker runs").count()
        };
        let before = descriptors();
        let client = lab.client_machine();
        let (first, last) = (10_000, 18_500);
        for port in first..last {
            let socket = bind(client, &format!("10.0.0.100:{port}"));
            letter(&socket, "10.0.0.1:5300");
        }
        let status = gateway.status().1;
        let service = status["services"].named("name", "echo");
        let kept = 8192;
        assert_eq!(descriptors() - before, kept as usize, "a socket each");
        assert_eq!(service["sessions"].number(), Some(kept));
        let all = i64::from(last - first);
        assert_eq!(service["evicted"].number(), Some(all - kept));
        // The first were let go, and are as welcome as others.
        let socket = bind(client, &format!("10.0.0.100:{first}"));
        letter(&socket, "10.0.0.1:5300");
    });
}

#[test]
fn an_idle_session_ends() {
    scenario(&["ss"], Pace::Shared, MINUTE, |lab| {
        let (gateway, [s1, _]) = gateway(lab, &["10.0.0.1/24"]);
        let _a = Echo::start(s1.machine(), "10.0.0.11:7000", b'a');
        let _smena = smena(
            &gateway,
            "[service echo]\nlisten = udp *:5300\nserver = a 10.0.0.11:7000\n\
             check = none\ntimeout_udp = 2s\n",
        );
        let client = lab.client_machine();
        let towards = || gateway.machine().tool("ss", "-Hnu dst 10.0.0.11");
        for _ in 0..5 {
            letter(&bind(client, "10.0.0.100:0"), "10.0.0.1:5300");
        }
        assert_eq!(towards().lines().count(), 5);
        eventually(LIMIT, "all sessions end", || towards().is_empty());
    });
}

/// With `source = client` the server sees the client's own address and port.
#[test]
fn a_server_sees_the_client_if_it_shall() {
    scenario(&["ss"], Pace::Shared, MINUTE, |lab| {
        let gateway = lab.node("gw", &["10.0.0.1/24"]);
        gateway.plug(&mut lab.switch, "eth1", &["10.1.0.1/24"]);
        let server = lab.node("s1", &["10.1.0.11/24"]);
        server.machine().ip("route add default via 10.1.0.1");
        // What servers answer to strangers is for the gateway's own sockets.
        gateway.machine().ip("rule add iif eth1 table 100");
        gateway
            .machine()
            .ip("route add local default dev lo table 100");
        let seen = bind(server.machine(), "10.1.0.11:7000");
        let _smena = smena(
            &gateway,
            "[service echo]\nlisten = udp *:5300\nserver = a 10.1.0.11:7000\n\
             check = none\nsource = client\n",
        );
        let client = bind(lab.client_machine(), "10.0.0.100:4321");
        client.send_to(b"who", "10.0.0.1:5300").expect("sent");
        let mut bytes = [0; 64];
        let (length, from) = seen.recv_from(&mut bytes).expect("it comes");
        assert_eq!(bytes[..length], *b"who");
        assert_eq!(from, "10.0.0.100:4321".parse().expect("an address"));
        seen.send_to(b"you", from).expect("sent");
        let (length, from) = client.recv_from(&mut bytes).expect("the answer");
        assert_eq!(bytes[..length], *b"you");
        assert_eq!(from, "10.0.0.1:5300".parse().expect("an address"));
    });
}

/// The keeper keeps the socket: what comes while nobody reads waits in it for
/// the next worker, which knows where a client sticks.
#[test]
fn a_worker_that_dies_costs_no_datagram() {
    scenario(&["ss"], Pace::Alone, MINUTE, |lab| {
        let (gateway, [s1, s2]) = gateway(lab, &["10.0.0.1/24"]);
        let _a = Echo::start(s1.machine(), "10.0.0.11:7000", b'a');
        let _b = Echo::start(s2.machine(), "10.0.0.12:7000", b'b');
        let smena = smena(
            &gateway,
            "[service echo]\nlisten = udp *:5300\nstick = source\nserver = a 10.0.0.11:7000\n\
             server = b 10.0.0.12:7000\ncheck = none\n",
        );
        let socket = bind(lab.client_machine(), "10.0.0.100:0");
        let before = letter(&socket, "10.0.0.1:5300");
        let worker = worker(&smena);
        for _ in 0..3 {
            assert_eq!(letter(&socket, "10.0.0.1:5300"), before);
        }
        sys::kill(worker, sys::SIGKILL).expect("it is there");
        for _ in 0..10 {
            assert_eq!(letter(&socket, "10.0.0.1:5300"), before);
        }
    });
}

/// With few descriptors the longest idle session makes room; that is said once,
/// nothing spins, and what TCP needs is left to it.
#[test]
fn without_descriptors_others_go_on() {
    scenario(&["ss"], Pace::Alone, MINUTE, |lab| {
        let (gateway, [s1, s2]) = gateway(lab, &["10.0.0.1/24"]);
        let _a = Echo::start(s1.machine(), "10.0.0.11:7000", b'a');
        let _b = Echo::start(s2.machine(), "10.0.0.12:7000", b'b');
        let echo = Server::echo(s1.machine(), "10.0.0.11:7001", "t");
        let ini = "[service echo]\nlisten = udp *:5300\nserver = a 10.0.0.11:7000\n\
                   server = b 10.0.0.12:7000\ncheck = none\n\
                   [service web]\nlisten = *:5301\nserver = t 10.0.0.11:7001\ncheck = none\n";
        let path = gateway.file("smena.ini", ini);
        let words = format!("ulimit -n 64; exec {SMENA} run -c {}", path.display());
        let smena = gateway.daemon("smena", "sh", &["-c", &words]);
        eventually(LIMIT, "there is a worker", || {
            smena.pids().len() > 1 && gateway.machine().tool("ss", "-Hnul").contains("UNCONN")
        });
        let client = lab.client_machine();
        for port in 10_000..10_200 {
            let socket = bind(client, &format!("10.0.0.100:{port}"));
            letter(&socket, "10.0.0.1:5300");
        }
        let status = gateway.status().1;
        let service = status["services"].named("name", "echo");
        let (kept, evicted) = (service["sessions"].number(), service["evicted"].number());
        assert_eq!(
            kept.zip(evicted).map(|(kept, evicted)| kept + evicted),
            Some(200)
        );
        assert!(kept < Some(60), "{kept:?}");
        let told = "no room for another client of UDP: the longest idle one makes room";
        assert_eq!(smena.log().matches(told).count(), 1, "{}", smena.log());
        let worker = worker(&smena);
        let spent = || {
            let text = std::fs::read_to_string(format!("/proc/{worker}/schedstat"));
            let text = text.expect("the worker runs");
            text.split(' ')
                .next()
                .and_then(|word| word.parse::<u64>().ok())
        };
        let before = spent();
        std::thread::sleep(Duration::from_secs(1));
        let used = spent().zip(before).map(|(after, before)| after - before);
        assert!(used < Some(50_000_000), "{used:?} ns of a second");
        let front = "10.0.0.1:5301".parse().expect("an address");
        let held: Vec<_> = (0..8)
            .map(|_| dial(client, front).expect("it is let in"))
            .collect();
        for mut stream in held {
            std::io::Read::read_exact(&mut stream, &mut [0]).expect("it is served");
        }
        drop(echo);
    });
}
