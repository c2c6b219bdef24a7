//! A course as some policy marks it, billed by the judge.

use std::collections::BTreeMap;

use super::bill::Bill;
use super::course::{Rate, Runs, Visit};
use super::judge::{Access, Judge, Piece, Rules};
use crate::model::{Timestamp, Tokens, Ttl};

/// By the shortest prefix and the lookback.
type Judges = BTreeMap<(Tokens, Option<usize>), Judge>;

/// Judges by what their models cache; models that differ in it share no scope.
pub(super) struct Court<'a> {
    runs: &'a Runs,
    rules: Rules,
    judges: Judges,
    blocks: Vec<Piece>,
    bill: Bill,
    now: Timestamp,
}

impl<'a> Court<'a> {
    pub(super) fn new(runs: &'a Runs, rules: Rules) -> Self {
        Self {
            runs,
            rules,
            judges: BTreeMap::new(),
            blocks: Vec::new(),
            bill: Bill::default(),
            now: Timestamp::from_micros(i64::MIN),
        }
    }

    /// Serves a request. What is refused is sent without markers.
    pub(super) fn serve(&mut self, visit: &Visit, marks: &[(usize, Ttl)]) {
        self.runs.blocks(visit, &mut self.blocks);
        let mut access = Access::new(visit.scope, visit.at, &self.blocks);
        access.visible = visit.visible;
        access.tail = visit.tail;
        let rate = self.runs.rate(visit);
        let judge = judge(&mut self.judges, self.rules, rate);
        let usage = judge
            .serve(&access, marks)
            .or_else(|| judge.serve(&access, &[]));
        if let Some(usage) = usage {
            self.bill.book(&usage, rate.tier.cost(&usage));
        }
        self.now = self.now.max(visit.at);
    }

    /// Pings the first blocks of a request with one marker on the last of them.
    pub(super) fn ping(&mut self, visit: &Visit, at: Timestamp, blocks: usize) {
        self.runs.blocks(visit, &mut self.blocks);
        let blocks = self.blocks.get(..blocks).unwrap_or(&self.blocks);
        let access = Access::new(visit.scope, at, blocks);
        let rate = self.runs.rate(visit);
        let judge = judge(&mut self.judges, self.rules, rate);
        let mark = blocks.len().checked_sub(1);
        let marks: Vec<_> = mark
            .map(|mark| (mark, Ttl::FiveMinutes))
            .into_iter()
            .collect();
        if let Some(usage) = judge.ping(&access, &marks) {
            let mut tier = rate.tier;
            tier.read = rate.ping;
            self.bill.book_ping(&usage, tier.cost(&usage));
        }
        self.now = self.now.max(at);
    }

    /// The sums. What is still alive at the end may yet be read and is not counted as wasted.
    pub(super) fn close(mut self) -> Bill {
        let wasted = self.judges.values().map(|judge| judge.wasted(self.now));
        self.bill.wasted = wasted.sum();
        self.bill
    }
}

fn judge<'a>(judges: &'a mut Judges, mut rules: Rules, rate: &Rate) -> &'a mut Judge {
    let key = (rate.min_tokens, rate.lookback);
    judges.entry(key).or_insert_with(|| {
        rules.min_tokens = rules.min_tokens.max(rate.min_tokens);
        rules.lookback = rate.lookback.or(rules.lookback);
        Judge::new(rules)
    })
}

impl Runs {
    /// What the course costs when request `number` carries the markers `marks(number)`: index of
    /// the block, and class. Requests whose markers are refused are sent without any.
    #[must_use]
    pub fn billed(&self, rules: Rules, mut marks: impl FnMut(usize) -> Vec<(usize, Ttl)>) -> Bill {
        let mut court = Court::new(self, rules);
        for (number, visit) in self.visits.iter().enumerate() {
            court.serve(visit, &marks(number));
        }
        court.close()
    }
}
