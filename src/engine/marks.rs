//! What a provider holds of a request that it answers.

use super::expected::Mark;
use super::prepare::Draft;
use crate::model::{Markers, Mode, Outlook, Plan, Regime, Ttl};
use crate::wire::member_value;

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
        let whole = self.whole(plan, outlook);
        let ours = plan.breakpoints.iter().map(|one| (one.block, one.ttl));
        let mut marks: Vec<Mark> = own
            .chain(automatic)
            .chain(implicit)
            .chain(whole)
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

    /// Whether one hour can be asked for.
    pub(super) fn can_have_an_hour(&self) -> bool {
        let limits = &self.model.limits;
        limits.one_hour && (limits.regime != Regime::Automatic || self.lifetime().is_some())
    }

    /// The member that asks for a class for the whole request, where there is one and the caller has
    /// not settled it.
    pub(super) fn lifetime(&self) -> Option<&str> {
        let limits = &self.model.limits;
        let sold = limits.one_hour && limits.regime == Regime::Automatic;
        let member = self.endpoint.lifetime.as_deref().filter(|_| sold)?;
        let own = member_value(&self.turn.remembered, member);
        own.is_none().then_some(member)
    }

    /// All of a request that is cached by itself, with the class that was asked for.
    fn whole(&self, plan: &Plan, outlook: &Outlook) -> Option<(usize, Ttl)> {
        let member = self.lifetime()?;
        let end = self.prompt().blocks.len().checked_sub(1)?;
        let is_asked = plan.members.iter().any(|one| &*one.name == member);
        let hour = outlook.asks_for_the_hour() && (is_asked || self.traced.is_some());
        let ttl = if hour {
            Ttl::OneHour
        } else {
            self.model.limits.ttl
        };
        Some((end, ttl))
    }
}
