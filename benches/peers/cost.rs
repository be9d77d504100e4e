//! What a program costs: its file, its memory, its time at rest.

use std::fs;
use std::time::{Duration, Instant};

use super::table::{Figures, Table, Target};
use super::work::{BOTH, Pair, Program, Work};
use crate::harness::host_command;
use crate::harness::node::{Daemon, SMENA};

/// The file, with the shared libraries it cannot run without.
pub fn file_size(table: &mut Table) {
    let ours = kibibytes(SMENA);
    let program = "/usr/sbin/keepalived";
    let listed = host_command("ldd", &[program]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let libraries: Vec<f64> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(kibibytes)
        .collect();
    let peer = kibibytes(program) + libraries.iter().sum::<f64>();
    let what = format!("the file (keepalived: and {} libraries)", libraries.len());
    let (ours, peer) = (Figures::from(ours), Figures::from(peer));
    table.add(&what, "KiB", &ours, &peer, Target::Every(256.0));
}

fn kibibytes(path: &str) -> f64 {
    fs::metadata(path).expect("the file is there").len() as f64 / 1024.0
}

/// Memory after 30 s with one router and one check, and processor time of pairs
/// with 1 and with 32 routers; all of them side by side.
pub fn at_rest(table: &mut Table) {
    let one = Work::simple(2, 1000);
    let checked = Work { check: true, ..one };
    let many = Work { routers: 32, ..one };
    let pairs = [checked, one, many].map(|work| BOTH.map(|program| Pair::start(program, work)));
    std::thread::sleep(Duration::from_secs(5));
    let began = Instant::now();
    let before = pairs.each_ref().map(|both| both.each_ref().map(busy_pair));
    std::thread::sleep(Duration::from_secs(25));
    let after = pairs.each_ref().map(|both| both.each_ref().map(busy_pair));
    let length = began.elapsed().as_secs_f64();

    let [ours, peer] = pairs[0].each_ref().map(resident);
    let what = "resident after 30 s, the largest process";
    table.add(what, "KiB", &ours, &peer, Target::Every(400.0));
    for (index, name) in [(1, "1 router"), (2, "32 routers")] {
        let [ours, peer] = [0, 1].map(|program| {
            let mut figures = Figures::default();
            for node in 0..2 {
                let spent = after[index][program][node] - before[index][program][node];
                figures.add(spent / length * 1000.0);
            }
            figures
        });
        let what = format!("processor at rest, master and backup, {name}");
        table.add(&what, "ms/s", &ours, &peer, Target::None);
    }
}

fn keepers(pair: &Pair) -> [&Daemon; 2] {
    [&pair.keeper_a, &pair.keeper_b].map(|keeper| keeper.as_ref().expect("both run"))
}

fn busy_pair(pair: &Pair) -> [f64; 2] {
    busy(&pair.keeper_a, &pair.keeper_b)
}

/// Seconds of processor time that each node's processes have used.
pub fn busy(a: &Option<Daemon>, b: &Option<Daemon>) -> [f64; 2] {
    [a, b].map(|keeper| {
        let pids = keeper.as_ref().map(Daemon::pids).expect("both run");
        let spent = pids.into_iter().map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
            let first = text
                .split(' ')
                .next()
                .and_then(|word| word.parse::<f64>().ok());
            first.unwrap_or(0.0) / 1e9
        });
        spent.sum()
    })
}

/// Resident KiB of each process of the pair.
fn resident(pair: &Pair) -> Figures {
    let mut figures = Figures::default();
    for pid in keepers(pair).into_iter().flat_map(Daemon::pids) {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(path).unwrap_or_default();
        let rss = text
            .lines()
            .find_map(|line| line.strip_prefix("Rss:"))
            .and_then(|rest| rest.trim().split(' ').next()?.parse().ok());
        // A hook or a check may have ended in between.
        if let Some(rss) = rss {
            figures.add(rss);
        }
    }
    if pair.program == Program::Smena {
        assert!(figures.max() > 0.0, "smena has no resident memory");
    }
    figures
}
