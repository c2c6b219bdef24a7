//! What a caller is told when there is no answer: one clear error, in the dialect it speaks.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use serde_json::json;

use super::body::Answer;
use super::head;
use crate::model::Timestamp;
use crate::route::{Bar, Candidate, Network, Refusal, Route};
use crate::wire::Fault;

/// Says which route an answer came by.
pub(super) const BY_ROUTE: HeaderName = HeaderName::from_static("x-cachewright-route");

/// When there is room again under the cap that refused a call, as RFC 3339.
const RESETS: HeaderName = HeaderName::from_static("x-cachewright-resets");

/// An error of the gateway's own.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) fault: Fault,
    /// When trying again may help.
    pub(super) retry_after: Option<Duration>,
    /// When the cap that refused it is empty again.
    pub(super) resets: Option<Timestamp>,
}

/// An error of this type.
pub(super) fn fault(kind: &str, message: &str) -> Fault {
    Fault::own(kind, kind, message)
}

/// The error's body, as callers of the dialect expect it.
pub(super) fn told(dialect: &str, status: u16, fault: &Fault) -> Bytes {
    if let Some(body) = fault.told(dialect, status, b"") {
        return body;
    }
    let error = json!({"type": &*fault.kind, "code": &*fault.code, "message": &*fault.message});
    json!({"type": "error", "error": error}).to_string().into()
}

/// A response with this error, and nothing of any provider.
pub(super) fn response<R>(dialect: &str, status: StatusCode, body: Bytes) -> Response<Answer<R>> {
    let _ = dialect;
    let mut response = Response::new(Answer::own(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

impl Refused {
    pub(super) fn new(status: StatusCode, kind: &str, message: &str) -> Self {
        Self {
            status,
            fault: fault(kind, &format!("cachewright: {message}")),
            retry_after: None,
            resets: None,
        }
    }

    /// The same, which may pass after this time.
    pub(super) const fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// The same, of a cap that is empty again at this time.
    pub(super) const fn resetting(mut self, at: Timestamp) -> Self {
        self.resets = Some(at);
        self
    }

    /// The response to a caller of this dialect.
    pub(super) fn response<R>(&self, dialect: &str) -> Response<Answer<R>> {
        let body = told(dialect, self.status.as_u16(), &self.fault);
        let mut response = response(dialect, self.status, body);
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            retry_after(headers, wait);
        }
        if let Some(value) = self.resets.and_then(|at| head::plain(&moment(at))) {
            headers.insert(RESETS, value);
        }
        response
    }
}

/// Says when to try again, in whole seconds that are not too few.
pub(super) fn retry_after(headers: &mut HeaderMap, wait: Duration) {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
}

/// A moment as people and programs read it.
pub(super) fn moment(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_microsecond(at.as_micros());
    at.map_or_else(|_| "never".into(), |at| at.to_string())
}

/// Why no offer can serve a call, before anything was sent.
pub(super) fn refused(
    (network, route): (&Network, &Route),
    refusal: &Refusal,
    now: Timestamp,
) -> Refused {
    let what = speaks_against((network, route), &refusal.candidates);
    let bars = || refusal.candidates.iter().filter_map(|one| one.bar.as_ref());
    let soonest = bars().filter_map(|bar| Some((until(bar)?, bar)));
    let soonest = soonest.min_by_key(|(at, _)| *at);
    let message = |why: &str| format!("route {:?}: {why} ({what})", route.name);
    if let Some((at, bar)) = soonest {
        let wait = Some(at.since(now));
        let from = moment(at);
        return match bar {
            Bar::Capped(_) => {
                let why = message(&format!("a cap is reached; it resets at {from}"));
                Refused::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", &why)
                    .after(wait)
                    .resetting(at)
            }
            Bar::RateLimited(_) => {
                let why = message(&format!("no backend has room before {from}"));
                Refused::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", &why).after(wait)
            }
            _ => {
                let why = message(&format!(
                    "every backend fails; they are tried again at {from}"
                ));
                Refused::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded_error", &why).after(wait)
            }
        };
    }
    // Whatever got furthest says what is missing.
    let unable = bars().any(|bar| matches!(bar, Bar::Unable(_) | Bar::Dialect));
    let (status, kind) = match unable {
        true => (StatusCode::BAD_REQUEST, "invalid_request_error"),
        false => (StatusCode::FORBIDDEN, "permission_error"),
    };
    Refused::new(status, kind, &message("no backend may serve this call"))
}

fn until(bar: &Bar) -> Option<Timestamp> {
    match bar {
        Bar::Broken(at) | Bar::RateLimited(at) | Bar::Capped(at) => Some(*at),
        _ => None,
    }
}

/// What speaks against each offer, by the names of the configuration.
fn speaks_against((network, route): (&Network, &Route), candidates: &[Candidate]) -> String {
    let mut text = String::new();
    for candidate in candidates {
        let (Some(bar), Some(offer)) = (&candidate.bar, route.offers.get(candidate.offer)) else {
            continue;
        };
        let name = network
            .backends
            .get(offer.backend)
            .map_or("", |one| &one.name);
        let gap = if text.is_empty() { "" } else { ", " };
        // Writing into a text never fails.
        let _ = write!(text, "{gap}{name}: {bar}");
        if offer.fallback > 0 {
            let _ = write!(text, " for {}", offer.model);
        }
    }
    text
}

/// The status that an error has which came within a stream, by its type or its code.
pub(super) fn status_of(fault: &Fault) -> u16 {
    if let Ok(code @ 400..600) = fault.code.parse() {
        return code;
    }
    let kind = fault.kind.to_ascii_lowercase();
    let code = fault.code.to_ascii_lowercase();
    let says = |part: &str| kind.contains(part) || code.contains(part);
    if says("overloaded") {
        529
    } else if says("rate_limit") || says("throttling") || says("too_many") {
        429
    } else if says("unavailable") {
        503
    } else if says("invalid") || says("validation") {
        400
    } else if says("authentication") {
        401
    } else if says("permission") {
        403
    } else if says("not_found") {
        404
    } else {
        500
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up() {
        let mut headers = HeaderMap::new();
        for (wait, told) in [(0, "1"), (1000, "1"), (1001, "2")] {
            retry_after(&mut headers, Duration::from_millis(wait));
            assert_eq!(headers[RETRY_AFTER], told);
        }
    }

    #[test]
    fn errors_within_streams_have_a_status() {
        for (kind, code, status) in [
            ("overloaded_error", "", 529),
            ("ThrottlingException", "", 429),
            ("", "502", 502),
            ("api_error", "", 500),
            ("invalid_request_error", "context_length_exceeded", 400),
        ] {
            let mut fault = fault(kind, "");
            fault.code = code.into();
            assert_eq!(status_of(&fault), status, "{kind} {code}");
        }
    }
}
