//! FRR's vrrpd on a box: its two daemons, and the links that its user has to
//! make for it. The addresses are on a macvlan with the virtual MAC all the time,
//! and FRR lets it speak or holds it down.

use std::path::Path;
use std::time::Duration;

use super::node::{Daemon, Node};
use super::{eventually, sys};

/// One virtual router by FRR, with an id of 67.
pub struct Frr {
    vrrpd: Daemon,
    zebra: Daemon,
}

/// Programs that a scenario with FRR needs.
pub const NEEDS: [&str; 2] = ["../lib/frr/zebra", "../lib/frr/vrrpd"];

const LINKS: [&str; 2] = ["vrrp4", "vrrp6"];

impl Frr {
    /// Starts it with these addresses, which are of one family but may begin
    /// with a link-local one.
    pub fn start(node: &Node, priority: u8, interval_ms: u32, addresses: &[&str]) -> Frr {
        let version6 = addresses[0].contains(':');
        let link = LINKS[usize::from(version6)];
        let machine = node.machine();
        machine.ip(&format!(
            "link add {link} link eth0 type macvlan mode bridge"
        ));
        machine.ip(&format!("link set {link} addrgenmode none"));
        let mac = format!("00:00:5e:00:0{}:43", 1 + u8::from(version6));
        machine.ip(&format!("link set {link} address {mac}"));
        if version6 {
            // It speaks from here; the box's name is a hexadecimal digit.
            let own = format!("fe80::f:{}/64", node.name());
            machine.ip(&format!("address add {own} dev {link} nodad"));
        }
        let mut conf = format!(
            "debug vrrp protocol\ninterface eth0\n vrrp 67 version 3\n vrrp 67 priority {priority}\n \
             vrrp 67 advertisement-interval {interval_ms}\n"
        );
        for address in addresses {
            let (family, nodad) = if version6 {
                ("ipv6", " nodad")
            } else {
                ("ip", "")
            };
            machine.ip(&format!("address add {address} dev {link}{nodad}"));
            conf += &format!(" vrrp 67 {family} {address}\n");
        }
        machine.ip(&format!("link set {link} up"));

        // It keeps logs of crashes there, by process ids that each box has.
        machine
            .run(|| sys::mount_virtual("tmpfs", "/var/tmp"))
            .expect("a file system for temporary files");
        machine.tool("install", "-d -o frr -g frr /run/frr /var/tmp/frr");
        let empty = node.file("zebra.conf", "");
        let zebra = daemon(node, "zebra", &empty.display().to_string());
        eventually(Duration::from_secs(15), "zebra listens", || {
            machine.run(|| Path::new("/run/frr/zserv.api").exists())
        });
        let conf = node.file("vrrpd.conf", &conf);
        let vrrpd = daemon(node, "vrrpd", &conf.display().to_string());
        eventually(Duration::from_secs(15), "the address is held down", || {
            machine
                .ip(&format!("link show dev {link}"))
                .contains("protodown on")
        });
        Frr { vrrpd, zebra }
    }

    /// Stops it. It leaves its links as they are, so they are taken away.
    pub fn stop(&mut self, node: &Node, signal: i32, limit: Duration) {
        for daemon in [&mut self.vrrpd, &mut self.zebra] {
            daemon.signal(signal);
            daemon.wait(limit);
        }
        for link in LINKS {
            if node.machine().ip("-o link").contains(&format!("{link}@")) {
                node.machine().ip(&format!("link delete {link}"));
            }
        }
    }
}

fn daemon(node: &Node, name: &str, conf: &str) -> Daemon {
    let program = format!("/usr/lib/frr/{name}");
    let words = [
        "-u", "frr", "-g", "frr", "-P", "0", "--log", "stdout", "-f", conf,
    ];
    node.daemon(name, &program, &words)
}
