//! Conversations that the engine keeps warm, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::serve::Call;
use crate::model::{Digest, Timestamp, Vigil};

/// Vigils by the conversation, with what a ping would repeat.
#[derive(Debug, Default)]
pub(super) struct Vigils {
    kept: BTreeMap<Digest, (Vigil, Arc<Call>)>,
    due: BTreeSet<(Timestamp, Digest)>,
}

impl Vigils {
    /// Keeps a vigil in place of an older one of its conversation.
    pub(super) fn keep(&mut self, vigil: Vigil, call: Arc<Call>) {
        self.end(&vigil.conversation);
        self.due.insert((vigil.due, vigil.conversation));
        self.kept.insert(vigil.conversation, (vigil, call));
    }

    /// The conversation goes on: its vigil is over.
    pub(super) fn end(&mut self, conversation: &Digest) {
        if let Some((old, _)) = self.kept.remove(conversation) {
            self.due.remove(&(old.due, *conversation));
        }
    }

    /// When the next ping is due.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the vigil whose ping is due next.
    pub(super) fn take(&mut self) -> Option<(Vigil, Arc<Call>)> {
        let (_, conversation) = self.due.pop_first()?;
        self.kept.remove(&conversation)
    }
}
