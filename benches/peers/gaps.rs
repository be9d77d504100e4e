//! How long a client is without an answer when a node loses its power, and when
//! it is stopped on purpose.

use std::time::{Duration, Instant};

use super::table::{Figures, Table, Target};
use super::work::{BOTH, Pair, Program, VIP, Work};
use crate::harness::sys;

/// Version, interval in milliseconds, rounds, rounds when quick.
pub struct Setting(u8, u64, usize, usize);

/// The settings that people run.
pub const SETTINGS: &[Setting] = &[
    Setting(3, 10, 15, 5),
    Setting(3, 100, 11, 3),
    Setting(2, 1000, 7, 2),
];

/// Rounds of a cut and a stop, one program after the other.
pub fn measure(table: &mut Table, setting: &Setting, quick: bool) {
    let Setting(version, interval, rounds, quick_rounds) = *setting;
    let work = Work::simple(version, interval);
    let mut pairs = BOTH.map(|program| Pair::start(program, work));
    let mut lost: [Figures; 2] = Default::default();
    let mut stopped: [Figures; 2] = Default::default();
    for round in 0..if quick { quick_rounds } else { rounds } {
        for (index, pair) in pairs.iter_mut().enumerate() {
            // The phase between two adverts decides the most, so it is spread.
            let phase = Duration::from_micros(interval * 1000 * round as u64 / rounds as u64);
            lost[index].add(power_loss(pair, phase));
            stopped[index].add(planned_stop(pair, phase));
        }
    }
    let name = format!("v{version} {interval} ms");
    let own_time = work.down_interval(work.priority - 1);
    let [ours, peer] = lost;
    let target = Target::Every(own_time + 3.0);
    table.add(
        &format!("gap at power loss, {name}"),
        "ms",
        &ours,
        &peer,
        target,
    );
    let [ours, peer] = stopped;
    let target = Target::Every(5.0);
    table.add(
        &format!("gap at planned stop, {name}"),
        "ms",
        &ours,
        &peer,
        target,
    );
}

/// All links of the master go down at once.
fn power_loss(pair: &mut Pair, phase: Duration) -> f64 {
    let client = pair.lab.client(VIP);
    std::thread::sleep(Duration::from_millis(200) + phase);
    let cut_at = Instant::now();
    pair.lab.switch.cut(pair.a.machine(), "eth0");
    let patience = Duration::from_millis(pair.work.interval * 4 + 300);
    std::thread::sleep(patience);
    let gap = client.longest_gap(cut_at).length;
    drop(client);
    pair.lab.switch.mend(pair.a.machine(), "eth0");
    pair.settle();
    milliseconds(gap)
}

/// The master gets SIGTERM.
fn planned_stop(pair: &mut Pair, phase: Duration) -> f64 {
    let client = pair.lab.client(VIP);
    std::thread::sleep(Duration::from_millis(200) + phase);
    let stopped_at = Instant::now();
    let mut keeper = pair.keeper_a.take().expect("a runs");
    keeper.signal(sys::SIGTERM);
    pair.wait_for(&["b"]);
    std::thread::sleep(Duration::from_millis(300));
    let gap = client.longest_gap(stopped_at).length;
    drop(client);
    keeper.wait(Duration::from_secs(10));
    if pair.program == Program::Smena {
        std::thread::sleep(Duration::from_millis(50));
    }
    pair.start_a();
    pair.settle();
    milliseconds(gap)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
