//! Adverts built by hand, right and wrong ones, sent from any machine.

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::machine::Machine;
use super::sys;

/// An advert over IPv4 before it becomes bytes. Scenarios start from a right
/// one and spoil one field.
#[derive(Clone)]
pub struct Forged {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub ttl: u8,
    pub version: u8,
    pub kind: u8,
    pub router: u8,
    pub priority: u8,
    pub count: u8,
    /// Version 2 only.
    pub auth_type: u8,
    /// Seconds in version 2, hundredths in version 3.
    pub interval: u16,
    pub address: Ipv4Addr,
    /// Added to the right checksum.
    pub checksum_error: u16,
    /// Bytes cut off the end.
    pub cut: usize,
}

impl Forged {
    /// What a version 2 router with this id and priority would send.
    pub fn version_2(source: Ipv4Addr, router: u8, priority: u8, address: Ipv4Addr) -> Forged {
        Forged {
            source,
            destination: Ipv4Addr::new(224, 0, 0, 18),
            ttl: 255,
            version: 2,
            kind: 1,
            router,
            priority,
            count: 1,
            auth_type: 0,
            interval: 1,
            address,
            checksum_error: 0,
            cut: 0,
        }
    }

    /// The IP packet.
    pub fn packet(&self) -> Vec<u8> {
        let [high, low] = self.interval.to_be_bytes();
        let (word, last) = match self.version {
            2 => (self.auth_type, low),
            _ => (high & 15, low),
        };
        let mut pdu = vec![self.version << 4 | self.kind, self.router, self.priority];
        pdu.extend([self.count, word, last, 0, 0]);
        pdu.extend(self.address.octets());
        if self.version == 2 {
            pdu.extend([0; 8]);
        }
        let sum = checksum(&pdu).wrapping_add(self.checksum_error);
        pdu[6..8].copy_from_slice(&sum.to_be_bytes());
        pdu.truncate(pdu.len() - self.cut);

        let mut packet = vec![0x45, 0xc0, 0, 0, 0, 0, 0, 0, self.ttl, 112, 0, 0];
        packet[2..4].copy_from_slice(&(20 + pdu.len() as u16).to_be_bytes());
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(pdu);
        packet
    }

    /// Sends it from a machine's network card, past the kernel's own IP.
    pub fn send(&self, machine: &Machine, card: &str) -> io::Result<()> {
        self.send_until(machine, card, Duration::ZERO).map(drop)
    }

    /// Sends it for a while, as fast as it goes; tells how often that was.
    pub fn flood(&self, machine: &Machine, card: &str, length: Duration) -> io::Result<usize> {
        self.send_until(machine, card, length)
    }

    /// Sends so many a second for a while; tells how many that were.
    pub fn paced(
        &self,
        machine: &Machine,
        card: &str,
        rate: u32,
        length: Duration,
    ) -> io::Result<usize> {
        let from = Instant::now();
        self.send_while(machine, card, move |sent| {
            if sent == 1 {
                // Otherwise whoever watches it would slow it down.
                let _ = sys::run_first();
            }
            let due = from + Duration::from_secs(1) * sent as u32 / rate;
            let ahead = due.saturating_duration_since(Instant::now());
            // In handfuls: a sleep is no shorter than some 60 us.
            if ahead > Duration::from_millis(1) {
                std::thread::sleep(ahead);
            }
            from.elapsed() < length
        })
    }

    fn send_until(&self, machine: &Machine, card: &str, length: Duration) -> io::Result<usize> {
        let until = Instant::now() + length;
        self.send_while(machine, card, move |_| Instant::now() < until)
    }

    /// Sends at least once, and on while `more` says so of the number sent.
    fn send_while(
        &self,
        machine: &Machine,
        card: &str,
        more: impl Fn(usize) -> bool + Send + 'static,
    ) -> io::Result<usize> {
        let mut frame = vec![
            0x01, 0x00, 0x5e, 0, 0, 0x12, 0x02, 0, 0, 0, 0xba, 0xad, 8, 0,
        ];
        frame.extend(self.packet());
        let shown = machine.ip(&format!("-o link show dev {card}"));
        let index = shown
            .split(':')
            .next()
            .and_then(|n| n.trim().parse::<u32>().ok());
        let index = index.ok_or_else(|| io::Error::other(shown.clone()))?;
        machine.run(move || {
            let socket = sys::open_socket(sys::AF_PACKET, sys::SOCK_RAW, 0)?;
            let mut address = [0; 20];
            address[..2].copy_from_slice(&(sys::AF_PACKET as u16).to_ne_bytes());
            address[4..8].copy_from_slice(&index.to_ne_bytes());
            let mut sent = 0;
            loop {
                sys::send_to(&socket, &frame, &address)?;
                sent += 1;
                if !more(sent) {
                    return Ok(sent);
                }
            }
        })
    }
}

/// The internet checksum (RFC 1071).
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|c| u32::from(c[0]) << 8 | u32::from(c.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
