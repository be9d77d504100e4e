//! Whether the keeper keeps time while its workers use all there is of the
//! machine: adverts every 10 ms, and bulk through two workers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::contender::{Contender, Kind};
use super::load::{self, Way};
use super::server;
use super::table::{Row, Target};
use super::yard::Yard;
use crate::harness::sys;

/// Milliseconds.
const INTERVAL: f64 = 10.0;
/// Adverts go to the client, so that they are seen where the load is.
const ROUTER: &str = "[vrrp LATE]\ninterface = clients\nvirtual_router_id = 9\nversion = 3\n\
    advert_int = 10ms\npriority = 255\naddress = 10.77.1.9\n\
    unicast_src_ip = 10.77.1.1\nunicast_peer = 10.77.1.2\n";

/// Two rows: at rest and under load.
pub fn measure(yard: &mut Yard, folder: &Path, room: usize, length: Duration) -> Vec<Row> {
    let kind = Kind::Smena(2);
    let contender = Contender::start_router(ROUTER, &yard.network, folder, room);
    let address = contender.address(server::SOURCE);
    // It has become master and is at rest.
    std::thread::sleep(Duration::from_secs(1));
    let target = match sys::is_permitted_real_time() {
        true => Target::Median(3.0),
        false => Target::None,
    };
    let mut rest = Row::new(
        "99.9 % of adverts at 10 ms late by, at rest",
        "ms",
        Target::None,
    );
    let mut busy = Row::new("  the same under full bulk", "ms", target).of(kind);
    for (row, streams) in [(&mut rest, 0), (&mut busy, 16)] {
        let late = yard.network.client.run(move || {
            let over = Arc::new(AtomicBool::new(false));
            let told = over.clone();
            let seen = std::thread::spawn(move || listen(&told));
            let carried = match streams {
                0 => Ok(std::thread::sleep(length)),
                _ => load::bulk(address, length, streams, Way::Down, None).map(drop),
            };
            over.store(true, Ordering::Relaxed);
            carried.expect("bulk is carried");
            seen.join().expect("no panic in it")
        });
        row.add(kind, 0, late);
    }
    vec![rest, busy]
}

/// How late 999 of 1,000 adverts are at most, each since the one before it.
fn listen(over: &AtomicBool) -> f64 {
    const VRRP: i32 = 112;
    let socket = sys::open_socket(sys::AF_INET, sys::SOCK_RAW, VRRP).expect("a raw socket");
    sys::set_receive_timeout(&socket, Duration::from_millis(100)).expect("own socket");
    // When it came counts, and not when this thread got its turn.
    let _ = sys::run_first();
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        if sys::receive_from(&socket, &mut [0; 2048], &mut [0; 20]).is_ok() {
            times.push(Instant::now());
        }
    }
    assert!(times.len() > 50, "only {} adverts came", times.len());
    let gaps = times
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1000.0);
    let mut late: Vec<f64> = gaps.map(|gap| (gap - INTERVAL).max(0.0)).collect();
    late.sort_by(f64::total_cmp);
    late[(late.len() * 999).div_ceil(1000).max(1) - 1]
}
