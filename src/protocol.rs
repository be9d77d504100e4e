//! The words that both the configuration and the wire speak: protocol version,
//! address family, the header that names a client. It holds no rule and no byte layout.

use core::fmt;
use core::net::IpAddr;

/// The VRRP version of a router (RFC 3768, RFC 9568).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// RFC 3768: IPv4, whole seconds, optional plain-text password.
    V2,
    /// RFC 5798 and RFC 9568: IPv4 and IPv6, centiseconds.
    V3,
}

impl Version {
    /// The number on the wire: 2 or 3.
    pub const fn number(self) -> u8 {
        match self {
            Version::V2 => 2,
            Version::V3 => 3,
        }
    }
}

/// The address family of a router. The virtual router ids of the two are
/// separate spaces (RFC 9568 section 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Adverts to 224.0.0.18, gratuitous ARP.
    Ipv4,
    /// Adverts to ff02::12, unsolicited neighbour advertisements.
    Ipv6,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: &IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        })
    }
}

/// How version 3 over IPv4 sums its checksum when it sends; the field has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// With IPv4's pseudo-header: keepalived, FRR, MikroTik.
    Pseudo,
    /// The packet alone (RFC 9568 section 5.2.8): Cisco, Juniper, holo.
    Rfc9568,
}

/// The header that names the client, of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// None.
    None,
    /// Version 1: a line of text.
    V1,
    /// Version 2: binary.
    V2,
}
