//! What a caller is told when there is no answer: one clear error, in the dialect it speaks.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{HeaderMap, Response, StatusCode};
use serde_json::json;

use super::attempt::Said;
use super::body::Answer;
use super::call::Call;
use super::desk::Shut;
use super::drive::Ashore;
use super::head;
use crate::model::Timestamp;
use crate::route::{Bar, Candidate, Failure, FailureKind, Network, Refusal, Route};
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
fn response<R>(status: StatusCode, body: Bytes) -> Response<Answer<R>> {
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
    const fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same, of a cap that is empty again at this time.
    const fn resetting(mut self, at: Timestamp) -> Self {
        self.resets = Some(at);
        self
    }

    /// The response to a caller of this dialect.
    pub(super) fn response<R>(&self, dialect: &str) -> Response<Answer<R>> {
        let body = told(dialect, self.status.as_u16(), &self.fault);
        let mut response = response(self.status, body);
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
        let from = moment(at);
        return match bar {
            Bar::Capped(_) => {
                let why = format!("a cap is reached; it resets at {from}");
                capped(&message(&why), at, now)
            }
            Bar::RateLimited(_) => limited(
                &message(&format!("no backend has room before {from}")),
                at,
                now,
            ),
            _ => {
                let why = format!("every backend fails; they are tried again at {from}");
                broken(&message(&why), at, now)
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

/// There is no route of this name.
pub(super) fn unknown(route: &str) -> Refused {
    let message = format!("there is no route {route:?}");
    Refused::new(StatusCode::NOT_FOUND, "not_found_error", &message)
}

/// What the caller is told once no attempt has served: the most telling answer of a provider in its
/// own words, or what kept the call from being served.
pub(super) fn lost<R>(call: &Call, ashore: &Ashore, now: Timestamp) -> Response<Answer<R>> {
    if let Some((backend, failure, said)) = &ashore.telling
        && let Some(status) = said.status
    {
        return retold(call.dialect, (backend, failure), (status, said));
    }
    let what = ashore.tried.join("; ");
    let message = |why: &str| format!("route {:?}: {why} ({what})", call.asked.route);
    let refused = match (&ashore.telling, &ashore.full, ashore.shut) {
        (Some((_, failure, _)), ..) => {
            let is_late = ashore.late || failure.kind == FailureKind::Silent;
            unanswered(is_late, &message("no backend answered"))
        }
        (None, ..) if ashore.late => unanswered(true, &message("no backend answered in time")),
        (None, Some(full), _) => {
            let at = full.resets;
            let why = message(&format!("{full}; it resets at {}", moment(at)));
            capped(&why, at, now)
        }
        (None, None, Some(Shut::Limited(at))) => {
            let why = message(&format!("no backend has room before {}", moment(at)));
            limited(&why, at, now)
        }
        (None, None, Some(Shut::Broken(at))) => {
            let why = format!(
                "every backend fails; they are tried again at {}",
                moment(at)
            );
            broken(&message(&why), at, now)
        }
        (None, None, None) => {
            let why = message("no backend may serve this call");
            Refused::new(StatusCode::BAD_REQUEST, "invalid_request_error", &why)
        }
    };
    refused.response(call.dialect)
}

/// A provider's own refusal in the caller's dialect.
fn retold<R>(
    dialect: &str,
    (backend, failure): (&str, &Failure),
    (status, said): (StatusCode, &Said),
) -> Response<Answer<R>> {
    if failure.kind == FailureKind::Denied {
        // The credential is the gateway's: a caller that read 401 would look for its own.
        let (code, message) = (status.as_u16(), &said.fault.message);
        let message =
            format!("backend {backend:?} refuses the gateway's credential ({code}: {message})");
        return Refused::new(StatusCode::BAD_GATEWAY, "api_error", &message).response(dialect);
    }
    let body = said.fault.told(dialect, status.as_u16(), &said.body);
    let mut response = response(status, body.unwrap_or_else(|| said.body.clone()));
    let headers = response.headers_mut();
    let own = headers.remove(CONTENT_TYPE);
    *headers = said.headers.clone();
    head::passed_back(headers);
    for name in [CONTENT_LENGTH, CONTENT_ENCODING] {
        headers.remove(name);
    }
    headers.extend(own.map(|kind| (CONTENT_TYPE, kind)));
    if let Some(wait) = failure.retry_after
        && !headers.contains_key(RETRY_AFTER)
    {
        retry_after(headers, wait);
    }
    response
}

fn unanswered(is_late: bool, message: &str) -> Refused {
    match is_late {
        true => Refused::new(StatusCode::GATEWAY_TIMEOUT, "timeout_error", message),
        false => Refused::new(StatusCode::BAD_GATEWAY, "api_error", message),
    }
}

fn capped(message: &str, at: Timestamp, now: Timestamp) -> Refused {
    let refused = Refused::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
    refused.after(at.since(now)).resetting(at)
}

fn limited(message: &str, at: Timestamp, now: Timestamp) -> Refused {
    let refused = Refused::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
    refused.after(at.since(now))
}

fn broken(message: &str, at: Timestamp, now: Timestamp) -> Refused {
    let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded_error", message);
    refused.after(at.since(now))
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
