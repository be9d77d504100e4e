//! Servers of services (DESIGN, rule 9): one that is down, in drain or in maint
//! gets no session; an unknown one does, and its first result decides; after
//! that rise and fall in a row do. What was refused to sessions counts as failed,
//! and a service refuses when none is left.

use smena::check::Health;
use smena::config::{Config, ServerCheck};
use smena::event::{Action, Admin, Event, ServerId};
use smena::server::State;

use super::checks::{Checks, pace};
use super::{Rule, View, Violation, broken};
use crate::sim::plan::NodePlan;

/// What an administrator wants of a server, and what it was last.
#[derive(Clone, Copy)]
pub struct Wanted {
    admin: Admin,
    weight: u16,
    state: State,
}

impl Wanted {
    /// The servers of a node at its start.
    pub fn of(node: &NodePlan) -> Vec<Wanted> {
        let services = node.services.iter();
        let servers = services.flat_map(|service| {
            service.servers.iter().map(|weight| Wanted {
                admin: Admin::Ready,
                weight: *weight,
                state: if service.checked {
                    State::Unknown
                } else {
                    State::Up
                },
            })
        });
        servers.collect()
    }

    fn admits(&self) -> bool {
        self.weight > 0 && matches!(self.state, State::Unknown | State::Up)
    }
}

fn is_checked(config: &Config<'_>, server: usize) -> bool {
    let service = &config.services[config.service_of(server as u8)];
    !matches!(service.check, ServerCheck::None)
}

impl Checks {
    /// The node has answered: each server must be what is known of it, and its
    /// sessions cut exactly when that was wanted.
    pub(super) fn servers_decided(
        &mut self,
        view: &View<'_, '_>,
        node: usize,
        event: &Event<'_>,
        actions: &[Action],
    ) -> Result<(), Violation> {
        let config = view.hosts[node].config;
        let Some(process) = view.hosts[node].process.as_ref().filter(|p| p.stops == 0) else {
            return Ok(());
        };
        match *event {
            Event::Order(ServerId(id), admin) => self.wanted[node][usize::from(id)].admin = admin,
            Event::Weight(ServerId(id), weight) => {
                self.wanted[node][usize::from(id)].weight = weight;
            }
            Event::Refused(ServerId(id), times) if is_checked(config, id.into()) => {
                let number = config.checks.len() + usize::from(id);
                let known = &mut self.known[node][number];
                let before = known.health;
                for _ in 0..times {
                    if known.health == before {
                        known.count(&pace(view, node, number), false);
                    }
                }
            }
            _ => {}
        }
        for (server, machine) in process.node.servers().iter().enumerate() {
            let health = self.known[node][config.checks.len() + server].health;
            let wanted = &mut self.wanted[node][server];
            let state = match (wanted.admin, health) {
                (Admin::Maint, _) => State::Maint,
                (Admin::Drain, _) => State::Drain,
                _ if !is_checked(config, server) => State::Up,
                (Admin::Ready, Health::Unknown) => State::Unknown,
                (Admin::Ready, Health::Up) => State::Up,
                (Admin::Ready, Health::Down) => State::Down,
            };
            let is = machine.state();
            if is != state {
                let story = format!("n{node}'s server {server} is {is:?}, not {state:?}");
                return broken(Rule::Servers, story);
            }
            let service = &config.services[config.service_of(server as u8)];
            let ends = state == State::Maint || state == State::Down && service.cut_on_down;
            let expected = usize::from(state != wanted.state && ends);
            let cut = Action::Cut(ServerId(server as u8));
            let cuts = actions.iter().filter(|action| **action == cut).count();
            wanted.state = state;
            if cuts != expected {
                let story =
                    format!("n{node}'s server {server} is cut {cuts} times, not {expected}");
                return broken(Rule::Servers, story);
            }
        }
        Ok(())
    }

    /// What the forwarder was told is what it must know.
    pub(super) fn gates_agree(&self, view: &View<'_, '_>, node: usize) -> Result<(), Violation> {
        let config = view.hosts[node].config;
        let process = view.hosts[node].process.as_ref();
        let Some(process) = process.filter(|p| p.stops == 0 && p.started) else {
            return Ok(());
        };
        let wanted = &self.wanted[node];
        for (server, open) in process.gates.iter().enumerate() {
            if *open != wanted[server].admits() {
                let state = wanted[server].state;
                let story =
                    format!("n{node}'s server {server} is {state:?}, its gate open: {open}");
                return broken(Rule::Servers, story);
            }
        }
        for (service, open) in process.doors.iter().enumerate() {
            let servers = config.services[service].servers.of(wanted);
            if *open != servers.iter().any(Wanted::admits) {
                let story = format!("n{node}'s service s{service} takes clients: {open}");
                return broken(Rule::Servers, story);
            }
        }
        Ok(())
    }

    /// What a service is to those who track it.
    pub(super) fn service_health(
        &self,
        view: &View<'_, '_>,
        node: usize,
        service: usize,
    ) -> Health {
        let service = &view.hosts[node].config.services[service];
        let servers = service.servers.of(&self.wanted[node]).iter();
        let states: Vec<State> = servers.filter(|s| s.admits()).map(|s| s.state).collect();
        match states.contains(&State::Up) {
            true => Health::Up,
            false if states.is_empty() => Health::Down,
            false => Health::Unknown,
        }
    }
}
