//! How long two nodes have the address after the master was killed, and while it
//! is stopped.

use std::time::{Duration, Instant};

use super::table::{Figures, Table, Target};
use super::work::{BOTH, Pair, Program, VIP, Work};
use crate::harness::sys;

/// After this long without an end it is called for ever.
const WINDOW: Duration = Duration::from_secs(10);

/// Rounds of both faults; the two programs side by side, since nothing here is
/// shorter than a second.
pub fn measure(table: &mut Table, rounds: usize) {
    let mut killed: [Figures; 2] = Default::default();
    let mut stopped: [Figures; 2] = Default::default();
    for _ in 0..rounds {
        let both = BOTH.map(|program| std::thread::spawn(move || round(program)));
        for (index, thread) in both.into_iter().enumerate() {
            let (after_kill, while_stopped) = thread.join().expect("the round ran");
            killed[index].add(after_kill);
            stopped[index].add(while_stopped);
        }
    }
    let [ours, peer] = killed;
    let what = "two owners in 10 s after kill -9, v2 1000 ms";
    table.add(what, "s", &ours, &peer, Target::Every(0.0));
    let [ours, peer] = stopped;
    let what = "two owners in 10 s of SIGSTOP, v2 1000 ms";
    table.add(what, "s", &ours, &peer, Target::Every(0.0));
}

fn round(program: Program) -> (f64, f64) {
    let mut pair = Pair::start(program, Work::simple(2, 1000));

    let stopped_at = Instant::now();
    let keeper = pair.keeper_a.take().expect("a runs");
    keeper.signal_all(sys::SIGSTOP);
    std::thread::sleep(WINDOW);
    let while_stopped = pair.lab.watch.two_owners(VIP, stopped_at);
    keeper.signal_all(sys::SIGCONT);
    pair.settle();

    let killed_at = Instant::now();
    keeper.signal_all(sys::SIGKILL);
    std::thread::sleep(WINDOW);
    let after_kill = pair.lab.watch.two_owners(VIP, killed_at);
    (after_kill.as_secs_f64(), while_stopped.as_secs_f64())
}
