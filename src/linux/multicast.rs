//! Membership in VRRP's groups. A plain UDP socket joins, which makes the
//! kernel tell switches (IGMP, MLD) and open the card's filter; the packets
//! themselves come in through packet sockets.

use core::net::{Ipv4Addr, Ipv6Addr};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::sockopt::{set_ip_add_membership_with_ifindex, set_ipv6_add_membership};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use smena::protocol::Family;

/// The group of IPv4 adverts (RFC 9568 section 5.1.1.2).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The group of IPv6 adverts (RFC 9568 section 5.1.2.2).
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// Joins a family's group on an interface; the membership lasts as long as the
/// descriptor and the interface. One socket each, because the kernel allows a
/// socket 20 memberships only.
pub fn join(index: u32, family: Family) -> Result<OwnedFd, Errno> {
    let domain = match family {
        Family::Ipv4 => AddressFamily::INET,
        Family::Ipv6 => AddressFamily::INET6,
    };
    let fd = socket_with(domain, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    match family {
        Family::Ipv4 => {
            set_ip_add_membership_with_ifindex(&fd, &GROUP_V4, &Ipv4Addr::UNSPECIFIED, index)
        }
        Family::Ipv6 => set_ipv6_add_membership(&fd, &GROUP_V6, index),
    }?;
    Ok(fd)
}
