//! The simulator of the forwarder: the binary's own workers over a modelled
//! kernel in virtual time, their keeper's real node beside them, and clients and
//! servers that stall, reset, half-close, flood and vanish.
//!
//! ```text
//!   linux/worker, relay, pipes, datagram   as they are, calling `rustix`
//!     `---> shim.rs: this test takes that name ---> kernel.rs: sockets, epoll, pipes
//!   world.rs: time, storm, calm     people.rs: every byte     book.rs: the rules
//! ```
//!
//! ```text
//! cargo test --test forward_sim                                              all below
//! SMENA_SEED=12 cargo test --test forward_sim seeds -- --nocapture           one seed, its end as text
//! SMENA_SEED=12 SMENA_TRACE=1 cargo test --test forward_sim seeds -- --nocapture   all of it
//! SMENA_SEEDS=100000 cargo test --test forward_sim seeds -- --nocapture      more of them
//! SMENA_SURVEY=1 cargo test --test forward_sim seeds -- --nocapture          which rules break, how often
//! ```

extern crate self as rustix;

#[path = "sim/clock.rs"]
#[allow(dead_code)]
mod clock;
#[path = "sim/random.rs"]
mod random;
#[path = "sim/trace.rs"]
#[allow(dead_code)]
mod trace;

#[path = "forward_sim/arena.rs"]
mod arena;
#[path = "forward_sim/batch.rs"]
mod batch;
#[path = "forward_sim/book.rs"]
mod book;
#[path = "forward_sim/campaign.rs"]
mod campaign;
#[path = "forward_sim/epoll.rs"]
mod epoll;
#[path = "forward_sim/faults.rs"]
mod faults;
#[path = "forward_sim/keeper.rs"]
mod keeper;
#[path = "forward_sim/kernel.rs"]
mod kernel;
#[path = "forward_sim/linux.rs"]
mod linux;
#[cfg(debug_assertions)]
#[path = "forward_sim/mutations.rs"]
mod mutations;
#[path = "forward_sim/people.rs"]
mod people;
#[path = "forward_sim/plan.rs"]
mod plan;
#[path = "forward_sim/scenarios.rs"]
mod scenarios;
#[path = "forward_sim/shim.rs"]
mod shim;
#[path = "forward_sim/stream.rs"]
mod stream;
#[path = "forward_sim/world.rs"]
mod world;

pub use shim::{event, fd, io, net, pipe, time};

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is a number, not {value:?}")))
}

/// Storm and calm: every session ends, every count returns to zero, and rules 9
/// and 10 hold at every turn.
#[test]
fn seeds() {
    if let Some(seed) = number("SMENA_SEED") {
        return campaign::replay(seed);
    }
    let count = number("SMENA_SEEDS").unwrap_or(2000);
    let first = number("SMENA_FIRST").unwrap_or(1);
    if number("SMENA_SURVEY").is_some() {
        return campaign::survey(first, count);
    }
    let total = campaign::run(first, count);
    assert_eq!(total.seeds, count, "every seed was run");
    if count >= 1000 {
        assert!(
            !total.seen.contains(&0),
            "everything is met: {:?}",
            total.seen
        );
    }
}

/// One seed is one run: the traces of two agree to the last bit.
#[test]
fn same_seed_same_trace() {
    let hash = |seed| world::of_seed(seed, world::Options::default()).hash;
    for seed in [1, 7, 42, 1001, 123_456_789] {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
    assert_ne!(hash(1), hash(2), "the hash sees the difference");
}
