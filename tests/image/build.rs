//! The image under test, built once, and what can be said of it as it lies there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The root of the project.
pub const TOP: &str = env!("CARGO_MANIFEST_DIR");
/// The board under test.
const BOARD: &str = "qemu-x86_64";
/// The most that smena alone may take of an initramfs.
const ALONE_MAX: u64 = 256 * 1024;

/// Why there can be no machine here, if so.
fn missing() -> Option<String> {
    for (tool, package) in [
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("objcopy", "binutils"),
        ("dpkg-deb", "dpkg"),
        ("apt-get", "apt"),
        ("mke2fs", "e2fsprogs"),
    ] {
        if !Command::new("sh")
            .args(["-c", &format!("command -v {tool}")])
            .output()
            .is_ok_and(|out| out.status.success())
        {
            return Some(format!("no {tool}: apt-get install {package}"));
        }
    }
    None
}

/// The folder of the built image; `None` where the test is skipped, which it says.
pub fn image(name: &str) -> Option<PathBuf> {
    image_of(BOARD, name)
}

/// The same for any board. Each is built once.
pub fn image_of(board: &str, name: &str) -> Option<PathBuf> {
    static BUILT: Mutex<Vec<(String, Result<(), String>)>> = Mutex::new(Vec::new());
    let mut built = BUILT
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let of_board = built.iter().find(|(other, _)| other == board);
    let result = of_board.map(|(_, result)| result.clone());
    let result = result.unwrap_or_else(|| {
        let result = missing().map_or_else(|| run(Path::new(TOP), board), Err);
        let result = result.map(|said| eprint!("{said}"));
        built.push((board.into(), result.clone()));
        result
    });
    match result {
        Ok(()) => Some(Path::new(TOP).join("image/out").join(board)),
        Err(reason) => {
            let required = std::env::var("SMENA_LAB").as_deref() == Ok("required");
            assert!(!required, "image::{name} was skipped: {reason}");
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "\nSKIPPED image::{name}: {reason}");
            None
        }
    }
}

/// Builds a board in a copy of the project, and holds it to its size; what was said.
fn run(top: &Path, board: &str) -> Result<String, String> {
    let output = Command::new(top.join("image/build")).arg(board).output();
    let output = output.map_err(|error| format!("image/build: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let alone = said.split_whitespace().rev().nth(1);
    let alone = alone.and_then(|bytes| bytes.parse().ok());
    match alone {
        Some(..=ALONE_MAX) => Ok(said),
        _ => Err(format!("{said}smena alone may take {ALONE_MAX} bytes")),
    }
}

/// An archive to append: this configuration, with the test's agent beside.
pub fn config(text: &str, folder: &Path) -> Vec<u8> {
    let file = folder.join("smena.ini");
    fs::write(&file, text).unwrap();
    let agent = Path::new(TOP).join("tests/image/agent");
    let output = Command::new(Path::new(TOP).join("image/config"))
        .args([&file, &agent])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// The archive holds what it should: no device but the console, no owner but
/// root, no time.
#[test]
fn what_is_inside() {
    let Some(image) = image("what_is_inside") else {
        return;
    };
    let sh = format!(
        "gzip -dc {}/initrd.img | cpio -tv --quiet --numeric-uid-gid 2>/dev/null",
        image.display()
    );
    let listed = Command::new("sh").args(["-c", &sh]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("crw-------   1 0        0          5,   1"),
        "{listed}"
    );
    for name in ["init", "etc/smena.ini", "etc/sbom.json", "dev/console"] {
        assert!(
            listed
                .lines()
                .any(|line| line.ends_with(&format!(" {name}"))),
            "{name} is missing:\n{listed}"
        );
    }
    let secret = listed.lines().find(|line| line.ends_with(" etc/smena.ini"));
    assert!(secret.unwrap().starts_with("-rw------- "), "{listed}");
    for line in listed.lines() {
        assert!(line.contains(" 0        0  "), "an owner: {line}");
        assert!(line.contains("1970"), "a time: {line}");
    }
    let bill = fs::read_to_string(image.join("sbom.json")).unwrap();
    for part in [
        "\"CycloneDX\"",
        "pkg:cargo/rustix@",
        "pkg:deb/debian/linux-image-",
    ] {
        assert!(bill.contains(part), "{part}:\n{bill}");
    }
}

/// smena alone, as an initramfs.
#[test]
fn it_is_small() {
    let Some(image) = image("it_is_small") else {
        return;
    };
    let folder = temporary("small");
    let sh = format!(
        "cd {} && gzip -dc {}/initrd.img | cpio -id --quiet init etc/smena.ini etc/sbom.json 2>/dev/null; \
         find . | sort | cpio -o -H newc --quiet | gzip -9 | wc -c",
        folder.display(),
        image.display()
    );
    let output = Command::new("sh").args(["-c", &sh]).output().unwrap();
    let bytes: u64 = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let _ = writeln!(
        std::io::stdout().lock(),
        "image: smena alone is an initramfs of {bytes} bytes, most {ALONE_MAX}"
    );
    assert!((50_000..=ALONE_MAX).contains(&bytes), "{bytes}");
    let _ = fs::remove_dir_all(folder);
}

/// The same commit gives the same bytes in another folder.
#[test]
fn two_builds_are_equal() {
    let Some(image) = image("two_builds_are_equal") else {
        return;
    };
    let copy = temporary("copy of the tree");
    let sh = format!(
        "cd {TOP} && tar c Cargo.toml Cargo.lock build.rs src board image/build image/config image/*.sh benches tests | \
         tar x -C '{0}' && ln -s {TOP}/image/cache '{0}/image/cache'",
        copy.display()
    );
    assert!(
        Command::new("sh")
            .args(["-c", &sh])
            .status()
            .unwrap()
            .success()
    );
    run(&copy, BOARD).unwrap();
    for file in ["initrd.img", "vmlinuz", "cmdline", "sbom.json"] {
        let one = fs::read(image.join(file)).unwrap();
        let other = fs::read(copy.join("image/out").join(BOARD).join(file)).unwrap();
        assert!(one == other, "{file} differs");
    }
    let _ = fs::remove_dir_all(copy);
}

/// A new folder.
pub fn temporary(name: &str) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("smena-{}-{count}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}
