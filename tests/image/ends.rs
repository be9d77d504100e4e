//! The ends of a machine: each is orderly, and what was written is on the disk.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::archive::{self, Entry};
use super::build::{config, image, temporary};
use super::guest::{BOOT, Guest, alone};
use super::lan::Lan;

const SOON: Duration = Duration::from_secs(20);

const CONFIG: &str = "\
[init]
hostname = gw-one
module = virtio_pci
module = virtio_net
module = virtio_blk
module = ext4
mount = ext4 /dev/vda /data
start = /bin/busybox sh /etc/smena/agent
[interface eth0]
address = 10.66.0.1/24
[vrrp VI_01]
interface = eth0
virtual_router_id = 66
version = 3
advert_int = 100ms
address = 10.66.0.100/24
notify = /etc/smena/role
";

/// A hook as people have them beside keepalived: a shell script that keeps its
/// state in a file, takes its time, and looks again before it acts.
const HOOK: &str = r#"#!/bin/sh
type=$1 name=$2 state=$3
said="$(date +%Y) $state"
case $state in
MASTER)
    echo MASTER >/run/role.lock
    rm -f /data/*.lock
    said="$said: start master"
    ;;
BACKUP | STOP)
    echo "$state" >/run/role.lock
    touch /data/old.lock
    sleep 1
    [ "$(cat /run/role.lock)" = "$state" ] || exit 0
    said="$said: start backup"
    ;;
*) said="$said: unknown" ;;
esac
echo "$type $name $said" >>/data/roles.log
echo "$said"
"#;

/// Ctrl-Alt-Del, and the signals that PID 1 knows.
const ENDS: [&str; 4] = ["keys", "TERM", "USR1", "USR2"];

#[test]
fn each_end_is_orderly() {
    let Some(image) = image("each_end_is_orderly") else {
        return;
    };
    let _alone = alone();
    let folder = temporary("ends");
    let lan = Lan::new(&folder);
    let disk = folder.join("disk");
    let mut make = Command::new("mke2fs");
    make.args(["-q", "-t", "ext4"]).arg(&disk).arg("8M");
    let made = make.output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let hook = archive::write(&[Entry::file("etc/smena/role", 0o755, HOOK)]);
    let base = fs::read(image.join("initrd.img")).unwrap();
    let archive = [base, config(CONFIG, &folder), hook].concat();
    let drive = format!(
        "-drive if=virtio,format=raw,cache=unsafe,file={}",
        disk.display()
    );
    let mut guest = Guest::boot(&image, &lan, 1, &archive, "", &drive);

    for (number, end) in ENDS.into_iter().enumerate() {
        guest.wait_for("BACKUP..MASTER", BOOT);
        guest.wait_for("MASTER: start master", SOON);
        assert!(!is_clean(&disk), "{end}: the disk is not in use");
        let since = Instant::now();
        guest.run(&format!("echo before {end} >/data/word.{number}"));
        match end {
            "keys" => guest.three_keys(),
            signal => {
                guest.order(&format!("kill -{signal} 1"));
            }
        }
        guest.wait_for("asked to stop", SOON);
        guest.wait_for("STOP: start backup", SOON);
        assert!(lan.resigned(1, since), "{end}");
        let (said, kernel) = match end {
            "USR1" => ("this machine halts", "reboot: System halted"),
            "USR2" => ("this machine is switched off", "reboot: Power down"),
            _ => ("this machine restarts", "reboot: Restarting system"),
        };
        guest.wait_for(said, SOON);
        guest.wait_for(kernel, SOON);
        match end {
            "USR1" => guest.monitor("system_reset", ""),
            "USR2" => guest.wait_off(SOON),
            _ => {}
        }
        guest.restarted();
    }
    assert_eq!(guest.said("Kernel panic"), 0);
    assert!(is_clean(&disk));
    let read = |name: &str| {
        let mut command = Command::new("debugfs");
        command.args(["-R", &format!("cat {name}")]).arg(&disk);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for (number, end) in ENDS.into_iter().enumerate() {
        assert_eq!(read(&format!("word.{number}")), format!("before {end}\n"));
    }
    let roles = read("roles.log");
    for state in ["MASTER: start master", "STOP: start backup"] {
        let end = format!(" {state}");
        let lines = roles.lines().filter(|line| line.ends_with(&end));
        let whole = lines.filter(|line| line.starts_with("INSTANCE VI_01 "));
        assert_eq!(whole.count(), ENDS.len(), "{state}:\n{roles}");
    }
}

/// Whether the ext4 file system was unmounted: its journal needs no recovery.
fn is_clean(disk: &Path) -> bool {
    /// `s_feature_incompat` of the superblock, and the bit for a journal in use.
    const FEATURES_AT: u64 = 1024 + 0x60;
    const RECOVER: u8 = 4;
    let mut file = fs::File::open(disk).unwrap();
    file.seek(SeekFrom::Start(FEATURES_AT)).unwrap();
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes).unwrap();
    bytes[0] & RECOVER == 0
}
