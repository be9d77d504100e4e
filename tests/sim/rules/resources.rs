//! The resources of a router: one call at a time, started in order where it is
//! Master and stopped in reverse order elsewhere, and a failure makes Fault.

use smena::config::Release;
use smena::event::{Action, Exit, HookCall, HookId, RouterId, Verb};
use smena::vrrp::{Reason, Role};

use super::hooks::stops;
use super::{LATE, PerRouter, Rule, View, Violation, broken};
use crate::sim::clock::{At, SECOND};
use crate::sim::plan::Plan;

/// What the resources of each router are doing.
pub struct All {
    of: PerRouter<Those>,
}

/// Those of one router.
#[derive(Clone, Copy, Default)]
struct Those {
    /// A bit for each that may run.
    may_run: u8,
    /// A bit for each that was started since it was last told to stop.
    started: u8,
    /// The call that runs.
    running: Option<(u8, Verb)>,
    terminated: bool,
}

impl All {
    pub fn new(plan: &Plan) -> All {
        All {
            of: PerRouter::new(plan, Those::default()),
        }
    }

    /// A new process knows nothing, so all of them may run.
    pub fn on_start(&mut self, view: &View<'_, '_>, node: usize) {
        for router in 0..view.plan.routers.len() {
            let count = view
                .config(node, router)
                .map_or(0, |config| config.resources.len());
            *self.of.get(node, router) = Those {
                may_run: ((1_u16 << count) - 1) as u8,
                ..Those::default()
            };
        }
    }

    /// A call that is told to end has not done what it was told to do. In calm,
    /// `release = after-hook` gives nothing up before all are stopped.
    pub fn decided(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        actions: &[Action],
        calm: bool,
    ) -> Result<(), Violation> {
        for action in actions {
            let (id, removes) = match *action {
                Action::KillHook(id, _) => (id, false),
                Action::RemoveAddresses(id) => (HookId::Resource(id), true),
                _ => continue,
            };
            let Some(router) = number(view, node, id) else {
                continue;
            };
            let of = self.of.get(node, router);
            of.terminated |= !removes;
            let waits = view
                .config(node, router)
                .is_some_and(|config| config.release == Release::AfterHook);
            let planned = view
                .router(node, router)
                .is_some_and(|state| state.reason() == Reason::Stopped);
            let once = stops(view, node) == 1;
            if removes && waits && planned && calm && once && of.may_run != 0 {
                return broken(
                    Rule::Hooks,
                    format!("n{node} gives V{router}'s addresses up before its resources"),
                );
            }
        }
        Ok(())
    }

    pub fn starts(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        id: HookId,
        call: HookCall,
    ) -> Result<(), Violation> {
        let (Some(router), Some((place, verb))) = (number(view, node, id), call.resource) else {
            return broken(Rule::Hooks, format!("n{node} calls no resource: {call:?}"));
        };
        let of = *self.of.get(node, router);
        let wrong = |what: &str| {
            broken(
                Rule::Hooks,
                format!("n{node} calls {verb:?} of resource {place} of V{router} {what}"),
            )
        };
        if of.running.is_some() {
            return wrong("while another call runs");
        }
        let master = view
            .router(node, router)
            .is_some_and(|state| state.role() == Role::Master && !state.awaits_hook());
        let bit = 1_u8 << place;
        let before = bit - 1;
        match verb {
            Verb::Start if !master => return wrong("without being master"),
            Verb::Start if of.started & before != before => return wrong("before another"),
            Verb::Start if of.started & bit != 0 => return wrong("again"),
            Verb::Stop if master => return wrong("as master"),
            Verb::Stop if of.may_run & !before & !bit != 0 => return wrong("before a later one"),
            Verb::Stop if of.may_run & bit == 0 => return wrong("again"),
            Verb::Status if !master || of.started & bit == 0 => return wrong("that does not run"),
            Verb::Start | Verb::Stop | Verb::Status => {}
        }
        let of = self.of.get(node, router);
        of.running = Some((place, verb));
        of.terminated = false;
        match verb {
            Verb::Start => of.may_run |= bit,
            Verb::Stop => of.started &= !bit,
            Verb::Status => {}
        }
        Ok(())
    }

    pub fn ends(&mut self, view: &View<'_, '_>, node: usize, id: HookId, exit: Exit) {
        let Some(router) = number(view, node, id) else {
            return;
        };
        let of = self.of.get(node, router);
        let Some((place, verb)) = of.running.take() else {
            return;
        };
        let bit = 1_u8 << place;
        match verb {
            Verb::Start if exit == Exit::Code(0) && !of.terminated => of.started |= bit,
            // It is tried again.
            Verb::Start | Verb::Stop if exit == Exit::NoRoom => {}
            Verb::Stop => of.may_run &= !bit,
            Verb::Start | Verb::Status => {}
        }
    }

    /// The end of a process leaves nothing running, unless it was told twice.
    pub fn on_finish(&mut self, view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
        if stops(view, node) > 1 {
            return Ok(());
        }
        for router in 0..view.plan.routers.len() {
            let of = *self.of.get(node, router);
            if of.may_run != 0 || of.running.is_some() {
                return broken(
                    Rule::Hooks,
                    format!("n{node} ends and leaves resources of V{router} running"),
                );
            }
        }
        Ok(())
    }

    /// A master has all of its resources, others have none.
    pub fn at_rest(&mut self, view: &View<'_, '_>) -> Result<(), Violation> {
        for router in 0..view.plan.routers.len() {
            for (node, member) in view.carriers(router) {
                let all = ((1_u16 << member.resources.len()) - 1) as u8;
                let of = *self.of.get(node, router);
                let Some(state) = view.router(node, router) else {
                    continue;
                };
                let fits = match state.role() {
                    Role::Master => of.started == all,
                    _ => of.may_run == 0,
                };
                if !fits {
                    let role = state.role();
                    return broken(
                        Rule::Hooks,
                        format!(
                            "at rest n{node} is {role:?} of V{router}, may run {:b}, started {:b}",
                            of.may_run, of.started
                        ),
                    );
                }
            }
        }
        Ok(())
    }
}

/// How long the resources of a router may take to be stopped.
pub fn resources_end(limit: At, count: usize) -> At {
    // The call that runs, and a stop of each; a process may need a second to die.
    (1 + count as u64) * (limit + 3 * SECOND + LATE)
}

fn number(view: &View<'_, '_>, node: usize, id: HookId) -> Option<usize> {
    let HookId::Resource(id) = id else {
        return None;
    };
    let is = |member: &Option<RouterId>| *member == Some(id);
    view.members[node].iter().position(is)
}
