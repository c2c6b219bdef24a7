//! What is emitted is what the table says: names, kinds, labels, and sums equal to the ledger's.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::clock::Clock;
use cachewright::adapter::handle::{Cachewright, Observer as _, Tenant};
use cachewright::adapter::metrics::{Kind, LABELS, Metrics, TABLE};
use cachewright::adapter::tower::RequestBody;
use cachewright::ledger::{Attempt, Ledger, Record, Totals, Verdict};
use cachewright::model::{Cause, Keyring, Miss, Money, Skip, Timestamp, Ttl, Usage};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tower::Service as _;

use crate::support::origin::{MESSAGE, Origin, Protocol, SECRET, body, builder, json};

/// A recorder that keeps everything.
#[derive(Default)]
struct Kept(Mutex<Books>);

#[derive(Default)]
struct Books {
    numbers: BTreeMap<(String, &'static str), Arc<AtomicU64>>,
    observed: BTreeMap<String, Arc<Observed>>,
    described: BTreeMap<String, (&'static str, String)>,
    names: BTreeMap<String, (String, BTreeSet<String>)>,
}

#[derive(Default)]
struct Observed(Mutex<Vec<f64>>);

impl HistogramFn for Observed {
    fn record(&self, value: f64) {
        self.0.lock().unwrap().push(value);
    }
}

impl Books {
    fn register(&mut self, key: &Key) -> String {
        let labels: BTreeSet<String> = key.labels().map(|one| one.key().to_owned()).collect();
        assert_eq!(
            labels.len(),
            key.labels().len(),
            "a label stands there twice"
        );
        let series = spelled(key);
        self.names
            .insert(series.clone(), (key.name().to_owned(), labels));
        series
    }
}

fn spelled(key: &Key) -> String {
    let mut labels: Vec<String> = key
        .labels()
        .map(|one| format!("{}={}", one.key(), one.value()))
        .collect();
    labels.sort();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl Recorder for Kept {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe("counter", &key, help);
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe("gauge", &key, help);
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe("histogram", &key, help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.number(key, "counter"))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.number(key, "gauge"))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let mut books = self.0.lock().unwrap();
        let series = books.register(key);
        Histogram::from_arc(Arc::clone(books.observed.entry(series).or_default()))
    }
}

impl Kept {
    fn describe(&self, kind: &'static str, key: &KeyName, help: SharedString) {
        let mut books = self.0.lock().unwrap();
        let said = (kind, help.into_owned());
        books.described.insert(key.as_str().to_owned(), said);
    }

    fn number(&self, key: &Key, kind: &'static str) -> Arc<AtomicU64> {
        let mut books = self.0.lock().unwrap();
        let series = books.register(key);
        Arc::clone(books.numbers.entry((series, kind)).or_default())
    }

    /// Every name with its kind and labels of which something was really emitted.
    fn emitted(&self) -> BTreeSet<(String, &'static str, BTreeSet<String>)> {
        let books = self.0.lock().unwrap();
        let numbers = books.numbers.iter();
        let numbers = numbers
            .filter(|(_, value)| value.load(Ordering::SeqCst) != 0)
            .map(|((series, kind), _)| (series, *kind));
        let observed = books.observed.iter();
        let observed = observed
            .filter(|(_, seen)| !seen.0.lock().unwrap().is_empty())
            .map(|(series, _)| (series, "histogram"));
        numbers
            .chain(observed)
            .map(|(series, kind)| {
                let (name, labels) = &books.names[series];
                (name.clone(), kind, labels.clone())
            })
            .collect()
    }

    /// The sum over all series of a name whose spelling holds `part`.
    fn sum(&self, name: &str, part: &str) -> u64 {
        let books = self.0.lock().unwrap();
        let series = books.numbers.iter();
        series
            .filter(|((series, _), _)| {
                series.starts_with(&format!("{name}{{")) && series.contains(part)
            })
            .map(|(_, value)| value.load(Ordering::SeqCst))
            .sum()
    }

    fn gauge(&self, name: &str) -> f64 {
        let books = self.0.lock().unwrap();
        let series = books.numbers.iter();
        series
            .filter(|((series, kind), _)| series.starts_with(name) && *kind == "gauge")
            .map(|(_, value)| f64::from_bits(value.load(Ordering::SeqCst)))
            .sum()
    }

    fn observed(&self, name: &str) -> Vec<f64> {
        let books = self.0.lock().unwrap();
        let series = books.observed.iter();
        series
            .filter(|(series, _)| series.starts_with(name))
            .flat_map(|(_, seen)| seen.0.lock().unwrap().clone())
            .collect()
    }
}

fn table() -> BTreeSet<(String, &'static str, BTreeSet<String>)> {
    TABLE
        .iter()
        .map(|row| {
            let labels = row.labels().map(ToOwned::to_owned).collect();
            (row.name.to_owned(), row.kind.as_str(), labels)
        })
        .collect()
}

fn metrics(kept: &Arc<Kept>) -> Metrics {
    Metrics::new().recorder(Arc::clone(kept) as _)
}

/// Records of every kind, and two writes of which one is never read.
fn records() -> Vec<Record> {
    let prefix = |name: &str| Keyring::new(b"test").scope(&[name.as_bytes()]);
    let mut records = Vec::new();
    for (number, verdict) in Verdict::ALL.into_iter().enumerate() {
        let mut record = Record::default();
        record.at = Timestamp::from_secs_f64(0.5);
        record.first_byte = Some(Timestamp::from_secs_f64(1.0));
        record.ended = Timestamp::from_secs_f64(2.0);
        record.overhead = Duration::from_micros(70);
        record.provider = "anthropic".into();
        record.model = "m".into();
        record.verdict = verdict;
        record.breakpoints = 3;
        record.breakpoints_placed = 2;
        record.breakpoints_honoured = Some(1);
        record.estimated_input = 90;
        record.readable = Some(60);
        let mut usage = Usage::reported(20, 50, 10, 10, 7);
        usage.write_30m = Some(10);
        record.usage = Some(usage);
        // Amounts of which none is a whole number of nanodollars.
        record.cost = Some(Money::from_pico(1_000_000_700 + i128::from(number as u64)));
        record.cost_without_caching = Some(Money::from_pico(4_000_000_300));
        record.premium = Money::from_pico(1_000_600);
        let mut miss = Miss::new(Cause::ALL[number], 12);
        miss.cost = Some(Money::from_pico(1_500));
        record.miss = Some(miss);
        record.written = vec![(prefix(verdict.as_str()), Ttl::FiveMinutes, 10)];
        records.push(record);
    }
    records[0].skip = Some(Skip::Encoded);
    records[1].usage = None;
    records[2].cost_without_caching = None;
    records[3].resent = true;
    records[1].presumed = Some(Money::from_pico(2_000_700));
    records[4].kept_saved = Some(Money::from_pico(5_000_700));
    for (number, backend, hop) in [
        (5, "direct", None),
        (6, "direct", Some(3_000_900)),
        (7, "bedrock", None),
    ] {
        let mut attempt = Attempt::default();
        attempt.backend = backend.into();
        attempt.hop = hop.map(Money::from_pico);
        records[number].attempt = Some(Box::new(attempt));
    }
    records[7].status = 529;
    let mut errand = records[4].clone();
    errand.errand = true;
    errand.errand_kind = "create";
    errand.written.clear();
    errand.cost = Some(Money::from_pico(2_500));
    errand.cost_without_caching = Some(Money::ZERO);
    records.push(errand);
    records
}

/// Books the records as a handle would, and lets everything expire.
fn drive(metrics: &Metrics) -> Ledger {
    let mut ledger = Ledger::default();
    for record in records() {
        let settled = ledger.record(&record);
        metrics.booked(&record);
        metrics.settled(&settled);
    }
    metrics.settled(&ledger.settle(Timestamp::from_secs_f64(1e6)));
    ledger
}

#[test]
fn what_is_emitted_is_what_the_table_says() {
    let kept = Arc::new(Kept::default());
    let metrics = metrics(&kept).ledger_dropped(|| 3).at_most(1);
    drive(&metrics);
    let mut late = records().swap_remove(5);
    late.tenant = "second".into();
    metrics.booked(&late);
    assert_eq!(kept.emitted(), table());
    let described = kept.0.lock().unwrap().described.clone();
    let expected = TABLE.iter().map(|row| {
        let said = (row.kind.as_str(), row.help.to_owned());
        (row.name.to_owned(), said)
    });
    assert_eq!(described, expected.collect());
    for row in &TABLE {
        assert!(row.kind != Kind::Histogram || !row.buckets.is_empty());
    }
}

fn nano(money: Money) -> u64 {
    u64::try_from(money.as_pico() / 1000).unwrap()
}

/// What counters must show for these totals.
#[expect(clippy::too_many_lines, reason = "a table")]
fn expected(totals: &Totals) -> Vec<(&'static str, &'static str, u64)> {
    let usage = &totals.usage;
    vec![
        ("cachewright_exchanges_total", "", totals.exchanges),
        ("cachewright_verdicts_total", "", totals.exchanges),
        ("cachewright_verdicts_total", "verdict=hit", 1),
        (
            "cachewright_tokens_total",
            "kind=plain",
            usage.plain.unwrap(),
        ),
        ("cachewright_tokens_total", "kind=read", usage.read.unwrap()),
        (
            "cachewright_tokens_total",
            "kind=write_5m",
            usage.write_5m.unwrap(),
        ),
        (
            "cachewright_tokens_total",
            "kind=write_30m",
            usage.write_30m.unwrap(),
        ),
        (
            "cachewright_tokens_total",
            "kind=write_1h",
            usage.write_1h.unwrap(),
        ),
        (
            "cachewright_tokens_total",
            "kind=output",
            usage.output.unwrap(),
        ),
        ("cachewright_readable_tokens_total", "", totals.readable),
        (
            "cachewright_readable_read_tokens_total",
            "",
            totals.readable_read,
        ),
        ("cachewright_cost_nanodollars_total", "", nano(totals.cost)),
        (
            "cachewright_cost_without_caching_nanodollars_total",
            "",
            nano(totals.cost_without_caching),
        ),
        (
            "cachewright_wasted_nanodollars_total",
            "",
            nano(totals.waste),
        ),
        ("cachewright_unread_writes_total", "", 12),
        ("cachewright_errands_total", "kind=create", totals.errands),
        (
            "cachewright_errands_nanodollars_total",
            "",
            nano(totals.errands_cost),
        ),
        (
            "cachewright_pings_saved_nanodollars_total",
            "",
            nano(totals.pings_saved),
        ),
        (
            "cachewright_skipped_total",
            "reason=encoded",
            totals.skipped,
        ),
        ("cachewright_unreported_total", "", totals.unreported),
        ("cachewright_unpriced_total", "", totals.unpriced),
        ("cachewright_resent_total", "", 1),
        (
            "cachewright_presumed_nanodollars_total",
            "",
            nano(totals.presumed_cost),
        ),
        ("cachewright_attempts_total", "", totals.attempts),
        (
            "cachewright_attempts_total",
            "backend=direct,outcome=silent",
            2,
        ),
        (
            "cachewright_attempts_total",
            "backend=bedrock,outcome=overloaded",
            1,
        ),
        ("cachewright_hops_total", "backend=direct", totals.hops),
        (
            "cachewright_hops_nanodollars_total",
            "backend=direct,route=}",
            nano(totals.hops_cost),
        ),
        (
            "cachewright_breakpoints_asked_total",
            "",
            3 * totals.exchanges,
        ),
        (
            "cachewright_breakpoints_placed_total",
            "",
            2 * totals.exchanges,
        ),
        (
            "cachewright_breakpoints_honoured_total",
            "",
            totals.exchanges,
        ),
    ]
}

#[test]
fn sums_are_those_of_the_ledger() {
    let kept = Arc::new(Kept::default());
    let ledger = drive(&metrics(&kept));
    let totals = ledger.totals();
    assert_ne!(totals.cost.as_pico() % 1000, 0, "nothing was left over");
    for (name, part, expected) in expected(totals) {
        assert_eq!(kept.sum(name, part), expected, "{name} {part}");
    }
    let first = kept.sum("cachewright_misses_total", "cause=first_use");
    let all = kept.sum("cachewright_misses_total", "");
    assert_eq!(all - first, totals.misses);
    let first = kept.sum("cachewright_missed_tokens_total", "cause=first_use");
    let all = kept.sum("cachewright_missed_tokens_total", "");
    assert_eq!(all - first, totals.missed);
    let saved = i128::from(kept.gauge("cachewright_saved_nanodollars") as i64);
    assert_eq!(saved, totals.savings().as_pico() / 1000);
    let errors = kept.observed("cachewright_estimate_error_ratio");
    assert_eq!(errors, [0.1; 10]);
    assert_eq!(
        kept.observed("cachewright_overhead_seconds"),
        [0.000_07; 12]
    );
    assert_eq!(kept.observed("cachewright_first_byte_seconds"), [0.5; 12]);
    let of_attempts = kept.observed("cachewright_attempt_first_byte_seconds");
    assert_eq!(of_attempts, [0.5; 3]);
    assert_eq!(
        (totals.attempts, totals.hops, totals.presumed),
        (3, 1, 1),
        "each was there to be counted"
    );
    assert_eq!(totals.pings_saved, Money::from_pico(5_000_700));
    assert_eq!(kept.observed("cachewright_duration_seconds"), [1.5; 12]);
}

#[test]
fn a_million_small_amounts_are_counted_to_the_nanodollar() {
    let kept = Arc::new(Kept::default());
    let metrics = metrics(&kept);
    let mut record = Record::default();
    record.usage = Some(Usage::reported(1, 0, 0, 0, 0));
    // A token of the cheapest model costs less than a nanodollar.
    record.cost = Some(Money::from_pico(333));
    record.cost_without_caching = Some(Money::from_pico(999));
    for _ in 0..1_000_000 {
        metrics.booked(&record);
    }
    assert_eq!(kept.sum("cachewright_cost_nanodollars_total", ""), 333_000);
    assert_eq!(kept.gauge("cachewright_saved_nanodollars"), 666_000.0);
}

#[test]
fn labels_are_bounded_and_say_so() {
    let kept = Arc::new(Kept::default());
    let metrics = metrics(&kept);
    let mut record = Record::default();
    for number in 0..250 {
        record.tenant = format!("tenant-{number}").into();
        metrics.booked(&record);
    }
    record.tenant = "tenant-7".into();
    metrics.booked(&record);
    let name = "cachewright_exchanges_total";
    assert_eq!(kept.sum(name, "tenant=tenant-7}"), 2);
    assert_eq!(kept.sum(name, "tenant=tenant-99}"), 1);
    assert_eq!(kept.sum(name, "tenant=tenant-100}"), 0);
    assert_eq!(kept.sum(name, "tenant=other}"), 150);
    let overflow = "cachewright_label_overflow_total";
    assert_eq!(kept.sum(overflow, "label=tenant"), 150);
    assert_eq!(kept.sum(overflow, ""), 150);
    // Few values of each, and too many sets of them.
    for number in 0..10_000_u32 {
        record.model = format!("model-{}", number % 90).into();
        record.route = format!("route-{}", number / 90 % 90).into();
        metrics.booked(&record);
    }
    let books = kept.0.lock().unwrap();
    let sets = books.names.values().filter(|(of, _)| of == name).count();
    assert_eq!(sets, 1001, "a thousand sets, and one for the others");
    drop(books);
    assert!(kept.sum(overflow, "label=set") > 0);
    assert_eq!(kept.sum(name, ""), 10_251);
}

#[test]
fn backends_are_bounded_as_other_labels_are() {
    let kept = Arc::new(Kept::default());
    let metrics = metrics(&kept).at_most(2);
    let mut record = Record::default();
    for number in 0..5 {
        let mut attempt = Attempt::default();
        attempt.backend = format!("backend-{number}").into();
        record.attempt = Some(Box::new(attempt));
        metrics.booked(&record);
    }
    let name = "cachewright_attempts_total";
    assert_eq!(kept.sum(name, "backend=backend-1,"), 1);
    assert_eq!(kept.sum(name, "backend=backend-2,"), 0);
    assert_eq!(kept.sum(name, "backend=other,"), 3);
    let overflow = "cachewright_label_overflow_total";
    assert_eq!(kept.sum(overflow, "label=backend"), 3);
    // Nothing of routes is shown where no route decided.
    let plain = Arc::new(Kept::default());
    Metrics::new()
        .recorder(Arc::clone(&plain) as _)
        .booked(&Record::default());
    let books = plain.0.lock().unwrap();
    let routed = |name: &str| {
        ["attempt", "hops", "presumed"]
            .iter()
            .any(|one| name.contains(one))
    };
    assert!(!books.names.values().any(|(name, _)| routed(name)));
}

/// A clock that a test moves.
#[derive(Clone, Debug, Default)]
struct Hands(Arc<AtomicI64>);

impl Clock for Hands {
    // Every look at it takes 20 microseconds.
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(20, Ordering::SeqCst))
    }
}

type Sender = Client<HttpConnector, RequestBody<Full<Bytes>>>;

fn post(url: &str, body: String) -> Request<Full<Bytes>> {
    let mut request = Request::post(url)
        .header("content-type", "application/json")
        .header("x-api-key", SECRET)
        .body(Full::new(body.into()))
        .unwrap();
    request.extensions_mut().insert(Tenant("team-a".into()));
    request
}

async fn send(cache: &Cachewright, origin: &Origin, body: String) {
    let client: Sender = Client::builder(TokioExecutor::new()).build_http();
    let sent = cache.wrap(client).call(post(&origin.url(), body)).await;
    sent.unwrap().into_body().collect().await.unwrap();
}

/// The answer of a model that no row names.
const UNPRICED: &str =
    r#"{"type":"message","model":"unheard-of","usage":{"input_tokens":3,"output_tokens":2}}"#;

#[tokio::test]
async fn traffic_through_the_layer_is_counted() {
    let (kept, hands) = (Arc::new(Kept::default()), Hands::default());
    let cache = builder()
        .clock(hands.clone())
        .observer(Arc::new(metrics(&kept)))
        .build()
        .unwrap();
    let messages = Origin::of_messages(Protocol::Http1).await;
    send(&cache, &messages, body()).await;
    send(&cache, &messages, "not json".into()).await;
    let unknown = Origin::start(Protocol::Http1, || json(200, UNPRICED)).await;
    let other = body().replace("claude-sonnet-4-5", "unheard-of");
    send(&cache, &unknown, other).await;
    let silent = Origin::start(Protocol::Http1, || json(200, "{\"type\":\"message\"}")).await;
    send(&cache, &silent, body()).await;
    let refusing = Origin::start(Protocol::Http1, || json(400, "{\"type\":\"error\"}")).await;
    send(&cache, &refusing, body()).await;
    hands.0.fetch_add(3_600_000_000, Ordering::SeqCst);
    let totals = cache.totals();
    assert!(MESSAGE.contains("\"cache_creation_input_tokens\":20000"));
    for (name, part, expected) in [
        ("cachewright_exchanges_total", "", 5),
        ("cachewright_exchanges_total", "tenant=team-a", 5),
        ("cachewright_exchanges_total", "model=claude-sonnet-4.5", 4),
        ("cachewright_skipped_total", "reason=not_json", 1),
        ("cachewright_unpriced_total", "", totals.unpriced),
        ("cachewright_unreported_total", "", totals.unreported),
        ("cachewright_resent_total", "", 1),
        ("cachewright_unread_writes_total", "", 1),
    ] {
        assert_eq!(kept.sum(name, part), expected, "{name} {part}");
    }
    assert!(totals.unpriced > 0 && totals.unreported > 0 && totals.waste > Money::ZERO);
    let wasted = kept.sum("cachewright_wasted_nanodollars_total", "");
    assert_eq!(i128::from(wasted), totals.waste.as_pico() / 1000);
    assert!(kept.sum("cachewright_breakpoints_placed_total", "") > 0);
    times_are_kept(&kept, &cache);
    labels_are_names(&kept);
}

fn times_are_kept(kept: &Kept, cache: &Cachewright) {
    // Every piece of our work is between two looks at the clock, and waiting is between none.
    let overhead = kept.observed("cachewright_overhead_seconds");
    assert_eq!(overhead.len(), 5);
    assert!(
        overhead
            .iter()
            .all(|spent| (0.000_06..0.001).contains(spent)),
        "{overhead:?}"
    );
    let of_records: Vec<f64> = cache
        .records()
        .iter()
        .map(|one| one.overhead.as_secs_f64())
        .collect();
    assert_eq!(
        sorted(overhead),
        sorted(of_records),
        "the record says what the metric says"
    );
    let (first, all) = (
        kept.observed("cachewright_first_byte_seconds"),
        kept.observed("cachewright_duration_seconds"),
    );
    assert_eq!((first.len(), all.len()), (5, 5));
    assert!(first.iter().sum::<f64>() > 0.0 && all.iter().sum::<f64>() > first.iter().sum());
}

fn labels_are_names(kept: &Kept) {
    let books = kept.0.lock().unwrap();
    let allowed: BTreeSet<&str> = LABELS
        .into_iter()
        .chain(TABLE.iter().map(|row| row.by))
        .collect();
    for (_, labels) in books.names.values() {
        assert!(labels.iter().all(|label| allowed.contains(&**label)));
    }
}

fn sorted(mut numbers: Vec<f64>) -> Vec<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers
}
