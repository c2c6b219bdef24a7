//! What a provider keeps of a request to say later why another one was not read.

use super::request::{Request, Section};

/// The outline of one request: its model and the ends of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// The model's row.
    pub model: Box<str>,
    /// Hash and tokens of the prefix that ends with the tools, the system prompt, the request.
    ends: [(u128, u64); 3],
    blocks: usize,
}

/// What changed between two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "what providers tell apart")]
pub enum Moved {
    /// The model.
    Model,
    /// The tools.
    Tools,
    /// The system prompt.
    System,
    /// The conversation.
    Messages,
}

impl Request {
    /// What is kept of it.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let table = self.table();
        let end = |section: Section| {
            let last = table.last_of(section);
            last.map_or((0, 0), |slot| (slot.prefix, slot.tokens))
        };
        Trace {
            model: table.row.clone(),
            ends: [Section::Tools, Section::System, Section::Messages].map(end),
            blocks: self.block_count(),
        }
    }

    /// What changed since an earlier request, with the tokens that could have been read had it not;
    /// `None` where this one only adds to it.
    #[must_use]
    pub fn moved_since(&self, earlier: &Trace) -> Option<(Moved, u64)> {
        let here = self.trace();
        let [.., (_, before)] = earlier.ends;
        let [.., (_, now)] = here.ends;
        let most = before.min(now);
        if here.model != earlier.model {
            return Some((Moved::Model, most));
        }
        let [tools, system, _] = here.ends;
        let [old_tools, old_system, (old_end, _)] = earlier.ends;
        if tools != old_tools {
            return Some((Moved::Tools, most));
        }
        if system != old_system {
            return Some((Moved::System, most.saturating_sub(tools.1)));
        }
        let last = earlier.blocks.checked_sub(1);
        let goes_on = last.is_none_or(|last| self.prefixes().nth(last) == Some(old_end));
        (!goes_on).then(|| (Moved::Messages, most.saturating_sub(system.1)))
    }
}
