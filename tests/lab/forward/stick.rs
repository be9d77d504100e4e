//! Clients that come back to the server they had, over several workers.

use std::process::Command;

use super::super::harness::machine::Machine;
use super::super::harness::{Pace, eventually, scenario};
use super::{LIMIT, SOON, boxes, forward, listens};

/// What `openssl` says, whether or not it likes the certificate.
fn openssl(machine: &Machine, words: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(words);
    let output = machine.output(command).expect("it starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Each of three servers knows only the sessions that it began itself, and each
/// session is resumed often enough that luck would not do.
#[test]
fn tls_sessions_are_resumed_where_they_began() {
    scenario(&["openssl"], Pace::Shared, LIMIT, |lab| {
        let (gateway, servers) = boxes(lab);
        let path = |name: &str| servers.folder().join(name).display().to_string();
        let (key, cert) = (path("key.pem"), path("cert.pem"));
        let made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
                    -subj /CN=web.lab -keyout";
        let words: Vec<&str> = made.split_whitespace().collect();
        openssl(
            servers.machine(),
            &[&words[..], &[&key, "-out", &cert]].concat(),
        );
        let addresses = ["10.0.1.11:443", "10.0.1.12:443", "10.0.1.13:443"];
        let _running = addresses.map(|address| {
            let words = ["s_server", "-accept", address, "-cert", &cert, "-key", &key];
            let more = ["-tls1_2", "-no_ticket", "-www"];
            let name = address.replace(':', "-");
            servers.daemon(&name, "openssl", &[&words[..], &more].concat())
        });
        for address in addresses {
            eventually(SOON, &format!("{address} is listened on"), || {
                listens(servers.machine(), address)
            });
        }
        let ini = "[node]\nworkers = 2\n[service web]\nlisten = 10.0.0.1:443\n\
                   server = a 10.0.1.11:443\nserver = b 10.0.1.12:443\nserver = c 10.0.1.13:443\n\
                   stick = tls-session-id\ncheck = none\n";
        let _smena = forward(&gateway, ini, &["10.0.0.1:443"]);
        let client = lab.client_machine();
        for number in 0..3 {
            let session = path(&format!("session-{number}"));
            let ask = |way: &str| {
                let words = ["s_client", "-connect", "10.0.0.1:443", "-tls1_2"];
                openssl(
                    client,
                    &[&words[..], &["-no_ticket", way, &session]].concat(),
                )
            };
            let said = ask("-sess_out");
            assert!(said.contains("New, TLSv1.2"), "{said}");
            for _ in 0..4 {
                let said = ask("-sess_in");
                assert!(said.contains("Reused, TLSv1.2"), "{said}");
            }
        }
    });
}
