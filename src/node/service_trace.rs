//! Services as traces: results, refusals and orders, and what the forwarder and
//! the routers are told. The rule is that of the servers: one that is down, in
//! drain or in maint gets no new session; an unknown one does, and its first
//! result decides; after that `rise` or `fall` in a row do.
//!
//! Times are milliseconds. The router is that of `trace.rs`: VI_1 with priority
//! 100. The servers are checked every 2 s; the second one 1 ms later.

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::trace::{PAIR, RESIGNED, Trace};
use super::*;
use crate::check::Health;
use crate::event::{Admin, CheckResult, Kill, Outcome, ServerId, ServiceId};
use crate::server::State;

const WEB: ServiceId = ServiceId(0);
const A: ServerId = ServerId(0);
const B: ServerId = ServerId(1);
const CHECKS: [CheckId; 2] = [CheckId(0), CheckId(1)];

const SERVICE: &str = "
[service web]
listen = *:443
server = a 10.0.0.11
server = b 10.0.0.12
";

/// A pair with a service, started at 0; the first server's check runs.
fn started(router: &str, service: &str) -> Trace {
    let mut trace = Trace::prepared(&format!("{PAIR}{router}{SERVICE}{service}"));
    trace.at(0, Event::Start, &[Action::StartCheck(CHECKS[0])]);
    trace.skip(1);
    trace
}

impl Trace {
    /// A check of a server ends; the next one has begun when it is due.
    fn ends(&mut self, ms: i64, server: ServerId, works: bool, want: &[Action]) {
        let outcome = match works {
            true => Outcome::Success,
            false => Outcome::Failure,
        };
        let result = CheckResult {
            outcome,
            detail: if works { "L4OK" } else { "L4CON refused" },
        };
        let id = CHECKS[usize::from(server.0)];
        self.at(ms, Event::CheckEnded(id, result), want);
    }

    #[track_caller]
    fn states(&self, a: State, b: State) {
        let states: Vec<_> = self.node.servers().iter().map(Server::state).collect();
        assert_eq!(states, [a, b]);
    }
}

#[test]
fn an_unknown_server_gets_sessions_and_its_first_result_decides() {
    let mut trace = started("", "");
    trace.states(State::Unknown, State::Unknown);
    assert!(trace.node.servers().iter().all(Server::admits));
    trace.ends(5, A, true, &[Action::Admit(A)]);
    trace.ends(6, B, false, &[Action::Admit(B)]);
    trace.states(State::Up, State::Down);
    assert!(trace.node.servers()[0].admits());
    assert!(!trace.node.servers()[1].admits());
}

#[test]
fn then_rise_and_fall_results_in_a_row() {
    let mut trace = started("", "rise = 2\nfall = 3\n");
    trace.ends(5, A, true, &[Action::Admit(A)]);
    trace.ends(6, B, false, &[Action::Admit(B)]);
    let results = [
        (false, true, State::Up, State::Down),
        (false, false, State::Up, State::Down),
        (true, true, State::Up, State::Down),
        (false, true, State::Up, State::Up),
        (false, false, State::Up, State::Up),
        (false, true, State::Down, State::Up),
    ];
    let mut before = (State::Up, State::Down);
    for (round, (a, b, after_a, after_b)) in (1..).zip(results) {
        trace.skip(2000 * round + 1);
        let told = |changed, server| match changed {
            true => vec![Action::Admit(server)],
            false => vec![],
        };
        trace.ends(2000 * round + 5, A, a, &told(after_a != before.0, A));
        trace.ends(2000 * round + 6, B, b, &told(after_b != before.1, B));
        trace.states(after_a, after_b);
        before = (after_a, after_b);
    }
}

#[test]
fn a_look_that_takes_too_long_has_failed() {
    let mut trace = started("", "inter = 500ms\n");
    let kill = |at: usize| Action::KillCheck(CHECKS[at], Kill::Term);
    let done = trace.skip(501);
    let want = [kill(0), Action::Admit(A), kill(1), Action::Admit(B)];
    assert_eq!(done[..4], want);
    assert_eq!(done[4..], [Action::Refuse(WEB)]);
    trace.states(State::Down, State::Down);
}

#[test]
fn sessions_that_a_server_refuses_count_as_failures() {
    let mut trace = started("", "");
    trace.ends(5, A, true, &[Action::Admit(A)]);
    trace.ends(6, B, true, &[Action::Admit(B)]);
    trace.at(100, Event::Refused(A, 2), &[]);
    trace.states(State::Up, State::Up);
    trace.at(101, Event::Refused(A, 1), &[Action::Admit(A)]);
    trace.states(State::Down, State::Up);
    let detail = trace.node.server_check(A).detail();
    assert_eq!(detail, Some("L4CON a session was refused"));
    // Nothing would bring back a server that nobody looks at.
    let mut trace = Trace::prepared(&format!("{PAIR}{SERVICE}check = none\n"));
    trace.at(0, Event::Start, &[]);
    trace.states(State::Up, State::Up);
    trace.at(100, Event::Refused(A, 9), &[]);
    trace.states(State::Up, State::Up);
    assert_eq!(trace.skip(60_000).iter().filter(starts).count(), 0);
}

fn starts(action: &&Action) -> bool {
    matches!(action, Action::StartCheck(_))
}

#[test]
fn orders_stand_above_results() {
    let mut trace = started("", "");
    trace.ends(5, A, true, &[Action::Admit(A)]);
    trace.ends(6, B, true, &[Action::Admit(B)]);
    trace.at(10, Event::Order(A, Admin::Drain), &[Action::Admit(A)]);
    trace.at(11, Event::Order(A, Admin::Drain), &[]);
    trace.states(State::Drain, State::Up);
    assert!(!trace.node.servers()[0].admits());
    // Maintenance ends the sessions that are left.
    let cut = [Action::Admit(A), Action::Cut(A)];
    trace.at(12, Event::Order(A, Admin::Maint), &cut);
    // Its checks go on, and say nothing as long as it is ordered.
    for round in 1..=3 {
        trace.skip(2000 * round + 1);
        trace.ends(2000 * round + 5, A, false, &[]);
        trace.ends(2000 * round + 6, B, true, &[]);
    }
    trace.states(State::Maint, State::Up);
    // They have said meanwhile that it does not work.
    trace.at(7000, Event::Order(A, Admin::Ready), &[Action::Admit(A)]);
    trace.states(State::Down, State::Up);
    for round in 4..=5 {
        trace.skip(2000 * round + 1);
        let told: &[_] = if round == 5 { &[Action::Admit(A)] } else { &[] };
        trace.ends(2000 * round + 5, A, true, told);
        trace.ends(2000 * round + 6, B, true, &[]);
    }
    trace.states(State::Up, State::Up);
}

#[test]
fn sessions_of_a_server_that_went_down_are_cut_if_that_is_wanted() {
    let mut trace = started("", "fall = 1\non_down = cut\n");
    trace.ends(5, A, true, &[Action::Admit(A)]);
    trace.ends(6, B, true, &[Action::Admit(B)]);
    trace.skip(2001);
    trace.ends(2005, A, false, &[Action::Admit(A), Action::Cut(A)]);
}

#[test]
fn a_service_without_a_server_refuses_until_it_has_one() {
    let mut trace = started("", "rise = 1\nfall = 1\n");
    trace.ends(5, A, false, &[Action::Admit(A)]);
    assert!(trace.node.service_is_open(WEB), "the other one is unknown");
    trace.ends(6, B, false, &[Action::Admit(B), Action::Refuse(WEB)]);
    assert!(!trace.node.service_is_open(WEB));
    trace.skip(2001);
    trace.ends(2005, A, true, &[Action::Admit(A), Action::Accept(WEB)]);
    trace.ends(2006, B, true, &[Action::Admit(B)]);
    // The same by order, and by weight.
    trace.at(2100, Event::Order(A, Admin::Drain), &[Action::Admit(A)]);
    let last = [Action::Admit(B), Action::Refuse(WEB)];
    trace.at(2200, Event::Weight(B, 0), &last);
    trace.at(2300, Event::Weight(B, 0), &[]);
    let back = [Action::Admit(B), Action::Accept(WEB)];
    trace.at(2400, Event::Weight(B, 256), &back);
    assert_eq!(trace.node.servers()[1].weight(), 256);
}

// Weight 0: INIT until a server has a result, FAULT while there is none.
#[test]
fn a_router_that_needs_a_service_goes_with_it() {
    let mut trace = started("track = service web\n", "rise = 1\nfall = 2\n");
    let reason = |trace: &Trace| trace.node.routers()[0].reason();
    trace.is(Role::Initialize);
    assert_eq!(reason(&trace), Reason::ServicePending(WEB));
    trace.ends(5, A, false, &[Action::Admit(A)]);
    assert_eq!(reason(&trace), Reason::ServicePending(WEB));
    trace.ends(6, B, true, &[Action::Admit(B)]);
    trace.is(Role::Backup);
    trace.skip(4000);
    trace.is(Role::Master);
    let [remove, resign, again] = RESIGNED;
    let gone = [Action::Admit(B), Action::Refuse(WEB), remove, resign, again];
    trace.at(4100, Event::Order(B, Admin::Drain), &gone);
    trace.is(Role::Fault);
    assert_eq!(reason(&trace), Reason::ServiceDown(WEB));
    assert_eq!(trace.node.service_health(WEB), Health::Down);
    let back = [Action::Admit(B), Action::Accept(WEB)];
    trace.at(4200, Event::Order(B, Admin::Ready), &back);
    trace.is(Role::Backup);
}

// With a weight the priority follows, and nothing moves before a result.
#[test]
fn a_router_counts_a_service_by_its_weight() {
    let mut trace = started("track = service web weight -50\n", "fall = 1\n");
    let priority = |trace: &Trace| trace.node.routers()[0].priority();
    assert_eq!(priority(&trace), 100);
    trace.ends(5, A, false, &[Action::Admit(A)]);
    trace.ends(6, B, true, &[Action::Admit(B)]);
    assert_eq!(priority(&trace), 100);
    let last = [Action::Admit(B), Action::Refuse(WEB)];
    trace.at(10, Event::Weight(B, 0), &last);
    assert_eq!(priority(&trace), 50);
}

/// 128 servers are not looked at in one moment, neither the first time nor later.
#[test]
fn looks_at_many_servers_are_spread_out() {
    let mut text = String::from("[service web]\nlisten = *:443\n");
    for server in 0..board::SERVERS_MAX {
        text += &format!("server = s{server} 10.0.0.{}\n", 1 + server);
    }
    let mut trace = Trace::prepared(&format!("{PAIR}{text}"));
    let mut moments = Vec::new();
    let mut event = Event::Start;
    let mut at = Instant::ZERO;
    while at < Instant::from_secs(9) {
        trace.node.process(at, event, &mut trace.actions);
        let started: Vec<_> = trace
            .actions
            .iter()
            .copied()
            .filter(|a| starts(&a))
            .collect();
        moments.push((at, started.len()));
        for action in started {
            let Action::StartCheck(id) = action else {
                continue;
            };
            let result = CheckResult {
                outcome: Outcome::Success,
                detail: "L4OK",
            };
            let ended = Event::CheckEnded(id, result);
            trace.node.process(at, ended, &mut trace.actions);
        }
        (at, _) = trace.node.poll_at();
        event = Event::Poll;
    }
    let within = |from: i64, to: i64| {
        let inside = moments
            .iter()
            .filter(move |(at, _)| (from..to).contains(&at.total_millis()));
        inside.map(|(_, count)| count).sum::<usize>()
    };
    // Everybody once at the start and in every 2 s after that.
    assert_eq!(within(0, 200), board::SERVERS_MAX);
    assert_eq!(within(4200, 6200), board::SERVERS_MAX);
    for ms in (0..9000).step_by(10) {
        assert!(within(ms, ms + 10) <= 11, "{} at {ms}", within(ms, ms + 10));
    }
}

// A stop ends what runs, servers' checks as well.
#[test]
fn a_stop_ends_the_looks_at_servers() {
    let mut trace = started("", "");
    let kills = CHECKS.map(|id| Action::KillCheck(id, Kill::Kill));
    trace
        .node
        .process(Instant::from_millis(5), Event::Stop, &mut trace.actions);
    assert_eq!(trace.actions[..2], kills);
    assert!(trace.skip(10_000).iter().all(|action| !starts(&action)));
}
