//! The table of figures: ours, the peer's, the ratio, the target.

use crate::figures::{grid, short};

pub use crate::figures::Figures;

/// What a figure is held against.
pub enum Target {
    /// None of the values is above it.
    Every(f64),
    /// It is only reported.
    None,
}

/// The figures of a whole run.
#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 6]>,
    missed: usize,
}

impl Table {
    /// Adds one row. The ratio is of the medians, ours over the peer's.
    pub fn add(&mut self, what: &str, unit: &str, ours: &Figures, peer: &Figures, target: Target) {
        let (bound, met) = match target {
            Target::Every(bound) => (format!("<= {}", short(bound)), ours.max() <= bound),
            Target::None => (String::new(), true),
        };
        let verdict = match (bound.is_empty(), met) {
            (true, _) => "",
            (false, true) => "ok",
            (false, false) => "MISSED",
        };
        self.missed += usize::from(!met);
        let ratio = ours.median() / peer.median();
        let ratio = if ratio.is_finite() {
            format!("{ratio:.3}")
        } else {
            String::new()
        };
        let row = [
            format!("{what}, {unit}"),
            ours.show(),
            peer.show(),
            ratio,
            bound,
            verdict.to_owned(),
        ];
        println!("{}", row.join(" | "));
        self.rows.push(row);
    }

    pub fn all_met(&self) -> bool {
        self.missed == 0
    }

    pub fn print(&self) {
        let head = [
            "median (least..most)",
            "smena",
            "keepalived",
            "ratio",
            "target",
            "",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.rows.iter().map(|row| row.to_vec()));
        println!("\n{}", grid(&rows));
        match self.missed {
            0 => println!("every target is met"),
            n => println!("{n} targets are missed"),
        }
    }
}
