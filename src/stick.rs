//! Who came from where and went to which server, for a while, in memory that
//! all workers share: a client's next connection is another worker's as often
//! as not, because the kernel picks the worker by addresses and ports.
//!
//! ```text
//!   set: [entry] * 8      entry: key (36 bytes) | server | end | sum of all these
//! ```
//!
//! Nobody locks. An entry is a handful of words that are written one by one,
//! and a sum over them comes last. A reader sums what it read: an entry that is
//! half written, by two at once, or by one who died over it, is no entry. Then
//! the client is new, which costs it the server it had and nobody anything else.
//! So a lookup reads at most eight entries, a store writes one, and neither waits.
//!
//! A key belongs to one set, and when the set is full its oldest entry goes. All
//! zero is a valid table, and memory that no key fell on is never touched.

use core::net::IpAddr;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::board;
use crate::{Duration, Instant};

/// Entries of a set.
const WAYS: usize = 8;
/// As many sets as make the board's number of entries.
const SETS: usize = board::STICKS_MAX.div_ceil(WAYS);
/// The words of a key.
const KEY: usize = 9;

/// A TLS session id is good for this long; each handshake with it counts anew.
const SESSION: Duration = Duration::from_secs(10);
/// A client's address is good for this long since its last session began.
const CLIENT: Duration = Duration::from_secs(1800);

/// See the module. All zero bytes are a valid one.
pub struct Table {
    sets: [[Entry; WAYS]; SETS],
}

/// Key, server, end and sum.
struct Entry([AtomicU32; KEY + 3]);

/// What an entry says.
#[derive(Clone, Copy)]
struct Said {
    key: [u32; KEY],
    server: u32,
    /// In whole seconds of the monotonic clock, which all workers share.
    end: u32,
}

/// Who comes, to which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    words: [u32; KEY],
    lifetime: Duration,
}

impl Key {
    /// A client by the session id in its TLS hello, padded with zeros.
    pub fn session(service: u8, id: &[u8; 32]) -> Key {
        Key::new(service, id, SESSION)
    }

    /// A client by its address; its port does not count.
    pub fn client(service: u8, address: IpAddr) -> Key {
        let mut bytes = [0; 32];
        match address {
            IpAddr::V4(v4) => bytes[..4].copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => bytes[..16].copy_from_slice(&v6.octets()),
        }
        // An IPv4 address is not the IPv6 one that begins like it.
        bytes[16] = u8::from(address.is_ipv4());
        Key::new(service, &bytes, CLIENT)
    }

    fn new(service: u8, bytes: &[u8; 32], lifetime: Duration) -> Key {
        let mut words = [u32::from(service); KEY];
        for (word, four) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_ne_bytes(*four);
        }
        Key { words, lifetime }
    }
}

impl Table {
    /// One as fresh memory is, for tests and simulations.
    pub const fn new() -> Table {
        Table {
            sets: [const { [const { Entry([const { AtomicU32::new(0) }; KEY + 3]) }; WAYS] }; SETS],
        }
    }

    /// The server that a key went to.
    pub fn find(&self, now: Instant, key: &Key) -> Option<u8> {
        let now = seconds(now);
        let entries = self.set(key).iter().filter_map(Entry::read);
        let mut fitting = entries.filter(|said| said.key == key.words && said.end > now);
        fitting.next().map(|said| said.server as u8)
    }

    /// A key goes to this server from now on, for as long as its kind lasts.
    pub fn store(&self, now: Instant, key: &Key, server: u8) {
        let end = seconds(now + key.lifetime);
        self.replace(key, u32::from(server), end);
    }

    /// A key goes nowhere in particular any more.
    pub fn forget(&self, now: Instant, key: &Key) {
        if self.find(now, key).is_some() {
            self.replace(key, 0, 0);
        }
    }

    fn set(&self, key: &Key) -> &[Entry; WAYS] {
        &self.sets[mix(&key.words) as usize % SETS]
    }

    /// Over the key's own entry, or else over the one that ends first; no entry
    /// at all ends at once.
    fn replace(&self, key: &Key, server: u32, end: u32) {
        let age = |entry: &&Entry| match entry.read() {
            Some(said) if said.key == key.words => 0,
            Some(said) => said.end.saturating_add(2),
            None => 1,
        };
        let set = self.set(key);
        let entry = set.iter().min_by_key(age).unwrap_or(&set[0]);
        entry.write(&Said {
            key: key.words,
            server,
            end,
        });
    }
}

impl Default for Table {
    fn default() -> Table {
        Table::new()
    }
}

impl Entry {
    /// `None`: never written, or not as a whole.
    fn read(&self) -> Option<Said> {
        let words = self.0.each_ref().map(|word| word.load(Ordering::Relaxed));
        let (said, sum) = words.split_at(KEY + 2);
        if mix(said) != sum[0] {
            return None;
        }
        let (key, rest) = said.split_first_chunk()?;
        Some(Said {
            key: *key,
            server: rest[0],
            end: rest[1],
        })
    }

    fn write(&self, said: &Said) {
        let mut words = [0; KEY + 3];
        words[..KEY].copy_from_slice(&said.key);
        words[KEY] = said.server;
        words[KEY + 1] = said.end;
        words[KEY + 2] = mix(&words[..KEY + 2]);
        for (to, word) in self.0.iter().zip(words) {
            to.store(word, Ordering::Relaxed);
        }
    }
}

/// A sum in which every bit counts: FNV's, a word at a time, with murmur's end.
/// Never 0 for zeros.
pub fn mix(words: &[u32]) -> u32 {
    let mut sum: u32 = 0x811c_9dc5;
    for word in words {
        sum = (sum ^ word).wrapping_mul(0x0100_0193);
        sum ^= sum >> 15;
    }
    sum = (sum ^ sum >> 16).wrapping_mul(0x85eb_ca6b);
    sum ^ sum >> 13
}

fn seconds(at: Instant) -> u32 {
    at.secs() as u32
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::thread;
    use std::vec::Vec;

    use super::*;

    const START: Instant = Instant::from_micros_const(1_000_000_000);

    fn after(seconds: u64) -> Instant {
        START + Duration::from_secs(seconds)
    }

    fn id(number: u32) -> Key {
        let mut bytes = [0x5a; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Key::session(1, &bytes)
    }

    fn client(text: &str) -> Key {
        Key::client(1, text.parse().unwrap())
    }

    fn table() -> Box<Table> {
        Box::new(Table::new())
    }

    #[test]
    fn nobody_is_known_at_first() {
        let table = table();
        assert_eq!(table.find(START, &id(1)), None);
        assert_eq!(table.find(START, &Key::session(0, &[0; 32])), None);
    }

    #[test]
    fn an_id_is_known_for_ten_seconds_after_its_last_handshake() {
        let table = table();
        table.store(START, &id(1), 7);
        assert_eq!(table.find(after(9), &id(1)), Some(7));
        assert_eq!(table.find(after(9), &id(2)), None);
        table.store(after(9), &id(1), 7);
        assert_eq!(table.find(after(18), &id(1)), Some(7));
        assert_eq!(table.find(after(19), &id(1)), None);
    }

    #[test]
    fn a_client_is_known_for_half_an_hour_in_its_service_alone() {
        let table = table();
        table.store(START, &client("192.0.2.1"), 3);
        assert_eq!(table.find(after(1799), &client("192.0.2.1")), Some(3));
        assert_eq!(table.find(after(1800), &client("192.0.2.1")), None);
        assert_eq!(table.find(START, &client("192.0.2.2")), None);
        assert_eq!(table.find(START, &client("c000:201::")), None);
        let other = Key::client(2, "192.0.2.1".parse().unwrap());
        assert_eq!(table.find(START, &other), None);
    }

    #[test]
    fn a_client_moves_and_is_forgotten() {
        let table = table();
        let key = client("2001:db8::1");
        table.store(START, &key, 3);
        table.store(START, &key, 4);
        assert_eq!(table.find(START, &key), Some(4));
        table.forget(START, &key);
        assert_eq!(table.find(START, &key), None);
    }

    /// The youngest are there, however many came; of those that half a table of
    /// others followed, one in thirty met eight of them.
    #[test]
    fn the_oldest_make_room() {
        let table = table();
        let all = 4 * board::STICKS_MAX as u32;
        for number in 0..all {
            // A second for every tenth of the table.
            let now = after(u64::from(number) / 3000);
            table.store(now, &id(number), (number % 200) as u8);
        }
        let now = after(u64::from(all) / 3000);
        let known = |from: u32| {
            let young = (from..from + 3000).filter(|&number| {
                let server = table.find(now, &id(number));
                assert!(server.is_none_or(|server| u32::from(server) == number % 200));
                server.is_some()
            });
            young.count()
        };
        assert!(known(all - 3000) == 3000, "{}", known(all - 3000));
        assert!(known(all - 15_000) > 2800, "{}", known(all - 15_000));
        assert_eq!(known(all - 36_000), 0);
    }

    /// Writers that write the same set at once, as workers do: what is found is
    /// what somebody stored.
    #[test]
    fn several_write_at_once() {
        let table = table();
        let table: &Table = &table;
        thread::scope(|scope| {
            let work = |worker: u32| {
                move || {
                    let mut found = 0;
                    for round in 0..200_000_u32 {
                        let number = (round * 7 + worker) % 64;
                        let server = (number * 4 + round % 4) as u8;
                        table.store(START, &id(number), server);
                        if let Some(server) = table.find(START, &id(number)) {
                            assert_eq!(u32::from(server) / 4, number);
                            found += 1;
                        }
                    }
                    found
                }
            };
            let workers: Vec<_> = (0..3).map(|worker| scope.spawn(work(worker))).collect();
            for worker in workers {
                assert!(worker.join().unwrap() > 150_000);
            }
        });
    }

    #[test]
    fn an_entry_that_is_half_written_is_none() {
        let table = table();
        table.store(START, &id(1), 7);
        let entries = || table.set(&id(1)).iter();
        let entry = entries().find(|entry| entry.read().is_some()).unwrap();
        for word in &entry.0 {
            let whole = word.load(Ordering::Relaxed);
            word.store(whole ^ 1, Ordering::Relaxed);
            assert_eq!(table.find(START, &id(1)), None);
            word.store(whole, Ordering::Relaxed);
        }
        assert_eq!(table.find(START, &id(1)), Some(7));
    }
}
