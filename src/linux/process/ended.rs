//! How a child ended, and how the core is told.

use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};
use smena::event::{CheckResult, Event, Exit, Outcome};

use super::super::answer::TEXT_MAX;
use super::super::called::Owner;
use super::super::text::Text;

/// The end of a child, with what it said.
pub struct Ended {
    pub(super) owner: Owner,
    pub(super) outcome: Outcome,
    pub(super) exit: Exit,
    pub(super) detail: Text<TEXT_MAX>,
}

impl Ended {
    /// Nothing was learnt.
    pub(super) fn of(owner: Owner, exit: Exit) -> Ended {
        Ended {
            owner,
            outcome: Outcome::Unknown,
            exit,
            detail: Text::new(),
        }
    }

    /// As the core is told; the number of a program, of which it knows nothing.
    pub fn event(&self) -> Result<Event<'_>, usize> {
        match self.owner {
            Owner::Check(id) => Ok(Event::CheckEnded(
                id,
                CheckResult {
                    outcome: self.outcome,
                    detail: self.detail.as_str(),
                },
            )),
            Owner::Hook(id) => Ok(Event::HookEnded(id, self.exit)),
            Owner::Program(at) => Err(at.into()),
            // What it found is told check by check.
            Owner::Look => unreachable!("a look has no event"),
        }
    }

    /// How it ended, in a word or two.
    pub fn detail(&self) -> &str {
        self.detail.as_str()
    }
}

/// Whether a child has ended, without collecting it.
pub(super) fn has_ended(pidfd: &OwnedFd) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::PidFd(pidfd.as_fd()), options), Ok(Some(_)))
}

/// How a child ended.
pub(super) fn exit_of(status: &WaitIdStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code as u8),
        (None, Some(signal)) => Exit::Signal(signal as u8),
        (None, None) => Exit::NotStarted,
    }
}
