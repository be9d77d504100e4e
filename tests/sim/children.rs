//! Checks and hooks as processes: they take their time, hang, die, ignore TERM,
//! or never start.

use smena::config::CheckKind;
use smena::event::{CheckId, CheckResult, Event, Exit, HookCall, HookId, Kill, Outcome};

use super::clock::{MS, SECOND};
use super::host::{Health, Schedule, Waiting, slot};
use super::world::{Happening, World};

impl World<'_> {
    /// How long a signal takes to end a process; `None`: it is ignored.
    pub(super) fn death(&mut self, kill: Kill) -> Option<u64> {
        let trouble = self.trouble();
        let deaf = kill == Kill::Term && self.random.chance(trouble);
        // A process that waits for a disk dies only when that answers.
        let most = if self.random.chance(trouble / 4) {
            SECOND
        } else {
            20 * MS
        };
        let after = 100 + self.random.below(most);
        (!deaf).then_some(after)
    }

    pub(super) fn start_check(&mut self, node: usize, check: CheckId) {
        let check = usize::from(check.0);
        let trouble = self.trouble();
        let slow = self.random.chance(trouble / 2);
        let after = if slow { 3 * SECOND } else { 30 * MS };
        let after = 100 + self.random.below(after);
        let any = self
            .random
            .pick(&[Outcome::Success, Outcome::Failure, Outcome::Unknown]);
        let config = self.hosts[node].config.checks.get(check);
        // What somebody writes into a file, one number as well as none.
        let is_file = config.is_some_and(|check| matches!(check.kind, CheckKind::File(_)));
        let number = self.random.pick(&[20, -30, 5, -254]);
        let any = match is_file && self.random.chance(600) {
            true => Outcome::Number(number),
            false => any,
        };
        let host = &mut self.hosts[node];
        let (incarnation, health) = (host.incarnation, host.health[check]);
        let Some(process) = &mut host.process else {
            return;
        };
        process.runs += 1;
        let run = process.runs;
        process.checks[check] = Some(run);
        let outcome = match health {
            Health::Gives(outcome) => outcome,
            Health::Flaps => any,
            Health::Hangs => return,
        };
        self.after(
            after,
            Happening::CheckEnds {
                node,
                incarnation,
                check,
                run,
                outcome,
            },
        );
    }

    pub(super) fn on_check_ends(
        &mut self,
        node: usize,
        incarnation: u32,
        check: usize,
        run: u32,
        outcome: Outcome,
    ) {
        let host = &mut self.hosts[node];
        if host.incarnation == incarnation && host.schedule == Schedule::Running {
            self.check_ended(node, check, run, outcome);
        } else if host.incarnation == incarnation && host.process.is_some() {
            host.wait(Waiting::Check(check, run, outcome));
        }
    }

    pub(super) fn check_ended(&mut self, node: usize, check: usize, run: u32, outcome: Outcome) {
        let Some(process) = &mut self.hosts[node].process else {
            return;
        };
        if process.checks[check] != Some(run) {
            return;
        }
        process.checks[check] = None;
        let result = CheckResult {
            outcome,
            detail: "simulated",
        };
        self.feed(node, Event::CheckEnded(CheckId(check as u8), result));
    }

    pub(super) fn start_hook(&mut self, node: usize, hook: HookId, call: HookCall) {
        self.judge(|rules, view| rules.hook_starts(view, node, hook, call));
        let trouble = self.trouble();
        let way = if self.random.chance(trouble) {
            self.random.below(5)
        } else {
            5
        };
        let quick = 200 + self.random.below(150 * MS);
        let (after, exit) = match way {
            0 => (None, Exit::Code(0)),
            1 => (Some(50), Exit::NotStarted),
            2 => (Some(quick * 40), Exit::Code(0)),
            3 => (Some(quick), Exit::Signal(11)),
            4 => (Some(50), Exit::NoRoom),
            _ => (Some(quick), Exit::Code(0)),
        };
        let host = &mut self.hosts[node];
        let incarnation = host.incarnation;
        let Some(process) = &mut host.process else {
            return;
        };
        process.runs += 1;
        let run = process.runs;
        process.hooks[slot(hook)] = Some(run);
        if let Some(after) = after {
            self.after(
                after,
                Happening::HookEnds {
                    node,
                    incarnation,
                    hook,
                    run,
                    exit,
                },
            );
        }
    }

    pub(super) fn on_hook_ends(
        &mut self,
        node: usize,
        incarnation: u32,
        hook: HookId,
        run: u32,
        exit: Exit,
    ) {
        let host = &mut self.hosts[node];
        if host.incarnation == incarnation && host.schedule == Schedule::Running {
            self.hook_ended(node, hook, run, exit);
        } else if host.incarnation == incarnation && host.process.is_some() {
            host.wait(Waiting::Hook(hook, run, exit));
        }
    }

    pub(super) fn hook_ended(&mut self, node: usize, hook: HookId, run: u32, exit: Exit) {
        let Some(process) = &mut self.hosts[node].process else {
            return;
        };
        if process.hooks[slot(hook)] != Some(run) {
            return;
        }
        process.hooks[slot(hook)] = None;
        self.judge(|rules, view| rules.hook_ends(view, node, hook, exit));
        self.feed(node, Event::HookEnded(hook, exit));
    }
}
