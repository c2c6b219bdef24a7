//! Candidates tried alone, and then the best of them on top of each other.

use std::collections::VecDeque;

use super::candidates::candidates;
use super::change::Change;
use super::figures::{Advice, Finding, Saving};
use super::trial::{Ground, Outcome, Part, saving};
use crate::error::Error;
use crate::model::Money;

/// What a change must save to be taken, in ten-thousandths of the cost, where both halves of the
/// conversations agree that it saves.
const FLOOR: i64 = 10;
/// The same where they do not agree.
const NOISE: i64 = 50;
/// What counts as saving about as much as the best, in hundredths of what that saves.
const ABOUT: i128 = 95;

/// Tries every candidate and adds up the best.
pub(super) fn rank(ground: &Ground<'_>, part: Part) -> Result<Finding, Error> {
    let tried = candidates(ground.seen, &ground.task.settings);
    let mut sets = vec![Vec::new()];
    sets.extend(tried.iter().map(|change| vec![change]));
    let outcomes = ground.try_all(&sets, part)?;
    let (before, alone) = match outcomes.split_first() {
        Some((before, alone)) => (*before, alone),
        None => (Outcome::default(), outcomes.as_slice()),
    };
    let mut helpful: Vec<(&Change, Outcome)> = tried
        .iter()
        .zip(alone)
        .filter(|(_, outcome)| helps(&before, outcome))
        .map(|(change, outcome)| (change, *outcome))
        .collect();
    let without_effect = tried.len() - helpful.len();
    helpful.sort_by_key(|(change, outcome)| (outcome.total().cost, weight(change)));
    gentlest_first(&before, &mut helpful);
    let (taken, after) = add_up(ground, &helpful, (before, part))?;
    let advice = |at: usize, adds: Saving| {
        helpful.get(at).map(|(change, outcome)| Advice {
            change: (*change).clone(),
            alone: outcome.against(&before),
            adds,
            halves: outcome.halves_against(&before),
            tally: outcome.total(),
        })
    };
    let (billed, cost) = ground.seen.billed;
    let changes = taken.iter().filter_map(|(at, adds)| advice(*at, *adds));
    let rest = (0..helpful.len()).filter(|at| taken.iter().all(|(one, _)| one != at));
    Ok(Finding {
        before: before.total(),
        after: after.total(),
        billed: (billed > 0).then_some((billed, cost)),
        changes: changes.collect(),
        others: rest
            .filter_map(|at| advice(at, Saving::default()))
            .collect(),
        without_effect,
        unread: ground.seen.routes.values().map(|route| route.unread).sum(),
        settings: ground.task.settings.clone(),
    })
}

/// Of those that save about as much as the best, the one that changes least goes first.
fn gentlest_first(before: &Outcome, helpful: &mut [(&Change, Outcome)]) {
    let saved = |outcome: &Outcome| outcome.against(before).amount().as_pico();
    let Some((_, best)) = helpful.first() else {
        return;
    };
    let enough = saved(best).saturating_mul(ABOUT) / 100;
    let close = helpful.partition_point(|(_, outcome)| saved(outcome) >= enough);
    let close = helpful.iter().take(close).enumerate();
    if let Some((at, _)) = close.min_by_key(|(at, (change, _))| (weight(change), *at))
        && let Some(head) = helpful.get_mut(..=at)
    {
        head.rotate_right(1);
    }
}

/// Whether a change saves more than chance would, and makes no provider refuse what it took before.
fn helps(before: &Outcome, after: &Outcome) -> bool {
    let share = after.against(before).share();
    let halves = after.halves_against(before);
    let agree = halves.iter().flatten().all(|half| half.share() > 0);
    let refused = after.total().rejected > before.total().rejected;
    !refused && share >= if agree { FLOOR } else { NOISE }
}

/// How much a change alters what the model reads.
const fn weight(change: &Change) -> u8 {
    use super::change::Act;
    use crate::canon::Rule;
    match &change.act {
        Act::Place | Act::ReplaceMarkers | Act::Ttl(_) => 0,
        Act::Rule(Rule::SplitVolatile) => 1,
        Act::Rule(Rule::ToolOrder | Rule::ToolKeys | Rule::InputKeys) => 2,
        Act::Rule(_) => 3,
        Act::Drop(_) | Act::DayRetention => 4,
        Act::Clock(_) => 5,
        Act::MoveLines => 6,
    }
}

type Taken = Vec<(usize, Saving)>;

/// Takes the best, then whatever saves most on top of it, and so on. What a change adds can only
/// be less than what it saved before, as a rule, so only the most promising is tried again.
fn add_up(
    ground: &Ground<'_>,
    helpful: &[(&Change, Outcome)],
    (before, part): (Outcome, Part),
) -> Result<(Taken, Outcome), Error> {
    let Some((first, rest)) = helpful.split_first() else {
        return Ok((Vec::new(), before));
    };
    let mut after = first.1;
    let mut taken = vec![(0, after.against(&before))];
    let bound = |outcome: &Outcome| outcome.against(&before).amount();
    let mut queue: VecDeque<(usize, Money)> = rest
        .iter()
        .enumerate()
        .map(|(at, (_, outcome))| (at + 1, bound(outcome)))
        .collect();
    while let Some((at, _)) = queue.pop_front() {
        let Some((change, _)) = helpful.get(at) else {
            continue;
        };
        let stack: Vec<&Change> = taken
            .iter()
            .filter_map(|(at, _)| helpful.get(*at).map(|(change, _)| *change))
            .collect();
        if stack.iter().any(|one| one.excludes(change)) {
            continue;
        }
        let set: Vec<&Change> = stack.into_iter().chain([*change]).collect();
        let outcome = one(ground, set, part)?;
        let adds = saving(&after.total(), &outcome.total());
        let enough = Saving {
            before: before.total().cost,
            after: before.total().cost - adds.amount(),
        };
        if enough.share() < FLOOR || outcome.total().rejected > after.total().rejected {
            continue;
        }
        if queue.iter().all(|(_, other)| *other <= adds.amount()) {
            taken.push((at, adds));
            after = outcome;
        } else {
            let place = queue.partition_point(|(_, other)| *other > adds.amount());
            queue.insert(place, (at, adds.amount()));
        }
    }
    Ok((taken, after))
}

fn one(ground: &Ground<'_>, set: Vec<&Change>, part: Part) -> Result<Outcome, Error> {
    let mut outcomes = ground.try_all(&[set], part)?;
    outcomes
        .pop()
        .ok_or_else(|| Error::io("a replay thread failed"))
}
