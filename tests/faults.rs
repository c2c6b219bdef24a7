//! Every provider failing at every stage, alone and with all others: the caller gets an answer or
//! one clear error in its dialect, nothing is billed unseen, and the ledger adds up.
//!
//! No time is asserted: deadlines are short in the configuration, and a call that outlives all of
//! them fails the test.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeMap;

use cachewright::ledger::Record;
use cachewright::route::Amount;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::conformance::bench::{Answered, Bench};
use crate::conformance::shown::{Shown, shown};
use crate::conformance::talk::{System, Talk, ask};
use crate::conformance::{self, CHAT, MESSAGES, RESPONSES, Served};

/// One way to fail.
#[derive(Clone, Copy, Debug)]
struct Fault {
    name: &'static str,
    /// What the simulator is told; nobody listens where there is nothing to tell.
    order: &'static str,
    stage: Stage,
}

/// How far an answer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing of it is seen: another backend can answer.
    Before,
    /// It has begun, if it is a stream; whole answers fail before they are seen.
    Within,
    /// It comes to its end.
    Never,
}

const fn fault(name: &'static str, order: &'static str, stage: Stage) -> Fault {
    Fault { name, order, stage }
}

const FAULTS: [Fault; 18] = [
    fault("refuse", "", Stage::Before),
    fault("reset", r#"{"fault": "reset"}"#, Stage::Before),
    fault(
        "reset, billed",
        r#"{"fault": "reset", "billed": true}"#,
        Stage::Before,
    ),
    fault("hang", r#"{"fault": "hang"}"#, Stage::Before),
    fault(
        "hang, billed",
        r#"{"fault": "hang", "billed": true}"#,
        Stage::Before,
    ),
    fault("429", r#"{"status": 429}"#, Stage::Before),
    fault(
        "429 for an hour",
        r#"{"status": 429, "retry_after": 3600}"#,
        Stage::Before,
    ),
    fault("529", r#"{"status": 529}"#, Stage::Before),
    fault("500", r#"{"status": 500}"#, Stage::Before),
    fault("503", r#"{"status": 503}"#, Stage::Before),
    fault(
        "spend limit",
        r#"{"spend_limit": "enforced"}"#,
        Stage::Before,
    ),
    fault(
        "garbage, billed",
        r#"{"fault": "garbage", "billed": true}"#,
        Stage::Before,
    ),
    fault("cut at once", r#"{"cut_after_bytes": 9}"#, Stage::Before),
    fault("cut", r#"{"cut_after_bytes": 1500}"#, Stage::Within),
    fault("stall", r#"{"stall_ms": 600000}"#, Stage::Within),
    fault(
        "error at once",
        r#"{"error_after_events": 0}"#,
        Stage::Before,
    ),
    fault("error", r#"{"error_after_events": 4}"#, Stage::Within),
    fault("drip", r#"{"drip_ms": 1, "drip_bytes": 40}"#, Stage::Never),
];

/// Who fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    First,
    All,
}

/// One case of the matrix.
#[derive(Clone, Copy, Debug)]
struct Case {
    served: Served,
    dialect: &'static str,
    fault: Fault,
    who: Who,
    stream: bool,
}

/// What the caller got.
#[derive(Debug, PartialEq)]
enum Outcome {
    Answer(Box<Shown>),
    /// One error in the caller's dialect: instead of an answer, or as the last event of one.
    Error,
    /// Neither; says what.
    Neither(String),
}

#[expect(clippy::fn_params_excessive_bools, reason = "the body's own member")]
fn talk(stream: bool) -> Talk {
    let facts = (0..300).map(|n| format!("Fact {n}: shelf {n} is full. "));
    Talk {
        name: "matrix",
        system: System::Text(facts.collect()),
        turns: vec![ask("What stands on shelf one?")],
        max: 40,
        stream,
        ..Talk::default()
    }
}

fn cases() -> Vec<Case> {
    let of = |dialect: &'static str, all: &[Served]| {
        let all: Vec<_> = all.iter().map(|served| (dialect, *served)).collect();
        all
    };
    let served = [
        of("messages", &MESSAGES),
        of("chat", &CHAT[..4]),
        of("responses", &RESPONSES[..2]),
    ];
    let mut cases = Vec::new();
    for (dialect, served) in served.concat() {
        for fault in FAULTS {
            for who in [Who::First, Who::All] {
                for stream in [false, true] {
                    cases.push(Case {
                        served,
                        dialect,
                        fault,
                        who,
                        stream,
                    });
                }
            }
        }
    }
    cases
}

impl Case {
    /// Whoever stands behind the first: the dialect's own vendor, or the one next to it.
    fn second(&self) -> Served {
        let all: &[Served] = match self.dialect {
            "messages" => &MESSAGES,
            "chat" => &CHAT,
            _ => &RESPONSES,
        };
        let mut others = all.iter().filter(|one| one.model == self.served.model);
        *others.find(|one| one.kind != self.served.kind).unwrap()
    }

    fn config(&self) -> String {
        let gone = |backend: String, gone: bool| {
            if gone && self.fault.order.is_empty() {
                backend.replace("{sim}", "{closed}")
            } else {
                backend
            }
        };
        let one = gone(self.served.backend("one"), true);
        let two = gone(self.second().backend("two"), self.who == Who::All);
        format!(
            "{one}{two}[routes.app]\nmodel = \"{}\"\norder = [\"one\", \"two\"]\nattempts = 3\n\
             first_byte = \"3s\"\nbetween = \"3s\"\ndeadline = \"12s\"\ncap = \"1000 USD/day\"\n",
            self.served.model
        )
    }

    async fn run(self, expected: &BTreeMap<(&'static str, bool), Shown>) -> Vec<String> {
        let bench = Bench::new(&self.config()).await;
        if !self.fault.order.is_empty() {
            let mut order: Value = serde_json::from_str(self.fault.order).unwrap();
            order["count"] = 100.into();
            if self.who == Who::First {
                order["provider"] = self.served.kind.into();
            }
            bench.order("/admin/faults", &order).await;
        }
        let body = talk(self.stream).body(self.dialect, "app").unwrap();
        let answered = bench.ask("app", self.dialect, &body).await;
        let outcome = outcome(self.dialect, &answered);
        let mut wrong = Vec::new();
        if let Some(what) = self.surprise(&outcome, &expected[&(self.dialect, self.stream)]) {
            wrong.push(format!("{what}: {} {}", answered.status, answered.text()));
        }
        wrong.extend(accounts(&bench).await);
        let Self {
            served,
            dialect,
            fault,
            who,
            stream,
        } = self;
        let place = format!(
            "{dialect} by {} (stream: {stream}), {who:?} fails by {}",
            served.kind, fault.name
        );
        wrong
            .iter()
            .map(|what| format!("{place}: {what}"))
            .collect()
    }

    /// What should not have come of it.
    fn surprise(&self, outcome: &Outcome, expected: &Shown) -> Option<String> {
        let is_answered = match (self.fault.stage, self.who, self.stream) {
            (Stage::Never, _, _) | (Stage::Before, Who::First, _) => true,
            (Stage::Before, Who::All, _) | (Stage::Within, _, true) => false,
            // Whether a whole answer that broke off is tried elsewhere is the gateway's to say.
            (Stage::Within, _, false) => matches!(outcome, Outcome::Answer(_)),
        };
        match outcome {
            Outcome::Answer(answer) if is_answered => {
                (**answer != *expected).then(|| "another answer".to_owned())
            }
            Outcome::Answer(_) => Some("an answer although all failed".into()),
            Outcome::Error if is_answered => Some("an error although somebody answers".into()),
            Outcome::Error => None,
            Outcome::Neither(what) => Some(what.clone()),
        }
    }
}

fn outcome(dialect: &str, answered: &Answered) -> Outcome {
    if let Some(cut) = &answered.cut {
        return Outcome::Neither(format!("the body was cut: {cut}"));
    }
    if answered.status != 200 {
        let error: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
        let is_typed = dialect != "messages" || error["type"] == "error";
        let is_said = error["error"]["message"]
            .as_str()
            .is_some_and(|said| !said.is_empty());
        return if is_typed && is_said && answered.status >= 400 {
            Outcome::Error
        } else {
            Outcome::Neither("an error of no dialect".into())
        };
    }
    let text = answered.text();
    if answered.kind().starts_with("text/event-stream") {
        if !text.ends_with("\n\n") {
            return Outcome::Neither("it ends within an event".into());
        }
        let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
        let data = last.split("data:").nth(1).unwrap_or_default();
        let data: Value = serde_json::from_str(data.trim()).unwrap_or_default();
        if data["error"]["message"].is_string() || data["type"] == "error" {
            return Outcome::Error;
        }
        let ends = [
            "event: message_stop",
            "data: [DONE]",
            "event: response.completed",
            "event: response.incomplete",
        ];
        if !ends.iter().any(|end| last.starts_with(end)) {
            return Outcome::Neither("it just ends".into());
        }
    }
    let seen = (answered.status, answered.kind(), &answered.body[..]);
    Outcome::Answer(Box::new(shown(dialect, seen)))
}

/// Compares the provider's bill with the ledger.
async fn accounts(bench: &Bench) -> Vec<String> {
    let arrived = bench.arrived().await;
    let records = bench.records(arrived.len()).await;
    let mut wrong = Vec::new();
    // What was refused as it was marked is sent once more as it came, within one exchange.
    let sent: usize = records.iter().map(|one| 1 + usize::from(one.resent)).sum();
    if sent < arrived.len() {
        wrong.push(format!("{} requests and {sent} booked", arrived.len()));
    }
    wrong.extend(attempts(&records));
    let pico =
        |one: &Value| -> Option<i128> { one["billed"]["picodollars"].as_str()?.parse().ok() };
    let billed: i128 = arrived.iter().filter_map(pico).sum();
    let cost: i128 = records
        .iter()
        .filter_map(|one| Some(one.cost?.as_pico()))
        .sum();
    let presumed: i128 = records
        .iter()
        .filter_map(|one| Some(one.presumed?.as_pico()))
        .sum();
    for kind in arrived.iter().filter_map(|one| one["provider"].as_str()) {
        let bills = arrived
            .iter()
            .filter(|one| one["provider"] == kind && pico(one).is_some());
        let seen = records
            .iter()
            .filter(|one| *one.provider == *kind && (one.cost.is_some() || one.presumed.is_some()));
        let (bills, seen) = (bills.count(), seen.count());
        if seen < bills {
            wrong.push(format!("{kind} billed {bills} calls, and {seen} were seen"));
        }
    }
    // An error at the head of a stream is a refusal to the ledger, and the worst to a cap.
    let is_mute = |one: &Record| one.status == 200 && one.usage.is_none() && one.presumed.is_none();
    let exact = match presumed == 0 && !records.iter().any(is_mute) {
        true => Exact::Yes,
        false => Exact::No,
    };
    wrong.extend(caps(bench, cost + presumed, exact));
    // What a stream says of its usage before it fails is a part of it.
    let is_part = |one: &Record| one.usage.is_some_and(|usage| usage.output < Some(40));
    let unsure = records
        .iter()
        .any(|one| one.presumed.is_some() || is_part(one));
    if !unsure && cost != billed {
        wrong.push(format!("{billed} were billed and {cost} booked"));
    }
    if unsure && cost + presumed < billed / 2 {
        wrong.push(format!(
            "{billed} were billed, {cost} booked, {presumed} presumed"
        ));
    }
    wrong
}

/// Whether all that was billed was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exact {
    Yes,
    No,
}

/// Caps hold what the ledger says, and nothing is reserved any more; for what may have been billed
/// without a word they hold no less.
fn caps(bench: &Bench, booked: i128, exact: Exact) -> Option<String> {
    let level = bench.caps().into_iter().next()?;
    let (Amount::Money(spent), Amount::Money(reserved)) = (level.spent, level.reserved) else {
        return Some(format!("a cap of another measure: {level:?}"));
    };
    let (spent, reserved) = (spent.as_pico(), reserved.as_pico());
    let is_right = match exact {
        Exact::Yes => spent == booked,
        Exact::No => spent >= booked,
    };
    (reserved != 0 || !is_right)
        .then(|| format!("the cap holds {spent} and reserves {reserved}; {booked} booked"))
}

/// Attempts of one call are numbered without gaps.
fn attempts(records: &[Record]) -> Option<String> {
    let mut numbers: Vec<_> = records
        .iter()
        .filter_map(|one| one.attempt.as_ref())
        .map(|attempt| (attempt.call, attempt.number))
        .collect();
    numbers.sort_unstable();
    let call = numbers.first().map_or(0, |first| first.0);
    let expected: Vec<_> = (1..).map(|n| (call, n)).take(records.len()).collect();
    (numbers != expected).then(|| format!("attempts are numbered {numbers:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_provider_fails_at_every_stage() {
    let mut expected = BTreeMap::new();
    for (dialect, served) in [
        ("messages", MESSAGES[0]),
        ("chat", CHAT[0]),
        ("responses", RESPONSES[0]),
    ] {
        for stream in [false, true] {
            let mut seen = conformance::direct(&served, dialect, &[talk(stream)]).await;
            expected.insert((dialect, stream), seen.remove(0).unwrap());
        }
    }
    let cases = futures_util::stream::iter(cases());
    let wrong: Vec<Vec<String>> = cases
        .map(|case| case.run(&expected))
        .buffer_unordered(24)
        .collect()
        .await;
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// A refusal of the request itself is nobody else's business, and is told once.
#[tokio::test]
async fn what_is_refused_everywhere_is_asked_once() {
    let case = Case {
        served: MESSAGES[1],
        dialect: "messages",
        fault: FAULTS[1],
        who: Who::First,
        stream: false,
    };
    let bench = Bench::new(&case.config()).await;
    let body = json!({"model": "app", "max_tokens": 9, "messages": []});
    let answered = bench.ask("app", "messages", &body).await;
    let error: Value = serde_json::from_slice(&answered.body).unwrap();
    assert_eq!(answered.status, 400, "{error}");
    assert_eq!(error["error"]["type"], "invalid_request_error");
    assert_eq!(bench.arrived().await.len(), 1);
}
