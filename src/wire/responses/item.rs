//! Reads one item of `input` with its blocks.

use std::borrow::Cow;

use crate::model::{Block, BlockKind, Fingerprint, Role, Section, Skip, Span};
use crate::wire::earlier::Message;
use crate::wire::grammar::{Source, Turn};
use crate::wire::parts::{self, Rules};
use crate::wire::prints::{join, seal};
use crate::wire::scan::{Scanner, offset, span, unescape};

/// Reads the item at the scanner; its blocks, one at least, are added to `out`. A message has one
/// for each part, any other item is a block as it stands.
pub(super) fn item(
    rules: Rules,
    source: Source<'_>,
    scan: &mut Scanner<'_>,
    turn: Turn,
    out: &mut Vec<Block>,
) -> Result<Message, Skip> {
    let first = out.len();
    let mut members = Members::default();
    let is_object = scan.peek() == Some(b'{');
    let start = scan.position();
    if is_object {
        members.read(rules, source, scan, out)?;
    } else {
        scan.value()?;
    }
    let whole = span(start, scan.position());
    let name = members.text(source, members.kind);
    let role = members.text(source, members.role);
    let is_message = matches!(name.as_deref(), None | Some("message"));
    let role = role.filter(|_| is_message);
    let (speaker, kind) = match (&role, name.as_deref()) {
        (Some(role), _) => (speaker(role), BlockKind::Opaque),
        (None, name) => kind_of(name.unwrap_or_default()),
    };
    if role.is_none() {
        out.truncate(first);
    }
    if out.len() == first {
        let mut block = parts::whole(source, whole, kind);
        block.weight = match name.as_deref() {
            // A picture in base64 is nearly all of it.
            Some("computer_call_output" | "image_generation_call") => {
                parts::weight(BlockKind::Image, whole.len())
            }
            _ if role.is_some() => 0,
            _ => whole.len(),
        };
        out.push(block);
    }
    let signed = members.sealed && kind == BlockKind::Thinking;
    let mut context = members.context.filter(|_| role.is_some());
    if let Some(role) =
        role.filter(|role| !matches!(role.as_ref(), "user" | "assistant" | "system"))
    {
        // Several names share a role here, but not in the prompt.
        let role = source.keyring.fingerprint(role.as_bytes());
        context = Some(join(source.keyring, context.unwrap_or_default(), role));
    }
    let section = match (speaker, turn.opening) {
        (Role::System, true) => Section::System,
        _ => Section::Messages,
    };
    for block in out.get_mut(first..).unwrap_or_default() {
        block.section = section;
        block.role = speaker;
        block.outer = offset(turn.outer);
        block.markable &= rules.speaks(block);
        if section == Section::System {
            block.role = Role::None;
        }
        // Once is enough: a prefix that holds any block of an item holds its first one.
        seal(block, source.keyring, context.take());
    }
    Ok(Message {
        span: whole,
        signed,
    })
}

fn speaker(role: &str) -> Role {
    match role {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        _ => Role::Other,
    }
}

/// Who speaks in an item of this `type` that is no message, and what it is (Responses API
/// reference, developers.openai.com, 2026-11).
fn kind_of(name: &str) -> (Role, BlockKind) {
    match name {
        "reasoning" => (Role::Assistant, BlockKind::Thinking),
        name if name.ends_with("_call_output") => (Role::User, BlockKind::ToolResult),
        name if name.ends_with("_call") => (Role::Assistant, BlockKind::ToolUse),
        _ => (Role::Other, BlockKind::Opaque),
    }
}

/// What the members of an item said. They may stand in any order, so blocks are completed once all
/// of them are known.
#[derive(Debug, Default)]
struct Members<'a> {
    names: Vec<Cow<'a, str>>,
    kind: Option<Span>,
    role: Option<Span>,
    /// Fingerprint of the members beside type, role and content.
    context: Option<Fingerprint>,
    /// Whether encrypted content is handed back.
    sealed: bool,
}

impl<'a> Members<'a> {
    fn read(
        &mut self,
        rules: Rules,
        source: Source<'a>,
        scan: &mut Scanner<'_>,
        out: &mut Vec<Block>,
    ) -> Result<(), Skip> {
        scan.open(b'{')?;
        while let Some(key) = scan.next_key()? {
            let name = unescape(key.of(source.body)).unwrap_or_default();
            if self.names.contains(&name) {
                return Err(Skip::DuplicateKey);
            }
            match name.as_ref() {
                "type" => self.kind = Some(scan.value()?),
                "role" => self.role = Some(scan.value()?),
                "content" => parts::content(rules, source, scan, out)?,
                name => {
                    let value = scan.value()?;
                    let bytes = value.of(source.body);
                    self.sealed |= name == "encrypted_content" && bytes.len() > 4;
                    let member = Span::new(key.start, value.end).of(source.body);
                    let member = source.keyring.fingerprint(member);
                    let before = self.context.unwrap_or_default();
                    self.context = Some(join(source.keyring, before, member));
                }
            }
            self.names.push(name);
        }
        Ok(())
    }

    /// A member's text.
    fn text(&self, source: Source<'a>, member: Option<Span>) -> Option<Cow<'a, str>> {
        unescape(member?.of(source.body))
    }
}
