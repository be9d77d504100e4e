//! Two machines that keep one address, and what happens to them.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::build::{config, image, temporary};
use super::guest::{BOOT, Guest, alone};
use super::lan::Lan;

const SOON: Duration = Duration::from_secs(20);

/// What a client may go without an answer when a machine falls silent: three
/// intervals and the skew, and what emulation on a busy machine adds.
const SILENT: Duration = Duration::from_millis(2500);
/// The same for a planned end.
const PLANNED: Duration = Duration::from_millis(700);

fn half(number: u8, priority: u8) -> String {
    format!(
        "\
[init]
hostname = gw-{number}
module = virtio_pci
module = virtio_net
module = softdog soft_margin=4
watchdog = /dev/watchdog
start = /bin/busybox sh /etc/smena/agent
[interface eth0]
address = 10.66.0.{number}/24
[vrrp VI_01]
interface = eth0
virtual_router_id = 66
version = 3
priority = {priority}
advert_int = 100ms
address = 10.66.0.100/24
"
    )
}

#[test]
fn fails_over() {
    let Some(image) = image("fails_over") else {
        return;
    };
    let _alone = alone();
    let folder = temporary("pair");
    let lan = Lan::new(&folder);
    let archives = [
        config(&half(1, 110), &folder),
        config(&half(2, 100), &folder),
    ];
    let mut one = Guest::start(&image, &lan, 1, &archives[0], "");
    let mut two = Guest::start(&image, &lan, 2, &archives[1], "");
    two.wait_for("..BACKUP", BOOT);
    one.wait_for("..MASTER", BOOT);
    lan.settle(1, SOON);
    let tell = |what: &str, gap: Duration, most: Duration| {
        let _ = writeln!(
            std::io::stdout().lock(),
            "image: {what}: {} ms without an answer, most {}",
            gap.as_millis(),
            most.as_millis()
        );
        assert!(gap <= most, "{what}: {gap:?}");
    };

    let since = Instant::now();
    one.cable(false);
    lan.wait_for(2, SOON);
    tell("cable pulled", lan.gap(since), SILENT);
    one.wait_for("MASTER..FAULT", SOON);
    one.cable(true);
    lan.settle(1, SOON);

    let since = Instant::now();
    one.monitor("stop", "");
    lan.wait_for(2, SOON);
    tell("paused", lan.gap(since), SILENT);
    let since = Instant::now();
    one.monitor("cont", "");
    lan.wait_for(1, SOON);
    tell("resumed", lan.gap(since), SILENT);
    lan.settle(1, SOON);

    let since = Instant::now();
    one.monitor("system_reset", "");
    lan.wait_for(2, SOON);
    tell("reset", lan.gap(since), SILENT);
    one.restarted();
    lan.settle(1, BOOT);

    // The keeper freezes; the watchdog is not fed, and the machine starts anew.
    let (said, _) = one.run(
        "mkdir -p /run/cg && mount -t cgroup2 none /run/cg && mkdir -p /run/cg/ice && echo 1 >/run/cg/ice/cgroup.procs",
    );
    assert_eq!(said, "");
    let since = Instant::now();
    one.order("echo 1 >/run/cg/ice/cgroup.freeze");
    lan.wait_for(2, SOON);
    tell("frozen", lan.gap(since), SILENT);
    one.wait_for("Initiating system reboot", SOON);
    one.wait_for("Run /init as init process", BOOT);
    one.restarted();
    lan.settle(1, BOOT);

    one.run("true");
    let since = Instant::now();
    one.order("kill -USR2 1");
    lan.wait_for(2, SOON);
    tell("switched off", lan.gap(since), PLANNED);
    one.wait_off(SOON);
    assert!(two.said("Kernel panic") + one.said("Kernel panic") == 0);
}
