//! How bytes pass from socket to socket: real sockets, and every step of the
//! relay by hand. The binary has no test harness, so its files are tested here.

#[path = "../src/linux/descriptor.rs"]
#[allow(dead_code)]
mod descriptor;
#[path = "../src/linux/pipes.rs"]
#[allow(dead_code)]
mod pipes;
#[path = "../src/linux/relay.rs"]
#[allow(dead_code)]
mod relay;
#[path = "relay/socket.rs"]
mod socket;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use pipes::{Pipes, Slots};
use relay::{BUFFER, CLIENT, Flow, HANGUP, Link, Links, READABLE, Relay, SERVER, Side};
use smena::board;
use smena::session::Id;

/// A connection through the relay: what is on both sides of it.
struct Far {
    id: Id,
    client: TcpStream,
    server: TcpStream,
    /// Bytes that the client wrote, and that the server read.
    sent: u64,
    came: u64,
}

/// A relay with some connections.
struct Rig {
    relay: Relay<'static>,
    used: u32,
}

impl Rig {
    fn new(pipes: usize) -> Rig {
        let links: Box<Links> = Box::new([const { Link::NONE }; board::SESSIONS_MAX]);
        let slots = Box::leak(Box::new(Slots::new()));
        let pipes = Pipes::new(slots, 1, pipes);
        let buffer = Box::leak(Box::new([0; BUFFER]));
        Rig {
            relay: Relay::new(Box::leak(links), pipes, buffer),
            used: 0,
        }
    }

    /// A new connection; the relay's socket towards the server takes about so
    /// much, and the server's own as much again.
    fn connect(&mut self, room: i32) -> Far {
        let id = Id(self.used);
        self.used += 1;
        let (client, near) = pair(1 << 20);
        self.relay.link(id).socket(CLIENT).put(socket::owned(near));
        let (server, near) = pair(room);
        self.relay.link(id).socket(SERVER).put(socket::owned(near));
        let (sent, came) = (0, 0);
        Far {
            id,
            client,
            server,
            sent,
            came,
        }
    }

    /// Something is to be read on a side: it moves until it rests. The most that
    /// moved at once, and why it rests.
    fn push(&mut self, id: Id, way: Side) -> (usize, Flow) {
        let mut most = 0;
        self.relay.note(id, way, READABLE, false, false);
        loop {
            let flow = self.relay.pump(id, way);
            most = most.max(self.relay.taken);
            if flow != Flow::More {
                return (most, flow);
            }
        }
    }

    /// The socket of a side has room again.
    fn room(&mut self, id: Id, side: Side) {
        if self.relay.note(id, side, 0, true, false) {
            self.relay.pump(id, 1 - side);
        }
    }
}

/// Both ends of a connection: the other one's, and the relay's.
fn pair(room: i32) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    socket::set_buffers(&listener, room);
    let far = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (near, _) = listener.accept().expect("it is there");
    socket::set_buffers(&far, room);
    for stream in [&far, &near] {
        stream.set_nonblocking(true).expect("own socket");
    }
    (far, near)
}

/// The byte of this place in a stream.
fn byte(seed: u32, at: u64) -> u8 {
    (at.wrapping_mul(31) >> 3) as u8 ^ seed as u8
}

impl Far {
    /// The client writes what is taken, up to so many bytes in all; true when any
    /// was.
    fn say(&mut self, all: u64) -> bool {
        let before = self.sent;
        while self.sent < all {
            let length = (all - self.sent).min(1 << 16);
            let piece: Vec<u8> = (0..length)
                .map(|n| byte(self.id.0, self.sent + n))
                .collect();
            match self.client.write(&piece) {
                Ok(taken) => self.sent += taken as u64,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        self.sent > before
    }

    /// The server reads what is there, and looks at every byte.
    fn hear(&mut self) {
        let mut piece = vec![0; 1 << 16];
        loop {
            match self.server.read(&mut piece) {
                Ok(0) => return,
                Ok(length) => {
                    for (n, got) in (0..).zip(&piece[..length]) {
                        assert_eq!(*got, byte(self.id.0, self.came + n));
                    }
                    self.came += length as u64;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    return;
                }
            }
        }
    }
}

/// More receivers stand still than there are pipes, each after it proved to be
/// one of bulk; what others send still passes without a copy, which takes no
/// more than the buffer at once, and no byte is lost.
#[test]
fn receivers_that_stand_still_leave_pipes_to_those_that_do_not() {
    const STALLED: usize = 80;
    const LENGTH: u64 = 16 << 20;
    let mut rig = Rig::new(pipes::PIPES_MAX);
    let mut stalled: Vec<Far> = (0..STALLED).map(|_| rig.connect(1 << 18)).collect();
    for far in &mut stalled {
        // Until neither the client nor the relay gets rid of anything.
        while far.say(LENGTH) {
            rig.push(far.id, CLIENT);
        }
        assert!(far.sent > 1 << 18 && far.sent < LENGTH, "{}", far.sent);
    }
    let mut far = rig.connect(1 << 20);
    let mut most = 0;
    while far.came < LENGTH {
        far.say(LENGTH);
        rig.room(far.id, SERVER);
        most = most.max(rig.push(far.id, CLIENT).0);
        far.hear();
    }
    assert!(most > BUFFER, "{most} bytes at once");
    for far in &mut stalled {
        while far.came < LENGTH {
            far.hear();
            rig.room(far.id, SERVER);
            far.say(LENGTH);
            rig.push(far.id, CLIENT);
        }
    }
}

/// Where there is no pipe at all, every byte still arrives.
#[test]
fn without_a_pipe_nothing_is_lost() {
    const LENGTH: u64 = 4 << 20;
    for pipes in [0, 1] {
        let mut rig = Rig::new(pipes);
        let mut far = rig.connect(1 << 16);
        while far.came < LENGTH {
            far.say(LENGTH);
            rig.room(far.id, SERVER);
            rig.push(far.id, CLIENT);
            far.hear();
        }
        far.client.shutdown(Shutdown::Write).expect("own socket");
        rig.relay.note(far.id, CLIENT, HANGUP, false, false);
        assert!(matches!(rig.push(far.id, CLIENT).1, Flow::Over));
        far.server.set_nonblocking(false).expect("own socket");
        assert_eq!(far.server.read(&mut [0]).expect("its end"), 0);
    }
}
