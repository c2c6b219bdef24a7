//! OpenAI's Responses dialect.

use bytes::Bytes;

use super::{Dialect, Edit, MarkerStyle, Reading, Recall, Seen};
use crate::model::{Keyring, Plan, Prompt, Skip};

/// OpenAI's Responses dialect.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for stateless rules")]
pub struct Responses {
    /// How a marker is spelled here.
    pub marker: MarkerStyle,
}

impl Dialect for Responses {
    fn read(&self, _: &Bytes, _: &Keyring, _: Recall<'_>) -> Result<Reading, Skip> {
        Err(Skip::UnknownEndpoint)
    }

    fn mark(&self, _: &[u8], _: &Prompt, _: &Plan) -> Vec<Edit> {
        Vec::new()
    }

    fn unmark(&self, _: &Prompt) -> Vec<Edit> {
        Vec::new()
    }

    fn pointer(&self, _: &Prompt, _: usize) -> String {
        String::new()
    }

    fn may_matter(&self, _: &[u8]) -> bool {
        true
    }

    fn event(&self, _: &mut Seen, _: &str, _: &[u8]) {}

    fn document(&self, _: &mut Seen, _: &[u8]) {}
}
