//! What a course costs at least.
//!
//! Every run of blocks is decided for by itself: never cached, or alive in some class from some
//! access to some other, perhaps held by pings that pay for nothing but this run. What binds runs
//! to one another (prefixes, few markers, their order, lookback, visibility, pings of whole
//! prefixes) is dropped, so no policy can cost less (economics.md, 7.2).

use super::bill::Bill;
use super::course::{Rate, Runs, Visit};
use crate::model::{Money, PriceTier, Timestamp, Tokens, Ttl};
use std::time::Duration;

/// Classes that one bound can weigh against one another.
pub(super) const CLASSES: usize = 3;

/// A way to keep a prompt alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a bound must know what is on sale")]
pub enum Class {
    /// Written at a marker, at the price of this class.
    Marked(Ttl),
    /// Kept by a cache that decides by itself, for this long after each use and without a fee.
    Implicit(Duration),
}

impl Class {
    pub(super) const fn life(self) -> Duration {
        match self {
            Self::Marked(ttl) => ttl.duration(),
            Self::Implicit(life) => life,
        }
    }

    pub(super) const fn write(self, tier: &PriceTier) -> Money {
        match self {
            Self::Marked(ttl) => tier.write(ttl),
            Self::Implicit(_) => tier.input,
        }
    }
}

/// What is on sale.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// The classes, at most three; more are not looked at.
    pub classes: Vec<Class>,
    /// Whether pings may be sent.
    pub pings: bool,
}

impl Terms {
    /// These classes, without pings.
    #[must_use]
    pub fn new(classes: &[Ttl]) -> Self {
        Self {
            classes: classes.iter().copied().map(Class::Marked).collect(),
            pings: false,
        }
    }

    /// A cache that decides by itself and keeps what was not used for this long.
    #[must_use]
    pub fn implicit(life: Duration) -> Self {
        Self {
            classes: vec![Class::Implicit(life)],
            pings: false,
        }
    }

    /// The same with pings.
    #[must_use]
    pub fn with_pings(mut self) -> Self {
        self.pings = true;
        self
    }
}

/// The cheapest way to some state of a run: the cost of one of its tokens, and how often that token
/// was sent in each way.
#[derive(Clone, Copy, Debug)]
struct Way {
    cost: Option<i128>,
    plain: u64,
    read: u64,
    written: [u64; CLASSES],
    ping: u64,
    pinged: i128,
}

impl Way {
    /// No way leads there.
    const NO: Self = Self {
        cost: None,
        ..Self::START
    };
    const START: Self = Self {
        cost: Some(0),
        plain: 0,
        read: 0,
        written: [0; CLASSES],
        ping: 0,
        pinged: 0,
    };

    fn plus(mut self, price: Money) -> Self {
        self.cost = self.cost.map(|cost| cost + price.as_pico());
        self
    }

    fn read(mut self, price: Money) -> Self {
        self.read += 1;
        self.plus(price)
    }

    fn plain(mut self, price: Money) -> Self {
        self.plain += 1;
        self.plus(price)
    }

    fn written(mut self, class: usize, price: Money) -> Self {
        if let Some(count) = self.written.get_mut(class) {
            *count += 1;
        }
        self.plus(price)
    }

    fn pinged(mut self, times: u64, price: Money) -> Self {
        let price = price.times(times);
        self.ping += times;
        self.pinged += price.as_pico();
        self.plus(price)
    }

    /// The cheaper one; `self` where they are equal.
    fn or(self, other: Self) -> Self {
        match (self.cost, other.cost) {
            (Some(cost), Some(than)) if than < cost => other,
            (None, Some(_)) => other,
            _ => self,
        }
    }
}

/// What is known of one run.
#[derive(Clone, Copy, Debug)]
struct Standing {
    dead: Way,
    live: [Way; CLASSES],
    last: Timestamp,
    ping: Money,
}

impl Standing {
    const NEW: Self = Self {
        dead: Way::START,
        live: [Way::NO; CLASSES],
        last: Timestamp::from_micros(0),
        ping: Money::ZERO,
    };

    fn visit(&mut self, terms: &Terms, at: Timestamp, rate: &Rate) {
        let gap = at.since(self.last).as_micros();
        let dead = self
            .live
            .iter()
            .fold(self.dead, |dead, live| dead.or(*live));
        for ((number, class), live) in terms.classes.iter().enumerate().zip(&mut self.live) {
            let pings = gap / class.life().as_micros().max(1);
            let kept = match u64::try_from(pings).unwrap_or(u64::MAX) {
                0 => *live,
                times if terms.pings => live.pinged(times, self.ping),
                _ => Way::NO,
            };
            let written = dead.written(number, class.write(&rate.tier));
            *live = kept.read(rate.tier.read).or(written);
        }
        self.dead = dead.plain(rate.tier.input);
        self.last = at;
        self.ping = rate.ping;
    }

    fn best(&self) -> Way {
        self.live
            .iter()
            .fold(self.dead, |best, live| best.or(*live))
    }
}

impl Runs {
    /// What the course costs at least on these terms, and how.
    #[must_use]
    pub fn lower(&self, terms: &Terms) -> Bill {
        let mut standings = vec![Standing::NEW; self.runs.len()];
        let mut bill = Bill::default();
        for visit in &self.visits {
            let rate = self.rate(visit);
            let loose = loose(visit);
            bill.plain += loose;
            bill.cost += rate.tier.input.times(loose);
            for (run, _) in self.upwards(visit) {
                if let Some(standing) = standings.get_mut(run as usize) {
                    standing.visit(terms, visit.at, rate);
                }
            }
        }
        for (run, standing) in self.runs.iter().zip(&standings) {
            settle(&mut bill, terms, run.tokens, &standing.best());
        }
        bill
    }
}

/// Tokens that nothing can cache.
pub(super) const fn loose(visit: &Visit) -> Tokens {
    if visit.run == super::course::NONE {
        visit.tokens
    } else {
        visit.tail
    }
}

/// Books one run of so many tokens.
fn settle(bill: &mut Bill, terms: &Terms, tokens: Tokens, way: &Way) {
    let all = |price: i128| Money::from_pico(price.saturating_mul(i128::from(tokens)));
    bill.cost += all(way.cost.unwrap_or(0));
    bill.plain += tokens * way.plain;
    bill.read += tokens * way.read;
    bill.ping += tokens * way.ping;
    bill.ping_cost += all(way.pinged);
    for (class, times) in terms.classes.iter().zip(way.written) {
        match class {
            Class::Marked(ttl) => *bill.written(*ttl) += tokens * times,
            Class::Implicit(_) => bill.plain += tokens * times,
        }
    }
}
