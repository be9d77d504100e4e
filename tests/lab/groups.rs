//! A router with an inside and an outside: two virtual routers that move
//! together, on either side of a mixed pair.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::harness::node::{Daemon, Node};
use super::harness::{Lab, Pace, always, eventually, scenario, sys};
use super::pair::LIMIT;

const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 49));
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 1, 49));

fn smena(node: &Node, priority: u8) -> Daemon {
    node.smena(&ini(priority))
}

fn ini(priority: u8) -> String {
    let mut ini = String::new();
    for (n, vip) in [INSIDE, OUTSIDE].into_iter().enumerate() {
        ini += &format!(
            "[vrrp VI_0{n}]\ninterface = eth{n}\nvirtual_router_id = 5{n}\npriority = {priority}\n\
             version = 3\nadvert_int = 200ms\naddress = {vip}\ngroup = both\n"
        );
    }
    ini
}

fn keepalived(node: &Node, priority: u8) -> Daemon {
    node.keepalived(&conf(priority))
}

fn conf(priority: u8) -> String {
    let mut conf = "vrrp_sync_group both {\n group {\n VI_00\n VI_01\n }\n}\n".to_owned();
    for (n, vip) in [INSIDE, OUTSIDE].into_iter().enumerate() {
        conf += &format!(
            "vrrp_instance VI_0{n} {{\n state BACKUP\n interface eth{n}\n virtual_router_id 5{n}\n \
             priority {priority}\n version 3\n advert_int 0.2\n virtual_ipaddress {{\n {vip}\n }}\n}}\n"
        );
    }
    conf
}

/// A box with a card on each side.
fn router(lab: &mut Lab, name: &str, number: u8) -> Node {
    let node = lab.node(name, &[&format!("10.0.0.{number}/24")]);
    let outside = format!("10.0.1.{number}/24");
    node.plug(&mut lab.switch, "eth1", &[&outside]);
    node
}

#[track_caller]
fn both_with(lab: &Lab, name: &str) {
    for vip in [INSIDE, OUTSIDE] {
        assert!(
            lab.watch.wait_for(vip, &[name], LIMIT),
            "{name} alone has {vip}, but {:?} have",
            lab.watch.owners(vip)
        );
    }
    always(Duration::from_secs(1), "they stay together", || {
        lab.watch.owners(INSIDE) == [name] && lab.watch.owners(OUTSIDE) == [name]
    });
}

/// The hook of a group: what all of its routers are, one call at a time; and
/// keepalived beside it gives its own the very same words.
#[test]
fn a_hook_is_told_what_a_group_is() {
    let limit = Duration::from_secs(60);
    scenario(&["keepalived"], Pace::Shared, limit, |lab| {
        let (a, b) = (router(lab, "a", 1), router(lab, "b", 2));
        lab.judge_later(&a);
        let hook = |node: &Node| {
            let out = node.folder().join("calls");
            node.script("group.sh", &format!("echo \"$*\" >> {}", out.display()))
        };
        let fifo = a.folder().join("fifo");
        let ini = format!(
            "[node]\nnotify_fifo = {}\n{}[group both]\nnotify = {}\n",
            fifo.display(),
            ini(101),
            hook(&a).display(),
        );
        let mut ours = a.smena(&ini);
        both_with(lab, "a");
        eventually(LIMIT, "MASTER is told", || {
            a.text("calls") == "GROUP both BACKUP 0\nGROUP both MASTER 0\n"
        });
        let script = hook(&b).display().to_string();
        let hooked = format!("vrrp_sync_group both {{\n notify {script}\n");
        let conf = conf(100).replacen("vrrp_sync_group both {\n", &hooked, 1);
        let global = "global_defs {\n script_user root\n}\n";
        let _theirs = b.keepalived(&format!("{global}{conf}"));
        std::thread::sleep(Duration::from_secs(2));
        ours.signal(sys::SIGTERM);
        both_with(lab, "b");
        ours.wait(LIMIT);
        assert!(
            a.text("calls").ends_with("MASTER 0\nGROUP both STOP 0\n"),
            "{}",
            a.text("calls")
        );
        let calls = b.text("calls");
        assert!(calls.ends_with("GROUP both MASTER 0\n"), "{calls}");
    });
}

type Start = fn(&Node, u8) -> Daemon;

fn moves_together(first: Start, second: Start, ours: &'static str) {
    let limit = Duration::from_secs(120);
    scenario(&["keepalived"], Pace::Shared, limit, move |lab| {
        let (a, b) = (router(lab, "a", 1), router(lab, "b", 2));
        for node in [&a, &b].into_iter().filter(|n| ours.contains(n.name())) {
            lab.judge_later(node);
        }
        let mut keeper = first(&a, 101);
        both_with(lab, "a");
        let _other = second(&b, 100);
        std::thread::sleep(Duration::from_secs(2));
        both_with(lab, "a");
        for card in ["eth0", "eth1"] {
            lab.switch.cut(a.machine(), card);
            both_with(lab, "b");
            lab.switch.mend(a.machine(), card);
            both_with(lab, "a");
        }
        keeper.signal(sys::SIGTERM);
        both_with(lab, "b");
        keeper.wait(LIMIT);
        let _keeper = first(&a, 101);
        both_with(lab, "a");
    });
}

#[test]
fn of_two_smena_move_together() {
    moves_together(smena, smena, "ab");
}

#[test]
fn of_smena_and_keepalived_move_together() {
    moves_together(smena, keepalived, "a");
}

#[test]
fn of_keepalived_and_smena_move_together() {
    moves_together(keepalived, smena, "b");
}
