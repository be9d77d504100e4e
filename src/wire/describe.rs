//! What a packet says, in a line for people, whether it is right or wrong: as
//! far as its bytes go. It judges nothing.

use core::fmt::{self, Write};
use core::net::IpAddr;

use super::{Said, inspect};
use crate::address::Shown;
use crate::protocol::Family;
use crate::say::{Number, Plain};

/// A packet, from its IP header on, as `v3 vrid=44 prio=200 adv=500ms
/// addr=10.0.0.1,10.0.0.2`. [`fmt::Display`] writes `-` where there is no VRRP
/// to be read.
#[derive(Clone, Copy, Debug)]
pub struct Described<'p>(pub Family, pub &'p [u8]);

/// The source of an IP packet of any protocol, if its header is there.
pub fn source(family: Family, packet: &[u8]) -> Option<IpAddr> {
    let source = |from: usize| packet.get(from..);
    match family {
        Family::Ipv4 => source(12)?.first_chunk::<4>().map(|&ip| ip.into()),
        Family::Ipv6 => source(8)?.first_chunk::<16>().map(|&ip| ip.into()),
    }
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Said {
            head, addresses, ..
        }) = inspect(self.0, self.1)
        else {
            return f.write_char('-');
        };
        let adv = head.centiseconds;
        // Whole seconds are shown as such.
        let (adv, unit) = match adv.is_multiple_of(100) && adv > 0 {
            true => (adv / 100, "s"),
            false => (adv * 10, "ms"),
        };
        for (name, number) in [
            ("v", head.version.into()),
            (" vrid=", head.virtual_router_id.into()),
            (" prio=", head.priority.into()),
            (" adv=", adv),
        ] {
            write!(f, "{}{}", Plain(name), Number(number.into()))?;
        }
        write!(f, "{} addr=", Plain(unit))?;
        if addresses.is_empty() {
            f.write_char('-')?;
        }
        for (nth, address) in addresses.iter().enumerate() {
            if nth > 0 {
                f.write_char(',')?;
            }
            write!(f, "{}", Shown(address))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;

    fn v4(pdu: &[u8]) -> Vec<u8> {
        let mut packet = [0; 20].to_vec();
        packet[..4].copy_from_slice(&[0x45, 0, 0, 20 + pdu.len() as u8]);
        packet[8..16].copy_from_slice(&[255, 112, 0, 0, 10, 0, 0, 9]);
        packet.extend(pdu);
        packet
    }

    #[test]
    fn a_line_for_each_kind() {
        for (pdu, expected) in [
            (
                &[0x31, 44, 200, 2, 0, 50, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2][..],
                "v3 vrid=44 prio=200 adv=500ms addr=10.0.0.1,10.0.0.2",
            ),
            (
                &[0x31, 1, 0, 0, 0xf3, 0xe8, 0, 0],
                "v3 vrid=1 prio=0 adv=10s addr=-",
            ),
            (
                &[0x31, 1, 0, 9, 0, 0, 0, 0, 1, 2, 3, 4, 5],
                "v3 vrid=1 prio=0 adv=0ms addr=1.2.3.4",
            ),
            (
                &[
                    0x21, 5, 100, 1, 0, 1, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
                ],
                "v2 vrid=5 prio=100 adv=1s addr=10.0.0.1",
            ),
            (
                &[0x41, 5, 100, 1, 0, 1, 0, 0],
                "v4 vrid=5 prio=100 adv=10ms addr=-",
            ),
            (&[0x21, 5, 100, 1, 0, 1, 0], "-"),
        ] {
            let packet = v4(pdu);
            assert_eq!(Described(Family::Ipv4, &packet).to_string(), expected);
            assert_eq!(source(Family::Ipv4, &packet), Some([10, 0, 0, 9].into()));
        }
        assert_eq!(Described(Family::Ipv6, &[0x60; 39]).to_string(), "-");
        assert_eq!(source(Family::Ipv6, &[0; 23]), None);
    }
}
