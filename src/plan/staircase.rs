//! Which writes pay: the steps down which later requests are expected to leave this one.

use super::Rates;
pub(super) use crate::model::to_f64;
use crate::model::{Candidate, Outlook};

/// Candidates that are weighed against one another, the deepest ones.
const WEIGHED: usize = 24;

/// A way down to one step.
#[derive(Clone, Copy)]
struct Way {
    /// What it is expected to earn, in tokens of input.
    worth: f64,
    /// The step above.
    above: Option<usize>,
}

/// At most `free` candidates beyond the warm entry, the deepest first, that together earn most:
/// a later request reads up to the last step before it leaves, with the chance of that step, and
/// everything up to the deepest one is written once. Empty where no write pays.
///
/// What a request under way is writing is there without this one's doing, so a step within it earns
/// nothing, while a step beyond it pays for all that is not warm.
#[expect(
    clippy::float_arithmetic,
    reason = "probabilities decide placement, never money"
)]
pub(super) fn staircase(
    able: &[Candidate],
    free: usize,
    rates: &Rates,
    outlook: &Outlook,
) -> Vec<Candidate> {
    let tokens = |block: usize| to_f64(outlook.tokens_to(block));
    let warm = outlook.warm.map(|(block, _)| block);
    let first = warm.map_or(0, |block| able.partition_point(|one| one.block <= block));
    let steps = able.get(first..).unwrap_or_default();
    let steps = steps
        .get(steps.len().saturating_sub(WEIGHED)..)
        .unwrap_or_default();
    let start = warm.map_or(0.0, tokens);
    let given = outlook.pending.map_or(start, tokens).max(start);
    let step = |from: f64, candidate: &Candidate| {
        let (to, ttl) = (tokens(candidate.block), outlook.class_at(candidate.block));
        let write = rates.write(ttl);
        let gained = (to - from.max(given)).max(0.0);
        let earned = gained * candidate.reuse * rates.spread(ttl);
        earned - (to - from) * (write - 1.0)
    };
    // Ways by the number of their steps, and by the last of them.
    let mut ways: Vec<Vec<Way>> = Vec::with_capacity(free);
    for count in 0..free.min(steps.len()) {
        let reached = steps.iter().enumerate().map(|(at, candidate)| {
            let only = Way {
                worth: step(start, candidate),
                above: None,
            };
            let above = count.checked_sub(1).and_then(|above| ways.get(above));
            let longer = above.into_iter().flatten().zip(steps).enumerate().take(at);
            let longer = longer.map(|(above, (way, last))| Way {
                worth: way.worth + step(tokens(last.block), candidate),
                above: Some(above),
            });
            longer.fold(only, better)
        });
        let reached = reached.collect();
        ways.push(reached);
    }
    let Some(last) = ways.last() else {
        return Vec::new();
    };
    let deepest = (0..last.len()).max_by(|one, other| {
        let worth = |at: &usize| last.get(*at).map_or(0.0, |way| way.worth);
        worth(one).total_cmp(&worth(other))
    });
    let pays = |at: &usize| last.get(*at).is_some_and(|way| way.worth > 0.0);
    let mut chosen = Vec::with_capacity(free);
    let (mut at, mut count) = (deepest.filter(pays), ways.len());
    while let Some(here) = at {
        chosen.extend(steps.get(here));
        count -= 1;
        let way = ways.get(count).and_then(|ways| ways.get(here));
        at = way.filter(|_| count > 0).and_then(|way| way.above);
    }
    chosen
}

/// The way that earns more; of two that earn the same the one of fewer steps.
fn better(one: Way, other: Way) -> Way {
    if other.worth > one.worth { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ttl, Why};

    fn step(block: usize, reuse: f64) -> Candidate {
        let mut candidate = Candidate::new(block, Why::Branch);
        candidate.reuse = reuse;
        candidate
    }

    fn chosen(steps: &[Candidate], free: usize, outlook: &Outlook) -> Vec<usize> {
        let chosen = staircase(steps, free, &Rates::USUAL, outlook);
        chosen.iter().map(|one| one.block).collect()
    }

    fn outlook() -> Outlook {
        Outlook {
            prefix_tokens: (1..=10).map(|block| block * 1000).collect(),
            ttl: Ttl::FiveMinutes,
            ..Outlook::default()
        }
    }

    #[test]
    fn writes_go_as_deep_as_the_chance_pays_for() {
        let steps = [step(3, 0.9), step(6, 0.5), step(8, 0.3), step(9, 0.1)];
        assert_eq!(chosen(&steps, 4, &outlook()), [8, 6, 3]);
        // With fewer slots the step goes that saves least.
        assert_eq!(chosen(&steps, 2, &outlook()), [6, 3]);
        assert_eq!(chosen(&[step(9, 0.2)], 4, &outlook()), [0_usize; 0]);
    }

    #[test]
    fn what_is_warm_costs_nothing_more() {
        let mut outlook = outlook();
        outlook.warm = Some((6, Ttl::FiveMinutes));
        let steps = [step(3, 0.9), step(6, 0.9), step(9, 0.5)];
        assert_eq!(chosen(&steps, 4, &outlook), [9]);
    }

    #[test]
    fn what_a_request_under_way_writes_is_not_paid_for_twice() {
        let mut outlook = outlook();
        let steps = [step(4, 1.0), step(5, 0.95)];
        assert_eq!(chosen(&steps, 4, &outlook), [5, 4]);
        outlook.pending = Some(4);
        // Six thousand tokens would be written for one thousand that are not there in a moment.
        assert_eq!(chosen(&steps, 4, &outlook), [0_usize; 0]);
        // What is beyond weighs more than the premium for what is not.
        let steps = [step(4, 1.0), step(9, 0.95)];
        assert_eq!(chosen(&steps, 4, &outlook), [9]);
    }
}
