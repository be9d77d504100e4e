//! Groups (PROTOCOL A.3): all routers of a group are master or none is, and one
//! in Fault keeps the others there.

use smena::vrrp::Role;

use super::{Rule, View, Violation, broken};

/// What an event left behind: is each group together?
pub fn after(view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
    let process = view.hosts[node].process.as_ref();
    // A planned stop is each router's own.
    let runs = process.is_some_and(|process| process.started && process.stops == 0);
    if !runs || !view.hosts[node].acts() {
        return Ok(());
    }
    for router in 0..view.plan.routers.len() {
        let roles = || view.company(router).map(|other| view.role(node, other));
        for role in [Role::Master, Role::Fault, Role::Initialize] {
            let so = roles().filter(|is| *is == Some(role)).count();
            if so > 0 && so < roles().count() {
                let roles: Vec<_> = roles().collect();
                return broken(Rule::Group, format!("n{node}'s group is apart: {roles:?}"));
            }
        }
    }
    Ok(())
}
