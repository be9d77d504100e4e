//! The addresses that were told, so that those that vanish unseen can be told
//! as removed. It compares; what an address is for is not known here.

use heapless::Vec;

use smena::board;
use smena::event::{InterfaceId, LocalAddress};

/// Addresses that are remembered: all of ours twice over.
const KNOWN_MAX: usize = 2 * board::ROUTERS_MAX * board::ADDRESSES_MAX;

/// The table. All zero when new.
pub struct Known {
    entries: Vec<Entry, KNOWN_MAX>,
}

struct Entry {
    interface: InterfaceId,
    address: LocalAddress,
    /// Told again since the scan of its interface began.
    seen: bool,
}

impl Known {
    /// Nothing was told.
    pub const fn new() -> Known {
        Known {
            entries: Vec::new(),
        }
    }

    /// An address was told as there.
    pub fn remember(&mut self, interface: InterfaceId, address: LocalAddress) {
        let entry = Entry {
            interface,
            address,
            seen: true,
        };
        match self.position(interface, &address) {
            Some(at) => self.entries[at] = entry,
            // What does not fit is told all the same; only its unseen removal
            // would stay untold.
            None => drop(self.entries.push(entry)),
        }
    }

    /// An address was told as removed.
    pub fn forget(&mut self, interface: InterfaceId, address: &LocalAddress) {
        if let Some(at) = self.position(interface, address) {
            self.entries.swap_remove(at);
        }
    }

    /// All addresses of an interface are about to be told again.
    pub fn mark_unseen(&mut self, interface: InterfaceId) {
        for entry in &mut self.entries {
            entry.seen &= entry.interface != interface;
        }
    }

    /// An address of the interface that was not told again, which is forgotten.
    pub fn take_unseen(&mut self, interface: InterfaceId) -> Option<LocalAddress> {
        let unseen = |entry: &Entry| entry.interface == interface && !entry.seen;
        let at = self.entries.iter().position(unseen)?;
        Some(self.entries.swap_remove(at).address)
    }

    /// The kernel tells one address with two prefix lengths apart.
    fn position(&self, interface: InterfaceId, address: &LocalAddress) -> Option<usize> {
        self.entries.iter().position(|entry| {
            entry.interface == interface
                && entry.address.address == address.address
                && entry.address.prefix_len == address.prefix_len
        })
    }
}
