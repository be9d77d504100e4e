//! Kernel settings under /proc/sys: written at the start as `[sysctl]` says,
//! and the one that is asked while running. A setting that is refused is told
//! and never fatal.

use core::ffi::CStr;
use core::fmt;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};

use smena::config::Sysctl;
use smena::pack::packed;
use smena::say::Plain;

use super::failure::Failure;
use super::text::Text;

/// A path; the kernel's are far shorter.
type Path = Text<192>;

/// Writes one setting.
///
/// # Errors
/// The file that refused it, and what to do.
pub fn set(sysctl: &Sysctl<'_>) -> Result<(), Failure> {
    let mut path = path_of(sysctl.name);
    let mut call = "open";
    let done = match path.as_c_str() {
        Some(path) => put(path, sysctl.value, &mut call),
        None => Err(Errno::NAMETOOLONG),
    };
    done.map_err(|errno| {
        let mend = match errno {
            Errno::ROFS => {
                packed!("mount /proc/sys writable, or set it from outside this container")
            }
            Errno::INVAL => packed!("the kernel does not take this value"),
            Errno::ACCESS | Errno::PERM => packed!("run as root"),
            _ => packed!("check the name; its module may not be loaded"),
        };
        let what = format_args!("{} {}", Plain(call), Plain(path.as_str()));
        Failure::new(what, errno, mend)
    })
}

/// Makes an interface take no IPv6 address by itself, neither its link-local
/// one nor what a router offers. Where IPv6 is off there is nothing to set.
pub fn accept_no_routers(interface: &str) {
    for (name, value) in [("addr_gen_mode", "1"), ("accept_ra", "0")] {
        let path = format_args!(
            "/proc/sys/net/ipv6/conf/{}/{}",
            Plain(interface),
            Plain(name)
        );
        if let Some(path) = Path::of(path).as_c_str() {
            let _ = put(path, value, &mut "");
        }
    }
}

/// Whether this host forwards IPv6 from an interface, which its neighbour
/// advertisements must say.
pub fn forwards_ipv6(interface: &str) -> bool {
    let mut path = Path::of(format_args!(
        "/proc/sys/net/ipv6/conf/{}/forwarding",
        Plain(interface)
    ));
    let mut first = [b'0'];
    if let Some(path) = path.as_c_str()
        && let Ok(file) = open(path, OFlags::CLOEXEC, Mode::empty())
    {
        let _ = read(&file, &mut first);
    }
    first != *b"0"
}

fn put(path: &CStr, value: &str, call: &mut &'static str) -> Result<(), Errno> {
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    *call = "write";
    // The kernel takes a value in one write only.
    write(&file, value.as_bytes())?;
    Ok(())
}

/// The file of a setting; one that leads elsewhere leads to no file.
fn path_of(name: &str) -> Path {
    let path = Path::of(format_args!("/proc/sys{}", Parts(name)));
    if path
        .as_str()
        .as_bytes()
        .windows(2)
        .any(|pair| pair == b"..")
    {
        return Path::new();
    }
    path
}

/// The parts of a name as folders. A dot parts, and a slash stands for a dot
/// inside a part, such as in `net.ipv4.conf.eth0/1.forwarding`; a name that has
/// a slash before any dot is taken the other way round.
struct Parts<'a>(&'a str);

impl fmt::Display for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_mark = |byte: &u8| matches!(byte, b'.' | b'/');
        let parting = self.0.as_bytes().iter().find(|byte| is_mark(byte));
        let parting = *parting.unwrap_or(&b'.');
        let mut rest = self.0;
        f.write_str("/")?;
        let mark = |rest: &str| rest.as_bytes().iter().position(is_mark);
        while let Some((part, next)) = mark(rest).and_then(|at| rest.split_at_checked(at)) {
            f.write_str(part)?;
            let parts = next.as_bytes().first() == Some(&parting);
            f.write_str(if parts { "/" } else { "." })?;
            rest = next.get(1..).unwrap_or_default();
        }
        f.write_str(rest)
    }
}
