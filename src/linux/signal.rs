//! Signals as something to read: the keeper blocks them and takes them from a
//! descriptor, so none interrupts it anywhere.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::read;
use rustix::process::Signal;

use super::failure::Failure;
use super::init::{self, After};
use super::syscall::{self, SignalSet};
use smena::pack::packed;
use smena::say::{Level, Plain, say};

const SIGHUP: u32 = number(Signal::HUP);
const SIGINT: u32 = number(Signal::INT);
const SIGPIPE: u32 = number(Signal::PIPE);
const SIGTERM: u32 = number(Signal::TERM);
const SIGCHLD: u32 = number(Signal::CHILD);
const SIGXCPU: u32 = number(Signal::XCPU);
const SIGUSR1: u32 = number(Signal::USR1);
/// A debug build panics when it gets this one, for the test of what follows.
const SIGUSR2: u32 = number(Signal::USR2);

/// What a signal asks of the keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT: a planned stop. For PID 1, SIGUSR1 and SIGUSR2 too.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGCHLD: some child ended, perhaps one that was adopted.
    Collect,
    /// SIGXCPU: busy in real time for too long.
    Rest,
}

/// The signals that are read instead of delivered.
pub struct Signals {
    descriptor: OwnedFd,
}

impl Signals {
    /// Blocks the signals and opens their descriptor. SIGPIPE is blocked and
    /// never read: a write to a closed pipe is an error, not an end.
    pub fn open() -> Result<Signals, Failure> {
        // Whoever started us may have had some ignored; children of a process
        // that ignores SIGCHLD leave no exit code.
        syscall::reset_signal_actions();
        // The last two would end a keeper; scripts send them to keepalived.
        let read = [SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGXCPU, SIGUSR1, SIGUSR2];
        let read = read.iter().fold(0, |all, signal| all | bit(*signal));
        syscall::set_signal_mask(SignalSet(read | bit(SIGPIPE)));
        let descriptor = syscall::signalfd(SignalSet(read)).map_err(|errno| {
            Failure::new(format_args!("signalfd (signals)"), errno, packed!(""))
        })?;
        Ok(Signals { descriptor })
    }

    /// What waits, one at a time; `None` when nothing does.
    pub fn next(&self) -> Option<Request> {
        // struct signalfd_siginfo: 128 bytes that begin with the number.
        let mut info = [0_u8; 128];
        loop {
            let length = read(&self.descriptor, &mut info).ok()?;
            if length < info.len() {
                return None;
            }
            let number = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            match number {
                SIGTERM | SIGINT => {
                    init::ask_for(After::Restart);
                    return Some(Request::Stop);
                }
                SIGUSR1 | SIGUSR2 if init::is_on() => {
                    init::ask_for(match number {
                        SIGUSR1 => After::Halt,
                        _ => After::PowerOff,
                    });
                    return Some(Request::Stop);
                }
                SIGHUP => return Some(Request::Reload),
                SIGCHLD => return Some(Request::Collect),
                SIGXCPU => return Some(Request::Rest),
                SIGUSR2 if cfg!(debug_assertions) => panic!("asked to by SIGUSR2"),
                SIGUSR1 | SIGUSR2 => {
                    let what = Plain("no file is written: `smena status` shows everything");
                    say(Level::Info, format_args!("SIGUSR1, SIGUSR2: {what}"));
                }
                _ => {}
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Of some signals each processor has its own.
const fn number(signal: Signal) -> u32 {
    signal.as_raw() as u32
}

/// The bit of a signal in a set.
const fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}
