//! What a caller is told when there is no answer: one clear error, in the dialect it speaks.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{HeaderMap, Response, StatusCode};
use serde_json::json;

use super::body::Answer;
use super::call::Call;
use super::drive::Ashore;
use super::head;
use super::lost::Said;
use super::trial::Shut;
use crate::model::Timestamp;
use crate::route::{Bar, Candidate, Failure, FailureKind, Full, Network, Refusal, Route};
use crate::wire::Fault;

/// Says which route an answer came by.
pub(super) const BY_ROUTE: HeaderName = HeaderName::from_static("x-cachewright-route");

/// When there is room again under the cap that refused a call, as RFC 3339.
const RESETS: HeaderName = HeaderName::from_static("x-cachewright-resets");

/// Asks the clients of Anthropic and OpenAI not to try again by themselves.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// An error of the gateway's own.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) fault: Fault,
    /// When trying again may help.
    pub(super) retry_after: Option<Duration>,
    /// When the cap that refused it is empty again.
    pub(super) resets: Option<Timestamp>,
    /// Whether clients that try such answers again by themselves are asked not to.
    pub(super) is_final: bool,
}

/// An error of this type.
pub(super) fn fault(kind: &str, message: &str) -> Fault {
    Fault::own(kind, "", message)
}

/// Types and codes of the gateway's own errors.
type Kind = (&'static str, &'static str);
const INVALID: Kind = ("invalid_request_error", "not_served");
const CAPPED: Kind = ("rate_limit_error", "cap_reached");
const TOO_MUCH: Kind = ("rate_limit_error", "beyond_cap");
const LIMITED: Kind = ("rate_limit_error", "rate_limited");
const BROKEN: Kind = ("overloaded_error", "backends_failing");
const LATE: Kind = ("timeout_error", "no_answer_in_time");
const SILENT: Kind = ("api_error", "no_answer");
const NO_ROUTE: Kind = ("not_found_error", "no_route");

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
    pub(super) fn new(status: StatusCode, (kind, code): Kind, message: &str) -> Self {
        Self {
            status,
            fault: Fault::own(kind, code, &format!("cachewright: {message}")),
            retry_after: None,
            resets: None,
            is_final: false,
        }
    }

    /// The same, which may pass after this time.
    const fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same, of a cap that is empty again at this time.
    fn resetting(mut self, at: Timestamp) -> Self {
        self.resets = Some(at);
        self.fault = self.fault.with("resets_at", &moment(at));
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
        if self.is_final {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
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
    (refusal, full): (&Refusal, Option<&Full>),
    now: Timestamp,
) -> Refused {
    let what = speaks_against((network, route), &refusal.candidates);
    let bars = || refusal.candidates.iter().filter_map(|one| one.bar.as_ref());
    let soonest = bars().filter_map(|bar| Some((bar.until()?, bar)));
    let soonest = soonest.min_by_key(|(at, _)| *at);
    let message = |why: &str| format!("route {:?}: {why} ({what})", route.name);
    if let Some((at, bar)) = soonest {
        let from = moment(at);
        if matches!(bar, Bar::Capped(_)) {
            let cap = full.map_or_else(|| "a cap is reached".into(), Full::to_string);
            let why = format!("{cap}; it resets at {from}");
            return capped(&message(&why), at, now);
        }
        if matches!(bar, Bar::RateLimited(_)) {
            let why = format!("no backend has room before {from}");
            return limited(&message(&why), at, now);
        }
        let why = format!("every backend fails; they are tried again at {from}");
        return broken(&message(&why), at, now);
    }
    // Whatever got furthest says what is missing.
    let has = |wanted: fn(&Bar) -> bool| bars().any(wanted);
    if has(|bar| matches!(bar, Bar::Beyond)) {
        let cap = full.map_or_else(String::new, |full| format!(": {full}"));
        let why = format!("the call may cost more than a cap allows altogether{cap}");
        let refused = Refused::new(StatusCode::TOO_MANY_REQUESTS, TOO_MUCH, &message(&why));
        return Refused {
            is_final: true,
            ..refused
        };
    }
    let why = message("no backend may serve this call");
    if has(|bar| matches!(bar, Bar::Unable(_) | Bar::Dialect)) {
        return Refused::new(StatusCode::BAD_REQUEST, INVALID, &why);
    }
    Refused::new(
        StatusCode::FORBIDDEN,
        ("permission_error", "not_permitted"),
        &why,
    )
}

/// What no route takes.
pub(super) fn elsewhere(message: &str) -> Refused {
    Refused::new(StatusCode::NOT_FOUND, NO_ROUTE, message)
}

/// The request itself cannot be sent on.
pub(super) fn unsendable(status: StatusCode, message: &str) -> Refused {
    Refused::new(status, ("invalid_request_error", "request_failed"), message)
}

/// There is no route of this name.
pub(super) fn unknown(route: &str) -> Refused {
    let message = format!("there is no route {route:?}");
    Refused::new(StatusCode::NOT_FOUND, NO_ROUTE, &message)
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
        _ if ashore.late => late(&message("no backend answered in time")),
        (Some((backend, failure, said)), ..) if failure.kind == FailureKind::Denied => {
            // There is no credential to show, and the text says how to get one.
            let why = format!("backend {backend:?}: {}", said.fault.message);
            no_answer(&message(&why))
        }
        (Some((_, failure, _)), ..) => {
            let why = message("no backend answered");
            match failure.kind == FailureKind::Silent {
                true => late(&why),
                false => no_answer(&why),
            }
        }
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
            Refused::new(StatusCode::BAD_REQUEST, INVALID, &why)
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
        let kind = ("api_error", "backend_denied");
        return Refused::new(StatusCode::BAD_GATEWAY, kind, &message).response(dialect);
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

/// Time ran out.
fn late(message: &str) -> Refused {
    Refused::new(StatusCode::GATEWAY_TIMEOUT, LATE, message)
}

/// There were answers, and none that says anything.
fn no_answer(message: &str) -> Refused {
    Refused::new(StatusCode::BAD_GATEWAY, SILENT, message)
}

fn capped(message: &str, at: Timestamp, now: Timestamp) -> Refused {
    let refused = Refused::new(StatusCode::TOO_MANY_REQUESTS, CAPPED, message);
    refused.after(at.since(now)).resetting(at)
}

fn limited(message: &str, at: Timestamp, now: Timestamp) -> Refused {
    let refused = Refused::new(StatusCode::TOO_MANY_REQUESTS, LIMITED, message);
    refused.after(at.since(now))
}

fn broken(message: &str, at: Timestamp, now: Timestamp) -> Refused {
    let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE, BROKEN, message);
    refused.after(at.since(now))
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
