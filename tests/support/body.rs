//! A reader of small Anthropic bodies for tests of rooms below the wire, independent of it.
//!
//! Also compiled into the nested project under `tests/preserve_order`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeMap;

use cachewright::model::{Block, BlockKind, Marker, Prompt, Role, Section, Span, Thinking, Ttl};
use serde_json::value::RawValue;

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The tools and message blocks of a body, with their spans and markers.
pub(crate) fn prompt_of(body: &str) -> Prompt {
    let mut prompt = Prompt::default();
    let request: Members<'_> = serde_json::from_str(body).unwrap();
    for (outer, tool) in elements(request.get("tools")).into_iter().enumerate() {
        let place = (Section::Tools, Role::None, BlockKind::Tool);
        prompt.blocks.push(block(body, tool, place, (outer, 0)));
    }
    for (outer, message) in elements(request.get("messages")).into_iter().enumerate() {
        let message: Members<'_> = serde_json::from_str(message.get()).unwrap();
        for (inner, content) in elements(message.get("content")).into_iter().enumerate() {
            let kind = kind_of(content);
            if kind == BlockKind::Thinking {
                prompt.thinking = Thinking::Signed;
            }
            let place = (Section::Messages, Role::Assistant, kind);
            prompt
                .blocks
                .push(block(body, content, place, (outer, inner)));
        }
    }
    prompt
}

/// The body with replacements, which must come in order and apart.
pub(crate) fn splice(body: &str, replacements: &[(Span, Vec<u8>)]) -> String {
    let (mut out, mut at) = (Vec::new(), 0);
    for (span, with) in replacements {
        out.extend_from_slice(&body.as_bytes()[at..span.start as usize]);
        out.extend_from_slice(with);
        at = span.end as usize;
    }
    out.extend_from_slice(&body.as_bytes()[at..]);
    String::from_utf8(out).unwrap()
}

fn elements<'a>(array: Option<&&'a RawValue>) -> Vec<&'a RawValue> {
    array.map_or_else(Vec::new, |raw| {
        serde_json::from_str(raw.get()).unwrap_or_default()
    })
}

fn kind_of(content: &RawValue) -> BlockKind {
    let members: Members<'_> = serde_json::from_str(content.get()).unwrap();
    match members.get("type").map(|kind| kind.get()) {
        Some("\"tool_use\"") => BlockKind::ToolUse,
        Some("\"tool_result\"") => BlockKind::ToolResult,
        Some("\"thinking\"") => BlockKind::Thinking,
        _ => BlockKind::Text,
    }
}

fn block(
    body: &str,
    value: &RawValue,
    (section, role, kind): (Section, Role, BlockKind),
    (outer, inner): (usize, usize),
) -> Block {
    let mut block = Block::at(section, role, kind, span_of(body, value));
    block.outer = u32::try_from(outer).unwrap();
    block.inner = u32::try_from(inner).unwrap();
    let members: Members<'_> = serde_json::from_str(value.get()).unwrap_or_default();
    block.marker = members
        .get("cache_control")
        .map(|marker| Marker::new(span_of(body, marker), Ttl::FiveMinutes));
    block
}

/// Raw values borrow from the body, so their place is a difference of addresses.
fn span_of(body: &str, value: &RawValue) -> Span {
    let start = value.get().as_ptr() as usize - body.as_ptr() as usize;
    let end = start + value.get().len();
    Span::new(u32::try_from(start).unwrap(), u32::try_from(end).unwrap())
}
