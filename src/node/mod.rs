//! The composition of the keeper: the only place where routers, checks, hooks
//! and interfaces meet. What one must know of another is carried here as a
//! plain argument.
//!
//! A node is driven from outside by [`Node::process`] and [`Node::poll_at`]. It
//! never reads a clock, sends a packet or starts a process: it says so in
//! [`Actions`](crate::event::Actions).

#[cfg(test)]
mod carried_trace;
mod checks;
mod diagnose;
mod emit;
mod flood;
mod group;
#[cfg(test)]
mod group_trace;
#[cfg(test)]
mod hook_trace;
mod interface;
mod receive;
mod senders;
#[cfg(test)]
mod senders_trace;
mod service;
#[cfg(test)]
mod service_trace;
mod surroundings;
#[cfg(test)]
mod trace;

use core::fmt;
use core::mem::MaybeUninit;

use heapless::Vec;

pub use emit::{Announcement, Sending};
pub use flood::SAMPLE;
pub use group::Group;
pub use interface::Interface;
pub use receive::Discarded;
pub use service::ServerName;

use crate::address::Shown;
use crate::board;
use crate::check::{Check, Pace};
use crate::config::{self, CheckKind, Config, Tracked};
use crate::diagnosis::Table;
use crate::event::{
    Action, Actions, CheckId, Event, Exit, HookId, HookState, InterfaceId, Link, LocalAddress,
    RouterId, Subject,
};
use crate::hook::{self, Hook};
use crate::mutation::Broken;
use crate::resource::{self, Resources};
use crate::say::{Level, Number, Plain, say};
use crate::server::Server;
use crate::vrrp::{Names, Reason, Role, Router};
use crate::wire::Reject;
use crate::{Duration, Instant};
use senders::Senders;

/// Between the first starts of two checks, so that not all run at once.
const CHECK_STAGGER: Duration = Duration::from_millis(1);
/// Checks spread over so many moments. Those of one moment share a turn of the
/// loop, which with short intervals costs more than looking does.
const CHECK_GROUPS: u8 = 16;
/// The deadline of a node that waits for nothing: a year and a day.
const NEVER: Duration = Duration::from_secs(366 * 86_400);

/// Who asked to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Nobody; the time is far away.
    Nobody,
    /// A router: an advert, a silence, an announcement.
    Router(RouterId),
    /// A check: a start or a time limit.
    Check(CheckId),
    /// A hook: a time limit, or a call that is due.
    Hook(HookId),
    /// The node itself: a probe.
    Probe,
    /// The end of a flood on an interface.
    Interface(InterfaceId),
}

/// One node of a pair: everything the keeper decides.
#[derive(Debug)]
pub struct Node<'a> {
    config: &'a Config<'a>,
    routers: Vec<Router, { board::ROUTERS_MAX }>,
    /// Those of the routers, then those of the groups that the configuration has.
    hooks: Vec<Hook, { 2 * board::ROUTERS_MAX }>,
    resources: Vec<Resources<'a>, { board::ROUTERS_MAX }>,
    discarded: Vec<Discarded, { board::ROUTERS_MAX }>,
    senders: Vec<Senders, { board::ROUTERS_MAX }>,
    /// Where each router's adverts go.
    router_interfaces: Vec<InterfaceId, { board::ROUTERS_MAX }>,
    /// Which of [`Node::groups`] each router is in.
    router_groups: Vec<Option<u8>, { board::ROUTERS_MAX }>,
    groups: Vec<Group<'a>, { board::ROUTERS_MAX }>,
    /// Those of the configuration, then one for each server.
    checks: Vec<Check, { board::CHECKS_MAX + board::SERVERS_MAX }>,
    servers: Vec<Server, { board::SERVERS_MAX }>,
    /// Which services take sessions.
    open: Vec<bool, { board::SERVICES_MAX }>,
    interfaces: Vec<Interface<'a>, { board::INTERFACES_MAX }>,
    mentions: receive::Mentions,
    /// What is wrong between each router and others, and how many lines about
    /// it may still be written until then.
    diagnoses: Vec<Table, { board::ROUTERS_MAX }>,
    lines_left: u8,
    window_ends_at: Instant,
    /// When a master asks next who else has its addresses.
    probe_at: Instant,
    /// The other node of each router, as far as it was heard.
    rivals: Vec<Option<diagnose::Rival>, { board::ROUTERS_MAX }>,
    /// The identification field of the next IPv4 header.
    ip_id: u16,
    /// How far the wall clock is ahead of `now`, in microseconds.
    wall_ahead: i64,
    /// Why the last packet was refused, if it was.
    verdict: Option<Reject>,
    now: Instant,
    phase: Phase,
    broken: Broken,
}

/// Where the node's own life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Links and addresses are being told.
    Preparing,
    Running,
    /// A stop was asked for; hand-overs and hooks are under way.
    Stopping,
    /// It was asked for again: hooks are no longer waited for.
    Abandoning,
    /// All is at rest; nothing more is said.
    Finished,
}

impl<'a> Node<'a> {
    /// A node of this configuration, before any event. `seed` makes what must
    /// not be alike on two nodes; it decides nothing of the protocol.
    pub fn new(config: &'a Config<'a>, now: Instant, seed: u64) -> Node<'a> {
        let mut node = Node::empty(config, now, seed);
        node.prepare(seed);
        node
    }

    /// The same, built where it stays. The tables have room for the largest
    /// configuration, and moving a node would touch all of it, which counts as
    /// its memory from then on.
    pub fn new_in<'n>(
        place: &'n mut MaybeUninit<Node<'a>>,
        config: &'a Config<'a>,
        now: Instant,
        seed: u64,
    ) -> &'n mut Node<'a> {
        let node = place.write(Node::empty(config, now, seed));
        node.prepare(seed);
        node
    }

    /// A node that knows nothing yet of what its configuration names.
    fn empty(config: &'a Config<'a>, now: Instant, seed: u64) -> Node<'a> {
        Node {
            config,
            routers: Vec::new(),
            hooks: Vec::new(),
            resources: Vec::new(),
            discarded: Vec::new(),
            senders: Vec::new(),
            router_interfaces: Vec::new(),
            router_groups: Vec::new(),
            groups: Vec::new(),
            checks: Vec::new(),
            servers: Vec::new(),
            open: Vec::new(),
            interfaces: Vec::new(),
            mentions: receive::Mentions::NONE,
            diagnoses: Vec::new(),
            lines_left: 0,
            window_ends_at: now,
            probe_at: now + NEVER,
            rivals: Vec::new(),
            ip_id: seed as u16,
            wall_ahead: 0,
            verdict: None,
            now,
            phase: Phase::Preparing,
            broken: Broken::NOTHING,
        }
    }

    /// Fills the tables from the configuration.
    fn prepare(&mut self, seed: u64) {
        let (config, now) = (self.config, self.now);
        for group in &config.groups {
            self.name_group(group.name);
        }
        for (id, router) in (0u8..).map(RouterId).zip(&config.routers) {
            let interface = self.name_interface(router.interface);
            for address in &router.addresses {
                self.name_interface(address.dev.unwrap_or(router.interface));
            }
            for track in &router.tracks {
                if let Tracked::Interface(name) = track.what {
                    self.name_interface(name);
                }
            }
            let listening = &mut self.interfaces[usize::from(interface.0)];
            let unicast = !router.peers.is_empty();
            match router.family {
                crate::protocol::Family::Ipv4 => {
                    listening.ipv4 = true;
                    listening.unicast_v4 |= unicast;
                }
                crate::protocol::Family::Ipv6 => {
                    listening.ipv6 = true;
                    listening.unicast_v6 |= unicast;
                }
            }
            let group = router.group.map(|name| self.name_group(name));
            fits(self.router_groups.push(group).is_ok());
            fits(self.router_interfaces.push(interface).is_ok());
            fits(self.routers.push(Router::new(id, router, now)).is_ok());
            self.add_hook(HookId::Notify(id), &router.notify);
            let resources = Resources::new(id, router);
            fits(self.resources.push(resources).is_ok());
            fits(self.discarded.push([0; Reject::ALL.len()]).is_ok());
            fits(self.senders.push(Senders::NONE).is_ok());
            fits(self.rivals.push(None).is_ok());
            fits(self.diagnoses.push(Table::new(router.advert_int)).is_ok());
        }
        for (number, group) in (0u8..).zip(&config.groups) {
            self.add_hook(HookId::Group(number), &group.notify);
        }
        self.share_patience();
        for (id, check) in (0u8..).map(CheckId).zip(&config.checks) {
            if let CheckKind::Interface(name) = check.kind {
                self.name_interface(name);
            }
            let chance =
                (seed ^ u64::from(moment(id, check))).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
            let pace = Pace {
                interval: check.interval,
                timeout: check.timeout,
                rise: check.rise,
                fall: check.fall,
                reverse: check.reverse,
            };
            let check = Check::new(id, &pace, now, chance as u16);
            fits(self.checks.push(check).is_ok());
        }
        self.prepare_servers(seed);
    }

    fn add_hook(&mut self, id: HookId, notify: &config::Notify<'_>) {
        let hook = Hook::new(id, hook::Settings::of(notify));
        fits(self.hooks.push(hook).is_ok());
    }

    /// Breaks one rule on purpose, so that a test can see it noticed.
    #[cfg(debug_assertions)]
    pub fn break_rule(&mut self, rule: crate::mutation::Mutation) {
        let broken = Broken::rule(rule);
        self.broken = broken;
        self.routers
            .iter_mut()
            .for_each(|router| router.set_broken(broken));
        self.hooks
            .iter_mut()
            .for_each(|hook| hook.set_broken(broken));
    }

    /// Takes in what happened and says what to do about it. `now` never goes
    /// back.
    pub fn process(&mut self, now: Instant, event: Event<'_>, actions: &mut Actions) {
        let now = now.max(self.now);
        self.now = now;
        actions.clear();
        if self.phase == Phase::Finished {
            return;
        }
        let asleep = match event {
            Event::Suspended(asleep) => asleep,
            _ => Duration::ZERO,
        };
        for router in &mut self.routers {
            router.on_wake(now, asleep, actions);
        }
        // Nobody speaks for a group of which one has slept too long.
        self.move_groups(now, actions);
        // A hook that ends with this event is not followed by an old state.
        self.tell_hooks(now, actions);
        self.tell_groups(now, actions);
        match event {
            Event::Start => self.on_start(now, actions),
            Event::Poll => self.on_poll(now, actions),
            Event::Link(interface, link) => self.on_link(now, interface, link, actions),
            Event::AddressAdded(interface, local) => {
                self.on_address(now, interface, local, actions);
            }
            Event::AddressRemoved(interface, local) => {
                self.on_address_removed(now, interface, local, actions);
            }
            Event::AddressesScanned(interface) => {
                self.interfaces[usize::from(interface.0)].on_scanned();
                self.look_around(now, actions);
            }
            Event::Packet(interface, family, packet) => {
                self.on_packet(now, interface, family, packet, actions);
            }
            Event::Claimed(index, address, mac) => self.on_claimed(now, index, address, mac),
            Event::CheckEnded(check, result) => {
                self.on_check_ended(now, check, result, actions);
            }
            Event::HookEnded(HookId::Notify(RouterId(number)), exit) => {
                self.hooks[usize::from(number)].on_ended(now, exit, actions);
            }
            Event::HookEnded(HookId::Group(number), exit) => {
                let at = self.routers.len() + usize::from(number);
                self.hooks[at].on_ended(now, exit, actions);
            }
            Event::HookEnded(HookId::Resource(router), exit) => {
                self.on_resource_ended(now, router, exit, actions);
            }
            Event::AddressesRefused(router, errno) => {
                self.routers[usize::from(router.0)].on_addresses_refused(now, errno, actions);
            }
            Event::Refused(server, times) => self.on_refused(now, server, times, actions),
            Event::Order(server, admin) => self.on_order(now, server, admin, actions),
            Event::Weight(server, weight) => self.on_weight(now, server, weight, actions),
            Event::Suspended(_) => {}
            Event::Clock(ahead) => self.set_clock(now, ahead),
            Event::Stop => self.on_stop(now, actions),
        }
        self.release_after_hooks(now, actions);
        self.move_groups(now, actions);
        self.tell_hooks(now, actions);
        self.tell_groups(now, actions);
        self.settle_diagnoses(now);
        self.finish_if_at_rest(actions);
    }

    /// When to deliver [`Event::Poll`], and for whom.
    pub fn poll_at(&self) -> (Instant, Wake) {
        let mut earliest = (self.now + NEVER, Wake::Nobody);
        let mut consider = |at: Option<Instant>, wake: Wake| {
            if let Some(at) = at.filter(|at| *at < earliest.0) {
                earliest = (at, wake);
            }
        };
        for (id, router) in (0u8..).map(RouterId).zip(&self.routers) {
            consider(router.poll_at(), Wake::Router(id));
        }
        for (id, check) in (0u8..).map(CheckId).zip(&self.checks) {
            consider(check.poll_at(), Wake::Check(id));
        }
        for hook in &self.hooks {
            consider(hook.poll_at(), Wake::Hook(hook.caller().id()));
        }
        for (id, resources) in (0u8..).map(RouterId).zip(&self.resources) {
            consider(resources.poll_at(), Wake::Hook(HookId::Resource(id)));
        }
        for (id, interface) in (0u8..).map(InterfaceId).zip(&self.interfaces) {
            consider(interface.flood.poll_at(), Wake::Interface(id));
        }
        consider(self.next_probe(), Wake::Probe);
        earliest
    }

    /// The configuration that the node runs on.
    pub fn config(&self) -> &'a Config<'a> {
        self.config
    }

    /// Each interface that the configuration names, once; indexed by [`InterfaceId`].
    pub fn interfaces(&self) -> &[Interface<'a>] {
        &self.interfaces
    }

    /// The routers, indexed by [`RouterId`].
    pub fn routers(&self) -> &[Router] {
        &self.routers
    }

    /// The checks of the configuration, indexed by [`CheckId`].
    pub fn checks(&self) -> &[Check] {
        self.checks.split_at(self.config.checks.len()).0
    }

    /// The hooks of the routers, indexed by [`RouterId`], then those of the
    /// configuration's groups.
    pub fn hooks(&self) -> &[Hook] {
        &self.hooks
    }

    /// The resources of each router, indexed by [`RouterId`].
    pub fn resources(&self) -> &[Resources<'a>] {
        &self.resources
    }

    /// The refused packets of a router, indexed by [`Reject`].
    pub fn discarded(&self, router: RouterId) -> &Discarded {
        &self.discarded[usize::from(router.0)]
    }

    /// Why the last packet was refused, if it was.
    pub fn verdict(&self) -> Option<Reject> {
        self.verdict
    }

    /// Whether any router is master, and so has its addresses.
    pub fn has_addresses(&self) -> bool {
        self.routers.iter().any(|r| r.role() == Role::Master)
    }

    /// Where a router sends and receives.
    pub fn interface_of(&self, router: RouterId) -> InterfaceId {
        self.router_interfaces[usize::from(router.0)]
    }

    /// Where address number `address` of a router is installed.
    pub fn carrier_of(&self, router: RouterId, address: usize) -> InterfaceId {
        let config = &self.config.routers[usize::from(router.0)];
        match config.addresses[address].dev {
            None => self.interface_of(router),
            Some(dev) => self.named(dev),
        }
    }

    fn on_start(&mut self, now: Instant, actions: &mut Actions) {
        self.phase = Phase::Running;
        let checks = self.checks.iter_mut().zip(&self.config.checks);
        for (id, (check, config)) in (0u8..).map(CheckId).zip(checks) {
            check.on_start(now + CHECK_STAGGER * u32::from(moment(id, config)));
        }
        self.start_servers(now);
        for index in 0..self.routers.len() {
            self.publish(RouterId(index as u8), false, actions);
            self.routers[index].on_start(now, actions);
        }
        self.look_around(now, actions);
        // The first checks start with this very event, not with the next poll.
        self.on_poll(now, actions);
    }

    fn on_poll(&mut self, now: Instant, actions: &mut Actions) {
        if self.phase == Phase::Preparing {
            return;
        }
        for index in 0..self.checks.len() {
            let id = CheckId(index as u8);
            if self.checks[index].on_poll(now, actions) {
                self.on_health(now, id, actions);
            }
            // What an interface is like is known here.
            let config = self.config.checks.get(index);
            if let Some(CheckKind::Interface(name)) = config.map(|check| check.kind)
                && actions.take_start(id)
            {
                let result = self.look_at_link(name);
                self.on_check_ended(now, id, result, actions);
            }
        }
        for router in &mut self.routers {
            // One router's addresses in a turn; the others' follow at once.
            let set = |action: &Action| matches!(action, Action::SetAddresses(_));
            let may_set = !actions.iter().any(set);
            router.on_turn(now, may_set, actions);
        }
        self.probe(now, actions);
        // What has just changed was not settled.
        self.move_groups(now, actions);
        self.tell_hooks(now, actions);
        self.tell_groups(now, actions);
        for (index, hook) in self.hooks.iter_mut().enumerate() {
            let priority = self.routers.get(index).map_or(0, Router::priority);
            hook.on_poll(now, priority, actions);
        }
        for resources in &mut self.resources {
            resources.on_poll(now, actions);
        }
        self.calm_floods(now, actions);
    }

    fn on_link(
        &mut self,
        now: Instant,
        id: InterfaceId,
        link: Option<Link>,
        actions: &mut Actions,
    ) {
        let before = self.interfaces[usize::from(id.0)].link;
        if before.map(|link| link.index) != link.map(|link| link.index) {
            self.forget_addresses(id);
        }
        if self.interfaces[usize::from(id.0)].on_link(link) {
            actions.push(Action::RescanAddresses(id));
        }
        let up = |link: Option<Link>| link.map(|link| link.up);
        if up(before) != up(link) {
            let name = self.interfaces[usize::from(id.0)].name;
            for (check, config) in self.checks.iter_mut().zip(&self.config.checks) {
                if matches!(config.kind, CheckKind::Interface(looked) if looked == name) {
                    check.hurry(now);
                }
            }
        }
        self.look_around(now, actions);
    }

    #[inline(never)]
    fn on_address(
        &mut self,
        now: Instant,
        id: InterfaceId,
        local: LocalAddress,
        actions: &mut Actions,
    ) {
        let owner = self.owner_of(id, &local);
        let held =
            owner.is_some_and(|owner| self.routers[usize::from(owner.0)].role() == Role::Master);
        // Only what was there before this run, or before the interface: later
        // it is the doing of another smena on the same machine.
        let found = self.phase == Phase::Preparing || self.interfaces[usize::from(id.0)].scanning();
        if local.ours && !held && found {
            actions.push(Action::RemoveLeftover(id, local));
        }
        if let Some(owner) = owner {
            self.diagnose_address(now, owner, id, &local);
        }
        self.interfaces[usize::from(id.0)].on_address(local, owner.is_some());
        self.learn_address(id, &local, true);
        // What a master has set itself, perhaps a thousand of them, changes
        // nothing around it.
        if !held {
            self.look_around(now, actions);
        }
    }

    #[inline(never)]
    fn on_address_removed(
        &mut self,
        now: Instant,
        id: InterfaceId,
        local: LocalAddress,
        actions: &mut Actions,
    ) {
        if let Some(owner) = self.owner_of(id, &local) {
            let router = &mut self.routers[usize::from(owner.0)];
            let name = self.config.routers[usize::from(owner.0)].name;
            if router.role() == Role::Master {
                let address = Shown(local.address);
                note(
                    Level::Warn,
                    name,
                    format_args!("somebody else removed {address}"),
                );
            }
            router.on_address_removed(now, actions);
            self.diagnose_removal(owner, local.address);
        }
        let lost = self.learn_address(id, &local, false);
        if self.interfaces[usize::from(id.0)].on_address_removed(&local.address) || lost {
            actions.push(Action::RescanAddresses(id));
        }
        self.look_around(now, actions);
    }

    /// Asks to stop; asked again, it stops at once.
    #[inline(never)]
    fn on_stop(&mut self, now: Instant, actions: &mut Actions) {
        let again = self.phase == Phase::Stopping;
        if again {
            self.phase = Phase::Abandoning;
        } else {
            self.phase = Phase::Stopping;
            for check in &mut self.checks {
                check.on_stop(actions);
            }
        }
        for (router, hook) in self.routers.iter_mut().zip(&mut self.hooks) {
            router.on_stop(now, again, actions);
            if router.awaits_hook() {
                hook.on_change(now, HookState::Stop, router.priority(), actions);
            }
        }
        self.steer_resources(now, actions);
    }

    /// A call of a resource ended; one that failed makes the router go to Fault.
    fn on_resource_ended(&mut self, now: Instant, id: RouterId, exit: Exit, actions: &mut Actions) {
        let index = usize::from(id.0);
        let resources = &mut self.resources[index];
        resources.on_ended(now, exit, actions);
        if let Some(failure) = resources.take_failure() {
            let resource::Failure {
                number,
                verb,
                pause,
            } = failure;
            self.routers[index].on_resource_failed(now, number, verb, pause, actions);
        }
    }

    /// Tells the resources of each router what state it is in.
    fn steer_resources(&mut self, now: Instant, actions: &mut Actions) {
        if matches!(self.phase, Phase::Preparing | Phase::Abandoning) {
            return;
        }
        for (router, resources) in self.routers.iter().zip(&mut self.resources) {
            resources.on_state(now, router.hook_state(), router.priority(), actions);
        }
    }

    /// `release = after-hook`: a router that stops gives its addresses up when
    /// its hook and its resources have come to rest.
    fn release_after_hooks(&mut self, now: Instant, actions: &mut Actions) {
        let hooks = self.hooks.iter().zip(&self.resources);
        for (router, (hook, resources)) in self.routers.iter_mut().zip(hooks) {
            if router.awaits_hook() && hook.at_rest() && resources.at_rest() {
                router.on_hook_done(now, actions);
            }
        }
    }

    /// Tells each router what surrounds it. While an interface's addresses are
    /// being told again, what was known stands.
    fn look_around(&mut self, now: Instant, actions: &mut Actions) {
        if self.phase == Phase::Preparing {
            return;
        }
        for index in 0..self.routers.len() {
            let id = RouterId(index as u8);
            let interface = &self.interfaces[usize::from(self.interface_of(id).0)];
            if interface.link.is_some() && interface.scanning() {
                continue;
            }
            let readiness = self.readiness(id);
            let priority = self.effective_priority(id);
            let source = self.source(id);
            let router = &mut self.routers[index];
            if priority != router.priority() {
                let name = self.config.routers[index].name;
                let (from, to) = (Number(router.priority().into()), Number(priority.into()));
                note(Level::Info, name, format_args!("priority {from}..{to}"));
            }
            router.on_surroundings(now, readiness, priority, source, actions);
        }
    }

    /// Carries each change of state to the router's hook and into the log.
    fn tell_hooks(&mut self, now: Instant, actions: &mut Actions) {
        for index in 0..self.routers.len() {
            if let Some(quiet) = self.routers[index].take_rival() {
                self.hooks[index].on_rival(now, quiet);
            }
            let Some(from) = self.routers[index].take_news() else {
                continue;
            };
            let router = &self.routers[index];
            let (to, reason) = (router.role(), router.reason());
            let (hook_state, priority) = (router.hook_state(), router.priority());
            let name = self.config.routers[index].name;
            let level = match reason {
                Reason::NoSuccessor | Reason::Stalled(_) => Level::Warn,
                _ => Level::Info,
            };
            let sentence = reason.display(self.config, self);
            let (before, to) = (Plain(from.name()), Plain(to.name()));
            note(level, name, format_args!("{before}..{to}: {sentence}"));
            self.diagnose_transition(now, RouterId(index as u8), from);
            self.publish(RouterId(index as u8), hook_state.is_some(), actions);
            match hook_state {
                _ if self.phase == Phase::Abandoning => {}
                Some(state) => self.hooks[index].on_change(now, state, priority, actions),
                None => self.hooks[index].on_wait(),
            }
        }
        self.steer_resources(now, actions);
    }

    /// Tells the state of a router where no program is needed for it.
    fn publish(&self, id: RouterId, fifo: bool, actions: &mut Actions) {
        if self.config.routers[usize::from(id.0)].state_file.is_some() {
            actions.push(Action::WriteState(id));
        }
        if fifo && self.config.node.notify_fifo.is_some() {
            actions.push(Action::TellFifo(Subject::Router(id)));
        }
    }

    fn finish_if_at_rest(&mut self, actions: &mut Actions) {
        let stopped = self.routers.iter().all(Router::stopped);
        let quiet =
            self.hooks.iter().all(Hook::at_rest) && self.resources.iter().all(Resources::at_rest);
        match self.phase {
            Phase::Abandoning => {
                assert!(stopped, "a second stop leaves no router behind");
                for hook in &mut self.hooks {
                    hook.on_abandon(actions);
                }
                for resources in &mut self.resources {
                    resources.on_abandon(actions);
                }
            }
            Phase::Stopping if stopped && quiet => {}
            Phase::Preparing | Phase::Running | Phase::Stopping | Phase::Finished => return,
        }
        say(Level::Info, format_args!("stopped"));
        self.phase = Phase::Finished;
        actions.push(Action::Finish);
    }

    /// The router whose address this is, if any.
    fn owner_of(&self, id: InterfaceId, local: &LocalAddress) -> Option<RouterId> {
        let routers = (0u8..).map(RouterId).zip(&self.config.routers);
        for (router, config) in routers {
            for (number, address) in config.addresses.iter().enumerate() {
                if address.address == local.address
                    && address.prefix_len == local.prefix_len
                    && self.carrier_of(router, number) == id
                {
                    return Some(router);
                }
            }
        }
        None
    }

    /// The id of an interface of this name, new if it was not named before.
    fn name_interface(&mut self, name: &'a str) -> InterfaceId {
        if let Some(id) = self.find_interface(name) {
            return id;
        }
        fits(self.interfaces.push(Interface::new(name)).is_ok());
        InterfaceId(self.interfaces.len() as u8 - 1)
    }

    fn find_interface(&self, name: &str) -> Option<InterfaceId> {
        let index = self
            .interfaces
            .iter()
            .position(|interface| interface.name == name)?;
        Some(InterfaceId(index as u8))
    }
}

impl Names for Node<'_> {
    fn interface_name(&self, id: InterfaceId) -> &str {
        self.interfaces[usize::from(id.0)].name
    }
}

/// Which of the moments a check runs in. Those that look for processes share the
/// first, and so one look through all there are. A program takes longer to start
/// than anything else takes to be looked at, so of those fewer share one.
fn moment(id: CheckId, check: &config::Check<'_>) -> u8 {
    match check.kind {
        CheckKind::Process { .. } => 0,
        CheckKind::Exec(_) | CheckKind::Shell(_) => id.0 % CHECK_GROUPS,
        _ => (id.0 % CHECK_GROUPS) & !3,
    }
}

/// A line of the log about a router or an interface.
// There is time, so it is small where it is called.
#[inline(never)]
fn note(level: Level, name: &str, text: fmt::Arguments<'_>) {
    say(level, format_args!("{}: {text}", Plain(name)));
}

/// The reader refuses a configuration with more of anything than the board has
/// room for.
fn fits(pushed: bool) {
    assert!(pushed, "a configuration beyond the board's capacities");
}
