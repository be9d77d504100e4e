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
        .iter()
        .flat_map(|words| words.iter())
        .map(|word| word.to_string())
        .collect();
    assert_eq!(words, ["/etc/smena/role.sh", "eth0", "a b"]);
    assert_eq!(router.notify_timeout, Duration::from_secs(30));
    assert_eq!(router.notify_settle, Duration::from_millis(1500));
    assert!(router.notify_overtake && router.notify_again);
    assert_eq!(router.reconcile, Duration::from_secs(600));
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
   |           ^^^^^^^^^^ add `notify = COMMAND`, or use `overlap`
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
