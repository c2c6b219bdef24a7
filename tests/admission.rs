//! Which prefixes are written: what the engine costs on made-up and recorded traffic, against a
//! policy that knows all that comes, against no caching, and against the documented markers.

#![expect(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    reason = "a test stops at the first surprise, and compares costs"
)]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::bounds::{self, Regime};
use cachewright::adapter::memory::{Bounds, InProcess};
use cachewright::adapter::replay::{Job, Row, replay};
use cachewright::engine::{End, Engine, Meta, Settings};
use cachewright::model::{KeepAlive, Money, Timestamp, Usage, Why};
use cachewright::provider::Catalog;
use serde_json::{Value, json};

use crate::recorded::replayed;
use crate::support::traffic::{Agent, Sent, Service, file, interleaved, one_shots, words};
use crate::traces::many_tenants;

/// What input costs in one workload, in dollars.
#[derive(Debug)]
struct Costs {
    ours: f64,
    none: f64,
    documented: f64,
    clairvoyant: f64,
    hit_rate: f64,
    /// The hit rate of the bound.
    reachable: f64,
}

/// What the replay of this file came to, beside what its requests cost at least and by foresight.
fn costs(row: &Row, path: &Path) -> Costs {
    let job = bounds::Job::new(Arc::new(Catalog::builtin()));
    let figures = bounds::measure(path, &job, |_, _| {}).unwrap();
    let (lower, clairvoyant) = (
        figures.lower(Regime::Short),
        figures.clairvoyant(Regime::Short),
    );
    Costs {
        ours: row.main.input_cost.as_usd(),
        none: row.baselines.none.input_cost.as_usd(),
        documented: row.baselines.default.input_cost.as_usd(),
        clairvoyant: clairvoyant.cost.as_usd(),
        hit_rate: row.main.hit_rate().unwrap(),
        reachable: lower.hit_rate().unwrap_or(0.0),
    }
}

fn of(sent: Vec<Sent>) -> Costs {
    let file = file(sent);
    let job = Job::new(Arc::new(Catalog::builtin()));
    let row = replay(file.path(), &job, &mut [], &mut ()).unwrap();
    costs(&row, file.path())
}

fn agents(count: u64, keeps: Option<usize>) -> Vec<Sent> {
    let service = Service::agents(1);
    let agent = |n: u64| Agent {
        seed: 10 + n,
        turns: 25,
        start: f64::from(u32::try_from(n).unwrap()) * 60.0,
        keeps,
    };
    (0..count).flat_map(|n| agent(n).run(&service)).collect()
}

/// No more than 1 % above what everybody does, wherever that is, and near a clairvoyant.
fn holds(costs: &Costs, of_clairvoyant: f64) {
    assert!(costs.ours <= costs.documented * 1.01, "{costs:?}");
    assert!(
        costs.ours <= costs.clairvoyant * of_clairvoyant,
        "{costs:?}"
    );
}

#[test]
fn one_shots_of_any_kind_cost_what_no_caching_costs() {
    for (what, every, service) in [
        ("slow", 5.0, (|_| Service::bare()) as fn(u64) -> Service),
        ("fast", 0.2, |_| Service::bare()),
        ("rare", 700.0, |_| Service::bare()),
        ("own tools and system", 2.0, |n| Service::agents(100 + n)),
    ] {
        let costs = of(one_shots(1000, every, 3, service));
        assert!(costs.ours <= costs.none * 1.005, "{what}: {costs:?}");
    }
}

#[test]
fn one_shots_of_one_service_read_what_they_share_and_write_nothing_else() {
    let costs = of(one_shots(1000, 2.0, 3, |_| Service::agents(1)));
    holds(&costs, 1.02);
    assert!(costs.ours < costs.none * 0.75, "{costs:?}");
}

#[test]
fn agents_among_one_shots_are_told_apart_or_served_alike() {
    let mut sent = agents(12, None);
    sent.extend(one_shots(800, 2.0, 3, |_| Service::agents(1)));
    holds(&of(sent), 1.05);
}

#[test]
fn agents_in_lanes_that_nobody_names_are_found_by_their_prefixes() {
    holds(&of(interleaved(8)), 1.05);
}

#[test]
fn what_a_client_is_about_to_replace_is_not_written() {
    for keeps in [1, 2, 3, 5, 8] {
        let costs = of(agents(20, Some(keeps)));
        holds(&costs, 1.05);
        assert!(costs.ours < costs.documented * 0.75, "{keeps}: {costs:?}");
    }
}

/// Changes the messages of one request of an agent's, given its turn.
type Change = fn(u64, &mut Vec<Value>);

/// Agents that send their messages changed, each by itself.
fn changed(change: Change) -> Vec<Sent> {
    let service = Service::agents(1);
    let run = |n: u64| {
        let start = f64::from(u32::try_from(n).unwrap()) * 60.0;
        let agent = Agent {
            seed: 10 + n,
            turns: 25,
            start,
            keeps: None,
        };
        let mut sent = agent.run(&service);
        for (turn, one) in (0..).zip(&mut sent) {
            let messages = one.body.get_mut("messages").and_then(Value::as_array_mut);
            change(n * 100 + turn, messages.unwrap());
        }
        sent
    };
    (0..20).flat_map(run).collect()
}

/// Texts that stand at the end of the last message, and of no later request's.
fn remind(turn: u64, messages: &mut [Value], lengths: &[u64]) {
    let content = messages.last_mut().unwrap().get_mut("content").unwrap();
    if let Some(text) = content.as_str() {
        *content = json!([{"type": "text", "text": text}]);
    }
    let texts = (0..).zip(lengths);
    let texts = texts.map(|(n, length)| words(900_000 + turn * 10 + n, *length));
    let texts = texts.map(|text| json!({"type": "text", "text": text}));
    content.as_array_mut().unwrap().extend(texts);
}

/// Every way in which clients change what they sent before is found out from how far requests agree.
#[test]
fn what_no_later_request_will_have_is_not_written() {
    let changes: [(&str, f64, Change); 5] = [
        ("a reminder", 1.02, |turn, messages| {
            remind(turn, messages, &[40]);
        }),
        ("a state and a word", 1.02, |turn, messages| {
            remind(turn, messages, &[400, 2]);
        }),
        ("the last six turns", 1.02, |_, messages| {
            let older = messages.len().saturating_sub(13);
            messages.drain(1..=older);
        }),
        ("eight turns fewer at a time", 1.05, |turn, messages| {
            let older = usize::try_from(turn % 100 / 8 * 16).unwrap();
            messages.drain(1..=older.min(messages.len() - 1));
        }),
        ("results cut every eighth turn", 1.05, |turn, messages| {
            let older = usize::try_from(turn % 100 / 8 * 8).unwrap();
            let results = messages.iter_mut().skip(2).step_by(2).take(older);
            let results = results.filter_map(|one| one.get_mut("content")?.as_array_mut());
            results
                .flatten()
                .for_each(|one| one["content"] = "[cut]".into());
        }),
    ];
    for (what, most, change) in changes {
        let costs = of(changed(change));
        assert!(costs.ours <= costs.clairvoyant * most, "{what}: {costs:?}");
        assert!(costs.ours <= costs.documented, "{what}: {costs:?}");
    }
}

/// Sends a request that is answered at once, and says why its markers stand where they stand.
fn send(engine: &Engine, at: f64, body: &Value) -> Vec<Why> {
    let now = Timestamp::from_secs_f64(at);
    let body = Bytes::from(serde_json::to_vec(body).unwrap());
    let prepared = engine.prepare(now, &Meta::of("anthropic"), &body);
    let whys = prepared.placements().iter().map(|one| one.why).collect();
    let mut exchange = prepared.exchange;
    exchange.on_usage(now, Usage::reported(10, 0, 3000, 0, 1));
    let _ = exchange.finish(now, End::Complete);
    whys
}

#[test]
fn a_flood_of_prompts_that_nobody_repeats_pushes_no_conversation_out() {
    let mut bounds = Bounds::default();
    bounds.prefixes = 4000;
    bounds.body_bytes = 1 << 20;
    let engine = Engine::new(Arc::new(Catalog::builtin()), Settings::default())
        .remembering(Arc::new(InProcess::new(bounds)));
    let agent = Agent {
        seed: 1,
        turns: 6,
        start: 0.0,
        keeps: None,
    };
    let mut turns = agent.run(&Service::agents(1));
    let last = turns.pop().unwrap();
    for turn in &turns {
        send(&engine, turn.at, &turn.body);
    }
    let begun = turns.last().unwrap().at;
    for n in 0..20_000_u32 {
        let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": words(u64::from(n), 30)}]});
        send(&engine, begun + 1.0 + f64::from(n) * 0.01, &body);
    }
    let whys = send(&engine, begun + 250.0, &last.body);
    assert!(whys.contains(&Why::Warm), "{whys:?}");
}

#[test]
fn recorded_traffic_is_near_the_clairvoyant() {
    let Some(recorded) = crate::workload::recordings() else {
        return;
    };
    for (name, most) in [
        ("bfcl", 1.03),
        ("rag_cookbook", 1.03),
        ("tau2_bench", 1.03),
        ("tau_bench_airline", 1.03),
        ("lmcache_agents", 1.03),
    ] {
        let path = recorded.join(format!("{name}.jsonl.xz"));
        let costs = costs(replayed(name).unwrap(), &path);
        holds(&costs, most);
        assert!(
            costs.hit_rate >= 0.97 * costs.reachable,
            "{name}: {costs:?}"
        );
    }
}

/// Pings are sent on expectations; where these are wrong, little is lost.
#[test]
fn pings_cost_hardly_more_than_they_save() {
    let Some(recorded) = crate::workload::recordings() else {
        return;
    };
    let mut pings = 0;
    for name in ["bfcl", "tau2_bench", "tau_bench_airline", "lmcache_agents"] {
        let mut job = Job::new(Arc::new(Catalog::builtin()));
        let mut wide = KeepAlive::default();
        for most in [&mut wide.per_ping, &mut wide.per_session, &mut wide.per_day] {
            *most = Money::from_pico(1_000_000_000_000_000);
        }
        job.settings.keep_alive = Some(wide);
        let path = recorded.join(format!("{name}.jsonl.xz"));
        let row = replay(&path, &job, &mut [], &mut ()).unwrap();
        let [ours, documented] =
            [&row.main, &row.baselines.default].map(|one| one.input_cost.as_usd());
        assert!(ours <= documented * 1.01, "{name}: {ours} {documented}");
        pings += row.main.pings;
    }
    assert!(pings > 0, "none was sent");
}

#[test]
fn a_serving_trace_of_many_tenants_is_written_where_it_comes_back() {
    let Some(recorded) = crate::workload::recordings() else {
        return;
    };
    let path = recorded.join("mooncake_synth.jsonl.xz");
    let mut job = Job::new(Arc::new(Catalog::builtin()));
    job.reading.traces_as = Some(("openai".into(), "gpt-5.6-sol".into()));
    let thirty = replay(&path, &job, &mut [], &mut ()).unwrap();
    for (row, bar) in [(many_tenants().unwrap(), 0.60), (&thirty, 0.55)] {
        let ratio = row.main.input_cost.as_usd() / row.baselines.none.input_cost.as_usd();
        assert!(ratio <= bar, "{bar}: {ratio} {row:?}");
    }
}
