//! Logs that people already have: billed tokens, dollars, causes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use cachewright::adapter::audit::{Audit, Evidence, Report, Watch};
use cachewright::error::Error;
use cachewright::model::{Cause, Money, Usage};
use cachewright::provider::Catalog;
use serde_json::{Value, json};

use crate::support::recordings::recorded_exchanges;
use crate::workload::recordings;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/audit")
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Watch for Faults {
    fn fault(&mut self, fault: &Error) {
        self.0.push(fault.to_string());
    }
}

fn audit(path: &Path) -> (Report, Vec<String>) {
    let mut audit = Audit::new(Arc::new(Catalog::builtin()));
    let mut faults = Faults::default();
    audit.read(&[path], &mut faults);
    (audit.finish(), faults.0)
}

fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Misses and tokens of one cause.
fn missed(report: &Report, cause: Cause) -> (u64, u64) {
    let sums = report.story.causes.iter();
    let mut sums = sums.filter(|sum| sum.cause == cause);
    sums.next().map_or((0, 0), |sum| (sum.misses, sum.tokens))
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    let mut unpacked = liblzma::read::XzDecoder::new(file);
    std::io::Read::read_to_string(&mut unpacked, &mut text).unwrap();
    text
}

/// Dollars per million tokens, times ten thousand: input, write 5m, write 1h, read, output. Written
/// down here again, so that the price rows are not their own judge.
const PRICES: [(&str, [u64; 5]); 6] = [
    ("claude-opus-4-5", [50_000, 62_500, 100_000, 5_000, 250_000]),
    ("claude-opus-4-6", [50_000, 62_500, 100_000, 5_000, 250_000]),
    (
        "claude-sonnet-4-5",
        [30_000, 37_500, 60_000, 3_000, 150_000],
    ),
    ("claude-haiku-4-5", [10_000, 12_500, 20_000, 1_000, 50_000]),
    ("gpt-5.4", [25_000, 25_000, 25_000, 2_500, 150_000]),
    ("gpt-5.5", [50_000, 50_000, 50_000, 5_000, 300_000]),
];

/// An independent sum over a session file: tokens by kind, and cost and cost without caching in
/// units of 10⁻¹⁰ dollars.
fn by_hand(path: &Path) -> ([u64; 5], u64, u64) {
    let (mut tokens, mut cost, mut without) = ([0; 5], 0, 0);
    for line in text(path).lines() {
        let session: Value = serde_json::from_str(line).unwrap();
        for request in session["reqs"].as_array().unwrap() {
            let used: Vec<u64> = serde_json::from_value(request["u"].clone()).unwrap();
            let model = request["m"].as_str().unwrap();
            for (sum, one) in tokens.iter_mut().zip(&used) {
                *sum += one;
            }
            let known = PRICES.iter().find(|(name, _)| model.starts_with(name));
            let Some((_, prices)) = known else { continue };
            let [input, write_5m, write_1h, read, output] = prices;
            let all = used[0] + used[1] + used[2] + used[3];
            // No prompt of these files is long enough for a dearer tier, but those of gpt-5.x.
            assert!(all <= 200_000 || model.starts_with("gpt"), "{model}: {all}");
            cost += used[0] * input
                + used[1] * write_5m
                + used[2] * write_1h
                + used[3] * read
                + used[4] * output;
            without += all * input + used[4] * output;
        }
    }
    (tokens, cost, without)
}

fn kinds(usage: &Usage) -> [u64; 5] {
    [
        usage.plain,
        usage.write_5m,
        usage.write_1h,
        usage.read,
        usage.output,
    ]
    .map(|tokens| tokens.unwrap_or(0))
}

fn real(name: &str, requests: u64) -> Option<Report> {
    let path = recordings()?.join(format!("{name}.jsonl.xz"));
    let (report, faults) = audit(&path);
    assert_eq!(faults, Vec::<String>::new());
    let (tokens, cost, without) = by_hand(&path);
    let total = &report.story.total;
    assert_eq!(total.exchanges, requests);
    assert_eq!(kinds(&total.usage), tokens);
    let money = |units: u64| Money::from_pico(i128::from(units) * 100);
    assert_eq!(total.cost, money(cost));
    assert_eq!(total.cost_without_caching, money(without));
    // Every miss has one cause, and the sums agree whichever way they are told.
    let first = missed(&report, Cause::FirstUse);
    let causes: u64 = report.story.causes.iter().map(|sum| sum.tokens).sum();
    assert_eq!(causes - first.1, total.missed);
    let reasons: u64 = report.reasons.iter().map(|reason| reason.sum.tokens).sum();
    assert_eq!(reasons, causes);
    let sessions: u64 = report.sessions.iter().map(|one| one.totals.missed).sum();
    assert_eq!(sessions, total.missed);
    assert!(
        report.unknown_tokens * 100 < total.missed * 3,
        "{} of {} are unknown",
        report.unknown_tokens,
        total.missed
    );
    Some(report)
}

#[test]
fn real_sessions_of_one_agent_add_up_to_what_was_billed() {
    let Some(report) = real("cc_entire_cli", 10_928) else {
        return;
    };
    assert_eq!(report.sessions_seen, 186);
    let (times, _) = missed(&report, Cause::Expired);
    assert!(times > 100, "{times}");
    let together = report
        .reasons
        .iter()
        .find(|reason| reason.evidence == Evidence::Together);
    assert!(
        together.is_some(),
        "sub-agents of these sessions start together"
    );
}

#[test]
fn real_sessions_of_another_agent_add_up_to_what_was_billed() {
    let Some(report) = real("codex_agentv", 1_373) else {
        return;
    };
    assert_eq!(report.sessions_seen, 12);
    assert_eq!(
        report.unpriced,
        [("gpt-5.3-codex-spark".into(), 180)],
        "who has no prices is named"
    );
}

/// The counters that the recorders found, where a response has one and only one set.
#[test]
fn recorded_exchanges_add_up_to_what_their_responses_say() {
    let Some(all) = recorded_exchanges() else {
        return;
    };
    let path = recordings().unwrap().join("http_recordings.jsonl.xz");
    let lines = text(&path);
    let dir = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for (recording, line) in all.iter().zip(lines.lines()) {
        let counter = |name: &str| recording.cached.get(name).copied();
        let Ok(body) = serde_json::from_slice::<Value>(&recording.response) else {
            continue;
        };
        let usage = &body["usage"];
        let Some((input, read)) = single(usage, &counter) else {
            continue;
        };
        let (report, faults) = audit(&file(&dir, "one.jsonl", line));
        assert_eq!(faults, Vec::<String>::new(), "{}", recording.name);
        let told = report.story.total.usage;
        assert_eq!(told.input(), Some(input), "{}", recording.name);
        assert_eq!(told.read.unwrap_or(0), read, "{}", recording.name);
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}

/// The whole prompt and what was read of it, in the documented way of whoever reports so.
fn single(usage: &Value, counter: &dyn Fn(&str) -> Option<u64>) -> Option<(u64, u64)> {
    let count = |value: &Value| value.as_u64();
    if let Some(plain) = count(&usage["input_tokens"])
        && let Some(read) = counter("cache_read_input_tokens")
        && let Some(written) = count(&usage["cache_creation_input_tokens"])
    {
        return Some((plain + read + written, read));
    }
    let details = ["prompt_tokens_details", "input_tokens_details"];
    let read = details
        .iter()
        .find_map(|name| count(&usage[name]["cached_tokens"]))?;
    let all = count(&usage["prompt_tokens"]).or_else(|| count(&usage["input_tokens"]))?;
    (read <= all && usage["prompt_tokens_details"]["cache_write_tokens"].is_null())
        .then_some((all, read))
}

#[test]
fn a_response_of_several_lines_in_several_files_counts_once() {
    let (report, faults) = audit(&vectors().join("claude"));
    assert_eq!(faults, Vec::<String>::new());
    let total = &report.story.total;
    assert_eq!(
        total.exchanges, 8,
        "five turns, two sub-agents, one turn resumed"
    );
    // The most that a stream counted: 120 of the first response, not 1 + 1 + 120.
    assert_eq!(kinds(&total.usage), [60, 71_800, 0, 70_500, 250]);
    assert_eq!(
        report.sources.repeated, 5,
        "the resumed session copies five"
    );
    assert_eq!(missed(&report, Cause::HistoryRewritten), (1, 2509));
    let (times, tokens) = missed(&report, Cause::Expired);
    assert_eq!((times, tokens), (2, 5000 + 18_600));
    assert_eq!(missed(&report, Cause::NotYetVisible).0, 1);
    assert_eq!(report.unknown_tokens, 0);
    assert_eq!(&*report.sessions[0].route, "shop");
}

#[test]
fn counts_that_come_again_count_once_and_include_what_was_cached() {
    let (report, faults) = audit(&vectors().join("codex"));
    assert_eq!(faults, Vec::<String>::new());
    let usage = &report.story.total.usage;
    assert_eq!(report.story.total.exchanges, 4);
    assert_eq!(
        (usage.plain, usage.read, usage.output),
        (Some(48_000 - 16_768), Some(16_768), Some(530))
    );
    assert_eq!(
        usage.written(),
        None,
        "writes are not reported, which is not zero"
    );
    assert_eq!(missed(&report, Cause::Lost), (1, 10_496));
    assert_eq!(missed(&report, Cause::HistoryRewritten), (1, 6_568));
}

#[test]
fn lines_of_usage_tell_what_was_paid_and_nothing_of_misses() {
    let (report, faults) = audit(&vectors().join("usage.jsonl"));
    assert_eq!(faults, Vec::<String>::new());
    let total = &report.story.total;
    assert_eq!((total.exchanges, total.unpriced, total.misses), (5, 1, 0));
    let usage = &total.usage;
    assert_eq!(usage.read, Some(3000 + 4096 + 4992 + 900));
    assert_eq!(usage.plain, Some(100 + 904 + 1008 + 7 + 11));
    assert_eq!((usage.write_5m, usage.write_1h), (Some(500), Some(1500)));
    assert_eq!(report.sources.repeated, 1);
    assert_eq!(report.unpriced, [("nobody-knows-1".into(), 1)]);
}

#[test]
fn a_har_file_is_read_and_other_traffic_passed_over() {
    let (report, faults) = audit(&vectors().join("proxy.har"));
    assert_eq!(faults, Vec::<String>::new());
    let total = &report.story.total;
    assert_eq!((total.exchanges, report.sources.other_calls), (2, 1));
    assert_eq!(kinds(&total.usage), [18, 5000, 0, 5000, 6]);
    assert_eq!(missed(&report, Cause::FirstUse).0, 1);
    assert_eq!(total.misses, 0);
}

/// One request of a session file: seconds, keep, messages added, usage.
type Request = (f64, usize, usize, [u64; 5]);

fn session(requests: &[Request]) -> String {
    let message = json!({"role": "user", "content": "hello"});
    let messages = vec![message; 40];
    let requests: Vec<Value> = requests
        .iter()
        .map(|(at, keep, add, usage)| {
            let add: Vec<usize> = (0..*add).collect();
            json!({"t": 1e9 + at, "d": 2.0, "m": "claude-opus-4-5", "keep": keep, "add": add,
                   "u": usage})
        })
        .collect();
    let session = json!({"v": 1, "id": "s", "dialect": "anthropic.messages",
                         "msgs": messages, "reqs": requests});
    format!("{session}\n")
}

/// Each cause by one session that has it, and one that nearly has.
#[test]
fn planted_causes_are_found_and_near_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let find = |requests: &[Request]| {
        let (report, faults) = audit(&file(&dir, "s.jsonl", &session(requests)));
        assert_eq!(faults, Vec::<String>::new());
        let all = report.reasons.iter();
        let told = all.filter(|reason| reason.sum.cause != Cause::FirstUse);
        told.map(|reason| (reason.sum.cause, reason.evidence, reason.sum.tokens))
            .collect::<Vec<_>>()
    };
    let first = (0.0, 0, 1, [9, 20_000, 0, 0, 50]);
    let hour = (0.0, 0, 1, [9, 0, 20_000, 0, 50]);
    let hit = [9, 500, 0, 20_000, 50];
    let front = [9, 8500, 0, 12_000, 50];
    assert_eq!(find(&[first, (60.0, 1, 2, hit)]), []);
    let expired = (Cause::Expired, Evidence::Silence, 8000);
    assert_eq!(find(&[first, (301.0, 1, 2, front)]), [expired]);
    let lost = (Cause::Lost, Evidence::FrontOnly, 8000);
    assert_eq!(find(&[first, (299.0, 1, 2, front)]), [lost]);
    assert_eq!(
        find(&[hour, (301.0, 1, 2, front)]),
        [lost],
        "written for an hour"
    );
    let later = (Cause::Expired, Evidence::LongSilence, 8000);
    assert_eq!(find(&[hour, (3601.0, 1, 2, front)]), [later]);
    let unanswered = (Cause::NotYetVisible, Evidence::Unanswered, 8000);
    assert_eq!(find(&[first, (1.0, 1, 2, front)]), [unanswered]);
    let second = (60.0, 1, 2, [9, 5000, 0, 20_000, 50]);
    let compacted = (Cause::HistoryRewritten, Evidence::Compacted, 8509);
    assert_eq!(find(&[first, second, (90.0, 0, 1, front)]), [compacted]);
    let rewound = (Cause::HistoryRewritten, Evidence::Rewound, 5000);
    let back = (90.0, 1, 1, [9, 6000, 0, 20_000, 50]);
    assert_eq!(find(&[first, second, back]), [rewound]);
    let shorter = (Cause::HistoryRewritten, Evidence::Shortened, 7409);
    let short = (90.0, 1, 2, [9, 7400, 0, 12_000, 50]);
    assert_eq!(find(&[first, short]), [shorter]);
    let far = (Cause::Lookback, Evidence::TooFar, 8000);
    assert_eq!(find(&[first, (60.0, 1, 30, front)]), [far]);
    assert_eq!(find(&[first, (60.0, 1, 20, front)]), [lost], "within reach");
    let nothing = (Cause::Unknown, Evidence::NothingRead, 20_000);
    assert_eq!(
        find(&[first, (60.0, 1, 2, [9, 21_000, 0, 0, 5])]),
        [nothing]
    );
    let bare = (0.0, 0, 1, [20_000, 0, 0, 0, 5]);
    let marked = (Cause::OwnMarkers, Evidence::NothingMarked, 20_000);
    assert_eq!(find(&[bare, (60.0, 1, 2, [21_000, 0, 0, 0, 5])]), [marked]);
    let small = (0.0, 0, 1, [900, 0, 0, 0, 5]);
    let below = (Cause::BelowMinimum, Evidence::Short, 900);
    assert_eq!(find(&[small]), [below]);
}

fn neutral(at: f64, system: &str, usage: &Value) -> String {
    let line = json!({
        "t": at, "session": "s", "provider": "anthropic", "usage": usage,
        "request": {
            "model": "claude-opus-4-5", "max_tokens": 9,
            "system": [{"type": "text", "text": system,
                        "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": "hello"}],
        },
    });
    format!("{line}\n")
}

/// Where the bodies are there, they are compared, and the place is named.
#[test]
fn bodies_show_what_moved() {
    let dir = tempfile::tempdir().unwrap();
    let wrote = json!({"input_tokens": 9, "cache_creation_input_tokens": 9000,
                       "cache_read_input_tokens": 0, "output_tokens": 5});
    let rules = "You sell books and answer politely. ".repeat(800);
    let at = |time: &str| format!("It is {time}. {rules}");
    let clocked = neutral(1e9, &at("2026-03-01T10:00:01Z"), &wrote)
        + &neutral(1e9 + 60.0, &at("2026-03-01T10:01:01Z"), &wrote);
    let (report, faults) = audit(&file(&dir, "clock.jsonl", &clocked));
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(missed(&report, Cause::Volatile).0, 1);
    let worst = report.story.worst.first().unwrap();
    assert_eq!(
        (&*worst.pointer, worst.pattern.is_some()),
        ("/system/0", true)
    );
    let still = neutral(1e9, &rules, &wrote) + &neutral(1e9 + 60.0, &rules, &wrote);
    let (report, _) = audit(&file(&dir, "still.jsonl", &still));
    assert_eq!(missed(&report, Cause::Volatile).0, 0);
    assert_eq!(missed(&report, Cause::Lost).0, 1);
}

#[test]
fn what_cannot_be_read_is_named_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let good = session(&[(0.0, 0, 1, [9, 20_000, 0, 0, 50])]);
    let broken = good.clone() + "{\"v\":1,\"secret words\n" + &good;
    let path = file(&dir, "a.jsonl", &broken);
    let hashes = r#"{"id":"x","block":64,"reqs":[]}"#;
    file(&dir, "b.jsonl", hashes);
    file(&dir, "c.txt", "just words\n");
    file(&dir, "d.jsonl", "");
    file(&dir, "e.xz", "\u{fd}7zXZ");
    let (report, faults) = audit(dir.path());
    assert_eq!(report.story.total.exchanges, 2);
    assert_eq!(faults.len(), 1, "{faults:?}");
    let start = format!("{}, line 2: ", path.display());
    assert!(faults[0].starts_with(&start), "{faults:?}");
    assert!(!faults[0].contains("secret"), "{faults:?}");
    let skipped: BTreeMap<&str, &str> = report
        .sources
        .skipped
        .iter()
        .map(|(file, why)| (file.rsplit('/').next().unwrap(), &**why))
        .collect();
    assert_eq!(skipped.len(), 4, "{skipped:?}");
    assert!(skipped["b.jsonl"].contains("hashes"), "{skipped:?}");
    let (_, faults) = audit(&dir.path().join("nowhere"));
    assert!(faults[0].contains("nowhere"), "{faults:?}");
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cachewright"))
        .arg("audit")
        .args(args)
        .env("NO_COLOR", "1")
        .env("TZ", "UTC")
        .output()
        .unwrap()
}

#[test]
fn text_json_csv_and_markdown_agree() {
    let path = vectors().join("claude").display().to_string();
    let text = |args: &[&str]| {
        let output = run(args);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let json: Value = serde_json::from_str(&text(&[&path, "--json"])).unwrap();
    let paid: f64 = json["total"]["cost"]["usd"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let lost: f64 = json["total"]["lost"]["usd"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    for told in [text(&[&path]), text(&[&path, "--md"])] {
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(&format!("You paid ${paid:.4};")), "{told}");
        assert!(told.contains(&format!("${lost:.4} lost.")), "{told}");
        assert!(
            told.contains("system prompt and tools are not in these logs"),
            "{told}"
        );
    }
    let csv = text(&[&path, "--csv", "--by", "session"]);
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let at = |name: &str, header: &csv::StringRecord| {
        header.iter().position(|column| column == name).unwrap()
    };
    let header = rows.headers().unwrap().clone();
    let (mut cost, mut tokens) = (0.0, 0);
    for row in rows.records() {
        let row = row.unwrap();
        cost += row[at("cost_usd", &header)].parse::<f64>().unwrap();
        tokens += row[at("missed_tokens", &header)].parse::<u64>().unwrap();
    }
    assert!((cost - paid).abs() < 1e-9, "{cost} {paid}");
    assert_eq!(Some(tokens), json["total"]["missed_tokens"].as_u64());
    let causes = text(&[&path, "--csv", "--by", "cause"]);
    assert_eq!(
        causes.lines().count() - 1,
        json["causes"].as_array().unwrap().len()
    );
}

/// Sessions whose recorder knew of no cache put all of their input down as plain: that is no zero.
#[test]
fn counts_that_nobody_took_are_not_zero() {
    let line = |read: u64| {
        let words = "word ".repeat(9000);
        let said = |role: &str| json!({"role": role, "content": words});
        json!({"v": 1, "src": "t", "id": "s", "dialect": "openai.chat",
            "msgs": [said("user"), said("assistant"), said("user")],
            "reqs": [
                {"t": 1000.0, "m": "gpt-5", "keep": 0, "add": [0], "u": [9000, 0, 0, 0, 5]},
                {"t": 1010.0, "m": "gpt-5", "keep": 1, "add": [1, 2],
                    "u": [27_000 - read, 0, 0, read, 5]}]})
        .to_string()
    };
    let missed = |read: u64| {
        let dir = tempfile::tempdir().unwrap();
        let (report, faults) = audit(&file(&dir, "s.jsonl", &line(read)));
        assert!(faults.is_empty(), "{faults:?}");
        report.story.total.missed
    };
    assert_eq!(missed(0), 0);
    assert!(missed(1024) > 7000, "{}", missed(1024));
}

#[test]
fn exit_codes_say_whether_all_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let good = session(&[(0.0, 0, 1, [9, 20_000, 0, 0, 50])]);
    let path = file(&dir, "a.jsonl", &(good + "{\"broken\n"))
        .display()
        .to_string();
    let output = run(&[&path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a.jsonl, line 2: "));
    assert!(String::from_utf8_lossy(&output.stdout).contains("You paid $"));
    let page = dir.path().join("page.html");
    let usage = vectors().join("usage.jsonl").display().to_string();
    let output = run(&[&usage, "--html", &page.display().to_string()]);
    assert!(output.status.success(), "{output:?}");
    assert!(std::fs::read_to_string(page).unwrap().contains("<html"));
    let none = file(&dir, "none.txt", "words\n").display().to_string();
    assert_eq!(run(&[&none]).status.code(), Some(1));
    assert_eq!(run(&[]).status.code(), Some(2));
}
