//! The private world of the demo: namespaces that nobody else sees, and a root
//! directory in memory that holds nothing but this binary and two files.
//!
//! Everything here belongs to the demo's process and vanishes with it. Nothing
//! of the machine is changed, and nothing is left to clean up.
//!
//! # Safety
//!
//! The process has one thread, so taking a namespace of its own surprises
//! nobody.
#![allow(unsafe_code)]

use core::ffi::CStr;
use core::fmt;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, mkdir, open, sendfile};
use rustix::io::{Errno, read};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};
use rustix::process::{chdir, chroot, getegid, geteuid};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use smena::pack::{Packed, packed};
use smena::say::{Number, Plain};

use crate::linux::failure::{Failure, Reason};
use crate::linux::output::{complain, write_all};
use crate::linux::syscall;
use crate::linux::text::Text;

/// What is said when the kernel gives no private namespaces and no setting
/// explains it.
const MEND: Packed = packed!(
    "run the demo as root; in a container, give it CAP_SYS_ADMIN and \
                    CAP_NET_ADMIN (docker run --privileged)"
);

/// Settings that keep ordinary users from private namespaces: the file, the
/// value that forbids, and the mend.
const SWITCHES: [(&CStr, u8, Packed); 3] = [
    (
        c"/proc/sys/kernel/unprivileged_userns_clone",
        b'0',
        packed!(
            "run the demo as root, or allow user namespaces: \
         sysctl -w kernel.unprivileged_userns_clone=1"
        ),
    ),
    (
        c"/proc/sys/user/max_user_namespaces",
        b'0',
        packed!(
            "run the demo as root, or allow user namespaces: \
         sysctl -w user.max_user_namespaces=1000"
        ),
    ),
    (
        c"/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        b'1',
        packed!(
            "run the demo as root, or allow user namespaces: \
         sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        ),
    ),
];

/// Where the root directory can be mounted; any folder will do.
const FOLDERS: [&CStr; 5] = [c"/tmp", c"/run", c"/mnt", c"/var", c"/dev/shm"];

/// A network namespace.
pub struct Network(OwnedFd);

impl Network {
    /// The one that the process is in.
    pub fn present() -> Network {
        const PATH: &CStr = c"/proc/self/ns/net";
        let file = open(PATH, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        Network(need(file, "open /proc/self/ns/net"))
    }

    /// A new one, which the process is in from now on.
    pub fn create() -> Network {
        need(unshare(UnshareFlags::NEWNET), "unshare a network");
        Network::present()
    }

    /// Moves the process into it.
    pub fn enter(&self) {
        let entered = move_into_link_name_space(self.fd(), Some(LinkNameSpaceType::Network));
        need(entered, "setns a network");
    }

    /// Its descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What the demo can't do without: a refusal ends the process with 4, and all
/// that it made ends with it. `what` is the system call and its object.
pub fn need<T>(result: Result<T, Errno>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(errno) => refused(format_args!("{}", Plain(what)), errno),
    }
}

/// As [`need`], where the refusal explains itself.
pub fn must<T>(result: Result<T, Failure>) -> T {
    match result {
        Ok(value) => value,
        Err(failure) => give_up(format_args!("{failure}")),
    }
}

/// Leaves the machine's namespaces, with a user namespace where that takes one.
pub fn leave_machine() {
    let own = UnshareFlags::NEWNS | UnshareFlags::NEWNET;
    if unshare(own).is_ok() {
        return;
    }
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let (user, group) = (Number(user.into()), Number(group.into()));
    let left = unshare(own | UnshareFlags::NEWUSER);
    need(left, "unshare private namespaces");
    // Without the first line the kernel refuses the last one.
    put("/proc/self/setgroups", format_args!("deny"));
    put("/proc/self/uid_map", format_args!("0 {user} 1"));
    put("/proc/self/gid_map", format_args!("0 {group} 1"));
}

/// Makes a root directory of its own: `/smena`, this binary, beside the
/// machine's `/proc` and `/dev`.
pub fn make_root() {
    let binary = open(c"/proc/self/exe", OFlags::CLOEXEC, Mode::empty());
    let binary = need(binary, "open /proc/self/exe");
    // What is mounted from here on stays in this namespace.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    need(mount_change(c"/", private), "mount / as private");
    let entered = mount_memory().and_then(chdir);
    need(entered, "mount tmpfs");
    for (shared, here) in [(c"/proc", c"proc"), (c"/dev", c"dev")] {
        let made = mkdir(here, Mode::from_bits_truncate(0o755));
        let bound = made.and_then(|()| mount_bind_recursive(shared, here));
        need(bound, "mount /proc and /dev");
    }
    need(chroot(c"."), "chroot tmpfs");
    need(copy(binary.as_fd()), "write /smena");
}

/// Writes a small file into the root directory, or one of the kernel's.
pub fn put(path: &str, text: fmt::Arguments<'_>) {
    let text = Text::<512>::of(text);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    let written = open(path, flags, Mode::RUSR | Mode::WUSR)
        .and_then(|file| write_all(&file, text.as_str().as_bytes()));
    if let Err(errno) = written {
        refused(format_args!("write {}", Plain(path)), errno);
    }
}

/// Mounts a file system in memory over the first folder that there is.
fn mount_memory() -> Result<&'static CStr, Errno> {
    let mut answer = Errno::NOENT;
    for folder in FOLDERS {
        match mount(c"tmpfs", folder, c"tmpfs", MountFlags::NOSUID, c"mode=755") {
            Ok(()) => return Ok(folder),
            Err(errno) => answer = errno,
        }
    }
    Err(answer)
}

/// Copies this binary to `/smena`.
fn copy(from: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    let to = open(c"/smena", flags, Mode::from_bits_truncate(0o755))?;
    const MANY: usize = 1 << 30;
    while sendfile(&to, from, None, MANY)? > 0 {}
    Ok(())
}

fn unshare(what: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: descriptors are not unshared, and there is one thread.
    unsafe { unshare_unsafe(what) }
}

/// Ends the process because of a refusal, with the setting that explains it.
#[cold]
#[inline(never)]
fn refused(what: fmt::Arguments<'_>, errno: Errno) -> ! {
    let forbids = |(path, value, _): &&(&CStr, u8, Packed)| {
        let mut first = [0];
        let file = open(*path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        file.is_ok_and(|file| read(&file, &mut first) == Ok(1) && first == [*value])
    };
    let mend = SWITCHES
        .iter()
        .find(forbids)
        .map_or(MEND, |(.., mend)| *mend);
    give_up(format_args!("{what}: {}: {mend}", Reason(errno)))
}

/// Ends the process because of this.
#[cold]
#[inline(never)]
fn give_up(why: fmt::Arguments<'_>) -> ! {
    complain(format_args!(
        "error: the demo needs what the system refused: {why}"
    ));
    syscall::exit(4)
}
