//! The report: finished numbers per model, aligned for a terminal.

use std::collections::BTreeMap;
use std::fmt;

use crate::ledger::Totals;

/// Hit rate, cost and savings per model, and over everything.
///
/// ```
/// let report = cachewright::adapter::handle::Cachewright::new().report();
/// assert!(report.to_string().starts_with("model"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// One row per model, by name.
    pub rows: Vec<Row>,
    /// Everything.
    pub total: Totals,
}

/// The sums of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The model row's name, or the caller's spelling; empty for exchanges whose body was not read.
    pub model: Box<str>,
    /// Its sums.
    pub totals: Totals,
}

impl Report {
    pub(super) fn new(models: BTreeMap<Box<str>, Totals>, total: Totals) -> Self {
        let rows = models.into_iter();
        Self {
            rows: rows.map(|(model, totals)| Row { model, totals }).collect(),
            total,
        }
    }
}

const HEAD: [&str; 7] = [
    "model",
    "requests",
    "hit rate",
    "cost",
    "without caching",
    "saved",
    "wasted",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![HEAD.map(String::from)];
        lines.extend(self.rows.iter().map(|row| line(&row.model, &row.totals)));
        lines.push(line("total", &self.total));
        let widths: Vec<usize> = (0..HEAD.len())
            .map(|column| {
                let cells = lines.iter().filter_map(|line| line.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for line in &lines {
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "{cell:<width$}")?,
                    _ => write!(f, "  {cell:>width$}")?,
                }
            }
            writeln!(f)?;
        }
        let Totals {
            unreported,
            skipped,
            errands,
            errands_cost,
            ..
        } = self.total;
        if unreported + skipped > 0 {
            writeln!(
                f,
                "{unreported} without reported usage, {skipped} passed on untouched"
            )?;
        }
        if errands > 0 {
            writeln!(f, "{errands} errands for explicit caches: {errands_cost}")?;
        }
        Ok(())
    }
}

fn line(name: &str, totals: &Totals) -> [String; 7] {
    let name = if name.is_empty() { "(not read)" } else { name };
    [
        name.into(),
        totals.exchanges.to_string(),
        percent(totals.hit_rate()),
        totals.cost.to_string(),
        totals.cost_without_caching.to_string(),
        totals.savings().to_string(),
        totals.waste.to_string(),
    ]
}

#[expect(clippy::float_arithmetic, reason = "rendering")]
fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "–".into(), |rate| format!("{:.1} %", rate * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Money, Usage};

    #[test]
    fn a_report_reads_like_a_table() {
        let totals = Totals {
            exchanges: 3,
            usage: Usage::reported(10, 90, 0, 0, 5),
            cost: Money::from_pico(1_500_000_000_000),
            errands: 2,
            errands_cost: Money::from_pico(100_000_000_000),
            cost_without_caching: Money::from_pico(4_000_000_000_000),
            ..Totals::default()
        };
        let models = BTreeMap::from([("claude-opus-4.5".into(), totals)]);
        let text = Report::new(models, totals).to_string();
        let expected = "\
model            requests  hit rate   cost  without caching  saved   wasted
claude-opus-4.5         3    90.0 %  $1.50            $4.00  $2.50  $0.0000
total                   3    90.0 %  $1.50            $4.00  $2.50  $0.0000
2 errands for explicit caches: $0.1000
";
        assert_eq!(text, expected);
    }
}
