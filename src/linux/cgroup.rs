//! A cgroup for each check's program, by which all that a run left behind is
//! killed in one go (cgroup.kill, Linux 5.14), whatever it did to hide.
//!
//! The groups are made below the one that smena was started in, and have no
//! controllers, so that nothing has to be moved. A program begins in its group
//! (CLONE_INTO_CGROUP): to be moved there would make every fork of the machine
//! wait. Where there is no cgroup v2, or no permission, there are no groups, and
//! `sweep` finds what it can.

use core::mem::MaybeUninit;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    Access, AtFlags, Mode, OFlags, RawDir, accessat, mkdirat, open, openat, unlinkat,
};
use rustix::io::{Errno, read, write};
use rustix::thread::nanosleep;
use smena::say::{Number, Plain};

use super::clock;
use super::sweep::PAUSE;
use super::table::read_lines;
use super::text::{Escaped, Text};

/// Where cgroup v2 is: alone, or beside the first version.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// How often the end of killed processes is looked for.
const TRIES_MAX: usize = 64;

/// Where the groups of this process are made.
pub struct Groups {
    above: Option<OwnedFd>,
    /// Tells them from those of others with this process id, in other containers.
    stamp: u64,
}

impl Groups {
    /// Finds the place.
    #[inline(never)]
    pub fn find() -> Groups {
        let mut path = Text::<512>::new();
        let _ = read_lines(c"/proc/self/cgroup", &mut |line| {
            let own = line.trim_ascii_end().strip_prefix(b"0::");
            path = Text::of(format_args!("{}", Escaped(own.unwrap_or_default())));
            own.is_some()
        });
        let mut mounts = MOUNTS.iter();
        Groups {
            above: mounts.find_map(|mount| {
                let all = format_args!("{}/cgroup.controllers", Plain(mount));
                folder(all, OFlags::PATH).ok()?;
                let own = format_args!("{}{}", Plain(mount), Plain(path.as_str()));
                let above = folder(own, OFlags::DIRECTORY).ok()?;
                clear(&above);
                Some(above)
            }),
            stamp: clock::now().total_micros().unsigned_abs(),
        }
    }

    /// Makes the group of a run that begins, if there is none that earlier runs
    /// left as it was; what the last one left may still be dying, and then this
    /// run has none.
    pub fn make(&self, number: usize, group: &mut Group) {
        match group {
            Group::None => {}
            // To make and remove one for each run would make the loop late.
            Group::Of(_) => return,
            Group::Dying if self.remove(number) => {}
            Group::Dying => return,
        }
        *group = match self.try_make(number) {
            Some(made) => Group::Of(made),
            None => Group::None,
        };
    }

    fn try_make(&self, number: usize) -> Option<OwnedFd> {
        let above = self.above.as_ref()?;
        let mut name = self.name(number);
        let name = name.as_c_str()?;
        mkdirat(above, name, Mode::from_raw_mode(0o755)).ok()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let made = openat(above, name, flags, Mode::empty()).ok()?;
        // The kernel may be older.
        match accessat(&made, c"cgroup.kill", Access::EXISTS, AtFlags::empty()) {
            Ok(()) => Some(made),
            Err(_) => {
                self.remove(number);
                None
            }
        }
    }

    /// The program has ended: what it left goes, and the group with it.
    pub fn end(&self, group: &mut Group) {
        if let Group::Of(made) = group
            && !is_empty(made.as_fd())
        {
            let _ = kill(made.as_fd());
            *group = Group::Dying;
        }
    }

    /// The end of all, which waits for what dies.
    pub fn finish(&self, number: usize, group: &mut Group) {
        self.end(group);
        for _ in 0..TRIES_MAX {
            if matches!(group, Group::None) || self.remove(number) {
                return;
            }
            let _ = nanosleep(&PAUSE);
        }
    }

    /// Removes a group; false while there are processes in it.
    fn remove(&self, number: usize) -> bool {
        let mut name = self.name(number);
        match (&self.above, name.as_c_str()) {
            (Some(above), Some(name)) => {
                unlinkat(above, name, AtFlags::REMOVEDIR) != Err(Errno::BUSY)
            }
            _ => true,
        }
    }

    fn name(&self, number: usize) -> Text<64> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let pid = Number(pid.unsigned_abs().into());
        let (stamp, number) = (Number(self.stamp), Number(number as u64));
        Text::of(format_args!("smena.{pid}.{stamp}.check-{number}"))
    }
}

/// The group of one check. One that was killed is not used again: some kernels
/// kill at once what begins in it.
pub enum Group {
    /// There is none.
    None,
    /// It is there for runs.
    Of(OwnedFd),
    /// It was killed, and is to be removed.
    Dying,
}

/// Removes the empty groups of those that were killed.
fn clear(above: &OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut entries = RawDir::new(above, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        if entry.file_name().to_bytes().starts_with(b"smena.") {
            let _ = unlinkat(above, entry.file_name(), AtFlags::REMOVEDIR);
        }
    }
}

/// Whether no process is left in a group; one that cannot be looked at has some.
fn is_empty(group: BorrowedFd<'_>) -> bool {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(events) = openat(group, c"cgroup.events", flags, Mode::empty()) else {
        return false;
    };
    let mut text = [0; 64];
    let length = read(events, &mut text).unwrap_or(0);
    text.get(..length)
        .is_some_and(|text| text.starts_with(b"populated 0"))
}

/// Kills all processes of a group.
fn kill(group: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let kill = openat(group, c"cgroup.kill", flags, Mode::empty())?;
    write(kill, b"1").map(|_| ())
}

fn folder(path: core::fmt::Arguments<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut path = Text::<600>::of(path);
    let path = path.as_c_str().ok_or(Errno::NAMETOOLONG)?;
    open(path, flags | OFlags::CLOEXEC, Mode::empty())
}
