//! Where sessions are kept: a hash table whose chains and lists are links
//! between slots, so that finding, adding, using and removing one are a few
//! steps each, however many there are. It decides nothing.
//!
//! ```text
//!   buckets: hash -> slot -> slot          ages: service -> longest idle ... used last
//! ```
//!
//! Memory of slots that were never used is never touched, and a freed slot is
//! the next to be taken.

use core::net::{IpAddr, SocketAddr};

use crate::board;
use crate::stick::mix;
use crate::{Duration, Instant};

const SLOTS: usize = board::DATAGRAM_SESSIONS_MAX;
/// More than slots, so that chains are short.
const BUCKETS: usize = (SLOTS + SLOTS / 2).next_power_of_two();

// A link has 16 bits, and one of them is none.
const _: () = assert!(SLOTS < 1 << 16);

/// A slot and 1; 0 is none.
type Link = u16;

/// Who speaks to whom: all datagrams of one make a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    client: [u32; 4],
    asked: [u32; 4],
    /// The link of a client whose address says nothing about it.
    scope: u32,
    port: u16,
    /// Where it came in, by its place in the configuration.
    pub listener: u8,
    is_ipv6: bool,
}

impl Flow {
    /// `asked` is the address of ours that the client sent to, of its family.
    pub fn new(listener: u8, client: SocketAddr, asked: IpAddr) -> Flow {
        Flow {
            client: words(client.ip()),
            asked: words(asked),
            scope: match client {
                SocketAddr::V6(v6) => v6.scope_id(),
                SocketAddr::V4(_) => 0,
            },
            port: client.port(),
            listener,
            is_ipv6: client.is_ipv6(),
        }
    }

    /// The client, and the link that it is on if its address does not tell.
    pub fn client(&self) -> SocketAddr {
        let mut client = SocketAddr::new(self.address(self.client), self.port);
        if let SocketAddr::V6(v6) = &mut client {
            v6.set_scope_id(self.scope);
        }
        client
    }

    /// The address that replies come from.
    pub fn asked(&self) -> IpAddr {
        self.address(self.asked)
    }

    fn address(&self, words: [u32; 4]) -> IpAddr {
        match self.is_ipv6 {
            true => {
                let mut bytes = [0; 16];
                for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
                    *to = word.to_be_bytes();
                }
                IpAddr::from(bytes)
            }
            false => IpAddr::from(words[0].to_be_bytes()),
        }
    }
}

fn words(ip: IpAddr) -> [u32; 4] {
    let mut words = [0; 4];
    match ip {
        IpAddr::V4(v4) => words[0] = v4.to_bits(),
        IpAddr::V6(v6) => {
            for (to, four) in words.iter_mut().zip(v6.octets().as_chunks().0) {
                *to = u32::from_be_bytes(*four);
            }
        }
    }
    words
}

/// A session.
pub struct Session {
    /// Who speaks to whom.
    pub flow: Flow,
    /// When it was used last.
    pub used_at: Instant,
    /// Its service.
    pub service: u8,
    /// Its server.
    pub server: u8,
    /// It is none: its slot is free.
    free: bool,
    /// The next of its bucket, or the next free one.
    next: Link,
    older: Link,
    younger: Link,
}

/// The ends of a service's list.
#[derive(Clone, Copy)]
struct Ages {
    oldest: Link,
    youngest: Link,
}

/// See the module.
pub struct Table {
    /// Slots from here on were never used.
    fresh: u16,
    free: Link,
    buckets: [Link; BUCKETS],
    ages: [Ages; board::SERVICES_MAX],
    slots: [Session; SLOTS],
    seed: u32,
    /// Sessions that there may be.
    most: u16,
}

impl Table {
    /// An empty one, all zero.
    pub const fn new() -> Table {
        const FLOW: Flow = Flow {
            client: [0; 4],
            asked: [0; 4],
            scope: 0,
            port: 0,
            listener: 0,
            is_ipv6: false,
        };
        Table {
            fresh: 0,
            free: 0,
            buckets: [0; BUCKETS],
            ages: [const {
                Ages {
                    oldest: 0,
                    youngest: 0,
                }
            }; board::SERVICES_MAX],
            slots: [const {
                Session {
                    flow: FLOW,
                    used_at: Instant::ZERO,
                    service: 0,
                    server: 0,
                    free: false,
                    next: 0,
                    older: 0,
                    younger: 0,
                }
            }; SLOTS],
            seed: 0,
            most: 0,
        }
    }

    /// What nobody outside knows, so that nobody can fill one chain, and how many
    /// sessions there may be, at least 1. Told before the first session.
    pub fn start(&mut self, seed: u32, most: usize) {
        self.seed = seed;
        self.most = most.clamp(1, SLOTS) as u16;
    }

    /// The session of a slot that has one.
    pub fn session(&self, slot: u16) -> &Session {
        &self.slots[usize::from(slot)]
    }

    /// The first slot that never had a session.
    pub fn fresh(&self) -> u16 {
        self.fresh
    }

    /// The server of a slot's session, if it has one.
    pub fn server_of(&self, slot: u16) -> Option<u8> {
        let session = self.session(slot);
        (!session.free).then_some(session.server)
    }

    /// The slot of a flow's session.
    pub fn find(&self, flow: &Flow) -> Option<u16> {
        let mut link = self.buckets[self.bucket(flow)];
        while let Some(slot) = link.checked_sub(1) {
            let session = self.session(slot);
            if session.flow == *flow {
                return Some(slot);
            }
            link = session.next;
        }
        None
    }

    /// Adds a session; `None` when there is no room.
    pub fn add(&mut self, now: Instant, flow: &Flow, service: u8, server: u8) -> Option<u16> {
        let slot = match self.free.checked_sub(1) {
            Some(slot) => {
                self.free = self.session(slot).next;
                slot
            }
            None if self.fresh < self.most => {
                self.fresh += 1;
                self.fresh - 1
            }
            None => return None,
        };
        let bucket = self.bucket(flow);
        self.slots[usize::from(slot)] = Session {
            flow: *flow,
            used_at: now,
            service,
            server,
            free: false,
            next: self.buckets[bucket],
            older: 0,
            younger: 0,
        };
        self.buckets[bucket] = slot + 1;
        self.append(slot);
        Some(slot)
    }

    /// A session is used: it is its service's youngest.
    pub fn touch(&mut self, now: Instant, slot: u16) {
        self.slots[usize::from(slot)].used_at = now;
        if self.session(slot).younger != 0 {
            self.take(slot);
            self.append(slot);
        }
    }

    /// Removes a session.
    pub fn remove(&mut self, slot: u16) {
        let session = self.session(slot);
        assert!(!session.free);
        let next = session.next;
        let bucket = self.bucket(&session.flow);
        // Its predecessor is near: chains are short.
        let mut link = self.buckets[bucket];
        if link == slot + 1 {
            self.buckets[bucket] = next;
        } else {
            while self.slots[usize::from(link - 1)].next != slot + 1 {
                link = self.slots[usize::from(link - 1)].next;
            }
            self.slots[usize::from(link - 1)].next = next;
        }
        self.take(slot);
        let session = &mut self.slots[usize::from(slot)];
        session.free = true;
        session.next = self.free;
        self.free = slot + 1;
    }

    /// The longest idle session of a service.
    pub fn oldest_of(&self, service: u8) -> Option<u16> {
        self.ages[usize::from(service)].oldest.checked_sub(1)
    }

    /// The longest idle session of all.
    pub fn oldest(&self) -> Option<u16> {
        let services = 0..self.ages.len() as u8;
        services
            .filter_map(|service| self.oldest_of(service))
            .min_by_key(|&slot| self.session(slot).used_at)
    }

    /// The session of all that was used last.
    pub fn youngest(&self) -> Option<u16> {
        let youngest = self.ages.iter().map(|ages| ages.youngest);
        let slots = youngest.filter_map(|link| link.checked_sub(1));
        slots.max_by_key(|&slot| self.session(slot).used_at)
    }

    /// When the longest idle session of a service has been so for too long.
    pub fn ends_at(&self, service: u8, timeout: Duration) -> Option<(u16, Instant)> {
        let slot = self.oldest_of(service)?;
        Some((slot, self.session(slot).used_at + timeout))
    }

    fn bucket(&self, flow: &Flow) -> usize {
        let mut words = [self.seed; 10];
        words[1..5].copy_from_slice(&flow.client);
        words[5..9].copy_from_slice(&flow.asked);
        words[9] = u32::from(flow.listener) << 16 | u32::from(flow.port);
        mix(&words) as usize % BUCKETS
    }

    /// At the young end.
    fn append(&mut self, slot: u16) {
        let service = usize::from(self.session(slot).service);
        let older = self.ages[service].youngest;
        self.ages[service].youngest = slot + 1;
        match older.checked_sub(1) {
            Some(older) => self.slots[usize::from(older)].younger = slot + 1,
            None => self.ages[service].oldest = slot + 1,
        }
        let session = &mut self.slots[usize::from(slot)];
        (session.older, session.younger) = (older, 0);
    }

    /// Out of its list.
    fn take(&mut self, slot: u16) {
        let session = self.session(slot);
        let (older, younger) = (session.older, session.younger);
        let ages = &mut self.ages[usize::from(session.service)];
        match younger.checked_sub(1) {
            Some(younger) => self.slots[usize::from(younger)].older = older,
            None => ages.youngest = older,
        }
        match older.checked_sub(1) {
            Some(older) => self.slots[usize::from(older)].younger = younger,
            None => ages.oldest = younger,
        }
    }
}

impl Default for Table {
    fn default() -> Table {
        Table::new()
    }
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::collections::VecDeque;

    use super::*;

    fn flow(number: u32) -> Flow {
        let client = SocketAddr::new(IpAddr::from(number.to_be_bytes()), number as u16 | 1);
        Flow::new(number as u8 & 3, client, IpAddr::from([192, 0, 2, 1]))
    }

    #[test]
    fn a_flow_is_what_it_was_made_of() {
        let asked: IpAddr = "2001:db8::1".parse().unwrap();
        let client: SocketAddr = "[fe80::7%3]:500".parse().unwrap();
        let flow = Flow::new(2, client, asked);
        assert_eq!((flow.client(), flow.asked()), (client, asked));
        let client: SocketAddr = "192.0.2.7:65535".parse().unwrap();
        let flow = Flow::new(2, client, IpAddr::from([10, 0, 0, 1]));
        assert_eq!(flow.client(), client);
        assert_eq!(flow.asked(), IpAddr::from([10, 0, 0, 1]));
        assert_eq!(size_of::<Session>(), 64);
    }

    /// A plain list is the oracle, for steps in a random order.
    #[test]
    fn it_does_what_a_list_does() {
        let mut table = Box::new(Table::new());
        table.start(0x1234_5678, SLOTS);
        // Flow and slot, the longest idle first, of two services.
        let mut lists = [VecDeque::new(), VecDeque::new()];
        let mut seed: u64 = 1;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 16) as u32
        };
        for step in 0..150_000_i64 {
            let now = Instant::from_micros(step);
            let number = next() % (SLOTS as u32 + 2000);
            let service = (number % 2) as u8;
            let list: &mut VecDeque<(u32, u16)> = &mut lists[usize::from(service)];
            let known = list
                .iter()
                .position(|&(of, _)| of == number && step % 4 == 0);
            match (table.find(&flow(number)), known) {
                // Looked for in both, now and then.
                (found, Some(at)) => assert_eq!(found, Some(list[at].1)),
                (found, None) if step % 4 == 0 => assert_eq!(found, None),
                _ => {}
            }
            match table.find(&flow(number)) {
                Some(slot) if next().is_multiple_of(3) => {
                    table.remove(slot);
                    list.retain(|&(_, of)| of != slot);
                }
                Some(slot) => {
                    table.touch(now, slot);
                    if step % 16 == 0 {
                        assert_eq!(table.session(slot).used_at, now);
                    }
                    let at = list.iter().position(|&(_, of)| of == slot).unwrap();
                    let entry = list.remove(at).unwrap();
                    list.push_back(entry);
                }
                None => match table.add(now, &flow(number), service, 0) {
                    Some(slot) => list.push_back((number, slot)),
                    None => {
                        let oldest = table.oldest().unwrap();
                        let of = usize::from(table.session(oldest).service);
                        assert_eq!(lists[of].pop_front().unwrap().1, oldest);
                        table.remove(oldest);
                    }
                },
            }
            for service in 0..2 {
                let oldest = lists[usize::from(service)].front().map(|&(_, slot)| slot);
                assert_eq!(table.oldest_of(service), oldest);
            }
        }
        let kept: usize = lists.iter().map(VecDeque::len).sum();
        let slots = (0..table.fresh()).filter(|&slot| table.server_of(slot).is_some());
        assert_eq!(slots.count(), kept);
        assert!(kept > 100, "{kept}");
    }
}
