//! Tools: another order, another set, another definition of one.

use std::collections::{BTreeMap, BTreeSet};

use super::bytes::parting;
use super::compare::{Changed, List, Side, offset};
use crate::canon::tool_name;
use crate::model::{Block, Cause, Pattern, Place, Section, Span};

/// Notes what changed among the tools, in their order.
pub(super) fn changes(earlier: &Side<'_>, later: &Side<'_>, list: &mut List) {
    let (_, old) = earlier.section(Section::Tools);
    let (_, new) = later.section(Section::Tools);
    let pairs = old.iter().zip(new);
    let same = pairs.take_while(|(a, b)| a.fingerprint == b.fingerprint);
    let at = same.count();
    if at == old.len() && at == new.len() {
        return;
    }
    let tools = Tools {
        earlier,
        later,
        old: named(earlier.body, old),
        new: named(later.body, new),
    };
    let mut found = tools.redefined();
    found.extend(tools.added());
    found.extend(tools.removed());
    found.extend(tools.reordered());
    found.sort_by_key(|changed| changed.place.block);
    for changed in found {
        list.push(changed);
    }
}

/// A tool by its name and how often that name stood before.
type Key = (Vec<u8>, usize);

/// The tools with their keys; one without a name goes by its content.
fn named<'a>(body: &[u8], blocks: &'a [Block]) -> Vec<(Key, &'a Block)> {
    let mut seen = BTreeMap::<Vec<u8>, usize>::new();
    let keys = blocks.iter().map(|block| {
        let name = tool_name(block.span.of(body));
        let name = name.unwrap_or_else(|| block.fingerprint.0.to_be_bytes().to_vec());
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        ((name, *times), block)
    });
    keys.collect()
}

struct Tools<'a> {
    earlier: &'a Side<'a>,
    later: &'a Side<'a>,
    old: Vec<(Key, &'a Block)>,
    new: Vec<(Key, &'a Block)>,
}

impl Tools<'_> {
    fn was(&self, key: &Key) -> Option<&Block> {
        self.old
            .iter()
            .find(|(old, _)| old == key)
            .map(|(_, block)| *block)
    }

    /// Tools of one name that say something else.
    fn redefined(&self) -> Vec<Changed> {
        let old: BTreeMap<&Key, &Block> =
            self.old.iter().map(|(key, block)| (key, *block)).collect();
        let changed = self
            .new
            .iter()
            .enumerate()
            .filter_map(|(at, (key, block))| {
                let before = old.get(key)?;
                (before.fingerprint != block.fingerprint).then(|| self.edited(at, before, block))
            });
        changed.collect()
    }

    fn edited(&self, at: usize, before: &Block, after: &Block) -> Changed {
        let parting = parting((self.earlier.body, before), (self.later.body, after));
        let cause = match parting.pattern {
            Some(Pattern::Order) | None => Cause::ToolsSchema,
            Some(_) => Cause::Volatile,
        };
        Changed {
            cause,
            pattern: parting.pattern,
            place: self.place(at, parting.byte),
            before: parting.before,
            after: parting.after,
            frames: [before.span, after.span],
        }
    }

    fn added(&self) -> Vec<Changed> {
        let old: BTreeSet<&Key> = self.old.iter().map(|(key, _)| key).collect();
        let added = self.new.iter().enumerate();
        added
            .filter(|(_, (key, _))| !old.contains(key))
            .map(|(at, (_, block))| Changed {
                cause: Cause::ToolsSet,
                pattern: None,
                place: self.place(at, 0),
                before: Span::default(),
                after: block.span,
                frames: [Span::default(), block.span],
            })
            .collect()
    }

    fn removed(&self) -> Vec<Changed> {
        let new: BTreeMap<&Key, usize> = self
            .new
            .iter()
            .enumerate()
            .map(|(at, (key, _))| (key, at))
            .collect();
        // Where a tool stood is where the next one stands that is still there.
        let mut next = self.new.len();
        let mut found = Vec::new();
        for (at, (key, block)) in self.old.iter().enumerate().rev() {
            if let Some(here) = new.get(key) {
                next = *here;
                continue;
            }
            let pointer = self.earlier.dialect.pointer(self.earlier.prompt, at);
            found.push(Changed {
                cause: Cause::ToolsSet,
                pattern: None,
                place: Place::new(Section::Tools, offset(next), 0, pointer),
                before: block.span,
                after: Span::default(),
                frames: [block.span, Span::default()],
            });
        }
        found.reverse();
        found
    }

    /// The first tool that stands before one that it stood behind.
    fn reordered(&self) -> Option<Changed> {
        let new: BTreeSet<&Key> = self.new.iter().map(|(key, _)| key).collect();
        let mut old = self.old.iter().filter(|(key, _)| new.contains(key));
        let known = |key: &Key| self.was(key).is_some();
        let moved = self
            .new
            .iter()
            .enumerate()
            .filter(|(_, (key, _))| known(key));
        for (at, (key, block)) in moved {
            let (before, stood) = old.next()?;
            if before != key {
                return Some(Changed {
                    cause: Cause::ToolsOrder,
                    pattern: Some(Pattern::Order),
                    place: self.place(at, 0),
                    before: stood.span,
                    after: block.span,
                    frames: [stood.span, block.span],
                });
            }
        }
        None
    }

    fn place(&self, at: usize, byte: u32) -> Place {
        let pointer = self.later.dialect.pointer(self.later.prompt, at);
        Place::new(Section::Tools, offset(at), byte, pointer)
    }
}
