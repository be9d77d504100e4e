//! Configuration files, and the exact text of what is said about them.

use smena::config::{Config, Diagnostic, Limits, Outcome, Source, compare, parse};

#[path = "config/carried.rs"]
mod carried;
#[path = "config/checks.rs"]
mod checks;
#[path = "config/groups.rs"]
mod groups;
#[path = "config/hooks.rs"]
mod hooks;
#[path = "config/machine.rs"]
mod machine;
#[path = "config/manual.rs"]
mod manual;
#[path = "config/pairs.rs"]
mod pairs;
#[path = "config/rules.rs"]
mod rules;
#[path = "config/said.rs"]
mod said;
#[path = "config/services.rs"]
mod services;
#[path = "config/text.rs"]
mod text;
#[path = "config/unicast.rs"]
mod unicast;

/// A router that is fine; what is tested follows from the fifth line on.
const ROUTER: &str = "\
[vrrp VI_01]
interface = eth0
virtual_router_id = 51
address = 10.0.0.1
";

/// A file of the generic board that is exactly so wrong.
#[track_caller]
fn says(head: &str, rest: &str, expected: &str) {
    let text = [head, rest].concat();
    let said = read(source(text.as_bytes()), &Limits::BOARD).1;
    assert_eq!(said, expected, "\n{said}");
}

/// A file that only its owner and group can read.
fn source(text: &[u8]) -> Source<'_> {
    Source {
        file: "smena.ini",
        text,
        others_can_read: false,
    }
}

/// Everything that is said about a file.
fn read(source: Source<'_>, limits: &Limits) -> (Outcome, String) {
    let mut said = String::new();
    let report: &mut dyn FnMut(&Diagnostic<'_>) = &mut |d| said += &d.to_string();
    let outcome = parse(&source, limits, &mut empty(), report);
    assert_eq!(
        said.matches("error: ").count() + said.matches("warning: ").count() > 0,
        outcome.errors + outcome.warnings > 0
    );
    (outcome, said)
}

fn empty<'a>() -> Box<Config<'a>> {
    Box::new(Config::EMPTY)
}
