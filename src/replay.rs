//! Recorded traffic through the receiver: a line a frame with its verdict, and,
//! when routers were configured, their changes of state in between. They live in
//! the capture's time, in which nothing fails: every check is as it should be,
//! every interface is up. Its time is their wall time, so no clock is ahead.

use core::fmt::{self, Write};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Instant;
use crate::address::Shown;
use crate::board;
use crate::capture::Frame;
use crate::config::Config;
use crate::event::{Actions, Event, InterfaceId, Link, LocalAddress, RouterId};
use crate::node::Node;
use crate::protocol::Family;
use crate::say::{Number, Plain, write_number};
use crate::wire::{self, Described, Verdict};

/// Deadlines that are met between two frames. A capture may be silent for years.
const DEADLINES_MAX: u32 = 100_000;

/// A frame of another protocol.
const NOT_VRRP: &str = "not-vrrp";

/// Where nodes are in a capture that have no address in it: nobody sends from
/// there, and anybody wins a tie against it.
const NOBODY_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(0, 0, 0, 1));
const NOBODY_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0));

/// See the module.
pub struct Replay<'r, 'a> {
    node: Option<(&'r mut Node<'a>, &'r mut Actions)>,
    /// The time of the first frame.
    first: Option<u64>,
    number: u64,
    /// The changes of each router that were shown.
    shown: [u32; board::ROUTERS_MAX],
}

/// Takes out of a configuration what a capture cannot show: checks count as
/// good, and hooks are not run.
pub fn prepare(config: &mut Config<'_>) {
    for router in &mut config.routers {
        let gained = router
            .tracks
            .iter()
            .map(|track| i32::from(track.weight.max(0)));
        if router.priority < 255 {
            let priority = i32::from(router.priority) + gained.sum::<i32>();
            router.priority = priority.clamp(1, 254) as u8;
        }
        router.tracks.clear();
        router.notify.command = None;
    }
    config.groups.clear();
    config.checks.clear();
}

impl<'r, 'a> Replay<'r, 'a> {
    /// With a node of a [prepared](prepare) configuration, or without any.
    pub fn new(node: Option<(&'r mut Node<'a>, &'r mut Actions)>) -> Replay<'r, 'a> {
        Replay {
            node,
            first: None,
            number: 0,
            shown: [0; _],
        }
    }

    /// How many frames there were.
    pub fn frames(&self) -> u64 {
        self.number
    }

    /// Judges the next frame, and writes what comes of it.
    ///
    /// # Errors
    /// `out` takes no more.
    #[inline(never)]
    pub fn frame(&mut self, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
        let now = Instant::from_micros((frame.at / 1_000) as i64);
        self.number += 1;
        match self.first {
            None => {
                self.first = Some(frame.at);
                self.start(now);
                self.show_changes(now, out)?;
            }
            Some(_) => self.advance(now, out)?,
        }
        let packet = frame.packet();
        let (reject, source) = match packet {
            None => (Some(NOT_VRRP), None),
            Some((family, packet)) => self.judge(now, family, packet),
        };
        self.write_head(Some(self.number), frame.at, out)?;
        match source {
            Some(source) => write!(out, "{}", Shown(source))?,
            None => out.write_char('-')?,
        }
        let (kind, reason) = match reject {
            None => (" accept", ""),
            Some(NOT_VRRP) => (" ignore:", NOT_VRRP),
            Some(reason) => (" discard:", reason),
        };
        out.write_str(kind)?;
        out.write_str(reason)?;
        match packet {
            None => out.write_str(" -\n")?,
            Some((family, packet)) => writeln!(out, " {}", Described(family, packet))?,
        }
        self.show_changes(now, out)
    }

    /// Why a packet is not accepted, if it is not, and who sent it.
    #[inline(never)]
    fn judge(
        &mut self,
        now: Instant,
        family: Family,
        packet: &[u8],
    ) -> (Option<&'static str>, Option<IpAddr>) {
        let (alone, id, source) = match wire::judge_alone(family, packet) {
            Verdict::NotVrrp => return (Some(NOT_VRRP), wire::source(family, packet)),
            Verdict::Accept(received) => {
                let id = received.virtual_router_id;
                (None, Some(id), Some(received.source))
            }
            Verdict::Discard(reject, id, source) => (Some(reject), id, source),
        };
        let reject = match &mut self.node {
            None => alone,
            Some((node, actions)) => {
                let interface = interface(node, family, id);
                node.process(now, Event::Packet(interface, family, packet), actions);
                node.verdict()
            }
        };
        (reject.map(|reject| reject.name()), source)
    }

    /// All interfaces are up, all nodes are where they say, and all is begun.
    #[inline(never)]
    fn start(&mut self, now: Instant) {
        let Some((node, actions)) = &mut self.node else {
            return;
        };
        for id in (0..node.interfaces().len()).map(|at| InterfaceId(at as u8)) {
            let link = Link {
                index: u32::from(id.0) + 1,
                up: true,
                mac: [2, 0, 0, 0, 0, 1],
                mtu: 1500,
            };
            node.process(now, Event::Link(id, Some(link)), actions);
            for address in [NOBODY_V4, NOBODY_V6] {
                add_address(node, actions, now, id, address, 32);
            }
            node.process(now, Event::AddressesScanned(id), actions);
        }
        let config = node.config();
        for (router, at) in config.routers.iter().zip(0u8..) {
            let id = node.interface_of(RouterId(at));
            if let Some(source) = router.unicast_src_ip {
                add_address(node, actions, now, id, source, 32);
            }
            // Peers in the subnet of an address are taken for neighbours.
            for address in &router.addresses {
                let (address, length) = (address.address, address.prefix_len);
                add_address(node, actions, now, id, address, length);
            }
        }
        node.process(now, Event::Start, actions);
    }

    /// Lets the routers' deadlines come that lie before this moment.
    fn advance(&mut self, now: Instant, out: &mut dyn Write) -> fmt::Result {
        for _ in 0..DEADLINES_MAX {
            let Some((node, actions)) = &mut self.node else {
                return Ok(());
            };
            let (at, _) = node.poll_at();
            if at > now {
                return Ok(());
            }
            node.process(at, Event::Poll, actions);
            self.show_changes(at, out)?;
        }
        Ok(())
    }

    /// A line for each router whose state has changed.
    fn show_changes(&mut self, now: Instant, out: &mut dyn Write) -> fmt::Result {
        let Some((node, _)) = &self.node else {
            return Ok(());
        };
        for (at, router) in node.routers().iter().enumerate() {
            if router.transitions() == self.shown[at] {
                continue;
            }
            self.shown[at] = router.transitions();
            self.write_head(None, now.total_micros().unsigned_abs() * 1_000, out)?;
            let config = node.config();
            let sentence = router.reason().display(config, &**node);
            let (name, state) = (config.routers[at].name, router.role().name());
            writeln!(out, "{} {} {sentence}", Plain(name), Plain(state))?;
        }
        Ok(())
    }

    /// The frame's number, or `-`, and the seconds since the first frame.
    fn write_head(&self, number: Option<u64>, at: u64, out: &mut dyn Write) -> fmt::Result {
        match number {
            Some(number) => write!(out, "{}", Number(number))?,
            None => out.write_char('-')?,
        }
        let first = self.first.unwrap_or(at);
        // A capture of several cards may go back a little.
        out.write_str(if at < first { " -" } else { " " })?;
        let micros = at.abs_diff(first) / 1_000;
        write_number(out, micros / 1_000_000, 10, 1)?;
        out.write_char('.')?;
        write_number(out, micros % 1_000_000, 10, 6)?;
        out.write_char(' ')
    }
}

/// Where a packet for this id comes in: where its router listens, or else any
/// router of the family.
fn interface(node: &Node<'_>, family: Family, id: Option<u8>) -> InterfaceId {
    let routers = || node.config().routers.iter().zip(0u8..);
    let of_family = || routers().filter(|(router, _)| router.family == family);
    let exactly = of_family().find(|(router, _)| Some(router.virtual_router_id) == id);
    let found = exactly
        .or_else(|| of_family().next())
        .or_else(|| routers().next());
    found.map_or(InterfaceId(0), |(_, at)| node.interface_of(RouterId(at)))
}

fn add_address(
    node: &mut Node<'_>,
    actions: &mut Actions,
    now: Instant,
    interface: InterfaceId,
    address: IpAddr,
    prefix_len: u8,
) {
    let local = LocalAddress {
        address,
        prefix_len,
        usable: true,
        duplicate: false,
        secondary: false,
        ours: false,
    };
    node.process(now, Event::AddressAdded(interface, local), actions);
}
