//! How the adverts of a virtual router travel: to the group or from peer to
//! peer, signed or not. And the second opinion on a signed one: has the receiver
//! heard it, or something later, before, and is it of its time?

use std::collections::HashMap;
use std::fmt::Write;

use smena::config::AuthMode;
use smena::protocol::Version;

use super::bytes;
use super::clock::{At, SECOND};
use super::host::{Frame, Host};
use super::plan::{Plan, RouterPlan};
use super::random::Random;

/// What every wall clock showed when the world began, in seconds since 1970.
const BEGAN: i64 = 1_800_000_000;

/// How the adverts of a virtual router travel.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    pub unicast: bool,
    /// For each node, how far signatures and a new key have come, 0..=6; nodes
    /// are at most one step apart. Empty: none has a key.
    pub steps: Vec<usize>,
    /// `auth_replay = monotonic`, and clocks that begin anew with each boot.
    pub clockless: bool,
}

const OLD: &str = "auth_hmac = 1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
const NEW: &str = "auth_hmac = 2:Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=\n";
/// From no key at all to the second one.
const STEPS: [(&[&str], &str); 7] = [
    (&[], ""),
    (&[OLD], "auth_mode = receive-only\n"),
    (&[OLD], "auth_mode = permissive\n"),
    (&[OLD], ""),
    (&[OLD, NEW], ""),
    (&[NEW, OLD], ""),
    (&[NEW], ""),
];

impl Delivery {
    /// What a seed makes of it, for a router of this version.
    pub fn of(random: &mut Random, version: Version, nodes: usize) -> Delivery {
        let signed = version == Version::V3 && random.chance(400);
        let first = random.below(STEPS.len() as u64 - 1) as usize;
        Delivery {
            unicast: random.chance(300),
            steps: (0..if signed { nodes } else { 0 })
                .map(|_| first + random.below(2) as usize)
                .collect(),
            clockless: random.chance(300),
        }
    }

    /// The lines of one node's section.
    pub fn write(&self, plan: &Plan, router: &RouterPlan, node: usize, out: &mut String) {
        let address = |node: usize| {
            let own = plan.own_addresses(node, router.interface);
            own[usize::from(router.family == smena::protocol::Family::Ipv6)].0
        };
        if self.unicast && router.members.len() > 1 {
            writeln!(out, "unicast_src_ip = {}", address(node)).expect("a string");
            for member in router.members.iter().filter(|member| member.node != node) {
                writeln!(out, "unicast_peer = {}", address(member.node)).expect("a string");
            }
        }
        if let Some(step) = self.steps.get(node) {
            let (keys, mode) = STEPS[*step];
            keys.iter().for_each(|key| out.push_str(key));
            out.push_str(mode);
            if self.clockless && !keys.is_empty() {
                out.push_str("auth_replay = monotonic\n");
            }
        }
    }
}

/// What a machine's wall clock is about.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    /// How many microseconds it is off the right time.
    pub off: i64,
    /// When the machine booted: a clock without a battery begins there.
    pub booted_at: At,
    pub battery: bool,
}

impl WallClock {
    pub const RIGHT: WallClock = WallClock {
        off: 0,
        booted_at: 0,
        battery: true,
    };

    /// What it shows, in microseconds since 1970.
    pub fn shows(&self, now: At) -> i64 {
        match self.battery {
            true => BEGAN * SECOND as i64 + now as i64 + self.off,
            false => (now - self.booted_at) as i64,
        }
    }
}

/// The stamps that each process has accepted: by node, its incarnation, router
/// and source.
#[derive(Default)]
pub struct Heard(HashMap<(usize, u32, usize, u128), u64>);

impl Heard {
    /// Whether a process may act on what is in a frame.
    pub fn admits(&self, node: usize, host: &Host<'_>, now: At, frame: &Frame) -> bool {
        let Some((router, said)) = frame.said else {
            return true;
        };
        let Some(stamp) = bytes::stamp(frame.family, &frame.bytes) else {
            return true;
        };
        let mut routers = host.config.routers.iter();
        let name = super::ini::name(router);
        let Some(config) = routers.find(|config| config.name == name) else {
            return true;
        };
        let window = config.advert_int.total_micros() * 3;
        let window = window.div_ceil(SECOND).max(5);
        let shown = host.wall.shows(now).div_euclid(SECOND as i64);
        let away = shown.abs_diff((stamp >> 32) as i64);
        if away > window && !config.auth_monotonic && !config.keys.is_empty() {
            return false;
        }
        let lenient = config.auth_monotonic && config.auth_mode != AuthMode::Enforce;
        let last = self.0.get(&(node, host.incarnation, router, said.source));
        lenient || last.is_none_or(|last| stamp > *last)
    }

    /// The process has accepted it.
    pub fn note(&mut self, node: usize, incarnation: u32, frame: &Frame) {
        let stamp = bytes::stamp(frame.family, &frame.bytes);
        if let (Some((router, said)), Some(stamp)) = (frame.said, stamp) {
            let key = (node, incarnation, router, said.source);
            self.0.insert(key, stamp);
        }
    }
}
