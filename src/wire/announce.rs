//! Telling the link where an address is now: gratuitous ARP and unsolicited
//! neighbour advertisements; and asking who else has it: probes, and what is
//! answered to them. How often and when is the router's to decide.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smoltcp::wire::checksum;

use super::{ALL_NODES, BROADCAST_MAC, ip};

/// The bytes of an ARP packet for IPv4 over Ethernet.
pub const ARP_LEN: usize = 28;

const ICMPV6: u8 = 58;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
/// The option that carries the sender's MAC: its type, and its length in units
/// of 8 bytes (RFC 4861 section 4.6.1).
const TARGET_LINK_LAYER_ADDRESS: [u8; 2] = [2, 1];

/// Writes the payload of a gratuitous ARP frame (ethertype 0x0806) and returns
/// its length. It is a request, as RFC 9568 section 6.4.1 asks for, with the
/// target hardware address that keepalived uses. `None`: the buffer is too small.
pub fn emit_arp(mac: [u8; 6], address: Ipv4Addr, buffer: &mut [u8]) -> Option<usize> {
    let arp = buffer.first_chunk_mut::<ARP_LEN>()?;
    // Ethernet, IPv4, their address lengths, request.
    arp[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
    arp[8..14].copy_from_slice(&mac);
    arp[14..18].copy_from_slice(&address.octets());
    arp[18..24].copy_from_slice(&BROADCAST_MAC);
    arp[24..].copy_from_slice(&address.octets());
    Some(ARP_LEN)
}

/// Writes a whole IPv6 packet, an unsolicited neighbour advertisement of
/// `address` to all nodes, and returns its length. `router`: this node forwards
/// packets; hosts that lose the flag drop it from their default routers. `None`:
/// the buffer is too small.
pub fn emit_neighbor_advertisement(
    mac: [u8; 6],
    address: Ipv6Addr,
    router: bool,
    buffer: &mut [u8],
) -> Option<usize> {
    const HEADER: usize = 40;
    let packet = buffer.first_chunk_mut::<{ HEADER + 32 }>()?;
    let source = address.octets();
    ip::emit_v6(0, ICMPV6, source, ALL_NODES.octets(), packet)?;
    let message = packet.last_chunk_mut::<32>()?;
    let flags = OVERRIDE | if router { ROUTER } else { 0 };
    message[..8].copy_from_slice(&[NEIGHBOR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0]);
    message[8..24].copy_from_slice(&source);
    message[24..26].copy_from_slice(&TARGET_LINK_LAYER_ADDRESS);
    message[26..].copy_from_slice(&mac);
    let pseudo = ip::pseudo_sum(address.into(), ALL_NODES.into(), ICMPV6, message.len());
    let sum = !checksum::combine(&[checksum::data(message), pseudo]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Some(packet.len())
}

/// Writes the payload of an ARP probe: a request that asks for `address` and
/// claims none (RFC 5227 section 1.1), so that it moves nobody's cache. `None`:
/// the buffer is too small.
pub fn emit_arp_probe(mac: [u8; 6], address: Ipv4Addr, buffer: &mut [u8]) -> Option<usize> {
    let length = emit_arp(mac, address, buffer)?;
    buffer.get_mut(14..24)?.fill(0);
    Some(length)
}

/// Writes a whole IPv6 packet, a neighbour solicitation from no address, as a
/// host asks before it takes one (RFC 4862 section 5.4.2), and returns its length
/// and the link-layer address that it goes to. `None`: the buffer is too small.
pub fn emit_neighbor_probe(address: Ipv6Addr, buffer: &mut [u8]) -> Option<(usize, [u8; 6])> {
    const HEADER: usize = 40;
    let packet = buffer.first_chunk_mut::<{ HEADER + 24 }>()?;
    let target = address.octets();
    let [a, b, c] = *target.last_chunk::<3>()?;
    // The solicited-node group (RFC 4291 section 2.7.1).
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c];
    ip::emit_v6(0, ICMPV6, [0; 16], group, packet)?;
    let message = packet.last_chunk_mut::<24>()?;
    message[..8].copy_from_slice(&[NEIGHBOR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0]);
    message[8..].copy_from_slice(&target);
    let (from, to) = (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::from(group).into());
    let pseudo = ip::pseudo_sum(from, to, ICMPV6, message.len());
    let sum = !checksum::combine(&[checksum::data(message), pseudo]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Some((packet.len(), [0x33, 0x33, 0xff, a, b, c]))
}

/// Who says to have which address: the payload of an ARP frame, or an ICMPv6
/// message that is a neighbour advertisement with a link-layer address.
pub fn read_claim(message: &[u8]) -> Option<(IpAddr, [u8; 6])> {
    if let Some(arp) = message.first_chunk::<ARP_LEN>()
        && arp.starts_with(&[0, 1, 8, 0, 6, 4])
    {
        let address = Ipv4Addr::from(*arp.get(14..)?.first_chunk::<4>()?);
        let mac = arp.get(8..)?.first_chunk::<6>()?;
        return (!address.is_unspecified()).then_some((address.into(), *mac));
    }
    let (head, options) = message.split_first_chunk::<24>()?;
    let target = head.last_chunk::<16>()?;
    let mut options = options.chunks_exact(8);
    let link = options.find(|option| option.starts_with(&TARGET_LINK_LAYER_ADDRESS))?;
    let told = head[0] == NEIGHBOR_ADVERTISEMENT;
    told.then_some((IpAddr::from(*target), *link.last_chunk::<6>()?))
}

#[cfg(test)]
mod tests {
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        ArpOperation, ArpPacket, ArpRepr, EthernetAddress, Icmpv6Packet, Icmpv6Repr, Ipv6Packet,
        NdiscNeighborFlags, NdiscRepr,
    };

    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x0a];

    /// B.1: a request with sender and target protocol address equal, as smoltcp reads it.
    #[test]
    fn arp_layout() {
        let address = Ipv4Addr::new(10, 0, 0, 100);
        let mut buffer = [0xaa; 40];
        assert_eq!(emit_arp(MAC, address, &mut buffer), Some(28));
        let packet = ArpPacket::new_checked(&buffer[..28]).unwrap();
        let expected = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: EthernetAddress(MAC),
            source_protocol_addr: address,
            target_hardware_addr: EthernetAddress::BROADCAST,
            target_protocol_addr: address,
        };
        assert_eq!(ArpRepr::parse(&packet), Ok(expected));
        assert_eq!(emit_arp(MAC, address, &mut buffer[..27]), None);
    }

    /// A probe claims nothing, and what answers it is read as what it says.
    #[test]
    fn probes_and_their_answers() {
        let address = Ipv4Addr::new(10, 0, 0, 100);
        let mut buffer = [0xaa; 80];
        assert_eq!(emit_arp_probe(MAC, address, &mut buffer), Some(28));
        let packet = ArpPacket::new_checked(&buffer[..28]).unwrap();
        let expected = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: EthernetAddress(MAC),
            source_protocol_addr: Ipv4Addr::UNSPECIFIED,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: address,
        };
        assert_eq!(ArpRepr::parse(&packet), Ok(expected));
        assert_eq!(read_claim(&buffer[..28]), None, "it claims nothing");
        emit_arp(MAC, address, &mut buffer).unwrap();
        let claim = Some((IpAddr::V4(address), MAC));
        assert_eq!(read_claim(&buffer[..60]), claim, "padding behind it");

        let v6 = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0x12, 0x3456);
        let sent = emit_neighbor_probe(v6, &mut buffer);
        assert_eq!(sent, Some((64, [0x33, 0x33, 0xff, 0x12, 0x34, 0x56])));
        let ip = Ipv6Packet::new_checked(&buffer[..64]).unwrap();
        assert_eq!((ip.hop_limit(), ip.payload_len()), (255, 24));
        let (from, to) = (ip.src_addr(), ip.dst_addr());
        assert_eq!(from, Ipv6Addr::UNSPECIFIED);
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff12, 0x3456);
        assert_eq!(to, group);
        let message = Icmpv6Packet::new_checked(ip.payload()).unwrap();
        let all = ChecksumCapabilities::default();
        let read = Icmpv6Repr::parse(&from, &to, &message, &all).unwrap();
        let expected = NdiscRepr::NeighborSolicit {
            target_addr: v6,
            lladdr: None,
        };
        assert_eq!(read, Icmpv6Repr::Ndisc(expected));
        assert_eq!(read_claim(&buffer[40..64]), None);
        emit_neighbor_advertisement(MAC, v6, false, &mut buffer).unwrap();
        assert_eq!(read_claim(&buffer[40..72]), Some((IpAddr::V6(v6), MAC)));
        for cut in 0..32 {
            assert_eq!(read_claim(&buffer[40..40 + cut]), None, "{cut} bytes");
        }
    }

    /// B.1, 65, 66: flags, option, hop limit and checksum, as smoltcp reads them.
    #[test]
    fn neighbor_advertisement_layout() {
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
        for (router, flags) in [
            (false, NdiscNeighborFlags::OVERRIDE),
            (
                true,
                NdiscNeighborFlags::OVERRIDE | NdiscNeighborFlags::ROUTER,
            ),
        ] {
            let mut buffer = [0xaa; 72];
            let len = emit_neighbor_advertisement(MAC, address, router, &mut buffer);
            assert_eq!(len, Some(72));
            let ip = Ipv6Packet::new_checked(&buffer[..]).unwrap();
            assert_eq!(
                (ip.version(), ip.hop_limit(), ip.payload_len()),
                (6, 255, 32)
            );
            assert_eq!((ip.src_addr(), ip.dst_addr()), (address, ALL_NODES));
            let message = Icmpv6Packet::new_checked(ip.payload()).unwrap();
            let all = ChecksumCapabilities::default();
            let read = Icmpv6Repr::parse(&address, &ALL_NODES, &message, &all).unwrap();
            let expected = NdiscRepr::NeighborAdvert {
                flags,
                target_addr: address,
                lladdr: Some(EthernetAddress(MAC).into()),
            };
            assert_eq!(read, Icmpv6Repr::Ndisc(expected));
            let short = &mut buffer[..71];
            assert_eq!(
                emit_neighbor_advertisement(MAC, address, router, short),
                None
            );
        }
    }
}
