//! The exact text for each mistake of a `[service]` section, and what good ones
//! mean.

use smena::config::{Balance, Limits, Proxy, ServerCheck, Stick, Tracked, Transport};

use super::{ROUTER, empty, read, says, source};

/// A section with these lines, which is wrong in this way.
#[track_caller]
fn wrong(lines: &str, expected: &str) {
    says("[service web]\n", lines, expected);
}

#[test]
fn a_port_is_one_and_not_0() {
    wrong(
        "\
listen = *:0
server = a 10.0.0.1
",
        "\
error: `port` is out of range
  --> smena.ini:2:12
 2 | listen = *:0
   |            ^ write a number from 1 to 65535
",
    );
    wrong(
        "\
listen = *:8000-8010
server = a 10.0.0.1:80-81
",
        "\
error: `8000-8010` is more than one port
  --> smena.ini:2:12
 2 | listen = *:8000-8010
   |            ^^^^^^^^^ write a `listen` line for each port
error: `80-81` is more than one port
  --> smena.ini:3:21
 3 | server = a 10.0.0.1:80-81
   |                     ^^^^^ write one, or none for the port that was asked for
",
    );
    wrong(
        "\
listen = 192.0.2.1
server = a 10.0.0.1:
",
        "\
error: `192.0.2.1` has no port
  --> smena.ini:2:10
 2 | listen = 192.0.2.1
   |          ^^^^^^^^^ write `192.0.2.1:80` or `[2001:db8::1]:80`
error: `` is no whole number
  --> smena.ini:3:21
 3 | server = a 10.0.0.1:
   |                     ^ write a number from 1 to 65535
",
    );
    wrong(
        "\
listen = *:https
server = a 10.0.0.1:70000
",
        "\
error: `https` is no whole number
  --> smena.ini:2:12
 2 | listen = *:https
   |            ^^^^^ write a number from 1 to 65535
error: `port` is out of range
  --> smena.ini:3:21
 3 | server = a 10.0.0.1:70000
   |                     ^^^^^ write a number from 1 to 65535
",
    );
}

#[test]
fn names_are_not_looked_up() {
    wrong(
        "\
listen = www.example.org:443
server = a web1.example.org:443
",
        "\
error: `www.example.org` is no IP address
  --> smena.ini:2:10
 2 | listen = www.example.org:443
   |          ^^^^^^^^^^^^^^^^^^^ names are not looked up: write the address that `getent ahosts www.example.org` shows
error: `web1.example.org` is no IP address
  --> smena.ini:3:12
 3 | server = a web1.example.org:443
   |            ^^^^^^^^^^^^^^^^^^^^ names are not looked up: write the address that `getent ahosts web1.example.org` shows
",
    );
    wrong(
        "\
listen = fe80::1:443
listen = [fe80::1]:443
server = a 10.0.0.1
",
        "\
error: `fe80::1:443` has no port
  --> smena.ini:2:10
 2 | listen = fe80::1:443
   |          ^^^^^^^^^^^ write `192.0.2.1:80` or `[2001:db8::1]:80`
error: `[fe80::1]` is a link-local address, which each interface has
  --> smena.ini:3:10
 3 | listen = [fe80::1]:443
   |          ^^^^^^^^^^^^^ write another address of that host
",
    );
    wrong(
        "\
listen = 224.0.0.18:80
server = a 0.0.0.0
",
        "\
error: `224.0.0.18` is not the address of one host
  --> smena.ini:2:10
 2 | listen = 224.0.0.18:80
   |          ^^^^^^^^^^^^^ write a unicast address
error: `0.0.0.0` is not the address of one host
  --> smena.ini:3:12
 3 | server = a 0.0.0.0
   |            ^^^^^^^ write a unicast address
",
    );
    wrong(
        "\
listen = *:80
server = a
server = /b 10.0.0.1
",
        "\
error: the server `a` has no address
  --> smena.ini:3:10
 3 | server = a
   |          ^ write `a 192.0.2.1:80`, or no port for the one that was asked for
error: `/b` is no name
  --> smena.ini:4:10
 4 | server = /b 10.0.0.1
   |          ^^ 1 to 31 letters, digits, `_`, `.` and `-`
",
    );
}

#[test]
fn nothing_is_there_twice() {
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
server = b 10.0.0.2
server = a 10.0.0.3
",
        "\
error: [service web] has the server `a` twice
  --> smena.ini:5:10
 5 | server = a 10.0.0.3
   |          ^ the first is in line 3: rename one
",
    );
    wrong(
        "\
listen = 192.0.2.1:443
listen = udp *:443
listen = *:443
listen = 192.0.2.2:443
server = a 10.0.0.1
",
        "\
error: line 2 listens there already
  --> smena.ini:4:10
 4 | listen = *:443
   |          ^^^^^ remove one, or write another address or port
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
[service other]
listen = 0.0.0.0:443
listen = [::]:443
server = a 10.0.0.1
",
        "\
error: line 2 listens there already
  --> smena.ini:5:10
 5 | listen = 0.0.0.0:443
   |          ^^^^^^^^^^^ remove one, or write another address or port
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
[service web]
listen = *:80
server = a 10.0.0.1
",
        "\
error: [service web] is there twice
  --> smena.ini:4:1
 4 | [service web]
   | ^^^^^^^^^^^^^ the first is in line 1: join them, or rename one
",
    );
}

#[test]
fn a_server_is_not_smena_itself() {
    wrong(
        "\
listen = *:443
server = a 127.0.0.1
server = b 127.0.0.1:8443
",
        "\
error: this server of [service web] is smena itself, by line 2
  --> smena.ini:3:12
 3 | server = a 127.0.0.1
   |            ^^^^^^^^^ write where the server is, or let it listen on another port
",
    );
    wrong(
        "\
listen = 192.0.2.1:443
server = a 10.0.0.1:443
[service other]
listen = *:8443
server = a 192.0.2.1:443
",
        "\
error: this server of [service other] is smena itself, by line 2
  --> smena.ini:6:12
 6 | server = a 192.0.2.1:443
   |            ^^^^^^^^^^^^^ write where the server is, or let it listen on another port
",
    );
    wrong(
        "\
listen = *:53
listen = udp *:53
server = a 10.0.0.49:53
[vrrp VI_01]
interface = eth0
virtual_router_id = 51
address = 10.0.0.49
",
        "\
error: this server of [service web] is smena itself, by line 2
  --> smena.ini:4:12
 4 | server = a 10.0.0.49:53
   |            ^^^^^^^^^^^^ write where the server is, or let it listen on another port
",
    );
}

#[test]
fn a_transparent_service_is_of_one_family() {
    wrong(
        "\
listen = *:443
listen = [::]:443
source = client
server = a 10.0.0.1
server = b 2001:db8::1
server = c [2001:db8::2]:443
",
        "\
error: with `source = client` a server and its clients are of one family
  --> smena.ini:5:12
 5 | server = a 10.0.0.1
   |            ^^^^^^^^ write a [service] for each of IPv4 and IPv6, or `source = proxy`
error: with `source = client` a server and its clients are of one family
  --> smena.ini:6:12
 6 | server = b 2001:db8::1
   |            ^^^^^^^^^^^ write a [service] for each of IPv4 and IPv6, or `source = proxy`
error: with `source = client` a server and its clients are of one family
  --> smena.ini:7:12
 7 | server = c [2001:db8::2]:443
   |            ^^^^^^^^^^^^^^^^^ write a [service] for each of IPv4 and IPv6, or `source = proxy`
",
    );
}

#[test]
fn somebody_has_a_weight() {
    wrong(
        "\
listen = *:443
server = a 10.0.0.1 weight 0
server = b 10.0.0.2 weight 0 backup
",
        "\
error: every server of [service web] has weight 0
  --> smena.ini:3:10
 3 | server = a 10.0.0.1 weight 0
   |          ^^^^^^^^^^^^^^^^^^^ one of them needs a weight of 1 or more
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1 weight 257
server = b 10.0.0.2 maxconn 0
",
        "\
error: `weight` is out of range
  --> smena.ini:3:28
 3 | server = a 10.0.0.1 weight 257
   |                            ^^^ write a number from 0 to 256
error: `maxconn` is out of range
  --> smena.ini:4:29
 4 | server = b 10.0.0.2 maxconn 0
   |                             ^ write a number from 1 to 16777216
",
    );
}

#[test]
fn places_that_are_none_say_how_to_write_them() {
    wrong(
        "\
listen = :80
listen = udp/*:53
listen = *:80,*:443
server = a 10.0.0.1
",
        "\
error: `:80` has no address
  --> smena.ini:2:10
 2 | listen = :80
   |          ^^^ write `*:80` for every IPv4 address, or `[::]:80` for every IPv6 one
error: `udp/*:53` is no address
  --> smena.ini:3:10
 3 | listen = udp/*:53
   |          ^^^^^^^^ write `ADDRESS:PORT`, or `udp ADDRESS:PORT` with a blank
error: `*:80,*:443` is a list
  --> smena.ini:4:10
 4 | listen = *:80,*:443
   |          ^^^^^^^^^^ write a `listen` line for each
",
    );
    wrong(
        "\
listen = *:80, *:443
listen = *:81
server = a 10.0.0.1:80, b 10.0.0.2:80
server = 10.0.0.3:80 weight 2
server = 10.0.0.4
server = 10.0.0.5 10.0.0.5
",
        "\
error: `*:80, *:443` is a list
  --> smena.ini:2:10
 2 | listen = *:80, *:443
   |          ^^^^^^^^^^^ write a `listen` line for each
error: `a 10.0.0.1:80, b 10.0.0.2:80` is a list
  --> smena.ini:4:10
 4 | server = a 10.0.0.1:80, b 10.0.0.2:80
   |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ write a `server` line for each
error: the server at `10.0.0.3:80` has no name
  --> smena.ini:5:10
 5 | server = 10.0.0.3:80 weight 2
   |          ^^^^^^^^^^^ write one before the address, such as `web1 10.0.0.3:80`
error: the server at `10.0.0.4` has no name
  --> smena.ini:6:10
 6 | server = 10.0.0.4
   |          ^^^^^^^^ write one before the address, such as `web1 10.0.0.4`
",
    );
}

#[test]
fn udp_has_no_streams() {
    wrong(
        "\
listen = udp *:500
server = a 10.0.0.1
check = tcp
",
        "\
error: nothing says where TCP is answered here
  --> smena.ini:3:12
 3 | server = a 10.0.0.1
   |            ^^^^^^^^ add `check ADDRESS:PORT`, or write `check = none` or `exec COMMAND`
",
    );
    wrong(
        "\
listen = udp *:500
server = a 10.0.0.1 send-proxy-v2
stick = tls-session-id
timeout_client = 5s
",
        "\
error: a PROXY header in front of UDP is understood by nobody
  --> smena.ini:3:12
 3 | server = a 10.0.0.1 send-proxy-v2
   |            ^^^^^^^^ remove it; `source = client` shows the client's address
error: UDP has no TLS session id
  --> smena.ini:4:9
 4 | stick = tls-session-id
   |         ^^^^^^^^^^^^^^ write `stick = source`, or a [service] of its own for UDP
error: `timeout_client` without a listener of TCP
  --> smena.ini:5:18
 5 | timeout_client = 5s
   |                  ^^ remove it: UDP has `timeout_udp`
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
timeout_udp = 5s
",
        "\
error: `timeout_udp` without a listener of UDP
  --> smena.ini:4:15
 4 | timeout_udp = 5s
   |               ^^ remove it
",
    );
    wrong(
        "\
listen = udp *:500
server = a 10.0.0.1 check 10.0.0.1:22
",
        "\
error: `check ADDRESS:PORT` without a check that asks there
  --> smena.ini:3:12
 3 | server = a 10.0.0.1 check 10.0.0.1:22
   |            ^^^^^^^^ remove it, or write `check = tcp`
",
    );
    wrong(
        "\
listen = udp *:500
server = a 10.0.0.1
rise = 2
",
        "\
error: `rise` without `check`
  --> smena.ini:4:8
 4 | rise = 2
   |        ^ remove it
",
    );
}

#[test]
fn what_other_proxies_do_is_named() {
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
mode = http
",
        "\
error: `mode` is always that of TCP
  --> smena.ini:4:1
 4 | mode = http
   | ^^^^ remove it: HTTP passes unread, its headers are for the servers or a proxy behind smena
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
http-request = set-header X-Forwarded-Proto https
crt = /etc/ssl/haproxy.pem
bind = *:80
",
        "\
error: `http-request`: smena reads no HTTP
  --> smena.ini:4:1
 4 | http-request = set-header X-Forwarded-Proto https
   | ^^^^^^^^^^^^ remove it: leave it to the servers, or to a proxy behind smena
error: `crt`: smena ends no TLS
  --> smena.ini:5:1
 5 | crt = /etc/ssl/haproxy.pem
   | ^^^ remove it: TLS passes unread, and the servers or a proxy behind smena end it
error: unknown key `bind` in [service web]
  --> smena.ini:6:1
 6 | bind = *:80
   | ^^^^ did you mean `listen`?
",
    );
    wrong(
        "\
listen = *:443 ssl crt /etc/openssl/private/haproxy.pem
server = a 10.0.0.1 ssl verify none
",
        "\
error: `ssl`: smena ends no TLS
  --> smena.ini:2:16
 2 | listen = *:443 ssl crt /etc/openssl/private/haproxy.pem
   |                ^^^ remove it: TLS passes unread, and the servers or a proxy behind smena end it
error: `ssl`: smena ends no TLS
  --> smena.ini:3:21
 3 | server = a 10.0.0.1 ssl verify none
   |                     ^^^ remove it: TLS passes unread, and the servers or a proxy behind smena end it
",
    );
    wrong(
        "\
listen = *:443 transparent
server = a 10.0.0.1:443 check inter 2000 rise 2 fall 5
",
        "\
error: `transparent` is no option here
  --> smena.ini:2:16
 2 | listen = *:443 transparent
   |                ^^^^^^^^^^^ write `ADDRESS:PORT`, or `udp ADDRESS:PORT`
error: `check` has no address
  --> smena.ini:3:25
 3 | server = a 10.0.0.1:443 check inter 2000 rise 2 fall 5
   |                         ^^^^^ remove it: servers are checked as the key `check` says, or write `check ADDRESS:PORT`
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
server = b 10.0.0.2 inter 2s
server = c 10.0.0.3 slowstart 10s
server = d 10.0.0.4 backup backup
",
        "\
error: `inter` is a key of the section
  --> smena.ini:4:21
 4 | server = b 10.0.0.2 inter 2s
   |                     ^^^^^ write it on a line of its own
error: `slowstart` is no option here
  --> smena.ini:5:21
 5 | server = c 10.0.0.3 slowstart 10s
   |                     ^^^^^^^^^ there are `weight N`, `maxconn N`, `backup`, `check ADDRESS:PORT` and `send-proxy-v2`
error: `backup` is there twice
  --> smena.ini:6:28
 6 | server = d 10.0.0.4 backup backup
   |                            ^^^^^^ there are `weight N`, `maxconn N`, `backup`, `check ADDRESS:PORT` and `send-proxy-v2`
",
    );
}

#[test]
fn a_check_says_what_it_needs() {
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
check = http
",
        "\
error: `check = http` without a path
  --> smena.ini:4:9
 4 | check = http
   |         ^^^^ write `check = http /`
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
check = http health
",
        "\
error: `health` is no path
  --> smena.ini:4:14
 4 | check = http health
   |              ^^^^^^ it begins with `/`: each server is asked for it; %20 is a blank
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
check = https /
",
        "\
error: `check` cannot be `https`
  --> smena.ini:4:9
 4 | check = https /
   |         ^^^^^ smena speaks no TLS: write `tls`, or `exec` with curl
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
check = http://10.0.0.1/
",
        "\
error: `check` cannot be `http://10.0.0.1/`
  --> smena.ini:4:9
 4 | check = http://10.0.0.1/
   |         ^^^^^^^^^^^^^^^^ each server is asked where it serves, or where `check ADDRESS:PORT` on its line says
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
check = tcp 10.0.0.1:80
",
        "\
error: one word more than expected
  --> smena.ini:4:13
 4 | check = tcp 10.0.0.1:80
   |             ^^^^^^^^^^^ remove `10.0.0.1:80`, or put quotes around the whole
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
check = exec
",
        "\
error: `exec` without a command
  --> smena.ini:4:9
 4 | check = exec
   |         ^^^^ write `exec /PROGRAM ARGUMENTS`
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
check = exec curl -f https://$SMENA_SERVER_ADDRESS/
",
        "\
error: `https://$SMENA_SERVER_ADDRESS/` means something to a shell only
  --> smena.ini:4:22
 4 | check = exec curl -f https://$SMENA_SERVER_ADDRESS/
   |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ write a script, or `/bin/sh -c` and all of it in quotes
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
check = exec /usr/bin/test -e /x && true
",
        "\
error: `&&` means something to a shell only
  --> smena.ini:4:34
 4 | check = exec /usr/bin/test -e /x && true
   |                                  ^^ write a script, or `/bin/sh -c` and all of it in quotes
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
check = exec bin/look
",
        "\
error: the command of `exec` is no absolute path
  --> smena.ini:4:14
 4 | check = exec bin/look
   |              ^^^^^^^^ begin it with `/`
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
check_host = www.example.org
check_expect = 200
",
        "\
error: `check_host` without `check = http`
  --> smena.ini:4:14
 4 | check_host = www.example.org
   |              ^^^^^^^^^^^^^^^ remove it
error: `check_expect` without `check = http`
  --> smena.ini:5:16
 5 | check_expect = 200
   |                ^^^ remove it
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
check = none
inter = 1s
fall = 2
",
        "\
error: `inter` without `check`
  --> smena.ini:5:9
 5 | inter = 1s
   |         ^^ remove it
error: `fall` without `check`
  --> smena.ini:6:8
 6 | fall = 2
   |        ^ remove it
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1 check 10.0.0.1:80
check = exec /bin/look
",
        "\
error: `check ADDRESS:PORT` without a check that asks there
  --> smena.ini:3:12
 3 | server = a 10.0.0.1 check 10.0.0.1:80
   |            ^^^^^^^^ remove it, or write `check = tcp`
",
    );
}

#[test]
fn a_choice_and_what_is_missing() {
    wrong(
        "\
balance = random
",
        "\
error: [service web] has no `listen`
  --> smena.ini:1:1
 1 | [service web]
   | ^^^^^^^^^^^^^ add a line such as `listen = *:443`
error: [service web] has no `server`
  --> smena.ini:1:1
 1 | [service web]
   | ^^^^^^^^^^^^^ add a line such as `server = web1 192.0.2.11:443`
error: `balance` cannot be `random`
  --> smena.ini:2:11
 2 | balance = random
   |           ^^^^^^ write `roundrobin`, `leastconn` or `source`
",
    );
    wrong(
        "\
listen = *:443
server = a 10.0.0.1
stick = cookie
source = tproxy
on_down = kill
",
        "\
error: `stick` cannot be `cookie`
  --> smena.ini:4:9
 4 | stick = cookie
   |         ^^^^^^ write `none`, `source` or `tls-session-id`
error: `source` cannot be `tproxy`
  --> smena.ini:5:10
 5 | source = tproxy
   |          ^^^^^^ write `proxy` or `client`
error: `on_down` cannot be `kill`
  --> smena.ini:6:11
 6 | on_down = kill
   |           ^^^^ write `leave` or `cut`
",
    );
}

#[test]
fn there_is_room_for_so_many() {
    let limits = Limits {
        services: 1,
        listeners: 2,
        servers: 2,
        workers: 2,
        ..Limits::BOARD
    };
    let text = "\
[node]
workers = 3
[service web]
listen = *:80
listen = *:81
server = a 10.0.0.1
server = b 10.0.0.2
[service other]
listen = *:82
server = c 10.0.0.3
";
    let expected = "\
error: too many workers: there is room for 2
  --> smena.ini:2:11
 2 | workers = 3
   |           ^ `workers` in board.ini is the limit: raise it there and build again
error: too many [service] sections: there is room for 1
  --> smena.ini:8:1
 8 | [service other]
   | ^^^^^^^^^^^^^^^ `services` in board.ini is the limit: raise it there and build again
error: too many `listen` lines: there is room for 2
  --> smena.ini:9:10
 9 | listen = *:82
   |          ^^^^ `listeners` in board.ini is the limit: raise it there and build again
error: too many `server` lines: there is room for 2
  --> smena.ini:10:10
 10 | server = c 10.0.0.3
    |          ^^^^^^^^^^ `servers` in board.ini is the limit: raise it there and build again
";
    let said = read(source(text.as_bytes()), &limits).1;
    assert_eq!(said, expected, "\n{said}");
}

#[test]
fn a_router_tracks_a_service_that_there_is() {
    let service =
        "track = service wed weight 5\n[service web]\nlisten = *:80\nserver = a 10.0.0.9\n";
    says(
        ROUTER,
        service,
        "\
error: unknown service `wed` in [vrrp VI_01]
  --> smena.ini:5:17
 5 | track = service wed weight 5
   |                 ^^^ did you mean `web`?
",
    );
    says(
        ROUTER,
        &service.replace("service wed", "web"),
        "\
error: `web` is no check in [vrrp VI_01]
  --> smena.ini:5:9
 5 | track = web weight 5
   |         ^^^ write `service web`
",
    );
    let text = [ROUTER, &service.replace("wed", "web")].concat();
    let mut config = empty();
    let outcome = smena::config::parse(
        &source(text.as_bytes()),
        &Limits::BOARD,
        &mut config,
        &mut |d| panic!("{d}"),
    );
    assert_eq!((outcome.errors, outcome.warnings), (0, 0));
    let track = config.routers[0].tracks[0];
    assert_eq!((track.what, track.weight), (Tracked::Service(0), 5));
}

#[test]
fn a_file_of_haproxy_is_named() {
    says(
        "",
        "global\n    maxconn 2048\nfrontend tunnel-in\n    bind *:1443\n",
        "\
error: this is a file of HAProxy
  --> smena.ini:1:1
 1 | global
   | ^^^^^^ write a [service NAME] for each frontend of TCP; smena(8) has an example
",
    );
}

/// Every key, and what holds without it.
#[test]
fn a_service_means_what_it_says() {
    let text = "\
[node]
workers = 2
[service plain]
listen = *:1443
server = udst1 192.168.0.87:443
[service web]
listen = 192.0.2.1:443
listen = [2001:db8::1]:443
balance = leastconn
stick = tls-session-id
server = a 10.0.0.1 weight 5 maxconn 100 backup check 10.0.0.1:81 send-proxy
server = b [2001:db8::2]:444 send-proxy-v2
server = c 2001:db8::3
check = http /health
check_host = www.example.org
check_expect = 200-399
inter = 500ms
rise = 1
fall = 5
on_down = cut
retries = 0
timeout_connect = 1s
timeout_client = 5m
timeout_server = 1h
maxconn = 2048
[service ike]
listen = udp 192.0.2.1:500
listen = udp 192.0.2.1:4500
stick = source
server = a 10.0.0.1
timeout_udp = 30s
source = client
";
    let mut config = empty();
    let outcome = smena::config::parse(
        &source(text.as_bytes()),
        &Limits::BOARD,
        &mut config,
        &mut |d| panic!("{d}"),
    );
    assert_eq!((outcome.errors, outcome.warnings), (0, 0));
    assert_eq!(config.node.workers(), 2);
    let [plain, web, ike] = &*config.services else {
        panic!("three services");
    };
    let seconds = smena::Duration::from_secs;
    assert!(matches!(plain.check, ServerCheck::Tcp));
    assert_eq!(plain.balance, Balance::RoundRobin);
    assert_eq!(plain.stick, Stick::None);
    assert_eq!((plain.rise, plain.fall, plain.inter), (2, 3, seconds(2)));
    assert_eq!((plain.retries, plain.maxconn), (3, 0));
    assert_eq!(plain.timeout_connect, seconds(5));
    assert_eq!(plain.timeout_client, seconds(50));
    assert_eq!(plain.timeout_server, seconds(50));
    assert_eq!(plain.timeout_udp, seconds(60));
    assert!(!plain.cut_on_down && !plain.transparent);
    let [server] = config.servers_of(plain) else {
        panic!("one server");
    };
    assert_eq!((server.port, server.weight, server.maxconn), (443, 1, 0));
    assert_eq!(
        config.listeners_of(plain)[0].address.to_string(),
        "0.0.0.0:1443"
    );

    let ServerCheck::Http(page) = web.check else {
        panic!("{:?}", web.check);
    };
    assert_eq!((page.path, page.host), ("/health", "www.example.org"));
    assert_eq!(page.expect, (200, 399));
    assert_eq!(
        (web.balance, web.stick),
        (Balance::LeastConn, Stick::TlsSessionId)
    );
    assert_eq!((web.rise, web.fall, web.retries), (1, 5, 0));
    assert_eq!(web.inter, smena::Duration::from_millis(500));
    assert_eq!(web.timeout_client, seconds(300));
    assert_eq!((web.maxconn, web.cut_on_down), (2048, true));
    let [a, b, c] = config.servers_of(web) else {
        panic!("three servers");
    };
    assert_eq!((a.port, a.weight, a.maxconn, a.backup), (0, 5, 100, true));
    assert_eq!(a.check.unwrap().to_string(), "10.0.0.1:81");
    assert_eq!(
        (a.proxy, b.proxy, c.proxy),
        (Proxy::V1, Proxy::V2, Proxy::None)
    );
    assert_eq!((b.port, c.address.to_string()), (444, "2001:db8::3".into()));
    let second = config.listeners_of(web)[1];
    assert_eq!(second.address.to_string(), "[2001:db8::1]:443");

    assert!(matches!(ike.check, ServerCheck::None));
    assert_eq!(config.listeners_of(ike)[1].transport, Transport::Udp);
    assert!(ike.transparent && ike.stick == Stick::Source);
    assert_eq!(ike.timeout_udp, seconds(30));
}

#[test]
fn brackets_part_an_ipv6_address_from_its_port() {
    says(
        "",
        "\
[service web]
listen = [10.9.0.1]:80
server = a 2001:db8::5:443
server = b [2001:db8::5]:443
server = c 2001:db8::80
server = d [2001:db8::5:80]
server = e [10.9.0.2]:80
",
        "\
error: `[10.9.0.1]` is no IPv6 address
  --> smena.ini:2:10
 2 | listen = [10.9.0.1]:80
   |          ^^^^^^^^^^^^^ brackets are for IPv6 alone: write another address without them
warning: `443` is a part of the address, not a port
  --> smena.ini:3:12
 3 | server = a 2001:db8::5:443
   |            ^^^^^^^^^^^^^^^ write `[2001:db8::5]:443` for a port, or `[2001:db8::5:443]` for none
error: `[10.9.0.2]` is no IPv6 address
  --> smena.ini:7:12
 7 | server = e [10.9.0.2]:80
   |            ^^^^^^^^^^^^^ brackets are for IPv6 alone: write another address without them
",
    );
}
