//! Turns a board into constants: its capacities, and its configuration if it
//! has one, which the real parser must accept first. The binary also gets its
//! link arguments here.
//!
//! What is wrong with a board ends the build with file, line, column and mend.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, process, thread};

// What the parser calls `crate::Duration`.
use smoltcp::time::Duration;

#[allow(dead_code)]
#[path = "src/address.rs"]
mod address;
#[allow(dead_code, unused_imports)]
#[path = "src/config/mod.rs"]
mod config;
#[allow(dead_code)]
#[path = "src/key.rs"]
mod key;
#[allow(dead_code, unused_imports)]
#[path = "src/pack.rs"]
mod pack;
#[allow(dead_code)]
#[path = "src/protocol.rs"]
mod protocol;
#[allow(dead_code)]
#[path = "src/say.rs"]
mod say;

/// Room for what any board can have; the parser is told the board's own limits.
mod board {
    pub const ROUTERS_MAX: usize = 255;
    pub const ADDRESSES_MAX: usize = 255;
    pub const CHECKS_MAX: usize = 255;
    pub const TRACKS_MAX: usize = 255;
    pub const RESOURCES_MAX: usize = 255;
    pub const INTERFACES_MAX: usize = 255;
    pub const PEERS_MAX: usize = 255;
    pub const SYSCTLS_MAX: usize = 255;
    pub const SERVICES_MAX: usize = 255;
    pub const LISTENERS_MAX: usize = 255;
    pub const SERVERS_MAX: usize = 255;
    pub const WORKERS_MAX: usize = 64;
    pub const SESSIONS_MAX: usize = 1 << 20;
    pub const DATAGRAM_SESSIONS_MAX: usize = (1 << 16) - 1;
    pub const STICKS_MAX: usize = 1 << 16;
    pub const MODULES_MAX: usize = 255;
    pub const MOUNTS_MAX: usize = 255;
    pub const PROGRAMS_MAX: usize = 64;
    pub const OWN_ADDRESSES_MAX: usize = 255;
    pub const FILE_MAX: usize = 1 << 20;
}

/// The capacities that a board.ini must name, and how large each may be. Ids are
/// 8 bits wide, so 255 it is.
const CAPACITIES: [(&str, usize); 20] = [
    ("routers", board::ROUTERS_MAX),
    ("addresses", board::ADDRESSES_MAX),
    ("checks", board::CHECKS_MAX),
    ("tracks", board::TRACKS_MAX),
    ("resources", board::RESOURCES_MAX),
    ("interfaces", board::INTERFACES_MAX),
    ("peers", board::PEERS_MAX),
    ("sysctls", board::SYSCTLS_MAX),
    ("services", board::SERVICES_MAX),
    ("listeners", board::LISTENERS_MAX),
    ("servers", board::SERVERS_MAX),
    ("workers", board::WORKERS_MAX),
    ("sessions", board::SESSIONS_MAX),
    ("datagram_sessions", board::DATAGRAM_SESSIONS_MAX),
    ("sticks", board::STICKS_MAX),
    ("modules", board::MODULES_MAX),
    ("mounts", board::MOUNTS_MAX),
    ("programs", board::PROGRAMS_MAX),
    ("own_addresses", board::OWN_ADDRESSES_MAX),
    ("file", board::FILE_MAX),
];

/// The sections of a board.ini, and the keys of the second, which are read by
/// image/build alone.
const SECTIONS: [&str; 2] = ["[capacities]", "[image]"];
const IMAGE: [&str; 6] = [
    "target", "kernel", "modules", "packages", "cmdline", "watchdog",
];

/// A static executable that brings its own entry.
const LINK_ARGUMENTS: [&str; 7] = [
    "-nostartfiles",
    "-nostdlib",
    "-static",
    "-no-pie",
    // By default a linker for MIPS looks for another name.
    "-Wl,--entry=_start",
    // Nobody would make anything read-only: there is no dynamic loader.
    "-Wl,-z,norelro",
    "-Wl,--build-id=none",
];

fn main() {
    // The storage above is large, and an unoptimised build moves it around.
    let worker = thread::Builder::new().stack_size(256 << 20).spawn(build);
    let result = worker.expect("a thread").join().expect("the thread's end");
    if let Err(message) = result {
        eprint!("{message}");
        process::exit(1);
    }
}

fn build() -> Result<(), String> {
    for argument in LINK_ARGUMENTS {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    let folder = env::var("CARGO_MANIFEST_DIR").map_err(|e| format!("error: {e}\n"))?;
    println!("cargo:rerun-if-changed=src/linux/apart.ld");
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{folder}/src/linux/apart.ld");
    // Unwind tables would be a tenth of the file. A debug build keeps them for
    // the debugger's sake.
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{folder}/src/linux/discard.ld");
    }
    println!("cargo:rerun-if-env-changed=SMENA_BOARD");
    let name = env::var("SMENA_BOARD").unwrap_or_else(|_| "generic".into());
    let boards = boards();
    if !boards.contains(&name) {
        let boards = boards.join(", ");
        return Err(format!(
            "error: there is no board `{name}`\n  \
             SMENA_BOARD chooses one of: {boards}; board/README.md says how to add one\n"
        ));
    }
    let folder = Path::new("board").join(&name);
    println!("cargo:rerun-if-changed={}", folder.display());

    let capacities = capacities(&folder.join("board.ini"))?;
    let mut code = format!(
        "/// The folder below `board/` that this is made from.\n\
         pub const NAME: &str = {name:?};\n"
    );
    for ((capacity, _), number) in CAPACITIES.iter().zip(capacities) {
        let upper = capacity.to_uppercase();
        writeln!(code, "/// `{capacity}` of board.ini.").unwrap();
        writeln!(code, "pub const {upper}_MAX: usize = {number};").unwrap();
    }
    code += "/// The configuration inside the binary: the board's smena.ini.\n";
    code += "pub const CONFIG: Option<&str> = ";
    code += &match embedded(&folder.join("smena.ini"), capacities)? {
        Some(path) => format!("Some(include_str!({path:?}));\n"),
        None => "None;\n".into(),
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("board.rs"), code).map_err(|error| format!("error: board.rs: {error}\n"))
}

/// The names of all boards.
fn boards() -> Vec<String> {
    let entries = fs::read_dir("board").into_iter().flatten().flatten();
    let boards = entries.filter(|entry| entry.path().join("board.ini").is_file());
    let mut names: Vec<_> = boards
        .filter_map(|board| board.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Reads a board.ini: one number for each of [`CAPACITIES`].
fn capacities(path: &Path) -> Result<[usize; CAPACITIES.len()], String> {
    let text = read(path)?;
    let mut numbers = [None; CAPACITIES.len()];
    let mut errors = String::new();
    let mut of_image = false;
    for (index, line) in text.lines().enumerate() {
        // A comment begins with a mark at the start, or with one after a blank.
        let said = line.split([';', '#']).next().unwrap_or_default().trim();
        if said.is_empty() {
            continue;
        }
        if said.starts_with('[') && SECTIONS.contains(&said) {
            of_image = said == SECTIONS[1];
            continue;
        }
        if of_image && IMAGE.contains(&said.split('=').next().unwrap_or_default().trim_end()) {
            continue;
        }
        if let Err((place, mend)) = capacity(said, &mut numbers) {
            let column = 1 + (place.as_ptr() as usize - line.as_ptr() as usize);
            let carets = "^".repeat(place.len().max(1));
            let (number, file) = (index + 1, path.display());
            writeln!(errors, "error: `{place}` does not belong here").unwrap();
            writeln!(errors, "  --> {file}:{number}:{column}").unwrap();
            writeln!(errors, " {number} | {line}").unwrap();
            let indent = " ".repeat(number.to_string().len() + 1);
            let before = " ".repeat(column - 1);
            writeln!(errors, "{indent} | {before}{carets} {mend}").unwrap();
        }
    }
    for ((name, _), number) in CAPACITIES.iter().zip(numbers) {
        if number.is_none() && errors.is_empty() {
            let file = path.display();
            errors += &format!("error: {file} has no `{name}`\n  add a line `{name} = NUMBER`\n");
        }
    }
    match errors.is_empty() {
        true => Ok(numbers.map(Option::unwrap_or_default)),
        false => Err(errors),
    }
}

/// Reads one line of it; else the piece that is wrong, and what to do.
fn capacity<'a>(said: &'a str, numbers: &mut [Option<usize>]) -> Result<(), (&'a str, String)> {
    let names = CAPACITIES.map(|(name, _)| name).join(", ");
    let Some((key, value)) = said.split_once('=') else {
        return Err((said, "write `[capacities]` or `key = number`".into()));
    };
    let (key, value) = (key.trim_end(), value.trim_start());
    let Some(index) = CAPACITIES.iter().position(|(name, _)| *name == key) else {
        return Err((key, format!("the keys are: {names}")));
    };
    if numbers[index].is_some() {
        return Err((key, "it is there twice: remove one".into()));
    }
    let most = CAPACITIES[index].1;
    match value.parse() {
        Ok(number) if (1..=most).contains(&number) => numbers[index] = Some(number),
        _ => return Err((value, format!("write a number from 1 to {most}"))),
    }
    Ok(())
}

/// The absolute path of the board's configuration, if there is one and it is
/// good.
fn embedded(path: &Path, capacities: [usize; CAPACITIES.len()]) -> Result<Option<PathBuf>, String> {
    if !path.exists() {
        return Ok(None);
    }
    let [
        routers,
        addresses,
        checks,
        tracks,
        resources,
        interfaces,
        peers,
        sysctls,
        services,
        listeners,
        servers,
        workers,
        _sessions,
        _datagram_sessions,
        _sticks,
        modules,
        mounts,
        programs,
        own_addresses,
        file,
    ] = capacities;
    let limits = config::Limits {
        routers,
        addresses,
        checks,
        tracks,
        resources,
        interfaces,
        peers,
        sysctls,
        services,
        listeners,
        servers,
        workers,
        modules,
        mounts,
        programs,
        own_addresses,
        file,
    };
    let text = read(path)?;
    let name = path.display().to_string();
    let source = config::Source {
        file: &name,
        text: text.as_bytes(),
        others_can_read: false,
    };
    let mut errors = String::new();
    let mut configuration = Box::new(config::Config::EMPTY);
    config::parse(
        &source,
        &limits,
        &mut configuration,
        &mut |diagnostic| match diagnostic.severity {
            config::Severity::Error => errors += &diagnostic.to_string(),
            config::Severity::Warning | config::Severity::Note => {
                for line in diagnostic.to_string().lines() {
                    println!("cargo:warning={line}");
                }
            }
        },
    );
    if !errors.is_empty() {
        return Err(errors);
    }
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    Ok(Some(root.join(path)))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("error: {}: {error}\n", path.display()))
}
