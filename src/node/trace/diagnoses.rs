//! Each diagnosis is produced by the situation itself, and ends with it.

use std::string::String;
use std::vec;

use super::*;
use crate::diagnosis::Code;
use crate::key::Key;
use crate::protocol::Checksum;

/// Makes the checksums right again after a change, the advert's without a
/// pseudo-header.
fn seal(packet: &mut [u8]) {
    for (range, at) in [(0..20, 10), (20..packet.len(), 26)] {
        packet[at..at + 2].fill(0);
        let words = packet[range].chunks(2);
        let mut sum: u32 = words
            .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
            .sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        packet[at..at + 2].copy_from_slice(&(!sum as u16).to_be_bytes());
    }
}

/// An advert of 10.0.0.3 with these addresses.
fn listing(addresses: &[&str], change: impl FnOnce(&mut Advert)) -> Vec<u8> {
    let mut advert = Advert {
        version: Version::V2,
        source: IpAddr::from([10, 0, 0, 3]),
        destination: wire::group(Family::Ipv4),
        virtual_router_id: 51,
        priority: 100,
        interval: Duration::from_secs(1),
        auth: Auth::None,
        checksum: Checksum::Pseudo,
        signature: None,
        ip_id: 1,
    };
    change(&mut advert);
    let mut buffer = [0; 256];
    let mut addresses = addresses.iter().map(|text| text.parse().unwrap());
    let length = wire::emit_advert(&advert, &mut addresses, &mut buffer).unwrap();
    buffer[..length].to_vec()
}

impl Trace {
    /// Hears a packet, whatever it leads to.
    pub(super) fn takes(&mut self, ms: i64, packet: &[u8]) {
        self.skip(ms);
        let event = Event::Packet(ETH0, Family::Ipv4, packet);
        let at = Instant::from_millis(ms);
        self.node.process(at, event, &mut self.actions);
    }

    /// The diagnoses at a moment, as `code peer: text`.
    fn wrong(&self, ms: i64) -> Vec<String> {
        let now = Instant::from_millis(ms);
        let found = self.node.diagnoses(now, R);
        found
            .map(|finding| {
                let (code, peer) = (finding.evidence.code, crate::diagnosis::Peer(finding));
                let text = self.node.diagnosis(now, R, finding);
                format!("{} {peer}: {text}", code.name())
            })
            .collect()
    }

    pub(super) fn codes(&self, ms: i64) -> Vec<Code> {
        let now = Instant::from_millis(ms);
        self.node
            .diagnoses(now, R)
            .map(|f| f.evidence.code)
            .collect()
    }

    #[track_caller]
    pub(super) fn says(&self, ms: i64, expected: &[&str]) {
        assert_eq!(self.wrong(ms), expected);
    }
}

#[test]
fn nothing_is_wrong_with_an_ordinary_peer() {
    let mut trace = Trace::backup(PAIR);
    for second in 1..20 {
        trace.takes(1000 * second, &packet(|advert| advert.priority = 101));
        // Other routers are ordinary on a shared link.
        let other = listing(&["192.0.2.77"], |advert| advert.virtual_router_id = 7);
        trace.takes(1000 * second + 1, &other);
    }
    trace.says(20_000, &[]);
    // It leaves, we are master, it comes back and is better.
    trace.takes(20_000, &packet(|advert| advert.priority = 0));
    trace.skip(22_000);
    trace.is(Role::Master);
    trace.takes(22_100, &packet(|advert| advert.priority = 101));
    trace.is(Role::Backup);
    trace.takes(23_100, &packet(|advert| advert.priority = 101));
    trace.says(23_200, &[]);
}

/// The typing error of the space-vdi pair: 5 against 51.
#[test]
fn foreign_vrid_same_address() {
    let mut trace = Trace::master(PAIR);
    let typo = packet(|advert| advert.virtual_router_id = 5);
    trace.takes(4100, &typo);
    trace.says(
        4100,
        &[
            "foreign-vrid-same-address 10.0.0.3: 10.0.0.3 announces 192.0.2.1 under id 5: set \
           virtual_router_id = 5 in [vrrp VI_1], or 51 on 10.0.0.3; until then both are master",
        ],
    );
    // Not seen for a minute, it is over; three intervals where those are longer.
    trace.says(64_101, &[]);
    trace.takes(64_000, &typo);
    assert_eq!(trace.codes(124_000), [Code::ForeignVrid]);
    // The mend, and the proof.
    trace.takes(124_500, &packet(|_| {}));
    assert!(!trace.codes(124_500).contains(&Code::ForeignVrid));
    let mut slow = Trace::backup(&format!("{PAIR}advert_int = 30s\n"));
    slow.takes(1000, &typo);
    assert_eq!(slow.codes(91_000), [Code::ForeignVrid]);
    slow.says(91_001, &[]);
}

#[test]
fn what_keeps_two_routers_from_hearing_each_other() {
    let pass = format!("{PAIR}auth_pass = wimark12\n");
    let mut ttl = packet(|_| {});
    ttl[8] = 64;
    seal(&mut ttl);
    let mut checksum = packet(|_| {});
    checksum[26] ^= 1;
    let mut unicast = packet(|_| {});
    unicast[16..20].copy_from_slice(&[10, 0, 0, 2]);
    seal(&mut unicast);
    let mut header = packet(|advert| advert.auth = Auth::Simple([0; 8]));
    header[24] = 2;
    seal(&mut header);
    let cases = [
        (
            PAIR,
            packet(|advert| advert.version = Version::V3),
            "version 10.0.0.3: 10.0.0.3 speaks version 3: set version = 3 in [vrrp VI_1], \
             or version 2 on 10.0.0.3",
        ),
        (
            PAIR,
            packet(|advert| advert.interval = Duration::from_secs(2)),
            "interval 10.0.0.3: 10.0.0.3 has the interval 2s, this node 1s: \
             set advert_int = 2s in [vrrp VI_1], or 1s on 10.0.0.3",
        ),
        (
            pass.as_str(),
            packet(|_| {}),
            "auth-missing 10.0.0.3: 10.0.0.3 sends no password: \
             give it the auth_pass of [vrrp VI_1], or remove it here",
        ),
        (
            PAIR,
            packet(|advert| advert.auth = Auth::Simple(*b"wimark12")),
            "auth-unexpected 10.0.0.3: 10.0.0.3 sends a password: \
             set its auth_pass in [vrrp VI_1], or remove it on 10.0.0.3",
        ),
        (
            pass.as_str(),
            packet(|advert| advert.auth = Auth::Simple(*b"wimark13")),
            "auth-data 10.0.0.3: 10.0.0.3 sends another password: write the same auth_pass \
             in [vrrp VI_1] and on 10.0.0.3, in its first 8 bytes",
        ),
        (
            PAIR,
            header,
            "auth-type 10.0.0.3: 10.0.0.3 sends authentication type 2: \
             use auth_type PASS on it, or none on both",
        ),
        (
            PAIR,
            checksum,
            "checksum 10.0.0.3: adverts of 10.0.0.3 have a wrong checksum in every form: \
             something changes them on the way, or offloading on 10.0.0.3 breaks them",
        ),
        (
            PAIR,
            ttl,
            "ttl 10.0.0.3: adverts of 10.0.0.3 come with TTL 64 instead of 255: \
             put both nodes on one link, or let 10.0.0.3 send 255",
        ),
        (
            PAIR,
            unicast,
            "unicast-peer 10.0.0.3: 10.0.0.3 sends to 10.0.0.2 and not to the group: \
             set unicast_src_ip = 10.0.0.2 and unicast_peer = 10.0.0.3 in [vrrp VI_1], \
             or remove unicast_peer on 10.0.0.3",
        ),
    ];
    for (text, packet, expected) in cases {
        let mut trace = Trace::backup(text);
        trace.takes(100, &packet);
        trace.says(100, &[expected]);
        let mut trace = Trace::master(text);
        trace.takes(4100, &packet);
        let both = format!("{expected}; until then both are master");
        trace.says(4100, &[&both]);
    }
}

/// 20, 21: the group against single peers, and one who is not in the list.
#[test]
fn n20_n21_multicast_and_strangers() {
    let text = format!("{PAIR}unicast_src_ip = 10.0.0.2\nunicast_peer = 10.0.0.3\n");
    let mut trace = Trace::backup(&text);
    trace.takes(100, &packet(|_| {}));
    trace.says(
        100,
        &[
            "multicast-peer 10.0.0.3: 10.0.0.3 sends to the group: set unicast_peer = 10.0.0.2 \
           on 10.0.0.3, or remove unicast_peer from [vrrp VI_1]",
        ],
    );
    let mut trace = Trace::backup(&text);
    let stranger = packet(|advert| {
        advert.source = IpAddr::from([10, 0, 0, 9]);
        advert.destination = IpAddr::from([10, 0, 0, 2]);
    });
    trace.takes(100, &stranger);
    trace.says(
        100,
        &[
            "unknown-peer 10.0.0.9: 10.0.0.9 is not in the list: add unicast_peer = 10.0.0.9 to \
           [vrrp VI_1], or remove 10.0.0.2 from its list",
        ],
    );
}

/// One has keys and the other has not, or has others, or another clock.
#[test]
fn signatures() {
    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let v3 = format!("{PAIR}version = 3\n");
    let keyed = format!("{v3}auth_hmac = 1:{KEY}\n");
    const OTHER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let signed = |key: &'static str, stamp: u64| {
        packet(|advert| {
            advert.version = Version::V3;
            advert.priority = 101;
            advert.signature = Some(wire::Signature {
                id: 1,
                secret: Key::new(1, key).unwrap().secret(),
                stamp: wire::stamp(stamp),
            });
        })
    };
    let unsigned = packet(|advert| advert.version = Version::V3);
    let cases = [
        (
            &keyed,
            unsigned,
            "hmac-missing 10.0.0.3: 10.0.0.3 does not sign its adverts: give it the auth_hmac of \
             [vrrp VI_1], or set auth_mode = permissive",
        ),
        (
            &v3,
            signed(KEY, 0),
            "hmac-unexpected 10.0.0.3: 10.0.0.3 signs its adverts: set its auth_hmac in \
             [vrrp VI_1], or remove it on 10.0.0.3",
        ),
        (
            &keyed,
            signed(OTHER, 0),
            "hmac 10.0.0.3: no key of [vrrp VI_1] fits the adverts of 10.0.0.3: write the same \
             auth_hmac in both",
        ),
        (
            &keyed,
            signed(KEY, 600_000_000),
            "stale 10.0.0.3: adverts of 10.0.0.3 are too old: set the clocks of both nodes, with \
             NTP for instance",
        ),
    ];
    for (text, packet, expected) in cases {
        let mut trace = Trace::backup(text);
        trace.takes(100, &packet);
        trace.says(100, &[expected]);
    }
    let mut trace = Trace::backup(&keyed);
    trace.takes(100, &signed(KEY, 100_000));
    trace.says(100, &[]);
    trace.takes(200, &signed(KEY, 100_000));
    trace.says(
        200,
        &[
            "replayed 10.0.0.3: adverts of 10.0.0.3 come again: somebody repeats them, or two \
           nodes share a key and a source",
        ],
    );
}

/// A set checksum is not given up for the peer's, which may not accept it.
#[test]
fn the_other_form_of_the_checksum() {
    let mut trace = Trace::backup(&format!("{PAIR}version = 3\nchecksum = rfc9568\n"));
    let pseudo = |advert: &mut Advert| {
        advert.version = Version::V3;
        advert.priority = 101;
    };
    trace.takes(100, &packet(pseudo));
    trace.says(
        100,
        &[
            "checksum-form 10.0.0.3: 10.0.0.3 sums its adverts in the other form and may refuse \
           ours: remove checksum from [vrrp VI_1], or set the other value",
        ],
    );
}

// 12 to 14: both ways, in whatever order, and two pairs that share an id only.
#[test]
fn the_same_id_with_other_addresses() {
    let text = format!("{PAIR}address = 192.0.2.2\n");
    let said = |addresses: &[&str]| {
        let mut trace = Trace::backup(&text);
        trace.takes(100, &listing(addresses, |advert| advert.priority = 101));
        trace.wrong(100)
    };
    let missing = "address-missing 10.0.0.3: 10.0.0.3 does not announce 192.0.2.2: \
                   add it there, or remove address = 192.0.2.2 from [vrrp VI_1]";
    let extra = "address-extra 10.0.0.3: 10.0.0.3 announces 192.0.2.3 as well: \
                 add address = 192.0.2.3 to [vrrp VI_1], or remove it on 10.0.0.3";
    assert_eq!(said(&["192.0.2.2", "192.0.2.1"]), [""; 0]);
    assert_eq!(said(&["192.0.2.1"]), [missing]);
    assert_eq!(said(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]), [extra]);
    assert_eq!(said(&["192.0.2.1", "192.0.2.3"]), [missing, extra]);
    assert_eq!(
        said(&["198.51.100.9"]),
        [
            "same-vrid-other-addresses 10.0.0.3: 10.0.0.3 uses id 51 for other addresses, such as \
          198.51.100.9: give one of the two pairs another virtual_router_id, or write the same \
          addresses in both"
        ]
    );
    let mut none = listing(&["192.0.2.1"], |_| {});
    none.drain(28..32);
    (none[3], none[23]) = (36, 0);
    seal(&mut none);
    let mut trace = Trace::backup(PAIR);
    trace.takes(100, &none);
    assert_eq!(trace.discarded(Reject::Count), 1);
    assert_eq!(trace.codes(100), [Code::AddressMissing]);
}

// 12: version 3 learns the interval, and says so.
#[test]
fn n12_another_interval_in_version_3() {
    let mut trace = Trace::backup(&format!("{PAIR}version = 3\n"));
    let other = |advert: &mut Advert| {
        advert.version = Version::V3;
        advert.priority = 101;
        advert.interval = Duration::from_millis(500);
    };
    trace.takes(100, &packet(other));
    assert_eq!(trace.node.routers()[0].adverts_received(), 1);
    trace.says(
        100,
        &[
            "interval 10.0.0.3: 10.0.0.3 has the interval 500ms, this node 1s: \
             set advert_int = 500ms in [vrrp VI_1], or 1s on 10.0.0.3",
        ],
    );
}

// 57: until one of them changes it.
#[test]
fn n57_equal_priorities_and_two_owners() {
    let mut trace = Trace::backup(PAIR);
    trace.takes(100, &packet(|_| {}));
    trace.says(
        100,
        &[
            "equal-priority 10.0.0.3: 10.0.0.3 has priority 100 as this node has, so that the \
           higher address decides: change priority in [vrrp VI_1] or on 10.0.0.3",
        ],
    );
    trace.takes(1100, &packet(|advert| advert.priority = 101));
    trace.says(1100, &[]);

    let mut owner = Trace::prepared(&PAIR.replace("= 100", "= 255"));
    owner.at(0, Event::Start, &took_over(255));
    owner.takes(100, &packet(|advert| advert.priority = 255));
    assert_eq!(owner.codes(100), [Code::TwoOwners]);
}

/// The peer does not hear us, or refuses us: it goes on. One that yields after
/// an advert or two is no news.
#[test]
fn two_masters_and_for_how_long() {
    let mut trace = Trace::master(PAIR);
    let weaker = packet(|advert| advert.priority = 90);
    for second in 5..=15 {
        let at = 1000 * second;
        trace.takes(at, &weaker);
        let found = usize::from(second >= 8);
        assert_eq!(trace.codes(at), vec![Code::TwoMasters; found], "at {at}");
    }
    trace.is(Role::Master);
    trace.says(
        17_000,
        &[
            "two-masters 10.0.0.3: 10.0.0.3 is master too, for 12 s, with priority 90: \
           it does not hear this node or refuses its adverts; let protocol 112 pass in both \
           directions, and cure the other diagnoses",
        ],
    );
    trace.says(19_001, &[]);
    // It is better now, and we yield.
    trace.takes(15_500, &packet(|advert| advert.priority = 110));
    trace.is(Role::Backup);
    trace.says(15_500, &[]);
}

/// 18, 47: an echo, a loop, and a machine with our address.
#[test]
fn own_packets_heard_back() {
    let mut trace = Trace::master(PAIR);
    let mut buffer = [0; wire::PACKET_MAX];
    let sending = trace.node.emit_advert(R, 100, 0, &mut buffer).unwrap();
    let own = &buffer[..sending.length];
    for (at, found) in [(4100, 0), (5100, 0), (6100, 1)] {
        trace.takes(at, own);
        assert_eq!(trace.codes(at), vec![Code::OwnPackets; found]);
    }
    trace.says(
        6100,
        &[
            "own-packets 10.0.0.2: adverts of this node come back on eth0: \
           end the loop or the mirror in the switch or bridge",
        ],
    );
    trace.is(Role::Master);

    let mut backup = Trace::backup(PAIR);
    for second in 3..6 {
        backup.takes(1000 * second, &packet(|advert| advert.priority = 101));
        backup.takes(1000 * second, own);
    }
    backup.says(
        5000,
        &[
            "duplicate-source 10.0.0.2: somebody else sends adverts from 10.0.0.2, \
           which is this node's: give one of the two another address on eth0",
        ],
    );
}

#[test]
fn carp_on_the_segment() {
    let mut carp = packet(|_| {});
    carp.resize(20 + 36, 0xa5);
    carp[3] = 56;
    carp[20..28].copy_from_slice(&[0x21, 9, 0, 7, 0, 1, 0, 0]);
    seal(&mut carp);
    for text in [PAIR.into(), format!("{PAIR}version = 3\n")] {
        let mut trace = Trace::backup(&text);
        trace.takes(100, &carp);
        trace.says(
            100,
            &[
                "carp 10.0.0.3: 10.0.0.3 speaks CARP (vhid 9), which is not VRRP: if it is meant \
               as the peer, run VRRP there; if not, keep its vhid apart from \
               virtual_router_id = 51",
            ],
        );
    }
}

const WEIGHTED: &str = "track = haproxy weight 2
[check haproxy]
process = haproxy
interval = 90s
";

/// The pair's node with a check that weighs 2.
fn weighted() -> Trace {
    let mut trace = Trace::prepared(&format!("{PAIR}{WEIGHTED}"));
    trace.at(0, Event::Start, &[Action::StartCheck(CHECK)]);
    trace
}

/// The master's check failed: it says a lower priority. We can't reach it, or
/// may not go for it.
#[test]
fn a_peer_that_lowered_its_priority_and_stays_master() {
    let mut trace = weighted();
    trace.takes(100, &packet(|advert| advert.priority = 202));
    trace.says(100, &[]);
    trace.takes(1100, &packet(|advert| advert.priority = 200));
    trace.says(
        1100,
        &[
            "outranked 10.0.0.3: 10.0.0.3 lowered its priority from 202 to 200, and this node \
           reaches no more than 102: set priority above 200 in [vrrp VI_1], \
           or let the check of 10.0.0.3 weigh more",
        ],
    );
    trace.takes(2100, &packet(|advert| advert.priority = 202));
    trace.says(2100, &[]);

    let mut polite = Trace::backup(&format!("{PAIR}preempt = no\n"));
    polite.takes(100, &packet(|advert| advert.priority = 99));
    polite.says(100, &[]);
    polite.takes(1100, &packet(|advert| advert.priority = 101));
    polite.takes(2100, &packet(|advert| advert.priority = 99));
    polite.says(
        2100,
        &[
            "preempt-no 10.0.0.3: 10.0.0.3 lowered its priority from 101 to 99, below this \
           node's, and stays master: set preempt = yes in [vrrp VI_1], or weight 0 on 10.0.0.3",
        ],
    );
    polite.is(Role::Backup);
}

/// Our own check failed, and what the peer said before is still less.
#[test]
fn a_weight_that_is_too_small() {
    let mut trace = weighted();
    trace.checked(10, Outcome::Success, &[]);
    trace.takes(100, &packet(|advert| advert.priority = 90));
    trace.skip(5000);
    trace.is(Role::Master);
    trace.checked(91_000, Outcome::Failure, &[]);
    trace.skip(93_900);
    trace.says(93_900, &[]);
    trace.skip(94_100);
    trace.says(
        94_100,
        &[
            "weight-too-small 10.0.0.3: a tracked check fails, and priority 100 still beats the \
           90 of 10.0.0.3: let the track lines of [vrrp VI_1] weigh more, or bring the \
           priorities together",
        ],
    );
    // It stays as long as it is so, and no longer.
    trace.skip(180_000);
    assert_eq!(trace.codes(180_000), [Code::WeightTooSmall]);
    let success = CheckResult {
        outcome: Outcome::Success,
        detail: "told",
    };
    let at = Instant::from_millis(180_001);
    let ended = Event::CheckEnded(CHECK, success);
    trace.node.process(at, ended, &mut trace.actions);
    trace.says(180_001, &[]);
}

/// A node that left said nothing of what it is worth.
#[test]
fn a_peer_that_left_is_not_weighed() {
    let mut trace = weighted();
    trace.checked(10, Outcome::Success, &[]);
    trace.takes(100, &packet(|advert| advert.priority = 90));
    trace.takes(200, &packet(|advert| advert.priority = 0));
    trace.skip(5000);
    trace.is(Role::Master);
    trace.checked(6000, Outcome::Failure, &[]);
    trace.skip(20_000);
    trace.says(20_000, &[]);
}

/// Forged or not, it is obeyed as the protocol says, and it is told.
#[test]
fn a_master_that_took_over_and_fell_silent() {
    let mut trace = Trace::master(PAIR);
    trace.takes(4500, &packet(|advert| advert.priority = 254));
    trace.is(Role::Backup);
    trace.says(4500, &[]);
    trace.skip(9000);
    trace.is(Role::Master);
    trace.says(
        9000,
        &[
            "fleeting-master 10.0.0.3: 10.0.0.3 took over with priority 254 and fell silent: \
           a forged advert, or a link that loses them; let only peers speak, with auth_hmac or \
           unicast_peer in [vrrp VI_1]",
        ],
    );
    // One that stays and then dies is an ordinary fail-over.
    let mut trace = Trace::master(PAIR);
    for second in 5..9 {
        trace.takes(1000 * second, &packet(|advert| advert.priority = 101));
    }
    trace.skip(14_000);
    trace.is(Role::Master);
    trace.says(14_000, &[]);
}

/// Whatever is on the link: a bounded table, and what was said remains said.
#[test]
fn a_flood_of_strangers_fills_no_table() {
    let mut trace = Trace::backup(PAIR);
    for n in 0..1000u16 {
        let [a, b] = n.to_be_bytes();
        let stranger = packet(|advert| {
            advert.source = IpAddr::from([10, 1, a, b]);
            advert.virtual_router_id = 5;
        });
        trace.takes(100 + i64::from(n), &stranger);
    }
    let found = trace.codes(1200);
    assert!((1..=8).contains(&found.len()), "{}", found.len());
}
