//! The same work for both programs: configurations, and a pair of nodes.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::harness::node::{Daemon, Node};
use crate::harness::{Lab, new_folder};

/// The address that a pair keeps.
pub const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 49));

/// Who does the work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Smena,
    Keepalived,
}

/// Both, in the order of a round.
pub const BOTH: [Program; 2] = [Program::Smena, Program::Keepalived];

/// What a node is to do.
#[derive(Clone, Copy)]
pub struct Work {
    pub version: u8,
    /// Milliseconds.
    pub interval: u64,
    pub priority: u8,
    /// Virtual routers; the first one keeps [`VIP`].
    pub routers: u8,
    /// Whether the first router follows a check of a process.
    pub check: bool,
    /// keepalived is told to run in real time, which smena does by itself.
    pub realtime: bool,
    /// What is sent to port 9000 of a node is forwarded to its port 9001, by as
    /// many workers as there are cores; only smena does that.
    pub forwards: bool,
}

impl Work {
    /// One router without a check.
    pub const fn simple(version: u8, interval: u64) -> Work {
        Work {
            version,
            interval,
            priority: 101,
            routers: 1,
            check: false,
            realtime: false,
            forwards: false,
        }
    }

    /// The protocol's own time for a backup of this priority to notice that the
    /// master is gone: three intervals and a skew.
    pub fn down_interval(&self, priority: u8) -> f64 {
        let interval = self.interval as f64;
        3.0 * interval + interval * f64::from(256 - u16::from(priority)) / 256.0
    }

    fn address(router: u8) -> String {
        match router {
            1 => VIP.to_string(),
            n => format!("10.0.1.{n}"),
        }
    }

    fn ini(&self) -> String {
        let mut text = String::new();
        for router in 1..=self.routers {
            text += &format!(
                "[vrrp R{router}]\ninterface = eth0\nvirtual_router_id = {router}\n\
                 version = {}\npriority = {}\nadvert_int = {}ms\naddress = {}\n",
                self.version,
                self.priority,
                self.interval,
                Work::address(router),
            );
            if self.check && router == 1 {
                text += "track = sleeping weight 2\n";
            }
        }
        if self.check {
            text += "[check sleeping]\nprocess = sleep\ninterval = 2s\n";
        }
        if self.forwards {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            text += &format!(
                "[node]\nworkers = {cores}\n[service bulk]\nlisten = *:9000\n\
                 server = s1 127.0.0.1:9001\ncheck = none\n"
            );
        }
        text
    }

    fn conf(&self) -> String {
        let mut text = String::new();
        if self.realtime {
            text += "global_defs {\n vrrp_rt_priority 10\n}\n";
        }
        if self.check {
            text += "vrrp_script sleeping {\n script \"/usr/bin/killall -0 sleep\"\n interval 2\n weight 2\n}\n";
        }
        for router in 1..=self.routers {
            let seconds = self.interval as f64 / 1000.0;
            let state = if self.priority == 255 {
                "MASTER"
            } else {
                "BACKUP"
            };
            text += &format!(
                "vrrp_instance R{router} {{\n state {state}\n interface eth0\n \
                 virtual_router_id {router}\n version {}\n priority {}\n advert_int {seconds}\n \
                 virtual_ipaddress {{\n {}\n }}\n",
                self.version,
                self.priority,
                Work::address(router),
            );
            if self.check && router == 1 {
                text += " track_script {\n sleeping\n }\n";
            }
            text += "}\n";
        }
        text
    }

    /// Starts a program on a node with this work.
    pub fn start(&self, program: Program, node: &Node) -> Daemon {
        match program {
            Program::Smena => node.smena(&self.ini()),
            Program::Keepalived => node.keepalived(&self.conf()),
        }
    }

    /// The command line that [`Work::start`] would run, for who wants its output.
    pub fn command(&self, program: Program, node: &Node) -> std::process::Command {
        match program {
            Program::Smena => node.smena_command(&self.ini()),
            Program::Keepalived => node.keepalived_command(&self.conf()),
        }
    }
}

/// A lab with two nodes that run one program.
pub struct Pair {
    pub keeper_a: Option<Daemon>,
    pub keeper_b: Option<Daemon>,
    pub a: Node,
    pub b: Node,
    pub lab: Lab,
    pub program: Program,
    pub work: Work,
}

impl Pair {
    /// Starts both nodes, `a` with the higher priority, and waits until it has
    /// the address.
    pub fn start(program: Program, work: Work) -> Pair {
        let mut lab = Lab::new(new_folder());
        let a = lab.node("a", &["10.0.0.1/24"]);
        let b = lab.node("b", &["10.0.0.2/24"]);
        let mut pair = Pair {
            lab,
            a,
            b,
            program,
            work,
            keeper_a: None,
            keeper_b: None,
        };
        pair.start_a();
        let lower = Work {
            priority: work.priority - 1,
            ..work
        };
        pair.keeper_b = Some(lower.start(program, &pair.b));
        pair.settle();
        pair
    }

    /// Starts the first node's program again.
    pub fn start_a(&mut self) {
        self.keeper_a = Some(self.work.start(self.program, &self.a));
    }

    /// Waits until only `a` has the address, and a little longer.
    pub fn settle(&self) {
        self.wait_for(&["a"]);
        std::thread::sleep(Duration::from_millis(300 + 2 * self.work.interval));
    }

    /// Waits until exactly these nodes have the address.
    pub fn wait_for(&self, owners: &[&str]) {
        let limit = Duration::from_secs(20);
        assert!(
            self.lab.watch.wait_for(VIP, owners, limit),
            "{owners:?} have the address\n{}",
            self.lab.watch.story(self.lab.started)
        );
    }
}
