//! The forwarder's benchmark: smena beside haproxy, nginx, nftables and a
//! direct connection, on the same work, in interleaved rounds. Each target is
//! printed beside what was measured.
//!
//! `cargo bench --bench forward` takes about half an hour, with `-- --quick` a
//! few minutes. `-- short bulk` measures those only, `-- --only smena-1w,nft`
//! those contenders (haproxy-1t, to which all are compared, is always there).
//! Needs root, ip and haproxy; nginx, nft and strace where they are. A contender of
//! one thread gets the last processor for itself, all others share the machine
//! with client and server. Exits 1 when a target is missed, 2 when it cannot run.

#[path = "../tests/lab/harness/mod.rs"]
mod harness;

#[path = "common/figures.rs"]
mod figures;
#[path = "common/gate.rs"]
mod gate;

mod forward {
    pub mod calls;
    pub mod contender;
    pub mod datagrams;
    pub mod lateness;
    pub mod load;
    pub mod memory;
    pub mod network;
    pub mod rounds;
    pub mod server;
    pub mod start;
    pub mod sys;
    pub mod table;
    pub mod yard;
}

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use forward::contender::{ALL, Kind, REFERENCE};
use forward::network::Packets;
use forward::table::Table;
use forward::yard::Yard;
use forward::{calls, lateness, memory, rounds, server, start, sys};

/// What there is to measure, in this order.
const PARTS: [&str; 10] = [
    "start",
    "memory",
    "calls",
    "short",
    "questions",
    "bulk",
    "beside",
    "datagrams",
    "lateness",
    "mtu",
];

/// What is asked for on the command line.
struct Wish {
    parts: Vec<&'static str>,
    kinds: Vec<Kind>,
    quick: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == server::WORD) {
        server::serve();
    }
    let wish = match read(&words) {
        Ok(wish) => wish,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let folder = harness::new_folder();
    let (table, disturbed) = measure(&wish, &folder);
    let _ = std::fs::remove_dir_all(&folder);
    table.print(&wish.kinds);
    if disturbed > 0 {
        println!("the machine had other work to do during {disturbed} measurements");
    }
    println!("{} s in all", began.elapsed().as_secs());
    match table.missed() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// What the words mean, or why it can't be done.
fn read(words: &[String]) -> Result<Wish, String> {
    let mut words = words.iter().map(String::as_str);
    let (mut parts, mut kinds, mut quick) = (Vec::new(), ALL.to_vec(), false);
    while let Some(word) = words.next() {
        match word {
            // cargo's own.
            "--bench" => {}
            "--quick" => quick = true,
            "--only" => {
                let names = words.next().unwrap_or_default();
                let known = |name: &str| ALL.iter().find(|kind| kind.name() == name);
                if let Some(name) = names.split(',').find(|name| known(name).is_none()) {
                    let all = ALL.map(Kind::name).join(", ");
                    return Err(format!("no contender is called {name}; there are {all}"));
                }
                kinds.retain(|k| *k == REFERENCE || names.split(',').any(|n| n == k.name()));
            }
            _ => match PARTS.iter().find(|part| **part == word) {
                Some(part) => parts.push(*part),
                None => {
                    let all = PARTS.join(", ");
                    return Err(format!("no part is called {word}; there are {all}"));
                }
            },
        }
    }
    if !harness::sys::is_root() {
        return Err("the benchmark makes network namespaces and so needs root".to_owned());
    }
    for tool in ["ip", "haproxy"] {
        if !harness::has_tool(tool) {
            return Err(format!("the benchmark needs {tool}"));
        }
    }
    kinds.retain(|kind| match kind.missing() {
        Some(reason) => {
            println!("{} is left out: {reason}", kind.name());
            false
        }
        None => true,
    });
    if parts.is_empty() {
        parts = PARTS.to_vec();
    }
    if !harness::has_tool("strace") {
        println!("system calls are not counted: strace is not installed");
        parts.retain(|part| *part != "calls");
    }
    Ok(Wish {
        parts,
        kinds,
        quick,
    })
}

/// The figures, and how many of them other work of the machine was in the way
/// of.
fn measure(wish: &Wish, folder: &Path) -> (Table, usize) {
    let mut table = Table::default();
    let mut disturbed = 0;
    let held = memory::connections(sys::raise_descriptors());
    let room = held + 100;
    let times = if wish.quick { 1 } else { 7 };
    let length = Duration::from_secs(if wish.quick { 1 } else { 2 });
    for packets in [Packets::Large, Packets::Mtu] {
        let of_these = |part: &&&str| (**part == "mtu") == (packets == Packets::Mtu);
        let parts: Vec<&&str> = PARTS
            .iter()
            .filter(|part| wish.parts.contains(part))
            .filter(of_these)
            .collect();
        if parts.is_empty() {
            continue;
        }
        let mut yard = Yard::new(packets, &wish.kinds, folder, room, !wish.quick);
        for part in parts {
            let rows = match *part {
                "start" => start::measure(&mut yard, 2 * times + 1, folder, room),
                "memory" => memory::measure(&mut yard, held),
                "calls" => calls::measure(&mut yard, folder, length),
                "short" => rounds::short(&mut yard, times, length),
                "questions" => rounds::questions(&mut yard, times, length),
                "bulk" => rounds::bulk(&mut yard, times, length),
                "beside" => rounds::beside(&mut yard, times, length),
                "datagrams" => rounds::datagrams(&mut yard, times, length),
                "lateness" => lateness::measure(
                    &mut yard,
                    folder,
                    room,
                    Duration::from_secs(if wish.quick { 10 } else { 30 }),
                ),
                _ => rounds::mtu(&mut yard, times, length),
            };
            table.add(rows, &wish.kinds);
        }
        disturbed += yard.disturbed();
    }
    (table, disturbed)
}
