//! What `smena status` shows, to people and to scripts.

use std::time::Duration;

use super::harness::json::Json;
use super::harness::node::Node;
use super::harness::{Pace, eventually, scenario, sys};
use super::pair::{LIMIT, smena_alone, smena_pair};

const MINUTE: Duration = Duration::from_secs(60);

/// Every reason to discard an advert, in the order of the checks.
const REASONS: &str = "ip-header fragment own ttl version length checksum vrid type count \
     destination source auth-type auth-data interval stale hmac replayed";

#[track_caller]
fn has_members(object: &Json, names: &str) {
    for name in names.split_whitespace() {
        assert!(object.member(name).is_some(), "no `{name}` in {object:?}");
    }
}

#[test]
fn json_has_every_fixed_member() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let ((a, b), _keepers) = smena_pair(
            lab,
            "track = probe weight 2\nnotify = /bin/true\n[check probe]\nexec = /bin/true",
        );
        eventually(LIMIT, "the check is up", || {
            a.status().1["checks"].named("name", "probe")["state"].text() == "up"
        });
        std::thread::sleep(Duration::from_secs(2));
        let (code, status) = a.status();
        assert_eq!(code, Some(0));
        has_members(
            &status,
            "node version uptime_ms loop_lag_us standby vrrp groups checks services hooks",
        );
        has_members(&status["loop_lag_us"], "last max");
        assert_eq!(status["node"].text(), "a");
        assert_eq!(status["standby"], Json::Bool(false));
        assert!(status["services"].list().is_empty());

        let router = status["vrrp"].named("name", "VI_01");
        has_members(
            router,
            "name interface virtual_router_id version family state releasing base_priority
             priority since_ms reason master addresses lease_ms adverts_sent adverts_received
             discarded diagnoses transitions",
        );
        has_members(&router["discarded"], REASONS);
        assert_eq!(router["state"].text(), "MASTER");
        assert_eq!(router["interface"].text(), "eth0");
        assert_eq!(router["family"].text(), "ipv4");
        assert_eq!(router["virtual_router_id"].number(), Some(51));
        assert_eq!(router["version"].number(), Some(2));
        assert_eq!(router["base_priority"].number(), Some(101));
        assert_eq!(router["priority"].number(), Some(103));
        assert_eq!(router["master"].text(), "10.0.0.1");
        assert_eq!(router["lease_ms"].number(), Some(2000));
        assert_eq!(
            router["addresses"].list(),
            [Json::Text("10.0.0.49/32".into())]
        );
        assert!(router["adverts_sent"].number() >= Some(2));

        let check = status["checks"].named("name", "probe");
        has_members(check, "name kind state since_ms last duration_us");
        assert_eq!(check["kind"].text(), "exec");
        let hook = status["hooks"].named("vrrp", "VI_01");
        has_members(hook, "vrrp state running exit duration_ms queued runs");
        assert_eq!(hook["exit"].number(), Some(0));

        let router = b.router("VI_01");
        assert_eq!(router["state"].text(), "BACKUP");
        assert_eq!(router["master"].text(), "10.0.0.1");
        assert!(router["adverts_received"].number() >= Some(2));
    });
}

#[test]
fn text_says_the_same_and_exit_codes_tell_scripts() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (a, mut keeper) = smena_alone(lab, "");
        let ini = a.folder().join("smena.ini");
        let ini = ini.to_str().expect("ASCII path");
        let output = a.command(&["status", "-c", ini]);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(output.status.code(), Some(0));
        for word in ["VI_01", "MASTER", "10.0.0.49"] {
            assert!(text.contains(word), "{word} in\n{text}");
        }
        a.machine().ip("link set eth0 down");
        a.wait_state("VI_01", "FAULT", LIMIT);
        let output = a.command(&["status", "-c", ini]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stdout).contains("FAULT"));

        keeper.signal(sys::SIGTERM);
        keeper.wait(LIMIT);
        let output = a.command(&["status", "-c", ini]);
        assert_eq!(output.status.code(), Some(3));
        assert!(!output.stderr.is_empty(), "it says that nothing runs");
    });
}

#[test]
fn it_answers_many_at_once_and_one_that_never_reads() {
    scenario(&[], Pace::Alone, MINUTE, |lab| {
        let (a, _keeper) = smena_alone(lab, "version = 3\nadvert_int = 100ms");
        // The control socket is in the box's own /run.
        let silent = a.machine().run(|| {
            let sockets: Vec<_> = (0..20)
                .filter_map(|_| std::os::unix::net::UnixStream::connect("/run/smena.sock").ok())
                .collect();
            sockets
        });
        assert!(!silent.is_empty());
        std::thread::sleep(Duration::from_secs(3));
        let adverts = lab.capture.adverts_of("a");
        for pair in adverts.windows(2) {
            let apart = pair[1].0 - pair[0].0;
            assert!(
                apart < Duration::from_millis(400),
                "{apart:?} between two adverts"
            );
        }
        drop(silent);
        eventually(Duration::from_secs(5), "it answers again", || {
            a.status().0 == Some(0)
        });
    });
}

#[test]
fn thirty_two_routers_are_all_kept_and_all_shown() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24", "fd00::1/64"]);
        lab.judge_later(&a);
        let mut ini = String::new();
        for n in 1..=32 {
            let address = if n % 2 == 0 {
                format!("10.0.1.{n}")
            } else {
                format!("fe80::1:{n}/64\naddress = fd00::1:{n}")
            };
            ini += &format!(
                "[vrrp R{n}]\ninterface = eth0\nvirtual_router_id = {n}\nversion = 3\n\
                 advert_int = 200ms\naddress = {address}\n"
            );
        }
        let _keeper = a.smena(&ini);
        eventually(LIMIT, "all are masters", || {
            let (_, status) = a.status();
            let routers = status["vrrp"].list();
            routers.len() == 32 && routers.iter().all(|r| r["state"].text() == "MASTER")
        });
        let shown = a.machine().ip("-o address show dev eth0");
        let kept = (1..=32).filter(|n| {
            shown.contains(&format!(" 10.0.1.{n}/32"))
                || shown.contains(&format!(" fd00::1:{n}/128"))
        });
        assert_eq!(kept.count(), 32, "{shown}");
        let ini = a.folder().join("smena.ini");
        let output = a.command(&["status", "-c", ini.to_str().expect("ASCII path")]);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(text.contains("R1") && text.contains("R32"), "{text}");
    });
}

/// `why` of a router, of a check and of a name that nobody has, and with nobody
/// to ask.
#[test]
fn why_says_what_a_tired_person_asks() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let ((a, b), keepers) = smena_pair(
            lab,
            "track = probe weight 2\n[check probe]\nexec = /bin/true",
        );
        let ask = |node: &Node, name: &str| {
            let file = node.folder().join("smena.ini");
            let output = node.command(&["why", name, "-c", &file.display().to_string()]);
            let said =
                [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).to_string());
            (output.status.code(), said)
        };
        eventually(LIMIT, "b knows its master", || {
            let (_, [said, _]) = ask(&b, "VI_01");
            said.contains("10.0.0.1 is master with priority 103, which is more")
        });
        let (code, [said, errors]) = ask(&b, "VI_01");
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{said}");
        for part in [
            "VI_01: BACKUP for ",
            "priority  102 = 100 + 2 (probe up)",
            "timer     takes over unless an advert comes in ",
            "patience  3 x 1000 ms + 601 ms of skew (154/256)",
            "because   this node has 102 and reaches 102 at most",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let (code, [said, _]) = ask(&a, "probe");
        assert_eq!(code, Some(0));
        assert!(said.contains("tracked   by VI_01, weight 2"), "{said}");
        let (code, [said, errors]) = ask(&a, "VI_1");
        assert_eq!((code, said.as_str()), (Some(2), ""));
        let expected =
            "error: no router, check, service or server is called `VI_1`; did you mean `VI_01`?\n";
        assert_eq!(errors, expected);
        drop(keepers);
        assert_eq!(ask(&a, "VI_01").0, Some(3));
    });
}
