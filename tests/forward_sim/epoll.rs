//! What a worker waits for: edges, and levels for listeners.

use std::collections::{BTreeMap, VecDeque};

use crate::kernel::{Entry, File, KEEPER, Kernel, Note, Todo};
use crate::shim::fd::RawFd;
use crate::shim::io::Errno;
use crate::stream::{IN as FROM_FAR, OUT as TO_FAR};

pub const IN: u32 = 1;
pub const OUT: u32 = 4;
pub const ERR: u32 = 8;
pub const HUP: u32 = 16;
pub const RDHUP: u32 = 0x2000;
const ET: u32 = 1 << 31;
/// What is told whether one asks or not.
const ALWAYS: u32 = ERR | HUP;

/// An epoll: what it watches, and what is to be looked at.
#[derive(Default)]
pub struct Ready {
    watches: BTreeMap<RawFd, Watch>,
    ready: VecDeque<RawFd>,
}

struct Watch {
    data: u64,
    interest: u32,
    queued: bool,
}

impl Ready {
    pub fn forget(&mut self, fd: RawFd) {
        self.watches.remove(&fd);
        self.ready.retain(|other| *other != fd);
    }
}

impl Kernel {
    pub fn epoll_create(&mut self) -> Result<RawFd, Errno> {
        self.install(File::Epoll(Ready::default()))
    }

    fn ready(&mut self, epoll: RawFd) -> &mut Ready {
        match self.entry(epoll) {
            Some(Entry {
                file: File::Epoll(ready),
                ..
            }) => ready,
            _ => panic!("descriptor {epoll} is no epoll"),
        }
    }

    pub fn epoll_add(
        &mut self,
        epoll: RawFd,
        fd: RawFd,
        data: u64,
        interest: u32,
    ) -> Result<(), Errno> {
        let token = data;
        self.notes.push(Note::Watch { fd, token });
        let entry = self.entry(fd).ok_or(Errno::BADF)?;
        assert!(entry.watched.is_none(), "descriptor {fd} is watched twice");
        entry.watched = Some(epoll);
        let queued = false;
        let watch = Watch {
            data,
            interest,
            queued,
        };
        self.ready(epoll).watches.insert(fd, watch);
        self.look(fd);
        Ok(())
    }

    pub fn epoll_modify(&mut self, epoll: RawFd, fd: RawFd, interest: u32) -> Result<(), Errno> {
        let watch = self.ready(epoll).watches.get_mut(&fd);
        watch.ok_or(Errno::BADF)?.interest = interest;
        self.look(fd);
        Ok(())
    }

    pub fn epoll_delete(&mut self, epoll: RawFd, fd: RawFd) -> Result<(), Errno> {
        self.ready(epoll).forget(fd);
        let entry = self.entry(fd).ok_or(Errno::BADF)?;
        entry.watched = None;
        Ok(())
    }

    /// Whatever is there now counts as news.
    fn look(&mut self, fd: RawFd) {
        let mask = self.mask(fd);
        if mask != 0 {
            self.wake(fd, mask);
        }
    }

    /// Something of this kind happened at a descriptor.
    pub fn wake(&mut self, fd: RawFd, key: u32) {
        let Some(epoll) = self.entry(fd).and_then(|entry| entry.watched) else {
            return;
        };
        let ready = self.ready(epoll);
        let Some(watch) = ready.watches.get_mut(&fd) else {
            return;
        };
        if key & (watch.interest | ALWAYS) == 0 {
            return;
        }
        if !std::mem::replace(&mut watch.queued, true) {
            ready.ready.push_back(fd);
        }
        if let Some(worker) = self.entry(epoll).map(|entry| entry.owner)
            && worker != KEEPER
        {
            self.turn_soon(worker);
        }
    }

    /// A worker gets to run.
    pub fn turn_soon(&mut self, worker: u8) {
        if !std::mem::replace(&mut self.turn_due[usize::from(worker)], true) {
            let after = self.random.below(60);
            self.later(after, Todo::Turn(worker));
        }
    }

    pub fn has_ready(&mut self, epoll: RawFd) -> bool {
        !self.ready(epoll).ready.is_empty()
    }

    /// What is ready, at most so many of them.
    pub fn epoll_take(&mut self, epoll: RawFd, most: usize) -> Vec<(u64, u32)> {
        let mut queue: Vec<RawFd> = std::mem::take(&mut self.ready(epoll).ready).into();
        // In whichever order news came.
        let mut random = self.random.clone();
        random.shuffle(&mut queue);
        self.random = random;
        let mut taken = Vec::new();
        for fd in queue {
            let mask = self.mask(fd);
            let full = taken.len() == most;
            let ready = self.ready(epoll);
            let Some(watch) = ready.watches.get_mut(&fd) else {
                continue;
            };
            let mask = mask & (watch.interest | ALWAYS);
            watch.queued = full || mask != 0 && watch.interest & ET == 0;
            if watch.queued {
                ready.ready.push_back(fd);
            }
            if mask != 0 && !full {
                taken.push((watch.data, mask));
            }
        }
        taken
    }

    /// What is there at a descriptor.
    pub fn mask(&mut self, fd: RawFd) -> u32 {
        let Ok(file) = self.file(fd) else {
            return 0;
        };
        match file {
            File::Bell(count) => u32::from(*count > 0) * IN,
            File::Listener { waiting, open, .. } => match *open {
                true => u32::from(!waiting.is_empty()) * IN,
                false => HUP | IN,
            },
            File::Mail { waiting, .. } => u32::from(!waiting.is_empty()) * IN,
            File::Line(line) => {
                let error = u32::from(line.error.is_some()) * (ERR | IN);
                error | (u32::from(!line.waiting.is_empty()) * IN)
            }
            File::Stream(conn) => {
                let conn = *conn;
                let conn = &self.conns[conn];
                let mut mask = 0;
                if conn.error.is_some() {
                    mask |= ERR | IN | OUT;
                }
                if conn.is_gone() {
                    return mask | HUP | RDHUP | IN | OUT;
                }
                if !conn.is_open() {
                    return mask;
                }
                let (from, to) = (&conn.ways[FROM_FAR], &conn.ways[TO_FAR]);
                if !from.queue.is_empty() {
                    mask |= IN;
                }
                if from.has_come() {
                    mask |= IN | RDHUP;
                }
                if to.has_room() || to.is_said() {
                    mask |= OUT;
                }
                if from.has_come() && to.is_said() {
                    mask |= HUP;
                }
                mask
            }
            File::Epoll(_) | File::Fresh | File::Pipe { .. } => 0,
        }
    }
}
