//! Every recorded exchange of every provider, from its request to its price: what is read, what is
//! sent, what is accounted for.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise, and says how much it has seen"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use cachewright::adapter::memory::InProcess;
use cachewright::engine::{End, Engine, Exchange, Framing, Meta, Settings};
use cachewright::ledger::Record;
use cachewright::model::{Mode, Skip, Timestamp, Usage};
use cachewright::provider::{Catalog, Found};
use cachewright::sim::{Ask, Sim};
use serde_json::Value;

use crate::support::marked::additions;
use crate::support::recordings::{Recording, recorded_exchanges};

/// The rows for those whose address was not recorded, by the recorder's name for them. The others
/// are hosts of the recorder's own, or speak a dialect that no row describes.
const LABELS: [(&str, &str); 8] = [
    ("anthropic", "anthropic"),
    ("azure", "azure"),
    ("cerebras", "cerebras"),
    ("deepseek", "deepseek"),
    ("mistral", "mistral"),
    ("moonshotai", "moonshot"),
    ("openai", "openai"),
    ("xai", "xai"),
];

/// Exchanges by provider: all, those whose body was read, those that reported usage, those whose
/// cost is known. Elsewhere are hosts without a row and calls that carry no prompt.
const COUNTS: [(&str, [u32; 4]); 17] = [
    ("anthropic", [22, 21, 22, 22]),
    ("azure", [5, 0, 5, 5]),
    ("azure-models", [38, 38, 38, 38]),
    ("bedrock", [21, 21, 21, 21]),
    ("bedrock-mantle", [7, 7, 7, 0]),
    ("cerebras", [3, 0, 3, 0]),
    ("deepseek", [28, 25, 28, 28]),
    ("elsewhere", [126, 0, 0, 0]),
    ("gemini", [26, 26, 26, 24]),
    ("groq", [3, 3, 2, 2]),
    ("mistral", [44, 43, 44, 43]),
    ("moonshot", [1, 0, 1, 1]),
    ("openai", [43, 30, 43, 43]),
    ("openrouter", [11, 11, 11, 10]),
    ("vertex", [3, 3, 3, 3]),
    ("xai", [65, 51, 65, 65]),
    ("zai", [1, 1, 1, 0]),
];

/// The models whose price could not be read anywhere, and how often each was called.
const UNPRICED: [(&str, u32); 6] = [
    ("bedrock-mantle gpt-5.6-luna", 7),
    ("cerebras zai-glm-4.7", 3),
    ("gemini gemini-3-flash-preview", 2),
    ("mistral zai-glm-5.2", 1),
    ("openrouter gemini-2.0-flash", 1),
    ("zai glm-4.6v", 1),
];

fn engine(mode: Mode) -> Engine {
    let mut settings = Settings::default();
    settings.mode = mode;
    Engine::new(Arc::new(Catalog::builtin()), settings).remembering(Arc::new(InProcess::default()))
}

/// What the adapters say of a call to this address.
fn meta<'a>(found: &'a Found<'_>, host: &'a str) -> Meta<'a> {
    let mut meta = Meta::of(&found.provider.name);
    meta.dialect = found.endpoint.name;
    meta.model = found.model.as_deref().unwrap_or_default();
    meta.place = host;
    meta.regional = found.regional;
    meta
}

/// Hands the recorded response to an exchange, a few bytes at a time.
fn answered(mut exchange: Exchange, one: &Recording) -> Record {
    let now = Timestamp::from_secs_f64(1.0);
    let verdict = exchange.on_response(now, one.status, one.framing);
    if verdict == cachewright::engine::Order::Resend {
        // The recording is the answer to the caller's own body.
        let _ = exchange.on_response(now, one.status, one.framing);
    }
    for chunk in one.response.chunks(97) {
        exchange.on_bytes(now, chunk);
    }
    exchange.finish(now, End::Complete)
}

#[test]
fn unchanged_modes_leave_every_body_as_it_is() {
    let Some(all) = recorded_exchanges() else {
        return;
    };
    let (observing, catalog) = (engine(Mode::Observe), Catalog::builtin());
    let mut read = 0;
    for one in &all {
        let (host, path) = one.place();
        let (Some(body), Some(found)) = (&one.request, catalog.find(host, path)) else {
            continue;
        };
        let prepared = observing.prepare(Timestamp::default(), &meta(&found, host), body);
        assert_eq!(prepared.body, None, "{}", one.name);
        assert_eq!(prepared.headers, [], "{}", one.name);
        assert_eq!(prepared.skip, None, "{}", one.name);
        read += 1;
    }
    assert_eq!(read, 280);
}

#[test]
fn what_is_placed_is_accepted_and_takes_nothing_away() {
    let Some(all) = recorded_exchanges() else {
        return;
    };
    let catalog = Arc::new(Catalog::builtin());
    let placing = engine(Mode::Place);
    let (mut sent_on, mut added) = (BTreeMap::<String, usize>::new(), 0);
    // At first nothing is known, then the prompt, then that it returns.
    for (turn, one) in all.iter().chain(&all).chain(&all).enumerate() {
        let (host, path) = one.place();
        let (Some(body), Some(found)) = (&one.request, catalog.find(host, path)) else {
            continue;
        };
        let now = Timestamp::from_secs_f64(f64::from(u32::try_from(turn).unwrap()));
        let meta = meta(&found, host);
        let prepared = placing.prepare(now, &meta, body);
        let sent = prepared.body.as_ref().unwrap_or(body);
        let more = additions(sent, body)
            .unwrap_or_else(|place| panic!("{} differs at byte {place}", one.name));
        added += more;
        *sent_on.entry(found.provider.name.to_string()).or_default() += usize::from(more > 0);
        let mut sim = Sim::of(Arc::clone(&catalog), &found.provider.name);
        let mut asked = |body: &[u8]| {
            let mut ask = Ask::new(found.endpoint.name, body);
            ask.model = meta.model;
            sim.ask(&ask).map(drop)
        };
        let before = asked(body);
        // One call failed by what the model wrote, not by what it was asked.
        assert!(
            before.is_ok() || one.status != 200,
            "{}: {before:?}",
            one.name
        );
        assert_eq!(asked(sent), before, "{}", one.name);
        let record = answered(prepared.exchange, one);
        assert_eq!(record.skip, None, "{}", one.name);
    }
    eprintln!("{added} additions; calls that got some, by provider: {sent_on:?}");
    for provider in [
        "anthropic",
        "bedrock",
        "openai",
        "mistral",
        "openrouter",
        "xai",
    ] {
        assert!(sent_on[provider] > 0, "{provider}: {sent_on:?}");
    }
}

#[test]
fn usage_is_what_was_said_and_cost_is_known_or_said_to_be_unknown() {
    let Some(all) = recorded_exchanges() else {
        return;
    };
    let (observing, catalog) = (engine(Mode::Observe), Catalog::builtin());
    let mut counts = BTreeMap::<Box<str>, [u32; 4]>::new();
    let mut unpriced = BTreeMap::<String, u32>::new();
    for one in &all {
        let (host, path) = one.place();
        let found = catalog.find(host, path);
        let Some((dialect, exchange)) = begun(&observing, one, found.as_ref()) else {
            counts.entry("elsewhere".into()).or_default()[0] += 1;
            continue;
        };
        let record = answered(exchange, one);
        let usage = record.usage.map(kinds);
        assert_eq!(usage, said(dialect, one), "{}", one.name);
        let billed = record.usage.is_some_and(|usage| usage.cost.is_some());
        let model = catalog.model(&record.provider, &record.model);
        let priceable = record.usage.and_then(|usage| usage.input()).is_some();
        let priceable = priceable && model.prices.is_some();
        assert_eq!(record.cost.is_some(), billed || priceable, "{}", one.name);
        let [all, read, used, priced] = counts.entry(record.provider.clone()).or_default();
        *all += 1;
        *read += u32::from(record.skip.is_none());
        *used += u32::from(usage.is_some());
        *priced += u32::from(record.cost.is_some());
        if usage.is_some() && record.cost.is_none() {
            let name = format!("{} {}", record.provider, record.model);
            *unpriced.entry(name).or_default() += 1;
        }
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(name, count)| (&**name, *count))
        .collect();
    assert_eq!(counts, COUNTS);
    let unpriced: Vec<_> = unpriced
        .iter()
        .map(|(name, count)| (&**name, *count))
        .collect();
    assert_eq!(unpriced, UNPRICED);
    assert_eq!(COUNTS.iter().map(|(_, [all, ..])| all).sum::<u32>(), 447);
}

/// The exchange of a recorded call and the dialect of its response: as its address says, or as the
/// recorder labelled it where only the response was kept.
fn begun(
    engine: &Engine,
    one: &Recording,
    found: Option<&Found<'_>>,
) -> Option<(&'static str, Exchange)> {
    let now = Timestamp::default();
    match (found, &one.request) {
        (Some(found), Some(body)) => {
            let meta = meta(found, one.place().0);
            let prepared = engine.prepare(now, &meta, body);
            Some((found.endpoint.name, prepared.exchange))
        }
        (None, None) => {
            let (_, row) = LABELS.iter().find(|(label, _)| *label == one.provider)?;
            let dialect = dialect(one)?;
            let mut meta = Meta::of(row);
            meta.dialect = dialect;
            let exchange = engine.skipped(now, &meta, Skip::UnknownEndpoint);
            Some((dialect, exchange))
        }
        (None, Some(_)) | (Some(_), None) => None,
    }
}

/// The kinds of tokens of a usage: plain, read, written for five minutes, for half an hour, for an
/// hour, and output.
type Kinds = [Option<u64>; 6];

/// Where writes of these classes stand.
const FIVE_MINUTES: usize = 2;
const HALF_HOUR: usize = 3;

fn kinds(usage: Usage) -> Kinds {
    [
        usage.plain,
        usage.read,
        usage.write_5m,
        usage.write_30m,
        usage.write_1h,
        usage.output,
    ]
}

/// The dialect of a response, by what it looks like.
fn dialect(one: &Recording) -> Option<&'static str> {
    let text = String::from_utf8_lossy(&one.response);
    let says = |word: &str| text.contains(word);
    if says("\"chat.completion") {
        Some("chat")
    } else if says("\"response.created\"") || says("\"object\":\"response\"") {
        Some("responses")
    } else if says("\"message_start\"") || says("\"type\":\"message\"") {
        Some("messages")
    } else {
        None
    }
}

/// What a response says about tokens, read from trees and without any code of the crate.
fn said(dialect: &str, one: &Recording) -> Option<Kinds> {
    let reports: Vec<Value> = documents(one).iter().filter_map(report).collect();
    let last = reports.last()?;
    match dialect {
        "messages" => Some(reports.iter().fold([None; 6], grown)),
        "converse" => Some(by_converse(last)),
        "generate" => by_generate(last),
        _ if one.provider == "openai" || one.place().0.contains("mantle") => {
            by_openai(last, HALF_HOUR)
        }
        _ => by_openai(last, FIVE_MINUTES),
    }
}

fn documents(one: &Recording) -> Vec<Value> {
    let text = std::str::from_utf8(&one.response).unwrap();
    if one.framing == Framing::Json {
        return vec![serde_json::from_str(text).unwrap()];
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

/// The usage object of a document or an event.
fn report(document: &Value) -> Option<Value> {
    const PLACES: [&str; 5] = [
        "/usage",
        "/response/usage",
        "/message/usage",
        "/delta/usage",
        "/usageMetadata",
    ];
    let mut found = PLACES.iter().filter_map(|place| document.pointer(place));
    found.find(|usage| usage.is_object()).cloned()
}

fn number(usage: &Value, place: &str) -> Option<u64> {
    usage.pointer(place)?.as_u64()
}

/// Counters of Messages only grow; where a pass over several iterations is itemised, its items
/// stand for it.
fn grown(before: Kinds, usage: &Value) -> Kinds {
    let items = usage["iterations"]
        .as_array()
        .filter(|items| !items.is_empty());
    let items = items.map_or_else(|| vec![usage], |items| items.iter().collect());
    let mut now: Kinds = [None; 6];
    for item in items {
        let hour = number(item, "/cache_creation/ephemeral_1h_input_tokens");
        let five = number(item, "/cache_creation/ephemeral_5m_input_tokens");
        let total = number(item, "/cache_creation_input_tokens");
        let five = five.or_else(|| Some(total? - hour.unwrap_or(0)));
        let kinds = [
            number(item, "/input_tokens"),
            number(item, "/cache_read_input_tokens"),
            five,
            None,
            hour,
            number(item, "/output_tokens"),
        ];
        for (sum, more) in now.iter_mut().zip(kinds) {
            *sum = match (*sum, more) {
                (Some(sum), Some(more)) => Some(sum + more),
                (sum, more) => sum.or(more),
            };
        }
    }
    let mut grown = before;
    for (before, now) in grown.iter_mut().zip(now) {
        *before = (*before).max(now);
    }
    grown
}

fn by_converse(usage: &Value) -> Kinds {
    let class = |ttl: &str| {
        let details = usage["cacheDetails"].as_array()?;
        let detail = details.iter().find(|detail| detail["ttl"] == ttl)?;
        detail["inputTokens"].as_u64()
    };
    let written = number(usage, "/cacheWriteInputTokens");
    let hour = class("1h");
    let five = class("5m").or_else(|| Some(written? - hour.unwrap_or(0)));
    [
        number(usage, "/inputTokens"),
        number(usage, "/cacheReadInputTokens"),
        five,
        None,
        hour,
        number(usage, "/outputTokens"),
    ]
}

fn by_generate(usage: &Value) -> Option<Kinds> {
    let read = number(usage, "/cachedContentTokenCount");
    let prompt = number(usage, "/promptTokenCount")?;
    let output = number(usage, "/totalTokenCount")? - prompt;
    Some([
        Some(prompt - read.unwrap_or(0)),
        read,
        None,
        None,
        None,
        Some(output),
    ])
}

/// Counts that include one another, writes being of this class; some providers count thinking
/// beside the output.
fn by_openai(usage: &Value, class: usize) -> Option<Kinds> {
    let first = |places: &[&str]| places.iter().find_map(|place| number(usage, place));
    let input = first(&["/prompt_tokens", "/input_tokens"]);
    let read = first(&[
        "/prompt_tokens_details/cached_tokens",
        "/input_tokens_details/cached_tokens",
        "/prompt_cache_hit_tokens",
        "/num_cached_tokens",
        "/cached_tokens",
    ]);
    let written = first(&[
        "/prompt_tokens_details/cache_write_tokens",
        "/input_tokens_details/cache_write_tokens",
    ]);
    let output = first(&["/completion_tokens", "/output_tokens"])?;
    let apart = first(&["/total_tokens"])
        .unwrap_or(0)
        .saturating_sub(input? + output);
    let plain = input?.saturating_sub(read.unwrap_or(0) + written.unwrap_or(0));
    let mut kinds = [Some(plain), read, None, None, None, Some(output + apart)];
    *kinds.get_mut(class)? = written;
    Some(kinds)
}
