//! Which server a new session goes to, among those that the keeper lets have
//! one. It knows no session and no clock; what it remembers is whose turn it is.
//!
//! *Round robin* gives the servers' turns as a schedule of unit slots: the
//! `k`-th turn of a server of weight `w` among `W` lies in the slots from
//! `(k-1) * W / w` up to `k * W / w`, and of the servers whose window is open
//! the one whose window ends first is next. After any number of sessions no
//! server is a whole session off its share. The slot is drawn from a roll that
//! all workers share, and the schedule is the same for all of them, so that
//! together they are as fair as one.
//!
//! *Least connections* counts the sessions of all workers. *Source* is
//! rendezvous hashing: each server has a number for each client, the best one
//! wins, so a server that goes takes only its own clients along, and all
//! workers, restarts and both nodes of a pair agree.
//!
//! Strict limits: a worker counts its session first and looks at the sum then,
//! so two of them that meet at the last place both step back rather than both
//! take it.

use core::net::IpAddr;

use crate::board;
use crate::config::{Balance, Config, Server, Service, Span};
use crate::mutation::Mutation;
use crate::shared::Shared;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod trace;

#[cfg(test)]
pub(crate) use sample::config as sample_config;

/// What a choice is made from.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// The services and their servers.
    pub config: &'a Config<'a>,
    /// What the keeper lets, and what everybody counts.
    pub shared: &'a Shared,
    /// Who chooses.
    pub worker: u8,
    /// How many workers there are.
    pub workers: u8,
}

/// What came of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// This server; the session is counted.
    Server(u8),
    /// Every server that may have it was tried already.
    Tried,
    /// Every server that may have it is full.
    Full,
    /// No server may have it.
    Nobody,
}

/// What a session asks for.
#[derive(Clone, Copy)]
pub struct Wish {
    /// Its service.
    pub service: u8,
    /// Its client; see [`client_key`].
    pub key: u32,
    /// Servers that were tried; see [`bit`].
    pub tried: u32,
    /// The server that it had before, if that may have it.
    pub prefer: Option<u8>,
}

/// Whose turn it is. All zero bytes are a valid one.
pub struct Balancer {
    turns: [Turn; board::SERVICES_MAX],
    places: [Place; board::SERVERS_MAX],
}

struct Turn {
    /// Slots of the schedule until it begins again.
    period: u32,
    /// Slots given since it began.
    position: u32,
    /// The weights of all servers together.
    sum: u32,
}

struct Place {
    /// In the schedule; 0: not in it.
    weight: u16,
    /// Slots that it got since the schedule began.
    given: u16,
}

/// A server's bit in [`Wish::tried`], by its number in its service. Of more than
/// 32 some share one, which costs a retry its best choice at most.
pub fn bit(span: Span, server: u8) -> u32 {
    1 << (server.wrapping_sub(span.first) % 32)
}

impl Balancer {
    /// Nobody had a turn.
    pub const fn new() -> Balancer {
        Balancer {
            turns: [const {
                Turn {
                    period: 0,
                    position: 0,
                    sum: 0,
                }
            }; board::SERVICES_MAX],
            places: [const {
                Place {
                    weight: 0,
                    given: 0,
                }
            }; board::SERVERS_MAX],
        }
    }

    /// Chooses a server, and counts the session for it.
    pub fn pick(&mut self, field: &Field<'_>, wish: &Wish) -> Pick {
        let Some(service) = field.config.services.get(usize::from(wish.service)) else {
            return Pick::Nobody;
        };
        let Some(tier) = Tier::of(field, service, wish.tried) else {
            return Pick::Nobody;
        };
        if let Some(server) = wish.prefer
            && tier.has(field, server)
            && wish.tried & bit(service.servers, server) == 0
            && !field.shared.is_broken(Mutation::NoStick)
            && field.reserve(server)
        {
            return Pick::Server(server);
        }
        let mut out = Out::of(field, service, &tier, wish.tried);
        if out.left == 0 {
            return Pick::Tried;
        }
        while out.left > 0 {
            let server = match service.balance {
                Balance::RoundRobin => self.in_turn(field, wish.service, &tier, &out),
                Balance::LeastConn => least(field, wish.service, &tier, &out),
                Balance::Source => best(field, &tier, &out, wish.key),
            };
            if field.reserve(server) {
                return Pick::Server(server);
            }
            out.put(service.servers, server);
        }
        Pick::Full
    }

    /// The next in turn that is not out.
    fn in_turn(&mut self, field: &Field<'_>, service: u8, tier: &Tier, out: &Out) -> u8 {
        let mut last = tier.span.first;
        for _ in 0..tier.span.count {
            let ticket = match field.shared.is_broken(Mutation::OwnTickets) {
                true => self.turns[usize::from(service)].position,
                false => field.shared.draw(service),
            };
            last = self.slot(field, service, tier, ticket);
            if !out.is(tier.span, last) {
                return last;
            }
        }
        // Those that are in have a small share: the next one behind the last.
        let next = |server: &u8| *server > last && tier.may(field, *server, out);
        let first = |server: &u8| tier.may(field, *server, out);
        let mut indices = tier.span.indices();
        let mut again = tier.span.indices();
        indices
            .find(next)
            .or_else(|| again.find(first))
            .unwrap_or(last)
    }

    /// Whose slot the one of this ticket is: a function of the ticket and of the
    /// weights alone.
    fn slot(&mut self, field: &Field<'_>, service: u8, tier: &Tier, ticket: u32) -> u8 {
        let Some(turn) = self.turns.get_mut(usize::from(service)) else {
            return tier.span.first;
        };
        let first = usize::from(tier.span.first);
        let places = self.places.get_mut(first..).unwrap_or_default();
        let count = usize::from(tier.span.count).min(places.len());
        let places = places.get_mut(..count).unwrap_or_default();

        let mut same = turn.period != 0;
        for (server, place) in tier.span.indices().zip(places.iter()) {
            same &= place.weight == tier.weight(field, server);
        }
        if !same {
            let mut divisor = 0;
            turn.sum = 0;
            for (server, place) in tier.span.indices().zip(places.iter_mut()) {
                place.weight = tier.weight(field, server);
                turn.sum += u32::from(place.weight);
                divisor = common(divisor, u32::from(place.weight));
            }
            turn.period = turn.sum / divisor.max(1);
            turn.position = turn.period;
        }
        let wanted = ticket % turn.period.max(1);
        loop {
            if turn.position >= turn.period {
                turn.position = 0;
                places.iter_mut().for_each(|place| place.given = 0);
            }
            let at = turn.position;
            let chosen = earliest(places, turn.sum, at);
            if let Some(place) = places.get_mut(chosen) {
                place.given += 1;
            }
            turn.position += 1;
            if at == wanted {
                return tier.span.first + chosen as u8;
            }
        }
    }
}

impl Default for Balancer {
    fn default() -> Balancer {
        Balancer::new()
    }
}

/// Of the places whose window is open in this slot, the one whose window ends
/// first.
fn earliest(places: &[Place], sum: u32, slot: u32) -> usize {
    let mut chosen: Option<(usize, u32, u32)> = None;
    for (index, place) in places.iter().enumerate() {
        let (weight, given) = (u32::from(place.weight), u32::from(place.given));
        let open = weight != 0 && given * sum < (slot + 1) * weight;
        // It ends at `(given + 1) * sum / weight`, and the sum is everybody's.
        let sooner = chosen.is_none_or(|(_, others, turns)| (given + 1) * others < turns * weight);
        if open && sooner {
            chosen = Some((index, weight, given + 1));
        }
    }
    chosen.map_or(0, |(index, ..)| index)
}

/// The greatest common divisor.
fn common(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The servers that may have a session: all that are open, or, when none is, the
/// first open one of the backups.
struct Tier {
    span: Span,
    /// Only this one.
    backup: Option<u8>,
}

impl Tier {
    fn of(field: &Field<'_>, service: &Service<'_>, tried: u32) -> Option<Tier> {
        let span = service.servers;
        let open = |backup: bool, server: &u8| field.is_open(*server, backup);
        if span.indices().any(|server| open(false, &server)) {
            return Some(Tier { span, backup: None });
        }
        let fresh = |server: &u8| open(true, server) && tried & bit(span, *server) == 0;
        let mut backups = span.indices();
        let backup = backups.find(fresh);
        let mut backups = span.indices();
        let backup = backup.or_else(|| backups.find(|server| open(true, server)))?;
        Some(Tier {
            span,
            backup: Some(backup),
        })
    }

    fn has(&self, field: &Field<'_>, server: u8) -> bool {
        let inside = server.wrapping_sub(self.span.first) < self.span.count;
        inside && self.weight(field, server) != 0
    }

    fn may(&self, field: &Field<'_>, server: u8, out: &Out) -> bool {
        self.has(field, server) && !out.is(self.span, server)
    }

    fn weight(&self, field: &Field<'_>, server: u8) -> u16 {
        match self.backup {
            Some(backup) if backup != server => 0,
            Some(_) => field.weight(server),
            None if field.is_open(server, false) => field.weight(server),
            None => 0,
        }
    }
}

/// The servers of a tier that are out of the question.
struct Out {
    servers: [u32; 8],
    /// How many are not.
    left: u32,
}

impl Out {
    fn of(field: &Field<'_>, service: &Service<'_>, tier: &Tier, tried: u32) -> Out {
        let mut out = Out {
            servers: [0; 8],
            left: 0,
        };
        for server in service.servers.indices() {
            if !tier.has(field, server) {
                continue;
            }
            out.left += 1;
            if tried & bit(service.servers, server) != 0 {
                out.put(service.servers, server);
            }
        }
        out
    }

    fn is(&self, span: Span, server: u8) -> bool {
        let number = server.wrapping_sub(span.first);
        self.servers[usize::from(number / 32)] & 1 << (number % 32) != 0
    }

    fn put(&mut self, span: Span, server: u8) {
        let number = server.wrapping_sub(span.first);
        self.servers[usize::from(number / 32)] |= 1 << (number % 32);
        self.left -= 1;
    }
}

/// The one with the fewest sessions for its weight; among equals in turn.
fn least(field: &Field<'_>, service: u8, tier: &Tier, out: &Out) -> u8 {
    let count = u32::from(tier.span.count).max(1);
    let start = (field.shared.draw(service) % count) as u8;
    let mut chosen: Option<(u8, u32, u32)> = None;
    for step in 0..tier.span.count {
        let number = (u16::from(start) + u16::from(step)) % count as u16;
        let server = tier.span.first + number as u8;
        if !tier.may(field, server, out) {
            continue;
        }
        let weight = u32::from(tier.weight(field, server));
        let sessions = field.sessions(server).min(1 << 20) + 1;
        if chosen.is_none_or(|(_, others, theirs)| sessions * others < theirs * weight) {
            chosen = Some((server, weight, sessions));
        }
    }
    chosen.map_or(tier.span.first, |(server, ..)| server)
}

/// The one that the client's address belongs to.
fn best(field: &Field<'_>, tier: &Tier, out: &Out, key: u32) -> u8 {
    let mut chosen: Option<(u8, u32, u32)> = None;
    for server in tier.span.indices() {
        let Some(line) = field.config.servers.get(usize::from(server)) else {
            continue;
        };
        if !tier.may(field, server, out) {
            continue;
        }
        let weight = u32::from(tier.weight(field, server));
        let distance = rareness(mix(key ^ server_key(line)));
        if chosen.is_none_or(|(_, others, theirs)| distance * others < theirs * weight) {
            chosen = Some((server, weight, distance));
        }
    }
    chosen.map_or(tier.span.first, |(server, ..)| server)
}

impl Field<'_> {
    fn server(&self, server: u8) -> Option<&Server<'_>> {
        self.config.servers.get(usize::from(server))
    }

    fn weight(&self, server: u8) -> u16 {
        let line = self.server(server).map_or(0, |line| line.weight);
        self.shared.weight(server).unwrap_or(line)
    }

    fn is_open(&self, server: u8, backup: bool) -> bool {
        let right = self
            .server(server)
            .is_some_and(|line| line.backup == backup);
        let open = self.shared.server_is_open(server);
        let open = open || self.shared.is_broken(Mutation::PickClosed);
        right && open && self.weight(server) != 0
    }

    fn sessions(&self, server: u8) -> u32 {
        self.shared.server_sessions(server, self.workers)
    }

    /// How many sessions a server may have; 0: as many as come.
    fn most(&self, server: u8) -> u32 {
        match self.server(server).map_or(0, |line| line.maxconn) {
            0 => 0,
            most => most + u32::from(self.shared.is_broken(Mutation::OneTooMany)),
        }
    }

    /// Whether some server that may have a session has room for it.
    pub fn has_room(&self, service: u8) -> bool {
        let Some(service) = self.config.services.get(usize::from(service)) else {
            return false;
        };
        let Some(tier) = Tier::of(self, service, 0) else {
            // Nobody is there at all, which is not a lack of room.
            return true;
        };
        let mut servers = service.servers.indices();
        servers.any(|server| {
            let most = self.most(server);
            tier.has(self, server) && (most == 0 || self.sessions(server) < most)
        })
    }

    /// Counts a session for a server, if it has room.
    fn reserve(&self, server: u8) -> bool {
        let row = self.shared.row(self.worker);
        row.count_server(server, true);
        let most = self.most(server);
        if most != 0 && self.sessions(server) > most {
            row.count_server(server, false);
            return false;
        }
        true
    }
}

/// What of a client's address counts: a number that all workers and both nodes
/// of a pair make alike.
pub fn client_key(client: IpAddr) -> u32 {
    match client {
        IpAddr::V4(v4) => digest(&v4.octets()),
        IpAddr::V6(v6) => digest(&v6.octets()),
    }
}

fn server_key(server: &Server<'_>) -> u32 {
    // By its address and not by its place, so that a line more or less moves
    // nobody else's clients.
    client_key(server.address) ^ mix(u32::from(server.port))
}

fn digest(bytes: &[u8]) -> u32 {
    let fold = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    mix(bytes.iter().fold(0x811c_9dc5, fold))
}

/// Each bit of the result depends on each of the number.
fn mix(mut number: u32) -> u32 {
    number = (number ^ number >> 16).wrapping_mul(0x85eb_ca6b);
    number = (number ^ number >> 13).wrapping_mul(0xc2b2_ae35);
    number ^ number >> 16
}

/// `-log2(number / 2^32)` in steps of `2^-16`, at most `2^21`: of independent
/// clients, the share for which the least quotient of this and its weight is
/// a server's is in proportion to its weight.
fn rareness(number: u32) -> u32 {
    let number = number | 1;
    let whole = number.leading_zeros();
    let mut rest = u64::from(number << whole);
    let mut fraction = 0;
    for _ in 0..16 {
        rest = (rest * rest) >> 31;
        fraction <<= 1;
        if rest >> 32 != 0 {
            fraction |= 1;
            rest >>= 1;
        }
    }
    ((whole + 1) << 16) - fraction
}
