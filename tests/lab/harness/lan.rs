//! The cable plant: one switch, and a cable from each of its ports to a network
//! card of a machine. Cables are cut on the switch's side, as a person would.

use std::io;
use std::process::Command;
use std::time::Duration;

use super::machine::Machine;

/// A bridge in a machine of its own.
pub struct Switch {
    machine: Machine,
    ports: Vec<String>,
}

impl Switch {
    /// A switch without cables.
    pub fn new() -> io::Result<Switch> {
        let machine = Machine::network("switch")?;
        // Snooping would ask a querier that this network does not have.
        machine.ip("link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0");
        machine.ip("link set br0 up");
        Ok(Switch {
            machine,
            ports: Vec::new(),
        })
    }

    /// The machine that it is.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Lays a cable to a new network card of a machine without processes.
    pub fn cable_to_network(&mut self, machine: &Machine, card: &str, addresses: &[&str]) {
        // The new card is made from inside and its other end handed to the
        // switch, because a machine without a process has no id to name it by.
        let port = port_name(machine, card);
        let thread = self.machine.run(thread_id);
        machine.ip(&format!(
            "link add {card} type veth peer name {port} netns {thread}"
        ));
        self.plug(machine, &port, card, addresses);
        super::eventually(Duration::from_secs(5), "the port forwards", || {
            let shown = self.machine.ip(&format!("-d link show {port}"));
            shown.contains("state forwarding")
        });
    }

    /// Lays a cable to a new network card of a box.
    pub fn cable(&mut self, machine: &Machine, card: &str, addresses: &[&str]) {
        let port = port_name(machine, card);
        self.machine.ip(&format!(
            "link add {port} type veth peer name {card} netns {}",
            machine.pid()
        ));
        self.plug(machine, &port, card, addresses);
    }

    fn plug(&mut self, machine: &Machine, port: &str, card: &str, addresses: &[&str]) {
        self.machine.ip(&format!("link set {port} master br0 up"));
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            machine.ip(&format!("address add {address} dev {card}{nodad}"));
        }
        machine.ip(&format!("link set {card} up"));
        self.ports.push(port.to_owned());
    }

    /// Takes the network card of a box out of it, cable and all.
    pub fn remove(&mut self, machine: &Machine, card: &str) {
        let port = port_name(machine, card);
        self.machine.ip(&format!("link del {port}"));
        self.ports.retain(|p| *p != port);
    }

    /// Cuts the cable: the card loses its carrier.
    pub fn cut(&self, machine: &Machine, card: &str) {
        let port = port_name(machine, card);
        // The bridge stops both directions at one moment. The card's end takes
        // some milliseconds, in which it hears nothing but is still heard.
        self.machine
            .ip(&format!("link set {port} type bridge_slave state 0"));
        self.machine.ip(&format!("link set {port} down"));
    }

    /// Mends the cable.
    pub fn mend(&self, machine: &Machine, card: &str) {
        let port = port_name(machine, card);
        self.machine.ip(&format!("link set {port} up"));
    }

    /// From here on nothing that the card sends arrives anywhere, while it
    /// still hears all: the one-way fault that no carrier shows.
    pub fn mute(&self, machine: &Machine, card: &str) {
        self.fault(&format!("iifname {} drop", port_name(machine, card)));
    }

    /// From here on the card hears nothing, while it is still heard.
    pub fn deafen(&self, machine: &Machine, card: &str) {
        self.fault(&format!("oifname {} drop", port_name(machine, card)));
    }

    /// From here on the card is alone, and no carrier shows it.
    pub fn isolate(&self, machine: &Machine, card: &str) {
        self.mute(machine, card);
        self.deafen(machine, card);
    }

    /// From here on so many frames of a hundred are lost on each way through
    /// the switch.
    pub fn lose(&self, percent: u8) {
        self.fault(&format!("numgen random mod 100 < {percent} drop"));
    }

    /// From here on all that one card sends arrives at another one twice.
    pub fn double(&self, from: (&Machine, &str), to: (&Machine, &str)) {
        let (from, to) = (port_name(from.0, from.1), port_name(to.0, to.1));
        self.nft("add table netdev lab");
        self.nft(&format!(
            "add chain netdev lab {from} {{ type filter hook ingress device {from} priority 0 ; }}"
        ));
        self.nft(&format!("add rule netdev lab {from} dup to {to}"));
    }

    /// Takes all faults away that no carrier shows.
    pub fn heal(&self) {
        // A table that is not there may be added, not deleted.
        for family in ["bridge", "netdev"] {
            self.nft(&format!("add table {family} lab"));
            self.nft(&format!("delete table {family} lab"));
        }
    }

    fn fault(&self, rule: &str) {
        self.nft("add table bridge lab");
        self.nft("add chain bridge lab forward { type filter hook forward priority 0 ; }");
        self.nft(&format!("add rule bridge lab forward {rule}"));
    }

    fn nft(&self, line: &str) {
        let mut command = Command::new("nft");
        command.arg(line);
        let output = self.machine.output(command).expect("nft starts");
        assert!(
            output.status.success(),
            "nft {line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// The port's name says whose card it serves; at most 15 bytes.
fn port_name(machine: &Machine, card: &str) -> String {
    format!("{}-{card}", machine.name())
}

/// The calling thread's id, by which the kernel finds its network.
pub fn thread_id() -> u32 {
    std::fs::read_link("/proc/thread-self")
        .ok()
        .and_then(|path| path.file_name()?.to_str()?.parse().ok())
        .expect("/proc/thread-self names a thread")
}
