//! What a flood costs: 50,000 packets a second of protocol 112 that are for
//! nobody, from a box that has nothing to do with the pair.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::cost::busy;
use super::table::{Figures, Table, Target};
use super::work::{BOTH, Pair, Program, VIP, Work};
use crate::harness::advert::Forged;

/// Packets a second.
const RATE: u32 = 50_000;
/// Milliseconds of processor time a second: a tenth of a core.
const TARGET: f64 = 100.0;
/// The pair's own interval in milliseconds, and how late an advert may be.
const INTERVAL: u64 = 100;
const LATE: f64 = 5.0;

/// One kind of flood after the other, both programs in turn.
pub fn measure(table: &mut Table, length: Duration) {
    let vip = Ipv4Addr::new(10, 0, 0, 50);
    let base = Forged {
        version: 3,
        interval: INTERVAL as u16 / 10,
        ..Forged::version_2(Ipv4Addr::new(10, 0, 0, 9), 1, 254, vip)
    };
    let foreign = Forged {
        router: 99,
        ..base.clone()
    };
    let routed = Forged {
        ttl: 254,
        ..base.clone()
    };
    let broken = Forged {
        checksum_error: 1,
        ..base
    };
    for (name, flood) in [
        ("foreign id", foreign),
        ("TTL 254", routed),
        ("wrong checksum, own id", broken),
    ] {
        let [ours, peer] = BOTH.map(|program| look(program, &flood, length));
        let rows = [
            ("processor", "ms/s", TARGET),
            ("latest advert at 100 ms", "ms", LATE),
            ("changes of the address's owner", "", 0.0),
        ];
        for (index, (what, unit, target)) in rows.into_iter().enumerate() {
            let what = format!("{what} under 50,000 packets/s, {name}");
            let [ours, peer] = [ours, peer].map(|figures| Figures::from(figures[index]));
            table.add(&what, unit, &ours, &peer, Target::Every(target));
        }
    }
}

/// The processor time of the busier node in milliseconds a second, how late the
/// latest advert was, and how often the address came or went.
fn look(program: Program, flood: &Forged, length: Duration) -> [f64; 3] {
    let mut pair = Pair::start(program, Work::simple(3, INTERVAL));
    let machine = pair.lab.client_machine();
    let before = busy(&pair.keeper_a, &pair.keeper_b);
    let from = Instant::now();
    let sent = flood
        .paced(machine, "eth0", RATE, length)
        .expect("a packet socket");
    let spent = from.elapsed();
    let after = busy(&pair.keeper_a, &pair.keeper_b);
    let rate = sent as f64 / spent.as_secs_f64();
    assert!(
        rate > 0.9 * f64::from(RATE),
        "{rate} packets/s are no flood"
    );
    let cost = |node: usize| (after[node] - before[node]) / spent.as_secs_f64() * 1000.0;
    let adverts = pair.lab.capture.adverts_of("a");
    let times: Vec<Instant> = adverts.iter().map(|(at, _)| *at).collect();
    let since = times.windows(2).filter(|pair| pair[0] >= from);
    let apart = since.map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1000.0);
    let latest = apart.fold(0.0, f64::max) - INTERVAL as f64;
    let changes = pair.lab.watch.changes(VIP, from).len();
    [cost(0).max(cost(1)), latest.max(0.0), changes as f64]
}
