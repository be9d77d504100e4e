//! Rules 7 and 14: adverts in time, never in bursts, never after a stall.

use smena::event::{Action, Event};
use smena::vrrp::Role;

use super::{LATE, PerRouter, Rule, View, Violation, broken, down_interval};
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
            if state.role() == Role::Master && !state.resigned() && silent > limit as i64 {
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
            if before != Some(Role::Master) || now != Some(Role::Master) {
                *self.sent.get(node, router) = Sent::default();
            }
            let master = now == Some(Role::Master);
            for action in actions.iter().filter(|_| master) {
                if matches!(*action, Action::SendAdvert(of, 1..) if of == id) {
                    self.advertises(view, node, router, scheduled)?;
                }
            }
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
