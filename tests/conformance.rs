//! The same forty conversations through every provider of a dialect, by configuration alone: the
//! application sees the same content, order and usage, whichever served it.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

pub(crate) mod bench;
mod sdks;
pub(crate) mod shown;
pub(crate) mod talk;
mod talks;

use bench::{Bench, header, path};
use serde_json::{Value, json};
use shown::Shown;
use talk::Talk;

/// A provider of a dialect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    /// Its row.
    pub(crate) kind: &'static str,
    /// More of its configuration.
    pub(crate) more: &'static str,
    /// The model that the route names.
    pub(crate) model: &'static str,
    /// Where the dialect's own vendor serves the same model, if it does; otherwise where this
    /// provider does, without us.
    pub(crate) direct: &'static str,
    /// The id of the model there.
    pub(crate) id: &'static str,
    /// Whether the model sees images and documents.
    pub(crate) sees: bool,
}

const CLAUDE: Served = Served {
    kind: "anthropic",
    more: "",
    model: "claude-sonnet-5.5",
    direct: "/v1/messages",
    id: "claude-sonnet-5-5",
    sees: true,
};

const GPT: Served = Served {
    kind: "openai",
    more: "",
    model: "gpt-5.6",
    direct: "/v1/chat/completions",
    id: "gpt-5.6",
    sees: true,
};

/// Who serves Messages.
pub(crate) const MESSAGES: [Served; 7] = [
    CLAUDE,
    Served {
        kind: "bedrock",
        more: "region = \"eu-central-1\"",
        ..CLAUDE
    },
    Served {
        kind: "bedrock-mantle",
        more: "region = \"eu-central-1\"",
        ..CLAUDE
    },
    Served {
        kind: "foundry",
        ..CLAUDE
    },
    Served {
        kind: "vertex",
        more: "region = \"europe-west1\"\nproject = \"p\"",
        ..CLAUDE
    },
    Served {
        kind: "vercel",
        ..CLAUDE
    },
    Served {
        kind: "openrouter",
        ..CLAUDE
    },
];

/// Who serves Chat Completions: the same model first, then others with models of their own.
pub(crate) const CHAT: [Served; 13] = [
    GPT,
    Served {
        kind: "azure",
        ..GPT
    },
    Served {
        kind: "vercel",
        ..GPT
    },
    Served {
        kind: "openrouter",
        ..GPT
    },
    blind(
        "groq",
        "gpt-oss-120b",
        "/groq/openai/v1/chat/completions",
        "openai/gpt-oss-120b",
    ),
    blind(
        "cerebras",
        "gpt-oss-120b",
        "/cerebras/v1/chat/completions",
        "gpt-oss-120b",
    ),
    blind(
        "fireworks",
        "gpt-oss-20b",
        "/fireworks/inference/v1/chat/completions",
        "accounts/fireworks/models/gpt-oss-20b",
    ),
    own(
        "mistral",
        "mistral-large-3",
        "/mistral/v1/chat/completions",
        "mistral-large-3",
    ),
    own(
        "deepseek",
        "deepseek-flash",
        "/deepseek/v1/chat/completions",
        "deepseek-flash",
    ),
    own("xai", "grok-4.5", "/xai/v1/chat/completions", "grok-4.5"),
    own(
        "moonshot",
        "kimi-k3",
        "/moonshot/v1/chat/completions",
        "kimi-k3",
    ),
    own(
        "qwen",
        "qwen3-max",
        "/qwen/compatible-mode/v1/chat/completions",
        "qwen3-max",
    ),
    own(
        "zai",
        "glm-5.3",
        "/zai/api/paas/v4/chat/completions",
        "glm-5.3",
    ),
];

/// Who serves Responses.
pub(crate) const RESPONSES: [Served; 6] = [
    with_responses(GPT, "openai"),
    with_responses(GPT, "azure"),
    with_responses(GPT, "vercel"),
    with_responses(GPT, "openrouter"),
    blind(
        "groq",
        "gpt-oss-120b",
        "/groq/openai/v1/responses",
        "openai/gpt-oss-120b",
    ),
    own("xai", "grok-4.5", "/xai/v1/responses", "grok-4.5"),
];

const fn own(
    kind: &'static str,
    model: &'static str,
    direct: &'static str,
    id: &'static str,
) -> Served {
    Served {
        kind,
        more: "",
        model,
        direct,
        id,
        sees: true,
    }
}

/// One whose model takes nothing but text.
const fn blind(
    kind: &'static str,
    model: &'static str,
    direct: &'static str,
    id: &'static str,
) -> Served {
    Served {
        sees: false,
        ..own(kind, model, direct, id)
    }
}

const fn with_responses(of: Served, kind: &'static str) -> Served {
    Served {
        kind,
        direct: "/v1/responses",
        ..of
    }
}

impl Served {
    /// The backend of this name, at a simulator.
    pub(crate) fn backend(&self, name: &str) -> String {
        let Self { kind, more, .. } = self;
        format!(
            "[providers.{name}]\nkind = \"{kind}\"\nendpoint = \"{{sim}}/{kind}\"\nkey = \"k\"\n{more}\n"
        )
    }

    /// A route over this one.
    fn config(&self) -> String {
        let backend = self.backend("one");
        format!(
            "{backend}[routes.app]\nmodel = \"{}\"\norder = \"one\"\n",
            self.model
        )
    }
}

/// What is seen without us.
pub(crate) async fn direct(served: &Served, dialect: &str, talks: &[Talk]) -> Vec<Option<Shown>> {
    let sim = bench::simulator().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut all = Vec::new();
    for talk in talks {
        let Some(body) = talk.body(dialect, served.id) else {
            all.push(None);
            continue;
        };
        let url = format!("{}{}", sim.base_url(), served.direct);
        let answer = client.post(url).header("x-api-key", "k").json(&body);
        let answer = answer.send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let bytes = answer.bytes().await.unwrap();
        let shown = shown::shown(dialect, (status, &kind, &bytes));
        assert_eq!(
            (status == 200, shown.streamed),
            (!talk.refused, talk.stream && !talk.refused),
            "{dialect}, {}: {}",
            talk.name,
            String::from_utf8_lossy(&bytes)
        );
        all.push(Some(shown));
    }
    all
}

/// Whatever is not the same through a provider.
async fn differences(served: &Served, dialect: &str, talks: &[Talk]) -> Vec<String> {
    let expected = direct(served, dialect, talks).await;
    let bench = Bench::new(&served.config()).await;
    let mut different = Vec::new();
    let mut asked = 0;
    for (talk, expected) in talks.iter().zip(&expected) {
        // Whatever the application names its model, the route knows better.
        let (Some(body), Some(expected)) = (talk.body(dialect, "app"), expected) else {
            continue;
        };
        let answered = bench.ask("app", dialect, &body).await;
        let seen = (answered.status, answered.kind(), &answered.body[..]);
        let place = format!("{dialect} by {}, {}", served.kind, talk.name);
        if talk.shows() && !served.sees {
            // Said before a byte leaves, as every other error is.
            let text = answered.text();
            if answered.status != 400 || !text.contains("no backend may serve this call") {
                different.push(format!("{place}: {text}"));
            }
            continue;
        }
        asked += 1;
        if let Some(cut) = &answered.cut {
            different.push(format!("{place}: {cut}"));
            continue;
        }
        if !answered.route().starts_with("app") {
            different.push(format!("{place}: no word of the route"));
        }
        let shown = shown::shown(dialect, seen);
        if shown != *expected {
            different.push(format!("{place}:\n  {shown:?}\n  {expected:?}"));
        }
    }
    // Each was asked once, of the right provider, under our credential; but for those that were
    // refused and might not have been as they came.
    let arrived = bench.arrived().await;
    let refused = talks.iter().filter(|talk| talk.refused).count();
    if !(asked..=asked + refused).contains(&arrived.len()) {
        different.push(format!(
            "{dialect} by {}: {} requests for {asked} conversations",
            served.kind,
            arrived.len()
        ));
    }
    let shows = |one: &Value| {
        let names = ["x-api-key", "api-key", "authorization"];
        names.iter().any(|name| header(one, name).ends_with('k'))
    };
    let strays = arrived
        .iter()
        .filter(|one| one["provider"] != served.kind || !shows(one));
    different
        .extend(strays.map(|one| format!("{}: {} {}", served.kind, one["provider"], one["path"])));
    assert!(asked > 25, "{dialect}: only {asked} conversations");
    different
}

async fn all_the_same(dialect: &str, providers: &[Served]) {
    let talks = talks::all();
    let each = providers
        .iter()
        .map(|served| differences(served, dialect, &talks));
    let different: Vec<String> = futures_util::future::join_all(each).await.concat();
    let count = different.len();
    assert!(different.is_empty(), "{count}:\n{}", different.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_the_same_whoever_serves_them() {
    all_the_same("messages", &MESSAGES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_is_the_same_whoever_serves_it() {
    all_the_same("chat", &CHAT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_are_the_same_whoever_serves_them() {
    all_the_same("responses", &RESPONSES).await;
}

/// A second turn is read from the cache wherever it goes, in the counts of the dialect.
#[tokio::test]
async fn what_was_written_is_read_by_every_provider_of_messages() {
    let talk = talks::all()
        .into_iter()
        .find(|talk| talk.name == "long")
        .unwrap();
    for served in &MESSAGES {
        let bench = Bench::new(&served.config()).await;
        let body = talk.body("messages", "app").unwrap();
        let mut reads = Vec::new();
        for _ in 0..2 {
            let answered = bench.ask("app", "messages", &body).await;
            let message: Value = serde_json::from_slice(&answered.body).unwrap();
            reads.push(
                message["usage"]["cache_read_input_tokens"]
                    .as_u64()
                    .unwrap(),
            );
        }
        assert!(
            reads[0] == 0 && reads[1] > 50_000,
            "{}: {reads:?}",
            served.kind
        );
    }
}

/// A model that is not served anywhere is an error in the caller's dialect, and of one shape.
#[tokio::test]
async fn a_model_that_is_nowhere_is_told_alike() {
    for served in &MESSAGES {
        let id = if served.kind == "bedrock" {
            "anthropic.no-such"
        } else {
            "no-such"
        };
        let models = format!(
            "models = {{ \"{}\" = \"{id}\" }}\n[routes.app]",
            served.model
        );
        let bench = Bench::new(&served.config().replace("[routes.app]", &models)).await;
        let body = json!({"model": "app", "max_tokens": 9, "messages": [
            {"role": "user", "content": "hello"}]});
        let answered = bench.ask("app", "messages", &body).await;
        let error: Value = serde_json::from_slice(&answered.body).unwrap();
        assert!((400..500).contains(&answered.status), "{}", answered.status);
        assert_eq!(error["type"], "error", "{}: {error}", served.kind);
        assert!(
            error["error"]["message"].is_string(),
            "{}: {error}",
            served.kind
        );
        assert_eq!(bench.arrived().await.len(), 1, "{}", served.kind);
    }
}

/// The route is named by the path, by a header, or by the body's model: the application changes
/// nothing else.
#[tokio::test]
async fn a_route_is_named_in_three_ways() {
    let bench = Bench::new(&CLAUDE.config()).await;
    let body = |model: &str| {
        json!({"model": model, "max_tokens": 9, "messages": [
            {"role": "user", "content": "hello"}]})
    };
    let at = path("messages");
    let by_path = bench.send(&format!("/app{at}"), &[], &body("any")).await;
    let header = [("x-cachewright-route", "app")];
    let by_header = bench.send(at, &header, &body("any")).await;
    let by_model = bench.send(at, &[], &body("app")).await;
    let seen = [by_path, by_header, by_model].map(|answered| {
        let shown = (answered.status, answered.kind(), &answered.body[..]);
        shown::shown("messages", shown)
    });
    assert_eq!(seen[0].status, 200);
    assert_eq!((&seen[0], &seen[0]), (&seen[1], &seen[2]));
    let arrived = bench.arrived().await;
    let models = arrived.iter().map(|one| {
        let body: Value = serde_json::from_str(one["body"].as_str().unwrap()).unwrap();
        body["model"].clone()
    });
    assert_eq!(models.collect::<Vec<_>>(), ["claude-sonnet-5-5"; 3]);
}
