//! Kernel settings under /proc/sys: written at the start as `[sysctl]` says,
//! and the one that is asked while running. A setting that is refused is told
//! and never fatal.

use core::fmt::Write as _;

use heapless::String;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};

use smena::config::Sysctl;

use super::failure::Failure;

/// The longest path: the names of the kernel are far shorter.
const PATH_MAX: usize = 192;

/// Writes one setting.
///
/// # Errors
/// The file that refused it, and what to do.
pub fn set(sysctl: &Sysctl<'_>) -> Result<(), Failure> {
    let path = path_of(sysctl.name).ok_or_else(|| {
        Failure::new(
            "open",
            format_args!("{}", sysctl.name),
            Errno::INVAL,
            MEND_NAME,
        )
    })?;
    let refused = |call, path: &str, errno| {
        let mend = match errno {
            Errno::NOENT => MEND_NAME,
            Errno::ROFS => "mount /proc/sys writable, or set it from outside this container",
            Errno::INVAL => "the kernel does not take this value",
            _ => "run as root",
        };
        Failure::new(call, format_args!("{path}"), errno, mend)
    };
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let fd =
        open(path.as_str(), flags, Mode::empty()).map_err(|errno| refused("open", &path, errno))?;
    // The kernel takes a value in one write only.
    write(&fd, sysctl.value.as_bytes()).map_err(|errno| refused("write", &path, errno))?;
    Ok(())
}

const MEND_NAME: &str = "check the name; its module may not be loaded";

/// Whether this host forwards IPv6 from an interface, which its neighbour
/// advertisements must say.
pub fn forwards_ipv6(interface: &str) -> bool {
    let mut path: String<PATH_MAX> = String::new();
    let written = write!(path, "/proc/sys/net/ipv6/conf/{interface}/forwarding");
    if written.is_err() {
        return false;
    }
    let Ok(fd) = open(
        path.as_str(),
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    ) else {
        return false;
    };
    let mut first = [0];
    matches!(read(&fd, &mut first), Ok(1)) && first != *b"0"
}

/// The file of a setting. A dot parts, and a slash stands for a dot inside a
/// part, such as in `net.ipv4.conf.eth0/1.forwarding`; a name that has a slash
/// before any dot is taken the other way round. `None`: it leads elsewhere.
fn path_of(name: &str) -> Option<String<PATH_MAX>> {
    let slashes_part = name
        .find(['.', '/'])
        .is_some_and(|at| name.as_bytes()[at] == b'/');
    let mut path = String::try_from("/proc/sys/").ok()?;
    for letter in name.chars() {
        let letter = match letter {
            '.' if !slashes_part => '/',
            '/' if !slashes_part => '.',
            letter => letter,
        };
        path.push(letter).ok()?;
    }
    let climbs = path.split('/').any(|part| part == "..");
    (!climbs).then_some(path)
}
