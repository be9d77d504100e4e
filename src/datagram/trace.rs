//! Sessions as traces in virtual time, through the very balancer and table of
//! sticks that workers have.

use core::net::IpAddr;
use std::boxed::Box;
use std::vec::Vec;

use super::*;
use crate::Duration;
use crate::config::{Balance, Listener, Proxy, Server, Span, Transport};
use crate::shared::Shared;

/// A service of two listeners, 500 and 4500, and three servers; another one of
/// one listener and the fourth server.
fn config(adapt: impl Fn(&mut Service<'static>)) -> Box<Config<'static>> {
    let mut config = Box::new(Config::EMPTY);
    for port in [500, 4500, 53] {
        let address = ([0, 0, 0, 0], port).into();
        let transport = Transport::Udp;
        assert!(
            config
                .listeners
                .push(Listener { transport, address })
                .is_ok()
        );
    }
    for (name, last) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        let server = Server {
            name,
            address: IpAddr::from([10, 0, 0, last]),
            port: 0,
            weight: 1,
            maxconn: 0,
            backup: false,
            check: None,
            proxy: Proxy::None,
        };
        assert!(config.servers.push(server).is_ok());
    }
    let spans = [("ike", (0, 2), (0, 3)), ("dns", (2, 1), (3, 1))];
    for (name, listeners, servers) in spans {
        let span = |(first, count)| Span { first, count };
        let mut service = Service {
            name,
            listeners: span(listeners),
            servers: span(servers),
            timeout_udp: Duration::from_secs(60),
            ..Service::blank()
        };
        if name == "ike" {
            adapt(&mut service);
        }
        assert!(config.services.push(service).is_ok());
    }
    config
}

/// One worker and what it shares.
struct Worker<'a> {
    config: &'a Config<'static>,
    shared: &'a Shared,
    number: u8,
    sessions: Box<Sessions>,
}

const IKE: u8 = 0;
const NAT_T: u8 = 1;
const DNS: u8 = 2;

impl<'a> Worker<'a> {
    fn new(config: &'a Config<'static>, shared: &'a Shared, number: u8) -> Worker<'a> {
        Worker::with_room(config, shared, number, usize::MAX)
    }

    fn with_room(
        config: &'a Config<'static>,
        shared: &'a Shared,
        number: u8,
        most: usize,
    ) -> Worker<'a> {
        let mut worker = Worker {
            config,
            shared,
            number,
            sessions: Box::new(Sessions::new()),
        };
        let field = worker.field();
        worker.sessions.start(&field, 77, most);
        worker
    }

    fn field(&self) -> Field<'a> {
        Field {
            config: self.config,
            shared: self.shared,
            worker: self.number,
            workers: 2,
        }
    }

    /// A datagram of client 192.0.2.`client`, whose port is `port`.
    fn arrive(&mut self, seconds: u64, listener: u8, client: u8, port: u16) -> Arrival {
        let client = ([192, 0, 2, client], port).into();
        let flow = Flow::new(listener, client, IpAddr::from([10, 1, 1, 1]));
        let field = self.field();
        self.sessions.arrive(&field, at(seconds), &flow)
    }

    /// The server of a datagram's session.
    fn server(&mut self, seconds: u64, listener: u8, client: u8, port: u16) -> u8 {
        match self.arrive(seconds, listener, client, port) {
            Arrival::Known(slot) | Arrival::New(slot) => self.sessions.session(slot).server,
            Arrival::Refused => panic!("refused"),
        }
    }

    fn reply(&mut self, seconds: u64, slot: u16) {
        let field = self.field();
        self.sessions.reply(&field, at(seconds), slot);
    }

    fn end(&mut self, seconds: u64, slot: u16, why: End) {
        let field = self.field();
        self.sessions.end(&field, at(seconds), slot, why);
    }

    fn expire(&mut self, seconds: u64) -> usize {
        let field = self.field();
        let mut ended = 0;
        while self.sessions.expire(&field, at(seconds)).is_some() {
            ended += 1;
        }
        ended
    }

    fn poll_at(&self) -> Option<Instant> {
        self.sessions.poll_at(&self.field())
    }

    /// Sessions now of each server and of the first service, as everybody sees.
    fn counts(&self) -> ([u32; 4], u32) {
        let servers = core::array::from_fn(|server| self.shared.server(server as u8).sessions);
        (servers, self.shared.service(0).sessions)
    }
}

fn at(seconds: u64) -> Instant {
    Instant::from_micros(0) + Duration::from_secs(seconds)
}

fn shared() -> Box<Shared> {
    Box::new(Shared::new())
}

#[test]
fn a_flow_stays_where_it_is_and_others_go_round() {
    let (config, shared) = (config(|_| {}), shared());
    let mut worker = Worker::new(&config, &shared, 0);
    assert_eq!(worker.arrive(0, IKE, 1, 1000), Arrival::New(0));
    assert_eq!(worker.arrive(1, IKE, 1, 1000), Arrival::Known(0));
    let servers: Vec<u8> = (0..6).map(|port| worker.server(1, IKE, 2, port)).collect();
    let first = worker.server(2, IKE, 1, 1000);
    assert!((0..3).all(|server| servers.iter().filter(|&&of| of == server).count() == 2));
    for _ in 0..9 {
        assert_eq!(worker.server(2, IKE, 1, 1000), first);
    }
    assert_eq!(worker.counts().1, 7);
    assert_eq!(worker.server(2, DNS, 1, 1000), 3, "its own service");
}

/// Rule 9: a server that is down or drained gets no new session, and those that
/// it has stay.
#[test]
fn a_server_that_is_closed_keeps_its_sessions() {
    let (config, shared) = (config(|_| {}), shared());
    let mut worker = Worker::new(&config, &shared, 0);
    let had: Vec<u8> = (0..3).map(|port| worker.server(0, IKE, 1, port)).collect();
    shared.open_server(had[0], false);
    for port in 10..30 {
        assert_ne!(worker.server(1, IKE, 1, port), had[0]);
    }
    assert_eq!(worker.server(1, IKE, 1, 0), had[0]);
}

/// A server that is down and answers nobody loses those who go on talking to it;
/// one that only seems to be down, or is drained, keeps whom it answers.
#[test]
fn a_client_does_not_talk_to_a_dead_server_for_ever() {
    let (config, shared) = (config(|service| service.stick = Stick::Source), shared());
    let mut worker = Worker::new(&config, &shared, 0);
    let had = [1, 2, 3].map(|client| worker.server(0, IKE, client, 500));
    // The third one is open, and says nothing as the first one does.
    shared.open_server(had[0], false);
    shared.open_server(had[1], false);
    for seconds in (10..60).step_by(10) {
        for (client, server) in (1..).zip(had) {
            assert_eq!(worker.server(seconds, IKE, client, 500), server);
        }
        worker.reply(seconds, 1);
        assert_eq!(worker.expire(seconds), 0);
    }
    assert_eq!(worker.poll_at(), Some(at(60)));
    assert_eq!(worker.expire(60), 1);
    assert_eq!(worker.server(60, IKE, 1, 500), had[2]);
    assert_eq!(worker.server(60, IKE, 2, 500), had[1]);
    // What comes back in time loses nobody.
    shared.open_server(had[1], true);
    assert_eq!(worker.arrive(105, IKE, 2, 500), Arrival::Known(1));
    assert_eq!(worker.expire(119), 1, "the third client's, who is silent");
    assert_eq!(worker.arrive(119, IKE, 2, 500), Arrival::Known(1));
}

#[test]
fn an_idle_session_ends_and_every_count_returns_to_zero() {
    let (config, shared) = (
        config(|service| service.timeout_udp = Duration::from_secs(30)),
        shared(),
    );
    let mut worker = Worker::new(&config, &shared, 0);
    assert_eq!(worker.poll_at(), None);
    worker.arrive(0, IKE, 1, 1);
    worker.arrive(1, DNS, 1, 1);
    worker.arrive(10, NAT_T, 1, 1);
    assert_eq!(worker.poll_at(), Some(at(30)));
    // Both sides keep a session alive.
    assert_eq!(worker.arrive(20, IKE, 1, 1), Arrival::Known(0));
    assert_eq!(worker.poll_at(), Some(at(40)));
    worker.reply(35, 2);
    assert_eq!(worker.poll_at(), Some(at(50)));
    assert_eq!(worker.expire(49), 0);
    assert_eq!(worker.expire(50), 1);
    assert_eq!(
        worker.poll_at(),
        Some(at(61)),
        "the other service's own time"
    );
    assert_eq!(worker.expire(64), 1);
    assert_eq!(worker.expire(65), 1);
    assert_eq!(worker.counts(), ([0; 4], 0));
    assert_eq!(worker.poll_at(), None);
    // What comes later is new, and takes a slot that was used.
    assert!(matches!(worker.arrive(70, IKE, 1, 1), Arrival::New(0..3)));
}

/// IKE begins at 500 and goes on at 4500 when there is NAT between, from a port
/// that the NAT chose, and at another worker.
#[test]
fn both_ports_of_a_client_go_to_one_server() {
    let (config, shared) = (config(|service| service.stick = Stick::Source), shared());
    let mut workers = [0, 1].map(|number| Worker::new(&config, &shared, number));
    for client in 0..50 {
        let first = usize::from(client % 2);
        let server = workers[first].server(0, IKE, client, 500);
        assert_eq!(workers[1 - first].server(1, NAT_T, client, 4500), server);
        assert_eq!(workers[first].server(1, NAT_T, client, 61_000), server);
    }
    let (servers, all) = workers[0].counts();
    assert_eq!(all, 150);
    assert!(
        servers[..3].iter().all(|&sessions| sessions >= 48),
        "{servers:?}"
    );
}

#[test]
fn balance_source_needs_no_memory_for_it() {
    let (config, shared) = (
        config(|service| service.balance = Balance::Source),
        shared(),
    );
    let mut workers = [0, 1].map(|number| Worker::new(&config, &shared, number));
    for client in 0..50 {
        let server = workers[0].server(0, IKE, client, 500);
        assert_eq!(workers[1].server(1, NAT_T, client, 4500), server);
    }
    assert!(
        workers[0].counts().0[..3]
            .iter()
            .all(|&sessions| sessions > 0)
    );
}

/// A refusal ends the session and is told; the client's next datagram begins
/// another one, elsewhere although it was to stick.
#[test]
fn a_refused_session_ends_and_the_next_datagram_picks_anew() {
    let (config, shared) = (config(|service| service.stick = Stick::Source), shared());
    let mut worker = Worker::new(&config, &shared, 0);
    let Arrival::New(slot) = worker.arrive(0, IKE, 1, 500) else {
        panic!("not new")
    };
    let refused = worker.sessions.session(slot).server;
    worker.end(0, slot, End::Refused);
    assert_eq!(shared.server(refused).refused, 1);
    assert_eq!(worker.counts(), ([0; 4], 0));
    assert_ne!(worker.server(1, IKE, 1, 500), refused);
    assert_eq!(shared.server(refused).total, 1);
}

/// IKE whose server died: each port's session is refused by itself, and the
/// second one does not undo what the first one found.
#[test]
fn both_ports_of_a_refused_client_move_to_one_server() {
    let (config, shared) = (config(|service| service.stick = Stick::Source), shared());
    let mut worker = Worker::new(&config, &shared, 0);
    for client in 0..10 {
        let slots = [(IKE, 500), (NAT_T, 4500)].map(|(listener, port)| {
            match worker.arrive(0, listener, client, port) {
                Arrival::New(slot) => slot,
                other => panic!("{other:?}"),
            }
        });
        let refused = worker.sessions.session(slots[0]).server;
        shared.open_server(refused, false);
        worker.end(1, slots[0], End::Refused);
        let server = worker.server(1, IKE, client, 500);
        worker.end(2, slots[1], End::Refused);
        assert_eq!(worker.server(2, NAT_T, client, 4500), server);
        shared.open_server(refused, true);
    }
}

/// A tunnel lives for hours. The session of another port that begins then goes
/// where it goes, be it kept by the client, by the server or by both.
#[test]
fn a_client_sticks_for_as_long_as_it_has_a_session() {
    let (config, shared) = (config(|service| service.stick = Stick::Source), shared());
    let mut workers = [0, 1].map(|number| Worker::new(&config, &shared, number));
    let had = [1, 2, 3].map(|client| workers[0].server(0, IKE, client, 500));
    for seconds in (20..7200).step_by(20) {
        workers[0].arrive(seconds, IKE, 1, 500);
        workers[0].reply(seconds, 1);
        workers[0].arrive(seconds, IKE, 3, 500);
        workers[0].reply(seconds + 1, 2);
        assert_eq!(workers[0].expire(seconds), 0);
    }
    // Somebody else comes, so that it is not these clients' turns by chance.
    workers[1].server(7199, IKE, 4, 500);
    for (client, server) in (1..).zip(had) {
        assert_eq!(workers[1].server(7200, NAT_T, client, 4500), server);
    }
    // Where a younger session went elsewhere, the old one leaves it there.
    shared.open_server(had[0], false);
    let other = workers[1].server(7201, NAT_T, 1, 61_000);
    assert_ne!(other, had[0]);
    shared.open_server(had[0], true);
    assert_eq!(workers[0].server(7300, IKE, 1, 500), had[0]);
    assert_eq!(workers[1].server(7301, NAT_T, 1, 61_001), other);
}

#[test]
fn a_full_table_lets_the_longest_idle_go() {
    let (config, shared) = (config(|_| {}), shared());
    let mut worker = Worker::new(&config, &shared, 0);
    let all = board::DATAGRAM_SESSIONS_MAX as u16;
    assert_eq!(worker.arrive(0, DNS, 9, 9), Arrival::New(0));
    for port in 1..all {
        assert_eq!(worker.arrive(1, IKE, 1, port), Arrival::New(port));
    }
    // The first of the other service was idle for longer, then it was not.
    worker.arrive(2, DNS, 9, 9);
    assert_eq!(worker.arrive(3, IKE, 2, 1), Arrival::New(1));
    assert_eq!(shared.service(0).evicted, 1);
    assert_eq!(worker.counts().1, u32::from(all) - 1);
    assert_eq!(worker.arrive(3, DNS, 9, 9), Arrival::Known(0));
    assert_eq!(worker.arrive(3, IKE, 1, 2), Arrival::Known(2));
    assert_eq!(worker.arrive(4, IKE, 1, 1), Arrival::New(3));
    assert_eq!(worker.expire(1000), usize::from(all));
    assert_eq!(worker.counts(), ([0; 4], 0));
}

/// As many as there are descriptors for, if those are fewer; one in any case,
/// or it would be counted and have no slot.
#[test]
fn where_there_is_less_room_the_longest_idle_goes_sooner() {
    let (config, shared) = (config(|_| {}), shared());
    for (most, room) in [(2, 2), (0, 1)] {
        let mut worker = Worker::with_room(&config, &shared, 0, most);
        for port in 0..room {
            assert_eq!(worker.arrive(1, IKE, 1, port), Arrival::New(port));
        }
        assert_eq!(worker.arrive(2, IKE, 1, 9), Arrival::New(0));
        assert_eq!(worker.arrive(3, IKE, 1, 0), Arrival::New(room - 1));
        assert_eq!(worker.expire(1000), usize::from(room));
    }
    assert_eq!(shared.service(0).evicted, 4);
    assert_eq!(shared.service(0).sessions, 0);
}

#[test]
fn no_server_no_service_no_room() {
    let (config, shared) = (config(|service| service.maxconn = 2), shared());
    let mut workers = [0, 1].map(|number| Worker::new(&config, &shared, number));
    let [worker, _] = &mut workers;
    for server in 0..3 {
        shared.open_server(server, false);
    }
    assert_eq!(worker.arrive(0, IKE, 1, 1), Arrival::Refused);
    for server in 0..3 {
        shared.open_server(server, true);
    }
    shared.open_service(0, false);
    assert_eq!(worker.arrive(0, IKE, 1, 1), Arrival::Refused);
    shared.open_service(0, true);
    assert_eq!(worker.counts(), ([0; 4], 0));
    worker.server(0, IKE, 1, 1);
    worker.server(0, IKE, 1, 2);
    assert_eq!(worker.arrive(0, IKE, 1, 3), Arrival::Refused);
    assert_eq!(shared.service(0).refused, 3);
    assert_eq!(worker.counts().1, 2);
    worker.expire(100);
    worker.server(100, IKE, 1, 3);
    assert_eq!(worker.counts().1, 1);
}

#[test]
fn sessions_are_cut_with_their_server() {
    let (config, shared) = (config(|_| {}), shared());
    shared.cut(1);
    let mut worker = Worker::new(&config, &shared, 0);
    for port in 0..30 {
        worker.server(0, IKE, 1, port);
    }
    let field = worker.field();
    let mut cut = Vec::new();
    // What was cut before it began is not meant.
    worker
        .sessions
        .cut(&field, at(1), &mut |slot| cut.push(slot));
    assert_eq!(cut, []);
    shared.cut(1);
    worker
        .sessions
        .cut(&field, at(1), &mut |slot| cut.push(slot));
    assert_eq!(cut.len(), 10);
    assert_eq!(worker.counts(), ([10, 0, 10, 0], 20));
    worker
        .sessions
        .cut(&field, at(1), &mut |slot| cut.push(slot));
    assert_eq!(cut.len(), 10);
}

/// One wildcard listener, two addresses of ours: two flows, so that replies come
/// from the address that was asked.
#[test]
fn addresses_asked_are_flows_of_their_own() {
    let (config, shared) = (config(|_| {}), shared());
    let mut worker = Worker::new(&config, &shared, 0);
    let field = worker.field();
    let flows = [1, 2].map(|last| {
        let client = ([192, 0, 2, 1], 1000).into();
        Flow::new(IKE, client, IpAddr::from([10, 1, 1, last]))
    });
    for (slot, flow) in (0..).zip(&flows) {
        let arrival = worker.sessions.arrive(&field, at(0), flow);
        assert_eq!(arrival, Arrival::New(slot));
        assert_eq!(worker.sessions.session(slot).flow, *flow);
    }
}

/// Storms: two workers, few clients and ports, servers that open, close, refuse
/// and are cut. After each, every session has ended and every count is zero.
#[test]
fn every_session_ends_and_every_count_returns_to_zero() {
    for seed in 1..9_u64 {
        let (config, shared) = (
            config(|service| {
                service.maxconn = [0, 40][seed as usize % 2];
                service.stick = [Stick::None, Stick::Source][seed as usize / 2 % 2];
            }),
            shared(),
        );
        let mut workers = [0, 1].map(|number| Worker::new(&config, &shared, number));
        let mut state = seed;
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 16) % below
        };
        let (mut begun, mut refused) = (0, 0);
        for step in 0..20_000 {
            let seconds = step / 40;
            let worker = &mut workers[next(2) as usize];
            let field = worker.field();
            let server = next(4) as u8;
            match next(40) {
                0 => shared.open_server(server, next(3) > 0),
                1 => shared.cut(server),
                2 => worker.sessions.cut(&field, at(seconds), &mut |_| {}),
                3 => drop(worker.sessions.evict(&field, at(seconds))),
                4 => drop(worker.expire(seconds)),
                _ => {
                    let (client, port) = (next(5) as u8, next(30) as u16);
                    match worker.arrive(seconds, next(3) as u8, client, port) {
                        Arrival::Known(slot) if next(50) == 0 => {
                            worker.end(seconds, slot, End::Refused);
                        }
                        Arrival::Known(slot) => worker.reply(seconds, slot),
                        Arrival::New(_) => begun += 1,
                        Arrival::Refused => refused += 1,
                    }
                }
            }
            let all = workers[0].counts();
            assert!(config.services[0].maxconn == 0 || all.1 <= 40, "{all:?}");
        }
        assert!(begun > 2_000 && refused > 50, "{begun} {refused}");
        let total: u64 = (0..4).map(|server| shared.server(server).total).sum();
        assert_eq!(total, begun);
        for worker in &mut workers {
            worker.expire(10_000);
        }
        assert_eq!(workers[0].counts(), ([0; 4], 0));
        assert_eq!(shared.service(1).sessions, 0);
    }
}
