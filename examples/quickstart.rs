//! Wraps a `reqwest::Client`, sends one Messages request and prints the report.
//!
//! `ANTHROPIC_API_KEY=… cargo run --example quickstart`, or against any server that speaks the
//! Messages API: `ANTHROPIC_BASE_URL=http://127.0.0.1:8080 cargo run --example quickstart`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program of its own"
)]

use std::env::var;
use std::error::Error;

use cachewright::adapter::handle::Cachewright;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let base = var("ANTHROPIC_BASE_URL").unwrap_or_else(|_| "https://api.anthropic.com".into());
    let key = var("ANTHROPIC_API_KEY").unwrap_or_default();

    let cache = Cachewright::builder().assume("anthropic").build()?;
    let client = reqwest::Client::new();
    let wrapped = cache.wrap(client.clone());

    let request = client
        .post(format!("{base}/v1/messages"))
        .header("x-api-key", key)
        .header("anthropic-version", "2023-06-01")
        .json(&serde_json::json!({
            "model": "claude-sonnet-4-5",
            "max_tokens": 100,
            "system": "You answer in one sentence.",
            "messages": [{"role": "user", "content": "What is a prompt cache?"}],
        }));
    let answer = wrapped.send(request).await?;

    println!("{}\n\n{}", answer.text().await?, cache.report());
    Ok(())
}
