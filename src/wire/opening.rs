//! Finds the first message before anything around it is read.

use memchr::memmem;

use super::earlier::Message;
use super::grammar::{Grammar, Source, Turn, in_system};
use super::scan::Scanner;
use crate::model::Block;

/// The first messages, up to the first one behind the system prompt, found before the members
/// around them were read: they name the conversation.
///
/// Where they were looked for is a guess. A wrong one finds no earlier body, or one whose bytes are
/// compared all the same.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// Each message, and where its blocks end.
    messages: Vec<(Message, usize)>,
    blocks: Vec<Block>,
}

impl Opening {
    pub(super) fn find<G: Grammar>(grammar: G, source: Source<'_>) -> Option<Self> {
        // In tools the word may well be a property's name, but seldom that of an array of objects
        // with roles: a few of those are enough to look at.
        memmem::find_iter(source.body, G::QUOTED)
            .map(|found| found + G::QUOTED.len())
            .filter(|after_key| is_array(source.body, *after_key))
            .take(8)
            .find_map(|after_key| {
                let mut scan = Scanner::after(source.body, after_key, 1);
                scan.peek();
                scan.jump(scan.position() + 1);
                Self::read(grammar, source, scan)
            })
    }

    /// The blocks of all its messages.
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The message of this index with its blocks, if it was found to begin at `start`.
    pub(super) fn at(&self, outer: usize, start: u32) -> Option<(Message, &[Block])> {
        let (message, end) = self.messages.get(outer)?;
        let before = outer.checked_sub(1).and_then(|at| self.messages.get(at));
        let first = before.map_or(0, |(_, end)| *end);
        let blocks = self.blocks.get(first..*end)?;
        (message.span.start == start).then_some((*message, blocks))
    }

    /// Reads the array at the scanner.
    pub(super) fn read<G: Grammar>(
        grammar: G,
        source: Source<'_>,
        mut scan: Scanner<'_>,
    ) -> Option<Self> {
        scan.open(b'[').ok()?;
        let mut found = Self::default();
        while in_system(found.blocks.last()) && scan.next_element().ok()? {
            let turn = Turn {
                outer: found.messages.len(),
                opening: true,
            };
            let message = grammar.message(source, &mut scan, turn, &mut found.blocks);
            found.messages.push((message.ok()?, found.blocks.len()));
        }
        (!found.messages.is_empty()).then_some(found)
    }
}

/// Whether a colon and an opening bracket stand here.
fn is_array(body: &[u8], at: usize) -> bool {
    let rest = body.get(at..).unwrap_or_default();
    let mut rest = rest.iter().filter(|byte| !byte.is_ascii_whitespace());
    rest.next() == Some(&b':') && rest.next() == Some(&b'[')
}
