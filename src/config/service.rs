//! What a `[service NAME]` section means: where clients come in, which servers
//! they are spread over, and how. Values only; nothing here picks a server.

use core::net::{IpAddr, SocketAddr};

pub use crate::protocol::Proxy;

use super::model::{Config, Http};
use super::words::Words;
use crate::Duration;

/// A `[service NAME]` section. Its listeners and servers stand together in
/// [`Config::listeners`] and [`Config::servers`].
#[derive(Debug)]
pub struct Service<'a> {
    /// The section's name.
    pub name: &'a str,
    /// Its listeners: the first, and how many (at least 1).
    pub listeners: Span,
    /// Its servers: the first, and how many (at least 1).
    pub servers: Span,
    /// `balance`.
    pub balance: Balance,
    /// `stick`.
    pub stick: Stick,
    /// `check`: how each server is looked at.
    pub check: ServerCheck<'a>,
    /// `inter`: from one look at a server to the next.
    pub inter: Duration,
    /// `rise`: successes in a row until up, at least 1.
    pub rise: u16,
    /// `fall`: failures in a row until down, at least 1.
    pub fall: u16,
    /// `on_down = cut`: sessions end with their server.
    pub cut_on_down: bool,
    /// `retries`: attempts after the first, each on the next server.
    pub retries: u8,
    /// `timeout_connect`: what one attempt may take.
    pub timeout_connect: Duration,
    /// `timeout_client`: how long a client may be silent.
    pub timeout_client: Duration,
    /// `timeout_server`: how long a server may be silent.
    pub timeout_server: Duration,
    /// `timeout_udp`: an idle UDP session ends after it.
    pub timeout_udp: Duration,
    /// `maxconn`: sessions at once, over all workers; 0 = as many as there is
    /// room for.
    pub maxconn: u32,
    /// `source = client`: servers see the client's own address.
    pub transparent: bool,
}

/// Some neighbours of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The index of the first.
    pub first: u8,
    /// How many they are.
    pub count: u8,
}

impl Span {
    /// Those of a list that it means.
    pub fn of<T>(self, list: &[T]) -> &[T] {
        let list = list.get(usize::from(self.first)..).unwrap_or_default();
        list.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// Their indices.
    pub fn indices(self) -> impl Iterator<Item = u8> {
        (self.first..=u8::MAX).take(usize::from(self.count))
    }
}

impl<'a> Config<'a> {
    /// The servers of a service, in the order of the file.
    pub fn servers_of(&self, service: &Service<'a>) -> &[Server<'a>] {
        service.servers.of(&self.servers)
    }

    /// The index of the service that a server is of.
    pub fn service_of(&self, server: u8) -> usize {
        let has = |service: &Service<'_>| {
            let behind = server.wrapping_sub(service.servers.first);
            behind < service.servers.count
        };
        let index = self.services.iter().position(has);
        index.expect("each server is of a service")
    }

    /// Where a server is looked at: where it serves, unless its line says
    /// otherwise. One without a port serves on that of the first TCP listener,
    /// or of the first one.
    pub fn looked_at(&self, service: &Service<'a>, server: &Server<'a>) -> SocketAddr {
        let listeners = self.listeners_of(service);
        let tcp = listeners.iter().find(|l| l.transport == Transport::Tcp);
        let first = tcp.or(listeners.first());
        let port = match server.port {
            0 => first.map_or(0, |listener| listener.address.port()),
            port => port,
        };
        let own = SocketAddr::new(server.address, port);
        server.check.unwrap_or(own)
    }

    /// The listeners of a service, in the order of the file.
    pub fn listeners_of(&self, service: &Service<'a>) -> &[Listener] {
        service.listeners.of(&self.listeners)
    }
}

/// One `listen` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// TCP or UDP.
    pub transport: Transport,
    /// Where; an unspecified address is every one of its family, and an IPv6
    /// one takes no IPv4. The port is never 0.
    pub address: SocketAddr,
}

/// What carries a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
}

/// One `server` line.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// Its name, unlike that of every other server of the service.
    pub name: &'a str,
    /// Its address.
    pub address: IpAddr,
    /// Its port; 0: the one that the client asked for.
    pub port: u16,
    /// `weight`, 0..=256; a server of weight 0 gets no new session.
    pub weight: u16,
    /// `maxconn`: sessions at once, over all workers; 0 = as many as there is
    /// room for.
    pub maxconn: u32,
    /// `backup`: used when no other server is up.
    pub backup: bool,
    /// `check ADDR:PORT`: where it is looked at; absent: where it serves.
    pub check: Option<SocketAddr>,
    /// `send-proxy` or `send-proxy-v2`: who the client is, before its bytes.
    pub proxy: Proxy,
}

/// How a server of a session is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// In turn, by weight.
    RoundRobin,
    /// The one with the fewest sessions for its weight.
    LeastConn,
    /// By the client's address; a server that goes takes only its own clients
    /// along.
    Source,
}

/// What makes a client come to the same server again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stick {
    /// Nothing.
    None,
    /// Its address.
    Source,
    /// The session id of its TLS hello.
    TlsSessionId,
}

/// How a server is looked at.
#[derive(Clone, Copy, Debug)]
pub enum ServerCheck<'a> {
    /// Not at all: it counts as up.
    None,
    /// A connection can be made.
    Tcp,
    /// A page is given as it should be. The address in it is not used.
    Http(Http<'a>),
    /// A TLS server answers; the name that it is asked for, or "".
    Tls(&'a str),
    /// This command exits with 0; its environment names the server.
    Exec(Words<'a>),
}
