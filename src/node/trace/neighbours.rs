//! What neighbours say about who has an address of ours, and addresses that
//! somebody else set here: the diagnoses that no advert shows.

use super::*;
use crate::diagnosis::Code;

/// A killed keepalived leaves its address behind, without our mark.
#[test]
fn an_address_that_another_program_left() {
    let mut trace = Trace::prepared(PAIR);
    let left = Event::AddressAdded(ETH0, local("192.0.2.1", 32));
    trace.at(0, left, &[]);
    trace.at(0, Event::Start, &[]);
    trace.says(2900, &[]);
    trace.says(
        3000,
        &[
            "address-left ::: 192.0.2.1 is on eth0 although this node is not master, and smena \
           did not set it: run ip address del 192.0.2.1/32 dev eth0",
        ],
    );
    let gone = Event::AddressRemoved(ETH0, local("192.0.2.1", 32));
    trace.at(3000, gone, &[]);
    trace.says(3000, &[]);
    // A master sets it anew, which makes it its own.
    let left = Event::AddressAdded(ETH0, local("192.0.2.1", 32));
    trace.at(3100, left, &[]);
    trace.skip(4000);
    trace.is(Role::Master);
    trace.says(9000, &[]);
}

/// The virtual address was made the only address of the node: adverts cannot come
/// from it, and to remove it as it stands could cut the node off.
#[test]
fn an_address_that_is_the_only_one() {
    let mut trace = Trace::prepared(PAIR);
    let only = Event::AddressAdded(ETH0, local("192.0.2.1", 32));
    trace.at(0, only, &[]);
    let own = Event::AddressRemoved(ETH0, local("10.0.0.2", 24));
    trace.at(0, own, &[RESCAN]);
    trace.at(0, only, &[]);
    trace.at(0, Event::AddressesScanned(ETH0), &[]);
    trace.at(0, Event::Start, &[]);
    trace.is(Role::Fault);
    trace.says(
        3000,
        &[
            "address-left ::: 192.0.2.1 is on eth0, which has no address of its own to send adverts \
           from: give it one first, then run ip address del 192.0.2.1/32 dev eth0",
        ],
    );
    // It got one: now it can be removed.
    let own = Event::AddressAdded(ETH0, local("10.0.0.2", 24));
    trace.at(3000, own, &[]);
    trace.is(Role::Backup);
    trace.says(
        3000,
        &[
            "address-left ::: 192.0.2.1 is on eth0 although this node is not master, and smena \
           did not set it: run ip address del 192.0.2.1/32 dev eth0",
        ],
    );
}

/// While master, the link is asked who else has the address; the node's own
/// MACs, and the virtual router's, are no others.
#[test]
fn another_machine_answers_for_our_address() {
    let mut trace = Trace::master(PAIR);
    let vip = IpAddr::from([192, 0, 2, 1]);
    let other = [0x52, 0x54, 0, 0xab, 0, 0x0f];
    let probes = |done: Vec<Action>| {
        let probes = done.iter().filter(|a| matches!(a, Action::Probe(_)));
        probes.count()
    };
    assert_eq!(probes(trace.skip(5_500)), 0);
    assert_eq!(probes(trace.skip(5_700)), 1, "2 s after the take-over");
    assert_eq!(probes(trace.skip(64_000)), 1, "and each 30 s");
    let mut buffer = [0; 64];
    let probe = trace.node.emit_probe(R, 0, &mut buffer).unwrap();
    assert_eq!((probe.length, probe.ethertype), (28, 0x0806));
    let claims = [
        (2, vip, [2, 0, 0, 0, 0, 2]),
        (2, vip, [0, 0, 0x5e, 0, 1, 51]),
        (9, vip, other),
        (2, IpAddr::from([192, 0, 2, 99]), other),
    ];
    for (index, address, mac) in claims {
        trace.at(64_000, Event::Claimed(index, address, mac), &[]);
        trace.says(64_000, &[]);
    }
    // It is asked once more before it is told.
    trace.skip(70_000);
    trace.at(70_000, Event::Claimed(2, vip, other), &[]);
    assert_eq!(probes(trace.skip(73_000)), 1);
    trace.says(73_000, &[]);
    trace.at(73_000, Event::Claimed(2, vip, other), &[]);
    trace.says(
        73_000,
        &[
            "address-conflict 52:54:00:ab:00:0f: 52:54:00:ab:00:0f answers for 192.0.2.1 as \
           well: remove 192.0.2.1 from the machine with this MAC",
        ],
    );
    assert_eq!(probes(trace.skip(102_900)), 0, "each 30 s again");
    trace.skip(133_100);
    trace.says(133_100, &[]);
    // A master that does not hear us keeps it, and was heard before our time only.
    let mut backup = Trace::backup(PAIR);
    for ms in (500..6000).step_by(500) {
        backup.skip(ms);
        if backup.node.routers()[0].role() == Role::Backup {
            backup.takes(ms, &packet(|advert| advert.priority = 50));
        }
    }
    backup.is(Role::Master);
    let since = backup.node.routers()[0].since().total_millis();
    for ms in [since + 2000, since + 5001] {
        backup.skip(ms);
        backup.at(ms, Event::Claimed(2, vip, other), &[]);
    }
    assert_eq!(backup.codes(since + 5001), [Code::AddressConflict]);
    // A backup has nothing to say about the address.
    let mut backup = Trace::backup(PAIR);
    backup.at(2000, Event::Claimed(2, vip, other), &[]);
    backup.says(2000, &[]);
    assert_eq!(probes(backup.skip(3_000)), 0);
}

/// keepalived starts the wait for its next advert anew with each of ours that it
/// drops for its version or password: one advert, then silence, and still master.
/// What that one showed stands for as long as the address is answered for.
#[test]
fn a_master_that_fell_silent_is_still_there_as_long_as_it_answers() {
    let mut trace = Trace::master(PAIR);
    trace.takes(5000, &packet(|advert| advert.version = Version::V3));
    let claim = Event::Claimed(2, IpAddr::from([192, 0, 2, 1]), [0x52, 0x54, 0, 1, 2, 3]);
    for second in 5..300 {
        let done = trace.skip(1000 * second);
        if done.contains(&Action::Probe(R)) {
            trace.at(1000 * second, claim, &[]);
        }
    }
    let both = [Code::Version, Code::AddressConflict];
    assert_eq!(trace.codes(300_000), both);
    let now = Instant::from_millis(300_000);
    let seen_at = trace.node.diagnoses(now, R).map(|found| found.seen_at);
    assert_eq!(seen_at.min(), Some(Instant::from_millis(5000)));
    trace.skip(361_000);
    trace.says(361_000, &[]);
    // Without an answer it has ended after a minute.
    let mut trace = Trace::master(PAIR);
    trace.takes(5000, &packet(|advert| advert.version = Version::V3));
    trace.skip(66_000);
    trace.says(66_000, &[]);
}

/// Who follows a master says that it has the addresses, often before the master
/// has let go; who was master beyond a broken link does so until it hears.
#[test]
fn a_successor_is_no_other_machine() {
    let vip = IpAddr::from([192, 0, 2, 1]);
    let other = [0x52, 0x54, 0, 0xab, 0, 0x0f];
    let claim = Event::Claimed(2, vip, other);
    // It speaks before its advert is heard, and is heard.
    let mut trace = Trace::master(PAIR);
    trace.skip(5900);
    trace.at(5900, claim, &[]);
    trace.says(5900, &[]);
    trace.takes(5901, &packet(|advert| advert.priority = 150));
    trace.is(Role::Backup);
    trace.says(5901, &[]);
    // Its claims while this node lets go are in order, however often they come.
    let mut trace = Trace::master(PAIR);
    trace.skip(9000);
    trace.at(9000, claim, &[]);
    trace
        .node
        .process(Instant::from_millis(9001), Event::Stop, &mut trace.actions);
    assert!(trace.node.routers()[0].releasing());
    for ms in [9002, 9100, 9300] {
        trace.skip(ms);
        trace
            .node
            .process(Instant::from_millis(ms), claim, &mut trace.actions);
        trace.says(ms, &[]);
    }
    // A rival that yields is not asked in vain: its claims end, twice.
    let mut trace = Trace::master(PAIR);
    for start in [10_000, 20_000] {
        for ms in [start, start + 5, start + 400] {
            trace.skip(ms);
            trace.at(ms, claim, &[]);
        }
        trace.skip(start + 8000);
        trace.says(start + 8000, &[]);
    }
    // One that is heard as master is told as such, and as nothing else.
    for ms in (30_000..40_000).step_by(500) {
        trace.takes(ms, &packet(|advert| advert.priority = 50));
        trace.skip(ms + 1);
        trace.at(ms + 1, claim, &[]);
    }
    assert_eq!(trace.codes(39_600), [Code::TwoMasters]);
}
