//! The keys of hooks: what they mean, and what is said about mistakes.

use smena::config::Release;

use super::{ROUTER, empty, says, source};
use smena::Duration;
use smena::config::{Limits, parse};

#[test]
fn the_keys_of_a_hook_are_read() {
    let text = [
        ROUTER,
        "\
notify = /etc/smena/role.sh eth0 \"a b\"
notify_timeout = 30s
notify_settle = 1500ms
notify_overtake = term
notify_again = yes
reconcile = 10m
release = after-hook
",
    ]
    .concat();
    let mut config = empty();
    let outcome = parse(
        &source(text.as_bytes()),
        &Limits::BOARD,
        &mut config,
        &mut |diagnostic| panic!("{diagnostic}"),
    );
    assert_eq!(outcome.errors, 0);
    let router = &config.routers[0];
    let words: Vec<String> = router
        .notify
        .command
        .iter()
        .flat_map(|words| words.iter())
        .map(|word| word.to_string())
        .collect();
    assert_eq!(words, ["/etc/smena/role.sh", "eth0", "a b"]);
    assert_eq!(router.notify.timeout, Duration::from_secs(30));
    assert_eq!(router.notify.settle, Duration::from_millis(1500));
    assert!(router.notify.overtake && router.notify.again);
    assert_eq!(router.notify.reconcile, Duration::from_secs(600));
    assert_eq!(router.release, Release::AfterHook);
}

#[test]
fn what_belongs_to_a_hook_needs_one() {
    says(
        ROUTER,
        "\
release = after-hook
notify_settle = 1s
notify_overtake = term
notify_again = yes
reconcile = 1m
",
        "\
error: `release = after-hook` without a hook
  --> smena.ini:5:11
 5 | release = after-hook
   |           ^^^^^^^^^^ add `notify = COMMAND` or a `resource`, or use `overlap`
error: `notify_settle` without `notify`
  --> smena.ini:6:17
 6 | notify_settle = 1s
   |                 ^^ add `notify = COMMAND`, or remove it
error: `notify_overtake` without `notify`
  --> smena.ini:7:19
 7 | notify_overtake = term
   |                   ^^^^ add `notify = COMMAND`, or remove it
error: `notify_again` without `notify`
  --> smena.ini:8:16
 8 | notify_again = yes
   |                ^^^ add `notify = COMMAND`, or remove it
error: `reconcile` without `notify`
  --> smena.ini:9:13
 9 | reconcile = 1m
   |             ^^ add `notify = COMMAND`, or remove it
",
    );
}

#[test]
fn resources_are_read_in_order() {
    let text = [
        ROUTER,
        "\
resource = /etc/init.d/disk
resource = /etc/init.d/floatip  eth0 \"a b\"  interval 10s
resource = /etc/init.d/web \"interval\" 1
release = after-hook
notify_overtake = term
",
    ]
    .concat();
    let mut config = empty();
    let outcome = parse(
        &source(text.as_bytes()),
        &Limits::BOARD,
        &mut config,
        &mut |diagnostic| panic!("{diagnostic}"),
    );
    assert_eq!(outcome.errors, 0);
    let read: Vec<(&str, Duration)> = config.routers[0]
        .resources
        .iter()
        .map(|resource| (resource.command.as_str(), resource.interval))
        .collect();
    let expected = [
        ("/etc/init.d/disk", Duration::ZERO),
        ("/etc/init.d/floatip  eth0 \"a b\"", Duration::from_secs(10)),
        ("/etc/init.d/web \"interval\" 1", Duration::ZERO),
    ];
    assert_eq!(read, expected);
}

#[test]
fn mistakes_of_resources() {
    says(
        ROUTER,
        "\
resource = floatip
resource = interval 10s
resource = /etc/init.d/a interval
resource = /etc/init.d/a interval 50ms
resource = /etc/init.d/a interval 1s eth0
resource = /etc/init.d/a > /dev/null
resource = /etc/init.d/a
resource = /etc/init.d/a interval 10s
",
        "\
error: the command of `resource` has no absolute path
  --> smena.ini:5:12
 5 | resource = floatip
   |            ^^^^^^^ begin it with `/`
error: the command of `resource` has no absolute path
  --> smena.ini:6:12
 6 | resource = interval 10s
   |            ^ begin it with `/`
error: `interval` has no value
  --> smena.ini:7:26
 7 | resource = /etc/init.d/a interval
   |                          ^^^^^^^^ write a word after it
error: `interval` is out of range
  --> smena.ini:8:35
 8 | resource = /etc/init.d/a interval 50ms
   |                                   ^^^^ write a duration from 100ms to 24h
error: one word more than expected
  --> smena.ini:9:38
 9 | resource = /etc/init.d/a interval 1s eth0
   |                                      ^^^^ remove `eth0`, or put quotes around the whole
error: `>` means something to a shell only
  --> smena.ini:10:26
 10 | resource = /etc/init.d/a > /dev/null
    |                          ^ smena runs the words as they are: put them into a script
error: [vrrp VI_01] has the resource `/etc/init.d/a` twice
  --> smena.ini:12:12
 12 | resource = /etc/init.d/a interval 10s
    |            ^^^^^^^^^^^^^^^^^^^^^^^^^^ remove one
",
    );
}

#[test]
fn more_resources_than_the_board_has_room_for() {
    let mut text = String::from(ROUTER);
    for number in 0..9 {
        text += &format!("resource = /etc/init.d/r{number}\n");
    }
    says(
        &text,
        "",
        "\
error: too many resource lines in one [vrrp]: there is room for 8
  --> smena.ini:13:12
 13 | resource = /etc/init.d/r8
    |            ^^^^^^^^^^^^^^ `resources` in board.ini is the limit: raise it there and build again
",
    );
}

#[test]
fn what_tells_the_state_without_a_program() {
    let text = [
        "[node]\nnotify_fifo = /run/smena.fifo\n",
        ROUTER,
        "state_file = /run/smena/VI_01\n",
    ]
    .concat();
    let mut config = empty();
    let outcome = parse(
        &source(text.as_bytes()),
        &Limits::BOARD,
        &mut config,
        &mut |diagnostic| panic!("{diagnostic}"),
    );
    assert_eq!(outcome.errors, 0);
    assert_eq!(config.node.notify_fifo, Some("/run/smena.fifo"));
    assert_eq!(config.routers[0].state_file, Some("/run/smena/VI_01"));
}

#[test]
fn mistakes_of_files_that_tell_the_state() {
    says(
        ROUTER,
        "\
state_file = VI_01
[vrrp VI_02]
interface = eth0
virtual_router_id = 52
address = 10.0.0.2
state_file = /run/smena/state
[vrrp VI_03]
interface = eth0
virtual_router_id = 53
address = 10.0.0.3
state_file = /run/smena/state
[node]
notify_fifo = run/smena.fifo
",
        "\
error: `VI_01` is no absolute path
  --> smena.ini:5:14
 5 | state_file = VI_01
   |              ^^^^^ it begins with `/` and has at most 107 bytes
error: [vrrp VI_02] has this `state_file` already
  --> smena.ini:15:14
 15 | state_file = /run/smena/state
    |              ^^^^^^^^^^^^^^^^ each router needs its own
error: `run/smena.fifo` is no absolute path
  --> smena.ini:17:15
 17 | notify_fifo = run/smena.fifo
    |               ^^^^^^^^^^^^^^ it begins with `/` and has at most 107 bytes
",
    );
}

#[test]
fn values_of_hook_keys() {
    says(
        ROUTER,
        "\
notify = /etc/smena/role.sh
notify_timeout = 0
notify_settle = 25h
notify_overtake = kill
notify_again = maybe
reconcile = often
release = after-hok
",
        "\
error: `notify_timeout` is out of range
  --> smena.ini:6:18
 6 | notify_timeout = 0
   |                  ^ write a duration from 1ms to 24h
error: `notify_settle` is out of range
  --> smena.ini:7:17
 7 | notify_settle = 25h
   |                 ^^^ write a duration from 0s to 24h
error: `notify_overtake` cannot be `kill`
  --> smena.ini:8:19
 8 | notify_overtake = kill
   |                   ^^^^ write `wait` or `term`
error: `maybe` is no switch
  --> smena.ini:9:16
 9 | notify_again = maybe
   |                ^^^^^ write `yes` or `no`
error: `often` is no duration
  --> smena.ini:10:13
 10 | reconcile = often
    |             ^^^^^ write a number and `ms`, `s`, `m` or `h`, such as `10ms` or `2s`
error: `release` cannot be `after-hok`
  --> smena.ini:11:11
 11 | release = after-hok
    |           ^^^^^^^^^ write `overlap`, `after-hook` or `immediate`
",
    );
}
