//! A second opinion on packets: reads adverts and spoils them, written from the
//! RFCs without a line of `src/wire`, so that the two can disagree.

use smena::protocol::{Family, Version};

use super::clock::{At, MS, SECOND};
use super::random::Random;

/// What an advert says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    pub version: Version,
    pub id: u8,
    pub priority: u8,
    pub interval: At,
    /// The source address; IPv4 in the last four bytes.
    pub source: u128,
}

/// Reads an IP packet as RFC 3768 section 7.1 and RFC 9568 section 7.1 ask;
/// `None`: no router may act on it, whatever its configuration.
pub fn read(family: Family, packet: &[u8]) -> Option<Said> {
    let (source, pseudo, pdu) = match family {
        Family::Ipv4 => {
            let header = 4 * usize::from(packet.first()? & 15);
            let total = usize::from(word(packet, 2)?);
            let proper = packet[0] >> 4 == 4 && header >= 20 && total >= header;
            if !proper || sum(packet.get(..header)?, 0) != 0xffff {
                return None;
            }
            if packet[8] != 255 || packet[9] != 112 || word(packet, 6)? & 0x3fff != 0 {
                return None;
            }
            let source = u32::from_be_bytes(packet[12..16].try_into().ok()?);
            (
                u128::from(source),
                &packet[12..20],
                packet.get(header..total)?,
            )
        }
        Family::Ipv6 => {
            let length = usize::from(word(packet, 4)?);
            let proper = packet[0] >> 4 == 6 && packet.len() >= 40 + length;
            // keepalived sends to IPv6 peers with whatever hop limit.
            let forwarded = packet.get(7) != Some(&255) && packet.get(24) == Some(&0xff);
            if !proper || packet[6] != 112 || forwarded {
                return None;
            }
            let source = u128::from_be_bytes(packet[8..24].try_into().ok()?);
            (source, &packet[8..40], &packet[40..40 + length])
        }
    };
    if pdu.len() < 8 || pdu[0] & 15 != 1 || pdu[3] == 0 {
        return None;
    }
    let (version, tail) = match pdu[0] >> 4 {
        2 if family == Family::Ipv4 => (Version::V2, 8),
        3 => (Version::V3, 0),
        _ => return None,
    };
    let size = if family == Family::Ipv4 { 4 } else { 16 };
    let end = 8 + size * usize::from(pdu[3]) + tail;
    let signed = version == Version::V3 && pdu.len() == end + TRAILER;
    if pdu.len() != end && !signed {
        return None;
    }
    // Over IPv4 the trailer of keepalived's signatures is not summed.
    let pdu = match signed && family == Family::Ipv4 {
        true => &pdu[..end],
        false => pdu,
    };
    let plain = sum(pdu, 0) == 0xffff && family == Family::Ipv4;
    let with_pseudo = sum(pdu, pseudo_sum(pseudo, pdu.len())) == 0xffff && version == Version::V3;
    let interval = match version {
        Version::V2 => u64::from(pdu[5]) * SECOND,
        Version::V3 => u64::from(word(pdu, 4)? & 0x0fff) * 10 * MS,
    };
    (plain || with_pseudo).then_some(Said {
        version,
        id: pdu[1],
        priority: pdu[2],
        interval,
        source,
    })
}

/// The bytes of keepalived's signature behind an advert of version 3.
const TRAILER: usize = 28;

/// Where an advert begins and ends in a packet, without padding.
fn bounds(family: Family, packet: &[u8]) -> Option<(usize, usize)> {
    let bounds = match family {
        Family::Ipv4 => (20, usize::from(word(packet, 2)?)),
        Family::Ipv6 => (40, 40 + usize::from(word(packet, 4)?)),
    };
    (packet.len() >= bounds.1 && bounds.1 >= bounds.0 + 8).then_some(bounds)
}

/// The stamp of a signed advert.
pub fn stamp(family: Family, packet: &[u8]) -> Option<u64> {
    let (start, end) = bounds(family, packet)?;
    let size = if family == Family::Ipv4 { 4 } else { 16 };
    let listed = 8 + size * usize::from(packet[start + 3]);
    let signed = packet[start] >> 4 == 3 && end == start + listed + TRAILER;
    let stamp = &packet[..end][end.checked_sub(TRAILER - 4)?..];
    signed.then(|| u64::from_be_bytes(stamp[..8].try_into().expect("eight of them")))
}

/// Whether two packets are the same but for their padding, and for what nobody
/// protects in IPv6: the traffic class and the flow label.
pub fn same(family: Family, one: &[u8], other: &[u8]) -> bool {
    let (Some((_, end)), Some(bounds)) = (bounds(family, one), bounds(family, other)) else {
        return false;
    };
    let skip = if family == Family::Ipv4 { 0 } else { 4 };
    // Nor the hop limit of what is for one peer.
    let mut other = other.to_vec();
    if family == Family::Ipv6 && one[24] != 0xff {
        other[7] = one[7];
    }
    end == bounds.1 && one[0] >> 4 == other[0] >> 4 && one[skip..end] == other[skip..end]
}

/// Damage that a cable or a bad switch does.
pub fn damage(random: &mut Random, packet: &mut Vec<u8>) {
    match random.below(5) {
        0 => packet.truncate(random.below(packet.len() as u64) as usize),
        1 => packet.extend((0..random.between(1, 64)).map(|n| n as u8)),
        2 => packet
            .iter_mut()
            .for_each(|byte| *byte = random.next() as u8),
        _ => {
            for _ in 0..random.between(1, 4) {
                let bit = random.below(8 * packet.len() as u64) as usize;
                packet[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}

/// A well-formed advert by somebody whose configuration is wrong: one field is
/// another and all sums are right again. No router of ours may act on it.
pub fn forge(random: &mut Random, family: Family, packet: &mut Vec<u8>) {
    let start = if family == Family::Ipv4 { 20 } else { 40 };
    let v4 = family == Family::Ipv4;
    // Without the padding of its frame, which belongs to no checksum.
    let length = word(packet, if v4 { 2 } else { 4 }).map_or(0, usize::from);
    packet.truncate(if v4 { length } else { 40 + length });
    let v2 = packet[start] >> 4 == 2;
    let password = start + 9 + 4 * usize::from(packet[start + 3]);
    match random.below(11) {
        0 if v4 || packet[24] == 0xff => {
            packet[if v4 { 8 } else { 7 }] = random.pick(&[1, 64, 254])
        }
        1 => packet[start] = random.pick(&[0x11, 0x41, 0xf1]),
        2 => packet[start + 1] = random.pick(&[0, 201, 255]),
        3 => packet[start] = packet[start] & 0xf0 | random.pick(&[0, 2, 15]),
        // Version 2 must agree on the interval; in 3 only 0 is wrong.
        4 if v2 => packet[start + 5] = packet[start + 5].wrapping_add(1),
        4 => (packet[start + 4], packet[start + 5]) = (0, 0),
        // Another password, or one where none is wanted.
        5 if v2 && packet[start + 4] == 1 => packet[password] ^= 1,
        5 if v2 => packet[start + 4] = 1,
        6 if v2 => packet[start + 4] = random.pick(&[2, 3, 255]),
        // A fragment; to another group; from a group.
        7 if v4 => packet[6] |= 0x20,
        // Not the last byte of a peer's address, which may make another peer's.
        8 if v4 && packet[16] != 224 => packet[17] ^= 1,
        8 if !v4 && packet[24] != 0xff => packet[25] ^= 1,
        8 => packet[if v4 { 19 } else { 39 }] ^= 1,
        9 => packet[if v4 { 12 } else { 8 }] = if v4 { 224 } else { 0xff },
        _ => packet[start + 3] = packet[start + 3].wrapping_add(1),
    }
    seal(family, start, packet);
}

/// A perfect advert by somebody who should not send any: another source, and
/// whatever priority does most harm.
pub fn spoof(random: &mut Random, family: Family, packet: &mut Vec<u8>) {
    let v4 = family == Family::Ipv4;
    let start = if v4 { 20 } else { 40 };
    let length = word(packet, if v4 { 2 } else { 4 }).map_or(0, usize::from);
    packet.truncate(if v4 { length } else { 40 + length });
    packet[start + 2] = random.pick(&[0, 0, 1, 100, 101, 254, 255]);
    // Neither above nor below the nodes' own numbers, and no node's own.
    packet[if v4 { 15 } else { 23 }] = random.pick(&[5, 250]);
    if packet[start] >> 4 == 3 && random.chance(200) {
        (packet[start + 4], packet[start + 5]) = random.pick(&[(0, 1), (0, 100), (0, 250)]);
    }
    seal(family, start, packet);
}

/// Computes both checksums again.
fn seal(family: Family, start: usize, packet: &mut [u8]) {
    let signed = stamp(family, packet).is_some() && family == Family::Ipv4;
    let end = packet.len() - if signed { TRAILER } else { 0 };
    let pseudo = match family {
        Family::Ipv4 => {
            packet[10..12].fill(0);
            let header = !sum(&packet[..start], 0);
            packet[10..12].copy_from_slice(&header.to_be_bytes());
            pseudo_sum(&packet[12..20], end - start)
        }
        Family::Ipv6 => pseudo_sum(&packet[8..40], packet.len() - start),
    };
    let pseudo = if packet[start] >> 4 == 3 { pseudo } else { 0 };
    packet[start + 6..start + 8].fill(0);
    let pdu = !sum(&packet[start..end], pseudo);
    packet[start + 6..start + 8].copy_from_slice(&pdu.to_be_bytes());
}

/// RFC 1071, starting from `so_far`.
fn sum(bytes: &[u8], so_far: u32) -> u16 {
    let mut total = so_far;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        total += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

fn pseudo_sum(addresses: &[u8], length: usize) -> u32 {
    u32::from(sum(addresses, 0)) + 112 + length as u32
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}
