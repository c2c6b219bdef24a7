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
/// By how much a prompt may be denser than its model's row says, in percent. Recorded code stays within
/// four percent of a row (2.6 to 2.75 bytes a token, by a row of 2.7), but the newest tokenizers came
/// out a quarter denser (2.0), and a character of Chinese or Japanese is three bytes and up to two
/// tokens. Only what no tokenizer has words for, such as random bytes, is denser than this.
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
#[expect(clippy::struct_excessive_bools, reason = "two independent facts")]
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
        known: &Known,
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

/// What of a prompt of so many tokens can be read, and whether it is its conversation's own. A prompt
/// that has become shorter was rewritten: what is held of its conversation is beyond the place where
/// they part.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Timestamp, Ttl, Usage};
    use crate::route::samples::{Sample, ask};
    use crate::route::{Candidate, Lesson};

    const MICRO: i128 = 1_000_000;

    fn only(sample: &Sample, ask: &Ask<'_>) -> Candidate {
        sample.decide(ask).unwrap().candidates.remove(0)
    }

    /// Micro-dollars, which are a million picodollars each.
    fn micros(money: Option<Money>) -> i128 {
        money.unwrap().as_pico() / MICRO
    }

    fn learn(sample: &mut Sample, ask: Ask<'_>, usage: Usage) {
        let lesson = Lesson::new(ask, 0, sample.now, usage);
        let Sample { network, state, .. } = sample;
        state.warmth.learn(network, &network.routes[0], &lesson);
    }

    #[test]
    fn what_is_warm_is_read_and_the_rest_is_written() {
        let mut sample = Sample::new(&["direct"]);
        // 40,000 tokens at 2.50 a million, and 512 of output at 10.
        let cold = only(&sample, &ask(80_000));
        assert_eq!((cold.prompt, cold.warm, cold.counted), (40_000, 0, 40_000));
        assert_eq!(micros(cold.expected), 100_000 + 5_120);
        learn(
            &mut sample,
            ask(80_000),
            Usage::reported(0, 0, 40_000, 0, 100),
        );
        // 40,000 read at 0.10, 10,000 written, and what answers had of output.
        let turn = only(&sample, &ask(100_000));
        assert_eq!(
            (turn.prompt, turn.warm, turn.counted),
            (50_000, 40_000, 10_000)
        );
        assert_eq!(micros(turn.expected), 4_000 + 25_000 + 1_000);
        // Near misses: reads that count, an answer held shorter, a prompt below the minimum.
        sample.route().offers[0].reads_count = true;
        let mut short = ask(100_000);
        short.max_output = Some(10);
        let turn = only(&sample, &short);
        assert_eq!(turn.counted, 50_000);
        assert_eq!(micros(turn.expected), 4_000 + 25_000 + 100);
        let mut tiny = ask(1_022);
        tiny.tenant = "another";
        assert_eq!(micros(only(&sample, &tiny).expected), 2 * 511 + 5_120);
        tiny.bytes = 1_024;
        assert_eq!(micros(only(&sample, &tiny).expected), 1_280 + 5_120);
    }

    #[test]
    fn a_regional_endpoint_is_dearer() {
        let mut sample = Sample::new(&["direct"]);
        sample.route().offers[0].facts.regional_percent = 10;
        let plain = only(&sample, &ask(80_000));
        sample.network.backends[0].regional = true;
        let regional = only(&sample, &ask(80_000));
        assert_eq!(micros(regional.expected) * 10, micros(plain.expected) * 11);
        assert_eq!(
            micros(regional.worst.money) * 10,
            micros(plain.worst.money) * 11
        );
    }

    #[test]
    fn the_worst_case_is_the_dearest_class_the_longest_answer_and_a_margin() {
        let mut sample = Sample::new(&["direct"]);
        let mut call = ask(80_000);
        let worst = |sample: &Sample, call: &Ask<'_>| {
            let worst = only(sample, call).worst;
            (micros(worst.money), worst.tokens)
        };
        // 60,000 tokens at 4 (one hour), 32,768 of output at 10.
        assert_eq!(worst(&sample, &call), (240_000 + 327_680, 92_768));
        call.max_output = Some(1000);
        assert_eq!(worst(&sample, &call), (250_000, 61_000));
        sample.route().offers[0].facts.limits.one_hour = false;
        assert_eq!(worst(&sample, &call), (160_000, 61_000));
        // A conversation that turned out denser reserves more; one that is lighter no less.
        learn(&mut sample, call, Usage::reported(50_000, 0, 0, 0, 1));
        assert_eq!(worst(&sample, &call).1, 76_000);
        learn(&mut sample, call, Usage::reported(20_000, 0, 0, 0, 1));
        assert_eq!(worst(&sample, &call).1, 61_000);
        sample.route().offers[0].facts.prices = None;
        let unpriced = only(&sample, &call);
        assert_eq!((unpriced.worst.money, unpriced.expected), (None, None));
        assert_eq!(unpriced.worst.tokens, 61_000);
    }

    #[test]
    fn media_weigh_less_than_they_spell() {
        let sample = Sample::new(&["direct"]);
        let mut call = ask(480_000);
        call.media = 400_000;
        assert_eq!(only(&sample, &call).prompt, 45_000);
        call.media = 0;
        assert_eq!(only(&sample, &call).prompt, 240_000);
    }

    #[test]
    fn only_caches_that_are_written_at_markers_charge_for_writing() {
        let mut sample = Sample::new(&["direct"]);
        let written = micros(only(&sample, &ask(80_000)).expected);
        let limits = &mut sample.route().offers[0].facts.limits;
        limits.max_breakpoints = 0;
        let plain = micros(only(&sample, &ask(80_000)).expected);
        assert_eq!((written, plain), (105_120, 85_120));
        let limits = &mut sample.route().offers[0].facts.limits;
        (limits.max_breakpoints, limits.regime) = (4, Regime::Automatic);
        assert_eq!(micros(only(&sample, &ask(80_000)).expected), plain);
        let limits = &mut sample.route().offers[0].facts.limits;
        (limits.regime, limits.ttl) = (Regime::Breakpoints, Ttl::OneHour);
        assert_eq!(micros(only(&sample, &ask(80_000)).expected), 165_120);
    }

    #[test]
    fn a_prompt_that_was_rewritten_is_not_warm() {
        let mut sample = Sample::new(&["direct"]);
        learn(
            &mut sample,
            ask(80_000),
            Usage::reported(0, 0, 40_000, 0, 1),
        );
        sample.now = Timestamp::from_micros(2_000_000);
        assert_eq!(only(&sample, &ask(76_000)).warm, 38_000);
        assert_eq!(only(&sample, &ask(40_000)).warm, 0);
    }
}
