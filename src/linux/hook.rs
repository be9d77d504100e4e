//! A hook in its child: what it is told, and whether its file may be run.
//!
//! A file that somebody else could have written, or that lies in a folder where
//! somebody else could have put another one, is refused. The path is walked one
//! component at a time by descriptors, so what was judged is what was found.

use core::ffi::CStr;
use core::fmt;

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, openat, readlinkat_raw};
use rustix::io::{Errno, read};
use smena::address::Shown;
use smena::config::{Config, Words};
use smena::event::{HookCall, HookId, HookState, RouterId, Verb};
use smena::node::Node;
use smena::say::{Number, Octal, Plain};
use smena::vrrp::Router;

use super::failure::Reason;
use super::spawn::Program;
use super::text::{Escaped, Text};

/// The longest path, symbolic links followed.
const PATH_MAX: usize = 4096;
/// Symbolic links on one path, as the kernel counts them.
const LINKS_MAX: usize = 40;

/// The command of a hook; without words where there is none.
pub fn command<'a>(config: &Config<'a>, id: HookId, call: &HookCall) -> Words<'a> {
    let router = |id: RouterId| &config.routers[usize::from(id.0)];
    let command = match (id, call.resource) {
        (HookId::Group(number), _) => config.groups[usize::from(number)].notify.command,
        (HookId::Notify(id), _) => router(id).notify.command,
        (HookId::Resource(id), resource) => {
            let mut resources = router(id).resources.iter();
            let number = resource.map_or(0, |(number, _)| number);
            resources.nth(number.into()).map(|r| r.command)
        }
    };
    command.unwrap_or(Words(""))
}

/// Says what a hook's program is told: keepalived's arguments, or a resource's
/// word, and the same and more in the environment.
#[inline(never)]
pub fn tell(
    program: &mut Program<'_>,
    words: &Words<'_>,
    node: &Node<'_>,
    id: HookId,
    call: &HookCall,
) {
    let (kind, name, router) = match id {
        HookId::Notify(id) | HookId::Resource(id) => (
            "INSTANCE",
            node.config().routers[usize::from(id.0)].name,
            node.routers().get(usize::from(id.0)),
        ),
        HookId::Group(number) => (
            "GROUP",
            node.config().groups[usize::from(number)].name,
            node.speaker(number),
        ),
    };
    let (kind, name) = (Plain(kind), Plain(name));
    let (state, priority) = (call.state, Number(call.priority.into()));
    program.words(words);
    match call.resource {
        Some((_, verb)) => program.argument(format_args!("{}", Plain(verb.name()))),
        None => {
            program.argument(format_args!("{kind}"));
            program.argument(format_args!("{name}"));
            program.argument(format_args!("{state}"));
            program.argument(format_args!("{priority}"));
        }
    }
    program.variable("SMENA_STATE", format_args!("{state}"));
    match call.previous {
        Some(previous) => program.variable("SMENA_PREVIOUS", format_args!("{previous}")),
        None => program.variable("SMENA_PREVIOUS", format_args!("INIT")),
    }
    program.variable("SMENA_NAME", format_args!("{name}"));
    program.variable("SMENA_PRIORITY", format_args!("{priority}"));
    match router {
        Some(router) => {
            let reason = router.reason().display(node.config(), node);
            program.variable("SMENA_REASON", format_args!("{reason}"));
        }
        None => program.variable("SMENA_REASON", format_args!("")),
    }
    match router.and_then(Router::master).map(Shown) {
        Some(master) => program.variable("SMENA_MASTER", format_args!("{master}")),
        None => program.variable("SMENA_MASTER", format_args!("")),
    }
    program.variable(
        "SMENA_SEQUENCE",
        format_args!("{}", Number(call.sequence.into())),
    );
}

/// Whether a hook is to end when the keeper dies. One that takes a role up is:
/// the role died with the keeper, and what runs next here begins by giving the
/// role up, which must not be overtaken. One that gives a role up finishes.
pub fn ends_with_keeper(call: &HookCall) -> bool {
    match call.resource {
        None => call.state == HookState::Master,
        Some((_, verb)) => verb != Verb::Stop,
    }
}

/// Why a hook is not run: what is wrong, the number that shows it, and where.
pub struct Refused {
    why: Why,
    /// A mode, a user or an error number, as `why` says.
    number: u32,
    place: Place,
}

/// The name of a file or folder.
type Place = Text<160>;

/// What can be wrong with a hook's path.
enum Why {
    /// Its group or others can write a file or folder of this mode.
    Writable,
    /// A folder belongs to this user, neither root nor the file's owner.
    Owner,
    /// Nobody may execute the file.
    NotExecutable,
    /// It is something else than a file.
    NotAFile,
    /// A system call was refused with this error number.
    System(&'static str),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, number) = (Plain(self.place.as_str()), Number(self.number.into()));
        let mode = Octal(self.number);
        match self.why {
            Why::Writable if self.number & STICKY != 0 => write!(
                f,
                "everybody can write {place} (mode {mode}): move the hook elsewhere"
            ),
            Why::Writable => write!(
                f,
                "others than owner and root can write {place} (mode {mode}): \
                 chmod go-w {place}"
            ),
            Why::Owner => write!(
                f,
                "{place} belongs to user {number}, who is neither root nor the hook's owner: \
                 chown root {place}"
            ),
            Why::NotExecutable => write!(f, "{place} is not executable: chmod +x {place}"),
            Why::NotAFile => write!(f, "{place} is no regular file: name one"),
            Why::System(call) => {
                let reason = Reason(Errno::from_raw_os_error(self.number as i32));
                let call = Plain(call);
                write!(f, "{call} below {place}: {reason}: check the path")
            }
        }
    }
}

/// Judges a hook's file and each folder above it.
#[expect(clippy::result_large_err, reason = "made once, in a child")]
#[inline(never)]
pub fn judge(path: &str) -> Result<(), Refused> {
    let mut walk = Walk {
        at: None,
        owner: None,
    };
    let (why, number) = match walk.go(path.as_bytes()) {
        Ok(()) => return Ok(()),
        Err(refused) => refused,
    };
    let place = match (&why, walk.owner) {
        (Why::Owner, Some((_, place))) => place,
        _ => name_of(walk.at.as_ref()),
    };
    Err(Refused { why, number, place })
}

/// The permission bits that let group and others write.
const OTHERS_WRITE: u32 = 0o022;
/// The bit of a folder that keeps others from removing what is not theirs.
const STICKY: u32 = 0o1000;
/// The bits of a mode that `chmod` knows.
const MODE_BITS: u32 = 0o7777;

/// What was found wrong, before it has a name.
type Wrong = (Why, u32);

/// Names a refused system call.
fn system(call: &'static str) -> impl FnOnce(Errno) -> Wrong {
    move |errno| (Why::System(call), errno.raw_os_error().unsigned_abs())
}

const TOO_LONG: Errno = Errno::NAMETOOLONG;

/// A walk along a path.
struct Walk {
    /// Where it has come to.
    at: Option<OwnedFd>,
    /// The one user besides root who owns a folder of the path, and the folder.
    owner: Option<(u32, Place)>,
}

impl Walk {
    /// Walks to the end, judging all that is passed.
    #[inline(never)]
    fn go(&mut self, path: &[u8]) -> Result<(), Wrong> {
        let mut rest = Rest::new(path).ok_or(TOO_LONG).map_err(system("open"))?;
        let mut links = 0;
        self.enter(c"/")?;
        while let Some((name, is_last)) = rest.next() {
            let mut name = name;
            let name = name.as_c_str().ok_or(TOO_LONG).map_err(system("open"))?;
            let before = self.at.take();
            let stat = self.step(before.as_ref(), name)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(system("open")(Errno::LOOP));
                    }
                    let absolute = rest.prepend_link(self.at.as_ref())?;
                    self.at = before;
                    if absolute {
                        self.enter(c"/")?;
                    }
                }
                FileType::Directory => self.judge_folder(&stat)?,
                FileType::RegularFile if is_last => return self.judge_file(&stat),
                _ => return Err((Why::NotAFile, 0)),
            }
        }
        Err((Why::NotAFile, 0))
    }

    /// Goes to a folder by its whole path.
    fn enter(&mut self, path: &CStr) -> Result<(), Wrong> {
        let stat = self.step(None, path)?;
        self.judge_folder(&stat)
    }

    /// Goes one step on and looks at what is there.
    fn step(&mut self, from: Option<&OwnedFd>, name: &CStr) -> Result<Stat, Wrong> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = from.map_or(rustix::fs::CWD, |folder| folder.as_fd());
        match openat(folder, name, flags, Mode::empty()) {
            Ok(found) => {
                let stat = fstat(&found).map_err(system("fstat"))?;
                self.at = Some(found);
                Ok(stat)
            }
            Err(errno) => {
                // The folder names the place of what is missing in it.
                self.at = openat(folder, c".", flags, Mode::empty()).ok();
                Err(system("open")(errno))
            }
        }
    }

    /// Judges a folder that is passed.
    fn judge_folder(&mut self, stat: &Stat) -> Result<(), Wrong> {
        let mode = stat.st_mode & MODE_BITS;
        if mode & OTHERS_WRITE != 0 {
            return Err((Why::Writable, mode));
        }
        let uid = stat.st_uid;
        if uid == 0 || (uid == NOBODY && in_user_namespace()) {
            return Ok(());
        }
        match self.owner {
            None => {
                self.owner = Some((uid, name_of(self.at.as_ref())));
                Ok(())
            }
            // Two users besides root cannot both be the file's owner.
            Some((owner, _)) if owner != uid => Err((Why::Owner, owner)),
            Some(_) => Ok(()),
        }
    }

    /// Judges the file itself, and the owner of the folders against its owner.
    fn judge_file(&self, stat: &Stat) -> Result<(), Wrong> {
        let mode = stat.st_mode & MODE_BITS;
        if mode & OTHERS_WRITE != 0 {
            return Err((Why::Writable, mode));
        }
        if mode & 0o111 == 0 {
            return Err((Why::NotExecutable, mode));
        }
        match self.owner {
            Some((owner, _)) if owner != stat.st_uid => Err((Why::Owner, owner)),
            _ => Ok(()),
        }
    }
}

/// Whom a user namespace shows for everybody outside, the system's root among
/// them. Nobody inside is that user.
const NOBODY: u32 = 65534;

/// Whether user ids here are not the system's.
fn in_user_namespace() -> bool {
    let mut buffer = [0; 64];
    let map = open(
        c"/proc/self/uid_map",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .and_then(|file| read(&file, &mut buffer));
    let Ok(length) = map else {
        return false;
    };
    let map = core::str::from_utf8(buffer.get(..length).unwrap_or_default());
    let mut fields = map.unwrap_or_default().split_ascii_whitespace();
    let all = ["0", "0", "4294967295"];
    !all.iter().all(|field| fields.next() == Some(field))
}

/// The kernel's name of what a descriptor is open on.
fn name_of(at: Option<&OwnedFd>) -> Place {
    // Nothing is open on the last number there could be.
    let number = at.map_or(u32::MAX, |at| at.as_raw_fd().unsigned_abs());
    let number = Number(number.into());
    let mut link = Text::<32>::of(format_args!("/proc/self/fd/{number}"));
    let mut buffer = [0; 160];
    let length = match link.as_c_str() {
        Some(link) => readlinkat_raw(rustix::fs::CWD, link, &mut buffer).unwrap_or(0),
        None => 0,
    };
    Text::of(format_args!(
        "{}",
        Escaped(buffer.get(..length).unwrap_or_default())
    ))
}

/// What of a path is still to be walked.
struct Rest {
    bytes: [u8; PATH_MAX],
    begin: usize,
}

impl Rest {
    /// The whole of a path; `None` when it is too long.
    fn new(path: &[u8]) -> Option<Rest> {
        let mut rest = Rest {
            bytes: [0; PATH_MAX],
            begin: PATH_MAX,
        };
        rest.prepend(path)?;
        Some(rest)
    }

    /// Puts a path before the rest.
    fn prepend(&mut self, path: &[u8]) -> Option<()> {
        let separator = self.begin.checked_sub(1)?;
        let begin = separator.checked_sub(path.len())?;
        *self.bytes.get_mut(separator)? = b'/';
        self.bytes.get_mut(begin..separator)?.copy_from_slice(path);
        self.begin = begin;
        Some(())
    }

    /// Puts a symbolic link's target before the rest; true when it begins at
    /// the root.
    fn prepend_link(&mut self, link: Option<&OwnedFd>) -> Result<bool, Wrong> {
        let mut target = [0; PATH_MAX];
        let link = link.map_or(rustix::fs::CWD, |link| link.as_fd());
        let length = readlinkat_raw(link, c"", &mut target).map_err(system("readlink"))?;
        let target = target.get(..length).unwrap_or_default();
        self.prepend(target)
            .ok_or(TOO_LONG)
            .map_err(system("open"))?;
        Ok(target.starts_with(b"/"))
    }

    /// Takes the next component, and says whether it is the last.
    fn next(&mut self) -> Option<(Text<256>, bool)> {
        loop {
            let rest = self.bytes.get(self.begin..)?;
            if rest.is_empty() {
                return None;
            }
            let length = rest.iter().position(|byte| *byte == b'/')?;
            let (name, after) = rest.split_at(length);
            let is_last = after.iter().all(|byte| *byte == b'/');
            self.begin += length + 1;
            if name.is_empty() || name == b"." {
                continue;
            }
            let name = core::str::from_utf8(name).ok()?;
            return Some((Text::copy_of(name), is_last));
        }
    }
}
