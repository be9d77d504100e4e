//! The lines of the layout, held by reading the source as text: who may import
//! whom, where each outer crate may be named, where `unsafe` may stand and what
//! stands beside it, and how a file looks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[path = "layers/protocol.rs"]
mod protocol;

/// The rooms of the core in layers. Each may name what is below it; siblings
/// never name each other, and nothing names what is above it.
const LAYERS: [&[&str]; 9] = [
    &["hello", "mutation", "pack", "say"],
    &["address", "board", "key", "protocol"],
    &["capture", "stick"],
    &["config", "shared", "wire"],
    &["event", "command"],
    &["call"],
    &[
        "vrrp",
        "check",
        "server",
        "probe",
        "hook",
        "resource",
        "diagnosis",
        "supervise",
        "balance",
        "upkeep",
    ],
    &["node", "session", "datagram"],
    &["replay", "report"],
];

/// What of the root is no room: lib.rs lends smoltcp's time to everybody, and an
/// exported macro is at the root.
const LENT: [&str; 4] = ["Instant", "Duration", "packed", "packed_lines"];

/// A file is a thing one reads in a sitting.
const LINES_MAX: usize = 800;
const LINES_MAX_WITHOUT_TESTS: usize = 600;

#[test]
fn imports_point_downwards() {
    for file in sources() {
        let Some(layer) = layer_of(&file.room) else {
            continue;
        };
        for name in named_of(&file.code, "crate") {
            let below = layer_of(&name).is_some_and(|of_name| of_name < layer);
            let fine = below || name == file.room || LENT.contains(&name.as_str());
            assert!(fine, "{}: `{}` may not name `{name}`", file.path, file.room);
        }
        // `super` stays inside the room, so that the rule above sees everything.
        let depth = file.path.matches('/').count() - 1;
        let up = "super::".repeat(depth - usize::from(file.path.ends_with("/mod.rs")) + 1);
        assert!(
            !file.code.contains(&up),
            "{}: say `crate::` instead",
            file.path
        );
    }
}

#[test]
fn every_file_of_the_core_is_in_a_known_room() {
    for file in sources() {
        let known = layer_of(&file.room).is_some();
        let outside = ["lib", "main", "linux"].contains(&file.room.as_str());
        assert!(known || outside, "{}: which room is this?", file.path);
    }
}

#[test]
fn outer_crates_have_one_room_each() {
    let rooms = [
        ("rustix", "linux"),
        ("linux_raw_sys", "linux"),
        ("nom", "config"),
        ("smoltcp", "wire"),
    ];
    for file in sources() {
        for (name, room) in rooms {
            let lent = (name, file.room.as_str()) == ("smoltcp", "lib")
                && file.code.matches("smoltcp").count() == 1
                && file
                    .code
                    .contains("pub use smoltcp::time::{Duration, Instant};");
            let named = words(&file.code).any(|(_, word)| word == name);
            assert!(
                !named || file.room == room || lent,
                "{}: {name} belongs to {room}",
                file.path
            );
        }
        for name in ["std", "alloc", "libc"] {
            let path = format!("{name}::");
            let named = words(&file.code)
                .any(|(at, word)| word == name && file.code[at..].starts_with(&path));
            assert!(!named, "{}: there is no {name} here", file.path);
        }
        let unchecked = file.room == "wire" && file.code.contains("new_unchecked");
        assert!(!unchecked, "{}: views of input are checked", file.path);
    }
}

#[test]
fn unsafe_is_in_linux_only_and_argued_for() {
    let sources = sources();
    assert!(
        std::fs::read_to_string(root().join("src/lib.rs"))
            .unwrap()
            .contains("#![forbid(unsafe_code)]")
    );
    for file in &sources {
        if !words(&file.code).any(|(_, word)| word == "unsafe") {
            continue;
        }
        assert_eq!(file.room, "linux", "{}: unsafe", file.path);
        // The front door of a room inside `linux` may speak for its files.
        let folder = &file.path[..file.path.rfind('/').unwrap()];
        let door = format!("{folder}/mod.rs");
        let speaks = |other: &&Source| {
            other.path == file.path || (other.path == door && folder != "src/linux")
        };
        let said = |what: &str| {
            sources
                .iter()
                .filter(speaks)
                .any(|other| other.text.contains(what))
        };
        assert!(
            said("//! # Safety"),
            "{}: no `# Safety` in its head",
            file.path
        );
        assert!(
            said("#![allow(unsafe_code)]"),
            "{}: unsafe is not allowed file by file",
            file.path
        );
        let lines = unargued(&file.text);
        assert_eq!(lines, [], "{}: lines without `// SAFETY:` above", file.path);
    }
}

#[test]
fn files_open_with_what_they_are_for_and_end_in_time() {
    for file in sources() {
        let head: Vec<&str> = file
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        let head = head.join("\n");
        assert!(
            head.len() > 40 && head.contains('.') || file.text.trim().is_empty(),
            "{}: no head that says what it is for",
            file.path
        );
        let lines = file.text.lines().count();
        assert!(lines <= LINES_MAX, "{}: {lines} lines", file.path);
        let lines = file.code.lines().count();
        assert!(
            lines <= LINES_MAX_WITHOUT_TESTS,
            "{}: {lines} lines before its tests",
            file.path
        );
        for word in ["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "dbg!"] {
            assert!(!file.text.contains(word), "{}: {word}", file.path);
        }
    }
}

/// The reader itself: it finds what it is there to find.
#[test]
fn the_reader_sees() {
    let names = |text| {
        named_of(&code(text), "crate")
            .into_iter()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names("use crate::node::Node;"), "node");
    assert_eq!(
        names("use crate::{board, node::{self, Node}, Duration};"),
        "Duration board node"
    );
    assert_eq!(
        names("use crate::{\n    board,\n    node,\n};"),
        "board node"
    );
    assert_eq!(
        names("fn f() { crate::vrrp::g(crate::check::h()) }"),
        "check vrrp"
    );
    assert_eq!(
        names("// crate::node\n/// [`crate::node`]\nlet x = 1; // crate::node"),
        ""
    );
    assert_eq!(
        names("use crate::board;\n#[cfg(test)]\nmod tests { use crate::node; }"),
        "board"
    );
    assert_eq!(names("pub(crate) struct Mycrate; mycrate::node"), "");
    assert_eq!(
        unargued("// SAFETY: it is.\nlet x =\n    unsafe { f() };"),
        []
    );
    assert_eq!(unargued("let y = 2;\nlet x = unsafe { f() };"), [2]);
    assert_eq!(
        unargued("// SAFETY: y.\nlet y = unsafe { f() };\nlet x = unsafe { f() };"),
        [3]
    );
}

fn layer_of(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

struct Source {
    /// From the project's folder on, with slashes.
    path: String,
    /// The folder or file directly under `src`.
    room: String,
    text: String,
    /// The text without comments and without the tests at its end.
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root().join("src"), &mut paths);
    assert!(paths.len() > 10, "the source was not found");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let path = path
            .strip_prefix(root())
            .unwrap()
            .to_str()
            .unwrap()
            .to_string();
        let room = path
            .split('/')
            .nth(1)
            .unwrap()
            .trim_end_matches(".rs")
            .to_string();
        let code = if is_test(&path) {
            String::new()
        } else {
            code(&text)
        };
        Source {
            path,
            room,
            text,
            code,
        }
    };
    paths.into_iter().map(read).collect()
}

/// Whether the file is compiled for tests only, which its front door says, or
/// that of the file whose part it is.
fn is_test(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap();
    if root().join(folder).with_extension("rs").exists() && is_test(&format!("{folder}.rs")) {
        return true;
    }
    let door = std::fs::read_to_string(root().join(folder).join("mod.rs")).unwrap_or_default();
    door.contains(&format!(
        "#[cfg(test)]\nmod {};",
        name.trim_end_matches(".rs")
    ))
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let lines = text[..end].lines().map(|line| match line.find("//") {
        // Part of an address in a string, such as `http://`.
        Some(at) if line[..at].ends_with(':') => line,
        Some(at) => &line[..at],
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Identifiers and keywords, each with its place.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.split(move |c| !is_word(c))
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - code.as_ptr() as usize, word))
}

/// What stands directly behind `root::`, through one level of braces.
fn named_of(code: &str, root: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in words(code).filter(|(_, word)| *word == root) {
        let Some(rest) = code[at + root.len()..].strip_prefix("::") else {
            continue;
        };
        let Some(group) = rest.strip_prefix('{') else {
            names.extend(words(rest).next().map(|(_, name)| name.to_string()));
            continue;
        };
        let mut depth = 0;
        let mut first = true;
        let mut rest = group;
        while let Some(c) = rest.chars().next().filter(|&c| c != '}' || depth > 0) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => first = true,
                c if first && (c.is_alphanumeric() || c == '_') => {
                    names.extend(words(rest).next().map(|(_, name)| name.to_string()));
                    first = false;
                }
                _ => {}
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    names
}

/// The lines with an unsafe block whose statement has no `SAFETY` comment above.
fn unargued(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let argued = |at: usize| {
        let above = lines[..at].iter().rev();
        let mut block = above.take_while(|line| {
            line.starts_with("//") || !(line.is_empty() || line.ends_with([';', '}']))
        });
        block.any(|line| line.starts_with("// SAFETY:"))
    };
    let blocks = lines.iter().enumerate().filter(|(_, line)| {
        let code = line.split("//").next().unwrap();
        code.contains("unsafe {") || code.contains("unsafe impl")
    });
    blocks
        .map(|(at, _)| at)
        .filter(|&at| !argued(at))
        .map(|at| at + 1)
        .collect()
}
