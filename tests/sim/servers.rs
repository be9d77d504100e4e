//! Servers of services: what the forwarder is told about them, what it tells,
//! and what an administrator wants.

use smena::event::{Admin, Event, ServerId, ServiceId};

use super::world::World;

impl World<'_> {
    /// The forwarder looks again whether a server gets sessions.
    pub(super) fn admit(&mut self, node: usize, server: ServerId) {
        if let Some(process) = &mut self.hosts[node].process {
            let at = usize::from(server.0);
            process.gates[at] = process.node.servers()[at].admits();
        }
    }

    /// A service takes clients, or has them refused.
    pub(super) fn open(&mut self, node: usize, service: ServiceId, open: bool) {
        if let Some(process) = &mut self.hosts[node].process {
            process.doors[usize::from(service.0)] = open;
        }
    }

    /// A server of a node, if it has any.
    fn any_server(&mut self, node: usize) -> Option<ServerId> {
        let count = self.hosts[node].config.servers.len() as u64;
        (count > 0).then(|| ServerId(self.random.below(count) as u8))
    }

    /// An administrator has a wish about one server.
    pub(super) fn order(&mut self, node: usize) -> bool {
        let Some(server) = self.any_server(node) else {
            return false;
        };
        let event = match self.random.below(4) {
            0 => Event::Weight(server, self.random.pick(&[0, 1, 3, 256])),
            1 => Event::Order(server, Admin::Maint),
            2 => Event::Order(server, Admin::Ready),
            _ => Event::Order(server, Admin::Drain),
        };
        self.feed(node, event);
        true
    }

    /// The administrator has no wish any more.
    pub(super) fn end_orders(&mut self, node: usize) {
        let servers = self.hosts[node].config.servers.iter();
        let weights: Vec<u16> = servers.map(|server| server.weight).collect();
        for (id, weight) in (0..).map(ServerId).zip(weights) {
            self.feed(node, Event::Order(id, Admin::Ready));
            self.feed(node, Event::Weight(id, weight));
        }
    }

    /// A server refuses a few sessions.
    pub(super) fn refuse_sessions(&mut self, node: usize) {
        if let Some(server) = self.any_server(node) {
            let times = self.random.between(1, 4) as u16;
            self.feed(node, Event::Refused(server, times));
        }
    }
}
