//! AWS Signature Version 4 from the provider's side: recomputed over what arrived
//! (docs.aws.amazon.com, "Create a signed AWS API request", 2026-08).
//!
//! The age of a signature is not checked: the simulator's clock is virtual.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// How the header begins.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

const MISMATCH: &str = "The request signature we calculated does not match the signature you \
                        provided. Check your AWS Secret Access Key and signing method. Consult the \
                        service documentation for details.";

/// What was signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// As received, still percent-encoded.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// The host with its port, which HTTP/2 does not send as a header.
    pub(super) host: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// Why a signature was refused: error type and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) &'static str, pub(super) &'static str);

/// The parts of the header `authorization`.
#[derive(Clone, Copy, Debug)]
struct Authorization<'a> {
    access_key: &'a str,
    /// Date, region, service and `aws4_request`.
    scope: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

/// Whether a request says that it is signed.
pub(super) fn is_signed(headers: &HeaderMap) -> bool {
    authorization(headers).starts_with(ALGORITHM)
}

/// The access key that a request names.
pub(super) fn access_key(headers: &HeaderMap) -> Option<&str> {
    Authorization::parse(authorization(headers)).map(|parts| parts.access_key)
}

/// Compares the signature with the one that `keys` (access key and secret) give.
pub(super) fn verify(request: &Signed<'_>, keys: (&str, &str)) -> Result<(), Refused> {
    let Some(parts) = Authorization::parse(authorization(request.headers)) else {
        return Err(Refused(
            "IncompleteSignatureException",
            "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.",
        ));
    };
    if parts.access_key != keys.0 {
        return Err(Refused(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ));
    }
    let has = |name: &str| parts.signed_headers.split(';').any(|signed| signed == name);
    let token = request.headers.contains_key("x-amz-security-token");
    if !has("host") || (token && !has("x-amz-security-token")) || !is_whole(request) {
        return Err(Refused("InvalidSignatureException", MISMATCH));
    }
    let to_sign = string_to_sign(request, parts);
    if to_sign.is_some_and(|text| signature(keys.1, parts.scope, &text) == parts.signature) {
        Ok(())
    } else {
        Err(Refused("InvalidSignatureException", MISMATCH))
    }
}

fn authorization(headers: &HeaderMap) -> &str {
    headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

impl<'a> Authorization<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let parts = text.strip_prefix(ALGORITHM)?;
        let part = |name: &str| {
            let mut parts = parts
                .split(',')
                .filter_map(|part| part.trim().split_once('='));
            parts.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let (access_key, scope) = part("Credential")?.split_once('/')?;
        Some(Self {
            access_key,
            scope,
            signed_headers: part("SignedHeaders")?,
            signature: part("Signature")?,
        })
    }
}

/// Whether length and hash, where they are stated, are those of the body.
fn is_whole(request: &Signed<'_>) -> bool {
    let stated = |name: &str| request.headers.get(name).map(|value| value.to_str().ok());
    let length = stated("content-length")
        .is_none_or(|text| text.and_then(|text| text.parse().ok()) == Some(request.body.len()));
    let hash = stated("x-amz-content-sha256")
        .is_none_or(|text| text == Some(hex(&Sha256::digest(request.body)).as_str()));
    length && hash
}

fn string_to_sign(request: &Signed<'_>, parts: Authorization<'_>) -> Option<String> {
    let date = request.headers.get("x-amz-date")?.to_str().ok()?;
    let canonical = canonical_request(request, parts.signed_headers)?;
    let hash = hex(&Sha256::digest(canonical.as_bytes()));
    Some(format!("{ALGORITHM}\n{date}\n{}\n{hash}", parts.scope))
}

fn canonical_request(request: &Signed<'_>, signed_headers: &str) -> Option<String> {
    let mut headers = String::new();
    for name in signed_headers.split(';') {
        let _ = writeln!(headers, "{name}:{}", header(request, name)?);
    }
    Some(format!(
        "{}\n{}\n{}\n{headers}\n{signed_headers}\n{}",
        request.method,
        canonical_path(request.path),
        canonical_query(request.query),
        hex(&Sha256::digest(request.body)),
    ))
}

/// All values of one header, blanks folded.
fn header(request: &Signed<'_>, name: &str) -> Option<String> {
    let name = HeaderName::try_from(name).ok()?;
    let values = request.headers.get_all(&name).iter();
    let values: Option<Vec<String>> = values
        .map(|value| {
            let words: Vec<&str> = value.to_str().ok()?.split_ascii_whitespace().collect();
            Some(words.join(" "))
        })
        .collect();
    let values = values?;
    if values.is_empty() {
        return (name == "host").then(|| request.host.into());
    }
    Some(values.join(","))
}

/// Every service but S3 encodes the path once more than it was sent.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let mut canonical = String::new();
    for segment in &segments {
        canonical.push('/');
        canonical.push_str(&encoded(segment.as_bytes()));
    }
    if segments.is_empty() || path.ends_with('/') {
        canonical.push('/');
    }
    canonical
}

fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encoded(&decoded(name)), encoded(&decoded(value)))
        })
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match code {
            Some(code) if *byte == b'%' => {
                bytes.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    bytes
}

/// The signature of `text` by the key derived for this scope.
fn signature(secret: &str, scope: &str, text: &str) -> String {
    let secret = format!("AWS4{secret}");
    let derive = |key: Vec<u8>, part: &str| keyed(&key, part);
    let key = scope.split('/').fold(secret.into_bytes(), derive);
    hex(&keyed(&key, text))
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is taken.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| Vec::new(),
        |mac| mac.chain_update(text).finalize().into_bytes().to_vec(),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const KEYS: (&str, &str) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let value = HeaderValue::from_str(value).expect("a header's value");
            headers.append(*name, value);
        }
        headers
    }

    fn authorized(service: &str, signed: &str, signature: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, \
             SignedHeaders={signed}, Signature={signature}"
        )
    }

    /// The documentation's example of a derived key.
    #[test]
    fn the_key_is_derived_as_documented() {
        let parts = ["20120215", "us-east-1", "iam", "aws4_request"];
        let secret = format!("AWS4{}", KEYS.1).into_bytes();
        let key = parts
            .into_iter()
            .fold(secret, |key, part| keyed(&key, part));
        assert_eq!(
            hex(&key),
            "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"
        );
    }

    /// From AWS's test suite of Signature Version 4: method, path, query, body and signature.
    #[test]
    fn the_published_vectors_hold() {
        for (method, path, query, signature) in [
            (
                "GET",
                "/",
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "GET",
                "//example//..//",
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "POST",
                "/",
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "GET",
                "/",
                "Param2=value2&Param1=value1",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "GET",
                "/",
                "%E1%88%B4=bar",
                "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            ),
        ] {
            let authorization = authorized("service", "host;x-amz-date", signature);
            let headers = headers(&[
                ("host", "example.amazonaws.com"),
                ("x-amz-date", "20150830T123600Z"),
                ("authorization", &authorization),
            ]);
            let mut request = Signed {
                method,
                path,
                query,
                host: "",
                headers: &headers,
                body: b"",
            };
            assert_eq!(verify(&request, KEYS), Ok(()), "{method} {path}?{query}");
            request.body = b" ";
            assert!(verify(&request, KEYS).is_err());
        }
    }

    /// The documentation's `ListUsers` example: a query and a content type.
    #[test]
    fn the_documented_request_holds() {
        let authorization = authorized(
            "iam",
            "content-type;host;x-amz-date",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        );
        let headers = headers(&[
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            ),
            ("x-amz-date", "20150830T123600Z"),
            ("authorization", &authorization),
        ]);
        let request = Signed {
            method: "GET",
            path: "/",
            query: "Action=ListUsers&Version=2010-05-08",
            host: "iam.amazonaws.com",
            headers: &headers,
            body: b"",
        };
        assert_eq!(verify(&request, KEYS), Ok(()));
    }

    fn converse(headers: &HeaderMap) -> Signed<'_> {
        Signed {
            method: "POST",
            path: "/model/us.amazon.nova-lite-v1%3A0/converse",
            query: "",
            host: "",
            headers,
            body: b"{\"messages\":[]}",
        }
    }

    /// Signed by botocore 1.43: the colon of a model's id is encoded twice.
    #[test]
    fn a_path_of_bedrock_is_encoded_twice() {
        let plain = "219de9fdc87b4194f316a0d5a2bf87e7761397067868b784b1df82d6e30fc15c";
        let with_token = "d5e917cc8720c3455adc82b81eff8681973239a6244cb0d932ada9d2bdd07c8c";
        for (signed, signature, token, holds) in [
            ("content-type;host;x-amz-date", plain, None, true),
            (
                "content-type;host;x-amz-date;x-amz-security-token",
                with_token,
                Some("TOKEN+/="),
                true,
            ),
            (
                "content-type;host;x-amz-date;x-amz-security-token",
                with_token,
                Some("TOKEN"),
                false,
            ),
            (
                "content-type;host;x-amz-date",
                plain,
                Some("TOKEN+/="),
                false,
            ),
        ] {
            let authorization = authorized("bedrock", signed, signature);
            let mut pairs = vec![
                ("host", "bedrock-runtime.us-east-1.amazonaws.com"),
                ("content-type", "application/json"),
                ("x-amz-date", "20150830T123600Z"),
                ("content-length", "15"),
                ("authorization", authorization.as_str()),
            ];
            pairs.extend(token.map(|token| ("x-amz-security-token", token)));
            let mut headers = headers(&pairs);
            assert_eq!(
                verify(&converse(&headers), KEYS).is_ok(),
                holds,
                "{signed} {token:?}"
            );
            headers.insert("content-length", HeaderValue::from_static("14"));
            let refused = verify(&converse(&headers), KEYS);
            assert_eq!(refused, Err(Refused("InvalidSignatureException", MISMATCH)));
            let other = verify(&converse(&headers), ("OTHER", KEYS.1));
            assert!(matches!(
                other,
                Err(Refused("UnrecognizedClientException", _))
            ));
        }
    }
}
