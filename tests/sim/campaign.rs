//! Many seeds on all processors, and the report of the first that failed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::clock::At;
use super::rules::Violation;
use super::rules::seen::{CAUSES, Counts};
use super::run::{Ending, Options, of_seed};

/// What was run, summed up.
pub struct Total {
    pub seeds: u64,
    /// Virtual microseconds.
    pub time: At,
    pub events: u64,
    /// The most actions of one event, of a hundred that there is room for.
    pub fullest: usize,
    pub shortest: At,
    /// How often each cause changed a state.
    pub seen: Counts,
}

/// A seed that broke a rule.
struct Failure {
    seed: u64,
    /// `None`: an assertion of the core, or of the simulator itself.
    violation: Option<Violation>,
}

/// Runs seeds until one fails, and panics with its story then.
pub fn run(first: u64, count: u64) -> Total {
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    let total = Mutex::new(Total {
        seeds: 0,
        time: 0,
        events: 0,
        fullest: 0,
        shortest: At::MAX,
        seen: Counts::default(),
    });
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                break;
            }
            let found = match attempt(seed, Options::default()) {
                Ok(ending) => {
                    let mut total = total.lock().expect("no holder panics");
                    total.seeds += 1;
                    total.time += ending.time;
                    total.events += ending.events;
                    total.fullest = total.fullest.max(ending.fullest);
                    total.shortest = total.shortest.min(ending.time);
                    for (sum, count) in total.seen.iter_mut().zip(ending.seen) {
                        *sum += count;
                    }
                    ending.violation.map(|violation| Failure {
                        seed,
                        violation: Some(violation),
                    })
                }
                Err(()) => Some(Failure {
                    seed,
                    violation: None,
                }),
            };
            if let Some(found) = found {
                failed.store(true, Ordering::Relaxed);
                let mut failure = failure.lock().expect("no holder panics");
                // The lowest seed is told, whichever thread was faster.
                if failure.as_ref().is_none_or(|other| found.seed < other.seed) {
                    *failure = Some(found);
                }
            }
        }
    };
    spawn(work);
    if let Some(failure) = failure.into_inner().expect("no holder panics") {
        tell(&failure);
    }
    let total = total.into_inner().expect("no holder panics");
    report(&total, began);
    total
}

/// Plays one seed with its whole trace, and panics if it fails.
pub fn replay(seed: u64) {
    let ending = of_seed(
        seed,
        Options {
            text: true,
            broken: None,
        },
    );
    if let Some(violation) = ending.violation {
        let Violation { rule, story } = violation;
        panic!("{}\n\nseed {seed} breaks {rule:?}: {story}", ending.text);
    }
    println!(
        "seed {seed} holds: {} s, hash {:016x}",
        ending.time / 1_000_000,
        ending.hash
    );
}

/// Runs this on every processor until it returns everywhere.
pub fn spawn(work: impl Fn() + Sync) {
    let count = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..count {
            // A node is some 100 KiB, and is moved by value when it is made.
            let thread = std::thread::Builder::new().stack_size(16 << 20);
            thread
                .spawn_scoped(scope, &work)
                .expect("a thread can be had");
        }
    });
}

fn attempt(seed: u64, options: Options) -> Result<Ending, ()> {
    catch_unwind(AssertUnwindSafe(|| of_seed(seed, options))).map_err(|_| ())
}

/// Runs the seed again with text, and panics with its end.
fn tell(failure: &Failure) -> ! {
    let seed = failure.seed;
    let command = format!("SMENA_SEED={seed} cargo test --test sim seeds -- --nocapture");
    let Some(violation) = &failure.violation else {
        panic!("seed {seed} panics; the message is above. Replay:\n  {command}");
    };
    let again = of_seed(
        seed,
        Options {
            text: true,
            broken: None,
        },
    );
    let lines: Vec<&str> = again.text.lines().collect();
    let tail = lines[lines.len().saturating_sub(60)..].join("\n");
    panic!(
        "{tail}\n\nseed {seed} breaks {:?}: {}\nReplay:\n  {command}",
        violation.rule, violation.story
    );
}

fn report(total: &Total, began: Instant) {
    let seconds = total.time / 1_000_000;
    let took = began.elapsed().as_secs_f64();
    println!(
        "{} seeds: {:.1} virtual hours, {} events, in {took:.1} s: {:.0} virtual seconds a second",
        total.seeds,
        seconds as f64 / 3600.0,
        total.events,
        seconds as f64 / took,
    );
    let seen: Vec<String> = CAUSES
        .iter()
        .zip(&total.seen)
        .map(|(cause, n)| format!("{cause} {n}"))
        .collect();
    println!("changes of state by cause: {}", seen.join(", "));
    println!(
        "the longest list of actions was {} % of what there is room for",
        total.fullest
    );
}

/// The trace of a seed as one number.
pub fn hash(seed: u64) -> u64 {
    of_seed(seed, Options::default()).hash
}

/// Runs all seeds, whatever fails, and prints for each broken rule how many
/// seeds broke it and the story of the first.
pub fn survey(first: u64, count: u64) {
    let next = AtomicU64::new(first);
    let found: Mutex<Vec<(u64, String, String)>> = Mutex::new(Vec::new());
    spawn(|| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                break;
            }
            let (rule, story) =
                match attempt(seed, Options::default()).map(|ending| ending.violation) {
                    Ok(None) => continue,
                    Ok(Some(violation)) => (format!("{:?}", violation.rule), violation.story),
                    Err(()) => ("panic".to_owned(), "see above".to_owned()),
                };
            found
                .lock()
                .expect("no holder panics")
                .push((seed, rule, story));
        }
    });
    let mut found = found.into_inner().expect("no holder panics");
    found.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
    for group in found.chunk_by(|a, b| a.1 == b.1) {
        println!("{}: {} seeds", group[0].1, group.len());
        for (seed, _, story) in group.iter().take(3) {
            println!("  {seed}: {story}");
        }
    }
    println!("{} of {count} seeds failed", found.len());
}
