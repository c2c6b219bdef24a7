//! Watches a response go by: what it used, how it ended. Nothing is held back.

use std::borrow::Cow;

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};
use serde::Deserialize;

use super::frames::{Frame, Frames};
use super::sse::Events;
use super::{Diagnostics, Dialect};
use crate::model::Usage;

/// How a response is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each framing needs its own watcher"
)]
pub enum Framing {
    /// One JSON document.
    Json,
    /// Server-sent events.
    Sse,
    /// Amazon's binary event stream (`application/vnd.amazon.eventstream`).
    EventStream,
    /// Something whose usage cannot be seen.
    Opaque,
}

/// What a response said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Tokens by kind, as far as they were reported; `None` when no usage was seen.
    pub usage: Option<Usage>,
    /// The id of the response.
    pub id: Option<Box<str>>,
    /// The model that answered.
    pub model: Option<Box<str>>,
    /// Why the model stopped.
    pub stop_reason: Option<Box<str>>,
    /// How far the response came.
    pub progress: Progress,
    /// The type's name of the error that was reported, such as `overloaded_error`.
    pub error: Option<Box<str>>,
    /// What the provider itself says of the cache, where it was asked.
    pub diagnostics: Option<Diagnostics>,
}

impl Seen {
    /// Whether the provider said that the response is complete.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.progress == Progress::Ended
    }

    /// Whether the provider began to answer: from then on what it wrote can be read.
    #[must_use]
    pub fn started(&self) -> bool {
        self.progress != Progress::Nothing
    }
}

/// How far a response came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Progress {
    /// No message was seen to begin.
    #[default]
    Nothing,
    /// A message began.
    Started,
    /// It is complete: the provider said why it ended, or the JSON document is whole.
    Ended,
}

/// Looks at a response chunk by chunk, whatever the chunks' borders.
#[derive(Debug)]
pub struct Watcher {
    dialect: &'static dyn Dialect,
    source: Source,
    seen: Seen,
}

#[derive(Debug)]
enum Source {
    /// A copy on the side, until it grows beyond the limit.
    Json {
        copy: Vec<u8>,
        limit: usize,
    },
    Sse(Events),
    Frames(Frames),
    Opaque,
}

/// JSON documents above this many bytes pass unseen, unless another limit is set.
const MAX_DOCUMENT: usize = 8 << 20;

impl Watcher {
    /// A watcher for a response in this dialect and framing.
    #[must_use]
    pub fn new(dialect: &'static dyn Dialect, framing: Framing) -> Self {
        Self::with_limit(dialect, framing, MAX_DOCUMENT)
    }

    /// A watcher that keeps at most `limit` bytes of a JSON document on the side; of a longer one
    /// nothing is reported.
    #[must_use]
    pub fn with_limit(dialect: &'static dyn Dialect, framing: Framing, limit: usize) -> Self {
        let source = match framing {
            Framing::Json => Source::Json {
                copy: Vec::new(),
                limit,
            },
            Framing::Sse => Source::Sse(Events::default()),
            Framing::EventStream => Source::Frames(Frames::default()),
            Framing::Opaque => Source::Opaque,
        };
        Self {
            dialect,
            source,
            seen: Seen::default(),
        }
    }

    /// Looks at the next chunk.
    pub fn feed(&mut self, chunk: &[u8]) {
        match &mut self.source {
            Source::Json { copy, limit } if copy.len().saturating_add(chunk.len()) <= *limit => {
                copy.extend_from_slice(chunk);
            }
            Source::Json { .. } => self.source = Source::Opaque,
            Source::Sse(events) => {
                let (dialect, seen) = (self.dialect, &mut self.seen);
                events.feed(chunk, &|data| dialect.may_matter(data), &mut |data| {
                    dialect.event(seen, "", data);
                });
            }
            Source::Frames(frames) => {
                let (dialect, seen) = (self.dialect, &mut self.seen);
                frames.feed(chunk, &mut |frame| take(dialect, seen, frame));
            }
            Source::Opaque => {}
        }
    }

    /// What was seen so far; of a JSON document nothing before it is finished.
    #[must_use]
    pub const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// What the response said, complete or cut.
    #[must_use]
    pub fn finish(self) -> Seen {
        let (dialect, mut seen) = (self.dialect, self.seen);
        match self.source {
            Source::Json { copy, .. } => dialect.document(&mut seen, &copy),
            Source::Sse(mut events) => {
                events.finish(&|data| dialect.may_matter(data), &mut |data| {
                    dialect.event(&mut seen, "", data);
                });
            }
            // A frame without its end says nothing.
            Source::Frames(_) | Source::Opaque => {}
        }
        seen
    }
}

/// The event of an InvokeModel stream: what the model said, in base64.
#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Cow<'a, str>,
}

impl Chunk<'_> {
    /// What the model said, taken out of the payload of a frame.
    pub(super) fn open(payload: &[u8]) -> Option<Vec<u8>> {
        let chunk: Chunk<'_> = serde_json::from_slice(payload).ok()?;
        BASE64.decode(chunk.bytes.as_bytes()).ok()
    }
}

/// Standard base64, whose padding may be left out: the head of a text has none.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Letters of base64 that tell what kind of event they begin.
const HEAD: usize = 64;

/// Takes in one frame: an event of the dialect's own, one wrapped in base64, or a failure.
fn take(dialect: &dyn Dialect, seen: &mut Seen, frame: Frame<'_>) {
    match (frame.message, frame.name) {
        ("exception" | "error", name) => seen.error = Some(name.into()),
        (_, "chunk") => {
            let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(frame.payload) else {
                return;
            };
            let text = chunk.bytes.as_bytes();
            let head = BASE64.decode(text.get(..HEAD).unwrap_or(text));
            if head.is_ok_and(|head| dialect.may_matter(&head))
                && let Ok(data) = BASE64.decode(text)
            {
                dialect.event(seen, "", &data);
            }
        }
        (_, name) => dialect.event(seen, name, frame.payload),
    }
}
