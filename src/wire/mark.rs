//! Puts markers into a body and takes the caller's out.

use bytes::Bytes;
use memchr::memmem;

use super::Edit;
use super::scan::{Scanner, offset};
use crate::model::{Block, Form, Plan, Prompt, Span, Ttl};

/// How a dialect spells a marker that is a member of its block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spelling {
    /// The member's key with its quotes.
    pub(super) key: &'static str,
    /// Its value.
    pub(super) value: fn(Ttl) -> &'static str,
    /// What stands before and after a bare string for it to become a block; the marker goes between
    /// string and end.
    pub(super) wrap: fn(body: &[u8], block: &Block) -> (&'static str, &'static str),
}

/// Edits for each breakpoint of `plan` whose block can carry a marker and carries none.
pub(super) fn mark(body: &[u8], prompt: &Prompt, plan: &Plan, spelling: Spelling) -> Vec<Edit> {
    let mut edits = Vec::with_capacity(plan.breakpoints.len() * 2);
    let mut last = None;
    for breakpoint in &plan.breakpoints {
        let twice = last.replace(breakpoint.block) == Some(breakpoint.block);
        match prompt.blocks.get(breakpoint.block) {
            Some(block) if block.markable && block.marker.is_none() && !twice => {
                spelling.place(body, block, breakpoint.ttl, &mut edits);
            }
            _ => {}
        }
    }
    edits
}

/// Edits that remove every marker of the caller's.
pub(super) fn unmark(prompt: &Prompt) -> Vec<Edit> {
    let blocks = prompt.blocks.iter().filter_map(|block| block.marker);
    blocks
        .chain(prompt.auto_marker)
        .map(|marker| Edit::new(marker.span, Bytes::new()))
        .collect()
}

/// The value of a `cache_control` member.
pub(super) const fn ephemeral(ttl: Ttl) -> &'static str {
    match ttl {
        Ttl::FiveMinutes | Ttl::HalfHour => r#"{"type":"ephemeral"}"#,
        Ttl::OneHour => r#"{"type":"ephemeral","ttl":"1h"}"#,
    }
}

impl Spelling {
    fn place(self, body: &[u8], block: &Block, ttl: Ttl, edits: &mut Vec<Edit>) {
        let Span { start, end } = block.span;
        let (key, value) = (self.key, (self.value)(ttl));
        match block.form {
            Form::Bare => {
                let (before, after) = (self.wrap)(body, block);
                edits.push(Edit::insert(start, before));
                edits.push(Edit::insert(end, format!(",{key}:{value}{after}")));
            }
            Form::Object => {
                if let Some(null) = self.null_marker(body, block.span) {
                    edits.push(Edit::new(null, value));
                } else {
                    // The marker as the last member. A block that can be marked has other members
                    // (its type, or a tool's name), so a comma is due.
                    let member = format!(",{key}:{value}");
                    edits.push(Edit::insert(end.saturating_sub(1), member));
                }
            }
        }
    }

    /// Where the block says that its marker is `null`, which must be replaced rather than doubled.
    fn null_marker(self, body: &[u8], object: Span) -> Option<Span> {
        let bytes = object.of(body);
        let wanted = self.key.as_bytes();
        // Nearly no block mentions the key; those that do are read once more.
        memmem::find(bytes, wanted)?;
        let mut scan = Scanner::new(bytes);
        scan.open(b'{').ok()?;
        while let Some(key) = scan.next_key().ok()? {
            let value = scan.value().ok()?;
            if key.of(bytes) == wanted && value.of(bytes) == b"null" {
                let base = object.start as usize;
                let at = |place: u32| offset(base + place as usize);
                return Some(Span::new(at(value.start), at(value.end)));
            }
        }
        None
    }
}
