//! `smena replay` over what was recorded: a line a frame, with the verdict that
//! the receiver alone comes to, and what the packet says.

use std::fmt::Write as _;

use smena::Instant;
use smena::capture::{Capture, FRAME_MAX};
use smena::config::{Config, Limits, Source, parse};
use smena::event::Actions;
use smena::node::Node;
use smena::replay::{Replay, prepare};

use crate::json::Json;
use crate::{shared, skipped, unhex};

/// What is printed for a file, as the routers of a configuration.
fn replayed(file: &[u8], config: Option<&str>) -> Vec<String> {
    let mut rest = file;
    let mut input = |buffer: &mut [u8]| {
        let (now, later) = rest.split_at(buffer.len().min(rest.len()));
        buffer[..now.len()].copy_from_slice(now);
        rest = later;
        Some(now.len())
    };
    let mut text = String::new();
    let mut run = |mut replay: Replay<'_, '_>| {
        let mut buffer = Box::new([0; FRAME_MAX]);
        let mut capture = Capture::open(&mut input, &mut buffer).unwrap();
        while let Some(frame) = capture.next().unwrap() {
            replay.frame(&frame, &mut text).unwrap();
        }
    };
    match config {
        None => run(Replay::new(None)),
        Some(ini) => {
            let source = Source {
                file: "a.ini",
                text: ini.as_bytes(),
                others_can_read: false,
            };
            let mut config = Box::new(Config::EMPTY);
            let outcome = parse(&source, &Limits::BOARD, &mut config, &mut |d| print!("{d}"));
            assert_eq!(outcome.errors, 0);
            prepare(&mut config);
            let mut node = Box::new(Node::new(&config, Instant::ZERO, 0));
            let mut actions = Box::new(Actions::new());
            run(Replay::new(Some((&mut node, &mut actions))));
        }
    }
    text.lines().map(String::from).collect()
}

/// A classic capture of these frames, one each millisecond.
fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([0, 0, 4, 0, 1, 0, 0, 0]);
    for (at, frame) in frames.iter().enumerate() {
        let length = frame.len() as u32;
        for number in [1_700_000_000, 1000 * at as u32, length, length] {
            file.extend(number.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// Every advert that keepalived sent in the lab, and nothing else, is accepted,
/// and shown as tshark decoded it.
#[test]
fn keepalived_lab_replayed() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/packets/keepalived-lab.json"
    );
    let entries = Json::parse(&std::fs::read_to_string(file).unwrap());
    let frames: Vec<_> = entries
        .list()
        .iter()
        .map(|e| unhex(e.get("hex").text()))
        .collect();
    let lines = replayed(&capture(&frames), None);
    assert_eq!(lines.len(), frames.len());
    for (place, (entry, line)) in entries.list().iter().zip(&lines).enumerate() {
        let decoded = entry.get("decoded");
        let number = |name| decoded.get(name).number();
        let mut expected = format!("{} 0.{:06} ", place + 1, 1000 * place);
        match entry.get("proto").text() {
            "vrrp" => {
                let listed = decoded.get("addrs").list().iter().map(Json::text);
                let adv = match (number("ver"), number("adv_cs")) {
                    (Some(2), _) => format!("{}s", number("adv").unwrap()),
                    (_, Some(cs)) if cs % 100 == 0 => format!("{}s", cs / 100),
                    (_, cs) => format!("{}ms", 10 * cs.unwrap()),
                };
                write!(
                    expected,
                    "{} accept v{} vrid={} prio={} adv={adv} addr={}",
                    decoded.get("src").text(),
                    number("ver").unwrap(),
                    number("vrid").unwrap(),
                    number("prio").unwrap(),
                    listed.collect::<Vec<_>>().join(",")
                )
                .unwrap();
                assert_eq!(*line, expected);
            }
            "arp" => assert_eq!(*line, expected + "- ignore:not-vrrp -"),
            _ => assert!(line.ends_with(" ignore:not-vrrp -"), "{line}"),
        }
    }
}

/// Each public packet of Ethernet has the verdict that it has elsewhere.
#[test]
fn captures_replayed() {
    let Some(file) = shared("mikrotik-handover.pcap") else {
        return skipped("captures_replayed");
    };
    let lines = replayed(&file, None);
    assert_eq!(lines.len(), 165);
    assert!(lines.iter().all(|line| line.contains(" accept v")));
    let as_router = replayed(&file, Some(MIKROTIK));
    let changes: Vec<&str> = as_router
        .iter()
        .filter(|l| l.starts_with('-'))
        .map(|l| &l[..])
        .collect();
    assert_eq!(
        changes,
        [
            "- 0.000000 A BACKUP listening for a master",
            // Of what is heard from the nodes of the capture, that of priority
            // 192 is worse than 194; then the real 194 has the higher address.
            "- 32.421875 A MASTER 10.0.0.92 was master with the lower priority 192",
            "- 96.825256 A BACKUP 10.0.0.94 has the same priority 194 and the higher address",
        ]
    );
    let discarded = as_router
        .iter()
        .filter(|line| line.contains(" discard:vrid "));
    assert_eq!(
        discarded.count(),
        165 - as_router.iter().filter(|l| l.contains("accept")).count()
    );

    let fuzzed = replayed(&shared("tcpdump_oobr2.pcap").unwrap(), None);
    assert_eq!(fuzzed.len(), 10);
    assert!(
        fuzzed
            .iter()
            .all(|line| line.contains(" discard:ip-header "))
    );
}

const MIKROTIK: &str = "\
[vrrp A]
interface = eth0
virtual_router_id = 44
version = 3
advert_int = 10s
priority = 193
track = good weight 1
address = 10.9.0.1

[check good]
process = good
";

/// As the routers of a file: the first check that fails names the packet, and
/// the router's changes stand where they happen.
#[test]
fn judged_as_a_router() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/packets/keepalived-lab.json"
    );
    let entries = Json::parse(&std::fs::read_to_string(file).unwrap());
    let frame = |id: &str| {
        let mut entries = entries.list().iter();
        let entry = entries.find(|entry| entry.get("id").text() == id).unwrap();
        unhex(entry.get("hex").text())
    };
    let unicast = frame("ka227-u3-f15-v3-vrid33-prio150");
    let frames = [
        unicast.clone(),
        frame("ka227-s2-f19-v3-vrid44-prio200"),
        unicast,
    ];
    let verdicts = |ini: &str| -> Vec<String> {
        let lines = replayed(&capture(&frames), Some(ini));
        let frames = lines.iter().filter(|line| !line.starts_with('-'));
        frames
            .map(|line| line.split(' ').nth(3).unwrap().into())
            .collect()
    };
    let router = "\
[vrrp U]
interface = eth0
virtual_router_id = 33
version = 3
address = 192.0.2.1
";
    assert_eq!(
        verdicts(router),
        ["discard:destination", "discard:vrid", "discard:destination"]
    );
    // The lab's nodes were 10.10.0.1 and 10.10.0.2, or the like.
    let entry = entries
        .list()
        .iter()
        .find(|e| e.get("id").text().starts_with("ka227-u3-f15"))
        .unwrap();
    let (src, dst) = (
        entry.get("decoded").get("src").text(),
        entry.get("decoded").get("dst").text(),
    );
    let with = |source: &str, peer: &str| {
        verdicts(&format!(
            "{router}unicast_src_ip = {source}\nunicast_peer = {peer}\n"
        ))
    };
    assert_eq!(with(dst, src), ["accept", "discard:vrid", "accept"]);
    assert_eq!(
        with(dst, "192.0.2.99"),
        ["discard:source", "discard:vrid", "discard:source"]
    );
    assert_eq!(
        with("192.0.2.98", src),
        ["discard:destination", "discard:vrid", "discard:destination"]
    );
    assert_eq!(with(src, dst)[0], "discard:own");
}
