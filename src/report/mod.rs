//! One look at a node, for people and for programs: pure writers over what the
//! node already knows. They read and never change, decide nothing, and write
//! into whatever the caller gives them, so no size is fixed here.

mod json;
mod order;
#[cfg(test)]
mod sample;
mod service;
mod stat;
mod text;
mod why;

pub use json::json;
pub use order::{Order, answered, has_server, ordered};
pub use stat::{info, stat};
pub use text::{Printable, text};
pub use why::{knows, why};

use crate::call::Caller;
use crate::check::Health;
use crate::config;
use crate::event::{Exit, HookState, RouterId, ServerId, Verb};
use crate::node::Node;
use crate::server::State;
use crate::shared::Shared;
use crate::supervise::{Farewell, Post};
use crate::vrrp::Role;
use crate::{Duration, Instant};

/// What only the driver of a node knows.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The node's present.
    pub now: Instant,
    /// How long the process has run.
    pub uptime: Duration,
    /// The program's version.
    pub version: &'a str,
    /// The host's name, which the node has unless the configuration names it.
    pub host: &'a str,
    /// How late the loop last woke for a deadline.
    pub lag_last: Duration,
    /// The latest it ever woke for one.
    pub lag_max: Duration,
    /// Lines that `notify_fifo` took, and lines that it lost; `None` without one.
    pub fifo: Option<(u64, u64)>,
    /// The forwarder's workers; none without a service.
    pub workers: &'a [Post],
    /// What its workers count; `None` where there are none.
    pub shared: Option<&'a Shared>,
    /// Clients of each service that wait to be taken in; empty where nobody knows.
    pub waiting: &'a [u32],
    /// How far the forwarder has come with a planned stop.
    pub farewell: Farewell,
}

/// What `smena status` exits with: 1 when a router is in Fault, a check is
/// down or cannot be made, a server is down, or there is a diagnosis, else 0.
pub fn exit_code(node: &Node<'_>, view: &View<'_>) -> u8 {
    let fault = node.routers().iter().any(|r| r.role() == Role::Fault);
    let mut checks = node.checks().iter();
    let down = checks.any(|c| c.health() == Health::Down || c.cannot_run());
    let mut ids = (0..node.servers().len() as u8).map(ServerId);
    let server_down = ids.any(|id| {
        let state = node.servers()[usize::from(id.0)].state();
        state == State::Down || node.server_check(id).cannot_run()
    });
    let ids = (0u8..).map(RouterId).take(node.routers().len());
    let mut wrong = ids.flat_map(|id| node.diagnoses(view.now, id));
    u8::from(fault || down || server_down || wrong.next().is_some())
}

/// The node's name.
fn name<'a>(node: &'a Node<'_>, view: &View<'a>) -> &'a str {
    node.config().node.name.unwrap_or(view.host)
}

/// The program of a resource, as written.
fn program<'a>(router: &config::Router<'a>, number: u8) -> &'a str {
    let resource = router.resources.get(usize::from(number));
    let program = resource.and_then(|resource| resource.command.iter().next());
    program.map_or("?", |word| word.as_written())
}

/// How long ago, in whole milliseconds.
#[inline(never)]
fn age_ms(view: &View<'_>, since: Instant) -> u64 {
    u64::try_from(view.now.total_millis() - since.total_millis()).unwrap_or(0)
}

/// The latest call of a hook: the one that runs, or else the last that ended.
struct LatestCall {
    /// What it was told; `None` before the first.
    state: Option<HookState>,
    /// Which resource was called, and with which word.
    resource: Option<(u8, Verb)>,
    running: bool,
    /// As a shell counts: the code, or 128 and the signal's number. `None`
    /// while it runs, and when it could not be started.
    exit: Option<u8>,
    /// `None` while it runs.
    duration_ms: Option<u64>,
}

impl LatestCall {
    fn of(caller: &Caller) -> LatestCall {
        if let Some(call) = caller.running() {
            return LatestCall {
                state: Some(call.state),
                resource: call.resource,
                running: true,
                exit: None,
                duration_ms: None,
            };
        }
        let ended = caller.ended();
        LatestCall {
            state: ended.map(|ended| ended.call.state),
            resource: ended.and_then(|ended| ended.call.resource),
            running: false,
            exit: ended.and_then(|ended| match ended.exit {
                Exit::Code(code) => Some(code),
                Exit::Signal(signal) => Some(signal.saturating_add(128)),
                Exit::NotStarted | Exit::NoRoom => None,
            }),
            duration_ms: ended.map(|ended| ended.duration.total_millis()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, InterfaceId, Outcome};

    fn code(sample: &sample::Sample) -> u8 {
        exit_code(&sample.node, &sample.view())
    }

    #[test]
    fn the_exit_code_is_1_when_something_is_wrong() {
        assert_eq!(code(&sample::empty()), 0);
        assert_eq!(code(&sample::new()), 0, "unknown is not down");
        assert_eq!(code(&sample::master()), 0);
        let mut down = sample::backup(2, 101);
        assert_eq!(code(&down), 0);
        down.check_ends(1, Outcome::Failure, "no process");
        assert_eq!(code(&down), 1, "a check is down");
        let mut fault = sample::backup(2, 101);
        fault.on(1, Event::Link(InterfaceId(0), None));
        assert_eq!(code(&fault), 1, "the router is in Fault");
    }
}
