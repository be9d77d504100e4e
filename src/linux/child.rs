//! What a forked copy of the keeper does with itself: it looks for processes,
//! or it becomes the program of a check or a hook. Whatever it has to say about
//! a failure of its own it leaves with the keeper's answers.

use core::fmt;

use smena::address::Shown;
use smena::config::{self, CheckKind, Config, ServerCheck, Words};
use smena::event::{HookCall, HookId, Outcome};
use smena::node::Node;
use smena::pack::packed;
use smena::say::{Number, Plain};

use super::answer::{Answers, is_news};
use super::failure::{Failure, Reason};
use super::scan::Targets;
use super::spawn::{self, Program, Setting};
use super::sweep::{self, sweep};
use super::text::Text;
use super::user::User;
use super::{hook, look, output};

/// A copy that has just been made.
pub struct Child<'a> {
    /// What it is to leave behind.
    pub setting: Setting<'a>,
    /// Who it is to become.
    pub user: &'a User,
    /// Where it answers.
    pub answers: &'a Answers,
    /// Its place there.
    pub place: usize,
    /// It is in a cgroup of its own.
    pub grouped: bool,
}

impl Child<'_> {
    /// Makes a check and returns the exit code; the check's program, if it has
    /// one, never does.
    pub fn check(&self, check: &config::Check<'_>) -> i32 {
        if let Err(errno) = spawn::leave(&self.setting) {
            return self.answer(Outcome::Unknown, format_args!("{}", Reason(errno)));
        }
        let mut memory = [0; spawn::STRINGS_MAX];
        let mut program = Program::new(&mut memory);
        match &check.kind {
            CheckKind::Exec(words) => program.words(words),
            CheckKind::Shell(words) => {
                program.argument(format_args!("/bin/sh"));
                program.argument(format_args!("-c"));
                program.argument(format_args!("{}", words.command_line()));
            }
            // Servers are asked without a copy, and the core knows interfaces.
            kind => {
                let looked = look::look(kind, true, &mut |outcome, detail| {
                    self.answer(outcome, detail);
                });
                return i32::from(!looked);
            }
        }
        self.look(program, check.name)
    }

    /// Becomes the command that looks at a server, or returns the exit code.
    pub fn server(&self, config: &Config<'_>, index: u8) -> i32 {
        if let Err(errno) = spawn::leave(&self.setting) {
            return self.answer(Outcome::Unknown, format_args!("{}", Reason(errno)));
        }
        let service = &config.services[config.service_of(index)];
        let server = &config.servers[usize::from(index)];
        let ServerCheck::Exec(words) = &service.check else {
            return self.answer(Outcome::Unknown, format_args!("no command"));
        };
        let at = config.looked_at(service, server);
        let mut memory = [0; spawn::STRINGS_MAX];
        let mut program = Program::new(&mut memory);
        program.words(words);
        let (address, port) = (Shown(at.ip()), Number(at.port().into()));
        program.variable("SMENA_SERVER_ADDRESS", format_args!("{address}"));
        program.variable("SMENA_SERVER_PORT", format_args!("{port}"));
        let (service, server) = (Plain(service.name), Plain(server.name));
        let name = Text::<64>::of(format_args!("{service}/{server}"));
        self.look(program, name.as_str())
    }

    /// Becomes the program of a check of this name, which never returns, or
    /// returns the exit code.
    fn look(&self, mut program: Program<'_>, name: &str) -> i32 {
        if !self.grouped {
            sweep(self.setting.parent, Some(name));
        }
        program.variable(sweep::MARK, format_args!("{}", Plain(name)));
        let failure = self.become_program(program);
        // Status has room for a short text; the whole of it goes to the log.
        let count = self.answers.refused(self.place, failure.errno());
        if is_news(count) {
            let times = Number(count.into());
            match count {
                1 => output::complain(format_args!("not started: {failure}")),
                _ => output::complain(format_args!("not started {times} times: {failure}")),
            }
        }
        let outcome = if spawn::is_passing(failure.errno()) {
            Outcome::Unknown
        } else {
            Outcome::Failure
        };
        self.answer(outcome, format_args!("{}", Reason(failure.errno())))
    }

    /// Looks for processes, for all checks that want to know, and returns the
    /// exit code.
    pub fn scan(&self, config: &Config<'_>, wanted: &dyn Fn(usize) -> bool) -> i32 {
        if spawn::leave(&self.setting).is_err() {
            return 1;
        }
        let mut targets = Targets::new();
        for (at, check) in config.checks.iter().enumerate() {
            if let CheckKind::Process { name, least, most } = &check.kind
                && wanted(at)
            {
                // The parser takes one word only.
                for name in name.iter() {
                    targets.add(at, format_args!("{name}"), *least..=*most);
                }
            }
        }
        targets.look(&mut |at, process, outcome, detail| {
            self.answers.name(at, process);
            self.answers.leave(at, outcome, detail);
        });
        0
    }

    /// Becomes a hook's program, or returns the exit code.
    pub fn hook(&self, node: &Node<'_>, id: HookId, call: &HookCall) -> i32 {
        if let Err(errno) = spawn::leave(&self.setting) {
            return self.refuse(format_args!("{}", Reason(errno)));
        }
        let words = hook::command(node.config(), id, call);
        let Some(file) = words.iter().next() else {
            return self.refuse(format_args!("no command"));
        };
        let file = Text::<1024>::of(format_args!("{file}"));
        if let Err(refused) = hook::judge(file.as_str()) {
            return self.refuse(format_args!("{}: {refused}", Plain(file.as_str())));
        }
        let mut memory = [0; spawn::STRINGS_MAX];
        let mut program = Program::new(&mut memory);
        hook::tell(&mut program, &words, node, id, call);
        let failure = self.become_program(program);
        self.refuse(format_args!("{failure}"))
    }

    /// Becomes a program that PID 1 keeps running, or returns the exit code.
    pub fn program(&self, words: &Words<'_>) -> i32 {
        if let Err(errno) = spawn::leave(&self.setting) {
            return self.refuse(format_args!("{}", Reason(errno)));
        }
        let file = words.iter().next();
        let file = Text::<1024>::of(format_args!(
            "{}",
            Plain(file.map_or("", |word| word.as_written()))
        ));
        if let Err(refused) = hook::judge(file.as_str()) {
            return self.refuse(format_args!("{refused}"));
        }
        let mut memory = [0; spawn::STRINGS_MAX];
        let mut program = Program::new(&mut memory);
        program.words(words);
        let failure = program.execute();
        self.refuse(format_args!("{failure}"))
    }

    /// Says why a hook is not run.
    fn refuse(&self, why: fmt::Arguments<'_>) -> i32 {
        self.answer(Outcome::Failure, why)
    }

    /// Leaves an answer and returns the exit code.
    fn answer(&self, outcome: Outcome, detail: fmt::Arguments<'_>) -> i32 {
        self.answers.leave(self.place, outcome, detail);
        1
    }

    /// Becomes the script user and then the program; returns when that failed.
    fn become_program(&self, program: Program<'_>) -> Failure {
        match spawn::become_user(&self.setting, self.user) {
            Ok(()) => program.execute(),
            Err(errno) => Failure::new(
                format_args!("setresuid (script_user)"),
                errno,
                packed!("run smena as root, or let `script_user` be the user who runs it"),
            ),
        }
    }
}
