//! Looks for processes by name, as `killall -0` finds them, in `/proc`.
//!
//! It runs in a child, because reading `/proc` may take long on a machine with
//! many processes and may block on one that is stuck.

use core::fmt;
use core::ops::RangeInclusive;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, open, openat, stat, statat};
use rustix::io::{Errno, read};
use smena::event::Outcome;
use smena::pack::packed;
use smena::say::{Number, Plain, decimal};

use super::failure::Failure;
use super::look::Found;
use super::text::{Escaped, Text};

/// The kernel keeps this many bytes of a process's name.
const COMM_MAX: usize = 15;
/// The longest name that is looked for: a line of the configuration is shorter.
const NAME_MAX: usize = 1024;
/// Longest path below `/proc` that is opened: `PID/cmdline`.
const PATH_MAX: usize = 48;

/// Counts the processes of a name and says what that means for a check that
/// wants so many of them.
#[inline(never)]
pub fn look(name: fmt::Arguments<'_>, wanted: RangeInclusive<u16>, answer: Found<'_>) {
    let mut name = Text::<NAME_MAX>::of(name);
    let found = match count(&mut name) {
        Ok(found) => found,
        Err(failure) => return answer(Outcome::Unknown, format_args!("{failure}")),
    };
    let outcome = match wanted.contains(&(found.min(u16::MAX.into()) as u16)) {
        true => Outcome::Success,
        false => Outcome::Failure,
    };
    match found {
        0 => answer(outcome, format_args!("no process")),
        1 => answer(outcome, format_args!("1 process")),
        n => answer(outcome, format_args!("{} processes", Number(n.into()))),
    }
}

/// How many processes have this name. One with a slash names a program file,
/// and the processes that execute it count.
#[inline(never)]
fn count(name: &mut Text<NAME_MAX>) -> Result<u32, Failure> {
    let fail = |call, errno| {
        Failure::new(
            format_args!("{} /proc", Plain(call)),
            errno,
            packed!("mount /proc"),
        )
    };
    let proc = open(
        c"/proc",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| fail("open", errno))?;
    let program = match name.as_str().contains('/') {
        true => match name.as_c_str().map(stat) {
            Some(Ok(stat)) => Some((stat.st_dev, stat.st_ino)),
            _ => return Ok(0),
        },
        false => None,
    };
    let name = name.as_str();
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let mut buffer = [core::mem::MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(&proc, &mut buffer);
    let (mut found, mut seen) = (0, false);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|errno| fail("getdents64", errno))?;
        let Some(pid) = number(entry.file_name().to_bytes()) else {
            continue;
        };
        seen = true;
        let fits = pid != own
            && match program {
                Some(file) => executes(proc.as_fd(), pid, file),
                None => is_named(proc.as_fd(), pid, name.as_bytes()),
            };
        found += u32::from(fits);
    }
    if seen {
        Ok(found)
    } else {
        Err(fail("getdents64", Errno::NOENT))
    }
}

/// A directory's name as a process id.
pub fn number(name: &[u8]) -> Option<i32> {
    decimal(name).and_then(|pid| i32::try_from(pid).ok())
}

/// The path of a file of a process, from `/proc` on.
pub fn path_of(pid: i32, file: &str) -> Text<PATH_MAX> {
    let pid = Number(pid.unsigned_abs().into());
    Text::of(format_args!("{pid}/{}", Plain(file)))
}

/// Opens a file of a process; one that has just ended has none.
fn open_of(proc: BorrowedFd<'_>, pid: i32, file: &str) -> Option<OwnedFd> {
    let mut path = path_of(pid, file);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat(proc, path.as_c_str()?, flags, Mode::empty()).ok()
}

/// The name of a process, as the kernel has it.
pub fn name_of(proc: BorrowedFd<'_>, pid: i32) -> Option<Text<{ COMM_MAX + 1 }>> {
    let file = open_of(proc, pid, "comm")?;
    let mut buffer = [0; COMM_MAX + 1];
    let length = read(&file, &mut buffer).ok()?;
    let name = buffer.get(..length)?.trim_ascii_end();
    Some(Text::of(format_args!("{}", Escaped(name))))
}

/// Whether a process executes this program file and is no zombie.
fn executes(proc: BorrowedFd<'_>, pid: i32, file: (u64, u64)) -> bool {
    // A zombie has no such link any more.
    let mut path = path_of(pid, "exe");
    let Some(path) = path.as_c_str() else {
        return false;
    };
    statat(proc, path, AtFlags::empty()).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == file)
}

/// Whether a process has this name and is no zombie.
#[inline(never)]
fn is_named(proc: BorrowedFd<'_>, pid: i32, name: &[u8]) -> bool {
    let Some(file) = open_of(proc, pid, "stat") else {
        return false;
    };
    let mut buffer = [0; 128];
    let length = read(&file, &mut buffer).unwrap_or(0);
    let Some((comm, state)) = comm_and_state(buffer.get(..length).unwrap_or_default()) else {
        return false;
    };
    if matches!(state, b'Z' | b'X') {
        return false;
    }
    if comm.len() != COMM_MAX || name.len() < COMM_MAX {
        return comm == name;
    }
    // The kernel has cut the name: the whole of it may stand in the arguments.
    name.starts_with(comm) && long_name_fits(proc, pid, comm, name)
}

/// Name and state out of `/proc/PID/stat`; the name may hold anything, even a
/// parenthesis.
fn comm_and_state(stat: &[u8]) -> Option<(&[u8], u8)> {
    let begin = stat.iter().position(|byte| *byte == b'(')? + 1;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let state = stat.get(end + 2)?;
    Some((stat.get(begin..end)?, *state))
}

/// Compares the first argument whose file name begins with the cut name, which
/// also finds a script behind its interpreter. Without one the cut name decides.
fn long_name_fits(proc: BorrowedFd<'_>, pid: i32, comm: &[u8], name: &[u8]) -> bool {
    let Some(file) = open_of(proc, pid, "cmdline") else {
        return true;
    };
    let mut buffer = [0; 4096];
    let length = read(&file, &mut buffer).unwrap_or(0);
    let arguments = buffer.get(..length).unwrap_or_default();
    for argument in arguments.split(|byte| *byte == 0) {
        let slash = argument.iter().rposition(|byte| *byte == b'/');
        let base = argument
            .get(slash.map_or(0, |at| at + 1)..)
            .unwrap_or_default();
        if base.starts_with(comm) {
            return base == name;
        }
    }
    true
}
