//! Packets broken on purpose: every single bit, random damage with the checksums
//! made right around it, noise, and all defects at once.

use std::net::{IpAddr, Ipv4Addr};

use smena::Duration;
use smena::protocol::{Checksum, Family, Version};
use smena::wire::{
    Advert, Auth, Delivery, Expectation, Reject, Verdict, emit_advert, group, judge,
};

use crate::oracle;

/// What the fuzz tests' router with id 51 wants, one of each kind.
const ROUTERS: [(Family, Expectation<'_>); 4] = {
    let plain = Expectation {
        version: Version::V2,
        auth: Auth::None,
        interval: Duration::from_secs(1),
        no_addresses: false,
        delivery: Delivery::Group,
        hmac: None,
    };
    let v3 = Expectation {
        version: Version::V3,
        ..plain
    };
    let password = Expectation {
        auth: Auth::Simple(*b"wimark12"),
        ..plain
    };
    [
        (Family::Ipv4, plain),
        (Family::Ipv4, v3),
        (Family::Ipv4, password),
        (Family::Ipv6, v3),
    ]
};

fn sample(family: Family, router: Expectation<'_>, priority: u8) -> Vec<u8> {
    let (source, addresses): (IpAddr, [IpAddr; 2]) = match family {
        Family::Ipv4 => {
            let [one, two] = [100, 101].map(|n| Ipv4Addr::new(10, 0, 0, n).into());
            (Ipv4Addr::new(10, 0, 0, 2).into(), [one, two])
        }
        Family::Ipv6 => {
            let [one, two] = ["fe80::100", "2001:db8::100"].map(|a| a.parse().unwrap());
            ("fe80::2".parse().unwrap(), [one, two])
        }
    };
    let advert = Advert {
        version: router.version,
        source,
        destination: group(family),
        virtual_router_id: 51,
        priority,
        interval: router.interval,
        auth: router.auth,
        checksum: Checksum::Pseudo,
        signature: None,
        ip_id: 7,
    };
    let mut buffer = [0; 256];
    let len = emit_advert(&advert, &mut addresses.into_iter(), &mut buffer).unwrap();
    buffer[..len].to_vec()
}

fn accepts(family: Family, packet: &[u8], router: Expectation<'_>) -> bool {
    let find = |id, _| (id == 51).then_some(router);
    matches!(judge(family, packet, &|_| false, &find), Verdict::Accept(_))
}

/// 79: one flipped bit is noticed wherever it is, but for IPv6's traffic class
/// and flow label, which nobody protects and nobody reads.
#[test]
fn every_flipped_bit_is_noticed() {
    for (family, router) in ROUTERS {
        for priority in 0..=255 {
            let packet = sample(family, router, priority);
            assert!(accepts(family, &packet, router));
            for bit in 0..8 * packet.len() {
                let mut flipped = packet.clone();
                flipped[bit / 8] ^= 0x80 >> (bit % 8);
                let ignored = family == Family::Ipv6 && (4..32).contains(&bit);
                assert_eq!(accepts(family, &flipped, router), ignored, "bit {bit}");
            }
        }
    }
}

/// 79: whatever is done to a packet, the receiver does not panic, and accepts
/// exactly what the plain description of an acceptable packet does.
#[test]
fn mutations() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut accepted, mut discarded) = (0, 0);
    for _ in 0..400_000 {
        let (family, router) = ROUTERS[random.below(ROUTERS.len())];
        let mut packet = sample(family, router, 100);
        for _ in 0..random.below(4) {
            mutate(&mut packet, &mut random);
        }
        if random.below(2) == 0 {
            seal(family, &mut packet, random.below(2) == 0);
        }
        let verdict = accepts(family, &packet, router);
        assert_eq!(
            verdict,
            oracle::accepts(family, &packet, router),
            "{packet:02x?}"
        );
        if verdict {
            accepted += 1
        } else {
            discarded += 1
        }
    }
    assert!(
        accepted > 50_000 && discarded > 50_000,
        "{accepted} accepted, {discarded} not"
    );
}

/// Bytes without any structure, at any length.
#[test]
fn noise() {
    let mut random = Random(1);
    for _ in 0..200_000 {
        let mut bytes: Vec<u8> = (0..random.below(96)).map(|_| random.byte()).collect();
        if let (Some(first), 0) = (bytes.first_mut(), random.below(2)) {
            *first = [0x45, 0x46, 0x60][random.below(3)];
        }
        for (family, router) in ROUTERS {
            let verdict = accepts(family, &bytes, router);
            assert_eq!(
                verdict,
                oracle::accepts(family, &bytes, router),
                "{bytes:02x?}"
            );
        }
    }
}

fn mutate(packet: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(packet.len().max(1));
    match random.below(8) {
        0 if !packet.is_empty() => packet[at] ^= 1 << random.below(8),
        1 if !packet.is_empty() => packet[at] = random.byte(),
        2 if !packet.is_empty() => packet[at] = [0, 0xff][random.below(2)],
        3 => packet.truncate(at),
        4 => packet.extend((0..random.below(20)).map(|_| 0)),
        5 => packet.insert(at, random.byte()),
        6 if packet.len() > 40 => packet.swap(at, 20 + random.below(20)),
        _ if packet.len() > 24 => {
            // The header fields that the checks are about.
            let field = [0, 3, 6, 7, 8, 9, 12, 16, 20, 21, 23, 24][random.below(12)];
            packet[field] = packet[field].wrapping_add(random.byte() % 3);
        }
        _ => {}
    }
}

/// Makes lengths and checksums right, so that what lies behind them is reached.
fn seal(family: Family, packet: &mut [u8], pseudo: bool) {
    let len = packet.len();
    let header = match family {
        Family::Ipv4 if len >= 28 => 20,
        Family::Ipv6 if len >= 48 => 40,
        _ => return,
    };
    let pdu_len = ((len - header) as u16).to_be_bytes();
    let addresses = match family {
        Family::Ipv4 => {
            packet[0] = 0x45;
            packet[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            packet[10..12].fill(0);
            let sum = !oracle::sum(&[&packet[..20]]);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
            12..20
        }
        Family::Ipv6 => {
            packet[4..6].copy_from_slice(&pdu_len);
            8..40
        }
    };
    packet[header + 6..header + 8].fill(0);
    let sum = if pseudo {
        oracle::sum(&[&packet[addresses], &[0, 112], &pdu_len, &packet[header..]])
    } else {
        oracle::sum(&[&packet[header..]])
    };
    packet[header + 6..header + 8].copy_from_slice(&(!sum).to_be_bytes());
}

/// The order of the checks: a packet with every defect at once loses them one
/// by one, and is named each time for the first that is left.
#[test]
fn the_first_defect_names_the_packet() {
    let (family, router) = ROUTERS[2];
    let good = sample(family, router, 100);
    // Version and type share a byte, so the version is repaired with the type
    // still wrong; the length is told by the count.
    let defects: [(&str, usize, &[u8]); 13] = [
        ("fragment", 6, &[0x20]),
        ("own", 15, &[1]),
        ("ttl", 8, &[1]),
        ("version", 20, &[0x42]),
        ("length", 23, &[9]),
        ("checksum", 28, &[99]),
        ("vrid", 21, &[9]),
        ("type", 20, &[0x22]),
        ("destination", 19, &[5]),
        ("source", 12, &[127]),
        ("auth-type", 24, &[2]),
        ("auth-data", 36, &[0]),
        ("interval", 25, &[2]),
    ];
    for (left, (name, _, _)) in defects.iter().enumerate() {
        let mut packet = good.clone();
        for (_, at, bytes) in defects[left..].iter().rev() {
            packet[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        // The last byte of the source is the second defect.
        let own = |_| left <= 1;
        if left > 5 {
            seal(family, &mut packet, false);
        } else {
            packet[10..12].fill(0);
            let sum = !oracle::sum(&[&packet[..20]]);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        let find = |id, _| (id == 51).then_some(router);
        match judge(family, &packet, &own, &find) {
            Verdict::Discard(reject, _, _) => assert_eq!(reject.name(), *name),
            verdict => panic!("{name}: {verdict:?}"),
        }
    }
    let mut broken = good;
    broken[6] = 0x20;
    let verdict = judge(family, &broken, &|_| true, &|_, _| None);
    assert!(
        matches!(verdict, Verdict::Discard(Reject::IpHeader, _, _)),
        "{verdict:?}"
    );
}

/// A small generator (xorshift64*): the same packets in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}
