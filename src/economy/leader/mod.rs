//! Follow the leader: variants of a policy run as shadow caches on the real stream, and the best one
//! takes over.
//!
//! Reuse is seen whether or not anything was written, so every variant can be billed for every
//! request: a [`Shadow`] does that for one conversation, from a few numbers and in a fixed number of
//! steps. A [`Leader`] sums up what each cost more than the best one, and follows the best with
//! hysteresis: the policy itself leads until a variant is better by [`MARGIN`] requests' worth of
//! tokens, since what one variant has written is not what another needs.
//!
//! What that costs at most, on any sequence: while one variant leads, it costs no more than the best
//! one by the margin and one step, so the whole costs no more than the best fixed variant in
//! hindsight plus (switches + 1) × (margin + twice the largest step); the second of the two is what
//! the new one must write that the old one had not. No deterministic rule does better against an
//! opponent who knows it, and so there is a second bound that no opponent breaks: what leading has
//! lost against the policy is kept within [`STAKE`] of what the policy cost, or nothing but the policy
//! leads. Excess is capped, so that a variant whose time has come again has not to make up for all of
//! its past.

mod shadow;
mod variant;

pub use shadow::{Led, Shadow, ShadowParts};
pub use variant::{Extent, VARIANTS, Variant};

use crate::model::Timestamp;

/// By how much a variant must be better before it takes over, in requests of mean size.
pub const MARGIN: f64 = 1.5;
/// At how much excess a variant's past is forgotten, in requests of mean size.
const CAP: f64 = 3.0;
/// Share of what the policy cost that following others may lose.
pub const STAKE: f64 = 0.005;
/// In how many seconds half of the pledged pings of silent conversations are taken as sent.
const SILENCE: f64 = 3_600.0;
/// How much of what a wider level has seen a new stream starts with.
const INHERITED: f64 = 0.5;

/// What each variant cost more than the best one, and which is followed. Plain values of a fixed size:
/// one per stream, and one for each wider level.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Leader {
    /// Cost over that of the best, in tokens of plain input.
    excess: [f32; VARIANTS],
    /// Pings that are due if nobody returns, in tokens of plain input.
    pledged: [f32; VARIANTS],
    /// Faded mean of the tokens of a request.
    mean: f32,
    /// Requests seen.
    seen: u32,
    /// Times that the lead changed.
    switches: u32,
    /// Its place among the variants; the policy is the first.
    leads: u8,
    /// What leading gained against the policy, and the share of it that may be lost.
    credit: f32,
    /// When pledges were last aged.
    aged: Option<Timestamp>,
}

/// The numbers of a [`Leader`], for stores outside the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Parts {
    /// Cost over that of the best.
    pub excess: [f32; VARIANTS],
    /// Pings that are due if nobody returns.
    pub pledged: [f32; VARIANTS],
    /// Mean tokens of a request.
    pub mean: f32,
    /// Requests seen.
    pub seen: u32,
    /// Times that the lead changed.
    pub switches: u32,
    /// Which leads.
    pub leads: u8,
    /// Gain against the policy, and what may be lost.
    pub credit: f32,
    /// When pledges were last aged.
    pub aged: Option<Timestamp>,
}

/// Which variants may lead, by place: those that the user, the provider and the prices allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed(u16);

impl Allowed {
    /// The policy alone.
    pub const POLICY: Self = Self(1);

    /// Those for which `allows` holds, and the policy.
    #[must_use]
    pub fn of(allows: impl Fn(&Variant) -> bool) -> Self {
        let places =
            (1..VARIANTS).filter(|place| Variant::at(*place).is_some_and(|one| allows(&one)));
        Self(places.fold(1, |mask, place| mask | 1 << place))
    }

    const fn allows(self, place: usize) -> bool {
        self.0 & (1 << place) != 0
    }
}

#[expect(clippy::float_arithmetic, reason = "comparing policies, not booking")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "sums of tokens, to seven digits"
)]
impl Leader {
    /// What was stored earlier.
    #[must_use]
    pub const fn from_parts(parts: &Parts) -> Self {
        let Parts {
            excess,
            pledged,
            mean,
            seen,
            switches,
            leads,
            credit,
            aged,
        } = *parts;
        Self {
            excess,
            pledged,
            mean,
            seen,
            switches,
            leads: if (leads as usize) < VARIANTS {
                leads
            } else {
                0
            },
            credit,
            aged,
        }
    }

    /// The parts that [`Leader::from_parts`] takes.
    #[must_use]
    pub const fn parts(&self) -> Parts {
        Parts {
            excess: self.excess,
            pledged: self.pledged,
            mean: self.mean,
            seen: self.seen,
            switches: self.switches,
            leads: self.leads,
            credit: self.credit,
            aged: self.aged,
        }
    }

    /// The leader of a stream whose first request has so many tokens, before anything of it is known:
    /// it starts from what leads at a wider level.
    #[must_use]
    pub fn under(wider: &Self, tokens: f64) -> Self {
        let mut new = Self {
            mean: tokens as f32,
            leads: wider.leads,
            ..Self::default()
        };
        if wider.mean >= 1.0 {
            let scale = (INHERITED * tokens / f64::from(wider.mean)) as f32;
            new.excess = wider.excess.map(|excess| excess * scale);
        }
        new
    }

    /// The place of the variant that is followed, among those that may be.
    #[must_use]
    pub fn leading(&self, allowed: Allowed) -> usize {
        let place = usize::from(self.leads);
        if allowed.allows(place) {
            place
        } else {
            self.best(allowed)
        }
    }

    /// What each variant cost more than the best one so far, in tokens of plain input.
    #[must_use]
    pub const fn excess(&self) -> &[f32; VARIANTS] {
        &self.excess
    }

    /// Requests seen.
    #[must_use]
    pub const fn seen(&self) -> u32 {
        self.seen
    }

    /// Times that the lead changed.
    #[must_use]
    pub const fn switches(&self) -> u32 {
        self.switches
    }

    /// Whether others than the policy may still be followed: what they lost stays within the stake.
    #[must_use]
    pub fn may_stake(&self) -> bool {
        self.credit >= 0.0
    }

    /// Mean tokens of a request.
    #[must_use]
    pub fn mean(&self) -> f64 {
        f64::from(self.mean)
    }

    /// Takes in what each variant cost for a request of `tokens`, where a narrower level leads.
    pub fn observe(&mut self, led: &Led, tokens: f64, allowed: Allowed) {
        self.learn(&led.costs, tokens, allowed);
    }

    /// What the policy cost for one request, and what was paid for it in fact.
    pub(super) fn settle(&mut self, policy: f64, paid: f64) {
        self.credit += (policy * (1.0 + STAKE) - paid) as f32;
    }

    /// What each variant cost for one request of `tokens`.
    pub(super) fn learn(&mut self, costs: &[f64; VARIANTS], tokens: f64, allowed: Allowed) {
        self.seen = self.seen.saturating_add(1);
        let rate = (1.0 / f64::from(self.seen)).max(0.05);
        self.mean += ((tokens - f64::from(self.mean)) * rate) as f32;
        for (excess, cost) in self.excess.iter_mut().zip(costs) {
            *excess += *cost as f32;
        }
        self.level(allowed);
        let leads = self.leading(allowed);
        let behind = self.excess.get(leads).copied().unwrap_or(0.0);
        if f64::from(behind) >= MARGIN * self.mean() {
            let best = self.best(allowed);
            self.switches += u32::from(best != leads);
            self.leads = u8::try_from(best).unwrap_or(0);
        }
    }

    /// Takes up what a conversation that has paused would cost in pings, or lets it go.
    pub(super) fn pledge(&mut self, now: Timestamp, pledged: &[f64; VARIANTS]) {
        self.age(now);
        for (all, one) in self.pledged.iter_mut().zip(pledged) {
            *all += *one as f32;
        }
    }

    /// A conversation whose pledges were taken up at `since` goes on.
    pub(super) fn redeem(&mut self, now: Timestamp, since: Timestamp, pledged: &[f64; VARIANTS]) {
        self.age(now);
        let left = halved(now.since(since).as_secs_f64());
        let sums = self.pledged.iter_mut().zip(&mut self.excess).zip(pledged);
        for ((all, excess), one) in sums {
            *all = (f64::from(*all) - one * left).max(0.0) as f32;
            *excess -= (one * (1.0 - left)) as f32;
        }
    }

    /// The longer nobody returns, the more of the pledged pings count as sent.
    fn age(&mut self, now: Timestamp) {
        let passed = self.aged.map_or(0.0, |aged| now.since(aged).as_secs_f64());
        let left = halved(passed);
        for (all, excess) in self.pledged.iter_mut().zip(&mut self.excess) {
            let kept = (f64::from(*all) * left) as f32;
            *excess += *all - kept;
            *all = kept;
        }
        self.aged = Some(self.aged.map_or(now, |aged| aged.max(now)));
    }

    /// Counts from the best one that may lead, and caps what the others are behind.
    fn level(&mut self, allowed: Allowed) {
        let least = self.excess.get(self.best(allowed)).copied().unwrap_or(0.0);
        let most = (CAP * self.mean()) as f32;
        for excess in &mut self.excess {
            // One that may not lead can be better by far.
            *excess = (*excess - least).clamp(-most, most);
        }
    }

    /// The one that cost least; the first of them where several did.
    fn best(&self, allowed: Allowed) -> usize {
        let mut best = 0;
        for (place, excess) in self.excess.iter().enumerate() {
            let least = self.excess.get(best).copied().unwrap_or(f32::MAX);
            if allowed.allows(place) && *excess < least {
                best = place;
            }
        }
        best
    }
}

#[expect(clippy::float_arithmetic, reason = "a share that fades")]
fn halved(seconds: f64) -> f64 {
    (-seconds / SILENCE).exp2()
}
