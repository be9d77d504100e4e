//! Checks that look for processes share one look through `/proc`: a forked copy
//! goes through it once and answers for all that were due together. What
//! becomes due meanwhile waits for the next one, so there is never more than one
//! copy, however many checks and processes there are.
//!
//! A check whose time is over stops waiting; the copy is ended when nobody waits
//! for it any more.

use rustix::process::Signal;
use smena::Duration;
use smena::config::CheckKind;
use smena::event::{CheckId, Kill, Outcome};

use super::super::{clock, scan};
use super::{Children, Owner};

/// How long the number of processes that a look found is good enough for a check
/// that wants one of them.
const KNOWN_FOR: Duration = Duration::from_millis(950);

/// Where a check is in this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It does not look, or not now.
    No,
    /// For the next look to begin.
    ForNext,
    /// For the end of the present one.
    ForEnd,
}

/// What is yet to be told of a check that has ended without a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untold {
    /// Nothing.
    Nothing,
    /// Its answer.
    Answer,
    /// Only that it has ended: its time was over.
    End,
}

impl Children<'_> {
    /// A check that looks for processes: it takes part in the next look, unless a
    /// process that the last one found is still there.
    pub(super) fn join(&mut self, id: CheckId) {
        let at = usize::from(id.0);
        let known = self.still_runs(at);
        let place = &mut self.places[at];
        match known {
            true => place.untold = Untold::Answer,
            false => place.waits = Waits::ForNext,
        }
    }

    /// Whether the last look was a short while ago, one process was all it took,
    /// and that one is there. So many looks a second cost no more than one.
    fn still_runs(&mut self, at: usize) -> bool {
        let CheckKind::Process {
            name,
            least: 1,
            most: u16::MAX,
        } = &self.config.checks[at].kind
        else {
            return false;
        };
        let process = self.answers.named(at);
        let fresh = self.places[at].looked_at + KNOWN_FOR > clock::now();
        fresh
            && process != 0
            && name
                .iter()
                .all(|name| scan::runs(process, format_args!("{name}")))
    }

    /// A check gives up waiting for a look. False when it does not wait.
    pub(super) fn give_up(&mut self, id: CheckId) -> bool {
        let place = &mut self.places[usize::from(id.0)];
        if place.waits == Waits::No {
            return false;
        }
        place.waits = Waits::No;
        place.untold = Untold::End;
        if !self.any(Waits::ForEnd) {
            self.kill(self.place_of_look(), Kill::Kill);
        }
        true
    }

    fn any(&self, waits: Waits) -> bool {
        let mut checks = self.places.iter().take(self.config.checks.len());
        checks.any(|place| place.waits == waits)
    }

    /// Begins the next look when somebody waits for it and the last one has ended.
    pub fn look_for_processes(&mut self) {
        if !self.any(Waits::ForNext) {
            return;
        }
        let at = self.place_of_look();
        if self.places[at].running.is_some() {
            return;
        }
        let now = clock::now();
        for check in 0..self.config.checks.len() {
            let place = &mut self.places[check];
            if place.waits == Waits::ForNext {
                place.waits = Waits::ForEnd;
                place.looked_at = now;
                self.answers.clear(check);
                self.answers.name(check, 0);
            }
        }
        let mut waiting = [false; smena::board::CHECKS_MAX];
        for (waiting, place) in waiting.iter_mut().zip(self.places.iter()) {
            *waiting = place.waits == Waits::ForEnd;
        }
        let wanted = |check: usize| waiting.get(check) == Some(&true);
        let config = self.config;
        let started = self.fork(at, Some(Signal::KILL), &|child| child.scan(config, &wanted));
        if let Err(errno) = started {
            self.not_started(at, errno);
            self.end_look();
        }
    }

    /// The copy has ended, or could not be made: those who wait for it are told.
    pub(super) fn end_look(&mut self) {
        for check in 0..self.config.checks.len() {
            let place = &mut self.places[check];
            if place.waits != Waits::ForEnd {
                continue;
            }
            place.waits = Waits::No;
            place.untold = Untold::Answer;
            if self.answers.read(check).is_none() {
                let detail = format_args!("cannot look for processes");
                self.answers.leave(check, Outcome::Unknown, detail);
            }
        }
    }

    /// The place of the copy that looks.
    pub(super) fn place_of_look(&self) -> usize {
        let is = |place: &super::Place| place.owner == Owner::Look;
        self.places.iter().position(is).unwrap_or(0)
    }
}

/// Whether a check takes part in a look.
pub(super) const fn looks(kind: &CheckKind<'_>) -> bool {
    matches!(kind, CheckKind::Process { .. })
}
