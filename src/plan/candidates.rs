//! Where a marker could earn money, by the shape of the prompt alone.

use crate::model::{Block, Candidate, Prompt, Role, Section, Why};

/// Borders considered inside the system prompt and inside the first message.
const INNER: usize = 4;

/// Candidates by shape, in block order: the ends of tools and system, borders inside the system
/// prompt and the first message, the top of the request before, the border before the last block,
/// and the tail. Each stands on a block that can carry a marker.
#[must_use]
pub fn candidates(prompt: &Prompt) -> Vec<Candidate> {
    let blocks = prompt.blocks.as_slice();
    let system = prompt.end_of(Section::Tools);
    let messages = prompt.end_of(Section::System);
    let mut found = Vec::with_capacity(16);
    let mut add = |block: Option<usize>, why: Why| {
        found.extend(block.map(|block| Candidate::new(block, why)));
    };
    add(markable_before(blocks, 0, system), Why::ToolsEnd);
    add(markable_before(blocks, system, messages), Why::SystemEnd);
    let tail = markable_before(blocks, messages, blocks.len());
    add(tail, Why::Tail);
    add(previous_top(blocks, messages), Why::PreviousTop);
    if let Some(tail) = tail {
        let same = |at: &usize| blocks.get(*at).map(|block| block.outer);
        let before = markable_before(blocks, messages, tail);
        add(before.filter(|at| same(at) == same(&tail)), Why::BeforeLast);
    }
    for start in [system, messages] {
        for at in inner_borders(blocks, start) {
            add(Some(at), Why::Branch);
        }
    }
    in_order(found)
}

/// Sorts by block and keeps one candidate per block, the strongest reason first.
pub(super) fn in_order(mut found: Vec<Candidate>) -> Vec<Candidate> {
    found.sort_by_key(|candidate| (candidate.block, std::cmp::Reverse(strength(candidate.why))));
    found.dedup_by_key(|candidate| candidate.block);
    found
}

/// Which of two reasons for the same block is the better name for it.
const fn strength(why: Why) -> u8 {
    match why {
        Why::Tail => 6,
        Why::SystemEnd => 5,
        Why::ToolsEnd => 4,
        Why::Warm => 3,
        Why::PreviousTop => 2,
        Why::BeforeLast => 1,
        Why::Branch => 0,
    }
}

/// The last block in `from..to` that can carry a marker.
fn markable_before(blocks: &[Block], from: usize, to: usize) -> Option<usize> {
    let part = blocks.get(from..to)?;
    part.iter()
        .rposition(|block| block.markable)
        .map(|at| from + at)
}

/// The last markable block of the request before this one: what stands before the assistant's
/// turn that precedes the trailing run of user blocks.
fn previous_top(blocks: &[Block], messages: usize) -> Option<usize> {
    let part = blocks.get(messages..)?;
    let spoken = part
        .iter()
        .rposition(|block| block.role == Role::Assistant)?;
    let turn = part.get(..spoken)?;
    let end = turn
        .iter()
        .rposition(|block| block.role != Role::Assistant)?;
    markable_before(blocks, messages, messages + end + 1)
}

/// Markable blocks of the first system blocks, or of the first message, but for its last block.
fn inner_borders(blocks: &[Block], start: usize) -> impl Iterator<Item = usize> + '_ {
    let first = blocks.get(start);
    let section = first.map(|block| block.section);
    let outer = first.map(|block| block.outer);
    let belongs = move |block: &&Block| {
        Some(block.section) == section
            && (section == Some(Section::System) || Some(block.outer) == outer)
    };
    let run = blocks.iter().skip(start).take_while(belongs).count();
    (start..start + run.saturating_sub(1))
        .filter(|at| blocks.get(*at).is_some_and(|block| block.markable))
        .take(INNER)
}
