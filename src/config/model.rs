//! What a configuration means: the values that the machines run on. Nothing
//! here can hold a combination that the reader would refuse.
//!
//! Everything borrows from the text it was read from; the caller keeps the
//! text as long as the [`Config`].

use core::net::{IpAddr, SocketAddr};

use heapless::Vec;

use super::machine::{Init, Interface, OwnAddress};
use super::service::{Listener, Server, Service};
use super::words::{Word, Words};
use crate::Duration;
use crate::board;
use crate::key::Key;
use crate::protocol::{Checksum, Family, Version};

/// `auth_hmac` lines of one router: a roll-over needs two.
pub const KEYS_MAX: usize = 4;

/// A whole configuration file. All-zero when empty, so that a static one costs
/// no byte in the binary.
#[derive(Debug)]
pub struct Config<'a> {
    /// The `[node]` section.
    pub node: Node<'a>,
    /// The `[vrrp NAME]` sections, in the order of the file.
    pub routers: Vec<Router<'a>, { board::ROUTERS_MAX }>,
    /// The `[group NAME]` sections, in the order of the file; each has a router.
    pub groups: Vec<Group<'a>, { board::ROUTERS_MAX }>,
    /// The `[check NAME]` sections, in the order of the file.
    pub checks: Vec<Check<'a>, { board::CHECKS_MAX }>,
    /// The `[service NAME]` sections, in the order of the file.
    pub services: Vec<Service<'a>, { board::SERVICES_MAX }>,
    /// Their `listen` lines, those of one service together.
    pub listeners: Vec<Listener, { board::LISTENERS_MAX }>,
    /// Their `server` lines, those of one service together.
    pub servers: Vec<Server<'a>, { board::SERVERS_MAX }>,
    /// The lines of `[sysctl]`, in the order of the file.
    pub sysctls: Vec<Sysctl<'a>, { board::SYSCTLS_MAX }>,
    /// The `[interface NAME]` sections, in the order of the file.
    pub interfaces: Vec<Interface<'a>, { board::INTERFACES_MAX }>,
    /// Their `address` lines, those of one section together.
    pub own_addresses: Vec<OwnAddress<'a>, { board::OWN_ADDRESSES_MAX }>,
    /// The `[init]` section.
    pub init: Init<'a>,
}

/// The `[node]` section. Absent keys are `None` and have their defaults here.
#[derive(Debug)]
pub struct Node<'a> {
    /// `name`; the host name when absent.
    pub name: Option<&'a str>,
    /// `control`: the path of the control socket.
    pub control: Option<&'a str>,
    /// `log`: the least important level that is written; info when absent.
    pub log: Option<log::Level>,
    /// `log_target`; standard error when absent.
    pub log_target: Option<LogTarget>,
    /// `script_user`; root when absent.
    pub script_user: Option<&'a str>,
    /// `notify_fifo`: where keepalived's lines go; nowhere when absent.
    pub notify_fifo: Option<&'a str>,
    /// `realtime`; see [`Node::realtime`].
    pub(super) realtime: Option<u8>,
    /// `drain_timeout`: how long sessions may go on when smena is to stop.
    pub drain_timeout: Duration,
    /// `workers`; see [`Node::workers`].
    pub(super) workers: Option<u8>,
}

impl Node<'_> {
    /// Where the control socket is when the file does not say.
    pub const CONTROL: &'static str = "/run/smena.sock";
    /// The priority of `realtime = yes`: before every ordinary program, behind
    /// what the kernel itself runs in real time.
    pub(super) const REALTIME: u8 = 10;

    /// The priority of real-time scheduling, 1 to 99; 0 is none of it.
    pub fn realtime(&self) -> u8 {
        self.realtime.unwrap_or(Self::REALTIME)
    }

    /// Forwarder processes of a configuration that has a service, at least 1.
    pub fn workers(&self) -> u8 {
        self.workers.unwrap_or(1)
    }
}

impl Config<'_> {
    /// Nothing configured.
    pub const EMPTY: Self = Config {
        node: Node {
            name: None,
            control: None,
            log: None,
            log_target: None,
            script_user: None,
            notify_fifo: None,
            realtime: None,
            drain_timeout: Duration::ZERO,
            workers: None,
        },
        routers: Vec::new(),
        groups: Vec::new(),
        checks: Vec::new(),
        services: Vec::new(),
        listeners: Vec::new(),
        servers: Vec::new(),
        sysctls: Vec::new(),
        interfaces: Vec::new(),
        own_addresses: Vec::new(),
        init: Init::EMPTY,
    };

    /// Whether it says something that PID 1 alone does.
    pub fn is_for_init(&self) -> bool {
        let init = &self.init;
        !self.interfaces.is_empty()
            || !init.modules.is_empty()
            || !init.mounts.is_empty()
            || !init.programs.is_empty()
            || init.hostname.or(init.watchdog).is_some()
    }

    /// Empties it in place.
    pub(super) fn clear(&mut self) {
        self.node = Self::EMPTY.node;
        self.routers.clear();
        self.groups.clear();
        self.checks.clear();
        self.services.clear();
        self.listeners.clear();
        self.servers.clear();
        self.sysctls.clear();
        self.interfaces.clear();
        self.own_addresses.clear();
        self.init = Init::EMPTY;
    }
}

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error. Not 0, which is how [`Config::EMPTY`] says that none is
    /// set.
    Stderr = 1,
    /// The kernel's log, `/dev/kmsg`.
    Kmsg,
    /// The local syslog daemon, `/dev/log`.
    Syslog,
}

/// A `[vrrp NAME]` section: one virtual router.
#[derive(Debug)]
pub struct Router<'a> {
    /// The section's name.
    pub name: &'a str,
    /// `interface`: where adverts are sent and received.
    pub interface: &'a str,
    /// `virtual_router_id`, 1..=255.
    pub virtual_router_id: u8,
    /// `version`.
    pub version: Version,
    /// The family of adverts, which all advertised addresses share.
    pub family: Family,
    /// `priority`, 1..=255; 255 is the address owner.
    pub priority: u8,
    /// `advert_int`: whole seconds 1..=255 in version 2, 10 ms..=40.95 s in
    /// steps of 10 ms in version 3.
    pub advert_int: Duration,
    /// `address` and `excluded_address`, in the order of the file. With none the
    /// router only elects, and its adverts have the count 0.
    pub addresses: Vec<Address<'a>, { board::ADDRESSES_MAX }>,
    /// `preempt`: take over from a master of lower priority.
    pub preempt: bool,
    /// `preempt_delay`: how long a master of lower priority is tolerated first.
    pub preempt_delay: Duration,
    /// `startup_delay`: how long to stay in Initialize after the start.
    pub startup_delay: Duration,
    /// `takeover_probe`: for how long at most who follows a silent master asks
    /// first whether its addresses are still answered for; 0 = not at all.
    pub takeover_probe: Duration,
    /// `auth_pass`: the 8 bytes on the wire, zero-padded; version 2 only.
    pub auth_pass: Option<[u8; 8]>,
    /// `auth_hmac`: version 3's keys, of which the first signs.
    pub keys: Vec<Key<'a>, KEYS_MAX>,
    /// `auth_mode`: what is signed and what must be; of no effect without keys.
    pub auth_mode: AuthMode,
    /// `auth_replay = monotonic`: stamps only have to grow, by whatever clock.
    pub auth_monotonic: bool,
    /// `unicast_src_ip`: where adverts to peers come from.
    pub unicast_src_ip: Option<IpAddr>,
    /// `unicast_peer`, in the order of the file; none: adverts go to the group.
    pub peers: Vec<Peer, { board::PEERS_MAX }>,
    /// `checksum` of version 3 over IPv4; absent: as the peer does.
    pub checksum: Option<Checksum>,
    /// `vmac`: the addresses are on a macvlan with the router's own MAC address.
    pub vmac: bool,
    /// `garp_master_delay`: when the second burst of gratuitous ARP follows; 0 = none.
    pub garp_master_delay: Duration,
    /// `garp_master_repeat`: packets of a burst for each address.
    pub garp_master_repeat: u8,
    /// `garp_master_refresh`: a further packet for each address this often; 0 = never.
    pub garp_master_refresh: Duration,
    /// `lease`: the lifetime the kernel is given for the addresses, in whole
    /// seconds, `auto` resolved; 0 = off, they stay until removed.
    pub lease_s: u32,
    /// `release`: what a planned hand-over waits for.
    pub release: Release,
    /// `track`, in the order of the file.
    pub tracks: Vec<Track<'a>, { board::TRACKS_MAX }>,
    /// `group`: routers of one move together.
    pub group: Option<&'a str>,
    /// `resource`: what runs where the router is Master, in the order of the file.
    pub resources: Vec<Resource<'a>, { board::RESOURCES_MAX }>,
    /// `notify` and the keys that say when it is run.
    pub notify: Notify<'a>,
    /// `state_file`: where the state stands as one word.
    pub state_file: Option<&'a str>,
}

impl<'a> Router<'a> {
    /// The addresses that adverts list.
    pub fn advertised(&self) -> impl Iterator<Item = &Address<'a>> {
        self.addresses.iter().filter(|address| !address.excluded)
    }

    /// The interface that carries an address of this router.
    pub fn carrier(&self, address: &Address<'a>) -> &'a str {
        address.dev.unwrap_or(self.interface)
    }
}

/// A `notify` command of a router or a group, and when it is run.
#[derive(Clone, Copy, Debug)]
pub struct Notify<'a> {
    /// `notify`: the command that is run on a change of state.
    pub command: Option<Words<'a>>,
    /// `notify_timeout`: how long it may run.
    pub timeout: Duration,
    /// `notify_settle`: how long a state must have lasted before it is told.
    pub settle: Duration,
    /// `notify_overtake = term`: a newer state ends the call that still runs.
    pub overtake: bool,
    /// `notify_again`: MASTER is told again after another master was heard.
    pub again: bool,
    /// `reconcile`: the present state is told again this often; 0 = never.
    pub reconcile: Duration,
}

impl Notify<'_> {
    /// Nothing said.
    pub const NOTHING: Self = Notify {
        command: None,
        timeout: Duration::ZERO,
        settle: Duration::ZERO,
        overtake: false,
        again: false,
        reconcile: Duration::ZERO,
    };
}

/// A `[group NAME]` section: what is run when the state of a group changes.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// The section's name, which the `group` lines of its routers say.
    pub name: &'a str,
    /// `notify` and the keys that say when it is run.
    pub notify: Notify<'a>,
}

/// One `address` or `excluded_address` line.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The address itself.
    pub address: IpAddr,
    /// 1..=32 or 1..=128.
    pub prefix_len: u8,
    /// `dev`: the interface that carries it; the router's own when absent.
    pub dev: Option<&'a str>,
    /// `label`: IPv4 only, as `ip addr` shows it (15 bytes at most).
    pub label: Option<&'a str>,
    /// `excluded_address`: carried with the others, of either family, and not
    /// listed in adverts.
    pub excluded: bool,
}

/// One `unicast_peer` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The peer: unicast, of the router's family.
    pub address: IpAddr,
    /// `min_ttl` and `max_ttl`, where one of them is given.
    pub ttl: Option<(u8, u8)>,
}

/// `auth_mode`, the three steps of bringing signatures into a running pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Sends without; accepts what is signed rightly, or not at all.
    ReceiveOnly,
    /// Signs; accepts what is signed rightly, or not at all.
    Permissive,
    /// Signs, and accepts what is signed rightly.
    Enforce,
}

/// One `resource` line.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    /// The command, to which start, stop or status is added.
    pub command: Words<'a>,
    /// `interval`: how often its status is looked at; 0 = never.
    pub interval: Duration,
}

/// What a planned hand-over waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The addresses stay until the successor is heard, or time is up.
    Overlap,
    /// The addresses stay, and the router stays Master, until its hook and its
    /// resources have ended.
    AfterHook,
    /// The addresses go at once.
    Immediate,
}

/// One `track` line, its name resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track<'a> {
    /// What counts.
    pub what: Tracked<'a>,
    /// -253..=253. Positive: added while it is up. Negative: added while it is
    /// down. 0: down is FAULT.
    pub weight: i16,
    /// `reverse`: up counts as down and the other way round.
    pub reverse: bool,
}

/// What a `track` line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracked<'a> {
    /// Index into [`Config::checks`].
    Check(u8),
    /// The link of an interface.
    Interface(&'a str),
    /// Index into [`Config::services`]: up while one of its servers is.
    Service(u8),
}

/// A `[check NAME]` section.
#[derive(Debug)]
pub struct Check<'a> {
    /// The section's name.
    pub name: &'a str,
    /// What is looked at.
    pub kind: CheckKind<'a>,
    /// `interval`, from start to start.
    pub interval: Duration,
    /// `timeout`; as `interval` when absent.
    pub timeout: Duration,
    /// `rise`: successes in a row until up, at least 1.
    pub rise: u16,
    /// `fall`: failures in a row until down, at least 1.
    pub fall: u16,
    /// `weight`, where a track line gives none.
    pub weight: i16,
    /// `reverse`: success counts as failure and the other way round.
    pub reverse: bool,
}

/// What a check looks at.
#[derive(Clone, Copy, Debug)]
pub enum CheckKind<'a> {
    /// So many processes of this name run, as `killall -0` finds them. `most`
    /// is at least `least`, and `least` at least 1 unless `most` is said.
    Process {
        /// One word.
        name: Words<'a>,
        /// `min`.
        least: u16,
        /// `max`; 65535 when absent.
        most: u16,
    },
    /// The process whose number stands in this file runs.
    Pidfile(&'a str),
    /// This command exits with 0.
    Exec(Words<'a>),
    /// This text exits with 0 when `/bin/sh -c` runs it; see
    /// [`Words::command_line`].
    Shell(Words<'a>),
    /// A connection can be made.
    Tcp(SocketAddr),
    /// A page is given as it should be.
    Http(Http<'a>),
    /// A TLS server answers there; the name that it is asked for, or "".
    Tls(SocketAddr, &'a str),
    /// An echo comes back.
    Ping(IpAddr),
    /// This file exists, and may hold a number.
    File(&'a str),
    /// This interface is up and has carrier.
    Interface(&'a str),
}

/// What is asked of a web server, and what it must answer.
#[derive(Clone, Copy, Debug)]
pub struct Http<'a> {
    /// Where it listens.
    pub address: SocketAddr,
    /// What of the URL follows, `/` at least; printable and without blanks.
    pub path: &'a str,
    /// `host`, or the address as the URL has it; printable and without blanks.
    pub host: &'a str,
    /// `expect`: the least and the highest good status.
    pub expect: (u16, u16),
    /// `body`: a text of the body, at most [`BODY_MAX`] bytes.
    pub body: Option<Word<'a>>,
}

/// The longest `body` in bytes.
pub const BODY_MAX: usize = 255;

impl CheckKind<'_> {
    /// The key that chose the kind, as status shows it.
    pub const fn name(&self) -> &'static str {
        match self {
            CheckKind::Process { .. } => "process",
            CheckKind::Pidfile(_) => "pidfile",
            CheckKind::Exec(_) | CheckKind::Shell(_) => "exec",
            CheckKind::Tcp(_) => "tcp",
            CheckKind::Http(_) => "http",
            CheckKind::Tls(..) => "tls",
            CheckKind::Ping(_) => "ping",
            CheckKind::File(_) => "file",
            CheckKind::Interface(_) => "interface",
        }
    }
}

/// One line of `[sysctl]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sysctl<'a> {
    /// The name with dots, as `sysctl` takes it.
    pub name: &'a str,
    /// What is written.
    pub value: &'a str,
}
