//! Does for each node what `linux/` does in the binary: turns the world into
//! events, and hands over what waited first. `actions.rs` is the other way.

use std::rc::Rc;

use smena::Duration;
use smena::event::{Errno, Event, actions_max};
use smena::node::Node;

use super::bytes;
use super::clock::MS;
use super::host::{Frame, Process, Schedule, Waiting};
use super::kernel::Notice;
use super::plan::INTERFACES;
use super::storm::Relief;
use super::world::{Happening, World};

impl<'a> World<'a> {
    /// Starts the process on a machine that has power and none.
    pub fn start(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        let leaving = host
            .process
            .as_ref()
            .is_some_and(|process| process.stops > 0);
        if host.schedule == Schedule::Off || host.process.is_some() && !leaving {
            return;
        }
        if host.schedule != Schedule::Running || leaving {
            // A supervisor has to wait as well.
            return self.later(100 * MS, Relief::Start(node));
        }
        host.incarnation += 1;
        host.disturbed_at = self.now;
        host.inbox.clear();
        let (now, seed) = (host.clock.instant(self.now), self.random.next());
        #[cfg_attr(not(debug_assertions), expect(unused_mut))]
        let mut machine = Box::new(Node::new(host.config, now, seed));
        // Only builds with debug assertions can be broken.
        #[cfg(debug_assertions)]
        if let Some(rule) = self.broken {
            machine.break_rule(rule);
        }
        let names = machine.interfaces().iter().map(|interface| interface.name);
        let slot = |name| INTERFACES.iter().position(|known| *known == name);
        let slots: Vec<usize> = names
            .map(|name| slot(name).expect("only known interfaces"))
            .collect();
        host.process = Some(Process {
            slots: slots.clone(),
            node: machine,
            wake: 0,
            wake_at: i64::MIN,
            checks: vec![None; host.config.checks.len() + host.config.servers.len()],
            gates: vec![true; host.config.servers.len()],
            doors: vec![true; host.config.services.len()],
            hooks: vec![None; 3 * host.config.routers.len()],
            runs: 0,
            started: false,
            stops: 0,
        });
        self.trace.mark(&[self.now, node as u64, 1]);
        self.say(format_args!("n{node} starts"));
        self.judge(|rules, view| rules.started(view, node));
        for slot in slots {
            self.tell(node, Notice::Link(slot, self.hosts[node].kernel.link(slot)));
            for held in self.hosts[node].kernel.addresses(slot).to_vec() {
                self.tell(node, Notice::Added(slot, held.local));
            }
        }
        self.feed(node, Event::Start);
        if let Some(process) = &mut self.hosts[node].process {
            process.started = true;
        }
    }

    /// The process is told to stop. False: there is none.
    pub fn stop(&mut self, node: usize) -> bool {
        if !self.hosts[node].acts() {
            return false;
        }
        self.say(format_args!("n{node} is told to stop"));
        if let Some(process) = &mut self.hosts[node].process {
            process.stops += 1;
        }
        self.judge(|rules, view| rules.stopping(view, node));
        self.feed(node, Event::Stop);
        true
    }

    /// Hands an event to the node, and does what it asks for.
    pub(super) fn feed(&mut self, node: usize, event: Event<'_>) {
        let host = &self.hosts[node];
        if !host.acts() || self.rules.broken() {
            return;
        }
        self.trace.step(self.now, node);
        if self.trace.speaks() {
            self.trace
                .say(self.now, format_args!("n{node} <- {}", brief(&event)));
        }
        self.judge(|rules, view| rules.before(view, node, &event));
        let mut actions = self.actions.take().expect("no event within an event");
        let host = &mut self.hosts[node];
        let now = host.clock.instant(self.now);
        let Some(process) = &mut host.process else {
            return;
        };
        if process.node.signs() {
            let shows = host.wall.shows(self.now);
            process.node.set_clock(now, shows - now.total_micros());
        }
        process.node.process(now, event, &mut actions);
        let (node_of, config) = (&process.node, process.node.config());
        let most = actions_max(
            config.routers.len(),
            config.checks.len(),
            config.servers.len(),
            config.services.len(),
            node_of.interfaces().len(),
        );
        assert!(actions.len() <= most, "{} actions of {most}", actions.len());
        self.fullest = self.fullest.max(actions.len() * 100 / most);
        self.judge(|rules, view| rules.decided(view, node, &event, &actions));
        for action in actions.iter() {
            self.act(node, *action);
        }
        actions.clear();
        self.actions = Some(actions);
        self.judge(|rules, view| rules.after(view, node));
        self.plan_wake(node);
    }

    /// Plans to wake the process when it asked for it.
    fn plan_wake(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        let Some(process) = &mut host.process else {
            return;
        };
        let wake_at = process.node.poll_at().0.total_micros();
        if wake_at == process.wake_at {
            return;
        }
        process.wake += 1;
        process.wake_at = wake_at;
        let wake = process.wake;
        self.trace.mark(&[self.now, node as u64, 2, wake_at as u64]);
        if let Some(at) = host.clock.when(self.now, wake_at) {
            // The scheduler is prompt most of the time.
            let most = if self.random.chance(5) { 2 * MS } else { 150 };
            let lag = 5 + self.random.below(most);
            self.at(at + lag, Happening::Wake { node, wake });
        }
    }

    pub(super) fn on_wake(&mut self, node: usize, wake: u32) {
        let now = self.now;
        let host = &mut self.hosts[node];
        let due = host.clock.local(now);
        let acts = host.acts();
        let Some(process) = &mut host.process else {
            return;
        };
        if process.wake != wake || !acts || due < process.wake_at {
            return;
        }
        process.wake_at = i64::MIN;
        self.feed(node, Event::Poll);
    }

    /// The process runs again: what waited in the network, then the timer, and
    /// children whenever the loop comes to them.
    pub(super) fn catch_up(&mut self, node: usize, asleep: Option<Duration>) {
        if let Some(asleep) = asleep {
            self.feed(node, Event::Suspended(asleep));
        }
        let mut waiting: Vec<Waiting> = self.hosts[node].inbox.drain(..).collect();
        let child = |item: &Waiting| matches!(item, Waiting::Check(..) | Waiting::Hook(..));
        let mut children = Vec::new();
        if self.random.chance(500) {
            waiting.sort_by_key(|item| matches!(item, Waiting::Frame(_)));
        }
        if self.random.chance(500) {
            (children, waiting) = waiting.into_iter().partition(child);
        }
        for items in [waiting, children] {
            for item in items {
                match item {
                    Waiting::Frame(frame) => self.receive(node, &frame),
                    Waiting::Notice(notice) => self.tell(node, notice),
                    Waiting::Check(check, run, outcome) => {
                        self.check_ended(node, check, run, outcome);
                    }
                    Waiting::Hook(hook, run, exit) => self.hook_ended(node, hook, run, exit),
                }
            }
            if let Some(process) = &mut self.hosts[node].process {
                process.wake_at = i64::MIN;
                self.feed(node, Event::Poll);
            }
        }
    }

    pub(super) fn on_frame(&mut self, node: usize, frame: Rc<Frame>) {
        let host = &mut self.hosts[node];
        if !host.kernel.is_up(frame.segment) || host.process.is_none() {
            return;
        }
        match host.schedule {
            Schedule::Running => self.receive(node, &frame),
            Schedule::Stopped | Schedule::Paused => host.wait(Waiting::Frame(frame)),
            Schedule::Suspended | Schedule::Off => {}
        }
    }

    fn receive(&mut self, node: usize, frame: &Frame) {
        let Some(process) = &self.hosts[node].process else {
            return;
        };
        let Some(interface) = process.interface(frame.segment) else {
            return;
        };
        let (host, now) = (&self.hosts[node], self.now);
        let refused = frame.from != node && !self.heard.admits(node, host, now, frame);
        let void = Frame {
            bytes: frame.bytes.clone(),
            said: None,
            void: true,
            ..*frame
        };
        let frame = if refused { &void } else { frame };
        self.judge(|rules, view| rules.arriving(view, node, frame));
        self.feed(node, Event::Packet(interface, frame.family, &frame.bytes));
        let host = &self.hosts[node];
        if let Some(process) = &host.process
            && process.node.verdict().is_none()
            && frame.from != node
        {
            self.heard.note(node, host.incarnation, frame);
        }
        self.judge(|rules, view| rules.arrived(view, node, frame));
    }

    pub(super) fn on_notice(&mut self, node: usize, incarnation: u32, notice: Notice) {
        let host = &mut self.hosts[node];
        if host.incarnation != incarnation || host.process.is_none() {
            return;
        }
        if host.schedule == Schedule::Running {
            self.tell(node, notice);
        } else {
            host.wait(Waiting::Notice(notice));
        }
    }

    fn tell(&mut self, node: usize, notice: Notice) {
        let Some(process) = &self.hosts[node].process else {
            return;
        };
        let slot = match notice {
            Notice::Link(slot, _)
            | Notice::Added(slot, _)
            | Notice::Removed(slot, _)
            | Notice::Scanned(slot) => slot,
            Notice::Refused(router, errno) => {
                return self.feed(node, Event::AddressesRefused(router, Errno(errno)));
            }
        };
        let Some(interface) = process.interface(slot) else {
            return;
        };
        let event = match notice {
            Notice::Link(_, link) => Event::Link(interface, link),
            Notice::Added(_, address) => Event::AddressAdded(interface, address),
            Notice::Removed(_, address) => Event::AddressRemoved(interface, address),
            Notice::Scanned(_) | Notice::Refused(..) => Event::AddressesScanned(interface),
        };
        self.feed(node, event);
    }

    /// After anything that the kernel did: netlink will tell, and the worker
    /// runs when the next lifetime ends.
    pub(super) fn after_kernel(&mut self, node: usize) {
        let notices = std::mem::take(&mut self.hosts[node].kernel.notices);
        for notice in notices {
            let delay = if self.random.chance(20) { 5 * MS } else { 200 };
            let delay = 10 + self.random.below(delay);
            let host = &mut self.hosts[node];
            host.notice_at = host.notice_at.max(self.now + delay);
            let (at, incarnation) = (host.notice_at, host.incarnation);
            self.at(
                at,
                Happening::Notice {
                    node,
                    incarnation,
                    notice,
                },
            );
        }
        let host = &mut self.hosts[node];
        host.worker += 1;
        let worker = host.worker;
        let at = host
            .kernel
            .worker_at()
            .and_then(|at| host.clock.when(self.now, at));
        if let Some(at) = at {
            let late = self.random.below(60 * MS);
            self.at(at + late, Happening::Worker { node, worker });
        }
        // Within an event, only the whole of its actions is judged.
        if self.actions.is_some() {
            self.judge(|rules, view| rules.after(view, node));
        }
    }

    pub(super) fn on_worker(&mut self, node: usize, worker: u32) {
        let host = &mut self.hosts[node];
        if host.worker != worker || matches!(host.schedule, Schedule::Suspended | Schedule::Paused)
        {
            return;
        }
        self.judge(|rules, view| rules.before_kernel(view, node));
        let host = &mut self.hosts[node];
        let ended = host.kernel.work(host.clock.local(self.now));
        self.trace
            .mark(&[self.now, node as u64, 3, ended.len() as u64]);
        for (slot, address) in ended {
            self.say(format_args!(
                "n{node}'s kernel ends {address} on {}",
                INTERFACES[slot]
            ));
            self.judge(|rules, view| rules.expired(view, node, address));
        }
        self.after_kernel(node);
    }
}

/// An event in a few words.
fn brief(event: &Event<'_>) -> String {
    match event {
        Event::Packet(interface, family, bytes) => {
            let said = bytes::read(*family, bytes);
            format!("Packet({interface:?}, {} bytes, {said:?})", bytes.len())
        }
        Event::CheckEnded(check, result) => format!("CheckEnded({check:?}, {:?})", result.outcome),
        other => format!("{other:?}"),
    }
}
