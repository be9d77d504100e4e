//! Ends what a check's program left behind after it had left its process group:
//! by setsid(2), as a daemon, however often it forked. The keeper adopts such
//! processes (PR_SET_CHILD_SUBREAPER), and each carries the check's name in its
//! environment. One that has also thrown that away is not found; a check that has
//! a cgroup needs none of this.
//!
//! It runs in the copy that is about to be the check's next run, and at the end
//! of the keeper: reading of a process may wait for it.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::nanosleep;
use rustix::time::Timespec;
use smena::say::{Number, decimal};

use super::text::Text;

/// The variable that holds the name of a check.
pub const MARK: &str = "SMENA_CHECK";
/// Each round finds the children of those that the last one ended.
const ROUNDS_MAX: usize = 64;
/// Between two rounds.
pub const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 2_000_000,
};

/// Kills the children of `keeper` that this check left behind, or all checks.
#[inline(never)]
pub fn sweep(keeper: Pid, check: Option<&str>) {
    let keeper = number_of(keeper);
    for _ in 0..ROUNDS_MAX {
        let mut buffer = [0; 4096];
        let path = format_args!("/proc/{keeper}/task/{keeper}/children");
        let children = read_into(path, &mut buffer).unwrap_or_default();
        let mut found = false;
        for word in children.split(|&byte| byte == b' ') {
            let number = decimal(word).and_then(|number| i32::try_from(number).ok());
            if let Some(child) = number.and_then(Pid::from_raw)
                && is_marked(child, check)
            {
                found |= kill_process(child, Signal::KILL).is_ok();
            }
        }
        if !found {
            return;
        }
        // It dies, and its children are adopted, when it next runs; the keeper
        // may go before ordinary programs.
        let _ = nanosleep(&PAUSE);
    }
}

/// Whether a process has the mark of this check, or of any. A zombie has none.
fn is_marked(process: Pid, check: Option<&str>) -> bool {
    let mut buffer = [0; 4096];
    let path = format_args!("/proc/{}/environ", number_of(process));
    let variables = read_into(path, &mut buffer).unwrap_or_default();
    let mut variables = variables.split(|&byte| byte == 0);
    variables.any(|variable| {
        let name = variable.strip_prefix(MARK.as_bytes());
        match (name.and_then(|rest| rest.strip_prefix(b"=")), check) {
            (Some(name), Some(check)) => name == check.as_bytes(),
            (Some(_), None) => true,
            (None, _) => false,
        }
    })
}

fn number_of(pid: Pid) -> Number {
    Number(pid.as_raw_nonzero().get().unsigned_abs().into())
}

/// The begin of a file.
fn read_into<'b>(
    path: core::fmt::Arguments<'_>,
    buffer: &'b mut [u8; 4096],
) -> Result<&'b [u8], Errno> {
    let mut path = Text::<64>::of(path);
    let path = path.as_c_str().ok_or(Errno::NAMETOOLONG)?;
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let length = read(file, &mut buffer[..])?;
    Ok(buffer.get(..length).unwrap_or_default())
}
