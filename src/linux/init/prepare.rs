//! What `[init]` wants before anything runs: the host name, kernel modules, file
//! systems.

use rustix::fs::{Mode, OFlags, mkdir, open, stat};
use rustix::io::{Errno, read, write};
use rustix::mount::{MountFlags, mount};
use rustix::system::{finit_module, sethostname};
use smena::config::{Config, Mount, Words};
use smena::say::{Level, Plain, parts};

use crate::linux::failure::log_refusal;
use crate::linux::text::Text;

/// Where modules are, and what the list of those that one needs ends with.
const FOLDER: &str = "/lib/modules/";
/// The longest list of modules that one module needs.
const NEEDS_MAX: usize = 1024;

type Path = Text<192>;

/// Prepares the machine. What is refused is logged, and the rest is done.
#[inline(never)]
pub fn prepare(config: &Config<'_>) {
    let init = &config.init;
    if let Some(name) = init.hostname
        && let Err(errno) = sethostname(name.as_bytes())
    {
        log_refusal(Level::Error, format_args!("sethostname"), errno);
    }
    for module in &init.modules {
        if let Err((name, errno)) = load(module) {
            log_refusal(Level::Error, format_args!("module {name}"), errno);
        }
    }
    for mount in &init.mounts {
        if let Err(errno) = attach(mount) {
            let target = Plain(mount.target);
            log_refusal(Level::Error, format_args!("mount {target}"), errno);
        }
    }
}

/// The kernel's log takes as much of ours as we write: by default it drops what
/// comes fast.
pub fn open_kernel_log() {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    if let Ok(file) = open(c"/proc/sys/kernel/printk_devkmsg", flags, Mode::empty()) {
        // Without the end of the line it is refused.
        let _ = write(&file, b"on\n");
    }
}

/// Loads a module with its parameters, and before it those that it needs.
fn load<'a>(words: &Words<'a>) -> Result<(), (Plain<'a>, Errno)> {
    let mut parameters = Text::<1024>::new();
    let mut name = "";
    for word in words.iter() {
        use core::fmt::Write as _;
        let _ = match name {
            "" => {
                name = word.as_written();
                Ok(())
            }
            _ => write!(parameters, "{word} "),
        };
    }
    let mut list = [0; NEEDS_MAX];
    let needed = needs(name, &mut list);
    for needed in needed.split(|byte| *byte == b' ' || *byte == b'\n') {
        let needed = core::str::from_utf8(needed).unwrap_or_default();
        if !needed.is_empty() {
            // The one that needs it says what is missing.
            let _ = insert(needed, &mut Text::new());
        }
    }
    insert(name, &mut parameters).map_err(|errno| (Plain(name), errno))
}

/// The names of those that a module needs, as far as they are listed.
fn needs<'b>(name: &str, list: &'b mut [u8; NEEDS_MAX]) -> &'b [u8] {
    let mut path = Path::of(format_args!("{}{}.needs", Plain(FOLDER), Plain(name)));
    let length = path.as_c_str().and_then(|path| {
        let file = open(path, OFlags::CLOEXEC, Mode::empty()).ok()?;
        read(&file, &mut *list).ok()
    });
    list.get(..length.unwrap_or(0)).unwrap_or_default()
}

/// Gives one module to the kernel. One that is there already is fine.
fn insert(name: &str, parameters: &mut Text<1024>) -> Result<(), Errno> {
    let mut path = Path::of(format_args!("{}{}.ko", Plain(FOLDER), Plain(name)));
    let path = path.as_c_str().ok_or(Errno::NAMETOOLONG)?;
    let parameters = parameters.as_c_str().ok_or(Errno::NAMETOOLONG)?;
    let done = open(path, OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| finit_module(&file, parameters, 0));
    match done {
        Err(Errno::EXIST) => Ok(()),
        // It may be part of the kernel.
        Err(Errno::NOENT) => {
            let mut path = Path::of(format_args!("/sys/module/{}", Plain(name)));
            let path = path.as_c_str().ok_or(Errno::NAMETOOLONG)?;
            stat(path).map(|_| ())
        }
        done => done,
    }
}

/// Mounts a file system; the folders that lead there are made.
fn attach(wanted: &Mount<'_>) -> Result<(), Errno> {
    let mut folder = Path::new();
    for part in parts(wanted.target, b'/').filter(|part| !part.is_empty()) {
        use core::fmt::Write as _;
        let _ = write!(folder, "/{}", Plain(part));
        let _ = mkdir(
            folder.as_c_str().ok_or(Errno::NAMETOOLONG)?,
            Mode::from_raw_mode(0o755),
        );
    }
    let target = folder.as_c_str().ok_or(Errno::NAMETOOLONG)?;
    let mut source = Path::copy_of(wanted.source);
    let mut kind = Path::copy_of(wanted.kind);
    let (Some(source), Some(kind)) = (source.as_c_str(), kind.as_c_str()) else {
        return Err(Errno::NAMETOOLONG);
    };
    mount(source, target, kind, MountFlags::NOSUID, None)
}
