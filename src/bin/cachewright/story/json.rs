//! The story as JSON: everything in it, whatever the tables are told by.

use cachewright::ledger::{ArmSum, Group, Holdout, Totals, Worst};
use cachewright::model::Money;
use serde_json::{Map, Value, json};

use super::Subject;
use super::words::name;
use crate::render::decimal;
use crate::times::rfc3339;

/// The report as JSON.
pub(crate) fn json(subject: &Subject<'_>) -> String {
    let story = subject.story;
    let mut by = Map::new();
    for (group, sums) in &story.by {
        let rows: Vec<Value> = sums
            .iter()
            .map(|(label, sum)| labelled(*group, label, sum))
            .collect();
        by.insert(name(*group).to_owned(), Value::from(rows));
    }
    let causes: Vec<Value> = story
        .causes
        .iter()
        .map(|sum| {
            json!({"cause": sum.cause.as_str(), "misses": sum.misses, "tokens": sum.tokens,
                   "cost": money(sum.cost), "avoidable": sum.cause.is_avoidable(),
                   "meaning": sum.cause.meaning(), "advice": sum.cause.advice()})
        })
        .collect();
    let verdicts: Map<String, Value> = story
        .verdicts
        .iter()
        .map(|(verdict, count)| (verdict.as_str().to_owned(), Value::from(*count)))
        .collect();
    let moments: Vec<Value> = story
        .moments
        .iter()
        .map(|moment| json!({"at": rfc3339(moment.at), "totals": totals(&moment.totals)}))
        .collect();
    let flames: Vec<Value> = story
        .flames
        .iter()
        .map(|flame| {
            let kinds = flame.kinds;
            json!({"path": flame.path, "read_tokens": kinds.read, "write_tokens": kinds.write,
                   "plain_tokens": kinds.plain})
        })
        .collect();
    let all = json!({
        "ledger": subject.place,
        "from": story.from.map(rfc3339),
        "until": story.until.map(rfc3339),
        "could_save": money(story.could_save()),
        "total": totals(&story.total),
        "by": by,
        "causes": causes,
        "verdicts": verdicts,
        "worst": story.worst.iter().map(worst).collect::<Vec<_>>(),
        "moments": moments,
        "prefixes": flames,
        "never_read": story.never_read,
        "dropped": story.dropped,
        "holdout": story.holdout.as_ref().map(holdout),
    });
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

/// An amount, exact and readable.
pub(crate) fn money(amount: Money) -> Value {
    let pico = i64::try_from(amount.as_pico()).ok();
    json!({"usd": decimal(amount), "picodollars": pico})
}

/// The saving as it is measured, or why there is no figure.
fn holdout(holdout: &Holdout) -> Value {
    let arm = |sum: &ArmSum| {
        json!({"conversations": sum.conversations, "cost": money(sum.cost),
               "cost_without_caching": money(sum.cost_without_caching), "ratio": sum.ratio()})
    };
    let saving = holdout.saving.as_ref().ok().map(|saving| {
        let [low, high] = saving.interval;
        json!({"share": saving.share, "low": low, "high": high, "amount": money(saving.amount)})
    });
    let few = holdout.saving.as_ref().err().map(|few| {
        json!({"arm": few.arm.as_str(), "conversations": few.conversations, "needed": few.needed})
    });
    json!({"treated": arm(&holdout.treated), "control": arm(&holdout.control),
           "measured": saving, "too_few": few})
}

fn labelled(group: Group, label: &str, sum: &Totals) -> Value {
    let mut object = totals(sum);
    if let Some(object) = object.as_object_mut() {
        object.insert(name(group).to_owned(), Value::from(label));
    }
    object
}

fn totals(totals: &Totals) -> Value {
    let usage = &totals.usage;
    json!({
        "exchanges": totals.exchanges,
        "unreported": totals.unreported,
        "unpriced": totals.unpriced,
        "skipped": totals.skipped,
        "plain_tokens": usage.plain,
        "read_tokens": usage.read,
        "write_5m_tokens": usage.write_5m,
        "write_30m_tokens": usage.write_30m,
        "write_1h_tokens": usage.write_1h,
        "output_tokens": usage.output,
        "hit_rate": totals.hit_rate(),
        "readable_tokens": totals.readable,
        "read_of_readable": totals.read_of_readable(),
        "estimate_error": totals.estimate_error(),
        "cost": money(totals.cost),
        "cost_without_caching": money(totals.cost_without_caching),
        "saved": money(totals.savings()),
        "waste": money(totals.waste),
        "errands": totals.errands,
        "errands_cost": money(totals.errands_cost),
        "pings": totals.pings,
        "pings_cost": money(totals.pings_cost),
        "pings_saved": money(totals.pings_saved),
        "misses": totals.misses,
        "missed_tokens": totals.missed,
        "missed_cost": money(totals.missed_cost),
        "overhead_micros": totals.overhead_micros,
        "attempts": totals.attempts,
        "hops": totals.hops,
        "hops_cost": money(totals.hops_cost),
        "presumed": totals.presumed,
        "presumed_cost": money(totals.presumed_cost),
    })
}

fn worst(worst: &Worst) -> Value {
    json!({
        "route": worst.route,
        "cause": worst.cause.as_str(),
        "pattern": worst.pattern.map(cachewright::model::Pattern::as_str),
        "pointer": worst.pointer,
        "byte": worst.byte,
        "excerpts": worst.excerpts,
        "misses": worst.misses,
        "tokens": worst.tokens,
        "cost": money(worst.cost),
        "advice": worst.cause.advice(),
    })
}
