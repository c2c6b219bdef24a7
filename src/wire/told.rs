//! What providers say themselves of why a prefix was not read.

use serde::Deserialize;
use serde_json::value::RawValue;

/// What a provider says of the cache, compared with an earlier response that it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostics {
    /// Why less was read than could have been, in the provider's own word; `None` where it names
    /// nothing.
    pub reason: Option<Box<str>>,
    /// Input tokens that were not read for it.
    pub missed: Option<u64>,
}

/// Anthropic's form: null while nobody asked, or while there is no word yet.
#[derive(Debug, Deserialize)]
struct Asked {
    cache_miss_reason: Option<Reason>,
}

#[derive(Debug, Deserialize)]
struct Reason {
    #[serde(rename = "type")]
    kind: Option<Box<str>>,
    cache_missed_input_tokens: Option<u64>,
}

/// OpenAI's form.
#[derive(Debug, Deserialize)]
struct Compared {
    #[serde(rename = "type")]
    kind: Box<str>,
    reason: Option<Box<str>>,
    cache_missed_tokens: Option<u64>,
}

/// Reads `diagnostics` of Messages (platform.claude.com cache-diagnostics, 2026-09-23). What has an
/// unexpected form counts as absent.
pub(super) fn asked(raw: &RawValue) -> Option<Diagnostics> {
    let asked: Asked = serde_json::from_str(raw.get()).ok()?;
    Some(match asked.cache_miss_reason {
        None => Diagnostics::default(),
        Some(reason) => Diagnostics {
            reason: reason.kind,
            missed: reason.cache_missed_input_tokens,
        },
    })
}

/// Reads `prompt_cache_diagnostics` of OpenAI (prompt-caching/diagnostics, 2026-10-01).
pub(super) fn compared(raw: &RawValue) -> Option<Diagnostics> {
    let compared: Compared = serde_json::from_str(raw.get()).ok()?;
    let reason = match &*compared.kind {
        "cache_hit" => None,
        "cache_miss" => compared.reason,
        _ => Some(compared.kind),
    };
    Some(Diagnostics {
        reason,
        missed: compared.cache_missed_tokens,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        read: fn(&RawValue) -> Option<Diagnostics>,
        json: &str,
    ) -> Option<(Option<String>, Option<u64>)> {
        let raw = RawValue::from_string(json.to_owned()).expect("valid JSON");
        read(&raw).map(|said| (said.reason.map(String::from), said.missed))
    }

    #[test]
    fn both_forms_are_read_and_others_are_not_guessed() {
        let said = |reason: Option<&str>, missed| Some((reason.map(str::to_owned), missed));
        for (json, wanted) in [
            ("null", None),
            (r#"{"cache_miss_reason":null}"#, said(None, None)),
            (
                r#"{"cache_miss_reason":{"type":"tools_changed","cache_missed_input_tokens":7}}"#,
                said(Some("tools_changed"), Some(7)),
            ),
            (
                r#"{"cache_miss_reason":{"type":"unavailable"}}"#,
                said(Some("unavailable"), None),
            ),
            (r#"{"cache_miss_reason":3}"#, None),
        ] {
            assert_eq!(read(asked, json), wanted, "{json}");
        }
        for (json, wanted) in [
            ("null", None),
            (r#"{"type":"cache_hit","reason":null}"#, said(None, None)),
            (
                r#"{"type":"cache_miss","reason":"input_changed","cache_missed_tokens":9}"#,
                said(Some("input_changed"), Some(9)),
            ),
            (
                r#"{"type":"comparison_response_not_found"}"#,
                said(Some("comparison_response_not_found"), None),
            ),
        ] {
            assert_eq!(read(compared, json), wanted, "{json}");
        }
    }
}
