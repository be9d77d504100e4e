//! A worker of the forwarder: a process of its own that takes clients in,
//! connects them to servers and carries their bytes. It is forked by the
//! keeper, has no privilege left, and ends with the keeper.
//!
//! ```text
//!            epoll                          Sessions (core)
//!   listeners --+                      +--> begin, greet, failed, end
//!   clients  ---+--> one turn ---------+              |
//!   servers  ---+    clock once        |   Step: connect, wait, let go
//!   keeper   ---+                      +--> Relay: pump each way once
//! ```
//!
//! Which server, whether again, when to give up: the core says. This loop turns
//! what epoll says into the core's words, and what the core says into sockets.
//! Each descriptor enters epoll once, edge-triggered, and leaves it by being
//! closed; a client enters when its server took the connection. Only listeners
//! are level-triggered, and leave while there is no room for another client.

mod attempt;
mod entrance;
mod sticky;

use core::mem::{MaybeUninit, replace};
use core::net::SocketAddr;

use heapless::Vec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, read, write};
use rustix::time::Timespec;
use smena::balance::{Field, client_key};
use smena::board;
use smena::config::{Config, Service, Stick, Transport};
use smena::session::{Due, Failed, Id, Sessions, State, Table, Why};
use smena::shared::{Row, Shared};
use smena::{Duration, Instant};

use self::entrance::Entry;
use super::cell::Cell;
use super::clock;
use super::datagram::{self, Datagrams};
use super::dial;
use super::failure::Reason;
use super::pipes::{self, PIPES_MAX, Pipes};
use super::relay::{self, BUFFER, CLIENT, Flow, Link, Links, Relay, SERVER, Side};

/// The descriptors that the keeper hands to a worker.
pub struct Doors<'d> {
    /// This worker's listening sockets, in the order of [`Config::listeners`].
    pub listeners: Vec<BorrowedFd<'d>, { board::LISTENERS_MAX }>,
    /// An eventfd that the keeper writes to: look at [`Shared`] again.
    pub wake: BorrowedFd<'d>,
    /// An eventfd of all workers to the keeper: a server refused.
    pub report: BorrowedFd<'d>,
    /// How many descriptors this process may have.
    pub descriptors: u64,
}

/// Tokens in epoll: those below are a session's number and its side.
const LISTENERS: u64 = 1 << 40;
const WAKE: u64 = 2 << 40;
const DATAGRAMS: u64 = datagram::TOKENS;

/// Events that are taken from epoll at once.
const EVENTS_MAX: usize = 256;
/// Descriptors that are neither a session's nor a listener's, pipes above all; a
/// quarter where there are few, because sessions get on without pipes and nobody
/// without a session. Pipes never take more than that.
const RESERVE: u64 = OTHERS + 2 * PIPES_MAX as u64;
/// Those that are no pipe's: the standard ones, epoll, two eventfds, and one that
/// is opened for a moment.
const OTHERS: u64 = 8;
/// How soon to look again for room that somebody else may have made.
const PARKED: Duration = Duration::from_millis(10);

static TABLE: Cell<Table> = Cell::new(Table::new());
static LINKS: Cell<Links> = Cell::new([const { Link::NONE }; board::SESSIONS_MAX]);
static PIPES: Cell<pipes::Slots> = Cell::new(pipes::Slots::new());
static BUFFER_MEMORY: Cell<[u8; BUFFER]> = Cell::new([0; BUFFER]);

/// Serves until the process is ended. SIGPIPE must be blocked.
pub fn run(
    config: &'static Config<'static>,
    shared: &'static Shared,
    index: u8,
    doors: &Doors<'_>,
) -> ! {
    let epoll = match epoll::create(CreateFlags::CLOEXEC) {
        Ok(epoll) => epoll,
        Err(errno) => panic!("epoll_create1: {}", Reason(errno)),
    };
    let mut worker = Worker::new(config, shared, index, doors, epoll.as_fd());
    loop {
        worker.turn();
    }
}

/// What the loop works with.
pub struct Worker<'w> {
    config: &'static Config<'static>,
    shared: &'static Shared,
    index: u8,
    row: &'static Row,
    doors: &'w Doors<'w>,
    epoll: BorrowedFd<'w>,
    sessions: Sessions<'static>,
    relay: Relay<'static>,
    entries: Vec<Entry, { board::LISTENERS_MAX }>,
    datagrams: Option<Datagrams<'w>>,
    /// Turns of the loop.
    turns: u32,
    /// The keeper should hear that a server refused.
    report: bool,
    /// When a listener began to wait for room that others may make.
    parked_at: Option<Instant>,
    told_at: Option<Instant>,
}

/// What a socket of a session is watched for.
const WATCH: EventFlags = EventFlags::IN
    .union(EventFlags::RDHUP)
    .union(EventFlags::PRI)
    .union(EventFlags::ET);

impl<'w> Worker<'w> {
    /// One that watches its doors, in memory that is claimed once a process.
    pub fn new(
        config: &'static Config<'static>,
        shared: &'static Shared,
        index: u8,
        doors: &'w Doors<'w>,
        epoll: BorrowedFd<'w>,
    ) -> Worker<'w> {
        let reserve = RESERVE.min(doors.descriptors / 4);
        let taken = reserve + doors.listeners.len() as u64;
        let most = doors.descriptors.saturating_sub(taken);
        // A session of TCP has two and one of UDP has one; where there are both, one
        // kind leaves to the other what is the other's.
        let of = |transport| {
            config
                .listeners
                .iter()
                .any(|one| one.transport == transport)
        };
        let datagrams = match (of(Transport::Udp), of(Transport::Tcp)) {
            (false, _) => 0,
            (true, false) => most,
            (true, true) => (most / 2).min(board::DATAGRAM_SESSIONS_MAX as u64),
        };
        let most = (most - datagrams) / 2;
        let sessions = Sessions::new(config, shared, index, TABLE.claim(), most as usize);
        let pipes = reserve.saturating_sub(OTHERS) / 2;
        let pipes = Pipes::new(PIPES.claim(), config.node.workers(), pipes as usize);
        let relay = Relay::new(LINKS.claim(), pipes, BUFFER_MEMORY.claim());
        let mut entries = Vec::new();
        for (number, service) in (0..).zip(&config.services) {
            for listener in config.listeners_of(service) {
                let tcp = listener.transport == Transport::Tcp;
                let _ = entries.push(Entry::new(number, tcp));
            }
        }
        let mut worker = Worker {
            config,
            shared,
            index,
            row: shared.row(index),
            doors,
            epoll,
            sessions,
            relay,
            entries,
            datagrams: None,
            turns: 0,
            report: false,
            parked_at: None,
            told_at: None,
        };
        worker.start(datagrams as usize);
        worker
    }
}

impl Worker<'_> {
    #[inline(never)]
    fn start(&mut self, datagrams: usize) {
        let now = clock::now();
        self.sessions.set_now(now);
        let wake = EventData::new_u64(WAKE);
        if let Err(errno) = epoll::add(self.epoll, self.doors.wake, wake, EventFlags::IN) {
            panic!("epoll_ctl: {}", Reason(errno));
        }
        for (entry, listener) in self.entries.iter().zip(&self.doors.listeners) {
            if entry.tcp {
                // What is accepted inherits it.
                dial::watch_over(*listener, &self.config.services[usize::from(entry.service)]);
            }
        }
        let field = Field {
            config: self.config,
            shared: self.shared,
            worker: self.index,
            workers: self.config.node.workers(),
        };
        match Datagrams::open(field, self.doors, self.epoll, seed(now), datagrams) {
            Ok(datagrams) => self.datagrams = datagrams,
            Err(errno) => panic!("epoll_ctl: {}", Reason(errno)),
        }
        self.let_in(now);
    }

    /// Waits, and handles what came.
    pub fn turn(&mut self) {
        let mut buffer = [const { MaybeUninit::<epoll::Event>::uninit() }; EVENTS_MAX];
        let timeout = self.timeout();
        let waiting = match epoll::wait(self.epoll, &mut buffer, timeout.as_ref()) {
            Ok((waiting, _)) => waiting,
            // A stop and continue interrupts it.
            Err(Errno::INTR) => &mut [],
            Err(errno) => panic!("epoll_wait: {}", Reason(errno)),
        };
        let now = clock::now();
        self.sessions.set_now(now);
        self.row.beat();
        self.turns = self.turns.wrapping_add(1);
        let mut woken = false;
        for event in waiting.iter() {
            match event.data.u64() {
                WAKE => woken = true,
                token @ DATAGRAMS.. => {
                    if let Some(datagrams) = &mut self.datagrams {
                        datagrams.ready(now, token);
                    }
                }
                token @ LISTENERS.. => self.accept((token - LISTENERS) as usize, now),
                token => self.ready(Id((token >> 1) as u32), (token & 1) as Side, event.flags),
            }
        }
        self.take_turns();
        self.expire();
        if woken {
            self.look_again(now);
        }
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.end_turn(now);
            self.report |= replace(&mut datagrams.report, false);
        }
        let ended = self.sessions.settle();
        let again = self.parked_at.is_some_and(|at| ended || now >= at + PARKED);
        if woken || again {
            self.let_in(now);
        }
        if replace(&mut self.report, false) {
            let _ = write(self.doors.report, &1_u64.to_ne_bytes());
        }
    }

    /// How long to wait for events; none is for ever.
    pub fn timeout(&self) -> Option<Timespec> {
        let mut ms = self.sessions.wait_ms().map(i64::from);
        if self.parked_at.is_some() {
            let soon = PARKED.total_millis() as i64;
            ms = Some(ms.map_or(soon, |ms| ms.min(soon)));
        }
        if let Some(left) = self.datagrams.as_ref().and_then(Datagrams::wait_ms) {
            ms = Some(ms.unwrap_or(left).min(left));
        }
        if self.relay.waits() {
            ms = Some(0);
        }
        ms.map(|ms| Timespec {
            tv_sec: ms / 1_000,
            tv_nsec: ms % 1_000 * 1_000_000,
        })
    }

    /// A client is there.
    fn open(&mut self, id: Id, listener: u8, socket: OwnedFd, peer: Option<SocketAddr>) {
        let link = self.relay.link(id);
        link.listener = listener;
        link.socket(CLIENT).put(socket);
        let key = peer.map_or(0, |peer| client_key(peer.ip()));
        self.sessions.greet(id, key);
        let prefer = match self.service(id).stick {
            Stick::None => None,
            Stick::Source => peer.and_then(|peer| self.had(id, peer.ip())),
            Stick::TlsSessionId => {
                self.sessions.await_hello(id);
                self.relay.link(id).flags |= relay::UNLEARNT;
                if self.watch_client(id) {
                    return;
                }
                None
            }
        };
        let step = self.sessions.go(id, prefer);
        self.carry_out(id, step);
    }

    /// Something happened at a socket of a session.
    fn ready(&mut self, id: Id, side: Side, events: EventFlags) {
        let has = |flag| events.intersects(flag);
        match self.sessions.state(id) {
            State::Relaying { .. } => {}
            State::Connecting { .. } if side == SERVER => {
                if !self.reached(id, events) {
                    return;
                }
            }
            // Of a client that is watched before its server is there: what it
            // says waits in its socket, and that it ended is kept in mind.
            State::Hello { .. } | State::Waiting { .. } | State::Connecting { .. } => {
                let over = has(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
                if over && side == CLIENT {
                    let reset = has(EventFlags::ERR);
                    self.relay.note(id, side, relay::HANGUP, false, reset);
                }
                if matches!(self.sessions.state(id), State::Hello { .. }) {
                    self.on_hello(id, over);
                }
                return;
            }
            // News of what is over.
            State::Free | State::Begun | State::Ended => return,
        }
        let reset = has(EventFlags::ERR);
        let mut flags = 0;
        if has(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
            flags |= relay::READABLE;
        }
        if has(EventFlags::RDHUP) && !reset {
            flags |= relay::HANGUP;
        }
        if has(EventFlags::PRI) {
            flags |= relay::URGENT;
        }
        let released = self
            .relay
            .note(id, side, flags, has(EventFlags::OUT), reset);
        if released {
            self.pump(id, 1 - side);
        }
        // The other way may have ended it.
        if flags != 0 && matches!(self.sessions.state(id), State::Relaying { .. }) {
            self.pump(id, side);
        }
    }

    /// Moves a way once, and does what follows.
    fn pump(&mut self, id: Id, way: Side) {
        if way == SERVER && self.relay.link(id).flags & relay::UNLEARNT != 0 {
            let over = self.relay.is_ending(id, SERVER);
            if !self.learn(id, over) {
                return;
            }
        }
        let flow = self.relay.pump(id, way);
        if self.relay.moved {
            self.count(id, way);
        }
        match flow {
            Flow::Rest | Flow::Over => {}
            Flow::More => self.relay.queue(id, way),
            Flow::Full if way == SERVER => self.watch_for_room(id),
            Flow::Full => {}
            Flow::Finished => {
                self.sessions.end(id, Why::Finished);
                self.relay.close(id);
            }
            Flow::Broken(side) => {
                // A reset would take back what the kernel has not sent yet: no
                // reason for it when all was said before.
                let mut reset = [false; 2];
                reset[1 - side] = !self.relay.is_over(id, side);
                self.abort(id, Why::Reset, reset);
            }
        }
    }

    /// Bytes moved.
    fn count(&mut self, id: Id, way: Side) {
        self.sessions.touch(id);
        let (server, taken) = (self.sessions.server(id), self.relay.taken);
        if taken == 0 {
            return;
        }
        if way == CLIENT {
            self.row.add_in(server, taken as u64);
            self.warm_up(id);
        } else {
            self.row.add_out(server, taken as u64);
        }
    }

    /// The first piece to a server is sent at once in any case; what matters to
    /// longer connections is set with the second.
    fn warm_up(&mut self, id: Id) {
        let service = self.service(id);
        let link = self.relay.link(id);
        if link.flags & relay::WARM != 0 {
            return;
        }
        if link.flags & relay::SPOKEN == 0 {
            link.flags |= relay::SPOKEN;
            return;
        }
        link.flags |= relay::WARM;
        if let Some(socket) = link.socket(SERVER).get() {
            dial::do_not_delay(socket);
            dial::watch_over(socket, service);
        }
    }

    /// The client takes nothing more at present.
    fn watch_for_room(&mut self, id: Id) {
        let link = self.relay.link(id);
        if link.flags & relay::WATCHED_FOR_ROOM != 0 {
            return;
        }
        link.flags |= relay::WATCHED_FOR_ROOM;
        if let Some(socket) = link.socket(CLIENT).get() {
            let watch = WATCH | EventFlags::OUT;
            let _ = epoll::modify(self.epoll, socket, token(id, CLIENT), watch);
        }
    }

    /// Those that had more to move get their turn, each once.
    fn take_turns(&mut self) {
        let last = self.relay.last_in_queue();
        while let Some((id, ways)) = self.relay.unqueue() {
            for (way, waits) in (0..).zip(ways) {
                // The first way may have ended it.
                if waits && matches!(self.sessions.state(id), State::Relaying { .. }) {
                    self.pump(id, way);
                }
            }
            if id.0 + 1 == last {
                break;
            }
        }
    }

    /// Those whose time has come.
    fn expire(&mut self) {
        while let Some(due) = self.sessions.due() {
            match due {
                Due::Go(id) => {
                    let step = self.sessions.go(id, None);
                    self.carry_out(id, step);
                }
                Due::Connect(id) => {
                    // As the client, what it cannot reach may be its own fault:
                    // the answer may go to it another way.
                    let late = match self.service(id).transparent {
                        true => Failed::NoPort,
                        false => Failed::Late,
                    };
                    let step = self.fail(id, late);
                    self.carry_out(id, step);
                }
                Due::Idle(id) => self.abort(id, Why::Idle, [true, true]),
            }
        }
    }

    /// The keeper changed something.
    #[cold]
    #[inline(never)]
    fn look_again(&mut self, now: Instant) {
        let mut counter = [0; 8];
        let _ = read(self.doors.wake, &mut counter);
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.look_again(now);
        }
        let mut looked = false;
        for server in 0..self.config.servers.len() as u8 {
            if !self.sessions.is_cut(server) {
                continue;
            }
            if !replace(&mut looked, true) {
                self.end_unserved();
            }
            let mut from = 0;
            while let Some(id) = self.sessions.next_of(server, from) {
                from = id.0 + 1;
                match self.sessions.state(id) {
                    State::Connecting { .. } => {
                        let step = self.fail(id, Failed::NoPort);
                        self.carry_out(id, step);
                    }
                    _ => self.abort(id, Why::Cut, [true, true]),
                }
            }
        }
    }

    /// Where sessions are cut and the service takes none, those that wait for a
    /// server end too.
    fn end_unserved(&mut self) {
        let mut from = 0;
        while let Some(id) = self.sessions.next_unserved(from) {
            from = id.0 + 1;
            self.abort(id, Why::Cut, [true, true]);
        }
    }

    /// Ends a session, and resets the sides that should know that it was cut.
    #[inline(never)]
    fn abort(&mut self, id: Id, why: Why, reset: [bool; 2]) {
        self.sessions.end(id, why);
        let link = self.relay.link(id);
        for (side, reset) in (0..).zip(reset) {
            if let Some(socket) = link.socket(side).get()
                && reset
            {
                dial::reset_on_close(socket);
            }
        }
        self.relay.close(id);
    }

    /// Lets go of what a session has that the core ended.
    #[cold]
    #[inline(never)]
    fn let_go(&mut self, id: Id, _why: Why) {
        let link = self.relay.link(id);
        for side in [CLIENT, SERVER] {
            if let Some(socket) = link.socket(side).get() {
                dial::reset_on_close(socket);
            }
        }
        self.relay.close(id);
    }

    fn service(&self, id: Id) -> &'static Service<'static> {
        &self.config.services[usize::from(self.sessions.service(id))]
    }
}

fn token(id: Id, side: Side) -> EventData {
    EventData::new_u64(u64::from(id.0) << 1 | side as u64)
}

/// What nobody outside can know: when it began, and where the stack is.
fn seed(now: Instant) -> u32 {
    let place = &raw const now as usize;
    now.total_micros() as u32 ^ (place >> 4) as u32
}
