//! Datagrams: an echo behind the contenders, and a client that keeps so many
//! of them on their way that the forwarder has no rest.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use super::sys::{self, Batch, Poller, Ready};

/// Bytes of a datagram: a voice packet, or a small one of a tunnel.
pub const SIZE: usize = 200;
/// Clients: sockets, and so sessions.
const CLIENTS: usize = 64;
/// Datagrams of a client that are on their way.
const WINDOW: usize = 8;

/// Sends back what comes, for ever.
pub fn echo(socket: &OwnedFd) {
    let poller = Poller::new().expect("an epoll set");
    let added = poller.add(socket.as_raw_fd(), sys::IN, 0);
    added.expect("an empty set has room");
    let mut batch = Batch::new(64, SIZE);
    let mut ready = [Ready::default(); 1];
    loop {
        let _ = poller.wait(&mut ready, None);
        while let Ok(count) = batch.receive(socket) {
            // What there is no room for is lost, as datagrams may be.
            let _ = batch.answer(socket, count);
        }
    }
}

/// What came back.
pub struct Echoes {
    /// Of all of the time.
    pub done: u64,
    /// A second.
    pub rate: f64,
}

/// Each client sends as many as came back, so that as many are on their way;
/// what is lost is sent again after a while.
pub fn flood(address: SocketAddrV4, length: Duration) -> io::Result<Echoes> {
    let poller = Poller::new()?;
    let mut clients = Vec::new();
    for key in 0..CLIENTS {
        let socket = sys::datagrams(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
        sys::connect_to(&socket, address)?;
        poller.add(socket.as_raw_fd(), sys::IN, key as u64)?;
        clients.push((socket, Instant::now()));
    }
    let mut batch = Batch::new(WINDOW, SIZE);
    for (socket, _) in &clients {
        batch.send(socket, WINDOW)?;
    }
    let mut ready = [Ready::default(); CLIENTS];
    let patience = Duration::from_millis(50);
    let from = Instant::now();
    let mut done = 0;
    while from.elapsed() < length {
        let told = poller.wait(&mut ready, Some(Duration::from_millis(10)))?;
        for told in told {
            let (socket, heard) = &mut clients[told.key as usize];
            // A refusal is told here too, and means the same: send again.
            let Ok(count) = batch.receive(socket) else {
                continue;
            };
            done += count as u64;
            *heard = Instant::now();
            let _ = batch.send(socket, count);
        }
        for (socket, heard) in &mut clients {
            if heard.elapsed() > patience {
                *heard = Instant::now();
                let _ = batch.send(socket, WINDOW);
            }
        }
    }
    Ok(Echoes {
        done,
        rate: done as f64 / from.elapsed().as_secs_f64(),
    })
}
