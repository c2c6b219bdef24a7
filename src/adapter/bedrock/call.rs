//! One call of an operation: its attempts, its answer, and one exchange over all of them.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use http::header::{CONTENT_LENGTH, HeaderName};

use super::body::Watched;
use super::translated;
use crate::adapter::handle::Rewrite;
use crate::adapter::running::Running;
use crate::engine::{End, Order};

/// What every retry strategy takes for a passing failure.
const PASSING: u16 = 503;

/// Read by the SDK's own classifier, in milliseconds: there is nothing to wait for.
const RETRY_AFTER: &str = "x-amz-retry-after";

/// A call under way, kept in its configuration bag and by the bodies of its answers. When the last
/// of them is gone (the caller dropped the future or the stream), so is the exchange.
#[derive(Clone)]
pub(super) struct Call(Arc<Mutex<State>>);

struct State {
    running: Running,
    /// What is sent in place of the caller's own request; `None` where that is sent.
    rewrite: Option<Rewrite>,
    /// The attempt that was sent last, and the one whose answer is being watched.
    sent: u32,
    answered: u32,
    /// The attempt whose answer may refuse what was added.
    refused: Option<u32>,
    disguised: Option<Disguise>,
    /// How the watched body ended, while the call may still go on.
    ended: Option<End>,
    executed: bool,
}

/// What an answer looked like before it was made to be retried.
struct Disguise {
    status: StatusCode,
    hurried: bool,
}

impl Storable for Call {
    type Storer = StoreReplace<Self>;
}

impl Call {
    /// `None` when there is no exchange to account for.
    pub(super) fn begun(mut rewrite: Rewrite) -> Option<Self> {
        let running = rewrite.running.take()?;
        let changes = rewrite.body.is_some() || !rewrite.headers.is_empty();
        Some(Self(Arc::new(Mutex::new(State {
            running,
            rewrite: changes.then_some(rewrite),
            sent: 0,
            answered: 0,
            refused: None,
            disguised: None,
            ended: None,
            executed: false,
        }))))
    }

    /// An attempt is about to be signed: each begins with the caller's own request anew.
    pub(super) fn sent(&self, attempt: u32, request: &mut HttpRequest) {
        let mut state = self.state();
        if state.sent == attempt {
            // The interceptor is registered twice.
            return;
        }
        state.sent = attempt;
        state.disguised = None;
        state.ended = None;
        if let Some(rewrite) = &state.rewrite {
            replace(request, rewrite);
        }
    }

    /// An answer has arrived: its body is watched from now on.
    pub(super) fn answered(&self, response: &mut HttpResponse) {
        let mut state = self.state();
        if state.answered == state.sent {
            return;
        }
        state.answered = state.sent;
        let attempt = state.sent;
        let Ok(status) = http::StatusCode::from_u16(response.status().as_u16()) else {
            return;
        };
        let headers = translated(response.headers());
        let order = state.running.on_response(status, &headers);
        state.refused = (order == Order::Resend).then_some(attempt);
        drop(state);
        let body = mem::replace(response.body_mut(), SdkBody::taken());
        let watched = Watched::new(body, self.clone(), attempt);
        *response.body_mut() = SdkBody::from_body_1_x(watched);
    }

    /// An attempt is over: has the caller's own request sent where ours may have been refused.
    pub(super) fn ask_again(&self, response: &mut HttpResponse) {
        let mut state = self.state();
        if state.refused != Some(state.sent) || state.rewrite.take().is_none() {
            return;
        }
        let Ok(passing) = StatusCode::try_from(PASSING) else {
            return;
        };
        let headers = response.headers_mut();
        let hurried = !headers.contains_key(RETRY_AFTER);
        if hurried {
            headers.insert(RETRY_AFTER, "0");
        }
        let status = mem::replace(response.status_mut(), passing);
        state.disguised = Some(Disguise { status, hurried });
    }

    /// The call is over: an answer that was not followed by another attempt is itself again.
    pub(super) fn give_up(&self, response: &mut HttpResponse) {
        if let Some(disguise) = self.state().disguised.take() {
            *response.status_mut() = disguise.status;
            if disguise.hurried {
                response.headers_mut().remove(RETRY_AFTER);
            }
        }
    }

    /// The call has returned: without an answer, or with one whose body may still be under way.
    pub(super) fn executed(&self, failure: Option<End>) {
        let mut state = self.state();
        state.executed = true;
        if let Some(end) = state.ended.or(failure) {
            state.running.finish(end);
        }
    }

    /// A chunk of the body that answered this attempt.
    pub(super) fn on_bytes(&self, attempt: u32, chunk: &[u8]) {
        let mut state = self.state();
        if state.sent == attempt {
            state.running.on_bytes(chunk);
        }
    }

    /// The end of the body that answered this attempt; the attempt may be followed by another.
    pub(super) fn on_end(&self, attempt: u32, end: End) {
        let mut state = self.state();
        if state.sent != attempt || state.ended.is_some() {
            return;
        }
        state.ended = Some(end);
        if state.executed {
            state.running.finish(end);
        }
    }

    /// A panic on our side leaves facts that are true one by one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts body and headers in, and the body's length: a stale one would cut the body.
fn replace(request: &mut HttpRequest, rewrite: &Rewrite) {
    let headers = request.headers_mut();
    for (name, value) in &rewrite.headers {
        let is_name = HeaderName::try_from(&**name).is_ok();
        if is_name && !headers.contains_key(&**name) {
            // What is no header's value is left out.
            let _ = headers.try_insert(String::from(&**name), String::from(&**value));
        }
    }
    if let Some(body) = &rewrite.body {
        if headers.contains_key(CONTENT_LENGTH.as_str()) {
            headers.insert(CONTENT_LENGTH.as_str(), body.len().to_string());
        }
        // Plain bytes: the SDK hashes them for the signature.
        *request.body_mut() = SdkBody::from(body.clone());
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}
