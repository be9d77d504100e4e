//! One machine: a clock, a kernel, and the process that runs the real [`Node`]
//! with its checks and hooks.

use std::collections::VecDeque;
use std::rc::Rc;

use smena::config::Config;
use smena::event::{HookId, InterfaceId, Outcome};
use smena::node::Node;
use smena::protocol::Family;

use super::bytes::Said;
use super::clock::{At, Clock};
use super::delivery::WallClock;
use super::kernel::{Kernel, Notice};

/// A socket buffer holds this many packets of ours; more are lost.
const SOCKET_MAX: usize = 256;

/// A machine.
pub struct Host<'a> {
    pub config: &'a Config<'a>,
    pub clock: Clock,
    pub wall: WallClock,
    pub kernel: Kernel,
    pub process: Option<Process<'a>>,
    pub schedule: Schedule,
    /// Counts processes, so that what belongs to a dead one is known.
    pub incarnation: u32,
    /// When something last happened to it that no rule's time limit survives.
    pub disturbed_at: At,
    /// Netlink messages don't overtake each other.
    pub notice_at: At,
    /// What waits in sockets while the process does not run.
    pub inbox: VecDeque<Waiting>,
    /// When it was suspended, in the world's time.
    pub suspended_at: At,
    /// What its checks find, those of its servers behind the others.
    pub health: Vec<Health>,
    /// The kernel refuses to set addresses.
    pub refuses: bool,
    /// Counts the plans for the kernel's worker; only the last one holds.
    pub worker: u32,
}

/// Does the machine run, and its process?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    Running,
    /// The process is stopped (SIGSTOP, or the machine has no time for it).
    Stopped,
    /// The machine sleeps, and its BOOTTIME clock will tell.
    Suspended,
    /// The virtual machine is paused, and nothing will tell.
    Paused,
    /// No power.
    Off,
}

/// What a check finds, until told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Gives(Outcome),
    /// Every result as likely as another.
    Flaps,
    /// It never comes to its end.
    Hangs,
}

/// The running smena.
pub struct Process<'a> {
    pub node: Box<Node<'a>>,
    /// The interface's place in [`INTERFACES`], for each of the node's.
    pub slots: Vec<usize>,
    /// Counts the plans to wake it; only the last one holds.
    pub wake: u32,
    /// The moment, of its own clock, that it asked to be woken at.
    pub wake_at: i64,
    /// The check that runs, by number of its run.
    pub checks: Vec<Option<u32>>,
    /// What the forwarder was told: who gets sessions, and which services do.
    pub gates: Vec<bool>,
    pub doors: Vec<bool>,
    /// The hooks that run, each at its [`slot`], by number of its run.
    pub hooks: Vec<Option<u32>>,
    pub runs: u32,
    /// It has been told everything there is, and to start.
    pub started: bool,
    /// How often it was told to stop.
    pub stops: u32,
}

impl Process<'_> {
    /// The node's number for an interface, if it uses it.
    pub fn interface(&self, slot: usize) -> Option<InterfaceId> {
        let place = self.slots.iter().position(|s| *s == slot)?;
        Some(InterfaceId(place as u8))
    }
}

/// Where a hook's run stands in [`Process::hooks`].
pub fn slot(hook: HookId) -> usize {
    match hook {
        HookId::Notify(router) => 3 * usize::from(router.0),
        HookId::Resource(router) => 3 * usize::from(router.0) + 1,
        // There are no more groups than routers.
        HookId::Group(group) => 3 * usize::from(group) + 2,
    }
}

/// Who sends what no node of ours sent.
pub const NOBODY: usize = usize::MAX;

/// A packet on its way.
pub struct Frame {
    pub segment: usize,
    pub family: Family,
    pub from: usize,
    pub bytes: Vec<u8>,
    /// What it says, when it is as a node of ours sent it.
    pub said: Option<(usize, Said)>,
    /// No router may act on it.
    pub void: bool,
}

/// What waits in a socket.
#[derive(Clone)]
pub enum Waiting {
    Frame(Rc<Frame>),
    Notice(Notice),
    Check(usize, u32, Outcome),
    Hook(HookId, u32, smena::event::Exit),
}

impl<'a> Host<'a> {
    /// A machine without power.
    pub fn new(config: &'a Config<'a>, clock: Clock) -> Host<'a> {
        Host {
            config,
            kernel: Kernel::new(clock.local(0)),
            clock,
            wall: WallClock::RIGHT,
            process: None,
            schedule: Schedule::Off,
            incarnation: 0,
            disturbed_at: 0,
            notice_at: 0,
            inbox: VecDeque::new(),
            suspended_at: 0,
            health: vec![
                Health::Gives(Outcome::Success);
                config.checks.len() + config.servers.len()
            ],
            refuses: false,
            worker: 0,
        }
    }

    /// Does a process run that can act?
    pub fn acts(&self) -> bool {
        self.schedule == Schedule::Running && self.process.is_some()
    }

    /// Puts something into a socket of a process that does not run now.
    pub fn wait(&mut self, waiting: Waiting) {
        let frames = self.inbox.iter().filter(|w| matches!(w, Waiting::Frame(_)));
        let full = matches!(waiting, Waiting::Frame(_)) && frames.count() >= SOCKET_MAX;
        if !full {
            self.inbox.push_back(waiting);
        }
    }
}
