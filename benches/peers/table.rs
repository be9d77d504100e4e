//! The table of figures: ours, the peer's, the ratio, the target.

use std::fmt::Write;

/// A list of values measured in one unit.
#[derive(Clone, Default)]
pub struct Figures(Vec<f64>);

impl Figures {
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub fn of(value: f64) -> Figures {
        Figures(vec![value])
    }

    pub fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        match self.0.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => self.0[n / 2],
            n => (self.0[n / 2 - 1] + self.0[n / 2]) / 2.0,
        }
    }

    fn show(&self) -> String {
        let (Some(low), Some(high)) = (self.0.first(), self.0.last()) else {
            return "-".to_owned();
        };
        if self.0.len() == 1 {
            return short(*low);
        }
        format!(
            "{} ({}..{})",
            short(self.median()),
            short(*low),
            short(*high)
        )
    }
}

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
        let rows: Vec<Vec<&str>> = std::iter::once(head.to_vec())
            .chain(
                self.rows
                    .iter()
                    .map(|r| r.iter().map(String::as_str).collect()),
            )
            .collect();
        let mut text = String::from("\n");
        for row in &rows {
            for (column, cell) in row.iter().enumerate() {
                let width = rows.iter().map(|r| r[column].len()).max().unwrap_or(0);
                let _ = write!(text, "{cell:width$}  ");
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        println!("{text}");
        match self.missed {
            0 => println!("every target is met"),
            n => println!("{n} targets are missed"),
        }
    }
}

/// Three digits are enough to compare.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
