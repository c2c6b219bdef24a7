//! What happened and what it cost; and, in [`history`], what is warm.

mod attempt;
pub mod history;
mod holdout;
mod record;
mod story;
mod teller;
mod totals;
mod verdict;
mod waste;

pub use attempt::{Attempt, Outcome, may_be_billed};
pub use holdout::{ArmSum, Holdout, Saving, Tally, TooFew};
pub use record::{Id, Record};
pub use story::{CauseSum, Flame, Kinds, Moment, Story, Worst};
pub use teller::Teller;
pub use totals::{Group, PING, Totals};
pub use verdict::Verdict;
pub use waste::Settled;

use std::collections::BTreeMap;

use crate::model::{Money, Timestamp};
use waste::Unread;

/// Labels kept apart per group.
const GROUPS: usize = 1024;
/// The label of those that came after the group was full.
const OTHER: &str = "other";

/// Running totals over records: overall, and per provider, model, route, tenant and backend.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    all: Totals,
    groups: BTreeMap<Group, BTreeMap<Box<str>, Totals>>,
    unread: Unread,
}

impl Ledger {
    /// Books one exchange, and settles what was written and has expired by then; returns what was
    /// settled.
    pub fn record(&mut self, record: &Record) -> Vec<Settled> {
        let settled = self.settle(record.at);
        self.all.add(record);
        for group in Group::ALL {
            self.group(group, group.label(record)).add(record);
        }
        if let Some(prefix) = &record.read_prefix {
            self.unread.read(prefix, record.at);
        }
        self.unread.written(record);
        settled
    }

    /// Settles what has expired by `now`: premiums of writes that nobody read become waste.
    pub fn settle(&mut self, now: Timestamp) -> Vec<Settled> {
        let settled = self.unread.expired(now);
        for write in &settled {
            self.all.waste += write.lost;
            for (group, label) in Group::ALL.into_iter().zip(&write.labels) {
                self.group(group, label).waste += write.lost;
            }
        }
        settled
    }

    /// Sums over everything.
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.all
    }

    /// Sums per label of one kind, in the order of the labels.
    pub fn totals_by(&self, group: Group) -> impl Iterator<Item = (&str, &Totals)> {
        let labels = self.groups.get(&group).into_iter().flatten();
        labels.map(|(label, totals)| (&**label, totals))
    }

    /// Premiums of writes that have not been read so far and have not expired yet.
    #[must_use]
    pub fn undecided(&self) -> Money {
        self.unread.undecided()
    }

    /// The sums of one label; once there are too many labels, those of [`OTHER`].
    fn group(&mut self, group: Group, label: &str) -> &mut Totals {
        let labels = self.groups.entry(group).or_default();
        let full = labels.len() >= GROUPS && !labels.contains_key(label);
        labels
            .entry(if full { OTHER } else { label }.into())
            .or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, Keyring, Ttl, Usage};

    fn prefix(name: &str) -> Digest {
        Keyring::new(b"test").scope(&[name.as_bytes()])
    }

    fn wrote(at: f64, name: &str, tokens: u64) -> Record {
        Record {
            at: Timestamp::from_secs_f64(at),
            model: "m".into(),
            usage: Some(Usage::reported(0, 0, tokens, 0, 0)),
            premium: Money::from_pico(i128::from(tokens)),
            written: vec![(prefix(name), Ttl::FiveMinutes, tokens)],
            ..Record::default()
        }
    }

    fn read(at: f64, name: &str) -> Record {
        Record {
            at: Timestamp::from_secs_f64(at),
            model: "m".into(),
            usage: Some(Usage::reported(0, 10, 0, 0, 0)),
            read_prefix: Some(prefix(name)),
            ..Record::default()
        }
    }

    #[test]
    fn a_write_that_is_read_is_no_waste() {
        let mut ledger = Ledger::default();
        ledger.record(&wrote(0.0, "a", 1000));
        assert_eq!(ledger.undecided(), Money::from_pico(1000));
        ledger.record(&read(10.0, "a"));
        ledger.settle(Timestamp::from_secs_f64(9_999.0));
        assert_eq!(ledger.totals().waste, Money::ZERO);
    }

    #[test]
    fn a_write_that_expires_unread_is_waste_in_every_group() {
        let mut ledger = Ledger::default();
        ledger.record(&wrote(0.0, "a", 1000));
        ledger.settle(Timestamp::from_secs_f64(299.0));
        assert_eq!(ledger.totals().waste, Money::ZERO);
        ledger.settle(Timestamp::from_secs_f64(301.0));
        assert_eq!(ledger.totals().waste, Money::from_pico(1000));
        let by_model: Vec<_> = ledger.totals_by(Group::Model).collect();
        assert_eq!(by_model.len(), 1);
        assert_eq!(by_model[0].1.waste, Money::from_pico(1000));
    }

    #[test]
    fn a_read_of_the_shared_part_saves_that_part_of_the_premium() {
        let mut ledger = Ledger::default();
        let mut record = wrote(0.0, "tail", 1000);
        record
            .written
            .insert(0, (prefix("system"), Ttl::FiveMinutes, 250));
        ledger.record(&record);
        ledger.record(&read(10.0, "system"));
        ledger.settle(Timestamp::from_secs_f64(400.0));
        assert_eq!(ledger.totals().waste, Money::from_pico(750));
    }

    #[test]
    fn unreported_usage_is_not_zero_usage() {
        let mut ledger = Ledger::default();
        ledger.record(&Record::default());
        assert_eq!(ledger.totals().unreported, 1);
        assert_eq!(ledger.totals().usage.read, None);
        assert_eq!(ledger.totals().hit_rate(), None);
    }

    #[test]
    fn the_error_of_the_estimate_is_a_share_of_what_was_reported() {
        let mut ledger = Ledger::default();
        for (estimated_input, reported) in [(90, 100), (330, 300)] {
            ledger.record(&Record {
                estimated_input,
                usage: Some(Usage::reported(reported, 0, 0, 0, 7)),
                ..Record::default()
            });
        }
        assert_eq!(ledger.totals().estimate_error(), Some(0.1));
    }

    #[test]
    fn labels_are_bounded() {
        let mut ledger = Ledger::default();
        for n in 0..3000 {
            let record = Record {
                tenant: format!("tenant-{n}").into(),
                ..Record::default()
            };
            ledger.record(&record);
        }
        assert_eq!(ledger.totals_by(Group::Tenant).count(), GROUPS + 1);
        let other = ledger
            .totals_by(Group::Tenant)
            .find(|(label, _)| *label == "other");
        assert!(other.is_some_and(|(_, totals)| totals.exchanges > 0));
    }
}
