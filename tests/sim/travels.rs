//! Named worlds of how adverts travel: from peer to peer, signed, by clocks that
//! are set or forget.

use smena::protocol::Version;

use crate::sim::clock::{MS, SECOND};
use crate::sim::plan::Plan;
use crate::sim::scenario::play;

fn signed(steps: [usize; 2], clockless: bool) -> Plan {
    let mut plan = Plan::pair().advert(Version::V3, SECOND);
    plan.routers[0].delivery.steps = steps.to_vec();
    plan.routers[0].delivery.clockless = clockless;
    plan
}

#[test]
fn peers_fail_over_as_the_group_does() {
    let mut plan = Plan::with_priorities(&[101, 100, 99]);
    plan.routers[0].delivery.unicast = true;
    play(plan, |world| {
        assert_eq!(world.master(0), Some(0));
        world.power_off(0);
        let time = world.wait(60 * SECOND, |world| world.is_master(1, 0));
        assert!((2_609 * MS..=3_613 * MS).contains(&time), "{time}");
        world.boot(0);
        world.settle();
        assert_eq!(world.master(0), Some(0));
    });
}

/// Each step towards signatures, and to a new key, beside the step before it.
#[test]
fn signatures_come_in_step_by_step() {
    for step in 0..6 {
        for steps in [[step, step + 1], [step + 1, step], [step, step]] {
            play(signed(steps, false), |world| {
                assert_eq!(world.master(0), Some(0), "{steps:?}");
                world.power_off(0);
                world.wait(60 * SECOND, |world| world.is_master(1, 0));
                world.boot(0);
                world.settle();
                assert_eq!(world.master(0), Some(0), "{steps:?}");
            });
        }
    }
}

/// Clocks that are set by less than the window allows disturb nobody.
#[test]
fn clocks_are_set_a_little() {
    play(signed([3, 3], false), |world| {
        let changes = |world: &crate::sim::scenario::World<'_>| {
            let process = world.hosts[1].process.as_ref().unwrap();
            process.node.routers()[0].transitions()
        };
        let before = changes(world);
        for (node, off) in [(0, -2), (1, 2), (0, 2), (1, -2), (0, 0), (1, 0)] {
            world.hosts[node].wall.off = off * SECOND as i64;
            world.run(7 * SECOND);
        }
        assert_eq!((world.master(0), changes(world)), (Some(0), before));
    });
}

/// A board whose clock begins anew with each boot sends what its peer takes for
/// old, until it hears the peer.
#[test]
fn a_board_without_a_clock_comes_back() {
    play(signed([3, 3], true), |world| {
        world.run(300 * SECOND);
        world.power_off(0);
        world.run(10 * SECOND);
        assert_eq!(world.master(0), Some(1));
        world.boot(0);
        world.settle();
        assert_eq!(world.master(0), Some(0));
    });
}
