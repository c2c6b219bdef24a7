//! The instruments of one set of labels, and what each booking adds to them.

use std::collections::BTreeMap;

use metrics::{Counter, Gauge, Histogram, SharedString};

use super::emit::Emitter;
use super::table::{self, Row};
use crate::ledger::Record;
use crate::model::{Miss, Money, Usage};

/// Instruments of one set of labels. Those with a label of their own are made when its value is
/// first seen, so that no series stands there for what never happened.
pub(super) struct Set {
    values: [SharedString; 4],
    exchanges: Counter,
    readable: Counter,
    readable_read: Counter,
    cost: Dollars,
    without: Dollars,
    saved: (Gauge, Money),
    wasted: Dollars,
    unread: Counter,
    asked: Counter,
    placed: Counter,
    honoured: Counter,
    errands_cost: Dollars,
    resent: Counter,
    unreported: Counter,
    unpriced: Counter,
    pings_saved: Option<Dollars>,
    presumed: Option<Dollars>,
    error: Histogram,
    overhead: Histogram,
    first_byte: Histogram,
    duration: Histogram,
    counters: BTreeMap<(&'static str, &'static str), Counter>,
    missed: BTreeMap<&'static str, Missed>,
}

struct Missed {
    misses: Counter,
    tokens: Counter,
    cost: Dollars,
}

/// Money as a counter of whole nanodollars. The sum is kept in picodollars, so that what is counted
/// is never off by more than one.
pub(super) struct Dollars {
    counter: Counter,
    sum: Money,
    counted: u64,
}

impl Dollars {
    pub(super) const fn new(counter: Counter) -> Self {
        Self {
            counter,
            sum: Money::ZERO,
            counted: 0,
        }
    }

    /// Those of a row without a label of its own.
    fn of((emitter, values): (&Emitter, &[SharedString]), row: &'static Row) -> Self {
        Self::new(emitter.counter(row, &labels(values, row, "")))
    }

    pub(super) fn add(&mut self, money: Money) {
        self.sum += money;
        let whole = u64::try_from(self.sum.as_pico() / PICO).unwrap_or(0);
        if whole > self.counted {
            self.counter.increment(whole - self.counted);
            self.counted = whole;
        }
    }
}

/// Picodollars in a nanodollar.
const PICO: i128 = 1000;

impl Set {
    pub(super) fn new(emitter: &Emitter, values: [&str; 4]) -> Self {
        let values = values.map(|value| SharedString::from(value.to_owned()));
        let counter = |row: &'static Row| emitter.counter(row, &labels(&values, row, ""));
        let histogram = |row: &'static Row| emitter.histogram(row, &labels(&values, row, ""));
        let saved = emitter.gauge(&table::SAVED, &labels(&values, &table::SAVED, ""));
        Self {
            exchanges: counter(&table::EXCHANGES),
            readable: counter(&table::READABLE),
            readable_read: counter(&table::READABLE_READ),
            cost: Dollars::new(counter(&table::COST)),
            without: Dollars::new(counter(&table::WITHOUT)),
            saved: (saved, Money::ZERO),
            wasted: Dollars::new(counter(&table::WASTED)),
            unread: counter(&table::UNREAD),
            asked: counter(&table::ASKED),
            placed: counter(&table::PLACED),
            honoured: counter(&table::HONOURED),
            errands_cost: Dollars::new(counter(&table::ERRANDS_COST)),
            resent: counter(&table::RESENT),
            unreported: counter(&table::UNREPORTED),
            unpriced: counter(&table::UNPRICED),
            pings_saved: None,
            presumed: None,
            error: histogram(&table::ERROR),
            overhead: histogram(&table::OVERHEAD),
            first_byte: histogram(&table::FIRST_BYTE),
            duration: histogram(&table::DURATION),
            counters: BTreeMap::new(),
            missed: BTreeMap::new(),
            values,
        }
    }

    /// Adds one exchange or errand, by the same rules as [`Totals`](crate::ledger::Totals).
    pub(super) fn book(&mut self, emitter: &Emitter, record: &Record) {
        if record.errand {
            self.counter(emitter, &table::ERRANDS, record.errand_kind)
                .increment(1);
            self.usage(emitter, record.usage.as_ref());
            if let Some(cost) = record.cost {
                self.errands_cost.add(cost);
                self.priced(cost, Money::ZERO);
            }
            return;
        }
        self.exchanges.increment(1);
        self.counter(emitter, &table::VERDICTS, record.verdict.as_str())
            .increment(1);
        if let Some(why) = record.skip {
            self.counter(emitter, &table::SKIPPED, why.as_str())
                .increment(1);
        }
        if let Some(miss) = &record.miss {
            self.miss(emitter, miss);
        }
        let with = (emitter, &self.values[..]);
        for (rare, row, amount) in [
            (&mut self.presumed, &table::PRESUMED, record.presumed),
            (
                &mut self.pings_saved,
                &table::PINGS_SAVED,
                record.kept_saved,
            ),
        ] {
            if let Some(amount) = amount {
                rare.get_or_insert_with(|| Dollars::of(with, row))
                    .add(amount);
            }
        }
        self.breakpoints(record);
        self.times(record);
        match &record.usage {
            Some(usage) => self.reported(emitter, record, usage),
            None => self.unreported.increment(1),
        }
    }

    /// A write has expired, and this much of its premium was lost.
    pub(super) fn settle(&mut self, lost: Money) {
        if lost > Money::ZERO {
            self.unread.increment(1);
            self.wasted.add(lost);
        }
    }

    fn miss(&mut self, emitter: &Emitter, miss: &Miss) {
        let cause = miss.cause.as_str();
        let values = &self.values;
        let missed = self.missed.entry(cause).or_insert_with(|| {
            let counter = |row: &'static Row| emitter.counter(row, &labels(values, row, cause));
            Missed {
                misses: counter(&table::MISSES),
                tokens: counter(&table::MISSED),
                cost: Dollars::new(counter(&table::MISSED_COST)),
            }
        });
        missed.misses.increment(1);
        missed.tokens.increment(miss.tokens);
        missed.cost.add(miss.cost.unwrap_or(Money::ZERO));
    }

    fn breakpoints(&self, record: &Record) {
        self.asked.increment(u64::from(record.breakpoints));
        self.placed.increment(u64::from(record.breakpoints_placed));
        let honoured = record.breakpoints_honoured.unwrap_or(0);
        self.honoured.increment(u64::from(honoured));
        self.resent.increment(u64::from(record.resent));
    }

    fn times(&self, record: &Record) {
        self.overhead.record(record.overhead);
        self.duration.record(record.ended.since(record.at));
        if let Some(first) = record.first_byte {
            self.first_byte.record(first.since(record.at));
        }
    }

    fn reported(&mut self, emitter: &Emitter, record: &Record, usage: &Usage) {
        self.usage(emitter, Some(usage));
        if let (Some(readable), Some(read)) = (record.readable, usage.read) {
            self.readable.increment(readable.max(read));
            self.readable_read.increment(read);
        }
        if let (Some(input @ 1..), None) = (usage.input(), record.skip) {
            self.error
                .record(share(input.abs_diff(record.estimated_input), input));
        }
        match (record.cost, record.cost_without_caching) {
            (Some(cost), Some(without)) => self.priced(cost, without),
            _ => self.unpriced.increment(1),
        }
    }

    fn usage(&mut self, emitter: &Emitter, usage: Option<&Usage>) {
        let Some(usage) = usage else { return };
        for (kind, tokens) in [
            ("plain", usage.plain),
            ("read", usage.read),
            ("write_5m", usage.write_5m),
            ("write_30m", usage.write_30m),
            ("write_1h", usage.write_1h),
            ("output", usage.output),
        ] {
            if let Some(tokens) = tokens {
                self.counter(emitter, &table::TOKENS, kind)
                    .increment(tokens);
            }
        }
    }

    fn priced(&mut self, cost: Money, without: Money) {
        self.cost.add(cost);
        self.without.add(without);
        let (gauge, saved) = &mut self.saved;
        *saved += without - cost;
        gauge.set(nano(*saved));
    }

    /// The counter of this row with this value of the row's own label.
    fn counter(&mut self, emitter: &Emitter, row: &'static Row, own: &'static str) -> &Counter {
        let values = &self.values;
        self.counters
            .entry((row.name, own))
            .or_insert_with(|| emitter.counter(row, &labels(values, row, own)))
    }
}

/// The labels of this row with these values of those that it shares, and of its own.
pub(super) fn labels(
    values: &[SharedString],
    row: &Row,
    own: &'static str,
) -> Vec<(&'static str, SharedString)> {
    let common = row.common().iter().copied().zip(values.iter().cloned());
    let own = (!row.by.is_empty()).then(|| (row.by, SharedString::const_str(own)));
    common.chain(own).collect()
}

#[expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a histogram of shares"
)]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact below 2^53 nanodollars, nine million dollars"
)]
const fn nano(money: Money) -> f64 {
    (money.as_pico() / PICO) as f64
}
