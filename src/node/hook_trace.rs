//! Hooks and resources as traces: when they are called, and what waits for
//! them.
//!
//! Times are milliseconds. The router is that of `trace.rs`: VI_1 with priority
//! 100.

use std::format;

use super::trace::{ETH0, PAIR, R, REMOVE, RESIGNED, Trace, packet, took_over};
use super::*;
use crate::event::{HookCall, HookState, Verb};
use crate::protocol::Family;

fn call(state: HookState, previous: Option<HookState>, sequence: u32) -> Action {
    let call = HookCall {
        state,
        previous,
        priority: 100,
        sequence,
        resource: None,
    };
    Action::StartHook(HookId::Notify(R), call)
}

// 74, 75: BACKUP at the start, then each change, the last one always.
#[test]
fn n75_hooks_follow_the_state() {
    let text = format!("{PAIR}notify = /etc/smena/role.sh\n");
    let mut trace = Trace::prepared(&text);
    trace.at(0, Event::Start, &[call(HookState::Backup, None, 1)]);
    let done = trace.skip(3700);
    assert_eq!(done, took_over(100));
    assert_eq!(trace.node.hooks()[0].queued(), 1);
    let ended = Event::HookEnded(HookId::Notify(R), Exit::Code(0));
    trace.at(
        3700,
        ended,
        &[call(HookState::Master, Some(HookState::Backup), 2)],
    );
    trace.at(3800, ended, &[]);
    let advert0 = Action::SendAdvert(R, 0);
    trace.at(3900, Event::Stop, &[advert0, advert0]);
    trace.at(
        4500,
        Event::Packet(ETH0, Family::Ipv4, &packet(|advert| advert.priority = 50)),
        &[REMOVE, call(HookState::Stop, Some(HookState::Master), 3)],
    );
    trace.at(4600, ended, &[Action::Finish]);
}

// `release = after-hook`: all goes on until the hook for STOP has ended.
#[test]
fn a_stop_waits_for_the_hook_and_stays_master_meanwhile() {
    let text = format!("{PAIR}notify = /etc/smena/role.sh\nrelease = after-hook\n");
    let mut trace = Trace::prepared(&text);
    trace.at(0, Event::Start, &[call(HookState::Backup, None, 1)]);
    trace.skip(3700);
    let ended = Event::HookEnded(HookId::Notify(R), Exit::Code(0));
    let master = call(HookState::Master, Some(HookState::Backup), 2);
    trace.at(3700, ended, &[master]);
    // STOP waits behind the call that runs.
    trace.at(3800, Event::Stop, &[]);
    assert!(trace.node.routers()[0].releasing());
    let beats = trace.skip(6700);
    let adverts = beats
        .iter()
        .filter(|action| **action == Action::SendAdvert(R, 100));
    assert_eq!(adverts.count(), 3, "{beats:?}");
    let stop = call(HookState::Stop, Some(HookState::Master), 3);
    trace.at(6700, ended, &[stop]);
    trace.is(Role::Master);
    let [remove, resign, again] = RESIGNED;
    trace.at(6800, ended, &[remove, resign, again, Action::Finish]);
}

#[test]
fn a_better_master_or_a_second_stop_does_not_wait_for_the_hook() {
    let text = format!("{PAIR}notify = /etc/smena/role.sh\nrelease = after-hook\n");
    let master = || {
        let mut trace = Trace::prepared(&text);
        trace.skip(0);
        trace.at(0, Event::Start, &[call(HookState::Backup, None, 1)]);
        trace.skip(4000);
        trace.at(4000, Event::Stop, &[]);
        trace
    };
    let mut trace = master();
    trace.at(
        4100,
        Event::Packet(ETH0, Family::Ipv4, &packet(|advert| advert.priority = 200)),
        &[Action::SendAdvert(R, 100), REMOVE],
    );
    trace.is(Role::Initialize);
    let mut trace = master();
    let [remove, resign, again] = RESIGNED;
    let kill = Action::KillHook(HookId::Notify(R), crate::event::Kill::Kill);
    let finish = [remove, resign, again, kill, Action::Finish];
    trace.at(4100, Event::Stop, &finish);
}

fn resource(state: HookState, previous: Option<HookState>, sequence: u32, verb: Verb) -> Action {
    let call = HookCall {
        state,
        previous,
        priority: 100,
        sequence,
        resource: Some((0, verb)),
    };
    Action::StartHook(HookId::Resource(R), call)
}

// A resource that does not start puts its router into Fault, where it is
// stopped, and after the pause the router listens again.
#[test]
fn a_resource_that_fails_is_fault_for_a_while() {
    let text = format!("{PAIR}resource = /etc/init.d/floatip\n");
    let mut trace = Trace::prepared(&text);
    let (backup, master) = (HookState::Backup, HookState::Master);
    let ended = |code| Event::HookEnded(HookId::Resource(R), Exit::Code(code));
    // A keeper that was killed may have left it.
    trace.at(0, Event::Start, &[resource(backup, None, 1, Verb::Stop)]);
    trace.at(1, ended(0), &[]);
    let done = trace.skip(3700);
    let start = resource(master, Some(backup), 2, Verb::Start);
    assert!(done.contains(&start), "{done:?}");
    let [remove, resign, again] = RESIGNED;
    let stop = resource(HookState::Fault, Some(master), 3, Verb::Stop);
    trace.at(3800, ended(1), &[remove, resign, again, stop]);
    trace.is(Role::Fault);
    let reason = trace.node.routers()[0].reason();
    let sentence = format!("{}", reason.display(trace.node.config(), &trace.node));
    assert_eq!(sentence, "resource /etc/init.d/floatip failed at start");
    trace.at(3900, ended(0), &[]);
    trace.skip(13_799);
    trace.is(Role::Fault);
    trace.skip(13_800);
    trace.is(Role::Backup);
    // The end waits until it is stopped.
    trace.skip(18_000);
    trace.is(Role::Master);
    trace.at(18_000, ended(0), &[]);
    trace.at(18_001, Event::Stop, &[resign, again]);
    let stop = resource(HookState::Stop, Some(master), 6, Verb::Stop);
    let successor = packet(|advert| advert.priority = 50);
    let heard = Event::Packet(ETH0, Family::Ipv4, &successor);
    trace.at(18_100, heard, &[remove, stop]);
    trace.at(18_200, ended(0), &[Action::Finish]);
}

// `state_file` and `notify_fifo`: the file at the start, both at each change.
#[test]
fn the_state_is_told_without_a_program() {
    let text =
        format!("[node]\nnotify_fifo = /run/smena.fifo\n{PAIR}state_file = /run/smena/VI_1\n");
    let (file, line) = (Action::WriteState(R), Action::TellFifo(Subject::Router(R)));
    let mut trace = Trace::prepared(&text);
    trace.at(0, Event::Start, &[file, file, line]);
    let done = trace.skip(3700);
    let told: std::vec::Vec<Action> = done
        .into_iter()
        .filter(|action| [file, line].contains(action))
        .collect();
    assert_eq!(told, [file, line]);
    assert_eq!(trace.node.routers()[0].word(), "MASTER");
    trace
        .node
        .process(Instant::from_millis(3800), Event::Stop, &mut Actions::new());
    trace.at(3900, Event::Stop, &[REMOVE, file, line, Action::Finish]);
    assert_eq!(trace.node.routers()[0].word(), "STOP");
}

// `notify_again`: 3 intervals after the last word of the other master.
#[test]
fn a_master_that_gave_way_makes_the_hook_run_again() {
    let text = format!("{PAIR}notify = /etc/smena/role.sh\nnotify_again = yes\n");
    let mut trace = Trace::prepared(&text);
    trace.at(0, Event::Start, &[call(HookState::Backup, None, 1)]);
    let ended = Event::HookEnded(HookId::Notify(R), Exit::Code(0));
    trace.skip(3700);
    trace.at(
        3700,
        ended,
        &[call(HookState::Master, Some(HookState::Backup), 2)],
    );
    trace.at(3800, ended, &[]);
    let lower = packet(|advert| advert.priority = 50);
    let heard = Event::Packet(ETH0, Family::Ipv4, &lower);
    trace.at(3900, heard, &[Action::SendAdvert(R, 100)]);
    let repeat = call(HookState::Master, Some(HookState::Master), 3);
    let before = trace.skip(6899);
    assert!(!before.contains(&repeat), "{before:?}");
    let then = trace.skip(6901);
    assert!(then.contains(&repeat), "{then:?}");
}

#[test]
fn a_second_stop_does_not_wait_for_anything() {
    let text = format!("{PAIR}notify = /etc/smena/role.sh\n");
    let mut trace = Trace::prepared(&text);
    trace.at(0, Event::Start, &[call(HookState::Backup, None, 1)]);
    trace.skip(4000);
    let advert0 = Action::SendAdvert(R, 0);
    trace.at(4100, Event::Stop, &[advert0, advert0]);
    let kill = Action::KillHook(HookId::Notify(R), crate::event::Kill::Kill);
    trace.at(4200, Event::Stop, &[REMOVE, kill, Action::Finish]);
}
