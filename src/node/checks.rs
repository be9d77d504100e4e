//! What the ends of checks are told to: the log, and whoever counts on them.

use core::fmt;

use super::Node;
use crate::Instant;
use crate::event::{Actions, CheckId, CheckResult, Outcome};
use crate::say::{Level, Plain, say};

impl Node<'_> {
    /// A check came to its end.
    pub(super) fn on_check_ended(
        &mut self,
        now: Instant,
        id: CheckId,
        result: CheckResult<'_>,
        actions: &mut Actions,
    ) {
        let check = &mut self.checks[usize::from(id.0)];
        if check.on_ended(now, result) {
            self.on_health(now, id, actions);
        } else if check.take_warning(now) {
            let state = Plain(check.health().name());
            let why = Plain(result.detail);
            let server = self.checked_server(id).map(|id| self.server_name(id));
            let name: &dyn fmt::Display = match &server {
                Some(server) => server,
                None => &Plain(self.config.checks[usize::from(id.0)].name),
            };
            say(
                Level::Warn,
                format_args!("check {name}: cannot be made, so it stays {state}: {why}"),
            );
        }
    }

    /// A check of an interface.
    pub(super) fn look_at_link(&self, name: &str) -> CheckResult<'static> {
        let id = self.find_interface(name);
        let link = id.and_then(|id| self.interfaces[usize::from(id.0)].link);
        let (outcome, detail) = match link {
            Some(link) if link.up => (Outcome::Success, "up, with carrier"),
            Some(_) => (Outcome::Failure, "down, or without carrier"),
            None => (Outcome::Failure, "no such interface"),
        };
        CheckResult { outcome, detail }
    }

    /// The health of a check is another one.
    pub(super) fn on_health(&mut self, now: Instant, id: CheckId, actions: &mut Actions) {
        if let Some(server) = self.checked_server(id) {
            return self.settle_server(now, server, false, actions);
        }
        let check = &self.checks[usize::from(id.0)];
        let name = Plain(self.config.checks[usize::from(id.0)].name);
        let health = Plain(check.health().name());
        let detail = Plain(check.detail().unwrap_or("-"));
        say(
            Level::Info,
            format_args!("check {name}: {health}: {detail}"),
        );
        self.look_around(now, actions);
    }
}
