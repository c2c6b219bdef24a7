//! The story in sentences.

use cachewright::ledger::{ArmSum, Group, Holdout, Story, Worst};
use cachewright::model::Money;

use super::Subject;
use crate::render::percent;
use crate::times::local;

/// What happened, the most important first.
pub(super) fn opening(subject: &Subject<'_>) -> Vec<String> {
    let story = subject.story;
    let total = &story.total;
    let mut said = vec![span(subject), String::new()];
    let saved = total.savings();
    let share = total.saved_share().map(percent);
    let of = share.map_or_else(String::new, |share| format!(" ({share})"));
    let (verb, amount) = if saved.as_pico() < 0 {
        ("Caching cost", -saved)
    } else {
        ("Caching saved", saved)
    };
    said.push(format!(
        "{verb} {amount}{of}: {} were spent, and {} would have been without caching.",
        total.cost, total.cost_without_caching
    ));
    said.extend(story.holdout.as_ref().map(measured));
    said.push(format!(
        "Wasted: {} on {} that expired before anybody had read all of it.",
        total.waste,
        counted(story.never_read, "write")
    ));
    said.push(format!(
        "Could save: {} more by a change of prompts or settings.",
        story.could_save()
    ));
    let rate = total.hit_rate().map(percent);
    let of_readable = total.read_of_readable().map(percent);
    if total.hops > 0 {
        said.push(format!(
            "Hops: {} for {} that left a warm prefix behind, as reckoned when the route decided.",
            total.hops_cost,
            counted(total.hops, "attempt")
        ));
    }
    if total.pings > 0 || total.pings_saved != Money::ZERO {
        said.push(format!(
            "Pings: {} cost {}, and reading what they had kept saved {} at most.",
            counted(total.pings, "ping"),
            total.pings_cost,
            total.pings_saved
        ));
    }
    if let Some(rate) = rate {
        let possible = of_readable.map_or_else(String::new, |rate| {
            format!("; that is {rate} of what could have been read")
        });
        said.push(format!(
            "Read from the cache: {rate} of all input tokens{possible}."
        ));
    }
    said
}

/// What the control arm says of the saving.
fn measured(holdout: &Holdout) -> String {
    let modelled = |sum: &ArmSum| sum.ratio().map_or_else(|| "nothing".into(), percent);
    match &holdout.saving {
        Ok(saving) => {
            let [low, high] = saving.interval.map(percent);
            format!(
                "Measured: {} less than {} that were left alone ({low} to {high}), which is {}. \
                 They paid {} of the price without caching, the others {}. Each may read what the \
                 others wrote.",
                percent(saving.share),
                counted(holdout.control.conversations, "conversation"),
                saving.amount,
                modelled(&holdout.treated),
                modelled(&holdout.control),
            )
        }
        Err(few) => format!(
            "Measured: nothing yet. The {} arm has {} with prices, and it takes {} or more, of \
             which none outweighs the others.",
            few.arm.as_str(),
            counted(few.conversations, "conversation"),
            few.needed,
        ),
    }
}

fn span(subject: &Subject<'_>) -> String {
    let story = subject.story;
    let count = counted(story.total.exchanges, "exchange");
    match (story.from, story.until) {
        (Some(from), Some(until)) => format!(
            "{count} from {} to {}, in {}.",
            local(from),
            local(until),
            subject.place
        ),
        _ => format!("{count} in {}.", subject.place),
    }
}

/// The dearest places, each with what to change.
pub(super) fn worst(story: &Story) -> Vec<(String, String)> {
    let told = |worst: &Worst| {
        let mut what = format!(
            "{}: {} in {} ({} tokens)",
            worst.cost,
            worst.cause.meaning(),
            counted(worst.misses, "exchange"),
            grouped(worst.tokens)
        );
        if !worst.route.is_empty() {
            what += &format!(", route {}", worst.route);
        }
        if !worst.pointer.is_empty() {
            what += &format!(", last at {} byte {}", worst.pointer, worst.byte);
        }
        if let Some(pattern) = worst.pattern {
            what += &format!(", looks like a {}", pattern.as_str().replace('_', " "));
        }
        if let Some([before, after]) = &worst.excerpts {
            what += &format!("; was “{before}”, is “{after}”");
        }
        (what, worst.cause.advice().to_owned())
    };
    story.worst.iter().map(told).collect()
}

/// What a reader must know to trust the figures.
pub(super) fn gaps(story: &Story) -> Vec<String> {
    let total = &story.total;
    let mut said = Vec::new();
    if story.dropped > 0 {
        said.push(format!(
            "{} dropped, because the ledger could not keep up or could not be written.",
            counted(story.dropped, "row")
        ));
    }
    if total.unreported > 0 {
        said.push(format!(
            "{} without reported usage: counted, but not in tokens or dollars.",
            counted(total.unreported, "exchange")
        ));
    }
    if total.presumed > 0 {
        said.push(format!(
            "{} may have been billed {} without a word: sent, and no usage came back. It is not within what was spent.",
            counted(total.presumed, "exchange"),
            total.presumed_cost
        ));
    }
    if total.unpriced > 0 {
        said.push(format!(
            "{} with models that have no price: in tokens, but not in dollars.",
            counted(total.unpriced, "exchange")
        ));
    }
    if total.skipped > 0 {
        said.push(format!(
            "{} passed on untouched: nothing was planned for them.",
            counted(total.skipped, "exchange")
        ));
    }
    if total.errands > 0 {
        said.push(format!(
            "{} (explicit caches, pings, pre-warming) took {}, which is within what was spent.",
            counted(total.errands, "errand"),
            total.errands_cost
        ));
    }
    if let Some(error) = total.estimate_error() {
        said.push(format!(
            "Estimates of input tokens were off by {}; only placement rests on them.",
            percent(error)
        ));
    }
    if said.is_empty() {
        said.push("Nothing: every exchange is in them.".into());
    }
    said
}

/// `1 row`, `1,234 rows`.
fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// A number with a comma between groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A text, or a dash where there is none.
pub(crate) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".into())
}

/// How a kind of label is called.
pub(super) const fn name(by: Group) -> &'static str {
    match by {
        Group::Provider => "provider",
        Group::Model => "model",
        Group::Route => "route",
        Group::Tenant => "tenant",
        Group::Backend => "backend",
        _ => "label",
    }
}
