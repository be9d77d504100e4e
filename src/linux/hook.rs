//! A hook in its child: what it is told, and whether its file may be run.
//!
//! A file that somebody else could have written, or that lies in a folder where
//! somebody else could have put another one, is refused. The path is walked one
//! component at a time by descriptors, so what was judged is what was found.

use core::fmt;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, openat, readlinkat_raw};
use rustix::io::{Errno, read};
use smena::config::Words;
use smena::event::{HookCall, HookState, RouterId};
use smena::node::Node;

use super::failure::Reason;
use super::spawn::Program;
use super::text::{Escaped, Text};

/// The longest path, symbolic links followed.
const PATH_MAX: usize = 4096;
/// Symbolic links on one path, as the kernel counts them.
const LINKS_MAX: usize = 40;

/// Says what a hook's program is told: keepalived's arguments, and the same and
/// more in the environment.
pub fn tell(
    program: &mut Program<'_>,
    words: &Words<'_>,
    node: &Node<'_>,
    id: RouterId,
    call: &HookCall,
) {
    let router = &node.routers()[usize::from(id.0)];
    let name = node.config().routers[usize::from(id.0)].name;
    let (state, priority) = (call.state, call.priority);
    program.words(words);
    program.argument(format_args!("INSTANCE"));
    program.argument(format_args!("{name}"));
    program.argument(format_args!("{state}"));
    program.argument(format_args!("{priority}"));
    program.variable("SMENA_STATE", format_args!("{state}"));
    match call.previous {
        Some(previous) => program.variable("SMENA_PREVIOUS", format_args!("{previous}")),
        None => program.variable("SMENA_PREVIOUS", format_args!("INIT")),
    }
    program.variable("SMENA_NAME", format_args!("{name}"));
    program.variable("SMENA_PRIORITY", format_args!("{priority}"));
    let reason = router.reason().display(node.config(), node);
    program.variable("SMENA_REASON", format_args!("{reason}"));
    match router.master() {
        Some(master) => program.variable("SMENA_MASTER", format_args!("{master}")),
        None => program.variable("SMENA_MASTER", format_args!("")),
    }
    program.variable("SMENA_SEQUENCE", format_args!("{}", call.sequence));
}

/// Whether a hook is to end when the keeper dies. One that takes a role up is:
/// the role died with the keeper, and what runs next here begins by giving the
/// role up, which must not be overtaken. One that gives a role up finishes.
pub fn ends_with_keeper(call: &HookCall) -> bool {
    call.state == HookState::Master
}

/// Why a hook is not run.
pub enum Refused {
    /// A file or folder that its group or others can write, and its mode.
    Writable(Text<160>, u32),
    /// A folder of a user who is neither root nor the file's owner.
    Owner(Text<160>, u32),
    /// A file that nobody may execute.
    NotExecutable(Text<160>),
    /// Something else than a file.
    NotAFile(Text<160>),
    /// The path could not be walked.
    System(&'static str, Errno),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Writable(path, mode) => {
                let path = path.as_str();
                write!(
                    f,
                    "others than owner and root can write {path} (mode {mode:o}): "
                )?;
                if mode & STICKY != 0 {
                    // Made for everybody to write, and to stay so.
                    f.write_str("move the hook elsewhere")
                } else {
                    write!(f, "chmod go-w {path}")
                }
            }
            Refused::Owner(path, uid) => {
                let path = path.as_str();
                write!(
                    f,
                    "{path} belongs to user {uid}, who is neither root nor the hook's owner: \
                     chown root {path}"
                )
            }
            Refused::NotExecutable(path) => {
                let path = path.as_str();
                write!(f, "{path} is not executable: chmod +x {path}")
            }
            Refused::NotAFile(path) => write!(f, "{} is no regular file", path.as_str()),
            Refused::System(call, errno) => {
                write!(f, "{call}: {}: check the path", Reason(*errno))
            }
        }
    }
}

/// Judges a hook's file and each folder above it.
pub fn judge(path: &str) -> Result<(), Refused> {
    let mut rest = Rest::new(path.as_bytes()).ok_or(TOO_LONG)?;
    let mut folder = Folder::root()?;
    let mut links = 0;
    loop {
        let Some((name, is_last)) = rest.next() else {
            return Err(Refused::NotAFile(name_of(folder.at.as_fd())));
        };
        let name = name.as_str();
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = openat(&folder.at, name, flags, Mode::empty())
            .map_err(|errno| Refused::System("open", errno))?;
        let stat = fstat(&found).map_err(|errno| Refused::System("fstat", errno))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => {
                links += 1;
                if links > LINKS_MAX {
                    return Err(Refused::System("open", Errno::LOOP));
                }
                if rest.prepend_link(&found)? {
                    folder.at = Folder::root()?.at;
                }
            }
            FileType::Directory => folder.enter(found, &stat)?,
            FileType::RegularFile if is_last => return judge_file(&found, &stat, &folder),
            _ => return Err(Refused::NotAFile(name_of(found.as_fd()))),
        }
    }
}

const TOO_LONG: Refused = Refused::System("open", Errno::NAMETOOLONG);

/// The permission bits that let group and others write.
const OTHERS_WRITE: u32 = 0o022;
/// The bit of a folder that keeps others from removing what is not theirs.
const STICKY: u32 = 0o1000;
/// The bits of a mode that `chmod` knows.
const MODE_BITS: u32 = 0o7777;

/// Judges the file itself, and the owner of the folders against its owner.
fn judge_file(file: &OwnedFd, stat: &Stat, folder: &Folder) -> Result<(), Refused> {
    let mode = stat.st_mode & MODE_BITS;
    if mode & OTHERS_WRITE != 0 {
        return Err(Refused::Writable(name_of(file.as_fd()), mode));
    }
    if mode & 0o111 == 0 {
        return Err(Refused::NotExecutable(name_of(file.as_fd())));
    }
    match &folder.owner {
        Some((uid, path)) if *uid != stat.st_uid => Err(Refused::Owner(
            Text::of(format_args!("{}", path.as_str())),
            *uid,
        )),
        _ => Ok(()),
    }
}

/// The folder that the walk has come to.
struct Folder {
    at: OwnedFd,
    /// The one user besides root who owns a folder of the path.
    owner: Option<(u32, Text<160>)>,
}

impl Folder {
    /// The root folder.
    fn root() -> Result<Folder, Refused> {
        let at = open(
            "/",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| Refused::System("open", errno))?;
        let stat = fstat(&at).map_err(|errno| Refused::System("fstat", errno))?;
        let mut root = Folder { at, owner: None };
        root.judge(&stat)?;
        Ok(root)
    }

    /// Goes on from another folder, and judges it.
    fn enter(&mut self, folder: OwnedFd, stat: &Stat) -> Result<(), Refused> {
        self.at = folder;
        self.judge(stat)
    }

    /// Judges the folder that the walk has come to.
    fn judge(&mut self, stat: &Stat) -> Result<(), Refused> {
        let mode = stat.st_mode & MODE_BITS;
        if mode & OTHERS_WRITE != 0 {
            return Err(Refused::Writable(name_of(self.at.as_fd()), mode));
        }
        let uid = stat.st_uid;
        let is_root = uid == 0 || (uid == NOBODY && in_user_namespace());
        match &self.owner {
            _ if is_root => {}
            Some((owner, _)) if *owner == uid => {}
            // Two users besides root cannot both be the file's owner.
            Some(_) => return Err(Refused::Owner(name_of(self.at.as_fd()), uid)),
            None => self.owner = Some((uid, name_of(self.at.as_fd()))),
        }
        Ok(())
    }
}

/// Whom a user namespace shows for everybody outside, the system's root among
/// them. Nobody inside is that user.
const NOBODY: u32 = 65534;

/// Whether user ids here are not the system's.
fn in_user_namespace() -> bool {
    let mut buffer = [0; 64];
    let map = open(
        "/proc/self/uid_map",
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
fn name_of(at: BorrowedFd<'_>) -> Text<160> {
    let link = Text::<32>::of(format_args!("/proc/self/fd/{}", at.as_raw_fd()));
    let mut buffer = [0; 160];
    match readlinkat_raw(rustix::fs::CWD, link.as_str(), &mut buffer) {
        Ok(length) => {
            let name = buffer.get(..length).unwrap_or_default();
            Text::of(format_args!("{}", Escaped(name)))
        }
        Err(_) => Text::of(format_args!("a folder of its path")),
    }
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
    fn prepend_link(&mut self, link: &OwnedFd) -> Result<bool, Refused> {
        let mut target = [0; PATH_MAX];
        let length = readlinkat_raw(link, "", &mut target)
            .map_err(|errno| Refused::System("readlink", errno))?;
        let target = target.get(..length).unwrap_or_default();
        self.prepend(target).ok_or(TOO_LONG)?;
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
            return Some((Text::of(format_args!("{name}")), is_last));
        }
    }
}
