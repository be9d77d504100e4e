//! Processes that die in a machine: the keeper, which is PID 1, and a worker.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::build::{config, image, temporary};
use super::guest::{BOOT, Guest, alone};
use super::lan::Lan;

/// The number of the call that the keeper waits in.
const EPOLL_PWAIT: u32 = 281;
const SOON: Duration = Duration::from_secs(20);
/// What a client may go without an answer when a master dies without a word, as
/// in `pair`.
const SILENT: Duration = Duration::from_millis(2500);

fn half(number: u8, priority: u8) -> String {
    format!(
        "\
[init]
hostname = gw-{number}
module = virtio_pci
module = virtio_net
start = /bin/busybox sh /etc/smena/agent
start = /bin/busybox httpd -f -p 127.0.0.1:8081 -h /etc
[interface eth0]
address = 10.66.0.{number}/24
[vrrp VI_01]
interface = eth0
virtual_router_id = 66
version = 3
priority = {priority}
advert_int = 100ms
address = 10.66.0.100/24
[service page]
listen = 10.66.0.100:8080
server = here 127.0.0.1:8081
"
    )
}

/// Where PID 1 sleeps in epoll_pwait(2).
fn sleeping(guest: &mut Guest) -> u64 {
    let until = Instant::now() + SOON;
    loop {
        let (said, _) = guest.run("busybox cat /proc/1/syscall");
        let words: Vec<_> = said.split_whitespace().collect();
        if let [number, .., place] = words[..]
            && number == EPOLL_PWAIT.to_string()
        {
            return u64::from_str_radix(place.trim_start_matches("0x"), 16).unwrap();
        }
        assert!(Instant::now() < until, "{said}");
    }
}

/// The shell command that changes bytes of PID 1, code among it.
fn change(at: u64, bytes: &[u8]) -> String {
    let bytes: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    format!(
        "busybox printf '{bytes}' | busybox dd of=/proc/1/mem bs=1 seek={at} conv=notrunc 2>/dev/null"
    )
}

/// The keeper's next wait is to be one that the kernel does not know, which an
/// assertion in its loop does not believe.
fn break_an_assertion(guest: &mut Guest) -> String {
    const BEFORE: u64 = 48;
    let place = sleeping(guest);
    let from = place - BEFORE;
    let (said, _) = guest.run(&format!(
        "busybox dd if=/proc/1/mem bs=1 skip={from} count={BEFORE} 2>/dev/null | busybox od -An -v -tx1"
    ));
    let code: Vec<_> = said
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    let number = EPOLL_PWAIT.to_le_bytes();
    let at = code.windows(4).rposition(|bytes| bytes == number);
    let at = at.unwrap_or_else(|| panic!("the call is not made at {place:#x}: {code:02x?}"));
    change(from + at as u64, &9999_u32.to_le_bytes())
}

#[test]
fn a_keeper_that_dies_leaves_the_address_to_its_peer() {
    let Some(image) = image("a_keeper_that_dies_leaves_the_address_to_its_peer") else {
        return;
    };
    let _alone = alone();
    let folder = temporary("crash");
    let lan = Lan::new(&folder);
    let archives = [
        config(&half(1, 110), &folder),
        config(&half(2, 100), &folder),
    ];
    let mut one = Guest::start(&image, &lan, 1, &archives[0], "");
    let mut two = Guest::start(&image, &lan, 2, &archives[1], "");
    two.wait_for("..BACKUP", BOOT);
    one.wait_for("..MASTER", BOOT);
    lan.settle(1, SOON);

    // An assertion: the guard lets go of the address and tells everybody, then
    // the machine starts anew.
    let order = break_an_assertion(&mut one);
    let since = Instant::now();
    one.order(&order);
    lan.wait_for(2, SOON);
    told("an assertion of PID 1", lan.gap(since));
    one.wait_for("smena must end: an assertion failed: 0x", SOON);
    one.wait_for(
        "the keeper died: addresses removed and priority 0 sent",
        SOON,
    );
    one.wait_for("this machine restarts", SOON);
    assert!(lan.resigned(1, since));
    assert_eq!(one.said("Kernel panic"), 0);
    one.wait_for("Run /init as init process", BOOT);
    one.restarted();
    lan.settle(1, BOOT);

    // A fault of the processor, which no program survives: the kernel gives up,
    // and `panic=1` starts the machine anew.
    let place = sleeping(&mut one);
    let since = Instant::now();
    one.order(&change(place, &[0x0f, 0x0b]));
    lan.wait_for(2, SOON);
    told("a fault of PID 1", lan.gap(since));
    one.wait_for("Attempted to kill init!", SOON);
    one.wait_for("Run /init as init process", BOOT);
    one.restarted();
    lan.settle(1, BOOT);

    // A worker: another one takes its place, and the router is not touched.
    one.wait_for("service page: serves again", SOON);
    let page = "busybox wget -q -O - http://10.66.0.100:8080/smena.ini | busybox head -n 1";
    let (said, _) = one.run(page);
    assert_eq!(said, "[init]\n");
    let since = Instant::now();
    let fetch = format!("for n in 1 2 3 4 5 6 7 8; do {page}; done");
    let kill = "kill -9 $(busybox ps -o pid,args | busybox grep '[s]mena: forward' | busybox awk '{print $1}')";
    let (said, _) = one.run(&format!("{fetch}; {kill}; {fetch}"));
    assert_eq!(said, "[init]\n".repeat(16));
    one.wait_for("worker 0 was killed", SOON);
    let (workers, _) = one.run("busybox ps -o pid,args | busybox grep -c '[s]mena: forward'");
    assert_eq!(workers, "1\n");
    let (status, _) = one.run("smena status --json");
    assert!(status.contains("\"state\":\"MASTER\""), "{status}");
    assert!(status.contains("\"sessions_total\":17"), "{status}");
    let pause = lan.longest_pause(1, since);
    assert!(pause < SILENT, "no advert for {pause:?}");
    assert_eq!(lan.adverts(2, since), 0);
    told("a worker", lan.gap(since));
}

/// Prints how long the client went without an answer, and holds it to the limit.
fn told(what: &str, gap: Duration) {
    let (ms, most) = (gap.as_millis(), SILENT.as_millis());
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "image: {what}: {ms} ms without an answer, most {most}");
    assert!(gap <= SILENT, "{what}: {gap:?}");
}
