//! Does for each node what `linux/` does in the binary: turns the world into
//! events, and actions into the world.

use std::rc::Rc;

use smena::Duration;
use smena::event::{
    Action, CheckId, CheckResult, Errno, Event, Exit, HookCall, Kill, LocalAddress, Outcome,
    RouterId,
};
use smena::node::Node;
use smena::wire::PACKET_MAX;

use super::bytes;
use super::clock::{MS, SECOND};
use super::host::{Frame, Health, Process, Schedule, Waiting};
use super::kernel::Notice;
use super::plan::INTERFACES;
use super::storm::Relief;
use super::world::{Happening, World};

/// Operation not permitted.
const EPERM: u16 = 1;
/// No such device.
const ENODEV: u16 = 19;
/// An Ethernet frame's payload is padded to this.
const PAYLOAD_MIN: usize = 46;

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
        let mut machine = Box::new(Node::new(host.config, now, seed));
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
            checks: vec![None; host.config.checks.len()],
            hooks: vec![None; host.config.routers.len()],
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
    fn feed(&mut self, node: usize, event: Event<'_>) {
        let host = &self.hosts[node];
        if !host.acts() || self.rules.broken() {
            return;
        }
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
        process.node.process(now, event, &mut actions);
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

    /// The process runs again: first what waited, then the timer.
    pub(super) fn catch_up(&mut self, node: usize, asleep: Option<Duration>) {
        if let Some(asleep) = asleep {
            self.feed(node, Event::Suspended(asleep));
        }
        let mut waiting: Vec<Waiting> = self.hosts[node].inbox.drain(..).collect();
        if self.random.chance(500) {
            waiting.sort_by_key(|item| matches!(item, Waiting::Frame(_)));
        }
        for item in waiting {
            match item {
                Waiting::Frame(frame) => self.receive(node, &frame),
                Waiting::Notice(notice) => self.tell(node, notice),
                Waiting::Check(check, run, outcome) => self.check_ended(node, check, run, outcome),
                Waiting::Hook(router, run, exit) => self.hook_ended(node, router, run, exit),
            }
        }
        if let Some(process) = &mut self.hosts[node].process {
            process.wake_at = i64::MIN;
            self.feed(node, Event::Poll);
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
        self.judge(|rules, view| rules.arriving(view, node, frame));
        self.feed(node, Event::Packet(interface, frame.family, &frame.bytes));
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

    fn act(&mut self, node: usize, action: Action) {
        if self.trace.speaks() {
            self.trace
                .say(self.now, format_args!("n{node} -> {action:?}"));
        }
        match action {
            Action::SendAdvert(router, priority) => self.send_advert(node, router, priority),
            Action::Announce(router) => self.announce(node, router),
            Action::SetAddresses(router) => self.set_addresses(node, router),
            Action::RemoveAddresses(router) => {
                for (slot, address) in self.addresses(node, router) {
                    self.hosts[node].kernel.remove(slot, address.address);
                }
                self.after_kernel(node);
            }
            Action::RemoveLeftover(interface, address) => {
                let Some(process) = &self.hosts[node].process else {
                    return;
                };
                let slot = process.slots[usize::from(interface.0)];
                self.hosts[node].kernel.remove(slot, address.address);
                self.after_kernel(node);
            }
            Action::RescanAddresses(interface) => {
                let Some(process) = &self.hosts[node].process else {
                    return;
                };
                let slot = process.slots[usize::from(interface.0)];
                self.hosts[node].kernel.rescan(slot);
                self.after_kernel(node);
            }
            Action::StartCheck(check) => self.start_check(node, check),
            Action::KillCheck(CheckId(check), kill) => {
                let running = self.hosts[node]
                    .process
                    .as_ref()
                    .and_then(|p| p.checks[usize::from(check)]);
                if let (Some(run), Some(after)) = (running, self.death(kill)) {
                    let incarnation = self.hosts[node].incarnation;
                    let (check, outcome) = (usize::from(check), Outcome::Failure);
                    self.after(
                        after,
                        Happening::CheckEnds {
                            node,
                            incarnation,
                            check,
                            run,
                            outcome,
                        },
                    );
                }
            }
            Action::StartHook(router, call) => self.start_hook(node, router, call),
            Action::KillHook(RouterId(router), kill) => {
                let running = self.hosts[node]
                    .process
                    .as_ref()
                    .and_then(|p| p.hooks[usize::from(router)]);
                if let (Some(run), Some(after)) = (running, self.death(kill)) {
                    let incarnation = self.hosts[node].incarnation;
                    let exit = Exit::Signal(if kill == Kill::Term { 15 } else { 9 });
                    let router = usize::from(router);
                    self.after(
                        after,
                        Happening::HookEnds {
                            node,
                            incarnation,
                            router,
                            run,
                            exit,
                        },
                    );
                }
            }
            Action::Finish => {
                self.say(format_args!("n{node} has finished"));
                self.judge(|rules, view| rules.finished(view, node));
                self.hosts[node].process = None;
                self.hosts[node].inbox.clear();
            }
        }
    }

    /// How long a signal takes to end a process; `None`: it is ignored.
    fn death(&mut self, kill: Kill) -> Option<u64> {
        let trouble = self.trouble();
        let deaf = kill == Kill::Term && self.random.chance(trouble);
        // A process that waits for a disk dies only when that answers.
        let most = if self.random.chance(trouble / 4) {
            SECOND
        } else {
            20 * MS
        };
        let after = 100 + self.random.below(most);
        (!deaf).then_some(after)
    }

    fn send_advert(&mut self, node: usize, router: RouterId, priority: u8) {
        let Some(process) = &mut self.hosts[node].process else {
            return;
        };
        let mut buffer = [0; PACKET_MAX];
        let interface = process.node.interface_of(router);
        let length = process.node.emit_advert(router, priority, &mut buffer);
        let segment = process.slots[usize::from(interface.0)];
        let Some(length) = length else {
            return self.say(format_args!("n{node} has no address to send from"));
        };
        let number = self.router_of(node, router);
        let family = self.plan.routers[number].family;
        let mut packet = buffer[..length].to_vec();
        self.trace.mark(&[self.now, node as u64, 4]);
        self.trace.mark_bytes(&packet);
        let said = bytes::read(family, &packet);
        self.judge(|rules, view| rules.sent(view, node, number, priority, said));
        if !self.hosts[node].kernel.is_up(segment) {
            return;
        }
        packet.resize(packet.len().max(PAYLOAD_MIN), 0);
        let said = said.map(|said| (number, said));
        self.broadcast(Frame {
            segment,
            family,
            from: node,
            bytes: packet,
            said,
            void: false,
        });
    }

    /// Every other machine of the segment gets its copy, or not; a hub that
    /// sends a packet back to where it came from exists as well.
    fn broadcast(&mut self, frame: Frame) {
        let (segment, from) = (frame.segment, frame.from);
        let frame = Rc::new(frame);
        if self.now < self.strangers_until {
            self.add_stranger(&frame);
        }
        for node in 0..self.hosts.len() {
            if node == from && self.lan.path(segment, from, node).clean() {
                continue;
            }
            for arrival in self
                .lan
                .send(self.now, segment, from, node)
                .into_iter()
                .flatten()
            {
                let frame = if arrival.damaged {
                    self.damaged(&frame)
                } else {
                    frame.clone()
                };
                self.at(arrival.at, Happening::Frame { node, frame });
            }
        }
    }

    fn damaged(&mut self, frame: &Frame) -> Rc<Frame> {
        let mut bytes = frame.bytes.clone();
        bytes::damage(&mut self.random, &mut bytes);
        let read = bytes::read(frame.family, &bytes);
        let void = read.is_none();
        let said = frame.said.filter(|(_, said)| read == Some(*said));
        Rc::new(Frame {
            bytes,
            void,
            said,
            ..*frame
        })
    }

    /// Somebody whose configuration is wrong answers every advert.
    fn add_stranger(&mut self, frame: &Frame) {
        let mut bytes = frame.bytes.clone();
        bytes::forge(&mut self.random, frame.family, &mut bytes);
        let frame = Rc::new(Frame {
            bytes,
            void: true,
            said: None,
            ..*frame
        });
        for node in (0..self.hosts.len()).filter(|node| *node != frame.from) {
            self.after(
                50,
                Happening::Frame {
                    node,
                    frame: frame.clone(),
                },
            );
        }
    }

    fn announce(&mut self, node: usize, router: RouterId) {
        let number = self.router_of(node, router);
        for (address, wanted) in self.plan.routers[number].addresses.iter().enumerate() {
            let Some(process) = &self.hosts[node].process else {
                return;
            };
            let mut buffer = [0; PACKET_MAX];
            let Some(announcement) =
                process
                    .node
                    .emit_announcement(router, address, true, &mut buffer)
            else {
                continue;
            };
            let packet = &buffer[..announcement.length];
            let segment = process.slots[usize::from(announcement.interface.0)];
            self.trace.mark(&[self.now, node as u64, 5]);
            self.trace.mark_bytes(packet);
            assert_eq!(segment, wanted.2, "announced where it is");
            if self.hosts[node].kernel.is_up(segment) {
                self.judge(|rules, view| rules.announced(view, node, number, address, packet));
            }
        }
    }

    /// The addresses of a router of a node, each with its interface.
    fn addresses(&self, node: usize, router: RouterId) -> Vec<(usize, LocalAddress)> {
        let number = self.router_of(node, router);
        let addresses = self.plan.routers[number].addresses.iter();
        let Some(process) = &self.hosts[node].process else {
            return Vec::new();
        };
        let local = |(place, (address, prefix_len, carrier)): (usize, &(_, u8, usize))| {
            let interface = process.node.carrier_of(router, place);
            let slot = process.slots[usize::from(interface.0)];
            assert_eq!(slot, *carrier, "address {place} is where the file says");
            let local = LocalAddress {
                address: *address,
                prefix_len: *prefix_len,
                usable: true,
                secondary: false,
                ours: true,
            };
            (slot, local)
        };
        addresses.enumerate().map(local).collect()
    }

    fn set_addresses(&mut self, node: usize, router: RouterId) {
        let lease = self.hosts[node].config.routers[usize::from(router.0)].lease_s;
        let addresses = self.addresses(node, router);
        let known = |slot: usize| {
            let process = self.hosts[node].process.as_ref()?;
            let place = process.slots.iter().position(|s| *s == slot)?;
            process.node.interfaces()[place].link.map(|link| link.index)
        };
        let known = [known(0), known(1)];
        let host = &mut self.hosts[node];
        let expires_at = host.clock.local(self.now) + i64::from(lease) * SECOND as i64;
        let mut refused = host.refuses.then_some(EPERM);
        for (slot, address) in addresses.iter().filter(|_| !host.refuses) {
            let expires_at = (lease > 0).then_some(expires_at);
            // The kernel goes by the number, which the node may know too late.
            if host.kernel.link(*slot).map(|link| link.index) == known[*slot]
                && known[*slot].is_some()
            {
                host.kernel.set(*slot, *address, expires_at);
            } else {
                refused = Some(ENODEV);
            }
        }
        if let Some(errno) = refused {
            host.kernel.notices.push(Notice::Refused(router, errno));
        }
        self.after_kernel(node);
    }

    fn start_check(&mut self, node: usize, check: CheckId) {
        let check = usize::from(check.0);
        let trouble = self.trouble();
        let slow = self.random.chance(trouble / 2);
        let after = if slow { 3 * SECOND } else { 30 * MS };
        let after = 100 + self.random.below(after);
        let any = self
            .random
            .pick(&[Outcome::Success, Outcome::Failure, Outcome::Unknown]);
        let host = &mut self.hosts[node];
        let (incarnation, health) = (host.incarnation, host.health[check]);
        let Some(process) = &mut host.process else {
            return;
        };
        process.runs += 1;
        let run = process.runs;
        let before = process.checks[check].replace(run);
        assert!(before.is_none(), "runs of a check never overlap");
        let outcome = match health {
            Health::Gives(outcome) => outcome,
            Health::Flaps => any,
            Health::Hangs => return,
        };
        self.after(
            after,
            Happening::CheckEnds {
                node,
                incarnation,
                check,
                run,
                outcome,
            },
        );
    }

    pub(super) fn on_check_ends(
        &mut self,
        node: usize,
        incarnation: u32,
        check: usize,
        run: u32,
        outcome: Outcome,
    ) {
        let host = &mut self.hosts[node];
        if host.incarnation == incarnation && host.schedule == Schedule::Running {
            self.check_ended(node, check, run, outcome);
        } else if host.incarnation == incarnation && host.process.is_some() {
            host.wait(Waiting::Check(check, run, outcome));
        }
    }

    fn check_ended(&mut self, node: usize, check: usize, run: u32, outcome: Outcome) {
        let Some(process) = &mut self.hosts[node].process else {
            return;
        };
        if process.checks[check] != Some(run) {
            return;
        }
        process.checks[check] = None;
        let result = CheckResult {
            outcome,
            detail: "simulated",
        };
        self.feed(node, Event::CheckEnded(CheckId(check as u8), result));
    }

    fn start_hook(&mut self, node: usize, router: RouterId, call: HookCall) {
        self.judge(|rules, view| rules.hook_starts(view, node, router, call));
        let trouble = self.trouble();
        let way = if self.random.chance(trouble) {
            self.random.below(4)
        } else {
            4
        };
        let quick = 200 + self.random.below(150 * MS);
        let (after, exit) = match way {
            0 => (None, Exit::Code(0)),
            1 => (Some(50), Exit::NotStarted),
            2 => (Some(quick * 40), Exit::Code(0)),
            3 => (Some(quick), Exit::Signal(11)),
            _ => (Some(quick), Exit::Code(0)),
        };
        let host = &mut self.hosts[node];
        let incarnation = host.incarnation;
        let Some(process) = &mut host.process else {
            return;
        };
        process.runs += 1;
        let run = process.runs;
        process.hooks[usize::from(router.0)] = Some(run);
        if let Some(after) = after {
            let router = usize::from(router.0);
            self.after(
                after,
                Happening::HookEnds {
                    node,
                    incarnation,
                    router,
                    run,
                    exit,
                },
            );
        }
    }

    pub(super) fn on_hook_ends(
        &mut self,
        node: usize,
        incarnation: u32,
        router: usize,
        run: u32,
        exit: Exit,
    ) {
        let host = &mut self.hosts[node];
        if host.incarnation == incarnation && host.schedule == Schedule::Running {
            self.hook_ended(node, router, run, exit);
        } else if host.incarnation == incarnation && host.process.is_some() {
            host.wait(Waiting::Hook(router, run, exit));
        }
    }

    fn hook_ended(&mut self, node: usize, router: usize, run: u32, exit: Exit) {
        let Some(process) = &mut self.hosts[node].process else {
            return;
        };
        if process.hooks[router] != Some(run) {
            return;
        }
        process.hooks[router] = None;
        let router = RouterId(router as u8);
        self.judge(|rules, view| rules.hook_ends(view, node, router));
        self.feed(node, Event::HookEnded(router, exit));
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
