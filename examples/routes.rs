//! Routes over several providers, in process: one dialect, whichever provider serves it, with
//! failover, residency and a cap.
//!
//! `cargo run --example routes` asks simulated providers within the process and needs no key.

#![expect(clippy::print_stdout, reason = "an example is a program of its own")]

use std::error::Error;

use cachewright::adapter::gateway::{Gateway, GatewayOptions, Transport};
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::server::{SimHandle, SimServer};
use cachewright::provider::Catalog;
use serde_json::{Value, json};

/// What the file of a real installation says, but for the endpoints, which are the providers' own
/// where they are left out.
fn configuration(direct: &SimHandle, bedrock: &SimHandle) -> String {
    let (direct, bedrock) = (direct.base_url(), bedrock.base_url());
    format!(
        r#"
[providers.direct]
kind = "anthropic"
endpoint = "{direct}"
key = "sk-direct"

[providers.bedrock]
kind = "bedrock"
region = "eu-central-1"
endpoint = "{bedrock}"
key = "bearer-token"

[routes.voice]
model = "claude-sonnet-4.5"
order = ["direct", "bedrock"]
goal = "latency"

[routes.contracts]
model = "claude-sonnet-4.5"
order = ["bedrock"]
residency = "eu"
cap = "200 USD/day"
"#
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let direct = SimServer::default().bind("127.0.0.1:0".parse()?).await?;
    let bedrock = SimServer::default().bind("127.0.0.1:0".parse()?).await?;
    let text = configuration(&direct, &bedrock);
    let options = GatewayOptions::config(("routes.toml", &text), &Catalog::builtin(), &|_| None)?;

    let cache = Cachewright::new();
    let client = reqwest::Client::new();
    let gateway = cache.gateway(Transport::new(reqwest::Client::builder())?, options)?;

    ask(&gateway, &client, "voice").await?;
    ask(&gateway, &client, "contracts").await?;

    println!("\nThe provider of `voice` is overloaded:");
    let faults = format!("{}/admin/faults", direct.base_url());
    let overloaded = json!({"status": 529});
    client.post(faults).json(&overloaded).send().await?;
    ask(&gateway, &client, "voice").await?;

    println!("\n{}", cache.report());
    Ok(())
}

/// Asks a route, whatever serves it, and prints who did.
async fn ask(
    gateway: &Gateway<Transport>,
    client: &reqwest::Client,
    route: &str,
) -> Result<(), Box<dyn Error>> {
    let body = json!({
        "model": "claude-sonnet-4.5",
        "max_tokens": 100,
        "system": "Every shelf has a number, and every number has a shelf. ".repeat(300),
        "messages": [{"role": "user", "content": "Which shelf?"}],
    });
    // No such host is asked: the path names the route.
    let request = client.post(format!("http://gateway/{route}/v1/messages"));
    let response = gateway.execute(request.json(&body).build()?).await;
    let response = response.map_err(|error| error.to_string())?;
    let by = response.headers().get("x-cachewright-route").cloned();
    let answer: Value = response.json().await?;
    let by = by
        .as_ref()
        .and_then(|by| by.to_str().ok())
        .unwrap_or_default();
    println!("{by}\n  {}", answer.get("usage").unwrap_or(&Value::Null));
    Ok(())
}
