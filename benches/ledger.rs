//! What the ledger costs the calls it records: the same call with and without it in one run, 5,000
//! exchanges a second for some seconds, and the highest rate.
//!
//! `cargo bench --bench ledger`; `-- --quick` takes fewer samples, `-- --rows 10000000 [--file
//! FILE]` fills a ledger with that many rows (unless the file has them already) and times reports.

#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![expect(clippy::float_arithmetic, reason = "ratios of durations")]
#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::convert::Infallible;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::store::{Query, Store, StoreOptions};
use cachewright::adapter::tower::RequestBody;
use cachewright::ledger::{Id, Record, Verdict};
use cachewright::model::{Cause, Keyring, Miss, Money, Place, Section, Timestamp, Ttl, Usage};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::{Service as _, service_fn};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1).cloned()
    };
    if let Some(rows) = value("--rows") {
        let file = value("--file").map(PathBuf::from);
        return reports(rows.parse().unwrap(), file);
    }
    let quick = args.iter().any(|arg| arg == "--quick");
    let dir = tempfile::tempdir().unwrap();
    latency(dir.path(), if quick { 500 } else { 4000 });
    sustained(dir.path(), if quick { 2 } else { 8 });
    most(dir.path(), if quick { 40_000 } else { 200_000 });
}

fn open(path: &Path) -> Store {
    let options = StoreOptions::at(path.to_str().unwrap()).unwrap();
    Store::open(options.queue(16_384)).unwrap()
}

const ANSWER: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"cache_creation_input_tokens":300,"cache_read_input_tokens":9000,"output_tokens":2}}"#;

async fn answer(
    request: Request<RequestBody<Full<Bytes>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    drop(request);
    let response = Response::builder().header("content-type", "application/json");
    Ok(response.body(Full::from(ANSWER)).unwrap())
}

/// A call in process through the layer, with and without a ledger, by turns; both handles hold the
/// same conversations.
fn latency(dir: &Path, samples: usize) {
    println!("body bytes  without µs  with µs  ratio (bar 1.05)");
    for size in [10_000, 100_000] {
        let store = open(&dir.join(format!("latency-{size}.db")));
        let plain = Cachewright::builder().build().unwrap();
        let kept = Cachewright::builder().ledger(&store).build().unwrap();
        let mut services = [plain, kept].map(|cache| cache.wrap(service_fn(answer)));
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let mut times = [Vec::new(), Vec::new()];
        for number in 0..samples {
            let body = body(size, number);
            // Whoever comes first finds colder caches of the processor.
            for turn in 0..2 {
                let which = (turn + number) % 2;
                let (Some(service), Some(times)) = (services.get_mut(which), times.get_mut(which))
                else {
                    continue;
                };
                let request = Request::post("https://api.anthropic.com/v1/messages")
                    .header("content-type", "application/json")
                    .header("x-api-key", "sk-bench")
                    .body(Full::new(body.clone()))
                    .unwrap();
                let begun = Instant::now();
                runtime.block_on(async {
                    let response = service.call(request).await.unwrap();
                    response.into_body().collect().await.unwrap();
                });
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
        }
        let [without, with] = times.map(median);
        println!(
            "{size:>10} {without:>11.1} {with:>8.1} {:>6.3}",
            with / without
        );
        store.flush().unwrap();
        assert_eq!(store.health().written, samples as u64);
    }
}

/// 5,000 exchanges a second, in even steps.
fn sustained(dir: &Path, seconds: u64) {
    let store = open(&dir.join("sustained.db"));
    let observer = store.observer();
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    let mut number = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let due = begun.elapsed().as_secs_f64() * 5000.0;
        while (number as f64) < due {
            number += 1;
            let record = synthetic(number, 1);
            let booking = Instant::now();
            observer.booked(&record);
            longest = longest.max(booking.elapsed());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let rate = number as f64 / begun.elapsed().as_secs_f64();
    store.flush().unwrap();
    let health = store.health();
    println!(
        "\n{rate:.0} exchanges a second for {seconds} s: {} written, {} dropped, longest booking {:.0} µs",
        health.written,
        health.dropped,
        longest.as_secs_f64() * 1e6
    );
}

/// As fast as rows can be written, without letting the queue run over.
fn most(dir: &Path, rows: u64) {
    let store = open(&dir.join("most.db"));
    let begun = Instant::now();
    fill(&store, (0, rows), 1);
    let rate = rows as f64 / begun.elapsed().as_secs_f64();
    let dropped = store.dropped();
    println!("at most {rate:.0} exchanges a second ({rows} rows, {dropped} dropped)");
}

fn fill(store: &Store, (from, until): (u64, u64), step: u64) {
    let observer = store.observer();
    for number in from..until {
        observer.booked(&synthetic(number + 1, step));
        if number.is_multiple_of(8000) {
            store.flush().unwrap();
        }
    }
    store.flush().unwrap();
}

/// Reports over many rows, by the library and by the command.
fn reports(rows: u64, file: Option<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let file = file.unwrap_or_else(|| dir.path().join("ledger.db"));
    let store = open(&file);
    let there = store.info().unwrap().rows;
    // Thirty days.
    let step = 30 * 86_400_000_000 / rows;
    let begun = Instant::now();
    if there < rows {
        fill(&store, (there, rows), step);
        let rate = (rows - there) as f64 / begun.elapsed().as_secs_f64();
        println!(
            "filled at {rate:.0} rows a second, {} dropped",
            store.dropped()
        );
    }
    let size = std::fs::metadata(&file).unwrap().len();
    println!("{rows} rows, {:.2} GB", size as f64 / 1e9);
    let end = Timestamp::from_micros(START + 30 * 86_400_000_000);
    let week = Timestamp::from_micros(end.as_micros() - 7 * 86_400_000_000 - 1_234_567_890);
    for (what, query) in [
        ("everything", Query::default()),
        (
            "seven days from within an hour",
            Query::default().since(week),
        ),
    ] {
        let begun = Instant::now();
        let story = store.story(&query).unwrap();
        let took = begun.elapsed().as_secs_f64();
        println!(
            "story over {what}: {took:.2} s, {} exchanges",
            story.total.exchanges
        );
    }
    let path = file.display().to_string();
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cachewright"));
    let command = command
        .args(["report", "--ledger", &path])
        .stdout(Stdio::null());
    assert!(command.status().unwrap().success());
    println!("cachewright report: {:.2} s", begun.elapsed().as_secs_f64());
}

const START: i64 = 1_790_000_000_000_000;

/// An exchange of a service with 20 tenants, 5 routes and 3 models.
fn synthetic(number: u64, step: u64) -> Record {
    let pick = |of: u64| (number.wrapping_add(of << 40)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let keyring = Keyring::new(b"bench");
    let digest = |kind: &str, of: u64| Some(keyring.scope(&[kind.as_bytes(), &of.to_le_bytes()]));
    let mut record = Record::default();
    record.id = Id { run: 1, number };
    let passed = i64::try_from(number.saturating_mul(step)).unwrap();
    record.at = Timestamp::from_micros(START + passed);
    record.first_byte = Some(record.at.plus(Duration::from_millis(700)));
    record.ended = record.at.plus(Duration::from_millis(5000));
    record.overhead = Duration::from_micros(60 + pick(1) % 40);
    record.provider = "anthropic".into();
    record.dialect = "messages".into();
    let route = pick(2) % 5;
    record.model = ["claude-sonnet-4.5", "claude-opus-4.5", "claude-haiku-4.5"]
        .get(usize::try_from(route % 3).unwrap())
        .copied()
        .unwrap_or_default()
        .into();
    record.model_known = true;
    record.route = format!("route-{route}").into();
    record.tenant = format!("tenant-{}", pick(3) % 20).into();
    record.status = 200;
    record.complete = true;
    let read = pick(4) % 60_000;
    record.usage = Some(Usage::reported(
        pick(5) % 3000,
        read,
        pick(6) % 4000,
        0,
        pick(7) % 900,
    ));
    record.cost = Some(Money::from_pico(i128::from(pick(8) % 90_000_000_000)));
    record.cost_without_caching = Some(Money::from_pico(i128::from(pick(9) % 300_000_000_000)));
    record.premium = Money::from_pico(i128::from(pick(10) % 3_000_000_000));
    record.estimated_input = read + pick(11) % 5000;
    record.readable = Some(read + pick(12) % 8000);
    record.predicted_read = Some(read);
    record.breakpoints = 4;
    record.breakpoints_placed = 4;
    record.breakpoints_honoured = Some(3);
    record.verdict = match pick(13) % 10 {
        0 => Verdict::Written,
        1 => Verdict::Partial,
        _ => Verdict::Hit,
    };
    record.scope = digest("scope", 1);
    record.lineage = digest("talk", number / 20);
    record.ends = [
        digest("tools", route),
        digest("system", route),
        digest("request", number),
    ];
    record.read_prefix = digest("request", number.saturating_sub(1));
    record.written = digest("request", number)
        .map(|prefix| (prefix, Ttl::FiveMinutes, read + 2000))
        .into_iter()
        .collect();
    record.miss = pick(14).is_multiple_of(8).then(|| miss(&pick));
    record
}

fn miss(pick: &impl Fn(u64) -> u64) -> Miss {
    let cause = Cause::ALL.get(usize::try_from(pick(15) % 17).unwrap());
    let mut miss = Miss::new(cause.copied().unwrap_or(Cause::Unknown), pick(16) % 20_000);
    miss.cost = Some(Money::from_pico(i128::from(pick(17) % 20_000_000_000)));
    let pointer = format!("/messages/{}/content/0", pick(18) % 60);
    miss.place = Some(Place::new(Section::Messages, 9, 120, pointer));
    miss
}

/// A coding agent's request of about `size` bytes; its last turn tells which it is.
fn body(size: usize, number: usize) -> Bytes {
    let mut text = String::from(
        r#"{"model":"claude-sonnet-4-5","max_tokens":4096,"system":"You are a coding agent.","messages":[{"role":"user","content":"Fix the failing test."}"#,
    );
    let mut turn = 0;
    while text.len() + 1200 < size {
        let code = format!("    let value_{turn} = read(&path)?;\\n").repeat(24);
        write!(text, r#",{{"role":"assistant","content":"Reading {turn}."}},{{"role":"user","content":"{code}"}}"#).unwrap();
        turn += 1;
    }
    write!(text, r#",{{"role":"assistant","content":"Next."}},{{"role":"user","content":"Go on with step {number}."}}]}}"#).unwrap();
    text.into()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}
