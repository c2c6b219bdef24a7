//! Looks a request up in the history: which candidates are warm, which will be read again.

use super::chain::Before;
use super::lifetime::lifetime;
use super::pauses::Pauses;
use super::{Conversation, Memory};
use crate::economy::Stream;
use crate::ledger::history::{Node, Reuse, Spot, reuse, visit};
use crate::model::{
    Candidate, Choice, Digest, Keyring, Lives, Outlook, Prompt, Role, Section, Timestamp, Ttl, Why,
};
use crate::plan::{Rates, candidates};

/// Nodes looked up on the way back from the tail before the search for a warm one is given up.
const SEARCH: usize = 64;

/// What a survey needs to know of one request.
pub(super) struct Ground<'a> {
    pub(super) nodes: &'a dyn Memory,
    pub(super) prompt: &'a Prompt,
    pub(super) turn: &'a Conversation,
    pub(super) keyring: &'a Keyring,
    /// Keys of what was learned: the scope, and within it the service (same tools and system).
    pub(super) keys: [Digest; 2],
    /// The request before this one in its conversation.
    pub(super) before: Option<&'a Before>,
    /// The class to write with, where the traffic has no say.
    pub(super) ttl: Option<Ttl>,
    pub(super) rates: &'a Rates,
    pub(super) lives: &'a Lives,
    /// The conversation, this request included.
    pub(super) stream: &'a Stream,
    pub(super) pauses: &'a Pauses,
    pub(super) now: Timestamp,
}

/// The deepest prefix that was seen before, by its last block.
pub(super) type Seen = Option<(usize, Node)>;

/// Books the request's visit and returns what is expected of it.
pub(super) fn survey(
    ground: &Ground<'_>,
    prefix_tokens: Vec<u64>,
) -> (Outlook, Seen, Option<Choice>) {
    ground.give_up_broken();
    let mut found = candidates(ground.prompt);
    ground.add_branches(&mut found);
    let mut known = ground.look_up(&found);
    let warm = ground.warm(&mut found, &mut known);
    let seen = found.iter().zip(&known).rev();
    let seen = seen
        .filter_map(|(one, node)| Some((one.block, (*node)?)))
        .next();
    let chances = ground.chances(&found, &known);
    let mut outlook = Outlook {
        prefix_tokens,
        warm,
        ..Outlook::default()
    };
    let choice = if let Some(ttl) = ground.ttl {
        outlook.ttl = ttl;
        None
    } else {
        Some(lifetime(ground, &found, &chances, &mut outlook))
    };
    // Whoever reads to a deeper place has read to every shallower one.
    let mut deeper = 0.0_f64;
    for (candidate, chance) in found.iter_mut().zip(&chances).rev() {
        deeper = deeper.max(chance.within(outlook.class_at(candidate.block)));
        candidate.reuse = deeper;
    }
    outlook.candidates = found;
    (outlook, seen, choice)
}

impl Ground<'_> {
    fn digest(&self, block: usize) -> Option<Digest> {
        self.turn.prefix(self.keyring, block)
    }

    fn node(&self, block: usize) -> Option<Node> {
        self.nodes.node(&self.digest(block)?)
    }

    /// What is known of each candidate's prefix: every prefix is looked up once.
    fn look_up(&self, found: &[Candidate]) -> Vec<Option<Node>> {
        found.iter().map(|one| self.node(one.block)).collect()
    }

    /// The conversation went on without the prefixes it had: nobody will read those.
    fn give_up_broken(&self) {
        let broken = self.before.map_or(&[][..], |before| &before.broken);
        for prefix in broken {
            let Some(node) = self.nodes.node(prefix) else {
                continue;
            };
            for key in self.keys {
                self.nodes.learn(key, &mut |learned| {
                    learned.trials_mut(node.spot).abandon(prefix);
                });
            }
        }
    }

    /// Adds the places where requests of this scope were seen to part, this one included.
    fn add_branches(&self, found: &mut Vec<Candidate>) {
        let [scope, _] = self.keys;
        let parted = self
            .before
            .filter(|before| 0 < before.shared && before.shared < before.blocks)
            .and_then(|before| self.prompt.markable_before(before.shared));
        if let Some((block, prefix)) = parted.and_then(|at| Some((at, self.digest(at)?))) {
            let depth = u32::try_from(block).unwrap_or(u32::MAX);
            self.nodes.learn(scope, &mut |learned| {
                learned.branch_seen(prefix, depth, self.now);
            });
        }
        self.nodes.learned(&scope, &mut |learned| {
            let here = learned
                .branches()
                .filter(|(prefix, depth)| self.digest(*depth).as_ref() == Some(*prefix))
                .map(|(_, depth)| Candidate::new(depth, Why::Branch));
            found.extend(here);
        });
        let last = self.prompt.blocks.len();
        found.retain(|candidate| candidate.block < last);
        found.sort_by_key(|candidate| (candidate.block, candidate.why == Why::Branch));
        found.dedup_by_key(|candidate| candidate.block);
    }

    /// The deepest prefix that should be warm; it becomes a candidate if it was none.
    fn warm(
        &self,
        found: &mut Vec<Candidate>,
        known: &mut Vec<Option<Node>>,
    ) -> Option<(usize, Ttl)> {
        let live = |node: &Option<Node>| node.as_ref()?.live_for(self.lives, self.now);
        let by_shape = found.iter().zip(&*known).rev().find_map(|(one, node)| {
            let entry = live(node)?;
            Some((one.block, entry.ttl))
        });
        let floor = by_shape.map_or(0, |(block, _)| block);
        let searched = self
            .turn_ends()
            .take_while(|block| *block > floor)
            .filter(|block| found.iter().all(|one| one.block != *block))
            .take(SEARCH)
            .find_map(|block| {
                let node = self.node(block);
                let entry = live(&node)?;
                Some((block, node, entry.ttl))
            });
        let Some((block, node, ttl)) = searched else {
            return by_shape;
        };
        let at = found.partition_point(|one| one.block < block);
        found.insert(at, Candidate::new(block, Why::Warm));
        known.insert(at, node);
        Some((block, ttl))
    }

    /// Markable ends of user turns, from the tail up: where earlier requests may have ended.
    fn turn_ends(&self) -> impl Iterator<Item = usize> + '_ {
        let start = self.prompt.end_of(Section::System);
        let blocks = self.prompt.blocks.as_slice();
        let ends = (start..blocks.len()).rev().filter(move |at| {
            let here = blocks.get(*at).map(|block| block.role);
            let next = blocks.get(*at + 1).map(|block| block.role);
            here != Some(Role::Assistant) && next.is_none_or(|next| next == Role::Assistant)
        });
        ends.filter_map(move |end| self.prompt.markable_before(end + 1))
            .filter(move |at| *at >= start)
    }

    /// Books visits and asks the history for the chance of each candidate.
    fn chances(&self, found: &[Candidate], known: &[Option<Node>]) -> Vec<Reuse> {
        let turn = self.turn();
        let visited = found.iter().zip(known);
        let nodes: Vec<Node> = visited
            .map(|(candidate, known)| self.visited(candidate, *known, turn))
            .collect();
        let [scope, service] = self.keys;
        let mut chances = Vec::with_capacity(found.len());
        self.nodes.learned(&scope, &mut |wide| {
            self.nodes.learned(&service, &mut |narrow| {
                chances = nodes
                    .iter()
                    .map(|node| reuse(&[wide, narrow], node, self.now))
                    .collect();
            });
        });
        chances
    }

    fn visited(&self, candidate: &Candidate, known: Option<Node>, turn: Turn) -> Node {
        let spot = self.spot(candidate.why, turn);
        let passing = matches!(candidate.why, Why::PreviousTop | Why::Warm)
            || (candidate.why == Why::BeforeLast && turn == Turn::Later);
        match self.digest(candidate.block) {
            // A place that only this request's shape suggests is no trial of its own.
            Some(prefix) if !passing || known.is_some() => {
                visit(self.nodes, &self.keys, (prefix, known), spot, self.now)
            }
            _ => Node::first_seen(spot, self.now),
        }
    }

    fn turn(&self) -> Turn {
        let start = self.prompt.end_of(Section::System);
        let turns = self.prompt.blocks.get(start..).unwrap_or_default();
        if turns.iter().any(|block| block.role == Role::Assistant) {
            Turn::Later
        } else {
            Turn::First
        }
    }

    fn spot(&self, why: Why, turn: Turn) -> Spot {
        match why {
            Why::ToolsEnd => Spot::ToolsEnd,
            Why::SystemEnd => Spot::SystemEnd,
            Why::Branch if turn == Turn::First => Spot::Inner,
            Why::Branch => Spot::Branch,
            Why::BeforeLast if turn == Turn::First => Spot::Inner,
            Why::Tail | Why::BeforeLast if turn == Turn::First => {
                if self.prompt.end_of(Section::Tools) > 0 {
                    Spot::AgentStart
                } else {
                    Spot::ChatStart
                }
            }
            Why::Tail | Why::BeforeLast | Why::Warm | Why::PreviousTop => Spot::Later,
        }
    }
}

/// Whether the model has spoken in this conversation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    Later,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "token counts stay far below 2^53"
)]
pub(super) const fn as_f64(tokens: u64) -> f64 {
    tokens as f64
}
