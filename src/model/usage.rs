//! What a provider says it did, kept apart from what it did not say.

use super::Money;

/// Token counts of one exchange as the provider reported them.
///
/// `None` is "not reported", `Some(0)` is "reported as zero"; the two are never folded together.
/// The input kinds are disjoint: `plain`, `read` and the writes add up to the prompt, also where the
/// provider's own counts overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Input tokens neither read from nor written to the cache.
    pub plain: Option<u64>,
    /// Input tokens read from the cache.
    pub read: Option<u64>,
    /// Input tokens written with the five-minute class. A write whose class was not reported
    /// counts here, since that is the provider's default.
    pub write_5m: Option<u64>,
    /// Input tokens written with the half-hour class.
    pub write_30m: Option<u64>,
    /// Input tokens written with the one-hour class.
    pub write_1h: Option<u64>,
    /// Output tokens.
    pub output: Option<u64>,
    /// What the provider says the exchange cost; it beats any price table.
    pub cost: Option<Money>,
}

impl Usage {
    /// Usage in Anthropic's input kinds and the output, in that order; no other kind is reported.
    #[must_use]
    pub const fn reported(
        plain: u64,
        read: u64,
        write_5m: u64,
        write_1h: u64,
        output: u64,
    ) -> Self {
        Self {
            plain: Some(plain),
            read: Some(read),
            write_5m: Some(write_5m),
            write_30m: None,
            write_1h: Some(write_1h),
            output: Some(output),
            cost: None,
        }
    }

    /// All write classes together; `None` when none was reported.
    #[must_use]
    pub fn written(&self) -> Option<u64> {
        sum([self.write_5m, self.write_30m, self.write_1h])
    }

    /// The whole prompt in tokens; `None` when no input kind was reported.
    #[must_use]
    pub fn input(&self) -> Option<u64> {
        sum([self.plain, self.read, self.written()])
    }
}

/// The sum of what was reported; `None` when nothing was.
fn sum(kinds: [Option<u64>; 3]) -> Option<u64> {
    let reported = kinds.into_iter().flatten();
    reported.reduce(u64::saturating_add)
}
