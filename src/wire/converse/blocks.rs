//! Reads one element of a list: a block, or the marker of the block before it.

use crate::model::{Block, BlockKind, Keyring, Marker, Role, Section, Skip, Span, Ttl};
use crate::wire::MarkerStyle;
use crate::wire::object::{Object, elements};
use crate::wire::prints::content_fingerprint;
use crate::wire::scan::{Scanner, name, offset};
use crate::wire::spelled::{cut, inner, is_blank, ttl};

use super::weigh::weight;

/// The member that makes a marker, of an element or of a text.
const MARKER: &str = "cachePoint";

/// Where the blocks of a list are read to, and by which rules.
pub(super) struct List<'a, 'k> {
    pub(super) body: &'a [u8],
    pub(super) keyring: &'k Keyring,
    pub(super) style: MarkerStyle,
    pub(super) section: Section,
    pub(super) out: Vec<Block>,
    /// What reasoning stands among the blocks.
    pub(super) reasoning: Reasoning,
    /// Where the element before the next one ends, and how many there are before it.
    before: (Option<u32>, usize),
}

/// How a model's reasoning stands in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reasoning {
    #[default]
    Absent,
    Unsigned,
    /// With a signature or redacted, and so bound to what stands before it.
    Signed,
}

impl<'a, 'k> List<'a, 'k> {
    pub(super) fn new(
        body: &'a [u8],
        keyring: &'k Keyring,
        style: MarkerStyle,
        section: Section,
    ) -> Self {
        Self {
            body,
            keyring,
            style,
            section,
            out: Vec::new(),
            reasoning: Reasoning::default(),
            before: (None, 0),
        }
    }

    /// Reads the array at the scanner.
    pub(super) fn read(mut self, scan: &mut Scanner<'a>) -> Result<Self, Skip> {
        elements(scan, &mut |scan| self.element(scan))?;
        Ok(self)
    }

    fn element(&mut self, scan: &mut Scanner<'a>) -> Result<(), Skip> {
        let object = if scan.peek() == Some(b'{') {
            Object::read(scan, self.body, &mut |scan, _| scan.value().map(drop))?
        } else {
            Object {
                span: scan.value()?,
                members: Vec::new(),
            }
        };
        let (before, at) = self.before;
        self.before = (Some(object.span.end), at + 1);
        let marker = self.point(&object, before);
        match (marker, self.out.last_mut()) {
            (Some(marker), Some(closed)) if closed.marker.is_none() => {
                closed.marker = Some(marker);
            }
            _ => {
                let mut block = self.block(&object);
                block.marker = block.marker.or(marker);
                // Reading a list is reading a section, or one message's content.
                let at = offset(at);
                match self.section {
                    Section::Tools | Section::System => block.outer = at,
                    Section::Messages => block.inner = at,
                }
                self.out.push(block);
            }
        }
        Ok(())
    }

    /// The element as the marker of what stands before it. One that closes nothing is refused by
    /// the provider and so is no marker of a block: it stands for itself, carries itself, and
    /// counts.
    fn point(&self, object: &Object, before: Option<u32>) -> Option<Marker> {
        if self.style != MarkerStyle::CachePoint || self.names(object) != [MARKER] {
            return None;
        }
        let value = object.value(self.body, MARKER)?;
        let span = cut(self.body, object.span, object.span, before);
        Some(Marker::new(span, class(value)?))
    }

    /// The members that are not null, by name: one of a union, and perhaps a marker.
    fn names(&self, object: &Object) -> Vec<String> {
        let members = object.members.iter();
        let present = members.filter(|member| member.value.of(self.body) != b"null");
        present
            .map(|member| name(member.key.of(self.body)).into_owned())
            .collect()
    }

    fn block(&mut self, object: &Object) -> Block {
        let (body, keyring) = (self.body, self.keyring);
        let names = self.names(object);
        let (own, marker) = match names.as_slice() {
            [own] => (own.as_str(), None),
            [own, other] if self.style == MarkerStyle::CachePointMember => {
                match (own.as_str(), other.as_str()) {
                    ("text", MARKER) | (MARKER, "text") => ("text", member(body, object)),
                    _ => ("", None),
                }
            }
            _ => ("", None),
        };
        let value = object.find(body, own).unwrap_or_default();
        let kind = kind_of(self.section, own);
        let mut block = Block::at(self.section, Role::None, kind, object.span);
        block.marker = marker;
        let text = Some(value).filter(|text| own == "text" && text.of(body).starts_with(b"\""));
        if let Some(text) = text {
            block.fingerprint = keyring.fingerprint(inner(text).of(body));
            block.weight = inner(text).len();
        } else {
            let cut = marker.map(|marker| marker.span).unwrap_or_default();
            block.fingerprint = content_fingerprint(keyring, body, object.span, cut);
            block.weight = weight(body, own, object.span, value);
        }
        if kind == BlockKind::Thinking {
            self.reasoning = self.reasoning.max(reasoning(body, value));
        }
        block.markable = self.is_markable(object, own, value);
        block
    }

    /// Whether the provider accepts a marker behind this block, as far as anyone has seen.
    ///
    /// Refused are markers behind reasoning, and behind documents that are not PDF, whose text
    /// Bedrock puts in the document's place (aws-sdk-java#6277, opencode#36517, 2026-08). A member
    /// that is null could not be told from one to be added, so a text with one is left alone.
    fn is_markable(&self, object: &Object, own: &str, value: Span) -> bool {
        let body = self.body;
        let text = || !is_blank(inner(value).of(body)) && value.of(body).starts_with(b"\"");
        match (self.style, self.section, own) {
            (MarkerStyle::CachePoint, Section::Tools, "toolSpec")
            | (MarkerStyle::CachePoint, Section::Messages, "image" | "toolUse" | "toolResult") => {
                value.of(body).starts_with(b"{")
            }
            (MarkerStyle::CachePoint, Section::Messages, "document") => {
                let document = Object::at(body, value);
                let format = document.and_then(|document| document.text(body, "format"));
                format.as_deref() == Some("pdf")
            }
            (MarkerStyle::CachePoint, Section::System | Section::Messages, "text") => text(),
            (MarkerStyle::CachePointMember, Section::System | Section::Messages, "text") => {
                let plain = object.members.len() == self.names(object).len();
                plain && text()
            }
            _ => false,
        }
    }
}

/// The marker inside a text.
fn member(body: &[u8], object: &Object) -> Option<Marker> {
    let mut before = None;
    for member in &object.members {
        if name(member.key.of(body)) == MARKER {
            let class = class(member.value.of(body))?;
            return Some(Marker::new(
                cut(body, member.key, member.value, before),
                class,
            ));
        }
        before = Some(member.value.end);
    }
    None
}

/// The lifetime class of a marker's value; `None` when it is no marker as the provider knows it.
fn class(value: &[u8]) -> Option<Ttl> {
    value.starts_with(b"{").then(|| ttl(value))
}

/// What a member of the unions `Tool`, `SystemContentBlock` and `ContentBlock` says (Converse API
/// reference, docs.aws.amazon.com/bedrock, 2026-11).
fn kind_of(section: Section, own: &str) -> BlockKind {
    match (section, own) {
        (Section::Tools, "toolSpec" | "systemTool") => BlockKind::Tool,
        (Section::System | Section::Messages, "text") => BlockKind::Text,
        (Section::System, "guardContent")
        | (
            Section::Messages,
            "audio" | "citationsContent" | "guardContent" | "searchResult" | "video",
        ) => BlockKind::Other,
        (Section::Messages, "image") => BlockKind::Image,
        (Section::Messages, "document") => BlockKind::Document,
        (Section::Messages, "toolUse") => BlockKind::ToolUse,
        (Section::Messages, "toolResult") => BlockKind::ToolResult,
        (Section::Messages, "reasoningContent") => BlockKind::Thinking,
        _ => BlockKind::Opaque,
    }
}

fn reasoning(body: &[u8], value: Span) -> Reasoning {
    let Some(content) = Object::at(body, value) else {
        return Reasoning::Unsigned;
    };
    let text = content.inside(body, "reasoningText");
    let signature = text.and_then(|text| text.find(body, "signature"));
    let signed = signature.is_some_and(|signature| signature.len() > 2);
    if signed || content.find(body, "redactedContent").is_some() {
        Reasoning::Signed
    } else {
        Reasoning::Unsigned
    }
}
