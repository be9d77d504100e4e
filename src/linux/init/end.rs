//! The end of a machine: everything stops, file systems are let go of, and the
//! kernel is asked to restart, halt or switch off.

use core::sync::atomic::{AtomicU8, Ordering};

use rustix::event::poll;
use rustix::fs::sync;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};
use rustix::system::{RebootCommand, reboot};
use rustix::time::Timespec;
use smena::Duration;
use smena::config::Mount;
use smena::say::{Level, say};

use super::watchdog::Watchdog;
use crate::linux::failure::log_refusal;
use crate::linux::text::Text;
use crate::linux::{clock, guard, syscall};

/// How long programs may take to end.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the dead may take to be seen.
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// How long the console gets for the last words.
const CONSOLE_MS: i64 = 200;
/// How long the guard may take to give the addresses up.
const GUARD_MS: i64 = 500;

/// What follows the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum After {
    /// SIGTERM, and Ctrl-Alt-Del, which is SIGINT.
    Restart,
    /// SIGUSR1.
    Halt,
    /// SIGUSR2.
    PowerOff,
}

static AFTER: AtomicU8 = AtomicU8::new(After::Restart as u8);

/// Remembers what is to follow the end that was asked for.
pub fn ask_for(after: After) {
    AFTER.store(after as u8, Ordering::Relaxed);
}

/// Ends everything. The addresses are given up by now.
pub fn end(mounts: &[Mount<'_>], mut watchdog: Option<Watchdog>) -> ! {
    for (signal, patience) in [(Signal::TERM, PATIENCE), (Signal::KILL, LAST_PATIENCE)] {
        // From PID 1 this reaches everybody else.
        let _ = kill_process_group(Pid::INIT, signal);
        let until = clock::now() + patience;
        while !collect_all() && clock::now() < until {
            if let Some(watchdog) = &mut watchdog {
                watchdog.poll(clock::now());
            }
            rest(20);
        }
    }
    sync();
    for mount in mounts.iter().rev() {
        let mut target = Text::<192>::copy_of(mount.target);
        if let Some(target) = target.as_c_str() {
            let _ = unmount(target, UnmountFlags::empty());
        }
    }
    if let Some(watchdog) = watchdog {
        watchdog.stop();
    }
    leave()
}

/// The keeper has panicked: the guard gives the addresses up, then the machine
/// starts anew.
pub fn after_panic() -> ! {
    // The keeper's end of the guard's pipe is among these.
    let _ = syscall::close_range(guard::HIGHEST as u32, u32::MAX);
    rest(GUARD_MS);
    sync();
    ask_for(After::Restart);
    leave()
}

/// Asks the kernel for the end. One that refuses is that of a container, which
/// ends with its first process.
fn leave() -> ! {
    let after = AFTER.load(Ordering::Relaxed);
    let (command, what) = if after == After::Halt as u8 {
        (RebootCommand::Halt, "halts")
    } else if after == After::PowerOff as u8 {
        (RebootCommand::PowerOff, "is switched off")
    } else {
        (RebootCommand::Restart, "restarts")
    };
    let what = smena::say::Plain(what);
    say(Level::Info, format_args!("this machine {what}"));
    // A console may be slow, and whoever was writing to it waits for its turn.
    rest(CONSOLE_MS);
    let refused = reboot(command);
    if let Err(errno) = refused {
        log_refusal(Level::Error, format_args!("reboot"), errno);
    }
    syscall::exit(0)
}

/// Collects what has ended; true when nobody is left.
pub fn collect_all() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(Errno::INTR) => {}
            Err(_) => return true,
        }
    }
}

/// Sleeps.
fn rest(ms: i64) {
    let time = Timespec {
        tv_sec: 0,
        tv_nsec: ms * 1_000_000,
    };
    let _ = poll(&mut [], Some(&time));
}
