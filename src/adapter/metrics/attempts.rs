//! The instruments of one route at one backend.

use std::collections::BTreeMap;

use metrics::{Counter, Histogram, SharedString};

use super::emit::Emitter;
use super::set::{Dollars, labels};
use super::table::{self, Row};
use crate::ledger::{Outcome, Record};
use crate::model::Money;

/// Instruments of one route at one backend, made when there is first something to count.
pub(super) struct Attempts {
    values: [SharedString; 2],
    outcomes: BTreeMap<Outcome, Counter>,
    hops: Option<(Counter, Dollars)>,
    first_byte: Option<Histogram>,
}

impl Attempts {
    pub(super) fn new(values: [&str; 2]) -> Self {
        Self {
            values: values.map(|value| SharedString::from(value.to_owned())),
            outcomes: BTreeMap::new(),
            hops: None,
            first_byte: None,
        }
    }

    /// Adds one attempt.
    pub(super) fn book(&mut self, emitter: &Emitter, record: &Record) {
        let outcome = Outcome::of(record);
        let values = &self.values;
        let counter = |row: &'static Row, own| emitter.counter(row, &labels(values, row, own));
        self.outcomes
            .entry(outcome)
            .or_insert_with(|| counter(&table::ATTEMPTS, outcome.as_str()))
            .increment(1);
        if let Some(cost) = record.hop() {
            let made = || {
                let dollars = Dollars::new(counter(&table::HOPS_COST, ""));
                (counter(&table::HOPS, ""), dollars)
            };
            let (hops, dollars) = self.hops.get_or_insert_with(made);
            hops.increment(1);
            dollars.add(cost.max(Money::ZERO));
        }
        if let Some(first) = record.first_byte {
            let row = &table::ATTEMPT_FIRST_BYTE;
            let made = || emitter.histogram(row, &labels(values, row, ""));
            let passed = first.since(record.at);
            self.first_byte.get_or_insert_with(made).record(passed);
        }
    }
}
