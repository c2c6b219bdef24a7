//! Which earlier request a miss is explained by: the one of the same conversation, or the one of
//! the same kind, that has most in common with this one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Conversation;
use super::lineage::Lineage;
use super::trail::Turn;
use crate::model::{Block, Fingerprint, Prompt, Role, Section};

/// An earlier request, as far as it is of one lineage with this one.
#[derive(Clone, Debug)]
pub(super) struct Kin {
    pub(super) turn: Arc<Turn>,
    pub(super) conversation: Arc<Conversation>,
    pub(super) bond: Bond,
}

/// What two requests have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bond {
    /// What stands before their conversations, or a part of it.
    Service,
    /// The conversation.
    Conversation,
}

/// The nearest earlier request.
pub(super) fn nearest(lineage: &Lineage, here: &Conversation) -> Option<Kin> {
    let prompt = &here.remembered.prompt;
    let own = Own::of(&prompt.blocks);
    let candidates = lineage.turns.iter().filter_map(|(shared, turn)| {
        let conversation = turn.conversation.as_ref()?;
        let other = &conversation.remembered.prompt;
        let bond = if is_continued(turn, *shared, (other, prompt), &own) {
            Bond::Conversation
        } else if is_alike(conversation, here) {
            Bond::Service
        } else {
            return None;
        };
        let weight = |block: &Block| u64::from(block.weight);
        let (begin, rest) = other.blocks.split_at_checked(*shared).unwrap_or_default();
        let rest = rest.iter().filter(|block| own.has(block.fingerprint));
        let common: u64 = begin.iter().chain(rest).map(weight).sum();
        Some(((bond, common, turn.at), turn, conversation))
    });
    let (rank, turn, conversation) = candidates.max_by_key(|(rank, ..)| *rank)?;
    Some(Kin {
        turn: Arc::clone(turn),
        conversation: Arc::clone(conversation),
        bond: rank.0,
    })
}

/// What a request's blocks are, in order of their fingerprints.
struct Own(Vec<Fingerprint>);

impl Own {
    fn of(blocks: &[Block]) -> Self {
        let mut own: Vec<Fingerprint> = fingerprints(blocks).collect();
        own.sort_unstable();
        Self(own)
    }

    fn has(&self, block: Fingerprint) -> bool {
        self.0.binary_search(&block).is_ok()
    }
}

fn fingerprints(blocks: &[Block]) -> impl Iterator<Item = Fingerprint> {
    blocks.iter().map(|block| block.fingerprint)
}

fn turns_of(prompt: &Prompt) -> &[Block] {
    let opening = prompt.end_of(Section::System);
    prompt.blocks.get(opening..).unwrap_or_default()
}

/// Whether this request belongs to the conversation of `turn`: it goes on where that one ended, or
/// opens alike and the model has spoken since, or has half of its turns.
fn is_continued(turn: &Turn, shared: usize, (before, here): (&Prompt, &Prompt), own: &Own) -> bool {
    if turn.outline.blocks > 0 && shared == turn.outline.blocks || turn.outline.goes_on_in(here) {
        return true;
    }
    let (old, new) = (turns_of(before), turns_of(here));
    let spoken = |turns: &[Block]| turns.iter().any(|block| block.role == Role::Assistant);
    if !spoken(new) || !spoken(old) {
        return false;
    }
    let opens = |turns: &[Block]| turns.first().map(|block| block.fingerprint);
    let kept = || fingerprints(old).filter(|one| own.has(*one)).count();
    opens(old) == opens(new) || kept() * 2 >= old.len()
}

/// Whether what stands before the two conversations is the same thing, perhaps changed.
fn is_alike(before: &Conversation, here: &Conversation) -> bool {
    let head = |turn: &Conversation| {
        let prompt = &turn.remembered.prompt;
        (
            prompt.end_of(Section::Tools),
            prompt.end_of(Section::System),
        )
    };
    let ((old_tools, old_system), (tools, system)) = (head(before), head(here));
    let blocks = |turn: &'_ Conversation, from: usize, to: usize| -> Vec<Block> {
        let blocks = turn.remembered.prompt.blocks.get(from..to);
        blocks.unwrap_or_default().to_vec()
    };
    let old = blocks(before, old_tools, old_system);
    let new = blocks(here, tools, system);
    if !old.is_empty() || !new.is_empty() {
        let mut pairs = old.iter().zip(&new);
        return pairs.any(|(one, other)| {
            one.fingerprint == other.fingerprint
                || resemble(
                    one.span.of(&before.remembered.body),
                    other.span.of(&here.remembered.body),
                )
        });
    }
    let old: BTreeSet<Fingerprint> = fingerprints(&blocks(before, 0, old_tools)).collect();
    let new = blocks(here, 0, tools);
    let kept = fingerprints(&new).filter(|one| old.contains(one)).count();
    kept * 2 >= new.len().max(1)
}

/// Whether two texts begin and end alike for half of the longer one at least.
fn resemble(left: &[u8], right: &[u8]) -> bool {
    let most = left.len().min(right.len());
    let head = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let tail = left.iter().rev().zip(right.iter().rev());
    let tail = tail.take(most - head).take_while(|(a, b)| a == b).count();
    (head + tail) * 2 >= left.len().max(right.len())
}

#[cfg(test)]
mod tests {
    use super::resemble;

    #[test]
    fn a_clock_does_not_make_another_text() {
        let now = b"It is 12:00:01. You are the assistant of a bank.";
        let then = b"It is 11:59:59. You are the assistant of a bank.";
        let other = b"You write release notes from a list of commits.";
        assert!(resemble(now, then) && !resemble(now, other));
        assert!(resemble(b"", b"") && !resemble(b"a", b""));
    }
}
