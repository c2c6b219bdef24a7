//! Errors: read in any provider's shape, told in the caller's dialect.

use std::fmt;

use bytes::Bytes;

use super::enclose::quoted;
use crate::model::Span;
use crate::wire::object::{Object, elements_at};
use crate::wire::scan::{Scanner, span};

/// The longest message that is made of a body in no known shape, or of another error within one.
const MAX_TEXT: usize = 500;

/// What the body of a refused call says, in whichever provider's shape.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The error's type, such as `overloaded_error`.
    pub kind: Box<str>,
    /// Its code within the type.
    pub code: Box<str>,
    /// Its message.
    pub message: Box<str>,
    /// What is told beside it, such as the time from which a cap has room again.
    pub extra: Vec<(Box<str>, Box<str>)>,
}

impl Fault {
    /// A refusal of our own: `kind` is a type as Anthropic names them, such as `rate_limit_error`
    /// (empty for that of the status), `code` what it is within the type.
    #[must_use]
    pub fn own(kind: &str, code: &str, message: &str) -> Self {
        Self {
            kind: kind.into(),
            code: code.into(),
            message: message.into(),
            extra: Vec::new(),
        }
    }

    /// With one more thing told beside it, such as `resets_at` or `route`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.extra.push((name.into(), value.into()));
        self
    }

    /// Reads an error's body; `kind` is what a header said of its type, as `x-amzn-errortype` does.
    ///
    /// Known are the shapes of Anthropic, OpenAI and all who copied it, Amazon, Google, and
    /// OpenRouter. Of any other a text is kept as the message, unless it is a page of HTML.
    #[must_use]
    pub fn read(body: &[u8], kind: Option<&str>) -> Self {
        let kind = kind.map(bare);
        let Some((top, error)) = shape(body) else {
            return Self::own(kind.unwrap_or_default(), "", &plain(body));
        };
        let inner = error.as_ref().unwrap_or(&top);
        let word = |object: &Object, names: &[&str]| {
            let mut words = names.iter().filter_map(|name| word(body, object, name));
            words.find(|word| !word.is_empty()).unwrap_or_default()
        };
        let said = word(inner, &["type", "status", "__type"]);
        let details = inner.inside(body, "details");
        let code = match word(inner, &["code"]) {
            none if none.is_empty() => details.map(|details| word(&details, &["error_code"])),
            code => Some(code),
        };
        let mut message = word(inner, &["message", "Message", "detail"]);
        if message.is_empty() {
            message = word(&top, &["error", "message"]);
        }
        let within = inner.inside(body, "metadata");
        let raw = within.map(|within| word(&within, &["raw"]));
        if let Some(raw) = raw.filter(|raw| !raw.is_empty()) {
            message = format!("{message}: {}", cut(&raw));
        }
        let code = code.filter(|code| !code.is_empty());
        Self {
            kind: kind.unwrap_or_else(|| bare(&said)).into(),
            code: code.unwrap_or_else(|| word(&top, &["code"])).into(),
            message: message.into(),
            extra: Vec::new(),
        }
    }

    /// The error as callers of this dialect expect it, under the status that they see (zero for
    /// none, within a stream); `None` where `body` is in that shape already.
    #[must_use]
    pub fn told(&self, dialect: &str, status: u16, body: &[u8]) -> Option<Bytes> {
        if is_shaped(body, dialect) {
            return None;
        }
        let mut message = self.message.to_string();
        if message.is_empty() {
            message = match status {
                0 => "the provider reported an error".to_owned(),
                status => format!("the provider answered with status {status}"),
            };
        }
        let kind = self.type_of(status);
        let told = match dialect {
            "messages" => self.anthropic(kind, &message),
            _ => self.openai(kind, &message, status),
        };
        Some(told.into())
    }

    /// `{"type":"error","error":{"type","message"}}`; `details` hold the code and what else there is,
    /// as for spend limits (platform.claude.com rate-limits, 2026-08).
    fn anthropic(&self, kind: &str, message: &str) -> String {
        let mut error = vec![("type", quoted(kind)), ("message", quoted(message))];
        let code = Some(("error_code", quoted(&self.code))).filter(|_| !self.code.is_empty());
        let details: Vec<_> = code.into_iter().chain(self.told_beside()).collect();
        if !details.is_empty() {
            error.push(("details", object(&details)));
        }
        object(&[("type", quoted("error")), ("error", object(&error))])
    }

    /// `{"error":{"message","type","param","code"}}` (platform.openai.com/docs/guides/error-codes,
    /// 2026-08), with what else there is.
    fn openai(&self, kind: &str, message: &str, status: u16) -> String {
        let kind = match kind {
            "api_error" | "overloaded_error" | "timeout_error" => "server_error",
            "not_found_error" | "request_too_large" => "invalid_request_error",
            kind => kind,
        };
        let code = match (&*self.code, &*self.kind) {
            ("", "") if status == 429 => quoted("rate_limit_exceeded"),
            ("", "") => "null".to_owned(),
            ("", kind) => quoted(kind),
            (code, _) => quoted(code),
        };
        let mut error = vec![
            ("message", quoted(message)),
            ("type", quoted(kind)),
            ("param", "null".to_owned()),
            ("code", code),
        ];
        error.extend(self.told_beside());
        object(&[("error", object(&error))])
    }

    fn told_beside(&self) -> impl Iterator<Item = (&str, String)> {
        let extra = self.extra.iter();
        extra.map(|(name, value)| (&**name, quoted(value)))
    }

    /// The error's type as Anthropic names it: its own where it is one, that of a word which other
    /// providers have for it, or that of the status (platform.claude.com errors, 2026-08).
    fn type_of(&self, status: u16) -> &'static str {
        let mut types = TYPES.iter();
        if let Some(own) = types.find(|own| **own == &*self.kind) {
            return own;
        }
        let simple = |word: &str| {
            let mut word = word.to_ascii_lowercase();
            word.retain(|letter| letter.is_ascii_alphanumeric());
            word
        };
        let of_word = |word: &str| {
            let word = simple(word);
            let word = word.strip_suffix("exception").unwrap_or(&word);
            let mut known = WORDS.iter();
            let (_, kind) = known.find(|(words, _)| words.contains(&word))?;
            Some(*kind)
        };
        let by_word = of_word(&self.kind).or_else(|| of_word(&self.code));
        by_word.unwrap_or(match status {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            408 | 504 => "timeout_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 | 529 => "overloaded_error",
            400..500 => "invalid_request_error",
            _ => "api_error",
        })
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Messages may repeat what was asked.
        f.debug_struct("Fault")
            .field("kind", &self.kind)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

const TYPES: [&str; 11] = [
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "conflict_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
];

/// Words for a kind of error, letters and digits alone, without `exception` at the end: Amazon's,
/// Google's, OpenAI's (docs.aws.amazon.com/bedrock/latest/APIReference CommonErrors and
/// API_runtime_InvokeModel, google.rpc.Code, platform.openai.com/docs/guides/error-codes, 2026-08).
const WORDS: [(&[&str], &str); 7] = [
    (
        &[
            "throttling",
            "toomanyrequests",
            "servicequotaexceeded",
            "resourceexhausted",
            "ratelimitexceeded",
            "insufficientquota",
        ],
        "rate_limit_error",
    ),
    (
        &[
            "accessdenied",
            "permissiondenied",
            "forbidden",
            "optinrequired",
        ],
        "permission_error",
    ),
    (
        &[
            "unauthenticated",
            "expiredtoken",
            "unrecognizedclient",
            "invalidclienttokenid",
            "incompletesignature",
            "invalidsignature",
            "missingauthenticationtoken",
            "invalidapikey",
        ],
        "authentication_error",
    ),
    (
        &[
            "validation",
            "invalidargument",
            "failedprecondition",
            "outofrange",
        ],
        "invalid_request_error",
    ),
    (
        &["resourcenotfound", "notfound", "modelnotfound"],
        "not_found_error",
    ),
    (
        &[
            "serviceunavailable",
            "unavailable",
            "overloaded",
            "modelnotready",
            "slowdown",
        ],
        "overloaded_error",
    ),
    (&["modeltimeout", "deadlineexceeded"], "timeout_error"),
];

/// An object of members whose values are JSON already.
fn object(members: &[(&str, String)]) -> String {
    let members = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", quoted(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// `x-amzn-errortype` has a namespace before the type and an address behind it.
fn bare(kind: &str) -> &str {
    let kind = kind.rsplit('#').next().unwrap_or(kind);
    kind.split(':').next().unwrap_or(kind).trim()
}

/// The body's object, or the first of an array of them, and the object in it that is the error.
fn shape(body: &[u8]) -> Option<(Object, Option<Object>)> {
    u32::try_from(body.len()).ok()?;
    let mut scan = Scanner::new(body);
    scan.peek();
    let whole = span(scan.position(), body.len());
    let top: Span = match body.get(scan.position()) {
        Some(b'[') => *elements_at(body, whole).first()?,
        _ => whole,
    };
    let top = Object::at(body, top)?;
    let error = top.inside(body, "error");
    Some((top, error))
}

/// A member that is a string, or a number as it is spelled.
fn word(body: &[u8], object: &Object, name: &str) -> Option<String> {
    let literal = object.value(body, name)?;
    let is_number = literal.first().is_some_and(u8::is_ascii_digit);
    match object.text(body, name) {
        None if is_number => Some(String::from_utf8_lossy(literal).into_owned()),
        text => text,
    }
}

/// Whether an error has the shape of the dialect.
fn is_shaped(body: &[u8], dialect: &str) -> bool {
    let Some((top, Some(error))) = shape(body) else {
        return false;
    };
    let has = |object: &Object, name: &str| object.text(body, name).is_some();
    let told = body.trim_ascii_start().starts_with(b"{") && has(&error, "message");
    if dialect == "messages" {
        let is_error = top.text(body, "type").as_deref() == Some("error");
        return told && is_error && has(&error, "type");
    }
    let code = error.value(body, "code");
    let is_code = code.is_none_or(|code| code.starts_with(b"\""));
    told && has(&error, "type") && is_code && !has(&top, "type")
}

/// A body in no known shape, as a message.
fn plain(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    if text.starts_with('<') {
        return String::new();
    }
    cut(text).to_owned()
}

fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_TEXT);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, kind: Option<&str>) -> [String; 3] {
        let fault = Fault::read(body.as_bytes(), kind);
        [fault.kind, fault.code, fault.message].map(String::from)
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn every_providers_shape_is_read() {
        for (body, header, [kind, code, message]) in [
            // Anthropic, a spend limit among them.
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#,
                None,
                ["overloaded_error", "", "Overloaded"],
            ),
            (
                r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
                None,
                ["rate_limit_error", "enforced_spend_limit_reached", "m"],
            ),
            // OpenAI, Azure, Vercel, Groq.
            (
                r#"{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
                None,
                ["insufficient_quota", "insufficient_quota", "m"],
            ),
            (
                r#"{"error":{"code":"DeploymentNotFound","message":"m"}}"#,
                None,
                ["", "DeploymentNotFound", "m"],
            ),
            (
                r#"{"error":{"message":"m","type":"rate_limit_exceeded","param":{"ruleId":"x"}},"generationId":"g"}"#,
                None,
                ["rate_limit_exceeded", "", "m"],
            ),
            // Amazon.
            (
                r#"{"message":"Too many tokens"}"#,
                Some("ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/"),
                ["ThrottlingException", "", "Too many tokens"],
            ),
            (
                r#"{"Message":"m"}"#,
                Some("com.amazon.coral.service#AccessDeniedException"),
                ["AccessDeniedException", "", "m"],
            ),
            (
                r#"{"__type":"com.amazon#ValidationException","message":"m"}"#,
                None,
                ["ValidationException", "", "m"],
            ),
            // Google, alone and in an array.
            (
                r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"x"}]}}"#,
                None,
                ["RESOURCE_EXHAUSTED", "429", "m"],
            ),
            (
                r#" [{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}] "#,
                None,
                ["INVALID_ARGUMENT", "400", "m"],
            ),
            // OpenRouter, xAI, Mistral.
            (
                r#"{"error":{"code":429,"message":"Provider returned error","metadata":{"raw":"slow \"down\"","provider_name":"p"}}}"#,
                None,
                ["", "429", "Provider returned error: slow \"down\""],
            ),
            (
                r#"{"code":"invalid-argument","error":"m"}"#,
                None,
                ["", "invalid-argument", "m"],
            ),
            (
                r#"{"object":"error","message":"m","type":"invalid_request","param":null,"code":"1500"}"#,
                None,
                ["invalid_request", "1500", "m"],
            ),
            (r#"{"detail":"m"}"#, None, ["", "", "m"]),
            // What is no JSON, or none that says anything.
            (
                "upstream connect error",
                Some("X"),
                ["X", "", "upstream connect error"],
            ),
            ("<html><h1>502</h1>", None, ["", "", ""]),
            ("[]", None, ["", "", "[]"]),
            ("{}", None, ["", "", ""]),
            ("", None, ["", "", ""]),
        ] {
            assert_eq!(read(body, header), [kind, code, message], "{body}");
        }
        assert_eq!(read(&"x".repeat(1000), None)[2].len(), MAX_TEXT);
        assert_eq!(Fault::read(b"\xff\xfe", None), Fault::default());
    }

    fn told(fault: &Fault, dialect: &str, status: u16) -> String {
        let told = fault.told(dialect, status, b"").expect("told");
        String::from_utf8(told.to_vec()).expect("UTF-8")
    }

    #[test]
    fn errors_are_told_in_the_dialect_of_the_caller() {
        let throttled = Fault::read(
            br#"{"message":"a \"b\""}"#,
            Some("ThrottlingException:http://x/"),
        );
        assert_eq!(
            told(&throttled, "messages", 429),
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"a \"b\""}}"#
        );
        assert_eq!(
            told(&throttled, "chat", 429),
            r#"{"error":{"message":"a \"b\"","type":"rate_limit_error","param":null,"code":"ThrottlingException"}}"#
        );
        let empty = Fault::default();
        for (status, anthropic, openai) in [
            (400, "invalid_request_error", "invalid_request_error"),
            (401, "authentication_error", "authentication_error"),
            (402, "billing_error", "billing_error"),
            (403, "permission_error", "permission_error"),
            (404, "not_found_error", "invalid_request_error"),
            (408, "timeout_error", "server_error"),
            (413, "request_too_large", "invalid_request_error"),
            (422, "invalid_request_error", "invalid_request_error"),
            (429, "rate_limit_error", "rate_limit_error"),
            (500, "api_error", "server_error"),
            (502, "api_error", "server_error"),
            (503, "overloaded_error", "server_error"),
            (504, "timeout_error", "server_error"),
            (529, "overloaded_error", "server_error"),
        ] {
            let message = format!("the provider answered with status {status}");
            let told = |dialect| told(&empty, dialect, status);
            assert!(
                told("messages").contains(&format!(
                    r#"{{"type":"{anthropic}","message":"{message}"}}"#
                )),
                "{status}"
            );
            assert!(
                told("responses").contains(&format!(r#""type":"{openai}""#)),
                "{status}"
            );
        }
        // A word within a stream, where there is no status.
        for (word, kind) in [
            ("throttlingException", "rate_limit_error"),
            ("serviceUnavailableException", "overloaded_error"),
            ("modelStreamErrorException", "api_error"),
            ("ValidationException", "invalid_request_error"),
            ("ExpiredTokenException", "authentication_error"),
            ("RESOURCE_EXHAUSTED", "rate_limit_error"),
        ] {
            assert_eq!(Fault::own(word, "", "").type_of(0), kind, "{word}");
        }
    }

    #[test]
    fn an_error_in_the_callers_shape_stays_as_it_is() {
        let anthropic =
            r#"{"type":"error","error":{"type":"api_error","message":"m"},"request_id":null}"#;
        let openai = r#"{"error":{"message":"m","type":"server_error","param":null,"code":null}}"#;
        let groq =
            r#"{"error":{"message":"m","type":"invalid_request_error","code":"tool_use_failed"}}"#;
        for (body, messages, chat) in [
            (anthropic, true, false),
            (openai, false, true),
            (groq, false, true),
            (
                r#"{"error":{"code":429,"message":"m","metadata":{}}}"#,
                false,
                false,
            ),
            (r#"{"error":{"code":"x","message":"m"}}"#, false, false),
            (r#"{"type":"error","error":"m"}"#, false, false),
            (r#"{"message":"m"}"#, false, false),
            (&format!("[{openai}]"), false, false),
            ("", false, false),
        ] {
            let fault = Fault::read(body.as_bytes(), None);
            let kept = |dialect| fault.told(dialect, 400, body.as_bytes()).is_none();
            assert_eq!(
                (kept("messages"), kept("chat"), kept("responses")),
                (messages, chat, chat),
                "{body}"
            );
            // What is told is in shape.
            for dialect in ["messages", "chat"] {
                let told = fault.told(dialect, 400, body.as_bytes());
                let again = told.map(|told| Fault::read(&told, None).told(dialect, 400, &told));
                assert!(again.is_none_or(|again| again.is_none()), "{body}");
            }
        }
    }

    #[test]
    fn our_own_refusals_say_when_and_where() {
        let full = Fault::own("rate_limit_error", "cap_exceeded", "The cap is full.")
            .with("resets_at", "2026-12-01T00:00:00Z")
            .with("route", "voice");
        assert_eq!(
            told(&full, "messages", 429),
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"The cap is full.","details":{"error_code":"cap_exceeded","resets_at":"2026-12-01T00:00:00Z","route":"voice"}}}"#
        );
        assert_eq!(
            told(&full, "chat", 429),
            r#"{"error":{"message":"The cap is full.","type":"rate_limit_error","param":null,"code":"cap_exceeded","resets_at":"2026-12-01T00:00:00Z","route":"voice"}}"#
        );
        assert!(!format!("{full:?}").contains("full"));
    }
}
