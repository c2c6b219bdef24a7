//! Two prompts side by side: what the later one still shares with the earlier one, and what moved.

use std::fmt;

use super::{blocks, parameters, tools};
use crate::model::{Cause, Pattern, Place, Prompt, Section, Span};
use crate::wire::Dialect;

/// The most changed places that are listed one by one.
const MOST: usize = 32;

/// One of two requests.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Side<'a> {
    /// The bytes that the prompt was read from.
    pub body: &'a [u8],
    /// What was read. Both sides must have been read with one keyring, for blocks are compared by
    /// their fingerprints.
    pub prompt: &'a Prompt,
    /// The dialect of the body, for pointers into it.
    pub dialect: &'a dyn Dialect,
    /// The model that was asked, by whatever name is the same on both sides.
    pub model: &'a str,
}

impl<'a> Side<'a> {
    /// A request whose model is the one that the body names.
    #[must_use]
    pub fn new(body: &'a [u8], prompt: &'a Prompt, dialect: &'a dyn Dialect) -> Self {
        Self {
            body,
            prompt,
            dialect,
            model: &prompt.model,
        }
    }

    /// The same request with the model's name from elsewhere: a path, or a row that knows aliases.
    #[must_use]
    pub const fn with_model(mut self, model: &'a str) -> Self {
        self.model = model;
        self
    }

    /// Blocks of one section with the index of the first.
    pub(super) fn section(&self, section: Section) -> (usize, &'a [crate::model::Block]) {
        let before = match section {
            Section::Tools => 0,
            Section::System => self.prompt.end_of(Section::Tools),
            Section::Messages => self.prompt.end_of(Section::System),
        };
        let end = self.prompt.end_of(section);
        let blocks = self.prompt.blocks.get(before..end).unwrap_or_default();
        (before, blocks)
    }
}

impl fmt::Debug for Side<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side")
            .field("bytes", &self.body.len())
            .field("blocks", &self.prompt.blocks.len())
            .finish_non_exhaustive()
    }
}

/// How a later request relates to an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no fifth way")]
pub enum Relation {
    /// Both are the same prompt.
    Equal,
    /// The later one is the earlier one with more behind it.
    Extends,
    /// The later one ends within the earlier one and agrees with it up to there.
    Within,
    /// Something that the earlier one had is gone or different.
    Differs,
}

/// What two requests share, and what changed between them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Leading blocks that both have under equal parameters: what can still be read.
    pub shared: usize,
    /// How the later request relates to the earlier one.
    pub relation: Relation,
    /// Every changed place in the order of the prompt, up to a bound; empty unless they differ.
    pub changes: Vec<Changed>,
    /// Changed places beyond those listed.
    pub further: usize,
}

impl Difference {
    /// What moved first, which is what ends the shared prefix.
    #[must_use]
    pub fn first(&self) -> Option<&Changed> {
        self.changes.first()
    }

    /// The cause of a miss for which this difference is to blame; `None` unless they differ.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.first().map(|changed| changed.cause)
    }
}

/// One place that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changed {
    /// What kind of change it is.
    pub cause: Cause,
    /// The volatile text recognised there.
    pub pattern: Option<Pattern>,
    /// Where it is. Its pointer is that of the later request, or of the earlier one where the block
    /// is gone; for the model and for parameters, that of the member.
    pub place: Place,
    /// The bytes of the earlier body that are gone; empty where something was only added.
    pub before: Span,
    /// The bytes of the later body that stand there instead; empty where something was only removed.
    pub after: Span,
    /// The blocks, or the values of the parameter, in which these bytes stand: as far as an excerpt
    /// may go.
    pub frames: [Span; 2],
}

/// Compares two requests, the caller's cache markers left out.
///
/// The keys of one tool's schema in another order, and the same tools in another order, are told
/// from tools that say something else. Blocks are compared by fingerprint; bytes are looked at only
/// where they differ.
#[must_use]
pub fn compare(earlier: &Side<'_>, later: &Side<'_>) -> Difference {
    let mut list = List::default();
    parameters::model(earlier, later, &mut list);
    tools::changes(earlier, later, &mut list);
    parameters::salted(earlier, later, &mut list);
    blocks::changes(earlier, later, Section::System, &mut list);
    blocks::changes(earlier, later, Section::Messages, &mut list);
    let (old, new) = (earlier.prompt.blocks.len(), later.prompt.blocks.len());
    // Parameters are found together, and stand before the blocks they make unreadable.
    list.changes
        .sort_by_key(|changed| (changed.place.section, changed.place.block));
    let relation = if !list.changes.is_empty() {
        Relation::Differs
    } else if old == new {
        Relation::Equal
    } else if old < new {
        Relation::Extends
    } else {
        Relation::Within
    };
    Difference {
        shared: shared(earlier, later),
        relation,
        changes: list.changes,
        further: list.further,
    }
}

/// Leading blocks that are the same in both, the salts of their sections included.
fn shared(earlier: &Side<'_>, later: &Side<'_>) -> usize {
    if earlier.model != later.model {
        return 0;
    }
    let (one, other) = (earlier.prompt, later.prompt);
    let mut reach = Section::Messages;
    if one.messages_salt != other.messages_salt {
        reach = Section::System;
    }
    if one.system_salt != other.system_salt {
        reach = Section::Tools;
    }
    let pairs = one.blocks.iter().zip(&other.blocks);
    pairs
        .take_while(|(one, other)| {
            other.section <= reach
                && one.section == other.section
                && one.fingerprint == other.fingerprint
        })
        .count()
}

/// Changed places as they are found.
#[derive(Debug, Default)]
pub(super) struct List {
    changes: Vec<Changed>,
    further: usize,
}

impl List {
    pub(super) fn push(&mut self, changed: Changed) {
        if self.changes.len() < MOST {
            self.changes.push(changed);
        } else {
            self.further += 1;
        }
    }
}

/// An offset of the body as spans and places have it.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
