//! Rule 13: a packet that fails any check changes nothing.

use smena::event::Action;
use smena::node::Wake;
use smena::vrrp::Role;

use super::{Rule, View, Violation, broken, number};
use crate::sim::host::Frame;

/// What a node was before a void packet reached it.
#[derive(Default)]
pub struct Packets {
    before: Option<Vec<Shape>>,
    actions: usize,
}

/// What must stay the same.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    role: Option<Role>,
    priority: Option<u8>,
    transitions: Option<u32>,
    accepted: Option<u64>,
    wake_at: Option<i64>,
}

impl Packets {
    pub fn arriving(&mut self, view: &View<'_, '_>, node: usize, frame: &Frame) {
        // Right after a pause the first event of all finds out what was
        // missed, whatever that event is.
        // PROTOCOL 18: an own packet that comes back is void, as long as its
        // source is the one that is used.
        let own = frame.said.filter(|_| frame.from == node);
        let own = own.is_some_and(|(router, said)| {
            let source = view.router(node, router).and_then(|state| state.source());
            source.map(number) == Some(said.source)
        });
        let watched = (frame.void || own) && view.undisturbed(node) > 0;
        self.before = watched.then(|| shapes(view, node));
        self.actions = 0;
    }

    pub fn decided(&mut self, actions: &[Action]) {
        self.actions += actions.len();
    }

    pub fn arrived(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        frame: &Frame,
    ) -> Result<(), Violation> {
        let Some(before) = self.before.take() else {
            return Ok(());
        };
        let after = shapes(view, node);
        if before != after || self.actions > 0 {
            let bytes = &frame.bytes;
            return broken(
                Rule::Packets,
                format!("a void packet changed n{node}: {before:?} to {after:?} by {bytes:02x?}"),
            );
        }
        Ok(())
    }
}

fn shapes(view: &View<'_, '_>, node: usize) -> Vec<Shape> {
    let process = view.hosts[node].process.as_ref();
    let asked = process.map(|process| process.node.poll_at());
    // A node that waits for nothing names a time far from now.
    let asked = asked.filter(|(_, wake)| *wake != Wake::Nobody);
    let wake_at = asked.map(|(at, _)| at.total_micros());
    let shape = |router| {
        let state = view.router(node, router);
        Shape {
            role: state.map(|r| r.role()),
            priority: state.map(|r| r.priority()),
            transitions: state.map(|r| r.transitions()),
            accepted: state.map(|r| r.adverts_received()),
            wake_at,
        }
    };
    (0..view.plan.routers.len()).map(shape).collect()
}
