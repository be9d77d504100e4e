//! Looks for processes by name, as `killall -0` finds them, in `/proc`: once for
//! all checks that want to know.
//!
//! It runs in a child, because reading `/proc` may take long on a machine with
//! many processes and may block on one that is stuck.

use core::fmt;
use core::ops::RangeInclusive;

use heapless::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, open, openat, stat, statat};
use rustix::io::{Errno, read};
use smena::board;
use smena::event::Outcome;
use smena::pack::packed;
use smena::say::{Number, Plain, decimal};

use super::failure::Failure;
use super::text::{Escaped, Text};

/// The kernel keeps this many bytes of a process's name.
const COMM_MAX: usize = 15;
/// What is read of a file that holds a name: a worker of the kernel has a longer
/// one there.
const COMM_FILE_MAX: usize = 80;
/// The longest name that is looked for: a line of the configuration is shorter.
const NAME_MAX: usize = 1024;
/// Longest path below `/proc` that is opened: `PID/cmdline`.
const PATH_MAX: usize = 48;

/// Receives what was found for a check, and one process of it, or 0.
pub type Found<'f> = &'f mut dyn FnMut(usize, i32, Outcome, fmt::Arguments<'_>);

/// What one check looks for.
struct Target {
    check: usize,
    name: Text<NAME_MAX>,
    /// With a slash it names a program file, and the processes that execute it
    /// count; `(0, 0)` where there is none. That is no file.
    program: Option<(u64, u64)>,
    wanted: RangeInclusive<u16>,
    found: u32,
    /// The last one of them, or 0.
    last: i32,
}

/// Everything that is looked for at once.
pub struct Targets(Vec<Target, { board::CHECKS_MAX }>);

impl Targets {
    /// Nothing yet.
    pub const fn new() -> Targets {
        Targets(Vec::new())
    }

    /// Looks for this name, too, for a check that wants so many processes of it.
    pub fn add(&mut self, check: usize, name: fmt::Arguments<'_>, wanted: RangeInclusive<u16>) {
        let mut name = Text::of(name);
        let program = name.as_str().contains('/').then(|| {
            let stat = name.as_c_str().map(stat);
            stat.and_then(Result::ok)
                .map_or((0, 0), |stat| (stat.st_dev, stat.st_ino))
        });
        let target = Target {
            check,
            name,
            program,
            wanted,
            found: 0,
            last: 0,
        };
        // There is room for every check.
        let fitted = self.0.push(target).is_ok();
        assert!(fitted);
    }

    /// Counts the processes and says what that means for each check.
    #[inline(never)]
    pub fn look(&mut self, answer: Found<'_>) {
        let failure = self.count().err();
        for target in &self.0 {
            let found = target.found;
            let mut say = |outcome, detail: fmt::Arguments<'_>| {
                answer(target.check, target.last, outcome, detail);
            };
            let count = found.min(u16::MAX.into()) as u16;
            let outcome = match (&failure, target.wanted.contains(&count)) {
                (Some(failure), _) => {
                    say(Outcome::Unknown, format_args!("{failure}"));
                    continue;
                }
                (None, true) => Outcome::Success,
                (None, false) => Outcome::Failure,
            };
            match found {
                0 => say(outcome, format_args!("no process")),
                1 => say(outcome, format_args!("1 process")),
                n => say(outcome, format_args!("{} processes", Number(n.into()))),
            }
        }
    }

    /// Goes through all processes.
    #[inline(never)]
    fn count(&mut self) -> Result<(), Failure> {
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
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let mut buffer = [core::mem::MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(&proc, &mut buffer);
        let mut seen = false;
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|errno| fail("getdents64", errno))?;
            let Some(pid) = number(entry.file_name().to_bytes()) else {
                continue;
            };
            seen = true;
            if pid != own {
                self.judge(proc.as_fd(), pid);
            }
        }
        if seen {
            Ok(())
        } else {
            Err(fail("getdents64", Errno::NOENT))
        }
    }

    /// Counts one process where it belongs.
    fn judge(&mut self, proc: BorrowedFd<'_>, pid: i32) {
        let mut buffer = [0; COMM_FILE_MAX];
        let by_name = self.0.iter().any(|target| target.program.is_none());
        let comm = match by_name {
            true => comm_of(proc, pid, &mut buffer),
            false => &[],
        };
        let (mut program, mut zombie) = (None, None);
        for target in &mut self.0 {
            let fits = match target.program {
                Some(file) => {
                    file == *program.get_or_insert_with(|| program_of(proc, pid)) && file != (0, 0)
                }
                None => {
                    is_named(proc, pid, comm, target.name.as_str().as_bytes())
                        && !*zombie.get_or_insert_with(|| is_zombie(proc, pid))
                }
            };
            if fits {
                target.found += 1;
                target.last = pid;
            }
        }
    }
}

/// Whether a process still has a name that the kernel keeps whole, and is no
/// zombie. It waits for nobody.
pub fn runs(pid: i32, name: fmt::Arguments<'_>) -> bool {
    let name = Text::<COMM_MAX>::of(format_args!("{name})"));
    let pid = Number(pid.unsigned_abs().into());
    let mut path = Text::<PATH_MAX>::of(format_args!("/proc/{pid}/stat"));
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = path.as_c_str().map(|path| open(path, flags, Mode::empty()));
    let mut buffer = [0; 64];
    let length = file
        .and_then(Result::ok)
        .and_then(|file| read(file, &mut buffer).ok());
    let stat = buffer.get(..length.unwrap_or(0)).unwrap_or_default();
    let begin = stat.iter().position(|&byte| byte == b'(').unwrap_or(0) + 1;
    let state = stat
        .get(begin..)
        .and_then(|rest| rest.strip_prefix(name.as_str().as_bytes()));
    matches!(state, Some([b' ', state, ..]) if !matches!(state, b'Z' | b'X'))
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
    let mut buffer = [0; COMM_MAX + 1];
    let name = comm_of(proc, pid, &mut buffer);
    (!name.is_empty()).then(|| Text::of(format_args!("{}", Escaped(name))))
}

/// Reads the begin of a file of a process; nothing when it has ended.
fn read_of<'b>(proc: BorrowedFd<'_>, pid: i32, file: &str, buffer: &'b mut [u8]) -> &'b [u8] {
    let file = open_of(proc, pid, file);
    let length = file.and_then(|file| read(file, &mut *buffer).ok());
    buffer.get(..length.unwrap_or(0)).unwrap_or_default()
}

/// The program file that a process executes; a zombie has none.
fn program_of(proc: BorrowedFd<'_>, pid: i32) -> (u64, u64) {
    let mut path = path_of(pid, "exe");
    let stat = path
        .as_c_str()
        .map(|path| statat(proc, path, AtFlags::empty()));
    let stat = stat.and_then(Result::ok);
    stat.map_or((0, 0), |stat| (stat.st_dev, stat.st_ino))
}

/// The name of a process as the kernel keeps it.
fn comm_of<'b>(proc: BorrowedFd<'_>, pid: i32, buffer: &'b mut [u8]) -> &'b [u8] {
    let comm = read_of(proc, pid, "comm", buffer);
    comm.strip_suffix(b"\n").unwrap_or(comm)
}

/// Whether a process that the kernel calls `comm` has this name.
fn is_named(proc: BorrowedFd<'_>, pid: i32, comm: &[u8], name: &[u8]) -> bool {
    // The kernel may have cut the name: the whole of it then stands in the
    // arguments.
    match comm.len() == COMM_MAX && name.len() >= COMM_MAX {
        true => name.starts_with(comm) && long_name_fits(proc, pid, comm, name),
        false => comm == name,
    }
}

/// Whether a process has ended and only its parent does not know. The state
/// stands behind the name, which may hold anything, even a parenthesis.
fn is_zombie(proc: BorrowedFd<'_>, pid: i32) -> bool {
    let mut buffer = [0; 128];
    let stat = read_of(proc, pid, "stat", &mut buffer);
    let end = stat.iter().rposition(|byte| *byte == b')');
    let state = end.and_then(|end| stat.get(end + 2));
    matches!(state, None | Some(b'Z' | b'X'))
}

/// Compares the first argument whose file name begins with the cut name, which
/// also finds a script behind its interpreter. Without one the cut name decides.
fn long_name_fits(proc: BorrowedFd<'_>, pid: i32, comm: &[u8], name: &[u8]) -> bool {
    let mut buffer = [0; 4096];
    let arguments = read_of(proc, pid, "cmdline", &mut buffer);
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
