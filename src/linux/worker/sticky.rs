//! Clients that come back to the server they had: known by their address, or by
//! the session id of their TLS hello, which is looked at and left in its socket.

use core::net::IpAddr;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use smena::config::Stick;
use smena::hello::{self, CLIENT_HELLO, HELLO_MAX, Hello, SERVER_HELLO, SessionId};
use smena::session::Id;
use smena::stick::Key;

use super::super::clock;
use super::super::relay::{self, CLIENT, SERVER, Side};
use super::Worker;

impl Worker<'_> {
    /// The server that a client of this address had.
    pub fn had(&self, id: Id, client: IpAddr) -> Option<u8> {
        let key = Key::client(self.sessions.service(id), client);
        self.shared.sticks().find(clock::now(), &key)
    }

    /// Something came of the client's first record: chooses a server as soon as
    /// that is possible.
    #[cold]
    #[inline(never)]
    pub fn on_hello(&mut self, id: Id, over: bool) {
        let prefer = match self.look(id, CLIENT, CLIENT_HELLO) {
            Hello::NeedMore if !over => return,
            Hello::NeedMore => None,
            Hello::NotTls => {
                self.relay.link(id).flags &= !relay::UNLEARNT;
                None
            }
            Hello::Id(session) => {
                let key = self.session_key(id, &session);
                key.and_then(|key| self.shared.sticks().find(clock::now(), &key))
            }
        };
        let step = self.sessions.go(id, prefer);
        self.carry_out(id, step);
    }

    /// The server's first record names the session that the client will come
    /// back with. False while there is too little of it.
    #[cold]
    #[inline(never)]
    pub fn learn(&mut self, id: Id, over: bool) -> bool {
        let said = self.look(id, SERVER, SERVER_HELLO);
        if said == Hello::NeedMore && !over {
            return false;
        }
        self.relay.link(id).flags &= !relay::UNLEARNT;
        if let Hello::Id(session) = said
            && let Some(key) = self.session_key(id, &session)
        {
            let server = self.sessions.server(id);
            self.shared.sticks().store(clock::now(), &key, server);
        }
        true
    }

    /// A client got its server: it will have it again.
    #[inline(never)]
    pub fn remember(&mut self, id: Id) {
        let (service, server) = (self.sessions.service(id), self.sessions.server(id));
        let line = &self.config.services[usize::from(service)];
        let socket = self.relay.link(id).socket(CLIENT).get();
        if line.stick == Stick::Source
            && let Some(client) = socket.and_then(super::attempt::peer)
        {
            let key = Key::client(service, client.ip());
            self.shared.sticks().store(clock::now(), &key, server);
        }
    }

    fn session_key(&self, id: Id, session: &SessionId) -> Option<Key> {
        let named = session.length != 0;
        named.then(|| Key::session(self.sessions.service(id), &session.bytes))
    }

    /// What the bytes are that wait at a side.
    fn look(&mut self, id: Id, side: Side, kind: u8) -> Hello {
        let mut bytes = [0; HELLO_MAX];
        let socket = self.relay.link(id).socket(side).get();
        match socket.map(|socket| recv(socket, &mut bytes, RecvFlags::PEEK)) {
            // Its end, or an error that the relay will meet.
            Some(Ok((_, 0))) => Hello::NotTls,
            Some(Ok((_, got))) => hello::read(kind, bytes.get(..got).unwrap_or_default()),
            // A reset is told once.
            Some(Err(Errno::CONNRESET)) if side == SERVER => {
                self.relay.lose(id, SERVER);
                Hello::NotTls
            }
            _ => Hello::NeedMore,
        }
    }
}
