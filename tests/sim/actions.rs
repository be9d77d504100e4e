//! What a node asks for, done: packets onto the LAN, addresses into the kernel,
//! checks and hooks started.

use std::net::IpAddr;
use std::rc::Rc;

use smena::event::{Action, CheckId, Exit, Kill, LocalAddress, Outcome, RouterId};
use smena::wire::PACKET_MAX;

use super::bytes;
use super::clock::SECOND;
use super::host::{Frame, NOBODY, slot};
use super::kernel::Notice;
use super::world::{Happening, World};

/// Operation not permitted.
const EPERM: u16 = 1;
/// No such device.
const ENODEV: u16 = 19;
/// An Ethernet frame's payload is padded to this.
const PAYLOAD_MIN: usize = 46;

impl World<'_> {
    /// Does one thing that a node asked for.
    pub(super) fn act(&mut self, node: usize, action: Action) {
        if self.trace.speaks() {
            self.trace
                .say(self.now, format_args!("n{node} -> {action:?}"));
        }
        match action {
            Action::SendAdvert(router, priority) => self.send_advert(node, router, priority),
            Action::Announce(router) => self.announce(node, router),
            Action::Probe(router) => self.ask(node, router),
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
            // It saves work only: what a narrow filter leaves out is for nobody here.
            Action::Filter(..) => {}
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
            Action::StartHook(hook, call) => self.start_hook(node, hook, call),
            Action::KillHook(hook, kill) => {
                let running = self.hosts[node]
                    .process
                    .as_ref()
                    .and_then(|p| p.hooks[slot(hook)]);
                if let (Some(run), Some(after)) = (running, self.death(kill)) {
                    let incarnation = self.hosts[node].incarnation;
                    let exit = Exit::Signal(if kill == Kill::Term { 15 } else { 9 });
                    self.after(
                        after,
                        Happening::HookEnds {
                            node,
                            incarnation,
                            hook,
                            run,
                            exit,
                        },
                    );
                }
            }
            // No program has to be started for these, and nothing comes back.
            Action::WriteState(_) | Action::TellFifo(_) => {}
            Action::Admit(server) => self.admit(node, server),
            // The rules have seen it; sessions are not simulated here.
            Action::Cut(_) => {}
            Action::Refuse(service) => self.open(node, service, false),
            Action::Accept(service) => self.open(node, service, true),
            Action::Finish => {
                self.say(format_args!("n{node} has finished"));
                self.judge(|rules, view| rules.finished(view, node));
                self.hosts[node].process = None;
                self.hosts[node].inbox.clear();
            }
        }
    }

    fn send_advert(&mut self, node: usize, router: RouterId, priority: u8) {
        for nth in 0.. {
            let Some(process) = &mut self.hosts[node].process else {
                return;
            };
            let mut buffer = [0; PACKET_MAX];
            let interface = process.node.interface_of(router);
            let sending = process.node.emit_advert(router, priority, nth, &mut buffer);
            let segment = process.slots[usize::from(interface.0)];
            match sending {
                Some(sending) => {
                    let packet = &buffer[..sending.length];
                    self.send_packet(node, router, priority, (segment, nth, sending.peer), packet);
                }
                None if nth == 0 => {
                    return self.say(format_args!("n{node} has no address to send from"));
                }
                None => return,
            }
        }
    }

    fn send_packet(
        &mut self,
        node: usize,
        router: RouterId,
        priority: u8,
        (segment, nth, peer): (usize, usize, Option<IpAddr>),
        packet: &[u8],
    ) {
        let number = self.router_of(node, router);
        let family = self.plan.routers[number].family;
        let mut packet = packet.to_vec();
        self.trace.mark(&[self.now, node as u64, 4]);
        self.trace.mark_bytes(&packet);
        let said = bytes::read(family, &packet);
        if nth == 0 {
            self.judge(|rules, view| rules.sent(view, node, number, priority, said));
        }
        if !self.hosts[node].kernel.is_up(segment) {
            return;
        }
        packet.resize(packet.len().max(PAYLOAD_MIN), 0);
        let said = said.map(|said| (number, said));
        let frame = Frame {
            segment,
            family,
            from: node,
            bytes: packet,
            said,
            void: false,
        };
        self.broadcast(frame, peer);
    }

    /// Every other machine of the segment gets its copy, or not; a hub that
    /// sends a packet back to where it came from exists as well. What is for one
    /// peer reaches that machine only.
    fn broadcast(&mut self, frame: Frame, peer: Option<IpAddr>) {
        let (segment, from) = (frame.segment, frame.from);
        let frame = Rc::new(frame);
        if self.now < self.strangers_until {
            self.add_stranger(&frame);
        }
        if self.now < self.hostile_until && peer.is_none() && self.random.chance(300) {
            self.add_hostile(&frame);
        }
        for node in 0..self.hosts.len() {
            let own = self.plan.own_addresses(node, segment);
            if peer.is_some_and(|peer| own.iter().all(|(address, _)| *address != peer)) {
                continue;
            }
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
        // What is signed bears no change at all.
        let signed = bytes::stamp(frame.family, &frame.bytes).is_some();
        let changed = signed && !bytes::same(frame.family, &frame.bytes, &bytes);
        let read = read.filter(|_| !changed);
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

    /// Somebody says with all that is needed to be believed what is not so.
    fn add_hostile(&mut self, frame: &Frame) {
        let signed = |(number, _): (usize, _)| {
            let steps = &self.plan.routers[number].delivery.steps;
            !steps.is_empty()
        };
        if frame.said.is_some_and(signed) {
            // What is signed takes more to be believed.
            return;
        }
        let mut bytes = frame.bytes.clone();
        bytes::spoof(&mut self.random, frame.family, &mut bytes);
        let said = bytes::read(frame.family, &bytes);
        let number = frame.said.map(|(number, _)| number);
        let frame = Rc::new(Frame {
            bytes,
            void: said.is_none(),
            said: number.zip(said),
            from: NOBODY,
            ..*frame
        });
        for node in 0..self.hosts.len() {
            let frame = frame.clone();
            self.after(60, Happening::Frame { node, frame });
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
    pub(super) fn addresses(&self, node: usize, router: RouterId) -> Vec<(usize, LocalAddress)> {
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
                duplicate: false,
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
        let now = host.clock.local(self.now);
        let expires_at = now + i64::from(lease) * SECOND as i64;
        let mut refused = host.refuses.then_some(EPERM);
        for (slot, address) in addresses.iter().filter(|_| !host.refuses) {
            let expires_at = (lease > 0).then_some(expires_at);
            // The kernel goes by the number, which the node may know too late.
            if host.kernel.link(*slot).map(|link| link.index) == known[*slot]
                && known[*slot].is_some()
            {
                host.kernel.set(now, *slot, *address, expires_at);
            } else {
                refused = Some(ENODEV);
            }
        }
        if let Some(errno) = refused {
            host.kernel.notices.push(Notice::Refused(router, errno));
        }
        self.after_kernel(node);
    }
}
