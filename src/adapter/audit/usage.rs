//! Usage in JSON Lines: a response body or a `usage` object per line.
//!
//! Nothing of the prompts is known, so nothing can be said to be missed; what was paid and what
//! caching saved can. Whose usage it is shows in the names of the counts.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Reader;
use super::book::Book;
use super::claude::time;
use super::files::fault;
use super::turn::{Ending, History, Place, Turn};
use crate::model::Timestamp;
use crate::wire::{Dialect, Framing, MarkerStyle, Watcher, dialect};

/// What stands around the counts.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow, alias = "request_id")]
    #[serde(rename = "requestId")]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "modelVersion")]
    version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    provider: Option<Cow<'a, str>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, rename = "usageMetadata")]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, alias = "created_at")]
    created: Option<&'a RawValue>,
    #[serde(borrow, alias = "conversation_id", alias = "session_id")]
    session: Option<Cow<'a, str>>,
    #[serde(borrow)]
    route: Option<Cow<'a, str>>,
}

/// Counts whose names tell the dialect; the first that is there decides.
const NAMES: [(&str, &str, &str); 9] = [
    ("\"usageMetadata\"", "generate", "gemini"),
    ("\"promptTokenCount\"", "generate", "gemini"),
    ("\"inputTokens\"", "converse", "bedrock"),
    ("\"prompt_tokens\"", "chat", "openai"),
    ("\"input_tokens_details\"", "responses", "openai"),
    ("\"cache_creation_input_tokens\"", "messages", "anthropic"),
    ("\"cache_read_input_tokens\"", "messages", "anthropic"),
    ("\"total_tokens\"", "responses", "openai"),
    ("\"input_tokens\"", "messages", "anthropic"),
];

/// The dialect and the usual provider of what holds these counts.
pub(super) fn shape(text: &[u8]) -> Option<(&'static dyn Dialect, &'static str, &'static str)> {
    let (_, name, provider) = NAMES
        .iter()
        .find(|(count, ..)| memchr::memmem::find(text, count.as_bytes()).is_some())?;
    let markers = [
        MarkerStyle::CacheControl,
        MarkerStyle::PromptCacheBreakpoint,
    ];
    let all = markers
        .into_iter()
        .chain([MarkerStyle::CachePoint, MarkerStyle::None]);
    let wanted = if *provider == "openai" {
        Some(MarkerStyle::PromptCacheBreakpoint)
    } else {
        None
    };
    let (name, dialect) = wanted
        .into_iter()
        .chain(all)
        .find_map(|marker| dialect(name, marker))?;
    Some((dialect, name, provider))
}

/// Whether a line is usage, or a response with usage in it.
pub(super) fn is_usage(line: &[u8]) -> bool {
    let Ok(outer) = serde_json::from_slice::<Line<'_>>(line) else {
        return false;
    };
    let inner = outer.usage.or(outer.metadata);
    let object = inner.is_none_or(|inner| inner.get().starts_with('{'));
    object && (inner.is_some() || is_bare(line)) && shape(line).is_some()
}

/// Whether the counts stand by themselves, at the top.
fn is_bare(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Counts<'a> {
        #[serde(borrow)]
        input_tokens: Option<&'a RawValue>,
        #[serde(borrow)]
        prompt_tokens: Option<&'a RawValue>,
        #[serde(borrow, rename = "promptTokenCount")]
        prompt: Option<&'a RawValue>,
        #[serde(borrow, rename = "inputTokens")]
        input: Option<&'a RawValue>,
    }
    let counts: Result<Counts<'_>, _> = serde_json::from_slice(line);
    counts.is_ok_and(|counts| {
        let all = [
            counts.input_tokens,
            counts.prompt_tokens,
            counts.prompt,
            counts.input,
        ];
        all.iter().any(Option::is_some)
    })
}

/// Reads lines of usage.
pub(super) struct Lines;

impl Reader for Lines {
    fn line(&mut self, book: &mut Book, text: &[u8]) -> Result<(), String> {
        line(book, text)
    }
}

/// Books one line.
pub(super) fn line(book: &mut Book, text: &[u8]) -> Result<(), String> {
    let outer: Line<'_> = serde_json::from_slice(text).map_err(|error| fault(&error))?;
    let Some((dialect, name, provider)) = shape(text) else {
        return Err("holds no usage".to_owned());
    };
    let inner = outer.usage.or(outer.metadata);
    let wrapped;
    let document = match inner {
        Some(_) => text,
        None => {
            let bare = String::from_utf8_lossy(text);
            let member = if name == "generate" {
                "usageMetadata"
            } else {
                "usage"
            };
            wrapped = format!("{{\"{member}\":{bare}}}");
            wrapped.as_bytes()
        }
    };
    let mut watcher = Watcher::new(dialect, Framing::Json);
    watcher.feed(document);
    let seen = watcher.finish();
    let Some(usage) = seen.usage else {
        return Err("holds no usage that can be read".to_owned());
    };
    let id = outer.id.or(outer.request).map(RawValue::get);
    if let Some(id) = id.filter(|id| *id != "null" && *id != "\"\"")
        && !book.is_new(&["usage", id])
    {
        return Ok(());
    }
    let at = moment(outer.timestamp.or(outer.created))?;
    let model = outer.model.or(outer.version);
    let provider = outer.provider.as_deref().unwrap_or(provider);
    book.turn(&Turn {
        at,
        first_byte: None,
        ended: at,
        place: Place {
            session: Arc::from(outer.session.as_deref().unwrap_or_default()),
            lane: Arc::from(""),
            route: Arc::from(outer.route.as_deref().unwrap_or_default()),
            tenant: Arc::from(""),
        },
        provider: Arc::from(provider),
        dialect: name,
        model: Arc::from(model.as_deref().unwrap_or_default()),
        regional: false,
        status: 200,
        ending: Ending::Whole,
        usage: Some(usage),
        history: History::Untold,
        sent: None,
    });
    Ok(())
}

/// A moment as RFC 3339, or seconds or milliseconds since the epoch; zero where there is none.
pub(super) fn moment(raw: Option<&RawValue>) -> Result<Timestamp, String> {
    const MILLIS: f64 = 1e11;
    let Some(raw) = raw.map(RawValue::get).filter(|raw| *raw != "null") else {
        return Ok(Timestamp::default());
    };
    if let Ok(text) = serde_json::from_str::<Cow<'_, str>>(raw) {
        return match text.parse::<f64>() {
            Ok(_) => moment(serde_json::from_str(&text).ok()),
            Err(_) => time(&text),
        };
    }
    match raw.parse::<f64>() {
        Ok(millis) if millis > MILLIS => {
            let at = Timestamp::from_secs_f64(millis).as_micros();
            Ok(Timestamp::from_micros(at / 1000))
        }
        Ok(seconds) => Ok(Timestamp::from_secs_f64(seconds)),
        Err(_) => Err("a time that is neither RFC 3339 nor a number".to_owned()),
    }
}
