//! One machine: it boots and serves, is told what to do, and says when its
//! configuration is wrong.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::archive::{self, Entry};
use super::build::{TOP, config, image, temporary};
use super::guest::{BOOT, Guest, alone, stamp};
use super::lan::Lan;

const SOON: Duration = Duration::from_secs(20);

/// Machine 1 alone, with the agent and a program that ends at once.
const ONE: &str = "\
[init]
hostname = gw-one
module = virtio_pci
module = virtio_net
mount = tmpfs /var/lib/state
start = /bin/busybox sh /etc/smena/agent
start = /bin/busybox false
[sysctl]
net.ipv4.ip_forward = 1
[interface eth0]
address = 10.66.0.1/24
gateway = 10.66.0.254
mtu = 1400
[vrrp VI_01]
interface = eth0
virtual_router_id = 66
version = 3
advert_int = 100ms
address = 10.66.0.100/24
";

#[test]
fn boots_and_serves() {
    let Some(image) = image("boots_and_serves") else {
        return;
    };
    let _alone = alone();
    let folder = temporary("one");
    let lan = Lan::new(&folder);
    let mut guest = Guest::start(&image, &lan, 1, &config(ONE, &folder), "");
    let began = stamp(&guest.wait_for("Run /init as init process", BOOT));
    let backup = stamp(&guest.wait_for("..BACKUP", SOON));
    let master = stamp(&guest.wait_for("BACKUP..MASTER", SOON));
    let _ = writeln!(
        std::io::stdout().lock(),
        "image: guest time from PID 1 to BACKUP {:.0} ms (target 300), to MASTER {:.0} ms",
        (backup - began) * 1000.0,
        (master - began) * 1000.0
    );
    lan.wait_for(1, SOON);

    let (status, code) = guest.run("smena status --json");
    assert_eq!(code, 0, "{status}");
    for part in ["\"node\":\"gw-one\"", "\"state\":\"MASTER\""] {
        assert!(status.contains(part), "{part}: {status}");
    }
    let asked = [
        ("cat /proc/sys/net/ipv4/ip_forward", "1\n"),
        ("cat /sys/class/net/eth0/mtu", "1400\n"),
        (
            "ip route | busybox grep default",
            "default via 10.66.0.254 dev eth0 \n",
        ),
        ("grep -c /var/lib/state /proc/mounts", "1\n"),
        ("cat /sys/class/net/lo/operstate", "unknown\n"),
    ];
    for (command, expected) in asked {
        let (said, _) = guest.run(&format!("busybox {command}"));
        assert_eq!(said, expected, "{command}");
    }
    // What nobody else collects is collected.
    guest.run("(sleep 0 & sleep 0 &) ; sleep 1");
    let (zombies, _) = guest.run("busybox ps -o stat | busybox grep -c Z");
    assert_eq!(zombies, "0\n");
    for pause in [1, 2] {
        let said = format!("program /bin/busybox ended (exit 1); it starts again in {pause} s");
        assert_eq!(guest.said(&said), 1, "{said}");
    }
    let (memory, _) = guest.run("busybox grep VmRSS /proc/1/status");
    let (free, _) = guest.run("busybox free -k | busybox grep Mem");
    let _ = writeln!(
        std::io::stdout().lock(),
        "image: PID 1 {memory}image: {free}"
    );

    assert_eq!(guest.said("Kernel panic"), 0);
}

/// The kernel's command line names another file than the one in the image.
#[test]
fn the_command_line_names_a_configuration() {
    let Some(image) = image("the_command_line_names_a_configuration") else {
        return;
    };
    let _alone = alone();
    let folder = temporary("named");
    let lan = Lan::new(&folder);
    let words = "smena.conf=/etc/smena/missing.ini";
    let mut guest = Guest::start(&image, &lan, 1, &[], words);
    // A missing file leads on to the one in the image.
    guest.wait_for("BACKUP..MASTER", BOOT);
    drop(guest);
    let archive = config(&ONE.replace("gw-one", "gw-named"), &folder);
    let archive = replaced(&archive, b"etc/smena.ini", b"etc/other.ini");
    let mut guest = Guest::start(&image, &lan, 1, &archive, "smena.conf=/etc/other.ini");
    guest.wait_for("BACKUP..MASTER", BOOT);
    assert_eq!(guest.run("busybox hostname").0, "gw-named\n");
}

/// An image whose `/init` has its configuration inside, and that has no other.
#[test]
fn a_baked_configuration_is_booted() {
    let Some(image) = image("a_baked_configuration_is_booted") else {
        return;
    };
    let _alone = alone();
    let folder = temporary("baked");
    let mut entries = archive::of_image(&image);
    entries.retain(|entry| entry.name != "etc/smena.ini");
    let init = entries.iter_mut().find(|entry| entry.name == "init");
    let init = init.unwrap();
    let [plain, file, baked] = ["init", "baked.ini", "baked"].map(|name| folder.join(name));
    fs::write(&plain, &init.bytes).unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&file, ONE.replace("gw-one", "gw-baked")).unwrap();
    let mut bake = Command::new(&plain);
    bake.arg("bake").arg(&file).arg("-o").arg(&baked);
    assert!(bake.status().unwrap().success());
    init.bytes = fs::read(&baked).unwrap();
    let agent = fs::read(Path::new(TOP).join("tests/image/agent")).unwrap();
    entries.push(Entry::folder("etc/smena"));
    entries.push(Entry::file("etc/smena/agent", 0o755, agent));

    let lan = Lan::new(&folder);
    let mut guest = Guest::boot(&image, &lan, 1, &archive::write(&entries), "", "");
    guest.wait_for("BACKUP..MASTER", BOOT);
    let (said, _) = guest.run("busybox hostname; busybox ls /etc/smena.ini; smena check");
    let missing = "ls: /etc/smena.ini: No such file or directory";
    let note = "note: [interface NAME] and [init] count where smena is PID 1; elsewhere nothing of them is done";
    assert_eq!(
        said,
        format!("gw-baked\n{missing}\n{note}\n(built in): ok\n")
    );
}

/// A configuration that is wrong: the machine says so, and nothing else.
#[test]
fn a_wrong_configuration_stays_out_of_it() {
    let Some(image) = image("a_wrong_configuration_stays_out_of_it") else {
        return;
    };
    let _alone = alone();
    let folder = temporary("wrong");
    let lan = Lan::new(&folder);
    let began = Instant::now();
    let wrong = ONE.replace("virtual_router_id", "virtual_router");
    let mut guest = Guest::start(&image, &lan, 1, &config(&wrong, &folder), "");
    for _ in 0..3 {
        guest.wait_for("error: unknown key `virtual_router` in [vrrp VI_01]", BOOT);
        guest.wait_for("--> /etc/smena.ini:", SOON);
        guest.wait_for("it reads its configuration again when it restarts", SOON);
    }
    assert_eq!(lan.adverts(1, began), 0);
    assert_eq!(lan.last(), None);
    assert_eq!(guest.said("Kernel panic"), 0);
    guest.three_keys();
    guest.wait_for("error: unknown key `virtual_router`", BOOT);
}

/// The same bytes under another name of the same length.
fn replaced(archive: &[u8], name: &[u8], by: &[u8]) -> Vec<u8> {
    let mut archive = archive.to_vec();
    let at = archive
        .windows(name.len())
        .position(|window| window == name)
        .unwrap();
    archive[at..at + by.len()].copy_from_slice(by);
    archive
}
