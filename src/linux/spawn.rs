//! The child's side of a fork: out of the keeper's group, descriptors, signals
//! and privileges, and into another program. All of it happens in the child, so
//! whatever blocks here blocks nobody else.

use core::ffi::CStr;
use core::fmt::{self, Write as _};

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, chdir, getppid, set_parent_process_death_signal, setpgid, setsid, umask,
};
use smena::config::Words;
use smena::pack::{Packed, packed};
use smena::say::{Plain, parts};

use super::failure::Failure;
use super::syscall::{self, CStrings, SignalSet};
use super::text::{Text, Writer};
use super::user::User;
use super::{log, realtime};

/// Where programs without a slash are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// A line of the configuration has at most 1024 bytes, so at most 512 words.
const WORDS_MAX: usize = 512 + 8;
/// Room for the environment: PATH and what hooks are told.
const VARIABLES_MAX: usize = 12;
/// Bytes of all arguments and variables together.
pub const STRINGS_MAX: usize = 8 * 1024;

/// What a child is to be.
pub struct Setting<'a> {
    /// Its standard input.
    pub null: BorrowedFd<'a>,
    /// Its standard output and error.
    pub output: BorrowedFd<'a>,
    /// The keeper.
    pub parent: Pid,
    /// It gets a session of its own, so that it can take a terminal.
    pub session: bool,
    /// What happens to it when the keeper dies; `None`: it goes on.
    pub at_parents_death: Option<Signal>,
}

/// Leaves everything of the keeper behind but memory and user.
pub fn leave(setting: &Setting<'_>) -> Result<(), Errno> {
    log::silence();
    match setting.session {
        true => drop(setsid()?),
        false => setpgid(None, None)?,
    }
    syscall::reset_signal_actions();
    syscall::set_signal_mask(SignalSet(0));
    rustix::stdio::dup2_stdin(setting.null)?;
    rustix::stdio::dup2_stdout(setting.output)?;
    rustix::stdio::dup2_stderr(setting.output)?;
    close_descriptors();
    umask(Mode::WGRP | Mode::WOTH);
    chdir(c"/")?;
    realtime::leave();
    die_with_parent(setting)
}

/// Becomes the script user. The kernel forgets the death signal at a change of
/// user, so it is asked for again.
pub fn become_user(setting: &Setting<'_>, user: &User) -> Result<(), Errno> {
    user.become_it()?;
    die_with_parent(setting)
}

/// Arranges for the keeper's death; one that has died already counts.
fn die_with_parent(setting: &Setting<'_>) -> Result<(), Errno> {
    set_parent_process_death_signal(setting.at_parents_death)?;
    if setting.at_parents_death.is_some() && getppid() != Some(setting.parent) {
        syscall::exit(1);
    }
    Ok(())
}

/// Closes everything but the standard descriptors.
pub fn close_descriptors() {
    close_descriptors_but(&[]);
}

/// Closes everything but the standard descriptors and these.
pub fn close_descriptors_but(kept: &[BorrowedFd<'_>]) {
    // What kernels before 5.9 allow by default is far below this.
    const LAST: i32 = 4096;
    let mut first = 3;
    loop {
        let numbers = kept.iter().map(|kept| kept.as_raw_fd());
        let next = numbers.filter(|number| *number >= first).min();
        let last = next.map_or(u32::MAX, |next| next as u32 - 1);
        if next != Some(first) && syscall::close_range(first as u32, last).is_err() {
            (first..next.unwrap_or(LAST)).for_each(syscall::close);
        }
        match next {
            None => return,
            Some(next) => first = next + 1,
        }
    }
}

/// The command and the environment of a program.
pub struct Program<'a> {
    strings: &'a mut [u8],
    arguments: CStrings<'a, WORDS_MAX>,
    environment: CStrings<'a, VARIABLES_MAX>,
    name: Option<&'a CStr>,
    full: bool,
}

/// The memory of a [`Program`].
pub type Strings = [u8; STRINGS_MAX];

impl<'a> Program<'a> {
    /// Nothing but PATH in its environment.
    pub fn new(strings: &'a mut Strings) -> Program<'a> {
        let mut program = Program {
            strings,
            arguments: CStrings::new(),
            environment: CStrings::new(),
            name: None,
            full: false,
        };
        program.variable("PATH", format_args!("{}", Plain(PATH)));
        program
    }

    /// Appends an argument; the first one is the program itself.
    pub fn argument(&mut self, argument: fmt::Arguments<'_>) {
        match self.string(argument) {
            Some(string) if self.arguments.push(string) => {
                self.name = self.name.or(Some(string));
            }
            _ => self.full = true,
        }
    }

    /// Appends each word of a configuration line as an argument.
    pub fn words(&mut self, words: &Words<'_>) {
        for word in words.iter() {
            self.argument(format_args!("{word}"));
        }
    }

    /// Sets a variable of the environment.
    pub fn variable(&mut self, name: &str, value: fmt::Arguments<'_>) {
        match self.string(format_args!("{}={value}", Plain(name))) {
            Some(string) if self.environment.push(string) => {}
            _ => self.full = true,
        }
    }

    /// Keeps a string, with its closing zero.
    fn string(&mut self, arguments: fmt::Arguments<'_>) -> Option<&'a CStr> {
        let mut writer = Writer::new(core::mem::take(&mut self.strings));
        let _ = fmt::write(&mut writer, arguments);
        let _ = writer.write_str("\0");
        if writer.is_cut() {
            return None;
        }
        let (string, rest) = writer.split();
        self.strings = rest;
        CStr::from_bytes_with_nul(string).ok()
    }

    /// Becomes the program; returns only when that failed.
    pub fn execute(self) -> Failure {
        let Some(name) = self.name.filter(|_| !self.full) else {
            return Failure::new(
                format_args!("execve (command)"),
                Errno::TOOBIG,
                packed!("shorten the command"),
            );
        };
        let readable = name.to_str().unwrap_or_default();
        let mut errno = Errno::NOENT;
        if readable.contains('/') {
            errno = syscall::execve(name, &self.arguments, &self.environment);
        } else {
            for folder in parts(PATH, b':') {
                let mut path =
                    Text::<1100>::of(format_args!("{}/{}", Plain(folder), Plain(readable)));
                let Some(path) = path.as_c_str() else {
                    continue;
                };
                match syscall::execve(path, &self.arguments, &self.environment) {
                    Errno::NOENT | Errno::NOTDIR => {}
                    other => errno = other,
                }
            }
        }
        Failure::new(
            format_args!("execve {}", Plain(readable)),
            errno,
            mend(errno),
        )
    }
}

/// What to do when a program cannot be executed.
fn mend(errno: Errno) -> Packed {
    match errno {
        Errno::NOENT => packed!("check the path, and the interpreter that its first line names"),
        Errno::ACCESS => {
            packed!("make it executable for `script_user`, on a file system without noexec")
        }
        Errno::NOEXEC => packed!("begin the script with a line such as #!/bin/sh"),
        _ => packed!(""),
    }
}

/// Whether trying again later may help: nothing is wrong with the program, or
/// the server, but this machine lacks something.
pub fn is_passing(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::AGAIN
            | Errno::NOMEM
            | Errno::NOBUFS
            | Errno::MFILE
            | Errno::NFILE
            | Errno::INTR
            | Errno::IO
            | Errno::ADDRNOTAVAIL
    )
}
