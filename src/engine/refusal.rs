//! What the provider said when it may have refused what was added, read as it passes.

use memchr::memmem;

/// What every refusal of a marker has in common, whoever spells it: `cachePoint`, `cache_control`,
/// "nothing available to cache", "did not allow prompt caching" (recorded traffic, 2026-08).
const WORD: &[u8] = b"cach";

/// A refusal that was handed on to the caller, for want of a way to send the caller's own body.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusal {
    /// The end of what came last: the word may lie across the border.
    tail: Vec<u8>,
    named: bool,
}

impl Refusal {
    /// A chunk of the response's body.
    pub(super) fn feed(&mut self, chunk: &[u8]) {
        if self.named {
            return;
        }
        self.tail.extend(chunk.iter().map(u8::to_ascii_lowercase));
        self.named = memmem::find(&self.tail, WORD).is_some();
        let old = self.tail.len().saturating_sub(WORD.len() - 1);
        self.tail.drain(..old);
    }

    /// Whether it is about the cache, as far as one can tell without the proof of a second answer.
    pub(super) const fn is_about_the_cache(&self) -> bool {
        self.named
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    fn is_ours(chunks: &[&str]) -> bool {
        let mut refusal = Refusal::default();
        chunks
            .iter()
            .for_each(|chunk| refusal.feed(chunk.as_bytes()));
        refusal.is_about_the_cache()
    }

    #[test]
    fn only_what_names_the_cache_is_ours_wherever_it_is_cut() {
        for said in [
            "extraneous key [cachePoint] is not permitted",
            "You invoked an unsupported model or your request did not allow prompt caching",
            "There is nothing available to CACHE.",
        ] {
            for at in 0..said.len() {
                let (head, tail) = said.split_at(at);
                assert!(is_ours(&[head, tail]), "{said} cut at {at}");
            }
        }
        assert!(is_ours(&["c", "a", "c", "a", "c", "h", "e"]));
        assert!(!is_ours(&["the request is too long", " for its ca", "se"]));
        assert!(!is_ours(&[]));
    }
}
