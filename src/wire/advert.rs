//! The VRRP packet itself: its layout in both versions, read and written. It
//! decides nothing; what is wrong with a packet is `judge`'s to say.
//!
//! ```text
//!  version 2 (RFC 3768 section 5.1)          version 3 (RFC 9568 section 5.1)
//!  0  version 2 | type 1                     0  version 3 | type 1
//!  1  virtual router id                      1  virtual router id
//!  2  priority                               2  priority
//!  3  count                                  3  count
//!  4  authentication type                    4  reserved (4 bits) | interval in centiseconds
//!  5  interval in seconds                    5  its low 8 bits
//!  6  checksum (2)                           6  checksum (2)
//!  8  count * IPv4                           8  count * IPv4 or IPv6
//!  .. 8 bytes of authentication              .. the trailer of a signed one
//! ```

use core::fmt;
use core::net::IpAddr;

use smoltcp::wire::checksum;

use super::{Advert, Auth, GROUP_V4, PROTOCOL, ip, trailer};
use crate::Duration;
use crate::protocol::{Checksum, Family, Version};

/// The only type there is.
pub(super) const ADVERTISEMENT: u8 = 1;

const HEAD_LEN: usize = 8;
const AUTH_LEN: usize = 8;
const COUNT_MAX: usize = 255;

/// A packet whose length is exactly what its version, family and count ask for.
pub(super) struct View<'p> {
    /// All of it.
    bytes: &'p [u8],
    head: &'p [u8; HEAD_LEN],
    /// What stands behind the addresses: version 2 only.
    auth: Option<&'p [u8; AUTH_LEN]>,
    /// What stands behind the addresses: version 3 only.
    trailer: Option<trailer::View<'p>>,
    addresses: Addresses<'p>,
}

impl<'p> View<'p> {
    /// `None`: too short or too long. `signed`: in version 3 a trailer may
    /// follow.
    pub fn new(version: Version, family: Family, bytes: &'p [u8], signed: bool) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_LEN>()?;
        let (listed, rest) = rest.split_at_checked(usize::from(head[3]) * address_len(family))?;
        let (auth, trailer) = match version {
            Version::V2 => (Some(rest.try_into().ok()?), None),
            Version::V3 if rest.is_empty() => (None, None),
            Version::V3 if signed => (None, Some(trailer::View::new(rest)?)),
            Version::V3 => return None,
        };
        let addresses = Addresses {
            family,
            bytes: listed,
        };
        Some(View {
            bytes,
            head,
            auth,
            trailer,
            addresses,
        })
    }

    pub fn packet_type(&self) -> u8 {
        self.head[0] & 0x0f
    }

    pub fn priority(&self) -> u8 {
        self.head[2]
    }

    pub fn addresses(&self) -> Addresses<'p> {
        self.addresses
    }

    /// Type and data of version 2's authentication; type 0 in version 3.
    pub fn auth(&self) -> (u8, [u8; AUTH_LEN]) {
        match self.auth {
            Some(data) => (self.head[4], *data),
            None => (0, [0; AUTH_LEN]),
        }
    }

    /// The trailer, and the packet with it.
    pub fn trailer(&self) -> Option<(trailer::View<'p>, &'p [u8])> {
        Some((self.trailer?, self.bytes))
    }

    /// The sender's interval; the reserved bits of version 3 are ignored.
    pub fn interval(&self) -> Duration {
        match self.auth {
            Some(_) => Duration::from_secs(self.head[5].into()),
            None => {
                let centiseconds = u16::from_be_bytes([self.head[4] & 0x0f, self.head[5]]);
                Duration::from_millis(10 * u64::from(centiseconds))
            }
        }
    }

    /// The form in which the checksum is right, among those that are accepted:
    /// without a pseudo-header in version 2, with one over IPv6, and either way
    /// in version 3 over IPv4, where RFC 9568 and most implementations disagree.
    /// Old keepalived put the group into the pseudo-header of unicast adverts.
    /// A trailer belongs to the sum over IPv6, and not over IPv4.
    pub fn checksum(&self, source: IpAddr, destination: IpAddr) -> Option<Checksum> {
        let v4 = self.addresses.family == Family::Ipv4;
        let cut = if v4 && self.trailer.is_some() {
            trailer::LEN
        } else {
            0
        };
        let summed = self.bytes.get(..self.bytes.len() - cut)?;
        let alone = checksum::data(summed);
        if v4 && alone == !0 {
            return Some(Checksum::Rfc9568);
        }
        let holds = |destination| {
            let pseudo = ip::pseudo_sum(source, destination, PROTOCOL, summed.len());
            self.auth.is_none() && checksum::combine(&[alone, pseudo]) == !0
        };
        (holds(destination) || v4 && holds(IpAddr::V4(GROUP_V4))).then_some(Checksum::Pseudo)
    }
}

/// The addresses that an advert lists.
#[derive(Clone, Copy)]
pub struct Addresses<'p> {
    family: Family,
    /// Whole addresses only, at most 255.
    bytes: &'p [u8],
}

impl<'p> Addresses<'p> {
    /// The first `count` that stand here, or as many as there are, and what
    /// stands behind them.
    pub(super) fn first(family: Family, count: u8, bytes: &'p [u8]) -> (Addresses<'p>, &'p [u8]) {
        let length = address_len(family);
        let count = usize::from(count).min(bytes.len() / length);
        let (bytes, rest) = bytes.split_at_checked(count * length).unwrap_or_default();
        (Addresses { family, bytes }, rest)
    }

    /// In the order of the packet.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<'p> {
        let family = self.family;
        let chunks = self.bytes.chunks_exact(address_len(family));
        chunks.filter_map(move |chunk| match family {
            Family::Ipv4 => chunk.first_chunk::<4>().map(|&octets| octets.into()),
            Family::Ipv6 => chunk.first_chunk::<16>().map(|&octets| octets.into()),
        })
    }

    /// Whether this one is among them.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.holds(&v4.octets()),
            IpAddr::V6(v6) => self.holds(&v6.octets()),
        }
    }

    fn holds(&self, octets: &[u8]) -> bool {
        let mut chunks = self.bytes.chunks_exact(address_len(self.family));
        chunks.any(|chunk| chunk == octets)
    }

    /// How many there are, 0..=255.
    pub fn len(&self) -> usize {
        self.bytes.len() / address_len(self.family)
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether `others` are the same addresses; order and repetition do not count.
    pub fn same_set(&self, others: &mut dyn Iterator<Item = IpAddr>) -> bool {
        let mut met = [false; COUNT_MAX];
        for other in others {
            let mut known = false;
            for (address, met) in self.iter().zip(&mut met) {
                if address == other {
                    *met = true;
                    known = true;
                }
            }
            if !known {
                return false;
            }
        }
        met.iter().take(self.len()).all(|&met| met)
    }
}

impl fmt::Debug for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Writes a whole IP packet with the addresses in the order given, and returns
/// its length in bytes.
///
/// `None`: the buffer is too small, an address has another family than the
/// source, there are more than 255, or version and interval or family do not go
/// together.
pub fn emit_advert(
    advert: &Advert,
    addresses: &mut dyn Iterator<Item = IpAddr>,
    buffer: &mut [u8],
) -> Option<usize> {
    let start = ip::header_len(Family::of(&advert.source));
    let end = start + emit_pdu(advert, addresses, buffer.get_mut(start..)?)?;
    ip::emit(
        advert.source,
        advert.destination,
        advert.ip_id,
        buffer.get_mut(..end)?,
    )?;
    Some(end)
}

fn emit_pdu(
    advert: &Advert,
    addresses: &mut dyn Iterator<Item = IpAddr>,
    buffer: &mut [u8],
) -> Option<usize> {
    let mut count = 0u8;
    let mut len = HEAD_LEN;
    for address in addresses {
        count = count.checked_add(1)?;
        match (address, advert.source) {
            (IpAddr::V4(address), IpAddr::V4(_)) => put(buffer, &mut len, &address.octets())?,
            (IpAddr::V6(address), IpAddr::V6(_)) => put(buffer, &mut len, &address.octets())?,
            _ => return None,
        }
    }
    let [high, low] = interval_field(advert.version, advert.interval)?;
    // What is summed ends here, but for a trailer over IPv6.
    let mut summed = len;
    let (fourth, pseudo) = match advert.version {
        Version::V2 => {
            let (auth_type, auth_data) = match advert.auth {
                Auth::None => (0, [0; AUTH_LEN]),
                Auth::Simple(data) => (1, data),
            };
            advert.source.is_ipv4().then_some(())?;
            put(buffer, &mut len, &auth_data)?;
            summed = len;
            (auth_type, false)
        }
        Version::V3 => {
            if advert.signature.is_some() {
                put(buffer, &mut len, &[0; trailer::LEN])?;
            }
            if advert.source.is_ipv6() {
                summed = len;
            }
            let pseudo = advert.checksum == Checksum::Pseudo || advert.source.is_ipv6();
            (high, pseudo)
        }
    };
    let pdu = buffer.get_mut(..len)?;
    let first = advert.version.number() << 4 | ADVERTISEMENT;
    *pdu.first_chunk_mut::<HEAD_LEN>()? = [
        first,
        advert.virtual_router_id,
        advert.priority,
        count,
        fourth,
        low,
        0,
        0,
    ];
    if let (Version::V3, Some(signature)) = (advert.version, &advert.signature) {
        trailer::sign(signature, advert.source, pdu)?;
    }
    let pseudo = match pseudo {
        true => ip::pseudo_sum(advert.source, advert.destination, PROTOCOL, summed),
        false => 0,
    };
    let sum = !checksum::combine(&[checksum::data(pdu.get(..summed)?), pseudo]);
    pdu.get_mut(6..8)?.copy_from_slice(&sum.to_be_bytes());
    Some(len)
}

fn put(buffer: &mut [u8], at: &mut usize, bytes: &[u8]) -> Option<()> {
    let end = *at + bytes.len();
    buffer.get_mut(*at..end)?.copy_from_slice(bytes);
    *at = end;
    Some(())
}

/// Bytes 4 and 5 as far as the interval fills them. `None`: out of the
/// version's range, or not a whole number of its units.
fn interval_field(version: Version, interval: Duration) -> Option<[u8; 2]> {
    let (unit, max) = match version {
        Version::V2 => (1_000_000, 255),
        Version::V3 => (10_000, 4095),
    };
    let micros = interval.total_micros();
    let units = micros / unit;
    if !micros.is_multiple_of(unit) || units == 0 || units > max {
        return None;
    }
    Some((units as u16).to_be_bytes())
}

const fn address_len(family: Family) -> usize {
    match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 16,
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::wire::{GROUP_V6, group};
    use core::net::{Ipv4Addr, Ipv6Addr};

    const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

    fn advert(version: Version, source: IpAddr, interval_ms: u64) -> Advert {
        Advert {
            version,
            source,
            destination: group(Family::of(&source)),
            virtual_router_id: 51,
            priority: 101,
            interval: Duration::from_millis(interval_ms),
            auth: Auth::None,
            checksum: Checksum::Pseudo,
            signature: None,
            ip_id: 0x1234,
        }
    }

    fn emit(advert: &Advert, addresses: &[IpAddr]) -> Option<Vec<u8>> {
        let mut buffer = [0xaa; 4200];
        let len = emit_advert(advert, &mut addresses.iter().copied(), &mut buffer)?;
        assert!(
            buffer[len..].iter().all(|&byte| byte == 0xaa),
            "wrote past its length"
        );
        Some(buffer[..len].to_vec())
    }

    fn vips(count: u8) -> Vec<IpAddr> {
        (0..count)
            .map(|n| Ipv4Addr::new(192, 168, 0, n).into())
            .collect()
    }

    /// B.1, 52, 53, 17: every byte of a version 2 packet.
    #[test]
    fn version_2_layout() {
        let advert = Advert {
            auth: Auth::Simple(*b"wimark12"),
            ..advert(Version::V2, SOURCE.into(), 1000)
        };
        let packet = emit(&advert, &vips(2)).unwrap();
        let (header, pdu) = packet.split_at(20);
        assert_eq!(
            header[..10],
            [0x45, 0xc0, 0, 44, 0x12, 0x34, 0, 0, 255, 112]
        );
        assert_eq!(header[12..], [10, 0, 0, 1, 224, 0, 0, 18]);
        assert_eq!(checksum::data(header), !0);
        assert_eq!(pdu[..6], [0x21, 51, 101, 2, 1, 1]);
        assert_eq!(pdu[8..16], [192, 168, 0, 0, 192, 168, 0, 1]);
        assert_eq!(&pdu[16..], b"wimark12");
        assert_eq!(checksum::data(pdu), !0, "version 2 sums the packet alone");
    }

    /// B.1, 17, 59: version 3 over IPv4, reserved bits zero, centiseconds.
    #[test]
    fn version_3_layout() {
        let packet = emit(&advert(Version::V3, SOURCE.into(), 40_950), &vips(1)).unwrap();
        let pdu = &packet[20..];
        assert_eq!(pdu[..6], [0x31, 51, 101, 1, 0x0f, 0xff]);
        assert_eq!(pdu.len(), 12);
        let pseudo = ip::pseudo_sum(SOURCE.into(), GROUP_V4.into(), PROTOCOL, 12);
        assert_eq!(checksum::combine(&[checksum::data(pdu), pseudo]), !0);
    }

    /// B.1, 61, 66: version 3 over IPv6.
    #[test]
    fn version_3_over_ipv6_layout() {
        let vip = IpAddr::from(LINK_LOCAL);
        let packet = emit(&advert(Version::V3, LINK_LOCAL.into(), 100), &[vip]).unwrap();
        assert_eq!(packet[..8], [0x6c, 0, 0, 0, 0, 24, 112, 255]);
        assert_eq!(packet[8..24], LINK_LOCAL.octets());
        assert_eq!(packet[24..40], GROUP_V6.octets());
        assert_eq!(packet[40..46], [0x31, 51, 101, 1, 0, 10]);
        let pseudo = ip::pseudo_sum(vip, GROUP_V6.into(), PROTOCOL, 24);
        assert_eq!(
            checksum::combine(&[checksum::data(&packet[40..]), pseudo]),
            !0
        );
    }

    /// What cannot be said on the wire is not said wrongly. 60: at most 255 addresses.
    #[test]
    fn refuses_what_has_no_form() {
        let v6 = IpAddr::from(LINK_LOCAL);
        assert_eq!(
            emit(&advert(Version::V2, SOURCE.into(), 100), &vips(1)),
            None
        );
        assert_eq!(
            emit(&advert(Version::V2, SOURCE.into(), 256_000), &vips(1)),
            None
        );
        assert_eq!(
            emit(&advert(Version::V3, SOURCE.into(), 40_960), &vips(1)),
            None
        );
        assert_eq!(
            emit(&advert(Version::V3, SOURCE.into(), 15), &vips(1)),
            None
        );
        assert_eq!(emit(&advert(Version::V3, SOURCE.into(), 0), &vips(1)), None);
        assert_eq!(emit(&advert(Version::V2, v6, 1000), &[v6]), None);
        assert_eq!(emit(&advert(Version::V3, SOURCE.into(), 1000), &[v6]), None);
        let advert = advert(Version::V2, SOURCE.into(), 1000);
        assert_eq!(
            emit(&advert, &vips(255)).unwrap().len(),
            20 + 8 + 4 * 255 + 8
        );
        let too_many = [vips(255), vips(1)].concat();
        assert_eq!(emit(&advert, &too_many), None);
    }

    #[test]
    fn a_buffer_of_any_size_is_safe() {
        let whole = emit(&advert(Version::V2, SOURCE.into(), 1000), &vips(2))
            .unwrap()
            .len();
        let mut buffer = [0; 64];
        for size in 0..buffer.len() {
            let advert = advert(Version::V2, SOURCE.into(), 1000);
            let len = emit_advert(&advert, &mut vips(2).into_iter(), &mut buffer[..size]);
            assert_eq!(len, (size >= whole).then_some(whole));
        }
    }

    /// 14: the comparison is one of sets.
    #[test]
    fn same_set_ignores_order_and_repetition() {
        let bytes = [10, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 1];
        let addresses = Addresses {
            family: Family::Ipv4,
            bytes: &bytes,
        };
        let [one, two, three] = [1, 2, 3].map(|n| IpAddr::from([10, 0, 0, n]));
        let same = |others: &[IpAddr]| addresses.same_set(&mut others.iter().copied());
        assert_eq!(addresses.len(), 3);
        assert!(same(&[two, one]));
        assert!(same(&[one, two, two]));
        assert!(!same(&[one]));
        assert!(!same(&[one, two, three]));
        assert!(!same(&[]));
        let none = Addresses {
            family: Family::Ipv4,
            bytes: &[],
        };
        assert!(none.is_empty() && none.same_set(&mut [].into_iter()));
    }
}
