//! The client: one thread that makes many short connections, carries bulk, asks
//! many questions, or holds connections open.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use super::sys::{self, Poller, Ready};

/// Bytes of a question and of its answer.
const SIZE: usize = 100;

/// Times, and what they were.
#[derive(Default)]
pub struct Times(Vec<u64>);

impl Times {
    fn add(&mut self, time: Duration) {
        self.0.push(time.as_nanos() as u64);
    }

    /// The time in microseconds that so many of a hundred do not exceed.
    pub fn percentile(&mut self, percent: f64) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        let place = (percent / 100.0 * last as f64).round() as usize;
        self.0.get(place).map_or(f64::NAN, |n| *n as f64 / 1000.0)
    }
}

/// What short connections came to.
pub struct Short {
    /// Connections that were answered.
    pub done: u64,
    /// Those that failed.
    pub failed: u64,
    /// Answered connections a second.
    pub rate: f64,
}

/// Connects, asks, is answered and closes, again and again, so many at a time.
pub fn short(address: SocketAddrV4, length: Duration, slots: usize) -> io::Result<Short> {
    struct Slot {
        connection: OwnedFd,
        asked: bool,
        answered: usize,
    }
    let open = |poller: &Poller, key: usize| -> io::Result<Slot> {
        let connection = sys::connection(address)?;
        let events = sys::IN | sys::OUT | sys::EDGE;
        poller.add(connection.as_raw_fd(), events, key as u64)?;
        Ok(Slot {
            connection,
            asked: false,
            answered: 0,
        })
    };
    let poller = Poller::new()?;
    let mut all: Vec<Slot> = (0..slots)
        .map(|key| open(&poller, key))
        .collect::<io::Result<_>>()?;
    let (mut done, mut failed) = (0, 0);
    let mut ready = [Ready::default(); 256];
    let mut buffer = [0; SIZE];
    let from = Instant::now();
    while from.elapsed() < length {
        for told in poller.wait(&mut ready, Some(Duration::from_millis(100)))? {
            let key = told.key as usize;
            let slot = &mut all[key];
            let fd = slot.connection.as_raw_fd();
            let broken = told.events & (sys::ERR | sys::HUP) != 0;
            let mut over = None;
            if !slot.asked && !broken {
                slot.asked = true;
                if sys::write(fd, &buffer).ok() != Some(SIZE) {
                    over = Some(false);
                }
            } else {
                match sys::read(fd, &mut buffer) {
                    Ok(0) => over = Some(false),
                    Ok(length) => {
                        slot.answered += length;
                        over = (slot.answered >= SIZE).then_some(true);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => over = Some(false),
                }
            }
            match over {
                None => continue,
                Some(true) => done += 1,
                Some(false) => failed += 1,
            }
            all[key] = open(&poller, key)?;
        }
    }
    Ok(Short {
        done,
        failed,
        rate: done as f64 / from.elapsed().as_secs_f64(),
    })
}

/// Which way bulk goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server's sink.
    Up,
    /// From the server's source to the client.
    Down,
}

/// What bulk came to.
pub struct Bulk {
    /// Bytes of all of the time.
    pub bytes: u64,
    /// Gbit/s without the first fifth of a second.
    pub rate: f64,
}

/// Streams that carry as much as goes, or so many Gbit/s in all.
pub fn bulk(
    address: SocketAddrV4,
    length: Duration,
    streams: usize,
    way: Way,
    limit: Option<f64>,
) -> io::Result<Bulk> {
    let poller = Poller::new()?;
    let mut all = Vec::new();
    for _ in 0..streams {
        let stream = TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        let events = if way == Way::Up { sys::OUT } else { sys::IN };
        poller.add(stream.as_raw_fd(), events, stream.as_raw_fd() as u64)?;
        all.push(stream);
    }
    sys::sleep_exactly();
    let data = vec![0; 1 << 17];
    let mut ready = [Ready::default(); 64];
    let (turns, most) = if limit.is_some() {
        (1, 1 << 18)
    } else {
        (4, 1 << 20)
    };
    let warm = Duration::from_millis(200);
    let from = Instant::now();
    let (mut bytes, mut counted) = (0u64, None);
    loop {
        let time = from.elapsed();
        if time >= length {
            break;
        }
        if counted.is_none() && time > warm {
            counted = Some((bytes, Instant::now()));
        }
        if let Some(limit) = limit
            && bytes as f64 * 8e-9 > limit * (time.as_secs_f64() + 1e-3)
        {
            std::thread::sleep(Duration::from_micros(300));
            continue;
        }
        for told in poller.wait(&mut ready, Some(Duration::from_millis(100)))? {
            for _ in 0..turns {
                let fd = told.key as i32;
                let moved = match way {
                    Way::Up => sys::write(fd, &data),
                    Way::Down => sys::discard(fd, most),
                };
                match moved {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(length) => bytes += length as u64,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
    }
    let (before, since) = counted.unwrap_or((0, from));
    Ok(Bulk {
        bytes,
        rate: (bytes - before) as f64 * 8e-9 / since.elapsed().as_secs_f64(),
    })
}

/// What questions came to.
pub struct Answers {
    /// From the moment a question was due to its answer.
    pub times: Times,
    /// Answers of all of the time.
    pub done: u64,
}

/// Connections that stay, on which questions are asked at a steady rate. A
/// question that can't be asked in time counts from when it was due.
pub fn questions(
    address: SocketAddrV4,
    length: Duration,
    connections: usize,
    rate: f64,
) -> io::Result<Answers> {
    struct Line {
        stream: TcpStream,
        due: Option<Instant>,
        answered: usize,
    }
    let poller = Poller::new()?;
    let mut lines = Vec::new();
    for key in 0..connections {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        poller.add(stream.as_raw_fd(), sys::IN, key as u64)?;
        lines.push(Line {
            stream,
            due: None,
            answered: 0,
        });
    }
    sys::sleep_exactly();
    let step = Duration::from_secs_f64(1.0 / rate);
    let from = Instant::now();
    let warm = length / 10;
    let mut next = from + step;
    let (mut times, mut done, mut at) = (Times::default(), 0, 0);
    let mut ready = [Ready::default(); 256];
    let mut buffer = [0; SIZE];
    while from.elapsed() < length {
        while next <= Instant::now() {
            let Some(free) = (0..connections)
                .map(|ahead| (at + ahead) % connections)
                .find(|line| lines[*line].due.is_none())
            else {
                break;
            };
            let line = &mut lines[free];
            line.due = Some(next);
            line.stream.write_all(&buffer)?;
            at = (free + 1) % connections;
            next += step;
        }
        let pause = next.saturating_duration_since(Instant::now());
        let pause = pause.min(Duration::from_millis(10));
        for told in poller.wait(&mut ready, Some(pause))? {
            let line = &mut lines[told.key as usize];
            match line.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => line.answered += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            if line.answered < SIZE {
                continue;
            }
            line.answered = 0;
            done += 1;
            if let Some(due) = line.due.take()
                && from.elapsed() > warm
            {
                times.add(due.elapsed());
            }
        }
    }
    Ok(Answers { times, done })
}

/// Opens connections and has one question answered on each.
pub fn hold(address: SocketAddrV4, count: usize) -> io::Result<Vec<TcpStream>> {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&[0; SIZE])?;
        stream.read_exact(&mut [0; SIZE])?;
        held.push(stream);
    }
    Ok(held)
}
