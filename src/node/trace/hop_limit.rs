//! What the hop limit of a peer's adverts must be, over IPv6: a gap between what the
//! protocol wants and what is sent.

use super::*;
use crate::protocol::Checksum;

/// keepalived sends IPv6 adverts to peers with the system's own hop limit, 64,
/// and IPv4 ones with 255; bounds that are given hold for both.
#[test]
fn a_peer_on_the_link_may_send_ipv6_with_any() {
    const PAIR: &str = "[vrrp V]\ninterface = eth0\nvirtual_router_id = 51\nversion = 3
unicast_src_ip = fd00::2\naddress = fe80::9:1/64\naddress = fd00::9\nunicast_peer = fd00::3";
    let advert = Advert {
        version: Version::V3,
        source: "fd00::3".parse().unwrap(),
        destination: "fd00::2".parse().unwrap(),
        virtual_router_id: 51,
        priority: 200,
        interval: Duration::from_secs(1),
        auth: Auth::None,
        checksum: Checksum::Pseudo,
        signature: None,
        ip_id: 1,
    };
    let mut buffer = [0; 128];
    let addresses = ["fe80::9:1", "fd00::9"].map(|a| a.parse::<IpAddr>().unwrap());
    let length = wire::emit_advert(&advert, &mut addresses.into_iter(), &mut buffer).unwrap();
    for (bounds, accepted) in [("", 2), (" min_ttl 255", 1)] {
        let mut trace = Trace::prepared(&(String::from(PAIR) + bounds));
        trace.at(0, Event::AddressAdded(ETH0, local("fd00::2", 64)), &[]);
        trace.at(0, Event::AddressesScanned(ETH0), &[]);
        trace.at(0, Event::Start, &[]);
        for limit in [255, 64] {
            buffer[7] = limit;
            let event = Event::Packet(ETH0, Family::Ipv6, &buffer[..length]);
            trace.at(10, event, &[]);
        }
        assert_eq!(
            trace.node.routers()[0].adverts_received(),
            accepted,
            "{bounds}"
        );
        assert_eq!(u64::from(trace.discarded(Reject::Ttl)), 2 - accepted);
    }
}
