//! Where clients come in: the listeners of all workers. The keeper binds them
//! before anything else begins and keeps them, so that a worker's replacement
//! inherits the queue of connections that its predecessor did not accept.
//!
//! Each worker has its own socket for each `listen` line; the kernel spreads
//! connections over them (SO_REUSEPORT). A listener that cannot be bound is told
//! with who is in its way, all of them in one go.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use heapless::Vec;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, bind, listen, shutdown, socket_with,
};
use rustix::thread::nanosleep;
use rustix::time::Timespec;
use smena::address::Shown;
use smena::board;
use smena::config::{Config, Listener, Service, Transport};
use smena::pack::{Packed, packed};
use smena::say::{Number, Plain};

use super::arch::option::{SO_REUSEADDR, SO_REUSEPORT, SOL_SOCKET};
use super::failure::{self, Failure};
use super::{owner, socket};

/// Connections that may wait to be accepted. The kernel takes less where
/// `net.core.somaxconn` says so.
const BACKLOG: i32 = 65_535;

/// How often, over all listeners, a port that is in use is tried again.
const PATIENCE: u8 = 50;
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};

/// What one worker has from the keeper alone. All of it stays the keeper's too.
pub struct Doorway {
    /// One socket for each line of `Config::listeners`, in that order. One of a
    /// service that refuses clients hangs up until it accepts them again.
    pub listeners: Vec<OwnedFd, { board::LISTENERS_MAX }>,
    /// Readable when the keeper has changed something for the worker to look
    /// at (an eventfd).
    pub wake: OwnedFd,
}

/// Those of all workers, by their number.
pub type All = Vec<Doorway, { board::WORKERS_MAX }>;

/// Makes those of all workers, or, without a service, of none.
///
/// # Errors
/// A listener that cannot be bound; all but the last of them are told here.
pub fn open<'d>(config: &Config<'_>, all: &'d mut All) -> Result<&'d mut All, Failure> {
    let mut failure = None;
    let mut patience = PATIENCE;
    for service in &config.services {
        for listener in config.listeners_of(service) {
            if let Err((call, errno)) = try_alone(listener, service.transparent, &mut patience) {
                if let Some(earlier) = failure {
                    failure::tell(&earlier, config.node.log_target);
                }
                failure = Some(explain(service, listener, call, errno));
            }
        }
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    if !config.services.is_empty() {
        for _ in 0..config.node.workers() {
            let doors = open_one(config)?;
            // The reader of the configuration counts them.
            let fitted = all.push(doors).is_ok();
            assert!(fitted);
        }
    }
    Ok(all)
}

/// Has clients of a service refused from now on, by the kernel and at once, or
/// lets them in again.
pub fn set_open(
    config: &Config<'_>,
    service: &Service<'_>,
    doors: &Doorway,
    open: bool,
) -> Result<(), Errno> {
    let mut done = Ok(());
    for number in service.listeners.indices().map(usize::from) {
        // A datagram cannot be refused by a socket that is there.
        if config.listeners[number].transport == Transport::Tcp {
            let socket = &doors.listeners[number];
            // A port where nobody listens may be had by everybody who asks for
            // SO_REUSEADDR, if whoever is bound there does too.
            let reuse = u32::from(open).to_ne_bytes();
            let _ = socket::setsockopt(socket.as_fd(), SOCKET.into(), REUSEADDR.into(), &reuse);
            match open {
                true => done = done.and(listen(socket, BACKLOG)),
                // One that does not listen refuses already.
                false => drop(shutdown(socket, Shutdown::Read)),
            }
        }
    }
    done
}

/// Level and name of an option. Half a word each makes the table of options small.
const SOCKET: u16 = SOL_SOCKET as u16;
const REUSEADDR: u16 = SO_REUSEADDR as u16;

/// Whether a listener could be bound if nobody shared its port: with
/// SO_REUSEPORT another smena of the same user would, and take half of the
/// clients without a word. What a killed run leaves goes within a moment, and is
/// waited for.
fn try_alone(
    listener: &Listener,
    transparent: bool,
    patience: &mut u8,
) -> Result<(), (&'static str, Errno)> {
    loop {
        match bind_one(listener, transparent, false) {
            Err((_, Errno::ADDRINUSE)) if *patience > 0 => {
                *patience -= 1;
                let _ = nanosleep(&PAUSE);
            }
            other => return other.map(drop),
        }
    }
}

/// The doors of one worker.
fn open_one(config: &Config<'_>) -> Result<Doorway, Failure> {
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    let no_room = |errno| {
        let mend = packed!("raise the limits of memory and open files");
        Failure::new(format_args!("eventfd (workers)"), errno, mend)
    };
    let mut doors = Doorway {
        listeners: Vec::new(),
        wake: eventfd(0, flags).map_err(no_room)?,
    };
    for service in &config.services {
        for listener in config.listeners_of(service) {
            let socket = bind_one(listener, service.transparent, true)
                .map_err(|(call, errno)| explain(service, listener, call, errno))?;
            let fitted = doors.listeners.push(socket).is_ok();
            assert!(fitted);
        }
    }
    Ok(doors)
}

/// Binds a listener, to share its port or to have it alone. A failure comes with
/// the call.
fn bind_one(
    listener: &Listener,
    transparent: bool,
    shared: bool,
) -> Result<OwnedFd, (&'static str, Errno)> {
    const REUSEPORT: u16 = SO_REUSEPORT as u16;
    const TCP: u16 = 6;
    const NODELAY: u16 = 1;
    const IP: u16 = 0;
    const IPV6: u16 = 41;
    let tcp = listener.transport == Transport::Tcp;
    let v6 = listener.address.is_ipv6();
    // Freebind, transparent, packet info.
    let (level, [free, clear, info]) = match v6 {
        false => (IP, [15, 19, 8]),
        true => (IPV6, [78, 75, 49]),
    };
    const ONLY_V6: u16 = 26;
    let options = [
        // Connections of an earlier run that linger do not hinder. With
        // datagrams it would let others in.
        (tcp, SOCKET, REUSEADDR, "setsockopt SO_REUSEADDR"),
        (shared, SOCKET, REUSEPORT, "setsockopt SO_REUSEPORT"),
        // Each accepted connection inherits it.
        (tcp, TCP, NODELAY, "setsockopt TCP_NODELAY"),
        (v6, IPV6, ONLY_V6, "setsockopt IPV6_V6ONLY"),
        // The address comes when this node is master.
        (true, level, free, "setsockopt IP_FREEBIND"),
        (transparent, level, clear, "setsockopt IP_TRANSPARENT"),
        // The answer comes from the address that was asked.
        (!tcp, level, info, "setsockopt IP_PKTINFO"),
    ];
    let (family, kind) = (
        AddressFamily::from_raw(if v6 { 10 } else { 2 }),
        match tcp {
            true => SocketType::STREAM,
            false => SocketType::DGRAM,
        },
    );
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, kind, flags, None).map_err(|errno| ("socket", errno))?;
    for (_, level, name, call) in options.into_iter().filter(|option| option.0) {
        let one = 1_u32.to_ne_bytes();
        socket::setsockopt(socket.as_fd(), level.into(), name.into(), &one)
            .map_err(|errno| (call, errno))?;
    }
    bind(&socket, &listener.address).map_err(|errno| ("bind", errno))?;
    if tcp && shared {
        listen(&socket, BACKLOG).map_err(|errno| ("listen", errno))?;
    }
    Ok(socket)
}

/// Why a listener cannot be bound, and the mend.
#[cold]
#[inline(never)]
fn explain(service: &Service<'_>, listener: &Listener, call: &str, errno: Errno) -> Failure {
    let (call, name) = (Plain(call), Plain(service.name));
    let kind = Plain(match listener.transport {
        Transport::Tcp => "",
        Transport::Udp => "udp ",
    });
    let (address, port) = (
        listener.address.ip(),
        Number(listener.address.port().into()),
    );
    // As it is written in the file.
    let star = address == Ipv4Addr::UNSPECIFIED;
    let address: &dyn fmt::Display = match address {
        _ if star => &Plain("*"),
        IpAddr::V4(_) => &Shown(address),
        IpAddr::V6(_) => &format_args!("[{}]", Shown(address)),
    };
    let owner = match errno {
        Errno::ADDRINUSE => owner::of(listener),
        _ => None,
    };
    match owner {
        None => Failure::new(
            format_args!("{call} {kind}{address}:{port} ([service {name}])"),
            errno,
            mend(call.0, errno),
        ),
        Some(owner) => Failure::new(
            format_args!(
                "{call} {kind}{address}:{port} ([service {name}], used by {}, pid {})",
                Plain(owner.name.as_str()),
                Number(owner.pid.into())
            ),
            errno,
            packed!("stop it, or listen elsewhere"),
        ),
    }
}

/// What to do when a listener cannot be bound.
fn mend(call: &str, errno: Errno) -> Packed {
    match errno {
        Errno::ADDRINUSE => packed!("somebody else has the port: stop it, or listen elsewhere"),
        Errno::ACCESS => packed!(
            "a port below net.ipv4.ip_unprivileged_port_start takes root or CAP_NET_BIND_SERVICE"
        ),
        Errno::PERM if call.ends_with("TRANSPARENT") => {
            packed!("`source = client` takes root or CAP_NET_RAW")
        }
        Errno::AFNOSUPPORT => {
            packed!("this system has no such addresses: enable IPv6, or remove the line")
        }
        // The kernel's answer to an address of IPv6 where it is switched off.
        Errno::ADDRNOTAVAIL => {
            packed!("enable IPv6 (net.ipv6.conf.all.disable_ipv6), or remove the line")
        }
        Errno::MFILE | Errno::NFILE => packed!("raise the limit of open files"),
        _ => packed!(""),
    }
}
