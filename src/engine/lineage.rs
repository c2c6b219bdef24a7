//! The requests before this one: what it shares with them, and what the provider may hold of that.

use std::sync::Arc;

use super::expected::Mark;
use super::trail::{Outline, Trail, Turn, agreeing};
use super::{Conversation, Memory};
use crate::ledger::history::{Entry, Node};
use crate::model::{
    BlockKind, Digest, Fingerprint, Keyring, Limits, Outlook, Prompt, Regime, Timestamp,
};

/// Prefixes of earlier requests that are looked up, the deepest ones.
const LOOKED_UP: usize = 4;

/// An entry that the provider was asked for on a prefix of this request, expired or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) block: usize,
    pub(super) prefix: Digest,
    /// Estimated tokens.
    pub(super) tokens: u64,
    /// Tokens as they were billed, where that is known.
    pub(super) billed: Option<u64>,
    pub(super) entry: Entry,
}

impl Held {
    /// Tokens as they are known best.
    pub(super) fn known(&self) -> u64 {
        self.billed.unwrap_or(self.tokens)
    }
}

/// The requests before this one.
#[derive(Clone, Debug)]
pub(super) struct Lineage {
    /// Keys of the trails: the requests of this route, and this conversation wherever it was sent.
    pub(super) keys: [Digest; 2],
    pub(super) this: Arc<Turn>,
    /// Requests of this scope and model, with the number of leading blocks they have in common.
    pub(super) turns: Vec<(usize, Arc<Turn>)>,
    /// This conversation under another model or in another scope, the latest first.
    pub(super) elsewhere: Vec<Arc<Turn>>,
    /// What was asked for on prefixes of this request, shortest first.
    pub(super) held: Vec<Held>,
    /// Leading blocks that some earlier request had sent.
    pub(super) shared: usize,
    /// What of it should be read.
    pub(super) predicted: Option<Held>,
}

/// The key of a conversation's trail, the same in every scope.
pub(super) fn conversation(keyring: &Keyring, opening: Fingerprint) -> Digest {
    keyring.scope(&[b"lineage", &opening.0.to_le_bytes()])
}

/// What is needed to find them.
pub(super) struct Search<'a> {
    pub(super) memory: &'a dyn Memory,
    pub(super) keyring: &'a Keyring,
    pub(super) turn: &'a Arc<Conversation>,
    /// Everything outside the body that separates caches.
    pub(super) account: Digest,
    pub(super) model: &'a str,
    pub(super) route: &'a str,
    /// Names the conversation in every scope.
    pub(super) opening: Fingerprint,
    /// The request before this one in its conversation.
    pub(super) earlier: Option<&'a Arc<Conversation>>,
    /// The deepest prefix that the history has seen, with what it knows of it.
    pub(super) seen: Option<(usize, Node)>,
    pub(super) limits: &'a Limits,
    pub(super) outlook: &'a Outlook,
    pub(super) now: Timestamp,
}

impl Search<'_> {
    /// Finds the requests before this one, and leaves word of this one for those after it.
    pub(super) fn run(&self, marks: &[Mark]) -> Lineage {
        let root = self.turn.root;
        let keys = [
            self.keyring
                .scope(&[b"route", root.as_bytes(), self.route.as_bytes()]),
            conversation(self.keyring, self.opening),
        ];
        let this = Arc::new(Turn::sent(
            Arc::clone(self.turn),
            Outline::of(self.turn, self.account, self.model),
            self.now,
            marks.into(),
        ));
        let mut recent: Vec<Arc<Turn>> = Vec::new();
        let mut everywhere: Vec<Arc<Turn>> = Vec::new();
        let [route, conversation] = keys;
        self.memory.follow(route, &mut |trail: &mut Trail| {
            recent = trail.turns().to_vec();
            trail.push(Arc::clone(&this));
        });
        self.memory.look_back(&conversation, &mut |trail: &Trail| {
            everywhere = trail.turns().to_vec();
        });
        recent.extend(self.recalled(&recent, &everywhere));
        let turns: Vec<(usize, Arc<Turn>)> = recent
            .into_iter()
            .map(|turn| (self.shared_with(&turn), turn))
            .collect();
        let prompt = &self.turn.remembered.prompt;
        everywhere.retain(|turn| {
            let moved = turn.outline.account != self.account || *turn.outline.model != *self.model;
            moved && turn.outline.goes_on_in(prompt)
        });
        let held = self.held(&turns);
        let seen = self.seen.filter(|(_, node)| node.entry.is_some());
        let by_turns = turns.iter().map(|(shared, _)| *shared).max();
        Lineage {
            keys,
            this,
            shared: by_turns
                .unwrap_or(0)
                .max(seen.map_or(0, |(block, _)| block + 1)),
            predicted: self.predicted(&held, marks),
            turns,
            elsewhere: everywhere,
            held,
        }
    }

    /// The request that was recalled by its conversation, where the route's trail has it no more.
    fn recalled(&self, recent: &[Arc<Turn>], everywhere: &[Arc<Turn>]) -> Option<Arc<Turn>> {
        let earlier = self.earlier?;
        let is_known = |turn: &Arc<Turn>| {
            let body = turn.conversation.as_ref();
            body.is_some_and(|body| Arc::ptr_eq(body, earlier))
        };
        if recent.iter().any(is_known) {
            return None;
        }
        let outline = Outline::of(earlier, self.account, self.model);
        let known = everywhere.iter().find(|turn| turn.outline == outline);
        let mut turn = known.map_or_else(
            || {
                Turn::sent(
                    Arc::clone(earlier),
                    outline,
                    Timestamp::default(),
                    [].into(),
                )
            },
            |turn| Turn::clone(turn),
        );
        turn.conversation = Some(Arc::clone(earlier));
        turn.began = turn.began.or(Some(turn.at));
        Some(Arc::new(turn))
    }

    fn shared_with(&self, turn: &Turn) -> usize {
        let other = turn.conversation.as_ref();
        other.map_or(0, |other| agreeing(&self.turn.chain, &other.chain))
    }

    /// Entries on the prefixes that this request shares with others.
    fn held(&self, turns: &[(usize, Arc<Turn>)]) -> Vec<Held> {
        let of_turns = turns.iter().flat_map(|(shared, turn)| {
            let marks = turn.marks.iter().filter(|mark| mark.block < *shared);
            marks.map(|mark| (mark.block, mark.prefix))
        });
        let mut places: Vec<(usize, Digest)> = of_turns.collect();
        places.sort_unstable_by(|left, right| right.cmp(left));
        places.dedup();
        let known = places
            .iter()
            .filter_map(|(block, prefix)| {
                let entry = self.memory.node(prefix)?.entry?;
                Some((*block, *prefix, entry))
            })
            .take(LOOKED_UP);
        let mut found: Vec<(usize, Digest, Entry)> = known.collect();
        if let Some((block, entry)) = self.seen.and_then(|(at, node)| Some((at, node.entry?)))
            && let Some(prefix) = self.turn.prefix(self.keyring, block)
        {
            found.push((block, prefix, entry));
        }
        if self.limits.regime == Regime::Automatic {
            found.extend(turns.iter().filter_map(|(shared, turn)| {
                let block = shared.checked_sub(1).filter(|_| turn.began.is_some())?;
                let prefix = self.turn.prefix(self.keyring, block)?;
                let asked = turn.marks.last().map_or(self.limits.ttl, |mark| mark.ttl);
                Some((block, prefix, Entry::new(asked, turn.at)))
            }));
        }
        found.sort_unstable_by_key(|(block, _, entry)| (*block, entry.since));
        found.dedup_by_key(|(block, ..)| *block);
        let held = found.into_iter().map(|(block, prefix, entry)| Held {
            block,
            prefix,
            tokens: self.outlook.tokens_to(block),
            billed: billed(turns, prefix),
            entry,
        });
        held.collect()
    }

    /// The deepest entry that is alive and that a marker of this request can find.
    fn predicted(&self, held: &[Held], marks: &[Mark]) -> Option<Held> {
        let prompt = &self.turn.remembered.prompt;
        let expected = held.iter().rev().find(|held| {
            held.entry.is_live_for(&self.limits.lives, self.now)
                && held.known() >= self.limits.min_tokens
                && !self.limits.is_beyond(held.known())
                && is_in_reach(prompt, self.limits, marks, held.block)
        });
        expected.copied()
    }
}

/// What the request that ended its cached part with this prefix was billed for it.
fn billed(turns: &[(usize, Arc<Turn>)], prefix: Digest) -> Option<u64> {
    turns.iter().find_map(|(_, turn)| {
        let last = turn.marks.last()?;
        turn.cached.filter(|_| last.prefix == prefix)
    })
}

/// Whether the provider looks for an entry that ends with `block`.
pub(super) fn is_in_reach(prompt: &Prompt, limits: &Limits, marks: &[Mark], block: usize) -> bool {
    match limits.regime {
        Regime::Automatic => true,
        Regime::Exact => prompt.implicit.is_some() || marks.iter().any(|mark| mark.block == block),
        Regime::Breakpoints => marks
            .iter()
            .any(|mark| mark.block >= block && steps(prompt, limits, block, mark.block).is_some()),
    }
}

/// Positions from one block back to another, both counted; `None` when they are more than the
/// provider looks at.
pub(super) fn steps(prompt: &Prompt, limits: &Limits, from: usize, to: usize) -> Option<usize> {
    let blocks = prompt.blocks.get(from..=to)?;
    let mut positions = 1;
    for pair in blocks.windows(2) {
        let [before, here] = pair else { continue };
        let runs = matches!(here.kind, BlockKind::ToolUse | BlockKind::ToolResult);
        let same = limits.collapse_runs && runs && before.kind == here.kind;
        positions += usize::from(!same);
        if positions > limits.lookback {
            return None;
        }
    }
    Some(positions)
}
