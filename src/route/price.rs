//! What a call is expected to cost at an offer, and what it can cost at most.

use super::warmth::{Held, Known};
use super::{Ask, Backend, Offer, Worst};
use crate::model::{Money, PriceTier, Prices, Regime};
use crate::provider::Model;

/// Base64 bytes of images and documents that weigh as much as one byte of text. A megabyte of them
/// is some ten thousand tokens at most, against four hundred thousand as text.
const MEDIA: u64 = 40;
/// Output tokens that are expected before the route's first answer.
const OUTPUT: u64 = 512;
/// Output tokens that are reserved for a call that names no limit. Agents' answers stay far below it;
/// a model that may write more is not held to it.
const MOST_OUTPUT: u64 = 32 * 1024;
/// By how much a prompt may be denser than foreseen, in percent. Rows say 2.7 bytes a token for
/// Claude (recorded on code: 2.6 to 2.75, on the newest models about 2.0), so this reserves for 1.8,
/// which is denser than any recorded and than Chinese or Japanese at two tokens for three characters
/// of three bytes each. Only what no tokenizer has a word for, such as random bytes, is denser.
const MARGIN: u64 = 150;
/// Later turns that are counted on at most, however long a conversation has been.
const MOST_TURNS: u32 = 20;

/// What a model without prices is weighed by, in picodollars a token: one dollar per million, and
/// the usual multiples of it. Never shown as a cost.
const USUAL: Prices = Prices::flat(PriceTier::new([
    Money::from_pico(1_000_000),
    Money::from_pico(1_250_000),
    Money::from_pico(2_000_000),
    Money::from_pico(100_000),
    Money::from_pico(5_000_000),
]));

/// What one call comes to at one offer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quote<'a> {
    /// Tokens of the prompt, foreseen.
    pub(super) prompt: u64,
    /// Of these, tokens that are warm.
    pub(super) warm: u64,
    /// Whether they are the conversation's own, and not only what its route shares.
    pub(super) is_own: bool,
    /// Whether the model has prices; without, the figures are for comparing only.
    pub(super) is_priced: bool,
    /// The most it can cost.
    pub(super) worst: Worst,
    output: u64,
    turns: u32,
    bill: Bill<'a>,
}

/// Tokens of a call's prompt by the model's row alone.
pub(super) fn foreseen(ask: &Ask<'_>, facts: &Model) -> u64 {
    let media = ask.media.min(ask.bytes);
    let bytes = ask
        .bytes
        .saturating_sub(media)
        .saturating_add(media / MEDIA);
    bytes.saturating_mul(1000) / u64::from(facts.bytes_per_ktok.max(1))
}

impl<'a> Quote<'a> {
    pub(super) fn of(
        offer: &'a Offer,
        backend: &Backend,
        ask: &Ask<'_>,
        known: &Known<'_>,
        held: Held,
    ) -> Self {
        let facts = &offer.facts;
        let density = known.density();
        let by_row = foreseen(ask, facts);
        let prompt = by_row.saturating_mul(density.unwrap_or(1000)) / 1000;
        let (warm, is_own) = warm(held, prompt);
        let prices = facts.prices.as_ref();
        let tier = prices.unwrap_or(&USUAL).tier(prompt);
        let bill = Bill {
            tier,
            fresh: fresh_price(facts, tier, prompt),
            percent: if backend.regional {
                facts.regional_percent
            } else {
                0
            },
        };
        let expected = known.output().unwrap_or(OUTPUT);
        Self {
            prompt,
            warm,
            is_own,
            is_priced: prices.is_some(),
            worst: worst(ask, facts, (by_row, density), &bill),
            output: ask.max_output.map_or(expected, |most| expected.min(most)),
            turns: known.turns(),
            bill,
        }
    }

    /// Expected cost, with warm tokens read.
    pub(super) fn cost(&self) -> Money {
        self.bill
            .of(self.warm, self.prompt - self.warm, self.output)
    }

    /// Expected cost if nothing were warm.
    pub(super) fn cold(&self) -> Money {
        self.bill.of(0, self.prompt, self.output)
    }

    /// What as many later turns as the conversation has had would cost there: by Lindy's law it has
    /// as many before it as behind it. Each reads this prompt and adds what a turn has added so far.
    pub(super) fn later(&self) -> Money {
        if self.turns == 0 {
            return Money::ZERO;
        }
        let grown = self.prompt / (u64::from(self.turns) + 1);
        let turn = self.bill.of(self.prompt, grown, self.output);
        turn.times(u64::from(self.turns.min(MOST_TURNS)))
    }
}

/// What is billed at which price.
#[derive(Clone, Copy, Debug)]
struct Bill<'a> {
    tier: &'a PriceTier,
    /// Of what is not read.
    fresh: Money,
    /// What a regional endpoint adds.
    percent: u32,
}

impl Bill<'_> {
    fn of(&self, read: u64, fresh: u64, output: u64) -> Money {
        let input = self.tier.read.times(read) + self.fresh.times(fresh);
        self.regional(input + self.tier.output.times(output))
    }

    fn regional(&self, money: Money) -> Money {
        if self.percent == 0 {
            return money;
        }
        let pico = money
            .as_pico()
            .saturating_mul(i128::from(self.percent) + 100);
        Money::from_pico(pico / 100)
    }
}

/// What of a prompt of so many tokens can be read, and whether it is its conversation's own. A prompt that has become shorter was rewritten:
/// what is held of its conversation is beyond the place where they part.
fn warm(held: Held, prompt: u64) -> (u64, bool) {
    let own = held.own.map_or(0, |(tokens, _)| tokens);
    // Some of it is left to the estimate's error.
    let is_rewritten = own > prompt.saturating_add(prompt / 8);
    let own = if is_rewritten { 0 } else { own };
    let shared = held.shared.map_or(0, |(tokens, _)| tokens);
    (own.max(shared).min(prompt), own > shared)
}

/// The price of what is not read: of a write where the model's cache is written at markers and the
/// prompt is long enough.
fn fresh_price(facts: &Model, tier: &PriceTier, prompt: u64) -> Money {
    let limits = &facts.limits;
    let is_marked = limits.regime != Regime::Automatic && limits.max_breakpoints > 0;
    if is_marked && prompt >= limits.min_tokens && !limits.is_beyond(prompt) {
        tier.write(limits.ttl)
    } else {
        tier.input
    }
}

/// Everything written at the dearest class that may be used, and the longest answer.
fn worst(
    ask: &Ask<'_>,
    facts: &Model,
    (by_row, density): (u64, Option<u64>),
    bill: &Bill<'_>,
) -> Worst {
    let density = density.map_or(1000, |density| density.max(1000));
    let dense = by_row.saturating_mul(density) / 1000;
    let prompt = dense.saturating_mul(MARGIN).div_ceil(100);
    let output = ask.max_output.unwrap_or(MOST_OUTPUT);
    let money = facts.prices.as_ref().map(|prices| {
        let tier = prices.tier(prompt);
        let limits = &facts.limits;
        let mut dearest = tier.input.max(tier.write(limits.ttl));
        if limits.one_hour {
            dearest = dearest.max(tier.write_1h);
        }
        bill.regional(dearest.times(prompt) + tier.output.times(output))
    });
    Worst {
        money,
        tokens: prompt.saturating_add(output),
    }
}
