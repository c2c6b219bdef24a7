//! The inputs of earlier tool calls, which clients re-encode in whatever key order they like.

use super::json::{Node, member_range};
use super::{COMPACTED, Reshaped, Rule, Rules, SORTED, Spelling, owed_to};
use crate::model::{Block, BlockKind, Change, Prompt, Section, Span};

/// Spells the input of every tool call in the conversation canonically.
pub(super) fn reshape(body: &[u8], prompt: &Prompt, rules: Rules, into: &mut Reshaped) {
    let spelling = Spelling::of(rules, Rule::InputKeys);
    if spelling == Spelling::AsSent {
        return;
    }
    let calls = prompt
        .blocks
        .iter()
        .filter(|block| block.section == Section::Messages && block.kind == BlockKind::ToolUse);
    for block in calls {
        respell(body, block, rules, into);
    }
}

fn respell(body: &[u8], block: &Block, rules: Rules, into: &mut Reshaped) {
    let spelling = Spelling::of(rules, Rule::InputKeys);
    let Some(span) = input_span(body, block) else {
        return;
    };
    let sent = span.of(body);
    let Some(mut node) = Node::parse(sent) else {
        into.notes.push(Change::new(
            pointer(block),
            "left alone: a key stands twice in one object",
        ));
        return;
    };
    let moved = spelling == Spelling::Sorted && node.sort();
    let mut with = Vec::with_capacity(sent.len());
    node.write(&mut with);
    if with == sent {
        return;
    }
    let what = if moved { SORTED } else { COMPACTED };
    let change = Change::new(pointer(block), what);
    let rule = owed_to(rules, Rule::InputKeys, what);
    into.changes.push(change.by(rule));
    into.replacements.push((span, with));
}

/// Where the value of the call's `input` stands in the body.
fn input_span(body: &[u8], block: &Block) -> Option<Span> {
    let call = block.span.of(body);
    let input = member_range(call, b"input")?;
    let start = block.span.start + u32::try_from(input.start).ok()?;
    Some(Span::new(start, start + u32::try_from(input.len()).ok()?))
}

fn pointer(block: &Block) -> String {
    format!("/messages/{}/content/{}/input", block.outer, block.inner)
}
