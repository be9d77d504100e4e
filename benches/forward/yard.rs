//! The place of measuring: the network with all contenders running, and what
//! one of them spends while the client works.

use std::path::Path;
use std::time::{Duration, Instant};

use super::contender::{self, Contender, Kind, Rules};
use super::network::{Network, Packets};
use super::sys;

/// What a measurement costs in processor seconds.
#[derive(Clone, Copy)]
pub struct Spent {
    /// The contender with all of its processes.
    pub forwarder: f64,
    /// It, the client and the server: what a packet costs is charged to whoever
    /// happens to handle it.
    pub all: f64,
}

/// The network with the contenders in it.
pub struct Yard {
    pub contenders: Vec<Contender>,
    pub network: Network,
    /// Other work of the machine beyond this share of a processor spoils a
    /// measurement, which is then made again.
    disturbed: usize,
    patient: bool,
}

impl Yard {
    /// Starts all of them.
    pub fn new(
        packets: Packets,
        kinds: &[Kind],
        folder: &Path,
        room: usize,
        patient: bool,
    ) -> Yard {
        let network = Network::new(packets);
        let contenders = kinds
            .iter()
            .map(|kind| Contender::start(*kind, &network, folder, room))
            .collect();
        Yard {
            contenders,
            network,
            disturbed: 0,
            patient,
        }
    }

    /// How often other work of this machine was in the way.
    pub fn disturbed(&self) -> usize {
        self.disturbed
    }

    /// Does something in the client's network and tells what it cost.
    pub fn observe<T: Send + 'static>(
        &mut self,
        index: usize,
        work: impl Fn() -> T + Clone + Send + 'static,
    ) -> (T, Spent) {
        const TRIES: usize = 3;
        const NOISE: f64 = 0.12;
        let mut tries = 0;
        loop {
            tries += 1;
            let contender = &self.contenders[index];
            let (outcome, spent, noise) = self.observe_once(contender, work.clone());
            if noise < NOISE {
                return (outcome, spent);
            }
            if tries == TRIES || !self.patient {
                self.disturbed += 1;
                return (outcome, spent);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn observe_once<T: Send + 'static>(
        &self,
        contender: &Contender,
        work: impl Fn() -> T + Send + 'static,
    ) -> (T, Spent, f64) {
        let _rules = Rules::of(contender.kind, &self.network);
        let serving = self.network.serving();
        let processors = contender::generator_processors(contender.kind);
        for thread in contender::threads(serving) {
            let _ = sys::run_on(thread, processors);
        }
        let all = || {
            let own = sys::own_time().as_secs_f64();
            (
                contender.busy(),
                own + contender::busy(serving),
                machine_time(),
            )
        };
        let (began, before) = (Instant::now(), all());
        let outcome = self.network.client.run(move || {
            let _ = sys::run_on(0, processors);
            work()
        });
        // What is on its way arrives.
        std::thread::sleep(Duration::from_millis(20));
        let (after, length) = (all(), began.elapsed().as_secs_f64());
        let forwarder = after.0 - before.0;
        let generator = after.1 - before.1;
        let spent = Spent {
            forwarder,
            all: forwarder + generator,
        };
        let noise = (after.2 - before.2 - spent.all) / length;
        (outcome, spent, noise)
    }
}

/// What the machine was busy until now, in seconds: user, nice, system and both
/// kinds of interrupts.
fn machine_time() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let words = text.lines().next().unwrap_or_default().split_whitespace();
    let ticks: Vec<f64> = words.skip(1).filter_map(|w| w.parse().ok()).collect();
    let busy = [0, 1, 2, 5, 6].into_iter().filter_map(|n| ticks.get(n));
    busy.sum::<f64>() / 100.0
}
