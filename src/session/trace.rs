//! The life of sessions at absolute times, and storms of them.

use std::boxed::Box;
use std::vec::Vec;

use super::*;
use crate::balance::sample_config as config;
use crate::config::Balance;
use crate::shared::ServerCounts;

const PLAIN: (u16, u32, bool) = (1, 0, false);

struct Bench {
    config: &'static Config<'static>,
    shared: &'static Shared,
    sessions: Sessions<'static>,
}

impl Bench {
    fn of(config: Box<Config<'static>>, most: usize) -> Bench {
        let config: &Config<'static> = Box::leak(config);
        let shared = Box::leak(Box::new(Shared::new()));
        let table = Box::leak(Box::new(Table::new()));
        let mut sessions = Sessions::new(config, shared, 0, table, most);
        sessions.set_now(Instant::ZERO);
        Bench {
            config,
            shared,
            sessions,
        }
    }

    fn new(servers: &[(u16, u32, bool)]) -> Bench {
        Bench::of(config(Balance::RoundRobin, servers), 100)
    }

    fn at(&mut self, ms: u64) {
        self.sessions.set_now(Instant::from_millis(ms as i64));
    }

    fn client(&mut self) -> (Id, Step) {
        let id = self.sessions.begin(0).unwrap();
        self.sessions.greet(id, 1);
        (id, self.sessions.go(id, None))
    }

    fn quiet(&self) {
        assert_eq!(self.sessions.used(), 0);
        assert_eq!(self.sessions.wait_ms(), None);
        assert_eq!(self.shared.service(0).sessions, 0);
        for server in 0..self.config.servers.len() as u8 {
            assert_eq!(self.shared.server(server).sessions, 0);
        }
    }
}

#[test]
fn a_session_from_its_client_to_its_end() {
    let mut bench = Bench::new(&[PLAIN]);
    let (id, step) = bench.client();
    assert_eq!(step, Step::Connect(0));
    assert_eq!(bench.shared.service(0).sessions, 1);
    assert_eq!(bench.sessions.wait_ms(), Some(5_000));
    bench.at(3);
    bench.sessions.connected(id);
    let counts = ServerCounts {
        sessions: 1,
        total: 1,
        ..ServerCounts::default()
    };
    assert_eq!(bench.shared.server(0), counts);
    assert_eq!(
        bench.sessions.end(id, Why::Finished),
        Step::Ended(Why::Finished)
    );
    // Late news of it finds the slot at rest, and a new client another one.
    assert_eq!(bench.sessions.state(id), State::Ended);
    let (other, _) = bench.client();
    assert_ne!(other, id);
    bench.sessions.end(other, Why::Reset);
    bench.sessions.settle();
    bench.quiet();
    let (again, _) = bench.client();
    assert!([id, other].contains(&again));
}

#[test]
fn who_did_not_come_leaves_nothing() {
    let mut bench = Bench::new(&[PLAIN]);
    let id = bench.sessions.begin(0).unwrap();
    bench.sessions.cancel(id);
    bench.quiet();
    assert_eq!(bench.sessions.begin(0), Some(id));
}

#[test]
fn each_attempt_goes_to_the_next_server_and_once_round_there_is_a_pause() {
    let mut bench = Bench::new(&[PLAIN, PLAIN]);
    let (id, step) = bench.client();
    assert_eq!(step, Step::Connect(0));
    assert_eq!(bench.sessions.failed(id, Failed::Refused), Step::Connect(1));
    assert_eq!(bench.sessions.failed(id, Failed::NoPort), Step::Wait);
    assert_eq!(bench.sessions.wait_ms(), Some(1_000));
    assert_eq!(bench.sessions.due(), None);
    bench.at(1_000);
    assert_eq!(bench.sessions.due(), Some(Due::Go(id)));
    let Step::Connect(_) = bench.sessions.go(id, None) else {
        panic!("no third attempt");
    };
    // It does not answer.
    bench.at(6_000);
    assert_eq!(bench.sessions.due(), Some(Due::Connect(id)));
    let Step::Connect(_) = bench.sessions.failed(id, Failed::Late) else {
        panic!("no fourth attempt");
    };
    // The fourth was the last: three retries.
    assert_eq!(
        bench.sessions.failed(id, Failed::Refused),
        Step::Ended(Why::Unreachable)
    );
    bench.sessions.settle();
    bench.quiet();
    assert_eq!(bench.shared.service(0).refused, 1);
    // A lack of ports is not the server's.
    let refused = |server| bench.shared.server(server).refused;
    assert_eq!(refused(0) + refused(1), 3);
}

#[test]
fn nobody_to_go_to_is_the_end_at_once() {
    let mut bench = Bench::new(&[PLAIN]);
    bench.shared.open_server(0, false);
    let (_, step) = bench.client();
    assert_eq!(step, Step::Ended(Why::Nobody));
    bench.sessions.settle();
    bench.quiet();
}

#[test]
fn a_service_that_is_closed_takes_nobody() {
    let mut bench = Bench::new(&[PLAIN]);
    bench.shared.open_service(0, false);
    assert_eq!(bench.sessions.begin(0), None);
    bench.shared.open_service(0, true);
    assert!(bench.sessions.begin(0).is_some());
}

#[test]
fn idle_sessions_end_in_the_order_of_their_last_byte() {
    let mut bench = Bench::new(&[PLAIN]);
    let ids: Vec<Id> = (0..3).map(|_| bench.client().0).collect();
    for id in &ids {
        bench.sessions.connected(*id);
    }
    bench.at(10_000);
    bench.sessions.touch(ids[0]);
    // Within a grain nothing is moved.
    bench.at(10_010);
    bench.sessions.touch(ids[0]);
    bench.at(49_999);
    assert_eq!(bench.sessions.due(), None);
    let mut ended = Vec::new();
    for now in 49_999..61_000 {
        bench.at(now);
        while let Some(Due::Idle(id)) = bench.sessions.due() {
            bench.sessions.end(id, Why::Idle);
            ended.push((now, id));
        }
    }
    let grain = u64::from(GRAIN_MS);
    let expected = [
        (50_000 + grain, ids[1]),
        (50_000 + grain, ids[2]),
        (60_000 + grain, ids[0]),
    ];
    assert_eq!(ended, expected);
    bench.sessions.settle();
    bench.quiet();
}

#[test]
fn the_most_of_a_service_holds_over_workers() {
    let mut config = config(Balance::RoundRobin, &[PLAIN]);
    config.services[0].maxconn = 2;
    let mut bench = Bench::of(config, 100);
    let (id, _) = bench.client();
    bench.client();
    assert_eq!(bench.sessions.begin(0), None);
    assert_eq!(bench.shared.service(0).sessions, 2);
    bench.sessions.end(id, Why::Finished);
    bench.sessions.settle();
    assert!(bench.sessions.begin(0).is_some());
}

#[test]
fn room_in_the_table_is_all_the_room_there_is() {
    let mut bench = Bench::of(config(Balance::RoundRobin, &[PLAIN]), 3);
    let ids: Vec<Id> = (0..3).map(|_| bench.client().0).collect();
    assert_eq!(bench.sessions.begin(0), None);
    bench.sessions.end(ids[1], Why::Reset);
    // Its slot rests until the turn is over.
    assert_eq!(bench.sessions.begin(0), None);
    bench.sessions.settle();
    assert_eq!(bench.sessions.begin(0), Some(ids[1]));
}

#[test]
fn whoever_finds_all_servers_full_looks_again_and_gives_up_in_the_end() {
    let mut bench = Bench::new(&[(1, 1, false)]);
    let id = bench.sessions.begin(0).unwrap();
    // Another worker is faster.
    bench.shared.row(1).count_server(0, true);
    let field = &mut bench.sessions.field;
    field.workers = 2;
    bench.sessions.greet(id, 1);
    assert_eq!(bench.sessions.go(id, None), Step::Wait);
    bench.at(10);
    assert_eq!(bench.sessions.due(), Some(Due::Go(id)));
    assert_eq!(bench.sessions.go(id, None), Step::Wait);
    let mut at = 10;
    let step = loop {
        at += 10;
        bench.at(at);
        assert_eq!(bench.sessions.due(), Some(Due::Go(id)));
        match bench.sessions.go(id, None) {
            Step::Wait => assert!(at < 6_000),
            step => break step,
        }
    };
    assert_eq!((at, step), (5_000, Step::Ended(Why::NoRoom)));
    bench.shared.row(1).count_server(0, false);
    bench.sessions.settle();
    bench.quiet();
}

#[test]
fn the_first_record_is_waited_for_five_seconds() {
    let mut bench = Bench::new(&[PLAIN, PLAIN]);
    let id = bench.sessions.begin(0).unwrap();
    bench.sessions.greet(id, 1);
    bench.sessions.await_hello(id);
    assert_eq!(bench.sessions.wait_ms(), Some(5_000));
    // It comes, and names the server of before.
    assert_eq!(bench.sessions.go(id, Some(1)), Step::Connect(1));
    let id = bench.sessions.begin(0).unwrap();
    bench.sessions.greet(id, 1);
    bench.sessions.await_hello(id);
    bench.at(4_999);
    assert_eq!(bench.sessions.due(), None);
    bench.at(5_000);
    assert!(bench.sessions.due().is_some());
}

#[test]
fn sessions_of_a_server_are_cut_once() {
    let mut bench = Bench::new(&[PLAIN, PLAIN]);
    let ids: Vec<Id> = (0..4).map(|_| bench.client().0).collect();
    for id in &ids {
        bench.sessions.connected(*id);
    }
    assert!(!bench.sessions.is_cut(1));
    bench.shared.cut(1);
    assert!(bench.sessions.is_cut(1));
    assert!(!bench.sessions.is_cut(1));
    let mut cut = Vec::new();
    let mut from = 0;
    while let Some(id) = bench.sessions.next_of(1, from) {
        bench.sessions.end(id, Why::Cut);
        cut.push(id);
        from = id.0 + 1;
    }
    assert_eq!(cut, [ids[1], ids[3]]);
    assert_eq!(bench.shared.server(1).sessions, 0);
    assert_eq!(bench.shared.server(0).sessions, 2);
}

#[test]
fn who_waits_for_a_server_of_a_closed_service_is_found() {
    let mut bench = Bench::new(&[PLAIN, PLAIN]);
    let (relaying, _) = bench.client();
    bench.sessions.connected(relaying);
    let (connecting, _) = bench.client();
    let hello = bench.sessions.begin(0).unwrap();
    bench.sessions.greet(hello, 1);
    bench.sessions.await_hello(hello);
    assert_eq!(bench.sessions.next_unserved(0), None);
    bench.shared.open_service(0, false);
    assert_eq!(bench.sessions.next_unserved(0), Some(connecting));
    assert_eq!(bench.sessions.next_unserved(connecting.0 + 1), Some(hello));
    assert_eq!(bench.sessions.next_unserved(hello.0 + 1), None);
}

/// Clients and servers of every kind, in any order, for a long time: each
/// session ends, each count returns to zero.
#[test]
fn rule_9_counts_return_to_zero_whatever_happens() {
    for seed in 0..20_u32 {
        let mut chance = seed;
        let mut roll = |of: u32| {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (chance >> 8) % of
        };
        let limits = [(3, 4, false), (1, 0, false), (2, 3, false), (1, 0, true)];
        let mut bench = Bench::of(config(Balance::LeastConn, &limits), 12);
        let mut open: Vec<Id> = Vec::new();
        let mut now = u64::from(u32::MAX) - 100_000;
        for _ in 0..20_000 {
            now += u64::from(roll(40));
            bench.at(now);
            let server = roll(4) as u8;
            match roll(9) {
                0 => bench.shared.open_server(server, roll(3) != 0),
                1 => bench.shared.set_weight(server, roll(4) as u16),
                2 | 3 => {
                    if let Some(id) = bench.sessions.begin(0) {
                        match roll(10) {
                            0 => bench.sessions.cancel(id),
                            n => {
                                bench.sessions.greet(id, roll(9));
                                match n {
                                    1 => bench.sessions.await_hello(id),
                                    _ => drop(bench.sessions.go(id, None)),
                                }
                                open.push(id);
                            }
                        }
                    }
                }
                _ if open.is_empty() => {}
                what => {
                    let id = open[roll(open.len() as u32) as usize];
                    match (what, bench.sessions.state(id)) {
                        (4, _) => drop(bench.sessions.end(id, Why::Reset)),
                        (5, State::Connecting { .. }) => {
                            let why = [Failed::Refused, Failed::NoPort, Failed::NoRoom];
                            bench.sessions.failed(id, why[roll(3) as usize]);
                        }
                        (_, State::Connecting { .. }) => bench.sessions.connected(id),
                        (6, State::Hello { .. }) => drop(bench.sessions.go(id, Some(server))),
                        _ => bench.sessions.touch(id),
                    }
                }
            }
            while let Some(due) = bench.sessions.due() {
                match due {
                    Due::Go(id) => drop(bench.sessions.go(id, None)),
                    Due::Connect(id) => drop(bench.sessions.failed(id, Failed::Late)),
                    Due::Idle(id) => drop(bench.sessions.end(id, Why::Idle)),
                }
            }
            open.retain(|id| bench.sessions.state(*id) != State::Ended);
            bench.sessions.settle();
            assert_eq!(bench.sessions.used() as usize, open.len());
            assert_eq!(bench.shared.service(0).sessions as usize, open.len());
            for (server, (_, most, _)) in (0..).zip(limits) {
                let sessions = bench.shared.server(server).sessions;
                assert!(most == 0 || sessions <= most);
            }
        }
        // Nobody comes or says anything any more: time ends all of them.
        for _ in 0..30 {
            now += 10_000;
            bench.at(now);
            while let Some(due) = bench.sessions.due() {
                match due {
                    Due::Go(id) => drop(bench.sessions.go(id, None)),
                    Due::Connect(id) => drop(bench.sessions.failed(id, Failed::Late)),
                    Due::Idle(id) => drop(bench.sessions.end(id, Why::Idle)),
                }
            }
            bench.sessions.settle();
        }
        bench.quiet();
    }
}

#[test]
fn a_session_is_small() {
    assert_eq!(size_of::<Session>(), 32);
}
