//! What smena tells by itself, without a process: the state of a router as a
//! word in a file, and keepalived's lines to a FIFO or a socket.
//!
//! Neither waits. A file is written beside its place and moved there, so that a
//! reader finds one whole word or the other; it belongs on a tmpfs. A line that
//! the FIFO has no room for is lost, and counted. What goes wrong is logged once,
//! until it has gone well again.

use core::ffi::CStr;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use rustix::fs::{fchmod, fstat, lstat, mkdir, mknodat, open, rename};
use rustix::io::{Errno, write};
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::net::{sendto, socket_with};
use smena::board;
use smena::event::{RouterId, Subject};
use smena::node::Node;
use smena::say::{Level, Number, Plain};

use super::failure::log_refusal;
use super::text::Text;

/// Room for a path and what is appended to it.
type Path = Text<128>;

/// The longest line: GROUP, a name, a state, a priority.
type Line = Text<80>;

/// Writes states and lines.
pub struct Publisher<'a> {
    fifo: Option<&'a str>,
    open: Option<OwnedFd>,
    /// Lines that were taken, and lines that were lost.
    counts: (u64, u64),
    fifo_failed: bool,
    file_failed: [bool; board::ROUTERS_MAX],
}

impl<'a> Publisher<'a> {
    /// Nothing told yet. `fifo` is the path of `notify_fifo`.
    pub const fn new(fifo: Option<&'a str>) -> Publisher<'a> {
        Publisher {
            fifo,
            open: None,
            counts: (0, 0),
            fifo_failed: false,
            file_failed: [false; board::ROUTERS_MAX],
        }
    }

    /// Lines that were taken and lines that were lost; `None` without a FIFO.
    pub fn counts(&self) -> Option<(u64, u64)> {
        self.fifo.map(|_| self.counts)
    }

    /// Writes the state of a router into its file.
    #[inline(never)]
    pub fn write_state(&mut self, node: &Node<'_>, id: RouterId) {
        let index = usize::from(id.0);
        let Some(path) = node.config().routers[index].state_file else {
            return;
        };
        let word = node.routers()[index].word();
        let written = write_word(path, word);
        if let (Err(errno), false) = (written, self.file_failed[index]) {
            let path = Plain(path);
            log_refusal(Level::Error, format_args!("state_file {path}"), errno);
        }
        self.file_failed[index] = written.is_err();
    }

    /// Writes keepalived's line about a router or a group.
    pub fn tell(&mut self, node: &Node<'_>, subject: Subject) {
        let (Some(path), Some(line)) = (self.fifo, line_of(node, subject)) else {
            return;
        };
        let sent = self.send(path, line.as_str().as_bytes());
        match sent {
            Ok(()) => self.counts.0 += 1,
            Err(_) => self.counts.1 += 1,
        }
        if let (Err(errno), false) = (sent, self.fifo_failed) {
            let path = Plain(path);
            log_refusal(Level::Warn, format_args!("notify_fifo {path}"), errno);
        }
        self.fifo_failed = sent.is_err();
    }

    /// Hands a line over, whole or not at all.
    fn send(&mut self, path: &str, line: &[u8]) -> Result<(), Errno> {
        let mut path = Path::of(format_args!("{}", Plain(path)));
        let path = path.as_c_str().ok_or(Errno::NAMETOOLONG)?;
        let there = match lstat(path) {
            Err(Errno::NOENT) => {
                // As keepalived does. Who reads, comes when it likes.
                mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
                lstat(path)?
            }
            other => other?,
        };
        match FileType::from_raw_mode(there.st_mode) {
            FileType::Fifo => {
                let same = |open: &OwnedFd| fstat(open).is_ok_and(|stat| same_file(&stat, &there));
                if !self.open.as_ref().is_some_and(same) {
                    // For reading as well, so that lines wait for a reader who
                    // is not there yet, or starts again.
                    let flags =
                        OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let opened = open(path, flags, Mode::empty())?;
                    if !same(&opened) {
                        return Err(Errno::AGAIN);
                    }
                    self.open = Some(opened);
                }
                let fifo = self.open.as_ref().ok_or(Errno::BADF)?;
                // Less than PIPE_BUF, so a pipe takes all of it or nothing.
                write(fifo.as_fd(), line).map(|_| ())
            }
            FileType::Socket => {
                let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
                let address = SocketAddrUnix::new(path)?;
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                sendto(socket, line, flags, &address).map(|_| ())
            }
            _ => Err(Errno::NXIO),
        }
    }
}

fn same_file(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

/// keepalived's line; it has the priority 0 for groups. Nothing is told of what
/// waits.
#[inline(never)]
fn line_of(node: &Node<'_>, subject: Subject) -> Option<Line> {
    let (kind, name, state, priority) = match subject {
        Subject::Router(id) => {
            let index = usize::from(id.0);
            let router = &node.routers()[index];
            let name = node.config().routers[index].name;
            ("INSTANCE", name, router.hook_state()?, router.priority())
        }
        Subject::Group(number) => {
            let group = node.groups().get(usize::from(number))?;
            ("GROUP", group.name, group.state()?, 0)
        }
    };
    let (kind, name, priority) = (Plain(kind), Plain(name), Number(priority.into()));
    Some(Line::of(format_args!(
        "{kind} \"{name}\" {state} {priority}\n"
    )))
}

/// Writes a word into a file beside the path, and moves it there.
#[inline(never)]
fn write_word(path: &str, word: &str) -> Result<(), Errno> {
    let (path, word) = (Plain(path), Plain(word));
    let mut beside = Path::of(format_args!("{path}.new"));
    let beside = beside.as_c_str().ok_or(Errno::NAMETOOLONG)?;
    let file = match create(beside) {
        Err(Errno::NOENT) => {
            make_folder(path.0)?;
            create(beside)?
        }
        other => other?,
    };
    fchmod(&file, Mode::from_raw_mode(0o644))?;
    let line = Text::<16>::of(format_args!("{word}\n"));
    write(&file, line.as_str().as_bytes())?;
    drop(file);
    let mut path = Path::of(format_args!("{path}"));
    rename(beside, path.as_c_str().ok_or(Errno::NAMETOOLONG)?)
}

fn create(path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open(path, flags, Mode::RUSR | Mode::WUSR)
}

/// Makes the folder of a file, but none above it.
fn make_folder(path: &str) -> Result<(), Errno> {
    let (folder, _) = path.rsplit_once('/').ok_or(Errno::NOENT)?;
    let mut folder = Path::of(format_args!("{}", Plain(folder)));
    let folder = folder.as_c_str().ok_or(Errno::NAMETOOLONG)?;
    mkdir(folder, Mode::from_raw_mode(0o755))
}
