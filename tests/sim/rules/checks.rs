//! Checks, as keepalived means them (PROTOCOL A.3): runs in their rhythm, never
//! two at once, ended at their time limit; results that add up by rise and fall;
//! and what they make of the priority, or of the right to run at all.

use smena::check::{Check, Health, Pace};
use smena::config::{self, CheckKind};
use smena::event::{Action, Event, Kill, Outcome};
use smena::vrrp::Role;

use super::servers::Wanted;
use super::{LATE, Rule, View, Violation, broken, drift};
use crate::sim::clock::{MS, SECOND};
use crate::sim::plan::{INTERFACES, Plan};

/// What each check of each node must have found, those of servers behind the
/// others, and what is wanted of the servers.
pub struct Checks {
    pub(super) known: Vec<Vec<Known>>,
    pub(super) wanted: Vec<Vec<Wanted>>,
}

#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) health: Health,
    /// Results in a row that say otherwise.
    against: u16,
    /// What the last result holds, which counts while it is up.
    number: Option<i16>,
    run: Option<Run>,
    /// When the last run began, on the node's clock.
    began_at: Option<i64>,
}

#[derive(Clone, Copy)]
struct Run {
    since: i64,
    terminated: bool,
    killed: bool,
}

const UNKNOWN: Known = Known {
    health: Health::Unknown,
    against: 0,
    number: None,
    run: None,
    began_at: None,
};

impl Checks {
    pub fn new(plan: &Plan) -> Checks {
        Checks {
            known: plan
                .nodes
                .iter()
                .map(|node| {
                    let servers = node.services.iter().map(|s| s.servers.len());
                    vec![UNKNOWN; node.checks.len() + servers.sum::<usize>()]
                })
                .collect(),
            wanted: plan.nodes.iter().map(Wanted::of).collect(),
        }
    }

    pub fn on_start(&mut self, plan: &Plan, node: usize) {
        self.known[node].fill(UNKNOWN);
        self.wanted[node] = Wanted::of(&plan.nodes[node]);
    }

    /// Is a run overdue, or a start?
    pub fn before(&mut self, view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
        let stopping = view.hosts[node]
            .process
            .as_ref()
            .is_none_or(|process| process.stops > 0);
        for (number, known) in self.known[node].iter().enumerate() {
            let pace = pace(view, node, number);
            let (interval, timeout) = (pace.interval.total_micros(), pace.timeout.total_micros());
            let undisturbed = view.undisturbed(node);
            let over = |since: i64, limit: u64| {
                let limit = limit + drift(limit) + LATE;
                view.local(node) - since > limit as i64 && undisturbed > limit && !stopping
            };
            if let Some(run) = known.run {
                let deaf = run.terminated && !run.killed && over(run.since, timeout + 2 * SECOND);
                if deaf || !run.terminated && over(run.since, timeout) {
                    return broken(
                        Rule::Checks,
                        format!("n{node}'s check c{number} runs past its time limit"),
                    );
                }
            } else if let Some(began_at) = known.began_at
                && over(began_at, interval.max(timeout) + 4 * SECOND)
            {
                return broken(
                    Rule::Checks,
                    format!("n{node}'s check c{number} does not run any more"),
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
        if let Event::CheckEnded(id, result) = event {
            let number = usize::from(id.0);
            let known = &mut self.known[node][number];
            let counted = known.run.take().is_some_and(|run| run.terminated);
            if !counted && result.outcome != Outcome::Unknown {
                known.number = match result.outcome {
                    Outcome::Number(number) => Some(number),
                    _ => None,
                };
                let success = result.outcome != Outcome::Failure;
                known.count(&pace(view, node, number), success);
            }
        }
        for action in actions {
            match *action {
                Action::StartCheck(id) => {
                    let number = usize::from(id.0);
                    self.known[node][number].begin(view, node, number)?;
                }
                Action::KillCheck(id, kill) => {
                    let number = usize::from(id.0);
                    let known = &mut self.known[node][number];
                    let Some(run) = &mut known.run else {
                        return broken(Rule::Checks, format!("n{node} kills no run of c{number}"));
                    };
                    run.killed = kill == Kill::Kill;
                    if kill == Kill::Term {
                        run.terminated = true;
                        known.count(&pace(view, node, number), false);
                    }
                }
                _ => {}
            }
        }
        self.servers_decided(view, node, event, actions)?;
        self.agrees(view, node)
    }

    /// The node has come to the same results, and to what follows from them.
    fn agrees(&mut self, view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
        let process = view.hosts[node].process.as_ref();
        // A node that stops asks nothing of its checks any more.
        let Some(process) = process.filter(|process| process.stops == 0) else {
            return Ok(());
        };
        for (number, (known, check)) in self.known[node]
            .iter_mut()
            .zip(process.node.checks())
            .enumerate()
        {
            let config = &view.hosts[node].config.checks[number];
            if let CheckKind::Interface(name) = config.kind {
                known.health = interface_health(view, node, name, config, check)?;
            }
            if check.health() != known.health {
                let (is, should) = (check.health(), known.health);
                return broken(
                    Rule::Checks,
                    format!("n{node}'s check c{number} is {is:?}, not {should:?}"),
                );
            }
        }
        // While addresses are told again, what was known stands.
        let settled = process.started && view.undisturbed(node) > 50 * MS;
        for router in (0..view.plan.routers.len()).filter(|_| settled) {
            let (Some(config), Some(state)) =
                (view.config(node, router), view.router(node, router))
            else {
                continue;
            };
            let expected = self.priority(view, node, config);
            if state.priority() != expected {
                let is = state.priority();
                return broken(
                    Rule::Checks,
                    format!("n{node}'s priority for V{router} is {is}, not {expected}"),
                );
            }
            let mut bad = config.tracks.iter().filter(|track| {
                // keepalived's -254 of a file is FAULT.
                if let Some(number) = self.number(node, track) {
                    return number <= -254;
                }
                let health = self.health(view, node, track);
                let good = match track.reverse {
                    true => Health::Down,
                    false => Health::Up,
                };
                track.weight == 0 && health != good
            });
            if matches!(state.role(), Role::Backup | Role::Master) && bad.next().is_some() {
                let role = state.role();
                return broken(
                    Rule::Checks,
                    format!("n{node} is {role:?} of V{router} with a bad check"),
                );
            }
        }
        Ok(())
    }

    /// What a track line names is up or down, as far as the node can know.
    fn health(&self, view: &View<'_, '_>, node: usize, track: &config::Track<'_>) -> Health {
        let up = match track.what {
            config::Tracked::Check(check) => return self.known[node][usize::from(check)].health,
            config::Tracked::Interface(name) => {
                let slot = INTERFACES.iter().position(|known| *known == name);
                view.hosts[node]
                    .kernel
                    .is_up(slot.expect("a known interface"))
            }
            config::Tracked::Service(service) => {
                return self.service_health(view, node, usize::from(service));
            }
        };
        if up { Health::Up } else { Health::Down }
    }

    /// The number that a file adds, the other way round with `reverse`.
    fn number(&self, node: usize, track: &config::Track<'_>) -> Option<i16> {
        let config::Tracked::Check(check) = track.what else {
            return None;
        };
        let known = &self.known[node][usize::from(check)];
        let number = known.number.filter(|_| known.health == Health::Up)?;
        Some(if track.reverse { -number } else { number })
    }

    /// The effective priority: base and weights, within 1 to 254.
    fn priority(&self, view: &View<'_, '_>, node: usize, config: &config::Router<'_>) -> u8 {
        if config.priority == 255 {
            return 255;
        }
        let weight = |track: &config::Track<'_>| {
            if let Some(number) = self.number(node, track) {
                return number;
            }
            let succeeds = match self.health(view, node, track) {
                // A weight waits for the first result.
                Health::Unknown => true,
                Health::Up => !track.reverse,
                Health::Down => track.reverse,
            };
            match (track.weight > 0, succeeds) {
                (true, true) | (false, false) => track.weight,
                (true, false) | (false, true) => 0,
            }
        };
        let sum: i16 = config.tracks.iter().map(weight).sum();
        (i16::from(config.priority) + sum).clamp(1, 254) as u8
    }
}

/// What a check of an interface is: the node looks by itself, and once nothing
/// has changed for so long that any number of results is in, it must be right.
fn interface_health(
    view: &View<'_, '_>,
    node: usize,
    name: &str,
    config: &config::Check<'_>,
    check: &Check,
) -> Result<Health, Violation> {
    let slot = INTERFACES.iter().position(|known| *known == name);
    let up = view.hosts[node]
        .kernel
        .is_up(slot.expect("a known interface"));
    let results = u64::from(config.rise.max(config.fall)) + 2;
    let lasting = results * config.interval.total_micros() + SECOND;
    let right = match up != config.reverse {
        true => Health::Up,
        false => Health::Down,
    };
    if check.health() != right && view.undisturbed(node) > lasting + drift(lasting) {
        let is = check.health();
        return Err(Violation {
            rule: Rule::Checks,
            story: format!("n{node}'s check of {name} is {is:?}, not {right:?}"),
        });
    }
    Ok(check.health())
}

/// When a check runs and what its results need to count.
pub(super) fn pace(view: &View<'_, '_>, node: usize, number: usize) -> Pace {
    let config = view.hosts[node].config;
    match config.checks.get(number) {
        Some(check) => Pace {
            interval: check.interval,
            timeout: check.timeout,
            rise: check.rise,
            fall: check.fall,
            reverse: check.reverse,
        },
        None => {
            let server = number - config.checks.len();
            let service = &config.services[config.service_of(server as u8)];
            Pace {
                interval: service.inter,
                timeout: service.inter,
                rise: service.rise,
                fall: service.fall,
                reverse: false,
            }
        }
    }
}

impl Known {
    /// A result: the first decides, later ones by rise and fall.
    pub(super) fn count(&mut self, config: &Pace, success: bool) {
        let good = success != config.reverse;
        let (result, needed) = if good {
            (Health::Up, config.rise)
        } else {
            (Health::Down, config.fall)
        };
        if self.health == result {
            self.against = 0;
            return;
        }
        self.against += 1;
        if self.health == Health::Unknown || self.against >= needed {
            self.health = result;
            self.against = 0;
        }
    }

    fn begin(&mut self, view: &View<'_, '_>, node: usize, number: usize) -> Result<(), Violation> {
        let local = view.local(node);
        let interval = pace(view, node, number).interval.total_micros() as i64;
        // The rhythm is kept, so after a late start the next may be early.
        let early = self
            .began_at
            .is_some_and(|began| local - began < interval / 2);
        if self.run.is_some() || early {
            return broken(Rule::Checks, format!("n{node} starts c{number} too early"));
        }
        self.run = Some(Run {
            since: local,
            terminated: false,
            killed: false,
        });
        self.began_at = Some(local);
        Ok(())
    }
}
