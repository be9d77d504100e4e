//! What a run has come across: how often each cause of a change of state. A
//! simulator that never sees a situation proves nothing about it.

use smena::vrrp::{Reason, Role};

use super::{PerRouter, View};
use crate::sim::plan::Plan;

/// The causes that status can name.
pub const CAUSES: [&str; 20] = [
    "check pending",
    "check failed",
    "interface missing",
    "interface down",
    "no source address",
    "addresses refused",
    "addresses removed",
    "ready",
    "owner",
    "silence",
    "master left",
    "preemption",
    "higher priority",
    "higher address",
    "stalled",
    "stopped",
    "no successor",
    "held by group",
    "group yields",
    "resource failed",
];

/// How often each was the cause of a change.
pub type Counts = [u64; CAUSES.len()];

/// Counts changes of state.
pub struct Seen {
    pub counts: Counts,
    roles: PerRouter<Option<Role>>,
}

impl Seen {
    pub fn new(plan: &Plan) -> Seen {
        Seen {
            counts: [0; CAUSES.len()],
            roles: PerRouter::new(plan, None),
        }
    }

    pub fn decided(&mut self, view: &View<'_, '_>, node: usize) {
        for router in 0..view.plan.routers.len() {
            let role = view.role(node, router);
            let changed = std::mem::replace(self.roles.get(node, router), role) != role;
            let state = view.router(node, router).filter(|_| changed);
            if let Some(cause) = state.and_then(|state| cause(state.reason())) {
                self.counts[cause] += 1;
            }
        }
    }
}

/// The place in [`CAUSES`].
fn cause(reason: Reason) -> Option<usize> {
    Some(match reason {
        // Both hold a router where it begins, and change nothing.
        Reason::NotStarted | Reason::StartupDelay => return None,
        // No plan has an interface that must be down, or a host like another.
        Reason::InterfaceUp(_)
        | Reason::DuplicateAddress(_)
        | Reason::ServicePending(_)
        | Reason::ServiceDown(_) => return None,
        Reason::HeldByGroup(_) => 17,
        Reason::GroupYields(_) => 18,
        Reason::CheckPending(_) => 0,
        Reason::CheckFailed(_) => 1,
        Reason::InterfaceMissing(_) => 2,
        Reason::InterfaceDown(_) => 3,
        Reason::NoSourceAddress(_) => 4,
        Reason::AddressesRefused(_) => 5,
        Reason::AddressesRemoved => 6,
        Reason::Ready => 7,
        Reason::Owner => 8,
        Reason::NoAdvert(..) => 9,
        Reason::MasterLeft(_) => 10,
        Reason::Preemption(..) => 11,
        Reason::HigherPriority(..) => 12,
        Reason::HigherAddress(..) => 13,
        Reason::Stalled(_) => 14,
        Reason::Stopped => 15,
        Reason::NoSuccessor => 16,
        Reason::ResourceFailed(..) => 19,
    })
}
