//! The TCP sessions of one worker: how far each has come, which server it gets,
//! when its time is up, and what is counted of it. No descriptor and no byte:
//! whoever drives it moves those.
//!
//! ```text
//!   begin, greet ----> Hello ----+                  no room: again in 10 ms
//!         |                       v                       |   ^
//!         +---------> go: [which server?] ----------> Waiting-+
//!                           |   ^                         |
//!                           v   | failed                  | all tried: in 1 s
//!                        Connecting ----------------------+
//!                           | connected
//!                           v
//!                        Relaying ----> end(why) ----> settle
//! ```
//!
//! There is one way out, [`Sessions::end`]; a slot that was left is used again
//! only after [`Sessions::settle`], when nobody has news of its last session
//! any more. Deadlines stand in lists whose members all wait equally long, so
//! the next one is always at a head: nothing is ever scanned.

use crate::balance::{Balancer, Field, Pick, Wish, bit};
use crate::board;
use crate::config::{Config, Service};
use crate::mutation::Mutation;
use crate::shared::Shared;
use crate::{Duration, Instant};

mod state;
#[cfg(test)]
mod trace;

pub use state::{Due, Failed, Id, State, Step, Why};

/// One slot of the table.
struct Session {
    state: State,
    /// Neighbours in the list it is in, and 1; 0: none.
    next: u32,
    before: u32,
    /// See [`crate::balance::client_key`].
    key: u32,
    /// Servers that were tried; see [`bit`].
    tried: u32,
    service: u8,
    server: u8,
    /// Whether it is counted for its server.
    counted: bool,
    /// Attempts that are left after the present one.
    left: u8,
}

/// The first and the last of a list, and 1; 0: none.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

/// Lists: first records, room, a pause, and two a service.
const LISTS_MAX: usize = 3 + 2 * board::SERVICES_MAX;
const HELLO: usize = 0;
const ROOM: usize = 1;
const PAUSE: usize = 2;

/// How long a client's first record is waited for, in milliseconds.
const HELLO_MS: u32 = 5_000;
/// How soon to look again for room that another worker may have made.
const ROOM_MS: u32 = 10;
/// How soon to try a server again after it failed: a restart takes a while.
const PAUSE_MS: u32 = 1_000;
/// A deadline that would move by less stays where it is.
const GRAIN_MS: u32 = 16;

/// The memory of [`Sessions`]. All zero bytes are a valid one, so that a static
/// one costs nothing until sessions come.
pub struct Table {
    sessions: [Session; board::SESSIONS_MAX],
    lists: [List; LISTS_MAX],
    cuts: [u32; board::SERVERS_MAX],
    balancer: Balancer,
}

impl Table {
    /// No sessions.
    pub const fn new() -> Table {
        Table {
            sessions: [const {
                Session {
                    state: State::Free,
                    next: 0,
                    before: 0,
                    key: 0,
                    tried: 0,
                    service: 0,
                    server: 0,
                    counted: false,
                    left: 0,
                }
            }; board::SESSIONS_MAX],
            lists: [const { List { first: 0, last: 0 } }; LISTS_MAX],
            cuts: [0; board::SERVERS_MAX],
            balancer: Balancer::new(),
        }
    }
}

impl Default for Table {
    fn default() -> Table {
        Table::new()
    }
}

/// See the module.
pub struct Sessions<'a> {
    field: Field<'a>,
    table: &'a mut Table,
    now: u32,
    /// Slots that were left, the latest first, and 1; 0: none.
    free: u32,
    /// Slots that were left in this turn, and 1; 0: none.
    ended: u32,
    /// Slots that were never used begin here.
    fresh: u32,
    used: u32,
    most: u32,
}

impl<'a> Sessions<'a> {
    /// No sessions; at most `most` at once.
    pub fn new(
        config: &'a Config<'a>,
        shared: &'a Shared,
        worker: u8,
        table: &'a mut Table,
        most: usize,
    ) -> Sessions<'a> {
        for (server, cuts) in (0..).zip(&mut table.cuts) {
            *cuts = shared.cuts(server);
        }
        Sessions {
            field: Field {
                config,
                shared,
                worker,
                workers: config.node.workers(),
            },
            table,
            now: 0,
            free: 0,
            ended: 0,
            fresh: 0,
            used: 0,
            most: most.min(board::SESSIONS_MAX) as u32,
        }
    }

    /// Time goes on.
    pub fn set_now(&mut self, now: Instant) {
        self.now = (now.total_micros() / 1_000) as u32;
    }

    /// Sessions that are, and those that ended in this turn.
    pub fn used(&self) -> u32 {
        self.used
    }

    /// How far a session has come.
    pub fn state(&self, id: Id) -> State {
        self.session(id).state
    }

    /// The service of a session.
    pub fn service(&self, id: Id) -> u8 {
        self.session(id).service
    }

    /// The server that a session has or had last.
    pub fn server(&self, id: Id) -> u8 {
        self.session(id).server
    }

    /// A slot for a client that is about to be taken in; none while there is no
    /// room for one, here, in its service or with its servers.
    pub fn begin(&mut self, service: u8) -> Option<Id> {
        let config = self.field.config;
        let most = config.services.get(usize::from(service))?.maxconn;
        let place = match self.free {
            0 => self.fresh + 1,
            free => free,
        };
        let here = self.used < self.most && place <= board::SESSIONS_MAX as u32;
        if !here || !self.field.shared.service_is_open(service) || !self.field.has_room(service) {
            return None;
        }
        let row = self.field.shared.row(self.field.worker);
        row.count_service(service, true);
        let sessions = |field: &Field<'_>| field.shared.service_sessions(service, field.workers);
        if most != 0 && sessions(&self.field) > most {
            row.count_service(service, false);
            return None;
        }
        let id = Id(place - 1);
        if self.free == 0 {
            self.fresh += 1;
        } else {
            self.free = self.session(id).next;
        }
        self.used += 1;
        *self.slot(id) = Session {
            state: State::Begun,
            next: 0,
            before: 0,
            key: 0,
            tried: 0,
            service,
            server: 0,
            counted: false,
            left: 0,
        };
        Some(id)
    }

    /// The client did not come after all.
    pub fn cancel(&mut self, id: Id) {
        assert!(self.state(id) == State::Begun);
        let service = self.service(id);
        let row = self.field.shared.row(self.field.worker);
        row.count_service(service, false);
        let free = self.free;
        let slot = self.slot(id);
        slot.state = State::Free;
        slot.next = free;
        self.free = id.0 + 1;
        self.used -= 1;
    }

    /// The client is there.
    pub fn greet(&mut self, id: Id, key: u32) {
        let retries = self.line(self.service(id)).map_or(0, |line| line.retries);
        let slot = self.slot(id);
        assert!(slot.state == State::Begun);
        slot.key = key;
        slot.left = retries;
    }

    /// Its first record is to decide which server it gets.
    pub fn await_hello(&mut self, id: Id) {
        assert!(self.state(id) == State::Begun);
        let until = self.now.wrapping_add(HELLO_MS);
        self.slot(id).state = State::Hello { until };
        self.append(HELLO, id);
    }

    /// Chooses a server; the one that is preferred, if that may have it.
    pub fn go(&mut self, id: Id, prefer: Option<u8>) -> Step {
        let until = match self.state(id) {
            State::Waiting { until, .. } => until,
            State::Begun | State::Hello { .. } => {
                let connect = self.connect_ms(self.service(id));
                self.now.wrapping_add(connect)
            }
            // Whoever connects has a server, and whoever has ended needs none.
            State::Free | State::Connecting { .. } | State::Relaying { .. } | State::Ended => {
                return Step::Wait;
            }
        };
        if self.state(id) != State::Begun {
            self.leave_list(id);
        }
        self.choose(id, prefer, until)
    }

    /// The server took it.
    pub fn connected(&mut self, id: Id) {
        let State::Connecting { .. } = self.state(id) else {
            return;
        };
        self.leave_list(id);
        let (service, server) = (self.service(id), self.server(id));
        let until = self.now.wrapping_add(self.idle_ms(service));
        self.slot(id).state = State::Relaying { until };
        self.append(idle_list(service), id);
        let row = self.field.shared.row(self.field.worker);
        row.add_session(server);
    }

    /// The server did not.
    pub fn failed(&mut self, id: Id, why: Failed) -> Step {
        let State::Connecting { .. } = self.state(id) else {
            return Step::Wait;
        };
        self.leave_list(id);
        let (service, server) = (self.service(id), self.server(id));
        self.count_down(id);
        let line = self.line(service);
        let mark = line.map_or(0, |line| bit(line.servers, server));
        let forgets = self.field.shared.is_broken(Mutation::RetrySame);
        let slot = self.slot(id);
        let last = slot.left == 0;
        slot.left = slot.left.saturating_sub(1);
        if why != Failed::NoRoom && !forgets {
            slot.tried |= mark;
        }
        if matches!(why, Failed::Refused | Failed::Late) {
            let row = self.field.shared.row(self.field.worker);
            row.add_refused(server);
        }
        let until = self.now.wrapping_add(self.connect_ms(service));
        match (last, why) {
            (true, Failed::NoRoom) => self.refuse(id, Why::NoRoom),
            (true, _) => self.refuse(id, Why::Unreachable),
            // Another server would not help.
            (false, Failed::NoRoom) => self.wait(id, true, until),
            (false, _) => self.choose(id, None, until),
        }
    }

    /// Bytes moved.
    pub fn touch(&mut self, id: Id) {
        let State::Relaying { until } = self.state(id) else {
            return;
        };
        let service = self.service(id);
        let later = self.now.wrapping_add(self.idle_ms(service));
        if later.wrapping_sub(until) < GRAIN_MS {
            return;
        }
        self.leave_list(id);
        self.slot(id).state = State::Relaying { until: later };
        self.append(idle_list(service), id);
    }

    /// A session is over. Its slot rests until [`Sessions::settle`].
    pub fn end(&mut self, id: Id, why: Why) -> Step {
        match self.state(id) {
            State::Free | State::Ended => return Step::Ended(why),
            State::Begun => {}
            State::Hello { .. }
            | State::Waiting { .. }
            | State::Connecting { .. }
            | State::Relaying { .. } => self.leave_list(id),
        }
        self.count_down(id);
        let row = self.field.shared.row(self.field.worker);
        row.count_service(self.service(id), false);
        let ended = self.ended;
        let slot = self.slot(id);
        slot.state = State::Ended;
        slot.next = ended;
        self.ended = id.0 + 1;
        Step::Ended(why)
    }

    /// Nobody has news of a session that ended: their slots may be used again.
    /// True when there are any.
    pub fn settle(&mut self) -> bool {
        let any = self.ended != 0;
        while let Some(place) = self.ended.checked_sub(1) {
            let free = self.free;
            let slot = self.slot(Id(place));
            let next = slot.next;
            slot.state = State::Free;
            slot.next = free;
            self.free = place + 1;
            self.ended = next;
            self.used -= 1;
        }
        any
    }

    /// The next whose time has come. It must be dealt with before the next is
    /// asked for.
    pub fn due(&mut self) -> Option<Due> {
        let heads = self.table.lists.iter().take(self.lists());
        let mut heads = heads.filter_map(|list| list.first.checked_sub(1));
        let past = |place: &u32| {
            let at = self.at(Id(*place));
            (at.wrapping_sub(self.now) as i32) <= 0
        };
        let id = Id(heads.find(past)?);
        match self.state(id) {
            State::Hello { .. } | State::Waiting { .. } => Some(Due::Go(id)),
            State::Connecting { .. } => Some(Due::Connect(id)),
            State::Relaying { .. } => Some(Due::Idle(id)),
            // They are in no list.
            State::Free | State::Begun | State::Ended => None,
        }
    }

    /// Milliseconds until somebody's time has come.
    pub fn wait_ms(&self) -> Option<u32> {
        let heads = self.table.lists.iter().take(self.lists());
        let heads = heads.filter_map(|list| list.first.checked_sub(1));
        let left = heads.map(|place| self.at(Id(place)).wrapping_sub(self.now) as i32);
        left.min().map(|left| left.max(0) as u32)
    }

    /// Whether the keeper wants sessions of this server to end; asked once each
    /// time it does.
    pub fn is_cut(&mut self, server: u8) -> bool {
        if self.field.shared.is_broken(Mutation::NoCut) {
            return false;
        }
        let cuts = self.field.shared.cuts(server);
        let known = self.table.cuts.get_mut(usize::from(server));
        known.is_some_and(|known| core::mem::replace(known, cuts) != cuts)
    }

    /// Of the sessions from this place on, the first that has this server.
    pub fn next_of(&self, server: u8, from: u32) -> Option<Id> {
        (from..self.fresh).map(Id).find(|id| {
            let session = self.session(*id);
            session.counted && session.server == server
        })
    }

    /// Of the sessions from this place on, the first that has no server yet and
    /// whose service takes none.
    pub fn next_unserved(&self, from: u32) -> Option<Id> {
        (from..self.fresh).map(Id).find(|id| {
            let session = self.session(*id);
            let unserved = matches!(
                session.state,
                State::Hello { .. } | State::Waiting { .. } | State::Connecting { .. }
            );
            unserved && !self.field.shared.service_is_open(session.service)
        })
    }

    /// Chooses a server, and says what follows from it.
    fn choose(&mut self, id: Id, prefer: Option<u8>, until: u32) -> Step {
        let session = self.session(id);
        let wish = Wish {
            service: session.service,
            key: session.key,
            tried: session.tried,
            prefer,
        };
        match self.table.balancer.pick(&self.field, &wish) {
            Pick::Server(server) => {
                let service = wish.service;
                let until = self.now.wrapping_add(self.connect_ms(service));
                let slot = self.slot(id);
                slot.server = server;
                slot.counted = true;
                slot.state = State::Connecting { until };
                self.append(connect_list(service), id);
                Step::Connect(server)
            }
            // Once round: after a pause they may be asked again.
            Pick::Tried => {
                self.slot(id).tried = 0;
                self.wait(id, true, until)
            }
            Pick::Full => self.wait(id, false, until),
            Pick::Nobody => self.refuse(id, Why::Nobody),
        }
    }

    /// Waits for a server, but not for ever: for room until then, and for one to
    /// recover once.
    fn wait(&mut self, id: Id, paused: bool, until: u32) -> Step {
        if !paused && (until.wrapping_sub(self.now) as i32) <= 0 {
            return self.refuse(id, Why::NoRoom);
        }
        let (list, pause) = match paused {
            true => (PAUSE, PAUSE_MS),
            false => (ROOM, ROOM_MS),
        };
        let at = self.now.wrapping_add(pause);
        let until = if paused {
            until.wrapping_add(pause)
        } else {
            until
        };
        self.slot(id).state = State::Waiting { at, until, paused };
        self.append(list, id);
        Step::Wait
    }

    /// Ends a session that never had a server for its bytes. It is in no list.
    fn refuse(&mut self, id: Id, why: Why) -> Step {
        let row = self.field.shared.row(self.field.worker);
        row.refuse(self.service(id));
        self.slot(id).state = State::Begun;
        self.end(id, why)
    }

    fn count_down(&mut self, id: Id) {
        let slot = self.slot(id);
        if core::mem::take(&mut slot.counted) {
            let server = slot.server;
            let shared = self.field.shared;
            if !shared.is_broken(Mutation::KeepCount) {
                shared.row(self.field.worker).count_server(server, false);
            }
        }
    }

    fn line(&self, service: u8) -> Option<&'a Service<'a>> {
        let config = self.field.config;
        config.services.get(usize::from(service))
    }

    fn connect_ms(&self, service: u8) -> u32 {
        let line = self.line(service);
        line.map_or(0, |line| millis(line.timeout_connect))
    }

    /// How long nothing may move. The side that may be silent for a shorter time
    /// decides: whatever one side says, the other side hears.
    fn idle_ms(&self, service: u8) -> u32 {
        if self.field.shared.is_broken(Mutation::NeverIdle) {
            return 1 << 30;
        }
        let least = |line: &Service<'_>| line.timeout_client.min(line.timeout_server);
        let line = self.line(service);
        line.map_or(0, |line| millis(least(line)) + GRAIN_MS)
    }

    /// Lists that this configuration uses.
    fn lists(&self) -> usize {
        3 + 2 * self.field.config.services.len()
    }

    fn session(&self, id: Id) -> &Session {
        &self.table.sessions[id.0 as usize]
    }

    fn slot(&mut self, id: Id) -> &mut Session {
        &mut self.table.sessions[id.0 as usize]
    }

    /// When a session of a list is due.
    fn at(&self, id: Id) -> u32 {
        match self.session(id).state {
            State::Waiting { at, .. } => at,
            State::Hello { until } | State::Connecting { until } | State::Relaying { until } => {
                until
            }
            State::Free | State::Begun | State::Ended => self.now,
        }
    }

    /// The list of a session, by its state.
    fn list_of(&self, id: Id) -> usize {
        let service = self.service(id);
        match self.state(id) {
            State::Hello { .. } => HELLO,
            State::Connecting { .. } => connect_list(service),
            State::Relaying { .. } => idle_list(service),
            State::Waiting { paused: true, .. } => PAUSE,
            State::Waiting { paused: false, .. } => ROOM,
            // They are in none, which is asserted where it matters.
            State::Free | State::Begun | State::Ended => HELLO,
        }
    }

    /// Puts a session at the end of a list.
    fn append(&mut self, list: usize, id: Id) {
        let place = id.0 + 1;
        let last = core::mem::replace(&mut self.table.lists[list].last, place);
        match last.checked_sub(1) {
            Some(last) => self.slot(Id(last)).next = place,
            None => self.table.lists[list].first = place,
        }
        let slot = self.slot(id);
        slot.before = last;
        slot.next = 0;
    }

    /// Takes a session out of its list.
    fn leave_list(&mut self, id: Id) {
        let list = self.list_of(id);
        let session = self.session(id);
        let (before, next) = (session.before, session.next);
        match before.checked_sub(1) {
            Some(before) => self.slot(Id(before)).next = next,
            None => self.table.lists[list].first = next,
        }
        match next.checked_sub(1) {
            Some(next) => self.slot(Id(next)).before = before,
            None => self.table.lists[list].last = before,
        }
    }
}

/// The list of those of a service that connect.
fn connect_list(service: u8) -> usize {
    3 + 2 * usize::from(service)
}

/// The list of those of a service that relay.
fn idle_list(service: u8) -> usize {
    4 + 2 * usize::from(service)
}

/// A time limit in milliseconds, at most 12 days.
fn millis(time: Duration) -> u32 {
    time.total_millis().min(1 << 30) as u32
}
