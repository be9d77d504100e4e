//! keepalived as the peer, on either side, in every form of the protocol that
//! both speak: one of them replaced at a time must change nothing.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::harness::node::{Daemon, Node};
use super::harness::{Pace, always, scenario, sys};
use super::pair::{LIMIT, boxes};

/// A form of the protocol: what each program's configuration says for it.
struct Form {
    vip: &'static str,
    smena: &'static str,
    keepalived: &'static str,
}

const VERSION_2: Form = Form {
    vip: "10.0.0.49",
    smena: "address = 10.0.0.49",
    keepalived: "virtual_ipaddress {\n 10.0.0.49\n }",
};

/// The password has nine characters, of which the wire carries eight.
const VERSION_2_PASS: Form = Form {
    vip: "10.0.0.49",
    smena: "auth_pass = wimark123\naddress = 10.0.0.49/24",
    keepalived: "authentication {\n auth_type PASS\n auth_pass wimark123\n }
        virtual_ipaddress {\n 10.0.0.49/24\n }",
};

const VERSION_3: Form = Form {
    vip: "10.0.0.49",
    smena: "version = 3\nadvert_int = 200ms\naddress = 10.0.0.49",
    keepalived: "version 3\n advert_int 0.2\n virtual_ipaddress {\n 10.0.0.49\n }",
};

const IPV6: Form = Form {
    vip: "fd00::49",
    smena: "version = 3\nadvert_int = 200ms\naddress = fe80::49:1/64\naddress = fd00::49",
    keepalived: "version 3\n advert_int 0.2
        virtual_ipaddress {\n fe80::49:1/64\n fd00::49\n }",
};

impl Form {
    fn start(&self, node: &Node, priority: u8, smena: bool) -> Daemon {
        if smena {
            node.smena(&format!(
                "[vrrp VI_01]\ninterface = eth0\nvirtual_router_id = 67\npriority = {priority}\n{}\n",
                self.smena
            ))
        } else {
            node.keepalived(&format!(
                "vrrp_instance VI_01 {{\n state BACKUP\n interface eth0\n \
                 virtual_router_id 67\n priority {priority}\n {}\n}}\n",
                self.keepalived
            ))
        }
    }

    /// The address goes over and comes back, by a stop and by a cut cable, and
    /// at rest one box has it.
    fn goes_over_and_back(&'static self, smena_first: bool) {
        let (limit, form) = (Duration::from_secs(120), self);
        scenario(&["keepalived"], Pace::Shared, limit, move |lab| {
            let vip: IpAddr = form.vip.parse().expect("an address");
            let (a, b) = boxes(lab);
            lab.judge_later(if smena_first { &a } else { &b });
            let first = form.start(&a, 101, smena_first);
            let _second = form.start(&b, 100, !smena_first);
            let owner = |name: &str| {
                let owners = lab.watch.owners(vip);
                assert!(
                    lab.watch.wait_for(vip, &[name], LIMIT),
                    "{name} alone has {vip}; it was {owners:?}, is {:?}",
                    lab.watch.owners(vip)
                );
            };
            owner("a");
            always(Duration::from_secs(2), "a alone has it", || {
                lab.watch.owners(vip) == ["a"]
            });

            let mut first = first;
            first.signal(sys::SIGTERM);
            owner("b");
            first.wait(LIMIT);
            let _first = form.start(&a, 101, smena_first);
            owner("a");

            lab.switch.cut(a.machine(), "eth0");
            owner("b");
            lab.switch.mend(a.machine(), "eth0");
            owner("a");
            let rest_at = Instant::now();
            always(Duration::from_secs(2), "a alone has it", || {
                lab.watch.owners(vip) == ["a"]
            });
            assert_eq!(lab.watch.two_owners(vip, rest_at), Duration::ZERO);
        });
    }
}

#[test]
fn version_2_smena_first() {
    VERSION_2.goes_over_and_back(true);
}

#[test]
fn version_2_keepalived_first() {
    VERSION_2.goes_over_and_back(false);
}

#[test]
fn version_2_with_a_long_password_smena_first() {
    VERSION_2_PASS.goes_over_and_back(true);
}

#[test]
fn version_2_with_a_long_password_keepalived_first() {
    VERSION_2_PASS.goes_over_and_back(false);
}

#[test]
fn version_3_smena_first() {
    VERSION_3.goes_over_and_back(true);
}

#[test]
fn version_3_keepalived_first() {
    VERSION_3.goes_over_and_back(false);
}

#[test]
fn ipv6_smena_first() {
    IPV6.goes_over_and_back(true);
}

#[test]
fn ipv6_keepalived_first() {
    IPV6.goes_over_and_back(false);
}
