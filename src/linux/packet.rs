//! Packet sockets: IP packets of protocol 112 in, whole IP and ARP packets out,
//! on one interface, below the host's firewall and routing.
//!
//! The kernel writes and strips the Ethernet header. Received bytes are handed
//! on as they came; judging them is the core's.

use heapless::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use smena::board;
use smena::event::Mac;
use smena::node::SAMPLE;
use smena::protocol::Family;
use smena::wire;

use super::arch::option::SOL_SOCKET;
use super::netlink::message::u32_at;
use super::socket::{self, Instruction};

/// The highest class of the default queues (`TC_PRIO_CONTROL`): adverts go
/// before data.
const SO_PRIORITY: usize = 12;
const PRIORITY_CONTROL: u32 = 7;
/// `PACKET_OTHERHOST` and `PACKET_OUTGOING` of `sll_pkttype`.
const OTHER_HOST: u8 = 3;
const OUTGOING: u8 = 4;
/// `ARPHRD` is not needed to send; an Ethernet address has 6 bytes.
const MAC_LENGTH: u8 = 6;
/// The protocol number of VRRP.
const VRRP: u32 = 112;

/// Our own ids, and the TTL that their packets have, where it is one.
pub type Own<'a> = (&'a mut dyn Iterator<Item = u8>, Option<u8>);

/// A filter: two instructions for each id, and some.
type Program = Vec<Instruction, { 2 * board::ROUTERS_MAX + 14 }>;

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
            socket::attach_filter(fd.as_fd(), &program(family, None))?;
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

    /// A port that sends frames with any source, and receives nothing.
    pub fn open_raw() -> Result<Port, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(Port {
            fd: socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?,
            protocol: 0,
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

    /// Lets everything of protocol 112 in, or only these ids and a sample.
    pub fn filter(&self, family: Family, own: Option<Own<'_>>) -> Result<(), Errno> {
        socket::attach_filter(self.fd(), &program(family, own))
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

impl Port {
    /// Sends one packet of ours from a MAC address; only for a raw port.
    pub fn send_as(
        &self,
        source: Mac,
        bytes: &[u8],
        ethertype: u16,
        destination: Mac,
    ) -> Result<(), Errno> {
        const HEADER: usize = 14;
        let mut frame = [0; HEADER + wire::PACKET_MAX];
        let (header, body) = frame.split_at_mut(HEADER);
        header[..6].copy_from_slice(&destination);
        header[6..12].copy_from_slice(&source);
        header[12..].copy_from_slice(&ethertype.to_be_bytes());
        let Some(body) = body.get_mut(..bytes.len()) else {
            return Err(Errno::MSGSIZE);
        };
        body.copy_from_slice(bytes);
        let frame = frame.get(..HEADER + bytes.len()).unwrap_or_default();
        self.send(frame, ethertype, destination)
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
pub fn address(index: u32, protocol: u16, mac: Mac) -> [u8; 20] {
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

/// A classic BPF program, whose byte 0 is the IP header's first. It passes
/// protocol 112 only; with `own`, only those ids with that TTL, and one in [`SAMPLE`]
/// of all others.
fn program(family: Family, own: Option<Own<'_>>) -> Program {
    /// The rest is dropped, or taken whole.
    const DROP: Instruction = step(0x06, 0, 0, 0);
    const TAKE: Instruction = step(0x06, 0, 0, u32::MAX);
    /// Where a loaded word is a random number.
    const RANDOM: u32 = 0xffff_f000 + 56;
    let (protocol_at, ttl_at, id_at) = match family {
        Family::Ipv4 => (9, 8, 1),
        Family::Ipv6 => (6, 7, 40 + 1),
    };
    let mut program = Program::new();
    let mut add = |steps: &[Instruction]| {
        let fits = program.extend_from_slice(steps).is_ok();
        assert!(fits, "a filter has room for every router");
    };
    add(&[load(protocol_at), equal(VRRP, 1, 0), DROP]);
    if let Some((ids, ttl)) = own {
        let header = match family {
            Family::Ipv4 => step(0xb1, 0, 0, 0), // its length into the index
            Family::Ipv6 => step(0x01, 0, 0, 0), // 0 into the index
        };
        if let Some(ttl) = ttl {
            add(&[
                load(ttl_at),
                equal(ttl.into(), 2, 0),
                step(0x00, 0, 0, 0), // load 0, which is nobody's id
                step(0x05, 0, 0, 2), // skip two
            ]);
        }
        // Load a byte behind the index.
        add(&[header, step(0x50, 0, 0, id_at)]);
        for id in ids {
            add(&[equal(id.into(), 0, 1), TAKE]);
        }
        add(&[
            step(0x20, 0, 0, RANDOM),     // load a word
            step(0x54, 0, 0, SAMPLE - 1), // its last bits
            equal(0, 1, 0),
            DROP,
        ]);
    }
    add(&[TAKE]);
    program
}

/// Load the byte at.
const fn load(at: u32) -> Instruction {
    step(0x30, 0, 0, at)
}

/// Skip so many steps when what was loaded is equal, and when it is not.
const fn equal(to: u32, jump_true: u8, jump_false: u8) -> Instruction {
    step(0x15, jump_true, jump_false, to)
}

const fn step(code: u16, jump_true: u8, jump_false: u8, operand: u32) -> Instruction {
    Instruction {
        code,
        jump_true,
        jump_false,
        operand,
    }
}
