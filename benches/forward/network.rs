//! The network: a client, a gateway and a server in namespaces of their own,
//! one cable between each two neighbours, and one past the gateway.
//!
//! ```text
//!   client 10.77.1.2 --- 10.77.1.1 gateway 10.77.2.1 --- 10.77.2.2, .3 server
//!   client 10.77.9.1 --------------------------------------- 10.77.9.2 server
//! ```

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::{Child, Command, Stdio};

use super::server;
use super::sys;
use crate::harness::{lan, machine::Machine};

/// Where contenders listen.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 1);
/// The servers that they spread connections over.
pub const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 2, 2), Ipv4Addr::new(10, 77, 2, 3)];
/// A server past all contenders.
pub const DIRECT: Ipv4Addr = Ipv4Addr::new(10, 77, 9, 2);

/// How packets look that the gateway gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Packets {
    /// As large as the kernel makes them within one machine: up to 64 KB.
    Large,
    /// As a network card would hand them over: the hosts send packets of the
    /// size of the MTU, and the gateway merges what comes in a row.
    Mtu,
}

/// The machines; gone when dropped.
pub struct Network {
    pub client: Machine,
    pub gateway: Machine,
    /// It lives as long as its network is needed.
    _server: Machine,
    serving: Child,
}

impl Network {
    /// Makes machines and cables and starts the server.
    pub fn new(packets: Packets) -> Network {
        let machine = |name| Machine::new_box(name).expect("namespaces for a machine");
        let [gateway, server] = ["gateway", "server"].map(machine);
        // What works in the client are threads of this process.
        let client = Machine::network("client").expect("namespaces for a machine");
        for machine in [&client, &gateway, &server] {
            // So that running out of ports does not decide the figures, and so
            // that no congestion control with a clock of its own does.
            machine.sysctl("net/ipv4/ip_local_port_range", "12000 65535");
            machine.sysctl("net/ipv4/tcp_tw_reuse", "1");
            machine.sysctl("net/ipv4/tcp_congestion_control", "reno");
            machine.sysctl("net/core/somaxconn", "4096");
        }
        gateway.sysctl("net/ipv4/ip_forward", "1");
        // Boxes do not know each other's processes, by which cables are laid; a
        // machine without a process has a thread to name it by.
        let plant = Machine::network("plant").expect("namespaces for a machine");
        let id = client.run(lan::thread_id);
        let [client_end, gateway_end, server_end] = [
            (&client, id),
            (&gateway, gateway.pid()),
            (&server, server.pid()),
        ];
        let cable = |a, b| cable(&plant, a, b);
        cable(
            (client_end, "near", "10.77.1.2"),
            (gateway_end, "clients", "10.77.1.1"),
        );
        cable(
            (gateway_end, "servers", "10.77.2.1"),
            (server_end, "near", "10.77.2.2"),
        );
        cable(
            (client_end, "past", "10.77.9.1"),
            (server_end, "past", "10.77.9.2"),
        );
        server.ip("address add 10.77.2.3/24 dev near");
        client.ip("route add default via 10.77.1.1");
        server.ip("route add default via 10.77.2.1");
        if packets == Packets::Mtu {
            // The receiving hosts merge too, as every host does.
            for (machine, card, sends) in [
                (&client, "near", true),
                (&server, "near", true),
                (&client, "past", true),
                (&server, "past", true),
                (&gateway, "clients", false),
                (&gateway, "servers", false),
            ] {
                offload(machine, card, GRO, true);
                if sends {
                    offload(machine, card, TSO, false);
                    offload(machine, card, GSO, false);
                }
            }
        }
        let mut command = Command::new(std::env::current_exe().expect("it has a path"));
        command.arg(server::WORD).stdin(Stdio::null());
        let serving = server.spawn(command).expect("the server starts");
        server::wait_until_served(&client, SocketAddrV4::new(DIRECT, server::ECHO));
        Network {
            client,
            gateway,
            _server: server,
            serving,
        }
    }

    /// The server's process.
    pub fn serving(&self) -> u32 {
        self.serving.id()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.serving.kill();
        let _ = self.serving.wait();
    }
}

/// One end of a cable: the machine with the id that the kernel knows it by, the
/// card and its address.
type End<'a> = ((&'a Machine, u32), &'a str, &'a str);

fn cable(plant: &Machine, a: End, b: End) {
    let ((_, id_a), card_a, _) = a;
    let ((_, id_b), card_b, _) = b;
    plant.ip(&format!(
        "link add {card_a} netns {id_a} type veth peer name {card_b} netns {id_b}"
    ));
    for ((machine, _), card, address) in [a, b] {
        machine.ip(&format!("address add {address}/24 dev {card}"));
        machine.ip(&format!("link set {card} up"));
    }
}

const TSO: u32 = 0x1f;
const GSO: u32 = 0x24;
const GRO: u32 = 0x2c;

fn offload(machine: &Machine, card: &str, request: u32, on: bool) {
    let card = card.to_owned();
    let set = machine.run(move || sys::set_offload(&card, request, on));
    set.expect("a veth card can do both");
}
