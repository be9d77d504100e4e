//! The virtual routers' own MAC addresses: a macvlan for each router with
//! `vmac`, made on the router's interface and removed at the end. Its addresses
//! go there. It is up while they are set and down otherwise, so that a backup
//! takes no frame for the virtual MAC (RFC 9568 section 6.4.2).
//!
//! The macvlan is of the bridge kind: in the private one the kernel would keep
//! what a peer sends from the same MAC away from the interface itself, where
//! adverts are received.

use rustix::io::Errno;
use smena::event::{InterfaceId, Link, Mac, RouterId};
use smena::node::Node;
use smena::pack::packed;
use smena::protocol::Family;
use smena::say::{Level, Number, Plain};

use super::Net;
use crate::linux::failure::log_refusal;
use crate::linux::netlink::{Setting, Socket};
use crate::linux::sysctl;
use crate::linux::text::Text;

/// As keepalived sets them: each interface answers for its own addresses only,
/// and clients are answered by way of the interface below.
const OF_VMAC: [Setting; 4] = [
    Setting::ARP_IGNORE,
    Setting::ACCEPT_LOCAL,
    Setting::NO_RP_FILTER,
    Setting::PROMOTE_SECONDARIES,
];
const OF_PARENT: [Setting; 2] = [Setting::ARP_IGNORE, Setting::ARP_FILTER];

/// One router's.
pub struct Vmac {
    router: RouterId,
    /// Where the router speaks, and its number when the macvlan was made.
    interface: InterfaceId,
    parent: u32,
    name: Text<16>,
    mac: Mac,
    /// The macvlan's number; 0: there is none.
    index: u32,
}

impl Vmac {
    /// Not made yet; `None` for a router without.
    pub fn new(node: &Node<'_>, router: RouterId) -> Option<Vmac> {
        let mac = node.virtual_mac(router)?;
        let routers = &node.config().routers;
        let config = &routers[usize::from(router.0)];
        let (id, family) = (config.virtual_router_id, config.family);
        let six = if family == Family::Ipv6 { "6" } else { "" };
        let (six, number) = (Plain(six), Number(id.into()));
        // One id on two interfaces makes two names.
        let mut before = routers.iter().take(router.0.into());
        let again = before.any(|r| r.vmac && (r.virtual_router_id, r.family) == (id, family));
        let name = match again {
            false => Text::of(format_args!("vrrp{six}.{number}")),
            true => Text::of(format_args!(
                "vrrp{six}.{number}.{}",
                Number(router.0.into())
            )),
        };
        Some(Vmac {
            router,
            interface: node.interface_of(router),
            parent: 0,
            name,
            mac,
            index: 0,
        })
    }

    /// Makes it on its interface. What an earlier run left goes first.
    #[inline(never)]
    fn make(&mut self, requests: &mut Socket, parent: u32) -> Result<(), Errno> {
        (self.index, self.parent) = (0, 0);
        let name = self.name.as_str();
        let mut buffer = [0; 4096];
        if let Some(link) = requests.find_link(name, &mut buffer)? {
            if link.mac != self.mac {
                return Err(Errno::EXIST);
            }
            requests.delete_link(link.index)?;
        }
        requests.make_macvlan(name, parent, self.mac)?;
        let link = requests.find_link(name, &mut buffer)?.ok_or(Errno::NODEV)?;
        (self.index, self.parent) = (link.index, parent);
        // A setting that the kernel does not have is none that matters.
        let _ = requests.configure(link.index, &OF_VMAC);
        let _ = requests.configure(parent, &OF_PARENT);
        sysctl::accept_no_routers(name);
        Ok(())
    }
}

impl Net<'_> {
    /// An interface came, went or was replaced, and its macvlans with it.
    pub(super) fn follow_vmacs(&mut self, interface: InterfaceId, link: Option<Link>) {
        let parent = link.map_or(0, |link| link.index);
        for at in 0..self.vmacs.len() {
            let vmac = &mut self.vmacs[at];
            if vmac.interface == interface && vmac.parent != parent {
                (vmac.index, vmac.parent) = (0, 0);
                if parent != 0 {
                    let _ = self.make_vmac(at, parent);
                }
            }
        }
    }

    fn make_vmac(&mut self, at: usize, parent: u32) -> Result<(), Errno> {
        let vmac = &mut self.vmacs[at];
        let made = vmac.make(self.watch.requests(), parent);
        self.held.set_vmac(vmac.router, vmac.index);
        self.watch.know_as(at, vmac.index, vmac.interface);
        if let Err(errno) = made {
            let name = Plain(vmac.name.as_str());
            let what = packed!("cannot make this macvlan");
            log_refusal(Level::Error, format_args!("{name}: {what}"), errno);
        }
        made
    }

    /// Before the addresses of a router are set: its macvlan is there and up.
    /// One that somebody removed is made again.
    pub(super) fn raise_vmac(&mut self, router: RouterId) -> Result<(), Errno> {
        let Some(at) = self.vmacs.iter().position(|vmac| vmac.router == router) else {
            return Ok(());
        };
        let Vmac {
            index, interface, ..
        } = self.vmacs[at];
        let raised = match index {
            0 => Err(Errno::NODEV),
            _ => self.watch.requests().switch_link(index, true),
        };
        if !matches!(raised, Err(Errno::NODEV)) {
            return raised;
        }
        let parent = self.watch.link(interface).ok_or(Errno::NODEV)?;
        self.make_vmac(at, parent.index)?;
        let index = self.vmacs[at].index;
        self.watch.requests().switch_link(index, true)
    }

    /// After they were removed.
    pub(super) fn lower_vmac(&mut self, router: RouterId) {
        let index = self.vmac(router).unwrap_or(0);
        if index != 0 {
            let _ = self.watch.requests().switch_link(index, false);
        }
    }

    /// The number of a router's macvlan; `None`: it has none by configuration.
    pub(super) fn vmac(&self, router: RouterId) -> Option<u32> {
        let mut vmacs = self.vmacs.iter();
        let vmac = vmacs.find(|vmac| vmac.router == router)?;
        Some(vmac.index)
    }

    /// Takes away what was made.
    pub fn close(&mut self) {
        for vmac in self.vmacs.iter().filter(|vmac| vmac.index != 0) {
            let _ = self.watch.requests().delete_link(vmac.index);
        }
    }
}
