//! Many seeds on all processors, and the report of the first that failed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::clock::At;
use crate::world::{Ending, Options, of_seed};

/// What was run, summed up.
#[derive(Default)]
pub struct Total {
    pub seeds: u64,
    pub time: At,
    pub turns: u64,
    pub seen: [u64; 5],
}

/// A seed that broke a rule, and what is said of it; none: it panicked.
type Failure = (u64, Option<String>);

/// One seed; none if it panicked.
pub fn attempt(seed: u64, options: Options) -> Option<Ending> {
    let run = catch_unwind(AssertUnwindSafe(|| of_seed(seed, options)));
    if run.is_err() {
        // What the world left behind goes without it.
        drop(crate::kernel::install(None));
        crate::arena::end();
    }
    run.ok()
}

/// Runs seeds until one fails, and panics with its story then.
pub fn run(first: u64, count: u64) -> Total {
    let began = Instant::now();
    let total = Mutex::new(Total::default());
    let failure = search(first, count, Options::default(), |ending| {
        let mut total = total.lock().expect("no holder panics");
        total.seeds += 1;
        total.time += ending.time;
        total.turns += ending.turns;
        for (sum, seen) in total.seen.iter_mut().zip(ending.seen) {
            *sum += seen;
        }
    });
    if let Some((seed, story)) = failure {
        tell(seed, story.as_deref());
    }
    let total = total.into_inner().expect("no holder panics");
    let [sessions, retries, evictions, picks, served] = total.seen;
    println!(
        "{} seeds: {} virtual minutes, {} turns of workers in {:.1} s: {sessions} sessions, \
         {served} clients served to the end, {retries} retries, {evictions} evictions, \
         {picks} picks of round robin judged",
        total.seeds,
        total.time / 60_000_000,
        total.turns,
        began.elapsed().as_secs_f64(),
    );
    total
}

/// The lowest of these seeds that fails, whichever thread is faster.
pub fn search(
    first: u64,
    count: u64,
    options: Options,
    good: impl Fn(&Ending) + Sync,
) -> Option<Failure> {
    let next = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    spawn(|| {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                break;
            }
            let story = match attempt(seed, options) {
                Some(ending) => match &ending.violation {
                    None => {
                        good(&ending);
                        continue;
                    }
                    Some(violation) => Some(format!("{:?}: {}", violation.rule, violation.story)),
                },
                None => None,
            };
            failed.store(true, Ordering::Relaxed);
            let mut failure = failure.lock().expect("no holder panics");
            if failure.as_ref().is_none_or(|(other, _)| seed < *other) {
                *failure = Some((seed, story));
            }
        }
    });
    failure.into_inner().expect("no holder panics")
}

/// Runs this on every processor until it returns everywhere.
fn spawn(work: impl Fn() + Sync) {
    let count = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..count {
            // A node is some 100 KiB, and is moved by value when it is made.
            let thread = std::thread::Builder::new().stack_size(16 << 20);
            let thread = thread.spawn_scoped(scope, &work);
            thread.expect("a thread can be had");
        }
    });
}

/// Plays one seed with its whole trace, and panics if it fails.
pub fn replay(seed: u64) {
    let text = true;
    let fault = None;
    let ending = of_seed(seed, Options { text, fault });
    if let Some(violation) = &ending.violation {
        panic!("{}\n\nseed {seed} breaks {violation:?}", ending.text);
    }
    println!(
        "seed {seed} holds: {} s, hash {:016x}",
        ending.time / 1_000_000,
        ending.hash
    );
}

/// Runs the seed again with text, and panics with its end.
fn tell(seed: u64, story: Option<&str>) -> ! {
    let command = format!("SMENA_SEED={seed} cargo test --test forward_sim seeds -- --nocapture");
    let Some(story) = story else {
        panic!("seed {seed} panics; the message is above. Replay:\n  {command}");
    };
    let text = true;
    let fault = None;
    let again = of_seed(seed, Options { text, fault });
    let lines: Vec<&str> = again.text.lines().collect();
    let tail = lines[lines.len().saturating_sub(60)..].join("\n");
    panic!("{tail}\n\nseed {seed} breaks {story}\nReplay:\n  {command}");
}

/// Runs all seeds, whatever fails, and prints which rules broke how often.
pub fn survey(first: u64, count: u64) {
    let next = AtomicU64::new(first);
    let found: Mutex<Vec<(String, u64, String)>> = Mutex::new(Vec::new());
    spawn(|| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                break;
            }
            let (rule, story) = match attempt(seed, Options::default()).map(|run| run.violation) {
                Some(None) => continue,
                Some(Some(violation)) => (format!("{:?}", violation.rule), violation.story),
                None => ("panic".to_owned(), "see above".to_owned()),
            };
            let mut found = found.lock().expect("no holder panics");
            found.push((rule, seed, story));
        }
    });
    let mut found = found.into_inner().expect("no holder panics");
    found.sort();
    for group in found.chunk_by(|a, b| a.0 == b.0) {
        println!("{}: {} seeds", group[0].0, group.len());
        for (_, seed, story) in group.iter().take(4) {
            println!("  {seed}: {story}");
        }
    }
    println!("{} of {count} seeds failed", found.len());
}
