//! A request as the cache sees it: blocks in the provider's order, each with its span in the body.

use super::{Fingerprint, Ttl};

/// A byte range of the body, `start..end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span; `end` must not lie before `start`.
    #[must_use]
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it covers nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The bytes of `body` under the span; empty when it does not fit.
    #[must_use]
    pub fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// The three parts of a prompt, in the order in which providers hash them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the order tools, system, messages is the model"
)]
pub enum Section {
    /// Tool definitions.
    Tools,
    /// The system prompt.
    System,
    /// The conversation.
    Messages,
}

/// Who speaks in a message; `None` for tools and system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Not a message.
    None,
    /// The user, tool results included.
    User,
    /// The model.
    Assistant,
    /// A system message in the middle of the conversation.
    System,
    /// A role this crate does not know.
    Other,
}

/// What a block is, as far as caching cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BlockKind {
    /// A tool definition.
    Tool,
    /// Text, in whatever section.
    Text,
    /// An image.
    Image,
    /// A document (PDF, plain text, content).
    Document,
    /// A call the model made (`tool_use`).
    ToolUse,
    /// What a tool answered (`tool_result`).
    ToolResult,
    /// Signed or redacted thinking.
    Thinking,
    /// Another block that providers document as markable (search results, server tools, …).
    Other,
    /// A block this crate does not know: never marked.
    Opaque,
}

/// How the block is spelled in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "JSON offers these two")]
pub enum Form {
    /// A JSON object in an array.
    Object,
    /// A bare JSON string standing for one text block; it must be wrapped to carry a marker.
    Bare,
}

/// A cache marker that the caller put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Marker {
    /// The member with the one comma that goes when it goes.
    pub span: Span,
    /// Its lifetime class; an absent or unknown one counts as five minutes.
    pub ttl: Ttl,
}

impl Marker {
    /// A marker found at `span`.
    #[must_use]
    pub const fn new(span: Span, ttl: Ttl) -> Self {
        Self { span, ttl }
    }
}

/// One block of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Block {
    /// Which part of the prompt it belongs to.
    pub section: Section,
    /// Who speaks.
    pub role: Role,
    /// What it is.
    pub kind: BlockKind,
    /// Object or bare string.
    pub form: Form,
    /// Whether the provider accepts a marker here.
    pub markable: bool,
    /// Index of the tool, system block or message it belongs to.
    pub outer: u32,
    /// Index within the message's content; zero for tools and system.
    pub inner: u32,
    /// The block's JSON value in the body, the caller's marker included.
    pub span: Span,
    /// The caller's own marker, if any.
    pub marker: Option<Marker>,
    /// Content without the marker, mixed with section, role and kind.
    pub fingerprint: Fingerprint,
    /// Bytes that the model reads as text, roughly: the content without the marker. Images and
    /// documents in base64 count what [`CountTokens`](super::CountTokens) expects of them.
    pub weight: u32,
}

impl Block {
    /// A block with nothing known but its place; readers fill in the rest.
    #[must_use]
    pub const fn at(section: Section, role: Role, kind: BlockKind, span: Span) -> Self {
        Self {
            section,
            role,
            kind,
            form: Form::Object,
            markable: false,
            outer: 0,
            inner: 0,
            span,
            marker: None,
            fingerprint: Fingerprint(0),
            weight: 0,
        }
    }
}

/// Whether a conversation holds thinking that the provider may have bound to what precedes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "none, announced or present")]
pub enum Thinking {
    /// None, and none was asked for.
    #[default]
    Off,
    /// The request asks for it, so the next turn may hold it.
    Asked,
    /// A thinking block with a signature, or a redacted one, stands in the conversation.
    Signed,
}

/// A request as the cache sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prompt {
    /// The model id as the caller spelled it (unescaped); empty when the body has none.
    pub model: Box<str>,
    /// All blocks in the provider's order: tools, system, messages.
    pub blocks: Vec<Block>,
    /// The caller's top-level automatic marker, if any.
    pub auto_marker: Option<Marker>,
    /// The block on which the provider itself will write an entry, where it does so beside the
    /// markers and the caller has not told it otherwise.
    pub implicit: Option<usize>,
    /// Markers that a gateway was told to add by itself on the way.
    pub reserved: usize,
    /// Fingerprint of the parameters whose change invalidates system and messages.
    pub system_salt: Fingerprint,
    /// Fingerprint of the parameters whose change invalidates messages only.
    pub messages_salt: Fingerprint,
    /// Whether the conversation holds, or will hold, thinking that is bound to what precedes it.
    pub thinking: Thinking,
    /// Whether the response will be streamed.
    pub stream: bool,
    /// `max_tokens`, when it is a plain non-negative integer.
    pub max_tokens: Option<u64>,
}

impl Prompt {
    /// Markers the caller already placed or ordered, the automatic one included.
    #[must_use]
    pub fn own_markers(&self) -> usize {
        self.blocks
            .iter()
            .filter(|block| block.marker.is_some())
            .count()
            + usize::from(self.auto_marker.is_some())
            + self.reserved
    }

    /// The last of the first `end` blocks that can carry a marker.
    #[must_use]
    pub fn markable_before(&self, end: usize) -> Option<usize> {
        let part = self.blocks.get(..end)?;
        part.iter().rposition(|block| block.markable)
    }

    /// Index one past the last block of `section`; sections are contiguous and in order.
    #[must_use]
    pub fn end_of(&self, section: Section) -> usize {
        self.blocks
            .partition_point(|block| block.section <= section)
    }
}
