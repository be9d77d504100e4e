//! Two HAProxy in front of two mail servers, with a check that wants a shell.

use std::time::Duration;

use super::super::harness::node::{Daemon, Node};
use super::super::harness::{Pace, eventually, scenario, sys};
use super::super::pair::LIMIT;
use super::{Half, Pair, instance};

const EXCHANGE: Pair = Pair {
    vip: "172.30.129.131",
    halves: [
        Half {
            name: "a",
            card: "ens160",
            address: "172.30.129.129/24",
            smena: include_str!("../../data/config/exchange-a.ini"),
            keepalived: || exchange_conf("ens160", 101),
        },
        Half {
            name: "b",
            card: "ens192",
            address: "172.30.129.130/24",
            smena: include_str!("../../data/config/exchange-b.ini"),
            keepalived: || exchange_conf("ens192", 100),
        },
    ],
};

/// keepalived runs the words without a shell, so that the check always fails
/// and its weight never counts.
fn exchange_conf(card: &str, priority: u8) -> String {
    let script = "vrrp_script chk_haproxy {
        script \"/usr/bin/killall -0 haproxy && /usr/bin/curl -k 'https://localhost/ews/healthcheck.htm'\"
        interval 2
        weight 2
    }\n";
    let more = "state MASTER
        advert_int 1
        authentication {\n auth_type PASS\n auth_pass superpassword\n }
        track_script {\n chk_haproxy\n }";
    script.to_owned() + &instance("VI_1", card, 101, priority, more, "172.30.129.131")
}

const EXCHANGE_NEEDS: [&str; 5] = ["keepalived", "haproxy", "killall", "curl", "openssl"];

/// HAProxy passes TLS on to a server behind it.
struct MailProxy {
    haproxy: Daemon,
    server: Daemon,
}

impl MailProxy {
    fn start(node: &Node) -> MailProxy {
        let cfg = node.file(
            "haproxy.cfg",
            "defaults
                mode tcp
                timeout connect 5s
                timeout client 50s
                timeout server 50s
            frontend front
                bind *:443
                default_backend back
            backend back
                server exch1 127.0.0.1:8443\n",
        );
        let path = |name: &str| node.folder().join(name).display().to_string();
        let (key, cert) = (path("key.pem"), path("cert.pem"));
        node.machine().tool(
            "openssl",
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
                 -subj /CN=localhost -keyout {key} -out {cert}"
            ),
        );
        let words = [
            "s_server",
            "-accept",
            "127.0.0.1:8443",
            "-key",
            &key,
            "-cert",
            &cert,
            "-www",
            "-quiet",
        ];
        let server = node.daemon("server", "/usr/bin/openssl", &words);
        let cfg = cfg.display().to_string();
        let haproxy = node.daemon("haproxy", "/usr/sbin/haproxy", &["-db", "-f", &cfg]);
        MailProxy { haproxy, server }
    }
}

fn end(daemon: &mut Daemon) {
    daemon.signal_all(sys::SIGKILL);
    daemon.wait(LIMIT);
}

fn priority(node: &Node, router: &str) -> Option<i64> {
    node.router(router)["priority"].number()
}

#[test]
fn with_smena_on_both() {
    let limit = Duration::from_secs(120);
    scenario(&EXCHANGE_NEEDS, Pace::Shared, limit, |lab| {
        let [a, b] = EXCHANGE.boxes(lab);
        lab.judge_later(&a);
        lab.judge_later(&b);
        let (mut first, _second) = (MailProxy::start(&a), MailProxy::start(&b));
        let [half_a, half_b] = &EXCHANGE.halves;
        let _keepers = (a.smena(half_a.smena), b.smena(half_b.smena));
        eventually(LIMIT, "the checks count", || {
            priority(&a, "VI_1") == Some(103) && priority(&b, "VI_1") == Some(102)
        });
        EXCHANGE.owner(lab, "a");

        // Either half of the check's command makes the difference.
        end(&mut first.server);
        EXCHANGE.owner(lab, "b");
        assert_eq!(priority(&a, "VI_1"), Some(101));
        end(&mut first.haproxy);
        let mut first = MailProxy::start(&a);
        EXCHANGE.owner(lab, "a");
        end(&mut first.haproxy);
        EXCHANGE.owner(lab, "b");
    });
}

#[test]
fn with_smena_on_the_first() {
    let limit = Duration::from_secs(120);
    scenario(&EXCHANGE_NEEDS, Pace::Shared, limit, |lab| {
        let [a, b] = EXCHANGE.boxes(lab);
        lab.judge_later(&a);
        let (mut first, _second) = (MailProxy::start(&a), MailProxy::start(&b));
        let [half_a, half_b] = &EXCHANGE.halves;
        let _keepers = (a.smena(half_a.smena), b.keepalived(&(half_b.keepalived)()));
        eventually(LIMIT, "the check counts", || {
            priority(&a, "VI_1") == Some(103)
        });
        EXCHANGE.owner(lab, "a");
        // 101 against the 100 of a keepalived whose check never succeeds.
        end(&mut first.haproxy);
        eventually(LIMIT, "the check fails", || {
            priority(&a, "VI_1") == Some(101)
        });
        EXCHANGE.owner(lab, "a");

        lab.switch.cut(a.machine(), half_a.card);
        EXCHANGE.owner(lab, "b");
        lab.switch.mend(a.machine(), half_a.card);
        EXCHANGE.owner(lab, "a");
        // Since it has heard the other one it knows that its check is too weak.
        a.wait_diagnosis("VI_1", "weight-too-small", "172.30.129.130", LIMIT);
    });
}

#[test]
fn with_smena_on_the_second() {
    let limit = Duration::from_secs(120);
    scenario(&EXCHANGE_NEEDS, Pace::Shared, limit, |lab| {
        let [a, b] = EXCHANGE.boxes(lab);
        lab.judge_later(&b);
        let (_first, mut second) = (MailProxy::start(&a), MailProxy::start(&b));
        let [half_a, half_b] = &EXCHANGE.halves;
        let _keepers = (a.keepalived(&(half_a.keepalived)()), b.smena(half_b.smena));
        // 101 without its check against 100 and 2.
        EXCHANGE.owner(lab, "b");
        assert_eq!(priority(&b, "VI_1"), Some(102));
        end(&mut second.haproxy);
        EXCHANGE.owner(lab, "a");
        end(&mut second.server);
        let _second = MailProxy::start(&b);
        EXCHANGE.owner(lab, "b");
    });
}
