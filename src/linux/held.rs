//! What the keeper holds, for the guard to read after its death: which routers'
//! addresses are set, where each speaks from, and the interfaces' numbers. It
//! lies in memory that both share, and only the keeper writes.
//!
//! The keeper may die between any two of its stores, so each record is safe at
//! every moment: a router counts as held before its first address is set and
//! until its last one is removed, and a source counts only once it is complete.
//!
//! # Safety
//!
//! The mapping is never unmapped, all zero bytes are a valid value, and every
//! access is an atomic one.
#![allow(unsafe_code)]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use smena::board;
use smena::event::{InterfaceId, RouterId};
use smena::shared::Shared;

/// See the module.
pub struct Held {
    /// The kernel's number of each interface; 0: it is not there.
    links: [AtomicU32; board::INTERFACES_MAX],
    routers: [Record; board::ROUTERS_MAX],
}

struct Record {
    /// 1: its addresses are set, or some of them.
    held: AtomicU32,
    /// The bytes of `source` that count: 0, 4 or 16.
    length: AtomicU32,
    source: [AtomicU32; 4],
    /// The number of its macvlan; 0: it has none.
    vmac: AtomicU32,
}

/// Maps what keeper and workers tell each other, with nothing told.
pub fn map_shared() -> Result<&'static Shared, Errno> {
    // SAFETY: it is made of atomics, and aligned like them.
    unsafe { map() }
}

/// Maps something that is made of atomics, all of them zero.
///
/// # Safety
/// All zero bytes are a valid `T`, whose alignment is at most that of a page.
unsafe fn map<T: Sync>() -> Result<&'static T, Errno> {
    // SAFETY: a fresh mapping at an address of the kernel's choice.
    let mapping = unsafe {
        mmap_anonymous(
            ptr::null_mut(),
            size_of::<T>(),
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
        )
    };
    // SAFETY: it is as long as a T, zero, and stays.
    mapping.map(|mapped| unsafe { &*mapped.cast() })
}

impl Held {
    /// Maps it, with nothing held.
    pub fn map() -> Result<&'static Held, Errno> {
        // SAFETY: it is made of atomics, and aligned like them.
        unsafe { map() }
    }

    /// An interface has this number now; 0: it is gone.
    pub fn set_link(&self, interface: InterfaceId, index: u32) {
        set(&self.links[usize::from(interface.0)], index);
    }

    /// The number of an interface.
    pub fn link(&self, interface: InterfaceId) -> u32 {
        get(&self.links[usize::from(interface.0)])
    }

    /// A router's addresses are about to be set, or are all removed.
    pub fn hold(&self, router: RouterId, held: bool) {
        set(&self.record(router).held, held.into());
    }

    /// Whether a router may have addresses set.
    pub fn holds(&self, router: RouterId) -> bool {
        get(&self.record(router).held) != 0
    }

    /// Where a router speaks from.
    pub fn set_source(&self, router: RouterId, source: IpAddr) {
        if self.source(router) == Some(source) {
            return;
        }
        let mut octets = [0; 16];
        let length = match source {
            IpAddr::V4(v4) => {
                octets[..4].copy_from_slice(&v4.octets());
                4
            }
            IpAddr::V6(v6) => {
                octets = v6.octets();
                16
            }
        };
        let record = self.record(router);
        set(&record.length, 0);
        for (word, bytes) in record.source.iter().zip(octets.as_chunks().0) {
            set(word, u32::from_ne_bytes(*bytes));
        }
        set(&record.length, length);
    }

    /// Where a router spoke from last.
    pub fn source(&self, router: RouterId) -> Option<IpAddr> {
        let record = self.record(router);
        let length = get(&record.length);
        let mut octets = [0; 16];
        for (word, bytes) in record.source.iter().zip(octets.as_chunks_mut().0) {
            *bytes = get(word).to_ne_bytes();
        }
        let [a, b, c, d, ..] = octets;
        match length {
            4 => Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d))),
            16 => Some(IpAddr::V6(Ipv6Addr::from(octets))),
            _ => None,
        }
    }

    /// A router's macvlan has this number now.
    pub fn set_vmac(&self, router: RouterId, index: u32) {
        set(&self.record(router).vmac, index);
    }

    /// The number of a router's macvlan; 0: it has none.
    pub fn vmac(&self, router: RouterId) -> u32 {
        get(&self.record(router).vmac)
    }

    fn record(&self, router: RouterId) -> &Record {
        &self.routers[usize::from(router.0)]
    }
}

fn set(to: &AtomicU32, value: u32) {
    to.store(value, Ordering::Release);
}

fn get(from: &AtomicU32) -> u32 {
    from.load(Ordering::Acquire)
}
