//! One cause from plain facts.

use std::time::Duration;

use super::reported::merge;
use super::{Difference, Relation};
use crate::model::{Cause, Limits, Miss, Money, PriceTier, Regime, Usage};

/// Fewer tokens than this are not missed: counters wobble by what a provider adds around blocks.
const NOISE: u64 = 64;
/// And no fewer than one in so many of what could have been read.
const NOISE_SHARE: u64 = 100;

/// What is known about one exchange whose miss, if any, is to be explained.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Facts<'a> {
    /// What the provider reported.
    pub usage: Usage,
    /// The input in tokens where the usage does not tell it.
    pub estimated: u64,
    /// The nearest earlier request of the same lineage; `None` when there was none.
    pub earlier: Option<Earlier<'a>>,
    /// What the model allows and needs.
    pub limits: Limits,
    /// Cached counts are multiples of this many tokens.
    pub granularity: u64,
    /// By how many tokens the figures of [`Earlier`] may be off: zero where they were billed, more
    /// where they are estimates.
    pub tolerance: u64,
    /// Markers of this request that are the caller's own.
    pub own_markers: usize,
    /// Markers of this request that were added.
    pub placed_markers: usize,
    /// Markers of this request, whoever placed them, that stand within what it shares with the
    /// earlier one; `None` when nobody counted.
    pub shared_markers: Option<usize>,
    /// Positions from the last prefix that an entry can stand for to the next marker of this
    /// request, as [`Limits::lookback`] counts them; `None` when nobody counted.
    pub positions: Option<usize>,
    /// Prices of this request's tokens, for what the miss cost.
    pub prices: Option<&'a PriceTier>,
    /// The provider's own reason, where it gave one.
    pub reported: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Facts about an exchange of which nothing but its usage and its model's limits is known yet.
    #[must_use]
    pub const fn new(usage: Usage, limits: Limits) -> Self {
        Self {
            usage,
            estimated: 0,
            earlier: None,
            limits,
            granularity: 1,
            tolerance: 0,
            own_markers: 0,
            placed_markers: 0,
            shared_markers: None,
            positions: None,
            prices: None,
            reported: None,
        }
    }

    /// The same facts with the nearest earlier request.
    #[must_use]
    pub const fn after(mut self, earlier: Earlier<'a>) -> Self {
        self.earlier = Some(earlier);
        self
    }
}

/// The nearest earlier request of the same lineage, as seen from this one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Earlier<'a> {
    /// Tokens of the earlier request that this one should have found again had nothing been changed:
    /// what it had sent, and no more than this one sent.
    pub tokens: u64,
    /// Tokens of the prefix that both share as they were sent: what there was to be found.
    pub shared: u64,
    /// The comparison of both; `None` when the earlier one is not at hand.
    pub difference: Option<&'a Difference>,
    /// What else was different about it.
    pub other: Other,
    /// Time since its entry was last written or read; `None` when unknown.
    pub idle: Option<Duration>,
    /// The time to live that its entry was granted; `None` when unknown.
    pub ttl: Option<Duration>,
    /// Whether it had begun to answer when this one was sent.
    pub answer: Answer,
}

impl<'a> Earlier<'a> {
    /// An earlier request of `tokens`, all of which this one has as well.
    #[must_use]
    pub const fn new(tokens: u64) -> Self {
        Self {
            tokens,
            shared: tokens,
            difference: None,
            other: Other::Nothing,
            idle: None,
            ttl: None,
            answer: Answer::Begun,
        }
    }

    /// The same with a comparison, after which `shared` tokens could still be found.
    #[must_use]
    pub const fn compared(mut self, difference: &'a Difference, shared: u64) -> Self {
        self.difference = Some(difference);
        self.shared = shared;
        self
    }
}

/// What separates an earlier request from this one beside the prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "nothing else separates caches")]
pub enum Other {
    /// Nothing.
    #[default]
    Nothing,
    /// It asked another model.
    Model,
    /// It was sent by another account, to another endpoint, for another tenant, under other betas.
    Scope,
    /// A route sent it elsewhere than to the backend that held its prefix.
    Hop,
}

/// How far an earlier request was when this one was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an entry is visible or not")]
pub enum Answer {
    /// It had begun to answer, so that its entry could be seen.
    #[default]
    Begun,
    /// It had not.
    Pending,
}

/// Names the miss of an exchange, if it missed anything.
///
/// Tokens are missed when the earlier request had sent them and they were not read, beyond the
/// noise of counters. The first of these that holds is the cause:
///
/// 1. [`Cause::BelowMinimum`]: so short a prompt is never cached.
/// 2. [`Cause::FirstUse`]: there is no earlier request.
/// 3. [`Cause::Hop`], [`Cause::ModelChanged`], [`Cause::ScopeChanged`]: another cache was asked. And
///    [`Cause::BelowMinimum`] again, where what the earlier request had sent was that short.
/// 4. What changed in the prompt, where all that is still shared was read: the entry was there.
/// 5. [`Cause::Expired`]: the entry's time had passed before any of it could be read.
/// 6. What changed in the prompt, where nothing long enough to be cached is shared.
/// 7. [`Cause::NotYetVisible`]: the shared part was being written.
/// 8. What changed in the prompt, where it cost more than what else was lost of the shared part.
/// 9. [`Cause::OwnMarkers`]: no marker stands where anything could be read.
/// 10. [`Cause::Lookback`]: the entry stands too far before the next marker.
/// 11. [`Cause::Lost`]: both prompts and the entry's age are known, and nothing of the above holds.
/// 12. [`Cause::Unknown`].
///
/// Instead of the last two, a reason of the provider's is taken where it gave one.
#[must_use]
pub fn diagnose(facts: &Facts<'_>) -> Option<Miss> {
    let read = facts.usage.read?;
    let input = facts.usage.input().unwrap_or(facts.estimated);
    let unread = input.saturating_sub(read);
    if unread == 0 {
        return None;
    }
    if is_below_minimum(facts, input) {
        return Some(miss(facts, Cause::BelowMinimum, unread));
    }
    let Some(earlier) = &facts.earlier else {
        return (read <= noise(facts, input)).then(|| miss(facts, Cause::FirstUse, unread));
    };
    let readable = earlier.tokens.min(input);
    let missed = readable.saturating_sub(read);
    if missed <= noise(facts, readable) {
        return None;
    }
    let cause = merge(cause(facts, earlier, read), facts.reported);
    Some(miss(facts, cause, missed))
}

/// The cause of a miss after an earlier request.
fn cause(facts: &Facts<'_>, earlier: &Earlier<'_>, read: u64) -> Cause {
    match earlier.other {
        Other::Model => return Cause::ModelChanged,
        Other::Scope => return Cause::ScopeChanged,
        Other::Hop => return Cause::Hop,
        Other::Nothing => {}
    }
    if earlier.tokens < facts.limits.min_tokens {
        return Cause::BelowMinimum;
    }
    let changed = earlier.difference.and_then(Difference::cause);
    let shared = if earlier.shared < facts.limits.min_tokens {
        0
    } else {
        earlier.shared
    };
    // What was there and was not read, and what was there no more.
    let left = shared.saturating_sub(read);
    let moved = earlier.tokens.saturating_sub(shared.max(read));
    if let Some(changed) = changed
        && shared > 0
        && left <= noise(facts, shared)
    {
        return changed;
    }
    if let (Some(idle), Some(ttl)) = (earlier.idle, earlier.ttl)
        && idle >= ttl
    {
        return Cause::Expired;
    }
    match changed {
        Some(changed) if shared == 0 => return changed,
        _ if earlier.answer == Answer::Pending => return Cause::NotYetVisible,
        Some(changed) if moved >= left => return changed,
        _ => {}
    }
    placement(facts).unwrap_or_else(|| {
        let seen = earlier.difference.is_some() && earlier.idle.is_some() && earlier.ttl.is_some();
        if seen { Cause::Lost } else { Cause::Unknown }
    })
}

/// Whether markers stood where nothing could be read.
fn placement(facts: &Facts<'_>) -> Option<Cause> {
    if facts.limits.regime == Regime::Automatic {
        return None;
    }
    let far = facts
        .positions
        .is_some_and(|positions| positions > facts.limits.lookback);
    let callers = facts.placed_markers == 0;
    if callers && facts.shared_markers == Some(0) && !(far && facts.own_markers > 0) {
        return Some(Cause::OwnMarkers);
    }
    far.then_some(Cause::Lookback)
}

/// Whether the whole prompt is too short to be cached, and the counters agree.
fn is_below_minimum(facts: &Facts<'_>, input: u64) -> bool {
    let touched = facts.usage.read.unwrap_or(0) + facts.usage.written().unwrap_or(0);
    input < facts.limits.min_tokens && touched == 0
}

/// How many tokens may be missing without anything being missed.
fn noise(facts: &Facts<'_>, of: u64) -> u64 {
    NOISE
        .max(of / NOISE_SHARE)
        .max(facts.granularity.saturating_mul(2) - 1)
        .max(facts.tolerance)
}

fn miss(facts: &Facts<'_>, cause: Cause, tokens: u64) -> Miss {
    let mut miss = Miss::new(cause, tokens);
    miss.cost = facts
        .prices
        .map(|prices| above_reading(&facts.usage, prices, tokens));
    let difference = facts
        .earlier
        .as_ref()
        .and_then(|earlier| earlier.difference);
    let first = difference
        .filter(|difference| difference.relation == Relation::Differs)
        .and_then(Difference::first);
    if let Some(first) = first {
        miss.place = Some(first.place.clone());
        miss.pattern = first.pattern;
    }
    miss.reported = facts.reported.map(Into::into);
    miss
}

/// What `tokens` at the front of what was not read cost above the price of a read. Writes come
/// first, the longest class ahead, for so they stand in the prompt.
fn above_reading(usage: &Usage, prices: &PriceTier, tokens: u64) -> Money {
    let kinds = [
        (usage.write_1h, prices.write_1h),
        (usage.write_30m, prices.write_30m),
        (usage.write_5m, prices.write_5m),
        (usage.plain, prices.input),
    ];
    let mut left = tokens;
    let mut cost = Money::ZERO;
    for (paid, price) in kinds {
        let here = paid.unwrap_or(0).min(left);
        cost += (price - prices.read).times(here);
        left -= here;
    }
    cost
}
