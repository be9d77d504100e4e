//! What a keeper leaves that is killed while its guard lives. keepalived has
//! nothing like it: all of its processes are killed, as its own parent would
//! start a killed child again.

use std::time::{Duration, Instant};

use super::table::{Figures, Table, Target};
use super::work::{BOTH, Pair, Program, VIP, Work};
use crate::harness::sys;

/// Version and interval in milliseconds.
const SETTINGS: [(u8, u64); 3] = [(3, 10), (3, 100), (2, 1000)];
/// What a guard that can't be scheduled at once and a watch in a thread of its
/// own may add.
const SLACK: f64 = 10.0;

/// Rounds of both, one program after the other.
pub fn measure(table: &mut Table, rounds: usize) {
    for (version, interval) in SETTINGS {
        let work = Work::simple(version, interval);
        let mut gaps: [Figures; 2] = Default::default();
        let mut doubled: [Figures; 2] = Default::default();
        let mut gone: [Figures; 2] = Default::default();
        for _ in 0..rounds {
            for (index, program) in BOTH.into_iter().enumerate() {
                let killed = round(program, work);
                gaps[index].add(killed.gap);
                doubled[index].add(killed.two_owners);
                if let Some(after) = killed.gone {
                    gone[index].add(after);
                }
            }
        }
        let name = format!("v{version} {interval} ms");
        let skew = work.down_interval(work.priority - 1) - 3.0 * interval as f64;
        let mut row = |what: &str, unit, [ours, peer]: [Figures; 2], target| {
            let what = format!("{what} kill -9 of the keeper, {name}");
            table.add(&what, unit, &ours, &peer, target);
        };
        row("address gone after", "ms", gone, Target::Every(SLACK));
        row("gap at", "ms", gaps, Target::Every(skew + SLACK));
        row("two owners in 5 s after", "s", doubled, Target::Every(0.0));
    }
}

struct Killed {
    /// Milliseconds.
    gap: f64,
    /// Milliseconds; `None`: never.
    gone: Option<f64>,
    /// Seconds.
    two_owners: f64,
}

fn round(program: Program, work: Work) -> Killed {
    let mut pair = Pair::start(program, work);
    let client = pair.lab.client(VIP);
    std::thread::sleep(Duration::from_millis(300));
    let keeper = pair.keeper_a.take().expect("a runs");
    let killed_at = Instant::now();
    match program {
        Program::Smena => keeper.signal(sys::SIGKILL),
        Program::Keepalived => keeper.signal_all(sys::SIGKILL),
    }
    std::thread::sleep(Duration::from_secs(5));
    let changes = pair.lab.watch.changes(VIP, killed_at);
    let gone = changes.iter().find(|c| c.machine == "a" && !c.present);
    Killed {
        gap: milliseconds(client.longest_gap(killed_at).length),
        gone: gone.map(|change| milliseconds(change.at - killed_at)),
        two_owners: pair.lab.watch.two_owners(VIP, killed_at).as_secs_f64(),
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
