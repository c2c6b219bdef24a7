//! Dialects: bytes to model, edits to bytes. One file per dialect; no dialect re-serializes.

use std::sync::Arc;

use bytes::Bytes;

use crate::model::{Fingerprint, Keyring, Plan, Prompt, Skip, Span};

/// A replacement of one span of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edit {
    /// What is replaced; empty for an insertion.
    pub span: Span,
    /// What stands there instead.
    pub with: Bytes,
}

impl Edit {
    /// Replaces `span` by `with`.
    #[must_use]
    pub fn new(span: Span, with: impl Into<Bytes>) -> Self {
        Self {
            span,
            with: with.into(),
        }
    }
}

/// Applies edits to a body: everything outside their spans is copied as it is.
///
/// Edits may come in any order; they must not overlap. Insertions at one place keep their order.
#[must_use]
pub fn splice(_body: &[u8], _edits: &mut [Edit]) -> Vec<u8> {
    Vec::new()
}

/// An earlier body of a conversation with what was read from it, kept to read the next one faster.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Remembered {
    /// The body as the caller sent it.
    pub body: Bytes,
    /// What was read from it.
    pub prompt: Prompt,
}

/// What was read from a body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reading {
    /// The prompt.
    pub prompt: Prompt,
    /// Names the conversation: the fingerprint of its first message's raw bytes.
    pub conversation: Fingerprint,
    /// The earlier body whose common parts were not read again, if one helped.
    pub earlier: Option<Arc<Remembered>>,
}

/// Finds earlier bodies of a conversation, most recent first.
pub type Recall<'a> = &'a mut dyn FnMut(Fingerprint) -> Vec<Arc<Remembered>>;

/// How one wire format spells a prompt and its usage. No state.
pub trait Dialect: std::fmt::Debug + Send + Sync {
    /// Reads a body in one pass.
    ///
    /// # Errors
    /// The reason for which the body must go through byte for byte.
    fn read(&self, body: &Bytes, keyring: &Keyring, recall: Recall<'_>) -> Result<Reading, Skip>;

    /// The edits that put a plan's markers into the body.
    fn mark(&self, body: &[u8], prompt: &Prompt, plan: &Plan) -> Vec<Edit>;

    /// JSON pointer of the object that carries the marker of this block once it is placed.
    fn pointer(&self, prompt: &Prompt, block: usize) -> String;
}
