//! The pair that most scenarios start from: one address, two priorities.

use std::net::{IpAddr, Ipv4Addr};

/// The address that the pair keeps.
pub const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 49));

/// A keepalived of the pair. `more` goes into the instance.
pub fn keepalived_conf(priority: u8, more: &str) -> String {
    format!(
        "vrrp_instance VI_01 {{
            state BACKUP
            interface eth0
            virtual_router_id 51
            priority {priority}
            virtual_ipaddress {{
                10.0.0.49
            }}
            {more}
        }}
        "
    )
}

/// A smena of the pair. `more` goes after the router's section.
pub fn smena_ini(priority: u8, more: &str) -> String {
    format!(
        "[vrrp VI_01]
interface = eth0
virtual_router_id = 51
priority = {priority}
address = 10.0.0.49
{more}
"
    )
}
