//! What must hold, looked at after every turn of a worker: whoever opened and
//! closed which socket is written down here, and what the forwarder counts,
//! picks and ends is held against it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use smena::config::Config;
use smena::shared::Shared;

use crate::clock::{At, MS, SECOND};
use crate::keeper::Keeper;
use crate::kernel::{File, Note, with};
use crate::plan::Plan;
use crate::shim::fd::RawFd;
use crate::stream::Party;

/// A rule of the design, or of the issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One that is down, in drain or in maint gets no new session (9); a backup
    /// only when no other may have it.
    Admission,
    /// A flow never moves (9).
    Flow,
    /// Counts are what there is, and return to zero (9).
    Counts,
    /// Weighted counts differ by at most one (10).
    RoundRobin,
    /// `maxconn` is never exceeded, over all workers.
    Limit,
    /// Every session ends in time, and none before.
    Timeout,
    /// Sessions of a server that is to have none end at once.
    Cut,
    /// Bytes come as they were said, and an end only where one was said.
    Bytes,
    /// An attempt goes to another server than the last one.
    Retry,
    /// A client comes to the server that it had.
    Stick,
    /// The longest idle makes room.
    Eviction,
    /// Nothing is left: no slot, no descriptor, nobody who was not served.
    Leak,
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub rule: Rule,
    pub story: String,
}

/// A socket of a worker.
enum Socket {
    Client {
        conn: usize,
        service: usize,
        slot: Option<u64>,
        at: At,
    },
    Server {
        conn: usize,
        server: u8,
        slot: Option<u64>,
        at: At,
    },
    Line {
        server: u8,
        flow: Option<usize>,
    },
}

/// What is known of a slot's session.
#[derive(Default)]
struct Slot {
    /// Servers that were asked, and when it was over with them.
    tried: Vec<(u8, At)>,
}

#[derive(Default)]
struct Desk {
    sockets: BTreeMap<RawFd, Socket>,
    slots: BTreeMap<u64, Slot>,
    /// Sessions that were to end, of these sockets.
    cut: Vec<RawFd>,
    /// Until then it may be late: it stood still.
    grace: At,
}

/// Picks since nothing disturbed them.
#[derive(Clone, Default)]
struct Window {
    picks: Vec<u32>,
    /// From the first pick of the world on.
    whole: bool,
    disturbed: bool,
}

/// See the module.
pub struct Book {
    desks: Vec<Desk>,
    windows: Vec<Window>,
    sticks: BTreeMap<(usize, IpAddr), u8>,
    evicted: u32,
    pub violation: Option<Violation>,
    /// How much was seen: sessions, retries, evictions, judged picks.
    pub seen: [u64; 4],
}

impl Book {
    pub fn new(plan: &Plan) -> Book {
        let windows = plan.services.iter().map(|_| Window {
            picks: vec![0; plan.servers()],
            whole: true,
            disturbed: false,
        });
        Book {
            desks: (0..plan.workers).map(|_| Desk::default()).collect(),
            windows: windows.collect(),
            sticks: BTreeMap::new(),
            evicted: 0,
            violation: None,
            seen: [0; 4],
        }
    }

    pub fn broken(&mut self, rule: Rule, story: String) {
        self.violation.get_or_insert(Violation { rule, story });
    }

    /// The sessions of a server are to end, when their workers run next.
    pub fn cut(&mut self, server: u8) {
        for desk in &mut self.desks {
            let of = |socket: &Socket| match socket {
                Socket::Server { server: of, .. } | Socket::Line { server: of, .. } => {
                    *of == server
                }
                Socket::Client { .. } => false,
            };
            let sockets = desk.sockets.iter().filter(|(_, socket)| of(socket));
            desk.cut.extend(sockets.map(|(fd, _)| *fd));
        }
    }

    /// A worker stands still until then.
    pub fn stands(&mut self, worker: u8, until: At) {
        self.desks[usize::from(worker)].grace = until + 200 * MS;
    }

    /// A worker died: what it had is gone.
    pub fn died(&mut self, worker: u8) {
        self.desks[usize::from(worker)] = Desk::default();
    }

    /// Something about a service's servers changed.
    pub fn disturb(&mut self, service: usize) {
        let window = &mut self.windows[service];
        window.picks.fill(0);
        window.whole = false;
    }

    pub fn disturb_all(&mut self) {
        for service in 0..self.windows.len() {
            self.disturb(service);
        }
    }

    /// The sockets of a server or of a service, of all workers.
    fn count(&self, mut of: impl FnMut(&Socket) -> bool) -> u32 {
        let sockets = self.desks.iter().flat_map(|desk| desk.sockets.values());
        sockets.filter(|socket| of(socket)).count() as u32
    }

    /// What a worker did in a turn.
    pub fn turned(&mut self, plan: &Plan, keeper: &Keeper, worker: u8, notes: &[Note]) {
        let now = with(|kernel| kernel.now);
        let mut pending = None;
        let evicted = self.evictions(plan, keeper);
        for note in notes {
            self.note(plan, keeper, worker, *note, &mut pending, (now, evicted));
        }
        for service in 0..self.windows.len() {
            if std::mem::take(&mut self.windows[service].disturbed) {
                self.disturb(service);
            }
        }
        self.hold_counts(plan, keeper.workers.shared(), worker);
        self.hold_times(plan, worker, now);
        let left = self.desks[usize::from(worker)].cut.len();
        if left > 0 {
            let story = format!("worker {worker} leaves {left} sessions that were cut");
            self.broken(Rule::Cut, story);
        }
    }

    /// How many UDP sessions made room in this turn.
    fn evictions(&mut self, plan: &Plan, keeper: &Keeper) -> u32 {
        let shared = keeper.workers.shared();
        let services = 0..plan.services.len() as u8;
        let evicted: u32 = services
            .map(|service| shared.service(service).evicted)
            .sum();
        let more = evicted - std::mem::replace(&mut self.evicted, evicted);
        self.seen[2] += u64::from(more);
        more
    }

    fn note(
        &mut self,
        plan: &Plan,
        keeper: &Keeper,
        worker: u8,
        note: Note,
        pending: &mut Option<(RawFd, bool)>,
        (now, evicted): (At, u32),
    ) {
        let desk = &mut self.desks[usize::from(worker)];
        match note {
            Note::Accepted { fd, conn } => {
                let party = with(|kernel| kernel.conns[conn].party);
                let Party::Client { client, .. } = party else {
                    return;
                };
                *pending = Some((fd, true));
                let (service, slot, at) = (plan.clients[client].service, None, now);
                desk.sockets.insert(
                    fd,
                    Socket::Client {
                        conn,
                        service,
                        slot,
                        at,
                    },
                );
                self.seen[0] += 1;
                self.hold_service_limit(plan, service);
            }
            Note::Connect { fd, conn, server } => {
                let (slot, at) = (None, now);
                desk.sockets.insert(
                    fd,
                    Socket::Server {
                        conn,
                        server,
                        slot,
                        at,
                    },
                );
                self.picked(plan, keeper, server);
                if let Some((client, true)) = *pending {
                    *pending = Some((client, false));
                    self.first_pick(plan, keeper, worker, client, server);
                }
            }
            Note::Line { fd, server } => {
                let flow = None;
                desk.sockets.insert(fd, Socket::Line { server, flow });
                self.picked(plan, keeper, server);
                self.hold_service_limit(plan, plan.service_of(server.into()));
            }
            Note::Watch { fd, token } => self.watched(plan, keeper, worker, (fd, token), pending),
            Note::Flow { fd, flow, server } => {
                for (other, socket) in &desk.sockets {
                    let Socket::Line { flow: Some(of), .. } = socket else {
                        continue;
                    };
                    if (*other == fd) != (*of == flow) {
                        let story = format!("flow {flow} at server {server} is {of}'s socket");
                        return self.broken(Rule::Flow, story);
                    }
                }
                if let Some(Socket::Line { flow: of, .. }) = desk.sockets.get_mut(&fd) {
                    *of = Some(flow);
                }
            }
            Note::LineClosed {
                fd,
                used_at,
                refused,
            } => {
                let known = desk.sockets.remove(&fd);
                let cuts = desk.cut.len();
                desk.cut.retain(|cut| *cut != fd);
                let cut = desk.cut.len() < cuts;
                let idle = now >= used_at + idle_of(plan, known.as_ref());
                if evicted > 0 && known.is_some() && !refused && !cut && !idle {
                    self.made_room(worker, used_at);
                }
            }
            Note::Closed { fd, conn } => self.closed(plan, worker, fd, conn, now),
            Note::Trouble => {
                // It may have been sought where it was before.
                if let Some((_, first)) = pending {
                    *first = false;
                }
                for window in &mut self.windows {
                    window.disturbed = true;
                }
            }
        }
    }

    /// Rules 9 and 10, and the limit of a server.
    fn picked(&mut self, plan: &Plan, keeper: &Keeper, server: u8) {
        let node = &keeper.node;
        let number = usize::from(server);
        let service = plan.service_of(number);
        let state = node.servers()[number].state();
        if !node.servers()[number].admits() {
            let story = format!("server {server} is {state:?} and gets a session");
            return self.broken(Rule::Admission, story);
        }
        let span = (0..plan.servers()).filter(|other| plan.service_of(*other) == service);
        let span: Vec<usize> = span.collect();
        let primary = |other: &&usize| !plan.server(**other).backup;
        let others = span.iter().filter(primary);
        if plan.server(number).backup && others.clone().any(|s| node.servers()[*s].admits()) {
            let story = format!("backup {server} gets a session beside others");
            return self.broken(Rule::Admission, story);
        }
        let most = plan.server(number).maxconn;
        let sessions = self.count(|socket| match socket {
            Socket::Server { server: of, .. } | Socket::Line { server: of, .. } => *of == server,
            Socket::Client { .. } => false,
        });
        if most > 0 && sessions > most {
            let story = format!("server {server} has {sessions} sessions of {most}");
            return self.broken(Rule::Limit, story);
        }
        let line = &plan.services[service];
        let plain = |s: &usize| !plan.server(*s).backup && plan.server(*s).maxconn == 0;
        let judged = line.balance == "roundrobin" && line.stick == "none";
        let up = span.iter().all(|s| node.servers()[*s].admits());
        if !judged || !up || !span.iter().all(plain) {
            return;
        }
        let window = &mut self.windows[service];
        window.picks[number] += 1;
        let weights: Vec<i64> = span
            .iter()
            .map(|s| node.servers()[*s].weight().into())
            .collect();
        let sum: i64 = weights.iter().sum();
        let all: i64 = span.iter().map(|s| i64::from(window.picks[*s])).sum();
        // From the first ticket on it is less than one session off its share;
        // a window that begins anywhere has such an error at both of its ends.
        let most = if window.whole { sum } else { 2 * sum };
        self.seen[3] += 1;
        if window.disturbed {
            return;
        }
        for (of, weight) in span.iter().zip(&weights) {
            let off = (i64::from(window.picks[*of]) * sum - all * weight).abs();
            if off >= most {
                let (picks, weights) = (window.picks.clone(), weights.clone());
                let story = format!("of {all} sessions {picks:?} went to weights {weights:?}");
                return self.broken(Rule::RoundRobin, story);
            }
        }
    }

    fn hold_service_limit(&mut self, plan: &Plan, service: usize) {
        let most = plan.services[service].maxconn;
        let sessions = self.count(|socket| match socket {
            Socket::Client { service: of, .. } => *of == service,
            Socket::Line { server, .. } => plan.service_of((*server).into()) == service,
            Socket::Server { .. } => false,
        });
        if most > 0 && sessions > most {
            let story = format!("service {service} has {sessions} sessions of {most}");
            self.broken(Rule::Limit, story);
        }
    }

    /// The first server of a client that was just taken in.
    fn first_pick(&mut self, plan: &Plan, keeper: &Keeper, worker: u8, fd: RawFd, server: u8) {
        let desk = &self.desks[usize::from(worker)];
        let Some(Socket::Client { conn, service, .. }) = desk.sockets.get(&fd) else {
            return;
        };
        let Party::Client { address, .. } = with(|kernel| kernel.conns[*conn].party) else {
            return;
        };
        let servers = &plan.services[*service].servers;
        let limited = servers
            .iter()
            .any(|server| server.maxconn > 0 || server.backup);
        if plan.services[*service].stick != "source" || limited {
            return;
        }
        if let Some(had) = self.sticks.get(&(*service, address.ip()))
            && *had != server
            && keeper.node.servers()[usize::from(*had)].admits()
        {
            let story = format!("{address} had server {had} and is sent to {server}");
            self.broken(Rule::Stick, story);
        }
    }

    /// A socket is watched, which tells whose slot it has.
    fn watched(
        &mut self,
        plan: &Plan,
        keeper: &Keeper,
        worker: u8,
        (fd, token): (RawFd, u64),
        pending: &mut Option<(RawFd, bool)>,
    ) {
        if token >= 1 << 40 {
            return;
        }
        let now = with(|kernel| kernel.now);
        let number = token >> 1;
        let desk = &mut self.desks[usize::from(worker)];
        if token & 1 == 0 {
            *pending = None;
            bind(desk, number, fd);
            return self.reached(plan, keeper, worker, number, fd);
        }
        if let Some((client, _)) = pending.take() {
            bind(desk, number, client);
        }
        let Some(Socket::Server { server, slot, .. }) = desk.sockets.get_mut(&fd) else {
            return;
        };
        *slot = Some(number);
        let server = *server;
        let Some(slot) = desk.slots.get_mut(&number) else {
            return;
        };
        let before = slot.tried.iter().rev().find(|(of, _)| *of == server);
        // A worker counts whole milliseconds.
        let early = before.is_some_and(|(_, over)| now + MS < over + SECOND);
        if !slot.tried.is_empty() {
            self.seen[1] += 1;
        }
        if early {
            let story = format!("server {server} is asked again at once");
            self.broken(Rule::Retry, story);
        }
    }

    /// A client's socket is watched: its server took the connection, unless its
    /// first record is waited for.
    fn reached(&mut self, plan: &Plan, _: &Keeper, worker: u8, slot: u64, fd: RawFd) {
        let desk = &self.desks[usize::from(worker)];
        let Some(Socket::Client { conn, service, .. }) = desk.sockets.get(&fd) else {
            return;
        };
        let sticky = plan.services[*service].stick == "source";
        let Party::Client { address, .. } = with(|kernel| kernel.conns[*conn].party) else {
            return;
        };
        // One that was reset meanwhile has no address to be remembered by.
        let there = with(|kernel| !kernel.conns[*conn].is_gone());
        let server = desk.sockets.values().find_map(|socket| match socket {
            Socket::Server {
                server, slot: of, ..
            } if *of == Some(slot) => Some(*server),
            _ => None,
        });
        if let Some(server) = server.filter(|_| sticky && there) {
            self.sticks.insert((*service, address.ip()), server);
        }
    }

    fn closed(&mut self, plan: &Plan, worker: u8, fd: RawFd, conn: usize, now: At) {
        let desk = &mut self.desks[usize::from(worker)];
        desk.cut.retain(|cut| *cut != fd);
        match desk.sockets.remove(&fd) {
            Some(Socket::Client {
                slot: Some(slot), ..
            }) => {
                desk.slots.remove(&slot);
            }
            Some(Socket::Server { server, slot, .. }) => {
                let slot = slot.and_then(|slot| desk.slots.get_mut(&slot));
                if let Some(slot) = slot {
                    slot.tried.push((server, now));
                }
                let reached = with(|kernel| kernel.conns[conn].taken);
                if !reached {
                    self.windows[plan.service_of(server.into())].disturbed = true;
                }
            }
            _ => {}
        }
    }

    /// Somebody made room: nobody who stays was idle for longer.
    fn made_room(&mut self, worker: u8, used_at: At) {
        let desk = &self.desks[usize::from(worker)];
        let lines = desk.sockets.iter();
        let lines = lines.filter(|(_, socket)| matches!(socket, Socket::Line { .. }));
        let older = lines.filter_map(|(fd, _)| {
            with(|kernel| match kernel.file(*fd) {
                Ok(File::Line(line)) => Some(line.used_at),
                _ => None,
            })
        });
        if let Some(older) = older.min().filter(|older| *older < used_at) {
            let story = format!("one of {used_at} makes room beside one of {older}");
            self.broken(Rule::Eviction, story);
        }
    }

    /// What a worker counts is what it has.
    fn hold_counts(&mut self, plan: &Plan, shared: &Shared, worker: u8) {
        let desk = &self.desks[usize::from(worker)];
        for server in 0..plan.servers() as u8 {
            let row = |workers| shared.server_sessions(server, workers);
            let counted = row(worker + 1).wrapping_sub(row(worker));
            let sockets = desk.sockets.values().filter(|socket| match socket {
                Socket::Server { server: of, .. } | Socket::Line { server: of, .. } => {
                    *of == server
                }
                Socket::Client { .. } => false,
            });
            let there = sockets.count() as u32;
            if counted != there {
                let story = format!(
                    "worker {worker} counts {counted} sessions of server {server}, has {there}"
                );
                return self.broken(Rule::Counts, story);
            }
        }
        for service in 0..plan.services.len() {
            let row = |workers| shared.service_sessions(service as u8, workers);
            let counted = row(worker + 1).wrapping_sub(row(worker));
            let sockets = desk.sockets.values().filter(|socket| match socket {
                Socket::Client { service: of, .. } => *of == service,
                Socket::Line { server, .. } => plan.service_of((*server).into()) == service,
                Socket::Server { .. } => false,
            });
            let there = sockets.count() as u32;
            if counted != there {
                let story = format!(
                    "worker {worker} counts {counted} sessions of service {service}, has {there}"
                );
                return self.broken(Rule::Counts, story);
            }
        }
    }

    /// Every session ends within its time limits.
    fn hold_times(&mut self, plan: &Plan, worker: u8, now: At) {
        const LATE: At = 60 * MS;
        let desk = &self.desks[usize::from(worker)];
        if now < desk.grace {
            return;
        }
        let mut story = None;
        for (fd, socket) in &desk.sockets {
            let end = match socket {
                Socket::Client {
                    conn,
                    service,
                    at,
                    slot,
                } => {
                    let line = &plan.services[*service];
                    let attempts = u64::from(line.retries) + 2;
                    let hello = 5 * SECOND;
                    let start = at + hello + attempts * (2 * line.connect + 2 * SECOND);
                    let pair = desk.sockets.values().find_map(|socket| match socket {
                        Socket::Server { conn, slot: of, .. } if slot.is_some() && of == slot => {
                            Some(*conn)
                        }
                        _ => None,
                    });
                    let moved = |conn: usize| with(|kernel| kernel.conns[conn].moved_at);
                    match pair.filter(|pair| with(|kernel| kernel.conns[*pair].is_open())) {
                        Some(pair) => moved(*conn).max(moved(pair)) + line.idle + 32 * MS,
                        None => start,
                    }
                }
                Socket::Server {
                    conn, server, at, ..
                } => {
                    let line = &plan.services[plan.service_of((*server).into())];
                    match with(|kernel| kernel.conns[*conn].taken) {
                        true => continue,
                        false => at + line.connect,
                    }
                }
                Socket::Line { server, .. } => {
                    let line = &plan.services[plan.service_of((*server).into())];
                    with(|kernel| match kernel.file(*fd) {
                        Ok(File::Line(of)) => of.used_at + line.idle,
                        _ => now,
                    })
                }
            };
            if now > end + LATE {
                let late = (now - end) / MS;
                story = Some(format!(
                    "worker {worker} has a session {late} ms for too long"
                ));
            }
        }
        if let Some(story) = story {
            self.broken(Rule::Timeout, story);
        }
    }

    /// Sockets of sessions that are there.
    pub fn sockets(&self) -> u32 {
        self.count(|_| true)
    }

    /// Nobody has anything any more.
    pub fn at_rest(&mut self, plan: &Plan, config: &Config<'_>, shared: &Shared) {
        let left = self.count(|_| true);
        if left > 0 {
            return self.broken(Rule::Leak, format!("{left} sockets are left"));
        }
        for server in 0..config.servers.len() as u8 {
            let sessions = shared.server(server).sessions;
            if sessions != 0 {
                let story = format!("{sessions} sessions of server {server} are left");
                return self.broken(Rule::Counts, story);
            }
        }
        for service in 0..plan.services.len() as u8 {
            let sessions = shared.service(service).sessions;
            if sessions != 0 {
                let story = format!("{sessions} sessions of service {service} are left");
                return self.broken(Rule::Counts, story);
            }
        }
    }

    /// The clients that a worker has at present.
    pub fn clients_of(&self, worker: u8) -> Vec<usize> {
        let sockets = self.desks[usize::from(worker)].sockets.values();
        let conns = sockets.filter_map(|socket| match socket {
            Socket::Client { conn, .. } | Socket::Server { conn, .. } => Some(*conn),
            Socket::Line { .. } => None,
        });
        conns.collect()
    }
}

/// How long a session of datagrams may be idle.
fn idle_of(plan: &Plan, socket: Option<&Socket>) -> At {
    match socket {
        Some(Socket::Line { server, .. }) => plan.services[plan.service_of((*server).into())].idle,
        _ => 0,
    }
}

/// A slot has a client from now on.
fn bind(desk: &mut Desk, number: u64, fd: RawFd) {
    let Some(Socket::Client { slot, .. }) = desk.sockets.get_mut(&fd) else {
        return;
    };
    if slot.replace(number).is_none() {
        desk.slots.insert(number, Slot::default());
    }
}
