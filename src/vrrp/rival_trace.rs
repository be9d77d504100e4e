//! Two masters that hear each other, as traces: two owners, and how often a
//! loser is answered. Times are microseconds; see `trace` for our router.

use super::trace::{
    ANNOUNCE, DOWN_100, HIGHER, LOWER, REMOVE, SECOND, SET, SKEW_100, Trace, advert, host,
    took_over,
};
use super::*;

/// Down interval of priority 255 at 1 s.
const DOWN_255: i64 = 3_003_906;

fn owner(config: &mut config::Router<'static>) {
    config.priority = 255;
    config.lease_s = 0;
}

// 8, 36: of two owners the one with the lower address listens, as the other
// router of a pair would, and is owner again when the other has gone.
#[test]
fn n8_of_two_owners_the_lower_address_yields_and_comes_back() {
    let mut trace = Trace::new(owner);
    trace.at(0, Router::on_start, &took_over(255));
    trace.hears(100, HIGHER, 255, &[advert(255), REMOVE]);
    trace.is(Role::Backup);
    assert_eq!(
        trace.router.reason(),
        Reason::HigherAddress(host(HIGHER), 255)
    );
    for second in 1..=5 {
        trace.hears(second * SECOND, HIGHER, 255, &[]);
    }
    trace.is(Role::Backup);
    trace.wakes(5 * SECOND + DOWN_255, &took_over(255));

    // It says that it leaves, or that it is no owner any more.
    let mut trace = Trace::new(owner);
    trace.at(0, Router::on_start, &took_over(255));
    trace.hears(100, HIGHER, 255, &[advert(255), REMOVE]);
    trace.hears(SECOND, HIGHER, 0, &[]);
    trace.wakes(SECOND + 3_906, &took_over(255));
    let mut trace = Trace::new(owner);
    trace.at(0, Router::on_start, &took_over(255));
    trace.hears(100, HIGHER, 255, &[advert(255), REMOVE]);
    for second in 1..=3 {
        trace.hears(second * SECOND, HIGHER, 254, &[]);
    }
    trace.wakes(100 + DOWN_255, &took_over(255));
}

// 8: the one with the higher address stays, answers, and has the last word.
#[test]
fn n8_of_two_owners_the_higher_address_stays() {
    let mut trace = Trace::new(owner);
    trace.at(0, Router::on_start, &took_over(255));
    trace.hears(100, LOWER, 255, &[advert(255)]);
    trace.is(Role::Master);
    trace.wakes(20_000, &[ANNOUNCE]);
}

// 46, 71: however many adverts a losing master sends, it is answered once a
// skew, and the link hears one announcement in 20 ms at most.
#[test]
fn n46_n71_a_flood_of_losers_is_answered_with_measure() {
    let mut trace = Trace::master(|config| {
        config.lease_s = 0;
        config.garp_master_repeat = 5;
    });
    let (mut answers, mut announcements) = (0, 0);
    for at in (DOWN_100 + 1..DOWN_100 + 10 * SECOND).step_by(1_000) {
        let heard = Heard {
            source: host(LOWER),
            priority: 99,
            interval: Duration::from_secs(1),
        };
        trace.actions.clear();
        trace
            .router
            .on_advert(Instant::from_micros(at), heard, &mut trace.actions);
        answers += trace
            .actions
            .iter()
            .filter(|action| **action == advert(100))
            .count();
        let done = trace.skip(at);
        answers += done
            .iter()
            .filter(|(_, action)| *action == advert(100))
            .count();
        announcements += done
            .iter()
            .filter(|(_, action)| *action == ANNOUNCE)
            .count();
    }
    // 17 skews and 9 regular adverts; 500 times 20 ms.
    let most = (10 * SECOND / SKEW_100 + 2 + 10) as usize;
    assert!((20..=most).contains(&answers), "{answers}");
    assert!((100..=500).contains(&announcements), "{announcements}");
    trace.is(Role::Master);
}

// 70: the refresh goes on as long as it is master, and a burst in between does
// not put it off.
#[test]
fn n70_a_refresh_comes_on_its_own_time() {
    let mut trace = Trace::master(|config| {
        config.lease_s = 0;
        config.garp_master_refresh = Duration::from_secs(10);
    });
    let announced = |trace: &mut Trace, until: i64| {
        let done = trace.skip(until);
        let all = done.into_iter().filter(|(_, action)| *action == ANNOUNCE);
        all.map(|(at, _)| (at - DOWN_100) / SECOND)
            .collect::<std::vec::Vec<_>>()
    };
    assert_eq!(announced(&mut trace, DOWN_100 + 25 * SECOND), [10, 20]);
    trace.hears(DOWN_100 + 25 * SECOND + 1, LOWER, 99, &[advert(100)]);
    assert_eq!(
        announced(&mut trace, DOWN_100 + 41 * SECOND),
        [25, 26, 30, 40]
    );
}

// 72: an address that was put back is announced.
#[test]
fn n72_what_was_put_back_is_announced() {
    let mut trace = Trace::master(|config| config.lease_s = 0);
    let at = DOWN_100 + 500_000;
    trace.at(at, Router::on_address_removed, &[SET]);
    trace.wakes(at, &[ANNOUNCE]);
}

// 24: startup_delay is waited for once, not after a fault as well.
#[test]
fn n24_startup_delay_is_for_the_start_only() {
    let mut trace = Trace::started(|config| config.startup_delay = Duration::from_secs(5));
    trace.wakes(5 * SECOND, &[]);
    trace.is(Role::Backup);
    let down = Readiness::Unable(Reason::AddressesRemoved);
    let tell = |readiness| {
        move |router: &mut Router, now, actions: &mut Actions| {
            let (priority, source) = (router.priority(), router.source());
            router.on_surroundings(now, readiness, priority, source, actions);
        }
    };
    trace.at(6 * SECOND, tell(down), &[]);
    trace.is(Role::Fault);
    trace.at(7 * SECOND, tell(Readiness::Ready), &[]);
    trace.is(Role::Backup);
    // During it even what is broken is not a Fault: nothing is told twice.
    let mut trace = Trace::started(|config| config.startup_delay = Duration::from_secs(5));
    trace.at(SECOND, tell(down), &[]);
    trace.is(Role::Initialize);
    trace.wakes(5 * SECOND, &[]);
    trace.is(Role::Fault);
}

// 37: the delay begins anew when a better master was heard in between.
#[test]
fn n37_the_delay_begins_with_the_first_lower_advert() {
    let mut trace = Trace::started(|config| config.preempt_delay = Duration::from_secs(5));
    trace.hears(SECOND, LOWER, 50, &[]);
    trace.hears(2 * SECOND, HIGHER, 200, &[]);
    for second in 3..=7 {
        trace.hears(second * SECOND, LOWER, 50, &[]);
    }
    trace.is(Role::Backup);
    trace.hears(8 * SECOND, LOWER, 50, &[]);
    // Tolerated until the fifth second after the third.
    trace.wakes(7 * SECOND + DOWN_100, &took_over(100));
}
