//! The balancers: shares, limits, retries, backups.

use core::net::Ipv4Addr;
use std::boxed::Box;
use std::vec::Vec;

use super::sample_config as config;
use super::*;

const WEIGHTS: [u16; 3] = [5, 1, 3];

fn plain(weights: &[u16]) -> Vec<(u16, u32, bool)> {
    weights.iter().map(|weight| (*weight, 0, false)).collect()
}

fn wish(key: u32) -> Wish {
    Wish {
        service: 0,
        key,
        tried: 0,
        prefer: None,
    }
}

struct Bench<'a> {
    field: Field<'a>,
    balancers: Vec<Balancer>,
}

impl<'a> Bench<'a> {
    fn new(config: &'a Config<'a>, shared: &'a Shared, workers: u8) -> Bench<'a> {
        let field = Field {
            config,
            shared,
            worker: 0,
            workers,
        };
        let balancers = (0..workers).map(|_| Balancer::new()).collect();
        Bench { field, balancers }
    }

    fn pick(&mut self, worker: u8, wish: &Wish) -> Pick {
        let field = Field {
            worker,
            ..self.field
        };
        self.balancers[usize::from(worker)].pick(&field, wish)
    }

    fn server(&mut self, worker: u8, key: u32) -> u8 {
        match self.pick(worker, &wish(key)) {
            Pick::Server(server) => server,
            other => panic!("{other:?}"),
        }
    }
}

/// A few numbers that look like chance.
fn chance(seed: &mut u32) -> u32 {
    *seed = seed.wrapping_add(0x9e37_79b9);
    mix(*seed)
}

#[test]
fn rule_10_no_server_is_a_session_off_its_share_whoever_picks() {
    let mut seed = 1;
    for round in 0..60 {
        let count = 1 + chance(&mut seed) % 9;
        let most = [1, 3, 16, 256][round % 4];
        let weights: Vec<u16> = (0..count)
            .map(|_| (1 + chance(&mut seed) % most) as u16)
            .collect();
        let config = config(Balance::RoundRobin, &plain(&weights));
        let shared = Box::new(Shared::new());
        let mut bench = Bench::new(&config, &shared, 4);
        let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut given = [0_u64; 9];
        for session in 1..=600_u64 {
            let worker = (chance(&mut seed) % 4) as u8;
            given[usize::from(bench.server(worker, 0))] += 1;
            for (count, weight) in given.iter().zip(&weights) {
                let off = (count * sum).abs_diff(session * u64::from(*weight));
                assert!(off < sum, "{weights:?} after {session}: {given:?}");
            }
        }
    }
}

#[test]
fn equal_weights_go_round_one_by_one() {
    let config = config(Balance::RoundRobin, &plain(&[7, 7, 7]));
    let shared = Box::new(Shared::new());
    let mut bench = Bench::new(&config, &shared, 1);
    let order: Vec<u8> = (0..7).map(|_| bench.server(0, 0)).collect();
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn rule_9_who_is_closed_or_of_no_weight_gets_nothing() {
    let config = config(Balance::RoundRobin, &plain(&[1, 1, 1, 0]));
    let shared = Box::new(Shared::new());
    let mut bench = Bench::new(&config, &shared, 1);
    shared.open_server(1, false);
    let mut given = [0; 4];
    for _ in 0..100 {
        given[usize::from(bench.server(0, 0))] += 1;
    }
    assert_eq!(given, [50, 0, 50, 0]);
    // Weights change at run time.
    shared.set_weight(0, 0);
    shared.set_weight(3, 2);
    let mut given = [0; 4];
    for _ in 0..99 {
        given[usize::from(bench.server(0, 0))] += 1;
    }
    assert_eq!(given, [0, 0, 33, 66]);
    shared.open_server(2, false);
    shared.open_server(3, false);
    assert_eq!(bench.pick(0, &wish(0)), Pick::Nobody);
}

#[test]
fn a_retry_goes_to_who_was_not_tried() {
    for balance in [Balance::RoundRobin, Balance::LeastConn, Balance::Source] {
        let config = config(balance, &plain(&WEIGHTS));
        let shared = Box::new(Shared::new());
        let mut bench = Bench::new(&config, &shared, 1);
        let mut wish = wish(77);
        let mut seen = Vec::new();
        for _ in 0..3 {
            let Pick::Server(server) = bench.pick(0, &wish) else {
                panic!("{balance:?}");
            };
            assert!(!seen.contains(&server), "{balance:?}");
            seen.push(server);
            wish.tried |= bit(config.services[0].servers, server);
        }
        assert_eq!(bench.pick(0, &wish), Pick::Tried, "{balance:?}");
    }
}

#[test]
fn a_backup_serves_only_when_nobody_else_is_up_and_only_the_first() {
    let servers = [(1, 0, true), (1, 0, false), (1, 0, true)];
    let config = config(Balance::RoundRobin, &servers);
    let shared = Box::new(Shared::new());
    let mut bench = Bench::new(&config, &shared, 1);
    assert_eq!((0..9).map(|_| bench.server(0, 0)).max(), Some(1));
    shared.open_server(1, false);
    assert_eq!(
        (0..9).map(|_| bench.server(0, 0)).collect::<Vec<_>>(),
        [0; 9]
    );
    // One that was tried is followed by the next.
    let second = Wish {
        tried: 1,
        ..wish(0)
    };
    assert_eq!(bench.pick(0, &second), Pick::Server(2));
    shared.open_server(0, false);
    assert_eq!(bench.server(0, 0), 2);
    shared.open_server(1, true);
    assert_eq!(bench.server(0, 0), 1);
}

#[test]
fn a_full_server_is_skipped_over_all_workers() {
    let config = config(Balance::RoundRobin, &[(1, 3, false), (1, 2, false)]);
    let shared = Box::new(Shared::new());
    let mut bench = Bench::new(&config, &shared, 2);
    let mut given = [0; 2];
    for session in 0..5 {
        assert!(bench.field.has_room(0));
        given[usize::from(bench.server(session % 2, 0))] += 1;
    }
    assert_eq!(given, [3, 2]);
    assert!(!bench.field.has_room(0));
    assert_eq!(bench.pick(1, &wish(0)), Pick::Full);
    shared.row(0).count_server(0, false);
    assert!(bench.field.has_room(0));
    assert_eq!(bench.pick(1, &wish(0)), Pick::Server(0));
}

#[test]
fn the_fewest_sessions_for_the_weight() {
    let config = config(Balance::LeastConn, &plain(&[4, 1, 2]));
    let shared = Box::new(Shared::new());
    let mut bench = Bench::new(&config, &shared, 2);
    let mut given = [0; 3];
    for session in 0..70 {
        given[usize::from(bench.server(session % 2, 0))] += 1;
    }
    assert_eq!(given, [40, 10, 20]);
    for _ in 0..20 {
        shared.row(0).count_server(0, false);
    }
    let next: Vec<u8> = (0..20).map(|_| bench.server(0, 0)).collect();
    assert_eq!(next, [0; 20]);
}

#[test]
fn a_server_that_goes_takes_only_its_own_clients_along() {
    let config = config(Balance::Source, &plain(&[1, 1, 2, 0]));
    let shared = Box::new(Shared::new());
    let mut bench = Bench::new(&config, &shared, 2);
    let key = |client: u32| client_key(IpAddr::V4(Ipv4Addr::from(0x0a01_0000 + client)));
    let before: Vec<u8> = (0..4000).map(|n| bench.server(0, key(n))).collect();
    let share = |server| before.iter().filter(|s| **s == server).count();
    assert!(share(0).abs_diff(1000) < 120, "{}", share(0));
    assert!(share(1).abs_diff(1000) < 120, "{}", share(1));
    assert!(share(2).abs_diff(2000) < 160, "{}", share(2));
    shared.open_server(1, false);
    for (n, before) in (0..4000).zip(&before) {
        let now = bench.server(1, key(n));
        assert!(now == *before || *before == 1, "client {n}");
        assert_ne!(now, 1);
    }
    shared.open_server(1, true);
    // One that comes takes a share of everybody's.
    shared.set_weight(3, 4);
    for (n, before) in (0..4000).zip(&before) {
        let now = bench.server(1, key(n));
        assert!(now == *before || now == 3, "client {n}");
    }
}

#[test]
fn who_had_a_server_before_gets_it_if_it_may() {
    let config = config(Balance::RoundRobin, &plain(&[1, 1, 1]));
    let shared = Box::new(Shared::new());
    let mut bench = Bench::new(&config, &shared, 1);
    let wish = Wish {
        prefer: Some(2),
        ..wish(0)
    };
    assert_eq!(bench.pick(0, &wish), Pick::Server(2));
    shared.open_server(2, false);
    assert_eq!(bench.pick(0, &wish), Pick::Server(0));
}

#[test]
fn logarithms() {
    for (number, expected) in [(u32::MAX, 0.0), (1 << 31, 1.0), (1 << 30, 2.0), (1, 32.0)] {
        let off = f64::from(rareness(number)) / 65536.0 - expected;
        assert!(off.abs() < 0.001, "{number}");
    }
    let mut seed = 5;
    for _ in 0..1000 {
        let number = chance(&mut seed) | 1;
        let exact = 32.0 - f64::from(number).log2();
        let off = f64::from(rareness(number)) / 65536.0 - exact;
        assert!(off.abs() < 0.0001, "{number}");
    }
}
