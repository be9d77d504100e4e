//! Beside the programs that own the host's network: systemd-networkd and
//! NetworkManager, both for real, on the same interface. They see /sys read-only,
//! as in a container, since there is no udev to wait for.

use std::path::Path;
use std::time::{Duration, Instant};

use super::harness::node::{Daemon, Node};
use super::harness::{Pace, always, eventually, scenario, skip, sys};
use super::pair::{LIMIT, VIP, expect_owner, smena_ini};

const LONG: Duration = Duration::from_secs(90);
const NETWORKD: &str = "/usr/lib/systemd/systemd-networkd";

#[test]
fn systemd_networkd_and_smena_leave_each_other_alone() {
    if !Path::new(NETWORKD).exists() {
        return skip("others::systemd_networkd", "needs systemd-networkd");
    }
    beside(&["unshare"], |node| {
        let file = "[Match]\\nName=eth0\\n[Network]\\nAddress=10.0.0.1/24\\n\
                    LinkLocalAddressing=no\\nIPv6AcceptRA=no\\n";
        start(
            node,
            "networkd",
            &format!(
                "mkdir -p /run/systemd/netif/links /run/systemd/netif/leases \
                     /run/systemd/netif/lldp /run/systemd/network
                 chown -R systemd-network /run/systemd/netif
                 printf '{file}' > /run/systemd/network/10-eth0.network
                 exec {NETWORKD}"
            ),
        )
    });
}

#[test]
fn network_manager_and_smena_leave_each_other_alone() {
    beside(&["unshare", "NetworkManager", "dbus-daemon"], |node| {
        let config = "[main]\\nplugins=keyfile\\ndns=none\\n\
                      [device]\\nmatch-device=interface-name:eth0\\nmanaged=1\\n";
        let connection = "[connection]\\nid=eth0\\ntype=ethernet\\ninterface-name=eth0\\n\
                          [ipv4]\\nmethod=manual\\naddress1=10.0.0.1/24\\n\
                          [ipv6]\\nmethod=disabled\\n";
        start(
            node,
            "networkmanager",
            &format!(
                "mount -t tmpfs none /etc/NetworkManager
                 mount -t tmpfs none /var/lib/NetworkManager
                 mkdir -p /run/dbus /run/NetworkManager /etc/NetworkManager/system-connections
                 printf '{config}' > /etc/NetworkManager/NetworkManager.conf
                 cd /etc/NetworkManager/system-connections
                 printf '{connection}' > eth0.nmconnection
                 chmod 600 eth0.nmconnection
                 dbus-daemon --system --nopidfile --nofork &
                 while ! [ -S /run/dbus/system_bus_socket ]; do sleep 0.1; done
                 exec NetworkManager --no-daemon --log-level=INFO"
            ),
        )
    });
}

/// Runs a script with a /run of its own and without udev.
fn start(node: &Node, name: &str, script: &str) -> Daemon {
    let script = format!(
        "mount -t sysfs -o ro none /sys && mount -t tmpfs none /run || exit 1
         {script}"
    );
    node.daemon(name, "unshare", &["-m", "/bin/sh", "-c", &script])
}

/// A box whose interface another program configures, with a smena that keeps an
/// address in the same subnet.
fn beside(needs: &'static [&'static str], other: fn(&Node) -> Daemon) {
    scenario(needs, Pace::Shared, LONG, move |lab| {
        let a = lab.node("a", &[]);
        lab.judge_later(&a);
        let mut host = other(&a);
        eventually(LIMIT, "the host has its own address", || {
            a.has("eth0", "10.0.0.1/24")
        });
        let ini = smena_ini(100, "").replace("10.0.0.49", "10.0.0.49/24");
        let mut keeper = a.smena(&ini);
        expect_owner(lab, "a");
        let promoted = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries";
        let promoted = a.machine().read(promoted).expect("the kernel has it");
        assert_eq!(promoted.trim(), "1");

        // A dozen renewals.
        let from = Instant::now();
        always(Duration::from_secs(7), "both addresses are there", || {
            a.has("eth0", "10.0.0.49/24") && a.has("eth0", "10.0.0.1/24")
        });
        assert!(lab.watch.changes(VIP, from).is_empty());
        assert!(!keeper.log().contains("removed"), "{}", keeper.log());

        // The cable is pulled and put in again: each does its own.
        a.machine().ip("link set eth0 down");
        a.wait_state("VI_01", "FAULT", LIMIT);
        a.machine().ip("link set eth0 up");
        eventually(LIMIT, "the host has its own address again", || {
            a.has("eth0", "10.0.0.1/24")
        });
        expect_owner(lab, "a");
        assert!(host.ended().is_none(), "{}", host.log());

        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
        assert!(lab.watch.wait_for(VIP, &[], LIMIT));
        assert!(a.has("eth0", "10.0.0.1/24"));
        assert!(host.ended().is_none(), "{}", host.log());
    });
}
