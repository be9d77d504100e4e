//! Services and their servers, as status and `why` show them: what they are,
//! what came through, and what would change them.

use core::fmt::{self, Display, Formatter};
use core::net::{IpAddr, SocketAddr};

use super::json::Json;
use super::text::{Age, Lines, Printable};
use super::{View, age_ms};
use crate::address::Place;
use crate::check::Check;
use crate::config::{self, Config, Listener, ServerCheck, Tracked, Transport};
use crate::event::{ServerId, ServiceId};
use crate::node::Node;
use crate::say::{Number, Plain};
use crate::server::State;
use crate::shared::{ServerCounts, ServiceCounts};

/// Every service with the number of it.
pub(super) fn services<'n>(
    config: &'n Config<'n>,
) -> impl Iterator<Item = (ServiceId, &'n config::Service<'n>)> {
    (0u8..).map(ServiceId).zip(&config.services)
}

/// The servers of a service with their numbers.
pub(super) fn servers(service: &config::Service<'_>) -> impl Iterator<Item = ServerId> + use<> {
    service.servers.indices().map(ServerId)
}

/// What was counted of a server; nothing where nobody counts.
pub(super) fn counts(view: &View<'_>, id: ServerId) -> ServerCounts {
    view.shared
        .map_or_else(Default::default, |shared| shared.server(id.0))
}

/// The sum over the servers of a service.
pub(super) struct Sum {
    pub service: ServiceCounts,
    pub total: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl Sum {
    #[inline(never)]
    pub fn of(view: &View<'_>, id: ServiceId, service: &config::Service<'_>) -> Sum {
        let mut sum = Sum {
            service: view
                .shared
                .map_or_else(Default::default, |shared| shared.service(id.0)),
            total: 0,
            bytes_in: 0,
            bytes_out: 0,
        };
        for server in servers(service) {
            let counts = counts(view, server);
            sum.total = sum.total.wrapping_add(counts.total);
            sum.bytes_in = sum.bytes_in.wrapping_add(counts.bytes_in);
            sum.bytes_out = sum.bytes_out.wrapping_add(counts.bytes_out);
        }
        sum
    }
}

/// Clients of a service that wait to be taken in.
fn waiting(view: &View<'_>, id: ServiceId) -> u32 {
    view.waiting.get(usize::from(id.0)).copied().unwrap_or(0)
}

/// So many of at most so many sessions; without a limit 0 stands for it.
struct Of(u32, u32);

impl Display for Of {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Number(self.0.into()).fmt(f)?;
        match self.1 {
            0 => Ok(()),
            most => write!(f, " of {}", Number(most.into())),
        }
    }
}

/// The last result of a server's check in HAProxy's codes; `None` before the
/// first one.
pub(super) fn code<'n>(config: &Config<'_>, id: ServerId, check: &'n Check) -> Option<&'n str> {
    let detail = check.detail()?;
    let service = &config.services[config.service_of(id.0)];
    Some(match service.check {
        ServerCheck::Exec(_) if detail == "exit 0" => "PROCOK",
        ServerCheck::Exec(_) if detail.starts_with("timed out") => "PROCTOUT",
        ServerCheck::Exec(_) if !detail.starts_with('L') => "PROCERR",
        _ => detail.split(' ').next().unwrap_or(detail),
    })
}

/// A listener as it is written.
struct Listens(Listener);

impl Display for Listens {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Listener { transport, address } = self.0;
        if transport == Transport::Udp {
            f.write_str("udp ")?;
        }
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => {
                write!(f, "*:{}", Number(address.port().into()))
            }
            _ => Place(address).fmt(f),
        }
    }
}

/// Where a server serves.
fn place(server: &config::Server<'_>) -> Place {
    Place(SocketAddr::new(server.address, server.port))
}

/// The services as a list of objects.
#[inline(never)]
pub(super) fn json(json: &mut Json<'_>, node: &Node<'_>, view: &View<'_>) {
    json.array("services");
    let config = node.config();
    for (id, service) in services(config) {
        let sum = Sum::of(view, id, service);
        json.object("");
        json.word("name", service.name);
        json.array("listen");
        for listener in config.listeners_of(service) {
            json.text("", &Listens(*listener));
        }
        json.end();
        let open = node.service_is_open(id) && view.farewell.serves();
        json.truth("open", open);
        json.number("maxconn", service.maxconn.into());
        json.number("waiting", waiting(view, id).into());
        json.number("sessions", sum.service.sessions.into());
        json.number("sessions_total", sum.total);
        json.number("bytes_in", sum.bytes_in);
        json.number("bytes_out", sum.bytes_out);
        json.number("refused", sum.service.refused.into());
        json.number("evicted", sum.service.evicted.into());
        json.number("dropped", sum.service.dropped.into());
        json.array("servers");
        servers(service).for_each(|id| server_json(json, node, view, id));
        json.end();
        json.end();
    }
    json.end();
}

fn server_json(json: &mut Json<'_>, node: &Node<'_>, view: &View<'_>, id: ServerId) {
    let config = &node.config().servers[usize::from(id.0)];
    let (server, check) = (&node.servers()[usize::from(id.0)], node.server_check(id));
    let counts = counts(view, id);
    json.object("");
    json.word("name", config.name);
    json.text("address", &place(config));
    json.word("state", server.state().name());
    json.number("since_ms", age_ms(view, server.since()));
    match code(node.config(), id, check) {
        Some(code) => json.word("check", code),
        None => json.null("check"),
    }
    match check.detail() {
        Some(detail) => json.word("last", detail),
        None => json.null("last"),
    }
    let took = check.duration().map(|took| took.total_micros());
    json.optional("duration_us", took);
    json.number("sessions", counts.sessions.into());
    json.number("sessions_total", counts.total);
    json.number("bytes_in", counts.bytes_in);
    json.number("bytes_out", counts.bytes_out);
    json.number("refused", counts.refused.into());
    json.number("maxconn", config.maxconn.into());
    json.number("weight", server.weight().into());
    json.truth("backup", config.backup);
    json.end();
}

/// The services as lines.
#[inline(never)]
pub(super) fn text(node: &Node<'_>, view: &View<'_>, lines: &mut Lines<'_>) {
    let config = node.config();
    if !config.services.is_empty() {
        lines.put(format_args!("\nservices\n"));
    }
    for (id, service) in services(config) {
        service_line(node, view, id, lines);
        servers(service).for_each(|id| server_line(node, view, id, lines));
    }
}

/// The line of a service.
fn service_line(node: &Node<'_>, view: &View<'_>, id: ServiceId, lines: &mut Lines<'_>) {
    let config = node.config();
    let service = &config.services[usize::from(id.0)];
    let sum = Sum::of(view, id, service);
    lines.put(format_args!("  {}:", Plain(service.name)));
    for listener in config.listeners_of(service) {
        lines.put(format_args!(" {}", Listens(*listener)));
    }
    lines.put(format_args!(
        ", {} sessions, {} in all, {} bytes in, {} out",
        Of(sum.service.sessions, service.maxconn),
        Number(sum.total),
        Number(sum.bytes_in),
        Number(sum.bytes_out),
    ));
    let waiting = waiting(view, id);
    if waiting != 0 {
        let waiting = Number(waiting.into());
        lines.put(format_args!(", {waiting} wait to be let in"));
    }
    if !view.farewell.serves() {
        lines.put(format_args!("; refused, because smena is to stop"));
        if let Some(left) = view.farewell.left(view.now) {
            let ms = Age(left.total_millis());
            lines.put(format_args!(", at the latest in {ms}"));
        }
    } else if !node.service_is_open(id) {
        lines.put(format_args!("; refused, because no server is left"));
    }
    lines.put(format_args!("\n"));
}

/// The line of a server.
fn server_line(node: &Node<'_>, view: &View<'_>, id: ServerId, lines: &mut Lines<'_>) {
    let config = &node.config().servers[usize::from(id.0)];
    let (server, check) = (&node.servers()[usize::from(id.0)], node.server_check(id));
    let counts = counts(view, id);
    lines.put(format_args!(
        "    {}: {} for {}, {}, weight {}{}, {} sessions, {} in all",
        Plain(config.name),
        Plain(server.state().name()),
        Age(age_ms(view, server.since())),
        place(config),
        Number(server.weight().into()),
        Plain(if config.backup { ", backup" } else { "" }),
        Of(counts.sessions, config.maxconn),
        Number(counts.total),
    ));
    if let Some(detail) = check.detail() {
        lines.put(format_args!(": {}", Printable(detail)));
    }
    if let Some(took) = check.duration() {
        lines.put(format_args!(" ({} us)", Number(took.total_micros())));
    }
    if check.cannot_run() {
        lines.put(format_args!("; the check cannot be made"));
    }
    lines.put(format_args!("\n"));
}

/// Whether a name means this server: its own, or SERVICE/SERVER.
pub(super) fn is_called(config: &Config<'_>, id: ServerId, name: &str) -> bool {
    let server = config.servers[usize::from(id.0)].name;
    let service = config.services[config.service_of(id.0)].name;
    let rest = name.strip_prefix(service);
    let whole = rest.and_then(|rest| rest.strip_prefix('/'));
    name == server || whole == Some(server)
}

/// Why the service or the servers of this name are as they are. False: there
/// are none.
#[inline(never)]
pub(super) fn why(node: &Node<'_>, view: &View<'_>, name: &str, out: &mut Lines<'_>) -> bool {
    let config = node.config();
    let mut known = false;
    for (id, service) in services(config) {
        if service.name == name {
            known = true;
            service_line(node, view, id, out);
            servers(service).for_each(|id| server_line(node, view, id, out));
            why_service(node, id, out);
        }
        for id in servers(service).filter(|id| is_called(config, *id, name)) {
            known = true;
            server_line(node, view, id, out);
            why_server(node, view, id, out);
        }
    }
    known
}

fn why_service(node: &Node<'_>, id: ServiceId, out: &mut Lines<'_>) {
    let config = node.config();
    let service = &config.services[usize::from(id.0)];
    let takes = servers(service).filter(|id| node.servers()[usize::from(id.0)].admits());
    let (takes, all) = (
        Number(takes.count() as u64),
        Number(service.servers.count.into()),
    );
    out.put(format_args!(
        "  because   {takes} of {all} servers get new sessions\n"
    ));
    tracked(config, id, out);
}

/// The routers that count a service.
fn tracked(config: &Config<'_>, id: ServiceId, out: &mut Lines<'_>) {
    for router in &config.routers {
        for track in &router.tracks {
            if track.what == Tracked::Service(id.0) {
                super::why::tracked_by(router.name, track.weight, out);
            }
        }
    }
}

fn why_server(node: &Node<'_>, view: &View<'_>, id: ServerId, out: &mut Lines<'_>) {
    let config = node.config();
    let service = &config.services[config.service_of(id.0)];
    let server = &config.servers[usize::from(id.0)];
    let (state, check) = (&node.servers()[usize::from(id.0)], node.server_check(id));
    let name = node.server_name(id);
    let counts = counts(view, id);
    out.put(format_args!(
        "    passed    {} bytes in, {} out; {} sessions were refused by it\n",
        Number(counts.bytes_in),
        Number(counts.bytes_out),
        Number(counts.refused.into()),
    ));
    match service.check {
        ServerCheck::None => out.put(format_args!("    looks     none: check = none\n")),
        _ => {
            out.put(format_args!(
                "    looks     {}, one each {} ms at {}",
                Number(check.runs().into()),
                Number(service.inter.total_millis()),
                Place(config.looked_at(service, server)),
            ));
            if let Some(at) = check.poll_at().filter(|_| check.at_rest()) {
                let left = Number(super::why::left_ms(view, at));
                out.put(format_args!("; the next in {left} ms"));
            }
            let (against, needed) = check.against();
            let (against, needed) = (Number(against.into()), Number(needed.into()));
            out.put(format_args!(
                "\n    counts    {against} of {needed} results in a row that change it\n"
            ));
        }
    }
    let health = Plain(check.health().name());
    match state.state() {
        State::Drain | State::Maint => out.put(format_args!(
            "    because   it was ordered, and its checks say {health}; `smena ready {name}` ends it\n"
        )),
        State::Down => out.put(format_args!(
            "    because   it gets no new session before its checks say up\n"
        )),
        State::Unknown => out.put(format_args!(
            "    because   it gets sessions until the first result, which decides\n"
        )),
        State::Up if state.weight() == 0 => out.put(format_args!(
            "    because   it is up, and gets no new session with weight 0\n"
        )),
        State::Up => out.put(format_args!("    because   it is up and gets new sessions\n")),
    }
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::string::String;

    use super::*;
    use crate::event::{Admin, CheckId, CheckResult, Event, Outcome};
    use crate::report::sample::{self, Sample};
    use crate::report::{self, exit_code};
    use crate::shared::Shared;

    /// 1.5 s after the start, the first server up since 0.5 s and the second one
    /// down since then; three sessions were counted by two workers.
    fn half() -> (Sample, Box<Shared>) {
        let mut sample = sample::service();
        for (server, outcome, detail) in [
            (0, Outcome::Success, "L4OK"),
            (1, Outcome::Failure, "L4CON refused"),
        ] {
            sample.on(1, Event::Poll);
            let result = CheckResult { outcome, detail };
            sample.on(1000, Event::CheckEnded(CheckId(server), result));
        }
        sample.on(1500, Event::Poll);
        let shared = Box::new(Shared::new());
        for worker in [0, 1] {
            let row = shared.row(worker);
            row.count_service(0, true);
            row.count_server(0, true);
            row.add_session(0);
            row.add_in(0, 1000);
            row.add_out(0, 5);
        }
        shared.row(0).add_refused(1);
        shared.row(1).refuse(0);
        (sample, shared)
    }

    fn written(
        (sample, shared): &(Sample, Box<Shared>),
        write: &dyn Fn(&Node<'_>, &View<'_>, &mut dyn fmt::Write) -> fmt::Result,
    ) -> String {
        let view = View {
            shared: Some(shared),
            ..sample.view()
        };
        let mut out = String::new();
        write(&sample.node, &view, &mut out).unwrap();
        out
    }

    #[test]
    fn status_shows_each_service_and_server() {
        let half = half();
        let expected = "\
gw-a: smena 0.1.0, up 2 min 3 s; loop late by 40 us, at most 900 us

services
  web: *:443, 2 sessions, 2 in all, 2000 bytes in, 10 out
    udst1: up for 500 ms, 192.168.0.87, weight 1, 2 sessions, 2 in all: L4OK (1000000 us)
    udst2: down for 500 ms, 192.168.0.88:8443, weight 2, backup, 0 sessions, 0 in all: L4CON refused (999000 us)
";
        assert_eq!(written(&half, &report::text), expected);
        assert_eq!(exit_code(&half.0.node, &half.0.view()), 1, "one is down");
    }

    #[test]
    fn json_has_the_members_that_scripts_rely_on() {
        let json = written(&half(), &report::json);
        let expected = concat!(
            r#""services":[{"name":"web","listen":["*:443"],"open":true,"maxconn":0,"#,
            r#""waiting":0,"sessions":2,"#,
            r#""sessions_total":2,"bytes_in":2000,"bytes_out":10,"refused":1,"evicted":0,"#,
            r#""dropped":0,"servers":[{"name":"udst1","address":"192.168.0.87","state":"up","since_ms":500,"#,
            r#""check":"L4OK","last":"L4OK","duration_us":1000000,"sessions":2,"#,
            r#""sessions_total":2,"bytes_in":2000,"bytes_out":10,"refused":0,"maxconn":0,"weight":1,"#,
            r#""backup":false},{"name":"udst2","address":"192.168.0.88:8443","state":"down","#,
            r#""since_ms":500,"check":"L4CON","last":"L4CON refused","duration_us":999000,"#,
            r#""sessions":0,"sessions_total":0,"bytes_in":0,"bytes_out":0,"refused":1,"#,
            r#""maxconn":0,"weight":2,"backup":true}]}]"#,
        );
        assert!(json.contains(expected), "{json}");
        // Before the first result nothing is known.
        let fresh = (sample::service(), Box::new(Shared::new()));
        let json = written(&fresh, &report::json);
        let unknown =
            r#""state":"unknown","since_ms":0,"check":null,"last":null,"duration_us":null"#;
        assert!(json.contains(unknown), "{json}");
    }

    #[test]
    fn a_service_that_drains_says_for_how_long() {
        let (sample, shared) = half();
        let mut view = View {
            shared: Some(&*shared),
            ..sample.view()
        };
        let patience = crate::Duration::from_secs(30);
        view.farewell.on_stop(view.now, 2, patience);
        view.now += crate::Duration::from_secs(10);
        let mut out = String::new();
        report::text(&sample.node, &view, &mut out).unwrap();
        let told = "; refused, because smena is to stop, at the latest in 20 s\n";
        assert!(out.contains(told), "{out}");
        let mut out = String::new();
        report::json(&sample.node, &view, &mut out).unwrap();
        assert!(out.contains(r#""open":false,"#), "{out}");
        // Without a drain it serves on.
        view.farewell = crate::supervise::Farewell::Open;
        view.farewell.on_stop(view.now, 2, crate::Duration::ZERO);
        let mut out = String::new();
        report::text(&sample.node, &view, &mut out).unwrap();
        assert!(!out.contains("refused, because"), "{out}");
    }

    #[test]
    fn why_a_server_is_not_up() {
        let half = half();
        let expected = "\
\x20   udst2: down for 500 ms, 192.168.0.88:8443, weight 2, backup, 0 sessions, 0 in all: L4CON refused (999000 us)
    passed    0 bytes in, 0 out; 1 sessions were refused by it
    looks     1, one each 2000 ms at 192.168.0.88:8443; the next in 501 ms
    counts    0 of 2 results in a row that change it
    because   it gets no new session before its checks say up
";
        for name in ["udst2", "web/udst2"] {
            let why = written(&half, &|node, view, out| report::why(node, view, name, out));
            assert_eq!(why, expected, "{why}");
        }
        let why = written(&half, &|node, view, out| {
            report::why(node, view, "web", out)
        });
        assert!(
            why.ends_with("  because   1 of 2 servers get new sessions\n"),
            "{why}"
        );
    }

    #[test]
    fn why_says_how_an_order_ends() {
        let mut half = half();
        half.0.on(1500, Event::Order(ServerId(0), Admin::Maint));
        let why = written(&half, &|node, view, out| {
            report::why(node, view, "web/udst1", out)
        });
        let last =
            "because   it was ordered, and its checks say up; `smena ready web/udst1` ends it\n";
        assert!(why.ends_with(last), "{why}");
        let text = written(&half, &report::text);
        assert!(
            text.contains("; refused, because no server is left\n"),
            "{text}"
        );
    }
}
