//! The neutral format: one timed request per line.
//!
//! `{"t": seconds, "end": seconds?, "session": id?, "tenant": id?, "route": name?,
//! "provider": "anthropic", "dialect": name?, "model": name?, "request": body,
//! "usage": recorded usage?, "first_byte": seconds?}`. The body is taken byte for byte; `model` is
//! needed only where the path named it and the body does not. Other members are ignored, so an
//! emitted file can be read back.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Timed, input};
use crate::model::{Timestamp, Usage};

/// How long a response takes where that was not recorded.
pub(super) const RESPONSE: Duration = Duration::from_secs(2);
/// When a response begins where that was not recorded, unless it ended before.
pub(super) const FIRST_BYTE: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Line<'a> {
    end: Option<f64>,
    first_byte: Option<f64>,
    #[serde(borrow)]
    session: Option<Cow<'a, str>>,
    #[serde(borrow)]
    agent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tenant: Option<Cow<'a, str>>,
    #[serde(borrow)]
    route: Option<Cow<'a, str>>,
    #[serde(borrow)]
    dialect: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    provider: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "body")]
    request: &'a RawValue,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Start<'a> {
    t: Option<f64>,
    #[serde(borrow, alias = "body")]
    request: &'a RawValue,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
}

/// Usage as Anthropic's API reports it (platform.claude.com, Messages, 2026-08).
#[derive(Deserialize)]
struct Reported {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<Classes>,
    output_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Classes {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_30m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

/// When a line's request was sent, if it says so.
pub(super) fn start(line: &[u8]) -> Result<Option<Timestamp>, String> {
    let line: Start<'_> = serde_json::from_slice(line).map_err(|error| input::fault(&error))?;
    if !line.request.get().starts_with('{') {
        return Err("`request` is not a JSON object".to_owned());
    }
    Ok(line.t.map(Timestamp::from_secs_f64))
}

/// Reads a line whose request was sent at `at`.
pub(super) fn timed(line: &[u8], at: Timestamp) -> Result<Timed, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| input::fault(&error))?;
    let model = serde_json::from_str::<Body<'_>>(line.request.get())
        .ok()
        .and_then(|body| body.model);
    let end = line
        .end
        .map_or_else(|| at.plus(RESPONSE), Timestamp::from_secs_f64)
        .max(at);
    let first = line
        .first_byte
        .map_or_else(|| at.plus(FIRST_BYTE), Timestamp::from_secs_f64);
    let usage = line.usage.and_then(|usage| reported(usage.get()));
    let named = line.model.filter(|_| model.is_none()).map(Arc::from);
    Ok(Timed {
        at,
        end,
        first_byte: first.clamp(at, end),
        session: Arc::from(line.session.unwrap_or_default()),
        lane: line.agent.map(Arc::from),
        tenant: line.tenant.map(Arc::from),
        route: line.route.map(Arc::from),
        dialect: line.dialect.map(Arc::from),
        provider: Arc::from(line.provider.unwrap_or(Cow::Borrowed("anthropic"))),
        model: named
            .clone()
            .unwrap_or_else(|| Arc::from(model.unwrap_or_default())),
        named,
        body: Bytes::copy_from_slice(line.request.get().as_bytes()),
        trace: None,
        usage,
        output: usage.and_then(|usage| usage.output),
    })
}

/// Recorded usage: the provider's own object, or the list of a session file.
fn reported(usage: &str) -> Option<Usage> {
    if usage.starts_with('[') {
        return list(&serde_json::from_str::<Vec<u64>>(usage).ok()?);
    }
    let said: Reported = serde_json::from_str(usage).ok()?;
    let [write_5m, write_30m, write_1h] = match said.cache_creation {
        Some(classes) => [
            classes.ephemeral_5m_input_tokens,
            classes.ephemeral_30m_input_tokens,
            classes.ephemeral_1h_input_tokens,
        ],
        None => [said.cache_creation_input_tokens, None, None],
    };
    Some(Usage {
        plain: said.input_tokens,
        read: said.cache_read_input_tokens,
        write_5m,
        write_30m,
        write_1h,
        output: said.output_tokens,
        cost: None,
    })
}

/// Usage as session files list it: plain, written for 5 minutes, written for 1 hour, read, output.
pub(super) fn list(usage: &[u64]) -> Option<Usage> {
    let [plain, write_5m, write_1h, read, output] = *usage.first_chunk::<5>()?;
    Some(Usage::reported(plain, read, write_5m, write_1h, output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_body_byte_for_byte() {
        let line = br#"{"t":10.5,"session":"s","request":{"model" : "claude-x", "messages":[ ]},"usage":{"input_tokens":3,"cache_creation_input_tokens":7}}"#;
        let at = start(line).unwrap().unwrap();
        let timed = timed(line, at).unwrap();
        assert_eq!(timed.body, r#"{"model" : "claude-x", "messages":[ ]}"#);
        assert_eq!(&*timed.model, "claude-x");
        assert_eq!((timed.named, timed.route), (None, None));
        assert_eq!(timed.at, Timestamp::from_micros(10_500_000));
        assert_eq!(timed.end, Timestamp::from_micros(12_500_000));
        assert_eq!(timed.first_byte, Timestamp::from_micros(11_500_000));
        let usage = timed.usage.unwrap();
        assert_eq!(
            (usage.plain, usage.write_5m, usage.read),
            (Some(3), Some(7), None)
        );
    }

    #[test]
    fn what_stands_outside_the_body_is_read_from_beside_it() {
        let line = br#"{"t":1,"route":"support","provider":"google","dialect":"generate","model":"gemini-x","request":{}}"#;
        let timed = timed(line, Timestamp::from_secs_f64(1.0)).unwrap();
        assert_eq!(timed.route.as_deref(), Some("support"));
        assert_eq!(timed.dialect.as_deref(), Some("generate"));
        assert_eq!(timed.named.as_deref(), Some("gemini-x"));
        assert_eq!(&*timed.model, "gemini-x");
        let line = br#"{"t":1,"model":"other","request":{"model":"gpt-x"}}"#;
        let timed = super::timed(line, Timestamp::from_secs_f64(1.0)).unwrap();
        assert_eq!((&*timed.model, timed.named), ("gpt-x", None));
    }

    #[test]
    fn the_first_byte_never_comes_after_the_end() {
        let line = br#"{"t":1,"end":1.25,"body":{}}"#;
        let timed = timed(line, Timestamp::from_secs_f64(1.0)).unwrap();
        assert_eq!(timed.first_byte, timed.end);
    }

    #[test]
    fn an_error_never_quotes_the_line() {
        let what = start(br#"{"t":"secret words","request":{}}"#).unwrap_err();
        assert!(!what.contains("secret"), "{what}");
    }
}
