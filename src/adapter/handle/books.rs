//! The handle's books: the ledger and the recent records.

use std::collections::VecDeque;

use crate::ledger::{Ledger, Record};

/// How many recent records are kept.
pub(super) const RECENT: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) ledger: Ledger,
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
        assert_eq!(books.ledger.totals().exchanges, RECENT as u64 + 3);
    }
}
