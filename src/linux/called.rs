//! Whose process a child is, and what the log calls it.

use core::fmt;

use smena::config::Config;
use smena::event::{CheckId, HookId};

use super::init;

/// Whose process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A check's, or the check of a server.
    Check(CheckId),
    /// A hook's, or a resource's.
    Hook(HookId),
    /// A program's that PID 1 keeps running.
    Program(u8),
    /// The checks' that look for processes.
    Look,
}

/// What the log calls the owner of a child.
pub struct Called<'a> {
    kind: &'static str,
    /// Empty unless it is a server.
    service: &'a str,
    name: &'a str,
}

impl fmt::Display for Called<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joint = if self.service.is_empty() { "" } else { "/" };
        for part in [self.kind, " ", self.service, joint, self.name] {
            f.write_str(part)?;
        }
        Ok(())
    }
}

/// See [`Called`].
pub fn called<'a>(config: &Config<'a>, owner: Owner) -> Called<'a> {
    let (kind, service, name) = match owner {
        Owner::Check(id) => match config.checks.get(usize::from(id.0)) {
            Some(check) => ("check", "", check.name),
            None => {
                let server = usize::from(id.0) - config.checks.len();
                let service = &config.services[config.service_of(server as u8)];
                ("server", service.name, config.servers[server].name)
            }
        },
        Owner::Hook(HookId::Notify(id)) => ("hook", "", config.routers[usize::from(id.0)].name),
        Owner::Hook(HookId::Resource(id)) => {
            ("resource", "", config.routers[usize::from(id.0)].name)
        }
        Owner::Hook(HookId::Group(number)) => {
            ("hook of group", "", config.groups[usize::from(number)].name)
        }
        Owner::Look => ("checks", "", "process"),
        Owner::Program(at) => ("program", "", init::program_name(config, at.into())),
    };
    Called {
        kind,
        service,
        name,
    }
}
