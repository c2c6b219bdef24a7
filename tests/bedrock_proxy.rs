//! The proxy with an upstream it signs for: whatever the client showed, the simulator accepts it.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::error::ProvideErrorMetadata;
use aws_sdk_bedrockruntime::types::ConverseStreamOutput;
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::proxy::{Proxy, ProxyHandle, ProxyOptions, Upstream};
use cachewright::adapter::server::SimHandle;
use cachewright::provider::Catalog;
use futures_util::stream;
use serde_json::{Value, json};

use crate::bedrock_sdk::{
    KEYS, METADATA, SONNET, START, config, converse, converse_stream, event, kept, long, say,
    simulator, stage,
};

fn upstream(base: &str) -> Upstream {
    let upstream = Upstream::new("bedrock", base).unwrap();
    upstream.provider("bedrock")
}

/// Signs with the account that the simulator knows.
fn signed(base: &str) -> Upstream {
    let credentials = Credentials::new(KEYS.0, KEYS.1, Some("TOKEN+/=".into()), None, "test");
    upstream(base).sign_with(credentials, "eu-central-1")
}

async fn proxy(cache: &Cachewright, upstream: Upstream) -> ProxyHandle {
    let mut options = ProxyOptions::default();
    options.listen.set_port(0);
    options.upstreams = vec![upstream];
    Proxy::new(cache, options).unwrap().bind().await.unwrap()
}

/// A client of an account that nobody knows.
fn stranger(base: &str) -> Client {
    Client::from_conf(config(base, ("AKIDNOBODY", "nothing")).build())
}

/// The requests of the simulator, each signed by the proxy; how often they are marked.
async fn markers(server: &SimHandle) -> Vec<usize> {
    let kept = kept(server).await;
    for sent in &kept {
        let signature = sent.header("authorization").unwrap();
        assert!(signature.contains("Credential=AKIDEXAMPLE/"), "{signature}");
        assert_eq!(sent.header("x-amz-security-token"), Some("TOKEN+/="));
        assert_eq!(sent.header("x-api-key"), None);
        let length = sent.header("content-length").unwrap();
        assert_eq!(length.parse(), Ok(sent.body.len()));
    }
    let marks = |body: &str| body.matches("cachePoint").count();
    kept.iter().map(|sent| marks(&sent.body)).collect()
}

#[tokio::test]
async fn what_a_client_signed_is_marked_and_signed_anew() {
    let server = simulator().await;
    let refused = converse(&stranger(&server.base_url()), SONNET).send().await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Some("UnrecognizedClientException"));

    let server = simulator().await;
    let cache = Cachewright::new();
    let proxy = proxy(&cache, signed(&server.base_url())).await;
    let client = stranger(&proxy.base_url());
    converse(&client, SONNET).send().await.unwrap();
    let said = converse(&client, SONNET).send().await.unwrap();
    let read = said.usage().unwrap().cache_read_input_tokens().unwrap();
    assert!(read > 1000, "{read}");
    let usage = converse_stream(&client, SONNET).await;
    assert_eq!(usage.cache_read_input_tokens(), Some(read));
    let marks = markers(&server).await;
    assert!(marks.len() == 3 && marks.iter().all(|count| *count > 0));
    proxy.stop(std::time::Duration::from_secs(5)).await;
    let records = cache.records();
    assert_eq!(records.len(), 3);
    assert!(records.iter().all(|record| record.skip.is_none()));
    // The client's signature differs each time; the account, and so the history, does not.
    let warm = records.iter().filter(|one| one.read_prefix.is_some());
    assert_eq!(warm.count(), 2);
}

#[tokio::test]
async fn without_signing_a_signed_request_passes_as_it_is() {
    let server = simulator().await;
    let cache = Cachewright::new();
    let proxy = proxy(&cache, upstream(&server.base_url())).await;
    // The signature is of another host, so that the simulator refuses it.
    let refused = converse(&stranger(&proxy.base_url()), SONNET).send().await;
    assert_eq!(
        refused.unwrap_err().code(),
        Some("UnrecognizedClientException")
    );
    let sent = kept(&server).await;
    assert!(sent.iter().all(|sent| !sent.body.contains("cachePoint")));
}

#[tokio::test]
async fn keys_of_any_kind_are_taken_out_and_bodies_of_any_kind_are_signed() {
    let server = simulator().await;
    let cache = Cachewright::new();
    let proxy = proxy(&cache, signed(&server.base_url())).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/model/{SONNET}/converse", proxy.base_url());
    let body = json!({
        "system": [{"text": long()}],
        "messages": [{"role": "user", "content": [{"text": "hello"}]}],
        "inferenceConfig": {"maxTokens": 20},
    });
    let body = body.to_string();
    let post = || client.post(&url).header("content-type", "application/json");
    let halves = || {
        let (head, tail) = body.split_at(body.len() / 2);
        let halves = [head, tail].map(|half| Ok::<_, std::io::Error>(half.to_owned()));
        reqwest::Body::wrap_stream(stream::iter(halves))
    };
    for request in [
        post().bearer_auth("a-key").body(body.clone()),
        post().header("x-api-key", "a-key").body(body.clone()),
        post().body(halves()),
        // What is not read is signed all the same.
        post().header("content-encoding", "identity").body(halves()),
    ] {
        let response = request.send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{}", response.text().await.unwrap());
    }
    let marks = markers(&server).await;
    assert!(
        matches!(marks.as_slice(), [(1..), (1..), (1..), 0]),
        "{marks:?}"
    );
    let events = client.post(&url);
    let events = events.header("content-type", "application/vnd.amazon.eventstream");
    let refused = events.body("x").send().await.unwrap();
    assert_eq!(refused.status(), 501);
}

/// What is refused of ours is sent again as the client wrote it, signed once more.
#[tokio::test]
async fn a_refusal_is_answered_with_the_clients_own_body() {
    let server = simulator().await;
    let row = "[[model]]\nprovider = \"bedrock\"\nname = \"claude-haiku-3\"\n\
               like = \"anthropic/claude-sonnet-4.5\"\nsource = \"test\"\nas_of = \"2026-11-22\"\n";
    let builder = Cachewright::builder().rows("rows.toml", row).unwrap();
    let cache = builder.build().unwrap();
    let proxy = proxy(&cache, signed(&server.base_url())).await;
    let client = stranger(&proxy.base_url());
    let haiku = "anthropic.claude-3-haiku-20240307-v1:0";
    converse(&client, haiku).send().await.unwrap();
    let marks = markers(&server).await;
    assert!(matches!(marks.as_slice(), [(1..), 0]), "{marks:?}");
}

#[tokio::test]
async fn the_first_event_comes_through_before_the_second_is_sent() {
    let (origin, tell) = stage().await;
    let cache = Cachewright::new();
    let proxy = proxy(&cache, signed(&origin.base)).await;
    let client = stranger(&proxy.base_url());
    let stream = client.converse_stream().model_id(SONNET);
    let stream = stream.messages(say("hello")).send().await.unwrap();
    let mut events = stream.stream;
    tell.send(event("messageStart", START)).unwrap();
    let first = events.recv().await.unwrap().unwrap();
    assert!(matches!(first, ConverseStreamOutput::MessageStart(_)));
    tell.send(event("metadata", METADATA)).unwrap();
    let second = events.recv().await.unwrap().unwrap();
    assert!(matches!(second, ConverseStreamOutput::Metadata(_)));
}

/// Has no credentials.
#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nobody is home")))
    }
}

#[tokio::test]
async fn missing_credentials_are_an_error_that_names_the_fix() {
    let server = simulator().await;
    let text = format!(
        "[upstreams.bedrock]\nbase_url = \"{}\"\nsign = \"aws\"\nregion = \"eu-west-1\"\n\
         profile = \"cachewright-knows-no-such-profile\"",
        server.base_url()
    );
    let options = ProxyOptions::default();
    let options = options.config(("p.toml", &text), &Catalog::builtin(), &|_| None);
    let of_file = options.unwrap().upstreams.remove(0);
    let given = upstream(&server.base_url()).sign_with(Nobody, "eu-west-1");
    for (upstream, why) in [(given, "nobody is home"), (of_file, "")] {
        let cache = Cachewright::new();
        let proxy = proxy(&cache, upstream).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/model/{SONNET}/converse", proxy.base_url());
        let failed = client.post(url).json(&json!({"messages": []}));
        let failed = failed.send().await.unwrap();
        assert_eq!(failed.status(), 502);
        let said: Value = failed.json().await.unwrap();
        assert_eq!(said.pointer("/error/type"), Some(&json!("aws_credentials")));
        let message = said.pointer("/message").and_then(Value::as_str).unwrap();
        for part in [why, "aws sso login", "[upstreams.bedrock]"] {
            assert!(message.contains(part), "{message}");
        }
        // The SDK's user sees it too.
        let config = config(&proxy.base_url(), KEYS);
        let retries = aws_sdk_bedrockruntime::config::retry::RetryConfig::disabled();
        let client = Client::from_conf(config.retry_config(retries).build());
        let failed = converse(&client, SONNET).send().await.unwrap_err();
        assert_eq!(failed.message(), Some(message));
    }
    assert!(kept(&server).await.is_empty());
}

/// The command with an environment of this test's own, and the address it serves at.
#[cfg(feature = "cli")]
fn served(config: &std::path::Path, environment: &[(&str, &str)]) -> (std::process::Child, String) {
    use std::io::BufRead as _;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cachewright"));
    command
        // Without an environment its ledger would stand in the working directory.
        .args(["proxy", "--port", "0", "--no-ledger", "--admin", "off"])
        .arg("--config")
        .arg(config)
        .env_clear()
        // No file and no instance has credentials.
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied())
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    // The command must be able to say more.
    child.stdout = Some(out.into_inner());
    (child, line.trim().to_owned())
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn the_command_signs_by_the_chain_of_its_environment() {
    let server = simulator().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cachewright.toml");
    let text = format!(
        "[upstreams.bedrock]\nbase_url = \"{}\"\nsign = \"aws\"\n",
        server.base_url()
    );
    std::fs::write(&path, text).unwrap();
    let keys = [
        ("AWS_ACCESS_KEY_ID", KEYS.0),
        ("AWS_SECRET_ACCESS_KEY", KEYS.1),
        ("AWS_SESSION_TOKEN", "TOKEN+/="),
        ("AWS_REGION", "eu-west-3"),
    ];
    let without_region = &keys[..3];
    for (environment, missing) in [
        (&keys[..], None),
        (without_region, Some("AWS_REGION")),
        (&keys[3..], Some("aws sso login")),
    ] {
        let (mut proxy, base) = served(&path, environment);
        let retries = aws_sdk_bedrockruntime::config::retry::RetryConfig::disabled();
        let config = config(&base, ("AKIDNOBODY", "nothing")).retry_config(retries);
        let client = Client::from_conf(config.build());
        let said = converse(&client, SONNET).send().await;
        proxy.kill().unwrap();
        proxy.wait().unwrap();
        match missing {
            None => drop(said.unwrap()),
            Some(missing) => {
                let said = said.unwrap_err();
                let message = said.message().unwrap();
                assert!(message.contains(missing), "{message}");
            }
        }
    }
    let marks = markers(&server).await;
    assert!(matches!(marks.as_slice(), [(1..)]), "{marks:?}");
    let sent = kept(&server).await;
    let signature = sent.first().unwrap().header("authorization").unwrap();
    assert!(signature.contains("/eu-west-3/bedrock/"), "{signature}");
}
