//! `script_user`: who runs checks and hooks. A name is looked up in
//! `/etc/passwd` once, at the start; a number needs no file.

use core::ffi::CStr;
use core::fmt;

use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use smena::say::{Plain, decimal};

use super::failure::Reason;
use super::table::read_lines;

/// The file that names users.
const PASSWD: &CStr = c"/etc/passwd";

/// A user and the group that comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
}

/// Why a user is none.
pub enum Unknown<'a> {
    /// `/etc/passwd` has no such name.
    Name(&'a str),
    /// `/etc/passwd` cannot be read.
    File(Errno),
}

impl fmt::Display for Unknown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Unknown::Name(name) => write!(
                f,
                "/etc/passwd has no user `{}`: add one, or give a number",
                Plain(name)
            ),
            Unknown::File(errno) => {
                let reason = Reason(errno);
                write!(f, "cannot read /etc/passwd: {reason}: give a number")
            }
        }
    }
}

impl User {
    /// The superuser, whom `script_user` names where it is absent.
    pub const ROOT: User = User::of(0);

    /// The user with this number, and the group.
    pub const fn of(number: u32) -> User {
        User {
            uid: number,
            gid: number,
        }
    }

    /// The user of a name or number. The group of a number that no line of
    /// `/etc/passwd` has is the same number.
    pub fn find(name: &str) -> Result<User, Unknown<'_>> {
        if name == "root" {
            return Ok(User::ROOT);
        }
        match (decimal(name.as_bytes()), find_line(name)) {
            (_, Ok(Some(user))) => Ok(user),
            (Some(uid), _) => Ok(User::of(uid)),
            (None, Ok(None)) => Err(Unknown::Name(name)),
            (None, Err(errno)) => Err(Unknown::File(errno)),
        }
    }

    /// In a child: becomes this user for good, with its group and no other.
    pub fn become_it(&self) -> Result<(), Errno> {
        let uid = Uid::from_raw(self.uid);
        let gid = Gid::from_raw(self.gid);
        if rustix::process::geteuid() == uid && self.uid == 0 {
            // Root stays root; in a user namespace setgroups may be forbidden.
            return Ok(());
        }
        set_thread_groups(&[gid])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)
    }
}

/// The user of the line with this name or number, if there is one.
fn find_line(wanted: &str) -> Result<Option<User>, Errno> {
    let mut found = None;
    read_lines(PASSWD, &mut |line| {
        found = parse_line(line, wanted);
        found.is_some()
    })?;
    Ok(found)
}

/// `name:password:uid:gid:...` as a user, when name or uid is the wanted one.
fn parse_line(line: &[u8], wanted: &str) -> Option<User> {
    core::str::from_utf8(line).ok()?;
    let mut fields = line.trim_ascii_end().split(|byte| *byte == b':');
    let name = fields.next()?;
    let uid = fields.nth(1)?;
    let gid = decimal(fields.next()?)?;
    let found = name == wanted.as_bytes() || uid == wanted.as_bytes();
    let uid = decimal(uid)?;
    found.then_some(User { uid, gid })
}
