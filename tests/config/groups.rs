//! The exact text about groups and what they track.

use super::{ROUTER, says};

#[test]
fn a_group_of_one() {
    says(
        ROUTER,
        "group = gateway\n",
        "\
warning: no other router is in this group
  --> smena.ini:5:9
 5 | group = gateway
   |         ^^^^^^^ write the line in each [vrrp] section that moves with it
",
    );
}

#[test]
fn members_that_count_one_thing_differently() {
    let rest = "\
group = gateway
track = web weight 2
[vrrp b]
interface = eth0
virtual_router_id = 52
address = 10.0.0.2
group = gateway
track = other
track = web weight 3
[vrrp c]
interface = eth0
virtual_router_id = 53
address = 10.0.0.3
group = gateway
[check web]
process = web
[check other]
process = other
";
    says(
        ROUTER,
        rest,
        "\
error: [vrrp VI_01] of the same group counts this otherwise
  --> smena.ini:13:9
 13 | track = web weight 3
    |         ^^^^^^^^^^^^ what one of a group tracks counts for all: write the same in both
",
    );
    says(ROUTER, &rest.replace("weight 3", "weight 2"), "");
}

const MEMBER: &str = "\
group = gateway
[vrrp b]
interface = eth0
virtual_router_id = 52
address = 10.0.0.2
group = gateway
";

#[test]
fn a_group_with_a_hook() {
    let group = "[group gateway]\nnotify = /etc/smena/group.sh\nnotify_timeout = 10s\n";
    says(ROUTER, &format!("{MEMBER}{group}"), "");
}

#[test]
fn a_group_without_routers() {
    says(
        ROUTER,
        &format!("{MEMBER}[group gatway]\nnotify = /etc/smena/group.sh\n"),
        "\
error: no router is in [group gatway]
  --> smena.ini:11:1
 11 | [group gatway]
    | ^^^^^^^^^^^^^^ write `group = gatway` in each [vrrp] section that moves with it
",
    );
}

#[test]
fn a_group_without_a_hook() {
    says(
        ROUTER,
        &format!("{MEMBER}[group gateway]\nnotify_timeout = 10s\npriority = 3\n"),
        "\
error: [group gateway] has no `notify`
  --> smena.ini:11:1
 11 | [group gateway]
    | ^^^^^^^^^^^^^^^ add a line such as `notify = /etc/smena/group.sh`
error: unknown key `priority` in [group gateway]
  --> smena.ini:13:1
 13 | priority = 3
    | ^^^^^^^^ it is a key of [vrrp]
",
    );
}
