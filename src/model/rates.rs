//! Prices relative to plain input, for decisions; money itself is booked in integers.

use std::time::Duration;

use super::{PriceTier, Ttl};

/// Prices relative to plain input: all that decisions need to know of money.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rates {
    /// A five-minute write.
    pub write_5m: f64,
    /// A half-hour write.
    pub write_30m: f64,
    /// A one-hour write.
    pub write_1h: f64,
    /// A read.
    pub read: f64,
    /// The chance that a prefix that should be warm is read; one where nothing is known of it. Where
    /// it is not, the write is paid again.
    pub hit: f64,
    /// How many of the prefixes that lie idle are lost in an hour, those that `hit` leaves out not
    /// counted; zero where nothing is known of it. It enters what a ping is worth, and no write: on
    /// recorded agents it had hours given up that paid.
    pub lost: f64,
}

impl Rates {
    /// Anthropic's usual multipliers (platform.claude.com pricing, 2026-08-21), for models whose
    /// prices are unknown.
    pub const USUAL: Self = Self {
        write_5m: 1.25,
        write_30m: 1.25,
        write_1h: 2.0,
        read: 0.1,
        hit: 1.0,
        lost: 0.0,
    };

    /// The same prices where a prefix that should be warm is read with this chance, between one
    /// percent and one.
    #[must_use]
    pub const fn with_hit(mut self, chance: f64) -> Self {
        self.hit = chance.clamp(0.01, 1.0);
        self
    }

    /// The same prices where so many of the prefixes that lie idle are lost in an hour.
    #[must_use]
    pub const fn with_lost(mut self, per_hour: f64) -> Self {
        self.lost = per_hour.max(0.0);
        self
    }

    /// The chance that a read which may come at any time within `within` of the last use finds what
    /// should be there.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        reason = "ratios decide placement, never money"
    )]
    pub fn finds(&self, within: Duration) -> f64 {
        if self.lost <= 0.0 {
            return self.hit;
        }
        // On average it comes after half of that time.
        self.hit * (-self.lost * within.as_secs_f64() / 7_200.0).exp()
    }

    /// The multipliers of a price tier.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        reason = "ratios decide placement, never money"
    )]
    pub fn of(tier: &PriceTier) -> Self {
        let input = tier.input.as_usd();
        if input <= 0.0 {
            return Self::USUAL;
        }
        Self {
            write_5m: tier.write_5m.as_usd() / input,
            write_30m: tier.write_30m.as_usd() / input,
            write_1h: tier.write_1h.as_usd() / input,
            read: tier.read.as_usd() / input,
            hit: 1.0,
            lost: 0.0,
        }
    }

    /// The multiplier of a write with `ttl`.
    #[must_use]
    pub const fn write(&self, ttl: Ttl) -> f64 {
        match ttl {
            Ttl::FiveMinutes => self.write_5m,
            Ttl::HalfHour => self.write_30m,
            Ttl::OneHour => self.write_1h,
        }
    }

    /// What a read saves against a write with `ttl`, the chance that nothing is there included:
    /// `ρ(w − r)`.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        reason = "ratios decide placement, never money"
    )]
    pub fn spread(&self, ttl: Ttl) -> f64 {
        self.hit * (self.write(ttl) - self.read)
    }

    /// What using a prefix costs that should be warm and was written with `ttl`: `ρr + (1 − ρ)w`.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        reason = "ratios decide placement, never money"
    )]
    pub fn use_warm(&self, ttl: Ttl) -> f64 {
        self.write(ttl) - self.spread(ttl)
    }

    /// The chance of reuse from which on a write with `ttl` pays, `(w − 1) ÷ ρ(w − r)`: 0.217 for
    /// five minutes at the usual prices where every warm prefix is read.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        reason = "ratios decide placement, never money"
    )]
    pub fn break_even(&self, ttl: Ttl) -> f64 {
        ratio(self.write(ttl) - 1.0, self.spread(ttl))
    }

    /// The chance of return from which on a ping pays that keeps a prefix written with `ttl` warm:
    /// `r ÷ ρ(w − r)`, 0.087 for five minutes at the usual prices.
    #[must_use]
    pub fn ping_even(&self, ttl: Ttl) -> f64 {
        ratio(self.read, self.spread(ttl))
    }
}

/// A cost over what it earns, as a chance; one where it earns nothing.
#[expect(
    clippy::float_arithmetic,
    reason = "ratios decide placement, never money"
)]
fn ratio(cost: f64, gain: f64) -> f64 {
    if gain <= 0.0 {
        return 1.0;
    }
    (cost / gain).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_forgets_asks_for_more_reuse() {
        let near = |left: f64, right: f64| (left - right).abs() < 5e-4;
        let usual = Rates::USUAL;
        assert!(near(usual.break_even(Ttl::FiveMinutes), 0.2174));
        assert!(near(usual.break_even(Ttl::OneHour), 0.5263));
        assert!(near(usual.ping_even(Ttl::FiveMinutes), 0.0870));
        assert!(near(usual.use_warm(Ttl::FiveMinutes), 0.1));
        // What was measured for prefixes of 2,000 tokens (CAPC): 53 % of reads found them.
        let forgetful = usual.with_hit(0.53);
        assert!(near(forgetful.break_even(Ttl::FiveMinutes), 0.4102));
        assert!(near(forgetful.ping_even(Ttl::FiveMinutes), 0.1641));
        assert!(near(forgetful.use_warm(Ttl::FiveMinutes), 0.6405));
        assert!(near(usual.with_hit(0.0).break_even(Ttl::OneHour), 1.0));
        // Where half of what lies idle is lost in an hour, reads within the hour suffer most.
        let fading = usual.with_lost(2.0_f64.ln());
        assert!(near(
            fading.finds(Duration::from_secs(3_600)),
            0.5_f64.sqrt()
        ));
    }
}
