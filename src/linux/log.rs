//! Where log lines go: standard error, the kernel's log, or syslog.
//!
//! It never waits. Pipes, terminals and devices are opened a second time
//! without blocking, sockets are sent to without waiting, and where neither
//! works the line is written only when the kernel says that there is room. What
//! could not be written is counted and told in one line as soon as writing works
//! again. A line is bounded and holds no control character.
//!
//! # Safety
//!
//! The descriptor that lines are written to is kept by number, so that a logger
//! can be static. It is never closed.
#![allow(unsafe_code)]

use core::fmt::{self, Write as _};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsRawFd, BorrowedFd, IntoRawFd};
use rustix::fs::{FileType, Mode, OFlags, fstat, open, stat};
use rustix::io::{Errno, write};
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::net::{send, sendto, socket_with};
use rustix::stdio::dup2_stdout;
use smena::config::LogTarget;
use smena::pack::packed;
use smena::say::{Number, Plain};

use super::clock::WallTime;
use super::failure::{Failure, Reason};
use super::output;
use super::text::{Text, Writer, escape};

/// The longest line in bytes, prefix and line end included. Below PIPE_BUF, so
/// that a pipe takes a line whole or not at all.
const LINE_MAX: usize = 1024;

/// How a line is handed to the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Way {
    /// write(2) on a descriptor that cannot block.
    Write,
    /// write(2) after poll(2) said that there is room.
    PollThenWrite,
    /// send(2) without waiting on a connected socket.
    Send,
    /// One datagram to `/dev/log`.
    Syslog,
}

/// What stands before the message.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Head {
    /// The time and the level, for people.
    Time,
    /// `<N>`, as the journal reads it from standard error.
    Journal,
    /// `<N>smena: `, as the kernel's log takes it.
    Kmsg,
    /// `<N>smena[PID]: ` with the daemon facility.
    Syslog,
}

/// The one logger of the process; standard error until [`open_target`] was called.
static LOGGER: Logger = Logger {
    descriptor: AtomicI32::new(2),
    way: AtomicU8::new(Way::PollThenWrite as u8),
    head: AtomicU8::new(Head::Time as u8),
    lost: AtomicU32::new(0),
    torn: AtomicBool::new(false),
};

struct Logger {
    descriptor: AtomicI32,
    way: AtomicU8,
    head: AtomicU8,
    /// Lines that could not be written since the last that could.
    lost: AtomicU32,
    /// The last line went out in part, without its end.
    torn: AtomicBool,
}

/// Sets the logger up: what is written, and where.
///
/// `journal` is the environment's `JOURNAL_STREAM`, the device and inode of the
/// journal's stream.
pub fn open_target(level: Level, target: LogTarget, journal: Option<&[u8]>) -> Result<(), Failure> {
    let (descriptor, way, head) = match target {
        LogTarget::Stderr => {
            let (descriptor, way) = stderr();
            let head = if is_journal(journal) {
                Head::Journal
            } else {
                Head::Time
            };
            (descriptor, way, head)
        }
        LogTarget::Kmsg => {
            let kmsg = open(
                c"/dev/kmsg",
                OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(|errno| {
                Failure::new(
                    format_args!("open /dev/kmsg"),
                    errno,
                    packed!(
                        "run as root on a system with devtmpfs, or choose another `log_target`"
                    ),
                )
            })?;
            (kmsg.into_raw_fd(), Way::Write, Head::Kmsg)
        }
        LogTarget::Syslog => {
            let socket = socket_with(
                AddressFamily::UNIX,
                SocketType::DGRAM,
                SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
                None,
            )
            .map_err(|errno| Failure::new(format_args!("socket AF_UNIX"), errno, packed!("")))?;
            if let Err(errno) = stat(c"/dev/log") {
                output::complain(format_args!(
                    "warning: `log_target`: /dev/log: {}: lines are lost until syslog runs",
                    Reason(errno)
                ));
            }
            (socket.into_raw_fd(), Way::Syslog, Head::Syslog)
        }
    };
    LOGGER.descriptor.store(descriptor, Ordering::Relaxed);
    LOGGER.way.store(way as u8, Ordering::Relaxed);
    LOGGER.head.store(head as u8, Ordering::Relaxed);
    // A second call finds the logger set already, which is what it wants.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(level.to_level_filter());
    Ok(())
}

/// Writes one line whatever the level is, for a panic.
pub fn last_words(message: fmt::Arguments<'_>) {
    LOGGER.line(Level::Error, message);
}

/// Moves the logger to standard output, for a forked copy that closes
/// everything but its standard descriptors and goes on logging.
pub fn keep_as_stdout() -> Result<(), Errno> {
    let number = LOGGER.descriptor.load(Ordering::Relaxed);
    // SAFETY: as in `hand_over`.
    dup2_stdout(unsafe { BorrowedFd::borrow_raw(number) })?;
    LOGGER.descriptor.store(1, Ordering::Relaxed);
    Ok(())
}

/// Ends all logging of this process, for a forked child that is about to close
/// the logger's descriptor; what is left is standard error.
pub fn silence() {
    log::set_max_level(LevelFilter::Off);
    LOGGER.descriptor.store(2, Ordering::Relaxed);
    LOGGER
        .way
        .store(Way::PollThenWrite as u8, Ordering::Relaxed);
}

/// Standard error as a descriptor that does not block, as far as its kind allows.
fn stderr() -> (i32, Way) {
    let stderr = output::stderr();
    let kind = fstat(stderr).map(|stat| FileType::from_raw_mode(stat.st_mode));
    match kind {
        Ok(FileType::Socket) => (stderr.as_raw_fd(), Way::Send),
        // Files take what they are given; opened again, one would be written at
        // another offset.
        Ok(FileType::RegularFile) => (stderr.as_raw_fd(), Way::Write),
        _ => {
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            match open(c"/proc/self/fd/2", flags, Mode::empty()) {
                Ok(again) => (again.into_raw_fd(), Way::Write),
                Err(_) => (stderr.as_raw_fd(), Way::PollThenWrite),
            }
        }
    }
}

/// Whether standard error is the stream that `JOURNAL_STREAM` names.
fn is_journal(journal: Option<&[u8]>) -> bool {
    let (Some(journal), Ok(stat)) = (journal, fstat(output::stderr())) else {
        return false;
    };
    let stream = Text::<48>::of(format_args!(
        "{}:{}",
        Number(stat.st_dev),
        Number(stat.st_ino)
    ));
    stream.as_str().as_bytes() == journal
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.line(record.level(), *record.args());
        }
    }

    fn flush(&self) {}
}

impl Logger {
    /// Writes one line, and first what was lost before it.
    fn line(&self, level: Level, message: fmt::Arguments<'_>) {
        let lost = Number(self.lost.load(Ordering::Relaxed).into());
        if lost.0 > 0 && self.put(Level::Warn, format_args!("{lost} log lines lost")) {
            self.lost.store(0, Ordering::Relaxed);
        }
        if !self.put(level, message) {
            let lost = self.lost.load(Ordering::Relaxed);
            self.lost.store(lost.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Formats one line and hands it over; false when it was not taken.
    fn put(&self, level: Level, message: fmt::Arguments<'_>) -> bool {
        const END: &[u8] = b"...\n";
        let mut line = [0; LINE_MAX];
        let (body, _) = line.split_at_mut(LINE_MAX - END.len());
        let mut body = Writer::new(body);
        if self.torn.load(Ordering::Relaxed) {
            let _ = body.write_str("\n");
        }
        self.head(&mut body, level);
        let _ = fmt::write(&mut Clean(&mut body), message);
        let end = if body.is_cut() { END } else { b"\n" };
        let length = body.split().0.len();
        if let Some(room) = line.get_mut(length..length + end.len()) {
            room.copy_from_slice(end);
        }
        self.hand_over(line.get(..length + end.len()).unwrap_or_default())
    }

    /// Writes what stands before the message.
    fn head(&self, to: &mut dyn fmt::Write, level: Level) {
        const DAEMON: u64 = 3 << 3;
        let (number, word) = match level {
            Level::Error => (3, "error "),
            Level::Warn => (4, "warn  "),
            Level::Info => (6, "info  "),
            Level::Debug => (7, "debug "),
            Level::Trace => (7, "trace "),
        };
        let head = self.head.load(Ordering::Relaxed);
        let _ = if head == Head::Time as u8 {
            write!(to, "{} {}", WallTime::now(), Plain(word))
        } else if head == Head::Journal as u8 {
            write!(to, "<{}>", Number(number))
        } else if head == Head::Kmsg as u8 {
            write!(to, "<{}>smena: ", Number(DAEMON | number))
        } else {
            let pid = rustix::process::getpid().as_raw_nonzero().get();
            let pid = Number(pid.unsigned_abs().into());
            write!(to, "<{}>smena[{pid}]: ", Number(DAEMON | number))
        };
    }

    /// Hands a line to the kernel without waiting; false when it was not taken.
    fn hand_over(&self, line: &[u8]) -> bool {
        let number = self.descriptor.load(Ordering::Relaxed);
        // SAFETY: the number is 2 or a descriptor that nothing closes.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        let way = self.way.load(Ordering::Relaxed);
        let taken = if way == Way::Send as u8 {
            send(descriptor, line, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
        } else if way == Way::Syslog as u8 {
            syslog(descriptor, line)
        } else if way == Way::PollThenWrite as u8 && !has_room(descriptor) {
            Err(Errno::AGAIN)
        } else {
            write(descriptor, line)
        };
        match taken {
            Ok(length) => {
                self.torn.store(length < line.len(), Ordering::Relaxed);
                length == line.len()
            }
            Err(_) => false,
        }
    }
}

/// Whether a write of one line would not block.
fn has_room(descriptor: BorrowedFd<'_>) -> bool {
    const NOW: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut wanted = [PollFd::from_borrowed_fd(descriptor, PollFlags::OUT)];
    matches!(poll(&mut wanted, Some(&NOW)), Ok(1))
}

/// Sends one line, its end cut off, to the local syslog daemon. The daemon is
/// addressed anew each time, so it may be restarted.
fn syslog(socket: BorrowedFd<'_>, line: &[u8]) -> Result<usize, Errno> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let address = SocketAddrUnix::new(c"/dev/log")?;
    sendto(
        socket,
        text,
        SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
        &address,
    )?;
    Ok(line.len())
}

/// Writes what it is given with control characters escaped.
struct Clean<'a, 'b>(&'a mut Writer<'b>);

impl fmt::Write for Clean<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text)
    }
}
