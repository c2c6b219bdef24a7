//! Filler text: the same on every machine, and of about the length that was asked for.

/// A source of words. The generator is the 64-bit LCG of Knuth's MMIX.
#[derive(Clone, Debug)]
pub(super) struct Prose(u64);

const WORDS: [&str; 32] = [
    "the", "index", "of", "each", "module", "returns", "a", "value", "when", "cache", "entries",
    "expire", "before", "request", "and", "error", "handler", "should", "retry", "with", "backoff",
    "because", "tests", "in", "this", "crate", "assume", "stable", "order", "for", "every", "key",
];

impl Prose {
    pub(super) const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }

    /// Text of about `tokens` tokens, at five bytes a word and under three bytes a token.
    pub(super) fn text(&mut self, tokens: u64) -> String {
        let bytes = usize::try_from(tokens.saturating_mul(27) / 10).unwrap_or(usize::MAX);
        let mut text = String::with_capacity(bytes + 16);
        while text.len() < bytes {
            let word = usize::try_from(self.below(32)).ok();
            text.push_str(word.and_then(|word| WORDS.get(word)).unwrap_or(&"the"));
            text.push(if self.below(12) == 0 { '\n' } else { ' ' });
        }
        text
    }
}
