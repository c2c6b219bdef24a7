//! What providers put around a dialect: the same call in another envelope, and its answer taken out
//! again.

use bytes::Bytes;

use crate::model::{Digest, Keyring, Needs, Skip};

/// What is put around a dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Envelope {
    /// Nothing: the model stands in the body.
    #[default]
    Plain,
    /// Bedrock's `InvokeModel`: the model stands in the path, answers stream as frames.
    Invoke,
    /// Vertex AI's `rawPredict`: the model stands in the path, answers stream as events.
    RawPredict,
}

/// What a call says of itself outside of its messages, read in one pass.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Outer {
    /// The model, as the caller names it.
    pub model: Option<Box<str>>,
    /// Whether the answer is to stream.
    pub stream: bool,
    /// The longest answer, in tokens.
    pub max_output: Option<u64>,
    /// What a model must be able to do.
    pub needs: Needs,
    /// The conversation, as far as its first messages or a member such as `session_id` tell.
    pub conversation: Option<Digest>,
}

/// What an envelope is addressed with.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "every part is needed")]
pub struct Address<'a> {
    /// The model's id at the provider.
    pub model: &'a str,
    /// The caller's beta headers, comma-separated; some envelopes carry them in the body.
    pub betas: &'a str,
}

impl Outer {
    /// Reads a body of this dialect.
    ///
    /// # Errors
    /// The reason for which it is not understood.
    pub fn read(dialect: &str, body: &Bytes, keyring: &Keyring) -> Result<Self, Skip> {
        let _ = (dialect, body, keyring);
        Ok(Self::default())
    }
}

impl Envelope {
    /// The envelope of this name in a row.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "plain" => Self::Plain,
            "invoke" => Self::Invoke,
            "raw_predict" => Self::RawPredict,
            _ => return None,
        })
    }

    /// The body in this envelope; everything but the members that the envelope is about stays as it
    /// was, byte for byte.
    ///
    /// # Errors
    /// The reason for which it is not understood.
    pub fn enclose(self, body: &Bytes, address: &Address<'_>) -> Result<Bytes, Skip> {
        let _ = address;
        Ok(body.clone())
    }
}

/// Turns the body of a streamed answer back into the events of the dialect, chunk by chunk.
#[derive(Debug, Default)]
pub struct Opened {}

impl Opened {
    /// Of an answer in this envelope; `None` where it needs no turning.
    #[must_use]
    pub fn of(envelope: Envelope) -> Option<Self> {
        let _ = envelope;
        None
    }

    /// Takes in a chunk, and appends what it completes.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(chunk);
    }
}

/// What the body of a refused call says, in whichever provider's shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The error's type, such as `overloaded_error`.
    pub kind: Box<str>,
    /// Its code within the type.
    pub code: Box<str>,
    /// Its message.
    pub message: Box<str>,
    /// What is told beside it, such as the time from which a cap has room again.
    pub extra: Vec<(Box<str>, Box<str>)>,
}

impl Fault {
    /// A refusal of our own: `kind` is a type as Anthropic names them, such as `rate_limit_error`
    /// (empty for that of the status), `code` what it is within the type.
    #[must_use]
    pub fn own(kind: &str, code: &str, message: &str) -> Self {
        Self {
            kind: kind.into(),
            code: code.into(),
            message: message.into(),
            extra: Vec::new(),
        }
    }

    /// With one more thing told beside it, such as `resets_at` or `route`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.extra.push((name.into(), value.into()));
        self
    }

    /// Reads an error's body; `kind` is what a header said of its type.
    #[must_use]
    pub fn read(body: &[u8], kind: Option<&str>) -> Self {
        let _ = body;
        Self {
            kind: kind.unwrap_or_default().into(),
            ..Self::default()
        }
    }

    /// The error as callers of this dialect expect it; `None` where `body` is in that shape already.
    #[must_use]
    pub fn told(&self, dialect: &str, status: u16, body: &[u8]) -> Option<Bytes> {
        let _ = (dialect, status, body);
        None
    }
}
