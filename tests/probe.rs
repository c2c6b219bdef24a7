//! What probe finds out about simulators whose rules were altered.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::clock::Clock;
use cachewright::adapter::memory::InProcess;
use cachewright::adapter::probe::{
    Ask, Fact, Finding, Key, Kind, Options, Pace, Probe, Progress, Remote, Reply, Report, Verdict,
};
use cachewright::adapter::server::{Lost, Rule, SimHandle, SimOptions, SimServer, Warm};
use cachewright::engine::{End, Engine, Meta, Settings};
use cachewright::error::Error;
use cachewright::model::{Cause, Money, Timestamp, Ttl};
use cachewright::provider::Catalog;
use cachewright::sim::{Rules, Sim};
use serde_json::{Value, json};

use crate::support::serving::Serving;

const HAIKU: &str = "claude-haiku-4-5";
/// An amount in hundredths of a dollar.
const fn cents(cents: i128) -> Money {
    Money::from_pico(cents * 10_000_000_000)
}

/// Time that passes only when somebody waits, for the simulator and the probe alike.
#[derive(Clone, Debug)]
struct Still(Arc<Mutex<Timestamp>>);

impl Still {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Timestamp::from_micros(
            1_796_000_000_000_000,
        ))))
    }

    fn read(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.read()
    }
}

impl Pace for Still {
    fn now(&self) -> Timestamp {
        self.read()
    }

    async fn wait(&self, until: Timestamp) -> Result<(), Error> {
        let mut now = self.0.lock().unwrap();
        *now = (*now).max(until);
        Ok(())
    }
}

/// A call takes a second, as far as the clock is concerned, and is counted.
struct Slow<'a> {
    remote: &'a Remote,
    clock: &'a Still,
    calls: Mutex<usize>,
    /// After so many calls nobody answers any more.
    until: usize,
}

impl Ask for Slow<'_> {
    async fn ask(&self, body: Bytes) -> Result<Reply, Error> {
        {
            let mut calls = self.calls.lock().unwrap();
            if *calls >= self.until {
                return Err(Error::io("the line is dead"));
            }
            *calls += 1;
        }
        let reply = self.remote.ask(body).await;
        let mut now = self.clock.0.lock().unwrap();
        *now = now.plus(Duration::from_secs(1));
        reply
    }
}

/// A provider that follows these rules, and its clock.
struct World {
    server: SimHandle,
    clock: Still,
    catalog: Arc<Catalog>,
}

impl World {
    async fn new(rules: Vec<Rule>) -> Self {
        let clock = Still::new();
        let catalog = Arc::new(Catalog::builtin());
        let mut options = SimOptions::default();
        options.clock = Arc::new(clock.clone());
        options.rules = rules;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = SimServer::new(options).bind(address).await.unwrap();
        Self {
            server,
            clock,
            catalog,
        }
    }

    fn remote(&self, probe: &Probe, provider: &str, key: &str) -> Remote {
        let row = self.catalog.provider(provider).unwrap();
        let base = format!("{}/{provider}", self.server.base_url());
        let key = Key::new(key.into(), 0);
        let words = [("region", "us-east-1"), ("project", "p")];
        Remote::new(row, &base, (probe.dialect(), probe.id()), &key, &words).unwrap()
    }

    fn probe(&self, options: Options) -> Probe {
        Probe::new(Arc::clone(&self.catalog), options).unwrap()
    }

    async fn run(&self, options: Options) -> Report {
        let provider = options.provider.clone();
        let probe = self.probe(options);
        let remote = self.remote(&probe, &provider, "sk-1");
        let slow = self.slow(&remote, usize::MAX);
        let mut quiet = |_: &Progress| ();
        let ran = probe.run((&slow, "there"), &self.clock, None, &mut quiet);
        ran.await.unwrap()
    }

    fn slow<'a>(&'a self, remote: &'a Remote, until: usize) -> Slow<'a> {
        Slow {
            remote,
            clock: &self.clock,
            calls: Mutex::default(),
            until,
        }
    }
}

fn only(model: &str, kinds: &[Kind]) -> Options {
    let mut options = Options::new("anthropic", model);
    options.only = kinds.to_vec();
    // What is lost by chance is lost every time.
    options.nonce = "0123456789abcdef".into();
    options
}

/// Probes with these experiments where the provider follows this rule.
async fn found(rule: Rule, kinds: &[Kind]) -> Report {
    World::new(vec![rule]).await.run(only(HAIKU, kinds)).await
}

fn of(report: &Report, kind: Kind) -> &Finding {
    report.findings.iter().find(|one| one.kind == kind).unwrap()
}

fn file(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_file(&path);
    path
}

#[tokio::test]
async fn rules_as_documented_are_found_as_documented() {
    let report = World::new(Vec::new())
        .await
        .run(Options::new("anthropic", HAIKU))
        .await;
    assert!(report.unfinished.is_empty(), "{:?}", report.unfinished);
    for finding in &report.findings {
        assert_eq!(finding.verdict, Verdict::Same, "{finding:#?}");
    }
    assert_eq!(report.findings.len(), Kind::ALL.len() - 1, "all but resend");
    assert!(report.spent < cents(100), "{}", report.spent);
    assert!(!report.rows.contains("\nlife_"), "{}", report.rows);
    Catalog::builtin().with_toml("rows", &report.rows).unwrap();
}

#[tokio::test]
async fn a_rehearsal_says_what_it_costs() {
    let world = World::new(Vec::new()).await;
    for model in [HAIKU, "claude-opus-5", "claude-opus-5-5"] {
        let probe = world.probe(Options::new("anthropic", model));
        let plan = probe.plan().unwrap();
        assert!(
            plan.cost < cents(100) && !plan.exceeds,
            "{model} {}",
            plan.cost
        );
        assert!(
            plan.takes < Duration::from_secs(90 * 60),
            "{:?}",
            plan.takes
        );
        let report = world.run(Options::new("anthropic", model)).await;
        let (most, least) = (plan.cost.as_pico() * 11 / 10, plan.cost.as_pico() * 9 / 10);
        assert!((least..most).contains(&report.spent.as_pico()), "{model}");
    }
}

#[tokio::test]
async fn a_life_that_is_not_as_documented_is_found() {
    for (life, longer) in [(240_u32, false), (420, true), (90, false), (20, false)] {
        let mut rule = Rule::default();
        rule.life_5m = Some(f64::from(life));
        let report = found(rule, &[Kind::Ttl]).await;
        let finding = of(&report, Kind::Ttl);
        assert_eq!(finding.verdict, Verdict::Differs, "{finding:#?}");
        let Some(Fact::Life(Ttl::FiveMinutes, found)) = finding.fact else {
            unreachable!("{finding:#?}");
        };
        let life = Duration::from_secs(life.into());
        assert!(
            found <= life && found + Duration::from_secs(25) > life,
            "{finding:#?}"
        );
        let shortened = report.rows.contains("\nlife_5m = ");
        assert_eq!(shortened, !longer, "{}", report.rows);
    }
}

#[tokio::test]
async fn the_life_of_an_hour_is_found() {
    let mut rule = Rule::default();
    rule.life_1h = Some(2400.0);
    let report = found(rule, &[Kind::Hour, Kind::Ttl]).await;
    assert_eq!(of(&report, Kind::Ttl).verdict, Verdict::Same);
    let finding = of(&report, Kind::Hour);
    let Some(Fact::Life(Ttl::OneHour, life)) = finding.fact else {
        unreachable!("{finding:#?}");
    };
    assert!((1800..=2400).contains(&life.as_secs()), "{finding:#?}");
    assert!(report.rows.contains("\nlife_1h = "), "{}", report.rows);
}

#[tokio::test]
async fn whether_a_read_renews_is_found_whatever_the_life() {
    for life in [120.0, 240.0, 300.0, 420.0] {
        for renews in [true, false] {
            let mut rule = Rule::default();
            rule.life_5m = Some(life);
            rule.renews = Some(renews);
            let report = found(rule, &[Kind::Renewal]).await;
            let finding = of(&report, Kind::Renewal);
            assert_eq!(
                finding.fact,
                Some(Fact::Renews(renews)),
                "{life} {finding:#?}"
            );
            assert_eq!(report.rows.contains("\nrenews = false"), !renews);
        }
    }
}

#[tokio::test]
async fn whether_a_deep_read_renews_is_found() {
    for deep in [false, true] {
        let mut rule = Rule::default();
        rule.renews_below = Some(deep);
        let report = found(rule, &[Kind::Deep]).await;
        let expected = if deep {
            Verdict::Differs
        } else {
            Verdict::Same
        };
        assert_eq!(of(&report, Kind::Deep).verdict, expected, "{report:#?}");
    }
}

#[tokio::test]
async fn from_when_on_an_entry_can_be_read_is_found() {
    for delay in [3.0, 25.0] {
        let mut rule = Rule::default();
        rule.delay = Some(delay);
        // What comes later must wait as long.
        let report = found(rule, &[Kind::Visibility, Kind::Lookback]).await;
        let Some(Fact::Visible(after)) = of(&report, Kind::Visibility).fact else {
            unreachable!("{report:#?}");
        };
        let seconds = after.as_secs_f64();
        assert!(
            (delay - 1.0..delay * 1.3).contains(&seconds),
            "{delay} {after:?}"
        );
        assert_eq!(of(&report, Kind::Lookback).verdict, Verdict::Same);
    }
}

#[tokio::test]
async fn the_positions_searched_back_are_found() {
    for lookback in [1, 7, 19, 21, 50] {
        let mut rule = Rule::default();
        rule.lookback = Some(lookback);
        let report = found(rule, &[Kind::Lookback]).await;
        let finding = of(&report, Kind::Lookback);
        let positions = u64::try_from(lookback).unwrap();
        assert_eq!(
            finding.fact,
            Some(Fact::Lookback(positions)),
            "{finding:#?}"
        );
        assert!(report.rows.contains(&format!("\nlookback = {lookback}\n")));
    }
}

#[tokio::test]
async fn the_minimum_is_found() {
    for tokens in [512, 1024, 1500, 2048, 8192] {
        let mut rule = Rule::default();
        rule.min_tokens = Some(tokens);
        // What comes later must send prefixes that are long enough.
        let report = found(rule, &[Kind::Minimum, Kind::Lookback]).await;
        let finding = of(&report, Kind::Minimum);
        let Some(Fact::Minimum(found)) = finding.fact else {
            unreachable!("{finding:#?}");
        };
        assert!(
            found.abs_diff(tokens) <= tokens / 20,
            "{tokens} {finding:#?}"
        );
        assert_eq!(of(&report, Kind::Lookback).verdict, Verdict::Same);
    }
}

#[tokio::test]
async fn a_grant_that_is_none_is_found() {
    let mut rule = Rule::default();
    rule.grants_hour = Some(false);
    let report = found(rule, &[Kind::Grant, Kind::Upgrade, Kind::Hour]).await;
    assert_eq!(of(&report, Kind::Grant).fact, Some(Fact::OneHour(false)));
    assert_eq!(of(&report, Kind::Upgrade).verdict, Verdict::Unclear);
    assert!(
        report.rows.contains("\none_hour = false\n"),
        "{}",
        report.rows
    );
}

#[tokio::test]
async fn an_upgrade_that_revives_is_found() {
    for life in [180.0, 300.0, 420.0] {
        for revives in [false, true] {
            let mut rule = Rule::default();
            rule.life_5m = Some(life);
            rule.revives = Some(revives);
            let report = found(rule, &[Kind::Upgrade]).await;
            let finding = of(&report, Kind::Upgrade);
            assert_eq!(finding.fact, Some(Fact::Revives(revives)), "{finding:#?}");
            let rows = Catalog::builtin().with_toml("rows", &report.rows).unwrap();
            assert_eq!(rows.model("anthropic", HAIKU).limits.revives, revives);
        }
    }
}

#[tokio::test]
async fn what_becomes_of_max_tokens_0_is_found() {
    for (warm, verdict, said) in [
        (Warm::Served, Verdict::Same, "taken, and renews"),
        (Warm::ReadOnly, Verdict::Differs, "taken, does not renew"),
        (Warm::Refused, Verdict::Differs, "refused (400)"),
    ] {
        let mut rule = Rule::default();
        rule.warming = Some(warm);
        let report = found(rule, &[Kind::Warm]).await;
        let finding = of(&report, Kind::Warm);
        assert_eq!(
            (finding.verdict, &*finding.found),
            (verdict, said),
            "{finding:#?}"
        );
    }
}

#[tokio::test]
async fn what_is_lost_early_is_found_and_confuses_nothing_else() {
    let mut rule = Rule::default();
    let mut lost = lost();
    (lost.per_mille, lost.min_tokens) = (900, 15_000);
    rule.loses = Some(lost);
    let report = found(rule, &[Kind::Size, Kind::Ttl, Kind::Renewal]).await;
    let size = of(&report, Kind::Size);
    assert_eq!(size.verdict, Verdict::Differs, "{size:#?}");
    assert!(size.evidence.contains("3 of 3 at 4758 tokens"), "{size:#?}");
    for kind in [Kind::Ttl, Kind::Renewal] {
        assert_eq!(of(&report, kind).verdict, Verdict::Same, "{report:#?}");
    }
}

fn lost() -> Lost {
    let rules = Rule::file("r", "[[rule]]\nloses = { per_mille = 0 }\n").unwrap();
    rules[0].loses.unwrap()
}

/// One in ten is lost: lives look no shorter, and reads renew.
#[tokio::test]
async fn chance_is_not_taken_for_a_rule() {
    let mut rule = Rule::default();
    let mut lost = lost();
    lost.per_mille = 100;
    rule.loses = Some(lost);
    let report = found(rule, &[Kind::Ttl, Kind::Size]).await;
    assert_eq!(of(&report, Kind::Ttl).verdict, Verdict::Same, "{report:#?}");
}

#[tokio::test]
async fn classes_and_anchors_are_found() {
    let mut rule = Rule::default();
    rule.matches_class = Some(true);
    rule.writes_below = Some(true);
    let report = found(rule, &[Kind::Class, Kind::Anchor]).await;
    for kind in [Kind::Class, Kind::Anchor] {
        assert_eq!(of(&report, kind).verdict, Verdict::Differs, "{report:#?}");
    }
}

#[tokio::test]
async fn exact_places_are_probed_in_their_own_dialects() {
    for dialect in ["chat", "responses"] {
        for (resends, life) in [(true, 1800.0), (false, 1200.0)] {
            let mut rule = Rule::default();
            rule.provider = "openai".into();
            rule.resends = Some(resends);
            rule.life_30m = Some(life);
            let world = World::new(vec![rule]).await;
            let mut options = Options::new("openai", "gpt-5.6-luna");
            options.dialect = dialect.into();
            let report = world.run(options).await;
            assert!(report.unfinished.is_empty(), "{:?}", report.unfinished);
            let expected = if resends {
                Verdict::Same
            } else {
                Verdict::Differs
            };
            assert_eq!(of(&report, Kind::Resend).verdict, expected, "{report:#?}");
            assert_eq!(of(&report, Kind::Ttl).verdict, expected, "{report:#?}");
            assert_eq!(of(&report, Kind::Renewal).verdict, Verdict::Same);
        }
    }
}

#[tokio::test]
async fn clouds_are_probed_in_their_envelopes() {
    for provider in ["bedrock", "vertex", "foundry"] {
        let mut rule = Rule::default();
        rule.provider = provider.into();
        rule.lookback = Some(9);
        let world = World::new(vec![rule]).await;
        let mut options = Options::new(provider, "claude-haiku-4.5");
        options.only = vec![Kind::Minimum, Kind::Lookback];
        let report = world.run(options).await;
        let finding = of(&report, Kind::Lookback);
        assert_eq!(
            finding.fact,
            Some(Fact::Lookback(9)),
            "{provider} {finding:#?}"
        );
        let rows = Catalog::builtin().with_toml("rows", &report.rows).unwrap();
        assert_eq!(rows.model(provider, "claude-haiku-4.5").limits.lookback, 9);
        assert_eq!(rows.model("anthropic", HAIKU).limits.lookback, 20);
    }
}

#[tokio::test]
async fn the_budget_ends_it_before_it_is_exceeded() {
    for budget in [1, 3, 6] {
        let world = World::new(Vec::new()).await;
        let mut options = Options::new("anthropic", HAIKU);
        options.budget = cents(budget);
        let report = world.run(options).await;
        assert!(report.spent <= cents(budget), "{}", report.spent);
        assert!(!report.unfinished.is_empty());
    }
}

#[tokio::test]
async fn a_resumed_run_pays_for_nothing_twice() {
    let whole = {
        let world = World::new(Vec::new()).await;
        world
            .run(only(HAIKU, &[Kind::Minimum, Kind::Lookback, Kind::Ttl]))
            .await
    };
    let world = World::new(Vec::new()).await;
    let state = file("probe-resumed.json");
    let probe = world.probe(only(HAIKU, &[Kind::Minimum, Kind::Lookback, Kind::Ttl]));
    let remote = world.remote(&probe, "anthropic", "sk-very-secret");
    let mut sent = 0;
    let report = loop {
        let slow = world.slow(&remote, 5);
        let mut quiet = |_: &Progress| ();
        let ran = probe.run((&slow, "there"), &world.clock, Some(&state), &mut quiet);
        let ran = ran.await;
        sent += *slow.calls.lock().unwrap();
        if let Ok(report) = ran {
            break report;
        }
    };
    assert_eq!((sent, report.calls), (whole.calls, whole.calls));
    assert_eq!(report.spent, whole.spent);
    let verdicts = |report: &Report| {
        let all = report.findings.iter();
        all.map(|one| (one.kind, one.verdict)).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&report), verdicts(&whole));
    let text = std::fs::read_to_string(&state).unwrap();
    assert!(!text.contains("secret") && !report.rows.contains("secret"));
    // A finished run asks nobody anything.
    let slow = world.slow(&remote, 0);
    let mut quiet = |_: &Progress| ();
    let again = probe.run((&slow, "there"), &world.clock, Some(&state), &mut quiet);
    assert_eq!(again.await.unwrap().findings, report.findings);
    let other = world.probe(only("claude-opus-5", &[Kind::Ttl]));
    let mut quiet = |_: &Progress| ();
    let ran = other.run((&slow, "there"), &world.clock, Some(&state), &mut quiet);
    let error = ran.await.unwrap_err();
    assert!(error.to_string().contains("--resume"), "{error}");
}

/// What is measured is believed: prefixes below the real minimum are not marked any more, and an
/// entry that is gone after four minutes has expired and was not lost.
#[tokio::test]
async fn the_row_that_is_written_changes_what_the_engine_plans() {
    let mut rule = Rule::default();
    rule.min_tokens = Some(8192);
    rule.life_5m = Some(240.0);
    let report = found(rule.clone(), &[Kind::Minimum, Kind::Ttl]).await;
    let builtin = Arc::new(Catalog::builtin());
    let measured = Arc::new(Catalog::builtin().with_toml("rows", &report.rows).unwrap());
    let limits = measured
        .model("anthropic", "claude-haiku-4-5-20251001")
        .limits;
    assert_eq!(limits.min_tokens, 8192);
    assert!((210..240).contains(&limits.lives.of(Ttl::FiveMinutes).as_secs()));
    for (catalog, marked, cause) in [
        (builtin, true, Cause::Lost),
        (measured, false, Cause::Expired),
    ] {
        let engine = engine(&catalog);
        let small = engine.prepare(secs(0), &Meta::of("anthropic"), &prompt(3000));
        assert_eq!(!small.placements().is_empty(), marked, "{cause:?}");
        let mut sim = Sim::new(Arc::new(Catalog::builtin()));
        let mut rules = Rules::default();
        rules.life_5m = Some(Duration::from_secs(240));
        sim.set_rules(None, rules);
        let mut last = None;
        for second in [0, 260] {
            let now = secs(second);
            let body = prompt(20_000);
            let prepared = engine.prepare(now, &Meta::of("anthropic"), &body);
            let sent = prepared.body.clone().unwrap_or(body);
            let request = sim.read(&sent).unwrap();
            let usage = sim.serve("w", now, now, &request).unwrap();
            let mut exchange = prepared.exchange;
            exchange.on_usage(now, usage);
            last = exchange.finish(now, End::Complete).miss;
        }
        assert_eq!(last.map(|miss| miss.cause), Some(cause));
    }
}

fn secs(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn engine(catalog: &Arc<Catalog>) -> Engine {
    Engine::new(Arc::clone(catalog), Settings::default())
        .remembering(Arc::new(InProcess::default()))
}

/// An agent's first request of about this many tokens.
fn prompt(tokens: usize) -> Bytes {
    let tool = json!({"name": "t", "description": "d", "input_schema": {"type": "object"}});
    let body = json!({
        "model": HAIKU, "max_tokens": 5, "tools": [tool],
        "system": "lorem ".repeat(tokens * 27 / 60),
        "messages": [{"role": "user", "content": "go on"}],
    });
    body.to_string().into()
}

#[tokio::test]
async fn what_goes_wrong_is_said_clearly_and_names_no_key() {
    let world = World::new(Vec::new()).await;
    let probe = world.probe(only(HAIKU, &[Kind::Grant]));
    let remote = world.remote(&probe, "anthropic", "sk-very-secret");
    assert!(!format!("{remote:?}").contains("secret"));
    for (status, part, is_config) in [
        (401, "refused the key", true),
        (403, "refused the key", true),
        (404, "no model `claude-haiku-4-5`", true),
        (400, "refused a plain call", true),
        (529, "--resume", false),
    ] {
        let order = json!({"status": status, "count": 10});
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/admin/faults", world.server.base_url());
        client.post(url).json(&order).send().await.unwrap();
        let mut quiet = |_: &Progress| ();
        let ran = probe.run((&remote, "there"), &world.clock, None, &mut quiet);
        let error = ran.await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(part) && !text.contains("secret"), "{text}");
        assert_eq!(error.is_config(), is_config, "{text}");
        let url = format!("{}/admin/reset", world.server.base_url());
        client.post(url).send().await.unwrap();
    }
    let row = world.catalog.provider("anthropic").unwrap();
    let closed = Remote::new(
        row,
        "http://127.0.0.1:9",
        ("messages", HAIKU),
        &Key::new("sk-very-secret".into(), 0),
        &[],
    );
    let closed = closed.unwrap();
    let mut quiet = |_: &Progress| ();
    let ran = probe.run((&closed, "there"), &world.clock, None, &mut quiet);
    let error = ran.await.unwrap_err().to_string();
    assert_eq!(error, "cannot reach 127.0.0.1:9: nobody answers there");
    let refused = |provider: &str, model: &str| {
        let options = Options::new(provider, model);
        let refused = Probe::new(Arc::clone(&world.catalog), options);
        refused.unwrap_err().to_string()
    };
    assert!(refused("antropic", HAIKU).contains("there is no provider"));
    assert!(refused("anthropic", "claude-nope-9").contains("no row knows"));
    assert!(refused("openai", "gpt-4o-mini").contains("caches by itself"));
}

/// The command, against the command that simulates.
#[test]
#[expect(
    clippy::too_many_lines,
    clippy::cognitive_complexity,
    reason = "one run, told in order"
)]
fn the_command_plans_asks_probes_and_writes() {
    let rules = file("probe-rules.toml");
    std::fs::write(
        &rules,
        "[[rule]]\nprovider = \"anthropic\"\nlookback = 11\n",
    )
    .unwrap();
    let args = ["sim", "--listen", "127.0.0.1:0", "--rules"];
    let args = [&args[..], &[rules.to_str().unwrap()]].concat();
    let sim = Serving::start(&args, |_| ());
    let out = file("probe-cli.toml");
    let state = file("probe-cli.state.json");
    let base = [
        "probe",
        "--provider",
        "anthropic",
        "--model",
        HAIKU,
        "--endpoint",
        &sim.url,
        "--simulated",
        "--only",
        "lookback,renewal",
        "--out",
        out.to_str().unwrap(),
    ];
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cachewright"));
        command
            .args(base)
            .args(more)
            .env("ANTHROPIC_API_KEY", "sk-very-secret");
        command.stdin(Stdio::null()).output().unwrap()
    };
    let refused = run(&[]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("--yes") && said.contains("never more than $1.00"),
        "{said}"
    );
    let done = run(&["--yes", "--json"]);
    let told = String::from_utf8(done.stdout).unwrap();
    let plan = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(0), "{told} {plan}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["findings"][0]["found"], "11");
    assert_eq!(told["findings"][1]["verdict"], "same");
    let rows = std::fs::read_to_string(&out).unwrap();
    assert!(
        rows.contains("\nlookback = 11\n") && rows.contains("source = \"probe "),
        "{rows}"
    );
    assert!(!state.exists(), "finished");
    for text in [&rows, &plan] {
        assert!(!text.contains("secret"), "{text}");
    }
    let models = Command::new(env!("CARGO_BIN_EXE_cachewright"))
        .args(["models", "--provider", "anthropic", "--json", "--config"])
        .arg(&out)
        .output()
        .unwrap();
    let models: Value = serde_json::from_slice(&models.stdout).unwrap();
    let haiku = models.as_array().unwrap().iter();
    let haiku = haiku.filter(|row| row["model"] == "claude-haiku-4.5");
    let lookbacks: Vec<&Value> = haiku.map(|row| &row["lookback"]).collect();
    assert_eq!(lookbacks, [11]);
    let poor = run(&["--yes", "--budget", "0.02"]);
    assert_eq!(poor.status.code(), Some(1));
    let told = String::from_utf8(poor.stdout).unwrap();
    assert!(told.contains("--resume"), "{told}");
    let kept = std::fs::read_to_string(&state).unwrap();
    assert!(!kept.contains("secret") && kept.contains("gauge"), "{kept}");
    let again = run(&["--yes"]);
    assert_eq!(
        again.status.code(),
        Some(2),
        "nothing paid for is overwritten"
    );
    let more = run(&["--yes", "--resume", state.to_str().unwrap()]);
    assert_eq!(more.status.code(), Some(0));
}

#[test]
fn the_command_says_what_is_missing() {
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cachewright"));
        command
            .arg("probe")
            .args(args)
            .env_remove("ANTHROPIC_API_KEY");
        command
            .env_remove("ANTHROPIC_AUTH_TOKEN")
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let haiku = ["--provider", "anthropic", "--model", HAIKU, "--yes"];
    let (code, said) = run(&haiku);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("set ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN"),
        "{said}"
    );
    let (code, said) = run(&[&haiku[..], &["--key-env", "NO_SUCH_KEY_HERE"]].concat());
    assert_eq!(code, Some(2));
    assert!(said.contains("NO_SUCH_KEY_HERE is not set"), "{said}");
    let (code, said) = run(&[&haiku[..], &["--only", "liftime"]].concat());
    assert_eq!(code, Some(2));
    assert!(said.contains("valid are minimum, visibility"), "{said}");
    let (code, said) = run(&[]);
    assert!(code == Some(2) && said.contains("--provider"), "{said}");
    let (code, said) = run(&["--list"]);
    assert!(code == Some(0) && said.contains("upgrade"), "{said}");
}
