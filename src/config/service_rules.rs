//! The rules that tie the keys of a `[service]` section together, and services
//! to each other.

use core::net::IpAddr;

use super::diagnostic::{Argument, Template, template};
use super::reader::Reader;
use super::service::{Listener, Proxy, Server, ServerCheck, Service, Stick, Transport};
use super::{check_entry, service::Balance};
use crate::Duration;

impl Listener {
    /// Whether both would get what is sent to some address.
    pub(super) fn meets(&self, other: &Listener) -> bool {
        let (one, two) = (self.address.ip(), other.address.ip());
        self.transport == other.transport
            && self.address.port() == other.address.port()
            && one.is_ipv4() == two.is_ipv4()
            && (one == two || one.is_unspecified() || two.is_unspecified())
    }
}

impl Reader<'_, '_> {
    /// The end of a `[service]` section.
    #[inline(never)]
    pub(super) fn end_service(&mut self) {
        let listeners = self.service.listeners.of(&self.config.listeners);
        let has = |transport| listeners.iter().any(|one| one.transport == transport);
        let (tcp, udp) = (has(Transport::Tcp), has(Transport::Udp));
        if tcp || udp {
            self.check_transports(tcp, udp);
        }
        self.end_server_check(tcp || !udp);
        self.check_servers(udp);
        let service = core::mem::replace(&mut self.service, Service::blank());
        let room = self.limits.services;
        if self.config.services.len() >= room || self.config.services.push(service).is_err() {
            self.no_room(self.header, "[service] sections", room, "services");
        }
        self.ask = check_entry::Asking::NOTHING;
    }

    /// What only one of TCP and UDP has.
    fn check_transports(&mut self, tcp: bool, udp: bool) {
        const OF_TCP: &Template = template!(
            "`{0}` without a listener of TCP",
            "remove it: UDP has `timeout_udp`"
        );
        const OF_UDP: &Template = template!("`{0}` without a listener of UDP", "remove it");
        for (key, there, template) in [
            ("timeout_connect", tcp, OF_TCP),
            ("timeout_client", tcp, OF_TCP),
            ("timeout_server", tcp, OF_TCP),
            ("timeout_udp", udp, OF_UDP),
        ] {
            if self.given(key) && !there {
                let at = self.value_of(key);
                self.findings.error(at, template, &[Argument::Text(key)]);
            }
        }
        if udp && self.service.stick == Stick::TlsSessionId {
            self.findings.error(
                self.value_of("stick"),
                template!(
                    "UDP has no TLS session id",
                    "write `stick = source`, or a [service] of its own for UDP"
                ),
                &[],
            );
        }
    }

    /// What is said of the check belongs to its kind.
    fn end_server_check(&mut self, tcp: bool) {
        if !self.said("check") {
            self.service.check = match tcp {
                true => ServerCheck::Tcp,
                false => ServerCheck::None,
            };
        }
        let ask = self.ask;
        let (page, name) = match &mut self.service.check {
            ServerCheck::Http(page) => {
                (page.expect, page.host) = (ask.expect, ask.host);
                (true, true)
            }
            ServerCheck::Tls(name) => {
                *name = ask.host;
                (false, true)
            }
            _ => (false, false),
        };
        let none = matches!(self.service.check, ServerCheck::None);
        for (key, fits, wants) in [
            ("check_expect", page, "check = http"),
            ("check_host", name, "check = http"),
            ("inter", !none, "check"),
            ("rise", !none, "check"),
            ("fall", !none, "check"),
        ] {
            if self.given(key) && !fits {
                self.findings.error(
                    self.value_of(key),
                    template!("`{0}` without `{1}`", "remove it"),
                    &[Argument::Text(key), Argument::Text(wants)],
                );
            }
        }
        let asks = matches!(
            self.service.check,
            ServerCheck::Tcp | ServerCheck::Http(_) | ServerCheck::Tls(_)
        );
        for index in self.service.servers.indices() {
            let index = usize::from(index);
            let Some(&Server { check, .. }) = self.config.servers.get(index) else {
                continue;
            };
            if check.is_some() && !asks {
                self.findings.error(
                    self.server_at(index),
                    template!(
                        "`check ADDRESS:PORT` without a check that asks there",
                        "remove it, or write `check = tcp`"
                    ),
                    &[],
                );
            }
            if check.is_none() && asks && !tcp {
                self.findings.error(
                    self.server_at(index),
                    template!(
                        "nothing says where TCP is answered here",
                        "add `check ADDRESS:PORT`, or write `check = none` or `exec COMMAND`"
                    ),
                    &[],
                );
            }
        }
    }

    /// What the servers must have in common with the section.
    fn check_servers(&mut self, udp: bool) {
        let mut weighs = false;
        for index in self.service.servers.indices() {
            let index = usize::from(index);
            let Some(&server) = self.config.servers.get(index) else {
                continue;
            };
            weighs |= server.weight > 0;
            let listeners = self.service.listeners.of(&self.config.listeners);
            let other = |one: &Listener| one.address.is_ipv4() != server.address.is_ipv4();
            if self.service.transparent && listeners.iter().any(other) {
                self.findings.error(
                    self.server_at(index),
                    template!(
                        "with `source = client` a server and its clients are of one family",
                        "write a [service] for each of IPv4 and IPv6, or `source = proxy`"
                    ),
                    &[],
                );
            }
            if udp && server.proxy != Proxy::None {
                self.findings.error(
                    self.server_at(index),
                    template!(
                        "a PROXY header in front of UDP is understood by nobody",
                        "remove it; `source = client` shows the client's address"
                    ),
                    &[],
                );
            }
        }
        if !weighs && self.given("server") && self.service.servers.count > 0 {
            self.findings.error(
                self.value_of("server"),
                template!(
                    "every server of {0} has weight 0",
                    "one of them needs a weight of 1 or more"
                ),
                &[self.section()],
            );
        }
    }

    /// The end of the file: no server is a listener of ours, which would go
    /// round and round.
    pub(super) fn check_loops(&mut self) {
        let mut services = 0;
        while let Some(service) = self.config.services.get(services) {
            services += 1;
            let (name, servers) = (service.name, service.servers);
            let listeners = service.listeners;
            for index in servers.indices().map(usize::from) {
                let Some(&server) = self.config.servers.get(index) else {
                    continue;
                };
                let mut asked = listeners.of(&self.config.listeners).iter();
                let met = asked.find_map(|asked| self.comes_back(&server, asked));
                if let Some(listener) = met {
                    let line = self.source.line(self.listener_at(listener).as_bytes());
                    self.findings.error(
                        self.server_at(index),
                        template!(
                            "this server of [service {0}] is smena itself, by line {1}",
                            "write where the server is, or let it listen on another port"
                        ),
                        &[Argument::Text(name), Argument::Number(line.into())],
                    );
                }
            }
        }
    }

    /// The listener of ours that a server is, for those who came by `asked`.
    fn comes_back(&self, server: &Server<'_>, asked: &Listener) -> Option<usize> {
        let port = match server.port {
            0 => asked.address.port(),
            port => port,
        };
        self.config.listeners.iter().position(|listener| {
            let ip = listener.address.ip();
            listener.transport == asked.transport
                && listener.address.port() == port
                && ip.is_ipv4() == server.address.is_ipv4()
                && (ip == server.address || ip.is_unspecified() && self.is_ours(server.address))
        })
    }

    /// Whether this file says that an address is this node's.
    fn is_ours(&self, ip: IpAddr) -> bool {
        let mut routers = self.config.routers.iter();
        ip.is_loopback()
            || routers.any(|router| router.addresses.iter().any(|own| own.address == ip))
    }
}

impl Service<'_> {
    /// Nothing said; the table's defaults come over it.
    pub(crate) fn blank() -> Self {
        Service {
            name: "",
            listeners: super::Span::default(),
            servers: super::Span::default(),
            balance: Balance::RoundRobin,
            stick: Stick::None,
            check: ServerCheck::None,
            inter: Duration::ZERO,
            rise: 0,
            fall: 0,
            cut_on_down: false,
            retries: 0,
            timeout_connect: Duration::ZERO,
            timeout_client: Duration::ZERO,
            timeout_server: Duration::ZERO,
            timeout_udp: Duration::ZERO,
            maxconn: 0,
            transparent: false,
        }
    }
}
