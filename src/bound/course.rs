//! The traffic of one file as its prefixes are shared: runs of blocks that were always asked for
//! together, and which request went through which.

use super::trie::Trie;
use super::{Access, Piece};
use crate::model::{Money, PriceTier, Timestamp, Tokens};

/// No run, no node.
pub(super) const NONE: u32 = u32::MAX;

/// What a request is billed by, and what its model caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// The prices that bill it.
    pub tier: PriceTier,
    /// What a ping pays per token: the lowest price of a read that its model has at any length.
    pub ping: Money,
    /// The shortest prefix that is cached, in tokens.
    pub min_tokens: Tokens,
    /// Positions searched back from a marker, each block being one; `None` for what the rules say.
    pub lookback: Option<usize>,
}

impl Rate {
    /// One tier for every length, and nothing that the rules do not say.
    #[must_use]
    pub const fn new(tier: PriceTier) -> Self {
        Self {
            tier,
            ping: tier.read,
            min_tokens: 0,
            lookback: None,
        }
    }
}

/// One request of the course.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) scope: u64,
    pub(super) at: Timestamp,
    pub(super) visible: Timestamp,
    /// Its last block; [`NONE`] where it has none.
    node: u32,
    /// Its last run; [`NONE`] where it has none, or is too short to be cached.
    pub(super) run: u32,
    /// Tokens of the whole prompt.
    pub(super) tokens: Tokens,
    /// Tokens behind the last block.
    pub(super) tail: Tokens,
    pub(super) rate: usize,
}

/// Blocks that are always asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The run before; [`NONE`] at the start of a scope.
    pub(super) parent: u32,
    pub(super) tokens: Tokens,
    /// Tokens up to its end.
    pub(super) prefix: Tokens,
    /// Blocks up to its end.
    pub(super) blocks: u32,
    /// Runs before it.
    pub(super) level: u32,
}

/// Requests as they come, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Course {
    trie: Trie,
    rates: Vec<Rate>,
    visits: Vec<Visit>,
}

impl Course {
    /// Nothing so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one request, which must not be earlier than the one before.
    pub fn take(&mut self, access: &Access<'_>, rate: &Rate) {
        let known = self.rates.iter().rposition(|known| known == rate);
        let rate = known.unwrap_or_else(|| {
            self.rates.push(*rate);
            self.rates.len() - 1
        });
        let (path, _) = self.trie.walk(access.scope, access.blocks);
        let tokens = |block: &Piece| Tokens::from(block.tokens);
        self.visits.push(Visit {
            scope: access.scope,
            at: access.at,
            visible: access.visible.max(access.at),
            node: path.last().copied().unwrap_or(NONE),
            run: NONE,
            tokens: access.tail + access.blocks.iter().map(tokens).sum::<Tokens>(),
            tail: access.tail,
            rate,
        });
    }

    /// How many requests were taken.
    #[must_use]
    pub const fn requests(&self) -> usize {
        self.visits.len()
    }

    /// Closes the course.
    #[must_use]
    pub fn close(mut self) -> Runs {
        let (runs, of) = cut(&self.trie, &self.visits);
        for visit in &mut self.visits {
            let least = self.rates.get(visit.rate).map_or(0, |rate| rate.min_tokens);
            let cached = visit.tokens - visit.tail >= least;
            let run = of.get(visit.node as usize).filter(|_| cached);
            visit.run = run.copied().unwrap_or(NONE);
        }
        Runs {
            trie: self.trie,
            rates: self.rates,
            visits: self.visits,
            runs,
        }
    }
}

/// A closed course.
#[derive(Clone, Debug)]
pub struct Runs {
    trie: Trie,
    pub(super) rates: Vec<Rate>,
    pub(super) visits: Vec<Visit>,
    pub(super) runs: Vec<Run>,
}

impl Runs {
    /// The same course at other prices: each rate as `change` makes it.
    #[must_use]
    pub fn at(&self, change: impl FnMut(&Rate) -> Rate) -> Self {
        let mut other = self.clone();
        other.rates = self.rates.iter().map(change).collect();
        other
    }

    pub(super) fn rate(&self, visit: &Visit) -> &Rate {
        const FREE: &Rate = &Rate::new(PriceTier::new([Money::ZERO; 5]));
        self.rates.get(visit.rate).unwrap_or(FREE)
    }

    pub(super) fn run(&self, run: u32) -> Option<&Run> {
        self.runs.get(run as usize)
    }

    /// The runs of a request, the last one first.
    pub(super) fn upwards(&self, visit: &Visit) -> impl Iterator<Item = (u32, &Run)> {
        let start = self.run(visit.run).map(|run| (visit.run, run));
        std::iter::successors(start, |(_, run)| {
            self.run(run.parent).map(|above| (run.parent, above))
        })
    }

    /// The blocks of a request as numbers of their own.
    pub(super) fn blocks(&self, visit: &Visit, blocks: &mut Vec<Piece>) {
        blocks.clear();
        let mut node = visit.node;
        while let Some(parent) = self.trie.parent(node) {
            blocks.push(Piece::new(u128::from(node), self.trie.tokens(node)));
            node = parent;
        }
        blocks.reverse();
    }

    /// What the course costs without caching.
    #[must_use]
    pub fn uncached(&self) -> Money {
        let visits = self.visits.iter();
        visits
            .map(|visit| self.rate(visit).tier.input.times(visit.tokens))
            .sum()
    }

    /// Input tokens of all requests.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        self.visits.iter().map(|visit| visit.tokens).sum()
    }
}

/// Cuts the trie where requests part or end; a node's parent always has a smaller number.
fn cut(trie: &Trie, visits: &[Visit]) -> (Vec<Run>, Vec<u32>) {
    let mut children = vec![0_u32; trie.len()];
    let nodes = || 0..u32::try_from(trie.len()).unwrap_or(NONE);
    let parents = nodes().filter_map(|node| trie.parent(node));
    for node in parents {
        if let Some(count) = children.get_mut(node as usize) {
            *count += 1;
        }
    }
    for visit in visits {
        // An end cuts as a parting does.
        if let Some(count) = children.get_mut(visit.node as usize) {
            *count = 2;
        }
    }
    let mut of = vec![NONE; trie.len()];
    let mut runs: Vec<Run> = Vec::new();
    for node in nodes() {
        let Some(parent) = trie.parent(node) else {
            continue;
        };
        let above = of.get(parent as usize).copied().unwrap_or(NONE);
        let is_cut = children.get(parent as usize).is_none_or(|count| *count > 1);
        let run = if above == NONE || is_cut {
            runs.push(start(&runs, above));
            u32::try_from(runs.len() - 1).unwrap_or(NONE)
        } else {
            above
        };
        if let Some(run) = runs.get_mut(run as usize) {
            let tokens = Tokens::from(trie.tokens(node));
            run.tokens += tokens;
            run.prefix += tokens;
            run.blocks += 1;
        }
        if let Some(of) = of.get_mut(node as usize) {
            *of = run;
        }
    }
    (runs, of)
}

/// An empty run below `above`.
fn start(runs: &[Run], above: u32) -> Run {
    let before = runs.get(above as usize);
    Run {
        parent: above,
        tokens: 0,
        prefix: before.map_or(0, |run| run.prefix),
        blocks: before.map_or(0, |run| run.blocks),
        level: before.map_or(0, |run| run.level + 1),
    }
}
