//! What providers put around a dialect: the same call in another envelope, and its answer taken out
//! again.

mod enclose;
mod fault;
mod needs;
mod opened;
mod outer;

use bytes::Bytes;

use crate::model::Skip;

pub use fault::Fault;
pub use opened::Opened;
pub use outer::Outer;

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

/// What an envelope is addressed with.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "every part is needed")]
pub struct Address<'a> {
    /// The model's id at the provider.
    pub model: &'a str,
    /// The caller's beta headers, comma-separated; some envelopes carry them in the body.
    pub betas: &'a str,
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
    /// was, byte for byte. What is added stands before the other members, so that `messages` stays
    /// last where it was.
    ///
    /// `Invoke` takes out `cache_control` at the top too, which `InvokeModel` refuses: the layer
    /// below places markers of its own.
    ///
    /// # Errors
    /// The reason for which it is not understood.
    pub fn enclose(self, body: &Bytes, address: &Address<'_>) -> Result<Bytes, Skip> {
        enclose::enclose(self, body, address)
    }
}
