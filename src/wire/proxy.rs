//! The header of the PROXY protocol, versions 1 and 2: it tells a server who
//! the client is and what address it asked for, before the client's own bytes.
//! Written only, nothing reads one: a client could claim anything in it.
//!
//! Both addresses come from one accepted socket and are of one family. Should
//! they differ, both are written as IPv6, the IPv4 one as `::ffff:a.b.c.d`: a
//! header has room for one family, and "unknown" would hide the client.

use core::fmt::{self, Write};
use core::net::{IpAddr, SocketAddr};

use crate::address::Shown;
use crate::protocol::Proxy;
use crate::say::Number;

/// The most bytes of a header, as the protocol counts them for version 1.
pub const PROXY_MAX: usize = 107;

/// What no other protocol begins with, then version 2 with the command PROXY.
const SIGNATURE: [u8; 13] = *b"\r\n\r\n\0\r\nQUIT\n\x21";

/// Writes the header of a TCP connection of `client` to `asked`; how long it is.
pub fn emit_proxy(
    version: Proxy,
    client: SocketAddr,
    asked: SocketAddr,
    out: &mut [u8; PROXY_MAX],
) -> usize {
    let (from, to) = match (client.ip(), asked.ip()) {
        (IpAddr::V4(from), IpAddr::V6(_)) => (from.to_ipv6_mapped().into(), asked.ip()),
        (IpAddr::V6(_), IpAddr::V4(to)) => (client.ip(), to.to_ipv6_mapped().into()),
        same => same,
    };
    let mut header = Header { out, length: 0 };
    match version {
        Proxy::None => {}
        Proxy::V1 => {
            // The longest line fits, so that no part of it is ever refused.
            let _ = header.write_line([from, to], [client.port(), asked.port()]);
        }
        Proxy::V2 => {
            header.put(&SIGNATURE);
            // Family, and a stream (1); then how many bytes follow.
            header.put(match from {
                IpAddr::V4(_) => &[0x11, 0, 12],
                IpAddr::V6(_) => &[0x21, 0, 36],
            });
            for ip in [from, to] {
                match ip {
                    IpAddr::V4(v4) => header.put(&v4.octets()),
                    IpAddr::V6(v6) => header.put(&v6.octets()),
                }
            }
            header.put(&client.port().to_be_bytes());
            header.put(&asked.port().to_be_bytes());
        }
    }
    header.length
}

struct Header<'a> {
    out: &'a mut [u8; PROXY_MAX],
    length: usize,
}

impl Header<'_> {
    #[inline(never)]
    fn put(&mut self, bytes: &[u8]) {
        for (to, from) in self.out.iter_mut().skip(self.length).zip(bytes) {
            *to = *from;
            self.length += 1;
        }
    }

    fn write_line(&mut self, ips: [IpAddr; 2], ports: [u16; 2]) -> fmt::Result {
        self.put(match ips[0] {
            IpAddr::V4(_) => b"PROXY TCP4",
            IpAddr::V6(_) => b"PROXY TCP6",
        });
        let [from, to] = ips.map(Shown);
        let [from_port, to_port] = ports.map(|port| Number(port.into()));
        let parts: [&dyn fmt::Display; 4] = [&from, &to, &from_port, &to_port];
        for part in parts {
            self.put(b" ");
            write!(self, "{part}")?;
        }
        self.put(b"\r\n");
        Ok(())
    }
}

impl Write for Header<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn header(version: Proxy, client: &str, asked: &str) -> Vec<u8> {
        let mut out = [0; PROXY_MAX];
        let length = emit_proxy(
            version,
            client.parse().unwrap(),
            asked.parse().unwrap(),
            &mut out,
        );
        out[..length].to_vec()
    }

    fn line(client: &str, asked: &str) -> std::string::String {
        std::string::String::from_utf8(header(Proxy::V1, client, asked)).unwrap()
    }

    #[test]
    fn a_line_of_version_1() {
        assert_eq!(
            line("192.168.0.1:56324", "192.168.0.11:443"),
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
        );
        assert_eq!(
            line("[2001:db8::7]:1", "[fe80::1]:65535"),
            "PROXY TCP6 2001:db8::7 fe80::1 1 65535\r\n"
        );
    }

    /// The longest line is what the protocol says that a receiver must expect,
    /// less the three bytes of UNKNOWN, which is never written.
    #[test]
    fn the_longest_fits() {
        let long = "[fedc:ba98:7654:3210:fedc:ba98:7654:3210]:65535";
        let text = line(long, long);
        assert!(text.ends_with(" 65535 65535\r\n"), "{text}");
        assert_eq!(text.len(), 104);
        assert!(line("255.255.255.255:65535", "255.255.255.255:65535").ends_with("65535\r\n"));
    }

    #[test]
    fn version_2_is_binary() {
        let mut expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        expected.extend([192, 168, 0, 1, 192, 168, 0, 11, 0xdc, 0x04, 0x01, 0xbb]);
        assert_eq!(
            header(Proxy::V2, "192.168.0.1:56324", "192.168.0.11:443"),
            expected
        );
        let mut expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
        expected.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        expected.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        expected.extend([0, 1, 0xff, 0xff]);
        assert_eq!(
            header(Proxy::V2, "[2001:db8::7]:1", "[fe80::1]:65535"),
            expected
        );
    }

    /// Either way round, the IPv4 address is mapped and the client is named.
    #[test]
    fn mixed_families_are_written_as_ipv6() {
        assert_eq!(
            line("192.0.2.1:1000", "[2001:db8::1]:80"),
            "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1000 80\r\n"
        );
        assert_eq!(
            line("[2001:db8::1]:80", "192.0.2.1:1000"),
            "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 80 1000\r\n"
        );
        let binary = header(Proxy::V2, "192.0.2.1:1000", "[2001:db8::1]:80");
        assert_eq!(binary.len(), 52);
        assert_eq!(
            binary[16..32],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]
        );
    }

    #[test]
    fn without_a_version_there_is_no_header() {
        assert_eq!(header(Proxy::None, "192.0.2.1:1", "192.0.2.2:2"), []);
    }
}
