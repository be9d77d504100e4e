//! Pairs whose halves do not fit. keepalived 2.2.7 drops what it does not like
//! and both stay master for good; smena counts each such advert by its reason,
//! and one edit cures it.

use std::time::Duration;

use super::harness::{Pace, always, eventually, scenario};
use super::pair::{LIMIT, VIP, boxes, expect_owner, keepalived_conf, smena_ini};

/// smena with `wrong` and keepalived never agree, and smena counts `reason`. The
/// same smena with `right` instead is one half of a pair.
struct Misfit {
    wrong: &'static str,
    right: &'static str,
    keepalived: &'static str,
    reason: &'static str,
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
            let log = keeper.log();
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
    };
    IT.is_counted_and_cured();
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

        // Higher than keepalived it is not listened to.
        drop(keeper);
        let _keeper = a.smena(&smena_ini(101, more));
        assert!(lab.watch.wait_for(VIP, &["a", "b"], LIMIT));
        always(Duration::from_secs(3), "both have it", || {
            lab.watch.owners(VIP).len() == 2
        });
    });
}
