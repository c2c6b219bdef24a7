//! One offer as it was looked at: what speaks against it, and what it is ranked by.

use std::time::Duration;

use super::price::Quote;
use super::warmth::Known;
use super::{Admission, Ask, Backend, Bar, Goal, Ground, Offer, Route, Worst, fit};
use crate::model::{Money, Timestamp};

/// One offer as it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// Place of the offer in its route.
    pub offer: usize,
    /// Why it may not, or not now, serve the call.
    pub bar: Option<Bar>,
    /// How its backend stands after failures.
    pub standing: Standing,
    /// Tokens of the prompt, foreseen.
    pub prompt: u64,
    /// Tokens that are warm there.
    pub warm: u64,
    /// Tokens that the provider counts against its rate limits.
    pub counted: u64,
    /// What the call is expected to cost there; `None` without prices.
    pub expected: Option<Money>,
    /// What the call costs more here than where its prefix is warm; `None` where nothing is left
    /// behind, or without prices.
    pub hop: Option<Money>,
    /// What the call can cost at most: what is to be reserved.
    pub worst: Worst,
    /// What it was ranked by among the offers of its model: the lower the better.
    pub score: Money,
    weighed: Weighed,
}

/// What a candidate is compared by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weighed {
    /// Zero for the route's own model.
    fallback: usize,
    /// Place in the order, among the offers of its model.
    place: u64,
    /// The cost of the call, also where it is not to be shown.
    cost: Money,
    /// What leaving the warm prefix costs, as far as it is in the score.
    leaving: Money,
    /// Whether it is the conversation's own prefix that is warm.
    is_own: bool,
    /// Time to first byte; `None` where it is not known.
    first_byte: Option<Duration>,
    /// When the last bar falls; `None` without bars, or where time does not help.
    opens: Option<Timestamp>,
}

/// How a backend stands after failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth")]
pub enum Standing {
    /// It is sound.
    #[default]
    Sound,
    /// It failed, and this call may find out whether it still does.
    Probing,
    /// It is sound again, but not for long: it is asked after the others.
    Cooling,
}

impl Standing {
    /// Its name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Probing => "probing",
            Self::Cooling => "cooling",
        }
    }
}

/// Where a call is warm and costs least.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home {
    offer: usize,
    warm: u64,
    cost: Money,
    is_priced: bool,
}

impl Home {
    /// At an offer of the same model as `one`, if the call is warm at any.
    pub(super) fn of(one: &Candidate, candidates: &[Candidate]) -> Option<Self> {
        let warm = candidates.iter().filter(|other| {
            let never = other.bar.as_ref().is_some_and(|bar| bar.until().is_none());
            other.warm > 0 && !never
        });
        let home = warm.min_by_key(|other| {
            let is_other_model = other.weighed.fallback != one.weighed.fallback;
            (is_other_model, other.weighed.cost, other.offer)
        })?;
        Some(Self {
            offer: home.offer,
            warm: home.warm,
            cost: home.weighed.cost,
            is_priced: home.expected.is_some(),
        })
    }
}

impl Candidate {
    /// An offer that nobody looked at yet.
    pub(super) fn barred(offer: usize, bar: Bar) -> Self {
        Self {
            offer,
            bar: Some(bar),
            standing: Standing::default(),
            prompt: 0,
            warm: 0,
            counted: 0,
            expected: None,
            hop: None,
            worst: Worst::default(),
            score: Money::ZERO,
            weighed: Weighed::default(),
        }
    }

    /// Whose model it is: zero for the route's own, one for its first fallback, and so on.
    pub(super) const fn fallback(&self) -> usize {
        self.weighed.fallback
    }

    /// What it would be ranked by if nothing were warm anywhere.
    pub(super) fn alone(&self) -> Money {
        self.score - self.weighed.leaving
    }

    /// Sets its model and its place behind the candidate before it.
    pub(super) fn stand(&mut self, fallback: usize, before: Option<&Self>) {
        let before = before.filter(|before| before.weighed.fallback == fallback);
        self.weighed.place = before.map_or(0, |before| before.weighed.place + 1);
        self.weighed.fallback = fallback;
    }

    /// Adds a bar: the first counts, and the last to fall says when to try again. Where one of them
    /// stays, the others do not matter.
    pub(super) fn hinder(&mut self, bar: Bar) {
        let opens = bar.until();
        self.weighed.opens = match &self.bar {
            None => opens,
            Some(_) => self
                .weighed
                .opens
                .zip(opens)
                .map(|(one, other)| one.max(other)),
        };
        self.bar.get_or_insert(bar);
    }

    /// Time to first byte; `None` where it is not known, or not looked for.
    pub(super) const fn first_byte(&self) -> Option<Duration> {
        self.weighed.first_byte
    }

    /// When the last of its bars falls; `None` without one, or where time does not help.
    pub(super) const fn opens(&self) -> Option<Timestamp> {
        self.weighed.opens
    }

    /// Looks at an offer that is there.
    pub(super) fn look(
        &mut self,
        ground: &Ground<'_>,
        what: (&Route, &Offer, &Backend),
        ask: &Ask<'_>,
        known: &Known,
    ) {
        let (route, offer, backend) = what;
        let held = known.at(self.offer);
        let quote = Quote::of(offer, backend, ask, known, held);
        self.bar = fit::fixed(route, offer, backend, ask);
        if self.bar.is_none() {
            fit::passing(ground, offer, &quote).for_each(|bar| self.hinder(bar));
        }
        self.prompt = quote.prompt;
        self.warm = quote.warm;
        self.counted = fit::counted(offer, &quote);
        self.worst = quote.worst;
        self.weighed.cost = quote.cost();
        self.weighed.is_own = quote.is_own;
        self.expected = quote.is_priced.then_some(self.weighed.cost);
        let health = ground.state.health.get(offer.backend);
        self.standing = match health
            .map(|health| (health.admission(ground.now), health.recovered()))
        {
            Some((Admission::Probe, _)) => Standing::Probing,
            Some((_, Some(since))) if ground.now < since.plus(route.cooldown) => Standing::Cooling,
            _ => Standing::Sound,
        };
        match route.goal {
            Goal::Order => self.score = route.worth.rank.times(self.weighed.place),
            Goal::Latency => {
                self.weighed.first_byte = health.and_then(|health| health.first_byte(ground.now));
            }
            Goal::Cost if route.affinity => self.score = self.weighed.cost + quote.later(),
            Goal::Cost => self.score = quote.cold() + quote.later(),
        }
    }

    /// Gives it its hop, its standing and what is left of its score.
    pub(super) fn weigh(&mut self, route: &Route, home: Option<&Home>, fastest: Duration) {
        if route.goal == Goal::Latency {
            let first_byte = self.weighed.first_byte.unwrap_or(fastest);
            self.score = worth(route.worth.second, first_byte);
        }
        let left = home.filter(|home| home.offer != self.offer && self.warm < home.warm);
        let leaving = left.map(|home| {
            let more = (self.weighed.cost - home.cost).max(Money::ZERO);
            (more, home.is_priced && self.expected.is_some())
        });
        self.hop = leaving.filter(|(_, known)| *known).map(|(more, _)| more);
        if !route.affinity {
            return;
        }
        if let Some((more, _)) = leaving.filter(|_| route.goal != Goal::Cost) {
            self.weighed.leaving = more;
            self.score += more;
        }
        let is_home = self.weighed.is_own && home.is_some_and(|home| home.offer == self.offer);
        if is_home && self.standing == Standing::Cooling {
            self.standing = Standing::Sound;
        }
    }

    /// What picks are sorted by.
    pub(super) fn rank(&self, goal: Goal) -> impl Ord + use<> {
        let is_unpriced = goal == Goal::Cost && self.expected.is_none();
        (
            self.weighed.fallback,
            self.standing == Standing::Cooling,
            is_unpriced,
            self.score,
            self.weighed.first_byte.is_some(),
            self.offer,
        )
    }
}

/// What so long a time is worth.
fn worth(second: Money, time: Duration) -> Money {
    let micros = i128::try_from(time.as_micros()).unwrap_or(i128::MAX);
    Money::from_pico(second.as_pico().saturating_mul(micros) / 1_000_000)
}
