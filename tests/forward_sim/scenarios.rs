//! Worlds that no seed would make.

use crate::clock::{MS, SECOND};
use crate::plan::{Client, Flow, Plan, Server, Service, Style, client_address};
use crate::world::{Options, of_plan};

fn server() -> Server {
    Server {
        weight: 1,
        maxconn: 0,
        backup: false,
        proxy: false,
    }
}

/// A service with two servers and nothing else.
fn service(udp: bool) -> Service {
    Service {
        udp,
        servers: vec![server(), server()],
        balance: "roundrobin",
        stick: "none",
        checked: false,
        maxconn: 0,
        retries: 0,
        connect: SECOND,
        idle: 4 * SECOND,
        cut: false,
    }
}

/// One worker in good weather.
fn plan(services: Vec<Service>, descriptors: u64) -> Plan {
    Plan {
        workers: 1,
        services,
        descriptors,
        clients: Vec::new(),
        flows: Vec::new(),
        storm: 0,
        farewell: None,
        latency: 50,
    }
}

/// Flows of a service that each say one thing, one after the other.
fn flows(service: usize, count: usize) -> Vec<Flow> {
    let flow = |number| Flow {
        service,
        at: 200 * number as u64,
        pause: SECOND,
        count: 1,
    };
    (0..count).map(flow).collect()
}

/// More clients of datagrams at once than a worker has room for, however many
/// descriptors it has: those that are idle for the longest time make room.
#[test]
fn a_full_table_of_datagrams_lets_the_longest_idle_go() {
    const MORE: usize = 100;
    let mut plan = plan(vec![service(true)], 100_000);
    plan.flows = flows(0, smena::board::DATAGRAM_SESSIONS_MAX + MORE);
    let ending = of_plan(1, plan, Options::default());
    assert!(ending.violation.is_none(), "{:?}", ending.violation);
    let [_, _, evictions, ..] = ending.seen;
    assert_eq!(evictions, MORE as u64);
}

/// Seed 728 found it: sessions of datagrams, of which a client can begin as many
/// as it likes, took every descriptor, and a stream that was taken in found none
/// for its server until they were idle for too long.
#[test]
fn datagrams_leave_descriptors_to_streams() {
    const CLIENTS: usize = 12;
    let mut plan = plan(vec![service(true), service(false)], 64);
    plan.flows = flows(0, 100);
    let client = |number| Client {
        service: 1,
        address: client_address(number),
        at: 30 * MS + 10 * MS * number as u64,
        style: Style::HalfClose,
        says: 5_000,
        hears: 5_000,
    };
    plan.clients = (0..CLIENTS).map(client).collect();
    let ending = of_plan(1, plan, Options::default());
    assert!(ending.violation.is_none(), "{:?}", ending.violation);
    let [_, _, evictions, _, served] = ending.seen;
    assert_eq!(served, CLIENTS as u64);
    assert!(evictions > 0, "there were enough of them");
}

/// Seed 37 found it: a look at the server's first record took the news that it
/// had reset the connection, and its client heard an orderly end.
#[test]
fn a_reset_of_the_server_is_no_end() {
    let tls = Service {
        stick: "tls-session-id",
        ..service(false)
    };
    let mut plan = plan(vec![tls, service(false)], 1024);
    let client = |number| Client {
        service: number % 2,
        address: client_address(number),
        at: MS * number as u64,
        style: Style::ServerResets(1 + number * 20),
        // More than comes at once, so that the server says nothing before.
        says: 300_000,
        hears: 900,
    };
    plan.clients = (0..100).map(client).collect();
    let ending = of_plan(1, plan, Options::default());
    assert!(ending.violation.is_none(), "{:?}", ending.violation);
}
