//! What passed the switch: every VRRP, ARP and neighbour-discovery frame, with
//! the machine that sent it and the time, and what tshark says about it.

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::lan::Switch;
use super::sys;

/// A frame as it came in at a port of the switch.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When the capture saw it.
    pub at: Instant,
    /// The switch's port, such as `a-eth0`.
    pub port: String,
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
}

/// A VRRP advert, as far as scenarios ask about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert {
    pub version: u8,
    pub router: u8,
    pub priority: u8,
}

impl Frame {
    /// The name of the machine that sent it.
    pub fn sender(&self) -> &str {
        self.port.split('-').next().unwrap_or_default()
    }

    /// The advert in it, if it is one.
    pub fn advert(&self) -> Option<Advert> {
        let bytes = &self.bytes;
        let pdu = match (bytes.get(12..14)?, self.protocol()?) {
            ([0x08, 0x00], 112) => 14 + usize::from(bytes[14] & 15) * 4,
            ([0x86, 0xdd], 112) => 14 + 40,
            _ => return None,
        };
        let pdu = bytes.get(pdu..pdu + 8)?;
        Some(Advert {
            version: pdu[0] >> 4,
            router: pdu[1],
            priority: pdu[2],
        })
    }

    /// Whether it tells a link where an address lives: a gratuitous ARP or an
    /// unsolicited neighbour advertisement.
    pub fn is_announcement(&self) -> bool {
        let bytes = &self.bytes;
        match bytes.get(12..14) {
            Some([0x08, 0x06]) => bytes.len() >= 42 && bytes[28..32] == bytes[38..42],
            Some([0x86, 0xdd]) => {
                self.protocol() == Some(58) && bytes[38] == 0xff && bytes.get(54) == Some(&136)
            }
            _ => false,
        }
    }

    fn protocol(&self) -> Option<u8> {
        match self.bytes.get(12..14)? {
            [0x08, 0x00] => self.bytes.get(23).copied(),
            [0x86, 0xdd] => self.bytes.get(20).copied(),
            _ => None,
        }
    }

    /// Echoes would drown everything else.
    fn is_wanted(&self) -> bool {
        match self.bytes.get(12..14) {
            Some([0x08, 0x06]) => true,
            Some([0x08, 0x00]) => matches!(self.protocol(), Some(112 | 2)),
            Some([0x86, 0xdd]) => match self.protocol() {
                Some(112) => true,
                Some(58) => self.bytes.get(54).is_some_and(|kind| *kind >= 130),
                _ => false,
            },
            _ => false,
        }
    }
}

/// A running capture; it stops when dropped.
pub struct Capture {
    started: Instant,
    frames: Arc<Mutex<Vec<Frame>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Listens on every port of the switch.
    pub fn start(switch: &Switch) -> io::Result<Capture> {
        let socket = switch.machine().run(|| {
            const ETH_P_ALL: u16 = 3;
            let socket =
                sys::open_socket(sys::AF_PACKET, sys::SOCK_RAW, i32::from(ETH_P_ALL.to_be()))?;
            sys::set_receive_timeout(&socket, Duration::from_millis(100))?;
            sys::set_receive_buffer(&socket, 8 << 20)?;
            Ok::<_, io::Error>(socket)
        })?;
        let frames = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (frames, stop) = (frames.clone(), stop.clone());
            std::thread::spawn(move || listen(&socket, &frames, &stop))
        };
        Ok(Capture {
            started: Instant::now(),
            frames,
            stop,
            thread: Some(thread),
        })
    }

    /// All frames until now.
    pub fn frames(&self) -> Vec<Frame> {
        self.frames.lock().expect("no panic in the capture").clone()
    }

    /// The adverts that a machine sent, with their times.
    pub fn adverts_of(&self, machine: &str) -> Vec<(Instant, Advert)> {
        self.frames()
            .iter()
            .filter(|f| f.sender() == machine)
            .filter_map(|f| Some((f.at, f.advert()?)))
            .collect()
    }

    /// What tshark's dissector holds against the frames of these machines, one
    /// line each; empty when it agrees with all. The second value is the number
    /// of frames judged.
    pub fn judge(&self, machines: &[&str], folder: &Path) -> io::Result<(Vec<String>, usize)> {
        let frames: Vec<Frame> = self
            .frames()
            .into_iter()
            .filter(|f| machines.contains(&f.sender()))
            .collect();
        let file = folder.join("judged.pcap");
        self.write_pcap(&file, &frames)?;
        let mut command = Command::new("tshark");
        command.arg("-n").arg("-r").arg(&file);
        command.args(["-o", "ip.check_checksum:TRUE"]);
        // Two machines that claim one address are the work of a fail-over.
        command.args(["-o", "arp.detect_duplicate_ips:FALSE"]);
        // From `note` on, because a bad checksum is only an `error` in some.
        command.args(["-Y", "_ws.malformed || _ws.expert.severity >= 4194304"]);
        command.args(["-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info"]);
        command.args(["-e", "_ws.expert.message"]);
        let output = command.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(io::Error::other(
                String::from_utf8_lossy(&output.stderr).into_owned(),
            ));
        }
        let complaints = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect();
        Ok((complaints, frames.len()))
    }

    /// Classic pcap, microseconds, Ethernet.
    fn write_pcap(&self, path: &Path, frames: &[Frame]) -> io::Result<()> {
        let mut file = io::BufWriter::new(fs::File::create(path)?);
        let header: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1];
        for word in header {
            file.write_all(&word.to_le_bytes())?;
        }
        for frame in frames {
            let since = frame.at.saturating_duration_since(self.started);
            let length = frame.bytes.len() as u32;
            for word in [
                since.as_secs() as u32,
                since.subsec_micros(),
                length,
                length,
            ] {
                file.write_all(&word.to_le_bytes())?;
            }
            file.write_all(&frame.bytes)?;
        }
        file.flush()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(socket: &OwnedFd, frames: &Mutex<Vec<Frame>>, stop: &AtomicBool) {
    const PACKET_OUTGOING: u8 = 4;
    // When a frame came counts, and not when this thread got its turn.
    let _ = sys::run_first();
    let mut data = vec![0; 65_536];
    let mut known: Vec<(u32, String)> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut from = [0; 20];
        let Ok(length) = sys::receive_from(socket, &mut data, &mut from) else {
            continue;
        };
        let index = u32::from_ne_bytes([from[4], from[5], from[6], from[7]]);
        if from[10] == PACKET_OUTGOING {
            continue;
        }
        let mut frame = Frame {
            at: Instant::now(),
            port: String::new(),
            bytes: data[..length].to_vec(),
        };
        if !frame.is_wanted() {
            continue;
        }
        if !known.iter().any(|(i, _)| *i == index) {
            let Some(name) = sys::interface_name(socket, index) else {
                continue;
            };
            known.push((index, name));
        }
        frame.port = known
            .iter()
            .find(|(i, _)| *i == index)
            .map(|(_, name)| name.clone())
            .unwrap_or_default();
        // The bridge itself hands up a second copy of what is for everybody.
        if frame.port.contains('-') {
            frames.lock().expect("no panic in the lab").push(frame);
        }
    }
}
