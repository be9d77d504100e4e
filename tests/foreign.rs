//! A machine of another processor whose first process is smena: built by
//! image/build with Debian's compiler for aarch64 and its kernel, and started by
//! the line of the board's readme. Under QEMU it boots, becomes master, forwards
//! a connection by a worker that may make none but its own system calls, and is
//! switched off.
//!
//! It needs qemu-system-arm, gcc-aarch64-linux-gnu and what image/build needs, and
//! no privilege. `SMENA_LAB=required` makes a skipped test a failure.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The root of the project, and the board.
const TOP: &str = env!("CARGO_MANIFEST_DIR");
const BOARD: &str = "qemu-aarch64";
/// A boot of a foreign machine under emulation, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Beside the board's own: a program, and what it tries.
const START: &str = "[init]\nstart = /bin/busybox sh /etc/smena/client\n";
const SERVICE: &str = "
[service web]
listen = 10.66.0.100:80
server = a 127.0.0.1:8080
inter = 200ms
";

/// A server, its client by way of the forwarder, and the end.
const CLIENT: &str = "\
busybox mkdir -p /run/www
busybox seq 20000 >/run/www/index.html
busybox httpd -p 127.0.0.1:8080 -h /run/www
until busybox wget -q -O /run/got http://10.66.0.100/ && busybox cmp /run/got /run/www/index.html; do
    sleep 1
done
smena status >/dev/console
echo 'client: every byte came' >/dev/console
kill -USR2 1
sleep 600
";

/// A running machine; it is gone when this is dropped.
struct Guest {
    qemu: Child,
    lines: Receiver<String>,
    /// All that it has said.
    console: Vec<String>,
    folder: PathBuf,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Guest {
    /// Starts the readme's line with this initramfs, and its ends of the network
    /// in the folder.
    fn start(folder: PathBuf, initrd: &Path) -> Guest {
        let readme = fs::read_to_string(format!("{TOP}/board/{BOARD}/readme.md")).unwrap();
        let line = readme.lines().find(|line| line.starts_with("qemu-system-"));
        let line = line.unwrap().replace("-nographic", "-display none");
        let built = format!("image/out/{BOARD}/initrd.img");
        assert!(line.contains(&built) && line.contains("/tmp/smena."));
        let line = line
            .replace(&built, &initrd.display().to_string())
            .replace("/tmp/smena.", &format!("{}/port.", folder.display()));
        let mut qemu = Command::new("sh")
            .args(["-c", &format!("exec {line} -serial stdio")])
            .current_dir(TOP)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let from = BufReader::new(qemu.stdout.take().unwrap());
        thread::spawn(move || {
            for line in from.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                let _ = sender.send(line.trim_end_matches('\r').to_owned());
            }
        });
        Guest {
            qemu,
            lines,
            console: Vec::new(),
            folder,
        }
    }

    /// Waits for a line, and gives the time that the kernel wrote before it.
    #[track_caller]
    fn wait_for(&mut self, what: &str) -> f64 {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("it never said `{what}`:\n{}", self.console.join("\n"));
            };
            self.console.push(line.clone());
            if line.contains(what) {
                let stamp = line.split(']').next().unwrap_or_default();
                let stamp = stamp.trim_start_matches('[').trim();
                return stamp.parse().unwrap_or(0.0);
            }
        }
    }
}

/// Builds the image and what is appended to it: the whole initramfs.
fn build(folder: &Path) -> Vec<u8> {
    let run = |tool: &str, arguments: &[&str]| {
        let tool = format!("{TOP}/image/{tool}");
        let done = Command::new(tool).args(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        done.stdout
    };
    eprint!("{}", String::from_utf8_lossy(&run("build", &[BOARD])));
    let (config, client) = (folder.join("smena.ini"), folder.join("client"));
    let own = fs::read_to_string(format!("{TOP}/board/{BOARD}/smena.ini")).unwrap();
    let own = own.replace("[init]\n", START);
    fs::write(&config, own + SERVICE).unwrap();
    fs::write(&client, CLIENT).unwrap();
    let [config, client] = [config, client].map(|file| file.display().to_string());
    let more = run("config", &[&config, &client]);
    let base = fs::read(format!("{TOP}/image/out/{BOARD}/initrd.img")).unwrap();
    [base, more].concat()
}

#[test]
fn a_machine_of_another_processor_serves() {
    for (tool, package) in [
        ("qemu-system-aarch64", "qemu-system-arm"),
        ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
        ("dpkg-deb", "dpkg"),
    ] {
        let asked = Command::new("sh")
            .args(["-c", &format!("command -v {tool}")])
            .output();
        if !asked.is_ok_and(|out| out.status.success()) {
            assert!(std::env::var("SMENA_LAB").as_deref() != Ok("required"));
            println!("\nSKIPPED foreign::aarch64: no {tool}: apt-get install {package}");
            return;
        }
    }
    let folder = std::env::temp_dir().join(format!("smena-foreign-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let initrd = folder.join("initrd.img");
    fs::write(&initrd, build(&folder)).unwrap();
    // The other end of the wire, which only listens.
    let wire = UnixDatagram::bind(folder.join("port.b")).unwrap();
    wire.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut guest = Guest::start(folder, &initrd);

    let began = guest.wait_for("Run /init as init process");
    let backup = guest.wait_for("..BACKUP") - began;
    let master = guest.wait_for("BACKUP..MASTER") - began;
    let _ = writeln!(
        std::io::stdout().lock(),
        "image: aarch64: guest time from the kernel's start to PID 1 {:.0} ms, \
         from there to BACKUP {:.0} ms, to MASTER {:.0} ms",
        began * 1000.0,
        backup * 1000.0,
        master * 1000.0
    );
    let mut frame = [0; 2048];
    loop {
        // An advert: IPv4, protocol 112.
        let length = wire.recv(&mut frame).unwrap();
        if length > 24 && frame[12..14] == [8, 0] && frame[23] == 112 {
            break;
        }
    }
    guest.wait_for("client: every byte came");
    let until = Instant::now() + PATIENCE;
    while guest.qemu.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "the machine stays on");
        thread::sleep(Duration::from_millis(20));
    }
    let said: Vec<_> = guest.console.drain(..).chain(guest.lines.iter()).collect();
    for never in [
        "Kernel panic",
        "keeps more rights",
        "made a call that it may not make",
    ] {
        let said = said.join("\n");
        assert!(!said.contains(never), "{never}:\n{said}");
    }
}
