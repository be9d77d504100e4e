//! What is open on one interface: a port and a membership for each family that
//! is listened to. It opens and closes as the link comes and goes, counts what
//! could not be sent, and never looks into a packet.

use core::net::IpAddr;

use rustix::event::epoll;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;

use smena::event::{Filter, InterfaceId, Link, Mac};
use smena::node::{Interface, Node};
use smena::protocol::Family;
use smena::say::{Level, Number, Plain};
use smena::wire::TTL;

use crate::linux::failure::log_refusal;
use crate::linux::multicast;
use crate::linux::packet::{Port, Received};
use crate::linux::raw::Raw;

/// Packets taken from one socket after one wake-up.
const PACKETS_MAX: u8 = 64;

/// The families in the order of a door's sides.
pub const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

/// See the module.
pub struct Door<'a> {
    name: &'a str,
    /// The epoll token of the first side.
    token: u64,
    /// The interface's index when the ports were opened; 0: they are closed.
    index: u32,
    /// By family. Where the interface only carries addresses, the first one
    /// can only send.
    sides: [Side; 2],
    /// The link was up when it was last followed.
    up: bool,
    /// The ports could not be opened, and it was told as no link.
    deaf: bool,
    /// promote_secondaries was set on it.
    promoted: bool,
    send_errors: u32,
}

/// One family.
#[derive(Default)]
struct Side {
    /// Adverts of this family are received here.
    wanted: bool,
    /// Some go to peers.
    unicast: bool,
    port: Option<Port>,
    raw: Option<Raw>,
    member: Option<OwnedFd>,
    /// Packets that may still be taken in this turn.
    waiting: u8,
}

/// What came of following a link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// The door is as the link is.
    Yes,
    /// It could be opened, after it could not.
    Again,
    /// It can't be opened: a link that we are deaf on is as good as none.
    Deaf,
}

impl<'a> Door<'a> {
    /// A closed door; its sides have this epoll token and the next.
    pub fn new(interface: &Interface<'a>, token: u64) -> Door<'a> {
        let side = |wanted, unicast| Side {
            wanted,
            unicast,
            ..Side::default()
        };
        Door {
            name: interface.name,
            token,
            index: 0,
            sides: [
                side(interface.ipv4, interface.unicast_v4),
                side(interface.ipv6, interface.unicast_v6),
            ],
            up: false,
            deaf: false,
            promoted: false,
            send_errors: 0,
        }
    }

    /// The interface's name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// True once for each life of the interface.
    pub fn take_unpromoted(&mut self) -> bool {
        !core::mem::replace(&mut self.promoted, true)
    }

    /// Packets may wait on one side.
    pub fn wake(&mut self, side: usize) {
        self.sides[side].waiting = PACKETS_MAX;
    }

    /// Takes a packet from one side; `None`: nothing waits, or it had its turn.
    pub fn receive(&mut self, side: usize, buffer: &mut [u8]) -> Option<usize> {
        let side = &mut self.sides[side];
        let port = side.port.as_ref().filter(|_| side.wanted)?;
        loop {
            side.waiting = side.waiting.checked_sub(1)?;
            match port.receive(buffer) {
                Received::Packet(length) => return Some(length),
                Received::Other => {}
                Received::Empty => side.waiting = 0,
            }
        }
    }

    /// Lets in what `filter` says.
    pub fn filter(&self, node: &Node<'_>, interface: InterfaceId, filter: Filter) {
        for (side, family) in self.sides.iter().zip(FAMILIES) {
            let Some(port) = side.port.as_ref().filter(|_| side.wanted) else {
                continue;
            };
            let mut ids = node.own_ids(interface, family);
            let set = match filter {
                Filter::Wide => port.filter(family, None),
                Filter::Narrow => {
                    let ttl = node.ttl_counts(interface, family).then_some(TTL);
                    port.filter(family, Some((&mut ids, ttl)))
                }
            };
            if let Err(errno) = set {
                log_refusal(
                    Level::Warn,
                    format_args!("{}: cannot filter", Plain(self.name)),
                    errno,
                );
            }
        }
    }

    /// Sends a packet. What is lost is lost, as on any wire; the next advert is
    /// due soon.
    pub fn send(&mut self, bytes: &[u8], ethertype: u16, destination: Mac) {
        let sent = match self.sides.iter().find_map(|side| side.port.as_ref()) {
            Some(port) => port.send(bytes, ethertype, destination),
            None => Err(Errno::NODEV),
        };
        self.count(sent);
    }

    /// Sends a whole IP packet to a peer, the way that the routing table knows.
    pub fn send_to(&mut self, bytes: &[u8], peer: IpAddr) {
        let side = &self.sides[usize::from(peer.is_ipv6())];
        let sent = match &side.raw {
            Some(raw) => raw.send(bytes, peer, self.index),
            None => Err(Errno::NODEV),
        };
        self.count(sent);
    }

    fn count(&mut self, sent: Result<(), Errno>) {
        let Err(errno) = sent else {
            return;
        };
        if matches!(errno, Errno::NETDOWN | Errno::NXIO | Errno::NODEV) {
            // The link is down or gone, which is known and told.
            return;
        }
        self.send_errors = self.send_errors.saturating_add(1);
        // The first, the second, the fourth...: few lines, none forgotten.
        if self.send_errors.is_power_of_two() {
            let (name, count) = (Plain(self.name), Number(self.send_errors.into()));
            let what = format_args!("{name}: cannot send, {count} packets lost");
            log_refusal(Level::Warn, what, errno);
        }
    }

    /// Opens what the link needs, and parts from what was another's.
    #[inline(never)]
    pub fn follow(&mut self, link: Option<Link>, epoll: BorrowedFd<'_>) -> Followed {
        let index = link.map_or(0, |link| link.index);
        if self.index != index {
            self.close();
            self.deaf = false;
        }
        if index == 0 {
            return Followed::Yes;
        }
        let up = link.is_some_and(|link| link.up);
        if up && !core::mem::replace(&mut self.up, up) {
            // A switch forgets who listens behind a port that was down, and the
            // kernel tells it again only when somebody joins (RFC 4541).
            for side in &mut self.sides {
                side.member = None;
            }
        }
        self.up = up;
        if let Err(errno) = self.open(index, epoll) {
            if !self.deaf {
                let what = format_args!("{}: cannot listen on a packet socket", Plain(self.name));
                log_refusal(Level::Error, what, errno);
            }
            self.close();
            self.deaf = true;
            return Followed::Deaf;
        }
        if core::mem::replace(&mut self.deaf, false) {
            return Followed::Again;
        }
        Followed::Yes
    }

    /// Opens what is not open yet on the interface with this index. A group
    /// that can't be joined is no reason to be deaf: it is tried again with
    /// the interface's next event.
    fn open(&mut self, index: u32, epoll: BorrowedFd<'_>) -> Result<(), Errno> {
        let fresh = self.index == 0;
        self.index = index;
        let carries_only = self.sides.iter().all(|side| !side.wanted);
        if carries_only {
            open_port(&mut self.sides[0].port, None)?.bind(index)?;
        }
        let sides = self.sides.iter_mut().zip(FAMILIES);
        for (token, (side, family)) in (self.token..).zip(sides) {
            if !side.wanted {
                continue;
            }
            if side.unicast && side.raw.is_none() {
                side.raw = Some(Raw::open(family, self.name)?);
            }
            if side.member.is_none() {
                match multicast::join(index, family) {
                    Ok(member) => side.member = Some(member),
                    Err(errno) if fresh => {
                        let name = Plain(self.name);
                        let what = format_args!(
                            "{name}: cannot join the {family} group (is {family} enabled?)"
                        );
                        log_refusal(Level::Warn, what, errno);
                    }
                    Err(_) => {}
                }
            }
            let new = side.port.is_none();
            let port = open_port(&mut side.port, Some(family))?;
            if new {
                add(epoll, port.fd(), token)?;
            }
            port.bind(index)?;
        }
        Ok(())
    }

    /// Leaves the interface.
    fn close(&mut self) {
        self.index = 0;
        self.up = false;
        self.promoted = false;
        self.send_errors = 0;
        for side in &mut self.sides {
            if let Some(port) = &mut side.port {
                port.aim(0);
            }
            side.member = None;
            side.raw = None;
        }
    }
}

/// The port that is there, or a new one.
fn open_port(port: &mut Option<Port>, receives: Option<Family>) -> Result<&mut Port, Errno> {
    match port {
        Some(port) => Ok(port),
        None => Ok(port.insert(Port::open(receives)?)),
    }
}

/// Has epoll report a socket that can be read.
pub fn add(epoll: BorrowedFd<'_>, fd: BorrowedFd<'_>, token: u64) -> Result<(), Errno> {
    let token = epoll::EventData::new_u64(token);
    epoll::add(epoll, fd, token, epoll::EventFlags::IN)
}
