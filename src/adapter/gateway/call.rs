//! One call of a route over its attempts: whichever backend answers first, or one clear error.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, HeaderMap, Response, StatusCode};
use tokio::time::{Instant, sleep_until};

use super::attempt::{Begun, Cause, Lost, Place, Said, Try, attempt};
use super::below::{Below, Carrier};
use super::body::Answer;
use super::desk::{Desk, Lesson, Plan};
use super::head;
use super::refuse::{self, BY_ROUTE, Refused};
use crate::adapter::tower::PromptCache;
use crate::model::{Digest, Needs, Timestamp};
use crate::route::{
    Ask, Candidate, Course, Decision, FailureKind, Full, Move, Patience, Pick, Route, Worst,
};
use crate::wire::Outer;

/// Tokens of a whole answer that names no limit, for how long it may take.
const USUAL_OUTPUT: u64 = 4096;

/// What a token of a whole answer may take: nothing of it is seen before the last one. An hour for
/// 128 000 of them, as Anthropic's own clients reckon.
const PER_TOKEN: Duration = Duration::from_micros(28_125);

/// One call as all its attempts see it.
pub(super) struct Call {
    pub(super) desk: Arc<Desk>,
    pub(super) plan: Arc<Plan>,
    pub(super) asked: Arc<Asked>,
    /// Its offers as they were looked at.
    pub(super) candidates: Vec<Candidate>,
    pub(super) dialect: &'static str,
    /// What its attempts have in common in the ledger.
    pub(super) id: u64,
    /// What goes on to whichever backend.
    pub(super) headers: HeaderMap,
    pub(super) extensions: Extensions,
    /// The caller's beta headers.
    pub(super) betas: Box<str>,
    pub(super) body: Bytes,
    /// What the body says of itself; `None` where it is not understood.
    pub(super) outer: Option<Outer>,
}

/// What a call asks for, without its prompt.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) route: Box<str>,
    pub(super) tenant: Box<str>,
    pub(super) dialect: &'static str,
    pub(super) needs: Needs,
    pub(super) bytes: u64,
    pub(super) max_output: Option<u64>,
    pub(super) conversation: Option<Digest>,
}

impl Asked {
    pub(super) fn ask(&self) -> Ask<'_> {
        Ask {
            tenant: &self.tenant,
            dialect: self.dialect,
            needs: self.needs,
            bytes: self.bytes,
            media: 0,
            max_output: self.max_output,
            conversation: self.conversation,
        }
    }
}

impl Call {
    pub(super) fn route(&self) -> Option<&Route> {
        self.plan.route(&self.asked.route)
    }

    pub(super) fn patience(&self) -> Patience {
        self.route().map(|route| route.patience).unwrap_or_default()
    }

    pub(super) fn is_stream(&self) -> bool {
        self.outer.as_ref().is_some_and(|outer| outer.stream)
    }

    /// Where a pick goes.
    pub(super) fn place(self: &Arc<Self>, pick: Pick) -> Option<Place<'_>> {
        let offer = self.route()?.offers.get(pick.offer)?;
        Some(Place {
            call: self,
            offer,
            backend: self.plan.network.backends.get(offer.backend)?,
            site: self.plan.sites.get(offer.backend)?,
        })
    }

    /// What an attempt can cost at most.
    pub(super) fn worst(&self, pick: Pick) -> Worst {
        self.candidate(pick)
            .map(|one| one.worst)
            .unwrap_or_default()
    }

    /// Tokens of an attempt that the provider counts against its rate limits.
    pub(super) fn tokens(&self, pick: Pick) -> u64 {
        self.candidate(pick).map_or(0, |one| one.counted)
    }

    fn candidate(&self, pick: Pick) -> Option<&Candidate> {
        let mut all = self.candidates.iter();
        all.find(|one| one.offer == pick.offer)
    }

    pub(super) fn lesson(&self, pick: Pick) -> Lesson {
        Lesson {
            desk: Arc::clone(&self.desk),
            plan: Arc::clone(&self.plan),
            asked: Arc::clone(&self.asked),
            offer: pick.offer,
        }
    }

    /// How much longer than a stream's first byte the first byte of a whole answer may take.
    fn writing(&self) -> Duration {
        if self.is_stream() {
            return Duration::ZERO;
        }
        let tokens = self.asked.max_output.unwrap_or(USUAL_OUTPUT);
        PER_TOKEN.saturating_mul(u32::try_from(tokens).unwrap_or(u32::MAX))
    }
}

type Flight<R> = Pin<Box<dyn Future<Output = Result<Begun<R>, Lost>> + Send>>;

/// A call under way.
struct Drive<S: Carrier> {
    client: PromptCache<Below<S>>,
    call: Arc<Call>,
    course: Course,
    /// Attempts of which the first byte has not come. Who is dropped here is cancelled, and booked as
    /// such.
    flying: Vec<Flight<S::Reply>>,
    attempts: u32,
    why: String,
    /// When there must be a first byte, or an error.
    deadline: Instant,
    /// The names of the backends that were asked, with what came of it.
    tried: Vec<String>,
    telling: Option<(FailureKind, Box<Said>)>,
    full: Option<Full>,
}

/// What happens next.
enum Event<R> {
    Begun(Begun<R>),
    Lost(Lost),
    Hedge,
    Late,
}

/// Sends a call on its way, and returns what the caller gets.
pub(super) async fn drive<S: Carrier>(
    client: PromptCache<Below<S>>,
    call: Arc<Call>,
    decision: Decision,
) -> Response<Answer<S::Reply>> {
    let Some(route) = call.route() else {
        let message = "the route is not there any more";
        return Refused::new(StatusCode::NOT_FOUND, "not_found_error", message)
            .response(call.dialect);
    };
    let now = call.desk.now();
    let drive = Drive {
        client,
        course: Course::new(&decision, route, now),
        flying: Vec::new(),
        attempts: 0,
        why: decision.why(&call.plan.network, route),
        deadline: Instant::now() + route.patience.deadline,
        tried: Vec::new(),
        telling: None,
        full: None,
        call,
    };
    drive.run().await
}

impl<S: Carrier> Drive<S> {
    async fn run(mut self) -> Response<Answer<S::Reply>> {
        loop {
            if self.flying.is_empty() {
                match self.course.next(self.call.desk.now()) {
                    Move::Send(pick) => self.launch(pick),
                    Move::Wait(pick, at) => {
                        let at = self.instant(at).min(self.deadline);
                        sleep_until(at).await;
                        self.launch(pick);
                    }
                    Move::GiveUp => return self.give_up(false),
                }
            }
            match self.event().await {
                Event::Begun(begun) => return self.pass_on(begun),
                Event::Lost(lost) => self.lose(lost),
                Event::Hedge => {}
                Event::Late => return self.give_up(true),
            }
        }
    }

    fn launch(&mut self, pick: Pick) {
        self.attempts += 1;
        let patience = self.call.patience();
        let due = Instant::now() + patience.first_byte + self.call.writing();
        let one = Try {
            pick,
            number: self.attempts,
            why: self.why.as_str().into(),
            due: due.min(self.deadline),
        };
        let flight = attempt(self.client.clone(), Arc::clone(&self.call), one);
        self.flying.push(Box::pin(flight));
    }

    /// Waits for what happens next.
    async fn event(&mut self) -> Event<S::Reply> {
        let mut late = Box::pin(sleep_until(self.deadline));
        poll_fn(|cx| {
            if let Poll::Ready(event) = self.poll_flying(cx) {
                return Poll::Ready(event);
            }
            late.as_mut().poll(cx).map(|()| Event::Late)
        })
        .await
    }

    fn poll_flying(&mut self, cx: &mut Context<'_>) -> Poll<Event<S::Reply>> {
        for at in 0..self.flying.len() {
            let Some(flight) = self.flying.get_mut(at) else {
                break;
            };
            if let Poll::Ready(outcome) = flight.as_mut().poll(cx) {
                drop(self.flying.swap_remove(at));
                return Poll::Ready(match outcome {
                    Ok(begun) => Event::Begun(begun),
                    Err(lost) => Event::Lost(lost),
                });
            }
        }
        Poll::Pending
    }

    fn instant(&self, at: Timestamp) -> Instant {
        Instant::now() + at.since(self.call.desk.now())
    }

    fn lose(&mut self, lost: Lost) {
        let what = match lost.cause {
            Cause::Full(full) => {
                let what = format!("no room under the cap {}", full.cap);
                self.full = Some(full);
                what
            }
            Cause::Unfit(why) => why.to_owned(),
            Cause::Failed(failure, said) => {
                let now = self.call.desk.now();
                self.course.failed(now, lost.pick, &failure);
                let what = format!("{:?}", failure.kind);
                self.telling = Some((failure.kind, said));
                what
            }
        };
        self.why = format!("{}: {what}", lost.backend);
        self.tried.push(self.why.clone());
    }

    /// The answer has begun: its backend serves the call, and the others are dropped.
    fn pass_on(self, begun: Begun<S::Reply>) -> Response<Answer<S::Reply>> {
        let mut response = Response::from_parts(begun.head, Answer::passed(begun.passed));
        let headers = response.headers_mut();
        head::passed_back(headers);
        self.sign(headers, &begun.backend);
        response
    }

    fn give_up(self, late: bool) -> Response<Answer<S::Reply>> {
        let mut response = self.refusal(late);
        self.sign(response.headers_mut(), "");
        response
    }

    fn refusal(&self, late: bool) -> Response<Answer<S::Reply>> {
        let _ = late;
        let dialect = self.call.dialect;
        let tried = self.tried.join("; ");
        if let Some((_, said)) = &self.telling
            && let Some(status) = said.status
        {
            let body = said.fault.told(dialect, status.as_u16(), &said.body);
            let body = body.unwrap_or_else(|| said.body.clone());
            return refuse::response(dialect, status, body);
        }
        let message = format!("no backend answered ({tried})");
        Refused::new(StatusCode::BAD_GATEWAY, "api_error", &message).response(dialect)
    }

    /// Says which way an answer came.
    fn sign(&self, headers: &mut HeaderMap, backend: &str) {
        let (route, attempts) = (&self.call.asked.route, self.attempts);
        let why = self.why.replace(['"', '\\'], "'");
        let text = format!("{route}; backend={backend}; attempts={attempts}; why=\"{why}\"");
        if let Some(value) = head::plain(&text) {
            headers.insert(BY_ROUTE, value);
        }
    }
}
