//! The handle's books: the ledger and the recent records.

use std::collections::{BTreeMap, VecDeque};

use crate::ledger::{Group, Ledger, Record, Totals};
use crate::model::Timestamp;

/// How many recent records are kept.
pub(super) const RECENT: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Books {
    ledger: Ledger,
    recent: VecDeque<Record>,
}

impl Books {
    pub(super) fn record(&mut self, record: Record) {
        self.ledger.record(&record);
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(record);
    }

    /// Settles what has expired by `now`, so that the sums are those of this moment.
    pub(super) fn settle(&mut self, now: Timestamp) {
        self.ledger.settle(now);
    }

    pub(super) const fn totals(&self) -> Totals {
        *self.ledger.totals()
    }

    pub(super) fn totals_by(&self, group: Group) -> BTreeMap<Box<str>, Totals> {
        self.ledger
            .totals_by(group)
            .map(|(name, totals)| (name.into(), *totals))
            .collect()
    }

    pub(super) fn recent(&self) -> Vec<Record> {
        self.recent.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_records_are_bounded_and_in_order() {
        let mut books = Books::default();
        for index in 0..RECENT + 3 {
            books.record(Record {
                model: index.to_string().into(),
                ..Record::default()
            });
        }
        let recent = books.recent();
        assert_eq!(recent.len(), RECENT);
        assert_eq!(&*recent[0].model, "3");
    }
}
