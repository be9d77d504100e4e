//! The file of the control socket: made for one keeper at a time, removed when
//! it ends. What a killed keeper left behind is replaced; what a living one
//! listens on is not, and neither is anything that is no socket.

use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, flock, lstat, open, unlink};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use rustix::process::umask;
use rustix::thread::nanosleep;
use rustix::time::Timespec;
use smena::pack::{Packed, packed};
use smena::say::{Number, Plain};

use super::failure::Failure;
use super::text::Text;

/// Connections that the kernel keeps for us.
const BACKLOG: i32 = 64;
/// The longest path of a socket, its closing zero included.
const PATH_MAX: usize = 108;

/// A path as the kernel takes it.
pub type Path = Text<PATH_MAX>;

/// A listening socket at a path.
pub struct Listener {
    socket: OwnedFd,
    path: Path,
    /// Device and inode of the socket file, so that another's is not removed.
    file: Option<(u64, u64)>,
}

impl Listener {
    /// Listens at a path.
    ///
    /// # Errors
    /// Somebody does listen there, or the system refused.
    pub fn open(path: &str) -> Result<Listener, Failure> {
        let mut attempt = Attempt {
            call: "bind",
            keeper: None,
        };
        attempt.open(path).map_err(|errno| match attempt.keeper {
            None => Failure::new(
                format_args!("{} {}", Plain(attempt.call), Plain(path)),
                errno,
                mend(errno),
            ),
            Some(pid) => Failure::new(
                format_args!(
                    "{} {} (already running, pid {})",
                    Plain(attempt.call),
                    Plain(path),
                    Number(pid.into())
                ),
                errno,
                packed!("stop it first"),
            ),
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = self.path.as_c_str()
            && identity(path) == self.file
        {
            let _ = unlink(path);
        }
    }
}

/// How far an attempt to listen has come, for whoever explains its failure.
struct Attempt {
    /// The call that was made last.
    call: &'static str,
    /// The process that listens already.
    keeper: Option<u32>,
}

impl Attempt {
    fn open(&mut self, text: &str) -> Result<Listener, Errno> {
        let mut path = Path::copy_of(text);
        let name = path.as_c_str().ok_or(Errno::NAMETOOLONG)?;
        let address = SocketAddrUnix::new(name)?;
        let socket = stream()?;
        // Of two that start at once the second sees what the first made.
        let lock = lock_folder(text);
        let mut bound = bind_privately(&socket, &address);
        if bound == Err(Errno::ADDRINUSE) {
            self.remove_stale(name, &address)?;
            bound = bind_privately(&socket, &address);
        }
        bound?;
        self.call = "listen";
        listen(&socket, BACKLOG)?;
        drop(lock);
        let file = identity(name);
        Ok(Listener { socket, path, file })
    }

    /// Removes the socket of a keeper that is gone; one that is there is an error.
    fn remove_stale(&mut self, path: &CStr, address: &SocketAddrUnix) -> Result<(), Errno> {
        if FileType::from_raw_mode(lstat(path)?.st_mode) != FileType::Socket {
            return Err(Errno::ADDRINUSE);
        }
        let probe = stream()?;
        match connect(&probe, address) {
            Err(Errno::CONNREFUSED) => {
                self.call = "unlink";
                unlink(path)?;
                self.call = "bind";
                Ok(())
            }
            // With a full queue somebody listens, too.
            Ok(()) | Err(Errno::AGAIN) => {
                let pid = socket_peercred(&probe).map(|peer| peer.pid.as_raw_nonzero().get());
                self.keeper = Some(pid.unwrap_or_default().unsigned_abs());
                Err(Errno::ADDRINUSE)
            }
            Err(errno) => Err(errno),
        }
    }
}

/// A stream socket of the local kind.
pub fn stream() -> Result<OwnedFd, Errno> {
    socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
}

/// Binds, with a file that only its owner and group may use.
fn bind_privately(socket: &OwnedFd, address: &SocketAddrUnix) -> Result<(), Errno> {
    let before = umask(Mode::XUSR | Mode::XGRP | Mode::RWXO);
    let bound = bind(socket, address);
    umask(before);
    bound
}

/// Device and inode of a file.
fn identity(path: &CStr) -> Option<(u64, u64)> {
    lstat(path).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// Takes a lock on the folder of a path, for a moment; without it two starts at
/// the same time are not told apart.
fn lock_folder(path: &str) -> Option<OwnedFd> {
    const TRIES: usize = 50;
    const PAUSE: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    let end = path.bytes().rposition(|byte| byte == b'/')? + 1;
    let mut folder = Path::copy_of(path.get(..end)?);
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = open(folder.as_c_str()?, flags, Mode::empty()).ok()?;
    for _ in 0..TRIES {
        if flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Some(folder);
        }
        let _ = nanosleep(&PAUSE);
    }
    None
}

/// What to do when the socket cannot be made.
fn mend(errno: Errno) -> Packed {
    match errno {
        Errno::NOENT | Errno::NOTDIR => {
            packed!("make its folder, or name another path as `control`")
        }
        Errno::ACCESS | Errno::PERM | Errno::ROFS => {
            packed!("run as root, or name a path that can be written as `control`")
        }
        Errno::ADDRINUSE => {
            packed!("something else is there: remove it, or name another path as `control`")
        }
        Errno::NAMETOOLONG => packed!("choose a shorter path for `control`"),
        _ => packed!(""),
    }
}
