//! Requested against effective: what came of the caching that one exchange asked for.

use super::expected::Mark;
use crate::ledger::Verdict;
use crate::model::{Ttl, Usage};

/// Tokens by which figures may differ that mean the same: what stays plain behind a last marker
/// (up to 16 recorded), and what an estimate cannot know.
const SLACK: u64 = 64;

/// Estimated tokens in the provider's own, by what this request was billed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    billed: u64,
    estimated: u64,
}

impl Scale {
    /// The scale of a request of so many estimated tokens.
    pub(super) fn of(usage: Option<&Usage>, estimated: u64) -> Self {
        let billed = usage.and_then(Usage::input).filter(|billed| *billed > 0);
        match billed {
            Some(billed) if estimated > 0 => Self { billed, estimated },
            _ => Self {
                billed: 1,
                estimated: 1,
            },
        }
    }

    /// So many estimated tokens as they would be billed.
    pub(super) fn apply(self, tokens: u64) -> u64 {
        share(tokens, self.billed, self.estimated)
    }
}

/// `tokens · part ÷ whole`.
pub(super) fn share(tokens: u64, part: u64, whole: u64) -> u64 {
    let product = u128::from(tokens) * u128::from(part);
    u64::try_from(product / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

/// Whether `read` tokens are as good as `wanted`: estimates are off by some percent, and the last
/// tokens of a prompt are never cached.
pub(super) fn is_about(read: u64, wanted: u64) -> bool {
    read.saturating_add(wanted / 20).saturating_add(SLACK) >= wanted
}

/// One exchange whose response came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) usage: &'a Usage,
    pub(super) marks: &'a [Mark],
    pub(super) scale: Scale,
    /// Billed tokens that should have been read.
    pub(super) predicted: u64,
    /// The shortest prefix that is cached.
    pub(super) min_tokens: u64,
}

impl Case<'_> {
    /// What came of it.
    pub(super) fn verdict(&self) -> Verdict {
        let written = self.usage.written();
        let Some(read) = self.usage.read else {
            return match written {
                Some(written) if written > 0 => Verdict::Written,
                _ => Verdict::Unreported,
            };
        };
        if self.is_downgraded() {
            return Verdict::Downgraded;
        }
        // Far less is a fifth: the scale of a prefix may differ that much from its request's.
        let far_less = read
            .saturating_add(self.predicted / 5)
            .saturating_add(SLACK);
        match (read, written) {
            (0, Some(0)) if !self.marks.is_empty() => self.unheeded(),
            (0, _) if self.predicted > 0 => Verdict::Lost,
            (0, Some(written)) if written > 0 => Verdict::Written,
            (0, None) if !self.marks.is_empty() => Verdict::Unreported,
            (0, _) => Verdict::Plain,
            _ if far_less < self.predicted => Verdict::Partial,
            _ => Verdict::Hit,
        }
    }

    /// Markers of which neither a read nor a write came.
    fn unheeded(&self) -> Verdict {
        let deepest = self.marks.iter().map(|mark| mark.tokens).max();
        if self.scale.apply(deepest.unwrap_or(0)) < self.min_tokens {
            Verdict::BelowMinimum
        } else {
            Verdict::Ignored
        }
    }

    /// Whether an hour was asked for what was written, and five minutes were granted.
    pub(super) fn is_downgraded(&self) -> bool {
        let five = self.usage.write_5m.unwrap_or(0);
        if self.usage.write_1h != Some(0) || five == 0 {
            return false;
        }
        let read = self.usage.read.unwrap_or(0);
        let hours = self.marks.iter().filter(|mark| mark.ttl == Ttl::OneHour);
        let asked = hours.map(|mark| self.scale.apply(mark.tokens)).max();
        asked.is_some_and(|asked| asked >= self.min_tokens && !is_about(read, asked))
    }

    /// Markers whose prefix was read or written; `None` where the usage does not tell.
    pub(super) fn honoured(&self) -> Option<usize> {
        let read = self.usage.read;
        let cached = match (read, self.usage.written()) {
            (None, None) => return None,
            (Some(0), None) if !self.marks.is_empty() => return None,
            (read, written) => read.unwrap_or(0).saturating_add(written.unwrap_or(0)),
        };
        let is_served = |mark: &&Mark| {
            let tokens = self.scale.apply(mark.tokens);
            cached > 0 && tokens >= self.min_tokens && is_about(cached, tokens)
        };
        Some(self.marks.iter().filter(is_served).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, Ttl};

    fn mark(tokens: u64, ttl: Ttl) -> Mark {
        Mark {
            block: 0,
            prefix: Digest::default(),
            ttl,
            tokens,
        }
    }

    fn verdict(usage: &Usage, marks: &[Mark], predicted: u64) -> Verdict {
        let case = Case {
            usage,
            marks,
            scale: Scale::of(Some(usage), usage.input().unwrap_or(0)),
            predicted,
            min_tokens: 1024,
        };
        case.verdict()
    }

    #[test]
    fn every_verdict_on_a_response_has_its_case() {
        let reported = Usage::reported;
        let five = [mark(5000, Ttl::FiveMinutes)];
        let hour = [mark(5000, Ttl::OneHour)];
        let mixed = [mark(4000, Ttl::OneHour), mark(5000, Ttl::FiveMinutes)];
        for (usage, marks, predicted, wanted) in [
            (Usage::default(), &five[..], 0, Verdict::Unreported),
            (reported(5000, 0, 0, 0, 1), &[][..], 0, Verdict::Plain),
            (reported(5000, 0, 0, 0, 1), &five[..], 0, Verdict::Ignored),
            (
                reported(5000, 0, 0, 0, 1),
                &five[..],
                5000,
                Verdict::Ignored,
            ),
            (reported(5000, 0, 0, 0, 1), &[][..], 5000, Verdict::Lost),
            (reported(3, 0, 4997, 0, 1), &five[..], 0, Verdict::Written),
            (reported(3, 0, 4997, 0, 1), &five[..], 4000, Verdict::Lost),
            (reported(3, 4000, 997, 0, 1), &five[..], 4000, Verdict::Hit),
            (reported(3, 4000, 997, 0, 1), &five[..], 0, Verdict::Hit),
            (
                reported(3, 1000, 3997, 0, 1),
                &five[..],
                4000,
                Verdict::Partial,
            ),
            (
                reported(3, 0, 4997, 0, 1),
                &hour[..],
                0,
                Verdict::Downgraded,
            ),
            (reported(3, 0, 0, 4997, 1), &hour[..], 0, Verdict::Written),
            // The hour was read, and only what stands behind it was written.
            (reported(3, 4000, 997, 0, 1), &mixed[..], 4000, Verdict::Hit),
            (
                reported(3, 0, 4997, 0, 1),
                &mixed[..],
                0,
                Verdict::Downgraded,
            ),
        ] {
            assert_eq!(
                verdict(&usage, marks, predicted),
                wanted,
                "{usage:?} {marks:?}"
            );
        }
        let short = reported(900, 0, 0, 0, 1);
        let marks = [mark(890, Ttl::FiveMinutes)];
        assert_eq!(verdict(&short, &marks, 0), Verdict::BelowMinimum);
    }

    #[test]
    fn what_is_not_reported_is_not_counted_as_nothing() {
        let unwritten = Usage {
            plain: Some(5000),
            read: Some(0),
            ..Usage::default()
        };
        let marks = [mark(5000, Ttl::FiveMinutes)];
        assert_eq!(verdict(&unwritten, &marks, 0), Verdict::Unreported);
        assert_eq!(verdict(&unwritten, &[], 0), Verdict::Plain);
    }
}
