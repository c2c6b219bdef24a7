//! Arguments of `probe`.

use std::path::PathBuf;

use cachewright::adapter::probe::Kind;
use cachewright::model::Money;
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  cachewright probe --list
  cachewright probe --provider anthropic --model claude-haiku-4-5
  cachewright probe --provider anthropic --model claude-opus-5 --only minimum,lookback,grant --yes
  cachewright probe --provider anthropic --model claude-haiku-4-5 --endpoint https://llm.example.com \\
      --key-env GATEWAY_KEY --budget 0.50 --out measured.toml
  cachewright probe --provider anthropic --model claude-haiku-4-5 --resume measured.state.json
  cachewright probe --provider bedrock --model claude-haiku-4-5 --region us-east-1
  cachewright replay logs/ --config measured.toml      use what was found

Try it without a key and without waiting:
  cachewright sim --listen 127.0.0.1:8788 --rules hidden.toml &
  cachewright probe --provider anthropic --model claude-haiku-4-5 \\
      --endpoint http://127.0.0.1:8788 --simulated --yes

The plan with its price comes first, and nothing is sent before it is agreed to. What was answered is
kept after every call: an interrupted run goes on with --resume and pays for nothing twice. Keys are
read from the environment and appear in no output and no file.

Exit codes: 0 done, 1 the endpoint failed, or the budget ended it before its end, 2 unusable command
line, or the endpoint refuses the key or the model.";

/// Find out how an endpoint's cache really behaves, for little money and with your own key.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a flag of the command line is a bool"
)]
pub(crate) struct Probe {
    /// The provider, by the name of its row.
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    pub(crate) provider: Option<String>,
    /// The model, in any spelling.
    #[arg(long, value_name = "MODEL", required_unless_present = "list")]
    pub(crate) model: Option<String>,
    /// The base URL; the provider's own where it is left out.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The variable that holds the key; the provider's usual one where it is left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) key_env: Option<String>,
    /// The dialect, where a provider speaks several: messages, chat or responses.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) dialect: String,
    /// The region that the endpoint's address names.
    #[arg(long, value_name = "NAME")]
    pub(crate) region: Option<String>,
    /// The project that the endpoint's address names.
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Only these experiments, separated by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = kind)]
    pub(crate) only: Vec<Kind>,
    /// What may be spent, in US dollars, with all runs that it resumes.
    #[arg(long, value_name = "DOLLARS", default_value = "1", value_parser = dollars)]
    pub(crate) budget: Money,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Go on with this state of an interrupted run; without it, the state stands beside --out.
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Where the row goes (TOML); `probe-PROVIDER-MODEL.toml` where it is left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The endpoint is `cachewright sim`: move its clock instead of waiting.
    #[arg(long, requires = "endpoint")]
    pub(crate) simulated: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// List the experiments and end.
    #[arg(long)]
    pub(crate) list: bool,
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::parse(name).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::as_str);
        format!("valid are {}", names.join(", "))
    })
}

/// Reads `1`, `$1` or `0.50`.
fn dollars(text: &str) -> Result<Money, String> {
    let plain = text.strip_prefix('$').unwrap_or(text);
    let money = Money::per_mtok(plain).filter(|money| *money > Money::ZERO);
    let money = money.ok_or("write dollars such as 1 or 0.50")?;
    // A price per million tokens, times a million.
    Ok(money.times(1_000_000))
}
