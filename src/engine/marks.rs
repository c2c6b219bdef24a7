//! What a provider holds of a request that it answers.

use super::expected::Mark;
use super::prepare::Draft;
use crate::model::{Markers, Mode, Outlook, Plan, Regime};

impl Draft<'_> {
    /// What the provider should hold once it has begun to answer: our markers and the caller's.
    pub(super) fn marks(&self, plan: &Plan, outlook: &Outlook) -> Vec<Mark> {
        let keep = self.wishes.markers == Markers::Keep || self.wishes.mode == Mode::Observe;
        let own = self.prompt().blocks.iter().enumerate().filter(|_| keep);
        let own = own.filter_map(|(at, block)| Some((at, block.marker?.ttl)));
        let automatic = self.prompt().auto_marker.filter(|_| keep);
        let automatic = automatic.and_then(|marker| {
            let at = self.prompt().markable_before(self.prompt().blocks.len())?;
            Some((at, marker.ttl))
        });
        let implicit = self
            .prompt()
            .implicit
            .filter(|_| self.model.limits.regime == Regime::Exact && !plan.explicit_only);
        let implicit = implicit.map(|at| (at, self.model.limits.ttl));
        let ours = plan.breakpoints.iter().map(|one| (one.block, one.ttl));
        let mut marks: Vec<Mark> = own
            .chain(automatic)
            .chain(implicit)
            .chain(ours)
            .filter_map(|(at, ttl)| {
                let prefix = self.prefix(at)?;
                Some(Mark {
                    block: at,
                    prefix,
                    ttl,
                    tokens: outlook.tokens_to(at),
                })
            })
            .collect();
        marks.sort_by_key(|mark| mark.tokens);
        marks
    }
}
