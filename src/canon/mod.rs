//! Same meaning, same bytes: the `reshape` rules.
//!
//! Two requests that mean the same are often spelled differently: a tool registry is a hash map, a
//! schema generator walks its fields in another order, a client re-encodes an earlier tool input.
//! Each difference ends the cached prefix. The rules here spell tool definitions and tool inputs
//! one way, as a pure function of the request and the rules; what was seen before plays no part, so
//! two replicas agree.
//!
//! The rules are opt-in because the model does read what they change: the order of tools, and the
//! order of properties in a schema, can move its answers. Strings, numbers and escapes keep their
//! bytes, arrays keep their order, and everything outside tool definitions and tool inputs is
//! never touched by [`canonicalize`].
//!
//! Other requests differ in what they say: a clock in the system prompt, an id per call. [`reword`]
//! rounds, moves, splits off or drops such text, each by a rule that is in force only where it was
//! asked for by name.

mod identity;
mod inputs;
mod json;
mod rules;
mod text;
mod tools;
mod volatile;

use std::time::Duration;

use crate::model::{Change, Prompt, Span, Thinking};

pub use identity::{same_but_for_order, text_span, tool_name};
pub use rules::{Rule, Rules};
pub use text::{Wording, reword};
pub use volatile::{Parted, Volatile, differing, same_but_for_volatile, volatile};

/// To what clocks are rounded unless the user says otherwise.
pub const CLOCK_STEP: Duration = Duration::from_secs(3600);

/// What is known about the turns of this conversation before this request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum History {
    /// Every earlier turn was spelled by the same rules, so this one may be as well.
    FromFirstTurn,
    /// Nothing is known. A conversation that holds signed thinking is then left alone: its blocks
    /// are bound to the exact tools and messages they were made with (platform.claude.com,
    /// preserved thinking, prefix checks, 2026-08), and an earlier turn may have been sent as the
    /// caller spelled it.
    #[default]
    Unknown,
}

/// What the rules make of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reshaped {
    /// Spans of the body with what stands there instead; in order, never overlapping.
    pub replacements: Vec<(Span, Vec<u8>)>,
    /// What was changed, with pointers into the body after the replacements.
    pub changes: Vec<Change>,
    /// The rules that changed something.
    pub rules: Rules,
    /// What a rule would have changed but had to leave alone, and why.
    pub notes: Vec<Change>,
}

impl Default for Reshaped {
    fn default() -> Self {
        Self {
            replacements: Vec::new(),
            changes: Vec::new(),
            rules: Rules::NONE,
            notes: Vec::new(),
        }
    }
}

/// Spells the tools and tool inputs of a request canonically.
///
/// `prompt` must have been read from `body`. Pure, and idempotent: the body with the replacements
/// in place yields no further replacements. What cannot be spelled canonically without a guess (a
/// key that stands twice in one object) is left as it is.
#[must_use]
pub fn canonicalize(body: &[u8], prompt: &Prompt, rules: Rules, history: History) -> Reshaped {
    let mut reshaped = Reshaped::default();
    if rules == Rules::NONE {
        return reshaped;
    }
    if prompt.thinking == Thinking::Signed && history == History::Unknown {
        let why = "left alone: signed thinking is bound to what was sent before";
        reshaped.notes.push(Change::new("", why));
        return reshaped;
    }
    tools::reshape(body, prompt, rules, &mut reshaped);
    inputs::reshape(body, prompt, rules, &mut reshaped);
    reshaped
        .replacements
        .sort_unstable_by_key(|(span, _)| *span);
    reshaped
}

/// How far a value is spelled anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// Not at all.
    AsSent,
    /// Without insignificant whitespace.
    Compact,
    /// Without insignificant whitespace and with sorted keys.
    Sorted,
}

impl Spelling {
    /// What `keys`, the rule for the keys of this kind of value, asks for together with the rest.
    const fn of(rules: Rules, keys: Rule) -> Self {
        if rules.has(keys) {
            Self::Sorted
        } else if rules.has(Rule::Whitespace) {
            Self::Compact
        } else {
            Self::AsSent
        }
    }
}
