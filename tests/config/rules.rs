//! The exact text for values that do not go together.

use super::{ROUTER, says};

/// The same with an IPv6 address.
const ROUTER_IPV6: &str = "\
[vrrp VI_01]
interface = eth0
virtual_router_id = 51
address = fe80::1
";

#[test]
fn two_routers_with_one_id_or_one_address() {
    says(
        ROUTER,
        "\
[vrrp b]
interface = eth0
virtual_router_id = 51
address = 10.0.0.1 dev eth0
",
        "\
error: [vrrp VI_01] on `eth0` has this `virtual_router_id` already
  --> smena.ini:7:21
 7 | virtual_router_id = 51
   |                     ^^ each router of an interface and family needs its own
error: [vrrp VI_01] has this address already
  --> smena.ini:8:11
 8 | address = 10.0.0.1 dev eth0
   |           ^^^^^^^^^^^^^^^^^ remove one: only one router can decide where it is
",
    );
}

#[test]
fn a_wrong_family() {
    says(
        ROUTER,
        "\
address = fe80::2
address = 10.0.0.2/33
address = 10.0.0.300
address = 224.0.0.18
",
        "\
error: [vrrp VI_01] has IPv4 and IPv6 addresses
  --> smena.ini:5:11
 5 | address = fe80::2
   |           ^^^^^^^ make it an `excluded_address`, or move it to a [vrrp] section of its own
error: `prefix length` is out of range
  --> smena.ini:6:20
 6 | address = 10.0.0.2/33
   |                    ^^ write a number from 1 to 32
error: `10.0.0.300` is no IP address
  --> smena.ini:7:11
 7 | address = 10.0.0.300
   |           ^^^^^^^^^^ write `192.0.2.1/24` or `2001:db8::1/64`
error: `224.0.0.18` is no address that a host can have
  --> smena.ini:8:11
 8 | address = 224.0.0.18
   |           ^^^^^^^^^^ write a unicast address of the network
",
    );
    says(
        ROUTER_IPV6,
        "\
version = 2
",
        "\
error: version 2 has no IPv6
  --> smena.ini:5:11
 5 | version = 2
   |           ^ write `version = 3`, or remove the line
",
    );
    says(
        ROUTER_IPV6,
        "\
address = fe80::2 label eth0:1
auth_pass = secret
",
        "\
error: IPv6 addresses have no label
  --> smena.ini:5:19
 5 | address = fe80::2 label eth0:1
   |                   ^^^^^ remove `label` and the word after it
error: version 3 has no password
  --> smena.ini:6:13
 6 | auth_pass = secret
   |             ^^^^^^ remove the line, or use `version = 2` with IPv4
",
    );
}

#[test]
fn version_2_counts_whole_seconds() {
    says(
        ROUTER,
        "\
advert_int = 100ms
",
        "\
error: version 2 has no `advert_int` of 100ms
  --> smena.ini:5:14
 5 | advert_int = 100ms
   |              ^^^^^ write whole seconds, or `version = 3` on both nodes
",
    );
}

#[test]
fn version_3_counts_hundredths() {
    says(
        ROUTER,
        "\
version = 3
advert_int = 41s
",
        "\
error: version 3 has no `advert_int` of 41s
  --> smena.ini:6:14
 6 | advert_int = 41s
   |              ^^^ write a multiple of 10ms, up to 40.95s
",
    );
    says(
        ROUTER,
        "\
version = 3
advert_int = 15ms
",
        "\
error: version 3 has no `advert_int` of 15ms
  --> smena.ini:6:14
 6 | advert_int = 15ms
   |              ^^^^ write a multiple of 10ms, up to 40.95s
",
    );
}

#[test]
fn options_of_an_address() {
    says(
        ROUTER,
        "\
address = 10.0.0.2 dev
address = 10.0.0.3 dev eth0 dev eth1
address = 10.0.0.4 lable x
address = 10.0.0.5 label a-label-of-17-by
",
        "\
error: `dev` has no value
  --> smena.ini:5:20
 5 | address = 10.0.0.2 dev
   |                    ^^^ write a word after it
error: `dev` is there twice
  --> smena.ini:6:29
 6 | address = 10.0.0.3 dev eth0 dev eth1
   |                             ^^^ write `dev INTERFACE` or `label LABEL`, each once
error: `lable` is no option here
  --> smena.ini:7:20
 7 | address = 10.0.0.4 lable x
   |                    ^^^^^ write `dev INTERFACE` or `label LABEL`, each once
error: `a-label-of-17-by` cannot be the name of an interface or label
  --> smena.ini:8:26
 8 | address = 10.0.0.5 label a-label-of-17-by
   |                          ^^^^^^^^^^^^^^^^ at most 15 characters without blanks; an interface has no `/` and `:`
",
    );
}

#[test]
fn preemption_and_priority_255() {
    says(
        ROUTER,
        "\
preempt = no
preempt_delay = 1s
priority = 255
",
        "\
error: the owner of the addresses (priority 255) always preempts
  --> smena.ini:5:11
 5 | preempt = no
   |           ^^ use a priority up to 254, or remove the line
error: `preempt_delay` without preemption
  --> smena.ini:6:17
 6 | preempt_delay = 1s
   |                 ^^ remove it, or `preempt = no`
",
    );
    says(
        ROUTER,
        "\
priority = 255
track = c weight 2
[check c]
process = c
",
        "\
warning: no weight changes the priority 255 of an owner
  --> smena.ini:6:9
 6 | track = c weight 2
   |         ^^^^^^^^^^ use a priority up to 254, or weight 0
",
    );
}

#[test]
fn a_lease_outlives_the_interval() {
    says(
        ROUTER,
        "\
advert_int = 5s
lease = 5s
",
        "\
error: the lease ends before the next advert renews it
  --> smena.ini:6:9
 6 | lease = 5s
   |         ^^ make it longer than `advert_int`, which is 5s
",
    );
}

/// The password is cut on the wire; who does not know that believes in it.
#[test]
fn the_wire_has_8_bytes_of_password() {
    says(
        ROUTER,
        "\
auth_pass = wimark123
",
        "\
warning: only the first 8 bytes of `auth_pass` count
  --> smena.ini:5:13
 5 | auth_pass = wimark123
   |             ^^^^^^^^^ the wire has room for no more: `wimark12`
",
    );
}

#[test]
fn exactly_one_thing_to_check() {
    says(
        "",
        "\
[check a]
[check b]
process = b
exec = /bin/b
[check c]
process = c
shell = yes
[check service]
process = d e
",
        "\
error: [check a] has nothing to check
  --> smena.ini:1:1
 1 | [check a]
   | ^^^^^^^^^ add `process = NAME` or `exec = COMMAND`
error: [check b] has two things to check
  --> smena.ini:4:8
 4 | exec = /bin/b
   |        ^^^^^^ a check is either `process` or `exec`: make two of it
error: `shell` without `exec`
  --> smena.ini:7:9
 7 | shell = yes
   |         ^^^ remove it
error: no check may be called `service`
  --> smena.ini:8:8
 8 | [check service]
   |        ^^^^^^^ in a track line the word has a meaning of its own
error: `e` is no option here
  --> smena.ini:9:13
 9 | process = d e
   |             ^ write `min NUMBER` or `max NUMBER`, each once, and quotes around blanks
",
    );
}

/// keepalived runs such a check without a shell, so that it fails for ever.
#[test]
fn words_for_a_shell_need_a_shell() {
    says(
        ROUTER,
        "\
track = c
notify = /bin/log > /dev/null
[check c]
exec = /usr/bin/killall -0 haproxy && /usr/bin/curl -k 'https://localhost/'
",
        "\
error: `>` means something to a shell only
  --> smena.ini:6:19
 6 | notify = /bin/log > /dev/null
   |                   ^ smena runs the words as they are: put them into a script
error: `&&` means something to a shell only
  --> smena.ini:8:36
 8 | exec = /usr/bin/killall -0 haproxy && /usr/bin/curl -k 'https://localhost/'
   |                                    ^^ add `shell = yes`, or put quotes around it
",
    );
    says(
        "",
        "\
[check c]
exec = ./check.sh
",
        "\
error: the command of `exec` is no absolute path
  --> smena.ini:2:8
 2 | exec = ./check.sh
   |        ^^^^^^^^^^ begin it with `/`
",
    );
}

#[test]
fn a_hook_has_an_absolute_path() {
    says(
        ROUTER,
        "\
notify = role.sh
",
        "\
error: the command of `notify` has no absolute path
  --> smena.ini:5:10
 5 | notify = role.sh
   |          ^^^^^^^ begin it with `/`
",
    );
}

#[test]
fn a_check_that_nothing_tracks() {
    says(
        ROUTER,
        "\
[check c]
process = c
",
        "\
warning: nothing tracks [check c]
  --> smena.ini:5:1
 5 | [check c]
   | ^^^^^^^^^ add `track = c` to a [vrrp] section, or remove it
",
    );
}
