//! The benchmark: smena and keepalived side by side on the same work, in
//! interleaved rounds, each target printed beside what was measured.
//!
//! `cargo bench` takes about a quarter of an hour, `cargo bench -- --quick` a
//! third of that; `cargo bench -- killed lateness` measures those only. Needs root, ip and keepalived. Exits 1 when a target is
//! missed, 2 when it cannot run.

#[path = "../tests/lab/harness/mod.rs"]
mod harness;

#[path = "common/figures.rs"]
mod figures;
#[path = "common/gate.rs"]
mod gate;

mod peers {
    pub mod checks;
    pub mod cost;
    pub mod flood;
    pub mod gaps;
    pub mod killed;
    pub mod lateness;
    pub mod owners;
    pub mod start;
    pub mod table;
    pub mod work;
}

use std::process::ExitCode;
use std::time::{Duration, Instant};

use peers::table::Table;
use peers::{checks, cost, flood, gaps, killed, lateness, owners, start};

/// What there is to measure.
const PARTS: [&str; 9] = [
    "size", "start", "rest", "checks", "owners", "killed", "lateness", "flood", "gaps",
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "--quick");
    let wanted: Vec<&String> = words.iter().filter(|w| !w.starts_with("--")).collect();
    if let Some(word) = wanted.iter().find(|word| !PARTS.contains(&word.as_str())) {
        eprintln!("no part is called {word}; there are {}", PARTS.join(", "));
        return ExitCode::from(2);
    }
    if !harness::sys::is_root() {
        eprintln!("the benchmark makes network namespaces and so needs root");
        return ExitCode::from(2);
    }
    for tool in ["ip", "keepalived", "ldd"] {
        if !harness::has_tool(tool) {
            eprintln!("the benchmark needs {tool}");
            return ExitCode::from(2);
        }
    }
    let began = Instant::now();
    let mut table = Table::default();
    let rounds = |few, many| if quick { few } else { many };
    for part in PARTS {
        if !wanted.is_empty() && !wanted.iter().any(|word| *word == part) {
            continue;
        }
        match part {
            "size" => cost::file_size(&mut table),
            "start" => start::measure(&mut table, rounds(5, 15)),
            "rest" => cost::at_rest(&mut table),
            "checks" => checks::measure(&mut table, Duration::from_secs(rounds(6, 20) as u64)),
            "owners" => owners::measure(&mut table, rounds(1, 3)),
            "killed" => killed::measure(&mut table, rounds(1, 5)),
            "lateness" => {
                let length = Duration::from_secs(rounds(10, 30) as u64);
                lateness::measure(&mut table, length);
            }
            "flood" => flood::measure(&mut table, Duration::from_secs(rounds(4, 10) as u64)),
            _ => {
                for setting in gaps::SETTINGS {
                    gaps::measure(&mut table, setting, quick);
                }
            }
        }
    }
    table.print();
    println!("\n{} s in all", began.elapsed().as_secs());
    if table.all_met() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
