//! The contenders: how each is told to do the same work, started, watched and
//! stopped. They all run at the same time, each on ports of its own, so that
//! one can be measured right after the other; at rest they cost nothing.

use std::fs;
use std::io::Write;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::network::{DIRECT, GATEWAY, Network, SERVERS};
use super::{server, sys};
use crate::harness::node::SMENA;
use crate::harness::{eventually, has_tool, sys as lab};

/// Who forwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// This project's, with so many workers.
    Smena(u8),
    /// With so many threads, and with `option splice-auto`.
    Haproxy(u8, bool),
    /// Its stream module, with so many workers.
    Nginx(u8),
    /// The kernel, by destination NAT.
    Nft,
    /// Nobody: the client is cabled to the server.
    Direct,
}

/// What all are compared with.
pub const REFERENCE: Kind = Kind::Haproxy(1, false);

/// All, in the order of a round.
pub const ALL: [Kind; 10] = [
    REFERENCE,
    Kind::Smena(1),
    Kind::Haproxy(1, true),
    Kind::Nginx(1),
    Kind::Smena(2),
    Kind::Haproxy(2, false),
    Kind::Haproxy(2, true),
    Kind::Nginx(2),
    Kind::Nft,
    Kind::Direct,
];

impl Kind {
    /// What the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Smena(1) => "smena-1w",
            Kind::Smena(_) => "smena-2w",
            Kind::Haproxy(1, false) => "haproxy-1t",
            Kind::Haproxy(1, true) => "haproxy-1t-splice",
            Kind::Haproxy(_, false) => "haproxy-2t",
            Kind::Haproxy(_, true) => "haproxy-2t-splice",
            Kind::Nginx(1) => "nginx-1w",
            Kind::Nginx(_) => "nginx-2w",
            Kind::Nft => "nft",
            Kind::Direct => "direct",
        }
    }

    /// Whether it is a process that can be measured as one.
    pub fn is_process(self) -> bool {
        !matches!(self, Kind::Nft | Kind::Direct)
    }

    /// Whether it carries datagrams.
    pub fn has_datagrams(self) -> bool {
        !matches!(self, Kind::Haproxy(..))
    }

    /// Whether it is one thread, which then gets a processor of its own; all
    /// others share the machine with the generator.
    pub fn is_alone(self) -> bool {
        matches!(self, Kind::Smena(1) | Kind::Haproxy(1, _) | Kind::Nginx(1))
    }

    /// Why it can't be measured here.
    pub fn missing(self) -> Option<&'static str> {
        const STREAM: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
        match self {
            Kind::Haproxy(..) if !has_tool("haproxy") => Some("haproxy is not installed"),
            Kind::Nginx(_) if !has_tool("nginx") => Some("nginx is not installed"),
            Kind::Nginx(_) if fs::metadata(STREAM).is_err() => {
                Some("nginx's stream module (libnginx-mod-stream) is not installed")
            }
            Kind::Nft if !has_tool("nft") => Some("nft is not installed"),
            _ => None,
        }
    }

    /// The first of its ports: those of the server, moved. The rules change
    /// addresses only.
    fn base(self, shift: u16) -> u16 {
        if self == Kind::Nft {
            return server::ECHO;
        }
        let place = ALL.iter().position(|kind| *kind == self);
        2000 + 10 * place.expect("all are in the list") as u16 + shift
    }

    fn pairs(self, shift: u16) -> Pairs {
        let base = self.base(shift);
        [server::ECHO, server::SINK, server::SOURCE].map(|port| (base + port - server::ECHO, port))
    }

    /// The command that runs it in the foreground.
    pub fn command(self, folder: &Path, shift: u16, room: usize) -> Command {
        let pairs = self.pairs(shift);
        let file = |suffix: &str| folder.join(format!("{}-{shift}.{suffix}", self.name()));
        match self {
            Kind::Smena(workers) => {
                let text = smena(workers, &pairs, room, &file("sock"));
                run_smena(write(file("ini"), &text))
            }
            Kind::Haproxy(threads, splice) => {
                let text = haproxy(threads, splice, &pairs, room);
                let mut command = Command::new("haproxy");
                command.args(["-db", "-f"]).arg(write(file("cfg"), &text));
                command
            }
            Kind::Nginx(workers) => {
                let text = nginx(workers, &pairs, room, &file("pid"));
                let mut command = Command::new("nginx");
                command.arg("-e").arg(file("err"));
                command.arg("-c").arg(write(file("conf"), &text));
                command
            }
            Kind::Nft | Kind::Direct => unreachable!("no process"),
        }
    }
}

fn run_smena(file: PathBuf) -> Command {
    let mut command = Command::new(SMENA);
    command.args(["run", "-c"]).arg(file);
    command
}

fn write(path: PathBuf, text: &str) -> PathBuf {
    fs::write(&path, text).expect("the benchmark's folder is writable");
    path
}

/// Listening ports and the servers' ports.
type Pairs = [(u16, u16); 3];

fn smena(workers: u8, pairs: &Pairs, room: usize, control: &Path) -> String {
    let mut text = format!(
        "[node]\nname = bench\nworkers = {workers}\nlog = warn\ncontrol = {}\n",
        control.display()
    );
    let mut service = |name: String, listen: String, more: &str, port: u16| {
        text +=
            &format!("[service {name}]\nlisten = {listen}\ncheck = none\nmaxconn = {room}\n{more}");
        for (index, server) in SERVERS.into_iter().enumerate() {
            text += &format!("server = s{index} {server}:{port}\n");
        }
    };
    let patient = "timeout_client = 1h\ntimeout_server = 1h\n";
    for (listen, port) in *pairs {
        service(
            format!("p{listen}"),
            format!("{GATEWAY}:{listen}"),
            patient,
            port,
        );
    }
    let (listen, port) = pairs[0];
    service(
        format!("u{listen}"),
        format!("udp {GATEWAY}:{listen}"),
        "",
        port,
    );
    text
}

fn haproxy(threads: u8, splice: bool, pairs: &Pairs, room: usize) -> String {
    let (global, defaults) = match splice {
        true => ("maxpipes 64", "option splice-auto"),
        false => ("nosplice", ""),
    };
    let mut text = format!(
        "global\n nbthread {threads}\n maxconn {room}\n {global}\ndefaults\n mode tcp\n \
         timeout connect 5s\n timeout client 1h\n timeout server 1h\n {defaults}\n"
    );
    for (listen, port) in *pairs {
        text += &format!("listen p{listen}\n bind {GATEWAY}:{listen}\n balance roundrobin\n");
        for (index, server) in SERVERS.into_iter().enumerate() {
            text += &format!(" server s{index} {server}:{port}\n");
        }
    }
    text
}

fn nginx(workers: u8, pairs: &Pairs, room: usize, pid: &Path) -> String {
    let mut text = format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\ndaemon off;\n\
         worker_processes {workers};\npid {};\nerror_log /dev/null;\n\
         events {{ worker_connections {}; }}\nstream {{\n",
        pid.display(),
        2 * room + 64
    );
    for (listen, port) in *pairs {
        text += &format!(" upstream p{listen} {{");
        for server in SERVERS {
            text += &format!(" server {server}:{port};");
        }
        text += &format!(
            " }}\n server {{ listen {GATEWAY}:{listen} backlog=4096 reuseport; \
             proxy_pass p{listen}; proxy_timeout 1h; tcp_nodelay on; }}\n"
        );
    }
    let (listen, _) = pairs[0];
    text += &format!(
        " server {{ listen {GATEWAY}:{listen} udp reuseport; proxy_pass p{listen}; \
         proxy_timeout 1h; }}\n"
    );
    text + "}\n"
}

/// One that runs; stopped when dropped.
pub struct Contender {
    pub kind: Kind,
    shift: u16,
    child: Option<Child>,
}

impl Contender {
    /// Starts it and waits until it accepts.
    pub fn start(kind: Kind, network: &Network, folder: &Path, room: usize) -> Self {
        if !kind.is_process() {
            return Contender {
                kind,
                shift: 0,
                child: None,
            };
        }
        let command = kind.command(folder, 0, room);
        Contender::run(kind, 0, command, network, folder)
    }

    /// smena with two workers and a router beside them, on ports of its own.
    pub fn start_router(router: &str, network: &Network, folder: &Path, room: usize) -> Self {
        let (kind, shift) = (Kind::Smena(2), 5);
        let pairs = kind.pairs(shift);
        let text = smena(2, &pairs, room, &folder.join("router.sock")) + router;
        let command = run_smena(write(folder.join("router.ini"), &text));
        Contender::run(kind, shift, command, network, folder)
    }

    fn run(
        kind: Kind,
        shift: u16,
        mut command: Command,
        network: &Network,
        folder: &Path,
    ) -> Contender {
        let log = folder.join(format!("{}-{shift}.log", kind.name()));
        let file = fs::File::create(&log).expect("the benchmark's folder is writable");
        command.stdin(Stdio::null());
        command.stdout(file.try_clone().expect("a descriptor"));
        command.stderr(file);
        let mut child = network.gateway.spawn(command).expect("it starts");
        std::thread::sleep(Duration::from_millis(100));
        if let Ok(Some(status)) = child.try_wait() {
            let said = fs::read_to_string(log).unwrap_or_default();
            panic!("{}: {status}\n{said}", kind.name());
        }
        let child = Some(child);
        let contender = Contender { kind, shift, child };
        server::wait_until_served(&network.client, contender.address(server::SOURCE));
        contender.place();
        contender
    }

    /// Where the client finds the port of the server behind it.
    pub fn address(&self, port: u16) -> SocketAddrV4 {
        address_of(self.kind, port, self.shift)
    }

    /// It and all of its descendants.
    pub fn pids(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = self.child.iter().map(Child::id).collect();
        let mut next = 0;
        while let Some(pid) = pids.get(next) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            let children = children.unwrap_or_default();
            pids.extend(
                children
                    .split_whitespace()
                    .filter_map(|w| w.parse::<u32>().ok()),
            );
            next += 1;
        }
        pids
    }

    /// Gives a single thread the last processor for itself.
    fn place(&self) {
        for thread in self.pids().into_iter().flat_map(threads) {
            let _ = sys::run_on(thread, forwarder_processors(self.kind));
        }
    }

    /// What it used of a processor until now, in seconds.
    pub fn busy(&self) -> f64 {
        self.pids().into_iter().map(busy).sum()
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        for pid in self.pids().into_iter().rev() {
            let _ = lab::kill(pid, lab::SIGKILL);
        }
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }
}

/// Where a contender's port is that stands before a port of the server.
pub fn address_of(kind: Kind, port: u16, shift: u16) -> SocketAddrV4 {
    match kind {
        Kind::Direct => SocketAddrV4::new(DIRECT, port),
        _ => SocketAddrV4::new(GATEWAY, kind.base(shift) + port - server::ECHO),
    }
}

fn processors() -> u64 {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    match count {
        0..64 => (1 << count) - 1,
        _ => u64::MAX,
    }
}

fn last_processor() -> u64 {
    1 << (63 - processors().leading_zeros())
}

/// The processors of a contender's threads.
pub fn forwarder_processors(kind: Kind) -> u64 {
    match kind.is_alone() {
        true => last_processor(),
        false => processors(),
    }
}

/// The processors of client and server beside a contender.
pub fn generator_processors(kind: Kind) -> u64 {
    match kind.is_alone() && processors() > 1 {
        true => processors() & !last_processor(),
        false => processors(),
    }
}

/// The threads of a process.
pub fn threads(pid: u32) -> Vec<u32> {
    let listed = fs::read_dir(format!("/proc/{pid}/task"));
    let names = listed
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name());
    names.filter_map(|n| n.to_str()?.parse().ok()).collect()
}

/// What a process used of a processor until now, in seconds.
pub fn busy(pid: u32) -> f64 {
    let spent = threads(pid).into_iter().map(|thread| {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat"));
        let text = text.unwrap_or_default();
        let first = text.split(' ').next().and_then(|w| w.parse::<f64>().ok());
        first.unwrap_or(0.0) / 1e9
    });
    spent.sum()
}

/// The rules of destination NAT are there while this is: they make the kernel
/// track all connections of the gateway, so others are measured without.
pub struct Rules<'a>(Option<&'a Network>);

impl Rules<'_> {
    /// Sets them where the contender needs them.
    pub fn of(kind: Kind, network: &Network) -> Rules<'_> {
        if kind != Kind::Nft {
            return Rules(None);
        }
        let [a, b] = SERVERS;
        let (first, last) = (server::ECHO, server::SOURCE);
        let text = format!(
            "table ip bench {{\n chain in {{\n  type nat hook prerouting priority dstnat;\n  \
             ip daddr {GATEWAY} meta l4proto {{ tcp, udp }} th dport {first}-{last} \
             dnat to numgen inc mod 2 map {{ 0 : {a}, 1 : {b} }}\n }}\n}}\n"
        );
        nft(network, &["-f", "-"], &text);
        let address = address_of(kind, server::ECHO, 0);
        eventually(Duration::from_secs(5), "the rules work", || {
            network
                .client
                .run(move || std::net::TcpStream::connect(address).is_ok())
        });
        Rules(Some(network))
    }
}

impl Drop for Rules<'_> {
    fn drop(&mut self) {
        if let Some(network) = self.0 {
            nft(network, &["delete", "table", "ip", "bench"], "");
        }
    }
}

fn nft(network: &Network, words: &[&str], text: &str) {
    let mut command = Command::new("nft");
    command.args(words).stdin(Stdio::piped());
    let mut child = network.gateway.spawn(command).expect("nft starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(text.as_bytes()).expect("nft reads");
    drop(input);
    assert!(child.wait().expect("own child").success(), "nft {words:?}");
}
