//! What several subjects share.

pub(crate) mod body;
#[cfg(feature = "tower")]
pub(crate) mod origin;
