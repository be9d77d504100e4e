//! The keys of `[interface NAME]` and `[init]`: the part of the
//! [table](super::table) that is for PID 1.

use super::machine_entry;
use super::table::Absence::{Absent, Rule};
use super::table::{Key, Value, key, plural};

/// What PID 1 makes of an interface.
pub(super) const INTERFACE: &[Key] = &[
    plural(key(
        "address",
        Absent,
        "an address of this machine: ADDRESS/LENGTH",
        Value::Own(machine_entry::address),
    )),
    plural(key(
        "gateway",
        Absent,
        "the way to all other networks, one of each family",
        Value::Own(machine_entry::gateway),
    )),
    key(
        "mtu",
        Rule("as it is"),
        "the longest packet, in bytes",
        Value::Number(68, 65535, |r, mtu| r.interface.mtu = mtu as u16),
    ),
];

/// What else PID 1 does.
pub(super) const INIT: &[Key] = &[
    key(
        "hostname",
        Rule("what the kernel has"),
        "the name of this machine",
        Value::Name(|r, name| r.config.init.hostname = Some(name)),
    ),
    plural(key(
        "module",
        Absent,
        "a kernel module that is loaded at the start: NAME [PARAMETERS]",
        Value::Own(machine_entry::module),
    )),
    plural(key(
        "mount",
        Absent,
        "a file system that is mounted at the start: FSTYPE [SOURCE] TARGET",
        Value::Own(machine_entry::mount),
    )),
    key(
        "watchdog",
        Absent,
        "the device that restarts the machine when smena hangs",
        Value::Path(|r, path| r.config.init.watchdog = Some(path)),
    ),
    plural(key(
        "start",
        Absent,
        "a program that is started and kept running",
        Value::Own(machine_entry::start),
    )),
];
