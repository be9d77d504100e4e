//! Who follows a silent master and was told to ask first: for how long answers
//! put its take-over off. Times are microseconds.

use super::trace::{DOWN_100, HIGHER, LOWER, R, SECOND, SKEW_100, Trace, took_over};
use super::*;

const ADDRESS: config::Address<'static> = config::Address {
    address: IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1)),
    prefix_len: 32,
    dev: None,
    label: None,
    excluded: false,
};

// `takeover_probe`: who follows a silent master asks first, and waits 200 ms.
#[test]
fn a_silent_master_is_asked_for_before_it_is_followed() {
    let probe = |config: &mut config::Router<'static>| {
        config.addresses.push(ADDRESS).unwrap();
        config.takeover_probe = Duration::from_secs(1);
    };
    let asks = [Action::Probe(R)];
    let answers = |router: &mut Router, _, _: &mut Actions| {
        router.on_answer();
    };
    let mut trace = Trace::started(probe);
    trace.at(SECOND, answers, &[]);
    trace.wakes(DOWN_100, &asks);
    trace.is(Role::Backup);
    trace.wakes(DOWN_100 + 200_000, &took_over(100));

    // It is asked again for as long as somebody answers, and no longer than a second.
    let mut trace = Trace::started(probe);
    trace.wakes(DOWN_100, &asks);
    for tenth in [1, 3, 5, 7] {
        trace.at(DOWN_100 + tenth * 100_000, answers, &[]);
        trace.wakes(DOWN_100 + (tenth + 1) * 100_000, &asks);
    }
    trace.at(DOWN_100 + 900_000, answers, &[]);
    trace.wakes(DOWN_100 + SECOND, &took_over(100));

    // Its advert ends the question, and the next silence is asked about anew.
    let mut trace = Trace::started(probe);
    trace.wakes(DOWN_100, &asks);
    let heard = DOWN_100 + 50_000;
    trace.hears(heard, HIGHER, 101, &[]);
    trace.wakes(heard + DOWN_100, &asks);
    trace.wakes(heard + DOWN_100 + 200_000, &took_over(100));

    // One that leaves or is preempted has its addresses rightly.
    let mut trace = Trace::started(probe);
    trace.hears(SECOND, HIGHER, 0, &[]);
    trace.wakes(SECOND + SKEW_100, &took_over(100));
    let mut trace = Trace::started(probe);
    trace.hears(SECOND, LOWER, 50, &[]);
    trace.wakes(DOWN_100, &took_over(100));

    // A short one is the whole time, and without addresses there is none.
    let mut trace = Trace::started(|config| {
        config.addresses.push(ADDRESS).unwrap();
        config.takeover_probe = Duration::from_millis(20);
    });
    trace.wakes(DOWN_100, &asks);
    trace.wakes(DOWN_100 + 20_000, &took_over(100));
    let mut trace = Trace::started(|config| config.takeover_probe = Duration::from_secs(1));
    trace.wakes(DOWN_100, &took_over(100));
}
