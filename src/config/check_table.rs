//! The keys of a `[check]` section: a part of the table.

use super::check_entry;
use super::model::CheckKind;
use super::table::Absence::{Absent, Rule, Text};
use super::table::{DAY, Key, MILLISECOND, TEN_MILLISECONDS, Value, key};

/// So many keys at the begin of [`CHECK`] say what is looked at; a check has one.
pub(super) const KINDS: usize = 9;

/// Those of one check.
pub(super) const CHECK: &[Key] = &[
    key(
        "process",
        Absent,
        "so many processes of this name run: NAME [min N] [max N]",
        Value::Own(check_entry::process),
    ),
    key(
        "pidfile",
        Absent,
        "the process whose number stands in this file runs",
        Value::Path(|r, path| r.check.kind = CheckKind::Pidfile(path)),
    ),
    key(
        "exec",
        Absent,
        "this command exits with 0",
        Value::Words(|r, words| r.check.kind = CheckKind::Exec(words)),
    ),
    key(
        "tcp",
        Absent,
        "a connection can be made: ADDRESS:PORT",
        Value::Own(check_entry::tcp),
    ),
    key(
        "http",
        Absent,
        "a web server answers as expected: http://ADDRESS[:PORT][/PATH]",
        Value::Own(check_entry::http),
    ),
    key(
        "tls",
        Absent,
        "a TLS server answers: ADDRESS:PORT",
        Value::Own(check_entry::tls),
    ),
    key(
        "ping",
        Absent,
        "an ICMP echo comes back from this address",
        Value::Own(check_entry::ping),
    ),
    key(
        "file",
        Absent,
        "this file exists; a number in it is added to the priority",
        Value::Path(|r, path| r.check.kind = CheckKind::File(path)),
    ),
    key(
        "interface",
        Absent,
        "this interface is up and has carrier",
        Value::Own(check_entry::interface),
    ),
    key(
        "shell",
        Text("no"),
        "run the command of exec by /bin/sh -c",
        Value::Switch(|r, on| r.ask.shell = on),
    ),
    key(
        "expect",
        Text("200"),
        "the status that http wants, or a range of them: 200 or 200-399",
        Value::Own(check_entry::expect),
    ),
    key(
        "host",
        Rule("the address for http, none for tls"),
        "the name that the server is asked for by http or tls",
        Value::Own(check_entry::host),
    ),
    key(
        "body",
        Absent,
        "a text that must be in the body of the http reply",
        Value::Own(check_entry::body),
    ),
    key(
        "interval",
        Text("1s"),
        "the time from start to start",
        Value::Time(TEN_MILLISECONDS, DAY, |r, time| {
            r.check.interval = time;
        }),
    ),
    key(
        "timeout",
        Rule("the interval"),
        "how long it may take",
        Value::Time(MILLISECOND, DAY, |r, time| r.check.timeout = time),
    ),
    key(
        "rise",
        Text("1"),
        "successes in a row until it is up",
        Value::Number(1, 65535, |r, times| r.check.rise = times as u16),
    ),
    key(
        "fall",
        Text("1"),
        "failures in a row until it is down",
        Value::Number(1, 65535, |r, times| r.check.fall = times as u16),
    ),
    key(
        "weight",
        Text("0"),
        "for track lines that give none: positive is added while up, negative while down, 0 is FAULT",
        Value::Number(-253, 253, |r, weight| r.check.weight = weight as i16),
    ),
    key(
        "reverse",
        Text("no"),
        "success counts as failure and the other way round",
        Value::Switch(|r, on| r.check.reverse = on),
    ),
];
