//! A call on its way over its attempts: whichever backend answers first, or one clear error.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Response};
use tokio::time::{Instant, sleep_until};

use super::attempt::{Begun, Try, attempt};
use super::below::{Below, Carrier};
use super::body::Answer;
use super::call::Call;
use super::head;
use super::lost::{Cause, Lost, Said};
use super::refuse::{self, BY_ROUTE};
use super::trial::Shut;
use crate::adapter::tower::PromptCache;
use crate::model::Timestamp;
use crate::route::{Course, Decision, Failure, Full, Move, Pick};

/// Sends a call on its way, and returns what the caller gets.
pub(super) async fn drive<S: Carrier>(
    client: PromptCache<Below<S>>,
    call: Arc<Call>,
    decision: &Decision,
) -> Response<Answer<S::Reply>> {
    let Some(route) = call.route() else {
        return refuse::unknown(&call.asked.route).response(call.dialect);
    };
    let drive = Drive {
        client,
        course: Course::new(decision, route, call.desk.now(), call.id),
        flying: Vec::new(),
        attempts: 0,
        why: decision.why(&call.plan.network, route),
        deadline: Instant::now() + route.patience.deadline,
        ashore: Ashore::default(),
        call,
    };
    drive.run().await
}

type Flight<R> = Pin<Box<dyn Future<Output = Result<Begun<R>, Lost>> + Send>>;

/// A call on its way.
struct Drive<S: Carrier> {
    client: PromptCache<Below<S>>,
    call: Arc<Call>,
    course: Course,
    /// Attempts of which the first byte has not come. One that is dropped here is cancelled, and
    /// booked as dropped.
    flying: Vec<Flight<S::Reply>>,
    attempts: u32,
    /// Why the next attempt goes where it goes.
    why: String,
    /// When there must be a first byte, or an error.
    deadline: Instant,
    ashore: Ashore,
}

/// What has come of the attempts that came to nothing.
#[derive(Default)]
pub(super) struct Ashore {
    /// Backends with what came of them, in the order in which they failed.
    pub(super) tried: Vec<String>,
    /// The failure that is the caller's, with whose it was.
    pub(super) telling: Option<(Box<str>, Failure, Box<Said>)>,
    /// What kept the call from being sent.
    pub(super) full: Option<Box<Full>>,
    pub(super) shut: Option<Shut>,
    /// Whether time ran out.
    pub(super) late: bool,
}

/// What happens next.
enum Event<R> {
    Begun(Box<Begun<R>>),
    Lost(Lost),
    Hedge,
    Late,
}

impl<S: Carrier> Drive<S> {
    async fn run(mut self) -> Response<Answer<S::Reply>> {
        loop {
            // Also while others fly: a refusal of the request itself ends them.
            match self.next() {
                Move::Send(pick) => self.launch(pick),
                Move::Wait(pick, at) => {
                    sleep_until(self.instant(at)).await;
                    self.launch(pick);
                }
                Move::Listen if !self.flying.is_empty() => {}
                Move::Listen | Move::GiveUp => return self.give_up(),
            }
            match self.event().await {
                Event::Begun(begun) => return self.pass_on(*begun),
                Event::Lost(lost) => self.lose(lost),
                Event::Hedge => self.hedge(),
                Event::Late => {
                    self.ashore.late = true;
                    return self.give_up();
                }
            }
        }
    }

    fn next(&mut self) -> Move {
        let now = self.call.desk.now();
        let (desk, course) = (&self.call.desk, &mut self.course);
        desk.budget(&self.call.asked.route, |budget| course.next(now, budget))
    }

    /// Sends the call to a second backend beside the silent one.
    fn hedge(&mut self) {
        let now = self.call.desk.now();
        let (desk, course) = (&self.call.desk, &mut self.course);
        let route = &self.call.asked.route;
        if let Some(pick) = desk.budget(route, |budget| course.hedge(now, budget)) {
            self.why = "the first is silent".into();
            self.launch(pick);
        }
    }

    fn launch(&mut self, pick: Pick) {
        self.attempts += 1;
        let now = self.call.desk.now();
        let due = self.instant(self.course.due(now)) + self.call.writing();
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
        let hedge = self.course.hedge_at();
        let hedge = hedge.map(|at| self.instant(at) + self.call.writing());
        let hedge_or_late = hedge.map_or(self.deadline, |at| at.min(self.deadline));
        let mut clock = Box::pin(sleep_until(hedge_or_late));
        poll_fn(|cx| {
            if let Poll::Ready(event) = self.poll_flying(cx) {
                return Poll::Ready(event);
            }
            let is_late = self.deadline <= hedge_or_late;
            clock.as_mut().poll(cx).map(|()| match is_late {
                true => Event::Late,
                false => Event::Hedge,
            })
        })
        .await
    }

    fn poll_flying(&mut self, cx: &mut Context<'_>) -> Poll<Event<S::Reply>> {
        let mut all = self.flying.iter_mut().enumerate();
        let landed = all.find_map(|(at, flight)| match flight.as_mut().poll(cx) {
            Poll::Ready(outcome) => Some((at, outcome)),
            Poll::Pending => None,
        });
        let Some((at, outcome)) = landed else {
            return Poll::Pending;
        };
        drop(self.flying.swap_remove(at));
        Poll::Ready(match outcome {
            Ok(begun) => Event::Begun(Box::new(begun)),
            Err(lost) => Event::Lost(lost),
        })
    }

    /// The moment at which a timer of tokio's rings.
    fn instant(&self, at: Timestamp) -> Instant {
        Instant::now() + at.since(self.call.desk.now())
    }

    fn lose(&mut self, lost: Lost) {
        let Lost {
            pick,
            backend,
            cause,
        } = lost;
        let what = cause.what();
        match cause {
            Cause::Failed(failure, said) => {
                if self.course.failed(self.call.desk.now(), pick, &failure) {
                    self.ashore.telling = Some((backend.clone(), failure, said));
                }
            }
            Cause::Full(full) => {
                self.skip(pick);
                self.ashore.full = Some(full);
            }
            Cause::Shut(shut) => {
                match shut {
                    Shut::Broken(_) => self.skip(pick),
                    Shut::Limited(until) => {
                        self.attempts -= 1;
                        self.course.postponed(pick, until);
                    }
                }
                self.ashore.shut = Some(shut);
            }
            Cause::Unfit(_) => self.skip(pick),
        }
        self.why = format!("{backend}: {what}");
        self.ashore.tried.push(self.why.clone());
    }

    /// Nothing was sent.
    fn skip(&mut self, pick: Pick) {
        self.attempts -= 1;
        self.course.skipped(pick);
    }

    /// The answer has begun: its backend serves the call, and the others are dropped.
    fn pass_on(mut self, begun: Begun<S::Reply>) -> Response<Answer<S::Reply>> {
        self.course.answered(begun.pick);
        let mut response = Response::from_parts(begun.head, Answer::passed(begun.passed));
        let headers = response.headers_mut();
        head::passed_back(headers);
        self.sign(headers, Some(&begun.backend), &begun.why);
        response
    }

    fn give_up(mut self) -> Response<Answer<S::Reply>> {
        self.ashore.late |= Instant::now() >= self.deadline;
        let now = self.call.desk.now();
        let mut response = refuse::lost(&self.call, &self.ashore, now);
        let backend = self.ashore.telling.as_ref().map(|(backend, ..)| &**backend);
        let why = self.ashore.tried.join("; ");
        self.sign(response.headers_mut(), backend, &why);
        response
    }

    /// Says which way an answer came.
    fn sign(&self, headers: &mut HeaderMap, backend: Option<&str>, why: &str) {
        let (route, attempts) = (&self.call.asked.route, self.attempts);
        let backend = backend.map_or_else(String::new, |name| format!(" backend={name};"));
        let why = why.replace(['"', '\\'], "'");
        let text = format!("{route};{backend} attempts={attempts}; why=\"{why}\"");
        if let Some(value) = head::plain(&text) {
            headers.insert(BY_ROUTE, value);
        }
    }
}
