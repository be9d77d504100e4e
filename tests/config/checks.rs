//! The exact text for each mistake of a `[check]` section, and what good ones
//! mean.

use smena::config::{CheckKind, Limits};

use super::{empty, read, says, source};

/// A section with these lines, which is wrong in this way.
#[track_caller]
fn wrong(lines: &str, expected: &str) {
    says("[check c]\n", lines, expected);
}

fn said(text: &str) -> String {
    read(source(text.as_bytes()), &Limits::BOARD).1
}

#[test]
fn an_address_needs_a_port_and_is_no_name() {
    wrong(
        "tcp = 127.0.0.1\n",
        "\
error: `127.0.0.1` has no port
  --> smena.ini:2:7
 2 | tcp = 127.0.0.1
   |       ^^^^^^^^^ write `192.0.2.1:80` or `[2001:db8::1]:80`
",
    );
    wrong(
        "tls = 2001:db8::1:443\n",
        "\
error: `2001:db8::1:443` has no port
  --> smena.ini:2:7
 2 | tls = 2001:db8::1:443
   |       ^^^^^^^^^^^^^^^ write `192.0.2.1:80` or `[2001:db8::1]:80`
",
    );
    wrong(
        "tcp = localhost:80\n",
        "\
error: `localhost` cannot be asked
  --> smena.ini:2:7
 2 | tcp = localhost:80
   |       ^^^^^^^^^^^^ write an IP address: names are not looked up
",
    );
    wrong(
        "tcp = 127.0.0.1:0\n",
        "\
error: `port` is out of range
  --> smena.ini:2:17
 2 | tcp = 127.0.0.1:0
   |                 ^ write a number from 1 to 65535
",
    );
    wrong(
        "tls = 127.0.0.1:https\n",
        "\
error: `https` is no whole number
  --> smena.ini:2:17
 2 | tls = 127.0.0.1:https
   |                 ^^^^^ write a number from 1 to 65535
",
    );
    wrong(
        "tcp = 0.0.0.0:80\n",
        "\
error: `0.0.0.0` cannot be asked
  --> smena.ini:2:7
 2 | tcp = 0.0.0.0:80
   |       ^^^^^^^^^^ write that of one host
",
    );
    wrong(
        "ping = fe80::1\n",
        "\
error: `fe80::1` cannot be asked
  --> smena.ini:2:8
 2 | ping = fe80::1
   |        ^^^^^^^ a link-local address is one of many: write another of that host
",
    );
    wrong(
        "ping = gateway\n",
        "\
error: `gateway` cannot be asked
  --> smena.ini:2:8
 2 | ping = gateway
   |        ^^^^^^^ write an IP address: names are not looked up
",
    );
    wrong(
        "ping = 10.0.0.254:80\n",
        "\
error: `10.0.0.254:80` cannot be asked
  --> smena.ini:2:8
 2 | ping = 10.0.0.254:80
   |        ^^^^^^^^^^^^^ write an IP address: names are not looked up
",
    );
}

#[test]
fn a_url_is_one_that_is_asked_without_tls() {
    wrong(
        "http = https://127.0.0.1/\n",
        "\
error: `https://127.0.0.1/` is no URL of a check
  --> smena.ini:2:8
 2 | http = https://127.0.0.1/
   |        ^^^^^^^^^^^^^^^^^^ smena speaks no TLS: `tls = ADDRESS:PORT` asks whether the server does
",
    );
    wrong(
        "http = 127.0.0.1/health\n",
        "\
error: `127.0.0.1/health` is no URL of a check
  --> smena.ini:2:8
 2 | http = 127.0.0.1/health
   |        ^^^^^^^^^^^^^^^^ write `http://192.0.2.1:80/path`, and %20 for a blank
",
    );
    wrong(
        "http = http://127.0.0.1/a b\n",
        "\
error: `http://127.0.0.1/a b` is no URL of a check
  --> smena.ini:2:8
 2 | http = http://127.0.0.1/a b
   |        ^^^^^^^^^^^^^^^^^^^^ write `http://192.0.2.1:80/path`, and %20 for a blank
",
    );
    wrong(
        "http = http://www.example/\n",
        "\
error: `www.example` cannot be asked
  --> smena.ini:2:8
 2 | http = http://www.example/
   |        ^^^^^^^^^^^^^^^^^^^ write an IP address: names are not looked up
",
    );
    wrong(
        "http = http://127.0.0.1:99999/\n",
        "\
error: `port` is out of range
  --> smena.ini:2:25
 2 | http = http://127.0.0.1:99999/
   |                         ^^^^^ write a number from 1 to 65535
",
    );
}

#[test]
fn what_a_reply_must_be() {
    for (value, message, at, hint) in [
        (
            "99",
            "`expect` is out of range",
            "^^",
            "write a number from 100 to 599",
        ),
        (
            "600",
            "`expect` is out of range",
            "^^^",
            "write a number from 100 to 599",
        ),
        (
            "2xx",
            "`2xx` is no whole number",
            "^^^",
            "write a number from 100 to 599",
        ),
        (
            "399-200",
            "`expect` ends before it begins",
            "^^^^^^^",
            "write the lower number first",
        ),
    ] {
        wrong(
            &format!("http = http://127.0.0.1/\nexpect = {value}\n"),
            &format!(
                "error: {message}\n  --> smena.ini:3:10\n 3 | expect = {value}\n   \
                 |          {at} {hint}\n"
            ),
        );
    }
    wrong(
        "http = http://127.0.0.1/\nexpect = 200-\nhost = a b\nbody = all fine\n",
        "\
error: `` is no whole number
  --> smena.ini:3:14
 3 | expect = 200-
   |              ^ write a number from 100 to 599
error: `a b` is no host name
  --> smena.ini:4:8
 4 | host = a b
   |        ^^^ write it as in a URL
error: one word more than expected
  --> smena.ini:5:12
 5 | body = all fine
   |            ^^^^ remove `fine`, or put quotes around the whole
",
    );
    wrong(
        "http = http://127.0.0.1/\nbody = \"\"\"\"\n",
        "\
error: `body` must have 1 to 255 bytes
  --> smena.ini:3:8
 3 | body = \"\"\"\"
   |        ^^^^ look for another part of it
",
    );
    let long = "x".repeat(256);
    let said = said(&format!(
        "[check c]\nhttp = http://127.0.0.1/\nbody = {long}\n"
    ));
    assert!(said.starts_with("error: `body` must have 1 to 255 bytes\n  --> smena.ini:3:8\n"));
    assert!(
        said.ends_with("^^^ look for another part of it\n"),
        "{said}"
    );
}

/// Nothing that is said is silently of no use.
#[test]
fn what_belongs_to_another_kind() {
    wrong(
        "tcp = 127.0.0.1:80\nexpect = 200\nhost = www.example\nbody = alive\nshell = no\n",
        "\
error: `expect` without `http`
  --> smena.ini:3:10
 3 | expect = 200
   |          ^^^ remove it
error: `host` without `http`
  --> smena.ini:4:8
 4 | host = www.example
   |        ^^^^^^^^^^^ remove it
error: `body` without `http`
  --> smena.ini:5:8
 5 | body = alive
   |        ^^^^^ remove it
error: `shell` without `exec`
  --> smena.ini:6:9
 6 | shell = no
   |         ^^ remove it
",
    );
    wrong(
        "tls = 127.0.0.1:443\nexpect = 200\n",
        "\
error: `expect` without `http`
  --> smena.ini:3:10
 3 | expect = 200
   |          ^^^ remove it
",
    );
}

#[test]
fn a_check_looks_at_one_thing() {
    wrong(
        "tcp = 127.0.0.1:80\nping = 127.0.0.1\n",
        "\
error: [check c] has two things to check
  --> smena.ini:3:8
 3 | ping = 127.0.0.1
   |        ^^^^^^^^^ a check is either `tcp` or `ping`: make two of it
",
    );
    wrong(
        "proces = haproxy\n",
        "\
error: [check c] has nothing to check
  --> smena.ini:1:1
 1 | [check c]
   | ^^^^^^^^^ add `process = NAME` or `exec = COMMAND`
error: unknown key `proces` in [check c]
  --> smena.ini:2:1
 2 | proces = haproxy
   | ^^^^^^ did you mean `process`?
",
    );
}

#[test]
fn a_quorum_is_a_range() {
    wrong(
        "process = nginx min 3 max 2\n",
        "\
error: `max` is below `min`, which is 1 unless it is said
  --> smena.ini:2:11
 2 | process = nginx min 3 max 2
   |           ^^^^^^^^^^^^^^^^^ write the higher number after `max`
",
    );
    wrong(
        "process = nginx min 2 min 3\n",
        "\
error: `min` is there twice
  --> smena.ini:2:23
 2 | process = nginx min 2 min 3
   |                       ^^^ write `min NUMBER` or `max NUMBER`, each once, and quotes around blanks
",
    );
    wrong(
        "process = nginx max\n",
        "\
error: `max` has no value
  --> smena.ini:2:17
 2 | process = nginx max
   |                 ^^^ write a word after it
",
    );
    wrong(
        "process = nginx max 70000\n",
        "\
error: `max` is out of range
  --> smena.ini:2:21
 2 | process = nginx max 70000
   |                     ^^^^^ write a number from 0 to 65534
",
    );
}

#[test]
fn paths_and_interfaces() {
    wrong(
        "file = drain\n",
        "\
error: `drain` is no absolute path
  --> smena.ini:2:8
 2 | file = drain
   |        ^^^^^ it begins with `/` and has at most 107 bytes
",
    );
    wrong(
        "pidfile = /run/a /run/b\n",
        "\
error: one word more than expected
  --> smena.ini:2:18
 2 | pidfile = /run/a /run/b
   |                  ^^^^^^ remove `/run/b`, or put quotes around the whole
",
    );
    wrong(
        "interface = eth0/1\n",
        "\
error: `eth0/1` cannot be the name of an interface or label
  --> smena.ini:2:13
 2 | interface = eth0/1
   |             ^^^^^^ at most 15 characters without blanks; an interface has no `/` and `:`
",
    );
}

/// keepalived runs each of these without a shell, so that the check fails for
/// ever, or succeeds for ever.
#[test]
fn words_that_only_a_shell_understands() {
    for (command, at, word) in [
        ("/bin/a && /bin/b", 8, "&&"),
        ("/bin/a&&/bin/b", 1, "/bin/a&&/bin/b"),
        ("/bin/a || /bin/b", 8, "||"),
        ("/bin/a | /bin/b", 8, "|"),
        ("/bin/a|/bin/b", 1, "/bin/a|/bin/b"),
        ("/bin/a > /dev/null", 8, ">"),
        ("/bin/a >/dev/null 2>&1", 8, ">/dev/null"),
        ("/bin/a 2>&1", 8, "2>&1"),
        ("/bin/a>/dev/null", 1, "/bin/a>/dev/null"),
        ("/bin/a < /etc/b", 8, "<"),
        ("/bin/a; /bin/b", 1, "/bin/a;"),
        ("/bin/a `/bin/b`", 8, "`/bin/b`"),
        ("/bin/a x`/bin/b`", 8, "x`/bin/b`"),
        ("/bin/a $(/bin/b)", 8, "$(/bin/b)"),
        ("/bin/a x$(/bin/b)", 8, "x$(/bin/b)"),
        ("/bin/a $HOME", 8, "$HOME"),
        ("/bin/a 'b c'", 8, "'b"),
        ("/bin/a ~/b", 8, "~/b"),
    ] {
        let (column, blanks, carets) = (at + 7, " ".repeat(at + 6), "^".repeat(word.len()));
        wrong(
            &format!("exec = {command}\n"),
            &format!(
                "error: `{word}` means something to a shell only\n  --> smena.ini:2:{column}\n \
                 2 | exec = {command}\n   \
                 | {blanks}{carets} add `shell = yes`, or put quotes around it\n"
            ),
        );
    }
    // With quotes they are what they are, and so is what a URL is made of.
    let fine = "exec = /bin/a \"&&\" \"b|c\" http://127.0.0.1/?a=b&c;d -5% {}\n";
    let kinds = kinds(&[fine]);
    assert!(matches!(kinds[0], CheckKind::Exec(_)), "{kinds:?}");
}

/// What each of these sections means.
#[track_caller]
fn kinds(sections: &[&'static str]) -> Vec<CheckKind<'static>> {
    let mut text = String::from("[vrrp v]\ninterface = eth0\nvirtual_router_id = 1\n");
    text += "address = 10.0.0.1\n";
    for number in 0..sections.len() {
        text += &format!("track = c{number}\n");
    }
    for (number, section) in sections.iter().enumerate() {
        text += &format!("[check c{number}]\n{section}");
    }
    let text: &'static str = Box::leak(text.into_boxed_str());
    let mut config = empty();
    let source = source(text.as_bytes());
    let report = &mut |d: &smena::config::Diagnostic<'_>| panic!("{d}");
    smena::config::parse(&source, &Limits::BOARD, &mut config, report);
    config.checks.iter().map(|check| check.kind).collect()
}

#[test]
fn every_kind_means_what_it_says() {
    let shown: Vec<String> = kinds(&[
        "process = nginx min 2 max 8\n",
        "process = \"a b\" max 0 min 0\n",
        "tcp = 127.0.0.1:5432\n",
        "tls = [::1]:443\nhost = www.example\n",
        "ping = 10.0.0.254\n",
        "ping = 2001:db8::1\n",
        "pidfile = /run/a.pid\n",
        "file = \"/run/with blank\"\n",
        "interface = eth1\n",
        "body = alive\nexpect = 200-399\nhttp = http://[::1]:8080/a/b?c=d\n",
        "http = http://127.0.0.1\nhost = www.example:81\n",
    ])
    .iter()
    .map(|kind| format!("{kind:?}"))
    .collect();
    assert_eq!(
        shown,
        [
            r#"Process { name: Words("nginx"), least: 2, most: 8 }"#,
            r#"Process { name: Words("\"a b\""), least: 0, most: 0 }"#,
            r#"Tcp(127.0.0.1:5432)"#,
            r#"Tls([::1]:443, "www.example")"#,
            r#"Ping(10.0.0.254)"#,
            r#"Ping(2001:db8::1)"#,
            r#"Pidfile("/run/a.pid")"#,
            r#"File("/run/with blank")"#,
            r#"Interface("eth1")"#,
            concat!(
                r#"Http(Http { address: [::1]:8080, path: "/a/b?c=d", host: "[::1]:8080", "#,
                r#"expect: (200, 399), body: Some(Word { text: "alive", as_written: false }) })"#
            ),
            concat!(
                r#"Http(Http { address: 127.0.0.1:80, path: "/", host: "www.example:81", "#,
                r#"expect: (200, 200), body: None })"#
            ),
        ]
    );
}
