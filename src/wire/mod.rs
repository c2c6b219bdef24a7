//! Dialects: bytes to model, edits to bytes. One file per dialect; no dialect re-serializes.

mod earlier;
mod edit;
mod messages;
mod scan;
mod sse;
mod usage;
mod watch;

use bytes::Bytes;

use crate::model::{Keyring, Plan, Prompt, Skip};

pub use earlier::{Reading, Recall, Remembered};
pub use edit::{Edit, splice, splice_into, spliced_len};
pub use messages::Messages;
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

    /// JSON pointer of the object that carries the marker of this block once it is placed; empty
    /// when there is no such block.
    fn pointer(&self, prompt: &Prompt, block: usize) -> String;
}
