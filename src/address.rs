//! IP addresses as text, both ways: what RFC 4291 section 2.2 lets a person
//! write, and what RFC 5952 says is shown. Core has both too, built for every
//! radix and width and three times as large. It judges no address.

use core::fmt::{self, Write};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::say::{Number, write_number};

/// Reads an IPv4 or IPv6 address; `None` when it is neither.
pub fn parse(text: &str) -> Option<IpAddr> {
    let text = text.as_bytes();
    match text.contains(&b':') {
        true => parse_v6(text).map(|groups| IpAddr::V6(Ipv6Addr::from(groups))),
        false => parse_v4(text).map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
    }
}

/// An address of either family as one number, which is small to keep and to
/// compare: IPv4 as RFC 4291 section 2.5.5.2 maps it. 0 is no address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits(u128);

impl From<IpAddr> for Bits {
    // Small where it is used.
    #[inline(never)]
    fn from(address: IpAddr) -> Bits {
        Bits(match address {
            IpAddr::V4(v4) => MAPPED | u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        })
    }
}

impl Bits {
    /// No address.
    pub const NONE: Bits = Bits(0);

    /// The address; unspecified when there is none.
    #[inline(never)]
    pub fn address(self) -> IpAddr {
        match self.0 >> 32 == MAPPED >> 32 {
            true => IpAddr::V4(Ipv4Addr::from_bits(self.0 as u32)),
            false => IpAddr::V6(Ipv6Addr::from_bits(self.0)),
        }
    }
}

/// ::ffff:0:0/96
const MAPPED: u128 = 0xffff << 32;

/// Four numbers without leading zeros, which some read as octal.
fn parse_v4(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut parts = text.split(|&byte| byte == b'.');
    for octet in &mut octets {
        let digits = parts.next()?;
        if digits.len() > 1 && digits.starts_with(b"0") {
            return None;
        }
        *octet = u8::try_from(number(digits, 10)?).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

/// Eight groups. `::` stands for the missing ones, at least one; the last two
/// may be written as an IPv4 address.
fn parse_v6(text: &[u8]) -> Option<[u16; 8]> {
    let mut groups = [0; 8];
    let mut count = 0;
    let mut gap = None;
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(b"::") {
            if gap.replace(count).is_some() {
                return None;
            }
            rest = after;
            if rest.is_empty() {
                break;
            }
        } else if count > 0 {
            rest = rest.strip_prefix(b":")?;
        }
        let end = rest.iter().position(|&byte| byte == b':');
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        if after.is_empty() && part.contains(&b'.') {
            let [a, b, c, d] = parse_v4(part)?;
            *groups.get_mut(count)? = u16::from_be_bytes([a, b]);
            count += 1;
            *groups.get_mut(count)? = u16::from_be_bytes([c, d]);
        } else {
            *groups.get_mut(count)? = number(part, 16)?;
        }
        count += 1;
        rest = after;
    }
    let missing = 8 - count;
    match gap {
        None if missing == 0 => {}
        // What stands behind the gap moves to the end.
        Some(gap) if missing > 0 => (gap..count)
            .rev()
            .for_each(|at| groups.swap(at, at + missing)),
        _ => return None,
    }
    Some(groups)
}

/// One to four digits.
fn number(digits: &[u8], radix: u32) -> Option<u16> {
    if !(1..=4).contains(&digits.len()) {
        return None;
    }
    digits.iter().try_fold(0, |sum, &digit| {
        let digit = char::from(digit).to_digit(radix)?;
        Some(sum * radix as u16 + digit as u16)
    })
}

/// Shows an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown(pub IpAddr);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => write_v4(f, ip),
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(mapped) => {
                    f.write_str("::ffff:")?;
                    write_v4(f, mapped)
                }
                None => write_v6(f, ip.segments()),
            },
        }
    }
}

/// Shows an address and a port; port 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(pub SocketAddr);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ip, port) = (Shown(self.0.ip()), self.0.port());
        match (self.0.is_ipv6(), port) {
            (_, 0) => ip.fmt(f),
            (false, _) => write!(f, "{ip}:{}", Number(port.into())),
            (true, _) => write!(f, "[{ip}]:{}", Number(port.into())),
        }
    }
}

fn write_v4(f: &mut dyn Write, ip: Ipv4Addr) -> fmt::Result {
    for (index, octet) in ip.octets().into_iter().enumerate() {
        if index > 0 {
            f.write_char('.')?;
        }
        write_number(f, octet.into(), 10, 1)?;
    }
    Ok(())
}

/// The longest run of zeros, the first of equals, is shown as `::`; a single
/// zero is none.
fn write_v6(f: &mut dyn Write, groups: [u16; 8]) -> fmt::Result {
    let (mut gap, mut longest) = (8, 1);
    let mut run = 0;
    for (index, &group) in groups.iter().enumerate() {
        run = if group == 0 { run + 1 } else { 0 };
        if run > longest {
            (gap, longest) = (index + 1 - run, run);
        }
    }
    for (index, group) in groups.into_iter().enumerate() {
        if index == gap {
            f.write_str("::")?;
        }
        if (gap..gap + longest).contains(&index) {
            continue;
        }
        if index > 0 && index != gap + longest {
            f.write_char(':')?;
        }
        write_number(f, group.into(), 16, 1)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use super::*;

    /// Deterministic noise (xorshift).
    fn next(seed: &mut u64) -> usize {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        (*seed >> 8) as usize
    }

    /// Core's own reading is the oracle, for pieces that are put together in
    /// every way that is nearly right.
    #[test]
    fn texts_are_read_as_core_reads_them() {
        let pieces = [
            "", ":", ":", "::", ".", "0", "00", "1", "255", "256", "ffff", "g", "12345", "1.2.3.4",
            "1:2:3", "a:b:c:d:", "FF02", "+1", "1.2.",
        ];
        let (mut seed, mut good) = (1, 0);
        for _ in 0..300_000 {
            let count = next(&mut seed) % 10;
            let text: String = (0..count)
                .map(|_| pieces[next(&mut seed) % pieces.len()])
                .collect();
            let expected = text.parse::<IpAddr>().ok();
            assert_eq!(parse(&text), expected, "{text}");
            good += u32::from(expected.is_some());
        }
        assert!(good > 1000, "only {good} were addresses");
    }

    #[test]
    fn addresses_are_shown_as_core_shows_them() {
        let mut seed = 1;
        for _ in 0..100_000 {
            // Mostly zeros, so that there are runs of them.
            let groups = core::array::from_fn(|_| match next(&mut seed) % 3 {
                0 => (next(&mut seed) & 0xffff) as u16,
                1 if next(&mut seed).is_multiple_of(4) => 0xffff,
                _ => 0,
            });
            let v6 = Ipv6Addr::from(groups);
            let v4 = Ipv4Addr::from((next(&mut seed) & 0xffff_ffff) as u32);
            for ip in [
                IpAddr::V6(v6),
                IpAddr::V4(v4),
                IpAddr::V6(v4.to_ipv6_mapped()),
            ] {
                assert_eq!(Shown(ip).to_string(), ip.to_string());
                assert_eq!(parse(&ip.to_string()), Some(ip));
            }
        }
    }
}
