//! Checks that need no program of their own, against what they are made for:
//! nginx and haproxy, TLS servers of one version each, files, links, pings.

use std::fs;
use std::time::Duration;

use super::harness::json::Json;
use super::harness::node::{Daemon, Node};
use super::harness::{Pace, always, eventually, scenario, sys};
use super::pair::{LIMIT, expect_owner, smena_ini};

const MINUTE: Duration = Duration::from_secs(60);

/// State and last result of each check, as `name state last`.
fn checks(node: &Node) -> Vec<String> {
    let status = node.status().1;
    let checks = status["checks"].list().iter();
    checks
        .map(|check| {
            let text = |member: &str| match &check[member] {
                Json::Null => "-".to_owned(),
                value => value.text().to_owned(),
            };
            format!("{} {} {}", text("name"), text("state"), text("last"))
        })
        .collect()
}

/// Waits until the checks have found exactly this.
#[track_caller]
fn expect(node: &Node, expected: &[&str]) {
    let mut found = Vec::new();
    for _ in 0..80 {
        found = checks(node);
        if found == expected {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(found, expected);
}

/// A configuration with these checks, all of them tracked with a weight of 1.
fn with_checks(sections: &[(&str, &str)]) -> String {
    let mut tracks = String::new();
    let mut text = String::new();
    for (name, lines) in sections {
        tracks += &format!("track = {name} weight 1\n");
        text += &format!("[check {name}]\ninterval = 200ms\n{lines}\n");
    }
    smena_ini(100, &(tracks + &text))
}

fn nginx(node: &Node) -> Daemon {
    fs::create_dir_all(node.folder().join("www")).expect("own folder");
    let page = format!("<p>{}all is well</p>", "-".repeat(5000));
    node.file("www/index.html", &page);
    let folder = node.folder().display();
    let conf = node.file(
        "nginx.conf",
        &format!(
            "daemon off;\nuser root;\npid {folder}/nginx.pid;\nerror_log stderr;\n\
             events {{}}\nhttp {{\n access_log off;\n client_body_temp_path {folder}/t1;\n\
             proxy_temp_path {folder}/t2;\n fastcgi_temp_path {folder}/t3;\n\
             uwsgi_temp_path {folder}/t4;\n scgi_temp_path {folder}/t5;\n\
             server {{\n listen 127.0.0.1:80;\n listen [::1]:80;\n root {folder}/www;\n\
             location /chunked/ {{ alias {folder}/www/; ssi on; index index.html; }}\n\
             location /moved {{ return 302 /; }}\n location /sick {{ return 503 ill; }} }}\n\
             server {{\n listen 127.0.0.1:80;\n server_name other.example;\n\
             return 200 \"the other one\"; }}\n}}\n"
        ),
    );
    let conf = conf.to_str().expect("ASCII path");
    node.daemon("nginx", "/usr/sbin/nginx", &["-c", conf])
}

#[test]
fn pages_of_nginx() {
    scenario(&["nginx"], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let mut server = nginx(&a);
        let _keeper = a.smena(&with_checks(&[
            ("plain", "http = http://127.0.0.1/"),
            ("body", "http = http://127.0.0.1/\nbody = \"all is well\""),
            (
                "other",
                "http = http://127.0.0.1/\nbody = \"the other one\"",
            ),
            (
                "named",
                "http = http://127.0.0.1/\nhost = other.example\nbody = \"the other one\"",
            ),
            ("v6", "http = http://[::1]:80/index.html\nbody = well</p>"),
            ("moved", "http = http://127.0.0.1/moved"),
            ("range", "http = http://127.0.0.1/moved\nexpect = 200-399"),
            ("sick", "http = http://127.0.0.1/sick"),
            (
                "chunked",
                "http = http://127.0.0.1/chunked/\nbody = \"all is well\"",
            ),
            ("port", "tcp = 127.0.0.1:80"),
            ("nobody", "tcp = 127.0.0.1:81"),
            (
                "pid",
                &format!("pidfile = {}/nginx.pid", a.folder().display()),
            ),
            ("process", "process = nginx min 2 max 9"),
            ("more", "process = nginx min 99"),
            ("no-tls", "tls = 127.0.0.1:80"),
        ]));
        eventually(LIMIT, "the pidfile", || a.text("nginx.pid").ends_with('\n'));
        let pid = format!("pid up runs: process {}", a.text("nginx.pid").trim());
        expect(
            &a,
            &[
                "plain up L7OK status 200",
                "body up L7OK status 200",
                "other down L7STS the text is not in the body",
                "named up L7OK status 200",
                "v6 up L7OK status 200",
                "moved down L7STS status 302",
                "range up L7OK status 302",
                "sick down L7STS status 503",
                "chunked up L7OK status 200",
                "port up L4OK",
                "nobody down L4CON connection refused (ECONNREFUSED)",
                &pid,
                "process up 2 processes",
                "more down 2 processes",
                "no-tls down L6RSP no TLS answer",
            ],
        );
        server.signal(sys::SIGTERM);
        server.wait(LIMIT);
        eventually(LIMIT, "all of them notice", || {
            let found = checks(&a);
            found.iter().all(|line| line.contains(" down "))
        });
    });
}

#[test]
fn pages_of_haproxy_through_to_a_chunked_server() {
    scenario(&["nginx", "haproxy"], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let mut server = nginx(&a);
        let conf = a.file(
            "haproxy.cfg",
            "global\n stats socket /run/h.sock\ndefaults\n mode http\n timeout connect 1s\n \
             timeout client 5s\n timeout server 5s\n retries 0\n\
             frontend f\n bind 127.0.0.1:8080\n default_backend b\n\
             backend b\n server s 127.0.0.1:80\n",
        );
        let conf = conf.to_str().expect("ASCII path");
        let _haproxy = a.daemon("haproxy", "/usr/sbin/haproxy", &["-db", "-f", conf]);
        // What the fleet writes as `killall -0 haproxy && curl ...`.
        let _keeper = a.smena(&with_checks(&[
            ("haproxy", "process = haproxy"),
            (
                "page",
                "http = http://127.0.0.1:8080/chunked/\nbody = \"all is well\"",
            ),
            (
                "shell",
                "exec = killall -0 haproxy && test -d /\nshell = yes",
            ),
        ]));
        expect(
            &a,
            &[
                "haproxy up 1 process",
                "page up L7OK status 200",
                "shell up exit 0",
            ],
        );
        server.signal(sys::SIGTERM);
        server.wait(LIMIT);
        eventually(LIMIT, "haproxy tells that nobody is there", || {
            checks(&a)[1].starts_with("page down L7")
        });
    });
}

#[test]
fn tls_servers_of_one_version_each() {
    scenario(&["openssl"], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let (key, cert) = (a.file("key.pem", ""), a.file("cert.pem", ""));
        let (key, cert) = (key.display().to_string(), cert.display().to_string());
        let made = a.machine().tool(
            "openssl",
            &format!(
                "req -x509 -newkey rsa:2048 -nodes -subj /CN=a -days 9 -keyout {key} -out {cert}"
            ),
        );
        assert!(!made.contains("rror"), "{made}");
        let serve = |name: &str, port: &str, more: &[&str]| {
            let words = [
                "s_server", "-quiet", "-accept", port, "-key", &key, "-cert", &cert,
            ];
            a.daemon(name, "/usr/bin/openssl", &[&words[..], more].concat())
        };
        let _servers = [
            serve("tls12", "4412", &["-tls1_2"]),
            serve("tls13", "4413", &["-tls1_3"]),
            serve("both", "4410", &[]),
            serve("picky", "4414", &["-tls1_2", "-cipher", "PSK"]),
        ];
        let _keeper = a.smena(&with_checks(&[
            ("tls12", "tls = 127.0.0.1:4412"),
            ("tls13", "tls = 127.0.0.1:4413"),
            ("both", "tls = 127.0.0.1:4410\nhost = www.example"),
            ("picky", "tls = 127.0.0.1:4414"),
            ("nobody", "tls = 127.0.0.1:4415"),
        ]));
        expect(
            &a,
            &[
                "tls12 up L6OK",
                "tls13 up L6OK",
                "both up L6OK",
                "picky up L6OK alert 40",
                "nobody down L4CON connection refused (ECONNREFUSED)",
            ],
        );
    });
}

#[test]
fn echoes_of_both_families() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24", "fd00::1/64"]);
        let b = lab.node("b", &["10.0.0.2/24", "fd00::2/64"]);
        let _keeper = a.smena(&with_checks(&[
            ("v4", "ping = 10.0.0.2"),
            ("v6", "ping = fd00::2"),
            ("own", "ping = 127.0.0.1"),
            ("nobody", "ping = 10.0.0.77"),
            ("noway", "ping = 192.0.2.1"),
        ]));
        let noway = "noway down L4CON network is unreachable (ENETUNREACH)";
        let nobody = "nobody down L4TOUT";
        expect(
            &a,
            &["v4 up L4OK", "v6 up L4OK", "own up L4OK", nobody, noway],
        );
        b.machine().ip("link set eth0 down");
        expect(
            &a,
            &[
                "v4 down L4TOUT",
                "v6 down L4TOUT",
                "own up L4OK",
                nobody,
                noway,
            ],
        );
        b.machine().ip("link set eth0 up");
        b.machine().ip("-6 addr add fd00::2/64 dev eth0 nodad");
        expect(
            &a,
            &["v4 up L4OK", "v6 up L4OK", "own up L4OK", nobody, noway],
        );
    });
}

#[test]
fn a_number_in_a_file_is_the_operators_knob() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        lab.judge_later(&a);
        let knob = a.file("knob", "5\n");
        let more = format!(
            "track = knob\n[check knob]\nfile = {}\ninterval = 100ms",
            knob.display()
        );
        let _keeper = a.smena(&smena_ini(100, &more));
        expect_owner(lab, "a");
        let priority = || a.router("VI_01")["priority"].number();
        eventually(LIMIT, "5 are added", || priority() == Some(105));
        expect(&a, &["knob up holds 5"]);
        a.file("knob", "-50");
        eventually(LIMIT, "50 are taken away", || priority() == Some(50));
        expect(&a, &["knob up holds -50"]);
        a.file("knob", "on holiday");
        eventually(LIMIT, "nothing is", || priority() == Some(100));
        expect(&a, &["knob up is there"]);
        a.file("knob", "-254");
        a.wait_state("VI_01", "FAULT", LIMIT);
        a.file("knob", "0");
        expect_owner(lab, "a");
        fs::remove_file(&knob).expect("own file");
        a.wait_state("VI_01", "FAULT", LIMIT);
        expect(&a, &["knob down no such file (ENOENT)"]);
    });
}

/// A FIFO that nobody writes to, and one whose writer says nothing: looking at
/// them waits for nobody.
#[test]
fn files_that_are_none() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let fifo = a.folder().join("fifo");
        a.machine().tool("mkfifo", &fifo.display().to_string());
        let _keeper = a.smena(&with_checks(&[
            ("fifo", &format!("file = {}", fifo.display())),
            ("folder", "file = /run"),
            ("device", "file = /dev/null"),
            ("missing", "file = /run/not/there"),
            ("proc", "file = /proc/1/stat"),
        ]));
        expect(
            &a,
            &[
                "fifo up is there",
                "folder up is there",
                "device up is there",
                "missing down no such file (ENOENT)",
                "proc up is there",
            ],
        );
    });
}

#[test]
fn a_pidfile_of_a_zombie_is_of_nobody() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let pidfile = a.folder().join("pid");
        // Its parent never collects it.
        let script = a.script(
            "zombie.sh",
            &format!("sleep 1 & echo $! >{}; exec sleep 600", pidfile.display()),
        );
        let _parent = a.daemon("zombie", script.to_str().expect("ASCII path"), &[]);
        eventually(LIMIT, "the pidfile", || a.text("pid").ends_with('\n'));
        let pid = a.text("pid").trim().to_owned();
        let lines = format!("pidfile = {}", pidfile.display());
        let _keeper = a.smena(&with_checks(&[("pid", &lines)]));
        expect(&a, &[&format!("pid up runs: process {pid}")]);
        expect(&a, &[&format!("pid down gone: process {pid}")]);
        a.file("pid", "none\n");
        expect(&a, &["pid down holds no number"]);
    });
}

/// A link that goes is noticed before the next look is due, and one that comes
/// and goes in between does not count.
#[test]
fn an_interface_that_is_not_the_routers_own() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        a.machine().ip("link add up0 type veth peer name far0");
        a.machine().ip("link set up0 up");
        a.machine().ip("link set far0 up");
        let more = "track = uplink weight 10\ntrack = steady weight 20\n\
                    [check uplink]\ninterface = up0\ninterval = 1h\n\
                    [check steady]\ninterface = up0\ninterval = 1s\nfall = 3";
        let _keeper = a.smena(&smena_ini(100, more));
        expect_owner(lab, "a");
        let (up, down) = ("up up, with carrier", "down down, or without carrier");
        expect(&a, &[&format!("uplink {up}"), &format!("steady {up}")]);
        a.machine().ip("link set far0 down");
        eventually(Duration::from_secs(2), "one notices", || {
            checks(&a)[0] == format!("uplink {down}")
        });
        a.machine().ip("link set far0 up");
        let steady = || checks(&a)[1].starts_with("steady up");
        always(Duration::from_secs(2), "the other does not", steady);
        expect(&a, &[&format!("uplink {up}"), &format!("steady {up}")]);
        a.machine().ip("link del up0");
        expect(
            &a,
            &[
                "uplink down no such interface",
                "steady down no such interface",
            ],
        );
        assert_eq!(a.router("VI_01")["priority"].number(), Some(100));
        a.machine().ip("link add up0 type veth peer name far0");
        a.machine().ip("link set up0 up");
        a.machine().ip("link set far0 up");
        expect(&a, &[&format!("uplink {up}"), &format!("steady {up}")]);
    });
}
