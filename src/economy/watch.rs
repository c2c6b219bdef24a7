//! Ping or let go: how many more pings an idle prefix is worth.

use std::time::Duration;

use super::Odds;
use crate::model::{Rates, Tokens, Ttl, to_f64};

/// Pings planned ahead at most.
const AHEAD: u32 = 64;

/// The share of a prefix that is read again, on average, when its conversation returns: some come
/// back compacted or rewound.
pub const GOES_ON: f64 = 0.9;

/// What is at stake while nobody uses a prefix.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stake {
    /// Prices relative to plain input.
    pub rates: Rates,
    /// What a return that comes too late would pay for above a read, in tokens of plain input.
    pub loss: f64,
    /// Tokens that a ping reads.
    pub tokens: Tokens,
    /// How long the pause lasts already when the next ping is due.
    pub age: Duration,
    /// By how much each ping prolongs the life of the prefix.
    pub step: Duration,
    /// How much longer the prefix lives than the ping is due before its end.
    pub margin: Duration,
}

/// What a look ahead came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Watch {
    /// How many pings in a row are worth planning for; zero to let go.
    pub pings: u32,
    /// The chance that the conversation returns within what the first one buys.
    pub chance: f64,
    /// The chance from which on a single ping pays.
    pub threshold: f64,
    /// How many of them are expected to be sent.
    pub sent: f64,
    /// What is expected to be gained by all of them, in tokens of plain input.
    pub gain: f64,
}

#[expect(
    clippy::float_arithmetic,
    reason = "chances decide what is worth paying for, never money"
)]
impl Stake {
    /// A whole prefix that lives for five minutes and is pinged every `step`, from its last request
    /// on.
    #[must_use]
    pub fn whole(rates: Rates, tokens: Tokens, step: Duration) -> Self {
        Self {
            loss: to_f64(tokens) * (rates.write_5m - rates.read) * GOES_ON * rates.finds(step),
            tokens,
            age: step,
            step,
            margin: Ttl::FiveMinutes.duration().saturating_sub(step),
            rates,
        }
    }

    /// Looks ahead: the number of pings whose expected gain is greatest,
    /// `Σ loss × chance(returns in window k) − read × tokens × chance(still away at ping k)`
    /// (`economics.md` §6.3), which also sees a return that is likelier later than soon.
    #[must_use]
    pub fn watch(&self, odds: &Odds) -> Watch {
        let price = self.rates.read * to_f64(self.tokens);
        let mut best = Watch {
            threshold: if self.loss > 0.0 {
                price / self.loss
            } else {
                f64::INFINITY
            },
            ..Watch::default()
        };
        let now = odds.alive(self.age);
        if now <= 0.0 || self.step.is_zero() {
            return best;
        }
        let mut gain = 0.0;
        let mut sent = 0.0;
        for ping in 0..AHEAD {
            let at = self.age + self.step * ping;
            // Without the ping the prefix lives on for the margin: that is no gain of it.
            let lives = odds.alive(at + self.margin);
            let next = odds.alive(at + self.margin + self.step);
            gain += (self.loss * (lives - next) - price * odds.alive(at)) / now;
            sent += odds.alive(at) / now;
            if ping == 0 {
                best.chance = (lives - next) / now;
            }
            if gain > best.gain {
                best.gain = gain;
                best.pings = ping + 1;
                best.sent = sent;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::economy::EDGES;

    const STAKE: Stake = Stake {
        rates: Rates::USUAL,
        loss: 115_000.0,
        tokens: 100_000,
        age: Duration::from_secs(280),
        step: Duration::from_secs(280),
        margin: Duration::from_secs(20),
    };

    fn odds(third: f64, rest: f64) -> Odds {
        let mut hazards = [rest; EDGES.len()];
        hazards[2] = third;
        Odds::of_hazards(&hazards)
    }

    #[test]
    fn what_hardly_returns_is_let_go() {
        assert_eq!(STAKE.watch(&odds(0.05, 0.01)).pings, 0);
    }

    #[test]
    fn a_likely_return_is_worth_one_ping() {
        let watch = STAKE.watch(&odds(0.4, 0.01));
        assert_eq!(watch.pings, 1);
        assert!(watch.chance > watch.threshold, "{watch:?}");
    }

    #[test]
    fn a_return_that_is_likelier_later_is_waited_for() {
        let mut hazards = [0.02; EDGES.len()];
        hazards[3] = 0.6;
        let watch = STAKE.watch(&Odds::of_hazards(&hazards));
        assert_eq!(watch.pings, 3, "{watch:?}");
    }
}
