//! Who may speak, what is said, and who must answer (PROTOCOL 44, 46, 51 to 53,
//! 80).

use smena::config::Release;
use smena::event::{Action, Event};
use smena::vrrp::{Reason, Role};

use super::{PerRouter, Rule, View, Violation, broken, number, skew};
use crate::sim::bytes::Said;
use crate::sim::clock::MS;
use crate::sim::host::Frame;
use crate::sim::plan::Plan;

/// What was said and heard.
pub struct Speech {
    /// The source and the moment of each master's last advert.
    sources: PerRouter<Option<(u128, i64)>>,
    /// Until when each master need not answer one that loses again.
    quiet_until: PerRouter<Option<i64>>,
    /// The roles before the event that is being dealt with.
    before: Vec<Option<Role>>,
    /// The advert that this event brings.
    heard: Option<(usize, Said)>,
}

impl Speech {
    pub fn new(plan: &Plan) -> Speech {
        Speech {
            sources: PerRouter::new(plan, None),
            quiet_until: PerRouter::new(plan, None),
            before: vec![None; plan.routers.len()],
            heard: None,
        }
    }

    pub fn on_start(&mut self, node: usize) {
        self.sources.of_node(node).fill(None);
        self.quiet_until.of_node(node).fill(None);
    }

    pub fn arriving(&mut self, node: usize, frame: &Frame) {
        self.heard = frame.said.filter(|_| frame.from != node);
    }

    pub fn before(&mut self, view: &View<'_, '_>, node: usize) {
        for (router, before) in self.before.iter_mut().enumerate() {
            *before = view.role(node, router);
        }
    }

    /// May the node say this, and does it say what it must?
    pub fn decided(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        event: &Event<'_>,
        actions: &[Action],
    ) -> Result<(), Violation> {
        let heard = self
            .heard
            .take()
            .filter(|_| matches!(event, Event::Packet(..)));
        for (router, members) in view.members[node].iter().enumerate() {
            let Some(id) = *members else { continue };
            let (before, now) = (self.before[router], view.role(node, router));
            let was_master = before == Some(Role::Master);
            // The last word of one that yields makes the other announce.
            let left = matches!(now, Some(Role::Backup | Role::Initialize));
            let yields = matches!(event, Event::Packet(..)) && was_master && left;
            let mut spoke = false;
            for action in actions {
                let allowed = match *action {
                    Action::SendAdvert(of, 0) if of == id => {
                        was_master && resigns(view, node, router)
                    }
                    Action::SendAdvert(of, _) if of == id => {
                        spoke = true;
                        now == Some(Role::Master) || yields
                    }
                    Action::Announce(of) | Action::SetAddresses(of) if of == id => {
                        now == Some(Role::Master)
                    }
                    _ => true,
                };
                if !allowed {
                    return broken(
                        Rule::Speech,
                        format!(
                            "n{node} wants {action:?} for V{router}, was {before:?} and is {now:?}"
                        ),
                    );
                }
            }
            let said = heard.filter(|(of, _)| *of == router).map(|(_, said)| said);
            if let (true, Some(said)) = (was_master, said) {
                follows(view, node, router, said)?;
            }
            if !was_master || now != Some(Role::Master) {
                *self.sources.get(node, router) = None;
                *self.quiet_until.get(node, router) = None;
            } else if let Some(said) = said {
                self.answers(view, node, router, said, spoke)?;
            }
        }
        Ok(())
    }

    /// PROTOCOL 44 and 46: a master that leaves and one that loses are told who
    /// is there, the latter once a skew.
    fn answers(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        router: usize,
        said: Said,
        spoke: bool,
    ) -> Result<(), Violation> {
        let (Some(state), Some(config)) = (view.router(node, router), view.config(node, router))
        else {
            return Ok(());
        };
        if state.resigned() {
            return Ok(());
        }
        let local = view.local(node);
        let interval = config.advert_int.total_micros();
        let pause = skew(&view.plan.routers[router], interval, state.priority()) as i64;
        let quiet_until = self.quiet_until.get(node, router);
        let lately = quiet_until.is_some_and(|until| local < until) && said.priority > 0;
        if spoke && said.priority > 0 {
            *quiet_until = Some(local + pause);
        }
        let own = state.source().map(number);
        let loses = said.priority < state.priority()
            || said.priority == state.priority() && own.is_some_and(|own| said.source < own);
        if loses && spoke == lately {
            let how = if lately { "again and again" } else { "never" };
            return broken(
                Rule::Speech,
                format!("n{node} answers for V{router} {how}: {said:?}"),
            );
        }
        Ok(())
    }

    /// An advert says what its sender is, and comes from where the last one
    /// came from unless that address went.
    pub fn sent(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        router: usize,
        priority: u8,
        said: Option<Said>,
    ) -> Result<(), Violation> {
        let plan = &view.plan.routers[router];
        let own = view
            .plan
            .own_addresses(node, plan.interface)
            .map(|(address, _)| number(address));
        let interval = view
            .config(node, router)
            .map(|config| config.advert_int.total_micros());
        let truly = |said: &Said| {
            own.contains(&said.source)
                && said.priority == priority
                && said.id == plan.id
                && said.version == plan.version
                && Some(said.interval) == interval
        };
        let Some(said) = said.filter(truly) else {
            return broken(
                Rule::Speech,
                format!("n{node} sent {said:?} for V{router}, priority {priority}"),
            );
        };
        // A node that netlink has not told everything yet may learn that this
        // source was gone in between.
        let told = view.undisturbed(node) > 100 * MS;
        let now = told.then(|| (said.source, view.local(node)));
        let last = std::mem::replace(self.sources.get(node, router), now);
        if let Some((source, at)) = last.filter(|(source, _)| *source != said.source) {
            let mut held = view.hosts[node].kernel.addresses(plan.interface).iter();
            if held.any(|held| number(held.local.address) == source && held.since <= at) {
                return broken(
                    Rule::Speech,
                    format!("n{node} changes the source of V{router}'s adverts"),
                );
            }
        }
        Ok(())
    }
}

/// PROTOCOL 45, 47 and 48: it has yielded if, and only if, it heard a better one.
fn follows(view: &View<'_, '_>, node: usize, router: usize, said: Said) -> Result<(), Violation> {
    let Some(state) = view.router(node, router) else {
        return Ok(());
    };
    // It may have found out by this event that it had slept for too long, or
    // the event ends a hand-over.
    let other = matches!(
        state.reason(),
        Reason::Stalled(_) | Reason::Stopped | Reason::GroupYields(_)
    );
    let (Some(own), false) = (state.source().map(number), other) else {
        return Ok(());
    };
    let better = (said.priority, said.source) > (state.priority(), own);
    // One that was about to leave leaves.
    let yielded = matches!(state.role(), Role::Backup | Role::Initialize);
    if better != yielded && !state.resigned() {
        let (role, priority) = (state.role(), state.priority());
        return broken(
            Rule::Yield,
            format!("n{node}, priority {priority}, is {role:?} of V{router} after {said:?}"),
        );
    }
    Ok(())
}

/// May it send priority 0? It has left, or it leaves with an overlap.
fn resigns(view: &View<'_, '_>, node: usize, router: usize) -> bool {
    let left = view.role(node, router) != Some(Role::Master);
    let overlap = view
        .config(node, router)
        .is_some_and(|config| config.release == Release::Overlap);
    left || overlap
        && view
            .router(node, router)
            .is_some_and(|state| state.resigned())
}
