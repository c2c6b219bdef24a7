//! How deep to write, and which markers to set besides.

use super::{Budget, Rates, staircase, to_f64};
use crate::model::{
    BlockKind, Breakpoint, Candidate, Limits, Outlook, Plan, Prompt, Regime, Section, Tokens, Why,
};

/// A marker on a prefix whose estimate is below this share of the minimum is not worth its slot.
/// The estimate may be off by a third on content it has never seen, and a marker below the minimum
/// costs nothing, so the bar is low.
const MINIMUM_SHARE: (Tokens, Tokens) = (1, 2);

/// Places markers for one request.
///
/// The plan never exceeds the limits, keeps the caller's markers, puts longer classes first, and
/// stands only on markable blocks that carry no marker yet.
#[must_use]
pub fn plan(prompt: &Prompt, limits: &Limits, rates: &Rates, outlook: &Outlook) -> Plan {
    let place = |prompt: &Prompt| place(prompt, limits, rates, outlook);
    let Some(implicit) = prompt.implicit.filter(|_| limits.regime == Regime::Exact) else {
        return place(prompt);
    };
    let warm = outlook.warm.is_some_and(|(block, _)| block >= implicit);
    let threshold = rates.break_even(outlook.ttl);
    let deep = || {
        outlook
            .candidates
            .iter()
            .filter(|one| one.block >= implicit)
    };
    // Where no marker can stand, as on the output of a tool, nothing tells that it is the last one.
    let unjudged = deep().next().is_none();
    if warm || unjudged || deep().any(|one| one.reuse > threshold) {
        return place(prompt);
    }
    // The provider would write an end that nobody is expected to read. Without a single marker
    // that order would switch caching off altogether, so it needs one.
    let mut explicit = prompt.clone();
    explicit.implicit = None;
    let mut plan = place(&explicit);
    plan.explicit_only = !plan.breakpoints.is_empty();
    plan
}

fn place(prompt: &Prompt, limits: &Limits, rates: &Rates, outlook: &Outlook) -> Plan {
    let budget = Budget::of(prompt, limits);
    if budget.free == 0 || !budget.is_valid {
        return Plan::default();
    }
    let able: Vec<Candidate> = outlook
        .candidates
        .iter()
        .copied()
        .filter(|candidate| may_stand(prompt, limits, outlook, &budget, candidate))
        .collect();
    let warm = outlook.warm.map(|(block, _)| block);
    let entry = able.iter().find(|candidate| Some(candidate.block) == warm);
    // The entry is marked again so that it is found exactly, unless the one slot is worth a write.
    let free = budget
        .free
        .saturating_sub(usize::from(entry.is_some()))
        .max(1);
    let mut chosen = staircase(&able, free, rates, outlook);
    if chosen.len() < budget.free {
        chosen.extend(entry);
    }
    let Some(top) = chosen.iter().map(|candidate| candidate.block).max() else {
        return Plan::default();
    };
    let below = able.iter().filter(|candidate| candidate.block < top);
    let rest: Vec<Candidate> = below.copied().collect();
    fill(&mut chosen, &rest, budget.free, outlook);
    chosen.sort_by_key(|candidate| candidate.block);
    let markers = chosen.iter().filter_map(|candidate| {
        let ttl = budget.ttl_at(candidate.block, outlook.class_at(candidate.block))?;
        let by_shape = matches!(
            candidate.why,
            Why::PreviousTop | Why::Branch | Why::BeforeLast
        );
        let why = if by_shape && Some(candidate.block) == warm {
            Why::Warm
        } else {
            candidate.why
        };
        Some(Breakpoint::new(candidate.block, ttl, why))
    });
    Plan::new(markers.collect())
}

fn may_stand(
    prompt: &Prompt,
    limits: &Limits,
    outlook: &Outlook,
    budget: &Budget,
    candidate: &Candidate,
) -> bool {
    let (part, whole) = MINIMUM_SHARE;
    let Some(block) = prompt.blocks.get(candidate.block) else {
        return false;
    };
    let tokens = outlook.tokens_to(candidate.block);
    block.markable
        && block.marker.is_none()
        && (limits.marks_tools || block.section != Section::Tools)
        && (limits.marks_results || block.kind != BlockKind::ToolResult)
        && !budget.is_taken(candidate.block)
        && budget.ttl_at(candidate.block, outlook.class_at(candidate.block)).is_some()
        && tokens.saturating_mul(whole) >= limits.min_tokens.saturating_mul(part)
        // Nobody could read what is written there.
        && !limits.is_beyond(tokens)
}

/// Fills the free slots with the candidates that add most to the tokens a later request is
/// expected to read: Σ (tokens − tokens of the marker below) × reuse, the best one at a time.
#[expect(
    clippy::float_arithmetic,
    reason = "probabilities decide placement, never money"
)]
fn fill(chosen: &mut Vec<Candidate>, rest: &[Candidate], free: usize, outlook: &Outlook) {
    while chosen.len() < free {
        let best = rest
            .iter()
            .filter(|candidate| chosen.iter().all(|other| other.block != candidate.block))
            .map(|candidate| (gain(chosen, candidate, outlook), candidate))
            .max_by(|(one, left), (other, right)| {
                let anchors = is_anchor(left).cmp(&is_anchor(right));
                one.total_cmp(other).then(anchors)
            });
        match best {
            // A slot costs nothing, but a marker on a block of no use would only puzzle readers.
            Some((gain, candidate)) if gain > 0.0 || is_anchor(candidate) => {
                chosen.push(*candidate)
            }
            _ => break,
        }
    }
    fn is_anchor(candidate: &Candidate) -> bool {
        matches!(
            candidate.why,
            Why::ToolsEnd | Why::SystemEnd | Why::PreviousTop | Why::BeforeLast
        )
    }
    fn gain(chosen: &[Candidate], candidate: &Candidate, outlook: &Outlook) -> f64 {
        let tokens = |block: usize| to_f64(outlook.tokens_to(block));
        let below = chosen
            .iter()
            .filter(|other| other.block < candidate.block)
            .map(|other| tokens(other.block))
            .fold(0.0, f64::max);
        let above = chosen
            .iter()
            .filter(|other| other.block > candidate.block)
            .min_by_key(|other| other.block)
            .map_or(0.0, |other| other.reuse);
        (tokens(candidate.block) - below) * (candidate.reuse - above)
    }
}
