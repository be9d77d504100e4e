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

/// An answer that comes later than this waited in the client's own queue for the
/// address to be found.
const LATE: Duration = Duration::from_millis(50);

const MAGIC: [u8; 4] = *b"lab!";

/// A running client; it stops when dropped.
pub struct Client {
    record: Arc<Mutex<Record>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What was asked, and when answers came, whatever request they belong to.
#[derive(Default)]
struct Record {
    echoes: Vec<Echo>,
    answers: Vec<Instant>,
}

struct Echo {
    asked: Instant,
    answered: Option<Instant>,
}

impl Echo {
    /// Whether nobody had the address when this was asked, as seen now.
    fn is_lost(&self, now: Instant) -> bool {
        match self.answered {
            Some(at) => at - self.asked > LATE,
            // It may be on its way.
            None => now - self.asked > 5 * EVERY,
        }
    }
}

/// A time in which nobody answered.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// When the last answer before it came.
    pub from: Instant,
    /// From there to the next answer, or until now.
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
        let record = Arc::new(Mutex::new(Record::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let socket = Arc::new(socket);
        let threads = [ask, hear]
            .map(|work| {
                let (socket, record, stop) = (socket.clone(), record.clone(), stop.clone());
                std::thread::spawn(move || {
                    // It measures the boxes, not its own waiting for a processor.
                    let _ = sys::run_first();
                    work(&socket, target, &record, &stop);
                })
            })
            .into();
        Ok(Client {
            record,
            stop,
            threads,
        })
    }

    /// The longest gap that ended after a moment, or still lasts: from answer to
    /// answer, where a request in between got none. A time without an answer in
    /// which none was missing is only the client's own sleep.
    pub fn longest_gap(&self, since: Instant) -> Gap {
        let record = self.record.lock().expect("no panic in the client");
        let now = Instant::now();
        let lost = record.echoes.iter().filter(|echo| echo.is_lost(now));
        let gaps = lost.filter_map(|echo| {
            let next = record.answers.partition_point(|at| *at <= echo.asked);
            let from = *record.answers.get(next.checked_sub(1)?)?;
            let to = record.answers.get(next).copied().unwrap_or(now);
            (to >= since).then(|| Gap {
                from,
                length: to - from,
            })
        });
        gaps.max_by_key(|gap| gap.length).unwrap_or(Gap {
            from: since,
            length: Duration::ZERO,
        })
    }

    /// Whether an answer came in the last moments.
    pub fn is_answered(&self) -> bool {
        let record = self.record.lock().expect("no panic in the client");
        record.answers.last().is_some_and(|at| at.elapsed() < LATE)
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
fn ask(socket: &OwnedFd, target: IpAddr, record: &Mutex<Record>, stop: &AtomicBool) {
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
            let mut record = record.lock().expect("no panic in the lab");
            record.echoes.push(Echo {
                asked: now,
                answered: None,
            });
            record.echoes.len() - 1
        };
        // A refusal to send is as good as a request without an answer.
        let _ = sys::send_to(socket, &request(target.is_ipv6(), number as u32), &address);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// Notes when answers come in.
fn hear(socket: &OwnedFd, target: IpAddr, record: &Mutex<Record>, stop: &AtomicBool) {
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
            let now = Instant::now();
            let mut record = record.lock().expect("no panic in the lab");
            record.answers.push(now);
            if let Some(echo) = record.echoes.get_mut(number as usize) {
                echo.answered = Some(now);
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
