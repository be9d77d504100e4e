//! A machine of the lab: namespaces of its own, without a name, so that nothing
//! is left when its thread ends, however that comes.
//!
//! A machine is a thread that has left the host's namespaces. What must happen
//! there is sent to it as a closure: sockets opened by the thread stay in its
//! network for whoever uses them later, and processes forked by it are born in
//! its network, its mounts and its process ids. A box also has a process 1, to
//! which orphans fall; it is killed by the kernel when the thread ends, and all
//! others of the box with it, daemonised ones included.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::sys;

type Job = Box<dyn FnOnce() + Send>;

/// A set of namespaces and the thread that lives in them.
pub struct Machine {
    name: String,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    first: Option<Child>,
}

impl Machine {
    /// A machine that only has a network: a switch, a client.
    pub fn network(name: &str) -> io::Result<Machine> {
        Machine::start(name, || {
            sys::leave(sys::CLONE_NEWNET)?;
            Ok(None)
        })
    }

    /// A machine that also has its own processes, /proc, /run and host name.
    pub fn new_box(name: &str) -> io::Result<Machine> {
        let host = name.to_owned();
        Machine::start(name, move || {
            sys::leave(
                sys::CLONE_NEWNET | sys::CLONE_NEWNS | sys::CLONE_NEWUTS | sys::CLONE_NEWPID,
            )?;
            sys::mounts_private()?;
            sys::set_host_name(&host)?;
            sys::mount_virtual("tmpfs", "/run")?;
            let mut first = Command::new("sleep");
            first.arg("infinity").stdin(Stdio::null());
            // SAFETY: these calls are system calls and nothing else.
            unsafe {
                first.pre_exec(|| {
                    sys::never_wait();
                    sys::die_with_parent()?;
                    sys::mount_virtual("proc", "/proc")
                });
            }
            first.spawn().map(Some)
        })
    }

    fn start(
        name: &str,
        enter: impl FnOnce() -> io::Result<Option<Child>> + Send + 'static,
    ) -> io::Result<Machine> {
        let (jobs, inbox) = channel::<Job>();
        let (entered, outcome) = channel();
        let thread = std::thread::Builder::new()
            .name(format!("machine {name}"))
            .spawn(move || {
                let result = enter();
                let failed = result.is_err();
                let _ = entered.send(result);
                if !failed {
                    inbox.iter().for_each(|job| job());
                }
            })?;
        let first = outcome.recv().expect("the machine's thread answers")?;
        let machine = Machine {
            name: name.to_owned(),
            jobs: Some(jobs),
            thread: Some(thread),
            first,
        };
        machine.ip("link set lo up");
        // Duplicate address detection would only add a second of waiting.
        machine.sysctl("net/ipv6/conf/all/accept_dad", "0");
        machine.sysctl("net/ipv6/conf/default/accept_dad", "0");
        machine.sysctl("net/ipv6/conf/default/router_solicitations", "0");
        Ok(machine)
    }

    /// Its name, which is its host name too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of its process 1 as the host sees it.
    pub fn pid(&self) -> u32 {
        self.first.as_ref().expect("only a box has processes").id()
    }

    /// Runs a closure in the machine's thread and waits for its result.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = channel();
        let jobs = self.jobs.as_ref().expect("present until dropped");
        let job: Job = Box::new(move || drop(done.send(job())));
        jobs.send(job).expect("the machine's thread lives");
        result.recv().expect("the job ran to its end")
    }

    /// Starts a process in the machine.
    pub fn spawn(&self, mut command: Command) -> io::Result<Child> {
        self.run(move || command.spawn())
    }

    /// Runs a short command in the machine to its end.
    pub fn output(&self, mut command: Command) -> io::Result<std::process::Output> {
        self.run(move || command.stdin(Stdio::null()).output())
    }

    /// Runs `ip` with these words, which must succeed.
    pub fn ip(&self, words: &str) -> String {
        self.tool("ip", words)
    }

    /// Runs a tool with these words, which must succeed.
    pub fn tool(&self, tool: &str, words: &str) -> String {
        let mut command = Command::new(tool);
        command.args(words.split_whitespace());
        let output = self
            .output(command)
            .unwrap_or_else(|e| panic!("{}: {tool} {words}: {e}", self.name));
        assert!(
            output.status.success(),
            "{}: {tool} {words}: {}",
            self.name,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Writes a file below /proc/sys as this machine sees it. What a kernel
    /// does not have is left out.
    pub fn sysctl(&self, key: &str, value: &str) {
        let (path, value) = (format!("/proc/sys/{key}"), value.to_owned());
        let _ = self.run(move || fs::write(path, value));
    }

    /// Reads a file as this machine sees it.
    pub fn read(&self, path: &str) -> io::Result<String> {
        let path = path.to_owned();
        self.run(move || fs::read_to_string(path))
    }

    /// Command lines of all processes of the box but its first, as the box
    /// itself sees them; a zombie shows its name in brackets.
    pub fn processes(&self) -> Vec<String> {
        self.run(|| {
            let mut lines = Vec::new();
            for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name == "1" || !name.bytes().all(|b| b.is_ascii_digit()) {
                    continue;
                }
                let Ok(line) = fs::read(entry.path().join("cmdline")) else {
                    continue;
                };
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                match fs::read_to_string(entry.path().join("comm")) {
                    Ok(comm) if line.is_empty() => lines.push(format!("[{}]", comm.trim())),
                    Ok(_) => lines.push(line.trim().to_owned()),
                    Err(_) => {}
                }
            }
            lines
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(first) = &mut self.first {
            let _ = first.kill();
            // Process 1 ends after all others of the box, and those that this
            // process started end when their owner has waited for them, which
            // may come later.
            for _ in 0..100 {
                if !matches!(first.try_wait(), Ok(None)) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
