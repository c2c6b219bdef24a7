//! Layer and service over any client that takes `http::Request<B>`.
//!
//! The error type stays the inner service's own: a call never fails because of this layer. The
//! request body is buffered up to a limit and only where its head says that it is a prompt; the
//! response body is never buffered. Both bodies get a wrapper, as in tower-http's
//! decompression: the inner service takes `http::Request<RequestBody<B>>`, which hyper's clients
//! infer by themselves. The wrapper is what makes buffering safe: a body that fails, turns out too
//! long or carries trailers is replayed frame for frame, its error included.
//!
//! ```
//! use cachewright::adapter::handle::Cachewright;
//! # fn stack<S: tower_service::Service<()>>(client: S) {
//! let cache = Cachewright::new();
//! let client = cache.wrap(client);
//! // … requests …
//! println!("{}", cache.report());
//! # }
//! ```

mod body;
mod errands;
mod future;
mod layer;
mod prewarm;
mod service;

pub use self::body::{RequestBody, ResponseBody};
pub use self::future::ResponseFuture;
pub use self::layer::PromptCacheLayer;
pub use self::service::PromptCache;
