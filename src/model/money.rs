//! Money as integers: picodollars, so that one token of the cheapest model is still exact.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use super::{Ttl, Usage};

/// An amount in picodollars (10⁻¹² USD). One US dollar per million tokens is 10⁶ per token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From picodollars.
    #[must_use]
    pub const fn from_pico(pico: i128) -> Self {
        Self(pico)
    }

    /// In picodollars.
    #[must_use]
    pub const fn as_pico(self) -> i128 {
        self.0
    }

    /// Reads a decimal such as `"0.125"`, in US dollars per million tokens, as the price of one
    /// token. `None` unless it is a plain non-negative decimal with at most six decimals.
    #[must_use]
    pub fn per_mtok(decimal: &str) -> Option<Self> {
        let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 6 || !digits(whole) || !digits(fraction) {
            return None;
        }
        let padded: i128 = format!("{whole}{fraction:0<6}").parse().ok()?;
        Some(Self(padded))
    }

    /// This price for `tokens` tokens, saturating.
    #[must_use]
    pub const fn times(self, tokens: u64) -> Self {
        // Two factors of 64 bits need one multiplication, and cannot overflow twice as many.
        match self.0 {
            0..=0x7fff_ffff_ffff_ffff => Self((self.0 as u64 as u128 * tokens as u128) as i128),
            _ => Self(self.0.saturating_mul(tokens as i128)),
        }
    }

    /// US dollars as a float, for ratios and rendering only.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "rendering and ratios, never sums")]
    #[expect(
        clippy::cast_precision_loss,
        reason = "rendering and ratios, never sums"
    )]
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / 1e12
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Dollars with as many decimals as the amount needs: `$1.23`, `$0.0042`, `-$0.50`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals: u32 = if self.0.unsigned_abs() >= 1_000_000_000_000 {
            2
        } else {
            4
        };
        let unit = 10_u128.pow(12 - decimals);
        let rounded = (self.0.unsigned_abs() + unit / 2) / unit;
        let scale = 10_u128.pow(decimals);
        let sign = if self.0 < 0 && rounded > 0 { "-" } else { "" };
        let (whole, fraction) = (rounded / scale, rounded % scale);
        write!(
            f,
            "{sign}${whole}.{fraction:0width$}",
            width = decimals as usize
        )
    }
}

/// Prices of one token by kind, in picodollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PriceTier {
    /// Plain input.
    pub input: Money,
    /// Written with the five-minute class.
    pub write_5m: Money,
    /// Written with the half-hour class.
    pub write_30m: Money,
    /// Written with the one-hour class.
    pub write_1h: Money,
    /// Read from the cache.
    pub read: Money,
    /// Output.
    pub output: Money,
}

impl PriceTier {
    /// A tier from five prices: input, 5-minute write, 1-hour write, read, output. A half-hour
    /// write costs what a 5-minute write costs.
    #[must_use]
    pub const fn new(prices: [Money; 5]) -> Self {
        let [input, write_5m, write_1h, read, output] = prices;
        Self {
            input,
            write_5m,
            write_30m: write_5m,
            write_1h,
            read,
            output,
        }
    }

    /// The price of a write of this class.
    #[must_use]
    pub const fn write(&self, ttl: Ttl) -> Money {
        match ttl {
            Ttl::FiveMinutes => self.write_5m,
            Ttl::HalfHour => self.write_30m,
            Ttl::OneHour => self.write_1h,
        }
    }

    /// The same tier dearer by this many percent, as regional endpoints are.
    #[must_use]
    pub fn dearer_by(&self, percent: u32) -> Self {
        let dearer = |price: Money| {
            Money::from_pico(price.as_pico().saturating_mul(100 + i128::from(percent)) / 100)
        };
        Self {
            input: dearer(self.input),
            write_5m: dearer(self.write_5m),
            write_30m: dearer(self.write_30m),
            write_1h: dearer(self.write_1h),
            read: dearer(self.read),
            output: dearer(self.output),
        }
    }

    /// What `usage` costs in this tier; kinds that were not reported cost nothing here.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Money {
        self.input.times(usage.plain.unwrap_or(0))
            + self.read.times(usage.read.unwrap_or(0))
            + self.write_5m.times(usage.write_5m.unwrap_or(0))
            + self.write_30m.times(usage.write_30m.unwrap_or(0))
            + self.write_1h.times(usage.write_1h.unwrap_or(0))
            + self.output.times(usage.output.unwrap_or(0))
    }

    /// What writing cost above plain input: lost, unless the entry is read.
    #[must_use]
    pub fn write_premium(&self, usage: &Usage) -> Money {
        (self.write_5m - self.input).times(usage.write_5m.unwrap_or(0))
            + (self.write_30m - self.input).times(usage.write_30m.unwrap_or(0))
            + (self.write_1h - self.input).times(usage.write_1h.unwrap_or(0))
    }

    /// What the same tokens would have cost without any caching.
    #[must_use]
    pub fn cost_without_caching(&self, usage: &Usage) -> Money {
        self.input.times(usage.input().unwrap_or(0)) + self.output.times(usage.output.unwrap_or(0))
    }
}

/// Prices of a model: one tier, or a cheaper one for prompts up to a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prices {
    /// The tier that applies, unless a shorter prompt has its own.
    pub standard: PriceTier,
    /// The longest prompt, in tokens, that is billed by `short` instead, for the whole request.
    pub short: Option<(u64, PriceTier)>,
}

impl Prices {
    /// The same prices dearer by this many percent, as regional endpoints are.
    #[must_use]
    pub fn dearer_by(&self, percent: u32) -> Self {
        Self {
            standard: self.standard.dearer_by(percent),
            short: self
                .short
                .map(|(most, tier)| (most, tier.dearer_by(percent))),
        }
    }

    /// One tier for every length.
    #[must_use]
    pub const fn flat(standard: PriceTier) -> Self {
        Self {
            standard,
            short: None,
        }
    }

    /// The tier that bills a prompt of `input` tokens.
    #[must_use]
    pub const fn tier(&self, input: u64) -> &PriceTier {
        match &self.short {
            Some((longest, tier)) if input <= *longest => tier,
            _ => &self.standard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact_integers() {
        assert_eq!(Money::per_mtok("0.025"), Some(Money::from_pico(25_000)));
        assert_eq!(Money::per_mtok("15"), Some(Money::from_pico(15_000_000)));
        assert_eq!(Money::per_mtok("0.0000001"), None);
        assert_eq!(Money::per_mtok("-1"), None);
        assert_eq!(Money::per_mtok(".5"), None);
        assert_eq!(Money::per_mtok("1e3"), None);
    }

    #[test]
    fn amounts_read_as_dollars() {
        let show = |pico| Money::from_pico(pico).to_string();
        assert_eq!(show(0), "$0.0000");
        assert_eq!(show(1_234_567_890_123), "$1.23");
        assert_eq!(show(4_200_000_000), "$0.0042");
        assert_eq!(show(-500_000_000_000), "-$0.5000");
    }
}
