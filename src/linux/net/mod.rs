//! The network as the keeper uses it: packets, links and addresses in as
//! events, and the actions that send packets or change addresses out.
//!
//! How the keeper drives it:
//!
//! ```text
//!   open, then next() until None          every link and address is told: Event::Start
//!   epoll says TOKEN + n  --> ready(n)
//!   before Event::Poll    --> drain()     as if every descriptor were ready
//!   then next() until None, each event into Node::process, the actions into perform()
//! ```
//!
//! [`Net::next`] is bounded: after one `ready` or `drain` each socket gives a
//! limited number of packets, in turn, so that a flood on one interface neither
//! starves the others nor the clock. Actions may lead to further events, so
//! `next` is asked again after them. Nothing here blocks or decides.

mod door;
mod known;
mod links;
mod vmac;
mod watch;

use heapless::Vec;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use smena::address::Shown;
use smena::board;
use smena::event::{self, Action, Event, InterfaceId, Mac, RouterId};
use smena::node::{Announcement, Node};
use smena::pack::packed;
use smena::protocol::Family;
use smena::say::{Level, Plain};
use smena::wire;

use super::claims::Claims;
use super::failure::{Failure, log_refusal};
use super::held::Held;
use super::netlink::Setting;
use super::packet::{self, Port};
use super::sysctl;
use door::{Door, FAMILIES, Followed};
use vmac::Vmac;
use watch::Watch;

/// The epoll tokens of this file: this one and those above it.
pub const TOKEN: u64 = 1000;

/// Room for the longest advert there is: 255 IPv6 addresses.
const PACKET_ROOM: usize = 4352;
const _: () = assert!(wire::PACKET_MAX <= PACKET_ROOM);
/// Where adverts go below IP (RFC 9568 sections 5.1.1.2 and 5.1.2.2).
const GROUP_MAC_V4: Mac = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x12];
const GROUP_MAC_V6: Mac = [0x33, 0x33, 0x00, 0x00, 0x00, 0x12];

/// The big buffers, which the keeper keeps in a static. All zero when new, so
/// that it costs no byte in the file and no page until it is used.
pub struct Memory {
    watch: watch::Memory,
    packet: [u8; PACKET_ROOM],
}

impl Memory {
    /// Empty buffers.
    pub const fn new() -> Memory {
        Memory {
            watch: watch::Memory::new(),
            packet: [0; PACKET_ROOM],
        }
    }
}

/// The link-layer address of a family's group.
pub fn group_mac(family: Family) -> Mac {
    match family {
        Family::Ipv4 => GROUP_MAC_V4,
        Family::Ipv6 => GROUP_MAC_V6,
    }
}

/// See the module.
pub struct Net<'a> {
    epoll: BorrowedFd<'a>,
    /// What the guard is told.
    held: &'a Held,
    watch: Watch<'a>,
    packet: &'a mut [u8; PACKET_ROOM],
    doors: Vec<Door<'a>, { board::INTERFACES_MAX }>,
    /// The door that is asked next for a packet.
    turn: usize,
    /// Routers whose addresses the kernel refused, yet to be told.
    refused: Vec<(RouterId, Errno), { board::ROUTERS_MAX }>,
    /// The macvlans of routers that have one, and the port that speaks for them.
    vmacs: Vec<Vmac, { board::ROUTERS_MAX }>,
    raw: Option<Port>,
    /// Kept, because closing it would take longer than all the rest of opening.
    probe: Option<Port>,
    claims: Option<Claims>,
}

/// An event whose packet, if any, is in the buffer.
enum Step {
    Event(Event<'static>),
    Packet(InterfaceId, Family, usize),
}

impl<'a> Net<'a> {
    /// Opens everything for the interfaces of `node`, on an epoll descriptor
    /// that is the keeper's.
    ///
    /// # Errors
    /// What the system refuses for good, such as a missing capability. An
    /// interface that is not there is none.
    pub fn open(
        node: &Node<'a>,
        epoll: BorrowedFd<'a>,
        held: &'a Held,
        memory: &'a mut Memory,
    ) -> Result<Net<'a>, Failure> {
        let mut step = ("socket", "AF_NETLINK");
        Net::try_open(node, epoll, held, memory, &mut step).map_err(|errno| {
            let (call, object) = step;
            let mend = match errno {
                Errno::PERM | Errno::ACCESS => {
                    packed!("run as root, or with CAP_NET_ADMIN and CAP_NET_RAW")
                }
                Errno::AFNOSUPPORT => packed!("the kernel, or this sandbox, must have this family"),
                _ => packed!("raise the limits of memory and open files"),
            };
            let what = format_args!("{} {}", Plain(call), Plain(object));
            Failure::new(what, errno, mend)
        })
    }

    fn try_open(
        node: &Node<'a>,
        epoll: BorrowedFd<'a>,
        held: &'a Held,
        memory: &'a mut Memory,
        step: &mut (&'static str, &'static str),
    ) -> Result<Net<'a>, Errno> {
        let names = node.interfaces().iter().map(|interface| interface.name);
        let mut net = Net {
            epoll,
            held,
            watch: Watch::open(names, &mut memory.watch)?,
            packet: &mut memory.packet,
            doors: Vec::new(),
            turn: 0,
            refused: Vec::new(),
            vmacs: Vec::new(),
            raw: None,
            probe: None,
            claims: None,
        };
        *step = ("sendto", "rtnetlink, to remove an address");
        net.watch.requests().may_change()?;
        *step = ("epoll_ctl", "AF_NETLINK");
        door::add(epoll, net.watch.fd(), TOKEN)?;
        // Ports are opened as interfaces come; this one only shows now whether
        // that will be allowed.
        *step = ("socket", "AF_PACKET");
        net.probe = Some(Port::open(None)?);
        for (interface, at) in node.interfaces().iter().zip(0..) {
            let _ = net.doors.push(Door::new(interface, TOKEN + 1 + 2 * at));
        }
        let mut wanted = [false; 2];
        for router in &node.config().routers {
            for address in &router.addresses {
                wanted[usize::from(address.address.is_ipv6())] = true;
            }
        }
        let token = TOKEN + 1 + 2 * net.doors.len() as u64;
        net.claims = Some(Claims::open(wanted, epoll, token));
        for router in (0u8..).map(RouterId).take(node.routers().len()) {
            if let Some(vmac) = Vmac::new(node, router) {
                let _ = net.vmacs.push(vmac);
            }
        }
        if !net.vmacs.is_empty() {
            net.raw = Some(Port::open_raw()?);
        }
        Ok(net)
    }

    /// The descriptor of this token, [`TOKEN`] or above, is ready. One that was
    /// closed meanwhile is none.
    pub fn ready(&mut self, token: u64) {
        if token == TOKEN {
            self.watch.ready();
            return;
        }
        let at = token.saturating_sub(TOKEN + 1) as usize;
        if let Some(door) = self.doors.get_mut(at / 2) {
            door.wake(at % 2);
        } else if let Some(claims) = &mut self.claims {
            claims.wake();
        }
    }

    /// There is more to tell than one turn takes, and no descriptor will say so.
    pub fn is_pending(&self) -> bool {
        self.watch.is_pending()
    }

    /// Every descriptor may be ready.
    pub fn drain(&mut self) {
        self.watch.ready();
        for door in &mut self.doors {
            door.wake(0);
            door.wake(1);
        }
    }

    /// The next event; `None`: nothing waits, or everybody had a turn.
    #[inline(never)]
    pub fn next(&mut self) -> Option<Event<'_>> {
        Some(match self.step()? {
            Step::Event(event) => event,
            Step::Packet(interface, family, length) => {
                let packet = self.packet.get(..length).unwrap_or_default();
                Event::Packet(interface, family, packet)
            }
        })
    }

    /// Does what an action asks of the network; the others are not its own.
    /// What fails comes back as an event from [`Net::next`], or is counted.
    pub fn perform(&mut self, node: &mut Node<'_>, action: Action) {
        match action {
            Action::SendAdvert(router, priority) => self.send_advert(node, router, priority),
            Action::Announce(router) => self.announce(node, router),
            Action::Probe(router) => {
                for address in 0..node.config().routers[usize::from(router.0)].addresses.len() {
                    let told = node.emit_probe(router, address, self.packet);
                    self.send_told(told);
                }
            }
            Action::SetAddresses(router) => {
                self.held.hold(router, true);
                let result = self.set_addresses(node, router);
                self.tell_refusal(router, result);
            }
            Action::RemoveAddresses(router) => {
                let result = self.remove_addresses(node, router);
                self.held.hold(router, false);
                self.tell_refusal(router, result);
            }
            Action::RemoveLeftover(interface, local) => {
                if let Some(link) = self.watch.link(interface) {
                    let requests = self.watch.requests();
                    let removed =
                        requests.remove_address(link.index, local.address, local.prefix_len);
                    if let Err(errno) = removed {
                        let what = format_args!("cannot remove {}", Shown(local.address));
                        log_refusal(Level::Error, what, errno);
                    }
                }
            }
            Action::RescanAddresses(interface) => self.watch.rescan(interface),
            Action::Filter(interface, filter) => {
                self.doors[usize::from(interface.0)].filter(node, interface, filter);
            }
            Action::StartCheck(_)
            | Action::KillCheck(..)
            | Action::WriteState(_)
            | Action::TellFifo(_)
            | Action::StartHook(..)
            | Action::KillHook(..)
            | Action::Admit(_)
            | Action::Cut(_)
            | Action::Refuse(_)
            | Action::Accept(_)
            | Action::Finish => {}
        }
    }

    #[inline(never)]
    fn step(&mut self) -> Option<Step> {
        if let Some((router, errno)) = self.refused.pop() {
            let errno = event::Errno(errno.raw_os_error() as u16);
            return Some(Step::Event(Event::AddressesRefused(router, errno)));
        }
        if let Some(event) = self.watch.next() {
            return Some(Step::Event(self.follow(event)));
        }
        if let Some(event) = self.claims.as_mut().and_then(|c| c.next(self.packet)) {
            return Some(Step::Event(event));
        }
        self.step_packets()
    }

    /// Opens and closes ports as links come and go. A link that we cannot
    /// listen on is as good as none: who is deaf must not take over.
    #[inline(never)]
    fn follow(&mut self, event: Event<'static>) -> Event<'static> {
        let interface = match event {
            Event::Link(interface, _) | Event::AddressAdded(interface, _) => interface,
            _ => return event,
        };
        let link = self.watch.link(interface);
        self.held
            .set_link(interface, link.map_or(0, |link| link.index));
        match self.doors[usize::from(interface.0)].follow(link, self.epoll) {
            Followed::Yes => {
                self.follow_vmacs(interface, link);
                event
            }
            // Its addresses are asked for by whoever learns of a new link.
            Followed::Again => Event::Link(interface, link),
            Followed::Deaf => Event::Link(interface, None),
        }
    }

    /// Takes a packet from the next door that has one.
    fn step_packets(&mut self) -> Option<Step> {
        let ports = 2 * self.doors.len();
        for _ in 0..ports {
            self.turn = (self.turn + 1) % ports;
            let (at, side) = (self.turn / 2, self.turn % 2);
            if let Some(length) = self.doors[at].receive(side, self.packet) {
                return Some(Step::Packet(InterfaceId(at as u8), FAMILIES[side], length));
            }
        }
        None
    }

    /// To the group by the packet socket, to each peer by the raw one, which
    /// knows the way. A peer that cannot be reached keeps no other waiting.
    fn send_advert(&mut self, node: &mut Node<'_>, router: RouterId, priority: u8) {
        let interface = node.interface_of(router);
        let Some(source) = node.source(router) else {
            return;
        };
        self.held.set_source(router, source);
        let family = Family::of(&source);
        let (ethertype, group) = (packet::ethertype(family), group_mac(family));
        let mut nth = 0;
        while let Some(sending) = node.emit_advert_from(router, source, priority, nth, self.packet)
        {
            match sending.peer {
                None => {
                    let source = node.virtual_mac(router);
                    self.send(interface, ethertype, group, source, sending.length);
                }
                Some(peer) => {
                    let bytes = self.packet.get(..sending.length).unwrap_or_default();
                    self.doors[usize::from(interface.0)].send_to(bytes, peer);
                }
            }
            nth += 1;
        }
    }

    fn announce(&mut self, node: &Node<'_>, router: RouterId) {
        let config = &node.config().routers[usize::from(router.0)];
        for address in 0..config.addresses.len() {
            let forwarding = config.addresses[address].address.is_ipv6() && {
                let carrier = node.carrier_of(router, address);
                sysctl::forwards_ipv6(self.doors[usize::from(carrier.0)].name())
            };
            let told = node.emit_announcement(router, address, forwarding, self.packet);
            self.send_told(told);
        }
    }

    fn send_told(&mut self, told: Option<Announcement>) {
        if let Some(told) = told {
            self.send(
                told.interface,
                told.ethertype,
                told.destination,
                told.source,
                told.length,
            );
        }
    }

    /// Sends the first bytes of the buffer.
    fn send(
        &mut self,
        interface: InterfaceId,
        ethertype: u16,
        destination: Mac,
        source: Option<Mac>,
        length: usize,
    ) {
        let bytes = self.packet.get(..length).unwrap_or_default();
        if let Some(source) = source
            && let (Some(raw), Some(link)) = (&mut self.raw, self.watch.link(interface))
        {
            raw.aim(link.index);
            let _ = raw.send_as(source, bytes, ethertype, destination);
            return;
        }
        self.doors[usize::from(interface.0)].send(bytes, ethertype, destination);
    }

    /// Sets or renews all addresses of a router in one go, since the kernel
    /// looks for expired ones at most once a second. The first refusal counts.
    fn set_addresses(&mut self, node: &Node<'_>, router: RouterId) -> Result<(), Errno> {
        let config = &node.config().routers[usize::from(router.0)];
        let mut result = self.raise_vmac(router);
        for (number, address) in config.addresses.iter().enumerate() {
            let carrier = node.carrier_of(router, number);
            let vmac = self.vmac(router).filter(|_| address.dev.is_none());
            let set = match (vmac, self.watch.link(carrier)) {
                (None, None) => Err(Errno::NODEV),
                (Some(index), _) => {
                    let requests = self.watch.requests();
                    requests.set_address(index, address, config.lease_s)
                }
                (None, Some(link)) => {
                    self.promote_secondaries(carrier, link.index);
                    let requests = self.watch.requests();
                    requests.set_address(link.index, address, config.lease_s)
                }
            };
            result = result.and(set);
        }
        result
    }

    fn remove_addresses(&mut self, node: &Node<'_>, router: RouterId) -> Result<(), Errno> {
        let config = &node.config().routers[usize::from(router.0)];
        let mut result = Ok(());
        for (number, address) in config.addresses.iter().enumerate() {
            let link = self.watch.link(node.carrier_of(router, number));
            let vmac = self.vmac(router).filter(|_| address.dev.is_none());
            if let Some(index) = vmac.or(link.map(|link| link.index)) {
                let requests = self.watch.requests();
                let removed = requests.remove_address(index, address.address, address.prefix_len);
                result = result.and(removed);
            }
        }
        self.lower_vmac(router);
        result
    }

    /// Before the first address on an interface.
    fn promote_secondaries(&mut self, interface: InterfaceId, index: u32) {
        let door = &mut self.doors[usize::from(interface.0)];
        if !door.take_unpromoted() {
            return;
        }
        let wanted = [Setting::PROMOTE_SECONDARIES];
        if let Err(errno) = self.watch.requests().configure(index, &wanted) {
            let name = Plain(door.name());
            let what = format_args!("{name}: cannot set promote_secondaries");
            log_refusal(Level::Warn, what, errno);
        }
    }

    fn tell_refusal(&mut self, router: RouterId, result: Result<(), Errno>) {
        if let Err(errno) = result {
            self.refused.retain(|(refused, _)| *refused != router);
            let _ = self.refused.push((router, errno));
        }
    }
}
