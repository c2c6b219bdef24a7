//! No prompt text, header or key in any artefact: secrets are planted in everything that passes,
//! and everything that is left behind is searched for them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cachewright::adapter::admin::Scrape;
use cachewright::adapter::handle::{Builder, Cachewright};
use cachewright::adapter::page;
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::adapter::spans::Spans;
use cachewright::adapter::store::{Query, Store, StoreOptions};
use cachewright::adapter::tower::RequestBody;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json as value};
use tower::Service as _;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::support::origin::{Origin, Protocol, json};
use crate::support::serving::Serving;

/// What is planted, and where.
const KEY: &str = "sk-ant-quetzalcoatl";
const HEADER: &str = "header-axolotl";
const SYSTEM: &str = "xylophonist";
const TOOL: &str = "zeppelinwright";
const SCHEMA: &str = "marzipanladen";
const MESSAGE: &str = "thunderquartz";
const RESULT: &str = "gargoylemint";
const METADATA: &str = "user-obsidianfern";
const BROKEN: &str = "brokenjackdaw";
const REPLY: &str = "palimpsestowl";
const FAULT: &str = "nightjarfault";

const SECRETS: [&str; 11] = [
    KEY, HEADER, SYSTEM, TOOL, SCHEMA, MESSAGE, RESULT, METADATA, BROKEN, REPLY, FAULT,
];

/// What a provider says that repeats what nobody should hear.
const ANSWER: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"palimpsestowl"}],"usage":{"input_tokens":3,"cache_creation_input_tokens":2000,"cache_read_input_tokens":0,"output_tokens":2}}"#;
const ERROR: &str = r#"{"type":"error","error":{"type":"invalid_request_error","message":"cache_control: nightjarfault"}}"#;

/// What was left behind, each piece by its name.
#[derive(Default)]
struct Artefacts(Vec<(String, Vec<u8>)>);

impl Artefacts {
    fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((name.into(), bytes.into()));
    }

    /// Every file below a directory.
    fn add_files(&mut self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.add_files(&path);
                continue;
            }
            // The log of a database may be empty, and that of complaints should be.
            let bytes = fs::read(&path).unwrap();
            if !bytes.is_empty() {
                self.add(path.display().to_string(), bytes);
            }
        }
    }

    /// The names of the pieces that hold this.
    fn holding(&self, secret: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|(_, bytes)| {
            let wanted = secret.as_bytes();
            bytes.windows(wanted.len()).any(|part| part == wanted)
        });
        found.map(|(name, _)| &**name).collect()
    }

    fn is_clean(&self) {
        for secret in SECRETS {
            let holding = self.holding(secret);
            assert!(holding.is_empty(), "{secret} is in {holding:?}");
        }
        for (name, bytes) in &self.0 {
            assert!(!bytes.is_empty(), "{name} is empty, which proves nothing");
        }
    }
}

/// The turns of a conversation whose system prompt changes halfway, with secrets everywhere.
fn turns() -> Vec<Value> {
    let tools = value!([{
        "name": TOOL,
        "description": format!("tells of {TOOL}"),
        "input_schema": {"type": "object", "properties": {SCHEMA: {"type": "string"}}},
    }]);
    let called = value!([
        {"role": "user", "content": [{"type": "text", "text": format!("what of {MESSAGE}?")}]},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "toolu_1", "name": TOOL, "input": {SCHEMA: MESSAGE}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": RESULT}]},
    ]);
    let body = |system: &str, messages: Value| {
        value!({
            "model": "claude-sonnet-4-5",
            "max_tokens": 10,
            "metadata": {"user_id": METADATA},
            "tools": tools,
            "system": format!("{system} {}", "Answer as this house would have it. ".repeat(400)),
            "messages": messages,
        })
    };
    let first = value!([called[0]]);
    vec![
        body(&format!("The {SYSTEM} speaks."), first),
        body(&format!("The {SYSTEM} speaks."), called.clone()),
        body(&format!("A {SYSTEM} is silent."), called),
    ]
}

/// Everything that is said of spans and events, whoever says it.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<String>>);

impl Visit for Notes {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut notes = self.0.lock().unwrap();
        notes.push_str(&format!("{field}={value:?}\n"));
    }
}

impl<S: Subscriber> Layer<S> for Notes {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if attributes.metadata().target().starts_with("cachewright") {
            attributes.record(&mut self.clone());
        }
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut self.clone());
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("cachewright") {
            event.record(&mut self.clone());
        }
    }
}

type Sender = Client<HttpConnector, RequestBody<Full<Bytes>>>;

fn post(url: &str, body: String) -> Request<Full<Bytes>> {
    Request::post(format!("{url}/v1/messages"))
        .header("content-type", "application/json")
        .header("x-api-key", KEY)
        .header("x-own-header", HEADER)
        .header("anthropic-version", "2023-06-01")
        .body(Full::new(body.into()))
        .unwrap()
}

async fn simulator() -> SimHandle {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    SimServer::new(SimOptions::default())
        .bind(address)
        .await
        .unwrap()
}

/// Sends the conversation through a layer with everything on, and gathers what is left behind.
async fn through_the_layer(dir: &Path, excerpts: impl FnOnce(Builder) -> Builder) -> Artefacts {
    let sim = simulator().await;
    let telling = Origin::start(Protocol::Http1, || json(200, ANSWER)).await;
    let failing = Origin::start(Protocol::Http1, || json(400, ERROR)).await;
    let file = dir.join("ledger.db");
    let store = Store::open(StoreOptions::at(file.to_str().unwrap()).unwrap()).unwrap();
    let scrape = Scrape::new(|metrics| metrics).unwrap();
    let builder = Cachewright::builder()
        .assume("anthropic")
        .observer(Arc::new(Spans::new()))
        .scrape(&scrape)
        .ledger(&store);
    let cache = excerpts(builder).build().unwrap();
    let notes = Notes::default();
    let client: Sender = Client::builder(TokioExecutor::new()).build_http();
    let mut service = cache.wrap(client);
    let mut seen = Vec::new();
    let calls = async {
        let bodies = turns()
            .into_iter()
            .map(|turn| (sim.base_url(), turn.to_string()));
        let broken = (sim.base_url(), format!("{{\"{BROKEN}\": "));
        let last = turns().remove(1).to_string();
        let spoken = [
            (telling.base.clone(), last.clone()),
            (failing.base.clone(), last),
        ];
        for (base, body) in bodies.chain([broken]).chain(spoken) {
            let response = service.call(post(&base, body)).await.unwrap();
            seen.push(response.into_body().collect().await.unwrap().to_bytes());
        }
    };
    let subscriber = tracing_subscriber::registry().with(notes.clone());
    calls.with_subscriber(subscriber).await;
    assert!(
        seen[4]
            .windows(REPLY.len())
            .any(|part| part == REPLY.as_bytes())
    );
    let mut left = Artefacts::default();
    left.add("metrics", scrape.text());
    left.add("spans", notes.0.lock().unwrap().clone());
    left.add(
        "handle",
        format!("{cache:?} {:?} {service:?}", cache.engine()),
    );
    gather(&mut left, &cache, store.clone()).await;
    // With its -wal and -shm, as they are while it is open.
    left.add_files(dir);
    assert!(left.0.iter().any(|(name, _)| name.contains("ledger.db")));
    left
}

/// What the handle and its ledger tell.
async fn gather(left: &mut Artefacts, cache: &Cachewright, store: Store) {
    left.add("records", format!("{:?}", cache.records()));
    left.add("table", cache.report().to_string());
    let told = tokio::task::spawn_blocking(move || {
        store.flush().unwrap();
        store.story(&Query::default()).unwrap()
    });
    let story = told.await.unwrap();
    assert_eq!(story.total.exchanges, 6);
    left.add("page", page::render(&story));
    left.add(
        "live page",
        page::render_live(&story, Duration::from_secs(5)),
    );
    left.add("story", format!("{story:?}"));
}

#[tokio::test]
async fn nothing_of_a_prompt_is_left_behind_by_the_layer() {
    let dir = tempfile::tempdir().unwrap();
    let left = through_the_layer(dir.path(), |builder| builder).await;
    left.is_clean();
    // The search finds what is there.
    assert!(!left.holding("claude-sonnet-4.5").is_empty());
}

#[tokio::test]
async fn excerpts_are_left_behind_where_the_user_asks_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let on = Builder::with_excerpts;
    let left = through_the_layer(dir.path(), on).await;
    let holding = left.holding(SYSTEM);
    assert!(
        holding.iter().any(|name| name.contains("ledger.db")),
        "the excerpt is in {holding:?}"
    );
    for place in ["metrics", "spans", "handle", "table"] {
        assert!(!holding.contains(&place), "{place} holds an excerpt");
    }
    for secret in [KEY, HEADER, METADATA, BROKEN] {
        assert_eq!(left.holding(secret), <[&str; 0]>::default());
    }
}

fn ours(args: &[&str], state: &Path) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_cachewright"))
        .args(args)
        .env("XDG_STATE_HOME", state)
        .env("HOME", state)
        .output()
        .unwrap()
}

/// The proxy before these upstreams, with everything on; and its admin port.
fn proxy(upstreams: &[(&str, &str)], dir: &Path) -> (Serving, String) {
    let ledger = dir.join("ledger.db");
    let mut config = format!(
        "admin = \"127.0.0.1:0\"\n[ledger]\npath = \"{}\"\n",
        ledger.display()
    );
    for (name, base) in upstreams {
        let upstream = format!("provider = \"anthropic\"\nbase_url = \"{base}\"\n");
        config.push_str(&format!("[upstreams.{name}]\n{upstream}"));
    }
    let settings = dir.join("cachewright.toml");
    fs::write(&settings, config).unwrap();
    let said = fs::File::create(dir.join("stderr.txt")).unwrap();
    let args = ["proxy", "--port", "0", "--config"];
    let args = [&args[..], &[settings.to_str().unwrap()]].concat();
    let mut proxy = Serving::start(&args, |command| {
        command
            .env("XDG_STATE_HOME", dir.join("state"))
            .env("HOME", dir)
            .env("RUST_LOG", "trace")
            .stderr(Stdio::from(said));
    });
    let line = proxy.line_with("report and metrics:");
    let admin = line.split_whitespace().last().unwrap().to_owned();
    (proxy, admin)
}

async fn through_the_proxy(client: &reqwest::Client, base: &str) {
    let bodies = turns().into_iter().map(|turn| turn.to_string());
    for body in bodies.chain([format!("{{\"{BROKEN}\": ")]) {
        let request = client
            .post(format!("{base}/v1/messages?key={KEY}"))
            .header("content-type", "application/json")
            .header("x-api-key", KEY)
            .header("x-own-header", HEADER)
            .header("anthropic-version", "2023-06-01")
            .body(body);
        request.send().await.unwrap().bytes().await.unwrap();
    }
}

/// What the commands print of a ledger.
fn reports(left: &mut Artefacts, dir: &Path) {
    let (ledger, html) = (dir.join("ledger.db"), dir.join("report.html"));
    let html = html.to_str().unwrap();
    for args in [
        &["report"][..],
        &["report", "--json"],
        &["report", "--csv"],
        &["report", "--md"],
        &["report", "--html", html],
        &["ledger", "export"],
        &["ledger", "export", "--format", "csv"],
    ] {
        let place = ["--ledger", ledger.to_str().unwrap()];
        let output = ours(&[args, &place].concat(), dir);
        assert!(output.status.success(), "{args:?}: {output:?}");
        left.add(args.join(" "), [output.stdout, output.stderr].concat());
    }
    let parquet = dir.join("rows.parquet");
    let parquet = ["-o", parquet.to_str().unwrap()];
    let place = ["--ledger", ledger.to_str().unwrap()];
    let export = ["ledger", "export", "--format", "parquet"];
    let output = ours(&[&export[..], &parquet, &place].concat(), dir);
    assert!(output.status.success(), "{output:?}");
    explanations(left, &place, dir);
    readers_of_logs(left, dir);
}

/// What is said of every exchange of the ledger.
fn explanations(left: &mut Artefacts, place: &[&str], dir: &Path) {
    let rows = ours(&[&["ledger", "export"], place].concat(), dir).stdout;
    let mut missed = 0;
    for row in rows
        .split(|byte| *byte == b'\n')
        .filter(|row| !row.is_empty())
    {
        let row: Value = serde_json::from_slice(row).unwrap();
        let id = row["id"].as_str().unwrap();
        missed += u32::from(row["cause"].is_string());
        for form in [&[][..], &["--json"]] {
            let output = ours(&[&["explain", id], place, form].concat(), dir);
            assert!(output.status.success(), "{output:?}");
            left.add(
                format!("explain {id}"),
                [output.stdout, output.stderr].concat(),
            );
        }
    }
    assert!(missed > 0, "some of them have a miss to explain");
}

/// What is told of logs that hold everything.
fn readers_of_logs(left: &mut Artefacts, dir: &Path) {
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("requests.jsonl");
    let line = |(at, request): (usize, Value)| {
        value!({"t": 1_790_000_000 + 20 * at, "session": "s", "provider": "anthropic",
                "request": request})
        .to_string()
    };
    let lines: Vec<String> = turns().into_iter().enumerate().map(line).collect();
    fs::write(&log, lines.join("\n")).unwrap();
    let log = log.to_str().unwrap();
    for args in [
        &["audit", log][..],
        &["audit", log, "--json"],
        &["tune", log],
        &["tune", log, "--json"],
    ] {
        let output = ours(args, dir);
        assert!(output.status.success(), "{args:?}: {output:?}");
        left.add(args.join(" "), [output.stdout, output.stderr].concat());
    }
}

#[tokio::test]
async fn nothing_of_a_prompt_is_left_behind_by_the_proxy() {
    let sim = Serving::start(&["sim", "--listen", "127.0.0.1:0"], |_| {});
    let telling = Origin::start(Protocol::Http1, || json(200, ANSWER)).await;
    let failing = Origin::start(Protocol::Http1, || json(400, ERROR)).await;
    let dir = tempfile::tempdir().unwrap();
    let upstreams = [
        ("anthropic", &*sim.url),
        ("gone", "http://127.0.0.1:9"),
        ("telling", &*telling.base),
        ("failing", &*failing.base),
    ];
    let (proxy, admin) = proxy(&upstreams, dir.path());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (name, _) in upstreams {
        through_the_proxy(&client, &format!("{}/{name}", proxy.url)).await;
    }
    let mut left = Artefacts::default();
    for page in ["", "metrics", "report.json"] {
        let answer = client.get(format!("{admin}{page}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{page}");
        left.add(format!("/{page}"), answer.bytes().await.unwrap());
    }
    // As they are while it runs, and as they are afterwards.
    left.add_files(dir.path());
    left.add("stdout", proxy.end());
    reports(&mut left, dir.path());
    left.add_files(dir.path());
    let export = left.0.iter().find(|(name, _)| name == "ledger export");
    let rows = export.unwrap().1.split(|byte| *byte == b'\n').count();
    assert_eq!(rows, 17, "sixteen exchanges, a line each");
    left.is_clean();
    assert!(!left.holding("claude-sonnet-4.5").is_empty());
}
