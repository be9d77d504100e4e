//! Who may take part at all: a router whose interface, or that of one of its
//! addresses, is gone or down, or that has no address to send from, does not.

use std::net::IpAddr;

use smena::protocol::Family;
use smena::vrrp::Role;

use super::{Rule, View, Violation, broken};
use crate::sim::clock::MS;

/// What netlink needs to tell a node, and the node to be told again.
const TOLD: u64 = 50 * MS;

/// Does a node of which nothing changed lately take part where it cannot?
pub fn after(view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
    let host = &view.hosts[node];
    let started = host.process.as_ref().is_some_and(|process| process.started);
    if !started || !host.acts() || view.undisturbed(node) < TOLD {
        return Ok(());
    }
    for (router, plan) in view.plan.routers.iter().enumerate() {
        let Some(role @ (Role::Backup | Role::Master)) = view.role(node, router) else {
            continue;
        };
        let slots = plan.addresses.iter().map(|(_, _, slot)| *slot);
        let down = slots
            .chain([plan.interface])
            .find(|slot| !host.kernel.is_up(*slot));
        if let Some(slot) = down {
            return broken(
                Rule::Ready,
                format!("n{node} is {role:?} of V{router} and interface {slot} is down"),
            );
        }
        let own = host.kernel.addresses(plan.interface).iter();
        let mut sources = own.filter(|held| {
            let local = held.local;
            let fits = match local.address {
                IpAddr::V4(_) => plan.family == Family::Ipv4,
                IpAddr::V6(v6) => plan.family == Family::Ipv6 && v6.is_unicast_link_local(),
            };
            fits && local.usable && !local.ours
        });
        if sources.next().is_none() {
            return broken(
                Rule::Ready,
                format!("n{node} is {role:?} of V{router} without an address of its own"),
            );
        }
    }
    Ok(())
}
