//! Does the simulator find bugs? Each test puts one in, and the seeds must
//! notice within a bound, by the name of a rule that is expected.

use smena::mutation::Mutation;

use crate::book::Rule;
use crate::campaign::search;
use crate::faults::Fault;
use crate::world::Options;

/// How many seeds a fault may survive.
const SEEDS_MAX: u64 = 200;

fn caught(fault: Fault, expected: &[Rule]) {
    let options = Options {
        text: false,
        fault: Some(fault),
    };
    let Some((seed, story)) = search(1, SEEDS_MAX, options, |_| {}) else {
        panic!("{fault:?} survives {SEEDS_MAX} seeds");
    };
    let story = story.unwrap_or_else(|| panic!("{fault:?} is seen as a panic"));
    println!("{fault:?}: seed {seed} breaks {story}");
    let named = expected
        .iter()
        .any(|rule| story.starts_with(&format!("{rule:?}:")));
    assert!(named, "{fault:?} is seen as {story}");
}

fn core(mutation: Mutation, expected: &[Rule]) {
    caught(Fault::Core(mutation), expected);
}

#[test]
fn a_count_that_is_not_returned_is_seen() {
    core(Mutation::KeepCount, &[Rule::Counts]);
}

#[test]
fn a_server_that_is_down_and_picked_is_seen() {
    core(Mutation::PickClosed, &[Rule::Admission]);
}

#[test]
fn a_keeper_that_tells_nobody_is_seen() {
    core(Mutation::DownGetsSessions, &[Rule::Admission]);
}

#[test]
fn workers_with_tickets_of_their_own_are_seen() {
    core(Mutation::OwnTickets, &[Rule::RoundRobin]);
}

#[test]
fn the_youngest_that_makes_room_is_seen() {
    core(Mutation::EvictYoungest, &[Rule::Eviction]);
}

#[test]
fn an_end_of_one_way_that_ends_both_is_seen() {
    caught(Fault::EndsBoth, &[Rule::Bytes, Rule::Leak]);
}

#[test]
fn a_byte_that_gets_lost_is_seen() {
    caught(Fault::LosesByte, &[Rule::Bytes, Rule::Leak]);
}

#[test]
fn a_server_that_failed_and_is_tried_at_once_is_seen() {
    core(Mutation::RetrySame, &[Rule::Retry]);
}

#[test]
fn one_session_too_many_is_seen() {
    core(Mutation::OneTooMany, &[Rule::Limit]);
}

#[test]
fn a_session_that_is_idle_for_ever_is_seen() {
    core(Mutation::NeverIdle, &[Rule::Timeout]);
}

#[test]
fn sessions_that_outlive_their_server_are_seen() {
    core(Mutation::NoCut, &[Rule::Cut, Rule::Leak]);
}

#[test]
fn counts_that_outlive_their_worker_are_seen() {
    core(Mutation::NoBurial, &[Rule::Counts, Rule::Leak]);
}

#[test]
fn a_client_that_is_sent_elsewhere_is_seen() {
    core(Mutation::NoStick, &[Rule::Stick]);
}
