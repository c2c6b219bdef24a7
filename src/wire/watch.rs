//! Watches a response go by: what it used, how it ended. Nothing is held back.

use memchr::memmem;

use super::sse::Events;
use super::usage::Body;
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
    /// Something whose usage cannot be seen.
    Opaque,
}

/// What a response said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Tokens by kind, as far as they were reported; `None` when no usage was seen.
    pub usage: Option<Usage>,
    /// The model that answered.
    pub model: Option<Box<str>>,
    /// Why the model stopped.
    pub stop_reason: Option<Box<str>>,
    /// How far the response came.
    pub progress: Progress,
    /// The type's name of the error that was reported, such as `overloaded_error`.
    pub error: Option<Box<str>>,
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
    /// It is complete: `message_stop` was seen, or the JSON document is whole.
    Ended,
}

/// Looks at a response chunk by chunk, whatever the chunks' borders.
#[derive(Debug)]
pub struct Watcher {
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
    Opaque,
}

/// JSON documents above this many bytes pass unseen, unless another limit is set.
const MAX_DOCUMENT: usize = 8 << 20;

impl Watcher {
    /// A watcher for a response of this framing.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self::with_limit(framing, MAX_DOCUMENT)
    }

    /// A watcher that keeps at most `limit` bytes of a JSON document on the side; of a longer one
    /// nothing is reported.
    #[must_use]
    pub fn with_limit(framing: Framing, limit: usize) -> Self {
        let source = match framing {
            Framing::Json => Source::Json {
                copy: Vec::new(),
                limit,
            },
            Framing::Sse => Source::Sse(Events::default()),
            Framing::Opaque => Source::Opaque,
        };
        Self {
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
                let seen = &mut self.seen;
                events.feed(chunk, may_matter, &mut |data| event(seen, data));
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
        let mut seen = self.seen;
        match self.source {
            Source::Json { copy, .. } => document(&mut seen, &copy),
            Source::Sse(mut events) => {
                events.finish(may_matter, &mut |data| event(&mut seen, data));
            }
            Source::Opaque => {}
        }
        seen
    }
}

/// Whether an event's first line leaves it possible that the event carries usage or an end. Nearly
/// all events are content, and say so in their first bytes.
fn may_matter(data: &[u8]) -> bool {
    !data.starts_with(br#"{"type":"content_block_"#)
        && !data.starts_with(br#"{"type": "content_block_"#)
}

fn event(seen: &mut Seen, data: &[u8]) {
    // A second, slower look at what is spelled unusually; what it lets through is still parsed.
    let matters =
        memmem::find(data, b"message_").is_some() || memmem::find(data, b"error").is_some();
    let Some(body) = matters.then(|| serde_json::from_slice::<Body>(data)) else {
        return;
    };
    let Ok(body) = body else { return };
    match body.kind.as_deref() {
        Some("message_start") => {
            seen.progress = seen.progress.max(Progress::Started);
            if let Some(message) = &body.message {
                note(seen, message);
            }
        }
        Some("message_delta") => {
            note(seen, &body);
            if let Some(delta) = &body.delta {
                note(seen, delta);
            }
        }
        Some("message_stop") => seen.progress = Progress::Ended,
        Some("error") => seen.error = body.error().or_else(|| Some("error".into())),
        _ => {}
    }
}

fn document(seen: &mut Seen, copy: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Body>(copy) else {
        return;
    };
    seen.progress = Progress::Ended;
    seen.error = body.error();
    // An error reports no usage, whatever a gateway adds to it.
    if seen.error.is_none() {
        note(seen, &body);
    }
}

fn note(seen: &mut Seen, body: &Body) {
    if let Some(counts) = &body.usage {
        seen.usage = Some(counts.after(seen.usage));
    }
    if body.model.is_some() {
        seen.model.clone_from(&body.model);
    }
    if body.stop_reason.is_some() {
        seen.stop_reason.clone_from(&body.stop_reason);
    }
}
