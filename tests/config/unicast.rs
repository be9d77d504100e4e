//! The exact text about peers, keys and checksums.

use smena::config::{AuthMode, Limits, Source, parse};
use smena::protocol::Checksum;

use super::{ROUTER, empty, read, says};

/// 32 bytes, 31 and 65.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SHORT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==";

/// A version 3 router; what is tested follows from the sixth line on.
const V3: &str = "\
[vrrp VI_01]
interface = eth0
virtual_router_id = 51
address = 10.0.0.1
version = 3
";

const V6: &str = "\
[vrrp VI_01]
interface = eth0
virtual_router_id = 51
address = fe80::1
address = 2001:db8::1/64
";

#[test]
fn peers_and_keys_mean_what_they_say() {
    let text = format!(
        "{V3}\
unicast_src_ip = 10.0.0.2
unicast_peer = 10.0.0.3
unicast_peer = 10.9.0.4 min_ttl 250
unicast_peer = 10.9.0.5 max_ttl 200 min_ttl 100
auth_hmac = 7:{KEY}
auth_hmac = \"255:{KEY}\"
auth_mode = permissive
auth_replay = monotonic
checksum = rfc9568
"
    );
    let source = super::source(text.as_bytes());
    let mut config = empty();
    let outcome = parse(&source, &Limits::BOARD, &mut config, &mut |d| print!("{d}"));
    assert_eq!(outcome.errors + outcome.warnings, 0);
    let router = &config.routers[0];
    assert_eq!(router.unicast_src_ip, Some("10.0.0.2".parse().unwrap()));
    let ttls = [None, Some((250, 255)), Some((100, 200))];
    assert!(router.peers.iter().map(|peer| peer.ttl).eq(ttls));
    assert!(router.keys.iter().map(|key| key.id()).eq([7, 255]));
    let secret: Vec<u8> = (0..32).collect();
    assert_eq!(router.keys[1].secret().bytes(), secret);
    assert_eq!(router.auth_mode, AuthMode::Permissive);
    assert!(router.auth_monotonic);
    assert_eq!(router.checksum, Some(Checksum::Rfc9568));
}

#[test]
fn addresses_of_peers() {
    says(
        ROUTER,
        "\
unicast_src_ip = 10.0.0.2/24
unicast_peer = 10.0.0.300
unicast_peer = 10.0.0.3
unicast_peer = 10.0.0.3 min_ttl 5
unicast_peer = 224.0.0.18
",
        "\
error: an address without a network belongs here
  --> smena.ini:5:18
 5 | unicast_src_ip = 10.0.0.2/24
   |                  ^^^^^^^^^^^ remove `/24`
error: `10.0.0.300` is no IP address
  --> smena.ini:6:16
 6 | unicast_peer = 10.0.0.300
   |                ^^^^^^^^^^ write `192.0.2.1/24` or `2001:db8::1/64`
error: [vrrp VI_01] has the peer `10.0.0.3` twice
  --> smena.ini:8:16
 8 | unicast_peer = 10.0.0.3 min_ttl 5
   |                ^^^^^^^^ remove one
error: `224.0.0.18` is no address that a host can have
  --> smena.ini:9:16
 9 | unicast_peer = 224.0.0.18
   |                ^^^^^^^^^^ write a unicast address of the network
",
    );
    says(
        ROUTER,
        "\
unicast_src_ip = 10.0.0.2
unicast_peer = fe80::3
unicast_peer = 10.0.0.2
unicast_peer = 10.0.0.1
",
        "\
error: [vrrp VI_01] has IPv4 addresses, and this is an IPv6 one
  --> smena.ini:6:16
 6 | unicast_peer = fe80::3
   |                ^^^^^^^ write an IPv4 address, or move it to another [vrrp] section
error: [vrrp VI_01] is its own peer
  --> smena.ini:7:16
 7 | unicast_peer = 10.0.0.2
   |                ^^^^^^^^ write the other node's address here, and this one as `unicast_src_ip`
error: this is an address that [vrrp VI_01] moves between the nodes
  --> smena.ini:8:16
 8 | unicast_peer = 10.0.0.1
   |                ^^^^^^^^ write one that stays with its node
",
    );
    says(
        V6,
        "\
unicast_src_ip = 10.0.0.2
unicast_peer = 2001:db8::3
",
        "\
error: [vrrp VI_01] has IPv6 addresses, and this is an IPv4 one
  --> smena.ini:6:18
 6 | unicast_src_ip = 10.0.0.2
   |                  ^^^^^^^^ write an IPv6 address, or move it to another [vrrp] section
",
    );
    says(
        V6,
        "\
unicast_peer = fe80::3
unicast_peer = 2001:db8::3
",
        "\
error: a peer beyond the link, and no `unicast_src_ip`
  --> smena.ini:7:16
 7 | unicast_peer = 2001:db8::3
   |                ^^^^^^^^^^^ say which address of this node it knows: adverts come from the link-local one otherwise
",
    );
    says(
        ROUTER,
        "unicast_src_ip = 10.0.0.2\n",
        "\
error: `unicast_src_ip` without a peer
  --> smena.ini:5:18
 5 | unicast_src_ip = 10.0.0.2
   |                  ^^^^^^^^ add a line `unicast_peer = ADDRESS`, or remove this one
",
    );
}

#[test]
fn options_of_peers() {
    says(
        ROUTER,
        "\
unicast_peer = 10.0.0.3 ttl 5
unicast_peer = 10.0.0.4 min_ttl
unicast_peer = 10.0.0.5 min_ttl 256
unicast_peer = 10.0.0.6 min_ttl 9 min_ttl 9
unicast_peer = 10.0.0.7 min_ttl 9 max_ttl 8
",
        "\
error: `ttl` is no option here
  --> smena.ini:5:25
 5 | unicast_peer = 10.0.0.3 ttl 5
   |                         ^^^ write `min_ttl NUMBER` or `max_ttl NUMBER`, each once
error: `min_ttl` has no value
  --> smena.ini:6:25
 6 | unicast_peer = 10.0.0.4 min_ttl
   |                         ^^^^^^^ write a word after it
error: `min_ttl` is out of range
  --> smena.ini:7:33
 7 | unicast_peer = 10.0.0.5 min_ttl 256
   |                                 ^^^ write a number from 1 to 255
error: `min_ttl` is there twice
  --> smena.ini:8:35
 8 | unicast_peer = 10.0.0.6 min_ttl 9 min_ttl 9
   |                                   ^^^^^^^ write `min_ttl NUMBER` or `max_ttl NUMBER`, each once
error: no TTL is between these
  --> smena.ini:9:16
 9 | unicast_peer = 10.0.0.7 min_ttl 9 max_ttl 8
   |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ swap `min_ttl` and `max_ttl`
",
    );
    let few = Limits {
        peers: 1,
        ..Limits::BOARD
    };
    let text = format!("{ROUTER}unicast_peer = 10.0.0.3\nunicast_peer = 10.0.0.4\n");
    let said = read(super::source(text.as_bytes()), &few).1;
    assert_eq!(
        said,
        "\
error: too many peers of one [vrrp]: there is room for 1
  --> smena.ini:6:16
 6 | unicast_peer = 10.0.0.4
   |                ^^^^^^^^ `peers` in board.ini is the limit: raise it there and build again
"
    );
}

/// Whatever is wrong with a key, no message shows it.
#[test]
fn keys_and_their_secrecy() {
    let long = KEY.trim_end_matches('=').repeat(2) + "AA";
    let keys = [
        format!("1:{SHORT}"),
        format!("2:{long}"),
        format!("0:{KEY}"),
        format!("256:{KEY}"),
        "3:AAEC-wQF".into(),
        KEY.into(),
        format!("{KEY}:4"),
        "5:".into(),
        format!("6:{KEY}"),
        format!("6:{KEY}"),
    ];
    let lines: Vec<String> = keys
        .iter()
        .map(|key| format!("auth_hmac = {key}\n"))
        .collect();
    says(
        V3,
        &lines.concat(),
        "\
error: the key of `auth_hmac` has 31 bytes
  --> smena.ini:6:15
 6 | auth_hmac = 1:********************************************
   |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ it needs 32 to 64: `openssl rand -base64 32` makes one
error: the key of `auth_hmac` has 66 bytes
  --> smena.ini:7:15
 7 | auth_hmac = 2:**************************************************************************************...
   |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ it needs 32 to 64: `openssl rand -base64 32` makes one
error: `key id` is out of range
  --> smena.ini:8:13
 8 | auth_hmac = 0:********************************************
   |             ^ write a number from 1 to 255
error: `key id` is out of range
  --> smena.ini:9:13
 9 | auth_hmac = 256:********************************************
   |             ^^^ write a number from 1 to 255
error: the key of `auth_hmac` is no base64
  --> smena.ini:10:15
 10 | auth_hmac = 3:********
    |               ^^^^^^^^ write what `openssl rand -base64 32` prints, in one piece
error: `auth_hmac` has no id
  --> smena.ini:11:13
 11 | auth_hmac = ********************************************
    |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ write `ID:KEY`, such as `1:` and what `openssl rand -base64 32` prints
error: `auth_hmac` has no id
  --> smena.ini:12:13
 12 | auth_hmac = **********************************************
    |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ write `ID:KEY`, such as `1:` and what `openssl rand -base64 32` prints
error: the key of `auth_hmac` has 0 bytes
  --> smena.ini:13:13
 13 | auth_hmac = 5:
    |             ^^ it needs 32 to 64: `openssl rand -base64 32` makes one
error: [vrrp VI_01] has a key with the id 6 already
  --> smena.ini:15:13
 15 | auth_hmac = 6:********************************************
    |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ each key needs its own, the same on all nodes
",
    );
    let five: Vec<String> = (1..=5)
        .map(|id| format!("auth_hmac = {id}:{KEY}\n"))
        .collect();
    says(
        V3,
        &five.concat(),
        "\
error: more than 4 keys
  --> smena.ini:10:13
 10 | auth_hmac = 5:********************************************
    |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ remove those that no node signs with any more
",
    );
}

#[test]
fn what_goes_with_which_version() {
    let hmac = format!("auth_hmac = 1:{KEY}\n");
    says(
        ROUTER,
        &[&hmac, "auth_pass = secret\n"].concat(),
        "\
error: version 2 has no `auth_hmac`
  --> smena.ini:5:13
 5 | auth_hmac = 1:********************************************
   |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ write `version = 3` on both nodes, or remove the line
",
    );
    says(
        V3,
        &[&hmac, "auth_pass = secret\n"].concat(),
        "\
error: version 3 has no password
  --> smena.ini:7:13
 7 | auth_pass = secret
   |             ^^^^^^ remove the line, or use `version = 2` with IPv4
",
    );
    says(
        V3,
        "\
auth_mode = enforced
auth_replay = monotonic
",
        "\
error: `auth_mode` cannot be `enforced`
  --> smena.ini:6:13
 6 | auth_mode = enforced
   |             ^^^^^^^^ write `receive-only`, `permissive` or `enforce`
error: `auth_replay` without a key
  --> smena.ini:7:15
 7 | auth_replay = monotonic
   |               ^^^^^^^^^ add a line `auth_hmac = ID:KEY`, or remove this one
",
    );
    let no_choice = |at: u8| {
        format!(
            "\
error: only version 3 over IPv4 has a choice of checksums
  --> smena.ini:{at}:12
 {at} | checksum = pseudo
   |            ^^^^^^ remove the line
"
        )
    };
    says(ROUTER, "checksum = pseudo\n", &no_choice(5));
    says(V6, "checksum = pseudo\n", &no_choice(6));
}

#[test]
fn a_file_with_a_key_is_not_for_everybody() {
    let text = format!("{V3}auth_hmac = 1:{KEY}\n");
    let source = Source {
        others_can_read: true,
        ..super::source(text.as_bytes())
    };
    assert_eq!(
        read(source, &Limits::BOARD).1,
        "\
warning: everybody can read `smena.ini`, which has a secret key
  --> smena.ini:6:13
 6 | auth_hmac = 1:********************************************
   |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `chmod o-r smena.ini` changes that
"
    );
}
