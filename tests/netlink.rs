//! What the kernel's link and address messages mean, and that no bytes can do
//! harm. The binary has no test harness, so its two pure files are tested here.

#[path = "../src/linux/netlink/message.rs"]
#[allow(dead_code)]
mod message;

#[path = "../src/linux/netlink/meaning.rs"]
#[allow(dead_code)]
mod meaning;

use std::net::IpAddr;

use message::Request;
use smena::event::{Link, LocalAddress};

const UP_AND_RUNNING: u32 = 0x41;

/// A link message of eth0, index 7.
fn link_message(family: u8, flags: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = [0; 16];
    body[0] = family;
    body[4..8].copy_from_slice(&7u32.to_ne_bytes());
    body[8..12].copy_from_slice(&flags.to_ne_bytes());
    message_of(meaning::NEW_LINK, &body, attributes)
}

/// An address message on index 7.
fn address_message(family: u8, flags: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let [a, b, c, d] = 7u32.to_ne_bytes();
    let body = [family, 24, flags, 0, a, b, c, d];
    message_of(meaning::NEW_ADDRESS, &body, attributes)
}

fn message_of(kind: u16, body: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut request = Request::new(kind, 0, body);
    for (kind, value) in attributes {
        request.attribute(*kind, value);
    }
    request.finish(5).to_vec()
}

fn link(bytes: &[u8]) -> Option<(Vec<u8>, Link)> {
    let (_, body, _) = message::split(bytes)?;
    meaning::link(body).map(|(name, link)| (name.to_vec(), link))
}

fn address(bytes: &[u8]) -> Option<(u32, LocalAddress)> {
    let (_, body, _) = message::split(bytes)?;
    meaning::address(body)
}

const NAME: (u16, &[u8]) = (meaning::LINK_NAME, b"eth0\0");
const MAC: (u16, &[u8]) = (meaning::LINK_MAC, &[2, 0, 0, 0, 0, 9]);
const MTU: (u16, &[u8]) = (meaning::LINK_MTU, &1500u32.to_ne_bytes());

#[test]
fn a_link_is_up_when_it_is_up_and_running() {
    let up = Link {
        index: 7,
        up: true,
        mac: [2, 0, 0, 0, 0, 9],
        mtu: 1500,
    };
    let told = link(&link_message(0, UP_AND_RUNNING, &[NAME, MAC, MTU]));
    assert_eq!(told, Some((b"eth0".to_vec(), up)));
    for flags in [0x0, 0x1, 0x40, 0x1_0000] {
        let told = link(&link_message(0, flags, &[NAME, MAC, MTU]));
        assert_eq!(told, Some((b"eth0".to_vec(), Link { up: false, ..up })));
    }
}

#[test]
fn a_hardware_address_of_another_length_is_none() {
    let infiniband = (meaning::LINK_MAC, &[1u8; 20][..]);
    let (_, told) = link(&link_message(0, 0, &[NAME, infiniband, MTU])).unwrap();
    assert_eq!(told.mac, [0; 6]);
}

#[test]
fn what_a_bridge_says_of_its_port_is_not_about_the_link() {
    const AF_BRIDGE: u8 = 7;
    assert_eq!(link(&link_message(AF_BRIDGE, 0, &[NAME, MAC, MTU])), None);
}

#[test]
fn a_wireless_event_without_an_mtu_is_not_about_the_link() {
    assert_eq!(link(&link_message(0, UP_AND_RUNNING, &[NAME])), None);
}

#[test]
fn the_local_address_counts_and_not_the_peers() {
    let message = address_message(
        meaning::INET,
        0,
        &[
            (meaning::ADDRESS, &[10, 0, 0, 2]),
            (meaning::LOCAL, &[10, 0, 0, 1]),
            (meaning::PROTOCOL, &[meaning::OURS]),
        ],
    );
    let local = LocalAddress {
        address: IpAddr::from([10, 0, 0, 1]),
        prefix_len: 24,
        usable: true,
        duplicate: false,
        secondary: false,
        ours: true,
    };
    assert_eq!(address(&message), Some((7, local)));
}

#[test]
fn the_long_flags_replace_the_short_ones() {
    let ip = (meaning::ADDRESS, &[0xfe; 16][..]);
    let tentative = 0x40;
    let cases: [(u8, Option<u32>, bool); 4] = [
        (tentative, None, false),
        (tentative, Some(0), true),
        (0, Some(0x40), false),
        (0, Some(0x08), false),
    ];
    for (short, long, usable) in cases {
        let long = long.map(u32::to_ne_bytes);
        let flags = long.as_ref().map(|long| (meaning::FLAGS, &long[..]));
        let attributes: Vec<_> = [Some(ip), flags].into_iter().flatten().collect();
        let (_, told) = address(&address_message(meaning::INET6, short, &attributes)).unwrap();
        assert_eq!(told.usable, usable, "{short} {long:?}");
    }
}

#[test]
fn a_temporary_ipv6_address_is_not_secondary() {
    let v6 = address_message(meaning::INET6, 1, &[(meaning::ADDRESS, &[0xfd; 16])]);
    assert!(!address(&v6).unwrap().1.secondary);
    let v4 = address_message(meaning::INET, 1, &[(meaning::LOCAL, &[10, 0, 0, 1])]);
    assert!(address(&v4).unwrap().1.secondary);
}

#[test]
fn a_refusal_is_an_error_number_of_the_kernel() {
    use rustix::io::Errno;
    let of = |code: i32| message::outcome(&code.to_ne_bytes());
    assert_eq!(of(0), Ok(()));
    assert_eq!(of(-1), Err(Errno::PERM));
    assert_eq!(of(-99), Err(Errno::ADDRNOTAVAIL));
    for nonsense in [-4096, i32::MIN, i32::MAX] {
        assert_eq!(of(nonsense), Err(Errno::IO));
    }
    assert_eq!(message::outcome(&[0, 0, 0]), Err(Errno::IO));
}

/// Each message cut at each byte, and with each byte replaced by the values
/// that break lengths: every outcome is fine but a panic.
#[test]
fn damaged_messages_are_read_without_harm() {
    let whole = [
        link_message(0, UP_AND_RUNNING, &[NAME, MAC, MTU]),
        address_message(meaning::INET, 0, &[(meaning::LOCAL, &[10, 0, 0, 1])]),
        address_message(meaning::INET6, 0, &[(meaning::ADDRESS, &[0xfd; 16])]),
    ];
    let mut read = 0;
    for message in &whole {
        for end in 0..=message.len() {
            for at in 0..end {
                for value in [0, 1, 3, 4, 5, 0x7f, 0x80, 0xff] {
                    let mut damaged = message[..end].to_vec();
                    damaged[at] = value;
                    read += read_all(&damaged);
                }
            }
        }
    }
    assert!(read > 0, "not one damaged message was readable");
}

/// Bytes without any sense, from a seed.
#[test]
fn random_bytes_are_read_without_harm() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut read = 0;
    for round in 0..200_000 {
        let mut bytes = [0; 64];
        for byte in &mut bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
        if round % 2 == 0 {
            // A believable head and first attribute, so that some are read on.
            bytes[..4].copy_from_slice(&64u32.to_ne_bytes());
            bytes[16] = [0, meaning::INET, meaning::INET6][round % 3];
            bytes[24..26].copy_from_slice(&[8u16, 20][round / 2 % 2].to_ne_bytes());
            bytes[26..28].copy_from_slice(&meaning::LOCAL.to_ne_bytes());
        }
        read += read_all(&bytes);
    }
    assert!(read > 0, "not one of them was readable");
}

/// Reads a datagram as the watcher does; how many messages made sense.
fn read_all(bytes: &[u8]) -> usize {
    let (mut at, mut read) = (0, 0);
    while let Some((_, body, length)) = message::split(bytes.get(at..).unwrap_or_default()) {
        assert!(length >= 16, "no progress");
        at += length;
        read += usize::from(meaning::link(body).is_some());
        read += usize::from(meaning::address(body).is_some());
        let _ = message::outcome(body);
    }
    read
}
