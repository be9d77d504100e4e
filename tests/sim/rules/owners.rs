//! Rules 1, 2, 3 and the lease: who holds which address, and may it.

use std::net::IpAddr;

use smena::vrrp::Role;

use super::{LATE, PerRouter, Rule, View, Violation, broken, drift, skew};
use crate::sim::clock::{At, MS, SECOND};
use crate::sim::plan::Plan;

/// How long each of these conditions has lasted.
pub struct Owners {
    held: PerRouter<Vec<Held>>,
    /// When, on its own clock, a node was last seen as a master that can act.
    mastered_at: PerRouter<i64>,
    /// The process has been told everything, and Start.
    steps: Vec<u32>,
}

/// One address of one router on one node.
#[derive(Clone, Copy, Default)]
struct Held {
    since: Option<At>,
    /// A master lacks it since then.
    lacking_since: Option<At>,
}

impl Owners {
    pub fn new(plan: &Plan) -> Owners {
        let most = plan
            .routers
            .iter()
            .map(|r| r.addresses.len())
            .max()
            .unwrap_or(0);
        Owners {
            held: PerRouter::new(plan, vec![Held::default(); most]),
            mastered_at: PerRouter::new(plan, i64::MIN / 2),
            steps: vec![0; plan.nodes.len()],
        }
    }

    pub fn on_start(&mut self, node: usize) {
        self.steps[node] = 0;
    }

    /// How long has each condition of this node lasted?
    pub fn before(&mut self, view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
        for router in 0..view.plan.routers.len() {
            let Some(config) = view.config(node, router) else {
                continue;
            };
            let master = view.rules_now(node, router);
            if master {
                *self.mastered_at.get(node, router) = view.local(node);
            }
            for place in 0..config.addresses.len() {
                let held = self.held.get(node, router)[place];
                let address = config.addresses[place].address;
                if let (Some(since), true) = (held.lacking_since, master) {
                    let lacking = (view.now - since).min(view.undisturbed(node));
                    if lacking > 100 * MS {
                        return broken(
                            Rule::MasterMeansAddress,
                            format!("n{node} is master and has lacked {address} for {lacking} us"),
                        );
                    }
                }
                if held.since.is_none() {
                    continue;
                }
                let kept = view.local(node) - *self.mastered_at.get(node, router);
                let lease = i64::from(config.lease_s) * SECOND as i64;
                if !master && lease > 0 && kept > lease + 1_100 * MS as i64 {
                    return broken(
                        Rule::AddressMeansMaster,
                        format!("n{node} is not master and has kept {address} for {kept} us"),
                    );
                }
                self.single(view, node, router, place)?;
            }
        }
        Ok(())
    }

    /// Rule 1 for one address of this node and every other node.
    fn single(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        router: usize,
        place: usize,
    ) -> Result<(), Violation> {
        let plan = &view.plan.routers[router];
        let Some(mine) = self.held.get(node, router)[place].since else {
            return Ok(());
        };
        let Some(own) = view.router(node, router) else {
            return Ok(());
        };
        for (other, _) in view.carriers(router).filter(|(other, _)| *other != node) {
            let Some(theirs) = self.held.get(other, router)[place].since else {
                continue;
            };
            let Some(peer) = view.router(other, router) else {
                continue;
            };
            let (host, them) = (&view.hosts[node], &view.hosts[other]);
            let Some(clean) = view.lan.clean_since(plan.interface, node, other) else {
                continue;
            };
            let up = host.kernel.is_up(plan.interface) && them.kernel.is_up(plan.interface);
            if !host.acts() || !them.acts() || own.resigned() || peer.resigned() || !up {
                continue;
            }
            let since = mine
                .max(theirs)
                .max(clean)
                .max(host.disturbed_at)
                .max(them.disturbed_at);
            let lasted = view.now - since;
            let interval = |node: usize| {
                let (_, member) = view.carriers(router).find(|(n, _)| *n == node)?;
                Some(member.advert)
            };
            let slowest = interval(node).max(interval(other)).unwrap_or(SECOND);
            let lowest = own.priority().min(peer.priority());
            let limit = slowest + skew(plan, slowest, lowest) + 2 * view.plan.latency + LATE;
            if lasted > limit + drift(limit) {
                let address = plan.addresses[place].0;
                return broken(
                    Rule::SingleMaster,
                    format!(
                        "n{node} and n{other} hear each other and both have {address} for {lasted} us"
                    ),
                );
            }
        }
        Ok(())
    }

    /// Which conditions of this node began or ended?
    pub fn after(&mut self, view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
        self.steps[node] = self.steps[node].saturating_add(1);
        let host = &view.hosts[node];
        for router in 0..view.plan.routers.len() {
            let master = view.rules_now(node, router);
            if master {
                *self.mastered_at.get(node, router) = view.local(node);
            }
            let plan = &view.plan.routers[router];
            for (place, (address, _, slot)) in plan.addresses.iter().enumerate() {
                let holds = host.kernel.holds(*slot, *address);
                let held = &mut self.held.get(node, router)[place];
                if !holds {
                    held.since = None;
                } else if held.since.is_none() {
                    held.since = Some(view.now);
                }
                let lacks = master && !holds && !host.refuses && host.kernel.is_up(*slot);
                if !lacks {
                    held.lacking_since = None;
                } else if held.lacking_since.is_none() {
                    held.lacking_since = Some(view.now);
                }
                // A process that can act needs no lease to be rid of it.
                let started = view.hosts[node].process.as_ref().is_some_and(|p| p.started);
                let role = view.role(node, router);
                if holds && host.acts() && started && role.is_some_and(|role| role != Role::Master)
                {
                    return broken(
                        Rule::AddressMeansMaster,
                        format!("n{node} is {role:?} and has {address}"),
                    );
                }
            }
        }
        Ok(())
    }

    /// Nothing is left behind by a process that ended itself.
    pub fn on_finish(&mut self, view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
        for router in (0..view.plan.routers.len()).filter(|r| view.members[node][*r].is_some()) {
            for (address, _, slot) in &view.plan.routers[router].addresses {
                if view.hosts[node].kernel.holds(*slot, *address) {
                    return broken(
                        Rule::AddressMeansMaster,
                        format!("n{node} ends and leaves {address}"),
                    );
                }
            }
        }
        Ok(())
    }

    /// A lifetime ended: not under a master that is well.
    pub fn expired(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        address: IpAddr,
    ) -> Result<(), Violation> {
        for (router, plan) in view.plan.routers.iter().enumerate() {
            let ours = plan.addresses.iter().any(|(known, ..)| *known == address);
            let well = view.hosts[node].acts()
                && view.undisturbed(node) > SECOND
                && !view.hosts[node].refuses;
            if ours && well && view.role(node, router) == Some(Role::Master) {
                return broken(
                    Rule::LeaseRenewed,
                    format!("n{node} is master and well, and the lease of {address} ended"),
                );
            }
        }
        Ok(())
    }

    /// The addresses are where the master is, and nowhere else.
    pub fn at_rest(&mut self, view: &View<'_, '_>) -> Result<(), Violation> {
        for (router, plan) in view.plan.routers.iter().enumerate() {
            for (node, _) in view.carriers(router) {
                let master = view.rules_now(node, router);
                for (address, _, slot) in &plan.addresses {
                    let holds = view.hosts[node].kernel.holds(*slot, *address);
                    if holds && !master {
                        return broken(
                            Rule::AddressMeansMaster,
                            format!("at rest n{node} has {address}"),
                        );
                    }
                    if master && !holds {
                        return broken(
                            Rule::MasterMeansAddress,
                            format!("at rest n{node} lacks {address}"),
                        );
                    }
                }
            }
        }
        Ok(())
    }
}
