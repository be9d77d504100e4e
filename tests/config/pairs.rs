//! Pairs that people run today, and what is said about two halves that do not
//! go together.

use super::{Config, Limits, Outcome, Source, compare, empty, parse};
use std::net::IpAddr;

use smena::Duration;
use smena::config::{CheckKind, Release};
use smena::protocol::{Family, Version};

/// The two halves of a pair against each other: what is said.
fn peers(a: &str, b: &str) -> (Outcome, String) {
    let (a, b) = (half("a.ini", a), half("b.ini", b));
    let (mut one, mut other) = (empty(), empty());
    for (source, config) in [(&a, &mut one), (&b, &mut other)] {
        let outcome = parse(source, &Limits::BOARD, config, &mut |d| print!("{d}"));
        assert_eq!(outcome.errors, 0);
    }
    let mut said = String::new();
    let [mut sum, other] = compare((&one, &a), (&other, &b), &mut |d| said += &d.to_string());
    sum.errors += other.errors;
    sum.warnings += other.warnings;
    (sum, said)
}

fn half<'a>(file: &'a str, text: &'a str) -> Source<'a> {
    Source {
        file,
        text: text.as_bytes(),
        others_can_read: false,
    }
}

#[track_caller]
fn differ(a: &str, b: &str, expected: &str) {
    let (_, said) = peers(a, b);
    assert_eq!(said, expected, "\n{said}");
}

macro_rules! pair {
    ($name:literal) => {
        (
            include_str!(concat!("../data/config/", $name, "-a.ini")),
            include_str!(concat!("../data/config/", $name, "-b.ini")),
        )
    };
}

/// Reads a file that must be fine.
fn configured(text: &str) -> Box<Config<'_>> {
    let mut config = empty();
    let outcome = parse(
        &half("a.ini", text),
        &Limits::BOARD,
        &mut config,
        &mut |d| {
            print!("{d}");
        },
    );
    assert_eq!(outcome.errors, 0);
    config
}

#[test]
fn the_openuds_pair_is_fine_and_means_what_it_says() {
    let (a, b) = pair!("openuds");
    let config = configured(a);
    let [router] = &config.routers[..] else {
        panic!("one router");
    };
    assert_eq!(router.name, "VI_01");
    assert_eq!(router.interface, "enp0s3");
    assert_eq!(router.virtual_router_id, 51);
    assert_eq!(router.priority, 101);
    assert_eq!(
        router.addresses[0].address,
        "192.168.0.49".parse::<IpAddr>().unwrap()
    );
    assert_eq!(router.addresses[0].prefix_len, 32);
    assert_eq!(router.tracks[0].weight, 2);
    // Nothing was said about these.
    assert_eq!(router.version, Version::V2);
    assert_eq!(router.family, Family::Ipv4);
    assert_eq!(router.advert_int, Duration::from_secs(1));
    assert!(router.preempt);
    assert_eq!(router.preempt_delay, Duration::ZERO);
    assert_eq!(router.startup_delay, Duration::ZERO);
    assert_eq!(router.auth_pass, None);
    assert_eq!(router.garp_master_delay, Duration::from_secs(5));
    assert_eq!(router.garp_master_repeat, 5);
    assert_eq!(router.garp_master_refresh, Duration::ZERO);
    assert_eq!(router.lease_s, 2);
    assert_eq!(router.release, Release::Overlap);
    assert!(router.notify.command.is_none());
    assert_eq!(router.notify.timeout, Duration::from_secs(300));
    let [check] = &config.checks[..] else {
        panic!("one check");
    };
    assert!(matches!(check.kind, CheckKind::Process { name, .. } if name.as_str() == "haproxy"));
    assert_eq!(check.interval, Duration::from_secs(2));
    assert_eq!(check.timeout, Duration::from_secs(2));
    assert_eq!((check.rise, check.fall, check.weight), (1, 1, 0));
    assert!(!check.reverse);
    assert_eq!(config.node.control, Some("/run/smena.sock"));
    assert_eq!(config.node.log, Some(log::Level::Info));
    differ(a, b, "");
}

#[test]
fn the_wimark_pair_lets_the_address_decide() {
    let (a, b) = pair!("wimark");
    let config = configured(a);
    let router = &config.routers[0];
    assert_eq!(router.auth_pass, Some(*b"wimark12"));
    assert_eq!(router.addresses[0].prefix_len, 24);
    assert_eq!(router.addresses[0].dev, Some("l2tpeth0"));
    assert_eq!(router.garp_master_delay, Duration::from_secs(1));
    differ(
        a,
        b,
        "\
warning: the two nodes have the same priority
  --> a.ini:10:21
 10 | priority          = 200
    |                     ^^^ `b.ini`, line 10 has 200 too: the higher address decides
",
    );
}

#[test]
fn the_exchange_pair_needs_a_shell_and_is_fine() {
    let (a, b) = pair!("exchange");
    let config = configured(a);
    let CheckKind::Shell(words) = config.checks[0].kind else {
        panic!("a command for a shell");
    };
    let line = words.command_line().to_string();
    assert!(line.starts_with("/usr/bin/killall -0 haproxy && /usr/bin/curl -k 'https"));
    assert_eq!(config.routers[0].tracks[0].weight, 2, "the check's");
    differ(a, b, "");
}

#[test]
fn the_space_vdi_pair_has_two_ids_for_one_address() {
    let (a, b) = pair!("space-vdi");
    differ(
        a,
        b,
        "\
error: the two nodes have the same address under different ids
  --> a.ini:8:21
 8 | virtual_router_id = 51
   |                     ^^ `b.ini`, line 8 has 5: write the same in both, or both are master
",
    );
}

/// One half, with one line more.
fn with(priority: &str, line: &str) -> String {
    format!(
        "[vrrp web]\ninterface = eth0\nvirtual_router_id = 51\naddress = 10.0.0.1\n\
         priority = {priority}\n{line}\n"
    )
}

#[test]
fn versions_differ() {
    differ(
        &with("101", ""),
        &with("100", "version = 3"),
        "\
error: the two nodes have different versions
  --> a.ini:1:1
 1 | [vrrp web]
   | ^^^^^^^^^^ `b.ini`, line 6 has 3: write the same in both, or both are master
",
    );
}

#[test]
fn intervals_differ() {
    differ(
        &with("101", ""),
        &with("100", "advert_int = 2s"),
        "\
error: the two nodes have different intervals
  --> a.ini:1:1
 1 | [vrrp web]
   | ^^^^^^^^^^ `b.ini`, line 6 has 2s: write the same in both, or both are master
",
    );
    let a = with("101", "version = 3\nadvert_int = 100ms");
    differ(
        &a,
        &with("100", "version = 3"),
        "\
warning: the two nodes have different intervals
  --> a.ini:7:14
 7 | advert_int = 100ms
   |              ^^^^^ `b.ini`, line 1 has 1s: a backup learns the interval of its master
",
    );
}

#[test]
fn passwords_differ() {
    let secret = with("101", "auth_pass = secret");
    differ(
        &secret,
        &with("100", ""),
        "\
error: the two nodes have different passwords
  --> a.ini:6:13
 6 | auth_pass = secret
   |             ^^^^^^ `b.ini`, line 1 has none: write the same in both, or both are master
",
    );
    differ(
        &with("101", ""),
        &with("100", "auth_pass = x"),
        "\
error: the two nodes have different passwords
  --> a.ini:1:1
 1 | [vrrp web]
   | ^^^^^^^^^^ `b.ini`, line 6 has another one: write the same in both, or both are master
",
    );
    // More than the wire has room for makes no difference.
    let a = with("101", "auth_pass = 12345678a");
    differ(&a, &with("100", "auth_pass = 12345678b"), "");
}

#[test]
fn addresses_differ() {
    let both = "address = 10.0.0.2";
    differ(
        &with("101", both),
        &with("100", ""),
        "\
error: only one of the nodes has this address
  --> a.ini:6:11
 6 | address = 10.0.0.2
   |           ^^^^^^^^ add it below line 4 of `b.ini`, or remove it here
",
    );
    differ(
        &with("101", ""),
        &with("100", both),
        "\
error: only one of the nodes has this address
  --> b.ini:6:11
 6 | address = 10.0.0.2
   |           ^^^^^^^^ add it below line 4 of `a.ini`, or remove it here
",
    );
    // Their order makes none.
    let a = with("101", both);
    let b = with("100", "address = 10.0.0.1").replacen("10.0.0.1", "10.0.0.2", 1);
    differ(&a, &b, "");
}

// 57.
#[test]
fn two_owners() {
    differ(
        &with("255", ""),
        &with("255", ""),
        "\
error: the two nodes have the same priority
  --> a.ini:5:12
 5 | priority = 255
   |            ^^^ `b.ini`, line 5 has 255 too: only one can own the addresses
",
    );
}

#[test]
fn a_router_without_a_counterpart() {
    let more = "[vrrp lan]\ninterface = eth1\nvirtual_router_id = 9\naddress = 10.1.0.1";
    differ(
        &with("101", more),
        &with("100", ""),
        "\
warning: [vrrp lan] has no counterpart
  --> a.ini:6:1
 6 | [vrrp lan]
   | ^^^^^^^^^^ nothing in `b.ini` has this id and family, or one of the addresses
",
    );
    differ(
        &with("101", ""),
        &with("100", more),
        "\
warning: [vrrp lan] has no counterpart
  --> b.ini:6:1
 6 | [vrrp lan]
   | ^^^^^^^^^^ nothing in `a.ini` has this id and family, or one of the addresses
",
    );
}

#[test]
fn the_counterpart_of_an_id_on_two_interfaces_is_the_one_with_the_address() {
    let lan = "[vrrp lan]\ninterface = eth1\nvirtual_router_id = 51\naddress = 10.1.0.1";
    let a = with("101", &format!("{lan}\npriority = 101"));
    let b = format!("{lan}\n{}", with("100", ""));
    differ(&a, &b, "");
}

#[test]
fn weights_that_never_lead_to_a_fail_over() {
    let check = |weight| format!("track = c weight {weight}\n[check c]\nprocess = c");
    // 150 stays above 100 + 2.
    differ(&with("150", &check(2)), &with("100", &check(2)), "\
error: no weight can lead to a fail-over
  --> a.ini:6:9
 6 | track = c weight 2
   |         ^^^^^^^^^^ `b.ini`, line 5 reaches only 102: weigh more, or bring the priorities together
");
    differ(&with("150", &check(-50)), &with("100", ""), "\
error: no weight can lead to a fail-over
  --> a.ini:6:9
 6 | track = c weight -50
   |         ^^^^^^^^^^^^ `b.ini`, line 5 reaches only 100: weigh more, or bring the priorities together
");
    differ(&with("150", &check(-51)), &with("100", ""), "");
    differ(&with("101", &check(0)), &with("100", ""), "");
    // The lower one gains nothing by its weight, and needs none.
    differ(&with("150", &check(0)), &with("100", &check(-2)), "");
    // Who does not preempt leaves a master alone, whatever its priority.
    let waits = format!("preempt = no\n{}", check(2));
    differ(
        &with("101", &check(2)),
        &with("100", &waits),
        "\
error: no weight can lead to a fail-over
  --> a.ini:6:9
 6 | track = c weight 2
   |         ^^^^^^^^^^ `b.ini`, line 6 has `preempt = no`: use weight 0, which is FAULT
",
    );
}

/// The higher one never gets lower than this, whatever the weight adds.
#[test]
fn a_weight_that_is_added_in_vain() {
    let check = "track = c weight 2\n[check c]\nprocess = c";
    differ(
        &with("200", ""),
        &with("100", check),
        "\
warning: this weight never changes who is master
  --> b.ini:6:9
 6 | track = c weight 2
   |         ^^^^^^^^^^ `a.ini`, line 5 always has 200, and more than this node can reach
",
    );
    differ(&with("101", ""), &with("100", check), "");
}

#[test]
fn unicast_on_one_side_and_lists_that_miss_each_other() {
    let unicast = |own, peer| format!("unicast_src_ip = {own}\nunicast_peer = {peer}");
    let a = with("101", &unicast("10.0.0.11", "10.0.0.12"));
    differ(&a, &with("100", &unicast("10.0.0.12", "10.0.0.11")), "");
    differ(
        &a,
        &with("100", ""),
        "\
error: only one of the nodes uses unicast
  --> a.ini:7:16
 7 | unicast_peer = 10.0.0.12
   |                ^^^^^^^^^ the router of `b.ini`, line 1 sends to the group: both must do the same
",
    );
    differ(
        &with("101", ""),
        &with("100", &unicast("10.0.0.12", "10.0.0.11")),
        "\
error: only one of the nodes uses unicast
  --> a.ini:1:1
 1 | [vrrp web]
   | ^^^^^^^^^^ the router of `b.ini`, line 7 sends to its peers: both must do the same
",
    );
    differ(
        &a,
        &with("100", &unicast("10.0.0.13", "10.0.0.11")),
        "\
error: no unicast_peer is the other node
  --> a.ini:7:16
 7 | unicast_peer = 10.0.0.12
   |                ^^^^^^^^^ add the unicast_src_ip of `b.ini`, line 6, or its adverts are refused
",
    );
}

#[test]
fn signatures_that_the_other_node_does_not_read_or_misses() {
    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const OTHER: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let half = |priority, lines: &str| with(priority, &format!("version = 3\n{lines}"));
    let keyed = |priority, key, mode| {
        half(
            priority,
            &format!("auth_hmac = 1:{key}\nauth_mode = {mode}"),
        )
    };
    let said = |a: &str, b: &str| {
        let (_, said) = peers(a, b);
        let problems = said.lines().filter(|line| !line.contains("***"));
        problems.collect::<Vec<_>>().join("\n")
    };
    let enforce = keyed("101", KEY, "enforce");
    assert_eq!(said(&enforce, &keyed("100", KEY, "enforce")), "");
    assert_eq!(said(&enforce, &keyed("100", KEY, "permissive")), "");
    // The three steps of bringing them in.
    let receives = keyed("100", KEY, "receive-only");
    assert_eq!(said(&half("101", ""), &receives), "");
    assert_eq!(said(&keyed("101", KEY, "permissive"), &receives), "");
    assert_eq!(
        said(&enforce, &half("100", "")),
        "\
error: the two nodes do not agree on signatures
  --> a.ini:7:13
   |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the router of `b.ini`, line 1 has \
         not this key and refuses the adverts
error: the two nodes do not agree on signatures
  --> b.ini:1:1
 1 | [vrrp web]
   | ^^^^^^^^^^ `a.ini`, line 7 asks for signatures and refuses the adverts of this one"
    );
    let both = said(&enforce, &keyed("100", OTHER, "enforce"));
    assert_eq!(both.matches("has not this key").count(), 2, "{both}");
    // One that is rolled over: the other knows the new key, and signs with the old.
    let rolled = half(
        "100",
        &format!("auth_hmac = 2:{OTHER}\nauth_hmac = 1:{KEY}"),
    );
    let both = said(&rolled, &enforce);
    assert_eq!(both.matches("has not this key").count(), 1, "{both}");
    let ready = half(
        "101",
        &format!("auth_hmac = 1:{KEY}\nauth_hmac = 2:{OTHER}"),
    );
    assert_eq!(said(&rolled, &ready), "");
}

#[test]
fn checksums_and_excluded_addresses_differ() {
    let form = |priority, form| with(priority, &format!("version = 3\nchecksum = {form}"));
    differ(
        &form("101", "pseudo"),
        &form("100", "rfc9568"),
        "\
warning: the two nodes send different checksums
  --> a.ini:7:12
 7 | checksum = pseudo
   |            ^^^^^^ smena accepts both, others do not: leave it out, also in `b.ini`, line 7
",
    );
    differ(
        &with("101", "address = 10.0.0.2"),
        &with("100", "excluded_address = 10.0.0.2"),
        "\
warning: only one of the nodes announces this address
  --> a.ini:6:11
 6 | address = 10.0.0.2
   |           ^^^^^^^^ in `b.ini`, from line 6 on, it is excluded: write it in the same way
",
    );
}

#[test]
fn groups_have_the_same_routers_on_both_nodes() {
    let half = |priority: &str, web: &str, lan: &str| {
        with(
            priority,
            &format!(
                "{web}\n[vrrp lan]\ninterface = eth1\nvirtual_router_id = 9\n\
                 address = 10.1.0.1\npriority = {priority}\n{lan}"
            ),
        )
    };
    let a = half("101", "group = g", "group = g");
    differ(&a, &half("100", "group = other", "group = other"), "");
    differ(
        &a,
        &half("100", "", ""),
        "\
error: the two nodes have other routers in this group
  --> a.ini:6:9
 6 | group = g
   |         ^ let the router of `b.ini`, line 1 move with the same ones
error: the two nodes have other routers in this group
  --> a.ini:12:9
 12 | group = g
    |         ^ let the router of `b.ini`, line 7 move with the same ones
",
    );
}

/// Each file's line has the warnings that point into it.
#[test]
fn warnings_are_counted_for_the_file_that_they_point_to() {
    let web = "[service web]\nlisten = *:443\nserver = a 10.0.0.11\n";
    let (a, b) = (
        with("101", &format!("{web}server = b 10.0.0.12\n")),
        with("100", web),
    );
    let (a, b) = (half("a.ini", &a), half("b.ini", &b));
    let (mut one, mut other) = (empty(), empty());
    for (source, config) in [(&a, &mut one), (&b, &mut other)] {
        parse(source, &Limits::BOARD, config, &mut |d| print!("{d}"));
    }
    let outcomes = compare((&one, &a), (&other, &b), &mut |d| print!("{d}"));
    assert_eq!(outcomes.map(|outcome| outcome.warnings), [1, 0]);
}

#[test]
fn services_have_the_same_servers_on_both_nodes() {
    let half = |priority: &str, services: &str| with(priority, services);
    let web = "[service web]\nlisten = *:443\nserver = a 10.0.0.11\n";
    let a = half("101", web);
    differ(&a, &half("100", &web.replace("= a ", "= other ")), "");
    differ(
        &half("101", &format!("{web}server = b 10.0.0.12\n")),
        &half("100", &web.replace("10.0.0.11", "10.0.0.11:443")),
        "\
warning: only one of the nodes has this server
  --> a.ini:8:10
 8 | server = a 10.0.0.11
   |          ^^^^^^^^^^^ add it to the same [service] of `b.ini`, or remove it here
warning: only one of the nodes has this server
  --> a.ini:9:10
 9 | server = b 10.0.0.12
   |          ^^^^^^^^^^^ add it to the same [service] of `b.ini`, or remove it here
warning: only one of the nodes has this server
  --> b.ini:8:10
 8 | server = a 10.0.0.11:443
   |          ^^^^^^^^^^^^^^^ add it to the same [service] of `a.ini`, or remove it here
",
    );
    differ(
        &a,
        &half("100", ""),
        "\
warning: [service web] is on this node only
  --> a.ini:6:1
 6 | [service web]
   | ^^^^^^^^^^^^^ add it to `b.ini`, or its clients find nothing when the address moves
",
    );
}

#[test]
fn services_listen_in_the_same_places_and_addresses_are_of_one_network() {
    let web = "[service web]\nlisten = *:443\nlisten = *:80\nserver = a 10.0.0.11:443\n";
    differ(
        &with("101", web).replace("= 10.0.0.1\n", "= 10.0.0.1/24\n"),
        &with("100", &web.replace("*:80", "*:8080")).replace("= 10.0.0.1\n", "= 10.0.0.1/25\n"),
        "\
warning: the two nodes have this address in different networks
  --> a.ini:4:11
 4 | address = 10.0.0.1/24
   |           ^^^^^^^^^^^ from line 4 of `b.ini` on, it has /25: write the same in both
warning: only one of the nodes listens here
  --> a.ini:8:10
 8 | listen = *:80
   |          ^^^^ add it to the same [service] of `b.ini`, or remove it here
warning: only one of the nodes listens here
  --> b.ini:8:10
 8 | listen = *:8080
   |          ^^^^^^ add it to the same [service] of `a.ini`, or remove it here
",
    );
}
