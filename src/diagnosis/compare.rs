//! A packet against a router of ours: what it shows about its sender's
//! configuration. Pure; what depends on a state is the node's to find.

use core::net::IpAddr;

use super::Code;
use crate::config::Router;
use crate::protocol::Checksum;
use crate::wire::{Reject, Said};

/// Tells what an advert that was accepted says otherwise than the router would,
/// each with the address that it is about.
#[inline(never)]
pub fn differences(
    router: &Router<'_>,
    said: &Said<'_>,
    checksum: Option<Checksum>,
    found: &mut dyn FnMut(Code, IpAddr),
) {
    let there = said.addresses;
    let own = || router.advertised().map(|own| own.address);
    let shared = own().filter(|own| there.contains(*own)).count();
    let missing = own().find(|own| !there.contains(*own));
    let mut first = |code, address: Option<IpAddr>| {
        if let Some(address) = address {
            found(code, address);
        }
    };
    if shared == 0 && missing.is_some() && !there.is_empty() {
        // Two pairs that never meant each other share no address.
        first(Code::VridInUse, there.iter().next());
    } else {
        first(Code::AddressMissing, missing);
        if shared < there.len() {
            let has = |there: &IpAddr| own().any(|own| own == *there);
            first(Code::AddressExtra, there.iter().find(|there| !has(there)));
        }
    }
    if said.head.interval() != router.advert_int {
        first(Code::Interval, Some(said.destination));
    }
    // Both forms are accepted here, and by few others.
    if router.checksum.is_some() && checksum.is_some() && router.checksum != checksum {
        first(Code::ChecksumForm, Some(said.destination));
    }
}

/// The first address of the router that a packet announces.
pub fn shares(router: &Router<'_>, said: &Said<'_>) -> Option<IpAddr> {
    let mut own = router.addresses.iter().map(|own| own.address);
    own.find(|own| said.addresses.contains(*own))
}

/// What a packet of the router's id shows that was refused for this reason;
/// `None`: nothing that an edit could cure.
pub fn refused(said: &Said<'_>, reject: Reject) -> Option<Code> {
    Some(match reject {
        Reject::Ttl => Code::Ttl,
        Reject::Version if matches!(said.head.version, 2 | 3) => Code::Version,
        Reject::Checksum => Code::Checksum,
        Reject::Count => Code::AddressMissing,
        Reject::Length if said.trailing => Code::HmacUnexpected,
        Reject::Destination if said.destination.is_multicast() => Code::MulticastPeer,
        Reject::Destination => Code::UnicastPeer,
        Reject::Source if !said.destination.is_multicast() => Code::UnknownPeer,
        Reject::AuthType => match said.head.auth_type {
            _ if said.head.version == 3 => Code::HmacMissing,
            0 => Code::AuthMissing,
            1 => Code::AuthUnexpected,
            _ => Code::AuthType,
        },
        Reject::AuthData => Code::AuthData,
        Reject::Interval => Code::Interval,
        Reject::Stale => Code::Stale,
        Reject::Hmac => Code::Hmac,
        Reject::Replayed => Code::Replayed,
        Reject::IpHeader
        | Reject::Fragment
        | Reject::Own
        | Reject::Version
        | Reject::Length
        | Reject::Vrid
        | Reject::Type
        | Reject::Source => return None,
    })
}
