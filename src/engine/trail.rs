//! Recent requests of one route or one conversation, with what is known of their answers.

use std::sync::Arc;

use super::Conversation;
use super::expected::Mark;
use super::judge::share;
use crate::model::{Block, Digest, Fingerprint, Prompt, Section, Timestamp};

/// Requests kept under one key.
const KEPT: usize = 8;
/// Bytes of bodies kept under one key; the newest request keeps its body whatever it weighs.
const BODIES: usize = 4 << 20;

/// One request as later ones are compared with it.
#[derive(Clone, Debug)]
pub struct Turn {
    /// What was sent; `None` where only its outline is kept.
    pub(super) conversation: Option<Arc<Conversation>>,
    pub(super) outline: Outline,
    pub(super) at: Timestamp,
    /// When it began to be answered: from then on its prefixes can be read.
    pub(super) began: Option<Timestamp>,
    pub(super) marks: Arc<[Mark]>,
    /// Input tokens as they were billed.
    pub(super) input: Option<u64>,
    /// Those of them that were read from the cache or written to it.
    pub(super) cached: Option<u64>,
    /// The id of its answer.
    pub(super) response: Option<Box<str>>,
}

/// What tells whether another request goes on where this one ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outline {
    /// Everything outside the body that separates caches.
    pub(super) account: Digest,
    /// The model's row, or the caller's spelling.
    pub(super) model: Box<str>,
    /// The digest before the first block.
    pub(super) root: Digest,
    pub(super) blocks: usize,
    /// Blocks before the conversation.
    pub(super) opening: usize,
    /// The fingerprint of all blocks.
    pub(super) end: Fingerprint,
    /// The fingerprint of the last block alone.
    pub(super) last: Fingerprint,
}

impl Outline {
    pub(super) fn of(turn: &Conversation, account: Digest, model: &str) -> Self {
        let prompt = &turn.remembered.prompt;
        let last = prompt.blocks.last().map(|block| block.fingerprint);
        Self {
            account,
            model: model.into(),
            root: turn.root,
            blocks: turn.chain.len(),
            opening: prompt.end_of(Section::System),
            end: turn.chain.last().copied().unwrap_or_default(),
            last: last.unwrap_or_default(),
        }
    }

    /// Whether `prompt` repeats these turns and adds some, whatever stands before them.
    pub(super) fn goes_on_in(&self, prompt: &Prompt) -> bool {
        let opening = prompt.end_of(Section::System);
        let turns = self.blocks.saturating_sub(self.opening);
        let Some(at) = (opening + turns).checked_sub(1) else {
            return false;
        };
        let last = prompt.blocks.get(at).map(|block| block.fingerprint);
        turns > 0 && prompt.blocks.len() > at + 1 && last == Some(self.last)
    }

    /// Whether its prompt is the beginning of this one, or all of it.
    fn begins(&self, turn: &Conversation) -> bool {
        self.root == turn.root && self.begins_anywhere(turn)
    }

    /// The same, whatever cache it was sent to.
    pub(super) fn begins_anywhere(&self, turn: &Conversation) -> bool {
        let end = self.blocks.checked_sub(1).and_then(|at| turn.chain.get(at));
        end == Some(&self.end)
    }
}

impl Turn {
    /// A request that is being sent.
    pub(super) fn sent(
        conversation: Arc<Conversation>,
        outline: Outline,
        at: Timestamp,
        marks: Arc<[Mark]>,
    ) -> Self {
        Self {
            conversation: Some(conversation),
            outline,
            at,
            began: None,
            marks,
            input: None,
            cached: None,
            response: None,
        }
    }

    /// The same without the body.
    pub(super) fn in_outline(&self) -> Self {
        Self {
            conversation: None,
            ..self.clone()
        }
    }

    /// Billed tokens of its first `blocks` blocks, by their share of its text. `added` are those
    /// that the provider puts between the system prompt and the conversation.
    pub(super) fn input_of(&self, blocks: usize, added: u64) -> Option<u64> {
        let input = self.input?;
        if blocks >= self.outline.blocks {
            return Some(input);
        }
        let behind = blocks > self.outline.opening;
        let input = input.saturating_sub(added);
        let prompt = &self.conversation.as_ref()?.remembered.prompt;
        let weight = |block: &Block| u64::from(block.weight);
        let part = prompt.blocks.get(..blocks)?.iter().map(weight).sum();
        let part = share(input, part, prompt.blocks.iter().map(weight).sum());
        Some(if behind { part + added } else { part })
    }

    fn bytes(&self) -> usize {
        let body = self.conversation.as_ref().map_or(0, |one| one.bytes());
        body + size_of::<Self>() + size_of_val(&*self.marks)
    }

    fn is(&self, other: &Self) -> bool {
        self.at == other.at && self.outline == other.outline
    }
}

/// Recent requests under one key, the latest first; a bounded number of them.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    turns: Vec<Arc<Turn>>,
}

impl Trail {
    /// Bytes held, roughly: the bound of the store counts these.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.turns.iter().map(|turn| turn.bytes()).sum()
    }

    pub(super) fn turns(&self) -> &[Arc<Turn>] {
        &self.turns
    }

    /// Puts a request first. The oldest go, and the bodies beyond the bound.
    pub(super) fn push(&mut self, turn: Arc<Turn>) {
        self.turns.insert(0, turn);
        self.turns.truncate(KEPT);
        let mut bytes = 0;
        let fitting = self.turns.iter().take_while(|turn| {
            bytes += turn.bytes();
            bytes <= BODIES
        });
        let fitting = fitting.count().max(1);
        self.turns.truncate(fitting);
    }

    /// Takes in what has become known of a request, which takes the place of those it continues;
    /// one that is not here is added. `body` is what was sent.
    pub(super) fn update(&mut self, turn: &Arc<Turn>, body: &Conversation) {
        self.turns
            .retain(|other| other.is(turn) || other.at > turn.at || !other.outline.begins(body));
        match self.turns.iter_mut().find(|other| other.is(turn)) {
            Some(known) => *known = Arc::clone(turn),
            None => self.push(Arc::clone(turn)),
        }
    }

    /// Forgets a request that was not answered.
    pub(super) fn forget(&mut self, turn: &Turn) {
        self.turns.retain(|other| !other.is(turn));
    }
}

/// Leading blocks that two requests of one root have in common.
pub(super) fn agreeing(left: &[Fingerprint], right: &[Fingerprint]) -> usize {
    let most = left.len().min(right.len());
    let same = |at: usize| left.get(at) == right.get(at);
    // Each fingerprint covers all blocks before it, so that the first difference can be halved in on.
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = usize::midpoint(low, high);
        if same(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_run_is_found_whatever_its_length() {
        let chain = |same: usize, length: usize| -> Vec<Fingerprint> {
            let mark = |at: usize| u128::try_from(at).unwrap_or_default();
            (0..length)
                .map(|at| Fingerprint(mark(at) + if at < same { 0 } else { 1 << 64 }))
                .collect()
        };
        for length in 0..9 {
            for same in 0..=length {
                assert_eq!(agreeing(&chain(same, length), &chain(length, length)), same);
                assert_eq!(
                    agreeing(&chain(length, length + 3), &chain(same, length)),
                    same
                );
            }
        }
    }
}
