//! What a request shares with earlier ones, whoever sent them, and where the next will leave it.

use super::survey::Ground;
use crate::ledger::history::{Learned, Maker, Passed, Spot, TURN, name_of};
use crate::model::{Digest, Fingerprint, Prompt, Role, Section};

/// A request as its prefixes place it among others.
pub(super) struct Path {
    pub(super) passed: Passed,
    /// The kind of its end.
    pub(super) tail_spot: Spot,
    /// For every block, the turn that it belongs to, counted from one.
    turns: Vec<usize>,
}

impl Path {
    /// Finds what earlier requests have in common with this one, and leaves word of this one. What
    /// requests are to each other is learned from where they leave one another.
    pub(super) fn walk(ground: &Ground<'_>) -> Self {
        let mut path = Self {
            passed: Passed::default(),
            tail_spot: tail_spot(ground.prompt, ground.prompt.blocks.len()),
            turns: turns(ground.prompt),
        };
        let root = halves(u128::from_le_bytes(*ground.turn.root.as_bytes()));
        let chain = ground.turn.chain.iter();
        let tags: Vec<u64> = chain.map(|prefix| tag(root, prefix)).collect();
        let name = ground.prompt.markable_before(tags.len());
        let name: Option<Digest> = name.and_then(|at| ground.digest(at));
        let name = name.as_ref().map_or(0, name_of);
        let maker = Maker::new(name, path.turns.last().copied().unwrap_or(0));
        path.passed = ground.nodes.pass(&tags, maker, ground.now);
        let known = path.passed.known;
        let opening = ground.prompt.end_of(Section::System);
        let parted = path.parted(ground);
        path.tail_spot = leaving(path.tail_spot, parted.filter(|at| *at > opening));
        if path.passed.first && known > opening {
            let spot = tail_spot(ground.prompt, known);
            let spot = leaving(spot, path.passed.parted.filter(|at| *at > opening));
            let before_end = path.left_before_end(spot);
            for key in ground.keys {
                ground.nodes.learn(key, &mut |learned| {
                    learned.went_on(&path.passed, spot, before_end);
                });
            }
        }
        path
    }

    /// Whether it goes on from an earlier request, by its end or by the turns that followed: that one
    /// must have been answered.
    pub(super) fn goes_on(&self) -> bool {
        let passed = &self.passed;
        let from_its_end = passed.known == passed.end && passed.known < self.turns.len();
        from_its_end || self.turns.last().is_some_and(|turns| *turns > passed.turns)
    }

    /// How many leading blocks an earlier request had that went on differently.
    pub(super) fn parted(&self, ground: &Ground<'_>) -> Option<usize> {
        let passed = &self.passed;
        if 0 < passed.known && passed.known < passed.end.min(self.turns.len()) {
            return Some(passed.known);
        }
        let before = ground.before?;
        (0 < before.shared && before.shared < before.blocks).then_some(before.shared)
    }

    /// Leading blocks at which requests parted so far, and at which the next one is likely to leave
    /// this one.
    pub(super) fn likely_ends(&self, ground: &Ground<'_>) -> Vec<usize> {
        let mut ends = self.passed.forks.clone();
        ends.push(self.passed.known);
        let [_, service] = ground.keys;
        ground.nodes.learned(&service, &mut |learned| {
            let usual = learned.partings(self.tail_spot).usual();
            ends.extend(usual.filter_map(|before_end| self.end_at(before_end)));
        });
        ends.retain(|end| *end > 0);
        ends
    }

    /// The chance that the next request, if it goes on from this one, has the prefix that ends with
    /// `block` in common with it; by what is known most widely first.
    pub(super) fn left(&self, ground: &Ground<'_>, block: usize, kinds: &[&Learned]) -> f64 {
        let end = ground.prompt.markable_before(self.turns.len());
        let before_end = match end {
            Some(end) if block < end => self.before_end(block + 1),
            _ => 0,
        };
        let partings = kinds.iter().map(|learned| learned.partings(self.tail_spot));
        partings.fold(1.0, |prior, partings| partings.within(before_end, prior))
    }

    /// How long before the end of an earlier request, which ended on `spot`, this one left it.
    fn left_before_end(&self, spot: Spot) -> usize {
        let passed = &self.passed;
        let blocks = passed.end.saturating_sub(passed.known);
        if blocks == 0 || !is_later(spot) {
            return blocks;
        }
        let (turn, rest) = self.place_of(passed.known);
        match passed.turns.checked_sub(turn) {
            // Its last turn had more blocks, whatever follows here.
            None | Some(0) => told_apart(blocks),
            Some(turns) => turns * TURN + told_apart(rest),
        }
    }

    /// How long before the end of this request its first `blocks` blocks end.
    fn before_end(&self, blocks: usize) -> usize {
        if !is_later(self.tail_spot) {
            return self.turns.len().saturating_sub(blocks);
        }
        let (turn, rest) = self.place_of(blocks);
        let all = self.turns.last().copied().unwrap_or(0);
        all.saturating_sub(turn) * TURN + rest
    }

    /// Leading blocks that end so long before the end of this request.
    fn end_at(&self, before_end: usize) -> Option<usize> {
        if !is_later(self.tail_spot) {
            return self.turns.len().checked_sub(before_end);
        }
        let turn = self.turns.last()?.checked_sub(before_end / TURN)?;
        let end = self.turns.partition_point(|one| *one <= turn);
        let end = end.checked_sub(before_end % TURN)?;
        // A turn may have fewer blocks than that.
        let last = end.checked_sub(1).and_then(|at| self.turns.get(at));
        (last == Some(&turn)).then_some(end)
    }

    /// The turn that the first `blocks` blocks end in, and how many of its blocks are behind them.
    fn place_of(&self, blocks: usize) -> (usize, usize) {
        let last = blocks.checked_sub(1).and_then(|at| self.turns.get(at));
        let turn = last.copied().unwrap_or(0);
        let rest = self.turns.iter().skip(blocks);
        let rest = rest.take(TURN - 1).take_while(|one| **one == turn);
        (turn, rest.count())
    }
}

/// Blocks of a turn are counted one by one where they are few; many count as a power of two.
fn told_apart(blocks: usize) -> usize {
    if blocks <= 8 {
        return blocks;
    }
    blocks.next_power_of_two().min(TURN - 1)
}

/// The kind of the end of a request of the first `blocks` blocks of `prompt`.
fn tail_spot(prompt: &Prompt, blocks: usize) -> Spot {
    let start = prompt.end_of(Section::System);
    let turns = prompt.blocks.get(start..blocks).unwrap_or_default();
    let spoken = turns.iter().any(|block| block.role == Role::Assistant);
    match (spoken, prompt.end_of(Section::Tools) > 0) {
        (true, _) => Spot::Later,
        (false, true) => Spot::AgentStart,
        (false, false) => Spot::ChatStart,
    }
}

/// The kind of the end of a request that left the one before it after `parted` blocks.
fn leaving(tail: Spot, parted: Option<usize>) -> Spot {
    match (tail, parted) {
        (Spot::Later, Some(_)) => Spot::Replacing,
        (tail, _) => tail,
    }
}

pub(super) const fn is_later(spot: Spot) -> bool {
    matches!(spot, Spot::Later | Spot::Replacing)
}

/// For every block, the run of the model's blocks, or of others', that it belongs to.
fn turns(prompt: &Prompt) -> Vec<usize> {
    let (mut turn, mut before) = (0, None);
    let speakers = prompt.blocks.iter();
    let speakers = speakers.map(|block| block.role == Role::Assistant);
    let turns = speakers.map(|speaker| {
        turn += usize::from(before != Some(speaker));
        before = Some(speaker);
        turn
    });
    turns.collect()
}

/// Names a prefix in its scope. The chain is keyed, so that nobody can make two prefixes alike.
const fn tag([high, low]: [u64; 2], prefix: &Fingerprint) -> u64 {
    let [a, b] = halves(prefix.0);
    (a ^ high).wrapping_add((b ^ low).rotate_left(32))
}

#[expect(clippy::cast_possible_truncation, reason = "its two halves")]
const fn halves(whole: u128) -> [u64; 2] {
    [(whole >> 64) as u64, whole as u64]
}
