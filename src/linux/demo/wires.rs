//! The demo's network: a bridge, and a cable from it to each box. Made with the
//! same netlink that sets addresses, so that no other program is needed.

use core::net::Ipv4Addr;

use rustix::fd::AsRawFd;
use rustix::io::Errno;

use crate::linux::netlink::message::{ACK, CREATE, EXCLUSIVE, Request};
use crate::linux::netlink::{Socket, link_body, meaning as rt, terminated};

use super::world::{Network, need};

/// `IFLA_MASTER`, `IFLA_LINKINFO` and `IFLA_NET_NS_FD`.
const LINK_MASTER: u16 = 10;
const LINK_INFO: u16 = 18;
const LINK_NETWORK: u16 = 28;
/// `IFLA_INFO_KIND`, `IFLA_INFO_DATA` and `VETH_INFO_PEER`.
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;

/// Makes a bridge that is up; its index.
pub fn make_bridge(socket: &mut Socket, name: &str) -> u32 {
    let mut request = new_link(name, rt::UP);
    let info = request.nest(LINK_INFO);
    request.attribute(INFO_KIND, b"bridge");
    request.end(info);
    need(socket.change(&mut request), "rtnetlink a bridge");
    index_of(socket, name)
}

/// Makes a cable from a port of the bridge to `eth0` of another network; the
/// port's index.
pub fn make_cable(socket: &mut Socket, port: &str, bridge: u32, network: &Network) -> u32 {
    let mut request = new_link(port, rt::UP);
    request.attribute(LINK_MASTER, &bridge.to_ne_bytes());
    let info = request.nest(LINK_INFO);
    request.attribute(INFO_KIND, b"veth");
    let data = request.nest(INFO_DATA);
    let peer = request.nest(VETH_PEER);
    request.raw(link_body(0, 0, 0).as_flattened());
    request.attribute(rt::LINK_NAME, terminated("eth0").as_slice());
    request.attribute(LINK_NETWORK, &network.fd().as_raw_fd().to_ne_bytes());
    request.end(peer);
    request.end(data);
    request.end(info);
    need(socket.change(&mut request), "rtnetlink a veth pair");
    index_of(socket, port)
}

/// Switches a link on or off.
pub fn switch(socket: &mut Socket, index: u32, on: bool) {
    let flags = if on { rt::UP } else { 0 };
    let mut request = Request::new(
        rt::SET_LINK,
        ACK,
        link_body(index, flags, rt::UP).as_flattened(),
    );
    need(socket.change(&mut request), "rtnetlink a link up or down");
}

/// Gives a link an address for good, without smena's mark.
pub fn add_address(socket: &mut Socket, index: u32, address: Ipv4Addr) {
    let [a, b, c, d] = index.to_ne_bytes();
    let body = [rt::INET, 24, 0, 0, a, b, c, d];
    let mut request = Request::new(rt::NEW_ADDRESS, ACK | CREATE | EXCLUSIVE, &body);
    request.attribute(rt::LOCAL, &address.octets());
    request.attribute(rt::ADDRESS, &address.octets());
    need(socket.change(&mut request), "rtnetlink an address");
}

/// The index of a link.
pub fn index_of(socket: &mut Socket, name: &str) -> u32 {
    let mut buffer = [0; 8192];
    let found = socket.find_link(name, &mut buffer);
    let found = found.and_then(|link| link.ok_or(Errno::NODEV));
    need(found, "rtnetlink a link by its name").index
}

/// A request for a new link of this name.
fn new_link(name: &str, flags: u32) -> Request {
    let body = link_body(0, flags, flags);
    let mut request = Request::new(rt::NEW_LINK, ACK | CREATE | EXCLUSIVE, body.as_flattened());
    request.attribute(rt::LINK_NAME, terminated(name).as_slice());
    request
}
