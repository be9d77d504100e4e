//! A node's part of a plan as the file that its administrator would write. Each
//! node of each world is configured through the real parser.

use std::fmt::Write;

use smena::config::Release;
use smena::protocol::{Family, Version};

use super::clock::{At, MS};
use super::plan::{INTERFACES, Lease, Member, Plan, RESOURCE_LIMIT, RouterPlan};

/// The configuration file of one node.
pub fn write(plan: &Plan, node: usize) -> String {
    let mut text = String::new();
    let out = &mut text;
    line(out, "[node]");
    line(out, &format!("name = n{node}"));
    for (number, router) in plan.routers.iter().enumerate() {
        for member in router.members.iter().filter(|m| m.node == node) {
            section(out, plan, number, router, member);
        }
    }
    let grouped = plan.routers.iter().filter(|router| router.group.is_some());
    let members = grouped.flat_map(|router| &router.members);
    let mut leaders = members.filter(|m| m.node == node && m.notify.is_some());
    if let Some(leader) = leaders.next() {
        // It is called as the hook of its first router is.
        line(out, "\n[group g0]");
        line(out, "notify = /etc/smena/group.sh");
        hook_keys(out, leader);
    }
    for (number, check) in plan.nodes[node].checks.iter().enumerate() {
        line(out, &format!("\n[check c{number}]"));
        line(out, check.kind);
        line(out, &format!("interval = {}", duration(check.interval)));
        line(out, &format!("timeout = {}", duration(check.timeout)));
        line(out, &format!("rise = {}", check.rise));
        line(out, &format!("fall = {}", check.fall));
        line(out, &format!("reverse = {}", switch(check.reverse)));
    }
    for (number, service) in plan.nodes[node].services.iter().enumerate() {
        line(out, &format!("\n[service s{number}]"));
        line(out, &format!("listen = *:{}", 8000 + number));
        for (server, weight) in service.servers.iter().enumerate() {
            let address = format!("10.77.{number}.{}", 1 + server);
            line(
                out,
                &format!("server = w{server} {address} weight {weight}"),
            );
        }
        if service.checked {
            line(out, &format!("inter = {}", duration(service.inter)));
            line(out, &format!("rise = {}", service.rise));
            line(out, &format!("fall = {}", service.fall));
        } else {
            line(out, "check = none");
        }
        if service.cut {
            line(out, "on_down = cut");
        }
    }
    text
}

fn section(out: &mut String, plan: &Plan, number: usize, router: &RouterPlan, member: &Member) {
    line(out, &format!("\n[vrrp {}]", name(number)));
    line(
        out,
        &format!("interface = {}", INTERFACES[router.interface]),
    );
    line(out, &format!("virtual_router_id = {}", router.id));
    if router.family == Family::Ipv4 {
        line(out, &format!("version = {}", router.version.number()));
    }
    line(out, &format!("priority = {}", member.priority));
    line(out, &format!("advert_int = {}", duration(member.advert)));
    let advertised = router.addresses.len() - router.excluded;
    for (place, (address, prefix_len, carrier)) in router.addresses.iter().enumerate() {
        let key = if place < advertised {
            "address"
        } else {
            "excluded_address"
        };
        let carrier = INTERFACES[*carrier];
        line(
            out,
            &format!("{key} = {address}/{prefix_len} dev {carrier}"),
        );
    }
    if let Some(group) = router.group {
        line(out, &format!("group = g{group}"));
    }
    if router.auth && router.version == Version::V2 {
        line(out, "auth_pass = wimark12");
    }
    line(out, &format!("preempt = {}", switch(member.preempt)));
    if member.preempt_delay > 0 {
        line(
            out,
            &format!("preempt_delay = {}", duration(member.preempt_delay)),
        );
    }
    if member.startup_delay > 0 {
        line(
            out,
            &format!("startup_delay = {}", duration(member.startup_delay)),
        );
    }
    if member.takeover_probe > 0 {
        line(
            out,
            &format!("takeover_probe = {}", duration(member.takeover_probe)),
        );
    }
    match member.lease {
        Lease::Auto => {}
        Lease::Off => line(out, "lease = off"),
        Lease::Seconds(seconds) => line(out, &format!("lease = {seconds}s")),
    }
    match member.release {
        Release::Overlap => {}
        Release::AfterHook => line(out, "release = after-hook"),
        Release::Immediate => line(out, "release = immediate"),
    }
    line(
        out,
        &format!("garp_master_delay = {}", duration(member.garp_delay)),
    );
    line(
        out,
        &format!("garp_master_refresh = {}", duration(member.garp_refresh)),
    );
    router.delivery.write(plan, router, member.node, out);
    for (check, weight, reverse) in &member.tracks {
        let reverse = if *reverse { " reverse" } else { "" };
        line(out, &format!("track = c{check} weight {weight}{reverse}"));
    }
    for (slot, weight, reverse) in &member.watches {
        let reverse = if *reverse { " reverse" } else { "" };
        let name = INTERFACES[*slot];
        line(
            out,
            &format!("track = interface {name} weight {weight}{reverse}"),
        );
    }
    for (service, weight, reverse) in &member.needs {
        let reverse = if *reverse { " reverse" } else { "" };
        line(
            out,
            &format!("track = service s{service} weight {weight}{reverse}"),
        );
    }
    for (number, interval) in member.resources.iter().enumerate() {
        let interval = match interval {
            0 => String::new(),
            interval => format!(" interval {}", duration(*interval)),
        };
        line(out, &format!("resource = /etc/init.d/r{number}{interval}"));
    }
    if member.notify.is_some() {
        line(out, "notify = /etc/smena/role.sh");
        let again = switch(member.hook.again);
        line(out, &format!("notify_again = {again}"));
    }
    hook_keys(out, member);
}

/// The keys that say when a hook is called, of a router or of a group.
fn hook_keys(out: &mut String, member: &Member) {
    let limit = member.notify.unwrap_or(RESOURCE_LIMIT);
    line(out, &format!("notify_timeout = {}", duration(limit)));
    if member.hook.overtake && (member.notify.is_some() || !member.resources.is_empty()) {
        line(out, "notify_overtake = term");
    }
    if member.notify.is_some() {
        let (settle, reconcile) = (member.hook.settle, member.hook.reconcile);
        line(out, &format!("notify_settle = {}", duration(settle)));
        line(out, &format!("reconcile = {}", duration(reconcile)));
    }
}

/// The name of a virtual router.
pub fn name(router: usize) -> String {
    format!("V{router}")
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a string takes every line");
}

fn switch(on: bool) -> &'static str {
    if on { "yes" } else { "no" }
}

fn duration(at: At) -> String {
    assert!(
        at.is_multiple_of(MS),
        "durations of a plan are whole milliseconds"
    );
    if at.is_multiple_of(1000 * MS) {
        format!("{}s", at / 1000 / MS)
    } else {
        format!("{}ms", at / MS)
    }
}
