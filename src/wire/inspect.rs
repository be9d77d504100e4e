//! What a packet says, whether or not it is right: the second look at one that
//! was discarded, or that says odd things. It judges nothing, and believes
//! nothing but the lengths of headers; a field that is not there is not read.

use core::net::IpAddr;

use smoltcp::wire::checksum;

use super::Addresses;
use super::advert::ADVERTISEMENT;
use super::ip::{self, Read};
use crate::Duration;
use crate::protocol::Family;

/// What a packet says.
#[derive(Clone, Copy, Debug)]
pub struct Said<'p> {
    /// The sender.
    pub source: IpAddr,
    /// Where it was sent to.
    pub destination: IpAddr,
    /// Its numbers.
    pub head: Head,
    /// The addresses, as far as they are there.
    pub addresses: Addresses<'p>,
    /// Version 3, with something behind the addresses: a signature.
    pub trailing: bool,
    /// It is no VRRP but CARP, which shares the protocol number and the group:
    /// `virtual_router_id` is its vhid, and the rest means something else.
    pub carp: bool,
}

/// The numbers of an advert as they stand in the packet; all zero when there is
/// none.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The first four bits; 2 and 3 exist.
    pub version: u8,
    /// The virtual router id.
    pub virtual_router_id: u8,
    /// 0: the sender resigns.
    pub priority: u8,
    /// The authentication type of version 2; it means nothing in version 3.
    pub auth_type: u8,
    /// TTL or hop limit on arrival.
    pub hop_limit: u8,
    /// The interval in units of 10 ms, read as the packet's version has it.
    pub centiseconds: u16,
}

impl Head {
    /// No packet.
    pub const NONE: Head = Head {
        version: 0,
        virtual_router_id: 0,
        priority: 0,
        auth_type: 0,
        hop_limit: 0,
        centiseconds: 0,
    };

    /// The interval.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(10 * u64::from(self.centiseconds))
    }
}

/// The authentication length of a CARP advert in 32-bit words: a counter of two
/// and 20 bytes of HMAC-SHA1 (OpenBSD's `struct carp_header`).
const CARP_AUTH_WORDS: u8 = 7;
/// The bytes of a CARP advert.
const CARP_LEN: usize = 8 + 4 * CARP_AUTH_WORDS as usize;

/// Reads a packet from its IP header on. `None`: it is no unfragmented packet
/// of protocol 112, or shorter than the head of an advert.
pub fn inspect(family: Family, packet: &[u8]) -> Option<Said<'_>> {
    let Read::Datagram(datagram) = ip::read(family, packet) else {
        return None;
    };
    let (head, rest) = datagram.payload.split_first_chunk::<8>()?;
    let version = head[0] >> 4;
    let (addresses, end) = Addresses::first(family, head[3], rest);
    let centiseconds = match version {
        2 => 100 * u16::from(head[5]),
        _ => u16::from_be_bytes([head[4] & 0x0f, head[5]]),
    };
    Some(Said {
        source: datagram.source,
        destination: datagram.destination,
        head: Head {
            version,
            virtual_router_id: head[1],
            priority: head[2],
            auth_type: head[4],
            hop_limit: datagram.hop_limit,
            centiseconds,
        },
        trailing: version == 3 && addresses.len() == usize::from(head[3]) && !end.is_empty(),
        addresses,
        // Version 2 with seven addresses is longer, so that the length tells.
        carp: head[0] == 2 << 4 | ADVERTISEMENT
            && head[3] == CARP_AUTH_WORDS
            && datagram.payload.len() == CARP_LEN
            && checksum::data(datagram.payload) == !0,
    })
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use std::vec::Vec;

    use super::*;
    use crate::protocol::{Checksum, Version};
    use crate::wire::{Advert, Auth, emit_advert, group};

    fn advert(version: Version, count: u8) -> Vec<u8> {
        let advert = Advert {
            version,
            source: Ipv4Addr::new(10, 0, 0, 2).into(),
            destination: group(Family::Ipv4),
            virtual_router_id: 5,
            priority: 101,
            interval: Duration::from_secs(2),
            auth: Auth::Simple(*b"wimark12"),
            checksum: Checksum::Pseudo,
            signature: None,
            ip_id: 1,
        };
        let mut addresses = (1..=count).map(|n| IpAddr::from([192, 0, 2, n]));
        let mut buffer = [0; 256];
        let len = emit_advert(&advert, &mut addresses, &mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    #[test]
    fn both_versions_say_the_same() {
        for version in [Version::V2, Version::V3] {
            let packet = advert(version, 3);
            let said = inspect(Family::Ipv4, &packet).unwrap();
            assert_eq!(said.source, IpAddr::from([10, 0, 0, 2]));
            assert_eq!(said.destination, IpAddr::from([224, 0, 0, 18]));
            let head = said.head;
            assert_eq!((head.hop_limit, head.version), (255, version.number()));
            assert_eq!((head.virtual_router_id, head.priority), (5, 101));
            assert_eq!(head.interval(), Duration::from_secs(2));
            assert_eq!(said.addresses.len(), 3);
            assert!(!said.carp);
        }
        let packet = advert(Version::V2, 1);
        assert_eq!(inspect(Family::Ipv4, &packet).unwrap().head.auth_type, 1);
    }

    /// A count that promises more than there is, and whatever else is cut off.
    #[test]
    fn no_cut_is_read_past_its_end() {
        let whole = advert(Version::V3, 3);
        for len in 0..whole.len() {
            let mut cut = whole[..len].to_vec();
            if let Some(low) = cut.get_mut(3) {
                *low = len as u8;
            }
            let said = inspect(Family::Ipv4, &cut);
            let head = len.checked_sub(28);
            let addresses = said.map(|said| said.addresses.len());
            assert_eq!(addresses, head.map(|rest| rest / 4), "{len} bytes");
        }
        let mut more = whole;
        more[23] = 255;
        let said = inspect(Family::Ipv4, &more).unwrap();
        assert_eq!(said.addresses.len(), 3);
    }

    /// The head, and 28 bytes of counter and HMAC.
    #[test]
    fn carp_is_told_from_version_2() {
        let mut packet = advert(Version::V2, 5);
        packet.truncate(20 + CARP_LEN);
        packet[3] = packet.len() as u8;
        packet[20..28].copy_from_slice(&[0x21, 51, 1, 7, 0, 1, 0, 0]);
        let sum = !checksum::data(&packet[20..]);
        packet[26..28].copy_from_slice(&sum.to_be_bytes());
        let said = inspect(Family::Ipv4, &packet).unwrap();
        assert!(said.carp);
        assert_eq!(said.head.virtual_router_id, 51);
        packet[30] ^= 1;
        assert!(!inspect(Family::Ipv4, &packet).unwrap().carp, "damaged");
        // Seven addresses have the same fourth byte.
        let seven = advert(Version::V2, 7);
        assert!(!inspect(Family::Ipv4, &seven).unwrap().carp);
    }
}
