//! Signed adverts: those that another implementation of the trailer made, and
//! those of keepalived's own test, each also broken on purpose.

use std::net::IpAddr;

use smena::Duration;
use smena::key::Key;
use smena::protocol::{Checksum, Family, Version};
use smena::wire::{
    Advert, Auth, Delivery, Expectation, Hmac, Received, Reject, Signature, Verdict, emit_advert,
    judge,
};

use crate::json::Json;
use crate::{shared, skipped, unhex, wrap};

/// A key as a configuration file has it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word =
            group.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            text.push(DIGITS[(word >> (18 - 6 * place) & 63) as usize].into());
        }
    }
    text
}

/// A router that wants what is signed with these keys, and nothing else.
fn router<'c>(
    keys: &'c [Key<'c>],
    destination: IpAddr,
    fresh: Option<(u32, u32)>,
) -> Expectation<'c> {
    Expectation {
        version: Version::V3,
        auth: Auth::None,
        interval: Duration::from_secs(1),
        no_addresses: false,
        delivery: match destination.is_multicast() {
            true => Delivery::Group,
            false => Delivery::Unicast {
                own: Some(destination),
                listed: true,
                ttl: (255, 255),
            },
        },
        hmac: Some(Hmac {
            keys,
            required: true,
            fresh,
        }),
    }
}

fn judged<'p>(
    family: Family,
    packet: &'p [u8],
    router: Expectation<'_>,
) -> Result<Received<'p>, Reject> {
    match judge(family, packet, &|_| false, &|_, _| Some(router)) {
        Verdict::Accept(received) => Ok(received),
        Verdict::Discard(reject, _, _) => Err(reject),
        Verdict::NotVrrp => panic!("taken for another protocol"),
    }
}

/// tests/data/packets/signed.py made them.
#[test]
fn another_implementation_signs_alike() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/packets/signed.json"
    );
    let entries = Json::parse(&std::fs::read_to_string(file).unwrap());
    assert_eq!(entries.list().len(), 5);
    for entry in entries.list() {
        let packet = unhex(entry.get("hex").text());
        let address = |name| entry.get(name).text().parse::<IpAddr>().unwrap();
        let (source, destination) = (address("source"), address("destination"));
        let family = Family::of(&source);
        let id = entry.get("key_id").number().unwrap() as u8;
        let secret = base64(&unhex(entry.get("key").text()));
        let other = base64(&[7; 32]);
        let keys = [Key::new(9, &other).unwrap(), Key::new(id, &secret).unwrap()];
        let stamp = u64::from_str_radix(entry.get("stamp").text(), 16).unwrap();
        let received = judged(family, &packet, router(&keys, destination, None)).unwrap();
        assert_eq!(received.stamp, Some(stamp));
        assert_eq!(
            Some(received.priority.into()),
            entry.get("priority").number()
        );

        let listed = entry.get("addresses").list().iter();
        let listed: Vec<IpAddr> = listed.map(|a| a.text().parse().unwrap()).collect();
        let again = Advert {
            version: Version::V3,
            source,
            destination,
            virtual_router_id: entry.get("vrid").number().unwrap() as u8,
            priority: received.priority,
            interval: Duration::from_millis(
                10 * entry.get("centiseconds").number().unwrap() as u64,
            ),
            auth: Auth::None,
            checksum: match entry.get("form").text() {
                "pseudo" => Checksum::Pseudo,
                _ => Checksum::Rfc9568,
            },
            signature: Some(Signature {
                id,
                secret: keys[1].secret(),
                stamp,
            }),
            ip_id: 7,
        };
        let mut buffer = [0; 256];
        let length = emit_advert(&again, &mut listed.into_iter(), &mut buffer).unwrap();
        assert_eq!(buffer[..length], packet[..]);
        every_bit_counts(family, &packet, router(&keys, destination, None));
    }
}

/// What is signed can't be changed, even by somebody who can add up.
fn every_bit_counts(family: Family, packet: &[u8], router: Expectation<'_>) {
    let start = if family == Family::Ipv4 { 20 } else { 40 };
    for bit in 8 * start..8 * packet.len() {
        let mut flipped = packet.to_vec();
        flipped[bit / 8] ^= 0x80 >> (bit % 8);
        // The checksum is not signed.
        if (start + 6..start + 8).contains(&(bit / 8)) {
            continue;
        }
        reseal(family, start, &mut flipped);
        assert!(judged(family, &flipped, router).is_err(), "bit {bit}");
    }
}

/// Makes the checksum of a signed packet right again.
fn reseal(family: Family, start: usize, packet: &mut [u8]) {
    use crate::oracle::sum;
    let (addresses, trailer) = match family {
        Family::Ipv4 => (12..20, 28),
        Family::Ipv6 => (8..40, 0),
    };
    let end = packet.len() - trailer;
    packet[start + 6..start + 8].fill(0);
    let length = ((end - start) as u16).to_be_bytes();
    let parts: [&[u8]; 4] = [&packet[addresses], &[0, 112], &length, &packet[start..end]];
    let sum = !sum(&parts);
    packet[start + 6..start + 8].copy_from_slice(&sum.to_be_bytes());
}

/// The packets of keepalived's own test of the trailer, its mutations included.
#[test]
fn keepalived_hmac_vectors() {
    let Some(file) = shared("public-tests.json") else {
        return skipped("keepalived_hmac_vectors");
    };
    let text = base64(&(0..32).collect::<Vec<u8>>());
    let keys = [Key::new(1, &text).unwrap()];
    let entries = Json::parse(&String::from_utf8(file).unwrap());
    let mut judged_count = 0;
    for entry in entries.list() {
        let id = entry.get("id").text();
        let Some(name) = id.strip_prefix("hmac-") else {
            continue;
        };
        let (family, packet) = wrap(&unhex(entry.get("hex").text()), entry.get("decoded"));
        let destination: IpAddr = entry.get("decoded").get("dst").text().parse().unwrap();
        let router = router(&keys, destination, Some((0x6800_0000, 5)));
        let verdict = |packet: &[u8]| judged(family, packet, router).map(|_| ());
        let good = matches!(name, "v4" | "v6");
        // A mutation is noticed by its checksum already...
        let expected = if good { Ok(()) } else { Err(Reject::Checksum) };
        assert_eq!(verdict(&packet), expected, "{id}");
        // ...and with that made right, by what was changed.
        let mut sealed = packet.clone();
        reseal(
            family,
            if family == Family::Ipv4 { 20 } else { 40 },
            &mut sealed,
        );
        let expected = match name.rsplit('-').next().unwrap() {
            "v4" | "v6" | "cksum" => Ok(()),
            "exttype" | "rsv" => Err(Reject::AuthType),
            // One second off is still fresh.
            "prio" | "adv" | "vip" | "keyid" | "sec" | "ctr" | "hmac" => Err(Reject::Hmac),
            other => panic!("{other}"),
        };
        assert_eq!(verdict(&sealed), expected, "{id}");
        judged_count += 1;
    }
    assert_eq!(judged_count, 12);
}

/// The order of the last checks, and the edges of the window.
#[test]
fn freshness() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/packets/signed.json"
    );
    let entries = Json::parse(&std::fs::read_to_string(file).unwrap());
    let entry = &entries.list()[0];
    let packet = unhex(entry.get("hex").text());
    let (right, wrong) = (base64(&unhex(entry.get("key").text())), base64(&[9; 32]));
    let group = "224.0.0.18".parse().unwrap();
    let verdict = |id, secret: &str, fresh| {
        let keys = [Key::new(id, secret).unwrap()];
        judged(Family::Ipv4, &packet, router(&keys, group, fresh)).map(|_| ())
    };
    let sent = 0x6800_0000;
    for (now, expected) in [
        (sent, Ok(())),
        (sent + 5, Ok(())),
        (sent - 5, Ok(())),
        (sent + 6, Err(Reject::Stale)),
        (sent - 6, Err(Reject::Stale)),
        (sent + 0x8000_0000, Err(Reject::Stale)),
        (0, Err(Reject::Stale)),
    ] {
        assert_eq!(verdict(1, &right, Some((now, 5))), expected, "{now:x}");
    }
    // What is old is named so, whoever signed it.
    assert_eq!(verdict(1, &wrong, Some((0, 5))), Err(Reject::Stale));
    assert_eq!(verdict(1, &wrong, None), Err(Reject::Hmac));
    assert_eq!(verdict(2, &right, None), Err(Reject::Hmac));
    assert_eq!(verdict(1, &right, None), Ok(()));
}

/// A router without keys drops what has a trailer, one with keys what has none,
/// unless it is still being brought in.
#[test]
fn with_and_without() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/packets/signed.json"
    );
    let entries = Json::parse(&std::fs::read_to_string(file).unwrap());
    let entry = &entries.list()[0];
    let signed = unhex(entry.get("hex").text());
    let mut plain = signed[..signed.len() - 28].to_vec();
    plain[3] -= 28;
    plain[10..12].fill(0);
    let sum = !crate::oracle::sum(&[&plain[..20]]);
    plain[10..12].copy_from_slice(&sum.to_be_bytes());
    let secret = base64(&unhex(entry.get("key").text()));
    let keys = [Key::new(1, &secret).unwrap()];
    let group = "224.0.0.18".parse().unwrap();
    let enforcing = router(&keys, group, None);
    let mut permissive = enforcing;
    permissive.hmac = enforcing.hmac.map(|hmac| Hmac {
        required: false,
        ..hmac
    });
    let mut without = enforcing;
    without.hmac = None;
    for (router, of_signed, of_plain) in [
        (enforcing, Ok(()), Err(Reject::AuthType)),
        (permissive, Ok(()), Ok(())),
        (without, Err(Reject::Length), Ok(())),
    ] {
        let verdict = |packet: &[u8]| judged(Family::Ipv4, packet, router).map(|_| ());
        assert_eq!(verdict(&signed), of_signed);
        assert_eq!(verdict(&plain), of_plain);
    }
    // Half a trailer is none.
    for cut in 1..28 {
        let mut cut = signed[..signed.len() - cut].to_vec();
        cut[3] = cut.len() as u8;
        cut[10..12].fill(0);
        let sum = !crate::oracle::sum(&[&cut[..20]]);
        cut[10..12].copy_from_slice(&sum.to_be_bytes());
        let verdict = judged(Family::Ipv4, &cut, permissive).map(|_| ());
        assert_eq!(verdict, Err(Reject::Length));
    }
}
