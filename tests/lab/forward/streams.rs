//! What a stream must look like on the other side of a forwarder: every byte,
//! every end, nobody held up by others.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use super::super::harness::streams::{
    Noise, Server, dial, exchange, expected, receive, reset, send, visit,
};
use super::super::harness::{Pace, eventually, scenario, sys};
use super::{LIMIT, SOON, boxes, busy, counted, forward, front, resident, unchecked};

/// A server that sends as many bytes as it gets, of another seed.
fn mirror(mut stream: &TcpStream) {
    let mut head = [0; 16];
    if stream.read_exact(&mut head).is_err() {
        return;
    }
    let [seed, length] = [0, 8].map(|at| {
        let bytes = head[at..at + 8].try_into().expect("eight bytes");
        u64::from_le_bytes(bytes)
    });
    let Ok((_, received)) = exchange(stream, seed + 1, length) else {
        return;
    };
    assert_eq!(received, expected(seed, length), "what the server got");
}

#[test]
fn every_byte_arrives_in_both_directions_at_once() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = Server::start(servers.machine(), "10.0.1.11:1000", mirror);
        let _b = Server::start(servers.machine(), "10.0.1.12:1000", mirror);
        let _smena = forward(&gateway, &unchecked(""), &[super::FRONT]);
        let client = lab.client_machine();
        let mut noise = Noise::new(7);
        let sizes = [0, 1, 100, 65_536, 262_144, 16_000_000, 48_000_000];
        let more = std::iter::repeat_with(|| noise.next() % 400_000).take(40);
        let threads: Vec<_> = sizes
            .into_iter()
            .chain(more)
            .enumerate()
            .map(|(index, length)| {
                let mut stream = dial(client, front()).expect("the gateway accepts");
                std::thread::spawn(move || {
                    let seed = 2 * index as u64;
                    let head = [seed.to_le_bytes(), length.to_le_bytes()].concat();
                    stream.write_all(&head).expect("the head is taken");
                    let (_, received) = exchange(&stream, seed, length).expect("it is carried");
                    assert_eq!(received, expected(seed + 1, length), "{length} bytes");
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("every byte is as it was sent");
        }
        eventually(SOON, "no session is left", || {
            counted(&gateway, "sessions") == 0
        });
        assert_eq!(counted(&gateway, "sessions_total"), 47);
    });
}

#[test]
fn half_closed_stream_still_carries_the_other_way() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        const UP: u64 = 20_000_000;
        const DOWN: u64 = 3_000_000;
        let (gateway, servers) = boxes(lab);
        let _server = Server::start(servers.machine(), "10.0.1.11:1000", |stream| {
            // Only when all has come and has ended, it begins to answer.
            let received = receive(stream).expect("the stream ends");
            assert_eq!(received, expected(1, UP));
            send(stream, 2, DOWN).expect("the other way is open");
        });
        let ini =
            "[service web]\nlisten = 10.0.0.1:1000\nserver = a 10.0.1.11:1000\ncheck = none\n";
        let _smena = forward(&gateway, ini, &[super::FRONT]);
        for _ in 0..3 {
            let stream = dial(lab.client_machine(), front()).expect("the gateway accepts");
            send(&stream, 1, UP).expect("it is taken");
            stream.shutdown(Shutdown::Write).expect("own socket");
            assert_eq!(receive(&stream).expect("an answer"), expected(2, DOWN));
        }
    });
}

#[test]
fn stalled_receivers_hold_up_nobody() {
    scenario(&[], Pace::Alone, LIMIT, |lab| {
        const STALLED: usize = 60;
        const LENGTH: u64 = 8_000_000;
        let (gateway, servers) = boxes(lab);
        let gate = Arc::new(Barrier::new(STALLED + 1));
        let opened = gate.clone();
        let _a = Server::start(servers.machine(), "10.0.1.11:1000", move |mut stream| {
            let mut first = [0];
            if stream.read_exact(&mut first).is_err() {
                return;
            }
            if first == *b"S" {
                opened.wait();
            }
            let received = receive(stream).expect("the stream ends");
            let _ = stream.write_all(&received.hash.to_le_bytes());
        });
        let ini =
            "[service web]\nlisten = 10.0.0.1:1000\nserver = a 10.0.1.11:1000\ncheck = none\n";
        let smena = forward(&gateway, ini, &[super::FRONT]);
        let client = lab.client_machine();
        let before = resident(&smena);
        let carry = |kind: &'static [u8], seed: u64| {
            let mut stream = dial(client, front()).expect("the gateway accepts");
            std::thread::spawn(move || {
                stream.write_all(kind).expect("it is taken");
                let sent = send(&stream, seed, LENGTH).expect("it is taken in the end");
                stream.shutdown(Shutdown::Write).expect("own socket");
                let mut hash = [0; 8];
                stream.read_exact(&mut hash).expect("an answer");
                assert_eq!(u64::from_le_bytes(hash), sent.hash);
            })
        };
        let stalled: Vec<_> = (0..STALLED as u64).map(|seed| carry(b"S", seed)).collect();
        std::thread::sleep(Duration::from_secs(1));
        let (from, spent) = (Instant::now(), busy(&smena));
        std::thread::sleep(Duration::from_secs(1));
        let spent = (busy(&smena) - spent).as_secs_f64() / from.elapsed().as_secs_f64();
        assert!(spent < 0.05, "{spent} of a processor with nothing to carry");
        let grown = resident(&smena).saturating_sub(before);
        assert!(
            grown < 600,
            "{grown} KiB more with {STALLED} stalled streams"
        );
        let from = Instant::now();
        carry(b"H", 99).join().expect("a healthy one is carried");
        let took = from.elapsed();
        assert!(
            took < Duration::from_secs(3),
            "8 MB took {took:?} beside the stalled"
        );
        gate.wait();
        for thread in stalled {
            thread.join().expect("what stood still is all there");
        }
    });
}

#[test]
fn server_may_speak_first() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = Server::start(servers.machine(), "10.0.1.11:1000", |mut stream| {
            let _ = stream.write_all(b"220 ready\r\n");
            let _ = stream.read(&mut [0]);
        });
        let ini =
            "[service web]\nlisten = 10.0.0.1:1000\nserver = a 10.0.1.11:1000\ncheck = none\n";
        let _smena = forward(&gateway, ini, &[super::FRONT]);
        let mut times = Vec::new();
        for _ in 0..9 {
            let mut stream = dial(lab.client_machine(), front()).expect("the gateway accepts");
            let from = Instant::now();
            let mut line = [0; 11];
            stream.read_exact(&mut line).expect("a greeting");
            times.push(from.elapsed());
            assert_eq!(&line, b"220 ready\r\n");
        }
        times.sort();
        // A delayed acknowledgement would be 40 ms, each time.
        assert!(times[4] < Duration::from_millis(35), "{times:?}");
    });
}

#[test]
fn reset_is_passed_on_both_ways() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let (told, heard) = channel();
        let told = std::sync::Mutex::new(told);
        let _a = Server::start(servers.machine(), "10.0.1.11:1000", move |mut stream| {
            let mut word = [0; 5];
            stream.read_exact(&mut word).expect("a word");
            if word == *b"reset" {
                return sys::set_linger_zero(stream).expect("own socket");
            }
            stream.write_all(b"y").expect("it is taken");
            let end = stream.read(&mut word);
            let _ = told
                .lock()
                .expect("no panic")
                .send(end.map_err(|e| e.kind()));
        });
        let ini =
            "[service web]\nlisten = 10.0.0.1:1000\nserver = a 10.0.1.11:1000\ncheck = none\n";
        let _smena = forward(&gateway, ini, &[super::FRONT]);
        let mut stream = dial(lab.client_machine(), front()).expect("the gateway accepts");
        stream.write_all(b"reset").expect("it is taken");
        let end = stream.read(&mut [0]).map_err(|e| e.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "the server reset it");

        let mut stream = dial(lab.client_machine(), front()).expect("the gateway accepts");
        stream.write_all(b"hello").expect("it is taken");
        stream.read_exact(&mut [0]).expect("an answer");
        reset(stream);
        let end = heard.recv_timeout(SOON).expect("the server notices");
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "the client reset it");
        eventually(SOON, "no session is left", || {
            counted(&gateway, "sessions") == 0
        });
    });
}

#[test]
fn who_is_not_named_is_not_heard() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let (told, heard) = channel();
        let told = std::sync::Mutex::new(told);
        let _a = Server::start(servers.machine(), "10.0.1.11:1000", move |mut stream| {
            let mut first = [0; 6];
            let read = stream.read_exact(&mut first);
            if read.is_ok() {
                let _ = told.lock().expect("no panic").send(first);
            }
        });
        let ini = "[service web]\nlisten = 10.0.0.1:1000\nserver = a 10.0.1.11:1000 send-proxy\n\
                   check = none\n";
        let _smena = forward(&gateway, ini, &[super::FRONT]);
        // It says who it is by itself, and has gone before anybody could ask. One
        // that is short of memory for the header resets the client itself.
        let mut taken = 0;
        for _ in 0..40 {
            let mut stream = dial(lab.client_machine(), front()).expect("the gateway accepts");
            let said = stream.write_all(b"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello");
            taken += usize::from(said.is_ok());
            reset(stream);
        }
        assert!(taken > 20, "only {taken} of 40 were heard out");
        eventually(SOON, "no session is left", || {
            counted(&gateway, "sessions") == 0
        });
        for first in heard.try_iter() {
            assert_eq!(&first, b"PROXY ", "what the server heard first");
        }
    });
}

#[test]
fn both_families_on_both_sides() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _four = Server::echo(servers.machine(), "10.0.1.11:1000", "a");
        let _six = Server::echo(servers.machine(), "[fd01::11]:1000", "b");
        let ini = "[service four]\nlisten = 10.0.0.1:1000\nlisten = [fd00::1]:1000\n\
                   server = a 10.0.1.11:1000\ncheck = none\n\
                   [service six]\nlisten = 10.0.0.1:1001\nlisten = [fd00::1]:1001\n\
                   server = b [fd01::11]:1000\ncheck = none\n";
        let _smena = forward(&gateway, ini, &["10.0.0.1:1001", "[fd00::1]:1001"]);
        for (address, name) in [
            ("10.0.0.1:1000", "a"),
            ("[fd00::1]:1000", "a"),
            ("10.0.0.1:1001", "b"),
            ("[fd00::1]:1001", "b"),
        ] {
            let seen = visit(lab.client_machine(), address.parse().expect("an address"));
            assert_eq!(seen.outcome, Ok(name.to_owned()), "{address}");
        }
    });
}

/// A server answers and ends; the client is slow to read, and still speaks. A
/// proxy that closes its side then resets it, and what is on the way is lost.
#[test]
fn slow_client_that_still_speaks_gets_all_of_the_answer() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        const LENGTH: u64 = 900_000;
        let (gateway, servers) = boxes(lab);
        let (told, heard) = channel();
        let told = std::sync::Mutex::new(told);
        let _a = Server::start(servers.machine(), "10.0.1.11:1000", move |mut stream| {
            stream.read_exact(&mut [0]).expect("a word");
            send(stream, 5, LENGTH).expect("the gateway takes it");
            stream.shutdown(Shutdown::Write).expect("own socket");
            // All of it is with the gateway when nothing waits here any more.
            eventually(SOON, "it is acknowledged", || {
                sys::unsent(stream) == Some(0)
            });
            stream.shutdown(Shutdown::Read).expect("own socket");
            let _ = told.lock().expect("no panic").send(());
        });
        let ini =
            "[service web]\nlisten = 10.0.0.1:1000\nserver = a 10.0.1.11:1000\ncheck = none\n";
        let _smena = forward(&gateway, ini, &[super::FRONT]);
        for _ in 0..3 {
            let mut stream = dial(lab.client_machine(), front()).expect("the gateway accepts");
            stream.write_all(b"s").expect("it is taken");
            heard.recv_timeout(SOON).expect("the server has ended");
            // The server is gone when this comes; then it resets.
            for _ in 0..20 {
                stream.write_all(b"more").expect("nobody resets the client");
                std::thread::sleep(Duration::from_millis(10));
            }
            let received = receive(&stream).expect("the answer and its end");
            assert_eq!(received, expected(5, LENGTH));
            drop(stream);
            eventually(SOON, "no session is left", || {
                counted(&gateway, "sessions") == 0
            });
        }
    });
}
