//! genai through a proxy within the process: it takes an endpoint, and no HTTP stack of others.
//!
//! `cargo run --example genai` asks a simulator within the process. For the real one:
//! `ANTHROPIC_BASE_URL=https://api.anthropic.com ANTHROPIC_API_KEY=… cargo run --example genai`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program of its own"
)]

use std::env::var;
use std::error::Error;

use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::proxy::Loopback;
use cachewright::adapter::server::SimServer;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{Client, ServiceTarget};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sim = SimServer::default().bind("127.0.0.1:0".parse()?).await?;
    let upstream = var("ANTHROPIC_BASE_URL").unwrap_or_else(|_| sim.base_url());
    let key = var("ANTHROPIC_API_KEY").unwrap_or_default();
    let cache = Cachewright::builder().assume("anthropic").build()?;

    let loopback = Loopback::spawn(&cache, &upstream).await?;
    let endpoint = Endpoint::from_owned(format!("{}/v1/", loopback.base_url()));
    let resolver = ServiceTargetResolver::from_resolver_fn(move |mut target: ServiceTarget| {
        target.endpoint = endpoint.clone();
        target.auth = AuthData::from_single(key.as_str());
        Ok(target)
    });
    let client = Client::builder()
        .with_service_target_resolver(resolver)
        .build()?;

    let manual = "Every shelf has a number, and every number has a shelf. ".repeat(300);
    let options = ChatOptions::default().with_max_tokens(20);
    for question in ["Which shelf?", "Which number?"] {
        let request = ChatRequest::from_system(&manual).append_message(ChatMessage::user(question));
        let answer = client
            .exec_chat("claude-sonnet-5", request, Some(&options))
            .await?;
        println!("{question} {:?}", answer.usage);
    }
    println!("\n{}", cache.report());
    Ok(())
}
