//! The keys of `[interface NAME]` and `[init]`, and what ties those of one
//! interface together.

use core::net::IpAddr;

use super::diagnostic::{Argument, Findings, Told, template};
use super::machine::{Interface, Mount, OwnAddress};
use super::model::Address;
use super::reader::Reader;
use super::words::Words;
use super::{entry, unicast, value};
use crate::protocol::Family;

type Read = Result<(), Told>;

/// `address` of an interface: ADDRESS/LENGTH
pub(super) fn address<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let text = value::text(&mut r.findings, value)?;
    let (ip, prefix_len) = value::address(&mut r.findings, text)?;
    if !text.as_bytes().contains(&b'/') {
        return Err(r.findings.error(
            value,
            template!(
                "`{0}` has no prefix length",
                "write how large the network is, such as `{0}/{1}`"
            ),
            &[
                Argument::Text(text),
                Argument::Number(if ip.is_ipv4() { 24 } else { 64 }),
            ],
        ));
    }
    let own = &r.config.own_addresses;
    if own.iter().any(|other| other.address.address == ip) {
        return Err(r.findings.error(
            value,
            template!("the address `{0}` is there twice", "remove one"),
            &[Argument::Text(text)],
        ));
    }
    let address = OwnAddress {
        interface: r.config.interfaces.len() as u8,
        address: Address {
            address: ip,
            prefix_len,
            dev: None,
            label: None,
            excluded: false,
        },
    };
    let room = r.limits.own_addresses;
    let full = own.len() >= room || r.config.own_addresses.push(address).is_err();
    full_or(
        r,
        full,
        value,
        "addresses of interfaces",
        room,
        "own_addresses",
    )
}

/// `gateway`: one of each family.
pub(super) fn gateway<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let ip = unicast::host(r, value)?;
    let place = &mut r.interface.gateways[usize::from(ip.is_ipv6())];
    if place.replace(ip).is_some() {
        return Err(r.findings.error(
            value,
            template!(
                "{0} has two gateways of one family",
                "remove one: there is one way out for each"
            ),
            &[r.section()],
        ));
    }
    Ok(())
}

/// `module`: NAME [PARAMETER]...
pub(super) fn module<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let words = Words(value);
    let first = words.iter().next();
    let name = first.map_or(value, |word| word.as_written());
    value::name(&mut r.findings, name)?;
    let modules = &mut r.config.init.modules;
    let room = r.limits.modules;
    let full = modules.len() >= room || modules.push(words).is_err();
    full_or(r, full, value, "module lines", room, "modules")
}

/// `mount`: FSTYPE [SOURCE] TARGET
pub(super) fn mount<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let mut words = Words(value).iter().map(|word| word.as_written());
    let mut parts = [""; 3];
    let mut count = 0;
    for (part, word) in parts.iter_mut().zip(&mut words) {
        *part = value::text(&mut r.findings, word)?;
        count += 1;
    }
    let [kind, source, target] = match count {
        2 => [parts[0], parts[0], parts[1]],
        _ => parts,
    };
    if words.next().is_some() || !target.starts_with('/') {
        return Err(r.findings.error(
            value,
            template!(
                "`{0}` does not say what to mount where",
                "write `FSTYPE TARGET` or `FSTYPE SOURCE TARGET`, such as `tmpfs /run`"
            ),
            &[Argument::Text(value)],
        ));
    }
    let mount = Mount {
        kind,
        source,
        target,
    };
    let mounts = &mut r.config.init.mounts;
    let room = r.limits.mounts;
    let full = mounts.len() >= room || mounts.push(mount).is_err();
    full_or(r, full, value, "mount lines", room, "mounts")
}

/// `start`: a command as for `notify`.
pub(super) fn start<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let words = Words(value);
    entry::hook_command(&mut r.findings, words, "start")?;
    let programs = &mut r.config.init.programs;
    let room = r.limits.programs;
    let full = programs.len() >= room || programs.push(words).is_err();
    full_or(r, full, value, "start lines", room, "programs")
}

fn full_or<'a>(
    r: &mut Reader<'_, 'a>,
    full: bool,
    at: &'a str,
    what: &'a str,
    room: usize,
    capacity: &'a str,
) -> Read {
    match full {
        true => Err(r.no_room(at, what, room, capacity)),
        false => Ok(()),
    }
}

impl<'a> Reader<'_, 'a> {
    /// The end of an `[interface NAME]` section.
    #[inline(never)]
    pub(super) fn end_interface(&mut self) {
        let interface = core::mem::replace(&mut self.interface, Interface::BLANK);
        // What is wrong with the name has been told, perhaps twice.
        if value::interface(&mut self.findings, interface.name).is_err()
            || self.note_interface(self.header, interface.name).is_err()
        {
            return;
        }
        for gateway in interface.gateways.into_iter().flatten() {
            if !self.reaches(&gateway) {
                let mut at = self.value_of("gateway");
                if Family::of(&gateway) == Family::Ipv6 && interface.gateways[0].is_some() {
                    at = self.header;
                }
                not_reached(&mut self.findings, at, self.header);
            }
        }
        let fits = self.config.interfaces.push(interface).is_ok();
        // Their names have fitted into as large a table.
        debug_assert!(fits);
    }

    /// Whether an address of the section's interface has this gateway for a
    /// neighbour.
    fn reaches(&self, gateway: &IpAddr) -> bool {
        let interface = self.config.interfaces.len() as u8;
        let link_local = matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local());
        link_local
            || self.config.own_addresses.iter().any(|own| {
                own.interface == interface
                    && in_one_network(&own.address.address, gateway, own.address.prefix_len)
            })
    }
}

/// Whether the first so many bits of two addresses are the same.
fn in_one_network(one: &IpAddr, other: &IpAddr, prefix_len: u8) -> bool {
    let (one, other) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            return (one.to_bits() ^ other.to_bits()).leading_zeros() >= prefix_len.into();
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.octets(), other.octets()),
        _ => return false,
    };
    let mut same = 0;
    for (one, other) in one.into_iter().zip(other) {
        let bits = (one ^ other).leading_zeros();
        same += bits;
        if bits < 8 {
            break;
        }
    }
    same >= prefix_len.into()
}

fn not_reached<'a>(f: &mut Findings<'a>, at: &'a str, header: &'a str) {
    f.error(
        at,
        template!(
            "no address of {0} is in the network of this gateway",
            "add one, or correct its prefix length"
        ),
        &[Argument::Text(header)],
    );
}
