//! From a client to its server: an attempt, the next one, and the first words.

use core::net::SocketAddr;

use rustix::event::epoll::{self, EventFlags};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::{SendFlags, getpeername, getsockname, send, sockopt};
use smena::config::{Proxy, Stick};
use smena::session::{Failed, Id, Step, Why};
use smena::wire::{PROXY_MAX, emit_proxy};

use super::super::dial::dial;
use super::super::relay::{self, CLIENT, SERVER};
use super::{WATCH, Worker, token};

impl Worker<'_> {
    /// Does what the core says, and what follows from it.
    pub fn carry_out(&mut self, id: Id, mut step: Step) {
        loop {
            match step {
                Step::Wait => return,
                Step::Ended(why) => return self.let_go(id, why),
                // Whoever has gone is not spoken for under another name.
                Step::Connect(_) if self.service(id).transparent && self.client(id).is_none() => {
                    return self.abort(id, Why::Reset, [true, true]);
                }
                Step::Connect(server) => match self.connect(id, server) {
                    Ok(()) => return,
                    Err(failed) => step = self.fail(id, failed),
                },
            }
        }
    }

    fn connect(&mut self, id: Id, server: u8) -> Result<(), Failed> {
        let service = self.service(id);
        let line = &self.config.servers[usize::from(server)];
        let link = self.relay.link(id);
        let asked = &self.config.listeners[usize::from(link.listener)];
        let client = match service.transparent {
            true => link.socket(CLIENT).get().and_then(peer),
            false => None,
        };
        let socket = dial(line, asked.address.port(), client)?;
        let watch = WATCH | EventFlags::OUT;
        epoll::add(self.epoll, &socket, token(id, SERVER), watch).map_err(|_| Failed::NoRoom)?;
        link.socket(SERVER).put(socket);
        Ok(())
    }

    /// An attempt failed.
    #[cold]
    #[inline(never)]
    pub fn fail(&mut self, id: Id, why: Failed) -> Step {
        self.relay.link(id).socket(SERVER).close();
        self.report |= matches!(why, Failed::Refused | Failed::Late);
        self.sessions.failed(id, why)
    }

    /// The server answered: true when it took the connection.
    pub fn reached(&mut self, id: Id, events: EventFlags) -> bool {
        if events.intersects(EventFlags::ERR | EventFlags::HUP) {
            let link = self.relay.link(id);
            let socket = link.socket(SERVER).get();
            let error = socket.and_then(|socket| sockopt::socket_error(socket).ok());
            // One that was taken and reset at once was taken. Nothing tells of the
            // reset again.
            match error {
                Some(Err(Errno::CONNRESET)) => self.relay.lose(id, SERVER),
                Some(Err(Errno::PIPE)) => {}
                _ => {
                    let step = self.fail(id, Failed::Refused);
                    self.carry_out(id, step);
                    return false;
                }
            }
        } else if !events.intersects(EventFlags::OUT) {
            return false;
        }
        self.sessions.connected(id);
        let server = usize::from(self.sessions.server(id));
        let version = self.config.servers[server].proxy;
        if version != Proxy::None && !self.introduce(id, version) {
            self.abort(id, Why::Reset, [true, true]);
            return false;
        }
        if self.service(id).stick == Stick::Source {
            self.remember(id);
        }
        let link = self.relay.link(id);
        if link.flags & relay::WATCHED != 0 {
            // What it said was seen before, so epoll will not tell of it again.
            self.relay.note(id, CLIENT, relay::READABLE, false, false);
            self.relay.queue(id, CLIENT);
            return true;
        }
        if !self.watch_client(id) {
            self.abort(id, Why::NoRoom, [true, true]);
            return false;
        }
        true
    }

    /// Puts the client's socket into epoll.
    pub fn watch_client(&mut self, id: Id) -> bool {
        let link = self.relay.link(id);
        let socket = link.socket(CLIENT).get();
        let add = |socket| epoll::add(self.epoll, socket, token(id, CLIENT), WATCH).is_ok();
        let watched = socket.is_some_and(add);
        if watched {
            link.flags |= relay::WATCHED;
        }
        watched
    }

    /// Tells the server who the client is. False: it did not hear it, so it must
    /// not hear the client either, whose first bytes it would take for ours.
    #[inline(never)]
    fn introduce(&mut self, id: Id, version: Proxy) -> bool {
        let link = self.relay.link(id);
        let mut header = [0; PROXY_MAX];
        // One that has reset its connection has no address any more.
        if let Some(socket) = link.socket(CLIENT).get()
            && let Some(client) = peer(socket)
            && let Ok(asked) = getsockname(socket)
            && let Ok(asked) = SocketAddr::try_from(asked)
            && let Some(server) = link.socket(SERVER).get()
        {
            let length = emit_proxy(version, client, asked, &mut header);
            let header = header.get(..length).unwrap_or_default();
            // A new connection has room for it.
            return send(server, header, SendFlags::NOSIGNAL) == Ok(length);
        }
        false
    }

    /// Who the client of a session is; none when it has gone.
    fn client(&mut self, id: Id) -> Option<SocketAddr> {
        self.relay.link(id).socket(CLIENT).get().and_then(peer)
    }
}

/// Who is on the other side.
pub fn peer(socket: BorrowedFd<'_>) -> Option<SocketAddr> {
    let peer = getpeername(socket).ok()??;
    SocketAddr::try_from(peer).ok()
}
