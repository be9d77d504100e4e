//! rtnetlink: links and addresses, asked for, changed and watched.
//!
//! The kernel works on a request inside the call that sends it, so its answer
//! is there at once and nothing waits: every socket is non-blocking. Messages
//! that another process sent are dropped. Nothing here allocates or decides.

pub mod meaning;
pub mod message;

use core::net::{IpAddr, Ipv4Addr};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use smena::config::Address;
use smena::event::{Link, Mac};
use smena::protocol::Family;

use super::socket;
use meaning as rt;
use message::Request;

/// `SOL_NETLINK`.
const SOL_NETLINK: usize = 270;
/// `NETLINK_CAP_ACK`: an acknowledgement does not repeat the request.
const CAP_ACK: usize = 10;
/// `NETLINK_GET_STRICT_CHK` (Linux 4.20): a dump honours the interface asked for.
const STRICT_CHECK: usize = 12;
/// `RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = LINKS | 0x10 | 0x100;
/// `RTMGRP_LINK`.
pub const LINKS: u32 = 0x1;
/// Room for notifications that wait: some thousand of them.
const WATCH_ROOM: usize = 1 << 20;
/// `IFLA_EXT_MASK`, and `RTEXT_FILTER_SKIP_STATS` in it.
const LINK_EXT_MASK: u16 = 29;
const SKIP_STATISTICS: u32 = 8;
/// `IFLA_AF_SPEC` and `IFLA_INET_CONF`.
const LINK_AF_SPEC: u16 = 26;
const INET_CONF: u16 = 1;
/// `IFLA_LINK`, `IFLA_LINKINFO`, `IFLA_INFO_KIND`, `IFLA_INFO_DATA`,
/// `IFLA_MACVLAN_MODE` and `MACVLAN_MODE_BRIDGE`.
const LINK_PARENT: u16 = 5;
pub const LINK_INFO: u16 = 18;
pub const INFO_KIND: u16 = 1;
pub const INFO_DATA: u16 = 2;
const MACVLAN_MODE: u16 = 1;
const MACVLAN_BRIDGE: u32 = 4;

/// A setting of IPv4 on an interface (`IPV4_DEVCONF_*`), and its value.
pub struct Setting(u16, u32);

impl Setting {
    /// The end of one address does not take the others of its subnet along.
    pub const PROMOTE_SECONDARIES: Setting = Setting(20, 1);
    /// ARP is answered for the interface's own addresses only.
    pub const ARP_IGNORE: Setting = Setting(19, 1);
    /// ... and only where the answer would leave by it.
    pub const ARP_FILTER: Setting = Setting(13, 1);
    /// Packets from addresses of this host may come in.
    pub const ACCEPT_LOCAL: Setting = Setting(23, 1);
    /// Packets may come in by another way than their answers go.
    pub const NO_RP_FILTER: Setting = Setting(8, 0);
}

/// A rtnetlink socket.
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

/// What waits in a socket.
pub enum Received {
    /// So many bytes of messages from the kernel.
    Messages(usize),
    /// Something that is not from the kernel, or was cut.
    Nothing,
    /// Messages were lost.
    Overrun,
    /// Nothing waits.
    Empty,
}

impl Socket {
    /// A socket for requests and dumps.
    pub fn open() -> Result<Socket, Errno> {
        let socket = Socket::with_groups(0)?;
        // Both only save work: without them answers are longer, and our own
        // filters see more.
        let _ = socket::setsockopt(socket.fd(), SOL_NETLINK, CAP_ACK, &1u32.to_ne_bytes());
        let _ = socket::setsockopt(socket.fd(), SOL_NETLINK, STRICT_CHECK, &1u32.to_ne_bytes());
        Ok(socket)
    }

    /// A socket that is told every change of a link or an address.
    pub fn watch() -> Result<Socket, Errno> {
        let socket = Socket::with_groups(GROUPS)?;
        // Less room means more overruns, and each of those is made good.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket.fd, WATCH_ROOM);
        Ok(socket)
    }

    /// A socket that is told what these groups are.
    pub fn with_groups(groups: u32) -> Result<Socket, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        socket::bind(fd.as_fd(), &address(groups))?;
        Ok(Socket { fd, sequence: 0 })
    }

    /// The descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Takes one datagram.
    pub fn receive(&self, buffer: &mut [u8]) -> Received {
        let mut sender = [0; 20];
        let room = buffer.len();
        match socket::recvfrom(self.fd(), buffer, &mut sender) {
            Ok(length) if length > room => Received::Overrun,
            Ok(length) if message::u32_at(&sender, 4) == Some(0) => Received::Messages(length),
            Ok(_) | Err(Errno::INTR) => Received::Nothing,
            Err(Errno::AGAIN) => Received::Empty,
            Err(_) => Received::Overrun,
        }
    }

    /// Sends a request; the sequence number that its answer carries.
    pub fn send(&mut self, request: &mut Request) -> Result<u32, Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = request.finish(self.sequence);
        socket::sendto(self.fd(), bytes, &address(0))?;
        Ok(self.sequence)
    }

    /// Sends a request and takes its answer, which has only one message that
    /// matters: its kind and body.
    fn ask<'b>(
        &mut self,
        request: &mut Request,
        buffer: &'b mut [u8],
    ) -> Result<(u16, &'b [u8]), Errno> {
        let sequence = self.send(request)?;
        loop {
            match self.receive(buffer) {
                Received::Messages(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    // An answer to an earlier request, given up below, may
                    // still wait.
                    if message::split(bytes).is_some_and(|(head, ..)| head.sequence == sequence) {
                        break;
                    }
                }
                Received::Nothing => {}
                Received::Overrun | Received::Empty => return Err(Errno::NOBUFS),
            }
        }
        let (header, body, _) = message::split(buffer).ok_or(Errno::IO)?;
        Ok((header.kind, body))
    }

    /// Sends a request that changes something and reads whether it did.
    pub fn change(&mut self, request: &mut Request) -> Result<(), Errno> {
        let mut buffer = [0; 512];
        match self.ask(request, &mut buffer)? {
            (message::ERROR, body) => message::outcome(body),
            _ => Err(Errno::IO),
        }
    }

    /// Looks a link up by its name; `None`: there is none.
    pub fn find_link(&mut self, name: &str, buffer: &mut [u8]) -> Result<Option<Link>, Errno> {
        let mut request = Request::new(rt::GET_LINK, 0, &[0; 16]);
        request.attribute(rt::LINK_NAME, terminated(name).as_slice());
        request.attribute(LINK_EXT_MASK, &SKIP_STATISTICS.to_ne_bytes());
        match self.ask(&mut request, buffer)? {
            (rt::NEW_LINK, body) => Ok(rt::link(body).map(|(_, link)| link)),
            (message::ERROR, body) => match message::outcome(body) {
                Err(Errno::NODEV) => Ok(None),
                Err(errno) => Err(errno),
                Ok(()) => Err(Errno::IO),
            },
            _ => Err(Errno::IO),
        }
    }

    /// Asks for every address of a family on an interface. The answers are
    /// messages with this sequence number, up to [`message::DONE`]; a kernel
    /// before 4.20 tells those of other interfaces as well.
    pub fn dump_addresses(&mut self, family: Family, index: u32) -> Result<u32, Errno> {
        let body = address_body(family_number(family), 0, index);
        self.send(&mut Request::new(
            rt::GET_ADDRESS,
            message::DUMP,
            body.as_flattened(),
        ))
    }

    /// Sets an address, or renews it when it is there. `lease_s` is its
    /// lifetime in seconds; 0: it stays until it is removed.
    pub fn set_address(
        &mut self,
        index: u32,
        address: &Address<'_>,
        lease_s: u32,
    ) -> Result<(), Errno> {
        self.put_address(index, address, lease_s, true)
    }

    /// Sets an address of the machine's own, which stays; in IPv6 the kernel
    /// looks for somebody else who has it.
    pub fn set_own_address(&mut self, index: u32, address: &Address<'_>) -> Result<(), Errno> {
        self.put_address(index, address, 0, false)
    }

    /// Sets the way to all other networks of a gateway's family.
    pub fn set_gateway(&mut self, index: u32, gateway: IpAddr) -> Result<(), Errno> {
        let family = family_number(Family::of(&gateway));
        let flags = message::ACK | message::CREATE | message::REPLACE;
        // struct rtmsg: everywhere, in the main table, by hand, to a neighbour.
        let body = [family, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];
        let mut request = Request::new(rt::NEW_ROUTE, flags, &body);
        match gateway {
            IpAddr::V4(ip) => request.attribute(rt::GATEWAY, &ip.octets()),
            IpAddr::V6(ip) => request.attribute(rt::GATEWAY, &ip.octets()),
        }
        request.attribute(rt::OUT_LINK, &index.to_ne_bytes());
        self.change(&mut request)
    }

    /// Sets the longest packet of a link.
    pub fn set_mtu(&mut self, index: u32, mtu: u32) -> Result<(), Errno> {
        let mut request = Request::new(
            rt::SET_LINK,
            message::ACK,
            link_body(index, 0, 0).as_flattened(),
        );
        request.attribute(rt::LINK_MTU, &mtu.to_ne_bytes());
        self.change(&mut request)
    }

    fn put_address(
        &mut self,
        index: u32,
        address: &Address<'_>,
        lease_s: u32,
        ours: bool,
    ) -> Result<(), Errno> {
        let flags = message::ACK | message::CREATE | message::REPLACE;
        let prefix_len = address.prefix_len;
        let mut request =
            address_request(rt::NEW_ADDRESS, flags, index, address.address, prefix_len);
        let mut mark = 0;
        let valid = if lease_s == 0 { u32::MAX } else { lease_s };
        let mut preferred = valid;
        match address.address {
            IpAddr::V4(ip) => {
                if prefix_len == 32 {
                    mark |= rt::NO_PREFIX_ROUTE;
                }
                if prefix_len < 31 {
                    let hosts = u32::MAX.checked_shr(prefix_len.into()).unwrap_or(0);
                    request.attribute(rt::BROADCAST, &(ip.to_bits() | hosts).to_be_bytes());
                }
                if let Some(label) = address.label {
                    request.attribute(rt::LABEL, terminated(label).as_slice());
                }
            }
            IpAddr::V6(_) => {
                if ours {
                    mark |= rt::NO_DAD;
                }
                if prefix_len == 128 {
                    // Without a preferred time the kernel does not choose it as
                    // the source of new connections.
                    mark |= rt::NO_PREFIX_ROUTE;
                    preferred = 0;
                }
            }
        }
        request.attribute(rt::FLAGS, &mark.to_ne_bytes());
        // struct ifa_cacheinfo: preferred, valid, created, updated.
        let [a, b, c, d] = u32::to_ne_bytes(preferred);
        let [e, f, g, h] = valid.to_ne_bytes();
        let lifetime = [a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0];
        request.attribute(rt::CACHEINFO, &lifetime);
        // Kernels before 5.18 ignore it, and with it leftovers stay unknown.
        if ours {
            request.attribute(rt::PROTOCOL, &[rt::OURS]);
        }
        self.change(&mut request)
    }

    /// Removes an address; one that is not there is no error.
    pub fn remove_address(
        &mut self,
        index: u32,
        address: IpAddr,
        prefix_len: u8,
    ) -> Result<(), Errno> {
        let mut request =
            address_request(rt::DELETE_ADDRESS, message::ACK, index, address, prefix_len);
        match self.change(&mut request) {
            Err(Errno::ADDRNOTAVAIL | Errno::NODEV) => Ok(()),
            result => result,
        }
    }

    /// Changes settings of IPv4 on an interface.
    pub fn configure(&mut self, index: u32, list: &[Setting]) -> Result<(), Errno> {
        let mut request = Request::new(
            rt::SET_LINK,
            message::ACK,
            link_body(index, 0, 0).as_flattened(),
        );
        let families = request.nest(LINK_AF_SPEC);
        let inet = request.nest(rt::INET.into());
        let settings = request.nest(INET_CONF);
        for Setting(kind, value) in list {
            request.attribute(*kind, &value.to_ne_bytes());
        }
        request.end(settings);
        request.end(inet);
        request.end(families);
        self.change(&mut request)
    }

    /// Makes a macvlan that is down and has no IPv6 address of its own making.
    pub fn make_macvlan(&mut self, name: &str, parent: u32, mac: Mac) -> Result<(), Errno> {
        let flags = message::ACK | message::CREATE | message::EXCLUSIVE;
        let mut request = Request::new(rt::NEW_LINK, flags, link_body(0, 0, 0).as_flattened());
        request.attribute(rt::LINK_NAME, terminated(name).as_slice());
        request.attribute(rt::LINK_MAC, &mac);
        request.attribute(LINK_PARENT, &parent.to_ne_bytes());
        let info = request.nest(LINK_INFO);
        request.attribute(INFO_KIND, b"macvlan");
        let data = request.nest(INFO_DATA);
        request.attribute(MACVLAN_MODE, &MACVLAN_BRIDGE.to_ne_bytes());
        request.end(data);
        request.end(info);
        self.change(&mut request)
    }

    /// Switches a link on or off.
    pub fn switch_link(&mut self, index: u32, on: bool) -> Result<(), Errno> {
        let flags = if on { rt::UP } else { 0 };
        let body = link_body(index, flags, rt::UP);
        self.change(&mut Request::new(
            rt::SET_LINK,
            message::ACK,
            body.as_flattened(),
        ))
    }

    /// Removes a link.
    pub fn delete_link(&mut self, index: u32) -> Result<(), Errno> {
        let body = link_body(index, 0, 0);
        self.change(&mut Request::new(
            rt::DELETE_LINK,
            message::ACK,
            body.as_flattened(),
        ))
    }

    /// Whether we may change addresses: the kernel asks for CAP_NET_ADMIN
    /// before it looks at what is asked, and interface 0 does not exist.
    pub fn may_change(&mut self) -> Result<(), Errno> {
        match self.remove_address(0, IpAddr::V4(Ipv4Addr::UNSPECIFIED), 32) {
            Err(errno @ (Errno::PERM | Errno::ACCESS)) => Err(errno),
            _ => Ok(()),
        }
    }
}

/// A `struct sockaddr_nl`: the kernel, or these groups.
fn address(groups: u32) -> [u8; 12] {
    let [f0, f1] = AddressFamily::NETLINK.as_raw().to_ne_bytes();
    let [a, b, c, d] = groups.to_ne_bytes();
    [f0, f1, 0, 0, 0, 0, 0, 0, a, b, c, d]
}

/// The number of a family in messages.
fn family_number(family: Family) -> u8 {
    match family {
        Family::Ipv4 => rt::INET,
        Family::Ipv6 => rt::INET6,
    }
}

/// A `struct ifaddrmsg`.
fn address_body(family: u8, prefix_len: u8, index: u32) -> [[u8; 4]; 2] {
    [[family, prefix_len, 0, 0], index.to_ne_bytes()]
}

/// A `struct ifinfomsg`: the flags to set, and which of them to touch.
pub fn link_body(index: u32, flags: u32, change: u32) -> [[u8; 4]; 4] {
    [0, index, flags, change].map(u32::to_ne_bytes)
}

/// A request about one address.
fn address_request(kind: u16, flags: u16, index: u32, address: IpAddr, prefix_len: u8) -> Request {
    let family = family_number(Family::of(&address));
    let mut request = Request::new(
        kind,
        flags,
        address_body(family, prefix_len, index).as_flattened(),
    );
    let (v4, v6);
    let octets: &[u8] = match address {
        IpAddr::V4(ip) => {
            v4 = ip.octets();
            &v4
        }
        IpAddr::V6(ip) => {
            v6 = ip.octets();
            &v6
        }
    };
    request.attribute(rt::LOCAL, octets);
    request.attribute(rt::ADDRESS, octets);
    request
}

/// A name as the kernel takes it: at most 15 bytes and a zero.
pub fn terminated(name: &str) -> Terminated {
    let mut bytes = [0; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(name.as_bytes().get(..length).unwrap_or_default());
    Terminated { bytes, length }
}

/// See [`terminated`].
pub struct Terminated {
    bytes: [u8; 16],
    length: usize,
}

impl Terminated {
    /// The name with its zero.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..=self.length).unwrap_or_default()
    }
}
