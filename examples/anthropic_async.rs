//! anthropic-async through a proxy within the process: it takes a base URL, and a plain client.
//!
//! Without streams: in version 0.5 its feature for them does not compile.
//!
//! `cargo run --example anthropic_async` asks a simulator within the process. For the real one, set
//! `ANTHROPIC_BASE_URL=https://api.anthropic.com` and `ANTHROPIC_API_KEY`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program of its own"
)]

use std::env::var;
use std::error::Error;

use anthropic_async::types::{MessageParam, MessageRole, MessagesCreateRequest};
use anthropic_async::{AnthropicConfig, Client};
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::proxy::Loopback;
use cachewright::adapter::server::SimServer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sim = SimServer::default().bind("127.0.0.1:0".parse()?).await?;
    let upstream = var("ANTHROPIC_BASE_URL").unwrap_or_else(|_| sim.base_url());
    let config = AnthropicConfig::new()
        .with_api_key(var("ANTHROPIC_API_KEY").unwrap_or_else(|_| "none".into()));
    let cache = Cachewright::builder().assume("anthropic").build()?;

    let loopback = Loopback::spawn(&cache, &upstream).await?;
    let client = Client::with_config(config.with_api_base(loopback.base_url()));

    let manual = "Every shelf has a number, and every number has a shelf. ".repeat(300);
    for question in ["Which shelf?", "Which number?"] {
        let request = MessagesCreateRequest {
            model: "claude-sonnet-5".into(),
            max_tokens: 20,
            system: Some(manual.as_str().into()),
            messages: vec![MessageParam {
                role: MessageRole::User,
                content: question.into(),
            }],
            ..MessagesCreateRequest::default()
        };
        let answer = client.messages().create(request).await?;
        println!("{question} {:?}", answer.usage);
    }
    println!("\n{}", cache.report());
    Ok(())
}
