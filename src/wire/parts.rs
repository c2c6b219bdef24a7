//! Content of messages as OpenAI spells it: a string, or parts with a `type`.

use super::grammar::Source;
use super::mark::{Spelling, ephemeral};
use super::parameters::Parameters;
use super::prints::content_fingerprint;
use super::scan::{Scanner, offset, span, unescape};
use super::spelled::{IMAGE_WEIGHT, PDF_DILUTION, cut, inner, is_blank, ttl};
use super::style::MarkerStyle;
use crate::model::{
    Block, BlockKind, Fingerprint, Form, Marker, Prompt, Role, Section, Skip, Span, Ttl,
};

/// What a dialect makes of its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) marker: MarkerStyle,
    /// What a part's `type` says, and whether a marker is documented there.
    pub(super) kind_of: fn(&[u8]) -> (BlockKind, bool),
}

impl Rules {
    /// The marker's key with its quotes; `None` where there is no marker.
    const fn key(self) -> Option<&'static [u8]> {
        match self.marker {
            MarkerStyle::CacheControl => Some(b"\"cache_control\""),
            MarkerStyle::PromptCacheBreakpoint => Some(b"\"prompt_cache_breakpoint\""),
            MarkerStyle::None | MarkerStyle::CachePoint | MarkerStyle::CachePointMember => None,
        }
    }

    /// How a marker is written; `wrap` makes a part of a bare string.
    pub(super) const fn spelling(
        self,
        wrap: fn(&[u8], &Block) -> (&'static str, &'static str),
    ) -> Option<Spelling> {
        match self.marker {
            MarkerStyle::CacheControl => Some(Spelling {
                key: r#""cache_control""#,
                value: ephemeral,
                wrap,
            }),
            MarkerStyle::PromptCacheBreakpoint => Some(Spelling {
                key: r#""prompt_cache_breakpoint""#,
                value: |_| r#"{"mode":"explicit"}"#,
                wrap,
            }),
            MarkerStyle::None | MarkerStyle::CachePoint | MarkerStyle::CachePointMember => None,
        }
    }

    /// Whether a part of this speaker can carry a marker where the part itself can.
    ///
    /// OpenAI takes breakpoints in what the caller says, not in what the model said, and for tool
    /// results documents them in the types of parts only (developers.openai.com, 2026-11).
    /// `cache_control` goes with any role (openrouter.ai, 2026-11).
    pub(super) fn speaks(self, block: &Block) -> bool {
        match (self.marker, block.role) {
            (MarkerStyle::CacheControl, role) => role != Role::Other,
            (MarkerStyle::PromptCacheBreakpoint, Role::User) => {
                block.kind != BlockKind::ToolResult || block.form == Form::Object
            }
            (MarkerStyle::PromptCacheBreakpoint, role) => role == Role::System,
            _ => false,
        }
    }
}

/// Reads a bare string that stands for one text part.
pub(super) fn bare(source: Source<'_>, scan: &mut Scanner<'_>) -> Result<Block, Skip> {
    let literal = scan.value()?;
    let text = inner(literal).of(source.body);
    let mut block = Block::at(Section::Messages, Role::None, BlockKind::Text, literal);
    block.form = Form::Bare;
    block.markable = !is_blank(text);
    block.fingerprint = source.keyring.fingerprint(text);
    block.weight = inner(literal).len();
    Ok(block)
}

/// Reads `content`: a string, parts, nothing, or something unknown.
pub(super) fn content(
    rules: Rules,
    source: Source<'_>,
    scan: &mut Scanner<'_>,
    out: &mut Vec<Block>,
) -> Result<(), Skip> {
    match scan.peek() {
        Some(b'"') => out.push(bare(source, scan)?),
        Some(b'[') => {
            scan.open(b'[')?;
            let mut inner = 0;
            while scan.next_element()? {
                let mut block = part(rules, source, scan)?;
                block.inner = inner;
                inner += 1;
                out.push(block);
            }
        }
        _ => {
            let value = scan.value()?;
            if value.of(source.body) != b"null" {
                out.push(whole(source, value, BlockKind::Opaque));
            }
        }
    }
    Ok(())
}

/// A value that is one block without parts and without a marker.
pub(super) fn whole(source: Source<'_>, value: Span, kind: BlockKind) -> Block {
    let mut block = Block::at(Section::Messages, Role::None, kind, value);
    // Never the fingerprint of a text that happens to be spelled like this value.
    block.fingerprint = Fingerprint(!source.keyring.fingerprint(value.of(source.body)).0);
    block.weight = value.len();
    if value.of(source.body).starts_with(b"\"") {
        block.form = Form::Bare;
    }
    block
}

/// Reads a part of some content.
pub(super) fn part(
    rules: Rules,
    source: Source<'_>,
    scan: &mut Scanner<'_>,
) -> Result<Block, Skip> {
    if scan.peek() != Some(b'{') {
        let value = scan.value()?;
        return Ok(whole(source, value, BlockKind::Opaque));
    }
    let shape = Shape::read(rules, source, scan)?;
    let name = shape.kind.map(|kind| inner(kind).of(source.body));
    let (kind, markable) = (rules.kind_of)(name.unwrap_or_default());
    let mut block = shape.block(source, kind);
    block.markable &= markable;
    Ok(block)
}

/// Reads a tool definition, an object with or without a `type`.
pub(super) fn tool(
    rules: Rules,
    source: Source<'_>,
    scan: &mut Scanner<'_>,
) -> Result<Block, Skip> {
    let mut block = if scan.peek() == Some(b'{') {
        Shape::read(rules, source, scan)?.block(source, BlockKind::Tool)
    } else {
        whole(source, scan.value()?, BlockKind::Opaque)
    };
    block.section = Section::Tools;
    // OpenAI refuses breakpoints in tools (developers.openai.com, 2026-11); OpenRouter passes
    // `cache_control` on (recorded 2026-08).
    block.markable &= rules.marker == MarkerStyle::CacheControl;
    Ok(block)
}

/// The members of a part that mean something here; each may stand once.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    span: Span,
    kind: Option<Span>,
    text: Option<Span>,
    /// The marker member with its comma, even if its value is null.
    cut: Option<Span>,
    ttl: Option<Ttl>,
    /// Members other than those above.
    others: u32,
    /// A marker that is none as the provider knows it: content, and the caller's business.
    strange: bool,
}

impl Shape {
    fn read(rules: Rules, source: Source<'_>, scan: &mut Scanner<'_>) -> Result<Self, Skip> {
        let body = source.body;
        let mut shape = Self::default();
        let start = scan.position();
        let (mut before, mut typed, mut told, mut marked) = (None, None, None, None);
        scan.open(b'{')?;
        while let Some(key) = scan.next_key()? {
            let value = scan.value()?;
            let bytes = key.of(body);
            let decoded = bytes.contains(&b'\\').then(|| unescape(bytes)).flatten();
            let decoded = decoded.map(|name| format!("\"{name}\""));
            let name = decoded.as_deref().map_or(bytes, str::as_bytes);
            let twice = match name {
                b"\"type\"" => typed.replace(value),
                b"\"text\"" => told.replace(value),
                name if Some(name) == rules.key() => {
                    // One with escapes could not be found again without decoding.
                    shape.strange |= decoded.is_some();
                    shape.marker(rules, (body, key), value, before);
                    marked.replace(value)
                }
                _ => {
                    shape.others += 1;
                    None
                }
            };
            if twice.is_some() {
                return Err(Skip::DuplicateKey);
            }
            before = Some(value.end);
        }
        let is_text = |value: &Span| value.of(body).starts_with(b"\"");
        shape.kind = typed.filter(is_text);
        shape.text = told.filter(is_text);
        shape.span = span(start, scan.position());
        // An object with nothing but a marker says nothing that could be cached, and has no
        // member that a comma could follow.
        shape.strange |= shape.others == 0 && typed.is_none() && told.is_none();
        Ok(shape)
    }

    fn marker(&mut self, rules: Rules, at: (&[u8], Span), value: Span, before: Option<u32>) {
        let (body, key) = at;
        let bytes = value.of(body);
        if bytes.starts_with(b"{") {
            self.ttl = Some(if rules.marker == MarkerStyle::PromptCacheBreakpoint {
                // The only class there is (developers.openai.com, 2026-11).
                Ttl::HalfHour
            } else {
                ttl(bytes)
            });
        } else if bytes != b"null" {
            self.strange = true;
            self.others += 1;
            return;
        }
        self.cut = Some(cut(body, key, value, before));
    }

    fn block(self, source: Source<'_>, kind: BlockKind) -> Block {
        let Source { body, keyring } = source;
        let mut block = Block::at(Section::Messages, Role::None, kind, self.span);
        let cut = self.cut.unwrap_or_default();
        block.marker = self.ttl.map(|ttl| Marker::new(cut, ttl));
        let text = self.text.filter(|_| kind == BlockKind::Text);
        block.markable = !self.strange
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
        // With nothing but a type and a marker around it, a text says what a bare string says.
        if let (Some(text), 0) = (text, self.others) {
            block.fingerprint = keyring.fingerprint(inner(text).of(body));
            block.weight = inner(text).len();
        } else {
            block.fingerprint = content_fingerprint(keyring, body, self.span, cut);
            block.weight = weight(kind, self.span.len().saturating_sub(cut.len()));
        }
        block
    }
}

/// What a part of `spelled` bytes weighs: images, audio and files are not read as text.
pub(super) fn weight(kind: BlockKind, spelled: u32) -> u32 {
    const SMALL: u32 = 400;
    let limit = |most: u64| spelled.min(offset(usize::try_from(most).unwrap_or(usize::MAX)));
    match kind {
        BlockKind::Image => offset(usize::try_from(IMAGE_WEIGHT).unwrap_or(usize::MAX)),
        BlockKind::Document | BlockKind::Other => {
            limit((u64::from(spelled) / PDF_DILUTION).max(u64::from(SMALL)))
        }
        BlockKind::Tool
        | BlockKind::Text
        | BlockKind::ToolUse
        | BlockKind::ToolResult
        | BlockKind::Thinking
        | BlockKind::Opaque => spelled,
    }
}

/// The block at which OpenAI writes by itself: the end of the latest user message or of the last
/// tool output of a group, else of the developer messages that open the conversation
/// (developers.openai.com prompt-caching, 2026-11). `None` where the caller switched it off.
pub(super) fn implicit(
    rules: Rules,
    parameters: &Parameters<'_>,
    prompt: &Prompt,
) -> Option<usize> {
    let options = parameters.value("prompt_cache_options").unwrap_or_default();
    if rules.marker != MarkerStyle::PromptCacheBreakpoint || is_explicit(options) {
        return None;
    }
    let eligible = |block: &Block| match block.section {
        Section::Tools => false,
        Section::System => true,
        Section::Messages => block.role == Role::User,
    };
    prompt.blocks.iter().rposition(eligible)
}

/// Whether `mode` is `"explicit"` in these options.
fn is_explicit(options: &[u8]) -> bool {
    let mut scan = Scanner::new(options);
    if scan.open(b'{').is_err() {
        return false;
    }
    while let Ok(Some(key)) = scan.next_key() {
        let Ok(value) = scan.value() else { break };
        let text = |span: Span| unescape(span.of(options));
        if text(key).as_deref() == Some("mode") {
            return text(value).as_deref() == Some("explicit");
        }
    }
    false
}
