//! What the node notices about the others on its links: packets that were
//! refused or say odd things, and states that cannot be right. It hands
//! evidence to the table and carries the table's news into the log; it changes
//! nothing else.

use core::net::IpAddr;

use super::{Node, note};
use crate::address::{Bits, Shown};
use crate::config::highest;
use crate::diagnosis::{self, Code, Evidence, Finding, Text};
use crate::event::{Action, Actions, InterfaceId, LocalAddress, Mac, RouterId};
use crate::protocol::{Checksum, Family};
use crate::say::Level;
use crate::vrrp::{Reason, Role};
use crate::wire::{self, Head, Reject, Said};
use crate::{Duration, Instant};

/// The echo of an advert comes back within this time after mastership ended.
const ECHO: Duration = Duration::from_secs(2);
/// A master that took over by no more adverts than this did not stay.
const FLEETING_MAX: u8 = 2;
/// A master asks this soon after it became one who else has its addresses, and
/// then this often.
const PROBE_AFTER: Duration = Duration::from_secs(2);
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// What the old master's host said until then is past.
const CLAIM_AFTER: Duration = Duration::from_secs(1);
/// At most so many lines in each [`WINDOW`], whatever is on the link.
const LINES_MAX: u8 = 20;
const WINDOW: Duration = Duration::from_secs(60);

/// What is remembered of the other node of a router.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rival {
    address: Bits,
    /// What it last said.
    head: Head,
    /// The highest priority of it, and how often it was heard, since it became
    /// master: only masters are heard.
    highest: u8,
    heard: u8,
    /// It took mastership from this node.
    took_over: bool,
    at: Instant,
}

impl Node<'_> {
    /// A packet was discarded. True: it is explained, by a diagnosis.
    #[inline(never)]
    pub(super) fn diagnose_discarded(
        &mut self,
        now: Instant,
        (interface, family): (InterfaceId, Family),
        packet: &[u8],
        reject: Reject,
    ) -> bool {
        let Some(said) = wire::inspect(family, packet) else {
            return false;
        };
        let mut explained = false;
        for (index, config) in self.config.routers.iter().enumerate() {
            if self.router_interfaces[index] != interface || config.family != family {
                continue;
            }
            let mut about = said.destination;
            let code = if said.carp {
                Some(Code::Carp)
            } else if said.head.virtual_router_id == config.virtual_router_id {
                if reject == Reject::Count {
                    about = config.advertised().next().map_or(about, |own| own.address);
                }
                match reject {
                    Reject::Own => Some(self.own_source(now, index, &said)),
                    _ => diagnosis::refused(&said, reject),
                }
            } else if reject == Reject::Vrid
                && let Some(shared) = diagnosis::shares(config, &said)
            {
                // An id that nobody here has is ordinary, but for this.
                about = shared;
                Some(Code::ForeignVrid)
            } else {
                None
            };
            if let Some(code) = code {
                explained = true;
                let mut evidence = Evidence::of(code, &said);
                evidence.address = about.into();
                self.diagnoses[index].see(now, &evidence);
            }
        }
        explained
    }

    /// From our own address: an echo, or somebody who has it too.
    fn own_source(&self, now: Instant, index: usize, said: &Said<'_>) -> Code {
        let router = &self.routers[index];
        let speaks = router.role() == Role::Master || now - router.since() < ECHO;
        let priority = said.head.priority;
        match speaks && (priority == 0 || priority == router.priority()) {
            true => Code::OwnPackets,
            false => Code::DuplicateSource,
        }
    }

    /// An advert was accepted and the router has acted on it.
    #[inline(never)]
    pub(super) fn diagnose_accepted(
        &mut self,
        now: Instant,
        id: RouterId,
        packet: &[u8],
        checksum: Option<Checksum>,
    ) {
        let index = usize::from(id.0);
        let family = self.config.routers[index].family;
        let Some(said) = wire::inspect(family, packet) else {
            return;
        };
        let (config, table) = (&self.config.routers[index], &mut self.diagnoses[index]);
        let mut evidence = Evidence::of(Code::TwoMasters, &said);
        diagnosis::differences(config, &said, checksum, &mut |code, address| {
            evidence.code = code;
            evidence.address = address.into();
            table.see(now, &evidence);
        });
        let router = &self.routers[index];
        let (role, own, theirs) = (router.role(), router.priority(), said.head.priority);
        let mut rival = Rival {
            address: evidence.peer,
            head: said.head,
            highest: theirs,
            heard: 1,
            took_over: router.reason().names(said.source),
            at: now,
        };
        if let Some(known) = &self.rivals[index]
            && known.address == rival.address
            && role == Role::Backup
        {
            rival.highest = theirs.max(known.highest);
            rival.heard = known.heard.saturating_add(1);
        }
        let lowered = role == Role::Backup && theirs < rival.highest;
        let code = match theirs {
            _ if !matches!(role, Role::Backup | Role::Master) => None,
            0 => {
                // It leaves; what it said is past.
                rival.highest = 0;
                None
            }
            255 if own == 255 => Some(Code::TwoOwners),
            _ if theirs == own => Some(Code::EqualPriority),
            _ if role == Role::Master && !router.releasing() => Some(Code::TwoMasters),
            _ if lowered && u32::from(theirs) >= highest(config) => Some(Code::Outranked),
            _ if lowered && theirs < own && !config.preempt => Some(Code::PreemptNo),
            _ => None,
        };
        if let Some(code) = code {
            evidence.code = code;
            evidence.highest = rival.highest;
            table.see(now, &evidence);
        }
        self.rivals[index] = Some(rival);
        table.cure_unseen(now, evidence.peer);
    }

    /// An address was told: one of ours that nobody should have now, and that
    /// smena did not set, was left by another program.
    pub(super) fn diagnose_address(
        &mut self,
        now: Instant,
        owner: RouterId,
        carrier: InterfaceId,
        local: &LocalAddress,
    ) {
        let router = &self.routers[usize::from(owner.0)];
        if local.ours || router.role() == Role::Master || router.priority() == 255 {
            return;
        }
        let mut evidence = Evidence::about(Code::AddressLeft, local.address);
        // The sentence has no TTL but a prefix length.
        evidence.head.hop_limit = local.prefix_len;
        evidence.carrier = Some(carrier);
        self.diagnoses[usize::from(owner.0)].see(now, &evidence);
    }

    /// An address of a router is gone.
    pub(super) fn diagnose_removal(&mut self, owner: RouterId, address: IpAddr) {
        self.diagnoses[usize::from(owner.0)].cure(&|finding| {
            let evidence = &finding.evidence;
            evidence.code == Code::AddressLeft && evidence.address == address.into()
        });
    }

    /// A router changed its state.
    pub(super) fn diagnose_transition(&mut self, now: Instant, id: RouterId, from: Role) {
        let index = usize::from(id.0);
        let router = &self.routers[index];
        let master = router.role() == Role::Master;
        self.diagnoses[index].cure(&|finding| match finding.evidence.code {
            Code::TwoMasters | Code::AddressConflict | Code::WeightTooSmall => !master,
            Code::AddressLeft => master,
            _ => false,
        });
        if master {
            self.probe_at = now + PROBE_AFTER;
        }
        if master
            && from == Role::Backup
            && let Reason::NoAdvert(..) = router.reason()
            && let Some(rival) = &self.rivals[index]
            && rival.took_over
            && rival.heard <= FLEETING_MAX
        {
            let evidence = rival.shows(Code::FleetingMaster);
            self.diagnoses[index].see(now, &evidence);
        }
    }

    /// When masters ask who else has their addresses; `None`: there is no master.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        let mut routers = self.routers.iter();
        let any = routers.any(|router| router.role() == Role::Master);
        any.then_some(self.probe_at)
    }

    /// Asks, when it is time.
    pub(super) fn probe(&mut self, now: Instant, actions: &mut Actions) {
        if now < self.probe_at {
            return;
        }
        self.probe_at = now + PROBE_EVERY;
        for (id, router) in (0u8..).map(RouterId).zip(&self.routers) {
            if router.role() == Role::Master {
                actions.push(Action::Probe(id));
            }
        }
    }

    /// A neighbour says that it has an address. One of a master here is nobody
    /// else's; the MAC of the virtual router is its own. A master that lets go, or
    /// hears another, has a successor or a rival, whose claims are in order; who
    /// claims otherwise is asked again once a successor would have been heard.
    #[inline(never)]
    pub(super) fn on_claimed(&mut self, now: Instant, index: u32, address: IpAddr, mac: Mac) {
        let links = self
            .interfaces
            .iter()
            .filter_map(|interface| interface.link);
        if links.map(|link| link.mac).any(|own| own == mac) {
            return;
        }
        for (id, config) in (0u8..).map(RouterId).zip(&self.config.routers) {
            let mut own = config.addresses.iter();
            let Some(number) = own.position(|own| own.address == address) else {
                continue;
            };
            let carrier = self.carrier_of(id, number);
            let link = self.interfaces[usize::from(carrier.0)].link;
            let here = index == 0 || link.is_some_and(|link| link.index == index);
            let at = usize::from(id.0);
            if here && self.routers[at].on_answer() {
                let address = Shown(address);
                let text = format_args!("{address} is still answered for: the take-over waits");
                note(Level::Warn, config.name, text);
            }
            let router = &self.routers[at];
            let held = router.role() == Role::Master
                && !router.releasing()
                && now - router.since() >= CLAIM_AFTER
                && self.rivals[at].is_none_or(|rival| {
                    rival.at <= router.since() || now >= rival.at + config.advert_int * 3
                });
            let [a, b, c, d, _, last] = mac;
            let virtual_mac = [a, b, c, d] == [0, 0, 0x5e, 0] && last == config.virtual_router_id;
            if here && held && !virtual_mac {
                let mut evidence = Evidence::about(Code::AddressConflict, address);
                evidence.mac = mac;
                let table = &mut self.diagnoses[at];
                table.see(now, &evidence);
                if let Some(ask_at) = table.ask_at(now) {
                    self.probe_at = self.probe_at.min(ask_at);
                }
            }
        }
    }

    /// Looks at what is no event, and says what is to be said.
    #[inline(never)]
    pub(super) fn settle_diagnoses(&mut self, now: Instant) {
        for index in 0..self.routers.len() {
            self.weigh(now, index);
            while let Some((finding, ended)) = self.diagnoses[index].news(now) {
                if now >= self.window_ends_at {
                    self.window_ends_at = now + WINDOW;
                    self.lines_left = LINES_MAX;
                }
                if self.lines_left == 0 {
                    continue;
                }
                self.lines_left -= 1;
                let name = self.config.routers[index].name;
                let code = finding.evidence.code.name();
                if ended {
                    note(Level::Info, name, format_args!("no longer {code}"));
                } else {
                    let text = self.diagnosis(now, RouterId(index as u8), &finding);
                    note(Level::Warn, name, format_args!("{code}: {text}"));
                }
            }
        }
    }

    /// A weighted check fails, and the other node does not profit from it. And
    /// who lets go of its addresses has nothing against others that have them.
    fn weigh(&mut self, now: Instant, index: usize) {
        let router = &self.routers[index];
        if router.releasing() {
            self.diagnoses[index].cure(&|finding| finding.evidence.code == Code::AddressConflict);
        }
        let (own, code) = (router.priority(), Code::WeightTooSmall);
        let Some(rival) = &self.rivals[index] else {
            return;
        };
        if router.role() != Role::Master || own <= rival.highest {
            return;
        }
        let table = &mut self.diagnoses[index];
        // With 0 it said that it leaves, and not what it is worth.
        let known = rival.head.priority > 0;
        if known && u32::from(own) < highest(&self.config.routers[index]) {
            table.see(now, &rival.shows(code));
        } else {
            table.cure(&|finding| finding.evidence.code == code);
        }
    }

    /// What is wrong with a router now.
    pub fn diagnoses(&self, now: Instant, id: RouterId) -> impl Iterator<Item = &Finding> {
        self.diagnoses[usize::from(id.0)].shown(now)
    }

    /// The other master of a router that was last heard: its address, what it
    /// said its priority is, and when.
    pub fn rival(&self, id: RouterId) -> Option<(IpAddr, u8, Instant)> {
        let rival = self.rivals[usize::from(id.0)].as_ref()?;
        Some((rival.address.address(), rival.head.priority, rival.at))
    }

    /// The sentence of a finding about a router.
    pub fn diagnosis<'f>(&'f self, now: Instant, id: RouterId, finding: &'f Finding) -> Text<'f> {
        let index = usize::from(id.0);
        let machine = &self.routers[index];
        let interface = finding.evidence.carrier;
        let interface = interface.unwrap_or(self.router_interfaces[index]);
        Text {
            finding,
            router: &self.config.routers[index],
            source: machine.source().map_or(Bits::NONE, Bits::from),
            interface: self.interfaces[usize::from(interface.0)].name,
            priority: machine.priority(),
            master: machine.role() == Role::Master,
            now,
        }
    }
}

impl Rival {
    fn shows(&self, code: Code) -> Evidence {
        Evidence {
            peer: self.address,
            head: self.head,
            highest: self.highest,
            ..Evidence::about(code, self.address.address())
        }
    }
}
