//! Reads a body in one pass.

use bytes::Bytes;

use crate::model::{Block, BlockKind, Keyring, Prompt, Role, Section, Skip, Span, Thinking};
use crate::wire::Reading;
use crate::wire::earlier::{Element, Index, Member};
use crate::wire::object::{self, Object, elements};
use crate::wire::prints::{content_fingerprint, fingerprint, join, seal};
use crate::wire::scan::{Scanner, name, offset, unescape};
use crate::wire::spelled::{PDF_DILUTION, inner};

/// What an image weighs: 258 tokens (recorded on 2.5 Flash, 2026-08), at 2.7 bytes a token.
const IMAGE_WEIGHT: u64 = 700;

/// See [`Dialect::read`](crate::wire::Dialect::read).
pub(super) fn read(body: &Bytes, keyring: &Keyring) -> Result<Reading, Skip> {
    let mut scan = object::begin(body)?;
    let mut reader = Reader {
        body,
        keyring,
        tools: None,
        system: None,
        messages: None,
        elements: Vec::new(),
    };
    let top = Object::read(&mut scan, body, &mut |scan, name| match camel(name) {
        "tools" => reader.tools(scan),
        "systemInstruction" => reader.system(scan),
        "contents" => reader.contents(scan),
        _ => scan.value().map(drop),
    })?;
    scan.finish()?;
    reader.complete(top)
}

/// The one name of a member that may be spelled in two ways.
fn camel(name: &str) -> &str {
    match name {
        "cached_content" => "cachedContent",
        "code_execution_result" => "codeExecutionResult",
        "executable_code" => "executableCode",
        "file_data" => "fileData",
        "function_call" => "functionCall",
        "function_response" => "functionResponse",
        "generation_config" => "generationConfig",
        "inline_data" => "inlineData",
        "max_output_tokens" => "maxOutputTokens",
        "mime_type" => "mimeType",
        "system_instruction" => "systemInstruction",
        "thinking_config" => "thinkingConfig",
        "thought_signature" => "thoughtSignature",
        "tool_config" => "toolConfig",
        "video_metadata" => "videoMetadata",
        other => other,
    }
}

/// The value of a member under either of its names; `None` when it is absent or null.
fn find(object: &Object, body: &[u8], wanted: &str) -> Option<Span> {
    let is_wanted = |member: &&Member| camel(&name(member.key.of(body))) == wanted;
    let member = object.members.iter().find(is_wanted)?;
    Some(member.value).filter(|value| value.of(body) != b"null")
}

/// What was read so far. Sections are kept apart, since the body's order is not the provider's.
struct Reader<'a> {
    body: &'a [u8],
    keyring: &'a Keyring,
    tools: Option<Vec<Block>>,
    system: Option<Vec<Block>>,
    messages: Option<Vec<Block>>,
    elements: Vec<Element>,
}

impl<'a> Reader<'a> {
    fn tools(&mut self, scan: &mut Scanner<'a>) -> Result<(), Skip> {
        let mut out = Vec::new();
        list(scan, &mut |scan| {
            let span = scan.value()?;
            let is_object = span.of(self.body).starts_with(b"{");
            let kind = if is_object {
                BlockKind::Tool
            } else {
                BlockKind::Opaque
            };
            let mut block = Block::at(Section::Tools, Role::None, kind, span);
            block.outer = offset(out.len());
            block.weight = span.len();
            block.fingerprint = content_fingerprint(self.keyring, self.body, span, Span::default());
            seal(&mut block, self.keyring, None);
            out.push(block);
            Ok(())
        })?;
        once(&mut self.tools, out)
    }

    fn system(&mut self, scan: &mut Scanner<'a>) -> Result<(), Skip> {
        if scan.peek() == Some(b'n') {
            scan.value()?;
            return once(&mut self.system, Vec::new());
        }
        let mut out = self.content(scan, Section::System)?.parts;
        for (outer, block) in out.iter_mut().enumerate() {
            block.outer = offset(outer);
            block.inner = 0;
            block.role = Role::None;
            seal(block, self.keyring, None);
        }
        once(&mut self.system, out)
    }

    fn contents(&mut self, scan: &mut Scanner<'a>) -> Result<(), Skip> {
        let mut out = Vec::new();
        list(scan, &mut |scan| {
            let content = self.content(scan, Section::Messages)?;
            let outer = offset(self.elements.len());
            for mut block in content.parts {
                block.outer = outer;
                seal(&mut block, self.keyring, None);
                out.push(block);
            }
            let before = self.elements.last().is_some_and(|last| last.signed);
            self.elements.push(Element {
                span: content.span,
                blocks: offset(out.len()),
                signed: before || content.signed,
            });
            Ok(())
        })?;
        once(&mut self.messages, out)
    }

    /// One `Content`: who speaks, and parts.
    fn content(&self, scan: &mut Scanner<'a>, section: Section) -> Result<Content, Skip> {
        let mut parts = None;
        let mut signed = false;
        let object = Object::read(scan, self.body, &mut |scan, name| {
            if name != "parts" {
                return scan.value().map(drop);
            }
            let mut out = Vec::new();
            list(scan, &mut |scan| {
                let (mut block, sealed) = self.part(scan, section)?;
                block.inner = offset(out.len());
                signed |= sealed;
                out.push(block);
                Ok(())
            })?;
            once(&mut parts, out)
        })?;
        let role = match object.text(self.body, "role").as_deref() {
            // A conversation of one turn may leave it out.
            None | Some("user") => Role::User,
            Some("model") => Role::Assistant,
            Some("system") => Role::System,
            Some(_) => Role::Other,
        };
        let mut parts = parts.unwrap_or_default();
        parts.iter_mut().for_each(|block| block.role = role);
        Ok(Content {
            span: object.span,
            parts,
            signed,
        })
    }

    /// One part, and whether a signature binds it to what stands before it.
    fn part(&self, scan: &mut Scanner<'a>, section: Section) -> Result<(Block, bool), Skip> {
        let (body, keyring) = (self.body, self.keyring);
        let object = Object::read(scan, body, &mut |scan, _| scan.value().map(drop))?;
        let value = |wanted| find(&object, body, wanted);
        let thought = value("thought").is_some_and(|thought| thought.of(body) == b"true");
        let (kind, data) = if thought {
            (BlockKind::Thinking, Span::default())
        } else {
            kind_of(&object, body)
        };
        let mut block = Block::at(section, Role::None, kind, object.span);
        let text = value("text").filter(|text| text.of(body).starts_with(b"\""));
        match text.filter(|_| kind == BlockKind::Text && object.members.len() == 1) {
            Some(text) => {
                block.fingerprint = keyring.fingerprint(inner(text).of(body));
                block.weight = inner(text).len();
            }
            None => {
                block.fingerprint =
                    content_fingerprint(keyring, body, object.span, Span::default());
                block.weight = weight(kind, object.span, data);
            }
        }
        let signature = value("thoughtSignature");
        Ok((block, signature.is_some_and(|literal| literal.len() > 2)))
    }

    fn complete(self, top: Object) -> Result<Reading, Skip> {
        let (body, keyring) = (self.body, self.keyring);
        let messages = self.messages.ok_or(Skip::NoMessages)?;
        let first = self.elements.first();
        let first = first.map_or(0, |first| first.blocks as usize);
        let conversation = messages.get(..first).unwrap_or_default();
        let conversation = fingerprint(keyring, conversation);
        let salt = |wanted| {
            let value = find(&top, body, wanted).map(|value| value.of(body));
            value.map_or_else(Default::default, |value| keyring.fingerprint(value))
        };
        let generation = find(&top, body, "generationConfig");
        let generation = generation.and_then(|config| Object::at(body, config));
        let config = |wanted| find(generation.as_ref()?, body, wanted);
        let max_tokens = config("maxOutputTokens").and_then(|digits| {
            let digits = std::str::from_utf8(digits.of(body)).ok()?;
            digits.parse().ok()
        });
        let signed = self.elements.last().is_some_and(|last| last.signed);
        let mut prompt = Prompt {
            // A stored prefix stands before everything; the model is told how it may call tools.
            // Generation parameters leave the cache alone (recorded on 2.5 Flash, 2026-08).
            system_salt: join(keyring, salt("cachedContent"), salt("toolConfig")),
            thinking: match (signed, config("thinkingConfig")) {
                (true, _) => Thinking::Signed,
                (false, Some(_)) => Thinking::Asked,
                (false, None) => Thinking::Off,
            },
            max_tokens,
            blocks: self.tools.unwrap_or_default(),
            ..Prompt::default()
        };
        prompt.blocks.extend(self.system.unwrap_or_default());
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

/// A `Content` that was read.
struct Content {
    span: Span,
    parts: Vec<Block>,
    signed: bool,
}

/// Keeps what was read from a member, which may not stand there a second time by its other name.
fn once(place: &mut Option<Vec<Block>>, blocks: Vec<Block>) -> Result<(), Skip> {
    match place.replace(blocks) {
        None => Ok(()),
        Some(_) => Err(Skip::DuplicateKey),
    }
}

/// Calls `each` at every element of a repeated field, of which a single one may stand without
/// brackets, and none as null.
fn list<'a>(
    scan: &mut Scanner<'a>,
    each: &mut dyn FnMut(&mut Scanner<'a>) -> Result<(), Skip>,
) -> Result<(), Skip> {
    match scan.peek() {
        Some(b'{') => each(scan),
        Some(b'n') => scan.value().map(drop),
        _ => elements(scan, each),
    }
}

/// What a part is (ai.google.dev, `Part`, 2026-11), and its base64 data if it has some.
fn kind_of(part: &Object, body: &[u8]) -> (BlockKind, Span) {
    let value = |wanted| find(part, body, wanted);
    if let Some(data) = value("inlineData").or_else(|| value("fileData")) {
        let data = Object::at(body, data).unwrap_or_default();
        let mime = find(&data, body, "mimeType");
        let mime = mime.and_then(|mime| unescape(mime.of(body)));
        let bytes = find(&data, body, "data").map(inner).unwrap_or_default();
        return (media_kind(&mime.unwrap_or_default()), bytes);
    }
    let kinds = [
        ("text", BlockKind::Text),
        ("functionCall", BlockKind::ToolUse),
        ("functionResponse", BlockKind::ToolResult),
        ("executableCode", BlockKind::Other),
        ("codeExecutionResult", BlockKind::Other),
    ];
    let found = kinds.into_iter().find(|(name, _)| value(name).is_some());
    (
        found.map_or(BlockKind::Opaque, |(_, kind)| kind),
        Span::default(),
    )
}

fn media_kind(mime: &str) -> BlockKind {
    match mime.split_once('/') {
        Some(("image", _)) => BlockKind::Image,
        Some(("text" | "application", _)) => BlockKind::Document,
        _ => BlockKind::Other,
    }
}

/// What a part weighs: its spelling, but media what they hold.
fn weight(kind: BlockKind, part: Span, data: Span) -> u32 {
    let data = u64::from(data.len());
    let holds = if kind == BlockKind::Image {
        IMAGE_WEIGHT
    } else {
        data / PDF_DILUTION
    };
    let weight = u64::from(part.len()).saturating_sub(data) + holds;
    offset(usize::try_from(weight).unwrap_or(usize::MAX))
}
