//! The bytes of what an action asks to send. Asked for when it is sent, so that
//! an action stays small and a packet tells the latest state.

use core::net::IpAddr;

use super::{Node, receive};
use crate::event::{InterfaceId, Mac, RouterId};
use crate::protocol::Family;
use crate::wire::{self, Advert};

/// Where an announcement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The interface that carries the address.
    pub interface: InterfaceId,
    /// Bytes written.
    pub length: usize,
    /// 0x0806 for ARP, 0x86dd for IPv6.
    pub ethertype: u16,
    /// The link-layer destination.
    pub destination: Mac,
    /// The link-layer source, where it is not the interface's own.
    pub source: Option<Mac>,
}

/// An advert on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Bytes written.
    pub length: usize,
    /// The peer it is for; `None`: the group of the router's family.
    pub peer: Option<IpAddr>,
}

impl Node<'_> {
    /// Writes an advert with this priority as a whole IP packet: number `nth`,
    /// from 0 on, of those that one `Action::SendAdvert` asks for. `None`: there
    /// is no further one, the interface has no address to send from, or the
    /// buffer is shorter than [`wire::PACKET_MAX`].
    pub fn emit_advert(
        &mut self,
        router: RouterId,
        priority: u8,
        nth: usize,
        buffer: &mut [u8],
    ) -> Option<Sending> {
        let source = self.source(router)?;
        self.emit_advert_from(router, source, priority, nth, buffer)
    }

    /// As [`Node::emit_advert`], from an address that somebody else remembers:
    /// the guard's copy of a node knows no interface's addresses.
    pub fn emit_advert_from(
        &mut self,
        router: RouterId,
        source: IpAddr,
        priority: u8,
        nth: usize,
        buffer: &mut [u8],
    ) -> Option<Sending> {
        let index = usize::from(router.0);
        let (destination, unicast) = self.destination(index, nth)?;
        let config = &self.config.routers[index];
        let advert = Advert {
            version: config.version,
            source,
            destination,
            virtual_router_id: config.virtual_router_id,
            priority,
            interval: config.advert_int,
            auth: receive::auth(config),
            checksum: self.checksum(index, nth),
            signature: self.signature(index),
            ip_id: self.ip_id,
        };
        self.ip_id = self.ip_id.wrapping_add(1);
        // RFC 9568 section 5.2.9: the link-local address of IPv6 comes first.
        let all = || config.advertised().map(|address| address.address);
        let mut addresses = all()
            .filter(first)
            .chain(all().filter(|address| !first(address)));
        let length = wire::emit_advert(&advert, &mut addresses, buffer)?;
        Some(Sending {
            length,
            peer: unicast.then_some(destination),
        })
    }

    /// Writes the announcement of one address: a gratuitous ARP or a neighbour
    /// advertisement. `forwarding` says whether this host is an IPv6 router,
    /// which the latter must not deny (RFC 4861 section 7.2.5: hosts would
    /// drop it as their gateway). `None`: the interface is gone.
    pub fn emit_announcement(
        &self,
        router: RouterId,
        address: usize,
        forwarding: bool,
        buffer: &mut [u8],
    ) -> Option<Announcement> {
        let config = &self.config.routers[usize::from(router.0)];
        let interface = self.carrier_of(router, address);
        let own = self.interfaces[usize::from(interface.0)].link?.mac;
        let source = self
            .virtual_mac(router)
            .filter(|_| config.addresses[address].dev.is_none());
        let mac = source.unwrap_or(own);
        let (length, ethertype, destination) = match config.addresses[address].address {
            IpAddr::V4(v4) => (
                wire::emit_arp(mac, v4, buffer)?,
                0x0806,
                wire::BROADCAST_MAC,
            ),
            IpAddr::V6(v6) => {
                let length = wire::emit_neighbor_advertisement(mac, v6, forwarding, buffer)?;
                (length, 0x86dd, wire::ALL_NODES_MAC)
            }
        };
        Some(Announcement {
            interface,
            length,
            ethertype,
            destination,
            source,
        })
    }

    /// The MAC address that a router with `vmac` speaks from (RFC 9568 section
    /// 7.3).
    pub fn virtual_mac(&self, router: RouterId) -> Option<Mac> {
        let config = &self.config.routers[usize::from(router.0)];
        let family = match config.family {
            Family::Ipv4 => 1,
            Family::Ipv6 => 2,
        };
        let id = config.virtual_router_id;
        config.vmac.then_some([0, 0, 0x5e, 0, family, id])
    }
}

impl Node<'_> {
    /// Writes the probe for one address. `None`: the interface is gone.
    pub fn emit_probe(
        &self,
        router: RouterId,
        address: usize,
        buffer: &mut [u8],
    ) -> Option<Announcement> {
        let interface = self.carrier_of(router, address);
        let mac = self.interfaces[usize::from(interface.0)].link?.mac;
        let config = &self.config.routers[usize::from(router.0)];
        let (length, ethertype, destination) = match config.addresses[address].address {
            IpAddr::V4(v4) => {
                let length = wire::emit_arp_probe(mac, v4, buffer)?;
                (length, 0x0806, wire::BROADCAST_MAC)
            }
            IpAddr::V6(v6) => {
                let (length, group) = wire::emit_neighbor_probe(v6, buffer)?;
                (length, 0x86dd, group)
            }
        };
        Some(Announcement {
            interface,
            length,
            ethertype,
            destination,
            // Asked before the address is ours: by whoever the card is.
            source: None,
        })
    }
}

fn first(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}
