//! From the text of a configuration file to the values that the machines run
//! on, in two layers: first what was said (`statement`), then what it means
//! (`reader`, with `table` as the one list of what can be said). Everything
//! that is wrong with a file is told in one go, each with its place and mend.
//!
//! Nothing here opens a file, prints, allocates or copies text: the
//! configuration borrows from the file's bytes.

mod check_entry;
mod check_table;
mod compare;
mod diagnostic;
mod entry;
mod excerpt;
mod file_rules;
mod foreign;
mod group_rules;
mod machine;
mod machine_entry;
mod machine_table;
mod model;
mod programs;
mod reader;
mod section_rules;
mod service;
mod service_entry;
mod service_rules;
mod service_table;
mod statement;
mod suggest;
pub mod table;
mod unicast;
mod value;
mod words;

pub use compare::{compare, highest, lowest};
pub use diagnostic::{DIAGNOSTICS_MAX, Diagnostic, Severity, Source, write_time};
pub use machine::*;
pub use model::*;
pub use service::*;
pub use statement::LINE_MAX;
pub use suggest::nearest;
pub use words::{Iter, Word, Words};

use crate::board;

/// How much of everything there is room for: the capacities of board.ini. None
/// may be above the constant of the same name in [`board`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `[vrrp]` sections.
    pub routers: usize,
    /// Addresses of one router.
    pub addresses: usize,
    /// `[check]` sections.
    pub checks: usize,
    /// `track` lines of one router.
    pub tracks: usize,
    /// `resource` lines of one router.
    pub resources: usize,
    /// Interfaces that routers and addresses name.
    pub interfaces: usize,
    /// Unicast peers of one router.
    pub peers: usize,
    /// Lines of `[sysctl]`.
    pub sysctls: usize,
    /// `[service]` sections.
    pub services: usize,
    /// `listen` lines of all services.
    pub listeners: usize,
    /// `server` lines of all services.
    pub servers: usize,
    /// Forwarder processes.
    pub workers: usize,
    /// `module` lines.
    pub modules: usize,
    /// `mount` lines.
    pub mounts: usize,
    /// `start` lines.
    pub programs: usize,
    /// `address` lines of all `[interface]` sections.
    pub own_addresses: usize,
    /// Bytes of the file.
    pub file: usize,
}

impl Limits {
    /// What this build has room for.
    pub const BOARD: Limits = Limits {
        routers: board::ROUTERS_MAX,
        addresses: board::ADDRESSES_MAX,
        checks: board::CHECKS_MAX,
        tracks: board::TRACKS_MAX,
        resources: board::RESOURCES_MAX,
        interfaces: board::INTERFACES_MAX,
        peers: board::PEERS_MAX,
        sysctls: board::SYSCTLS_MAX,
        services: board::SERVICES_MAX,
        listeners: board::LISTENERS_MAX,
        servers: board::SERVERS_MAX,
        workers: board::WORKERS_MAX,
        modules: board::MODULES_MAX,
        mounts: board::MOUNTS_MAX,
        programs: board::PROGRAMS_MAX,
        own_addresses: board::OWN_ADDRESSES_MAX,
        file: board::FILE_MAX,
    };
}

/// How many diagnostics there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The configuration is of no use unless this is 0.
    pub errors: u32,
    /// It can be used, but somebody should look.
    pub warnings: u32,
}

/// Reads a file into `config`, which is emptied first. What is wrong is told
/// to `report`, in the order of the file; with errors, `config` holds nothing
/// that may be used. A file that is longer than the limit is refused; so that
/// this can be seen, a caller reads one byte more than that.
pub fn parse<'a>(
    source: &Source<'a>,
    limits: &Limits,
    config: &mut Config<'a>,
    report: &mut dyn FnMut(&Diagnostic<'_>),
) -> Outcome {
    let mut reader = reader::Reader::new(*source, limits, config);
    reader.read();
    reader.findings.tell(source, report)
}
