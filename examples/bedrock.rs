//! A client of Amazon Bedrock whose prompts are cached well and accounted for: one line more.
//!
//! `cargo run --example bedrock --features bedrock,server` talks to a simulator within this process
//! and needs no account. With `-- --live` it talks to AWS: set `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
//! `AWS_SECRET_ACCESS_KEY` and, where there is one, `AWS_SESSION_TOKEN`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program of its own"
)]

use std::env::{args, var};
use std::error::Error;
use std::net::SocketAddr;

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ConversationRole, InferenceConfiguration, Message, SystemContentBlock,
};
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::server::{SimHandle, SimOptions, SimServer};

const MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulator = match args().any(|arg| arg == "--live") {
        true => None,
        false => {
            let free = SocketAddr::from(([127, 0, 0, 1], 0));
            Some(SimServer::new(SimOptions::default()).bind(free).await?)
        }
    };

    let cache = Cachewright::new();
    let config = account(simulator.as_ref())?
        .interceptor(cache.bedrock()) // the one line
        .build();
    let client = Client::from_conf(config);

    for question in ["What is rule 7?", "And rule 1200?"] {
        let answer = client
            .converse()
            .model_id(MODEL)
            .system(SystemContentBlock::Text(handbook()))
            .messages(said(question)?)
            .inference_config(InferenceConfiguration::builder().max_tokens(60).build())
            .send()
            .await?;
        let usage = answer.usage().ok_or("no usage")?;
        println!(
            "{question}  {} tokens read from the cache, {} written, {} plain",
            usage.cache_read_input_tokens().unwrap_or_default(),
            usage.cache_write_input_tokens().unwrap_or_default(),
            usage.input_tokens(),
        );
    }
    println!("\n{}", cache.report());
    Ok(())
}

/// The account, and where it is: the simulator's, or one of AWS.
fn account(simulator: Option<&SimHandle>) -> Result<Builder, Box<dyn Error>> {
    let config = Builder::new().behavior_version(BehaviorVersion::latest());
    if let Some(simulator) = simulator {
        // The credentials of AWS's published examples, which the simulator verifies.
        let keys = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let credentials = Credentials::new(keys.0, keys.1, None, None, "example");
        return Ok(config
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials)
            .endpoint_url(simulator.base_url()));
    }
    let (id, secret) = (var("AWS_ACCESS_KEY_ID")?, var("AWS_SECRET_ACCESS_KEY")?);
    let token = var("AWS_SESSION_TOKEN").ok();
    Ok(config
        .region(Region::new(var("AWS_REGION")?))
        .credentials_provider(Credentials::new(id, secret, token, None, "environment")))
}

/// A system prompt that is long enough to be cached.
fn handbook() -> String {
    (1..=1500).fold(String::from("You know the rules.\n"), |text, n| {
        text + &format!("Rule {n}: look twice at case {}.\n", n * 37 % 1009)
    })
}

fn said(text: &str) -> Result<Message, Box<dyn Error>> {
    Ok(Message::builder()
        .role(ConversationRole::User)
        .content(ContentBlock::Text(text.into()))
        .build()?)
}
