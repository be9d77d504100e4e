//! Does the simulator find bugs? Each test breaks one rule in every node, on
//! purpose, and the seeds must notice within a bound, by the name expected.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use smena::mutation::Mutation;

use crate::sim::campaign::spawn;
use crate::sim::rules::Rule;
use crate::sim::run::{Options, of_seed};

/// How many seeds a broken rule may survive.
const SEEDS_MAX: u64 = 100;

fn caught(broken: Mutation, expected: &[Rule]) {
    let Some((seed, rule, story)) = find(broken, SEEDS_MAX) else {
        panic!("{broken:?} survives {SEEDS_MAX} seeds");
    };
    println!("{broken:?}: seed {seed} breaks {rule:?}: {story}");
    assert!(
        expected.contains(&rule),
        "{broken:?} is seen as {rule:?}: {story}"
    );
}

/// The first of `count` seeds that notices a broken rule, and the rule that it
/// names.
fn find(broken: Mutation, count: u64) -> Option<(u64, Rule, String)> {
    let next = AtomicU64::new(1);
    let found: Mutex<Vec<(u64, Rule, String)>> = Mutex::new(Vec::new());
    spawn(|| {
        while found.lock().expect("no holder panics").is_empty() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > count {
                break;
            }
            let ending = of_seed(
                seed,
                Options {
                    text: false,
                    broken: Some(broken),
                },
            );
            if let Some(violation) = ending.violation {
                let mut found = found.lock().expect("no holder panics");
                found.push((seed, violation.rule, violation.story));
            }
        }
    });
    let mut found = found.into_inner().expect("no holder panics");
    found.sort_by_key(|(seed, ..)| *seed);
    found.into_iter().next()
}

#[test]
fn without_the_skew_backups_do_not_wait_their_turn() {
    caught(
        Mutation::NoSkew,
        &[Rule::Patience, Rule::Liveness, Rule::HandOver],
    );
}

#[test]
fn without_the_tie_break_two_equals_stay_master() {
    caught(Mutation::NoTieBreak, &[Rule::Yield, Rule::SingleMaster]);
}

#[test]
fn without_the_stall_rule_a_sleeper_goes_on_as_master() {
    caught(Mutation::NoStallRule, &[Rule::Stall]);
}

#[test]
fn without_the_last_call_a_hook_knows_an_old_state() {
    caught(Mutation::DropLastHook, &[Rule::Hooks]);
}

#[test]
fn two_calls_of_a_hook_at_once_are_seen() {
    caught(Mutation::TwoHooks, &[Rule::Hooks]);
}

#[test]
fn calls_of_a_hook_out_of_order_are_seen() {
    caught(Mutation::HookOutOfOrder, &[Rule::Hooks]);
}

#[test]
fn a_hung_hook_that_is_not_killed_is_seen() {
    caught(Mutation::HungHookLives, &[Rule::Hooks]);
}

#[test]
fn without_renewal_the_kernel_takes_a_masters_address() {
    caught(Mutation::NoRenewal, &[Rule::LeaseRenewed]);
}

#[test]
fn without_removal_a_backup_keeps_the_address() {
    caught(Mutation::KeepAddresses, &[Rule::AddressMeansMaster]);
}

#[test]
fn without_repair_a_master_lacks_its_address() {
    caught(Mutation::NoRestore, &[Rule::MasterMeansAddress]);
}

#[test]
fn with_too_much_patience_nobody_takes_over_in_time() {
    caught(Mutation::LongPatience, &[Rule::Liveness]);
}

#[test]
fn without_hearing_answers_a_master_that_hangs_is_followed_too_soon() {
    caught(Mutation::DeafToAnswers, &[Rule::Patience]);
}

#[test]
fn without_an_overlap_a_hand_over_has_a_gap() {
    caught(Mutation::NoOverlap, &[Rule::HandOver]);
}

#[test]
fn without_the_last_word_the_losers_announcement_stays() {
    caught(Mutation::NoLastWord, &[Rule::LastWord]);
}

#[test]
fn a_discarded_packet_that_is_obeyed_is_seen() {
    caught(Mutation::ObeyDiscarded, &[Rule::Packets, Rule::Yield]);
}

#[test]
fn adverts_that_are_made_up_for_are_a_burst() {
    caught(Mutation::CatchUp, &[Rule::Timers]);
}

#[test]
fn a_server_that_is_down_and_gets_sessions_is_seen() {
    caught(Mutation::DownGetsSessions, &[Rule::Servers]);
}

#[test]
fn a_member_that_stays_master_splits_its_group() {
    caught(Mutation::ApartInGroup, &[Rule::Group]);
}
