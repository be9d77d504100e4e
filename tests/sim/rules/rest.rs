//! At rest, when nothing has been wrong for long enough: each virtual router has
//! one master, and it is the right one.

use smena::diagnosis::Code;
use smena::vrrp::Role;

use super::{Rule, View, Violation, broken};

/// One master each, all others Backup, and nobody better who would preempt.
pub fn at_rest(view: &View<'_, '_>) -> Result<(), Violation> {
    for router in 0..view.plan.routers.len() {
        let nodes = || view.carriers(router).map(|(node, _)| node);
        let masters: Vec<usize> = nodes()
            .filter(|node| view.rules_now(*node, router))
            .collect();
        let &[master] = masters.as_slice() else {
            let roles: Vec<_> = nodes().map(|node| view.role(node, router)).collect();
            return broken(
                Rule::Rest,
                format!("V{router} has the masters {masters:?} at rest: {roles:?}"),
            );
        };
        let best = view
            .router(master, router)
            .map_or(0, |state| state.priority());
        for (node, member) in view.carriers(router).filter(|(node, _)| *node != master) {
            let role = view.role(node, router);
            if role != Some(Role::Backup) {
                return broken(
                    Rule::Rest,
                    format!("n{node} is {role:?} of V{router} at rest"),
                );
            }
            let priority = view
                .router(node, router)
                .map_or(0, |state| state.priority());
            let preempts = member.preempt || member.priority == 255;
            if preempts && priority > best {
                return broken(
                    Rule::Rest,
                    format!("n{node} is better than n{master} for V{router} and did not take over"),
                );
            }
        }
        let mut wrong = view.diagnoses(master, router);
        if wrong.any(|code| code == Code::AddressConflict) {
            return broken(
                Rule::Rest,
                format!("n{master} has not V{router} for itself at rest"),
            );
        }
    }
    Ok(())
}
