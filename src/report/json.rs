//! Status as one JSON object, for programs. Every member is always there; what
//! is not known is null.

use core::fmt::{self, Display, Write};

use super::{LatestCall, View, age_ms, name, program, service};
use crate::address::Shown;
use crate::call::Caller;
use crate::check::Check;
use crate::config;
use crate::diagnosis::Peer;
use crate::event::RouterId;
use crate::hook::Hook;
use crate::node::{Group, Node};
use crate::resource::Resources;
use crate::say::{Number, Plain, write_number};
use crate::supervise::Post;
use crate::wire::Reject;

/// Writes the object and a line feed.
#[inline(never)]
pub fn json(node: &Node<'_>, view: &View<'_>, out: &mut dyn Write) -> fmt::Result {
    let mut json = Json {
        out,
        comma: false,
        open: 0,
        result: Ok(()),
    };
    let config = node.config();
    json.object("");
    json.word("node", name(node, view));
    json.word("version", view.version);
    json.number("uptime_ms", view.uptime.total_millis());
    json.object("loop_lag_us");
    json.number("last", view.lag_last.total_micros());
    json.number("max", view.lag_max.total_micros());
    json.end();
    json.raw("standby", "false");

    json.array("vrrp");
    for id in (0u8..).take(config.routers.len()).map(RouterId) {
        router(&mut json, node, view, id);
    }
    json.end();
    json.array("groups");
    for (number, of) in node.groups().iter().enumerate() {
        group(&mut json, node, number, of);
    }
    json.end();
    json.array("checks");
    for (config, check) in config.checks.iter().zip(node.checks()) {
        self::check(&mut json, view, config, check);
    }
    json.end();
    service::json(&mut json, node, view);
    json.array("hooks");
    let routers = config
        .routers
        .iter()
        .map(|router| (Some(router.name), None));
    let groups = config.groups.iter().map(|group| (None, Some(group.name)));
    for (names, hook) in routers.chain(groups).zip(node.hooks()) {
        self::hook(&mut json, names, hook);
    }
    json.end();
    json.array("resources");
    for (config, resources) in config.routers.iter().zip(node.resources()) {
        self::resources(&mut json, config, resources);
    }
    json.end();
    match view.fifo {
        Some((sent, lost)) => {
            json.object("notify_fifo");
            json.number("sent", sent);
            json.number("lost", lost);
            json.end();
        }
        None => json.null("notify_fifo"),
    }
    match view.workers {
        [] => json.null("forwarder"),
        posts => {
            json.object("forwarder");
            json.word("state", view.farewell.name());
            json.array("workers");
            posts.iter().for_each(|post| worker(&mut json, view, post));
            json.end();
            json.end();
        }
    }
    json.end();
    json.put(format_args!("\n"));
    json.result
}

#[inline(never)]
fn worker(json: &mut Json<'_>, view: &View<'_>, post: &Post) {
    let worker = post.worker();
    json.object("");
    json.optional("pid", worker.map(|(pid, _)| pid.into()));
    json.optional("since_ms", worker.map(|(_, since)| age_ms(view, since)));
    json.number("restarts", post.restarts().into());
    json.end();
}

#[inline(never)]
fn router(json: &mut Json<'_>, node: &Node<'_>, view: &View<'_>, id: RouterId) {
    let config = &node.config().routers[usize::from(id.0)];
    let router = &node.routers()[usize::from(id.0)];
    json.object("");
    json.word("name", config.name);
    json.word("interface", config.interface);
    json.number("virtual_router_id", config.virtual_router_id.into());
    json.number("version", config.version.number().into());
    json.text("family", &config.family);
    json.word("state", router.role().name());
    json.truth("releasing", router.releasing());
    json.number("base_priority", config.priority.into());
    json.number("priority", router.priority().into());
    json.number("since_ms", age_ms(view, router.since()));
    json.text("reason", &router.reason().display(node.config(), node));
    match router.master().map(Shown) {
        Some(master) => json.text("master", &master),
        None => json.null("master"),
    }
    json.array("addresses");
    for address in &config.addresses {
        let shown = Shown(address.address);
        let length = Number(address.prefix_len.into());
        json.text("", &format_args!("{shown}/{length}"));
    }
    json.end();
    json.number("lease_ms", 1000 * u64::from(config.lease_s));
    json.number("adverts_sent", router.adverts_sent());
    json.number("adverts_received", router.adverts_received());
    json.object("discarded");
    for (reject, &count) in Reject::ALL.iter().zip(node.discarded(id)) {
        json.number(reject.name(), count.into());
    }
    json.end();
    json.array("diagnoses");
    for finding in node.diagnoses(view.now, id) {
        json.object("");
        json.text("code", &finding.evidence.code.name());
        match finding.has_peer() {
            true => json.text("peer", &Peer(finding)),
            false => json.null("peer"),
        }
        json.text("text", &node.diagnosis(view.now, id, finding));
        json.number("since_ms", age_ms(view, finding.since));
        json.number("seen_ms", age_ms(view, finding.seen_at));
        json.number("count", finding.count.into());
        json.end();
    }
    json.end();
    let interface = &node.interfaces()[usize::from(node.interface_of(id).0)];
    json.number("filtered", interface.filtered());
    json.number("transitions", router.transitions().into());
    json.end();
}

/// What its members are together; null while it waits.
fn group(json: &mut Json<'_>, node: &Node<'_>, number: usize, group: &Group<'_>) {
    json.object("");
    json.word("name", group.name);
    match group.state() {
        Some(state) => json.text("state", &state),
        None => json.null("state"),
    }
    json.array("members");
    for id in node.members(number) {
        json.word("", node.config().routers[usize::from(id.0)].name);
    }
    json.end();
    json.end();
}

fn check(json: &mut Json<'_>, view: &View<'_>, config: &config::Check<'_>, check: &Check) {
    json.object("");
    json.word("name", config.name);
    json.word("kind", config.kind.name());
    json.word("state", check.health().name());
    json.number("since_ms", age_ms(view, check.since()));
    match check.detail() {
        Some(detail) => json.word("last", detail),
        None => json.null("last"),
    }
    json.optional(
        "duration_us",
        check.duration().map(|took| took.total_micros()),
    );
    json.array("diagnoses");
    if check.cannot_run() {
        json.object("");
        json.word("code", "check-cannot-run");
        json.null("peer");
        json.word("text", check.detail().unwrap_or_default());
        json.end();
    }
    json.end();
    json.end();
}

fn hook(json: &mut Json<'_>, names: (Option<&str>, Option<&str>), hook: &Hook) {
    if !hook.configured() {
        return;
    }
    json.object("");
    for (kind, name) in [("vrrp", names.0), ("group", names.1)] {
        match name {
            Some(name) => json.word(kind, name),
            None => json.null(kind),
        }
    }
    call(json, hook.caller());
    json.number("queued", hook.queued().into());
    json.end();
}

fn resources(json: &mut Json<'_>, config: &config::Router<'_>, resources: &Resources<'_>) {
    if config.resources.is_empty() {
        return;
    }
    let latest = LatestCall::of(resources.caller());
    json.object("");
    json.word("vrrp", config.name);
    json.number("started", resources.started().into());
    json.number("of", config.resources.len() as u64);
    match latest.resource {
        Some((number, verb)) => {
            json.word("resource", program(config, number));
            json.word("word", verb.name());
        }
        None => {
            json.null("resource");
            json.null("word");
        }
    }
    call(json, resources.caller());
    json.end();
}

/// The latest call, and how many there were.
fn call(json: &mut Json<'_>, caller: &Caller) {
    let latest = LatestCall::of(caller);
    match latest.state {
        Some(state) => json.text("state", &state),
        None => json.null("state"),
    }
    json.truth("running", latest.running);
    json.optional("exit", latest.exit.map(u64::from));
    json.optional("duration_ms", latest.duration_ms);
    json.number("runs", caller.runs().into());
}

/// Writes members and elements and puts the commas between them. An element of
/// an array has the empty key. The first failure of `out` is kept, and nothing
/// is written after it, so that no caller has to look.
pub(super) struct Json<'w> {
    out: &'w mut dyn Write,
    /// A value stands before, so that the next one needs a comma.
    comma: bool,
    /// What is open: a bit each, the innermost one the lowest; 1 is an array.
    open: u32,
    result: fmt::Result,
}

impl Json<'_> {
    #[inline(never)]
    pub(super) fn object(&mut self, key: &str) {
        self.raw(key, "{");
        self.comma = false;
        self.open <<= 1;
    }

    #[inline(never)]
    pub(super) fn array(&mut self, key: &str) {
        self.raw(key, "[");
        self.comma = false;
        self.open = self.open << 1 | 1;
    }

    /// Ends what was opened last.
    #[inline(never)]
    pub(super) fn end(&mut self) {
        let bracket = if self.open & 1 == 1 { "]" } else { "}" };
        self.put(format_args!("{}", Plain(bracket)));
        self.comma = true;
        self.open >>= 1;
    }

    #[inline(never)]
    pub(super) fn word(&mut self, key: &str, value: &str) {
        self.text(key, &Plain(value));
    }

    #[inline(never)]
    pub(super) fn text(&mut self, key: &str, value: &dyn Display) {
        self.value(key, format_args!("\""));
        if self.result.is_ok() {
            self.result = write!(Escaped(self.out), "{value}");
        }
        self.put(format_args!("\""));
    }

    #[inline(never)]
    pub(super) fn number(&mut self, key: &str, value: u64) {
        self.value(key, format_args!("{}", Number(value)));
    }

    #[inline(never)]
    pub(super) fn optional(&mut self, key: &str, value: Option<u64>) {
        match value {
            Some(value) => self.number(key, value),
            None => self.null(key),
        }
    }

    #[inline(never)]
    pub(super) fn truth(&mut self, key: &str, value: bool) {
        self.raw(key, if value { "true" } else { "false" });
    }

    #[inline(never)]
    pub(super) fn null(&mut self, key: &str) {
        self.raw(key, "null");
    }

    /// A value that is written as it stands.
    #[inline(never)]
    fn raw(&mut self, key: &str, value: &str) {
        self.value(key, format_args!("{}", Plain(value)));
    }

    #[inline(never)]
    fn value(&mut self, key: &str, value: fmt::Arguments<'_>) {
        let comma = Plain(if self.comma { "," } else { "" });
        let (quote, colon) = if key.is_empty() {
            (Plain(""), Plain(""))
        } else {
            (Plain("\""), Plain("\":"))
        };
        let key = Plain(key);
        self.comma = true;
        self.put(format_args!("{comma}{quote}{key}{colon}{value}"));
    }

    #[inline(never)]
    fn put(&mut self, text: fmt::Arguments<'_>) {
        if self.result.is_ok() {
            self.result = self.out.write_fmt(text);
        }
    }
}

/// Passes text on as the inside of a JSON string (RFC 8259 section 7).
struct Escaped<'w>(&'w mut dyn Write);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            if byte >= b' ' && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.0.write_str(text.get(plain..at).unwrap_or_default())?;
            plain = at + 1;
            match byte {
                b'"' => self.0.write_str("\\\"")?,
                b'\\' => self.0.write_str("\\\\")?,
                _ => {
                    self.0.write_str("\\u")?;
                    write_number(self.0, byte.into(), 16, 4)?;
                }
            }
        }
        self.0.write_str(text.get(plain..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;
    use crate::report::sample::{self, Sample};

    fn written(sample: &Sample) -> String {
        let mut out = String::new();
        json(&sample.node, &sample.view(), &mut out).unwrap();
        out
    }

    #[test]
    fn nothing_configured() {
        let expected = concat!(
            r#"{"node":"host-a","version":"0.1.0","uptime_ms":123456,"#,
            r#""loop_lag_us":{"last":40,"max":900},"standby":false,"#,
            r#""vrrp":[],"groups":[],"checks":[],"services":[],"hooks":[],"resources":[],"notify_fifo":null,"forwarder":null}"#,
            "\n"
        );
        assert_eq!(written(&sample::empty()), expected);
    }

    #[test]
    fn groups_with_their_members() {
        let mut sample = sample::grouped();
        let groups = |state| {
            std::format!(r#""groups":[{{"name":"gate","state":{state},"members":["in","out"]}}],"#)
        };
        assert!(written(&sample).contains(&groups("null")));
        sample.on(0, crate::event::Event::Start);
        let said = written(&sample);
        assert!(said.contains(&groups(r#""FAULT""#)), "{said}");
    }

    #[test]
    fn what_the_fifo_took_and_lost() {
        let mut view = sample::empty().view();
        view.fifo = Some((12, 3));
        let mut out = String::new();
        json(&sample::empty().node, &view, &mut out).unwrap();
        assert!(
            out.ends_with("\"notify_fifo\":{\"sent\":12,\"lost\":3},\"forwarder\":null}\n"),
            "{out}"
        );
    }

    #[test]
    fn workers_and_how_far_a_stop_has_come() {
        let mut view = sample::empty().view();
        let at = |ms| view.now - crate::Duration::from_millis(ms);
        let mut posts = [Post::new(at(900)); 2];
        posts[0].on_started(at(900), 77, 0);
        posts[1].on_started(at(900), 78, 0);
        posts[1].on_ended(at(0));
        view.workers = &posts;
        view.farewell
            .on_stop(view.now, 5, crate::Duration::from_secs(30));
        let mut out = String::new();
        json(&sample::empty().node, &view, &mut out).unwrap();
        let expected = concat!(
            r#""forwarder":{"state":"draining","workers":["#,
            r#"{"pid":77,"since_ms":900,"restarts":0},"#,
            r#"{"pid":null,"since_ms":null,"restarts":1}]}}"#,
            "\n"
        );
        assert!(out.ends_with(expected), "{out}");
    }

    /// Before any result everything that is not known is null.
    #[test]
    fn before_the_first_result() {
        let expected = concat!(
            r#"{"node":"gw-a","version":"0.1.0","uptime_ms":123456,"#,
            r#""loop_lag_us":{"last":40,"max":900},"standby":false,"vrrp":["#,
            r#"{"name":"VI_01","interface":"eth0","virtual_router_id":51,"version":2,"#,
            r#""family":"ipv4","state":"INIT","releasing":false,"base_priority":101,"#,
            r#""priority":101,"since_ms":0,"reason":"not started yet","master":null,"#,
            r#""addresses":["192.168.0.49/24","10.0.0.49/32"],"lease_ms":2000,"#,
            r#""adverts_sent":0,"adverts_received":0,"discarded":{"ip-header":0,"#,
            r#""fragment":0,"own":0,"ttl":0,"version":0,"length":0,"checksum":0,"vrid":0,"#,
            r#""type":0,"count":0,"destination":0,"source":0,"auth-type":0,"auth-data":0,"#,
            r#""interval":0,"stale":0,"hmac":0,"replayed":0},"#,
            r#""diagnoses":[],"filtered":0,"transitions":0}],"groups":[],"#,
            r#""checks":[{"name":"haproxy","kind":"process","state":"unknown","since_ms":0,"#,
            r#""last":null,"duration_us":null,"diagnoses":[]}],"services":[],"#,
            r#""hooks":[{"vrrp":"VI_01","group":null,"state":null,"running":false,"exit":null,"#,
            r#""duration_ms":null,"runs":0,"queued":0}],"resources":[],"notify_fifo":null,"forwarder":null}"#,
            "\n"
        );
        assert_eq!(written(&sample::new()), expected);
    }

    #[test]
    fn a_master_with_its_check_and_hook() {
        let expected = concat!(
            r#"{"node":"gw-a","version":"0.1.0","uptime_ms":123456,"#,
            r#""loop_lag_us":{"last":40,"max":900},"standby":false,"vrrp":["#,
            r#"{"name":"VI_01","interface":"eth0","virtual_router_id":51,"version":2,"#,
            r#""family":"ipv4","state":"MASTER","releasing":false,"base_priority":101,"#,
            r#""priority":103,"since_ms":900,"reason":"no advert for 3598 ms from anybody","#,
            r#""master":"192.168.0.11","addresses":["192.168.0.49/24","10.0.0.49/32"],"#,
            r#""lease_ms":2000,"adverts_sent":1,"adverts_received":0,"discarded":{"#,
            r#""ip-header":1,"fragment":0,"own":0,"ttl":0,"version":0,"length":0,"#,
            r#""checksum":0,"vrid":0,"type":0,"count":0,"destination":0,"source":0,"#,
            r#""auth-type":0,"auth-data":0,"interval":0,"stale":0,"hmac":0,"replayed":0},"#,
            r#""diagnoses":[],"filtered":0,"transitions":2}],"groups":[],"#,
            r#""checks":[{"name":"haproxy","kind":"process","state":"up","since_ms":4498,"#,
            r#""last":"2 \"odd\\\u001b\" processes","duration_us":140,"diagnoses":[]}],"services":[],"#,
            r#""hooks":[{"vrrp":"VI_01","group":null,"state":"MASTER","running":false,"exit":0,"#,
            r#""duration_ms":12,"runs":2,"queued":0}],"resources":[],"notify_fifo":null,"forwarder":null}"#,
            "\n"
        );
        assert_eq!(written(&sample::master()), expected);
    }
}
