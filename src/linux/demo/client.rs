//! The demo's client: it pings the shared address every millisecond and knows
//! how long it went without an answer.

use core::net::{Ipv4Addr, SocketAddrV4};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recv, sendto,
    socket_with,
};

use smena::{Duration, Instant};

use super::world::need;

/// Between two pings.
const INTERVAL: Duration = Duration::from_millis(1);
/// Pings whose times are remembered: more than any gap of the demo.
const REMEMBERED: usize = 4096;
/// Tells our pings from others'.
const IDENTIFIER: u16 = u16::from_be_bytes(*b"sm");
/// The types of a ping and of its answer (RFC 792).
const ECHO: u8 = 8;
const ECHO_REPLY: u8 = 0;

/// See the module.
pub struct Client {
    socket: OwnedFd,
    target: SocketAddrV4,
    /// The next ping, once there are any.
    next_at: Option<Instant>,
    /// The number of the next ping.
    sequence: u16,
    /// The number of the last ping that was answered.
    answered: Option<u16>,
    sent_at: [Instant; REMEMBERED],
    lost: u32,
    gap: Duration,
}

impl Client {
    /// A client that rests.
    pub fn open(target: Ipv4Addr) -> Client {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let icmp = Some(ipproto::ICMP);
        let socket = socket_with(AddressFamily::INET, SocketType::RAW, flags, icmp);
        Client {
            socket: need(socket, "socket ICMP"),
            target: SocketAddrV4::new(target, 0),
            next_at: None,
            sequence: 0,
            answered: None,
            sent_at: [Instant::ZERO; REMEMBERED],
            lost: 0,
            gap: Duration::ZERO,
        }
    }

    /// The descriptor that answers come in on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Pings from now on.
    pub fn start(&mut self, now: Instant) {
        self.next_at = Some(now);
    }

    /// When the next ping is due.
    pub fn next_at(&self) -> Option<Instant> {
        self.next_at
    }

    /// Forgets what was lost so far.
    pub fn reset(&mut self) {
        self.lost = 0;
        self.gap = Duration::ZERO;
    }

    /// The longest time without an answer, and how many pings were lost in all.
    /// Nothing is lost until a later ping is answered.
    pub fn gap(&self) -> (Duration, u32) {
        (self.gap, self.lost)
    }

    /// Whether the latest pings are answered.
    pub fn is_served(&self, now: Instant) -> bool {
        const PATIENCE: Duration = Duration::from_millis(20);
        self.answered
            .is_some_and(|answered| self.sent_at(answered) + PATIENCE > now)
    }

    /// Takes the answers, and pings when it is time.
    pub fn poll(&mut self, now: Instant) {
        let mut buffer = [0; 128];
        while let Ok((length, _)) = recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            if let Some(sequence) = answer(buffer.get(..length).unwrap_or_default()) {
                self.on_answer(sequence);
            }
        }
        if self.next_at.is_some_and(|at| at <= now) {
            // A late client sends no burst to catch up.
            self.next_at = Some(now + INTERVAL);
            self.ping(now);
        }
    }

    fn ping(&mut self, now: Instant) {
        let sequence = self.sequence;
        self.sent_at[usize::from(sequence) % REMEMBERED] = now;
        self.sequence = sequence.wrapping_add(1);
        let [id, id_low] = IDENTIFIER.to_be_bytes();
        let [number, number_low] = sequence.to_be_bytes();
        let [sum, sum_low] = checksum(sequence).to_be_bytes();
        let packet = [ECHO, 0, sum, sum_low, id, id_low, number, number_low];
        // One that can't be sent is one without an answer.
        let _ = sendto(&self.socket, &packet, SendFlags::DONTWAIT, &self.target);
    }

    fn on_answer(&mut self, sequence: u16) {
        let first_lost = self.answered.map_or(sequence, |last| last.wrapping_add(1));
        let lost = sequence.wrapping_sub(first_lost);
        if lost > u16::MAX / 2 {
            // An answer that was overtaken.
            return;
        }
        if lost > 0 {
            self.lost += u32::from(lost);
            let gap = self.sent_at(sequence) - self.sent_at(first_lost);
            self.gap = self.gap.max(gap);
        }
        self.answered = Some(sequence);
    }

    fn sent_at(&self, sequence: u16) -> Instant {
        self.sent_at[usize::from(sequence) % REMEMBERED]
    }
}

/// The number of the ping that an IP packet answers.
fn answer(packet: &[u8]) -> Option<u16> {
    let header = usize::from(*packet.first()? & 15) * 4;
    match packet.get(header..)? {
        [ECHO_REPLY, 0, _, _, a, b, high, low, ..]
            if u16::from_be_bytes([*a, *b]) == IDENTIFIER =>
        {
            Some(u16::from_be_bytes([*high, *low]))
        }
        _ => None,
    }
}

/// The internet checksum of a ping: of its type, identifier and number.
fn checksum(sequence: u16) -> u16 {
    let words = [u16::from(ECHO) << 8, IDENTIFIER, sequence];
    let sum: u32 = words.map(u32::from).iter().sum();
    !((sum & 0xffff) + (sum >> 16)) as u16
}
