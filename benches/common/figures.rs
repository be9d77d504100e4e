//! What both benchmarks write down: lists of values, and tables of words.

use std::fmt::Write;

/// A list of values measured in one unit.
#[derive(Clone, Default)]
pub struct Figures(Vec<f64>);

impl Figures {
    /// One more value.
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// The most, or NaN.
    pub fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// The value in the middle, or NaN.
    pub fn median(&self) -> f64 {
        match self.0.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => self.0[n / 2],
            n => (self.0[n / 2 - 1] + self.0[n / 2]) / 2.0,
        }
    }

    /// Median, least and most as text.
    pub fn show(&self) -> String {
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

impl From<f64> for Figures {
    fn from(value: f64) -> Figures {
        Figures(vec![value])
    }
}

/// Rows of cells as lines, each column as wide as its widest cell.
pub fn grid(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{cell:width$}  ");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// Three digits are enough to compare.
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
