//! The part of a kernel that smena relies on: interfaces, addresses with a
//! lifetime, and netlink's word of what changed. It outlives the process, which
//! is the whole point of the lease.

use std::net::IpAddr;

use smena::event::{Link, LocalAddress};

use super::clock::{MS, SECOND};
use super::plan::INTERFACES;

/// The worker that ends addresses pauses at least this long between two runs.
const WORKER_PAUSE: i64 = SECOND as i64;
/// It takes an address that has this little left as expired.
const WORKER_FUZZ: i64 = 20 * MS as i64;

/// The kernel of one machine. Moments are of the machine's own clock.
pub struct Kernel {
    interfaces: [Interface; INTERFACES.len()],
    next_index: u32,
    worker_ran_at: i64,
    /// What netlink will tell, in order.
    pub notices: Vec<Notice>,
}

#[derive(Default)]
struct Interface {
    link: Option<Link>,
    addresses: Vec<Held>,
}

/// An address on an interface.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub local: LocalAddress,
    /// When its lifetime ends; `None`: never.
    pub expires_at: Option<i64>,
    /// Since when it has been here without a gap.
    pub since: i64,
}

/// One message of netlink; the number is the interface's place in [`INTERFACES`].
#[derive(Clone, Copy, Debug)]
pub enum Notice {
    Link(usize, Option<Link>),
    Added(usize, LocalAddress),
    Removed(usize, LocalAddress),
    Scanned(usize),
    /// The answer to a request: refused, with this error number.
    Refused(smena::event::RouterId, u16),
}

impl Kernel {
    /// A kernel that just booted: no interface yet.
    pub fn new(now: i64) -> Kernel {
        Kernel {
            interfaces: Default::default(),
            next_index: 2,
            worker_ran_at: now,
            notices: Vec::new(),
        }
    }

    /// What an interface is, if it exists.
    pub fn link(&self, interface: usize) -> Option<Link> {
        self.interfaces[interface].link
    }

    /// Can packets leave and enter here?
    pub fn is_up(&self, interface: usize) -> bool {
        self.link(interface).is_some_and(|link| link.up)
    }

    /// The addresses of an interface.
    pub fn addresses(&self, interface: usize) -> &[Held] {
        &self.interfaces[interface].addresses
    }

    /// Is this address here?
    pub fn holds(&self, interface: usize, address: IpAddr) -> bool {
        self.addresses(interface)
            .iter()
            .any(|held| held.local.address == address)
    }

    /// Makes an interface, with another number and hardware address than ever.
    pub fn create(&mut self, interface: usize, node: usize) {
        assert!(
            self.link(interface).is_none(),
            "an interface is created once"
        );
        let index = self.next_index;
        self.next_index += 1;
        let mac = [2, 0, 0, index as u8, interface as u8, node as u8];
        self.interfaces[interface].link = Some(Link {
            index,
            up: true,
            mac,
            mtu: 1500,
        });
        self.notices
            .push(Notice::Link(interface, self.link(interface)));
    }

    /// Deletes an interface and all on it, in the order that netlink tells it:
    /// the link goes down, the addresses go, the link is gone.
    pub fn delete(&mut self, interface: usize) {
        if let Some(link) = self.link(interface).filter(|link| link.up) {
            self.notices
                .push(Notice::Link(interface, Some(Link { up: false, ..link })));
        }
        for held in std::mem::take(&mut self.interfaces[interface].addresses) {
            self.notices.push(Notice::Removed(interface, held.local));
        }
        self.interfaces[interface].link = None;
        self.notices.push(Notice::Link(interface, None));
    }

    /// Carrier or administrative state. Taking an interface down, other than
    /// pulling its cable, costs it its IPv6 addresses.
    pub fn set_up(&mut self, interface: usize, up: bool, cable: bool) {
        let Some(link) = &mut self.interfaces[interface].link else {
            return;
        };
        link.up = up;
        self.notices.push(Notice::Link(interface, Some(*link)));
        if !up && !cable {
            self.remove_where(interface, |held| held.local.address.is_ipv6());
        }
    }

    /// Adds an address or renews it.
    pub fn set(
        &mut self,
        now: i64,
        interface: usize,
        wanted: LocalAddress,
        expires_at: Option<i64>,
    ) {
        let addresses = &mut self.interfaces[interface].addresses;
        let same = |held: &Held| held.local.address == wanted.address;
        let place = addresses.iter().position(same).unwrap_or(addresses.len());
        let secondary = follows(&addresses[..place], &wanted);
        let local = LocalAddress {
            secondary,
            ..wanted
        };
        let since = addresses.get(place).map_or(now, |held| held.since);
        let held = Held {
            local,
            expires_at,
            since,
        };
        if place == addresses.len() {
            addresses.push(held);
        } else {
            addresses[place] = held;
        }
        self.notices.push(Notice::Added(interface, local));
    }

    /// Removes an address; one that is not there is no error.
    pub fn remove(&mut self, interface: usize, address: IpAddr) {
        self.remove_where(interface, |held| held.local.address == address);
    }

    /// Tells everything about an interface again.
    pub fn rescan(&mut self, interface: usize) {
        for held in &self.interfaces[interface].addresses {
            self.notices.push(Notice::Added(interface, held.local));
        }
        self.notices.push(Notice::Scanned(interface));
    }

    /// When the worker must run next.
    pub fn worker_at(&self) -> Option<i64> {
        let all = self
            .interfaces
            .iter()
            .flat_map(|interface| &interface.addresses);
        let earliest = all.filter_map(|held| held.expires_at).min()?;
        Some((earliest - WORKER_FUZZ).max(self.worker_ran_at + WORKER_PAUSE))
    }

    /// The worker ends what has expired. Returns what it ended.
    pub fn work(&mut self, now: i64) -> Vec<(usize, IpAddr)> {
        self.worker_ran_at = now;
        let mut ended = Vec::new();
        for interface in 0..INTERFACES.len() {
            let expired = |held: &Held| held.expires_at.is_some_and(|at| at - WORKER_FUZZ <= now);
            let addresses = self.interfaces[interface].addresses.iter();
            ended.extend(
                addresses
                    .filter(|h| expired(h))
                    .map(|h| (interface, h.local.address)),
            );
            self.remove_where(interface, expired);
        }
        ended
    }

    /// Removes addresses. With promote_secondaries the next one of a subnet
    /// moves up when its primary goes, which netlink tells as an addition.
    fn remove_where(&mut self, interface: usize, gone: impl Fn(&Held) -> bool) {
        let addresses = &mut self.interfaces[interface].addresses;
        for held in addresses.iter().filter(|held| gone(held)) {
            self.notices.push(Notice::Removed(interface, held.local));
        }
        addresses.retain(|held| !gone(held));
        for place in 0..addresses.len() {
            let local = addresses[place].local;
            if local.secondary && !follows(&addresses[..place], &local) {
                addresses[place].local.secondary = false;
                self.notices
                    .push(Notice::Added(interface, addresses[place].local));
            }
        }
    }
}

/// Is there an address of the same subnet before this one?
fn follows(before: &[Held], address: &LocalAddress) -> bool {
    before.iter().any(|held| {
        let (IpAddr::V4(one), IpAddr::V4(other)) = (held.local.address, address.address) else {
            return false;
        };
        let shift = 32 - u32::from(address.prefix_len);
        held.local.prefix_len == address.prefix_len
            && u32::from(one).checked_shr(shift) == u32::from(other).checked_shr(shift)
    })
}
