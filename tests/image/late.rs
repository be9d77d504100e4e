//! Interfaces that come late, go and come back, and addresses of both families.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::build::{config, image, temporary};
use super::guest::{BOOT, Guest, alone};
use super::lan::Lan;

const SOON: Duration = Duration::from_secs(20);
/// The last byte of the MAC address of the late interface.
const LATE: u8 = 0x11;

const CONFIG: &str = "\
[init]
module = virtio_pci
module = virtio_net
start = /bin/busybox sh /etc/smena/agent
[interface eth0]
address = 192.0.2.1/24
address = 2001:db8:66::1/64
gateway = 2001:db8:66::fe
[interface eth1]
address = 10.66.0.1/24
address = 2001:db8:67::1/64
mtu = 1400
[vrrp late]
interface = eth1
virtual_router_id = 66
version = 3
advert_int = 100ms
address = 10.66.0.100/24
[vrrp six]
interface = eth0
virtual_router_id = 67
advert_int = 100ms
address = fe80::66
address = 2001:db8:66::100/64
";

#[test]
fn an_interface_comes_late_and_comes_back() {
    let Some(image) = image("an_interface_comes_late_and_comes_back") else {
        return;
    };
    let _alone = alone();
    let [folder, other] = ["late", "later"].map(temporary);
    let (lan, late) = (Lan::new(&folder), Lan::new(&other));
    let base = fs::read(image.join("initrd.img")).unwrap();
    let archive = [base, config(CONFIG, &folder)].concat();
    let slot = "-device pcie-root-port,id=slot1,chassis=1";
    let mut guest = Guest::boot(&image, &lan, 1, &archive, "", slot);
    guest.wait_for("interface eth0: brought up with 2 addresses", BOOT);
    guest.wait_for("six: BACKUP..MASTER", SOON);
    assert_eq!(guest.said("interface eth1:"), 0);

    let (to, from) = late.plug(1);
    let _ = fs::remove_file(&to);
    let end =
        |path: &std::path::Path| format!("{{\"type\":\"unix\",\"path\":\"{}\"}}", path.display());
    let net = format!(
        "\"type\":\"dgram\",\"id\":\"late\",\"local\":{},\"remote\":{}",
        end(&to),
        end(&from)
    );
    guest.monitor("netdev_add", &net);
    for round in 0..2 {
        plug(&mut guest);
        guest.wait_for("interface eth1: brought up with 2 addresses", SOON);
        guest.wait_for("late: BACKUP..MASTER", SOON);
        late.wait_for(LATE, SOON);
        let shown = [
            ("cat /sys/class/net/eth1/mtu", "1400\n"),
            (
                "ip -o addr show dev eth1 | busybox grep -c 10.66.0.1/24",
                "1\n",
            ),
            (
                "ip -o addr show dev eth1 | busybox grep -c 2001:db8:67::1/64",
                "1\n",
            ),
        ];
        for (command, expected) in shown {
            assert_eq!(
                guest.run(&format!("busybox {command}")).0,
                expected,
                "{command}"
            );
        }
        if round == 0 {
            guest.monitor("device_del", "\"id\":\"nic\"");
            guest.wait_for("late: MASTER..FAULT", SOON);
        }
    }
    // The other router has noticed nothing of it.
    assert_eq!(guest.said("six: MASTER.."), 0);
    let shown = [
        (
            "ip -6 route | busybox grep default",
            "default via 2001:db8:66::fe dev eth0",
        ),
        ("ip -6 -o addr show dev eth0", "2001:db8:66::1/64"),
        ("ip -6 -o addr show dev eth0", "2001:db8:66::100/64"),
    ];
    for (command, part) in shown {
        let (said, _) = guest.run(&format!("busybox {command}"));
        assert!(said.contains(part), "{part}: {said}");
    }
    // Nobody else has the addresses, which the kernel finds out by itself.
    let none = "while busybox ip addr | busybox grep -q tentative; do busybox sleep 0.1; done";
    assert_eq!(guest.run(none), (String::new(), 0));
}

/// Plugs the late interface in, once the one before is gone.
fn plug(guest: &mut Guest) {
    let device = format!(
        "\"driver\":\"virtio-net-pci\",\"id\":\"nic\",\"bus\":\"slot1\",\"netdev\":\"late\",\
         \"mac\":\"52:54:00:66:00:{LATE:02x}\""
    );
    let until = Instant::now() + SOON;
    while let Err(line) = guest.try_monitor("device_add", &device) {
        assert!(Instant::now() < until, "{line}");
        thread::sleep(Duration::from_millis(50));
    }
}
