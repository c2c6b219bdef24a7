//! Prefixes kept for rent, where that pays: the client's errands run beside its calls.
//!
//! `GEMINI_API_KEY=… cargo run --example explicit_caches`, or against the simulator
//! (`cachewright sim --provider gemini`): `GEMINI_BASE_URL=http://127.0.0.1:8788 cargo run --example
//! explicit_caches`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program of its own"
)]

use std::env::var;
use std::error::Error;
use std::time::Duration;

use cachewright::adapter::handle::Cachewright;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let base = var("GEMINI_BASE_URL")
        .unwrap_or_else(|_| "https://generativelanguage.googleapis.com".into());
    let key = var("GEMINI_API_KEY").unwrap_or_default();

    let cache = Cachewright::builder()
        .assume("gemini")
        .with_explicit_caches()
        .build()?;
    let client = cache.wrap(reqwest::Client::new());
    let errands = tokio::spawn(client.errands());

    // Longer than what is kept at least, and shorter than what is cached without being asked.
    let manual = "The left lever opens the gate, the right one closes it. ".repeat(80);
    for number in 1..=8 {
        let request = reqwest::Client::new()
            .post(format!(
                "{base}/v1beta/models/gemini-2.5-flash:generateContent"
            ))
            .header("x-goog-api-key", &key)
            .json(&serde_json::json!({
                "systemInstruction": {"parts": [{"text": manual}]},
                "contents": [{"role": "user", "parts": [{"text": format!("Lever {number}?")}]}],
                "generationConfig": {"maxOutputTokens": 20},
            }));
        let answer: serde_json::Value = client.send(request).await?.json().await?;
        println!("{}", answer.get("usageMetadata").unwrap_or(&answer));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    // What is still kept is deleted.
    drop(client);
    errands.await?;
    print!("{}", cache.report());
    Ok(())
}
