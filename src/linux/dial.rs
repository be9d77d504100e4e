//! Sockets towards servers: opened, bound where the client's address is to be
//! seen, and set up once a connection proves to be a long one.

use core::net::SocketAddr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use smena::config::{Server, Service};
use smena::session::Failed;

use super::arch::option::{SO_KEEPALIVE, SO_LINGER, SOL_SOCKET};
use super::socket::{connected_to_itself, setsockopt};

const SOL_IP: usize = 0;
const SOL_TCP: usize = 6;
const SOL_IPV6: usize = 41;
const IP_TRANSPARENT: usize = 19;
const IP_BIND_ADDRESS_NO_PORT: usize = 24;
const IPV6_TRANSPARENT: usize = 75;
const TCP_NODELAY: usize = 1;
const TCP_KEEPIDLE: usize = 4;
const TCP_KEEPINTVL: usize = 5;
const TCP_KEEPCNT: usize = 6;
const TCP_USER_TIMEOUT: usize = 18;

/// Ports from which the kernel may choose one for our side, usually.
const FREE_PORTS: u16 = 32_768;
/// Silence of this many milliseconds is bounded by the kernel itself.
const USER_TIMEOUT_MAX: u64 = 900_000;

/// Begins to connect to a server, on the port that was asked for where it has
/// none of its own; as `client`, where that is wanted.
pub fn dial(
    server: &Server<'_>,
    asked: u16,
    client: Option<SocketAddr>,
) -> Result<OwnedFd, Failed> {
    let port = if server.port == 0 { asked } else { server.port };
    let to = SocketAddr::new(server.address, port);
    open(to, client).map_err(|errno| match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => Failed::NoRoom,
        Errno::CONNREFUSED
        | Errno::CONNRESET
        | Errno::HOSTUNREACH
        | Errno::HOSTDOWN
        | Errno::NETUNREACH
        | Errno::TIMEDOUT => Failed::Refused,
        // What this machine itself refuses says nothing about the server.
        _ => Failed::NoPort,
    })
}

fn open(to: SocketAddr, client: Option<SocketAddr>) -> Result<OwnedFd, Errno> {
    let family = match to.is_ipv4() {
        true => AddressFamily::INET,
        false => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    if let Some(client) = client {
        let (level, name) = match to.is_ipv4() {
            true => (SOL_IP, IP_TRANSPARENT),
            false => (SOL_IPV6, IPV6_TRANSPARENT),
        };
        set(socket.as_fd(), level, name, 1)?;
        // The port is chosen when the server is known, or there would be only
        // so many for all servers together.
        let _ = set(socket.as_fd(), SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        // Its scope stays: an address of the link is none without.
        let mut from = client;
        from.set_port(0);
        bind(&socket, &from)?;
    }
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(errno) => return Err(errno),
    }
    // Towards a free port of this machine, the kernel may have chosen that very
    // port for us: then nobody else is there.
    if to.ip().is_loopback()
        && to.port() >= FREE_PORTS
        && connected_to_itself(socket.as_fd(), to.port())
    {
        return Err(Errno::CONNREFUSED);
    }
    Ok(socket)
}

/// Sets a socket up for a peer that may vanish: what it does not acknowledge for
/// as long as it may be silent is the end of it. Accepted ones take it over from
/// their listener.
pub fn watch_over(socket: BorrowedFd<'_>, service: &Service<'_>) {
    let silence = service.timeout_client.min(service.timeout_server);
    let silence = silence.total_millis();
    if silence <= USER_TIMEOUT_MAX {
        let _ = set(socket, SOL_TCP, TCP_USER_TIMEOUT, silence as u32);
        return;
    }
    // It may be silent for longer than the kernel's own patience with what is
    // not acknowledged: so it is asked whether it is there.
    let settings = [
        (SOL_SOCKET, SO_KEEPALIVE, 1),
        (SOL_TCP, TCP_KEEPIDLE, 120),
        (SOL_TCP, TCP_KEEPINTVL, 30),
        (SOL_TCP, TCP_KEEPCNT, 6),
    ];
    for (level, name, value) in settings {
        let _ = set(socket, level, name, value);
    }
}

/// Small pieces are sent as they come.
pub fn do_not_delay(socket: BorrowedFd<'_>) {
    let _ = set(socket, SOL_TCP, TCP_NODELAY, 1);
}

/// Closing it will reset the connection, so that the other side sees that it was
/// not the end.
pub fn reset_on_close(socket: BorrowedFd<'_>) {
    // On, and 0 s.
    let mut linger = [0; 8];
    linger[..4].copy_from_slice(&1_u32.to_ne_bytes());
    let _ = setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger);
}

fn set(socket: BorrowedFd<'_>, level: usize, name: usize, value: u32) -> Result<(), Errno> {
    setsockopt(socket, level, name, &value.to_ne_bytes())
}
