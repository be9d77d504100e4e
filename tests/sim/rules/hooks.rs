//! Rule 8: hooks run one at a time, in order, to the last state, and end at
//! their time limit.

use smena::config::{self, Notify, Release};
use smena::event::{Action, Event, Exit, HookCall, HookId, HookState, Kill, RouterId};
use smena::vrrp::{Reason, Router};

use super::resources::resources_end;
use super::{LATE, PerRouter, Rule, View, Violation, broken, drift};
use crate::sim::clock::{At, SECOND};
use crate::sim::plan::Plan;

/// What the hooks of each router were told. Those of the group stand behind the
/// routers', as if it were one more.
pub struct Hooks {
    told: PerRouter<Told>,
    /// The call that the same answer starts is told to end as well.
    early: PerRouter<bool>,
}

#[derive(Clone, Copy, Default)]
struct Told {
    last: Option<HookCall>,
    /// The one before, and whether it was told to end; they count when the last
    /// one had no room to begin.
    before: (Option<HookCall>, bool),
    /// When the running call began, on the node's clock.
    since: Option<i64>,
    terminated: bool,
    killed: bool,
    /// When the last call ended.
    ended_at: Option<i64>,
}

/// When the hook of a router that stops has surely ended: the call that runs,
/// and STOP. A process may need a second to die.
pub fn hooks_end(config: &config::Router<'_>) -> At {
    let limit = config.notify.timeout.total_micros();
    let hook = 2 * (limit + 3 * SECOND + LATE);
    hook.max(resources_end(limit, config.resources.len()))
}

impl Hooks {
    pub fn new(plan: &Plan) -> Hooks {
        Hooks {
            told: PerRouter::of(plan, plan.routers.len() + 1, Told::default()),
            early: PerRouter::of(plan, plan.routers.len() + 1, false),
        }
    }

    pub fn on_start(&mut self, node: usize) {
        self.told.of_node(node).fill(Told::default());
    }

    /// Has a call run past its limit?
    pub fn before(&mut self, view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
        for router in 0..=view.plan.routers.len() {
            let Some(config) = notify_of(view, node, router) else {
                continue;
            };
            let told = *self.told.get(node, router);
            self.reconciles(view, node, router, config)?;
            let Some(since) = told.since else { continue };
            let lasted = view.local(node) - since;
            let limit = config.timeout.total_micros();
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

    /// `reconcile`: a hook that is at rest is called again in time.
    fn reconciles(
        &self,
        view: &View<'_, '_>,
        node: usize,
        router: usize,
        config: &Notify<'_>,
    ) -> Result<(), Violation> {
        let told = self.told.values[node * self.told.routers + router];
        let interval = config.reconcile.total_micros();
        let stopped = told.last.is_none_or(|call| call.state == HookState::Stop);
        let (Some(ended_at), None, false) = (told.ended_at, told.since, stopped) else {
            return Ok(());
        };
        let settle = config.settle.total_micros();
        let rested = view.local(node) - ended_at;
        let limit = interval + settle + drift(interval + settle) + LATE;
        // A role that never lasts is never told.
        let lasted = state_of(view, node, router)
            .is_some_and(|(_, since)| view.local(node) - since > (settle + LATE) as i64);
        if interval > 0 && lasted && rested > limit as i64 && view.undisturbed(node) > limit {
            return broken(
                Rule::Hooks,
                format!("n{node}'s hook of V{router} was not called again for {rested} us"),
            );
        }
        Ok(())
    }

    /// Signals go to hooks that run, and only over their limit or when a newer
    /// state may overtake them. `release = after-hook`: in calm, addresses that
    /// are given up by a planned stop are so after the hook.
    pub fn decided(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        event: &Event<'_>,
        actions: &[Action],
        calm: bool,
    ) -> Result<(), Violation> {
        for (place, action) in actions.iter().enumerate() {
            if let Action::RemoveAddresses(id) = *action {
                self.removes(view, node, id, calm)?;
            }
            let Action::KillHook(id, kill) = *action else {
                continue;
            };
            let Some(router) = number(view, node, id) else {
                continue;
            };
            let local = view.local(node);
            let config = notify_of(view, node, router);
            let stops = stops(view, node);
            // One that is only just starting may be overtaken already.
            let starts = |action: &Action| matches!(action, Action::StartHook(of, _) if *of == id);
            let starting = actions[..place].iter().any(starts);
            let told = self.told.get(node, router);
            let since = told.since.or(starting.then_some(local));
            // One that has just ended is overtaken by what was slept through.
            if since.is_none() && matches!(*event, Event::HookEnded(of, _) if of == id) {
                continue;
            }
            let (Some(since), Some(config)) = (since, config) else {
                return broken(
                    Rule::Hooks,
                    format!("n{node} sends a signal to no hook of V{router}"),
                );
            };
            let over = local - since >= config.timeout.total_micros() as i64;
            if !over && !config.overtake && stops < 2 {
                return broken(
                    Rule::Hooks,
                    format!("n{node} ends its hook of V{router} before its time"),
                );
            }
            if starting {
                *self.early.get(node, router) = true;
                continue;
            }
            match kill {
                Kill::Term => told.terminated = true,
                Kill::Kill => told.killed = true,
            }
        }
        Ok(())
    }

    fn removes(
        &self,
        view: &View<'_, '_>,
        node: usize,
        id: RouterId,
        calm: bool,
    ) -> Result<(), Violation> {
        let Some(router) = number(view, node, HookId::Notify(id)) else {
            return Ok(());
        };
        let told = self.told.values[node * self.told.routers + router];
        let waits = view
            .config(node, router)
            .is_some_and(|c| c.release == Release::AfterHook && c.notify.command.is_some());
        let heard = told.last.map(|call| call.state) == Some(HookState::Stop);
        let done = heard && told.since.is_none();
        let planned = view
            .router(node, router)
            .is_some_and(|state| state.reason() == Reason::Stopped);
        if waits && planned && calm && stops(view, node) == 1 && !done {
            return broken(
                Rule::Hooks,
                format!("n{node} gives V{router}'s addresses up before its hook has ended"),
            );
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
        let config = notify_of(view, node, router);
        let repeats = told.terminated
            || config.is_some_and(|config| {
                let again = config.again && call.state == HookState::Master;
                again || config.reconcile.total_micros() > 0
            });
        if call.previous != told.last.map(|last| last.state)
            || call.previous == Some(call.state) && !repeats
        {
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
        let local = view.local(node);
        let settle = config.map_or(0, |config| config.settle.total_micros());
        let fresh = call.previous != Some(call.state) && call.state != HookState::Stop;
        // While a router waits, what it was before goes on for its hook.
        let young = state_of(view, node, router).is_some_and(|(state, since)| {
            // Of a group only this is the state of all since the last change, and
            // only until a stop, which each router ends with by itself.
            let known = router < view.plan.routers.len()
                || call.state == HookState::Master && stops(view, node) == 0;
            let young = known && local - since < settle as i64;
            state.is_some() && (state != Some(call.state) || young)
        });
        if settle > 0 && fresh && young {
            return broken(
                Rule::Hooks,
                format!("n{node} tells {call:?} of V{router} before it has lasted"),
            );
        }
        *told = Told {
            last: Some(call),
            before: (told.last, told.terminated),
            since: Some(local),
            terminated: std::mem::take(self.early.get(node, router)),
            killed: false,
            ended_at: None,
        };
        Ok(())
    }

    pub fn ends(&mut self, view: &View<'_, '_>, node: usize, id: HookId, exit: Exit) {
        if let Some(router) = number(view, node, id) {
            let ended_at = Some(view.local(node));
            let told = self.told.get(node, router);
            told.since = None;
            told.ended_at = ended_at;
            if exit == Exit::NoRoom {
                (told.last, told.terminated) = told.before;
                told.ended_at = None;
            }
        }
    }

    /// An ordered end tells STOP to every hook before (PROTOCOL 75); one that
    /// was asked for twice waits for nothing.
    pub fn on_finish(&mut self, view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
        if stops(view, node) > 1 {
            return Ok(());
        }
        for router in 0..=view.plan.routers.len() {
            let has_hook = notify_of(view, node, router).is_some();
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
        for node in 0..view.hosts.len() {
            for router in 0..=view.plan.routers.len() {
                let state = state_of(view, node, router).filter(|_| {
                    let notify = notify_of(view, node, router);
                    notify.is_some() && view.hosts[node].process.is_some()
                });
                let Some((is, _)) = state else {
                    continue;
                };
                let told = self.told.get(node, router).last.map(|call| call.state);
                if told != is {
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

/// What a node's file says about the hook of a router, or of the group behind
/// them; nothing where there is none.
fn notify_of<'a>(view: &View<'_, 'a>, node: usize, router: usize) -> Option<&'a Notify<'a>> {
    let notify = match router < view.plan.routers.len() {
        true => view.config(node, router).map(|config| &config.notify),
        false => view.hosts[node].config.groups.first().map(|g| &g.notify),
    };
    notify.filter(|notify| notify.command.is_some())
}

/// What a router or the group is, as hooks are told it, and when a router of it
/// changed last.
fn state_of(view: &View<'_, '_>, node: usize, router: usize) -> Option<(Option<HookState>, i64)> {
    let since = |router: &Router| router.since().total_micros();
    if router < view.plan.routers.len() {
        let router = view.router(node, router)?;
        return Some((router.hook_state(), since(router)));
    }
    let node = &view.hosts[node].process.as_ref()?.node;
    let members = node
        .members(0)
        .map(|id| since(&node.routers()[usize::from(id.0)]));
    Some((node.groups().first()?.state(), members.max()?))
}

/// How often a node was told to stop.
pub fn stops(view: &View<'_, '_>, node: usize) -> u32 {
    let process = view.hosts[node].process.as_ref();
    process.map_or(0, |process| process.stops)
}

fn number(view: &View<'_, '_>, node: usize, id: HookId) -> Option<usize> {
    match id {
        HookId::Notify(id) => view.members[node]
            .iter()
            .position(|member| *member == Some(id)),
        HookId::Group(_) => Some(view.plan.routers.len()),
        HookId::Resource(_) => None,
    }
}
