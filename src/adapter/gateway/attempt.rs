//! One attempt of a call: its request is made for one backend, sent, and waited for until the first
//! byte that the caller will see, or until it is clear that there will be none.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version, response};
use http_body::Body;
use serde::de::IgnoredAny;
use tokio::time::{Instant, timeout, timeout_at};
use tower_service::Service as _;

use super::Site;
use super::begin::{First, begin, beginning};
use super::below::{Below, Carrier, Missed};
use super::body::{Passed, Whole};
use super::call::Call;
use super::desk::{lock, texts};
use super::events::Events;
use super::head::{COUNTING, Purpose};
use super::lost::{Cause, Lost, Said};
use super::refuse;
use super::site::Delivery;
use super::trial::{Trial, fund};
use crate::adapter::caller;
use crate::adapter::handle::{Account, Attempted, Behind, Collect, Route, Tenant};
use crate::adapter::tower::{PromptCache, ResponseBody};
use crate::engine::Framing;
use crate::ledger::Attempt;
use crate::provider::Door;
use crate::route::{
    Backend, Billed, Failure, FailureKind, Offer, Pick, Response as Head, Who, retry_after,
};
use crate::wire::{self, Envelope, Fault, Opened};

/// How long the rest of an error may take; its status says the most already.
const ERROR_PATIENCE: Duration = Duration::from_secs(5);

/// One attempt that is to be made.
#[derive(Debug)]
pub(super) struct Try {
    pub(super) pick: Pick,
    /// One for the first of a call.
    pub(super) number: u32,
    pub(super) why: Box<str>,
    /// When it counts as silent.
    pub(super) due: Instant,
}

/// An answer that has begun.
pub(super) struct Begun<R> {
    pub(super) pick: Pick,
    pub(super) backend: Box<str>,
    pub(super) why: Box<str>,
    pub(super) head: response::Parts,
    pub(super) passed: Passed<R>,
}

/// Makes one attempt.
pub(super) async fn attempt<S: Carrier>(
    client: PromptCache<Below<S>>,
    call: Arc<Call>,
    one: Try,
) -> Result<Begun<S::Reply>, Lost> {
    let (pick, why) = (one.pick, one.why.clone());
    let mut backend = Box::<str>::default();
    let outcome = match call.place(pick) {
        Some(place) => {
            backend = place.backend.name.clone();
            place.attempt(client, one).await
        }
        None => Err(Cause::Unfit("it is not there any more")),
    };
    match outcome {
        Ok((head, passed)) => Ok(Begun {
            pick,
            backend,
            why,
            head,
            passed,
        }),
        Err(cause) => Err(Lost {
            pick,
            backend,
            cause,
        }),
    }
}

/// Where one attempt goes.
pub(super) struct Place<'a> {
    pub(super) call: &'a Arc<Call>,
    pub(super) offer: &'a Offer,
    pub(super) backend: &'a Backend,
    pub(super) site: &'a Arc<Site>,
}

type Outcome<R> = Result<(response::Parts, Passed<R>), Cause>;

impl Place<'_> {
    async fn attempt<S: Carrier>(
        &self,
        mut client: PromptCache<Below<S>>,
        one: Try,
    ) -> Outcome<S::Reply> {
        let (door, body) = self.enclosed()?;
        let attempted = self.reserved(&one).await?;
        let request = self.request((door, body), attempted.clone())?;
        let to = (&*self.backend.name, &*self.offer.id);
        let trial = self.call.desk.send(to, self.call.tokens(one.pick));
        let mut trial = trial.map_err(Cause::Shut)?;
        if !self.call.is_stream() {
            trial = trial.unmeasured();
        }
        let response = match timeout_at(one.due, client.call(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(missed)) => return Err(unanswered(trial, &attempted, Some(&missed))),
            Err(_) => return Err(unanswered(trial, &attempted, None)),
        };
        if attempted.was_held() {
            trial = trial.unmeasured();
        }
        let (head, body) = response.into_parts();
        self.hear(&head.headers);
        if !head.status.is_success() {
            return Err(self.refused(trial, head, body).await);
        }
        let passed = Passed::new(Box::pin(body));
        self.begun(trial, (head, passed), (door, one.due)).await
    }

    /// An answer whose head is here; waits for its first byte.
    async fn begun<R: Body<Data = Bytes>>(
        &self,
        mut trial: Trial,
        (mut head, mut passed): (response::Parts, Passed<R>),
        (door, due): (&Door, Instant),
    ) -> Outcome<R> {
        passed.between = Some(self.call.patience().between);
        let lost = |kind, what| (kind, Billed::Perhaps, what);
        let fits = self.fits(&mut head.headers, door, &mut passed);
        let (kind, billed, what) = if fits {
            match timeout_at(due, begin(&mut passed)).await {
                Ok(First::Begun) if self.is_sound(&passed) => {
                    trial.answered();
                    passed.trial = Some(trial);
                    return Ok((head, passed));
                }
                Ok(First::Error(body)) => {
                    return Err(self.failed(trial, (None, HeaderMap::new()), body));
                }
                Ok(First::Begun) => lost(FailureKind::Garbage, "the answer is no JSON"),
                Ok(First::Nothing) => lost(FailureKind::Garbage, "the answer is empty"),
                Ok(First::Broken) => lost(FailureKind::Reset, "the answer broke off at once"),
                Err(_) => lost(FailureKind::Silent, "no first byte in time"),
            }
        } else {
            lost(FailureKind::Garbage, "the answer is none of this dialect")
        };
        Err(silent(trial, (kind, billed), what))
    }

    /// The body as the backend takes it.
    fn enclosed(&self) -> Result<(&Door, Bytes), Cause> {
        let call = self.call;
        let door = self.site.door(call.dialect);
        let door = door.ok_or(Cause::Unfit("it does not speak this dialect"))?;
        if call.asked.purpose == Purpose::Count && door.envelope != Envelope::Plain {
            return Err(Cause::Unfit("it counts no tokens in this dialect"));
        }
        if call.outer.is_none() {
            // What is not understood goes through byte for byte, and only where nothing is put
            // around it.
            let is_plain = door.envelope == Envelope::Plain;
            let body = is_plain.then(|| (door, call.body.clone()));
            return body.ok_or(Cause::Unfit("the body cannot be read"));
        }
        let address = wire::Address {
            model: &self.offer.id,
            betas: &call.betas,
        };
        let body = door.envelope.enclose(&call.body, &address);
        let body = body.map_err(|skip| Cause::Unfit(skip.as_str()))?;
        Ok((door, body))
    }

    /// Takes room in the caps; what comes of it is settled once the exchange is booked.
    async fn reserved(&self, one: &Try) -> Result<Attempted, Cause> {
        let call = self.call;
        let who = Who {
            route: &call.asked.route,
            tenant: &call.asked.tenant,
            backend: &self.backend.name,
        };
        let room = call.desk.reserve(&who, &call.worst(one.pick)).await;
        let room = Mutex::new(Some(room.map_err(Cause::Full)?));
        let attempt = Attempt {
            backend: self.backend.name.clone(),
            call: call.id,
            number: one.number,
            hop: one.pick.hop,
            why: one.why.clone(),
        };
        let lesson = call.lesson(one.pick);
        let attempted = Attempted::new(attempt).patient(self.hold(one));
        let same = attempted.clone();
        Ok(attempted.then(move |record| {
            let room = lock(&room).take();
            if let Some(room) = room {
                room.settle(record, &same);
            }
            lesson.learn(record);
        }))
    }

    /// For how long the layer may hold it for another call that writes its prefix: a small part of
    /// what its backend has for the first byte. Neither a second attempt nor a route that hedges
    /// waits: who pays for a request to be faster does not want it held up.
    fn hold(&self, one: &Try) -> Duration {
        let hedges = self.call.route().is_some_and(|route| route.hedge.is_some());
        match one.number {
            1 if !hedges => self.call.patience().first_byte / 4,
            _ => Duration::ZERO,
        }
    }

    fn request(
        &self,
        (door, body): (&Door, Bytes),
        attempted: Attempted,
    ) -> Result<Request<Whole>, Cause> {
        let call = self.call;
        let delivery = match call.is_stream() {
            true => Delivery::Stream,
            false => Delivery::Whole,
        };
        let uri = self.site.uri(door, &self.offer.id, delivery);
        let uri = match call.asked.purpose {
            Purpose::Answer => uri,
            Purpose::Count => uri.and_then(counting),
        };
        let uri = uri.ok_or(Cause::Unfit("its address cannot be written"))?;
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = Method::POST;
        parts.uri = uri;
        // The client speaks whatever version the connection has.
        parts.version = Version::HTTP_11;
        parts.headers = call.headers.clone();
        self.site.dress(&mut parts.headers);
        self.label(&mut parts, attempted);
        Ok(Request::from_parts(parts, Whole::from(body)))
    }

    /// Tells the layer and what stands below it what this request is.
    fn label(&self, parts: &mut Parts, attempted: Attempted) {
        let extensions = &mut parts.extensions;
        extensions.insert(Behind(self.site.provider().into()));
        extensions.insert(Account(self.backend.name.clone()));
        extensions.insert(Route(self.call.asked.route.clone()));
        extensions.insert(Tenant(self.call.asked.tenant.clone()));
        extensions.insert(Collect);
        extensions.insert(Arc::clone(self.site));
        extensions.insert(fund(&self.call.desk, &self.call.asked, &self.backend.name));
        extensions.insert(attempted);
    }

    /// Takes in what the headers say of rate limits.
    fn hear(&self, headers: &HeaderMap) {
        let desk = &self.call.desk;
        let catalog = desk.cache.engine().catalog();
        if let Some(row) = catalog.provider(self.site.provider()) {
            desk.hear(&self.backend.name, row.access.limits, headers);
        }
    }

    /// Whether an answer is what was asked for, as far as its head tells; prepares its passing.
    fn fits<R>(&self, headers: &mut HeaderMap, door: &Door, passed: &mut Passed<R>) -> bool {
        if self.call.outer.is_none() {
            return true;
        }
        let framing = caller::framing(headers);
        if !self.call.is_stream() {
            return framing == Framing::Json || !headers.contains_key(CONTENT_TYPE);
        }
        let opened = Opened::of(door.envelope).filter(|_| framing != Framing::Sse);
        let fits = framing == Framing::Sse || opened.is_some() && framing == Framing::EventStream;
        passed.events = Some(Events::new(self.call.dialect, opened));
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        fits
    }

    /// Whether a document is whole, as far as its form tells: one that ended with its connection may
    /// have lost its end.
    fn is_sound<R>(&self, passed: &Passed<R>) -> bool {
        if self.call.outer.is_none() || passed.events.is_some() || !passed.ended {
            return true;
        }
        let mut whole = Vec::new();
        passed
            .ahead
            .iter()
            .for_each(|data| whole.extend_from_slice(data));
        serde_json::from_slice::<IgnoredAny>(&whole).is_ok()
    }

    /// A backend refused; its error is read as far as it comes.
    async fn refused<R: Body<Data = Bytes>>(
        &self,
        trial: Trial,
        head: response::Parts,
        body: ResponseBody<R>,
    ) -> Cause {
        let read = timeout(ERROR_PATIENCE, beginning(body)).await;
        let body = read.unwrap_or_default();
        self.failed(trial, (Some(head.status), head.headers), body)
    }

    /// Makes out what an error means; without a status it came within a stream.
    fn failed(
        &self,
        trial: Trial,
        (status, headers): (Option<StatusCode>, HeaderMap),
        body: Bytes,
    ) -> Cause {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let fault = Fault::read(&body, header("x-amzn-errortype"));
        let is_head = status.is_some();
        let status = status.map_or_else(|| refuse::status_of(&fault), |status| status.as_u16());
        let failure = Failure::of(&Head {
            // Within a stream the type and the code alone tell.
            status: if is_head { status } else { 200 },
            kind: &fault.kind,
            code: &fault.code,
            message: &fault.message,
            retry_after: retry_after(self.call.desk.now(), &mut texts(&headers)),
        });
        let billed = if is_head { Billed::No } else { Billed::Perhaps };
        // Redirects and their like are no answer either.
        let failure =
            failure.unwrap_or_else(|| Failure::without_answer(FailureKind::Garbage, billed));
        trial.failed(&failure);
        let said = Said {
            status: StatusCode::from_u16(status).ok(),
            headers,
            body,
            fault,
        };
        Cause::Failed(failure, Box::new(said))
    }
}

/// The address where tokens are counted, by that where they are used.
fn counting(uri: Uri) -> Option<Uri> {
    let mut parts = uri.into_parts();
    let path = parts.path_and_query?;
    let query = path.query().map(|query| format!("?{query}"));
    let path = format!("{}{COUNTING}{}", path.path(), query.unwrap_or_default());
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

/// There is no head of an answer: the client failed, or time ran out.
fn unanswered(trial: Trial, attempted: &Attempted, missed: Option<&Missed>) -> Cause {
    let is_reached = attempted.is_reached();
    let kind = match missed {
        None => FailureKind::Silent,
        Some(Missed::Unauthorized(_)) => FailureKind::Denied,
        Some(Missed::Client(_)) if is_reached => FailureKind::Reset,
        Some(Missed::Client(_)) => FailureKind::Unreachable,
    };
    let billed = match is_reached {
        true => Billed::Perhaps,
        false => Billed::No,
    };
    let what = missed.map_or_else(|| "no answer in time".to_owned(), ToString::to_string);
    silent(trial, (kind, billed), &what)
}

/// A failure without an answer.
fn silent(trial: Trial, (kind, billed): (FailureKind, Billed), message: &str) -> Cause {
    let failure = Failure::without_answer(kind, billed);
    trial.failed(&failure);
    let said = Said {
        fault: refuse::fault("api_error", message),
        ..Said::default()
    };
    Cause::Failed(failure, Box::new(said))
}
