//! Where clients come in: as many as the last turn promised, and none while
//! there is no room for another one.

use core::mem::replace;
use core::net::SocketAddr;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use smena::say::{Level, Number};
use smena::{Duration, Instant};

use super::super::failure::log_refusal;
use super::{LISTENERS, Worker};

/// Clients that one turn takes in at a listener.
const ACCEPTS_MAX: u8 = 32;
/// How often a lack of room is told.
const TELL: Duration = Duration::from_secs(60);

/// A listener.
pub struct Entry {
    /// Its service.
    pub service: u8,
    /// And not a datagram one.
    pub tcp: bool,
    /// In epoll.
    watched: bool,
    /// Clients that the next turn takes in.
    burst: u8,
    /// The turn in which that many came.
    turn: u32,
}

impl Entry {
    /// One that is not watched yet.
    pub fn new(service: u8, tcp: bool) -> Entry {
        Entry {
            service,
            tcp,
            watched: false,
            burst: 1,
            turn: 0,
        }
    }
}

impl Worker<'_> {
    /// Takes clients in, as many as in the turn before and once more that many.
    pub fn accept(&mut self, number: usize, now: Instant) {
        let (Some(entry), Some(listener)) = (
            self.entries.get_mut(number),
            self.doors.listeners.get(number),
        ) else {
            return;
        };
        let (service, burst) = (entry.service, entry.burst);
        for taken in 0..burst {
            let Some(id) = self.sessions.begin(service) else {
                self.keep_out(number, now);
                return;
            };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match acceptfrom_with(listener, flags) {
                Ok((socket, peer)) => {
                    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                    self.open(id, number as u8, socket, peer);
                }
                Err(errno) => {
                    self.sessions.cancel(id);
                    self.end_burst(number, taken, errno, now);
                    return;
                }
            }
        }
        // More only when they wait in turn after turn: asking for one that is
        // not there costs a call.
        let entry = &mut self.entries[number];
        if self.turns.wrapping_sub(entry.turn) <= 1 {
            entry.burst = burst.saturating_mul(2).min(ACCEPTS_MAX);
        }
        entry.turn = self.turns;
    }

    /// No further client came, or none could be taken in.
    fn end_burst(&mut self, number: usize, taken: u8, errno: Errno, now: Instant) {
        self.entries[number].burst = taken.max(1);
        match errno {
            Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => {
                self.keep_out(number, now);
                if self.told_at.is_none_or(|at| now >= at + TELL) {
                    self.told_at = Some(now);
                    let sessions = Number(self.sessions.used().into());
                    let what = format_args!("no room for a client beside {sessions} sessions");
                    log_refusal(Level::Warn, what, errno);
                }
            }
            // It does not listen at present: the keeper will say when it does.
            Errno::INVAL => self.keep_out(number, now),
            // The client gave up before it was taken in, or nobody was there.
            _ => {}
        }
    }

    /// Takes a listener out of epoll: its clients wait in its queue.
    #[cold]
    #[inline(never)]
    fn keep_out(&mut self, number: usize, now: Instant) {
        if replace(&mut self.entries[number].watched, false) {
            let _ = epoll::delete(self.epoll, self.doors.listeners[number]);
        }
        self.parked_at = Some(now);
    }

    /// Puts listeners back into epoll for which there is room again.
    #[inline(never)]
    pub fn let_in(&mut self, now: Instant) {
        self.parked_at = None;
        for number in 0..self.entries.len() {
            let entry = &mut self.entries[number];
            if entry.watched || !entry.tcp {
                continue;
            }
            let service = entry.service;
            if !self.shared.service_is_open(service) {
                // The keeper will wake us.
                continue;
            }
            match self.sessions.begin(service) {
                Some(id) => self.sessions.cancel(id),
                None => {
                    self.parked_at = Some(now);
                    continue;
                }
            }
            let token = EventData::new_u64(LISTENERS + number as u64);
            let listener = self.doors.listeners[number];
            let added = epoll::add(self.epoll, listener, token, EventFlags::IN);
            self.entries[number].watched = added.is_ok();
            if added.is_err() {
                self.parked_at = Some(now);
            }
        }
    }
}
