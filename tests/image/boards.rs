//! Every board: its readme says how it is started, and that starts it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::archive::{self, Entry};
use super::build::{TOP, image_of, temporary};
use super::guest::{BOOT, Guest, alone};
use super::lan::Lan;

const SOON: Duration = Duration::from_secs(20);
const NAME: &str = "every_board_boots";

/// Boards whose configuration is another one's, since they bring none.
const BORROWED: [(&str, &str); 1] = [("generic", "qemu-x86_64")];

/// A file of a board, if it is there.
fn of_board(board: &str, name: &str) -> Option<String> {
    fs::read_to_string(Path::new(TOP).join("board").join(board).join(name)).ok()
}

/// Boards from which an image can be made.
fn boards() -> Vec<String> {
    let folder = fs::read_dir(Path::new(TOP).join("board")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let made = |name: &String| {
        of_board(name, "board.ini").is_some_and(|text| text.contains("\n[image]\n"))
    };
    names.filter(made).collect()
}

/// Whether its machine is of the kind that is emulated here.
fn is_x86_64(board: &str) -> bool {
    let text = of_board(board, "board.ini").unwrap();
    let target = text.lines().find_map(|line| line.strip_prefix("target = "));
    target.is_none_or(|target| target.starts_with("x86_64-"))
}

#[test]
fn each_readme_starts_its_own_image() {
    for board in boards() {
        let readme = of_board(&board, "readme.md").unwrap_or_default();
        let line = readme.lines().find(|line| line.starts_with("qemu-system-"));
        let line = line.unwrap_or_else(|| panic!("board/{board}/readme.md has no line of QEMU"));
        for part in [
            format!(" -kernel image/out/{board}/vmlinuz "),
            format!(" -append \"$(cat image/out/{board}/cmdline)\" "),
        ] {
            assert!(line.contains(&part), "{board}: {part}");
        }
        assert!(
            readme.contains(&format!("    image/build {board}\n")),
            "{board}"
        );
    }
}

#[test]
fn every_board_boots() {
    if image_of("qemu-x86_64", NAME).is_none() {
        return;
    }
    let _alone = alone();
    let mut boards = boards();
    // The pairs of the other tests are this one.
    boards.retain(|board| is_x86_64(board) && board != "qemu-x86_64");
    assert!(boards.len() >= 4, "{boards:?}");
    // Two at a time: one is built while the other boots.
    let (one, two) = boards.split_at(boards.len() / 2);
    thread::scope(|scope| {
        scope.spawn(|| one.iter().for_each(|board| boot(board)));
        two.iter().for_each(|board| boot(board));
    });
}

/// Boots a board with the configuration that it brings, the tests' agent beside,
/// until its routers are master.
fn boot(board: &str) {
    let image = image_of(board, NAME).unwrap();
    let borrowed = BORROWED.iter().find(|(name, _)| *name == board);
    let config = of_board(borrowed.map_or(board, |(_, other)| other), "smena.ini").unwrap();
    let agent = "[init]\nstart = /bin/busybox sh /etc/smena/agent\n";
    let with_agent = config.replacen("[init]\n", agent, 1);
    assert!(with_agent != config, "{board}: no [init]");
    let mut more = vec![
        Entry::folder("etc/smena"),
        Entry::file("etc/smena.ini", 0o600, with_agent),
        Entry::file(
            "etc/smena/agent",
            0o755,
            fs::read(Path::new(TOP).join("tests/image/agent")).unwrap(),
        ),
    ];
    let other = archive::of_image(&Path::new(TOP).join("image/out/qemu-x86_64"));
    more.extend(
        other
            .into_iter()
            .filter(|entry| entry.name == "bin/busybox"),
    );
    let tunnel = board == "wifi-controller";
    if tunnel {
        more.extend(program("ip"));
    }
    let folder = temporary(board);
    let lan = Lan::new(&folder);
    let base = fs::read(image.join("initrd.img")).unwrap();
    let archive = [base, archive::write(&more)].concat();
    // Boards are less talkative by default.
    let mut guest = Guest::boot(&image, &lan, 1, &archive, "loglevel=7", "");
    if tunnel {
        guest.wait_for("FAULT: there is no interface l2tpeth0", BOOT);
        let ip = "/etc/smena/ip/ld.so --library-path /etc/smena/ip /etc/smena/ip/ip";
        let made = [
            "tunnel tunnel_id 1 peer_tunnel_id 1 encap udp local 192.0.2.11 remote 192.0.2.12 \
             udp_sport 1701 udp_dport 1701",
            "session name l2tpeth0 tunnel_id 1 session_id 1 peer_session_id 1",
        ];
        for what in made {
            assert_eq!(
                guest.run(&format!("{ip} l2tp add {what}")),
                (String::new(), 0)
            );
        }
        guest.wait_for("interface l2tpeth0: brought up with 1 addresses", SOON);
    }
    guest.wait_for("..BACKUP", BOOT);
    guest.wait_for("BACKUP..MASTER", SOON);
    if of_board(board, "hooks/role").is_some() {
        guest.wait_for("smena: hook ", SOON);
    }
    let (status, _) = guest.run("smena status --json");
    let host = config
        .lines()
        .find_map(|line| line.strip_prefix("hostname = "));
    let name = format!("\"node\":\"{}\"", host.unwrap());
    assert!(status.contains(&name), "{board}: {status}");
    let routers = config.matches("[vrrp ").count();
    assert_eq!(
        status.matches("\"state\":\"MASTER\",\"releasing\"").count(),
        routers,
        "{board}: {status}"
    );
    let services = config.matches("[service ").count();
    let (workers, _) = guest.run("busybox ps -o args | busybox grep -c '^smena: forward'");
    let workers: usize = workers.trim().parse().unwrap();
    assert_eq!(workers > 0, services > 0, "{board}: {workers} workers");
    // What the kernel says of its own troubles under emulation is not ours.
    let wrong = guest.lines(|line| line.starts_with("error") || line.contains("Kernel panic"));
    assert_eq!(wrong, [""; 0], "{board}");
    // A watchdog that is named is there.
    if config.contains("watchdog = ") {
        assert_eq!(
            guest.said("smena: watchdog /dev/watchdog restarts this machine"),
            1
        );
    }
    let said = format!("image: board {board} is master, {routers} routers, {workers} workers");
    println!("{said}");
}

/// A program of this machine with all that it needs, in one folder.
fn program(name: &str) -> Vec<Entry> {
    let sh = format!("ldd \"$(command -v {name})\" && command -v {name}");
    let output = Command::new("sh").args(["-c", &sh]).output().unwrap();
    assert!(output.status.success(), "{name}: apt-get install iproute2");
    let said = String::from_utf8(output.stdout).unwrap();
    let words = said.split_whitespace().filter(|word| word.starts_with('/'));
    let paths: BTreeSet<_> = words.collect();
    let mut entries = vec![Entry::folder(&format!("etc/smena/{name}"))];
    for path in paths {
        let file = Path::new(path).file_name().unwrap().to_str().unwrap();
        let file = if file.starts_with("ld-linux") {
            "ld.so"
        } else {
            file
        };
        let bytes = fs::read(path).unwrap();
        entries.push(Entry::file(
            &format!("etc/smena/{name}/{file}"),
            0o755,
            bytes,
        ));
    }
    entries
}
