//! One run: a world from a plan, its storm, its healing, and then a few single
//! faults in good weather, after each of which everything must be right again.

use smena::config::{Config, Limits, Source, parse};
use smena::mutation::Mutation;

use super::clock::At;
use super::host::Schedule;
use super::ini;
use super::plan::Plan;
use super::rules::Violation;
use super::rules::seen::Counts;
use super::storm;
use super::trace;
use super::world::World;

/// How a run is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep a trace as text.
    pub text: bool,
    /// A rule that all nodes break on purpose.
    pub broken: Option<Mutation>,
}

/// How a run ended.
pub struct Ending {
    pub violation: Option<Violation>,
    /// The trace as one number, and as text when asked.
    pub hash: u64,
    pub events: u64,
    /// The most actions of one event, of a hundred that there is room for.
    pub fullest: usize,
    /// How often each cause changed a state.
    pub seen: Counts,
    pub text: String,
    /// How long it was, in the world's time.
    pub time: At,
}

/// The run of a seed.
pub fn of_seed(seed: u64, options: Options) -> Ending {
    of_plan(&Plan::of(seed), options, whole)
}

/// A run of this plan, played by `play`.
pub fn of_plan(plan: &Plan, options: Options, play: impl FnOnce(&mut World<'_>)) -> Ending {
    if options.text {
        trace::listen_to_the_log();
    }
    let texts: Vec<String> = (0..plan.nodes.len())
        .map(|node| ini::write(plan, node))
        .collect();
    let configs: Vec<Config<'_>> = texts.iter().map(|text| read(text)).collect();
    let mut world = World::new(plan, &configs, options.text);
    world.broken = options.broken;
    if world.trace.speaks() {
        for (node, text) in texts.iter().enumerate() {
            world.say(format_args!("n{node} reads\n{text}"));
        }
    }
    play(&mut world);
    Ending {
        violation: world.rules.violation().cloned(),
        hash: world.trace.hash(),
        events: world.trace.steps(),
        fullest: world.fullest,
        seen: *world.rules.seen(),
        text: world.trace.text(),
        time: world.now,
    }
}

fn read(text: &str) -> Config<'_> {
    let mut config = Config::EMPTY;
    let source = Source {
        file: "smena.ini",
        text: text.as_bytes(),
        others_can_read: false,
    };
    let mut said = String::new();
    let outcome = parse(&source, &Limits::BOARD, &mut config, &mut |diagnostic| {
        said.push_str(&diagnostic.to_string());
    });
    assert!(
        outcome.errors == 0,
        "the plan's file is refused:\n{said}\n{text}"
    );
    config
}

/// Storm and heal, then single faults.
fn whole(world: &mut World<'_>) {
    for node in 0..world.hosts.len() {
        let after = 1 + world.random.below(3_000_000);
        world.later(after, storm::Relief::Boot(node));
    }
    world.rain(true);
    world.run(world.plan.storm);
    world.rain(false);
    storm::heal(world);
    rest(world);
    // Storms find more than faults that come alone, so one seed in four has two.
    for _ in 0..1 + u64::from(world.plan.seed.is_multiple_of(4)) {
        operate(world);
        storm::heal(world);
        rest(world);
    }
}

/// Time for everything to come to rest, and then it must be right.
pub fn rest(world: &mut World<'_>) {
    world.run(world.plan.settling());
    if !world.rules.broken() {
        world.say(format_args!("-- at rest"));
        world.judge(|rules, view| rules.at_rest(view));
        world.judge(|rules, view| rules.set_calm(view, true));
    }
}

/// One fault while all else is well.
fn operate(world: &mut World<'_>) {
    let router = world.random.below(world.plan.routers.len() as u64) as usize;
    let Some(master) = world.master(router) else {
        return;
    };
    let segment = world.plan.routers[router].interface;
    match world.random.below(8) {
        0 => {
            world.kill(master);
        }
        1 => {
            world.power_off(master);
        }
        2..=4 => {
            world.stop(master);
        }
        5 => {
            world.pause(master, Schedule::Stopped);
        }
        6 => {
            world.set_link(master, segment, false, true);
        }
        _ => world.delete_virtual_address(master),
    }
    world.run(6 * world.plan.slowest(router) + world.plan.latency);
    // What comes back is another fault, which the next rest judges.
    world.judge(|rules, view| rules.set_calm(view, false));
}
