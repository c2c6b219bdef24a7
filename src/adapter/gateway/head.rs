//! What a request's head says of its route, and what of it goes on to a backend.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, HeaderValue,
    SET_COOKIE,
};
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::adapter::caller::{ROUTE, TENANT};
use crate::adapter::handle::{Route, Tenant};
use crate::adapter::hops;
use crate::route::Network;

/// Whether a request is a route's, as far as its head tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever asks must know them all")]
pub enum Claim {
    /// Its path or a header names a route.
    Named,
    /// The model that its body names may be a route's name.
    Perhaps,
    /// It is nobody's here.
    Unclaimed,
}

/// The paths of the dialects, by their ends; base URLs with and without `/v1` both work.
const DIALECTS: [(&str, &str); 3] = [
    ("/chat/completions", "chat"),
    ("/messages", "messages"),
    ("/responses", "responses"),
];

/// What would show a backend who the caller is, or what its connection is like: the gateway answers
/// for the call under credentials of its own.
const KEPT_BACK: [HeaderName; 22] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-goog-user-project"),
    HeaderName::from_static("x-cachewright-token"),
    TENANT,
    ROUTE,
    COOKIE,
    HOST,
    EXPECT,
    CONTENT_LENGTH,
    // Usage cannot be read from a compressed response.
    ACCEPT_ENCODING,
    // The caller's own signatures are void in another envelope.
    HeaderName::from_static("x-amz-content-sha256"),
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("signature"),
    HeaderName::from_static("signature-input"),
];

/// What a head says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The route that it names.
    pub(super) route: Option<Box<str>>,
    /// The dialect of its path.
    pub(super) dialect: Option<&'static str>,
    /// Whether tokens are to be counted, and nothing is to be said.
    pub(super) purpose: Purpose,
}

/// What is asked of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Purpose {
    #[default]
    Answer,
    /// How many tokens a prompt has; costs nothing.
    Count,
}

/// Stands behind the path of a dialect where tokens are to be counted.
pub(super) const COUNTING: &str = "/count_tokens";

impl Address {
    /// Reads a head: the route by its extension, its header, or the first segment of its path.
    pub(super) fn read(network: &Network, parts: &Parts) -> Self {
        let known = |name: &str| network.route(name).is_some().then(|| name.into());
        let path = parts.uri.path();
        let (bare, purpose) = match path.strip_suffix(COUNTING) {
            Some(bare) => (bare, Purpose::Count),
            None => (path, Purpose::Answer),
        };
        let said = match parts.extensions.get::<Route>() {
            Some(Route(name)) => Some(&**name),
            None => parts.headers.get(ROUTE).and_then(|name| name.to_str().ok()),
        };
        let segment = || path.strip_prefix('/')?.split_once('/');
        Self {
            route: said.and_then(known).or_else(|| known(segment()?.0)),
            dialect: dialect(bare),
            purpose,
        }
    }

    /// Whether the request is a route's. Only a path that nobody put anything before can be one of
    /// which the model tells.
    pub(super) fn claim(&self, parts: &Parts) -> Claim {
        let path = parts.uri.path();
        let path = path.strip_suffix(COUNTING).unwrap_or(path);
        let bare = path.strip_prefix("/v1").unwrap_or(path);
        let is_plain = DIALECTS.iter().any(|(end, _)| *end == bare);
        match self.route {
            Some(_) => Claim::Named,
            None if is_plain && parts.method == Method::POST => Claim::Perhaps,
            None => Claim::Unclaimed,
        }
    }
}

fn dialect(path: &str) -> Option<&'static str> {
    let mut all = DIALECTS.iter();
    all.find_map(|(end, name)| path.ends_with(end).then_some(*name))
}

/// Whose call it is; `default` where nobody says.
pub(super) fn tenant(parts: &Parts, default: &str) -> Box<str> {
    if let Some(Tenant(name)) = parts.extensions.get() {
        return name.clone();
    }
    let said = parts
        .headers
        .get(TENANT)
        .and_then(|name| name.to_str().ok());
    said.unwrap_or(default).into()
}

/// The headers that go on to whichever backend.
pub(super) fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    hops::strip(&mut headers);
    for name in &KEPT_BACK {
        headers.remove(name);
    }
    headers
}

/// Makes the headers of a backend's answer the caller's.
pub(super) fn passed_back(headers: &mut HeaderMap) {
    hops::strip(headers);
    headers.remove(SET_COOKIE);
}

/// A value that a header can hold: whatever else it says, it is one line of plain letters.
pub(super) fn plain(text: &str) -> Option<HeaderValue> {
    let plain = |ch: char| match ch {
        ' '..='~' => ch,
        _ => '?',
    };
    HeaderValue::try_from(text.chars().map(plain).collect::<String>()).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn network() -> Network {
        let mut network = Network::default();
        for name in ["contracts", "voice"] {
            let route = crate::route::Route {
                name: name.into(),
                ..crate::route::Route::default()
            };
            network.routes.push(route);
        }
        network
    }

    #[test]
    fn tokens_are_counted_behind_the_path_of_a_dialect() {
        let request = Request::post("/voice/v1/messages/count_tokens");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let address = Address::read(&network(), &parts);
        assert_eq!(
            (address.dialect, address.purpose),
            (Some("messages"), Purpose::Count)
        );
    }

    fn read(uri: &str, header: Option<&str>) -> (Option<String>, Option<&'static str>, Claim) {
        let mut request = Request::post(uri);
        if let Some(name) = header {
            request = request.header("x-cachewright-route", name);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let address = Address::read(&network(), &parts);
        let claim = address.claim(&parts);
        (address.route.map(Into::into), address.dialect, claim)
    }

    #[test]
    fn path_and_header_name_a_route_and_the_paths_end_a_dialect() {
        let named = |route: &str, dialect| (Some(route.into()), dialect, Claim::Named);
        for (uri, header, wanted) in [
            (
                "/contracts/v1/messages",
                None,
                named("contracts", Some("messages")),
            ),
            (
                "/voice/chat/completions",
                None,
                named("voice", Some("chat")),
            ),
            (
                "/v1/responses",
                Some("voice"),
                named("voice", Some("responses")),
            ),
            (
                "/contracts/v1/messages",
                Some("voice"),
                named("voice", Some("messages")),
            ),
            ("/voice/v1/models", None, named("voice", None)),
            (
                "/v1/messages",
                Some("other"),
                (None, Some("messages"), Claim::Perhaps),
            ),
            (
                "https://h/v1/chat/completions",
                None,
                (None, Some("chat"), Claim::Perhaps),
            ),
            (
                "/openrouter/api/v1/chat/completions",
                None,
                (None, Some("chat"), Claim::Unclaimed),
            ),
            ("/v1/models", None, (None, None, Claim::Unclaimed)),
        ] {
            assert_eq!(read(uri, header), wanted, "{uri} {header:?}");
        }
    }

    #[test]
    fn credentials_and_hops_stay_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer k"),
            ("x-api-key", "k"),
            ("cookie", "k"),
            ("host", "gateway"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("content-length", "3"),
            ("anthropic-version", "2023-06-01"),
            ("x-kept", "a"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let passed = passed_on(&headers);
        let mut names: Vec<_> = passed.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["anthropic-version", "x-kept"]);
    }

    #[test]
    fn any_text_can_be_told_in_a_header() {
        assert_eq!(plain("a\nb é \"c\"").unwrap(), "a?b ? \"c\"");
    }
}
