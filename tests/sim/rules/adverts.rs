//! Rules 7 and 14, and what a node may say at all: adverts in time, never in
//! bursts, never after a stall, only from a master, and true.

use smena::config::Release;
use smena::event::{Action, Event};
use smena::vrrp::Role;

use super::{LATE, PerRouter, Rule, View, Violation, broken, down_interval};
use crate::sim::bytes::Said;
use crate::sim::plan::Plan;

/// What each router of each node sent when.
pub struct Adverts {
    sent: PerRouter<Sent>,
    /// The roles before the event that is being dealt with.
    roles: PerRouter<Option<Role>>,
    /// Time that clocks did not count, since the process began.
    asleep: Vec<i64>,
}

/// Moments of the node's own clock.
#[derive(Clone, Copy, Default)]
struct Sent {
    /// It became master, or advertised.
    last: Option<i64>,
    /// The last advert that a timer asked for.
    scheduled: Option<i64>,
    /// Two scheduled ones came too close; a second time is a burst.
    hurried: bool,
    /// The first of an undisturbed series of scheduled ones, and how many since.
    series: Option<(i64, i64)>,
}

impl Adverts {
    pub fn new(plan: &Plan) -> Adverts {
        Adverts {
            sent: PerRouter::new(plan, Sent::default()),
            roles: PerRouter::new(plan, None),
            asleep: vec![0; plan.nodes.len()],
        }
    }

    pub fn on_start(&mut self, node: usize) {
        self.sent.of_node(node).fill(Sent::default());
        self.roles.of_node(node).fill(None);
        self.asleep[node] = 0;
    }

    /// Is an advert overdue?
    pub fn before(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        event: &Event<'_>,
    ) -> Result<(), Violation> {
        if let Event::Suspended(asleep) = event {
            self.asleep[node] += asleep.total_micros() as i64;
        }
        for router in 0..view.plan.routers.len() {
            let state = view.router(node, router);
            *self.roles.get(node, router) = state.map(|r| r.role());
            let (Some(state), Some(config)) = (state, view.config(node, router)) else {
                continue;
            };
            let Some(last) = self.sent.get(node, router).last else {
                continue;
            };
            let interval = config.advert_int.total_micros();
            let silent = view.local(node) + self.asleep[node] - last;
            let silent = silent.min(view.undisturbed(node) as i64);
            let limit = interval + interval / 10 + LATE;
            if state.role() == Role::Master && !state.releasing() && silent > limit as i64 {
                return broken(
                    Rule::Timers,
                    format!("n{node} is master of V{router} and sent nothing for {silent} us"),
                );
            }
        }
        Ok(())
    }

    /// May the node send this now?
    pub fn decided(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        event: &Event<'_>,
        actions: &[Action],
    ) -> Result<(), Violation> {
        for router in 0..view.plan.routers.len() {
            let Some(id) = view.members[node][router] else {
                continue;
            };
            let before = *self.roles.get(node, router);
            let now = view.role(node, router);
            let scheduled = matches!(event, Event::Poll);
            let heard = matches!(event, Event::Packet(..));
            let yields = heard && before == Some(Role::Master) && now == Some(Role::Backup);
            if before != Some(Role::Master) || now != Some(Role::Master) {
                *self.sent.get(node, router) = Sent::default();
            }
            for action in actions {
                match *action {
                    Action::SendAdvert(of, 0) if of == id => {
                        self.resigns(view, node, router, before)?
                    }
                    // The last word of one that yields: it makes the other announce.
                    Action::SendAdvert(of, _) if of == id && yields => {}
                    Action::SendAdvert(of, _) if of == id => {
                        self.speaks(node, router, now)?;
                        self.advertises(view, node, router, scheduled)?;
                    }
                    Action::Announce(of) | Action::SetAddresses(of) if of == id => {
                        self.speaks(node, router, now)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// PROTOCOL 80.
    fn speaks(&self, node: usize, router: usize, now: Option<Role>) -> Result<(), Violation> {
        if now != Some(Role::Master) {
            return broken(
                Rule::Speech,
                format!("n{node} acts as master of V{router} and is {now:?}"),
            );
        }
        Ok(())
    }

    fn resigns(
        &self,
        view: &View<'_, '_>,
        node: usize,
        router: usize,
        before: Option<Role>,
    ) -> Result<(), Violation> {
        let overlap = view
            .config(node, router)
            .is_some_and(|c| c.release == Release::Overlap);
        let releasing = view.router(node, router).is_some_and(|r| r.releasing());
        let left = view.role(node, router) != Some(Role::Master);
        if before != Some(Role::Master) || !(left || overlap && releasing) {
            return broken(
                Rule::Speech,
                format!("n{node} sends priority 0 for V{router} and was {before:?}"),
            );
        }
        Ok(())
    }

    /// Rules 7 and 14.
    fn advertises(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        router: usize,
        scheduled: bool,
    ) -> Result<(), Violation> {
        let Some(config) = view.config(node, router) else {
            return Ok(());
        };
        let interval = config.advert_int.total_micros();
        let local = view.local(node) + self.asleep[node];
        let sent = self.sent.get(node, router);
        if let Some(last) = sent.last {
            let silent = local - last;
            let patience = down_interval(&view.plan.routers[router], interval, 254);
            if silent > (patience + LATE) as i64 {
                return broken(
                    Rule::Stall,
                    format!(
                        "n{node} was silent for {silent} us and goes on as master of V{router}"
                    ),
                );
            }
        }
        sent.last = Some(local);
        if !scheduled {
            sent.series = None;
            return Ok(());
        }
        let close = sent
            .scheduled
            .is_some_and(|last| local - last < (interval / 2) as i64);
        if close && sent.hurried {
            return broken(
                Rule::Timers,
                format!("n{node} sends a burst of adverts for V{router}"),
            );
        }
        sent.hurried = close;
        sent.scheduled = Some(local);
        // PROTOCOL 42: each is due one interval after the last was due. The
        // first after a disturbance is late, and no measure for the others.
        if view.undisturbed(node) < 2 * interval {
            sent.series = None;
            return Ok(());
        }
        let (first, count) = sent
            .series
            .map_or((local, 0), |(first, count)| (first, count + 1));
        sent.series = Some((first, count));
        let drifted = local - first - count * interval as i64;
        if drifted.unsigned_abs() > LATE + interval / 10 {
            return broken(
                Rule::Timers,
                format!("n{node}'s adverts for V{router} drift: {drifted} us"),
            );
        }
        Ok(())
    }
}

/// An advert says what its sender is (PROTOCOL 51 to 53).
pub fn truthful(
    view: &View<'_, '_>,
    node: usize,
    router: usize,
    priority: u8,
    said: Option<Said>,
) -> Result<(), Violation> {
    let plan = &view.plan.routers[router];
    let own = view.plan.own_addresses(node, plan.interface);
    let own = own.map(|(address, _)| match address {
        std::net::IpAddr::V4(v4) => u128::from(u32::from(v4)),
        std::net::IpAddr::V6(v6) => u128::from(v6),
    });
    let true_words = said.is_some_and(|said| {
        let interval = view
            .carriers(router)
            .find(|(n, _)| *n == node)
            .map(|(_, m)| m.advert);
        own.contains(&said.source)
            && said.priority == priority
            && said.id == plan.id
            && said.version == plan.version
            && Some(said.interval) == interval
    });
    if !true_words {
        return broken(
            Rule::Speech,
            format!("n{node} sent {said:?} for V{router}, priority {priority}"),
        );
    }
    Ok(())
}
