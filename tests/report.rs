//! `report`, `ledger` and `explain ID` over a ledger, and the proxy that writes one.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::type_complexity,
    clippy::wildcard_enum_match_arm,
    reason = "a table of cases, and a format's types of which few are written"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cachewright::adapter::store::{COLUMNS, Query, Store, StoreOptions};
use cachewright::ledger::{Id, Record, Verdict};
use cachewright::model::{Cause, Digest, Miss, Money, Pattern, Place, Section, Timestamp, Usage};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;

use crate::support::serving::Serving;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cachewright"));
    command
        .args(args)
        .env("NO_COLOR", "1")
        .env("TZ", "UTC")
        .env("COLUMNS", "80");
    command.env_remove("CACHEWRIGHT_LEDGER");
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn said(args: &[&str]) -> String {
    let output = run(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&said(args)).unwrap()
}

/// 2026-09-21T13:00:00Z and one exchange a minute.
const START: i64 = 1_789_995_600_000_000;

fn record(number: u64) -> Record {
    let mut record = Record::default();
    record.id = Id { run: 46655, number };
    record.at = Timestamp::from_micros(START + i64::try_from(number).unwrap() * 60_000_000);
    record.ended = record.at;
    record.provider = "anthropic".into();
    record.model = "claude-sonnet-4.5".into();
    record.route = if number.is_multiple_of(2) {
        "support"
    } else {
        ""
    }
    .into();
    record.status = 200;
    record.verdict = Verdict::Hit;
    record.usage = Some(Usage::reported(100, 8000, 0, 0, 50));
    record.readable = Some(10_000);
    record.estimated_input = 8100;
    record.cost = Some(Money::from_pico(1_000_000_000_000));
    record.cost_without_caching = Some(Money::from_pico(3_000_000_000_000));
    record
}

/// A ledger of 200 exchanges: one in ten missed by a clock in the system prompt, two have no usage,
/// one has no price.
fn ledger(dir: &Path) -> String {
    let path = dir.join("ledger.db").display().to_string();
    let store = Store::open(StoreOptions::at(&path).unwrap()).unwrap();
    let observer = store.observer();
    for number in 1..=200 {
        let mut record = record(number);
        if number.is_multiple_of(10) {
            let mut miss = Miss::new(Cause::Volatile, 2000);
            miss.cost = Some(Money::from_pico(40_000_000_000));
            miss.pattern = Some(Pattern::Timestamp);
            let mut place = Place::new(Section::System, 3, 120, "/system/0/text");
            place.excerpts = Some(["It is 09:14".into(), "It is 09:15".into()]);
            miss.place = Some(place);
            record.miss = Some(miss);
            record.verdict = Verdict::Partial;
        }
        match number {
            7 | 8 => record.usage = None,
            9 => record.cost = None,
            _ => {}
        }
        observer.booked(&record);
    }
    store.flush().unwrap();
    path
}

#[test]
fn the_story_comes_first_and_fits_the_screen() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let text = said(&["report", "--ledger", &ledger, "--by", "route"]);
    for part in [
        "200 exchanges from 2026-09-21 13:01 to 2026-09-21 16:20",
        "Caching saved $394.00 (66.7 %)",
        "Wasted: $0.0000 on 0 writes",
        "Could save: $0.8000 more",
        "98.8 % of all input tokens",
        "80.0 % of what could have been read",
        "(none)",
        "support",
        "volatile_text",
        "partial",
        "/system/0/text byte 120",
        "looks like a timestamp",
        "was “It is 09:14”, is “It is 09:15”",
        "2 exchanges without reported usage",
        "1 exchange with models that have no price",
    ] {
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(part), "{part} in\n{text}");
    }
    let story = text.find("Caching saved").unwrap();
    assert!(story < text.find("By route").unwrap());
    for line in text.lines().filter(|line| !line.contains(&ledger)) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn every_form_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let all = json(&["report", "--ledger", &ledger, "--json"]);
    let total = &all["total"];
    assert_eq!(total["exchanges"], 200);
    assert_eq!(total["cost"]["picodollars"], 197_000_000_000_000_i64);
    assert_eq!(total["cost"]["usd"], "197.000000000000");
    assert_eq!(total["write_30m_tokens"], Value::Null);
    assert_eq!(all["by"]["route"].as_array().unwrap().len(), 2);
    assert_eq!(all["causes"][0]["cause"], "volatile_text");
    assert_eq!(all["worst"][0]["excerpts"][1], "It is 09:15");
    assert_eq!(all["verdicts"]["hit"], 180);
    assert_eq!(all["from"], "2026-09-21T13:01:00.000000Z");
    let csv = said(&["report", "--ledger", &ledger, "--csv", "--by", "route"]);
    assert_eq!(csv.lines().count(), 3);
    let first: Vec<&str> = csv.lines().nth(1).unwrap().split(',').collect();
    let same = all["by"]["route"].as_array().unwrap().iter();
    let same = { same }.find(|row| row["route"] == first[0]).unwrap();
    assert_eq!(same["exchanges"].to_string(), first[1]);
    assert_eq!(same["cost"]["usd"], first[13]);
    let md = said(&["report", "--ledger", &ledger, "--md"]);
    assert!(
        md.contains("Caching saved $394.00") && md.contains("| claude-sonnet-4.5 |"),
        "{md}"
    );
    let page = dir.path().join("r.html").display().to_string();
    said(&["report", "--ledger", &ledger, "--html", &page]);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.to_lowercase().starts_with("<!doctype html>") && page.contains("394.00"));
}

#[test]
fn what_pings_cost_and_saved_is_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("ledger.db").display().to_string();
    let store = Store::open(StoreOptions::at(&ledger).unwrap()).unwrap();
    let observer = store.observer();
    let mut ping = record(1);
    ping.errand = true;
    ping.errand_kind = "ping";
    ping.cost = Some(Money::from_pico(250_000_000_000));
    ping.cost_without_caching = Some(Money::ZERO);
    let mut call = record(3);
    call.kept_saved = Some(Money::from_pico(750_000_000_000));
    observer.booked(&ping);
    observer.booked(&call);
    store.flush().unwrap();
    let said_as = |form: &str| said(&["report", "--ledger", &ledger, form]);
    let total = &json(&["report", "--ledger", &ledger, "--json"])["total"];
    let csv = said_as("--csv");
    let mut lines = csv.lines().map(|line| line.split(','));
    let (names, cells) = (lines.next().unwrap(), lines.next().unwrap());
    let cells: BTreeMap<&str, &str> = names.zip(cells).collect();
    assert_eq!(total["pings"].to_string(), cells["pings"]);
    assert_eq!(total["pings_cost"]["usd"], cells["pings_cost_usd"]);
    assert_eq!(total["pings_saved"]["usd"], cells["pings_saved_usd"]);
    assert_eq!(cells["pings_saved_usd"], "0.750000000000");
    assert!(said_as("--md").contains("Pings: 1 ping cost $0.2500"));
    let page = dir.path().join("r.html").display().to_string();
    said(&["report", "--ledger", &ledger, "--html", &page]);
    let page = std::fs::read_to_string(page).unwrap();
    let figure = page.split("<h2>Saved by pings</h2>").nth(1).unwrap();
    let figure = figure.split("</div>").next().unwrap();
    for part in ["$0.7500", "at most", "1 ping", "$0.2500"] {
        assert!(figure.contains(part), "{part} in {figure}");
    }
}

#[test]
fn a_time_is_told_by_span_or_date() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let count = |args: &[&str]| {
        let mut all = vec!["report", "--ledger", &ledger, "--json"];
        all.extend(args);
        json(&all)["total"]["exchanges"].clone()
    };
    assert_eq!(count(&["--since", "2026-09-21T14:00:00Z"]), 141);
    assert_eq!(
        count(&["--since", "2026-09-21T13:30", "--until", "2026-09-21T13:40"]),
        10
    );
    assert_eq!(count(&["--until", "2026-09-21"]), 0);
    assert_eq!(count(&["--since", "2026-09-21"]), 200);
    assert_eq!(run(&["report", "--since", "soon"]).status.code(), Some(2));
}

#[test]
fn where_there_is_no_ledger_it_is_said_how_to_get_one() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(&["report"])
        .env("XDG_STATE_HOME", dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    let path = dir
        .path()
        .join("cachewright/ledger.db")
        .display()
        .to_string();
    assert!(
        text.contains(&path) && text.contains("cachewright proxy"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let junk = dir.path().join("junk.db");
    std::fs::write(&junk, "this is no database, and never was one".repeat(200)).unwrap();
    let output = run(&["report", "--ledger", junk.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("junk.db")
    );
}

#[test]
fn an_export_has_every_row_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let export = |form: &str, more: &[&str]| {
        let mut args = vec!["ledger", "export", "--ledger", &ledger, "--format", form];
        args.extend(more);
        said(&args)
    };
    let lines: Vec<Value> = export("jsonl", &[])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 200);
    assert_eq!(
        (&lines[9]["number"], &lines[9]["miss_byte"]),
        (&10.into(), &120.into())
    );
    assert_eq!(
        (&lines[6]["reported"], &lines[6]["read_tokens"]),
        (&false.into(), &Value::Null)
    );
    assert_eq!(lines[0]["id"], record(1).id.to_string());
    let text = export("csv", &["--since", "2026-09-21T14:00:00Z"]);
    let mut table = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(table.headers().unwrap().len(), COLUMNS.len() + 1);
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 141);
    let file = dir.path().join("l.parquet");
    export("parquet", &["-o", file.to_str().unwrap()]);
    let reader = SerializedFileReader::new(std::fs::File::open(&file).unwrap()).unwrap();
    let rows: Vec<_> = reader
        .get_row_iter(None)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows.len(), 200);
    for (row, line) in rows.iter().zip(&lines) {
        for (name, field) in row.get_column_iter() {
            let same = match field {
                Field::Null => line[name].is_null(),
                Field::Bool(on) => line[name] == *on,
                Field::Long(number) | Field::TimestampMicros(number) => line[name] == *number,
                Field::Str(text) => line[name] == text.as_str(),
                other => panic!("{name}: {other:?}"),
            };
            assert!(same, "{name}: {field:?} and {}", line[name]);
        }
        assert_eq!(row.get_column_iter().count(), COLUMNS.len() + 1);
    }
    let schema = reader.metadata().file_metadata().schema_descr();
    assert_eq!(schema.num_columns(), COLUMNS.len() + 1);
}

#[test]
fn a_reader_of_an_export_may_go_away() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    for form in ["jsonl", "csv", "parquet"] {
        let args = ["ledger", "export", "--ledger", &ledger, "--format", form];
        let mut child = command(&args).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert!(child.wait().unwrap().success(), "{form}");
    }
}

#[test]
fn an_exchange_is_explained_from_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let id = record(10).id.to_string();
    let text = said(&["explain", &id, "--ledger", &ledger]);
    for part in [
        id.as_str(),
        "claude-sonnet-4.5 at anthropic",
        "text that differs from call to call",
        "2,000 tokens, $0.0400 above the price of a read",
        "/system/0/text at byte 120",
        "- It is 09:14",
        "+ It is 09:15",
        "it looks like a timestamp",
        "→ move it to the end",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let all = json(&["explain", &id, "--ledger", &ledger, "--json"]);
    assert_eq!(all["miss"]["cause"], "volatile_text");
    assert_eq!(all["miss"]["place"]["byte"], 120);
    let fine = said(&["explain", &record(1).id.to_string(), "--ledger", &ledger]);
    assert!(fine.contains("no miss"), "{fine}");
    let absent = run(&["explain", "zz-1", "--ledger", &ledger]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(String::from_utf8(absent.stderr).unwrap().contains("zz-1"));
    assert_eq!(
        run(&["explain", "what?", "--ledger", &ledger])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn info_tells_how_much_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let text = said(&["ledger", "info", "--ledger", &ledger]);
    assert!(
        text.contains("rows    200") && text.contains("dropped 0"),
        "{text}"
    );
    let all = json(&["ledger", "info", "--ledger", &ledger, "--json"]);
    assert_eq!((&all["rows"], &all["summed"]), (&200.into(), &200.into()));
    assert!(all["bytes"].as_u64().unwrap() > 50_000);
    for args in [
        &["ledger", "--help"][..],
        &["report", "--help"],
        &["ledger", "export", "--help"],
    ] {
        assert!(said(args).contains("Examples:"));
    }
}

/// A proxy before a simulator.
struct Pair {
    _sim: Serving,
    proxy: Serving,
    _settings: tempfile::TempDir,
}

fn pair(args: &[&str], more: &str, prepare: impl FnOnce(&mut Command)) -> Pair {
    let sim = Serving::start(&["sim", "--listen", "127.0.0.1:0"], |_| {});
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("c.toml");
    let text = format!(
        "{more}\n[upstreams.anthropic]\nbase_url = \"{}\"\n",
        sim.url
    );
    std::fs::write(&settings, text).unwrap();
    let mut all = vec!["proxy", "--port", "0", "--grace", "1s", "--config"];
    let settings = settings.display().to_string();
    all.push(&settings);
    all.extend(args);
    let proxy = Serving::start(&all, prepare);
    Pair {
        _sim: sim,
        proxy,
        _settings: dir,
    }
}

async fn ask(base: &str, number: usize) -> Result<u16, reqwest::Error> {
    let prose = "The crown jewels are kept in the tower. ".repeat(400);
    let body = serde_json::json!({
        "model": "claude-sonnet-4-5", "max_tokens": 10, "system": prose,
        "messages": [{"role": "user", "content": format!("question {number}")}],
    });
    let request = reqwest::Client::new().post(format!("{base}/v1/messages"));
    let request = request
        .header("x-api-key", "sk-secret-of-the-caller")
        .json(&body);
    let response = request.send().await?;
    let status = response.status().as_u16();
    response.bytes().await?;
    Ok(status)
}

#[tokio::test]
async fn the_proxy_keeps_a_ledger_that_outlives_it() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    for _ in 0..2 {
        let pair = pair(&[], "", |command| {
            command.env("XDG_STATE_HOME", &state);
        });
        for _ in 0..2 {
            assert_eq!(ask(&pair.proxy.url, 1).await.unwrap(), 200);
        }
        let told = pair.proxy.end();
        let file = state.join("cachewright/ledger.db");
        assert!(
            told.contains(&format!("ledger: {}", file.display())),
            "{told}"
        );
    }
    let file = state.join("cachewright/ledger.db");
    let store = Store::existing(StoreOptions::at(file.to_str().unwrap()).unwrap()).unwrap();
    let mut first = BTreeMap::new();
    let read = store.rows(&Query::default(), |row| {
        let prefixes: Vec<Digest> = row.record.written.iter().map(|one| one.0).collect();
        first.entry(row.record.id.run).or_insert(prefixes);
        Ok::<(), cachewright::error::Error>(())
    });
    read.unwrap();
    let [one, other] = &first.into_values().collect::<Vec<_>>()[..] else {
        panic!("two runs");
    };
    // One secret for all runs: what both wrote has one name.
    assert!(!one.is_empty() && one == other, "{one:?} {other:?}");
    let story = store.story(&Query::default()).unwrap();
    assert_eq!(story.total.exchanges, 4);
    let report = command(&["report"])
        .env("XDG_STATE_HOME", &state)
        .output()
        .unwrap();
    assert!(
        String::from_utf8(report.stdout)
            .unwrap()
            .contains("4 exchanges")
    );
    for file in std::fs::read_dir(state.join("cachewright")).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        for secret in ["crown jewels", "question 1", "sk-secret"] {
            let found = content
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{secret}");
        }
    }
}

#[tokio::test]
async fn the_ledger_is_where_the_user_wants_it_or_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let state = dir.path().join("state");
    let unset = |command: &mut Command| {
        command.env("XDG_STATE_HOME", &state);
    };
    let table = format!("[ledger]\npath = \"{}\"", at("config.db"));
    let off = "[ledger]\nenabled = false";
    let (flag, variable) = (at("flag.db"), at("variable.db"));
    let cases: [(&[&str], &str, Option<&str>, Option<String>); 5] = [
        (
            &["--ledger", &flag],
            &table,
            Some(&variable),
            Some(flag.clone()),
        ),
        (&[], &table, Some(&variable), Some(variable.clone())),
        (&[], &table, None, Some(at("config.db"))),
        (&[], off, None, None),
        (&["--no-ledger"], &table, None, None),
    ];
    for (args, config, env, expected) in cases {
        let pair = pair(args, config, |command| {
            unset(command);
            if let Some(env) = env {
                command.env("CACHEWRIGHT_LEDGER", env);
            }
        });
        assert_eq!(ask(&pair.proxy.url, 1).await.unwrap(), 200);
        let told = pair.proxy.end();
        let line = format!("ledger: {}", expected.as_deref().unwrap_or("none"));
        assert!(told.contains(&line), "{line} in {told}");
        if let Some(path) = expected {
            assert_eq!(
                json(&["ledger", "info", "--ledger", &path, "--json"])["rows"],
                1
            );
            std::fs::remove_file(path).unwrap();
        }
        assert!(!state.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_killed_under_load_leaves_a_whole_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db").display().to_string();
    let mut kept = 0;
    for _ in 0..3 {
        let pair = pair(&["--ledger", &path], "", |_| {});
        let url = pair.proxy.url.clone();
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let url = url.clone();
                tokio::spawn(async move {
                    let mut answered = 0_u64;
                    while ask(&url, client).await.is_ok() {
                        answered += 1;
                    }
                    answered
                })
            })
            .collect();
        // In the middle of its work, once something of this run is committed.
        let before = kept;
        let fault = std::time::Duration::from_secs(60);
        let committed = tokio::time::timeout(fault, async {
            while kept <= before {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                kept = rows(&path);
            }
        });
        committed.await.unwrap();
        // Dropping it kills it.
        drop(pair.proxy);
        let mut answered = 0;
        for client in clients {
            answered += client.await.unwrap();
        }
        let there = rows(&path);
        assert!(
            there >= kept && there <= before + answered + 4,
            "{kept} {there} {answered}"
        );
        kept = there;
    }
    let report = json(&["report", "--ledger", &path, "--json"]);
    assert_eq!(report["total"]["exchanges"], kept);
    let check = tokio::task::spawn_blocking(move || crate::store::integrity(Path::new(&path)));
    assert_eq!(check.await.unwrap(), "ok");
}

fn rows(path: &str) -> u64 {
    let store = Store::existing(StoreOptions::at(path).unwrap());
    store
        .and_then(|store| store.info())
        .map_or(0, |info| info.rows)
}

/// For whoever looks for the files of a ledger.
#[test]
fn a_ledger_is_one_database_and_its_secret() {
    let dir = tempfile::tempdir().unwrap();
    ledger(dir.path());
    let files = std::fs::read_dir(dir.path()).unwrap();
    let names: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    assert_eq!(names, [dir.path().join("ledger.db")]);
}
