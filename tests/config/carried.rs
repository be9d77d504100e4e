//! The exact text about what a router carries beside its addresses, about
//! routers without any, and about interfaces that are tracked.

use smena::config::{Limits, parse};
use smena::protocol::{Family, Version};

use super::{ROUTER, empty, says, source};

/// Without an address.
const ELECTION: &str = "\
[vrrp VI_01]
interface = eth0
virtual_router_id = 51
notify = /etc/smena/role.sh
";

#[test]
fn excluded_addresses_have_either_family_and_no_second_place() {
    says(
        ROUTER,
        "\
excluded_address = 2001:db8::1/64 dev eth1
excluded_address = 10.0.0.2 label eth0:1
",
        "",
    );
    says(
        ROUTER,
        "\
excluded_address = 10.0.0.1/24
excluded_address = fe80::1
[vrrp b]
interface = eth0
virtual_router_id = 52
address = 10.0.0.9
excluded_address = fe80::1
",
        "\
error: [vrrp VI_01] has the address `10.0.0.1/24` twice
  --> smena.ini:5:20
 5 | excluded_address = 10.0.0.1/24
   |                    ^^^^^^^^^^^ remove one
error: [vrrp VI_01] has this address already
  --> smena.ini:11:20
 11 | excluded_address = fe80::1
    |                    ^^^^^^^ remove one: only one router can decide where it is
",
    );
}

#[test]
fn a_router_without_addresses_has_a_reason() {
    says(ELECTION, "", "");
    says(
        &ELECTION.replace("notify", "; notify"),
        "",
        "\
error: [vrrp VI_01] has neither `address` nor `notify`
  --> smena.ini:1:1
 1 | [vrrp VI_01]
   | ^^^^^^^^^^^^ add a line such as `address = 192.0.2.1/24`
",
    );
    // An address that is wrong is told once.
    says(
        &ELECTION.replace("notify", "; notify"),
        "address = 10.0.0.300\n",
        "\
error: `10.0.0.300` is no IP address
  --> smena.ini:5:11
 5 | address = 10.0.0.300
   |           ^^^^^^^^^^ write `192.0.2.1/24` or `2001:db8::1/64`
",
    );
}

#[test]
fn the_family_of_adverts() {
    let meant = |rest: &str| {
        let text = [ELECTION, rest].concat();
        let mut config = empty();
        parse(
            &source(text.as_bytes()),
            &Limits::BOARD,
            &mut config,
            &mut |d| panic!("{d}"),
        );
        let router = &config.routers[0];
        (router.family, router.version, router.advertised().count())
    };
    assert_eq!(meant(""), (Family::Ipv4, Version::V2, 0));
    assert_eq!(meant("family = ipv6\n"), (Family::Ipv6, Version::V3, 0));
    let excluded = "excluded_address = fe80::1\n";
    assert_eq!(meant(excluded), (Family::Ipv6, Version::V3, 0));
    let both = [excluded, "family = ipv4\n"].concat();
    assert_eq!(meant(&both), (Family::Ipv4, Version::V2, 0));
    let advertised = [excluded, "address = 10.0.0.1\n"].concat();
    assert_eq!(meant(&advertised), (Family::Ipv4, Version::V2, 1));
    says(
        ROUTER,
        "family = ipv6\n",
        "\
error: the addresses have another family
  --> smena.ini:5:10
 5 | family = ipv6
   |          ^^^^ remove the line
",
    );
}

#[test]
fn interfaces_are_tracked_by_name() {
    says(
        ROUTER,
        "\
track = interface eth1
track = interface eth2 weight -20 reverse
",
        "",
    );
    says(
        ROUTER,
        "\
track = interface
track = interface eth1 weight 300
track = interface a/b
track = interface eth1 up
track = interface eth2
track = interface eth2 weight 3
",
        "\
error: `interface` has no value
  --> smena.ini:5:9
 5 | track = interface
   |         ^^^^^^^^^ write a word after it
error: `weight` is out of range
  --> smena.ini:6:31
 6 | track = interface eth1 weight 300
   |                               ^^^ write a number from -253 to 253
error: `a/b` cannot be the name of an interface or label
  --> smena.ini:7:19
 7 | track = interface a/b
   |                   ^^^ at most 15 characters without blanks; an interface has no `/` and `:`
error: `up` is no option here
  --> smena.ini:8:24
 8 | track = interface eth1 up
   |                        ^^ write `weight NUMBER` or `reverse`, each once
error: [vrrp VI_01] tracks `eth2` twice
  --> smena.ini:10:19
 10 | track = interface eth2 weight 3
    |                   ^^^^ remove one
",
    );
}
