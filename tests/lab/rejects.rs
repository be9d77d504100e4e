//! Packets that are not right: each has its counter and changes nothing.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::harness::advert::Forged;
use super::harness::{Pace, eventually, scenario};
use super::pair::{VIP, smena_alone};

#[test]
fn each_wrong_advert_is_counted_by_its_reason_and_changes_nothing() {
    scenario(&[], Pace::Shared, Duration::from_secs(60), |lab| {
        let (a, keeper) = smena_alone(lab, "");
        let stranger = Ipv4Addr::new(10, 0, 0, 9);
        let right = Forged::version_2(stranger, 51, 254, Ipv4Addr::new(10, 0, 0, 49));
        let wrong: [(&str, Forged); 10] = [
            (
                "ttl",
                Forged {
                    ttl: 254,
                    ..right.clone()
                },
            ),
            (
                "version",
                Forged {
                    version: 3,
                    interval: 100,
                    ..right.clone()
                },
            ),
            (
                "length",
                Forged {
                    cut: 1,
                    ..right.clone()
                },
            ),
            (
                "checksum",
                Forged {
                    checksum_error: 1,
                    ..right.clone()
                },
            ),
            (
                "vrid",
                Forged {
                    router: 52,
                    ..right.clone()
                },
            ),
            (
                "type",
                Forged {
                    kind: 2,
                    ..right.clone()
                },
            ),
            (
                "auth-type",
                Forged {
                    auth_type: 1,
                    ..right.clone()
                },
            ),
            (
                "interval",
                Forged {
                    interval: 2,
                    ..right.clone()
                },
            ),
            (
                "own",
                Forged {
                    source: Ipv4Addr::new(10, 0, 0, 1),
                    ..right.clone()
                },
            ),
            (
                "destination",
                Forged {
                    destination: Ipv4Addr::new(10, 0, 0, 1),
                    ..right.clone()
                },
            ),
        ];
        let before = a.router("VI_01");
        let client = lab.client_machine();
        for (index, (_, forged)) in wrong.iter().enumerate() {
            for _ in 0..=index {
                forged.send(client, "eth0").expect("a packet socket");
            }
        }
        let count = |name: &str| a.router("VI_01")["discarded"][name].number();
        for (index, (name, _)) in wrong.iter().enumerate() {
            // An id that no router has is nobody's packet, and is counted by all.
            let expected = Some(index as i64 + 1);
            eventually(
                Duration::from_secs(2),
                &format!(
                    "{name} is counted {expected:?}: {:?}",
                    a.router("VI_01")["discarded"]
                ),
                || count(name) == expected,
            );
        }
        let after = a.router("VI_01");
        assert_eq!(after["state"].text(), "MASTER");
        assert_eq!(after["transitions"], before["transitions"]);
        assert_eq!(after["adverts_received"], before["adverts_received"]);
        assert_eq!(lab.watch.owners(VIP), ["a"]);
        // One line a reason at most, not one a packet.
        let log = keeper.log();
        assert!(log.lines().count() < 40, "{log}");

        // The right one is obeyed.
        right
            .send(lab.client_machine(), "eth0")
            .expect("a packet socket");
        a.wait_state("VI_01", "BACKUP", Duration::from_secs(2));
        assert_eq!(a.router("VI_01")["master"].text(), "10.0.0.9");
    });
}
