//! Worlds by hand: the stage directions of named scenarios.

use super::clock::At;
use super::plan::Plan;
use super::run::{self, Options};
pub use super::world::World;

/// Plays a scenario: all nodes boot, `play` directs, and every rule holds.
pub fn play(plan: Plan, direct: impl FnOnce(&mut World<'_>)) {
    let ending = run::of_plan(
        &plan,
        Options {
            text: true,
            broken: None,
        },
        |world| {
            for node in 0..world.hosts.len() {
                world.boot(node);
            }
            world.settle();
            direct(world);
        },
    );
    if let Some(violation) = ending.violation {
        panic!(
            "{}\nbreaks {:?}: {}",
            ending.text, violation.rule, violation.story
        );
    }
}

impl World<'_> {
    /// Until everything is at rest, which the rules then judge.
    pub fn settle(&mut self) {
        run::rest(self);
    }

    /// The master of a virtual router, if there is just one.
    pub fn master(&self, router: usize) -> Option<usize> {
        let mut masters = (0..self.hosts.len()).filter(|node| self.is_master(*node, router));
        let master = masters.next()?;
        masters.next().is_none().then_some(master)
    }

    /// Is this node master of a virtual router, and does it run?
    pub fn is_master(&self, node: usize, router: usize) -> bool {
        let host = &self.hosts[node];
        let (Some(id), Some(process)) = (self.member(node, router), &host.process) else {
            return false;
        };
        let state = &process.node.routers()[usize::from(id.0)];
        host.acts() && state.role() == smena::vrrp::Role::Master
    }

    /// Does the node's kernel hold the first address of a virtual router?
    pub fn holds(&self, node: usize, router: usize) -> bool {
        let (address, _, slot) = self.plan.routers[router].addresses[0];
        self.hosts[node].kernel.holds(slot, address)
    }

    /// How long until this is so, up to `limit`.
    pub fn wait(&mut self, limit: At, so: impl Fn(&World<'_>) -> bool) -> At {
        let began = self.now;
        while !so(self) && self.now < began + limit && !self.rules.broken() {
            self.run(100);
        }
        self.now - began
    }
}
