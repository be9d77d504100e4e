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
use std::time::Duration;

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

    /// A new connection; each socket on the two sides of it takes about so much.
    fn connect(&mut self, client: i32, server: i32) -> Far {
        let id = Id(self.used);
        self.used += 1;
        let (client, near) = pair(client);
        self.relay.link(id).socket(CLIENT).put(socket::owned(near));
        let (server, near) = pair(server);
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
            while self.relay.pump(id, 1 - side) == Flow::More {}
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
    const LENGTH: u64 = 8 << 20;
    let mut rig = Rig::new(pipes::PIPES_MAX);
    let mut stalled: Vec<Far> = (0..STALLED)
        .map(|_| rig.connect(1 << 17, 1 << 17))
        .collect();
    for far in &mut stalled {
        // Until neither the client nor the relay gets rid of anything.
        while far.say(LENGTH) {
            rig.push(far.id, CLIENT);
        }
        assert!(far.sent < LENGTH, "{}", far.sent);
    }
    let mut far = rig.connect(1 << 20, 1 << 20);
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
        let mut far = rig.connect(1 << 16, 1 << 16);
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

/// A server answers, ends, and hears nothing more, while the client is slow to
/// read and still speaks: it gets the whole answer, and its end.
#[test]
fn who_speaks_to_a_server_that_has_ended_still_reads_to_the_end() {
    const LENGTH: usize = 600_000;
    // The answer waits in the kernel or in a pipe, too, and the end and the reset
    // are seen one after the other, or at once.
    for (room, at_once) in [
        (1 << 20, false),
        (1 << 14, false),
        (1 << 20, true),
        (1 << 14, true),
    ] {
        let mut rig = Rig::new(pipes::PIPES_MAX);
        let mut far = rig.connect(room, 1 << 20);
        far.say(1000);
        rig.push(far.id, CLIENT);
        far.hear();
        let answer: Vec<u8> = (0..LENGTH as u64).map(|at| byte(9, at)).collect();
        let mut written = 0;
        while written < LENGTH {
            written += far.server.write(&answer[written..]).expect("it has room");
            rig.push(far.id, SERVER);
        }
        drop(std::mem::replace(&mut far.server, pair(1).0));
        if !at_once {
            rig.relay.note(far.id, SERVER, HANGUP, false, false);
            rig.push(far.id, SERVER);
        }
        far.say(3000);
        let (_, flow) = rig.push(far.id, CLIENT);
        assert!(flow == Flow::Rest, "the first piece is on its way");
        far.say(5000);
        rig.push(far.id, CLIENT);
        rig.relay
            .note(far.id, SERVER, READABLE | HANGUP, true, true);
        rig.push(far.id, SERVER);
        let (mut got, mut piece) = (Vec::new(), [0; 9000]);
        for turn in 0.. {
            assert!(
                turn < 50_000,
                "{} of {LENGTH} after {room} {at_once}",
                got.len()
            );
            match far.client.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => got.extend_from_slice(&piece[..length]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            far.say(far.sent + 100);
            rig.push(far.id, CLIENT);
            rig.room(far.id, CLIENT);
        }
        assert_eq!(got.len(), LENGTH, "all of the answer");
        assert!(got == answer);
        drop(std::mem::replace(&mut far.client, pair(1).0));
        rig.relay.note(far.id, CLIENT, HANGUP, false, false);
        // What it said last comes before its end.
        let mut flows = (0..1000).map(|_| {
            std::thread::sleep(Duration::from_millis(1));
            rig.push(far.id, CLIENT).1
        });
        assert!(flows.any(|flow| flow == Flow::Finished));
    }
}

/// A server that resets is no server that has ended: its client is told.
#[test]
fn a_reset_is_not_taken_for_an_end() {
    for speaks in [false, true] {
        let mut rig = Rig::new(pipes::PIPES_MAX);
        let mut far = rig.connect(1 << 16, 1 << 16);
        far.say(1000);
        rig.push(far.id, CLIENT);
        // With bytes that were not read.
        drop(std::mem::replace(&mut far.server, pair(1).0));
        if speaks {
            far.say(2000);
            rig.push(far.id, CLIENT);
        }
        rig.relay.note(far.id, SERVER, HANGUP, true, true);
        assert!(rig.push(far.id, SERVER).1 == Flow::Broken(SERVER));
    }
}
