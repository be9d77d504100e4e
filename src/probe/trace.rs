//! Exchanges as traces: what is sent, and what each way of answering means.

use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use super::*;
use crate::config::Words;
use core::net::SocketAddr;

const TOKEN: u64 = 0x0102_0304_0506_0708;
/// Of no meaning where a page has a host.
const SERVER: SocketAddr =
    SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), 80);

fn page(expect: (u16, u16), body: Option<&'static str>) -> Http<'static> {
    Http {
        address: SocketAddr::from(([127, 0, 0, 1], 80)),
        path: "/health?a=b",
        host: "www.example",
        expect,
        body: body.and_then(|text| Words(text).iter().next()),
    }
}

/// The verdict on a reply that comes in pieces of this size and then ends.
fn judged(ask: &Ask<'_>, reply: &[u8], size: usize) -> String {
    let mut exchange = Exchange::begin();
    let sent = exchange.on_connected(ask, TOKEN, &mut [0; REQUEST_MAX]);
    assert!(sent.is_ok_and(|length| length > 0));
    for piece in reply.chunks(size) {
        if let Some(verdict) = exchange.on_bytes(ask, TOKEN, piece) {
            return verdict.to_string();
        }
    }
    exchange.on_end(ask, packed!("")).to_string()
}

/// The same whatever pieces it comes in.
#[track_caller]
fn gives(page: &Http<'_>, reply: &str, expected: &str) {
    for size in [1, 2, 3, 7, 64, 4096] {
        let verdict = judged(&Ask::Http(page, SERVER), reply.as_bytes(), size);
        assert_eq!(verdict, expected, "in pieces of {size}: {reply:?}");
    }
}

#[test]
fn a_get_of_version_1_1() {
    let mut out = [0; REQUEST_MAX];
    let page = page((200, 200), None);
    let length = Exchange::begin().on_connected(&Ask::Http(&page, SERVER), TOKEN, &mut out);
    let sent = str::from_utf8(&out[..length.unwrap()]).unwrap();
    assert_eq!(
        sent,
        "GET /health?a=b HTTP/1.1\r\nHost: www.example\r\nUser-Agent: smena\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
}

/// What a server of a service is asked for when nobody says a name.
#[test]
fn a_page_without_a_host_is_asked_for_by_the_address() {
    let page = Http {
        host: "",
        ..page((200, 200), None)
    };
    for (server, host) in [
        ("192.0.2.1:80", "192.0.2.1:80"),
        ("[2001:db8::1]:8080", "[2001:db8::1]:8080"),
    ] {
        let mut out = [0; REQUEST_MAX];
        let ask = Ask::Http(&page, server.parse().unwrap());
        let length = Exchange::begin().on_connected(&ask, TOKEN, &mut out);
        let sent = str::from_utf8(&out[..length.unwrap()]).unwrap();
        let line = format!("\r\nHost: {host}\r\nUser-Agent");
        assert!(sent.contains(&line), "{sent}");
    }
}

#[test]
fn the_status_decides_as_soon_as_it_is_there() {
    let only_200 = page((200, 200), None);
    gives(&only_200, "HTTP/1.1 200 OK\r\n", "L7OK status 200");
    gives(&only_200, "HTTP/1.0 200\r\n", "L7OK status 200");
    gives(&only_200, "HTTP/1.0 200\n", "L7OK status 200");
    gives(&only_200, "HTTP/1.1 200 200\r\n", "L7OK status 200");
    gives(&only_200, "HTTP/1.1 204 No Content\r\n", "L7STS status 204");
    gives(
        &only_200,
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
        "L7STS status 503",
    );
    let range = page((200, 399), None);
    gives(&range, "HTTP/1.1 302 Found\r\n", "L7OK status 302");
    gives(&range, "HTTP/1.1 400 Bad Request\r\n", "L7STS status 400");
    let long = format!("HTTP/1.1 200 {}\r\n", "x".repeat(500));
    gives(&only_200, &long, "L7OK status 200");
}

/// RFC 9110 section 15.2: interim replies come before the one that counts.
#[test]
fn an_interim_reply_is_passed_over() {
    let page = page((200, 200), None);
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    gives(
        &page,
        &format!("{early}{early}HTTP/1.1 200 OK\r\n"),
        "L7OK status 200",
    );
    gives(&page, &format!("{early}SSH-2.0"), "L7RSP no HTTP reply");
    gives(&page, "HTTP/1.1 101 Switching\r\n", "L7STS status 101");
}

#[test]
fn what_is_no_reply() {
    let page = page((100, 599), None);
    for reply in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/2 200\r\n",
        "HTTP/1.x 200 OK\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 20 OK\r\n",
        "HTTP/1.1  200 OK\r\n",
        "\r\n",
        "\x15\x03\x01\x00\x02\x02\x16",
    ] {
        gives(&page, reply, "L7RSP no HTTP reply");
    }
    gives(&page, "", "L7RSP the reply is cut off");
    gives(&page, "HTTP/1.1 20", "L7RSP the reply is cut off");
    let endless = format!("HTTP/1.1 {}", "0".repeat(70_000));
    gives(&page, &endless, "L7RSP the reply is cut off");
}

const NOT_THERE: &str = "L7STS the text is not in the body";

#[test]
fn a_text_is_looked_for_in_the_body_only() {
    let wanted = page((200, 200), Some("alive"));
    let reply = |head: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}");
    gives(&wanted, &reply("", "it is alive"), "L7OK status 200");
    gives(&wanted, &reply("", "alive"), "L7OK status 200");
    gives(&wanted, &reply("", "alialive"), "L7OK status 200");
    gives(&wanted, &reply("X: alive\r\n", "dead"), NOT_THERE);
    gives(&wanted, &reply("", "aliv"), NOT_THERE);
    gives(&wanted, &reply("", "Alive"), NOT_THERE);
    gives(
        &wanted,
        "HTTP/1.1 503 alive\r\n\r\nalive",
        "L7STS status 503",
    );
    gives(
        &wanted,
        "HTTP/1.1 200 OK\r\nX: alive",
        "L7RSP the reply is cut off",
    );
    // Without the rest of the connection, which may stay open.
    gives(
        &wanted,
        &reply("Content-Length: 5\r\n", "deadalive"),
        NOT_THERE,
    );
    gives(&wanted, &reply("Content-Length: 0\r\n", "alive"), NOT_THERE);
    gives(
        &wanted,
        &reply("content-length:9 \r\n", "deadalive"),
        "L7OK status 200",
    );
    // Nonsense leaves the end to the connection, and what is cut is told.
    gives(
        &wanted,
        &reply("Content-Length: x\r\n", "alive"),
        "L7OK status 200",
    );
    gives(
        &wanted,
        &reply("Content-Length: 99999999999\r\n", "-"),
        NOT_THERE,
    );
    gives(
        &wanted,
        &reply("Content-Length: 9\r\n", "-"),
        "L7RSP the reply is cut off",
    );
    let wanted = page((200, 299), Some("alive"));
    gives(&wanted, "HTTP/1.1 204 No Content\r\n\r\nalive", NOT_THERE);
}

#[test]
fn chunks_are_put_together() {
    let wanted = page((200, 200), Some("alive"));
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
    let gives = |body: &str, expected| gives(&wanted, &format!("{head}{body}"), expected);
    gives("5\r\nalive\r\n0\r\n\r\n", "L7OK status 200");
    gives(
        "3\r\nali\r\n00002;x=y\r\nve\r\n0\r\n\r\n",
        "L7OK status 200",
    );
    gives(
        "1\r\na\r\n1\r\nl\r\n1\r\ni\r\n1\r\nv\r\n1 \r\ne\r\n",
        "L7OK status 200",
    );
    gives("A\r\n-----alive\r\n", "L7OK status 200");
    // A size is no text of the body.
    let hex = page((200, 200), Some("aa"));
    let reply = format!("{head}A\r\n----------\r\naa\r\n0\r\n\r\n");
    super::trace::gives(&hex, &reply, "L7RSP the reply is cut off");
    gives("4\r\ndead\r\n0\r\n\r\nalive", NOT_THERE);
    gives("0\r\n\r\n", NOT_THERE);
    gives("4\r\nde", "L7RSP the reply is cut off");
    gives("x\r\nalive", "L7RSP a chunk has no size");
    gives("\r\nalive", "L7RSP a chunk has no size");
}

#[test]
fn a_body_is_read_within_bounds() {
    let wanted = page((200, 200), Some("alive"));
    let filler = "-".repeat(65_500);
    let reply = format!("HTTP/1.1 200 OK\r\n\r\n{filler}alive");
    gives(&wanted, &reply, "L7OK status 200");
    let reply = format!("HTTP/1.1 200 OK\r\n\r\n{filler}{filler}alive");
    gives(&wanted, &reply, NOT_THERE);
}

/// The search is the same as that of the standard library, for texts that
/// repeat themselves above all.
#[test]
fn the_search_finds_what_is_there() {
    let bodies: Vec<String> = (0_u32..1 << 10)
        .map(|bits| {
            (0..10)
                .map(|n| if bits >> n & 1 == 1 { 'a' } else { 'b' })
                .collect()
        })
        .collect();
    for text in ["a", "ab", "aab", "aba", "abab", "aabaa", "abaab", "aaaab"] {
        let wanted = page((200, 200), Some(text));
        for body in &bodies {
            let reply = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
            let found = judged(&Ask::Http(&wanted, SERVER), reply.as_bytes(), 3);
            assert_eq!(
                found == "L7OK status 200",
                body.contains(text),
                "{text} in {body}"
            );
        }
    }
    let quoted = page((200, 200), Some(r#""{\"ok\": true}""#));
    gives(
        &quoted,
        "HTTP/1.1 200 OK\r\n\r\n[{\"ok\": true}]",
        "L7OK status 200",
    );
}

/// RFC 8446 section 4.1.2: each length holds what it says.
#[test]
fn a_client_hello_is_well_formed() {
    for name in ["", "www.example"] {
        let mut out = [0; REQUEST_MAX];
        let length = Exchange::begin().on_connected(&Ask::Tls(name), TOKEN, &mut out);
        let mut rest = &out[..length.unwrap()];
        let mut take = |n: usize| {
            let (taken, left) = rest.split_at(n);
            rest = left;
            taken
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        assert_eq!(take(3), 0x16_03_01);
        let record = take(2);
        assert_eq!(take(1), 1);
        assert_eq!(take(3) + 4, record);
        assert_eq!(take(2), 0x0303);
        for _ in 0..32 {
            take(1);
        }
        assert_eq!(take(1), 0, "no session");
        for _ in 0..take(2) / 2 {
            assert_ne!(take(2), 0);
        }
        assert_eq!(take(2), 0x0100);
        let mut left = take(2);
        let mut seen = vec![];
        while left > 0 {
            let (kind, length) = (take(2), take(2));
            let at = seen.len();
            seen.push(kind);
            left -= 4 + length;
            if kind == 0 {
                assert_eq!(take(2) + 2, length);
                assert_eq!(take(1), 0);
                assert_eq!(take(2) + 5, length);
                let written: Vec<u8> = (5..length).map(|_| take(1) as u8).collect();
                assert_eq!(written, name.as_bytes(), "{at}");
                continue;
            }
            (0..length).for_each(|_| {
                take(1);
            });
        }
        let expected = [10, 11, 13, 43, 51, 23, 0];
        let expected = if name.is_empty() {
            &expected[..6]
        } else {
            &expected
        };
        assert_eq!(seen, expected);
        assert!(rest.is_empty());
    }
}

#[test]
fn a_server_hello_or_an_alert_is_an_answer() {
    for (answer, expected) in [
        (&b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76"[..], "L6OK"),
        (b"\x16\x03\x01\x00\x7a\x02", "L6OK"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "L6OK alert 40"),
        (b"\x15\x03\x03\x00\x02\x02\x70", "L6OK alert 112"),
        (b"\x15\x03\x03\x00\x02\x02\x50", "L6RSP alert 80"),
        (b"\x16\x03\x03\x00\x7a\x0e", "L6RSP no TLS answer"),
        (b"\x16\x02\x03\x00\x7a\x02", "L6RSP no TLS answer"),
        (b"HTTP/1.1 400 Bad Request\r\n", "L6RSP no TLS answer"),
        (b"\x15\x03\x01", "L6RSP closed without an answer"),
        (b"", "L6RSP closed without an answer"),
    ] {
        for size in [1, 2, 5, 64] {
            assert_eq!(judged(&Ask::Tls(""), answer, size), expected, "{answer:?}");
        }
    }
}

#[test]
fn an_echo_answers_one_request_only() {
    let mut out = [0; REQUEST_MAX];
    let (id, ip_header) = (0x1234, [0x45; 20]);
    let v4 = Ask::Ping { v6: false, id };
    let length = Exchange::begin()
        .on_connected(&v4, TOKEN, &mut out)
        .unwrap();
    let request = &out[..length];
    // RFC 1071: with its checksum, the sum is all ones.
    let sum: u32 = request
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    let packet = |kind: u8| {
        let mut packet = [&ip_header[..], request].concat();
        packet[20] = kind;
        packet
    };
    let good = |ask: &Ask<'_>, token, packet: &[u8]| {
        Exchange::begin().on_bytes(ask, token, packet).is_some()
    };
    assert!(good(&v4, TOKEN, &packet(0)));
    assert!(!good(&v4, TOKEN, &packet(8)), "our own request");
    assert!(!good(&v4, TOKEN + 1, &packet(0)), "an earlier run");
    assert!(!good(&Ask::Ping { v6: false, id: 1 }, TOKEN, &packet(0)));
    for length in 0..36 {
        assert!(!good(&v4, TOKEN, &packet(0)[..length]), "{length}");
    }
    let v6 = Ask::Ping { v6: true, id };
    let mut answer = request.to_vec();
    answer[0] = 129;
    assert!(good(&v6, TOKEN, &answer));
    assert!(!good(&v4, TOKEN, &answer));
}

/// HAProxy's codes say how far it came.
#[test]
fn time_runs_out_at_some_layer() {
    let page = page((200, 200), None);
    let asks = [
        (Ask::Tcp, "L4TOUT", "L4CON refused"),
        (Ask::Http(&page, SERVER), "L7TOUT", "L7RSP refused"),
        (Ask::Tls(""), "L6TOUT", "L6RSP refused"),
        (Ask::Ping { v6: true, id: 1 }, "L4TOUT", "L4CON refused"),
    ];
    for (ask, late, cut) in asks {
        let mut exchange = Exchange::begin();
        assert_eq!(exchange.on_time(&ask).to_string(), "L4TOUT");
        assert_eq!(
            exchange.on_end(&ask, packed!("refused")).to_string(),
            "L4CON refused"
        );
        let connected = exchange.on_connected(&ask, TOKEN, &mut [0; REQUEST_MAX]);
        assert_eq!(connected.is_err(), matches!(ask, Ask::Tcp));
        assert_eq!(exchange.on_time(&ask).to_string(), late);
        assert_eq!(exchange.on_end(&ask, packed!("refused")).to_string(), cut);
        assert!(!exchange.on_time(&ask).is_good());
    }
}

#[test]
fn numbers_of_files() {
    for (text, expected) in [
        ("5\n", Some(5)),
        (" -254 \n", Some(-254)),
        ("+7", Some(7)),
        ("99999999999999", Some(i32::MAX)),
        ("-99999999999999", Some(-i32::MAX)),
        ("", None),
        ("\n", None),
        ("-", None),
        ("5 6", None),
        ("0x10", None),
        ("five", None),
        ("00000000000000000000000000000001", None),
    ] {
        assert_eq!(number(text.as_bytes()), expected, "{text:?}");
    }
}
