//! A proxy within the process, for a client that takes a base URL and nothing else.
//!
//! `ANTHROPIC_API_KEY=… cargo run --example loopback`, or against any server that speaks the
//! Messages API: `ANTHROPIC_BASE_URL=http://127.0.0.1:8788 cargo run --example loopback`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program of its own"
)]

use std::env::var;
use std::error::Error;
use std::time::Duration;

use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::proxy::Loopback;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let upstream = var("ANTHROPIC_BASE_URL").unwrap_or_else(|_| "https://api.anthropic.com".into());
    let key = var("ANTHROPIC_API_KEY").unwrap_or_default();

    let cache = Cachewright::builder().assume("anthropic").build()?;
    let loopback = Loopback::spawn(&cache, &upstream).await?;

    println!(
        "{}\n\n{}",
        ask(&loopback.base_url(), &key).await?,
        cache.report()
    );
    loopback.stop(Duration::from_secs(1)).await;
    Ok(())
}

/// Stands for a client whose HTTP stack is its own.
async fn ask(base_url: &str, key: &str) -> reqwest::Result<String> {
    let request = reqwest::Client::new()
        .post(format!("{base_url}/v1/messages"))
        .header("x-api-key", key)
        .header("anthropic-version", "2023-06-01")
        .json(&serde_json::json!({
            "model": "claude-sonnet-4-5",
            "max_tokens": 100,
            "messages": [{"role": "user", "content": "What is a prompt cache?"}],
        }));
    request.send().await?.text().await
}
