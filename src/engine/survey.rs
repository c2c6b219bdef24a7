//! Looks a request up in the history: which candidates are warm, which will be read again.

use std::cell::RefCell;

use super::chain::Before;
use super::explore::Exploration;
use super::lead::lead;
use super::lifetime::lifetime;
use super::path::{Path, is_later};
use super::pauses::Pauses;
use super::{Conversation, Memory};
use crate::economy::Stream;
use crate::economy::leader::{Allowed, Led};
use crate::ledger::history::{Learned, Node, Reuse, Spot, kind_reuse, reuse, visit};
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
    /// The variants that may lead; `None` where the traffic has no say.
    pub(super) allowed: Option<Allowed>,
    /// The chance that one hour is granted where it is asked for.
    pub(super) granted: f64,
    /// What may be spent on asking for it where it was not granted lately.
    pub(super) explores: Option<Exploration>,
    /// Whether pings are allowed.
    pub(super) pings: bool,
    pub(super) now: Timestamp,
    /// Digests of prefixes that were asked for, each made once.
    pub(super) digests: RefCell<Vec<(usize, Digest)>>,
}

/// The deepest prefix that was seen before, by its last block.
pub(super) type Seen = Option<(usize, Node)>;

/// What is expected of a request, how its class came about, and which variant it follows.
pub(super) type Surveyed = (Outlook, Seen, Option<Choice>, Option<Led>);

/// Books the request's visit and returns what is expected of it.
pub(super) fn survey(ground: &Ground<'_>, prefix_tokens: Vec<u64>) -> Surveyed {
    ground.give_up_broken();
    let path = Path::walk(ground);
    let mut found = candidates(ground.prompt);
    ground.add_branches(&mut found, &path);
    let mut known = ground.look_up(&found);
    let warm = ground.warm(&mut found, &mut known);
    let seen = found.iter().zip(&known).rev();
    let seen = seen
        .filter_map(|(one, node)| Some((one.block, (*node)?)))
        .next();
    let mut outlook = Outlook {
        prefix_tokens,
        warm,
        pending: ground.pending(&found, warm).filter(|_| !path.goes_on()),
        ..Outlook::default()
    };
    let chances = ground.chances((&found, &known), &path);
    let mut choice = if let Some(ttl) = ground.ttl {
        outlook.ttl = ttl;
        None
    } else {
        Some(lifetime(ground, &found, &chances, &mut outlook))
    };
    outlook.candidates = found;
    expect(&mut outlook, &chances);
    let led = lead(ground, &mut outlook);
    if led.is_some_and(|led| led.variant.is_some()) {
        expect(&mut outlook, &chances);
        choice
            .iter_mut()
            .for_each(|choice| follow(choice, &outlook));
    }
    (outlook, seen, choice, led)
}

/// The choice is what a leading variant made of it.
fn follow(choice: &mut Choice, outlook: &Outlook) {
    let all = outlook.prefix_tokens.last().copied().unwrap_or(0);
    choice.hour = match (outlook.ttl, outlook.hour_to) {
        (Ttl::OneHour, _) => all,
        (_, Some(block)) => outlook.tokens_to(block),
        (_, None) => 0,
    };
    choice.ttl = if choice.hour > 0 {
        Ttl::OneHour
    } else {
        Ttl::FiveMinutes
    };
}

/// What is expected of each candidate within the class that it is written with. Whoever reads to a
/// deeper place has read to every shallower one.
fn expect(outlook: &mut Outlook, chances: &[Reuse]) {
    let mut found = std::mem::take(&mut outlook.candidates);
    let mut deeper = 0.0_f64;
    for (candidate, chance) in found.iter_mut().zip(chances).rev() {
        deeper = deeper.max(chance.within(outlook.class_at(candidate.block)));
        candidate.reuse = deeper;
    }
    outlook.candidates = found;
}

impl Ground<'_> {
    pub(super) fn digest(&self, block: usize) -> Option<Digest> {
        let mut known = self.digests.borrow_mut();
        if let Some((_, digest)) = known.iter().find(|(at, _)| *at == block) {
            return Some(*digest);
        }
        let digest = self.turn.prefix(self.keyring, block)?;
        known.push((block, digest));
        Some(digest)
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
                    learned.abandon(prefix, node.spot);
                });
            }
        }
    }

    /// Adds the places where requests of this scope were seen to part, this one included, and those
    /// where the next one is likely to leave it.
    fn add_branches(&self, found: &mut Vec<Candidate>, path: &Path) {
        let [scope, _] = self.keys;
        let parted = path.parted(self);
        let parted = parted.and_then(|shared| self.prompt.markable_before(shared));
        let likely = path.likely_ends(self).into_iter();
        let likely = likely.filter_map(|end| self.prompt.markable_before(end));
        found.extend(likely.map(|block| Candidate::new(block, Why::Branch)));
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

    /// The deepest place beyond the warm one that a request under way is writing.
    fn pending(&self, found: &[Candidate], warm: Option<(usize, Ttl)>) -> Option<usize> {
        let [scope, _] = self.keys;
        let mut pending = None;
        self.nodes.learned(&scope, &mut |learned| {
            if learned.pending.is_empty() {
                return;
            }
            let cold = found.iter().rev().map(|one| one.block);
            let mut cold = cold.take_while(|block| warm.is_none_or(|(at, _)| *block > at));
            pending = cold.find(|block| {
                let prefix = self.digest(*block);
                prefix.is_some_and(|prefix| learned.pending.holds(&prefix, self.now))
            });
        });
        pending
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
    fn chances(&self, (found, known): (&[Candidate], &[Option<Node>]), path: &Path) -> Vec<Reuse> {
        let visited = found.iter().zip(known);
        let nodes: Vec<Node> = visited
            .map(|(candidate, known)| {
                let spot = spot(candidate.why, path.tail_spot);
                self.visited(candidate, *known, path, spot)
            })
            .collect();
        let [scope, service] = self.keys;
        let mut chances = Vec::with_capacity(found.len());
        self.nodes.learned(&scope, &mut |wide| {
            self.nodes.learned(&service, &mut |narrow| {
                let learned = [wide, narrow];
                let mut kinds = Kinds::new(&learned, self.now);
                let gone_on = kinds.of(path.tail_spot);
                let visited = found.iter().zip(known).zip(&nodes);
                let chance = |((candidate, known), node): ((&Candidate, &Option<Node>), &Node)| {
                    let mut own = || reuse(node, kinds.of(node.spot));
                    if known.is_some() || candidate.block < path.passed.known {
                        return own();
                    }
                    // Whoever goes on from this request reads to where it leaves it.
                    let gone_on = gone_on.times(path.left(self, candidate.block, &learned));
                    if is_passing(candidate, path.tail_spot) || candidate.why == Why::Tail {
                        return gone_on;
                    }
                    own().max(gone_on)
                };
                chances = visited.map(chance).collect();
            });
        });
        chances
    }

    fn visited(&self, candidate: &Candidate, known: Option<Node>, path: &Path, spot: Spot) -> Node {
        let Some(prefix) = self.digest(candidate.block) else {
            return Node::first_seen(spot, self.now);
        };
        let passed = &path.passed;
        if known.is_none() && candidate.why == Why::Branch && candidate.block < passed.known {
            // Earlier requests passed through it before anybody knew that it matters.
            let node = Node::seen_before(Spot::Branch, passed.gap, self.now);
            self.nodes.put_node(prefix, node);
            return node;
        }
        // A place that only this request's shape suggests is no trial of its own.
        if is_passing(candidate, path.tail_spot) && known.is_none() {
            return Node::first_seen(spot, self.now);
        }
        visit(self.nodes, &self.keys, (prefix, known), spot, self.now)
    }
}

/// What is known of kinds of spots, each asked for once.
struct Kinds<'a> {
    learned: &'a [&'a Learned],
    now: Timestamp,
    asked: Vec<(Spot, Reuse)>,
}

impl<'a> Kinds<'a> {
    const fn new(learned: &'a [&'a Learned], now: Timestamp) -> Self {
        Self {
            learned,
            now,
            asked: Vec::new(),
        }
    }

    fn of(&mut self, spot: Spot) -> Reuse {
        if let Some((_, reuse)) = self.asked.iter().find(|(known, _)| *known == spot) {
            return *reuse;
        }
        let reuse = kind_reuse(self.learned, spot, self.now);
        self.asked.push((spot, reuse));
        reuse
    }
}

/// Whether a place of a request that ends on `tail` is suggested by the shape of this request, or of
/// the one before, alone.
fn is_passing(candidate: &Candidate, tail: Spot) -> bool {
    match candidate.why {
        Why::PreviousTop | Why::Warm => true,
        Why::BeforeLast | Why::Branch => is_later(tail),
        Why::ToolsEnd | Why::SystemEnd | Why::Tail => false,
    }
}

/// The kind of a place of a request that ends on `tail`.
fn spot(why: Why, tail: Spot) -> Spot {
    match why {
        Why::ToolsEnd => Spot::ToolsEnd,
        Why::SystemEnd => Spot::SystemEnd,
        Why::Branch | Why::BeforeLast if !is_later(tail) => Spot::Inner,
        Why::Branch => Spot::Branch,
        Why::Tail => tail,
        Why::BeforeLast | Why::Warm | Why::PreviousTop => Spot::Later,
    }
}
