//! The one table of what is emitted: names, kinds, units, labels, help.

use std::fmt::Write as _;

/// Labels of everything that belongs to an exchange; their values are names of the user's and of
/// the rows.
pub const LABELS: [&str; 4] = ["provider", "model", "route", "tenant"];

/// Labels of everything that belongs to an attempt of a route.
pub const ATTEMPT_LABELS: [&str; 2] = ["route", "backend"];

/// What kind of instrument a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// An integer that only grows.
    Counter,
    /// A number that goes both ways.
    Gauge,
    /// Observations, counted by size.
    Histogram,
}

impl Kind {
    /// Its name, as in Prometheus.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What one of it is.
    pub unit: &'static str,
    /// Whether it carries [`LABELS`].
    pub per_exchange: bool,
    /// Whether it carries [`ATTEMPT_LABELS`].
    pub per_attempt: bool,
    /// The label that it carries on top; empty where there is none.
    pub by: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Upper bounds for exporters that count observations in buckets; empty for other kinds.
    pub buckets: &'static [f64],
}

impl Row {
    const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Counter,
            unit,
            per_exchange: true,
            per_attempt: false,
            by: "",
            help,
            buckets: &[],
        }
    }

    const fn by(self, label: &'static str) -> Self {
        Self { by: label, ..self }
    }

    const fn overall(self) -> Self {
        Self {
            per_exchange: false,
            ..self
        }
    }

    const fn of_attempts(self) -> Self {
        Self {
            per_exchange: false,
            per_attempt: true,
            ..self
        }
    }

    const fn gauge(self) -> Self {
        Self {
            kind: Kind::Gauge,
            ..self
        }
    }

    const fn histogram(self, buckets: &'static [f64]) -> Self {
        Self {
            kind: Kind::Histogram,
            buckets,
            ..self
        }
    }

    /// Those that it shares with others.
    pub(super) const fn common(&self) -> &'static [&'static str] {
        match (self.per_exchange, self.per_attempt) {
            (true, _) => &LABELS,
            (false, true) => &ATTEMPT_LABELS,
            (false, false) => &[],
        }
    }

    /// All labels, in order.
    pub fn labels(&self) -> impl Iterator<Item = &'static str> {
        let own = (!self.by.is_empty()).then_some(self.by);
        self.common().iter().copied().chain(own)
    }
}

/// Own work takes microseconds; a body of megabytes takes milliseconds.
const QUICK: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.1,
];
/// Answers take from a fraction of a second to minutes.
const SLOW: &[f64] = &[
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0,
];
const SHARES: &[f64] = &[0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0];

pub(super) const EXCHANGES: Row = Row::counter(
    "cachewright_exchanges_total",
    "exchanges",
    "Calls of the user's that ended; errands are counted apart.",
);
pub(super) const VERDICTS: Row = Row::counter(
    "cachewright_verdicts_total",
    "exchanges",
    "Exchanges by what came of the caching that was asked for.",
)
.by("verdict");
pub(super) const TOKENS: Row = Row::counter(
    "cachewright_tokens_total",
    "tokens",
    "Reported tokens by kind: plain, read, write_5m, write_30m, write_1h, output.",
)
.by("kind");
pub(super) const READABLE: Row = Row::counter(
    "cachewright_readable_tokens_total",
    "tokens",
    "Input tokens that could have been read at best, where the body was read.",
);
pub(super) const READABLE_READ: Row = Row::counter(
    "cachewright_readable_read_tokens_total",
    "tokens",
    "What was read of the tokens that could have been.",
);
pub(super) const COST: Row = Row::counter(
    "cachewright_cost_nanodollars_total",
    "nanodollars",
    "What exchanges and errands cost.",
);
pub(super) const WITHOUT: Row = Row::counter(
    "cachewright_cost_without_caching_nanodollars_total",
    "nanodollars",
    "What the same exchanges would have cost without caching.",
);
pub(super) const SAVED: Row = Row::counter(
    "cachewright_saved_nanodollars",
    "nanodollars",
    "Cost without caching minus cost since the start; below zero while writes are not read yet.",
)
.gauge();
pub(super) const WASTED: Row = Row::counter(
    "cachewright_wasted_nanodollars_total",
    "nanodollars",
    "Premiums of writes that expired without having been read.",
);
pub(super) const UNREAD: Row = Row::counter(
    "cachewright_unread_writes_total",
    "writes",
    "Writes that expired while some of them had not been read.",
);
pub(super) const MISSES: Row = Row::counter(
    "cachewright_misses_total",
    "exchanges",
    "Exchanges that read less than they could have, by cause; first_use could not.",
)
.by("cause");
pub(super) const MISSED: Row = Row::counter(
    "cachewright_missed_tokens_total",
    "tokens",
    "Tokens that could have been read and were not, by cause.",
)
.by("cause");
pub(super) const MISSED_COST: Row = Row::counter(
    "cachewright_missed_nanodollars_total",
    "nanodollars",
    "What missed tokens cost above the price of a read, by cause.",
)
.by("cause");
pub(super) const ASKED: Row = Row::counter(
    "cachewright_breakpoints_asked_total",
    "breakpoints",
    "Markers sent, the caller's own included.",
);
pub(super) const PLACED: Row = Row::counter(
    "cachewright_breakpoints_placed_total",
    "breakpoints",
    "Markers that were added.",
);
pub(super) const HONOURED: Row = Row::counter(
    "cachewright_breakpoints_honoured_total",
    "breakpoints",
    "Markers whose prefix was read or written, as far as the usage shows it.",
);
pub(super) const ERRANDS: Row = Row::counter(
    "cachewright_errands_total",
    "errands",
    "Errands on the user's behalf, such as renting an explicit cache, by kind.",
)
.by("kind");
pub(super) const ERRANDS_COST: Row = Row::counter(
    "cachewright_errands_nanodollars_total",
    "nanodollars",
    "What errands cost, which is part of the cost.",
);
pub(super) const PINGS_SAVED: Row = Row::counter(
    "cachewright_pings_saved_nanodollars_total",
    "nanodollars",
    "What reading the prefixes that pings had kept saved at most; part of no other sum.",
);
pub(super) const SKIPPED: Row = Row::counter(
    "cachewright_skipped_total",
    "exchanges",
    "Exchanges passed on untouched, by reason.",
)
.by("reason");
pub(super) const RESENT: Row = Row::counter(
    "cachewright_resent_total",
    "exchanges",
    "Exchanges whose own body was sent after the provider had refused what was added.",
);
pub(super) const UNREPORTED: Row = Row::counter(
    "cachewright_unreported_total",
    "exchanges",
    "Exchanges whose usage was not reported.",
);
pub(super) const UNPRICED: Row = Row::counter(
    "cachewright_unpriced_total",
    "exchanges",
    "Exchanges with usage but without a price row: their tokens count, their dollars do not.",
);
pub(super) const ERROR: Row = Row::counter(
    "cachewright_estimate_error_ratio",
    "ratio",
    "Input tokens by which the estimate was off, in either direction, divided by those reported.",
)
.histogram(SHARES);
pub(super) const OVERHEAD: Row = Row::counter(
    "cachewright_overhead_seconds",
    "seconds",
    "Time that this crate added to an exchange.",
)
.histogram(QUICK);
pub(super) const FIRST_BYTE: Row = Row::counter(
    "cachewright_first_byte_seconds",
    "seconds",
    "Time from sending a request to the head of its answer.",
)
.histogram(SLOW);
pub(super) const DURATION: Row = Row::counter(
    "cachewright_duration_seconds",
    "seconds",
    "Time from sending a request to the end of its answer.",
)
.histogram(SLOW);
pub(super) const PRESUMED: Row = Row::counter(
    "cachewright_presumed_nanodollars_total",
    "nanodollars",
    "What prompts may have been billed that were sent and of which no usage came back.",
);
pub(super) const ATTEMPTS: Row = Row::counter(
    "cachewright_attempts_total",
    "attempts",
    "Attempts of routes by what came of them: answered, cut, silent, limited, overloaded, failed, refused.",
)
.of_attempts()
.by("outcome");
pub(super) const HOPS: Row = Row::counter(
    "cachewright_hops_total",
    "attempts",
    "Attempts that left a warm prefix, by the backend they went to, and were served.",
)
.of_attempts();
pub(super) const HOPS_COST: Row = Row::counter(
    "cachewright_hops_nanodollars_total",
    "nanodollars",
    "What hops were reckoned to cost above a read where the prefix was warm.",
)
.of_attempts();
pub(super) const ATTEMPT_FIRST_BYTE: Row = Row::counter(
    "cachewright_attempt_first_byte_seconds",
    "seconds",
    "Time from sending an attempt of a route to the head of its answer.",
)
.of_attempts()
.histogram(SLOW);
pub(super) const DROPPED: Row = Row::counter(
    "cachewright_ledger_dropped_rows_total",
    "rows",
    "Rows that the ledger could not keep up with.",
)
.overall();
pub(super) const OVERFLOW: Row = Row::counter(
    "cachewright_label_overflow_total",
    "exchanges",
    "Bookings whose value of this label was counted as `other`, since there were too many.",
)
.overall()
.by("label");

/// Everything that is emitted.
pub static TABLE: [Row; 34] = [
    EXCHANGES,
    VERDICTS,
    TOKENS,
    READABLE,
    READABLE_READ,
    COST,
    WITHOUT,
    SAVED,
    WASTED,
    UNREAD,
    MISSES,
    MISSED,
    MISSED_COST,
    ASKED,
    PLACED,
    HONOURED,
    ERRANDS,
    ERRANDS_COST,
    PINGS_SAVED,
    SKIPPED,
    RESENT,
    UNREPORTED,
    UNPRICED,
    ERROR,
    OVERHEAD,
    FIRST_BYTE,
    DURATION,
    PRESUMED,
    ATTEMPTS,
    HOPS,
    HOPS_COST,
    ATTEMPT_FIRST_BYTE,
    DROPPED,
    OVERFLOW,
];

/// The table in Markdown, for the README.
#[must_use]
pub fn markdown() -> String {
    let mut text =
        String::from("| metric | kind | unit | labels | meaning |\n|---|---|---|---|---|\n");
    for row in &TABLE {
        let labels: Vec<&str> = row.labels().collect();
        let (name, kind, unit, help) = (row.name, row.kind.as_str(), row.unit, row.help);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{name}` | {kind} | {unit} | {} | {help} |",
            labels.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for (index, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..index].iter().all(|other| other.name != row.name));
            let counts = row.name.ends_with("_total");
            assert_eq!(counts, row.kind == Kind::Counter, "{}", row.name);
            let buckets = row.buckets;
            assert_eq!(buckets.is_empty(), row.kind != Kind::Histogram);
            assert!(buckets.is_sorted_by(|low, high| low < high), "{}", row.name);
            assert!(row.help.ends_with('.') && !row.unit.is_empty());
            let unit = ["seconds", "nanodollars", "tokens", "ratio"];
            for unit in unit.into_iter().filter(|unit| row.unit == *unit) {
                assert!(row.name.contains(unit), "{} counts {unit}", row.name);
            }
        }
    }

    #[test]
    fn the_table_reads_as_markdown() {
        let text = markdown();
        assert_eq!(text.lines().count(), TABLE.len() + 2);
        let line = "| `cachewright_tokens_total` | counter | tokens | provider, model, route, \
                    tenant, kind | Reported";
        assert!(text.contains(line), "{text}");
    }
}
