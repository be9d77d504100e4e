//! What a `[check]` section says: the values of its keys that have a grammar of
//! their own, and the rules that tie its keys together.

use core::net::{IpAddr, SocketAddr};

use super::check_table::KINDS;
use super::diagnostic::{Argument, Findings, Told, template};
use super::entry::{self, argument, no_option};
use super::model::{BODY_MAX, Check, CheckKind, Http};
use super::reader::Reader;
use super::value;
use super::words::{Word, Words};
use crate::address;
use crate::pack::packed;

type Read = Result<(), Told>;

/// What some kinds of check are told besides their own key, which may come
/// before or after it.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub shell: bool,
    pub expect: (u16, u16),
    pub host: &'a str,
    body: Option<Word<'a>>,
}

impl Asking<'_> {
    /// Nothing said; the table's defaults come over it.
    pub const NOTHING: Self = Asking {
        shell: false,
        expect: (0, 0),
        host: "",
        body: None,
    };
}

/// `process`: NAME [min N] [max N]
pub(super) fn process<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let f = &mut r.findings;
    let mut words = Words(value).iter();
    let name = words.next().map_or(value, |word| word.as_written());
    let mut said = [None; 2];
    while let Some(word) = words.next() {
        let option = word.as_written();
        let at = ["min", "max"].iter().position(|known| *known == option);
        let Some(slot) = at
            .and_then(|at| said.get_mut(at))
            .filter(|slot| slot.is_none())
        else {
            let hint =
                packed!("write `min NUMBER` or `max NUMBER`, each once, and quotes around blanks");
            return Err(no_option(f, option, at.is_some(), hint));
        };
        let written = argument(f, word, &mut words)?;
        *slot = Some(value::number(f, written, option, 0, 65534)?);
    }
    let [least, most] = said;
    let (least, most) = (least.unwrap_or(1), most.unwrap_or(65535));
    if most < least {
        return Err(f.error(
            value,
            template!(
                "`max` is below `min`, which is 1 unless it is said",
                "write the higher number after `max`"
            ),
            &[],
        ));
    }
    r.check.kind = CheckKind::Process {
        name: Words(name),
        least: least as u16,
        most: most as u16,
    };
    Ok(())
}

/// `tcp`: ADDRESS:PORT
pub(super) fn tcp<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    r.check.kind = CheckKind::Tcp(socket(&mut r.findings, value, value, 0)?);
    Ok(())
}

/// `tls`: ADDRESS:PORT
pub(super) fn tls<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    r.check.kind = CheckKind::Tls(socket(&mut r.findings, value, value, 0)?, "");
    Ok(())
}

/// `http`: http://ADDRESS[:PORT][/PATH]
pub(super) fn http<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let f = &mut r.findings;
    let url = value::text(f, value)?;
    let rest = url.strip_prefix("http://").unwrap_or_default();
    if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        let template = match url.starts_with("https:") {
            true => template!(
                "`{0}` is no URL of a check",
                "smena speaks no TLS: `tls = ADDRESS:PORT` asks whether the server does"
            ),
            false => template!(
                "`{0}` is no URL of a check",
                "write `http://192.0.2.1:80/path`, and %20 for a blank"
            ),
        };
        return Err(f.error(value, template, &[Argument::Text(url)]));
    }
    let end = rest.bytes().position(|byte| byte == b'/');
    let (host, path) = rest
        .split_at_checked(end.unwrap_or(rest.len()))
        .unwrap_or_default();
    r.check.kind = CheckKind::Http(Http {
        address: socket(f, value, host, 80)?,
        path: if path.is_empty() { "/" } else { path },
        host,
        expect: (0, 0),
        body: None,
    });
    Ok(())
}

/// `ping`: ADDRESS
pub(super) fn ping<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    r.check.kind = CheckKind::Ping(ip(&mut r.findings, value, value)?);
    Ok(())
}

/// `interface`: INTERFACE
pub(super) fn interface<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let name = value::interface(&mut r.findings, value)?;
    r.check.kind = CheckKind::Interface(name);
    r.note_interface(value, name)
}

/// `expect`: STATUS or STATUS-STATUS
pub(super) fn expect<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let f = &mut r.findings;
    let dash = value.bytes().position(|byte| byte == b'-');
    let (least, most) = match dash.and_then(|at| value.split_at_checked(at)) {
        Some((least, most)) => (least, most.get(1..).unwrap_or_default()),
        None => (value, value),
    };
    let mut status = |text| value::number(f, text, "expect", 100, 599);
    r.ask.expect = (status(least)? as u16, status(most)? as u16);
    if r.ask.expect.0 > r.ask.expect.1 {
        let template = template!(
            "`expect` ends before it begins",
            "write the lower number first"
        );
        return Err(r.findings.error(value, template, &[]));
    }
    Ok(())
}

/// `host`: what a web server is asked for, or the server name of TLS.
pub(super) fn host<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let host = value::text(&mut r.findings, value)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if !(1..=BODY_MAX).contains(&host.len()) || !host.bytes().all(allowed) {
        return Err(r.findings.error(
            value,
            template!("`{0}` is no host name", "write it as in a URL"),
            &[Argument::Text(host)],
        ));
    }
    r.ask.host = host;
    Ok(())
}

/// `body`: one word.
pub(super) fn body<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let mut words = Words(value).iter();
    r.ask.body = words.next();
    if let Some(second) = words.next() {
        return Err(value::second_word(&mut r.findings, second));
    }
    let empty = r.ask.body.is_none_or(|word| word.chars().next().is_none());
    if empty || value.len() > BODY_MAX {
        return Err(r.findings.error(
            value,
            template!(
                "`body` must have 1 to {0} bytes",
                "look for another part of it"
            ),
            &[Argument::Number(BODY_MAX as i64)],
        ));
    }
    Ok(())
}

/// ADDRESS:PORT, with an IPv6 address in brackets, and with a default unless that
/// is 0. `at` is what is shown.
pub(super) fn socket<'a>(
    f: &mut Findings<'a>,
    at: &'a str,
    text: &'a str,
    default: u16,
) -> Result<SocketAddr, Told> {
    let port = match parts(text).1 {
        Some(port) => value::number(f, port, "port", 1, 65535)? as u16,
        None if default > 0 => default,
        None => return Err(no_port(f, at, text)),
    };
    Ok(SocketAddr::new(ip(f, at, parts(text).0)?, port))
}

/// The address, an IPv6 one in brackets, and the port after it.
pub(super) fn parts(text: &str) -> (&str, Option<&str>) {
    let bytes = text.as_bytes();
    let colons = bytes.iter().filter(|&&byte| byte == b':').count();
    let end = match bytes.starts_with(b"[") {
        true => bytes.iter().position(|&byte| byte == b']').map(|at| at + 1),
        false => bytes
            .iter()
            .position(|&byte| byte == b':')
            .filter(|_| colons == 1),
    };
    let end = end.unwrap_or(text.len());
    let (host, rest) = text.split_at_checked(end).unwrap_or_default();
    match rest.strip_prefix(':') {
        None if !rest.is_empty() => (text, None),
        port => (host, port),
    }
}

/// A port is needed.
pub(super) fn no_port<'a>(f: &mut Findings<'a>, at: &'a str, text: &'a str) -> Told {
    f.error(
        at,
        template!(
            "`{0}` has no port",
            "write `192.0.2.1:80` or `[2001:db8::1]:80`"
        ),
        &[Argument::Text(text)],
    )
}

/// The address, with brackets around it or not; only an IPv6 one may have them.
pub(super) fn host_of(text: &str) -> Option<IpAddr> {
    let inside = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = address::parse(inside.unwrap_or(text))?;
    (address.is_ipv6() || inside.is_none()).then_some(address)
}

/// An address that can be asked, an IPv6 one in brackets or not.
fn ip<'a>(f: &mut Findings<'a>, at: &'a str, text: &'a str) -> Result<IpAddr, Told> {
    let template = match host_of(text) {
        Some(ip) if ip.is_unspecified() || ip.is_multicast() => {
            template!("`{0}` cannot be asked", "write that of one host")
        }
        // It would mean one host on each interface.
        Some(IpAddr::V6(ip)) if ip.is_unicast_link_local() => {
            template!(
                "`{0}` cannot be asked",
                "a link-local address is one of many: write another of that host"
            )
        }
        Some(ip) => return Ok(ip),
        None => template!(
            "`{0}` cannot be asked",
            "write an IP address: names are not looked up"
        ),
    };
    Err(f.error(at, template, &[Argument::Text(text)]))
}

impl<'a> Reader<'_, 'a> {
    /// The end of a `[check]` section.
    #[inline(never)]
    pub(super) fn end_check(&mut self) {
        let mut kinds = self.said_of_first(KINDS);
        match (kinds.next(), kinds.next()) {
            (None, _) => {
                self.findings.error(
                    self.header,
                    template!(
                        "{0} has nothing to check",
                        "add `process = NAME` or `exec = COMMAND`"
                    ),
                    &[self.section()],
                );
            }
            (Some(first), Some(second)) => {
                self.findings.error(
                    self.value_of(second),
                    template!(
                        "{0} has two things to check",
                        "a check is either `{1}` or `{2}`: make two of it"
                    ),
                    &[
                        self.section(),
                        Argument::Text(first),
                        Argument::Text(second),
                    ],
                );
            }
            (Some(kind), None) => self.end_kind(kind),
        }
        if !self.given("timeout") {
            self.check.timeout = self.check.interval;
        }
        let check = core::mem::replace(&mut self.check, Check::blank());
        let room = self.limits.checks;
        if self.config.checks.len() >= room || self.config.checks.push(check).is_err() {
            self.no_room(self.header, "[check] sections", room, "checks");
        }
        self.ask = Asking::NOTHING;
    }

    /// What is said besides belongs to this kind, or it is a mistake.
    fn end_kind(&mut self, kind: &'static str) {
        for (key, wants) in [
            ("shell", "exec"),
            ("expect", "http"),
            ("body", "http"),
            ("host", "http"),
        ] {
            let fits = kind == wants || (key, kind) == ("host", "tls");
            if self.said(key) && !fits {
                self.findings.error(
                    self.value_of(key),
                    template!("`{0}` without `{1}`", "remove it"),
                    &[Argument::Text(key), Argument::Text(wants)],
                );
            }
        }
        let ask = self.ask;
        match &mut self.check.kind {
            CheckKind::Exec(words) => {
                let words = *words;
                self.end_exec(words);
            }
            CheckKind::Http(page) => {
                (page.expect, page.body) = (ask.expect, ask.body);
                if !ask.host.is_empty() {
                    page.host = ask.host;
                }
            }
            CheckKind::Tls(_, name) => *name = ask.host,
            _ => {}
        }
    }

    /// The command of a check, with a shell or without.
    fn end_exec(&mut self, words: Words<'a>) {
        if self.ask.shell {
            self.check.kind = CheckKind::Shell(words);
            return;
        }
        runs_without_shell(&mut self.findings, self.header, words, false).ok();
    }
}

/// Whether the words of `exec` are a command that can be run as it is. `at` is
/// what is shown where there is none.
pub(super) fn runs_without_shell<'a>(
    f: &mut Findings<'a>,
    at: &'a str,
    words: Words<'a>,
    of_server: bool,
) -> Read {
    let hint = match of_server {
        false => packed!("add `shell = yes`, or put quotes around it"),
        true => packed!("write a script, or `/bin/sh -c` and all of it in quotes"),
    };
    entry::no_shell_words(f, words, hint)?;
    // A variable would be an argument as it is written.
    let variable = |word: &Word<'_>| {
        let word = word.as_written();
        of_server && word.contains('$') && !word.contains('"')
    };
    if let Some(word) = words.iter().find(variable) {
        return Err(entry::for_a_shell(f, word.as_written(), hint));
    }
    let Some(program) = words.iter().next() else {
        return match of_server {
            false => Ok(()),
            true => Err(f.error(
                at,
                template!(
                    "`exec` without a command",
                    "write `exec /PROGRAM ARGUMENTS`"
                ),
                &[],
            )),
        };
    };
    // Commands run in `/`, so a path that is neither absolute nor a mere
    // name is hardly what was meant.
    let mut characters = program.chars();
    let first = characters.next();
    if first.is_none() || first != Some('/') && characters.any(|c| c == '/') {
        return Err(f.error(
            program.as_written(),
            template!(
                "the command of `exec` is no absolute path",
                "begin it with `/`"
            ),
            &[],
        ));
    }
    Ok(())
}
