//! The world: machines on a LAN in virtual time. Everything that will happen
//! stands in one queue; time jumps from one entry to the next.
//!
//! `drive.rs` does for each node what `linux/` does in the binary, `faults.rs`
//! is what can go wrong, and `rules/` watches every step.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Arguments;
use std::rc::Rc;

use smena::config::Config;
use smena::event::{Actions, Exit, HookId, Outcome, RouterId};
use smena::mutation::Mutation;

use super::clock::{At, Clock, MS};
use super::delivery::Heard;
use super::host::{Frame, Host};
use super::kernel::Notice;
use super::lan::Lan;
use super::neighbours::Claim;
use super::plan::Plan;
use super::random::Random;
use super::rules::{Rules, View};
use super::storm::{self, Relief};
use super::trace::Trace;

/// Everything.
pub struct World<'a> {
    pub now: At,
    pub plan: &'a Plan,
    pub hosts: Vec<Host<'a>>,
    pub lan: Lan,
    pub random: Random,
    /// What becomes of questions and answers; of its own, so that they change
    /// nothing else of a seed.
    pub(super) neighbours: Random,
    pub rules: Rules,
    pub trace: Trace,
    /// A rule that every node breaks on purpose.
    pub broken: Option<Mutation>,
    pub(super) actions: Option<Box<Actions>>,
    /// The most actions of one event, of a hundred that there is room for.
    pub fullest: usize,
    pub(super) strangers_until: At,
    pub(super) heard: Heard,
    pub(super) hostile_until: At,
    queue: BinaryHeap<Reverse<Entry>>,
    entries: u64,
    /// For each node and virtual router, the node's number for it.
    members: Vec<Vec<Option<RouterId>>>,
    raining: bool,
}

/// What will happen.
pub(super) enum Happening {
    Wake {
        node: usize,
        wake: u32,
    },
    Frame {
        node: usize,
        frame: Rc<Frame>,
    },
    Notice {
        node: usize,
        incarnation: u32,
        notice: Notice,
    },
    Claim {
        node: usize,
        claim: Claim,
    },
    Worker {
        node: usize,
        worker: u32,
    },
    /// A link-local address has proved to be unique.
    Unique {
        node: usize,
        segment: usize,
        index: u32,
    },
    CheckEnds {
        node: usize,
        incarnation: u32,
        check: usize,
        run: u32,
        outcome: Outcome,
    },
    HookEnds {
        node: usize,
        incarnation: u32,
        hook: HookId,
        run: u32,
        exit: Exit,
    },
    Gust,
    Relief(Relief),
}

struct Entry {
    at: At,
    /// Of two at one moment, the one that was planned first.
    number: u64,
    happening: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<'a> World<'a> {
    /// A world whose machines have no power yet.
    pub fn new(plan: &'a Plan, configs: &'a [Config<'a>], text: bool) -> World<'a> {
        let host = |(config, node): (&'a Config<'a>, &super::plan::NodePlan)| {
            Host::new(config, Clock::new(0, node.shown, node.drift_ppm))
        };
        let mut members = vec![vec![None; plan.routers.len()]; plan.nodes.len()];
        for (node, members) in members.iter_mut().enumerate() {
            let mine = plan.routers.iter().enumerate();
            let mine = mine.filter(|(_, router)| router.members.iter().any(|m| m.node == node));
            for (number, (router, _)) in mine.enumerate() {
                members[router] = Some(RouterId(number as u8));
            }
        }
        World {
            now: 0,
            plan,
            hosts: configs.iter().zip(&plan.nodes).map(host).collect(),
            lan: Lan::new(plan.nodes.len(), plan.latency, Random::new(plan.seed, 2)),
            random: Random::new(plan.seed, 3),
            neighbours: Random::new(plan.seed, 6),
            rules: Rules::new(plan),
            trace: Trace::new(text),
            broken: None,
            actions: Some(Box::new(Actions::new())),
            fullest: 0,
            strangers_until: 0,
            heard: Heard::default(),
            hostile_until: 0,
            queue: BinaryHeap::new(),
            entries: 0,
            members,
            raining: false,
        }
    }

    /// Lets everything happen until then, or until a rule is broken.
    pub fn run_until(&mut self, end: At) {
        while !self.rules.broken() {
            match self.queue.peek() {
                Some(Reverse(entry)) if entry.at <= end => {}
                Some(_) | None => break,
            }
            let Some(Reverse(entry)) = self.queue.pop() else {
                break;
            };
            assert!(entry.at >= self.now, "time goes forward");
            self.now = entry.at;
            self.happen(entry.happening);
        }
        self.now = self.now.max(end);
    }

    /// Lets everything happen for so long.
    pub fn run(&mut self, time: At) {
        self.run_until(self.now + time);
    }

    /// Begins or ends the storm.
    pub fn rain(&mut self, raining: bool) {
        self.raining = raining;
        if raining && !self.plan.weather.kinds.is_empty() {
            self.after(1, Happening::Gust);
        }
    }

    /// Of 1,000 processes, so many misbehave now.
    pub(super) fn trouble(&self) -> u64 {
        if self.raining {
            self.plan.weather.trouble
        } else {
            0
        }
    }

    /// Plans what ends a fault.
    pub fn later(&mut self, after: At, relief: Relief) {
        self.after(after, Happening::Relief(relief));
    }

    /// Plans a happening.
    pub(super) fn after(&mut self, after: At, happening: Happening) {
        self.at(self.now + after, happening);
    }

    /// Plans a happening.
    pub(super) fn at(&mut self, at: At, happening: Happening) {
        let number = self.entries;
        self.entries += 1;
        self.queue.push(Reverse(Entry {
            at,
            number,
            happening,
        }));
    }

    /// A node's own number of a virtual router.
    pub fn member(&self, node: usize, router: usize) -> Option<RouterId> {
        self.members[node][router]
    }

    /// The virtual router behind a node's own number.
    pub fn router_of(&self, node: usize, id: RouterId) -> usize {
        let place = self.members[node]
            .iter()
            .position(|member| *member == Some(id));
        place.expect("actions name routers that are configured")
    }

    /// Lets the rules look at the world as it is.
    pub fn judge<T>(&mut self, look: impl FnOnce(&mut Rules, &View<'_, 'a>) -> T) -> T {
        let view = View {
            now: self.now,
            plan: self.plan,
            hosts: &self.hosts,
            lan: &self.lan,
            members: &self.members,
        };
        let seen = look(&mut self.rules, &view);
        if self.rules.broken() {
            self.trace.end();
        }
        seen
    }

    /// Adds a line to the trace.
    pub fn say(&mut self, text: Arguments<'_>) {
        self.trace.say(self.now, text);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake { node, wake } => self.on_wake(node, wake),
            Happening::Frame { node, frame } => self.on_frame(node, frame),
            Happening::Notice {
                node,
                incarnation,
                notice,
            } => self.on_notice(node, incarnation, notice),
            Happening::Claim { node, claim } => self.on_claim(node, claim),
            Happening::Worker { node, worker } => self.on_worker(node, worker),
            Happening::Unique {
                node,
                segment,
                index,
            } => self.on_unique(node, segment, index),
            Happening::CheckEnds {
                node,
                incarnation,
                check,
                run,
                outcome,
            } => {
                self.on_check_ends(node, incarnation, check, run, outcome);
            }
            Happening::HookEnds {
                node,
                incarnation,
                hook,
                run,
                exit,
            } => {
                self.on_hook_ends(node, incarnation, hook, run, exit);
            }
            Happening::Gust => self.on_gust(),
            Happening::Relief(relief) => {
                self.trace.mark(&[self.now, 90]);
                self.say(format_args!("-- it ends: {relief:?}"));
                storm::relieve(self, relief);
            }
        }
    }

    fn on_gust(&mut self) {
        if !self.raining {
            return;
        }
        let pause = self.random.magnitude(5 * MS, 2 * self.plan.weather.pause);
        self.after(pause, Happening::Gust);
        let kind = self.random.pick(&self.plan.weather.kinds);
        self.trace.mark(&[self.now, 91, kind as u64]);
        self.say(format_args!("-- {kind:?}"));
        if let Some((after, relief)) = storm::strike(self, kind) {
            self.later(after, relief);
        }
    }
}
