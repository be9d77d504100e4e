//! What an administrator says about servers, by a command or in HAProxy's words:
//! the event that it is, and the answer. Pure reading: whoever drives the node
//! delivers the event first, and then answers.

use core::fmt::{self, Write};

use super::View;
use super::service::{counts, is_called};
use super::text::Printable;
use crate::config::{Config, nearest};
use crate::event::{Admin, Event, ServerId};
use crate::node::Node;
use crate::say::{Number, Plain, cut, decimal};

/// The words of the orders, which are also those of the states they ask for.
const ADMINS: [Admin; 3] = [Admin::Ready, Admin::Drain, Admin::Maint];

/// The heaviest that a server can be.
const WEIGHT_MAX: u32 = 256;

/// What a line is.
#[derive(Clone, Copy, Debug)]
pub enum Order<'l> {
    /// `drain NAME` and the like.
    Ours(Admin, &'l str),
    /// `set server NAME WHAT`, the answer to which is not ours.
    Theirs(&'l str, &'l str),
}

impl<'l> Order<'l> {
    /// Reads a line; `None`: it is no order.
    pub fn read(line: &'l str) -> Option<Order<'l>> {
        let (word, rest) = cut(line, b' ')?;
        if let Some(admin) = ADMINS.iter().find(|admin| admin.name() == word) {
            return Some(Order::Ours(*admin, rest));
        }
        let rest = line.strip_prefix("set server ")?;
        let (name, what) = cut(rest, b' ').unwrap_or((rest, ""));
        Some(Order::Theirs(name, what))
    }

    /// What is to be told to the node; `None`: nothing, and the answer says why.
    pub fn event(&self, config: &Config<'_>) -> Option<Event<'static>> {
        match *self {
            Order::Ours(admin, name) => Some(Event::Order(find(config, name)?, admin)),
            Order::Theirs(name, what) => {
                let id = find(config, name)?;
                let (key, value) = cut(what, b' ')?;
                match key {
                    "state" => {
                        let mut admins = ADMINS.iter();
                        let admin = admins.find(|admin| admin.name() == value)?;
                        Some(Event::Order(id, *admin))
                    }
                    "weight" => {
                        let weight = decimal(value.as_bytes())?;
                        let fits = weight <= WEIGHT_MAX;
                        fits.then_some(Event::Weight(id, weight as u16))
                    }
                    _ => None,
                }
            }
        }
    }
}

/// The server that is called SERVICE/SERVER.
fn find(config: &Config<'_>, name: &str) -> Option<ServerId> {
    let mut ids = (0..config.servers.len() as u8).map(ServerId);
    ids.find(|id| name.contains('/') && is_called(config, *id, name))
}

/// Writes the answer to an order of ours that was carried out, or why it was
/// not; says which. The exit code of the command is 0 or 2.
pub fn ordered(node: &Node<'_>, view: &View<'_>, name: &str, out: &mut dyn Write) -> fmt::Result {
    let config = node.config();
    if let Some(id) = find(config, name) {
        let server = &node.servers()[usize::from(id.0)];
        let sessions = Number(counts(view, id).sessions.into());
        let state = Plain(server.state().name());
        return writeln!(
            out,
            "{}: {state}, {sessions} sessions",
            node.server_name(id)
        );
    }
    let shown = Printable(name);
    let services = &mut config.services.iter().map(|service| service.name);
    let Some((service, server)) = cut(name, b'/') else {
        write!(out, "error: `{shown}` is not SERVICE/SERVER")?;
        let mut ids = (0..config.servers.len() as u8).map(ServerId);
        return match ids.find(|id| is_called(config, *id, name)) {
            Some(id) => writeln!(out, "; did you mean `{}`?", node.server_name(id)),
            None => writeln!(out, "; `smena status` shows their names"),
        };
    };
    let Some(known) = config.services.iter().find(|known| known.name == service) else {
        write!(out, "error: no service is called `{}`", Printable(service))?;
        return suggest(out, nearest(service, services));
    };
    let servers = &mut config.servers_of(known).iter().map(|server| server.name);
    let (service, server_shown) = (Plain(service), Printable(server));
    write!(
        out,
        "error: service {service} has no server `{server_shown}`"
    )?;
    suggest(out, nearest(server, servers))
}

fn suggest(out: &mut dyn Write, meant: Option<&str>) -> fmt::Result {
    match meant {
        Some(meant) => writeln!(out, "; did you mean `{}`?", Plain(meant)),
        None => writeln!(out, "; `smena status` shows their names"),
    }
}

/// Whether there is a server of this name, for the exit code.
pub fn has_server(config: &Config<'_>, name: &str) -> bool {
    find(config, name).is_some()
}

/// Writes HAProxy's answer to an order in its words.
pub fn answered(config: &Config<'_>, order: &Order<'_>, out: &mut dyn Write) -> fmt::Result {
    let Order::Theirs(name, what) = *order else {
        return Ok(());
    };
    out.write_str(match (find(config, name), order.event(config)) {
        (None, _) => "No such server.\n\n",
        (Some(_), Some(_)) => "\n",
        (Some(_), None) if what.starts_with("weight") => "A weight is a number from 0 to 256.\n\n",
        (Some(_), None) => {
            "'set server <srv> state' expects 'ready', 'drain' or 'maint'; 'weight' a number.\n\n"
        }
    })
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;
    use crate::report::sample;

    #[test]
    fn orders_in_our_words_and_in_those_of_haproxy() {
        let sample = sample::service();
        let config = sample.node.config();
        let event = |line| {
            let order = Order::read(line)?;
            order.event(config)
        };
        let (a, b) = (ServerId(0), ServerId(1));
        for (line, id, admin) in [
            ("drain web/udst1", a, Admin::Drain),
            ("maint web/udst2", b, Admin::Maint),
            ("ready web/udst1", a, Admin::Ready),
            ("set server web/udst2 state ready", b, Admin::Ready),
            ("set server web/udst2 state drain", b, Admin::Drain),
            ("set server web/udst2 state maint", b, Admin::Maint),
        ] {
            let said = event(line);
            let meant = matches!(said, Some(Event::Order(i, o)) if (i, o) == (id, admin));
            assert!(meant, "{line}: {said:?}");
        }
        let weight = event("set server web/udst1 weight 256");
        assert!(matches!(weight, Some(Event::Weight(id, 256)) if id == a));
        for line in [
            "drain udst1",
            "drain web/udst3",
            "drain wed/udst1",
            "drain web/",
            "drain",
            "set server web/udst1",
            "set server web/udst1 state up",
            "set server web/udst1 weight 257",
            "set server web/udst1 weight 10%",
            "set server web/udst1 weight -1",
            "set server web/udst9 state ready",
            "status",
        ] {
            assert!(event(line).is_none(), "{line}");
        }
    }

    #[test]
    fn a_name_that_is_none_gets_the_one_that_was_meant() {
        let sample = sample::service();
        for (name, expected) in [
            ("web/udst1", "web/udst1: unknown, 0 sessions\n"),
            (
                "web/udst",
                "error: service web has no server `udst`; did you mean `udst1`?\n",
            ),
            (
                "wed/udst1",
                "error: no service is called `wed`; did you mean `web`?\n",
            ),
            (
                "udst2",
                "error: `udst2` is not SERVICE/SERVER; did you mean `web/udst2`?\n",
            ),
            (
                "haproxy/x",
                "error: no service is called `haproxy`; `smena status` shows their names\n",
            ),
        ] {
            let mut out = String::new();
            ordered(&sample.node, &sample.view(), name, &mut out).unwrap();
            assert_eq!(out, expected);
            assert_eq!(
                has_server(sample.node.config(), name),
                !out.starts_with("error")
            );
        }
    }

    #[test]
    fn haproxys_tools_get_haproxys_answers() {
        let sample = sample::service();
        let answer = |line| {
            let mut out = String::new();
            let order = Order::read(line).unwrap();
            answered(sample.node.config(), &order, &mut out).unwrap();
            out
        };
        assert_eq!(answer("set server web/udst1 state drain"), "\n");
        assert_eq!(
            answer("set server web/x state drain"),
            "No such server.\n\n"
        );
        assert!(answer("set server web/udst1 weight x").starts_with("A weight"));
        assert!(answer("set server web/udst1 state x").starts_with("'set server"));
    }
}
