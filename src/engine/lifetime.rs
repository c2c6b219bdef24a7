//! Which lifetime class a request is written with.

use super::pauses::trust_in_the_hour;
use super::survey::Ground;
use crate::economy::Standing;
use crate::ledger::history::Reuse;
use crate::model::{Candidate, Choice, Outlook, Section, Ttl, to_f64};

/// How many pings a premium must be worth at most where pings are the alternative: with cheap reads
/// they are cheaper than any hour.
const PINGS: f64 = 10.0;

/// The class to write with.
///
/// A conversation goes on with the class that its live prefix has. One that is cold is written with
/// one hour where that stands better with conversations of its kind than five minutes do, pings
/// included, or where five minutes would earn nothing and an hour would: what returns only after
/// longer gaps.
pub(super) fn lifetime(
    ground: &Ground<'_>,
    found: &[Candidate],
    chances: &[Reuse],
    outlook: &mut Outlook,
) -> Choice {
    let opening = ground.prompt.end_of(Section::System);
    let last = chances.last().copied().unwrap_or_default();
    let standing = ground.standing();
    let begun = outlook.warm.filter(|(block, _)| *block >= opening);
    let mut choice = Choice {
        ahead: standing.ahead,
        needed: standing.needed,
        held_back: standing.held_back,
        soon: last.within(Ttl::FiveMinutes),
        late: last.within(Ttl::OneHour),
        latched: begun.is_some(),
        ..Choice::default()
    };
    let granted = !ground.pauses.is_ungranted(ground.nodes, ground.now);
    let explores = ground.explores.filter(|_| !granted);
    let mut hour = (granted || explores.is_some())
        && match (begun, outlook.warm) {
            (Some((block, Ttl::OneHour)), _) => {
                if standing.held_back {
                    outlook.hour_to = Some(block);
                }
                !standing.held_back
            }
            (Some(_), _) => false,
            // What stands before it would expire first, and take it along.
            (None, Some((_, Ttl::FiveMinutes | Ttl::HalfHour))) => {
                ground.earns_only_with_the_hour(found, chances, outlook)
            }
            (None, _) => {
                standing.leads() || ground.earns_only_with_the_hour(found, chances, outlook)
            }
        };
    if hour {
        ground.write_with_the_hour(found, chances, outlook);
        hour = outlook.asks_for_the_hour();
    }
    if let Some(explores) = explores {
        hour = hour && ground.explore(explores);
        outlook.hour_to = outlook.hour_to.filter(|_| hour);
        choice.explores = hour;
    }
    if hour {
        choice.hour = outlook.hour_to.map_or_else(
            || outlook.prefix_tokens.last().copied().unwrap_or(0),
            |block| outlook.tokens_to(block),
        );
    } else {
        outlook.ttl = Ttl::FiveMinutes;
    }
    choice.ttl = if choice.hour > 0 {
        Ttl::OneHour
    } else {
        Ttl::FiveMinutes
    };
    choice
}

#[expect(
    clippy::float_arithmetic,
    reason = "probabilities decide placement, never money"
)]
impl Ground<'_> {
    /// How one hour stands in conversations like this one, against the better of five minutes with
    /// pings, where they are allowed, and without.
    fn standing(&self) -> Standing {
        let duel = self.pauses.duel(self.nodes, self.stream);
        let trust = trust_in_the_hour(self.stream, self.rates);
        // What the request before this one had is paid for already.
        let fresh = to_f64(self.stream.signs().fresh);
        let extra = self.rates.write_1h - self.rates.write_5m;
        let mut hour = duel.hour(self.now, extra * fresh, trust);
        if self.pings {
            hour.needed += duel.planned().max(0.0);
            hour.held_back |= extra > PINGS * self.rates.read;
        }
        // Where it is not granted, five minutes are what it comes to.
        hour.ahead *= self.granted;
        hour
    }

    /// Whether five minutes would earn nothing here and an hour would.
    fn earns_only_with_the_hour(
        &self,
        found: &[Candidate],
        chances: &[Reuse],
        outlook: &Outlook,
    ) -> bool {
        let value = |ttl: Ttl| {
            let write = self.rates.write(ttl);
            let read = (self.rates.write_5m - self.rates.read) * self.rates.hit;
            let mut below = 0.0;
            let mut sum = 0.0;
            let mut best = 0.0_f64;
            for (candidate, chance) in found.iter().zip(chances) {
                let tokens = to_f64(outlook.tokens_to(candidate.block));
                sum += (tokens - below) * (chance.within(ttl) * read - (write - 1.0));
                best = best.max(sum);
                below = tokens;
            }
            best
        };
        value(Ttl::FiveMinutes) <= 0.0 && value(Ttl::OneHour) > 0.0
    }

    /// Everything that is worth an hour is written with one. What may not return at all is not:
    /// five minutes break even sooner.
    fn write_with_the_hour(&self, found: &[Candidate], chances: &[Reuse], outlook: &mut Outlook) {
        let worth = |(_, chance): &(&Candidate, &Reuse), ttl: Ttl| {
            chance.within(ttl) > self.rates.break_even(ttl)
        };
        let pairs = || found.iter().zip(chances);
        let hour = pairs().rev().find(|pair| worth(pair, Ttl::OneHour));
        let five = pairs().rev().find(|pair| worth(pair, Ttl::FiveMinutes));
        let block = |pair: Option<(&Candidate, &Reuse)>| pair.map(|(one, _)| one.block);
        if block(five) > block(hour) && self.stream.requests() == 1 {
            outlook.hour_to = block(hour);
            outlook.ttl = Ttl::FiveMinutes;
        } else {
            outlook.ttl = Ttl::OneHour;
        }
    }
}
