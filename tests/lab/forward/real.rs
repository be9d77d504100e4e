//! Servers and clients that people run, through the forwarder.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::Duration;

use super::super::harness::machine::Machine;
use super::super::harness::node::{Daemon, Node};
use super::super::harness::{Pace, eventually, scenario, skip};
use super::{LIMIT, SOON, boxes, counted, forward, listens};

/// Runs a client program to its end.
fn client(machine: &Machine, program: &str, words: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(words);
    machine.output(command).expect("it starts")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An nginx that says its name and writes down who asked; some of its ports
/// want the PROXY header.
fn nginx(servers: &Node, name: &str, address: &str) -> Daemon {
    let folder = servers.folder().display().to_string();
    let conf = servers.file(
        &format!("{name}.conf"),
        &format!(
            "daemon off;\npid {folder}/{name}.pid;\nerror_log {folder}/{name}.log;\n\
             worker_processes 1;\nuser root;\nevents {{ worker_connections 512; }}\nhttp {{\n\
             log_format who '$proxy_protocol_addr $remote_addr $request_uri';\n\
             access_log {folder}/{name}.access who;\n\
             server {{ listen {address}:80; location / {{ return 200 '{name}\\n'; }} }}\n\
             server {{ listen {address}:81 proxy_protocol; location / {{ return 200 '{name}\\n'; }} }}\n\
             }}\n"
        ),
    );
    let conf = conf.to_str().expect("ASCII path");
    let running = servers.daemon(name, "nginx", &["-c", conf]);
    wait_for(servers, &format!("{address}:81"));
    running
}

fn wait_for(servers: &Node, address: &str) {
    eventually(SOON, &format!("{address} is listened on"), || {
        listens(servers.machine(), address)
    });
}

#[test]
fn nginx_knows_the_client_by_either_proxy_header() {
    scenario(&["nginx", "curl"], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = nginx(&servers, "a", "10.0.1.11");
        let ini = "[service one]\nlisten = 10.0.0.1:8001\ncheck = none\n\
                   server = a 10.0.1.11:81 send-proxy\n\
                   [service two]\nlisten = 10.0.0.1:8002\nlisten = [fd00::1]:8002\ncheck = none\n\
                   server = a 10.0.1.11:81 send-proxy-v2\n\
                   [service none]\nlisten = 10.0.0.1:8003\ncheck = none\nserver = a 10.0.1.11:80\n";
        let _smena = forward(&gateway, ini, &["10.0.0.1:8003", "[fd00::1]:8002"]);
        for (url, line) in [
            ("http://10.0.0.1:8001/v1", "10.0.0.100 10.0.1.1 /v1"),
            ("http://10.0.0.1:8002/v2", "10.0.0.100 10.0.1.1 /v2"),
            ("http://[fd00::1]:8002/six", "fd00::100 10.0.1.1 /six"),
            ("http://10.0.0.1:8003/none", "- 10.0.1.1 /none"),
        ] {
            let output = client(lab.client_machine(), "curl", &["-sS", "-m", "10", url]);
            assert_eq!(text(&output), "a\n", "{url}");
            eventually(SOON, &format!("nginx writes {line:?}"), || {
                servers.text("a.access").lines().any(|l| l == line)
            });
        }
    });
}

#[test]
fn haproxy_stands_behind_and_beside() {
    scenario(&["haproxy", "nginx", "curl"], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = nginx(&servers, "a", "10.0.1.11");
        let _b = nginx(&servers, "b", "10.0.1.12");
        // Behind us it takes the header and adds the client for nginx to see;
        // beside us, on the same box, it serves what is not ours.
        let behind = servers.file(
            "behind.cfg",
            "defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n\
             listen web\n bind 10.0.1.13:80 accept-proxy\n option forwardfor\n\
             http-response set-header Seen %[src]\n server a 10.0.1.11:80\n",
        );
        let beside = gateway.file(
            "beside.cfg",
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n\
             listen web\n bind 10.0.0.1:8080\n server b 10.0.1.12:80\n",
        );
        let words = |file: &std::path::PathBuf| file.to_str().expect("ASCII path").to_owned();
        let _behind = servers.daemon("behind", "haproxy", &["-db", "-f", &words(&behind)]);
        let _beside = gateway.daemon("beside", "haproxy", &["-db", "-f", &words(&beside)]);
        wait_for(&servers, "10.0.1.13:80");
        let ini = "[service web]\nlisten = 10.0.0.1:80\n\
                   server = proxy 10.0.1.13:80 send-proxy-v2\ncheck = none\n";
        let _smena = forward(&gateway, ini, &["10.0.0.1:80"]);
        wait_for(&gateway, "10.0.0.1:8080");
        let machine = lab.client_machine();
        let seen = client(machine, "curl", &["-sSi", "-m", "10", "http://10.0.0.1/"]);
        let seen = text(&seen);
        assert!(
            seen.contains("seen: 10.0.0.100") && seen.ends_with("a\n"),
            "{seen}"
        );
        let other = client(
            machine,
            "curl",
            &["-sS", "-m", "10", "http://10.0.0.1:8080/"],
        );
        assert_eq!(text(&other), "b\n");
    });
}

#[test]
fn tls_of_both_versions_passes_and_is_checked() {
    scenario(&["openssl"], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let key = servers.folder().join("key.pem").display().to_string();
        let cert = servers.folder().join("cert.pem").display().to_string();
        let made = client(
            servers.machine(),
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=web.lab",
                "-keyout",
                &key,
                "-out",
                &cert,
            ],
        );
        assert!(made.status.success(), "{made:?}");
        let serve = |name: &str, address: &str, version: &str| {
            let words = ["s_server", "-accept", address, "-cert", &cert, "-key", &key];
            let words = [&words[..], &[version, "-www"]].concat();
            servers.daemon(name, "openssl", &words)
        };
        let _old = serve("tls12", "10.0.1.11:443", "-tls1_2");
        let _new = serve("tls13", "10.0.1.12:443", "-tls1_3");
        wait_for(&servers, "10.0.1.11:443");
        wait_for(&servers, "10.0.1.12:443");
        let ini = "[service old]\nlisten = 10.0.0.1:4432\nserver = a 10.0.1.11:443\n\
                   check = tls\ninter = 200ms\n\
                   [service new]\nlisten = 10.0.0.1:4433\nserver = b 10.0.1.12:443\n\
                   check = tls\ninter = 200ms\n";
        let _smena = forward(&gateway, ini, &["10.0.0.1:4432", "10.0.0.1:4433"]);
        for (address, version) in [("10.0.0.1:4432", "TLSv1.2"), ("10.0.0.1:4433", "TLSv1.3")] {
            let words = ["s_client", "-connect", address, "-brief"];
            let output = client(lab.client_machine(), "openssl", &words);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                told.contains(&format!("Protocol version: {version}")),
                "{told}"
            );
            assert!(told.contains("CN = web.lab"), "{told}");
        }
        eventually(SOON, "both servers are up by their hello", || {
            let status = gateway.status().1;
            ["old", "new"].into_iter().all(|name| {
                let server = &status["services"].named("name", name)["servers"].list()[0];
                server["state"].text() == "up" && server["check"].text() == "L6OK"
            })
        });
    });
}

#[test]
fn postgresql_works_through_it() {
    let Some(programs) = postgresql() else {
        return skip(
            "lab::forward::real::postgresql_works_through_it",
            "needs postgresql",
        );
    };
    scenario(&["psql", "runuser"], Pace::Shared, LIMIT, move |lab| {
        let (gateway, servers) = boxes(lab);
        let data = servers.folder().join("data");
        std::fs::create_dir(&data).expect("the lab's folder is writable");
        let machine = servers.machine();
        let data = data.display().to_string();
        machine.tool("chown", &format!("postgres {data}"));
        let own = Permissions::from_mode(0o755);
        std::fs::set_permissions(servers.folder(), own).expect("own folder");
        let init = format!(
            "-u postgres -- {programs}/initdb -D {data} -A trust -U lab --no-sync --no-locale -E UTF8"
        );
        machine.tool("runuser", &init);
        let hba = std::path::Path::new(&data).join("pg_hba.conf");
        std::fs::write(hba, "host all all 10.0.1.1/32 trust\n").expect("written by root");
        let program = format!("{programs}/postgres");
        let words = format!(
            "-u postgres -- {program} -D {data} -k {data} -h 10.0.1.11 -c fsync=off \
             -c shared_buffers=16MB"
        );
        let words: Vec<&str> = words.split_whitespace().collect();
        let _server = servers.daemon("postgres", "runuser", &words);
        wait_for(&servers, "10.0.1.11:5432");
        let ini = "[service db]\nlisten = 10.0.0.1:5432\nserver = a 10.0.1.11:5432\n\
                   timeout_client = 5m\ntimeout_server = 5m\n";
        let _smena = forward(&gateway, ini, &["10.0.0.1:5432"]);
        let ask = |machine: &Machine, query: &str| {
            let address = "host=10.0.0.1 user=lab dbname=postgres connect_timeout=10";
            let output = client(machine, "psql", &["-X", "-A", "-t", "-c", query, address]);
            text(&output).trim().to_owned()
        };
        let machine = lab.client_machine();
        eventually(Duration::from_secs(20), "the database is ready", || {
            let address = "host=10.0.0.1 user=lab dbname=postgres connect_timeout=10";
            client(machine, "psql", &["-X", "-c", "", address])
                .status
                .success()
        });
        // Some ten megabytes of rows, and their sum on both sides.
        ask(
            machine,
            "create table t as select n, md5(n::text) m from generate_series(1, 200000) n",
        );
        let there = ask(
            machine,
            "select md5(string_agg(m, chr(10) order by n)) from t",
        );
        let rows = ask(machine, "select m from t order by n");
        let local = ask(machine, "select count(*) from t");
        assert_eq!(local, rows.lines().count().to_string());
        let file = servers.file("rows", &rows);
        let summed = client(machine, "md5sum", &[file.to_str().expect("ASCII path")]);
        assert!(text(&summed).starts_with(&there), "{there}");
    });
}

/// Where Debian has the server's programs of whatever version it has.
fn postgresql() -> Option<String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.flatten().map(|version| version.path().join("bin"));
    let mut folders = folders.filter(|folder| folder.join("initdb").exists());
    Some(folders.next()?.display().to_string())
}

/// A number of a line such as `"bytes": 12,` behind a member of this name.
fn number_behind(json: &str, member: &str, name: &str) -> u64 {
    let rest = json.split(&format!("\"{member}\"")).nth(1);
    let rest = rest.and_then(|rest| rest.split(&format!("\"{name}\":")).nth(1));
    let digits = rest.map(|rest| rest.trim_start().split([',', '\n', '}']).next());
    let number = digits.flatten().and_then(|word| word.trim().parse().ok());
    number.unwrap_or_else(|| panic!("no {name} of {member} in {json}"))
}

#[test]
fn iperf3_measures_sixteen_streams_in_both_directions() {
    scenario(&["iperf3"], Pace::Alone, LIMIT, |lab| {
        const BYTES: u64 = 64 << 20;
        let (gateway, servers) = boxes(lab);
        let words = ["-s", "-B", "10.0.1.11", "-p", "5201"];
        let _server = servers.daemon("iperf3", "iperf3", &words);
        wait_for(&servers, "10.0.1.11:5201");
        let ini = "[service web]\nlisten = 10.0.0.1:5201\nserver = a 10.0.1.11:5201\n\
                   check = none\n";
        let _smena = forward(&gateway, ini, &["10.0.0.1:5201"]);
        let mut before = [0, 0];
        for back in [false, true] {
            let bytes = BYTES.to_string();
            let mut words = vec!["-c", "10.0.0.1", "-J", "-P", "16", "-n", &bytes];
            words.extend(back.then_some("-R"));
            let told = text(&client(lab.client_machine(), "iperf3", &words));
            eventually(SOON, "no session is left", || {
                counted(&gateway, "sessions") == 0
            });
            let sent = number_behind(&told, "sum_sent", "bytes");
            let received = number_behind(&told, "sum_received", "bytes");
            assert!(sent >= BYTES && received > 0, "{told}");
            assert!(!told.contains("\"error\""), "{told}");
            // What passed is what was sent, and some words about it. When it has
            // enough, the program leaves what is on the way.
            let passed = ["bytes_in", "bytes_out"].map(|name| counted(&gateway, name) as u64);
            let way = usize::from(back);
            let (passed, other) = (passed[way] - before[way], passed[1 - way] - before[1 - way]);
            assert!(passed >= received, "{passed} passed, {received} received");
            assert!(passed <= sent + 65_536, "{passed} passed, {sent} sent");
            assert!(other < 65_536, "{other} bytes the other way");
            before = ["bytes_in", "bytes_out"].map(|name| counted(&gateway, name) as u64);
        }
        assert_eq!(counted(&gateway, "sessions_total"), 2 * 17);
    });
}

/// What wrk says of errors: connections, reads, writes, timeouts.
fn errors(told: &str) -> [u64; 4] {
    let Some(line) = told.lines().find(|line| line.contains("Socket errors")) else {
        return [0; 4];
    };
    ["connect ", "read ", "write ", "timeout "].map(|name| {
        let rest = line.split(name).nth(1).unwrap_or_default();
        let digits = rest.split(',').next().unwrap_or_default();
        digits.trim().parse().expect("a number")
    })
}

#[test]
fn wrk_meets_no_error_while_a_server_is_changed_and_few_when_it_is_killed() {
    scenario(&["nginx", "wrk"], Pace::Alone, LIMIT, |lab| {
        const CONNECTIONS: u64 = 64;
        let (gateway, servers) = boxes(lab);
        let a = nginx(&servers, "a", "10.0.1.11");
        let _b = nginx(&servers, "b", "10.0.1.12");
        let ini = "[node]\nworkers = 2\n[service web]\nlisten = 10.0.0.1:80\ninter = 300ms\n\
                   server = a 10.0.1.11:80\nserver = b 10.0.1.12:80\n";
        let _smena = forward(&gateway, ini, &["10.0.0.1:80"]);
        let machine = lab.client_machine();
        let load = |meanwhile: &mut dyn FnMut()| {
            let words = [
                "-t1",
                "-c64",
                "-d4s",
                "-H",
                "Connection: close",
                "http://10.0.0.1/",
            ];
            let mut command = Command::new("wrk");
            command.args(words).stdout(std::process::Stdio::piped());
            let running = machine.spawn(command).expect("it starts");
            std::thread::sleep(Duration::from_millis(700));
            meanwhile();
            text(&running.wait_with_output().expect("it ends"))
        };
        let file = gateway.folder().join("smena.ini").display().to_string();
        let order = |word: &str| {
            let output = gateway.command(&[word, "web/a", "-c", &file]);
            assert!(output.status.success(), "{output:?}");
        };
        // Whoever is on it may end, and nobody comes.
        let mut a = Some(a);
        let told = load(&mut || {
            order("drain");
            eventually(SOON, "nobody is on it", || {
                let status = gateway.status().1;
                let servers = &status["services"].named("name", "web")["servers"];
                servers.named("name", "a")["sessions"].number() == Some(0)
            });
            a = None;
            a = Some(nginx(&servers, "a", "10.0.1.11"));
            order("ready");
        });
        assert_eq!(errors(&told), [0; 4], "{told}");
        assert!(told.contains("requests in"), "{told}");
        // Who was on it as it died meets that, once each, and nobody else.
        let told = load(&mut || {
            a = None;
            std::thread::sleep(Duration::from_millis(500));
            a = Some(nginx(&servers, "a", "10.0.1.11"));
        });
        let [connect, read, write, timeout] = errors(&told);
        assert_eq!([connect, timeout], [0; 2], "{told}");
        assert!(read + write <= CONNECTIONS, "{told}");
    });
}

#[test]
fn servers_see_the_clients_own_address() {
    scenario(&["nginx", "curl", "nft"], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let _a = nginx(&servers, "a", "10.0.1.11");
        // What the manual page tells to set: answers to clients are ours.
        let machine = gateway.machine();
        machine.ip("rule add fwmark 1 lookup 100");
        machine.ip("route add local 0.0.0.0/0 dev lo table 100");
        for line in [
            "add table inet lab",
            "add chain inet lab in { type filter hook prerouting priority mangle ; }",
            "add rule inet lab in meta l4proto tcp socket transparent 1 meta mark set 1",
        ] {
            machine.tool("nft", line);
        }
        let ini = "[service web]\nlisten = 10.0.0.1:80\nserver = a 10.0.1.11:80\n\
                   source = client\ncheck = none\n";
        let _smena = forward(&gateway, ini, &["10.0.0.1:80"]);
        for round in 0..3 {
            let url = format!("http://10.0.0.1/{round}");
            let output = client(lab.client_machine(), "curl", &["-sS", "-m", "10", &url]);
            assert_eq!(text(&output), "a\n");
        }
        eventually(SOON, "nginx writes the client's address", || {
            servers
                .text("a.access")
                .lines()
                .any(|l| l == "- 10.0.0.100 /2")
        });
    });
}
