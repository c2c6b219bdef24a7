//! The chain of prefix digests, and what the request before this one in its conversation tells.

use super::Conversation;
use crate::model::{Digest, Fingerprint, Keyring, Prompt, Role, Section};

/// The request before this one in its conversation.
pub(super) struct Before {
    /// Leading blocks that both have.
    pub(super) shared: usize,
    /// Blocks that one had.
    pub(super) blocks: usize,
    /// Its prefixes that this turn should have extended and did not, since what precedes the
    /// conversation has changed: the ends of its tools, its system prompt and itself.
    pub(super) broken: Vec<Digest>,
}

/// The fingerprint of every prefix, taken over from the conversation's last request as far as the two
/// agree, which is given with it; and how many blocks they share of how many that one had.
pub(super) fn chain(
    keyring: &Keyring,
    prompt: &Prompt,
    earlier: Option<(usize, &Conversation)>,
) -> (Vec<Fingerprint>, Option<Before>) {
    let shared = earlier.map_or(0, |(shared, _)| shared);
    let earlier = earlier.map(|(_, earlier)| earlier);
    let mut chain: Vec<Fingerprint> = Vec::with_capacity(prompt.blocks.len());
    if let Some(head) = earlier.and_then(|earlier| earlier.chain.get(..shared)) {
        chain.extend_from_slice(head);
    }
    let mut last = chain.last().copied().unwrap_or_default();
    let mut section = match shared.checked_sub(1).and_then(|at| prompt.blocks.get(at)) {
        Some(block) => block.section,
        None => Section::Tools,
    };
    for block in prompt.blocks.iter().skip(chain.len()) {
        if section < Section::System && block.section >= Section::System {
            last = keyring.link(last, prompt.system_salt);
        }
        if section < Section::Messages && block.section >= Section::Messages {
            last = keyring.link(last, prompt.messages_salt);
        }
        section = block.section;
        last = keyring.link(last, block.fingerprint);
        chain.push(last);
    }
    let before = earlier.map(|earlier| Before {
        shared,
        blocks: earlier.chain.len(),
        broken: broken(keyring, prompt, shared, earlier),
    });
    (chain, before)
}

/// Leading blocks that are the same in both prompts, the salts of their sections included.
pub(super) fn agreeing(prompt: &Prompt, earlier: &Prompt) -> usize {
    let mut reach = Section::Messages;
    if prompt.messages_salt != earlier.messages_salt {
        reach = Section::System;
    }
    if prompt.system_salt != earlier.system_salt {
        reach = Section::Tools;
    }
    prompt
        .blocks
        .iter()
        .zip(&earlier.blocks)
        .take_while(|(one, other)| {
            one.section <= reach
                && one.section == other.section
                && one.fingerprint == other.fingerprint
        })
        .count()
}

/// A conversation that goes on under changed tools or system prompt: the prefixes it left behind.
///
/// A first turn proves nothing, for another conversation may well open with the same words.
fn broken(
    keyring: &Keyring,
    prompt: &Prompt,
    shared: usize,
    earlier: &Conversation,
) -> Vec<Digest> {
    let opening = prompt.end_of(Section::System);
    let turns = prompt.blocks.get(opening..).unwrap_or_default();
    let goes_on = turns.iter().any(|block| block.role == Role::Assistant);
    if shared >= opening || !goes_on {
        return Vec::new();
    }
    let before = &earlier.remembered.prompt;
    let sections = [Section::Tools, Section::System, Section::Messages];
    let ends = sections
        .iter()
        .filter_map(|section| before.markable_before(before.end_of(*section)));
    ends.filter(|end| *end >= shared)
        .filter_map(|end| earlier.prefix(keyring, end))
        .collect()
}
