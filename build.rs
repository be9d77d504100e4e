//! Board capacities become constants, and the binary gets its link arguments.
use std::{env, fs, path::Path};

fn main() {
    let board = env::var("SMENA_BOARD").unwrap_or_else(|_| "generic".into());
    println!("cargo:rerun-if-env-changed=SMENA_BOARD");
    let ini = format!("board/{board}/board.ini");
    println!("cargo:rerun-if-changed={ini}");
    let text = fs::read_to_string(&ini).unwrap();
    let get = |key: &str| -> usize {
        text.lines()
            .filter_map(|l| l.split_once('='))
            .find(|(k, _)| k.trim() == key)
            .map(|(_, v)| v.trim().parse().unwrap())
            .unwrap()
    };
    let mut out = String::new();
    for key in [
        "routers",
        "addresses",
        "checks",
        "tracks",
        "interfaces",
        "sysctls",
        "file",
    ] {
        out += &format!(
            "/// `{key}` of board.ini.\npub const {}_MAX: usize = {};\n",
            key.to_uppercase(),
            get(key)
        );
    }
    fs::write(
        Path::new(&env::var("OUT_DIR").unwrap()).join("board.rs"),
        out,
    )
    .unwrap();
    for arg in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none",
    ] {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
}
