//! CARP on the segment: another protocol with the same number, the same group
//! and, to a hasty eye, the same header.

use std::net::IpAddr;
use std::time::Duration;

use super::harness::node::{Daemon, Node};
use super::harness::{Pace, always, scenario, sys};
use super::pair::{LIMIT, VIP, expect_owner, smena_pair};

/// ucarp under the id of our router, for an address of its own.
fn ucarp(node: &Node, source: &str, skew: u8) -> Daemon {
    let up = node.script("up.sh", "exec ip address add 10.0.0.60/32 dev \"$1\"");
    let down = node.script("down.sh", "exec ip address del 10.0.0.60/32 dev \"$1\"");
    let words = format!(
        "-i eth0 -s {source} -v 51 -p secret -a 10.0.0.60 -b 1 -k {skew} -P -z -n -u {} -d {}",
        up.display(),
        down.display()
    );
    let words: Vec<&str> = words.split(' ').collect();
    node.daemon("ucarp", "/usr/sbin/ucarp", &words)
}

#[test]
fn it_and_we_do_not_disturb_each_other() {
    let limit = Duration::from_secs(90);
    scenario(&["ucarp"], Pace::Shared, limit, |lab| {
        let ((a, b), (mut keeper, other)) = smena_pair(lab, "");
        let c = lab.node("c", &["10.0.0.3/24"]);
        let d = lab.node("d", &["10.0.0.4/24"]);
        let theirs: IpAddr = "10.0.0.60".parse().expect("an address");
        let mut first = ucarp(&c, "10.0.0.3", 0);
        assert!(lab.watch.wait_for(theirs, &["c"], LIMIT));
        let _second = ucarp(&d, "10.0.0.4", 100);
        always(Duration::from_secs(5), "each has its own", || {
            lab.watch.owners(VIP) == ["a"] && lab.watch.owners(theirs) == ["c"]
        });
        assert_eq!(a.state("VI_01"), "MASTER");
        assert_eq!(b.state("VI_01"), "BACKUP");
        // Seven words of authentication are no seven addresses.
        for node in [&a, &b] {
            let router = node.router("VI_01");
            assert!(
                router["discarded"]["length"].number() >= Some(3),
                "{router:?}"
            );
            assert_eq!(
                router["transitions"].number(),
                Some(if node.name() == "a" { 2 } else { 1 }),
                "{router:?}"
            );
        }
        a.wait_diagnosis("VI_01", "carp", "10.0.0.3", LIMIT);
        for keeper in [&keeper, &other] {
            assert!(keeper.log().lines().count() < 15, "{}", keeper.log());
        }

        keeper.signal(sys::SIGTERM);
        expect_owner(lab, "b");
        keeper.wait(LIMIT);
        first.signal(sys::SIGTERM);
        first.wait(LIMIT);
        assert!(lab.watch.wait_for(theirs, &["d"], LIMIT));
        assert_eq!(lab.watch.owners(VIP), ["b"]);
    });
}
