//! The benchmark: smena and keepalived side by side on the same work, in
//! interleaved rounds, each target printed beside what was measured.
//!
//! `cargo bench` takes about a quarter of an hour, `cargo bench -- --quick` a
//! third of that. Needs root, ip and keepalived. Exits 1 when a target is
//! missed, 2 when it cannot run.

#[path = "../tests/lab/harness/mod.rs"]
mod harness;

mod peers {
    pub mod cost;
    pub mod gaps;
    pub mod owners;
    pub mod start;
    pub mod table;
    pub mod work;
}

use std::process::ExitCode;
use std::time::Instant;

use peers::table::Table;
use peers::{cost, gaps, owners, start};

fn main() -> ExitCode {
    let quick = std::env::args().any(|word| word == "--quick");
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
    cost::file_size(&mut table);
    start::measure(&mut table, if quick { 5 } else { 15 });
    cost::at_rest(&mut table);
    owners::measure(&mut table, if quick { 1 } else { 3 });
    for setting in gaps::SETTINGS {
        gaps::measure(&mut table, setting, quick);
    }
    table.print();
    println!("\n{} s in all", began.elapsed().as_secs());
    if table.all_met() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
