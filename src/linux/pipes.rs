//! The pipes of a worker: what carries bytes from socket to socket without
//! copying them, and where those wait that a socket did not take. A direction
//! has one only while it has bytes in it, so a pool serves any number of
//! sessions, and an idle one costs nothing.

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice,
};

use super::descriptor::Descriptor;

/// Pipes of one worker, where it has descriptors for them. More directions than
/// this that are stuck at one moment get on without one.
pub const PIPES_MAX: usize = 64;
/// The last ones are for bytes that will not stay: however many receivers stand
/// still with a pipe each, bulk of the others goes on without a copy.
const KEPT: usize = 8;
/// What all pipes of a user may hold is limited (`pipe-user-pages-soft`, 64 MiB
/// usually), so only so many of all workers' pipes are large ones.
const LARGE_MAX: usize = 48;
/// A large one, and what it is when that is too large for this system.
const LARGE: [usize; 2] = [1 << 20, 1 << 18];

/// A pipe of the pool; [`NONE`] is none.
pub type Pipe = u8;
/// No pipe.
pub const NONE: Pipe = 0;

/// The memory of [`Pipes`]: all zero.
pub struct Slots {
    slots: [Slot; PIPES_MAX],
    /// Those that hold nothing, the one that was used last at the end.
    free: [Pipe; PIPES_MAX],
}

struct Slot {
    read: Descriptor,
    write: Descriptor,
    size: u32,
    inside: u32,
}

impl Slots {
    /// No pipes.
    pub const fn new() -> Slots {
        Slots {
            slots: [const {
                Slot {
                    read: Descriptor::NONE,
                    write: Descriptor::NONE,
                    size: 0,
                    inside: 0,
                }
            }; PIPES_MAX],
            free: [NONE; PIPES_MAX],
        }
    }
}

/// See the module.
pub struct Pipes<'s> {
    slots: &'s mut Slots,
    free: usize,
    /// How many there are.
    open: usize,
    /// How many of them may be large.
    large: usize,
    /// How many there may be.
    most: usize,
}

impl<'s> Pipes<'s> {
    /// None yet, and `most` at most; there are `workers` workers.
    pub fn new(slots: &'s mut Slots, workers: u8, most: usize) -> Pipes<'s> {
        let large = LARGE_MAX / usize::from(workers.max(1));
        Pipes {
            slots,
            free: 0,
            open: 0,
            large,
            most: most.min(PIPES_MAX),
        }
    }

    /// Whether only those are left that are kept for bytes that will not stay.
    pub fn are_scarce(&self) -> bool {
        self.open - self.free + KEPT >= self.most
    }

    /// What one that is free would hold; 0: there is none to be had.
    pub fn room(&mut self) -> usize {
        if self.free == 0 && !self.make() {
            return 0;
        }
        let next = self.slots.free[self.free - 1];
        self.slot(next).size as usize
    }

    /// Takes one.
    pub fn take(&mut self) -> Pipe {
        if self.room() == 0 {
            return NONE;
        }
        self.free -= 1;
        self.slots.free[self.free]
    }

    /// Gives one back. One that still holds bytes of somebody is closed.
    pub fn give(&mut self, pipe: Pipe) {
        if pipe == NONE {
            return;
        }
        let slot = self.slot_mut(pipe);
        if slot.inside != 0 {
            slot.read.close();
            slot.write.close();
            slot.inside = 0;
            slot.size = 0;
            self.open -= 1;
            return;
        }
        self.slots.free[self.free] = pipe;
        self.free += 1;
    }

    /// How many bytes are inside.
    pub fn inside(&self, pipe: Pipe) -> usize {
        match pipe {
            NONE => 0,
            pipe => self.slot(pipe).inside as usize,
        }
    }

    /// Moves at most so many bytes from a socket into an empty pipe.
    pub fn fill(&mut self, pipe: Pipe, from: BorrowedFd<'_>, most: usize) -> Result<usize, Errno> {
        let slot = self.slot_mut(pipe);
        let write = slot.write.get().ok_or(Errno::BADF)?;
        let moved = splice(from, None, write, None, most, FLAGS)?;
        slot.inside += moved as u32;
        Ok(moved)
    }

    /// Moves bytes from a pipe into a socket.
    pub fn drain(&mut self, pipe: Pipe, to: BorrowedFd<'_>) -> Result<usize, Errno> {
        let slot = self.slot_mut(pipe);
        let read = slot.read.get().ok_or(Errno::BADF)?;
        let moved = splice(read, None, to, None, slot.inside as usize, FLAGS)?;
        slot.inside -= (moved as u32).min(slot.inside);
        Ok(moved)
    }

    /// Puts bytes into an empty pipe that has room for them; false when they
    /// did not all get in.
    pub fn keep(&mut self, pipe: Pipe, bytes: &[u8]) -> bool {
        let slot = self.slot_mut(pipe);
        let Some(write) = slot.write.get() else {
            return false;
        };
        let kept = rustix::io::write(write, bytes).unwrap_or(0);
        slot.inside += kept as u32;
        kept == bytes.len()
    }

    /// Makes a pipe that holds nothing; false when that is not possible.
    fn make(&mut self) -> bool {
        let mut slots = self.slots.slots.iter();
        let vacant = slots.position(|slot| slot.size == 0);
        let Some(vacant) = vacant.filter(|_| self.open < self.most) else {
            return false;
        };
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let Ok((read, write)) = pipe_with(flags) else {
            return false;
        };
        // The last ones carry what moves, when others stand still.
        let last = self.open + KEPT >= self.most;
        if last || self.open + KEPT < self.large {
            let mut sizes = LARGE.into_iter();
            let _ = sizes.find(|size| fcntl_setpipe_size(&write, *size).is_ok());
        }
        // Whatever was asked for, this is what it holds: a user who has too
        // many gets pipes of two pages.
        let Some(size) = size_of_pipe(&write) else {
            return false;
        };
        let pipe = vacant as Pipe + 1;
        let slot = self.slot_mut(pipe);
        slot.size = size;
        slot.read.put(read);
        slot.write.put(write);
        self.slots.free[self.free] = pipe;
        self.free += 1;
        self.open += 1;
        true
    }

    fn slot(&self, pipe: Pipe) -> &Slot {
        &self.slots.slots[usize::from(pipe) - 1]
    }

    fn slot_mut(&mut self, pipe: Pipe) -> &mut Slot {
        &mut self.slots.slots[usize::from(pipe) - 1]
    }
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

fn size_of_pipe(pipe: &OwnedFd) -> Option<u32> {
    let size = fcntl_getpipe_size(pipe).ok()? as u32;
    (size != 0).then_some(size)
}
