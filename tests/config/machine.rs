//! The exact text about `[interface NAME]` and `[init]`, and what they mean.

use smena::config::{Limits, Mount, parse};

use super::{ROUTER, empty, says, source};

const MACHINE: &str = "\
[init]
hostname = gw-a
module = virtio_net
module = softdog soft_margin=3
mount = tmpfs /run/lock
mount = ext4 /dev/vda \"/var/lib\"
watchdog = /dev/watchdog
start = /usr/sbin/dropbear -F
[interface eth0]
address = 10.10.10.1/24
address = 2001:db8::1/64
gateway = 10.10.10.254
gateway = fe80::1
mtu = 1400
[interface eth1]
";

#[test]
fn a_machine() {
    let text = [ROUTER, MACHINE].concat();
    let mut config = empty();
    let source = source(text.as_bytes());
    let outcome = parse(&source, &Limits::BOARD, &mut config, &mut |d| panic!("{d}"));
    assert_eq!((outcome.errors, outcome.warnings), (0, 0));
    assert_eq!(config.init.hostname, Some("gw-a"));
    assert_eq!(config.init.watchdog, Some("/dev/watchdog"));
    let modules = config.init.modules.iter().map(|words| words.as_str());
    assert!(modules.eq(["virtio_net", "softdog soft_margin=3"]));
    let programs = config.init.programs.iter().map(|words| words.as_str());
    assert!(programs.eq(["/usr/sbin/dropbear -F"]));
    let mount = |kind, source, target| Mount {
        kind,
        source,
        target,
    };
    let tmpfs = mount("tmpfs", "tmpfs", "/run/lock");
    assert_eq!(
        &config.init.mounts[..],
        [tmpfs, mount("ext4", "/dev/vda", "/var/lib")]
    );
    let [eth0, eth1] = config.interfaces[..] else {
        panic!("two interfaces");
    };
    assert_eq!((eth0.name, eth0.mtu), ("eth0", 1400));
    assert_eq!((eth1.name, eth1.mtu), ("eth1", 0));
    assert_eq!(eth0.gateways[0], "10.10.10.254".parse().ok());
    assert_eq!(eth0.gateways[1], "fe80::1".parse().ok());
    assert_eq!(eth1.gateways, [None; 2]);
    let own = config.own_addresses.iter();
    let own: Vec<_> = own
        .map(|own| {
            let address = own.address.address;
            (own.interface, address.to_string(), own.address.prefix_len)
        })
        .collect();
    assert_eq!(
        own,
        [(0, "10.10.10.1".into(), 24), (0, "2001:db8::1".into(), 64)]
    );
}

#[test]
fn an_address_says_how_large_its_network_is() {
    says(
        ROUTER,
        "[interface eth0]\naddress = 10.0.0.2\naddress = 2001:db8::2\n",
        "\
error: `10.0.0.2` has no prefix length
  --> smena.ini:6:11
 6 | address = 10.0.0.2
   |           ^^^^^^^^ write how large the network is, such as `10.0.0.2/24`
error: `2001:db8::2` has no prefix length
  --> smena.ini:7:11
 7 | address = 2001:db8::2
   |           ^^^^^^^^^^^ write how large the network is, such as `2001:db8::2/64`
",
    );
}

#[test]
fn an_address_is_there_once() {
    says(
        ROUTER,
        "[interface eth0]\naddress = 10.0.0.2/24\n[interface eth1]\naddress = 10.0.0.2/16\n",
        "\
error: the address `10.0.0.2/16` is there twice
  --> smena.ini:8:11
 8 | address = 10.0.0.2/16
   |           ^^^^^^^^^^^ remove one
",
    );
}

#[test]
fn a_gateway_is_a_neighbour() {
    says(
        ROUTER,
        "\
[interface eth0]
address = 10.0.0.2/25
address = 2001:db8::2/57
gateway = 10.0.0.129
gateway = 2001:db8:0:80::1
[interface eth1]
address = 10.1.0.2/25
address = 2001:db8:1::2/57
gateway = 10.1.0.127
gateway = 2001:db8:1:7f::1
",
        "\
error: no address of [interface eth0] is in the network of this gateway
  --> smena.ini:5:1
 5 | [interface eth0]
   | ^^^^^^^^^^^^^^^^ add one, or correct its prefix length
error: no address of [interface eth0] is in the network of this gateway
  --> smena.ini:8:11
 8 | gateway = 10.0.0.129
   |           ^^^^^^^^^^ add one, or correct its prefix length
",
    );
}

#[test]
fn a_gateway_of_each_family() {
    says(
        ROUTER,
        "\
[interface eth0]
address = 10.0.0.2/24
gateway = 10.0.0.3
gateway = 10.0.0.4
gateway = 10.0.0.5/24
",
        "\
error: [interface eth0] has two gateways of one family
  --> smena.ini:8:11
 8 | gateway = 10.0.0.4
   |           ^^^^^^^^ remove one: there is one way out for each
error: an address without a network belongs here
  --> smena.ini:9:11
 9 | gateway = 10.0.0.5/24
   |           ^^^^^^^^^^^ remove `/24`
",
    );
}

#[test]
fn what_is_said_wrongly_in_init() {
    says(
        ROUTER,
        "\
[init]
module = ../evil
mount = tmpfs
mount = tmpfs run
mount = ext4 /dev/vda /data ro
start = dropbear
watchdog = watchdog
mtu = 1500
",
        "\
error: `../evil` is no name
  --> smena.ini:6:10
 6 | module = ../evil
   |          ^^^^^^^ 1 to 31 letters, digits, `_`, `.` and `-`
error: `tmpfs` does not say what to mount where
  --> smena.ini:7:9
 7 | mount = tmpfs
   |         ^^^^^ write `FSTYPE TARGET` or `FSTYPE SOURCE TARGET`, such as `tmpfs /run`
error: `tmpfs run` does not say what to mount where
  --> smena.ini:8:9
 8 | mount = tmpfs run
   |         ^^^^^^^^^ write `FSTYPE TARGET` or `FSTYPE SOURCE TARGET`, such as `tmpfs /run`
error: `ext4 /dev/vda /data ro` does not say what to mount where
  --> smena.ini:9:9
 9 | mount = ext4 /dev/vda /data ro
   |         ^^^^^^^^^^^^^^^^^^^^^^ write `FSTYPE TARGET` or `FSTYPE SOURCE TARGET`, such as `tmpfs /run`
error: the command of `start` has no absolute path
  --> smena.ini:10:9
 10 | start = dropbear
    |         ^^^^^^^^ begin it with `/`
error: `watchdog` is no absolute path
  --> smena.ini:11:12
 11 | watchdog = watchdog
    |            ^^^^^^^^ it begins with `/` and has at most 107 bytes
error: unknown key `mtu` in [init]
  --> smena.ini:12:1
 12 | mtu = 1500
    | ^^^ it is a key of [interface]
",
    );
}

#[test]
fn no_more_than_there_is_room_for() {
    let limits = Limits {
        modules: 1,
        mounts: 1,
        programs: 1,
        own_addresses: 1,
        ..Limits::BOARD
    };
    let text = [ROUTER, MACHINE, "start = /bin/true\n"].concat();
    let text = text.replace("[interface eth1]\nstart = /bin/true", "");
    let text = text.replace("watchdog =", "start = /bin/true\nwatchdog =");
    let (_, said) = super::read(source(text.as_bytes()), &limits);
    for expected in [
        "too many module lines: there is room for 1\n",
        "too many mount lines: there is room for 1\n",
        "too many start lines: there is room for 1\n",
        "too many addresses of interfaces: there is room for 1\n",
        "`own_addresses` in board.ini is the limit",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}
