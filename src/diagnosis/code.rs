//! What can be wrong between a router and the others on its link: a name that
//! never changes, and the sentence that names the cause and the edit that cures
//! it. The sentences are templates, filled when somebody looks.
//!
//! ```text
//! %p the peer      %a an address      %i the interface    %m a MAC
//! %n the router    %o where its adverts come from         %s for how long
//! its own:         %V virtual_router_id  %R version  %T advert_int  %P priority
//!                  %H the highest priority it can reach
//! as heard:        %v virtual_router_id  %r version  %t advert_int  %q priority
//!                  %Q its highest priority  %l TTL  %u authentication type
//! ```

use crate::pack::{Packed, packed_lines};

/// Writes the enum, and the names and templates in the same order: one text, two
/// lines each, because a table of pointers would be a fifth of it.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $line:literal;)*) => {
        /// What was found.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
        #[repr(u8)]
        pub enum Code {
            $($(#[$doc])* $code,)*
        }

        impl Code {
            /// Every code there is; `code as usize` is its index.
            pub const ALL: &'static [Code] = &[$(Code::$code,)*];
        }

        const LINES: Packed = packed_lines![$($line),*];
    };
}

// Up to `Replayed` they keep two routers from hearing each other, so that both
// are master; the order matters to `Code::splits`.
codes! {
    /// An address of ours under an id that we do not have: a typing error.
    ForeignVrid =
        "foreign-vrid-same-address\n%p announces %a under id %v: set virtual_router_id = %v in [vrrp %n], or %V on %p";
    /// The other version.
    Version =
        "version\n%p speaks version %r: set version = %r in [vrrp %n], or version %R on %p";
    /// In version 2 another interval, which is refused; in version 3 one that
    /// is learned.
    Interval =
        "interval\n%p has the interval %t, this node %T: set advert_int = %t in [vrrp %n], or %T on %p";
    /// We have a password, the peer sends none.
    AuthMissing =
        "auth-missing\n%p sends no password: give it the auth_pass of [vrrp %n], or remove it here";
    /// The peer sends a password, we have none.
    AuthUnexpected =
        "auth-unexpected\n%p sends a password: set its auth_pass in [vrrp %n], or remove it on %p";
    /// An authentication that nobody speaks any more.
    AuthType =
        "auth-type\n%p sends authentication type %u: use auth_type PASS on it, or none on both";
    /// Another password.
    AuthData =
        "auth-data\n%p sends another password: write the same auth_pass in [vrrp %n] and on %p, \
         in its first 8 bytes";
    /// No known form of the checksum fits.
    Checksum =
        "checksum\nadverts of %p have a wrong checksum in every form: something changes them on the way, \
         or offloading on %p breaks them";
    /// Not 255 on arrival.
    Ttl =
        "ttl\nadverts of %p come with TTL %l instead of 255: put both nodes on one link, \
         or let %p send 255";
    /// We listen to the group, and it sends to us alone.
    UnicastPeer =
        "unicast-peer\n%p sends to %a and not to the group: set unicast_src_ip = %o and unicast_peer = %p \
         in [vrrp %n], or remove unicast_peer on %p";
    /// We listen to unicast, and it sends to the group.
    MulticastPeer =
        "multicast-peer\n%p sends to the group: set unicast_peer = %o on %p, or remove unicast_peer from [vrrp %n]";
    /// Unicast from somebody who is not in the list.
    UnknownPeer =
        "unknown-peer\n%p is not in the list: add unicast_peer = %p to [vrrp %n], or remove %o from its list";
    /// We have keys and insist, the peer does not sign.
    HmacMissing =
        "hmac-missing\n%p does not sign its adverts: give it the auth_hmac of [vrrp %n], or set \
         auth_mode = permissive";
    /// The peer signs in a way that only who has keys may read.
    HmacUnexpected =
        "hmac-unexpected\n%p signs its adverts: set its auth_hmac in [vrrp %n], or remove it on %p";
    /// Authenticated, but too old.
    Stale =
        "stale\nadverts of %p are too old: set the clocks of both nodes, with NTP for instance";
    /// No key fits.
    Hmac =
        "hmac\nno key of [vrrp %n] fits the adverts of %p: write the same auth_hmac in both";
    /// Authenticated, and heard before.
    Replayed =
        "replayed\nadverts of %p come again: somebody repeats them, or two nodes share a key and a source";
    /// Our id, and not one address of ours.
    VridInUse =
        "same-vrid-other-addresses\n%p uses id %V for other addresses, such as %a: give one of the two pairs another \
         virtual_router_id, or write the same addresses in both";
    /// The peer lacks an address of ours.
    AddressMissing =
        "address-missing\n%p does not announce %a: add it there, or remove address = %a from [vrrp %n]";
    /// The peer has one that we do not have.
    AddressExtra =
        "address-extra\n%p announces %a as well: add address = %a to [vrrp %n], or remove it on %p";
    /// It sums version 3 over IPv4 otherwise than we are told to.
    ChecksumForm =
        "checksum-form\n%p sums its adverts in the other form and may refuse ours: remove checksum \
         from [vrrp %n], or set the other value";
    /// The same effective priority.
    EqualPriority =
        "equal-priority\n%p has priority %q as this node has, so that the higher address decides: \
         change priority in [vrrp %n] or on %p";
    /// Two say that they own the addresses.
    TwoOwners =
        "two-owners\n%p is the owner of the addresses (priority 255) as this node is: \
         leave priority = 255 on one of them, 254 or less on the other";
    /// It is master although we are, and it should yield.
    TwoMasters =
        "two-masters\n%p is master too, for %s s, with priority %q: it does not hear this node or refuses its \
         adverts; let protocol 112 pass in both directions, and cure the other diagnoses";
    /// The peer's check failed and we can't profit.
    Outranked =
        "outranked\n%p lowered its priority from %Q to %q, and this node reaches no more than %H: \
         set priority above %q in [vrrp %n], or let the check of %p weigh more";
    /// The peer's check failed and we may not profit.
    PreemptNo =
        "preempt-no\n%p lowered its priority from %Q to %q, below this node's, and stays master: \
         set preempt = yes in [vrrp %n], or weight 0 on %p";
    /// Our check failed and the peer can't profit.
    WeightTooSmall =
        "weight-too-small\na tracked check fails, and priority %P still beats the %Q of %p: \
         let the track lines of [vrrp %n] weigh more, or bring the priorities together";
    /// It took over by one advert and was never heard again.
    FleetingMaster =
        "fleeting-master\n%p took over with priority %q and fell silent: a forged advert, or a link that loses \
         them; let only peers speak, with auth_hmac or unicast_peer in [vrrp %n]";
    /// Our own adverts come back.
    OwnPackets =
        "own-packets\nadverts of this node come back on %i: end the loop or the mirror in the switch or bridge";
    /// Somebody has our source address.
    DuplicateSource =
        "duplicate-source\nsomebody else sends adverts from %p, which is this node's: give one of the two \
         another address on %i";
    /// An address of ours is answered for by a MAC that is not ours.
    AddressConflict =
        "address-conflict\n%m answers for %a as well: remove %a from the machine with this MAC";
    /// An address of ours that we did not set.
    AddressLeft =
        "address-left\n%a is on %i although this node is not master, and smena did not set it: \
         run ip address del %a/%l dev %i";
    /// Another protocol of the same number.
    Carp =
        "carp\n%p speaks CARP (vhid %v), which is not VRRP: if it is meant as the peer, run VRRP there; \
         if not, keep its vhid apart from virtual_router_id = %V";
}

impl Code {
    /// The name that status, log and events show; it never changes.
    pub fn name(self) -> Packed {
        LINES.line(2 * self as usize)
    }

    /// The sentence with its gaps.
    pub fn sentence(self) -> Packed {
        LINES.line(2 * self as usize + 1)
    }

    /// Adverts are refused, so that sender and receiver are both master for as
    /// long as it lasts.
    pub fn splits(self) -> bool {
        self <= Code::Replayed
    }

    /// It is read from the peer's adverts: one that does not show it any more
    /// says that it is cured.
    pub(super) fn is_advertised(self) -> bool {
        self <= Code::PreemptNo
    }

    /// It lasts until somebody says that it ended, and does not age.
    pub(super) fn stands(self) -> bool {
        matches!(self, Code::WeightTooSmall | Code::AddressLeft)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn names_are_words_and_differ() {
        for (index, code) in Code::ALL.iter().enumerate() {
            assert_eq!(*code as usize, index);
            let name = code.name().to_string();
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
            let same = Code::ALL
                .iter()
                .filter(|other| other.name().to_string() == name);
            assert_eq!(same.count(), 1, "{name}");
        }
    }
}
