//! Pre-warming by the wrapped service.

use std::future::poll_fn;
use std::pin::pin;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::errands::answer;
use super::service::judge;
use super::{PromptCache, RequestBody};
use crate::adapter::caller::Passage;
use crate::adapter::fanout::prewarm;
use crate::adapter::handle::{Cold, Prewarmed};
use crate::adapter::taken::Taken;
use crate::model::Skip;

impl<S> PromptCache<S> {
    /// Writes what the calls of a planned fan-out share, once and before they are sent, by the
    /// wrapped service.
    ///
    /// `request` is one of those calls, or looks like one: everything before its last block is taken
    /// as shared. It is sent in the cheapest form that the provider takes (no output at all where
    /// that can be asked for), and its answer waited for; it is booked as one errand, whose kind is
    /// `prewarm`. From the moment this returns the calls can read what it wrote, until
    /// [`Prewarmed::until`]. Against calls that do not wait for one another that pays from two calls
    /// on; where they are held
    /// ([`with_fan_out`](crate::adapter::handle::Builder::with_fan_out)) the first of them does the
    /// same for nothing.
    ///
    /// It never fails: `Prewarmed::cold` says why nothing is warm.
    pub async fn http_prewarm<B, R>(&self, request: Request<B>) -> Prewarmed
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
        B: Body<Data = Bytes>,
        R: Body,
        R::Data: AsRef<[u8]>,
    {
        let (mut parts, body) = request.into_parts();
        let (caller, passage) = judge(&self.cache, &mut parts);
        match passage {
            Passage::Read => {}
            Passage::Skip(why) => return Prewarmed::cold(Cold::Skipped(why)),
            Passage::Forward => return Prewarmed::cold(Cold::Skipped(Skip::UnknownEndpoint)),
        }
        let mut taken = Taken::new(self.cache.engine());
        let mut body = pin!(body);
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            let Ok(data) = frame
                .map_err(drop)
                .and_then(|frame| frame.into_data().map_err(drop))
            else {
                return Prewarmed::cold(Cold::Skipped(Skip::NotBuffered));
            };
            taken.push(data, 0);
            if taken.len() > self.cache.max_body() {
                return Prewarmed::cold(Cold::Skipped(Skip::TooLarge));
            }
        }
        let send =
            |request: Request<Bytes>| answer(self.inner.clone(), request.map(RequestBody::whole));
        prewarm(&self.cache, caller, (parts, taken.into_bytes()), send).await
    }
}
