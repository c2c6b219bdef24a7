//! Puts markers into a body and takes the caller's out.

use bytes::Bytes;
use memchr::memmem;

use crate::model::{Block, Form, Plan, Prompt, Span, Ttl};
use crate::wire::Edit;
use crate::wire::scan::{Scanner, offset};

/// Edits for each breakpoint of `plan` whose block can carry a marker and carries none.
pub(super) fn mark(body: &[u8], prompt: &Prompt, plan: &Plan) -> Vec<Edit> {
    let mut edits = Vec::with_capacity(plan.breakpoints.len() * 2);
    let mut last = None;
    for breakpoint in &plan.breakpoints {
        let twice = last.replace(breakpoint.block) == Some(breakpoint.block);
        match prompt.blocks.get(breakpoint.block) {
            Some(block) if block.markable && block.marker.is_none() && !twice => {
                place(body, block, breakpoint.ttl, &mut edits);
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

fn place(body: &[u8], block: &Block, ttl: Ttl, edits: &mut Vec<Edit>) {
    let Span { start, end } = block.span;
    match block.form {
        Form::Bare => {
            edits.push(Edit::insert(start, &br#"[{"type":"text","text":"#[..]));
            edits.push(Edit::insert(end, bare_tail(ttl)));
        }
        Form::Object => {
            if let Some(null) = null_marker(body, block.span) {
                edits.push(Edit::new(null, value(ttl)));
            } else {
                edits.push(Edit::insert(end.saturating_sub(1), member(ttl)));
            }
        }
    }
}

const fn value(ttl: Ttl) -> &'static [u8] {
    match ttl {
        Ttl::FiveMinutes | Ttl::HalfHour => br#"{"type":"ephemeral"}"#,
        Ttl::OneHour => br#"{"type":"ephemeral","ttl":"1h"}"#,
    }
}

/// The marker as the last member. A block that can be marked has other members (its type, or a
/// tool's name), so a comma is due.
const fn member(ttl: Ttl) -> &'static [u8] {
    match ttl {
        Ttl::FiveMinutes | Ttl::HalfHour => br#","cache_control":{"type":"ephemeral"}"#,
        Ttl::OneHour => br#","cache_control":{"type":"ephemeral","ttl":"1h"}"#,
    }
}

const fn bare_tail(ttl: Ttl) -> &'static [u8] {
    match ttl {
        Ttl::FiveMinutes | Ttl::HalfHour => br#","cache_control":{"type":"ephemeral"}}]"#,
        Ttl::OneHour => br#","cache_control":{"type":"ephemeral","ttl":"1h"}}]"#,
    }
}

/// Where the block says `"cache_control": null`, which must be replaced rather than doubled.
fn null_marker(body: &[u8], object: Span) -> Option<Span> {
    let bytes = object.of(body);
    // Nearly no block mentions the key; those that do are read once more.
    memmem::find(bytes, br#""cache_control""#)?;
    let mut scan = Scanner::new(bytes);
    scan.open(b'{').ok()?;
    while let Some(key) = scan.next_key().ok()? {
        let value = scan.value().ok()?;
        if key.of(bytes) == br#""cache_control""# && value.of(bytes) == b"null" {
            let base = object.start as usize;
            let at = |place: u32| offset(base + place as usize);
            return Some(Span::new(at(value.start), at(value.end)));
        }
    }
    None
}
