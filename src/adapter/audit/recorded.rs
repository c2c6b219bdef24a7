//! Recorded HTTP exchanges: a line each, or a HAR file of a browser or proxy.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Reader;
use super::book::Book;
use super::claude::time;
use super::files::fault;
use super::neutral::sent;
use super::turn::{History, Place, Turn};
use super::usage::{moment, shape};
use crate::model::Timestamp;
use crate::provider::{Catalog, Endpoint};
use crate::wire::{Dialect, Framing, Seen, Watcher};

/// Milliseconds in a second.
const MILLIS: u32 = 1000;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    src: Option<Cow<'a, str>>,
    #[serde(borrow)]
    file: Option<Cow<'a, str>>,
    #[serde(borrow)]
    provider: Option<Cow<'a, str>>,
    #[serde(borrow)]
    url: Option<Cow<'a, str>>,
    status: Option<u16>,
    #[serde(borrow)]
    ctype: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    response_text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    response_b64: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "timestamp")]
    t: Option<&'a RawValue>,
}

/// One exchange, whatever the recorder.
struct Exchange<'a> {
    session: Arc<str>,
    provider: &'a str,
    url: &'a str,
    status: u16,
    at: Timestamp,
    ended: Timestamp,
    request: Option<Bytes>,
    response: Cow<'a, [u8]>,
    framing: Framing,
}

/// Reads recorded exchanges.
pub(super) struct Recorded;

impl Reader for Recorded {
    fn line(&mut self, book: &mut Book, text: &[u8]) -> Result<(), String> {
        let line: Line<'_> = serde_json::from_slice(text).map_err(|error| fault(&error))?;
        let (response, framing) = response(&line)?;
        let src = line.src.as_deref().unwrap_or_default();
        let file = line.file.as_deref().unwrap_or_default();
        let at = moment(line.t)?;
        exchange(
            book,
            Exchange {
                session: Arc::from(format!("{src} {file}").trim()),
                provider: line.provider.as_deref().unwrap_or_default(),
                url: line.url.as_deref().unwrap_or_default(),
                status: line.status.unwrap_or(200),
                at,
                ended: at,
                request: line.request.and_then(request),
                response,
                framing,
            },
        );
        Ok(())
    }
}

/// A body that was kept as JSON, or as text in a JSON string.
fn request(raw: &RawValue) -> Option<Bytes> {
    if raw.get() == "null" {
        return None;
    }
    Some(match serde_json::from_str::<String>(raw.get()) {
        Ok(text) => Bytes::from(text),
        Err(_) => Bytes::copy_from_slice(raw.get().as_bytes()),
    })
}

fn response<'a>(line: &'a Line<'_>) -> Result<(Cow<'a, [u8]>, Framing), String> {
    let kind = line.ctype.as_deref().unwrap_or_default();
    if let Some(base64) = line.response_b64.as_deref() {
        let bytes = STANDARD
            .decode(base64)
            .map_err(|_| "`response_b64` is not base64".to_owned())?;
        return Ok((bytes.into(), Framing::EventStream));
    }
    if let Some(text) = line.response_text.as_deref() {
        let text = unpacked(text);
        if kind == "sse-chunks" {
            // Recorded without the framing: one event's data per line.
            let events = text.lines().filter(|line| !line.is_empty());
            let stream: String = events.map(|data| format!("data: {data}\n\n")).collect();
            return Ok((stream.into_bytes().into(), Framing::Sse));
        }
        let bytes = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        return Ok((bytes, framing(kind)));
    }
    let json = line.response.map_or("", RawValue::get);
    Ok((json.as_bytes().into(), Framing::Json))
}

fn framing(kind: &str) -> Framing {
    if kind.contains("vnd.amazon.eventstream") {
        Framing::EventStream
    } else if kind.contains("event-stream") {
        Framing::Sse
    } else {
        Framing::Json
    }
}

/// Some recorders take text that is not ASCII for binary and keep it in base64.
fn unpacked(text: &str) -> Cow<'_, str> {
    // `{"`, `data: ` and `event:`.
    let packed = ["eyJ", "ZGF0YTog", "ZXZlbnQ6"];
    let bytes = packed
        .into_iter()
        .any(|start| text.starts_with(start))
        .then(|| STANDARD.decode(text).ok());
    match bytes.flatten().map(String::from_utf8) {
        Some(Ok(text)) => text.into(),
        Some(Err(_)) | None => text.into(),
    }
}

/// Whose exchange it is.
struct Whose<'a> {
    provider: Arc<str>,
    dialect: &'static dyn Dialect,
    name: &'static str,
    endpoint: Option<&'a Endpoint>,
    model: Option<String>,
    regional: bool,
}

fn whose<'a>(catalog: &'a Catalog, one: &Exchange<'_>) -> Option<Whose<'a>> {
    let rest = one.url.split_once("://").map_or("", |(_, rest)| rest);
    let rest = rest.split('?').next().unwrap_or_default();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let row = catalog.provider(one.provider);
    let found = catalog
        .find(host, path)
        .or_else(|| row.and_then(|row| row.behind(path)));
    if let Some(found) = found {
        return Some(Whose {
            provider: (&*found.provider.name).into(),
            dialect: found.endpoint.dialect,
            name: found.endpoint.name,
            endpoint: Some(found.endpoint),
            model: found.model,
            regional: found.regional,
        });
    }
    // A known host's other paths are no calls of a model.
    if row.is_some() && !path.is_empty() && !is_call(path) {
        return None;
    }
    let (dialect, name, usual) = guess(one)?;
    let own = row.and_then(|row| row.endpoint(name));
    Some(Whose {
        provider: if one.provider.is_empty() {
            usual
        } else {
            one.provider
        }
        .into(),
        dialect: own.map_or(dialect, |own| own.dialect),
        name,
        endpoint: own,
        model: None,
        regional: false,
    })
}

/// Whether a path ends as paths of calls do, whoever serves it.
fn is_call(path: &str) -> bool {
    let ends = [
        "/completions",
        "/responses",
        "/messages",
        "/chat",
        "Content",
        "/converse",
    ];
    ends.into_iter().any(|end| path.ends_with(end)) || path.contains("/model/")
}

/// The dialect by the names of the counts in a response.
fn guess(one: &Exchange<'_>) -> Option<(&'static dyn Dialect, &'static str, &'static str)> {
    shape(&one.response)
}

fn exchange(book: &mut Book, one: Exchange<'_>) {
    let catalog = Arc::clone(&book.catalog);
    let Some(whose) = whose(&catalog, &one) else {
        book.sources.other_calls += 1;
        return;
    };
    let mut watcher = Watcher::with_limit(whose.dialect, one.framing, usize::MAX);
    watcher.feed(&one.response);
    let seen = watcher.finish();
    let failed = one.status >= 400 || seen.error.is_some();
    if seen.usage.is_none() && !failed {
        book.sources.other_calls += 1;
        return;
    }
    let body = whose
        .endpoint
        .zip(one.request.clone())
        .and_then(|(endpoint, body)| sent(endpoint, body));
    let asked = body.as_ref().map(|sent| sent.prompt.model.to_string());
    let model = model(&catalog, &whose, asked, &seen);
    book.turn(&Turn {
        at: one.at,
        first_byte: None,
        ended: one.ended,
        place: Place {
            session: one.session,
            ..Place::default()
        },
        provider: whose.provider,
        dialect: whose.name,
        model: model.into(),
        regional: whose.regional,
        status: one.status,
        ending: seen.ended().into(),
        usage: seen.usage,
        history: if body.is_some() {
            History::Bodies
        } else {
            History::Untold
        },
        sent: body,
    });
}

/// The first name that a row knows: of the body, the path or the response.
fn model(catalog: &Catalog, whose: &Whose<'_>, asked: Option<String>, seen: &Seen) -> String {
    let answered = seen.model.as_deref().map(str::to_owned);
    let names = [asked, whose.model.clone(), answered];
    let mut names = names.into_iter().flatten().filter(|name| !name.is_empty());
    let known = |name: &String| catalog.model(&whose.provider, name).limits.known;
    let first = names.next().unwrap_or_default();
    if known(&first) {
        return first;
    }
    names.find(known).unwrap_or(first)
}

#[derive(Deserialize)]
struct Har<'a> {
    #[serde(borrow)]
    log: Log<'a>,
}

#[derive(Deserialize)]
struct Log<'a> {
    #[serde(borrow)]
    entries: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, rename = "startedDateTime")]
    started: Option<Cow<'a, str>>,
    time: Option<f64>,
    #[serde(borrow)]
    request: Asked<'a>,
    #[serde(borrow)]
    response: Answered<'a>,
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow, rename = "postData")]
    post: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Answered<'a> {
    status: u16,
    #[serde(borrow)]
    content: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow, rename = "mimeType")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    encoding: Option<Cow<'a, str>>,
}

impl Text<'_> {
    fn bytes(&self) -> Option<Vec<u8>> {
        let text = self.text.as_deref()?;
        match self.encoding.as_deref() {
            Some("base64") => STANDARD.decode(text).ok(),
            _ => Some(text.as_bytes().to_vec()),
        }
    }
}

/// Whether a document is a HAR file.
pub(super) fn is_har(document: &[u8]) -> bool {
    serde_json::from_slice::<Har<'_>>(document).is_ok()
}

/// Books the calls in a HAR file. Other traffic of the browser is passed over.
pub(super) fn har(book: &mut Book, document: &[u8], path: &Path) -> Result<(), String> {
    let har: Har<'_> = serde_json::from_slice(document).map_err(|error| fault(&error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let session: Arc<str> = Arc::from(&*name);
    let mut outcome = Ok(());
    for (number, raw) in har.log.entries.iter().enumerate() {
        let Ok(entry) = serde_json::from_str::<Entry<'_>>(raw.get()) else {
            outcome = Err(format!("entry {number} is no exchange"));
            continue;
        };
        let at = entry.started.as_deref().map(time).transpose()?;
        let at = at.unwrap_or_default();
        let took = Duration::try_from_secs_f64(entry.time.unwrap_or(0.0));
        let took = took.unwrap_or_default() / MILLIS;
        let content = entry.response.content.as_ref();
        let kind = content.and_then(|content| content.kind.as_deref());
        let request = entry.request.post.as_ref().and_then(Text::bytes);
        exchange(
            book,
            Exchange {
                session: Arc::clone(&session),
                provider: "",
                url: &entry.request.url,
                status: entry.response.status,
                at,
                ended: at.plus(took),
                request: request.map(Bytes::from),
                response: content.and_then(Text::bytes).unwrap_or_default().into(),
                framing: framing(kind.unwrap_or_default()),
            },
        );
    }
    outcome
}
