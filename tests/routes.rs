//! Routes over backends as a configuration describes them: what is refused and how that is told, what
//! the rest comes to, and the proxy that serves it and follows the file.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::{BufRead as _, BufReader, pipe};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use cachewright::adapter::gateway::{GatewayOptions, Reload};
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::proxy::{Proxy, ProxyHandle, ProxyOptions};
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};
use cachewright::error::Error;
use cachewright::provider::Catalog;
use cachewright::route::{CapScope, Goal};
use hyper_util::rt::TokioExecutor;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::support::serving::Serving;

/// Only a fault of ours takes this long.
const FAULT: Duration = Duration::from_secs(30);

/// Stands in every configuration here, and nowhere in what is said about it.
const SECRET: &str = "sk-hidden";

fn env(name: &str) -> Option<String> {
    (name == "SECRET").then(|| SECRET.to_owned())
}

fn options(text: &str) -> Result<GatewayOptions, Error> {
    GatewayOptions::config(("routes.toml", text), &Catalog::builtin(), &env)
}

/// Two backends that any route may name.
const BACKENDS: &str = "\
[providers.direct]
kind = \"anthropic\"
key = \"${SECRET}\"
[providers.frankfurt]
kind = \"bedrock\"
region = \"eu-central-1\"
key = \"sk-hidden\"
";

/// The line behind [`BACKENDS`].
const NEXT: usize = 8;

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_bad_backend_is_refused_with_line_and_fix() {
    for (text, line, parts) in [
        (
            "kind = \"antropic\"",
            2,
            vec!["`antropic`", "did you mean `anthropic`?"],
        ),
        (
            "region = \"x\"",
            1,
            vec!["`kind` is missing", "kind = \"…\"", "anthropic"],
        ),
        (
            "kind = \"bedrock-nova\"",
            2,
            vec!["none of messages, chat and responses", "anthropic"],
        ),
        (
            "kind = \"anthropic\"",
            1,
            vec!["no credential", "ANTHROPIC_API_KEY", "key_command"],
        ),
        (
            "kind = \"bedrock\"\nkey = \"k\"",
            1,
            vec!["`region` is missing", "region = \"eu-central-1\""],
        ),
        (
            "kind = \"vertex\"\nregion = \"europe-west1\"\nkey = \"k\"",
            1,
            vec!["`project` is missing", "project = "],
        ),
        (
            "kind = \"foundry\"\nkey = \"k\"",
            1,
            vec!["`resource` is missing", "endpoint = \"https://…\""],
        ),
        (
            "kind = \"anthropic\"\nregoin = \"eu\"\nkey = \"k\"",
            3,
            vec!["unknown key `regoin`", "did you mean `region`?"],
        ),
        (
            "kind = \"bedrock\"\nregion = \"us-east-1\"\nkey = \"k\"\nresidency = \"eu\"",
            5,
            vec!["contradicts", "us-east-1", "\"us\"", "another region"],
        ),
        (
            "kind = \"anthropic\"\nkey = \"${NOPE}\"",
            3,
            vec!["NOPE is not set", "set it"],
        ),
        (
            "kind = \"anthropic\"\nkey = \"${SECRET}\\n\"",
            3,
            vec!["`key` cannot be shown", "one line"],
        ),
        (
            "kind = \"anthropic\"\nkey = \"k\"\nkey_command = \"k\"",
            1,
            vec!["`key`, `key_command` and `sign` exclude each other"],
        ),
        (
            "kind = \"anthropic\"\nkey_command = \"gcloud auth\"",
            3,
            vec![
                "one text each",
                "[\"gcloud\", \"auth\", \"print-access-token\"]",
            ],
        ),
        (
            "kind = \"anthropic\"\nkey_command = \"x\"\nkey_lifetime = \"soon\"",
            4,
            vec!["`key_lifetime` is a time", "\"30s\""],
        ),
        (
            "kind = \"anthropic\"\nkey_lifetime = \"1h\"",
            3,
            vec!["`key_lifetime` is for a key", "key_command"],
        ),
        (
            "kind = \"bedrock\"\nregion = \"eu-west-1\"\nsign = \"gcp\"",
            4,
            vec!["cannot sign", "sign = \"aws\""],
        ),
        (
            "kind = \"anthropic\"\nsign = \"aws\"",
            3,
            vec!["takes no signatures", "key_command"],
        ),
        (
            "kind = \"anthropic\"\nkey = \"k\"\nendpoint = \"https://u:${SECRET}@h\"",
            4,
            vec!["`endpoint` is no base URL", "https://llm.example.com/api"],
        ),
        (
            "kind = \"anthropic\"\nkey = \"k\"\nheaders = { x-team = \"${SECRET}\\n\" }",
            4,
            vec!["`x-team`", "no header can"],
        ),
        (
            "kind = \"anthropic\"\nkey = 7",
            3,
            vec!["`key` must be text in quotes"],
        ),
        ("kind = \"anthropic\"\nkey = \"sk-hidden", 3, vec!["string"]),
        (
            "kind = \"anthropic\"\nkey = \"k\"\ncap = \"5 USD/week\"",
            4,
            vec!["`5 USD/week` is no cap", "\"200 USD/day\""],
        ),
        (
            "kind = \"anthropic\"\nkey = \"k\"\ncap = [\"5 USD/day\", \"6 USD/day\"]",
            4,
            vec!["two such caps", "`6 USD/day`"],
        ),
        (
            "kind = \"anthropic\"\nkey = \"k\"\n[providers.x]",
            4,
            vec!["duplicate"],
        ),
    ] {
        refused(&format!("[providers.x]\n{text}"), line, &parts);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_bad_route_is_refused_with_line_and_fix() {
    let good = "model = \"claude-sonnet-5.5\"\norder = \"direct\"";
    let with = |more: &str| format!("[routes.r]\n{good}\n{more}");
    for (text, line, parts) in [
        (
            "[routes.r]\nmodel = \"claude-sonnet-5.5\"\norder = [\"direct\",\n \"franfurt\"]"
                .into(),
            3,
            vec![
                "no backend is named `franfurt`",
                "did you mean `frankfurt`?",
            ],
        ),
        (
            "[routes.r]\norder = \"direct\"".into(),
            0,
            vec!["`model` is missing", "model = "],
        ),
        (
            "[routes.r]\nmodel = \"m\"".into(),
            1,
            vec!["`model`", "add order = "],
        ),
        (
            "[routes.r]\nordr = \"direct\"".into(),
            1,
            vec!["`ordr`", "did you mean `order`?"],
        ),
        (
            "[routes.r]\nmodel = \"m\"\norder = []".into(),
            2,
            vec!["names no backend"],
        ),
        (
            "[routes.r]\nmodel = \"m\"\norder = [\"direct\", \"direct\"]".into(),
            2,
            vec!["`direct` stands in the order twice"],
        ),
        (
            "[routes.r]\nmodel = \"claude-sonet-5.5\"\norder = \"direct\"".into(),
            1,
            vec![
                "no row knows `claude-sonet-5.5` at backend direct (anthropic)",
                "did you mean `claude-sonnet-5.5`?",
                "models = { \"claude-sonet-5.5\" = \"ID\" } under [providers.direct]",
            ],
        ),
        (
            with("residency = [\"uk\"]"),
            3,
            vec![
                "no backend stays within residency [\"uk\"]",
                "direct promises no zone",
            ],
        ),
        (
            "[routes.r]\nmodel = \"claude-sonnet-5.5\"\norder = [\"direct\", \"frankfurt\"]\n\
             residency = \"us\""
                .into(),
            3,
            vec![
                "direct promises no zone",
                "frankfurt may process in \"eu\"",
                "[providers.NAME]",
            ],
        ),
        (
            with("goal = \"latncy\""),
            3,
            vec!["`latncy` is no goal", "did you mean `latency`?"],
        ),
        (
            with("first_byte = \"60\""),
            3,
            vec!["`first_byte` is a time", "\"500ms\""],
        ),
        (with("deadline = 10"), 3, vec!["`deadline` is a time"]),
        (with("hedge = \"0s\""), 3, vec!["`hedge`", "over at once"]),
        (
            with("rank_worth = \"0.01\""),
            3,
            vec!["`rank_worth`", "\"0.01 USD\""],
        ),
        (
            with("attempts = 0"),
            3,
            vec!["`attempts` is a whole number from 1 to"],
        ),
        (
            with("retry_percent = 101"),
            3,
            vec!["`retry_percent`", "from 0 to 100"],
        ),
        (
            with("affinity = \"yes\""),
            3,
            vec!["`affinity` is true or false"],
        ),
        (
            with("cap = \"soft 2 tokens\""),
            3,
            vec!["no cap", "\"2M tokens/minute\""],
        ),
        (
            format!("[routes.v1]\n{good}"),
            0,
            vec!["\"v1\"", "another name"],
        ),
        (
            format!("[routes.healthz]\n{good}"),
            0,
            vec!["\"healthz\"", "another name"],
        ),
        (
            format!("[routes.\"a b\"]\n{good}"),
            0,
            vec!["\"a b\"", "letters, digits"],
        ),
        (
            format!("[routes.up]\n{good}\n[upstreams.up]\nbase_url = \"http://h\""),
            0,
            vec!["[upstreams.up]", "/up/…", "another name"],
        ),
        (
            format!("[routes.up]\n{good}\n[upstreams.x]\npath_prefix = \"/up/\""),
            0,
            vec!["[upstreams.x]", "/up/…"],
        ),
        (
            "[caps]\ntotl = \"1 USD/day\"".into(),
            1,
            vec!["`totl`", "did you mean `total`?"],
        ),
        (
            "[caps]\nzone = \"Berlin\"".into(),
            1,
            vec!["Berlin", "Europe/Berlin"],
        ),
    ] {
        refused(&format!("{BACKENDS}{text}"), NEXT + line, &parts);
    }
}

#[test]
fn a_cap_in_dollars_needs_prices() {
    let text = format!(
        "{BACKENDS}models = {{ mine = \"anthropic.mine\" }}\n[routes.r]\nmodel = \"mine\"\n\
         order = \"frankfurt\"\ncap = [\"9k tokens/day\",\n \"5 USD/day\"]"
    );
    let fix = [
        "`mine` at backend frankfurt",
        "no price",
        "in tokens",
        "--rows",
    ];
    refused(&text, NEXT + 5, &fix);
    let total = text.replace(",\n \"5 USD/day\"]", "]\n[caps]\ntenant = \"5 USD/day\"");
    refused(&total, NEXT + 6, &fix);
    assert!(options(&text.replace(",\n \"5 USD/day\"", "")).is_ok());
}

/// The error names the line, says each of these, and shows nothing that is secret.
fn refused(text: &str, line: usize, parts: &[&str]) {
    let error = options(text).err();
    assert!(error.is_some(), "accepted: {text}");
    let error = error.unwrap();
    assert!(error.is_config());
    let said = error.to_string();
    assert!(
        said.starts_with(&format!("routes.toml:{line}: ")),
        "{said}\n{text}"
    );
    for part in parts {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(
        !said.contains("hidden") && !format!("{error:?}").contains("hidden"),
        "{said}"
    );
}

/// Every kind of provider, and everything a route can say.
const WHOLE: &str = r#"
mode = "place"
listen = "127.0.0.1:0"
[providers.direct]
kind = "anthropic"
key = "${SECRET}"
[providers.bedrock]
kind = "bedrock"
region = "eu-central-1"
key = "sk-hidden"
cap = "500 USD/day"
[providers.anywhere]
kind = "bedrock"
region = "eu-central-1"
residency = ["eu", "global"]
key_command = ["sh", "-c", "echo sk-hidden"]
[providers.vertex]
kind = "vertex"
region = "europe-west1"
project = "p-1"
key = "sk-hidden"
[providers.foundry]
kind = "foundry"
endpoint = "https://mine.services.ai.azure.com/anthropic"
residency = ["us"]
key = "sk-hidden"
models = { "claude-sonnet-5.5" = "my-deployment" }
headers = { x-team = "sk-hidden" }
[providers.vercel]
key = "sk-hidden"
tenants = ["acme", "umbrella"]
[routes.voice]
model = "claude-sonnet-5.5"
order = ["direct", "vercel", "foundry", "anywhere"]
goal = "latency"
residency = "global"
mode = "observe"
ttl = "1h"
[routes.contracts]
model = "claude-sonnet-5.5"
fallback_models = ["claude-haiku-4.5"]
order = ["bedrock", "vertex"]
residency = "eu"
tenants = "acme"
cap = ["200 USD/day", "soft 150 USD/day", "2M tokens/minute"]
affinity = false
rank_worth = "0.02 USD"
attempts = 3
first_byte = "500ms"
deadline = "2m"
hedge = "3s"
cooldown = "1h"
[routes.plain]
mode = "observe"
[caps]
total = "1000 USD/month"
tenant = "20 USD/day"
zone = "UTC"
file = "caps.json"
[caps.tenants]
acme = "100 USD/day"
"#;

#[test]
fn a_whole_configuration_comes_to_a_network() {
    let options = options(WHOLE).unwrap();
    let network = &options.network;
    let zones = |name: &str| {
        let mut all = network.backends.iter();
        let found = all.find(|backend| *backend.name == *name).unwrap();
        (found.zones.join(" "), found.regional)
    };
    assert_eq!(zones("direct"), (String::new(), false));
    assert_eq!(zones("bedrock"), ("eu".into(), true));
    assert_eq!(zones("anywhere"), (String::new(), false));
    assert_eq!(zones("vertex"), ("eu".into(), true));
    assert_eq!(zones("foundry"), ("us".into(), false));
    settings(&options);
    let hosts: Vec<String> = options.sites.iter().map(|site| site.base_url()).collect();
    assert!(hosts.contains(&"https://bedrock-runtime.eu-central-1.amazonaws.com".into()));
    assert!(hosts.contains(&"https://mine.services.ai.azure.com/anthropic".into()));
}

#[test]
fn a_route_comes_to_its_models_at_its_backends_in_order() {
    let options = options(WHOLE).unwrap();
    let network = &options.network;
    let ids = |route: &str| {
        let route = network.route(route).unwrap();
        let ids = route.offers.iter().map(|offer| {
            let backend = &network.backends[offer.backend].name;
            assert!(
                offer.facts.prices.is_some() && offer.facts.limits.known,
                "{backend}"
            );
            let dialects = offer.dialects.join("+");
            format!("{backend}/{} {dialects} {}", offer.id, offer.fallback)
        });
        ids.collect::<Vec<_>>()
    };
    let voice = ids("voice");
    assert_eq!(voice[0], "direct/claude-sonnet-5-5 messages 0");
    assert!(
        voice[1].starts_with("vercel/anthropic/claude-sonnet-5.5 "),
        "{}",
        voice[1]
    );
    assert!(voice[1].contains("messages") && voice[1].contains("chat"));
    assert_eq!(voice[2], "foundry/my-deployment messages 0");
    assert!(voice[3].starts_with("anywhere/global.anthropic.claude-sonnet-5-5"));
    let contracts = ids("contracts");
    assert!(contracts[0].starts_with("bedrock/eu.anthropic.claude-sonnet-5-5"));
    assert_eq!(contracts[1], "vertex/claude-sonnet-5-5 messages 0");
    assert!(contracts[2].starts_with("bedrock/eu.anthropic.claude-haiku-4-5"));
    assert!(contracts[3].ends_with(" messages 1"), "{}", contracts[3]);
    assert!(network.route("plain").is_none());
}

fn settings(options: &GatewayOptions) {
    let network = &options.network;
    let route = network.route("contracts").unwrap();
    assert_eq!(network.route("voice").unwrap().goal, Goal::Latency);
    assert!(network.route("voice").unwrap().affinity && !route.affinity);
    let only = (route.residency.join("+"), route.tenants.join("+"));
    assert_eq!(only, ("eu".to_owned(), "acme".to_owned()));
    assert_eq!(route.worth.rank.as_pico(), 20_000_000_000);
    assert_eq!(route.worth.second.as_pico(), 10_000_000_000);
    assert_eq!((route.retries.attempts, route.retries.percent), (3, 20));
    assert_eq!(route.patience.first_byte, Duration::from_millis(500));
    assert_eq!(route.patience.deadline, Duration::from_secs(120));
    assert_eq!(route.hedge, Some(Duration::from_secs(3)));
    assert_eq!(route.cooldown, Duration::from_secs(3600));
    let caps: Vec<String> = options
        .caps
        .iter()
        .map(|cap| format!("{} {cap}", cap.name))
        .collect();
    for cap in [
        "routes.contracts 200 USD/day",
        "routes.contracts soft 150 USD/day",
        "routes.contracts 2000000 tokens/minute",
        "providers.bedrock 500 USD/day",
        "caps.total 1000 USD/month",
        "caps.tenant 20 USD/day",
        "caps.tenants.acme 100 USD/day",
    ] {
        assert!(caps.contains(&cap.to_owned()), "{cap} in {caps:?}");
    }
    let each = options
        .caps
        .iter()
        .filter(|cap| cap.scope == CapScope::EachTenant);
    assert_eq!(each.count(), 1);
    assert_eq!(options.caps_file.as_deref(), Some(Path::new("caps.json")));
}

#[test]
fn everybody_who_reads_the_file_takes_it_whole_and_shows_no_secret() {
    let catalog = Catalog::builtin();
    let proxy = ProxyOptions::default().config(("routes.toml", WHOLE), &catalog, &env);
    let proxy = proxy.unwrap();
    let handle = Cachewright::builder().config("routes.toml", WHOLE).unwrap();
    handle.build().unwrap();
    let lines = proxy.gateway.lines().join("\n");
    for part in [
        "route contracts: claude-sonnet-5.5, else claude-haiku-4.5 at bedrock, vertex, by order, \
         within eu, for acme, cap 200 USD/day",
        "backend bedrock: bedrock at https://bedrock-runtime.eu-central-1.amazonaws.com, in eu, \
         with a key, cap 500 USD/day",
        "backend anywhere: bedrock at https://bedrock-runtime.eu-central-1.amazonaws.com, anywhere, \
         with a key from a command",
        "for acme, umbrella",
        "cap caps.total: 1000 USD/month",
    ] {
        assert!(lines.contains(part), "{part} in {lines}");
    }
    assert!(!format!("{lines}{proxy:?}").contains("hidden"));
    let typo = WHOLE.replace("rank_worth", "rank_wort");
    let said = Cachewright::builder()
        .config("routes.toml", &typo)
        .unwrap_err();
    assert!(
        said.to_string().contains("did you mean `rank_worth`?"),
        "{said}"
    );
}

#[test]
fn what_one_reader_of_a_route_knows_is_no_mistake_to_the_other() {
    let said = Cachewright::builder().config("a.toml", "[routes.r]\nxyzzy = 0");
    let said = said.unwrap_err().to_string();
    let (_, known) = said.split_once(", expected one of ").unwrap();
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    assert!(
        known.len() > 20 && known.contains(&"order") && known.contains(&"ttl"),
        "{known:?}"
    );
    for key in known {
        let read = options(&format!("[routes.r]\n{key} = []"));
        let said = read
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(!said.contains("unknown key"), "{said}");
    }
}

#[test]
fn a_zone_that_no_profile_keeps_needs_an_id_of_ones_own() {
    let text = "[providers.b]\nkind = \"bedrock\"\nregion = \"eu-central-1\"\nkey = \"k\"\n\
                residency = \"de\"\nmodels = {}\n[routes.r]\nmodel = \"claude-sonnet-5.5\"\n\
                order = \"b\"\nresidency = \"de\"";
    refused(
        text,
        8,
        &["no inference profile", "[\"de\"]", "[providers.b]"],
    );
    let own = "{ \"claude-sonnet-5-5\" = \"anthropic.claude-sonnet-5-5-v1:0\" }";
    let options = options(&text.replace("{}", own)).unwrap();
    let offer = &options.network.routes[0].offers[0];
    assert_eq!(&*offer.id, "anthropic.claude-sonnet-5-5-v1:0");
    assert!(offer.facts.prices.is_some() && !options.network.backends[0].regional);
}

/// What the client shows: the proxy's token in the place of a key.
const TOKEN: &str = "t-token";

async fn simulator() -> SimHandle {
    let mut options = SimOptions::default();
    options.keep_requests = 100;
    let listen = "127.0.0.1:0".parse().unwrap();
    SimServer::new(options).bind(listen).await.unwrap()
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(FAULT).build().unwrap()
}

/// The requests that the simulator received.
async fn received(server: &SimHandle) -> Vec<Value> {
    let url = format!("{}/admin/requests", server.base_url());
    client()
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

fn header<'v>(request: &'v Value, name: &str) -> Option<&'v str> {
    let headers = request["headers"].as_array().unwrap();
    let mut all = headers.iter();
    all.find(|pair| pair[0] == *name)?[1].as_str()
}

fn routed(base: &str) -> String {
    format!(
        "client_token = \"{TOKEN}\"\n\
         [providers.direct]\nkind = \"anthropic\"\nendpoint = \"{base}\"\nkey = \"sk-direct\"\n\
         [providers.called]\nkind = \"anthropic\"\nendpoint = \"{base}/v1\"\n\
         key_command = [\"sh\", \"-c\", \"echo sk-called\"]\nkey_header = \"authorization\"\n\
         headers = {{ x-team = \"a\" }}\n\
         [routes.voice]\nmodel = \"claude-sonnet-5.5\"\norder = \"direct\"\n\
         [routes.other]\nmodel = \"claude-haiku-4.5\"\norder = \"called\"\n\
         [upstreams.anthropic]\nbase_url = \"{base}\"\n\
         [upstreams.spare]\nbase_url = \"{base}\"\n"
    )
}

async fn proxy(text: &str) -> (ProxyHandle, Cachewright) {
    let read = |options: ProxyOptions| options.config(("p.toml", text), &Catalog::builtin(), &env);
    let mut options = read(ProxyOptions::default()).unwrap();
    options.listen.set_port(0);
    let cache = Cachewright::new();
    let proxy = Proxy::new(&cache, options).unwrap();
    (proxy.bind().await.unwrap(), cache)
}

async fn say(url: &str, model: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = client().post(url).json(&json!({
        "model": model,
        "max_tokens": 16,
        "messages": [{"role": "user", "content": "hello"}],
    }));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_route_is_named_by_path_by_header_or_by_model_and_the_token_goes_no_further() {
    let server = simulator().await;
    let (proxy, _cache) = proxy(&routed(&server.base_url())).await;
    let base = proxy.base_url();
    let plain = format!("{base}/v1/messages");
    let token = ("x-api-key", TOKEN);
    let bearer = ("authorization", "Bearer t-token");
    let route = ("x-cachewright-route", "other");
    for (url, model, headers) in [
        (format!("{base}/voice/v1/messages"), "whatever", vec![token]),
        (plain.clone(), "voice", vec![bearer, ("x-amz-date", "1")]),
        (plain.clone(), "whatever", vec![token, route]),
    ] {
        let answer = say(&url, model, &headers).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }
    let received = received(&server).await;
    assert_eq!(received.len(), 3);
    for request in &received[..2] {
        assert_eq!(header(request, "x-api-key"), Some("sk-direct"));
        assert_eq!(header(request, "authorization"), None);
        assert!(
            request["body"]
                .as_str()
                .unwrap()
                .contains("\"claude-sonnet-5-5\"")
        );
    }
    assert_eq!(
        header(&received[2], "authorization"),
        Some("Bearer sk-called")
    );
    assert_eq!(header(&received[2], "x-api-key"), None);
    assert_eq!(header(&received[2], "x-team"), Some("a"));
    let all = json!(received).to_string();
    for hidden in [TOKEN, "x-cachewright", "x-amz"] {
        assert!(!all.contains(hidden), "{hidden} in {all}");
    }
    proxy.stop(FAULT).await;
}

#[tokio::test]
async fn what_is_no_routes_goes_to_its_upstream_as_it_came() {
    let server = simulator().await;
    let (proxy, _cache) = proxy(&routed(&server.base_url())).await;
    let base = proxy.base_url();
    let own = [("x-api-key", "sk-own"), ("x-cachewright-token", TOKEN)];
    for url in [
        format!("{base}/v1/messages"),
        format!("{base}/anthropic/v1/messages"),
    ] {
        let answer = say(&url, "claude-haiku-4-5", &own).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }
    let received = received(&server).await;
    assert_eq!(received.len(), 2);
    for request in &received {
        assert_eq!(header(request, "x-api-key"), Some("sk-own"));
        assert!(
            request["body"]
                .as_str()
                .unwrap()
                .contains("\"claude-haiku-4-5\"")
        );
        assert!(!request.to_string().contains(TOKEN));
    }
    let unknown = say(&format!("{base}/nowhere/v1/messages"), "x", &own).await;
    assert_eq!(unknown.status(), 404);
    let stranger = say(&format!("{base}/voice/v1/messages"), "x", &[]).await;
    assert_eq!(stranger.status(), 401);
    proxy.stop(FAULT).await;
}

#[tokio::test]
async fn a_misspelled_route_reaches_nobody() {
    let server = simulator().await;
    let text = routed(&server.base_url());
    let (routes, upstreams) = text.split_at(text.find("[upstreams.").unwrap());
    let only = upstreams.split("[upstreams.spare]").next().unwrap();
    for text in [routes.to_owned(), format!("{routes}{only}")] {
        let (proxy, _cache) = proxy(&text).await;
        let url = format!("{}/voise/v1/messages", proxy.base_url());
        let answer = say(&url, "whatever", &[("x-api-key", TOKEN)]).await;
        assert_eq!(answer.status(), 404);
        assert!(answer.text().await.unwrap().contains("voice"));
        proxy.stop(FAULT).await;
    }
    let (proxy, _cache) = proxy(routes).await;
    let url = format!("{}/v1/messages", proxy.base_url());
    let answer = say(&url, "voise", &[("x-api-key", TOKEN)]).await;
    assert_eq!(answer.status(), 404);
    assert_eq!(received(&server).await.len(), 0);
    proxy.stop(FAULT).await;
}

#[tokio::test]
async fn other_routes_and_upstreams_are_put_in_force_as_a_whole_or_not_at_all() {
    let server = simulator().await;
    let text = routed(&server.base_url());
    let (proxy, _cache) = proxy(&text).await;
    let read = |text: &str| {
        let options = ProxyOptions::default();
        options.config(("p.toml", text), &Catalog::builtin(), &env)
    };
    let own = [("x-cachewright-token", TOKEN)];
    let status = |path: &str| {
        let url = format!("{}{path}", proxy.base_url());
        async move { say(&url, "x", &own).await.status().as_u16() }
    };
    let moved = text.replace("routes.voice", "routes.sound");
    let moved = moved.replace("upstreams.anthropic", "upstreams.there");
    let mut clashing = read(&moved).unwrap();
    let there = clashing.upstreams[0].clone();
    clashing.upstreams.push(there);
    assert!(proxy.reload(clashing).is_err());
    assert_eq!(status("/voice/v1/messages").await, 200);
    proxy.reload(read(&moved).unwrap()).unwrap();
    assert_eq!(status("/voice/v1/messages").await, 404);
    assert_eq!(status("/sound/v1/messages").await, 200);
    proxy.stop(FAULT).await;
}

#[tokio::test]
async fn a_gateway_in_process_follows_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("routes.toml");
    std::fs::write(&file, small("http://h", "voice")).unwrap();
    let catalog = Catalog::builtin();
    let mut reload = Reload::new(vec![file.clone()], env);
    let edition = reload.read().unwrap();
    let options = reload.options(&edition, &catalog).unwrap();
    reload.keep(edition, &options);
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    let gateway = Cachewright::new().gateway(client.build_http(), options);
    let gateway = gateway.unwrap();
    assert!(reload.refresh(&gateway, &catalog).is_none());
    let names = || {
        let backends = gateway.gauge().read().backends;
        backends
            .iter()
            .map(|one| one.name.to_string())
            .collect::<Vec<_>>()
    };

    let more = "[providers.second]\nkind = \"anthropic\"\nkey = \"k\"\n";
    let whole = format!("{}{more}", small("http://h", "voice"));
    std::fs::write(&file, &whole).unwrap();
    assert!(reload.refresh(&gateway, &catalog).is_none());
    let changes = reload.refresh(&gateway, &catalog).unwrap().unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].to_string(), "added backend second");
    assert_eq!(names(), ["direct", "second"]);

    std::fs::write(&file, whole.replace("\"k\"", "7")).unwrap();
    assert!(reload.refresh(&gateway, &catalog).is_none());
    let error = reload.refresh(&gateway, &catalog).unwrap().unwrap_err();
    assert!(error.to_string().contains("routes.toml:11: "), "{error}");
    assert!(reload.refresh(&gateway, &catalog).is_none());
    assert_eq!(names(), ["direct", "second"]);
}

/// A proxy of the real command with what it says on stderr.
struct Real {
    serving: Serving,
    errors: mpsc::Receiver<String>,
    file: PathBuf,
    _dir: tempfile::TempDir,
    said: String,
}

impl Real {
    fn start(text: &str, variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("routes.toml");
        std::fs::write(&file, text).unwrap();
        let (reader, writer) = pipe().unwrap();
        let config = file.display().to_string();
        let args = ["--config", &config, "proxy", "--port", "0", "--no-ledger"];
        let args = [&args[..], &["--admin", "127.0.0.1:0"]].concat();
        let serving = Serving::start(&args, |command| {
            command.stderr(writer).envs(variables.iter().copied());
        });
        let (sender, errors) = mpsc::channel();
        tokio::task::spawn_blocking(move || {
            let lines = BufReader::new(reader).lines();
            lines
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self {
            serving,
            errors,
            file,
            _dir: dir,
            said: String::new(),
        }
    }

    /// Writes the file, and waits for the line that tells what came of it.
    fn change(&mut self, text: &str, asked: Asked) -> String {
        std::fs::write(&self.file, text).unwrap();
        if asked == Asked::BySignal {
            self.serving.hang_up();
        }
        let line = self.errors.recv_timeout(FAULT).unwrap();
        self.said.push_str(&line);
        line
    }

    async fn status(&self, path: &str) -> u16 {
        let url = format!("{}{path}", self.serving.url);
        say(&url, "x", &[]).await.status().as_u16()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    BySignal,
    ByNobody,
}

fn small(base: &str, route: &str) -> String {
    format!(
        "[providers.direct]\nkind = \"anthropic\"\nendpoint = \"{base}\"\nkey = \"${{SECRET}}\"\n\
         [routes.{route}]\nmodel = \"claude-sonnet-5.5\"\norder = \"direct\"\n\
         cap = \"5 USD/day\"\n"
    )
}

#[tokio::test]
async fn a_changed_file_is_put_in_force_and_a_bad_one_is_told_once() {
    let server = simulator().await;
    let base = server.base_url();
    let mut real = Real::start(&small(&base, "voice"), &[("SECRET", SECRET)]);
    let line = real
        .serving
        .line_with("route voice: claude-sonnet-5.5 at direct, by order");
    assert!(line.contains("cap 5 USD/day"), "{line}");
    let line = real.serving.line_with("backend direct: anthropic at ");
    assert!(line.contains("anywhere, with a key"), "{line}");
    assert_eq!(real.status("/voice/v1/messages").await, 200);

    let line = real.change(&small(&base, "sound"), Asked::BySignal);
    assert!(
        line.ends_with("added route sound, removed route voice"),
        "{line}"
    );
    assert_eq!(real.status("/voice/v1/messages").await, 404);
    assert_eq!(real.status("/sound/v1/messages").await, 200);

    let bad = small(&base, "sound").replace("order = \"direct\"", "order = \"dirct\"");
    let line = real.change(&bad, Asked::BySignal);
    for part in [
        "configuration in force stays",
        "routes.toml:7: ",
        "did you mean `direct`?",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert_eq!(real.status("/sound/v1/messages").await, 200);

    let later = format!("mode = \"observe\"\n{}", small(&base, "voice"));
    let line = real.change(&later, Asked::ByNobody);
    assert!(line.contains("added route voice"), "{line}");
    assert!(line.ends_with("needs a restart: added mode"), "{line}");
    assert_eq!(real.status("/voice/v1/messages").await, 200);

    let line = real.change(&later, Asked::BySignal);
    assert!(
        line.contains("nothing to put in force; needs a restart"),
        "{line}"
    );

    let said = real.said.clone();
    let end = real.serving.end();
    assert!(!format!("{said}{end}").contains(SECRET), "{said}");
}

#[tokio::test]
async fn the_admin_port_tells_how_backends_and_caps_stand() {
    let server = simulator().await;
    let mut real = Real::start(&small(&server.base_url(), "voice"), &[("SECRET", SECRET)]);
    let line = real.serving.line_with("report and metrics: ");
    let url = line
        .trim()
        .strip_prefix("report and metrics: ")
        .unwrap()
        .to_owned();
    assert_eq!(real.status("/voice/v1/messages").await, 200);
    let read = client()
        .get(format!("{url}routes.json"))
        .send()
        .await
        .unwrap();
    let told: Value = read.json().await.unwrap();
    let backend = &told["backends"][0];
    assert_eq!(
        (&backend["name"], &backend["state"]),
        (&json!("direct"), &json!("sound"))
    );
    let cap = &told["caps"][0];
    assert_eq!(cap["name"], "routes.voice");
    assert_eq!(cap["most"]["usd"], 5.0);
    assert_eq!(cap["hard"], true);
}

/// The keys that the simulator checks signatures by.
#[cfg(feature = "bedrock-sdk")]
const AWS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    (
        "AWS_SECRET_ACCESS_KEY",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    ),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

#[cfg(feature = "bedrock-sdk")]
#[tokio::test]
async fn a_backend_without_a_key_is_signed_for() {
    let server = simulator().await;
    let text = format!(
        "[providers.law]\nkind = \"bedrock\"\nregion = \"eu-central-1\"\n\
         endpoint = \"{}\"\n[routes.contracts]\nmodel = \"claude-sonnet-4.5\"\n\
         order = \"law\"\nresidency = \"eu\"\n",
        server.base_url()
    );
    let mut real = Real::start(&text, &AWS);
    real.serving.line_with("in eu, signed");
    let url = format!("{}/contracts/v1/messages", real.serving.url);
    let answer = say(&url, "x", &[("x-api-key", "sk-own")]).await;
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["type"], "message", "{text}");
    let received = received(&server).await;
    assert_eq!(received.len(), 1);
    let shown = header(&received[0], "authorization").unwrap();
    assert!(
        shown.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
        "{shown}"
    );
    assert_eq!(header(&received[0], "x-api-key"), None);
    assert!(
        received[0]
            .to_string()
            .contains("eu.anthropic.claude-sonnet-4-5")
    );
}
