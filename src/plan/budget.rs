//! What the limits and the caller's own markers leave free.

use crate::model::{Limits, Prompt, Regime, Ttl};

/// How many markers may be added, and which lifetime class is allowed where.
///
/// A longer class must come before a shorter one (400 otherwise), and the caller's markers stay:
/// before the caller's last one-hour marker only one-hour markers fit, behind the caller's first
/// five-minute marker only five-minute ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// Markers that may be added.
    pub free: usize,
    /// Whether the provider will take what the caller has marked. Where it refuses, nothing of ours
    /// belongs.
    pub is_valid: bool,
    last_hour: Option<usize>,
    first_five: Option<usize>,
    /// Where the automatic marker will stand, and its class.
    automatic: Option<(usize, Ttl)>,
}

impl Budget {
    /// What `limits` leave after the markers that `prompt` already carries.
    #[must_use]
    pub fn of(prompt: &Prompt, limits: &Limits) -> Self {
        let mut budget = Self {
            free: limits.max_breakpoints,
            last_hour: None,
            first_five: None,
            automatic: None,
            is_valid: true,
        };
        let mut taken = prompt.reserved + usize::from(prompt.auto_marker.is_some());
        for (at, block) in prompt.blocks.iter().enumerate() {
            let Some(marker) = block.marker else { continue };
            taken += 1;
            budget.is_valid &= block.markable;
            match marker.ttl {
                Ttl::OneHour => budget.last_hour = Some(at),
                Ttl::FiveMinutes => budget.first_five = budget.first_five.or(Some(at)),
                Ttl::HalfHour => {}
            }
        }
        budget.is_valid &= taken <= limits.max_breakpoints;
        let walked_back = prompt.auto_marker.and_then(|marker| {
            // The provider walks back from the end to the first block that can carry it.
            let at = prompt.markable_before(prompt.blocks.len())?;
            Some((at, marker.ttl))
        });
        let implicit = prompt.implicit.filter(|_| limits.regime == Regime::Exact);
        taken += usize::from(implicit.is_some());
        budget.free = limits.max_breakpoints.saturating_sub(taken);
        budget.automatic = walked_back.or_else(|| Some((implicit?, limits.ttl)));
        budget
    }

    /// The class nearest to `wanted` that a marker on `block` may have; `None` when there is none.
    #[must_use]
    pub fn ttl_at(&self, block: usize, wanted: Ttl) -> Option<Ttl> {
        let before_hour = matches!(self.automatic, Some((_, Ttl::OneHour)))
            || self.last_hour.is_some_and(|hour| block < hour);
        let after_five = self.first_five.is_some_and(|five| block > five);
        match (before_hour, after_five) {
            (true, true) => None,
            (true, false) => Some(Ttl::OneHour),
            (false, true) => Some(Ttl::FiveMinutes),
            (false, false) => Some(wanted),
        }
    }

    /// Whether the caller's automatic marker will stand on `block`, where another one of our class
    /// would be refused, and one of its own class would be wasted.
    #[must_use]
    pub fn is_taken(&self, block: usize) -> bool {
        self.automatic.is_some_and(|(at, _)| at == block)
    }
}
