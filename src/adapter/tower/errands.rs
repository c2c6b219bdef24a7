//! Errands by the wrapped service.

use std::future::poll_fn;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{PromptCache, RequestBody};
use crate::adapter::caller::framing;
use crate::adapter::errands::{Answer, LONGEST, drive};

impl<S> PromptCache<S> {
    /// Runs errands by the wrapped service, such as renting explicit caches and the pings that keep
    /// idle prefixes warm, where the settings ask for that: without it, there are none. To be spawned on a runtime of the caller's.
    ///
    /// It ends when the last clone of this client is gone or [`end_errands`](Self::end_errands) is
    /// called, after it has deleted what the provider still keeps; or at once, when it runs already.
    ///
    /// ```
    /// # use cachewright::adapter::{handle::Cachewright, tower::RequestBody};
    /// # async fn run<C, R>(client: C) where
    /// #     C: tower_service::Service<http::Request<RequestBody<http_body_util::Full<bytes::Bytes>>>, Response = http::Response<R>> + Clone + Send + 'static,
    /// #     C::Future: Send, C::Error: Send, R: http_body::Body<Data = bytes::Bytes> + Send + 'static, R::Error: Send {
    /// let cache = Cachewright::builder().with_explicit_caches().build().unwrap();
    /// let client = cache.wrap(client);
    /// let errands = tokio::spawn(client.http_errands());
    /// // … requests …
    /// drop(client);
    /// errands.await.unwrap();
    /// # }
    /// ```
    pub fn http_errands<B, R>(&self) -> impl Future<Output = ()> + use<S, B, R>
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
        B: Body<Data = Bytes>,
        R: Body,
        R::Data: AsRef<[u8]>,
    {
        let service = self.inner.clone();
        let send = move |request: Request<Bytes>| {
            let request = request.map(RequestBody::whole);
            answer(service.clone(), request)
        };
        drive(self.desk.driven(), self.cache.clone(), send)
    }

    /// Asks for nothing more, although clones of this client live on: what is kept is deleted, and
    /// the future that runs errands ends.
    pub fn end_errands(&self) {
        self.desk.close();
    }
}

async fn answer<S, B, R>(mut service: S, request: Request<RequestBody<B>>) -> Option<Answer>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    B: Body,
    R: Body,
    R::Data: AsRef<[u8]>,
{
    poll_fn(|cx| service.poll_ready(cx)).await.ok()?;
    let response = service.call(request).await.ok()?;
    let status = response.status().as_u16();
    let framing = framing(response.headers());
    let mut body = pin!(response.into_body());
    let mut whole = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Some(data) = frame.ok()?.data_ref() {
            whole.extend_from_slice(data.as_ref());
        }
        if whole.len() > LONGEST {
            return None;
        }
    }
    Some(Answer {
        status,
        framing,
        body: whole.freeze(),
    })
}
