//! How late adverts are on a machine that is busy: every core runs an ordinary
//! program that never rests.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::table::{Figures, Table, Target};
use super::work::{BOTH, Pair, Program, Work};
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
    for (name, peer) in [
        ("", &peer),
        (", keepalived with vrrp_rt_priority", &peer_urgent),
    ] {
        for (of_thousand, what) in [(500, "half"), (990, "99 %"), (999, "99.9 %")] {
            let [ours, peer] = [&ours, peer].map(|late| Figures::from(at(late, of_thousand)));
            let target = match of_thousand {
                999 if sys::is_permitted_real_time() => Target::Every(TARGET),
                _ => Target::None,
            };
            let what =
                format!("{what} of adverts at {INTERVAL} ms on busy cores late by at most{name}");
            table.add(&what, "ms", &ours, &peer, target);
        }
    }
}

/// How much later than the interval each advert of the master came after the
/// one before, in milliseconds, the least first.
fn look(program: Program, work: Work, length: Duration) -> Vec<f64> {
    let pair = Pair::start(program, work);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let _busy: Vec<Busy> = (0..cores).map(|_| Busy::start()).collect();
    let from = Instant::now() + Duration::from_millis(500);
    std::thread::sleep(Duration::from_millis(500) + length);
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
