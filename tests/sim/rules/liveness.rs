//! Rules 4 and 5, which hold while nothing is wrong with the world but the one
//! thing that is tried: a take-over in time, and a hand-over without a gap.

use smena::config::Release;
use smena::vrrp::Role;

use super::hooks::hooks_end;
use super::{LATE, PerRouter, Rule, View, Violation, broken, down_interval, drift, skew};
use crate::sim::clock::{At, MS};
use crate::sim::plan::Plan;

/// What is known of masters and hand-overs.
pub struct Liveness {
    /// When each node last advertised as master on a link that was up, and the
    /// interval it promised.
    advertised: PerRouter<Option<(At, At)>>,
    hand_overs: Vec<Option<HandOver>>,
    /// When a node that was told to stop must have let go, on its own clock.
    released_by: PerRouter<Option<i64>>,
}

/// A planned hand-over under way.
#[derive(Clone, Copy)]
struct HandOver {
    leaving: usize,
    /// Since when nobody has had the address.
    nobody_since: Option<At>,
    /// How long that may be.
    gap: At,
}

impl Liveness {
    pub fn new(plan: &Plan) -> Liveness {
        Liveness {
            advertised: PerRouter::new(plan, None),
            hand_overs: vec![None; plan.routers.len()],
            released_by: PerRouter::new(plan, None),
        }
    }

    pub fn on_start(&mut self, node: usize) {
        self.released_by.of_node(node).fill(None);
    }

    pub fn sent(&mut self, view: &View<'_, '_>, node: usize, router: usize) {
        let plan = &view.plan.routers[router];
        let config = view.config(node, router);
        // The last word of one that yields promises nothing.
        let heard = view.hosts[node].kernel.is_up(plan.interface) && view.rules_now(node, router);
        if let (true, Some(config)) = (heard, config) {
            *self.advertised.get(node, router) = Some((view.now, config.advert_int.total_micros()));
        }
    }

    /// How long has nobody been master, or nobody had the address?
    pub fn before(&mut self, view: &View<'_, '_>, calm_since: At) -> Result<(), Violation> {
        for router in 0..view.plan.routers.len() {
            self.mastered(view, router, calm_since)?;
            self.hand_over(view, router)?;
        }
        Ok(())
    }

    /// Rule 4.
    fn mastered(
        &mut self,
        view: &View<'_, '_>,
        router: usize,
        calm_since: At,
    ) -> Result<(), Violation> {
        // A group is waited for as a whole.
        let company: Vec<usize> = view.company(router).collect();
        let last = |node: usize| {
            let of =
                |router: &usize| self.advertised.values[node * self.advertised.routers + router];
            company.iter().filter_map(of).max()
        };
        let all = || view.carriers(router).filter_map(|(node, _)| last(node));
        let Some(at) = all().map(|(at, _)| at).max() else {
            return Ok(());
        };
        // Two that were masters at once may have promised different things.
        let recent = all().filter(|(other, _)| at - other <= 100 * MS);
        let interval = recent.map(|(_, interval)| interval).max().unwrap_or(0);
        let slowest = company
            .iter()
            .map(|router| view.plan.slowest(*router))
            .max();
        let interval = match company.len() {
            1 => interval,
            _ => slowest.unwrap_or(interval),
        };
        // The first backup to lose its patience must be there; one that began
        // to listen lately has not been waiting as long.
        let one_waits = |node: usize, router: usize| {
            let state = view.router(node, router)?;
            let waiting = view.hosts[node].acts() && state.role() == Role::Backup;
            let there = view.hosts[node].disturbed_at < at;
            let plan = &view.plan.routers[router];
            let patience = down_interval(plan, interval, state.priority());
            let asks = view.config(node, router)?.takeover_probe.total_micros();
            let listens = view.local(node) - state.since().total_micros();
            (waiting && there && listens > patience as i64).then_some(patience + asks)
        };
        let waits = |node: usize| {
            let all: Option<Vec<At>> = company
                .iter()
                .map(|router| one_waits(node, *router))
                .collect();
            all?.into_iter().max()
        };
        let waiting = view.carriers(router).filter_map(|(node, _)| waits(node));
        let Some(patience) = waiting.min() else {
            return Ok(());
        };
        let silent = view.now - at.max(calm_since);
        let limit = patience + view.plan.latency + LATE;
        if silent > limit + drift(limit) {
            return broken(
                Rule::Liveness,
                format!("nobody has been master of V{router} for {silent} us"),
            );
        }
        Ok(())
    }

    /// A node is told to stop: rule 5 for each router that it is master of, and
    /// in calm for each that somebody else can take.
    pub fn on_stop(&mut self, view: &View<'_, '_>, node: usize, calm: bool) {
        for router in 0..view.plan.routers.len() {
            let config = view.config(node, router);
            let Some(config) = config.filter(|_| view.rules_now(node, router)) else {
                continue;
            };
            // The heirs of a group take over when the slowest may.
            let configs = || {
                view.company(router)
                    .filter_map(|other| view.config(node, other))
            };
            let skews = |priority: u8| {
                let skew = |other: usize| {
                    let config = view.config(node, other)?;
                    let interval = config.advert_int.total_micros();
                    Some(skew(&view.plan.routers[other], interval, priority))
                };
                view.company(router).filter_map(skew).max().unwrap_or(0)
            };
            let overlap = config.release == Release::Overlap;
            let kept = match config.release {
                Release::Overlap => skews(1) + 500 * MS,
                Release::AfterHook => hooks_end(config),
                Release::Immediate => 0,
            };
            let until = view.local(node) + (kept + drift(kept) + LATE) as i64;
            self.released_by.get(node, router).get_or_insert(until);
            let heirs = view.carriers(router).filter(|(other, _)| {
                let listens = |router| view.role(*other, router) == Some(Role::Backup);
                view.company(router).all(listens) && view.hosts[*other].acts()
            });
            let heirs = heirs.filter_map(|(other, _)| view.router(other, router));
            let priorities: Vec<u8> = heirs.map(|heir| heir.priority()).collect();
            let best = priorities.iter().copied().max();
            let Some(heir) = best.filter(|_| calm) else {
                continue;
            };
            // Two groups that take over in one moment may each lose on one side.
            let tie = priorities.iter().filter(|other| **other == heir).count() > 1;
            if tie && view.company(router).count() > 1 {
                continue;
            }
            let gap = if overlap {
                0
            } else {
                // One's hook may end long before the other's.
                let apart = match config.release {
                    Release::AfterHook if view.company(router).count() > 1 => {
                        configs().map(hooks_end).max().unwrap_or(0)
                    }
                    _ => 0,
                };
                skews(heir) + apart + 2 * view.plan.latency + LATE
            };
            self.hand_overs[router] = Some(HandOver {
                leaving: node,
                nobody_since: None,
                gap: gap + drift(gap),
            });
        }
    }

    /// A leaving node has let go in time, whether an heir came or not.
    pub fn released(&mut self, view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
        for router in 0..view.plan.routers.len() {
            let Some(until) = *self.released_by.get(node, router) else {
                continue;
            };
            let late = view.local(node) > until && view.undisturbed(node) > LATE;
            if late && view.rules_now(node, router) {
                return broken(
                    Rule::HandOver,
                    format!("n{node} was told to stop and is still master of V{router}"),
                );
            }
        }
        Ok(())
    }

    /// Rule 5, as it stands.
    fn hand_over(&self, view: &View<'_, '_>, router: usize) -> Result<(), Violation> {
        let Some(hand_over) = self.hand_overs[router] else {
            return Ok(());
        };
        let leaving = hand_over.leaving;
        let (address, _, _) = view.plan.routers[router].addresses[0];
        let gap = hand_over.nobody_since.map_or(0, |since| view.now - since);
        if gap > hand_over.gap {
            return broken(
                Rule::HandOver,
                format!("n{leaving} stopped as planned and nobody has had {address} for {gap} us"),
            );
        }
        Ok(())
    }

    /// Has somebody the address?
    pub fn after(&mut self, view: &View<'_, '_>) -> Result<(), Violation> {
        for router in 0..self.hand_overs.len() {
            let Some(hand_over) = &mut self.hand_overs[router] else {
                continue;
            };
            let (address, _, slot) = view.plan.routers[router].addresses[0];
            if view
                .hosts
                .iter()
                .any(|host| host.kernel.holds(slot, address))
            {
                hand_over.nobody_since = None;
                continue;
            }
            hand_over.nobody_since.get_or_insert(view.now);
            if hand_over.gap == 0 {
                let leaving = hand_over.leaving;
                return broken(
                    Rule::HandOver,
                    format!("n{leaving} stopped as planned and {address} has no owner"),
                );
            }
        }
        Ok(())
    }

    /// What was tried is over.
    pub fn forget(&mut self) {
        self.hand_overs.fill(None);
    }
}
