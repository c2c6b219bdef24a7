//! Earlier bodies of a conversation: what they share with the next one is not read again.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::object::Object;
use crate::model::{Block, Fingerprint, Prompt, Section, Span};

/// An earlier body of a conversation with what was read from it, kept to read the next one faster.
#[derive(Clone)]
#[non_exhaustive]
pub struct Remembered {
    /// The body as the caller sent it.
    pub body: Bytes,
    /// What was read from it.
    pub prompt: Prompt,
    index: Index,
}

impl Remembered {
    /// Keeps a body with what was read from it. Nothing is copied: the body is shared, the tables
    /// move.
    #[must_use]
    pub fn new(body: Bytes, reading: Reading) -> Self {
        Self {
            body,
            prompt: reading.prompt,
            index: reading.index,
        }
    }

    /// Keeps a prompt of which no body is known: nothing is taken over from it when one is read.
    #[must_use]
    pub fn traced(prompt: Prompt) -> Self {
        Self {
            body: Bytes::new(),
            prompt,
            index: Index::default(),
        }
    }

    /// What names the caller's session, if anything does: the `user_id` of the member `metadata` where
    /// it holds one, as Claude Code's does after `_session_` or under `session_id`
    /// (github.com/coder/aibridge #241, 2026-03-31). A user alone names none, since one may have
    /// several conversations at once. Not to be kept in clear.
    #[must_use]
    pub fn session(&self) -> Option<&[u8]> {
        let mut members = self.index.members.iter();
        let named = |member: &&Member| member.key.of(&self.body) == br#""metadata""#;
        let metadata = members.find(named)?.value;
        let user = Object::at(&self.body, metadata)?.value(&self.body, "user_id")?;
        memchr::memmem::find(user, b"session_").map(|_| user)
    }

    /// Bytes it holds in memory, for the owner's budget.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len()
            + size_of_val(self.prompt.blocks.as_slice())
            + size_of_val(self.index.messages.as_slice())
    }

    /// The blocks of `tools`, of the system prompt's own member, and of the history.
    pub(super) fn parts(&self) -> (&[Block], &[Block], &[Block]) {
        let blocks = self.prompt.blocks.as_slice();
        let tools = self.prompt.end_of(Section::Tools);
        let history = self.index.messages.last();
        let history = history.map_or(0, |last| last.blocks as usize);
        let history = blocks.len().saturating_sub(history);
        (
            blocks.get(..tools).unwrap_or_default(),
            blocks.get(tools..history).unwrap_or_default(),
            blocks.get(history..).unwrap_or_default(),
        )
    }

    pub(super) const fn index(&self) -> &Index {
        &self.index
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered")
            .field("bytes", &self.body.len())
            .field("blocks", &self.prompt.blocks.len())
            .finish_non_exhaustive()
    }
}

/// What was read from a body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reading {
    /// The prompt.
    pub prompt: Prompt,
    /// Names the conversation: the fingerprint of its first message without markers.
    pub conversation: Fingerprint,
    /// The earlier body whose common parts were not read again, if one helped.
    pub earlier: Option<Arc<Remembered>>,
    pub(super) index: Index,
}

/// Finds earlier bodies of a conversation, most recent first.
pub type Recall<'a> = &'a mut dyn FnMut(Fingerprint) -> Vec<Arc<Remembered>>;

/// Where the parts of a body stand that can be taken over whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// The seed of the fingerprints; those of another seed cannot be taken over.
    pub(super) seed: u64,
    /// The top-level members in the body's order.
    pub(super) members: Vec<Member>,
    /// The elements of the array that grows from turn to turn.
    pub(super) messages: Vec<Element>,
}

/// One member of the body's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The key with its quotes.
    pub(super) key: Span,
    /// The value.
    pub(super) value: Span,
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// The message in the body.
    pub(super) span: Span,
    /// Blocks in this message and all before it.
    pub(super) blocks: u32,
    /// Whether signed thinking stands in this message or one before it.
    pub(super) signed: bool,
}

/// Where a message stands and whether it holds signed thinking.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) span: Span,
    pub(super) signed: bool,
}

/// The earlier body that shares most with `body`, and the number of bytes both begin with.
pub(super) fn closest(
    body: &[u8],
    candidates: Vec<Arc<Remembered>>,
    seed: u64,
) -> Option<(Arc<Remembered>, usize)> {
    let mut best: Option<(Arc<Remembered>, usize)> = None;
    let usable = candidates
        .into_iter()
        .filter(|candidate| candidate.index.seed == seed);
    for candidate in usable {
        let Some((_, length)) = &best else {
            let length = common_prefix(body, &candidate.body);
            best = Some((candidate, length));
            continue;
        };
        // Whoever beats the best must agree at the place where the best ends: look there first.
        let window = length.saturating_sub(4096)..length + 1;
        let here = body.get(window.clone());
        if here.is_none() || here != candidate.body.get(window) {
            continue;
        }
        let longer = common_prefix(body, &candidate.body);
        if longer > *length {
            best = Some((candidate, longer));
        }
    }
    best
}

/// The number of bytes that two bodies begin with in common.
pub(super) fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    let mut at = 0;
    for step in [4096, 64, 1] {
        let rest = |bytes: &[u8]| bytes.len().saturating_sub(at);
        let most = rest(left).min(rest(right));
        let equal = left
            .get(at..)
            .unwrap_or_default()
            .chunks_exact(step)
            .zip(right.get(at..).unwrap_or_default().chunks_exact(step))
            .take_while(|(left, right)| left == right)
            .count();
        at += (equal * step).min(most);
    }
    at
}

/// A span moved by the distance from `from` to `to`.
pub(super) fn moved(span: Span, from: usize, to: usize) -> Span {
    let shift = |offset: u32| super::scan::offset((offset as usize + to).saturating_sub(from));
    Span::new(shift(span.start), shift(span.end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn common_prefix_ends_at_the_first_difference(length in 0_usize..10_000, at in 0_usize..10_000) {
            let left = vec![b'a'; length];
            let mut right = left.clone();
            right.push(b'b');
            prop_assert_eq!(common_prefix(&left, &right), length);
            if let Some(byte) = right.get_mut(at) { *byte = b'c'; }
            prop_assert_eq!(common_prefix(&left, &right), at.min(length));
            prop_assert_eq!(common_prefix(&right, &left), at.min(length));
        }
    }
}
