//! A client: it asks an address for an echo every millisecond and says how long
//! nobody answered.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::machine::Machine;
use super::sys;

/// The time between two echo requests.
pub const EVERY: Duration = Duration::from_millis(1);

const MAGIC: [u8; 4] = *b"lab!";

/// A running client; it stops when dropped.
pub struct Client {
    echoes: Arc<Mutex<Vec<Echo>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// One request.
#[derive(Clone, Copy)]
struct Echo {
    asked: Instant,
    answered: bool,
}

/// A time in which nobody answered.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// When the last request before it was sent that got an answer.
    pub from: Instant,
    /// From there to the first request after it that got one.
    pub length: Duration,
}

impl Client {
    /// Starts asking from a machine; the kernel there chooses the way.
    pub fn start(machine: &Machine, target: IpAddr) -> io::Result<Client> {
        let socket = machine.run(move || {
            let (domain, protocol) = match target {
                IpAddr::V4(_) => (sys::AF_INET, 1),
                IpAddr::V6(_) => (sys::AF_INET6, 58),
            };
            let socket = sys::open_socket(domain, sys::SOCK_RAW, protocol)?;
            sys::set_receive_timeout(&socket, Duration::from_millis(100))?;
            sys::set_receive_buffer(&socket, 1 << 20)?;
            Ok::<_, io::Error>(socket)
        })?;
        let echoes = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let socket = Arc::new(socket);
        let threads = [ask, hear]
            .map(|work| {
                let (socket, echoes, stop) = (socket.clone(), echoes.clone(), stop.clone());
                std::thread::spawn(move || work(&socket, target, &echoes, &stop))
            })
            .into();
        Ok(Client {
            echoes,
            stop,
            threads,
        })
    }

    /// The longest gap that began at or after a moment. A gap that still lasts
    /// counts with what it lasted until now.
    pub fn longest_gap(&self, since: Instant) -> Gap {
        let echoes = self.echoes.lock().expect("no panic in the client");
        let mut longest = Gap {
            from: since,
            length: Duration::ZERO,
        };
        let mut last = None;
        // An answer may still be on its way for the newest.
        let settled = Instant::now() - Duration::from_millis(20);
        for echo in echoes.iter().filter(|e| e.answered || e.asked > settled) {
            if let Some(from) = last
                && echo.asked >= since
                && echo.asked - from > longest.length
            {
                longest = Gap {
                    from,
                    length: echo.asked - from,
                };
            }
            last = Some(echo.asked);
        }
        longest
    }

    /// Whether requests of the last moments were answered.
    pub fn is_answered(&self) -> bool {
        let echoes = self.echoes.lock().expect("no panic in the client");
        echoes.iter().rev().take(50).any(|e| e.answered)
    }

    /// The number of requests since a moment, and of those without an answer.
    pub fn lost(&self, since: Instant) -> (usize, usize) {
        let echoes = self.echoes.lock().expect("no panic in the client");
        let settled = Instant::now() - Duration::from_millis(20);
        let asked = echoes
            .iter()
            .filter(|e| e.asked >= since && e.asked <= settled);
        (asked.clone().count(), asked.filter(|e| !e.answered).count())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Sends a request whenever one is due. Sending sleeps on a timer of its own,
/// because a receive with a time limit is only as fine as the kernel's tick.
fn ask(socket: &OwnedFd, target: IpAddr, echoes: &Mutex<Vec<Echo>>, stop: &AtomicBool) {
    let address = match target {
        IpAddr::V4(v4) => {
            let mut address = vec![0; 16];
            address[..2].copy_from_slice(&(sys::AF_INET as u16).to_ne_bytes());
            address[4..8].copy_from_slice(&v4.octets());
            address
        }
        IpAddr::V6(v6) => {
            let mut address = vec![0; 28];
            address[..2].copy_from_slice(&(sys::AF_INET6 as u16).to_ne_bytes());
            address[8..24].copy_from_slice(&v6.octets());
            address
        }
    };
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        // A late loop does not catch up: the machine was busy, not the network.
        due = if now > due + 4 * EVERY { now } else { due } + EVERY;
        let number = {
            let mut echoes = echoes.lock().expect("no panic in the lab");
            echoes.push(Echo {
                asked: now,
                answered: false,
            });
            echoes.len() - 1
        };
        // A refusal to send counts as an unanswered request.
        let _ = sys::send_to(socket, &request(target.is_ipv6(), number as u32), &address);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// Marks the requests that answers come in for.
fn hear(socket: &OwnedFd, target: IpAddr, echoes: &Mutex<Vec<Echo>>, stop: &AtomicBool) {
    let (reply, header) = if target.is_ipv4() { (0, 20) } else { (129, 0) };
    let mut data = [0; 256];
    let mut from = [0; 20];
    while !stop.load(Ordering::Relaxed) {
        let Ok(length) = sys::receive_from(socket, &mut data, &mut from) else {
            continue;
        };
        let packet = data.get(header..length).unwrap_or_default();
        if packet.len() >= 16 && packet[0] == reply && packet[8..12] == MAGIC {
            let number = u32::from_be_bytes([packet[12], packet[13], packet[14], packet[15]]);
            let mut echoes = echoes.lock().expect("no panic in the lab");
            if let Some(echo) = echoes.get_mut(number as usize) {
                echo.answered = true;
            }
        }
    }
}

/// An echo request; the kernel adds the checksum for ICMPv6 itself.
fn request(ipv6: bool, number: u32) -> [u8; 16] {
    let mut packet = [0; 16];
    packet[0] = if ipv6 { 128 } else { 8 };
    packet[4..6].copy_from_slice(&0x5a5au16.to_be_bytes());
    packet[6..8].copy_from_slice(&(number as u16).to_be_bytes());
    packet[8..12].copy_from_slice(&MAGIC);
    packet[12..16].copy_from_slice(&number.to_be_bytes());
    if !ipv6 {
        let sum = super::advert::checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}
