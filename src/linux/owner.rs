//! Who has a port: the kernel's tables name the socket, and `/proc/PID/fd` the
//! process that holds it. Only asked when a listener cannot be bound, so it may
//! take its time; what cannot be found out is left out.

use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::net::IpAddr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, RawDir, open, openat, readlinkat_raw};
use smena::config::{Listener, Transport};
use smena::say::{Number, decimal};

use super::scan;
use super::table::read_lines;
use super::text::Text;

/// A process that listens.
pub struct Owner {
    /// Its id.
    pub pid: u32,
    /// Its name, as the kernel has it.
    pub name: Text<16>,
}

/// The process in whose way a listener is, if it can be found.
pub fn of(listener: &Listener) -> Option<Owner> {
    // An IPv6 socket may take IPv4 as well.
    let tables: [&CStr; 2] = match listener.transport {
        Transport::Tcp => [c"/proc/net/tcp", c"/proc/net/tcp6"],
        Transport::Udp => [c"/proc/net/udp", c"/proc/net/udp6"],
    };
    tables
        .iter()
        .filter_map(|table| socket_in(table, listener))
        .find_map(holder)
}

/// The inode of the socket of a table that has the port of a listener.
fn socket_in(table: &CStr, listener: &Listener) -> Option<u32> {
    let mut found = None;
    let _ = read_lines(table, &mut |line| {
        found = read_socket(line, listener);
        found.is_some()
    });
    found
}

/// The inode of a line of a table, if its socket is in the listener's way:
/// `sl local rem st queues timer retransmits uid timeout inode ..`.
fn read_socket(line: &[u8], listener: &Listener) -> Option<u32> {
    const LISTENS: &[u8] = b"0A";
    let blank = |byte: &u8| *byte == b' ';
    let mut fields = line.split(blank).filter(|field| !field.is_empty());
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let colon = local.iter().position(|byte| *byte == b':')?;
    let (address, port) = (local.get(..colon)?, local.get(colon + 1..)?);
    if hexadecimal(port)? != listener.address.port().into()
        || (listener.transport == Transport::Tcp && state != LISTENS)
    {
        return None;
    }
    let free = |digits: &[u8]| digits.iter().all(|digit| *digit == b'0');
    let fits = free(address)
        || match listener.address.ip() {
            IpAddr::V4(v4) => v4.is_unspecified() || is_written(address, &v4.octets()),
            IpAddr::V6(v6) => v6.is_unspecified() || is_written(address, &v6.octets()),
        };
    fits.then(|| decimal(inode))?
}

/// Whether a table shows these octets so: as words in the machine's own order.
fn is_written(shown: &[u8], octets: &[u8]) -> bool {
    let (words, _) = octets.as_chunks();
    let (digits, rest) = shown.as_chunks::<8>();
    let alike =
        |(shown, word): (&[u8; 8], &[u8; 4])| hexadecimal(shown) == Some(u32::from_ne_bytes(*word));
    rest.is_empty() && digits.len() == words.len() && digits.iter().zip(words).all(alike)
}

/// At most eight digits as a number.
fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        Some(number << 4 | char::from(*digit).to_digit(16)?)
    })
}

/// A process that has the socket with this inode open, other than this one.
fn holder(inode: u32) -> Option<Owner> {
    let wanted = Text::<24>::of(format_args!("socket:[{}]", Number(inode.into())));
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let proc = folder(None, c"/proc")?;
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(&proc, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let Some(pid) = scan::number(entry.file_name().to_bytes()) else {
            continue;
        };
        if pid != own && holds(proc.as_fd(), pid, wanted.as_str()).is_some() {
            let name = scan::name_of(proc.as_fd(), pid).unwrap_or(Text::new());
            return Some(Owner {
                pid: pid.unsigned_abs(),
                name,
            });
        }
    }
    None
}

/// Whether a process has a descriptor of this kind open.
fn holds(proc: BorrowedFd<'_>, pid: i32, wanted: &str) -> Option<()> {
    let mut path = scan::path_of(pid, "fd");
    let fds = folder(Some(proc), path.as_c_str()?)?;
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut entries = RawDir::new(&fds, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let mut link = [MaybeUninit::uninit(); 32];
        if let Ok((link, _)) = readlinkat_raw(&fds, entry.file_name(), &mut link)
            && *link == *wanted.as_bytes()
        {
            return Some(());
        }
    }
    None
}

fn folder(below: Option<BorrowedFd<'_>>, path: &CStr) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = match below {
        Some(below) => openat(below, path, flags, Mode::empty()),
        None => open(path, flags, Mode::empty()),
    };
    opened.ok()
}
