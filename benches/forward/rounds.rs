//! What is measured round by round: short connections, questions, bulk, bulk
//! with questions beside it, and datagrams.

use std::net::SocketAddrV4;
use std::time::Duration;

use super::contender::Kind;
use super::load::{self, Way};
use super::table::{Row, Target};
use super::yard::Yard;
use super::{datagrams, server};

/// Connections at a time: enough to keep a forwarder busy.
const SLOTS: usize = 64;
/// Questions a second without and with bulk beside them.
const RATE: f64 = 8000.0;
const RATE_BESIDE: f64 = 2000.0;
/// Gbit/s that are carried beside the questions: what one thread of each
/// contender can carry, so that nobody waits for the generator.
const BESIDE: f64 = 5.0;

/// Each contender in turn, once a round.
fn interleave(yard: &mut Yard, rounds: usize, mut measure: impl FnMut(&mut Yard, usize, usize)) {
    for round in 0..rounds {
        for index in 0..yard.contenders.len() {
            measure(yard, round, index);
        }
    }
}

fn place(yard: &Yard, index: usize, port: u16) -> (Kind, SocketAddrV4) {
    let contender = &yard.contenders[index];
    (contender.kind, contender.address(port))
}

/// Connections that ask once.
pub fn short(yard: &mut Yard, rounds: usize, length: Duration) -> Vec<Row> {
    let mut rate = Row::new("short connections", "1/s", Target::AtLeast(1.05));
    let mut cost = Row::new("forwarder a short connection", "us", Target::AtMost(0.92));
    let mut all = Row::new("all processes a short connection", "us", Target::None);
    let mut failed = Row::new("failed of the short connections", "n", Target::Every(0.0));
    interleave(yard, rounds, |yard, round, index| {
        let (kind, address) = place(yard, index, server::ECHO);
        let (outcome, spent) = yard.observe(index, move || load::short(address, length, SLOTS));
        let outcome = outcome.unwrap_or_else(|e| panic!("{}: {e}", kind.name()));
        let each = |seconds: f64| seconds * 1e6 / (outcome.done + outcome.failed).max(1) as f64;
        rate.add(kind, round, outcome.rate);
        cost.add(kind, round, each(spent.forwarder));
        all.add(kind, round, each(spent.all));
        failed.add(kind, round, outcome.failed as f64);
    });
    vec![rate, cost, all, failed]
}

/// Questions on connections that stay.
pub fn questions(yard: &mut Yard, rounds: usize, length: Duration) -> Vec<Row> {
    let mut half = Row::new("answer at 8,000/s, p50", "us", Target::None);
    let mut last = Row::new("answer at 8,000/s, p99", "us", Target::None);
    let mut cost = Row::new("forwarder an answer", "us", Target::None);
    interleave(yard, rounds, |yard, round, index| {
        let (kind, address) = place(yard, index, server::ECHO);
        let (outcome, spent) =
            yard.observe(index, move || load::questions(address, length, SLOTS, RATE));
        let mut outcome = outcome.unwrap_or_else(|e| panic!("{}: {e}", kind.name()));
        half.add(kind, round, outcome.times.percentile(50.0));
        last.add(kind, round, outcome.times.percentile(99.0));
        cost.add(
            kind,
            round,
            spent.forwarder * 1e6 / outcome.done.max(1) as f64,
        );
    });
    vec![half, last, cost]
}

/// Streams that carry as much as goes.
pub fn bulk(yard: &mut Yard, rounds: usize, length: Duration) -> Vec<Row> {
    let two = (Kind::Smena(2), Kind::Haproxy(2, false));
    let mut rows = Vec::new();
    for (streams, way, name) in SETTINGS {
        let [rate, cost, all] = carry(yard, rounds, length, (streams, way), name, (2.0, 0.30));
        let faster = rate.beside(two.0, two.1, Target::AtLeast(2.0));
        let cheaper = cost.beside(two.0, two.1, Target::AtMost(0.25));
        rows.extend([rate, faster, cost, cheaper, all]);
    }
    rows
}

/// The same with packets as a network card hands them over.
pub fn mtu(yard: &mut Yard, rounds: usize, length: Duration) -> Vec<Row> {
    let mut rows = Vec::new();
    for (streams, way, name) in SETTINGS {
        let name = format!("MTU-sized, {name}");
        let [rate, cost, all] = carry(yard, rounds, length, (streams, way), &name, (0.0, 0.40));
        // One stream is as fast as its generator.
        rows.extend([rate.hold(Target::None), cost, all]);
    }
    rows
}

const SETTINGS: [(usize, Way, &str); 4] = [
    (1, Way::Up, "bulk, 1 stream up"),
    (1, Way::Down, "bulk, 1 stream down"),
    (16, Way::Up, "bulk, 16 streams up"),
    (16, Way::Down, "bulk, 16 streams down"),
];

fn carry(
    yard: &mut Yard,
    rounds: usize,
    length: Duration,
    (streams, way): (usize, Way),
    name: &str,
    (faster, cheaper): (f64, f64),
) -> [Row; 3] {
    let mut rate = Row::new(name, "Gbit/s", Target::AtLeast(faster));
    let mut cost = Row::new("  forwarder", "s/GB", Target::AtMost(cheaper));
    let mut all = Row::new("  all processes", "s/GB", Target::None);
    let port = match way {
        Way::Up => server::SINK,
        Way::Down => server::SOURCE,
    };
    interleave(yard, rounds, |yard, round, index| {
        let (kind, address) = place(yard, index, port);
        let (outcome, spent) = yard.observe(index, move || {
            load::bulk(address, length, streams, way, None)
        });
        let outcome = outcome.unwrap_or_else(|e| panic!("{}: {e}", kind.name()));
        let each = |seconds: f64| seconds / (outcome.bytes.max(1) as f64 / 1e9);
        rate.add(kind, round, outcome.rate);
        cost.add(kind, round, each(spent.forwarder));
        all.add(kind, round, each(spent.all));
    });
    [rate, cost, all]
}

/// Questions while 16 streams carry bulk through the same forwarder.
pub fn beside(yard: &mut Yard, rounds: usize, length: Duration) -> Vec<Row> {
    let mut half = Row::new("answer beside 5 Gbit/s, p50", "us", Target::None);
    let mut last = Row::new("answer beside 5 Gbit/s, p99", "us", Target::AtMost(0.6));
    let mut share = Row::new("forwarder in that", "cores", Target::None);
    interleave(yard, rounds, |yard, round, index| {
        let (kind, asked) = place(yard, index, server::ECHO);
        let (_, source) = place(yard, index, server::SOURCE);
        let (outcome, spent) = yard.observe(index, move || {
            let whole = length + Duration::from_millis(600);
            let bulk =
                std::thread::spawn(move || load::bulk(source, whole, 16, Way::Down, Some(BESIDE)));
            std::thread::sleep(Duration::from_millis(300));
            let answers = load::questions(asked, length, SLOTS, RATE_BESIDE);
            let bulk = bulk.join().expect("no panic in it");
            answers.and_then(|answers| bulk.map(|_| answers))
        });
        let mut outcome = outcome.unwrap_or_else(|e| panic!("{}: {e}", kind.name()));
        half.add(kind, round, outcome.times.percentile(50.0));
        last.add(kind, round, outcome.times.percentile(99.0));
        share.add(kind, round, spent.forwarder / (length.as_secs_f64() + 0.6));
    });
    vec![half, last, share]
}

/// Datagrams, there and back.
pub fn datagrams(yard: &mut Yard, rounds: usize, length: Duration) -> Vec<Row> {
    let one = |what, unit, target| Row::new(what, unit, target).to(Kind::Nginx(1));
    let mut rate = one(
        "datagrams of 200 bytes, there and back",
        "1/s",
        Target::AtLeast(1.0),
    );
    let mut cost = one(
        "forwarder a datagram, there and back",
        "us",
        Target::AtMost(1.0),
    );
    interleave(yard, rounds, |yard, round, index| {
        let (kind, address) = place(yard, index, server::ECHO);
        if !kind.has_datagrams() {
            return;
        }
        let (outcome, spent) = yard.observe(index, move || datagrams::flood(address, length));
        let outcome = outcome.unwrap_or_else(|e| panic!("{}: {e}", kind.name()));
        rate.add(kind, round, outcome.rate);
        cost.add(
            kind,
            round,
            spent.forwarder * 1e6 / outcome.done.max(1) as f64,
        );
    });
    let two = rate.beside(Kind::Smena(2), Kind::Nginx(2), Target::AtLeast(1.0));
    vec![rate, two, cost]
}
