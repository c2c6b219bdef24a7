//! The gateway as a service.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use tower_service::Service;

use super::GatewayOptions;
use super::below::{Below, BoxError, Carrier, Missed};
use super::body::{Answer, Passed, Whole};
use super::call::{Asked, Call};
use super::desk::{Decided, Desk};
use super::drive::drive;
use super::gauge::Gauge;
use super::head::{self, Address, Claim, Purpose};
use super::refuse::{self, Refused};
use crate::adapter::caller::Head;
use crate::adapter::handle::Cachewright;
use crate::adapter::taken::Taken;
use crate::adapter::tower::{PromptCache, RequestBody};
use crate::error::Error;
use crate::wire::Outer;

/// Routes over several providers, as a client.
///
/// Clones share everything. As a [`Service`] it answers every request that names a route; one that
/// names none goes on through the layer to wherever its own URL says.
///
/// Errors of the gateway and of the providers are responses, in the dialect that the caller speaks.
pub struct Gateway<S> {
    client: PromptCache<Below<S>>,
    desk: Arc<Desk>,
}

impl Cachewright {
    /// A gateway that sends by `client` and reports to this handle.
    ///
    /// # Errors
    /// When the options contradict themselves (they must name a site for every backend), or the file
    /// of what was spent cannot be used.
    pub fn gateway<S: Carrier>(
        &self,
        client: S,
        options: GatewayOptions,
    ) -> Result<Gateway<S>, Error> {
        options.check()?;
        Ok(Gateway {
            client: self.wrap(Below(client)),
            desk: Arc::new(Desk::new(self.clone(), options)?),
        })
    }
}

impl GatewayOptions {
    fn check(&self) -> Result<(), Error> {
        let (backends, sites) = (self.network.backends.len(), self.sites.len());
        if backends == sites {
            return Ok(());
        }
        Err(Error::config(format!(
            "{backends} backends have {sites} sites: name one for each, in their order"
        )))
    }
}

impl<S> Gateway<S> {
    /// Puts other options in force. Calls under way end by those they began with; what is known of
    /// backends, prefixes and spending goes over by their names.
    ///
    /// # Errors
    /// When the options contradict themselves; those in force stay so.
    pub fn reload(&self, options: GatewayOptions) -> Result<(), Error> {
        options.check()?;
        // A ping goes where its request went, which may not be allowed any more.
        self.desk.cache.keep().clear();
        self.desk.reload(options);
        Ok(())
    }

    /// Whether a request is a route's, as far as its head tells.
    #[must_use]
    pub fn claims(&self, parts: &Parts) -> Claim {
        Address::read(&self.desk.plan().network, parts).claim(parts)
    }

    /// Reads how its backends and caps stand.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        Gauge::of(Arc::clone(&self.desk))
    }

    /// The handle it reports to.
    #[must_use]
    pub fn cache(&self) -> &Cachewright {
        &self.desk.cache
    }
}

impl<S: Carrier> Gateway<S> {
    /// Runs errands of its routes, such as the pings that keep idle prefixes warm, where the settings
    /// ask for that: without it, there are none. A ping goes to the backend that answered the request
    /// which it repeats, and nowhere else. To be spawned on a runtime of the caller's; it ends when the
    /// last clone of this gateway is gone, or at once, when it runs already.
    pub fn errands(&self) -> impl Future<Output = ()> + Send + use<S> {
        self.client.http_errands::<Whole, S::Reply>()
    }

    /// Answers a request of a route.
    ///
    /// # Errors
    /// Gives back a request that is nobody's here, as it came; its body is read only where the model
    /// that it names could have told.
    pub async fn answer<B>(
        &self,
        request: Request<B>,
    ) -> Result<Response<Answer<S::Reply>>, Request<RequestBody<B>>>
    where
        B: Body<Data = Bytes>,
    {
        let (parts, body) = request.into_parts();
        let plan = self.desk.plan();
        let address = Address::read(&plan.network, &parts);
        let claim = address.claim(&parts);
        if claim == Claim::Unclaimed {
            return Err(Request::from_parts(parts, RequestBody::untouched(body)));
        }
        let dialect = match (address.dialect, &address.route) {
            (Some(dialect), _) if parts.method == Method::POST => dialect,
            (_, route) => return Ok(elsewhere(route.as_deref().unwrap_or_default())),
        };
        let body = match collected(&self.desk.cache, body).await {
            Collected::Whole(body) => body,
            Collected::Other(body, why) if claim == Claim::Named => {
                drop(body);
                return Ok(why.response(dialect));
            }
            Collected::Other(body, _) => return Err(Request::from_parts(parts, body)),
        };
        let keyring = &self.desk.cache.engine().settings().keyring;
        let outer = Outer::read(dialect, &body, keyring).ok();
        let by_model = || {
            let model = outer.as_ref()?.model.as_deref()?;
            plan.network.route(model).map(|route| route.name.clone())
        };
        let Some(route) = address.route.or_else(by_model) else {
            return Err(Request::from_parts(parts, RequestBody::from(body)));
        };
        let to = (route, dialect, address.purpose);
        Ok(self.decided(parts, body, to, outer).await)
    }

    async fn decided(
        &self,
        parts: Parts,
        body: Bytes,
        (route, dialect, purpose): (Box<str>, &'static str, Purpose),
        outer: Option<Outer>,
    ) -> Response<Answer<S::Reply>> {
        let said = outer.as_ref();
        // Counting tokens costs none.
        let is_answer = purpose == Purpose::Answer;
        let asked = Asked {
            tenant: head::tenant(&parts, self.desk.cache.default_tenant()),
            dialect,
            needs: said.map(|outer| outer.needs).unwrap_or_default(),
            bytes: if is_answer { body.len() as u64 } else { 0 },
            max_output: match is_answer {
                true => said.and_then(|outer| outer.max_output),
                false => Some(0),
            },
            media: match said.is_some_and(|outer| outer.needs.shows_media()) && is_answer {
                true => media(&body),
                false => 0,
            },
            purpose,
            conversation: said.and_then(|outer| outer.conversation),
            route,
        };
        let decided = self.desk.decide(&asked.route, &asked.ask());
        let Some(Decided {
            plan,
            outcome,
            full,
        }) = decided
        else {
            return elsewhere(&asked.route);
        };
        let decision = match outcome {
            Ok(decision) => decision,
            Err(refusal) => {
                let Some(route) = plan.route(&asked.route) else {
                    return elsewhere(&asked.route);
                };
                let now = self.desk.now();
                let refused =
                    refuse::refused((&plan.network, route), (&refusal, full.as_ref()), now);
                let mut response = refused.response(dialect);
                if let Some(value) = head::plain(&format!("{}; attempts=0", asked.route)) {
                    response.headers_mut().insert(refuse::BY_ROUTE, value);
                }
                return response;
            }
        };
        let call = Call {
            desk: Arc::clone(&self.desk),
            plan,
            dialect,
            id: self.desk.number(),
            headers: head::passed_on(&parts.headers),
            betas: betas(&parts),
            asked: Arc::new(asked),
            candidates: decision.candidates.clone(),
            body,
            outer,
        };
        drive(self.client.clone(), Arc::new(call), &decision).await
    }

    /// Sends on what is no route's, through the layer and untouched.
    async fn elsewhere<B>(
        &self,
        request: Request<RequestBody<B>>,
    ) -> Result<Response<Answer<S::Reply>>, BoxError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        if request.uri().authority().is_none() {
            return Ok(elsewhere(""));
        }
        let (parts, mut body) = request.into_parts();
        let mut taken = Taken::new(self.desk.cache.engine());
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            if let Ok(data) = frame.map_err(Into::into)?.into_data() {
                taken.push(data, 0);
            }
        }
        let request = Request::from_parts(parts, Whole::from(taken.into_bytes()));
        let answered = self.client.clone().call(request).await;
        let response = answered.map_err(|missed| match missed {
            Missed::Client(error) => error,
            Missed::Unauthorized(help) => help.0.into(),
        })?;
        Ok(response.map(|body| Answer::passed(Passed::new(Box::pin(body)))))
    }
}

/// How the collection of a body came out.
enum Collected<B: Body> {
    Whole(Bytes),
    /// It is put together again as it was, with what is told to a caller who named a route.
    Other(RequestBody<B>, Refused),
}

async fn collected<B: Body<Data = Bytes>>(cache: &Cachewright, body: B) -> Collected<B> {
    let limit = cache.max_body();
    let mut body = Box::pin(body);
    let mut taken = Taken::new(cache.engine());
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => taken.push(data, 0),
            // No dialect has trailers; they are dropped with a named route, and kept otherwise.
            Ok(Err(trailers)) => {
                let why = broken_off();
                return Collected::Other(again(taken, Some(Ok(trailers)), body), why);
            }
            Err(error) => {
                let why = broken_off();
                return Collected::Other(again(taken, Some(Err(error)), body), why);
            }
        }
        if taken.len() > limit {
            let message = format!("routes take requests of up to {limit} bytes; raise max_body");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            let why = refuse::unsendable(status, &message);
            return Collected::Other(again(taken, None, body), why);
        }
    }
    Collected::Whole(taken.into_bytes())
}

fn again<B: Body<Data = Bytes>>(
    taken: Taken,
    last: Option<Result<Frame<Bytes>, B::Error>>,
    rest: Pin<Box<B>>,
) -> RequestBody<B> {
    RequestBody::replay(taken.into_bytes(), last, rest)
}

fn broken_off() -> Refused {
    let message = "the request broke off before its end";
    refuse::unsendable(StatusCode::BAD_REQUEST, message)
}

/// A string of this length that is nothing but base64 is no text.
const LONG: usize = 1 << 10;

/// Bytes of images and documents in base64, which cost far fewer tokens than text.
fn media(body: &[u8]) -> u64 {
    let strings = body.split(|byte| *byte == b'"');
    let long = strings.filter(|text| text.len() >= LONG).map(|text| {
        // `data:image/png;base64,` may stand before them.
        let begin = memchr::memchr(b',', text.get(..64).unwrap_or(text));
        text.get(begin.map_or(0, |at| at + 1)..).unwrap_or(text)
    });
    let is_coded =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\\');
    let coded = long.filter(|text| text.iter().all(is_coded));
    coded.map(|text| text.len() as u64).sum()
}

/// A request that names no route, or asks a route for what none has.
fn elsewhere<R>(route: &str) -> Response<Answer<R>> {
    let message = match route {
        "" => "no route takes this; name one, as in /ROUTE/v1/messages".to_owned(),
        name => format!(
            "route {name:?} takes POST to /{name}/v1/messages, /{name}/v1/chat/completions and \
             /{name}/v1/responses, and nothing else"
        ),
    };
    refuse::elsewhere(&message).response("messages")
}

/// The caller's beta headers.
fn betas(parts: &Parts) -> Box<str> {
    let head = Head {
        method: &parts.method,
        host: "",
        path: "",
        query: None,
        headers: &parts.headers,
        behind: None,
        account: None,
    };
    head.betas()
}

impl<S, B> Service<Request<B>> for Gateway<S>
where
    S: Carrier,
    B: Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + 'static,
{
    type Response = Response<Answer<S::Reply>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Every attempt takes a clone of the client and waits for it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            match this.answer(request).await {
                Ok(response) => Ok(response),
                Err(request) => this.elsewhere(request).await,
            }
        })
    }
}

impl<S: Clone> Clone for Gateway<S> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            desk: Arc::clone(&self.desk),
        }
    }
}

impl<S> fmt::Debug for Gateway<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}
