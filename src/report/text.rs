//! Status as text, for a person who has one look: each router with its state,
//! why, and the sum that makes its priority; then what the sum is made of.

use core::fmt::{self, Display, Formatter, Write};

use super::{LatestCall, View, age_ms, name, program, service};
use crate::address::Shown;
use crate::call::Caller;
use crate::check::{Check, Health};
use crate::config::{self, Tracked};
use crate::event::RouterId;
use crate::hook::Hook;
use crate::node::Node;
use crate::resource::Resources;
use crate::say::{Count, Number, Plain};
use crate::vrrp::Role;
use crate::wire::Reject;

/// What was last seen longer ago than this may be over, and is told with its age.
const UNSEEN_MS: u64 = 10_000;

/// Writes lines; each ends with a line feed.
#[inline(never)]
pub fn text(node: &Node<'_>, view: &View<'_>, out: &mut dyn Write) -> fmt::Result {
    let config = node.config();
    let mut lines = Lines {
        out,
        result: Ok(()),
    };
    lines.put(format_args!(
        "{}: smena {}, up {}; loop late by {} us, at most {} us\n",
        Plain(name(node, view)),
        Plain(view.version),
        Age(view.uptime.total_millis()),
        Number(view.lag_last.total_micros()),
        Number(view.lag_max.total_micros()),
    ));
    for id in (0u8..).take(config.routers.len()).map(RouterId) {
        lines.put(format_args!("\n"));
        router(node, view, id, &mut lines);
    }
    let (_, hooks) = node.hooks().split_at(config.routers.len());
    for (group, hook) in node.groups().iter().zip(hooks) {
        let name = Plain(group.name);
        match group.state() {
            Some(state) => lines.put(format_args!("\ngroup {name}: {state}\n")),
            None => lines.put(format_args!("\ngroup {name}: waits\n")),
        }
        self::hook(hook, &mut lines);
    }
    if let Some((sent, lost)) = view.fifo {
        let (sent, lost) = (Count(sent, "line"), Number(lost));
        lines.put(format_args!("\nnotify_fifo: {sent} sent, {lost} lost\n"));
    }
    if !view.workers.is_empty() {
        let state = Plain(view.farewell.name());
        let count = Count(view.workers.len() as u64, "worker");
        let restarts = view.workers.iter().map(|post| u64::from(post.restarts()));
        let restarts = Count(restarts.sum(), "restart");
        lines.put(format_args!("\nforwarder: {state}, {count}, {restarts}\n"));
    }
    service::text(node, view, &mut lines);
    if !config.checks.is_empty() {
        lines.put(format_args!("\nchecks\n"));
    }
    for (config, check) in config.checks.iter().zip(node.checks()) {
        self::check(view, config, check, &mut lines);
    }
    lines.result
}

/// The line of a check.
pub(super) fn check(
    view: &View<'_>,
    config: &config::Check<'_>,
    check: &Check,
    lines: &mut Lines<'_>,
) {
    lines.put(format_args!(
        "  {}: {} for {}, {}: {}",
        Plain(config.name),
        Plain(check.health().name()),
        Age(age_ms(view, check.since())),
        Plain(config.kind.name()),
        Printable(check.detail().unwrap_or("no result yet")),
    ));
    if let Some(took) = check.duration() {
        lines.put(format_args!(" ({} us)", Number(took.total_micros())));
    }
    if check.cannot_run() {
        lines.put(format_args!("; the check cannot be made"));
    }
    lines.put(format_args!("\n"));
}

/// Writes until the first failure, which is kept, so that no caller has to look.
pub(super) struct Lines<'w> {
    pub(super) out: &'w mut dyn Write,
    pub(super) result: fmt::Result,
}

impl Lines<'_> {
    #[inline(never)]
    pub(super) fn put(&mut self, text: fmt::Arguments<'_>) {
        if self.result.is_ok() {
            self.result = self.out.write_fmt(text);
        }
    }
}

#[inline(never)]
pub(super) fn router(node: &Node<'_>, view: &View<'_>, id: RouterId, out: &mut Lines<'_>) {
    let index = usize::from(id.0);
    let config = &node.config().routers[index];
    let router = &node.routers()[index];
    out.put(format_args!(
        "{}: {}{} for {}: {}\n  virtual router {} on {}, version {}, {}\n  priority  {} = {}",
        Plain(config.name),
        Plain(router.role().name()),
        Plain(if router.releasing() {
            ", handing over"
        } else {
            ""
        }),
        Age(age_ms(view, router.since())),
        router.reason().display(node.config(), node),
        Number(config.virtual_router_id.into()),
        Plain(config.interface),
        Number(config.version.number().into()),
        config.family,
        Number(router.priority().into()),
        Number(config.priority.into())
    ));
    weights(node, config, out);
    out.put(format_args!("\n  master    "));
    match (router.master().map(Shown), router.role()) {
        (Some(master), Role::Master) => out.put(format_args!("this node, {master}")),
        (Some(master), _) => out.put(format_args!("{master}")),
        (None, _) => out.put(format_args!("not known")),
    }
    out.put(format_args!("\n  addresses"));
    for address in &config.addresses {
        let shown = Shown(address.address);
        let length = Number(address.prefix_len.into());
        out.put(format_args!(" {shown}/{length}"));
    }
    match config.lease_s {
        _ if config.addresses.is_empty() => out.put(format_args!(" none\n")),
        _ if router.role() != Role::Master => out.put(format_args!(" (not held)\n")),
        0 => out.put(format_args!(" (no lease)\n")),
        seconds => out.put(format_args!(" (lease {} s)\n", Number(seconds.into()))),
    }
    let sent = Number(router.adverts_sent());
    let received = Number(router.adverts_received());
    out.put(format_args!("  adverts   {sent} sent, {received} received"));
    for (reject, &count) in Reject::ALL.iter().zip(node.discarded(id)) {
        if count > 0 {
            let (count, reject) = (Number(count.into()), Plain(reject.name()));
            out.put(format_args!(", {count} discarded for {reject}"));
        }
    }
    out.put(format_args!("\n"));
    hook(&node.hooks()[index], out);
    resources(config, &node.resources()[index], out);
    diagnoses(node, view, id, out);
}

/// What is wrong between this router and others, with the mend.
pub(super) fn diagnoses(node: &Node<'_>, view: &View<'_>, id: RouterId, out: &mut Lines<'_>) {
    for finding in node.diagnoses(view.now, id) {
        out.put(format_args!(
            "  wrong     {} for {}",
            finding.evidence.code.name(),
            Age(age_ms(view, finding.since))
        ));
        let unseen = age_ms(view, finding.seen_at);
        if unseen >= UNSEEN_MS {
            out.put(format_args!(", last seen {} ago", Age(unseen)));
        }
        out.put(format_args!(
            ": {}\n",
            node.diagnosis(view.now, id, finding)
        ));
    }
}

/// The sum behind the priority: each weight with the check that it comes from.
#[inline(never)]
fn weights<'n>(node: &'n Node<'_>, config: &'n config::Router<'_>, out: &mut Lines<'_>) {
    if config.priority == 255 {
        return out.put(format_args!(" (owner, no weights)"));
    }
    let checked = |track: &config::Track<'n>| {
        let name = match track.what {
            Tracked::Check(check) => node.config().checks[usize::from(check)].name,
            Tracked::Interface(name) => name,
            Tracked::Service(service) => node.config().services[usize::from(service)].name,
        };
        (Plain(name), Plain(node.health_of(track).name()))
    };
    let mut sum = i32::from(config.priority);
    for track in &config.tracks {
        let weight = node.weight_of(track);
        // A number of a file counts without a weight, too.
        if track.weight == 0 && node.number_of(track).is_none() {
            continue;
        }
        sum += weight;
        let negative = weight < 0 || weight == 0 && track.weight < 0;
        let sign = Plain(if negative { "-" } else { "+" });
        let weight = Number(weight.unsigned_abs().into());
        let (name, health) = checked(track);
        out.put(format_args!(" {sign} {weight} ({name} {health})"));
    }
    if !(1..=254).contains(&sum) {
        out.put(format_args!(", kept within 1..254"));
    }
    for track in config.tracks.iter().filter(|track| track.weight == 0) {
        // The one that puts the router in Fault is in its reason already.
        let needs = if track.reverse {
            Health::Down
        } else {
            Health::Up
        };
        let (name, health) = checked(track);
        let needs = Plain(needs.name());
        out.put(format_args!("; needs {name} {needs} ({health})"));
    }
}

#[inline(never)]
fn hook(hook: &Hook, out: &mut Lines<'_>) {
    if !hook.configured() {
        return;
    }
    let latest = LatestCall::of(hook.caller());
    out.put(format_args!("  hook      "));
    match &latest.state {
        None => out.put(format_args!("has not run")),
        Some(state) => call(state, &latest, hook.caller(), out),
    }
    if hook.queued() > 0 {
        out.put(format_args!(", the next one waits"));
    }
    out.put(format_args!("\n"));
}

#[inline(never)]
fn resources(config: &config::Router<'_>, resources: &Resources<'_>, out: &mut Lines<'_>) {
    if config.resources.is_empty() {
        return;
    }
    let latest = LatestCall::of(resources.caller());
    let started = Number(resources.started().into());
    let all = Number(config.resources.len() as u64);
    out.put(format_args!("  resources {started} of {all} started"));
    if let Some((number, verb)) = latest.resource {
        out.put(format_args!("; {} ", Plain(program(config, number))));
        call(&Plain(verb.name()), &latest, resources.caller(), out);
    }
    out.put(format_args!("\n"));
}

/// What a call was told, and how it is doing or did.
fn call(told: &dyn Display, latest: &LatestCall, caller: &Caller, out: &mut Lines<'_>) {
    if latest.running {
        return out.put(format_args!("{told} is running"));
    }
    match latest.exit {
        Some(code) => out.put(format_args!("{told} exit {}", Number(code.into()))),
        None => out.put(format_args!("{told} could not be started")),
    }
    let took = Number(latest.duration_ms.unwrap_or(0));
    let runs = Number(caller.runs().into());
    out.put(format_args!(" after {took} ms (run {runs})"));
}

/// Text of others, without what would move a terminal's cursor.
pub struct Printable<'t>(pub &'t str);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            f.write_char(if c.is_control() { '?' } else { c })?;
        }
        Ok(())
    }
}

/// Milliseconds as a person says them: the two largest units.
pub(super) struct Age(pub u64);

impl Display for Age {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "min"),
            (1000, "s"),
        ];
        for (n, &(unit, name)) in UNITS.iter().enumerate() {
            if self.0 < unit {
                continue;
            }
            write!(f, "{} {}", Number(self.0 / unit), Plain(name))?;
            if let Some(&(smaller, name)) = UNITS.get(n + 1) {
                let rest = self.0 % unit / smaller;
                if rest > 0 {
                    write!(f, " {} {}", Number(rest), Plain(name))?;
                }
            }
            return Ok(());
        }
        write!(f, "{} ms", Number(self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use super::*;
    use crate::event::{Event, Exit, HookId, Outcome};
    use crate::report::sample::{self, Sample};

    fn written(sample: &Sample) -> String {
        let mut out = String::new();
        text(&sample.node, &sample.view(), &mut out).unwrap();
        out
    }

    #[test]
    fn a_master_with_its_check_and_hook() {
        let expected = "\
gw-a: smena 0.1.0, up 2 min 3 s; loop late by 40 us, at most 900 us

VI_01: MASTER for 900 ms: no advert for 3598 ms from anybody
  virtual router 51 on eth0, version 2, ipv4
  priority  103 = 101 + 2 (haproxy up)
  master    this node, 192.168.0.11
  addresses 192.168.0.49/24 10.0.0.49/32 (lease 2 s)
  adverts   1 sent, 0 received, 1 discarded for ip-header
  hook      MASTER exit 0 after 12 ms (run 2)

checks
  haproxy: up for 4 s, process: 2 \"odd\\?\" processes (140 us)
";
        assert_eq!(written(&sample::master()), expected);
    }

    /// The lines about the router after its first.
    fn line<'t>(text: &'t str, label: &str) -> &'t str {
        let found = text
            .lines()
            .find(|line| line.trim_start().starts_with(label));
        found.unwrap_or_else(|| panic!("no line {label}: {text}"))
    }

    const NOT_HELD: &str = "  addresses 192.168.0.49/24 10.0.0.49/32 (not held)";

    /// Whoever looks for the box with the addresses must not find two.
    #[test]
    fn addresses_that_are_only_configured_are_not_held() {
        let waits = written(&sample::new());
        let listens = written(&sample::backup(2, 101));
        assert!(waits.contains("INIT") && listens.contains("BACKUP"));
        assert_eq!(line(&waits, "addresses"), NOT_HELD);
        assert_eq!(line(&listens, "addresses"), NOT_HELD);
    }

    #[test]
    fn a_failed_check_without_weight_is_the_reason_of_fault() {
        let mut sample = sample::backup(0, 101);
        sample.check_ends(1, Outcome::Failure, "no process");
        sample.on(
            2,
            Event::HookEnded(HookId::Notify(RouterId(0)), Exit::NotStarted),
        );
        let text = written(&sample);
        assert_eq!(
            line(&text, "VI_01"),
            "VI_01: FAULT for 1 ms: check haproxy fails"
        );
        assert_eq!(
            line(&text, "priority"),
            "  priority  101 = 101; needs haproxy up (down)"
        );
        assert_eq!(line(&text, "master"), "  master    not known");
        assert_eq!(line(&text, "addresses"), NOT_HELD);
        assert_eq!(
            line(&text, "hook"),
            "  hook      FAULT could not be started after 1 ms (run 1)"
        );
        assert_eq!(
            line(&text, "haproxy"),
            "  haproxy: down for 1 ms, process: no process (1000 us)"
        );
    }

    /// A positive weight counts while its check succeeds, a negative one while
    /// it fails; the sum is kept within bounds, and an owner has none.
    #[test]
    fn the_arithmetic_of_the_priority() {
        let priority = |weight, base, outcome| {
            let mut sample = sample::backup(weight, base);
            sample.check_ends(1, outcome, "-");
            let text = written(&sample);
            line(&text, "priority").trim_start()["priority".len()..]
                .trim()
                .to_string()
        };
        let (up, down) = (Outcome::Success, Outcome::Failure);
        assert_eq!(priority(2, 101, up), "103 = 101 + 2 (haproxy up)");
        assert_eq!(priority(2, 101, down), "101 = 101 + 0 (haproxy down)");
        assert_eq!(priority(-50, 101, up), "101 = 101 - 0 (haproxy up)");
        assert_eq!(priority(-50, 101, down), "51 = 101 - 50 (haproxy down)");
        assert_eq!(
            priority(-253, 101, down),
            "1 = 101 - 253 (haproxy down), kept within 1..254"
        );
        assert_eq!(
            priority(253, 101, up),
            "254 = 101 + 253 (haproxy up), kept within 1..254"
        );
        assert_eq!(priority(2, 255, up), "255 = 255 (owner, no weights)");
    }

    #[test]
    fn ages() {
        let said = [999, 1000, 61_000, 3_600_000, 90_000_000].map(|ms| Age(ms).to_string());
        assert_eq!(said, ["999 ms", "1 s", "1 min 1 s", "1 h", "1 d 1 h"]);
    }
}
