//! What the keeper and the forwarder's workers tell each other: words in memory
//! that all of them map.
//!
//! ```text
//!   keeper --- which servers may get sessions, their weights ---> every worker
//!   keeper <-- what each worker counts, in a row of its own ----- worker
//! ```
//!
//! Nobody waits for anybody here. Each word has one writer, but for the tickets
//! of round robin, which every worker draws, and the table of `stick`. All zero is a valid start: every
//! server takes sessions with the weight of its line, and nothing was counted.
//! A reader sums over the rows; nothing here decides anything.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::board;
use crate::mutation::Mutation;
use crate::stick::Table;

/// See the module. All zero bytes are a valid one.
pub struct Shared {
    services: [Door; board::SERVICES_MAX],
    servers: [Gate; board::SERVERS_MAX],
    rows: [Row; board::WORKERS_MAX],
    sticks: Table,
    /// A rule that is broken on purpose, and 1; 0: none.
    #[cfg(debug_assertions)]
    broken: AtomicU32,
}

/// A service as the keeper wants it.
struct Door {
    /// Not 0: it takes no session.
    closed: AtomicU32,
    /// Drawn by workers; see [`Shared::draw`].
    ticket: AtomicU32,
}

/// A server as the keeper wants it.
struct Gate {
    /// Not 0: it gets no new session.
    closed: AtomicU32,
    /// 0: the weight of its line; else the weight and 1.
    weight: AtomicU32,
    /// Goes up when its sessions are to end.
    cuts: AtomicU32,
}

/// What one worker counts.
pub struct Row {
    heartbeat: AtomicU32,
    services: [ServiceWords; board::SERVICES_MAX],
    servers: [ServerWords; board::SERVERS_MAX],
}

struct ServiceWords {
    sessions: AtomicU32,
    refused: AtomicU32,
    evicted: AtomicU32,
    dropped: AtomicU32,
}

struct ServerWords {
    sessions: AtomicU32,
    total: Wide,
    bytes_in: Wide,
    bytes_out: Wide,
    refused: AtomicU32,
}

/// What all workers counted of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceCounts {
    /// Sessions now.
    pub sessions: u32,
    /// Sessions that ended at once for want of a server or of room.
    pub refused: u32,
    /// UDP sessions that made room for younger ones.
    pub evicted: u32,
    /// Datagrams of sessions that could not be sent on: too long for the path,
    /// or the kernel had no room.
    pub dropped: u32,
}

/// What all workers counted of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCounts {
    /// Sessions now, those that still connect included.
    pub sessions: u32,
    /// Sessions ever.
    pub total: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes from the server.
    pub bytes_out: u64,
    /// Attempts to connect that the server refused or did not answer.
    pub refused: u32,
}

impl Shared {
    /// One as a fresh mapping is, for tests and simulations.
    pub const fn new() -> Shared {
        Shared {
            services: [const { Door::new() }; board::SERVICES_MAX],
            servers: [const { Gate::new() }; board::SERVERS_MAX],
            rows: [const { Row::new() }; board::WORKERS_MAX],
            sticks: Table::new(),
            #[cfg(debug_assertions)]
            broken: AtomicU32::new(0),
        }
    }

    /// Breaks one rule of the forwarder, in all of its workers.
    #[cfg(debug_assertions)]
    pub fn break_rule(&self, rule: Mutation) {
        set(&self.broken, rule as u32 + 1);
    }

    /// Whether this rule is broken; never in release builds.
    #[cfg(debug_assertions)]
    pub fn is_broken(&self, rule: Mutation) -> bool {
        self.broken.load(Ordering::Relaxed) == rule as u32 + 1
    }

    /// Whether this rule is broken; never in release builds.
    #[cfg(not(debug_assertions))]
    pub const fn is_broken(&self, _: Mutation) -> bool {
        false
    }

    /// Which server a client had, whichever worker it met.
    pub fn sticks(&self) -> &Table {
        &self.sticks
    }

    /// Keeper: whether a service takes sessions.
    pub fn open_service(&self, service: u8, open: bool) {
        set(
            &self.services[usize::from(service)].closed,
            u32::from(!open),
        );
    }

    /// Whether a service takes sessions.
    pub fn service_is_open(&self, service: u8) -> bool {
        get(&self.services[usize::from(service)].closed) == 0
    }

    /// Keeper: whether a server gets new sessions.
    pub fn open_server(&self, server: u8, open: bool) {
        set(&self.servers[usize::from(server)].closed, u32::from(!open));
    }

    /// Whether a server gets new sessions.
    pub fn server_is_open(&self, server: u8) -> bool {
        get(&self.servers[usize::from(server)].closed) == 0
    }

    /// Keeper: a server's weight instead of the one of its line.
    pub fn set_weight(&self, server: u8, weight: u16) {
        set(
            &self.servers[usize::from(server)].weight,
            u32::from(weight) + 1,
        );
    }

    /// A server's weight, where it is not that of its line.
    pub fn weight(&self, server: u8) -> Option<u16> {
        let weight = get(&self.servers[usize::from(server)].weight);
        weight.checked_sub(1).map(|weight| weight as u16)
    }

    /// Keeper: the sessions of a server are to end.
    pub fn cut(&self, server: u8) {
        add(&self.servers[usize::from(server)].cuts, 1);
    }

    /// How often the sessions of a server were to end.
    pub fn cuts(&self, server: u8) -> u32 {
        get(&self.servers[usize::from(server)].cuts)
    }

    /// Worker: the next number of a service's round robin. All workers draw
    /// from one roll, so that together they go round as one would.
    pub fn draw(&self, service: u8) -> u32 {
        let ticket = &self.services[usize::from(service)].ticket;
        ticket.fetch_add(1, Ordering::Relaxed)
    }

    /// A worker's own row.
    pub fn row(&self, worker: u8) -> &Row {
        &self.rows[usize::from(worker)]
    }

    /// Keeper: a worker died, and its sessions with it. What it counted stays.
    pub fn bury(&self, worker: u8) {
        if self.is_broken(Mutation::NoBurial) {
            return;
        }
        let row = self.row(worker);
        for words in &row.services {
            set(&words.sessions, 0);
        }
        for words in &row.servers {
            set(&words.sessions, 0);
        }
    }

    /// What all workers counted of a service.
    pub fn service(&self, service: u8) -> ServiceCounts {
        let mut counts = ServiceCounts::default();
        for row in &self.rows {
            let words = &row.services[usize::from(service)];
            counts.sessions = counts.sessions.wrapping_add(get(&words.sessions));
            counts.refused = counts.refused.wrapping_add(get(&words.refused));
            counts.evicted = counts.evicted.wrapping_add(get(&words.evicted));
            counts.dropped = counts.dropped.wrapping_add(get(&words.dropped));
        }
        counts
    }

    /// What all workers counted of a server.
    pub fn server(&self, server: u8) -> ServerCounts {
        let mut counts = ServerCounts::default();
        for row in &self.rows {
            let words = &row.servers[usize::from(server)];
            counts.sessions = counts.sessions.wrapping_add(get(&words.sessions));
            counts.total = counts.total.wrapping_add(words.total.get());
            counts.bytes_in = counts.bytes_in.wrapping_add(words.bytes_in.get());
            counts.bytes_out = counts.bytes_out.wrapping_add(words.bytes_out.get());
            counts.refused = counts.refused.wrapping_add(get(&words.refused));
        }
        counts
    }

    /// The sessions of a server now, over the first `workers` rows.
    pub fn server_sessions(&self, server: u8, workers: u8) -> u32 {
        let rows = self.rows.iter().take(usize::from(workers));
        rows.map(|row| get(&row.servers[usize::from(server)].sessions))
            .fold(0, u32::wrapping_add)
    }

    /// The sessions of a service now, over the first `workers` rows.
    pub fn service_sessions(&self, service: u8, workers: u8) -> u32 {
        let rows = self.rows.iter().take(usize::from(workers));
        rows.map(|row| get(&row.services[usize::from(service)].sessions))
            .fold(0, u32::wrapping_add)
    }
}

impl core::fmt::Debug for Shared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Shared")
    }
}

impl Default for Shared {
    fn default() -> Shared {
        Shared::new()
    }
}

impl Row {
    const fn new() -> Row {
        Row {
            heartbeat: AtomicU32::new(0),
            services: [const {
                ServiceWords {
                    sessions: AtomicU32::new(0),
                    refused: AtomicU32::new(0),
                    evicted: AtomicU32::new(0),
                    dropped: AtomicU32::new(0),
                }
            }; board::SERVICES_MAX],
            servers: [const {
                ServerWords {
                    sessions: AtomicU32::new(0),
                    total: Wide::new(),
                    bytes_in: Wide::new(),
                    bytes_out: Wide::new(),
                    refused: AtomicU32::new(0),
                }
            }; board::SERVERS_MAX],
        }
    }

    /// The worker is alive: this goes up with every turn of its loop.
    pub fn beat(&self) {
        add(&self.heartbeat, 1);
    }

    /// How often it did so.
    pub fn heartbeat(&self) -> u32 {
        get(&self.heartbeat)
    }

    /// A session of a service begins, or ends.
    pub fn count_service(&self, service: u8, begins: bool) {
        count(&self.services[usize::from(service)].sessions, begins);
    }

    /// A session ended at once for want of a server or of room.
    pub fn refuse(&self, service: u8) {
        add(&self.services[usize::from(service)].refused, 1);
    }

    /// A UDP session made room for a younger one.
    pub fn evict(&self, service: u8) {
        add(&self.services[usize::from(service)].evicted, 1);
    }

    /// Datagrams could not be sent on.
    pub fn drop(&self, service: u8, datagrams: u32) {
        add(&self.services[usize::from(service)].dropped, datagrams);
    }

    /// A session of a server begins, or ends.
    pub fn count_server(&self, server: u8, begins: bool) {
        count(&self.servers[usize::from(server)].sessions, begins);
    }

    /// A server got a session: one more in its total.
    pub fn add_session(&self, server: u8) {
        self.servers[usize::from(server)].total.add(1);
    }

    /// Bytes from a client to a server.
    pub fn add_in(&self, server: u8, bytes: u64) {
        self.servers[usize::from(server)].bytes_in.add(bytes);
    }

    /// Bytes from a server to a client.
    pub fn add_out(&self, server: u8, bytes: u64) {
        self.servers[usize::from(server)].bytes_out.add(bytes);
    }

    /// A server refused, or did not answer.
    pub fn add_refused(&self, server: u8) {
        add(&self.servers[usize::from(server)].refused, 1);
    }
}

impl Door {
    const fn new() -> Door {
        Door {
            closed: AtomicU32::new(0),
            ticket: AtomicU32::new(0),
        }
    }
}

impl Gate {
    const fn new() -> Gate {
        Gate {
            closed: AtomicU32::new(0),
            weight: AtomicU32::new(0),
            cuts: AtomicU32::new(0),
        }
    }
}

/// A number of 64 bits on machines whose words have 32: its writer, of whom
/// there is one, writes the upper half before and after the lower one, so that
/// a reader knows whether what it read belongs together.
struct Wide {
    upper_first: AtomicU32,
    lower: AtomicU32,
    upper_last: AtomicU32,
}

impl Wide {
    const fn new() -> Wide {
        Wide {
            upper_first: AtomicU32::new(0),
            lower: AtomicU32::new(0),
            upper_last: AtomicU32::new(0),
        }
    }

    fn add(&self, number: u64) {
        let upper = u64::from(self.upper_last.load(Ordering::Relaxed));
        let lower = u64::from(self.lower.load(Ordering::Relaxed));
        let sum = (upper << 32 | lower).wrapping_add(number);
        let changes = (sum >> 32) != upper;
        if changes {
            set(&self.upper_first, (sum >> 32) as u32);
        }
        set(&self.lower, sum as u32);
        if changes {
            set(&self.upper_last, (sum >> 32) as u32);
        }
    }

    fn get(&self) -> u64 {
        // A writer that died between the halves must not hold the reader up.
        const TRIES: usize = 64;
        let mut number = 0;
        for _ in 0..TRIES {
            let last = get(&self.upper_last);
            number = u64::from(last) << 32 | u64::from(get(&self.lower));
            if get(&self.upper_first) == last {
                break;
            }
        }
        number
    }
}

fn count(word: &AtomicU32, up: bool) {
    // The writer sees its own store before it sums, and the others see it too.
    let step = if up { 1 } else { u32::MAX };
    word.fetch_add(step, Ordering::SeqCst);
}

fn add(word: &AtomicU32, number: u32) {
    let sum = word.load(Ordering::Relaxed).wrapping_add(number);
    word.store(sum, Ordering::Release);
}

fn set(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::Release);
}

fn get(word: &AtomicU32) -> u32 {
    word.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_one_admits_everybody_with_the_weight_of_the_line() {
        let shared = std::boxed::Box::new(Shared::new());
        assert!(shared.service_is_open(0));
        assert!(shared.server_is_open(0));
        assert_eq!(shared.weight(0), None);
        shared.set_weight(0, 0);
        assert_eq!(shared.weight(0), Some(0));
        shared.open_server(0, false);
        assert!(!shared.server_is_open(0));
        shared.open_server(0, true);
        assert!(shared.server_is_open(0));
    }

    #[test]
    fn rows_are_summed_and_the_sessions_of_a_dead_worker_are_gone() {
        let shared = std::boxed::Box::new(Shared::new());
        for worker in [0, 1] {
            let row = shared.row(worker);
            row.count_service(0, true);
            row.count_server(3, true);
            row.add_session(3);
            row.add_in(3, 10);
            row.add_out(3, 20);
            row.add_refused(3);
        }
        let expected = ServerCounts {
            sessions: 2,
            total: 2,
            bytes_in: 20,
            bytes_out: 40,
            refused: 2,
        };
        assert_eq!(shared.server(3), expected);
        assert_eq!(shared.server_sessions(3, 2), 2);
        shared.bury(1);
        let expected = ServerCounts {
            sessions: 1,
            ..expected
        };
        assert_eq!(shared.server(3), expected);
        assert_eq!(shared.service(0).sessions, 1);
        shared.row(0).count_service(0, false);
        assert_eq!(shared.service(0).sessions, 0);
    }

    #[test]
    fn a_count_grows_beyond_a_word() {
        let wide = Wide::new();
        let mut sum = 0_u64;
        for number in [1, u64::from(u32::MAX), 5 << 32, 77, u64::from(u32::MAX)] {
            wide.add(number);
            sum += number;
            assert_eq!(wide.get(), sum);
        }
    }
}
