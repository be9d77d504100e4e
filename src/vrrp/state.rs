//! The states of a router, each with the deadlines that it has in it: a timer
//! can't exist in a state that has none.

use core::net::IpAddr;

use super::Announcing;
use crate::Instant;

/// The state of a router, with the deadlines that it has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not taking part.
    Initialize,
    /// Listening.
    Backup(Backup),
    /// Holding the addresses.
    Master(Master),
    /// Unable to take part.
    Fault,
}

/// What a listening router waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// When it takes over unless an advert comes first; `None`: the time has
    /// come, and the router waits for the others of its group.
    pub(super) down_at: Option<Instant>,
    /// Until when a master of lower priority is tolerated (`preempt_delay`).
    pub(super) tolerate_until: Option<Instant>,
    /// What will have been the cause when `down_at` passes.
    pub(super) expecting: Expecting,
    /// The master is silent, and the link is asked who has its addresses
    /// (`takeover_probe`); `down_at` is the end of this question.
    pub(super) asking: Option<Asking>,
}

/// A question to the link before a take-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asking {
    /// From then on no answer puts the take-over off.
    pub(super) until: Instant,
    /// Somebody answered since it was last asked.
    pub(super) answered: bool,
    /// Somebody answered at all.
    pub(super) told: bool,
}

/// Why a backup's timer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expecting {
    /// The master's next advert.
    Advert,
    /// Nobody: the master sent priority 0.
    Vacancy(IpAddr),
    /// To take over from a master of this lower priority.
    Preemption(IpAddr, u8),
    /// Nothing: it owns the addresses.
    Nothing,
}

/// What a master has to do, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Master {
    /// When the next advert is due.
    pub(super) advert_at: Instant,
    /// When the last one was sent; the stall rule counts from it.
    pub(super) sent_at: Instant,
    /// When the addresses' lease was last renewed.
    pub(super) renewed_at: Instant,
    /// Before then no further advert answers a losing master.
    pub(super) answer_at: Instant,
    /// Gratuitous ARP and neighbour advertisements.
    pub(super) announcing: Announcing,
    /// When the addresses were last put back because somebody removed one.
    pub(super) restored_at: Option<Instant>,
    /// When they are put back once more: others went at the same moment.
    pub(super) restore_at: Option<Instant>,
    /// A planned hand-over waits for its successor, until then.
    pub(super) release_until: Option<Instant>,
    /// A planned hand-over begins when the hook has ended (`release =
    /// after-hook`); until then all goes on.
    pub(super) awaits_hook: bool,
}

/// The four states without their data, as people name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `INIT`
    Initialize,
    /// `BACKUP`
    Backup,
    /// `MASTER`
    Master,
    /// `FAULT`
    Fault,
}

impl Role {
    /// As status and the log name it.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Initialize => "INIT",
            Role::Backup => "BACKUP",
            Role::Master => "MASTER",
            Role::Fault => "FAULT",
        }
    }
}
