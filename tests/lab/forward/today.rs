//! What two gateways carry with haproxy today, by the files that they would
//! have.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::super::harness::machine::Machine;
use super::super::harness::node::{Daemon, Node};
use super::super::harness::streams::{Server, dial};
use super::super::harness::{Lab, Pace, eventually, scenario};
use super::{LIMIT, SOON, forward, listens};

const OPENUDS: &str = include_str!("../../data/config/openuds-forward.ini");
const EXCHANGE: &str = include_str!("../../data/config/exchange-forward.ini");

/// The gateway between clients in 10.0.0.0/24 and these servers in
/// 192.168.0.0/24.
fn boxes(lab: &mut Lab, servers: &[&str]) -> (Node, Node) {
    let gateway = lab.node("g", &["10.0.0.1/24"]);
    gateway.plug(&mut lab.switch, "eth1", &["192.168.0.1/24"]);
    (gateway, lab.node("s", servers))
}

/// A broker: it reads the header and tells who the client is.
fn broker(mut stream: &TcpStream) {
    let mut header = [0; 28];
    if stream.read_exact(&mut header).is_err() {
        // A look at its health ends without a word.
        return;
    }
    assert_eq!(&header[..12], b"\r\n\r\n\0\r\nQUIT\n");
    assert_eq!(
        header[12..16],
        [0x21, 0x11, 0, 12],
        "PROXY, TCP over IPv4, 12 bytes"
    );
    let [a, b, c, d] = header[16..20] else {
        unreachable!("four bytes")
    };
    let _ = stream.write_all(format!("{a}.{b}.{c}.{d}").as_bytes());
}

fn ask(machine: &Machine, port: u16) -> String {
    let address = SocketAddr::from(([10, 0, 0, 1], port));
    let mut answer = [0; 64];
    let read = dial(machine, address).and_then(|mut stream| stream.read(&mut answer));
    let length = read.expect("an answer");
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[test]
fn gateway_of_virtual_desktops() {
    scenario(&[], Pace::Shared, LIMIT, |lab| {
        let addresses = [85, 86, 87, 88].map(|n| format!("192.168.0.{n}/24"));
        let addresses = addresses.each_ref().map(String::as_str);
        let (gateway, servers) = boxes(lab, &addresses);
        let machine = servers.machine();
        let mut running = Vec::new();
        for address in [
            "192.168.0.85:80",
            "192.168.0.86:80",
            "192.168.0.85:443",
            "192.168.0.86:443",
        ] {
            running.push(Server::start(machine, address, broker));
        }
        for (address, name) in [
            ("192.168.0.87:443", "a"),
            ("192.168.0.88:443", "b"),
            ("192.168.0.87:8080", "c"),
            ("192.168.0.88:8080", "d"),
        ] {
            running.push(Server::echo(machine, address, name));
        }
        let listeners = ["0.0.0.0:80", "0.0.0.0:443", "0.0.0.0:1443", "0.0.0.0:10443"];
        let _smena = forward(&gateway, OPENUDS, &listeners);
        let client = lab.client_machine();
        for port in [80, 443, 80, 443] {
            assert_eq!(ask(client, port), "10.0.0.100");
        }
        let tunnels: Vec<String> = (0..8).map(|_| ask(client, 1443)).collect();
        let on_a = tunnels.iter().filter(|name| *name == "a").count();
        assert_eq!(on_a, 4, "{tunnels:?}");
        let first = ask(client, 10443);
        assert!(first == "c" || first == "d");
        for _ in 0..8 {
            assert_eq!(ask(client, 10443), first);
        }
    });
}

/// A mail server that ends TLS and remembers sessions by their id.
fn mail(servers: &Node, name: &str, address: &str) -> Daemon {
    let file = |suffix: &str| servers.folder().join(format!("{name}.{suffix}"));
    let (key, cert) = (file("key"), file("cert"));
    let words = |path: &Path| path.to_str().expect("ASCII path").to_owned();
    let (key, cert) = (words(&key), words(&cert));
    let subject = format!("/CN={name}");
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]);
    command.args([
        "-nodes", "-days", "2", "-subj", &subject, "-keyout", &key, "-out", &cert,
    ]);
    let made = servers.machine().output(command).expect("openssl starts");
    assert!(made.status.success(), "{made:?}");
    // -WWW gives files of the folder, so the page is one.
    servers.file(&format!("{name}/ews/healthcheck.htm"), "200 OK");
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", address, "-cert", &cert, "-key", &key]);
    command.args(["-tls1_2", "-no_ticket", "-WWW"]);
    command.current_dir(servers.folder().join(name));
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    let running = servers.start(command, file("log"));
    eventually(SOON, "the mail server listens", || {
        listens(servers.machine(), address)
    });
    running
}

/// One TLS connection with these words more: whose certificate, and whether the
/// session went on.
fn session(machine: &Machine, more: &[&str]) -> (String, bool) {
    let mut command = Command::new("openssl");
    command.args([
        "s_client",
        "-connect",
        "10.0.0.1:443",
        "-tls1_2",
        "-no_ticket",
    ]);
    command.args(more);
    let output = machine.output(command).expect("openssl starts");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let name = ["exch1", "exch2"]
        .into_iter()
        .find(|name| told.contains(&format!("CN = {name}")));
    let name = name.unwrap_or_else(|| panic!("{output:?}")).to_owned();
    (name, told.contains("\nReused, "))
}

#[test]
fn gateway_of_mail_servers() {
    scenario(&["openssl", "curl"], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab, &["192.168.0.91/24", "192.168.0.92/24"]);
        let _one = mail(&servers, "exch1", "192.168.0.91:443");
        let two = mail(&servers, "exch2", "192.168.0.92:443");
        let _smena = forward(&gateway, EXCHANGE, &["0.0.0.0:443"]);
        let state = |name: &str| {
            let status = gateway.status().1;
            let servers = &status["services"].named("name", "mail")["servers"];
            servers.named("name", name)["state"].text().to_owned()
        };
        eventually(SOON, "both servers give their page", || {
            state("exch1") == "up" && state("exch2") == "up"
        });
        let client = lab.client_machine();
        let file = servers.folder().join("session").display().to_string();
        let (first, reused) = session(client, &["-sess_out", &file]);
        assert!(!reused);
        for _ in 0..6 {
            // Others come in between, and the turn goes on.
            let (other, _) = session(client, &[]);
            let (again, reused) = session(client, &["-sess_in", &file]);
            assert_eq!(again, first, "after one came to {other}");
            assert!(reused, "the server knew the session");
        }
        drop(two);
        eventually(Duration::from_secs(30), "exch2 is down", || {
            state("exch2") == "down"
        });
        for _ in 0..4 {
            assert_eq!(session(client, &[]).0, "exch1");
        }
    });
}
