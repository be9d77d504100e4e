//! Rule 6: after two masters met, the survivor's announcement is the last one
//! on the wire, or caches of the neighbours would keep the loser's address.

use std::net::IpAddr;

use smena::vrrp::{Reason, Role};

use super::{PerRouter, Rule, View, Violation, broken};
use crate::sim::clock::MS;
use crate::sim::host::{Frame, NOBODY};
use crate::sim::plan::Plan;

/// Who announced what last, and how each last mastership ended.
pub struct Words {
    /// For each router and address: the node that announced it last.
    last: Vec<Vec<Option<usize>>>,
    /// This node's mastership ended because it heard a better master, both ways.
    met: PerRouter<bool>,
    before: Vec<Option<Role>>,
}

impl Words {
    pub fn new(plan: &Plan) -> Words {
        Words {
            last: plan
                .routers
                .iter()
                .map(|r| vec![None; r.addresses.len()])
                .collect(),
            met: PerRouter::new(plan, false),
            before: vec![None; plan.routers.len()],
        }
    }

    pub fn announced(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        router: usize,
        place: usize,
        packet: &[u8],
    ) -> Result<(), Violation> {
        self.last[router][place] = Some(node);
        *self.met.get(node, router) = false;
        let (address, _, slot) = view.plan.routers[router].addresses[place];
        let mac = view.hosts[node].kernel.link(slot).map(|link| link.mac);
        let (spoken, owner) = match address {
            // ARP: sender and target are the address (RFC 5227 section 3).
            IpAddr::V4(v4) => (
                packet.get(14..18) == Some(&v4.octets())
                    && packet.get(24..28) == Some(&v4.octets()),
                packet.get(8..14),
            ),
            // NA: the target, and its link-layer address as option 2.
            IpAddr::V6(v6) => (packet.get(48..64) == Some(&v6.octets()), packet.get(66..72)),
        };
        // Right after a change the node has not been told yet.
        let told = view.undisturbed(node) > 100 * MS;
        if !spoken || told && owner != mac.as_ref().map(|mac| mac.as_slice()) {
            return broken(
                Rule::Speech,
                format!("n{node} announces {address} with {packet:02x?}, not {mac:02x?}"),
            );
        }
        Ok(())
    }

    pub fn arriving(&mut self, view: &View<'_, '_>, node: usize, _: &Frame) {
        for (router, before) in self.before.iter_mut().enumerate() {
            *before = view.role(node, router);
        }
    }

    pub fn arrived(&mut self, view: &View<'_, '_>, node: usize, frame: &Frame) {
        let Some((router, _)) = frame.said else {
            return;
        };
        let yielded = self.before[router] == Some(Role::Master)
            && view.role(node, router) == Some(Role::Backup);
        let path = || view.lan.clean_since(frame.segment, node, frame.from);
        let both_ways = frame.from != NOBODY && path().is_some();
        // One that finds out that it slept is master no more before it hears
        // anybody: those two never met.
        let slept = view
            .router(node, router)
            .is_some_and(|state| matches!(state.reason(), Reason::Stalled(_)));
        if yielded && both_ways && !slept {
            *self.met.get(node, router) = true;
        }
    }

    pub fn at_rest(&mut self, view: &View<'_, '_>) -> Result<(), Violation> {
        for (router, plan) in view.plan.routers.iter().enumerate() {
            for (place, last) in self.last[router].iter().enumerate() {
                let Some(last) = *last else { continue };
                let master = view.rules_now(last, router);
                if !master && *self.met.get(last, router) {
                    let address = plan.addresses[place].0;
                    return broken(
                        Rule::LastWord,
                        format!(
                            "n{last} yielded, and still its announcement of {address} is the last"
                        ),
                    );
                }
            }
        }
        Ok(())
    }
}
