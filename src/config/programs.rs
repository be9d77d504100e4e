//! The programs that a file names, with their places in it. Whether a machine has
//! them is for who can look.

use super::diagnostic::{Argument, Diagnostic, Problem, Severity, Source, template};
use super::model::{CheckKind, Config};
use super::service::ServerCheck;
use super::words::Words;

impl<'a> Config<'a> {
    /// The command of each hook, resource and check; those that a shell runs are
    /// its own to find.
    pub fn programs(&self) -> impl Iterator<Item = Words<'a>> {
        let routers = self.routers.iter();
        let notified = routers.clone().map(|router| &router.notify);
        let notified = notified.chain(self.groups.iter().map(|group| &group.notify));
        let resources = routers.flat_map(|router| &router.resources);
        let checks = self.checks.iter().filter_map(|check| match check.kind {
            CheckKind::Exec(words) => Some(words),
            _ => None,
        });
        let servers = self
            .services
            .iter()
            .filter_map(|service| match service.check {
                ServerCheck::Exec(words) => Some(words),
                _ => None,
            });
        let hooks = notified.filter_map(|notify| notify.command);
        let resources = resources.map(|resource| resource.command);
        hooks.chain(resources).chain(checks).chain(servers)
    }
}

impl<'a> Diagnostic<'a> {
    /// A note about a word of the file, which borrows from it, that is good by
    /// itself and cannot be used on this machine: why, and what to do.
    pub fn unusable(source: Source<'a>, word: &'a str, why: &'a str) -> Diagnostic<'a> {
        let problem = Problem::new(
            word.as_bytes(),
            template!("`{0}` cannot be used on this machine", "{1}"),
            &[Argument::Text(word), Argument::Sentence(why)],
        );
        Diagnostic::new(Severity::Note, source, problem)
    }
}
