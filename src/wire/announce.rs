//! Telling the link where an address is now: gratuitous ARP and unsolicited
//! neighbour advertisements. It only writes; how often and when is the
//! router's to decide.

use core::net::{Ipv4Addr, Ipv6Addr};

use smoltcp::wire::checksum;

use super::{ALL_NODES, BROADCAST_MAC, ip};

/// The bytes of an ARP packet for IPv4 over Ethernet.
pub const ARP_LEN: usize = 28;

const ICMPV6: u8 = 58;
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
