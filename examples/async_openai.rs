//! async-openai over a wrapped `reqwest::Client`, by its own extension point, a tower service.
//!
//! `cargo run --example async_openai` asks a simulator within the process. For the real one:
//! `OPENAI_BASE_URL=https://api.openai.com/v1 OPENAI_API_KEY=… cargo run --example async_openai`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program of its own"
)]

use std::env::var;
use std::error::Error;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_openai::types::chat::{
    ChatCompletionRequestMessage, ChatCompletionRequestSystemMessage,
    ChatCompletionRequestUserMessage, CreateChatCompletionRequestArgs,
};
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::server::SimServer;
use tower::service_fn;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sim = SimServer::default().bind("127.0.0.1:0".parse()?).await?;
    let config = OpenAIConfig::new()
        .with_api_base(var("OPENAI_BASE_URL").unwrap_or_else(|_| format!("{}/v1", sim.base_url())))
        .with_api_key(var("OPENAI_API_KEY").unwrap_or_default());
    let cache = Cachewright::builder().assume("openai").build()?;

    // The service stands in the place of the client's own retries: where they are wanted, put
    // `async_openai::middleware::retry::OpenAIRetryLayer` around it.
    let http = cache.wrap(reqwest::Client::new());
    let service = service_fn(move |request: HttpRequestFactory| {
        let http = http.clone();
        async move { Ok::<_, OpenAIError>(http.execute(request.build().await?).await?) }
    });
    let client = Client::with_config(config).with_http_service(service);

    let manual = "Every shelf has a number, and every number has a shelf. ".repeat(300);
    for question in ["Which shelf?", "Which number?"] {
        let turns: [ChatCompletionRequestMessage; 2] = [
            ChatCompletionRequestSystemMessage::from(manual.as_str()).into(),
            ChatCompletionRequestUserMessage::from(question).into(),
        ];
        let request = CreateChatCompletionRequestArgs::default()
            .model("gpt-5.6")
            .max_completion_tokens(20_u32)
            .messages(turns)
            .build()?;
        let answer = client.chat().create(request).await?;
        println!("{question} {:?}", answer.usage);
    }
    println!("\n{}", cache.report());
    Ok(())
}
