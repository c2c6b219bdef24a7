//! One exchange as it is accounted for.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Attempt, Verdict};
use crate::model::{Arm, Choice, Digest, Miss, Money, Skip, Timestamp, Ttl, Usage, Vigil};

/// One exchange as it is accounted for. Never holds prompt text or keys, but for the excerpts of a
/// miss where the user asked for them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Record {
    /// Its name in the ledger; zero until it is booked.
    pub id: Id,
    /// When the request was sent.
    pub at: Timestamp,
    /// When the response's head arrived; `None` when none did.
    pub first_byte: Option<Timestamp>,
    /// When the exchange ended.
    pub ended: Timestamp,
    /// How long it was held back for another call that was writing its prefix.
    pub held: Duration,
    /// What this crate added to the exchange: reading, planning, rewriting, accounting.
    pub overhead: Duration,
    /// Provider row.
    pub provider: Box<str>,
    /// Dialect of the body.
    pub dialect: Box<str>,
    /// Model row, or the caller's spelling when no row matched.
    pub model: Box<str>,
    /// Whether a model row matched; otherwise limits were conservative and there is no price.
    pub model_known: bool,
    /// The user's route.
    pub route: Box<str>,
    /// The user's tenant.
    pub tenant: Box<str>,
    /// HTTP status; zero when no response arrived.
    pub status: u16,
    /// Whether the usage is final (the response ended) or partial (cut, dropped).
    pub complete: bool,
    /// What the provider reported; `None` when nothing was seen.
    pub usage: Option<Usage>,
    /// What it cost; `None` without usage or without prices.
    pub cost: Option<Money>,
    /// What it would have cost without caching; `None` as for `cost`.
    pub cost_without_caching: Option<Money>,
    /// What the provider may have billed for the prompt without a word: the request may have left,
    /// no usage came back, and no answer said that nothing was served; at the prices of what was
    /// planned, output not counted. `None` where that is not so, or without prices.
    pub presumed: Option<Money>,
    /// What its writes cost above plain input.
    pub premium: Money,
    /// Estimated input tokens, for the estimate's error.
    pub estimated_input: u64,
    /// Estimated tokens of tools, system prompt and messages.
    pub sections: [u64; 3],
    /// Input tokens that the engine expected to be read when the request was sent; `None` when the
    /// body was not read.
    pub predicted_read: Option<u64>,
    /// Input tokens that an earlier request of the same lineage had sent already: what could have
    /// been read at best. `None` when the body was not read.
    pub readable: Option<u64>,
    /// Markers sent, the caller's own included.
    pub breakpoints: u32,
    /// Markers that were added.
    pub breakpoints_placed: u32,
    /// Markers whose prefix was read or written, as far as the usage shows it; `None` without usage.
    pub breakpoints_honoured: Option<u32>,
    /// The rules that changed the body, by their names in configuration.
    pub reshaped: Vec<&'static str>,
    /// Whether the provider refused what was added, and the caller's own body was sent after it.
    pub resent: bool,
    /// Whether it was an errand on the user's behalf, such as renting an explicit cache, and no call
    /// of the user's.
    pub errand: bool,
    /// What was asked then; empty for a call of the user's.
    pub errand_kind: &'static str,
    /// Which attempt of a routed call it was; `None` for a call that no route decided on.
    pub attempt: Option<Box<Attempt>>,
    /// When its prefix is worth a ping; `None` where it is not, or where nobody asked for pings.
    pub vigil: Option<Box<Vigil>>,
    /// The arm of the holdout that its conversation belongs to; `None` where there is no holdout.
    pub arm: Option<Arm>,
    /// The numbers behind its lifetime class; `None` where there was nothing to choose.
    pub choice: Option<Box<Choice>>,
    /// What reading saved that pings had kept beyond its natural end, against writing it again: at most,
    /// since others may have kept a part of it as well. `None` where pings had kept nothing, or where
    /// nobody can tell.
    pub kept_saved: Option<Money>,
    /// Why the body was passed on untouched.
    pub skip: Option<Skip>,
    /// What came of the caching that was asked for.
    pub verdict: Verdict,
    /// Why it read less than it could have; `None` when it did not.
    pub miss: Option<Miss>,
    /// Everything that separates caches, as a digest.
    pub scope: Option<Digest>,
    /// The conversation it belongs to, as a digest.
    pub lineage: Option<Digest>,
    /// The prefixes that end with the tools, the system prompt and the request, as digests.
    pub ends: [Option<Digest>; 3],
    /// The warm prefix that was read, as far as it was foreseen.
    pub read_prefix: Option<Digest>,
    /// What was written: prefixes with their class and estimated tokens, shortest first.
    pub written: Vec<(Digest, Ttl, u64)>,
}

impl Record {
    /// What leaving a warm prefix is reckoned to have cost, where a route left one and something
    /// was served for it.
    #[must_use]
    pub fn hop(&self) -> Option<Money> {
        let served = self.usage.is_some() || self.presumed.is_some();
        self.attempt.as_ref()?.hop.filter(|_| served)
    }

    /// The backend that a route sent it to; empty where no route decided.
    #[must_use]
    pub fn backend(&self) -> &str {
        self.attempt.as_ref().map_or("", |attempt| &attempt.backend)
    }
}

/// Names one exchange: the process that booked it and its number there. Written `run-number` in
/// base 36.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "two numbers and nothing else")]
pub struct Id {
    /// Drawn once per handle; below 2^63, so that databases can hold it.
    pub run: u64,
    /// Counts from one.
    pub number: u64,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", base36(self.run), base36(self.number))
    }
}

impl FromStr for Id {
    type Err = crate::error::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('-');
        let number = |digits: &str| u64::from_str_radix(digits, 36).ok();
        parts
            .and_then(|(run, count)| {
                Some(Self {
                    run: number(run)?,
                    number: number(count)?,
                })
            })
            .ok_or_else(|| {
                crate::error::Error::config(format!(
                    "`{text}` names no exchange: ids look like 1z141z3-5f, as in the ledger's export"
                ))
            })
    }
}

fn base36(mut number: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut out = Vec::new();
    loop {
        let digit = usize::try_from(number % 36).unwrap_or(0);
        out.extend(DIGITS.get(digit));
        number /= 36;
        if number == 0 {
            break;
        }
    }
    out.reverse();
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        for (run, number) in [(0, 1), (35, 36), (u64::MAX >> 1, 12_345)] {
            let id = Id { run, number };
            assert_eq!(id.to_string().parse::<Id>().unwrap(), id);
        }
        let error = "nothing".parse::<Id>().unwrap_err();
        assert!(error.to_string().contains("`nothing`"), "{error}");
    }
}
