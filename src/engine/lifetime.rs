//! Which lifetime class a request is written with.

use super::survey::{Ground, as_f64};
use crate::ledger::history::Reuse;
use crate::model::{Candidate, Choice, Outlook, Section, Ttl};

/// The class to write with.
///
/// Five minutes, which a read renews for nothing, unless they would earn nothing here while an
/// hour would: conversations that return only after longer gaps. A conversation that began
/// with the hour keeps it.
#[expect(
    clippy::float_arithmetic,
    reason = "probabilities decide placement, never money"
)]
pub(super) fn lifetime(
    ground: &Ground<'_>,
    found: &[Candidate],
    chances: &[Reuse],
    outlook: &mut Outlook,
) -> Choice {
    let opening = ground.prompt.end_of(Section::System);
    let begun = outlook.warm.filter(|(block, _)| *block >= opening);
    let mut choice = Choice::default();
    if let Some((_, Ttl::OneHour)) = begun {
        outlook.ttl = Ttl::OneHour;
        choice.ttl = Ttl::OneHour;
        choice.latched = true;
        return choice;
    }
    let value = |ttl: Ttl| {
        let (write, read) = (
            ground.rates.write(ttl),
            ground.rates.write_5m - ground.rates.read,
        );
        let mut below = 0.0;
        let mut sum = 0.0;
        let mut best = 0.0_f64;
        for (candidate, chance) in found.iter().zip(chances) {
            let tokens = as_f64(outlook.tokens_to(candidate.block));
            sum += (tokens - below) * (chance.within(ttl) * read - (write - 1.0));
            best = best.max(sum);
            below = tokens;
        }
        best
    };
    outlook.ttl = if value(Ttl::FiveMinutes) <= 0.0 && value(Ttl::OneHour) > 0.0 {
        Ttl::OneHour
    } else {
        Ttl::FiveMinutes
    };
    choice.ttl = outlook.ttl;
    choice
}
