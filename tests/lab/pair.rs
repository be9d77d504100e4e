//! The pair that most scenarios start from: two boxes, one address, two
//! priorities.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::harness::Lab;
use super::harness::node::{Daemon, Node};

/// The address that the pair keeps.
pub const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 49));

/// Long enough for any take-over at an interval of one second, on a machine
/// that does something else too.
pub const LIMIT: Duration = Duration::from_secs(15);

/// Two boxes on the switch.
pub fn boxes(lab: &mut Lab) -> (Node, Node) {
    let a = lab.node("a", &["10.0.0.1/24", "fd00::1/64"]);
    let b = lab.node("b", &["10.0.0.2/24", "fd00::2/64"]);
    (a, b)
}

/// Two boxes that run smena; `a` is the master. `more` goes into both routers.
pub fn smena_pair(lab: &mut Lab, more: &str) -> ((Node, Node), (Daemon, Daemon)) {
    let (a, b) = boxes(lab);
    lab.judge_later(&a);
    lab.judge_later(&b);
    let keepers = (
        a.smena(&smena_ini(101, more)),
        b.smena(&smena_ini(100, more)),
    );
    expect_owner(lab, "a");
    ((a, b), keepers)
}

/// One box that runs smena and is master.
pub fn smena_alone(lab: &mut Lab, more: &str) -> (Node, Daemon) {
    let a = lab.node("a", &["10.0.0.1/24"]);
    lab.judge_later(&a);
    let keeper = a.smena(&smena_ini(100, more));
    expect_owner(lab, "a");
    (a, keeper)
}

/// Waits until one box alone has the address.
#[track_caller]
pub fn expect_owner(lab: &Lab, name: &str) {
    assert!(
        lab.watch.wait_for(VIP, &[name], LIMIT),
        "{name} alone has {VIP}, but {:?} have",
        lab.watch.owners(VIP)
    );
}

/// A smena of the pair. `more` goes into the router's section, and may open
/// further ones.
pub fn smena_ini(priority: u8, more: &str) -> String {
    format!(
        "[vrrp VI_01]
interface = eth0
virtual_router_id = 51
priority = {priority}
address = 10.0.0.49
{more}
"
    )
}

/// A keepalived of the pair. `more` goes into the instance.
pub fn keepalived_conf(priority: u8, more: &str) -> String {
    format!(
        "vrrp_instance VI_01 {{
            state BACKUP
            interface eth0
            virtual_router_id 51
            priority {priority}
            virtual_ipaddress {{
                10.0.0.49
            }}
            {more}
        }}
        "
    )
}
