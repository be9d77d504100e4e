//! The harness: boxes with keepers on a switch, a client, a watch on the
//! kernels' addresses and a capture, built of real network namespaces with
//! nothing but std.
//!
//! A scenario runs in a thread of its own against a wall-clock limit. All it
//! makes hangs on threads and descriptors of this process: when a scenario ends,
//! fails or is given up, and even when the whole run is killed, the kernel takes
//! everything away.
#![allow(dead_code)]

pub mod advert;
pub mod capture;
pub mod client;
pub mod frr;
pub mod json;
pub mod lan;
pub mod machine;
pub mod node;
pub mod streams;
pub mod sys;
pub mod watch;

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use capture::Capture;
use client::Client;
use lan::Switch;
use machine::Machine;
use node::Node;
use watch::Watch;

/// Where scenarios keep their files: nobody but root can write there or above,
/// as hooks ask for.
const FOLDERS: &str = "/var/lib";
const FOLDER_PREFIX: &str = "smena-lab-";

/// How a scenario gets on with others at the same time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It waits for order, not for milliseconds.
    Shared,
    /// It needs the machine for itself.
    Alone,
}

static ALONE: RwLock<()> = RwLock::new(());

/// Runs a scenario: a lab is built for it, the body drives it, and at the end
/// tshark judges what smena sent. Without root or one of the tools in `needs`
/// it is skipped, which `SMENA_LAB=required` makes a failure.
pub fn scenario<F>(needs: &[&str], pace: Pace, limit: Duration, body: F)
where
    F: FnOnce(&mut Lab) + Send + 'static,
{
    let name = name_of::<F>();
    if let Some(reason) = missing(needs) {
        return skip(&name, &reason);
    }
    let (_shared, _alone);
    match pace {
        Pace::Shared => _shared = ALONE.read().unwrap_or_else(PoisonError::into_inner),
        Pace::Alone => _alone = ALONE.write().unwrap_or_else(PoisonError::into_inner),
    }
    let began = Instant::now();
    let (done, end) = channel();
    let folder = new_folder();
    let thread = {
        let (name, folder) = (name.clone(), folder.clone());
        std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                let mut lab = Lab::new(folder);
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    body(&mut lab);
                    lab.judge();
                }));
                if outcome.is_err() {
                    lab.tell(&name);
                }
                drop(lab);
                let _ = done.send(());
                if let Err(panic) = outcome {
                    resume_unwind(panic);
                }
            })
            .expect("a thread for the scenario")
    };
    let ended = end.recv_timeout(limit);
    println!("{name} took {} ms", began.elapsed().as_millis());
    if ended == Err(RecvTimeoutError::Timeout) {
        tell_logs(&folder);
    }
    let _ = fs::remove_dir_all(&folder);
    if ended == Err(RecvTimeoutError::Timeout) {
        // The thread is given up. Its boxes die with this process at the latest.
        panic!("{name} is over its limit of {limit:?}");
    }
    if let Err(panic) = thread.join() {
        resume_unwind(panic);
    }
}

/// The test's name: that of its thread, or, where tests share the main thread,
/// what the type's name of a closure in it says.
fn name_of<F>() -> String {
    if let Some(name) = std::thread::current().name()
        && name.contains("::")
    {
        return name.to_owned();
    }
    let full = std::any::type_name::<F>();
    let test = full.split("::{{closure}}").next().unwrap_or(full);
    match test.split_once("::") {
        Some((_, path)) => path.to_owned(),
        None => test.to_owned(),
    }
}

/// Why this machine cannot run scenarios that need these tools.
fn missing(needs: &[&str]) -> Option<String> {
    if !sys::is_root() {
        return Some("needs root".to_owned());
    }
    for tool in ["ip"].iter().chain(needs) {
        if !has_tool(tool) {
            return Some(format!("needs {tool}"));
        }
    }
    None
}

/// Whether a program is in one of the folders where programs are.
pub fn has_tool(tool: &str) -> bool {
    [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ]
    .iter()
    .any(|folder| Path::new(folder).join(tool).exists())
}

/// Reports a test that did not run: one line that the test harness cannot
/// capture.
pub fn skip(name: &str, reason: &str) {
    assert!(
        std::env::var("SMENA_LAB").as_deref() != Ok("required"),
        "{name} was skipped, and SMENA_LAB=required: {reason}"
    );
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "\nSKIPPED {name}: {reason}");
}

/// A fresh folder for one scenario; those of runs that are dead go.
pub fn new_folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    for entry in fs::read_dir(FOLDERS).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name
            .strip_prefix(FOLDER_PREFIX)
            .and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = format!("{FOLDERS}/{FOLDER_PREFIX}{}-{number}", std::process::id());
    fs::create_dir(&folder).expect("root may write there");
    PathBuf::from(folder)
}

/// Waits for a condition, asking often, and panics when it does not come true.
#[track_caller]
pub fn eventually(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < until, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Holds a condition for a while, asking often, and panics when it breaks.
#[track_caller]
pub fn always(length: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + length;
    while Instant::now() < until {
        assert!(condition(), "no longer so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One switch, its cables, and who watches them.
pub struct Lab {
    /// The switch.
    pub switch: Switch,
    /// Who has which address.
    pub watch: Watch,
    /// What passed the switch.
    pub capture: Capture,
    /// The beginning of the scenario.
    pub started: Instant,
    client: Option<Machine>,
    judged: Mutex<Vec<String>>,
    folder: PathBuf,
}

impl Lab {
    /// An empty lab with its files in a folder.
    pub fn new(folder: PathBuf) -> Lab {
        let switch = Switch::new().expect("namespaces for the switch");
        let capture = Capture::start(&switch).expect("a packet socket");
        Lab {
            switch,
            watch: Watch::default(),
            capture,
            started: Instant::now(),
            client: None,
            judged: Mutex::default(),
            folder,
        }
    }

    /// A box with these addresses on `eth0`.
    pub fn node(&mut self, name: &str, addresses: &[&str]) -> Node {
        let node = Node::new(name, &self.folder);
        self.watch.add(node.machine()).expect("a netlink socket");
        node.plug(&mut self.switch, "eth0", addresses);
        node
    }

    /// A box without a network card.
    pub fn bare_node(&mut self, name: &str) -> Node {
        let node = Node::new(name, &self.folder);
        self.watch.add(node.machine()).expect("a netlink socket");
        node
    }

    /// The machine where clients run: 10.0.0.100 and fd00::100.
    pub fn client_machine(&mut self) -> &Machine {
        if self.client.is_none() {
            let machine = Machine::network("client").expect("namespaces for the client");
            self.switch
                .cable_to_network(&machine, "eth0", &["10.0.0.100/24", "fd00::100/64"]);
            self.client = Some(machine);
        }
        self.client.as_ref().expect("just made")
    }

    /// Starts asking for an address every millisecond.
    pub fn client(&mut self, address: IpAddr) -> Client {
        Client::start(self.client_machine(), address).expect("a raw socket")
    }

    /// From here on, what this box sends is judged by tshark at the end.
    pub fn judge_later(&self, node: &Node) {
        let mut judged = self.judged.lock().expect("one thread");
        judged.push(node.name().to_owned());
    }

    fn judge(&self) {
        let judged = self.judged.lock().expect("one thread");
        let names: Vec<&str> = judged.iter().map(String::as_str).collect();
        if names.is_empty() || !has_tool("tshark") {
            return;
        }
        let (complaints, count) = self
            .capture
            .judge(&names, &self.folder)
            .expect("tshark reads what we wrote");
        assert!(count > 0, "{names:?} sent nothing that could be judged");
        assert!(
            complaints.is_empty(),
            "tshark does not agree with {} of {count} frames:\n{}",
            complaints.len(),
            complaints.join("\n")
        );
    }

    /// Tells what happened, for the report of a failure.
    fn tell(&self, name: &str) {
        println!("--- {name}: addresses\n{}", self.watch.story(self.started));
        tell_logs(&self.folder);
    }
}

fn tell_logs(folder: &Path) {
    for node in fs::read_dir(folder).into_iter().flatten().flatten() {
        for file in fs::read_dir(node.path()).into_iter().flatten().flatten() {
            let path = file.path();
            if path.extension().is_some_and(|e| e == "log") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                println!("--- {}\n{text}", path.display());
            }
        }
    }
}

/// Runs a program on the host, without the lab, to its end.
pub fn host_command(program: &str, words: &[&str]) -> std::process::Output {
    Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"))
}
