//! The admin port of the real proxy, scraped by a real Prometheus, and the dashboard that shows it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise and must say what it skips"
)]

use std::collections::BTreeSet;
use std::env;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cachewright::adapter::metrics::{Kind, LABELS, TABLE};
use cachewright::model::Cause;
use serde_json::{Value, json};

use crate::support::serving::Serving;

/// Only a fault of ours takes this long.
const FAULT: Duration = Duration::from_secs(60);

/// A program of Debian's package `prometheus`; `None`, with a word about it, where it is not there.
fn program(name: &str) -> Option<PathBuf> {
    let path = Path::new("/usr/bin").join(name);
    if path.exists() {
        return Some(path);
    }
    let required = env::var_os("CACHEWRIGHT_REQUIRE_ALL").is_some_and(|on| on == "1");
    assert!(!required, "{name} is required: install Debian's prometheus");
    eprintln!("skipped: {name} is not there; install Debian's package prometheus");
    None
}

/// A simulator, and a proxy before it with its admin port.
struct World {
    proxy: Serving,
    admin: String,
    _sim: Serving,
    _dir: tempfile::TempDir,
}

fn world(more: &str, prepare: impl FnOnce(&mut Command)) -> World {
    let sim = Serving::start(&["sim", "--listen", "127.0.0.1:0"], |_| {});
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cachewright.toml");
    let config = format!(
        "admin = \"127.0.0.1:0\"\n{more}\n[upstreams.anthropic]\nbase_url = \"{}\"\n\
         paths = [\"/v1/messages\"]\n[ledger]\npath = \"{}\"\n",
        sim.url,
        dir.path().join("ledger.db").display(),
    );
    std::fs::write(&file, config).unwrap();
    let args = ["proxy", "--port", "0", "--config", file.to_str().unwrap()];
    let mut proxy = Serving::start(&args, prepare);
    let line = proxy.line_with("report and metrics:");
    let admin = line.split_whitespace().last().unwrap();
    World {
        admin: admin.trim_end_matches('/').to_owned(),
        proxy,
        _sim: sim,
        _dir: dir,
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A prompt that is long enough to be cached.
fn prompt(turn: &str) -> Value {
    json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 10,
        "system": "Answer as briefly as the rules of this house allow. ".repeat(600),
        "messages": [{"role": "user", "content": turn}],
    })
}

async fn ask(world: &World, tenant: &str, body: String) -> u16 {
    let request = client()
        .post(format!("{}/v1/messages", world.proxy.url))
        .header("content-type", "application/json")
        .header("x-api-key", "sk-1")
        .header("anthropic-version", "2023-06-01")
        .header("x-cachewright-tenant", tenant)
        .header("x-cachewright-route", "triage")
        .body(body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    answer.bytes().await.unwrap();
    status
}

async fn text(url: &str) -> String {
    let answer = client().get(url).send().await.unwrap();
    assert!(answer.status().is_success(), "{url}: {}", answer.status());
    answer.text().await.unwrap()
}

async fn figures(url: &str) -> Value {
    serde_json::from_str(&text(url).await).unwrap()
}

/// A few exchanges of every common kind.
async fn traffic(world: &World) {
    for (tenant, turn) in [("a", "one"), ("a", "two"), ("b \"quoted\"\n", "three")] {
        let tenant = tenant.trim_end();
        assert_eq!(ask(world, tenant, prompt(turn).to_string()).await, 200);
    }
    assert_eq!(ask(world, "a", "not json".into()).await, 400);
}

/// Prometheus, scraping one target, with its data in a directory of its own.
struct Prometheus {
    child: Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn scraping(program: &Path, target: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("prometheus.yml");
        let target = target.strip_prefix("http://").unwrap();
        let scrapes = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: cachewright\n  \
             static_configs: [{{targets: ['{target}']}}]\n"
        );
        std::fs::write(&config, scrapes).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let child = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            url: format!("http://{address}"),
            _dir: dir,
        }
    }

    /// The answer to a query; `None` while it does not serve yet.
    async fn query(&self, query: &str) -> Option<Value> {
        let url = format!("{}/api/v1/query", self.url);
        let url = reqwest::Url::parse_with_params(&url, [("query", query)]).unwrap();
        let answer = client().get(url).send().await.ok()?;
        answer.json().await.ok()
    }

    /// The sum that a query gives, or `None` where it gives nothing.
    async fn number(&self, query: &str) -> Option<f64> {
        let answer = self.query(query).await?;
        let value = answer["data"]["result"][0]["value"][1].as_str()?;
        value.parse().ok()
    }

    /// Waits until a query gives this.
    async fn reaches(&self, query: &str, expected: f64) {
        let mut last = None;
        let waited = tokio::time::timeout(FAULT, async {
            while last != Some(expected) {
                last = self.number(query).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let in_time = waited.await.is_ok();
        assert!(in_time, "{query} never gave {expected}");
    }
}

#[tokio::test]
async fn a_real_prometheus_reads_what_the_report_says() {
    let Some(program) = program("prometheus") else {
        return;
    };
    let world = world("", |_| {});
    traffic(&world).await;
    let prometheus = Prometheus::scraping(&program, &world.admin);
    prometheus
        .reaches("sum(cachewright_exchanges_total)", 4.0)
        .await;
    agrees(&prometheus, &world).await;
    // An increase needs something to increase from.
    traffic(&world).await;
    let grown = "sum(increase(cachewright_exchanges_total[1h])) > bool 0";
    prometheus.reaches(grown, 1.0).await;
    answers_the_dashboard(&prometheus).await;
    let printed = world.proxy.end();
    let last = printed
        .lines()
        .find(|line| line.starts_with("total"))
        .unwrap();
    assert!(last.contains(" 8 "), "{printed}");
}

/// What Prometheus read is what the report says.
async fn agrees(prometheus: &Prometheus, world: &World) {
    let report = figures(&format!("{}/report.json", world.admin)).await;
    let total = &report["total"];
    assert_eq!(total["exchanges"], 4);
    assert!(total["read_tokens"].as_u64().unwrap() > 0);
    for (query, expected) in [
        (
            "sum(cachewright_tokens_total{kind=\"read\"})",
            &total["read_tokens"],
        ),
        (
            "sum(cachewright_tokens_total{kind=\"write_5m\"})",
            &total["write_5m_tokens"],
        ),
        (
            "sum(cachewright_tokens_total{kind=\"plain\"})",
            &total["plain_tokens"],
        ),
        (
            "sum(cachewright_tokens_total{kind=\"output\"})",
            &total["output_tokens"],
        ),
        (
            "sum(cachewright_skipped_total{reason=\"not_json\"})",
            &total["skipped"],
        ),
        ("sum(cachewright_unreported_total)", &total["unreported"]),
        ("sum(cachewright_unpriced_total)", &total["unpriced"]),
        (
            "sum(cachewright_misses_total{cause!=\"first_use\"}) or vector(0)",
            &total["misses"],
        ),
        (
            "sum(cachewright_overhead_seconds_count)",
            &total["exchanges"],
        ),
        (
            "sum(cachewright_duration_seconds_bucket{le=\"+Inf\"})",
            &total["exchanges"],
        ),
    ] {
        let expected = expected.as_f64();
        assert_eq!(prometheus.number(query).await, expected, "{query}");
    }
    dollars_agree(prometheus, total).await;
    labels_agree(prometheus).await;
}

#[expect(clippy::float_arithmetic, reason = "Prometheus knows floats only")]
async fn dollars_agree(prometheus: &Prometheus, total: &Value) {
    // A counter is at most a nanodollar behind the sum, per series; a series is a set of labels.
    for (metric, member) in [
        ("cost_nanodollars_total", "cost"),
        (
            "cost_without_caching_nanodollars_total",
            "cost_without_caching",
        ),
        ("saved_nanodollars", "saved"),
    ] {
        let query = format!("sum(cachewright_{metric})");
        let shown = prometheus.number(&query).await.unwrap();
        let exact = total[member]["picodollars"].as_f64().unwrap() / 1000.0;
        assert!(
            (shown - exact).abs() <= 4.0,
            "{member}: {shown} for {exact}"
        );
    }
}

async fn labels_agree(prometheus: &Prometheus) {
    let quoted = "sum(cachewright_exchanges_total{tenant=\"b \\\"quoted\\\"\"})";
    assert_eq!(prometheus.number(quoted).await, Some(1.0));
    let named = "sum(cachewright_exchanges_total{provider=\"anthropic\",route=\"triage\"})";
    assert_eq!(prometheus.number(named).await, Some(4.0));
    assert!(
        prometheus
            .number("sum(cachewright_overhead_seconds_sum)")
            .await
            .unwrap()
            > 0.0
    );
}

async fn answers_the_dashboard(prometheus: &Prometheus) {
    // Whatever the dashboard asks can be asked, and what must show something does.
    let mut shown = 0;
    for panel in panels() {
        for query in queries(&panel) {
            let answer = prometheus.query(&filled(&query)).await.unwrap();
            assert_eq!(answer["status"], "success", "{query}: {answer}");
            let result = answer["data"]["result"].as_array().unwrap();
            shown += usize::from(!result.is_empty());
        }
    }
    assert!(shown > 30, "only {shown} queries showed anything");
}

#[tokio::test]
async fn promtool_finds_nothing_to_object_to() {
    let Some(program) = program("promtool") else {
        return;
    };
    let world = world("", |_| {});
    traffic(&world).await;
    let metrics = text(&format!("{}/metrics", world.admin)).await;
    for line in [
        "# TYPE cachewright_tokens_total counter",
        "# HELP cachewright_tokens_total ",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    let mut child = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(metrics.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test]
async fn the_page_shows_the_same_figures() {
    let world = world("", |_| {});
    traffic(&world).await;
    let answer = client()
        .get(format!("{}/", world.admin))
        .send()
        .await
        .unwrap();
    let headers = answer.headers();
    assert!(
        headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let page = answer.text().await.unwrap();
    let report = figures(&format!("{}/report.json", world.admin)).await;
    let saved = i128::from(report["total"]["saved"]["picodollars"].as_i64().unwrap());
    let saved = cachewright::model::Money::from_pico(saved).to_string();
    assert!(page.contains(&saved), "{saved} in {page}");
    assert_eq!(text(&format!("{}/healthz", world.admin)).await, "ok\n");
    let nowhere = client()
        .get(format!("{}/nowhere", world.admin))
        .send()
        .await;
    assert_eq!(nowhere.unwrap().status(), 404);
    let posted = client().post(format!("{}/", world.admin)).send().await;
    assert_eq!(posted.unwrap().status(), 405);
    let strange = client()
        .get(format!("{}/", world.admin))
        .header("host", "evil.example");
    assert_eq!(strange.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn readers_that_hang_disturb_nobody() {
    let world = world("", |_| {});
    let host = world.admin.strip_prefix("http://").unwrap();
    let mut hanging = Vec::new();
    for number in 0..200 {
        let mut socket = TcpStream::connect(host).unwrap();
        if number % 2 == 0 {
            socket
                .write_all(b"GET /metrics HTTP/1.1\r\nhost: 127")
                .unwrap();
        } else {
            // It asks and never reads the answer.
            socket
                .write_all(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                .unwrap();
        }
        hanging.push(socket);
    }
    assert_eq!(ask(&world, "a", prompt("one").to_string()).await, 200);
    let metrics = text(&format!("{}/metrics", world.admin)).await;
    assert!(metrics.contains("cachewright_exchanges_total"));
    drop(hanging);
}

#[tokio::test]
async fn a_token_guards_it_as_it_guards_the_proxy() {
    let world = world("client_token = \"t-1\"", |_| {});
    let url = format!("{}/metrics", world.admin);
    let refused = client().get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("www-authenticate"));
    for request in [
        client().get(&url).bearer_auth("t-1"),
        client().get(&url).basic_auth("me", Some("t-1")),
        client().get(&url).header("x-cachewright-token", "t-1"),
    ] {
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    assert_eq!(text(&format!("{}/healthz", world.admin)).await, "ok\n");
}

/// Starts a proxy that must not come up; what it says.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cachewright"))
        .args(["proxy", "--port", "0"])
        .args(args)
        .env_remove("CACHEWRIGHT_CLIENT_TOKEN")
        .env(
            "XDG_STATE_HOME",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/state"),
        )
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_port_that_was_asked_for_must_be_free_and_safe() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, said) = refused(&["--admin", &address]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains(&address) && said.contains("--admin off"),
        "{said}"
    );
    let (code, said) = refused(&["--admin", "0.0.0.0:0"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("client_token"), "{said}");
    let (code, said) = refused(&["--admin", "4041"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("`4041`"), "{said}");
}

#[test]
fn a_default_port_that_is_taken_does_not_stop_the_proxy() {
    // Where this fails, somebody else has it.
    let taken = TcpListener::bind("127.0.0.1:4041");
    let proxy = Serving::start(&["proxy", "--port", "0"], |_| {});
    assert!(!proxy.end().contains("report and metrics:"));
    drop(taken);
    let off = Serving::start(&["proxy", "--port", "0", "--admin", "off"], |_| {});
    assert!(!off.end().contains("report and metrics:"));
}

// ---- the dashboard ----

fn panels() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/grafana.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(dashboard["schemaVersion"], 39);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names[0], "datasource");
    assert_eq!(names[1..], LABELS);
    dashboard["panels"].as_array().unwrap().clone()
}

fn queries(panel: &Value) -> Vec<String> {
    let targets = panel["targets"].as_array().into_iter().flatten();
    targets
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect()
}

/// A query as Grafana sends it when everything is selected.
fn filled(query: &str) -> String {
    let mut query = query
        .replace("$__rate_interval", "1m")
        .replace("$__range", "1h");
    for label in LABELS {
        query = query.replace(&format!("${label}"), ".*");
    }
    assert!(!query.contains('$'), "{query}");
    query
}

/// The metrics that a query names.
fn named(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|ch: char| !ch.is_ascii_alphanumeric() && ch != '_');
    words
        .filter(|word| word.starts_with("cachewright_"))
        .map(|word| {
            let parts = ["_bucket", "_sum", "_count"];
            let of_histogram = parts.iter().find_map(|part| word.strip_suffix(part));
            of_histogram
                .filter(|name| {
                    TABLE
                        .iter()
                        .any(|row| row.name == *name && row.kind == Kind::Histogram)
                })
                .unwrap_or(word)
        })
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let mut shown = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels() {
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "an id stands there twice"
        );
        assert!(!panel["title"].as_str().unwrap().is_empty());
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}");
        for query in queries(&panel) {
            for name in named(&query) {
                let row = TABLE.iter().find(|row| row.name == name);
                let row = row.unwrap_or_else(|| panic!("{name} is not in the table"));
                if row.per_exchange {
                    for label in LABELS {
                        let filter = format!("{label}=~\"${label}\"");
                        assert!(query.contains(&filter), "{query}");
                    }
                }
                shown.insert(row.name);
            }
        }
    }
    let all: BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(shown, all);
}

#[test]
fn what_could_be_saved_leaves_out_what_cannot() {
    let hidden: Vec<&str> = Cause::ALL
        .into_iter()
        .filter(|cause| !cause.is_avoidable())
        .map(Cause::as_str)
        .collect();
    let expected = format!("cause!~\"{}\"", hidden.join("|"));
    let could = panels()
        .into_iter()
        .find(|one| one["title"] == "Could save");
    let query = queries(&could.unwrap()).remove(0);
    assert!(query.contains(&expected), "{query} leaves out {expected}");
}
