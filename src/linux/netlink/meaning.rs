//! What rtnetlink's link and address messages mean to us. It reads bytes and
//! decides nothing; what it cannot understand is `None`, and nothing panics.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smena::event::{Link, LocalAddress};

use super::message::{attributes, u32_at};

/// `RTM_NEWLINK`.
pub const NEW_LINK: u16 = 16;
/// `RTM_DELLINK`.
pub const DELETE_LINK: u16 = 17;
/// `RTM_GETLINK`.
pub const GET_LINK: u16 = 18;
/// `RTM_SETLINK`.
pub const SET_LINK: u16 = 19;
/// `RTM_NEWADDR`.
pub const NEW_ADDRESS: u16 = 20;
/// `RTM_DELADDR`.
pub const DELETE_ADDRESS: u16 = 21;
/// `RTM_GETADDR`.
pub const GET_ADDRESS: u16 = 22;

/// `RTM_NEWROUTE`.
pub const NEW_ROUTE: u16 = 24;

/// `RTA_OIF`: the link that a route leads out by.
pub const OUT_LINK: u16 = 4;
/// `RTA_GATEWAY`.
pub const GATEWAY: u16 = 5;

/// `IFLA_ADDRESS`.
pub const LINK_MAC: u16 = 1;
/// `IFLA_IFNAME`.
pub const LINK_NAME: u16 = 3;
/// `IFLA_MTU`.
pub const LINK_MTU: u16 = 4;

/// `IFF_UP`.
pub const UP: u32 = 0x1;
/// `IFF_RUNNING`.
const RUNNING: u32 = 0x40;
/// `IFF_LOWER_UP` and `IFF_DORMANT`: there is carrier, and somebody is waited for.
const LOWER_UP: u32 = 0x1_0000;
const DORMANT: u32 = 0x2_0000;

/// `IFA_ADDRESS`: the address, or the peer's on a point-to-point link.
pub const ADDRESS: u16 = 1;
/// `IFA_LOCAL`: the own address.
pub const LOCAL: u16 = 2;
/// `IFA_LABEL`.
pub const LABEL: u16 = 3;
/// `IFA_BROADCAST`.
pub const BROADCAST: u16 = 4;
/// `IFA_CACHEINFO`: the lifetimes.
pub const CACHEINFO: u16 = 6;
/// `IFA_FLAGS`: 32 bits of flags.
pub const FLAGS: u16 = 8;
/// `IFA_PROTO` (Linux 5.18): who set the address.
pub const PROTOCOL: u16 = 11;

/// Our value of [`PROTOCOL`]: the IP protocol number of VRRP.
pub const OURS: u8 = 112;

/// `IFA_F_SECONDARY`; in IPv6 the same bit marks a temporary address.
const SECONDARY: u32 = 0x01;
/// `IFA_F_NODAD`.
pub const NO_DAD: u32 = 0x02;
/// `IFA_F_DADFAILED`.
const DAD_FAILED: u32 = 0x08;
/// `IFA_F_TENTATIVE`.
const TENTATIVE: u32 = 0x40;
/// `IFA_F_NOPREFIXROUTE`.
pub const NO_PREFIX_ROUTE: u32 = 0x200;

/// Bytes of `struct ifinfomsg`.
const LINK_BODY: usize = 16;
/// Bytes of `struct ifaddrmsg`.
const ADDRESS_BODY: usize = 8;

/// `AF_INET`.
pub const INET: u8 = 2;
/// `AF_INET6`.
pub const INET6: u8 = 10;

/// Reads a link message: the name and what is known of the link.
///
/// `None` for messages of another family (a bridge reports its ports with
/// `RTM_DELLINK` too) and for partial ones without an MTU, which wireless
/// drivers send.
pub fn link(body: &[u8]) -> Option<(&[u8], Link)> {
    if *body.first()? != 0 {
        return None;
    }
    let flags = u32_at(body, 8)?;
    let mut link = Link {
        index: u32_at(body, 4)?,
        up: flags & UP != 0 && carries(flags),
        mac: [0; 6],
        mtu: 0,
    };
    let mut name = None;
    for (kind, value) in attributes(body, LINK_BODY) {
        match kind {
            LINK_NAME => name = value.split(|byte| *byte == 0).next(),
            LINK_MAC => link.mac = value.try_into().unwrap_or_default(),
            LINK_MTU => link.mtu = u32_at(value, 0)?,
            _ => {}
        }
    }
    (link.mtu != 0).then_some((name?, link))
}

/// Whether packets get through. The kernel says [`RUNNING`] up to a second after
/// it has carrier, when a link has just been brought up; it sends before that.
const fn carries(flags: u32) -> bool {
    flags & RUNNING != 0 || flags & (LOWER_UP | DORMANT) == LOWER_UP
}

/// Reads an address message: the interface's index and the address.
pub fn address(body: &[u8]) -> Option<(u32, LocalAddress)> {
    let [family, prefix_len, short_flags, _scope] = *body.first_chunk()?;
    let mut flags = u32::from(short_flags);
    let (mut local, mut address) = (None, None);
    let mut ours = false;
    for (kind, value) in attributes(body, ADDRESS_BODY) {
        match kind {
            LOCAL => local = ip(family, value),
            ADDRESS => address = ip(family, value),
            FLAGS => flags = u32_at(value, 0)?,
            PROTOCOL => ours = value == [OURS],
            _ => {}
        }
    }
    let address = LocalAddress {
        address: local.or(address)?,
        prefix_len,
        usable: flags & (TENTATIVE | DAD_FAILED) == 0,
        duplicate: flags & DAD_FAILED != 0,
        secondary: family == INET && flags & SECONDARY != 0,
        ours,
    };
    Some((u32_at(body, 4)?, address))
}

/// An address of this family.
fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        INET => <[u8; 4]>::try_from(value)
            .ok()
            .map(|b| IpAddr::V4(Ipv4Addr::from(b))),
        INET6 => <[u8; 16]>::try_from(value)
            .ok()
            .map(|b| IpAddr::V6(Ipv6Addr::from(b))),
        _ => None,
    }
}
