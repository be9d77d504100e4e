//! What can go wrong in a world, each as one call. The storm makes them by
//! chance, scenarios on purpose.

use smena::Duration;
use smena::event::LocalAddress;

use super::clock::{At, Clock, MS, SECOND};
use super::host::{Health, Schedule};
use super::kernel::Kernel;
use super::lan::Path;
use super::plan::INTERFACES;
use super::world::{Happening, World};

/// A cut path.
const CUT: Path = Path {
    blocked: true,
    loss: 0,
    duplicates: 0,
    damage: 0,
    late: 0,
};

impl World<'_> {
    /// Changes one direction of one segment.
    pub fn set_path(&mut self, segment: usize, from: usize, to: usize, path: Path) {
        self.say(format_args!(
            "path n{from} -> n{to} on {} is {path:?}",
            INTERFACES[segment]
        ));
        self.judge(|rules, view| rules.before_weather(view));
        self.lan.set(self.now, segment, from, to, path);
    }

    /// Cuts one direction.
    pub fn cut_one_way(&mut self, segment: usize, from: usize, to: usize) {
        self.set_path(segment, from, to, CUT);
    }

    /// Cuts both directions between nodes whose bits in `side` differ.
    pub fn partition(&mut self, segment: usize, side: u64) {
        for from in 0..self.hosts.len() {
            for to in 0..self.hosts.len() {
                if (side >> from) & 1 != (side >> to) & 1 {
                    self.set_path(segment, from, to, CUT);
                }
            }
        }
    }

    /// Makes every path clean.
    pub fn mend_paths(&mut self) {
        self.judge(|rules, view| rules.before_weather(view));
        self.lan.mend(self.now);
    }

    /// Stops the process or its machine. False: it did not run.
    pub fn pause(&mut self, node: usize, how: Schedule) -> bool {
        if self.hosts[node].schedule != Schedule::Running {
            return false;
        }
        self.say(format_args!("n{node} is {how:?}"));
        self.judge(|rules, view| rules.before_kernel(view, node));
        let host = &mut self.hosts[node];
        host.schedule = how;
        host.disturbed_at = self.now;
        host.suspended_at = self.now;
        if matches!(how, Schedule::Suspended | Schedule::Paused) {
            host.clock.halt(self.now);
        }
        self.after_kernel(node);
        true
    }

    /// It goes on.
    pub fn resume(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        let how = host.schedule;
        if matches!(how, Schedule::Running | Schedule::Off) {
            return;
        }
        host.schedule = Schedule::Running;
        host.disturbed_at = self.now;
        let slept = Duration::from_micros(self.now - host.suspended_at);
        if matches!(how, Schedule::Suspended | Schedule::Paused) {
            host.clock.resume(self.now);
        }
        self.say(format_args!("n{node} goes on"));
        self.after_kernel(node);
        self.catch_up(node, (how == Schedule::Suspended).then_some(slept));
    }

    /// kill -9: the kernel keeps the addresses until their lease ends. False:
    /// there was no process.
    pub fn kill(&mut self, node: usize) -> bool {
        let host = &mut self.hosts[node];
        if host.process.is_none() || matches!(host.schedule, Schedule::Suspended | Schedule::Paused)
        {
            return false;
        }
        self.say(format_args!("n{node} is killed"));
        self.judge(|rules, view| rules.before_kernel(view, node));
        let host = &mut self.hosts[node];
        host.process = None;
        host.inbox.clear();
        host.schedule = Schedule::Running;
        host.disturbed_at = self.now;
        self.after_kernel(node);
        true
    }

    /// Power loss: everything on the machine is gone. False: it had none.
    pub fn power_off(&mut self, node: usize) -> bool {
        let now = self.now;
        let host = &mut self.hosts[node];
        if host.schedule == Schedule::Off {
            return false;
        }
        self.say(format_args!("n{node} loses power"));
        self.judge(|rules, view| rules.before_kernel(view, node));
        let host = &mut self.hosts[node];
        host.process = None;
        host.inbox.clear();
        host.schedule = Schedule::Off;
        host.disturbed_at = now;
        host.kernel = Kernel::new(0);
        self.after_kernel(node);
        true
    }

    /// The machine gets power, boots, and starts the process.
    pub fn boot(&mut self, node: usize) {
        if self.hosts[node].schedule != Schedule::Off {
            return;
        }
        self.say(format_args!("n{node} boots"));
        let uptime = self.plan.nodes[node].shown.max(1);
        let host = &mut self.hosts[node];
        host.clock = Clock::new(self.now, uptime, self.plan.nodes[node].drift_ppm);
        host.kernel = Kernel::new(host.clock.local(self.now));
        host.wall.booted_at = self.now;
        host.wall.battery = !self.plan.clockless();
        host.schedule = Schedule::Running;
        host.notice_at = self.now;
        for segment in 0..INTERFACES.len() {
            self.create_interface(node, segment);
        }
        self.start(node);
    }

    /// The cable (or the administrator) takes a link up or down. False:
    /// nothing changed.
    pub fn set_link(&mut self, node: usize, segment: usize, up: bool, cable: bool) -> bool {
        let kernel = &mut self.hosts[node].kernel;
        if kernel.link(segment).is_none_or(|link| link.up == up) {
            return false;
        }
        self.say(format_args!(
            "n{node} {} is {}",
            INTERFACES[segment],
            if up { "up" } else { "down" }
        ));
        self.judge(|rules, view| rules.before_kernel(view, node));
        self.hosts[node].kernel.set_up(segment, up, cable);
        self.hosts[node].disturbed_at = self.now;
        self.after_kernel(node);
        if up {
            self.add_own_addresses(node, segment);
        }
        true
    }

    /// The interface vanishes. False: there is none.
    pub fn delete_interface(&mut self, node: usize, segment: usize) -> bool {
        if self.hosts[node].kernel.link(segment).is_none() {
            return false;
        }
        self.say(format_args!("n{node} {} is deleted", INTERFACES[segment]));
        self.judge(|rules, view| rules.before_kernel(view, node));
        self.hosts[node].kernel.delete(segment);
        self.hosts[node].disturbed_at = self.now;
        self.after_kernel(node);
        true
    }

    /// The interface appears, with its own addresses.
    pub fn create_interface(&mut self, node: usize, segment: usize) {
        let host = &mut self.hosts[node];
        if host.schedule == Schedule::Off || host.kernel.link(segment).is_some() {
            return;
        }
        host.kernel.create(segment, node);
        host.disturbed_at = self.now;
        self.say(format_args!("n{node} has {}", INTERFACES[segment]));
        self.after_kernel(node);
        self.add_own_addresses(node, segment);
    }

    /// Somebody deletes an address of the first virtual router that has one here.
    pub fn delete_virtual_address(&mut self, node: usize) {
        let mut all: Vec<_> = self
            .plan
            .routers
            .iter()
            .flat_map(|r| &r.addresses)
            .collect();
        self.random.shuffle(&mut all);
        let kernel = &mut self.hosts[node].kernel;
        let Some((address, _, slot)) = all
            .into_iter()
            .find(|(address, _, slot)| kernel.holds(*slot, *address))
        else {
            return;
        };
        self.judge(|rules, view| rules.before_kernel(view, node));
        self.hosts[node].kernel.remove(*slot, *address);
        self.say(format_args!("somebody deletes {address} on n{node}"));
        self.after_kernel(node);
    }

    /// Somebody deletes those of the machine's own addresses on an interface
    /// whose bit is in `which`.
    pub fn delete_own_addresses(&mut self, node: usize, segment: usize, which: u64) {
        self.judge(|rules, view| rules.before_kernel(view, node));
        let own = self
            .plan
            .own_addresses(node, segment)
            .into_iter()
            .enumerate();
        for (_, (address, _)) in own.filter(|(place, _)| (which >> place) & 1 == 1) {
            self.hosts[node].kernel.remove(segment, address);
            self.say(format_args!(
                "n{node} loses {address} on {}",
                INTERFACES[segment]
            ));
        }
        self.hosts[node].disturbed_at = self.now;
        self.after_kernel(node);
    }

    /// The machine's own addresses, where they are missing; the link-local one
    /// has to prove that it is unique.
    pub fn add_own_addresses(&mut self, node: usize, segment: usize) {
        let now = self.hosts[node].clock.local(self.now);
        let kernel = &mut self.hosts[node].kernel;
        let Some(link) = kernel.link(segment).filter(|link| link.up) else {
            return;
        };
        for (address, prefix_len) in self.plan.own_addresses(node, segment) {
            let kernel = &mut self.hosts[node].kernel;
            if kernel.holds(segment, address) {
                continue;
            }
            let usable = address.is_ipv4();
            let local = LocalAddress {
                address,
                prefix_len,
                usable,
                duplicate: false,
                secondary: false,
                ours: false,
            };
            kernel.set(now, segment, local, None);
            self.hosts[node].disturbed_at = self.now;
            if !usable {
                let after = SECOND + self.random.below(SECOND);
                self.after(
                    after,
                    Happening::Unique {
                        node,
                        segment,
                        index: link.index,
                    },
                );
            }
        }
        self.after_kernel(node);
    }

    pub(super) fn on_unique(&mut self, node: usize, segment: usize, index: u32) {
        let (address, prefix_len) = self.plan.own_addresses(node, segment)[1];
        let now = self.hosts[node].clock.local(self.now);
        let kernel = &mut self.hosts[node].kernel;
        let same = kernel.link(segment).is_some_and(|link| link.index == index);
        if same && kernel.holds(segment, address) {
            let local = LocalAddress {
                address,
                prefix_len,
                usable: true,
                duplicate: false,
                secondary: false,
                ours: false,
            };
            kernel.set(now, segment, local, None);
            self.hosts[node].disturbed_at = self.now;
            self.after_kernel(node);
        }
    }

    /// What a check finds from now on.
    pub fn set_health(&mut self, node: usize, check: usize, health: Health) {
        self.hosts[node].health[check] = health;
    }

    /// Misconfigured neighbours speak for so long.
    pub fn strangers(&mut self, lasting: At) {
        self.strangers_until = self.now + lasting.max(500 * MS);
    }

    /// They are silent.
    pub fn end_strangers(&mut self) {
        self.strangers_until = self.now;
    }
}
