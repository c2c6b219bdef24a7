//! Prices relative to plain input, for decisions; money itself is booked in integers.

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
}

impl Rates {
    /// Anthropic's usual multipliers (platform.claude.com pricing, 2026-08-21), for models whose
    /// prices are unknown.
    pub const USUAL: Self = Self {
        write_5m: 1.25,
        write_30m: 1.25,
        write_1h: 2.0,
        read: 0.1,
    };

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

    /// The chance of reuse from which on a write with `ttl` pays, `(w − 1) ÷ (w − r)`: 0.217 for
    /// five minutes at the usual prices.
    #[must_use]
    #[expect(
        clippy::float_arithmetic,
        reason = "ratios decide placement, never money"
    )]
    pub fn break_even(&self, ttl: Ttl) -> f64 {
        let write = self.write(ttl);
        let spread = write - self.read;
        if spread <= 0.0 {
            return 1.0;
        }
        ((write - 1.0) / spread).clamp(0.0, 1.0)
    }
}
