//! One machine: QEMU as the board's readme starts it, its console, its monitor,
//! and a serial port on which commands are given.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::build::TOP;
use super::lan::Lan;

/// A boot under emulation on a busy machine.
pub const BOOT: Duration = Duration::from_secs(90);

/// One test at a time has machines: two of them are what two processors emulate.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A running machine; it is gone when this is dropped.
pub struct Guest {
    qemu: Child,
    console: Arc<Mutex<Vec<String>>>,
    /// Lines of the console that were waited for already.
    seen: usize,
    monitor: BufReader<UnixStream>,
    agent: UnixStream,
    /// What the agent has said.
    said: Arc<Mutex<Vec<String>>>,
    /// How often the machine has started.
    starts: usize,
    folder: PathBuf,
    number: u8,
}

impl Guest {
    /// Starts machine `number`, 1 or 2, on a network: the image, an archive that is
    /// appended to it, and words for the kernel.
    pub fn start(image: &Path, lan: &Lan, number: u8, more: &[u8], words: &str) -> Guest {
        let base = fs::read(image.join("initrd.img")).unwrap();
        let initrd = [&base[..], more].concat();
        Guest::boot(image, lan, number, &initrd, words, "")
    }

    /// Starts a machine with another initramfs than the image's, and perhaps
    /// with more devices.
    pub fn boot(
        image: &Path,
        lan: &Lan,
        number: u8,
        archive: &[u8],
        words: &str,
        devices: &str,
    ) -> Guest {
        let folder = super::build::temporary("guest");
        let initrd = folder.join("initrd.img");
        fs::write(&initrd, archive).unwrap();
        let board = image.file_name().unwrap().to_str().unwrap();
        let (to, from) = lan.plug(number);
        let _ = fs::remove_file(&to);
        let (monitor, agent) = (folder.join("monitor"), folder.join("agent"));
        let (mine, other) = [
            ("/tmp/smena.a", "/tmp/smena.b"),
            ("/tmp/smena.b", "/tmp/smena.a"),
        ][usize::from(number) - 1];
        let line = readme_line(board, usize::from(number) - 1)
            .replace(
                &format!("image/out/{board}/initrd.img"),
                &initrd.display().to_string(),
            )
            .replace("/tmp/b.img", &initrd.display().to_string())
            .replace("cmdline)", &format!("cmdline) {words}"))
            .replace(
                &format!("local.path={mine}"),
                &format!("local.path={}", to.display()),
            )
            .replace(
                &format!("remote.path={other}"),
                &format!("remote.path={}", from.display()),
            );
        assert!(line.contains(&*to.to_string_lossy()) && line.contains(&*from.to_string_lossy()));
        let line = format!(
            "exec {line} {devices} -qmp unix:{},server=on,wait=off -serial mon:stdio -serial unix:{},server=on,wait=off",
            monitor.display(),
            agent.display()
        );
        let mut qemu = Command::new("sh")
            .args(["-c", &line])
            .current_dir(TOP)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let console = collect(qemu.stdout.take().unwrap());
        let agent = connect(&agent);
        let said = collect(agent.try_clone().unwrap());
        let mut monitor = BufReader::new(connect(&monitor));
        let mut greeting = String::new();
        monitor.read_line(&mut greeting).unwrap();
        let mut guest = Guest {
            qemu,
            console,
            seen: 0,
            monitor,
            agent,
            said,
            starts: 1,
            folder,
            number,
        };
        guest.monitor("qmp_capabilities", "");
        guest
    }

    /// Waits for a line of the console behind those waited for before.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, patience: Duration) -> String {
        let until = Instant::now() + patience;
        loop {
            let lines = self.console.lock().unwrap();
            let found = lines
                .iter()
                .skip(self.seen)
                .position(|line| line.contains(what));
            if let Some(at) = found {
                self.seen += at + 1;
                return lines[self.seen - 1].clone();
            }
            // All that smena said, and what the kernel said last.
            let last = lines.len().saturating_sub(25);
            let told = lines.iter().enumerate();
            let told = told.filter(|(at, line)| {
                *at >= last
                    || line.contains("smena: ")
                    || line.contains("init[1]")
                    || line.contains("panic")
            });
            let told: Vec<_> = told.map(|(_, line)| line.as_str()).collect();
            assert!(
                Instant::now() < until,
                "machine {} never said `{what}`; at the end:\n{}",
                self.number,
                told.join("\n")
            );
            drop(lines);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// How often the console has said it.
    pub fn said(&self, what: &str) -> usize {
        self.lines(|line| line.contains(what)).len()
    }

    /// The lines of the console that are such.
    pub fn lines(&self, such: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.console.lock().unwrap();
        lines.iter().filter(|line| such(line)).cloned().collect()
    }

    /// Gives the monitor a command; `arguments` is the inside of a JSON object.
    #[track_caller]
    pub fn monitor(&mut self, command: &str, arguments: &str) {
        let done = self.try_monitor(command, arguments);
        done.unwrap_or_else(|line| panic!("{command}: {line}"));
    }

    /// The same for one that may be refused.
    pub fn try_monitor(&mut self, command: &str, arguments: &str) -> Result<(), String> {
        let socket = self.monitor.get_mut();
        writeln!(
            socket,
            "{{\"execute\":\"{command}\",\"arguments\":{{{arguments}}}}}"
        )
        .unwrap();
        loop {
            let mut line = String::new();
            if self.monitor.read_line(&mut line).unwrap_or(0) == 0 || line.contains("\"return\"") {
                return Ok(());
            }
            if line.contains("\"error\"") {
                return Err(line);
            }
        }
    }

    /// Plugs the cable in, or pulls it.
    pub fn cable(&mut self, plugged: bool) {
        self.monitor("set_link", &format!("\"name\":\"lan\",\"up\":{plugged}"));
    }

    /// Presses Ctrl-Alt-Del.
    pub fn three_keys(&mut self) {
        let key = |name| format!("{{\"type\":\"qcode\",\"data\":\"{name}\"}}");
        let keys = [key("ctrl"), key("alt"), key("delete")].join(",");
        self.monitor("send-key", &format!("\"keys\":[{keys}]"));
    }

    /// The machine has started once more, or is about to.
    pub fn restarted(&mut self) {
        self.starts += 1;
    }

    /// Runs a command in the machine: its output, and its exit code.
    #[track_caller]
    pub fn run(&mut self, command: &str) -> (String, i32) {
        let begin = self.order(command);
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let said = self.said.lock().unwrap();
            let lines = &said[begin..];
            let end = lines.iter().position(|line| line.starts_with("exit "));
            if let Some(end) = end {
                let code = lines[end].trim_start_matches("exit ");
                let output = lines[..end].iter().map(|line| format!("{line}\n"));
                return (output.collect(), code.parse().unwrap());
            }
            assert!(Instant::now() < until, "`{command}` has no end: {lines:?}");
            drop(said);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Gives a command that may not come to answer, once the agent runs; where
    /// its answer begins.
    #[track_caller]
    pub fn order(&mut self, command: &str) -> usize {
        let until = Instant::now() + BOOT;
        loop {
            let said = self.said.lock().unwrap();
            let ready = said.iter().filter(|line| line.ends_with("ready")).count();
            if ready >= self.starts {
                writeln!(self.agent, "{command}").unwrap();
                return said.len();
            }
            assert!(Instant::now() < until, "the agent is not ready: {said:?}");
            drop(said);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the machine is switched off.
    #[track_caller]
    pub fn wait_off(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        while self.qemu.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "machine {} stays on", self.number);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The seconds of a line of the kernel's log.
pub fn stamp(line: &str) -> f64 {
    let stamp = line.split(']').next().unwrap_or_default();
    stamp.trim_start_matches('[').trim().parse().unwrap()
}

/// The line of the board's readme that starts one of the pair.
fn readme_line(board: &str, number: usize) -> String {
    let readme = Path::new(TOP).join("board").join(board).join("readme.md");
    let readme = fs::read_to_string(readme).unwrap();
    let mut lines = readme
        .lines()
        .filter(|line| line.starts_with("qemu-system-"));
    lines
        .nth(number)
        .unwrap()
        .replace("-nographic", "-display none")
}

/// Collects lines as they come.
fn collect(from: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let collected = lines.clone();
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\r').to_owned();
            collected.lock().unwrap().push(line);
        }
    });
    lines
}

/// QEMU opens its sockets soon.
fn connect(path: &Path) -> UnixStream {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match UnixStream::connect(path) {
            Ok(socket) => return socket,
            Err(error) => assert!(Instant::now() < until, "{}: {error}", path.display()),
        }
        thread::sleep(Duration::from_millis(20));
    }
}
