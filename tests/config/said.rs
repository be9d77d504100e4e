//! The exact text for what a file says that the table does not know, or says
//! badly.

use super::{ROUTER, says};

#[test]
fn an_unknown_key_suggests_the_nearest() {
    says(
        ROUTER,
        "\
priorty = 101
",
        "\
error: unknown key `priorty` in [vrrp VI_01]
  --> smena.ini:5:1
 5 | priorty = 101
   | ^^^^^^^ did you mean `priority`?
",
    );
}

#[test]
fn an_unknown_key_of_another_section_says_which() {
    says(
        ROUTER,
        "\
exec = /bin/true
zzz = 1
",
        "\
error: unknown key `exec` in [vrrp VI_01]
  --> smena.ini:5:1
 5 | exec = /bin/true
   | ^^^^ it is a key of [check]
error: unknown key `zzz` in [vrrp VI_01]
  --> smena.ini:6:1
 6 | zzz = 1
   | ^^^ see `man smena` for the keys there are
",
    );
}

/// Who comes from keepalived writes its words at first.
#[test]
fn a_key_of_keepalived_suggests_ours() {
    says(
        ROUTER,
        "\
virtual_ipaddress = 10.0.0.2
nopreempt = yes
[vrrp_script chk]
",
        "\
error: unknown key `virtual_ipaddress` in [vrrp VI_01]
  --> smena.ini:5:1
 5 | virtual_ipaddress = 10.0.0.2
   | ^^^^^^^^^^^^^^^^^ did you mean `address`?
error: unknown key `nopreempt` in [vrrp VI_01]
  --> smena.ini:6:1
 6 | nopreempt = yes
   | ^^^^^^^^^ did you mean `preempt = no`?
error: unknown section [vrrp_script]
  --> smena.ini:7:2
 7 | [vrrp_script chk]
   |  ^^^^^^^^^^^ did you mean `check`?
",
    );
}

/// The file may be written for a newer version.
#[test]
fn what_a_later_version_has_is_no_spelling_mistake() {
    says(
        ROUTER,
        "\
[node]
log_target = udp:10.0.0.9:514
",
        "\
error: this version of smena has no `udp:10.0.0.9:514` yet
  --> smena.ini:6:14
 6 | log_target = udp:10.0.0.9:514
   |              ^^^^^^^^^^^^^^^^ remove it, or use a version that has it
",
    );
}

#[test]
fn an_unknown_section() {
    says(
        "",
        "\
[vrp VI_01]
interface = eth0
[zzz]
",
        "\
error: unknown section [vrp]
  --> smena.ini:1:2
 1 | [vrp VI_01]
   |  ^^^ did you mean `vrrp`?
error: unknown section [zzz]
  --> smena.ini:3:2
 3 | [zzz]
   |  ^^^ there are [node], [vrrp NAME], [group NAME], [check NAME], [service NAME], [interface NAME], [init] and [sysctl]
",
    );
}

#[test]
fn an_unknown_reference_suggests_the_nearest() {
    says(
        ROUTER,
        "\
track = haproxi weight 2
[check haproxy]
process = haproxy
",
        "\
error: unknown check `haproxi` in [vrrp VI_01]
  --> smena.ini:5:9
 5 | track = haproxi weight 2
   |         ^^^^^^^ did you mean `haproxy`?
",
    );
    says(
        ROUTER,
        "\
track = haproxy
",
        "\
error: unknown check `haproxy` in [vrrp VI_01]
  --> smena.ini:5:9
 5 | track = haproxy
   |         ^^^^^^^ add a section `[check haproxy]`
",
    );
}

#[test]
fn missing_keys_come_with_an_example() {
    says(
        "",
        "\
[vrrp VI_01]
virtual_router_id = 51
[check c]
",
        "\
error: [vrrp VI_01] has no `interface`
  --> smena.ini:1:1
 1 | [vrrp VI_01]
   | ^^^^^^^^^^^^ add a line such as `interface = eth0`
error: [vrrp VI_01] has neither `address` nor `notify`
  --> smena.ini:1:1
 1 | [vrrp VI_01]
   | ^^^^^^^^^^^^ add a line such as `address = 192.0.2.1/24`
error: [check c] has nothing to check
  --> smena.ini:3:1
 3 | [check c]
   | ^^^^^^^^^ add `process = NAME` or `exec = COMMAND`
",
    );
}

#[test]
fn out_of_range() {
    says(
        ROUTER,
        "\
priority = 256
advert_int = 256s
garp_master_repeat = 99999999999
track = c weight -254
lease = 25h
[check c]
process = c
rise = 0
",
        "\
error: `priority` is out of range
  --> smena.ini:5:12
 5 | priority = 256
   |            ^^^ write a number from 1 to 255
error: `advert_int` is out of range
  --> smena.ini:6:14
 6 | advert_int = 256s
   |              ^^^^ write a duration from 10ms to 255s
error: `garp_master_repeat` is out of range
  --> smena.ini:7:22
 7 | garp_master_repeat = 99999999999
   |                      ^^^^^^^^^^^ write a number from 1 to 255
error: `weight` is out of range
  --> smena.ini:8:18
 8 | track = c weight -254
   |                  ^^^^ write a number from -253 to 253
error: `lease` is out of range
  --> smena.ini:9:9
 9 | lease = 25h
   |         ^^^ write a duration from 0s to 24h
error: `rise` is out of range
  --> smena.ini:12:8
 12 | rise = 0
    |        ^ write a number from 1 to 65535
",
    );
}

#[test]
fn no_number_no_switch_no_choice() {
    says(
        ROUTER,
        "\
priority = high
preempt = maybe
release = later
[node]
log = trace
",
        "\
error: `high` is no whole number
  --> smena.ini:5:12
 5 | priority = high
   |            ^^^^ write a number from 1 to 255
error: `maybe` is no switch
  --> smena.ini:6:11
 6 | preempt = maybe
   |           ^^^^^ write `yes` or `no`
error: `release` cannot be `later`
  --> smena.ini:7:11
 7 | release = later
   |           ^^^^^ write `overlap`, `after-hook` or `immediate`
error: `log` cannot be `trace`
  --> smena.ini:9:7
 9 | log = trace
   |       ^^^^^ write `error`, `warn`, `info` or `debug`
",
    );
}

#[test]
fn a_bad_unit() {
    says(
        ROUTER,
        "\
preempt_delay = 5sec
startup_delay = 5 s
notify_timeout = 1.0000001s
lease = 1.5s
",
        "\
error: `5sec` is no duration
  --> smena.ini:5:17
 5 | preempt_delay = 5sec
   |                 ^^^^ write a number and `ms`, `s`, `m` or `h`, such as `10ms` or `2s`
error: `5 s` is no duration
  --> smena.ini:6:17
 6 | startup_delay = 5 s
   |                 ^^^ write a number and `ms`, `s`, `m` or `h`, such as `10ms` or `2s`
error: `1.0000001s` is finer than a microsecond
  --> smena.ini:7:18
 7 | notify_timeout = 1.0000001s
   |                  ^^^^^^^^^^ write fewer digits
error: `lease` is no whole number of seconds
  --> smena.ini:8:9
 8 | lease = 1.5s
   |         ^^^^ the kernel counts lifetimes in seconds: write `1s` or more
",
    );
}

#[test]
fn duplicates_name_the_first_place() {
    says(
        ROUTER,
        "\
priority = 101
priority = 102
address = 10.0.0.1/24
[vrrp VI_01]
interface = eth1
virtual_router_id = 52
address = 10.0.0.2
[sysctl]
a = 1
a = 2
",
        "\
error: `priority` is there twice in [vrrp VI_01]
  --> smena.ini:6:1
 6 | priority = 102
   | ^^^^^^^^ the first is in line 5: remove one
error: [vrrp VI_01] has the address `10.0.0.1/24` twice
  --> smena.ini:7:11
 7 | address = 10.0.0.1/24
   |           ^^^^^^^^^^^ remove one
error: [vrrp VI_01] is there twice
  --> smena.ini:8:1
 8 | [vrrp VI_01]
   | ^^^^^^^^^^^^ the first is in line 1: join them, or rename one
error: `a` is there twice in [sysctl]
  --> smena.ini:14:1
 14 | a = 2
    | ^ the first is in line 13: remove one
",
    );
}

#[test]
fn what_is_neither_section_nor_entry() {
    says(
        ROUTER,
        "\
priority
[node
[node] x
[vrrp a b]
[]
priority =
release = ; overlap
",
        "\
error: neither a section nor `KEY = VALUE`
  --> smena.ini:5:1
 5 | priority
   | ^^^^^^^^ write `priority = VALUE`
error: this is no section
  --> smena.ini:6:1
 6 | [node
   | ^^^^^ a section is written `[kind]` or `[kind name]`
error: this is no section
  --> smena.ini:7:1
 7 | [node] x
   | ^^^^^^^^ a section is written `[kind]` or `[kind name]`
error: this is no section
  --> smena.ini:8:1
 8 | [vrrp a b]
   | ^^^^^^^^^^ a section is written `[kind]` or `[kind name]`
error: this is no section
  --> smena.ini:9:1
 9 | []
   | ^^ a section is written `[kind]` or `[kind name]`
error: `priority` has no value
  --> smena.ini:10:1
 10 | priority =
    | ^^^^^^^^ write `priority = VALUE`, or remove the line for the default
error: `release` has no value
  --> smena.ini:11:1
 11 | release = ; overlap
    | ^^^^^^^ write `release = VALUE`, or remove the line for the default
",
    );
    says(
        "",
        "\
name = a
[check]
[node a]
[check a/b]
",
        "\
error: `name` stands before the first section
  --> smena.ini:1:1
 1 | name = a
   | ^^^^ write a section such as `[node]` above it
error: [check] has no name
  --> smena.ini:2:1
 2 | [check]
   | ^^^^^^^ write `[check NAME]`
error: [check] has nothing to check
  --> smena.ini:2:1
 2 | [check]
   | ^^^^^^^ add `process = NAME` or `exec = COMMAND`
error: [node] takes no name
  --> smena.ini:3:1
 3 | [node a]
   | ^^^^^^^^ write `[node]`
error: [check a/b] has nothing to check
  --> smena.ini:4:1
 4 | [check a/b]
   | ^^^^^^^^^^^ add `process = NAME` or `exec = COMMAND`
error: `a/b` is no name
  --> smena.ini:4:8
 4 | [check a/b]
   |        ^^^ 1 to 31 letters, digits, `_`, `.` and `-`
",
    );
}

#[test]
fn quotes() {
    says(
        ROUTER,
        "\
notify = \"/bin/log
[node]
name = a\"b\"
script_user = \"a b\"
control = /run/a b
",
        "\
error: a quote is not closed
  --> smena.ini:5:10
 5 | notify = \"/bin/log
   |          ^^^^^^^^^ close it, or write `\\\"` for the character itself
error: quotes and escapes inside a value that is no command
  --> smena.ini:7:8
 7 | name = a\"b\"
   |        ^^^^ write it without, or all of it in one pair of quotes
error: `a b` is no name
  --> smena.ini:8:15
 8 | script_user = \"a b\"
   |               ^^^^^ 1 to 31 letters, digits, `_`, `.` and `-`
error: one word more than expected
  --> smena.ini:9:18
 9 | control = /run/a b
   |                  ^ remove `b`, or put quotes around the whole
",
    );
}

#[test]
fn real_time_is_a_switch_or_a_priority() {
    says(
        ROUTER,
        "\
[node]
realtime = 100
",
        "\
error: `realtime` is out of range
  --> smena.ini:6:12
 6 | realtime = 100
   |            ^^^ write a number from 1 to 99
",
    );
    says(
        ROUTER,
        "\
[node]
realtime = maybe
",
        "\
error: `maybe` is no switch
  --> smena.ini:6:12
 6 | realtime = maybe
   |            ^^^^^ write `yes` or `no`
",
    );
}

#[test]
fn names_of_interfaces_paths_and_settings() {
    says(
        "",
        "\
[vrrp a]
interface = eth0/1
virtual_router_id = 1
address = 10.0.0.1
[node]
control = smena.sock
[sysctl]
net.ipv4..ip_forward = 1
",
        "\
error: `eth0/1` cannot be the name of an interface or label
  --> smena.ini:2:13
 2 | interface = eth0/1
   |             ^^^^^^ at most 15 characters without blanks; an interface has no `/` and `:`
error: `smena.sock` is no absolute path
  --> smena.ini:6:11
 6 | control = smena.sock
   |           ^^^^^^^^^^ it begins with `/` and has at most 107 bytes
error: `net.ipv4..ip_forward` is no kernel setting
  --> smena.ini:8:1
 8 | net.ipv4..ip_forward = 1
   | ^^^^^^^^^^^^^^^^^^^^ write it as sysctl(8) does, such as `net.ipv4.ip_forward`
",
    );
}

#[test]
fn an_empty_file_says_how_to_begin() {
    says(
        "",
        "",
        "\
error: `smena.ini` has no section
  --> smena.ini:1:1
 1 | 
   | ^ begin with `[vrrp NAME]`; the manual smena(8) has an example
",
    );
    says(
        "",
        "\
; nothing
",
        "\
error: `smena.ini` has no section
  --> smena.ini:1:1
 1 | ; nothing
   | ^ begin with `[vrrp NAME]`; the manual smena(8) has an example
",
    );
}

/// One answer for the whole file, not one for each of its lines.
#[test]
fn a_file_of_keepalived() {
    says(
        "",
        "! Configuration File for keepalived\n\nvrrp_instance VI_1 {\n    state MASTER\n}\n",
        "\
error: this is a file of keepalived
  --> smena.ini:3:1
 3 | vrrp_instance VI_1 {
   | ^^^^^^^^^^^^^ README.md has its keywords under `Coming from keepalived`
",
    );
}

/// HAProxy's numbers are milliseconds.
#[test]
fn many_seconds_without_a_unit_may_be_milliseconds() {
    says(
        ROUTER,
        "\
track = c
preempt_delay = 999
startup_delay = 1000s
[check c]
process = c
interval = 2000
",
        "\
warning: `2000` without a unit is so many seconds
  --> smena.ini:10:12
 10 | interval = 2000
    |            ^^^^ write `2000s`, or `2000ms` for milliseconds
",
    );
}

/// The `=` is what others do without.
#[test]
fn a_line_without_an_equals_sign_names_its_key() {
    says(
        ROUTER,
        "\
nopreempt
interface: eth0
state MASTER
unicast_peer {
    10.0.0.2
[service web]
listen = *:80
server = a 10.0.0.2
timeout client = 50s
timeout tunnel 1h
",
        "\
error: neither a section nor `KEY = VALUE`
  --> smena.ini:5:1
 5 | nopreempt
   | ^^^^^^^^^ write `preempt = no`
error: neither a section nor `KEY = VALUE`
  --> smena.ini:6:1
 6 | interface: eth0
   | ^^^^^^^^^^^^^^^ write `interface = VALUE`
error: neither a section nor `KEY = VALUE`
  --> smena.ini:7:1
 7 | state MASTER
   | ^^^^^^^^^^^^ remove it: the priority decides who is master
error: neither a section nor `KEY = VALUE`
  --> smena.ini:8:1
 8 | unicast_peer {
   | ^^^^^^^^^^^^^^ write `unicast_peer = VALUE`
error: neither a section nor `KEY = VALUE`
  --> smena.ini:9:5
 9 |     10.0.0.2
   |     ^^^^^^^^ write so, or begin a comment with `#` or `;`
error: neither a section nor `KEY = VALUE`
  --> smena.ini:13:1
 13 | timeout client = 50s
    | ^^^^^^^^^^^^^^^^^^^^ write `timeout_client = VALUE`
error: neither a section nor `KEY = VALUE`
  --> smena.ini:14:1
 14 | timeout tunnel 1h
    | ^^^^^^^^^^^^^^^^^ remove it: `timeout_client` and `timeout_server` hold all the time
",
    );
}

#[test]
fn a_word_that_nothing_is_called_here_comes_with_what_to_do() {
    says(
        ROUTER,
        "\
use_vmac = yes
notify_backup = /etc/backup.sh
track_interface = eth1
virtual-ipaddress-excluded = 10.0.0.9
[vrrp_sync_group g]
[service web]
listen = *:80
server = a 10.0.0.2
default-server = inter 2s
",
        "\
error: unknown key `use_vmac` in [vrrp VI_01]
  --> smena.ini:5:1
 5 | use_vmac = yes
   | ^^^^^^^^ did you mean `vmac = yes`?
error: unknown key `notify_backup` in [vrrp VI_01]
  --> smena.ini:6:1
 6 | notify_backup = /etc/backup.sh
   | ^^^^^^^^^^^^^ write `notify = COMMAND`: its third argument is the state
error: unknown key `track_interface` in [vrrp VI_01]
  --> smena.ini:7:1
 7 | track_interface = eth1
   | ^^^^^^^^^^^^^^^ did you mean `track = interface NAME`?
error: unknown key `virtual-ipaddress-excluded` in [vrrp VI_01]
  --> smena.ini:8:1
 8 | virtual-ipaddress-excluded = 10.0.0.9
   | ^^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean `excluded_address`?
error: unknown section [vrrp_sync_group]
  --> smena.ini:9:2
 9 | [vrrp_sync_group g]
   |  ^^^^^^^^^^^^^^^ write `group = NAME` in the [vrrp] section of each router
error: unknown key `default-server` in [service web]
  --> smena.ini:13:1
 13 | default-server = inter 2s
    | ^^^^^^^^^^^^^^ `inter`, `rise` and `fall` are keys, and each `server` has its own weight
",
    );
}
