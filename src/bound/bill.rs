//! What a course comes to under some policy, or at least.

use std::ops::AddAssign;

use crate::model::{Money, Tokens, Ttl, Usage};

/// Sums over a course: money, and the tokens that it was paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bill {
    /// Everything together, pings included.
    pub cost: Money,
    /// Input tokens neither read nor written.
    pub plain: Tokens,
    /// Input tokens read by requests.
    pub read: Tokens,
    /// Input tokens written with the five-minute class.
    pub write_5m: Tokens,
    /// Input tokens written with the half-hour class.
    pub write_30m: Tokens,
    /// Input tokens written with the one-hour class.
    pub write_1h: Tokens,
    /// Tokens read by pings.
    pub ping: Tokens,
    /// Pings sent; a bound counts none, since it shares each of them between prompts.
    pub pings: u64,
    /// What pings cost.
    pub ping_cost: Money,
    /// Tokens written that nobody read before they were gone; a bound counts none.
    pub wasted: Tokens,
}

impl Bill {
    /// Input tokens of requests, pings not included.
    #[must_use]
    pub const fn input(&self) -> Tokens {
        self.plain + self.read + self.write_5m + self.write_30m + self.write_1h
    }

    /// Tokens read by requests ÷ their input tokens; `None` while there are none.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        reason = "a ratio for reports"
    )]
    pub fn hit_rate(&self) -> Option<f64> {
        let input = self.input();
        (input > 0).then(|| self.read as f64 / input as f64)
    }

    /// Books what a request was billed, at what it costs.
    pub fn book(&mut self, usage: &Usage, cost: Money) {
        self.cost += cost;
        self.plain += usage.plain.unwrap_or(0);
        self.read += usage.read.unwrap_or(0);
        self.write_5m += usage.write_5m.unwrap_or(0);
        self.write_30m += usage.write_30m.unwrap_or(0);
        self.write_1h += usage.write_1h.unwrap_or(0);
    }

    /// Books a ping. What it wrote or sent in plain is part of its cost, and no input of requests.
    pub fn book_ping(&mut self, usage: &Usage, cost: Money) {
        self.cost += cost;
        self.ping_cost += cost;
        self.ping += usage.read.unwrap_or(0);
        self.pings += 1;
    }

    pub(super) const fn written(&mut self, ttl: Ttl) -> &mut Tokens {
        match ttl {
            Ttl::FiveMinutes => &mut self.write_5m,
            Ttl::HalfHour => &mut self.write_30m,
            Ttl::OneHour => &mut self.write_1h,
        }
    }
}

impl AddAssign for Bill {
    fn add_assign(&mut self, other: Self) {
        self.cost += other.cost;
        self.plain += other.plain;
        self.read += other.read;
        self.write_5m += other.write_5m;
        self.write_30m += other.write_30m;
        self.write_1h += other.write_1h;
        self.ping += other.ping;
        self.pings += other.pings;
        self.ping_cost += other.ping_cost;
        self.wasted += other.wasted;
    }
}
