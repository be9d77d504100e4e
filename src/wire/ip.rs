//! The IP headers around an advert: where the payload begins and ends, and
//! which header fields the checks look at. It judges nothing but whether the
//! header can be read.

use core::net::IpAddr;

use smoltcp::wire::{IpProtocol, Ipv4Packet, Ipv6Packet, checksum};

use super::{PROTOCOL, TTL};
use crate::protocol::Family;

/// The next header number of an IPv6 fragment (RFC 8200 section 4.5).
const IPV6_FRAGMENT: u8 = 44;
/// Internetwork control, DSCP CS6: how keepalived marks adverts, and what
/// switches that honour marks send first.
const TRAFFIC_CLASS: u8 = 0xc0;

/// What the bytes of a packet turned out to be.
pub(super) enum Read<'p> {
    /// Another protocol.
    NotVrrp,
    /// No header, or one whose lengths contradict the bytes that are there.
    Broken,
    /// VRRP, with a header that has all its fields.
    Datagram(Datagram<'p>),
}

/// The header of a packet, and its payload without link-layer padding.
pub(super) struct Datagram<'p> {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub hop_limit: u8,
    /// The header has the right version and, in IPv4, the right checksum.
    pub intact: bool,
    /// A piece of a packet; its payload is empty here.
    pub fragment: bool,
    pub payload: &'p [u8],
}

/// Reads a packet from its IP header on.
pub(super) fn read(family: Family, packet: &[u8]) -> Read<'_> {
    match family {
        Family::Ipv4 => read_v4(packet),
        Family::Ipv6 => read_v6(packet),
    }
}

#[inline(never)]
fn read_v4(packet: &[u8]) -> Read<'_> {
    if packet.get(9).is_some_and(|&protocol| protocol != PROTOCOL) {
        return Read::NotVrrp;
    }
    let Ok(ip) = Ipv4Packet::new_checked(packet) else {
        return Read::Broken;
    };
    let fragment = ip.more_frags() || ip.frag_offset() != 0;
    Read::Datagram(Datagram {
        source: ip.src_addr().into(),
        destination: ip.dst_addr().into(),
        hop_limit: ip.hop_limit(),
        intact: ip.version() == 4 && ip.verify_checksum(),
        fragment,
        payload: if fragment { &[] } else { ip.payload() },
    })
}

fn read_v6(packet: &[u8]) -> Read<'_> {
    // RFC 9568 knows no extension headers. A fragment is named as such where its
    // own next header, the first byte of its payload, is VRRP.
    let fragment = packet.get(6) == Some(&IPV6_FRAGMENT) && packet.get(40) == Some(&PROTOCOL);
    if !fragment && packet.get(6).is_some_and(|&next| next != PROTOCOL) {
        return Read::NotVrrp;
    }
    let Ok(ip) = Ipv6Packet::new_checked(packet) else {
        return Read::Broken;
    };
    Read::Datagram(Datagram {
        source: ip.src_addr().into(),
        destination: ip.dst_addr().into(),
        hop_limit: ip.hop_limit(),
        intact: ip.version() == 6,
        fragment,
        payload: if fragment { &[] } else { ip.payload() },
    })
}

/// The bytes that [`emit`] puts in front of the payload.
pub(super) const fn header_len(family: Family) -> usize {
    match family {
        Family::Ipv4 => 20,
        Family::Ipv6 => 40,
    }
}

/// Writes the header of an advert into the beginning of `packet`, which is the
/// whole packet. `None`: it is too short or too long, or the families differ.
pub(super) fn emit(source: IpAddr, destination: IpAddr, id: u16, packet: &mut [u8]) -> Option<()> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let len = u16::try_from(packet.len()).ok()?.to_be_bytes();
            let id = id.to_be_bytes();
            let header = packet.first_chunk_mut::<20>()?;
            // Flags and offset are zero: "don't fragment" stays off.
            *header = [0; 20];
            header[..10].copy_from_slice(&[
                0x45,
                TRAFFIC_CLASS,
                len[0],
                len[1],
                id[0],
                id[1],
                0,
                0,
                TTL,
                PROTOCOL,
            ]);
            header[12..16].copy_from_slice(&source.octets());
            header[16..].copy_from_slice(&destination.octets());
            let sum = !checksum::data(header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            emit_v6(
                TRAFFIC_CLASS,
                PROTOCOL,
                source.octets(),
                destination.octets(),
                packet,
            )?;
        }
        _ => return None,
    }
    Some(())
}

/// Writes an IPv6 header with hop limit 255 into the beginning of `packet`,
/// which is the whole packet.
pub(super) fn emit_v6(
    traffic_class: u8,
    next_header: u8,
    source: [u8; 16],
    destination: [u8; 16],
    packet: &mut [u8],
) -> Option<()> {
    let len = u16::try_from(packet.len().checked_sub(40)?)
        .ok()?
        .to_be_bytes();
    let header = packet.first_chunk_mut::<40>()?;
    header[..8].copy_from_slice(&[
        0x60 | traffic_class >> 4,
        traffic_class << 4,
        0,
        0,
        len[0],
        len[1],
        next_header,
        TTL,
    ]);
    header[8..24].copy_from_slice(&source);
    header[24..].copy_from_slice(&destination);
    Some(())
}

/// The one's complement sum of the pseudo-header (RFC 8200 section 8.1, and the
/// same in IPv4's form), not complemented. Zero when the families differ.
pub(super) fn pseudo_sum(source: IpAddr, destination: IpAddr, protocol: u8, len: usize) -> u16 {
    let protocol = IpProtocol::from(protocol);
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            checksum::pseudo_header_v4(&source, &destination, protocol, len as u32)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            checksum::pseudo_header_v6(&source, &destination, protocol, len as u32)
        }
        _ => 0,
    }
}
