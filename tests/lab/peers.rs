//! keepalived and FRR as the peer, on either side, in every form of the protocol
//! that both speak: one of them replaced at a time must change nothing.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::harness::frr::{self, Frr};
use super::harness::node::{Daemon, Node};
use super::harness::{Lab, Pace, always, eventually, scenario, sys};
use super::pair::{LIMIT, boxes};

/// A form of the protocol: what each program's configuration says for it, and
/// what smena finds wrong with that.
struct Form {
    vip: &'static str,
    smena: &'static str,
    keepalived: &'static str,
    diagnosed: &'static [&'static str],
}

const VERSION_2: Form = Form {
    vip: "10.0.0.49",
    smena: "address = 10.0.0.49",
    keepalived: "virtual_ipaddress {\n 10.0.0.49\n }",
    diagnosed: &[],
};

/// The password has nine characters, of which the wire carries eight.
const VERSION_2_PASS: Form = Form {
    vip: "10.0.0.49",
    smena: "auth_pass = wimark123\naddress = 10.0.0.49/24",
    keepalived: "authentication {\n auth_type PASS\n auth_pass wimark123\n }
        virtual_ipaddress {\n 10.0.0.49/24\n }",
    diagnosed: &[],
};

const VERSION_3: Form = Form {
    vip: "10.0.0.49",
    smena: "version = 3\nadvert_int = 200ms\naddress = 10.0.0.49",
    keepalived: "version 3\n advert_int 0.2\n virtual_ipaddress {\n 10.0.0.49\n }",
    diagnosed: &[],
};

/// In version 3 a backup goes by the interval that it hears.
const VERSION_3_INTERVALS: Form = Form {
    vip: "10.0.0.49",
    smena: "version = 3\nadvert_int = 200ms\naddress = 10.0.0.49",
    keepalived: "version 3\n advert_int 0.5\n virtual_ipaddress {\n 10.0.0.49\n }",
    diagnosed: &["interval"],
};

/// The address is on a macvlan with the virtual MAC, which also sends the
/// adverts.
const VMAC: Form = Form {
    vip: "10.0.0.49",
    smena: "version = 3\nadvert_int = 200ms\naddress = 10.0.0.49",
    keepalived: "use_vmac\n version 3\n advert_int 0.2\n virtual_ipaddress {\n 10.0.0.49\n }",
    diagnosed: &[],
};

/// Both speak from the virtual MAC.
const VMAC_BOTH: Form = Form {
    smena: "vmac = yes\nversion = 3\nadvert_int = 200ms\naddress = 10.0.0.49",
    ..VMAC
};

const IPV6_VMAC_BOTH: Form = Form {
    smena: "vmac = yes\nversion = 3\nadvert_int = 200ms\naddress = fe80::49:1/64\naddress = fd00::49",
    ..IPV6_VMAC
};

const IPV6: Form = Form {
    vip: "fd00::49",
    smena: "version = 3\nadvert_int = 200ms\naddress = fe80::49:1/64\naddress = fd00::49",
    keepalived: "version 3\n advert_int 0.2
        virtual_ipaddress {\n fe80::49:1/64\n fd00::49\n }",
    diagnosed: &[],
};

const IPV6_VMAC: Form = Form {
    vip: "fd00::49",
    smena: "version = 3\nadvert_int = 200ms\naddress = fe80::49:1/64\naddress = fd00::49",
    keepalived: "use_vmac\n version 3\n advert_int 0.2
        virtual_ipaddress {\n fe80::49:1/64\n fd00::49\n }",
    diagnosed: &[],
};

const UNICAST: Form = Form {
    vip: "10.0.0.49",
    smena: "unicast_src_ip = OWN\nunicast_peer = PEER\nauth_pass = wimark123\naddress = 10.0.0.49",
    keepalived: "unicast_src_ip OWN\n unicast_peer {\n PEER\n }
        authentication {\n auth_type PASS\n auth_pass wimark123\n }
        virtual_ipaddress {\n 10.0.0.49\n }",
    diagnosed: &[],
};

const UNICAST_3: Form = Form {
    vip: "10.0.0.49",
    smena: "version = 3\nadvert_int = 200ms\nunicast_src_ip = OWN\nunicast_peer = PEER\naddress = 10.0.0.49",
    keepalived: "version 3\n advert_int 0.2\n unicast_src_ip OWN\n unicast_peer {\n PEER\n }
        virtual_ipaddress {\n 10.0.0.49\n }",
    diagnosed: &[],
};

/// The hop limit that keepalived sends here is the system's, 64.
const UNICAST_IPV6: Form = Form {
    vip: "fd00::49",
    smena: "version = 3\nadvert_int = 200ms\nunicast_src_ip = OWN6\nunicast_peer = PEER6\n\
        address = fe80::49:1/64\naddress = fd00::49",
    keepalived: "version 3\n advert_int 0.2\n unicast_src_ip OWN6\n unicast_peer {\n PEER6\n }
        virtual_ipaddress {\n fe80::49:1/64\n fd00::49\n }",
    diagnosed: &[],
};

#[derive(Clone, Copy, PartialEq)]
enum Program {
    Smena,
    Keepalived,
    Frr,
}

use Program::{Keepalived, Smena};

/// A started program.
enum Keeper {
    Daemon(Daemon),
    Frr(Frr),
}

impl Keeper {
    fn stop(&mut self, node: &Node) {
        match self {
            Keeper::Daemon(daemon) => {
                daemon.signal(sys::SIGTERM);
                daemon.wait(LIMIT);
            }
            Keeper::Frr(frr) => frr.stop(node, sys::SIGTERM, LIMIT),
        }
    }
}

/// With the addresses of a box and its peer where a form names them.
fn with_addresses(text: &str, node: &Node) -> String {
    let (own, peer) = if node.name() == "a" { (1, 2) } else { (2, 1) };
    text.replace("OWN6", &format!("fd00::{own}"))
        .replace("PEER6", &format!("fd00::{peer}"))
        .replace("OWN", &format!("10.0.0.{own}"))
        .replace("PEER", &format!("10.0.0.{peer}"))
}

impl Form {
    fn start(&self, node: &Node, priority: u8, program: Program) -> Keeper {
        match program {
            Smena => Keeper::Daemon(node.smena(&format!(
                "[vrrp VI_01]\ninterface = eth0\nvirtual_router_id = 67\npriority = {priority}\n{}\n",
                with_addresses(self.smena, node)
            ))),
            Keepalived => Keeper::Daemon(node.keepalived(&format!(
                "vrrp_instance VI_01 {{\n state BACKUP\n interface eth0\n \
                 virtual_router_id 67\n priority {priority}\n {}\n}}\n",
                with_addresses(self.keepalived, node)
            ))),
            Program::Frr => {
                let addresses: &[&str] = if self.vip.contains(':') {
                    &["fe80::49:1", "fd00::49"]
                } else {
                    &["10.0.0.49"]
                };
                Keeper::Frr(Frr::start(node, priority, 200, addresses))
            }
        }
    }

    /// The address goes over and comes back, by a stop and by a cut cable, and
    /// at rest one box has it.
    fn goes_over_and_back(&'static self, first: Program, second: Program) {
        self.with_priority(101, first, second);
    }

    /// The same with a first one that owns the addresses.
    fn comes_back_to_its_owner(&'static self, owner: Program, second: Program) {
        self.with_priority(255, owner, second);
    }

    fn with_priority(&'static self, priority: u8, first: Program, second: Program) {
        let mut needs = vec!["keepalived"];
        if [first, second].contains(&Program::Frr) {
            needs = frr::NEEDS.to_vec();
        }
        let body = move |lab: &mut Lab| self.exchange(lab, priority, first, second);
        scenario(&needs, Pace::Shared, Duration::from_secs(120), body);
    }

    fn exchange(&self, lab: &mut Lab, priority: u8, first: Program, second: Program) {
        let vip: IpAddr = self.vip.parse().expect("an address");
        let (a, b) = boxes(lab);
        let ours = if first == Smena { &a } else { &b };
        lab.judge_later(ours);
        let owner = |lab: &Lab, name: &str| {
            let owners = lab.watch.owners(vip);
            assert!(
                lab.watch.wait_for(vip, &[name], LIMIT),
                "{name} alone has {vip}; it was {owners:?}, is {:?}",
                lab.watch.owners(vip)
            );
        };
        let rests = |lab: &Lab| {
            always(Duration::from_secs(2), "a alone has it", || {
                lab.watch.owners(vip) == ["a"]
            });
        };
        let mut keeper = self.start(&a, priority, first);
        owner(lab, "a");
        let _other = self.start(&b, 100, second);
        rests(lab);

        keeper.stop(&a);
        owner(lab, "b");
        drop(keeper);
        let _keeper = self.start(&a, priority, first);
        owner(lab, "a");

        if first == Program::Frr {
            // It leaves its address where it is when the cable is cut.
            lab.switch.isolate(a.machine(), "eth0");
            assert!(lab.watch.wait_for(vip, &["a", "b"], LIMIT));
            lab.switch.heal();
        } else {
            lab.switch.cut(a.machine(), "eth0");
            owner(lab, "b");
            lab.switch.mend(a.machine(), "eth0");
        }
        owner(lab, "a");
        let rest_at = Instant::now();
        rests(lab);
        assert_eq!(lab.watch.two_owners(vip, rest_at), Duration::ZERO);
        eventually(LIMIT, "ours knows who is master", || {
            ours.state("VI_01") == if first == Smena { "MASTER" } else { "BACKUP" }
        });
        nothing_was_discarded(ours);
        let mut diagnosed = self.diagnosed.to_vec();
        if second == Program::Frr && vip.is_ipv4() {
            // A backup by FRR keeps the address on a link that is held down, and
            // its host answers for it all the same.
            diagnosed.push("address-conflict");
        }
        eventually(LIMIT, "only what is wrong is diagnosed", || {
            let found = ours.diagnoses("VI_01");
            let codes = found.iter().map(|(code, _)| code.as_str());
            codes.eq(diagnosed.iter().copied())
        });
    }
}

/// Two programs that agree have nothing to complain about.
fn nothing_was_discarded(ours: &Node) {
    let router = ours.router("VI_01");
    let super::harness::json::Json::Object(discarded) = &router["discarded"] else {
        panic!("no counters in {router:?}");
    };
    for (reason, count) in discarded {
        assert_eq!(count.number(), Some(0), "{reason} in {router:?}");
    }
}

#[test]
fn version_2_smena_first() {
    VERSION_2.goes_over_and_back(Smena, Keepalived);
}

#[test]
fn version_2_keepalived_first() {
    VERSION_2.goes_over_and_back(Keepalived, Smena);
}

#[test]
fn version_2_with_a_long_password_smena_first() {
    VERSION_2_PASS.goes_over_and_back(Smena, Keepalived);
}

#[test]
fn version_2_with_a_long_password_keepalived_first() {
    VERSION_2_PASS.goes_over_and_back(Keepalived, Smena);
}

#[test]
fn version_3_smena_first() {
    VERSION_3.goes_over_and_back(Smena, Keepalived);
}

#[test]
fn version_3_keepalived_first() {
    VERSION_3.goes_over_and_back(Keepalived, Smena);
}

#[test]
fn version_3_with_two_intervals_smena_first() {
    VERSION_3_INTERVALS.goes_over_and_back(Smena, Keepalived);
}

#[test]
fn version_3_with_two_intervals_keepalived_first() {
    VERSION_3_INTERVALS.goes_over_and_back(Keepalived, Smena);
}

#[test]
fn vmac_smena_first() {
    VMAC.goes_over_and_back(Smena, Keepalived);
}

#[test]
fn vmac_keepalived_first() {
    VMAC.goes_over_and_back(Keepalived, Smena);
}

#[test]
fn vmac_of_both_smena_first() {
    VMAC_BOTH.goes_over_and_back(Smena, Keepalived);
}

#[test]
fn vmac_of_both_keepalived_first() {
    VMAC_BOTH.goes_over_and_back(Keepalived, Smena);
}

#[test]
fn vmac_of_both_smena_before_frr() {
    VMAC_BOTH.goes_over_and_back(Smena, Program::Frr);
}

#[test]
fn vmac_of_both_frr_before_smena() {
    VMAC_BOTH.goes_over_and_back(Program::Frr, Smena);
}

#[test]
fn ipv6_vmac_of_both_smena_first() {
    IPV6_VMAC_BOTH.goes_over_and_back(Smena, Keepalived);
}

#[test]
fn ipv6_vmac_of_both_frr_before_smena() {
    IPV6_VMAC_BOTH.goes_over_and_back(Program::Frr, Smena);
}

#[test]
fn unicast_smena_first() {
    UNICAST.goes_over_and_back(Smena, Keepalived);
}

#[test]
fn unicast_keepalived_first() {
    UNICAST.goes_over_and_back(Keepalived, Smena);
}

#[test]
fn unicast_in_version_3_smena_first() {
    UNICAST_3.goes_over_and_back(Smena, Keepalived);
}

#[test]
fn unicast_in_version_3_keepalived_first() {
    UNICAST_3.goes_over_and_back(Keepalived, Smena);
}

#[test]
fn unicast_over_ipv6_smena_first() {
    UNICAST_IPV6.goes_over_and_back(Smena, Keepalived);
}

#[test]
fn unicast_over_ipv6_keepalived_first() {
    UNICAST_IPV6.goes_over_and_back(Keepalived, Smena);
}

// 39: whoever watches finds the address by neighbour discovery.
#[test]
fn ipv6_smena_first() {
    IPV6.goes_over_and_back(Smena, Keepalived);
}

#[test]
fn ipv6_keepalived_first() {
    IPV6.goes_over_and_back(Keepalived, Smena);
}

#[test]
fn ipv6_vmac_smena_first() {
    IPV6_VMAC.goes_over_and_back(Smena, Keepalived);
}

#[test]
fn ipv6_vmac_keepalived_first() {
    IPV6_VMAC.goes_over_and_back(Keepalived, Smena);
}

#[test]
fn frr_smena_first() {
    VERSION_3.goes_over_and_back(Smena, Program::Frr);
}

#[test]
fn frr_frr_first() {
    VERSION_3.goes_over_and_back(Program::Frr, Smena);
}

#[test]
fn frr_ipv6_smena_first() {
    IPV6.goes_over_and_back(Smena, Program::Frr);
}

#[test]
fn frr_ipv6_frr_first() {
    IPV6.goes_over_and_back(Program::Frr, Smena);
}

// An owner (priority 255) does not wait. FRR is one only of the addresses that its
// interface has by itself, which are there whether it runs or not, so that nothing
// can go over.

#[test]
fn owned_by_smena_beside_keepalived() {
    VERSION_2.comes_back_to_its_owner(Smena, Keepalived);
}

#[test]
fn owned_by_keepalived() {
    VERSION_2.comes_back_to_its_owner(Keepalived, Smena);
}

#[test]
fn version_3_owned_by_smena_beside_keepalived() {
    VERSION_3.comes_back_to_its_owner(Smena, Keepalived);
}

#[test]
fn version_3_owned_by_keepalived() {
    VERSION_3.comes_back_to_its_owner(Keepalived, Smena);
}

#[test]
fn ipv6_owned_by_smena_beside_keepalived() {
    IPV6.comes_back_to_its_owner(Smena, Keepalived);
}

#[test]
fn ipv6_owned_by_keepalived() {
    IPV6.comes_back_to_its_owner(Keepalived, Smena);
}

#[test]
fn version_3_owned_by_smena_beside_frr() {
    VERSION_3.comes_back_to_its_owner(Smena, Program::Frr);
}

#[test]
fn ipv6_owned_by_smena_beside_frr() {
    IPV6.comes_back_to_its_owner(Smena, Program::Frr);
}
