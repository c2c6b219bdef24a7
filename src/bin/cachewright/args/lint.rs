//! Arguments of `cachewright lint`.

use std::path::PathBuf;

use cachewright::canon::Rule;
use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  cachewright lint request.json
  cachewright lint requests/ --fail-on error
  cachewright lint body.json --provider bedrock --model anthropic.claude-sonnet-4-5-20250929-v1:0
  cachewright lint request.json --fix > better.json
  cachewright lint request.json --fix --rules move_volatile,tool_order -o better.json
  cachewright lint requests/ --json | jq '.files[].findings[].code'

Input: a request body, or one JSON object per line: a body, or an object with a `request` and
perhaps a `provider` or a `url`. In directories, *.json and *.jsonl are read; what is no request
there is named on stderr and left out.

--fix sets markers as mode `place` does, replaces the caller's where they were wrong, and applies
--rules; without --rules those that the findings name and that change no word: split_volatile and
tool_duplicates. Rules: tool_order, tool_duplicates, tool_keys, input_keys, whitespace,
split_volatile, move_volatile, quantise_clock.

Exit codes: 0 nothing found at or above --fail-on, 1 something found (with --fix: something left),
2 an input or the command line cannot be used.";

/// Find what will break caching in a request before it is sent.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a flag of the command line is a bool"
)]
pub(crate) struct Lint {
    /// Requests, or directories of them (*.json, *.jsonl).
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) inputs: Vec<PathBuf>,
    /// The provider row the requests are for; without it the first that knows their model.
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<Box<str>>,
    /// The dialect of the bodies; without it their members tell.
    #[arg(long, value_name = "NAME")]
    pub(crate) dialect: Option<Box<str>>,
    /// The model, where the path names it and not the body.
    #[arg(long, value_name = "ID")]
    pub(crate) model: Option<Box<str>>,
    /// The URL the requests go to, which tells provider, dialect and model.
    #[arg(long, value_name = "URL", conflicts_with_all = ["provider", "dialect"])]
    pub(crate) url: Option<Box<str>>,
    /// What makes the command fail.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) fail_on: FailOn,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Show the text around each place; it is prompt text.
    #[arg(long)]
    pub(crate) excerpt: bool,
    /// Write the rewritten file, to standard output unless told otherwise.
    #[arg(long)]
    pub(crate) fix: bool,
    /// Rewrite the files themselves.
    #[arg(long, requires = "fix", conflicts_with = "output")]
    pub(crate) in_place: bool,
    /// Write the rewritten file here.
    #[arg(long, short, requires = "fix", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The reshape rules to apply.
    #[arg(long, requires = "fix", value_name = "RULE,…", value_delimiter = ',', value_parser = rule)]
    pub(crate) rules: Option<Vec<Rule>>,
}

/// What makes the command fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Anything that costs money or is refused.
    #[default]
    Warning,
    /// What the provider refuses.
    Error,
}

fn rule(name: &str) -> Result<Rule, String> {
    Rule::parse(name).ok_or_else(|| {
        let known = Rule::ALL.map(Rule::as_str).join(", ");
        format!("there is no such rule; valid are {known}")
    })
}
