//! A client of `reqwest-middleware` whose prompts are cached well and accounted for.
//!
//! `ANTHROPIC_API_KEY=… cargo run --example reqwest_middleware --features reqwest-middleware`, or
//! with `ANTHROPIC_BASE_URL` against any server that speaks the Messages API.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program of its own"
)]

use std::env::var;
use std::error::Error;

use cachewright::adapter::handle::Cachewright;
use reqwest_middleware::ClientBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let base = var("ANTHROPIC_BASE_URL").unwrap_or_else(|_| "https://api.anthropic.com".into());
    let key = var("ANTHROPIC_API_KEY").unwrap_or_default();

    let cache = Cachewright::builder().assume("anthropic").build()?;
    // Middlewares that retry go behind it: one rewrite, whatever the number of attempts.
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(cache.middleware())
        .build();

    let body = serde_json::json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "What is a prompt cache?"}],
    });
    let request = client
        .post(format!("{base}/v1/messages"))
        .header("content-type", "application/json")
        .header("x-api-key", key)
        .header("anthropic-version", "2023-06-01")
        .body(body.to_string());
    println!(
        "{}\n\n{}",
        request.send().await?.text().await?,
        cache.report()
    );
    Ok(())
}
