//! What a provider says it did, kept apart from what it did not say.

/// Token counts of one exchange as the provider reported them.
///
/// `None` is "not reported", `Some(0)` is "reported as zero"; the two are never folded together.
/// The input kinds are disjoint: `plain`, `read`, `write_5m` and `write_1h` add up to the prompt.
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
    /// Input tokens written with the one-hour class.
    pub write_1h: Option<u64>,
    /// Output tokens.
    pub output: Option<u64>,
}

impl Usage {
    /// Usage from the four input kinds and the output, in that order.
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
            write_1h: Some(write_1h),
            output: Some(output),
        }
    }

    /// Both write classes together; `None` when neither was reported.
    #[must_use]
    pub fn written(&self) -> Option<u64> {
        match (self.write_5m, self.write_1h) {
            (None, None) => None,
            (five, hour) => Some(five.unwrap_or(0).saturating_add(hour.unwrap_or(0))),
        }
    }

    /// The whole prompt in tokens; `None` when no input kind was reported.
    #[must_use]
    pub fn input(&self) -> Option<u64> {
        let kinds = [self.plain, self.read, self.write_5m, self.write_1h];
        kinds.iter().any(Option::is_some).then(|| {
            kinds
                .iter()
                .flatten()
                .fold(0, |sum: u64, kind| sum.saturating_add(*kind))
        })
    }
}
