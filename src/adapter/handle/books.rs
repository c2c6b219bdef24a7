//! The handle's books: one ledger over everything, one per group, and the recent records.

use std::collections::{BTreeMap, VecDeque};

use crate::ledger::{Ledger, Record, Totals};

/// How many recent records are kept.
pub(super) const RECENT: usize = 1024;

/// How many groups of one kind are kept apart; later ones are summed under [`OTHERS`].
const GROUPS: usize = 4096;

/// The group of those that came after [`GROUPS`] were full.
const OTHERS: &str = "(others)";

/// What exchanges are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum By {
    /// The provider row.
    Provider,
    /// The model row.
    Model,
    /// The user's route.
    Route,
    /// The user's tenant.
    Tenant,
}

impl By {
    const ALL: [Self; 4] = [Self::Provider, Self::Model, Self::Route, Self::Tenant];

    fn name(self, record: &Record) -> &str {
        match self {
            Self::Provider => &record.provider,
            Self::Model => &record.model,
            Self::Route => &record.route,
            Self::Tenant => &record.tenant,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Books {
    all: Ledger,
    groups: BTreeMap<By, BTreeMap<Box<str>, Ledger>>,
    recent: VecDeque<Record>,
}

impl Books {
    pub(super) fn record(&mut self, record: Record) {
        self.all.record(&record);
        for by in By::ALL {
            let groups = self.groups.entry(by).or_default();
            let name = by.name(&record);
            let full = groups.len() >= GROUPS && !groups.contains_key(name);
            let name = if full { OTHERS } else { name };
            // Looked up first: the name is only copied for a new group.
            match groups.get_mut(name) {
                Some(ledger) => ledger.record(&record),
                None => groups.entry(name.into()).or_default().record(&record),
            }
        }
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(record);
    }

    pub(super) fn totals(&self) -> Totals {
        self.all.totals()
    }

    pub(super) fn totals_by(&self, by: By) -> BTreeMap<Box<str>, Totals> {
        let groups = self.groups.get(&by).into_iter().flatten();
        groups
            .map(|(name, ledger)| (name.clone(), ledger.totals()))
            .collect()
    }

    pub(super) fn recent(&self) -> Vec<Record> {
        self.recent.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(model: &str) -> Record {
        Record {
            model: model.into(),
            ..Record::default()
        }
    }

    #[test]
    fn recent_records_are_bounded_and_in_order() {
        let mut books = Books::default();
        for index in 0..RECENT + 3 {
            books.record(record(&index.to_string()));
        }
        let recent = books.recent();
        assert_eq!(recent.len(), RECENT);
        assert_eq!(&*recent[0].model, "3");
    }

    #[test]
    fn groups_are_bounded() {
        let mut books = Books::default();
        for index in 0..GROUPS + 10 {
            books.record(record(&index.to_string()));
        }
        let models = books.totals_by(By::Model);
        assert_eq!(models.len(), GROUPS + 1);
        assert!(models.contains_key(OTHERS));
        assert_eq!(books.totals_by(By::Tenant).len(), 1);
    }
}
