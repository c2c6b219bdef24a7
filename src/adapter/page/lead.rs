//! The story in a few sentences and large figures.

use maud::{Markup, html};

use super::format::{NOTHING, counted, date, moment, money_ratio, percent, short_count};
use crate::ledger::{Holdout, Story, Totals};
use crate::model::Money;

pub(super) fn title(story: &Story) -> String {
    let saved = story.total.savings();
    let said = match saved {
        _ if story.total.exchanges == 0 => "no exchanges yet".into(),
        saved if saved < Money::ZERO => format!("caching cost {} more", -saved),
        saved => format!("caching saved {saved}"),
    };
    format!("cachewright: {said}")
}

pub(super) fn header(story: &Story) -> Markup {
    html! {
        p.name { "cachewright" }
        h1 { (headline(story)) }
        p.period { (period(story)) }
    }
}

fn headline(story: &Story) -> Markup {
    let total = &story.total;
    let (saved, without) = (total.savings(), total.cost_without_caching);
    html! {
        @if total.exchanges == 0 {
            "No exchanges yet"
        } @else if without == Money::ZERO && total.cost == Money::ZERO {
            "No exchange here has a price yet"
        } @else if saved < Money::ZERO {
            "Caching cost " strong.loss { (-saved) } " more than it saved: "
            (total.cost) " instead of " (without)
        } @else {
            "Caching saved " strong.gain { (saved) } " of " (without)
            @if let Some(rate) = money_ratio(saved, without) { " (" (percent(Some(rate))) ")" }
        }
    }
}

fn period(story: &Story) -> Markup {
    let total = &story.total;
    html! {
        @if total.exchanges == 0 {
            "Send a request through the proxy or the layer, and this page fills."
        } @else {
            (counted(total.exchanges, "exchange", "exchanges"))
            @if let (Some(from), Some(until)) = (story.from, story.until) {
                @if from == until {
                    ", " time datetime=(machine(from)) { (moment(from)) } " UTC"
                } @else {
                    ", " time datetime=(machine(from)) { (moment(from)) }
                    " to " time datetime=(machine(until)) { (moment(until)) } " UTC"
                }
            }
        }
    }
}

fn machine(at: crate::model::Timestamp) -> String {
    date(at, "%Y-%m-%dT%H:%MZ")
}

/// What the control arm says of the saving.
fn measured(holdout: &Holdout) -> Markup {
    html! {
        div.figure {
            h2 { "Saved, as measured" }
            @match &holdout.saving {
                Ok(saving) => {
                    @let [low, high] = saving.interval;
                    p.big { (percent(Some(saving.share))) }
                    p { "Between " (percent(Some(low))) " and " (percent(Some(high)))
                        " less than " (holdout.control.conversations)
                        " conversations that were left alone, or " (saving.amount) "." }
                }
                Err(few) => {
                    p.big { (NOTHING) }
                    p { "The " (few.arm.as_str()) " arm has " (few.conversations) " of "
                        (few.needed) " conversations that a figure takes." }
                }
            }
        }
    }
}

/// What pings have earned, against what they cost.
fn pings(total: &Totals) -> Markup {
    html! {
        div.figure {
            h2 { "Saved by pings" }
            p.big { (total.pings_saved) }
            p { "This is what reading the prefixes that they had kept saved at most; "
                (counted(total.pings, "ping", "pings")) " cost " (total.pings_cost) "." }
        }
    }
}

/// The large figures, each with its sentence.
pub(super) fn figures(story: &Story) -> Markup {
    let total = &story.total;
    let could = story.could_save();
    html! {
        @if total.exchanges > 0 {
            section.figures aria-label="In short" {
                div.figure {
                    h2 { "Saved" }
                    p.big.gain[total.savings() >= Money::ZERO].loss[total.savings() < Money::ZERO] {
                        (total.savings())
                    }
                    p { "Paid " (total.cost) ", where " (total.cost_without_caching)
                        " would have been due without caching. Premiums of all writes are counted." }
                }
                @if let Some(holdout) = &story.holdout { (measured(holdout)) }
                div.figure {
                    h2 { "Wasted" }
                    p.big { (total.waste) }
                    p { "Premiums of " (counted(story.never_read, "write", "writes"))
                        " that expired without having been read." }
                }
                div.figure {
                    h2 { "Could still be saved" }
                    p.big { (could) }
                    p { "Misses that a change of prompts or settings avoids, and the writes that nobody read." }
                }
                @if total.pings > 0 || total.pings_saved != Money::ZERO { (pings(total)) }
                div.figure {
                    h2 { "Hit rate" }
                    p.big { (percent(total.hit_rate())) }
                    p { "Of all input tokens"
                        @if let Some(input) = total.usage.input() { " (" (short_count(input)) ")" }
                        " came from the cache." }
                }
                div.figure {
                    h2 { "Of what was possible" }
                    p.big { (percent(total.read_of_readable())) }
                    @if total.readable == 0 {
                        p { "Nothing that an earlier request had sent was sent again." }
                    } @else {
                        p { "Of the " (short_count(total.readable))
                            " tokens that an earlier request had sent already were read." }
                    }
                }
                div.figure {
                    h2 { "Missed" }
                    p.big { (total.missed_cost) }
                    p { (counted(total.misses, "exchange", "exchanges")) " could have read "
                        (short_count(total.missed)) " tokens more; this is what that cost." }
                }
            }
        }
    }
}
