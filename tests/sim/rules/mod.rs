//! The rules that must always hold, watched at every step.
//!
//! ```text
//!   before  the event is handed over: how long has each condition lasted?
//!   decided the node has answered, nothing is done yet: may it want this?
//!   after   all is done: which conditions began or ended?
//! ```
//!
//! A condition that may last for a while is measured before each step that
//! could end it, so that none is too short to be seen. The rules know the plan
//! and see the world; of the node they ask only what status shows as well.

mod adverts;
mod checks;
mod groups;
mod hooks;
mod liveness;
mod owners;
mod packets;
mod patience;
mod ready;
mod resources;
mod rest;
mod rhythm;
pub mod seen;
mod servers;
mod speech;
mod words;

use std::net::IpAddr;

use smena::config;
use smena::diagnosis::Code;
use smena::event::{Action, Event, Exit, HookCall, HookId, RouterId};
use smena::protocol::Version;
use smena::vrrp::{Role, Router};

use super::bytes::Said;
use super::clock::{At, MS, SECOND};
use super::host::{Frame, Host};
use super::lan::Lan;
use super::plan::{Member, Plan, RouterPlan};

/// What a process that is not disturbed may be late, and a bit.
const LATE: At = 5 * MS;

/// A broken rule.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Its name, as DESIGN.md or PROTOCOL.md number it.
    pub rule: Rule,
    /// What was seen.
    pub story: String,
}

/// The rules, by the numbers of DESIGN.md where they have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// 1: two nodes that hear each other never both own an address for long.
    SingleMaster,
    /// 2: no node keeps an address when it is not master (any more).
    AddressMeansMaster,
    /// 3: a master's address is there, and back when it was removed.
    MasterMeansAddress,
    /// The lease: it never ends under a master that is well.
    LeaseRenewed,
    /// 4: somebody is master soon after the last one was silent.
    Liveness,
    /// 5: at a planned hand-over the address always has an owner.
    HandOver,
    /// 6: after two masters met, the survivor's announcement is the last.
    LastWord,
    /// 7: a master that stalled yields before it sends.
    Stall,
    /// 8: hooks run one at a time, in order, to the last state, within limits.
    Hooks,
    /// A master announces itself, and never in a rush (PROTOCOL 70, 71).
    Announcements,
    /// Routers of a group are master together or not at all.
    Group,
    /// Who cannot take part does not (PROTOCOL A.1).
    Ready,
    /// A master follows a better one, and only that (PROTOCOL 45 to 48).
    Yield,
    /// Checks run, count and weigh as configured (PROTOCOL A.3).
    Checks,
    /// 9: only a server that may gets sessions.
    Servers,
    /// 13: a packet that fails a check changes nothing.
    Packets,
    /// 14: adverts come in time and never in bursts.
    Timers,
    /// Nobody takes over before its own time (RFC 9568 section 6.4.2).
    Patience,
    /// Only a master speaks, it says what is true, and it answers.
    Speech,
    /// At rest the right node is master, and nothing is left over.
    Rest,
}

/// What the rules see.
pub struct View<'w, 'a> {
    pub now: At,
    pub plan: &'w Plan,
    pub hosts: &'w [Host<'a>],
    pub lan: &'w Lan,
    pub members: &'w [Vec<Option<RouterId>>],
}

impl<'w, 'a> View<'w, 'a> {
    /// The router of a running process.
    fn router(&self, node: usize, router: usize) -> Option<&'w Router> {
        let id = self.members[node][router]?;
        let process = self.hosts[node].process.as_ref()?;
        process.node.routers().get(usize::from(id.0))
    }

    /// Its role.
    fn role(&self, node: usize, router: usize) -> Option<Role> {
        Some(self.router(node, router)?.role())
    }

    /// Is it master, and able to act on it?
    fn rules_now(&self, node: usize, router: usize) -> bool {
        self.hosts[node].acts() && self.role(node, router) == Some(Role::Master)
    }

    /// What a node's configuration says about a virtual router.
    fn config(&self, node: usize, router: usize) -> Option<&'a config::Router<'a>> {
        let id = self.members[node][router]?;
        self.hosts[node].config.routers.get(usize::from(id.0))
    }

    /// What is wrong with a router, as a node sees it.
    fn diagnoses(&self, node: usize, router: usize) -> impl Iterator<Item = Code> {
        let process = self.hosts[node].process.as_ref();
        let seen = process
            .zip(self.members[node][router])
            .map(|(process, id)| {
                let now = self.hosts[node].clock.instant(self.now);
                process.node.diagnoses(now, id)
            });
        seen.into_iter().flatten().map(|found| found.evidence.code)
    }

    /// The node's clock.
    fn local(&self, node: usize) -> i64 {
        self.hosts[node].clock.local(self.now)
    }

    /// How long nothing has disturbed a node.
    fn undisturbed(&self, node: usize) -> At {
        self.now - self.hosts[node].disturbed_at
    }

    /// A router and those of its group.
    fn company(&self, router: usize) -> impl Iterator<Item = usize> {
        let group = self.plan.routers[router].group;
        (0..self.plan.routers.len()).filter(move |other| {
            *other == router || group.is_some() && self.plan.routers[*other].group == group
        })
    }

    /// The nodes that carry a virtual router.
    fn carriers(&self, router: usize) -> impl Iterator<Item = (usize, &'w Member)> {
        self.plan.routers[router]
            .members
            .iter()
            .map(|member| (member.node, member))
    }
}

/// All rules, and the first that was broken.
pub struct Rules {
    violation: Option<Violation>,
    /// Nothing is wrong with the world, and everybody has had time to settle.
    calm_since: Option<At>,
    adverts: adverts::Adverts,
    checks: checks::Checks,
    hooks: hooks::Hooks,
    resources: resources::All,
    liveness: liveness::Liveness,
    owners: owners::Owners,
    packets: packets::Packets,
    patience: patience::Patience,
    rhythm: rhythm::Rhythm,
    seen: seen::Seen,
    speech: speech::Speech,
    words: words::Words,
}

impl Rules {
    /// Rules for the world of this plan.
    pub fn new(plan: &Plan) -> Rules {
        Rules {
            violation: None,
            calm_since: None,
            adverts: adverts::Adverts::new(plan),
            checks: checks::Checks::new(plan),
            hooks: hooks::Hooks::new(plan),
            resources: resources::All::new(plan),
            liveness: liveness::Liveness::new(plan),
            owners: owners::Owners::new(plan),
            packets: packets::Packets::default(),
            patience: patience::Patience::new(plan),
            rhythm: rhythm::Rhythm::new(plan),
            seen: seen::Seen::new(plan),
            speech: speech::Speech::new(plan),
            words: words::Words::new(plan),
        }
    }

    /// Was a rule broken?
    pub fn broken(&self) -> bool {
        self.violation.is_some()
    }

    /// The first rule that was broken.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// How often each cause changed a state.
    pub fn seen(&self) -> &seen::Counts {
        &self.seen.counts
    }

    /// From now on, or no longer, nothing is wrong with the world.
    pub fn set_calm(&mut self, view: &View<'_, '_>, calm: bool) {
        self.calm_since = calm.then_some(view.now);
        self.liveness.forget();
    }

    fn hold(&mut self, holds: Result<(), Violation>) {
        if let Err(violation) = holds {
            self.violation.get_or_insert(violation);
        }
    }

    /// A process begins; it knows nothing yet.
    pub fn started(&mut self, view: &View<'_, '_>, node: usize) {
        self.checks.on_start(view.plan, node);
        self.rhythm.on_start(node);
        self.speech.on_start(node);
        self.hooks.on_start(node);
        self.resources.on_start(view, node);
        self.adverts.on_start(node);
        self.patience.on_start(view, node);
        self.liveness.on_start(node);
        self.owners.on_start(node);
    }

    /// A process is told to stop.
    pub fn stopping(&mut self, view: &View<'_, '_>, node: usize) {
        self.liveness.on_stop(view, node, self.calm_since.is_some());
    }

    /// A process has ended itself.
    pub fn finished(&mut self, view: &View<'_, '_>, node: usize) {
        let holds = self.owners.on_finish(view, node);
        self.hold(holds);
        let holds = self.hooks.on_finish(view, node);
        self.hold(holds);
        let holds = self.resources.on_finish(view, node);
        self.hold(holds);
    }

    /// An event is about to be handed over.
    pub fn before(&mut self, view: &View<'_, '_>, node: usize, event: &Event<'_>) {
        let holds = self.owners.before(view, node);
        self.hold(holds);
        let holds = self.liveness.released(view, node);
        self.hold(holds);
        let holds = self.adverts.before(view, node, event);
        self.hold(holds);
        let holds = self.hooks.before(view, node);
        self.hold(holds);
        let holds = self.checks.before(view, node);
        self.hold(holds);
        let holds = self.rhythm.before(view, node, self.calm_since.is_some());
        self.hold(holds);
        self.patience.before(view, node);
        self.speech.before(view, node);
        if let Some(calm_since) = self.calm_since {
            let holds = self.liveness.before(view, calm_since);
            self.hold(holds);
        }
    }

    /// A kernel or a machine is about to change by itself.
    pub fn before_kernel(&mut self, view: &View<'_, '_>, node: usize) {
        let holds = self.owners.before(view, node);
        self.hold(holds);
    }

    /// A path is about to change.
    pub fn before_weather(&mut self, view: &View<'_, '_>) {
        for node in 0..view.hosts.len() {
            self.before_kernel(view, node);
        }
    }

    /// The node has answered an event, and nothing is done yet.
    pub fn decided(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        event: &Event<'_>,
        actions: &[Action],
    ) {
        let holds = self.speech.decided(view, node, event, actions);
        self.hold(holds);
        let holds = self.adverts.decided(view, node, event, actions);
        self.hold(holds);
        let holds = self.patience.decided(view, node, event);
        self.hold(holds);
        let holds = self.rhythm.decided(view, node, event, actions);
        self.hold(holds);
        self.packets.decided(actions);
        let calm = self.calm_since.is_some();
        let holds = self.resources.decided(view, node, actions, calm);
        self.hold(holds);
        self.seen.decided(view, node);
        let holds = self
            .hooks
            .decided(view, node, event, actions, self.calm_since.is_some());
        self.hold(holds);
        let holds = self.checks.decided(view, node, event, actions);
        self.hold(holds);
    }

    /// Everything is done.
    pub fn after(&mut self, view: &View<'_, '_>, node: usize) {
        let holds = self.owners.after(view, node);
        self.hold(holds);
        let holds = self.checks.gates_agree(view, node);
        self.hold(holds);
        let holds = ready::after(view, node);
        self.hold(holds);
        let holds = groups::after(view, node);
        self.hold(holds);
        if self.calm_since.is_some() {
            let holds = self.liveness.after(view);
            self.hold(holds);
        }
    }

    /// A packet is about to reach a node.
    pub fn arriving(&mut self, view: &View<'_, '_>, node: usize, frame: &Frame) {
        self.packets.arriving(view, node, frame);
        self.patience.arriving(node, frame);
        self.speech.arriving(node, frame);
        self.words.arriving(view, node, frame);
    }

    /// The node has dealt with it.
    pub fn arrived(&mut self, view: &View<'_, '_>, node: usize, frame: &Frame) {
        let holds = self.packets.arrived(view, node, frame);
        self.hold(holds);
        self.words.arrived(view, node, frame);
    }

    /// An advert leaves a node.
    pub fn sent(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        router: usize,
        priority: u8,
        said: Option<Said>,
    ) {
        let holds = self.speech.sent(view, node, router, priority, said);
        self.hold(holds);
        self.liveness.sent(view, node, router);
    }

    /// A gratuitous ARP or neighbour advertisement leaves a node.
    pub fn announced(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        router: usize,
        address: usize,
        packet: &[u8],
    ) {
        let holds = self.words.announced(view, node, router, address, packet);
        self.hold(holds);
    }

    /// The lifetime of an address ended.
    pub fn expired(&mut self, view: &View<'_, '_>, node: usize, address: IpAddr) {
        let holds = self.owners.expired(view, node, address);
        self.hold(holds);
    }

    /// A hook is started.
    pub fn hook_starts(&mut self, view: &View<'_, '_>, node: usize, hook: HookId, call: HookCall) {
        let holds = match hook {
            HookId::Notify(_) | HookId::Group(_) => self.hooks.starts(view, node, hook, call),
            HookId::Resource(_) => self.resources.starts(view, node, hook, call),
        };
        self.hold(holds);
    }

    /// A hook has ended.
    pub fn hook_ends(&mut self, view: &View<'_, '_>, node: usize, hook: HookId, exit: Exit) {
        self.hooks.ends(view, node, hook, exit);
        self.resources.ends(view, node, hook, exit);
    }

    /// Nothing has been wrong for long enough: everything must be right.
    pub fn at_rest(&mut self, view: &View<'_, '_>) {
        let holds = rest::at_rest(view);
        self.hold(holds);
        let holds = self.owners.at_rest(view);
        self.hold(holds);
        let holds = self.words.at_rest(view);
        self.hold(holds);
        let holds = self.hooks.at_rest(view);
        self.hold(holds);
        let holds = self.resources.at_rest(view);
        self.hold(holds);
    }
}

/// A table of one value for each node and virtual router.
struct PerRouter<T> {
    routers: usize,
    values: Vec<T>,
}

impl<T: Clone> PerRouter<T> {
    fn new(plan: &Plan, value: T) -> PerRouter<T> {
        PerRouter::of(plan, plan.routers.len(), value)
    }

    /// With places for something else as well.
    fn of(plan: &Plan, routers: usize, value: T) -> PerRouter<T> {
        PerRouter {
            routers,
            values: vec![value; plan.nodes.len() * routers],
        }
    }

    fn get(&mut self, node: usize, router: usize) -> &mut T {
        &mut self.values[node * self.routers + router]
    }

    fn of_node(&mut self, node: usize) -> &mut [T] {
        &mut self.values[node * self.routers..][..self.routers]
    }
}

/// Breaks a rule, with its story.
fn broken(rule: Rule, story: String) -> Result<(), Violation> {
    Err(Violation { rule, story })
}

/// Skew_Time, written anew from RFC 3768 section 6.1 and RFC 9568 section 6.1.
fn skew(router: &RouterPlan, interval: At, priority: u8) -> At {
    let whole = if router.version == Version::V2 {
        SECOND
    } else {
        interval
    };
    whole * (256 - u64::from(priority)) / 256
}

/// Active_Down_Interval.
fn down_interval(router: &RouterPlan, interval: At, priority: u8) -> At {
    3 * interval + skew(router, interval, priority)
}

/// What a clock that is 300 ppm off may add.
fn drift(time: At) -> At {
    time / 1_000
}

/// An address as a number, in network order.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}
