//! A box of the lab and the keepers on it: smena or keepalived, with their
//! files, logs and signals.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::json::Json;
use super::lan::Switch;
use super::machine::Machine;
use super::{eventually, sys};

/// The binary under test.
pub const SMENA: &str = env!("CARGO_BIN_EXE_smena");

/// A box with a network card `eth0` on the switch.
pub struct Node {
    machine: Machine,
    folder: PathBuf,
}

impl Node {
    pub(super) fn new(name: &str, folder: &Path) -> Node {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).expect("the lab's folder is writable");
        Node {
            machine: Machine::new_box(name).expect("namespaces for a box"),
            folder,
        }
    }

    /// Its namespaces.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Its name, and so its host name.
    pub fn name(&self) -> &str {
        self.machine.name()
    }

    /// The folder of its files; only root can write to it and above it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lays a cable from the switch to a new card.
    pub fn plug(&self, switch: &mut Switch, card: &str, addresses: &[&str]) {
        switch.cable(&self.machine, card, addresses);
    }

    /// Writes a file into its folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        let folder = path.parent().expect("below the box's folder");
        fs::create_dir_all(folder).expect("the lab's folder is writable");
        fs::write(&path, text).expect("the lab's folder is writable");
        path
    }

    /// Writes an executable shell script into its folder.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name, &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("own file");
        path
    }

    /// What a file of its folder has in it; empty when there is none.
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// Starts `smena run` with this configuration.
    pub fn smena(&self, ini: &str) -> Daemon {
        let command = self.smena_command(ini);
        self.logged("smena", command)
    }

    /// `smena run` with this configuration, to be started by the caller.
    pub fn smena_command(&self, ini: &str) -> Command {
        let path = self.file("smena.ini", ini);
        let mut command = Command::new(SMENA);
        command.args(["run", "-c"]).arg(path);
        command
    }

    /// Starts keepalived with this configuration.
    pub fn keepalived(&self, conf: &str) -> Daemon {
        let command = self.keepalived_command(conf);
        self.logged("keepalived", command)
    }

    /// keepalived with this configuration, to be started by the caller.
    pub fn keepalived_command(&self, conf: &str) -> Command {
        let path = self.file("keepalived.conf", conf);
        let mut command = Command::new("/usr/sbin/keepalived");
        command.args(["-n", "-P", "-l", "-D", "-f"]).arg(path);
        // A file of an earlier run that was killed would only make it hesitate.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        command
            .arg("-p")
            .arg(format!("/run/keepalived-{number}.pid"));
        command
            .arg("-r")
            .arg(format!("/run/keepalived-vrrp-{number}.pid"));
        command
    }

    /// Starts any program with its output in a file of the box's folder.
    pub fn daemon(&self, name: &str, program: &str, words: &[&str]) -> Daemon {
        let mut command = Command::new(program);
        command.args(words);
        self.logged(name, command)
    }

    fn logged(&self, name: &str, mut command: Command) -> Daemon {
        let log = self.folder.join(format!("{name}.log"));
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the lab's folder is writable");
        command.stdin(Stdio::null());
        command.stdout(file.try_clone().expect("a descriptor"));
        command.stderr(file);
        self.start(command, log)
    }

    /// Starts a prepared command as a daemon of the box.
    pub fn start(&self, command: Command, log: PathBuf) -> Daemon {
        let started = Instant::now();
        let child = self.machine.spawn(command).expect("the program starts");
        Daemon {
            child,
            log,
            started,
        }
    }

    /// Runs smena with these words to its end.
    pub fn command(&self, words: &[&str]) -> Output {
        let mut command = Command::new(SMENA);
        command.args(words);
        self.machine.output(command).expect("smena starts")
    }

    /// Exit code and JSON of `smena status --json`; `Json::Null` when it printed
    /// none.
    pub fn status(&self) -> (Option<i32>, Json) {
        let ini = self.folder.join("smena.ini");
        let ini = ini.to_str().expect("ASCII path");
        let output = self.command(&["status", "-c", ini, "--json"]);
        let text = String::from_utf8(output.stdout).expect("UTF-8 on stdout");
        let json = if text.is_empty() {
            Json::Null
        } else {
            Json::read(&text).unwrap_or_else(|e| panic!("not JSON: {e}\n{text}"))
        };
        (output.status.code(), json)
    }

    /// The status of one router.
    pub fn router(&self, name: &str) -> Json {
        self.status().1["vrrp"].named("name", name).clone()
    }

    /// The state of one router, or "".
    pub fn state(&self, name: &str) -> String {
        self.router(name)["state"].text().to_owned()
    }

    /// The codes of what was found wrong around a router, with the peer of each.
    pub fn diagnoses(&self, name: &str) -> Vec<(String, String)> {
        let router = self.router(name);
        let found = router["diagnoses"].list().iter();
        found
            .map(|d| (d["code"].text().to_owned(), d["peer"].text().to_owned()))
            .collect()
    }

    /// Waits until a router has this diagnosis of this peer.
    #[track_caller]
    pub fn wait_diagnosis(&self, router: &str, code: &str, peer: &str, limit: Duration) {
        let wanted = (code.to_owned(), peer.to_owned());
        eventually(limit, &format!("{code} of {peer} is diagnosed"), || {
            self.diagnoses(router).contains(&wanted)
        });
    }

    /// Waits until a router is in a state.
    pub fn wait_state(&self, router: &str, state: &str, limit: Duration) {
        eventually(
            limit,
            &format!("{router} on {} is {state}", self.name()),
            || self.state(router) == state,
        );
    }

    /// Whether the kernel has an address on a card.
    pub fn has(&self, card: &str, address: &str) -> bool {
        self.machine
            .ip(&format!("-o address show dev {card}"))
            .split_whitespace()
            .any(|word| word == address)
    }
}

/// A running program of a box; killed when dropped.
pub struct Daemon {
    child: Child,
    log: PathBuf,
    started: Instant,
}

impl Daemon {
    /// Its process id as the host sees it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// It and its children, grandchildren left out: keepalived works in a child.
    pub fn pids(&self) -> Vec<u32> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let mut pids = vec![pid];
        pids.extend(
            children
                .unwrap_or_default()
                .split_whitespace()
                .filter_map(|word| word.parse::<u32>().ok()),
        );
        pids
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        sys::kill(self.pid(), signal).expect("the process is there");
    }

    /// Sends a signal to it and its children at once, as a fault would.
    pub fn signal_all(&self, signal: i32) {
        for pid in self.pids().into_iter().rev() {
            let _ = sys::kill(pid, signal);
        }
    }

    /// Its end, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("own child")
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                Instant::now() < until,
                "process {} still runs after {limit:?}\n{}",
                self.pid(),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has written something.
    pub fn wait_log(&self, part: &str, limit: Duration) {
        eventually(limit, &format!("the log says {part:?}"), || {
            self.log().contains(part)
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal_all(sys::SIGKILL);
            let _ = self.child.wait();
        }
    }
}
