//! How late adverts are on a machine that is busy: every core runs an ordinary
//! program that never rests, or the forwarder carries all that it can.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::table::{Figures, Table, Target};
use super::work::{BOTH, Pair, Program, Work};
use crate::harness::node::Node;
use crate::harness::sys;

/// The interval of the adverts, in milliseconds.
const INTERVAL: u64 = 10;
/// Where real time is permitted.
const TARGET: f64 = 3.0;

/// One long look at each program, and at keepalived in real time as well, which
/// it can do when it is told to.
pub fn measure(table: &mut Table, length: Duration) {
    let plain = Work::simple(3, INTERVAL);
    let urgent = Work {
        realtime: true,
        ..plain
    };
    let [ours, peer] = BOTH.map(|program| look(program, plain, length));
    let peer_urgent = look(Program::Keepalived, urgent, length);
    let forwards = Work {
        forwards: true,
        ..plain
    };
    // Of 1,000 adverts 99.9 % is a matter of one.
    let forwarding = look(
        Program::Smena,
        forwards,
        length.max(Duration::from_secs(30)),
    );
    for (name, peer) in [
        ("", &peer),
        (", keepalived with vrrp_rt_priority", &peer_urgent),
    ] {
        for (of_thousand, what) in [(500, "half"), (990, "99 %"), (999, "99.9 %")] {
            let [ours, peer] = [&ours, peer].map(|late| Figures::from(at(late, of_thousand)));
            let what =
                format!("{what} of adverts at {INTERVAL} ms on busy cores late by at most{name}");
            table.add(&what, "ms", &ours, &peer, target(of_thousand));
        }
    }
    for (of_thousand, what) in [(500, "half"), (990, "99 %"), (999, "99.9 %")] {
        let ours = Figures::from(at(&forwarding, of_thousand));
        let nobody = Figures::default();
        let what = format!(
            "{what} of adverts at {INTERVAL} ms beside a forwarder at its limit late by at most"
        );
        table.add(&what, "ms", &ours, &nobody, target(of_thousand));
    }
}

/// What of a thousand adverts is held to the target.
fn target(of_thousand: usize) -> Target {
    match of_thousand {
        999 if sys::is_permitted_real_time() => Target::Every(TARGET),
        _ => Target::None,
    }
}

/// How much later than the interval each advert of the master came after the
/// one before, in milliseconds, the least first.
fn look(program: Program, work: Work, length: Duration) -> Vec<f64> {
    let pair = Pair::start(program, work);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = work.forwards.then(|| Bulk::start(&pair.a, 2 * cores));
    let programs = if load.is_some() { 0 } else { cores };
    let _busy: Vec<Busy> = (0..programs).map(|_| Busy::start()).collect();
    let from = Instant::now() + Duration::from_millis(500);
    std::thread::sleep(Duration::from_millis(500) + length);
    if let Some(load) = &load {
        let bits = load.carried.load(Ordering::Relaxed) as f64 * 8.0;
        let gbits = bits / (length.as_secs_f64() + 0.5) / 1e9;
        assert!(gbits > 0.1, "the forwarder carries {gbits:.2} Gbit/s");
        println!("the forwarder carries {gbits:.1} Gbit/s meanwhile");
    }
    let adverts = pair.lab.capture.adverts_of("a");
    let times: Vec<Instant> = adverts
        .iter()
        .map(|(at, _)| *at)
        .filter(|at| *at >= from)
        .collect();
    let late = |pair: &[Instant]| {
        let apart = (pair[1] - pair[0]).as_secs_f64() * 1000.0;
        (apart - INTERVAL as f64).max(0.0)
    };
    let mut late: Vec<f64> = times.windows(2).map(late).collect();
    late.sort_by(f64::total_cmp);
    late
}

/// The value that so many of a thousand do not exceed.
fn at(sorted: &[f64], of_thousand: usize) -> f64 {
    let at = (sorted.len() * of_thousand).div_ceil(1000).max(1) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// Bulk through the forwarder of a node, as much as it carries.
struct Bulk {
    over: Arc<AtomicBool>,
    /// Bytes that the server got.
    carried: Arc<AtomicU64>,
}

impl Bulk {
    fn start(node: &Node, streams: usize) -> Bulk {
        let bulk = Bulk {
            over: Arc::default(),
            carried: Arc::default(),
        };
        let listener = node.machine().run(|| TcpListener::bind("127.0.0.1:9001"));
        let listener = listener.expect("the port is free");
        for _ in 0..streams {
            let client = node.machine().run(|| TcpStream::connect("10.0.0.1:9000"));
            let mut client = client.expect("the forwarder listens");
            let (mut server, _) = listener.accept().expect("it is passed on");
            let (over, carried) = (bulk.over.clone(), bulk.carried.clone());
            std::thread::spawn(move || {
                let bytes = [0; 65_536];
                while !over.load(Ordering::Relaxed) && client.write_all(&bytes).is_ok() {}
            });
            std::thread::spawn(move || {
                let mut bytes = [0; 65_536];
                while let Ok(length @ 1..) = server.read(&mut bytes) {
                    carried.fetch_add(length as u64, Ordering::Relaxed);
                }
            });
        }
        bulk
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// A program that never rests.
struct Busy(Child);

impl Busy {
    fn start() -> Busy {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "while :; do :; done"]);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        Busy(command.spawn().expect("a shell"))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
