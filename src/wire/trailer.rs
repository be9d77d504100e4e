//! The authentication trailer of version 3, as keepalived 2.4 appends it to an
//! advert (`auth_hmac`). It says which bytes are signed; who may sign, and what
//! was heard before, is decided elsewhere.
//!
//! ```text
//!  0  type 1               signed: family 4 | 6, version, virtual router id, 0,
//!  1  key id                       source (16 bytes, zeros behind an IPv4 one),
//!  2  reserved (2)                 the advert with its checksum zero,
//!  4  stamp (8)                    the trailer with its mac zero
//! 12  mac (16)             mac:    the first half of HMAC-SHA256
//! ```
//!
//! The stamp is the sender's time since 1970 in 1/65536 s, and 16 bits that
//! count where that stands still. It only ever grows.

use core::net::IpAddr;

use super::sha256::hmac;
use crate::key::Secret;

/// Its length.
pub(super) const LEN: usize = 28;
const TYPE: u8 = 1;
const MAC_AT: usize = 12;
const MAC_LEN: usize = LEN - MAC_AT;

/// With what to sign an advert.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// The key's id, 1..=255.
    pub id: u8,
    /// The key.
    pub secret: Secret,
    /// See [`stamp`]; more than in every advert before.
    pub stamp: u64,
}

/// The stamp of a moment, given in microseconds since 1970.
pub const fn stamp(micros: u64) -> u64 {
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    seconds << 32 | ((rest << 16) / 1_000_000) << 16
}

/// Whether one stamp is later than another, the wrap of the seconds in 2106
/// included (RFC 1982).
pub const fn later(stamp: u64, than: u64) -> bool {
    (stamp.wrapping_sub(than) as i64) > 0
}

/// A received trailer.
#[derive(Clone, Copy)]
pub(super) struct View<'p>(&'p [u8; LEN]);

impl<'p> View<'p> {
    pub fn new(bytes: &'p [u8]) -> Option<View<'p>> {
        bytes.try_into().ok().map(View)
    }

    /// The only form there is.
    pub fn well_formed(&self) -> bool {
        self.0[0] == TYPE && self.0[2..4] == [0, 0]
    }

    pub fn key_id(&self) -> u8 {
        self.0[1]
    }

    pub fn stamp(&self) -> u64 {
        let [_, _, _, _, stamp @ ..] = self.0.first_chunk::<MAC_AT>().unwrap_or(&[0; _]);
        u64::from_be_bytes(*stamp)
    }

    /// Whether who sent this advert, trailer included, has the secret. It takes
    /// the same time wherever the two macs differ.
    pub fn holds(&self, secret: &Secret, source: IpAddr, packet: &[u8]) -> bool {
        let expected = mac(secret, source, packet);
        let received = self.0.iter().skip(MAC_AT);
        let differing = expected
            .iter()
            .zip(received)
            .fold(0, |d, (a, b)| d | (a ^ b));
        core::hint::black_box(differing) == 0
    }
}

/// Writes the trailer into the end of `packet`, an advert with room for it.
/// `None`: it is too short for one.
pub(super) fn sign(signature: &Signature, source: IpAddr, packet: &mut [u8]) -> Option<()> {
    let start = packet.len().checked_sub(LEN)?;
    let trailer = packet.get_mut(start..)?;
    trailer.fill(0);
    trailer[0] = TYPE;
    trailer[1] = signature.id;
    trailer[4..MAC_AT].copy_from_slice(&signature.stamp.to_be_bytes());
    let mac = mac(&signature.secret, source, packet);
    packet.last_chunk_mut::<MAC_LEN>()?.copy_from_slice(&mac);
    Some(())
}

/// The mac of an advert with its trailer, whatever checksum and mac say in it.
fn mac(secret: &Secret, source: IpAddr, packet: &[u8]) -> [u8; MAC_LEN] {
    let (before, rest) = packet.split_at_checked(6).unwrap_or((packet, &[]));
    let signed = rest.get(2..rest.len().saturating_sub(MAC_LEN));
    let mut prefix = [0; 20];
    let start = match source {
        IpAddr::V4(source) => {
            prefix[4..8].copy_from_slice(&source.octets());
            4
        }
        IpAddr::V6(source) => {
            prefix[4..].copy_from_slice(&source.octets());
            6
        }
    };
    let [first, id] = *before.first_chunk::<2>().unwrap_or(&[0; _]);
    prefix[..3].copy_from_slice(&[start, first >> 4, id]);
    let zeros = [0; MAC_LEN];
    let parts = [&prefix, before, &[0, 0], signed.unwrap_or_default(), &zeros];
    let [mac @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = hmac(secret.bytes(), &parts);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2^-16 s is 15.26 us; the counter's bits stay zero.
    #[test]
    fn a_stamp_has_seconds_and_their_65536ths() {
        assert_eq!(stamp(0), 0);
        assert_eq!(
            stamp(1_750_000_000_500_000),
            1_750_000_000 << 32 | 0x8000 << 16
        );
        assert_eq!(stamp(999_999), 0xffff << 16);
        assert_eq!(stamp(1_000_015), 1 << 32);
        assert_eq!(stamp(1_000_016), 1 << 32 | 1 << 16);
    }

    #[test]
    fn later_holds_across_the_wrap() {
        assert!(later(2, 1) && !later(1, 2) && !later(1, 1));
        assert!(later(5, u64::MAX - 5) && !later(u64::MAX - 5, 5));
    }
}
