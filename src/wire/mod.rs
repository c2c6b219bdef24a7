//! Dialects: bytes to model, edits to bytes. One file per dialect; no dialect re-serializes.

mod chat;
mod converse;
mod earlier;
mod edit;
mod envelope;
mod frames;
mod gateway;
mod generate;
mod grammar;
mod inclusive;
mod mark;
mod members;
mod messages;
mod metrics;
mod object;
mod opening;
mod parameters;
mod parts;
mod ping;
mod prints;
mod reader;
mod responses;
mod scan;
mod seams;
mod spelled;
mod sse;
mod style;
mod told;
mod watch;

use bytes::Bytes;

use crate::model::{Keyring, Plan, Prompt, Seams, Skip};

pub use chat::Chat;
pub use converse::Converse;
pub use earlier::{Reading, Recall, Remembered};
pub use edit::{Edit, splice, splice_into, spliced_len};
pub use envelope::{Address, Envelope, Fault, Opened, Outer};
pub use generate::{Generate, Stored};
pub use members::{add_members, member_value, messages_last, ordered_markers, remove_members};
pub use messages::Messages;
pub use ping::ping;
pub use responses::Responses;
pub use style::{DIALECTS, MarkerStyle, dialect};
pub use told::Diagnostics;
pub use watch::{Framing, Progress, Seen, Watcher};

/// How one wire format spells a prompt and its usage. No state.
pub trait Dialect: std::fmt::Debug + Send + Sync {
    /// Reads a body in one pass, or only what is new in it when `recall` knows an earlier body of
    /// the same conversation. What is read never depends on what was recalled.
    ///
    /// # Errors
    /// The reason for which the body must go through byte for byte.
    fn read(&self, body: &Bytes, keyring: &Keyring, recall: Recall<'_>) -> Result<Reading, Skip>;

    /// The edits that put a plan's markers into the body. Blocks that carry a marker already and
    /// blocks that cannot carry one are left alone.
    fn mark(&self, body: &[u8], prompt: &Prompt, plan: &Plan) -> Vec<Edit>;

    /// The edits that remove every marker of the caller's, the automatic one included. They can be
    /// spliced together with those of [`mark`](Self::mark) for a prompt whose markers were cleared.
    fn unmark(&self, prompt: &Prompt) -> Vec<Edit>;

    /// How this body takes more texts, or the same text in more blocks.
    fn seams(&self, reading: &Reading) -> Seams;

    /// JSON pointer of the object that carries the marker of this block once it is placed; empty
    /// when there is no such block.
    fn pointer(&self, prompt: &Prompt, block: usize) -> String;

    /// Whether an event whose data begins like this may carry usage, an end or an error. Nearly all
    /// events are content and say so in their first bytes; what is let through is still parsed.
    fn may_matter(&self, data: &[u8]) -> bool;

    /// Takes in one event of a stream. `name` is the frame's own event type, empty where the
    /// framing gives none or the data repeats it.
    fn event(&self, seen: &mut Seen, name: &str, data: &[u8]);

    /// Takes in a response that is one JSON document.
    fn document(&self, seen: &mut Seen, body: &[u8]);

    /// What a request asks for, by OpenTelemetry's name (`gen_ai.operation.name`).
    fn operation(&self) -> &'static str {
        "chat"
    }
}
