//! Limits in tokens and positions, found by halving.

use crate::adapter::probe::call::{Call, Piece};
use crate::adapter::probe::finding::{Confidence, Fact, Finding, Verdict};
use crate::adapter::probe::script::Script;

/// The longest prefix that is tried when a minimum is looked for.
const LARGEST: u64 = 40_000;
/// The shortest.
const SMALLEST: u64 = 32;
/// The most positions that are tried.
const FARTHEST: u64 = 120;

/// The shortest prefix that is cached: the documented one from both sides, and halving where that is
/// not it.
pub(super) fn minimum(script: &mut Script<'_>) -> Option<Finding> {
    let documented = script.ground.limits.min_tokens;
    let (mut low, mut high) = (0, None);
    // Sizes as they were asked for, which differ a little from what they turn out to be.
    let (mut least, mut most) = (0, None);
    let mut seen = Vec::new();
    let mut next = vec![
        documented.saturating_mul(22) / 25,
        documented.saturating_mul(28) / 25 + 16,
    ];
    while !next.is_empty() {
        let answers: Vec<_> = next.iter().map(|size| weigh(script, *size)).collect();
        for (answer, size) in answers.into_iter().zip(&next) {
            let (is_cached, tokens) = answer?;
            seen.push(format!("{tokens} {}", if is_cached { "yes" } else { "no" }));
            if is_cached {
                most = Some(most.map_or(*size, |most: u64| most.min(*size)));
                high = Some(high.map_or(tokens, |high: u64| high.min(tokens)));
            } else {
                least = least.max(*size);
                low = low.max(tokens);
            }
        }
        let is_bracketed = high.is_some_and(|high| {
            low > 0 && low < documented && documented <= high && high - low <= documented / 3
        });
        next = match is_bracketed {
            true => Vec::new(),
            false => wanted(least, most),
        };
    }
    let evidence = format!("cached: {}", seen.join(", "));
    let Some(high) = high else {
        let why = format!("not even {low} tokens were cached; {evidence}");
        return Some(Finding::unclear(script.kind, documented.to_string(), why));
    };
    let same = low < documented && documented <= high;
    let tokens = if same {
        documented
    } else {
        roundest(low, high)
    };
    let found = Finding::new(script.kind, documented.to_string(), tokens.to_string())
        .verdict(same.into())
        .sure(if low < high {
            Confidence::High
        } else {
            Confidence::Low
        })
        .by(format!("{evidence}: between {low} and {high}"));
    Some(found.fact(Fact::Minimum(tokens)))
}

/// The size to try next.
fn wanted(low: u64, high: Option<u64>) -> Vec<u64> {
    let Some(high) = high else {
        let next = low.saturating_mul(2).max(SMALLEST);
        return if next > LARGEST {
            Vec::new()
        } else {
            vec![next]
        };
    };
    if low == 0 {
        let next = high / 2;
        return if next < SMALLEST {
            Vec::new()
        } else {
            vec![next]
        };
    }
    if high <= low || high - low <= 24.max(high / 24) {
        return Vec::new();
    }
    vec![u64::midpoint(low, high)]
}

/// Whether a prefix of about this many tokens is cached, and how many it has.
fn weigh(script: &mut Script<'_>, size: u64) -> Option<(bool, u64)> {
    let class = script.ground.class();
    let piece = Piece::new(format!("minimum/{size}"), size).marked(class);
    let answer = script.now(&format!("size {size}"), || Call::of(vec![piece]))?;
    let is_cached = answer.is_ok() && answer.cached() > 0;
    // What stands behind the prefix is a few words.
    let tokens = match is_cached {
        true => answer.cached(),
        false => answer.total().saturating_sub(8),
    };
    Some((is_cached, tokens))
}

/// The roundest number above `low` and up to `high`: minimums are round.
fn roundest(low: u64, high: u64) -> u64 {
    const STEPS: [u64; 12] = [4096, 2048, 1024, 1000, 512, 500, 256, 250, 128, 100, 64, 50];
    let multiple = |step: &u64| {
        let number = high / step * step;
        (number > low).then_some(number)
    };
    STEPS.iter().find_map(multiple).unwrap_or(high)
}

/// Positions searched back: an entry is written, and a marker set so many positions behind it.
pub(super) fn lookback(script: &mut Script<'_>) -> Option<Finding> {
    let documented = u64::try_from(script.ground.limits.lookback).unwrap_or(FARTHEST);
    let (mut low, mut high) = (0, None);
    let mut seen = Vec::new();
    let mut next = vec![documented, documented + 1];
    while !next.is_empty() {
        let answers: Vec<_> = next.iter().map(|steps| reach(script, *steps)).collect();
        for (answer, steps) in answers.into_iter().zip(&next) {
            let is_found = answer?;
            seen.push(format!("{steps} {}", if is_found { "yes" } else { "no" }));
            if is_found {
                low = low.max(*steps);
            } else {
                high = Some(high.map_or(*steps, |high: u64| high.min(*steps)));
            }
        }
        next = match high {
            None if low >= FARTHEST => Vec::new(),
            None => vec![low.saturating_mul(2).min(FARTHEST)],
            Some(high) if high > low + 1 => vec![u64::midpoint(low, high)],
            Some(_) => Vec::new(),
        };
    }
    let evidence = format!("found at that many positions: {}", seen.join(", "));
    if high.is_some_and(|high| high <= low) {
        let why = format!("near ones were missed and far ones found; {evidence}");
        return Some(Finding::unclear(script.kind, documented.to_string(), why));
    }
    if low == 0 {
        let why = format!("not found at its own marker; {evidence}");
        return Some(Finding::unclear(script.kind, documented.to_string(), why));
    }
    let found = match high {
        None => format!("{low} or more"),
        Some(_) => low.to_string(),
    };
    let finding = Finding::new(script.kind, documented.to_string(), found)
        .verdict(Verdict::from(low == documented && high.is_some()))
        .sure(Confidence::High)
        .by(evidence);
    Some(finding.fact(Fact::Lookback(low)))
}

/// Whether an entry is found from a marker at the last of `steps` positions, its own the first.
fn reach(script: &mut Script<'_>, steps: u64) -> Option<bool> {
    let class = script.ground.class();
    let name = format!("at {steps}");
    let call = script.marked(&name, class);
    let write = script.now(&format!("write {name}"), || call)?;
    let mut pieces = vec![script.prefix(&name)];
    pieces.extend((1..steps).map(|step| Piece::new(format!("{steps}.{step}"), 2)));
    if let Some(last) = pieces.pop() {
        pieces.push(last.marked(class));
    }
    let after = write.end.plus(script.ground.settle);
    let read = script.step(&format!("read {name}"), after, || Call::of(pieces))?;
    Some(write.cached() > 0 && read.found(write.cached()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimums_are_round() {
        for (low, high, round) in [
            (980, 1030, 1024),
            (2000, 2100, 2048),
            (1480, 1520, 1500),
            (701, 712, 704),
            (705, 711, 711),
        ] {
            assert_eq!(roundest(low, high), round, "{low} {high}");
        }
    }
}
