//! A configuration for the tests of balancers and sessions.

use core::net::Ipv4Addr;
use std::boxed::Box;

use super::*;
use crate::Duration;
use crate::config::Proxy;

/// One service with servers of these weights, limits and duties.
pub fn config(balance: Balance, servers: &[(u16, u32, bool)]) -> Box<Config<'static>> {
    let mut config = Box::new(Config::EMPTY);
    for (number, (weight, maxconn, backup)) in (1..).zip(servers) {
        let server = Server {
            name: "s",
            address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)),
            port: 80,
            weight: *weight,
            maxconn: *maxconn,
            backup: *backup,
            check: None,
            proxy: Proxy::None,
        };
        config.servers.push(server).unwrap();
    }
    let count = servers.len() as u8;
    let service = Service {
        name: "web",
        servers: Span { first: 0, count },
        balance,
        retries: 3,
        timeout_connect: Duration::from_secs(5),
        timeout_client: Duration::from_secs(50),
        timeout_server: Duration::from_secs(50),
        ..Service::blank()
    };
    config.services.push(service).unwrap();
    config
}
