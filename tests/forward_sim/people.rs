//! Clients and servers: what they say, what they hear, and when they go.

use std::collections::BTreeMap;

use crate::clock::MS;
use crate::kernel::{Todo, with};
use crate::plan::{Plan, Style};

/// A client whose connection was made, or refused.
pub struct Client {
    pub says: Vec<u8>,
    pub hears: Vec<u8>,
    pub conn: Option<usize>,
    pub said: usize,
    pub heard: usize,
    pub end: End,
    /// Not all need come across: somebody broke something.
    pub excused: bool,
    /// It may find every server full.
    pub may_wait: bool,
    /// Its server has all, and its end.
    pub server_done: bool,
    pub server: Option<u8>,
    ended: bool,
}

/// How it came to an end for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    NotYet,
    Refused,
    Clean,
    Reset,
    /// It went by itself.
    Left,
}

/// A server's end of a connection.
pub struct Peer {
    /// Who it is, once it said so.
    pub client: Option<usize>,
    bytes: Vec<u8>,
    got: usize,
    said: usize,
    ended: bool,
    pub closed: bool,
}

pub struct People {
    pub clients: Vec<Client>,
    pub peers: BTreeMap<usize, Peer>,
    /// Whose connection is the client's end of which.
    pub of_conn: BTreeMap<usize, usize>,
    /// What must not be.
    pub wrong: Option<String>,
}

/// What leads each client's words: who it is.
const TAG: usize = 4;
/// A TLS hello of ours, in one record.
const HELLO: usize = 9 + 2 + 32 + 1 + 32 + 8;

fn hello(kind: u8, id: u64) -> Vec<u8> {
    let body = HELLO - 9;
    let record = body + 4;
    let mut bytes = vec![22, 3, 1, 0, record as u8, kind, 0, 0, body as u8, 3, 3];
    bytes.extend([7; 32]);
    bytes.push(32);
    for word in 0..4_u64 {
        bytes.extend((id.wrapping_mul(word + 1)).to_le_bytes());
    }
    bytes.extend([9; 8]);
    assert_eq!(bytes.len(), HELLO);
    bytes
}

fn stream(seed: u64, length: usize) -> impl Iterator<Item = u8> {
    (0..length as u64).map(move |at| (at.wrapping_mul(0x9e37) ^ (at >> 7) ^ seed) as u8)
}

/// The session that a client comes with; some come with that of another one.
pub fn session_of(client: usize) -> u64 {
    1 + (client % 7) as u64
}

impl Client {
    fn of(plan: &Plan, number: usize) -> Client {
        let line = &plan.clients[number];
        let tls = plan.services[line.service].stick == "tls-session-id";
        let (mut says, mut hears) = (Vec::new(), Vec::new());
        if tls {
            says.extend(hello(1, session_of(number)));
            hears.extend(hello(2, session_of(number)));
        }
        says.extend((number as u32).to_le_bytes());
        says.extend(stream(number as u64, line.says));
        hears.extend(stream(!number as u64, line.hears));
        Client {
            says,
            hears,
            conn: None,
            said: 0,
            heard: 0,
            end: End::NotYet,
            excused: !line.style.is_orderly(),
            may_wait: false,
            server_done: false,
            server: None,
            ended: false,
        }
    }
}

impl People {
    pub fn new(plan: &Plan) -> People {
        People {
            clients: (0..plan.clients.len())
                .map(|n| Client::of(plan, n))
                .collect(),
            peers: BTreeMap::new(),
            of_conn: BTreeMap::new(),
            wrong: None,
        }
    }

    fn wrong(&mut self, story: String) {
        self.wrong.get_or_insert(story);
    }

    /// Something happened at the far end of a connection.
    pub fn far(&mut self, plan: &Plan, conn: usize) {
        match self.of_conn.get(&conn) {
            Some(client) => self.client(plan, *client, conn),
            None => self.server(plan, conn),
        }
    }

    fn client(&mut self, plan: &Plan, number: usize, conn: usize) {
        let style = plan.clients[number].style;
        let client = &mut self.clients[number];
        if client.end != End::NotYet {
            return;
        }
        let moved = client.said + client.heard;
        match style {
            Style::ClientVanishes(at) if moved >= at => return,
            Style::ClientResets(at) if moved >= at => {
                client.end = End::Left;
                return with(|kernel| kernel.far_reset(conn));
            }
            Style::Leaves if client.said == client.says.len() => {
                client.end = End::Left;
                return with(|kernel| kernel.far_close(conn));
            }
            _ => {}
        }
        // Says.
        let room = with(|kernel| kernel.far_room(conn));
        let rest = &client.says[client.said..];
        let piece = rest.len().min(room);
        if piece > 0 {
            with(|kernel| kernel.far_write(conn, &rest[..piece]));
            client.said += piece;
        }
        if client.said < client.says.len() {
            with(|kernel| kernel.far_wants(conn));
        } else if style == Style::HalfClose && !client.ended {
            client.ended = true;
            with(|kernel| kernel.far_end(conn));
        }
        if matches!(
            style,
            Style::Leaves | Style::ClientResets(_) | Style::ClientVanishes(_)
        ) {
            // Looks again whether it is time to go.
            with(|kernel| kernel.later(MS, Todo::Far(conn)));
        }
        // Hears.
        let most = if style == Style::Slow {
            700
        } else {
            usize::MAX
        };
        let mut bytes = Vec::new();
        let got = with(|kernel| kernel.far_read(conn, most, &mut bytes));
        if style == Style::Slow && got > 0 {
            with(|kernel| kernel.later(5 * MS, Todo::Far(conn)));
        }
        let right = client.hears.get(client.heard..client.heard + got) == Some(&bytes[..]);
        client.heard += got;
        let all = client.heard == client.hears.len();
        let over = with(|kernel| kernel.far_ended(conn));
        let reset = with(|kernel| kernel.conns[conn].far_reset);
        if all && client.said == client.says.len() && !client.ended && !reset {
            client.ended = true;
            with(|kernel| kernel.far_end(conn));
        }
        let orphan = with(|kernel| kernel.conns[conn].orphan);
        let mut story = None;
        if reset && with(|kernel| kernel.conns[conn].ways[crate::stream::OUT].queue.is_empty()) {
            client.end = End::Reset;
        } else if over {
            client.end = End::Clean;
            if !all && !orphan {
                let (heard, all) = (client.heard, client.hears.len());
                story = Some(format!(
                    "client {number} hears an end after {heard} of {all} bytes"
                ));
            }
            // What it has still to say is of no use.
            if !client.ended {
                client.ended = true;
                with(|kernel| kernel.far_end(conn));
            }
        }
        if !right {
            story = Some(format!("client {number} hears other bytes than were said"));
        }
        if let Some(story) = story {
            self.wrong(story);
        }
    }

    fn server(&mut self, plan: &Plan, conn: usize) {
        let crate::stream::Party::Server(server) = with(|kernel| kernel.conns[conn].party) else {
            return;
        };
        let peer = self.peers.entry(conn).or_insert(Peer {
            client: None,
            bytes: Vec::new(),
            got: 0,
            said: 0,
            ended: false,
            closed: false,
        });
        if peer.closed {
            return;
        }
        let style = peer.client.map(|client| plan.clients[client].style);
        let moved = peer.got + peer.said;
        match style {
            Some(Style::ServerVanishes(at)) if moved >= at => return,
            Some(Style::ServerResets(at)) if moved >= at => {
                peer.closed = true;
                return with(|kernel| kernel.far_reset(conn));
            }
            _ => {}
        }
        let mut bytes = Vec::new();
        with(|kernel| kernel.far_read(conn, usize::MAX, &mut bytes));
        if let Err(story) = self.hear(plan, conn, server, &bytes) {
            return self.wrong(story);
        }
        self.speak(plan, conn);
    }

    /// A server hears these bytes.
    fn hear(&mut self, plan: &Plan, conn: usize, server: u8, bytes: &[u8]) -> Result<(), String> {
        let peer = self.peers.get_mut(&conn).expect("it was put there");
        let mut start = 0;
        let mut bytes = bytes.to_vec();
        if peer.client.is_none() {
            peer.bytes.extend(&bytes);
            let mut said = &peer.bytes[..];
            if plan.server(server.into()).proxy {
                let Some(end) = said.windows(2).position(|two| two == b"\r\n") else {
                    return Ok(());
                };
                said = &said[end + 2..];
            }
            let service = plan.service_of(server.into());
            let lead = match plan.services[service].stick {
                "tls-session-id" => HELLO,
                _ => 0,
            };
            let Some(tag) = said.get(lead..lead + TAG) else {
                return Ok(());
            };
            let number = u32::from_le_bytes(tag.try_into().expect("four bytes")) as usize;
            let Some(client) = self.clients.get_mut(number) else {
                return Err(format!("server {server} hears of a client {number}"));
            };
            if plan.server(server.into()).proxy {
                let address = plan.clients[number].address;
                let text = format!("PROXY TCP4 {} ", address.ip());
                if !peer.bytes.starts_with(text.as_bytes()) {
                    return Err(format!("server {server} is told of another than {address}"));
                }
            }
            if let Some(other) = client.server.replace(server) {
                return Err(format!("client {number} moves from {other} to {server}"));
            }
            if plan.clients[number].service != service {
                return Err(format!("client {number} is at a server of another service"));
            }
            peer.client = Some(number);
            bytes = said.to_vec();
            start = 0;
        } else {
            start += peer.got;
        }
        let number = peer.client.expect("it is known by now");
        let client = &self.clients[number];
        if client.says.get(start..start + bytes.len()) != Some(&bytes[..]) {
            return Err(format!(
                "server {server} hears other bytes than {number} said"
            ));
        }
        peer.got = start + bytes.len();
        Ok(())
    }

    /// A server says what it has to say now.
    fn speak(&mut self, plan: &Plan, conn: usize) {
        let peer = self.peers.get_mut(&conn).expect("it was put there");
        let over = with(|kernel| kernel.far_ended(conn));
        let reset = with(|kernel| kernel.conns[conn].far_reset);
        let Some(number) = peer.client else {
            peer.closed |= reset;
            if over && !peer.ended {
                peer.ended = true;
                with(|kernel| kernel.far_end(conn));
            }
            return;
        };
        let client = &mut self.clients[number];
        let style = plan.clients[number].style;
        let all = peer.got == client.says.len();
        if reset {
            peer.closed = true;
            return;
        }
        if all || style == Style::Flood {
            let room = with(|kernel| kernel.far_room(conn));
            let rest = &client.hears[peer.said..];
            let piece = rest.len().min(room);
            if piece > 0 {
                with(|kernel| kernel.far_write(conn, &rest[..piece]));
                peer.said += piece;
            }
        }
        let done = peer.said == client.hears.len();
        if !done {
            with(|kernel| kernel.far_wants(conn));
        }
        if matches!(style, Style::ServerResets(_) | Style::ServerVanishes(_)) {
            with(|kernel| kernel.later(MS, Todo::Far(conn)));
        }
        if over && !all && !with(|kernel| kernel.conns[conn].orphan) {
            let (got, all) = (peer.got, client.says.len());
            let story = format!("the server of client {number} hears an end after {got} of {all}");
            return self.wrong(story);
        }
        client.server_done |= over && all;
        let ends = match style {
            Style::ServerEnds => done && all,
            _ => over && (done || !all),
        };
        if ends && !peer.ended {
            peer.ended = true;
            with(|kernel| kernel.far_end(conn));
        }
    }
}
