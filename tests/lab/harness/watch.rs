//! Who has which address when, as the kernels of the machines say it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::machine::Machine;
use super::sys;

/// An address came to a machine or left it. One on a link that is held down by
/// protodown, as FRR does it, is not there.
#[derive(Clone, Debug)]
pub struct Change {
    /// When the watch heard of it.
    pub at: Instant,
    /// The machine's name.
    pub machine: String,
    /// The address.
    pub address: IpAddr,
    /// Added or renewed; else removed.
    pub present: bool,
}

#[derive(Default)]
struct Log {
    changes: Mutex<Vec<Change>>,
    grew: Condvar,
}

/// Listens in any number of machines; it stops when dropped.
#[derive(Default)]
pub struct Watch {
    log: Arc<Log>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    /// From here on, changes in this machine are recorded too.
    pub fn add(&mut self, machine: &Machine) -> io::Result<()> {
        let socket = machine.run(|| {
            const NETLINK_ROUTE: i32 = 0;
            const GROUPS: u32 = 0x1 | 0x10 | 0x100;
            let socket = sys::open_socket(sys::AF_NETLINK, sys::SOCK_RAW, NETLINK_ROUTE)?;
            sys::set_receive_timeout(&socket, Duration::from_millis(100))?;
            sys::set_receive_buffer(&socket, 1 << 20)?;
            let mut address = [0; 12];
            address[..2].copy_from_slice(&(sys::AF_NETLINK as u16).to_ne_bytes());
            address[8..12].copy_from_slice(&GROUPS.to_ne_bytes());
            sys::bind(&socket, &address)?;
            Ok::<_, io::Error>(socket)
        })?;
        let (log, stop) = (self.log.clone(), self.stop.clone());
        let name = machine.name().to_owned();
        self.threads.push(std::thread::spawn(move || {
            listen(&socket, &name, &log, &stop);
        }));
        Ok(())
    }

    /// The machines that have an address now, in the order of their coming.
    pub fn owners(&self, address: IpAddr) -> Vec<String> {
        owners(
            &self.log.changes.lock().expect("no panic in the watch"),
            address,
        )
    }

    /// Waits until exactly these machines have the address; false when the time
    /// is over.
    pub fn wait_for(&self, address: IpAddr, machines: &[&str], limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut changes = self.log.changes.lock().expect("no panic in the watch");
        loop {
            let mut now = owners(&changes, address);
            now.sort();
            if now == machines {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (changes, _) = self
                .log
                .grew
                .wait_timeout(changes, left)
                .expect("no panic in the watch");
        }
    }

    /// All changes of an address since a moment, renewals left out.
    pub fn changes(&self, address: IpAddr, since: Instant) -> Vec<Change> {
        let changes = self.log.changes.lock().expect("no panic in the watch");
        let mut owning: Vec<&str> = Vec::new();
        let mut out = Vec::new();
        for change in changes.iter().filter(|c| c.address == address) {
            let had = owning.contains(&change.machine.as_str());
            if had == change.present {
                continue;
            }
            owning.retain(|m| *m != change.machine);
            if change.present {
                owning.push(&change.machine);
            }
            if change.at >= since {
                out.push(change.clone());
            }
        }
        out
    }

    /// For how long, since a moment, more than one machine had the address.
    pub fn two_owners(&self, address: IpAddr, since: Instant) -> Duration {
        let changes = self.log.changes.lock().expect("no panic in the watch");
        let mut owning: Vec<&str> = Vec::new();
        let mut doubled: Option<Instant> = None;
        let mut sum = Duration::ZERO;
        for change in changes.iter().filter(|c| c.address == address) {
            owning.retain(|m| *m != change.machine);
            if change.present {
                owning.push(&change.machine);
            }
            match (owning.len() > 1, doubled) {
                (true, None) => doubled = Some(change.at),
                (false, Some(from)) => {
                    sum += change.at.saturating_duration_since(from.max(since));
                    doubled = None;
                }
                _ => {}
            }
        }
        sum + doubled.map_or(Duration::ZERO, |from| from.max(since).elapsed())
    }

    /// All that was seen of an address, for a failed scenario's report.
    pub fn story(&self, start: Instant) -> String {
        let changes = self.log.changes.lock().expect("no panic in the watch");
        let mut addresses: Vec<IpAddr> = changes.iter().map(|c| c.address).collect();
        addresses.sort();
        addresses.dedup();
        drop(changes);
        let mut story = String::new();
        for address in addresses {
            for change in self.changes(address, start) {
                story += &format!(
                    "{:>9} ms  {} {} {address}\n",
                    change.at.saturating_duration_since(start).as_millis(),
                    change.machine,
                    if change.present { "has" } else { "lost" },
                );
            }
        }
        story
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn owners(changes: &[Change], address: IpAddr) -> Vec<String> {
    let mut owning: Vec<String> = Vec::new();
    for change in changes.iter().filter(|c| c.address == address) {
        let had = owning.contains(&change.machine);
        if change.present && !had {
            owning.push(change.machine.clone());
        } else if !change.present {
            owning.retain(|m| *m != change.machine);
        }
    }
    owning
}

fn listen(socket: &OwnedFd, machine: &str, log: &Log, stop: &AtomicBool) {
    let mut data = vec![0; 65_536];
    let mut kernel = Kernel::default();
    while !stop.load(Ordering::Relaxed) {
        let mut from = [0; 20];
        let Ok(length) = sys::receive_from(socket, &mut data, &mut from) else {
            continue;
        };
        let at = Instant::now();
        let mut rest = &data[..length];
        while let Some((kind, body, next)) = message(rest) {
            rest = next;
            for (address, present) in kernel.hear(kind, body) {
                log.changes
                    .lock()
                    .expect("no panic in the lab")
                    .push(Change {
                        at,
                        machine: machine.to_owned(),
                        address,
                        present,
                    });
                log.grew.notify_all();
            }
        }
    }
}

/// What a machine's kernel has said of its links and their addresses.
#[derive(Default)]
struct Kernel {
    held_down: Vec<u32>,
    addresses: Vec<(u32, IpAddr)>,
}

impl Kernel {
    /// What a message changes: addresses, and whether each is there now.
    fn hear(&mut self, kind: u16, body: &[u8]) -> Vec<(IpAddr, bool)> {
        const NEW_LINK: u16 = 16;
        const NEW_ADDRESS: u16 = 20;
        const DEL_ADDRESS: u16 = 21;
        let Some(link) = body.get(4..8) else {
            return Vec::new();
        };
        let link = u32::from_ne_bytes([link[0], link[1], link[2], link[3]]);
        let touched: Vec<IpAddr> = match kind {
            NEW_LINK => {
                const PROTO_DOWN: u16 = 39;
                let held = attribute(body, 16, PROTO_DOWN).is_some_and(|v| v.first() == Some(&1));
                let was = self.held_down.contains(&link);
                self.held_down.retain(|l| *l != link);
                if held {
                    self.held_down.push(link);
                }
                let of_link = self.addresses.iter().filter(|(l, _)| *l == link);
                of_link.filter(|_| held != was).map(|(_, a)| *a).collect()
            }
            NEW_ADDRESS | DEL_ADDRESS => {
                let Some(address) = address_of(body) else {
                    return Vec::new();
                };
                self.addresses.retain(|entry| *entry != (link, address));
                if kind == NEW_ADDRESS {
                    self.addresses.push((link, address));
                }
                vec![address]
            }
            _ => Vec::new(),
        };
        let there = |address: IpAddr| {
            self.addresses
                .iter()
                .any(|(l, a)| *a == address && !self.held_down.contains(l))
        };
        touched.into_iter().map(|a| (a, there(a))).collect()
    }
}

/// Cuts the first netlink message off: (type, payload, rest).
fn message(data: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(data.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(data.get(4..6)?.try_into().ok()?);
    let body = data.get(16..length)?;
    Some((
        kind,
        body,
        data.get((length + 3) & !3..).unwrap_or_default(),
    ))
}

/// The address of an ifaddrmsg: IFA_LOCAL where there is one, else IFA_ADDRESS.
fn address_of(body: &[u8]) -> Option<IpAddr> {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    let value = attribute(body, 8, IFA_LOCAL).or_else(|| attribute(body, 8, IFA_ADDRESS))?;
    match value.len() {
        4 => <[u8; 4]>::try_from(value)
            .ok()
            .map(|v| IpAddr::from(Ipv4Addr::from(v))),
        16 => <[u8; 16]>::try_from(value)
            .ok()
            .map(|v| IpAddr::from(Ipv6Addr::from(v))),
        _ => None,
    }
}

/// The first attribute of a kind behind a message's own header.
fn attribute(body: &[u8], header: usize, kind: u16) -> Option<&[u8]> {
    let mut rest = body.get(header..)?;
    while let Some(head) = rest.get(..4) {
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let value = rest.get(4..length)?;
        if u16::from_ne_bytes([head[2], head[3]]) == kind {
            return Some(value);
        }
        rest = rest.get((length + 3) & !3..).unwrap_or_default();
    }
    None
}
