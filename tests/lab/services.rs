//! Services as their users see them: servers that die and return, orders, and
//! routers that follow a service. The servers say their name to whoever connects.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::harness::json::Json;
use super::harness::machine::Machine;
use super::harness::node::{Daemon, Node};
use super::harness::streams::stop_listening;
use super::harness::{Lab, Pace, always, eventually, scenario, sys};
use super::pair::{LIMIT, VIP, expect_owner, smena_ini};

const MINUTE: Duration = Duration::from_secs(60);
const QUICK: Duration = Duration::from_secs(5);

/// A server that says its name and keeps the connection until it is killed.
struct Server {
    dead: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(machine: &Machine, address: &str, name: &'static str) -> Server {
        let address: SocketAddr = address.parse().expect("an address");
        let listener = machine.run(move || TcpListener::bind(address));
        let listener = listener.expect("a free port");
        listener.set_nonblocking(true).expect("own socket");
        let dead = Arc::new(AtomicBool::new(false));
        let told = dead.clone();
        let serve = move || {
            let mut streams = Vec::new();
            while !told.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((mut stream, _)) => {
                        let _ = stream.write_all(name.as_bytes());
                        streams.push(stream);
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
            stop_listening(listener);
        };
        Server {
            dead,
            thread: Some(std::thread::spawn(serve)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.dead.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A session through a box, and the name of the server it got.
fn session(lab: &mut Lab, to: &str) -> Option<(TcpStream, String)> {
    let to: SocketAddr = to.parse().expect("an address");
    lab.client_machine().run(move || {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(2)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let mut name = [0; 2];
        stream.read_exact(&mut name).ok()?;
        Some((stream, String::from_utf8_lossy(&name).into_owned()))
    })
}

/// The servers that so many sessions get, one after the other.
fn served(lab: &mut Lab, to: &str, times: usize) -> Vec<String> {
    let one = |_| match session(lab, to) {
        Some((_, name)) => name,
        None => "-".to_owned(),
    };
    (0..times).map(one).collect()
}

/// What status says of a server.
fn server(node: &Node, name: &str) -> Json {
    let status = node.status().1;
    let service = status["services"].named("name", "web");
    service["servers"].named("name", name).clone()
}

fn wait_server(node: &Node, name: &str, state: &str) {
    eventually(QUICK, &format!("{name} is {state}"), || {
        server(node, name)["state"].text() == state
    });
}

/// Runs a command of smena on a box: its exit code and all it says.
fn order(node: &Node, words: &[&str]) -> (Option<i32>, String) {
    let output = node.command(words);
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// A service of two servers on a box beside.
const WEB: &str = "\
[service web]
listen = *:443
server = s1 10.0.0.11:80
server = s2 10.0.0.12:80
inter = 200ms
fall = 2
";

const TO: &str = "10.0.0.1:443";

fn farm(lab: &mut Lab) -> Node {
    lab.node("farm", &["10.0.0.11/24", "10.0.0.12/24"])
}

/// A box that runs [`WEB`], or what it was made of, with both servers up.
struct Web {
    farm: Node,
    a: Node,
    keeper: Daemon,
    s1: Server,
    _s2: Server,
}

fn served_by_two(lab: &mut Lab, web: &str) -> Web {
    let (farm, a) = (farm(lab), lab.node("a", &["10.0.0.1/24"]));
    let s1 = Server::start(farm.machine(), "10.0.0.11:80", "s1");
    let _s2 = Server::start(farm.machine(), "10.0.0.12:80", "s2");
    let keeper = a.smena(web);
    wait_server(&a, "s1", "up");
    wait_server(&a, "s2", "up");
    Web {
        farm,
        a,
        keeper,
        s1,
        _s2,
    }
}

#[test]
fn a_server_that_dies_costs_no_session_and_comes_back() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let two = served_by_two(lab, WEB);
        let a = &two.a;
        assert_eq!(a.status().0, Some(0));
        let both = served(lab, TO, 10);
        for name in ["s1", "s2"] {
            assert_eq!(both.iter().filter(|s| *s == name).count(), 5, "{both:?}");
        }
        drop(two.s1);
        // Whoever meets it now is taken to the other one.
        assert_eq!(served(lab, TO, 10), ["s2"; 10]);
        wait_server(a, "s1", "down");
        assert_eq!(a.status().0, Some(1));
        assert_eq!(server(a, "s1")["check"].text(), "L4CON");
        two.keeper.wait_log("server web/s1: up..down", QUICK);
        let _s1 = Server::start(two.farm.machine(), "10.0.0.11:80", "s1");
        wait_server(a, "s1", "up");
        assert!(served(lab, TO, 4).contains(&"s1".to_owned()));
        assert_eq!(server(a, "s1")["check"].text(), "L4OK");
        let why = order(a, &["why", "web/s1", "-c", &ini(a)]);
        assert_eq!(why.0, Some(0));
        assert!(
            why.1.contains("it is up and gets new sessions"),
            "{}",
            why.1
        );
    });
}

/// No look at a server is due for a minute: its refusals tell.
#[test]
fn sessions_that_are_refused_tell_before_the_next_check() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let two = served_by_two(lab, &WEB.replace("200ms", "60s"));
        let a = &two.a;
        drop(two.s1);
        assert_eq!(served(lab, TO, 10), ["s2"; 10]);
        wait_server(a, "s1", "down");
        let last = server(a, "s1")["last"].text().to_owned();
        assert_eq!(last, "L4CON a session was refused");
        assert_eq!(server(a, "s1")["refused"].number(), Some(2));
    });
}

fn ini(node: &Node) -> String {
    node.folder().join("smena.ini").display().to_string()
}

#[test]
fn with_no_server_left_clients_are_refused_at_once() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (farm, a) = (farm(lab), lab.node("a", &["10.0.0.1/24"]));
        let keeper = a.smena(WEB);
        keeper.wait_log("service web: no server is left", QUICK);
        eventually(QUICK, "clients are refused", || {
            lab.client_machine().run(|| {
                let to = TO.parse().expect("an address");
                let refused = TcpStream::connect_timeout(&to, Duration::from_secs(2));
                refused.is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
            })
        });
        let _s2 = Server::start(farm.machine(), "10.0.0.12:80", "s2");
        keeper.wait_log("service web: serves again", QUICK);
        eventually(QUICK, "it serves", || served(lab, TO, 1) == ["s2"]);
    });
}

#[test]
fn a_drained_server_keeps_its_sessions_and_gets_no_new_one() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let two = served_by_two(lab, WEB);
        let a = &two.a;
        let held: Vec<_> = (0..4).filter_map(|_| session(lab, TO)).collect();
        assert_eq!(server(a, "s1")["sessions"].number(), Some(2));
        let file = ini(a);
        let (code, said) = order(a, &["drain", "web/s1", "-c", &file]);
        assert_eq!(
            (code, said.as_str()),
            (Some(0), "web/s1: drain, 2 sessions\n")
        );
        assert_eq!(served(lab, TO, 6), ["s2"; 6]);
        // A worker that dies takes its sessions along, and no order.
        let worker = two.keeper.pids().into_iter().find(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.starts_with("smena: forward"))
        });
        sys::kill(worker.expect("a worker"), sys::SIGKILL).expect("it is there");
        eventually(QUICK, "sessions are gone", || {
            server(a, "s1")["sessions"].number() == Some(0)
        });
        drop(held);
        eventually(QUICK, "another worker serves", || {
            served(lab, TO, 1) == ["s2"]
        });
        assert_eq!(served(lab, TO, 6), ["s2"; 6]);
        assert_eq!(server(a, "s1")["state"].text(), "drain");
        let (code, said) = order(a, &["ready", "web/s1", "-c", &file]);
        assert_eq!((code, said.as_str()), (Some(0), "web/s1: up, 0 sessions\n"));
        assert!(served(lab, TO, 4).contains(&"s1".to_owned()));
        let (code, said) = order(a, &["drain", "web/s3", "-c", &file]);
        assert_eq!(code, Some(2));
        assert!(
            said.contains("service web has no server `s3`; did you mean `s"),
            "{said}"
        );
    });
}

#[test]
fn sessions_of_a_server_in_maintenance_are_cut() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let two = served_by_two(lab, WEB);
        let a = &two.a;
        let held: Vec<_> = (0..4).filter_map(|_| session(lab, TO)).collect();
        let (code, said) = order(a, &["maint", "web/s1", "-c", &ini(a)]);
        assert_eq!(code, Some(0), "{said}");
        eventually(QUICK, "its sessions are gone", || {
            server(a, "s1")["sessions"].number() == Some(0)
        });
        for (mut stream, name) in held {
            let short = Duration::from_millis(300);
            stream.set_read_timeout(Some(short)).expect("own socket");
            let ended = match stream.read(&mut [0; 1]) {
                Ok(0) => true,
                Err(e) => !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                Ok(_) => false,
            };
            assert_eq!(ended, name == "s1", "a session of {name}");
        }
        assert_eq!(served(lab, TO, 4), ["s2"; 4]);
    });
}

#[test]
fn haproxys_words_are_understood_on_the_control_socket() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let two = served_by_two(lab, WEB);
        let a = &two.a;
        let say = |line: &'static str| {
            a.machine().run(move || {
                let mut socket = UnixStream::connect("/run/smena.sock").expect("it listens");
                socket.write_all(line.as_bytes()).expect("it reads");
                let mut said = String::new();
                socket.read_to_string(&mut said).expect("it answers");
                said
            })
        };
        assert_eq!(say("set server web/s1 state maint\n"), "\n");
        assert_eq!(server(a, "s1")["state"].text(), "maint");
        assert_eq!(
            say("set server web/s9 state maint\n"),
            "No such server.\n\n"
        );
        assert_eq!(say("set server web/s2 weight 7\n"), "\n");
        assert_eq!(server(a, "s2")["weight"].number(), Some(7));
        let stat = say("show stat\n");
        let line = stat.lines().find(|line| line.starts_with("web,s1,"));
        assert!(line.is_some_and(|line| line.contains(",MAINT,")), "{stat}");
        assert!(say("show info\n").contains("\nUptime_sec: "));
        let said = say("show sess\n");
        assert!(said.starts_with("smena 2 "), "{said}");
        assert!(
            said.contains("error: `show sess` is not known; what is: `status`, "),
            "{said}"
        );
        assert_eq!(say("set server web/s1 state ready\n"), "\n");
        wait_server(a, "s1", "up");
    });
}

#[test]
fn the_address_goes_to_the_node_that_has_a_server() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let farm = farm(lab);
        let a = lab.node("a", &["10.0.0.1/24"]);
        let b = lab.node("b", &["10.0.0.2/24"]);
        let s1 = Server::start(farm.machine(), "10.0.0.11:80", "s1");
        let _s2 = Server::start(farm.machine(), "10.0.0.12:80", "s2");
        let own = |server: &str| {
            format!(
                "track = service web\n[service web]\nlisten = *:443\nserver = {server}:80\ninter = 200ms\nfall = 2\n"
            )
        };
        let _a = a.smena(&smena_ini(101, &own("s1 10.0.0.11")));
        let _b = b.smena(&smena_ini(100, &own("s2 10.0.0.12")));
        expect_owner(lab, "a");
        let vip = format!("{VIP}:443");
        eventually(QUICK, "a serves", || served(lab, &vip, 1) == ["s1"]);
        drop(s1);
        expect_owner(lab, "b");
        a.wait_state("VI_01", "FAULT", LIMIT);
        let reason = a.router("VI_01");
        assert_eq!(reason["reason"].text(), "service web has no server");
        eventually(QUICK, "b serves", || served(lab, &vip, 1) == ["s2"]);
        let _s1 = Server::start(farm.machine(), "10.0.0.11:80", "s1");
        expect_owner(lab, "a");
        eventually(QUICK, "a serves again", || served(lab, &vip, 1) == ["s1"]);
    });
}

#[test]
fn a_command_looks_at_servers_whose_address_it_is_told() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let (farm, a) = (farm(lab), lab.node("a", &["10.0.0.1/24"]));
        let _s1 = Server::start(farm.machine(), "10.0.0.11:80", "s1");
        let look = a.script(
            "look.sh",
            "echo \"at $SMENA_SERVER_ADDRESS $SMENA_SERVER_PORT\"\n\
             test $SMENA_SERVER_ADDRESS = 10.0.0.11",
        );
        let check = format!("{WEB}check = exec {}\n", look.display());
        let keeper = a.smena(&check);
        wait_server(&a, "s1", "up");
        wait_server(&a, "s2", "down");
        assert_eq!(server(&a, "s1")["check"].text(), "PROCOK");
        assert_eq!(server(&a, "s2")["check"].text(), "PROCERR");
        keeper.wait_log("server web/s2: at 10.0.0.12 80", QUICK);
        always(Duration::from_millis(500), "s1 alone serves", || {
            served(lab, TO, 1) == ["s1"]
        });
    });
}

#[test]
fn a_service_that_leads_to_itself_is_told_before_anything_starts() {
    scenario(&[], Pace::Shared, MINUTE, |lab| {
        let a = lab.node("a", &["10.0.0.1/24"]);
        let text = "[service web]\nlisten = *:443\nserver = s1 127.0.0.1\n";
        let file = a.file("loop.ini", text).display().to_string();
        for command in ["check", "run"] {
            let (code, said) = order(&a, &[command, "-c", &file]);
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains("is smena itself, by line 2"), "{said}");
        }
    });
}
