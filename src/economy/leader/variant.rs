//! The variants that are run beside the policy, and what one of them pays.

use std::time::Duration;

use crate::model::{Rates, Tokens, Ttl};

/// Variants that are compared: the policy itself, and those of [`Variant::FIXED`].
pub const VARIANTS: usize = Variant::FIXED.len() + 1;

/// One way to decide: which class the base (tools and system prompt) is written with, which one the
/// conversation behind it, and how many pings keep both warm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variant {
    /// The class of tools and system prompt; `None` where they are not written.
    pub base: Option<Ttl>,
    /// The class of what stands behind them; `None` where it is not written.
    pub tail: Option<Ttl>,
    /// Pings for which an idle conversation is kept warm.
    pub pings: u8,
}

impl Variant {
    /// The variants that decide the same for every request.
    pub const FIXED: [Self; 8] = [
        Self::new(None, None, 0),
        Self::new(Some(Ttl::FiveMinutes), None, 0),
        Self::new(Some(Ttl::FiveMinutes), Some(Ttl::FiveMinutes), 0),
        Self::new(Some(Ttl::OneHour), Some(Ttl::FiveMinutes), 0),
        Self::new(Some(Ttl::OneHour), Some(Ttl::OneHour), 0),
        Self::new(Some(Ttl::FiveMinutes), Some(Ttl::FiveMinutes), 2),
        Self::new(Some(Ttl::FiveMinutes), Some(Ttl::FiveMinutes), 11),
        Self::new(Some(Ttl::OneHour), Some(Ttl::OneHour), 1),
    ];

    /// These classes, and so many pings.
    #[must_use]
    pub const fn new(base: Option<Ttl>, tail: Option<Ttl>, pings: u8) -> Self {
        Self { base, tail, pings }
    }

    /// The variant at this place among [`VARIANTS`]; `None` for the policy itself, which is first.
    #[must_use]
    pub fn at(place: usize) -> Option<Self> {
        Self::FIXED.get(place.checked_sub(1)?).copied()
    }

    /// The name of the variant at this place, for reports.
    #[must_use]
    pub fn name(place: usize) -> &'static str {
        const NAMES: [&str; VARIANTS] = [
            "policy",
            "no writes",
            "base 5m",
            "all 5m",
            "base 1h, tail 5m",
            "all 1h",
            "all 5m, 2 pings",
            "all 5m, 11 pings",
            "all 1h, 1 ping",
        ];
        NAMES.get(place).copied().unwrap_or("?")
    }

    /// Whether it asks for one hour.
    #[must_use]
    pub fn asks_for_hour(&self) -> bool {
        [self.base, self.tail].contains(&Some(Ttl::OneHour))
    }
}

/// What a request looks like to a variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extent {
    /// Tokens that it has in common with the request before it; of the first one, those that others
    /// keep warm.
    pub shared: Tokens,
    /// Tokens of tools and system prompt.
    pub base: Tokens,
    /// Tokens of all of it.
    pub tokens: Tokens,
}

impl Extent {
    /// A request of `tokens`, of which `base` are tools and system prompt, and `shared` are those
    /// of the request before it.
    #[must_use]
    pub const fn new(shared: Tokens, base: Tokens, tokens: Tokens) -> Self {
        Self {
            shared,
            base,
            tokens,
        }
    }
}

/// What a variant has at the provider: the first `hour` tokens are held for one hour, those up to
/// `depth` for five minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    hour: u32,
    depth: u32,
    pings: u8,
}

/// What one request cost, in tokens of plain input.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Paid {
    /// Reads and writes of the request, and pings since the one before.
    pub(super) cost: f64,
    /// Pings that are due if nobody returns.
    pub(super) pledged: f64,
}

/// Between two pings: enough below the class that a late one still finds the entry.
const fn period(ttl: Ttl) -> Duration {
    Duration::from_secs(match ttl {
        Ttl::FiveMinutes => 270,
        Ttl::HalfHour => 1_680,
        Ttl::OneHour => 3_420,
    })
}

impl Held {
    /// Tokens held for an hour, tokens held, and pings: for stores outside the process.
    pub(super) fn parts(self) -> [u32; 3] {
        [self.hour, self.depth, u32::from(self.pings)]
    }

    /// What [`Held::parts`] gave.
    pub(super) fn from_parts([hour, depth, pings]: [u32; 3]) -> Self {
        Self {
            hour: hour.min(depth),
            depth,
            pings: u8::try_from(pings).unwrap_or(u8::MAX),
        }
    }

    /// The class that expires first.
    const fn shortest(self) -> Ttl {
        if self.hour < self.depth {
            Ttl::FiveMinutes
        } else {
            Ttl::OneHour
        }
    }

    /// What a conversation finds that begins: `tokens` that others keep warm, in the class that
    /// `variant` gives such a prefix.
    pub(super) fn found(tokens: Tokens, variant: &Variant) -> Self {
        let depth = narrow(tokens);
        let hour = if variant.base == Some(Ttl::OneHour) {
            depth
        } else {
            0
        };
        Self {
            hour,
            depth,
            pings: 0,
        }
    }

    /// What its pings cost if nobody returns, in tokens of plain input.
    #[expect(clippy::float_arithmetic, reason = "comparing policies, not booking")]
    pub(super) fn pledged(self, rates: &Rates) -> f64 {
        f64::from(self.pings) * f64::from(self.depth) * rates.read
    }

    /// Pings sent in a pause of `gap`.
    fn sent(self, gap: Duration) -> u8 {
        let due = gap.as_secs() / period(self.shortest()).as_secs();
        self.pings.min(u8::try_from(due).unwrap_or(u8::MAX))
    }

    /// Tokens of its longest prefix that are alive after a pause of `gap`.
    fn live(self, gap: Duration) -> u32 {
        let since = |ttl: Ttl| {
            let kept = period(self.shortest()) * u32::from(self.sent(gap));
            gap.saturating_sub(kept) < ttl.duration()
        };
        if self.hour < self.depth && since(Ttl::FiveMinutes) {
            self.depth
        } else if since(Ttl::OneHour) {
            self.hour
        } else {
            0
        }
    }

    /// A request comes after a pause, and is written as `variant` says: what that costs, and what
    /// is held after it.
    #[expect(clippy::float_arithmetic, reason = "comparing policies, not booking")]
    pub(super) fn serve(
        &mut self,
        gap: Duration,
        extent: &Extent,
        variant: &Variant,
        rates: &Rates,
    ) -> Paid {
        let pinged = f64::from(self.sent(gap)) * f64::from(self.depth) * rates.read;
        let read = self.live(gap).min(narrow(extent.shared));
        let base = narrow(extent.base);
        let depth = match (variant.base, variant.tail) {
            (_, Some(_)) => narrow(extent.tokens),
            (Some(_), None) => base,
            (None, None) => 0,
        };
        let depth = depth.max(read);
        let hour = match (variant.base, variant.tail) {
            (Some(Ttl::OneHour), Some(Ttl::OneHour)) => depth,
            (Some(Ttl::OneHour), _) => base.min(depth),
            _ => 0,
        };
        // What is read keeps its class, and behind five minutes one hour is worth nothing.
        let kept = self.hour.min(read);
        let hour = if kept < read { kept } else { hour.max(kept) };
        let by_hour = hour.saturating_sub(read);
        let by_five = (depth - read) - by_hour;
        let plain = narrow(extent.tokens).saturating_sub(depth);
        let warm = if kept < read {
            Ttl::FiveMinutes
        } else {
            Ttl::OneHour
        };
        *self = Self {
            hour,
            depth,
            pings: variant.pings,
        };
        Paid {
            cost: pinged
                + f64::from(read) * rates.use_warm(warm)
                + f64::from(by_hour) * rates.write_1h
                + f64::from(by_five) * rates.write_5m
                + f64::from(plain),
            pledged: self.pledged(rates),
        }
    }
}

fn narrow(tokens: Tokens) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Variant = Variant::FIXED[2];
    const MIXED: Variant = Variant::FIXED[3];
    const HOUR: Variant = Variant::FIXED[4];
    const PINGED: Variant = Variant::FIXED[5];

    fn cost(steps: &[(u64, Extent, Variant)]) -> Vec<f64> {
        let mut held = Held::default();
        let costs = steps.iter().map(|(gap, extent, variant)| {
            let gap = Duration::from_secs(*gap);
            held.serve(gap, extent, variant, &Rates::USUAL).cost
        });
        costs.collect()
    }

    #[expect(clippy::float_arithmetic, reason = "distances")]
    fn close(found: &[f64], wanted: &[f64]) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 0.01, "{found} {wanted}");
        }
    }

    #[test]
    fn each_variant_pays_what_the_provider_would_bill() {
        let first = Extent::new(0, 400, 1_000);
        let next = Extent::new(1_000, 400, 1_100);
        let run = |variant, gap| cost(&[(0, first, variant), (gap, next, variant)]);
        close(&run(FIVE, 60), &[1_250.0, 225.0]);
        close(&run(FIVE, 400), &[1_250.0, 1_375.0]);
        close(&run(HOUR, 400), &[2_000.0, 300.0]);
        close(&run(HOUR, 4_000), &[2_000.0, 2_200.0]);
        close(&run(MIXED, 60), &[1_550.0, 225.0]);
        close(&run(MIXED, 400), &[1_550.0, 40.0 + 875.0]);
        // One ping of 1,000 tokens, then all is read.
        close(&run(PINGED, 400), &[1_250.0, 100.0 + 225.0]);
        // Two kept it until 840 s.
        close(&run(PINGED, 839), &[1_250.0, 200.0 + 225.0]);
        close(&run(PINGED, 841), &[1_250.0, 200.0 + 1_375.0]);
        close(&run(Variant::FIXED[0], 60), &[1_000.0, 1_100.0]);
        close(&run(Variant::FIXED[1], 60), &[500.0 + 600.0, 40.0 + 700.0]);
    }

    #[test]
    fn a_class_is_not_lengthened_by_what_is_written_behind_it() {
        let extents = [
            (0, Extent::new(0, 400, 1_000), FIVE),
            (60, Extent::new(1_000, 400, 1_100), HOUR),
            (900, Extent::new(1_100, 400, 1_200), HOUR),
            (900, Extent::new(1_200, 400, 1_300), HOUR),
        ];
        // All is written anew once, and from then on holds for an hour.
        close(&cost(&extents), &[1_250.0, 225.0, 2_400.0, 120.0 + 200.0]);
    }

    #[test]
    fn every_place_has_its_name() {
        assert_eq!(Variant::at(0), None);
        assert_eq!(Variant::at(5), Some(HOUR));
        assert_eq!(Variant::name(5), "all 1h");
        assert_eq!(Variant::at(VARIANTS), None);
        assert!(MIXED.asks_for_hour() && !PINGED.asks_for_hour());
    }
}
