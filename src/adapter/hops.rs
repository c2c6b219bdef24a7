//! Headers that belong to one connection and not to the message (RFC 9110 section 7.6.1).

use http::HeaderMap;
use http::header::{CONNECTION, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};

/// Removed beside those that `Connection` names.
///
/// `Trailer` stays: trailers are passed on, and hyper sends only those that it announces.
const HOPS: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes what concerns only the connection the message came on.
pub(in crate::adapter) fn strip(headers: &mut HeaderMap) {
    // The one thing `TE` may say that holds to the end (RFC 9110 section 10.1.4).
    let trailers = headers.contains_key(TE) && words(headers, &TE).any(|word| word == "trailers");
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = words(headers, &CONNECTION)
            .filter_map(|word| HeaderName::try_from(word).ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOPS {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Whether the caller wants to leave HTTP on this connection.
#[cfg(any(feature = "proxy", test))]
pub(in crate::adapter) fn leaves_http(headers: &HeaderMap) -> bool {
    words(headers, &UPGRADE).any(|word| word.split('/').next() == Some("websocket"))
}

fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> + 'a {
    let values = headers.get_all(name).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|word| word.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_the_connection_goes_and_the_rest_stays() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "Keep-Alive, X-Secret"),
            ("connection", "x-other"),
            ("x-secret", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "keep-alive"),
            ("te", "gzip, Trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("trailer", "x-sum"),
            ("x-kept", "a"),
            ("x-kept", "b"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        strip(&mut headers);
        let left: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let expected = [
            ("trailer", "x-sum"),
            ("x-kept", "a"),
            ("x-kept", "b"),
            ("te", "trailers"),
        ];
        assert_eq!(left.len(), expected.len(), "{left:?}");
        assert!(expected.iter().all(|pair| left.contains(pair)), "{left:?}");
    }

    #[test]
    fn only_websockets_leave_http() {
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, HeaderValue::from_static("h2c"));
        assert!(!leaves_http(&headers));
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        assert!(leaves_http(&headers));
    }
}
