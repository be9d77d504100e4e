//! The table of figures: every contender's values round by round, the ratios
//! within a round, and the target of each row beside what came out.

use super::contender::{Kind, REFERENCE};
use crate::figures::{Figures, grid, short};

/// What a row is held against.
#[derive(Clone, Copy)]
pub enum Target {
    /// The median ratio is at least this.
    AtLeast(f64),
    /// The median ratio is at most this.
    AtMost(f64),
    /// The median of the subject itself is not above this.
    Median(f64),
    /// No value of the subject itself is.
    Every(f64),
    /// It is only reported.
    None,
}

/// One figure of all contenders.
pub struct Row {
    what: String,
    unit: &'static str,
    subject: Kind,
    base: Kind,
    target: Target,
    /// Who, in which round, how much.
    values: Vec<(Kind, usize, f64)>,
}

impl Row {
    /// The first worker beside the reference.
    pub fn new(what: &str, unit: &'static str, target: Target) -> Row {
        Row {
            what: what.to_owned(),
            unit,
            subject: Kind::Smena(1),
            base: REFERENCE,
            target,
            values: Vec::new(),
        }
    }

    /// Beside another one than the reference.
    pub fn to(self, base: Kind) -> Row {
        Row { base, ..self }
    }

    /// Of another one than the first worker.
    pub fn of(self, subject: Kind) -> Row {
        Row { subject, ..self }
    }

    /// Another target.
    pub fn hold(self, target: Target) -> Row {
        Row { target, ..self }
    }

    /// The same values once more, for another pair and target.
    pub fn beside(&self, subject: Kind, base: Kind, target: Target) -> Row {
        Row {
            what: format!("  {} to {}", subject.name(), base.name()),
            unit: self.unit,
            subject,
            base,
            target,
            values: self.values.clone(),
        }
    }

    /// One more value.
    pub fn add(&mut self, kind: Kind, round: usize, value: f64) {
        self.values.push((kind, round, value));
    }

    fn values_of(&self, kind: Kind) -> Figures {
        let mut figures = Figures::default();
        for (of, _, value) in &self.values {
            if *of == kind {
                figures.add(*value);
            }
        }
        figures
    }

    /// The ratios to the base within each round.
    fn ratios_of(&self, kind: Kind) -> Figures {
        let mut figures = Figures::default();
        for (of, round, value) in &self.values {
            let is_base = |v: &&(Kind, usize, f64)| v.0 == self.base && v.1 == *round;
            if *of == kind
                && let Some((_, _, base)) = self.values.iter().find(is_base)
                && *base > 0.0
            {
                figures.add(value / base);
            }
        }
        figures
    }

    /// Bound and verdict; whether it was met.
    fn verdict(&self) -> (String, &'static str, bool) {
        let ratio = self.ratios_of(self.subject).median();
        let (bound, met) = match self.target {
            Target::AtLeast(bound) => (format!(">= {}x", short(bound)), ratio >= bound),
            Target::AtMost(bound) => (format!("<= {}x", short(bound)), ratio <= bound),
            Target::Median(bound) => {
                let value = self.values_of(self.subject).median();
                (format!("<= {}", short(bound)), value <= bound)
            }
            Target::Every(bound) => {
                let most = self.values_of(self.subject).max();
                (format!("<= {}", short(bound)), most <= bound)
            }
            Target::None => return (String::new(), "", true),
        };
        if self.values_of(self.subject).median().is_nan() {
            // It was not asked for; one that fails ends the whole run.
            return (bound, "not measured", true);
        }
        (bound, if met { "ok" } else { "MISSED" }, met)
    }

    /// The cells: what the base came to, then everybody's ratio to it. Where the
    /// target is no ratio, or there is no base, the values themselves.
    fn cells(&self, kinds: &[Kind]) -> Vec<String> {
        let plain = matches!(self.target, Target::Median(_) | Target::Every(_));
        let mut cells = vec![format!("{}, {}", self.what, self.unit)];
        for kind in kinds {
            let (values, ratios) = (self.values_of(*kind), self.ratios_of(*kind));
            let shown = match (values.median().is_nan(), *kind == self.base) {
                (true, _) => "-".to_owned(),
                (_, true) => values.show(),
                _ if plain || ratios.median().is_nan() => short(values.median()),
                _ => format!("{}x", short(ratios.median())),
            };
            cells.push(shown);
        }
        let (bound, verdict, _) = self.verdict();
        cells.extend([bound, verdict.to_owned()]);
        cells
    }
}

/// The figures of a whole run.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Adds rows and tells them.
    pub fn add(&mut self, rows: Vec<Row>, kinds: &[Kind]) {
        for row in rows {
            println!("{}", row.cells(kinds).join(" | "));
            self.rows.push(row);
        }
    }

    /// How many targets were missed.
    pub fn missed(&self) -> usize {
        self.rows.iter().filter(|row| !row.verdict().2).count()
    }

    /// All of it.
    pub fn print(&self, kinds: &[Kind]) {
        let mut head = vec![format!(
            "{}: median (least..most), others: ratio",
            REFERENCE.name()
        )];
        head.extend(kinds.iter().map(|kind| kind.name().to_owned()));
        head.extend(["target".to_owned(), String::new()]);
        let mut rows = vec![head];
        rows.extend(self.rows.iter().map(|row| row.cells(kinds)));
        println!("\n{}", grid(&rows));
        match self.missed() {
            0 => println!("every target is met"),
            n => println!("{n} targets are missed"),
        }
    }
}
