//! `smena replay`: reads a capture file in pieces and prints what the core makes
//! of its frames. Nothing is decided here.

use core::fmt::Write as _;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read};
use smena::Instant;
use smena::capture::{Broken, Capture, FRAME_MAX};
use smena::config::Config;
use smena::event::Actions;
use smena::node::Node;
use smena::pack::{Packed, packed};
use smena::replay::{self, Replay};
use smena::say::{Number, Plain};

use super::cell::Cell;
use super::failure::Reason;
use super::output::{Output, complain};
use super::text::Text;

/// The longest path of a file.
const NAME_MAX: usize = 4096;
/// What is read at once.
const PIECE: usize = 16_384;

static FRAME: Cell<[u8; FRAME_MAX]> = Cell::new([0; _]);
static FILE: Cell<[u8; PIECE]> = Cell::new([0; _]);

/// How it ended.
pub enum End {
    /// All of the file was read and shown.
    Whole,
    /// The file is wrong, which was told.
    Wrong,
    /// What was to be shown could not be written.
    Unwritten,
}

/// Replays a file, as the routers of a configuration if there is one.
#[inline(never)]
pub fn run(name: &str, config: Option<&mut Config<'_>>) -> End {
    match config {
        None => show(name, Replay::new(None)),
        Some(config) => {
            replay::prepare(config);
            let mut actions = Actions::new();
            let mut node = Node::new(config, Instant::ZERO, 0);
            show(name, Replay::new(Some((&mut node, &mut actions))))
        }
    }
}

#[inline(never)]
fn show(name: &str, mut replay: Replay<'_, '_>) -> End {
    let mut path = Text::<NAME_MAX>::copy_of(name);
    let opened = path.as_c_str().ok_or(Errno::NAMETOOLONG);
    let opened =
        opened.and_then(|path| open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()));
    let mut failed = None;
    let mut output = Output::stdout();
    let ended = match opened {
        Err(errno) => {
            failed = Some(errno);
            Err(Broken::Unreadable)
        }
        Ok(file) => {
            let mut pieces = Pieces {
                file,
                buffer: FILE.claim(),
                at: 0,
                end: 0,
            };
            let mut input =
                |bytes: &mut [u8]| pieces.take(bytes).map_err(|e| failed = Some(e)).ok();
            frames(&mut input, &mut replay, &mut output)
        }
    };
    if !output.flush() {
        return End::Unwritten;
    }
    let Err(broken) = ended else {
        return End::Whole;
    };
    let (what, mend) = describe(broken);
    let mut error = Output::stderr();
    let _ = write!(error, "error: {}: {what}", Plain(name));
    let _ = match broken {
        Broken::Unreadable => write!(error, ": {}", Reason(failed.unwrap_or(Errno::IO))),
        Broken::LinkType(number) => write!(error, " {}", Number(number.into())),
        _ => Ok(()),
    };
    let _ = match replay.frames() {
        0 => Ok(()),
        frames => write!(error, ", after frame {}", Number(frames)),
    };
    error.flush();
    complain(format_args!("; {mend}"));
    End::Wrong
}

/// Shows every frame.
#[inline(never)]
fn frames(
    input: &mut smena::capture::Input<'_>,
    replay: &mut Replay<'_, '_>,
    output: &mut Output<'_>,
) -> Result<(), Broken> {
    let mut capture = Capture::open(input, FRAME.claim())?;
    while let Some(frame) = capture.next()? {
        if replay.frame(&frame, output).is_err() {
            break;
        }
    }
    Ok(())
}

/// What is wrong with a file, and what to do.
fn describe(broken: Broken) -> (Packed, Packed) {
    match broken {
        Broken::Unreadable => (
            packed!("cannot be read"),
            packed!("check the path and its permissions"),
        ),
        Broken::Foreign => (
            packed!("is no capture file"),
            packed!("write one with `tcpdump -w FILE`, or save as pcap or pcapng"),
        ),
        Broken::Cut => (
            packed!("ends in the middle of a frame"),
            packed!("it was cut: copy it again"),
        ),
        Broken::LinkType(_) => (
            packed!("has frames of a kind that is neither Ethernet nor raw IP: link type"),
            packed!("capture on an interface instead of `any`"),
        ),
        Broken::Wrong => (
            packed!("contradicts itself"),
            packed!("it is damaged: copy it again, or save it anew with Wireshark"),
        ),
        Broken::Interfaces => (
            packed!("describes more than 64 interfaces"),
            packed!("save the frames of fewer with Wireshark"),
        ),
    }
}

/// A file that is read in large pieces.
struct Pieces {
    file: OwnedFd,
    buffer: &'static mut [u8; PIECE],
    at: usize,
    end: usize,
}

impl Pieces {
    fn take(&mut self, bytes: &mut [u8]) -> Result<usize, Errno> {
        while self.at == self.end {
            match read(&self.file, self.buffer.as_mut_slice()) {
                Ok(0) => return Ok(0),
                Ok(length) => (self.at, self.end) = (0, length),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        let waiting = self.buffer.get(self.at..self.end).unwrap_or_default();
        let length = waiting.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(waiting) {
            *to = *from;
        }
        self.at += length;
        Ok(length)
    }
}
