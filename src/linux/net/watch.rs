//! The links and addresses of the node's interfaces, as events.
//!
//! ```text
//!   notification --> a link or address we know changed --> event
//!        |
//!        | another index, a name we wait for, or messages were lost
//!        v
//!      look: ask for the link by name --> gone, new --> scan: ask for its addresses
//! ```
//!
//! It keeps a copy of what it told, so that what vanished unseen is told as
//! removed. It holds no opinion about what an address is for.

use core::mem;

use heapless::Vec;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use smena::board;
use smena::event::{Event, InterfaceId, Link};
use smena::protocol::Family;
use smena::say::{Level, Number, Plain, say};

use super::known::Known;
use super::links::{Alias, Watched, on_address, on_link};
use crate::linux::failure::log_refusal;
use crate::linux::netlink::{Received, Socket, meaning, message};

/// Datagrams taken after one wake-up, so that packets get their turn.
const NOTICES_MAX: u8 = 64;
/// Messages of a dump taken in one turn: others may have any number of
/// addresses on an interface of ours.
const STEPS_MAX: u16 = 256;
/// How often an interrupted or failed dump is begun again.
const TRIES_MAX: u8 = 3;

/// The big tables. All zero when new, so that a static one costs no byte in
/// the file and no page until it is used.
pub struct Memory {
    notices: [u8; 8192],
    answers: [u8; 16384],
    known: Known,
}

impl Memory {
    /// Empty tables.
    pub const fn new() -> Memory {
        Memory {
            notices: [0; 8192],
            answers: [0; 16384],
            known: Known::new(),
        }
    }
}

/// What is being worked on besides notifications.
enum Work {
    Idle,
    /// A dump of the scan's interface and family runs.
    Dump,
    /// Known addresses that were not seen are told as removed.
    Sweep,
}

/// The way through the addresses of one interface.
struct Scan {
    interface: InterfaceId,
    index: u32,
    family: Family,
    sequence: u32,
    /// The part of the answers' buffer that is yet to be read.
    at: usize,
    end: usize,
    tries: u8,
    interrupted: bool,
    /// The interface itself is gone; say so at the end.
    gone: bool,
    /// Say that the scan is complete at the end.
    answer: bool,
}

impl Scan {
    /// A scan that has not begun.
    fn new(interface: InterfaceId, index: u32) -> Scan {
        Scan {
            interface,
            index,
            family: Family::Ipv4,
            sequence: 0,
            at: 0,
            end: 0,
            tries: 0,
            interrupted: false,
            gone: false,
            answer: false,
        }
    }
}

/// See the module.
pub struct Watch<'a> {
    memory: &'a mut Memory,
    /// Requests that are answered at once.
    requests: Socket,
    /// Dumps, which are read bit by bit.
    dumps: Socket,
    /// Notifications.
    notices: Socket,
    links: Vec<Watched<'a>, { board::INTERFACES_MAX }>,
    /// Macvlans whose addresses are told as those of an interface.
    aliases: [Alias; board::ROUTERS_MAX],
    /// Datagrams of notifications that may still be taken in this turn, and
    /// that none waits.
    waiting: u8,
    drained: bool,
    /// Messages of a dump that may still be taken in this turn.
    steps: u16,
    /// How often notifications were lost.
    overruns: u32,
    /// The part of the notifications' buffer that is yet to be read.
    at: usize,
    end: usize,
    work: Work,
    /// The scan that is worked on, or was last.
    scan: Scan,
}

impl<'a> Watch<'a> {
    /// Subscribes first and looks at every interface after, so that no change
    /// falls between.
    pub fn open(
        names: impl Iterator<Item = &'a str>,
        memory: &'a mut Memory,
    ) -> Result<Watch<'a>, Errno> {
        let mut watch = Watch {
            memory,
            requests: Socket::open()?,
            dumps: Socket::open()?,
            notices: Socket::watch()?,
            links: Vec::new(),
            aliases: [(0, InterfaceId(0)); _],
            waiting: NOTICES_MAX,
            drained: false,
            steps: STEPS_MAX,
            overruns: 0,
            at: 0,
            end: 0,
            work: Work::Idle,
            scan: Scan::new(InterfaceId(0), 0),
        };
        for name in names.take(board::INTERFACES_MAX) {
            let _ = watch.links.push(Watched::new(name));
        }
        Ok(watch)
    }

    /// The descriptor to poll.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.notices.fd()
    }

    /// The socket for requests.
    pub fn requests(&mut self) -> &mut Socket {
        &mut self.requests
    }

    /// The link as it was told last.
    pub fn link(&self, interface: InterfaceId) -> Option<Link> {
        self.links.get(usize::from(interface.0))?.link
    }

    /// Macvlan number `at` has this index, and its addresses are told as those
    /// of the interface.
    pub fn know_as(&mut self, at: usize, index: u32, interface: InterfaceId) {
        self.aliases[at] = (index, interface);
    }

    /// Notifications wait, or may.
    pub fn ready(&mut self) {
        self.waiting = NOTICES_MAX;
        self.drained = false;
        self.steps = STEPS_MAX;
    }

    /// There is more to tell than one turn takes, and no descriptor will say so.
    pub fn is_pending(&self) -> bool {
        let idle = matches!(self.work, Work::Idle);
        !idle || self.links.iter().any(|link| link.look || link.scan)
    }

    /// Tell every address of an interface again, then
    /// [`Event::AddressesScanned`].
    pub fn rescan(&mut self, interface: InterfaceId) {
        if let Some(link) = self.links.get_mut(usize::from(interface.0)) {
            link.scan = true;
            link.answer = true;
        }
        // What the kernel said before is older than what it will answer.
        if self.drained {
            self.waiting = NOTICES_MAX;
            self.drained = false;
        }
    }

    /// The next event; `None`: nothing happened that is not told.
    pub fn next(&mut self) -> Option<Event<'static>> {
        loop {
            if !matches!(self.work, Work::Idle) {
                self.steps = self.steps.checked_sub(1)?;
            }
            let event = match self.work {
                Work::Dump => self.step_dump(),
                Work::Sweep => self.step_sweep(),
                Work::Idle => {
                    if let Some(event) = self.step_notices() {
                        return Some(event);
                    }
                    if !self.drained {
                        return None;
                    }
                    let at = self.links.iter().position(|l| l.look || l.scan)?;
                    let interface = InterfaceId(at as u8);
                    if self.links[at].look {
                        self.look(interface)
                    } else {
                        self.start_scan(interface)
                    }
                }
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// Reads notifications up to the next one that is an event.
    #[inline(never)]
    fn step_notices(&mut self) -> Option<Event<'static>> {
        loop {
            let rest = self.memory.notices.get(self.at..self.end);
            if let Some((header, body, length)) = message::split(rest.unwrap_or_default()) {
                self.at += length;
                let event = match header.kind {
                    meaning::NEW_LINK | meaning::DELETE_LINK => {
                        let deleted = header.kind == meaning::DELETE_LINK;
                        on_link(&mut self.links, body, deleted)
                    }
                    meaning::NEW_ADDRESS | meaning::DELETE_ADDRESS => {
                        let deleted = header.kind == meaning::DELETE_ADDRESS;
                        on_address(&self.links, &self.aliases, body).map(|found| {
                            let (id, address, elsewhere) = found;
                            if deleted {
                                self.memory.known.forget(id, &address);
                                return Event::AddressRemoved(id, address);
                            }
                            // A scan of the interface does not see a macvlan's.
                            if !elsewhere {
                                self.memory.known.remember(id, address);
                            }
                            Event::AddressAdded(id, address)
                        })
                    }
                    _ => None,
                };
                if event.is_some() {
                    return event;
                }
                continue;
            }
            (self.at, self.end) = (0, 0);
            self.waiting = self.waiting.checked_sub(1)?;
            match self.notices.receive(&mut self.memory.notices) {
                Received::Messages(length) => self.end = length,
                Received::Nothing => {}
                Received::Empty => (self.waiting, self.drained) = (0, true),
                Received::Overrun => {
                    self.overruns = self.overruns.saturating_add(1);
                    // The first, the second, the fourth...
                    if self.overruns.is_power_of_two() {
                        let times = Number(self.overruns.into());
                        let what = format_args!(
                            "the kernel's notifications overran {times} times; looking anew"
                        );
                        say(Level::Warn, what);
                    }
                    for link in &mut self.links {
                        link.look = true;
                    }
                }
            }
        }
    }

    /// Asks for a link by name and tells how it differs from what was told.
    #[inline(never)]
    fn look(&mut self, interface: InterfaceId) -> Option<Event<'static>> {
        let watched = &mut self.links[usize::from(interface.0)];
        let found = match self
            .requests
            .find_link(watched.name, &mut self.memory.answers)
        {
            Ok(found) => found,
            Err(errno) => {
                // The kernel is short of memory; what we know stays right
                // until it says otherwise.
                let what = format_args!("cannot look at {}", Plain(watched.name));
                log_refusal(Level::Error, what, errno);
                watched.look = false;
                return None;
            }
        };
        match (watched.link, found) {
            (Some(old), Some(new)) if old.index == new.index => {
                watched.look = false;
                watched.scan = true;
                watched.link = found;
                (old != new).then_some(Event::Link(interface, found))
            }
            (Some(_), _) => {
                // It is told as gone with all its addresses; then the next look
                // finds what took its place.
                self.begin(Scan::new(interface, 0));
                self.scan.gone = true;
                self.work = Work::Sweep;
                None
            }
            (None, Some(_)) => {
                watched.look = false;
                watched.scan = true;
                watched.told = true;
                watched.link = found;
                Some(Event::Link(interface, found))
            }
            (None, None) => {
                watched.look = false;
                let told = mem::replace(&mut watched.told, true);
                (!told).then_some(Event::Link(interface, None))
            }
        }
    }

    /// Begins to ask for an interface's addresses.
    fn start_scan(&mut self, interface: InterfaceId) -> Option<Event<'static>> {
        let watched = &mut self.links[usize::from(interface.0)];
        watched.scan = false;
        let answer = mem::take(&mut watched.answer);
        let Some(link) = watched.link else {
            return answer.then_some(Event::AddressesScanned(interface));
        };
        self.begin(Scan::new(interface, link.index));
        self.scan.answer = answer;
        self.start_dump()
    }

    /// Begins a scan: none of the interface's addresses was seen yet.
    fn begin(&mut self, scan: Scan) {
        self.memory.known.mark_unseen(scan.interface);
        self.scan = scan;
    }

    /// Sends the request of a dump.
    fn start_dump(&mut self) -> Option<Event<'static>> {
        let scan = &mut self.scan;
        (scan.at, scan.end, scan.interrupted) = (0, 0, false);
        match self.dumps.dump_addresses(scan.family, scan.index) {
            Ok(sequence) => {
                scan.sequence = sequence;
                self.work = Work::Dump;
                None
            }
            Err(errno) => self.fail_dump(errno),
        }
    }

    /// Reads one message of a dump.
    #[inline(never)]
    fn step_dump(&mut self) -> Option<Event<'static>> {
        let scan = &mut self.scan;
        let rest = self.memory.answers.get(scan.at..scan.end);
        let Some((header, body, length)) = message::split(rest.unwrap_or_default()) else {
            (scan.at, scan.end) = (0, 0);
            match self.dumps.receive(&mut self.memory.answers) {
                Received::Messages(length) => scan.end = length,
                Received::Nothing => {}
                Received::Empty | Received::Overrun => return self.fail_dump(Errno::NOBUFS),
            }
            return None;
        };
        scan.at += length;
        scan.interrupted |= header.flags & message::DUMP_INTERRUPTED != 0;
        if header.sequence != scan.sequence {
            return None;
        }
        match header.kind {
            meaning::NEW_ADDRESS => {
                let (index, address) = meaning::address(body)?;
                if index != scan.index {
                    return None;
                }
                self.memory.known.remember(scan.interface, address);
                Some(Event::AddressAdded(scan.interface, address))
            }
            message::DONE | message::ERROR => {
                match message::outcome(body) {
                    // No such interface any more, or no such family: there is
                    // nothing to tell, which is an answer too.
                    Ok(()) | Err(Errno::NODEV | Errno::OPNOTSUPP | Errno::AFNOSUPPORT) => {
                        self.end_dump()
                    }
                    Err(errno) => self.fail_dump(errno),
                }
            }
            _ => None,
        }
    }

    /// A family's dump is complete: the next family, or the sweep.
    fn end_dump(&mut self) -> Option<Event<'static>> {
        let scan = &mut self.scan;
        if scan.interrupted && scan.tries < TRIES_MAX {
            scan.tries += 1;
        } else if scan.family == Family::Ipv4 {
            scan.family = Family::Ipv6;
        } else {
            self.work = Work::Sweep;
            return None;
        }
        self.start_dump()
    }

    /// A dump broke off. The socket may still be in the middle of it, so it is
    /// opened anew.
    fn fail_dump(&mut self, errno: Errno) -> Option<Event<'static>> {
        self.work = Work::Idle;
        if let Ok(socket) = Socket::open() {
            self.dumps = socket;
        }
        let scan = &mut self.scan;
        if scan.tries < TRIES_MAX {
            scan.tries += 1;
            return self.start_dump();
        }
        let name = Plain(self.links[usize::from(scan.interface.0)].name);
        let what = format_args!("cannot list the addresses of {name}");
        log_refusal(Level::Error, what, errno);
        // Nothing is swept after half an answer, but whoever waits for the end
        // of the scan gets it.
        scan.answer
            .then_some(Event::AddressesScanned(scan.interface))
    }

    /// Tells one known address that was not seen as removed, or ends the sweep.
    fn step_sweep(&mut self) -> Option<Event<'static>> {
        let Scan {
            interface,
            gone,
            answer,
            ..
        } = self.scan;
        if let Some(address) = self.memory.known.take_unseen(interface) {
            return Some(Event::AddressRemoved(interface, address));
        }
        self.work = Work::Idle;
        if gone {
            let watched = &mut self.links[usize::from(interface.0)];
            watched.link = None;
            watched.told = true;
            return Some(Event::Link(interface, None));
        }
        answer.then_some(Event::AddressesScanned(interface))
    }
}
