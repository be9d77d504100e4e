//! The wire room: bytes become meaning and meaning becomes bytes.
//!
//! ```text
//!   packet --ip--> datagram --advert--> view --judge--> Received | Reject
//!   packet --inspect--> Said, right or not
//!   Advert --advert--> PDU --ip--> packet          announce: ARP, neighbour advertisement
//! ```
//!
//! Reading has two layers: a view proves every length once, then [`judge`]
//! makes a [`Received`] of it, which cannot hold an invalid packet. Nothing here
//! knows a state, a clock or a socket, and no input can make it panic. smoltcp
//! reads the IP headers and sums the checksums; VRRP itself is written here.

mod advert;
mod announce;
mod describe;
mod inspect;
mod ip;
mod judge;
mod proxy;
mod reject;
mod sha256;
mod trailer;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Duration;
use crate::board;
use crate::key::Key;
use crate::protocol::{Checksum, Family, Version};

pub use advert::{Addresses, emit_advert};
pub use announce::{
    ARP_LEN, emit_arp, emit_arp_probe, emit_neighbor_advertisement, emit_neighbor_probe, read_claim,
};
pub use describe::{Described, source};
pub use inspect::{Head, Said, inspect};
pub use judge::{Verdict, judge, judge_alone};
pub use proxy::{PROXY_MAX, emit_proxy};
pub use reject::Reject;
pub use trailer::{Signature, later, stamp};

/// Where IPv4 adverts go (RFC 9568 section 5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Where IPv6 adverts go (RFC 9568 section 5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// Where unsolicited neighbour advertisements go (RFC 4861 section 7.2.6).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// The link-layer address of [`GROUP_V4`].
pub const GROUP_V4_MAC: [u8; 6] = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x12];
/// The link-layer address of [`GROUP_V6`].
pub const GROUP_V6_MAC: [u8; 6] = [0x33, 0x33, 0x00, 0x00, 0x00, 0x12];
/// The link-layer address of [`ALL_NODES`].
pub const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0x00, 0x00, 0x00, 0x01];
/// Everybody on the link; gratuitous ARP goes there.
pub const BROADCAST_MAC: [u8; 6] = [0xff; 6];

/// The IP protocol number of VRRP.
pub const PROTOCOL: u8 = 112;
/// The only TTL or hop limit that VRRP is sent with and accepted with: it
/// proves that no router forwarded the packet (RFC 9568 section 5.1.1.3).
pub const TTL: u8 = 255;
/// The most bytes that an `emit_*` function writes for a router of this board:
/// a signed IPv6 advert with every address, or a neighbour advertisement.
pub const PACKET_MAX: usize = 40 + 8 + trailer::LEN + 16 * board::ADDRESSES_MAX;

/// Authentication of version 2 (RFC 2338 section 5.3.6; RFC 3768 reserves it,
/// keepalived and most of its users keep it). Version 3 has none but [`Hmac`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Auth {
    /// Type 0; the 8 bytes are zero when sent and ignored when received.
    None,
    /// Type 1: a password in plain text, padded with zeros.
    Simple([u8; 8]),
}

/// What a router of ours wants from a packet of its id.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'c> {
    /// Its version; the other one is rejected.
    pub version: Version,
    /// Its authentication, which only version 2 looks at.
    pub auth: Auth,
    /// Its own advertisement interval; in version 2 the peer's must be equal.
    pub interval: Duration,
    /// It has no addresses itself and accepts an advert without any.
    pub no_addresses: bool,
    /// How adverts reach it.
    pub delivery: Delivery,
    /// Its keys, which only version 3 looks at.
    pub hmac: Option<Hmac<'c>>,
}

/// How adverts reach a router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// By the group, from anybody on the link.
    Group,
    /// From the one source that the packet has.
    Unicast {
        /// Where it must be sent to: the router's own source.
        own: Option<IpAddr>,
        /// The packet's source is one of the router's peers.
        listed: bool,
        /// The least and the most TTL or hop limit for that source.
        ttl: (u8, u8),
    },
}

/// What a router with keys wants of a signature.
#[derive(Clone, Copy, Debug)]
pub struct Hmac<'c> {
    /// The keys that are accepted.
    pub keys: &'c [Key<'c>],
    /// An advert without a trailer is rejected.
    pub required: bool,
    /// The wall time in seconds since 1970, modulo 2^32, and how many seconds a
    /// stamp may be away from it. `None`: it may be any.
    pub fresh: Option<(u32, u32)>,
}

/// An advert that passed every check.
#[derive(Clone, Copy, Debug)]
pub struct Received<'p> {
    /// The sender: unicast; to the group in IPv6 link-local.
    pub source: IpAddr,
    /// The group, or the address of ours that it was sent to.
    pub destination: IpAddr,
    /// The version of the router it is for.
    pub version: Version,
    /// The id of the router it is for, 1..=255.
    pub virtual_router_id: u8,
    /// 0: the master resigns; 255: the address owner.
    pub priority: u8,
    /// The sender's interval: 1..=255 s in version 2, 10 ms..=40.95 s in version 3.
    pub interval: Duration,
    /// What the sender says that the virtual router's addresses are.
    pub addresses: Addresses<'p>,
    /// How the sender sums: version 3 over IPv4 only.
    pub checksum: Option<Checksum>,
    /// The stamp that was signed, if it was. Whether it was heard before is for
    /// somebody with a memory to say ([`Reject::Replayed`]).
    pub stamp: Option<u64>,
}

/// An advert of ours.
#[derive(Clone, Copy, Debug)]
pub struct Advert {
    /// Version 2 has no IPv6.
    pub version: Version,
    /// The interface's own address, never a virtual one; to the group in IPv6
    /// link-local.
    pub source: IpAddr,
    /// [`group`] of the source's family, or a peer.
    pub destination: IpAddr,
    /// 1..=255.
    pub virtual_router_id: u8,
    /// 0 resigns.
    pub priority: u8,
    /// Whole seconds 1..=255 in version 2, 10 ms..=40.95 s in steps of 10 ms in version 3.
    pub interval: Duration,
    /// Version 3 sends none, whatever is here.
    pub auth: Auth,
    /// How to sum; only version 3 over IPv4 has a choice.
    pub checksum: Checksum,
    /// Version 2 sends none, whatever is here.
    pub signature: Option<Signature>,
    /// The identification field of the IPv4 header; IPv6 has none.
    pub ip_id: u16,
}

/// Where adverts of a family go when they are not sent to peers.
pub const fn group(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(GROUP_V4),
        Family::Ipv6 => IpAddr::V6(GROUP_V6),
    }
}
