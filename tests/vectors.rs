//! Packets with verdicts: what keepalived sent, what other projects test with,
//! captures, and packets broken on purpose.

#[path = "vectors/broken.rs"]
mod broken;
#[path = "vectors/json.rs"]
mod json;
#[path = "vectors/oracle.rs"]
mod oracle;
#[path = "vectors/replay.rs"]
mod replay;
#[path = "vectors/signed.rs"]
mod signed;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use json::Json;
use smena::Duration;
use smena::protocol::{Checksum, Family, Version};
use smena::wire::{
    Advert, Auth, Delivery, Expectation, Verdict, emit_advert, emit_arp,
    emit_neighbor_advertisement, judge,
};

/// Every packet that keepalived 2.2.7 sent in the lab: judged, decoded, and
/// written again from its meaning, byte for byte.
#[test]
fn keepalived_lab() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/packets/keepalived-lab.json"
    );
    let entries = Json::parse(&std::fs::read_to_string(file).unwrap());
    let mut adverts = 0;
    let mut announcements = 0;
    for entry in entries.list() {
        let id = entry.get("id").text();
        let frame = unhex(entry.get("hex").text());
        let packet = &frame[14..];
        match entry.get("proto").text() {
            "vrrp" => {
                assert!(entry.get("expect").text().starts_with("accept"), "{id}");
                check_advert(id, packet, entry.get("decoded"));
                adverts += 1;
            }
            "arp" => {
                let mut buffer = [0; 28];
                let address = Ipv4Addr::from_octets(packet[14..18].try_into().unwrap());
                let mac = packet[8..14].try_into().unwrap();
                assert_eq!(emit_arp(mac, address, &mut buffer), Some(28));
                assert_eq!(&buffer[..], &packet[..28], "{id}");
                announcements += 1;
            }
            "icmp6" => {
                let mut buffer = [0; 72];
                let address = Ipv6Addr::from_octets(packet[8..24].try_into().unwrap());
                let mac = packet[66..72].try_into().unwrap();
                let len = emit_neighbor_advertisement(mac, address, false, &mut buffer);
                assert_eq!(len, Some(72));
                assert_eq!(&buffer[..], packet, "{id}");
                announcements += 1;
            }
            other => panic!("{id}: {other}"),
        }
    }
    assert_eq!((adverts, announcements), (55, 32));
}

fn check_advert(id: &str, packet: &[u8], decoded: &Json) {
    let source: IpAddr = decoded.get("src").text().parse().unwrap();
    let destination: IpAddr = decoded.get("dst").text().parse().unwrap();
    let family = Family::of(&source);
    let mut router = expectation_of(decoded);
    if !destination.is_multicast() {
        router.delivery = Delivery::Unicast {
            own: Some(destination),
            listed: true,
            ttl: (255, 255),
        };
    }
    let id_byte = decoded.get("vrid").number().unwrap() as u8;
    let find = |vrid, _| (vrid == id_byte).then_some(router);
    let received = match judge(family, packet, &|_| false, &find) {
        Verdict::Accept(received) => received,
        verdict => panic!("{id}: {verdict:?}"),
    };
    let listed = decoded.get("addrs").list().iter();
    let listed: Vec<IpAddr> = listed.map(|a| a.text().parse().unwrap()).collect();
    assert_eq!(
        (received.source, received.destination),
        (source, destination),
        "{id}"
    );
    assert_eq!(received.version, router.version, "{id}");
    assert_eq!(received.virtual_router_id, id_byte, "{id}");
    assert_eq!(
        Some(received.priority.into()),
        decoded.get("prio").number(),
        "{id}"
    );
    assert_eq!(received.interval, router.interval, "{id}");
    assert!(received.addresses.iter().eq(listed.iter().copied()), "{id}");
    assert!(
        received
            .addresses
            .same_set(&mut listed.iter().rev().copied()),
        "{id}"
    );

    let again = Advert {
        version: received.version,
        source,
        destination,
        virtual_router_id: id_byte,
        priority: received.priority,
        interval: received.interval,
        auth: router.auth,
        checksum: received.checksum.unwrap_or(Checksum::Pseudo),
        signature: None,
        ip_id: u16::from_be_bytes([packet[4], packet[5]]),
    };
    let mut buffer = [0; 1500];
    let len = emit_advert(&again, &mut listed.into_iter(), &mut buffer).unwrap();
    if family == Family::Ipv6 {
        // keepalived's kernel fills in a flow label, ours is zero.
        buffer[1..4].copy_from_slice(&packet[1..4]);
    }
    assert_eq!(&buffer[..len], packet, "{id}");
}

const V3: Expectation<'_> = Expectation {
    version: Version::V3,
    auth: Auth::None,
    interval: Duration::from_secs(1),
    no_addresses: false,
    delivery: Delivery::Group,
    hmac: None,
};

/// What a router would want that is configured as the sender is.
fn expectation_of(decoded: &Json) -> Expectation<'static> {
    let (version, interval) = match decoded.get("ver").number() {
        Some(2) => {
            let seconds = decoded.get("adv").number().unwrap();
            (Version::V2, Duration::from_secs(seconds as u64))
        }
        _ => {
            let centiseconds = decoded.get("adv_cs").number().unwrap_or(100);
            (Version::V3, Duration::from_millis(10 * centiseconds as u64))
        }
    };
    let auth = match decoded.get("auth").number() {
        Some(1) => {
            let data = unhex(decoded.get("authdata").text());
            Auth::Simple(data.try_into().unwrap())
        }
        _ => Auth::None,
    };
    Expectation {
        version,
        auth,
        interval,
        no_addresses: false,
        delivery: Delivery::Group,
        hmac: None,
    }
}

/// Packets out of other projects' tests, each with the verdict it has here.
#[test]
fn public_tests() {
    let Some(file) = shared("public-tests.json") else {
        return skipped("public_tests");
    };
    let entries = Json::parse(&String::from_utf8(file).unwrap());
    let mut judged = 0;
    for entry in entries.list() {
        let id = entry.get("id").text();
        let Some(expected) = public_verdict(id, entry.get("expect").text()) else {
            println!(
                "{id} is not for this receiver: {}",
                entry.get("note").text()
            );
            continue;
        };
        let bytes = unhex(entry.get("hex").text());
        let decoded = entry.get("decoded");
        let (family, packet) = match entry.get("level").text() {
            "eth" => from_ethernet(&bytes).unwrap(),
            _ => wrap(&bytes, decoded),
        };
        let router = match decoded {
            Json::Null => V3,
            decoded => expectation_of(decoded),
        };
        let verdict = judge(family, &packet, &|_| false, &|_, _| Some(router));
        let verdict = match verdict {
            Verdict::Accept(received) => {
                let listed = decoded.get("addrs").list().iter().map(|a| a.text().parse());
                let listed: Vec<IpAddr> = listed.map(Result::unwrap).collect();
                assert!(received.addresses.iter().eq(listed), "{id}");
                assert_eq!(
                    decoded.get("prio").number(),
                    Some(received.priority.into()),
                    "{id}"
                );
                "accept"
            }
            Verdict::Discard(reject, _, _) => reject.name(),
            Verdict::NotVrrp => "not-vrrp",
        };
        assert_eq!(verdict, expected, "{id}");
        judged += 1;
    }
    assert!(judged >= 45, "only {judged} packets were judged");
}

/// The name of the first check that the packet fails. `None`: it has no verdict
/// that a receiver could come to.
fn public_verdict(id: &str, expect: &str) -> Option<&'static str> {
    Some(match id {
        // The source is not given, so its checksum cannot be told; a bare header.
        "holo-v3v6" | "holo-iphdr" => return None,
        "scapy-v3v6" => "source",
        "scapy-short-v2" => "count",
        "pcpp-v2-noauthtrailer" | "lagopus-badcount" | "lagopus-count0" => "length",
        "lagopus-badck" | "lagopus-badtype" => "checksum",
        "lagopus-badttl" => "ip-header",
        "lagopus-badver" => "version",
        id if id.starts_with("vrrp-oobr2-") => "ip-header",
        // No router here is configured for an authentication trailer; those of
        // `signed` are.
        id if id.starts_with("hmac-") => "length",
        _ if expect == "accept" => "accept",
        id => panic!("{id}: no verdict known for {expect:?}"),
    })
}

/// Puts an IP header around a bare VRRP packet.
fn wrap(pdu: &[u8], decoded: &Json) -> (Family, Vec<u8>) {
    let source: IpAddr = decoded.get("src").text().parse().unwrap();
    let destination: IpAddr = decoded.get("dst").text().parse().unwrap();
    let len = pdu.len() as u8;
    let mut packet = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = vec![0x45, 0, 0, 20 + len, 0, 0, 0, 0, 255, 112, 0, 0];
            header.extend(source.octets().into_iter().chain(destination.octets()));
            let sum = !oracle::sum(&[&header]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut header = vec![0x60, 0, 0, 0, 0, len, 112, 255];
            header.extend(source.octets().into_iter().chain(destination.octets()));
            header
        }
        _ => panic!("two families"),
    };
    packet.extend(pdu);
    (Family::of(&source), packet)
}

fn from_ethernet(frame: &[u8]) -> Option<(Family, Vec<u8>)> {
    let family = match frame.get(12..14)? {
        [0x08, 0x00] => Family::Ipv4,
        [0x86, 0xdd] => Family::Ipv6,
        _ => return None,
    };
    Some((family, frame[14..].to_vec()))
}

/// A hand-over between two MikroTik routers, five virtual routers in three
/// versions and families: every advert is accepted.
#[test]
fn capture_of_a_handover() {
    let Some(file) = shared("mikrotik-handover.pcap") else {
        return skipped("capture_of_a_handover");
    };
    let (mut accepted, mut resigned, mut others) = (0, 0, 0);
    for frame in frames(&file) {
        let Some((family, packet)) = from_ethernet(frame) else {
            others += 1;
            continue;
        };
        match judge(family, &packet, &|_| false, &mikrotik) {
            Verdict::Accept(received) => {
                accepted += 1;
                resigned += usize::from(received.priority == 0);
            }
            Verdict::NotVrrp => others += 1,
            verdict => panic!("{verdict:?}"),
        }
    }
    assert_eq!((accepted, resigned, others), (165, 0, 0));
}

/// The routers of that capture.
fn mikrotik(id: u8, _: IpAddr) -> Option<Expectation<'static>> {
    let (version, auth) = match id {
        42 => (Version::V2, Auth::Simple(*b"abcdefgh")),
        43 => (Version::V2, Auth::None),
        44..=46 => (Version::V3, Auth::None),
        _ => return None,
    };
    Some(Expectation {
        version,
        auth,
        interval: Duration::from_secs(10),
        no_addresses: false,
        delivery: Delivery::Group,
        hmac: None,
    })
}

/// What a fuzzer found against another dissector: cut short and contradictory.
#[test]
fn capture_of_a_fuzzer() {
    let Some(file) = shared("tcpdump_oobr2.pcap") else {
        return skipped("capture_of_a_fuzzer");
    };
    let mut count = 0;
    for frame in frames(&file) {
        for family in [Family::Ipv4, Family::Ipv6] {
            for start in 0..frame.len() {
                let verdict = judge(family, &frame[start..], &|_| false, &mikrotik);
                assert!(!matches!(verdict, Verdict::Accept(_)), "{verdict:?}");
            }
        }
        count += 1;
    }
    assert_eq!(count, 10);
}

/// The frames of a little-endian classic capture file.
fn frames(file: &[u8]) -> Vec<&[u8]> {
    assert_eq!(file[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while let Some((head, after)) = rest.split_at_checked(16) {
        let len = u32::from_le_bytes(head[8..12].try_into().unwrap()) as usize;
        let (frame, after) = after.split_at(len.min(after.len()));
        frames.push(frame);
        rest = after;
    }
    frames
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = (0..text.len()).step_by(2).map(|at| &text[at..at + 2]);
    digits
        .map(|two| u8::from_str_radix(two, 16).unwrap())
        .collect()
}

/// A file of packets that may not be part of the project. Cargo names the
/// project's folder at run time too, so a copy of the tests finds its own.
fn shared(name: &str) -> Option<Vec<u8>> {
    let project = std::env::var("CARGO_MANIFEST_DIR").expect("run by cargo");
    std::fs::read(PathBuf::from(project).join("../shared/vectors").join(name)).ok()
}

/// Says so past the harness, which would keep it to itself.
fn skipped(name: &str) {
    let line = format!("\nSKIPPED vectors::{name}: no ../shared/vectors beside the project\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}
