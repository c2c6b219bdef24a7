//! Reads one message of a chat with its blocks.

use std::borrow::Cow;

use crate::model::{Block, BlockKind, Fingerprint, Role, Section, Skip, Span};
use crate::wire::earlier::Message;
use crate::wire::grammar::{Source, Turn};
use crate::wire::parts::{self, Rules};
use crate::wire::prints::{join, seal};
use crate::wire::scan::{Scanner, offset, span, unescape};

/// Reads the message at the scanner; its blocks, one at least, are added to `out` in the order in
/// which models see them: thinking, content, calls.
pub(super) fn message(
    rules: Rules,
    source: Source<'_>,
    scan: &mut Scanner<'_>,
    turn: Turn,
    out: &mut Vec<Block>,
) -> Result<Message, Skip> {
    if scan.peek() != Some(b'{') {
        return Err(Skip::NotARequest);
    }
    let start = scan.position();
    let first = out.len();
    let mut members = Members::default();
    scan.open(b'{')?;
    while let Some(key) = scan.next_key()? {
        let name = unescape(key.of(source.body)).unwrap_or_default();
        if members.names.contains(&name) {
            return Err(Skip::DuplicateKey);
        }
        match name.as_ref() {
            "role" => members.role = Some(scan.value()?),
            "content" => parts::content(rules, source, scan, out)?,
            "tool_calls" => calls(source, scan, out)?,
            "function_call" => single(source, scan, BlockKind::ToolUse, out)?,
            // DeepSeek, OpenRouter and others hand thinking back in members of their own.
            "reasoning_content" | "reasoning" => {
                single(source, scan, BlockKind::Thinking, out)?;
            }
            "reasoning_details" => {
                let before = out.len();
                single(source, scan, BlockKind::Thinking, out)?;
                members.signed |= out.len() > before;
            }
            _ => {
                let value = scan.value()?;
                members.other(source, Span::new(key.start, value.end));
            }
        }
        members.names.push(name);
    }
    let whole = span(start, scan.position());
    if out.len() == first {
        // Even a message without content is told to the model.
        let mut empty = parts::whole(source, whole, BlockKind::Opaque);
        empty.weight = 0;
        out.push(empty);
    }
    let signed = members.signed;
    members.complete(
        rules,
        source,
        turn,
        out.get_mut(first..).unwrap_or_default(),
    )?;
    Ok(Message {
        span: whole,
        signed,
    })
}

/// Reads `tool_calls`: each is a block.
fn calls(source: Source<'_>, scan: &mut Scanner<'_>, out: &mut Vec<Block>) -> Result<(), Skip> {
    if scan.peek() != Some(b'[') {
        return single(source, scan, BlockKind::ToolUse, out);
    }
    scan.open(b'[')?;
    let mut inner = 0;
    while scan.next_element()? {
        let mut block = parts::whole(source, scan.value()?, BlockKind::ToolUse);
        block.inner = inner;
        inner += 1;
        out.push(block);
    }
    Ok(())
}

/// Reads a member that is one block, unless it is null.
fn single(
    source: Source<'_>,
    scan: &mut Scanner<'_>,
    kind: BlockKind,
    out: &mut Vec<Block>,
) -> Result<(), Skip> {
    let value = scan.value()?;
    if value.of(source.body) != b"null" {
        out.push(parts::whole(source, value, kind));
    }
    Ok(())
}

/// What the members of a message said so far. They may stand in any order, so blocks are completed
/// once all of them are known.
#[derive(Debug, Default)]
struct Members<'a> {
    names: Vec<Cow<'a, str>>,
    role: Option<Span>,
    /// Fingerprint of the members beside role and content (a name, the call that is answered).
    context: Option<Fingerprint>,
    /// Whether thinking was handed back that the provider may have signed.
    signed: bool,
}

impl Members<'_> {
    fn other(&mut self, source: Source<'_>, member: Span) {
        let member = source.keyring.fingerprint(member.of(source.body));
        self.context = Some(join(
            source.keyring,
            self.context.unwrap_or_default(),
            member,
        ));
    }

    fn complete(
        mut self,
        rules: Rules,
        source: Source<'_>,
        turn: Turn,
        blocks: &mut [Block],
    ) -> Result<(), Skip> {
        let name = self.role.map(|role| role.of(source.body));
        let name = name.and_then(unescape).ok_or(Skip::NotARequest)?;
        let (role, plain) = match name.as_ref() {
            "user" => (Role::User, true),
            "assistant" => (Role::Assistant, true),
            "system" => (Role::System, true),
            "developer" => (Role::System, false),
            "tool" | "function" => (Role::User, false),
            _ => (Role::Other, false),
        };
        if let (false, Some(span)) = (plain, self.role) {
            // Several names share a role here, but not in the prompt.
            self.other(source, span);
        }
        let section = match (role, turn.opening) {
            (Role::System, true) => Section::System,
            _ => Section::Messages,
        };
        blocks.sort_by_key(|block| {
            let is_call = block.kind == BlockKind::ToolUse;
            (is_call, block.kind != BlockKind::Thinking)
        });
        let answers = matches!(name.as_ref(), "tool" | "function");
        for block in blocks {
            block.section = section;
            block.role = role;
            block.outer = offset(turn.outer);
            if answers && block.kind == BlockKind::Text {
                block.kind = BlockKind::ToolResult;
            }
            block.markable &= rules.speaks(block);
            if section == Section::System {
                block.role = Role::None;
            }
            // Once is enough: a prefix that holds any block of a message holds its first one.
            seal(block, source.keyring, self.context.take());
        }
        Ok(())
    }
}
