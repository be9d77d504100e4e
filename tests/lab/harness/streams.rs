//! Streams through a forwarder: bytes that both ends know, servers that do what
//! a scenario wants of each connection, and clients that keep coming.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::machine::Machine;
use super::sys;

/// How much of a stream there was, and what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes.
    pub length: u64,
    /// Of all of them in their order.
    pub hash: u64,
}

/// Counts and hashes what passes, in whatever portions.
#[derive(Default)]
struct Meter {
    hasher: DefaultHasher,
    length: u64,
}

impl Meter {
    fn take(&mut self, data: &[u8]) {
        self.hasher.write(data);
        self.length += data.len() as u64;
    }

    fn tally(&self) -> Tally {
        Tally {
            length: self.length,
            hash: self.hasher.finish(),
        }
    }
}

/// Bytes that do not repeat, the same for the same seed.
pub struct Noise(u64);

impl Noise {
    /// Of a seed.
    pub fn new(seed: u64) -> Noise {
        Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number (xorshift64*).
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn fill(&mut self, data: &mut [u8]) {
        for part in data.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            part.copy_from_slice(&bytes[..part.len()]);
        }
    }
}

/// Writes so many bytes of this seed; tells what was written.
pub fn send(mut stream: &TcpStream, seed: u64, length: u64) -> io::Result<Tally> {
    let (mut noise, mut meter) = (Noise::new(seed), Meter::default());
    let mut data = vec![0; 64 << 10];
    let mut left = length;
    while left > 0 {
        let part = left.min(data.len() as u64) as usize;
        noise.fill(&mut data[..part]);
        stream.write_all(&data[..part])?;
        meter.take(&data[..part]);
        left -= part as u64;
    }
    Ok(meter.tally())
}

/// What [`send`] would write.
pub fn expected(seed: u64, length: u64) -> Tally {
    let (mut noise, mut meter) = (Noise::new(seed), Meter::default());
    let mut data = vec![0; 64 << 10];
    let mut left = length;
    while left > 0 {
        let part = left.min(data.len() as u64) as usize;
        noise.fill(&mut data[..part]);
        meter.take(&data[..part]);
        left -= part as u64;
    }
    meter.tally()
}

/// Reads to the end of the stream.
pub fn receive(mut stream: &TcpStream) -> io::Result<Tally> {
    let mut meter = Meter::default();
    let mut data = vec![0; 64 << 10];
    loop {
        match stream.read(&mut data)? {
            0 => return Ok(meter.tally()),
            length => meter.take(&data[..length]),
        }
    }
}

/// Both at once; the own direction ends when all is written.
pub fn exchange(stream: &TcpStream, seed: u64, length: u64) -> io::Result<(Tally, Tally)> {
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let sent = send(stream, seed, length)?;
            stream.shutdown(Shutdown::Write)?;
            Ok::<_, io::Error>(sent)
        });
        let received = receive(stream)?;
        Ok((sender.join().expect("no panic in it")?, received))
    })
}

/// Ends a connection with a reset instead of an orderly end.
pub fn reset(stream: TcpStream) {
    sys::set_linger_zero(&stream).expect("own socket");
    drop(stream);
}

/// A connection from a machine; no read or write on it waits for ever.
pub fn dial(machine: &Machine, address: SocketAddr) -> io::Result<TcpStream> {
    let stream = machine.run(move || TcpStream::connect_timeout(&address, PATIENCE))?;
    patient(&stream)?;
    Ok(stream)
}

/// For how long a read or write waits before it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

fn patient(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

/// The connections of a server that are open, by number.
type Open = Arc<Mutex<HashMap<usize, Arc<TcpStream>>>>;

/// A server of a scenario: a thread a connection, and what it does there. When
/// that returns, the connection is closed.
pub struct Server {
    listens: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    open: Open,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens in a machine from here on.
    pub fn start(
        machine: &Machine,
        address: &str,
        serve: impl Fn(&TcpStream) + Send + Sync + 'static,
    ) -> Server {
        let serve = Arc::new(serve);
        Server::listen(machine, address, move |number, stream, open: &Open| {
            let (serve, open) = (serve.clone(), open.clone());
            std::thread::spawn(move || {
                serve(&stream);
                open.lock().expect("no panic in it").remove(&number);
            });
        })
    }

    /// One that says its name and then sends back what it gets.
    pub fn echo(machine: &Machine, address: &str, name: &'static str) -> Server {
        Server::start(machine, address, move |mut stream| {
            let mut data = [0; 4096];
            let mut told = stream.write_all(name.as_bytes());
            while told.is_ok() {
                match stream.read(&mut data) {
                    Ok(0) | Err(_) => return,
                    Ok(length) => told = stream.write_all(&data[..length]),
                }
            }
        })
    }

    /// One that only holds connections, so that it can have very many.
    pub fn holding(machine: &Machine, address: &str) -> Server {
        Server::listen(machine, address, |_, _, _| {})
    }

    fn listen(
        machine: &Machine,
        address: &str,
        begin: impl Fn(usize, Arc<TcpStream>, &Open) + Send + 'static,
    ) -> Server {
        let address: SocketAddr = address.parse().expect("an address with a port");
        let listener = machine.run(move || TcpListener::bind(address));
        let listener = listener.unwrap_or_else(|e| panic!("{address}: {e}"));
        // The loop looks up now and then whether it is to end.
        sys::set_receive_timeout(&listener, Duration::from_millis(50)).expect("own socket");
        let listens = Arc::new(AtomicBool::new(true));
        let accepted = Arc::new(AtomicUsize::new(0));
        let open = Open::default();
        let thread = {
            let (listens, accepted, open) = (listens.clone(), accepted.clone(), open.clone());
            std::thread::spawn(move || {
                while listens.load(Ordering::Relaxed) {
                    let Ok((stream, _)) = listener.accept() else {
                        continue;
                    };
                    let number = accepted.fetch_add(1, Ordering::Relaxed);
                    let _ = patient(&stream);
                    let stream = Arc::new(stream);
                    let mut all = open.lock().expect("no panic in it");
                    all.insert(number, stream.clone());
                    drop(all);
                    begin(number, stream, &open);
                }
                stop_listening(listener);
            })
        };
        Server {
            listens,
            accepted,
            open,
            thread: Some(thread),
        }
    }

    /// Connections until now.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Sends back what waits on connections that are only held.
    pub fn answer(&self) {
        let mut data = [0; 64];
        for mut stream in self
            .open
            .lock()
            .expect("no panic in it")
            .values()
            .map(|s| &**s)
        {
            stream.set_nonblocking(true).expect("own socket");
            if let Ok(length) = stream.read(&mut data) {
                stream.write_all(&data[..length]).expect("room for a word");
            }
        }
    }

    /// It goes as a killed process goes: nobody listens any more, and its
    /// connections end.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.listens.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for (_, stream) in self.open.lock().expect("no panic in it").drain() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Has nobody let in from now on. To close it is not enough: what another scenario
/// forks has it, too, until it begins its program, and whoever comes in that time
/// is taken and reset.
pub fn stop_listening(listener: TcpListener) {
    let _ = TcpStream::from(OwnedFd::from(listener)).shutdown(Shutdown::Both);
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a client saw of one connection to an [`Server::echo`].
#[derive(Clone, Debug)]
pub struct Visit {
    /// When it began.
    pub at: Instant,
    /// How long it took.
    pub length: Duration,
    /// The server's name, or what went wrong.
    pub outcome: Result<String, String>,
}

/// One connection: the name, a word there and back.
pub fn visit(machine: &Machine, address: SocketAddr) -> Visit {
    let at = Instant::now();
    let outcome = dial(machine, address).and_then(|stream| talk(&stream));
    Visit {
        at,
        length: at.elapsed(),
        outcome: outcome.map_err(|error| error.to_string()),
    }
}

/// Names of servers have one letter.
fn talk(mut stream: &TcpStream) -> io::Result<String> {
    let mut name = [0];
    stream.read_exact(&mut name)?;
    stream.write_all(b"hello")?;
    let mut word = [0; 5];
    stream.read_exact(&mut word)?;
    if word != *b"hello" {
        return Err(io::Error::other(format!("not what was sent: {word:?}")));
    }
    Ok(char::from(name[0]).to_string())
}

/// Clients that come again and again until they are stopped.
pub struct Crowd {
    made: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Visit>>>,
}

impl Crowd {
    /// So many at a time, in a machine that is a network only.
    pub fn start(machine: &Machine, address: SocketAddr, clients: usize) -> Crowd {
        let stop = Arc::new(AtomicBool::new(false));
        let made = Arc::new(AtomicUsize::new(0));
        let threads = (0..clients).map(|_| {
            let (stop, made) = (stop.clone(), made.clone());
            machine.run(move || {
                // A thread of the machine is born in its network.
                std::thread::spawn(move || {
                    let mut visits = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let at = Instant::now();
                        let outcome = TcpStream::connect_timeout(&address, PATIENCE)
                            .and_then(|stream| patient(&stream).map(|()| stream))
                            .and_then(|stream| talk(&stream));
                        visits.push(Visit {
                            at,
                            length: at.elapsed(),
                            outcome: outcome.map_err(|error| error.to_string()),
                        });
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                    visits
                })
            })
        });
        let threads = threads.collect();
        Crowd {
            made,
            stop,
            threads,
        }
    }

    /// Stops them when they have come so many times.
    pub fn stop_after(self, visits: usize) -> Vec<Visit> {
        while self.made.load(Ordering::Relaxed) < visits {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.stop()
    }

    /// All that they saw.
    pub fn stop(self) -> Vec<Visit> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.threads.into_iter().map(|thread| thread.join());
        ended
            .flat_map(|visits| visits.expect("no panic in it"))
            .collect()
    }
}
