//! Reads one block: what it is, what it weighs, whether it can carry a marker.

use crate::model::{Block, BlockKind, Form, Keyring, Marker, Role, Section, Skip, Span, Ttl};
use crate::wire::prints::content_fingerprint;
use crate::wire::scan::{Scanner, offset, span, unescape};
use crate::wire::spelled::{IMAGE_WEIGHT, PDF_DILUTION, cut, inner, is_blank, ttl};

/// A block whose fingerprint still lacks section, role and kind (see [`seal`](crate::wire::prints::seal)).
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub(super) block: Block,
    /// Whether it is thinking with a signature, which binds it to the bytes before it.
    pub(super) signed: bool,
}

/// Reads a bare string that stands for one text block.
pub(super) fn bare(
    scan: &mut Scanner<'_>,
    body: &[u8],
    keyring: &Keyring,
    section: Section,
) -> Result<Draft, Skip> {
    let literal = scan.value()?;
    let text = inner(literal).of(body);
    let mut block = Block::at(section, Role::None, BlockKind::Text, literal);
    block.form = Form::Bare;
    block.markable = !is_blank(text);
    block.fingerprint = keyring.fingerprint(text);
    block.weight = inner(literal).len();
    Ok(Draft {
        block,
        signed: false,
    })
}

/// Reads an element of `tools`, `system` or a message's content.
pub(super) fn object(
    scan: &mut Scanner<'_>,
    body: &[u8],
    keyring: &Keyring,
    section: Section,
) -> Result<Draft, Skip> {
    let mut shape = Shape::default();
    if scan.peek() == Some(b'{') {
        let start = scan.position();
        shape.read(scan, body)?;
        shape.span = span(start, scan.position());
    } else {
        shape.span = scan.value()?;
    }
    shape.draft(body, keyring, section)
}

/// The members of a block that mean something here; each may stand once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Type,
    Text,
    CacheControl,
    Source,
    Content,
    Signature,
    DeferLoading,
    ClearAt,
    Other,
}

impl Name {
    fn of(key: &[u8]) -> Self {
        match key {
            b"\"type\"" => Self::Type,
            b"\"text\"" => Self::Text,
            b"\"cache_control\"" => Self::CacheControl,
            b"\"source\"" => Self::Source,
            b"\"content\"" => Self::Content,
            b"\"signature\"" => Self::Signature,
            b"\"defer_loading\"" => Self::DeferLoading,
            b"\"clear_at\"" => Self::ClearAt,
            _ => Self::Other,
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// What a block's members say about it.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    span: Span,
    seen: u16,
    kind: Option<Span>,
    text: Option<Span>,
    /// The marker member with its comma, even if its value is null.
    cut: Option<Span>,
    ttl: Option<Ttl>,
    /// How many bytes lighter and heavier than its spelling it is.
    media: (u64, u64),
    /// Reasons not to mark it: not an object, a strange marker, deferred, scoped to one turn.
    unmarkable: bool,
    /// A signature that is not empty.
    signature: Option<Span>,
}

impl Shape {
    fn read(&mut self, scan: &mut Scanner<'_>, body: &[u8]) -> Result<(), Skip> {
        scan.open(b'{')?;
        let mut before = None;
        let mut media = Media::default();
        while let Some(key) = scan.next_key()? {
            let name = self.once(key.of(body))?;
            let value = match name {
                Name::Source => media.source(scan, body)?,
                Name::Content => media.content(scan, body)?,
                Name::Type
                | Name::Text
                | Name::CacheControl
                | Name::Signature
                | Name::DeferLoading
                | Name::ClearAt
                | Name::Other => scan.value()?,
            };
            self.note(name, value, body);
            if name == Name::CacheControl {
                self.marker(body, key, value, before);
            }
            before = Some(value.end);
        }
        let kind = self.kind.map(|kind| kind.of(body));
        self.media = media.weigh(kind);
        // An object with nothing but a marker says nothing that could be cached.
        self.unmarkable |= self.seen & !Name::CacheControl.bit() == 0;
        Ok(())
    }

    /// Names the key. One spelled with escapes could mean anything, so it is decoded first.
    fn once(&mut self, key: &[u8]) -> Result<Name, Skip> {
        let name = if key.contains(&b'\\') {
            let plain = unescape(key).map(|key| format!("\"{key}\""));
            Name::of(plain.unwrap_or_default().as_bytes())
        } else {
            Name::of(key)
        };
        if name != Name::Other && self.seen & name.bit() != 0 {
            return Err(Skip::DuplicateKey);
        }
        self.seen |= name.bit();
        // Its marker could not be found again without decoding, so it is left as it is.
        self.unmarkable |= name == Name::CacheControl && key != b"\"cache_control\"";
        Ok(name)
    }

    fn note(&mut self, name: Name, value: Span, body: &[u8]) {
        let bytes = value.of(body);
        match name {
            Name::Type => self.kind = bytes.starts_with(b"\"").then_some(value),
            Name::Text => self.text = bytes.starts_with(b"\"").then_some(value),
            Name::Signature => {
                self.signature = (bytes.starts_with(b"\"") && bytes.len() > 2).then_some(value);
            }
            Name::DeferLoading => self.unmarkable |= bytes == b"true",
            Name::ClearAt => self.unmarkable |= bytes != b"null",
            Name::CacheControl | Name::Source | Name::Content | Name::Other => {}
        }
    }

    fn marker(&mut self, body: &[u8], key: Span, value: Span, before: Option<u32>) {
        let bytes = value.of(body);
        if bytes.starts_with(b"{") {
            self.ttl = Some(ttl(bytes));
        } else if bytes != b"null" {
            // Not a marker as the provider knows it: content, and the caller's business.
            self.unmarkable = true;
            return;
        }
        self.cut = Some(cut(body, key, value, before));
    }

    fn draft(self, body: &[u8], keyring: &Keyring, section: Section) -> Result<Draft, Skip> {
        let name = self.kind.map(|kind| inner(kind).of(body));
        let is_object = self.span.of(body).starts_with(b"{");
        let kind = match (section, is_object) {
            (_, false) => BlockKind::Opaque,
            (Section::Tools, true) => BlockKind::Tool,
            (Section::System | Section::Messages, true) => kind_of(name.unwrap_or_default()),
        };
        let cut = self.cut.unwrap_or_default();
        let text = self.text.filter(|_| kind == BlockKind::Text);
        let plain = text.filter(|_| self.has_only_text());
        let mut block = Block::at(section, Role::None, kind, self.span);
        block.marker = self.ttl.map(|ttl| Marker::new(cut, ttl));
        block.markable = !self.unmarkable
            && match kind {
                BlockKind::Thinking | BlockKind::Opaque => false,
                BlockKind::Text => text.is_some_and(|text| !is_blank(inner(text).of(body))),
                BlockKind::Tool
                | BlockKind::Image
                | BlockKind::Document
                | BlockKind::ToolUse
                | BlockKind::ToolResult
                | BlockKind::Other => true,
            };
        if let Some(text) = plain {
            block.fingerprint = keyring.fingerprint(inner(text).of(body));
            block.weight = inner(text).len();
        } else {
            let spelled = u64::from(self.span.len().saturating_sub(cut.len()));
            let (lighter, heavier) = self.media;
            let weight = spelled.saturating_sub(lighter).saturating_add(heavier);
            block.weight = offset(usize::try_from(weight).unwrap_or(usize::MAX));
            block.fingerprint = content_fingerprint(keyring, body, self.span, cut);
        }
        let redacted = name == Some(b"redacted_thinking");
        let signed = kind == BlockKind::Thinking && (self.signature.is_some() || redacted);
        Ok(Draft { block, signed })
    }

    /// Whether nothing but `type`, `text` and a marker was seen, so that the block says exactly
    /// what a bare string would say.
    const fn has_only_text(&self) -> bool {
        let mut allowed = Name::Type.bit() | Name::Text.bit();
        if self.cut.is_some() {
            allowed |= Name::CacheControl.bit();
        }
        self.seen & !allowed == 0
    }
}

/// What the `type` of a block says (Messages API reference, platform.claude.com, 2026-08-22). The
/// ones under `Other` are documented to accept a marker; an unknown one never gets one.
fn kind_of(name: &[u8]) -> BlockKind {
    match name {
        b"text" => BlockKind::Text,
        b"image" => BlockKind::Image,
        b"document" => BlockKind::Document,
        b"tool_use" => BlockKind::ToolUse,
        b"tool_result" => BlockKind::ToolResult,
        b"thinking" | b"redacted_thinking" => BlockKind::Thinking,
        b"search_result" | b"server_tool_use" | b"container_upload" | b"tool_reference"
        | b"mcp_tool_use" | b"compaction" | b"tool_addition" | b"tool_removal" => BlockKind::Other,
        name if name.ends_with(b"_tool_result") => BlockKind::Other,
        _ => BlockKind::Opaque,
    }
}

/// Images and documents in a block and in its content: bytes that are not read as text.
#[derive(Clone, Copy, Debug, Default)]
struct Media {
    /// Length of the block's own base64 data; `None` without a `source` object.
    own: Option<u64>,
    /// How much lighter and heavier its content's parts are than their spelling.
    parts: (u64, u64),
}

impl Media {
    /// Reads a `source` member.
    fn source(&mut self, scan: &mut Scanner<'_>, body: &[u8]) -> Result<Span, Skip> {
        if scan.peek() != Some(b'{') {
            return scan.value();
        }
        let start = scan.position();
        let (mut base64, mut data) = (false, 0);
        scan.open(b'{')?;
        while let Some(key) = scan.next_key()? {
            let value = scan.value()?;
            match key.of(body) {
                b"\"type\"" => base64 = value.of(body) == b"\"base64\"",
                b"\"data\"" => data = u64::from(inner(value).len()),
                _ => {}
            }
        }
        self.own = Some(if base64 { data } else { 0 });
        Ok(span(start, scan.position()))
    }

    /// Reads a `content` member, whose elements may be images and documents.
    fn content(&mut self, scan: &mut Scanner<'_>, body: &[u8]) -> Result<Span, Skip> {
        if scan.peek() != Some(b'[') {
            return scan.value();
        }
        let start = scan.position();
        scan.open(b'[')?;
        while scan.next_element()? {
            if scan.peek() != Some(b'{') {
                scan.value()?;
                continue;
            }
            let (mut part, mut kind) = (Self::default(), None);
            scan.open(b'{')?;
            while let Some(key) = scan.next_key()? {
                let value = match key.of(body) {
                    b"\"source\"" => part.source(scan, body)?,
                    _ => scan.value()?,
                };
                if key.of(body) == b"\"type\"" {
                    kind = Some(value);
                }
            }
            let (lighter, heavier) = part.weigh(kind.map(|kind| kind.of(body)));
            self.parts.0 += lighter;
            self.parts.1 += heavier;
        }
        Ok(span(start, scan.position()))
    }

    fn weigh(self, kind: Option<&[u8]>) -> (u64, u64) {
        let (lighter, heavier) = self.parts;
        match (kind, self.own) {
            (Some(b"\"image\""), Some(data)) => (lighter + data, heavier + IMAGE_WEIGHT),
            (Some(b"\"document\""), Some(data)) => (lighter + data, heavier + data / PDF_DILUTION),
            _ => (lighter, heavier),
        }
    }
}
