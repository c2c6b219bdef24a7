//! Reads one message with its blocks.

use std::borrow::Cow;

use super::blocks;
use crate::model::{Block, Fingerprint, Keyring, Role, Section, Skip, Span};
use crate::wire::earlier::Message;
use crate::wire::prints::{join, seal};
use crate::wire::scan::{Scanner, offset, span, unescape};

/// Reads the message at the scanner; its blocks are added to `out`.
pub(super) fn message(
    scan: &mut Scanner<'_>,
    body: &[u8],
    keyring: &Keyring,
    outer: usize,
    out: &mut Vec<Block>,
) -> Result<Message, Skip> {
    if scan.peek() != Some(b'{') {
        return Err(Skip::NotARequest);
    }
    let start = scan.position();
    let first = out.len();
    let mut signed = false;
    let mut members = Members::default();
    scan.open(b'{')?;
    while let Some(key) = scan.next_key()? {
        let name = unescape(key.of(body)).unwrap_or_default();
        match name.as_ref() {
            "role" => {
                let value = scan.value()?;
                members.role(unescape(value.of(body)).as_deref())?;
            }
            "content" => {
                members.content()?;
                signed = content(scan, body, keyring, out)?;
            }
            _ => {
                let value = scan.value()?;
                let member = Span::new(key.start, value.end).of(body);
                members.other(name, (member, value.of(body)), keyring)?;
            }
        }
    }
    members.complete(keyring, outer, out.get_mut(first..).unwrap_or_default())?;
    Ok(Message {
        span: span(start, scan.position()),
        signed,
    })
}

/// Reads `content` and says whether signed thinking stands in it.
fn content(
    scan: &mut Scanner<'_>,
    body: &[u8],
    keyring: &Keyring,
    out: &mut Vec<Block>,
) -> Result<bool, Skip> {
    match scan.peek() {
        Some(b'"') => {
            out.push(blocks::bare(scan, body, keyring, Section::Messages)?.block);
            Ok(false)
        }
        Some(b'[') => {
            let mut signed = false;
            scan.open(b'[')?;
            while scan.next_element()? {
                let draft = blocks::object(scan, body, keyring, Section::Messages)?;
                signed |= draft.signed;
                out.push(draft.block);
            }
            Ok(signed)
        }
        _ => Err(Skip::NotARequest),
    }
}

/// What the members of a message said so far. They may stand in any order, so blocks are completed
/// once all of them are known.
#[derive(Debug, Default)]
struct Members<'a> {
    role: Option<Role>,
    has_content: Option<()>,
    others: Vec<Cow<'a, str>>,
    /// Fingerprint of the other members (effort, scope of a system message): the model is told.
    context: Option<Fingerprint>,
    turn_scoped: bool,
}

impl<'a> Members<'a> {
    fn role(&mut self, name: Option<&str>) -> Result<(), Skip> {
        let role = match name.ok_or(Skip::NotARequest)? {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => Role::Other,
        };
        match self.role.replace(role) {
            None => Ok(()),
            Some(_) => Err(Skip::DuplicateKey),
        }
    }

    fn content(&mut self) -> Result<(), Skip> {
        match self.has_content.replace(()) {
            None => Ok(()),
            Some(()) => Err(Skip::DuplicateKey),
        }
    }

    /// Another member, as it is spelled, with its value.
    fn other(
        &mut self,
        name: Cow<'a, str>,
        (member, value): (&[u8], &[u8]),
        keyring: &Keyring,
    ) -> Result<(), Skip> {
        if self.others.contains(&name) {
            return Err(Skip::DuplicateKey);
        }
        self.turn_scoped |= name == "clear_at" && value != b"null";
        self.others.push(name);
        let member = keyring.fingerprint(member);
        self.context = Some(join(keyring, self.context.unwrap_or_default(), member));
        Ok(())
    }

    fn complete(self, keyring: &Keyring, outer: usize, blocks: &mut [Block]) -> Result<(), Skip> {
        let (Some(role), Some(())) = (self.role, self.has_content) else {
            return Err(Skip::NotARequest);
        };
        let mut context = self.context;
        for (inner, block) in blocks.iter_mut().enumerate() {
            block.role = role;
            block.outer = offset(outer);
            block.inner = offset(inner);
            block.markable &= !self.turn_scoped;
            // Once is enough: a prefix that holds any block of a message holds its first one.
            seal(block, keyring, context.take());
        }
        Ok(())
    }
}
