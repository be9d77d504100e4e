//! What a world is made of: nodes, virtual routers, checks, and how bad the
//! weather gets. A seed makes all of it, a scenario writes it by hand, and each
//! node reads its part as a real configuration file (`ini.rs`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smena::config::Release;
use smena::protocol::{Family, Version};

use super::clock::{At, MS, SECOND};
use super::delivery::Delivery;
use super::random::Random;
use super::storm::Kind;

/// The interfaces that each machine has; interface n of all of them is one
/// segment of the LAN.
pub const INTERFACES: [&str; 2] = ["eth0", "eth1"];

/// A whole world.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub nodes: Vec<NodePlan>,
    pub routers: Vec<RouterPlan>,
    /// How long a packet is under way at most, without weather.
    pub latency: At,
    pub weather: Weather,
    /// How long the storm lasts.
    pub storm: At,
}

/// One machine.
#[derive(Clone, Debug)]
pub struct NodePlan {
    pub drift_ppm: i64,
    /// What its clock shows at the beginning, in microseconds.
    pub shown: i64,
    /// Its number in its addresses, which decides ties.
    pub number: u8,
    pub checks: Vec<CheckPlan>,
    pub services: Vec<ServicePlan>,
}

/// One `[check]` of one node.
#[derive(Clone, Debug)]
pub struct CheckPlan {
    /// The line that says what is looked at.
    pub kind: &'static str,
    pub interval: At,
    pub timeout: At,
    pub rise: u16,
    pub fall: u16,
    pub reverse: bool,
}

/// Every way to look at something. A node looks at an interface by itself, and a
/// file may hold a number.
const CHECK_KINDS: [&str; 10] = [
    "exec = /bin/true",
    "exec = true\nshell = yes",
    "tcp = 10.9.9.9:80",
    "http = http://10.9.9.9/health",
    "tls = 10.9.9.9:443",
    "ping = 10.9.9.9",
    "process = haproxy",
    "pidfile = /run/haproxy.pid",
    "file = /run/knob",
    "interface = eth0",
];

/// One `[service]` of one node.
#[derive(Clone, Debug)]
pub struct ServicePlan {
    /// The weight of each server.
    pub servers: Vec<u16>,
    pub checked: bool,
    pub inter: At,
    pub rise: u16,
    pub fall: u16,
    /// `on_down = cut`
    pub cut: bool,
}

/// One virtual router, and what each node that carries it says about it.
#[derive(Clone, Debug)]
pub struct RouterPlan {
    pub id: u8,
    pub version: Version,
    pub family: Family,
    pub interface: usize,
    /// Address, prefix length, and the interface that carries it.
    pub addresses: Vec<(IpAddr, u8, usize)>,
    /// So many of the last addresses are excluded ones.
    pub excluded: usize,
    pub auth: bool,
    /// The group that it is in.
    pub group: Option<usize>,
    pub delivery: Delivery,
    pub members: Vec<Member>,
}

/// One node's `[vrrp]` section for a virtual router.
#[derive(Clone, Debug)]
pub struct Member {
    pub node: usize,
    pub priority: u8,
    pub advert: At,
    pub preempt: bool,
    pub preempt_delay: At,
    pub startup_delay: At,
    pub takeover_probe: At,
    pub lease: Lease,
    pub release: Release,
    pub garp_delay: At,
    pub garp_refresh: At,
    /// The time limit of its hook; none: it has no hook.
    pub notify: Option<At>,
    pub hook: HookPlan,
    /// Its resources: how often the status of each is looked at; 0: never.
    pub resources: Vec<At>,
    /// Check, weight, reverse.
    pub tracks: Vec<(usize, i16, bool)>,
    /// Interface, weight, reverse.
    pub watches: Vec<(usize, i16, bool)>,
    /// Service, weight, reverse.
    pub needs: Vec<(usize, i16, bool)>,
}

/// The time limit of a resource without a hook.
pub const RESOURCE_LIMIT: At = 3 * SECOND;

/// The keys that say when a hook is called.
#[derive(Clone, Copy, Debug, Default)]
pub struct HookPlan {
    pub settle: At,
    /// `notify_overtake = term`
    pub overtake: bool,
    /// `notify_again`
    pub again: bool,
    pub reconcile: At,
}

/// The key `lease`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    Auto,
    Off,
    Seconds(u32),
}

/// Which faults a storm has, each in parts per thousand or as a yes or no.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// Mean time between two faults.
    pub pause: At,
    pub kinds: Vec<Kind>,
    /// Of 1,000 hooks and checks, so many hang, are never started, ignore TERM.
    pub trouble: u64,
}

impl Plan {
    /// Everything from one seed.
    pub fn of(seed: u64) -> Plan {
        let mut random = Random::new(seed, 1);
        let count = random.pick(&[2, 2, 2, 2, 3, 3, 4, 5]);
        let mut numbers: Vec<u8> = (10..200).collect();
        random.shuffle(&mut numbers);
        let mut nodes: Vec<NodePlan> = (0..count)
            .map(|n| NodePlan {
                drift_ppm: random.between(0, 600) as i64 - 300,
                shown: random.magnitude(1, 400_000 * SECOND) as i64,
                number: numbers[n],
                checks: checks(&mut random),
                services: Vec::new(),
            })
            .collect();
        let mut routers: Vec<RouterPlan> = Vec::new();
        for number in 0..random.pick(&[1, 1, 1, 2, 2, 3]) {
            let mut router = router(&mut random, number, &nodes);
            // The two families have separate number spaces.
            router.id = 51 + routers.iter().filter(|r| r.family == router.family).count() as u8;
            routers.push(router);
        }
        if routers.len() > 1 && random.chance(400) {
            join(&mut routers);
        }
        // A stream of its own, so that seeds stay what they were otherwise.
        let mut travel = Random::new(seed, 4);
        for router in &mut routers {
            router.delivery = Delivery::of(&mut travel, router.version, nodes.len());
        }
        // The same again.
        let mut served = Random::new(seed, 5);
        let with_services = served.chance(400);
        if with_services {
            serve(&mut served, &mut nodes, &mut routers);
        }
        // And again.
        let mut kinds = Random::new(seed, 6);
        for check in nodes.iter_mut().flat_map(|node| &mut node.checks) {
            check.kind = kinds.pick(&CHECK_KINDS);
        }
        let mut asked = Random::new(seed, 7);
        for member in routers.iter_mut().flat_map(|router| &mut router.members) {
            member.takeover_probe = asked.pick(&[0, 0, 0, 500 * MS, 3 * SECOND]);
        }
        let quickest = routers.iter().flat_map(|r| &r.members).map(|m| m.advert);
        let latency =
            (quickest.min().unwrap_or(SECOND) / 5).min(random.pick(&[MS / 2, 2 * MS, 30 * MS]));
        Plan {
            seed,
            latency,
            weather: {
                let mut weather = weather(&mut random);
                if with_services {
                    weather.kinds.extend(Kind::OF_SERVICES);
                }
                weather
            },
            storm: random.between(30, 60) * SECOND,
            nodes,
            routers,
        }
    }

    /// Two nodes, one virtual router, priorities 101 and 100, and no weather:
    /// what scenarios start from.
    pub fn pair() -> Plan {
        Plan::with_priorities(&[101, 100])
    }

    /// As [`Plan::pair`], one node for each priority.
    pub fn with_priorities(priorities: &[u8]) -> Plan {
        let node = |n: usize| NodePlan {
            drift_ppm: 0,
            shown: 1_000 * SECOND as i64,
            number: 10 + n as u8,
            checks: Vec::new(),
            services: Vec::new(),
        };
        let member = |n: usize| Member {
            node: n,
            priority: priorities[n],
            advert: SECOND,
            preempt: true,
            preempt_delay: 0,
            startup_delay: 0,
            takeover_probe: 0,
            lease: Lease::Auto,
            release: Release::Overlap,
            garp_delay: 5 * SECOND,
            garp_refresh: 0,
            notify: Some(5 * SECOND),
            hook: HookPlan::default(),
            resources: Vec::new(),
            tracks: Vec::new(),
            watches: Vec::new(),
            needs: Vec::new(),
        };
        Plan {
            seed: 1,
            nodes: (0..priorities.len()).map(node).collect(),
            routers: vec![RouterPlan {
                id: 51,
                version: Version::V2,
                family: Family::Ipv4,
                interface: 0,
                addresses: vec![(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)), 24, 0)],
                excluded: 0,
                auth: false,
                group: None,
                delivery: Delivery::default(),
                members: (0..priorities.len()).map(member).collect(),
            }],
            latency: MS,
            weather: Weather::default(),
            storm: 0,
        }
    }

    /// The version, and the interval of all members.
    pub fn advert(mut self, version: Version, advert: At) -> Plan {
        for router in &mut self.routers {
            router.version = version;
            router.members.iter_mut().for_each(|m| m.advert = advert);
        }
        self
    }

    /// Any other change of all members.
    pub fn members(mut self, change: impl Fn(&mut Member)) -> Plan {
        self.routers
            .iter_mut()
            .flat_map(|r| &mut r.members)
            .for_each(change);
        self
    }

    /// A check on every node, tracked by every member with this weight.
    pub fn check(mut self, weight: i16) -> Plan {
        for node in &mut self.nodes {
            node.checks.push(CheckPlan {
                kind: CHECK_KINDS[0],
                interval: SECOND,
                timeout: SECOND,
                rise: 1,
                fall: 1,
                reverse: false,
            });
        }
        self.members(|m| m.tracks.push((0, weight, false)))
    }

    /// A node's own addresses on an interface: the first of IPv4, the one of
    /// IPv6, and a second of IPv4 in another subnet.
    pub fn own_addresses(&self, node: usize, interface: usize) -> [(IpAddr, u8); 3] {
        let number = self.nodes[node].number;
        let v4 = |second| IpAddr::V4(Ipv4Addr::new(10, second, interface as u8, number));
        let v6 = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, interface as u16, u16::from(number));
        [(v4(0), 24), (IpAddr::V6(v6), 64), (v4(2), 24)]
    }

    /// No machine has a clock that outlives a boot, and no router needs one.
    pub fn clockless(&self) -> bool {
        let signed = |router: &&RouterPlan| !router.delivery.steps.is_empty();
        let mut signed = self.routers.iter().filter(signed).peekable();
        signed.peek().is_some() && signed.all(|router| router.delivery.clockless)
    }

    /// The longest interval of a router.
    pub fn slowest(&self, router: usize) -> At {
        let members = &self.routers[router].members;
        members.iter().map(|m| m.advert).max().unwrap_or(SECOND)
    }

    /// How long after all faults ended the world may need to be at rest: every
    /// delay that a configuration can ask for, one after the other.
    pub fn settling(&self) -> At {
        let checks = self.nodes.iter().flat_map(|n| &n.checks);
        let checks =
            checks.map(|c| (c.interval + c.timeout + 3 * SECOND) * (1 + u64::from(c.rise)));
        let services = self.nodes.iter().flat_map(|n| &n.services);
        let services = services.map(|s| (2 * s.inter + 3 * SECOND) * (1 + u64::from(s.rise)));
        let checks = checks.chain(services);
        let routers = self
            .routers
            .iter()
            .enumerate()
            .flat_map(|(number, router)| {
                let slowest = self.slowest(number);
                router.members.iter().map(move |m| {
                    let hooks = m.notify.map_or(0, |limit| 2 * (limit + 4 * SECOND));
                    let hooks = hooks + m.hook.settle;
                    // Each is stopped and started once more. The pause after a
                    // failure is no longer than a fight, while storms are short.
                    let limit = m.notify.unwrap_or(RESOURCE_LIMIT) + 4 * SECOND;
                    let resources = 2 * m.resources.len() as u64 * limit;
                    let hooks = hooks.max(resources);
                    (m.startup_delay
                        + m.preempt_delay
                        + m.takeover_probe
                        + 2 * (4 * slowest).max(2 * SECOND))
                    .max(hooks)
                })
            });
        // Fault after a fight over addresses, the longest that a node gives itself.
        let fought = 61 * SECOND;
        let routers = routers.max().unwrap_or(0);
        // What one of a group waits for may begin when another's has ended.
        let grouped = self.routers.iter().any(|router| router.group.is_some());
        let routers = if grouped { 2 * routers } else { routers };
        4 * SECOND + checks.max().unwrap_or(0) + routers + fought
    }
}

/// Services on every node, and routers that count them.
fn serve(random: &mut Random, nodes: &mut [NodePlan], routers: &mut [RouterPlan]) {
    let count = random.pick(&[1, 1, 2]);
    for node in nodes {
        node.services = (0..count)
            .map(|_| ServicePlan {
                servers: (0..random.between(1, 4))
                    .map(|_| random.pick(&[1, 1, 2, 256]))
                    .collect(),
                checked: random.chance(850),
                inter: random.pick(&[200 * MS, SECOND, 2 * SECOND]),
                rise: random.pick(&[1, 2, 3]),
                fall: random.pick(&[1, 2, 3]),
                cut: random.chance(300),
            })
            .collect();
    }
    for member in routers.iter_mut().flat_map(|router| &mut router.members) {
        if random.chance(500) {
            let service = random.below(count) as usize;
            let weight = random.pick(&[0, 0, 20, -50]);
            let reverse = weight != 0 && random.chance(150);
            member.needs.push((service, weight, reverse));
        }
    }
    // What one of a group counts, all of it do.
    let first = routers.iter().find(|router| router.group.is_some());
    let needs: Vec<_> = first
        .map(|router| router.members.iter().map(|m| (m.node, m.needs.clone())))
        .into_iter()
        .flatten()
        .collect();
    for router in routers.iter_mut().filter(|router| router.group.is_some()) {
        for member in &mut router.members {
            let same = needs.iter().find(|(node, _)| *node == member.node);
            member.needs = same.map_or_else(Vec::new, |(_, needs)| needs.clone());
        }
    }
}

fn checks(random: &mut Random) -> Vec<CheckPlan> {
    (0..random.pick(&[0, 0, 1, 2]))
        .map(|_| {
            let interval = random.pick(&[200 * MS, SECOND, SECOND, 2 * SECOND]);
            CheckPlan {
                kind: CHECK_KINDS[0],
                interval,
                timeout: random.pick(&[interval / 2, interval, 2 * interval]),
                rise: random.pick(&[1, 1, 2, 3]),
                fall: random.pick(&[1, 1, 2, 3]),
                reverse: random.chance(150),
            }
        })
        .collect()
}

fn router(random: &mut Random, number: usize, nodes: &[NodePlan]) -> RouterPlan {
    let family = random.pick(&[Family::Ipv4, Family::Ipv4, Family::Ipv6]);
    let version = match family {
        Family::Ipv4 => random.pick(&[Version::V2, Version::V3]),
        Family::Ipv6 => Version::V3,
    };
    let interface = random.below(2) as usize;
    let auth = version == Version::V2 && random.chance(300);
    let advert = interval(random, version);
    let mut priorities: Vec<u8> = match random.below(9) {
        0 | 1 => vec![100; nodes.len()],
        2 | 3 => (0..nodes.len()).map(|n| 101 - n as u8).collect(),
        4 | 5 => (0..nodes.len())
            .map(|n| [255, 200, 100, 50, 1][n])
            .collect(),
        // Two that both think that the addresses are theirs.
        6 => (0..nodes.len())
            .map(|n| [255, 255, 100, 50, 1][n])
            .collect(),
        _ => nodes.iter().map(|_| random.between(1, 254) as u8).collect(),
    };
    random.shuffle(&mut priorities);
    let mut members: Vec<Member> = (0..nodes.len())
        .map(|node| member(random, node, priorities[node], &nodes[node]))
        .collect();
    let mixed = version == Version::V3 && random.chance(250);
    for member in &mut members {
        member.advert = if mixed {
            interval(random, version)
        } else {
            advert
        };
    }
    // Some nodes don't carry every router, but two always do.
    while members.len() > 2 && random.chance(200) {
        members.remove(random.below(members.len() as u64) as usize);
    }
    let mut addresses = addresses(random, family, number, interface);
    let mut excluded = if addresses.len() > 1 && random.chance(250) {
        1
    } else {
        0
    };
    if random.chance(100) {
        // One of the other family, which no advert could list.
        let other = match family {
            Family::Ipv4 => IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0x5f, number as u16)),
            Family::Ipv6 => IpAddr::V4(Ipv4Addr::new(10, 9, interface as u8, number as u8)),
        };
        addresses.push((other, 32, interface));
        excluded += 1;
    }
    RouterPlan {
        id: 51,
        version,
        family,
        interface,
        addresses,
        excluded,
        auth,
        group: None,
        delivery: Delivery::default(),
        members,
    }
}

/// The first two routers in one group, with what only makes sense together.
fn join(routers: &mut [RouterPlan]) {
    let [first, second, ..] = routers else { return };
    for router in [&mut *first, &mut *second] {
        router.group = Some(0);
    }
    let nodes: Vec<usize> = first.members.iter().map(|member| member.node).collect();
    let common = |member: &Member| nodes.contains(&member.node);
    second.members.retain(common);
    let nodes: Vec<usize> = second.members.iter().map(|member| member.node).collect();
    first.members.retain(|member| nodes.contains(&member.node));
    for (ours, theirs) in first.members.iter().zip(&mut second.members) {
        theirs.priority = ours.priority;
        theirs.preempt = ours.preempt;
        theirs.preempt_delay = ours.preempt_delay;
        (theirs.release, theirs.notify) = (ours.release, ours.notify);
        theirs.resources = ours.resources.clone();
        theirs.tracks = ours.tracks.clone();
        theirs.watches = ours.watches.clone();
    }
}

fn member(random: &mut Random, node: usize, priority: u8, plan: &NodePlan) -> Member {
    let preempt = priority == 255 || random.chance(750);
    let lease = match random.below(8) {
        0 => Lease::Off,
        1 => Lease::Seconds(random.between(3, 6) as u32),
        _ => Lease::Auto,
    };
    let notify = random
        .chance(700)
        .then(|| random.pick(&[SECOND, 2 * SECOND, 4 * SECOND]));
    let mut releases = vec![Release::Overlap, Release::Overlap, Release::Immediate];
    let resources: Vec<At> = (0..random.pick(&[0, 0, 0, 0, 0, 1, 2, 3]))
        .map(|_| random.pick(&[0, 0, SECOND, 5 * SECOND]))
        .collect();
    if notify.is_some() || !resources.is_empty() {
        releases.push(Release::AfterHook);
    }
    Member {
        node,
        priority,
        advert: SECOND,
        preempt,
        preempt_delay: if preempt && priority < 255 && random.chance(250) {
            random.pick(&[SECOND, 3 * SECOND, 5 * SECOND])
        } else {
            0
        },
        startup_delay: random.pick(&[0, 0, 0, 2 * SECOND]),
        takeover_probe: 0,
        lease,
        release: random.pick(&releases),
        garp_delay: random.pick(&[0, SECOND, 5 * SECOND, 5 * SECOND]),
        garp_refresh: random.pick(&[0, 0, 0, 4 * SECOND]),
        notify,
        hook: HookPlan {
            settle: random.pick(&[0, 0, 0, 500 * MS, 3 * SECOND]),
            overtake: random.chance(300),
            again: random.chance(300),
            reconcile: random.pick(&[0, 0, 2 * SECOND, 10 * SECOND]),
        },
        resources,
        tracks: (0..plan.checks.len())
            .map(|check| {
                let weight = random.pick(&[0, 0, 2, 2, -2, 60, -60, 253, -253]);
                // A check that must be good for the router to run is never
                // wanted bad, or nobody could run at rest.
                let reverse = if weight == 0 {
                    plan.checks[check].reverse
                } else {
                    random.chance(150)
                };
                (check, weight, reverse)
            })
            .collect(),
        watches: if random.chance(200) {
            let weight = random.pick(&[0, 0, 30, -30]);
            vec![(
                random.below(2) as usize,
                weight,
                weight != 0 && random.chance(200),
            )]
        } else {
            Vec::new()
        },
        needs: Vec::new(),
    }
}

fn interval(random: &mut Random, version: Version) -> At {
    match version {
        Version::V2 => random.pick(&[SECOND, SECOND, SECOND, 2 * SECOND]),
        Version::V3 => random.pick(&[10, 20, 50, 100, 100, 200, 500, 950, 1000, 1000, 2500]) * MS,
    }
}

fn addresses(
    random: &mut Random,
    family: Family,
    number: usize,
    interface: usize,
) -> Vec<(IpAddr, u8, usize)> {
    let count = random.pick(&[1, 1, 1, 2, 3]);
    let elsewhere = random.chance(200);
    (0..count)
        .map(|n| {
            let last = (200 + number * 3 + n) as u8;
            let carrier = if elsewhere && n > 0 {
                1 - interface
            } else {
                interface
            };
            match family {
                Family::Ipv4 => {
                    let address = Ipv4Addr::new(10, 0, carrier as u8, last);
                    (IpAddr::V4(address), random.pick(&[24, 32]), carrier)
                }
                Family::Ipv6 => {
                    // RFC 9568 section 5.2.9: the first address is link-local.
                    let prefix = if n == 0 { 0xfe80 } else { 0xfd00 };
                    let address = Ipv6Addr::new(prefix, 0, 0, 0, 0, 0, 0x5e, u16::from(last));
                    (IpAddr::V6(address), random.pick(&[64, 128]), carrier)
                }
            }
        })
        .collect()
}

fn weather(random: &mut Random) -> Weather {
    // A few kinds at a time: all at once would hide what each can do.
    let mut kinds = Kind::ALL.to_vec();
    random.shuffle(&mut kinds);
    kinds.truncate(random.pick(&[1, 2, 3, 5, 8, Kind::ALL.len()]));
    Weather {
        pause: random.pick(&[500 * MS, 2 * SECOND, 5 * SECOND]),
        kinds,
        trouble: random.pick(&[0, 50, 300]),
    }
}
