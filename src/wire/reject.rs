//! The reasons to discard an advert: their names, and their order, which is that
//! of the checks in `judge`.

/// Why an advert was discarded, in the order of the checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reject {
    /// The IP header is cut off, contradicts itself, or its checksum is wrong.
    IpHeader,
    /// A fragment; an advert never needs one.
    Fragment,
    /// The source is an address of this node: our own packet came back.
    Own,
    /// TTL or hop limit is not 255: a router forwarded it.
    Ttl,
    /// Another version than the router's, or none that exists.
    Version,
    /// Not exactly as long as version, family and count ask for.
    Length,
    /// Wrong in every form that is accepted.
    Checksum,
    /// No router here has this id.
    Vrid,
    /// Not an advertisement.
    Type,
    /// No address, though the router has some.
    Count,
    /// Not sent to the group.
    Destination,
    /// The source cannot be a neighbour's address.
    Source,
    /// Another authentication type than the router's.
    AuthType,
    /// Another password.
    AuthData,
    /// No interval, or in version 2 another one than the router's.
    Interval,
    /// Authenticated, but too old.
    Stale,
    /// The authentication does not fit the packet.
    Hmac,
    /// Authenticated, but heard before.
    Replayed,
}

impl Reject {
    /// Every reason, in the order of the checks; `reason as usize` is its index.
    pub const ALL: [Reject; 18] = [
        Reject::IpHeader,
        Reject::Fragment,
        Reject::Own,
        Reject::Ttl,
        Reject::Version,
        Reject::Length,
        Reject::Checksum,
        Reject::Vrid,
        Reject::Type,
        Reject::Count,
        Reject::Destination,
        Reject::Source,
        Reject::AuthType,
        Reject::AuthData,
        Reject::Interval,
        Reject::Stale,
        Reject::Hmac,
        Reject::Replayed,
    ];

    /// The name that status, logs and replay show.
    pub const fn name(self) -> &'static str {
        match self {
            Reject::IpHeader => "ip-header",
            Reject::Fragment => "fragment",
            Reject::Own => "own",
            Reject::Ttl => "ttl",
            Reject::Version => "version",
            Reject::Length => "length",
            Reject::Checksum => "checksum",
            Reject::Vrid => "vrid",
            Reject::Type => "type",
            Reject::Count => "count",
            Reject::Destination => "destination",
            Reject::Source => "source",
            Reject::AuthType => "auth-type",
            Reject::AuthData => "auth-data",
            Reject::Interval => "interval",
            Reject::Stale => "stale",
            Reject::Hmac => "hmac",
            Reject::Replayed => "replayed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_the_place_in_the_order() {
        for (index, reason) in Reject::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        let names = Reject::ALL.map(Reject::name).join(" ");
        assert_eq!(
            names,
            "ip-header fragment own ttl version length checksum vrid type count destination \
             source auth-type auth-data interval stale hmac replayed"
        );
    }
}
