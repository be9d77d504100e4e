//! Nodes for the tests of the writers: an ordinary router with a weighted check
//! and a hook, driven to the moments worth looking at.

use std::boxed::Box;
use std::format;
use std::string::{String, ToString};

use super::View;
use crate::config::{self, Config, Limits, Source};
use crate::event::{
    Actions, CheckId, CheckResult, Event, Exit, HookId, InterfaceId, Link, LocalAddress, Outcome,
    RouterId,
};
use crate::node::Node;
use crate::protocol::Family;
use crate::supervise::Farewell;
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
            fifo: None,
            shared: None,
            workers: &[],
            waiting: &[],
            farewell: Farewell::Open,
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
    with("[node]\n", 2)
}

/// An OpenUDS node before its start.
pub fn new() -> Sample {
    with(ordinary(2, 101), 2)
}

/// One with this weight and priority, which has become Backup.
pub fn backup(weight: i16, priority: u8) -> Sample {
    let mut sample = with(ordinary(weight, priority), 2);
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
        duplicate: false,
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
    sample.on(
        5,
        Event::HookEnded(HookId::Notify(RouterId(0)), Exit::Code(1)),
    );
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
    sample.on(
        poll_ms + 12,
        Event::HookEnded(HookId::Notify(RouterId(0)), Exit::Code(0)),
    );
    sample.on(
        poll_ms + 12,
        Event::Packet(InterfaceId(0), Family::Ipv4, &[0x45]),
    );
    sample.now_ms = poll_ms + 900;
    sample
}

/// A service of two servers, at the start.
pub fn service() -> Sample {
    let mut sample = with(
        "[node]\nname = gw-a\n[service web]\nlisten = *:443\n\
         server = udst1 192.168.0.87\nserver = udst2 192.168.0.88:8443 weight 2 backup\n",
        1,
    );
    sample.on(0, Event::Start);
    sample
}

/// Two routers of one group, before the start, and without their interface.
pub fn grouped() -> Sample {
    let router = |name: &str, id: u8| {
        format!(
            "[vrrp {name}]\ninterface = eth0\nvirtual_router_id = {id}\naddress = 10.0.0.{id}\ngroup = gate\n"
        )
    };
    with(
        Box::leak((router("in", 1) + &router("out", 2)).into_boxed_str()),
        1,
    )
}

/// The seed says how early the second run of each check is.
fn with(text: &'static str, seed: u64) -> Sample {
    let config = Box::leak(Box::new(Config::EMPTY));
    let source = Source {
        file: "smena.ini",
        text: text.as_bytes(),
        others_can_read: false,
    };
    let mut said = String::new();
    let outcome = config::parse(&source, &Limits::BOARD, config, &mut |diagnostic| {
        said += &diagnostic.to_string();
    });
    assert_eq!(outcome.errors, 0, "{said}");
    let node = Node::new(config, Instant::from_millis(0), seed);
    Sample { node, now_ms: 0 }
}

/// The OpenUDS pair's file.
fn ordinary(weight: i16, priority: u8) -> &'static str {
    Box::leak(
        format!(
            "\
[node]
name = gw-a
[vrrp VI_01]
interface = eth0
virtual_router_id = 51
priority = {priority}
address = 192.168.0.49/24
address = 10.0.0.49
track = haproxy weight {weight}
notify = /etc/smena/role.sh
[check haproxy]
process = haproxy
interval = 2s
"
        )
        .into_boxed_str(),
    )
}
