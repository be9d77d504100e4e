//! What the core decides about servers, told to the forwarder's workers; and what
//! servers refused to workers, told to the core.

use smena::board;
use smena::config::Config;
use smena::event::{Action, Event, ServerId, ServiceId};
use smena::node::Node;
use smena::shared::Shared;

use super::workers::Workers;

/// Carries out an action that is for workers.
#[inline(never)]
pub fn perform(node: &Node<'_>, workers: &mut Workers<'_>, action: Action) {
    match action {
        Action::Admit(ServerId(id)) => {
            let server = &node.servers()[usize::from(id)];
            let shared = workers.shared();
            shared.set_weight(id, server.weight());
            shared.open_server(id, server.admits());
            workers.wake_all();
        }
        Action::Cut(ServerId(id)) => {
            workers.shared().cut(id);
            workers.wake_all();
        }
        Action::Refuse(service) => workers.set_open(service.0, false),
        Action::Accept(service) => workers.set_open(service.0, true),
        _ => {}
    }
}

/// Has clients let in as the core wants it, once sessions had their time to end.
pub fn admit(node: &Node<'_>, workers: &mut Workers<'_>) {
    for id in (0..node.config().services.len() as u8).map(ServiceId) {
        workers.set_open(id.0, node.service_is_open(id));
    }
}

/// How often each server had refused a session when it was looked at last.
pub struct Refusals {
    seen: [u32; board::SERVERS_MAX],
}

impl Refusals {
    /// Nothing was refused.
    pub const NONE: Refusals = Refusals {
        seen: [0; board::SERVERS_MAX],
    };

    /// The next server that has refused sessions since.
    pub fn next(&mut self, config: &Config<'_>, shared: &Shared) -> Option<Event<'static>> {
        for (id, seen) in (0..config.servers.len() as u8).zip(&mut self.seen) {
            let refused = shared.server(id).refused;
            let more = refused.wrapping_sub(*seen);
            if more > 0 {
                *seen = refused;
                let times = more.min(u16::MAX.into()) as u16;
                return Some(Event::Refused(ServerId(id), times));
            }
        }
        None
    }
}
