//! Rules 4 and 5, the patience of backups, and who is master at rest.

use smena::config::Release;
use smena::event::Event;
use smena::vrrp::Role;

use super::{LATE, PerRouter, Rule, View, Violation, broken, down_interval, drift, skew};
use crate::sim::clock::{At, MS};
use crate::sim::host::Frame;
use crate::sim::plan::Plan;

/// What is known of each election.
pub struct Elections {
    listening: PerRouter<Listening>,
    /// For each router: when a master last advertised on a link that was up,
    /// with which priority and interval.
    advertised: Vec<Option<(At, u8, At)>>,
    hand_overs: Vec<Option<HandOver>>,
    before: Vec<Option<Role>>,
}

/// What a backup must wait for, in moments of its own clock.
#[derive(Clone, Copy, Default)]
struct Listening {
    /// It became Backup, or heard a master that it accepts.
    reset_at: i64,
    /// The shortest interval that it may have learnt since.
    interval: At,
    /// The highest priority that it has had since.
    priority: u8,
    /// A master has left since.
    vacant_at: Option<i64>,
}

/// A planned hand-over under way.
#[derive(Clone, Copy)]
struct HandOver {
    leaving: usize,
    since: At,
    /// The leaving node must be rid of the address by then.
    until: At,
    /// Since when nobody has had the address.
    nobody_since: Option<At>,
    /// How long that may be.
    gap: At,
}

impl Elections {
    pub fn new(plan: &Plan) -> Elections {
        Elections {
            listening: PerRouter::new(plan, Listening::default()),
            advertised: vec![None; plan.routers.len()],
            hand_overs: vec![None; plan.routers.len()],
            before: vec![None; plan.routers.len()],
        }
    }

    pub fn on_start(&mut self, view: &View<'_, '_>, node: usize) {
        let fresh = Listening {
            reset_at: view.local(node),
            ..Listening::default()
        };
        self.listening.of_node(node).fill(fresh);
    }

    pub fn before(&mut self, view: &View<'_, '_>, node: usize, _: &Event<'_>) {
        for (router, before) in self.before.iter_mut().enumerate() {
            *before = view.role(node, router);
        }
    }

    /// A good advert is about to reach a node: does it restart its patience?
    pub fn arriving(&mut self, view: &View<'_, '_>, node: usize, frame: &Frame) {
        // A node's own packet that comes back says nothing.
        let Some((router, said)) = frame.said.filter(|_| frame.from != node) else {
            return;
        };
        let (Some(state), Some(config)) = (view.router(node, router), view.config(node, router))
        else {
            return;
        };
        if state.role() != Role::Backup {
            return;
        }
        let local = view.local(node);
        let preempts = config.preempt || config.priority == 255;
        let accepted = said.priority >= state.priority() || !preempts;
        let listening = self.listening.get(node, router);
        if said.priority == 0 {
            listening.vacant_at = Some(local);
        } else if accepted {
            *listening = Listening {
                reset_at: local,
                interval: said.interval,
                priority: state.priority(),
                vacant_at: None,
            };
        } else {
            // Tolerated for a while or not: it may have been learnt from.
            listening.interval = listening.interval.min(said.interval);
        }
    }

    /// Nobody takes over before its time.
    pub fn decided(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        _: &Event<'_>,
    ) -> Result<(), Violation> {
        for (router, plan) in view.plan.routers.iter().enumerate() {
            let (before, now) = (self.before[router], view.role(node, router));
            let (Some(state), Some(config)) =
                (view.router(node, router), view.config(node, router))
            else {
                continue;
            };
            let local = view.local(node);
            let listening = self.listening.get(node, router);
            listening.priority = listening.priority.max(state.priority());
            if now == Some(Role::Backup) && before != Some(Role::Backup) {
                // A master of version 3 that yields has learnt on the way.
                let own = config.advert_int.total_micros();
                *listening = Listening {
                    reset_at: local,
                    interval: own.min(state.master_interval().total_micros()),
                    priority: state.priority(),
                    vacant_at: None,
                };
            }
            if before != Some(Role::Backup) || now != Some(Role::Master) {
                continue;
            }
            let Listening {
                reset_at,
                interval,
                priority,
                vacant_at,
            } = *listening;
            let since = vacant_at.unwrap_or(reset_at);
            let waited = local - since;
            let least = match vacant_at {
                Some(_) => skew(plan, interval, priority),
                None => down_interval(plan, interval, priority),
            };
            if waited < least as i64 {
                return broken(
                    Rule::Patience,
                    format!(
                        "n{node} takes V{router} over after {waited} us, its patience is {least} us"
                    ),
                );
            }
        }
        Ok(())
    }

    pub fn sent(&mut self, view: &View<'_, '_>, node: usize, router: usize, priority: u8) {
        let plan = &view.plan.routers[router];
        let interval = view
            .config(node, router)
            .map(|config| config.advert_int.total_micros());
        // The last word of one that yields promises nothing.
        let heard = view.hosts[node].kernel.is_up(plan.interface) && view.rules_now(node, router);
        if let (true, Some(interval)) = (heard, interval) {
            self.advertised[router] = Some((view.now, priority, interval));
        }
    }

    /// Rule 4, while nothing disturbs the world but what the phase does.
    pub fn before_in_calm(&mut self, view: &View<'_, '_>, calm_since: At) -> Result<(), Violation> {
        for (router, plan) in view.plan.routers.iter().enumerate() {
            let Some((at, _, interval)) = self.advertised[router] else {
                continue;
            };
            // The first backup to lose its patience must be there; one that
            // came after the last advert has not been waiting.
            let waits = |node: usize| {
                let state = view.router(node, router)?;
                let waiting = view.hosts[node].acts() && state.role() == Role::Backup;
                let there = view.hosts[node].disturbed_at < at
                    && view.local(node) > state.since().total_micros();
                let fresh = (view.local(node) - state.since().total_micros()) as At;
                let patient = down_interval(plan, interval, state.priority());
                (waiting && there && fresh > patient).then_some(patient)
            };
            let Some(patience) = view
                .carriers(router)
                .filter_map(|(node, _)| waits(node))
                .min()
            else {
                continue;
            };
            let silent = view.now - at.max(calm_since);
            let limit = patience + view.plan.latency + LATE;
            if silent > limit + drift(limit) {
                return broken(
                    Rule::Liveness,
                    format!("nobody has been master of V{router} for {silent} us"),
                );
            }
        }
        for router in 0..self.hand_overs.len() {
            self.hand_over(view, router)?;
        }
        Ok(())
    }

    /// A node is told to stop while nothing else is wrong: rule 5 for each
    /// router that it is master of and that somebody else can take.
    pub fn on_stop(&mut self, view: &View<'_, '_>, node: usize) {
        for (router, plan) in view.plan.routers.iter().enumerate() {
            let Some(config) = view.config(node, router) else {
                continue;
            };
            let heirs = view.carriers(router).filter(|(other, _)| {
                view.role(*other, router) == Some(Role::Backup) && view.hosts[*other].acts()
            });
            let heir = heirs
                .filter_map(|(other, _)| view.router(other, router))
                .map(|r| r.priority())
                .max();
            let Some(heir) = heir.filter(|_| view.rules_now(node, router)) else {
                continue;
            };
            let interval = config.advert_int.total_micros();
            let overlap = config.release == Release::Overlap;
            let kept = if overlap {
                skew(plan, interval, 1) + 500 * MS
            } else {
                0
            };
            let gap = if overlap {
                0
            } else {
                skew(plan, interval, heir) + 2 * view.plan.latency + LATE
            };
            self.hand_overs[router] = Some(HandOver {
                leaving: node,
                since: view.now,
                until: view.now + kept + drift(kept) + LATE,
                nobody_since: None,
                gap: gap + drift(gap),
            });
        }
    }

    /// Rule 5, as it stands.
    fn hand_over(&self, view: &View<'_, '_>, router: usize) -> Result<(), Violation> {
        let Some(hand_over) = self.hand_overs[router] else {
            return Ok(());
        };
        let leaving = hand_over.leaving;
        let (address, _, slot) = view.plan.routers[router].addresses[0];
        if let Some(since) = hand_over.nobody_since
            && view.now - since > hand_over.gap
        {
            let gap = view.now - since;
            return broken(
                Rule::HandOver,
                format!("n{leaving} stopped as planned and nobody has had {address} for {gap} us"),
            );
        }
        // The process may have been started again since.
        let same = view.hosts[leaving].disturbed_at < hand_over.since;
        if same && view.now > hand_over.until && view.hosts[leaving].kernel.holds(slot, address) {
            return broken(
                Rule::HandOver,
                format!("n{leaving} stops and keeps {address} for too long"),
            );
        }
        Ok(())
    }

    /// Somebody has the address throughout.
    pub fn after_in_calm(&mut self, view: &View<'_, '_>, _: usize) -> Result<(), Violation> {
        for router in 0..self.hand_overs.len() {
            self.hand_over(view, router)?;
            let Some(hand_over) = &mut self.hand_overs[router] else {
                continue;
            };
            let (address, _, slot) = view.plan.routers[router].addresses[0];
            let owned = view
                .hosts
                .iter()
                .any(|host| host.kernel.holds(slot, address));
            if owned {
                hand_over.nobody_since = None;
            } else if hand_over.nobody_since.is_none() {
                hand_over.nobody_since = Some(view.now);
                if hand_over.gap == 0 {
                    let leaving = hand_over.leaving;
                    return broken(
                        Rule::HandOver,
                        format!("n{leaving} stopped as planned and {address} has no owner"),
                    );
                }
            }
        }
        Ok(())
    }

    /// The phase of a hand-over is over.
    pub fn end_hand_overs(&mut self) {
        self.hand_overs.fill(None);
    }

    /// One master each, and the right one.
    pub fn at_rest(&mut self, view: &View<'_, '_>) -> Result<(), Violation> {
        for router in 0..view.plan.routers.len() {
            let masters: Vec<usize> = view
                .carriers(router)
                .map(|(node, _)| node)
                .filter(|node| view.rules_now(*node, router))
                .collect();
            let &[master] = masters.as_slice() else {
                let roles: Vec<_> = view
                    .carriers(router)
                    .map(|(node, _)| view.role(node, router))
                    .collect();
                return broken(
                    Rule::Rest,
                    format!("V{router} has the masters {masters:?} at rest: {roles:?}"),
                );
            };
            let best = view.router(master, router).map_or(0, |r| r.priority());
            for (node, member) in view.carriers(router) {
                let Some(state) = view.router(node, router) else {
                    return broken(Rule::Rest, format!("n{node} does not run at rest"));
                };
                let expected = priority(view, node, router);
                if state.priority() != expected {
                    let is = state.priority();
                    return broken(
                        Rule::Rest,
                        format!("n{node}'s priority for V{router} is {is} at rest, not {expected}"),
                    );
                }
                if node != master && state.role() != Role::Backup {
                    return broken(
                        Rule::Rest,
                        format!("n{node} is {:?} of V{router} at rest", state.role()),
                    );
                }
                let preempts = member.preempt || member.priority == 255;
                if preempts && state.priority() > best {
                    return broken(
                        Rule::Rest,
                        format!(
                            "n{node} is better than n{master} for V{router} and did not take over"
                        ),
                    );
                }
            }
        }
        Ok(())
    }
}

/// The effective priority when every check is good (PROTOCOL A.3).
fn priority(view: &View<'_, '_>, node: usize, router: usize) -> u8 {
    let found = view.carriers(router).find(|(carrier, _)| *carrier == node);
    let Some((_, member)) = found else { return 0 };
    if member.priority == 255 {
        return 255;
    }
    let good =
        |check: usize, reverse: bool| !(view.plan.nodes[node].checks[check].reverse ^ reverse);
    let weight =
        |(check, weight, reverse): &(usize, i16, bool)| match (*weight > 0, good(*check, *reverse))
        {
            (true, true) | (false, false) => *weight,
            (true, false) | (false, true) => 0,
        };
    let sum: i16 = member.tracks.iter().map(weight).sum();
    (i16::from(member.priority) + sum).clamp(1, 254) as u8
}
