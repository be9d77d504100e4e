//! The LAN: one segment for each interface, and on it a direction between each
//! two machines with its own weather.

use super::clock::At;
use super::plan::INTERFACES;
use super::random::Random;

/// One direction between two machines on one segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    pub blocked: bool,
    /// Parts per thousand of packets, each.
    pub loss: u64,
    pub duplicates: u64,
    pub damage: u64,
    pub late: u64,
}

impl Path {
    /// Does every packet arrive as it was sent, and in time?
    pub fn clean(&self) -> bool {
        !self.blocked && self.loss == 0 && self.damage == 0 && self.late == 0
    }
}

/// All segments.
pub struct Lan {
    nodes: usize,
    paths: Vec<Path>,
    /// When each path last changed, or was mended.
    changed_at: Vec<At>,
    /// When the last packet of each path arrives: no other overtakes it,
    /// unless it is a late one.
    last_at: Vec<At>,
    latency: At,
    random: Random,
}

/// One copy of a packet that arrives.
pub struct Arrival {
    pub at: At,
    pub damaged: bool,
}

impl Lan {
    /// Clean paths between `nodes` machines, at most `latency` long.
    pub fn new(nodes: usize, latency: At, random: Random) -> Lan {
        let count = INTERFACES.len() * nodes * nodes;
        Lan {
            nodes,
            paths: vec![Path::default(); count],
            changed_at: vec![0; count],
            last_at: vec![0; count],
            latency,
            random,
        }
    }

    /// The path from one machine to another.
    pub fn path(&self, segment: usize, from: usize, to: usize) -> &Path {
        &self.paths[self.index(segment, from, to)]
    }

    /// Changes one direction.
    pub fn set(&mut self, now: At, segment: usize, from: usize, to: usize, path: Path) {
        let index = self.index(segment, from, to);
        self.paths[index] = path;
        self.changed_at[index] = now;
    }

    /// Makes every path clean.
    pub fn mend(&mut self, now: At) {
        for (path, changed_at) in self.paths.iter_mut().zip(&mut self.changed_at) {
            if !path.clean() {
                *changed_at = now;
            }
            *path = Path::default();
        }
    }

    /// Since when two machines have heard each other both ways; `None`: they don't.
    pub fn clean_since(&self, segment: usize, a: usize, b: usize) -> Option<At> {
        let (there, back) = (self.index(segment, a, b), self.index(segment, b, a));
        let clean = self.paths[there].clean() && self.paths[back].clean();
        clean.then(|| self.changed_at[there].max(self.changed_at[back]))
    }

    /// The copies of a packet that arrive, none to two.
    pub fn send(
        &mut self,
        now: At,
        segment: usize,
        from: usize,
        to: usize,
    ) -> [Option<Arrival>; 2] {
        let index = self.index(segment, from, to);
        let path = self.paths[index];
        let copies = if path.blocked || self.random.chance(path.loss) {
            0
        } else if path.duplicates > 0 && self.random.chance(path.duplicates) {
            2
        } else {
            1
        };
        [0, 1].map(|copy| (copy < copies).then(|| self.arrival(now, index)))
    }

    fn arrival(&mut self, now: At, index: usize) -> Arrival {
        let path = self.paths[index];
        let late = path.late > 0 && self.random.chance(path.late);
        let at = if late {
            now + self.random.below(40 * self.latency)
        } else {
            let at = now + 20 + self.random.below(self.latency);
            self.last_at[index] = at.max(self.last_at[index]);
            self.last_at[index]
        };
        Arrival {
            at,
            damaged: path.damage > 0 && self.random.chance(path.damage),
        }
    }

    fn index(&self, segment: usize, from: usize, to: usize) -> usize {
        (segment * self.nodes + from) * self.nodes + to
    }
}
