//! Raw sockets of protocol 112, for adverts to peers: the kernel finds the way
//! and the neighbour's MAC. Nothing is received by them; that they are there
//! keeps the kernel from telling peers that nobody understands their adverts.

use core::net::IpAddr;

use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};

use smena::protocol::Family;

use super::arch::option::{SO_SNDBUF, SO_SNDBUFFORCE, SOL_SOCKET};
use super::socket::{self, Instruction};

const SO_PRIORITY: usize = 12;
const SO_BINDTODEVICE: usize = 25;
const PRIORITY_CONTROL: u32 = 7;
/// `IPPROTO_IP` and `IP_HDRINCL`, `IPPROTO_IPV6` and `IPV6_HDRINCL`: the packet
/// brings its header.
const HEADER_INCLUDED: [(usize, usize); 2] = [(0, 3), (41, 36)];
const VRRP: u32 = 112;
/// What waits for the MAC of a neighbour that does not answer counts until the
/// kernel gives it up: some 200 KB each. It must not use up the others' share.
const SEND_BUFFER: u32 = 4 << 20;

/// A raw socket on one interface.
pub struct Raw(OwnedFd);

impl Raw {
    /// A socket for one family on the interface of this name.
    pub fn open(family: Family, interface: &str) -> Result<Raw, Errno> {
        let (domain, side) = match family {
            Family::Ipv4 => (AddressFamily::INET, 0),
            Family::Ipv6 => (AddressFamily::INET6, 1),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let protocol = core::num::NonZeroU32::new(VRRP).map(Protocol::from_raw);
        let fd = socket_with(domain, SocketType::RAW, flags, protocol)?;
        let drop_all = Instruction {
            code: 0x06,
            jump_true: 0,
            jump_false: 0,
            operand: 0,
        };
        socket::attach_filter(fd.as_fd(), &[drop_all])?;
        let set = |level, name, value: &[u8]| socket::setsockopt(fd.as_fd(), level, name, value);
        set(SOL_SOCKET, SO_BINDTODEVICE, interface.as_bytes())?;
        let (level, name) = HEADER_INCLUDED[side];
        set(level, name, &1_u32.to_ne_bytes())?;
        // Best effort: more than the system's limit takes CAP_NET_ADMIN.
        let buffer = SEND_BUFFER.to_ne_bytes();
        if set(SOL_SOCKET, SO_SNDBUFFORCE, &buffer).is_err() {
            let _ = set(SOL_SOCKET, SO_SNDBUF, &buffer);
        }
        let _ = set(SOL_SOCKET, SO_PRIORITY, &PRIORITY_CONTROL.to_ne_bytes());
        Ok(Raw(fd))
    }

    /// Sends one packet, header included, to an address on or behind the
    /// interface with this index; never waits.
    pub fn send(&self, bytes: &[u8], to: IpAddr, index: u32) -> Result<(), Errno> {
        // `struct sockaddr_in` is the beginning of what is filled in here of
        // `struct sockaddr_in6`, but for the place of the address.
        let mut address = [0; 28];
        let domain = match to {
            IpAddr::V4(to) => {
                address[4..8].copy_from_slice(&to.octets());
                AddressFamily::INET
            }
            IpAddr::V6(to) => {
                address[8..24].copy_from_slice(&to.octets());
                address[24..].copy_from_slice(&index.to_ne_bytes());
                AddressFamily::INET6
            }
        };
        address[..2].copy_from_slice(&domain.as_raw().to_ne_bytes());
        let length = if to.is_ipv4() { 16 } else { address.len() };
        socket::sendto(self.0.as_fd(), bytes, address.get(..length).unwrap_or(&[]))?;
        Ok(())
    }
}
