//! Services and their servers: results, refusals and orders become states, and
//! states what the forwarder is told.
//!
//! The checks of servers follow those of the configuration: they are made,
//! timed and counted alike.

use core::fmt;

use super::Node;
use crate::check::{Health, Pace};
use crate::config::{ServerCheck, Service};
use crate::event::{Action, Actions, Admin, CheckId, ServerId, ServiceId};
use crate::mutation::Mutation;
use crate::say::{Level, Number, Plain, say};
use crate::server::{Server, State};
use crate::{Duration, Instant};

/// Between the first looks at two servers.
const STAGGER: Duration = Duration::from_millis(1);

impl<'a> Node<'a> {
    /// The servers, by their [`ServerId`].
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The check of a server, which runs unless its service has `check = none`.
    pub fn server_check(&self, id: ServerId) -> &crate::check::Check {
        &self.checks[self.config.checks.len() + usize::from(id.0)]
    }

    /// The server that a check looks at, if it is one of those.
    pub fn checked_server(&self, id: CheckId) -> Option<ServerId> {
        let behind = usize::from(id.0).checked_sub(self.config.checks.len())?;
        Some(ServerId(behind as u8))
    }

    /// Whether a service takes sessions: one of its servers does.
    pub fn service_is_open(&self, id: ServiceId) -> bool {
        let service = &self.config.services[usize::from(id.0)];
        service.servers.of(&self.servers).iter().any(Server::admits)
    }

    /// What a service is to those who track it.
    pub fn service_health(&self, id: ServiceId) -> Health {
        let service = &self.config.services[usize::from(id.0)];
        let mut health = Health::Down;
        let servers = service.servers.of(&self.servers).iter();
        for server in servers.filter(|server| server.admits()) {
            match server.state() {
                State::Unknown => health = Health::Unknown,
                _ => return Health::Up,
            }
        }
        health
    }

    /// Fills the tables of servers and their checks.
    pub(super) fn prepare_servers(&mut self, seed: u64) {
        let (config, now) = (self.config, self.now);
        for service in &config.services {
            let pace = Pace {
                interval: service.inter,
                timeout: service.inter,
                rise: service.rise,
                fall: service.fall,
                reverse: false,
            };
            let checked = is_checked(service);
            for index in service.servers.indices() {
                let weight = config.servers[usize::from(index)].weight;
                let server = Server::new(weight, checked, now);
                super::fits(self.servers.push(server).is_ok());
                let id = CheckId(config.checks.len() as u8 + index);
                // Unlike those of other checks, so that they spread out.
                let chance = (seed ^ u64::from(index)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
                let check = crate::check::Check::new(id, &pace, now, chance as u16);
                super::fits(self.checks.push(check).is_ok());
            }
            super::fits(self.open.push(true).is_ok());
        }
    }

    /// The checks of servers begin, one after the other.
    pub(super) fn start_servers(&mut self, now: Instant) {
        let first = self.config.checks.len();
        for service in self.config.services.iter().filter(|s| is_checked(s)) {
            for index in service.servers.indices() {
                let start_at = now + STAGGER * u32::from(index);
                self.checks[first + usize::from(index)].on_start(start_at);
            }
        }
    }

    /// Workers were refused so many times by a server: each counts as a failed
    /// check. Without a check nothing would bring it back, so nothing counts.
    pub(super) fn on_refused(
        &mut self,
        now: Instant,
        id: ServerId,
        times: u16,
        actions: &mut Actions,
    ) {
        let check = self.config.checks.len() + usize::from(id.0);
        if self.checks[check].on_refused(now, times) {
            self.settle_server(now, id, false, actions);
        }
    }

    /// An administrator wants something of a server.
    pub(super) fn on_order(
        &mut self,
        now: Instant,
        id: ServerId,
        admin: Admin,
        actions: &mut Actions,
    ) {
        self.servers[usize::from(id.0)].set_admin(admin);
        self.settle_server(now, id, true, actions);
    }

    /// A server has another weight from now on.
    pub(super) fn on_weight(
        &mut self,
        now: Instant,
        id: ServerId,
        weight: u16,
        actions: &mut Actions,
    ) {
        let server = &mut self.servers[usize::from(id.0)];
        let before = server.weight();
        server.set_weight(weight);
        if weight != before {
            let (from, to) = (Number(before.into()), Number(weight.into()));
            let name = self.server_name(id);
            say(
                Level::Info,
                format_args!("server {name}: weight {from}..{to}"),
            );
            actions.push(Action::Admit(id));
            self.settle_service(now, id, actions);
        }
    }

    /// Something about a server is new: what follows from it.
    #[inline(never)]
    pub(super) fn settle_server(
        &mut self,
        now: Instant,
        id: ServerId,
        ordered: bool,
        actions: &mut Actions,
    ) {
        let service = &self.config.services[usize::from(self.service_of(id).0)];
        let works = match self.server_check(id).health() {
            _ if !is_checked(service) => Some(true),
            Health::Unknown => None,
            health => Some(health == Health::Up),
        };
        let server = &mut self.servers[usize::from(id.0)];
        let Some(before) = server.settle(now, works) else {
            return;
        };
        let state = server.state();
        self.tell_state(id, before, state, ordered);
        if !self.broken.is(Mutation::DownGetsSessions) {
            actions.push(Action::Admit(id));
        }
        if state == State::Maint || state == State::Down && service.cut_on_down {
            actions.push(Action::Cut(id));
        }
        self.settle_service(now, id, actions);
    }

    /// A line of the log about a change of a server.
    fn tell_state(&self, id: ServerId, before: State, state: State, ordered: bool) {
        let name = self.server_name(id);
        let why = match ordered {
            true => "ordered",
            false => self.server_check(id).detail().unwrap_or("-"),
        };
        let level = match state {
            State::Down => Level::Warn,
            _ => Level::Info,
        };
        let (from, to, why) = (Plain(before.name()), Plain(state.name()), Plain(why));
        say(level, format_args!("server {name}: {from}..{to}: {why}"));
    }

    /// A service without a server refuses, until it has one again; who tracks
    /// it is told.
    fn settle_service(&mut self, now: Instant, id: ServerId, actions: &mut Actions) {
        let id = self.service_of(id);
        let open = self.service_is_open(id);
        let was = core::mem::replace(&mut self.open[usize::from(id.0)], open);
        if open != was {
            let name = Plain(self.config.services[usize::from(id.0)].name);
            let (level, what, action) = match open {
                true => (Level::Info, "serves again", Action::Accept(id)),
                false => (Level::Warn, "no server is left", Action::Refuse(id)),
            };
            say(level, format_args!("service {name}: {}", Plain(what)));
            actions.push(action);
        }
        self.look_around(now, actions);
    }

    /// The service that a server belongs to.
    pub fn service_of(&self, id: ServerId) -> ServiceId {
        ServiceId(self.config.service_of(id.0) as u8)
    }

    /// A server as people call it.
    pub fn server_name(&self, id: ServerId) -> ServerName<'a> {
        let service = &self.config.services[usize::from(self.service_of(id).0)];
        let server = &self.config.servers[usize::from(id.0)];
        ServerName {
            service: service.name,
            server: server.name,
        }
    }
}

/// SERVICE/SERVER
#[derive(Clone, Copy, Debug)]
pub struct ServerName<'a> {
    service: &'a str,
    server: &'a str,
}

impl fmt::Display for ServerName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Plain(self.service), Plain(self.server))
    }
}

fn is_checked(service: &Service<'_>) -> bool {
    !matches!(service.check, ServerCheck::None)
}
