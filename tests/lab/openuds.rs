//! The pair that OpenUDS people run: HAProxy on both boxes, a check of its
//! process worth 2, priorities 101 and 100, one address.

use std::time::{Duration, Instant};

use super::harness::node::{Daemon, Node};
use super::harness::{Pace, always, scenario, sys};
use super::pair::{VIP, boxes, expect_owner};

/// The whole file of a node.
fn ini(priority: u8) -> String {
    format!(
        "[vrrp VI_01]
interface = eth0
virtual_router_id = 51
priority = {priority}
address = 10.0.0.49
track = haproxy weight 2

[check haproxy]
process = haproxy
interval = 2s

[sysctl]
net.ipv4.ip_nonlocal_bind = 1
"
    )
}

/// What they run today, but for the names of their network cards.
fn conf(priority: u8) -> String {
    format!(
        "vrrp_script check_haproxy {{
            script \"killall -0 haproxy\"
            interval 2
            weight 2
        }}
        vrrp_instance VI_01 {{
            state {}
            interface eth0
            virtual_router_id 51
            priority {priority}
            virtual_ipaddress {{
                10.0.0.49
            }}
            track_script {{
                check_haproxy
            }}
        }}
        ",
        if priority > 100 { "MASTER" } else { "SLAVE" }
    )
}

/// A real HAProxy that listens on the address of the pair.
fn haproxy(node: &Node) -> Daemon {
    let cfg = node.file(
        "haproxy.cfg",
        "defaults
            mode tcp
            timeout connect 5s
            timeout client 50s
            timeout server 50s
        frontend front
            bind 10.0.0.49:443
            default_backend back
        backend back
            server udst1 10.0.0.87:443\n",
    );
    let cfg = cfg.to_str().expect("ASCII path");
    node.daemon("haproxy", "/usr/sbin/haproxy", &["-db", "-f", cfg])
}

fn keeper(node: &Node, priority: u8, smena: bool) -> Daemon {
    if smena {
        node.smena(&ini(priority))
    } else {
        node.machine().sysctl("net/ipv4/ip_nonlocal_bind", "1");
        node.keepalived(&conf(priority))
    }
}

fn fails_over_and_back(smena_on_a: bool, smena_on_b: bool) {
    let needs = ["keepalived", "haproxy", "killall"];
    scenario(&needs, Pace::Shared, Duration::from_secs(120), move |lab| {
        assert!(ini(100).lines().filter(|l| !l.is_empty()).count() <= 12);
        let (a, b) = boxes(lab);
        for (node, smena) in [(&a, smena_on_a), (&b, smena_on_b)] {
            if smena {
                lab.judge_later(node);
            }
        }
        let client = lab.client(VIP);
        let _keepers = (keeper(&a, 101, smena_on_a), keeper(&b, 100, smena_on_b));
        // smena's [sysctl] lets it bind to an address that is not there yet.
        std::thread::sleep(Duration::from_secs(1));
        let mut service = haproxy(&a);
        let _other = haproxy(&b);
        expect_owner(lab, "a");
        std::thread::sleep(Duration::from_secs(3));
        always(Duration::from_secs(2), "a alone has it", || {
            lab.watch.owners(VIP) == ["a"]
        });
        assert!(service.ended().is_none(), "{}", service.log());

        // 103 against 102 becomes 101 against 102.
        let killed_at = Instant::now();
        service.signal_all(sys::SIGKILL);
        service.wait(Duration::from_secs(5));
        expect_owner(lab, "b");
        std::thread::sleep(Duration::from_secs(1));
        assert!(client.is_answered());
        let doubled = lab.watch.two_owners(VIP, killed_at);
        assert!(doubled < Duration::from_secs(1), "{doubled:?}");

        let _service = haproxy(&a);
        expect_owner(lab, "a");
        if smena_on_a {
            let router = a.router("VI_01");
            assert_eq!(router["priority"].number(), Some(103), "{router:?}");
            assert_eq!(router["base_priority"].number(), Some(101));
        }
    });
}

#[test]
fn with_smena_on_both_boxes() {
    fails_over_and_back(true, true);
}

#[test]
fn with_smena_on_the_first_box() {
    fails_over_and_back(true, false);
}

#[test]
fn with_smena_on_the_second_box() {
    fails_over_and_back(false, true);
}
