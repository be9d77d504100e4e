//! A binary with a configuration inside: it is what it was, and one section more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::build::temporary;

const A: &str = "\
[vrrp a]
interface = eth0
virtual_router_id = 1
address = 192.0.2.1/24
";

fn bake(binary: &Path, file: &Path, out: &Path) -> Output {
    let mut command = Command::new(binary);
    command.arg("bake").arg(file).arg("-o").arg(out);
    command.output().unwrap()
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    file
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_baked_binary_can_be_baked_again() {
    let binary = Path::new(env!("CARGO_BIN_EXE_smena"));
    let folder = temporary("bake");
    let a = written(&folder, "a.ini", A);
    // Longer, and of a length that needs padding.
    let b = written(&folder, "b.ini", &format!("{A}; {}\n", "more ".repeat(101)));
    let [baked_a, baked_b, again] = ["a", "b", "again"].map(|name| folder.join(name));
    let said = bake(binary, &a, &baked_a);
    assert!(said.status.success(), "{said:?}");
    let expected = format!("{}: {} is inside\n", baked_a.display(), a.display());
    assert_eq!(text(&said.stdout), expected);
    assert!(bake(binary, &b, &baked_b).status.success());
    assert!(bake(&baked_a, &b, &again).status.success());
    // As if it had not been baked before.
    assert!(fs::read(&baked_b).unwrap() == fs::read(&again).unwrap());
    assert!(bake(&baked_b, &a, &again).status.success());
    assert!(fs::read(&baked_a).unwrap() == fs::read(&again).unwrap());

    if !Path::new("/etc/smena.ini").exists() {
        let said = Command::new(&baked_b).arg("check").output().unwrap();
        assert_eq!(text(&said.stdout), "(built in): ok\n", "{said:?}");
    }
    let _ = fs::remove_dir_all(folder);
}

/// Tools for ELF files see the configuration, and the rest as it was.
#[test]
fn the_configuration_is_a_section() {
    let binary = Path::new(env!("CARGO_BIN_EXE_smena"));
    let folder = temporary("section");
    let (a, baked) = (written(&folder, "a.ini", A), folder.join("baked"));
    assert!(bake(binary, &a, &baked).status.success());
    let sections = |file: &Path| {
        let mut command = Command::new("readelf");
        let said = command
            .args(["--section-headers", "--wide"])
            .arg(file)
            .output();
        let Ok(said) = said else { return Vec::new() };
        assert_eq!(text(&said.stderr), "");
        let said = text(&said.stdout);
        let names = said.lines().filter_map(|line| line.split("] ").nth(1));
        let names = names.filter_map(|rest| rest.split_whitespace().next());
        names.map(str::to_owned).collect()
    };
    let mut expected = sections(binary);
    if expected.is_empty() {
        assert!(std::env::var("SMENA_LAB").as_deref() != Ok("required"));
        println!("\nSKIPPED image::the_configuration_is_a_section: no readelf");
        return;
    }
    expected.push(".smena.ini".into());
    assert_eq!(sections(&baked), expected);
    let dumped = folder.join("dumped");
    let argument = format!(".smena.ini={}", dumped.display());
    let mut command = Command::new("objcopy");
    command.args(["--dump-section", &argument]).arg(&baked);
    let done = command.arg(folder.join("copied")).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(fs::read_to_string(dumped).unwrap(), A);
    let _ = fs::remove_dir_all(folder);
}

/// Whoever signs ELF files adds a section, and may move those that are not loaded:
/// the program runs as before, with the configuration that the signature covers.
#[test]
fn a_signature_fits_in() {
    let binary = Path::new(env!("CARGO_BIN_EXE_smena"));
    let folder = temporary("signature");
    let (a, baked, signed) = (
        written(&folder, "a.ini", A),
        folder.join("baked"),
        folder.join("signed"),
    );
    assert!(bake(binary, &a, &baked).status.success());
    let signature = written(&folder, "signature", &"s".repeat(512));
    let added = format!("signature={}", signature.display());
    for (file, built_in) in [(binary, false), (&baked, true)] {
        let mut command = Command::new("objcopy");
        command
            .args(["--add-section", &added])
            .arg(file)
            .arg(&signed);
        let Ok(done) = command.output() else {
            assert!(std::env::var("SMENA_LAB").as_deref() != Ok("required"));
            println!("\nSKIPPED image::a_signature_fits_in: no objcopy");
            return;
        };
        assert!(done.status.success(), "{done:?}");
        let said = Command::new(&signed).arg("version").output().unwrap();
        assert!(text(&said.stdout).starts_with("smena "), "{said:?}");
        if built_in && !Path::new("/etc/smena.ini").exists() {
            let said = Command::new(&signed).arg("check").output().unwrap();
            assert_eq!(text(&said.stdout), "(built in): ok\n", "{said:?}");
        }
    }
    // What is signed stays as it is.
    let said = bake(&signed, &a, &folder.join("again"));
    assert_eq!(said.status.code(), Some(4));
    let mend = "bake a copy that was not signed or stripped since";
    assert!(text(&said.stderr).contains(mend), "{said:?}");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn what_is_wrong_is_not_baked() {
    let binary = Path::new(env!("CARGO_BIN_EXE_smena"));
    let folder = temporary("wrong");
    let wrong = written(&folder, "wrong.ini", &A.replace("address", "adress"));
    let out = folder.join("out");
    let said = bake(binary, &wrong, &out);
    assert_eq!(said.status.code(), Some(2));
    assert!(
        text(&said.stderr).contains("did you mean `address`?"),
        "{said:?}"
    );
    assert!(!out.exists());
    let a = written(&folder, "a.ini", A);
    let said = bake(binary, &a, Path::new("/nowhere/out"));
    assert_eq!(said.status.code(), Some(4));
    let expected = "error: write /nowhere/out: no such file (ENOENT)";
    assert!(text(&said.stderr).starts_with(expected), "{said:?}");
    let _ = fs::remove_dir_all(folder);
}
