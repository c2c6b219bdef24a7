//! What several subjects share.

pub(crate) mod body;
#[cfg(feature = "replay")]
pub(crate) mod marked;
#[cfg(feature = "tower")]
pub(crate) mod origin;
#[cfg(feature = "replay")]
#[expect(dead_code, reason = "subjects use what they need")]
pub(crate) mod recordings;
