//! Reads a body in one pass.

use bytes::Bytes;

use super::blocks::{List, Reasoning};
use crate::model::{Block, Fingerprint, Keyring, Prompt, Role, Section, Skip, Span, Thinking};
use crate::wire::earlier::{Element, Index};
use crate::wire::object::{self, Object, elements};
use crate::wire::prints::{fingerprint, join, seal};
use crate::wire::scan::{Scanner, name, offset, unescape};
use crate::wire::{MarkerStyle, Reading};

/// See [`Dialect::read`](crate::wire::Dialect::read).
pub(super) fn read(body: &Bytes, keyring: &Keyring, style: MarkerStyle) -> Result<Reading, Skip> {
    let mut scan = object::begin(body)?;
    let mut reader = Reader {
        body,
        keyring,
        style,
        tools: Vec::new(),
        system: Vec::new(),
        messages: None,
        elements: Vec::new(),
        run: None,
    };
    let top = Object::read(&mut scan, body, &mut |scan, name| match name {
        "toolConfig" => reader.tool_config(scan),
        "system" => {
            reader.system = reader.section(scan, Section::System)?;
            Ok(())
        }
        "messages" => reader.messages(scan),
        _ => scan.value().map(drop),
    })?;
    scan.finish()?;
    reader.complete(top)
}

/// What was read so far. Sections are kept apart, since the body's order is not the provider's.
struct Reader<'a> {
    body: &'a [u8],
    keyring: &'a Keyring,
    style: MarkerStyle,
    tools: Vec<Block>,
    system: Vec<Block>,
    messages: Option<Vec<Block>>,
    elements: Vec<Element>,
    /// Where the run of assistant messages began that is being read, and whether the model
    /// reasons in it.
    run: Option<(usize, bool)>,
}

impl<'a> Reader<'a> {
    fn tool_config(&mut self, scan: &mut Scanner<'a>) -> Result<(), Skip> {
        if scan.peek() == Some(b'n') {
            return scan.value().map(drop);
        }
        let body = self.body;
        Object::read(scan, body, &mut |scan, name| {
            if name == "tools" {
                self.tools = self.section(scan, Section::Tools)?;
                return Ok(());
            }
            scan.value().map(drop)
        })
        .map(drop)
    }

    /// The array of `tools` or `system`; null says what absence says.
    fn section(&self, scan: &mut Scanner<'a>, section: Section) -> Result<Vec<Block>, Skip> {
        if scan.peek() == Some(b'n') {
            scan.value()?;
            return Ok(Vec::new());
        }
        let list = List::new(self.body, self.keyring, self.style, section);
        let mut blocks = list.read(scan)?.out;
        for block in &mut blocks {
            seal(block, self.keyring, None);
        }
        Ok(blocks)
    }

    fn messages(&mut self, scan: &mut Scanner<'a>) -> Result<(), Skip> {
        let mut out = Vec::new();
        elements(scan, &mut |scan| self.message(scan, &mut out))?;
        self.messages = Some(out);
        Ok(())
    }

    fn message(&mut self, scan: &mut Scanner<'a>, out: &mut Vec<Block>) -> Result<(), Skip> {
        let (body, keyring) = (self.body, self.keyring);
        let mut content = None;
        let message = Object::read(scan, body, &mut |scan, name| {
            if name == "content" {
                let list = List::new(body, keyring, self.style, Section::Messages);
                content = Some(list.read(scan)?);
                return Ok(());
            }
            scan.value().map(drop)
        })?;
        let content = content.ok_or(Skip::NotARequest)?;
        let role = message.value(body, "role").ok_or(Skip::NotARequest)?;
        let role = match unescape(role).ok_or(Skip::NotARequest)?.as_ref() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => Role::Other,
        };
        let mut context = self.context(&message);
        let outer = offset(self.elements.len());
        let first = out.len();
        for mut block in content.out {
            block.role = role;
            block.outer = outer;
            seal(&mut block, keyring, context.take());
            out.push(block);
        }
        self.reasoned(role, content.reasoning, first, out);
        let before = self.elements.last().is_some_and(|last| last.signed);
        self.elements.push(Element {
            span: message.span,
            blocks: offset(out.len()),
            signed: before || content.reasoning == Reasoning::Signed,
        });
        Ok(())
    }

    /// Members of a message that are neither its role nor its content: the model may be told.
    fn context(&self, message: &Object) -> Option<Fingerprint> {
        let known = ["role", "content"];
        let members = message.members.iter().filter(|member| {
            let name = name(member.key.of(self.body));
            !known.contains(&name.as_ref())
        });
        members.fold(None, |context, member| {
            let member = Span::new(member.key.start, member.value.end);
            let member = self.keyring.fingerprint(member.of(self.body));
            Some(join(self.keyring, context.unwrap_or_default(), member))
        })
    }

    /// Takes the markers' places away from an assistant turn that reasons, which may be several
    /// messages in a row: they are merged, and one was refused far behind the reasoning (rig#1673).
    fn reasoned(&mut self, role: Role, reasoning: Reasoning, first: usize, out: &mut [Block]) {
        if role != Role::Assistant {
            self.run = None;
            return;
        }
        let (start, before) = self.run.unwrap_or((first, false));
        let reasons = before || reasoning != Reasoning::Absent;
        self.run = Some((start, reasons));
        if reasons {
            let turn = out.get_mut(start..).unwrap_or_default();
            turn.iter_mut().for_each(|block| block.markable = false);
        }
    }

    fn complete(self, top: Object) -> Result<Reading, Skip> {
        let (body, keyring) = (self.body, self.keyring);
        let messages = self.messages.ok_or(Skip::NoMessages)?;
        let first = self.elements.first();
        let first = first.map_or(0, |first| first.blocks as usize);
        let conversation = messages.get(..first).unwrap_or_default();
        let conversation = fingerprint(keyring, conversation);
        let more = top.inside(body, "additionalModelRequestFields");
        let more = more.unwrap_or_default();
        let tools = top.inside(body, "toolConfig").unwrap_or_default();
        let inference = top.inside(body, "inferenceConfig").unwrap_or_default();
        let signed = self.elements.last().is_some_and(|last| last.signed);
        let mut prompt = Prompt {
            // Served by other machines, or filled in by a stored prompt.
            system_salt: join(
                keyring,
                top.salt(body, keyring, &["performanceConfig", "promptVariables"]),
                rest(body, keyring, &more),
            ),
            messages_salt: join(
                keyring,
                tools.salt(body, keyring, &["toolChoice"]),
                join(
                    keyring,
                    top.salt(body, keyring, &["outputConfig"]),
                    more.salt(body, keyring, &TURN),
                ),
            ),
            thinking: match (signed, asks(body, &more)) {
                (true, _) => Thinking::Signed,
                (false, true) => Thinking::Asked,
                (false, false) => Thinking::Off,
            },
            max_tokens: inference.number(body, "maxTokens"),
            blocks: self.tools,
            ..Prompt::default()
        };
        prompt.blocks.extend(self.system);
        prompt.blocks.extend(messages);
        Ok(Reading {
            prompt,
            conversation,
            earlier: None,
            index: Index {
                seed: keyring.seed(),
                members: top.members,
                messages: self.elements,
            },
        })
    }
}

/// The model's own fields whose change leaves tools and system in the cache (platform.claude.com
/// prompt-caching, 2026-08-22), with Nova's names for the same.
const TURN: [&str; 5] = [
    "thinking",
    "output_config",
    "reasoningConfig",
    "reasoning_config",
    "reasoning_effort",
];

/// The model's own fields that stand for nothing in the prompt.
const SAMPLING: [&str; 3] = ["top_k", "topK", "inferenceConfig"];

/// One fingerprint for the model's own fields that may say anything: betas, further tools.
fn rest(body: &[u8], keyring: &Keyring, more: &Object) -> Fingerprint {
    let members = more.members.iter().filter(|member| {
        let name = name(member.key.of(body));
        !TURN.contains(&name.as_ref()) && !SAMPLING.contains(&name.as_ref())
    });
    members.fold(Fingerprint::default(), |salt, member| {
        let member = Span::new(member.key.start, member.value.end);
        join(keyring, salt, keyring.fingerprint(member.of(body)))
    })
}

/// Whether the request asks for thinking.
fn asks(body: &[u8], more: &Object) -> bool {
    ["thinking", "reasoningConfig", "reasoning_config"]
        .into_iter()
        .filter_map(|name| more.inside(body, name))
        .any(|asked| asked.text(body, "type").as_deref() != Some("disabled"))
}
