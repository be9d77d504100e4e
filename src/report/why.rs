//! Why a router is master or is not, and why a check or a server is up or is not: the
//! facts and the arithmetic of one moment, for somebody who was woken by it.
//! It begins with what status says of the same thing.

use core::fmt::{self, Write};

use super::text::{self, Age, Lines};
use super::{View, age_ms, service};
use crate::address::Shown;
use crate::config::{self, Tracked, highest, lowest, nearest};
use crate::event::{CheckId, RouterId, ServerId};
use crate::node::Node;
use crate::pack::packed;
use crate::say::{Number, Plain};
use crate::vrrp::{Readiness, Role, skew};
use crate::{Duration, Instant};

/// Whether a router, a check, a service or a server has this name.
pub fn knows(node: &Node<'_>, name: &str) -> bool {
    let mut servers = (0..node.config().servers.len() as u8).map(ServerId);
    names(node).any(|known| known == name)
        || servers.any(|id| service::is_called(node.config(), id, name))
}

fn names<'n>(node: &'n Node<'_>) -> impl Iterator<Item = &'n str> {
    let config = node.config();
    let routers = config.routers.iter().map(|router| router.name);
    let checks = config.checks.iter().map(|check| check.name);
    let services = config.services.iter().map(|service| service.name);
    let servers = config.servers.iter().map(|server| server.name);
    routers.chain(checks).chain(services).chain(servers)
}

/// Writes why the router, the check, or both of this name are as they are.
#[inline(never)]
pub fn why(node: &Node<'_>, view: &View<'_>, name: &str, out: &mut dyn Write) -> fmt::Result {
    let mut lines = Lines {
        out,
        result: Ok(()),
    };
    let config = node.config();
    for (id, router) in (0u8..).map(RouterId).zip(&config.routers) {
        if router.name == name {
            text::router(node, view, id, &mut lines);
            self::router(node, view, id, &mut lines);
        }
    }
    for (id, check) in (0u8..).map(CheckId).zip(&config.checks) {
        if check.name == name {
            let machine = &node.checks()[usize::from(id.0)];
            text::check(view, check, machine, &mut lines);
            self::check(node, view, id, &mut lines);
        }
    }
    service::why(node, view, name, &mut lines);
    if !knows(node, name) {
        let name_shown = text::Printable(name);
        lines.put(format_args!(
            "error: no router, check, service or server is called `{name_shown}`"
        ));
        if let Some(meant) = nearest(name, &mut names(node)) {
            lines.put(format_args!("; did you mean `{}`?", Plain(meant)));
        }
        lines.put(format_args!("\n"));
    }
    lines.result
}

/// What the timers are, and what keeps the router from being master or lets
/// others become it.
#[inline(never)]
fn router(node: &Node<'_>, view: &View<'_>, id: RouterId, out: &mut Lines<'_>) {
    let index = usize::from(id.0);
    let config = &node.config().routers[index];
    let router = &node.routers()[index];
    for (what, at) in router.timers() {
        if let Some(at) = at {
            let left = Number(left_ms(view, at));
            out.put(format_args!("  timer     {} in {left} ms\n", Plain(what)));
        }
    }
    let own = router.priority();
    match router.role() {
        Role::Initialize | Role::Fault => {
            let mut last = Readiness::Ready;
            node.obstacles(id, &mut |obstacle| {
                // Addresses of one interface say the same.
                let again = core::mem::replace(&mut last, obstacle) == obstacle;
                if let Readiness::Unable(reason) | Readiness::Waiting(reason) = obstacle
                    && !again
                {
                    let sentence = reason.display(node.config(), node);
                    out.put(format_args!("  because   {sentence}\n"));
                }
            });
        }
        Role::Backup => {
            waits(router.master_interval(), config, own, out);
            because_of_master(node, view, id, out);
        }
        Role::Master => {
            match node.rival(id) {
                Some((from, priority, at)) => {
                    let (from, priority) = (Shown(from), Number(priority.into()));
                    out.put(format_args!(
                        "  others    {from}, last heard {} ago with priority {priority}\n",
                        Age(age_ms(view, at))
                    ));
                }
                None => out.put(format_args!("  others    nobody was heard yet\n")),
            }
            if lowest(config) < highest(config) {
                let lowest = Number(lowest(config).into());
                out.put(format_args!(
                    "  others    with priority above {lowest} take over when all tracked checks fail\n"
                ));
            }
        }
    }
}

/// The sum of how long a silent master is waited for.
fn waits(interval: Duration, config: &config::Router<'_>, own: u8, out: &mut Lines<'_>) {
    let skew = skew(config.version, interval, own);
    let (interval, rest) = (
        Number(interval.total_millis()),
        Number(256 - u64::from(own)),
    );
    let skew = Number(skew.total_millis());
    out.put(format_args!(
        "  patience  3 x {interval} ms + {skew} ms of skew ({rest}/256)\n"
    ));
}

/// Why a backup leaves the addresses to another.
#[inline(never)]
fn because_of_master(node: &Node<'_>, view: &View<'_>, id: RouterId, out: &mut Lines<'_>) {
    let index = usize::from(id.0);
    let config = &node.config().routers[index];
    let own = node.routers()[index].priority();
    let Some((from, theirs, at)) = node.rival(id) else {
        return out.put(format_args!(
            "  because   it has to hear first whether there is a master\n"
        ));
    };
    let relation = match theirs {
        0 => packed!("leaves; this node takes over after its skew"),
        _ if theirs > own => packed!("is more, and leads as long as it is heard"),
        _ if theirs == own => packed!("is the same, which is no reason to take over"),
        _ if !config.preempt => packed!("is less, but preempt = no"),
        _ => packed!("is less; this node takes over when the timers end"),
    };
    let (from, theirs) = (Shown(from), Number(theirs.into()));
    out.put(format_args!(
        "  because   {from} is master with priority {theirs}, which {relation} (heard {} ago)\n",
        Age(age_ms(view, at))
    ));
    let most = Number(highest(config).into());
    out.put(format_args!(
        "  because   this node has {} and reaches {most} at most\n",
        Number(own.into())
    ));
}

/// How far it is from the next change, and who looks at it.
#[inline(never)]
fn check(node: &Node<'_>, view: &View<'_>, id: CheckId, out: &mut Lines<'_>) {
    let index = usize::from(id.0);
    let (config, check) = (&node.config().checks[index], &node.checks()[index]);
    let (against, needed) = check.against();
    let runs = Number(check.runs().into());
    let interval = Number(config.interval.total_millis());
    let timeout = Number(config.timeout.total_millis());
    out.put(format_args!(
        "  runs      {runs}, one each {interval} ms, each at most {timeout} ms"
    ));
    if let Some(at) = check.poll_at().filter(|_| check.at_rest()) {
        let left = Number(left_ms(view, at));
        out.put(format_args!("; the next in {left} ms"));
    }
    let (against, needed) = (Number(against.into()), Number(needed.into()));
    out.put(format_args!(
        "\n  counts    {against} of {needed} results in a row that change it\n"
    ));
    for router in &node.config().routers {
        let of = |track: &&config::Track<'_>| track.what == Tracked::Check(id.0);
        for track in router.tracks.iter().filter(of) {
            tracked_by(router.name, track.weight, out);
        }
    }
}

/// The line of a router that counts something.
pub(super) fn tracked_by(router: &str, weight: i16, out: &mut Lines<'_>) {
    let name = Plain(router);
    let sign = Plain(if weight < 0 { "-" } else { "" });
    let weight = Number(weight.unsigned_abs().into());
    out.put(format_args!(
        "  tracked   by {name}, weight {sign}{weight}\n"
    ));
}

/// From now to a deadline in whole milliseconds.
pub(super) fn left_ms(view: &View<'_>, at: Instant) -> u64 {
    u64::try_from(at.total_millis() - view.now.total_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;
    use crate::event::{Event, InterfaceId, Outcome};
    use crate::protocol::{Checksum, Family, Version};
    use crate::report::sample::{self, Sample};
    use crate::wire::{Advert, Auth, emit_advert, group};

    fn written(sample: &Sample, name: &str) -> String {
        let mut out = String::new();
        why(&sample.node, &sample.view(), name, &mut out).unwrap();
        out
    }

    /// The lines that status does not have.
    #[track_caller]
    fn adds(sample: &Sample, expected: &str) {
        let said = written(sample, "VI_01");
        let at = said.find("  hook      ").unwrap();
        let (_, added) = said[at..].split_once('\n').unwrap();
        assert_eq!(added, expected, "\n{said}");
    }

    /// The other node is heard with this priority.
    fn hears(sample: &mut Sample, at_ms: i64, priority: u8) {
        let advert = Advert {
            version: Version::V2,
            source: [192, 168, 0, 12].into(),
            destination: group(Family::Ipv4),
            virtual_router_id: 51,
            priority,
            interval: Duration::from_secs(1),
            auth: Auth::None,
            checksum: Checksum::Pseudo,
            signature: None,
            ip_id: 1,
        };
        let own = &sample.node.config().routers[0];
        let mut addresses = own.addresses.iter().map(|own| own.address);
        let mut buffer = [0; 128];
        let length = emit_advert(&advert, &mut addresses, &mut buffer).unwrap();
        let packet = Event::Packet(InterfaceId(0), Family::Ipv4, &buffer[..length]);
        sample.on(at_ms, packet);
    }

    #[test]
    fn a_backup_that_heard_nobody() {
        let mut sample = sample::backup(2, 101);
        sample.on(600, Event::Poll);
        adds(
            &sample,
            "  timer     takes over unless an advert comes in 2997 ms
  patience  3 x 1000 ms + 597 ms of skew (153/256)
  because   it has to hear first whether there is a master
",
        );
    }

    #[test]
    fn a_backup_of_a_better_master_and_of_one_that_is_left_alone() {
        let mut sample = sample::backup(2, 101);
        hears(&mut sample, 600, 150);
        sample.on(800, Event::Poll);
        adds(
            &sample,
            "  timer     takes over unless an advert comes in 3397 ms
  patience  3 x 1000 ms + 597 ms of skew (153/256)
  because   192.168.0.12 is master with priority 150, which is more, and leads as long as it is heard (heard 200 ms ago)
  because   this node has 103 and reaches 103 at most
",
        );
        hears(&mut sample, 1600, 90);
        let said = written(&sample, "VI_01");
        let lower = "priority 90, which is less; this node takes over when the timers end";
        assert!(said.contains(lower), "{said}");
    }

    #[test]
    fn a_fault_says_everything_that_is_missing() {
        let mut sample = sample::backup(0, 101);
        sample.check_ends(1, Outcome::Failure, "no process");
        sample.on(2, Event::Link(InterfaceId(0), None));
        let said = written(&sample, "VI_01");
        let because = said.lines().filter(|line| line.starts_with("  because"));
        let because: std::vec::Vec<_> = because.collect();
        assert_eq!(
            because,
            [
                "  because   there is no interface eth0",
                "  because   interface eth0 has no address to send from",
                "  because   check haproxy fails",
            ]
        );
    }

    #[test]
    fn a_master_and_who_could_take_over() {
        let mut sample = sample::master();
        adds(
            &sample,
            "  timer     next advert in 100 ms
  others    nobody was heard yet
  others    with priority above 101 take over when all tracked checks fail
",
        );
        let now_ms = sample.view().now.total_millis();
        hears(&mut sample, now_ms, 100);
        let said = written(&sample, "VI_01");
        let heard = "  others    192.168.0.12, last heard 0 ms ago with priority 100\n";
        assert!(said.contains(heard), "{said}");
    }

    /// What may be over is told with its age.
    #[test]
    fn a_mismatch_that_was_not_seen_for_a_while() {
        let mut sample = sample::backup(2, 101);
        let begin = "  wrong     equal-priority for ";
        for (at_ms, age) in [(1000, "0 ms: "), (11_000, "10 s, last seen 10 s ago: ")] {
            if at_ms == 1000 {
                hears(&mut sample, at_ms, 103);
            }
            sample.on(at_ms, Event::Poll);
            let said = written(&sample, "VI_01");
            assert!(said.contains(&std::format!("{begin}{age}")), "{said}");
        }
    }

    #[test]
    fn a_check() {
        assert_eq!(
            written(&sample::master(), "haproxy"),
            "  haproxy: up for 4 s, process: 2 \"odd\\?\" processes (140 us)
  runs      2, one each 2000 ms, each at most 2000 ms; the next in 0 ms
  counts    0 of 1 results in a row that change it
  tracked   by VI_01, weight 2
"
        );
    }

    #[test]
    fn a_name_that_nobody_has() {
        let sample = sample::master();
        assert!(!knows(&sample.node, "VI_1") && knows(&sample.node, "VI_01"));
        assert_eq!(
            written(&sample, "VI_1"),
            "error: no router, check, service or server is called `VI_1`; did you mean `VI_01`?\n"
        );
        assert_eq!(
            written(&sample, "\u{1b}xyzzy"),
            "error: no router, check, service or server is called `?xyzzy`\n"
        );
    }
}
