//! Stands for the signers in builds without them.

use std::sync::Arc;

use super::{Place, Sign};

/// # Errors
/// Always; names the fix.
pub(in crate::adapter) fn chain(
    _place: &Place<'_>,
    _region: Option<&str>,
    _profile: Option<&str>,
) -> Result<Arc<dyn Sign>, &'static str> {
    Err(
        "this build cannot sign for AWS; build it with the feature, as in \
         `cargo install cachewright --features bedrock-sdk`",
    )
}
