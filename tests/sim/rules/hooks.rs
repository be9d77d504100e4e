//! Rule 8: hooks run one at a time, in order, to the last state, and end at
//! their time limit.

use smena::event::{Action, HookCall, HookState, Kill, RouterId};

use super::{LATE, PerRouter, Rule, View, Violation, broken, drift};
use crate::sim::clock::SECOND;
use crate::sim::plan::Plan;

/// What the hooks of each router were told.
pub struct Hooks {
    told: PerRouter<Told>,
}

#[derive(Clone, Copy, Default)]
struct Told {
    last: Option<HookCall>,
    /// When the running call began, on the node's clock.
    since: Option<i64>,
    terminated: bool,
    killed: bool,
}

impl Hooks {
    pub fn new(plan: &Plan) -> Hooks {
        Hooks {
            told: PerRouter::new(plan, Told::default()),
        }
    }

    pub fn on_start(&mut self, node: usize) {
        self.told.of_node(node).fill(Told::default());
    }

    /// Has a call run past its limit?
    pub fn before(&mut self, view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
        for router in 0..view.plan.routers.len() {
            let Some(config) = view.config(node, router) else {
                continue;
            };
            let told = *self.told.get(node, router);
            let Some(since) = told.since else { continue };
            let lasted = view.local(node) - since;
            let limit = config.notify_timeout.total_micros();
            let over = |limit: u64| {
                lasted > (limit + drift(limit) + LATE) as i64 && view.undisturbed(node) > LATE
            };
            if over(limit) && !told.terminated {
                return broken(
                    Rule::Hooks,
                    format!("n{node}'s hook of V{router} runs for {lasted} us"),
                );
            }
            if over(limit + 2 * SECOND)
                && view.undisturbed(node) > 2 * SECOND + LATE
                && !told.killed
            {
                return broken(
                    Rule::Hooks,
                    format!("n{node}'s hook of V{router} ignores TERM and lives"),
                );
            }
        }
        Ok(())
    }

    /// Signals go to hooks that run, and only over their limit.
    pub fn decided(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        actions: &[Action],
    ) -> Result<(), Violation> {
        for action in actions {
            let Action::KillHook(id, kill) = *action else {
                continue;
            };
            let Some(router) = number(view, node, id) else {
                continue;
            };
            let told = self.told.get(node, router);
            if told.since.is_none() {
                return broken(
                    Rule::Hooks,
                    format!("n{node} sends a signal to no hook of V{router}"),
                );
            }
            match kill {
                Kill::Term => told.terminated = true,
                Kill::Kill => told.killed = true,
            }
        }
        Ok(())
    }

    pub fn starts(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        id: RouterId,
        call: HookCall,
    ) -> Result<(), Violation> {
        let Some(router) = number(view, node, id) else {
            return broken(
                Rule::Hooks,
                format!("n{node} starts the hook of an unknown router"),
            );
        };
        let told = self.told.get(node, router);
        if told.since.is_some() {
            return broken(
                Rule::Hooks,
                format!("n{node} runs two hooks of V{router} at once"),
            );
        }
        if call.previous != told.last.map(|last| last.state) || call.previous == Some(call.state) {
            return broken(
                Rule::Hooks,
                format!("n{node} tells {call:?} of V{router} after {:?}", told.last),
            );
        }
        if told.last.is_some_and(|last| last.sequence >= call.sequence) {
            return broken(
                Rule::Hooks,
                format!("n{node} tells V{router} out of order: {call:?}"),
            );
        }
        let since = Some(view.local(node));
        *told = Told {
            last: Some(call),
            since,
            terminated: false,
            killed: false,
        };
        Ok(())
    }

    pub fn ends(&mut self, view: &View<'_, '_>, node: usize, id: RouterId) {
        if let Some(router) = number(view, node, id) {
            self.told.get(node, router).since = None;
        }
    }

    /// An ordered end tells STOP to every hook before (PROTOCOL 75); one that
    /// was asked for twice waits for nothing.
    pub fn on_finish(&mut self, view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
        if view.hosts[node]
            .process
            .as_ref()
            .is_some_and(|process| process.stops > 1)
        {
            return Ok(());
        }
        for router in 0..view.plan.routers.len() {
            let has_hook = view
                .config(node, router)
                .is_some_and(|config| config.notify.is_some());
            let last = self.told.get(node, router).last.map(|call| call.state);
            if has_hook && last != Some(HookState::Stop) {
                return broken(
                    Rule::Hooks,
                    format!("n{node} ends, and V{router}'s hook last heard {last:?}"),
                );
            }
        }
        Ok(())
    }

    /// Every hook was told the state that its router is in.
    pub fn at_rest(&mut self, view: &View<'_, '_>) -> Result<(), Violation> {
        for router in 0..view.plan.routers.len() {
            for (node, _) in view.carriers(router).filter(|(_, m)| m.notify.is_some()) {
                let Some(state) = view.router(node, router) else {
                    continue;
                };
                let told = self.told.get(node, router).last.map(|call| call.state);
                if told != state.hook_state() {
                    let is = state.hook_state();
                    return broken(
                        Rule::Hooks,
                        format!(
                            "at rest V{router} of n{node} is {is:?} and its hook heard {told:?}"
                        ),
                    );
                }
            }
        }
        Ok(())
    }
}

fn number(view: &View<'_, '_>, node: usize, id: RouterId) -> Option<usize> {
    view.members[node]
        .iter()
        .position(|member| *member == Some(id))
}
