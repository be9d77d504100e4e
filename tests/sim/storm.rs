//! The weather: which fault comes next, how long it lasts, and how all of them
//! end when the storm is over.

use smena::event::Outcome;

use super::clock::{At, MS, SECOND};
use super::host::{Health, Schedule};
use super::lan::Path;
use super::plan::INTERFACES;
use super::random::Random;
use super::world::World;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Packets are lost, doubled, damaged or late in one direction.
    BadPath,
    /// One direction is cut.
    OneWay,
    /// One machine is cut off a segment, or the machines fall into two halves.
    Partition,
    /// The process is stopped for a while.
    Stopped,
    /// The machine is suspended.
    Suspended,
    /// The virtual machine is paused.
    Paused,
    /// kill -9, and a supervisor that starts it again.
    Killed,
    /// A planned stop, sometimes impatient, and a start.
    Restart,
    /// Power loss.
    PowerLoss,
    /// The cable, or `ip link set down`.
    LinkDown,
    /// The interface is deleted and made again.
    LinkDeleted,
    /// Somebody deletes one of our addresses.
    AddressDeleted,
    /// Somebody deletes some of the machine's own addresses, and puts them back.
    OwnAddressDeleted,
    /// A check fails, flaps, hangs or learns nothing.
    BadCheck,
    /// The kernel refuses addresses.
    Refusal,
    /// Adverts by somebody whose configuration is wrong.
    Stranger,
    /// Adverts by somebody who knows ours and means ill.
    Hostile,
    /// Somebody wants a server in drain, in maint, back, or with another weight.
    Order,
    /// A server refuses sessions.
    Refused,
}

impl Kind {
    /// Those of worlds with services.
    pub const OF_SERVICES: [Kind; 2] = [Kind::Order, Kind::Refused];

    /// All of them.
    pub const ALL: [Kind; 17] = [
        Kind::BadPath,
        Kind::OneWay,
        Kind::Partition,
        Kind::Stopped,
        Kind::Suspended,
        Kind::Paused,
        Kind::Killed,
        Kind::Restart,
        Kind::PowerLoss,
        Kind::LinkDown,
        Kind::LinkDeleted,
        Kind::AddressDeleted,
        Kind::OwnAddressDeleted,
        Kind::BadCheck,
        Kind::Refusal,
        Kind::Stranger,
        Kind::Hostile,
    ];
}

/// What ends a fault.
#[derive(Clone, Copy, Debug)]
pub enum Relief {
    Paths,
    Schedule(usize),
    Start(usize),
    Boot(usize),
    Cable(usize, usize),
    Create(usize, usize),
    OwnAddresses(usize, usize),
    Check(usize, usize),
    Orders(usize),
    Refusal(usize),
    StopAgain(usize, u32),
}

/// One fault, now. Returns what ends it, and when.
pub fn strike(world: &mut World<'_>, kind: Kind) -> Option<(At, Relief)> {
    let nodes = world.hosts.len();
    let node = world.random.below(nodes as u64) as usize;
    let segment = world.random.below(INTERFACES.len() as u64) as usize;
    let random = &mut world.random;
    let lasting = duration(random);
    match kind {
        Kind::BadPath => {
            let path = Path {
                blocked: false,
                loss: random.pick(&[0, 50, 300, 700]),
                duplicates: random.pick(&[0, 0, 200]),
                damage: random.pick(&[0, 0, 200]),
                late: random.pick(&[0, 0, 300]),
            };
            let to = random.below(nodes as u64) as usize;
            world.set_path(segment, node, to, path);
            Some((lasting, Relief::Paths))
        }
        Kind::OneWay => {
            let to = (node + 1 + random.below(nodes as u64 - 1) as usize) % nodes;
            world.cut_one_way(segment, node, to);
            Some((lasting, Relief::Paths))
        }
        Kind::Partition => {
            let side = random.between(1, (1 << nodes) - 2);
            let whole = random.chance(500);
            for segment in (0..INTERFACES.len()).filter(|s| whole || *s == segment) {
                world.partition(segment, side);
            }
            Some((lasting, Relief::Paths))
        }
        Kind::Stopped => world
            .pause(node, Schedule::Stopped)
            .then_some((lasting, Relief::Schedule(node))),
        Kind::Suspended => world
            .pause(node, Schedule::Suspended)
            .then_some((lasting, Relief::Schedule(node))),
        Kind::Paused => world
            .pause(node, Schedule::Paused)
            .then_some((lasting, Relief::Schedule(node))),
        Kind::Killed => world.kill(node).then_some((lasting, Relief::Start(node))),
        Kind::Restart => {
            let patience = random.chance(150).then(|| random.below(500 * MS));
            let incarnation = world.hosts[node].incarnation;
            if world.stop(node)
                && let Some(patience) = patience
            {
                world.later(patience, Relief::StopAgain(node, incarnation));
            }
            Some((lasting, Relief::Start(node)))
        }
        Kind::PowerLoss => world
            .power_off(node)
            .then_some((lasting, Relief::Boot(node))),
        Kind::LinkDown => {
            let cable = random.chance(600);
            let down = world.set_link(node, segment, false, cable);
            down.then_some((lasting, Relief::Cable(node, segment)))
        }
        Kind::LinkDeleted => {
            let deleted = world.delete_interface(node, segment);
            deleted.then_some((lasting, Relief::Create(node, segment)))
        }
        Kind::AddressDeleted => {
            world.delete_virtual_address(node);
            None
        }
        Kind::OwnAddressDeleted => {
            let which = random.between(1, 7);
            world.delete_own_addresses(node, segment, which);
            Some((lasting, Relief::OwnAddresses(node, segment)))
        }
        Kind::BadCheck => {
            let count = world.hosts[node].health.len() as u64;
            if count == 0 {
                return None;
            }
            let check = random.below(count) as usize;
            let health = random.pick(&[
                Health::Gives(Outcome::Failure),
                Health::Gives(Outcome::Failure),
                Health::Gives(Outcome::Unknown),
                Health::Flaps,
                Health::Hangs,
            ]);
            world.set_health(node, check, health);
            Some((lasting, Relief::Check(node, check)))
        }
        Kind::Refusal => {
            world.hosts[node].refuses = true;
            Some((lasting, Relief::Refusal(node)))
        }
        Kind::Stranger => {
            world.strangers(lasting);
            None
        }
        Kind::Hostile => {
            world.hostile_until = world.now + lasting.max(500 * MS);
            None
        }
        Kind::Order => world.order(node).then_some((lasting, Relief::Orders(node))),
        Kind::Refused => {
            world.refuse_sessions(node);
            None
        }
    }
}

/// A fault ends.
pub fn relieve(world: &mut World<'_>, relief: Relief) {
    match relief {
        Relief::Paths => world.mend_paths(),
        Relief::Schedule(node) => world.resume(node),
        Relief::Start(node) => world.start(node),
        Relief::Boot(node) => world.boot(node),
        Relief::Cable(node, segment) => {
            world.set_link(node, segment, true, true);
        }
        Relief::Create(node, segment) => world.create_interface(node, segment),
        Relief::OwnAddresses(node, segment) => world.add_own_addresses(node, segment),
        Relief::Check(node, check) => {
            world.set_health(node, check, Health::Gives(Outcome::Success))
        }
        Relief::Orders(node) => world.end_orders(node),
        Relief::Refusal(node) => world.hosts[node].refuses = false,
        Relief::StopAgain(node, incarnation) => {
            if world.hosts[node].incarnation == incarnation {
                world.stop(node);
            }
        }
    }
}

/// The storm is over: everything works from now on.
pub fn heal(world: &mut World<'_>) {
    world.mend_paths();
    world.end_strangers();
    world.hostile_until = world.now;
    for node in 0..world.hosts.len() {
        world.hosts[node].refuses = false;
        for check in 0..world.hosts[node].health.len() {
            world.set_health(node, check, Health::Gives(Outcome::Success));
        }
        world.boot(node);
        world.resume(node);
        for segment in 0..INTERFACES.len() {
            world.create_interface(node, segment);
            world.set_link(node, segment, true, true);
            world.add_own_addresses(node, segment);
        }
        world.start(node);
        world.end_orders(node);
    }
}

/// From a hiccup to longer than anybody's patience.
fn duration(random: &mut Random) -> At {
    random.magnitude(5 * MS, 15 * SECOND)
}
