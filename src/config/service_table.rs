//! The keys of a `[service]` section: a part of the table.

use super::check_entry;
use super::service::{Balance, Stick};
use super::service_entry;
use super::table::Absence::{Required, Rule, Text};
use super::table::{DAY, Key, MILLISECOND, TEN_MILLISECONDS, Value, key, plural};

const BALANCES: &[&str] = &["roundrobin", "leastconn", "source"];
const STICKS: &[&str] = &["none", "source", "tls-session-id"];
const ON_DOWN: &[&str] = &["leave", "cut"];
const SOURCES: &[&str] = &["proxy", "client"];

/// Those of one service.
pub(super) const SERVICE: &[Key] = &[
    plural(key(
        "listen",
        Required("*:443"),
        "where clients come in: [udp] ADDRESS:PORT; * is every IPv4, [::] every IPv6 address",
        Value::Own(service_entry::listen),
    )),
    key(
        "balance",
        Text("roundrobin"),
        "which server gets a session: the next, the least busy, or the same for one address",
        Value::Choice(&BALANCES, |r, index| {
            use Balance::{LeastConn, RoundRobin, Source};
            r.service.balance = [RoundRobin, LeastConn, Source][index % 3];
        }),
    ),
    key(
        "stick",
        Text("none"),
        "what brings a client to the same server again: none, source, tls-session-id",
        Value::Choice(&STICKS, |r, index| {
            r.service.stick = [Stick::None, Stick::Source, Stick::TlsSessionId][index % 3];
        }),
    ),
    plural(key(
        "server",
        Required("web1 192.0.2.11:443"),
        "NAME ADDRESS[:PORT] [weight N] [maxconn N] [backup] [check ADDRESS:PORT] [send-proxy-v2]",
        Value::Own(service_entry::server),
    )),
    key(
        "check",
        Rule("tcp, and none for UDP"),
        "how each server is looked at: none, tcp, http PATH, tls, exec COMMAND",
        Value::Own(service_entry::check),
    ),
    key(
        "check_host",
        Rule("the server's address for http, none for tls"),
        "the host name that the http or tls check asks for",
        Value::Own(check_entry::host),
    ),
    key(
        "check_expect",
        Text("200"),
        "the good status of the http check, or a range of them",
        Value::Own(check_entry::expect),
    ),
    key(
        "inter",
        Text("2s"),
        "the time from one look at a server to the next, and the most that one may take",
        Value::Time(TEN_MILLISECONDS, DAY, |r, time| r.service.inter = time),
    ),
    key(
        "rise",
        Text("2"),
        "good looks in a row until a server is up",
        Value::Number(1, 65535, |r, times| r.service.rise = times as u16),
    ),
    key(
        "fall",
        Text("3"),
        "bad looks in a row until a server is down",
        Value::Number(1, 65535, |r, times| r.service.fall = times as u16),
    ),
    key(
        "on_down",
        Text("leave"),
        "the sessions of a server that went down: leave, cut",
        Value::Choice(&ON_DOWN, |r, index| {
            r.service.cut_on_down = index == 1;
        }),
    ),
    key(
        "retries",
        Text("3"),
        "attempts to connect after the first, each to the next server",
        Value::Number(0, 255, |r, times| r.service.retries = times as u8),
    ),
    key(
        "timeout_connect",
        Text("5s"),
        "how long an attempt to connect may take",
        Value::Time(MILLISECOND, DAY, |r, time| r.service.timeout_connect = time),
    ),
    key(
        "timeout_client",
        Text("50s"),
        "how long a client may be silent",
        Value::Time(MILLISECOND, DAY, |r, time| r.service.timeout_client = time),
    ),
    key(
        "timeout_server",
        Text("50s"),
        "how long a server may be silent",
        Value::Time(MILLISECOND, DAY, |r, time| r.service.timeout_server = time),
    ),
    key(
        "timeout_udp",
        Text("60s"),
        "an idle UDP session ends after it",
        Value::Time(MILLISECOND, DAY, |r, time| r.service.timeout_udp = time),
    ),
    key(
        "maxconn",
        Rule("as many as there is room for"),
        "sessions at once, over all workers; what is more waits",
        Value::Number(1, service_entry::CONNECTIONS_MAX, |r, most| {
            r.service.maxconn = most as u32;
        }),
    ),
    key(
        "source",
        Text("proxy"),
        "whose address the servers see: proxy, client",
        Value::Choice(&SOURCES, |r, index| {
            r.service.transparent = index == 1;
        }),
    ),
];
