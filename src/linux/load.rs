//! Where the configuration comes from: the file that was named, by PID 1's
//! kernel command line if nowhere else, else the default file, else the one
//! inside the binary. Only a missing default file
//! leads on to the next; everything else that is wrong is said.

use core::fmt;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{Errno, read};
use smena::board;
use smena::config::Source;
use smena::pack::{Packed, packed};
use smena::say::Plain;

use super::bake;
use super::failure::Reason;
use super::init;
use super::text::Text;

/// The file that is read when none is named.
pub const DEFAULT: &str = "/etc/smena.ini";

/// The longest path of a file.
const NAME_MAX: usize = 4096;

/// Room for a file and one byte more, by which too large a file is known.
pub type Memory = [u8; board::FILE_MAX + 1];

/// Why there is no configuration.
pub enum Error<'a> {
    /// Nothing was named, and there is neither a default file nor a built-in one.
    Nothing,
    /// The file cannot be read.
    Unreadable(&'a str, Errno),
}

impl fmt::Display for Error<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Nothing => write!(
                f,
                "error: there is no configuration\n  --> {}\n   \
                 | write this file, or name another with `-c FILE`; none is built into this binary",
                Plain(DEFAULT)
            ),
            Error::Unreadable(file, errno) => {
                writeln!(f, "error: cannot read the configuration: {}", Reason(errno))?;
                let (file, mend) = (Plain(file), mend(errno));
                write!(f, "  --> {file}\n   | {mend}")
            }
        }
    }
}

/// What to do about a file that cannot be read.
fn mend(errno: Errno) -> Packed {
    match errno {
        Errno::NOENT | Errno::NOTDIR => packed!("check the path"),
        Errno::ISDIR => packed!("name a file inside of it"),
        Errno::ACCESS | Errno::PERM => packed!("run as root, or let this user read it"),
        _ => packed!("check the file system it is on"),
    }
}

/// Reads the configuration that `file` names, or the default one.
pub fn load<'a>(file: Option<&'a str>, memory: &'a mut Memory) -> Result<Source<'a>, Error<'a>> {
    let named = match file {
        None if init::is_on() => init::named_file(),
        file => file,
    };
    let default = file.is_none().then_some(DEFAULT);
    for name in named.into_iter().chain(default) {
        match read_file(name, memory) {
            Ok((length, others_can_read)) => {
                return Ok(Source {
                    file: name,
                    text: memory.get(..length).unwrap_or_default(),
                    others_can_read,
                });
            }
            Err(Errno::NOENT) if file.is_none() => {}
            Err(errno) => return Err(Error::Unreadable(name, errno)),
        }
    }
    if let Some(length) = bake::read_inside(memory) {
        return Ok(Source {
            file: "(built in)",
            text: memory.get(..length).unwrap_or_default(),
            others_can_read: false,
        });
    }
    match board::CONFIG {
        Some(text) => Ok(Source {
            file: "(built in)",
            text: text.as_bytes(),
            others_can_read: false,
        }),
        None => Err(Error::Nothing),
    }
}

/// Reads a file up to the end of the memory; also says whether every user of
/// the system can.
fn read_file(name: &str, memory: &mut Memory) -> Result<(usize, bool), Errno> {
    let mut name = Text::<NAME_MAX>::copy_of(name);
    let name = name.as_c_str().ok_or(Errno::NAMETOOLONG)?;
    let file = open(name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let stat = fstat(&file)?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let mut length = 0;
    while let Some(room) = memory.get_mut(length..).filter(|room| !room.is_empty()) {
        match read(&file, room) {
            Ok(0) => break,
            Ok(got) => length += got,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok((length, is_file && stat.st_mode & Mode::ROTH.bits() != 0))
}
