//! Pairs whose halves do not fit. keepalived 2.2.7 drops what it does not like
//! and both stay master for good; smena counts each such advert by its reason
//! and names the edit that cures it.

use std::time::Duration;

use super::harness::advert::checksum;
use super::harness::capture::Frame;
use super::harness::{Pace, always, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, boxes, expect_owner, keepalived_conf, smena_ini};

/// smena with `wrong` and keepalived never agree; smena counts `reason` and has
/// the diagnosis `code`. The same smena with `right` instead is one half of a pair.
struct Misfit {
    wrong: &'static str,
    right: &'static str,
    keepalived: &'static str,
    reason: &'static str,
    code: &'static str,
}

impl Misfit {
    fn is_counted_and_cured(&'static self) {
        let limit = Duration::from_secs(90);
        scenario(&["keepalived"], Pace::Shared, limit, move |lab| {
            let (a, b) = boxes(lab);
            lab.judge_later(&a);
            let ini = |more: &str| match more.strip_prefix("id ") {
                Some(id) => smena_ini(101, "").replace("= 51", &format!("= {id}")),
                None => smena_ini(101, more),
            };
            let keeper = a.smena(&ini(self.wrong));
            expect_owner(lab, "a");
            let _other = b.keepalived(&keepalived_conf(100, self.keepalived));
            assert!(lab.watch.wait_for(VIP, &["a", "b"], LIMIT));
            always(Duration::from_secs(3), "both have it", || {
                lab.watch.owners(VIP).len() == 2
            });
            let router = a.router("VI_01");
            assert_eq!(router["state"].text(), "MASTER");
            assert_eq!(router["adverts_received"].number(), Some(0), "{router:?}");
            let count = |reason: &str| a.router("VI_01")["discarded"][reason].number();
            // keepalived sends one advert as a new master; then each of ours that
            // it drops for its version or password also puts its next one off.
            eventually(LIMIT, &format!("{} is counted", self.reason), || {
                count(self.reason) >= Some(1)
            });
            a.wait_diagnosis("VI_01", self.code, "10.0.0.2", LIMIT);
            assert_eq!(a.status().0, Some(1));
            let log = keeper.log();
            assert!(log.contains("10.0.0.2"), "it is said in the log: {log}");
            assert!(
                log.lines().count() < 15,
                "one line, not one a packet: {log}"
            );

            drop(keeper);
            let _keeper = a.smena(&ini(self.right));
            expect_owner(lab, "a");
            always(Duration::from_secs(2), "a alone has it", || {
                lab.watch.owners(VIP) == ["a"]
            });
            eventually(LIMIT, "nothing is wrong any more", || {
                a.diagnoses("VI_01").is_empty() && a.status().0 == Some(0)
            });
        });
    }
}

#[test]
fn another_version() {
    const IT: Misfit = Misfit {
        wrong: "version = 2",
        right: "version = 3",
        keepalived: "version 3",
        reason: "version",
        code: "version",
    };
    IT.is_counted_and_cured();
}

#[test]
fn a_password_on_one_side() {
    const IT: Misfit = Misfit {
        wrong: "",
        right: "auth_pass = 1111",
        keepalived: "authentication {\n auth_type PASS\n auth_pass 1111\n }",
        reason: "auth-type",
        code: "auth-unexpected",
    };
    IT.is_counted_and_cured();
}

#[test]
fn another_password() {
    const IT: Misfit = Misfit {
        wrong: "auth_pass = 1112",
        right: "auth_pass = 1111",
        keepalived: "authentication {\n auth_type PASS\n auth_pass 1111\n }",
        reason: "auth-data",
        code: "auth-data",
    };
    IT.is_counted_and_cured();
}

#[test]
fn another_id() {
    const IT: Misfit = Misfit {
        wrong: "id 5",
        right: "id 51",
        keepalived: "",
        reason: "vrid",
        code: "foreign-vrid-same-address",
    };
    IT.is_counted_and_cured();
}

#[test]
fn another_interval_in_version_2() {
    const IT: Misfit = Misfit {
        wrong: "advert_int = 2s",
        right: "advert_int = 1s",
        keepalived: "",
        reason: "interval",
        code: "interval",
    };
    IT.is_counted_and_cured();
}

#[test]
fn multicast_beside_unicast() {
    const IT: Misfit = Misfit {
        wrong: "",
        right: "unicast_src_ip = 10.0.0.1\nunicast_peer = 10.0.0.2",
        keepalived: "unicast_src_ip 10.0.0.2\n unicast_peer {\n 10.0.0.1\n }",
        reason: "destination",
        code: "unicast-peer",
    };
    IT.is_counted_and_cured();
}

#[test]
fn unicast_beside_multicast() {
    const IT: Misfit = Misfit {
        wrong: "unicast_src_ip = 10.0.0.1\nunicast_peer = 10.0.0.2",
        right: "",
        keepalived: "",
        reason: "destination",
        code: "multicast-peer",
    };
    IT.is_counted_and_cured();
}

#[test]
fn a_peer_that_is_not_in_the_list() {
    const IT: Misfit = Misfit {
        wrong: "unicast_src_ip = 10.0.0.1\nunicast_peer = 10.0.0.3",
        right: "unicast_src_ip = 10.0.0.1\nunicast_peer = 10.0.0.2",
        keepalived: "unicast_src_ip 10.0.0.2\n unicast_peer {\n 10.0.0.1\n }",
        reason: "source",
        code: "unknown-peer",
    };
    IT.is_counted_and_cured();
}

/// The sum of RFC 9568 leaves the pseudo-header out. smena takes both, and sends
/// what its peer sends unless it is told otherwise; keepalived takes only its own.
#[test]
fn a_checksum_that_keepalived_does_not_take() {
    let limit = Duration::from_secs(90);
    scenario(&["keepalived"], Pace::Shared, limit, |lab| {
        let (a, b) = boxes(lab);
        let v3 = "version = 3\nadvert_int = 200ms";
        let rfc = format!("{v3}\nchecksum = rfc9568");
        let keepalived = keepalived_conf(100, "version 3\n advert_int 0.2");
        let _other = b.keepalived(&keepalived);
        expect_owner(lab, "b");
        // Lower than keepalived, it listens to it.
        let keeper = a.smena(&smena_ini(99, &rfc));
        a.wait_state("VI_01", "BACKUP", LIMIT);
        always(Duration::from_secs(2), "b alone has it", || {
            lab.watch.owners(VIP) == ["b"]
        });
        assert_eq!(a.router("VI_01")["discarded"]["checksum"].number(), Some(0));
        a.wait_diagnosis("VI_01", "checksum-form", "10.0.0.2", LIMIT);
        drop(keeper);
        let keeper = a.smena(&smena_ini(101, &rfc));
        assert!(lab.watch.wait_for(VIP, &["a", "b"], LIMIT));
        always(Duration::from_secs(2), "both have it", || {
            lab.watch.owners(VIP).len() == 2
        });
        drop(keeper);
        let _keeper = a.smena(&smena_ini(101, v3));
        expect_owner(lab, "a");
    });
}

/// Two smena, of which one is told to leave the pseudo-header out: the other one
/// does as it does once it has heard it.
#[test]
fn a_checksum_that_is_learned_from_the_peer() {
    scenario(&[], Pace::Shared, Duration::from_secs(90), |lab| {
        let (a, b) = boxes(lab);
        let v3 = "version = 3\nadvert_int = 200ms";
        let mut first = a.smena(&smena_ini(101, &format!("{v3}\nchecksum = rfc9568")));
        expect_owner(lab, "a");
        let _second = b.smena(&smena_ini(100, v3));
        b.wait_state("VI_01", "BACKUP", LIMIT);
        std::thread::sleep(Duration::from_secs(1));
        first.signal(sys::SIGTERM);
        expect_owner(lab, "b");
        first.wait(LIMIT);
        let frames = lab.capture.frames();
        for name in ["a", "b"] {
            let mut adverts = frames
                .iter()
                .filter(|f| f.sender() == name && f.advert().is_some());
            let plain = |f: &Frame| checksum(&f.bytes[14 + 20..14 + 20 + 12]) == 0;
            assert!(
                adverts.next().is_some_and(plain),
                "{name} sums the pseudo-header"
            );
        }
    });
}

#[test]
fn other_addresses_are_taken_by_smena_and_refused_by_keepalived() {
    let limit = Duration::from_secs(90);
    scenario(&["keepalived"], Pace::Shared, limit, |lab| {
        let (a, b) = boxes(lab);
        lab.judge_later(&a);
        let more = "address = 10.0.0.50";
        // Lower than keepalived, it listens to it all the same.
        let keeper = a.smena(&smena_ini(99, more));
        expect_owner(lab, "a");
        let _other = b.keepalived(&keepalived_conf(100, ""));
        expect_owner(lab, "b");
        always(Duration::from_secs(3), "b alone has it", || {
            lab.watch.owners(VIP) == ["b"]
        });
        let router = a.router("VI_01");
        assert_eq!(router["state"].text(), "BACKUP");
        assert!(router["adverts_received"].number() >= Some(3), "{router:?}");
        a.wait_diagnosis("VI_01", "address-missing", "10.0.0.2", LIMIT);

        // Higher than keepalived it is not listened to.
        drop(keeper);
        let _keeper = a.smena(&smena_ini(101, more));
        assert!(lab.watch.wait_for(VIP, &["a", "b"], LIMIT));
        always(Duration::from_secs(3), "both have it", || {
            lab.watch.owners(VIP).len() == 2
        });
        // keepalived hardly speaks, but its host answers for the address.
        eventually(Duration::from_secs(10), "address-conflict", || {
            let found = a.diagnoses("VI_01");
            found.iter().any(|(code, _)| code == "address-conflict")
        });
    });
}
