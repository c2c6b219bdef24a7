//! What Chat Completions and Responses have in common: settings around the cache, and markers.
//!
//! Source: developers.openai.com/api/docs/guides/prompt-caching, 2026-09-23. The page names what is
//! refused and not always the words.

use xxhash_rust::xxh3::xxh3_128;

use super::block::{self, find};
use super::draft::{Draft, Member, Members};
use super::facts::Spelled;
use super::rejection::{Rejection, Unmarkable};
use super::request::Section;
use super::scan::{compact, members};
use crate::model::{Regime, Ttl};
use crate::provider::{Catalog, Model};

const BREAKPOINT: &[u8] = b"prompt_cache_breakpoint";
const OPTIONS: &[u8] = b"prompt_cache_options";
const RETENTION: &[u8] = b"prompt_cache_retention";

/// Members of a body that are rendered before everything else: another value is another prefix.
const SETTINGS: [&[u8]; 6] = [
    b"parallel_tool_calls",
    b"response_format",
    b"text",
    b"reasoning",
    b"reasoning_effort",
    b"verbosity",
];

/// The member with this name unless it is null.
pub(super) fn given<'a>(fields: &Members<'a>, name: &[u8]) -> Option<&'a [u8]> {
    find(fields, name).filter(|raw| *raw != b"null")
}

/// The model row that a body or a path names.
pub(super) fn model_of(
    catalog: &Catalog,
    provider: &str,
    fields: &Members<'_>,
    (path, spelled): (&str, Spelled),
) -> Result<(Model, String), Rejection> {
    let id = super::read::string(fields, "model")?;
    let id = match id {
        Some(id) => id,
        None if !path.is_empty() => path.to_owned(),
        None => return Err(Rejection::invalid("you must provide a model parameter")),
    };
    Ok((super::draft::model(catalog, provider, (&id, spelled)), id))
}

impl Draft<'_> {
    /// Whether unknown members are refused, as those are that take markers of this kind.
    fn is_strict(&self) -> bool {
        let endpoints = self.provider.map_or(&[][..], |row| &row.endpoints);
        endpoints
            .iter()
            .any(|endpoint| endpoint.marker.as_str().as_bytes() == BREAKPOINT)
    }

    /// Reads the members around the prompt; comes before any block.
    pub(super) fn settings(
        &mut self,
        fields: &Members<'_>,
        affinity: Option<&str>,
    ) -> Result<(), Rejection> {
        self.table.stream = find(fields, b"stream") == Some(b"true");
        self.options(fields)?;
        let id = |raw: &[u8]| xxh3_128(&compact(raw));
        let user = if self.table.facts.habit.by_user {
            given(fields, b"user")
        } else {
            None
        };
        let key = given(fields, b"prompt_cache_key")
            .or(user)
            .map(id)
            .or_else(|| Some(xxh3_128(affinity?.as_bytes())));
        if self.regime() == Regime::Exact {
            // From GPT-5.6 on a key separates caches.
            self.table.facts.apart = key.unwrap_or(0);
        } else {
            self.table.facts.key = key;
        }
        // DeepSeek keeps users apart (api-docs.deepseek.com, 2026-10).
        if let Some(user) = given(fields, b"user_id") {
            self.table.facts.apart ^= id(user);
        }
        let day = given(fields, RETENTION) == Some(b"\"24h\"") && self.model.day_retention;
        self.table.facts.day = day;
        if self.regime() != Regime::Breakpoints {
            for name in SETTINGS {
                let value = compact(given(fields, name).unwrap_or_default());
                self.switch(&[name, &value]);
            }
        }
        // What the provider stored of an earlier response is not known here.
        if let Some(earlier) = given(fields, b"previous_response_id") {
            self.switch(&[b"previous_response_id", earlier]);
        }
        Ok(())
    }

    /// Settings whose change loses the messages only, where a gateway hands them to Anthropic.
    pub(super) fn before_messages(&mut self, fields: &Members<'_>) {
        if self.regime() == Regime::Breakpoints {
            for name in [&b"tool_choice"[..], b"reasoning", b"reasoning_effort"] {
                let value = compact(given(fields, name).unwrap_or_default());
                self.switch(&[name, &value]);
            }
        }
    }

    fn options(&mut self, fields: &Members<'_>) -> Result<(), Rejection> {
        let Some(raw) = given(fields, OPTIONS) else {
            return Ok(());
        };
        let options = members(raw).ok_or_else(|| {
            Rejection::invalid("Invalid type for 'prompt_cache_options': expected an object.")
        })?;
        let ttl = given(&options, b"ttl");
        if self.regime() != Regime::Exact {
            if self.is_strict() {
                return Err(Rejection::unknown_parameter("prompt_cache_options"));
            }
            if ttl == Some(b"\"1h\"") {
                self.table.facts.ttl = Ttl::OneHour;
            }
            return Ok(());
        }
        if given(fields, RETENTION).is_some() {
            return Err(Rejection::invalid(
                "'prompt_cache_options' and 'prompt_cache_retention' cannot be used together.",
            ));
        }
        if !matches!(ttl, None | Some(b"\"30m\"")) {
            return Err(Rejection::invalid(
                "Invalid value for 'prompt_cache_options.ttl'. Supported values are: '30m'.",
            ));
        }
        let only = [&b"prewarm"[..], b"comparison_response_id"];
        let chat = self.table.facts.spelled == Spelled::Chat;
        if let Some(name) = only
            .iter()
            .find(|name| find(&options, name).is_some() && chat)
        {
            let name = String::from_utf8_lossy(name);
            let path = format!("prompt_cache_options.{name}");
            return Err(Rejection::unknown_parameter(&path));
        }
        self.table.facts.implicit = match given(&options, b"mode") {
            None | Some(b"\"implicit\"") => true,
            Some(b"\"explicit\"") => false,
            Some(_) => {
                return Err(Rejection::invalid(
                    "Invalid value for 'prompt_cache_options.mode'. Supported values are: \
                     'implicit' and 'explicit'.",
                ));
            }
        };
        Ok(())
    }

    /// Takes the marker out of a part's members; `path` is the part's.
    pub(super) fn take_marker(
        &self,
        part: &mut Vec<Member<'_>>,
        path: &str,
    ) -> Result<Option<Ttl>, Rejection> {
        let control = given(part, b"cache_control");
        let breakpoint = given(part, BREAKPOINT);
        part.retain(|(key, _)| *key != b"cache_control" && *key != BREAKPOINT);
        if let Some(raw) = breakpoint {
            let path = format!("{path}.prompt_cache_breakpoint");
            let fields = members(raw).unwrap_or_default();
            match self.regime() {
                Regime::Exact if find(&fields, b"mode") == Some(b"\"explicit\"") => {
                    return Ok(Some(Ttl::HalfHour));
                }
                Regime::Exact => {
                    return Err(Rejection::invalid(format!(
                        "Invalid value for '{path}.mode'. Supported values are: 'explicit'."
                    )));
                }
                _ if self.is_strict() => return Err(Rejection::unknown_parameter(&path)),
                // Gateways translate it (openrouter.ai prompt-caching, 2026-09-12).
                Regime::Breakpoints => return Ok(Some(Ttl::FiveMinutes)),
                Regime::Automatic => {}
            }
        }
        if control.is_some() && self.is_strict() {
            return Err(Rejection::unknown_parameter(&format!(
                "{path}.cache_control"
            )));
        }
        block::marker(control)
    }

    /// Notes a marker, unless the place cannot carry one.
    pub(super) fn place_marker(
        &mut self,
        marker: Option<Ttl>,
        (refused, path): (bool, &str),
    ) -> Result<(), Rejection> {
        let exact = self.regime() == Regime::Exact;
        if refused && exact {
            self.forbid(Unmarkable::NoInput);
        }
        match marker {
            None => Ok(()),
            Some(_) if refused && exact && self.is_strict() => Err(Rejection::unknown_parameter(
                &format!("{path}.prompt_cache_breakpoint"),
            )),
            // Gateways drop what the model cannot carry.
            Some(_) if refused && exact => Ok(()),
            Some(ttl) => {
                self.mark(ttl);
                Ok(())
            }
        }
    }

    /// Notes that an eligible message ends on the block added last.
    pub(super) fn end_message(&mut self, section: Section) {
        let Some(last) = self.table.len().checked_sub(1) else {
            return;
        };
        let facts = &mut self.table.facts;
        if section == Section::System {
            // Of the opening group only the last end counts.
            facts.ends.clear();
            facts.opening = Some(last);
        }
        if facts.ends.last() != Some(&last) {
            facts.ends.push(last);
        }
    }
}
