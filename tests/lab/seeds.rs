//! Pairs that people run today, by the files they would have: two mail proxies,
//! a database with its replica, two Wi-Fi controllers. The keepalived beside
//! smena has what they run now, oddities included.

use std::net::IpAddr;
use std::time::Duration;

use super::harness::node::Node;
use super::harness::{Lab, always};
use super::pair::LIMIT;

mod controllers;
mod databases;
mod mail;

/// One half of a pair.
struct Half {
    name: &'static str,
    card: &'static str,
    address: &'static str,
    smena: &'static str,
    keepalived: fn() -> String,
}

struct Pair {
    vip: &'static str,
    halves: [Half; 2],
}

impl Pair {
    fn vip(&self) -> IpAddr {
        self.vip.parse().expect("an address")
    }

    fn boxes(&self, lab: &mut Lab) -> [Node; 2] {
        [0, 1].map(|n| {
            let half = &self.halves[n];
            let node = lab.bare_node(half.name);
            node.plug(&mut lab.switch, half.card, &[half.address]);
            node
        })
    }

    /// The owner is this box, and stays it for a while.
    #[track_caller]
    fn owner(&self, lab: &Lab, name: &str) {
        let vip = self.vip();
        assert!(
            lab.watch.wait_for(vip, &[name], LIMIT),
            "{name} alone has {vip}, but {:?} have",
            lab.watch.owners(vip)
        );
        always(Duration::from_secs(1), "it stays there", || {
            lab.watch.owners(vip) == [name]
        });
    }
}

fn instance(name: &str, card: &str, id: u8, priority: u8, more: &str, vip: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n interface {card}\n virtual_router_id {id}\n priority {priority}\n \
         {more}\n virtual_ipaddress {{\n {vip}\n }}\n}}\n"
    )
}
