//! Usage as OpenAI and all who copied it report it: counts that include one another.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::MarkerStyle;
use super::scan::unescape;
use crate::model::{Money, Usage};

/// A `usage` object. Every provider has its own subset; a member of an unexpected form counts as
/// absent rather than hiding the others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    #[serde(deserialize_with = "count")]
    prompt_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    completion_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    output_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<Input>,
    input_tokens_details: Option<Input>,
    completion_tokens_details: Option<Output>,
    /// DeepSeek's counts, which add up to `prompt_tokens`.
    #[serde(deserialize_with = "count")]
    prompt_cache_hit_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    prompt_cache_miss_tokens: Option<u64>,
    /// Mistral's older name.
    #[serde(deserialize_with = "count")]
    num_cached_tokens: Option<u64>,
    /// Moonshot's and Cohere's name.
    #[serde(deserialize_with = "count")]
    cached_tokens: Option<u64>,
    /// Cohere's counts.
    tokens: Option<Tokens>,
    /// OpenRouter's and Vercel's figure in US dollars.
    #[serde(deserialize_with = "dollars")]
    cost: Option<Money>,
    /// xAI's figure; a tick is 10⁻¹⁰ US dollars.
    #[serde(deserialize_with = "count")]
    cost_in_usd_ticks: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Input {
    #[serde(deserialize_with = "count")]
    cached_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_write_tokens: Option<u64>,
    /// Qwen's name.
    #[serde(deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Output {
    #[serde(deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Tokens {
    #[serde(deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    output_tokens: Option<u64>,
}

impl Counts {
    /// The kinds without what they have in common; `None` when nothing was reported.
    pub(super) fn usage(&self, marker: MarkerStyle) -> Option<Usage> {
        let details = self.prompt_tokens_details.or(self.input_tokens_details);
        let details = details.unwrap_or_default();
        let cohere = self.tokens.unwrap_or_default();
        let read = details
            .cached_tokens
            .or(self.prompt_cache_hit_tokens)
            .or(self.num_cached_tokens)
            .or(self.cached_tokens);
        let written = details
            .cache_write_tokens
            .or(details.cache_creation_input_tokens);
        let total = self
            .prompt_tokens
            .or(self.input_tokens)
            .or(cohere.input_tokens);
        // OpenRouter reported 2,161 read and the same 2,161 written of 2,168 (Gemini), Azure 161
        // read of a prompt of 7 (Grok, whose hidden prefix is counted; both recorded 2026): what
        // was read or written stays as it was said, and nothing is plain.
        let plain = total.map(|total| {
            total
                .saturating_sub(read.unwrap_or(0))
                .saturating_sub(written.unwrap_or(0))
        });
        let mut usage = Usage {
            plain: plain.or(self.prompt_cache_miss_tokens),
            read,
            output: self.output(total).or(cohere.output_tokens),
            cost: self.cost.or_else(|| self.ticks()),
            ..Usage::default()
        };
        if marker == MarkerStyle::PromptCacheBreakpoint {
            usage.write_30m = written;
        } else {
            usage.write_5m = written;
        }
        (usage != Usage::default()).then_some(usage)
    }

    /// Output with the thinking in it. xAI's Chat endpoint counts that apart, and only its total
    /// includes it (recorded 2026: 12 in, 2 out, 340 thought, 354 in all).
    fn output(&self, input: Option<u64>) -> Option<u64> {
        let output = self.completion_tokens.or(self.output_tokens)?;
        let details = self.completion_tokens_details.unwrap_or_default();
        let thought = details.reasoning_tokens;
        let sum = |thought: u64| input?.checked_add(output)?.checked_add(thought);
        match (thought, self.total_tokens) {
            (Some(thought), Some(total)) if sum(thought) == Some(total) => Some(output + thought),
            _ => Some(output),
        }
    }

    /// Azure passes the counter on as zero where it sends the bill itself (recorded 2026), so zero
    /// is no price.
    fn ticks(&self) -> Option<Money> {
        let ticks = self.cost_in_usd_ticks.filter(|ticks| *ticks > 0)?;
        Some(Money::from_pico(i128::from(ticks) * 100))
    }
}

/// A number of tokens; some write one with a fraction of zero.
fn count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let raw = <Option<&RawValue>>::deserialize(from)?;
    let whole = raw.map(|raw| raw.get().strip_suffix(".0").unwrap_or_else(|| raw.get()));
    Ok(whole.and_then(|digits| digits.parse().ok()))
}

pub(super) fn dollars<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Money>, D::Error> {
    let raw = <Option<&RawValue>>::deserialize(from)?;
    Ok(raw.and_then(|raw| usd(raw.get().trim_matches('"'))))
}

/// An amount in US dollars as JSON spells numbers, in picodollars; what is below them is rounded
/// off. `None` where it is no amount.
fn usd(number: &str) -> Option<Money> {
    const PICO: i32 = 12;
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let shift = PICO
        .checked_add(exponent)?
        .checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let scale = 10_i128.checked_pow(shift.unsigned_abs());
    let pico = match (scale, shift >= 0) {
        (Some(scale), true) => digits.checked_mul(scale)?,
        (Some(scale), false) => digits / scale,
        (None, true) => return (digits == 0).then_some(Money::ZERO),
        (None, false) => 0,
    };
    (pico >= 0).then(|| Money::from_pico(pico))
}

/// The only members of an error that may be shown: its message can quote the prompt.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
}

/// The name of the error that a body reports: its type, else its code.
pub(super) fn named(error: &RawValue) -> Box<str> {
    let named: Named<'_> = serde_json::from_str(error.get()).unwrap_or_default();
    let text = |raw: &RawValue| unescape(raw.get().as_bytes()).map(|text| text.into());
    let name = named
        .kind
        .and_then(text)
        .or_else(|| named.code.and_then(text));
    name.unwrap_or_else(|| "error".into())
}
