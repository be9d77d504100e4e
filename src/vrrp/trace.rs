//! The router's rules as traces: what happens when, and what it answers.
//! The numbers are those of the protocol checklist (PROTOCOL, section B.3).
//!
//! Times are microseconds. Our router is 10.0.0.2 unless a trace says
//! otherwise; P is its priority.

use std::vec;
use std::vec::Vec;

use super::*;
use crate::event::{Errno, HookState, InterfaceId};
use crate::protocol::Family;

pub(super) const R: RouterId = RouterId(0);
pub(super) const SET: Action = Action::SetAddresses(R);
pub(super) const REMOVE: Action = Action::RemoveAddresses(R);
pub(super) const ANNOUNCE: Action = Action::Announce(R);
/// The skew of priority 100 at 1 s, and its down interval.
pub(super) const SKEW_100: i64 = 609_375;
pub(super) const DOWN_100: i64 = 3_609_375;
pub(super) const SECOND: i64 = 1_000_000;
pub(super) const LOWER: u8 = 1;
pub(super) const HIGHER: u8 = 3;

pub(super) const fn advert(priority: u8) -> Action {
    Action::SendAdvert(R, priority)
}

pub(super) const fn took_over(priority: u8) -> [Action; 3] {
    [SET, advert(priority), ANNOUNCE]
}

const RESIGNED: [Action; 3] = [REMOVE, advert(0), advert(0)];

pub(super) fn host(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn template() -> config::Router<'static> {
    config::Router {
        name: "VI_1",
        interface: "eth0",
        virtual_router_id: 51,
        version: Version::V2,
        family: Family::Ipv4,
        priority: 100,
        advert_int: Duration::from_secs(1),
        addresses: heapless::Vec::new(),
        preempt: true,
        preempt_delay: Duration::ZERO,
        startup_delay: Duration::ZERO,
        takeover_probe: Duration::ZERO,
        auth_pass: None,
        keys: heapless::Vec::new(),
        auth_mode: config::AuthMode::Enforce,
        auth_monotonic: false,
        unicast_src_ip: None,
        peers: heapless::Vec::new(),
        checksum: None,
        vmac: false,
        garp_master_delay: Duration::ZERO,
        garp_master_repeat: 1,
        garp_master_refresh: Duration::ZERO,
        lease_s: 2,
        release: Release::Overlap,
        tracks: heapless::Vec::new(),
        group: None,
        resources: heapless::Vec::new(),
        notify: config::Notify::NOTHING,
        state_file: None,
    }
}

pub(super) struct Trace {
    pub router: Router,
    pub actions: Actions,
}

impl Trace {
    /// A router that the configuration changes made of the template, not started.
    pub fn new(change: impl FnOnce(&mut config::Router<'static>)) -> Trace {
        let mut config = template();
        change(&mut config);
        let mut router = Router::new(R, &config, Instant::ZERO);
        router.readiness = Readiness::Ready;
        router.source = Some(host(2));
        Trace {
            router,
            actions: Actions::new(),
        }
    }

    /// The same, started at 0.
    pub fn started(change: impl FnOnce(&mut config::Router<'static>)) -> Trace {
        let mut trace = Trace::new(change);
        trace.router.on_start(Instant::ZERO, &mut trace.actions);
        trace
    }

    /// A started router that nobody answered, so that it is Master.
    pub fn master(change: impl FnOnce(&mut config::Router<'static>)) -> Trace {
        let mut trace = Trace::started(change);
        trace.skip(DOWN_100);
        assert_eq!(trace.router.role(), Role::Master);
        trace
    }

    /// Something happens at a time, and exactly these actions follow.
    pub fn at(
        &mut self,
        micros: i64,
        what: impl FnOnce(&mut Router, Instant, &mut Actions),
        want: &[Action],
    ) {
        self.actions.clear();
        what(
            &mut self.router,
            Instant::from_micros(micros),
            &mut self.actions,
        );
        assert_eq!(
            *self.actions,
            *want,
            "at {micros} us in {}",
            self.router.role().name()
        );
    }

    pub fn hears(&mut self, micros: i64, from: u8, priority: u8, want: &[Action]) {
        self.hears_interval(micros, from, priority, Duration::from_secs(1), want);
    }

    pub fn hears_interval(
        &mut self,
        micros: i64,
        from: u8,
        priority: u8,
        interval: Duration,
        want: &[Action],
    ) {
        let heard = Heard {
            source: host(from),
            priority,
            interval,
        };
        self.at(
            micros,
            |router, now, actions| router.on_advert(now, heard, actions),
            want,
        );
    }

    /// The next deadline is at this time, and leads to these actions.
    pub fn wakes(&mut self, micros: i64, want: &[Action]) {
        assert_eq!(self.router.poll_at(), Some(Instant::from_micros(micros)));
        self.at(micros, Router::on_poll, want);
    }

    /// Lets time pass up to and with this moment, and returns what was done.
    pub fn skip(&mut self, until: i64) -> Vec<(i64, Action)> {
        let until = Instant::from_micros(until);
        let mut done = vec![];
        while let Some(at) = self.router.poll_at().filter(|at| *at <= until) {
            self.actions.clear();
            self.router.on_poll(at, &mut self.actions);
            done.extend(
                self.actions
                    .iter()
                    .map(|action| (at.total_micros(), *action)),
            );
            assert!(
                self.router.poll_at().is_none_or(|next| next > at),
                "it does not move on"
            );
        }
        done
    }

    pub fn is(&self, role: Role) {
        assert_eq!(self.router.role(), role);
    }
}

fn surroundings(readiness: Readiness) -> impl FnOnce(&mut Router, Instant, &mut Actions) {
    move |router, now, actions| {
        let (priority, source) = (router.priority(), router.source());
        router.on_surroundings(now, readiness, priority, source, actions);
    }
}

// ---- Initialize

// 22: the owner sends, announces and is Master at once.
#[test]
fn n22_an_owner_starts_as_master() {
    let mut trace = Trace::new(|config| config.priority = 255);
    trace.at(0, Router::on_start, &took_over(255));
    trace.is(Role::Master);
    trace.wakes(SECOND, &[advert(255), SET]);
}

// 23: everybody else listens first, without a packet.
#[test]
fn n23_everybody_else_starts_as_backup_and_silent() {
    let mut trace = Trace::new(|_| {});
    trace.at(0, Router::on_start, &[]);
    trace.is(Role::Backup);
    assert_eq!(trace.router.hook_state(), Some(HookState::Backup));
    trace.wakes(DOWN_100, &took_over(100));
}

// 24: with startup_delay nothing is sent and adverts are ignored.
#[test]
fn n24_startup_delay_holds_in_initialize() {
    let mut trace = Trace::new(|config| config.startup_delay = Duration::from_secs(5));
    trace.at(0, Router::on_start, &[]);
    trace.is(Role::Initialize);
    assert_eq!(trace.router.reason(), Reason::StartupDelay);
    trace.hears(SECOND, HIGHER, 0, &[]);
    assert_eq!(trace.router.adverts_received(), 0);
    trace.wakes(5 * SECOND, &[]);
    trace.is(Role::Backup);
    trace.wakes(5 * SECOND + DOWN_100, &took_over(100));
}

// An unweighted check without a result holds the router in Initialize.
#[test]
fn a_pending_check_holds_in_initialize_and_a_failing_one_is_fault() {
    let mut trace = Trace::started(|_| {});
    let check = crate::event::CheckId(0);
    let waiting = Readiness::Waiting(Reason::CheckPending(check));
    let mut fresh = Trace::new(|_| {});
    fresh.router.readiness = waiting;
    fresh.at(0, Router::on_start, &[]);
    fresh.is(Role::Initialize);
    assert_eq!(fresh.router.hook_state(), None);
    fresh.at(SECOND, surroundings(Readiness::Ready), &[]);
    fresh.is(Role::Backup);

    trace.at(
        SECOND,
        surroundings(Readiness::Unable(Reason::CheckFailed(check))),
        &[],
    );
    trace.is(Role::Fault);
    assert_eq!(trace.router.poll_at(), None);
}

// ---- Backup

// 29: a backup leaves without a word.
#[test]
fn n29_a_backup_stops_in_silence() {
    let mut trace = Trace::started(|_| {});
    trace.at(
        SECOND,
        |router, now, actions| router.on_stop(now, false, actions),
        &[],
    );
    trace.is(Role::Initialize);
    assert!(trace.router.stopped());
    assert_eq!(trace.router.hook_state(), Some(HookState::Stop));
    assert_eq!(trace.router.poll_at(), None);
}

// 30: silence for the down interval.
#[test]
fn n30_silence_makes_it_master() {
    let mut trace = Trace::started(|_| {});
    trace.hears(500_000, HIGHER, 101, &[]);
    trace.wakes(500_000 + DOWN_100, &took_over(100));
    let silence = Duration::from_micros(DOWN_100 as u64);
    assert_eq!(
        trace.router.reason(),
        Reason::NoAdvert(silence, Some(host(HIGHER)))
    );
    assert_eq!(trace.router.master(), Some(host(2)));
}

// 31: priority 0 leaves the skew, no more and no less.
#[test]
fn n31_priority_0_leaves_the_skew() {
    let mut trace = Trace::started(|_| {});
    trace.hears(SECOND, HIGHER, 101, &[]);
    trace.hears(1_200_000, HIGHER, 0, &[]);
    trace.wakes(1_200_000 + SKEW_100, &took_over(100));
    assert_eq!(trace.router.reason(), Reason::MasterLeft(host(HIGHER)));
}

// 32, 34, 35: an equal priority is authoritative whatever the addresses are.
#[test]
fn n32_n34_n35_equal_priority_is_followed_from_either_side() {
    for from in [LOWER, HIGHER] {
        let mut trace = Trace::started(|_| {});
        trace.hears(SECOND, from, 100, &[]);
        assert_eq!(
            trace.router.poll_at(),
            Some(Instant::from_micros(SECOND + DOWN_100))
        );
        assert_eq!(trace.router.master(), Some(host(from)));
    }
}

// 33: a lower priority is discarded and the timer is left alone, so that we
// take over a down interval after the last advert that counted.
#[test]
fn n33_a_lower_master_is_preempted_when_the_timer_ends() {
    let mut trace = Trace::started(|_| {});
    trace.hears(SECOND, HIGHER, 101, &[]);
    for second in 2..=4 {
        trace.hears(second * SECOND, HIGHER, 99, &[]);
    }
    trace.wakes(SECOND + DOWN_100, &took_over(100));
    assert_eq!(trace.router.reason(), Reason::Preemption(host(HIGHER), 99));
}

// 36: preempt = no follows any priority above 0, but an owner always preempts.
#[test]
fn n36_without_preemption_any_master_is_followed_but_by_an_owner() {
    let mut trace = Trace::started(|config| config.preempt = false);
    for second in 1..=10 {
        trace.hears(second * SECOND, LOWER, 1, &[]);
    }
    trace.is(Role::Backup);
    trace.hears(11 * SECOND, LOWER, 0, &[]);
    trace.wakes(11 * SECOND + SKEW_100, &took_over(100));

    let mut owner = Trace::new(|config| {
        config.priority = 255;
        config.preempt = false;
    });
    owner.at(0, Router::on_start, &took_over(255));
    owner.at(
        1,
        |router, now, actions| router.become_backup(now, Reason::Ready, actions),
        &[REMOVE],
    );
    let due = owner.router.poll_at();
    owner.hears(SECOND, LOWER, 254, &[]);
    assert_eq!(owner.router.poll_at(), due, "the owner's timer runs on");
}

// 37: a lower master is tolerated for preempt_delay, and then no longer.
#[test]
fn n37_preempt_delay_tolerates_a_lower_master_first() {
    let mut trace = Trace::started(|config| config.preempt_delay = Duration::from_secs(10));
    for second in 1..=10 {
        trace.hears(second * SECOND, LOWER, 50, &[]);
    }
    assert_eq!(
        trace.router.poll_at(),
        Some(Instant::from_micros(10 * SECOND + DOWN_100))
    );
    trace.hears(11 * SECOND, LOWER, 50, &[]);
    trace.hears(12 * SECOND, LOWER, 50, &[]);
    trace.wakes(10 * SECOND + DOWN_100, &took_over(100));
}

#[test]
fn n37_priority_0_and_silence_do_not_wait_for_preempt_delay() {
    let delay = |config: &mut config::Router<'static>| {
        config.preempt_delay = Duration::from_secs(1000);
    };
    let mut trace = Trace::started(delay);
    trace.hears(SECOND, LOWER, 50, &[]);
    trace.hears(2 * SECOND, LOWER, 0, &[]);
    trace.wakes(2 * SECOND + SKEW_100, &took_over(100));

    let mut trace = Trace::started(delay);
    trace.hears(SECOND, LOWER, 50, &[]);
    trace.wakes(SECOND + DOWN_100, &took_over(100));
}

// ---- Master

// 42, 55: from the last due time, without drift; what was missed is not made up for.
#[test]
fn n42_adverts_do_not_drift_and_do_not_burst() {
    let mut trace = Trace::master(|config| config.lease_s = 0);
    trace.at(DOWN_100 + SECOND + 7_000, Router::on_poll, &[advert(100)]);
    trace.wakes(DOWN_100 + 2 * SECOND, &[advert(100)]);
    trace.at(
        DOWN_100 + 4 * SECOND + 500_000,
        Router::on_poll,
        &[advert(100)],
    );
    trace.wakes(DOWN_100 + 5 * SECOND + 500_000, &[advert(100)]);
}

// 43 and rule 5: with `release = overlap` priority 0 is sent at once, and the
// addresses stay until the successor is heard.
#[test]
fn n43_a_planned_stop_waits_for_the_successor() {
    let mut trace = Trace::master(|_| {});
    let stop = DOWN_100 + 300_000;
    let begin =
        |router: &mut Router, now, actions: &mut Actions| router.on_stop(now, false, actions);
    trace.at(stop, begin, &[advert(0), advert(0)]);
    trace.is(Role::Master);
    assert!(trace.router.releasing());
    // Somebody else who leaves is no successor.
    trace.hears(stop + 1_000, LOWER, 0, &[]);
    trace.is(Role::Master);
    trace.hears(stop + 605_000, LOWER, 99, &[REMOVE]);
    assert!(trace.router.stopped());
    assert_eq!(trace.router.reason(), Reason::Stopped);
}

#[test]
fn n43_nobody_came() {
    let mut trace = Trace::master(|_| {});
    let stop = DOWN_100 + 300_000;
    let begin =
        |router: &mut Router, now, actions: &mut Actions| router.on_stop(now, false, actions);
    trace.at(stop, begin, &[advert(0), advert(0)]);
    let limit = stop + 996_093 + 500_000;
    // The lease is renewed meanwhile, no advert is sent.
    assert_eq!(trace.skip(limit - 1), [(DOWN_100 + SECOND, SET)]);
    trace.wakes(limit, &[REMOVE]);
    assert!(trace.router.stopped());
    assert_eq!(trace.router.reason(), Reason::NoSuccessor);
}

#[test]
fn n43_a_second_stop_ends_at_once_and_immediate_never_waits() {
    let begin =
        |router: &mut Router, now, actions: &mut Actions| router.on_stop(now, false, actions);
    let again =
        |router: &mut Router, now, actions: &mut Actions| router.on_stop(now, true, actions);
    let mut trace = Trace::master(|_| {});
    trace.at(DOWN_100 + 1, begin, &[advert(0), advert(0)]);
    trace.at(DOWN_100 + 2, again, &[REMOVE]);
    assert!(trace.router.stopped());

    let mut trace = Trace::master(|config| config.release = Release::Immediate);
    trace.at(DOWN_100 + 1, begin, &RESIGNED);
    assert!(trace.router.stopped());
}

// 44: somebody's priority 0 is answered at once, and the timer starts again.
#[test]
fn n44_priority_0_is_answered() {
    let mut trace = Trace::master(|config| config.lease_s = 0);
    trace.hears(DOWN_100 + 400_000, LOWER, 0, &[advert(100)]);
    trace.wakes(DOWN_100 + 400_000 + SECOND, &[advert(100)]);
}

// 45: a better master is followed. Rule 6: a last advert tells it of us, so
// that it announces the addresses after us.
#[test]
fn n45_a_higher_priority_wins() {
    let mut trace = Trace::master(|_| {});
    trace.hears(DOWN_100 + 1, LOWER, 101, &[advert(100), REMOVE]);
    trace.is(Role::Backup);
    assert_eq!(
        trace.router.reason(),
        Reason::HigherPriority(host(LOWER), 101)
    );
    trace.wakes(DOWN_100 + 1 + DOWN_100, &took_over(100));
}

#[test]
fn n45_of_equal_priorities_the_higher_address_wins() {
    let mut trace = Trace::master(|_| {});
    trace.hears(DOWN_100 + 1, HIGHER, 100, &[advert(100), REMOVE]);
    trace.is(Role::Backup);

    let mut trace = Trace::master(|_| {});
    trace.hears(DOWN_100 + 1, LOWER, 100, &[advert(100)]);
    trace.is(Role::Master);

    // Unsigned, in network order: 200 is more than 2.
    let mut trace = Trace::master(|_| {});
    trace.hears(DOWN_100 + 1, 200, 100, &[advert(100), REMOVE]);
}

// 46, 71: a losing master is told at once, once a skew; the timer is left
// alone, and our announcement is the last.
#[test]
fn n46_a_losing_master_is_told() {
    let mut trace = Trace::master(|config| config.lease_s = 0);
    trace.hears(DOWN_100 + 1, LOWER, 99, &[advert(100)]);
    trace.hears(DOWN_100 + 2, LOWER, 99, &[]);
    let done = trace.skip(DOWN_100 + SECOND + 2);
    let want = [
        (DOWN_100 + 20_000, ANNOUNCE),
        (DOWN_100 + SECOND, advert(100)),
        (DOWN_100 + SECOND + 2, ANNOUNCE),
    ];
    assert_eq!(done, want);
    trace.hears(DOWN_100 + 1 + SECOND + SKEW_100, LOWER, 99, &[advert(100)]);
}

// 47: our own address and priority from somebody else never makes us yield.
#[test]
fn n47_a_duplicate_of_ourselves_is_not_followed() {
    let mut trace = Trace::master(|_| {});
    trace.hears(DOWN_100 + 1, 2, 100, &[advert(100)]);
    trace.is(Role::Master);
}

// 48: preempt is not asked in Master.
#[test]
fn n48_preempt_no_does_not_protect_a_master() {
    let mut trace = Trace::master(|config| config.preempt = false);
    trace.hears(DOWN_100 + 1, LOWER, 101, &[advert(100), REMOVE]);
    trace.is(Role::Backup);
}

// 49: a fault gives up the addresses, then says so as best it can.
#[test]
fn n49_a_fault_resigns() {
    let mut trace = Trace::master(|_| {});
    let down = Readiness::Unable(Reason::InterfaceDown(InterfaceId(0)));
    trace.at(DOWN_100 + 1, surroundings(down), &RESIGNED);
    trace.is(Role::Fault);
    trace.hears(DOWN_100 + 2, LOWER, 1, &[]);
    trace.at(DOWN_100 + SECOND, surroundings(Readiness::Ready), &[]);
    trace.wakes(DOWN_100 + SECOND + DOWN_100, &took_over(100));
}

// ---- Version 3: the interval of the master (B.4)

fn version_3(config: &mut config::Router<'static>) {
    config.version = Version::V3;
    config.lease_s = 0;
}

// 12, 32, 50, 81: it is followed as backup and forgotten as master.
#[test]
fn n32_version_3_reckons_with_the_masters_interval() {
    let mut trace = Trace::started(version_3);
    let half = Duration::from_millis(500);
    trace.hears_interval(SECOND, HIGHER, 200, half, &[]);
    assert_eq!(trace.router.master_interval(), half);
    let down = 1_500_000 + 500_000 * 156 / 256;
    // As Master it sends at its own interval again.
    trace.wakes(SECOND + down, &took_over(100));
    assert_eq!(trace.router.master_interval(), Duration::from_secs(1));
    trace.wakes(SECOND + down + SECOND, &[advert(100)]);
}

#[test]
fn n45_a_yielding_master_of_version_3_learns_the_interval() {
    let mut trace = Trace::master(version_3);
    trace.hears_interval(
        DOWN_100,
        HIGHER,
        200,
        Duration::from_millis(500),
        &[advert(100), REMOVE],
    );
    trace.wakes(DOWN_100 + 1_500_000 + 500_000 * 156 / 256, &took_over(100));
}

#[test]
fn version_2_keeps_its_own_interval() {
    let mut trace = Trace::started(|_| {});
    trace.hears_interval(SECOND, HIGHER, 200, Duration::from_secs(9), &[]);
    assert_eq!(trace.router.master_interval(), Duration::from_secs(1));
}

// ---- Rules of smena beyond the RFC

// Rule 7.
#[test]
fn a_stalled_master_lets_go_before_it_does_anything_else() {
    let mut trace = Trace::master(|_| {});
    let patience = 3_003_906;
    let wake = |router: &mut Router, now, actions: &mut Actions| {
        router.on_wake(now, Duration::ZERO, actions);
    };
    trace.at(DOWN_100 + patience, wake, &[]);
    trace.is(Role::Master);
    trace.at(DOWN_100 + patience + 1, wake, &[REMOVE]);
    trace.is(Role::Backup);
    let slept = Duration::from_micros(patience as u64 + 1);
    assert_eq!(trace.router.reason(), Reason::Stalled(slept));
}

#[test]
fn time_that_the_clock_did_not_count_is_stalling_too() {
    let mut trace = Trace::master(|_| {});
    let wake = |router: &mut Router, now, actions: &mut Actions| {
        router.on_wake(now, Duration::from_secs(4), actions);
    };
    trace.at(DOWN_100 + 1, wake, &[REMOVE]);
    trace.is(Role::Backup);
}

// A sleep shorter than the others' patience counts together with the silence
// before and after it: the next advert comes at once, not an interval later.
#[test]
fn silence_goes_on_through_a_short_sleep() {
    let asleep = |router: &mut Router, now, actions: &mut Actions| {
        router.on_wake(now, Duration::from_millis(2_500), actions);
    };
    let mut trace = Trace::master(|config| config.lease_s = 0);
    trace.at(DOWN_100 + 1, asleep, &[]);
    trace.wakes(DOWN_100 - 1_500_000, &[advert(100)]);

    let mut trace = Trace::master(|_| {});
    trace.at(DOWN_100 + 1, asleep, &[]);
    trace.at(DOWN_100 + 2, asleep, &[REMOVE]);
    trace.is(Role::Backup);
}

// Rule 3.
#[test]
fn a_removed_address_is_put_back_until_it_is_a_fight() {
    let mut trace = Trace::master(|config| config.lease_s = 0);
    for time in 1..=5 {
        trace.at(DOWN_100 + time * 20_000, Router::on_address_removed, &[SET]);
    }
    trace.at(DOWN_100 + 120_000, Router::on_address_removed, &RESIGNED);
    trace.is(Role::Fault);
    assert_eq!(trace.router.reason(), Reason::AddressesRemoved);
    trace.wakes(DOWN_100 + 120_000 + 60 * SECOND, &[]);
    trace.is(Role::Backup);
}

// An interface that is flushed of 32 addresses is one removal, told 32 times.
#[test]
fn a_flush_of_many_addresses_is_one_removal() {
    let mut trace = Trace::master(|config| {
        config.lease_s = 0;
        config.garp_master_repeat = 0;
    });
    for flush in 1..=3 {
        let at = DOWN_100 + flush * 100_000;
        trace.at(at, Router::on_address_removed, &[SET]);
        for told in 1..32 {
            trace.at(at + told, Router::on_address_removed, &[]);
        }
        trace.wakes(at + 50_000, &[SET]);
    }
    trace.is(Role::Master);
}

// Somebody who removes each address as soon as it is there is in a fight.
#[test]
fn a_fight_at_any_speed_ends_in_fault() {
    let mut trace = Trace::master(|config| {
        config.lease_s = 0;
        config.garp_master_repeat = 0;
    });
    let mut at = DOWN_100 + 1;
    for _ in 0..400 {
        trace.actions.clear();
        let now = Instant::from_micros(at);
        trace.router.on_address_removed(now, &mut trace.actions);
        trace.skip(at);
        at += 1_000;
    }
    trace.is(Role::Fault);
}

#[test]
fn refused_addresses_are_a_fault_that_is_tried_again() {
    let mut trace = Trace::master(|_| {});
    let refused = |router: &mut Router, now, actions: &mut Actions| {
        router.on_addresses_refused(now, Errno(1), actions);
    };
    trace.at(DOWN_100 + 1, refused, &RESIGNED);
    trace.is(Role::Fault);
    trace.wakes(DOWN_100 + 1 + 10 * SECOND, &[]);
    trace.is(Role::Backup);
}

// The lease: at most four times, and only from where adverts are sent.
#[test]
fn the_lease_is_renewed_four_times_at_most() {
    let mut trace = Trace::master(|config| {
        config.version = Version::V3;
        config.lease_s = 1;
    });
    let mut fast = Trace::started(|config| {
        config.version = Version::V3;
        config.advert_int = Duration::from_millis(10);
        config.lease_s = 1;
    });
    let count = |done: Vec<(i64, Action)>| done.iter().filter(|(_, action)| *action == SET).count();
    assert_eq!(count(trace.skip(DOWN_100 + 10 * SECOND)), 20);
    assert_eq!(count(fast.skip(36_093)), 1);
    assert_eq!(count(fast.skip(36_093 + 10 * SECOND)), 40);
}

// An advert every 0.95 s is too rare for a lease of 1 s.
#[test]
fn the_lease_is_renewed_between_rare_adverts() {
    let mut trace = Trace::started(|config| {
        config.version = Version::V3;
        config.advert_int = Duration::from_millis(950);
        config.lease_s = 1;
    });
    let done = trace.skip(60 * SECOND);
    let set: Vec<i64> = done
        .iter()
        .filter(|(_, action)| *action == SET)
        .map(|(at, _)| *at)
        .collect();
    assert!(set.windows(2).all(|pair| pair[1] - pair[0] <= SECOND / 2));
    assert!(set.windows(2).all(|pair| pair[1] - pair[0] >= SECOND / 4));
}

// 74: what hooks hear never repeats itself.
#[test]
fn n74_a_stop_in_fault_is_told_once() {
    let mut trace = Trace::started(|_| {});
    let down = Readiness::Unable(Reason::InterfaceDown(InterfaceId(0)));
    trace.at(1, surroundings(down), &[]);
    trace.router.take_news();
    trace.at(2, surroundings(down), &[]);
    assert_eq!(trace.router.take_news(), None);
    trace.at(
        3,
        |router, now, actions| router.on_stop(now, false, actions),
        &[],
    );
    assert_eq!(trace.router.take_news(), Some(Role::Fault));
    trace.at(
        4,
        |router, now, actions| router.on_stop(now, true, actions),
        &[],
    );
    assert_eq!(trace.router.take_news(), None);
}
