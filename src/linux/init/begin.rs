//! The first moments of PID 1: the file systems that everything else needs, and
//! a console to speak on.

use core::ffi::CStr;

use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags, mkdir, open, stat};
use rustix::io::{fcntl_getfd, read};
use rustix::mount::{MountFlags, mount};
use rustix::process::getpid;
use rustix::system::{RebootCommand, reboot};
use smena::say::{Plain, parts};

use core::sync::atomic::Ordering;

use crate::linux::cell::Cell;
use crate::linux::failure::Reason;
use crate::linux::output::{self, complain};
use crate::linux::start::Invocation;

/// The number of the first PID namespace's file, the same on every Linux.
const FIRST_NAMESPACE: u64 = 0xEFFF_FFFC;

/// What is mounted first: kind, place and flags.
const MOUNTS: [(&CStr, &CStr, MountFlags); 4] = {
    const QUIET: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);
    [
        (c"devtmpfs", c"/dev", MountFlags::NOSUID),
        (c"proc", c"/proc", QUIET.union(MountFlags::NOEXEC)),
        (c"sysfs", c"/sys", QUIET.union(MountFlags::NOEXEC)),
        (c"tmpfs", c"/run", QUIET),
    ]
};

/// The longest command line that a kernel has.
const COMMAND_LINE_MAX: usize = 4096;
static COMMAND_LINE: Cell<[u8; COMMAND_LINE_MAX]> = Cell::new([0; _]);

/// Decides whether this process is an init, and if so, lays its ground. The
/// first process of a container is one only when it is called that.
pub fn begin(invocation: &Invocation) {
    if !getpid().is_init() {
        return;
    }
    let named = parts(invocation.name(), b'/').last() == Some("init");
    let namespace = stat(c"/proc/self/ns/pid").map(|stat| stat.st_ino);
    if !named && namespace.is_ok_and(|number| number != FIRST_NAMESPACE) {
        return;
    }
    super::ON.store(true, Ordering::Relaxed);
    let mut refused = None;
    for (kind, target, flags) in MOUNTS {
        if !is_mounted(target) {
            // It is there, or the mount says what is wrong.
            let _ = mkdir(target, Mode::from_raw_mode(0o755));
            let options = (kind == c"tmpfs").then_some(c"mode=0755");
            if let Err(errno) = mount(kind, target, kind, flags, options) {
                refused = refused.or(Some((target, errno)));
            }
        }
    }
    open_console();
    // Ctrl-Alt-Del becomes a SIGINT for us; a container has no such keys.
    let _ = reboot(RebootCommand::CadOff);
    if let Some((target, errno)) = refused {
        let target = Plain(target.to_str().unwrap_or_default());
        complain(format_args!("error: mount {target}: {}", Reason(errno)));
    }
}

/// Whether something is mounted there already.
fn is_mounted(target: &CStr) -> bool {
    match (stat(target), stat(c"/")) {
        (Ok(target), Ok(root)) => target.st_dev != root.st_dev,
        _ => false,
    }
}

/// The kernel opens the console where the image has `/dev/console`; where it has
/// not, the device is there by now.
fn open_console() {
    if fcntl_getfd(output::stderr()).is_ok() {
        return;
    }
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    if let Ok(console) = open(c"/dev/console", flags, Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(console.as_fd());
        let _ = rustix::stdio::dup2_stdout(console.as_fd());
        let _ = rustix::stdio::dup2_stderr(console.as_fd());
        use rustix::fd::{AsRawFd, IntoRawFd};
        if console.as_raw_fd() <= 2 {
            let _ = console.into_raw_fd();
        }
    }
}

/// The file that the kernel's command line names: `smena.conf=PATH`.
pub fn named_file() -> Option<&'static str> {
    let line = COMMAND_LINE.claim();
    let file = open(c"/proc/cmdline", OFlags::CLOEXEC, Mode::empty()).ok()?;
    let length = read(&file, &mut *line).ok()?;
    let line = core::str::from_utf8(line.get(..length)?).ok()?;
    let mut words = line.split([' ', '\n']);
    words.find_map(|word| word.strip_prefix("smena.conf="))
}
