//! What one call asks for, as far as deciding where it goes needs to know.

use crate::model::{Digest, Needs};

/// One call.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// Who asks; empty for nobody in particular.
    pub tenant: &'a str,
    /// The dialect that the application speaks, such as `messages`.
    pub dialect: &'a str,
    /// What a model must be able to do.
    pub needs: Needs,
    /// Length of the prompt, in bytes.
    pub bytes: u64,
    /// How many of these bytes are images and documents in base64, which cost far fewer tokens than
    /// text of that length; zero where nobody looked.
    pub media: u64,
    /// The longest answer that is asked for, in tokens; `None` where the call does not say.
    pub max_output: Option<u64>,
    /// The conversation it belongs to, if that is known.
    pub conversation: Option<Digest>,
}
