//! The seam: what can happen to a node, and what it can ask for.
//!
//! Whoever drives a node turns the world into [`Event`]s, carries out the
//! [`Action`]s it gets back, in order, and reports what failed as a further
//! event. An action names things by id; the bytes of a packet are asked for
//! when it is sent (`Node::emit_*`), so actions stay small.

use core::fmt;
use core::net::IpAddr;
use core::ops::Deref;

use heapless::Vec;

use crate::board;
use crate::protocol::Family;
use crate::{Duration, Instant};

/// The earlier of two deadlines.
#[inline(never)]
pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Index of a router in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterId(pub u8);

/// Index of a check in the configuration; the servers' checks follow, in the
/// order of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckId(pub u8);

/// Index of a server in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerId(pub u8);

/// Index of a service in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceId(pub u8);

/// Index of an interface in `Node::interfaces`, which lists each interface that
/// a router or an address names once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceId(pub u8);

/// Whose programs are called: each of these has at most one call at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookId {
    /// The `notify` command of a router.
    Notify(RouterId),
    /// The `resource` commands of a router.
    Resource(RouterId),
    /// The `notify` command of a group, by its place in the configuration,
    /// which `Node::groups` begins with.
    Group(u8),
}

/// What a state is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A router.
    Router(RouterId),
    /// A group, by its place in `Node::groups`.
    Group(u8),
}

/// A MAC address.
pub type Mac = [u8; 6];

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The driver has told all links and addresses there are; run from now on.
    Start,
    /// The time that `poll_at` asked for has come. Packets that already wait
    /// are delivered first.
    Poll,
    /// An interface appeared or changed; `None`: there is none of this name.
    Link(InterfaceId, Option<Link>),
    /// The kernel says that an address is on an interface (added, renewed, or
    /// found in a dump).
    AddressAdded(InterfaceId, LocalAddress),
    /// The kernel says that an address left an interface.
    AddressRemoved(InterfaceId, LocalAddress),
    /// The answer to [`Action::RescanAddresses`] is complete: every address of
    /// the interface was told by `AddressAdded` since.
    AddressesScanned(InterfaceId),
    /// An IP packet of protocol 112 came in: the bytes from the IP header on,
    /// link-layer padding included.
    Packet(InterfaceId, Family, &'a [u8]),
    /// A neighbour says that it has an address (`wire::read_claim`), on the
    /// interface with this index of the kernel's; 0: the driver can't tell.
    Claimed(u32, IpAddr, Mac),
    /// A check came to its end.
    CheckEnded(CheckId, CheckResult<'a>),
    /// A hook came to its end, or could not be started.
    HookEnded(HookId, Exit),
    /// The system refused to set, renew or remove a router's addresses.
    AddressesRefused(RouterId, Errno),
    /// The machine was suspended this long, which the monotonic clock does not show.
    Suspended(Duration),
    /// The wall clock is this many microseconds ahead of the time of this event.
    /// Told before `Start`, and again when the clock was set; only what is signed
    /// looks at it.
    Clock(i64),
    /// Sessions could not begin so many times since it was last told, because this
    /// server refused them or did not answer.
    Refused(ServerId, u16),
    /// An administrator wants this of a server.
    Order(ServerId, Admin),
    /// An administrator gives a server this weight, 0 to 256.
    Weight(ServerId, u16),
    /// Stop: hand over as `release` says, run the last hooks, finish. A second
    /// one ends at once.
    Stop,
}

/// A network interface as the kernel describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number; another one means that it was recreated.
    pub index: u32,
    /// Administratively up and with carrier (IFF_UP and IFF_RUNNING).
    pub up: bool,
    /// Its hardware address; zero when it has none of 6 bytes.
    pub mac: Mac,
    /// Its MTU in bytes.
    pub mtu: u32,
}

/// An address on an interface as the kernel describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// The address.
    pub address: IpAddr,
    /// Its prefix length.
    pub prefix_len: u8,
    /// Usable as a source: neither tentative nor a failed duplicate.
    pub usable: bool,
    /// Another host has it too, which duplicate detection found out (IPv6).
    pub duplicate: bool,
    /// A secondary address of its subnet.
    pub secondary: bool,
    /// It carries our mark (IFA_PROTO): set by this or an earlier run of smena.
    pub ours: bool,
}

/// What an administrator wants of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// That its checks decide.
    Ready,
    /// No new session.
    Drain,
    /// No session at all.
    Maint,
}

impl Admin {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Admin::Ready => "ready",
            Admin::Drain => "drain",
            Admin::Maint => "maint",
        }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug)]
pub struct CheckResult<'a> {
    /// What it found.
    pub outcome: Outcome,
    /// What to show for it, such as `2 processes` or `exit 1`.
    pub detail: &'a str,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was looked for is there.
    Success,
    /// It is there, and holds this number, which is to be added to priorities.
    Number(i16),
    /// It is not.
    Failure,
    /// Nothing was learnt: the system could not run the check.
    Unknown,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(u8),
    /// This signal ended it.
    Signal(u8),
    /// It was never started; the driver has logged why.
    NotStarted,
    /// The system had no room for another process; it may have later.
    NoRoom,
}

/// An error number of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub u16);

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an advert with this priority (`Node::emit_advert`).
    SendAdvert(RouterId, u8),
    /// Send one gratuitous ARP or neighbour advertisement for each address of
    /// the router (`Node::emit_announcement`).
    Announce(RouterId),
    /// Ask the link who else has an address of the router (`Node::emit_probe`);
    /// answers come back as [`Event::Claimed`].
    Probe(RouterId),
    /// Set all addresses of the router, or renew the lease of those that are
    /// there. A refusal comes back as [`Event::AddressesRefused`].
    SetAddresses(RouterId),
    /// Remove all addresses of the router; one that is not there is no error.
    RemoveAddresses(RouterId),
    /// Remove an address that an earlier run left behind.
    RemoveLeftover(InterfaceId, LocalAddress),
    /// Tell every address of the interface again.
    RescanAddresses(InterfaceId),
    /// Let all packets of protocol 112 in on the interface, or only those with
    /// our routers' ids and a TTL of 255, and a sample of the others
    /// (`Node::own_ids`).
    Filter(InterfaceId, Filter),
    /// Start a check; its end comes back as [`Event::CheckEnded`].
    StartCheck(CheckId),
    /// Send a signal to the process group of a running check.
    KillCheck(CheckId, Kill),
    /// Start a hook with this call; its end comes back as [`Event::HookEnded`].
    StartHook(HookId, HookCall),
    /// Send a signal to the process group of a running hook.
    KillHook(HookId, Kill),
    /// Write the state of a router into its `state_file`; a refusal changes
    /// nothing and is only logged.
    WriteState(RouterId),
    /// Write keepalived's line to `notify_fifo`; what is lost is counted.
    TellFifo(Subject),
    /// Tell the forwarder whether a server gets new sessions, and its weight
    /// (`Node::servers`).
    Admit(ServerId),
    /// End the sessions of a server.
    Cut(ServerId),
    /// Have clients of a service refused at once.
    Refuse(ServiceId),
    /// Let clients of a service in again.
    Accept(ServiceId),
    /// Everything is handed over and at rest: end the process.
    Finish,
}

/// What is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Everything.
    Wide,
    /// What may be for our routers, and a sample of the rest.
    Narrow,
}

/// The two steps of ending a process group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// SIGTERM.
    Term,
    /// SIGKILL.
    Kill,
}

/// What a hook is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookCall {
    /// The state that the router is in now.
    pub state: HookState,
    /// The state of the call before; `None` on the first.
    pub previous: Option<HookState>,
    /// The effective priority.
    pub priority: u8,
    /// Counts this hook's calls from 1; a gap says that states were overtaken.
    pub sequence: u32,
    /// Which resource of the router is called, and with which word; `None`: the
    /// `notify` command.
    pub resource: Option<(u8, Verb)>,
}

/// What a resource is told to do, as the scripts of init systems know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `start`
    Start,
    /// `stop`
    Stop,
    /// `status`
    Status,
}

impl Verb {
    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Status => "status",
        }
    }
}

/// The states that hooks and status know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookState {
    /// This node has the addresses.
    Master,
    /// Another one has, or will.
    Backup,
    /// This node cannot have them.
    Fault,
    /// smena ends.
    Stop,
}

impl fmt::Display for HookState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HookState::Master => "MASTER",
            HookState::Backup => "BACKUP",
            HookState::Fault => "FAULT",
            HookState::Stop => "STOP",
        })
    }
}

/// The most actions that one event can lead to, with so many of each: each router
/// changes state (advert twice, addresses, announcement, probe, rescan), its hook
/// and its resources start and are told to end, as does its group's hook, its state
/// and its group's are told, each check starts or is killed, each interface's filter changes, the
/// sessions of each server are admitted and cut, each service refuses, and the
/// end. The simulator holds every event of every seed to it.
pub const fn actions_max(
    routers: usize,
    checks: usize,
    servers: usize,
    services: usize,
    interfaces: usize,
) -> usize {
    19 * routers + 2 * checks + 4 * servers + services + interfaces + 8
}

/// The most with all that the board has room for.
pub const ACTIONS_MAX: usize = actions_max(
    board::ROUTERS_MAX,
    board::CHECKS_MAX,
    board::SERVERS_MAX,
    board::SERVICES_MAX,
    board::INTERFACES_MAX,
);

/// Checks of the configuration and of servers share their numbers.
const _: () = assert!(board::CHECKS_MAX + board::SERVERS_MAX <= 256);

/// The actions of one event, in the order in which they are to be done.
#[derive(Debug, Default)]
pub struct Actions {
    list: Vec<Action, ACTIONS_MAX>,
}

impl Actions {
    /// No actions.
    pub const fn new() -> Actions {
        Actions { list: Vec::new() }
    }

    /// Adds an action. The capacity covers what one event can lead to, so a
    /// full list is a bug of ours.
    pub fn push(&mut self, action: Action) {
        let pushed = self.list.push(action).is_ok();
        assert!(pushed, "more actions than one event can lead to");
    }

    /// Takes back the last one if it starts this check, which then needs no
    /// driver.
    pub fn take_start(&mut self, check: CheckId) -> bool {
        let starts = self.list.last() == Some(&Action::StartCheck(check));
        if starts {
            self.list.pop();
        }
        starts
    }

    /// Forgets them, for the next event.
    pub fn clear(&mut self) {
        self.list.clear();
    }
}

impl Deref for Actions {
    type Target = [Action];

    fn deref(&self) -> &[Action] {
        &self.list
    }
}
