//! What a seed makes of a world: services, servers, limits, who comes when, and
//! how it behaves.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::clock::{At, MS, SECOND};
use crate::random::Random;

/// A world.
pub struct Plan {
    pub workers: u8,
    pub services: Vec<Service>,
    /// Descriptors that a worker may have.
    pub descriptors: u64,
    pub clients: Vec<Client>,
    pub flows: Vec<Flow>,
    /// How long the storm takes; 0: there is none.
    pub storm: At,
    /// A planned stop at the end, with so much time for sessions to end.
    pub farewell: Option<At>,
    pub latency: At,
}

pub struct Service {
    pub udp: bool,
    pub servers: Vec<Server>,
    pub balance: &'static str,
    pub stick: &'static str,
    pub checked: bool,
    pub maxconn: u32,
    pub retries: u8,
    pub connect: At,
    pub idle: At,
    pub cut: bool,
}

pub struct Server {
    pub weight: u16,
    pub maxconn: u32,
    pub backup: bool,
    pub proxy: bool,
}

/// How a client and its server behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Asks, hears the answer, and then the client ends.
    ClientEnds,
    /// Asks and ends, and hears the answer then.
    HalfClose,
    /// The server ends once it has answered.
    ServerEnds,
    /// Both say all they have at once.
    Flood,
    /// The client hears slowly.
    Slow,
    /// The client resets after so many bytes that it heard or said.
    ClientResets(usize),
    ServerResets(usize),
    /// Says and hears nothing any more.
    ClientVanishes(usize),
    ServerVanishes(usize),
    /// Closes without hearing the answer.
    Leaves,
}

impl Style {
    /// Whether everything both have to say comes across.
    pub fn is_orderly(self) -> bool {
        matches!(
            self,
            Style::ClientEnds | Style::HalfClose | Style::ServerEnds | Style::Flood | Style::Slow
        )
    }
}

pub struct Client {
    pub service: usize,
    pub address: SocketAddr,
    pub at: At,
    pub style: Style,
    pub says: usize,
    pub hears: usize,
}

/// A client of datagrams.
pub struct Flow {
    pub service: usize,
    pub at: At,
    /// From one datagram to the next, and how many.
    pub pause: At,
    pub count: u32,
}

/// A few clients share an address.
pub fn client_address(client: usize) -> SocketAddr {
    let host = (client % 11) as u8;
    SocketAddr::from(([172, 16, 0, host], 1024 + client as u16))
}

pub fn flow_address(flow: usize) -> SocketAddr {
    let host = (flow % 13) as u8;
    let (high, low) = ((flow / 60_000) as u8, flow % 60_000);
    SocketAddr::from(([172, 17, high, host], 1024 + low as u16))
}

impl Plan {
    pub fn of(seed: u64) -> Plan {
        let mut random = Random::new(seed, 1);
        let workers = random.between(1, 3) as u8;
        let calm = random.chance(250);
        let count = random.between(1, 3);
        let services: Vec<Service> = (0..count).map(|_| service(&mut random)).collect();
        let storm = if calm {
            0
        } else {
            random.between(2, 8) * SECOND
        };
        let descriptors = random.pick(&[48, 64, 128, 1024, 1024]);
        let mut plan = Plan {
            workers,
            services,
            descriptors,
            clients: Vec::new(),
            flows: Vec::new(),
            storm,
            farewell: None,
            latency: random.magnitude(30, 3 * MS),
        };
        if random.chance(300) {
            plan.farewell = Some(random.pick(&[0, 200 * MS, 2 * SECOND]));
        }
        plan.people(&mut random);
        plan
    }

    fn people(&mut self, random: &mut Random) {
        // Sometimes there are more clients of datagrams than descriptors.
        let rush = random.chance(150);
        let all = random.between(10, 70) * if rush { 4 } else { 1 };
        if rush {
            self.descriptors = self.descriptors.min(40);
        }
        for _ in 0..all {
            let service = random.below(self.services.len() as u64) as usize;
            if rush && !self.services[service].udp && random.chance(800) {
                continue;
            }
            let at = random.below(self.storm + 2 * SECOND);
            if self.services[service].udp {
                let pauses = [5 * MS, 100 * MS, SECOND, 3 * SECOND];
                self.flows.push(Flow {
                    service,
                    at,
                    pause: random.pick(&pauses),
                    count: random.between(1, 12) as u32,
                });
                continue;
            }
            let large = random.chance(100);
            let size = |random: &mut Random| match large {
                true => random.between(1, 300_000) as usize,
                false => random.magnitude(1, 9_000) as usize,
            };
            let (says, hears) = (size(random), size(random));
            let client = self.clients.len();
            self.clients.push(Client {
                service,
                address: client_address(client),
                at,
                style: style(random, says, hears),
                says,
                hears,
            });
        }
    }

    /// The file of this plan.
    pub fn ini(&self) -> String {
        let mut text = String::new();
        let out = &mut text;
        let _ = writeln!(out, "[node]\nname = n\nworkers = {}", self.workers);
        if let Some(patience) = self.farewell.filter(|patience| *patience > 0) {
            let _ = writeln!(out, "drain_timeout = {}ms", patience / MS);
        }
        let mut number = 0;
        for (index, service) in self.services.iter().enumerate() {
            let kind = if service.udp { "udp " } else { "" };
            let _ = writeln!(out, "[service s{index}]");
            let _ = writeln!(out, "listen = {kind}10.0.0.1:{}", 8000 + index);
            let _ = writeln!(out, "balance = {}", service.balance);
            let _ = writeln!(out, "stick = {}", service.stick);
            for server in &service.servers {
                let _ = write!(out, "server = a{number} 10.1.0.{number}:80");
                let _ = write!(out, " weight {}", server.weight);
                if server.maxconn > 0 {
                    let _ = write!(out, " maxconn {}", server.maxconn);
                }
                if server.backup {
                    let _ = write!(out, " backup");
                }
                if server.proxy {
                    let _ = write!(out, " send-proxy");
                }
                let _ = writeln!(out);
                number += 1;
            }
            let check = match service.checked {
                true => "tcp",
                false => "none",
            };
            let _ = writeln!(out, "check = {check}");
            if service.checked {
                let _ = writeln!(out, "inter = 300ms\nrise = 2\nfall = 2");
            }
            if service.maxconn > 0 {
                let _ = writeln!(out, "maxconn = {}", service.maxconn);
            }
            if service.cut && service.checked {
                let _ = writeln!(out, "on_down = cut");
            }
            if service.udp {
                let _ = writeln!(out, "timeout_udp = {}ms", service.idle / MS);
                continue;
            }
            let _ = writeln!(out, "retries = {}", service.retries);
            let _ = writeln!(out, "timeout_connect = {}ms", service.connect / MS);
            let _ = writeln!(out, "timeout_client = {}ms", service.idle / MS);
            let _ = writeln!(out, "timeout_server = {}ms", (service.idle + SECOND) / MS);
        }
        text
    }

    /// The service of a server, by their numbers.
    pub fn service_of(&self, server: usize) -> usize {
        let mut behind = server;
        for (index, service) in self.services.iter().enumerate() {
            match behind.checked_sub(service.servers.len()) {
                Some(rest) => behind = rest,
                None => return index,
            }
        }
        panic!("there is no server {server}");
    }

    pub fn server(&self, server: usize) -> &Server {
        let mut all = self.services.iter().flat_map(|service| &service.servers);
        all.nth(server).expect("a server of the plan")
    }

    pub fn servers(&self) -> usize {
        self.services
            .iter()
            .map(|service| service.servers.len())
            .sum()
    }
}

fn service(random: &mut Random) -> Service {
    let udp = random.chance(300);
    let limited = random.chance(250);
    let mut servers: Vec<Server> = (0..random.between(1, 5))
        .map(|_| Server {
            weight: random.pick(&[1, 1, 1, 2, 3, 7]),
            maxconn: match limited && !udp {
                true => random.between(1, 6) as u32,
                false => 0,
            },
            backup: false,
            proxy: !udp && random.chance(100),
        })
        .collect();
    if servers.len() > 1 && random.chance(200) {
        let last = servers.len() - 1;
        servers[last].backup = true;
    }
    let sticks = match udp {
        true => ["none", "source", "source"],
        false => ["none", "source", "tls-session-id"],
    };
    Service {
        udp,
        servers,
        balance: random.pick(&["roundrobin", "roundrobin", "leastconn", "source"]),
        stick: match random.chance(600) {
            true => "none",
            false => random.pick(&sticks),
        },
        checked: !udp && random.chance(700),
        maxconn: match random.chance(200) {
            true => random.between(1, 12) as u32,
            false => 0,
        },
        retries: random.below(4) as u8,
        connect: random.pick(&[200 * MS, SECOND]),
        idle: random.pick(&[SECOND, 3 * SECOND]),
        cut: random.chance(300),
    }
}

fn style(random: &mut Random, says: usize, hears: usize) -> Style {
    let at = random.below((says + hears) as u64) as usize;
    match random.below(16) {
        0 => Style::ClientResets(at),
        1 => Style::ServerResets(at),
        2 => Style::ClientVanishes(at),
        3 => Style::ServerVanishes(at),
        4 => Style::Leaves,
        5..=7 => Style::HalfClose,
        8 | 9 => Style::ServerEnds,
        10 => Style::Slow,
        11 | 12 => Style::Flood,
        _ => Style::ClientEnds,
    }
}
