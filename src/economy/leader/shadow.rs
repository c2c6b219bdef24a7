//! One conversation, billed under every variant.

use super::variant::{Held, Paid};
use super::{Allowed, Extent, Leader, VARIANTS, Variant};
use crate::model::{Rates, Timestamp, to_f64};

/// One conversation as each variant would have it, and as it was led. Plain values of a fixed size,
/// about 250 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Shadow {
    held: [Held; VARIANTS],
    /// What is there in fact.
    real: Held,
    last: Option<Timestamp>,
    leader: Leader,
}

/// The numbers of a [`Shadow`], for stores outside the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ShadowParts {
    /// Per variant: tokens held for an hour, tokens held, and pings.
    pub held: [[u32; 3]; VARIANTS],
    /// The same as it is in fact.
    pub real: [u32; 3],
    /// When the last request came.
    pub last: Option<Timestamp>,
    /// The stream's own leader.
    pub leader: Leader,
}

/// What is to be done with one request.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Led {
    /// The place of the variant that leads; zero for the policy itself.
    pub place: usize,
    /// How it decides; `None` for the policy itself.
    pub variant: Option<Variant>,
    /// What the request cost with it, pings before it included, in tokens of plain input.
    pub cost: f64,
    /// What it would have cost with each variant.
    pub costs: [f64; VARIANTS],
}

impl Shadow {
    /// What was stored earlier.
    #[must_use]
    pub fn from_parts(parts: &ShadowParts) -> Self {
        Self {
            held: parts.held.map(Held::from_parts),
            real: Held::from_parts(parts.real),
            last: parts.last,
            leader: parts.leader,
        }
    }

    /// The parts that [`Shadow::from_parts`] takes.
    #[must_use]
    pub fn parts(&self) -> ShadowParts {
        ShadowParts {
            held: self.held.map(Held::parts),
            real: self.real.parts(),
            last: self.last,
            leader: self.leader,
        }
    }

    /// Its own leader.
    #[must_use]
    pub const fn leader(&self) -> &Leader {
        &self.leader
    }

    /// A request comes, for which the policy has decided `own`. Bills it under every variant, tells
    /// the wider level, and says which one it should follow.
    pub fn step(
        &mut self,
        (now, extent): (Timestamp, &Extent),
        own: &Variant,
        (rates, allowed): (&Rates, Allowed),
        wider: &mut Leader,
    ) -> Led {
        let gap = self.last.map(|last| now.since(last)).unwrap_or_default();
        let tokens = to_f64(extent.tokens);
        if self.last.is_none() {
            self.leader = Leader::under(wider, tokens);
            self.begin(extent, own);
        }
        let before = self.pledges(rates);
        let mut costs = [0.0; VARIANTS];
        let mut pledged = [0.0; VARIANTS];
        let places = self.held.iter_mut().zip(costs.iter_mut().zip(&mut pledged));
        for (place, (held, (cost, pledge))) in places.enumerate() {
            let variant = Variant::at(place).unwrap_or(*own);
            let paid = held.serve(gap, extent, &variant, rates);
            (*cost, *pledge) = (paid.cost, paid.pledged);
        }
        self.leader.learn(&costs, tokens, allowed);
        if let Some(last) = self.last {
            wider.redeem(now, last, &before);
        }
        wider.learn(&costs, tokens, allowed);
        wider.pledge(now, &pledged);
        let place = if wider.may_stake() {
            self.leader.leading(allowed)
        } else {
            0
        };
        let variant = Variant::at(place);
        let Paid { cost, .. } = self
            .real
            .serve(gap, extent, &variant.unwrap_or(*own), rates);
        let [policy, ..] = costs;
        wider.settle(policy, cost);
        self.last = Some(now);
        Led {
            place,
            variant,
            cost,
            costs,
        }
    }

    /// What others keep warm is there for every variant.
    fn begin(&mut self, extent: &Extent, own: &Variant) {
        for (place, held) in self.held.iter_mut().enumerate() {
            let variant = Variant::at(place).unwrap_or(*own);
            *held = Held::found(extent.shared, &variant);
        }
        let leads = self.leader.leading(Allowed::of(|_| true));
        self.real = Held::found(extent.shared, &Variant::at(leads).unwrap_or(*own));
    }

    /// What the pings of the pause that ends now were pledged to cost.
    fn pledges(&self, rates: &Rates) -> [f64; VARIANTS] {
        self.held.map(|held| held.pledged(rates))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{MARGIN, STAKE};
    use super::*;

    const FIVE: Variant = Variant::FIXED[2];
    const HOUR_PLACE: usize = 5;

    /// A deterministic stream of numbers.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33) % sides
        }
    }

    /// One conversation that grows, led by the rule.
    struct Run {
        shadow: Shadow,
        wider: Leader,
        now: Timestamp,
        tokens: u64,
        led: f64,
        costs: [f64; VARIANTS],
        largest: f64,
        refused: bool,
        places: Vec<usize>,
    }

    impl Run {
        fn new() -> Self {
            Self {
                shadow: Shadow::default(),
                wider: Leader::default(),
                now: Timestamp::from_secs_f64(1.0),
                tokens: 20_000,
                led: 0.0,
                costs: [0.0; VARIANTS],
                largest: 0.0,
                refused: false,
                places: Vec::new(),
            }
        }

        #[expect(clippy::float_arithmetic, reason = "sums of a simulation")]
        fn go(&mut self, gap: u64, more: u64) {
            self.now = self.now.plus(Duration::from_secs(gap));
            let extent = Extent::new(self.tokens, 8_000, self.tokens + more);
            self.tokens += more;
            let all = Allowed::of(|variant| variant.pings == 0);
            let with = (&Rates::USUAL, all);
            let led = self
                .shadow
                .step((self.now, &extent), &FIVE, with, &mut self.wider);
            self.led += led.cost;
            for (sum, cost) in self.costs.iter_mut().zip(led.costs) {
                *sum += cost;
            }
            self.largest = self.largest.max(2.0 * to_f64(extent.tokens));
            self.refused |= !self.wider.may_stake();
            self.places.push(led.place);
        }

        #[expect(clippy::float_arithmetic, reason = "the stated bounds")]
        fn within_its_bounds(&self) -> Result<(), String> {
            let [policy, ..] = self.costs;
            let staked = policy * (1.0 + STAKE) + self.largest;
            if self.led > staked {
                return Err(format!("{} of {staked}", self.led));
            }
            let allowed = Allowed::of(|variant| variant.pings == 0);
            let places = (0..VARIANTS).filter(|place| allowed.allows(*place));
            let best = places
                .map(|place| self.costs[place])
                .fold(f64::MAX, f64::min);
            let leader = self.shadow.leader();
            let mean = to_f64(self.tokens);
            let changes = f64::from(leader.switches() + 1);
            let regret = changes * (MARGIN * mean + 2.0 * self.largest);
            if !self.refused && self.led > best + regret {
                return Err(format!("{} of {best} + {regret}", self.led));
            }
            Ok(())
        }
    }

    #[test]
    fn long_pauses_are_written_with_an_hour_within_tens_of_requests() {
        let mut run = Run::new();
        for n in 0..40 {
            run.go(if n % 5 == 4 { 1_200 } else { 20 }, 1_000);
        }
        let hour = run.places.iter().position(|place| *place == HOUR_PLACE);
        assert!(hour.is_some_and(|at| at < 20), "{:?}", run.places);
        assert!(run.led < 0.75 * run.costs[0], "{} {:?}", run.led, run.costs);
        run.within_its_bounds().unwrap();
    }

    #[test]
    fn it_follows_when_the_pauses_change() {
        let mut run = Run::new();
        for n in 0..60 {
            run.go(if n % 5 == 4 { 1_200 } else { 20 }, 200);
        }
        assert_eq!(run.places.last(), Some(&HOUR_PLACE));
        // Nobody returns within an hour: what is written is never read, and least is lost unwritten.
        for _ in 0..30 {
            run.go(5_000, 200);
        }
        assert_eq!(run.places.last(), Some(&1));
        for _ in 0..40 {
            run.go(30, 200);
        }
        assert!(matches!(run.places.last(), Some(0 | 3)), "{:?}", run.places);
        run.within_its_bounds().unwrap();
    }

    #[test]
    fn a_new_stream_starts_from_what_leads_elsewhere() {
        let mut run = Run::new();
        for n in 0..40 {
            run.go(if n % 5 == 4 { 1_200 } else { 20 }, 500);
        }
        run.shadow = Shadow::default();
        run.places.clear();
        run.tokens = 20_000;
        run.go(5_000, 500);
        assert_eq!(run.places, [HOUR_PLACE]);
        // It goes its own way when its own requests say so.
        for _ in 0..20 {
            run.go(4_000, 500);
        }
        assert_ne!(run.places.last(), Some(&HOUR_PLACE));
    }

    #[test]
    fn no_sequence_costs_more_than_is_stated() {
        let mut dice = Dice(7);
        let gaps = [5, 60, 290, 310, 800, 1_500, 3_500, 3_700, 9_000];
        for trial in 0..300 {
            let mut run = Run::new();
            for _ in 0..200 {
                // Half of them play against whatever leads.
                let last = run.places.last().and_then(|place| Variant::at(*place));
                let (gap, more) = match last.filter(|_| trial % 2 == 0) {
                    Some(one) if one.tail.is_none() => (20, 100),
                    Some(one) if one.asks_for_hour() => (3_700, 4_000),
                    Some(_) => (310, 100),
                    None => {
                        let at = usize::try_from(dice.roll(9)).unwrap();
                        (gaps[at], dice.roll(5_000))
                    }
                };
                run.go(gap, more);
            }
            run.within_its_bounds().unwrap();
        }
    }

    #[test]
    fn pings_that_nobody_waits_for_are_counted() {
        // One request each, and never another: a ping earns nothing.
        let mut wider = Leader::default();
        let with = (&Rates::USUAL, Allowed::of(|_| true));
        for n in 0..200_u32 {
            let now = Timestamp::from_secs_f64(f64::from(n) * 600.0);
            let extent = Extent::new(0, 8_000, 20_000);
            Shadow::default().step((now, &extent), &FIVE, with, &mut wider);
        }
        let excess = wider.excess();
        assert_eq!(wider.leading(with.1), 1, "{excess:?}");
        assert!(excess[7] > excess[6] && excess[6] > excess[3], "{excess:?}");
    }

    #[test]
    fn pauses_that_pings_bridge_are_pinged() {
        let mut wider = Leader::default();
        let with = (&Rates::USUAL, Allowed::of(|_| true));
        let mut shadow = Shadow::default();
        for n in 0..20_u64 {
            let now = Timestamp::from_secs_f64(1.0).plus(Duration::from_secs(n * 500));
            let extent = Extent::new(100_000 + n, 8_000, 100_001 + n);
            shadow.step((now, &extent), &FIVE, with, &mut wider);
        }
        // An hour does it as well where nothing is added; pings do not win by being pledged.
        let best = shadow.leader().leading(with.1);
        assert!(
            Variant::at(best).is_some_and(|one| one.asks_for_hour()),
            "{best}"
        );
        assert!(shadow.leader().excess()[6] < shadow.leader().excess()[3]);
    }
}
