//! Which questions the checks of a configuration ask over sockets, and those of
//! the servers of its services. The numbers are those of the checks.

use core::net::SocketAddr;

use smena::config::{CheckKind, Config, ServerCheck};
use smena::probe::Ask;

use super::ask::Asks;

/// The checks that ask a server, by their number, and the servers of services.
#[inline(never)]
pub fn add(asks: &mut Asks<'_, 'static>, config: &'static Config<'static>) {
    // Unlike that of another smena on this machine.
    let mut id = rustix::process::getpid().as_raw_nonzero().get() as u16;
    for check in &config.checks {
        id = id.wrapping_add(1);
        asks.add(match &check.kind {
            CheckKind::Tcp(to) => Some((*to, Ask::Tcp)),
            CheckKind::Http(page) => Some((page.address, Ask::Http(page, page.address))),
            CheckKind::Tls(to, name) => Some((*to, Ask::Tls(name))),
            CheckKind::Ping(to) => {
                let v6 = to.is_ipv6();
                Some((SocketAddr::new(*to, 0), Ask::Ping { v6, id }))
            }
            _ => None,
        });
    }
    for service in &config.services {
        for server in config.servers_of(service) {
            let to = config.looked_at(service, server);
            asks.add(match &service.check {
                ServerCheck::Tcp => Some((to, Ask::Tcp)),
                ServerCheck::Http(page) => Some((to, Ask::Http(page, to))),
                ServerCheck::Tls(name) => Some((to, Ask::Tls(name))),
                ServerCheck::Exec(_) | ServerCheck::None => None,
            });
        }
    }
}
