//! Every provider's rows: complete, reachable at the documented hosts, and true of what was recorded.

use std::collections::{BTreeMap, BTreeSet};

use cachewright::model::{Regime, Ttl};
use cachewright::provider::{Accounting, AffinityPer, Catalog, Model, Provider};
use cachewright::wire::MarkerStyle;
use serde_json::Value;

use crate::support::recordings::recorded_exchanges;

const IDS: &str = include_str!("vectors/models/ids.txt");

fn is_date(text: &str) -> bool {
    let [year, month, day] = text.split('-').collect::<Vec<_>>()[..] else {
        return false;
    };
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    (2024..=2026).contains(&number(year))
        && (1..=12).contains(&number(month))
        && (1..=31).contains(&number(day))
}

fn walk(provider: &Provider) {
    let name = &provider.name;
    assert!(!provider.hosts.is_empty(), "{name}");
    assert!(
        !provider.source.is_empty() && is_date(&provider.as_of),
        "{name}"
    );
    let mut dialects = BTreeSet::new();
    for endpoint in &provider.endpoints {
        // An endpoint is asked for by its dialect, so two of one name would hide each other.
        assert!(dialects.insert(endpoint.name), "{name} {}", endpoint.name);
        assert!(!endpoint.paths.is_empty(), "{name} {}", endpoint.name);
        let beside = matches!(endpoint.name, "messages" | "converse");
        assert_eq!(endpoint.accounting() == Accounting::Beside, beside);
        if let Some(affinity) = &endpoint.affinity {
            assert!(
                affinity.field.is_some() || affinity.header.is_some(),
                "{name}"
            );
            let split = affinity.per == AffinityPer::Prefix;
            assert!(split || affinity.per_minute.is_none(), "{name}");
        }
    }
    assert!(!dialects.is_empty(), "{name}");
}

fn judge(provider: &Provider, model: &Model) {
    let what = format!("{} {}", provider.name, model.name);
    let limits = &model.limits;
    assert!(limits.known && limits.min_tokens > 0, "{what}");
    assert!(!model.source.is_empty() && is_date(&model.as_of), "{what}");
    let mut styles = provider.endpoints.iter().map(|endpoint| endpoint.marker);
    let marked = styles.any(|style| style != MarkerStyle::None);
    if marked && limits.regime != Regime::Automatic {
        assert!(provider.ttls.contains(&limits.ttl), "{what}");
        assert_eq!(limits.max_breakpoints, 4, "{what}");
    } else {
        assert_eq!(limits.max_breakpoints, 0, "{what}");
    }
    let Some(prices) = model.prices else {
        return;
    };
    let tiers = [Some(prices.standard), prices.short.map(|(_, tier)| tier)];
    for tier in tiers.into_iter().flatten() {
        assert!(
            tier.read < tier.input && tier.input <= tier.output,
            "{what}"
        );
        assert!(tier.input <= tier.write(limits.ttl), "{what}");
    }
    if let Some((longest, short)) = prices.short {
        assert!(
            longest >= 100_000 && short.input < prices.standard.input,
            "{what}"
        );
    }
}

#[test]
fn every_provider_and_model_is_complete() {
    let rows = Catalog::builtin();
    let names: Vec<&str> = rows.providers().map(|row| &*row.name).collect();
    for wanted in [
        "anthropic",
        "bedrock",
        "bedrock-nova",
        "bedrock-mantle",
        "vertex",
        "foundry",
        "openai",
        "azure",
        "azure-models",
        "gemini",
        "vercel",
        "openrouter",
        "deepseek",
        "xai",
        "mistral",
        "groq",
        "cerebras",
        "fireworks",
        "moonshot",
        "qwen",
        "zai",
    ] {
        assert!(names.contains(&wanted), "{wanted}");
    }
    for provider in rows.providers() {
        walk(provider);
        let mut served = 0;
        for model in rows.served(provider) {
            judge(provider, &model);
            served += 1;
        }
        assert!(served > 0, "{}", provider.name);
        for other in &provider.models_from {
            assert!(rows.provider(other).is_some(), "{other}");
        }
    }
}

/// Who has no price has none knowingly.
#[test]
fn models_without_prices_are_these() {
    let rows = Catalog::builtin();
    let unpriced: BTreeMap<&str, usize> = rows
        .providers()
        .map(|provider| {
            let models = rows.models(&provider.name);
            (
                &*provider.name,
                models.filter(|m| m.prices.is_none()).count(),
            )
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    let expected = BTreeMap::from([
        ("anthropic", 1),
        ("bedrock", 2),
        ("bedrock-mantle", 6),
        ("cerebras", 2),
        ("fireworks", 3),
        ("gemini", 4),
        ("groq", 1),
        ("mistral", 1),
        ("openai", 1),
        ("qwen", 9),
        ("vertex", 3),
        ("zai", 3),
    ]);
    assert_eq!(unpriced, expected);
}

#[test]
fn every_documented_id_has_its_row() {
    let rows = Catalog::builtin();
    let mut seen = BTreeSet::new();
    for line in IDS.lines().filter(|line| !line.starts_with('#')) {
        let [provider, id, name] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let model = rows.model(provider, id);
        assert!(model.limits.known, "{line}");
        assert_eq!(&*model.name, name, "{line}");
        seen.insert(provider);
    }
    assert_eq!(seen.len(), rows.providers().count());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn documented_addresses_find_their_dialect() {
    const CLAUDE: &str = "publishers/anthropic/models/claude-opus-4-8";
    const GEMINI: &str = "publishers/google/models/gemini-2.5-flash";
    let vertex = |location: &str, rest: &str| format!("/v1/projects/p/locations/{location}/{rest}");
    let table = [
        (
            "api.anthropic.com",
            "/v1/messages".to_owned(),
            "anthropic messages cache_control",
        ),
        (
            "bedrock-runtime.us-east-1.amazonaws.com",
            "/model/us.anthropic.claude-sonnet-4-6/converse-stream".to_owned(),
            "bedrock converse cache_point regional",
        ),
        (
            "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
            "/model/global.anthropic.claude-opus-4-6-v1/invoke".to_owned(),
            "bedrock messages cache_control",
        ),
        (
            "bedrock-runtime.eu-west-1.api.aws",
            "/model/amazon.nova-lite-v1%3A0/invoke-with-response-stream".to_owned(),
            "bedrock-nova converse cache_point_member",
        ),
        (
            "bedrock-mantle.us-east-1.api.aws",
            "/anthropic/v1/messages".to_owned(),
            "bedrock-mantle messages cache_control",
        ),
        (
            "bedrock-runtime.us-east-1.amazonaws.com",
            "/openai/v1/responses".to_owned(),
            "bedrock-mantle responses prompt_cache_breakpoint",
        ),
        (
            "aiplatform.googleapis.com",
            vertex("global", &format!("{CLAUDE}:streamRawPredict")),
            "vertex messages cache_control",
        ),
        (
            "us-east5-aiplatform.googleapis.com",
            vertex("us-east5", &format!("{CLAUDE}:rawPredict")),
            "vertex messages cache_control regional",
        ),
        (
            "europe-west1-aiplatform.googleapis.com",
            vertex("europe-west1", &format!("{GEMINI}:generateContent")),
            "vertex generate none regional",
        ),
        (
            "acme.services.ai.azure.com",
            "/anthropic/v1/messages".to_owned(),
            "foundry messages cache_control",
        ),
        (
            "acme.openai.azure.com",
            "/openai/deployments/gpt-5.6-sol/chat/completions?api-version=2026-08-01".to_owned(),
            "azure chat prompt_cache_breakpoint",
        ),
        (
            "acme.cognitiveservices.azure.com",
            "/openai/v1/responses".to_owned(),
            "azure responses prompt_cache_breakpoint",
        ),
        (
            "acme.services.ai.azure.com",
            "/models/chat/completions".to_owned(),
            "azure-models chat none",
        ),
        (
            "api.openai.com",
            "/v1/chat/completions".to_owned(),
            "openai chat prompt_cache_breakpoint",
        ),
        (
            "eu.api.openai.com",
            "/v1/responses".to_owned(),
            "openai responses prompt_cache_breakpoint regional",
        ),
        (
            "generativelanguage.googleapis.com",
            "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse".to_owned(),
            "gemini generate none",
        ),
        (
            "ai-gateway.vercel.sh",
            "/v1/messages".to_owned(),
            "vercel messages cache_control",
        ),
        (
            "openrouter.ai",
            "/api/v1/chat/completions".to_owned(),
            "openrouter chat cache_control",
        ),
        (
            "openrouter.ai",
            "/api/v1/responses".to_owned(),
            "openrouter responses none",
        ),
        (
            "api.deepseek.com",
            "/anthropic/v1/messages".to_owned(),
            "deepseek messages cache_control",
        ),
        ("api.x.ai", "/v1/responses".to_owned(), "xai responses none"),
        (
            "api.mistral.ai",
            "/v1/chat/completions".to_owned(),
            "mistral chat none",
        ),
        (
            "api.groq.com",
            "/openai/v1/chat/completions".to_owned(),
            "groq chat none",
        ),
        (
            "api.cerebras.ai",
            "/v1/chat/completions".to_owned(),
            "cerebras chat none",
        ),
        (
            "api.fireworks.ai",
            "/inference/v1/chat/completions".to_owned(),
            "fireworks chat none",
        ),
        (
            "api.moonshot.ai",
            "/anthropic/v1/messages".to_owned(),
            "moonshot messages cache_control",
        ),
        (
            "dashscope-intl.aliyuncs.com",
            "/compatible-mode/v1/chat/completions".to_owned(),
            "qwen chat cache_control",
        ),
        (
            "api.z.ai",
            "/api/coding/paas/v4/chat/completions".to_owned(),
            "zai chat none",
        ),
    ];
    let rows = Catalog::builtin();
    let mut seen = BTreeSet::new();
    for (host, path, expected) in table {
        let found = rows.find(host, &path).expect(expected);
        let mut said = vec![
            &*found.provider.name,
            found.endpoint.name,
            found.endpoint.marker.as_str(),
        ];
        said.extend(found.regional.then_some("regional"));
        assert_eq!(said.join(" "), expected, "{host}{path}");
        seen.insert(found.provider.name.to_string());
    }
    assert_eq!(seen.len(), rows.providers().count(), "{seen:?}");
    for (host, path) in [
        (
            "bedrock-runtime.us-east-1.amazonaws.com",
            "/model/meta.llama3-v1:0/invoke",
        ),
        ("api.openai.com", "/v1/embeddings"),
        ("api.openai.com.evil.org", "/v1/responses"),
        (
            "generativelanguage.googleapis.com",
            "/v1beta/models/gemini-2.5-pro:countTokens",
        ),
        ("api.cohere.com", "/v2/chat"),
    ] {
        assert!(rows.find(host, path).is_none(), "{host}{path}");
    }
}

/// Where two providers serve one model, each has its own rules for it.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn limits_are_those_of_the_provider_asked() {
    use Regime::{Automatic, Breakpoints, Exact};
    use Ttl::{FiveMinutes, HalfHour};
    // Minimum, markers, lifetime, an hour, regime, regional surcharge.
    let table = [
        (
            "anthropic",
            "claude-opus-4-7",
            (2048, 4, FiveMinutes, true, Breakpoints, 0),
        ),
        (
            "bedrock",
            "claude-opus-4-7",
            (4096, 4, FiveMinutes, true, Breakpoints, 10),
        ),
        (
            "bedrock",
            "claude-mythos-preview",
            (4096, 4, FiveMinutes, true, Breakpoints, 10),
        ),
        (
            "bedrock",
            "claude-opus-4-1",
            (1024, 4, FiveMinutes, false, Breakpoints, 0),
        ),
        (
            "bedrock",
            "anthropic.claude-3-haiku-20240307-v1:0",
            (2048, 0, FiveMinutes, false, Automatic, 0),
        ),
        (
            "bedrock",
            "us.amazon.nova-pro-v1:0",
            (1024, 4, FiveMinutes, false, Breakpoints, 0),
        ),
        (
            "bedrock",
            "us.meta.llama4-scout-17b-instruct-v1:0",
            (4096, 0, FiveMinutes, false, Automatic, 10),
        ),
        (
            "bedrock-nova",
            "amazon.nova-lite-v1:0",
            (1024, 4, FiveMinutes, false, Breakpoints, 0),
        ),
        (
            "bedrock-mantle",
            "anthropic.claude-opus-4-7",
            (4096, 4, FiveMinutes, true, Breakpoints, 10),
        ),
        (
            "bedrock-mantle",
            "openai.gpt-5.6-luna",
            (1024, 4, HalfHour, false, Exact, 10),
        ),
        (
            "vertex",
            "claude-sonnet-4-6",
            (1024, 4, FiveMinutes, true, Breakpoints, 10),
        ),
        (
            "vertex",
            "gemini-3.8-flash",
            (6144, 0, FiveMinutes, false, Automatic, 10),
        ),
        (
            "vertex",
            "gemini-2.5-flash",
            (2048, 0, FiveMinutes, false, Automatic, 10),
        ),
        (
            "openai",
            "gpt-6.2-sol",
            (1024, 4, HalfHour, false, Exact, 10),
        ),
        ("openai", "gpt-4o", (1024, 0, HalfHour, false, Automatic, 0)),
        ("openai", "gpt-9", (4096, 0, HalfHour, false, Automatic, 10)),
        ("azure", "gpt-5.6-sol", (1024, 4, HalfHour, false, Exact, 0)),
        (
            "azure",
            "my-deployment",
            (4096, 0, HalfHour, false, Automatic, 0),
        ),
        (
            "openrouter",
            "openai/gpt-5.6-sol",
            (1024, 4, HalfHour, false, Exact, 0),
        ),
        (
            "openrouter",
            "anthropic/claude-haiku-4.5",
            (4096, 4, FiveMinutes, true, Breakpoints, 0),
        ),
        (
            "openrouter",
            "meta-llama/llama-4",
            (4096, 0, FiveMinutes, false, Automatic, 0),
        ),
        (
            "groq",
            "llama-9",
            (4096, 0, FiveMinutes, false, Automatic, 0),
        ),
        (
            "qwen",
            "qwen3-max",
            (1024, 4, FiveMinutes, false, Breakpoints, 0),
        ),
        (
            "qwen",
            "qwen4-max",
            (1024, 4, FiveMinutes, true, Breakpoints, 0),
        ),
        (
            "moonshot",
            "kimi-k3.1-pro",
            (256, 0, FiveMinutes, false, Automatic, 0),
        ),
    ];
    let rows = Catalog::builtin();
    for (provider, id, expected) in table {
        let model = rows.model(provider, id);
        let limits = model.limits;
        let found = (
            limits.min_tokens,
            limits.max_breakpoints,
            limits.ttl,
            limits.one_hour,
            limits.regime,
            model.regional_percent,
        );
        assert_eq!(found, expected, "{provider} {id}");
    }
    let nova = rows.model("bedrock", "amazon.nova-lite-v1:0").limits;
    assert!(!nova.marks_tools && !nova.marks_results);
    assert_eq!(nova.max_cached, Some(20_000));
    assert!(!nova.is_beyond(20_000) && nova.is_beyond(20_001));
    assert_eq!(
        rows.model("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0")
            .limits
            .max_cached,
        None
    );
}

#[test]
fn where_no_marker_can_be_written_there_is_none() {
    let rows = Catalog::builtin();
    let openrouter = rows.provider("openrouter").expect("a row");
    let limited = |dialect| {
        let endpoint = openrouter.endpoint(dialect).expect("spoken there");
        let model = rows.model("openrouter", "anthropic/claude-sonnet-4.6");
        endpoint.limit(model).limits.max_breakpoints
    };
    assert_eq!(["chat", "messages", "responses"].map(limited), [4, 4, 0]);
}

#[test]
fn free_variants_do_not_cost_what_the_model_costs() {
    let rows = Catalog::builtin();
    let paid = rows.model("openrouter", "google/gemini-2.5-flash");
    let free = rows.model("openrouter", "google/gemini-2.5-flash:free");
    assert_eq!(paid.name, free.name);
    assert!(paid.prices.is_some() && free.prices.is_none());
}

/// Every endpoint that is steered, and by what; all others are not.
#[test]
fn each_endpoint_is_steered_in_its_own_way() {
    let rows = Catalog::builtin();
    let mut found = Vec::new();
    for provider in rows.providers() {
        for endpoint in &provider.endpoints {
            let Some(affinity) = &endpoint.affinity else {
                continue;
            };
            let parts = [
                affinity
                    .field
                    .as_deref()
                    .map(|field| format!("{field} in the body")),
                affinity
                    .header
                    .as_deref()
                    .map(|header| format!("{header} in the head")),
                Some(format!("per {:?}", affinity.per).to_lowercase()),
                affinity.per_minute.map(|most| format!("of {most}")),
                affinity.automatic_only.then(|| "automatic only".to_owned()),
                (!affinity.unless.is_empty())
                    .then(|| format!("unless {}", affinity.unless.join(", "))),
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            found.push(format!(
                "{} {}: {}",
                provider.name,
                endpoint.name,
                parts.join(" ")
            ));
        }
    }
    found.sort();
    let expected = [
        "azure chat: prompt_cache_key in the body per prefix of 15",
        "azure responses: prompt_cache_key in the body per prefix of 15",
        "fireworks chat: x-session-affinity in the head per conversation",
        "fireworks responses: x-session-affinity in the head per conversation",
        "mistral chat: prompt_cache_key in the body per prefix",
        "openai chat: prompt_cache_key in the body per prefix of 15 automatic only",
        "openai responses: prompt_cache_key in the body per prefix of 15 automatic only",
        "openrouter chat: session_id in the body per conversation unless x-session-id, prompt_cache_key",
        "openrouter messages: x-session-id in the head per conversation unless session_id, prompt_cache_key",
        "openrouter responses: session_id in the body per conversation unless x-session-id, prompt_cache_key",
        "xai chat: x-grok-conv-id in the head per conversation",
        "xai responses: prompt_cache_key in the body per conversation",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_row_like_another_says_only_what_differs() {
    let text = "[[model]]\nprovider = \"foundry\"\nname = \"claude-opus-4.7\"\n\
                like = \"anthropic/claude-opus-4.7\"\nmin_tokens = 9\nsource = \"contract\"\n\
                as_of = \"2026-11-22\"\n";
    let rows = Catalog::builtin()
        .with_toml("mine.toml", text)
        .expect("valid");
    let theirs = rows.model("anthropic", "claude-opus-4-7-20260416");
    let mut ours = rows.model("foundry", "claude-opus-4-7-20260416");
    assert_eq!((ours.limits.min_tokens, ours.storage_min), (9, 9));
    assert_eq!(&*ours.source, "contract");
    ours.limits.min_tokens = theirs.limits.min_tokens;
    ours.storage_min = theirs.storage_min;
    ours.limits.collapse_runs = theirs.limits.collapse_runs;
    ours.source.clone_from(&theirs.source);
    ours.as_of.clone_from(&theirs.as_of);
    assert_eq!(ours, theirs);

    let broken = text.replace("anthropic/", "");
    let error = Catalog::builtin()
        .with_toml("mine.toml", &broken)
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        "mine.toml:4: there is no model `claude-opus-4.7`; write `provider/name` of an earlier row"
    );
}

/// Paths of known hosts that carry no prompt to answer.
fn is_beside_the_point(path: &str) -> bool {
    ["/files", "/count_tokens", "/cachedContents", "/batches"]
        .iter()
        .any(|part| path.contains(part))
}

#[test]
fn every_recorded_request_has_its_provider_and_model() {
    let Some(all) = recorded_exchanges() else {
        return;
    };
    let rows = Catalog::builtin();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut strangers = BTreeSet::new();
    for one in all.iter().filter(|one| one.request.is_some()) {
        let (host, path) = one.place();
        if host.is_empty() || is_beside_the_point(path) {
            continue;
        }
        let Some(found) = rows.find(host, path) else {
            strangers.insert(host.to_owned());
            continue;
        };
        let body: Value =
            serde_json::from_slice(one.request.as_ref().expect("checked")).unwrap_or_default();
        let named = body.get("model").and_then(Value::as_str);
        let id = found.model.as_deref().or(named).expect("a model is named");
        let model = rows.model(&found.provider.name, id);
        assert!(
            model.limits.known,
            "{}: {} {id}",
            one.name, found.provider.name
        );
        *counts.entry(found.provider.name.to_string()).or_default() += 1;
    }
    assert_eq!(
        strangers.iter().map(String::as_str).collect::<Vec<_>>(),
        [
            "api.cohere.com",
            "api.inference.crusoecloud.com",
            "httpbin.org",
            "oauth2.googleapis.com",
            "pdfobject.com",
            "www.gstatic.com",
            "www.ruby-lang.org",
        ]
    );
    let providers: Vec<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(
        providers,
        [
            "anthropic",
            "azure-models",
            "bedrock",
            "bedrock-mantle",
            "deepseek",
            "gemini",
            "groq",
            "mistral",
            "openai",
            "openrouter",
            "vertex",
            "xai",
            "zai",
        ]
    );
    assert!(counts.values().sum::<usize>() > 250, "{counts:?}");
}

/// xAI says with each response what it cost, in ten-billionths of a dollar: our prices come to it.
#[test]
fn prices_come_to_what_was_billed() {
    let Some(all) = recorded_exchanges() else {
        return;
    };
    let rows = Catalog::builtin();
    let mut checked = 0;
    for one in all {
        let Ok(response) = serde_json::from_slice::<Value>(&one.response) else {
            continue;
        };
        let usage = &response["usage"];
        let number = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
        let (Some(id), Some(ticks), Some(input), Some(output)) = (
            response["model"]
                .as_str()
                .filter(|_| one.place().0 == "api.x.ai"),
            number("/cost_in_usd_ticks"),
            number("/input_tokens"),
            number("/output_tokens"),
        ) else {
            continue;
        };
        if usage["num_server_side_tools_used"]
            .as_u64()
            .is_some_and(|used| used != 0)
        {
            // Tools on the server have a fee of their own.
            continue;
        }
        let read = number("/input_tokens_details/cached_tokens").unwrap_or(0);
        let prices = rows.model("xai", id).prices.expect(id);
        let tier = prices.tier(input);
        let cost =
            tier.input.times(input - read) + tier.read.times(read) + tier.output.times(output);
        assert_eq!(cost.as_pico(), i128::from(ticks) * 100, "{}", one.name);
        checked += 1;
    }
    assert!(checked >= 20, "{checked}");
}
