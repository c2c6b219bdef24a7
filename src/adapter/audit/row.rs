//! One turn as a row of the ledger: priced, and with what it missed.

use super::evidence::Evidence;
use super::lane::{Figures, Finding};
use super::turn::{Ending, Turn};
use crate::ledger::{Record, Verdict};
use crate::model::{Cause, Miss, Money, PriceTier, Regime, Usage};
use crate::provider::Model;

/// What an exchange's row says before anything is explained.
pub(super) fn record(turn: &Turn, model: &Model) -> Record {
    Record {
        at: turn.at,
        first_byte: turn.first_byte,
        ended: turn.ended,
        provider: (&*turn.provider).into(),
        dialect: turn.dialect.into(),
        model: model.name.clone(),
        model_known: model.limits.known,
        route: (&*turn.place.route).into(),
        tenant: (&*turn.place.tenant).into(),
        status: turn.status,
        complete: turn.ending == Ending::Whole,
        usage: turn.usage,
        // Nothing was estimated, so no estimate is wrong.
        estimated_input: turn.usage.and_then(|usage| usage.input()).unwrap_or(0),
        verdict: match turn.usage {
            None if turn.status >= 400 => Verdict::Failed,
            None => Verdict::Unreported,
            Some(_) => Verdict::Unread,
        },
        ..Record::default()
    }
}

/// The prices of an exchange; `None` without a row of prices, or without usage.
pub(super) fn tier(turn: &Turn, model: &Model) -> Option<PriceTier> {
    let mut prices = model.prices?;
    if turn.regional {
        prices = prices.dearer_by(model.regional_percent);
    }
    Some(*prices.tier(turn.usage?.input()?))
}

/// Prices a record.
pub(super) fn price(record: &mut Record, tier: Option<&PriceTier>) {
    let Some(usage) = record.usage else { return };
    record.cost = usage.cost;
    let Some(tier) = tier else { return };
    record.cost = usage.cost.or_else(|| Some(tier.cost(&usage)));
    record.cost_without_caching = Some(tier.cost_without_caching(&usage));
    record.premium = tier.write_premium(&usage);
}

/// What came of caching, as far as the usage shows.
pub(super) fn verdict(finding: &Finding, figures: Figures, model: &Model) -> Verdict {
    let cause = finding.miss.as_ref().map(|miss| miss.0);
    match cause {
        Some(Cause::BelowMinimum) => Verdict::BelowMinimum,
        None if figures.read > 0 => Verdict::Hit,
        Some(_) if figures.read > 0 => Verdict::Partial,
        _ if figures.written > 0 && cause != Some(Cause::Lost) => Verdict::Written,
        Some(Cause::Lost) => Verdict::Lost,
        _ if model.limits.regime == Regime::Automatic => Verdict::Written,
        _ => Verdict::Plain,
    }
}

/// Writes the miss into the record, with what it cost.
pub(super) fn settle(record: &mut Record, finding: Finding, tier: Option<&PriceTier>) -> Evidence {
    let Some((cause, tokens, evidence)) = finding.miss else {
        return Evidence::Booked;
    };
    let mut miss = Miss::new(cause, tokens);
    if let Some(usage) = &record.usage {
        miss.cost = tier.map(|tier| above_reading(usage, tier, tokens));
    }
    if let Some((place, pattern)) = finding.place {
        miss.place = Some(place);
        miss.pattern = pattern;
    }
    record.miss = Some(miss);
    evidence
}

/// What `tokens` at the front of what was not read cost above the price of a read. Writes come
/// first, the longest class ahead, for so they stand in the prompt.
fn above_reading(usage: &Usage, tier: &PriceTier, tokens: u64) -> Money {
    let kinds = [
        (usage.write_1h, tier.write_1h),
        (usage.write_30m, tier.write_30m),
        (usage.write_5m, tier.write_5m),
        (usage.plain, tier.input),
    ];
    let mut left = tokens;
    let mut cost = Money::ZERO;
    for (paid, price) in kinds {
        let here = paid.unwrap_or(0).min(left);
        cost += (price - tier.read).times(here);
        left -= here;
    }
    cost
}
