//! What a route decided, and what came of all attempts of one call.

use std::fmt::Write as _;

use cachewright::adapter::store::Row;
use cachewright::ledger::{Outcome, Record};
use cachewright::model::Money;
use serde_json::{Value, json};

use crate::story::money;
use crate::times::rfc3339;

/// The call that an exchange is an attempt of, as finished figures.
pub(super) struct Call<'a> {
    /// In their order.
    attempts: &'a [Row],
    cost: Money,
    hops: Money,
    presumed: Money,
}

impl<'a> Call<'a> {
    /// `None` where no route decided.
    pub(super) fn of(attempts: &'a [Row]) -> Option<Self> {
        let sum = |of: fn(&Record) -> Option<Money>| -> Money {
            attempts.iter().filter_map(|row| of(&row.record)).sum()
        };
        (!attempts.is_empty()).then(|| Self {
            attempts,
            cost: sum(|record| record.cost),
            hops: sum(Record::hop),
            presumed: sum(|record| record.presumed),
        })
    }

    /// Where `record` stands among them: `bedrock, attempt 2 of 3`.
    pub(super) fn place(&self, record: &Record) -> String {
        let attempt = record.attempt.as_deref();
        attempt.map_or_else(String::new, |attempt| {
            format!(
                "{}, attempt {} of {}",
                attempt.backend,
                attempt.number,
                self.attempts.len()
            )
        })
    }

    /// All attempts, one line each, and what they come to.
    pub(super) fn text(&self, this: &Record) -> String {
        let mut out = String::from("\nThe attempts of this call\n");
        for Row { record, .. } in self.attempts {
            let Some(attempt) = &record.attempt else {
                continue;
            };
            let here = if record.id == this.id {
                ", this one"
            } else {
                ""
            };
            // Writing into memory cannot fail.
            let _ = writeln!(
                out,
                "  {}. {}: {} ({}{here})",
                attempt.number,
                attempt.backend,
                fate(record),
                record.id
            );
            if !attempt.why.is_empty() {
                let _ = writeln!(out, "     {}", attempt.why);
            }
        }
        let _ = writeln!(out, "  together: {}", self.sums());
        out
    }

    fn sums(&self) -> String {
        let mut said = format!("{} spent", self.cost);
        if self.hops != Money::ZERO {
            let _ = write!(
                said,
                ", {} of it reckoned for leaving warm prefixes",
                self.hops
            );
        }
        if self.presumed != Money::ZERO {
            let _ = write!(
                said,
                ", and {} perhaps billed without a word",
                self.presumed
            );
        }
        said
    }

    pub(super) fn json(&self) -> Value {
        let attempts = self.attempts.iter().map(|row| attempt(&row.record));
        json!({
            "attempts": attempts.collect::<Vec<_>>(),
            "cost": money(self.cost),
            "hops_cost": money(self.hops),
            "presumed_cost": money(self.presumed),
        })
    }
}

/// What came of one attempt, and what it cost.
fn fate(record: &Record) -> String {
    let mut said = match record.status {
        0 => "no answer".to_owned(),
        status => format!("HTTP {status}, {}", Outcome::of(record).as_str()),
    };
    if let Some(cost) = record.cost {
        let _ = write!(said, ", cost {cost}");
    }
    if let Some(hop) = record.hop() {
        let _ = write!(said, ", {hop} of it reckoned for leaving a warm prefix");
    }
    if let Some(presumed) = record.presumed {
        let _ = write!(said, ", perhaps billed {presumed}");
    }
    said
}

fn attempt(record: &Record) -> Value {
    let attempt = record.attempt.as_deref();
    json!({
        "id": record.id.to_string(),
        "at": rfc3339(record.at),
        "backend": record.backend(),
        "number": attempt.map(|attempt| attempt.number),
        "decided": attempt.map(|attempt| &*attempt.why),
        "provider": record.provider,
        "model": record.model,
        "status": record.status,
        "outcome": Outcome::of(record).as_str(),
        "cost": record.cost.map(money),
        "expected_hop_cost": attempt.and_then(|attempt| attempt.hop).map(money),
        "hop_cost": record.hop().map(money),
        "presumed_cost": record.presumed.map(money),
        "verdict": record.verdict.as_str(),
        "cause": record.miss.as_ref().map(|miss| miss.cause.as_str()),
    })
}
