//! The interfaces of `[interface NAME]`: brought up when they are there, with
//! their MTU, addresses and gateways, and again when they were made anew. What
//! somebody else does to them after that is left alone.

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use smena::address::Shown;
use smena::board;
use smena::config::{Config, Interface};
use smena::say::{Level, Number, Plain, say};

use crate::linux::failure::log_refusal;
use crate::linux::netlink::{self, Received, Socket};

/// Room for one message about a link.
const MESSAGE_MAX: usize = 4096;

/// See the module.
pub struct Links<'a> {
    config: &'a Config<'a>,
    news: Socket,
    requests: Socket,
    /// The number that each interface had when it was brought up; 0: not yet.
    done: [u32; board::INTERFACES_MAX],
}

impl<'a> Links<'a> {
    /// Brings up what is there.
    pub fn open(config: &'a Config<'a>) -> Result<Links<'a>, Errno> {
        let mut links = Links {
            config,
            news: Socket::with_groups(netlink::LINKS)?,
            requests: Socket::open()?,
            done: [0; _],
        };
        if let Ok(Some(lo)) = links.requests.find_link("lo", &mut [0; MESSAGE_MAX]) {
            let _ = links.requests.switch_link(lo.index, true);
        }
        links.look();
        Ok(links)
    }

    /// Readable when a link has changed.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.news.fd()
    }

    /// A link has changed; which one does not matter.
    pub fn ready(&mut self) {
        let mut buffer = [0; MESSAGE_MAX];
        while !matches!(self.news.receive(&mut buffer), Received::Empty) {}
        self.look();
    }

    /// Looks for interfaces that are there and not brought up yet.
    fn look(&mut self) {
        let config = self.config;
        for (at, interface) in config.interfaces.iter().enumerate() {
            let mut buffer = [0; MESSAGE_MAX];
            let Ok(link) = self.requests.find_link(interface.name, &mut buffer) else {
                continue;
            };
            let index = link.map_or(0, |link| link.index);
            if index != self.done[at] {
                self.done[at] = index;
                if index != 0 {
                    self.bring_up(at, interface, index);
                }
            }
        }
    }

    fn bring_up(&mut self, at: usize, interface: &Interface<'_>, index: u32) {
        let name = Plain(interface.name);
        let refused = |what: &str, errno| {
            let what = Plain(what);
            log_refusal(
                Level::Error,
                format_args!("interface {name}: {what}"),
                errno,
            );
        };
        if interface.mtu != 0
            && let Err(errno) = self.requests.set_mtu(index, interface.mtu.into())
        {
            refused("mtu", errno);
        }
        if let Err(errno) = self.requests.switch_link(index, true) {
            refused("up", errno);
        }
        let config = self.config;
        let own = config.own_addresses.iter();
        let mut addresses = 0;
        for own in own.filter(|own| usize::from(own.interface) == at) {
            addresses += 1;
            if let Err(errno) = self.requests.set_own_address(index, &own.address) {
                let address = Shown(own.address.address);
                log_refusal(
                    Level::Error,
                    format_args!("interface {name}: address {address}"),
                    errno,
                );
            }
        }
        for gateway in interface.gateways.into_iter().flatten() {
            if let Err(errno) = self.requests.set_gateway(index, gateway) {
                refused("gateway", errno);
            }
        }
        let addresses = Number(addresses);
        say(
            Level::Info,
            format_args!("interface {name}: brought up with {addresses} addresses"),
        );
    }
}
