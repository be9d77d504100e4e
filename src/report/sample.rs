//! Nodes for the tests of the writers: an ordinary router with a weighted check
//! and a hook, driven to the moments worth looking at.

use std::boxed::Box;

use heapless::Vec;

use super::View;
use crate::config::{
    Address, Check, CheckKind, Config, Node as NodeSection, Release, Router, Track, Words,
};
use crate::event::{
    Actions, CheckId, CheckResult, Event, Exit, InterfaceId, Link, LocalAddress, Outcome, RouterId,
};
use crate::node::Node;
use crate::protocol::{Family, Version};
use crate::{Duration, Instant};

/// A node at a moment.
pub struct Sample {
    pub node: Node<'static>,
    now_ms: i64,
}

impl Sample {
    pub fn view(&self) -> View<'static> {
        View {
            now: Instant::from_millis(self.now_ms),
            uptime: Duration::from_millis(123_456),
            version: "0.1.0",
            host: "host-a",
            lag_last: Duration::from_micros(40),
            lag_max: Duration::from_micros(900),
        }
    }

    pub fn on(&mut self, at_ms: i64, event: Event<'_>) {
        self.now_ms = at_ms;
        let now = Instant::from_millis(at_ms);
        self.node.process(now, event, &mut Actions::new());
    }

    pub fn check_ends(&mut self, at_ms: i64, outcome: Outcome, detail: &str) {
        let result = CheckResult { outcome, detail };
        self.on(at_ms, Event::CheckEnded(CheckId(0), result));
    }
}

/// No router, no check, no name.
pub fn empty() -> Sample {
    with(config(None))
}

/// An OpenUDS node before its start.
pub fn new() -> Sample {
    with(ordinary(2, 101))
}

/// One with this weight and priority, which has become Backup.
pub fn backup(weight: i16, priority: u8) -> Sample {
    let mut sample = with(ordinary(weight, priority));
    let link = Link {
        index: 2,
        up: true,
        mac: [2, 0, 0, 0, 0, 1],
        mtu: 1500,
    };
    let own = LocalAddress {
        address: [192, 168, 0, 11].into(),
        prefix_len: 24,
        usable: true,
        secondary: false,
        ours: false,
    };
    let eth0 = InterfaceId(0);
    sample.on(0, Event::Link(eth0, Some(link)));
    sample.on(0, Event::AddressAdded(eth0, own));
    sample.on(0, Event::AddressesScanned(eth0));
    sample.on(0, Event::Start);
    sample
}

/// One that nobody contradicted: Master for 900 ms, its hook has run twice, its
/// check is up and says something odd, and one broken packet came in.
pub fn master() -> Sample {
    let mut sample = backup(2, 101);
    sample.check_ends(0, Outcome::Success, "-");
    sample.on(5, Event::HookEnded(RouterId(0), Exit::Code(1)));
    sample.on(2000, Event::Poll);
    sample.now_ms = 2000;
    let at = Instant::from_micros(2_000_140);
    let result = CheckResult {
        outcome: Outcome::Success,
        detail: "2 \"odd\\\u{1b}\" processes",
    };
    let ended = Event::CheckEnded(CheckId(0), result);
    sample.node.process(at, ended, &mut Actions::new());
    let (poll_at, _) = sample.node.poll_at();
    let poll_ms = poll_at.total_millis() + 1;
    sample.on(poll_ms, Event::Poll);
    sample.on(poll_ms + 12, Event::HookEnded(RouterId(0), Exit::Code(0)));
    sample.on(
        poll_ms + 12,
        Event::Packet(InterfaceId(0), Family::Ipv4, &[0x45]),
    );
    sample.now_ms = poll_ms + 900;
    sample
}

fn with(config: Config<'static>) -> Sample {
    let config = Box::leak(Box::new(config));
    let node = Node::new(config, Instant::from_millis(0), 1);
    Sample { node, now_ms: 0 }
}

fn config(name: Option<&'static str>) -> Config<'static> {
    Config {
        node: NodeSection {
            name,
            control: None,
            log: None,
            log_target: None,
            script_user: None,
        },
        routers: Vec::new(),
        checks: Vec::new(),
        sysctls: Vec::new(),
    }
}

fn ordinary(weight: i16, priority: u8) -> Config<'static> {
    let mut config = config(Some("gw-a"));
    let address = |octets: [u8; 4], prefix_len| Address {
        address: octets.into(),
        prefix_len,
        dev: None,
        label: None,
    };
    let mut router = Router {
        name: "VI_01",
        interface: "eth0",
        virtual_router_id: 51,
        version: Version::V2,
        family: Family::Ipv4,
        priority,
        advert_int: Duration::from_secs(1),
        addresses: Vec::new(),
        preempt: true,
        preempt_delay: Duration::ZERO,
        startup_delay: Duration::ZERO,
        auth_pass: None,
        garp_master_delay: Duration::from_secs(5),
        garp_master_repeat: 5,
        garp_master_refresh: Duration::ZERO,
        lease_s: 2,
        release: Release::Overlap,
        tracks: Vec::new(),
        notify: Some(Words("/etc/smena/role.sh")),
        notify_timeout: Duration::from_secs(300),
    };
    let track = Track {
        check: 0,
        weight,
        reverse: false,
    };
    let check = Check {
        name: "haproxy",
        kind: CheckKind::Process(Words("haproxy")),
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(2),
        rise: 1,
        fall: 1,
        weight: 0,
        reverse: false,
    };
    router
        .addresses
        .push(address([192, 168, 0, 49], 24))
        .unwrap();
    router.addresses.push(address([10, 0, 0, 49], 32)).unwrap();
    router.tracks.push(track).unwrap();
    config
        .routers
        .push(router)
        .unwrap_or_else(|_| panic!("room for a router"));
    config
        .checks
        .push(check)
        .unwrap_or_else(|_| panic!("room for a check"));
    config
}
