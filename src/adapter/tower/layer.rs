//! The layer.

use tower_layer::Layer;

use super::PromptCache;
use crate::adapter::handle::Cachewright;

/// Wraps services so that their prompts are cached well and accounted for.
///
/// All services of one layer share one handle, so one history and one ledger.
/// See the [module docs](crate::adapter::tower) for an example.
#[derive(Clone, Debug)]
pub struct PromptCacheLayer {
    cache: Cachewright,
}

impl PromptCacheLayer {
    /// A layer that reports to this handle.
    #[must_use]
    pub const fn new(cache: Cachewright) -> Self {
        Self { cache }
    }
}

impl<S> Layer<S> for PromptCacheLayer {
    type Service = PromptCache<S>;

    fn layer(&self, inner: S) -> Self::Service {
        PromptCache::new(inner, self.cache.clone())
    }
}
