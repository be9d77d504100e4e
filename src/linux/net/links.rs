//! The node's interfaces by name, and what a message of the kernel means for
//! them: an event, a reason to look closer, or nothing. Pure; the watcher asks
//! the kernel.

use smena::event::{Event, InterfaceId, Link, LocalAddress};

use crate::linux::netlink::meaning;

/// One interface of the node.
pub struct Watched<'a> {
    /// Its name, by which it is found whatever its index is.
    pub name: &'a str,
    /// What was told last.
    pub link: Option<Link>,
    /// At least one event about the link was told.
    pub told: bool,
    /// Ask for the link by name.
    pub look: bool,
    /// Ask for its addresses.
    pub scan: bool,
    /// Say when all of them are told.
    pub answer: bool,
}

impl<'a> Watched<'a> {
    /// An interface of which nothing is told yet.
    pub fn new(name: &'a str) -> Watched<'a> {
        Watched {
            name,
            link: None,
            told: false,
            look: true,
            scan: false,
            answer: false,
        }
    }
}

/// A link changed: an event, or a reason to look.
#[inline(never)]
pub fn on_link(links: &mut [Watched<'_>], body: &[u8], deleted: bool) -> Option<Event<'static>> {
    let (name, link) = meaning::link(body)?;
    let mut event = None;
    for (at, watched) in links.iter_mut().enumerate() {
        let named = watched.name.as_bytes() == name;
        let known = watched.link.is_some_and(|known| known.index == link.index);
        if named && known && !deleted {
            if watched.link != Some(link) {
                watched.link = Some(link);
                event = Some(Event::Link(InterfaceId(at as u8), Some(link)));
            }
        } else if named || known {
            // Deleted, renamed, or new under this name.
            watched.look = true;
        }
    }
    event
}

/// A macvlan that stands for one of our interfaces: its number, 0 for none.
pub type Alias = (u32, InterfaceId);

/// An address message about one of our interfaces, or about a macvlan on it.
#[inline(never)]
pub fn on_address(
    links: &[Watched<'_>],
    aliases: &[Alias],
    body: &[u8],
) -> Option<(InterfaceId, LocalAddress, bool)> {
    let (index, address) = meaning::address(body)?;
    let known = |w: &Watched<'_>| w.link.is_some_and(|link| link.index == index);
    if let Some(at) = links.iter().position(known) {
        return Some((InterfaceId(at as u8), address, false));
    }
    let alias = aliases.iter().find(|(alias, _)| *alias == index)?;
    Some((alias.1, address, true))
}
