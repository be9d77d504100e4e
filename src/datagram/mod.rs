//! UDP sessions of one worker: the datagrams of one client's address and port,
//! to one address and port of ours, go to one server, and its replies go back.
//!
//! ```text
//!   datagram --arrive--> known | new: picked, counted | refused: counted
//!   session  --end-----> idle | evicted | refused | cut | no room
//! ```
//!
//! A session never moves to another server. One whose server refuses (ICMP says
//! that nobody is there) ends, and the client's next datagram begins another;
//! so does one that is idle for `timeout_udp`, and the longest idle one when
//! there is no room. While a server gets no new sessions, only what it says
//! itself keeps those that it has. With `stick = source` all sessions of a client's address go
//! to one server, whatever their ports and listeners, which is what IKE needs.
//!
//! Every session ends in [`Sessions::end`], so that every count returns to zero.
//! No socket is known here, no byte and no clock.

mod table;
#[cfg(test)]
mod trace;

use crate::balance::{Balancer, Field, Pick, Wish, client_key};
use crate::board;
use crate::config::{Config, Service, Stick};
use crate::mutation::Mutation;
use crate::pack::packed;
use crate::say::{Level, say};
use crate::stick::Key;
use crate::{Duration, Instant};

pub use table::{Flow, Session};

use table::Table;

/// What a datagram of a client is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The session of this slot.
    Known(u16),
    /// A session that began with it. Whatever its slot had before is over.
    New(u16),
    /// None: there is no server for it. It was counted.
    Refused,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nobody who counts said anything for `timeout_udp`.
    Idle,
    /// It was idle for the longest time, and another one had no room.
    Evicted,
    /// Nobody is there, says the server's machine.
    Refused,
    /// Its server is down, and the service cuts then.
    Cut,
    /// There was no socket for it.
    NoRoom,
}

/// The sessions of a worker.
pub struct Sessions {
    table: Table,
    balancer: Balancer,
    /// [`crate::shared::Shared::cuts`] of each server, as it was last obeyed.
    cuts: [u32; board::SERVERS_MAX],
    /// When it was last said that there was no room.
    told_at: Option<Instant>,
}

/// How often that is said.
const TELL: Duration = Duration::from_secs(60);

impl Sessions {
    /// None yet, all zero.
    pub const fn new() -> Sessions {
        Sessions {
            table: Table::new(),
            balancer: Balancer::new(),
            cuts: [0; board::SERVERS_MAX],
            told_at: None,
        }
    }

    /// Before the first session: a number that nobody outside can guess, how many
    /// sessions there may be (1 to the board's number), and the cuts of before,
    /// which are not for sessions of later.
    pub fn start(&mut self, field: &Field<'_>, seed: u32, most: usize) {
        self.table.start(seed, most);
        for (server, seen) in (0..).zip(&mut self.cuts) {
            *seen = field.shared.cuts(server);
        }
    }

    /// The session of a slot that has one.
    pub fn session(&self, slot: u16) -> &Session {
        self.table.session(slot)
    }

    /// A datagram of a client.
    pub fn arrive(&mut self, field: &Field<'_>, now: Instant, flow: &Flow) -> Arrival {
        if let Some(slot) = self.table.find(flow) {
            // A client that goes on talking to nobody is not to keep itself there.
            if field.shared.server_is_open(self.table.session(slot).server) {
                self.touch(field, now, slot);
            }
            return Arrival::Known(slot);
        }
        match self.begin(field, now, flow) {
            Some(slot) => Arrival::New(slot),
            None => Arrival::Refused,
        }
    }

    /// Something of a session's server.
    pub fn reply(&mut self, field: &Field<'_>, now: Instant, slot: u16) {
        self.touch(field, now, slot);
    }

    /// A session is used. Now and then that is said of its client too, or
    /// sessions that begin when this one is old would not find its server.
    fn touch(&mut self, field: &Field<'_>, now: Instant, slot: u16) {
        let session = self.table.session(slot);
        if minute(session.used_at) != minute(now) {
            remember(field, now, session);
        }
        self.table.touch(now, slot);
    }

    fn begin(&mut self, field: &Field<'_>, now: Instant, flow: &Flow) -> Option<u16> {
        let (number, service) = service_of(field.config, flow.listener)?;
        let row = field.shared.row(field.worker);
        row.count_service(number, true);
        let server = self.choose(field, now, flow, (number, service));
        let Some(server) = server else {
            row.count_service(number, false);
            row.refuse(number);
            return None;
        };
        row.add_session(server);
        self.table.add(now, flow, number, server).or_else(|| {
            self.evict(field, now);
            self.table.add(now, flow, number, server)
        })
    }

    /// A server, counted for the session already.
    fn choose(
        &mut self,
        field: &Field<'_>,
        now: Instant,
        flow: &Flow,
        (number, service): (u8, &Service<'_>),
    ) -> Option<u8> {
        let most = service.maxconn;
        let full = most != 0 && field.shared.service_sessions(number, field.workers) > most;
        if full || !field.shared.service_is_open(number) {
            return None;
        }
        let client = flow.client().ip();
        let key = Key::client(number, client);
        let sticks = field.shared.sticks();
        let sticky = service.stick == Stick::Source;
        let wish = Wish {
            service: number,
            key: client_key(client),
            tried: 0,
            prefer: sticky.then(|| sticks.find(now, &key)).flatten(),
        };
        let Pick::Server(server) = self.balancer.pick(field, &wish) else {
            return None;
        };
        if sticky {
            sticks.store(now, &key, server);
        }
        Some(server)
    }

    /// The one way out of a session. Its socket may be closed, or stays until
    /// its slot is taken again.
    pub fn end(&mut self, field: &Field<'_>, now: Instant, slot: u16, why: End) {
        let session = self.table.session(slot);
        let (service, server) = (session.service, session.server);
        let row = field.shared.row(field.worker);
        match why {
            End::Idle | End::Cut => {}
            End::Evicted => row.evict(service),
            End::NoRoom => row.refuse(service),
            End::Refused => {
                row.add_refused(server);
                // Whoever is there next time may have it, unless another of the
                // client's sessions found somebody already.
                let key = Key::client(service, session.flow.client().ip());
                let sticks = field.shared.sticks();
                if sticks.find(now, &key) == Some(server) {
                    sticks.forget(now, &key);
                }
            }
        }
        row.count_server(server, false);
        row.count_service(service, false);
        self.table.remove(slot);
    }

    /// Ends the session that was idle for the longest time, to make room.
    pub fn evict(&mut self, field: &Field<'_>, now: Instant) -> Option<u16> {
        let slot = match field.shared.is_broken(Mutation::EvictYoungest) {
            true => self.table.youngest()?,
            false => self.table.oldest()?,
        };
        if self.told_at.is_none_or(|at| now >= at + TELL) {
            self.told_at = Some(now);
            let words =
                packed!("no room for another client of UDP: the longest idle one makes room");
            say(Level::Warn, format_args!("{words}"));
        }
        self.end(field, now, slot, End::Evicted);
        Some(slot)
    }

    /// Ends a session that was idle for too long; there may be more.
    pub fn expire(&mut self, field: &Field<'_>, now: Instant) -> Option<u16> {
        let (slot, at) = self.next_to_expire(field)?;
        if at > now {
            return None;
        }
        self.end(field, now, slot, End::Idle);
        Some(slot)
    }

    /// When the next session has been idle for too long.
    pub fn poll_at(&self, field: &Field<'_>) -> Option<Instant> {
        self.next_to_expire(field).map(|(_, at)| at)
    }

    // Once a turn, and a loop is a third of what an iterator comes to.
    fn next_to_expire(&self, field: &Field<'_>) -> Option<(u16, Instant)> {
        let mut next: Option<(u16, Instant)> = None;
        for (number, service) in (0..).zip(&field.config.services) {
            let Some((slot, at)) = self.table.ends_at(number, service.timeout_udp) else {
                continue;
            };
            if next.is_none_or(|(_, earliest)| at < earliest) {
                next = Some((slot, at));
            }
        }
        next
    }

    /// Ends the sessions of servers whose sessions are to end, and tells which.
    pub fn cut(&mut self, field: &Field<'_>, now: Instant, each: &mut dyn FnMut(u16)) {
        let mut meant = [false; board::SERVERS_MAX];
        for (server, (seen, meant)) in (0..).zip(self.cuts.iter_mut().zip(&mut meant)) {
            let cuts = field.shared.cuts(server);
            *meant = *seen != cuts;
            *seen = cuts;
        }
        if !meant.contains(&true) {
            return;
        }
        for slot in 0..self.table.fresh() {
            let server = self.table.server_of(slot);
            if server.is_some_and(|server| meant[usize::from(server)]) {
                self.end(field, now, slot, End::Cut);
                each(slot);
            }
        }
    }
}

impl Default for Sessions {
    fn default() -> Sessions {
        Sessions::new()
    }
}

/// The service that a listener is one of.
fn service_of<'c, 'a>(config: &'c Config<'a>, listener: u8) -> Option<(u8, &'c Service<'a>)> {
    let services = (0..).zip(&config.services);
    let mut fitting = services.filter(|(_, service)| {
        let span = service.listeners;
        listener.wrapping_sub(span.first) < span.count
    });
    fitting.next()
}

/// A client goes where this session of it goes, unless a younger one of it goes
/// elsewhere.
#[cold]
fn remember(field: &Field<'_>, now: Instant, session: &Session) {
    let Some(service) = field.config.services.get(usize::from(session.service)) else {
        return;
    };
    if service.stick != Stick::Source {
        return;
    }
    let key = Key::client(session.service, session.flow.client().ip());
    let sticks = field.shared.sticks();
    let had = sticks.find(now, &key);
    if had.is_none_or(|server| server == session.server) {
        sticks.store(now, &key, session.server);
    }
}

/// Which minute it is; one of 67 seconds, which costs no division.
fn minute(at: Instant) -> i64 {
    at.total_micros() >> 26
}
