//! What the figures leave out, and where they may be wrong.

use maud::{Markup, html};

use super::format::{count, counted, percent, ratio, reported};
use crate::ledger::Story;
use crate::model::Cause;

pub(super) fn section(story: &Story) -> Markup {
    let total = &story.total;
    let unknown = story.causes.iter().find(|sum| sum.cause == Cause::Unknown);
    let lost = unknown.map_or(0, |sum| sum.tokens);
    html! {
        section id="gaps" {
            h2 { "What these figures leave out" }
            dl.gaps {
                (gap("Rows dropped", &count(story.dropped), &html! {
                    "The ledger could not keep up with them. They are in no figure on this page."
                }))
                (gap("Usage not reported", &count(total.unreported), &html! {
                    "Exchanges whose response named no usage. They count as exchanges only; zero is not assumed."
                }))
                (gap("Without a price", &count(total.unpriced), &html! {
                    "Exchanges of models without a price row. Their tokens count, their dollars do not."
                }))
                (gap("Passed on untouched", &count(total.skipped), &html! {
                    "Requests that were not understood, or not meant to be. Nothing was changed in them."
                }))
                (gap("Estimates were off by", &percent(total.estimate_error()), &html! {
                    (count(total.misestimated)) " of " (reported(total.usage.input()))
                    " input tokens, in either direction. Plans rest on these estimates; bills do not."
                }))
                (gap("Cause unknown", &percent(ratio(lost, total.missed)), &html! {
                    (counted(unknown.map_or(0, |sum| sum.misses), "miss", "misses")) " with " (count(lost))
                    " of " (count(total.missed)) " missed tokens, for which no cause can be shown."
                }))
                @if total.presumed > 0 {
                    (gap("Perhaps billed", &total.presumed_cost.to_string(), &html! {
                        (counted(total.presumed, "prompt", "prompts"))
                        " that were sent and of which no usage came back. Not part of what was paid."
                    }))
                }
                (gap("Errands", &total.errands_cost.to_string(), &html! {
                    (counted(total.errands, "call", "calls"))
                    " on your behalf, such as renting a cache. They are part of what was paid."
                }))
                (gap("Time added", &overhead(story), &html! {
                    "Per exchange, on average, for reading, planning, rewriting and accounting."
                }))
            }
        }
    }
}

fn gap(name: &str, figure: &str, says: &Markup) -> Markup {
    html! {
        div { dt { (name) } dd { span.figure { (figure) } " " span.says { (says) } } }
    }
}

fn overhead(story: &Story) -> String {
    let total = &story.total;
    total
        .overhead_micros
        .checked_div(total.exchanges)
        .map_or_else(
            || super::format::NOTHING.into(),
            |micros| format!("{}\u{a0}µs", count(micros)),
        )
}
