//! What a node knows of one network interface: its link, and the address that
//! adverts are sent from. It chooses among what the kernel tells and never
//! changes anything.

use core::net::IpAddr;

use super::flood::Flood;
use crate::event::{Link, LocalAddress};
use crate::protocol::Family;

/// An interface that a router or an address of the configuration names.
#[derive(Debug)]
pub struct Interface<'a> {
    /// Its name.
    pub name: &'a str,
    /// The kernel's view; `None`: there is no such interface now.
    pub link: Option<Link>,
    /// Adverts over IPv4 are sent and received here.
    pub ipv4: bool,
    /// Adverts over IPv6 are sent and received here.
    pub ipv6: bool,
    /// Adverts over IPv4 go to peers from here, as well or only.
    pub unicast_v4: bool,
    /// Adverts over IPv6 go to peers from here, as well or only.
    pub unicast_v6: bool,
    source_v4: Source,
    source_v6: Source,
    scanning: bool,
    pub(super) flood: Flood,
}

/// The source address of one family.
#[derive(Clone, Copy, Debug, Default)]
struct Source {
    chosen: Option<LocalAddress>,
    /// What the running scan has found so far.
    candidate: Option<LocalAddress>,
    /// One that would do, if no other host had it too.
    duplicate: Option<IpAddr>,
}

impl<'a> Interface<'a> {
    /// An interface of which only the name is known.
    pub fn new(name: &'a str) -> Interface<'a> {
        Interface {
            name,
            link: None,
            ipv4: false,
            ipv6: false,
            unicast_v4: false,
            unicast_v6: false,
            source_v4: Source::default(),
            source_v6: Source::default(),
            scanning: false,
            flood: Flood::CALM,
        }
    }

    /// Packets that were left out in a flood.
    pub fn filtered(&self) -> u64 {
        self.flood.filtered()
    }

    /// The address that adverts of this family come from.
    pub fn source(&self, family: Family) -> Option<IpAddr> {
        let source = match family {
            Family::Ipv4 => &self.source_v4,
            Family::Ipv6 => &self.source_v6,
        };
        source.chosen.map(|local| local.address)
    }

    /// There is no source of this family because another host has its address.
    pub fn is_duplicate(&self, family: Family) -> bool {
        let source = match family {
            Family::Ipv4 => &self.source_v4,
            Family::Ipv6 => &self.source_v6,
        };
        source.chosen.is_none() && source.duplicate.is_some()
    }

    /// The kernel is telling all addresses again; until it has, the source
    /// that was chosen stands.
    pub fn scanning(&self) -> bool {
        self.scanning
    }

    /// The link changed. Returns true when the addresses must be told again,
    /// because it is another interface of the same name.
    pub fn on_link(&mut self, link: Option<Link>) -> bool {
        let before = self.link.map(|link| link.index);
        let after = link.map(|link| link.index);
        self.link = link;
        if before == after {
            return false;
        }
        self.source_v4 = Source::default();
        self.source_v6 = Source::default();
        self.scanning = after.is_some();
        self.scanning
    }

    /// An address is there. `ours` says that a router of this node owns it, so
    /// that it can't be a source (PROTOCOL 51, 63).
    #[inline(never)]
    pub fn on_address(&mut self, local: LocalAddress, ours: bool) {
        let scanning = self.scanning;
        let Some(source) = self.source_of(&local.address) else {
            return;
        };
        if local.duplicate {
            source.duplicate = Some(local.address);
        } else if source.duplicate == Some(local.address) {
            source.duplicate = None;
        }
        if !local.usable || ours || local.ours {
            // An address may lose its use after it was chosen: a duplicate.
            if source
                .chosen
                .is_some_and(|chosen| chosen.address == local.address)
            {
                source.chosen = None;
            }
            return;
        }
        if scanning {
            source.consider(local);
        } else if source.chosen.is_none() {
            // The source never changes while it is there: the tie-break between
            // masters stands on it.
            source.chosen = Some(local);
        }
    }

    /// An address is gone. Returns true when it was the source, or was to become
    /// it, so that all must be told again to choose another.
    pub fn on_address_removed(&mut self, address: &IpAddr) -> bool {
        let Some(source) = self.source_of(address) else {
            return false;
        };
        if source.duplicate == Some(*address) {
            source.duplicate = None;
        }
        let is = |local: Option<LocalAddress>| local.is_some_and(|l| l.address == *address);
        if !is(source.chosen) && !is(source.candidate) {
            return false;
        }
        self.begin_scan();
        true
    }

    /// All addresses will be told again.
    pub fn begin_scan(&mut self) {
        self.scanning = true;
        self.source_v4.candidate = None;
        self.source_v6.candidate = None;
    }

    /// All addresses were told: the choice stands. When two scans were asked
    /// for, the first answer completes both, and the second finds nothing new.
    pub fn on_scanned(&mut self) {
        if !self.scanning {
            return;
        }
        self.scanning = false;
        for source in [&mut self.source_v4, &mut self.source_v6] {
            source.chosen = source.candidate.take();
        }
    }

    /// Where an address would be the source: any unicast one in IPv4, a
    /// link-local one in IPv6 (RFC 9568 section 5.1.2.1).
    fn source_of(&mut self, address: &IpAddr) -> Option<&mut Source> {
        match address {
            IpAddr::V4(_) => Some(&mut self.source_v4),
            IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(&mut self.source_v6),
            IpAddr::V6(_) => None,
        }
    }
}

impl Source {
    /// A scan tells an address. The source that was chosen stays as long as it
    /// is there, whatever else is told: the tie-break between masters stands
    /// on it.
    fn consider(&mut self, local: LocalAddress) {
        let chosen = self.chosen.map(|chosen| chosen.address);
        self.candidate = match self.candidate {
            Some(kept) if Some(kept.address) == chosen => Some(kept),
            _ if Some(local.address) == chosen => Some(local),
            other => better(other, local),
        };
    }
}

/// Of two addresses the one that is primary in its subnet; of two alike the
/// one that the kernel told first.
fn better(a: Option<LocalAddress>, b: LocalAddress) -> Option<LocalAddress> {
    match a {
        Some(a) if !a.secondary || b.secondary => Some(a),
        _ => Some(b),
    }
}
