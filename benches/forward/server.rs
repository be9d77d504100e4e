//! The server behind all contenders: a process of its own, one thread, three
//! TCP ports and a UDP one.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::time::Duration;

use super::sys::{self, Poller};
use crate::harness::eventually;
use crate::harness::machine::Machine;

/// The word that makes this program the server.
pub const WORD: &str = "serve";
/// Sends back what it gets; over UDP too.
pub const ECHO: u16 = 9000;
/// Takes what it gets.
pub const SINK: u16 = 9001;
/// Sends as much as is taken.
pub const SOURCE: u16 = 9002;

const PORTS: [u16; 3] = [ECHO, SINK, SOURCE];

/// Serves until it is killed. What goes wrong with one connection ends it.
pub fn serve() -> ! {
    sys::raise_descriptors();
    let poller = Poller::new().expect("an epoll set");
    let listeners = PORTS.map(|port| {
        let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
        sys::listener(address).expect("the port is free")
    });
    for (index, listener) in listeners.iter().enumerate() {
        let added = poller.add(listener.as_raw_fd(), sys::IN, key(LISTENER + index, 0));
        added.expect("room for a listener");
    }
    // An echo comes from the address that was asked, so a socket an address.
    let sockets = super::network::SERVERS.into_iter();
    let sockets = sockets.chain([super::network::DIRECT]).map(|address| {
        let socket = sys::datagrams(SocketAddrV4::new(address, ECHO));
        let socket = socket.expect("the port is free");
        std::thread::spawn(move || super::datagrams::echo(&socket))
    });
    let _sockets: Vec<_> = sockets.collect();

    let mut buffer = vec![0; 1 << 18];
    let mut ready = vec![sys::Ready::default(); 256];
    loop {
        for told in poller.wait(&mut ready, None).expect("own epoll set") {
            let (kind, fd) = ((told.key >> 32) as usize, told.key as u32 as i32);
            match kind {
                LISTENER.. => {
                    let index = kind - LISTENER;
                    take(&poller, listeners[index].as_raw_fd(), index);
                }
                _ if !carry(kind, fd, told.events, &mut buffer) => close(fd),
                _ => {}
            }
        }
    }
}

const LISTENER: usize = 16;

fn key(kind: usize, fd: i32) -> u64 {
    (kind as u64) << 32 | fd as u64
}

/// Takes the connections that wait.
fn take(poller: &Poller, listener: i32, index: usize) {
    for _ in 0..64 {
        let Ok(connection) = sys::accept(listener) else {
            return;
        };
        let events = match PORTS[index] {
            SOURCE => sys::OUT | sys::RDHUP,
            _ => sys::IN,
        };
        let _ = sys::set_no_delay(&connection);
        let fd = connection.as_raw_fd();
        if poller.add(fd, events, key(index, fd)).is_ok() {
            // From here on the key is what holds it; `close` takes it back.
            let _ = connection.into_raw_fd();
        }
    }
}

/// One portion for one connection, so that none starves another; false at its
/// end.
fn carry(kind: usize, fd: i32, events: u32, buffer: &mut [u8]) -> bool {
    let outcome = match PORTS[kind] {
        ECHO => match sys::read(fd, &mut buffer[..1 << 16]) {
            Ok(0) => return false,
            Ok(length) => sys::write(fd, &buffer[..length]),
            Err(error) => Err(error),
        },
        SINK => sys::discard(fd, 1 << 22),
        _ if events & (sys::RDHUP | sys::HUP | sys::ERR) != 0 => return false,
        _ => sys::write(fd, &buffer[..1 << 17]),
    };
    match outcome {
        Ok(length) => length > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

fn close(fd: i32) {
    use std::os::fd::FromRawFd;
    // SAFETY: the key of a connection is made from a descriptor that was let go
    // of in `take`, and is not told of again after it is closed.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
}

/// Waits until somebody accepts connections there.
pub fn wait_until_served(machine: &Machine, address: SocketAddrV4) {
    eventually(Duration::from_secs(10), "the server listens", || {
        machine.run(move || TcpStream::connect(address).is_ok())
    });
}
