//! The same steps as a `reqwest_middleware::Middleware`.
//!
//! Put it outside a retrying middleware: one rewrite and one record per call, whatever the number
//! of attempts.

use std::fmt;

use ::reqwest::{Client, Request, Response};
use http::Extensions;
use reqwest_middleware::{Middleware, Next, Result};

use super::errands::{Desk, drive};
use super::handle::Cachewright;
use super::reqwest::{answer, prepare, watched};
use super::running::Running;
use crate::engine::{End, Order};

/// A middleware whose prompts are cached well and accounted for.
///
/// ```
/// use cachewright::adapter::handle::Cachewright;
///
/// let cache = Cachewright::new();
/// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
///     .with(cache.middleware())
///     .build();
/// # let _ = client;
/// ```
#[derive(Clone)]
pub struct PromptCacheMiddleware {
    cache: Cachewright,
    desk: Desk,
}

/// Marks a call that this middleware has seen, for one further inside.
#[derive(Clone, Copy)]
struct Handled;

impl Cachewright {
    /// A middleware for clients of `reqwest-middleware`.
    #[must_use]
    pub fn middleware(&self) -> PromptCacheMiddleware {
        PromptCacheMiddleware {
            cache: self.clone(),
            desk: Desk::default(),
        }
    }
}

impl PromptCacheMiddleware {
    /// Runs errands and pings by `client`, as [`PromptCache::errands`](super::tower::PromptCache::errands) does:
    /// a middleware has no client of its own beyond a call. It ends when the last client with this
    /// middleware is gone.
    pub fn errands(&self, client: Client) -> impl Future<Output = ()> + use<> {
        let send = move |request| answer(client.clone(), request);
        drive(self.desk.driven(), self.cache.clone(), send)
    }
}

#[async_trait::async_trait]
impl Middleware for PromptCacheMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        if extensions.get::<Handled>().is_some() {
            return next.run(request, extensions).await;
        }
        extensions.insert(Handled);
        let outcome = self.pass(request, extensions, next).await;
        // The caller may use its extensions for another call.
        extensions.remove::<Handled>();
        outcome
    }
}

impl PromptCacheMiddleware {
    async fn pass(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let (running, own) = prepare((&self.cache, &self.desk), &mut request);
        let result = next.clone().run(request, extensions).await;
        let Some(mut running) = running else {
            return result;
        };
        let mut response = settled(result, &mut running)?;
        let order = running.on_response(response.status(), response.headers());
        if let (Order::Resend, Some(own)) = (order, own) {
            response = settled(next.run(own, extensions).await, &mut running)?;
            // The caller's own request is sent once: its answer is final.
            let _ = running.on_response(response.status(), response.headers());
        }
        Ok(watched(response, running))
    }
}

/// A call that failed is settled as one.
fn settled(result: Result<Response>, running: &mut Running) -> Result<Response> {
    if result.is_err() {
        running.finish(End::Failed);
    }
    result
}

impl fmt::Debug for PromptCacheMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptCacheMiddleware")
            .finish_non_exhaustive()
    }
}
