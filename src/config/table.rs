//! Every section and key there is, in one place. What the reader accepts, what
//! it suggests, which defaults it sets and what the manual must explain all
//! come from here: a new key is one entry, and one field in the model.

use super::check_table::CHECK;
use super::diagnostic::Told;
use super::machine_table::{INIT, INTERFACE};
use super::model::{AuthMode, Release};
use super::reader::Reader;
use super::service_table::SERVICE;
use super::words::Words;
use super::{entry, service_entry, unicast};
use crate::Duration;
use crate::pack::{Packed, packed};
use crate::protocol::{Checksum, Family, Version};

/// A kind of section.
#[derive(Debug)]
pub struct Section {
    /// The word in the brackets.
    pub kind: &'static str,
    /// A name follows the kind, and there may be several with different names.
    pub named: bool,
    /// The keys it may have.
    pub keys: &'static [Key],
    /// Keys that a later version has.
    pub later: &'static [&'static str],
}

/// A key of a section.
#[derive(Debug)]
pub struct Key {
    /// What stands before the `=`.
    pub name: &'static str,
    /// It may be repeated.
    pub plural: bool,
    required: bool,
    /// The default, or the example of what is required; empty without either.
    text: &'static str,
    pub(super) value: Value,
    /// What only the manual is held to, and nothing shows at run time, so that a
    /// release binary has none of it.
    #[cfg(debug_assertions)]
    manual: Manual,
}

/// What the manual must say beside the table.
#[cfg(debug_assertions)]
#[derive(Debug)]
struct Manual {
    doc: &'static str,
    rule: &'static str,
}

impl Key {
    /// What holds when it is absent. A release binary takes a rule for nothing.
    pub fn default(&self) -> Absence {
        match self.text {
            text if self.required => Absence::Required(text),
            #[cfg(debug_assertions)]
            "" if !self.manual.rule.is_empty() => Absence::Rule(self.manual.rule),
            "" => Absence::Absent,
            text => Absence::Text(text),
        }
    }

    /// One line about it.
    #[cfg(debug_assertions)]
    pub const fn doc(&self) -> &'static str {
        self.manual.doc
    }
}

/// What holds when a key is absent.
#[derive(Debug)]
pub enum Absence {
    /// It may not be absent; this is an example.
    Required(&'static str),
    /// Nothing.
    Absent,
    /// As if this were written.
    Text(&'static str),
    /// What this says.
    Rule(&'static str),
}

type Set<T> = for<'c, 'a> fn(&mut Reader<'c, 'a>, T);
type SetText = for<'c, 'a> fn(&mut Reader<'c, 'a>, &'a str);
type SetWords = for<'c, 'a> fn(&mut Reader<'c, 'a>, Words<'a>);
type Read = for<'c, 'a> fn(&mut Reader<'c, 'a>, &'a str) -> Result<(), Told>;

/// What a value may be, and where it goes.
#[derive(Debug)]
pub(super) enum Value {
    /// A whole number from, to.
    Number(i32, i32, Set<i32>),
    /// A duration from, to, in milliseconds.
    Time(u32, u32, Set<Duration>),
    /// yes or no.
    Switch(Set<bool>),
    /// One of some words; its index is set. (A reference to a constant list is
    /// half as large as the list's own.)
    Choice(&'static &'static [&'static str], Set<usize>),
    /// What a section may be called.
    Name(SetText),
    /// An absolute path.
    Path(SetText),
    /// Any words.
    Words(SetWords),
    /// It has a grammar of its own.
    Own(Read),
}

pub(super) const fn key(
    name: &'static str,
    default: Absence,
    _doc: &'static str,
    value: Value,
) -> Key {
    let (text, _rule) = match default {
        Absent => ("", ""),
        Required(text) | Text(text) => (text, ""),
        Rule(rule) => ("", rule),
    };
    Key {
        name,
        plural: false,
        required: matches!(default, Required(_)),
        text,
        value,
        #[cfg(debug_assertions)]
        manual: Manual {
            doc: _doc,
            rule: _rule,
        },
    }
}

pub(super) const fn plural(key: Key) -> Key {
    Key {
        plural: true,
        ..key
    }
}

use Absence::{Absent, Required, Rule, Text};

pub(super) const MILLISECOND: u32 = 1;
pub(super) const TEN_MILLISECONDS: u32 = 10;
pub(super) const DAY: u32 = 86_400_000;

const LEVELS: &[&str] = &["error", "warn", "info", "debug"];
const FAMILIES: &[&str] = &["ipv4", "ipv6"];
const AUTH_MODES: &[&str] = &["receive-only", "permissive", "enforce"];
const AUTH_REPLAYS: &[&str] = &["time", "monotonic"];
const CHECKSUMS: &[&str] = &["pseudo", "rfc9568"];
const RELEASES: &[&str] = &["overlap", "after-hook", "immediate"];
const OVERTAKES: &[&str] = &["wait", "term"];

/// The sections of this version.
pub static SECTIONS: [Section; 8] = [
    Section {
        kind: "node",
        named: false,
        keys: NODE,
        later: &[
            "http",
            "http_auth",
            "mail_server",
            "mail_from",
            "mail_to",
            "standby",
        ],
    },
    Section {
        kind: "vrrp",
        named: true,
        keys: VRRP,
        later: &[],
    },
    Section {
        kind: "group",
        named: true,
        keys: GROUP,
        later: &[],
    },
    Section {
        kind: "check",
        named: true,
        keys: CHECK,
        later: &[],
    },
    Section {
        kind: "service",
        named: true,
        keys: SERVICE,
        later: &[],
    },
    Section {
        kind: "sysctl",
        named: false,
        keys: &[],
        later: &[],
    },
    Section {
        kind: "interface",
        named: true,
        keys: INTERFACE,
        later: &[],
    },
    Section {
        kind: "init",
        named: false,
        keys: INIT,
        later: &[],
    },
];

/// What keepalived and HAProxy call a section or key, and what is written here.
pub(super) static ALIASES: [(&str, &str); 16] = [
    ("listen", "service"),
    ("frontend", "service"),
    ("backend", "service"),
    ("bind", "listen"),
    ("vrrp_instance", "vrrp"),
    ("vrrp_script", "check"),
    ("global_defs", "node"),
    ("virtual_ipaddress", "address"),
    ("track_script", "track"),
    ("script", "exec"),
    ("nopreempt", "preempt = no"),
    ("vrrp_version", "version"),
    ("use_vmac", "vmac = yes"),
    ("v3_checksum_as_v2", "checksum = rfc9568"),
    ("track_interface", "track = interface NAME"),
    ("virtual_ipaddress_excluded", "excluded_address"),
];

/// Words of theirs that nothing is called here, with blanks between them, and
/// what to do instead.
pub(super) static ADVICE: [(&str, Packed); 10] = [
    (
        "auth_type authentication",
        packed!("`auth_pass = PASSWORD` is all there is to say"),
    ),
    (
        "state",
        packed!("remove it: the priority decides who is master"),
    ),
    (
        "notify_master notify_backup notify_fault notify_stop",
        packed!("write `notify = COMMAND`: its third argument is the state"),
    ),
    (
        "virtual_routes virtual_rules",
        packed!("smena moves no routes: a command of `notify` or `resource` can"),
    ),
    (
        "mcast_src_ip",
        packed!("remove it: adverts come from the first address of the interface"),
    ),
    (
        "vrrp_sync_group",
        packed!("write `group = NAME` in the [vrrp] section of each router"),
    ),
    (
        "default-server",
        packed!("`inter`, `rise` and `fall` are keys, and each `server` has its own weight"),
    ),
    (
        "stick-table",
        packed!("write `stick = source` or `stick = tls-session-id`"),
    ),
    (
        "user",
        packed!("`script_user` of [node] is who runs checks and hooks"),
    ),
    (
        "timeout_tunnel",
        packed!("remove it: `timeout_client` and `timeout_server` hold all the time"),
    ),
];

const NODE: &[Key] = &[
    key(
        "name",
        Rule("the host name"),
        "what status calls this node",
        Value::Name(|r, name| r.config.node.name = Some(name)),
    ),
    key(
        "control",
        Text(super::Node::CONTROL),
        "the path of the control socket",
        Value::Path(|r, path| r.config.node.control = Some(path)),
    ),
    key(
        "log",
        Text("info"),
        "the least important level that is logged",
        Value::Choice(&LEVELS, |r, index| {
            use log::Level::{Debug, Error, Info, Warn};
            r.config.node.log = [Error, Warn, Info, Debug].get(index).copied();
        }),
    ),
    key(
        "log_target",
        Rule("stderr; of PID 1, kmsg"),
        "where log lines go",
        Value::Own(entry::log_target),
    ),
    key(
        "script_user",
        Text("root"),
        "who runs checks and hooks: a name of /etc/passwd, or a number",
        Value::Name(|r, name| r.config.node.script_user = Some(name)),
    ),
    key(
        "notify_fifo",
        Absent,
        "a FIFO or socket that gets a line for each change of state",
        Value::Path(|r, path| r.config.node.notify_fifo = Some(path)),
    ),
    key(
        "realtime",
        Text("yes"),
        "run before ordinary programs: yes, no, or a priority from 1 to 99",
        Value::Own(entry::realtime),
    ),
    key(
        "workers",
        Text("1"),
        "processes that forward what comes for a service",
        Value::Own(service_entry::workers),
    ),
    key(
        "drain_timeout",
        Text("0s"),
        "how long sessions of services may go on when smena is to stop",
        Value::Time(0, DAY, |r, limit| {
            r.config.node.drain_timeout = limit;
        }),
    ),
];

const VRRP: &[Key] = &[
    key(
        "interface",
        Required("eth0"),
        "where adverts are sent and received; it may appear later",
        Value::Own(entry::interface),
    ),
    key(
        "virtual_router_id",
        Required("51"),
        "the number that both nodes share, and no other router of the network",
        Value::Number(1, 255, |r, id| r.router.virtual_router_id = id as u8),
    ),
    key(
        "version",
        Rule("2, and 3 for IPv6"),
        "the VRRP version, the same on both nodes",
        Value::Number(2, 3, |r, number| {
            r.router.version = if number == 2 {
                Version::V2
            } else {
                Version::V3
            };
        }),
    ),
    key(
        "priority",
        Text("100"),
        "the highest one is master; 255 is the owner of the addresses",
        Value::Number(1, 255, |r, priority| r.router.priority = priority as u8),
    ),
    key(
        "advert_int",
        Text("1s"),
        "the time between adverts, the same on both nodes",
        Value::Time(TEN_MILLISECONDS, 255_000, |r, time| {
            r.router.advert_int = time
        }),
    ),
    key(
        "family",
        Rule("that of the addresses, or ipv4"),
        "ipv4 or ipv6, for a router without addresses",
        Value::Choice(&FAMILIES, |r, index| {
            r.router.family = [Family::Ipv4, Family::Ipv6][index & 1];
        }),
    ),
    plural(key(
        "address",
        Absent,
        "an address that the master has: ADDRESS[/LENGTH] [dev INTERFACE] [label LABEL]",
        Value::Own(entry::address),
    )),
    plural(key(
        "excluded_address",
        Absent,
        "an address that the master has as well, of either family, and that adverts don't list",
        Value::Own(entry::excluded_address),
    )),
    key(
        "preempt",
        Text("yes"),
        "take over from a master of lower priority",
        Value::Switch(|r, on| r.router.preempt = on),
    ),
    key(
        "preempt_delay",
        Text("0s"),
        "how long a master of lower priority is tolerated first",
        Value::Time(0, DAY, |r, time| r.router.preempt_delay = time),
    ),
    key(
        "startup_delay",
        Text("0s"),
        "how long to stay out of it after the start",
        Value::Time(0, DAY, |r, time| r.router.startup_delay = time),
    ),
    key(
        "takeover_probe",
        Text("0s"),
        "how long a take-over from silence waits at most while others answer for the addresses",
        Value::Time(0, 10_000, |r, time| r.router.takeover_probe = time),
    ),
    key(
        "auth_pass",
        Absent,
        "the password of version 2, of which 8 bytes count",
        Value::Own(entry::auth_pass),
    ),
    plural(key(
        "auth_hmac",
        Absent,
        "a key of version 3, ID:BASE64 of 32 to 64 bytes; the first one signs",
        Value::Own(unicast::auth_hmac),
    )),
    key(
        "auth_mode",
        Text("enforce"),
        "whether to sign, and to accept what is not: receive-only, permissive, enforce",
        Value::Choice(&AUTH_MODES, |r, index| {
            use AuthMode::{Enforce, Permissive, ReceiveOnly};
            r.router.auth_mode = [ReceiveOnly, Permissive, Enforce][index % 3];
        }),
    ),
    key(
        "auth_replay",
        Text("time"),
        "how a repeated advert is known: by its time, or, without a clock, by its order",
        Value::Choice(&AUTH_REPLAYS, |r, index| {
            r.router.auth_monotonic = index == 1;
        }),
    ),
    key(
        "unicast_src_ip",
        Rule("the interface's first address"),
        "where adverts to peers come from",
        Value::Own(unicast::source),
    ),
    plural(key(
        "unicast_peer",
        Absent,
        "another node, to which adverts go instead of the group: ADDRESS [min_ttl N] [max_ttl N]",
        Value::Own(unicast::peer),
    )),
    key(
        "checksum",
        Rule("the peer's last valid form"),
        "how version 3 over IPv4 sums what it sends",
        Value::Choice(&CHECKSUMS, |r, index| {
            r.router.checksum = Some([Checksum::Pseudo, Checksum::Rfc9568][index & 1]);
        }),
    ),
    key(
        "vmac",
        Text("no"),
        "speak from the router's own MAC address, on a macvlan that has the addresses",
        Value::Switch(|r, on| r.router.vmac = on),
    ),
    key(
        "garp_master_delay",
        Text("5s"),
        "when a master announces its addresses for the second time; 0 = never",
        Value::Time(0, DAY, |r, time| r.router.garp_master_delay = time),
    ),
    key(
        "garp_master_repeat",
        Text("5"),
        "announcements of an address each time",
        Value::Number(1, 255, |r, times| r.router.garp_master_repeat = times as u8),
    ),
    key(
        "garp_master_refresh",
        Text("0s"),
        "how often a master announces its addresses after that; 0 = never",
        Value::Time(0, DAY, |r, time| r.router.garp_master_refresh = time),
    ),
    key(
        "lease",
        Text("auto"),
        "when the kernel drops the addresses unless renewed: auto, off, or whole seconds",
        Value::Own(entry::lease),
    ),
    key(
        "release",
        Text("overlap"),
        "what a planned hand-over waits for: the successor, the hook, or nothing",
        Value::Choice(&RELEASES, |r, index| {
            use Release::{AfterHook, Immediate, Overlap};
            r.router.release = [Overlap, AfterHook, Immediate][index % 3];
        }),
    ),
    plural(key(
        "track",
        Absent,
        "what counts: NAME of a check, interface NAME or service NAME, then [weight N] [reverse]",
        Value::Own(entry::track),
    )),
    key(
        "group",
        Absent,
        "routers of one group move together: all are master, or none is",
        Value::Name(|r, name| r.router.group = Some(name)),
    ),
    plural(key(
        "resource",
        Absent,
        "a command that is run with start on MASTER, with stop on anything else",
        Value::Own(entry::resource),
    )),
    notify(Absent),
    NOTIFY_TIMEOUT,
    key(
        "state_file",
        Absent,
        "a file that holds the state as one word",
        Value::Path(|r, path| r.router.state_file = Some(path)),
    ),
    NOTIFY_SETTLE,
    NOTIFY_OVERTAKE,
    key(
        "notify_again",
        Text("no"),
        "run it for MASTER again when another master has given way",
        Value::Switch(|r, on| r.router.notify.again = on),
    ),
    RECONCILE,
];

/// What a group is told to do; its keys are read as those of a router.
const GROUP: &[Key] = &[
    notify(Required("/etc/smena/group.sh")),
    NOTIFY_TIMEOUT,
    NOTIFY_SETTLE,
    NOTIFY_OVERTAKE,
    RECONCILE,
];

const fn notify(default: Absence) -> Key {
    key(
        "notify",
        default,
        "the command that is run on a change of state",
        Value::Own(entry::notify),
    )
}

const NOTIFY_TIMEOUT: Key = key(
    "notify_timeout",
    Text("5m"),
    "how long it may run",
    Value::Time(MILLISECOND, DAY, |r, time| r.router.notify.timeout = time),
);

const NOTIFY_SETTLE: Key = key(
    "notify_settle",
    Text("0s"),
    "how long a state must have lasted before it is told",
    Value::Time(0, DAY, |r, time| r.router.notify.settle = time),
);

const NOTIFY_OVERTAKE: Key = key(
    "notify_overtake",
    Text("wait"),
    "what a newer state does to the command that still runs: wait, or term",
    Value::Choice(&OVERTAKES, |r, index| {
        r.router.notify.overtake = index == 1;
    }),
);

const RECONCILE: Key = key(
    "reconcile",
    Text("0s"),
    "run it again with the present state, this long after its end; 0 = never",
    Value::Time(0, DAY, |r, time| r.router.notify.reconcile = time),
);
