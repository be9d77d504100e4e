//! Who has an address, asked and answered: ARP and neighbour discovery as far as
//! smena relies on them. Kernels answer, whatever their processes do.

use std::net::IpAddr;

use smena::event::{Event, Mac, RouterId};

use super::host::Schedule;
use super::world::{Happening, World};

/// One answer on its way.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub segment: usize,
    pub address: IpAddr,
    pub mac: Mac,
}

impl World<'_> {
    /// A node asks who else has the addresses of a router.
    pub(super) fn ask(&mut self, node: usize, router: RouterId) {
        for (segment, local) in self.addresses(node, router) {
            for other in (0..self.hosts.len()).filter(|other| *other != node) {
                let host = &self.hosts[other];
                let awake = matches!(host.schedule, Schedule::Running | Schedule::Stopped);
                let up = self.hosts[node].kernel.is_up(segment) && host.kernel.is_up(segment);
                let Some(link) = host.kernel.link(segment).filter(|_| up && awake) else {
                    continue;
                };
                if !host.kernel.holds(segment, local.address) {
                    continue;
                }
                let ways = [(node, other), (other, node)];
                let arrives = ways.iter().all(|(from, to)| {
                    let path = *self.lan.path(segment, *from, *to);
                    !path.blocked && !self.neighbours.chance(path.loss)
                });
                if arrives {
                    let after = 40 + self.neighbours.below(2 * self.plan.latency);
                    let claim = Claim {
                        segment,
                        address: local.address,
                        mac: link.mac,
                    };
                    self.after(after, Happening::Claim { node, claim });
                }
            }
        }
    }

    /// An answer reaches whoever asked. A process that does not run finds it in
    /// its socket later, when it says nothing new.
    pub(super) fn on_claim(&mut self, node: usize, claim: Claim) {
        let link = self.hosts[node].kernel.link(claim.segment);
        if let Some(link) = link.filter(|link| link.up) {
            let event = Event::Claimed(link.index, claim.address, claim.mac);
            self.feed(node, event);
        }
    }
}
