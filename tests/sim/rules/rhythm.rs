//! The rhythm of what a master does beside its adverts: bursts of announcements
//! (PROTOCOL 70, 71) and renewals of the lease, often enough and never in a rush.

use smena::event::{Action, Event};
use smena::vrrp::Role;

use super::{PerRouter, Rule, View, Violation, broken};
use crate::sim::clock::{MS, SECOND};
use crate::sim::plan::Plan;

/// Between two announcements of an address there is at least this.
const STEP: i64 = 10 * MS as i64;

/// What each master has done, in moments of its own clock.
pub struct Rhythm {
    masters: PerRouter<Option<Master>>,
}

#[derive(Clone, Copy)]
struct Master {
    since: i64,
    announced: u32,
    announced_at: Option<i64>,
    renewed_at: i64,
    /// Somebody was said to have removed an address of the node.
    removed: bool,
}

impl Rhythm {
    pub fn new(plan: &Plan) -> Rhythm {
        Rhythm {
            masters: PerRouter::new(plan, None),
        }
    }

    pub fn on_start(&mut self, node: usize) {
        self.masters.of_node(node).fill(None);
    }

    /// Has a master announced itself enough? In calm nothing can have put the
    /// second burst off.
    pub fn before(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        calm: bool,
    ) -> Result<(), Violation> {
        for router in 0..view.plan.routers.len() {
            let Some(master) = *self.masters.get(node, router) else {
                continue;
            };
            let Some(config) = view.config(node, router) else {
                continue;
            };
            let (repeat, delay) = (
                config.garp_master_repeat,
                config.garp_master_delay.total_micros(),
            );
            let mastered = view.local(node) - master.since;
            let over = |after: u64| {
                let after = after + SECOND;
                mastered > after as i64 && view.undisturbed(node) > after
            };
            // A burst that was held up by a pause runs into the second one.
            let least = match (calm && delay > 0 && over(delay), over(0)) {
                (true, _) => u32::from(repeat) + 1,
                (false, true) => u32::from(repeat),
                (false, false) => 0,
            };
            if master.announced < least {
                let told = master.announced;
                return broken(
                    Rule::Announcements,
                    format!(
                        "n{node} has been master of V{router} for {mastered} us and announced it {told} times"
                    ),
                );
            }
        }
        Ok(())
    }

    pub fn decided(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        event: &Event<'_>,
        actions: &[Action],
    ) -> Result<(), Violation> {
        let local = view.local(node);
        for router in 0..view.plan.routers.len() {
            let (Some(id), Some(config)) = (view.members[node][router], view.config(node, router))
            else {
                continue;
            };
            let place = self.masters.get(node, router);
            if view.role(node, router) != Some(Role::Master) {
                *place = None;
                continue;
            }
            let fresh = place.is_none();
            let master = place.get_or_insert(Master {
                since: local,
                announced: 0,
                announced_at: None,
                renewed_at: local,
                removed: false,
            });
            if matches!(event, Event::AddressRemoved(..)) {
                master.removed = true;
            }
            for action in actions {
                match *action {
                    Action::Announce(of) if of == id => {
                        let hurried = master.announced_at.is_some_and(|at| local - at < STEP);
                        master.announced += 1;
                        master.announced_at = Some(local);
                        if hurried {
                            return broken(
                                Rule::Announcements,
                                format!("n{node} announces V{router} in a rush"),
                            );
                        }
                    }
                    Action::SetAddresses(of) if of == id => {
                        let since = local - master.renewed_at;
                        master.renewed_at = local;
                        let least = i64::from(config.lease_s) * SECOND as i64 / 4;
                        let polled = matches!(event, Event::Poll);
                        // Addresses that went together are put back a second time.
                        let restores = polled && core::mem::take(&mut master.removed);
                        let renews = polled && !fresh && !restores;
                        if renews && since < least {
                            return broken(
                                Rule::LeaseRenewed,
                                format!("n{node} renews V{router} after {since} us"),
                            );
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
