//! The asking side of the control socket: one line out, the answer to standard
//! output.

use rustix::fd::OwnedFd;
use rustix::io::{Errno, read};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{SocketAddrUnix, connect};
use smena::pack::{Packed, packed};
use smena::say::{Plain, decimal};

use super::failure::Reason;
use super::listener::{self, Path};
use super::output::{self, complain, write_all};

/// The longest question, without the line feed that ends it.
const QUESTION_MAX: usize = 127;
/// Exit code: the question was wrong, and the answer says why.
const WRONG: i32 = 2;
/// Exit code: the system refused.
const REFUSED: i32 = 4;
/// Exit code: not running, or unreadable.
const NOT_RUNNING: i32 = 3;
/// How long the keeper may be silent. Its answers come within a millisecond;
/// behind eight slow readers at once they may take longer.
const PATIENCE: core::time::Duration = core::time::Duration::from_secs(7);

/// Asks the keeper at a socket, prints its answer, and returns the exit code.
/// A question that is too long is cut: no name is as long.
pub fn ask(path: &str, question: &[&str]) -> i32 {
    match try_ask(path, question) {
        Ok(exit) => exit,
        Err(Trouble::Socket(errno)) => {
            complain(format_args!(
                "error: cannot ask at {}: {}: {}",
                Plain(path),
                Reason(errno),
                mend(errno)
            ));
            NOT_RUNNING
        }
        Err(Trouble::Cut) => {
            complain(format_args!(
                "error: the answer from {} is incomplete: ask again",
                Plain(path)
            ));
            NOT_RUNNING
        }
        Err(Trouble::Output(errno)) => {
            output::complain_of(errno);
            REFUSED
        }
    }
}

/// What can go wrong.
enum Trouble {
    /// With the socket.
    Socket(Errno),
    /// The keeper ended in the middle, or speaks otherwise.
    Cut,
    /// With standard output.
    Output(Errno),
}

/// What to do when nobody answers.
fn mend(errno: Errno) -> Packed {
    match errno {
        Errno::NOENT | Errno::CONNREFUSED => {
            packed!(
                "smena is not running; start it with `smena run`, or name its file with `-c FILE`"
            )
        }
        Errno::ACCESS | Errno::PERM => packed!("run this as root"),
        Errno::AGAIN => packed!("the keeper does not answer; is it stopped?"),
        _ => packed!(""),
    }
}

#[inline(never)]
fn try_ask(path: &str, question: &[&str]) -> Result<i32, Trouble> {
    let socket = open(path).map_err(Trouble::Socket)?;
    let mut line = [b'\n'; QUESTION_MAX + 1];
    let mut end = 0;
    let bytes = question.iter().flat_map(|part| part.bytes());
    for (room, byte) in line.iter_mut().take(QUESTION_MAX).zip(bytes) {
        *room = byte;
        end += 1;
    }
    write_all(&socket, line.get(..=end).unwrap_or_default()).map_err(Trouble::Socket)?;
    print_answer(&socket)
}

fn open(path: &str) -> Result<OwnedFd, Errno> {
    let mut path = Path::copy_of(path);
    let address = SocketAddrUnix::new(path.as_c_str().ok_or(Errno::NAMETOOLONG)?)?;
    let socket = listener::stream()?;
    rustix::io::ioctl_fionbio(&socket, false)?;
    // A full queue of connections is waited for, too; that is sending.
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    connect(&socket, &address)?;
    Ok(socket)
}

/// Copies the answer's body to standard output; its head says the exit code
/// and the length.
#[inline(never)]
fn print_answer(socket: &OwnedFd) -> Result<i32, Trouble> {
    let mut buffer = [0; 4096];
    let mut have = 0;
    let (exit, length, at) = loop {
        let room = buffer.get_mut(have..).unwrap_or_default();
        let got = receive(socket, room)?;
        if got == 0 {
            return Err(Trouble::Cut);
        }
        have += got;
        let bytes = buffer.get(..have).unwrap_or_default();
        if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let head = bytes.get(..end).unwrap_or_default();
            let (exit, length) = parse_head(head).ok_or(Trouble::Cut)?;
            break (exit, length, end + 1);
        }
    };
    let to = match exit {
        WRONG => output::stderr(),
        _ => output::stdout(),
    };
    let mut left = length;
    let mut begin = at;
    loop {
        let bytes = buffer.get(begin..have).unwrap_or_default();
        left = left.checked_sub(bytes.len()).ok_or(Trouble::Cut)?;
        write_all(to, bytes).map_err(Trouble::Output)?;
        if left == 0 {
            break;
        }
        begin = 0;
        have = receive(socket, &mut buffer)?;
        if have == 0 {
            return Err(Trouble::Cut);
        }
    }
    Ok(exit)
}

fn receive(socket: &OwnedFd, room: &mut [u8]) -> Result<usize, Trouble> {
    loop {
        match read(socket, &mut *room) {
            Err(Errno::INTR) => {}
            other => return other.map_err(Trouble::Socket),
        }
    }
}

/// `smena EXIT LENGTH`
fn parse_head(head: &[u8]) -> Option<(i32, usize)> {
    let mut words = head.strip_prefix(b"smena ")?.split(|byte| *byte == b' ');
    let (exit, length) = (decimal(words.next()?)?, decimal(words.next()?)?);
    Some((exit as i32, length as usize))
}
