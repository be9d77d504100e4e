//! The classics, one by one: named worlds where one thing happens and the
//! answer is known to the millisecond. Node 0 has the best priority unless a
//! scenario says otherwise; every rule is watched here as well.

use smena::config::Release;
use smena::event::Outcome;
use smena::protocol::Version;

use crate::sim::clock::{At, MS, SECOND};
use crate::sim::host::{Health, Schedule};
use crate::sim::plan::{Lease, Plan};
use crate::sim::scenario::{World, play};

/// Between these bounds, both included.
fn within(time: At, least: At, most: At) {
    assert!(
        (least..=most).contains(&time),
        "{time} us is not within {least}..={most} us"
    );
}

/// Until this node is master, at most a minute.
fn until_master(world: &mut World<'_>, node: usize) -> At {
    world.wait(60 * SECOND, |world| world.is_master(node, 0))
}

#[test]
fn power_loss_costs_three_adverts_and_the_skew() {
    play(Plan::pair(), |world| {
        assert_eq!(world.master(0), Some(0));
        world.power_off(0);
        // 3.609 s after the last advert, which was up to 1 s ago.
        within(until_master(world, 1), 2_609 * MS, 3_613 * MS);
        world.boot(0);
        world.settle();
        assert_eq!(world.master(0), Some(0), "the better one preempts");
    });
}

#[test]
fn power_loss_at_ten_milliseconds() {
    play(Plan::pair().advert(Version::V3, 10 * MS), |world| {
        world.power_off(0);
        within(until_master(world, 1), 26 * MS, 40 * MS);
    });
}

/// `takeover_probe`: a master that hangs is followed when its lease has ended, or,
/// where it has none, when it was asked for long enough; one without power at once.
#[test]
fn a_silent_master_is_asked_for_its_address_first() {
    let probe = |lease| {
        Plan::pair().members(move |member| {
            member.takeover_probe = 2 * SECOND;
            member.lease = lease;
        })
    };
    for (lease, asked) in [(Lease::Off, 2_000 * MS), (Lease::Auto, 200 * MS)] {
        play(probe(lease), |world| {
            world.pause(0, Schedule::Stopped);
            let time = until_master(world, 1);
            within(time, 2_609 * MS + asked, 3_613 * MS + asked);
            world.resume(0);
            world.settle();
        });
    }
    play(probe(Lease::Off), |world| {
        world.power_off(0);
        within(until_master(world, 1), 2_809 * MS, 3_813 * MS);
    });
}

#[test]
fn a_planned_stop_leaves_no_gap() {
    play(Plan::pair(), |world| {
        world.stop(0);
        let gap = world.wait(2 * SECOND, |world| !world.holds(0, 0) && !world.holds(1, 0));
        assert_eq!(gap, 2 * SECOND, "there was always an owner");
        assert_eq!(world.master(0), Some(1));
        assert!(world.hosts[0].process.is_none(), "it has ended");
    });
}

// 73.
#[test]
fn an_immediate_stop_costs_the_heirs_skew() {
    let plan = Plan::pair().members(|member| member.release = Release::Immediate);
    play(plan, |world| {
        world.stop(0);
        assert!(!world.holds(0, 0));
        within(until_master(world, 1), 609 * MS, 613 * MS);
    });
}

#[test]
fn a_stop_without_an_heir_keeps_the_address_for_a_while() {
    play(Plan::pair(), |world| {
        world.kill(1);
        world.stop(0);
        // The skew of priority 1, and half a second.
        let kept = world.wait(5 * SECOND, |world| !world.holds(0, 0));
        within(kept, 1_496 * MS, 1_500 * MS);
    });
}

#[test]
fn after_kill_9_the_lease_ends_before_the_take_over() {
    play(Plan::pair(), |world| {
        world.kill(0);
        assert!(world.holds(0, 0), "the kernel knows nothing of it");
        let kept = world.wait(10 * SECOND, |world| !world.holds(0, 0));
        within(kept, 900 * MS, 3_000 * MS);
        assert!(!world.is_master(1, 0), "nobody has taken over yet");
        until_master(world, 1);
    });
}

#[test]
fn a_killed_node_that_comes_back_removes_its_leftovers() {
    let plan = Plan::pair().members(|member| member.lease = Lease::Off);
    play(plan, |world| {
        world.kill(0);
        world.run(10 * SECOND);
        assert!(world.holds(0, 0), "without a lease it stays");
        world.start(0);
        assert!(!world.holds(0, 0));
    });
}

#[test]
fn a_partition_has_two_masters_and_one_last_word() {
    play(Plan::pair(), |world| {
        world.partition(0, 0b01);
        until_master(world, 1);
        assert!(world.is_master(0, 0) && world.is_master(1, 0), "each alone");
        world.mend_paths();
        world.wait(2 * SECOND, |world| !world.is_master(1, 0));
        // Whose announcement is the last is judged at rest.
        world.settle();
        assert_eq!(world.master(0), Some(0));
    });
}

#[test]
fn two_sites_with_a_cut_between_them() {
    play(Plan::with_priorities(&[200, 150, 100, 50]), |world| {
        for segment in 0..2 {
            world.partition(segment, 0b0011);
        }
        world.run(10 * SECOND);
        let masters = |world: &World<'_>| {
            [0, 1, 2, 3].map(|node| world.is_master(node, 0) && world.holds(node, 0))
        };
        assert_eq!(masters(world), [true, false, true, false], "one a site");
        // Each site goes on by itself, and changes its master.
        world.power_off(0);
        world.stop(2);
        world.run(10 * SECOND);
        assert_eq!(masters(world), [false, true, false, true]);
        world.boot(0);
        world.start(2);
        world.run(20 * SECOND);
        assert_eq!(masters(world), [true, false, true, false]);
        // The cut ends: one advert is enough for the worse site.
        world.mend_paths();
        world.run(1_100 * MS);
        assert_eq!(masters(world), [true, false, false, false]);
        world.settle();
    });
}

#[test]
fn a_group_goes_over_as_one_and_comes_back() {
    let mut plan = Plan::pair();
    let mut second = plan.routers[0].clone();
    (second.id, second.interface) = (52, 1);
    second.addresses = vec![(std::net::IpAddr::from([10, 0, 1, 5]), 24, 1)];
    plan.routers.push(second);
    for router in &mut plan.routers {
        router.group = Some(0);
    }
    play(plan, |world| {
        let masters = |world: &World<'_>| [0, 1].map(|router| world.master(router));
        assert_eq!(masters(world), [Some(0), Some(0)]);
        // One cable, and both go; not before the heir's skew on both sides.
        world.set_link(0, 1, false, true);
        let gap = world.wait(10 * SECOND, |world| world.is_master(1, 0));
        within(gap, 600 * MS, 3_613 * MS);
        assert_eq!(masters(world), [Some(1), Some(1)]);
        world.set_link(0, 1, true, true);
        world.settle();
        assert_eq!(masters(world), [Some(0), Some(0)]);
        // A cut on one side only: the heir hears the other side, and waits.
        world.partition(0, 0b01);
        world.run(30 * SECOND);
        assert_eq!(masters(world), [Some(0), Some(0)]);
        world.mend_paths();
        // A planned stop leaves neither address without an owner.
        world.run(5 * SECOND);
        world.stop(0);
        let lost = |world: &World<'_>| {
            (0..2).any(|router| !world.holds(0, router) && !world.holds(1, router))
        };
        let gap = world.wait(2 * SECOND, lost);
        assert_eq!(gap, 2 * SECOND, "there was always an owner");
        assert_eq!(masters(world), [Some(1), Some(1)]);
    });
}

#[test]
fn a_one_way_link_makes_two_masters_until_it_is_mended() {
    play(Plan::pair(), |world| {
        world.cut_one_way(0, 0, 1);
        until_master(world, 1);
        world.run(10 * SECOND);
        assert!(
            world.is_master(0, 0),
            "the better one hears a loser and stays"
        );
        world.mend_paths();
        world.wait(2 * SECOND, |world| !world.is_master(1, 0));
        world.settle();
    });
}

#[test]
fn the_worse_nodes_words_lost_change_nothing() {
    play(Plan::pair(), |world| {
        world.cut_one_way(0, 1, 0);
        world.run(30 * SECOND);
        assert_eq!(world.master(0), Some(0));
    });
}

#[test]
fn a_stopped_master_yields_before_it_speaks() {
    play(
        Plan::pair().members(|member| member.preempt = false),
        |world| {
            world.pause(0, Schedule::Stopped);
            within(until_master(world, 1), 2_600 * MS, 3_613 * MS);
            assert!(!world.holds(0, 0), "the lease has ended");
            world.run(10 * SECOND);
            world.resume(0);
            assert!(!world.is_master(0, 0) && !world.holds(0, 0));
            world.settle();
            assert_eq!(world.master(0), Some(1), "nobody preempts");
        },
    );
}

#[test]
fn a_short_stop_changes_nothing() {
    play(Plan::pair(), |world| {
        world.pause(0, Schedule::Stopped);
        world.run(1_500 * MS);
        world.resume(0);
        world.run(10 * SECOND);
        assert_eq!(world.master(0), Some(0));
    });
}

#[test]
fn a_suspended_master_is_told_and_yields() {
    play(Plan::pair(), |world| {
        world.pause(0, Schedule::Suspended);
        until_master(world, 1);
        world.run(60 * SECOND);
        world.resume(0);
        assert!(!world.is_master(0, 0) && !world.holds(0, 0));
        world.settle();
    });
}

#[test]
fn a_paused_machine_cannot_know_and_yields_to_the_first_advert() {
    let equal = Plan::with_priorities(&[100, 101]).members(|member| member.preempt = false);
    play(equal, |world| {
        let old = world.master(0).unwrap_or(0);
        let other = 1 - old;
        world.pause(old, Schedule::Paused);
        until_master(world, other);
        world.run(10 * SECOND);
        world.resume(old);
        world.run(1_100 * MS);
        let owners = (0..2).filter(|node| world.holds(*node, 0)).count();
        assert_eq!(owners, 1, "one advert is enough");
        world.settle();
    });
}

#[test]
fn of_two_equals_the_higher_address_wins_a_tie() {
    play(Plan::with_priorities(&[100, 100]), |world| {
        world.partition(0, 0b01);
        world.run(10 * SECOND);
        assert!(world.is_master(0, 0) && world.is_master(1, 0));
        world.mend_paths();
        world.settle();
        assert_eq!(world.master(0), Some(1), "node 1 has the higher address");
    });
}

#[test]
fn without_preempt_the_better_one_waits() {
    play(
        Plan::pair().members(|member| member.preempt = false),
        |world| {
            let first = world.master(0).unwrap_or(0);
            world.power_off(first);
            until_master(world, 1 - first);
            world.boot(first);
            world.settle();
            assert_eq!(world.master(0), Some(1 - first));
        },
    );
}

#[test]
fn of_three_the_second_best_takes_over() {
    play(Plan::with_priorities(&[200, 150, 100]), |world| {
        world.power_off(0);
        world.run(5 * SECOND);
        assert_eq!(world.master(0), Some(1));
        world.power_off(1);
        world.run(5 * SECOND);
        assert_eq!(world.master(0), Some(2));
        world.boot(1);
        world.boot(0);
        world.settle();
        assert_eq!(world.master(0), Some(0));
    });
}

#[test]
fn the_cable_of_the_master_is_pulled() {
    play(Plan::pair(), |world| {
        world.set_link(0, 0, false, true);
        world.run(MS);
        assert!(!world.holds(0, 0), "a node without a link is not master");
        within(until_master(world, 1), 2_608 * MS, 3_613 * MS);
    });
}

#[test]
fn a_deleted_address_is_back_at_once() {
    play(Plan::pair(), |world| {
        world.delete_virtual_address(0);
        assert!(!world.holds(0, 0));
        within(world.wait(SECOND, |world| world.holds(0, 0)), 0, 6 * MS);
        assert_eq!(world.master(0), Some(0));
    });
}

#[test]
fn a_failing_check_of_weight_2_turns_the_pair_over() {
    play(Plan::pair().check(2), |world| {
        assert_eq!(world.master(0), Some(0), "103 against 102");
        world.set_health(0, 0, Health::Gives(Outcome::Failure));
        // 101 against 102: the check's second, then the patience of priority 102.
        within(until_master(world, 1), 3_000 * MS, 4_700 * MS);
        world.set_health(0, 0, Health::Gives(Outcome::Success));
        until_master(world, 0);
    });
}

#[test]
fn a_failing_check_without_weight_is_fault() {
    play(Plan::pair().check(0), |world| {
        world.set_health(0, 0, Health::Gives(Outcome::Failure));
        // The check's second, then the heir's skew.
        within(until_master(world, 1), 600 * MS, 1_700 * MS);
        assert!(!world.holds(0, 0));
    });
}
