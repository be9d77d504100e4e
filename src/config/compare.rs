//! The two halves of a pair against each other. What keeps one node from
//! taking over is an error, what only surprises is a warning; each is told at
//! its place in the one file, with the line in the other.

use super::Outcome;
use super::diagnostic::{Argument, Diagnostic, Problem, Severity, Source, Template, template};
use super::model::{Address, AuthMode, Config, Router};
use super::service::Server;
use super::statement::find;
use crate::protocol::Version;

/// Compares two configurations that were read without errors, each with the
/// file that it was read from.
#[inline(never)]
pub fn compare(
    one: (&Config<'_>, &Source<'_>),
    other: (&Config<'_>, &Source<'_>),
    report: &mut dyn FnMut(&Diagnostic<'_>),
) -> [Outcome; 2] {
    const NOTHING: Outcome = Outcome {
        errors: 0,
        warnings: 0,
    };
    let mut comparison = Comparison {
        here: one.1,
        there: other.1,
        outcome: NOTHING,
        report,
    };
    for router in &one.0.routers {
        match counterpart(router, other.0) {
            Some(peer) if same_id(router, peer) => comparison.pair(router, peer),
            Some(peer) => comparison.two_ids(router, peer),
            None => comparison.alone(router),
        }
        comparison.group(router, one.0, other.0);
    }
    comparison.services(one.0, other.0);
    // What is seen from the other side only.
    core::mem::swap(&mut comparison.here, &mut comparison.there);
    let first = core::mem::replace(&mut comparison.outcome, NOTHING);
    for router in &other.0.routers {
        match counterpart(router, one.0) {
            Some(peer) if same_id(router, peer) => comparison.one_way(router, peer),
            Some(_) => {}
            None => comparison.alone(router),
        }
        comparison.group(router, other.0, one.0);
    }
    comparison.services(other.0, one.0);
    [first, comparison.outcome]
}

/// What the other node has in place of a router: the one with its id, or else
/// the one with an address of it. Where an id is used on several interfaces, an
/// address and then the name decide.
fn counterpart<'c, 'a>(router: &Router<'_>, config: &'c Config<'a>) -> Option<&'c Router<'a>> {
    let rank = |peer: &Router<'_>| {
        let shared = router.addresses.iter().any(|address| has(peer, address));
        let named = peer.name == router.name;
        match (same_id(router, peer), shared) {
            (true, _) => 4 + 2 * usize::from(shared) + usize::from(named),
            (false, true) => 1,
            (false, false) => 0,
        }
    };
    let peers = config.routers.iter().filter(|peer| rank(peer) > 0);
    peers.max_by_key(|peer| rank(peer))
}

fn same_id(router: &Router<'_>, peer: &Router<'_>) -> bool {
    router.virtual_router_id == peer.virtual_router_id && router.family == peer.family
}

fn has(router: &Router<'_>, address: &Address<'_>) -> bool {
    let mut addresses = router.addresses.iter();
    addresses.any(|other| other.address == address.address)
}

/// The priority of a router with every check as it should be, 1..=255.
pub fn highest(router: &Router<'_>) -> u32 {
    priority(router, |weight| weight.max(0))
}

/// The priority of a router with every weighted check failing, 1..=255.
pub fn lowest(router: &Router<'_>) -> u32 {
    priority(router, |weight| weight.min(0))
}

fn priority(router: &Router<'_>, counted: fn(i32) -> i32) -> u32 {
    let base = i32::from(router.priority);
    let weights = router
        .tracks
        .iter()
        .map(|track| counted(track.weight.into()));
    match base {
        255 => 255,
        _ => (base + weights.sum::<i32>()).clamp(1, 254).unsigned_abs(),
    }
}

struct Comparison<'c, 't> {
    /// The file in which things are shown.
    here: &'c Source<'t>,
    /// The file whose lines are named.
    there: &'c Source<'t>,
    outcome: Outcome,
    report: &'c mut dyn FnMut(&Diagnostic<'_>),
}

impl Comparison<'_, '_> {
    /// Everything about two routers with the same id.
    #[inline(never)]
    fn pair(&mut self, router: &Router<'_>, peer: &Router<'_>) {
        if router.version != peer.version {
            self.differ(
                (Severity::Error, router, peer, "version"),
                template!(
                    "the two nodes have different versions",
                    "`{0}`, line {1} has {2}: write the same in both, or both are master"
                ),
                Argument::Number(peer.version.number().into()),
            );
        }
        if router.advert_int != peer.advert_int {
            let (severity, template) = match router.version {
                Version::V2 => (
                    Severity::Error,
                    template!(
                        "the two nodes have different intervals",
                        "`{0}`, line {1} has {2}: write the same in both, or both are master"
                    ),
                ),
                Version::V3 => (
                    Severity::Warning,
                    template!(
                        "the two nodes have different intervals",
                        "`{0}`, line {1} has {2}: a backup learns the interval of its master"
                    ),
                ),
            };
            self.differ(
                (severity, router, peer, "advert_int"),
                template,
                Argument::Time(peer.advert_int),
            );
        }
        if router.auth_pass != peer.auth_pass {
            let what = match peer.auth_pass {
                Some(_) => "another one",
                None => "none",
            };
            self.differ(
                (Severity::Error, router, peer, "auth_pass"),
                template!(
                    "the two nodes have different passwords",
                    "`{0}`, line {1} has {2}: write the same in both, or both are master"
                ),
                Argument::Text(what),
            );
        }
        if router.priority == peer.priority {
            let (severity, template) = match router.priority {
                255 => (
                    Severity::Error,
                    template!(
                        "the two nodes have the same priority",
                        "`{0}`, line {1} has {2} too: only one can own the addresses"
                    ),
                ),
                _ => (
                    Severity::Warning,
                    template!(
                        "the two nodes have the same priority",
                        "`{0}`, line {1} has {2} too: the higher address decides"
                    ),
                ),
            };
            self.differ(
                (severity, router, peer, "priority"),
                template,
                Argument::Number(peer.priority.into()),
            );
        }
        if router.checksum.is_some() && peer.checksum.is_some() && router.checksum != peer.checksum
        {
            self.differ(
                (Severity::Warning, router, peer, "checksum"),
                template!(
                    "the two nodes send different checksums",
                    "smena accepts both, others do not: leave it out, also in `{0}`, line {1}"
                ),
                Argument::Text(""),
            );
        }
        if router.peers.is_empty() != peer.peers.is_empty() {
            let what = match peer.peers.is_empty() {
                true => "sends to the group",
                false => "sends to its peers",
            };
            self.differ(
                (Severity::Error, router, peer, "unicast_peer"),
                template!(
                    "only one of the nodes uses unicast",
                    "the router of `{0}`, line {1} {2}: both must do the same"
                ),
                Argument::Text(what),
            );
        }
        for (nth, address) in router.addresses.iter().enumerate() {
            for same in &peer.addresses {
                if same.address == address.address && same.prefix_len != address.prefix_len {
                    self.tell(
                        Severity::Warning,
                        router.line_of(self.here.text, nth),
                        (peer, "address"),
                        template!(
                            "the two nodes have this address in different networks",
                            "from line {1} of `{0}` on, it has /{2}: write the same in both"
                        ),
                        Argument::Number(same.prefix_len.into()),
                    );
                }
            }
        }
        self.one_way(router, peer);
    }

    /// What holds from one node to the other, and must be looked at both ways.
    fn one_way(&mut self, router: &Router<'_>, peer: &Router<'_>) {
        let missing = router
            .addresses
            .iter()
            .position(|address| !has(peer, address));
        if let Some(nth) = missing {
            let at = router.line_of(self.here.text, nth);
            self.tell(
                Severity::Error,
                at,
                (peer, "address"),
                template!(
                    "only one of the nodes has this address",
                    "add it below line {1} of `{0}`, or remove it here"
                ),
                Argument::Text(""),
            );
        }
        let hidden = router.addresses.iter().position(|address| {
            let mut there = peer.addresses.iter().filter(|there| there.excluded);
            !address.excluded && there.any(|there| there.address == address.address)
        });
        if let Some(nth) = hidden {
            self.tell(
                Severity::Warning,
                router.line_of(self.here.text, nth),
                (peer, "excluded_address"),
                template!(
                    "only one of the nodes announces this address",
                    "in `{0}`, from line {1} on, it is excluded: write it in the same way"
                ),
                Argument::Text(""),
            );
        }
        let source = peer.unicast_src_ip;
        if let Some(source) = source
            && !router.peers.is_empty()
            && !router.peers.iter().any(|known| known.address == source)
        {
            self.differ_from(
                (Severity::Error, router, "unicast_peer"),
                (peer, "unicast_src_ip"),
                template!(
                    "no unicast_peer is the other node",
                    "add the unicast_src_ip of `{0}`, line {1}, or its adverts are refused"
                ),
            );
        }
        self.signatures(router, peer);
        self.weights(router, peer);
    }

    /// Would the other node accept the signatures of this one, or do without?
    fn signatures(&mut self, router: &Router<'_>, peer: &Router<'_>) {
        let signing = match router.auth_mode {
            AuthMode::ReceiveOnly => None,
            AuthMode::Permissive | AuthMode::Enforce => router.keys.first(),
        };
        let template = match signing {
            Some(key) if !peer.keys.contains(key) => {
                template!(
                    "the two nodes do not agree on signatures",
                    "the router of `{0}`, line {1} has not this key and refuses the adverts"
                )
            }
            None if peer.auth_mode == AuthMode::Enforce && !peer.keys.is_empty() => {
                template!(
                    "the two nodes do not agree on signatures",
                    "`{0}`, line {1} asks for signatures and refuses the adverts of this one"
                )
            }
            Some(_) | None => return,
        };
        self.differ_from(
            (Severity::Error, router, "auth_hmac"),
            (peer, "auth_hmac"),
            template,
        );
    }

    /// Routers of a group move together on both nodes, or one of them finds no
    /// master: the one node waits for what the other does not do.
    fn group(&mut self, router: &Router<'_>, here: &Config<'_>, there: &Config<'_>) {
        let Some(peer) = counterpart(router, there).filter(|_| router.group.is_some()) else {
            return;
        };
        let together = |mate: &&Router<'_>| mate.group == router.group;
        let apart = here.routers.iter().filter(together).any(|mate| {
            let theirs = counterpart(mate, there).and_then(|mate| mate.group);
            theirs.is_none() || theirs != peer.group
        });
        if apart {
            self.differ_from(
                (Severity::Error, router, "group"),
                (peer, "group"),
                template!(
                    "the two nodes have other routers in this group",
                    "let the router of `{0}`, line {1} move with the same ones"
                ),
            );
        }
    }

    /// Weights exist to hand over; do they?
    fn weights(&mut self, router: &Router<'_>, peer: &Router<'_>) {
        let weighted = router.tracks.iter().position(|track| track.weight != 0);
        let (Some(nth), true) = (weighted, router.priority != 255) else {
            return;
        };
        let at = find(self.here.text, "vrrp", router.name, "track", nth);
        if highest(router) < highest(peer) {
            // It is master only while the other cannot be. A weight that is
            // added is meant to change that.
            let fixed = lowest(peer) == highest(peer);
            let adds = highest(router) > router.priority.into();
            if fixed && adds && highest(router) <= lowest(peer) {
                self.tell(
                    Severity::Warning,
                    at,
                    (peer, "priority"),
                    template!(
                        "this weight never changes who is master",
                        "`{0}`, line {1} always has {2}, and more than this node can reach"
                    ),
                    Argument::Number(lowest(peer).into()),
                );
            }
            return;
        }
        if !peer.preempt {
            self.tell(
                Severity::Error,
                at,
                (peer, "preempt"),
                template!(
                    "no weight can lead to a fail-over",
                    "`{0}`, line {1} has `preempt = no`: use weight 0, which is FAULT"
                ),
                Argument::Text(""),
            );
        } else if lowest(router) >= highest(peer) {
            self.tell(
                Severity::Error,
                at,
                (peer, "priority"),
                template!(
                    "no weight can lead to a fail-over",
                    "`{0}`, line {1} reaches only {2}: weigh more, or bring the priorities together"
                ),
                Argument::Number(highest(peer).into()),
            );
        }
    }

    /// The same address under another id: what a typing error in an id makes.
    fn two_ids(&mut self, router: &Router<'_>, peer: &Router<'_>) {
        self.differ(
            (Severity::Error, router, peer, "virtual_router_id"),
            template!(
                "the two nodes have the same address under different ids",
                "`{0}`, line {1} has {2}: write the same in both, or both are master"
            ),
            Argument::Number(peer.virtual_router_id.into()),
        );
    }

    fn alone(&mut self, router: &Router<'_>) {
        let header = find(self.here.text, "vrrp", router.name, "", 0);
        self.lacks(
            header,
            template!(
                "{0} has no counterpart",
                "nothing in `{1}` has this id and family, or one of the addresses"
            ),
        );
    }

    /// Services and servers that the other node has not: clients miss them when
    /// the address moves.
    #[inline(never)]
    fn services(&mut self, here: &Config<'_>, there: &Config<'_>) {
        let text = self.here.text;
        for service in &here.services {
            let mut peers = there.services.iter();
            let Some(peer) = peers.find(|peer| peer.name == service.name) else {
                self.lacks(
                    find(text, "service", service.name, "", 0),
                    template!(
                        "{0} is on this node only",
                        "add it to `{1}`, or its clients find nothing when the address moves"
                    ),
                );
                continue;
            };
            let theirs = there.listeners_of(peer);
            for (nth, listener) in here.listeners_of(service).iter().enumerate() {
                if !theirs.iter().any(|other| other.meets(listener)) {
                    self.lacks(
                        find(text, "service", service.name, "listen", nth),
                        template!(
                            "only one of the nodes listens here",
                            "add it to the same [service] of `{1}`, or remove it here"
                        ),
                    );
                }
            }
            let theirs = there.servers_of(peer);
            for (nth, server) in here.servers_of(service).iter().enumerate() {
                let same = |other: &Server<'_>| {
                    (other.address, other.port) == (server.address, server.port)
                };
                if !theirs.iter().any(same) {
                    self.lacks(
                        find(text, "service", service.name, "server", nth),
                        template!(
                            "only one of the nodes has this server",
                            "add it to the same [service] of `{1}`, or remove it here"
                        ),
                    );
                }
            }
        }
    }

    /// Warns of something that the other file has not.
    fn lacks(&mut self, at: &str, template: &Template) {
        let arguments = [Argument::Text(at), Argument::Text(self.there.file)];
        let problem = Problem::new(at.as_bytes(), template, &arguments);
        self.outcome.warnings += 1;
        (self.report)(&Diagnostic::new(Severity::Warning, *self.here, problem));
    }

    /// A key whose values do not go together.
    fn differ(
        &mut self,
        (severity, router, peer, key): (Severity, &Router<'_>, &Router<'_>, &str),
        template: &Template,
        value: Argument<'_>,
    ) {
        let at = find(self.here.text, "vrrp", router.name, key, 0);
        self.tell(severity, at, (peer, key), template, value);
    }

    /// Two keys that do not go together, without a value to show.
    fn differ_from(
        &mut self,
        (severity, router, key): (Severity, &Router<'_>, &str),
        there: (&Router<'_>, &str),
        template: &Template,
    ) {
        let at = find(self.here.text, "vrrp", router.name, key, 0);
        self.tell(severity, at, there, template, Argument::Text(""));
    }

    /// In the hint, `{0}` and `{1}` are file and line of the other node's key,
    /// or of its section where the key is absent; `{2}` is the value.
    fn tell(
        &mut self,
        severity: Severity,
        at: &str,
        (peer, key): (&Router<'_>, &str),
        template: &Template,
        value: Argument<'_>,
    ) {
        let there = find(self.there.text, "vrrp", peer.name, key, 0);
        let line = self.there.line(there.as_bytes());
        let arguments = [
            Argument::Text(self.there.file),
            Argument::Number(line.into()),
            value,
        ];
        let problem = Problem::new(at.as_bytes(), template, &arguments);
        match severity {
            Severity::Error => self.outcome.errors += 1,
            Severity::Warning => self.outcome.warnings += 1,
            Severity::Note => {}
        }
        (self.report)(&Diagnostic::new(severity, *self.here, problem));
    }
}
