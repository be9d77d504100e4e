//! What an acceptable advert is, written a second time and as plainly as
//! possible, so that the receiver has something to differ from.

use std::net::{Ipv4Addr, Ipv6Addr};

use smena::Duration;
use smena::protocol::{Family, Version};
use smena::wire::{Auth, Expectation};

/// The internet checksum's sum over `parts`, each of even length but the last.
pub fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u64;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
        }
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// Whether a router that wants `router` and has the id 51 accepts the packet.
pub fn accepts(family: Family, packet: &[u8], router: Expectation<'_>) -> bool {
    match family {
        Family::Ipv4 => accepts_v4(packet, router),
        Family::Ipv6 => accepts_v6(packet, router),
    }
}

fn accepts_v4(packet: &[u8], router: Expectation<'_>) -> bool {
    if packet.len() < 20 || packet[0] >> 4 != 4 {
        return false;
    }
    let header = usize::from(packet[0] & 15) * 4;
    let total = usize::from(packet[2]) << 8 | usize::from(packet[3]);
    if header < 20 || total < header || packet.len() < total {
        return false;
    }
    let source = Ipv4Addr::new(packet[12], packet[13], packet[14], packet[15]);
    let (pdu, length) = (&packet[header..total], (total - header) as u16);
    let pseudo = [0, 112, (length >> 8) as u8, length as u8];
    sum(&[&packet[..header]]) == 0xffff
        && packet[6] & 0x3f == 0
        && packet[7] == 0
        && packet[8] == 255
        && packet[9] == 112
        && packet[16..20] == [224, 0, 0, 18]
        && !(source.is_multicast() || source.is_loopback())
        && !(source.is_broadcast() || source.is_unspecified())
        && (sum(&[pdu]) == 0xffff
            || router.version == Version::V3 && sum(&[&packet[12..20], &pseudo, pdu]) == 0xffff)
        && accepts_pdu(pdu, 4, router)
}

fn accepts_v6(packet: &[u8], router: Expectation<'_>) -> bool {
    if packet.len() < 40 || packet[0] >> 4 != 6 {
        return false;
    }
    let length = usize::from(packet[4]) << 8 | usize::from(packet[5]);
    if packet.len() < 40 + length {
        return false;
    }
    let pdu = &packet[40..40 + length];
    let group: Ipv6Addr = "ff02::12".parse().unwrap();
    packet[6] == 112
        && packet[7] == 255
        && packet[8] == 0xfe
        && packet[9] & 0xc0 == 0x80
        && packet[24..40] == group.octets()
        && sum(&[&packet[8..40], &packet[4..6], &[0, 112], pdu]) == 0xffff
        && router.version == Version::V3
        && accepts_pdu(pdu, 16, router)
}

fn accepts_pdu(pdu: &[u8], address_len: usize, router: Expectation<'_>) -> bool {
    if pdu.len() < 8 || pdu[1] != 51 || (pdu[3] == 0 && !router.no_addresses) {
        return false;
    }
    let listed = 8 + usize::from(pdu[3]) * address_len;
    match router.version {
        Version::V2 => {
            pdu[0] == 0x21
                && pdu.len() == listed + 8
                && pdu[5] > 0
                && Duration::from_secs(pdu[5].into()) == router.interval
                && match router.auth {
                    Auth::None => pdu[4] == 0,
                    Auth::Simple(password) => pdu[4] == 1 && pdu[listed..] == password,
                }
        }
        Version::V3 => pdu[0] == 0x31 && pdu.len() == listed && (pdu[4] & 15 > 0 || pdu[5] > 0),
    }
}
