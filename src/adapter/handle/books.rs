//! The handle's books: the ledger and the recent records.

use std::collections::VecDeque;

use crate::ledger::{Ledger, Record, Settled};

/// How many recent records are kept.
pub(super) const RECENT: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) ledger: Ledger,
    recent: VecDeque<Record>,
    booked: u64,
}

impl Books {
    /// The number of the record that is booked next, counted from one.
    pub(super) const fn next(&mut self) -> u64 {
        self.booked += 1;
        self.booked
    }

    pub(super) fn record(&mut self, record: Record) -> Vec<Settled> {
        let settled = self.ledger.record(&record);
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(record);
        settled
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
            let settled = books.record(Record {
                model: index.to_string().into(),
                ..Record::default()
            });
            assert_eq!(settled, []);
        }
        let recent = books.recent();
        assert_eq!(recent.len(), RECENT);
        assert_eq!(&*recent[0].model, "3");
        assert_eq!(books.ledger.totals().exchanges, RECENT as u64 + 3);
    }
}
