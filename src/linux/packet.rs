//! Packet sockets: IP packets of protocol 112 in, whole IP and ARP packets out,
//! on one interface, below the host's firewall and routing.
//!
//! The kernel writes and strips the Ethernet header. Received bytes are handed
//! on as they came; judging them is the core's.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use smena::event::Mac;
use smena::protocol::Family;

use super::netlink::message::u32_at;
use super::socket::{self, Instruction};

/// `SOL_SOCKET`, `SO_PRIORITY`, and the highest class of the default queues
/// (`TC_PRIO_CONTROL`): adverts go before data.
const SOL_SOCKET: usize = 1;
const SO_PRIORITY: usize = 12;
const PRIORITY_CONTROL: u32 = 7;
/// `PACKET_OTHERHOST` and `PACKET_OUTGOING` of `sll_pkttype`.
const OTHER_HOST: u8 = 3;
const OUTGOING: u8 = 4;
/// `ARPHRD` is not needed to send; an Ethernet address has 6 bytes.
const MAC_LENGTH: u8 = 6;
/// The protocol number of VRRP.
const VRRP: u32 = 112;

/// A packet socket, bound to one interface at a time.
///
/// The kernel lets a close wait for every processor, some 10 ms, and the first
/// bind for none. So a port whose interface is gone is kept for the next one.
pub struct Port {
    fd: OwnedFd,
    protocol: u16,
    /// The interface; 0: none.
    index: u32,
}

/// What waits in a port.
pub enum Received {
    /// A packet of so many bytes, cut to the buffer.
    Packet(usize),
    /// Something that is not for us: skip it.
    Other,
    /// Nothing, or the interface is down.
    Empty,
}

impl Port {
    /// A port on no interface yet that receives a family's protocol 112, or
    /// nothing at all: then it can only send.
    pub fn open(receives: Option<Family>) -> Result<Port, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Without a protocol it receives nothing until it is bound, so no
        // packet slips in before the filter and the interface are set.
        let fd = socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, None)?;
        if let Some(family) = receives {
            socket::attach_filter(fd.as_fd(), &filter(family))?;
        }
        // Best effort: it takes CAP_NET_ADMIN.
        let priority = PRIORITY_CONTROL.to_ne_bytes();
        let _ = socket::setsockopt(fd.as_fd(), SOL_SOCKET, SO_PRIORITY, &priority);
        Ok(Port {
            fd,
            protocol: receives.map_or(0, ethertype),
            index: 0,
        })
    }

    /// Binds it to the interface with this index.
    pub fn bind(&mut self, index: u32) -> Result<(), Errno> {
        if self.index != index {
            socket::bind(self.fd(), &address(index, self.protocol, [0; 6]))?;
            self.index = index;
        }
        Ok(())
    }

    /// Without binding it: from here on it sends on this interface, and what it
    /// receives from others does not count; 0: its interface is gone.
    pub fn aim(&mut self, index: u32) {
        self.index = index;
    }

    /// The descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Takes one packet.
    ///
    /// A frame of a VLAN on top of the interface is seen here as well, with
    /// the VLAN's index; one for another host is seen in promiscuous mode.
    pub fn receive(&self, buffer: &mut [u8]) -> Received {
        let mut sender = [0; 20];
        let Ok(length) = socket::recvfrom(self.fd(), buffer, &mut sender) else {
            // EAGAIN, or ENETDOWN once when the interface goes down; whatever
            // comes in later makes the descriptor ready again.
            return Received::Empty;
        };
        let kind = sender[10];
        if u32_at(&sender, 4) == Some(self.index) && kind != OTHER_HOST && kind != OUTGOING {
            Received::Packet(length.min(buffer.len()))
        } else {
            Received::Other
        }
    }

    /// Sends one packet to a MAC address; what is full or down refuses it.
    pub fn send(&self, bytes: &[u8], ethertype: u16, destination: Mac) -> Result<(), Errno> {
        let to = address(self.index, ethertype, destination);
        socket::sendto(self.fd(), bytes, &to)?;
        Ok(())
    }
}

/// The EtherType of a family's packets.
pub fn ethertype(family: Family) -> u16 {
    match family {
        Family::Ipv4 => 0x0800,
        Family::Ipv6 => 0x86dd,
    }
}

/// A `struct sockaddr_ll`.
fn address(index: u32, protocol: u16, mac: Mac) -> [u8; 20] {
    let [f0, f1] = AddressFamily::PACKET.as_raw().to_ne_bytes();
    let [p0, p1] = protocol.to_be_bytes();
    let [i0, i1, i2, i3] = index.to_ne_bytes();
    let [a, b, c, d, e, f] = mac;
    [
        f0, f1, p0, p1, i0, i1, i2, i3, // where it goes
        0, 0, 0, MAC_LENGTH, // kinds that only matter in what is received
        a, b, c, d, e, f, 0, 0, // room for 8 bytes of address
    ]
}

/// Passes protocol 112 only; byte 0 is the IP header's first.
fn filter(family: Family) -> [Instruction; 4] {
    let protocol_at = match family {
        Family::Ipv4 => 9,
        Family::Ipv6 => 6,
    };
    let step = |code, jump_false, operand| Instruction {
        code,
        jump_true: 0,
        jump_false,
        operand,
    };
    [
        step(0x30, 0, protocol_at), // load a byte
        step(0x15, 1, VRRP),        // skip the next one unless equal
        step(0x06, 0, u32::MAX),    // keep the whole packet
        step(0x06, 0, 0),           // drop it
    ]
}
