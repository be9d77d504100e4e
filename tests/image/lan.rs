//! The network between the guests: a switch that also hears everything, and a
//! client that asks for the address all the time and knows how long it went
//! without an answer. A frame of QEMU is a datagram.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The client's addresses.
const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 9];
const IP: [u8; 4] = [10, 66, 0, 9];
/// What it asks for.
pub const VIP: [u8; 4] = [10, 66, 0, 100];
const PERIOD: Duration = Duration::from_millis(5);

/// See the module.
#[derive(Clone)]
pub struct Lan {
    inner: Arc<Mutex<Inner>>,
    folder: PathBuf,
}

struct Inner {
    /// Where guests hear, by their number.
    ports: Vec<(u8, PathBuf)>,
    out: UnixDatagram,
    /// When the client was answered, and by which machine.
    answers: Vec<(Instant, u8)>,
    /// Adverts that were heard: when, from which machine, and their priority.
    adverts: Vec<(Instant, u8, u8)>,
}

impl Lan {
    /// A network whose sockets are in this folder.
    pub fn new(folder: &Path) -> Lan {
        let out = UnixDatagram::unbound().unwrap();
        // A guest that does not read loses frames, and holds up nobody.
        out.set_nonblocking(true).unwrap();
        let inner = Inner {
            ports: Vec::new(),
            out,
            answers: Vec::new(),
            adverts: Vec::new(),
        };
        let lan = Lan {
            inner: Arc::new(Mutex::new(inner)),
            folder: folder.into(),
        };
        let asking = lan.clone();
        thread::spawn(move || {
            loop {
                asking.send(&ask(), 0);
                thread::sleep(PERIOD);
            }
        });
        lan
    }

    /// Plugs a guest in; where it hears, and where it speaks to.
    pub fn plug(&self, number: u8) -> (PathBuf, PathBuf) {
        let to = self.folder.join(format!("guest.{number}"));
        let from = self.folder.join(format!("port.{number}"));
        let _ = std::fs::remove_file(&from);
        let port = UnixDatagram::bind(&from).unwrap();
        self.inner.lock().unwrap().ports.push((number, to.clone()));
        let lan = self.clone();
        thread::spawn(move || {
            let mut frame = vec![0; 1 << 16];
            while let Ok(length) = port.recv(&mut frame) {
                lan.look(&frame[..length]);
                lan.send(&frame[..length], number);
            }
        });
        (to, from)
    }

    /// Which machine answered last: the last byte of its MAC address; and when.
    pub fn last(&self) -> Option<(Instant, u8)> {
        self.inner.lock().unwrap().answers.last().copied()
    }

    /// Waits until this machine answers.
    #[track_caller]
    pub fn wait_for(&self, machine: u8, patience: Duration) {
        let until = Instant::now() + patience;
        let from = Instant::now();
        loop {
            let inner = self.inner.lock().unwrap();
            let answers = inner.answers.iter().rev();
            let mut fresh = answers.take_while(|(at, _)| *at >= from);
            if fresh.any(|(_, who)| *who == machine) {
                return;
            }
            drop(inner);
            assert!(
                Instant::now() < until,
                "machine {machine} does not answer: {:?}",
                self.last()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until this machine has answered for a second, and no other.
    #[track_caller]
    pub fn settle(&self, machine: u8, patience: Duration) {
        const CALM: Duration = Duration::from_secs(1);
        let until = Instant::now() + patience;
        let mut since = Instant::now();
        while Instant::now() < since + CALM {
            thread::sleep(Duration::from_millis(20));
            let inner = self.inner.lock().unwrap();
            let late = inner
                .answers
                .iter()
                .rev()
                .take_while(|(at, _)| *at >= since);
            let other = late.clone().any(|(_, who)| *who != machine);
            if other || late.count() == 0 {
                since = Instant::now();
            }
            assert!(
                Instant::now() < until,
                "machine {machine} is not alone: {:?}",
                inner.answers.last()
            );
        }
    }

    /// The longest time without an answer since then.
    pub fn gap(&self, since: Instant) -> Duration {
        let inner = self.inner.lock().unwrap();
        let mut last = since;
        let mut longest = Duration::ZERO;
        for (at, _) in inner.answers.iter().filter(|(at, _)| *at >= since) {
            longest = longest.max(*at - last);
            last = *at;
        }
        longest.max(Instant::now() - last)
    }

    /// Adverts of a machine since then.
    pub fn adverts(&self, machine: u8, since: Instant) -> usize {
        let inner = self.inner.lock().unwrap();
        let of = |(at, who, _): &&(Instant, u8, u8)| *at >= since && *who == machine;
        inner.adverts.iter().filter(of).count()
    }

    /// Whether a machine has resigned since then: an advert of priority 0.
    pub fn resigned(&self, machine: u8, since: Instant) -> bool {
        let inner = self.inner.lock().unwrap();
        let mut adverts = inner.adverts.iter();
        adverts.any(|(at, who, priority)| (*at >= since, *who, *priority) == (true, machine, 0))
    }

    /// The longest time between two adverts of a machine since then.
    pub fn longest_pause(&self, machine: u8, since: Instant) -> Duration {
        let inner = self.inner.lock().unwrap();
        let adverts = inner.adverts.iter();
        let of = adverts.filter(|(at, who, _)| *at >= since && *who == machine);
        let times: Vec<_> = of.map(|(at, ..)| *at).collect();
        let pauses = times.windows(2).map(|pair| pair[1] - pair[0]);
        pauses.max().unwrap_or(Duration::MAX)
    }

    /// What the client sees of a frame.
    fn look(&self, frame: &[u8]) {
        let Some((head, body)) = frame.split_at_checked(14) else {
            return;
        };
        let (from, now) = (head[11], Instant::now());
        let mut inner = self.inner.lock().unwrap();
        match head[12..14] {
            // An ARP reply for the address, to us.
            [8, 6]
                if body.len() >= 28 && body[7] == 2 && body[14..18] == VIP && head[..6] == MAC =>
            {
                inner.answers.push((now, body[13]));
            }
            [8, 0] if body.len() >= 28 && body[9] == 112 => {
                let priority = body.get(usize::from(body[0] & 15) * 4 + 2);
                inner
                    .adverts
                    .push((now, from, priority.copied().unwrap_or(0)));
            }
            _ => {}
        }
    }

    /// Sends a frame to every guest but one.
    fn send(&self, frame: &[u8], but: u8) {
        let inner = self.inner.lock().unwrap();
        for (_, path) in inner.ports.iter().filter(|(number, _)| *number != but) {
            let _ = inner.out.send_to(frame, path);
        }
    }
}

/// An ARP request for the address.
fn ask() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(MAC);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(MAC);
    frame.extend(IP);
    frame.extend([0; 6]);
    frame.extend(VIP);
    frame.resize(60, 0);
    frame
}
