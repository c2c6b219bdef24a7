//! rig over a client of `reqwest-middleware` that holds ours.
//!
//! `cargo run --example rig --features reqwest-middleware` asks a simulator within the process. For
//! the real one, set `ANTHROPIC_BASE_URL=https://api.anthropic.com` and `ANTHROPIC_API_KEY`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program of its own"
)]

use std::env::var;
use std::error::Error;

use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::server::SimServer;
use reqwest_middleware::ClientBuilder;
use rig_core::completion::CompletionRequest;
use rig_core::providers::anthropic::wire::AnthropicConfig;
use rig_reqwest::ReqwestMiddlewareClient;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sim = SimServer::default().bind("127.0.0.1:0".parse()?).await?;
    let config = AnthropicConfig::new(var("ANTHROPIC_API_KEY").unwrap_or_default())
        .with_base_url(var("ANTHROPIC_BASE_URL").unwrap_or_else(|_| sim.base_url()));
    let cache = Cachewright::builder().assume("anthropic").build()?;

    // `rig-reqwest` with its feature `reqwest-middleware`; the same for every provider of rig.
    let http = ClientBuilder::new(reqwest::Client::new()).with(cache.middleware());
    let client = config.connect(ReqwestMiddlewareClient::from(http.build()));

    let manual = "Every shelf has a number, and every number has a shelf. ".repeat(300);
    let model = client.completion("claude-sonnet-5");
    for question in ["Which shelf?", "Which number?"] {
        let request = CompletionRequest::new(question)
            .preamble(&manual)
            .max_tokens(20);
        let answer = model.call(request).await?;
        println!("{question} {:?}", answer.usage);
    }
    println!("\n{}", cache.report());
    Ok(())
}
