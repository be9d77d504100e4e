//! What a `[service]` section says: the values of its keys that have a grammar
//! of their own. Each function reads one value and puts it into the section
//! that is being read; the rules that tie keys together are `service_rules`.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use heapless::Vec;

use super::check_entry;
use super::diagnostic::{Argument, Findings, Template, Told, template};
use super::entry::{argument, no_option};
use super::model::Http;
use super::reader::Reader;
use super::service::{Listener, Proxy, Server, ServerCheck, Transport};
use super::value;
use super::words::{Iter, Word, Words, word};
use crate::address;
use crate::board;
use crate::pack::{Packed, packed};

type Read = Result<(), Told>;

/// The most that `maxconn` may say.
pub(super) const CONNECTIONS_MAX: i32 = 16_777_216;

/// Where the addresses of listeners and servers stand in the file, as numbers
/// of bytes: what is wrong with two of them is told at one of them.
#[derive(Debug)]
pub(super) struct Places {
    listeners: Vec<u32, { board::LISTENERS_MAX }>,
    servers: Vec<u32, { board::SERVERS_MAX }>,
}

impl Places {
    pub const NONE: Places = Places {
        listeners: Vec::new(),
        servers: Vec::new(),
    };
}

impl<'a> Reader<'_, 'a> {
    /// The address of a listener as it was written.
    pub(super) fn listener_at(&self, index: usize) -> &'a str {
        self.written(self.places.listeners.get(index))
    }

    /// The address of a server as it was written.
    pub(super) fn server_at(&self, index: usize) -> &'a str {
        self.written(self.places.servers.get(index))
    }

    fn written(&self, place: Option<&u32>) -> &'a str {
        let rest = place.and_then(|&place| self.source.text.get(place as usize..));
        let line = rest.unwrap_or_default().split(|&byte| byte == b'\n').next();
        let line = str::from_utf8(line.unwrap_or_default()).unwrap_or_default();
        word(line).map_or("", |(word, _)| word.trim_end_matches('\r'))
    }
}

/// `workers` of the node.
pub(super) fn workers<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let workers = value::number(&mut r.findings, value, "workers", 1, 65535)?;
    let room = r.limits.workers;
    if workers as usize > room {
        return Err(r.no_room(value, "workers", room, "workers"));
    }
    r.config.node.workers = Some(workers as u8);
    Ok(())
}

/// `listen`: [udp] ADDRESS:PORT
pub(super) fn listen<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let mut words = Words(value).iter();
    let first = words.next();
    let (transport, place) = match first.map(|word| word.as_written()) {
        Some("udp") => (Transport::Udp, words.next()),
        _ => (Transport::Tcp, first),
    };
    let place = place.map_or(value, |word| word.as_written());
    let f = &mut r.findings;
    no_list(f, value, "listen")?;
    if let Some(word) = words.next() {
        let word = word.as_written();
        let hint = packed!("write `ADDRESS:PORT`, or `udp ADDRESS:PORT`");
        return Err(match foreign(word) {
            Some(template) => f.error(word, template, &[Argument::Text(word)]),
            None => no_option(f, word, false, hint),
        });
    }
    let text = value::text(f, place)?;
    let (host, port) = check_entry::parts(text);
    let Some(port) = port else {
        return Err(check_entry::no_port(f, place, text));
    };
    let port = one_port(f, port, packed!("write a `listen` line for each port"))?;
    let ip = match host {
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "" => {
            const TEMPLATE: &Template = template!(
                "`{0}` has no address",
                "write `*{0}` for every IPv4 address, or `[::]{0}` for every IPv6 one"
            );
            return Err(about(f, place, TEMPLATE));
        }
        _ if host.starts_with("udp") || host.starts_with("tcp") => {
            const TEMPLATE: &Template = template!(
                "`{0}` is no address",
                "write `ADDRESS:PORT`, or `udp ADDRESS:PORT` with a blank"
            );
            return Err(about(f, place, TEMPLATE));
        }
        _ => match check_entry::host_of(host) {
            Some(ip) if ip.is_unspecified() => ip,
            _ => unicast(f, place, host)?,
        },
    };
    let listener = Listener {
        transport,
        address: SocketAddr::new(ip, port),
    };
    let mut others = r.config.listeners.iter();
    if let Some(index) = others.position(|other| listener.meets(other)) {
        let line = r.source.line(r.listener_at(index).as_bytes());
        return Err(r.findings.error(
            place,
            template!(
                "line {0} listens there already",
                "remove one, or write another address or port"
            ),
            &[Argument::Number(line.into())],
        ));
    }
    let (room, offset) = (r.limits.listeners, r.source.offset(place.as_bytes()));
    if r.config.listeners.len() >= room || r.config.listeners.push(listener).is_err() {
        return Err(r.no_room(value, "`listen` lines", room, "listeners"));
    }
    let _ = r.places.listeners.push(offset as u32);
    r.service.listeners.count += 1;
    Ok(())
}

/// `server`: NAME ADDRESS[:PORT] [weight N] [maxconn N] [backup]
/// [check ADDRESS:PORT] [send-proxy | send-proxy-v2]
pub(super) fn server<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let f = &mut r.findings;
    no_list(f, value, "server")?;
    let mut words = Words(value).iter();
    let first = words.next().map_or(value, |word| word.as_written());
    let second = words.next().map(|word| word.as_written());
    if is_place(first) && !second.is_some_and(is_place) {
        const TEMPLATE: &Template = template!(
            "the server at `{0}` has no name",
            "write one before the address, such as `web1 {0}`"
        );
        return Err(about(f, first, TEMPLATE));
    }
    let name = value::name(f, first)?;
    let Some(place) = second else {
        return Err(f.error(
            first,
            template!(
                "the server `{0}` has no address",
                "write `{0} 192.0.2.1:80`, or no port for the one that was asked for"
            ),
            &[Argument::Text(name)],
        ));
    };
    let text = value::text(f, place)?;
    let (host, port) = check_entry::parts(text);
    let port = match port {
        Some(port) => {
            let hint = packed!("write one, or none for the port that was asked for");
            one_port(f, port, hint)?
        }
        None => {
            port_or_group(f, place, text);
            0
        }
    };
    let mut server = Server {
        name,
        address: unicast(f, place, host)?,
        port,
        weight: 1,
        maxconn: 0,
        backup: false,
        check: None,
        proxy: Proxy::None,
    };
    options(f, &mut server, &mut words)?;
    let mut others = r.service.servers.of(&r.config.servers).iter();
    if let Some(nth) = others.position(|other| other.name == name) {
        let at = r.server_at(usize::from(r.service.servers.first) + nth);
        let line = r.source.line(at.as_bytes());
        return Err(r.findings.error(
            first,
            template!(
                "{1} has the server `{0}` twice",
                "the first is in line {2}: rename one"
            ),
            &[
                Argument::Text(name),
                r.section(),
                Argument::Number(line.into()),
            ],
        ));
    }
    let (room, offset) = (r.limits.servers, r.source.offset(place.as_bytes()));
    if r.config.servers.len() >= room || r.config.servers.push(server).is_err() {
        return Err(r.no_room(value, "`server` lines", room, "servers"));
    }
    let _ = r.places.servers.push(offset as u32);
    r.service.servers.count += 1;
    Ok(())
}

/// Warns of an IPv6 address without brackets whose last group may be a port:
/// it is decimal, and what stands before it is an address as well.
fn port_or_group<'a>(f: &mut Findings<'a>, at: &'a str, text: &'a str) {
    let colon = text.bytes().rposition(|byte| byte == b':').unwrap_or(0);
    let (before, last) = text.split_at_checked(colon).unwrap_or_default();
    let port = last.trim_start_matches(':');
    let decimal = port.len() > 1 && port.bytes().all(|byte| byte.is_ascii_digit());
    if decimal && matches!(address::parse(before), Some(IpAddr::V6(_))) {
        f.warning(
            at,
            template!(
                "`{0}` is a part of the address, not a port",
                "write `[{1}]:{0}` for a port, or `[{2}]` for none"
            ),
            &[port, before, text].map(Argument::Text),
        );
    }
}

/// What follows the address of a server.
fn options<'a>(f: &mut Findings<'a>, server: &mut Server<'a>, words: &mut Iter<'a>) -> Read {
    const KNOWN: [&str; 6] = [
        "weight",
        "maxconn",
        "backup",
        "check",
        "send-proxy",
        "send-proxy-v2",
    ];
    let mut said = 0_u8;
    while let Some(option) = words.next() {
        let name = option.as_written();
        let at = KNOWN.iter().position(|known| *known == name);
        let twice = at.is_some_and(|at| said >> at & 1 == 1);
        said |= at.map_or(0, |at| 1 << at);
        match at {
            Some(0) if !twice => {
                let written = argument(f, option, words)?;
                server.weight = value::number(f, written, "weight", 0, 256)? as u16;
            }
            Some(1) if !twice => {
                let written = argument(f, option, words)?;
                server.maxconn = value::number(f, written, name, 1, CONNECTIONS_MAX)? as u32;
            }
            Some(2) if !twice => server.backup = true,
            Some(3) if !twice => server.check = Some(looked_at(f, option, words)?),
            Some(4) if !twice => server.proxy = Proxy::V1,
            Some(5) if !twice => server.proxy = Proxy::V2,
            _ => return Err(no_server_option(f, name, twice)),
        }
    }
    Ok(())
}

/// The address after `check`. With HAProxy, none follows.
fn looked_at<'a>(
    f: &mut Findings<'a>,
    option: Word<'a>,
    words: &mut Iter<'a>,
) -> Result<SocketAddr, Told> {
    let written = words.next().map_or("", |word| word.as_written());
    if !written.contains([':', '.']) {
        return Err(f.error(
            option.as_written(),
            template!(
                "`check` has no address",
                "remove it: servers are checked as the key `check` says, or write `check ADDRESS:PORT`"
            ),
            &[],
        ));
    }
    let text = value::text(f, written)?;
    check_entry::socket(f, written, text, 0)
}

/// A word that is no option of a server, and what was meant by it.
fn no_server_option<'a>(f: &mut Findings<'a>, word: &'a str, twice: bool) -> Told {
    let hint = packed!(
        "there are `weight N`, `maxconn N`, `backup`, `check ADDRESS:PORT` and `send-proxy-v2`"
    );
    let template = match word {
        "inter" | "rise" | "fall" => {
            template!(
                "`{0}` is a key of the section",
                "write it on a line of its own"
            )
        }
        _ => match foreign(word) {
            Some(template) => template,
            None => return no_option(f, word, twice, hint),
        },
    };
    f.error(word, template, &[Argument::Text(word)])
}

/// `check`: none | tcp | http PATH | tls | exec WORDS
pub(super) fn check<'a>(r: &mut Reader<'_, 'a>, value: &'a str) -> Read {
    let f = &mut r.findings;
    let mut words = Words(value).iter();
    let kind = words.next().map_or(value, |word| word.as_written());
    let rest = words.rest();
    r.service.check = match kind {
        "exec" => {
            let command = Words(rest);
            check_entry::runs_without_shell(f, kind, command, true)?;
            ServerCheck::Exec(command)
        }
        "http" => ServerCheck::Http(Http {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            path: path(f, kind, words.next())?,
            host: "",
            expect: (0, 0),
            body: None,
        }),
        _ => {
            let kinds = ["none", "tcp", "tls"];
            let index = kinds.iter().position(|known| *known == kind);
            match index {
                Some(0) => ServerCheck::None,
                Some(1) => ServerCheck::Tcp,
                Some(_) => ServerCheck::Tls(""),
                None => {
                    let template = match kind {
                        "https" => template!(
                            "`check` cannot be `{0}`",
                            "smena speaks no TLS: write `tls`, or `exec` with curl"
                        ),
                        _ if kind.contains(':') => template!(
                            "`check` cannot be `{0}`",
                            "each server is asked where it serves, or where `check ADDRESS:PORT` on its line says"
                        ),
                        _ => template!(
                            "`check` cannot be `{0}`",
                            "write `none`, `tcp`, `http /PATH`, `tls` or `exec COMMAND`"
                        ),
                    };
                    return Err(f.error(kind, template, &[Argument::Text(kind)]));
                }
            }
        }
    };
    match words.next() {
        Some(more) if kind != "exec" => Err(value::second_word(f, more)),
        _ => Ok(()),
    }
}

/// The path of a page that each server is asked for.
fn path<'a>(f: &mut Findings<'a>, kind: &'a str, word: Option<Word<'a>>) -> Result<&'a str, Told> {
    let Some(word) = word else {
        return Err(f.error(
            kind,
            template!("`check = http` without a path", "write `check = http /`"),
            &[],
        ));
    };
    let path = value::text(f, word.as_written())?;
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(f.error(
            word.as_written(),
            template!(
                "`{0}` is no path",
                "it begins with `/`: each server is asked for it; %20 is a blank"
            ),
            &[Argument::Text(path)],
        ));
    }
    Ok(path)
}

/// Several of what stands on a line of its own each.
#[inline(never)]
fn no_list<'a>(f: &mut Findings<'a>, value: &'a str, key: &'static str) -> Read {
    match value.as_bytes().contains(&b',') {
        false => Ok(()),
        true => {
            let template = template!("`{0}` is a list", "write a `{1}` line for each");
            Err(f.error(
                value,
                template,
                &[Argument::Text(value), Argument::Text(key)],
            ))
        }
    }
}

/// Whether a word is an address, with a port or not.
#[inline(never)]
fn is_place(word: &str) -> bool {
    check_entry::host_of(check_entry::parts(word).0).is_some()
}

/// What is wrong with a word, which both lines may show.
#[cold]
#[inline(never)]
fn about<'a>(f: &mut Findings<'a>, word: &'a str, template: &'static Template) -> Told {
    f.error(word, template, &[Argument::Text(word)])
}

/// A port that is one.
fn one_port<'a>(f: &mut Findings<'a>, port: &'a str, hint: Packed) -> Result<u16, Told> {
    if port.bytes().skip(1).any(|byte| byte == b'-') {
        return Err(f.error(
            port,
            template!("`{0}` is more than one port", "{1}"),
            &[Argument::Text(port), Argument::Fixed(hint)],
        ));
    }
    Ok(value::number(f, port, "port", 1, 65535)? as u16)
}

/// The address of one host.
fn unicast<'a>(f: &mut Findings<'a>, at: &'a str, host: &'a str) -> Result<IpAddr, Told> {
    let template: &Template = match check_entry::host_of(host) {
        Some(IpAddr::V6(ip)) if ip.is_unicast_link_local() => template!(
            "`{0}` is a link-local address, which each interface has",
            "write another address of that host"
        ),
        Some(ip) => {
            let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
            if !ip.is_unspecified() && !ip.is_multicast() && !broadcast {
                return Ok(ip);
            }
            template!(
                "`{0}` is not the address of one host",
                "write a unicast address"
            )
        }
        None if host.starts_with('[') => template!(
            "`{0}` is no IPv6 address",
            "brackets are for IPv6 alone: write another address without them"
        ),
        None => template!(
            "`{0}` is no IP address",
            "names are not looked up: write the address that `getent ahosts {0}` shows"
        ),
    };
    Err(f.error(at, template, &[Argument::Text(host)]))
}

/// What other proxies do and this one leaves to others: the words they have for
/// it, and what to do instead.
pub(super) fn foreign(word: &str) -> Option<&'static Template> {
    const TLS: [&str; 12] = [
        "ssl",
        "tls",
        "crt",
        "cert",
        "key",
        "certificate",
        "verify",
        "sni",
        "alpn",
        "ca-file",
        "ciphers",
        "no-sslv3",
    ];
    const HTTP: [&str; 15] = [
        "option",
        "http-request",
        "http-response",
        "http-check",
        "http",
        "header",
        "cookie",
        "acl",
        "use_backend",
        "default_backend",
        "redirect",
        "compression",
        "stats",
        "reqadd",
        "forwardfor",
    ];
    match word {
        "mode" => Some(template!(
            "`mode` is always that of TCP",
            "remove it: HTTP passes unread, its headers are for the servers or a proxy behind smena"
        )),
        _ if TLS.contains(&word) => Some(template!(
            "`{0}`: smena ends no TLS",
            "remove it: TLS passes unread, and the servers or a proxy behind smena end it"
        )),
        _ if HTTP.contains(&word) => Some(template!(
            "`{0}`: smena reads no HTTP",
            "remove it: leave it to the servers, or to a proxy behind smena"
        )),
        _ => None,
    }
}
