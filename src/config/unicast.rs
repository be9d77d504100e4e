//! The keys of a router whose adverts go to peers or carry a signature: reading
//! them, and the rules that tie them to the other keys of their section.

use core::net::IpAddr;

use super::diagnostic::{Argument, Template, Told, template};
use super::entry::{argument, no_option};
use super::model::{KEYS_MAX, Peer};
use super::reader::Reader;
use super::statement::find;
use super::value;
use super::words::Words;
use crate::key::{Flaw, Key, SECRET_LEN};
use crate::pack::packed;
use crate::protocol::{Family, Version};
use crate::say::cut;

type Read = Result<(), Told>;

/// `unicast_src_ip`.
pub(super) fn source<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    r.router.unicast_src_ip = Some(host(r, value)?);
    Ok(())
}

/// `unicast_peer`: ADDRESS [min_ttl N] [max_ttl N]
pub(super) fn peer<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let mut words = Words(value).iter();
    let first = words.next().map_or(value, |word| word.as_written());
    let address = host(r, first)?;
    let mut bounds = [None; 2];
    while let Some(word) = words.next() {
        let names = ["min_ttl", "max_ttl"];
        let name = word.as_written();
        let place = names.iter().position(|known| *known == name);
        let free = place.filter(|&place| bounds[place].is_none());
        let Some(place) = free else {
            let hint = packed!("write `min_ttl NUMBER` or `max_ttl NUMBER`, each once");
            return Err(no_option(&mut r.findings, name, place.is_some(), hint));
        };
        let written = argument(&mut r.findings, word, &mut words)?;
        let number = value::number(&mut r.findings, written, names[place], 1, 255)?;
        bounds[place] = Some(number as u8);
    }
    let ttl = match bounds {
        [None, None] => None,
        [least, most] => Some((least.unwrap_or(1), most.unwrap_or(255))),
    };
    if ttl.is_some_and(|(least, most)| least > most) {
        return Err(r.findings.error(
            value,
            template!("no TTL is between these", "swap `min_ttl` and `max_ttl`"),
            &[],
        ));
    }
    let peers = &mut r.router.peers;
    if peers.iter().any(|other| other.address == address) {
        return Err(r.findings.error(
            first,
            template!("{0} has the peer `{1}` twice", "remove one"),
            &[r.section(), Argument::Text(first)],
        ));
    }
    let room = r.limits.peers;
    if peers.len() >= room || peers.push(Peer { address, ttl }).is_err() {
        return Err(r.no_room(value, "peers of one [vrrp]", room, "peers"));
    }
    Ok(())
}

/// An address without a prefix length.
pub(super) fn host<'a>(r: &mut Reader<'_, 'a>, word: &'a str) -> Result<IpAddr, Told> {
    let text = value::text(&mut r.findings, word)?;
    if let Some((_, length)) = cut(text, b'/') {
        return Err(r.findings.error(
            word,
            template!("an address without a network belongs here", "remove `/{0}`"),
            &[Argument::Text(length)],
        ));
    }
    let (address, _) = value::address(&mut r.findings, text)?;
    Ok(address)
}

/// `auth_hmac`: ID:BASE64. No message shows the secret.
pub(super) fn auth_hmac<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let text = value::text(&mut r.findings, value)?;
    let said = cut(text, b':');
    // What is no number may be the secret, written first or alone.
    let id = said.filter(|(id, _)| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
    let Some((id, secret)) = id else {
        let template = template!(
            "`auth_hmac` has no id",
            "write `ID:KEY`, such as `1:` and what `openssl rand -base64 32` prints"
        );
        return Err(r.findings.error(value, template, &[]));
    };
    let id = value::number(&mut r.findings, id, "key id", 1, 255)? as u8;
    let key = match Key::new(id, secret) {
        Ok(key) => key,
        Err(Flaw::Form) => {
            let template = template!(
                "the key of `auth_hmac` is no base64",
                "write what `openssl rand -base64 32` prints, in one piece"
            );
            return Err(r.findings.error(secret_at(value, secret), template, &[]));
        }
        Err(Flaw::Length(length)) => {
            let (least, most) = SECRET_LEN;
            return Err(r.findings.error(
                secret_at(value, secret),
                template!(
                    "the key of `auth_hmac` has {0} bytes",
                    "it needs {1} to {2}: `openssl rand -base64 32` makes one"
                ),
                &[length, least, most].map(|number| Argument::Number(number as i64)),
            ));
        }
    };
    let keys = &mut r.router.keys;
    if keys.iter().any(|other| other.id() == id) {
        return Err(r.findings.error(
            value,
            template!(
                "{0} has a key with the id {1} already",
                "each key needs its own, the same on all nodes"
            ),
            &[r.section(), Argument::Number(id.into())],
        ));
    }
    if keys.push(key).is_err() {
        return Err(r.findings.error(
            value,
            template!(
                "more than {0} keys",
                "remove those that no node signs with any more"
            ),
            &[Argument::Number(KEYS_MAX as i64)],
        ));
    }
    Ok(())
}

/// The place of a secret; its id's when there is nothing behind the colon.
fn secret_at<'a>(value: &'a str, secret: &'a str) -> &'a str {
    if secret.is_empty() { value } else { secret }
}

impl Reader<'_, '_> {
    /// Keys are for version 3, and what is said about them is for keys.
    pub(super) fn check_keys(&mut self) {
        if self.said("auth_hmac") && self.router.version == Version::V2 {
            self.findings.error(
                find(self.source.text, "vrrp", self.name, "auth_hmac", 0),
                template!(
                    "version 2 has no `auth_hmac`",
                    "write `version = 3` on both nodes, or remove the line"
                ),
                &[],
            );
        }
        for key in ["auth_mode", "auth_replay"] {
            if self.given(key) && !self.said("auth_hmac") {
                self.findings.error(
                    self.value_of(key),
                    template!(
                        "`{0}` without a key",
                        "add a line `auth_hmac = ID:KEY`, or remove this one"
                    ),
                    &[Argument::Text(key)],
                );
            }
        }
        let choice = self.router.version == Version::V3 && self.router.family == Family::Ipv4;
        if self.given("checksum") && !choice {
            self.findings.error(
                self.value_of("checksum"),
                template!(
                    "only version 3 over IPv4 has a choice of checksums",
                    "remove the line"
                ),
                &[],
            );
        }
    }

    /// Every address of a unicast router is of one family, and each has one role.
    pub(super) fn check_unicast(&mut self) {
        let source = self.router.unicast_src_ip;
        if let Some(source) = source {
            let alone = !self.said("unicast_peer");
            let wrong: Option<&Template> = if alone {
                Some(template!(
                    "`unicast_src_ip` without a peer",
                    "add a line `unicast_peer = ADDRESS`, or remove this one"
                ))
            } else {
                self.no_role(source)
            };
            if let Some(template) = wrong {
                let at = self.value_of("unicast_src_ip");
                self.findings.error(at, template, &[self.section()]);
            }
        }
        for nth in 0..self.router.peers.len() {
            let peer = self.router.peers[nth].address;
            let wrong: Option<&Template> = if Some(peer) == source {
                Some(template!(
                    "{0} is its own peer",
                    "write the other node's address here, and this one as `unicast_src_ip`"
                ))
            } else if source.is_none() && peer.is_ipv6() && !link_local(peer) {
                Some(template!(
                    "a peer beyond the link, and no `unicast_src_ip`",
                    "say which address of this node it knows: adverts come from the link-local one otherwise"
                ))
            } else {
                self.no_role(peer)
            };
            if let Some(template) = wrong {
                let at = find(self.source.text, "vrrp", self.name, "unicast_peer", nth);
                self.findings.error(at, template, &[self.section()]);
            }
        }
    }

    /// Why an address can be neither source nor peer of this router.
    fn no_role(&self, address: IpAddr) -> Option<&'static Template> {
        let mut virtuals = self.router.addresses.iter();
        if Family::of(&address) != self.router.family {
            return Some(match self.router.family {
                Family::Ipv4 => template!(
                    "{0} has IPv4 addresses, and this is an IPv6 one",
                    "write an IPv4 address, or move it to another [vrrp] section"
                ),
                Family::Ipv6 => template!(
                    "{0} has IPv6 addresses, and this is an IPv4 one",
                    "write an IPv6 address, or move it to another [vrrp] section"
                ),
            });
        }
        virtuals
            .any(|other| other.address == address)
            .then_some(template!(
                "this is an address that {0} moves between the nodes",
                "write one that stays with its node"
            ))
    }
}

fn link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}
