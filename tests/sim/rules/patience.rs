//! Nobody takes over before its time (PROTOCOL 24, 30 to 37): a second opinion
//! on each backup's timer, from the adverts that reached it.

use smena::event::Event;
use smena::vrrp::{Reason, Role, Router};

use super::{PerRouter, Rule, View, Violation, broken, down_interval, drift, skew};
use crate::sim::bytes::Said;
use crate::sim::clock::{At, MS};
use crate::sim::host::{Frame, Schedule};
use crate::sim::plan::Plan;

/// What each backup must wait for.
pub struct Patience {
    listening: PerRouter<Listening>,
    /// Role and priority before the event that is being dealt with.
    before: Vec<Option<(Role, u8)>>,
    /// The advert that this event brings.
    heard: Option<(usize, Said)>,
    started_at: Vec<i64>,
}

/// Moments of the node's own clock.
#[derive(Clone, Copy, Default)]
struct Listening {
    /// It became Backup, or heard a master that it follows.
    reset_at: i64,
    /// The shortest interval that it may have learnt since.
    interval: At,
    /// The highest priority that it has had since.
    priority: u8,
    /// A master has left since.
    vacant_at: Option<i64>,
    /// The first and the last advert of a master that it preempts.
    lower: Option<(i64, i64)>,
}

impl Patience {
    pub fn new(plan: &Plan) -> Patience {
        Patience {
            listening: PerRouter::new(plan, Listening::default()),
            before: vec![None; plan.routers.len()],
            heard: None,
            started_at: vec![0; plan.nodes.len()],
        }
    }

    pub fn on_start(&mut self, view: &View<'_, '_>, node: usize) {
        self.started_at[node] = view.local(node);
        self.listening.of_node(node).fill(Listening::default());
    }

    /// A good advert is about to reach a node. Its own that comes back says
    /// nothing.
    pub fn arriving(&mut self, node: usize, frame: &Frame) {
        self.heard = frame.said.filter(|_| frame.from != node);
    }

    pub fn before(&mut self, view: &View<'_, '_>, node: usize) {
        for (router, before) in self.before.iter_mut().enumerate() {
            *before = view
                .router(node, router)
                .map(|state| (state.role(), state.priority()));
        }
    }

    pub fn decided(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        event: &Event<'_>,
    ) -> Result<(), Violation> {
        let heard = self
            .heard
            .take()
            .filter(|_| matches!(event, Event::Packet(..)));
        for router in 0..view.plan.routers.len() {
            let Some(state) = view.router(node, router) else {
                continue;
            };
            let (was, priority) = self.before[router].unwrap_or((Role::Initialize, 0));
            let listening = self.listening.get(node, router);
            // A priority that changed on the way may have counted or not.
            listening.priority = listening.priority.max(state.priority()).max(priority);
            match (was, state.role()) {
                (Role::Initialize, Role::Backup | Role::Master) => {
                    self.awake(view, node, router)?
                }
                // An owner waits for its group only.
                (Role::Backup, Role::Master) if state.reason() == Reason::Owner => {}
                (Role::Backup, Role::Master) => self.takes_over(view, node, router)?,
                _ => {}
            }
            if was != Role::Backup && state.role() == Role::Backup {
                self.begins(view, node, router, priority);
            }
            let said = heard.filter(|(of, _)| *of == router).map(|(_, said)| said);
            if let (Some(said), Role::Backup) = (said, state.role()) {
                self.hears(view, node, router, said);
            }
        }
        Ok(())
    }

    /// It listens from now on. A master of version 3 that yields has learnt
    /// another's interval on the way.
    fn begins(&mut self, view: &View<'_, '_>, node: usize, router: usize, before: u8) {
        let (Some(state), Some(config)) = (view.router(node, router), view.config(node, router))
        else {
            return;
        };
        let own = config.advert_int.total_micros();
        *self.listening.get(node, router) = Listening {
            reset_at: view.local(node),
            interval: own.min(state.master_interval().total_micros()),
            priority: state.priority().max(before),
            vacant_at: None,
            lower: None,
        };
    }

    fn hears(&mut self, view: &View<'_, '_>, node: usize, router: usize, said: Said) {
        let (Some(state), Some(config)) = (view.router(node, router), view.config(node, router))
        else {
            return;
        };
        let local = view.local(node);
        let preempts = config.preempt || config.priority == 255;
        let lower = said.priority < state.priority();
        let listening = self.listening.get(node, router);
        if said.priority == 0 {
            listening.vacant_at = Some(local);
        } else if !lower || !preempts {
            *listening = Listening {
                reset_at: local,
                interval: said.interval,
                priority: state.priority(),
                vacant_at: None,
                lower: None,
            };
        } else {
            // Tolerated or not, it may have been learnt from.
            listening.interval = listening.interval.min(said.interval);
            let first = listening.lower.map_or(local, |(first, _)| first);
            listening.lower = Some((first, local));
        }
    }

    fn takes_over(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        router: usize,
    ) -> Result<(), Violation> {
        let (plan, local) = (&view.plan.routers[router], view.local(node));
        let Listening {
            reset_at,
            interval,
            priority,
            vacant_at,
            lower,
        } = *self.listening.get(node, router);
        let waited = local - vacant_at.unwrap_or(reset_at);
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
        self.asked(view, node, router, waited - least as i64)?;
        let delay = view
            .config(node, router)
            .map_or(0, |config| config.preempt_delay.total_micros());
        if let (Some((first, last)), None) = (lower, vacant_at) {
            // The lower one still speaks, so this is no silence.
            let preempting = local - last < 3 * interval as i64;
            let tolerated = local - first;
            if preempting && tolerated < delay as i64 {
                return broken(
                    Rule::Patience,
                    format!(
                        "n{node} preempts V{router} after {tolerated} us, preempt_delay is {delay} us"
                    ),
                );
            }
        }
        Ok(())
    }

    /// `takeover_probe`: nobody follows a silent master for so long as its machine
    /// answers for an address. `waited` is the time since its patience ended.
    fn asked(
        &self,
        view: &View<'_, '_>,
        node: usize,
        router: usize,
        waited: i64,
    ) -> Result<(), Violation> {
        let silence = |state: &Router| matches!(state.reason(), Reason::NoAdvert(..));
        let most = view
            .config(node, router)
            .map(|c| c.takeover_probe.total_micros());
        let (Some(most @ 1..), true) = (most, view.router(node, router).is_some_and(silence))
        else {
            return Ok(());
        };
        // All of it went on for long enough.
        let lasts = most + 10 * MS;
        let plan = &view.plan.routers[router];
        for (other, host) in view
            .hosts
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != node)
        {
            let answers = |(address, _, slot): &(_, _, usize)| {
                let clean = view.lan.clean_since(*slot, node, other);
                let mut held = host.kernel.addresses(*slot).iter();
                let held = held.find(|held| held.local.address == *address);
                clean.is_some_and(|since| view.now - since > lasts)
                    && host.kernel.is_up(*slot)
                    && held.is_some_and(|held| view.local(other) - held.since > lasts as i64)
            };
            let awake = matches!(host.schedule, Schedule::Running | Schedule::Stopped);
            let steady = view.undisturbed(node) > lasts && view.undisturbed(other) > lasts;
            let least = most as i64 - drift(most) as i64;
            if awake && steady && plan.addresses.iter().any(answers) && waited < least {
                return broken(
                    Rule::Patience,
                    format!(
                        "n{node} takes V{router} over {waited} us after its patience, and n{other} answers"
                    ),
                );
            }
        }
        Ok(())
    }

    /// PROTOCOL 24.
    fn awake(&self, view: &View<'_, '_>, node: usize, router: usize) -> Result<(), Violation> {
        let delay = view
            .config(node, router)
            .map_or(0, |config| config.startup_delay.total_micros());
        let waited = view.local(node) - self.started_at[node];
        if waited < delay as i64 {
            return broken(
                Rule::Patience,
                format!(
                    "n{node} is awake for V{router} after {waited} us, startup_delay is {delay} us"
                ),
            );
        }
        Ok(())
    }
}
